//! What blocks play, and what the guide shows of it.

use super::*;

fn library() -> Case {
    Case::new()
        .minutes("a", &[20, 20, 20])
        .minutes("b", &[30, 30])
        .minutes("c", &[50, 10])
        .minutes("none", &[])
}

#[test]
fn a_block_plays_each_of_its_items_once_and_then_leaves_the_air() {
    let case = library()
        .block("morning", block(60, [item("a"), item("b")]))
        .block("noon", block(120, [item("c")]))
        .day("day", &[("7:00", "morning"), ("8:00", "noon")]);
    check(
        &case,
        DAY_MS,
        "0:00 -, 7:00 a1, 7:20 b1, 7:50 +-, 8:00 c1, 8:50 +-, 10:00 -",
    );
}

#[test]
fn a_block_goes_on_from_day_to_day_where_it_was() {
    let case = library()
        .block("a day", block(30, [item("a")]))
        .day("day", &[("12:00", "a day")]);
    check(
        &case,
        4 * DAY_MS,
        "0:00 -, 12:00 a1, 12:20 +-, 12:30 -, 12:00 a2, 12:20 +-, 12:30 -, \
         12:00 a3, 12:20 +-, 12:30 -, 12:00 a1, 12:20 +-, 12:30 -",
    );
}

#[test]
fn every_block_has_its_own_place_in_a_collection_and_items_of_one_order_share_it() {
    let mut shuffled = item("a");
    shuffled.pick.order = Order::from(PlayOrder::Custom);
    let case = library()
        .block("x", block(80, [item("a"), item("a"), shuffled]))
        .block("y", block(20, [item("a")]))
        .day("day", &[("0:00", "x"), ("1:20", "y"), ("1:40", "x")]);
    check(
        &case,
        160 * MINUTE_MS,
        "0:00 a1, 0:20 a2, 0:40 a1, 1:00 +-, 1:20 a1, 1:40 a3, 2:00 a1, 2:20 a2",
    );
}

#[test]
fn blocks_that_name_a_place_share_it() {
    let mut shared = item("a");
    shared.pick.place = Some("one for all".to_owned());
    let case = library()
        .block("x", block(20, [shared.clone()]))
        .block("y", block(20, [shared]))
        .day("day", &[("0:00", "x"), ("0:20", "y"), ("0:40", "x")]);
    check(&case, HOUR_MS, "0:00 a1, 0:20 a2, 0:40 a3");
}

#[test]
fn a_block_that_stops_after_its_time_overruns_and_the_next_one_begins_later() {
    let case = library()
        .block("x", block(60, [item("b"), item("c"), item("a")]))
        .block("y", block(60, [item("a"), item("a")]))
        .day("day", &[("0:00", "x"), ("1:00", "y")]);
    check(
        &case,
        130 * MINUTE_MS,
        "0:00 b1, 0:30 c1, 1:20 a1, 1:40 a2, 2:00 -",
    );
}

#[test]
fn a_block_that_stops_before_its_time_leaves_what_does_not_fit_for_the_next_day() {
    let case = library()
        .block("x", in_time(block(60, [item("b"), item("c"), item("a")])))
        .day("day", &[("0:00", "x")]);
    check(
        &case,
        2 * DAY_MS,
        "0:00 b1, 0:30 +-, 1:00 -, 0:00 b2, 0:30 +-, 1:00 -",
    );
    let exact = library()
        .block("x", in_time(block(50, [item("b"), item("a")])))
        .day("day", &[("0:00", "x")]);
    check(&exact, 50 * MINUTE_MS, "0:00 b1, 0:30 a1");
}

#[test]
fn what_is_longer_than_its_block_is_passed_over() {
    let case = library()
        .block("x", in_time(block(30, [item("c"), item("a")])))
        .day("day", &[("0:00", "x"), ("0:30", "x")]);
    check(&case, HOUR_MS, "0:00 c2, 0:10 a1, 0:30 c2, 0:40 a2");
}

#[test]
fn an_item_that_never_fits_costs_itself_and_is_named() {
    let case = library()
        .minutes("films", &[100, 90])
        .block("x", in_time(block(30, [item("films"), item("a")])))
        .day("day", &[("0:00", "x")]);
    check_warned(
        &case,
        30 * MINUTE_MS,
        "0:00 a1, 0:20 +-",
        &[
            "block x 1: nothing in its collection is as short as the 30 minutes of the block: make it longer",
        ],
    );
}

#[test]
fn passing_over_what_is_too_long_has_an_end() {
    let mut lengths = vec![100; 2_000];
    lengths.push(10);
    let case = Case::new()
        .minutes("f", &lengths)
        .block("x", in_time(block(30, [item("f")])))
        .day("day", &[("0:00", "x")]);
    let built = case.build(3 * DAY_MS);
    let text = "block x 1: passed over 1000 items in a row that are longer than the 30 minutes of the block: make it longer";
    // Two days in vain, and on the third it is found.
    assert_eq!(built.warnings.list.len(), 1);
    assert_eq!(built.warnings.more, 1);
    assert_eq!(warned(&built), [text]);
    assert_eq!(
        case.show(&built),
        "0:00 -, 0:30 +-, 0:00 +-, 0:30 +-, 0:00 f2001, 0:10 +-, 0:30 -"
    );
}

