//! The daemon: start order, stop order, and the tasks between.
//!
//! Configuration, journal, signals, database, sockets, READY, announcements; and back. A port that the
//! main job does not need is tried again while everything else runs. Stopping takes five seconds at most and
//! joins nothing that a dead disk could hold.

mod announce;
pub mod assemble;
mod clock_gate;
mod ports;
mod signals;
mod upkeep;

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use assemble::{Setting, assemble};

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Server, Shared};
use crate::metrics::Severity;
use crate::store::{OpenStore, Store};
use crate::system::{journal, memory, notify};
use clock_gate::LAST_SEEN;
use signals::Signals;

/// How long stopping may take in all.
const STOP: Duration = Duration::from_millis(4_500);
/// How often the service manager is told that opening the database goes on.
const STILL_OPENING: Duration = Duration::from_secs(10);

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// What kept it from starting; the kind gives the exit code.
pub fn serve(setting: Setting) -> Result<()> {
    journal::install(setting.config.log_level, setting.clock.clone());
    memory::raise_file_limit();
    // Everything that blocks or computes for long has threads of its own, and a thousand clients take a fifth of
    // a core: more workers would mostly wake each other.
    let threads = std::thread::available_parallelism()
        .map_or(1, |n| n.get() / 2)
        .clamp(1, 2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("exstreamd")
        .enable_all()
        .build()
        .map_err(|e| Error::io("starting the runtime", e))?;
    let done = runtime.block_on(run(setting));
    // Threads that hang on a dead mount are left to the kernel.
    runtime.shutdown_background();
    done
}

async fn run(setting: Setting) -> Result<()> {
    let mut signals = Signals::new()?;
    let store = tokio::select! {
        store = open(&setting) => store?,
        () = signals.next() => return Ok(()),
    };
    let (gate, clock_is_sane) = watch::channel(false);
    let app = assemble(&setting, store.clone(), clock_is_sane).await?;
    let last_seen = upkeep::last_seen(&store).await?;
    let (stop, stopped) = watch::channel(false);
    let server = Server::new(app.clone(), stopped.clone());
    let mut serving = ports::open(&app, &server, &setting, &stopped)?;
    let mut tasks = Tasks::new(app.clone());
    tasks.spawn(
        "the clock gate",
        clock_gate::run(app.clone(), last_seen, gate),
    );
    tasks.spawn("planning", {
        let playout = app.playout.clone();
        async move { playout.run().await }
    });
    tasks.spawn("the library", {
        let (library, findings) = (app.library.clone(), app.findings.clone());
        async move {
            if let Err(e) = library.run().await {
                findings.set(
                    "library",
                    Severity::Critical,
                    format!("the library stopped: {e:#}"),
                );
            }
        }
    });
    upkeep::spawn(&app, &mut tasks);
    let port = app.port();
    let channels = app.store.channels().await?.len();
    notify::ready(&format!("{channels} channels on port {port}"));
    log::info!(
        "exstreamd {} serves {channels} channels on port {port}",
        env!("CARGO_PKG_VERSION")
    );
    let mut announcing = announce::spawn(&app, &stopped);

    signals.next().await;
    notify::stopping("stopping");
    log::info!("stopping");
    let orderly = async {
        stop.send_replace(true);
        app.stations.stop();
        while announcing.join_next().await.is_some() {}
        while serving.join_next().await.is_some() {}
        tasks.end().await;
        upkeep::note_time(&app).await;
        store.close().await;
    };
    tokio::select! {
        () = orderly => log::info!("stopped"),
        () = app.clock.sleep(STOP) => log::warn!("stopping took too long and was cut short"),
        () = signals.next() => log::warn!("a second signal: ending at once"),
    }
    Ok(())
}

/// Opens the database away from the runtime, which goes on turning.
pub async fn open(setting: &Setting) -> Result<Store> {
    let (dir, clock) = (setting.dirs.data.clone(), setting.clock.clone());
    let opening = tokio::task::spawn_blocking(move || Store::open(&OpenStore::new(dir), &clock));
    let mut opening = std::pin::pin!(opening);
    loop {
        tokio::select! {
            opened = &mut opening => {
                let opened = opened.map_err(|e| Error::with_source(ErrorKind::Internal, "opening the database", e))?;
                return opened.map_err(|e| match e.kind() {
                    // Somebody else has it: as with a port.
                    ErrorKind::Conflict => Error::new(ErrorKind::Unavailable, format!("{e:#}")),
                    _ => e,
                });
            }
            () = setting.clock.sleep(STILL_OPENING) => notify::extend_timeout(STILL_OPENING * 3),
        }
    }
}

/// Tasks that should run as long as the daemon does.
struct Tasks {
    app: Shared,
    set: JoinSet<()>,
}

impl Tasks {
    fn new(app: Shared) -> Self {
        Self {
            app,
            set: JoinSet::new(),
        }
    }

    /// Starts a task. One that panics is a finding: its work is not done any more.
    fn spawn(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let app = self.app.clone();
        self.set.spawn(async move {
            // A set of its own: dropping it ends the work together with this task.
            let mut inner = JoinSet::new();
            inner.spawn(work);
            if let Some(Err(e)) = inner.join_next().await
                && e.is_panic()
            {
                let message = format!("{name} has failed and stands still: restart exstreamd, and please report the log");
                app.findings.set(&format!("task.{name}"), Severity::Critical, message);
            }
        });
    }

    async fn end(&mut self) {
        self.set.shutdown().await;
    }
}
