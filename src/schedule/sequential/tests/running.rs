//! What instructions put on air, as timelines in words.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::clock::UtcMs;
use crate::media::Ticks90k;
use crate::schedule::sequential::read;
use crate::schedule::*;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// Shows of one season, with the minutes that their episodes last.
const SHOWS: &[(&str, i64, &[i64])] = &[
    ("a", 10, &[30, 30, 30, 30]),
    ("b", 20, &[50, 50, 50]),
    ("f", 30, &[4, 5, 6]),
    ("m", 40, &[30, 50, 10]),
];

fn library() -> (Catalog, Contents) {
    let mut items = Vec::new();
    for (show, first, lengths) in SHOWS {
        for (n, minutes) in (1..).zip(*lengths) {
            let start = Ticks90k(n * 900);
            items.push(Playable {
                id: first + n,
                start,
                end: start + Ticks90k::from_ms(minutes * MINUTE_MS),
                show: Some((*show).into()),
                season: Some(1),
                episode: u32::try_from(n).ok(),
                ..Playable::default()
            });
        }
    }
    let catalog = Catalog::new(items);
    let mut contents = Contents::default();
    for (show, _, _) in SHOWS {
        let title = (*show).to_owned();
        let of = catalog.all().filter(|ix| {
            let item = catalog.get(*ix).unwrap();
            item.show.as_deref() == Some(*show)
        });
        let of = Content::Items(of.collect());
        contents.put(Collection::Show { title }, of);
    }
    (catalog, contents)
}

fn program(rules: &str) -> Program {
    let content = ["a", "b", "f", "m", "none"]
        .map(|show| format!("- {{show: {show}, key: {show}, order: season_episode}}\n"))
        .concat();
    let reading = read(&format!("content:\n{content}{rules}"), &|_| unreachable!());
    match reading {
        Ok(reading) => Program::Sequential(reading.schedule),
        Err(problems) => panic!("{problems:?}"),
    }
}

/// The timeline of two days from midnight, or from wherever the reset begins before `now_min`.
fn built(rules: &str, now_min: i64) -> Built {
    let (catalog, contents) = library();
    let program = program(rules);
    let mut input = BuildInput {
        program: &program,
        catalog: &catalog,
        contents: &contents,
        history: &History::default(),
        seed: 7,
        zone: &TimeZone::UTC,
        from: UtcMs(now_min * MINUTE_MS),
        until: UtcMs(2 * DAY_MS),
        state: None,
    };
    (input.from, input.state) = begin(&input);
    build(&input)
}

fn time(t: UtcMs) -> String {
    let minutes = t.0 / MINUTE_MS;
    let seconds = t.0 / 1000 % 60;
    let day = match minutes / (24 * 60) {
        0 => "",
        _ => "+",
    };
    let time = format!("{day}{:02}:{:02}", minutes / 60 % 24, minutes % 60);
    match seconds {
        0 => time,
        s => format!("{time}:{s:02}"),
    }
}

fn item(id: i64) -> String {
    let (show, first, _) = SHOWS.iter().find(|(_, f, _)| id / 10 * 10 == *f).unwrap();
    format!("{show}{}", id - first)
}

/// An entry in words: `00:30 a2`, with what it is for unless it is a programme.
fn entry(entry: &Planned) -> String {
    let what = match entry.plays {
        Plays::Item { id, .. } => item(id),
        Plays::Gap => "-".to_owned(),
    };
    let time = time(entry.start);
    match entry.role {
        Role::Programme => format!("{time} {what}"),
        role => format!("{time} {what} {role:?}"),
    }
}

fn entries(built: &Built, n: usize) -> Vec<String> {
    built.entries.iter().take(n).map(entry).collect()
}

/// The first programmes of the guide in words: `00:00 a1 Title`.
fn guide(built: &Built, n: usize) -> Vec<String> {
    let mut groups: Vec<(i64, String)> = Vec::new();
    for entry in &built.entries {
        let group = &entry.group;
        if groups.last().is_none_or(|(id, _)| *id != group.id) {
            let shows = group.shows.map_or("-".to_owned(), item);
            let title = group.title.as_deref().unwrap_or_default();
            let text = format!("{} {shows} {title}", time(entry.start));
            groups.push((group.id, text.trim_end().to_owned()));
        }
    }
    groups.into_iter().take(n).map(|(_, text)| text).collect()
}

