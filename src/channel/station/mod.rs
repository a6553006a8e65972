//! One channel on air: the task that owns its clock, splicer, multiplexer and feeds.
//!
//! It plans parts a little ahead (`plan`), keeps the head [`LEAD`] ahead of the clock, covers with the slate
//! whatever a feed does not deliver in time, and looks after feeds that fail (`recover`). It waits for no
//! client, no disk and no database: everything that can take long happens elsewhere.

mod plan;
mod recover;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::feed::Event;
use super::pacer::{Follows, Pacer};
use super::programming::{ChannelFacts, OnAir};
use super::ring::{Push, Start, Tape};
use super::splice::{Next, PartId, Splicer};
use super::{KEEP_ALIVE, Services, Shared};
use crate::error::{ErrorKind, Result};
use crate::media::{AccessUnit, Rap, StreamKind, Ticks90k};
use crate::mux::{Layout, Muxer};
use plan::Question;
use recover::ActiveFeed;

/// How far ahead of the clock media is produced.
const LEAD: Ticks90k = Ticks90k(6 * 90_000);
/// With less than this in hand the slate covers.
const COVER: Ticks90k = Ticks90k(90_000);
/// How long a channel that has not yet filled its lead waits for the next bytes before it shows the slate.
const PATIENCE: Ticks90k = Ticks90k(150 * 90);
/// How long it may take in all to get the lead.
const COLD_PATIENCE: Ticks90k = Ticks90k(1_500 * 90);
/// Media per wake-up on a channel that runs steadily. All channels wake up at the same moments, the multiples of
/// this on the monotonic clock: the machine is woken once for all of them.
const STEP: Ticks90k = Ticks90k(140 * 90);
/// What is asked of a feed beyond what is needed now: two steps that take no read of their own, and enough more for
/// the splicer to see what comes next in either stream.
const AHEAD: Ticks90k = Ticks90k(2 * STEP.0 + 100 * 90);
/// Bytes that go into the ring in one go; more only within a unit.
const CHUNK_BYTES: usize = 32 << 10;
/// What a feed may have delivered ahead of need.
const QUEUED_BYTES: usize = 32 << 10;
/// How long a channel stays on air without listeners.
const LINGER: Duration = Duration::from_secs(30);
/// How often the wall clock is compared with ours.
const FOLLOW: Duration = Duration::from_secs(1);
/// When the task has not turned for so long, the process was stopped or the machine slept: what was in
/// hand is used up, and what was missed is not made up for.
const STOPPED: Duration = Duration::from_secs(5);
/// The task turns no oftener than this by itself.
const LEAST_WAIT: Duration = Duration::from_millis(5);
/// Attempts to cover that may bring nothing: one for each stream's part, and one to be sure.
const VAIN_COVERS: u32 = 3;

/// See the module.
pub(super) struct Station {
    services: Arc<Services>,
    channel: ChannelFacts,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    pacer: Pacer,
    splicer: Splicer,
    muxer: Muxer,
    feeds: Vec<ActiveFeed>,
    question: Option<Question>,
    /// What comes behind this has been looked at, and need not be opened early.
    looked_to: Option<Ticks90k>,
    /// No question about the timeline before this, after one that was answered badly.
    ask_again_at: Duration,
    /// What kind of bad answer was logged last, and when.
    complained: Option<(ErrorKind, Duration)>,
    blocked: Option<PartId>,
    /// Since when nothing has come from the feed that blocks, in channel time.
    blocked_since: Ticks90k,
    /// When the current anchor was made, in channel time.
    cold_since: Ticks90k,
    head: Ticks90k,
    chunk: Vec<u8>,
    chunk_from: Ticks90k,
    chunk_rap: Rap,
    chunk_rejoin: Bytes,
    chunk_start: Option<Start>,
    tape: Tape,
    pushed_at: Duration,
    lonely_since: Option<Duration>,
    followed_at: Duration,
    turned_at: Duration,
}

/// Why the task goes on.
enum Woken {
    Planned(Result<OnAir>),
    Fed(usize, Option<Event>),
    Due,
}

impl Station {
    pub(super) fn new(services: Arc<Services>, channel: ChannelFacts, shared: Arc<Shared>) -> Self {
        let pacer = Pacer::new(&*services.clock, services.origin);
        let head = pacer.now(&*services.clock);
        let layout = Layout {
            mux_rate_kbit: channel.mux_rate_kbit,
            ..Layout::for_format(&channel.format, channel.name.clone())
        };
        let monotonic = services.clock.monotonic();
        Self {
            splicer: Splicer::new(&channel.format),
            muxer: Muxer::new(layout),
            stop: services.stop.subscribe(),
            followed_at: monotonic,
            turned_at: monotonic,
            pushed_at: monotonic,
            ask_again_at: monotonic,
            complained: None,
            question: None,
            looked_to: None,
            services,
            channel,
            shared,
            pacer,
            feeds: Vec::new(),
            blocked: None,
            blocked_since: head,
            cold_since: head,
            head,
            chunk: Vec::new(),
            chunk_from: head,
            chunk_rap: Rap::No,
            chunk_rejoin: Bytes::new(),
            chunk_start: None,
            tape: Tape::default(),
            lonely_since: None,
        }
    }

