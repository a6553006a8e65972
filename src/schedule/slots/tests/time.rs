//! Slots at times of day.

use super::*;

fn at(start: &str, plays: Slot) -> TimeSlot {
    TimeSlot {
        start: TimeOfDay::parse(start).unwrap(),
        on: Days::default(),
        plays,
    }
}

fn on(start: &str, days: &str, plays: Slot) -> TimeSlot {
    TimeSlot {
        on: serde_json::from_str(days).unwrap(),
        ..at(start, plays)
    }
}

fn slots(slots: impl IntoIterator<Item = TimeSlot>) -> TimeSlots {
    TimeSlots {
        slots: slots.into_iter().collect(),
        ..TimeSlots::default()
    }
}

fn run(case: &Case, slots: &TimeSlots, ms: i64) -> (Built, String) {
    let built = case.build(&Program::TimeSlots(slots.clone()), ms);
    let text = case.text(&built);
    (built, text)
}

fn check(case: &Case, slots: &TimeSlots, ms: i64, expected: &str) -> Built {
    let (built, text) = run(case, slots, ms);
    assert_eq!(text, expected);
    built
}

#[test]
fn a_slot_plays_what_fits_and_is_off_the_air_for_the_rest() {
    let case = Case::new().minutes("a", &[50, 40]).minutes("b", &[30]);
    let rules = slots([at("0:00", plays("a")), at("2:00", plays("b"))]);
    check(
        &case,
        &rules,
        3 * HOUR_MS,
        "0:00 a1, 0:50 a2, 1:30 -, 2:00 b1, 2:30 b1",
    );
    // What did not fit is next the next day.
    let (_, text) = run(&case, &rules, DAY_MS + 2 * HOUR_MS);
    assert!(text.ends_with("24:00 a1, 24:50 a2, 25:30 -"), "{text}");
}

#[test]
fn slots_of_one_collection_share_a_place_unless_they_name_their_own() {
    let case = Case::new().minutes("a", &[60, 60, 60, 60]);
    let mut rules = slots([at("0:00", plays("a")), at("1:00", plays("a"))]);
    check(&case, &rules, 2 * HOUR_MS, "0:00 a1, 1:00 a2");
    if let Some(pick) = &mut rules.slots[1].plays.pick {
        pick.place = Some("late".to_owned());
    }
    check(&case, &rules, 3 * HOUR_MS, "0:00 a1, 1:00 a1, 2:00 a2");
}

#[test]
fn what_is_first_in_a_slot_may_be_longer_than_it() {
    let case = Case::new().minutes("a", &[100]).minutes("b", &[30]);
    let mut rules = slots([
        at("0:00", plays("a")),
        at("1:00", plays("b")),
        at("2:00", plays("b")),
    ]);
    // It runs over, and the slot that it runs into is too late.
    let built = check(&case, &rules, 150 * MINUTE_MS, "0:00 a1, 1:40 -, 2:00 b1");
    assert_eq!(
        warnings(&built),
        [
            "00:00: nothing in its collection is as short as its 3600 seconds, so it runs over: make it longer",
            "01:00: left out, for what was before it ran 40 minutes over: allow more lateness or make the slot before it longer",
        ]
    );
    rules.lateness_s = 40 * 60;
    check(&case, &rules, 150 * MINUTE_MS, "0:00 a1, 1:40 b1, 2:10 b1");
    rules.lateness_s = 39 * 60;
    check(&case, &rules, 150 * MINUTE_MS, "0:00 a1, 1:40 -, 2:00 b1");
}

#[test]
fn ten_seconds_late_are_not_late() {
    let mut case = Case::new()
        .seconds("a", &[1800.03, 1800.03])
        .minutes("b", &[60]);
    let rules = slots([at("0:00", plays("a")), at("1:00", plays("b"))]);
    let built = check(
        &case,
        &rules,
        2 * HOUR_MS,
        "0:00 a1, 0:30:00 a2, 1:00:00 b1",
    );
    assert_eq!(built.warnings.list, []);
    case = Case::new()
        .seconds("a", &[1800., 1811.])
        .minutes("b", &[60]);
    check(&case, &rules, 2 * HOUR_MS, "0:00 a1, 0:30 -, 1:00 b1");
}

