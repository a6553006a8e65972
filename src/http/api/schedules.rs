//! Schedules as files.

use serde::{Deserialize, Serialize};

use super::super::App;
use super::super::router::{Call, Reply, json, json_text};
use super::channels::known;
use crate::bail;
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::import::{self, Played};
use crate::playout::{Preview, one_line};
use crate::schedule::file::{self, Problem, Reading};
use crate::schedule::{Collection, PlayOrder, Program, Role, Why};
use crate::store::{Channel, EntryContent, MAX_PAGE, ProbeState, Progress};

/// How many days a preview may show.
const DAYS: std::ops::RangeInclusive<u32> = 1..=14;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// The file.
    text: Option<String>,
    /// The channel, where the path does not say.
    channel: Option<String>,
    #[serde(default)]
    dry_run: bool,
    days: Option<u32>,
    /// For plans of other programs: what paths begin with there, and here.
    #[serde(default)]
    map: Vec<(String, String)>,
    /// Leave out what the library does not have.
    #[serde(default)]
    partly: bool,
}

impl Wish {
    fn days(&self) -> Result<u32> {
        match self.days.unwrap_or(1) {
            days if DAYS.contains(&days) => Ok(days),
            days => bail!(Usage, "{days} days cannot be shown: possible are 1 to 14"),
        }
    }
}

/// What became of a file.
#[derive(Default, Serialize)]
struct Answer {
    /// What kind of schedule it is.
    kind: Option<String>,
    /// Why it is none.
    problems: Vec<Problem>,
    /// Whether the channel is planned by it now.
    applied: bool,
    /// Whether it was before.
    unchanged: bool,
    /// What of the text has no effect, and what of another program's plan cannot be played.
    remarks: Vec<String>,
    preview: Option<Preview>,
}

/// What a text says.
struct Understood {
    program: Program,
    remarks: Vec<String>,
}

/// The program that a text says, or all that is wrong with it: also collections and files that do not exist.
async fn understood(
    app: &App,
    wish: &mut Wish,
) -> Result<std::result::Result<Understood, Vec<Problem>>> {
    let text = wish.text.take().unwrap_or_default();
    let plan = match import::read(&text) {
        None => return ours(app, text).await,
        Some(Err(problem)) => return Ok(Err(vec![problem])),
        Some(Ok(plan)) => plan,
    };
    let matched = import::matched(&app.store, &text, plan, &wish.map).await?;
    if !wish.partly && !matched.missing.is_empty() {
        return Ok(Err(matched.missing));
    }
    let missing = matched.missing.into_iter().map(|problem| problem.message);
    let left_out = matched.left_out.into_iter().chain(missing);
    let remarks = left_out.map(|what| format!("left out: {what}")).collect();
    Ok(Ok(Understood {
        program: matched.program,
        remarks,
    }))
}

async fn ours(app: &App, text: String) -> Result<std::result::Result<Understood, Vec<Problem>>> {
    let read = tokio::task::spawn_blocking(move || file::read(&text));
    let read = read
        .await
        .map_err(|e| Error::with_source(ErrorKind::Internal, "reading a schedule", e))?;
    let Reading {
        program,
        named,
        warnings,
    } = match read {
        Ok(reading) => reading,
        Err(problems) => return Ok(Err(problems)),
    };
    let mut seen: Vec<(Collection, Option<String>)> = Vec::new();
    let mut problems = Vec::new();
    for name in named {
        if !seen.iter().any(|(of, _)| *of == name.of) {
            let wrong = match known(app, &name.of).await {
                Ok(()) => None,
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
                    Some(e.message().to_owned())
                }
                Err(e) => return Err(e),
            };
            seen.push((name.of.clone(), wrong));
        }
        let wrong = seen.iter().find(|(of, _)| *of == name.of);
        if let Some((_, Some(wrong))) = wrong {
            problems.push(name.problem(wrong));
        }
    }
    Ok(match problems.is_empty() {
        true => Ok(Understood {
            program,
            remarks: warnings.iter().map(ToString::to_string).collect(),
        }),
        false => Err(problems),
    })
}

