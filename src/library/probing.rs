//! Finding out what the files are: our own probe first, ffprobe for what it does not read.
//!
//! Each device has its own two threads at most, so a hung disk costs its own items and nothing else; ffprobe
//! runs at most four times at once over all. What fails for a reason that may pass (a disk, a permission, a
//! file still being written) stays pending and is tried again with the next pass.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, RwLock, Semaphore};
use tokio::task::JoinSet;

use super::blocking;
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::media::{FileSource, Probe, Source};
use crate::store::{ProbeState, Store, ToProbe};
use crate::system::access;

/// Threads that read one device.
const PER_DEVICE: usize = 2;
/// ffprobe processes at once.
const FFPROBES: usize = 4;
/// Items of one device under way, most of them waiting for ffprobe.
const UNDER_WAY: usize = 8;
/// Items read from the database at once.
const PAGE: usize = 200;
/// How long a result may wait to be written with others.
const UNWRITTEN: Duration = Duration::from_secs(2);
/// A native probe reads a few headers; a disk that takes longer to spin up is not known.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages of a pass that are kept.
const TROUBLE: usize = 20;
/// A file written to so recently may still be growing: what is wrong with it is not final.
const SETTLES_MS: i64 = 60_000;

/// Our own probe; `media::probe::probe`, or a stand-in of a test.
pub type NativeProbe = Arc<dyn Fn(Source) -> Result<Probe> + Send + Sync>;

/// What an [`Ffprobe`] call returns.
pub type ProbeFuture = Pin<Box<dyn Future<Output = Result<Probe>> + Send>>;

/// ffprobe, asked about the file at a path.
pub type Ffprobe = Arc<dyn Fn(PathBuf) -> ProbeFuture + Send + Sync>;

/// What a pass over the pending items did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProbeReport {
    /// Understood.
    pub known: u64,
    /// Cannot be played.
    pub broken: u64,
    /// Need ffmpeg, which is not there.
    pub waiting_for_ffmpeg: u64,
    /// Left for the next pass.
    pub postponed: u64,
    /// Why some were left; the first few, for people.
    pub trouble: Vec<String>,
}

impl ProbeReport {
    fn say(&mut self, trouble: Option<String>) {
        if self.trouble.len() < TROUBLE {
            self.trouble.extend(trouble);
        }
    }

    /// Whether anything was found out.
    pub fn is_change(&self) -> bool {
        self.known + self.broken > 0
    }
}

/// Probes items of the database.
pub(super) struct Prober {
    store: Store,
    clock: SharedClock,
    native: NativeProbe,
    ffprobe: RwLock<Option<Ffprobe>>,
    ffprobes: Semaphore,
    /// The threads of each device. A hung thread keeps its permit, so a hung device never has more than two.
    devices: Mutex<HashMap<u64, Arc<Semaphore>>>,
    stop: AtomicBool,
}

/// What one file turned out to be.
enum Outcome {
    Is(ProbeState),
    /// Nothing final; the reason is for people, `None` when it goes without saying.
    Later(Option<String>),
}

