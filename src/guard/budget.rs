//! A budget of bytes that many holders share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many bytes, no more. Clones share one budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
}

impl Budget {
    /// A budget of `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self(Arc::new(Inner {
            limit_bytes,
            used_bytes: AtomicUsize::new(0),
        }))
    }

    /// The whole budget.
    pub fn limit_bytes(&self) -> usize {
        self.0.limit_bytes
    }

    /// What is taken.
    pub fn used_bytes(&self) -> usize {
        self.0.used_bytes.load(Ordering::Relaxed)
    }

    /// An empty share, to be grown by its holder.
    pub fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

/// What one holder has taken; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    /// What this holder has taken.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes the share exactly `bytes`. Shrinking always succeeds; false when growing would pass the limit.
    #[must_use = "a refused share has not grown"]
    pub fn resize(&mut self, bytes: usize) -> bool {
        let Inner {
            limit_bytes,
            used_bytes,
        } = &*self.budget.0;
        if let Some(more) = bytes.checked_sub(self.bytes) {
            let taken = used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(more).filter(|sum| sum <= limit_bytes)
            });
            if taken.is_err() {
                return false;
            }
        } else {
            used_bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget
            .0
            .used_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_pass_the_limit_and_come_back_when_dropped() {
        let budget = Budget::new(100);
        let (mut a, mut b) = (budget.share(), budget.share());
        assert!(a.resize(60));
        assert!(!b.resize(41));
        assert!(b.resize(40));
        assert_eq!(budget.used_bytes(), 100);
        assert!(a.resize(10));
        assert!(!b.resize(usize::MAX));
        assert_eq!((a.bytes(), b.bytes(), budget.used_bytes()), (10, 40, 50));
        drop(b);
        assert_eq!(budget.used_bytes(), 10);
        drop(a);
        assert_eq!(budget.used_bytes(), 0);
    }
}
