//! From the parts of a text to the types of programs.
//!
//! The types say which keys and words there are; a key may be written with `-` for `_`, and without the unit that its
//! name ends with when its value is a length of time.

use std::cell::RefCell;
use std::rc::Rc;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::fault::{Fault, What, word_of};
use super::length::Unit;
use super::pick::{Shapes, as_pick, lifted};
use super::tree::{Entry, Node, Value};
use super::variant::Variant;
use super::{Broken, Named};
use crate::schedule::content::Collection;

/// What a reading knows besides the text.
pub(super) struct Context {
    /// Parts that are left out because they are no good.
    pub(super) broken: Broken,
    pub(super) shapes: Shapes,
    named: RefCell<Vec<Named>>,
}

impl Context {
    pub(super) fn new() -> Self {
        Self {
            shapes: Shapes::of_collections(),
            ..Self::without_picks()
        }
    }

    /// A context that takes every map as it stands.
    pub(super) fn without_picks() -> Self {
        Self {
            broken: Broken::new(),
            shapes: Shapes::default(),
            named: RefCell::default(),
        }
    }

    /// Notes that the text names a collection.
    pub(super) fn note(&self, of: &Collection, node: &Node) {
        let (of, line, column) = (of.clone(), node.at.line, node.at.column);
        self.named.borrow_mut().push(Named { of, line, column });
    }

    /// The collections that the text names.
    pub(super) fn named(&self) -> Vec<Named> {
        self.named.take()
    }

    fn is_good(&self, entry: &Entry) -> bool {
        !self.broken.contains(&entry.key_node.id) && !self.broken.contains(&entry.value.id)
    }
}

/// The unit of a number.
#[derive(Clone, Copy, Debug)]
struct Counted {
    unit: Unit,
    /// Its name does not say the unit: a bare number does not either.
    must_say: bool,
}

/// A part of the text that is asked what it is.
#[derive(Clone)]
pub(super) struct De<'a> {
    pub(super) node: Rc<Node>,
    pub(super) context: &'a Context,
    counted: Option<Counted>,
    /// What of the map is a collection is taken as it stands.
    pub(super) as_it_stands: bool,
}

impl<'a> De<'a> {
    pub(super) fn new(node: Rc<Node>, context: &'a Context) -> Self {
        Self {
            node,
            context,
            counted: None,
            as_it_stands: false,
        }
    }

    pub(super) fn part(&self, node: &Rc<Node>) -> Self {
        Self::new(node.clone(), self.context)
    }

    /// Entries that are good so far.
    fn good(&self) -> Vec<Entry> {
        let entries = self.node.entries().iter();
        entries
            .filter(|e| self.context.is_good(e))
            .cloned()
            .collect()
    }

    fn number<T: std::str::FromStr>(&self, text: &str) -> Result<Option<T>, Fault> {
        let text = text.trim();
        let number = text.parse::<T>().ok();
        match self.counted {
            None => Ok(number),
            Some(counted) => {
                if number.is_some() && !counted.must_say {
                    return Ok(number);
                }
                let length = counted
                    .unit
                    .parse(text)
                    .map_err(|e| Fault::said(&self.node, e))?;
                Ok(length.to_string().parse().ok())
            }
        }
    }

    /// A map with these keys.
    pub(super) fn record<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let node = self.node.clone();
        let node = match &node.value {
            // An order is mostly nothing but its name.
            Value::Word { .. } if fields.contains(&"by") && !node.is_null() => {
                node.like(Value::Map(vec![Entry {
                    key: "by".into(),
                    key_node: node.clone(),
                    value: node.clone(),
                }]))
            }
            Value::Word { .. } if node.is_null() => node.like(Value::Map(Vec::new())),
            Value::Map(_) if fields.contains(&"pick") => {
                lifted(&node, fields, &self.context.shapes)
            }
            Value::Map(_) => node,
            _ => {
                let keys: Vec<&str> = fields.iter().map(|f| super::fault::stem(f)).collect();
                let said = format!(
                    "a map is wanted here, with keys such as {}",
                    keys.join(", ")
                );
                return Err(Fault::said(&node, said));
            }
        };
        let this = self.part(&node);
        let mut entries = Vec::new();
        for entry in this.good() {
            let Some((field, counted)) = find(&entry.key, fields) else {
                let mut what = What::unknown(&entry.key, fields);
                if let (What::Unknown { also, .. }, true) = (&mut what, fields.contains(&"pick")) {
                    also.extend(this.context.shapes.keys());
                }
                return Err(Fault::new(&entry.key_node, what));
            };
            let mut value = this.part(&entry.value);
            value.counted = counted;
            entries.push((field, value));
        }
        let access = Record {
            entries: entries.into_iter(),
            value: None,
        };
        visitor.visit_map(access).map_err(|e: Fault| e.at(&node))
    }
}

