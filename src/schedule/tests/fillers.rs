//! Fillers of all kinds, and programmes with places for breaks, for programs drawn from a seed.

use super::properties::{Chance, collections, order};
use super::*;
use crate::media::probe::Chapter;
use crate::schedule::filler::{Amount, BreakAt, Filler, FillerList, Fillers, Hours, MidRoll};

/// Places for breaks as files may have them: in order or not, within the item or not, few or hundreds.
pub(super) fn breaks(chance: &mut Chance, start: Ticks90k, ticks: i64) -> Option<Arc<Breaks>> {
    if chance.one_in(3) {
        return None;
    }
    let most = chance.of(&[0, 3, 10, 150]);
    let mut places = |sorted: bool| -> Vec<Ticks90k> {
        let count = chance.below(most + 1);
        let place = |_| start + Ticks90k(chance.below(ticks.max(1) + 90_000) - 45_000);
        let mut places: Vec<_> = (0..count).map(place).collect();
        if sorted {
            places.sort_unstable();
        }
        places
    };
    let titled = |(n, start): (usize, Ticks90k)| Chapter {
        start,
        title: ["here", "not here"][n % 2].to_owned(),
    };
    Some(Arc::new(Breaks {
        chapters: places(false).into_iter().enumerate().map(titled).collect(),
        points: places(false),
        raps: places(true),
        rough_raps: places(true),
    }))
}

fn time(chance: &mut Chance) -> TimeOfDay {
    TimeOfDay::from_ms(chance.below(24) as u32 * 3_600_000).unwrap()
}

fn list(chance: &mut Chance) -> FillerList {
    let pick = Pick {
        of: chance.of(&collections()),
        order: order(chance),
        place: chance.of(&[None, Some("f".to_owned())]),
    };
    FillerList {
        chapters: chance.one_in(4),
        weight: chance.of(&[0, 1, 1, 5]),
        cooldown_s: chance.of(&[0, 0, 600, 36_000]),
        hours: chance.one_in(3).then(|| Hours {
            from: time(chance),
            to: time(chance),
        }),
        on: Days {
            days_of_month: (0..chance.of(&[0, 0, 31]))
                .filter(|_| chance.one_in(2))
                .collect(),
            ..Days::default()
        },
        ..pick.into()
    }
}

pub(super) fn filler(chance: &mut Chance) -> Filler {
    let amount = chance.of(&[
        Amount::Count(2),
        Amount::RandomCount(3),
        Amount::DurationMs(200_000),
        Amount::DurationMs(-1),
        Amount::PadMinutes(15),
        Amount::PadMinutesUnlessFull(30),
        Amount::PadMinutes(0),
    ]);
    Filler {
        lists: (0..1 + chance.below(3)).map(|_| list(chance)).collect(),
        hide_watermarks: chance.one_in(2),
        ..Filler::new(
            "filler",
            Pick::new(Collection::Library, Order::default()),
            amount,
        )
    }
}

fn mid_roll(chance: &mut Chance) -> MidRoll {
    MidRoll {
        filler: filler(chance),
        at: chance.of(&[
            BreakAt::Chapters,
            BreakAt::Points,
            BreakAt::EveryMinutes(10),
            BreakAt::EveryMinutes(0),
        ]),
        when: chance
            .of(&[
                None,
                None,
                Some("last_mid_filler > 300 and remaining_duration > 60"),
                Some("total_progress > 0.4 and matched_points < 2 or title like 'h%'"),
                Some("point / 0 < 1"),
            ])
            .map(|text| Condition::parse(text).unwrap()),
    }
}

pub(super) fn fillers(chance: &mut Chance) -> Fillers {
    Fillers {
        pre_roll: chance.one_in(4).then(|| filler(chance)),
        mid_roll: chance.one_in(3).then(|| mid_roll(chance)),
        post_roll: chance.one_in(4).then(|| filler(chance)),
        tail: chance.one_in(3).then(|| filler(chance)),
        fallback: chance.one_in(3).then(|| filler(chance)),
    }
}
