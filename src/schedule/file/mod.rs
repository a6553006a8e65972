//! Programs as text that people write: YAML with the names of the program's own types, and shorter where that says
//! the same.
//!
//! Knows no kind of program: what is possible comes from the types, so that a new kind can be written in a file the day
//! it exists. Every problem is told with its place and how to mend it, not only the first. What is written is read as
//! the same program. Must never: panic on a text, or follow names in it without bound.

mod de;
mod fault;
mod length;
mod pick;
mod ser;
mod tree;
mod variant;
mod write;

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use serde::{Deserialize as _, Serialize};

use super::content::Collection;
use super::program::Program;
use super::{sequential, yaml};
use de::{Context, De};
use fault::What;
use tree::{At, Entry, Node, Value};

pub use write::write;

/// The most parts (words, lists, maps) that a file has.
const MAX_PARTS: usize = 200_000;
/// The most problems that are told at once.
const MAX_PROBLEMS: usize = 50;

/// What is wrong with a file, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What, and how to mend it.
    pub message: String,
}

impl Problem {
    fn at(at: At, message: impl Into<String>) -> Self {
        Self {
            line: at.line.max(1),
            column: at.column.max(1),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = (self.line, self.column);
        write!(f, "line {line}, column {column}: {}", self.message)
    }
}

/// A file that has been understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it says.
    pub program: Program,
    /// The collections that it names, in the order of the text.
    pub named: Vec<Named>,
    /// What of it has no effect, or none that anybody may want.
    pub warnings: Vec<Problem>,
}

/// A collection, and where a file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which.
    pub of: Collection,
    line: u32,
    column: u32,
}

impl Named {
    /// Something that is wrong with it.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        let (line, column) = (self.line, self.column);
        Problem::at(At { line, column }, message)
    }
}

/// Reads a program. The problems are in the order of the text.
pub fn read(text: &str) -> Result<Reading, Vec<Problem>> {
    let (document, mut problems) = tree::parse(text);
    if let Some(root) = document.as_deref().filter(|root| is_sequential(root)) {
        return sequence(text, root);
    }
    let program = document.and_then(|root| understood(&root, &mut problems));
    match program {
        Some(reading) if problems.is_empty() => Ok(reading),
        _ => {
            if problems.is_empty() {
                problems.push(Problem::at(At::default(), no_kind()));
            }
            problems.sort();
            Err(problems)
        }
    }
}

/// Whether a file is a sequential schedule: those say what to do, and not what they are.
fn is_sequential(root: &Node) -> bool {
    let has = |key: &str| root.entries().iter().any(|e| &*e.key == key);
    !has("kind") && (has("content") || has("playout") || has("sequence") || has("reset"))
}

fn sequence(text: &str, root: &Node) -> Result<Reading, Vec<Problem>> {
    let alone = |name: &str| {
        let said = format!("{name:?} is not read from here: put what it says into this file");
        Err(said)
    };
    let read = match sequential::read(text, &alone) {
        Ok(read) => read,
        Err(problems) => return Err(problems.into_iter().map(Problem::from).collect()),
    };
    let sources = root.entries().iter().find(|e| &*e.key == "content");
    let named = read.schedule.content.iter().map(|source| {
        // Each source stands in the file under its key.
        let items = sources.map_or(&[][..], |e| e.value.items());
        let is_its =
            |e: &&Entry| &*e.key == "key" && word(&e.value).as_deref() == Some(&*source.key);
        let its = items.iter().flat_map(|item| item.entries()).find(is_its);
        let at = its.map_or(root.at, |e| e.key_node.at);
        Named {
            of: source.of.clone(),
            line: at.line,
            column: at.column,
        }
    });
    Ok(Reading {
        named: named.collect(),
        program: Program::Sequential(read.schedule),
        warnings: read.warnings.into_iter().map(Problem::from).collect(),
    })
}

impl From<yaml::Problem> for Problem {
    fn from(problem: yaml::Problem) -> Self {
        Self {
            line: problem.line,
            column: problem.column,
            message: problem.message,
        }
    }
}

/// Reads a tree again and again, each time without the parts that were no good, so that every problem comes up.
fn understood(root: &Rc<Node>, problems: &mut Vec<Problem>) -> Option<Reading> {
    let Some((kind, rules)) = split_kind(root) else {
        problems.push(Problem::at(root.at, no_kind()));
        return None;
    };
    let rules = root.like(Value::Map(rules));
    let node = root.like(Value::Map(vec![Entry {
        key: word(&kind)?,
        key_node: kind,
        value: rules,
    }]));
    let mut context = Context::new();
    loop {
        context.named();
        let fault = match Program::deserialize(De::new(node.clone(), &context)) {
            Ok(program) => {
                let mut named = context.named();
                named.sort_by_key(|n| (n.line, n.column));
                let warnings = Vec::new();
                return Some(Reading {
                    program,
                    named,
                    warnings,
                });
            }
            Err(fault) => fault,
        };
        let known = fault.follows_from(&context.broken);
        let (place, message) = fault.told();
        let place = place.unwrap_or_else(|| root.clone());
        if !known {
            problems.push(Problem::at(place.at, message));
        }
        let is_new = context.broken.insert(place.id);
        if !is_new || place.id == root.id || problems.len() >= MAX_PROBLEMS {
            return None;
        }
    }
}

/// The `kind` of a file, and the rest.
fn split_kind(root: &Rc<Node>) -> Option<(Rc<Node>, Vec<Entry>)> {
    let entries = root.entries();
    let kind = entries.iter().find(|e| &*e.key == "kind")?;
    word(&kind.value)?;
    let rest = entries.iter().filter(|e| &*e.key != "kind");
    Some((kind.value.clone(), rest.cloned().collect()))
}

fn word(node: &Node) -> Option<Rc<str>> {
    match &node.value {
        Value::Word { text, .. } => Some(text.clone()),
        _ => None,
    }
}

fn no_kind() -> String {
    let kinds = match fault::probe::<Program>(&[("", "")]) {
        Some(What::Unknown { expected, .. }) => expected.join(", "),
        _ => String::new(),
    };
    format!(
        "the file does not say what kind of schedule it is: begin it with a line \"kind: classic\" (possible are {kinds})"
    )
}

/// Parts of a text that are no good, by their ids.
type Broken = BTreeSet<u32>;
