//! What classic schedules do, case by case: a library of collections whose items have two letters or more to a name, a
//! schedule, and the timeline that must come of it.

mod breaks;
mod fillers;
mod modes;
mod times;

use jiff::tz::TimeZone;

use super::*;
use crate::media::Ticks90k;
use crate::media::probe::Chapter;
use crate::schedule::filler::{Amount, BreakAt, Filler, MidRoll};
use crate::schedule::{
    Breaks, BuildInput, Built, Catalog, Collection, Condition, Content, Contents, History, Order,
    Parts, PlayOrder, Playable, Playlist, PlaylistEntry, Plays, Program, Role, Take, build,
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

fn pick(name: &str) -> Pick {
    Pick::new(named(name), PlayOrder::Chronological)
}

/// A schedule, the library that it lives on and where it is played.
struct Case {
    items: Vec<Playable>,
    collections: Vec<(String, Vec<i64>)>,
    playlists: Vec<(String, Playlist)>,
    classic: Classic,
    zone: TimeZone,
    from: UtcMs,
}

impl Case {
    fn new() -> Self {
        Self {
            items: Vec::new(),
            collections: Vec::new(),
            playlists: Vec::new(),
            classic: Classic::default(),
            zone: TimeZone::UTC,
            from: UtcMs(0),
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

    /// Divides all items of a collection into chapters that begin at these minutes.
    fn chapters(mut self, name: &str, minutes: &[i64]) -> Self {
        let begins = |minute: &i64| Chapter {
            start: Ticks90k::from_ms(minute * MINUTE_MS),
            title: format!("from {minute}"),
        };
        let breaks = Arc::new(Breaks {
            chapters: minutes.iter().map(begins).collect(),
            ..Breaks::default()
        });
        for item in &mut self.items {
            if item.title.starts_with(name) {
                item.breaks = Some(breaks.clone());
            }
        }
        self
    }

    fn item(mut self, item: Item) -> Self {
        self.classic.schedule.items.push(item);
        self
    }

    fn build(&self, until: i64) -> Built {
        let catalog = Catalog::new(self.items.clone());
        let mut contents = Contents::default();
        for (name, ids) in &self.collections {
            let items = ids.iter().filter_map(|id| catalog.find(*id)).collect();
            contents.put(named(name), Content::Items(items));
        }
        for (name, playlist) in &self.playlists {
            contents.put(named(name), Content::Playlist(playlist.clone()));
        }
        build(&BuildInput {
            program: &Program::Classic(self.classic.clone()),
            catalog: &catalog,
            contents: &contents,
            history: &History::default(),
            seed: 7,
            zone: &self.zone,
            from: self.from,
            until: self.from.plus(until),
            state: None,
        })
    }

    /// The timeline as text: "0:00 a1, 0:55 -" with `-` for a time off the air. What a programme of the guide holds beyond its
    /// first entry stands behind a `+`.
    fn shown(&self, until: i64) -> String {
        let built = self.build(until);
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

fn item(of: &str, mode: Mode) -> Item {
    Item {
        name: None,
        pick: pick(of),
        mode,
        start: None,
        fixed_start: None,
        hidden: false,
        title: None,
        from_one_group: FromOneGroup::No,
        fillers: Fillers::default(),
        dress: None,
    }
}

fn at(time: &str, item: Item) -> Item {
    Item {
        start: TimeOfDay::parse(time),
        ..item
    }
}

fn one(of: &str) -> Item {
    item(of, Mode::One)
}

fn flood(of: &str) -> Item {
    item(of, Mode::Flood)
}

fn times(of: &str, count: &str) -> Item {
    item(of, Mode::Multiple(Count::Of(Sum::parse(count).unwrap())))
}

fn hours(of: &str, hours: f64, tail: TailMode) -> Item {
    let ms = (hours * 3_600_000.0) as i64;
    item(
        of,
        Mode::Duration {
            ms,
            tail,
            discard: 0,
        },
    )
}

fn filler(of: &str, amount: Amount) -> Option<Filler> {
    Some(Filler::new(of, pick(of), amount))
}

trait Filled {
    fn tail(self, of: &str) -> Self;
    fn fallback(self, of: &str) -> Self;
    fn pre(self, of: &str, amount: Amount) -> Self;
    fn post(self, of: &str, amount: Amount) -> Self;
    fn mid(self, of: &str, amount: Amount) -> Self;
    fn when(self, condition: &str) -> Self;
}

impl Filled for Item {
    fn tail(mut self, of: &str) -> Self {
        self.fillers.tail = filler(of, Amount::default());
        self
    }
    fn fallback(mut self, of: &str) -> Self {
        self.fillers.fallback = filler(of, Amount::default());
        self
    }
    fn pre(mut self, of: &str, amount: Amount) -> Self {
        self.fillers.pre_roll = filler(of, amount);
        self
    }
    fn post(mut self, of: &str, amount: Amount) -> Self {
        self.fillers.post_roll = filler(of, amount);
        self
    }
    fn mid(mut self, of: &str, amount: Amount) -> Self {
        self.fillers.mid_roll = filler(of, amount).map(|filler| MidRoll {
            filler,
            at: BreakAt::Chapters,
            when: None,
        });
        self
    }
    fn when(mut self, condition: &str) -> Self {
        let rules = self.fillers.mid_roll.as_mut().unwrap();
        rules.when = Some(Condition::parse(condition).unwrap());
        self
    }
}

#[track_caller]
fn check(case: &Case, until: i64, expected: &str) {
    assert_eq!(case.shown(until), expected);
}

/// Two items of each length, as in the cases below.
fn library(a: i64) -> Case {
    Case::new()
        .minutes("a", &[a, a])
        .minutes("b", &[60, 60])
        .minutes("t5", &[5, 5])
        .minutes("t4", &[4, 4])
        .minutes("f", &[1, 1])
}

#[test]
fn hidden_programmes_belong_to_the_one_before() {
    let hidden = Item {
        hidden: true,
        ..one("f")
    };
    let case = library(59).item(one("a")).item(hidden);
    check(&case, 2 * HOUR_MS, "0:00 a1, 0:59 +f1, 1:00 a2, 1:59 +f2");
    assert_eq!(case.build(HOUR_MS).entries[1].role, Role::Hidden);
}

#[test]
fn the_display_item_gives_the_title_and_not_its_pre_roll() {
    let titled = Item {
        title: Some("Evening".into()),
        ..one("a").pre("f", Amount::Count(1))
    };
    let case = library(59).item(titled).item(one("b"));
    check(&case, 2 * HOUR_MS, "0:00 f1, 0:01 +a1, 1:00 b1");
    let group = &case.build(HOUR_MS).entries[0].group;
    assert_eq!(
        (group.title.as_deref(), group.shows),
        (Some("Evening"), Some(1))
    );
}

#[test]
fn each_visit_is_filled_from_one_show_when_asked() {
    let mut case = Case::new().minutes("a", &[10; 6]);
    for (n, item) in (0..).zip(&mut case.items) {
        item.show = Some(if n < 3 { "Beta" } else { "Alpha" }.into());
        (item.season, item.episode) = (Some(1), Some(n));
    }
    let grouped = Item {
        from_one_group: FromOneGroup::InOrder,
        ..times("a", "2")
    };
    check(
        &case.item(grouped),
        80 * MINUTE_MS,
        "0:00 a4, 0:10 a5, 0:20 a1, 0:30 a2, 0:40 a6, 0:50 a4, 1:00 a3, 1:10 a1",
    );
}

#[test]
fn items_of_a_schedule_are_shuffled_for_each_round_without_repeating_one() {
    let mut case = Case::new();
    for name in ["a", "b", "c", "d"] {
        case = case.minutes(name, &[10]).item(one(name));
    }
    case.classic.schedule.shuffle_items = true;
    let built = case.build(400 * MINUTE_MS);
    let played: Vec<_> = built.entries.iter().map(|e| e.group.shows).collect();
    assert!(played.windows(2).all(|w| w[0] != w[1]));
    let mut orders = std::collections::HashSet::new();
    for round in played.chunks_exact(4) {
        let distinct: std::collections::HashSet<_> = round.iter().collect();
        assert_eq!(distinct.len(), 4);
        orders.insert(round.to_vec());
    }
    assert!(orders.len() > 3);
}

#[test]
fn items_that_draw_from_one_collection_share_their_place_unless_they_have_their_own() {
    let mut own = one("a");
    own.pick.place = Some("second".to_owned());
    let case = library(10).item(one("a")).item(one("a"));
    check(&case, 30 * MINUTE_MS, "0:00 a1, 0:10 a2, 0:20 a1");
    let case = library(10).item(one("a")).item(own);
    check(&case, 40 * MINUTE_MS, "0:00 a1, 0:10 a1, 0:20 a2, 0:30 a2");
}

#[test]
fn parts_of_a_story_stay_together_in_a_shuffled_item() {
    let mut case = Case::new().minutes("a", &[10; 4]);
    for (item, title) in case.items.iter_mut().zip(["X (1)", "X (2)", "Y", "Z"]) {
        item.title = title.to_owned();
        (item.show, item.season) = (Some("S".into()), Some(1));
    }
    let mut shuffled = one("a");
    shuffled.pick.order = Order {
        parts: Parts::PerShow,
        ..PlayOrder::Shuffle.into()
    };
    let shown = case.item(shuffled).shown(4000 * MINUTE_MS);
    let titles: Vec<_> = shown
        .split(", ")
        .map(|e| e.split_once(' ').unwrap().1)
        .collect();
    for (n, title) in titles.iter().enumerate() {
        assert_eq!(
            *title == "X (1)",
            titles.get(n + 1) == Some(&"X (2)") && n + 1 < titles.len()
        );
    }
}

#[test]
fn an_empty_collection_is_passed_over_and_named() {
    let case = library(60)
        .minutes("none", &[])
        .item(one("none"))
        .item(one("b"));
    check(&case, 2 * HOUR_MS, "0:00 b1, 1:00 b2");
    assert!(
        case.build(HOUR_MS).warnings.list[0]
            .text
            .contains("1 (one)")
    );
    let nothing = Case::new().minutes("none", &[]).item(one("none"));
    check(&nothing, 2 * HOUR_MS, "0:00 nothing, 1:00 nothing");
    check(&Case::new(), HOUR_MS, "0:00 nothing");
    // A schedule whose items can play but never do.
    let never = library(60).item(times("b", "0"));
    check(&never, 2 * HOUR_MS, "0:00 nothing, 1:00 nothing");
}

#[test]
fn two_pads_are_none_and_named() {
    let case = library(45).item(
        one("a")
            .pre("t5", Amount::PadMinutes(60))
            .post("t5", Amount::PadMinutes(30)),
    );
    check(&case, 90 * MINUTE_MS, "0:00 a1, 0:45 a2");
    assert!(
        case.build(1).warnings.list[0]
            .text
            .contains("two fillers pad")
    );
}

#[test]
fn rules_and_places_survive_storage_and_places_that_make_no_sense_do_not_hurt() {
    let mut case = library(55)
        .item(
            flood("a")
                .tail("t4")
                .fallback("f")
                .pre("f", Amount::RandomCount(3)),
        )
        .item(at("3:00:30", hours("b", 2.0, TailMode::Slate)));
    case.classic.alternates = vec![Alternate::default()];
    let program = Program::Classic(case.classic.clone());
    let json = serde_json::to_string(&program).unwrap();
    assert_eq!(serde_json::from_str::<Program>(&json).unwrap(), program);
    for bad in [
        r#"{"item":1}"#,
        r#"{"classic":{"schedule":{"items":[{"pick":{"collection":"library"},"mode":"sometimes"}]}}}"#,
        r#"{"classic":{"schedule":{"items":[{"pick":{"collection":"library"},"mode":"one","start":"25:00"}]}}}"#,
    ] {
        assert!(serde_json::from_str::<Program>(bad).is_err(), "{bad}");
    }
    let state = ClassicState {
        schedule: 9,
        item: 99,
        left: Some(3),
        tail_of: Some(77),
        until: Some(UtcMs(-5)),
        ..ClassicState::default()
    };
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<ClassicState>(&json).unwrap(), state);
    assert_eq!(
        serde_json::to_string(&ClassicState::default()).unwrap(),
        "{}"
    );
}
