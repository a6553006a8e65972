//! One scan of one root: what is on the disk against what the database knows.
//!
//! The rule above all: absence is not deletion. A root that is unreadable, empty, on another file system, or
//! that lost more than half of its items at once is *unreachable*: nothing of it changes in the database.
//! Only a file gone from a folder that was listed is missing, and one that comes back is the same item.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::{SharedClock, UtcMs};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Id, ItemFile, Root, RootState, ScannedItem, Store};
use crate::system::access;
use crate::system::mounts::{file_system_id, is_network};

mod compare;

use super::nfo::{self, Nfo, NfoKind};
use super::walk::{Control, Limits, walk};
use super::watch::Watcher;
use super::{blocking, names};
use compare::{Fresh, Good, Place, Seen, Why};

/// Rows read or written at once.
pub(super) const BATCH: usize = 500;
/// A walk that stands still for one to two of these hangs on a disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// Shows whose NFO is remembered while their episodes are read.
const REMEMBERED_SHOWS: usize = 64;

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ScanReport {
    /// Why the root is unreachable; then nothing was changed and the counts below are what was seen.
    pub unreachable: Option<String>,
    /// Videos on the disk.
    pub files: u64,
    /// Folders listed.
    pub folders: u64,
    /// Seen for the first time.
    pub new: u64,
    /// Of another size or time than before.
    pub changed: u64,
    /// Under another name than before.
    pub moved: u64,
    /// Were missing, and are there again.
    pub returned: u64,
    /// Gone since the last scan.
    pub missing: u64,
    /// Names left out, by reason.
    pub skipped: BTreeMap<super::skip::Skip, u64>,
    /// What went wrong, for people; the first few.
    pub trouble: Vec<String>,
    /// How often something went wrong.
    pub trouble_count: u64,
}

impl ScanReport {
    /// Whether any row of an item changed.
    pub fn is_change(&self) -> bool {
        self.new + self.changed + self.moved + self.returned + self.missing > 0
    }
}

/// What a scan needs.
#[derive(Clone)]
pub(super) struct Scan {
    pub(super) store: Store,
    pub(super) watcher: Option<Arc<Watcher>>,
    pub(super) limits: Limits,
    pub(super) control: Arc<Control>,
    pub(super) clock: SharedClock,
    /// Held by the thread that reads the disk for as long as it does.
    pub(super) thread: Arc<()>,
    /// The thread of the scan before still has not come back.
    pub(super) hangs: bool,
    /// Files that are gone were removed by the user, however many.
    pub(super) accept_loss: bool,
}

impl Scan {
    /// Scans `root` and writes the outcome. Beside the report comes where it lies, when it is reachable.
    pub(super) async fn run(self, root: &Root, now: UtcMs) -> Result<(ScanReport, Option<Found>)> {
        let known = self.known(root.id).await?;
        let looked = if self.hangs {
            None
        } else {
            let (scan, root) = (self.clone(), root.clone());
            let thread = self.thread.clone();
            let looking = blocking::run("library-scan", move || {
                let looked = scan.look(&root, known);
                drop(thread);
                looked
            });
            tokio::select! {
                looked = looking => Some(looked?),
                () = self.standstill() => None,
            }
        };
        let (mut report, verdict) = looked.map_or_else(
            || {
                let shown = root.path.display();
                let reason = format!(
                    "{shown} does not answer: is its disk or server there? Nothing was removed."
                );
                (ScanReport::default(), Err(Failure::Unreachable(reason)))
            },
            |looked| (looked.report, looked.verdict),
        );
        match verdict {
            Ok(good) => {
                let found = Found {
                    device: good.device,
                    network: good.network,
                };
                self.write(root, good, &mut report, now).await?;
                Ok((report, Some(found)))
            }
            Err(Failure::Stopped(e)) => Err(e),
            Err(Failure::Unreachable(reason)) => {
                self.unreachable(root, &reason, now).await?;
                report.unreachable = Some(reason);
                Ok((report, None))
            }
        }
    }

    /// Ends when the walk has not moved for a while.
    async fn standstill(&self) {
        let mut before = None;
        loop {
            self.clock.sleep(PATIENCE).await;
            let progress = self.control.progress.load(Ordering::Relaxed);
            if before == Some(progress) {
                self.control.stop.store(true, Ordering::Relaxed);
                return;
            }
            before = Some(progress);
        }
    }

    /// Notes that `root` cannot be used; since when is kept.
    pub(super) async fn unreachable(&self, root: &Root, reason: &str, now: UtcMs) -> Result<()> {
        let since = match &root.state {
            RootState::Unreachable { since, .. } => *since,
            RootState::Present => now,
        };
        let reason = reason.to_owned();
        let state = RootState::Unreachable { since, reason };
        if state != root.state {
            self.store.set_root_state(root.id, state).await?;
        }
        Ok(())
    }

