//! Plays a block schedule, one item of a block at a time.

use std::sync::Arc;

use super::deco::Decos;
use super::place::{Placed, Running};
use super::{Block, BlockState, Item, MINUTE_MS, Placement, Rules, StopScheduling};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Scheduler, Stop};
use crate::schedule::content::CursorKey;
use crate::schedule::filler::{Content, Fillers, Part, around, draw_all, length_ms, put_on_air};
use crate::schedule::item::Ix;
use crate::schedule::planned::{Role, Why};
use crate::schedule::span::SHORTEST_MS;
use crate::schedule::timeline::Guide;

/// So many items that are longer than a block are passed over at a time.
const MOST_PASSED_OVER: u32 = 1_000;

/// An item that was put on air.
struct Put {
    ix: Ix,
    /// Whether the guide shows it.
    shown: bool,
}

impl Scheduler for Running<'_> {
    type State = BlockState;

    fn patience(&self) -> u32 {
        // A block may be over, and the next one may have nothing to play.
        8
    }

    fn step(&self, state: &mut BlockState, build: &mut Build<'_>) -> Result<(), Stop> {
        let now = build.now();
        let blocks = self.around(now, build.wall());
        // What was begun a moment early is not what lies ahead of a clock that was set back.
        let last = state.block.filter(|b| b.since(now) < SHORTEST_MS);
        let current = blocks.iter().find(|b| Some(b.start) == last);
        match current {
            Some(block) if state.item.is_some() && !is_due(block.end, now) => {
                return self.play(block, state, build);
            }
            _ => state.item = None,
        }
        for block in blocks.iter().filter(|b| Some(b.start) > last) {
            if is_due(block.end, now) {
                if state.begun {
                    let rule = rule(block);
                    build.warn(format!(
                        "{rule}: left out, for its time was over when its turn came"
                    ));
                }
                state.block = Some(block.start);
            } else if is_due(block.start, now) {
                *state = BlockState {
                    block: Some(block.start),
                    item: Some(0),
                    between: state.between,
                    ..BlockState::default()
                };
                return self.play(block, state, build);
            } else {
                return self.wait(block.start, current, state, build);
            }
        }
        let until = Rules::known_until(now, build.wall());
        self.wait(until, current, state, build)
    }
}

