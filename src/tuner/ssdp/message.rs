//! The texts of SSDP (UPnP Device Architecture 2.0 §1.2 and §1.3): searches in, announcements and answers out, each in
//! a buffer of fixed size.

use std::fmt::{self, Write as _};

use jiff::Timestamp;

use crate::clock::UtcMs;
use crate::system::identity::Uuid;

/// What we are in UPnP's terms. Other tuner emulators say the same, and Plex listens for it.
pub const DEVICE_TYPE: &str = "urn:schemas-upnp-org:device:MediaServer:1";
/// How long an announcement holds.
pub(super) const MAX_AGE_S: u32 = 1800;
/// The longest delay that a search may ask for (§1.3.2: greater values count as 5).
const LONGEST_MX_S: u32 = 5;

/// A message.
pub(super) type Message = heapless::String<1024>;

/// The three things that every root device announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    /// `upnp:rootdevice`.
    RootDevice,
    /// The device by its UUID.
    Uuid,
    /// [`DEVICE_TYPE`].
    DeviceType,
}

impl Facet {
    pub(super) const ALL: [Facet; 3] = [Facet::RootDevice, Facet::Uuid, Facet::DeviceType];
}

/// What a search looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `ssdp:all`.
    Everything,
    /// One of the three.
    One(Facet),
}

impl Target {
    /// What to answer with.
    pub(super) fn facets(self) -> &'static [Facet] {
        match self {
            Target::Everything => &Facet::ALL,
            Target::One(Facet::RootDevice) => &[Facet::RootDevice],
            Target::One(Facet::Uuid) => &[Facet::Uuid],
            Target::One(Facet::DeviceType) => &[Facet::DeviceType],
        }
    }
}

/// A search that concerns us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// What it looks for.
    pub target: Target,
    /// Seconds within which to answer, 5 at most.
    pub mx_s: u32,
}

impl Search {
    /// Reads a datagram; `None` for what is no right search, or one for others. `multicast` says how it came: only a
    /// search to the group must say how long it waits.
    pub fn parse(datagram: &[u8], uuid: &Uuid, multicast: bool) -> Option<Self> {
        let text = std::str::from_utf8(datagram).ok()?;
        let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
        let mut request = lines.next()?.split_ascii_whitespace();
        let right = request.next() == Some("M-SEARCH")
            && request.next() == Some("*")
            && request.next().is_some_and(|v| v.starts_with("HTTP/1."));
        if !right {
            return None;
        }
        let (mut man, mut mx, mut st) = (None, None, None);
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':')?;
            let slot = match name.trim() {
                name if name.eq_ignore_ascii_case("MAN") => &mut man,
                name if name.eq_ignore_ascii_case("MX") => &mut mx,
                name if name.eq_ignore_ascii_case("ST") => &mut st,
                _ => continue,
            };
            *slot = Some(value.trim());
        }
        if man != Some("\"ssdp:discover\"") {
            return None;
        }
        let target = match st? {
            "ssdp:all" => Target::Everything,
            "upnp:rootdevice" => Target::One(Facet::RootDevice),
            DEVICE_TYPE => Target::One(Facet::DeviceType),
            other => {
                let (scheme, id) = other.split_at_checked("uuid:".len())?;
                let ours = scheme.eq_ignore_ascii_case("uuid:") && Uuid::parse(id).ok()? == *uuid;
                ours.then_some(Target::One(Facet::Uuid))?
            }
        };
        let mx_s = if multicast {
            let digits = mx?;
            let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            // More digits than a number has are a number above 5 too.
            number
                .then(|| digits.parse().unwrap_or(u32::MAX))?
                .min(LONGEST_MX_S)
        } else {
            0
        };
        Some(Self { target, mx_s })
    }
}

/// What all our messages say.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    pub(super) uuid: Uuid,
    /// `SERVER`: system, UPnP, product.
    pub(super) server: String,
    /// Rises with every start (§1.2.2).
    pub(super) boot_id: u32,
    /// Another one when the description is another (24 bits).
    pub(super) config_id: u32,
}

impl Speaker {
    /// The answer to a search.
    pub(super) fn answer(&self, facet: Facet, base: &str, now: UtcMs) -> Option<Message> {
        let mut out = Message::new();
        write!(
            out,
            "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age={MAX_AGE_S}\r\nDATE: {}\r\nEXT:\r\n\
             LOCATION: {base}/device.xml\r\nSERVER: {}\r\nST: {}\r\nUSN: {}\r\n{}\r\n",
            HttpDate(now),
            self.server,
            self.facet(facet),
            self.usn(facet),
            self.ids(),
        )
        .ok()?;
        Some(out)
    }

