//! What is on the disk held against what is known: the judgement whether a root was really there, and what
//! became of each item.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::store::{Id, ItemFile, Root};
use crate::system::access::quoted;

use super::super::walk::{Control, Folder, FoundFile, Visitor, Walked};
use super::super::watch::Watcher;

pub(super) struct Place {
    pub(super) file_system: String,
    pub(super) device: u64,
    pub(super) network: bool,
}

/// What a scan of a reachable root leads to.
pub(super) struct Good {
    pub(super) file_system: String,
    pub(super) device: u64,
    pub(super) network: bool,
    pub(super) fresh: Vec<Fresh>,
    pub(super) moved: Vec<(Id, PathBuf)>,
    pub(super) found_again: Vec<Id>,
    pub(super) gone: Vec<Id>,
    /// Folders with a `tvshow.nfo`.
    pub(super) shows: HashSet<PathBuf>,
}

/// A file whose names and NFO are to be read.
pub(super) struct Fresh {
    pub(super) file: FoundFile,
    pub(super) nfo: Option<PathBuf>,
    pub(super) why: Why,
    pub(super) was_missing: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    New,
    Changed,
    /// As it was, but an NFO file is newer than the last scan, or it has a new name.
    Titles,
}

/// What the walk has come by, held against what was known.
pub(super) struct Seen<'a> {
    root: &'a Root,
    watcher: Option<&'a Watcher>,
    known: HashMap<PathBuf, Known>,
    /// Items that were there at the last good scan.
    expected: usize,
    /// Of those, found with equal size.
    equal: usize,
    fresh: Vec<Fresh>,
    found_again: Vec<Id>,
    shows: HashSet<PathBuf>,
    /// Shows whose `tvshow.nfo` is newer than the last scan.
    renewed: Vec<PathBuf>,
}

pub(super) struct Known {
    id: Id,
    size_bytes: u64,
    mtime_ns: i64,
    missing: bool,
    seen: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn new(root: &'a Root, files: Vec<ItemFile>, watcher: Option<&'a Watcher>) -> Self {
        let expected = files.iter().filter(|f| f.missing_since.is_none()).count();
        let known = files.into_iter().map(|f| {
            let known = Known {
                id: f.id,
                size_bytes: f.size_bytes,
                mtime_ns: f.mtime_ns,
                missing: f.missing_since.is_some(),
                seen: false,
            };
            (f.path, known)
        });
        Self {
            root,
            watcher,
            known: known.collect(),
            expected,
            equal: 0,
            fresh: Vec::new(),
            found_again: Vec::new(),
            shows: HashSet::new(),
            renewed: Vec::new(),
        }
    }

    /// Whether a file of this time was written after the last good scan (or so shortly before that the scan
    /// may have missed it).
    fn is_news(&self, mtime_ns: i64) -> bool {
        self.root
            .scanned
            .is_some_and(|scanned| mtime_ns / 1_000_000 > scanned.0 - 2_000)
    }

    fn take(&mut self, file: FoundFile, nfo: Option<PathBuf>, titles: bool) {
        let Some(known) = self.known.get_mut(&file.path) else {
            self.fresh.push(Fresh {
                file,
                nfo,
                why: Why::New,
                was_missing: false,
            });
            return;
        };
        known.seen = true;
        let same_size = known.size_bytes == file.size_bytes;
        self.equal += usize::from(same_size && !known.missing);
        let was_missing = known.missing;
        if !same_size || known.mtime_ns != file.mtime_ns {
            let why = Why::Changed;
            self.fresh.push(Fresh {
                file,
                nfo,
                why,
                was_missing,
            });
        } else if titles {
            let why = Why::Titles;
            self.fresh.push(Fresh {
                file,
                nfo,
                why,
                was_missing,
            });
        } else if was_missing {
            self.found_again.push(known.id);
        }
    }

