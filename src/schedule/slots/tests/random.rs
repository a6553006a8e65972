//! Slots by draw and in order.

use super::*;
use std::collections::BTreeMap;

fn slot(plays: Slot, length: Length) -> RandomSlot {
    RandomSlot {
        plays,
        length,
        weight: 1,
        cooldown_s: 0,
    }
}

fn minutes(n: u32) -> Length {
    Length::Seconds(n * 60)
}

fn slots(drawing: Drawing, slots: impl IntoIterator<Item = RandomSlot>) -> RandomSlots {
    RandomSlots {
        slots: slots.into_iter().collect(),
        drawing,
        ..RandomSlots::default()
    }
}

fn run(case: &Case, rules: &RandomSlots, ms: i64) -> (Built, String) {
    let built = case.build(&Program::RandomSlots(rules.clone()), ms);
    let text = case.text(&built);
    (built, text)
}

fn check(case: &Case, rules: &RandomSlots, ms: i64, expected: &str) -> Built {
    let (built, text) = run(case, rules, ms);
    assert_eq!(text, expected);
    built
}

/// How often each slot had its turn, by the first letter of what it plays.
fn turns(text: &str) -> BTreeMap<char, u32> {
    let mut turns = BTreeMap::new();
    for entry in text.split(", ") {
        let title = entry.split(' ').nth(1).unwrap();
        *turns.entry(title.chars().next().unwrap()).or_insert(0) += 1;
    }
    turns
}

#[test]
fn slots_in_order_take_turns_for_a_time_or_a_number() {
    let case = Case::new().minutes("a", &[25, 20]).minutes("b", &[10, 11]);
    let rules = slots(
        Drawing::InOrder,
        [
            slot(plays("a"), minutes(60)),
            slot(plays("b"), Length::Programmes(3)),
        ],
    );
    check(
        &case,
        &rules,
        150 * MINUTE_MS,
        "0:00 a1, 0:25 a2, 0:45 -, 1:00 b1, 1:10 b2, 1:21 b1, 1:31 a1, 1:56 a2, 2:16 -",
    );
}

#[test]
fn a_slot_is_padded_as_a_whole_or_programme_by_programme() {
    let case = Case::new().minutes("a", &[22, 21]).minutes("b", &[8]);
    let mut rules = slots(
        Drawing::InOrder,
        [
            slot(plays("a"), Length::Programmes(2)),
            slot(plays("b"), Length::Programmes(1)),
        ],
    );
    rules.spacing.pad_minutes = 15;
    check(
        &case,
        &rules,
        75 * MINUTE_MS,
        "0:00 a1, 0:22 -, 0:30 a2, 0:51 -, 1:00 b1, 1:08 -, 1:15 a1",
    );
    rules.spacing.pad = Padded::Slots;
    check(
        &case,
        &rules,
        75 * MINUTE_MS,
        "0:00 a1, 0:22 a2, 0:43 +-, 0:45 b1, 0:53 -, 1:00 a1",
    );
}

#[test]
fn flex_between_shares_what_a_slot_of_a_length_leaves() {
    let case = Case::new().minutes("a", &[25]);
    let mut rules = slots(Drawing::InOrder, [slot(plays("a"), minutes(60))]);
    rules.spacing.flex = Flex::Between;
    check(&case, &rules, HOUR_MS, "0:00 a1, 0:25 -, 0:30 a1, 0:55 -");
}

#[test]
fn draws_are_even_or_by_weight_and_a_weight_of_nothing_is_never() {
    let case = Case::new()
        .minutes("a", &[1])
        .minutes("b", &[1])
        .minutes("c", &[1]);
    let mut rules = slots(
        Drawing::Uniform,
        ["a", "b", "c"].map(|name| slot(plays(name), Length::Programmes(1))),
    );
    rules.slots[1].weight = 3;
    rules.slots[2].weight = 0;
    let (_, text) = run(&case, &rules, 6_000 * MINUTE_MS);
    // 2,000 each, within five standard deviations.
    assert!(
        turns(&text).values().all(|n| (1_817..2_183).contains(n)),
        "{:?}",
        turns(&text)
    );
    rules.drawing = Drawing::Weighted;
    let (built, text) = run(&case, &rules, 6_000 * MINUTE_MS);
    let turns = turns(&text);
    // A quarter of 6,000, likewise.
    assert!((1_332..1_668).contains(&turns[&'a']), "{turns:?}");
    assert_eq!(turns.get(&'c'), None);
    assert_eq!(
        warnings(&built),
        ["slots without their turn, for they have no items, no length or no weight: slot 3"]
    );
}

