//! Blocks on the clock on the wall: midnights, overlaps and the days on which the clock is moved.

use super::*;

const CHICAGO: &str = "CST6CDT,M3.2.0,M11.1.0";
const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";

fn library() -> Case {
    Case::new()
        .minutes("a", &[20, 20, 20])
        .minutes("b", &[30, 30])
        .block("a", block(30, [item("a")]))
        .block("b", block(30, [item("b")]))
}

#[test]
fn a_block_begins_when_the_clock_on_the_wall_shows_its_time() {
    for (from, offsets) in [
        ("2024-11-02 00:00", [-5, -6]),
        ("2024-03-09 00:00", [-6, -5]),
    ] {
        let case = library().day("day", &[("9:00", "b")]).from(CHICAGO, from);
        let built = case.build(2 * DAY_MS);
        let starts: Vec<_> = built
            .entries
            .iter()
            .filter(|e| e.role == Role::Programme)
            .map(|e| e.start)
            .collect();
        let midnight = case.from.0.div_euclid(DAY_MS) * DAY_MS;
        let expected = [0, 1].map(|day: i64| {
            let offset: i64 = offsets[day as usize];
            UtcMs(midnight + day * DAY_MS + (9 - offset) * HOUR_MS)
        });
        assert_eq!(starts[..2], expected, "{from}");
    }
}

#[test]
fn blocks_that_touch_do_so_on_the_days_on_which_the_clock_is_moved() {
    let day = [
        ("0:00", "a"),
        ("0:30", "b"),
        ("1:00", "a"),
        ("1:30", "b"),
        ("2:00", "a"),
        ("2:30", "b"),
        ("3:00", "a"),
    ];
    for (zone, from, ms, expected) in [
        (
            CHICAGO,
            "2024-06-01 00:00",
            210 * MINUTE_MS,
            "0:00 a1, 0:20 +-, 0:30 b1, 1:00 a2, 1:20 +-, 1:30 b2, 2:00 a3, 2:20 +-, 2:30 b1, 3:00 a1, 3:20 +-",
        ),
        // What should begin between two and three gives way to what has its time at three.
        (
            CHICAGO,
            "2024-03-10 00:00",
            150 * MINUTE_MS,
            "0:00 a1, 0:20 +-, 0:30 b1, 1:00 a2, 1:20 +-, 1:30 b2, 3:00 a3, 3:20 +-",
        ),
        // From one to two comes twice; the last block before two goes on until then.
        (
            CHICAGO,
            "2024-11-03 00:00",
            270 * MINUTE_MS,
            "0:00 a1, 0:20 +-, 0:30 b1, 1:00 a2, 1:20 +-, 1:30 b2, 1:00 +-, 2:00 a3, 2:20 +-, 2:30 b1, 3:00 a1, 3:20 +-",
        ),
        // From two to half past two does not exist.
        (
            LORD_HOWE,
            "2024-10-06 00:00",
            180 * MINUTE_MS,
            "0:00 a1, 0:20 +-, 0:30 b1, 1:00 a2, 1:20 +-, 1:30 b2, 2:30 b1, 3:00 a3, 3:20 +-",
        ),
        // From half past one to two comes twice.
        (
            LORD_HOWE,
            "2024-04-07 00:00",
            240 * MINUTE_MS,
            "0:00 a1, 0:20 +-, 0:30 b1, 1:00 a2, 1:20 +-, 1:30 b2, 1:30 +-, 2:00 a3, 2:20 +-, 2:30 b1, 3:00 a1, 3:20 +-",
        ),
    ] {
        let case = library().day("day", &day).from(zone, from);
        check(&case, ms, expected);
    }
}

#[test]
fn a_block_whose_time_does_not_exist_begins_as_much_later() {
    let case = library()
        .day("day", &[("2:10", "a")])
        .from(CHICAGO, "2024-03-10 00:00");
    check(&case, 3 * HOUR_MS, "0:00 -, 3:10 a1, 3:30 +-, 3:40 -");
    let case = library()
        .day("day", &[("2:10", "a")])
        .from(LORD_HOWE, "2024-10-06 00:00");
    check(&case, 3 * HOUR_MS, "0:00 -, 2:40 a1, 3:00 +-, 3:10 -");
}

#[test]
fn a_block_of_a_whole_day_lasts_from_midnight_to_midnight() {
    for (from, hours) in [
        ("2024-06-01 00:00", 24),
        ("2024-03-10 00:00", 23),
        ("2024-11-03 00:00", 25),
    ] {
        let case = library()
            .block("day", block(24 * 60, [item("a")]))
            .day("day", &[("0:00", "day")])
            .from(CHICAGO, from);
        let built = case.build(30 * HOUR_MS);
        let second = built
            .entries
            .iter()
            .filter(|e| e.role == Role::Programme)
            .nth(1);
        let expected = case.from.plus(hours * HOUR_MS);
        assert_eq!(second.map(|e| e.start), Some(expected), "{from}");
    }
}

#[test]
fn a_block_ends_where_the_next_one_begins() {
    let long = block(120, [item("a"), item("a"), item("a"), item("a")]);
    let case = library()
        .block("long", long)
        .day("day", &[("0:00", "long"), ("0:50", "b")]);
    check(
        &case,
        2 * HOUR_MS,
        "0:00 a1, 0:20 a2, 0:40 a3, 1:00 b1, 1:30 -",
    );
}

#[test]
fn a_block_goes_on_beyond_midnight_into_a_day_of_another_template() {
    let night = block(60, [item("a"), item("b"), item("a")]);
    let case = library()
        .block("night", night)
        // 1 January 1970 is a Thursday.
        .days(
            "thursday",
            r#"{"weekdays":["thursday"]}"#,
            &[("23:30", "night")],
        )
        .day("else", &[("0:20", "b")]);
    check(
        &case,
        DAY_MS + HOUR_MS,
        "0:00 -, 23:30 a1, 23:50 b1, 0:20 b1, 0:50 -",
    );
}

#[test]
fn a_channel_that_begins_within_a_block_begins_it_late() {
    let case = library()
        .block("x", block(120, [item("a"), item("b")]))
        .day("day", &[("0:00", "x"), ("2:00", "b")])
        .from("UTC0", "2024-06-01 01:00");
    check(&case, 90 * MINUTE_MS, "1:00 a1, 1:20 b1, 1:50 +-, 2:00 b1");
}

#[test]
fn a_block_that_is_less_than_a_second_away_begins_at_once() {
    let mut case = library().day("day", &[("0:00", "a"), ("1:00", "b")]);
    case.from = UtcMs(HOUR_MS - 700);
    let built = case.build(40 * MINUTE_MS);
    assert_eq!(case.show(&built), "0:59:59 b1, 1:29:59 -");
    assert_eq!(warned(&built), [""; 0]);
}

#[test]
fn days_without_blocks_are_times_off_the_air_that_end_at_midnight() {
    let case = library().days("june", r#"{"months":[6]}"#, &[("9:00", "b")]);
    let built = case.build(20 * DAY_MS);
    assert!(built.entries.iter().all(|e| e.role == Role::Gap));
    // One programme of the guide, in entries of three days.
    assert!(
        built
            .entries
            .iter()
            .all(|e| e.group == built.entries[0].group)
    );
    let lengths = built.entries.iter().map(|e| e.stop.since(e.start));
    assert!(lengths.eq([3 * DAY_MS; 7]));
}
