//! Ties channel time to the clock on the wall.
//!
//! A channel going on air fixes an anchor: a moment of UTC and of the monotonic clock. From then on the
//! monotonic clock drives it, so a step of the wall clock never reaches a client; a small difference
//! between the two is slewed away, and only a large one makes the channel anchor anew.

use std::time::Duration;

use crate::clock::{Clock, UtcMs};
use crate::media::Ticks90k;

/// The usual channel time at the anchor. Leaves room for the random access point before it (10 s).
pub const ORIGIN: Ticks90k = Ticks90k(900_000);
/// Wall-clock differences beyond this are not slewed.
const LARGEST_SLEW_MS: f64 = 2_000.0;
/// The share of passing time by which the channel is made faster or slower.
const SLEW: f64 = 0.001;

/// The clock of one channel on air.
#[derive(Clone, Debug)]
pub struct Pacer {
    origin: Ticks90k,
    anchor_utc: UtcMs,
    anchor_monotonic: Duration,
    /// Milliseconds that slewing has added so far.
    slewed_ms: f64,
    looked_at: Duration,
}

/// Whether the pacer still follows the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// It does.
    Yes,
    /// The wall clock stepped by more than can be slewed: anchor anew.
    Stepped,
}

impl Pacer {
    /// Anchors channel time at this moment, which is `origin` ([`ORIGIN`], unless a wrap is to be seen soon).
    pub fn new(clock: &dyn Clock, origin: Ticks90k) -> Self {
        let monotonic = clock.monotonic();
        Self {
            origin,
            anchor_utc: clock.utc(),
            anchor_monotonic: monotonic,
            slewed_ms: 0.0,
            looked_at: monotonic,
        }
    }

    /// Compares with the wall clock and slews; to be called about once per second or more often.
    pub fn follow(&mut self, clock: &dyn Clock) -> Follows {
        let monotonic = clock.monotonic();
        let passed_ms = monotonic.saturating_sub(self.looked_at).as_secs_f64() * 1e3;
        self.looked_at = monotonic;
        let off_ms = clock.utc().since(self.anchor_utc) as f64 - self.elapsed_ms(monotonic);
        if off_ms.abs() > LARGEST_SLEW_MS {
            return Follows::Stepped;
        }
        self.slewed_ms += off_ms.clamp(-SLEW * passed_ms, SLEW * passed_ms);
        Follows::Yes
    }

    /// What is on air now, in channel time.
    pub fn now(&self, clock: &dyn Clock) -> Ticks90k {
        self.origin + Ticks90k((self.elapsed_ms(clock.monotonic()) * 90.0) as i64)
    }

    /// The channel time of a moment on the timeline: exact, so that nothing accumulates.
    pub fn at(&self, utc: UtcMs) -> Ticks90k {
        self.origin + Ticks90k::from_ms(utc.since(self.anchor_utc))
    }

    /// The moment on the timeline of a channel time, rounded down to the millisecond.
    pub fn utc_at(&self, ticks: Ticks90k) -> UtcMs {
        self.anchor_utc.plus((ticks - self.origin).0.div_euclid(90))
    }

    fn elapsed_ms(&self, monotonic: Duration) -> f64 {
        monotonic
            .saturating_sub(self.anchor_monotonic)
            .as_secs_f64()
            * 1e3
            + self.slewed_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimClock;

    #[test]
    fn a_moment_of_the_timeline_keeps_its_channel_time_for_ever() {
        let clock = SimClock::new(UtcMs(1_000_000));
        let pacer = Pacer::new(&clock, ORIGIN);
        clock.advance(Duration::from_secs(86_400 * 30));
        let month_ms = 86_400_000 * 30;
        assert_eq!(
            pacer.at(UtcMs(1_000_000 + month_ms)),
            Ticks90k(900_000 + month_ms * 90)
        );
        assert_eq!(pacer.now(&clock), pacer.at(clock.utc()));
        assert_eq!(pacer.utc_at(pacer.now(&clock)), clock.utc());
    }

    #[test]
    fn a_small_step_is_slewed_at_a_thousandth() {
        let clock = SimClock::new(UtcMs(0));
        let mut pacer = Pacer::new(&clock, ORIGIN);
        clock.step_utc(UtcMs(500));
        for second in 1..=500 {
            clock.advance(Duration::from_secs(1));
            assert_eq!(pacer.follow(&clock), Follows::Yes);
            let off = (pacer.at(clock.utc()) - pacer.now(&clock)).round_ms();
            assert_eq!(off, (500 - second).max(0), "after {second} s");
        }
    }

    #[test]
    fn a_step_of_more_than_two_seconds_asks_for_a_new_anchor() {
        for (step, expected) in [
            (1_999, Follows::Yes),
            (2_001, Follows::Stepped),
            (-2_001, Follows::Stepped),
        ] {
            let clock = SimClock::new(UtcMs(10_000));
            let mut pacer = Pacer::new(&clock, ORIGIN);
            clock.step_utc(UtcMs(10_000 + step));
            assert_eq!(pacer.follow(&clock), expected, "{step}");
        }
    }
}
