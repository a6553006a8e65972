//! Plays a slot while it lasts: programmes, pads and flex.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Flex, Padded, SLACK_MS, Slot, Spacing, is_default};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Stop};
use crate::schedule::content::{CursorKey, Pick};
use crate::schedule::filler::{Content, Filler, Fillers, around, cover, put_on_air, tail};
use crate::schedule::planned::{Role, Why};
use crate::schedule::span::SHORTEST_MS;
use crate::schedule::timeline::Guide;
use crate::schedule::wall::Wall;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Less flex than this is nothing that a guide should show: it belongs to the programme before it.
const FLEX_IN_GUIDE_MS: i64 = 5 * MINUTE_MS;
/// So many clips of flex are put on air in one step, and never more than a day of it: what is on air when a schedule is
/// changed stays until its step ends.
const MOST_CLIPS: i64 = 2_000;
/// Of a slot with more programmes than this all flex goes to its end.
const MOST_MEASURED: u32 = 1_000;

/// How far a visit to a slot has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    /// Whether it has put a programme on air.
    #[serde(rename = "b", skip_serializing_if = "is_default")]
    pub(super) begun: bool,
    /// Among how many programmes flex is still to be shared, the one on air included.
    #[serde(rename = "n", skip_serializing_if = "is_default")]
    shares: u32,
    /// How much flex there is to share, in pads or seconds.
    #[serde(rename = "q", skip_serializing_if = "is_default")]
    units: i64,
    /// Whether all that is left is flex.
    #[serde(rename = "f", skip_serializing_if = "is_default")]
    pub(super) rests: bool,
}

impl Progress {
    /// Takes the next share.
    fn share(&mut self) -> i64 {
        let shares = i64::from(self.shares);
        let share = match shares {
            0 => 0,
            n => (self.units.max(0) + n - 1) / n,
        };
        self.units -= share;
        self.shares = self.shares.saturating_sub(1);
        share
    }
}

/// A visit to a slot.
pub(super) struct Visit<'r> {
    pub(super) slot: &'r Slot,
    pub(super) spacing: &'r Spacing,
    pub(super) why: Arc<Why>,
}

impl<'r> Visit<'r> {
    pub(super) fn new(slot: &'r Slot, spacing: &'r Spacing, rule: &str) -> Self {
        let why = Why {
            rule: rule.into(),
            ..Why::default()
        };
        Self {
            slot,
            spacing,
            why: why.into(),
        }
    }

