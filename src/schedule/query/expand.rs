//! Smart collections within smart collections.

use super::{Query, parse};
use crate::error::{Error, ErrorKind, Result};

/// How many smart collections one query may be made of, counted as often as they are named.
pub const MAX_NESTED: usize = 100;

/// Replaces every `smart_collection:"name"` by the query of that collection, theirs included. `text_of` gives the
/// query of a name, `None` for an unknown one.
///
/// `Invalid` for unknown names, for collections that contain themselves (the message names the circle), and for more
/// than [`MAX_NESTED`] of them.
pub fn expand(query: Query, text_of: &dyn Fn(&str) -> Option<String>) -> Result<Query> {
    Expansion {
        text_of,
        within: Vec::new(),
        left: MAX_NESTED,
    }
    .replace(query)
}

struct Expansion<'a> {
    text_of: &'a dyn Fn(&str) -> Option<String>,
    /// The collections that we are inside of, from the outside.
    within: Vec<String>,
    left: usize,
}

impl Expansion<'_> {
    fn each(&mut self, parts: Vec<Query>) -> Result<Vec<Query>> {
        parts.into_iter().map(|part| self.replace(part)).collect()
    }

    fn replace(&mut self, query: Query) -> Result<Query> {
        match query {
            Query::All(parts) => self.each(parts).map(Query::All),
            Query::Any(parts) => self.each(parts).map(Query::Any),
            Query::Not(part) => self.replace(*part).map(|part| Query::Not(Box::new(part))),
            Query::Smart(name) => self.named(name),
            plain @ (Query::Everything | Query::Term(..)) => Ok(plain),
        }
    }

    fn named(&mut self, name: String) -> Result<Query> {
        let key = name.to_lowercase();
        if self.within.iter().any(|w| w.to_lowercase() == key) {
            self.within.push(name);
            let circle = self.within.join("\u{201d} \u{2192} \u{201c}");
            crate::bail!(
                Invalid,
                "the smart collection contains itself: \u{201c}{circle}\u{201d}"
            );
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                format!("the query names smart collections more than {MAX_NESTED} times, theirs included"),
            )
        })?;
        let text = (self.text_of)(&name).ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                format!(
                    "there is no smart collection \u{201c}{}\u{201d}",
                    name.escape_debug()
                ),
            )
        })?;
        let inner = parse(&text).map_err(|e| {
            Error::new(
                ErrorKind::Invalid,
                format!("in the smart collection \u{201c}{name}\u{201d}: {e}"),
            )
        })?;
        self.within.push(name);
        let replaced = self.replace(inner);
        self.within.pop();
        replaced
    }
}