#[test]
fn a_slot_does_not_come_again_before_its_cooldown_is_over() {
    let case = Case::new().minutes("a", &[10]).minutes("b", &[10]);
    let mut rules = slots(
        Drawing::Uniform,
        ["a", "b"].map(|name| slot(plays(name), Length::Programmes(1))),
    );
    rules.slots[0].cooldown_s = 30 * 60;
    let (built, _) = run(&case, &rules, 10 * DAY_MS);
    let of_a: Vec<_> = built
        .entries
        .iter()
        .filter(|e| matches!(e.plays, Plays::Item { id: 1, .. }))
        .collect();
    assert!(of_a.len() > 100, "{}", of_a.len());
    for pair in of_a.windows(2) {
        assert!(pair[1].start.since(pair[0].stop) >= 30 * MINUTE_MS);
    }
}

#[test]
fn when_all_are_in_their_cooldown_there_is_one_gap_and_a_warning() {
    let case = Case::new().minutes("a", &[10]).minutes("b", &[10]);
    let mut rules = slots(
        Drawing::InOrder,
        ["a", "b"].map(|name| slot(plays(name), Length::Programmes(1))),
    );
    rules.slots[0].cooldown_s = 3600;
    rules.slots[1].cooldown_s = 7200;
    let built = check(
        &case,
        &rules,
        141 * MINUTE_MS,
        "0:00 a1, 0:10 b1, 0:20 -, 1:10 a1, 1:20 -, 2:20 b1",
    );
    let text = "every slot is in its cooldown: shorten cooldowns or add slots";
    assert_eq!(warnings(&built), [text]);
    assert_eq!(built.warnings.more, 1);
    assert_eq!(built.entries[2].role, Role::Gap);
    // Filler covers such a gap where there is any.
    rules.spacing.fillers.fallback = filler("a");
    rules.slots[1].cooldown_s = 0;
    rules.slots.truncate(1);
    check(
        &case,
        &rules,
        30 * MINUTE_MS,
        "0:00 a1, 0:10 +a1, 0:20 +a1, 0:30 +a1, 0:40 +a1, 0:50 +a1, 1:00 +a1",
    );
}

#[test]
fn slots_of_five_seconds_run_over_and_say_so() {
    let case = Case::new().minutes("a", &[30]);
    let rules = slots(Drawing::Uniform, [slot(plays("a"), Length::Seconds(5))]);
    let built = check(&case, &rules, HOUR_MS, "0:00 a1, 0:30 a1");
    assert_eq!(
        warnings(&built),
        [
            "slot 1: nothing in its collection is as short as its 5 seconds, so it runs over: make it longer"
        ]
    );
    // Without anything to play they are bounded all the same.
    let nothing = [slot(Slot::default(), Length::Seconds(5))];
    let (built, _) = run(&case, &slots(Drawing::Uniform, nothing), 7 * DAY_MS);
    assert_eq!(built.entries.len(), crate::schedule::MAX_ENTRIES);
    assert_eq!(
        warnings(&built),
        [
            "slot 1: it plays nothing, and for less than a minute: many such slots make a timeline that ends early"
        ]
    );
}

#[test]
fn slots_without_items_or_length_are_passed_over() {
    let case = Case::new().minutes("a", &[30]).minutes("none", &[]);
    let rules = slots(
        Drawing::InOrder,
        [
            slot(plays("none"), minutes(60)),
            slot(Slot::default(), Length::Programmes(2)),
            slot(plays("a"), Length::Programmes(0)),
        ],
    );
    check(&case, &rules, HOUR_MS, "0:00 a1, 0:30 a1");
    let rules = slots(Drawing::Uniform, [slot(plays("none"), minutes(60))]);
    check(&case, &rules, HOUR_MS, "0:00 nothing");
    check(&case, &slots(Drawing::Uniform, []), HOUR_MS, "0:00 nothing");
}

#[test]
fn the_place_of_random_slots_is_small() {
    let names: Vec<_> = (b'a'..=b'l').map(|c| char::from(c).to_string()).collect();
    let mut case = Case::new();
    for name in &names {
        case = case.minutes(name, &[30]);
    }
    let mut rules = slots(
        Drawing::Uniform,
        names.iter().map(|n| slot(plays(n), minutes(60))),
    );
    for slot in &mut rules.slots {
        slot.cooldown_s = 6 * 3600;
    }
    case.from = UtcMs(1_700_000_000_000);
    let (built, _) = run(&case, &rules, DAY_MS);
    let kind = |entry: &crate::schedule::Planned| {
        let mark = entry.mark.as_ref()?;
        serde_json::to_string(mark.kind()).ok()
    };
    let longest = built.entries.iter().filter_map(kind).map(|k| k.len()).max();
    assert!(longest.is_some_and(|len| len < 200), "{longest:?}");
}
