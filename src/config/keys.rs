//! The table of keys, and what they set.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// `true`/`false` in the file; also `on`/`off`, `yes`/`no`, `1`/`0` in the environment.
    Switch,
    /// A list of strings or numbers; comma-separated in the environment.
    List,
}

/// A key of the configuration.
pub struct Key {
    /// Section and name, `http.port`.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// The default, as written in the file.
    pub default: &'static str,
    /// What it is for: whole sentences.
    pub doc: &'static str,
    pub(super) set: fn(&mut Config, Value) -> Result<(), String>,
}

impl Key {
    /// Its environment variable, `EXSTREAMD_HTTP_PORT`.
    pub fn variable(&self) -> String {
        format!("EXSTREAMD_{}", self.name.replace('.', "_").to_uppercase())
    }
}

/// A range of addresses, `192.168.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Any address of the range.
    pub address: IpAddr,
    /// How many leading bits they share.
    pub prefix_bits: u8,
}

impl Cidr {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address.trim().parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = if bits.is_empty() {
            most
        } else {
            bits.trim().parse().ok()?
        };
        (prefix_bits <= most).then_some(Self {
            address,
            prefix_bits,
        })
    }
}

/// The configuration of the box. Field by field as in [`KEYS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Addresses to listen on; empty means all.
    pub listen: Vec<IpAddr>,
    /// The main port.
    pub port: u16,
    /// Further ports that answer the same, when they can be had.
    pub extra_ports: Vec<u16>,
    /// The address that clients are told, without a slash at its end; `None` follows the request.
    pub advertise: Option<String>,
    /// Who may say with forwarding headers where a request really came from.
    pub trusted_proxies: Vec<Cidr>,
    /// Who counts as local beside the private ranges.
    pub allow: Vec<Cidr>,
    /// The name that tuner clients show.
    pub name: String,
    /// How many tuners clients are told.
    pub tuners: u8,
    /// Whether HDHomeRun discovery (port 65001) is answered.
    pub hdhomerun: bool,
    /// Whether the tuner is announced by SSDP (port 1900).
    pub ssdp: bool,
    /// ffmpeg programs to try, in this order, before those of PATH.
    pub ffmpeg: Vec<PathBuf>,
    /// How many clients at once; 0 sizes it by memory.
    pub clients: u32,
    /// Bytes for stream buffers; 0 takes a quarter of the memory.
    pub memory_bytes: u64,
    /// What is logged.
    pub log_level: log::LevelFilter,
    /// How long servers that media is read from may take.
    pub timeouts: Timeouts,
    /// How many days ahead channels are planned.
    pub schedule_days: u8,
    /// The local hour at which what has changed is planned anew.
    pub schedule_hour: u8,
    /// The time zone; `None` takes the system's.
    pub zone: Option<String>,
}

/// How long a server that media is read from may leave us without bytes, by kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// On this box.
    pub local: Duration,
    /// A Plex Media Server.
    pub plex: Duration,
    /// YouTube.
    pub youtube: Duration,
    /// archive.org.
    pub archive: Duration,
    /// Google Drive.
    pub drive: Duration,
    /// Any other.
    pub other: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            local: Duration::from_secs(1),
            plex: Duration::from_secs(60),
            youtube: Duration::from_secs(10),
            archive: Duration::from_secs(60),
            drive: Duration::from_secs(30),
            other: Duration::from_secs(30),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            port: 8411,
            extra_ports: vec![80, 5004],
            advertise: None,
            trusted_proxies: Vec::new(),
            allow: Vec::new(),
            name: "exstreamd".to_owned(),
            tuners: 4,
            hdhomerun: true,
            ssdp: true,
            ffmpeg: Vec::new(),
            clients: 0,
            memory_bytes: 0,
            log_level: log::LevelFilter::Info,
            timeouts: Timeouts::default(),
            schedule_days: 7,
            schedule_hour: 4,
            zone: None,
        }
    }
}

