//! Small things that go on beside the main job: the watchdog, the network's changes, what the library's
//! state means for the status page, the time we last saw.

use std::time::Duration;

use super::{LAST_SEEN, Tasks};
use crate::clock::UtcMs;
use crate::error::{ErrorKind, Result};
use crate::ffmpeg::Ffmpeg;
use crate::http::{Network, Shared};
use crate::metrics::Severity;
use crate::store::{RootState, Store};
use crate::system::{interfaces, memory, watchdog};

/// How often loops stamp, and how old a stamp may get before the watchdog is not fed any more.
const TURN: Duration = Duration::from_secs(5);
const TURN_LIMIT: Duration = Duration::from_secs(20);
/// A write that hangs longer than this hangs for good.
const STORE_LIMIT: Duration = Duration::from_secs(20);
const LOOK_AT_NETWORK: Duration = Duration::from_secs(30);
/// Changes of the library are taken up together after this time.
const SETTLE: Duration = Duration::from_secs(2);
/// By then a scan has gone on to its next step or is over, and channels are planned.
const PLANNED: Duration = Duration::from_secs(5);
/// Channels are planned anew when the library has been quiet for so long, so that a folder that is being copied
/// does not do it over and over; and at the latest after so long.
const QUIET: Duration = Duration::from_secs(20);
const LONGEST_UNREST: Duration = Duration::from_secs(600);
const LOOK_AT_DISK: Duration = Duration::from_secs(15);
/// The fact of the database that is written to see whether anything can be.
const LOOKED_AT_DISK: &str = "disk.looked_at_ms";
const LOOK_FOR_FFMPEG: Duration = Duration::from_secs(15);
const NOTE_TIME: Duration = Duration::from_secs(3600);

/// Starts all of it.
pub(super) fn spawn(app: &Shared, tasks: &mut Tasks) {
    if let Some(interval) = watchdog::requested_interval() {
        tasks.spawn(
            "the watchdog",
            watchdog::run(app.clock.clone(), app.liveness.clone(), interval),
        );
        tasks.spawn("the signs of life", stamp(app.clone()));
    }
    tasks.spawn("looking at the network", network(app.clone()));
    tasks.spawn("following the library", library(app.clone()));
    tasks.spawn("tidying memory", tidy(app.clone()));
    tasks.spawn("following the disk", disk(app.clone()));
    tasks.spawn("looking for ffmpeg", ffmpeg(app.clone()));
    tasks.spawn("noting the time", time(app.clone()));
}

/// The runtime turns when this does; the store when none of its threads is silent for long.
async fn stamp(app: Shared) {
    let runtime = app.liveness.pulse("the runtime", TURN_LIMIT);
    let store = app.liveness.pulse("the database", TURN_LIMIT);
    loop {
        runtime.beat();
        if app.store.silent_for() < STORE_LIMIT {
            store.beat();
        }
        app.clock.sleep(TURN).await;
    }
}

async fn network(app: Shared) {
    loop {
        app.clock.sleep(LOOK_AT_NETWORK).await;
        match interfaces::interfaces() {
            Ok(now) => app.set_network(Network::new(&app.config, &now)),
            Err(e) => log::debug!("{e:#}"),
        }
    }
}

