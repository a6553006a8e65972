//! The time that blocks leave: what fills it, or that the channel is off the air.

use std::sync::Arc;

use super::deco::Decos;
use super::place::{Placed, Running};
use super::run::is_due;
use super::{Between, BlockState, MINUTE_MS};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Stop};
use crate::schedule::filler::{Part, draw, put_on_air};
use crate::schedule::planned::{Role, Why};
use crate::schedule::timeline::Guide;

/// A step puts no more filler on air than reaches so far, so that what changes is not long in coming.
const STEP_MS: i64 = 30 * MINUTE_MS;

impl Running<'_> {
    /// Fills the time until the next block, or leaves the air. What is left of a block's own time belongs to it.
    pub(super) fn wait(
        &self,
        until: UtcMs,
        current: Option<&Placed<'_>>,
        state: &mut BlockState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let begun = build.now();
        let why = Why {
            rule: "between blocks".into(),
            ..Why::default()
        };
        while !is_due(until, build.now()) && build.now().since(begun) < STEP_MS {
            let now = build.now();
            let own = current.filter(|b| !is_due(b.end, now));
            let decos = self.rules.decos(now, own, build.wall());
            let Some((part, name)) = draw_filler(&decos, until.since(now), &why, build)? else {
                break;
            };
            let guide = match own.is_some() && state.begun {
                true => Guide::Join,
                false if state.between == Some(Between::Filler) => Guide::Join,
                false => Guide::Begin {
                    shows: None,
                    title: Some(name.clone()),
                },
            };
            if guide != Guide::Join {
                state.between = Some(Between::Filler);
            }
            let part = part.dressed(decos.dress_of_filler());
            put_on_air(build, vec![part], guide)?;
        }
        if build.now() == begun {
            self.leave_the_air(until, current, state, &why.into(), build);
        }
        Ok(())
    }

    fn leave_the_air(
        &self,
        until: UtcMs,
        current: Option<&Placed<'_>>,
        state: &mut BlockState,
        why: &Arc<Why>,
        build: &mut Build<'_>,
    ) {
        let now = build.now();
        let own = current.filter(|b| !is_due(b.end, now));
        let decos = self.rules.decos(now, own, build.wall());
        let until = self.rules.decos_until(now, until, build.wall());
        // Less than a second is no gap: decos that change so soon count from then on only.
        let until = match is_due(until, now) {
            true => now.plus(crate::schedule::SHORTEST_MS),
            false => own.map_or(until, |b| until.min(b.end)),
        };
        let guide = match state.between {
            _ if own.is_some() && state.begun => Guide::Join,
            Some(Between::OffAir) => Guide::Join,
            // What the filler leaves is too little for a programme of its own.
            Some(Between::Filler) if decos.filler().is_some() => Guide::Join,
            _ => {
                state.between = Some(Between::OffAir);
                Guide::OFF_AIR
            }
        };
        build.gap(until, Role::Gap, guide, why);
    }
}

/// Draws the next filler for so many milliseconds, with its name.
fn draw_filler<'r>(
    decos: &Decos<'r>,
    room: i64,
    why: &Why,
    build: &mut Build<'_>,
) -> Result<Option<(Part, &'r Arc<str>)>, Stop> {
    let whole = decos.filler().filter(|default| !default.trim_to_fit);
    if let Some(default) = whole
        && let Some(part) = draw(build, &default.filler, Role::Tail, Some(room), why)?
    {
        return Ok(Some((part, &default.filler.name)));
    }
    let trimmed = decos.filler().filter(|default| default.trim_to_fit);
    let cut = [
        trimmed.map(|default| (&default.filler, Role::Tail)),
        decos.dead_air().map(|filler| (filler, Role::Fallback)),
    ];
    for (filler, role) in cut.into_iter().flatten() {
        if let Some(mut part) = draw(build, filler, role, None, why)?
            && let Some(span) = part.span.cut_to(room)
        {
            part.span = span;
            return Ok(Some((part, &filler.name)));
        }
    }
    Ok(None)
}
