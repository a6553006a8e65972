//! Signs of life of the store's threads, for the watchdog.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use crate::clock::SharedClock;

/// Instructions of SQLite's machine between two stamps: a few milliseconds on a slow board.
const STAMP_EVERY: i32 = 20_000;
/// What the stamp reads while a thread waits for work.
const AT_REST: u64 = u64::MAX;

/// The stamp of one thread: when it last showed progress, in ms of monotonic time.
#[derive(Clone)]
pub(super) struct Pulse {
    stamp: Arc<AtomicU64>,
    clock: SharedClock,
}

impl Pulse {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            stamp: Arc::new(AtomicU64::new(AT_REST)),
            clock,
        }
    }

    /// Lets SQLite stamp while a long statement runs.
    pub(super) fn attach(&self, db: &mut Connection) -> rusqlite::Result<()> {
        let pulse = self.clone();
        db.progress_handler(
            STAMP_EVERY,
            Some(move || {
                pulse.beat();
                false // do not interrupt
            }),
        )
    }

    /// Work begins or goes on.
    pub(super) fn beat(&self) {
        self.stamp.store(self.now(), Ordering::Relaxed);
    }

    /// Nothing is left to do.
    pub(super) fn rest(&self) {
        self.stamp.store(AT_REST, Ordering::Relaxed);
    }

    /// How long the thread has shown no progress; zero while it has nothing to do.
    pub(super) fn silent_for(&self) -> Duration {
        match self.stamp.load(Ordering::Relaxed) {
            AT_REST => Duration::ZERO,
            stamp => Duration::from_millis(self.now().saturating_sub(stamp)),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(AT_REST - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SimClock, UtcMs};

    #[test]
    fn a_thread_is_silent_only_while_it_works_without_progress() {
        let clock = SimClock::new(UtcMs(0));
        let pulse = Pulse::new(Arc::new(clock.clone()));
        let mut seen = vec![pulse.silent_for()];
        pulse.beat();
        clock.advance(Duration::from_secs(7));
        seen.push(pulse.silent_for());
        pulse.beat();
        seen.push(pulse.silent_for());
        clock.advance(Duration::from_secs(3));
        pulse.rest();
        seen.push(pulse.silent_for());
        assert_eq!(seen, [0, 7, 0, 0].map(Duration::from_secs));
    }

    #[test]
    fn a_long_statement_stamps_while_it_runs() {
        let clock = SimClock::new(UtcMs(0));
        let pulse = Pulse::new(Arc::new(clock.clone()));
        let mut db = Connection::open_in_memory().unwrap();
        pulse.attach(&mut db).unwrap();
        pulse.beat();
        clock.advance(Duration::from_secs(60));
        let count: i64 = db
            .query_row(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT count(*) FROM n",
                [],
                |r| r.get(0),
            )
            .unwrap();
        assert_eq!((count, pulse.silent_for()), (100_000, Duration::ZERO));
    }
}