/// New items get planned, and what is wrong with folders is said.
async fn library(app: Shared) {
    let mut changes = app.library.changes();
    let mut said: Vec<String> = Vec::new();
    // When channels are planned anew, and when at the latest.
    let mut replan: Option<(Duration, Duration)> = None;
    loop {
        if let Err(e) = folders(&app, &mut said).await {
            log::warn!(ERROR_KIND = e.kind().name(); "looking at the library folders: {e:#}");
        }
        let quiet = async {
            match replan {
                Some((at, latest)) => {
                    let wait = at.min(latest).saturating_sub(app.clock.monotonic());
                    app.clock.sleep(wait).await;
                    app.playout.clock_is_sane().await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                app.clock.sleep(SETTLE).await;
                changes.mark_unchanged();
                // Channels that have nothing to play do not wait.
                app.playout.wake();
                let now = app.clock.monotonic();
                let latest = replan.map_or(now + LONGEST_UNREST, |(_, latest)| latest);
                replan = Some((now + QUIET, latest));
            }
            () = quiet => {
                replan = None;
                app.playout.follow_items().await;
            }
        }
    }
}

/// Gives memory back when a scan and the planning behind it are over, at the start too.
async fn tidy(app: Shared) {
    let mut changes = app.library.changes();
    loop {
        app.clock.sleep(PLANNED).await;
        memory::give_back();
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// A finding per folder that is away, and one per folder with files that cannot be played; `said` are those
/// that stand so far.
async fn folders(app: &Shared, said: &mut Vec<String>) -> Result<()> {
    let mut now = Vec::new();
    let mut say = |key: String, severity, message: String| {
        app.findings.set(&key, severity, message);
        now.push(key);
    };
    for root in app.store.roots().await? {
        let shown = root.path.display();
        if let RootState::Unreachable { reason, .. } = &root.state {
            let message = format!("the library folder {shown} is away: {reason}");
            say(format!("library.{}", root.id), Severity::Warning, message);
        }
        let counts = app.store.item_counts(Some(root.id)).await?;
        if counts.broken > 0 {
            let message = format!(
                "{} of {} files in {shown} cannot be played: \"exstreamd library unplayable\" lists them with the reasons",
                counts.broken, counts.items
            );
            let key = format!("library.{}.unplayable", root.id);
            say(key, Severity::Notice, message);
        }
    }
    for key in said.iter().filter(|key| !now.contains(key)) {
        app.findings.clear(key);
    }
    *said = now;
    Ok(())
}

/// What keeps the database's disk from taking what is written is a finding until a write goes well.
async fn disk(app: Shared) {
    let mut trouble = app.store.trouble();
    loop {
        let now = *trouble.borrow_and_update();
        let Some(kind) = now else {
            app.findings.clear("disk");
            if trouble.changed().await.is_err() {
                return;
            }
            continue;
        };
        let data = app.data.display();
        let mend = match kind {
            ErrorKind::Full => "its disk is full: make room there",
            ErrorKind::Permission => {
                "it cannot be written: look whether its file system has become read-only (findmnt), and at its owner and mode"
            }
            ErrorKind::Data => {
                "the database is damaged: stop exstreamd and put a backup of exstreamd.db in its place"
            }
            _ => "its disk reports errors: look at \"dmesg\"",
        };
        let message = format!(
            "nothing can be written to {data}: {mend}. Channels go on with what is planned"
        );
        app.findings.set("disk", Severity::Critical, message);
        tokio::select! {
            changed = trouble.changed() => if changed.is_err() { return },
            () = app.clock.sleep(LOOK_AT_DISK) => {
                // Whether it goes well shows in `trouble`.
                let now = app.clock.utc().0.to_string();
                let _ = app.store.set_meta(LOOKED_AT_DISK, Some(&now)).await;
            }
        }
    }
}

/// An ffmpeg that is installed while we run is used from then on.
async fn ffmpeg(app: Shared) {
    if app.ffmpeg().is_some() {
        return;
    }
    let mut tried = None;
    loop {
        app.clock.sleep(LOOK_FOR_FFMPEG).await;
        // Looking costs nothing; trying starts programs.
        let config = app.config.clone();
        let there = tokio::task::spawn_blocking(move || Ffmpeg::traces(&config.ffmpeg)).await;
        let Ok(there) = there else { continue };
        if tried.as_ref() == Some(&there) {
            continue;
        }
        match Ffmpeg::find(&app.config.ffmpeg, &app.spawner).await {
            Ok(ffmpeg) => {
                log::info!("found {}", ffmpeg.program().display());
                if let Err(e) = app.take_ffmpeg(ffmpeg).await {
                    log::warn!(ERROR_KIND = e.kind().name(); "taking up ffmpeg: {e:#}");
                }
                return;
            }
            Err(e) => app.no_ffmpeg(&e),
        }
        tried = Some(there);
    }
}

async fn time(app: Shared) {
    loop {
        app.clock.sleep(NOTE_TIME).await;
        note_time(&app).await;
    }
}

/// Remembers how late it is, so that a clock that is behind is recognised at the next start.
pub(super) async fn note_time(app: &Shared) {
    if app.ready().is_err() {
        return;
    }
    let now = app.clock.utc().0.to_string();
    if let Err(e) = app.store.set_meta(LAST_SEEN, Some(&now)).await {
        log::warn!(ERROR_KIND = e.kind().name(); "noting the time: {e:#}");
    }
}

/// How late it was when that was last noted.
pub(super) async fn last_seen(store: &Store) -> Result<UtcMs> {
    let noted = store.meta(LAST_SEEN).await?;
    Ok(UtcMs(
        noted.and_then(|text| text.parse().ok()).unwrap_or_default(),
    ))
}
