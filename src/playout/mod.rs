//! Keeps every channel's timeline built ahead, in the database: the one truth that guide and streams read.
//!
//! Builds from now on when a channel is new, extends in the background, rebuilds the future on request and clears
//! the past away. Assumes one `Playout` per database. Must never change what has begun or begins within the hour
//! (gaps excepted: they promise nothing), drive a stream, or plan anything by a clock that is not known to be sane.

mod extend;
mod library;
mod mirror;
mod on_demand;
mod preview;
#[cfg(test)]
mod tests;
mod view;
mod zone;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{Notify, watch};

use crate::clock::{SharedClock, UtcMs};
use crate::error::{Error, ErrorKind, Result};
use crate::schedule::{Program, TimeOfDay, Wall};
use crate::store::{Channel, Entry, Id, Store, Today};
use crate::system::memory;
use library::Shelf;

pub use preview::{Preview, PreviewEntry, one_line};
pub use view::Seen;
pub use zone::{Move, Moves, WrittenIn, written_in};

/// For how many days timelines can be built ahead.
pub const HORIZON_DAYS: RangeInclusive<u8> = 1..=14;
/// A timeline that reaches less far than the horizon by this is extended.
const LOW_WATER_BELOW_MS: i64 = DAY_MS / 2;
/// How long what was on air stays.
const PAST_MS: i64 = DAY_MS;
/// It is cleared away when there is so much more of it: the pages of a history are written less often.
const PAST_SLACK_MS: i64 = DAY_MS / 2;
/// What starts within this time is published: a rebuild leaves it alone.
pub const PUBLISHED_MS: i64 = 3_600_000;
/// How often the background task looks after every channel.
const ROUND: Duration = Duration::from_secs(3600);
const DAY_MS: i64 = 86_400_000;

/// The fact of the database that says when it was last looked whether channels are still what they were planned from.
const LOOKED_FOR_CHANGES: &str = "playout.looked_for_changes_ms";

/// By what an installation plans.
#[derive(Clone, Debug)]
pub struct Planning {
    /// The zone that the times of day in schedules are local to.
    pub zone: TimeZone,
    /// How many days ahead, of [`HORIZON_DAYS`].
    pub days: u8,
    /// When the day begins on which what has changed is planned anew.
    pub daily: TimeOfDay,
}

impl Default for Planning {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            days: 7,
            daily: TimeOfDay::MIDNIGHT,
        }
    }
}

/// How a channel is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What is planned stays; what lacks up to the horizon is added.
    Continue,
    /// All behind the published hour is planned anew, and goes on from where the channel will be then.
    Refresh,
    /// All behind the published hour is planned anew, as if the channel were new: from the beginning of its collections,
    /// with other shuffles, and with nothing played before.
    Reset,
}

/// A handle on the timelines of all channels. Cheap to clone.
#[derive(Clone)]
pub struct Playout(Arc<Inner>);

struct Inner {
    store: Store,
    clock: SharedClock,
    clock_is_sane: watch::Receiver<bool>,
    /// The zone that schedules are written in.
    zone: Mutex<TimeZone>,
    horizon_ms: i64,
    daily: TimeOfDay,
    /// Work on a channel's timeline is done by one at a time.
    channels: Mutex<HashMap<Id, Arc<Live>>>,
    wake: Notify,
    /// Channels whose builds panic.
    #[cfg(test)]
    panics: Mutex<Vec<Id>>,
    /// Rounds are made one after the other.
    rounds: tokio::sync::Mutex<()>,
}

/// What is kept in memory of a channel that somebody has asked about.
struct Live {
    version: watch::Sender<u64>,
    /// The entry that was on air at the last look.
    on_air: Mutex<Option<Entry>>,
    at_work: tokio::sync::Mutex<()>,
    /// How it stands to its timeline, once somebody has looked.
    view: Mutex<Option<view::View>>,
    /// How many tasks have it on air.
    watched_by: AtomicU32,
    /// Coming on air and going off it is done by one at a time.
    tuning: tokio::sync::Mutex<()>,
    /// Why the last build failed.
    failure: Mutex<Option<String>>,
}