    /// Clients may hold packets of an earlier run: flags the break.
    pub(super) fn resume(&mut self) {
        self.muxer.discontinuity();
        self.shared.ring.restart(self.head);
    }

    /// Stays on air until nobody has listened for a while or the daemon stops.
    pub(super) async fn run(mut self) {
        loop {
            self.look_around();
            self.plan();
            self.produce();
            if self.should_end() {
                break;
            }
            let wait = self.wait();
            let woken = tokio::select! {
                biased;
                _ = self.stop.wait_for(|&stop| stop) => break,
                answer = plan::answer(&mut self.question) => Woken::Planned(answer),
                (at, event) = next_event(&mut self.feeds, &self.splicer, self.blocked) => {
                    Woken::Fed(at, event)
                }
                () = self.services.clock.sleep(wait) => Woken::Due,
            };
            match woken {
                Woken::Planned(answer) => self.answered(answer),
                Woken::Fed(at, event) => self.take(at, event),
                Woken::Due => {}
            }
        }
        self.flush();
    }

    /// Ends when nobody has listened for [`LINGER`]; a listener that comes at that very moment is not lost.
    fn should_end(&mut self) -> bool {
        if self.shared.listeners() > 0 {
            self.lonely_since = None;
            return false;
        }
        let now = self.services.clock.monotonic();
        let since = *self.lonely_since.get_or_insert(now);
        now.saturating_sub(since) >= LINGER && self.shared.close_if_lonely()
    }

    /// How long nothing has to be done unless a feed delivers.
    fn wait(&self) -> Duration {
        let monotonic = self.services.clock.monotonic();
        let now = self.pacer.now(&*self.services.clock);
        let wait = if self.head >= now + LEAD - STEP {
            until_step(monotonic)
        } else {
            let due = (self.head - COVER).max(self.blocked_since + PATIENCE);
            let ms = (due - now).round_ms().max(0);
            Duration::from_millis(ms.unsigned_abs())
        };
        let quiet = monotonic.saturating_sub(self.pushed_at);
        wait.min(KEEP_ALIVE.saturating_sub(quiet)).max(LEAST_WAIT)
    }

    /// Follows the clocks, and looks after feeds.
    fn look_around(&mut self) {
        let now = self.services.clock.monotonic();
        let number = self.channel.number.as_str();
        let asleep = now.saturating_sub(std::mem::replace(&mut self.turned_at, now));
        if asleep >= STOPPED {
            log::warn!(CHANNEL = number; "nothing ran for {} s; channel {number} starts anew at the right place", asleep.as_secs());
            self.anchor_anew();
        } else if now.saturating_sub(self.followed_at) >= FOLLOW {
            self.followed_at = now;
            if self.pacer.follow(&*self.services.clock) == Follows::Stepped {
                log::warn!(CHANNEL = number; "the wall clock stepped; channel {number} starts anew at the right place");
                self.anchor_anew();
            }
        }
        self.look_after_feeds(now);
    }

    /// Sends what waits. What follows has to begin anew.
    fn flush(&mut self) {
        self.muxer.flush(&mut self.chunk);
        self.tape.flush();
        self.cut_chunk();
        self.tape.stop();
    }

    fn anchor_anew(&mut self) {
        self.flush();
        self.feeds.clear();
        self.question = None;
        self.splicer = Splicer::new(&self.channel.format);
        self.pacer = Pacer::new(&*self.services.clock, self.services.origin);
        self.muxer.discontinuity();
        self.head = self.pacer.now(&*self.services.clock);
        (self.cold_since, self.blocked_since, self.chunk_from) = (self.head, self.head, self.head);
        self.blocked = None;
        self.shared.ring.restart(self.head);
    }