/// The name that a word of the text stands for, with the unit of what it counts.
fn find(word: &str, names: &'static [&'static str]) -> Option<(&'static str, Option<Counted>)> {
    let same = |a: &str, b: &str| {
        let plain = |c: u8| {
            if c == b'_' {
                b'-'
            } else {
                c.to_ascii_lowercase()
            }
        };
        a.bytes().map(plain).eq(b.bytes().map(plain))
    };
    let exact = names.iter().find(|name| same(word, name));
    let known = exact.map(|name| {
        let unit = Unit::split(name).map(|(_, unit)| unit);
        let must_say = false;
        (*name, unit.map(|unit| Counted { unit, must_say }))
    });
    known.or_else(|| {
        names.iter().find_map(|name| {
            let (stem, unit) = Unit::split(name)?;
            let must_say = true;
            same(word, stem).then_some((*name, Some(Counted { unit, must_say })))
        })
    })
}

macro_rules! numbers {
    ($($name:ident $visit:ident $type:ty,)*) => {$(
        fn $name<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
            let text = word_of(&self.node)?;
            let Some(number) = self.number::<$type>(&text)? else {
                return Err(Fault::said(&self.node, format!("{text:?} is no number that is possible here")));
            };
            visitor.$visit(number).map_err(|e: Fault| e.at(&self.node))
        }
    )*};
}

