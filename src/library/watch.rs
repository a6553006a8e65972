//! Seeing changes of folders at once, where the kernel can (inotify(7)), within a bounded number of watches;
//! and seeing that something was mounted or unmounted (proc_pid_mountinfo(5)).
//!
//! An event only says that a root changed; what changed is found by a scan. Events about files that a scan
//! would skip anyway (thumbnails, downloads in progress) are dropped here. One thread waits for the kernel.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::sync::Notify;

use super::skip;
use crate::error::{Error, Result};
use crate::store::{Id, RootKind};

/// Most watches, over all roots: each costs about 1 KiB of kernel memory.
const MAX_WATCHES: usize = 8_192;

/// What a root's `watching` says when every folder of it is watched.
pub const AT_ONCE: &str = "changes are seen at once";

/// What the kernel says about every change that can matter, and nothing about reading.
fn events() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_MOVE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR
}

/// What happened since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Roots with a change below them.
    pub roots: HashSet<Id>,
    /// Whether a file system was mounted or unmounted, anywhere.
    pub mounts: bool,
}

/// Watches folders of any number of roots through one inotify instance. Its thread ends when it is dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    stop: Arc<EventFd>,
    max: usize,
}

#[derive(Debug)]
struct Shared {
    inotify: Inotify,
    watches: Mutex<Watches>,
    changes: Mutex<Changes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Watches {
    /// Which root a watch belongs to.
    roots: HashMap<WatchDescriptor, Id>,
    /// Roots with a folder that could not be watched, and why, for people.
    incomplete: HashMap<Id, String>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Cannot fail: the counter is far from full.
        let _ = self.stop.write(1);
    }
}

impl Watcher {
    /// A watcher without watches.
    pub fn new() -> Result<Self> {
        Self::with_limit(MAX_WATCHES)
    }

    fn with_limit(max: usize) -> Result<Self> {
        let failed = |e: std::io::Error| Error::io("starting to watch folders (inotify)", e);
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .map_err(|e| failed(e.into()))?;
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|e| failed(e.into()))?;
        let (stop, shared) = (
            Arc::new(stop),
            Arc::new(Shared {
                inotify,
                watches: Mutex::default(),
                changes: Mutex::default(),
                changed: Notify::new(),
            }),
        );
        // Opened before anything is looked at: it tells of changes since.
        let mounts = File::open("/proc/self/mountinfo").ok();
        let (on_thread, ends) = (shared.clone(), stop.clone());
        std::thread::Builder::new()
            .name("library-watch".to_owned())
            .stack_size(256 << 10)
            .spawn(move || on_thread.wait_for_the_kernel(&ends, mounts.as_ref()))
            .map_err(failed)?;
        Ok(Self { shared, stop, max })
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        lock(&self.shared.watches)
    }

    /// Forgets what was said about `root` before it is walked anew.
    pub fn begin(&self, root: Id) {
        self.watches().incomplete.remove(&root);
    }

    /// Watches `folder` of `root`. To be called before it is listed, so that no change falls in between. Blocks as
    /// long as a hung disk does.
    pub fn add(&self, root: Id, folder: &Path) {
        {
            let mut watches = self.watches();
            if watches.incomplete.contains_key(&root) {
                return;
            }
            if watches.roots.len() >= self.max {
                let why = format!("watch limit reached ({} folders)", self.max);
                watches.incomplete.insert(root, why);
                return;
            }
        }
        // Without the lock: whoever waits for it must not wait for a disk.
        let added = self.shared.inotify.add_watch(folder, events());
        let mut watches = self.watches();
        match added {
            Ok(watch) => _ = watches.roots.insert(watch, root),
            Err(Errno::ENOSPC) => {
                let why =
                    "watch limit reached; raise it with `sysctl fs.inotify.max_user_watches=65536`";
                watches.incomplete.insert(root, why.to_owned());
            }
            // The walk says what is wrong with a folder that cannot be entered.
            Err(_) => {}
        }
    }

    /// Takes all watches of `root` away.
    pub fn remove(&self, root: Id) {
        let mut watches = self.watches();
        watches.incomplete.remove(&root);
        let gone: Vec<WatchDescriptor> = watches
            .roots
            .iter()
            .filter_map(|(watch, of)| (*of == root).then_some(*watch))
            .collect();
        for watch in gone {
            watches.roots.remove(&watch);
            // Fails for a folder that is gone, whose watch the kernel has removed itself.
            let _ = self.shared.inotify.rm_watch(watch);
        }
    }

    /// Why changes of `root` may go unseen; `None` when every folder of it is watched.
    pub fn incomplete(&self, root: Id) -> Option<String> {
        self.watches().incomplete.get(&root).cloned()
    }

    /// Waits for changes and returns them. Cancelling it loses nothing.
    pub async fn changed(&self) -> Changes {
        loop {
            let changes = std::mem::take(&mut *lock(&self.shared.changes));
            if changes != Changes::default() {
                return changes;
            }
            self.shared.changed.notified().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The thread: ends when `stop` can be read.
    fn wait_for_the_kernel(&self, stop: &EventFd, mounts: Option<&File>) {
        loop {
            let mut fds = vec![
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN),
            ];
            if let Some(mounts) = mounts {
                // A change of the table shows as POLLPRI and POLLERR, once.
                fds.push(PollFd::new(mounts.as_fd(), PollFlags::POLLPRI));
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(e) => {
                    log::warn!(
                        "changes of folders are no longer seen at once: waiting for them failed: {e}"
                    );
                    return;
                }
            }
            let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
            if ready.next() == Some(true) {
                return;
            }
            let mut changes = Changes::default();
            if ready.next() == Some(true) {
                changes.roots = self.read_events();
            }
            changes.mounts = ready.next() == Some(true);
            if changes != Changes::default() {
                let mut all = lock(&self.changes);
                all.roots.extend(changes.roots);
                all.mounts |= changes.mounts;
                drop(all);
                self.changed.notify_one();
            }
        }
    }

    fn read_events(&self) -> HashSet<Id> {
        // Only a wake-up without events fails here; the next one comes with them.
        let events = self.inotify.read_events().unwrap_or_default();
        self.concerned(&events)
    }

    fn concerned(&self, events: &[InotifyEvent]) -> HashSet<Id> {
        let mut watches = lock(&self.watches);
        let mut roots = HashSet::new();
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                // Events were lost: anything may have changed.
                roots.extend(watches.roots.values());
            }
            let Some(&root) = watches.roots.get(&event.wd) else {
                continue;
            };
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                watches.roots.remove(&event.wd);
            } else if matters(event) {
                roots.insert(root);
            }
        }
        roots
    }
}