impl Prober {
    pub(super) fn new(
        store: Store,
        clock: SharedClock,
        native: NativeProbe,
        ffprobe: Option<Ffprobe>,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            native,
            ffprobe: RwLock::new(ffprobe),
            ffprobes: Semaphore::new(FFPROBES),
            devices: Mutex::default(),
            stop: AtomicBool::new(false),
        })
    }

    /// Says that ffmpeg has come or gone.
    pub(super) async fn set_ffprobe(&self, ffprobe: Option<Ffprobe>) {
        *self.ffprobe.write().await = ffprobe;
    }

    /// Begins nothing new any more.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Probes everything that is pending below `roots`, which lie on `device`. Must not run twice at once for one
    /// device.
    pub(super) async fn pass(
        self: Arc<Self>,
        device: u64,
        roots: Vec<PathBuf>,
    ) -> Result<ProbeReport> {
        let threads = {
            let mut devices = self.devices.lock().await;
            devices
                .entry(device)
                .or_insert_with(|| Arc::new(Semaphore::new(PER_DEVICE)))
                .clone()
        };
        let mut report = ProbeReport::default();
        let mut under_way: JoinSet<(ToProbe, Outcome)> = JoinSet::new();
        let mut unwritten = Vec::new();
        let mut written = self.clock.monotonic();
        let mut after = 0;
        'pages: loop {
            let with_ffprobe = self.ffprobe.read().await.is_some();
            let page = self.store.items_to_probe(after, PAGE, with_ffprobe).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for item in page {
                if !roots.iter().any(|root| item.path.starts_with(root)) {
                    continue;
                }
                if self.stop.load(Ordering::Relaxed) {
                    break 'pages;
                }
                while under_way.len() >= UNDER_WAY {
                    self.collect(under_way.join_next().await, &mut report, &mut unwritten)?;
                }
                let now = self.clock.monotonic();
                if unwritten.len() >= PAGE || now.saturating_sub(written) >= UNWRITTEN {
                    self.write(&mut unwritten).await?;
                    written = now;
                }
                let Some(thread) = self.thread(&threads).await else {
                    let shown = item.path.display();
                    report.postponed += 1;
                    report.say(Some(format!(
                        "the disk of {shown} does not answer: its files are probed later"
                    )));
                    break 'pages;
                };
                under_way.spawn(self.clone().item(item, thread));
            }
        }
        while let Some(done) = under_way.join_next().await {
            self.collect(Some(done), &mut report, &mut unwritten)?;
        }
        self.write(&mut unwritten).await?;
        Ok(report)
    }

    /// Counts what came out of a file and keeps what is final to be written with others.
    fn collect(
        &self,
        done: Option<std::result::Result<(ToProbe, Outcome), tokio::task::JoinError>>,
        report: &mut ProbeReport,
        unwritten: &mut Vec<(ToProbe, ProbeState)>,
    ) -> Result<()> {
        let Some(done) = done else { return Ok(()) };
        let (item, outcome) =
            done.map_err(|e| Error::with_source(ErrorKind::Internal, "probing a file", e))?;
        let state = match outcome {
            Outcome::Later(reason) => {
                report.postponed += 1;
                report.say(reason);
                return Ok(());
            }
            Outcome::Is(ProbeState::Broken { reason }) if self.may_be_growing(&item) => {
                let shown = item.path.display();
                report.postponed += 1;
                report.say(Some(format!("{shown}: {reason} (still being written?)")));
                return Ok(());
            }
            Outcome::Is(state) => state,
        };
        match &state {
            ProbeState::Known(_) => report.known += 1,
            ProbeState::Broken { .. } => report.broken += 1,
            ProbeState::WaitingForFfmpeg => report.waiting_for_ffmpeg += 1,
            ProbeState::Pending => {}
        }
        unwritten.push((item, state));
        Ok(())
    }

    /// Writes what was found out. All at once, so that the database puts it into few transactions.
    async fn write(&self, unwritten: &mut Vec<(ToProbe, ProbeState)>) -> Result<()> {
        let mut writes = JoinSet::new();
        for (item, state) in unwritten.drain(..) {
            let store = self.store.clone();
            // `false`: a scan has seen another file there since, which is pending again.
            writes.spawn(async move { store.set_probe(&item, state).await });
        }
        while let Some(written) = writes.join_next().await {
            written
                .map_err(|e| Error::with_source(ErrorKind::Internal, "writing a probe", e))??;
        }
        Ok(())
    }

    /// A thread of the device, unless all hang.
    async fn thread(&self, threads: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            permit = threads.clone().acquire_owned() => permit.ok(),
            () = self.clock.sleep(PATIENCE) => None,
        }
    }

    async fn item(
        self: Arc<Self>,
        item: ToProbe,
        thread: OwnedSemaphorePermit,
    ) -> (ToProbe, Outcome) {
        let outcome = match self.native(&item, thread).await {
            Ok(outcome) => outcome,
            Err(why) => self.ask_ffprobe(&item, &why).await,
        };
        (item, outcome)
    }

    fn may_be_growing(&self, item: &ToProbe) -> bool {
        let age_ms = self.clock.utc().0 - item.mtime_ns / 1_000_000;
        (0..SETTLES_MS).contains(&age_ms)
    }

    /// Our own probe on a thread; an error says why it is ffprobe's turn.
    async fn native(&self, item: &ToProbe, thread: OwnedSemaphorePermit) -> Result<Outcome> {
        let native = self.native.clone();
        let file = item.clone();
        let probing = blocking::run("library-probe", move || {
            let outcome = probe_file(&file, &native);
            // Held until the disk has answered, however long that takes.
            drop(thread);
            outcome
        });
        let probed = tokio::select! {
            biased;
            probed = probing => probed,
            () = self.clock.sleep(PATIENCE) => {
                let shown = item.path.display();
                return Ok(Outcome::Later(Some(format!("{shown}: its disk does not answer"))));
            }
        };
        match probed {
            Ok(outcome) => outcome,
            // A panic on some file must not meet that file again with every pass.
            Err(e) => Ok(broken(format!("{e:#}"))),
        }
    }

    async fn ask_ffprobe(&self, item: &ToProbe, why: &Error) -> Outcome {
        let Some(ffprobe) = self.ffprobe.read().await.clone() else {
            return Outcome::Is(ProbeState::WaitingForFfmpeg);
        };
        let Ok(_one_of_few) = self.ffprobes.acquire().await else {
            return Outcome::Later(None);
        };
        match ffprobe(item.path.clone()).await {
            Ok(probe) => judge(probe.refused(&item.path.to_string_lossy(), why)),
            Err(e) => match e.kind() {
                ErrorKind::Unavailable => Outcome::Is(ProbeState::WaitingForFfmpeg),
                ErrorKind::Damaged | ErrorKind::Unsupported | ErrorKind::Invalid => {
                    broken(format!("{e:#}"))
                }
                _ => Outcome::Later(Some(format!("{e:#}"))),
            },
        }
    }
}

