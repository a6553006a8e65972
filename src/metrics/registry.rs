//! Counters and gauges, written as Prometheus text exposition format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether a number only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises while the daemon runs.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A metric: one name, any number of labelled series.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Name with its unit.
    pub name: &'static str,
    /// Whether it only rises.
    pub kind: Kind,
    /// The label of its series; empty when there is just one.
    pub label: &'static str,
    /// What it says, for people.
    pub help: &'static str,
}

const fn counter(name: &'static str, label: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        label,
        help,
    }
}

const fn gauge(name: &'static str, label: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        label,
        help,
    }
}

/// Every metric of the daemon.
pub const FAMILIES: &[Family] = &[
    gauge(
        "exstreamd_info",
        "version",
        "Always 1; the label is the version that runs",
    ),
    gauge(
        "exstreamd_start_time_seconds",
        "",
        "When the daemon started, seconds since 1970",
    ),
    gauge(
        "exstreamd_resident_memory_bytes",
        "",
        "Memory in use (VmRSS)",
    ),
    gauge("exstreamd_channels", "", "Channels that exist"),
    gauge(
        "exstreamd_channels_on_air",
        "",
        "Channels that somebody watches, or did a moment ago",
    ),
    gauge(
        "exstreamd_items",
        "",
        "Items of the library that are present",
    ),
    gauge(
        "exstreamd_viewers",
        "channel",
        "Clients that watch the channel",
    ),
    gauge(
        "exstreamd_ring_bytes",
        "channel",
        "Bytes that the channel holds for its viewers",
    ),
    gauge(
        "exstreamd_packets_over_mux_rate",
        "channel",
        "Packets sent faster than the fixed rate of the channel allows, since it went on air",
    ),
    counter(
        "exstreamd_http_requests_total",
        "status",
        "Requests answered, by status code",
    ),
    gauge("exstreamd_http_connections", "", "Open connections"),
    counter(
        "exstreamd_http_connections_refused_total",
        "",
        "Connections turned away because the limit was reached",
    ),
    counter(
        "exstreamd_stream_bytes_total",
        "",
        "Bytes of transport stream handed to clients",
    ),
    counter(
        "exstreamd_tune_failures_total",
        "code",
        "Streams refused, by HDHomeRun error code",
    ),
    gauge(
        "exstreamd_findings",
        "severity",
        "Findings that stand, by severity",
    ),
];

/// One number. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Series(Arc<AtomicI64>);

impl Series {
    /// Adds `n` (gauges may fall).
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Sets a gauge.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many series one family may have; more share one labelled "other".
const MAX_SERIES: usize = 2_000;

type Table = BTreeMap<(&'static str, String), Series>;

/// All series. Clones share one registry.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<Table>>);

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The series of `family` (a name of [`FAMILIES`]) whose label has this value (`""` without label).
    pub fn series(&self, family: &'static str, label: &str) -> Series {
        debug_assert!(
            FAMILIES.iter().any(|f| f.name == family),
            "{family} is not in FAMILIES"
        );
        let mut table = self.table();
        let known = table
            .range((family, String::new())..)
            .take_while(|((name, _), _)| *name == family);
        let label =
            if known.count() >= MAX_SERIES && !table.contains_key(&(family, label.to_owned())) {
                "other"
            } else {
                label
            };
        table.entry((family, label.to_owned())).or_default().clone()
    }

    /// Forgets all series of `family`, before they are set anew from what exists now.
    pub fn forget(&self, family: &'static str) {
        self.table().retain(|(name, _), _| *name != family);
    }

    /// Everything as Prometheus text.
    pub fn render(&self) -> String {
        let table = self.table();
        let mut out = String::with_capacity(4096);
        for family in FAMILIES {
            let mut series = table
                .range((family.name, String::new())..)
                .take_while(|((name, _), _)| *name == family.name)
                .peekable();
            if series.peek().is_none() {
                continue;
            }
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "# HELP {} {}\n# TYPE {} {kind}",
                family.name, family.help, family.name
            );
            for ((name, label), value) in series {
                let _ = if family.label.is_empty() {
                    writeln!(out, "{name} {}", value.get())
                } else {
                    writeln!(
                        out,
                        "{name}{{{}=\"{}\"}} {}",
                        family.label,
                        escape(label),
                        value.get()
                    )
                };
            }
        }
        out
    }
}

/// A label value: backslash, quote and line feed are escaped.
fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_prometheus_exposition_format() {
        let registry = Registry::new();
        registry.series("exstreamd_viewers", "5.1").set(3);
        registry.series("exstreamd_viewers", "a\"b\\c\nd").set(1);
        registry.series("exstreamd_channels", "").set(7);
        assert_eq!(
            registry.render(),
            "# HELP exstreamd_channels Channels that exist\n\
             # TYPE exstreamd_channels gauge\n\
             exstreamd_channels 7\n\
             # HELP exstreamd_viewers Clients that watch the channel\n\
             # TYPE exstreamd_viewers gauge\n\
             exstreamd_viewers{channel=\"5.1\"} 3\n\
             exstreamd_viewers{channel=\"a\\\"b\\\\c\\nd\"} 1\n"
        );
    }

    #[test]
    fn a_series_is_shared_by_everyone_who_asks_for_it() {
        let registry = Registry::new();
        registry
            .series("exstreamd_http_requests_total", "200")
            .inc();
        registry
            .clone()
            .series("exstreamd_http_requests_total", "200")
            .add(4);
        assert_eq!(
            registry
                .series("exstreamd_http_requests_total", "200")
                .get(),
            5
        );
        registry.forget("exstreamd_http_requests_total");
        assert_eq!(registry.render(), "");
    }

    #[test]
    fn series_beyond_the_cap_share_one() {
        let registry = Registry::new();
        for n in 0..MAX_SERIES + 10 {
            registry.series("exstreamd_viewers", &n.to_string()).inc();
        }
        assert_eq!(registry.series("exstreamd_viewers", "other").get(), 10);
    }

    #[test]
    fn metric_names_are_unique_and_well_formed() {
        for (n, family) in FAMILIES.iter().enumerate() {
            assert!(family.name.starts_with("exstreamd_"), "{}", family.name);
            assert_eq!(
                family.kind == Kind::Counter,
                family.name.ends_with("_total"),
                "{}",
                family.name
            );
            assert!(
                FAMILIES[n + 1..]
                    .iter()
                    .all(|other| other.name != family.name),
                "{}",
                family.name
            );
        }
    }
}
