//! Puts fillers around a programme and into a time.

use std::sync::Arc;

use super::{Amount, Filler, Fillers};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Stop};
use crate::schedule::draw::stable_hash;
use crate::schedule::item::Ix;
use crate::schedule::planned::{Dress, Role, Why};
use crate::schedule::span::Span;
use crate::schedule::timeline::{Airing, Guide};
use crate::schedule::wall::Wall;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// So many items are looked at in search of a shorter one.
const MOST_TRIES: u32 = 50;

/// A programme that is to be put on air.
#[derive(Clone, Debug)]
pub(in crate::schedule) struct Content {
    pub(in crate::schedule) ix: Ix,
    pub(in crate::schedule) span: Span,
    pub(in crate::schedule) role: Role,
    pub(in crate::schedule) dress: Option<Arc<Dress>>,
    pub(in crate::schedule) why: Arc<Why>,
}

/// An entry to be.
#[derive(Clone, Debug)]
pub(in crate::schedule) struct Part {
    ix: Ix,
    pub(in crate::schedule) span: Span,
    role: Role,
    dress: Option<Arc<Dress>>,
    why: Arc<Why>,
}

impl Part {
    /// The same with a look, if it has none.
    pub(in crate::schedule) fn dressed(self, dress: Option<Arc<Dress>>) -> Self {
        Self {
            dress: self.dress.or(dress),
            ..self
        }
    }
}

/// A programme with the fillers around it, to begin now. Draws the fillers and puts nothing on air.
///
/// Of fillers that pad there can be one: with two of them the programme has none at all, and a warning says so.
pub(in crate::schedule) fn around(
    build: &mut Build<'_>,
    fillers: &Fillers,
    content: Content,
) -> Result<Vec<Part>, Stop> {
    let program = Part {
        ix: content.ix,
        span: content.span,
        role: content.role,
        dress: content.dress,
        why: content.why,
    };
    let sides = [
        (&fillers.pre_roll, Role::PreRoll),
        (&fillers.post_roll, Role::PostRoll),
    ];
    let pads = sides.iter().filter(|(f, _)| pad_of(f).is_some());
    if pads.count() > 1 {
        let rule = program.why.rule.clone();
        build.warn(format!(
            "{rule}: two fillers pad to full minutes, so there is no filler: let one of them count or last"
        ));
        return Ok(vec![program]);
    }
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    for ((filler, role), out) in sides.iter().zip([&mut before, &mut behind]) {
        if let Some(filler) = filler {
            counted(build, filler, *role, &program.why, out)?;
        }
    }
    let parts = before.iter().chain(&behind).chain([&program]);
    let length: i64 = parts.map(|p| p.span.length_ms()).sum();
    for ((filler, role), out) in sides.iter().zip([&mut before, &mut behind]) {
        let (Some(filler), Some((minutes, unless_full))) = (filler, pad_of(filler)) else {
            continue;
        };
        let end = build.now().plus(length);
        let target = pad_target(build.wall(), end, minutes, unless_full);
        let rest = fill(build, filler, *role, target.since(end), &program.why, out)?;
        if let Some(fallback) = &fillers.fallback {
            cover(build, fallback, rest, &program.why, out)?;
        }
    }
    before.push(program);
    before.extend(behind);
    Ok(before)
}

fn pad_of(filler: &Option<Filler>) -> Option<(u32, bool)> {
    let pad = filler.as_ref()?.amount.pad()?;
    (pad.0 > 0).then_some(pad)
}

/// Puts parts on air: a programme of the guide, or more of the one before.
pub(in crate::schedule) fn put_on_air(
    build: &mut Build<'_>,
    parts: Vec<Part>,
    guide: Guide,
) -> Result<(), Stop> {
    let mut guide = guide;
    for part in parts {
        let airing = Airing {
            role: part.role,
            guide: std::mem::replace(&mut guide, Guide::Join),
            dress: part.dress,
            why: part.why,
        };
        build.play(part.ix, part.span, airing)?;
    }
    Ok(())
}

/// Puts whole items on air up to `until`; the first that does not fit ends it, and is next the next time.
pub(in crate::schedule) fn tail(
    build: &mut Build<'_>,
    filler: &Filler,
    until: UtcMs,
    why: &Why,
) -> Result<(), Stop> {
    let key = build.open(&filler.pick);
    while let Some(next) = build.peek(key)? {
        if build.length_ms(next.ix) > until.since(build.now()) {
            break;
        }
        let Some(part) = whole(build, filler, Role::Tail, why)? else {
            break;
        };
        put_on_air(build, vec![part], Guide::Join)?;
    }
    Ok(())
}

