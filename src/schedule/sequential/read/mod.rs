//! YAML in, a schedule out, or everything that is wrong with it, each with its place.

mod instructions;
mod sources;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) use sources::{GROUPS, ORDERS, PARTS};

use super::{Instruction, Sequence, Sequential};
use crate::schedule::yaml::{self, At, Fields, Node, Problem, Problems, hint};

/// The longest file that is read, in bytes.
const MAX_BYTES: usize = 512 << 10;
/// The most files that one schedule may be made of.
const MAX_FILES: usize = 16;
/// The most sources, and the most sequences, that a schedule may have.
const MAX_KEYS: usize = 1000;

/// A schedule that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The schedule, with what it imports.
    pub schedule: Sequential,
    /// What has no effect, or none that anybody may want.
    pub warnings: Vec<Problem>,
}

/// Reads a schedule. `import` gives the text of a file that the schedule imports, named relative to the schedule itself,
/// or says why it cannot.
///
/// # Errors
///
/// Everything that is wrong with it, by place; up to a hundred things.
pub fn read(
    text: &str,
    import: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Reading, Vec<Problem>> {
    let mut reader = Reader {
        problems: Problems::default(),
        warnings: Problems::default(),
        import,
        schedule: Sequential::default(),
        references: Vec::new(),
        under_way: Vec::new(),
        imported: BTreeSet::new(),
    };
    reader.file(text, None);
    reader.check_references();
    reader.check_circles();
    match reader.problems.is_empty() {
        true => {
            reader.warn_of_silence();
            Ok(Reading {
                schedule: reader.schedule,
                warnings: reader.warnings.into_list(),
            })
        }
        false => Err(reader.problems.into_list()),
    }
}

/// Where an instruction stands.
enum Where<'a> {
    Playout,
    Reset,
    Sequence(&'a Arc<str>),
}

/// A key that has to be defined somewhere.
struct Reference {
    key: Arc<str>,
    /// A sequence; else content.
    is_sequence: bool,
    /// Of a `sequence` within a sequence: that one.
    within: Option<Arc<str>>,
    at: At,
    file: Option<Arc<str>>,
}

struct Reader<'i> {
    problems: Problems,
    warnings: Problems,
    import: &'i dyn Fn(&str) -> Result<String, String>,
    schedule: Sequential,
    references: Vec<Reference>,
    /// The imports that led here.
    under_way: Vec<Arc<str>>,
    imported: BTreeSet<Arc<str>>,
}

