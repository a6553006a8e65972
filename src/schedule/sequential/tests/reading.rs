//! What YAML means, and what is said of what means nothing.

use crate::schedule::sequential::{Fill, Instruction, Moment, Play, Reading, read};
use crate::schedule::{Collection, PlayOrder, Problem, Sum, TimeOfDay};

fn alone(text: &str) -> Result<Reading, Vec<Problem>> {
    read(text, &|name| Err(format!("there is no {name}")))
}

/// The instructions of a playout that draws from the keys A and B and has the sequences S and T.
fn playout(instructions: &str) -> Result<Reading, Vec<Problem>> {
    alone(&format!(
        "content: [{{library: , key: A, order: shuffle}}, {{show: Bee, key: B, order: chronological}}]
sequence: [{{key: S, items: [{{count: 1, content: A}}]}}, {{key: T, items: [{{count: 1, content: B}}]}}]
playout:
{instructions}"
    ))
}

fn said(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

/// Notes where what is said is not what is expected.
fn check(problems: &[Problem], expected: &[&str], case: &str, wrong: &mut Vec<String>) {
    let said = said(problems);
    if said != expected {
        wrong.push(format!("{case}\n     says {said:#?}"));
    }
}

fn play(content: &str) -> Play {
    Play {
        content: content.into(),
        title: None,
        filler: None,
        disable_watermarks: false,
    }
}

const EVENING: &str = r#"
# An evening.
content:
  - show: "Old Bees"
    key: BEES
    order: season_episode
  - folder: /media/spots
    key: SPOTS
    order: shuffle
  - library:
    key: ALL
    order: marathon
    group_by: season
    item_order: shuffle
    shuffle_groups: true

sequence:
  - key: BREAK
    items:
      - duration: "2 minutes"
        content: SPOTS
        trim: true

reset:
  - wait_until: "6:00 PM"
    rewind_on_reset: true
  - skip_items: "random * count"
    content: ALL

playout:
  - pre_roll: true
    sequence: BREAK
  - count: 2
    content: BEES
    custom_title: Bees tonight
  - padToNext: 30
    content: SPOTS
    filler_kind: postroll
    fallback: ALL
  - all: ALL
  - watermark: true
    name: corner
  - sequence: BREAK
    repeat: 3
  - repeat
"#;

#[test]
fn a_schedule_is_read() {
    let Reading { schedule, warnings } = alone(EVENING).unwrap();
    assert_eq!(warnings, []);
    let keys: Vec<_> = schedule.content.iter().map(|s| &*s.key).collect();
    assert_eq!(keys, ["BEES", "SPOTS", "ALL"]);
    let of: Vec<_> = schedule.content.iter().map(|s| s.of.clone()).collect();
    let title = "Old Bees".to_owned();
    let path = "/media/spots".into();
    let expected = [
        Collection::Show { title },
        Collection::Folder { path },
        Collection::Library,
    ];
    assert_eq!(of, expected);
    assert_eq!(schedule.content[0].order.by, PlayOrder::SeasonEpisode);
    assert_eq!(schedule.content[2].order.marathon.batch, 1);
    assert_eq!(schedule.sequences.len(), 1);
    let bees = Play {
        title: Some("Bees tonight".into()),
        ..play("BEES")
    };
    let spots = Play {
        filler: Some(crate::schedule::sequential::FillerKind::PostRoll),
        ..play("SPOTS")
    };
    assert_eq!(
        schedule.playout,
        [
            Instruction::PreRoll(Some("BREAK".into())),
            Instruction::Count {
                count: Sum::parse("2").unwrap(),
                play: bees
            },
            Instruction::PadToNext {
                minutes: 30,
                play: spots,
                fill: Fill {
                    fallback: Some("ALL".into()),
                    offline_tail: true,
                    ..Fill::default()
                }
            },
            Instruction::All(play("ALL")),
            Instruction::Watermark {
                on: true,
                name: Some("corner".to_owned())
            },
            Instruction::Sequence {
                key: "BREAK".into(),
                repeat: 3,
                title: None
            },
            Instruction::Repeat(true),
        ]
    );
    assert_eq!(
        schedule.reset[0],
        Instruction::WaitUntil {
            time: TimeOfDay::parse("18:00").unwrap(),
            tomorrow: false,
            rewind_on_reset: true
        }
    );
}

#[test]
fn times_that_have_no_tail_by_default_have_one_when_they_pad_to_full_minutes() {
    for (instruction, offline_tail) in [
        ("- {duration: 1h, content: A}", false),
        ("- {duration: 1h, content: A, offline_tail: yes}", true),
        ("- {pad_to_next: 30, content: A}", true),
        (
            "- {pad_to_next: 30, content: A, offline_tail: false}",
            false,
        ),
        // What may run over has no tail.
        (
            "- {pad_to_next: 30, content: A, stop_before_end: false}",
            false,
        ),
        ("- {pad_until: '20:15', content: A}", false),
        ("- {pad_until_exact: 2026-12-24T20:15, content: A}", false),
    ] {
        let reading = playout(instruction).unwrap();
        let fill = match &reading.schedule.playout[0] {
            Instruction::Duration { fill, .. }
            | Instruction::PadToNext { fill, .. }
            | Instruction::PadUntil { fill, .. }
            | Instruction::PadUntilExact { fill, .. } => fill,
            other => panic!("{other:?}"),
        };
        assert_eq!(fill.offline_tail, offline_tail, "{instruction}");
    }
}

#[test]
fn moments_are_local_unless_they_have_an_offset() {
    for (text, expected) in [
        ("2026-12-24T18:00", "2026-12-24T18:00:00"),
        ("2026-12-24 18:00:30", "2026-12-24T18:00:30"),
        ("2026-12-24T18:00+01:00", "2026-12-24T17:00:00Z"),
        ("2026-12-24T18:00Z", "2026-12-24T18:00:00Z"),
    ] {
        let moment = Moment::parse(text).map(|m| m.to_string());
        assert_eq!(moment.as_deref(), Some(expected));
        let again = Moment::parse(expected).map(|m| m.to_string());
        assert_eq!(again.as_deref(), Some(expected));
    }
    assert_eq!(Moment::parse("2026-02-30T18:00"), None);
    assert_eq!(Moment::parse("24.12.2026"), None);
}

/// Everything is said of what is wrong, with its place, in the order of the file.
#[test]
fn every_mistake_of_a_playout_is_named_with_its_place_and_what_to_do() {
    let mut wrong = Vec::new();
    for (instructions, expected) in [
        (
            "- cuont: 1\n  content: A",
            &["4:3: there is no instruction `cuont`: did you mean `count`?"][..],
        ),
        (
            "- count: 1\n  contnet: A",
            &[
                "4:3: `count` has no `content`: name the `key` of what is drawn from",
                "5:3: `count` has no key `contnet`: did you mean `content`?",
            ],
        ),
        (
            "- count: 1",
            &["4:3: `count` has no `content`: name the `key` of what is drawn from"],
        ),
        (
            "- count: 1\n  content: C",
            &["5:12: no content has the key `C`: did you mean `A`?"],
        ),
        (
            "- count: [1]\n  content: A",
            &[
                "4:10: `count` must be a number, or a sum of numbers, `count` and `random`, not a list",
            ],
        ),
        (
            "- count: 1 +\n  content: A",
            &[
                "4:10: `count` must be a number, or a sum of numbers, `count` and `random`, not \"1 +\"",
            ],
        ),
        (
            "- count: 1\n  duration: 1h\n  content: A",
            &["4:3: `count` and `duration` are two instructions: write `- ` before each of them"],
        ),
        (
            "- duration: 30\n  content: A",
            &[
                "4:13: `duration` must be a time from 1 second to 7 days such as \"30 minutes\", \"1h 30m\" or \"01:30:00\", not \"30\"",
            ],
        ),
        (
            "- duration: 1h\n  content: A\n  trim: maybe",
            &["6:9: `trim` of `duration` must be true or false, not \"maybe\""],
        ),
        (
            "- duration: 1h\n  content: A\n  stop_before_end: false\n  offline_tail: true",
            &[
                "4:3: `offline_tail: true` and `stop_before_end: false` contradict each other: remove one",
            ],
        ),
        (
            "- duration: 1h\n  content: A\n  fallback: F",
            &["6:13: no content has the key `F`: did you mean `A`?"],
        ),
        (
            "- pad_to_next: 0\n  content: A",
            &["4:16: `pad_to_next` must be a whole number from 1 to 1440, not \"0\""],
        ),
        (
            "- pad_until: 25:00\n  content: A",
            &[
                "4:14: `pad_until` must be a time of day such as \"20:15\" or \"8:15 PM\", not \"25:00\"",
            ],
        ),
        (
            "- wait_until_exact: soon",
            &[
                "4:21: `wait_until_exact` must be a date and time such as 2026-12-24T18:00, not \"soon\"",
            ],
        ),
        (
            "- all:\n  content: A\n  filler_kind: advert",
            &[
                "6:16: `filler_kind` of `all` must be one of none, preroll, pre_roll, midroll, mid_roll, postroll, post_roll, commercial, tail, fallback, not \"advert\"",
            ],
        ),
        (
            "- sequence: U",
            &["4:13: no sequence has the key `U`: did you mean `S`?"],
        ),
        (
            "- sequence: S\n  repeat: 0",
            &["5:11: `repeat` of `sequence` must be a whole number from 1 to 10000, not \"0\""],
        ),
        (
            "- pre_roll: true",
            &["4:3: `pre_roll` has no `sequence`: name the `key` of a sequence"],
        ),
        (
            "- post_roll: false\n  sequence: S",
            &["4:3: `post_roll: false` ends it, and needs no `sequence`"],
        ),
        (
            "- watermark: true",
            &["4:3: `watermark` has no `name`: say which watermark is shown"],
        ),
        (
            "- skip_to_item:\n  content: A\n  season: one",
            &[
                "4:3: `skip_to_item` has no `episode`: say with which episode to go on",
                "6:11: `season` of `skip_to_item` must be a whole number from 0 to 100000, not \"one\"",
            ],
        ),
        (
            "- rewind: 1 hour",
            &["4:3: `rewind` has a meaning in `reset` only: what was on air cannot be taken back"],
        ),
        (
            "- 7",
            &["4:3: an instruction must be a mapping of keys to values, not text"],
        ),
        ("- {}", &["4:3: an instruction without a key"]),
        (
            "- epg_group:",
            &["4:12: `epg_group` must be true or false, not nothing"],
        ),
        (
            "- count: 1\n  count: 2\n  content: A",
            &["5:3: the key `count` stands here a second time, first on line 4: remove one"],
        ),
    ] {
        check(
            &playout(instructions).unwrap_err(),
            expected,
            instructions,
            &mut wrong,
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mistake_of_a_file_is_named_with_its_place_and_what_to_do() {
    let deep = "[".repeat(100);
    let long = format!("playout: [{}]", "x,".repeat(300_000));
    let mut wrong = Vec::new();
    for (text, expected) in [
        ("", &["1:1: the file is empty"][..]),
        (
            "- 1",
            &["1:1: the file must be a mapping of keys to values, not a list"],
        ),
        (
            "playout:\n\tx: 1",
            &["2:2: this is no YAML: tabs disallowed within this context (block indentation)"],
        ),
        (
            "a: 1\n---\nb: 2",
            &["2:1: there is a second document: a file holds one, without `---` in the middle"],
        ),
        (
            "playout: &p [*p]",
            &["1:14: an alias cannot stand within what it is an alias of"],
        ),
        (
            "playout: []\nplayuot: []",
            &[
                "1:10: there is nothing to do: list instructions below `playout`",
                "2:1: the file has no key `playuot`: did you mean `playout`?",
            ],
        ),
        (
            "content: []",
            &["1:1: there is nothing to do: list instructions below `playout`"],
        ),
        (
            "playout: x",
            &[
                "1:10: `playout` of the file must be a list, not \"x\"",
                "1:10: there is nothing to do: list instructions below `playout`",
            ],
        ),
        (&deep, &["1:25: nested deeper than 24 levels"]),
        (&long, &["1:1: the file is larger than 512 KiB"]),
        (
            "reset: [count: 1]\nplayout: [repeat]",
            &[
                "1:9: `count` cannot stand in `reset`, only rewind, skip_items, skip_to_item, wait_until, wait_until_exact",
            ],
        ),
        (
            "content:\n- {library: , key: A, order: shuffle}\n- {show: X, key: A, order: shuffle}\nplayout: [repeat]",
            &["3:18: a second content `A`, first on line 2: rename one of them"],
        ),
        (
            "content: [{film: X, key: A, order: shuffle}, {key: B, order: shuffle}]\nplayout: [repeat]",
            &[
                "1:12: there is no content `film`: there is collection, first_run, folder, library, multi_collection, playlist, rerun, search, \
                 show, smart_collection",
                "1:46: an entry of `content` says nothing of what is played: write one of library, folder, show, search, smart_collection, \
                 collection, multi_collection, playlist, first_run, rerun",
            ],
        ),
        (
            "content:\n- library:\n  key: A\n- {folder: media, key: B, order: alphabetic}\nplayout: [repeat]",
            &[
                "2:3: content `library` has no `order`: say in which, such as chronological or shuffle",
                "4:12: `folder` of content `folder` must be an absolute path, not \"media\"",
                "4:34: `order` of content `folder` must be one of chronological, season_episode, custom, shuffle, balanced, random, random_rotation, marathon, multi_episode_shuffle, shuffle_in_order, not \"alphabetic\"",
            ],
        ),
        (
            "sequence:\n- {key: S, items: [sequence: T]}\n- {key: T, items: [sequence: U]}\n- {key: U, items: [sequence: S]}\n- {items: []}\nplayout: [sequence: S, repeat]",
            &[
                "2:30: the sequence `S` plays itself: S -> T -> U -> S",
                "3:30: the sequence `T` plays itself: T -> U -> S -> T",
                "4:30: the sequence `U` plays itself: U -> S -> T -> U",
                "5:3: a sequence has no `key`: give it a name to be played under",
                "5:3: the sequence `` is empty: list instructions below `items`",
            ],
        ),
        (
            "import: [x.yml, ' ']\nplayout: [repeat]",
            &[
                "1:10: `x.yml` cannot be imported: there is no x.yml",
                "1:17: an import must be the name of a file, not text",
            ],
        ),
        (
            "playout: [*x]",
            &["1:11: this is no YAML: while parsing node, found unknown anchor"],
        ),
    ] {
        let shown = text.get(..80).unwrap_or(text);
        check(&alone(text).unwrap_err(), expected, shown, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_has_no_effect_is_a_warning() {
    for (instructions, expected) in [
        (
            "- mid_roll: true\n  sequence: S\n- repeat: true",
            &["4:3: `mid_roll` is ignored: programmes are not interrupted"][..],
        ),
        (
            "- graphics_on: text/next.yml\n  variables: {a: 1}\n- repeat: true",
            &["4:3: `graphics_on` is ignored: graphics are not drawn"][..],
        ),
        (
            "- graphics_off:\n- repeat: true",
            &["4:3: `graphics_off` is ignored: graphics are not drawn"],
        ),
        (
            "- count: 1\n  content: A",
            &[
                "1:1: behind the last instruction the channel is off the air: end with `- repeat: true` to begin again",
            ],
        ),
    ] {
        assert_eq!(
            said(&playout(instructions).unwrap().warnings),
            expected,
            "{instructions}"
        );
    }
}

#[test]
fn files_import_content_and_sequences_of_others() {
    let text = "import: [lib/common.yml]\ncontent: [{library: , key: A, order: random}]\nplayout: [count: 1, content: B, repeat: true]";
    let text = text.replace(
        "count: 1, content: B, repeat: true",
        "{count: 1, content: B}, {sequence: S}, repeat",
    );
    let files = |name: &str| {
        match name {
        "lib/common.yml" => Ok("import: [more.yml, ../top.yml]\ncontent: [{show: Other, key: A, order: shuffle}]\nplayout: [repeat]".to_owned()),
        "lib/more.yml" => Ok("content: [{show: Bee, key: B, order: shuffle}]".to_owned()),
        "top.yml" => Ok("sequence: [{key: S, items: [{count: 1, content: A}]}]".to_owned()),
        _ => Err("no such file".to_owned()),
    }
    };
    let reading = read(&text, &files).unwrap();
    let content: Vec<_> = reading
        .schedule
        .content
        .iter()
        .map(|s| (&*s.key, &s.of))
        .collect();
    // Of two with one key the one nearer to the schedule counts.
    assert_eq!(content[0], ("A", &Collection::Library));
    assert_eq!(content[1].0, "B");
    assert_eq!(reading.schedule.sequences.len(), 1);
    let warned = said(&reading.warnings);
    assert_eq!(
        warned,
        ["lib/common.yml:3:11: `playout` of an imported file is ignored"]
    );
}

#[test]
fn imports_do_not_go_in_circles_and_their_mistakes_name_their_file() {
    let files = |name: &str| match name {
        "a.yml" => Ok("import: [b.yml]\ncontent: [{show: , key: K, order: shuffle}]".to_owned()),
        "b.yml" => Ok("import: [./x/../a.yml]".to_owned()),
        name => Ok(format!("import: [{name}0]")),
    };
    let problems = read(
        "import: [a.yml]\nplayout: [{count: 1, content: X}, repeat]",
        &files,
    );
    assert_eq!(
        said(&problems.unwrap_err()),
        [
            "2:31: no content has the key `X`: did you mean `K`?",
            "a.yml:2:16: `show` of content `show` must be text, not nothing",
            "b.yml:1:10: `a.yml` imports itself: a.yml -> b.yml -> a.yml",
        ]
    );
    let endless = read("import: [z]\nplayout: [repeat]", &files).unwrap_err();
    assert!(said(&endless)[0].ends_with("more than 16 files: put some of them together"));
}

#[test]
fn aliases_are_read_and_cannot_blow_up() {
    let reading = playout("- &one {count: 1, content: A}\n- *one\n- repeat: true").unwrap();
    assert_eq!(reading.schedule.playout[0], reading.schedule.playout[1]);
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let last = format!("*a{}", n - 1);
        laughs += &format!("a{n}: &a{n} [{}]\n", [&*last; 10].join(", "));
    }
    let problems = alone(&laughs).unwrap_err();
    assert!(said(&problems)[0].ends_with("more than 100000 values, each alias counted in full"));
    let mut tower = "a0: &a0 [x]\n".to_owned();
    for n in 1..200 {
        tower += &format!("a{n}: &a{n} [*a{}]\n", n - 1);
    }
    let problems = alone(&tower).unwrap_err();
    assert!(said(&problems)[0].ends_with("nested deeper than 24 levels"));
}

#[test]
fn a_hundred_problems_are_listed_and_the_rest_counted() {
    let problems = playout(&"- {x: 1}\n".repeat(250)).unwrap_err();
    assert_eq!(problems.len(), 101);
    assert!(problems[100].message.ends_with("and 150 more"));
}
