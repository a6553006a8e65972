//! Channels as dizqueTV keeps and exports them: a list of programmes that is played again and again since a moment.
//! <https://github.com/vexorian/dizquetv>

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Plan, Wanted, problem};
use crate::clock::UtcMs;
use crate::schedule::file::Problem;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Channel {
    #[serde(default)]
    start_time: Value,
    programs: Vec<Programme>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Programme {
    /// Milliseconds; fractions occur.
    duration: f64,
    #[serde(default)]
    is_offline: bool,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Where the media server has it.
    file: Option<String>,
    title: Option<String>,
    show_title: Option<String>,
}

/// Reads a channel.
pub(super) fn read(text: &str) -> Result<Plan, Problem> {
    let channel: Channel = serde_json::from_str(text).map_err(|e| problem(&e))?;
    let since = match &channel.start_time {
        Value::String(time) => time
            .parse::<Timestamp>()
            .ok()
            .map(Timestamp::as_millisecond),
        Value::Number(ms) => ms.as_i64(),
        _ => None,
    };
    let Some(since) = since else {
        let (line, column) = super::place_of(text, "startTime");
        return Err(Problem {
            line,
            column,
            message: "the channel does not say when it began: \"startTime\" is a moment such as 2024-01-31T20:15:00.000Z".to_owned(),
        });
    };
    let mut plan = Plan {
        since: UtcMs(since),
        ..Plan::default()
    };
    let mut at: i64 = 0;
    for programme in channel.programs {
        // A number as large as a year is as wrong as a negative one; both are no time at all.
        let length = match programme.duration.round() {
            ms if (0.0..3.2e10).contains(&ms) => ms as i64,
            _ => 0,
        };
        let titles = [programme.show_title, programme.title];
        let name: Vec<String> = titles.into_iter().flatten().collect();
        match (programme.kind.as_deref(), programme.file) {
            (Some("redirect"), _) => plan
                .left_out
                .push("a time in which another channel is shown".to_owned()),
            _ if programme.is_offline => {}
            (_, Some(path)) => plan.wanted.push(Wanted {
                path,
                at_ms: at,
                length_ms: length,
                from_ms: 0,
            }),
            (_, None) => plan
                .left_out
                .push(format!("{}: says no file", name.join(": "))),
        }
        at = at.saturating_add(length);
    }
    plan.repeat_ms = Some(at).filter(|length| *length > 0);
    Ok(plan)
}
