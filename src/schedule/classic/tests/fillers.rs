//! Fillers of several lists, of playlists, of what fits and what does not.

use super::*;
use crate::schedule::filler::{FillerList, Hours};

fn list(of: &str) -> FillerList {
    pick(of).into()
}

/// An item of a schedule with a filler of these lists behind each programme.
fn behind(lists: &[FillerList], amount: Amount) -> Item {
    let mut item = one("a").post("t5", amount);
    item.fillers.post_roll.as_mut().unwrap().lists = lists.to_vec();
    item
}

/// How often each collection of fillers was played in so many programmes.
fn counts(case: &Case, until: i64) -> Vec<(char, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for entry in case.build(until).entries {
        if let (Role::PostRoll, Plays::Item { id, .. }) = (entry.role, entry.plays) {
            let name = case.items[id as usize - 1].title.chars().next().unwrap();
            *counts.entry(name).or_default() += 1;
        }
    }
    counts.into_iter().collect()
}

fn lists() -> Case {
    Case::new()
        .minutes("a", &[9])
        .minutes("b", &[1, 1])
        .minutes("c", &[1, 1])
        .minutes("d", &[1, 1])
        .minutes("none", &[])
}

#[test]
fn lists_are_drawn_from_in_proportion_to_their_weights() {
    let weighted = |of: &str, weight| FillerList { weight, ..list(of) };
    let all = [weighted("b", 1), weighted("c", 3), weighted("d", 0)];
    let case = lists().item(behind(&all, Amount::Count(1)));
    let counts = counts(&case, 4000 * 10 * MINUTE_MS);
    let [('b', b), ('c', c)] = counts[..] else {
        panic!("{counts:?}");
    };
    assert_eq!(b + c, 4000);
    assert!((900..1100).contains(&b), "{b}");
}

#[test]
fn a_list_without_weight_is_drawn_from_when_no_other_will_do() {
    let last = FillerList {
        weight: 0,
        ..list("d")
    };
    // The other is empty, or has nothing that fits.
    let empty = lists().item(behind(&[last.clone(), list("none")], Amount::Count(1)));
    assert_eq!(counts(&empty, HOUR_MS), [('d', 6)]);
    let long = lists().minutes("e", &[2]).item(behind(
        &[list("e"), last],
        Amount::DurationMs(3 * MINUTE_MS),
    ));
    check(&long, 12 * MINUTE_MS, "0:00 a1, 0:09 +e1, 0:11 +d1");
    // The first of two that only help out.
    let helper = |of: &str| FillerList {
        weight: 0,
        ..list(of)
    };
    let two = lists().item(behind(
        &[helper("none"), helper("b"), helper("c")],
        Amount::Count(1),
    ));
    assert_eq!(counts(&two, HOUR_MS), [('b', 6)]);
}

#[test]
fn a_list_is_left_alone_while_it_cools_down() {
    let cool = |of: &str, minutes: u32| FillerList {
        cooldown_s: minutes * 60,
        ..list(of)
    };
    let case = lists().item(behind(&[cool("b", 30)], Amount::Count(1)));
    // Drawn from at 0:09 it may be again from 0:39 on: behind the programme that ends at 0:46.
    check(
        &case,
        56 * MINUTE_MS,
        "0:00 a1, 0:09 +b1, 0:10 a1, 0:19 a1, 0:28 a1, 0:37 a1, 0:46 +b2, 0:47 a1",
    );
    // Others fill in for it; and it is the list that cools down, whichever filler it belongs to.
    let helper = FillerList {
        weight: 0,
        ..list("c")
    };
    let mut item = behind(&[cool("b", 60), helper.clone()], Amount::Count(2));
    item.fillers.pre_roll = item.fillers.post_roll.clone();
    check(
        &lists().item(item),
        13 * MINUTE_MS,
        "0:00 b1, 0:01 +c1, 0:02 +a1, 0:11 +c2, 0:12 +c1",
    );
}

#[test]
fn what_was_taken_back_has_not_been_drawn() {
    // The programme does not fit into what the flood has left: neither do its fillers begin to cool down.
    let mut flooded = flood("a").post("b", Amount::Count(1));
    flooded.fillers.post_roll.as_mut().unwrap().lists[0].cooldown_s = 3600;
    let mut ends = at("0:15", one("d"));
    ends.fillers = flooded.fillers.clone();
    let mut case = lists().minutes("z", &[8]).item(one("z")).item(flooded);
    case = case.item(ends);
    check(&case, 17 * MINUTE_MS, "0:00 z1, 0:08 -, 0:15 d1, 0:16 +b1");
}