impl Reader<'_> {
    /// Reads a file; `name` is that of an import.
    fn file(&mut self, text: &str, name: Option<Arc<str>>) {
        self.problems.file.clone_from(&name);
        self.warnings.file.clone_from(&name);
        if text.len() > MAX_BYTES {
            let what = format!("the file is larger than {} KiB", MAX_BYTES >> 10);
            self.problems.add(At::START, what);
            return;
        }
        let Some(root) = yaml::parse(text, &mut self.problems) else {
            return;
        };
        let Some(mut f) = Fields::of("the file", &root, &mut self.problems) else {
            return;
        };
        let imports = f.list("import", &mut self.problems);
        let content = f.list("content", &mut self.problems);
        let sequences = f.list("sequence", &mut self.problems);
        let reset = f.list("reset", &mut self.problems);
        let playout = f.list("playout", &mut self.problems);
        let at = f.get("playout").map(|node| node.at);
        let is_main = name.is_none();
        f.finish(&mut self.problems);
        self.sources(content);
        self.sequences(sequences);
        match is_main {
            true => {
                self.schedule.reset = self.instructions(reset, &Where::Reset);
                self.schedule.playout = self.instructions(playout, &Where::Playout);
                if playout.is_empty() {
                    let what = "there is nothing to do: list instructions below `playout`";
                    self.problems.add(at.unwrap_or(At::START), what);
                }
            }
            false => {
                for (key, list) in [("reset", reset), ("playout", playout)] {
                    if let Some(first) = list.first() {
                        let what = format!("`{key}` of an imported file is ignored");
                        self.warnings.add(first.at, what);
                    }
                }
            }
        }
        for node in imports {
            self.import(node, name.as_ref());
            self.problems.file.clone_from(&name);
            self.warnings.file.clone_from(&name);
        }
    }

    fn import(&mut self, node: &Node, from: Option<&Arc<str>>) {
        let Some(text) = node.text().filter(|text| !text.trim().is_empty()) else {
            let what = format!("an import must be the name of a file, not {}", node.kind());
            self.problems.add(node.at, what);
            return;
        };
        let path: Arc<str> = beside(from.map(|f| &**f), text.trim()).into();
        if self.under_way.contains(&path) {
            let what = format!(
                "`{path}` imports itself: {} -> {path}",
                self.under_way.join(" -> ")
            );
            self.problems.add(node.at, what);
            return;
        }
        if !self.imported.insert(path.clone()) {
            return;
        }
        if self.imported.len() >= MAX_FILES {
            let what = format!("more than {MAX_FILES} files: put some of them together");
            self.problems.add(node.at, what);
            return;
        }
        match (self.import)(&path) {
            Ok(text) => {
                self.under_way.push(path.clone());
                self.file(&text, Some(path));
                self.under_way.pop();
            }
            Err(why) => {
                let what = format!("`{path}` cannot be imported: {why}");
                self.problems.add(node.at, what);
            }
        }
    }

    /// The content of a file. What the schedule knows already from a file before stays as it is.
    fn sources(&mut self, nodes: &[Arc<Node>]) {
        let mut here = BTreeMap::new();
        for node in nodes {
            let Some((source, at)) = self.source(node) else {
                continue;
            };
            if self.is_new(&source.key, "content", at, &mut here)
                && self.schedule.content.iter().all(|s| s.key != source.key)
            {
                self.schedule.content.push(source);
            }
        }
        self.bound(self.schedule.content.len(), "content");
    }

    /// The sequences of a file, likewise.
    fn sequences(&mut self, nodes: &[Arc<Node>]) {
        let mut here = BTreeMap::new();
        for node in nodes {
            let Some(mut f) = Fields::of("a sequence", node, &mut self.problems) else {
                continue;
            };
            let key = f.need(
                "key",
                "give it a name to be played under",
                &mut self.problems,
            );
            let at = f.get("key").map_or(f.at(), |node| node.at);
            let items = f.list("items", &mut self.problems);
            f.finish(&mut self.problems);
            if items.is_empty() {
                let what =
                    format!("the sequence `{key}` is empty: list instructions below `items`");
                self.problems.add(node.at, what);
            }
            let known = self.references.len();
            let items = self.instructions(items, &Where::Sequence(&key));
            if self.is_new(&key, "sequence", at, &mut here)
                && self.schedule.sequences.iter().all(|s| s.key != key)
            {
                self.schedule.sequences.push(Sequence { key, items });
            } else {
                self.references.truncate(known);
            }
        }
        self.bound(self.schedule.sequences.len(), "sequence");
    }

    /// Whether a key stands in a file for the first time.
    fn is_new(
        &mut self,
        key: &Arc<str>,
        what: &str,
        at: At,
        here: &mut BTreeMap<Arc<str>, u32>,
    ) -> bool {
        if key.is_empty() {
            return false;
        }
        if let Some(line) = here.get(key) {
            let what = format!("a second {what} `{key}`, first on line {line}: rename one of them");
            self.problems.add(at, what);
            return false;
        }
        here.insert(key.clone(), at.line);
        true
    }

    fn bound(&mut self, count: usize, what: &str) {
        if count > MAX_KEYS {
            let what = format!("more than {MAX_KEYS} keys below `{what}`");
            self.problems.add(At::START, what);
        }
    }

    fn refer_to_content(&mut self, key: &Arc<str>, at: At) {
        self.refer(key, at, false, None);
    }

    fn refer_to_sequence(&mut self, key: &Arc<str>, at: At, place: &Where<'_>) {
        let within = match place {
            Where::Sequence(within) => Some((*within).clone()),
            _ => None,
        };
        self.refer(key, at, true, within);
    }

    fn refer(&mut self, key: &Arc<str>, at: At, is_sequence: bool, within: Option<Arc<str>>) {
        // An empty key has its problem already.
        if !key.is_empty() {
            self.references.push(Reference {
                key: key.clone(),
                is_sequence,
                within,
                at,
                file: self.problems.file.clone(),
            });
        }
    }

    /// Says that something has no effect.
    fn ignored(&mut self, f: &Fields<'_>, why: &str) {
        let name = f.keys().next().map_or("", |(key, _)| key);
        self.warnings
            .add(f.at(), format!("`{name}` is ignored: {why}"));
    }

    /// Every key must be defined.
    fn check_references(&mut self) {
        let content: BTreeSet<_> = self.schedule.content.iter().map(|s| &s.key).collect();
        let sequences: BTreeSet<_> = self.schedule.sequences.iter().map(|s| &s.key).collect();
        for reference in &self.references {
            let (what, defined) = match reference.is_sequence {
                true => ("sequence", &sequences),
                false => ("content", &content),
            };
            if defined.contains(&reference.key) {
                continue;
            }
            let key = &reference.key;
            let hint = hint(key, defined.iter().map(|key| &***key));
            self.problems.file.clone_from(&reference.file);
            self.problems.add(
                reference.at,
                format!("no {what} has the key `{key}`: {hint}"),
            );
        }
    }

    /// No sequence may play itself, directly or by others.
    fn check_circles(&mut self) {
        let mut plays: BTreeMap<&Arc<str>, BTreeSet<&Arc<str>>> = BTreeMap::new();
        for reference in &self.references {
            if let Some(within) = &reference.within {
                plays.entry(within).or_default().insert(&reference.key);
            }
        }
        let mut seen = BTreeSet::new();
        for reference in &self.references {
            let Some(within) = &reference.within else {
                continue;
            };
            if !seen.insert((within, &reference.key)) {
                continue;
            }
            if let Some(way) = way(&plays, &reference.key, within) {
                let way: Vec<_> = way.iter().map(|key| &***key).collect();
                self.problems.file.clone_from(&reference.file);
                let what = format!(
                    "the sequence `{within}` plays itself: {within} -> {}",
                    way.join(" -> ")
                );
                self.problems.add(reference.at, what);
            }
        }
    }

    /// Warns of a schedule that ends.
    fn warn_of_silence(&mut self) {
        let begins_again = |i: &Instruction| matches!(i, Instruction::Repeat(true));
        let sequences = self.schedule.sequences.iter().flat_map(|s| &s.items);
        if !self
            .schedule
            .playout
            .iter()
            .chain(sequences)
            .any(begins_again)
        {
            self.warnings.file = None;
            let what = "behind the last instruction the channel is off the air: end with `- repeat: true` to begin again";
            self.warnings.add(At::START, what);
        }
    }
}

