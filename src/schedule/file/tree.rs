//! YAML as a tree of which every part knows where it stands.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::{MAX_PARTS, Problem};

/// Deeper than any schedule.
const MAX_DEPTH: usize = 64;

/// A place in a text, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl From<Marker> for At {
    fn from(mark: Marker) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            line: count(mark.line()),
            column: count(mark.col()).saturating_add(1),
        }
    }
}

/// A part of a text.
#[derive(Debug)]
pub(super) struct Node {
    /// Tells it from all others. What is made of a part keeps the part's.
    pub(super) id: u32,
    pub(super) at: At,
    pub(super) value: Value,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Rc<str>,
    /// Where the key stands, as a part of its own.
    pub(super) key_node: Rc<Node>,
    pub(super) value: Rc<Node>,
}

/// What a part is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A word, a number, a text. Which one is for who asks to say.
    Word {
        text: Rc<str>,
        /// Written in quotes: a text, whatever it looks like.
        quoted: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

impl Node {
    /// A part that stands where another one does.
    pub(super) fn like(&self, value: Value) -> Rc<Self> {
        Rc::new(Self {
            id: self.id,
            at: self.at,
            value,
        })
    }

    /// The same text, as text whatever it looks like.
    pub(super) fn quoted(self: &Rc<Self>) -> Rc<Self> {
        match &self.value {
            Value::Word { text, .. } if !self.is_null() => self.like(Value::Word {
                text: text.clone(),
                quoted: true,
            }),
            _ => self.clone(),
        }
    }

    /// Nothing at all, or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Word { text, quoted: false } if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The items of a list.
    pub(super) fn items(&self) -> &[Rc<Self>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a map.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }
}

/// Reads a text with one document. Every key that comes twice is a problem; of what is no YAML the first is told.
pub(super) fn parse(text: &str) -> (Option<Rc<Node>>, Vec<Problem>) {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(e) => {
                let said = format!(
                    "this is no YAML: {}; look at the indentation, and put texts with \": \" or \" #\" in quotes",
                    e.info()
                );
                builder.problem(At::from(*e.marker()), said);
                return (None, builder.problems);
            }
        };
        if builder.take(event, span.start.into()).is_none() {
            return (None, builder.problems);
        }
    }
    (builder.document, builder.problems)
}

/// Something that is not closed yet.
struct Open {
    anchor: usize,
    at: At,
    id: u32,
    size_before: usize,
    items: Vec<Rc<Node>>,
    is_map: bool,
}

#[derive(Default)]
struct Builder {
    document: Option<Rc<Node>>,
    open: Vec<Open>,
    /// What has a name, and its size.
    named: BTreeMap<usize, (Rc<Node>, usize)>,
    ids: u32,
    size: usize,
    problems: Vec<Problem>,
}

impl Builder {
    fn problem(&mut self, at: At, message: impl Into<String>) {
        self.problems.push(Problem::at(at, message));
    }

    fn id(&mut self) -> u32 {
        self.ids = self.ids.saturating_add(1);
        self.ids
    }

    /// `None` when it makes no sense to read on.
    fn take(&mut self, event: Event<'_>, at: At) -> Option<()> {
        match event {
            Event::DocumentStart(_) if self.document.is_some() => {
                self.problem(at, "a second document begins here: a file is one schedule");
                return None;
            }
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Word {
                    text: Rc::from(Cow::into_owned(text)),
                    quoted: style != ScalarStyle::Plain,
                };
                let id = self.id();
                self.grow(1, at)?;
                self.put(Rc::new(Node { id, at, value }), anchor, 1);
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if self.open.len() >= MAX_DEPTH {
                    self.problem(at, "this is nested too deeply for a schedule");
                    return None;
                }
                self.grow(1, at)?;
                let (id, is_map) = (self.id(), matches!(event, Event::MappingStart(..)));
                self.open.push(Open {
                    anchor,
                    at,
                    id,
                    size_before: self.size,
                    items: Vec::new(),
                    is_map,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop()?;
                let size = self.size.saturating_sub(open.size_before);
                let value = match open.is_map {
                    true => Value::Map(self.entries(open.items)),
                    false => Value::List(open.items),
                };
                let node = Node {
                    id: open.id,
                    at: open.at,
                    value,
                };
                self.put(Rc::new(node), open.anchor, size);
            }
            Event::Alias(name) => {
                let Some((node, size)) = self.named.get(&name).cloned() else {
                    self.problem(at, "this names a part that holds it: write it out");
                    return None;
                };
                // It is read as often as it is named: that has to stay within bounds.
                self.grow(size, at)?;
                self.put(node, 0, size);
            }
            _ => {}
        }
        Some(())
    }

    fn grow(&mut self, by: usize, at: At) -> Option<()> {
        self.size = self.size.saturating_add(by);
        if self.size > MAX_PARTS {
            let said = format!("the file has more than {MAX_PARTS} parts from here on");
            self.problem(at, said);
            return None;
        }
        Some(())
    }

    fn put(&mut self, node: Rc<Node>, anchor: usize, size: usize) {
        if anchor > 0 {
            self.named.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.document = Some(node),
        }
    }

    /// Keys and values in turn, as a map.
    fn entries(&mut self, items: Vec<Rc<Node>>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: BTreeMap<Rc<str>, At> = BTreeMap::new();
        let mut merged = Vec::new();
        for pair in items.chunks(2) {
            let [key_node, value] = pair else { continue };
            let Value::Word { text: key, quoted } = &key_node.value else {
                self.problem(key_node.at, "a key is a word, not a list or a map");
                continue;
            };
            if &**key == "<<" && !quoted {
                merged.extend(value.entries().iter().cloned());
                continue;
            }
            if let Some(first) = seen.insert(key.clone(), key_node.at) {
                let line = first.line;
                let said = format!(
                    "{key:?} stands here a second time (first in line {line}): keep one of them"
                );
                self.problem(key_node.at, said);
                continue;
            }
            entries.push(Entry {
                key: key.clone(),
                key_node: key_node.clone(),
                value: value.clone(),
            });
        }
        // What is merged in (`<<: *name`) yields to what is written.
        let mut known: BTreeSet<Rc<str>> = seen.into_keys().collect();
        entries.extend(merged.into_iter().filter(|e| known.insert(e.key.clone())));
        entries
    }
}