/// Every key.
pub const KEYS: &[Key] = &[
    Key {
        name: "http.listen",
        kind: Kind::List,
        default: "[]",
        doc: "Addresses to listen on. An empty list means every address of this box.",
        set: |config, value| {
            config.listen = value.each(|text| {
                text.parse()
                    .map_err(|_| format!("{text:?} is not an IP address"))
            })?;
            Ok(())
        },
    },
    Key {
        name: "http.port",
        kind: Kind::Number,
        default: "8411",
        doc: "The port for everything: tuner, streams, guide, status page. The daemon does not start without it; 0 takes any free one.",
        set: |config, value| {
            config.port = match value.text().as_str() {
                "0" => 0,
                text => port(text)?,
            };
            Ok(())
        },
    },
    Key {
        name: "http.extra_ports",
        kind: Kind::List,
        default: "[80, 5004]",
        doc: "Further ports that answer the same when they are free and permitted. Jellyfin and Emby detect a tuner by \
              themselves only on port 80.",
        set: |config, value| {
            config.extra_ports = value.each(port)?;
            Ok(())
        },
    },
    Key {
        name: "http.advertise",
        kind: Kind::Text,
        default: "\"\"",
        doc: "The address that clients are told, such as \"http://192.168.1.20:8411\". Needed only behind a proxy or \
              inside a container network; empty means: the address that the client used.",
        set: |config, value| {
            let text = value.text();
            let text = text.trim_end_matches('/');
            if !(text.is_empty() || text.starts_with("http://") || text.starts_with("https://")) {
                return Err(format!("{text:?} must begin with http:// or https://"));
            }
            config.advertise = (!text.is_empty()).then(|| text.to_owned());
            Ok(())
        },
    },
    Key {
        name: "http.trusted_proxies",
        kind: Kind::List,
        default: "[]",
        doc: "Addresses or ranges of reverse proxies whose Forwarded and X-Forwarded-* headers are believed.",
        set: |config, value| {
            config.trusted_proxies = value.each(cidr)?;
            Ok(())
        },
    },
    Key {
        name: "http.allow",
        kind: Kind::List,
        default: "[]",
        doc: "Addresses or ranges that may connect although they are neither private nor on a network of this box.",
        set: |config, value| {
            config.allow = value.each(cidr)?;
            Ok(())
        },
    },
    Key {
        name: "discovery.name",
        kind: Kind::Text,
        default: "\"exstreamd\"",
        doc: "The name that tuner clients show.",
        set: |config, value| {
            let text = value.text();
            if text.trim().is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
                return Err("a name has 1 to 64 bytes without control characters".to_owned());
            }
            config.name = text.trim().to_owned();
            Ok(())
        },
    },
    Key {
        name: "discovery.tuners",
        kind: Kind::Number,
        default: "4",
        doc: "How many tuners clients are told: as many programmes as they will record or watch at once.",
        set: |config, value| {
            config.tuners = match value.text().parse() {
                Ok(n @ 1..=32) => n,
                _ => return Err("expected a number from 1 to 32".to_owned()),
            };
            Ok(())
        },
    },
    Key {
        name: "discovery.hdhomerun",
        kind: Kind::Switch,
        default: "true",
        doc: "Whether clients find the tuner by HDHomeRun discovery (port 65001).",
        set: |config, value| {
            config.hdhomerun = value.switch()?;
            Ok(())
        },
    },
    Key {
        name: "discovery.ssdp",
        kind: Kind::Switch,
        default: "true",
        doc: "Whether the tuner is announced by SSDP (UPnP, port 1900).",
        set: |config, value| {
            config.ssdp = value.switch()?;
            Ok(())
        },
    },
    Key {
        name: "ffmpeg.path",
        kind: Kind::List,
        default: "[]",
        doc: "ffmpeg programs to try, in this order, before those in PATH. ffprobe is looked for beside each.",
        set: |config, value| {
            config.ffmpeg = value.each(|text| match text.starts_with('/') {
                true => Ok(PathBuf::from(text)),
                false => Err(format!("{text:?} is not an absolute path")),
            })?;
            Ok(())
        },
    },
    Key {
        name: "limits.clients",
        kind: Kind::Number,
        default: "0",
        doc: "How many connections at once; further ones are answered 503. 0 sizes it by the memory of this box.",
        set: |config, value| {
            config.clients = match value.text().parse() {
                Ok(n @ 0..=100_000) => n,
                _ => return Err("expected a number from 0 to 100000".to_owned()),
            };
            Ok(())
        },
    },
    Key {
        name: "limits.memory",
        kind: Kind::Text,
        default: "\"0\"",
        doc: "Memory for stream buffers, such as \"128M\" or \"1G\". 0 takes a quarter of what this box or the service has.",
        set: |config, value| {
            config.memory_bytes = bytes(&value.text())?;
            Ok(())
        },
    },
    Key {
        name: "log.level",
        kind: Kind::Text,
        default: "\"info\"",
        doc: "What is logged: error, warn, info, debug or trace.",
        set: |config, value| {
            let text = value.text();
            config.log_level = match text.parse() {
                Ok(level) if level != log::LevelFilter::Off => level,
                _ => {
                    return Err(format!(
                        "{text:?} is not one of error, warn, info, debug, trace"
                    ));
                }
            };
            Ok(())
        },
    },
    Key {
        name: "timeouts.local",
        kind: Kind::Number,
        default: "1",
        doc: "How many seconds a web server on this box may send nothing while media is read from it.",
        set: |config, value| {
            config.timeouts.local = seconds(&value.text())?;
            Ok(())
        },
    },
    Key {
        name: "timeouts.plex",
        kind: Kind::Number,
        default: "60",
        doc: "The same of a Plex Media Server.",
        set: |config, value| {
            config.timeouts.plex = seconds(&value.text())?;
            Ok(())
        },
    },
    Key {
        name: "timeouts.youtube",
        kind: Kind::Number,
        default: "10",
        doc: "The same of YouTube.",
        set: |config, value| {
            config.timeouts.youtube = seconds(&value.text())?;
            Ok(())
        },
    },
    Key {
        name: "timeouts.archive",
        kind: Kind::Number,
        default: "60",
        doc: "The same of archive.org, whose files may have to be fetched from a sleeping disk.",
        set: |config, value| {
            config.timeouts.archive = seconds(&value.text())?;
            Ok(())
        },
    },
    Key {
        name: "timeouts.drive",
        kind: Kind::Number,
        default: "30",
        doc: "The same of Google Drive.",
        set: |config, value| {
            config.timeouts.drive = seconds(&value.text())?;
            Ok(())
        },
    },
    Key {
        name: "timeouts.other",
        kind: Kind::Number,
        default: "30",
        doc: "The same of every other web server.",
        set: |config, value| {
            config.timeouts.other = seconds(&value.text())?;
            Ok(())
        },
    },
    Key {
        name: "schedule.days",
        kind: Kind::Number,
        default: "7",
        doc: "How many days ahead channels are planned, and so how far the guide reaches: 1 to 14.",
        set: |config, value| {
            config.schedule_days = match value.text().parse() {
                Ok(n @ 1..=14) => n,
                _ => return Err("expected a number of days from 1 to 14".to_owned()),
            };
            Ok(())
        },
    },
    Key {
        name: "schedule.hour",
        kind: Kind::Number,
        default: "4",
        doc: "The hour of the day, local time, at which channels are planned anew whose collections or schedules have changed \
              without anybody noticing, as with the calendar.",
        set: |config, value| {
            config.schedule_hour = match value.text().parse() {
                Ok(n @ 0..=23) => n,
                _ => return Err("expected an hour from 0 to 23".to_owned()),
            };
            Ok(())
        },
    },
    Key {
        name: "time.zone",
        kind: Kind::Text,
        default: "\"\"",
        doc: "The time zone of schedules and pages, such as \"Europe/Berlin\". Empty takes TZ, else /etc/localtime, else UTC.",
        set: |config, value| {
            let text = value.text();
            if !text.is_empty() && TimeZone::get(&text).is_err() {
                return Err(format!(
                    "{text:?} is not a time zone name such as \"Europe/Berlin\""
                ));
            }
            config.zone = (!text.is_empty()).then_some(text);
            Ok(())
        },
    },
];