/// The way from one sequence to another.
fn way<'a>(
    plays: &BTreeMap<&'a Arc<str>, BTreeSet<&'a Arc<str>>>,
    from: &'a Arc<str>,
    to: &Arc<str>,
) -> Option<Vec<&'a Arc<str>>> {
    let mut came_from: BTreeMap<&Arc<str>, Option<&Arc<str>>> = BTreeMap::from([(from, None)]);
    let mut next = vec![from];
    while let Some(at) = next.pop() {
        if at == to {
            let mut way = vec![at];
            let mut last = at;
            while let Some(Some(before)) = came_from.get(last) {
                way.push(before);
                last = before;
            }
            way.reverse();
            return Some(way);
        }
        for then in plays.get(at).into_iter().flatten() {
            if !came_from.contains_key(then) {
                came_from.insert(then, Some(at));
                next.push(then);
            }
        }
    }
    None
}

/// A path that a file names, as seen from where the schedule is.
fn beside(from: Option<&str>, name: &str) -> String {
    if name.starts_with('/') {
        return name.to_owned();
    }
    let folder = from.and_then(|from| from.rsplit_once('/'));
    let folder = folder.map_or("", |(folder, _)| folder);
    let is_absolute = from.is_some_and(|from| from.starts_with('/'));
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if is_absolute { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}
