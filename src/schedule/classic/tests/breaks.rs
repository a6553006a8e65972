//! Programmes with fillers in their breaks.

use super::*;

/// A programme of so many minutes whose chapters begin at these, in a schedule of one.
fn case(minutes: i64, chapters: &[i64], item: Item) -> Case {
    Case::new()
        .minutes("a", &[minutes])
        .minutes("f", &[5, 5])
        .minutes("t2", &[2])
        .minutes("none", &[])
        .chapters("a", chapters)
        .item(item)
}

#[test]
fn fillers_are_counted_for_each_break() {
    let mid = |amount| one("a").mid("f", amount);
    for (chapters, item, expected) in [
        (
            &[0, 6][..],
            mid(Amount::Count(1)),
            "0:00 a1, 0:06 +f1, 0:11 +a1",
        ),
        (
            &[0, 6, 30],
            mid(Amount::Count(2)),
            "0:00 a1, 0:06 +f1, 0:11 +f2, 0:16 +a1, 0:40 +f1, 0:45 +f2, 0:50 +a1",
        ),
        (
            &[0, 6, 30],
            mid(Amount::DurationMs(9 * MINUTE_MS)),
            "0:00 a1, 0:06 +f1, 0:11 +a1, 0:35 +f2, 0:40 +a1",
        ),
        // Without filler there is no break.
        (&[0, 6, 30], mid(Amount::Count(0)), "0:00 a1"),
        (
            &[0, 6, 30],
            one("a").mid("none", Amount::Count(1)),
            "0:00 a1",
        ),
    ] {
        check(&case(60, chapters, item), HOUR_MS, expected);
    }
}

#[test]
fn a_number_of_fillers_by_chance_differs_from_break_to_break() {
    let chapters: Vec<_> = (0..20).map(|n| n * 3).collect();
    let built = case(60, &chapters, one("a").mid("f", Amount::RandomCount(2))).build(HOUR_MS);
    let mut counts = [0; 3];
    for break_ in built.entries.split(|e| e.role == Role::Programme) {
        counts[break_.len()] += 1;
    }
    assert!(counts.iter().all(|n| *n > 0), "{counts:?}");
    // A break without filler is none: no two parts of the programme touch.
    let touch = |w: &[crate::schedule::Planned]| {
        w[0].role == Role::Programme && w[1].role == Role::Programme
    };
    assert!(!built.entries.windows(2).any(touch));
}

#[test]
fn a_pad_is_shared_by_the_breaks() {
    let pad = || one("a").mid("f", Amount::PadMinutes(60));
    for (chapters, item, expected) in [
        (
            &[0, 6][..],
            pad().post("f", Amount::Count(1)),
            "0:00 a1, 0:06 +f2, 0:11 +f1, 0:16 +a1, 0:55 +f1",
        ),
        (
            &[0, 3, 6, 30],
            pad().post("f", Amount::Count(1)).when("num = 2"),
            "0:00 a1, 0:06 +f2, 0:11 +f1, 0:16 +a1, 0:55 +f1",
        ),
        (
            &[0, 3, 6, 30],
            pad()
                .post("f", Amount::Count(1))
                .when("point >= 360 and point <= 1800"),
            "0:00 a1, 0:06 +f2, 0:11 +a1, 0:35 +f1, 0:40 +a1, 0:55 +f1",
        ),
        // Whole items first; the fallback takes the rest, in the last break.
        (
            &[0, 15, 30],
            one("a").mid("t2", Amount::PadMinutes(60)).fallback("f"),
            "0:00 a1, 0:15 +t21, 0:17 +t21, 0:19 +t21, 0:21 +t21, 0:23 +a1, 0:38 +t21, 0:40 +t21, \
             0:42 +t21, 0:44 +f1, 0:45 +a1",
        ),
        // Three breaks for one item: where there is nothing the programme goes on in one piece.
        (
            &[0, 15, 30, 40],
            pad().pre("f", Amount::Count(2)),
            "0:00 f1, 0:05 +f2, 0:10 +a1, 0:25 +f1, 0:30 +a1",
        ),
    ] {
        check(&case(45, chapters, item), HOUR_MS, expected);
    }
}

