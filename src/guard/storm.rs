//! A guard against restart storms.

use std::collections::VecDeque;
use std::time::Duration;

const RESTARTS: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// At most ten restarts within 60 s.
#[derive(Clone, Debug, Default)]
pub struct StormGuard(VecDeque<Duration>);

impl StormGuard {
    /// No restarts yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a restart at `now` (monotonic time) when it is allowed; else says how long to wait.
    pub fn restart(&mut self, now: Duration) -> Result<(), Duration> {
        while self
            .0
            .front()
            .is_some_and(|&at| now.saturating_sub(at) >= WINDOW)
        {
            self.0.pop_front();
        }
        match self.0.front() {
            Some(&oldest) if self.0.len() >= RESTARTS => Err((oldest + WINDOW).saturating_sub(now)),
            _ => {
                self.0.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_restart_waits_until_the_first_is_a_minute_old() {
        let mut guard = StormGuard::new();
        for n in 0..10 {
            assert_eq!(guard.restart(Duration::from_secs(n)), Ok(()));
        }
        assert_eq!(
            guard.restart(Duration::from_secs(10)),
            Err(Duration::from_secs(50))
        );
        assert_eq!(guard.restart(Duration::from_secs(60)), Ok(()));
        assert_eq!(
            guard.restart(Duration::from_secs(60)),
            Err(Duration::from_secs(1))
        );
    }
}
