//! YAML in which every mistake is named with its place: text, a tree that knows where it stands, and its keys one by one.
//!
//! A reader asks for what it knows, goes on behind a mistake, and so finds all of them at once. Pure: text in, text out.

mod fields;
mod tree;

use std::sync::Arc;

pub(in crate::schedule) use fields::{Fields, hint, shortened, snake};
pub(in crate::schedule) use tree::{Node, Value, parse};

/// The most problems of a file that are listed.
const MOST: usize = 100;

/// Something wrong, or worth saying, at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The imported file that it is in, as the import names it; `None` for the file itself.
    pub file: Option<Arc<str>>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What, and how to mend it.
    pub message: String,
}

impl std::fmt::Display for Problem {
    /// `3:5: message`, with the name of an imported file in front.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedule) struct At {
    pub(in crate::schedule) line: u32,
    pub(in crate::schedule) column: u32,
}

impl At {
    pub(in crate::schedule) const START: Self = Self { line: 1, column: 1 };
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(in crate::schedule) struct Problems {
    /// The file that is being read.
    pub(in crate::schedule) file: Option<Arc<str>>,
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    pub(in crate::schedule) fn add(&mut self, at: At, message: impl Into<String>) {
        if self.list.len() >= MOST {
            self.more += 1;
            return;
        }
        self.list.push(Problem {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            message: message.into(),
        });
    }

    pub(in crate::schedule) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them in the order of the files, the file itself first, with a last one that counts those not listed.
    pub(in crate::schedule) fn into_list(mut self) -> Vec<Problem> {
        self.list.sort();
        if let (Some(last), 1..) = (self.list.last().cloned(), self.more) {
            self.list.push(Problem {
                message: format!("and {} more", self.more),
                ..last
            });
        }
        self.list
    }
}