#[test]
fn a_channel_that_begins_within_a_slot_has_not_missed_it() {
    let mut case = Case::new().minutes("a", &[30]);
    case.from = UtcMs(5 * HOUR_MS);
    let rules = slots([at("4:00", plays("a")), at("6:00", plays("a"))]);
    check(&case, &rules, HOUR_MS, "0:00 a1, 0:30 a1");
    // Nor has one that was away.
    let built = case.build(&Program::TimeSlots(rules.clone()), HOUR_MS);
    case.state = Some(built.state);
    case.from = UtcMs(9 * HOUR_MS + MINUTE_MS);
    check(&case, &rules, HOUR_MS, "0:00 a1, 0:30 a1");
}

#[test]
fn programmes_begin_at_full_minutes_and_the_pad_comes_before_them() {
    let case = Case::new()
        .minutes("a", &[22, 25, 20])
        .minutes("f", &[3, 2, 1]);
    let mut rules = slots([at("0:05", plays("a")), at("2:00", plays("a"))]);
    rules.spacing.pad_minutes = 30;
    let mut from = case;
    from.from = UtcMs(5 * MINUTE_MS);
    // The slot itself begins when it says.
    check(
        &from,
        &rules,
        115 * MINUTE_MS,
        "0:00 a1, 0:22 +-, 0:25 a2, 0:50 -, 0:55 a3, 1:15 -, 1:25 a1, 1:47 -",
    );
    // Filler is drawn until one does not fit.
    rules.spacing.fillers.tail = filler("f");
    check(&from, &rules, 50 * MINUTE_MS, "0:00 a1, 0:22 +f1, 0:25 a2");
    rules.spacing.fillers.fallback = rules.spacing.fillers.tail.take();
    check(
        &from,
        &rules,
        55 * MINUTE_MS,
        "0:00 a1, 0:22 +f1, 0:25 a2, 0:50 +f2, 0:52 +f3, 0:53 +f1, 0:55 a3",
    );
    // A slot may pad otherwise than the others.
    rules.spacing.fillers = Fillers::default();
    rules.slots[0].plays.pad_minutes = Some(0);
    check(&from, &rules, 67 * MINUTE_MS, "0:00 a1, 0:22 a2, 0:47 a3");
}

#[test]
fn flex_goes_to_the_end_or_between_programmes() {
    let case = Case::new().minutes("a", &[20, 20]).minutes("b", &[60]);
    let mut rules = slots([at("0:00", plays("a")), at("1:10", plays("b"))]);
    check(
        &case,
        &rules,
        2 * HOUR_MS,
        "0:00 a1, 0:20 a2, 0:40 a1, 1:00 -, 1:10 b1",
    );
    // Ten minutes behind three programmes: 200 seconds each.
    rules.spacing.flex = Flex::Between;
    check(
        &case,
        &rules,
        2 * HOUR_MS,
        "0:00 a1, 0:20 +-, 0:23:20 a2, 0:43:20 +-, 0:46:40 a1, 1:06:40 +-, 1:10 b1",
    );
    // Whole pads, the first ones more; the rest is at the end.
    rules.spacing.pad_minutes = 5;
    rules.slots[1].start = TimeOfDay::parse("1:12").unwrap();
    check(
        &case,
        &rules,
        2 * HOUR_MS,
        "0:00 a1, 0:20 -, 0:25 a2, 0:45 -, 0:50 a1, 1:10 +-, 1:12 b1",
    );
}

