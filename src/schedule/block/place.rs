//! Where the blocks of a calendar lie on the timeline.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::{Block, Dated, Rules};
use crate::clock::UtcMs;
use crate::schedule::wall::{TimeOfDay, Wall};

const DAY_MS: i64 = 86_400_000;

/// A block of a day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'r> {
    pub(super) name: &'r Arc<str>,
    pub(super) block: &'r Block,
    pub(super) deco: Option<&'r Arc<str>>,
    /// When it begins.
    pub(super) start: UtcMs,
    /// When it ends: when the clock on the wall shows so, so that blocks that touch do so on the days on which it is moved,
    /// and no earlier than after its length; but always where the next block begins.
    pub(super) end: UtcMs,
    /// When the next block begins, if one is near.
    pub(super) next: Option<UtcMs>,
    /// Whether the day does not have the time that it should begin at.
    moved: bool,
}

/// A block schedule at work. It remembers the blocks around the day that it is in.
#[derive(Debug)]
pub(in crate::schedule) struct Running<'r> {
    pub(super) rules: &'r Rules,
    around: RefCell<Option<(Date, Rc<[Placed<'r>]>)>>,
}

impl<'r> Running<'r> {
    pub(super) fn new(rules: &'r Rules) -> Self {
        Self {
            rules,
            around: RefCell::default(),
        }
    }

    /// The blocks of the two days before and behind that of a moment, and its own, by start.
    ///
    /// A block whose start is skipped in spring begins as much later as the clock is moved, if no other block is on then.
    pub(super) fn around(&self, now: UtcMs, wall: &Wall) -> Rc<[Placed<'r>]> {
        let today = wall.date(now);
        let mut known = self.around.borrow_mut();
        match &*known {
            Some((date, placed)) if *date == today => placed.clone(),
            _ => {
                let placed: Rc<[_]> = self.rules.around(today, wall).into();
                *known = Some((today, placed.clone()));
                placed
            }
        }
    }
}

impl Rules {
    fn around(&self, today: Date, wall: &Wall) -> Vec<Placed<'_>> {
        let dates = (-2..=2).filter_map(|days| today.checked_add(days.days()).ok());
        let mut placed: Vec<_> = dates.flat_map(|date| self.on(date, wall)).collect();
        let taken: Vec<_> = placed
            .iter()
            .filter(|p| !p.moved)
            .map(|p| (p.start, p.end))
            .collect();
        placed.retain(|p| !p.moved || !taken.iter().any(|t| t.0 <= p.start && p.start < t.1));
        placed.sort_by_key(|p| p.start);
        placed.dedup_by_key(|p| p.start);
        let starts: Vec<_> = placed.iter().skip(1).map(|p| p.start).collect();
        for (placed, next) in placed.iter_mut().zip(starts) {
            (placed.end, placed.next) = (placed.end.min(next), Some(next));
        }
        placed
    }

    /// The midnight up to which [`Running::around`] tells of every block.
    pub(super) fn known_until(now: UtcMs, wall: &Wall) -> UtcMs {
        match wall.date(now).checked_add(3.days()) {
            Ok(date) => wall.at(date, TimeOfDay::MIDNIGHT),
            Err(_) => now.plus(DAY_MS),
        }
    }

    /// What a date is planned after.
    pub(super) fn dated(&self, date: Date) -> Option<&Dated> {
        self.calendar.iter().find(|dated| dated.on.hold(date))
    }

    fn on(&self, date: Date, wall: &Wall) -> impl Iterator<Item = Placed<'_>> {
        let template = self
            .dated(date)
            .and_then(|dated| self.templates.get(&dated.template));
        let slots = template.map_or(&[][..], |template| &template.slots);
        slots.iter().filter_map(move |slot| {
            let (name, block) = self.blocks.get_key_value(&slot.block)?;
            let start = wall.at(date, slot.at);
            Some(Placed {
                name,
                block,
                deco: slot.deco.as_ref(),
                next: None,
                start,
                end: block_end(date, slot.at, block, wall).max(start.plus(block.length_ms())),
                moved: wall.date(start) != date || wall.time_of_day(start) != slot.at,
            })
        })
    }
}

/// When the clock on the wall shows that a block is over that begins at a time of a date.
fn block_end(date: Date, at: TimeOfDay, block: &Block, wall: &Wall) -> UtcMs {
    let ms = i64::from(at.ms()).saturating_add(block.length_ms());
    let date = date.checked_add((ms / DAY_MS).days());
    let time = u32::try_from(ms % DAY_MS).ok().and_then(TimeOfDay::from_ms);
    match (date, time) {
        (Ok(date), Some(time)) => wall.at(date, time),
        _ => UtcMs(i64::MIN),
    }
}