fn matters(event: &InotifyEvent) -> bool {
    let Some(name) = &event.name else {
        // About the folder itself: moved, deleted, unmounted, its permissions changed.
        return true;
    };
    if event.mask.contains(AddWatchFlags::IN_ISDIR) {
        return skip::folder(name, RootKind::Other, 0).is_none();
    }
    is_watched_file(name)
}

/// Videos, NFO files and ignore files. Other files may be links to folders, but links are made seldom.
fn is_watched_file(name: &OsStr) -> bool {
    let lower = name.to_string_lossy().to_lowercase();
    skip::file(name, RootKind::Other).is_none()
        || lower.ends_with(".nfo")
        || skip::IGNORE_FILES.contains(&lower.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(dir: &Path, name: &str) {
        std::fs::write(dir.join(name), "x").unwrap();
    }

    #[tokio::test]
    async fn changes_that_a_scan_would_see_are_reported_with_their_root() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::new().unwrap();
        watcher.add(7, dir.path());
        // None of these matters, so the film is what ends the wait.
        make(dir.path(), "thumb.jpg");
        make(dir.path(), "film.mkv.part");
        std::fs::create_dir(dir.path().join("@eaDir")).unwrap();
        make(dir.path(), "film.mkv");
        assert_eq!(watcher.changed().await.roots, HashSet::from([7]));
    }

    #[test]
    fn only_names_that_can_matter_wake_us() {
        for (name, expected) in [
            ("film.mkv", true),
            ("film.nfo", true),
            (".nomedia", true),
            (".plexignore", true),
            ("film.srt", false),
            ("film.mkv.part", false),
            ("._film.mkv", false),
            ("film.jpg", false),
        ] {
            assert_eq!(is_watched_file(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn its_thread_ends_with_it() {
        let watcher = Watcher::new().unwrap();
        let shared = Arc::downgrade(&watcher.shared);
        drop(watcher);
        while shared.strong_count() > 0 {
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn a_deleted_and_a_removed_folder_give_their_watches_back() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("sub");
        std::fs::create_dir(&sub).unwrap();
        let watcher = Watcher::new().unwrap();
        watcher.add(1, dir.path());
        watcher.add(1, &sub);
        watcher.add(1, &sub);
        assert_eq!(watcher.watches().roots.len(), 2);
        std::fs::remove_dir(&sub).unwrap();
        while watcher.watches().roots.len() > 1 {
            assert_eq!(watcher.changed().await.roots, HashSet::from([1]));
        }
        watcher.remove(1);
        assert!(watcher.watches().roots.is_empty());
    }

    #[test]
    fn beyond_the_limit_a_root_says_that_it_is_not_watched_in_full() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let watcher = Watcher::with_limit(1).unwrap();
        watcher.add(1, a.path());
        watcher.add(2, b.path());
        assert_eq!(watcher.incomplete(1), None);
        assert_eq!(
            watcher.incomplete(2).unwrap(),
            "watch limit reached (1 folders)"
        );
        watcher.remove(1);
        watcher.begin(2);
        watcher.add(2, b.path());
        assert_eq!(watcher.incomplete(2), None);
    }
}
