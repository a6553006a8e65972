//! The only place where time is read. Everything that waits or stamps takes a [`Clock`], so a test
//! can run a day of television in a second and nothing in it depends on how busy the machine is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

/// Milliseconds since 1970-01-01T00:00:00 UTC.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct UtcMs(pub i64);

impl UtcMs {
    /// This moment plus `ms` (which may be negative).
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A future that ends when the time has come.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where time comes from. Shared by every task of one daemon.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time. Can step in either direction.
    fn utc(&self) -> UtcMs;

    /// Time since boot including suspend (CLOCK_BOOTTIME). Never steps.
    fn monotonic(&self) -> Duration;

    /// Ends `duration` of monotonic time from now.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// A clock that many tasks hold.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

impl Clock for RealClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the place where time is read"
    )]
    fn utc(&self) -> UtcMs {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        UtcMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        // CLOCK_BOOTTIME exists since Linux 2.6.39; a failure here would be a kernel without clocks.
        clock_gettime(ClockId::CLOCK_BOOTTIME)
            .map(Duration::from)
            .unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Mutex<SimState>>);

#[derive(Debug)]
struct SimState {
    utc: UtcMs,
    monotonic: Duration,
    order: u64,
    sleepers: BinaryHeap<Reverse<Sleeper>>,
}

#[derive(Debug)]
struct Sleeper {
    wakes_at: Duration,
    order: u64,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        (self.wakes_at, self.order) == (other.wakes_at, other.order)
    }
}
impl Eq for Sleeper {}
impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.wakes_at, self.order).cmp(&(other.wakes_at, other.order))
    }
}

impl SimClock {
    /// A clock that shows `utc`.
    pub fn new(utc: UtcMs) -> Self {
        Self(Arc::new(Mutex::new(SimState {
            utc,
            monotonic: Duration::from_secs(1_000),
            order: 0,
            sleepers: BinaryHeap::new(),
        })))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, SimState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves both clocks on and wakes, in order, whoever is due.
    pub fn advance(&self, by: Duration) {
        let until = self.state().monotonic + by;
        loop {
            let sleeper = {
                let mut state = self.state();
                let due = state
                    .sleepers
                    .peek()
                    .is_some_and(|Reverse(s)| s.wakes_at <= until);
                let to = if due {
                    state.sleepers.peek().map_or(until, |Reverse(s)| s.wakes_at)
                } else {
                    until
                };
                let step = to.saturating_sub(state.monotonic);
                state.monotonic += step;
                state.utc = state
                    .utc
                    .plus(i64::try_from(step.as_millis()).unwrap_or(i64::MAX));
                if due { state.sleepers.pop() } else { None }
            };
            match sleeper {
                Some(Reverse(s)) => drop(s.wake.send(())),
                None => return,
            }
        }
    }

    /// Sets the wall clock alone, as a person or NTP does.
    pub fn step_utc(&self, utc: UtcMs) {
        self.state().utc = utc;
    }

    /// How long until the next sleeper is due; `None` when nobody sleeps.
    pub fn next_wake(&self) -> Option<Duration> {
        let state = self.state();
        state
            .sleepers
            .peek()
            .map(|Reverse(s)| s.wakes_at.saturating_sub(state.monotonic))
    }
}

impl Clock for SimClock {
    fn utc(&self) -> UtcMs {
        self.state().utc
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let (wake, woken) = oneshot::channel();
        {
            let mut state = self.state();
            let (wakes_at, order) = (state.monotonic + duration, state.order);
            state.order += 1;
            if duration.is_zero() {
                drop(wake);
            } else {
                state.sleepers.push(Reverse(Sleeper {
                    wakes_at,
                    order,
                    wake,
                }));
            }
        }
        Box::pin(async move {
            // A dropped sender means the clock is gone: nothing is left to wait for.
            let _ = woken.await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_simulated_sleep_ends_when_the_clock_reaches_it_and_not_before() {
        let clock = SimClock::new(UtcMs(0));
        let mut sleep = clock.sleep(Duration::from_secs(3600));
        clock.advance(Duration::from_secs(3599));
        assert!(futures_poll(&mut sleep).is_none());
        assert_eq!(clock.next_wake(), Some(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(2));
        assert!(futures_poll(&mut sleep).is_some());
        assert_eq!(clock.utc(), UtcMs(3_601_000));
    }

    #[test]
    fn stepping_the_wall_clock_leaves_the_monotonic_one_alone() {
        let clock = SimClock::new(UtcMs(0));
        let before = clock.monotonic();
        clock.step_utc(UtcMs(1_700_000_000_000));
        assert_eq!(
            (clock.monotonic(), clock.utc()),
            (before, UtcMs(1_700_000_000_000))
        );
    }

    fn futures_poll(sleep: &mut Sleep) -> Option<()> {
        let waker = std::task::Waker::noop();
        match sleep
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker))
        {
            std::task::Poll::Ready(()) => Some(()),
            std::task::Poll::Pending => None,
        }
    }
}
