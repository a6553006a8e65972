//! How channels are planned.

use serde::{Deserialize, Serialize};

use super::super::SCHEDULE_ZONE;
use super::super::router::{Call, Reply, json};
use crate::clock::UtcMs;
use crate::error::Result;
use crate::playout::{Mode, Moves};
use crate::store::{Gap, PlanWarning};

/// What there is to know about how a channel is planned.
#[derive(Serialize)]
struct Planned {
    /// Rises with every change to what is planned.
    timeline_version: u64,
    /// Up to then.
    planned_until: Option<UtcMs>,
    /// Why the last attempt failed; what was planned before stands.
    failure: Option<String>,
    /// What the schedule could not do as it says.
    warnings: Vec<PlanWarning>,
    /// When the channel plays nothing from now on.
    gaps: Vec<Gap>,
}

async fn planned(call: &Call, channel: i64) -> Result<Reply> {
    let (store, playout) = (&call.app.store, &call.app.playout);
    let seen = playout.seen(channel).await?;
    let later_ms = seen.later_ms;
    let span = store.timeline_span(seen.of, None).await?;
    let now = call.app.clock.utc().plus(-later_ms);
    let later = |gap: Gap| Gap {
        start: gap.start.plus(later_ms),
        stop: gap.stop.plus(later_ms),
        ..gap
    };
    Ok(json(&Planned {
        timeline_version: store.channel(channel).await?.timeline_version,
        planned_until: span.map(|span| span.stop.plus(later_ms)),
        failure: playout.failure(channel).await?,
        warnings: store.plan_warnings(seen.of).await?,
        gaps: store
            .gaps(seen.of, now)
            .await?
            .into_iter()
            .map(later)
            .collect(),
    }))
}

/// `GET /api/v1/channels/{number}/warnings`.
pub(in crate::http) async fn warnings(call: Call) -> Result<Reply> {
    let number = call.params.get("number");
    let channel = call.app.store.channel_by_number(number).await?;
    planned(&call, channel.id).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rebuild {
    #[serde(default)]
    reset: bool,
}

/// `POST /api/v1/channels/{number}/rebuild` `{reset}`.
pub(in crate::http) async fn rebuild(call: Call) -> Result<Reply> {
    let wish: Rebuild = call.json()?;
    let number = call.params.get("number");
    let channel = call.app.store.channel_by_number(number).await?;
    let mode = match wish.reset {
        true => Mode::Reset,
        false => Mode::Refresh,
    };
    call.app.playout.rebuild(channel.id, mode).await?;
    planned(&call, channel.id).await
}

/// In which zone schedules are written.
#[derive(Serialize)]
struct ZoneView {
    /// Its name.
    zone: Option<String>,
    /// The name of that of this box.
    here: String,
    /// What would move if schedules were written in that.
    moves: Vec<Moves>,
}

/// `GET /api/v1/schedule/zone`.
pub(in crate::http) async fn zone(call: Call) -> Result<Reply> {
    let (app, playout) = (&call.app, &call.app.playout);
    let zone = playout.zone_name().await?;
    let moves = match zone.as_ref() == Some(&app.zone.name) {
        true => Vec::new(),
        false => playout.zone_preview(&app.zone.zone).await?,
    };
    let here = app.zone.name.clone();
    Ok(json(&ZoneView { zone, here, moves }))
}

/// `POST /api/v1/schedule/zone`.
pub(in crate::http) async fn take_zone(call: Call) -> Result<Reply> {
    let app = &call.app;
    app.playout.take_zone(&app.zone).await?;
    app.findings.clear(SCHEDULE_ZONE);
    zone(call).await
}

/// `GET /api/v1/channels/{number}/schedule/past`.
pub(in crate::http) async fn past(call: Call) -> Result<Reply> {
    let store = &call.app.store;
    let channel = store.channel_by_number(call.params.get("number")).await?;
    Ok(json(&store.past_programs(channel.id).await?))
}

/// `POST /api/v1/channels/{number}/schedule/undo`: answers what can be taken back next.
pub(in crate::http) async fn undo(call: Call) -> Result<Reply> {
    let number = call.params.get("number");
    let channel = call.app.store.channel_by_number(number).await?;
    call.app.playout.undo(channel.id).await?;
    past(call).await
}
