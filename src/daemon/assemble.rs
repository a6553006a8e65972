//! Puts the parts together: the same for the daemon and for a command that works without one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU16};
use std::sync::{Arc, OnceLock, RwLock};

use tokio::sync::watch;

use crate::channel::timeline::StoredProgramming;
use crate::channel::{Services, Stations};
use crate::clock::SharedClock;
use crate::config::{Config, Dirs, Environment, Zone};
use crate::error::{Error, ErrorKind, Result};
use crate::ffmpeg::Ffmpeg;
use crate::http::{App, Network, SCHEDULE_ZONE, Shared, Shares, Viewers};
use crate::library::{Library, LibraryOptions};
use crate::metrics::{Findings, Registry, Severity};
use crate::playout::{Planning, Playout, written_in};
use crate::schedule::TimeOfDay;
use crate::store::Store;
use crate::system::identity::Identity;
use crate::system::reads::Reads;
use crate::system::spawner::Spawner;
use crate::system::watchdog::Liveness;
use crate::system::{interfaces, memory, origin};
use crate::tuner::Device;

/// The fact of the database that says who we are.
const IDENTITY: &str = "identity";
/// The most that rings may take together, whatever the box has.
const MOST_RING_BYTES: u64 = 1 << 30;

/// What is known before the database is opened.
#[derive(Clone)]
pub struct Setting {
    /// Time.
    pub clock: SharedClock,
    /// The configuration.
    pub config: Config,
    /// The directories.
    pub dirs: Dirs,
    /// The time zone.
    pub zone: Zone,
    /// The program that children are started through: our own.
    pub launcher: PathBuf,
}

impl Setting {
    /// Reads the configuration and chooses directories and time zone.
    pub fn new(
        clock: SharedClock,
        config: Option<&Path>,
        data: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self> {
        let config = Config::load(config, environment)?;
        if let Some(advertise) = &config.advertise {
            origin::parse_advertise(advertise)?;
        }
        Ok(Self {
            dirs: Dirs::choose(data, environment)?,
            zone: Zone::choose(&config, environment),
            launcher: Spawner::own_binary()?,
            config,
            clock,
        })
    }
}

/// Everything on top of an open database. Starts no task but the one thread that starts children.
pub async fn assemble(
    setting: &Setting,
    store: Store,
    clock_is_sane: watch::Receiver<bool>,
) -> Result<Shared> {
    let Setting {
        clock,
        config,
        dirs,
        zone,
        launcher,
    } = setting.clone();
    let findings = Findings::new(clock.clone());
    if let Some(finding) = &zone.finding {
        findings.set("time.zone", Severity::Notice, finding.clone());
    }
    let spawner = Spawner::start(launcher)?;
    let ffmpeg = Ffmpeg::find(&config.ffmpeg, &spawner).await;
    let identity = identity(&store).await?;
    let written_in = written_in(&store, &zone, clock.utc()).await?;
    if let Some(finding) = written_in.finding {
        findings.set(SCHEDULE_ZONE, Severity::Warning, finding);
    }
    let playout = Playout::with_clock_watch(
        store.clone(),
        clock.clone(),
        clock_is_sane,
        Planning {
            zone: written_in.zone,
            days: config.schedule_days,
            daily: TimeOfDay::from_ms(u32::from(config.schedule_hour) * 3_600_000)
                .unwrap_or(TimeOfDay::MIDNIGHT),
        },
    );
    let library = Library::new(
        store.clone(),
        clock.clone(),
        LibraryOptions::new(Arc::new(crate::media::probe::probe)),
    );
    let memory_bytes = memory::limit_bytes();
    let max_viewers = match config.clients {
        0 => clients_for(memory_bytes),
        clients => usize::try_from(clients).unwrap_or(usize::MAX),
    };
    let ring_bytes = match config.memory_bytes {
        0 => (memory_bytes / 4).min(MOST_RING_BYTES),
        bytes => bytes,
    };
    let programming = StoredProgramming::new(store.clone(), playout.clone());
    let mut services = Services::new(
        clock.clone(),
        Arc::new(programming),
        Reads::new(clock.clone()),
    );
    services.ring_budget_bytes = usize::try_from(ring_bytes).unwrap_or(usize::MAX);
    services.largest_listeners = max_viewers;
    let network = Network::new(&config, &interfaces::interfaces().unwrap_or_default());
    let app = App {
        liveness: Liveness::new(clock.clone()),
        registry: Registry::new(),
        viewers: Viewers::default(),
        shares: Shares::default(),
        device: Arc::new(Device {
            identity,
            friendly_name: config.name.clone(),
            tuner_count: config.tuners,
        }),
        stations: Stations::new(services),
        network: RwLock::new(network),
        not_ready: RwLock::default(),
        scan_polls: AtomicU8::new(0),
        port: AtomicU16::new(config.port),
        started: clock.utc(),
        data: dirs.data,
        max_viewers,
        clock,
        config,
        zone,
        findings,
        store,
        playout,
        library,
        spawner,
        ffmpeg: OnceLock::new(),
    };
    match ffmpeg {
        Ok(ffmpeg) => app.take_ffmpeg(ffmpeg).await?,
        Err(e) => app.no_ffmpeg(&e),
    }
    Ok(Arc::new(app))
}

/// How many viewers fit: an eighth of the memory at 256 KiB each (socket, HTTP and ring cursor), between 16
/// and 10,000.
fn clients_for(memory_bytes: u64) -> usize {
    usize::try_from(memory_bytes / 8 / (256 << 10))
        .unwrap_or(usize::MAX)
        .clamp(16, 10_000)
}

/// Who we are: made once and kept, because clients know us by it.
async fn identity(store: &Store) -> Result<Identity> {
    if let Some(text) = store.meta(IDENTITY).await? {
        return serde_json::from_str(&text).map_err(|e| {
            Error::with_source(ErrorKind::Data, "reading the identity in the database", e)
        });
    }
    let identity = Identity::generate()?;
    let text = serde_json::to_string(&identity)
        .map_err(|e| Error::with_source(ErrorKind::Internal, "writing the identity", e))?;
    store.set_meta(IDENTITY, Some(&text)).await?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_follow_the_memory() {
        for (memory, expected) in [
            (64 << 20, 32),
            (512 << 20, 256),
            (4 << 30, 2048),
            (1 << 40, 10_000),
            (0, 16),
        ] {
            assert_eq!(clients_for(memory), expected, "{memory}");
        }
    }
}
