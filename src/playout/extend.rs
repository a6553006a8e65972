//! Brings one channel's timeline to the horizon.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::tz::TimeZone;

use super::library::{Library, Shelf};
use super::{LOW_WATER_BELOW_MS, PUBLISHED_MS, internal};
use crate::clock::UtcMs;
use crate::error::Result;
use crate::schedule::{
    BuildInput, History, MAX_ENTRIES, Mark, Planned, Plays, Role, Seed, Skipped, State, Warnings,
    begin, build,
};
use crate::store::{
    Channel, EntryContent, GAP_TITLE, Id, MAX_PAGE, NewEntry, NewPlan, PlanWarning, Store,
    TimelineSpan,
};

const SECOND_MS: i64 = 1000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Entries from now to the horizon.
    Ahead,
    /// The same, with everything anew that is not published yet.
    Anew,
    /// As `Anew` when the channel is another, or its items are, than it was last planned from; else as `Ahead`.
    AnewIfOthers,
    /// As `Anew`, forgetting where the channel was, with a new seed.
    Reset,
}

/// By what a channel is planned, besides its own row.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) now: UtcMs,
    pub(super) zone: TimeZone,
    /// How far ahead.
    pub(super) horizon_ms: i64,
    #[cfg(test)]
    pub(super) panics: bool,
}

impl Ground {
    /// A timeline that reaches less far is extended.
    fn low_water(&self) -> UtcMs {
        self.now.plus(self.horizon_ms - LOW_WATER_BELOW_MS)
    }
}

/// How far a channel's timeline reaches.
struct Reach {
    span: Option<TimelineSpan>,
    covers_now: bool,
    /// Whether it ends too soon.
    low: bool,
    /// The first gap ahead.
    gap: Option<UtcMs>,
}

impl Reach {
    async fn of(store: &Store, channel: Id, ground: &Ground) -> Result<Self> {
        let now = ground.now;
        let span = store.timeline_span(channel, None).await?;
        let covers_now = span.as_ref().filter(|s| s.start <= now && now < s.stop);
        let low = covers_now.is_none_or(|s| s.stop < ground.low_water());
        let gap = match covers_now {
            Some(_) => store.first_gap(channel, now.plus(2 * SECOND_MS)).await?,
            None => None,
        };
        let covers_now = covers_now.is_some();
        Ok(Self {
            span,
            covers_now,
            low,
            gap,
        })
    }

    fn suffices(&self) -> bool {
        !self.low && self.gap.is_none()
    }
}

/// Whether a channel's timeline ends too soon, or has a gap that items might fill.
pub(super) async fn is_due(store: &Store, channel: Id, ground: &Ground) -> Result<bool> {
    Ok(!Reach::of(store, channel, ground).await?.suffices())
}

/// Where building goes on.
#[derive(Debug)]
struct Joint {
    /// What starts here or later is replaced.
    from: UtcMs,
    /// Whether the channel has never played anything.
    is_new: bool,
    /// The end of what is there, where a time that nobody planned for lies between it and `from`.
    hole_since: Option<UtcMs>,
}

/// Brings a channel's timeline to the horizon. Returns the new version; `None` when nothing had to change.
pub(super) async fn bring(
    store: &Store,
    channel: &Channel,
    ground: &Ground,
    want: Want,
    shelf: &Shelf,
) -> Result<Option<u64>> {
    let Some(plan) = plan(store, channel, ground, want, shelf).await? else {
        return Ok(None);
    };
    if let Some(warning) = plan.warnings.first() {
        log::warn!(
            CHANNEL = channel.number.as_str();
            "the schedule of channel {} has {} warnings, the first: {}", channel.number, plan.warnings.len(), warning.text
        );
    }
    store.plan_timeline(channel.id, plan).await.map(Some)
}

