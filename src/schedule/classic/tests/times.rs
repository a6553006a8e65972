//! Fixed starts, floods up to them, days with schedules of their own.

use super::*;

#[test]
fn flood_ends_before_the_fixed_start_of_the_next() {
    let case = library(55).item(flood("a")).item(at("3:00", one("b")));
    check(
        &case,
        4 * HOUR_MS,
        "0:00 a1, 0:55 a2, 1:50 a1, 2:45 -, 3:00 b1",
    );
    let case = library(55)
        .item(flood("a").tail("t4").fallback("f"))
        .item(at("3:00", one("b")));
    check(
        &case,
        4 * HOUR_MS,
        "0:00 a1, 0:55 a2, 1:50 a1, 2:45 +t41, 2:49 +t42, 2:53 +t41, 2:57 +f1, 2:58 +f2, 2:59 +f1, 3:00 b1",
    );
    let case = library(55)
        .item(flood("a").post("t5", Amount::Count(1)))
        .item(at("3:00", one("b")));
    check(
        &case,
        3 * HOUR_MS,
        "0:00 a1, 0:55 +t51, 1:00 a2, 1:55 +t52, 2:00 a1, 2:55 +t51",
    );
}

#[test]
fn a_flood_that_the_horizon_cuts_is_not_filled_up() {
    let case = library(55)
        .item(flood("a").tail("t5").fallback("f"))
        .item(at("9:00", one("b")));
    check(&case, 2 * HOUR_MS, "0:00 a1, 0:55 a2, 1:50 a1");
}

#[test]
fn a_single_flood_never_waits_for_itself() {
    let case = library(60).item(at("0:00", flood("b")));
    check(
        &case,
        6 * HOUR_MS,
        "0:00 b1, 1:00 b2, 2:00 b1, 3:00 b2, 4:00 b1, 5:00 b2",
    );
    // Not on the next days either.
    let built = case.build(3 * DAY_MS);
    assert_eq!(built.entries.len(), 72);
}

#[test]
fn flood_goes_on_behind_a_fixed_start_and_on_the_next_day() {
    let case = Case::new()
        .minutes("a", &[60, 60])
        .minutes("c", &[120])
        .item(flood("a"))
        .item(at("3:00", one("c")));
    check(
        &case,
        6 * HOUR_MS,
        "0:00 a1, 1:00 a2, 2:00 a1, 3:00 c1, 5:00 a2",
    );
    let case = library(60)
        .minutes("c", &[60])
        .item(at("7:00", flood("b")))
        .item(at("12:00", one("c")));
    check(
        &case,
        32 * HOUR_MS,
        "0:00 -, 7:00 b1, 8:00 b2, 9:00 b1, 10:00 b2, 11:00 b1, 12:00 c1, 13:00 -, 31:00 b2",
    );
    let case = Case::new()
        .minutes("a", &[50, 60, 50])
        .minutes("c", &[10, 10])
        .item(flood("a"))
        .item(at("3:00", times("c", "2")));
    check(
        &case,
        190 * MINUTE_MS + 1,
        "0:00 a1, 0:50 a2, 1:50 a3, 2:40 -, 3:00 c1, 3:10 c2",
    );
}

#[test]
fn a_flexible_start_that_has_passed_is_made_at_once() {
    let flexible = Item {
        fixed_start: Some(FixedStart::Flexible),
        ..at("0:05", one("b"))
    };
    let case = library(10).item(one("a")).item(flexible);
    check(&case, 70 * MINUTE_MS, "0:00 a1, 0:10 b1");
    let mut by_schedule = library(10).item(one("a")).item(at("0:05", one("b")));
    by_schedule.classic.schedule.fixed_start = FixedStart::Flexible;
    check(&by_schedule, 70 * MINUTE_MS, "0:00 a1, 0:10 b1");
}

#[test]
fn a_strict_start_missed_by_a_little_is_kept_late_and_not_a_day_later() {
    let case = |minutes: i64, grace_s: u32| {
        let mut case = Case::new()
            .minutes("a", &[minutes])
            .minutes("b", &[60])
            .item(one("a"))
            .item(at("1:00", one("b")));
        case.classic.schedule.grace_s = grace_s;
        case
    };
    check(&case(61, 600), 2 * HOUR_MS, "0:00 a1, 1:01 b1");
    check(&case(71, 600), 2 * HOUR_MS, "0:00 a1, 1:11 -");
    check(&case(61, 0), 26 * HOUR_MS, "0:00 a1, 1:01 -, 25:00 b1");
    // A start that was kept is not kept again, however short what it played.
    let short = Case::new().minutes("b", &[1]).item(at("1:00", one("b")));
    check(
        &short,
        25 * HOUR_MS + 1,
        "0:00 -, 1:00 b1, 1:01 -, 25:00 b1",
    );
    // Also across midnight.
    let late = Case::new()
        .minutes("a", &[23 * 60 + 58])
        .minutes("b", &[10])
        .item(one("a"))
        .item(at("23:55", one("b")));
    check(&late, DAY_MS, "0:00 a1, 23:58 b1");
    let over = Case::new()
        .minutes("a", &[24 * 60 + 3])
        .minutes("b", &[10])
        .item(one("a"))
        .item(at("23:55", one("b")));
    check(&over, DAY_MS + 10 * MINUTE_MS, "0:00 a1, 24:03 b1");
}

