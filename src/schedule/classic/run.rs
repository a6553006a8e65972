//! Plays a classic schedule, one programme with its fillers at a time.

use std::sync::Arc;

use super::times::Due;
use super::{Classic, ClassicState, Count, FromOneGroup, Item, Mode, Schedule, TailMode};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Scheduler, Stop};
use crate::schedule::content::CursorKey;
use crate::schedule::draw::{Seed, stable_hash};
use crate::schedule::filler::{Content, Part, around, cover, put_on_air, tail};
use crate::schedule::item::Ix;
use crate::schedule::planned::{Role, Why};
use crate::schedule::span::SHORTEST_MS;
use crate::schedule::timeline::Guide;

/// The longest time that a duration may ask for.
const LONGEST_MS: i64 = 7 * 86_400_000;

/// The item of a schedule that is next or under way, with what belongs to it.
struct Visit<'s> {
    schedule: &'s Schedule,
    item: &'s Item,
    /// Its place in the schedule.
    place: u32,
    /// What comes behind it; `None` when that is itself.
    next: Option<&'s Item>,
    why: Arc<Why>,
}

impl Scheduler for Classic {
    type State = ClassicState;

    fn patience(&self) -> u32 {
        let schedules = std::iter::once(&self.schedule);
        let schedules = schedules.chain(self.alternates.iter().map(|a| &a.schedule));
        let items = schedules.map(|s| s.items.len()).max().unwrap_or_default();
        // A visit and what fills the time behind it, for each item, twice.
        u32::try_from(items)
            .unwrap_or(u32::MAX)
            .saturating_mul(4)
            .saturating_add(4)
    }

    fn step(&self, state: &mut ClassicState, build: &mut Build<'_>) -> Result<(), Stop> {
        let today = self.of_date(build.wall().date(build.now()));
        if state.schedule != today {
            *state = ClassicState {
                schedule: today,
                kept: state.kept,
                ..ClassicState::default()
            };
        }
        // What lay before the first step nobody has missed.
        state.kept.get_or_insert(build.now().plus(-1));
        let schedule = self.get(state.schedule);
        if let Some(place) = state.tail_of {
            match schedule.items.get(place as usize) {
                Some(item) => return self.fill_behind(schedule, item, state, build),
                None => (state.tail_of, state.until) = (None, None),
            }
        }
        let Some(visit) = Visit::of(schedule, state, build.seed()) else {
            return Err(Stop::Nothing);
        };
        if state.left.is_none() && state.until.is_none() && !state.begun {
            let now = build.now();
            let due = schedule.due(visit.item, state.kept, now, build.wall(), false);
            if due.at.since(now) >= SHORTEST_MS {
                let until = self.until_switch(state.schedule, now, due.at, build.wall());
                build.gap(until, Role::Gap, Guide::OFF_AIR, &visit.why);
                return Ok(());
            }
            state.kept = due.keeps.or(state.kept);
        }
        let Some(key) = visit.open(state, build) else {
            return visit.empty(state, build);
        };
        match &visit.item.mode {
            Mode::One => visit.one(key, state, build),
            Mode::Multiple(count) => visit.multiple(count, key, state, build),
            Mode::Duration { ms, discard, .. } => visit.duration(
                (*ms).clamp(SHORTEST_MS, LONGEST_MS),
                *discard,
                key,
                state,
                build,
            ),
            Mode::Flood => visit.flood(key, state, build),
        }
    }
}

impl Classic {
    /// Fills the time between an item that is over and what comes next.
    fn fill_behind(
        &self,
        schedule: &Schedule,
        item: &Item,
        state: &mut ClassicState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let now = build.now();
        let until = state.until.take();
        state.tail_of = None;
        let place = schedule.items.iter().position(|i| std::ptr::eq(i, item));
        let why = why(item, place.unwrap_or_default());
        let Some(next) = Visit::of(schedule, state, build.seed()) else {
            return Ok(());
        };
        let (end, mode) = match (&item.mode, until) {
            (Mode::Duration { tail, .. }, Some(end)) => (end, *tail),
            _ => {
                let Due { at, .. } = schedule.due(next.item, state.kept, now, build.wall(), false);
                (at, TailMode::Filler)
            }
        };
        let end = self.until_switch(state.schedule, now, end, build.wall());
        if mode == TailMode::None || end.since(now) < SHORTEST_MS {
            return Ok(());
        }
        let fillers = &item.fillers;
        if let (TailMode::Filler, Some(filler)) = (mode, &fillers.tail) {
            tail(build, filler, end, &mut Guide::Join, &why)?;
        }
        if let (TailMode::Filler | TailMode::Offline, Some(filler)) = (mode, &fillers.fallback) {
            let (now, mut parts) = (build.now(), Vec::new());
            cover(build, filler, now, end.since(now), &why, &mut parts)?;
            put_on_air(build, parts, Guide::Join)?;
        }
        // Behind a duration the time is over only when it is; before a fixed start the next step waits for it.
        if until.is_some() {
            let guide = match mode {
                TailMode::Offline => Guide::OFF_AIR,
                _ => Guide::Join,
            };
            build.gap(end, Role::Gap, guide, &why.into());
        }
        Ok(())
    }
}

