//! The zone that schedules are written in.
//!
//! It is noted once and stays when the box moves or its settings do: a quarter past eight keeps the meaning that it had
//! when somebody wrote it down, until somebody says otherwise, having seen what would move.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::extend::{self, Want};
use super::library::Shelf;
use super::{Playout, lock};
use crate::clock::UtcMs;
use crate::config::Zone;
use crate::error::Result;
use crate::schedule::{Program, Role};
use crate::store::{Channel, EntryContent, Id, NewPlan, Store};

/// The fact of the database that names the zone.
const WRITTEN_IN: &str = "schedule.zone";
/// The most programmes of a channel that are named in a preview.
const MOST_NAMED: usize = 5;

/// The zone that schedules are written in.
#[derive(Clone, Debug)]
pub struct WrittenIn {
    /// The zone.
    pub zone: TimeZone,
    /// What to know when it is not the one of this box, and what to do; `None` when it is.
    pub finding: Option<String>,
}

/// Reads in which zone schedules are written; where nobody has noted one, that of this box is noted. One that tells the
/// same time as that of this box is as good as the same.
pub async fn written_in(store: &Store, here: &Zone, now: UtcMs) -> Result<WrittenIn> {
    let known = store.meta(WRITTEN_IN).await?;
    let (zone, finding) = match known.filter(|name| *name != here.name) {
        None => (here.zone.clone(), None),
        Some(name) => match Zone::named(&name) {
            Some(zone) if !tell_the_same(&zone, &here.zone, now) => {
                let finding = format!(
                    "the time zone of this box is {} and schedules were written in {name}, which they keep: \
                     \"exstreamd schedule zone\" shows what would move, and with --accept moves it",
                    here.name
                );
                return Ok(WrittenIn {
                    zone,
                    finding: Some(finding),
                });
            }
            Some(_) => (here.zone.clone(), None),
            None => {
                let finding = format!(
                    "schedules were written in the time zone {name}, which this box does not know, and are read in {}: \
                     set time.zone in the configuration, or say that it is right: exstreamd schedule zone --accept",
                    here.name
                );
                return Ok(WrittenIn {
                    zone: here.zone.clone(),
                    finding: Some(finding),
                });
            }
        },
    };
    store.set_meta(WRITTEN_IN, Some(&here.name)).await?;
    Ok(WrittenIn { zone, finding })
}

/// Whether two zones show the same local time every hour from now on for a year, the switch days in it included.
fn tell_the_same(one: &TimeZone, other: &TimeZone, now: UtcMs) -> bool {
    (0..366 * 24).all(|hour| {
        let moment = Timestamp::from_millisecond(now.plus(hour * 3_600_000).0);
        moment.is_ok_and(|t| one.to_offset(t) == other.to_offset(t))
    })
}

/// What another zone would do to a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moves {
    /// Number of the channel.
    pub number: String,
    /// How many of its programmes up to the horizon would not be where they are.
    pub programmes: usize,
    /// The first of them.
    pub first: Vec<Move>,
}

/// A programme that another zone would move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    /// Its title.
    pub title: String,
    /// When it starts as things are.
    pub from: UtcMs,
    /// When it would start; `None` when it would not be there.
    pub to: Option<UtcMs>,
}

impl Playout {
    /// What would move if schedules were written in `zone`: per channel, those that nothing would move left out.
    /// Changes nothing.
    pub async fn zone_preview(&self, zone: &TimeZone) -> Result<Vec<Moves>> {
        let store = &self.0.store;
        let mut all = Vec::new();
        let mut channels = store.channels().await?;
        // A loop knows nothing of the time of day.
        channels.retain(|channel| !matches!(channel.program(), Program::Loop(_)));
        let shelf = self.shelf();
        for channel in &channels {
            shelf.want(&channel.program()).await;
        }
        for channel in channels {
            let moves = async {
                let as_it_is = self.dry_run(&channel, self.zone(), &shelf).await?;
                let other = self.dry_run(&channel, zone.clone(), &shelf).await?;
                moves(store, &channel, &as_it_is, &other).await
            };
            match moves.await {
                Ok(moves) if moves.programmes == 0 => {}
                Ok(moves) => all.push(moves),
                // It is as it is in either zone.
                Err(e) => log::warn!(
                    CHANNEL = channel.number.as_str(), ERROR_KIND = e.kind().name();
                    "what another zone would do to channel {}: {e:#}", channel.number
                ),
            }
        }
        Ok(all)
    }

    /// What a channel would play behind the published hour in a zone.
    async fn dry_run(&self, channel: &Channel, zone: TimeZone, shelf: &Shelf) -> Result<NewPlan> {
        let ground = extend::Ground {
            zone,
            ..self.ground(channel.id).await?
        };
        let plan = extend::plan(&self.0.store, channel, &ground, Want::Anew, shelf).await?;
        Ok(plan.unwrap_or_default())
    }

    /// From now on schedules are written in the zone of this box: what begins behind the published hour is planned anew
    /// on every channel. A channel that fails is logged and keeps its timeline until it is built again.
    pub async fn take_zone(&self, here: &Zone) -> Result<()> {
        self.0.store.set_meta(WRITTEN_IN, Some(&here.name)).await?;
        *lock(&self.0.zone) = here.zone.clone();
        self.each(Want::Anew).await;
        Ok(())
    }

    /// The zone that schedules are written in.
    pub fn zone(&self) -> TimeZone {
        lock(&self.0.zone).clone()
    }

    /// Its name; `None` before it was noted.
    pub async fn zone_name(&self) -> Result<Option<String>> {
        self.0.store.meta(WRITTEN_IN).await
    }
}

/// Where and what the programmes of a plan are.
fn programmes(plan: &NewPlan) -> Vec<(UtcMs, Id)> {
    let programmes = plan.entries.iter().filter(|e| e.role == Role::Programme);
    programmes
        .filter_map(|e| match e.content {
            EntryContent::Item { item_id, .. } => Some((e.start, item_id)),
            EntryContent::Gap => None,
        })
        .collect()
}

async fn moves(
    store: &Store,
    channel: &Channel,
    as_it_is: &NewPlan,
    other: &NewPlan,
) -> Result<Moves> {
    let (old, new) = (programmes(as_it_is), programmes(other));
    // One of them may reach further.
    let end = old.last().min(new.last()).map(|(start, _)| *start);
    let there: HashSet<_> = new.iter().collect();
    let moved = |programme: &&(UtcMs, Id)| Some(programme.0) <= end && !there.contains(programme);
    let mut named: Vec<(UtcMs, Id)> = old.iter().filter(moved).copied().collect();
    let programmes = named.len();
    named.truncate(MOST_NAMED);
    let ids: Vec<Id> = named.iter().map(|(_, id)| *id).collect();
    let items = store.items(&ids).await?;
    let title = |id: Id| items.iter().find(|item| item.id == id);
    let first = named
        .into_iter()
        .map(|(from, id)| Move {
            title: title(id).map_or_else(String::new, |item| item.metadata.title.clone()),
            from,
            to: new
                .iter()
                .filter(|(_, other)| *other == id)
                .map(|(start, _)| *start)
                .min_by_key(|start| start.since(from).abs()),
        })
        .collect();
    Ok(Moves {
        number: channel.number.clone(),
        programmes,
        first,
    })
}
