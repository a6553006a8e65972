//! Under which address a client reaches us, and whether it is one of this house.
//!
//! Every URL that we hand out is built on the address that the client itself used, because only that is known to
//! work from where it stands. The order is: what a trusted proxy says that the client asked for, the `Host` header,
//! the configured `advertise`, the address at which the request arrived. A trusted proxy is heard before `Host`,
//! since most proxies put the address by which *they* reach us there. What would lead the client astray is skipped:
//! our loopback addresses for a client elsewhere, and names that are none.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::cidr::Cidr;
use super::interfaces::is_link_local;
use crate::bail;
use crate::error::Result;

/// What a request says about where it came from and where it went.
#[derive(Clone, Copy, Debug)]
pub struct RequestOrigin<'a> {
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// `X-Forwarded-Host`.
    pub forwarded_host: Option<&'a str>,
    /// `X-Forwarded-Proto`.
    pub forwarded_proto: Option<&'a str>,
    /// `X-Forwarded-For`; the address nearest to us stands last.
    pub forwarded_for: Option<&'a str>,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
}

impl<'a> RequestOrigin<'a> {
    /// A request without headers.
    pub fn new(local: SocketAddr, peer: SocketAddr) -> Self {
        Self {
            host: None,
            forwarded_host: None,
            forwarded_proto: None,
            forwarded_for: None,
            local,
            peer,
        }
    }

    /// The same with a `Host` header.
    #[must_use]
    pub fn with_host(mut self, host: Option<&'a str>) -> Self {
        self.host = host;
        self
    }
}

/// What the user said about addresses, and what the box is attached to.
#[derive(Clone, Debug, Default)]
pub struct OriginConfig {
    /// The base URL to hand out when a request does not tell, without a slash at the end.
    pub advertise: Option<String>,
    /// Proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Ranges that count as local beside the private ones: `allow` of the configuration, and the on-link prefixes
    /// of our interfaces.
    pub local_networks: Vec<Cidr>,
}

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, as far as it can be believed.
    pub ip: IpAddr,
    /// Whether it is of this house.
    pub local: bool,
}

/// Who sent a request. A forwarded header from a peer that is no trusted proxy makes it remote: somebody
/// else's request came in through a machine of the house.
pub fn client(origin: &RequestOrigin<'_>, config: &OriginConfig) -> Client {
    let peer = origin.peer.ip().to_canonical();
    let forwarded = [
        origin.forwarded_for,
        origin.forwarded_host,
        origin.forwarded_proto,
    ];
    if forwarded.iter().all(Option::is_none) {
        return Client {
            ip: peer,
            local: is_local(peer, &config.local_networks),
        };
    }
    if !trusted(peer, config) {
        return Client {
            ip: peer,
            local: false,
        };
    }
    let Some(chain) = origin.forwarded_for else {
        return Client {
            ip: peer,
            local: is_local(peer, &config.local_networks),
        };
    };
    // Each proxy appends whom it heard; the first address from the end that is no proxy of ours is the client.
    for hop in chain.rsplit(',') {
        match forwarded_address(hop) {
            Some(ip) if trusted(ip, config) => {}
            Some(ip) => {
                return Client {
                    ip,
                    local: is_local(ip, &config.local_networks),
                };
            }
            None => {
                return Client {
                    ip: peer,
                    local: false,
                };
            }
        }
    }
    Client {
        ip: peer,
        local: is_local(peer, &config.local_networks),
    }
}

fn trusted(ip: IpAddr, config: &OriginConfig) -> bool {
    config
        .trusted_proxies
        .iter()
        .any(|range| range.contains(ip))
}

/// An address as proxies write it: bare, in brackets, with or without a port.
fn forwarded_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    if let Ok(ip) = hop.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    if let Ok(address) = hop.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    hop.strip_prefix('[')?
        .strip_suffix(']')?
        .parse::<Ipv6Addr>()
        .ok()
        .map(|ip| IpAddr::V6(ip).to_canonical())
}

/// Whether an address is of this house: loopback, private (RFC 1918), link-local (RFC 3927, RFC 4291 §2.5.6), unique
/// local (RFC 4193), or of one of `networks`.
pub fn is_local(ip: IpAddr, networks: &[Cidr]) -> bool {
    let ip = ip.to_canonical();
    let private = match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || is_link_local(ip) || ip.segments()[0] & 0xFE00 == 0xFC00
        }
    };
    private || networks.iter().any(|range| range.contains(ip))
}