/// Blocks: looks whether the file is still the one that the scan saw, and probes it. An error says why ffprobe is
/// to be asked.
fn probe_file(item: &ToProbe, native: &NativeProbe) -> Result<Outcome> {
    let meta = match std::fs::metadata(&item.path) {
        Ok(meta) => meta,
        Err(e) => {
            return Ok(not_now(
                &item.path,
                Error::io(format!("looking at {}", item.path.display()), e),
            ));
        }
    };
    let mtime_ns = meta
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(meta.mtime_nsec());
    if (meta.len(), mtime_ns) != (item.size_bytes, item.mtime_ns) {
        // The next scan sees it.
        return Ok(Outcome::Later(None));
    }
    if meta.len() == 0 {
        return Ok(broken("the file is empty".to_owned()));
    }
    let probed = FileSource::open(&item.path).and_then(|source| native(Arc::new(source)));
    match probed {
        Ok(probe) => Ok(judge(probe)),
        Err(e) => match e.kind() {
            ErrorKind::Unsupported => Err(e),
            ErrorKind::Permission | ErrorKind::Io | ErrorKind::NotFound | ErrorKind::Timeout => {
                Ok(not_now(&item.path, e))
            }
            _ => Ok(broken(format!("{e:#}"))),
        },
    }
}

fn not_now(path: &Path, e: Error) -> Outcome {
    match e.kind() {
        // Gone since the scan: the next one notices.
        ErrorKind::NotFound => Outcome::Later(None),
        ErrorKind::Permission => {
            let why = access::explain(path).err().unwrap_or(e);
            Outcome::Later(Some(format!("{why:#}")))
        }
        _ => Outcome::Later(Some(format!("{e:#}"))),
    }
}

/// A probe is only worth keeping when there is something to play.
fn judge(probe: Probe) -> Outcome {
    if probe.video.is_none() && probe.audio.is_empty() {
        return broken("there is neither picture nor sound in it".to_owned());
    }
    if probe.length().0 <= 0 {
        return broken("it has no playing time".to_owned());
    }
    Outcome::Is(ProbeState::Known(Box::new(probe)))
}

fn broken(reason: String) -> Outcome {
    Outcome::Is(ProbeState::Broken { reason })
}
