//! YAML as a tree in which everything knows where it stands.
//!
//! Whatever the text is: not deeper than [`DEEPEST`], not larger than [`MOST_NODES`] with every alias counted as if it
//! were written out, and shared in memory where it is an alias.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::{At, Problems};

/// The deepest nesting that is read.
const DEEPEST: usize = 24;
/// The most values that a file may hold.
const MOST_NODES: usize = 100_000;

/// A value and where it stands.
#[derive(Debug)]
pub(in crate::schedule) struct Node {
    pub(in crate::schedule) at: At,
    pub(in crate::schedule) value: Value,
    /// How many values it holds, with itself.
    size: usize,
    /// How deep it is nested.
    height: usize,
}

/// A key with its value.
pub(in crate::schedule) type Entry = (Arc<Node>, Arc<Node>);

#[derive(Debug)]
pub(in crate::schedule) enum Value {
    /// Text, numbers, truth values and nothing: what it means is up to who reads it.
    Scalar {
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

impl Node {
    fn new(at: At, value: Value) -> Self {
        let of = |nodes: &mut dyn Iterator<Item = &Arc<Node>>| {
            nodes.fold((1_usize, 1), |(size, height), node| {
                (size.saturating_add(node.size), height.max(node.height + 1))
            })
        };
        let (size, height) = match &value {
            Value::Scalar { .. } => (1, 1),
            Value::List(items) => of(&mut items.iter()),
            Value::Map(entries) => of(&mut entries.iter().flat_map(|(k, v)| [k, v])),
        };
        Self {
            at,
            value,
            size,
            height,
        }
    }

    /// The text of a scalar.
    pub(in crate::schedule) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether there is nothing where a value might be.
    pub(in crate::schedule) fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain: true } => {
                matches!(&**text, "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// What it is, for people.
    pub(in crate::schedule) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// A list or mapping that has not ended yet.
struct Open {
    at: At,
    anchor: usize,
    /// Of a mapping: keys and values by turns.
    nodes: Vec<Arc<Node>>,
    is_map: bool,
}

struct Reader<'p> {
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Arc<Node>>,
    nodes: usize,
    problems: &'p mut Problems,
}

/// Reads a document. `None` when it is no YAML, is empty, or too much; then there is a problem.
pub(in crate::schedule) fn parse(text: &str, problems: &mut Problems) -> Option<Arc<Node>> {
    let mut reader = Reader {
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        nodes: 0,
        problems,
    };
    for event in Parser::new_from_str(text) {
        let go_on = match event {
            Ok((event, span)) => reader.take(event, place(&span.start)),
            Err(error) => {
                let what = format!("this is no YAML: {}", error.info());
                reader.problems.add(place(error.marker()), what);
                false
            }
        };
        if !go_on {
            return None;
        }
    }
    if reader.root.is_none() {
        reader.problems.add(At::START, "the file is empty");
    }
    reader.root
}

fn place(mark: &Marker) -> At {
    let of = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    At {
        line: of(mark.line()),
        column: of(mark.col().saturating_add(1)),
    }
}

impl Reader<'_> {
    /// Takes an event; false to end.
    fn take(&mut self, event: Event<'_>, at: At) -> bool {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let text = text.into_owned();
                let node = Arc::new(Node::new(at, Value::Scalar { text, plain }));
                self.add(node, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(at, anchor, false),
            Event::MappingStart(anchor, _) => self.begin(at, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.add(node.clone(), 0),
                None => {
                    self.problems
                        .add(at, "an alias cannot stand within what it is an alias of");
                    false
                }
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                self.problems.add(
                    at,
                    "there is a second document: a file holds one, without `---` in the middle",
                );
                false
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => true,
        }
    }

    fn begin(&mut self, at: At, anchor: usize, is_map: bool) -> bool {
        self.open.push(Open {
            at,
            anchor,
            nodes: Vec::new(),
            is_map,
        });
        if self.open.len() > DEEPEST {
            self.problems
                .add(at, format!("nested deeper than {DEEPEST} levels"));
            return false;
        }
        true
    }

    fn end(&mut self) -> bool {
        let Some(open) = self.open.pop() else {
            return true;
        };
        let value = match open.is_map {
            false => Value::List(open.nodes),
            true => Value::Map(self.entries(open.nodes)),
        };
        let node = Arc::new(Node::new(open.at, value));
        // It was counted when its parts were; the node itself is one more.
        self.place(node, open.anchor, 1)
    }

    /// Keys and values by turns as entries, of keys that are text and stand there once.
    fn entries(&mut self, nodes: Vec<Arc<Node>>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, u32> = HashMap::new();
        let mut nodes = nodes.into_iter();
        while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
            let Some(text) = key.text() else {
                self.problems.add(key.at, "a key must be text");
                continue;
            };
            if let Some(line) = seen.get(text) {
                let what = format!(
                    "the key `{text}` stands here a second time, first on line {line}: remove one"
                );
                self.problems.add(key.at, what);
                continue;
            }
            seen.insert(text.to_owned(), key.at.line);
            entries.push((key, value));
        }
        entries
    }

    fn add(&mut self, node: Arc<Node>, anchor: usize) -> bool {
        let size = node.size;
        self.place(node, anchor, size)
    }

    /// Puts a whole value where it belongs; false when there are too many.
    fn place(&mut self, node: Arc<Node>, anchor: usize, size: usize) -> bool {
        self.nodes = self.nodes.saturating_add(size);
        if self.nodes > MOST_NODES || self.open.len() + node.height > DEEPEST + 1 {
            let what = match self.nodes > MOST_NODES {
                true => format!("more than {MOST_NODES} values, each alias counted in full"),
                false => format!("nested deeper than {DEEPEST} levels"),
            };
            self.problems.add(node.at, what);
            return false;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.nodes.push(node),
            None => self.root = Some(node),
        }
        true
    }
}
