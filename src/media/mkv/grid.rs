//! Exact times from rounded ones: Matroska writes whole milliseconds as a rule, pictures and audio
//! frames stand on a grid that is finer.

use crate::media::time::Ticks90k;

/// Rounding moves a time by half a millisecond, and the first one, from which the grid is counted, as much.
const TOLERANCE: i64 = 90;

/// Grids finer than this say nothing beside the tolerance (4 ms, a tick per picture is 250 pictures a second).
const FINEST_STEP: i64 = 360;

/// Times that lie n × `units` / `scale` seconds from an origin. Each time is judged by itself, so a frame
/// has the same time whichever way it was reached.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grid {
    origin: Ticks90k,
    /// Length of a step in seconds; no steps when either is zero.
    units: u64,
    scale: u32,
}

impl Grid {
    /// A grid with steps of `units` / `scale` seconds; none when they are too fine to matter.
    pub(super) fn new(units: u64, scale: u32) -> Self {
        let step = i64::try_from(units).map_or(0, |units| Ticks90k::from_scaled(units, scale).0);
        if step < FINEST_STEP {
            return Self::default();
        }
        Self {
            origin: Ticks90k::ZERO,
            units,
            scale,
        }
    }

    /// A grid from a DefaultDuration, which is rounded to nanoseconds: 33,366,667 means 1001/30000 s.
    pub(super) fn from_nanoseconds(duration: u64) -> Self {
        if !(1..=10_000_000_000).contains(&duration) {
            return Self::default();
        }
        for (units, base) in [(1, 1), (1_001, 1_000)] {
            let exact = units * 1_000_000_000;
            let rate = (exact + base * duration / 2) / (base * duration);
            let error = exact.abs_diff(base * duration * rate);
            if (1..=250).contains(&rate) && error <= base * rate {
                return Self::new(units, (base * rate) as u32);
            }
        }
        Self::new(duration, 1_000_000_000)
    }

    /// The same grid counted from `origin`.
    pub(super) fn with_origin(self, origin: Ticks90k) -> Self {
        Self { origin, ..self }
    }

    /// The length of a step; zero without a grid.
    pub(super) fn step(&self) -> Ticks90k {
        Ticks90k::from_scaled(self.units as i64, self.scale)
    }

    /// The `steps`-th place behind the origin.
    fn place(&self, steps: i64) -> Ticks90k {
        let units = i128::from(steps) * i128::from(self.units);
        Ticks90k::from_scaled(i64::try_from(units).unwrap_or(i64::MAX), self.scale) + self.origin
    }

    /// `time`, moved by less than a millisecond onto the grid, or as it is when it does not stand near it.
    pub(super) fn snap(&self, time: Ticks90k) -> Ticks90k {
        if self.units == 0 {
            return time;
        }
        let distance = i128::from((time - self.origin).0);
        let step = i128::from(self.units) * 90_000;
        let steps = (distance * i128::from(self.scale) * 2 + step).div_euclid(2 * step);
        let Ok(steps) = i64::try_from(steps) else {
            return time;
        };
        let place = self.place(steps);
        if (place - time).0.abs() < TOLERANCE {
            place
        } else {
            time
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_nanoseconds_become_the_rates_they_were_rounded_from() {
        let check = |nanoseconds, units, scale| {
            let grid = Grid::from_nanoseconds(nanoseconds);
            assert_eq!((grid.units, grid.scale), (units, scale), "{nanoseconds}");
        };
        check(40_000_000, 1, 25);
        check(33_366_666, 1_001, 30_000);
        check(33_366_667, 1_001, 30_000);
        check(41_708_333, 1_001, 24_000);
        check(41_708_334, 1_001, 24_000);
        check(41_666_667, 1, 24);
        check(16_683_333, 1_001, 60_000);
        check(20_000_000, 1, 50);
        check(1_000_000_000, 1, 1);
        check(35_000_000, 35_000_000, 1_000_000_000);
        check(0, 0, 0);
        check(1, 0, 0);
        check(u64::MAX, 0, 0);
    }

    #[test]
    fn rounded_times_come_back_exact_for_a_day() {
        for (nanoseconds, units, scale) in [
            (33_366_667, 1_001_i64, 30_000),
            (41_708_333, 1_001, 24_000),
            (40_000_000, 1, 25),
        ] {
            let grid = Grid::from_nanoseconds(nanoseconds);
            for n in (0..2_000_000).step_by(997) {
                let exact = Ticks90k::from_scaled(n * units, scale);
                let rounded = Ticks90k::from_ms(exact.round_ms());
                assert_eq!(grid.snap(rounded), exact, "{n} of {units}/{scale}");
            }
        }
    }

    #[test]
    fn times_off_the_grid_stay_as_they_are() {
        let grid = Grid::new(1, 25).with_origin(Ticks90k(1_890));
        assert_eq!(grid.snap(Ticks90k(5_490 + 89)), Ticks90k(5_490));
        assert_eq!(grid.snap(Ticks90k(5_490 + 90)), Ticks90k(5_580));
        assert_eq!(grid.snap(Ticks90k(-1_710 - 30)), Ticks90k(-1_710));
        assert_eq!(Grid::default().snap(Ticks90k(77)), Ticks90k(77));
    }
}