    fn fillers(&self) -> &'r Fillers {
        self.slot.fillers.as_ref().unwrap_or(&self.spacing.fillers)
    }

    fn pad_minutes(&self) -> u32 {
        self.slot.pad_minutes.unwrap_or(self.spacing.pad_minutes)
    }

    /// When a slot may begin that is next at `t`.
    pub(super) fn slot_start(&self, t: UtcMs, wall: &Wall) -> UtcMs {
        next_mark(wall, t, self.pad_minutes())
    }

    /// When a programme may begin that is next at `t`.
    fn programme_start(&self, t: UtcMs, wall: &Wall) -> UtcMs {
        match self.spacing.pad {
            Padded::Programmes => next_mark(wall, t, self.pad_minutes()),
            Padded::Slots => t,
        }
    }

    /// What flex is shared in.
    fn unit_ms(&self) -> i64 {
        match (self.spacing.pad, self.pad_minutes()) {
            (Padded::Slots, _) | (_, 0) => SECOND_MS,
            (Padded::Programmes, minutes) => i64::from(minutes.min(24 * 60)) * MINUTE_MS,
        }
    }

    /// Says so when a slot that is to last so long is shorter than everything that it could play.
    pub(super) fn warn_if_short(&self, pick: &Pick, ms: i64, build: &mut Build<'_>) {
        let key = build.open(pick);
        if build.deck().shortest_ms(key) > ms.saturating_add(SLACK_MS) {
            build.warn(format!(
                "{}: nothing in its collection is as short as its {} seconds, so it runs over: make it longer",
                self.why.rule,
                ms / SECOND_MS
            ));
        }
    }

    /// Plays what is next, behind the pad and the flex that come before it, if it ends by `end`; what is first in any case.
    /// Says whether it did: if not, all is as it was.
    pub(super) fn play(
        &self,
        pick: &Pick,
        end: Option<UtcMs>,
        progress: &mut Progress,
        build: &mut Build<'_>,
    ) -> Result<bool, Stop> {
        let key = build.open(pick);
        if let (Some(end), false, Flex::Between) = (end, progress.begun, self.spacing.flex) {
            self.measure(pick, key, end, progress, build)?;
        }
        let (mark, known) = (build.mark(), progress.clone());
        if progress.begun {
            let flex_ms = progress.share().saturating_mul(self.unit_ms());
            let start = self.programme_start(build.now(), build.wall());
            self.flex(start.plus(flex_ms), None, build)?;
        }
        if self.put(pick, key, end, progress, build)? {
            return Ok(true);
        }
        build.rewind(mark);
        *progress = known;
        Ok(false)
    }

    /// How much flex a slot has that begins now, and among how many programmes, as if they followed each other with
    /// nothing but pads between them.
    fn measure(
        &self,
        pick: &Pick,
        key: CursorKey,
        end: UtcMs,
        progress: &mut Progress,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let mark = build.mark();
        let (mut trial, mut count) = (Progress::default(), 0);
        while count <= MOST_MEASURED {
            if trial.begun {
                let start = self.programme_start(build.now(), build.wall());
                build.gap(start, Role::Gap, Guide::Join, &self.why);
            }
            if !self.put(pick, key, Some(end), &mut trial, build)? {
                break;
            }
            count += 1;
        }
        let rest = end.since(self.programme_start(build.now(), build.wall()));
        build.rewind(mark);
        if count <= MOST_MEASURED {
            progress.shares = count;
            progress.units = rest.max(0) / self.unit_ms();
        }
        Ok(())
    }

    /// Puts a programme with its fillers on air now, if it ends by `end` or is the first. If not, what it has drawn is
    /// the caller's to take back.
    fn put(
        &self,
        pick: &Pick,
        key: CursorKey,
        end: Option<UtcMs>,
        progress: &mut Progress,
        build: &mut Build<'_>,
    ) -> Result<bool, Stop> {
        let drawn = build.deal(key)?;
        let span = drawn.as_ref().and_then(|d| build.item(d.ix)?.whole());
        let (Some(dealt), Some(span)) = (drawn, span) else {
            return Ok(false);
        };
        let content = Content {
            ix: dealt.ix,
            span,
            role: match dealt.in_guide {
                true => Role::Programme,
                false => Role::Hidden,
            },
            dress: self.slot.dress.clone(),
            why: Arc::new(Why {
                order: Some(pick.order.by),
                round: dealt.round(),
                ..(*self.why).clone()
            }),
        };
        let parts = around(build, self.fillers(), content)?;
        let length: i64 = parts.iter().map(|part| part.span.length_ms()).sum();
        let over = |end: UtcMs| build.now().plus(length).since(end) > SLACK_MS;
        if progress.begun && end.is_some_and(over) {
            return Ok(false);
        }
        let guide = match &self.slot.title {
            _ if !dealt.in_guide => Guide::Join,
            Some(_) if progress.begun => Guide::Join,
            title => Guide::Begin {
                shows: Some(dealt.ix),
                title: title.clone(),
            },
        };
        put_on_air(build, parts, guide)?;
        progress.begun = true;
        Ok(true)
    }

    /// How far flex goes in one step.
    fn piece(&self, until: UtcMs, build: &mut Build<'_>) -> UtcMs {
        let fillers = self.fillers();
        let mut most_ms = DAY_MS;
        let filling = [&fillers.tail, &fillers.fallback].into_iter().flatten();
        for pick in filling.flat_map(Filler::picks) {
            let key = build.open(pick);
            let shortest = build.deck().shortest_ms(key);
            most_ms = most_ms.min(shortest.saturating_mul(MOST_CLIPS));
        }
        until.min(build.now().plus(most_ms))
    }

    /// Goes on with filling the rest of a slot, see [`Visit::flex`].
    pub(super) fn rest(
        &self,
        until: UtcMs,
        title: Option<&Arc<str>>,
        progress: &mut Progress,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        progress.rests = true;
        let until = self.piece(until, build);
        self.flex(until, title, build)
    }

    /// Fills the time until a moment: tails, then the fallback, then nothing. With a `title` it is a programme of the guide.
    pub(super) fn flex(
        &self,
        until: UtcMs,
        title: Option<&Arc<str>>,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let long = |build: &Build<'_>| until.since(build.now()) >= FLEX_IN_GUIDE_MS;
        let own = self.spacing.flex_title.as_ref();
        let own = own.filter(|_| self.slot.title.is_none() && long(build));
        let mut guide = match title.or(own) {
            None => Guide::Join,
            title => Guide::Begin {
                shows: None,
                title: title.cloned(),
            },
        };
        let titled = guide != Guide::Join || self.slot.title.is_some();
        let filled = self.piece(until, build);
        if let Some(filler) = &self.fillers().tail {
            tail(build, filler, filled, &mut guide, &self.why)?;
        }
        if let Some(filler) = &self.fillers().fallback {
            let (rest, mut parts) = (filled.since(build.now()), Vec::new());
            let now = build.now();
            cover(build, filler, now, rest, &self.why, &mut parts)?;
            if !parts.is_empty() {
                put_on_air(build, parts, std::mem::replace(&mut guide, Guide::Join))?;
            }
        }
        if !titled && long(build) {
            guide = Guide::OFF_AIR;
        }
        build.gap(until, Role::Gap, guide, &self.why);
        Ok(())
    }

    /// Fills all of a slot that plays nothing itself.
    pub(super) fn filler_only(
        &self,
        until: UtcMs,
        progress: &mut Progress,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let title = self.slot.title.as_ref();
        let title = title.or(self.spacing.flex_title.as_ref());
        if !progress.rests && (SHORTEST_MS..MINUTE_MS).contains(&until.since(build.now())) {
            build.warn(format!(
                "{}: it plays nothing, and for less than a minute: many such slots make a timeline that ends early",
                self.why.rule
            ));
        }
        self.rest(until, title, progress, build)
    }
}

