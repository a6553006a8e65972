//! `/health` and `/metrics`.

use serde::Serialize;

use super::router::{Call, Reply, json, typed};
use crate::error::Result;
use crate::metrics::{Finding, Severity};

#[derive(Serialize)]
struct Health {
    /// "ok", or what is wrong in one sentence.
    health: String,
    version: &'static str,
    uptime_s: i64,
    findings: Vec<Finding>,
}

/// What stands on top: one sentence.
pub(super) fn sentence(findings: &[Finding]) -> String {
    match findings {
        [] => "ok".to_owned(),
        [one] if one.severity == Severity::Notice => format!("ok; {}", one.message),
        [one] => one.message.clone(),
        [worst, others @ ..] => {
            let more = format!("{} (and {} more)", worst.message, others.len());
            if worst.severity == Severity::Notice {
                format!("ok; {more}")
            } else {
                more
            }
        }
    }
}

/// 200 for as long as the daemon can answer at all; whoever wants more reads on.
pub(super) async fn health(call: Call) -> Result<Reply> {
    let app = &call.app;
    let findings = app.findings.list();
    Ok(json(&Health {
        health: sentence(&findings),
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: app.clock.utc().since(app.started) / 1000,
        findings,
    }))
}

/// Fresh numbers, as Prometheus text.
pub(super) async fn metrics(call: Call) -> Result<Reply> {
    let (app, registry) = (&call.app, &call.app.registry);
    registry
        .series("exstreamd_info", env!("CARGO_PKG_VERSION"))
        .set(1);
    registry
        .series("exstreamd_start_time_seconds", "")
        .set(app.started.0 / 1000);
    registry
        .series("exstreamd_resident_memory_bytes", "")
        .set(resident_bytes());
    let channels = app.store.channels().await?;
    let items = app.store.item_counts(None).await?;
    let stations = app.stations.status();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    registry
        .series("exstreamd_channels", "")
        .set(count(channels.len()));
    registry
        .series("exstreamd_channels_on_air", "")
        .set(count(stations.len()));
    registry
        .series("exstreamd_items", "")
        .set(i64::try_from(items.items).unwrap_or(i64::MAX));
    registry.forget("exstreamd_viewers");
    registry.forget("exstreamd_ring_bytes");
    registry.forget("exstreamd_packets_over_mux_rate");
    for station in stations {
        let number = station.channel.number;
        registry
            .series("exstreamd_viewers", &number)
            .set(count(station.listeners));
        registry
            .series("exstreamd_ring_bytes", &number)
            .set(count(station.ring_bytes));
        if station.channel.mux_rate_kbit.is_some() {
            registry
                .series("exstreamd_packets_over_mux_rate", &number)
                .set(i64::try_from(station.packets_over_rate).unwrap_or(i64::MAX));
        }
    }
    let findings = app.findings.list();
    for severity in [Severity::Notice, Severity::Warning, Severity::Critical] {
        let count = findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count();
        registry
            .series("exstreamd_findings", severity.name())
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    Ok(typed(
        "text/plain; version=0.0.4; charset=utf-8",
        registry.render(),
    ))
}

/// Resident memory by /proc/self/statm (proc(5)): the second number, in pages.
fn resident_bytes() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: i64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or_default();
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .unwrap_or(4096);
    pages * page
}
