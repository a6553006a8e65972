//! Block schedules drawn from a seed, held to what every timeline must hold.

use super::properties::{Chance, World, check, check_pieces, check_resuming, library, order};
use super::*;
use crate::schedule::block::{
    Block, Blocks, Break, Dated, Deco, DecoSlot, DecoTemplate, DefaultFiller, Item, Placement,
    Rules, Setting, Slot, StopScheduling, Template,
};
use crate::schedule::filler::{Amount, Filler};

fn collections() -> [Collection; 4] {
    let show = |title: &str| Collection::Show {
        title: title.to_owned(),
    };
    [Collection::Library, show("few"), show("list"), show("none")]
}

fn item(chance: &mut Chance) -> Item {
    Item {
        pick: Pick {
            of: chance.of(&collections()),
            order: order(chance),
            place: chance.of(&[None, None, Some("own".to_owned())]),
        },
        hidden: chance.one_in(4),
        dress: None,
    }
}

fn block(chance: &mut Chance) -> Block {
    Block {
        minutes: match chance.one_in(10) {
            true => 24 * 60,
            false => 5 * (1 + chance.below(60)),
        },
        items: (0..1 + chance.below(5)).map(|_| item(chance)).collect(),
        stop: chance.of(&[
            StopScheduling::AfterDurationEnd,
            StopScheduling::BeforeDurationEnd,
        ]),
        title: chance.of(&[None, None, Some("Night".into())]),
    }
}

fn setting<T>(chance: &mut Chance, value: impl Fn(&mut Chance) -> T) -> Setting<T> {
    match chance.below(4) {
        0 => Setting::Inherit,
        1 => Setting::Disable,
        _ => Setting::Override(value(chance)),
    }
}

fn filler(chance: &mut Chance) -> Filler {
    Filler {
        amount: chance.of(&[
            Amount::Count(2),
            Amount::RandomCount(3),
            Amount::DurationMs(200_000),
        ]),
        ..super::fillers::filler(chance)
    }
}

fn deco(chance: &mut Chance) -> Deco {
    let broken = |chance: &mut Chance| Break {
        at: chance.of(&[
            Placement::BlockStart,
            Placement::BlockFinish,
            Placement::BetweenBlockItems,
            Placement::ChapterMarks,
        ]),
        filler: filler(chance),
    };
    Deco {
        watermarks: setting(chance, |chance| {
            chance.of(&[vec![], vec!["logo".to_owned()]])
        }),
        watermarks_on_filler: chance.one_in(2),
        filler: setting(chance, |chance| DefaultFiller {
            filler: filler(chance),
            trim_to_fit: chance.one_in(2),
        }),
        dead_air: setting(chance, filler),
        breaks: setting(chance, |chance| {
            let mut breaks: Vec<_> = (0..chance.below(4)).map(|_| broken(chance)).collect();
            breaks.sort_by_key(|b| b.at == Placement::ChapterMarks);
            breaks.dedup_by(|b, a| [a.at, b.at] == [Placement::ChapterMarks; 2]);
            breaks
        }),
    }
}

/// A time of day: often in the hours in which clocks are moved, and one that is no full minute.
fn time(chance: &mut Chance) -> TimeOfDay {
    let ms = match chance.below(4) {
        0 => chance.below(86_400_000),
        1 => chance.below(12) * 1_800_000,
        _ => chance.below(288) * 300_000,
    };
    TimeOfDay::from_ms(ms as u32).unwrap()
}

/// Names of things: there are so many of them.
fn names(chance: &mut Chance, most: i64) -> Vec<Arc<str>> {
    let count = 1 + chance.below(most);
    (0..count).map(|n| n.to_string().into()).collect()
}

fn rules(chance: &mut Chance) -> Rules {
    let (blocks, templates) = (names(chance, 4), names(chance, 3));
    let (decos, deco_templates) = (names(chance, 3), names(chance, 2));
    let deco_slot = |chance: &mut Chance| DecoSlot {
        from: time(chance),
        to: time(chance),
        deco: chance.of(&decos),
    };
    let slots = |chance: &mut Chance| {
        let mut slots: Vec<_> = (0..1 + chance.below(9))
            .map(|_| Slot {
                at: time(chance),
                block: chance.of(&blocks),
                deco: chance.one_in(3).then(|| chance.of(&decos)),
            })
            .collect();
        slots.sort_by_key(|slot| slot.at);
        slots.dedup_by_key(|slot| slot.at);
        slots
    };
    Rules {
        blocks: blocks.iter().map(|n| (n.clone(), block(chance))).collect(),
        templates: templates
            .iter()
            .map(|n| {
                (
                    n.clone(),
                    Template {
                        slots: slots(chance),
                    },
                )
            })
            .collect(),
        calendar: (0..1 + chance.below(3))
            .map(|_| Dated {
                on: Days {
                    days_of_month: (0..31).filter(|_| chance.one_in(2)).collect(),
                    ..Days::default()
                },
                template: chance.of(&templates),
                decos: chance.one_in(2).then(|| chance.of(&deco_templates)),
            })
            .collect(),
        decos: decos.iter().map(|n| (n.clone(), deco(chance))).collect(),
        deco_templates: deco_templates
            .iter()
            .map(|n| {
                let slots = (0..1 + chance.below(3)).map(|_| deco_slot(chance));
                (
                    n.clone(),
                    DecoTemplate {
                        slots: slots.collect(),
                    },
                )
            })
            .collect(),
        deco: chance.one_in(2).then(|| chance.of(&decos)),
    }
}

pub(crate) fn program(chance: &mut Chance) -> Program {
    Program::Block(Blocks::new(rules(chance)).unwrap())
}

fn world(chance: &mut Chance, seed: u64) -> World {
    let zones = [
        "CST6CDT,M3.2.0,M11.1.0",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "UTC0",
    ];
    let catalog = Catalog::new(library(chance, 10));
    let [all, few, list, _] = collections();
    let mut contents = Contents::all(all.clone(), &catalog);
    contents.put(few.clone(), Content::Items(catalog.all().take(2).collect()));
    let entry = |of: &Collection, take| PlaylistEntry {
        pick: Pick::new(of.clone(), PlayOrder::Shuffle),
        take,
        in_guide: take == Take::All,
    };
    let entries = vec![entry(&all, Take::Count(2)), entry(&few, Take::All)];
    let shuffled = chance.one_in(2);
    contents.put(list, Content::Playlist(Playlist { entries, shuffled }));
    World {
        catalog,
        contents,
        program: program(chance),
        zone: TimeZone::posix(chance.of(&zones)).unwrap(),
        seed,
    }
}

#[test]
fn ten_thousand_block_schedules_hold_what_every_timeline_must() {
    for seed in 0..10_000 {
        let case = format!("block {seed}");
        let mut chance = Chance::new(seed * 1000);
        let world = world(&mut chance, seed);
        // Around both switch days of 2025, among others.
        let day = chance.of(&[
            1_741_500_000_000,
            1_762_060_000_000,
            1_743_860_000_000,
            1_759_590_000_000,
            1_700_000_000_000,
        ]);
        let from = UtcMs(day + chance.below(DAY_MS));
        let until = from.plus(1 + chance.below(DAY_MS));
        let built = world.build(from, until, None);
        check(&built, &world, from, until, &case);
        assert_eq!(
            built.entries,
            world.build(from, until, None).entries,
            "{case}: twice the same"
        );
        check_pieces(&world, &built, from, until, &mut chance, &case);
        check_resuming(&world, &built, until, &mut chance, &case);
    }
}