impl Running<'_> {
    /// Puts the next item of a block on air. What the guide does not show at the beginning of a block goes on air with what
    /// follows it, as one thing: it leads to that.
    fn play(
        &self,
        block: &Placed<'_>,
        state: &mut BlockState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let (mark, known) = (build.mark(), state.clone());
        let Some(first) = self.put_next(block, state, None, build)? else {
            return Ok(());
        };
        if first.shown || known.begun || block.block.title.is_some() {
            return Ok(());
        }
        let shown = loop {
            match self.put_next(block, state, None, build)? {
                Some(put) if put.shown => break Some(put.ix),
                Some(_) => {}
                None => break None,
            }
        };
        // Only now it is known what the guide shows from the beginning of the block on.
        build.rewind(mark);
        *state = known;
        state.shows_all = shown.is_none();
        while let Some(put) = self.put_next(block, state, shown, build)? {
            if put.shown {
                break;
            }
        }
        Ok(())
    }

    /// Puts one item on air; `None` when the block is over. `leads_to` is what the guide shows in place of items that it
    /// does not show.
    fn put_next(
        &self,
        block: &Placed<'_>,
        state: &mut BlockState,
        leads_to: Option<Ix>,
        build: &mut Build<'_>,
    ) -> Result<Option<Put>, Stop> {
        while let Some((n, item)) = next_item(block.block, state) {
            state.item = Some(n + 1);
            let why = Why {
                rule: format!("{} {}", rule(block), n + 1).into(),
                order: Some(item.pick.order.by),
                ..Why::default()
            };
            let key = build.open(&Block::pick(block.name, item));
            if build.deck().count(key) == 0 {
                self.empty(&why, build)?;
                continue;
            }
            if !find_one_that_fits(block.block, key, &why, build)? {
                continue;
            }
            let mark = build.mark();
            let Some(dealt) = build.deal(key)? else {
                continue;
            };
            let Some(span) = build.item(dealt.ix).and_then(|item| item.whole()) else {
                continue;
            };
            let shown = state.shows_all || (!item.hidden && dealt.in_guide);
            let decos = self.rules.decos(build.now(), Some(block), build.wall());
            let content = Content {
                ix: dealt.ix,
                span,
                role: match shown {
                    true => Role::Programme,
                    false => Role::Hidden,
                },
                dress: decos.dress(item.dress.as_ref()),
                why: Arc::new(Why {
                    round: dealt.round(),
                    ..why
                }),
            };
            let fillers = Fillers {
                mid_roll: decos.mid_roll(),
                ..Fillers::default()
            };
            let (rest, without) = (block.end.since(build.now()), build.mark());
            let mut parts = around(build, &fillers, content.clone())?;
            let in_time = block.block.stop == StopScheduling::BeforeDurationEnd;
            if in_time && length_ms(&parts) > rest {
                build.rewind(without);
                parts = around(build, &Fillers::default(), content)?;
            }
            let length = length_ms(&parts);
            if in_time && length > rest {
                build.rewind(mark);
                if !state.begun {
                    let (rule, length) = (rule(block), minutes(length));
                    build.warn(format!(
                        "{rule}: nothing of it is played, for what is next lasts {length} and there are {} left: \
                         make it longer or move what comes behind it",
                        minutes(rest)
                    ));
                }
                break;
            }
            let guide = match (&block.block.title, shown) {
                (Some(_), _) if state.begun => Guide::Join,
                (Some(title), _) => Guide::Begin {
                    shows: Some(dealt.ix),
                    title: Some(title.clone()),
                },
                (None, true) if leads_to == Some(dealt.ix) && state.begun => Guide::Join,
                (None, true) => Guide::of(dealt.ix),
                (None, false) if state.begun => Guide::Join,
                (None, false) => Guide::of(leads_to.unwrap_or(dealt.ix)),
            };
            let room = match in_time {
                true => rest - length,
                false => rest - SHORTEST_MS,
            };
            let lead_in = match state.begun {
                true => self.break_within(room, Placement::BetweenBlockItems, block, build)?,
                false => self.break_within(room, Placement::BlockStart, block, build)?,
            };
            let parts = dressed(parts, &decos);
            if state.begun {
                put_on_air(build, lead_in, Guide::Join)?;
                put_on_air(build, parts, guide)?;
            } else {
                put_on_air(build, lead_in.into_iter().chain(parts).collect(), guide)?;
            }
            (state.begun, state.between) = (true, None);
            if is_due(block.end, build.now()) {
                self.finish(block, state, build)?;
            }
            return Ok(Some(Put {
                ix: dealt.ix,
                shown,
            }));
        }
        self.finish(block, state, build)?;
        Ok(None)
    }

    /// Ends a block.
    fn finish(
        &self,
        block: &Placed<'_>,
        state: &mut BlockState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        state.item = None;
        let room = block.next.unwrap_or(UtcMs(i64::MAX)).since(build.now());
        if state.begun {
            let parts = self.break_within(room, Placement::BlockFinish, block, build)?;
            put_on_air(build, parts, Guide::Join)?;
        }
        Ok(())
    }

    /// Draws what decos put at a place of a block; nothing when it is longer than so many milliseconds.
    fn break_within(
        &self,
        ms: i64,
        at: Placement,
        block: &Placed<'_>,
        build: &mut Build<'_>,
    ) -> Result<Vec<Part>, Stop> {
        let decos = self.rules.decos(build.now(), Some(block), build.wall());
        let role = match at {
            Placement::BlockStart => Role::PreRoll,
            _ => Role::PostRoll,
        };
        let why = Why {
            rule: format!("{} break", rule(block)).into(),
            ..Why::default()
        };
        let (mark, mut parts) = (build.mark(), Vec::new());
        for filler in decos.breaks(at) {
            draw_all(build, filler, role, &why, &mut parts)?;
        }
        if length_ms(&parts) > ms {
            build.rewind(mark);
            return Ok(Vec::new());
        }
        Ok(dressed(parts, &decos))
    }

    /// Passes over an item that has nothing to play; when no block has, nothing is what there is.
    fn empty(&self, why: &Why, build: &mut Build<'_>) -> Result<(), Stop> {
        let any = |pick| {
            let key = build.open(pick);
            build.deck().count(key) > 0
        };
        if !self.rules.picks().iter().any(any) {
            return Err(Stop::Nothing);
        }
        build.warn(format!("{}: its collection is empty", why.rule));
        Ok(())
    }
}

fn next_item<'r>(block: &'r Block, state: &BlockState) -> Option<(u32, &'r Item)> {
    let n = state.item?;
    Some((n, block.items.get(n as usize)?))
}

/// Passes over what is longer than a block that must not be overrun, so far as there is hope.
fn find_one_that_fits(
    block: &Block,
    key: CursorKey,
    why: &Why,
    build: &mut Build<'_>,
) -> Result<bool, Stop> {
    if block.stop == StopScheduling::AfterDurationEnd {
        return Ok(true);
    }
    let (rule, length) = (&why.rule, minutes(block.length_ms()));
    if build.deck().shortest_ms(key) > block.length_ms() {
        build.warn(format!(
            "{rule}: nothing in its collection is as short as the {length} of the block: make it longer"
        ));
        return Ok(false);
    }
    let tries = build.deck().count(key).min(MOST_PASSED_OVER);
    for _ in 0..tries {
        match build.peek(key)? {
            Some(next) if build.length_ms(next.ix) <= block.length_ms() => return Ok(true),
            Some(_) => build.deal(key)?,
            None => return Ok(false),
        };
    }
    build.warn(format!(
        "{rule}: passed over {tries} items in a row that are longer than the {length} of the block: make it longer"
    ));
    Ok(false)
}

/// Whether a moment has come, but for less than an entry could last.
pub(super) fn is_due(moment: UtcMs, now: UtcMs) -> bool {
    moment.since(now) < SHORTEST_MS
}

fn rule(block: &Placed<'_>) -> String {
    format!("block {}", block.name)
}

/// Fillers as decos want them to look; programmes have a look of their own where decos have anything to say.
fn dressed(parts: Vec<Part>, decos: &Decos<'_>) -> Vec<Part> {
    let dress = decos.dress_of_filler();
    let parts = parts.into_iter();
    parts.map(|part| part.dressed(dress.clone())).collect()
}

/// A length for people, in full minutes, halves up.
fn minutes(ms: i64) -> String {
    format!("{} minutes", (ms + MINUTE_MS / 2).div_euclid(MINUTE_MS))
}
