//! Ranges of addresses, as in `192.168.0.0/16` (RFC 4632 §3.1, RFC 4291 §2.3).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::bail;
use crate::error::{Error, Result};

/// All addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The range of `prefix` bits around `address`; bits beyond the prefix are of no account.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix > most {
            bail!(
                Invalid,
                "/{prefix} is too long a prefix for {address}: at most /{most}"
            );
        }
        Ok(Self { address, prefix })
    }

    /// Whether `address` lies in it. An IPv4 address written as IPv6 (`::ffff:a.b.c.d`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let wide = |ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(ip) => (u128::from(u32::from(ip)) << 96, 32),
            IpAddr::V6(ip) => (u128::from(ip), 128),
        };
        let ((ours, our_bits), (theirs, their_bits)) = (wide(self.address), wide(address));
        let differ = (ours ^ theirs)
            .checked_shr(128 - u32::from(self.prefix))
            .unwrap_or(0);
        our_bits == their_bits && differ == 0
    }

    /// How many leading bits are fixed.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Cidr {
    type Err = Error;

    /// Reads `address/prefix`, or an address alone for that address only.
    fn from_str(text: &str) -> Result<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(address) = address.trim().parse::<IpAddr>() else {
            bail!(
                Invalid,
                "{text:?} is not a range of addresses: write it like 192.168.1.0/24 or fd00::/8"
            );
        };
        let prefix = match prefix {
            None => Some(if address.is_ipv4() { 32 } else { 128 }),
            Some(digits) => digits.trim().parse::<u8>().ok(),
        };
        match prefix {
            Some(prefix) => Self::new(address, prefix),
            None => bail!(
                Invalid,
                "{text:?}: what follows the slash must be a number of bits, as in 192.168.1.0/24"
            ),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_follows_the_prefix() {
        #[track_caller]
        fn check(range: &str, address: &str, expected: bool) {
            let range: Cidr = range.parse().unwrap();
            assert_eq!(
                range.contains(address.parse().unwrap()),
                expected,
                "{range} {address}"
            );
        }
        check("192.168.1.0/24", "192.168.1.255", true);
        check("192.168.1.77/24", "192.168.1.1", true);
        check("192.168.1.0/24", "192.168.2.1", false);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "::1", false);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "fe80::1", false);
        check("::/0", "2001:db8::1", true);
        check("203.0.113.7", "203.0.113.7", true);
        check("203.0.113.7", "203.0.113.8", false);
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for bad in [
            "",
            "lan",
            "192.168.1.0/33",
            "fd00::/129",
            "10.0.0.0/",
            "10.0.0/8",
            "10.0.0.0/-1",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }
}
