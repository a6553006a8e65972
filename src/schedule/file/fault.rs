//! What is wrong with a part of a file.

use std::fmt;
use std::rc::Rc;

use serde::de::{self, DeserializeOwned};

use super::de::{Context, De};
use super::length::Unit;
use super::tree::{At, Entry, Node, Value};
use super::{Broken, word};
use crate::config::nearest;

/// The most words that are listed as possible.
const MOST_LISTED: usize = 20;

/// A part that is no good.
#[derive(Debug)]
pub(super) struct Fault {
    place: Option<Rc<Node>>,
    what: What,
}

/// What is wrong with it.
#[derive(Debug)]
pub(super) enum What {
    /// A map lacks this key.
    Missing(&'static str),
    /// A key or a word that does not exist.
    Unknown {
        word: String,
        expected: &'static [&'static str],
        /// What is possible besides.
        also: Vec<&'static str>,
    },
    /// In words.
    Said(String),
}

impl What {
    pub(super) fn unknown(word: &str, expected: &'static [&'static str]) -> Self {
        Self::Unknown {
            word: word.to_owned(),
            expected,
            also: Vec::new(),
        }
    }
}

impl Fault {
    pub(super) fn new(place: &Rc<Node>, what: What) -> Self {
        let place = Some(place.clone());
        Self { place, what }
    }

    pub(super) fn said(place: &Rc<Node>, message: impl Into<String>) -> Self {
        Self::new(place, What::Said(message.into()))
    }

    /// The same, at this place where none is known yet.
    pub(super) fn at(mut self, place: &Rc<Node>) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    pub(super) fn what(self) -> What {
        self.what
    }

    /// Whether it is only there because another part is no good.
    pub(super) fn follows_from(&self, broken: &Broken) -> bool {
        let is_broken = |e: &Entry| broken.contains(&e.value.id) || broken.contains(&e.key_node.id);
        matches!(self.what, What::Missing(_))
            && (self.place.as_ref()).is_some_and(|p| p.entries().iter().any(is_broken))
    }

    /// Where, and in words.
    pub(super) fn told(self) -> (Option<Rc<Node>>, String) {
        let message = match self.what {
            What::Said(message) => message,
            What::Missing("pick" | "collection") => {
                "nothing says what is played here: add show: TITLE, folder: PATH or collection: library".to_owned()
            }
            What::Missing(key) => format!("{:?} is missing here: add it", stem(key)),
            What::Unknown {
                word,
                expected,
                also,
            } => {
                let possible = expected.iter().chain(&also).map(|word| stem(word));
                match nearest(&word, possible.clone()) {
                    Some(near) => format!("there is no {word:?} here: did you mean {near:?}?"),
                    None if expected.is_empty() => format!("there is no {word:?} here: remove it"),
                    None => {
                        let listed: Vec<&str> = possible.take(MOST_LISTED).collect();
                        format!("there is no {word:?} here: possible are {}", listed.join(", "))
                    }
                }
            }
        };
        (self.place, message)
    }
}

/// A name as files have it.
pub(super) fn stem(name: &str) -> &str {
    Unit::split(name).map_or(name, |(stem, _)| stem)
}

/// What a type says of a map of words; `None` when it takes it.
pub(super) fn probe<T: DeserializeOwned>(entries: &[(&str, &str)]) -> Option<What> {
    let node = |value| {
        let at = At::default();
        Rc::new(Node { id: 0, at, value })
    };
    let text = |text: &str| {
        node(Value::Word {
            text: text.into(),
            quoted: true,
        })
    };
    let entries = entries.iter().map(|(key, value)| Entry {
        key: (*key).into(),
        key_node: text(key),
        value: text(value),
    });
    let map = node(Value::Map(entries.collect()));
    let context = Context::without_picks();
    T::deserialize(De::new(map, &context))
        .err()
        .map(Fault::what)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            place: None,
            what: What::Said(message.to_string()),
        }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("{found} stands here, wanted is {expected}"))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!(
            "{found} is not possible here, wanted is {expected}"
        ))
    }

    fn unknown_variant(word: &str, expected: &'static [&'static str]) -> Self {
        Self {
            place: None,
            what: What::unknown(word, expected),
        }
    }

    fn unknown_field(word: &str, expected: &'static [&'static str]) -> Self {
        Self::unknown_variant(word, expected)
    }

    fn missing_field(key: &'static str) -> Self {
        Self {
            place: None,
            what: What::Missing(key),
        }
    }
}

/// A word of the text, or a sign that none stands there.
pub(super) fn word_of(node: &Rc<Node>) -> Result<Rc<str>, Fault> {
    word(node).ok_or_else(|| {
        let found = match &node.value {
            Value::List(_) => "a list",
            _ => "a map",
        };
        Fault::said(
            node,
            format!("{found} stands here, wanted is one word or number"),
        )
    })
}
