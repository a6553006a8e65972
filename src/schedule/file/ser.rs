//! From the types of programs to what a file says, in its short forms.

use serde::ser::{self, Serialize, Serializer};

use super::fault::Fault;
use super::length::Unit;

/// What a file says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Out {
    /// Nothing.
    Null,
    /// A number, true or false.
    Plain(String),
    /// A text.
    Text(String),
    List(Vec<Out>),
    Map(Vec<(String, Out)>),
}

impl Out {
    pub(super) fn is_scalar(&self) -> bool {
        matches!(self, Self::Plain(_) | Self::Text(_))
    }

    fn says_nothing(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Plain(text) => text == "false",
            Self::Text(_) => false,
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
        }
    }
}

/// Writes in short forms, or as the types stand.
#[derive(Clone, Copy)]
pub(super) struct Ser {
    pub(super) short: bool,
}

impl Ser {
    /// A number whose name ends with its unit, as a length of time.
    fn length(self, name: &str, value: Out) -> (String, Out) {
        let number = match &value {
            Out::Plain(text) if self.short => text.parse::<i64>().ok(),
            _ => None,
        };
        let length = number.and_then(|n| {
            let (stem, unit) = Unit::split(name)?;
            Some((stem.to_owned(), Out::Text(unit.write(n)?)))
        });
        length.unwrap_or_else(|| (name.to_owned(), value))
    }

    /// The entries of a record without what says nothing, its pick beside the rest.
    fn record(self, entries: Vec<(String, Out)>) -> Vec<(String, Out)> {
        if !self.short {
            return entries;
        }
        let mut short: Vec<(String, Out)> = Vec::new();
        for (key, value) in entries.iter().filter(|(_, value)| !value.says_nothing()) {
            match value {
                Out::Map(pick) if key == "pick" => {
                    let clash = |(key, _): &(String, Out)| entries.iter().any(|(k, _)| k == key);
                    match pick.iter().any(clash) {
                        true => short.push((key.clone(), value.clone())),
                        false => short.extend(pick.iter().cloned()),
                    }
                }
                _ => short.push(self.length(key, value.clone())),
            }
        }
        self.pick(short)
    }

    /// A collection, and an order that is nothing but its name, in their short forms.
    fn pick(self, mut entries: Vec<(String, Out)>) -> Vec<(String, Out)> {
        if !self.short {
            return entries;
        }
        for (key, value) in &mut entries {
            if key != "order" {
                continue;
            }
            if let Out::Map(order) = value
                && let [(by, word)] = order.as_slice()
                && by == "by"
            {
                *value = word.clone();
            }
        }
        let is_more = |key: &str| !matches!(key, "collection" | "order" | "place");
        let kind = entries.iter().position(|(key, _)| key == "collection");
        let mut fields = entries
            .iter()
            .enumerate()
            .filter(|(_, (key, _))| is_more(key));
        let (Some(kind), Some((field, (_, Out::Text(_)))), None) =
            (kind, fields.next(), fields.next())
        else {
            return entries;
        };
        if let Some((_, Out::Text(word))) = entries.get(kind).cloned()
            && let Some((key, _)) = entries.get_mut(field)
        {
            *key = word;
            entries.remove(kind);
        }
        entries
    }
}

/// Entries that are being collected.
pub(super) struct Entries {
    ser: Ser,
    entries: Vec<(String, Out)>,
    key: Option<String>,
    /// The word that they belong to.
    variant: Option<&'static str>,
}

pub(super) struct Items {
    ser: Ser,
    items: Vec<Out>,
    variant: Option<&'static str>,
}

impl Items {
    fn new(ser: Ser, variant: Option<&'static str>) -> Self {
        let items = Vec::new();
        Self {
            ser,
            items,
            variant,
        }
    }

    fn done(self) -> Out {
        let list = Out::List(self.items);
        match self.variant {
            None => list,
            Some(variant) => Out::Map(vec![(variant.to_owned(), list)]),
        }
    }
}

impl Entries {
    fn new(ser: Ser, variant: Option<&'static str>) -> Self {
        Self {
            ser,
            entries: Vec::new(),
            key: None,
            variant,
        }
    }