#[test]
fn five_minutes_of_flex_are_a_programme_of_the_guide_when_they_have_a_title() {
    let case = Case::new().minutes("a", &[54, 56]).minutes("f", &[2]);
    let mut rules = slots(["0:00", "1:00", "2:00"].map(|start| at(start, plays("a"))));
    rules.spacing.fillers.fallback = filler("f");
    check(
        &case,
        &rules,
        2 * HOUR_MS,
        "0:00 a1, 0:54 +f1, 0:56 +f1, 0:58 +f1, 1:00 a2, 1:56 +f1, 1:58 +f1",
    );
    rules.spacing.flex_title = Some("Soon".into());
    let built = check(
        &case,
        &rules,
        2 * HOUR_MS,
        "0:00 a1, 0:54 f1, 0:56 +f1, 0:58 +f1, 1:00 a2, 1:56 +f1, 1:58 +f1",
    );
    assert_eq!(built.entries[1].group.title.as_deref(), Some("Soon"));
    // Nor is it one in a slot that is a single programme.
    rules.slots[0].plays.title = Some("Early".into());
    let built = check(
        &case,
        &rules,
        HOUR_MS,
        "0:00 a1, 0:54 +f1, 0:56 +f1, 0:58 +f1",
    );
    assert_eq!(built.entries[0].group.title.as_deref(), Some("Early"));
}

#[test]
fn a_slot_without_a_collection_plays_its_fillers_only() {
    let case = Case::new().minutes("a", &[60]).minutes("f", &[25]);
    let mut pause = Slot {
        fillers: Some(Fillers {
            fallback: filler("f"),
            ..Fillers::default()
        }),
        ..Slot::default()
    };
    pause.title = Some("Pause".into());
    let rules = slots([
        at("0:00", plays("a")),
        at("1:00", pause),
        at("2:00", plays("a")),
    ]);
    let built = check(
        &case,
        &rules,
        2 * HOUR_MS,
        "0:00 a1, 1:00 f1, 1:25 +f1, 1:50 +f1",
    );
    assert_eq!(built.entries[1].group.title.as_deref(), Some("Pause"));
    assert_eq!(built.entries[1].role, Role::Fallback);
    // Without fillers it is off the air.
    let rules = slots([at("0:00", plays("a")), at("1:00", Slot::default())]);
    check(&case, &rules, 25 * HOUR_MS, "0:00 a1, 1:00 -, 24:00 a1");
}