#[test]
fn instructions_put_this_on_air() {
    for (instructions, expected) in [
        (
            "- {count: 2, content: a}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 a2, 01:00 b1, 01:50 a3, 02:20 a4, 02:50 b2, 03:40 a1",
        ),
        (
            "- {all: , content: b}\n- {count: 1, content: a}\n- repeat",
            "00:00 b1, 00:50 b2, 01:40 b3, 02:30 a1, 03:00 b1",
        ),
        (
            "- {count: count / 2, content: a}\n- {count: 0, content: a}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 a2, 01:00 b1, 01:50 a3",
        ),
        // A time: what does not fit is not played, and what is next begins earlier.
        (
            "- {duration: 100 min, content: a}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 a2, 01:00 a3, 01:30 b1, 02:20 a4",
        ),
        (
            "- {duration: 100 min, content: a, offline_tail: true}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 a2, 01:00 a3, 01:30 - Gap, 01:40 b1",
        ),
        (
            "- {duration: 100 min, content: a, trim: true}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 a2, 01:00 a3, 01:30 a4, 01:40 b1, 02:30 a1",
        ),
        (
            "- {duration: 100 min, content: a, stop_before_end: false}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 a2, 01:00 a3, 01:30 a4, 02:00 b1",
        ),
        // Passed over: m2 lasts longer than what is left, and so does m1 then.
        (
            "- {duration: 45 min, content: m, discard_attempts: 1}\n- {count: 1, content: b}\n- repeat",
            "00:00 m1, 00:30 m3, 00:40 b1, 01:30 m1",
        ),
        (
            "- {duration: 40 min, content: a, fallback: f}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 f1 Fallback, 00:34 f1 Fallback, 00:38 f1 Fallback, 00:40 b1, 01:30 a2, 02:00 f2 Fallback",
        ),
        (
            "- {duration: 5 min, content: a}\n- {count: 1, content: b}\n- repeat",
            "00:00 b1, 00:50 b2",
        ),
        // Full minutes: what is on the mark is filled up to the next.
        (
            "- {count: 1, content: f}\n- {pad_to_next: 30, content: f, filler_kind: postroll}\n- repeat",
            "00:00 f1, 00:04 f2 PostRoll, 00:09 f3 PostRoll, 00:15 f1 PostRoll, 00:19 f2 PostRoll, 00:24 f3 PostRoll, 00:30 f1, 00:34 f2 PostRoll",
        ),
        (
            "- {count: 1, content: a}\n- {pad_to_next: 30, content: f}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 f1, 00:34 f2, 00:39 f3, 00:45 f1, 00:49 f2, 00:54 f3, 01:00 b1",
        ),
        (
            "- {count: 1, content: a}\n- {pad_to_next: 20, content: a}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 - Gap, 00:40 b1",
        ),
        // A time of day that has passed means nothing, or tomorrow.
        (
            "- {count: 1, content: a}\n- {pad_until: '01:10', content: a}\n- {count: 1, content: b}\n- {pad_until: '01:10', content: a}\n- repeat",
            "00:00 a1, 00:30 a2, 01:00 b1, 01:50 a3, 02:20 b2",
        ),
        (
            "- {count: 1, content: a}\n- {wait_until: '01:00'}\n- {count: 1, content: b}\n- {wait_until: 1:00 AM, tomorrow: true}\n- repeat",
            "00:00 a1, 00:30 - Gap, 01:00 b1, 01:50 - Gap, +01:00 a2, +01:30 b2",
        ),
        (
            "- {pad_until_exact: '1970-01-01T00:40', content: a, trim: true}\n- {wait_until_exact: '1970-01-01T02:00+01:00'}\n- {count: 1, content: b}\n- repeat",
            "00:00 a1, 00:30 a2, 00:40 - Gap, 01:00 b1, 01:50 b2",
        ),
        (
            "- {skip_items: 2, content: a}\n- {count: 1, content: a}\n- {skip_to_item: , content: b, season: 1, episode: 3}\n- {count: 1, content: b}\n- repeat",
            "00:00 a3, 00:30 b3, 01:20 a2, 01:50 b3",
        ),
        (
            "- {skip_to_item: , content: b, season: 2, episode: 3}\n- {count: 1, content: b}\n- repeat",
            "00:00 b1, 00:50 b2",
        ),
        (
            "- {count: 1, content: none}\n- {count: 1, content: a}\n- repeat",
            "00:00 a1, 00:30 a2",
        ),
        (
            "- {duration: 1h, content: none, fallback: f, offline_tail: true}\n- {count: 1, content: a}\n- repeat",
            "00:00 f1 Fallback, 00:04 f1 Fallback",
        ),
        // Without `repeat` the channel is off the air at the end.
        (
            "- {count: 1, content: a}",
            "00:00 a1, 00:30 - Gap, 01:00 - Gap",
        ),
        (
            "- {count: 1, content: a}\n- {repeat: false}",
            "00:00 a1, 00:30 - Gap",
        ),
    ] {
        let built = built(&format!("playout:\n{instructions}"), 0);
        let expected: Vec<_> = expected.split(", ").collect();
        assert_eq!(entries(&built, expected.len()), expected, "{instructions}");
    }
}

