//! What the daemon answers: tuner, streams, guide, status page, API, over the network and over the
//! control socket.
//!
//! Holds no logic of its own: a handler asks the module that knows and writes down what it says. One
//! table of routes ([`ROUTES`]); the network may look, only the control socket may change.

mod api;
mod body;
mod control;
mod guide;
mod health;
mod page;
pub mod pattern;
mod router;
mod routes;
mod server;
mod shares;
mod stream;
mod tuner;
mod viewers;

pub use control::{bind as bind_control, mend_for_refusal};
pub use router::{Place, Route, Via, answer};
pub use routes::ROUTES;
pub use server::{Listener, Server};
pub use shares::Shares;
pub use viewers::{Viewer, Viewers};

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::channel::{Stations, Transcoder};
use crate::clock::{SharedClock, UtcMs};
use crate::config::{self, Config, Zone};
use crate::error::{Error, ErrorKind, Result};
use crate::ffmpeg::Ffmpeg;
use crate::library::{Ffprobe, Library};
use crate::metrics::{Findings, Registry, Severity};
use crate::playout::Playout;
use crate::store::{Store, Today};
use crate::system::cidr::Cidr;
use crate::system::interfaces::{Interface, is_link_local};
use crate::system::origin::{self, OriginConfig};
use crate::system::spawner::Spawner;
use crate::system::watchdog::Liveness;
use crate::tuner::Device;

/// The finding that says that the time zone of this box is not the one that schedules are written in.
pub const SCHEDULE_ZONE: &str = "schedule.zone";

/// Everything that handlers ask. One per daemon.
pub struct App {
    /// Time.
    pub clock: SharedClock,
    /// The configuration.
    pub config: Config,
    /// The time zone of pages and schedules.
    pub zone: Zone,
    /// What is wrong right now.
    pub findings: Findings,
    /// What is counted.
    pub registry: Registry,
    /// The loops that must turn.
    pub liveness: Liveness,
    /// How many viewers at once.
    pub max_viewers: usize,
    /// Who watches.
    pub viewers: Viewers,
    /// How much of each channel is copied.
    pub shares: Shares,
    /// Who we are to tuner clients.
    pub device: Arc<Device>,
    /// The database.
    pub store: Store,
    /// The timelines.
    pub playout: Playout,
    /// The media.
    pub library: Library,
    /// The channels on air.
    pub stations: Stations,
    /// Where children start.
    pub spawner: Spawner,
    /// ffmpeg, when there is one: see [`App::take_ffmpeg`].
    pub ffmpeg: OnceLock<Arc<Ffmpeg>>,
    /// The data directory, for people.
    pub data: PathBuf,
    /// Why nothing can be planned yet (the clock is not sane); `None` when all is ready.
    pub not_ready: RwLock<Option<String>>,
    /// The main port as it was really opened.
    pub port: AtomicU16,
    /// How often a channel scan is still seen to run.
    pub scan_polls: AtomicU8,
    /// When the daemon started.
    pub started: UtcMs,
    /// The network as it is now.
    pub network: RwLock<Network>,
}

/// A handle on the one [`App`].
pub type Shared = Arc<App>;

/// What the box is attached to.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Who is of this house, and what the user said about addresses.
    pub origin: Arc<OriginConfig>,
    /// Addresses of this box that face the LAN.
    pub addresses: Vec<IpAddr>,
}

impl Network {
    /// The network by `config` and the interfaces that are up.
    pub fn new(config: &Config, interfaces: &[Interface]) -> Self {
        let mut local_networks = ranges(&config.allow);
        let facing = interfaces.iter().filter(|interface| interface.faces_lan());
        // A prefix of no bits (a point-to-point link) would make the whole world local.
        let on_link = interfaces
            .iter()
            .filter_map(|interface| interface.on_link().ok());
        local_networks.extend(on_link.filter(|range| range.prefix() > 0));
        // IPv4 first: that is what every TV can type. Link-local IPv6 means nothing without an interface.
        let mut addresses: Vec<IpAddr> = facing.map(|interface| interface.address).collect();
        addresses.retain(|ip| !matches!(ip, IpAddr::V6(ip) if is_link_local(*ip)));
        addresses.sort_by_key(IpAddr::is_ipv6);
        Self {
            origin: Arc::new(OriginConfig {
                advertise: config.advertise.clone(),
                trusted_proxies: ranges(&config.trusted_proxies),
                local_networks,
            }),
            addresses,
        }
    }
}

