//! Under which base URL the sender of a datagram can reach our web server, and whether it may know.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::error::Result;
use crate::system::cidr::Cidr;
use crate::system::interfaces::{self, Interface, is_link_local};
use crate::system::origin::{self, write_base_url};

/// A base URL in a buffer of fixed size.
pub type BaseUrl = heapless::String<160>;

/// How clients reach us.
#[derive(Clone, Debug, Default)]
pub struct ReachConfig {
    /// Port of our web server.
    pub http_port: u16,
    /// The base URL that the user gave, for boxes that cannot know how they are seen.
    pub advertise: Option<String>,
    /// Ranges that count as local beside the private ones and those of our interfaces.
    pub allow: Vec<Cidr>,
}

/// What the box is attached to, looked at from time to time.
#[derive(Debug)]
pub struct Reach {
    config: ReachConfig,
    list: fn() -> Result<Vec<Interface>>,
    interfaces: Vec<Interface>,
    local: Vec<Cidr>,
    behind_bridge: bool,
}

/// Where a datagram came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who sent it.
    pub source: SocketAddr,
    /// Where it was sent to: an address of ours, a broadcast or a multicast address.
    pub destination: IpAddr,
    /// Our address on the interface that it came in by; for IPv6 the same as `destination`.
    pub local: IpAddr,
    /// The number of that interface.
    pub interface: u32,
}

impl Reach {
    /// Looks at the interfaces of this box.
    pub fn new(config: ReachConfig) -> Self {
        Self::with_interfaces(config, interfaces::interfaces)
    }

    /// Looks at other interfaces than the box's.
    pub fn with_interfaces(config: ReachConfig, list: fn() -> Result<Vec<Interface>>) -> Self {
        let mut reach = Self {
            config,
            list,
            interfaces: Vec::new(),
            local: Vec::new(),
            behind_bridge: false,
        };
        reach.refresh();
        reach
    }

    /// Looks again; says whether anything is different.
    pub fn refresh(&mut self) -> bool {
        let now = match (self.list)() {
            Ok(now) => now,
            Err(error) => {
                log::debug!("{error:#}");
                return false;
            }
        };
        if now == self.interfaces && !self.local.is_empty() {
            return false;
        }
        // A prefix of no bits (a point-to-point link) would make the whole world local.
        let on_link = now.iter().filter_map(|i| i.on_link().ok());
        self.local = on_link.filter(|range| range.prefix() > 0).collect();
        self.local.extend_from_slice(&self.config.allow);
        self.behind_bridge = interfaces::behind_container_bridge(&now);
        self.interfaces = now;
        true
    }

    /// Why nobody may be told about us: we do not know an address of ours that means anything outside.
    pub fn silent(&self) -> Option<String> {
        self.is_silent().then(|| {
            "running on a container's private network, where no address means anything to the LAN: run the container \
             with network mode \"host\", or set advertise = \"http://ADDRESS-OF-THE-HOST:PORT\" and add the tuner by hand"
                .to_owned()
        })
    }

    /// Whether nobody may be told about us; see [`Reach::silent`].
    pub fn is_silent(&self) -> bool {
        self.behind_bridge && self.config.advertise.is_none()
    }

    /// Whether an address is of this house.
    pub fn is_local(&self, ip: IpAddr) -> bool {
        origin::is_local(ip, &self.local)
    }

    /// A datagram that may be answered: from this house, at a time when we are of use. One of this box itself may
    /// come from `0.0.0.0` ("this host", RFC 1122 §3.2.1.3), namely when there is no network but the loopback.
    pub fn admit(&self, mut arrival: Arrival) -> Option<Arrival> {
        if self.is_silent() {
            return None;
        }
        let this_host = arrival.source.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut interfaces = self.interfaces.iter();
        if this_host && interfaces.any(|i| i.loopback && i.index == arrival.interface) {
            arrival.source.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
            arrival.local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        }
        self.is_local(arrival.source.ip()).then_some(arrival)
    }

    /// The base URL for the sender of a datagram; `None` when no address of ours is of use to it.
    pub fn base_for(&self, arrival: &Arrival) -> Option<BaseUrl> {
        let ours = self.address_for(arrival);
        self.base_at(ours)
    }

    /// The base URL at an address of ours, or the one that the user gave.
    pub fn base_at(&self, address: Option<IpAddr>) -> Option<BaseUrl> {
        let mut base = BaseUrl::new();
        match &self.config.advertise {
            Some(advertised) => base.write_str(advertised).ok()?,
            None => write_base_url(&mut base, address?, self.config.http_port).ok()?,
        }
        Some(base)
    }

    fn address_for(&self, arrival: &Arrival) -> Option<IpAddr> {
        let from_here = arrival.source.ip().to_canonical().is_loopback();
        let useful = |ip: IpAddr| match ip {
            _ if ip.is_loopback() => from_here,
            IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
            // Most clients cannot open a link-local URL, as it needs the interface of their side.
            IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !is_link_local(ip),
        };
        if useful(arrival.local) {
            return Some(arrival.local);
        }
        let v4 = arrival.source.is_ipv4();
        let same_interface = self
            .interfaces
            .iter()
            .filter(|i| i.index == arrival.interface && i.address.is_ipv4() == v4);
        same_interface.map(|i| i.address).find(|&ip| useful(ip))
    }