/// What has to be written to bring a channel's timeline to the horizon; `None` when nothing has to.
pub(super) async fn plan(
    store: &Store,
    channel: &Channel,
    ground: &Ground,
    mut want: Want,
    shelf: &Shelf,
) -> Result<Option<NewPlan>> {
    let now = ground.now;
    if let Some(why) = &channel.unreadable {
        crate::bail!(
            Data,
            "the schedule of channel {} cannot be read: {why}. What is planned stays; give it another schedule, or take \
             the last change back: exstreamd schedule undo {}",
            channel.number,
            channel.number
        );
    }
    let program = channel.program();
    let mut known = None;
    if want == Want::AnewIfOthers {
        let items = shelf.library(&program).await?;
        let planned = store.planned_from(channel.id).await?;
        want = match planned == Some(planned_from(channel, &items)) {
            true => Want::Ahead,
            false => Want::Anew,
        };
        known = Some(items);
    }
    let mut reach = Reach::of(store, channel.id, ground).await?;
    if want == Want::Ahead && reach.suffices() {
        return Ok(None);
    }
    let items = match known {
        Some(items) => items,
        None => shelf.library(&program).await?,
    };
    reach.gap = reach.gap.filter(|_| items.can_play());
    if want == Want::Ahead && reach.gap.is_some() {
        // What these very items could not fill they cannot fill now.
        let planned = store.planned_from(channel.id).await?;
        match planned == Some(planned_from(channel, &items)) {
            true => reach.gap = None,
            false => want = Want::Anew,
        }
    }
    if want == Want::Ahead && reach.suffices() {
        return Ok(None);
    }
    let Reach {
        span,
        covers_now,
        gap,
        ..
    } = reach;
    let joint = match (span, covers_now) {
        (Some(span), true) => running(store, channel.id, span, gap, now, want).await?,
        (span, _) => stopped(span, now),
    };
    // Entries of a few seconds would make a timeline of half a million rows: it ends earlier then.
    let ahead = match (want, covers_now) {
        (Want::Ahead, true) => store.entries_after(channel.id, now).await?,
        _ => 0,
    };
    let room = MAX_ENTRIES.saturating_sub(usize::try_from(ahead).unwrap_or(usize::MAX));
    if room == 0 && gap.is_none() {
        return Ok(None);
    }
    let begins = joint.is_new || want == Want::Reset;
    let state = match begins {
        true => None,
        false => State::restore(store.marks(channel.id, joint.from).await?),
    };
    let history = match begins {
        true => History::default(),
        false => items.history(store, channel.id, joint.from).await?,
    };
    let place = state.as_ref().map(|state| state.to_mark().to_json());
    let seed = match want {
        Want::Reset => Seed(channel.seed).of(channel.timeline_version).bits(),
        _ => channel.seed,
    };
    // What is planned behind the horizon's last entry leaves the rest as it is.
    let whole = want != Want::Ahead || !covers_now;
    let planned_from = whole.then(|| {
        planned_from(
            &Channel {
                seed,
                ..channel.clone()
            },
            &items,
        )
    });
    // Sorting a hundred thousand items takes a while; a panic in there is one more failure of this channel.
    let (ground, is_new, from) = (ground.clone(), joint.is_new, joint.from);
    let built = tokio::task::spawn_blocking(move || {
        #[cfg(test)]
        assert!(!ground.panics, "on purpose");
        let mut input = BuildInput {
            program: &program,
            catalog: &items.catalog,
            contents: &items.contents,
            history: &history,
            seed,
            zone: &ground.zone,
            from,
            until: now.plus(ground.horizon_ms),
            state,
        };
        let mut place = place;
        if begins {
            let (since, state) = begin(&input);
            // What is on air, or published, is not cut for what would have begun before it ends.
            (input.from, input.state) = match is_new {
                true => (since, state),
                false => (from, state.map(State::elsewhere)),
            };
            // Whoever goes on from here later does not find what was forgotten.
            let begun = input.state.clone().unwrap_or_default();
            place = (!is_new).then(|| begun.to_mark().to_json());
        }
        (input.from, place, build(&input))
    });
    let (from, place, mut built) = built
        .await
        .map_err(|e| internal("the scheduler failed", e))?;
    if gap.is_none() {
        // Only whole steps are kept: the scheduler goes on behind the last of them.
        let within = built.entries.get(..room).unwrap_or(&built.entries);
        let kept = within
            .iter()
            .rposition(|e| e.mark.is_some())
            .map_or(0, |n| n + 1);
        built.entries.truncate(kept);
    }
    let hole = joint.hole_since.map(|since| NewEntry {
        start: since,
        stop: from,
        content: EntryContent::Gap,
        role: Role::Gap,
        guide_group: rounded_s(since),
        shows: None,
        title: None,
        why: None,
        mark_is_full: place.is_some(),
        mark: place.clone(),
    });
    Ok(Some(NewPlan {
        from: joint.hole_since.unwrap_or(from),
        place: place.filter(|_| begins && joint.hole_since.is_none()),
        warnings: warnings(&built.skipped, built.warnings),
        entries: hole
            .into_iter()
            .chain(built.entries.into_iter().map(row))
            .collect(),
        planned_from,
        seed: (want == Want::Reset).then_some(seed),
    }))
}

