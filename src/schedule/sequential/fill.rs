//! Fills a time, with items that have sequences around them.

use std::sync::Arc;

use super::run::{Draw, Flow, Run};
use super::state::Place;
use super::walk::{Found, List};
use super::{Fill, FillerKind, Play};
use crate::clock::UtcMs;
use crate::schedule::build::Stop;
use crate::schedule::planned::{Role, Why};
use crate::schedule::span::SHORTEST_MS;

/// The most instructions that one roll may carry out, counted for each item that they play.
const MOST_IN_ROLL: u32 = 100;

impl<'r> Run<'r, '_, '_> {
    /// Fills the time of an instruction with one more item; true when it is over.
    pub(super) fn fill(
        &mut self,
        found: &Found<'_>,
        play: &'r Play,
        fill: &'r Fill,
        until: Option<UtcMs>,
        place: &mut Place,
        role: Option<Role>,
    ) -> Result<bool, Stop> {
        let Some(until) = place.until.or(until) else {
            return Ok(true);
        };
        place.until = Some(until);
        let rest = until.since(self.build.now());
        if rest < SHORTEST_MS {
            return Ok(true);
        }
        if let Some(draw) = self.draw(found, play, role)? {
            let limit = match fill.stop_before_end {
                true => until,
                false => UtcMs(i64::MAX),
            };
            let attempts = fill.discard_attempts.saturating_sub(place.discarded);
            for attempt in 0..=attempts.min(self.build.deck().count(draw.key)) {
                // What does not fit by itself need not be tried with its rolls.
                let next = self.build.peek(draw.key)?;
                let alone = next.map_or(0, |next| self.build.length_ms(next.ix));
                let may_fit = self.build.now().plus(alone) <= limit;
                if may_fit && self.play_before(limit, &draw)? {
                    return Ok(until.since(self.build.now()) < SHORTEST_MS);
                }
                if attempt < attempts {
                    self.build.deal(draw.key)?;
                    place.discarded += 1;
                }
            }
            if fill.trim && self.play_cut(rest, &draw)? {
                return Ok(true);
            }
        }
        if let Some(fallback) = &fill.fallback {
            self.fall_back(found, fallback, until, role)?;
        }
        if fill.offline_tail && fill.stop_before_end {
            self.gap(until, found);
        }
        Ok(true)
    }

    /// Plays the next item with its rolls if all of that ends by `limit`; else all stays as it was.
    pub(super) fn play_before(&mut self, limit: UtcMs, draw: &Draw<'_>) -> Result<bool, Stop> {
        let known = (self.build.mark(), self.settings.clone(), self.lead.clone());
        let rolls = draw.role() == Role::Programme;
        if rolls && let Some(sequence) = self.settings.pre_roll.clone() {
            self.roll(&sequence, Role::PreRoll, limit)?;
        }
        let Some(dealt) = self.build.deal(draw.key)? else {
            return Ok(false);
        };
        if let Some(span) = self.build.item(dealt.ix).and_then(|item| item.whole()) {
            let why = Arc::new(Why {
                round: dealt.round(),
                ..(*draw.why).clone()
            });
            self.put(dealt.ix, span, dealt.in_guide, draw, why)?;
        }
        if rolls && let Some(sequence) = self.settings.post_roll.clone() {
            self.roll(&sequence, Role::PostRoll, limit)?;
        }
        if self.build.now() <= limit {
            return Ok(true);
        }
        self.build.rewind(known.0);
        (self.settings, self.lead) = (known.1, known.2);
        Ok(false)
    }

    /// Plays the beginning of the next item; false when there is none that long.
    fn play_cut(&mut self, ms: i64, draw: &Draw<'_>) -> Result<bool, Stop> {
        let Some(dealt) = self.build.deal(draw.key)? else {
            return Ok(false);
        };
        let whole = self.build.item(dealt.ix).and_then(|item| item.whole());
        let Some(span) = whole.and_then(|span| span.cut_to(ms)) else {
            return Ok(false);
        };
        let why = Arc::new(Why {
            round: dealt.round(),
            ..(*draw.why).clone()
        });
        self.put(dealt.ix, span, dealt.in_guide, draw, why)?;
        Ok(true)
    }

    /// Plays one item again and again, and cuts it off where the time is over.
    fn fall_back(
        &mut self,
        found: &Found<'_>,
        content: &Arc<str>,
        until: UtcMs,
        role: Option<Role>,
    ) -> Result<(), Stop> {
        let Some(key) = self.open(found, content)? else {
            return Ok(());
        };
        let Some(dealt) = self.build.deal(key)? else {
            return Ok(());
        };
        let Some(whole) = self.build.item(dealt.ix).and_then(|item| item.whole()) else {
            return Ok(());
        };
        let why = Arc::new(Why {
            rule: found.rule(),
            filler: Some(content.clone()),
            round: dealt.round(),
            ..Why::default()
        });
        let play = Play {
            content: content.clone(),
            title: None,
            filler: Some(FillerKind::Fallback),
            disable_watermarks: false,
        };
        let draw = Draw {
            play: &play,
            key,
            title: None,
            role,
            why: why.clone(),
        };
        while let Some(span) = whole.cut_to(until.since(self.build.now())) {
            self.put(dealt.ix, span, false, &draw, why.clone())?;
        }
        Ok(())
    }

    /// Carries out a sequence around an item, whose rolls have none themselves; no further than just behind `limit`.
    fn roll(&mut self, sequence: &Arc<str>, role: Role, limit: UtcMs) -> Result<(), Stop> {
        let Some(found) = self.rules.sequence(sequence) else {
            self.build.warn(format!(
                "no sequence has the key {sequence}, which is to be played around items: define it"
            ));
            return Ok(());
        };
        let mut place = Place {
            path: vec![found.begin(1, &self.settings)],
            ..Place::default()
        };
        for _ in 0..MOST_IN_ROLL {
            let root = List::Sequence(found);
            let flow = self.carry_out(root, &mut place, Some(role))?;
            if flow != Flow::On || self.build.now() > limit {
                return Ok(());
            }
        }
        self.build.warn(format!(
            "the sequence {sequence} is cut off behind {MOST_IN_ROLL} items and instructions: it is to be played around each item"
        ));
        Ok(())
    }
}
