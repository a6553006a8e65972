//! Random bytes from the kernel, and a small generator for delays.

use std::fs::File;
use std::io::Read;

use crate::error::{Error, Result};

/// `N` bytes that nobody can guess.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut out))
        .map_err(|e| Error::io("reading random bytes from /dev/urandom", e))?;
    Ok(out)
}

/// A generator for spreading things in time. Never for secrets: its output can be guessed.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// A generator that always yields the same sequence for the same seed.
    pub fn new(seed: u64) -> Self {
        // Xorshift stays at zero for ever, so zero is not a seed.
        Self(seed.max(1))
    }

    /// A generator that differs from start to start and box to box.
    pub fn from_system() -> Result<Self> {
        bytes().map(|b| Self::new(u64::from_le_bytes(b)))
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // Marsaglia, "Xorshift RNGs" (2003): shifts 13, 7, 17.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.checked_rem(end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_below_its_end_and_moves() {
        let mut jitter = Jitter::new(0);
        let drawn: Vec<u64> = (0..100).map(|_| jitter.below(1000)).collect();
        assert!(drawn.iter().all(|&n| n < 1000));
        assert!(drawn.iter().collect::<std::collections::HashSet<_>>().len() > 50);
        assert_eq!(jitter.below(0), 0);
    }

    #[test]
    fn two_draws_from_the_kernel_differ() {
        assert_ne!(bytes::<16>().unwrap(), bytes::<16>().unwrap());
    }
}