/// Tells apart from what a channel is planned: its items, and what it makes of them. Where the hash of another build
/// of this program differs, a channel is planned anew once more than need be.
fn planned_from(channel: &Channel, items: &Library) -> String {
    let mut hasher = DefaultHasher::new();
    let program = serde_json::to_string(&channel.program()).unwrap_or_default();
    (channel.seed, program).hash(&mut hasher);
    format!("{:016x}:{}", hasher.finish(), items.fingerprint)
}

/// Where building goes on in a timeline that covers now. `gap` is the first gap that items can fill.
async fn running(
    store: &Store,
    channel: Id,
    span: TimelineSpan,
    gap: Option<UtcMs>,
    now: UtcMs,
    want: Want,
) -> Result<Joint> {
    let mut from = span.stop;
    if want != Want::Ahead {
        let published = store.step_end(channel, now.plus(PUBLISHED_MS)).await?;
        from = published.unwrap_or(from);
    }
    let mut gap = gap;
    if let Some(since) = gap {
        // What is published behind a gap stays, and so does the gap then.
        let until = now.plus(PUBLISHED_MS);
        let published = store.timeline(channel, since, until, MAX_PAGE).await?;
        if published.iter().any(|e| e.content != EntryContent::Gap) {
            gap = None;
        }
    }
    if let Some(gap) = gap {
        // A gap on air ends with the second, but is never shorter than one.
        let cut = full_second(now).plus(SECOND_MS).max(gap.plus(SECOND_MS));
        from = from.min(if gap > now { gap } else { cut });
    }
    Ok(Joint {
        from,
        is_new: false,
        hole_since: None,
    })
}

/// Where building begins when nothing covers now: the channel is new, or nobody has extended it for a week, or the
/// clock has been set back before everything that was planned.
fn stopped(span: Option<TimelineSpan>, now: UtcMs) -> Joint {
    let start = full_second(now);
    let Some(span) = span else {
        return Joint {
            from: start,
            is_new: true,
            hole_since: None,
        };
    };
    let (from, hole_since) = if span.start > now {
        (start, None)
    } else if start.since(span.stop) < SECOND_MS {
        (span.stop, None)
    } else {
        (start, Some(span.stop))
    };
    Joint {
        from,
        is_new: false,
        hole_since,
    }
}

fn full_second(t: UtcMs) -> UtcMs {
    UtcMs(t.0.div_euclid(SECOND_MS).saturating_mul(SECOND_MS))
}

/// A moment in whole seconds, halves up.
fn rounded_s(t: UtcMs) -> i64 {
    t.0.saturating_add(SECOND_MS / 2).div_euclid(SECOND_MS)
}

fn row(planned: Planned) -> NewEntry {
    NewEntry {
        start: planned.start,
        stop: planned.stop,
        content: match planned.plays {
            Plays::Item { id, from, to } => EntryContent::Item {
                item_id: id,
                from,
                to,
            },
            Plays::Gap => EntryContent::Gap,
        },
        role: planned.role,
        guide_group: planned.group.id,
        shows: planned.group.shows,
        // What joins a time off the air, as what the guide does not show, goes by its words.
        title: match (&planned.group.title, planned.group.shows) {
            (Some(title), _) => Some(title.as_ref().to_owned()),
            (None, None) => Some(GAP_TITLE.to_owned()),
            (None, Some(_)) => None,
        },
        why: Some(planned.why.to_json()),
        mark_is_full: planned.mark.as_ref().is_some_and(Mark::is_full),
        mark: planned.mark.map(|mark| mark.to_json()),
    }
}

/// What is left out and what went wrong, in the words that are kept: of items the first few, then how many.
fn warnings(skipped: &[Skipped], found: Warnings) -> Vec<PlanWarning> {
    const NAMED: usize = 10;
    let everywhere = |text| PlanWarning { at: None, text };
    let mut all: Vec<_> = skipped
        .iter()
        .take(NAMED)
        .map(|item| everywhere(format!("item {} is left out: {}", item.id, item.why)))
        .collect();
    if skipped.len() > NAMED {
        all.push(everywhere(format!(
            "{} items are left out in all",
            skipped.len()
        )));
    }
    if found.more > 0 {
        let text = format!(
            "{} warnings more, or the same again, are not listed",
            found.more
        );
        all.push(everywhere(text));
    }
    all.extend(found.list.into_iter().map(|warning| PlanWarning {
        at: Some(warning.at),
        text: warning.text,
    }));
    all
}
