//! What holds for every sequential schedule: as a timeline, as YAML and as JSON.

use super::properties::{Chance, World, check, check_pieces, check_resuming, library, order};
use super::*;
use crate::schedule::sequential::{
    Fill, FillerKind, Instruction, MidRoll, Moment, Play, Sequence, Sequential, Source, read,
};

const KEYS: [&str; 4] = ["all", "few", "list \"2\": # \u{a0}ü", "none"];
const SEQUENCES: [&str; 3] = ["One", "Two: -", "{Three}"];

fn title(chance: &mut Chance) -> Option<Arc<str>> {
    chance.of(&[None, None, Some(" Night's ~ \"1\"\n\u{7}\u{2028}".into())])
}

fn play(chance: &mut Chance) -> Play {
    Play {
        content: chance.of(&KEYS).into(),
        title: title(chance),
        filler: chance.of(&[
            None,
            None,
            None,
            Some(FillerKind::PreRoll),
            Some(FillerKind::MidRoll),
            Some(FillerKind::PostRoll),
            Some(FillerKind::Tail),
            Some(FillerKind::Fallback),
        ]),
        disable_watermarks: chance.one_in(5),
    }
}

fn fill(chance: &mut Chance) -> Fill {
    let stop_before_end = !chance.one_in(4);
    Fill {
        discard_attempts: chance.below(4) as u32,
        trim: chance.one_in(3),
        fallback: chance.one_in(3).then(|| chance.of(&KEYS).into()),
        offline_tail: stop_before_end && chance.one_in(2),
        stop_before_end,
    }
}

fn moment(chance: &mut Chance) -> Moment {
    let moments = [
        "2025-03-09T02:30",
        "2025-11-02T01:30:15",
        "2025-04-06T04:00+02:00",
        "2023-11-15T12:00",
        "2040-01-01T00:00Z",
    ];
    Moment::parse(chance.of(&moments)).unwrap()
}

fn time(chance: &mut Chance) -> TimeOfDay {
    TimeOfDay::from_ms(chance.below(86_400) as u32 * 1000).unwrap()
}

fn of_reset(chance: &mut Chance) -> Instruction {
    let count =
        |chance: &mut Chance| Sum::parse(chance.of(&["3", "random * count", "count - 1"])).unwrap();
    match chance.below(5) {
        0 => Instruction::Rewind {
            ms: 1000 * (1 + chance.below(86_400)),
        },
        1 => Instruction::SkipItems {
            count: count(chance),
            content: chance.of(&KEYS).into(),
        },
        2 => Instruction::SkipToItem {
            content: chance.of(&KEYS).into(),
            season: chance.below(3) as u32,
            episode: chance.below(10) as u32,
        },
        3 => Instruction::WaitUntilExact {
            moment: moment(chance),
            rewind_on_reset: chance.one_in(2),
        },
        _ => Instruction::WaitUntil {
            time: time(chance),
            tomorrow: chance.one_in(2),
            rewind_on_reset: chance.one_in(2),
        },
    }
}

