//! How many answers one address may have: enough for every honest client, too few to use us for flooding somebody
//! whose address was forged.

use std::net::IpAddr;
use std::time::Duration;

/// Addresses that are remembered. When it is full, the one that was quiet longest is forgotten.
const SOURCES: usize = 64;
/// Answers to one address at once, and per second in the long run.
const PER_SOURCE: u32 = 10;
/// Answers to all addresses at once, and per second in the long run.
const FOR_ALL: u32 = 100;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    filled: Duration,
}

impl Bucket {
    fn new(tokens: u32, now: Duration) -> Self {
        Self {
            tokens,
            filled: now,
        }
    }

    /// Takes a token; one comes back every `1 / most` seconds.
    fn take(&mut self, most: u32, now: Duration) -> bool {
        let period = Duration::from_secs(1) / most;
        let came = now.saturating_sub(self.filled).as_nanos() / period.as_nanos();
        let came = u32::try_from(came).unwrap_or(u32::MAX);
        if came >= most {
            *self = Self::new(most, now);
        } else {
            self.tokens = most.min(self.tokens + came);
            self.filled += period * came;
        }
        let granted = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        granted
    }
}

/// Limits answers per address and in all. Of a fixed size.
#[derive(Debug)]
pub(super) struct RateLimit {
    sources: heapless::Vec<(IpAddr, Bucket), SOURCES>,
    all: Bucket,
}

impl RateLimit {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            sources: heapless::Vec::new(),
            all: Bucket::new(FOR_ALL, now),
        }
    }

    /// Whether `source` may have one more answer.
    pub(super) fn allow(&mut self, source: IpAddr, now: Duration) -> bool {
        let known = self.sources.iter_mut().find(|(ip, _)| *ip == source);
        let granted = match known {
            Some((_, bucket)) => bucket.take(PER_SOURCE, now),
            None => {
                let entry = (source, Bucket::new(PER_SOURCE - 1, now));
                if let Err(entry) = self.sources.push(entry) {
                    let oldest = self.sources.iter_mut().min_by_key(|(_, b)| b.filled);
                    if let Some(oldest) = oldest {
                        *oldest = entry;
                    }
                }
                true
            }
        };
        granted && self.all.take(FOR_ALL, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from(0xC0A8_0000 + last))
    }

    #[test]
    fn one_address_gets_ten_at_once_and_ten_a_second() {
        let start = Duration::from_secs(5);
        let mut limit = RateLimit::new(start);
        let granted = (0..1000).filter(|_| limit.allow(ip(1), start)).count();
        assert_eq!(granted, 10);
        assert!(limit.allow(ip(2), start), "another is not held up");
        let granted = (0..10_000)
            .filter(|&ms| limit.allow(ip(1), start + Duration::from_millis(ms)))
            .count();
        assert!((99..=101).contains(&granted), "{granted}");
    }

    #[test]
    fn many_addresses_share_a_limit_and_a_table_of_fixed_size() {
        let start = Duration::from_secs(5);
        let mut limit = RateLimit::new(start);
        let granted = (0..5000).filter(|&n| limit.allow(ip(n), start)).count();
        assert_eq!(granted, 100);
        assert!(limit.allow(ip(9), start + Duration::from_secs(1)));
    }
}
