//! Time stamps of a transport stream as times that run on: without the wrap at 33 bits, over jumps of the
//! time base, and past single ones that are wrong.

use crate::media::time::Ticks90k;

/// Values of a time stamp.
const WRAP: i64 = 1 << 33;
/// Streams begin up to this long before the first time stamp that is seen.
const EARLIER: i64 = 60 * 90_000;
/// Time stamps of one stream lie no further apart; what steps further is in doubt until the next one.
const STEP: Ticks90k = Ticks90k::SECOND;
/// And step back by no more (from streams whose DTS are missing).
const BACK: Ticks90k = Ticks90k(-90_000 / 4);
/// The next one follows a time stamp in doubt within this, or else that one was wrong.
const FOLLOWS: Ticks90k = Ticks90k(60 * 90_000);
/// Where a stream takes up again, by the time base of one that has jumped before it.
const AGREES: std::ops::RangeInclusive<Ticks90k> = Ticks90k(-2 * 90_000)..=Ticks90k(10 * 90_000);
/// A hole of no more than this is one in the recording (no signal); a longer one is a new time base.
const LONGEST_HOLE: Ticks90k = Ticks90k(600 * 90_000);

/// Turns 33-bit time stamps into ones that run on, the same way libavformat does for the first lap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unwrap {
    last: Option<i64>,
    /// Time stamps from here on for one lap are taken as they are.
    floor: i64,
}

impl Unwrap {
    /// For a place in a stream whose first time stamp was `origin`.
    pub(super) fn from_origin(origin: Ticks90k) -> Self {
        Self {
            last: None,
            floor: origin.0 - EARLIER,
        }
    }

    pub(super) fn take(&mut self, raw: u64) -> Ticks90k {
        let raw = raw as i64;
        let value = match self.last {
            // The nearest value with these 33 bits.
            Some(last) => last + (raw - last + WRAP / 2).rem_euclid(WRAP) - WRAP / 2,
            // A stream that begins within a minute of the wrap begins before zero.
            None if self.floor == 0 && raw >= WRAP - EARLIER => raw - WRAP,
            None => self.floor + (raw - self.floor).rem_euclid(WRAP),
        };
        self.last = Some(value);
        Ticks90k(value)
    }
}

/// The time base of all streams of a programme.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    unwrap: Unwrap,
    /// What the last jump of the time base is made good with.
    shift: Ticks90k,
}

impl Clock {
    /// For a place in a stream whose first time stamp was `origin`.
    pub(super) fn from_origin(origin: Ticks90k) -> Self {
        Self {
            unwrap: Unwrap::from_origin(origin),
            shift: Ticks90k::ZERO,
        }
    }

    /// PTS and DTS of a PES packet.
    pub(super) fn take(&mut self, pts: u64, dts: Option<u64>) -> (Ticks90k, Ticks90k) {
        // The DTS never steps far; the PTS is near it.
        let decoded = self.unwrap.take(dts.unwrap_or(pts));
        let mut near = self.unwrap;
        (near.take(pts), decoded)
    }
}

/// What is known of a time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is right once this is added.
    Right(Ticks90k),
    /// The next one will tell.
    Doubtful,
    /// It belongs to nothing around it.
    Wrong,
}

/// Judges the time stamps of one stream, each by those around it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// The last one that was right, and how far it stepped.
    last: Option<Ticks90k>,
    step: Ticks90k,
    doubtful: Option<Ticks90k>,
    shift: Ticks90k,
}

