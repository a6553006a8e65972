//! Channels on air: one owner task per channel that somebody watches, none for the others.
//!
//! [`Stations::tune`] finds or starts the channel's task and gives out a [`Listener`], a place in the
//! channel's ring of bytes. A channel nobody listens to is no task, no process and no open file; where it
//! is comes from the clock when somebody tunes in again. The task owns everything of its channel, waits
//! for no client, and never blocks: see `station`.

pub mod feed;
pub mod pacer;
pub mod programming;
pub mod remux;
pub mod ring;
pub mod splice;
mod station;
pub mod timeline;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::clock::{SharedClock, UtcMs};
use crate::error::{Error, Result};
use crate::guard::StormGuard;
use crate::media::Ticks90k;
use crate::mux::{Muxer, NULL_PACKET};
use crate::store::Id;
use crate::system::memory;
use crate::system::reads::Reads;
use programming::{ChannelFacts, Play, Programming};
use ring::{Cursor, Read, Ring};
use splice::{SpliceCounts, Splicer};
use station::Station;

pub use feed::transcode::Transcoder;

/// The most that one ring may hold.
const LARGEST_RING_BYTES: usize = ring::LARGEST_BYTES;
/// More of the buffer for multiplexing is not kept.
const LARGEST_BUFFER_BYTES: usize = 256 << 10;
/// A client hears from us at least this often, whatever happens.
const KEEP_ALIVE: Duration = Duration::from_millis(150);
/// Times [`KEEP_ALIVE`] between the failure of a channel's own task and its restart.
const RESTART_PAUSES: u32 = 7;
/// How often a channel that waits for its viewers is told how far they have watched.
const NOTE_WATCHED: Duration = Duration::from_secs(60);
/// How long finding a channel may take.
const FIND: Duration = Duration::from_secs(4);

/// What every channel uses.
pub struct Services {
    /// Time.
    pub clock: SharedClock,
    /// What is on.
    pub programming: Arc<dyn Programming>,
    /// Where files are read.
    pub reads: Reads,
    /// ffmpeg, when there is one: see [`Stations::set_transcoder`].
    transcoder: OnceLock<Transcoder>,
    /// Bytes that all rings together may hold.
    pub ring_budget_bytes: usize,
    /// Listeners that all channels together may have.
    pub largest_listeners: usize,
    /// The time stamp of the moment at which a channel goes on air.
    pub origin: Ticks90k,
    stop: watch::Sender<bool>,
    on_air: AtomicUsize,
    listeners: AtomicUsize,
    buffer: Mutex<Vec<u8>>,
}

impl Services {
    /// Services with nothing on air.
    pub fn new(clock: SharedClock, programming: Arc<dyn Programming>, reads: Reads) -> Self {
        Self {
            clock,
            programming,
            reads,
            transcoder: OnceLock::new(),
            ring_budget_bytes: 256 << 20,
            largest_listeners: 1_000,
            origin: pacer::ORIGIN,
            stop: watch::Sender::new(false),
            on_air: 0.into(),
            listeners: 0.into(),
            buffer: Mutex::default(),
        }
    }

