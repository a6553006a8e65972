//! A circuit breaker: a thing that keeps failing is left alone for a while.

use std::collections::VecDeque;
use std::time::Duration;

const FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(300);
const REST: Duration = Duration::from_secs(120);

/// Whether the guarded thing may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In use.
    Closed,
    /// Left alone.
    Open,
    /// One attempt is allowed; its outcome decides.
    HalfOpen,
}

/// Five failures within 300 s open it for 120 s; then one attempt decides. Times are those of
/// [`crate::clock::Clock::monotonic`].
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    failures: VecDeque<Duration>,
    opened: Option<Duration>,
    trying: bool,
}

impl Breaker {
    /// Closed, without failures.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its state at `now`.
    pub fn state(&self, now: Duration) -> State {
        match self.opened {
            None => State::Closed,
            Some(since) if now.saturating_sub(since) < REST => State::Open,
            Some(_) => State::HalfOpen,
        }
    }

    /// Whether an attempt may be made at `now`. When half open, only the first who asks may.
    pub fn allows(&mut self, now: Duration) -> bool {
        match self.state(now) {
            State::Closed => true,
            State::Open => false,
            State::HalfOpen => !std::mem::replace(&mut self.trying, true),
        }
    }

    /// An attempt succeeded.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// An attempt failed at `now`. True when this opened the breaker.
    pub fn failed(&mut self, now: Duration) -> bool {
        if self.state(now) == State::HalfOpen {
            self.opened = Some(now);
            self.trying = false;
            return true;
        }
        self.failures.push_back(now);
        while self
            .failures
            .front()
            .is_some_and(|&at| now.saturating_sub(at) > WINDOW)
        {
            self.failures.pop_front();
        }
        if self.failures.len() < FAILURES || self.opened.is_some() {
            // An open breaker can still hear of attempts that began before it opened.
            self.failures.truncate(FAILURES);
            return false;
        }
        self.opened = Some(now);
        self.failures.clear();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened_at(seconds: u64) -> Breaker {
        let mut breaker = Breaker::new();
        for n in 0..FAILURES {
            assert_eq!(breaker.failed(s(seconds)), n + 1 == FAILURES);
        }
        breaker
    }

    #[test]
    fn five_failures_in_the_window_open_it_and_spread_ones_do_not() {
        let mut breaker = Breaker::new();
        for n in 0..20 {
            assert!(
                !breaker.failed(s(n * 76)),
                "four failures per 300 s are not five"
            );
        }
        assert_eq!(opened_at(7).state(s(7)), State::Open);
    }

    #[test]
    fn after_its_rest_exactly_one_attempt_is_allowed() {
        let mut breaker = opened_at(0);
        assert!(!breaker.allows(s(119)));
        assert!(breaker.allows(s(120)));
        assert!(!breaker.allows(s(120)));
        assert!(breaker.failed(s(121)), "the attempt failed: open again");
        assert_eq!(breaker.state(s(240)), State::Open);
        assert!(breaker.allows(s(241)));
        breaker.succeeded();
        assert_eq!(breaker.state(s(241)), State::Closed);
        assert!(breaker.allows(s(241)) && breaker.allows(s(241)));
    }
}