/// A value of the right kind, before the key has looked at it.
pub(super) enum Value {
    Text(String),
    Switch(bool),
    List(Vec<String>),
}

impl Value {
    pub(super) fn from_toml(kind: Kind, value: toml::Value) -> Result<Self, String> {
        match (kind, value) {
            (Kind::Text | Kind::Number, toml::Value::Integer(n)) => Ok(Self::Text(n.to_string())),
            (Kind::Text, toml::Value::String(text)) => Ok(Self::Text(text)),
            (Kind::Switch, toml::Value::Boolean(on)) => Ok(Self::Switch(on)),
            (Kind::List, toml::Value::String(text)) => Ok(Self::List(vec![text])),
            (Kind::List, toml::Value::Array(values)) => {
                let each = values.into_iter().map(|value| match value {
                    toml::Value::String(text) => Ok(text),
                    toml::Value::Integer(n) => Ok(n.to_string()),
                    other => Err(format!(
                        "a {} is neither a string nor a number",
                        other.type_str()
                    )),
                });
                each.collect::<Result<_, _>>().map(Self::List)
            }
            (Kind::Text, _) => Err("expected a string in quotes".to_owned()),
            (Kind::Number, _) => Err("expected a number without quotes".to_owned()),
            (Kind::Switch, _) => Err("expected true or false".to_owned()),
            (Kind::List, _) => Err("expected a list, such as [\"a\", \"b\"]".to_owned()),
        }
    }

