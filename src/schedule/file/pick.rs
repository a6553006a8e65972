//! The short forms of what is played: `show: Cheers` for the collection, `order: shuffle` for an order that is nothing
//! but its name, and both beside the rule's own keys instead of below `pick`.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize as _;

use super::de::{Context, De};
use super::fault::{Fault, What, probe, word_of};
use super::tree::{Entry, Node, Value};
use crate::schedule::content::{Collection, Pick};
use crate::schedule::order::Order;

/// The kinds of collections, and the one thing that each of them has to be told, if it is one.
#[derive(Default)]
pub(super) struct Shapes(BTreeMap<&'static str, Option<&'static str>>);

impl Shapes {
    /// What the type itself says.
    pub(super) fn of_collections() -> Self {
        let Some(What::Unknown { expected, .. }) = probe::<Collection>(&[("collection", "")])
        else {
            return Self::default();
        };
        let field = |kind: &str| match probe::<Collection>(&[("collection", kind)]) {
            Some(What::Missing(field)) => {
                let is_all = probe::<Collection>(&[("collection", kind), (field, "x")]).is_none();
                is_all.then_some(field)
            }
            _ => None,
        };
        Self(expected.iter().map(|kind| (*kind, field(kind))).collect())
    }

    /// The keys that name a collection in its short form, and what may stand beside them.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        let short = self.0.iter().filter(|(_, field)| field.is_some());
        let beside = ["collection", "order", "place"];
        short.map(|(key, _)| *key).chain(beside)
    }

    /// Whether an entry is a collection in its short form.
    fn is_short(&self, entry: &Entry) -> bool {
        !matches!(entry.value.value, Value::Map(_))
            && self.0.get(&*entry.key).is_some_and(Option::is_some)
    }

    fn is_collection(&self, entry: &Entry) -> bool {
        (&*entry.key == "collection" && matches!(entry.value.value, Value::Word { .. }))
            || self.is_short(entry)
    }
}

/// A map with what it says of its pick below `pick`.
pub(super) fn lifted(node: &Rc<Node>, fields: &[&str], shapes: &Shapes) -> Rc<Node> {
    let entries = node.entries();
    if entries.iter().any(|e| &*e.key == "pick") {
        return node.clone();
    }
    let of_pick = |e: &&Entry| {
        !fields.contains(&&*e.key)
            && (shapes.is_collection(e) || matches!(&*e.key, "order" | "place"))
    };
    let pick: Vec<Entry> = entries.iter().filter(of_pick).cloned().collect();
    let Some(first) = pick.first() else {
        return node.clone();
    };
    let mut rest: Vec<Entry> = entries.iter().filter(|e| !of_pick(e)).cloned().collect();
    rest.push(Entry {
        key: "pick".into(),
        key_node: first.key_node.clone(),
        value: node.like(Value::Map(pick)),
    });
    node.like(Value::Map(rest))
}

/// A map that says what is played, in its long form; `None` when it says something else.
pub(super) fn as_pick(de: &De<'_>) -> Result<Option<Rc<Node>>, Fault> {
    let (node, shapes) = (&de.node, &de.context.shapes);
    let entries = node.entries();
    if de.as_it_stands || !entries.iter().any(|e| shapes.is_collection(e)) {
        return Ok(None);
    }
    let good = |e: &&Entry| {
        !de.context.broken.contains(&e.key_node.id) && !de.context.broken.contains(&e.value.id)
    };
    let (mut of, mut order, mut place) = (Vec::new(), Order::default(), None);
    for entry in entries.iter().filter(good) {
        match &*entry.key {
            "order" => order = Order::deserialize(De::new(entry.value.clone(), de.context))?,
            "place" => place = Some(word_of(&entry.value)?.to_string()),
            _ => of.push(entry.clone()),
        }
    }
    let of = collection(node, of, de.context)?;
    let named = entries.iter().find(|e| shapes.is_collection(e));
    de.context.note(&of, named.map_or(node, |e| &e.value));
    let pick = serde_json::to_value(Pick { of, order, place });
    let pick = pick.map_err(|e| Fault::said(node, e.to_string()))?;
    Ok(Some(of_json(node, &pick)))
}

/// A collection in its short form or its long one.
fn collection(
    node: &Rc<Node>,
    entries: Vec<Entry>,
    context: &Context,
) -> Result<Collection, Fault> {
    let shapes = &context.shapes;
    let parse = |entries: Vec<Entry>| {
        let mut de = De::new(node.like(Value::Map(entries)), context);
        de.as_it_stands = true;
        Collection::deserialize(de)
    };
    let unknown = |entry: &Entry| {
        let what = What::unknown(&entry.key, &["order", "place"]);
        Fault::new(&entry.key_node, what)
    };
    let kind = entries.iter().find(|e| &*e.key == "collection");
    let (None, Some(short)) = (kind, entries.iter().find(|e| shapes.is_short(e))) else {
        let of = parse(entries.clone()).or_else(|e| {
            // A title of digits is a title.
            let is_kind = |e: &Entry| &*e.key == "collection";
            let quoted = entries.iter().map(|e| Entry {
                value: if is_kind(e) {
                    e.value.clone()
                } else {
                    e.value.quoted()
                },
                ..e.clone()
            });
            parse(quoted.collect()).map_err(|_| e)
        });
        let of = of.map_err(|e| {
            let what = e.what();
            let place = match (&what, kind) {
                (What::Unknown { .. }, Some(kind)) => &kind.value,
                _ => node,
            };
            Fault::new(place, what)
        })?;
        // A key that may hold anything means nothing.
        for (n, entry) in entries.iter().enumerate() {
            let mut odd = entries.clone();
            if let Some(entry) = odd.get_mut(n) {
                let inner = entry.value.like(Value::List(Vec::new()));
                entry.value = entry.value.like(Value::List(vec![inner]));
            }
            if parse(odd).is_ok() {
                return Err(unknown(entry));
            }
        }
        return Ok(of);
    };
    if let Some(other) = entries.iter().find(|e| e.key != short.key) {
        return Err(unknown(other));
    }
    if short.value.is_null() {
        let said = format!("{0:?} of what? Write {0}: NAME", short.key);
        return Err(Fault::said(&short.key_node, said));
    }
    let field = shapes.0.get(&*short.key).copied().flatten();
    let entry = |key: &str, value| Entry {
        key: key.into(),
        key_node: short.key_node.clone(),
        value,
    };
    let long = vec![
        entry("collection", short.key_node.quoted()),
        entry(field.unwrap_or_default(), short.value.quoted()),
    ];
    parse(long).map_err(|e| Fault::new(&short.value, e.what()))
}

/// JSON as a part of the text that stands where another one does.
fn of_json(node: &Rc<Node>, json: &serde_json::Value) -> Rc<Node> {
    use serde_json::Value as Json;
    let word = |text: String, quoted| {
        let text = text.into();
        Value::Word { text, quoted }
    };
    node.like(match json {
        Json::String(text) => word(text.clone(), true),
        Json::Array(items) => Value::List(items.iter().map(|item| of_json(node, item)).collect()),
        Json::Object(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| Entry {
                    key: key.as_str().into(),
                    key_node: node.like(word(key.clone(), true)),
                    value: of_json(node, value),
                })
                .collect(),
        ),
        plain => word(plain.to_string(), false),
    })
}
