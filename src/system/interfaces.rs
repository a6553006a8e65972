//! The network interfaces of this box and their addresses, by getifaddrs(3).

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

use super::cidr::Cidr;
use crate::error::{Error, Result};

/// One address of one interface that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name as the kernel knows it (`eth0`).
    pub name: String,
    /// Number as the kernel knows it; 0 is none.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of the on-link prefix in bits.
    pub prefix: u8,
    /// Reaches this box only.
    pub loopback: bool,
    /// Carries multicast.
    pub multicast: bool,
    /// Leads to containers or virtual machines on this box, not to the LAN.
    pub internal: bool,
}

impl Interface {
    /// Whether other devices of the LAN may reach us by this address.
    pub fn faces_lan(&self) -> bool {
        !self.loopback && !self.internal
    }

    /// The addresses that are reached without a router.
    pub fn on_link(&self) -> Result<Cidr> {
        Cidr::new(self.address, self.prefix)
    }
}

/// Every address of every interface that is up, in the kernel's order.
pub fn interfaces() -> Result<Vec<Interface>> {
    let all = getifaddrs()
        .map_err(|e| Error::io("listing the network interfaces (getifaddrs)", e.into()))?;
    let mut found = Vec::new();
    for entry in all {
        let Some(address) = entry.address.as_ref().and_then(ip_of) else {
            continue;
        };
        if !entry.flags.contains(InterfaceFlags::IFF_UP) {
            continue;
        }
        let prefix = entry.netmask.as_ref().and_then(ip_of).map_or(0, prefix_of);
        let name = entry.interface_name;
        found.push(Interface {
            index: if_nametoindex(name.as_str()).unwrap_or(0),
            internal: is_internal(&name),
            loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            multicast: entry.flags.contains(InterfaceFlags::IFF_MULTICAST),
            address,
            prefix,
            name,
        });
    }
    Ok(found)
}

fn ip_of(storage: &SockaddrStorage) -> Option<IpAddr> {
    match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
        (Some(v4), _) => Some(IpAddr::V4(v4.ip())),
        (_, Some(v6)) => Some(IpAddr::V6(v6.ip())),
        _ => None,
    }
}

fn prefix_of(netmask: IpAddr) -> u8 {
    let bits = match netmask {
        IpAddr::V4(mask) => u32::from(mask).leading_ones(),
        IpAddr::V6(mask) => u128::from(mask).leading_ones(),
    };
    u8::try_from(bits).unwrap_or(0)
}

/// Host ends of the networks that container engines and hypervisors make by themselves.
fn is_internal(name: &str) -> bool {
    const PREFIXES: [&str; 12] = [
        "docker", "br-", "veth", "podman", "cni", "flannel", "virbr", "vnet", "lxcbr", "lxdbr",
        "incusbr", "cali",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether all that this process sees of the network is a container engine's private bridge: then no address of
/// ours means anything on the LAN, and no broadcast of the LAN reaches us.
pub fn behind_container_bridge(interfaces: &[Interface]) -> bool {
    in_container() && only_bridge_addresses(interfaces)
}

fn in_container() -> bool {
    // Docker makes the first, podman the second, systemd-nspawn and LXC set the variable.
    Path::new("/.dockerenv").exists()
        || Path::new("/run/.containerenv").exists()
        || std::env::var_os("container").is_some()
}

/// The ranges that Docker and podman hand out when nobody says otherwise, with the length of the prefix that tells
/// such a network from a LAN of the same range: Docker's address pools (172.17–31/16, 192.168.0.0/16 by /20), podman's
/// (10.88.0.0/16, then 10.89.n.0/24).
fn only_bridge_addresses(interfaces: &[Interface]) -> bool {
    let is_bridge = |interface: &Interface| match (interface.address, interface.prefix) {
        (IpAddr::V4(ip), prefix) => match (ip.octets(), prefix) {
            ([172, second, ..], 16) => (17..32).contains(&second),
            ([192, 168, ..], 20) => true,
            ([10, 88, ..], 16) | ([10, 89, ..], 24) => true,
            _ => false,
        },
        (IpAddr::V6(_), _) => false,
    };
    let mut outside = interfaces
        .iter()
        .filter(|i| !i.loopback && i.address.is_ipv4())
        .peekable();
    outside.peek().is_some() && outside.all(is_bridge)
}

/// Whether an IPv6 address only means something together with an interface (RFC 4291 §2.5.6).
pub fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xFFC0 == 0xFE80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, address: &str, prefix: u8) -> Interface {
        Interface {
            name: name.to_owned(),
            index: 2,
            address: address.parse().unwrap(),
            prefix,
            loopback: name == "lo",
            multicast: true,
            internal: is_internal(name),
        }
    }

    #[test]
    fn every_box_lists_what_the_kernel_lists() {
        // An oracle of its own: the kernel's table of IPv6 addresses.
        let listed = interfaces().unwrap();
        let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        for line in table.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let address = u128::from_str_radix(fields[0], 16).unwrap();
            let address = IpAddr::V6(Ipv6Addr::from(address));
            let prefix = u8::from_str_radix(fields[2], 16).unwrap();
            let up = listed
                .iter()
                .find(|i| i.address == address && i.name == fields[5]);
            if let Some(up) = up {
                assert_eq!(up.prefix, prefix, "{line}");
                assert_eq!(up.index, u32::from_str_radix(fields[1], 16).unwrap());
            }
        }
        assert!(
            listed
                .iter()
                .all(|i| i.loopback == i.address.is_loopback() || !i.loopback)
        );
    }

    #[test]
    fn a_container_bridge_is_told_from_a_lan() {
        let lo = interface("lo", "127.0.0.1", 8);
        #[track_caller]
        fn check(interfaces: &[Interface], expected: bool) {
            assert_eq!(
                only_bridge_addresses(interfaces),
                expected,
                "{interfaces:?}"
            );
        }
        check(&[lo.clone(), interface("eth0", "172.17.0.2", 16)], true);
        check(&[lo.clone(), interface("eth0", "10.88.0.5", 16)], true);
        check(&[lo.clone(), interface("eth0", "192.168.32.2", 20)], true);
        check(&[lo.clone(), interface("eth0", "192.168.1.20", 24)], false);
        check(&[lo.clone(), interface("eth0", "172.16.4.2", 24)], false);
        check(
            &[
                interface("docker0", "172.17.0.1", 16),
                interface("eth0", "192.168.1.20", 24),
            ],
            false,
        );
        check(&[lo], false);
    }

    #[test]
    fn host_ends_of_virtual_networks_do_not_face_the_lan() {
        assert!(!interface("docker0", "172.17.0.1", 16).faces_lan());
        assert!(!interface("br-12ab", "172.18.0.1", 16).faces_lan());
        assert!(!interface("lo", "127.0.0.1", 8).faces_lan());
        assert!(interface("br0", "192.168.1.2", 24).faces_lan());
        assert!(interface("enp3s0", "192.168.1.2", 24).faces_lan());
    }
}