#[test]
fn lists_have_their_hours_and_days() {
    let hours = |of: &str, from: &str, to: &str| FillerList {
        hours: Some(Hours {
            from: TimeOfDay::parse(from).unwrap(),
            to: TimeOfDay::parse(to).unwrap(),
        }),
        ..list(of)
    };
    let day = [hours("b", "6:00", "22:00"), hours("c", "22:00", "6:00")];
    let mut case = lists().minutes("e", &[59]);
    case.zone = TimeZone::fixed(jiff::tz::offset(1));
    case.from = UtcMs(-HOUR_MS);
    let item = |lists: &[FillerList]| {
        let mut item = behind(lists, Amount::Count(1));
        item.pick = pick("e");
        item
    };
    let built = |lists: &[FillerList]| {
        let mut case = Case {
            items: case.items.clone(),
            collections: case.collections.clone(),
            zone: case.zone.clone(),
            from: case.from,
            ..Case::new()
        };
        case = case.item(item(lists));
        let shown = case.shown(2 * DAY_MS);
        let fillers = shown.split(", ").filter(|e| e.contains('+'));
        fillers
            .map(|e| e.chars().nth_back(1).unwrap())
            .collect::<String>()
    };
    // The first filler of a day is at 0:59.
    let expected = format!("{}{}{}", "c".repeat(6), "b".repeat(16), "c".repeat(2));
    assert_eq!(built(&day), expected.repeat(2));
    // The same time twice is the whole day; only Fridays, and 1970-01-02 was one.
    let fridays = FillerList {
        on: serde_json::from_str(r#"{"weekdays":["friday"]}"#).unwrap(),
        ..hours("d", "7:00", "7:00")
    };
    assert_eq!(built(&[fridays]), "d".repeat(24));
}

#[test]
fn playlists_are_counted_in_passes() {
    let entry = |of: &str, take| PlaylistEntry {
        pick: pick(of),
        take,
        in_guide: false,
    };
    let mut case = lists();
    let entries = vec![
        entry("b", Take::Count(1)),
        entry("c", Take::All),
        entry("b", Take::Count(1)),
    ];
    let playlist = Playlist {
        entries,
        shuffled: false,
    };
    case.playlists.push(("list".to_owned(), playlist));
    let case = case.item(behind(&[list("list")], Amount::Count(2)));
    check(
        &case,
        17 * MINUTE_MS,
        "0:00 a1, 0:09 +b1, 0:10 +c1, 0:11 +c2, 0:12 +b2, 0:13 +b1, 0:14 +c1, 0:15 +c2, 0:16 +b2",
    );
}

#[test]
fn chapters_of_a_compilation_are_items_of_their_own() {
    let chaptered = FillerList {
        chapters: true,
        ..list("b")
    };
    let mut case = Case::new()
        .minutes("a", &[9])
        .minutes("b", &[10, 1])
        .chapters("b1", &[0, 2, 5])
        .item(behind(&[chaptered], Amount::Count(1)));
    let chapters = case.items[1].chapters();
    case.items.extend(chapters);
    // What is played is the compilation, a part of it at a time; what has no chapters is one itself.
    let built = case.build(54 * MINUTE_MS);
    let played = built.entries.iter().filter_map(|e| match e.plays {
        Plays::Item { id, from, to } if e.role == Role::PostRoll => {
            Some((id, from.0 / 90_000 / 60, to.0 / 90_000 / 60))
        }
        _ => None,
    });
    let mut played: Vec<_> = played.take(4).collect();
    played.sort_unstable();
    assert_eq!(played, [(2, 0, 2), (2, 2, 5), (2, 5, 10), (3, 0, 1)]);
    // A hole for which the compilation is too long is filled with what fits.
    let mut padded = case;
    let lists = &mut padded.classic.schedule.items[0]
        .fillers
        .post_roll
        .as_mut()
        .unwrap();
    lists.amount = Amount::PadMinutes(12);
    let built = padded.build(1);
    let filled: i64 = built.entries[1..]
        .iter()
        .map(|e| e.stop.since(e.start))
        .sum();
    assert_eq!(filled, 3 * MINUTE_MS);
}

#[test]
fn what_is_longer_than_the_time_is_passed_over_but_not_for_ever() {
    let filled = |lengths: &[i64]| {
        Case::new()
            .minutes("a", &[20])
            .minutes("e", lengths)
            .item(one("a").post("e", Amount::PadMinutes(30)))
    };
    check(
        &filled(&[60, 6, 60, 4, 5]),
        30 * MINUTE_MS,
        "0:00 a1, 0:20 +e2, 0:26 +e4",
    );
    check(&filled(&[60; 5]), 20 * MINUTE_MS, "0:00 a1");
    // One item in a thousand fits: fifty are looked at for each programme, not all.
    let mut lengths = vec![60; 1000];
    lengths[60] = 10;
    check(
        &filled(&lengths),
        50 * MINUTE_MS,
        "0:00 a1, 0:20 a1, 0:40 +e61",
    );
}

#[test]
fn the_fallback_ends_on_the_millisecond() {
    for (ms, lengths, expected) in [
        (300_000, &[120.0][..], &[120_000, 120_000, 60_000][..]),
        (120_000, &[120.0], &[120_000]),
        // What would leave less than a second is cut, so that the last one has a second.
        (120_400, &[120.0], &[119_400, 1000]),
        (121_000, &[120.0], &[120_000, 1000]),
        (2_700, &[1.9], &[1_700, 1_000]),
        // Nothing can be done about what would need three.
        (2_500, &[1.2], &[1_200, 1_200]),
        (1_000, &[120.0], &[1000]),
    ] {
        let item = hours("a", 1.0, TailMode::Offline).fallback("f");
        let case = Case::new()
            .seconds("a", &[(HOUR_MS - ms) as f64 / 1000.0])
            .seconds("f", lengths)
            .item(item);
        let built = case.build(HOUR_MS - 500);
        let played: Vec<_> = built.entries[1..]
            .iter()
            .map(|e| e.stop.since(e.start))
            .collect();
        assert_eq!(played, expected, "{ms}");
    }
}

#[test]
fn a_filler_without_items_is_named() {
    let case = lists().item(behind(&[list("none")], Amount::Count(1)));
    let warnings = case.build(DAY_MS).warnings;
    assert_eq!(warnings.list.len(), 1);
    let text = &warnings.list[0].text;
    assert!(text.contains("1 (one)") && text.contains("t5"), "{text}");
}

#[test]
fn amounts_without_measure_are_bounded() {
    let case = |amount| {
        Case::new()
            .minutes("a", &[10])
            .seconds("b", &[1.0])
            .item(one("a").post("b", amount))
    };
    let built = case(Amount::Count(u32::MAX)).build(1);
    assert_eq!(built.entries.len(), 1001);
    assert!(built.warnings.list[0].text.contains("ask for fewer"));
    let built = case(Amount::DurationMs(i64::MAX)).build(1);
    assert_eq!(built.entries.len(), 86_401);
    let built = case(Amount::PadMinutes(0)).build(1);
    assert_eq!(built.entries.len(), 1);
    assert!(built.warnings.list[0].text.contains("0 minutes"));
}

#[test]
fn a_filler_is_written_with_one_pick_or_with_lists() {
    let read = |json: &str| serde_json::from_str::<Filler>(json);
    let pick = r#"{"collection":"show","title":"b"}"#;
    let plain = read(&format!(r#"{{"name":"Ads","pick":{pick}}}"#)).unwrap();
    let shuffled = Pick::new(named("b"), PlayOrder::Shuffle);
    assert_eq!(plain, Filler::new("Ads", shuffled, Amount::default()));
    let lists = format!(
        r#"{{"name":"Ads","lists":[{{"pick":{pick},"weight":3,"hours":{{"from":"22:00","to":"6:00"}}}}],"amount":{{"count":2}}}}"#
    );
    let lists = read(&lists).unwrap();
    assert_eq!((lists.lists[0].weight, lists.amount), (3, Amount::Count(2)));
    for filler in [plain, lists] {
        let json = serde_json::to_string(&filler).unwrap();
        assert_eq!(
            json.contains("lists"),
            filler.lists[0].weight == 3,
            "{json}"
        );
        assert_eq!(read(&json).unwrap(), filler);
    }
    let both = read(&format!(
        r#"{{"name":"Ads","pick":{pick},"lists":[{{"pick":{pick}}}]}}"#
    ));
    assert_eq!(both.unwrap().lists.len(), 2);
}
