//! Words of which there is one or another: `mode: flood`, `mode: {multiple: 2}`, `mode: {duration: 30 min, tail: filler}`.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, IntoDeserializer as _, VariantAccess, Visitor,
};

use super::de::De;
use super::fault::{Fault, What, stem};
use super::length::Unit;
use super::tree::{Entry, Value};

/// A word with what belongs to it.
pub(super) struct Variant<'a> {
    pub(super) name: &'static str,
    pub(super) content: Option<De<'a>>,
    /// What stands beside it.
    pub(super) rest: Vec<Entry>,
    pub(super) of: De<'a>,
}

impl<'a> Variant<'a> {
    /// That nothing stands beside it.
    fn alone(&self) -> Result<(), Fault> {
        match self.rest.first() {
            None => Ok(()),
            Some(entry) => {
                let what = What::unknown(&entry.key, &[]);
                Err(Fault::new(&entry.key_node, what))
            }
        }
    }

    fn filled(self) -> Result<De<'a>, Fault> {
        let name = stem(self.name);
        self.content.ok_or_else(|| {
            Fault::said(
                &self.of.node,
                format!("{name:?} needs a value: {name}: VALUE"),
            )
        })
    }
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        let value = seed
            .deserialize(name)
            .map_err(|e: Fault| e.at(&self.of.node))?;
        Ok((value, self))
    }
}

impl<'a> VariantAccess<'a> for Variant<'a> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        self.alone()?;
        match &self.content {
            Some(content) if !content.node.is_null() => {
                let said = format!("{:?} takes no value: write the word alone", self.name);
                Err(Fault::said(&content.node, said))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Fault> {
        self.alone()?;
        let content = self.filled()?;
        let place = content.node.clone();
        seed.deserialize(content).map_err(|e: Fault| e.at(&place))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.alone()?;
        self.filled()?.deserialize_seq(visitor)
    }

    /// `duration: {ms: …, tail: filler}`, or `duration: 30 min` with the rest beside it.
    fn struct_variant<V: Visitor<'a>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let rest = std::mem::take(&mut self.rest);
        let of = self.of.clone();
        let counted = fields
            .first()
            .and_then(|f| Unit::split(f))
            .map(|(_, unit)| unit);
        let content = match self.content.take() {
            None => of.part(&of.node.like(Value::Map(Vec::new()))),
            Some(content) if matches!(content.node.value, Value::Map(_)) => {
                self.rest = rest;
                self.alone()?;
                content
            }
            Some(content) => {
                let mut entries = rest;
                if let (Some(first), false) = (fields.first(), content.node.is_null()) {
                    let key = Entry {
                        key: (*first).into(),
                        key_node: content.node.clone(),
                        value: content.node.clone(),
                    };
                    // A bare number does not say its unit here.
                    if let (Some(unit), Value::Word { text, .. }) = (counted, &content.node.value) {
                        unit.parse(text)
                            .map_err(|e| Fault::said(&content.node, e))?;
                    }
                    entries.insert(0, key);
                }
                of.part(&of.node.like(Value::Map(entries)))
            }
        };
        content.record(fields, visitor)
    }
}