async fn channel_of(call: &Call) -> Result<Channel> {
    let number = call.params.get("number");
    call.app.store.channel_by_number(number).await
}

/// `GET /api/v1/channels/{number}/schedule`.
pub(in crate::http) async fn show(call: Call) -> Result<Reply> {
    #[derive(Serialize)]
    struct Shown {
        number: String,
        name: String,
        kind: String,
        /// Whether it is a schedule that was applied, not the channel's own loop.
        applied: bool,
        text: String,
    }
    let channel = channel_of(&call).await?;
    let program = channel.program();
    Ok(json(&Shown {
        kind: program.kind(),
        applied: channel.program.is_some(),
        text: file::write(&program),
        number: channel.number,
        name: channel.name,
    }))
}

/// `POST /api/v1/channels/{number}/schedule` `{text, dry_run, days}`: nothing is changed before everything is known.
pub(in crate::http) async fn apply(call: Call) -> Result<Reply> {
    let mut wish: Wish = call.json()?;
    let days = wish.days()?;
    let mut channel = channel_of(&call).await?;
    if wish.text.is_none() {
        bail!(Usage, "the text of the schedule is missing");
    }
    let Understood { program, remarks } = match understood(&call.app, &mut wish).await? {
        Ok(understood) => understood,
        Err(problems) => {
            return Ok(json(&Answer {
                problems,
                ..Answer::default()
            }));
        }
    };
    let mut answer = Answer {
        kind: Some(program.kind()),
        unchanged: channel.program.as_ref() == Some(&program),
        remarks,
        ..Answer::default()
    };
    let playout = &call.app.playout;
    if wish.dry_run {
        channel.program = Some(program);
        answer.preview = Some(playout.preview(&channel, days).await?);
    } else {
        playout.apply(channel, Some(program)).await?;
        answer.applied = true;
    }
    Ok(json(&answer))
}

/// `DELETE /api/v1/channels/{number}/schedule`.
pub(in crate::http) async fn clear(call: Call) -> Result<Reply> {
    let channel = channel_of(&call).await?;
    let number = channel.number.clone();
    let changed = call.app.playout.apply(channel, None).await?;
    Ok(json(
        &serde_json::json!({"cleared": number, "unchanged": !changed}),
    ))
}

/// `POST /api/v1/schedule/preview` `{channel, text, days}`.
pub(in crate::http) async fn preview(call: Call) -> Result<Reply> {
    let mut wish: Wish = call.json()?;
    let (app, days) = (&call.app, wish.days()?);
    let mut channel = match &wish.channel {
        Some(number) => app.store.channel_by_number(number).await?,
        None => nobody(app),
    };
    let mut remarks = Vec::new();
    if wish.text.is_some() {
        match understood(app, &mut wish).await? {
            Ok(understood) => {
                channel.program = Some(understood.program);
                remarks = understood.remarks;
            }
            Err(problems) => {
                return Ok(json(&Answer {
                    problems,
                    ..Answer::default()
                }));
            }
        }
    } else if wish.channel.is_none() {
        bail!(Usage, "a preview wants a channel or a text");
    }
    Ok(json(&Answer {
        kind: Some(channel.program().kind()),
        remarks,
        preview: Some(app.playout.preview(&channel, days).await?),
        ..Answer::default()
    }))
}

/// A channel that does not exist: no key of a row is 0.
fn nobody(app: &App) -> Channel {
    Channel {
        id: 0,
        number: "0".to_owned(),
        name: String::new(),
        group: None,
        format: crate::media::Format::default(),
        mux_rate_kbit: None,
        collection: Collection::Library,
        order: PlayOrder::Shuffle,
        program: None,
        unreadable: None,
        progress: Progress::Continuous,
        behind_ms: 0,
        watched_to: None,
        mirror: None,
        seed: 0,
        timeline_version: 0,
        created: app.clock.utc(),
    }
}