    fn put<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Fault> {
        self.entries
            .push((key.to_owned(), value.serialize(self.ser)?));
        Ok(())
    }
}

macro_rules! plain {
    ($($name:ident $type:ty,)*) => {$(
        fn $name(self, value: $type) -> Result<Out, Fault> {
            Ok(Out::Plain(value.to_string()))
        }
    )*};
}

impl Serializer for Ser {
    type Ok = Out;
    type Error = Fault;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    plain! {
        serialize_bool bool,
        serialize_i8 i8,
        serialize_i16 i16,
        serialize_i32 i32,
        serialize_i64 i64,
        serialize_u8 u8,
        serialize_u16 u16,
        serialize_u32 u32,
        serialize_u64 u64,
        serialize_f32 f32,
        serialize_f64 f64,
    }

    fn serialize_char(self, value: char) -> Result<Out, Fault> {
        Ok(Out::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Out, Fault> {
        Ok(Out::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Out, Fault> {
        Ok(Out::List(
            value.iter().map(|b| Out::Plain(b.to_string())).collect(),
        ))
    }

    fn serialize_none(self) -> Result<Out, Fault> {
        Ok(Out::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Out, Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Out, Fault> {
        Ok(Out::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Out, Fault> {
        Ok(Out::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Out, Fault> {
        Ok(Out::Text(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Out, Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Out, Fault> {
        let value = value.serialize(self)?;
        match value {
            // The one that holds any text.
            Out::Text(text) if self.short && variant == "of" => Ok(match text.parse::<u32>() {
                Ok(n) if n.to_string() == text => Out::Plain(text),
                _ => Out::Text(text),
            }),
            value => Ok(Out::Map(vec![self.length(variant, value)])),
        }
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Fault> {
        Ok(Items::new(self, None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, Fault> {
        Ok(Items::new(self, None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, Fault> {
        Ok(Items::new(self, None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items, Fault> {
        Ok(Items::new(self, Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Fault> {
        Ok(Entries::new(self, None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, Fault> {
        Ok(Entries::new(self, None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries, Fault> {
        Ok(Entries::new(self, Some(variant)))
    }
}

macro_rules! items {
    ($($trait:ident $put:ident,)*) => {$(
        impl ser::$trait for Items {
            type Ok = Out;
            type Error = Fault;

            fn $put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.items.push(value.serialize(self.ser)?);
                Ok(())
            }

            fn end(self) -> Result<Out, Fault> {
                Ok(self.done())
            }
        }
    )*};
}

items! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

impl ser::SerializeMap for Entries {
    type Ok = Out;
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        self.key = match key.serialize(self.ser)? {
            Out::Plain(text) | Out::Text(text) => Some(text),
            _ => return Err(ser::Error::custom("a key is a word")),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let key = self.key.take().unwrap_or_default();
        self.put(&key, value)
    }

    fn end(self) -> Result<Out, Fault> {
        Ok(Out::Map(self.ser.pick(self.entries)))
    }
}

impl ser::SerializeStruct for Entries {
    type Ok = Out;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.put(key, value)
    }

    fn end(self) -> Result<Out, Fault> {
        Ok(Out::Map(self.ser.record(self.entries)))
    }
}

impl ser::SerializeStructVariant for Entries {
    type Ok = Out;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.put(key, value)
    }

    /// `duration: 30 min` with the rest beside it.
    fn end(self) -> Result<Out, Fault> {
        let variant = self.variant.unwrap_or_default().to_owned();
        let mut entries = self.ser.record(self.entries);
        let first = entries.first().is_some_and(|(_, value)| value.is_scalar());
        if !self.ser.short || !first || entries.iter().any(|(key, _)| *key == variant) {
            return Ok(Out::Map(vec![(variant, Out::Map(entries))]));
        }
        if let Some((key, _)) = entries.first_mut() {
            *key = variant;
        }
        Ok(Out::Map(entries))
    }
}

impl ser::Error for Fault {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        serde::de::Error::custom(message)
    }
}
