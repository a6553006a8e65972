//! Playouts as ErsatzTV (next) reads and writes them: <https://github.com/ErsatzTV/next>, `schema/playout.json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Plan, Wanted, problem};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::schedule::file::Problem;

/// What every version that we understand begins with: those up to the number behind it differ in what may be left out.
const VERSION: &str = "https://ersatztv.org/playout/version/0.0.";

#[derive(Deserialize)]
struct Playout {
    version: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    id: String,
    start: String,
    finish: String,
    source: Option<Source>,
    tracks: Option<Tracks>,
}

#[derive(Deserialize)]
struct Tracks {
    video: Option<Track>,
}

#[derive(Deserialize)]
struct Track {
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    source_type: String,
    path: Option<String>,
    in_point_ms: Option<i64>,
    out_point_ms: Option<i64>,
}

/// Reads a playout.
pub(super) fn read(text: &str) -> std::result::Result<Plan, Problem> {
    let playout: Playout = serde_json::from_str(text).map_err(|e| problem(&e))?;
    let wrong = |word: &str, message: String| {
        let (line, column) = super::place_of(text, word);
        Problem {
            line,
            column,
            message,
        }
    };
    if !playout.version.starts_with(VERSION) {
        let version = &playout.version;
        let said =
            format!("the playout is of version {version}, which is not understood: {VERSION}x is");
        return Err(wrong(version, said));
    }
    let moment = |text: &str| match text.parse::<Timestamp>() {
        Ok(time) => Ok(UtcMs(time.as_millisecond())),
        Err(_) => Err(wrong(
            text,
            format!("{text:?} is no moment: write 2026-01-31T20:15:00+01:00"),
        )),
    };
    let mut plan = Plan::default();
    for (n, item) in playout.items.into_iter().enumerate() {
        let (start, finish) = (moment(&item.start)?, moment(&item.finish)?);
        if n == 0 {
            plan.since = start;
        }
        let video = item.tracks.and_then(|tracks| tracks.video?.source);
        let (name, since) = (&item.id, &item.start);
        let Some(source) = video.or(item.source) else {
            plan.left_out
                .push(format!("item {name} at {since} says no source"));
            continue;
        };
        let (Some(path), "local") = (source.path, source.source_type.as_str()) else {
            let kind = source.source_type;
            plan.left_out
                .push(format!("item {name} at {since} is no file but {kind}"));
            continue;
        };
        let from_ms = source.in_point_ms.unwrap_or_default();
        let within = source
            .out_point_ms
            .map_or(i64::MAX, |out| out.saturating_sub(from_ms));
        plan.wanted.push(Wanted {
            path,
            at_ms: start.since(plan.since),
            length_ms: finish.since(start).min(within),
            from_ms,
        });
    }
    // The first item need not be the earliest.
    let earliest = plan
        .wanted
        .iter()
        .map(|w| w.at_ms)
        .min()
        .unwrap_or_default();
    plan.since = plan.since.plus(earliest);
    for wanted in &mut plan.wanted {
        wanted.at_ms -= earliest;
    }
    plan.wanted.sort_by_key(|wanted| wanted.at_ms);
    Ok(plan)
}

/// A file that is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// What tells it from the others.
    pub id: i64,
    /// On air from.
    pub start: UtcMs,
    /// On air until.
    pub stop: UtcMs,
    /// Absolute path.
    pub path: String,
    /// From where in it, from its beginning on.
    pub from_ms: i64,
}

#[derive(Serialize)]
struct Written<'a> {
    version: String,
    items: Vec<WrittenItem<'a>>,
}

#[derive(Serialize)]
struct WrittenItem<'a> {
    id: String,
    start: String,
    finish: String,
    source: WrittenSource<'a>,
}

#[derive(Serialize)]
struct WrittenSource<'a> {
    source_type: &'static str,
    path: &'a str,
    in_point_ms: i64,
    out_point_ms: i64,
}

/// What is played as a playout; times without anything are left out, as there.
pub fn write(played: &[Played]) -> Result<String> {
    let internal = |e: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Internal, format!("writing a playout: {e}"))
    };
    let moment = |at: UtcMs| {
        let time = Timestamp::from_millisecond(at.0).map_err(|e| internal(&e))?;
        Ok::<_, Error>(time.to_string())
    };
    let mut items = Vec::new();
    for one in played {
        items.push(WrittenItem {
            id: one.id.to_string(),
            start: moment(one.start)?,
            finish: moment(one.stop)?,
            source: WrittenSource {
                source_type: "local",
                path: &one.path,
                in_point_ms: one.from_ms,
                out_point_ms: one.from_ms.saturating_add(one.stop.since(one.start)),
            },
        });
    }
    let version = format!("{VERSION}2");
    let text = serde_json::to_string_pretty(&Written { version, items });
    text.map_err(|e| internal(&e))
}
