//! A programme with the fillers before it, in its breaks and behind it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cuts::{self, Cuts, cuts};
use super::fill::{counted, cover, fill, pad_target};
use super::lists::Filling;
use super::{Filler, Fillers};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Stop};
use crate::schedule::item::Ix;
use crate::schedule::planned::{Dress, Role, Why};
use crate::schedule::span::Span;
use crate::schedule::timeline::{Airing, Guide};

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
    pub(super) ix: Ix,
    pub(in crate::schedule) span: Span,
    pub(super) role: Role,
    pub(super) dress: Option<Arc<Dress>>,
    pub(super) why: Arc<Why>,
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

/// How long parts last together.
pub(in crate::schedule) fn length_ms<'p>(parts: impl IntoIterator<Item = &'p Part>) -> i64 {
    parts.into_iter().map(|part| part.span.length_ms()).sum()
}

/// A programme with the fillers around it, to begin now. Draws the fillers and puts nothing on air.
///
/// Of fillers that pad there can be one: with two of them the programme has none at all, and a warning says so.
pub(in crate::schedule) fn around(
    build: &mut Build<'_>,
    fillers: &Fillers,
    content: Content,
) -> Result<Vec<Part>, Stop> {
    let why = content.why.clone();
    let mut shape = Shape::new(build, fillers, &content);
    if shape.fillers().filter(|f| f.amount.pad().is_some()).count() > 1 {
        let rule = &why.rule;
        build.warn(format!(
            "{rule}: two fillers pad to full minutes, so there is no filler: let one of them count or last"
        ));
        return Ok(vec![content.part(content.span)]);
    }
    shape.count(build, &why)?;
    shape.join(|_| true);
    shape.pad(build, fillers.fallback.as_ref(), &why)?;
    Ok(shape.parts(&content))
}

impl Content {
    fn part(&self, span: Span) -> Part {
        Part {
            ix: self.ix,
            span,
            role: self.role,
            dress: self.dress.clone(),
            why: self.why.clone(),
        }
    }
}

/// A programme in pieces with what stands before them, between them and behind them.
struct Shape<'f> {
    before: Vec<Part>,
    /// One at least.
    pieces: Vec<Span>,
    /// One less.
    breaks: Vec<Vec<Part>>,
    behind: Vec<Part>,
    pre_roll: Option<&'f Filler>,
    mid_roll: Option<&'f Filler>,
    /// In that order.
    post_rolls: Vec<&'f Filler>,
    now: UtcMs,
}

impl<'f> Shape<'f> {
    fn new(build: &mut Build<'_>, fillers: &'f Fillers, content: &Content) -> Self {
        let mut shape = Self {
            before: Vec::new(),
            pieces: vec![content.span],
            breaks: Vec::new(),
            behind: Vec::new(),
            pre_roll: fillers.pre_roll.as_ref(),
            mid_roll: None,
            post_rolls: fillers.post_roll.iter().collect(),
            now: build.now(),
        };
        let (Some(rules), Some(item)) = (&fillers.mid_roll, build.item(content.ix)) else {
            return shape;
        };
        let pads = rules.filler.amount.pad().is_some();
        match cuts(rules, item, content.span) {
            Cuts::At(cuts, _) if cuts.is_empty() && !pads => {}
            Cuts::At(cuts, beyond) if !cuts.is_empty() => {
                if beyond > 0 {
                    let (rule, most) = (&content.why.rule, cuts::MOST);
                    build.warn(format!(
                        "{rule}: a programme would have more than {most} breaks and has only so many: ask for fewer"
                    ));
                }
                shape.mid_roll = Some(&rules.filler);
                let edges = cuts.iter().copied().chain([content.span.to()]);
                let starts = [content.span.from()]
                    .into_iter()
                    .chain(cuts.iter().copied());
                let pieces = starts.zip(edges).filter_map(|(a, b)| Span::new(a, b));
                shape.pieces = pieces.collect();
                shape.breaks = vec![Vec::new(); shape.pieces.len().saturating_sub(1)];
            }
            Cuts::At(..) | Cuts::Unknown => shape.post_rolls.insert(0, &rules.filler),
        }
        shape
    }