    /// Multiplexes until the head is far enough ahead, or something is missing.
    fn produce(&mut self) {
        let now = self.pacer.now(&*self.services.clock);
        if self.chunk.is_empty() {
            self.chunk = self.services.take_buffer();
        }
        let mut vain = 0;
        loop {
            self.blocked = None;
            while self.head < now + LEAD {
                match self.splicer.next() {
                    Next::Unit(unit) => {
                        self.multiplex(&unit);
                        vain = 0;
                    }
                    Next::Blocked(part) => {
                        self.blocked = Some(part);
                        break;
                    }
                    Next::Idle => break,
                }
            }
            let patient =
                now - self.blocked_since < PATIENCE && now - self.cold_since < COLD_PATIENCE;
            if self.head >= now + COVER || patient || vain >= VAIN_COVERS {
                break;
            }
            vain += 1;
            match self.blocked {
                Some(part) => self.splicer.cover(part, now, now + COVER + STEP),
                None => self.cover_unplanned(now + COVER + STEP),
            }
        }
        self.want(now + LEAD + AHEAD);
        // What stands before a read that a full ring asks for goes out together with what it brings.
        if self.blocked.is_none() || self.head < now + LEAD - STEP {
            self.cut_chunk();
        }
        self.keep_alive();
        if self.chunk.is_empty() {
            self.services.give_buffer(std::mem::take(&mut self.chunk));
        }
        let splicer = &self.splicer;
        self.feeds.retain(|f| splicer.is_open(f.part));
        self.shared
            .set_state(self.head - now, &self.splicer, &self.muxer);
    }

    /// Asks the feed that is waited for.
    fn want(&self, to: Ticks90k) {
        let waited_for = |f: &&ActiveFeed| Some(f.part) == self.blocked;
        if let Some(feed) = self
            .feeds
            .iter()
            .find(waited_for)
            .and_then(|f| f.feed.as_ref())
        {
            feed.want(to);
        }
    }

    fn multiplex(&mut self, unit: &AccessUnit) {
        let joinable = unit.kind == StreamKind::Video && unit.rap != Rap::No;
        if joinable {
            self.muxer.cut(unit.dts, &mut self.chunk);
            self.tape.cut(unit.dts);
            self.cut_chunk();
            let mut rejoin = Vec::new();
            self.muxer.rejoin_packets(&mut rejoin);
            (self.chunk_rap, self.chunk_rejoin) = (unit.rap, rejoin.into());
            self.chunk_start = self.tape.begin(unit, &self.muxer);
        }
        self.tape.unit(unit);
        self.muxer.write(unit, &mut self.chunk);
        self.head = unit.dts;
        if self.head - self.chunk_from >= STEP || self.chunk.len() >= CHUNK_BYTES {
            self.cut_chunk();
        }
    }

    fn cut_chunk(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        let now = self.services.clock.monotonic();
        self.shared.ring.push(Push {
            packets: &self.chunk,
            head: self.head,
            rap: self.chunk_rap,
            rejoin: std::mem::take(&mut self.chunk_rejoin),
            start: self.chunk_start.take(),
            tape: &mut self.tape,
            largest_bytes: self.services.ring_bytes(),
            now,
        });
        self.chunk.clear();
        self.chunk_rap = Rap::No;
        self.chunk_from = self.head;
        self.pushed_at = now;
    }

    /// While what is in hand runs down, a client still hears that we are there.
    fn keep_alive(&mut self) {
        let now = self.services.clock.monotonic();
        if now.saturating_sub(self.pushed_at) < KEEP_ALIVE {
            return;
        }
        self.cut_chunk();
        if now > self.pushed_at {
            self.pushed_at = now;
            self.shared.keep_alive(self.services.ring_bytes(), now);
        }
    }
}

/// How long until all channels take their next step; not one that is just being taken.
fn until_step(monotonic: Duration) -> Duration {
    let step_us = u128::from(STEP.0.unsigned_abs()) * 1_000 / 90;
    let passed_us = monotonic.as_micros() % step_us;
    let left_us = match step_us - passed_us {
        short if short < step_us / 4 => short + step_us,
        left => left,
    };
    Duration::from_micros(u64::try_from(left_us).unwrap_or_default())
}

/// The next event of a feed that is waited for or has little in hand.
async fn next_event(
    feeds: &mut [ActiveFeed],
    splicer: &Splicer,
    blocked: Option<PartId>,
) -> (usize, Option<Event>) {
    poll_fn(|ctx| {
        for (at, active) in feeds.iter_mut().enumerate() {
            let wanted =
                blocked == Some(active.part) || splicer.queued_bytes(active.part) < QUEUED_BYTES;
            if let Some(feed) = active.feed.as_mut().filter(|_| wanted)
                && let Poll::Ready(event) = feed.poll_event(ctx)
            {
                return Poll::Ready((at, event));
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_the_same_moments_for_all_and_none_is_taken_twice() {
        for (at_ms, expected_ms) in [
            (0, 140),
            (1, 139),
            (100, 40),
            (105, 35),
            (106, 174),
            (139, 141),
            (140, 140),
            (1_399, 141),
        ] {
            let wait = until_step(Duration::from_millis(at_ms));
            assert_eq!(wait, Duration::from_millis(expected_ms), "at {at_ms} ms");
        }
    }
}
