//! What every timeline keeps to, and what a loop plays.

mod blocks;
mod exact;
mod examples;
mod files;
mod fillers;
pub(crate) mod properties;
mod sequential;
mod slots;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::*;
use crate::clock::UtcMs;
use crate::media::Ticks90k;

const DAY_MS: i64 = 86_400_000;

/// Draws a program.
pub(crate) type Random = fn(&mut properties::Chance) -> Program;

/// Every kind of program, drawn from chance: for what has to hold for all of them.
pub(crate) const KINDS: &[(&str, Random)] = &[
    ("loop", |chance| loop_of(properties::order(chance))),
    ("classic", |chance| {
        Program::Classic(properties::classic(chance))
    }),
    ("block", blocks::program),
];

fn item(id: i64, length: Ticks90k) -> Playable {
    Playable {
        id,
        start: Ticks90k(id * 7),
        end: Ticks90k(id * 7) + length,
        title: format!("Clip {id}"),
        ..Playable::default()
    }
}

fn clips(ids: impl IntoIterator<Item = i64>) -> Vec<Playable> {
    ids.into_iter()
        .map(|id| item(id, Ticks90k(20 * 60 * 90_000 + id * 1_001)))
        .collect()
}

fn episode(id: i64, show: &str, season: u32, number: u32, date: Option<&str>) -> Playable {
    Playable {
        show: Some(show.into()),
        season: Some(season),
        episode: Some(number),
        date: date.map(Into::into),
        ..item(id, Ticks90k::from_ms(1_800_000))
    }
}

fn dealt(built: &Built) -> Vec<i64> {
    let id = |p: &Planned| match p.plays {
        Plays::Item { id, .. } => id,
        Plays::Gap => 0,
    };
    built.entries.iter().map(id).collect()
}

fn loop_of(order: impl Into<Order>) -> Program {
    Program::Loop(Loop {
        pick: Pick::new(Collection::Library, order),
    })
}

fn build(
    items: &[Playable],
    order: impl Into<Order>,
    seed: u64,
    state: Option<State>,
    from: UtcMs,
    until: UtcMs,
) -> Built {
    let catalog = Catalog::new(items.to_vec());
    super::build(&BuildInput {
        program: &loop_of(order),
        catalog: &catalog,
        contents: &Contents::all(Collection::Library, &catalog),
        history: &History::default(),
        seed,
        zone: &TimeZone::UTC,
        from,
        until,
        state,
    })
}

fn days(items: &[Playable], order: impl Into<Order>, seed: u64, days: i64) -> Built {
    build(items, order, seed, None, UtcMs(0), UtcMs(days * DAY_MS))
}

/// Everything of an entry but its mark, which may hold more or less of the same place.
fn unmarked(entries: &[Planned]) -> Vec<Planned> {
    let bare = |e: &Planned| Planned {
        mark: None,
        ..e.clone()
    };
    entries.iter().map(bare).collect()
}

#[test]
fn entries_touch_and_last_exactly_as_long_as_what_they_play() {
    let items = clips(1..=50);
    for order in [
        PlayOrder::Chronological,
        PlayOrder::SeasonEpisode,
        PlayOrder::Shuffle,
    ] {
        let (from, until) = (
            UtcMs(1_700_000_000_123),
            UtcMs(1_700_000_000_123 + 7 * DAY_MS),
        );
        let built = build(&items, order, 9, None, from, until);
        let mut start = from;
        for entry in &built.entries {
            assert_eq!(entry.start, start);
            let Plays::Item { id, from, to } = entry.plays else {
                panic!("a gap among items");
            };
            assert_eq!(entry.stop.since(entry.start), (to - from).round_ms());
            let played = items.iter().find(|i| i.id == id).unwrap();
            assert_eq!((from, to), (played.start, played.end));
            start = entry.stop;
        }
        let last = built.entries.last().unwrap();
        assert!(last.start < until && last.stop >= until);
    }
}