/// Items for exactly so many milliseconds, the last of them cut off. Less than a second is left.
pub(in crate::schedule) fn cover(
    build: &mut Build<'_>,
    filler: &Filler,
    mut ms: i64,
    why: &Why,
    out: &mut Vec<Part>,
) -> Result<(), Stop> {
    while let Some(mut part) = match ms {
        crate::schedule::SHORTEST_MS.. => whole(build, filler, Role::Fallback, why)?,
        _ => None,
    } {
        let Some(span) = part.span.cut_to(ms) else {
            break;
        };
        part.span = span;
        ms -= span.length_ms();
        out.push(part);
    }
    Ok(())
}

/// The fillers of a number or a length.
fn counted(
    build: &mut Build<'_>,
    filler: &Filler,
    role: Role,
    why: &Why,
    out: &mut Vec<Part>,
) -> Result<(), Stop> {
    let count = match filler.amount {
        Amount::Count(n) => n,
        Amount::RandomCount(most) => {
            // Drawn from the moment: the same in a timeline built in pieces.
            let draw = build.seed().of(stable_hash(filler.name.as_bytes()));
            let draw = draw.of(build.now().0.cast_unsigned());
            u32::try_from(draw.below(u64::from(most) + 1)).unwrap_or_default()
        }
        Amount::DurationMs(ms) => return fill(build, filler, role, ms, why, out).map(drop),
        Amount::PadMinutes(_) | Amount::PadMinutesUnlessFull(_) => 0,
    };
    for _ in 0..count {
        match whole(build, filler, role, why)? {
            Some(part) => out.push(part),
            None => break,
        }
    }
    Ok(())
}

/// All of a filler of a number or a length, to begin now. Puts nothing on air.
pub(in crate::schedule) fn draw_all(
    build: &mut Build<'_>,
    filler: &Filler,
    role: Role,
    why: &Why,
    out: &mut Vec<Part>,
) -> Result<(), Stop> {
    counted(build, filler, role, why, out)
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
    let key = build.open(&filler.pick);
    let Some(room) = room else {
        return whole(build, filler, role, why);
    };
    if build.deck().shortest_ms(key) > room {
        return Ok(None);
    }
    let mark = build.mark();
    for _ in 0..build.deck().count(key).min(MOST_TRIES) {
        match whole(build, filler, role, why)? {
            Some(part) if part.span.length_ms() > room => {}
            found => return Ok(found),
        }
    }
    build.rewind(mark);
    Ok(None)
}

/// As many whole items as fit into so many milliseconds; what does not fit is passed over, once around the collection at
/// most. Returns what is left.
fn fill(
    build: &mut Build<'_>,
    filler: &Filler,
    role: Role,
    mut ms: i64,
    why: &Why,
    out: &mut Vec<Part>,
) -> Result<i64, Stop> {
    let key = build.open(&filler.pick);
    let (count, shortest) = (build.deck().count(key), build.deck().shortest_ms(key));
    let mut passed_over = 0;
    while ms >= shortest && passed_over < count {
        match whole(build, filler, role, why)? {
            Some(part) if part.span.length_ms() <= ms => {
                ms -= part.span.length_ms();
                out.push(part);
                passed_over = 0;
            }
            Some(_) => passed_over += 1,
            None => break,
        }
    }
    Ok(ms)
}

fn whole(
    build: &mut Build<'_>,
    filler: &Filler,
    role: Role,
    why: &Why,
) -> Result<Option<Part>, Stop> {
    let key = build.open(&filler.pick);
    let Some(dealt) = build.deal(key)? else {
        return Ok(None);
    };
    let Some(span) = build.item(dealt.ix).and_then(|item| item.whole()) else {
        return Ok(None);
    };
    Ok(Some(Part {
        ix: dealt.ix,
        span,
        role,
        dress: filler.hide_watermarks.then(|| {
            Arc::new(Dress {
                watermarks: Some(Vec::new()),
            })
        }),
        why: Arc::new(Why {
            rule: why.rule.clone(),
            order: Some(filler.pick.order.by),
            round: dealt.round(),
            seed: None,
            filler: Some(filler.name.clone()),
        }),
    }))
}

/// The next full so many minutes of the local hour behind `end`.
fn pad_target(wall: &Wall, end: UtcMs, minutes: u32, unless_full: bool) -> UtcMs {
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