#[test]
fn a_block_whose_next_item_does_not_fit_before_the_next_block_says_so() {
    let case = library()
        .block("x", in_time(block(60, [item("c")])))
        .block("y", block(20, [item("a")]))
        .day("day", &[("0:00", "x"), ("0:30", "y")]);
    check_warned(
        &case,
        50 * MINUTE_MS,
        "0:00 -, 0:30 a1",
        &[
            "block x: nothing of it is played, for what is next lasts 50 minutes and there are 30 minutes left: \
           make it longer or move what comes behind it",
        ],
    );
}

#[test]
fn a_block_whose_time_was_over_before_its_turn_is_left_out_and_named() {
    let case = library()
        .minutes("film", &[95])
        .block("x", block(30, [item("film")]))
        .block("y", block(30, [item("a")]))
        .block("z", block(60, [item("b")]))
        .day("day", &[("0:00", "x"), ("0:30", "y"), ("1:00", "z")]);
    check_warned(
        &case,
        125 * MINUTE_MS,
        "0:00 film1, 1:35 b1",
        &["block y: left out, for its time was over when its turn came"],
    );
}

#[test]
fn an_empty_collection_is_named_and_the_rest_of_the_block_is_played() {
    let case = library()
        .block("x", block(60, [item("none"), item("a")]))
        .day("day", &[("0:00", "x")]);
    check_warned(
        &case,
        HOUR_MS,
        "0:00 a1, 0:20 +-",
        &["block x 1: its collection is empty"],
    );
}

#[test]
fn a_block_begins_again_with_the_hour_when_there_is_nothing_at_all_to_play() {
    let case = Case::new()
        .minutes("none", &[])
        .block("x", block(120, [item("none")]))
        .day("day", &[("7:00", "x")]);
    check(
        &case,
        10 * HOUR_MS,
        "0:00 -, 7:00 nothing (-), 8:00 nothing (-), 9:00 +-",
    );
}

#[test]
fn what_the_guide_hides_belongs_to_what_it_follows_or_leads_to() {
    let case = library()
        .block(
            "x",
            block(
                120,
                [hidden("a"), hidden("c"), item("b"), hidden("a"), item("a")],
            ),
        )
        .day("day", &[("0:00", "x")]);
    check(
        &case,
        3 * HOUR_MS,
        "0:00 a1 (b1), 0:20 +c1, 1:10 +b1, 1:40 +a2, 2:00 -",
    );
}

#[test]
fn a_block_that_hides_everything_shows_everything() {
    let case = library()
        .block("x", block(60, [hidden("a"), hidden("b")]))
        .day("day", &[("0:00", "x")]);
    check(&case, HOUR_MS, "0:00 a1, 0:20 b1, 0:50 +-");
    // Also when what is not hidden finds no room.
    let case = library()
        .block("x", in_time(block(60, [hidden("a"), item("c")])))
        .day("day", &[("0:00", "x")]);
    let built = case.build(HOUR_MS);
    assert_eq!(case.show(&built), "0:00 a1, 0:20 +-");
    assert_eq!(built.entries[0].role, Role::Programme);
}

#[test]
fn a_block_with_a_title_is_one_programme_of_the_guide() {
    let mut titled = block(60, [hidden("a"), item("b")]);
    titled.title = Some("Breakfast".into());
    let case = library()
        .block("x", titled)
        .block("y", block(20, [item("a")]))
        .day("day", &[("7:00", "x"), ("8:00", "y")]);
    check(
        &case,
        500 * MINUTE_MS,
        "0:00 -, 7:00 a1 (Breakfast), 7:20 +b1, 7:50 +-, 8:00 a1",
    );
}

#[test]
fn the_first_days_of_the_calendar_that_hold_a_date_decide() {
    let case = library()
        .block("a", block(20, [item("a")]))
        .block("b", block(30, [item("b")]))
        // 1 January 1970 is a Thursday.
        .days("holiday", r#"{"days_of_month":[3]}"#, &[("1:00", "b")])
        .days(
            "weekend",
            r#"{"weekdays":["saturday","sunday"]}"#,
            &[("2:00", "a")],
        )
        .days("friday", r#"{"weekdays":["friday"]}"#, &[("3:00", "a")]);
    check(
        &case,
        4 * DAY_MS,
        // Thursday has nothing; what nobody has planned is told up to the midnight that is known.
        "0:00 -, 3:00 a1, 3:20 -, 1:00 b1, 1:30 -, 2:00 a2, 2:20 -",
    );
}

#[test]
fn rules_that_changed_between_builds_go_on_without_harm() {
    let case = library()
        .block("x", block(120, [item("a"), item("a"), item("a")]))
        .day("day", &[("0:00", "x")]);
    let first = case.build(21 * MINUTE_MS);
    assert_eq!(case.show(&first), "0:00 a1, 0:20 a2");
    let from = first.entries[1].stop;
    let shorter = library()
        .block("x", block(120, [item("b")]))
        .day("day", &[("0:00", "x")]);
    let rest = shorter.go_on(from, from.plus(HOUR_MS), Some(first.state.clone()));
    assert_eq!(shorter.show(&rest), "0:40 - (a2)");
    let moved = library()
        .block("y", block(120, [item("b")]))
        .day("day", &[("0:30", "y")]);
    let rest = moved.go_on(from, from.plus(HOUR_MS), Some(first.state));
    assert_eq!(moved.show(&rest), "0:40 b1, 1:10 +-");
}

#[test]
fn a_place_takes_few_bytes() {
    let case = library()
        .block("x", block(60, [item("a"), item("b")]))
        .day("day", &[("7:00", "x")]);
    let built = case.build(7 * HOUR_MS + 30 * MINUTE_MS);
    let mark = built.state.to_mark().to_json();
    assert!(mark.len() < 400, "{mark}");
}