/// The base of all URLs in the answer to a request, without a slash at the end: `http://192.168.1.20:8411`.
pub fn base_url(origin: &RequestOrigin<'_>, config: &OriginConfig) -> String {
    let here = client(origin, config).ip.is_loopback();
    let usable = |authority: &&str| match plausible(authority) {
        Some(Host::Loopback) => here,
        Some(Host::Elsewhere) => true,
        None => false,
    };
    if trusted(origin.peer.ip().to_canonical(), config)
        && let Some(host) = origin
            .forwarded_host
            .and_then(|hosts| hosts.split(',').next())
            .map(str::trim)
            .filter(usable)
    {
        let scheme = match origin.forwarded_proto.map(str::trim) {
            Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
            _ => "http",
        };
        return format!("{scheme}://{host}");
    }
    if let Some(host) = origin.host.map(str::trim).filter(usable) {
        return format!("http://{host}");
    }
    if let Some(advertised) = &config.advertise {
        return advertised.clone();
    }
    at_address(origin.local)
}

/// The base URL at an address of ours; IPv6 stands in brackets (RFC 3986 §3.2.2), port 80 is left out.
pub fn at_address(address: SocketAddr) -> String {
    let mut url = String::with_capacity(56);
    // Writing to a String cannot fail.
    let _ = write_base_url(&mut url, address.ip(), address.port());
    url
}

/// Writes what [`at_address`] returns into a buffer of the caller.
pub fn write_base_url(out: &mut impl std::fmt::Write, ip: IpAddr, port: u16) -> std::fmt::Result {
    match ip.to_canonical() {
        IpAddr::V4(ip) => write!(out, "http://{ip}")?,
        IpAddr::V6(ip) => write!(out, "http://[{ip}]")?,
    }
    match port {
        80 => Ok(()),
        port => write!(out, ":{port}"),
    }
}

/// Checks what the user wrote for `advertise`, and removes a slash at the end.
pub fn parse_advertise(text: &str) -> Result<String> {
    let trimmed = text.trim().trim_end_matches('/');
    let authority = trimmed
        .strip_prefix("http://")
        .or_else(|| trimmed.strip_prefix("https://"));
    // A path is allowed: some put us behind a proxy below a folder.
    let host = authority.map(|rest| rest.split('/').next().unwrap_or_default());
    match host.and_then(plausible) {
        Some(Host::Elsewhere)
            if trimmed
                .bytes()
                .all(|b| b.is_ascii_graphic() && !br#""'<>?#"#.contains(&b)) =>
        {
            Ok(trimmed.to_owned())
        }
        Some(Host::Loopback) => bail!(
            Config,
            "advertise = {text:?} is an address that no other device can reach: use this box's name or LAN address"
        ),
        _ => bail!(
            Config,
            "advertise = {text:?} is not a base URL: write it like http://192.168.1.20:8411"
        ),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    Loopback,
    Elsewhere,
}

/// Whether `authority` is a host with an optional port (RFC 3986 §3.2) that may be repeated in a URL, and where it
/// leads. Only letters, digits, dots, hyphens and underscores make a name here: nothing that could end an attribute
/// or a line.
fn plausible(authority: &str) -> Option<Host> {
    if authority.len() > 255 + 6 {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            let ip: Ipv6Addr = host.parse().ok()?;
            check_port(port)?;
            return where_is(IpAddr::V6(ip));
        }
        None => match authority.find(':') {
            Some(colon) => authority.split_at(colon),
            None => (authority, ""),
        },
    };
    check_port(port)?;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return where_is(ip);
    }
    let name = host
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    // A name that ends in a number would be read as an address (WHATWG URL §3.5).
    let last = host.trim_end_matches('.').rsplit('.').next()?;
    if !name || last.is_empty() || last.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bare = host.trim_end_matches('.');
    let loopback = bare.eq_ignore_ascii_case("localhost")
        || bare
            .len()
            .checked_sub(".localhost".len())
            .and_then(|at| bare.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(".localhost"));
    Some(if loopback {
        Host::Loopback
    } else {
        Host::Elsewhere
    })
}

fn where_is(ip: IpAddr) -> Option<Host> {
    let ip = ip.to_canonical();
    if ip.is_unspecified() || ip.is_multicast() {
        None
    } else if ip.is_loopback() {
        Some(Host::Loopback)
    } else {
        Some(Host::Elsewhere)
    }
}