/// The first moment from `t` on, or just before it, at which the day is full so many minutes old.
fn next_mark(wall: &Wall, t: UtcMs, minutes: u32) -> UtcMs {
    let step = i64::from(minutes.min(24 * 60)) * MINUTE_MS;
    if step == 0 {
        return t;
    }
    let time = i64::from(wall.time_of_day(t).ms());
    match time % step {
        ..=SLACK_MS => t,
        past => t.plus((step - past).min(DAY_MS - time)),
    }
}

#[cfg(test)]
mod marks {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn programmes_begin_at_full_minutes_of_the_local_day() {
        let wall = Wall::new(TimeZone::fixed(jiff::tz::offset(1)));
        let at = |h: i64, m: i64, s: i64| ((h * 60 + m) * 60 + s) * SECOND_MS;
        for (local, minutes, expected) in [
            (at(8, 0, 0), 30, at(8, 0, 0)),
            (at(8, 0, 10), 30, at(8, 0, 10)),
            (at(8, 0, 11), 30, at(8, 30, 0)),
            (at(8, 29, 59), 30, at(8, 30, 0)),
            (at(8, 7, 0), 0, at(8, 7, 0)),
            (at(8, 7, 0), 5, at(8, 10, 0)),
            (at(8, 7, 0), 45, at(8, 15, 0)),
            // Every day begins anew.
            (at(23, 50, 0), 45, at(24, 0, 0)),
            (at(1, 0, 0), 1440, at(24, 0, 0)),
            (at(1, 0, 0), u32::MAX, at(24, 0, 0)),
        ] {
            let zone = 3_600_000;
            let found = next_mark(&wall, UtcMs(local - zone), minutes);
            assert_eq!(found.0 + zone, expected, "{local} to {minutes}");
        }
    }
}
