//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(16);

/// Exponential waits of 1, 2, 4, 8, 16, 16 … seconds, each ±25 % so that many things which failed
/// together do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    random: u64,
}

impl Backoff {
    /// Starts at one second, with jitter of its own.
    pub fn new() -> Self {
        Self::with_seed(RandomState::new().hash_one(0))
    }

    /// Starts at one second, with jitter from `seed`.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            next: FIRST,
            random: seed,
        }
    }

    /// The wait before the next attempt; the one after it is twice as long.
    pub fn next_wait(&mut self) -> Duration {
        let base = self.next;
        self.next = (base * 2).min(LONGEST);
        // splitmix64 (Steele, Lea, Flood 2014): small, and good enough for jitter.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let per_mille = 750 + u32::try_from((z ^ (z >> 31)) % 501).unwrap_or_default();
        base * per_mille / 1000
    }

    /// After a success: the next wait is one second again.
    pub fn reset(&mut self) {
        self.next = FIRST;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_sixteen_seconds_within_a_quarter() {
        for seed in 0..200 {
            let mut backoff = Backoff::with_seed(seed);
            for expected in [1, 2, 4, 8, 16, 16, 16] {
                let base = Duration::from_secs(expected);
                let wait = backoff.next_wait();
                assert!(
                    wait >= base * 3 / 4 && wait <= base * 5 / 4,
                    "seed {seed}: {wait:?}"
                );
            }
            backoff.reset();
            assert!(backoff.next_wait() <= Duration::from_millis(1250));
        }
    }

    #[test]
    fn two_that_failed_together_do_not_return_together() {
        let waits: std::collections::BTreeSet<_> = (0..100)
            .map(|seed| Backoff::with_seed(seed).next_wait())
            .collect();
        assert!(waits.len() > 50, "{} different waits of 100", waits.len());
    }
}
