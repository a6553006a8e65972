//! The bounded walk through a folder and everything below it, read-only.
//!
//! The order is by name, links to folders come last and no folder is entered twice (by device and inode),
//! so two walks over the same files yield the same paths. What cannot be listed is collected, not fatal;
//! nothing is concluded about what lies below it. Blocks: it runs where blocking is allowed.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{FileType, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::skip::{self, Ignore, Pattern, Skip};
use crate::error::{Error, ErrorKind, Result};
use crate::store::RootKind;
use crate::system::access;

/// How far a walk goes. What lies beyond is reported as trouble, never silently left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Folders below one another.
    pub depth: usize,
    /// Folders in all.
    pub folders: usize,
    /// Names in one folder.
    pub names: usize,
    /// Messages kept.
    pub trouble: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 24,
            folders: 200_000,
            names: 100_000,
            trouble: 50,
        }
    }
}

/// A video file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Absolute path, byte for byte.
    pub path: PathBuf,
    /// Size.
    pub size_bytes: u64,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// A folder that was listed.
#[derive(Debug)]
pub struct Folder {
    /// Its path.
    pub path: PathBuf,
    /// Its videos, by name.
    pub files: Vec<FoundFile>,
    /// Its NFO files, by name, with their modification times.
    pub nfos: Vec<(OsString, i64)>,
}

/// What a walk noticed beside the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// The root's device number.
    pub device: u64,
    /// Folders listed.
    pub folders: u64,
    /// Names in them.
    pub names: u64,
    /// Videos.
    pub files: u64,
    /// Names left out, by reason; a folder counts once.
    pub skipped: BTreeMap<Skip, u64>,
    /// What went wrong, for people; the first few.
    pub trouble: Vec<String>,
    /// How often something went wrong.
    pub trouble_count: u64,
    /// Folders and files about which nothing is known: not "gone".
    pub unknown: HashSet<PathBuf>,
    /// Where other file systems begin below the root.
    pub mount_points: Vec<PathBuf>,
}

impl Walked {
    /// Whether nothing can be said about `path`: it lies at or below something that could not be looked at.
    pub fn is_unknown(&self, path: &Path) -> bool {
        path.ancestors().any(|p| self.unknown.contains(p))
    }
}

/// Who is told what a walk comes by.
pub trait Visitor {
    /// `folder` is about to be listed.
    fn entering(&mut self, folder: &Path);
    /// A folder was listed. Folders come before those below them.
    fn listed(&mut self, folder: Folder);
}

/// A walk as others see and stop it.
#[derive(Debug, Default)]
pub struct Control {
    /// Set to end the walk soon.
    pub stop: AtomicBool,
    /// Rises with every name looked at: a walk whose number stands still hangs on a disk.
    pub progress: AtomicU64,
}

/// Walks through `root` and tells `visitor`. Fails when the root itself cannot be listed, and with `Busy` soon
/// after it was told to stop.
pub fn walk(
    root: &Path,
    kind: RootKind,
    limits: Limits,
    control: &Control,
    visitor: &mut dyn Visitor,
) -> Result<Walked> {
    let meta = std::fs::metadata(root)
        .map_err(|e| Error::io(format!("looking at {}", root.display()), e))?;
    if !meta.is_dir() {
        crate::bail!(Invalid, "{} is not a folder", root.display());
    }
    let mut walk = Walk {
        control,
        kind,
        limits,
        seen: HashSet::from([(meta.dev(), meta.ino())]),
        folders: vec![Pending {
            path: root.to_owned(),
            depth: 0,
            rules: None,
        }],
        links: Vec::new(),
        walked: Walked {
            device: meta.dev(),
            ..Walked::default()
        },
    };
    loop {
        if control.stop.load(Ordering::Relaxed) {
            crate::bail!(Busy, "the scan of {} was stopped", root.display());
        }
        let next = walk.folders.pop().or_else(|| walk.next_link());
        let Some(next) = next else {
            return Ok(walk.walked);
        };
        let is_root = next.depth == 0;
        visitor.entering(&next.path);
        match walk.list(&next) {
            Ok(Some(folder)) => visitor.listed(folder),
            Ok(None) => {}
            Err(e) if is_root => return Err(e),
            Err(e) => walk.unknown(next.path, &e),
        }
    }
}