    fn fillers(&self) -> impl Iterator<Item = &'f Filler> {
        let sides = self.pre_roll.into_iter().chain(self.mid_roll);
        sides.chain(self.post_rolls.iter().copied())
    }

    /// Draws all that has a number or a length.
    fn count(&mut self, build: &mut Build<'_>, why: &Why) -> Result<(), Stop> {
        let mut at = self.now;
        let mut draw = |filler, role, at, out: &mut Vec<Part>| {
            counted(build, &Filling { filler, role, why }, at, out)
        };
        if let Some(filler) = self.pre_roll {
            draw(filler, Role::PreRoll, at, &mut self.before)?;
        }
        at = at.plus(length_ms(&self.before));
        let mut breaks = self.breaks.iter_mut();
        for piece in &self.pieces {
            at = at.plus(piece.length_ms());
            if let (Some(filler), Some(out)) = (self.mid_roll, breaks.next()) {
                draw(filler, Role::MidRoll, at, out)?;
                at = at.plus(length_ms(&*out));
            }
        }
        for filler in &self.post_rolls {
            let mut out = Vec::new();
            draw(filler, Role::PostRoll, at, &mut out)?;
            at = at.plus(length_ms(&out));
            self.behind.append(&mut out);
        }
        Ok(())
    }

    /// Joins pieces with nothing between them, if what comes of it will do: the length of a whole may be a
    /// millisecond off that of its pieces. Breaks that a pad is still to fill stay.
    fn join(&mut self, will_do: impl Fn(i64) -> bool) {
        if self.breaks.iter().all(Vec::is_empty)
            && self.mid_roll.is_some_and(|f| f.amount.pad().is_some())
        {
            return;
        }
        let (mut pieces, mut breaks) = (Vec::new(), Vec::new());
        let mut between = std::mem::take(&mut self.breaks).into_iter();
        for piece in std::mem::take(&mut self.pieces) {
            let joined = match (pieces.last(), breaks.last()) {
                (Some(last), Some(none)) if Vec::<Part>::is_empty(none) => {
                    let last: &Span = last;
                    let longer = |s: &Span| s.length_ms() - last.length_ms() - piece.length_ms();
                    Span::new(last.from(), piece.to()).filter(|s| will_do(longer(s)))
                }
                _ => None,
            };
            if let Some(joined) = joined {
                pieces.pop();
                breaks.pop();
                pieces.push(joined);
            } else {
                pieces.push(piece);
            }
            breaks.extend(between.next());
        }
        (self.pieces, self.breaks) = (pieces, breaks);
    }

    fn length_ms(&self) -> i64 {
        let fillers = self.breaks.iter().flatten();
        let fillers = fillers.chain(&self.before).chain(&self.behind);
        let pieces = self.pieces.iter().map(|span| span.length_ms());
        pieces.sum::<i64>() + length_ms(fillers)
    }

    /// Draws what pads, up to a mark of the hour.
    fn pad(
        &mut self,
        build: &mut Build<'_>,
        fallback: Option<&Filler>,
        why: &Why,
    ) -> Result<(), Stop> {
        let pad = self.fillers().find_map(|f| Some((f, f.amount.pad()?)));
        let Some((filler, (minutes, unless_full))) = pad else {
            return Ok(());
        };
        let is = |other: Option<&Filler>| other.is_some_and(|o| std::ptr::eq(o, filler));
        let end = self.now.plus(self.length_ms());
        let target = pad_target(build.wall(), end, minutes, unless_full);
        let room = target.since(end);
        if is(self.mid_roll) {
            let mut queue = Vec::new();
            let role = Role::MidRoll;
            fill(build, &Filling { filler, role, why }, end, room, &mut queue)?;
            self.share_out(build, queue.into(), room, fallback, why)?;
            self.join(|longer| longer <= 0);
            return Ok(());
        }
        let (role, at, out) = match is(self.pre_roll) {
            true => (Role::PreRoll, self.now, &mut self.before),
            false => (Role::PostRoll, end, &mut self.behind),
        };
        let rest = fill(build, &Filling { filler, role, why }, at, room, out)?;
        if let Some(fallback) = fallback {
            cover(build, fallback, at.plus(room - rest), rest, why, out)?;
        }
        Ok(())
    }

    /// Puts what a pad drew into the breaks: whole items until a break has its share, the rest into the last one. What is
    /// left of the time is covered by the fallback, where there is one.
    fn share_out(
        &mut self,
        build: &mut Build<'_>,
        mut queue: VecDeque<Part>,
        room: i64,
        fallback: Option<&Filler>,
        why: &Why,
    ) -> Result<(), Stop> {
        let count = self.breaks.len();
        let share = room / i64::try_from(count).unwrap_or(i64::MAX).max(1);
        let mut left = room;
        let mut at = self.now.plus(length_ms(&self.before));
        let pieces = self.pieces.iter();
        for (n, (out, piece)) in self.breaks.iter_mut().zip(pieces).enumerate() {
            at = at.plus(piece.length_ms());
            let is_last = n + 1 == count;
            let mut used = 0;
            while is_last || used < share {
                let Some(part) = queue.pop_front() else { break };
                used += part.span.length_ms();
                out.push(part);
            }
            left -= used;
            if let (true, Some(fallback)) = (queue.is_empty(), fallback) {
                let most = if is_last {
                    left
                } else {
                    left.min(share - used)
                };
                let rest = cover(build, fallback, at.plus(used), most, why, out)?;
                left -= most.max(0) - rest.max(0);
            }
            at = at.plus(length_ms(&*out));
        }
        Ok(())
    }

    fn parts(self, content: &Content) -> Vec<Part> {
        let mut parts = self.before;
        let mut breaks = self.breaks.into_iter();
        for piece in self.pieces {
            parts.push(content.part(piece));
            parts.extend(breaks.next().unwrap_or_default());
        }
        parts.extend(self.behind);
        parts
    }
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