#[test]
fn less_than_a_second_is_no_gap_and_the_next_begins_that_much_earlier() {
    let case = Case::new()
        .seconds("a", &[3599.5])
        .minutes("b", &[60])
        .item(one("a"))
        .item(at("1:00", one("b")));
    let built = case.build(90 * MINUTE_MS);
    assert_eq!(built.entries.len(), 2);
    assert_eq!(built.entries[1].start.0, HOUR_MS - 500);
}

#[test]
fn certain_days_have_a_schedule_of_their_own_from_midnight_to_midnight() {
    // 1970-01-01 was a Thursday.
    let alternate = |on: &str, of: &str| Alternate {
        on: serde_json::from_str(on).unwrap(),
        schedule: Schedule {
            items: vec![flood(of)],
            ..Schedule::default()
        },
    };
    let mut case = library(360)
        .minutes("c", &[480])
        .minutes("d", &[720])
        .item(flood("a"));
    case.classic.alternates = vec![
        alternate(r#"{"weekdays":["friday"]}"#, "c"),
        alternate(r#"{"days_of_month":[2,3]}"#, "d"),
    ];
    check(
        &case,
        4 * DAY_MS,
        "0:00 a1, 6:00 a2, 12:00 a1, 18:00 a2, 24:00 c1, 32:00 c1, 40:00 c1, 48:00 d1, 60:00 d1, \
         72:00 a1, 78:00 a2, 84:00 a1, 90:00 a2",
    );
}

#[test]
fn what_runs_over_midnight_does_not_push_the_fixed_start_of_the_next_days_schedule_by_a_day() {
    let mut case = Case::new()
        .minutes("a", &[300])
        .minutes("b", &[60])
        .item(flood("a"));
    case.classic.alternates = vec![Alternate {
        on: serde_json::from_str(r#"{"weekdays":["friday"]}"#).unwrap(),
        schedule: Schedule {
            items: vec![at("0:55", one("b")), flood("a")],
            ..Schedule::default()
        },
    }];
    // The last of Thursday ends at 1:00 on Friday, five minutes late for its first item.
    check(
        &case,
        27 * HOUR_MS,
        "0:00 a1, 5:00 a1, 10:00 a1, 15:00 a1, 20:00 a1, 25:00 b1, 26:00 a1",
    );
}

#[test]
fn waiting_for_a_fixed_start_ends_with_the_day_when_the_next_has_another_schedule() {
    let mut case = Case::new()
        .minutes("a", &[60])
        .minutes("b", &[60])
        .item(at("6:00", one("a")));
    case.classic.alternates = vec![Alternate {
        on: serde_json::from_str(r#"{"weekdays":["friday"]}"#).unwrap(),
        schedule: Schedule {
            items: vec![at("3:00", one("b"))],
            ..Schedule::default()
        },
    }];
    check(
        &case,
        55 * HOUR_MS,
        "0:00 -, 6:00 a1, 7:00 -, 24:00 -, 27:00 b1, 28:00 -, 48:00 -, 54:00 a1",
    );
}

#[test]
fn a_new_playout_is_where_it_would_be_had_it_begun_at_midnight() {
    let case = library(180).item(flood("a"));
    let catalog = Catalog::new(case.items.clone());
    let mut contents = Contents::default();
    let items = catalog.find(1).into_iter().chain(catalog.find(2)).collect();
    contents.put(named("a"), Content::Items(items));
    let program = Program::Classic(case.classic.clone());
    for (hour, start, first) in [(1, 0, 1), (4, 3, 2), (6, 6, 1), (23, 21, 2)] {
        let mut input = BuildInput {
            program: &program,
            catalog: &catalog,
            contents: &contents,
            history: &History::default(),
            seed: 7,
            zone: &TimeZone::UTC,
            from: UtcMs(DAY_MS + hour * HOUR_MS),
            until: UtcMs(2 * DAY_MS),
            state: None,
        };
        (input.from, input.state) = crate::schedule::begin(&input);
        let built = build(&input);
        assert_eq!(built.entries[0].start.0, DAY_MS + start * HOUR_MS, "{hour}");
        assert_eq!(built.entries[0].group.shows, Some(first), "{hour}");
    }
}

#[test]
fn fixed_starts_are_local_on_both_switch_days() {
    let chicago = || TimeZone::posix("CST6CDT,M3.2.0,M11.1.0").unwrap();
    let lord_howe = || TimeZone::posix("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0").unwrap();
    for (zone, date, time, expected) in [
        // The clock goes back at 2:00, so 3:00 is four hours behind midnight.
        (chicago(), "2025-11-02", "3:00", 4 * HOUR_MS),
        // It goes forward at 2:00: two hours behind midnight, and 2:30 comes at 3:30.
        (chicago(), "2025-03-09", "3:00", 2 * HOUR_MS),
        (chicago(), "2025-03-09", "2:30", 150 * MINUTE_MS),
        // What comes twice is meant the first time.
        (chicago(), "2025-11-02", "1:30", 90 * MINUTE_MS),
        // Lord Howe moves its clock by half an hour.
        (lord_howe(), "2025-04-06", "3:00", 210 * MINUTE_MS),
        (lord_howe(), "2025-10-05", "3:00", 150 * MINUTE_MS),
    ] {
        let mut case = library(60).item(at(time, one("b"))).item(flood("a"));
        let date: jiff::civil::Date = date.parse().unwrap();
        case.from = crate::schedule::Wall::new(zone.clone()).at(date, TimeOfDay::MIDNIGHT);
        case.zone = zone;
        let built = case.build(8 * HOUR_MS);
        assert_eq!(
            built.entries[1].start.since(case.from),
            expected,
            "{date} {time}"
        );
        assert_eq!(built.entries[1].group.shows, Some(3));
    }
}