    /// Decides whether the root was really there. The error says why not, and how to mend it.
    pub(super) fn judge(
        mut self,
        place: Place,
        walked: &Walked,
        control: &Control,
        accept_loss: bool,
    ) -> Result<Good, String> {
        let shown = self.root.path.display();
        let file_system = place.file_system;
        let expected = self.expected;
        let comes_back = "Nothing was removed; it heals by itself.";
        let on_purpose = format!(
            "If you did that on purpose: exstreamd library scan --accept-loss {}",
            quoted(&self.root.path)
        );
        if walked.names == 0 && expected > 0 && !accept_loss {
            return Err(format!(
                "{shown} is empty, where {expected} items were. Is its disk mounted? (findmnt) {comes_back} \
                 {on_purpose}"
            ));
        }
        // Another disk that holds most of the same files is a copy of the first, and welcome.
        if let Some(before) = &self.root.file_system
            && *before != file_system
            && self.equal * 2 <= expected
            && expected > 0
            && !accept_loss
        {
            return Err(format!(
                "{shown} is on another file system ({file_system}) than before ({before}). Is its disk mounted? \
                 (findmnt) {comes_back} {on_purpose}"
            ));
        }
        let moved = self.find_moved();
        let moved_ids: HashSet<Id> = moved.iter().map(|(id, _)| *id).collect();
        let mut gone = Vec::new();
        let (mut lost, mut unknown) = (0_usize, 0_usize);
        for (path, known) in &self.known {
            if known.seen || known.missing || moved_ids.contains(&known.id) {
                continue;
            }
            if walked.is_unknown(path) {
                unknown += 1;
                continue;
            }
            control.progress.fetch_add(1, Ordering::Relaxed);
            match std::fs::symlink_metadata(path) {
                // Excluded since: by an ignore file, say. It is not lost, but not wanted either.
                Ok(_) => gone.push(known.id),
                Err(e) if is_absence(&e) => {
                    lost += 1;
                    gone.push(known.id);
                }
                Err(_) => unknown += 1,
            }
        }
        if unknown * 2 > expected {
            let first = walked.trouble.first().map_or("", String::as_str);
            return Err(format!(
                "{unknown} of {expected} items in {shown} cannot be looked at: {first} {comes_back}"
            ));
        }
        if lost * 2 > expected && !accept_loss {
            return Err(format!(
                "{lost} of {expected} items are gone from {shown} at once. Is a disk below it mounted? (findmnt) \
                 {comes_back} {on_purpose}"
            ));
        }
        Ok(Good {
            file_system,
            device: place.device,
            network: place.network,
            fresh: self.fresh,
            moved,
            found_again: self.found_again,
            gone,
            shows: self.shows,
        })
    }

    /// Items whose file is gone while exactly one new file has its size and time: renamed. Equal names decide
    /// between several.
    fn find_moved(&mut self) -> Vec<(Id, PathBuf)> {
        let mut new: HashMap<(u64, i64), Vec<usize>> = HashMap::new();
        for (i, fresh) in self.fresh.iter().enumerate() {
            if fresh.why == Why::New && fresh.file.size_bytes > 0 {
                new.entry((fresh.file.size_bytes, fresh.file.mtime_ns))
                    .or_default()
                    .push(i);
            }
        }
        if new.is_empty() {
            return Vec::new();
        }
        let mut gone: HashMap<(u64, i64), Vec<(&Path, Id)>> = HashMap::new();
        for (path, known) in &self.known {
            let stamp = (known.size_bytes, known.mtime_ns);
            if !known.seen && new.contains_key(&stamp) {
                gone.entry(stamp).or_default().push((path, known.id));
            }
        }
        let mut moved = Vec::new();
        for (stamp, gone) in gone {
            let candidates = &new[&stamp];
            for (path, id) in &gone {
                let to = if let ([only], 1) = (candidates.as_slice(), gone.len()) {
                    Some(*only)
                } else {
                    let same_name =
                        |i: &&usize| self.fresh[**i].file.path.file_name() == path.file_name();
                    let mut named = candidates.iter().filter(same_name);
                    let rivals = gone
                        .iter()
                        .filter(|(p, _)| p.file_name() == path.file_name());
                    named
                        .next()
                        .filter(|_| named.next().is_none() && rivals.count() == 1)
                        .copied()
                };
                // A copy beside the original is a new file.
                if let Some(to) = to
                    && std::fs::symlink_metadata(path).is_err_and(|e| is_absence(&e))
                {
                    moved.push((*id, to));
                }
            }
        }
        for (_, to) in &moved {
            self.fresh[*to].why = Why::Titles;
        }
        moved
            .into_iter()
            .map(|(id, to)| (id, self.fresh[to].file.path.clone()))
            .collect()
    }
}

pub(super) fn is_absence(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(e.kind(), NotFound | NotADirectory)
}

impl Visitor for Seen<'_> {
    fn entering(&mut self, folder: &Path) {
        if let Some(watcher) = self.watcher {
            watcher.add(self.root.id, folder);
        }
    }

    fn listed(&mut self, folder: Folder) {
        let nfo_named = |name: &str| {
            folder
                .nfos
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        if let Some((_, mtime)) = nfo_named("tvshow.nfo") {
            if self.is_news(*mtime) {
                self.renewed.push(folder.path.clone());
            }
            self.shows.insert(folder.path.clone());
        }
        let renewed = self
            .renewed
            .iter()
            .any(|show| folder.path.starts_with(show));
        let movie = nfo_named("movie.nfo");
        let by_name: HashMap<&std::ffi::OsStr, i64> = folder
            .nfos
            .iter()
            .map(|(n, mtime)| (n.as_os_str(), *mtime))
            .collect();
        for file in folder.files {
            let own = file.path.with_extension("nfo");
            let own = own
                .file_name()
                .and_then(|name| by_name.get_key_value(name))
                .map(|(name, mtime)| (folder.path.join(name), *mtime));
            let nfo = own.or_else(|| movie.map(|(name, mtime)| (folder.path.join(name), *mtime)));
            let titles = renewed || nfo.as_ref().is_some_and(|(_, mtime)| self.is_news(*mtime));
            self.take(file, nfo.map(|(path, _)| path), titles);
        }
    }
}