impl Playout {
    /// A playout that trusts its clock and schedules in UTC.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        // The sender may go: a receiver keeps the last value.
        Self::with_clock_watch(store, clock, watch::channel(true).1, Planning::default())
    }

    /// A playout that plans nothing until `clock_is_sane` shows true. A horizon that cannot be is the nearest that can.
    pub fn with_clock_watch(
        store: Store,
        clock: SharedClock,
        clock_is_sane: watch::Receiver<bool>,
        planning: Planning,
    ) -> Self {
        let Planning { zone, days, daily } = planning;
        let days = days.clamp(*HORIZON_DAYS.start(), *HORIZON_DAYS.end());
        Self(Arc::new(Inner {
            store,
            clock,
            clock_is_sane,
            zone: Mutex::new(zone),
            horizon_ms: i64::from(days) * DAY_MS,
            daily,
            channels: Mutex::default(),
            wake: Notify::new(),
            #[cfg(test)]
            panics: Mutex::default(),
            rounds: tokio::sync::Mutex::default(),
        }))
    }

    /// Sees to it that a channel has entries from now to the horizon, and returns its timeline version.
    ///
    /// `Unavailable` while the clock is not sane, `NotFound` for an unknown channel.
    pub async fn ensure(&self, channel: Id) -> Result<u64> {
        self.rebuild(channel, Mode::Continue).await
    }

    /// Builds anew what a channel plays an hour from now and later, after its collection, its order or the library
    /// changed; what starts earlier stays. Gaps are replaced from now on. Returns the timeline version.
    pub async fn rebuild_future(&self, channel: Id) -> Result<u64> {
        self.rebuild(channel, Mode::Refresh).await
    }

    /// Builds a channel in one of the modes. What starts within an hour stays in all of them, gaps excepted. Returns the
    /// timeline version; errors as of [`Playout::ensure`].
    pub async fn rebuild(&self, channel: Id, mode: Mode) -> Result<u64> {
        let want = match mode {
            Mode::Continue => extend::Want::Ahead,
            Mode::Refresh => extend::Want::Anew,
            Mode::Reset => extend::Want::Reset,
        };
        let done = self.work(channel, want, self.shelf().into()).await;
        memory::give_back();
        done
    }

    /// Gives a channel back what it played before somebody changed that last, and plans anew what is not published. Errors
    /// as of [`Store::undo_program`]. Where the clock is not set yet, it is planned as soon as it is.
    pub async fn undo(&self, channel: Id) -> Result<Channel> {
        let row = self.0.store.undo_program(channel).await?;
        self.touched(channel).await?;
        match self.rebuild_future(channel).await {
            Err(e) if e.kind() != ErrorKind::Unavailable => Err(e),
            _ => Ok(row),
        }
    }

    /// Why the last build of a channel failed; `None` when it went well, or there was none since the start.
    pub async fn failure(&self, channel: Id) -> Result<Option<String>> {
        Ok(lock(&self.live(channel).await?.failure).clone())
    }

    /// Plans anew, as [`Playout::rebuild_future`] does, every channel that is another, or whose items are, than it was
    /// planned from; extends the others where need be. A folder that is away changes nobody's items. A channel
    /// that fails is logged and keeps its timeline. Does nothing before the clock is sane.
    pub async fn follow_items(&self) {
        if !*self.0.clock_is_sane.borrow() {
            return;
        }
        self.each(extend::Want::AnewIfOthers).await;
    }

    /// The entry on air at `t`, which may lie anywhere in the timeline.
    ///
    /// Reads the database only when the entry differs from that of the last call for this channel. A timeline
    /// that has run out (the daemon slept for a week) is extended at once. `Unavailable` when there is no entry.
    pub async fn on_air(&self, channel: Id, t: UtcMs) -> Result<Entry> {
        let seen = self.seen(channel).await?;
        let t = t.plus(-seen.later_ms);
        let entry = match self.planned_at(seen.of, t).await {
            Err(e) if e.kind() == ErrorKind::Unavailable && seen.of != channel => {
                self.not_begun(seen, t).await?.ok_or(e)?
            }
            entry => entry?,
        };
        Ok(seen.shown(channel, entry))
    }

    /// The entry at `t` in a channel's own timeline.
    async fn planned_at(&self, channel: Id, t: UtcMs) -> Result<Entry> {
        let live = self.live(channel).await?;
        let remembered = lock(&live.on_air).clone();
        if let Some(entry) = remembered.filter(|e| (e.start..e.stop).contains(&t)) {
            return Ok(entry);
        }
        let now = self.now_planned(channel).await?;
        let mut version = *live.version.borrow();
        let mut found = self.0.store.entry_at(channel, t).await?;
        if found.is_none() && t.since(now).abs() < PUBLISHED_MS {
            version = self.ensure(channel).await?;
            found = self.0.store.entry_at(channel, t).await?;
        }
        let Some(entry) = found else {
            crate::bail!(
                Unavailable,
                "nothing is planned for the channel with key {channel} at that time"
            );
        };
        // Looks into the future are not worth remembering.
        if entry.start <= now {
            let mut remembered = lock(&live.on_air);
            // Whoever changes the timeline raises the version first and then clears this.
            if *live.version.borrow() == version {
                *remembered = Some(entry.clone());
            }
        }
        Ok(entry)
    }

    /// What follows an entry.
    pub async fn after(&self, entry: &Entry) -> Result<Entry> {
        self.on_air(entry.channel_id, entry.stop).await
    }

    /// Follows the version of a channel's timeline: it rises with every change to what is planned.
    pub async fn version(&self, channel: Id) -> Result<watch::Receiver<u64>> {
        Ok(self.live(channel).await?.version.subscribe())
    }

    /// Takes note that somebody else has changed a channel's row or planned items: readers look again.
    pub async fn touched(&self, channel: Id) -> Result<()> {
        let version = self.0.store.channel(channel).await?.timeline_version;
        let live = self.live(channel).await?;
        live.changed(version);
        Ok(())
    }

    /// Forgets a channel that has been removed; who follows its version learns that it is gone.
    pub fn forget(&self, channel: Id) {
        lock(&self.0.channels).remove(&channel);
    }

    /// Ends when the clock is sane: at once, as a rule.
    pub async fn clock_is_sane(&self) {
        let mut sane = self.0.clock_is_sane.clone();
        if sane.wait_for(|sane| *sane).await.is_err() {
            // Nobody judges it any more, and the last word was no.
            std::future::pending::<()>().await;
        }
    }

    /// Wakes the background task: items have come or gone, or channels have.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Looks after every channel now, every hour and when a day of planning begins, for as long as it is polled. A
    /// channel that fails is logged and keeps its last timeline; the others go on.
    pub async fn run(&self) {
        loop {
            self.clock_is_sane().await;
            self.round().await;
            tokio::select! {
                () = self.0.clock.sleep(self.until_next_round()) => {}
                () = self.0.wake.notified() => {}
            }
        }
    }

    fn until_next_round(&self) -> Duration {
        let now = self.0.clock.utc();
        let day = self.next_day(now).map_or(i64::MAX, |day| day.since(now));
        ROUND.min(Duration::from_millis(day.unsigned_abs()))
    }

    /// When the next day of planning begins behind `t`.
    fn next_day(&self, t: UtcMs) -> Option<UtcMs> {
        Wall::new(self.zone()).next(t, self.0.daily, |_| true)
    }

    /// Extends every channel and clears its past away, once; the first time on a day of planning, it also plans anew what
    /// [`Playout::follow_items`] does: collections change with the calendar too.
    pub async fn round(&self) {
        let now = self.0.clock.utc();
        let looked = self.0.store.meta(LOOKED_FOR_CHANGES).await.ok().flatten();
        let looked = looked.and_then(|text| text.parse().ok()).map(UtcMs);
        // A time that lies ahead is of a clock that was wrong.
        let next = looked.filter(|t| *t <= now).and_then(|t| self.next_day(t));
        if next.is_some_and(|day| now < day) {
            return self.each(extend::Want::Ahead).await;
        }
        self.each(extend::Want::AnewIfOthers).await;
        let noted = now.0.to_string();
        if let Err(e) = self
            .0
            .store
            .set_meta(LOOKED_FOR_CHANGES, Some(&noted))
            .await
        {
            log::warn!(ERROR_KIND = e.kind().name(); "playout: {e:#}");
        }
    }

    async fn each(&self, want: extend::Want) {
        // A round that began earlier may hold older items: it must not have the last word.
        let _turn = self.0.rounds.lock().await;
        let channels = match self.0.store.channels().await {
            Ok(channels) => channels,
            Err(e) => {
                log::warn!(ERROR_KIND = e.kind().name(); "playout: {e:#}");
                return;
            }
        };
        // What is asked for is read once for all; what comes up meanwhile is dealt with by the next round.
        let shelf = Arc::new(self.shelf());
        for channel in channels.iter().filter(|c| c.mirror.is_none()) {
            let due = want != extend::Want::Ahead || self.is_due(channel.id).await.unwrap_or(true);
            if due {
                shelf.want(&channel.program()).await;
            }
        }
        for channel in channels.iter().filter(|c| c.mirror.is_none()) {
            let mut done = self.work(channel.id, want, shelf.clone()).await.map(drop);
            if done.is_ok() {
                done = self.clear_away(channel.id, &channels).await;
            }
            if let Err(e) = done {
                log::warn!(
                    CHANNEL = channel.number.as_str(), ERROR_KIND = e.kind().name();
                    "playout of channel {}: {e:#}", channel.number
                );
            }
        }
        // A library in memory is many small pieces: gone with the round, and what they took as well.
        drop(shelf);
        memory::give_back();
    }

    /// Plans a channel by another program, `None` for its loop: the row is written in one go, then everything that is
    /// not published is planned anew. Returns false, and does nothing, when that is its program already.
    pub async fn apply(&self, mut channel: Channel, program: Option<Program>) -> Result<bool> {
        if channel.mirror.is_some() {
            crate::bail!(
                Usage,
                "channel {} shows what the channel plays that it mirrors: give that one a schedule",
                channel.number
            );
        }
        if channel.program == program && channel.unreadable.is_none() {
            return Ok(false);
        }
        (channel.program, channel.unreadable) = (program, None);
        let channel = self.0.store.update_channel(channel).await?;
        self.touched(channel.id).await?;
        match self.rebuild_future(channel.id).await {
            // It is planned as soon as the clock is set.
            Err(e) if e.kind() == ErrorKind::Unavailable => Ok(true),
            done => done.map(|_| true),
        }
    }

    async fn is_due(&self, channel: Id) -> Result<bool> {
        let ground = self.ground(channel).await?;
        extend::is_due(&self.0.store, channel, &ground).await
    }

    /// Clears the past of a channel away when there is enough of it.
    async fn clear_away(&self, channel: Id, channels: &[Channel]) -> Result<()> {
        let past_ms = PAST_MS + mirror::latest_ms(channels, channel);
        let before = self.now_planned(channel).await?.plus(-past_ms);
        let span = self.0.store.timeline_span(channel, None).await?;
        if span.is_some_and(|span| span.start < before.plus(-PAST_SLACK_MS)) {
            self.0.store.prune_timeline(channel, before).await?;
        }
        Ok(())
    }

    fn refuse_unset_clock(&self) -> Result<()> {
        if !*self.0.clock_is_sane.borrow() {
            crate::bail!(
                Unavailable,
                "the clock of this machine is not set yet: nothing is planned until it is"
            );
        }
        Ok(())
    }

    async fn work(&self, channel: Id, want: extend::Want, shelf: Arc<Shelf>) -> Result<u64> {
        self.refuse_unset_clock()?;
        // A mirror has nothing of its own to be planned.
        let channel = self.seen(channel).await?.of;
        let live = self.live(channel).await?;
        let (playout, at_work) = (self.clone(), live.clone());
        // A task of its own: a panic is one more failure of this channel, and what was begun is finished.
        let done = tokio::spawn(async move {
            let _turn = at_work.at_work.lock().await;
            let row = playout.0.store.channel(channel).await?;
            let ground = playout.ground(channel).await?;
            #[cfg(test)]
            let ground = extend::Ground {
                panics: lock(&playout.0.panics).contains(&channel),
                ..ground
            };
            let version = extend::bring(&playout.0.store, &row, &ground, want, &shelf).await?;
            let version = version.unwrap_or(row.timeline_version);
            at_work.changed(version);
            Ok(version)
        });
        let done = done
            .await
            .unwrap_or_else(|e| Err(internal("planning failed", e)));
        *lock(&live.failure) = done.as_ref().err().map(|e| format!("{e:#}"));
        done
    }

    /// To read what channels draw from.
    fn shelf(&self) -> Shelf {
        let (now, zone) = (self.0.clock.utc(), self.zone());
        Shelf::new(self.0.store.clone(), Today { now, zone })
    }

    async fn ground(&self, channel: Id) -> Result<extend::Ground> {
        Ok(extend::Ground {
            now: match self.now_planned(channel).await {
                // Nobody waits for a channel that is not there yet, such as that of a preview.
                Err(e) if e.kind() == ErrorKind::NotFound => self.0.clock.utc(),
                now => now?,
            },
            zone: self.zone(),
            horizon_ms: self.0.horizon_ms,
            #[cfg(test)]
            panics: false,
        })
    }

    /// The channel's state in memory; `NotFound` when there is no such channel.
    async fn live(&self, channel: Id) -> Result<Arc<Live>> {
        if let Some(live) = lock(&self.0.channels).get(&channel) {
            return Ok(live.clone());
        }
        let version = self.0.store.channel(channel).await?.timeline_version;
        let live = Arc::new(Live {
            version: watch::channel(version).0,
            on_air: Mutex::default(),
            at_work: tokio::sync::Mutex::default(),
            view: Mutex::default(),
            watched_by: AtomicU32::default(),
            tuning: tokio::sync::Mutex::default(),
            failure: Mutex::default(),
        });
        Ok(lock(&self.0.channels)
            .entry(channel)
            .or_insert(live)
            .clone())
    }
}

impl Live {
    /// Publishes a version; what was remembered of an older one is forgotten.
    fn changed(&self, version: u64) {
        let risen = self
            .version
            .send_if_modified(|known| std::mem::replace(known, version) != version);
        if risen {
            *lock(&self.on_air) = None;
            *lock(&self.view) = None;
        }
    }
}

impl std::fmt::Debug for Playout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Playout")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn internal(what: &str, source: tokio::task::JoinError) -> Error {
    Error::with_source(ErrorKind::Internal, what.to_owned(), source)
}
