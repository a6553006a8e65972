//! What a schedule would play: built in memory, nothing is written.

use std::collections::BTreeMap;

use serde::Serialize;

use super::extend::{Want, plan};
use super::{DAY_MS, Playout};
use crate::clock::UtcMs;
use crate::error::Result;
use crate::guide::Metadata;
use crate::schedule::{MAX_ENTRIES, Role, Why};
use crate::store::{Channel, Entry, EntryContent, Id, MAX_PAGE, NewEntry, PlanWarning};

/// The most entries of a preview.
const MOST_ENTRIES: usize = 5_000;

/// What a channel plays from now on, and would play.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// What starts here or later would be planned anew; what starts earlier stays.
    pub from: UtcMs,
    /// From now on, in order.
    pub entries: Vec<PreviewEntry>,
    /// Whether there are more entries than are listed.
    pub more: bool,
    /// What the schedule could not do as it says.
    pub warnings: Vec<PlanWarning>,
    /// How many of the entries from `from` on are on the timeline already.
    pub same: usize,
    /// How many would be new there.
    pub new: usize,
    /// How many would be gone.
    pub gone: usize,
}

/// Something on air, or that would be.
#[derive(Clone, Debug, Serialize)]
pub struct PreviewEntry {
    /// On air from.
    pub start: UtcMs,
    /// On air until, not including.
    pub stop: UtcMs,
    /// What for.
    pub role: Role,
    /// What, in one line.
    pub title: String,
    /// The title that the guide shows instead, where the schedule has one.
    pub guide_title: Option<String>,
    /// Why.
    pub why: Why,
    /// The same in words.
    pub because: String,
}

impl PreviewEntry {
    fn new(start: UtcMs, stop: UtcMs, role: Role, title: String, why: Option<&str>) -> Self {
        let why: Why = why
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default();
        Self {
            start,
            stop,
            role,
            title,
            guide_title: None,
            because: why.told(role),
            why,
        }
    }
}

/// An item's titles in one line: "Cheers S01E02: Sam's Women".
pub fn one_line(titles: &Metadata) -> String {
    let Some(show) = &titles.show else {
        let year = titles.year.map(|year| format!(" ({year})"));
        return format!("{}{}", titles.title, year.unwrap_or_default());
    };
    let number = match (titles.season, titles.episode) {
        (Some(season), Some(episode)) => format!(" S{season:02}E{episode:02}"),
        _ => String::new(),
    };
    match *show == titles.title {
        true => format!("{show}{number}"),
        false => format!("{show}{number}: {}", titles.title),
    }
}

fn nothing(role: Role) -> String {
    match role {
        Role::Empty => "nothing to play".to_owned(),
        _ => "off air".to_owned(),
    }
}

impl Playout {
    /// What a channel with this row plays for so many days from now, if everything that is not published yet were
    /// planned anew. Nothing is written; a row that is not in the database is planned as that of a new channel.
    pub async fn preview(&self, channel: &Channel, days: u32) -> Result<Preview> {
        self.refuse_unset_clock()?;
        let store = &self.0.store;
        let mut ground = self.ground(channel.id).await?;
        ground.horizon_ms = i64::from(days.max(1)) * DAY_MS;
        let (now, until) = (ground.now, ground.now.plus(ground.horizon_ms));
        let shelf = self.shelf();
        let plan = plan(store, channel, &ground, Want::Anew, &shelf).await?;
        let plan = plan.unwrap_or_default();
        let mut old: Vec<Entry> = Vec::new();
        loop {
            let from = old.last().map_or(now, |last| last.stop);
            let page = store.timeline(channel.id, from, until, MAX_PAGE).await?;
            let is_last = page.len() < MAX_PAGE;
            old.extend(page);
            if is_last || old.len() >= MAX_ENTRIES {
                break;
            }
        }
        let known_until = match old.len() < MAX_ENTRIES {
            true => until,
            false => old.last().map_or(until, |last| last.stop),
        };
        let whys = store.whys(channel.id, now, until).await?;
        let behind = old.split_off(old.partition_point(|e| e.start < plan.from));
        let mut planned = plan.entries;
        planned.retain(|e| e.start < known_until && e.stop > now);
        let mut entries: Vec<PreviewEntry> = old
            .into_iter()
            .map(|e| {
                let title = match e.content {
                    EntryContent::Item { .. } => one_line(&e.metadata),
                    EntryContent::Gap => nothing(e.role),
                };
                let why = whys.get(&e.start).map(String::as_str);
                PreviewEntry::new(e.start, e.stop, e.role, title, why)
            })
            .collect();
        let known: BTreeMap<UtcMs, &EntryContent> =
            behind.iter().map(|e| (e.start, &e.content)).collect();
        let is_known = |e: &&NewEntry| known.get(&e.start) == Some(&&e.content);
        let same = planned.iter().filter(is_known).count();
        let (new, gone) = (planned.len() - same, behind.len() - same);
        let more = entries.len() + planned.len() > MOST_ENTRIES;
        entries.truncate(MOST_ENTRIES);
        planned.truncate(MOST_ENTRIES - entries.len());
        let titles = self.titles(&planned).await?;
        entries.extend(planned.into_iter().map(|e| {
            let title = match e.content {
                EntryContent::Item { item_id, .. } => titles.get(&item_id).cloned(),
                EntryContent::Gap => Some(nothing(e.role)),
            };
            let title = title.unwrap_or_else(|| "an item that is gone".to_owned());
            let entry = PreviewEntry::new(e.start, e.stop, e.role, title, e.why.as_deref());
            PreviewEntry {
                guide_title: e
                    .title
                    .filter(|_| !matches!(e.role, Role::Gap | Role::Empty)),
                ..entry
            }
        }));
        Ok(Preview {
            from: plan.from,
            entries,
            more,
            warnings: plan.warnings,
            same,
            new,
            gone,
        })
    }

    async fn titles(&self, entries: &[NewEntry]) -> Result<BTreeMap<Id, String>> {
        let mut ids: Vec<Id> = entries
            .iter()
            .filter_map(|e| match e.content {
                EntryContent::Item { item_id, .. } => Some(item_id),
                EntryContent::Gap => None,
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let mut titles = BTreeMap::new();
        for page in ids.chunks(MAX_PAGE) {
            let items = self.0.store.items(page).await?;
            titles.extend(items.into_iter().map(|i| (i.id, one_line(&i.metadata))));
        }
        Ok(titles)
    }
}