#[test]
fn sequences_are_played_as_often_as_they_say_also_within_each_other() {
    let rules = "
sequence:
- key: TWO
  items: [{count: 1, content: a}, {count: 1, content: b}]
- key: MORE
  items: [{count: 1, content: f}, {sequence: TWO, repeat: 2, custom_title: Own}]
playout:
- {sequence: MORE, custom_title: All}
- {count: 1, content: m}
- repeat";
    let built = built(rules, 0);
    assert_eq!(
        guide(&built, 7),
        [
            "00:00 f1 All",
            "00:04 a1 Own",
            "00:34 b1 Own",
            "01:24 a2 Own",
            "01:54 b2 Own",
            "02:44 m1",
            "03:14 f2 All"
        ]
    );
    let rules: Vec<_> = built
        .entries
        .iter()
        .map(|e| e.why.rule.to_string())
        .collect();
    assert_eq!(
        rules[..3],
        ["MORE 1 (count)", "TWO 1 (count)", "TWO 2 (count)"]
    );
}

#[test]
fn a_shuffled_sequence_has_an_order_of_its_own_from_the_next_time_on() {
    let items = ["a", "b", "f", "m"].map(|key| format!("{{count: 1, content: {key}}}"));
    let rules = format!(
        "sequence: [{{key: S, items: [{}]}}]\nplayout: [sequence: S, shuffle_sequence: S, repeat]",
        items.join(", ")
    );
    let rules = rules.replace(
        "[sequence: S, shuffle_sequence: S, repeat]",
        "[{sequence: S}, {shuffle_sequence: S}, repeat]",
    );
    let built = built(&rules, 0);
    let shows: Vec<String> = built
        .entries
        .iter()
        .map(|e| entry(e).split(' ').nth(1).unwrap()[..1].to_owned())
        .collect();
    assert_eq!(shows[..4].concat(), "abfm");
    let rounds: Vec<String> = shows.chunks(4).map(<[String]>::concat).take(8).collect();
    for round in &rounds {
        let mut sorted: Vec<char> = round.chars().collect();
        sorted.sort_unstable();
        assert_eq!(sorted, ['a', 'b', 'f', 'm'], "{rounds:?}");
    }
    let different: std::collections::BTreeSet<_> = rounds.iter().collect();
    assert!(different.len() > 3, "{rounds:?}");
}

