//! The daemon as a whole.

use serde::Serialize;

use super::super::App;
use super::super::health;
use super::super::router::{Call, Reply, json};
use crate::clock::UtcMs;
use crate::error::Result;
use crate::metrics::Finding;
use crate::store::ItemCounts;

#[derive(Serialize)]
struct Status {
    /// "ok", or what is wrong in one sentence.
    health: String,
    version: &'static str,
    pid: u32,
    port: u16,
    started: UtcMs,
    now: UtcMs,
    zone: String,
    device_id: String,
    data: String,
    ffmpeg: Option<String>,
    /// Base addresses for clients, the best first.
    addresses: Vec<String>,
    channels: usize,
    items: ItemCounts,
    viewers: Vec<ViewerView>,
    on_air: Vec<OnAirView>,
    findings: Vec<Finding>,
}

/// A client that watches, as programs read it.
#[derive(Serialize)]
struct ViewerView {
    channel: String,
    tuner: Option<u8>,
    ip: String,
    agent: String,
    since: UtcMs,
    sent_bytes: u64,
}

#[derive(Serialize)]
struct OnAirView {
    channel: String,
    listeners: usize,
    lead_ms: i64,
    ring_bytes: usize,
    last_failure: Option<String>,
}

/// `GET /api/v1/status`.
pub(in crate::http) async fn show(call: Call) -> Result<Reply> {
    let app: &App = &call.app;
    let findings = app.findings.list();
    let viewers = app.viewers.list().into_iter().map(|viewer| ViewerView {
        sent_bytes: viewer.sent_bytes(),
        channel: viewer.channel,
        tuner: viewer.tuner,
        ip: viewer.ip.to_string(),
        agent: viewer.agent,
        since: viewer.since,
    });
    let on_air = app.stations.status().into_iter().map(|station| OnAirView {
        channel: station.channel.number,
        listeners: station.listeners,
        lead_ms: station.lead.round_ms(),
        ring_bytes: station.ring_bytes,
        last_failure: station
            .last_failure
            .map(|failure| format!("{}: {}", failure.title, failure.reason)),
    });
    Ok(json(&Status {
        health: health::sentence(&findings),
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        port: app.port(),
        started: app.started,
        now: app.clock.utc(),
        zone: app.zone.name.clone(),
        device_id: app.device.identity.device_id.to_string(),
        data: app.data.to_string_lossy().into_owned(),
        ffmpeg: app.ffmpeg().map(|ffmpeg| ffmpeg.version().to_string()),
        addresses: app.addresses(),
        channels: app.store.channels().await?.len(),
        items: app.store.item_counts(None).await?,
        viewers: viewers.collect(),
        on_air: on_air.collect(),
        findings,
    }))
}
