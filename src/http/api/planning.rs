//! How channels are planned.

use serde::{Deserialize, Serialize};

use super::super::router::{Call, Reply, json};
use crate::clock::UtcMs;
use crate::error::Result;
use crate::playout::Mode;
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
    let span = store.timeline_span(channel, None).await?;
    Ok(json(&Planned {
        timeline_version: store.channel(channel).await?.timeline_version,
        planned_until: span.map(|span| span.stop),
        failure: playout.failure(channel).await?,
        warnings: store.plan_warnings(channel).await?,
        gaps: store.gaps(channel, call.app.clock.utc()).await?,
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
