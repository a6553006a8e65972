//! What block schedules do, case by case: a library of collections whose items are called after them, a few blocks, and the
//! timeline that must come of it.

mod clock;
mod decos;
mod play;
mod read;

use jiff::tz::TimeZone;

use super::*;
use crate::media::Ticks90k;
use crate::schedule::{
    BuildInput, Built, Catalog, Collection, Content, Contents, History, Order, PlayOrder, Playable,
    Plays, Program, Role, State, build,
};

const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

fn named(name: &str) -> Collection {
    Collection::Show {
        title: name.to_owned(),
    }
}

fn item(of: &str) -> Item {
    Item {
        pick: Pick::new(named(of), PlayOrder::Chronological),
        hidden: false,
        dress: None,
    }
}

fn hidden(of: &str) -> Item {
    Item {
        hidden: true,
        ..item(of)
    }
}

fn block<const N: usize>(minutes: i64, items: [Item; N]) -> Block {
    Block {
        minutes,
        items: items.into(),
        ..Block::default()
    }
}

/// The same block, which stops before an item that would not end in time.
fn in_time(block: Block) -> Block {
    Block {
        stop: StopScheduling::BeforeDurationEnd,
        ..block
    }
}

fn slot(at: &str, block: &str) -> Slot {
    Slot {
        at: TimeOfDay::parse(at).unwrap(),
        block: block.into(),
        deco: None,
    }
}

/// A block schedule, the library that it lives on and where it is played.
struct Case {
    items: Vec<Playable>,
    collections: Vec<(String, Vec<i64>)>,
    rules: Rules,
    zone: TimeZone,
    from: UtcMs,
}

impl Case {
    fn new() -> Self {
        Self {
            items: Vec::new(),
            collections: Vec::new(),
            rules: Rules::default(),
            zone: TimeZone::UTC,
            from: UtcMs(0),
        }
    }

    /// A collection `name` of items called `name1`, `name2`, … that last so many minutes.
    fn minutes(mut self, name: &str, minutes: &[i64]) -> Self {
        let mut ids = Vec::new();
        for (n, length) in minutes.iter().enumerate() {
            let id = self.items.len() as i64 + 1;
            self.items.push(Playable {
                id,
                end: Ticks90k(length * 60 * 90_000),
                title: format!("{name}{}", n + 1),
                ..Playable::default()
            });
            ids.push(id);
        }
        self.collections.push((name.to_owned(), ids));
        self
    }

    fn block(mut self, name: &str, block: Block) -> Self {
        self.rules.blocks.insert(name.into(), block);
        self
    }

    /// A template for all days that no template before it has.
    fn day(self, name: &str, slots: &[(&str, &str)]) -> Self {
        self.days(name, "{}", slots)
    }

    fn days(mut self, name: &str, on: &str, slots: &[(&str, &str)]) -> Self {
        let slots = slots.iter().map(|(at, block)| slot(at, block)).collect();
        self.rules.templates.insert(name.into(), Template { slots });
        self.rules.calendar.push(Dated {
            on: serde_json::from_str(on).unwrap(),
            template: name.into(),
            decos: None,
        });
        self
    }

    /// Begins at a local time, `2024-11-02 00:00`, in a zone.
    fn from(mut self, zone: &str, time: &str) -> Self {
        self.zone = TimeZone::posix(zone).unwrap();
        let time: jiff::civil::DateTime = time.parse().unwrap();
        let moment = self.zone.to_timestamp(time).unwrap();
        self.from = UtcMs(moment.as_millisecond());
        self
    }

    fn go_on(&self, from: UtcMs, until: UtcMs, state: Option<State>) -> Built {
        let catalog = Catalog::new(self.items.clone());
        let mut contents = Contents::default();
        for (name, ids) in &self.collections {
            let items = ids.iter().filter_map(|id| catalog.find(*id)).collect();
            contents.put(named(name), Content::Items(items));
        }
        build(&BuildInput {
            program: &Program::Block(Blocks::new(self.rules.clone()).unwrap()),
            catalog: &catalog,
            contents: &contents,
            history: &History::default(),
            seed: 7,
            zone: &self.zone,
            from,
            until,
            state,
        })
    }

    fn build(&self, until: i64) -> Built {
        self.go_on(self.from, self.from.plus(until), None)
    }

    /// The timeline as text, in local time: "0:00 a1, 0:55 -" with `-` for a time off the air. What a programme of the guide
    /// holds beyond its first entry stands behind a `+`; what it is called in brackets, when that is not its first entry.
    fn show(&self, built: &Built) -> String {
        let mut group = None;
        let mut shown = Vec::new();
        let title = |id: i64| self.items[id as usize - 1].title.clone();
        for entry in &built.entries {
            let moment = jiff::Timestamp::from_millisecond(entry.start.0).unwrap();
            let local = self.zone.to_datetime(moment);
            let mut time = format!("{}:{:02}", local.hour(), local.minute());
            if local.second() != 0 {
                time += &format!(":{:02}", local.second());
            }
            let what = match entry.plays {
                Plays::Gap if entry.role == Role::Empty => "nothing".to_owned(),
                Plays::Gap => "-".to_owned(),
                Plays::Item { id, .. } => title(id),
            };
            let of = &entry.group;
            let called = match (&of.title, of.shows) {
                (Some(title), _) => title.to_string(),
                (None, Some(id)) => title(id),
                (None, None) => "-".to_owned(),
            };
            let (joins, called) = match group == Some(of.id) {
                true => ("+", String::new()),
                false if called == what => ("", String::new()),
                false => ("", format!(" ({called})")),
            };
            group = Some(of.id);
            shown.push(format!("{time} {joins}{what}{called}"));
        }
        shown.join(", ")
    }
}

fn warned(built: &Built) -> Vec<&str> {
    built
        .warnings
        .list
        .iter()
        .map(|w| w.text.as_str())
        .collect()
}

fn check(case: &Case, until: i64, expected: &str) {
    let built = case.build(until);
    assert_eq!(case.show(&built), expected);
    assert_eq!(warned(&built), [""; 0], "{expected}");
}

fn check_warned(case: &Case, until: i64, expected: &str, warnings: &[&str]) {
    let built = case.build(until);
    assert_eq!(case.show(&built), expected);
    assert_eq!(warned(&built), warnings, "{expected}");
}