/// `""` or `:port`.
fn check_port(port: &str) -> Option<()> {
    match port.strip_prefix(':') {
        None => port.is_empty().then_some(()),
        Some(digits) => {
            let good = digits.bytes().all(|b| b.is_ascii_digit());
            (good && digits.parse::<u16>().is_ok_and(|n| n != 0)).then_some(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: &str = "192.168.1.20:8411";

    fn request<'a>(host: Option<&'a str>, local: &str, peer: &str) -> RequestOrigin<'a> {
        RequestOrigin::new(local.parse().unwrap(), peer.parse().unwrap()).with_host(host)
    }

    #[test]
    fn the_base_is_what_the_client_used_unless_that_misleads() {
        let config = OriginConfig::default();
        #[track_caller]
        fn check(config: &OriginConfig, host: Option<&str>, local: &str, peer: &str, want: &str) {
            assert_eq!(base_url(&request(host, local, peer), config), want);
        }
        let tv = "192.168.1.50:40000";
        let here = "127.0.0.1:40000";
        check(&config, Some("nas:8411"), LAN, tv, "http://nas:8411");
        check(
            &config,
            Some("nas.home.arpa"),
            LAN,
            tv,
            "http://nas.home.arpa",
        );
        check(&config, None, LAN, tv, "http://192.168.1.20:8411");
        check(&config, None, "192.168.1.20:80", tv, "http://192.168.1.20");
        check(
            &config,
            None,
            "[::ffff:192.168.1.20]:8411",
            "[::ffff:192.168.1.50]:4000",
            "http://192.168.1.20:8411",
        );
        check(
            &config,
            Some("[fd00::20]:8411"),
            "[fd00::20]:8411",
            "[fd00::50]:4000",
            "http://[fd00::20]:8411",
        );
        check(
            &config,
            None,
            "[fd00::20]:8411",
            "[fd00::50]:4000",
            "http://[fd00::20]:8411",
        );
        // Loopback is for clients on this box only.
        check(
            &config,
            Some("localhost:8411"),
            "127.0.0.1:8411",
            here,
            "http://localhost:8411",
        );
        for astray in ["localhost", "127.0.0.1:8411", "[::1]:8411", "x.LOCALHOST."] {
            check(&config, Some(astray), LAN, tv, "http://192.168.1.20:8411");
        }
        // What is no host is not repeated.
        for odd in [
            "",
            "0.0.0.0:8411",
            "a b",
            "nas\"><x",
            "nas/..",
            "user@nas",
            "nas:0",
            "nas:99999",
            "nas:84x",
            "256.1.1.1",
            "[::1",
            "239.255.255.250",
            "nas:1:2",
        ] {
            check(&config, Some(odd), LAN, tv, "http://192.168.1.20:8411");
        }
        let config = OriginConfig {
            advertise: Some("http://tv.example:9000".to_owned()),
            ..OriginConfig::default()
        };
        check(&config, Some("nas:8411"), LAN, tv, "http://nas:8411");
        check(&config, None, LAN, tv, "http://tv.example:9000");
        check(
            &config,
            Some("127.0.0.1"),
            LAN,
            tv,
            "http://tv.example:9000",
        );
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let mut config = OriginConfig::default();
        let mut origin = request(Some("127.0.0.1:8411"), "127.0.0.1:8411", "127.0.0.1:5000");
        origin.forwarded_host = Some("tv.example");
        origin.forwarded_proto = Some("https");
        origin.forwarded_for = Some("203.0.113.9, 192.168.1.50");
        assert!(!client(&origin, &config).local);
        assert_eq!(base_url(&origin, &config), "http://127.0.0.1:8411");

        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        assert_eq!(base_url(&origin, &config), "https://tv.example");
        let asking = client(&origin, &config);
        assert_eq!(asking.ip.to_string(), "192.168.1.50");
        assert!(asking.local);

        origin.forwarded_for = Some("192.168.1.50, 203.0.113.9");
        assert!(!client(&origin, &config).local);
        origin.forwarded_for = Some("unknown");
        assert!(!client(&origin, &config).local);

        // A proxy that passes its own way of reaching us as Host must not send the client to its own loopback.
        origin.forwarded_host = None;
        origin.forwarded_for = Some("192.168.1.50");
        config.advertise = Some("http://192.168.1.20:8411".to_owned());
        assert_eq!(base_url(&origin, &config), "http://192.168.1.20:8411");
    }

    #[test]
    fn local_is_the_house_and_what_the_user_allows() {
        #[track_caller]
        fn check(ip: &str, expected: bool) {
            let allowed = ["100.64.0.0/10".parse().unwrap()];
            assert_eq!(is_local(ip.parse().unwrap(), &allowed), expected, "{ip}");
        }
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.255.1",
            "192.168.0.9",
            "169.254.1.1",
            "100.100.1.1",
            "::1",
            "fe80::1",
            "fd12:3456::1",
            "::ffff:192.168.0.9",
        ] {
            check(ip, true);
        }
        for ip in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
        ] {
            check(ip, false);
        }
    }

    #[test]
    fn advertise_is_checked_when_it_is_read() {
        assert_eq!(
            parse_advertise(" http://nas.lan:8411/ ").unwrap(),
            "http://nas.lan:8411"
        );
        assert_eq!(
            parse_advertise("https://tv.example/live").unwrap(),
            "https://tv.example/live"
        );
        for bad in [
            "nas:8411",
            "http://",
            "http://127.0.0.1:8411",
            "http://localhost",
            "http://nas\"",
            "http://nas/?a=b",
            "ftp://nas",
        ] {
            assert!(parse_advertise(bad).is_err(), "{bad}");
        }
    }
}