#[test]
fn breaks_that_no_whole_item_fits_into_are_covered_by_the_fallback_in_equal_parts() {
    let item = one("a").mid("f", Amount::PadMinutes(30)).fallback("t2");
    check(
        &case(26, &[0, 10, 20], item),
        30 * MINUTE_MS,
        "0:00 a1, 0:10 +t21, 0:12 +a1, 0:22 +t21, 0:24 +a1",
    );
}

#[test]
fn a_pad_behind_a_programme_with_breaks_counts_them() {
    let item = one("a")
        .mid("f", Amount::Count(1))
        .post("f", Amount::PadMinutes(60));
    check(
        &case(45, &[0, 6], item),
        HOUR_MS,
        "0:00 a1, 0:06 +f1, 0:11 +a1, 0:50 +f2, 0:55 +f1",
    );
}

#[test]
fn a_programme_without_places_for_breaks_is_followed_by_their_filler() {
    for chapters in [&[][..], &[0], &[50], &[0, 45], &[90, 100]] {
        let count = one("a").mid("f", Amount::Count(1));
        check(
            &case(45, chapters, count),
            50 * MINUTE_MS,
            "0:00 a1, 0:45 +f1",
        );
        let pad = || one("a").mid("f", Amount::PadMinutes(60));
        check(
            &case(45, chapters, pad()),
            HOUR_MS,
            "0:00 a1, 0:45 +f1, 0:50 +f2, 0:55 +f1",
        );
        // Before what follows the programme anyway.
        let both = pad().post("t2", Amount::Count(1));
        check(
            &case(43, chapters, both),
            50 * MINUTE_MS,
            "0:00 a1, 0:43 +t21, 0:45 +f1, 0:50 +f2, 0:55 +f1",
        );
        let nothing = one("a").mid("none", Amount::PadMinutes(60));
        check(&case(45, chapters, nothing), 45 * MINUTE_MS, "0:00 a1");
    }
}

#[test]
fn where_the_condition_holds_nowhere_the_programme_is_whole_and_only_a_pad_follows_it() {
    let never = |amount| one("a").mid("f", amount).when("point > 86400");
    let chapters = [0, 6, 30];
    let counted = case(45, &chapters, never(Amount::Count(1)));
    check(&counted, 45 * MINUTE_MS, "0:00 a1");
    let padded = case(45, &chapters, never(Amount::PadMinutes(60)));
    check(&padded, HOUR_MS, "0:00 a1, 0:45 +f1, 0:50 +f2, 0:55 +f1");
}

#[test]
fn conditions_choose_the_breaks() {
    let six = [0, 5, 10, 15, 20, 25];
    for (condition, expected) in [
        (
            "(point > 300) and (last_mid_filler > 300) and (matched_points < 2)",
            &[10, 20][..],
        ),
        (
            "(total_progress >= 0.2 and matched_points = 0) or (total_progress >= 0.6 and matched_points = 1)",
            &[10, 20],
        ),
        ("title = 'from 5'", &[10]),
        ("title != 'FROM 5'", &[5, 15, 20, 25]),
        ("title like '%m %5'", &[10, 20]),
        ("num = total_points", &[25]),
        ("remaining_duration >= total_duration / 2", &[5, 10, 15]),
        ("true", &[5, 10, 15, 20, 25]),
        ("false", &[]),
    ] {
        let item = one("a").mid("f", Amount::Count(1)).when(condition);
        let built = case(30, &six, item).build(30 * MINUTE_MS);
        let ends = built.entries.iter().filter_map(|e| match e.plays {
            Plays::Item { to, .. } if e.role == Role::Programme => Some(to.0 / 90_000 / 60),
            _ => None,
        });
        let ends: Vec<_> = ends.filter(|end| *end != 30).collect();
        assert_eq!(ends, expected, "{condition}");
    }
}