impl Pace {
    /// What the time stamp is, and what the one before has proved to be when it was doubtful.
    pub(super) fn take(
        &mut self,
        time: Ticks90k,
        clock: &mut Clock,
    ) -> (Standing, Option<Standing>) {
        let is_step = |from: Ticks90k, to: Ticks90k, most| (BACK..=most).contains(&(to - from));
        let Some(last) = self.last else {
            self.shift = clock.shift;
            self.last = Some(time);
            return (Standing::Right(self.shift), None);
        };
        let mut before = None;
        if let Some(doubtful) = self.doubtful.take() {
            if !is_step(last, time, STEP) && is_step(doubtful, time, FOLLOWS) {
                let hole = doubtful - last;
                if !(Ticks90k::ZERO..=LONGEST_HOLE).contains(&hole) {
                    self.shift += self.step - hole;
                    clock.shift = self.shift;
                }
                self.last = Some(time);
                let right = Standing::Right(self.shift);
                return (right, Some(right));
            }
            before = Some(Standing::Wrong);
        }
        if is_step(last, time, STEP) {
            self.step = (time - last).max(Ticks90k(1));
        } else if clock.shift != self.shift
            && AGREES.contains(&(time + clock.shift - last - self.shift))
        {
            // Another stream has jumped already, and this one with it.
            self.shift = clock.shift;
        } else {
            self.doubtful = Some(time);
            return (Standing::Doubtful, before);
        }
        self.last = Some(time);
        (Standing::Right(self.shift), before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_on_over_the_wrap_in_both_directions() {
        let wrap = WRAP as u64;
        for (raw, expected) in [
            (&[5, 10, 3][..], &[5, 10, 3][..]),
            (&[wrap - 5, 5, wrap - 3], &[-5, 5, -3]),
            (
                &[wrap / 2, wrap - 9, 1, wrap / 2, wrap - 1, 0],
                &[
                    WRAP / 2,
                    WRAP - 9,
                    WRAP + 1,
                    WRAP + WRAP / 2,
                    2 * WRAP - 1,
                    2 * WRAP,
                ],
            ),
        ] {
            let mut unwrap = Unwrap::default();
            let times: Vec<_> = raw.iter().map(|&raw| unwrap.take(raw).0).collect();
            assert_eq!(times, expected);
        }
        let mut unwrap = Unwrap::from_origin(Ticks90k(WRAP - 90_000_000));
        assert_eq!(unwrap.take(100), Ticks90k(WRAP + 100));
    }

    /// The times that come out of a stream's time stamps; `None` for those that are left out.
    fn judged(times: &[i64]) -> Vec<Option<i64>> {
        let (mut pace, mut clock) = (Pace::default(), Clock::default());
        let mut judged: Vec<Standing> = Vec::new();
        for &time in times {
            let (standing, before) = pace.take(Ticks90k(time), &mut clock);
            if let (Some(last), Some(before)) = (judged.last_mut(), before) {
                assert_eq!(*last, Standing::Doubtful);
                *last = before;
            }
            judged.push(standing);
        }
        let time = |(standing, time): (&Standing, &i64)| match standing {
            Standing::Right(shift) => Some(time + shift.0),
            _ => None,
        };
        judged.iter().zip(times).map(time).collect()
    }

    #[test]
    fn one_wrong_time_stamp_is_left_out_and_a_new_time_base_is_followed() {
        const H: i64 = 3_600 * 90_000;
        for (times, expected) in [
            // Ahead, behind, at the end, two different ones in a row.
            (
                &[0, 10, 5 * H, 30, 40][..],
                &[Some(0), Some(10), None, Some(30), Some(40)][..],
            ),
            (
                &[2 * H, 2 * H + 10, 0, 2 * H + 30],
                &[Some(2 * H), Some(2 * H + 10), None, Some(2 * H + 30)],
            ),
            (&[0, 10, 200_000], &[Some(0), Some(10), None]),
            (
                &[0, 10, 5 * H, -3 * H, 40],
                &[Some(0), Some(10), None, None, Some(40)],
            ),
            // A new time base ahead and behind: the last step is taken once more.
            (
                &[0, 10, 5 * H, 5 * H + 10, 5 * H + 20],
                &[Some(0), Some(10), Some(20), Some(30), Some(40)],
            ),
            (
                &[2 * H, 2 * H + 10, 0, 10, 20],
                &[2 * H, 2 * H + 10, 2 * H + 20, 2 * H + 30, 2 * H + 40].map(Some),
            ),
            // A hole in the recording stays one; pictures that stand for five seconds each do too.
            (
                &[0, 10, 9_000_000, 9_000_010],
                &[0, 10, 9_000_000, 9_000_010].map(Some),
            ),
            (
                &[0, 450_000, 900_000, 1_350_000, 1_800_000],
                &[0, 450_000, 900_000, 1_350_000, 1_800_000].map(Some),
            ),
        ] {
            assert_eq!(judged(times), expected, "{times:?}");
        }
    }

    #[test]
    fn a_stream_jumps_as_far_as_the_one_that_jumped_before_it() {
        let (mut sound, mut picture, mut clock) =
            (Pace::default(), Pace::default(), Clock::default());
        let mut take = |pace: &mut Pace, time| pace.take(Ticks90k(time), &mut clock).0;
        take(&mut sound, 1_000);
        take(&mut sound, 2_000);
        take(&mut picture, 5_000);
        take(&mut picture, 8_600);
        assert_eq!(take(&mut sound, 900_000_000), Standing::Doubtful);
        let shift = Ticks90k(3_000 - 900_000_000);
        assert_eq!(take(&mut sound, 900_001_000), Standing::Right(shift));
        assert_eq!(take(&mut picture, 900_009_000), Standing::Right(shift));
    }
}