impl<'s> Visit<'s> {
    fn of(schedule: &'s Schedule, state: &mut ClassicState, seed: Seed) -> Option<Self> {
        let seed = seed.of(stable_hash(b"items of a classic schedule"));
        let order = schedule.order(seed, state.round);
        if state.item as usize >= order.len() {
            state.item = 0;
        }
        let at = state.item as usize;
        let place = *order.get(at)?;
        let next = match order.get(at + 1) {
            Some(next) => *next,
            None => *schedule.order(seed, state.round.wrapping_add(1)).first()?,
        };
        let item = schedule.items.get(place)?;
        Some(Self {
            schedule,
            item,
            place: u32::try_from(place).ok()?,
            next: schedule.items.get(next).filter(|_| next != place),
            why: why(item, place).into(),
        })
    }

    /// Makes ready what the visit draws from; `None` when there is nothing in it.
    fn open(&self, state: &mut ClassicState, build: &mut Build<'_>) -> Option<CursorKey> {
        let pick = &self.item.pick;
        let key = match self.item.from_one_group {
            FromOneGroup::No => build.open(pick),
            how => {
                let shuffled = how == FromOneGroup::Shuffled;
                let groups = build.deck().open_groups(pick, shuffled);
                let known = state.group.filter(|g| build.deck().count(*g) > 0);
                let group = known.or_else(|| build.deck().next_group(groups));
                state.group = group;
                group?
            }
        };
        (build.deck().count(key) > 0).then_some(key)
    }

    /// Passes over an item that has nothing to play; when none has, nothing is what there is.
    fn empty(&self, state: &mut ClassicState, build: &mut Build<'_>) -> Result<(), Stop> {
        let mut items = self.schedule.items.iter();
        if !items.any(|item| {
            let key = build.open(&item.pick);
            build.deck().count(key) > 0
        }) {
            return Err(Stop::Nothing);
        }
        build.warn(format!("{}: its collection is empty", self.why.rule));
        self.over(state, false);
        Ok(())
    }

    /// The visit is over: the next item's turn, and before it this one's tail.
    fn over(&self, state: &mut ClassicState, with_tail: bool) {
        let (mut item, mut round) = (state.item.saturating_add(1), state.round);
        if item as usize >= self.schedule.items.len() {
            (item, round) = (0, round.wrapping_add(1));
        }
        *state = ClassicState {
            schedule: state.schedule,
            round,
            item,
            kept: state.kept,
            until: state.until.filter(|_| with_tail),
            tail_of: with_tail.then_some(self.place),
            ..ClassicState::default()
        };
    }

    /// Draws the next programme with its fillers, to begin now. Puts nothing on air.
    fn draw(&self, key: CursorKey, build: &mut Build<'_>) -> Result<Option<Drawn>, Stop> {
        let Some(dealt) = build.deal(key)? else {
            return Ok(None);
        };
        let Some(span) = build.item(dealt.ix).and_then(|item| item.whole()) else {
            return Ok(None);
        };
        let hidden = self.item.hidden || !dealt.in_guide;
        let content = Content {
            ix: dealt.ix,
            span,
            role: if hidden {
                Role::Hidden
            } else {
                Role::Programme
            },
            dress: self.item.dress.clone(),
            why: Arc::new(Why {
                order: Some(self.item.pick.order.by),
                round: dealt.round(),
                ..(*self.why).clone()
            }),
        };
        let parts = around(build, &self.item.fillers, content)?;
        let length_ms = parts.iter().map(|p| p.span.length_ms()).sum();
        Ok(Some(Drawn {
            ix: dealt.ix,
            hidden,
            parts,
            length_ms,
        }))
    }

