//! The keys of a mapping, read one by one; what nobody asked for is unknown.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::tree::{Entry, Node, Value};
use super::{At, Problems};

/// The longest text that is taken for a name.
const LONGEST_NAME: usize = 1000;

/// A mapping under way.
pub(in crate::schedule) struct Fields<'n> {
    /// What it is, for people: "`count`", "a sequence".
    what: String,
    at: At,
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The keys of a mapping. `None`, with a problem, when it is none.
    pub(in crate::schedule) fn of(
        what: impl Into<String>,
        node: &'n Node,
        problems: &mut Problems,
    ) -> Option<Self> {
        let what = what.into();
        match &node.value {
            Value::Map(entries) => Some(Self {
                what,
                at: node.at,
                entries,
                known: Vec::new(),
            }),
            _ => {
                let kind = node.kind();
                problems.add(
                    node.at,
                    format!("{what} must be a mapping of keys to values, not {kind}"),
                );
                None
            }
        }
    }

    /// Where it stands.
    pub(in crate::schedule) fn at(&self) -> At {
        self.at
    }

    /// What it is called from here on.
    pub(in crate::schedule) fn rename(&mut self, what: String) {
        self.what = what;
    }

    /// Its keys, as they are written.
    pub(in crate::schedule) fn keys(&self) -> impl Iterator<Item = (&'n str, At)> + use<'n> {
        let keys = self.entries.iter();
        keys.filter_map(|(key, _)| Some((key.text()?, key.at)))
    }

    /// Whether there is such a key.
    pub(in crate::schedule) fn has(&self, key: &str) -> bool {
        self.keys().any(|(k, _)| snake(k) == key)
    }

    /// The value of a key.
    pub(in crate::schedule) fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let mut entries = self.entries.iter();
        let found = entries.find(|(k, _)| k.text().is_some_and(|k| snake(k) == key))?;
        Some(&found.1)
    }

    /// The text of a key; nothing there is no text.
    pub(in crate::schedule) fn text(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<&'n str> {
        let node = self.get(key)?;
        match node.text().filter(|_| !node.is_null()) {
            Some("") | None => {
                self.wrong(key, node, "text", problems);
                None
            }
            Some(text) if text.chars().count() > LONGEST_NAME => {
                let what = format!(
                    "`{key}` of {} is longer than {LONGEST_NAME} letters",
                    self.what
                );
                problems.add(node.at, what);
                None
            }
            text => text,
        }
    }

    /// The text of a key that must be there; empty text, with a problem, when it is not.
    pub(in crate::schedule) fn need(
        &mut self,
        key: &'static str,
        why: &str,
        problems: &mut Problems,
    ) -> Arc<str> {
        if !self.has(key) {
            self.known.push(key);
            let what = format!("{} has no `{key}`: {why}", self.what);
            problems.add(self.at, what);
            return "".into();
        }
        self.text(key, problems).unwrap_or_default().into()
    }

    /// True or false.
    pub(in crate::schedule) fn flag(
        &mut self,
        key: &'static str,
        otherwise: bool,
        problems: &mut Problems,
    ) -> bool {
        let Some(node) = self.get(key) else {
            return otherwise;
        };
        truth(node).unwrap_or_else(|| {
            self.wrong(key, node, "true or false", problems);
            otherwise
        })
    }

    /// A whole number.
    pub(in crate::schedule) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
        problems: &mut Problems,
    ) -> Option<u32> {
        let node = self.get(key)?;
        let number = node.text().and_then(|text| text.trim().parse().ok());
        let number = number.filter(|n| range.contains(n));
        if number.is_none() {
            let wanted = format!("a whole number from {} to {}", range.start(), range.end());
            self.wrong(key, node, &wanted, problems);
        }
        number
    }

    /// One of several names.
    pub(in crate::schedule) fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        names: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let node = self.get(key)?;
        let name = node.text().map(|text| snake(text.trim()));
        let found = name
            .as_ref()
            .and_then(|name| names.iter().find(|(n, _)| n == name));
        if found.is_none() {
            let all: Vec<_> = names.iter().map(|(n, _)| *n).collect();
            self.wrong(key, node, &format!("one of {}", all.join(", ")), problems);
        }
        found.map(|(_, value)| *value)
    }

    /// The elements of a list; none when there is no such key.
    pub(in crate::schedule) fn list(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> &'n [Arc<Node>] {
        match self.get(key) {
            None => &[],
            Some(node) => match &node.value {
                Value::List(items) => items,
                _ if node.is_null() => &[],
                _ => {
                    self.wrong(key, node, "a list", problems);
                    &[]
                }
            },
        }
    }

    /// Says that the value of a key is not what it should be.
    pub(in crate::schedule) fn wrong(
        &self,
        key: &str,
        node: &Node,
        wanted: &str,
        problems: &mut Problems,
    ) {
        let is = match node.text() {
            Some(text) if !node.is_null() => format!("{:?}", shortened(text)),
            _ => node.kind().to_owned(),
        };
        let of = match self.what == format!("`{key}`") {
            true => String::new(),
            false => format!(" of {}", self.what),
        };
        problems.add(node.at, format!("`{key}`{of} must be {wanted}, not {is}"));
    }

    /// Every key that nobody asked for is a problem.
    pub(in crate::schedule) fn finish(self, problems: &mut Problems) {
        for (key, at) in self.keys() {
            let name = snake(key);
            if self.known.contains(&&*name) {
                continue;
            }
            let what = format!("{} has no key `{}`", self.what, shortened(key));
            let hint = hint(&name, self.known.iter().copied());
            problems.add(at, format!("{what}: {hint}"));
        }
    }
}

/// True or false, as people write it.
fn truth(node: &Node) -> Option<bool> {
    match &*node.text()?.trim().to_ascii_lowercase() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A key without regard to how its words are joined: `padToNext` and `pad-to-next` are `pad_to_next`.
pub(in crate::schedule) fn snake(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for c in key.chars() {
        match c {
            '-' | ' ' => out.push('_'),
            c if c.is_ascii_uppercase() => {
                if out.ends_with(|c: char| c.is_ascii_lowercase()) {
                    out.push('_');
                }
                out.push(c.to_ascii_lowercase());
            }
            c => out.push(c),
        }
    }
    out
}

/// What may have been meant: the nearest name, or all there are.
pub(in crate::schedule) fn hint<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    if let Some(nearest) = nearest(name, &names) {
        return format!("did you mean `{nearest}`?");
    }
    match names.len() {
        0 => "there is none".to_owned(),
        1..=24 => format!("there is {}", names.join(", ")),
        n => format!("none of the {n} that there are is like it"),
    }
}

/// The name that is fewest changes away, at most a third of its letters.
fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let letters = name.chars().count();
    let changes = names.iter().filter_map(|candidate| {
        let longest = letters.max(candidate.chars().count());
        (longest <= 64).then(|| (distance(name, candidate), longest, *candidate))
    });
    let near = changes.filter(|(changes, longest, _)| *changes <= (longest / 3).max(1));
    near.min().map(|(_, _, candidate)| candidate)
}

/// How many letters are added, left out, changed or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: Option<&Vec<usize>>, n: usize| {
                row.and_then(|r| r.get(n))
                    .copied()
                    .unwrap_or(usize::MAX / 2)
            };
            let changed = at(rows.get(i), j) + usize::from(x != y);
            let mut best = changed
                .min(at(rows.get(i), j + 1) + 1)
                .min(at(Some(&row), j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(rows.get(i - 1), j - 1) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|r| r.last()).copied().unwrap_or(0)
}

/// The beginning of a text, for messages.
pub(in crate::schedule) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