#[test]
fn rolls_are_played_around_programmes_but_not_around_fillers() {
    let rules = "
sequence:
- {key: PRE, items: [{count: 1, content: f}]}
- {key: POST, items: [{duration: 10 min, content: f}]}
playout:
- {pre_roll: true, sequence: PRE}
- {post_roll: true, sequence: POST}
- {count: 1, content: a, custom_title: Night}
- {count: 1, content: m, filler_kind: midroll}
- {pre_roll: false}
- {post_roll: false}
- {count: 1, content: b}
- repeat";
    let built = built(rules, 0);
    assert_eq!(
        entries(&built, 6),
        [
            "00:00 f1 PreRoll",
            "00:04 a1",
            "00:34 f2 PostRoll",
            "00:39 m1 MidRoll",
            "01:09 b1",
            "01:59 f3 PreRoll"
        ]
    );
    assert_eq!(
        guide(&built, 3),
        ["00:00 a1 Night", "01:09 b1", "01:59 a2 Night"]
    );
}

/// Elsewhere the pre-roll of what does not fit stays on air, and takes the time for nothing.
#[test]
fn a_programme_that_does_not_fit_with_its_rolls_takes_them_along() {
    let rules = "
sequence: [{key: PRE, items: [{count: 1, content: f}]}]
playout:
- {pre_roll: true, sequence: PRE}
- {duration: 65 min, content: a, offline_tail: true}
- {pre_roll: false}
- {count: 1, content: b}
- {count: 1, content: f}
- repeat";
    assert_eq!(
        entries(&built(rules, 0), 5),
        [
            "00:00 f1 PreRoll",
            "00:04 a1",
            "00:34 - Gap",
            "01:05 b1",
            "01:55 f2"
        ]
    );
}

#[test]
fn a_group_is_one_programme_of_the_guide() {
    let rules = "
playout:
- {epg_group: true}
- {count: 1, content: f, filler_kind: preroll}
- {count: 2, content: a}
- {count: 1, content: f, filler_kind: postroll}
- {epg_group: false}
- {count: 1, content: b}
- {epg_group: true, advance: false}
- {count: 1, content: m}
- {wait_until: '02:30'}
- {epg_group: false}
- {count: 1, content: f, filler_kind: postroll}
- {count: 1, content: f, filler_kind: preroll}
- {count: 1, content: f, filler_kind: preroll}
- {count: 1, content: m, custom_title: Named}
- repeat";
    let built = built(rules, 0);
    assert_eq!(
        entries(&built, 11),
        [
            "00:00 f1 PreRoll",
            "00:04 a1",
            "00:34 a2",
            "01:04 f2 PostRoll",
            "01:09 b1",
            "01:59 m1",
            "02:29 - Gap",
            "02:30 f3 PostRoll",
            "02:36 f1 PreRoll",
            "02:40 f2 PreRoll",
            "02:45 m2"
        ]
    );
    assert_eq!(guide(&built, 3), ["00:00 a1", "01:09 b1", "02:36 m2 Named"]);
}

#[test]
fn watermarks_are_those_that_are_on() {
    let rules = "
playout:
- {count: 1, content: a}
- {watermark: true, name: x}
- {watermark: true, name: y}
- {count: 1, content: a}
- {count: 1, content: a, disable_watermarks: true}
- {watermark: false, name: x}
- {count: 1, content: a}
- {watermark: false}
- repeat";
    let built = built(rules, 0);
    let marks = built.entries.iter().take(5).map(|e| {
        e.dress
            .as_ref()
            .map(|d| d.watermarks.clone().unwrap().join(" "))
    });
    let marks = marks.collect::<Vec<_>>();
    let marks: Vec<_> = marks.iter().map(Option::as_deref).collect();
    assert_eq!(marks, [None, Some("x y"), Some(""), Some("y"), None]);
}