/// The patterns of an ignore file and of those above it.
struct Rules {
    base: PathBuf,
    patterns: Vec<Pattern>,
    above: Option<Arc<Rules>>,
}

impl Rules {
    fn ignore(&self, path: &Path, is_folder: bool) -> bool {
        let here = path
            .strip_prefix(&self.base)
            .is_ok_and(|inside| skip::is_ignored(&self.patterns, inside, is_folder));
        here || self
            .above
            .as_ref()
            .is_some_and(|r| r.ignore(path, is_folder))
    }
}

/// What ignore files say about a folder.
enum InForce {
    ExcludesAll,
    Rules(Option<Arc<Rules>>),
}

/// A folder to be listed.
struct Pending {
    path: PathBuf,
    depth: usize,
    rules: Option<Arc<Rules>>,
}

struct Walk<'a> {
    control: &'a Control,
    kind: RootKind,
    limits: Limits,
    seen: HashSet<(u64, u64)>,
    /// A stack: the first by name on top.
    folders: Vec<Pending>,
    /// Links to folders, entered when no real folder is left, so that files keep their real paths.
    links: Vec<Pending>,
    walked: Walked,
}

impl Walk<'_> {
    fn next_link(&mut self) -> Option<Pending> {
        self.links.sort_by(|a, b| b.path.cmp(&a.path));
        while let Some(link) = self.links.pop() {
            match std::fs::metadata(&link.path) {
                Ok(meta) => {
                    if self.enter(&meta, &link.path) {
                        return Some(link);
                    }
                }
                Err(e) => {
                    let e = Error::io(format!("following the link {}", link.path.display()), e);
                    self.unknown(link.path, &e);
                }
            }
        }
        None
    }

    /// Whether the folder is to be listed: not when it has been already.
    fn enter(&mut self, meta: &Metadata, path: &Path) -> bool {
        if self.seen.len() >= self.limits.folders {
            let most = self.limits.folders;
            let e = Error::new(
                ErrorKind::Full,
                format!("{}: not scanned, more than {most} folders", path.display()),
            );
            self.unknown(path.to_owned(), &e);
            return false;
        }
        if !self.seen.insert((meta.dev(), meta.ino())) {
            return false;
        }
        if meta.dev() != self.walked.device && self.walked.mount_points.len() < self.limits.trouble
        {
            self.walked.mount_points.push(path.to_owned());
        }
        true
    }

    fn skip(&mut self, why: Skip) {
        *self.walked.skipped.entry(why).or_default() += 1;
    }

    fn unknown(&mut self, path: PathBuf, e: &Error) {
        self.walked.trouble_count += 1;
        if self.walked.trouble.len() < self.limits.trouble {
            self.walked.trouble.push(format!("{e:#}"));
        }
        self.walked.unknown.insert(path);
    }

    /// Lists a folder; `None` when an ignore file excludes it.
    fn list(&mut self, pending: &Pending) -> Result<Option<Folder>> {
        let names = self.names(&pending.path)?;
        self.walked.folders += 1;
        self.walked.names += names.len() as u64;
        let InForce::Rules(rules) = self.rules_in(pending, &names)? else {
            self.skip(Skip::Ignored);
            return Ok(None);
        };
        let mut folder = Folder {
            path: pending.path.clone(),
            files: Vec::new(),
            nfos: Vec::new(),
        };
        let mut below = Vec::new();
        for (name, file_type) in names {
            self.control.progress.fetch_add(1, Ordering::Relaxed);
            let path = pending.path.join(&name);
            let ignored = |is_folder| rules.as_ref().is_some_and(|r| r.ignore(&path, is_folder));
            // A link is what it leads to; only names that could matter are followed.
            if file_type.is_dir() || (file_type.is_symlink() && path.is_dir()) {
                let skipped = skip::folder(&name, self.kind, pending.depth);
                match skipped.or_else(|| ignored(true).then_some(Skip::Ignored)) {
                    Some(why) => self.skip(why),
                    None => below.push((path, file_type.is_symlink())),
                }
                continue;
            }
            if name.to_string_lossy().to_lowercase().ends_with(".nfo") {
                if let Ok(meta) = std::fs::metadata(&path) {
                    folder.nfos.push((name, mtime_ns(&meta)));
                }
                continue;
            }
            let skipped = skip::file(&name, self.kind);
            match skipped.or_else(|| ignored(false).then_some(Skip::Ignored)) {
                Some(why) => self.skip(why),
                None => self.take_file(path, &mut folder.files),
            }
        }
        self.push_below(below, pending.depth + 1, rules.as_ref());
        self.walked.files += folder.files.len() as u64;
        Ok(Some(folder))
    }

    /// The names of a folder in their order.
    fn names(&self, path: &Path) -> Result<Vec<(OsString, FileType)>> {
        let doing = || format!("listing {}", path.display());
        let entries = std::fs::read_dir(path).map_err(|e| {
            access::explain(path)
                .err()
                .unwrap_or_else(|| Error::io(doing(), e))
        })?;
        let mut names = Vec::new();
        for entry in entries {
            if names.len() >= self.limits.names {
                crate::bail!(
                    Full,
                    "{}: not scanned, more than {} names",
                    path.display(),
                    self.limits.names
                );
            }
            let entry = entry.map_err(|e| Error::io(doing(), e))?;
            let file_type = entry.file_type().map_err(|e| Error::io(doing(), e))?;
            names.push((entry.file_name(), file_type));
        }
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(names)
    }

    /// The rules that hold in a folder.
    fn rules_in(&self, pending: &Pending, names: &[(OsString, FileType)]) -> Result<InForce> {
        let mut rules = pending.rules.clone();
        for (name, _) in names {
            if !skip::IGNORE_FILES.iter().any(|f| OsStr::new(f) == name) {
                continue;
            }
            match skip::read_ignore(&pending.path, name)? {
                Ignore::Everything => return Ok(InForce::ExcludesAll),
                Ignore::Patterns(patterns) => {
                    rules = Some(Arc::new(Rules {
                        base: pending.path.clone(),
                        patterns,
                        above: rules,
                    }));
                }
            }
        }
        Ok(InForce::Rules(rules))
    }

    fn take_file(&mut self, path: PathBuf, files: &mut Vec<FoundFile>) {
        match std::fs::metadata(&path) {
            Ok(meta) if meta.is_file() => files.push(FoundFile {
                size_bytes: meta.len(),
                mtime_ns: mtime_ns(&meta),
                path,
            }),
            // A pipe or a device is no video, whatever its name.
            Ok(_) => self.skip(Skip::NotVideo),
            // Gone since the folder was listed.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => {
                let e = Error::io(format!("looking at {}", path.display()), e);
                self.unknown(path, &e);
            }
        }
    }

    /// Puts the folders of a folder on the stack.
    fn push_below(
        &mut self,
        below: Vec<(PathBuf, bool)>,
        depth: usize,
        rules: Option<&Arc<Rules>>,
    ) {
        for (path, is_link) in below.into_iter().rev() {
            let pending = Pending {
                path,
                depth,
                rules: rules.cloned(),
            };
            if depth > self.limits.depth {
                let e = Error::new(
                    ErrorKind::Full,
                    format!(
                        "{}: not scanned, more than {} folders deep",
                        pending.path.display(),
                        self.limits.depth
                    ),
                );
                self.unknown(pending.path, &e);
            } else if is_link {
                self.links.push(pending);
            } else {
                match std::fs::metadata(&pending.path) {
                    Ok(meta) => {
                        if self.enter(&meta, &pending.path) {
                            self.folders.push(pending);
                        }
                    }
                    Err(e) => {
                        let e = Error::io(format!("looking at {}", pending.path.display()), e);
                        self.unknown(pending.path, &e);
                    }
                }
            }
        }
    }
}

fn mtime_ns(meta: &Metadata) -> i64 {
    meta.mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(meta.mtime_nsec())
}

#[cfg(test)]
mod tests;