    pub(super) fn from_text(kind: Kind, text: &str) -> Result<Self, String> {
        let text = text.trim();
        match kind {
            Kind::Text => Ok(Self::Text(text.to_owned())),
            Kind::Number if text.parse::<i64>().is_err() => {
                Err(format!("expected a number, not {text:?}"))
            }
            Kind::Number => Ok(Self::Text(text.to_owned())),
            Kind::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "on" | "yes" | "1" => Ok(Self::Switch(true)),
                "false" | "off" | "no" | "0" => Ok(Self::Switch(false)),
                _ => Err(format!("expected true or false, not {text:?}")),
            },
            Kind::List => {
                let each = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                Ok(Self::List(each.map(str::to_owned).collect()))
            }
        }
    }

    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Switch(on) => on.to_string(),
            Self::List(list) => list.join(","),
        }
    }

    fn switch(&self) -> Result<bool, String> {
        match self {
            Self::Switch(on) => Ok(*on),
            _ => Err("expected true or false".to_owned()),
        }
    }

    fn each<T>(self, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
        match self {
            Self::List(list) => list.iter().map(|text| parse(text)).collect(),
            _ => Err("expected a list".to_owned()),
        }
    }
}

fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err(format!(
            "{text} is not a port: expected a number from 1 to 65535"
        )),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=600) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "expected a number of seconds from 1 to 600, not {text}"
        )),
    }
}

fn cidr(text: &str) -> Result<Cidr, String> {
    Cidr::parse(text)
        .ok_or_else(|| format!("{text:?} is not an address or range such as \"192.168.0.0/16\""))
}

fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].trim() {
        "" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return Err(format!("{text:?} is not a size such as \"128M\"")),
    };
    let number: Option<u64> = digits.parse().ok();
    let size = number.and_then(|n| n.checked_mul(1 << shift));
    size.ok_or_else(|| format!("{text:?} is not a size such as \"128M\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_suffixes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("128M", Some(128 << 20)),
            ("1 GiB", Some(1 << 30)),
            ("x", None),
            ("99999999999G", None),
            ("", None),
        ] {
            assert_eq!(bytes(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn key_names_are_unique_and_documented_in_whole_sentences() {
        for (n, key) in KEYS.iter().enumerate() {
            assert!(
                KEYS[n + 1..].iter().all(|other| other.name != key.name),
                "{}",
                key.name
            );
            assert!(
                key.doc.ends_with('.') && !key.doc.contains("  "),
                "{}",
                key.name
            );
        }
    }
}
