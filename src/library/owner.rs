//! The one task that decides when each root is scanned and when files are probed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch as latest};
use tokio::task::JoinSet;

use super::probing::{Ffprobe, ProbeReport, Prober};
use super::scan::{Scan, ScanReport};
use super::walk::Control;
use super::watch::{AT_ONCE, Changes, Watcher};
use super::{LibraryOptions, blocking};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Id, Root, Store};
use crate::system::mounts::file_system_id;

/// Changes that come together are scanned together.
const DEBOUNCE: Duration = Duration::from_secs(5);
/// A root that changes all the time is scanned for at most this part of the time.
const BUSY_PART: u32 = 10;
/// First and longest wait before an unreachable root, or a probe that failed for now, is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// Rows of files that have been missing for so long are removed.
const KEEP_MISSING_MS: i64 = 30 * 24 * 3600 * 1000;
/// How often that is looked after.
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What handles ask of the owner.
pub(super) enum Request {
    Added(Root),
    Removed(Id),
    Scan {
        root: Id,
        accept_loss: bool,
        reply: oneshot::Sender<Result<ScanReport>>,
    },
    Ffprobe(Option<Ffprobe>),
    Idle(oneshot::Sender<()>),
}

type Waiter = oneshot::Sender<Result<ScanReport>>;

/// A root as the owner sees it.
#[derive(Default)]
struct Watched {
    /// When it is scanned next, in monotonic time.
    due: Option<Duration>,
    /// The scan that is running.
    running: Option<Running>,
    /// Who waits for the scan after that.
    waiting: Vec<Waiter>,
    accept_loss: bool,
    /// Held by the thread of its last scan: alive when that hangs.
    thread: Weak<()>,
    /// The device that it lies on; known while it is reachable.
    device: Option<(PathBuf, u64)>,
    /// How long the last scan took.
    took: Duration,
    failures: u32,
}

/// A device whose files are probed.
#[derive(Default)]
struct Device {
    /// When, in monotonic time.
    due: Option<Duration>,
    running: Option<tokio::task::Id>,
    failures: u32,
}

struct Running {
    task: tokio::task::Id,
    waiters: Vec<Waiter>,
    control: Arc<Control>,
    began: Duration,
}

/// What a scan task leaves behind.
struct Scanned {
    root: Id,
    outcome: Result<Done>,
}

struct Done {
    report: ScanReport,
    /// The root went away, came back, or is away for another reason than before.
    news: bool,
    device: Option<(PathBuf, u64)>,
    watching: String,
}