    /// We are here.
    pub(super) fn alive(
        &self,
        facet: Facet,
        base: &str,
        group: impl fmt::Display,
    ) -> Option<Message> {
        let mut out = Message::new();
        write!(
            out,
            "NOTIFY * HTTP/1.1\r\nHOST: {group}\r\nCACHE-CONTROL: max-age={MAX_AGE_S}\r\n\
             LOCATION: {base}/device.xml\r\nNT: {}\r\nNTS: ssdp:alive\r\nSERVER: {}\r\nUSN: {}\r\n{}\r\n",
            self.facet(facet),
            self.server,
            self.usn(facet),
            self.ids(),
        )
        .ok()?;
        Some(out)
    }

    /// We are about to go.
    pub(super) fn byebye(&self, facet: Facet, group: impl fmt::Display) -> Option<Message> {
        let mut out = Message::new();
        write!(
            out,
            "NOTIFY * HTTP/1.1\r\nHOST: {group}\r\nNT: {}\r\nNTS: ssdp:byebye\r\nUSN: {}\r\n{}\r\n",
            self.facet(facet),
            self.usn(facet),
            self.ids(),
        )
        .ok()?;
        Some(out)
    }

    fn facet(&self, facet: Facet) -> Named {
        Named(facet, self.uuid)
    }

    fn usn(&self, facet: Facet) -> UniqueName {
        UniqueName(facet, self.uuid)
    }

    fn ids(&self) -> Ids {
        Ids(self.boot_id, self.config_id)
    }
}

/// `NT` or `ST` (§1.2.2, table 1-1).
struct Named(Facet, Uuid);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Facet::RootDevice => f.write_str("upnp:rootdevice"),
            Facet::Uuid => write!(f, "uuid:{}", self.1),
            Facet::DeviceType => f.write_str(DEVICE_TYPE),
        }
    }
}

/// `USN` (§1.2.2, table 1-1).
struct UniqueName(Facet, Uuid);

impl fmt::Display for UniqueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(facet, uuid) = self;
        match facet {
            Facet::Uuid => write!(f, "uuid:{uuid}"),
            Facet::RootDevice | Facet::DeviceType => {
                write!(f, "uuid:{uuid}::{}", Named(*facet, *uuid))
            }
        }
    }
}

