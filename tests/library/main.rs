//! The library on real folders: what is found, what is skipped, what bad input gets, and that nothing is
//! lost when a disk goes away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail like tests"
)]

#[path = "../common/mod.rs"]
mod common;
mod finding;
mod probing;
mod roots;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

use exstreamd::clock::{Clock, SharedClock, SimClock, UtcMs};
use exstreamd::error::{Error, ErrorKind};
use exstreamd::guide::ItemKind;
use exstreamd::library::{Library, LibraryOptions, NativeProbe, ScanReport};
use exstreamd::media::probe::{Container, Probe};
use exstreamd::media::{Source, Ticks90k};
use exstreamd::store::{Item, OpenStore, ProbeState, Root, RootKind, RootState, Store};
use tempfile::TempDir;

/// A library over a fresh database, with its owner task running.
struct Fixture {
    data: TempDir,
    clock: SimClock,
    store: Store,
    library: Library,
    task: tokio::task::JoinHandle<()>,
}

impl Fixture {
    fn new(native: NativeProbe) -> Self {
        let data = tempfile::tempdir().unwrap();
        // Later than any file: nothing counts as still being written.
        let clock = SimClock::new(UtcMs(4_000_000_000_000));
        let shared: SharedClock = Arc::new(clock.clone());
        let store = Store::open(&OpenStore::new(data.path()), &shared).unwrap();
        let (library, task) = start(&store, &clock, native);
        Self {
            data,
            clock,
            store,
            library,
            task,
        }
    }

    /// As after a restart of the daemon.
    async fn restart(&mut self, native: NativeProbe) {
        self.task.abort();
        let _ = (&mut self.task).await;
        (self.library, self.task) = start(&self.store, &self.clock, native);
    }

    async fn add(&self, path: &Path, kind: RootKind) -> Root {
        let root = self.library.add(path, kind).await.unwrap();
        self.library.idle().await.unwrap();
        root
    }

    async fn root(&self) -> Root {
        self.store.roots().await.unwrap().remove(0)
    }

    async fn items(&self) -> Vec<Item> {
        let root = self.root().await.id;
        self.store.items_of_root(root, 0, 1000).await.unwrap()
    }

    /// File names of the items with what the probe said: `known`, `pending`, `waiting`, or why it is broken.
    async fn probes(&self) -> BTreeMap<String, String> {
        let items = self.items().await.into_iter();
        items
            .map(|item| {
                let state = match item.probe {
                    ProbeState::Known(_) => "known".to_owned(),
                    ProbeState::Pending => "pending".to_owned(),
                    ProbeState::WaitingForFfmpeg => "waiting".to_owned(),
                    ProbeState::Broken { reason } => reason,
                };
                (name(&item.path), state)
            })
            .collect()
    }

    async fn scan(&self) -> ScanReport {
        let root = self.root().await.id;
        let report = self.library.scan(root).await.unwrap();
        self.library.idle().await.unwrap();
        report
    }

    /// Lets the time come that changes seen by the kernel wait for, until `condition` holds.
    async fn after_news(&self, mut condition: impl AsyncFnMut() -> bool) {
        until(async || {
            if self
                .clock
                .next_wake()
                .is_some_and(|wait| wait <= Duration::from_secs(5))
            {
                self.clock.advance(Duration::from_secs(5));
            }
            condition().await
        })
        .await;
        self.library.idle().await.unwrap();
    }
}

/// Looks again and again until `condition` holds; a test that waits in vain fails.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, looking)
        .await
        .expect("what the test waits for never happens");
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn start(
    store: &Store,
    clock: &SimClock,
    native: NativeProbe,
) -> (Library, tokio::task::JoinHandle<()>) {
    let library = Library::new(
        store.clone(),
        Arc::new(clock.clone()),
        LibraryOptions::new(native),
    );
    let owner = library.clone();
    let task = tokio::spawn(async move { owner.run().await.unwrap() });
    (library, task)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// A probe that understands everything.
fn any() -> NativeProbe {
    Arc::new(|_: Source| Ok(some_probe()))
}

fn some_probe() -> Probe {
    Probe {
        container: Container::Other,
        start: Ticks90k(0),
        end: Ticks90k(900_000),
        video: None,
        audio: vec![exstreamd::media::probe::AudioProbe {
            codec: None,
            name: "test".into(),
            rate_hz: 48_000,
            channels: 2,
            language: None,
        }],
        chapters: Vec::new(),
        not_native: None,
    }
}

fn real() -> NativeProbe {
    Arc::new(exstreamd::media::probe::probe)
}

/// Files with distinct contents below a new folder.
fn tree(files: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        put(dir.path(), file, file);
    }
    dir
}

fn put(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Everything below a folder with times and sizes: to show that nothing was touched.
fn picture(dir: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                folders.push(entry.path());
            }
            all.insert(entry.path(), (meta.len(), meta.modified().unwrap()));
        }
    }
    all
}

/// Runs the test `name` once more in a user and mount namespace of its own, where it may mount; `true` there.
fn in_namespace(name: &str) -> bool {
    const INSIDE: &str = "EXSTREAMD_TEST_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let possible = Command::new("unshare")
        .args(["-rm", "true"])
        .status()
        .is_ok_and(|s| s.success());
    if !possible {
        println!("not run: this machine lets us make no user and mount namespaces (unshare -rm)");
        return false;
    }
    let output = Command::new("unshare")
        .arg("-rm")
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{errors}"
    );
    false
}

fn run(program: &str, args: &[&OsStr]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn bind(from: &Path, to: &Path) {
    run(
        "mount",
        &["--bind".as_ref(), from.as_os_str(), to.as_os_str()],
    );
}

fn tmpfs(at: &Path) {
    run(
        "mount",
        &[
            "-t".as_ref(),
            "tmpfs".as_ref(),
            "none".as_ref(),
            at.as_os_str(),
        ],
    );
}

fn unmount(path: &Path) {
    run("umount", &[path.as_os_str()]);
}