fn ranges(configured: &[config::Cidr]) -> Vec<Cidr> {
    configured
        .iter()
        .filter_map(|range| Cidr::new(range.address, range.prefix_bits).ok())
        .collect()
}

impl App {
    /// What searches take as today.
    pub(crate) fn today(&self) -> Today {
        Today {
            now: self.clock.utc(),
            zone: self.zone.zone.clone(),
        }
    }

    /// `Unavailable` with the reason while nothing can be planned.
    pub(crate) fn ready(&self) -> Result<()> {
        match &*self
            .not_ready
            .read()
            .unwrap_or_else(PoisonError::into_inner)
        {
            None => Ok(()),
            Some(reason) => Err(Error::new(ErrorKind::Unavailable, reason.clone())),
        }
    }

    /// Notes why nothing can be planned yet, or that it can; says whether that is news.
    pub fn set_not_ready(&self, why: Option<String>) -> bool {
        let mut now = self
            .not_ready
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let news = *now != why;
        *now = why;
        news
    }

    /// ffmpeg, when there is one.
    pub(crate) fn ffmpeg(&self) -> Option<&Arc<Ffmpeg>> {
        self.ffmpeg.get()
    }

    /// Uses this ffmpeg from now on: for channels on air, and for what waits in the library.
    pub async fn take_ffmpeg(&self, ffmpeg: Ffmpeg) -> Result<()> {
        let ffmpeg = Arc::new(ffmpeg);
        // Once found it stays: the first wins.
        let _ = self.ffmpeg.set(ffmpeg.clone());
        self.findings.clear("ffmpeg");
        self.stations.set_transcoder(Transcoder {
            ffmpeg: ffmpeg.clone(),
            spawner: self.spawner.clone(),
        });
        let probe: Ffprobe = Arc::new(move |path| {
            let ffmpeg = ffmpeg.clone();
            Box::pin(async move { ffmpeg.probe(&path).await })
        });
        self.library.set_ffprobe(Some(probe)).await
    }

    /// Says what is missing without ffmpeg.
    pub fn no_ffmpeg(&self, why: &Error) {
        let message = format!(
            "{why}: without ffmpeg only items that fit their channel as they are can be played; it is used as soon as it is there"
        );
        self.findings.set("ffmpeg", Severity::Warning, message);
    }

    /// The main port.
    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    fn network(&self) -> Network {
        self.network
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts up what the box is attached to now.
    pub fn set_network(&self, network: Network) {
        *self.network.write().unwrap_or_else(PoisonError::into_inner) = network;
    }

    /// Ranges that the user counts as local.
    pub(crate) fn allowed(&self) -> Vec<Cidr> {
        ranges(&self.config.allow)
    }

    pub(crate) fn origin(&self) -> Arc<OriginConfig> {
        self.network().origin
    }

    /// The address to tell somebody at the box itself, who has not come over the network.
    pub(crate) fn house_address(&self) -> String {
        self.addresses()
            .into_iter()
            .next()
            .unwrap_or_else(|| format!("http://localhost:{}", self.port()))
    }

    /// All addresses under which the house reaches us, the best first.
    pub(crate) fn addresses(&self) -> Vec<String> {
        if let Some(advertised) = &self.config.advertise {
            return vec![advertised.clone()];
        }
        let at = |ip| origin::at_address((ip, self.port()).into());
        self.network().addresses.into_iter().map(at).collect()
    }
}
