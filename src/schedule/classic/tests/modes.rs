//! One, several, a length of time; and what fills the time behind them.

use super::*;

#[test]
fn one_waits_for_the_fixed_start_of_the_next() {
    let case = library(60).item(one("a")).item(at("3:00", one("b")));
    check(&case, 4 * HOUR_MS, "0:00 a1, 1:00 -, 3:00 b1");
}

#[test]
fn one_is_followed_by_tail_and_fallback_up_to_the_fixed_start() {
    for (tail, fallback, expected) in [
        (
            "t5",
            "",
            "0:00 a1, 2:45 +t51, 2:50 +t52, 2:55 +t51, 3:00 b1",
        ),
        (
            "t4",
            "",
            "0:00 a1, 2:45 +t41, 2:49 +t42, 2:53 +t41, 2:57 -, 3:00 b1",
        ),
        (
            "t4",
            "f",
            "0:00 a1, 2:45 +t41, 2:49 +t42, 2:53 +t41, 2:57 +f1, 2:58 +f2, 2:59 +f1, 3:00 b1",
        ),
    ] {
        let mut first = one("a").tail(tail);
        if !fallback.is_empty() {
            first = first.fallback(fallback);
        }
        let case = library(165).item(first).item(at("3:00", one("b")));
        check(&case, 4 * HOUR_MS, expected);
    }
    let case = library(60)
        .item(one("a").fallback("t5"))
        .item(at("3:00", one("b")));
    let built = case.build(4 * HOUR_MS);
    let fallback: Vec<_> = built
        .entries
        .iter()
        .filter(|e| e.role == Role::Fallback)
        .collect();
    assert_eq!(fallback.len(), 24);
    assert_eq!(fallback[23].start.0, 175 * MINUTE_MS);
}

#[test]
fn one_is_padded_behind_to_full_half_hours() {
    let case = library(165).item(one("a").post("t5", Amount::PadMinutes(30)));
    let expected = "0:00 a1, 2:45 +t51, 2:50 +t52, 2:55 +t51";
    check(&case, 3 * HOUR_MS, expected);
    // Chapters change nothing where nobody asked for breaks.
    check(&case.chapters("a", &[0, 60, 120]), 3 * HOUR_MS, expected);
}

#[test]
fn a_pad_without_filler_is_covered_by_the_fallback_and_cut_exactly() {
    let case = Case::new()
        .minutes("a", &[45])
        .minutes("none", &[])
        .minutes("f", &[2])
        .item(one("a").post("none", Amount::PadMinutes(60)).fallback("f"));
    let built = case.build(HOUR_MS);
    assert_eq!(built.entries.len(), 9);
    let last = &built.entries[8];
    assert_eq!((last.start.0, last.stop.0), (59 * MINUTE_MS, HOUR_MS));
    let Plays::Item { from, to, .. } = last.plays else {
        panic!("{last:?}");
    };
    assert_eq!(to - from, Ticks90k::from_ms(MINUTE_MS));
}

#[test]
fn multiple_plays_so_many_and_then_fills_up() {
    for (tail, fallback, rest) in [
        ("t5", "", "2:45 +t51, 2:50 +t52, 2:55 +t51"),
        ("t4", "", "2:45 +t41, 2:49 +t42, 2:53 +t41, 2:57 -"),
        (
            "t4",
            "f",
            "2:45 +t41, 2:49 +t42, 2:53 +t41, 2:57 +f1, 2:58 +f2, 2:59 +f1",
        ),
    ] {
        let mut first = times("a", "3").tail(tail);
        if !fallback.is_empty() {
            first = first.fallback(fallback);
        }
        let case = library(55).item(first).item(at("3:00", one("b")));
        let expected = format!("0:00 a1, 0:55 a2, 1:50 a1, {rest}, 3:00 b1");
        check(&case, 4 * HOUR_MS, &expected);
    }
}

#[test]
fn a_title_makes_one_programme_of_a_visit_and_the_next_visit_begins_another() {
    let titled = Item {
        title: Some("Night".into()),
        ..times("b", "3")
    };
    let case = library(60).item(titled);
    check(
        &case,
        5 * HOUR_MS,
        "0:00 b1, 1:00 +b2, 2:00 +b1, 3:00 b2, 4:00 +b1",
    );
    let built = case.build(HOUR_MS);
    assert_eq!(built.entries[0].group.title.as_deref(), Some("Night"));
}

