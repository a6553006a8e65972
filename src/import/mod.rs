//! What other programs have planned, as a program of ours: read, matched with the library by path, and only then used.
//!
//! Reads playouts of ErsatzTV (next) and channels of dizqueTV. Reads the database and never writes; what it cannot match it
//! names. Unknown fields of foreign files are passed over.

mod dizquetv;
mod ersatztv;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::clock::UtcMs;
use crate::error::Result;
use crate::schedule::exact::{Entry, Exact};
use crate::schedule::file::Problem;
use crate::schedule::{Collection, Pick, PlayOrder, Program};
use crate::store::{MAX_PAGE, Store};

pub use ersatztv::{Played, write};

/// The most folders that items are looked for in; else it is the whole library.
const MOST_FOLDERS: usize = 16;

/// A plan of another program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// From when on its times count.
    pub since: UtcMs,
    /// After so long it begins anew.
    pub repeat_ms: Option<i64>,
    /// What it plays, in order.
    pub wanted: Vec<Wanted>,
    /// What of it we cannot play, and why.
    pub left_out: Vec<String>,
}

/// A file at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where it lies for the other program.
    pub path: String,
    /// When, from [`Plan::since`] on.
    pub at_ms: i64,
    /// For how long.
    pub length_ms: i64,
    /// From where in it.
    pub from_ms: i64,
}

/// A plan of which everything is known.
#[derive(Clone, Debug)]
pub struct Matched {
    /// What it plays.
    pub program: Program,
    /// The files that the library does not have.
    pub missing: Vec<Problem>,
    /// What of it we cannot play, and why.
    pub left_out: Vec<String>,
}

#[derive(Deserialize)]
struct Look {
    version: Option<String>,
    items: Option<IgnoredAny>,
    programs: Option<IgnoredAny>,
}

/// Reads a plan of another program; `None` when the text is something else.
pub fn read(text: &str) -> Option<std::result::Result<Plan, Problem>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let look: Look = serde_json::from_str(text).ok()?;
    match look {
        Look {
            version: Some(_),
            items: Some(_),
            ..
        } => Some(ersatztv::read(text)),
        Look {
            programs: Some(_), ..
        } => Some(dizquetv::read(text)),
        _ => None,
    }
}

/// The problem of a text that is not what it seems.
fn problem(e: &serde_json::Error) -> Problem {
    let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    let said = e.to_string();
    let said = said.split(" at line ").next().unwrap_or(&said);
    Problem {
        line: place(e.line()),
        column: place(e.column()),
        message: format!("this cannot be read: {said}"),
    }
}

/// Where a text names a path.
fn place_of(text: &str, path: &str) -> (u32, u32) {
    let quoted = serde_json::to_string(path).unwrap_or_default();
    let before = text
        .find(&quoted)
        .and_then(|at| text.get(..at))
        .unwrap_or_default();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    (count(before.matches('\n').count()), count(column))
}

/// A path of another machine as one of ours: the longest of the `old` beginnings that fits is replaced by its `new` one.
pub fn mapped(path: &str, map: &[(String, String)]) -> String {
    let plain = |text: &str| text.replace('\\', "/");
    let windows = path.contains('\\') && !path.starts_with('/');
    let path = if windows {
        plain(path)
    } else {
        path.to_owned()
    };
    let fitting = map.iter().filter_map(|(old, new)| {
        let old = if windows { plain(old) } else { old.clone() };
        let old = old.trim_end_matches('/');
        let rest = path.strip_prefix(old)?;
        let whole = rest.is_empty() || rest.starts_with('/');
        whole.then(|| (old.len(), format!("{}{rest}", new.trim_end_matches('/'))))
    });
    fitting
        .max_by_key(|(length, _)| *length)
        .map_or(path.clone(), |(_, path)| path)
}

/// Looks up everything that a plan plays.
pub async fn matched(
    store: &Store,
    text: &str,
    plan: Plan,
    map: &[(String, String)],
) -> Result<Matched> {
    let ours: BTreeMap<&str, PathBuf> = plan
        .wanted
        .iter()
        .map(|w| (w.path.as_str(), PathBuf::from(mapped(&w.path, map))))
        .collect();
    let mut found = BTreeMap::new();
    let all: BTreeSet<&PathBuf> = ours.values().collect();
    let all: Vec<PathBuf> = all.into_iter().cloned().collect();
    for page in all.chunks(MAX_PAGE) {
        for item in store.items_at(page).await? {
            found.insert(item.path, item.id);
        }
    }
    let (mut entries, mut folders, mut missing) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    for wanted in &plan.wanted {
        let path = ours.get(wanted.path.as_str()).cloned().unwrap_or_default();
        let Some(item) = found.get(&path) else {
            missing.entry(wanted.path.as_str()).or_insert(path);
            continue;
        };
        folders.extend(path.parent().map(std::path::Path::to_owned));
        let name = path.file_name().map(|name| name.to_string_lossy());
        entries.push(Entry {
            at_ms: wanted.at_ms,
            length_ms: wanted.length_ms,
            from_ms: wanted.from_ms,
            item: *item,
            name: name.map(|name| name.as_ref().into()),
        });
    }
    let missing = missing.into_iter().map(|(path, ours)| {
        let (line, column) = place_of(text, path);
        let ours = ours.display();
        let message = format!(
            "the library has no file {ours}: add its folder (exstreamd library add), say where it lies here (--map OLD=NEW), or leave \
             out what is missing (--partly)"
        );
        Problem {
            line,
            column,
            message,
        }
    });
    let within: Vec<Collection> = match folders.len() {
        1..=MOST_FOLDERS => folders
            .into_iter()
            .map(|path| Collection::Folder { path })
            .collect(),
        _ => vec![Collection::Library],
    };
    Ok(Matched {
        missing: missing.collect(),
        left_out: plan.left_out,
        program: Program::Exact(Exact {
            since: plan.since,
            repeat_ms: plan.repeat_ms,
            within: within
                .into_iter()
                .map(|of| Pick::new(of, PlayOrder::Custom))
                .collect(),
            entries,
        }),
    })
}
