//! The query language of searches and smart collections: text in, a tree out.
//!
//! The syntax is that of Apache Lucene's classic query parser, because the saved searches of ErsatzTV are written
//! in it: `type:movie AND genre:"science fiction" AND release_date:[1980 TO 1989]`. Pure: `store` turns the tree into
//! SQL. Must never: accept a field that does not exist, or text without a bound.

mod date;
mod expand;
mod fields;
mod lex;
mod parse;
#[cfg(test)]
mod tests;

pub use date::{Day, Span};
pub use expand::{MAX_NESTED, expand};
pub use fields::{FIELDS, Field, FieldInfo, FieldKind};
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_TERMS, parse};

/// What an item must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Every item: `*:*`.
    Everything,
    /// Every one of these; never empty.
    All(Vec<Query>),
    /// At least one of these; never empty.
    Any(Vec<Query>),
    /// Not this.
    Not(Box<Query>),
    /// A field and what it must hold.
    Term(Field, Test),
    /// The items of the smart collection of this name: to be replaced by [`expand`].
    Smart(String),
}

/// What a field must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// These words beside each other (text), or this very value (words); capitals do not matter.
    Is(String),
    /// One word (text), or the value (words), by a GLOB pattern: `*` for any letters, `?` for one.
    Like(String),
    /// Text from here to there, by the order of its letters.
    Within(Option<Edge<String>>, Option<Edge<String>>),
    /// A number in this range, both ends in it; dates as `YYYYMMDD`.
    Between(Option<i64>, Option<i64>),
    /// A date not longer ago than this.
    Last(Span),
    /// A date longer ago than this.
    Before(Span),
    /// The same day of the year as today.
    OnThisDay,
}

/// An end of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge<T> {
    /// The value at the end.
    pub value: T,
    /// Whether it belongs to the range.
    pub included: bool,
}