#[test]
fn orders_sort_as_they_say() {
    let items = [
        episode(1, "Zebra", 1, 2, Some("2001-05-01")),
        episode(2, "Zebra", 1, 10, None),
        episode(3, "Zebra", 0, 1, Some("2001-04-01")),
        episode(4, "Zebra", 1, 1, Some("2001-04-24")),
        episode(5, "alpha", 2, 1, Some("2020-01-01")),
        episode(6, "alpha", 1, 9, Some("2019-01-01")),
        Playable {
            title: "Metropolis".to_owned(),
            year: Some(1927),
            ..item(7, Ticks90k::from_ms(1_800_000))
        },
    ];
    for (order, expected) in [
        (PlayOrder::SeasonEpisode, [6, 5, 7, 4, 1, 2, 3]),
        (PlayOrder::Chronological, [7, 3, 4, 1, 6, 5, 2]),
    ] {
        let built = days(&items, order, 1, 1);
        assert_eq!(dealt(&built)[..7], expected, "{order:?}");
        assert_eq!(dealt(&built)[7..14], expected, "{order:?}: second round");
    }
}

#[test]
fn a_shuffle_plays_every_item_once_per_round_and_none_twice_in_a_row() {
    for n in [1_i64, 2, 3, 5, 17] {
        for seed in 0..40 {
            let built = days(&clips(1..=n), PlayOrder::Shuffle, seed, 7);
            let played = dealt(&built);
            for (round, chunk) in played.chunks_exact(n as usize).enumerate() {
                let distinct: HashSet<_> = chunk.iter().collect();
                assert_eq!(
                    distinct.len(),
                    n as usize,
                    "n {n} seed {seed} round {round}"
                );
            }
            if n > 1 {
                assert!(played.windows(2).all(|w| w[0] != w[1]), "n {n} seed {seed}");
            }
        }
    }
}

#[test]
fn shuffles_differ_by_seed_and_by_round_and_favour_nobody() {
    let items = clips(1..=6);
    assert_eq!(
        days(&items, PlayOrder::Shuffle, 7, 7).entries,
        days(&items, PlayOrder::Shuffle, 7, 7).entries
    );
    let mut openings = BTreeMap::new();
    let mut orders = HashSet::new();
    for seed in 0..200 {
        for round in dealt(&days(&items, PlayOrder::Shuffle, seed, 2)).chunks_exact(6) {
            *openings.entry(round[0]).or_insert(0) += 1;
            orders.insert(round.to_vec());
        }
    }
    let total: i32 = openings.values().sum();
    for (id, count) in &openings {
        // A sixth each, within four standard deviations of the binomial distribution.
        let expected = f64::from(total) / 6.0;
        let slack = 4.0 * (expected * 5.0 / 6.0).sqrt();
        assert!(
            (f64::from(*count) - expected).abs() < slack,
            "{id}: {count} of {total}"
        );
    }
    assert!(orders.len() > 600, "{} of 720 orders seen", orders.len());
}

#[test]
fn building_in_pieces_gives_the_same_as_in_one_go() {
    let items = clips(1..=9);
    let mut turned = items.clone();
    turned.reverse();
    for order in [
        PlayOrder::Chronological,
        PlayOrder::SeasonEpisode,
        PlayOrder::Shuffle,
    ] {
        for seed in 0..20 {
            let whole = days(&items, order, seed, 7);
            let mut pieces: Vec<Planned> = Vec::new();
            let (mut from, mut state) = (UtcMs(0), None);
            while from < UtcMs(7 * DAY_MS) {
                // One entry at a time, through the stored form, and the items in another order.
                let built = build(&turned, order, seed, state, from, from.plus(1));
                assert_eq!(built.entries.len(), 1);
                pieces.extend(built.entries);
                from = pieces.last().unwrap().stop;
                let json = built.state.to_mark().to_json();
                assert!(json.len() < 300, "{json}");
                state = State::restore([json]);
                assert_eq!(state.as_ref(), Some(&built.state));
            }
            assert_eq!(
                unmarked(&pieces),
                unmarked(&whole.entries),
                "{order:?} seed {seed}"
            );
        }
    }
}