#[test]
fn a_day_of_clips_of_four_seconds_is_put_on_air_in_steps_that_can_be_kept() {
    let case = Case::new().seconds("f", &[4.]).minutes("a", &[60]);
    let mut rules = slots([
        at("0:00", Slot::default()),
        on("0:00", r#"{"months":[2]}"#, plays("a")),
    ]);
    rules.spacing.fillers.tail = filler("f");
    let (built, _) = run(&case, &rules, 24 * HOUR_MS);
    assert_eq!(built.entries.len(), crate::schedule::MAX_ENTRIES);
    let steps = built.entries.split_inclusive(|e| e.mark.is_some());
    assert_eq!(steps.map(<[_]>::len).max(), Some(2_000));
}

#[test]
fn a_slot_with_an_empty_collection_is_flex_and_says_so() {
    let case = Case::new().minutes("a", &[60]).minutes("none", &[]);
    let rules = slots([at("0:00", plays("a")), at("1:00", plays("none"))]);
    let built = check(&case, &rules, DAY_MS, "0:00 a1, 1:00 -");
    assert_eq!(warnings(&built), ["01:00: its collection is empty"]);
    let rules = slots([at("0:00", plays("none"))]);
    check(&case, &rules, 2 * HOUR_MS, "0:00 nothing, 1:00 nothing");
    check(&case, &slots([]), HOUR_MS, "0:00 nothing");
}

#[test]
fn slots_may_be_those_of_certain_days_and_last_until_the_next() {
    // 1970 began on a Thursday.
    let case = Case::new().minutes("a", &[600]).minutes("b", &[600]);
    let rules = slots([
        on("12:00", r#"{"weekdays":["friday"]}"#, plays("b")),
        at("12:00", plays("a")),
        on("0:00", r#"{"weekdays":["saturday"]}"#, plays("a")),
    ]);
    let mut noon = case;
    noon.from = UtcMs(12 * HOUR_MS);
    // Of two at one time the first counts; Thursday's goes on until Friday's.
    check(
        &noon,
        &rules,
        36 * HOUR_MS,
        "0:00 a1, 10:00 a1, 20:00 -, 24:00 b1, 34:00 -",
    );
    // What comes once a week lasts a week; what comes once a year does not last a year.
    let rules = slots([on(
        "12:00",
        r#"{"months":[1],"days_of_month":[1]}"#,
        plays("a"),
    )]);
    let (built, _) = run(&noon, &rules, 10 * DAY_MS);
    let last_item = built.entries.iter().rfind(|e| e.plays != Plays::Gap);
    assert_eq!(last_item.unwrap().stop.since(noon.from), 160 * HOUR_MS);
    assert!(built.entries.len() < 25, "{}", built.entries.len());
}

#[test]
fn slots_keep_their_local_times_on_both_switch_days() {
    let zone = TimeZone::posix("CST6CDT,M3.2.0,M11.1.0").unwrap();
    let rules = slots([
        at("1:00", plays("a")),
        at("2:15", plays("b")),
        at("2:30", plays("c")),
        at("3:00", plays("d")),
        at("4:00", plays("a")),
    ]);
    let case = |from: &str| {
        let mut case = Case::new();
        for name in ["a", "b", "c", "d"] {
            case = case.minutes(name, &[15]);
        }
        let date: jiff::civil::DateTime = from.parse().unwrap();
        let from = zone.to_ambiguous_timestamp(date).compatible().unwrap();
        case.from = UtcMs(from.as_millisecond());
        case.zone = zone.clone();
        case
    };
    // Spring: the hour from two to three is not there, and neither are its slots, for one at three follows them.
    check(
        &case("2025-03-09T01:00"),
        &rules,
        135 * MINUTE_MS,
        "0:00 a1, 0:15 a1, 0:30 a1, 0:45 a1, 1:00 d1, 1:15 d1, 1:30 d1, 1:45 d1, 2:00 a1",
    );
    // Autumn: the hour from one to two comes twice, and its slot lasts for both.
    let (built, text) = run(&case("2025-11-02T01:00"), &rules, 4 * HOUR_MS);
    assert!(
        text.contains("1:45 a1, 2:00 a1, 2:15 b1, 2:30 c1, 2:45 c1, 3:00 d1"),
        "{text}"
    );
    assert_eq!(built.warnings.list, []);
    // A slot that nothing follows before four begins when the clock is set.
    let rules = slots([
        at("1:00", plays("a")),
        at("2:00", plays("b")),
        at("4:00", plays("c")),
    ]);
    check(
        &case("2025-03-09T01:45"),
        &rules,
        90 * MINUTE_MS,
        "0:00 a1, 0:15 b1, 0:30 b1, 0:45 b1, 1:00 b1, 1:15 c1",
    );
}

#[test]
fn pads_and_rules_are_read_from_text() {
    let text = r#"{"time-slots":{"lateness_s":300,
        "slots":[{"start":"20:15","on":{"weekdays":["friday"]},
            "plays":{"name":"Film","pick":{"collection":"show","title":"a","order":{"by":"shuffle"}}}},
            {"start":"22:00"}],
        "spacing":{"pad_minutes":15,"flex":"between","flex_title":"Soon"}}}"#;
    let program: Program = serde_json::from_str(text).unwrap();
    let Program::TimeSlots(rules) = &program else {
        panic!("{program:?}");
    };
    assert_eq!(rules.slots[0].plays.name.as_deref(), Some("Film"));
    assert_eq!(rules.slots[1].plays, Slot::default());
    assert_eq!((rules.lateness_s, rules.spacing.flex), (300, Flex::Between));
    let again: Program = serde_json::from_str(&serde_json::to_string(&program).unwrap()).unwrap();
    assert_eq!(again, program);
    for wrong in [
        r#"{"time-slots":{"slots":[{"start":"25:00"}]}}"#,
        r#"{"time-slots":{"slots":[{"starts":"20:00"}]}}"#,
        r#"{"time-slots":{"lateness":300}}"#,
    ] {
        assert!(serde_json::from_str::<Program>(wrong).is_err(), "{wrong}");
    }
}