/// An instruction that may play sequences from this one on: none plays itself.
fn instruction(chance: &mut Chance, from: usize) -> Instruction {
    let roll = |chance: &mut Chance| chance.one_in(2).then(|| chance.of(&SEQUENCES).into());
    match chance.below(30) {
        0..=2 => Instruction::All(play(chance)),
        3..=6 => Instruction::Count {
            count: Sum::parse(chance.of(&["1", "2", "count", "random * 3", "0"])).unwrap(),
            play: play(chance),
        },
        7..=9 => Instruction::Duration {
            ms: chance.of(&[1000, 90_500, 1_800_000, 7_200_000]),
            play: play(chance),
            fill: fill(chance),
        },
        10..=11 => Instruction::PadToNext {
            minutes: chance.of(&[1, 15, 30, 60, 45, 1440]),
            play: play(chance),
            fill: fill(chance),
        },
        12..=13 => Instruction::PadUntil {
            time: time(chance),
            tomorrow: chance.one_in(2),
            play: play(chance),
            fill: fill(chance),
        },
        14 => Instruction::PadUntilExact {
            moment: moment(chance),
            play: play(chance),
            fill: fill(chance),
        },
        15 => Instruction::EpgGroup {
            on: chance.one_in(2),
            advance: chance.one_in(2),
        },
        16 => Instruction::GraphicsOn {
            element: "text/next.yml".to_owned(),
            variables: [("a", "1.5"), ("c d", "true"), ("", "~")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
        },
        17 => Instruction::GraphicsOff {
            element: chance.of(&[None, Some("text/next.yml".to_owned())]),
        },
        18 => {
            let name = chance.of(&["corner", "null"]).to_owned();
            match chance.one_in(2) {
                true => Instruction::Watermark {
                    on: true,
                    name: Some(name),
                },
                false => Instruction::Watermark {
                    on: false,
                    name: chance.of(&[None, Some(name)]),
                },
            }
        }
        19..=20 => Instruction::PreRoll(roll(chance)),
        21 => Instruction::PostRoll(roll(chance)),
        22 => Instruction::MidRoll(roll(chance).map(|sequence| MidRoll {
            sequence,
            expression: chance.of(&[None, Some("point > 300".to_owned())]),
        })),
        23..=25 if from < SEQUENCES.len() => {
            let below = from as i64 + chance.below((SEQUENCES.len() - from) as i64);
            Instruction::Sequence {
                key: SEQUENCES[below as usize].into(),
                repeat: 1 + chance.below(3) as u32,
                title: title(chance),
            }
        }
        26 => Instruction::ShuffleSequence(chance.of(&SEQUENCES).into()),
        27 => Instruction::Repeat(chance.one_in(2)),
        _ => of_reset_without_rewind(chance),
    }
}

fn of_reset_without_rewind(chance: &mut Chance) -> Instruction {
    match of_reset(chance) {
        Instruction::Rewind { .. } => Instruction::Repeat(false),
        instruction => instruction,
    }
}

fn schedule(chance: &mut Chance) -> Sequential {
    let mut list = |least: i64, from: usize| {
        let count = least + chance.below(6);
        let list = (0..count).map(|_| instruction(chance, from));
        list.collect::<Vec<_>>()
    };
    let mut sequences = Vec::new();
    for (n, key) in SEQUENCES.iter().enumerate() {
        sequences.push(Sequence {
            key: (*key).into(),
            items: list(1, n + 1),
        });
    }
    let mut playout = list(1, 0);
    if !chance.one_in(5) {
        playout.push(Instruction::Repeat(true));
    }
    let title = |title: &str| Collection::Show {
        title: title.to_owned(),
    };
    let of = [
        Collection::Library,
        title("few"),
        title("list"),
        title("none"),
    ];
    Sequential {
        content: KEYS
            .iter()
            .zip(of)
            .map(|(key, of)| Source {
                key: (*key).into(),
                of,
                order: order(chance),
            })
            .collect(),
        sequences,
        reset: (0..chance.below(3)).map(|_| of_reset(chance)).collect(),
        playout,
    }
}

#[test]
fn three_thousand_sequential_schedules_hold_what_every_timeline_must() {
    let zones = [
        "CST6CDT,M3.2.0,M11.1.0",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "UTC0",
    ];
    let mut given_up = 0;
    for seed in 0..3_000 {
        let case = format!("sequential {seed}");
        let mut chance = Chance::new(seed * 1000);
        let catalog = Catalog::new(library(&mut chance, 10));
        let rules = schedule(&mut chance);
        let yaml = rules.to_yaml();
        let again = read(&yaml, &|_| unreachable!());
        match again {
            Ok(again) => assert_eq!(again.schedule, rules, "{case}\n{yaml}"),
            Err(problems) => panic!("{case}: {problems:?}\n{yaml}"),
        }
        let program = Program::Sequential(rules);
        let json = serde_json::to_string(&program).unwrap();
        let again: Program = serde_json::from_str(&json).unwrap();
        assert_eq!(again, program, "{case}");
        let [all, few, list, _] = KEYS.map(|key| {
            let Program::Sequential(rules) = &program else {
                panic!("{case}");
            };
            let source = rules.content.iter().find(|s| &*s.key == key);
            source.unwrap().of.clone()
        });
        let mut contents = Contents::all(all.clone(), &catalog);
        contents.put(few.clone(), Content::Items(catalog.all().take(2).collect()));
        let entry = |of: &Collection, take| PlaylistEntry {
            pick: Pick::new(of.clone(), PlayOrder::Shuffle),
            take,
            in_guide: take == Take::All,
        };
        let entries = vec![entry(&all, Take::Count(2)), entry(&few, Take::All)];
        let shuffled = false;
        contents.put(list, Content::Playlist(Playlist { entries, shuffled }));
        let world = World {
            catalog,
            contents,
            program,
            zone: TimeZone::posix(chance.of(&zones)).unwrap(),
            seed,
        };
        let day = chance.of(&[
            1_741_500_000_000,
            1_762_060_000_000,
            1_743_860_000_000,
            1_759_590_000_000,
            1_700_000_000_000,
        ]);
        let from = UtcMs(day + chance.below(DAY_MS));
        let until = from.plus(1 + chance.below(DAY_MS / 3));
        let built = world.build(from, until, None);
        check(&built, &world, from, until, &case);
        assert_eq!(
            built.entries,
            world.build(from, until, None).entries,
            "{case}: twice the same"
        );
        // A build that runs out of moves gives an hour up, where one that goes on there has new ones. When the list of
        // warnings is full, nobody can tell.
        let warnings = &built.warnings.list;
        if warnings.len() >= 100 || warnings.iter().any(|w| w.text.starts_with("given up")) {
            given_up += 1;
            continue;
        }
        check_pieces(&world, &built, from, until, &mut chance, &case);
        check_resuming(&world, &built, until, &mut chance, &case);
        begins_around(&world, from, &case);
    }
    assert!(given_up <= 100, "{given_up} of them take a million moves");
}

/// A channel begins at `from` or with what covers it, never later.
fn begins_around(world: &World, from: UtcMs, case: &str) {
    let (begins, _) = begin(&BuildInput {
        program: &world.program,
        catalog: &world.catalog,
        contents: &world.contents,
        history: &History::default(),
        seed: world.seed,
        zone: &world.zone,
        from,
        until: from,
        state: None,
    });
    assert!(begins <= from, "{case}");
    assert!(from.since(begins) <= 8 * DAY_MS, "{case}");
}