#[test]
fn items_that_come_join_and_items_that_go_are_passed_over() {
    for order in [
        PlayOrder::Chronological,
        PlayOrder::SeasonEpisode,
        PlayOrder::Shuffle,
    ] {
        let first = build(&clips(1..=20), order, 3, None, UtcMs(0), UtcMs(DAY_MS / 8));
        let before: HashSet<i64> = dealt(&first).into_iter().collect();
        assert!(
            before.len() == dealt(&first).len() && before.len() < 20,
            "within one round"
        );
        let last = *dealt(&first).last().unwrap();
        // Ten come, five go, among them the one that was played last.
        let gone: HashSet<i64> = [2, 9, 13, 17, last].into();
        let now = clips((1..=30).filter(|id| !gone.contains(id)));
        let rest = build(
            &now,
            order,
            3,
            Some(first.state),
            UtcMs(0),
            UtcMs(DAY_MS * 3),
        );
        let rest = dealt(&rest);
        assert!(rest.iter().all(|id| !gone.contains(id)), "{order:?}");
        // What is left of the round: every old item once, no one twice.
        let due = (1..=20).filter(|id| !before.contains(id) && !gone.contains(id));
        for id in due {
            let place = rest.iter().position(|p| *p == id);
            let again = rest.iter().position(|p| before.contains(p));
            assert!(place.is_some() && place < again, "{order:?}: {id}");
        }
        for id in 21..=30 {
            assert!(rest.contains(&id), "{order:?}: {id} joined");
        }
    }
}

#[test]
fn a_change_of_order_starts_a_fresh_round_without_repeating_the_last_item() {
    for seed in 0..50 {
        let items = clips(1..=4);
        let first = build(
            &items,
            PlayOrder::SeasonEpisode,
            seed,
            None,
            UtcMs(0),
            UtcMs(1),
        );
        let last = dealt(&first)[0];
        let then = build(
            &items,
            PlayOrder::Shuffle,
            seed,
            Some(first.state),
            UtcMs(0),
            UtcMs(DAY_MS),
        );
        let round: HashSet<_> = dealt(&then)[..4].iter().copied().collect();
        assert_eq!(round.len(), 4, "seed {seed}");
        assert_ne!(dealt(&then)[0], last, "seed {seed}");
    }
}

#[test]
fn items_without_a_usable_length_are_named_and_left_out() {
    let mut items = clips([1, 2]);
    for (id, length) in [
        (3, Ticks90k::ZERO),
        (4, Ticks90k(-90)),
        (5, Ticks90k::from_ms(999)),
        (6, Ticks90k(i64::MAX)),
    ] {
        items.push(item(id, length));
    }
    items.push(item(7, Ticks90k::SECOND));
    let built = days(&items, PlayOrder::Shuffle, 1, 2);
    let named: Vec<_> = built.skipped.iter().map(|s| s.id).collect();
    assert_eq!(named, [3, 4, 5, 6]);
    let played: HashSet<_> = dealt(&built).into_iter().collect();
    assert_eq!(played, [1, 2, 7].into());
}

#[test]
fn nothing_to_play_gives_gaps_that_end_on_full_hours() {
    for (from, until) in [
        (0, 7 * DAY_MS),
        (1_234_567, 7 * DAY_MS),
        (3_599_500, 2 * DAY_MS),
        (10, 3_600_400),
        (10, 300),
    ] {
        let built = build(&[], PlayOrder::Shuffle, 1, None, UtcMs(from), UtcMs(until));
        let mut start = UtcMs(from);
        for gap in &built.entries {
            assert_eq!((gap.start, gap.plays), (start, Plays::Gap));
            assert!((SHORTEST_MS..3_600_000 + SHORTEST_MS).contains(&gap.stop.since(gap.start)));
            start = gap.stop;
        }
        assert!(
            start >= UtcMs(until) && built.entries.len() < 200,
            "{from} {until}"
        );
    }
}

#[test]
fn a_hundred_thousand_items_and_one_second_clips_stay_bounded() {
    let many = clips(1..=100_000);
    for order in [
        PlayOrder::Chronological,
        PlayOrder::SeasonEpisode,
        PlayOrder::Shuffle,
    ] {
        assert!(days(&many, order, 5, 7).entries.len() > 200);
    }
    let blink = [item(1, Ticks90k::SECOND), item(2, Ticks90k::SECOND)];
    let built = days(&blink, PlayOrder::Shuffle, 5, 7);
    assert_eq!(built.entries.len(), MAX_ENTRIES);
}
