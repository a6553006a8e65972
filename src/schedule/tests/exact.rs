//! What plays exactly what somebody else has planned.

use super::properties::{Chance, World, check, check_pieces, check_resuming, library};
use super::*;
use crate::schedule::exact::{Entry, Exact};

const MINUTE_MS: i64 = 60_000;

fn entry(at_ms: i64, length_ms: i64, item: i64) -> Entry {
    Entry {
        at_ms,
        length_ms,
        from_ms: 0,
        item,
        name: None,
    }
}

fn exact(since: UtcMs, repeat_ms: Option<i64>, entries: Vec<Entry>) -> Program {
    Program::Exact(Exact {
        since,
        repeat_ms,
        within: vec![Pick::new(Collection::Library, PlayOrder::Shuffle)],
        entries,
    })
}

/// What clips of 20 minutes play: minute, length in minutes, item, minute in the item; 0 for a gap.
fn played(program: Program, from: i64, until: i64) -> Vec<(i64, i64, i64, i64)> {
    let catalog = Catalog::new(
        (1..=3)
            .map(|id| item(id, Ticks90k(20 * 60 * 90_000)))
            .collect(),
    );
    let world = World {
        contents: Contents::all(Collection::Library, &catalog),
        catalog,
        program,
        zone: TimeZone::UTC,
        seed: 1,
    };
    let (from, until) = (UtcMs(from * MINUTE_MS), UtcMs(until * MINUTE_MS));
    let built = world.build(from, until, None);
    check(&built, &world, from, until, "exact");
    let rows = built.entries.iter().map(|e| {
        let (item, at) = match e.plays {
            Plays::Item { id, from, .. } => (id, (from - Ticks90k(id * 7)).round_ms()),
            Plays::Gap => (0, 0),
        };
        let minutes = |ms: i64| ms / MINUTE_MS;
        (
            minutes(e.start.0),
            minutes(e.stop.since(e.start)),
            item,
            minutes(at),
        )
    });
    rows.collect()
}

fn minutes(list: &[(i64, i64, i64)]) -> Vec<Entry> {
    list.iter()
        .map(|(at, length, item)| entry(at * MINUTE_MS, length * MINUTE_MS, *item))
        .collect()
}

#[test]
fn everything_is_played_when_it_was_planned() {
    let plan = minutes(&[(0, 20, 1), (30, 10, 2), (40, 20, 3)]);
    let once = exact(UtcMs(60 * MINUTE_MS), None, plan.clone());
    assert_eq!(
        played(once.clone(), 50, 150)[..5],
        [
            (50, 10, 0, 0),
            (60, 20, 1, 0),
            (80, 10, 0, 0),
            (90, 10, 2, 0),
            (100, 20, 3, 0)
        ]
    );
    // Who comes late sees what is on from where it is.
    assert_eq!(played(once, 105, 110)[0], (105, 15, 3, 5));
    let again = exact(UtcMs(60 * MINUTE_MS), Some(70 * MINUTE_MS), plan);
    assert_eq!(
        played(again, 110, 200)[..4],
        [
            (110, 10, 3, 10),
            (120, 10, 0, 0),
            (130, 20, 1, 0),
            (150, 10, 0, 0)
        ]
    );
}

#[test]
fn what_cannot_be_is_off_the_air_for_its_time() {
    let plan = minutes(&[(0, 30, 1), (30, 10, 99), (40, 20, 2), (50, 10, 3)]);
    assert_eq!(
        played(exact(UtcMs(0), None, plan), 0, 60)[..5],
        [
            (0, 20, 1, 0),
            // The item is shorter than planned.
            (20, 10, 0, 0),
            // There is no such item.
            (30, 10, 0, 0),
            // The next one begins before it ends.
            (40, 10, 2, 0),
            (50, 10, 3, 0)
        ]
    );
    for nothing in [vec![], vec![entry(-5, 20, 1)], vec![entry(0, 999, 1)]] {
        assert_eq!(
            played(exact(UtcMs(0), Some(0), nothing.clone()), 0, 60)[0],
            (0, 1440, 0, 0)
        );
        assert_eq!(
            played(exact(UtcMs(0), Some(60_000), nothing), 0, 60)[0],
            (0, 1440, 0, 0)
        );
    }
}

#[test]
fn thousands_of_exact_plans_hold_what_every_timeline_must() {
    for seed in 0..4_000 {
        let case = format!("exact {seed}");
        let mut chance = Chance::new(seed * 1000);
        let catalog = Catalog::new(library(&mut chance, 10));
        let start = 1_700_000_000_000 + chance.below(DAY_MS);
        let one = |chance: &mut Chance| Entry {
            at_ms: chance.below(DAY_MS / 4) - 1000,
            length_ms: chance.of(&[0, 999, 1000, 61_000, 1_800_000]) + chance.below(5_000_000),
            from_ms: chance.of(&[0, 0, 1, 600_000, -1]),
            item: 1 + chance.below(40),
            name: None,
        };
        let entries = (0..chance.below(30)).map(|_| one(&mut chance)).collect();
        let repeat = chance.of(&[
            None,
            Some(3_600_000),
            Some(DAY_MS / 4),
            Some(1),
            Some(-1),
            Some(1_234_567),
        ]);
        let world = World {
            contents: Contents::all(Collection::Library, &catalog),
            catalog,
            program: exact(UtcMs(start), repeat, entries),
            zone: TimeZone::UTC,
            seed,
        };
        let from = UtcMs(start + chance.below(DAY_MS / 2) - DAY_MS / 8);
        let until = from.plus(1 + chance.below(DAY_MS / 3));
        let built = world.build(from, until, None);
        check(&built, &world, from, until, &case);
        check_pieces(&world, &built, from, until, &mut chance, &case);
        check_resuming(&world, &built, until, &mut chance, &case);
    }
}
