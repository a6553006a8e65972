//! What slots do, case by case: collections whose items last so many minutes, slots, and the timeline that must come of it.

mod random;
mod time;

use jiff::tz::TimeZone;

use super::*;
use crate::clock::UtcMs;
use crate::media::Ticks90k;
use crate::schedule::filler::{Amount, Filler};
use crate::schedule::{
    BuildInput, Built, Catalog, Collection, Content, Contents, Days, History, PlayOrder, Playable,
    Plays, Program, Role, State, TimeOfDay, build,
};

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

fn named(name: &str) -> Collection {
    Collection::Show {
        title: name.to_owned(),
    }
}

fn plays(name: &str) -> Slot {
    Slot {
        pick: Some(Pick::new(named(name), PlayOrder::Chronological)),
        ..Slot::default()
    }
}

fn filler(name: &str) -> Option<Filler> {
    let pick = Pick::new(named(name), PlayOrder::Chronological);
    Some(Filler::new(name, pick, Amount::default()))
}

/// A library, where and when it is played.
struct Case {
    items: Vec<Playable>,
    collections: Vec<(String, Vec<i64>)>,
    zone: TimeZone,
    from: UtcMs,
    state: Option<State>,
}

impl Case {
    fn new() -> Self {
        Self {
            items: Vec::new(),
            collections: Vec::new(),
            zone: TimeZone::UTC,
            from: UtcMs(0),
            state: None,
        }
    }

    /// A collection `name` of items called `name1`, `name2`, … that last so many seconds.
    fn seconds(mut self, name: &str, seconds: &[f64]) -> Self {
        let mut ids = Vec::new();
        for (n, length) in seconds.iter().enumerate() {
            let id = self.items.len() as i64 + 1;
            self.items.push(Playable {
                id,
                end: Ticks90k((length * 90_000.0).round() as i64),
                title: format!("{name}{}", n + 1),
                ..Playable::default()
            });
            ids.push(id);
        }
        self.collections.push((name.to_owned(), ids));
        self
    }

    /// The same in minutes.
    fn minutes(self, name: &str, minutes: &[i64]) -> Self {
        let seconds: Vec<_> = minutes.iter().map(|m| (m * 60) as f64).collect();
        self.seconds(name, &seconds)
    }

    fn build(&self, program: &Program, ms: i64) -> Built {
        let catalog = Catalog::new(self.items.clone());
        let mut contents = Contents::default();
        for (name, ids) in &self.collections {
            let items = ids.iter().filter_map(|id| catalog.find(*id)).collect();
            contents.put(named(name), Content::Items(items));
        }
        build(&BuildInput {
            program,
            catalog: &catalog,
            contents: &contents,
            history: &History::default(),
            seed: 7,
            zone: &self.zone,
            from: self.from,
            until: self.from.plus(ms),
            state: self.state.clone(),
        })
    }

    /// A timeline as text, in hours since it began: "0:00 a1, 0:55 -" with `-` for a time off the air. What a programme of the
    /// guide holds beyond its first entry stands behind a `+`.
    fn text(&self, built: &Built) -> String {
        let mut group = None;
        let mut shown = Vec::new();
        for entry in &built.entries {
            let ms = entry.start.since(self.from);
            let mut time = format!("{}:{:02}", ms / HOUR_MS, ms / MINUTE_MS % 60);
            if ms % MINUTE_MS != 0 {
                time += &format!(":{:02}", ms / SECOND_MS % 60);
            }
            let title = match entry.plays {
                Plays::Gap if entry.role == Role::Empty => "nothing".to_owned(),
                Plays::Gap => "-".to_owned(),
                Plays::Item { id, .. } => self.items[id as usize - 1].title.clone(),
            };
            let joins = if group == Some(entry.group.id) {
                "+"
            } else {
                ""
            };
            group = Some(entry.group.id);
            shown.push(format!("{time} {joins}{title}"));
        }
        shown.join(", ")
    }
}

fn warnings(built: &Built) -> Vec<&str> {
    let texts = built.warnings.list.iter().map(|w| w.text.as_str());
    texts.collect()
}