struct Ids(u32, u32);

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(boot, config) = self;
        write!(
            f,
            "BOOTID.UPNP.ORG: {boot}\r\nCONFIGID.UPNP.ORG: {config}\r\n"
        )
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
struct HttpDate(UtcMs);

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_millisecond(self.0.0).map_err(|_| fmt::Error)?;
        write!(f, "{}", time.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";

    fn speaker() -> Speaker {
        Speaker {
            uuid: Uuid::parse(UUID).unwrap(),
            server: "Linux/6.1 UPnP/1.1 exstreamd/0.1.0".to_owned(),
            boot_id: 1_700_000_000,
            config_id: 77,
        }
    }

    /// `None`: no answer; else the number of answers and the delay.
    #[track_caller]
    fn check(lines: &str, multicast: bool, expected: Option<(usize, u32)>) {
        let text = format!("{}\r\n\r\n", lines.replace('\n', "\r\n"));
        let uuid = Uuid::parse(UUID).unwrap();
        let search = Search::parse(text.as_bytes(), &uuid, multicast);
        let found = search.map(|s| (s.target.facets().len(), s.mx_s));
        assert_eq!(found, expected, "{lines}");
    }

    const HEAD: &str = "M-SEARCH * HTTP/1.1\nHOST: 239.255.255.250:1900\nMAN: \"ssdp:discover\"";

    #[test]
    fn each_search_target_gets_its_own_answers() {
        for (st, answers) in [
            ("ssdp:all", Some(3)),
            ("upnp:rootdevice", Some(1)),
            (DEVICE_TYPE, Some(1)),
            (&format!("uuid:{UUID}"), Some(1)),
            (&format!("UUID:{}", UUID.to_ascii_uppercase()), Some(1)),
            ("uuid:6ba7b810-9dad-41d1-80b4-00c04fd430c9", None),
            ("urn:schemas-upnp-org:device:MediaServer:2", None),
            ("urn:schemas-upnp-org:device:MediaServer:11", None),
            ("urn:schemas-upnp-org:device:MediaRenderer:1", None),
            ("urn:schemas-upnp-org:service:ContentDirectory:1", None),
            ("xssdp:all", None),
            ("uuid:", None),
            ("uuid", None),
            ("", None),
        ] {
            check(
                &format!("{HEAD}\nMX: 2\nST: {st}"),
                true,
                answers.map(|n| (n, 2)),
            );
        }
        check(&format!("{HEAD}\nMX: 2"), true, None);
    }

    #[test]
    fn a_search_to_the_group_says_how_long_it_waits() {
        for (mx, delay) in [
            ("MX: 0", Some(0)),
            ("MX: 1", Some(1)),
            ("mx:3", Some(3)),
            ("Mx : 5", Some(5)),
            ("MX: 120", Some(5)),
            ("MX: 99999999999999999999", Some(5)),
            ("MX: -1", None),
            ("MX: 2.5", None),
            ("MX: soon", None),
            ("MX:", None),
            ("X-MX: 3", None),
        ] {
            check(
                &format!("{HEAD}\n{mx}\nST: ssdp:all"),
                true,
                delay.map(|s| (3, s)),
            );
        }
        check(&format!("{HEAD}\nST: ssdp:all"), true, None);
        // A search to us alone is answered at once, whatever it says.
        check(&format!("{HEAD}\nST: ssdp:all"), false, Some((3, 0)));
        check(&format!("{HEAD}\nMX: 4\nST: ssdp:all"), false, Some((3, 0)));
    }

    #[test]
    fn only_right_searches_are_answered() {
        let tail = "MX: 1\nST: ssdp:all";
        for (head, good) in [
            ("M-SEARCH * HTTP/1.1\nMAN: \"ssdp:discover\"", true),
            ("M-SEARCH * HTTP/1.0\nman:\"ssdp:discover\"", true),
            ("M-SEARCH * HTTP/1.1\nMAN: ssdp:discover", false),
            ("M-SEARCH * HTTP/1.1\nMAN: 'ssdp:discover'", false),
            ("M-SEARCH * HTTP/1.1\nMAN: \"ssdp:update\"", false),
            ("M-SEARCH * HTTP/1.1", false),
            ("M-SEARCH / HTTP/1.1\nMAN: \"ssdp:discover\"", false),
            ("NOTIFY * HTTP/1.1\nMAN: \"ssdp:discover\"", false),
            ("HTTP/1.1 200 OK\nMAN: \"ssdp:discover\"", false),
            (
                "M-SEARCH * HTTP/1.1\nnonsense\nMAN: \"ssdp:discover\"",
                false,
            ),
        ] {
            check(&format!("{head}\n{tail}"), true, good.then_some((3, 1)));
        }
        let uuid = Uuid::parse(UUID).unwrap();
        for noise in [&b""[..], b"\xFF\xFE", b"M-SEARCH", &[b'\n'; 1400]] {
            assert_eq!(Search::parse(noise, &uuid, true), None);
        }
        // Line feeds alone are read too.
        let bare = b"M-SEARCH * HTTP/1.1\nMAN: \"ssdp:discover\"\nMX: 1\nST: ssdp:all\n\n";
        assert!(Search::parse(bare, &uuid, true).is_some());
    }

    #[test]
    fn messages_are_those_of_the_architecture() {
        let now = UtcMs(784_111_777_000);
        let answer = speaker()
            .answer(Facet::DeviceType, "http://192.168.1.20:8411", now)
            .unwrap();
        let expected = format!(
            "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nDATE: Sun, 06 Nov 1994 08:49:37 GMT\r\nEXT:\r\n\
             LOCATION: http://192.168.1.20:8411/device.xml\r\nSERVER: Linux/6.1 UPnP/1.1 exstreamd/0.1.0\r\n\
             ST: {DEVICE_TYPE}\r\nUSN: uuid:{UUID}::{DEVICE_TYPE}\r\n\
             BOOTID.UPNP.ORG: 1700000000\r\nCONFIGID.UPNP.ORG: 77\r\n\r\n"
        );
        assert_eq!(answer.as_str(), expected);

        let alive = speaker()
            .alive(Facet::Uuid, "http://nas", "239.255.255.250:1900")
            .unwrap();
        let expected = format!(
            "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCACHE-CONTROL: max-age=1800\r\n\
             LOCATION: http://nas/device.xml\r\nNT: uuid:{UUID}\r\nNTS: ssdp:alive\r\n\
             SERVER: Linux/6.1 UPnP/1.1 exstreamd/0.1.0\r\nUSN: uuid:{UUID}\r\n\
             BOOTID.UPNP.ORG: 1700000000\r\nCONFIGID.UPNP.ORG: 77\r\n\r\n"
        );
        assert_eq!(alive.as_str(), expected);

        let byebye = speaker()
            .byebye(Facet::RootDevice, "239.255.255.250:1900")
            .unwrap();
        let expected = format!(
            "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: upnp:rootdevice\r\nNTS: ssdp:byebye\r\n\
             USN: uuid:{UUID}::upnp:rootdevice\r\nBOOTID.UPNP.ORG: 1700000000\r\nCONFIGID.UPNP.ORG: 77\r\n\r\n"
        );
        assert_eq!(byebye.as_str(), expected);
    }

    #[test]
    fn the_longest_base_fits() {
        let base = "h".repeat(160);
        for facet in Facet::ALL {
            assert!(speaker().answer(facet, &base, UtcMs(0)).is_some());
            assert!(
                speaker()
                    .alive(facet, &base, "239.255.255.250:1900")
                    .is_some()
            );
        }
    }
}
