//! How much filler: a number, a length, up to a mark of the hour, up to a moment.

use super::around::{Part, length_ms, put_on_air};
use super::lists::{Filling, Fits, draw_item, draw_pass};
use super::{Amount, Filler};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Stop};
use crate::schedule::draw::stable_hash;
use crate::schedule::planned::{Role, Why};
use crate::schedule::span::SHORTEST_MS;
use crate::schedule::timeline::Guide;
use crate::schedule::wall::Wall;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// The most items that a number is good for, before or behind a programme or in one break.
const MOST_ITEMS: usize = 1000;
/// The most time that a length is good for.
const LONGEST_MS: i64 = 24 * HOUR_MS;

/// Puts whole items on air up to `until`; the first that does not fit ends it, and is next the next time. The
/// first of them stands in the guide as `guide` says, which is [`Guide::Join`] then.
pub(in crate::schedule) fn tail(
    build: &mut Build<'_>,
    filler: &Filler,
    until: UtcMs,
    guide: &mut Guide,
    why: &Why,
) -> Result<(), Stop> {
    let role = Role::Tail;
    let filling = Filling { filler, role, why };
    loop {
        let (now, room) = (build.now(), until.since(build.now()));
        let Some(part) = draw_item(build, &filling, now, Fits::IfNext(room))? else {
            return Ok(());
        };
        put_on_air(build, vec![part], std::mem::replace(guide, Guide::Join))?;
    }
}

/// Items for exactly so many milliseconds from `at`, the last of them cut off; nothing for less than a second. Returns what is
/// left, which is nothing unless items are missing or as short as a second.
pub(in crate::schedule) fn cover(
    build: &mut Build<'_>,
    filler: &Filler,
    mut at: UtcMs,
    mut ms: i64,
    why: &Why,
    out: &mut Vec<Part>,
) -> Result<i64, Stop> {
    let role = Role::Fallback;
    let filling = Filling { filler, role, why };
    while ms >= SHORTEST_MS {
        let Some(mut part) = draw_item(build, &filling, at, Fits::Any)? else {
            break;
        };
        let behind = ms - part.span.length_ms();
        // What would be too short for another is left to the next one by cutting this one.
        let most = match (1..SHORTEST_MS).contains(&behind) && ms >= 2 * SHORTEST_MS {
            true => ms - SHORTEST_MS,
            false => ms,
        };
        let Some(span) = part.span.cut_to(most) else {
            break;
        };
        part.span = span;
        ms -= span.length_ms();
        at = at.plus(span.length_ms());
        out.push(part);
    }
    Ok(ms)
}

/// All of a filler of a number or a length, to begin now. Puts nothing on air.
pub(in crate::schedule) fn draw_all(
    build: &mut Build<'_>,
    filler: &Filler,
    role: Role,
    why: &Why,
    out: &mut Vec<Part>,
) -> Result<(), Stop> {
    let (at, mut drawn) = (build.now().plus(length_ms(&*out)), Vec::new());
    counted(build, &Filling { filler, role, why }, at, &mut drawn)?;
    out.append(&mut drawn);
    Ok(())
}

/// One item of a filler, to begin now, and no longer than `room` where that is given. What is longer is passed over if
/// something shorter is found; else it is next the next time. Puts nothing on air.
pub(in crate::schedule) fn draw(
    build: &mut Build<'_>,
    filler: &Filler,
    role: Role,
    room: Option<i64>,
    why: &Why,
) -> Result<Option<Part>, Stop> {
    let (now, mark) = (build.now(), build.mark());
    let fits = room.map_or(Fits::Any, Fits::Within);
    let drawn = draw_item(build, &Filling { filler, role, why }, now, fits)?;
    if drawn.is_none() {
        build.rewind(mark);
    }
    Ok(drawn)
}