#[test]
fn a_reset_is_done_once_and_may_begin_earlier() {
    let playout = "playout: [{count: 1, content: a}, repeat]";
    for (reset, now_min, expected) in [
        (
            "[{skip_items: 1, content: a}]",
            100,
            "01:40 a2, 02:10 a3, 02:40 a4, 03:10 a1",
        ),
        ("[{wait_until: '02:00'}]", 100, "01:40 - Gap, 02:00 a1"),
        ("[{wait_until: '01:00'}]", 100, "01:40 a1"),
        // As if it had been there since one o'clock.
        (
            "[{wait_until: '01:00', rewind_on_reset: true}]",
            100,
            "01:30 a2, 02:00 a3",
        ),
        (
            "[{rewind: 100 min}, {skip_items: 1, content: a}]",
            100,
            "01:30 a1, 02:00 a2",
        ),
        ("[{rewind: 10 min}]", 100, "01:30 a1, 02:00 a2"),
        (
            "[{wait_until: '01:00', tomorrow: true}]",
            100,
            "01:40 - Gap, +01:00 a1",
        ),
        (
            "[{skip_to_item: , content: a, season: 1, episode: 4}]",
            0,
            "00:00 a4, 00:30 a1",
        ),
    ] {
        let built = built(&format!("reset: {reset}\n{playout}"), now_min);
        let expected: Vec<_> = expected.split(", ").collect();
        assert_eq!(entries(&built, expected.len()), expected, "{reset}");
    }
}

#[test]
fn a_playout_that_puts_nothing_on_air_is_named_and_leaves_an_explicit_gap() {
    let nothing = "playout: none of its instructions up to `repeat` puts anything on air: look at its content, and at what it waits for";
    let over = "playout: behind its last instruction the channel is off the air: end it with `repeat: true`";
    let spin = "[{key: S, items: [{epg_group: true}, {skip_items: 1, content: a}]}]";
    for (rules, role, warning) in [
        (
            "playout: [{count: 1, content: none}, repeat]".to_owned(),
            Role::Empty,
            nothing,
        ),
        (
            "playout: [{skip_items: 5, content: a}, repeat]".to_owned(),
            Role::Empty,
            nothing,
        ),
        (
            "playout: [{duration: 1 min, content: b}, repeat]".to_owned(),
            Role::Empty,
            nothing,
        ),
        (
            "playout: [{skip_items: 5, content: a}]".to_owned(),
            Role::Gap,
            over,
        ),
        (
            format!("sequence: {spin}\nplayout: [{{sequence: S, repeat: 10000}}, repeat]"),
            Role::Empty,
            "the schedule puts nothing on air here",
        ),
    ] {
        let built = built(&rules, 0);
        assert!(built.entries.iter().all(|e| e.role == role), "{rules}");
        let last = built.entries.last().unwrap();
        assert!(last.stop >= UtcMs(2 * DAY_MS), "{rules}");
        let texts: Vec<_> = built.warnings.list.iter().map(|w| &*w.text).collect();
        assert!(texts.contains(&warning), "{rules}: {texts:?}");
    }
}

#[test]
fn programs_that_name_what_is_not_there_are_played_as_far_as_they_go() {
    let a: Arc<str> = "a".into();
    let play = |content: &str| super::super::Play {
        content: content.into(),
        title: None,
        filler: None,
        disable_watermarks: false,
    };
    let (catalog, contents) = library();
    let title = "a".to_owned();
    let schedule = super::super::Sequential {
        content: vec![super::super::Source {
            key: a.clone(),
            of: Collection::Show { title },
            order: PlayOrder::SeasonEpisode.into(),
        }],
        sequences: vec![super::super::Sequence {
            key: "S".into(),
            items: vec![
                super::super::Instruction::Sequence {
                    key: "S".into(),
                    repeat: 2,
                    title: None,
                },
                super::super::Instruction::All(play("gone")),
            ],
        }],
        reset: Vec::new(),
        playout: vec![
            super::super::Instruction::PreRoll(Some("gone".into())),
            super::super::Instruction::Sequence {
                key: "S".into(),
                repeat: 1,
                title: None,
            },
            super::super::Instruction::Sequence {
                key: "gone".into(),
                repeat: 0,
                title: None,
            },
            super::super::Instruction::All(play("a")),
            super::super::Instruction::Repeat(true),
        ],
    };
    let program = Program::Sequential(schedule);
    let built = build(&BuildInput {
        program: &program,
        catalog: &catalog,
        contents: &contents,
        history: &History::default(),
        seed: 7,
        zone: &TimeZone::UTC,
        from: UtcMs(0),
        until: UtcMs(DAY_MS / 4),
        state: None,
    });
    assert!(built.entries.last().unwrap().stop >= UtcMs(DAY_MS / 4));
    assert!(!built.warnings.list.is_empty());
}