impl<'a> Deserializer<'a> for De<'a> {
    type Error = Fault;

    /// For types that look at everything first: words are what YAML's core schema takes them for.
    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let node = self.node.clone();
        let result = match &node.value {
            Value::Word { text, quoted: true } => visitor.visit_str(text),
            Value::Word { text, .. } => match (&**text, text.parse::<i64>(), text.parse::<u64>()) {
                ("true", ..) => visitor.visit_bool(true),
                ("false", ..) => visitor.visit_bool(false),
                (_, Ok(n), _) => visitor.visit_i64(n),
                (_, _, Ok(n)) => visitor.visit_u64(n),
                _ if node.is_null() => visitor.visit_unit(),
                _ => visitor.visit_str(text),
            },
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
        };
        result.map_err(|e: Fault| e.at(&node))
    }

    numbers! {
        deserialize_i8 visit_i64 i64,
        deserialize_i16 visit_i64 i64,
        deserialize_i32 visit_i64 i64,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u64 u64,
        deserialize_u16 visit_u64 u64,
        deserialize_u32 visit_u64 u64,
        deserialize_u64 visit_u64 u64,
        deserialize_f32 visit_f64 f64,
        deserialize_f64 visit_f64 f64,
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let text = word_of(&self.node)?;
        let value = match text.to_ascii_lowercase().as_str() {
            "true" | "yes" => true,
            "false" | "no" => false,
            _ => {
                return Err(Fault::said(
                    &self.node,
                    format!("{text:?} stands here, wanted is true or false"),
                ));
            }
        };
        visitor
            .visit_bool(value)
            .map_err(|e: Fault| e.at(&self.node))
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let text = word_of(&self.node)?;
        if self.node.is_null() {
            return Err(Fault::said(
                &self.node,
                "nothing stands here, wanted is a text",
            ));
        }
        visitor
            .visit_str(&text)
            .map_err(|e: Fault| e.at(&self.node))
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.is_null() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.is_null() {
            true => visitor.visit_unit(),
            false => Err(Fault::said(&self.node, "nothing may stand here")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let node = self.node.clone();
        let items = match &node.value {
            Value::List(items) => items.clone(),
            _ if node.is_null() => Vec::new(),
            // A list of one needs no dash.
            _ => vec![node.clone()],
        };
        let good = items
            .into_iter()
            .filter(|item| !self.context.broken.contains(&item.id));
        let access = List {
            items: good.collect::<Vec<_>>().into_iter(),
            of: self,
        };
        visitor.visit_seq(access).map_err(|e: Fault| e.at(&node))
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let node = match as_pick(&self)? {
            Some(pick) => pick,
            None => self.node.clone(),
        };
        let this = Self {
            node: node.clone(),
            ..self
        };
        if !matches!(node.value, Value::Map(_)) && !node.is_null() {
            return Err(Fault::said(&node, "a map is wanted here: KEY: VALUE"));
        }
        let access = Map {
            entries: this.good().into_iter(),
            value: None,
            of: this,
        };
        visitor.visit_map(access).map_err(|e: Fault| e.at(&node))
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.record(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let node = self.node.clone();
        let unknown =
            |place: &Rc<Node>, word: &str| Fault::new(place, What::unknown(word, variants));
        let variant = match &node.value {
            Value::Word { text, .. } => match find(text, variants) {
                Some((name, _)) => Variant {
                    name,
                    content: None,
                    rest: Vec::new(),
                    of: self,
                },
                // The one that holds any text.
                None if variants.contains(&"of") => Variant {
                    name: "of",
                    content: Some(self.clone()),
                    rest: Vec::new(),
                    of: self,
                },
                None => return Err(unknown(&node, text)),
            },
            Value::Map(_) => {
                let mut entries = self.good();
                let named = entries
                    .iter()
                    .position(|e| find(&e.key, variants).is_some());
                let Some(n) = named else {
                    let first = entries.first();
                    return Err(match first {
                        Some(first) => unknown(&first.key_node, &first.key),
                        None => Fault::new(
                            &node,
                            What::Missing(variants.first().copied().unwrap_or_default()),
                        ),
                    });
                };
                let entry = entries.remove(n);
                let Some((name, counted)) = find(&entry.key, variants) else {
                    return Err(unknown(&entry.key_node, &entry.key));
                };
                let mut content = self.part(&entry.value);
                content.counted = counted;
                Variant {
                    name,
                    content: Some(content),
                    rest: entries,
                    of: self,
                }
            }
            Value::List(_) => {
                return Err(Fault::said(
                    &node,
                    "a list stands here, wanted is one word or map",
                ));
            }
        };
        visitor.visit_enum(variant).map_err(|e: Fault| e.at(&node))
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        <V: Visitor<'a>>
        i128 u128 char bytes byte_buf unit_struct tuple tuple_struct identifier
    }
}

struct List<'a> {
    items: std::vec::IntoIter<Rc<Node>>,
    of: De<'a>,
}

impl<'a> SeqAccess<'a> for List<'a> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(node) = self.items.next() else {
            return Ok(None);
        };
        let mut part = self.of.part(&node);
        part.counted = self.of.counted;
        seed.deserialize(part)
            .map(Some)
            .map_err(|e: Fault| e.at(&node))
    }
}

/// The entries of a map of any keys.
struct Map<'a> {
    entries: std::vec::IntoIter<Entry>,
    value: Option<Rc<Node>>,
    of: De<'a>,
}

impl<'a> MapAccess<'a> for Map<'a> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(entry.value);
        let key: StrDeserializer<'_, Fault> = (&*entry.key).into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|e: Fault| e.at(&entry.key_node))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let node = self.value.take().unwrap_or_else(|| self.of.node.clone());
        seed.deserialize(self.of.part(&node))
            .map_err(|e: Fault| e.at(&node))
    }
}

/// The entries of a map of known keys.
struct Record<'a> {
    entries: std::vec::IntoIter<(&'static str, De<'a>)>,
    value: Option<De<'a>>,
}

impl<'a> MapAccess<'a> for Record<'a> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((field, value)) = self.entries.next() else {
            return Ok(None);
        };
        let place = value.node.clone();
        self.value = Some(value);
        let key: StrDeserializer<'_, Fault> = field.into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|e: Fault| e.at(&place))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some(value) = self.value.take() else {
            return Err(serde::de::Error::custom("a value is read before its key"));
        };
        let place = value.node.clone();
        seed.deserialize(value).map_err(|e: Fault| e.at(&place))
    }
}