    async fn known(&self, root: Id) -> Result<Vec<ItemFile>> {
        let mut known: Vec<ItemFile> = Vec::new();
        loop {
            let after = known.last().map_or(0, |f| f.id);
            let page = self.store.files_of_root(root, after, BATCH).await?;
            let full = page.len() == BATCH;
            known.extend(page);
            if !full {
                return Ok(known);
            }
        }
    }

    /// Blocks: walks and compares.
    fn look(&self, root: &Root, known: Vec<ItemFile>) -> Looked {
        let network = is_network(&root.path);
        // Events of a network file system tell of our own changes only.
        let watcher = self.watcher.as_deref().filter(|_| !network);
        let mut seen = Seen::new(root, known, watcher);
        let mut report = ScanReport::default();
        let looked = access::explain(&root.path).and_then(|()| {
            let file_system = file_system_id(&root.path)?;
            let walked = walk(&root.path, root.kind, self.limits, &self.control, &mut seen)?;
            Ok((file_system, walked))
        });
        let (file_system, walked) = match looked {
            Ok(looked) => looked,
            Err(e) => {
                let verdict = Err(match e.kind() {
                    ErrorKind::Busy => Failure::Stopped(e),
                    _ => Failure::Unreachable(format!("{e:#}")),
                });
                return Looked { report, verdict };
            }
        };
        (report.files, report.folders) = (walked.files, walked.folders);
        report.skipped.clone_from(&walked.skipped);
        report.trouble.clone_from(&walked.trouble);
        report.trouble_count = walked.trouble_count;
        let place = Place {
            file_system,
            device: walked.device,
            network: network || walked.mount_points.iter().any(|p| is_network(p)),
        };
        let verdict = seen
            .judge(place, &walked, &self.control, self.accept_loss)
            .map_err(Failure::Unreachable);
        Looked { report, verdict }
    }

    async fn write(
        &self,
        root: &Root,
        good: Good,
        report: &mut ScanReport,
        now: UtcMs,
    ) -> Result<()> {
        report.moved = self.store.move_items(root.id, good.moved).await? as u64;
        report.returned = good.found_again.len() as u64;
        let shows = Arc::new(good.shows);
        let mut fresh = good.fresh.into_iter();
        loop {
            let batch: Vec<Fresh> = fresh.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            for file in &batch {
                match file.why {
                    Why::New => report.new += 1,
                    Why::Changed => report.changed += 1,
                    Why::Titles => {}
                }
                report.returned += u64::from(file.was_missing);
            }
            let (root_of, shows) = (root.clone(), shows.clone());
            let items =
                blocking::run("library-names", move || identify(&root_of, &batch, &shows)).await?;
            self.store.upsert_items(root.id, items, now).await?;
        }
        // Present first: nothing is marked missing below a root that is not.
        self.store
            .root_scanned(root.id, Some(good.file_system), report.files, now)
            .await?;
        self.store.mark_found(root.id, good.found_again).await?;
        report.missing = self.store.mark_missing(root.id, good.gone, now).await? as u64;
        Ok(())
    }
}

/// Where a reachable root lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) device: u64,
    /// Changes made by other machines cannot be seen at once.
    pub(super) network: bool,
}

struct Looked {
    report: ScanReport,
    verdict: Result<Good, Failure>,
}

enum Failure {
    /// Why, and how to mend it, for people.
    Unreachable(String),
    /// The scan was told to stop: it says nothing about the root.
    Stopped(Error),
}

/// Blocks: reads names and NFO files of a batch.
fn identify(root: &Root, batch: &[Fresh], shows: &HashSet<PathBuf>) -> Vec<ScannedItem> {
    let mut read_shows: HashMap<&Path, Option<Nfo>> = HashMap::new();
    let mut items = Vec::with_capacity(batch.len());
    for fresh in batch {
        let path = &fresh.file.path;
        let mut named = names::identify(&root.path, root.kind, path);
        // The nearest show above the file; a damaged or unreadable NFO leaves what the names say.
        let show = path.ancestors().skip(1).find(|p| shows.contains(*p));
        if let Some(folder) = show {
            if read_shows.len() >= REMEMBERED_SHOWS {
                read_shows.clear();
            }
            let nfo = read_shows
                .entry(folder)
                .or_insert_with(|| nfo::read(&folder.join("tvshow.nfo")).ok().flatten());
            if let Some(nfo) = nfo.as_ref().filter(|n| n.kind == NfoKind::Show) {
                nfo.correct(&mut named);
            }
        }
        if let Some(nfo) = fresh
            .nfo
            .as_deref()
            .and_then(|p| nfo::read(p).ok().flatten())
        {
            nfo.correct(&mut named);
        }
        items.push(ScannedItem {
            path: path.clone(),
            size_bytes: fresh.file.size_bytes,
            mtime_ns: fresh.file.mtime_ns,
            kind: named.kind,
            metadata: named.metadata,
            facets: named.facets,
        });
    }
    items
}