/// Why something is on air.
#[derive(Serialize)]
struct Reason {
    start: UtcMs,
    stop: UtcMs,
    /// What, in one line.
    title: String,
    /// The programme of the guide that it belongs to.
    guide_title: String,
    guide_start: UtcMs,
    guide_stop: UtcMs,
    role: Role,
    /// What kind of schedule the channel plays.
    kind: String,
    #[serde(flatten)]
    why: Why,
    /// All of it as a sentence.
    because: String,
}

/// `GET /api/v1/channels/{number}/why?at=`.
pub(in crate::http) async fn why(call: Call) -> Result<Reply> {
    let store = &call.app.store;
    let channel = channel_of(&call).await?;
    let at = match call.query.get("at").map(str::parse) {
        None => call.app.clock.utc(),
        Some(Ok(ms)) => UtcMs(ms),
        Some(Err(_)) => bail!(Usage, "at is a number of milliseconds since 1970"),
    };
    let seen = call.app.playout.seen(channel.id).await?;
    let at = at.plus(-seen.later_ms);
    let Some(entry) = store.entry_at(seen.of, at).await? else {
        bail!(
            NotFound,
            "nothing is planned on channel {} at that time: the timeline reaches from yesterday to the horizon",
            channel.number
        );
    };
    let whys = store.whys(seen.of, entry.start, entry.stop).await?;
    let why = whys.get(&entry.start).map(String::as_str);
    let entry = seen.shown(channel.id, entry);
    let mut why: Why = why
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    let title = match entry.content {
        EntryContent::Item { item_id, .. } => match store.items(&[item_id]).await?.first() {
            Some(item) => one_line(&item.metadata),
            None => one_line(&entry.metadata),
        },
        EntryContent::Gap => String::new(),
    };
    let because = why.told(entry.role);
    let seed = why.seed.unwrap_or(channel.seed);
    why.seed = Some(seed);
    Ok(json(&Reason {
        start: entry.start,
        stop: entry.stop,
        guide_title: one_line(&entry.metadata),
        guide_start: UtcMs(entry.guide_start_s.saturating_mul(1000)),
        guide_stop: UtcMs(entry.guide_stop_s.saturating_mul(1000)),
        role: entry.role,
        kind: channel.program().kind(),
        because: match title.is_empty() {
            true => because,
            false => format!("{title}: {because}, seed {seed}"),
        },
        title,
        why,
    }))
}

/// `GET /api/v1/channels/{number}/playout?days=`: what is planned from now on, as ErsatzTV (next) reads it.
pub(in crate::http) async fn playout(call: Call) -> Result<Reply> {
    let (store, channel) = (&call.app.store, channel_of(&call).await?);
    let days = match call.query.get("days").map(str::parse::<u32>) {
        None => 1,
        Some(Ok(days)) if DAYS.contains(&days) => days,
        Some(_) => bail!(Usage, "days is a number from 1 to 14"),
    };
    let now = call.app.clock.utc();
    let until = now.plus(i64::from(days) * 86_400_000);
    let (mut at, mut played) = (now, Vec::new());
    loop {
        let playout = &call.app.playout;
        let page = playout.timeline(channel.id, at, until, MAX_PAGE).await?;
        let item = |content: &EntryContent| match content {
            EntryContent::Item { item_id, from, .. } => Some((*item_id, *from)),
            EntryContent::Gap => None,
        };
        let ids: Vec<_> = page
            .iter()
            .filter_map(|e| Some(item(&e.content)?.0))
            .collect();
        let items = store.items(&ids).await?;
        for entry in &page {
            let Some((id, from)) = item(&entry.content) else {
                continue;
            };
            let known = items.iter().find(|item| item.id == id);
            let Some((ProbeState::Known(probe), Some(path))) =
                known.map(|item| (&item.probe, item.path.to_str()))
            else {
                continue;
            };
            played.push(Played {
                id: entry.id,
                start: entry.start,
                stop: entry.stop,
                path: path.to_owned(),
                from_ms: (from - probe.start).round_ms().max(0),
            });
        }
        match page.last() {
            Some(last) if page.len() == MAX_PAGE => at = last.stop,
            _ => break,
        }
    }
    let text = import::write(&played)?;
    Ok(json_text(text))
}