#[test]
fn breaks_come_every_so_many_minutes_or_at_points_that_were_found() {
    let every = |minutes| {
        let mut item = one("a").mid("t2", Amount::Count(1));
        item.fillers.mid_roll.as_mut().unwrap().at = BreakAt::EveryMinutes(minutes);
        item
    };
    check(
        &case(45, &[], every(20)),
        49 * MINUTE_MS,
        "0:00 a1, 0:20 +t21, 0:22 +a1, 0:42 +t21, 0:44 +a1",
    );
    // A short programme has none, and nothing behind it either.
    check(&case(20, &[], every(20)), 20 * MINUTE_MS, "0:00 a1");
    let mut black = one("a").mid("t2", Amount::Count(1));
    black.fillers.mid_roll.as_mut().unwrap().at = BreakAt::Points;
    let mut case = case(45, &[0, 10], black);
    case.items[0].breaks = Some(Arc::new(Breaks {
        points: vec![Ticks90k::from_ms(12 * MINUTE_MS)],
        ..Breaks::default()
    }));
    check(&case, 47 * MINUTE_MS, "0:00 a1, 0:12 +t21, 0:14 +a1");
}

#[test]
fn a_programme_is_not_broken_more_than_a_hundred_times() {
    let mut item = one("a").mid("t2", Amount::Count(1));
    item.fillers.mid_roll.as_mut().unwrap().at = BreakAt::EveryMinutes(0);
    let built = case(180, &[], item).build(HOUR_MS);
    assert_eq!(built.entries.len(), 201);
    assert!(built.warnings.list[0].text.contains("more than 100 breaks"));
}

#[test]
fn a_programme_with_breaks_is_one_programme_of_the_guide_and_aired_once() {
    let item = one("a")
        .pre("f", Amount::Count(1))
        .mid("f", Amount::Count(1));
    let case = case(30, &[0, 10, 20], item);
    let built = case.build(45 * MINUTE_MS);
    let roles: Vec<_> = built.entries.iter().map(|e| e.role).collect();
    let (a, f) = (Role::Programme, Role::MidRoll);
    assert_eq!(roles, [Role::PreRoll, a, f, a, f, a]);
    assert!(built.entries.iter().all(|e| e.group.shows == Some(1)));
    // Only behind all of it may a timeline be cut.
    let marks = built.entries.iter().filter(|e| e.mark.is_some());
    assert_eq!(marks.count(), 1);
}

#[test]
fn two_pads_are_none_wherever_they_are() {
    let item = one("a")
        .mid("f", Amount::PadMinutes(30))
        .post("f", Amount::PadMinutes(60));
    for chapters in [&[0, 6][..], &[]] {
        let case = case(45, chapters, item.clone());
        check(&case, 45 * MINUTE_MS, "0:00 a1");
        assert_eq!(case.build(DAY_MS).warnings.list.len(), 1);
    }
}

#[test]
fn a_break_does_not_make_a_padded_programme_too_long_for_its_time() {
    // Pieces whose lengths are rounded: their sum is not the length of the whole.
    for odd in 0..60 {
        let mut case = Case::new().seconds("a", &[2000.0 + f64::from(odd) / 13_337.0]);
        let chapters = (1..9).map(|n| Chapter {
            start: Ticks90k(n * 20_000_000 + n * i64::from(odd)),
            title: String::new(),
        });
        case.items[0].breaks = Some(Arc::new(Breaks {
            chapters: chapters.collect(),
            ..Breaks::default()
        }));
        let item = hours("a", 1.0, TailMode::None).mid("f", Amount::PadMinutes(60));
        let case = case
            .seconds("f", &[701.0])
            .item(item.fallback("f"))
            .item(one("f"));
        let built = case.build(1);
        let stop = built.entries.last().unwrap().stop.0;
        assert!((HOUR_MS - 9..=HOUR_MS).contains(&stop), "{odd}: {stop}");
        assert!(built.entries.len() > 3, "{odd}");
    }
}
