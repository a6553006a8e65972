//! Tells the service manager that we live, but only while we do: each vital loop stamps, and a ping goes out only
//! when every stamp is fresh. A daemon whose accept loop or database hangs is thus restarted, where a bare timer
//! would keep it "alive" for ever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::notify;
use crate::clock::SharedClock;

/// The vital loops of one daemon. Cheap to clone.
#[derive(Clone)]
pub struct Liveness {
    clock: SharedClock,
    stamps: Arc<Mutex<Vec<Arc<Stamp>>>>,
}

struct Stamp {
    name: &'static str,
    max_age: Duration,
    last_ms: AtomicU64,
}

/// One vital loop: to be stamped at every turn. Dropping it says that the loop has ended in order.
pub struct Pulse {
    clock: SharedClock,
    stamp: Arc<Stamp>,
    stamps: Arc<Mutex<Vec<Arc<Stamp>>>>,
}

impl Liveness {
    /// Without any loop yet, so everything is well.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            stamps: Arc::default(),
        }
    }

    /// A loop that turns at least every `max_age`, also when there is nothing to do.
    pub fn pulse(&self, name: &'static str, max_age: Duration) -> Pulse {
        let stamp = Arc::new(Stamp {
            name,
            max_age,
            last_ms: AtomicU64::new(now_ms(&self.clock)),
        });
        self.stamps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&stamp));
        Pulse {
            clock: self.clock.clone(),
            stamp,
            stamps: Arc::clone(&self.stamps),
        }
    }

    /// The first loop that has not turned for too long, and for how long.
    pub fn stalled(&self) -> Option<(&'static str, Duration)> {
        let now = now_ms(&self.clock);
        let stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.iter().find_map(|stamp| {
            let age =
                Duration::from_millis(now.saturating_sub(stamp.last_ms.load(Ordering::Relaxed)));
            (age > stamp.max_age).then_some((stamp.name, age))
        })
    }
}

impl Pulse {
    /// The loop turns.
    pub fn beat(&self) {
        self.stamp
            .last_ms
            .store(now_ms(&self.clock), Ordering::Relaxed);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stamps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|stamp| !Arc::ptr_eq(stamp, &self.stamp));
    }
}

fn now_ms(clock: &SharedClock) -> u64 {
    u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX)
}

/// How often the service manager wants to hear of us; `None` when it does not.
pub fn requested_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Pings at half of `interval` for as long as every loop turns. Runs for ever; does nothing when dropped.
pub async fn run(clock: SharedClock, liveness: Liveness, interval: Duration) {
    ping_while_alive(clock, liveness, interval, notify::watchdog).await;
}

async fn ping_while_alive(
    clock: SharedClock,
    liveness: Liveness,
    interval: Duration,
    mut ping: impl FnMut(),
) {
    let mut reported = false;
    loop {
        match liveness.stalled() {
            None => {
                reported = false;
                ping();
            }
            Some((name, age)) if !reported => {
                reported = true;
                log::error!(
                    LOOP = name;
                    "{name} has not turned for {} s: no watchdog ping until it does", age.as_secs()
                );
            }
            Some(_) => {}
        }
        clock.sleep(interval / 2).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SimClock, UtcMs};

    #[tokio::test]
    async fn pings_stop_while_a_loop_hangs_and_resume_when_it_turns() {
        let sim = SimClock::new(UtcMs(0));
        let clock: SharedClock = Arc::new(sim.clone());
        let liveness = Liveness::new(clock.clone());
        let pulse = liveness.pulse("accept loop", Duration::from_secs(10));
        let pings = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&pings);
        let task = tokio::spawn(ping_while_alive(
            clock,
            liveness.clone(),
            Duration::from_secs(30),
            move || {
                count.fetch_add(1, Ordering::Relaxed);
            },
        ));
        let settle = || async {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
        };
        settle().await;
        assert_eq!(pings.load(Ordering::Relaxed), 1);

        sim.advance(Duration::from_secs(14));
        pulse.beat();
        sim.advance(Duration::from_secs(1));
        settle().await;
        assert_eq!(pings.load(Ordering::Relaxed), 2);

        sim.advance(Duration::from_secs(15));
        settle().await;
        assert_eq!(pings.load(Ordering::Relaxed), 2);
        assert_eq!(
            liveness.stalled(),
            Some(("accept loop", Duration::from_secs(16)))
        );

        pulse.beat();
        sim.advance(Duration::from_secs(15));
        settle().await;
        assert_eq!(pings.load(Ordering::Relaxed), 2, "stale again after 15 s");
        drop(pulse);
        sim.advance(Duration::from_secs(15));
        settle().await;
        assert_eq!(
            pings.load(Ordering::Relaxed),
            3,
            "a loop that ended in order is not waited for"
        );
        assert!(sim.next_wake().is_some());
        assert!(sim.monotonic() > Duration::ZERO);
        task.abort();
    }
}