#[test]
fn multiple_counts_collections_playlists_and_stories() {
    let sized = |count| item("b", Mode::Multiple(count));
    let case = library(60)
        .item(at("1:00", sized(Count::CollectionSize)))
        .item(one("a"));
    check(&case, 4 * HOUR_MS, "0:00 -, 1:00 b1, 2:00 b2, 3:00 a1");
    let mut story = Case::new().minutes("b", &[60; 5]).minutes("a", &[60; 2]);
    let titles = ["X (1)", "X (2)", "X (3)", "Y", "Z (1)"];
    for ((n, title), item) in (1..).zip(titles).zip(&mut story.items) {
        item.title = title.to_owned();
        (item.show, item.season, item.episode) = (Some("S".into()), Some(1), Some(n));
    }
    let mut of_story = sized(Count::Story);
    of_story.pick.order = PlayOrder::SeasonEpisode.into();
    let story = story.item(of_story).item(one("a"));
    check(
        &story,
        7 * HOUR_MS,
        "0:00 X (1), 1:00 X (2), 2:00 X (3), 3:00 a1, 4:00 Y, 5:00 a2, 6:00 Z (1)",
    );
    let mut listed = Case::new()
        .minutes("a", &[10, 10, 10])
        .minutes("c", &[10, 10]);
    let entry = |of: &str, take| PlaylistEntry {
        pick: pick(of),
        take,
        in_guide: true,
    };
    let playlist = Playlist {
        entries: vec![entry("a", Take::All), entry("c", Take::Count(1))],
        shuffled: false,
    };
    listed.playlists.push(("list".to_owned(), playlist));
    let listed = listed
        .item(item("list", Mode::Multiple(Count::PlaylistEntry)))
        .item(one("c"));
    check(
        &listed,
        70 * MINUTE_MS,
        "0:00 a1, 0:10 a2, 0:20 a3, 0:30 c1, 0:40 c1, 0:50 c2, 1:00 a1",
    );
}

#[test]
fn what_a_playlist_hides_belongs_to_the_programme_before_it() {
    let mut case = Case::new().minutes("a", &[50]).minutes("c", &[10]);
    let entry = |of: &str, in_guide| PlaylistEntry {
        pick: pick(of),
        take: Take::Count(1),
        in_guide,
    };
    let playlist = Playlist {
        entries: vec![entry("a", true), entry("c", false)],
        shuffled: false,
    };
    case.playlists.push(("list".to_owned(), playlist));
    let case = case.item(flood("list"));
    check(&case, 2 * HOUR_MS, "0:00 a1, 0:50 +c1, 1:00 a1, 1:50 +c1");
}

#[test]
fn multiple_goes_past_the_horizon_only_with_its_last_programme() {
    let case = Case::new()
        .minutes("a", &[61, 61])
        .minutes("t4", &[4])
        .item(times("a", "4").post("t4", Amount::Count(1)));
    check(&case, HOUR_MS, "0:00 a1, 1:01 +t41");
}

#[test]
fn a_count_of_nothing_passes_the_item_over() {
    let case = library(60).item(times("a", "count / 0")).item(one("b"));
    check(&case, 2 * HOUR_MS, "0:00 b1, 1:00 b2");
}

#[test]
fn duration_plays_what_fits_and_treats_the_rest_by_its_tail_mode() {
    for (tail, filler, fallback, rest) in [
        (TailMode::None, "", "", "2:45 b1"),
        (TailMode::Offline, "", "", "2:45 -, 3:00 b1"),
        (TailMode::Slate, "", "", "2:45 +-, 3:00 b1"),
        (
            TailMode::Filler,
            "t5",
            "",
            "2:45 +t51, 2:50 +t52, 2:55 +t51, 3:00 b1",
        ),
        (
            TailMode::Filler,
            "t4",
            "",
            "2:45 +t41, 2:49 +t42, 2:53 +t41, 2:57 +-, 3:00 b1",
        ),
        (
            TailMode::Filler,
            "t4",
            "f",
            "2:45 +t41, 2:49 +t42, 2:53 +t41, 2:57 +f1, 2:58 +f2, 2:59 +f1, 3:00 b1",
        ),
    ] {
        let mut first = hours("a", 3.0, tail);
        if !filler.is_empty() {
            first = first.tail(filler);
        }
        if !fallback.is_empty() {
            first = first.fallback(fallback);
        }
        let case = library(55).item(first).item(one("b"));
        let expected = format!("0:00 a1, 0:55 a2, 1:50 a1, {rest}");
        check(&case, 3 * HOUR_MS + 1, &expected);
    }
    let case = library(55)
        .item(hours("a", 3.0, TailMode::Offline).fallback("f"))
        .item(one("b"));
    let built = case.build(4 * HOUR_MS);
    let fallback = built.entries.iter().filter(|e| e.role == Role::Fallback);
    assert_eq!(fallback.count(), 15);
}

