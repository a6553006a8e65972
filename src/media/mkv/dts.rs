//! Decoding times, which Matroska does not store: the presentation times in rising order, delayed by
//! the reorder depth. libavformat derives them in the same way.

use std::collections::VecDeque;

use super::grid::Grid;
use crate::media::time::Ticks90k;

/// The most pictures that any level allows to be reordered. What looks like more is a jump back in time.
const DEPTH_MAX: usize = 16;

/// Presentation times that have not been given out as decoding times yet.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    depth: usize,
    step: Ticks90k,
    grid: Grid,
    /// In rising order. Holds `depth` times between two calls of [`Reorder::next`].
    pending: Vec<Ticks90k>,
    /// Presentation times of the last pictures, to see whether the depth is enough.
    recent: VecDeque<Ticks90k>,
    last: Option<Ticks90k>,
}

impl Reorder {
    /// For a stream in which up to `depth` pictures precede one in decode order and follow it in display order.
    pub(super) fn new(depth: u8) -> Self {
        Self {
            depth: usize::from(depth).min(DEPTH_MAX),
            ..Self::default()
        }
    }

    /// Starts over in front of a picture. `lowest` is the first time to be shown from there on: the
    /// picture's own, or that of the first of the pictures which follow in decode order and are shown
    /// before it. `step` is the usual length of a picture, `grid` where its times stand.
    pub(super) fn prime(&mut self, lowest: Ticks90k, step: Ticks90k, grid: Grid) {
        self.step = step;
        self.grid = grid;
        self.last = None;
        self.recent.clear();
        self.pending.clear();
        for k in (1..=self.depth as i64).rev() {
            let time = lowest - Ticks90k(step.0.saturating_mul(k));
            self.pending.push(grid.snap(time));
        }
    }

    /// The decoding time of the next picture in decode order; never behind `pts`.
    pub(super) fn next(&mut self, pts: Ticks90k) -> Ticks90k {
        let needed = self.recent.iter().filter(|time| **time > pts).count();
        if needed > DEPTH_MAX {
            self.prime(pts, self.step, self.grid);
        } else if needed > self.depth {
            self.depth = needed;
        }
        if self.recent.len() > DEPTH_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(pts);

        let place = self.pending.partition_point(|time| *time <= pts);
        self.pending.insert(place, pts);
        let dts = self.pending.remove(0);
        let Some(last) = self.last.filter(|last| dts <= *last) else {
            self.last = Some(dts);
            return dts;
        };
        // The stream reorders deeper than it was said to: this picture ought to have been decoded before
        // one that has its time already. From now on one place more is kept.
        let last = last.max(pts.min(last + Ticks90k(1)));
        let mut filler = last;
        while self.pending.len() < self.depth {
            filler += Ticks90k(1);
            let place = self.pending.partition_point(|time| *time <= filler);
            self.pending.insert(place, filler);
        }
        self.last = Some(last);
        last.min(pts)
    }
}

/// The depth that a row of presentation times in decode order needs.
pub(super) fn depth_of(times: &[Ticks90k]) -> u8 {
    let deepest = times
        .iter()
        .enumerate()
        .map(|(n, time)| times.iter().take(n).filter(|before| *before > time).count());
    deepest.max().unwrap_or(0).min(16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(depth: u8, pts: &[i64]) -> (Vec<i64>, usize) {
        let mut reorder = Reorder::new(depth);
        let lowest = pts.iter().copied().min().unwrap();
        reorder.prime(Ticks90k(lowest), Ticks90k(10), Grid::default());
        let dts = pts
            .iter()
            .map(|pts| reorder.next(Ticks90k(*pts)).0)
            .collect();
        (dts, reorder.depth)
    }

    #[test]
    fn times_come_sorted_and_delayed_by_the_depth() {
        assert_eq!(run(0, &[0, 10, 20]).0, [0, 10, 20]);
        assert_eq!(
            run(1, &[0, 30, 10, 20, 60, 40, 50]).0,
            [-10, 0, 10, 20, 30, 40, 50]
        );
        assert_eq!(run(2, &[0, 40, 20, 10, 30]).0, [-20, -10, 0, 10, 20]);
        // Leading pictures behind the first one in decode order.
        assert_eq!(run(1, &[20, 0, 10, 50, 30, 40]).0, [-10, 0, 10, 20, 30, 40]);
    }

    #[test]
    fn a_stream_deeper_than_it_says_is_decoded_in_order_after_a_few_pictures() {
        let pts = [0, 40, 20, 10, 30, 80, 60, 50, 70, 120, 100, 90, 110];
        let (dts, depth) = run(0, &pts);
        assert_eq!(depth, 2);
        for (pts, dts) in pts.iter().zip(&dts) {
            assert!(dts <= pts, "{dts} > {pts}");
        }
        assert!(dts[4..].windows(2).all(|w| w[0] < w[1]), "{dts:?}");
    }

    #[test]
    fn the_depth_is_found_by_looking() {
        let depth =
            |times: &[i64]| depth_of(&times.iter().map(|t| Ticks90k(*t)).collect::<Vec<_>>());
        assert_eq!(depth(&[]), 0);
        assert_eq!(depth(&[0, 10, 20]), 0);
        assert_eq!(depth(&[0, 30, 10, 20]), 1);
        assert_eq!(depth(&[0, 40, 20, 10, 30]), 2);
    }
}
