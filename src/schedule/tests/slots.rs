//! What holds for all slots over every library.

use super::fillers::fillers;
use super::properties::{
    Chance, World, check, check_pieces, check_resuming, collections, library, order,
};
use super::*;
use crate::schedule::slots::{
    Drawing, Flex, Length, Padded, RandomSlot, RandomSlots, Slot, Spacing, TimeSlot, TimeSlots,
};

fn slot(chance: &mut Chance) -> Slot {
    Slot {
        name: chance.of(&[None, Some("Named".into())]),
        pick: (!chance.one_in(6)).then(|| Pick {
            of: chance.of(&collections()),
            order: order(chance),
            place: chance.of(&[None, None, Some("own".to_owned())]),
        }),
        title: chance.of(&[None, None, Some("Night".into())]),
        pad_minutes: chance.of(&[None, None, Some(0), Some(15), Some(7)]),
        fillers: chance.one_in(3).then(|| fillers(chance)),
        dress: None,
    }
}

fn spacing(chance: &mut Chance) -> Spacing {
    Spacing {
        pad_minutes: chance.of(&[0, 0, 5, 30, 45]),
        pad: chance.of(&[Padded::Programmes, Padded::Slots]),
        flex: chance.of(&[Flex::End, Flex::Between]),
        flex_title: chance.of(&[None, Some("Soon".into())]),
        fillers: fillers(chance),
    }
}

fn time_slots(chance: &mut Chance) -> TimeSlots {
    let slot = |chance: &mut Chance| TimeSlot {
        start: match chance.one_in(2) {
            // On the hours that are moved on switch days, among others.
            true => TimeOfDay::from_ms(chance.below(48) as u32 * 1_800_000).unwrap(),
            false => TimeOfDay::from_ms(chance.below(86_400_000) as u32).unwrap(),
        },
        on: Days {
            days_of_month: match chance.one_in(3) {
                true => (0..31).filter(|_| chance.one_in(3)).collect(),
                false => Vec::new(),
            },
            ..Days::default()
        },
        plays: slot(chance),
    };
    TimeSlots {
        slots: (0..chance.below(7)).map(|_| slot(chance)).collect(),
        lateness_s: chance.of(&[0, 300, 3600, u32::MAX]),
        spacing: spacing(chance),
    }
}

fn random_slots(chance: &mut Chance) -> RandomSlots {
    let slot = |chance: &mut Chance| RandomSlot {
        plays: slot(chance),
        length: match chance.one_in(2) {
            true => Length::Seconds(chance.of(&[0, 5, 1800, 7200, 10_000, u32::MAX])),
            false => Length::Programmes(chance.of(&[0, 1, 2, 5])),
        },
        weight: chance.of(&[0, 1, 1, 5, u32::MAX]),
        cooldown_s: chance.of(&[0, 0, 1, 3600, 30_000, u32::MAX]),
    };
    RandomSlots {
        slots: (0..chance.below(6)).map(|_| slot(chance)).collect(),
        drawing: chance.of(&[Drawing::Uniform, Drawing::Weighted, Drawing::InOrder]),
        spacing: spacing(chance),
    }
}

fn check_all(name: &str, program: impl Fn(&mut Chance) -> Program) {
    let zones = [
        "CST6CDT,M3.2.0,M11.1.0",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "<-03>3<-02>,M10.3.0/0,M2.3.0/0",
        "UTC0",
    ];
    for seed in 0..10_000 {
        let case = format!("{name} {seed}");
        let mut chance = Chance::new(seed * 1000);
        let catalog = Catalog::new(library(&mut chance, 10));
        let [all, few, list, _] = collections();
        let mut contents = Contents::all(all.clone(), &catalog);
        contents.put(few.clone(), Content::Items(catalog.all().take(2).collect()));
        let entry = |of: &Collection, take| PlaylistEntry {
            pick: Pick::new(of.clone(), PlayOrder::Shuffle),
            take,
            in_guide: take == Take::All,
        };
        let entries = vec![entry(&all, Take::Count(2)), entry(&few, Take::All)];
        let playlist = Playlist {
            entries,
            shuffled: false,
        };
        contents.put(list, Content::Playlist(playlist));
        let world = World {
            catalog,
            contents,
            program: program(&mut chance),
            zone: TimeZone::posix(chance.of(&zones)).unwrap(),
            seed,
        };
        // Around switch days of 2025, among others.
        let day = chance.of(&[
            1_741_500_000_000,
            1_762_060_000_000,
            1_743_860_000_000,
            1_759_590_000_000,
            1_760_850_000_000,
            1_700_000_000_000,
        ]);
        let from = UtcMs(day + chance.below(DAY_MS));
        let until = from.plus(1 + chance.below(DAY_MS / 6));
        let built = world.build(from, until, None);
        check(&built, &world, from, until, &case);
        check_pieces(&world, &built, from, until, &mut chance, &case);
        check_resuming(&world, &built, until, &mut chance, &case);
    }
}

#[test]
fn ten_thousand_sets_of_time_slots_hold_what_every_timeline_must() {
    check_all("time slots", |chance| {
        Program::TimeSlots(time_slots(chance))
    });
}

#[test]
fn ten_thousand_sets_of_random_slots_hold_what_every_timeline_must() {
    check_all("random slots", |chance| {
        Program::RandomSlots(random_slots(chance))
    });
}