pub(super) struct Owner {
    store: Store,
    clock: SharedClock,
    options: LibraryOptions,
    inbox: mpsc::Receiver<Request>,
    versions: latest::Sender<u64>,
    watcher: Option<Arc<Watcher>>,
    prober: Arc<Prober>,
    roots: HashMap<Id, Watched>,
    scans: JoinSet<Scanned>,
    /// Passes over the pending items, at most one for each device.
    probing: JoinSet<(u64, Result<ProbeReport>)>,
    devices: HashMap<u64, Device>,
    /// Roots whose file system is being looked at after a mount: the answer is whether it changed.
    checks: JoinSet<(Id, bool)>,
    pruned: Option<Duration>,
    idle: Vec<oneshot::Sender<()>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.prober.stop();
        for root in self.roots.values().filter_map(|r| r.running.as_ref()) {
            root.control.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Owner {
    pub(super) fn new(
        store: Store,
        clock: SharedClock,
        options: LibraryOptions,
        inbox: mpsc::Receiver<Request>,
        versions: latest::Sender<u64>,
    ) -> Self {
        let prober = Prober::new(
            store.clone(),
            clock.clone(),
            options.native.clone(),
            options.ffprobe.clone(),
        );
        Self {
            store,
            clock,
            options,
            inbox,
            versions,
            watcher: None,
            prober,
            roots: HashMap::new(),
            scans: JoinSet::new(),
            probing: JoinSet::new(),
            devices: HashMap::new(),
            checks: JoinSet::new(),
            pruned: None,
            idle: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) -> Result<()> {
        self.watcher = match Watcher::new() {
            Ok(watcher) => Some(Arc::new(watcher)),
            Err(e) => {
                log::warn!("{e:#}: folders are scanned at intervals only");
                None
            }
        };
        let now = self.clock.monotonic();
        for root in self.store.roots().await? {
            self.roots.entry(root.id).or_default().due = Some(now);
        }
        loop {
            self.start_what_is_due();
            self.answer_idle();
            let wait = self
                .next_due()
                .map(|due| due.saturating_sub(self.clock.monotonic()));
            let sleep = async {
                match wait {
                    Some(wait) => self.clock.sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            let watcher = self.watcher.clone();
            let changes = async {
                match watcher {
                    Some(watcher) => watcher.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                request = self.inbox.recv() => match request {
                    Some(request) => self.handle(request).await,
                    None => return Ok(()),
                },
                Some(done) = self.scans.join_next() => self.scanned(done).await,
                Some(done) = self.probing.join_next() => self.probed(done),
                Some(done) = self.checks.join_next() => {
                    if let Ok((root, true)) = done {
                        self.wake(root, Duration::ZERO);
                    }
                }
                changes = changes => self.changed(&changes).await,
                () = sleep => {}
            }
        }
    }

    fn next_due(&self) -> Option<Duration> {
        let scans = self
            .roots
            .values()
            .filter(|r| r.running.is_none())
            .filter_map(|r| r.due);
        let probes = self
            .devices
            .values()
            .filter(|d| d.running.is_none())
            .filter_map(|d| d.due);
        scans.chain(probes).min()
    }

    fn start_what_is_due(&mut self) {
        let now = self.clock.monotonic();
        let due: Vec<Id> = self
            .roots
            .iter()
            .filter(|(_, r)| r.running.is_none() && r.due.is_some_and(|due| due <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.start_scan(id, now);
        }
        for (&number, device) in &mut self.devices {
            if device.running.is_some() || device.due.is_none_or(|due| due > now) {
                continue;
            }
            device.due = None;
            let below = |r: &Watched| {
                r.device
                    .as_ref()
                    .filter(|(_, n)| *n == number)
                    .map(|(path, _)| path.clone())
            };
            let roots: Vec<PathBuf> = self.roots.values().filter_map(below).collect();
            let pass = self.prober.clone().pass(number, roots);
            let task = self.probing.spawn(async move { (number, pass.await) });
            device.running = Some(task.id());
        }
        self.devices
            .retain(|_, d| d.running.is_some() || d.due.is_some() || d.failures > 0);
    }

    /// Idle is: nothing is under way and nothing begins without a new reason.
    fn answer_idle(&mut self) {
        let busy = !self.scans.is_empty() || !self.probing.is_empty() || !self.checks.is_empty();
        if !busy {
            for waiter in self.idle.drain(..) {
                // Gone is fine.
                let _ = waiter.send(());
            }
        }
    }

    async fn handle(&mut self, request: Request) {
        match request {
            Request::Added(root) => self.wake(root.id, Duration::ZERO),
            Request::Removed(id) => {
                if let Some(running) = self.roots.remove(&id).and_then(|r| r.running) {
                    running.control.stop.store(true, Ordering::Relaxed);
                }
                if let Some(watcher) = &self.watcher {
                    watcher.remove(id);
                }
                self.bump();
            }
            Request::Scan {
                root,
                accept_loss,
                reply,
            } => {
                let watched = self.roots.entry(root).or_default();
                watched.waiting.push(reply);
                watched.accept_loss |= accept_loss;
                self.wake(root, Duration::ZERO);
            }
            Request::Ffprobe(ffprobe) => {
                let came = ffprobe.is_some();
                self.prober.set_ffprobe(ffprobe).await;
                if came {
                    let devices: Vec<u64> = self
                        .roots
                        .values()
                        .filter_map(|r| Some(r.device.as_ref()?.1))
                        .collect();
                    for device in devices {
                        self.probe_in(device, Duration::ZERO);
                    }
                }
            }
            Request::Idle(reply) => self.idle.push(reply),
        }
    }

    /// Makes a root due in `delay` at the latest.
    fn wake(&mut self, root: Id, delay: Duration) {
        let at = self.clock.monotonic() + delay;
        let root = self.roots.entry(root).or_default();
        root.due = Some(root.due.map_or(at, |due| due.min(at)));
    }

    fn probe_in(&mut self, device: u64, delay: Duration) {
        let at = self.clock.monotonic() + delay;
        let device = self.devices.entry(device).or_default();
        device.due = Some(device.due.map_or(at, |due| due.min(at)));
    }

    fn bump(&self) {
        self.versions.send_modify(|version| *version += 1);
    }

    async fn changed(&mut self, changes: &Changes) {
        for root in &changes.roots {
            if let Some(watched) = self.roots.get(root) {
                let delay = DEBOUNCE.max(watched.took * BUSY_PART);
                self.wake(*root, delay);
            }
        }
        if !changes.mounts {
            return;
        }
        match self.store.roots().await {
            Ok(roots) => {
                for root in roots {
                    let scanned = self.roots.get(&root.id);
                    if scanned.is_some_and(|r| r.running.is_some()) {
                        // It may have looked before the mount and say so after it.
                        self.wake(root.id, Duration::ZERO);
                    } else {
                        self.checks.spawn(check(root));
                    }
                }
            }
            Err(e) => log::warn!("after a mount: {e:#}"),
        }
    }

    fn start_scan(&mut self, id: Id, now: Duration) {
        let Some(root) = self.roots.get_mut(&id) else {
            return;
        };
        root.due = None;
        let control = Arc::new(Control::default());
        let thread = Arc::new(());
        let hangs = root.thread.upgrade().is_some();
        if !hangs {
            root.thread = Arc::downgrade(&thread);
        }
        let scan = Scan {
            store: self.store.clone(),
            clock: self.clock.clone(),
            watcher: self.watcher.clone(),
            limits: self.options.limits,
            control: control.clone(),
            thread,
            hangs,
            accept_loss: std::mem::take(&mut root.accept_loss),
        };
        let rescan_every = self.options.rescan_every;
        let task = self.scans.spawn(async move {
            Scanned {
                root: id,
                outcome: scan_and_watch(scan, id, rescan_every).await,
            }
        });
        root.running = Some(Running {
            task: task.id(),
            waiters: std::mem::take(&mut root.waiting),
            control,
            began: now,
        });
    }

    async fn scanned(&mut self, done: std::result::Result<Scanned, tokio::task::JoinError>) {
        let (id, outcome) = match done {
            Ok(Scanned { root, outcome }) => (root, outcome),
            Err(panic) => {
                let ran = |r: &Watched| r.running.as_ref().is_some_and(|r| r.task == panic.id());
                let Some(id) = self.roots.iter().find_map(|(id, r)| ran(r).then_some(*id)) else {
                    return;
                };
                (
                    id,
                    Err(Error::with_source(
                        ErrorKind::Internal,
                        "a scan ended by a panic",
                        panic,
                    )),
                )
            }
        };
        let now = self.clock.monotonic();
        let Some(root) = self.roots.get_mut(&id) else {
            // Removed while it was scanned.
            return;
        };
        let Some(running) = root.running.take() else {
            return;
        };
        root.took = now.saturating_sub(running.began);
        let (mut bump, mut probe) = (false, None);
        let result = match outcome {
            Ok(done) => {
                bump = done.report.is_change()
                    || done.news
                    || done.device.is_some() != root.device.is_some();
                if done.device.is_some() {
                    root.failures = 0;
                    if done.watching != AT_ONCE {
                        let at = now + self.options.rescan_every;
                        root.due = Some(root.due.map_or(at, |due| due.min(at)));
                    }
                } else {
                    retry(root, now);
                }
                root.device = done.device;
                probe = root.device.as_ref().map(|(_, device)| *device);
                Ok(done.report)
            }
            Err(e) => {
                log::warn!("a scan failed: {e:#}");
                retry(root, now);
                Err(e)
            }
        };
        if bump {
            self.bump();
        }
        if let Some(device) = probe {
            self.probe_in(device, Duration::ZERO);
        }
        answer(running.waiters, result);
        if let Err(e) = self.prune(now).await {
            log::warn!("{e:#}");
        }
    }

    async fn prune(&mut self, now: Duration) -> Result<()> {
        if self
            .pruned
            .is_some_and(|last| now.saturating_sub(last) < PRUNE_EVERY)
        {
            return Ok(());
        }
        self.pruned = Some(now);
        let before = self.clock.utc().plus(-KEEP_MISSING_MS);
        let (removed, _) = self.store.prune_missing(before).await?;
        if removed > 0 {
            log::info!("{removed} files that had been missing for 30 days left the library");
            self.bump();
        }
        Ok(())
    }

    fn probed(
        &mut self,
        done: std::result::Result<(u64, Result<ProbeReport>), tokio::task::JoinError>,
    ) {
        let (number, result) = match done {
            Ok(done) => done,
            Err(panic) => {
                let ran = |d: &Device| d.running == Some(panic.id());
                let Some(number) = self.devices.iter().find_map(|(n, d)| ran(d).then_some(*n))
                else {
                    return;
                };
                let e = Error::with_source(ErrorKind::Internal, "probing ended by a panic", panic);
                (number, Err(e))
            }
        };
        let report = result.unwrap_or_else(|e| {
            log::warn!("probing failed: {e:#}");
            ProbeReport {
                postponed: 1,
                ..ProbeReport::default()
            }
        });
        for trouble in &report.trouble {
            log::info!("not probed yet: {trouble}");
        }
        let device = self.devices.entry(number).or_default();
        device.running = None;
        if report.is_change() || report.postponed == 0 {
            device.failures = 0;
        }
        if report.postponed > 0 {
            let delay = backoff(device.failures);
            device.failures = device.failures.saturating_add(1);
            self.probe_in(number, delay);
        }
        if report.is_change() {
            self.bump();
        }
    }
}

fn retry(root: &mut Watched, now: Duration) {
    let at = now + backoff(root.failures);
    root.failures = root.failures.saturating_add(1);
    root.due = Some(root.due.map_or(at, |due| due.min(at)));
}

fn backoff(failures: u32) -> Duration {
    (RETRY.0 * 2_u32.saturating_pow(failures.min(10))).min(RETRY.1)
}

/// Gives every waiter the same answer; an error is retold, since it cannot be copied.
fn answer(waiters: Vec<Waiter>, result: Result<ScanReport>) {
    for waiter in waiters {
        let copy = match &result {
            Ok(report) => Ok(report.clone()),
            Err(e) => Err(Error::new(e.kind(), format!("{e:#}"))),
        };
        // Gone is fine.
        let _ = waiter.send(copy);
    }
}

/// Whether the file system under a root is another one than at its last good scan, or back again.
async fn check(root: Root) -> (Id, bool) {
    let id = root.id;
    let path = root.path.clone();
    let now = blocking::run("library-check", move || file_system_id(&path).ok()).await;
    let away = root.state != crate::store::RootState::Present;
    (id, away || now.is_ok_and(|now| now != root.file_system))
}

/// Scans a root and says how its changes will be seen from now on.
async fn scan_and_watch(scan: Scan, id: Id, rescan_every: Duration) -> Result<Done> {
    let store = scan.store.clone();
    let watcher = scan.watcher.clone();
    let root = store.root(id).await?;
    let now = scan.clock.utc();
    if let Some(watcher) = &watcher {
        watcher.begin(id);
    }
    let (report, found) = scan.run(&root, now).await?;
    let shown = root.path.display();
    let was_present = root.state == crate::store::RootState::Present;
    let news = store.root(id).await?.state != root.state;
    let Some(found) = found else {
        if let Some(reason) = report.unreachable.as_ref().filter(|_| was_present) {
            log::warn!("{shown} is not reachable: {reason}");
        }
        return Ok(Done {
            report,
            news,
            device: None,
            watching: String::new(),
        });
    };
    if !was_present {
        log::info!("{shown} is reachable again");
    }
    if report.is_change() {
        log::info!(
            "{shown}: {} files ({} new, {} changed, {} moved, {} back, {} missing)",
            report.files,
            report.new,
            report.changed,
            report.moved,
            report.returned,
            report.missing
        );
    }
    let hours = rescan_every.as_secs() / 3600;
    let why_not = match &watcher {
        _ if found.network => Some("network file system".to_owned()),
        Some(watcher) => watcher.incomplete(id),
        None => Some("inotify is not available".to_owned()),
    };
    let watching = match why_not {
        Some(why) => format!("rescan every {hours} h: {why}"),
        None => AT_ONCE.to_owned(),
    };
    if watching != root.watching {
        store.set_root_watching(id, &watching).await?;
    }
    Ok(Done {
        report,
        news,
        device: Some((root.path, found.device)),
        watching,
    })
}