/// The fillers of a number or a length, to begin at `at`.
pub(super) fn counted(
    build: &mut Build<'_>,
    filling: &Filling<'_>,
    mut at: UtcMs,
    out: &mut Vec<Part>,
) -> Result<(), Stop> {
    let count = match filling.filler.amount {
        Amount::Count(n) => n,
        Amount::RandomCount(most) => {
            // Drawn from the moment: the same in a timeline built in pieces.
            let draw = build.seed().of(stable_hash(filling.filler.name.as_bytes()));
            let draw = draw.of(at.0.cast_unsigned());
            u32::try_from(draw.below(u64::from(most) + 1)).unwrap_or_default()
        }
        Amount::DurationMs(ms) => {
            fill(build, filling, at, ms.min(LONGEST_MS), out)?;
            return Ok(());
        }
        Amount::PadMinutes(minutes) | Amount::PadMinutesUnlessFull(minutes) => {
            if minutes == 0 {
                let (rule, name) = (&filling.why.rule, &filling.filler.name);
                build.warn(format!(
                    "{rule}: the filler {name} pads to full 0 minutes and is left out: say how many"
                ));
            }
            0
        }
    };
    for _ in 0..count {
        let known = out.len();
        draw_pass(build, filling, at, MOST_ITEMS - known, out)?;
        let drawn = out.get(known..).unwrap_or_default();
        if drawn.is_empty() {
            break;
        }
        at = at.plus(length_ms(drawn));
        if out.len() >= MOST_ITEMS {
            let (rule, name) = (&filling.why.rule, &filling.filler.name);
            build.warn(format!(
                "{rule}: the filler {name} would be more than {MOST_ITEMS} items and is only so many: ask for fewer"
            ));
            break;
        }
    }
    Ok(())
}

/// As many whole items as fit into so many milliseconds from `at`. Returns what is left.
pub(super) fn fill(
    build: &mut Build<'_>,
    filling: &Filling<'_>,
    mut at: UtcMs,
    mut ms: i64,
    out: &mut Vec<Part>,
) -> Result<i64, Stop> {
    while let Some(part) = draw_item(build, filling, at, Fits::Within(ms))? {
        ms -= part.span.length_ms();
        at = at.plus(part.span.length_ms());
        out.push(part);
    }
    Ok(ms)
}

/// The next full so many minutes of the local hour behind `end`.
pub(in crate::schedule) fn pad_target(
    wall: &Wall,
    end: UtcMs,
    minutes: u32,
    unless_full: bool,
) -> UtcMs {
    let step = i64::from(minutes) * MINUTE_MS;
    let into_hour = i64::from(wall.time_of_day(end).ms()) % HOUR_MS;
    let minute = into_hour / MINUTE_MS * MINUTE_MS;
    let marked = (minute + step - 1) / step * step;
    let target = end.plus(marked - into_hour);
    match target <= end {
        true if unless_full && target == end => end,
        true => target.plus(step),
        false => target,
    }
}

#[cfg(test)]
mod pad {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn pads_end_on_the_next_mark_of_the_hour_and_never_on_the_end_itself() {
        let wall = Wall::new(TimeZone::fixed(jiff::tz::offset(1)));
        let minutes = |m: i64, s: i64| (m * 60 + s) * 1000;
        for (end, pad, expected) in [
            (minutes(45, 0), 30, minutes(60, 0)),
            (minutes(29, 59), 30, minutes(30, 0)),
            // What ends on the mark gets a whole interval more.
            (minutes(30, 0), 30, minutes(60, 0)),
            (minutes(0, 0), 60, minutes(60, 0)),
            (minutes(0, 30), 30, minutes(30, 0)),
            (minutes(30, 30), 30, minutes(60, 0)),
            (minutes(58, 12), 5, minutes(60, 0)),
            (minutes(50, 0), 45, minutes(90, 0)),
            (minutes(7, 0), 1, minutes(8, 0)),
        ] {
            let target = pad_target(&wall, UtcMs(end), pad, false);
            assert_eq!(target.0, expected, "{end} to {pad}");
            let full = end % minutes(i64::from(pad), 0) == 0 && 60 % pad == 0;
            let unless = pad_target(&wall, UtcMs(end), pad, true);
            assert_eq!(
                unless.0,
                if full { end } else { expected },
                "{end} to {pad}"
            );
        }
    }
}