    fn put(
        &self,
        drawn: Drawn,
        state: &mut ClassicState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let guide = match &self.item.title {
            _ if drawn.hidden => Guide::Join,
            Some(_) if state.begun => Guide::Join,
            title => Guide::Begin {
                shows: Some(drawn.ix),
                title: title.clone(),
            },
        };
        state.begun = true;
        put_on_air(build, drawn.parts, guide)
    }

    fn one(
        &self,
        key: CursorKey,
        state: &mut ClassicState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        if let Some(drawn) = self.draw(key, build)? {
            self.put(drawn, state, build)?;
        }
        self.over(state, true);
        Ok(())
    }

    fn multiple(
        &self,
        count: &Count,
        key: CursorKey,
        state: &mut ClassicState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let left = match state.left {
            Some(left) => left,
            None => self.count(count, key, build),
        };
        if left > 0
            && let Some(drawn) = self.draw(key, build)?
        {
            self.put(drawn, state, build)?;
        }
        state.left = Some(left.saturating_sub(1));
        if left <= 1 {
            self.over(state, true);
        }
        Ok(())
    }

    fn count(&self, count: &Count, key: CursorKey, build: &mut Build<'_>) -> u32 {
        match count {
            Count::CollectionSize => build.deck().count(key),
            Count::PlaylistEntry | Count::Story => build.deck().together(key),
            Count::Of(sum) => {
                let size = build.deck().count(key);
                let draw = build.seed().of(stable_hash(b"how many"));
                let draw = draw.of(u64::from(self.place));
                let draw = draw.of(build.now().0.cast_unsigned());
                let random = draw.below(1 << 32) as f64 / (1_u64 << 32) as f64;
                sum.count(size, random)
            }
        }
    }

    fn duration(
        &self,
        ms: i64,
        discard: u32,
        key: CursorKey,
        state: &mut ClassicState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let now = build.now();
        let until = *state.until.get_or_insert(now.plus(ms));
        let rest = until.since(now);
        let shortest = build.deck().shortest_ms(key);
        if shortest > ms {
            let rule = &self.why.rule;
            build.warn(format!(
                "{rule}: nothing in its collection is as short as its duration: give it more time"
            ));
            self.over(state, false);
            return Ok(());
        }
        let mut looked_at = 0;
        while let Some(next) = build.peek(key)? {
            let length = build.length_ms(next.ix);
            // What no visit has the time for is passed over, once around the collection at most.
            let hopeless = length > ms && looked_at < build.deck().count(key);
            let discarded = length > rest && rest >= shortest && state.discarded < discard;
            if !hopeless && !discarded {
                break;
            }
            build.deal(key)?;
            looked_at += u32::from(hopeless);
            state.discarded += u32::from(!hopeless);
        }
        if !self.put_if_it_ends_by(until, key, state, build)?
            || until.since(build.now()) < SHORTEST_MS
        {
            self.over(state, true);
        }
        Ok(())
    }

    fn flood(
        &self,
        key: CursorKey,
        state: &mut ClassicState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let fixed = self.next.filter(|next| next.start.is_some());
        let until = fixed.map_or(UtcMs(i64::MAX), |next| {
            let (now, wall) = (build.now(), build.wall());
            self.schedule.due(next, state.kept, now, wall, true).at
        });
        if !self.put_if_it_ends_by(until, key, state, build)? {
            self.over(state, true);
        }
        Ok(())
    }

    /// Puts the next programme with its fillers on air if all of it ends by `until`; else all stays as it was.
    fn put_if_it_ends_by(
        &self,
        until: UtcMs,
        key: CursorKey,
        state: &mut ClassicState,
        build: &mut Build<'_>,
    ) -> Result<bool, Stop> {
        let mark = build.mark();
        match self.draw(key, build)? {
            Some(drawn) if build.now().plus(drawn.length_ms) <= until => {
                self.put(drawn, state, build)?;
                Ok(true)
            }
            _ => {
                build.rewind(mark);
                Ok(false)
            }
        }
    }
}

/// A programme with its fillers.
struct Drawn {
    ix: Ix,
    hidden: bool,
    parts: Vec<Part>,
    length_ms: i64,
}

fn why(item: &Item, place: usize) -> Why {
    let mode = match item.mode {
        Mode::One => "one",
        Mode::Multiple(_) => "multiple",
        Mode::Duration { .. } => "duration",
        Mode::Flood => "flood",
    };
    let rule = match &item.name {
        Some(name) => format!("{name} ({mode})"),
        None => format!("{} ({mode})", place + 1),
    };
    Why {
        rule: rule.into(),
        ..Why::default()
    }
}
