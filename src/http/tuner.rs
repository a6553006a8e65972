//! What HDHomeRun clients ask: the device, its lineup, the scan, its tuners.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue};

use super::App;
use super::guide::guide_channel;
use super::router::{self, Call, Reply, text, typed};
use crate::error::Result;
use crate::tuner::{
    LineupChannel, Scan, TunerUse, device_xml, discover_json, lineup_json, lineup_m3u,
    lineup_status_json, lineup_xml, status_json,
};

const XML: &str = "text/xml; charset=\"utf-8\"";

/// Web players of other origins read these, as real devices let them; there is nothing in them that discovery does
/// not tell everybody.
fn json_text(bytes: impl Into<Bytes>) -> Reply {
    let mut reply = router::json_text(bytes);
    let anybody = HeaderValue::from_static("*");
    reply
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    reply
}

/// How often a scan is seen to run. Ours is done at once, but Plex wants to see it.
const SCAN_POLLS: u8 = 2;

/// `/discover.json`.
pub(super) async fn discover(call: Call) -> Result<Reply> {
    Ok(json_text(discover_json(&call.app.device, &call.base_url())))
}

/// `/device.xml`.
pub(super) async fn device(call: Call) -> Result<Reply> {
    Ok(typed(XML, device_xml(&call.app.device, &call.base_url())))
}

async fn channels(app: &App) -> Result<Vec<LineupChannel>> {
    let channels = app.store.channels().await?;
    Ok(channels
        .into_iter()
        .map(|channel| LineupChannel {
            number: channel.number,
            name: channel.name,
            video: channel.format.video,
            audio: channel.format.audio,
            // Copied items come in all sizes; clients that believe this flag reserve enough with it.
            hd: true,
        })
        .collect())
}

/// `/lineup.json`; its parameters (`show`, `tuning`) make no difference to us.
pub(super) async fn lineup(call: Call) -> Result<Reply> {
    Ok(json_text(lineup_json(
        &channels(&call.app).await?,
        &call.base_url(),
    )))
}

/// `/lineup.xml`.
pub(super) async fn lineup_as_xml(call: Call) -> Result<Reply> {
    Ok(typed(
        XML,
        lineup_xml(&channels(&call.app).await?, &call.base_url()),
    ))
}

/// `/lineup.m3u`.
pub(super) async fn lineup_as_m3u(call: Call) -> Result<Reply> {
    let channels = call.app.store.channels().await?;
    let channels: Vec<_> = channels.iter().map(guide_channel).collect();
    Ok(typed(
        "audio/x-mpegurl; charset=utf-8",
        lineup_m3u(&channels, &call.base_url()),
    ))
}

/// `/lineup_status.json`.
pub(super) async fn lineup_status(call: Call) -> Result<Reply> {
    let polls = &call.app.scan_polls;
    let left = polls.load(Ordering::Relaxed);
    let scan = if left == 0 {
        Scan::Idle
    } else {
        polls.store(left - 1, Ordering::Relaxed);
        let found = u32::try_from(call.app.store.channels().await?.len()).unwrap_or(u32::MAX);
        let percent = 100 - 100 / (SCAN_POLLS + 1) * left;
        Scan::Running { percent, found }
    };
    Ok(json_text(lineup_status_json(scan)))
}

/// `/lineup.post?scan=start|abort`, `?favorite=`: answered as a real device does; nothing is changed.
pub(super) async fn lineup_post(call: Call) -> Result<Reply> {
    let status = match call.query.get("scan") {
        Some("start") => {
            call.app.scan_polls.store(SCAN_POLLS, Ordering::Relaxed);
            StatusCode::OK
        }
        Some("abort") => {
            call.app.scan_polls.store(0, Ordering::Relaxed);
            StatusCode::OK
        }
        Some(_) => StatusCode::BAD_REQUEST,
        None if call.query.get("favorite").is_some() => StatusCode::OK,
        None => StatusCode::BAD_REQUEST,
    };
    Ok(text(status, Bytes::new()))
}

/// `/status.json`: one row per tuner.
pub(super) async fn status(call: Call) -> Result<Reply> {
    let app = &call.app;
    let mut tuners = app.tuners_now();
    // Names are looked up here: the list of viewers knows numbers only.
    for (number, name) in tuners.iter_mut().filter_map(|tuner| tuner.channel.as_mut()) {
        if let Ok(channel) = app.store.channel_by_number(number).await {
            *name = channel.name;
        }
    }
    // It says who watches what: not for strangers.
    Ok(router::json_text(status_json(&tuners)))
}

impl App {
    /// What each tuner is doing, with the channel's number in the place of its name.
    pub fn tuners_now(&self) -> Vec<TunerUse> {
        let mut tuners = vec![TunerUse::default(); usize::from(self.config.tuners)];
        let now = self.clock.utc();
        for viewer in self.viewers.list() {
            let Some(tuner) = viewer.tuner.and_then(|n| tuners.get_mut(usize::from(n))) else {
                continue;
            };
            let seconds = u64::try_from(now.since(viewer.since) / 1000)
                .unwrap_or_default()
                .max(1);
            *tuner = TunerUse {
                bits_per_s: viewer.sent_bytes().saturating_mul(8) / seconds,
                target: Some(viewer.ip.to_string()),
                channel: Some((viewer.channel.clone(), viewer.channel)),
            };
        }
        tuners
    }
}