#[test]
fn two_durations_take_turns_and_end_on_the_hour() {
    let tail = || hours("a", 3.0, TailMode::Filler).tail("t5");
    let second = Item {
        pick: pick("c"),
        ..tail()
    };
    let case = library(55)
        .minutes("c", &[55, 55])
        .item(tail())
        .item(second);
    let built = case.build(6 * HOUR_MS);
    assert_eq!(built.entries.len(), 12);
    assert_eq!(built.entries[6].start.0, 3 * HOUR_MS);
    assert_eq!(built.entries[11].stop.0, 6 * HOUR_MS);
    assert_eq!(built.entries[6].group.id, 3 * 3600);
}

#[test]
fn a_block_of_half_an_hour_with_fillers_of_odd_lengths_ends_on_the_half_hour() {
    let first = hours("a", 0.5, TailMode::None)
        .pre("pre", Amount::Count(1))
        .post("post", Amount::PadMinutes(30))
        .fallback("f");
    let case = Case::new()
        .seconds("a", &[1378.12])
        .seconds("pre", &[15.67])
        .seconds("post", &[45.0, 61.3, 33.33])
        .seconds("f", &[55.6])
        .item(first);
    let built = case.build(30 * MINUTE_MS);
    let end = built.entries.last().unwrap().stop;
    assert_eq!(end.0, 30 * MINUTE_MS);
    let groups: std::collections::HashSet<_> = built.entries.iter().map(|e| e.group.id).collect();
    assert_eq!(groups.len(), 1);
    assert_eq!(built.entries[0].role, Role::PreRoll);
    // The guide shows the programme, not what comes before it.
    assert_eq!(built.entries[0].group.shows, Some(1));
}

#[test]
fn duration_passes_over_what_no_visit_has_the_time_for() {
    let case = Case::new()
        .minutes("a", &[120, 60, 120, 60])
        .item(hours("a", 1.0, TailMode::None));
    check(
        &case,
        6 * HOUR_MS,
        "0:00 a2, 1:00 a4, 2:00 a2, 3:00 a4, 4:00 a2, 5:00 a4",
    );
    let hopeless = Case::new()
        .minutes("a", &[120, 180])
        .minutes("b", &[60])
        .item(hours("a", 1.0, TailMode::None))
        .item(one("b"));
    check(&hopeless, 2 * HOUR_MS, "0:00 b1, 1:00 b1");
    assert!(
        hopeless.build(HOUR_MS).warnings.list[0]
            .text
            .contains("1 (duration)")
    );
}

#[test]
fn discarding_looks_for_what_fits_and_then_ends_the_block_instead_of_opening_a_second_one() {
    let discard = |discard| {
        let mode = Mode::Duration {
            ms: HOUR_MS,
            tail: TailMode::None,
            discard,
        };
        Case::new()
            .minutes("a", &[40, 30, 30, 20])
            .minutes("b", &[5])
            .item(item("a", mode))
            .item(one("b"))
    };
    let until = 80 * MINUTE_MS;
    check(&discard(0), until, "0:00 a1, 0:40 b1, 0:45 a2, 1:15 a3");
    check(&discard(2), 61 * MINUTE_MS, "0:00 a1, 0:40 a4, 1:00 b1");
    // One attempt is not enough: the block is over, and goes on with what is next then.
    check(&discard(1), until, "0:00 a1, 0:40 b1, 0:45 a3, 1:15 a4");
}

#[test]
fn filler_can_make_a_programme_not_fit() {
    let case = Case::new()
        .minutes("a", &[30, 30])
        .minutes("t5", &[5])
        .minutes("b", &[60])
        .item(hours("a", 1.0, TailMode::None).post("t5", Amount::Count(1)))
        .item(one("b"));
    check(&case, 90 * MINUTE_MS, "0:00 a1, 0:30 +t51, 0:35 b1");
}