    /// An empty buffer to multiplex into: the channels take turns, and none keeps one of its own.
    fn take_buffer(&self) -> Vec<u8> {
        std::mem::take(&mut *self.buffer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives it back.
    fn give_buffer(&self, mut buffer: Vec<u8>) {
        buffer.shrink_to(LARGEST_BUFFER_BYTES);
        *self.buffer.lock().unwrap_or_else(PoisonError::into_inner) = buffer;
    }

    fn can_transcode(&self) -> bool {
        self.transcoder.get().is_some()
    }

    /// One channel's share of the budget.
    fn ring_bytes(&self) -> usize {
        (self.ring_budget_bytes / self.on_air.load(Relaxed).max(1)).min(LARGEST_RING_BYTES)
    }
}

/// Why an entry was not played as planned.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The item.
    pub item_id: Id,
    /// Its title.
    pub title: String,
    /// What went wrong, for people.
    pub reason: String,
}

/// A channel on air, for the status page and metrics.
#[derive(Clone, Debug)]
pub struct StationStatus {
    /// Which.
    pub channel: ChannelFacts,
    /// How many listen.
    pub listeners: usize,
    /// Media in hand ahead of the clock.
    pub lead: Ticks90k,
    /// What was left out and put in.
    pub counts: SpliceCounts,
    /// Packets sent faster than the fixed rate of the stream allows.
    pub packets_over_rate: u64,
    /// Memory that the ring takes, with its notes.
    pub ring_bytes: usize,
    /// Parts of the timeline that are laid out.
    pub open_parts: usize,
    /// The last item that failed.
    pub last_failure: Option<Failure>,
}

/// What a channel's task and its listeners share.
struct Shared {
    ring: Arc<Ring>,
    state: Mutex<SharedState>,
}

#[derive(Default)]
struct SharedState {
    listeners: usize,
    closed: bool,
    lead: Ticks90k,
    counts: SpliceCounts,
    packets_over_rate: u64,
    open_parts: usize,
    last_failure: Option<Failure>,
    /// When the last listener left.
    left_at: Option<UtcMs>,
}

impl Shared {
    fn new() -> Self {
        Self {
            ring: Arc::new(Ring::new()),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, SharedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a listener in, unless the channel is just going off the air.
    fn join(&self) -> bool {
        let mut state = self.lock();
        state.listeners += usize::from(!state.closed);
        !state.closed
    }

    fn leave(&self, now: UtcMs) {
        let mut state = self.lock();
        state.listeners = state.listeners.saturating_sub(1);
        state.left_at = Some(now);
    }

    /// Up to when somebody has watched.
    fn watched_to(&self, now: UtcMs) -> UtcMs {
        let state = self.lock();
        let left_at = state.left_at.filter(|_| state.listeners == 0);
        left_at.unwrap_or(now)
    }

    fn listeners(&self) -> usize {
        self.lock().listeners
    }

    /// A packet that says nothing, once there is anything that it could follow.
    fn keep_alive(&self, ring_bytes: usize, now: Duration) {
        if self.ring.has_begun() {
            let packet = Bytes::from_static(&NULL_PACKET);
            self.ring.keep_alive(packet, ring_bytes, now);
        }
    }

    fn close_if_lonely(&self) -> bool {
        let mut state = self.lock();
        state.closed |= state.listeners == 0;
        state.closed
    }

    fn close(&self) {
        self.lock().closed = true;
        self.ring.close();
    }

    fn set_state(&self, lead: Ticks90k, splicer: &Splicer, muxer: &Muxer) {
        let mut state = self.lock();
        (state.lead, state.counts) = (lead, splicer.counts());
        state.open_parts = splicer.open_parts();
        state.packets_over_rate = muxer.packets_over_rate();
    }

    fn note_failure(&self, play: &Play, error: &Error) {
        let (item_id, title) = (play.item_id, play.title.clone());
        self.lock().last_failure = Some(Failure {
            item_id,
            title,
            reason: format!("{error:#}"),
        });
    }
}

type OnAirMap = HashMap<Id, (ChannelFacts, Arc<Shared>)>;

/// All channels of the daemon. Cheap to clone.
#[derive(Clone)]
pub struct Stations {
    services: Arc<Services>,
    on_air: Arc<Mutex<OnAirMap>>,
}

impl Stations {
    /// No channel on air yet.
    pub fn new(services: Services) -> Self {
        Self {
            services: Arc::new(services),
            on_air: Arc::default(),
        }
    }

    /// There is an ffmpeg now. The first one stays.
    pub fn set_transcoder(&self, transcoder: Transcoder) {
        // Already set: nothing to do.
        let _ = self.services.transcoder.set(transcoder);
    }

    fn lock(&self) -> MutexGuard<'_, OnAirMap> {
        self.on_air.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to the channel with this number, putting it on air first if need be.
    pub async fn tune(&self, number: &str) -> Result<Listener> {
        let channel = tokio::select! {
            channel = self.services.programming.channel(number) => channel?,
            () = self.services.clock.sleep(FIND) => {
                crate::bail!(Timeout, "looking for channel {number} took over {} s", FIND.as_secs());
            }
        };
        if *self.services.stop.borrow() {
            crate::bail!(Unavailable, "the daemon is stopping");
        }
        let largest = self.services.largest_listeners;
        let place = |taken| (taken < largest).then_some(taken + 1);
        let listeners = &self.services.listeners;
        if listeners.fetch_update(Relaxed, Relaxed, place).is_err() {
            crate::bail!(Busy, "all {largest} places for listeners are taken");
        }
        let own_number = channel.number.clone();
        let shared = {
            let mut on_air = self.lock();
            match on_air.get(&channel.id) {
                // A changed format is for who tunes in from now on: it cannot change under those who watch.
                Some((facts, shared)) if facts.format == channel.format && shared.join() => {
                    shared.clone()
                }
                _ => {
                    let shared = Arc::new(Shared::new());
                    shared.join();
                    on_air.insert(channel.id, (channel.clone(), shared.clone()));
                    tokio::spawn(self.clone().supervise(channel, shared.clone()));
                    shared
                }
            }
        };
        let cursor = Cursor::new(
            shared.ring.clone(),
            self.services.clock.clone(),
            self.services.reads.clone(),
        );
        Ok(Listener {
            number: own_number,
            cursor,
            shared,
            services: self.services.clone(),
        })
    }

    /// Keeps one channel on air: a panic of its task is one more failure, not the end of the daemon.
    async fn supervise(self, channel: ChannelFacts, shared: Arc<Shared>) {
        self.services.on_air.fetch_add(1, Relaxed);
        let mut storm = StormGuard::new();
        let mut restarted = false;
        let tuned_in = self.services.programming.tuned_in(&channel).await;
        let waits = tuned_in.unwrap_or_else(|e| {
            complain(&channel, &e);
            false
        });
        loop {
            let mut station = Station::new(self.services.clone(), channel.clone(), shared.clone());
            if restarted {
                station.resume();
            }
            let Err(ended) = self.run(station, &channel, &shared, waits).await else {
                break;
            };
            restarted = true;
            log::error!(CHANNEL = channel.number.as_str(), ERROR_KIND = "internal"; "channel {} failed and is restarted: {ended}", channel.number);
            if storm.restart(self.services.clock.monotonic()).is_err() {
                log::error!(CHANNEL = channel.number.as_str(); "channel {} fails again and again and goes off the air; please report the log", channel.number);
                break;
            }
            for _ in 0..RESTART_PAUSES {
                let now = self.services.clock.monotonic();
                shared.keep_alive(self.services.ring_bytes(), now);
                self.services.clock.sleep(KEEP_ALIVE).await;
            }
        }
        let to = shared.watched_to(self.services.clock.utc());
        if let Err(e) = self.services.programming.left(&channel, to).await {
            complain(&channel, &e);
        }
        shared.close();
        self.services.on_air.fetch_sub(1, Relaxed);
        {
            let mut on_air = self.lock();
            if on_air
                .get(&channel.id)
                .is_some_and(|(_, current)| Arc::ptr_eq(current, &shared))
            {
                on_air.remove(&channel.id);
            }
        }
        drop(shared);
        memory::give_back();
    }

    /// Runs a channel's own task to its end, and notes from time to time how far it is watched.
    async fn run(
        &self,
        station: Station,
        channel: &ChannelFacts,
        shared: &Shared,
        waits: bool,
    ) -> std::result::Result<(), tokio::task::JoinError> {
        let mut running = tokio::spawn(station.run());
        loop {
            tokio::select! {
                ended = &mut running => return ended,
                () = self.services.clock.sleep(NOTE_WATCHED), if waits => {
                    let to = shared.watched_to(self.services.clock.utc());
                    if let Err(e) = self.services.programming.watched(channel, to).await {
                        complain(channel, &e);
                    }
                }
            }
        }
    }

    /// What is on air.
    pub fn status(&self) -> Vec<StationStatus> {
        let on_air: Vec<_> = self.lock().values().cloned().collect();
        let mut all: Vec<_> = on_air
            .into_iter()
            .map(|(channel, shared)| {
                let state = shared.lock();
                StationStatus {
                    channel,
                    listeners: state.listeners,
                    lead: state.lead,
                    counts: state.counts,
                    packets_over_rate: state.packets_over_rate,
                    ring_bytes: shared.ring.memory_bytes(),
                    open_parts: state.open_parts,
                    last_failure: state.last_failure.clone(),
                }
            })
            .collect();
        all.sort_by_key(|s| s.channel.id);
        all
    }

    /// Takes every channel off the air; listeners read what there is and end on a packet boundary.
    pub fn stop(&self) {
        self.services.stop.send_replace(true);
    }
}

fn complain(channel: &ChannelFacts, error: &Error) {
    log::warn!(
        CHANNEL = channel.number.as_str(), ERROR_KIND = error.kind().name();
        "noting how far channel {} is watched: {error:#}", channel.number
    );
}

/// A client's place in a channel. Dropping it leaves the channel.
pub struct Listener {
    number: String,
    cursor: Cursor,
    shared: Arc<Shared>,
    services: Arc<Services>,
}

impl Listener {
    /// The next whole packets; `None` when the channel goes off the air or the client is far too slow.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self.cursor.read().await {
            Read::Bytes(bytes) => Some(bytes),
            Read::TooSlow | Read::Ended => None,
        }
    }

    /// The channel's own spelling of its number: 5.1 for who tuned to 5.10.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// How often it fell behind and jumped.
    pub fn jumps(&self) -> u64 {
        self.cursor.jumps()
    }

    /// How many of the bytes it got the channel did not hold any more, so that they were made again from files.
    pub fn replayed_bytes(&self) -> u64 {
        self.cursor.replayed_bytes()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.leave(self.services.clock.utc());
        self.services.listeners.fetch_sub(1, Relaxed);
    }
}