    /// The IPv4 addresses under which the LAN is told about us, one per interface. When there is no network at all, this
    /// box itself.
    pub fn announced(&self) -> impl Iterator<Item = &Interface> {
        let usable = |i: &&Interface| i.address.is_ipv4() && i.multicast;
        let lan = move |i: &&Interface| usable(i) && i.faces_lan();
        let only_here = !self.interfaces.iter().any(|i| lan(&i));
        let first = |at: usize, i: &Interface| {
            let before = self.interfaces.iter().take(at);
            !before
                .filter(|b| b.address.is_ipv4())
                .any(|b| b.index == i.index)
        };
        self.interfaces
            .iter()
            .enumerate()
            .filter(move |(_, i)| lan(i) || (only_here && i.loopback && i.address.is_ipv4()))
            .filter(move |(at, i)| first(*at, i))
            .map(|(_, i)| i)
    }

    /// All interfaces.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A box with two LANs, a container bridge and IPv6.
    pub(crate) fn two_lans() -> Result<Vec<Interface>> {
        let interface = |name: &str, index, address: &str, prefix| Interface {
            name: name.to_owned(),
            index,
            address: address.parse().unwrap(),
            prefix,
            loopback: name == "lo",
            multicast: name != "lo",
            internal: name == "docker0",
        };
        Ok(vec![
            interface("lo", 1, "127.0.0.1", 8),
            interface("eth0", 2, "192.168.1.20", 24),
            interface("eth1", 3, "10.9.0.20", 16),
            interface("eth1", 3, "10.9.0.21", 16),
            interface("docker0", 4, "172.17.0.1", 16),
            interface("eth0", 2, "fe80::20", 64),
            interface("eth0", 2, "fd00::20", 64),
            interface("eth1", 3, "fe80::21", 64),
        ])
    }

    pub(crate) fn reach() -> Reach {
        let config = ReachConfig {
            http_port: 8411,
            ..ReachConfig::default()
        };
        Reach::with_interfaces(config, two_lans)
    }

    fn arrival(source: &str, destination: &str, local: &str, interface: u32) -> Arrival {
        Arrival {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            local: local.parse().unwrap(),
            interface,
        }
    }

    #[test]
    fn each_interface_has_its_own_base() {
        let reach = reach();
        #[track_caller]
        fn check(reach: &Reach, arrival: Arrival, expected: Option<&str>) {
            assert_eq!(reach.base_for(&arrival).as_deref(), expected);
        }
        let everybody = "255.255.255.255";
        check(
            &reach,
            arrival("192.168.1.5:4000", everybody, "192.168.1.20", 2),
            Some("http://192.168.1.20:8411"),
        );
        check(
            &reach,
            arrival("10.9.3.3:4000", everybody, "10.9.0.20", 3),
            Some("http://10.9.0.20:8411"),
        );
        check(
            &reach,
            arrival("127.0.0.1:4000", "127.0.0.1", "127.0.0.1", 1),
            Some("http://127.0.0.1:8411"),
        );
        // A client elsewhere is never sent to its own loopback.
        check(
            &reach,
            arrival("192.168.1.5:4000", everybody, "127.0.0.1", 1),
            None,
        );
        // IPv6: the address of the interface that others can open, or none.
        check(
            &reach,
            arrival("[fe80::5]:4000", "ff02::176", "ff02::176", 2),
            Some("http://[fd00::20]:8411"),
        );
        check(
            &reach,
            arrival("[fe80::5]:4000", "ff02::176", "ff02::176", 3),
            None,
        );
    }

    #[test]
    fn what_the_user_gave_is_told_to_all() {
        let config = ReachConfig {
            http_port: 8411,
            advertise: Some("http://tv.lan".to_owned()),
            allow: vec!["100.64.0.0/10".parse().unwrap()],
        };
        let reach = Reach::with_interfaces(config, two_lans);
        let arrival = arrival("192.168.1.5:4000", "255.255.255.255", "192.168.1.20", 2);
        assert_eq!(reach.base_for(&arrival).as_deref(), Some("http://tv.lan"));
        assert!(reach.is_local("100.64.1.1".parse().unwrap()));
        assert!(!reach.is_local("8.8.8.8".parse().unwrap()));
    }

    #[test]
    fn only_this_house_is_admitted() {
        let reach = reach();
        #[track_caller]
        fn check(reach: &Reach, source: &str, interface: u32, expected: Option<&str>) {
            let came = arrival(source, "255.255.255.255", "0.0.0.0", interface);
            let admitted = reach.admit(came).map(|a| a.source.to_string());
            assert_eq!(admitted.as_deref(), expected);
        }
        check(&reach, "192.168.1.5:9", 2, Some("192.168.1.5:9"));
        check(&reach, "0.0.0.0:9", 1, Some("127.0.0.1:9"));
        check(&reach, "0.0.0.0:9", 2, None);
        check(&reach, "203.0.113.5:9", 2, None);
    }

    #[test]
    fn the_lan_is_told_once_per_interface_and_bridges_are_not() {
        let reach = reach();
        let told: Vec<String> = reach.announced().map(|i| i.address.to_string()).collect();
        assert_eq!(told, ["192.168.1.20", "10.9.0.20"]);
        let alone = Reach::with_interfaces(ReachConfig::default(), || {
            Ok(two_lans()?.into_iter().filter(|i| i.loopback).collect())
        });
        assert_eq!(alone.announced().count(), 1);
    }
}
