//! Runs a scheduler, step by step, over a timeline.
//!
//! A step puts one indivisible thing on air: a programme with its fillers, the filler up to a fixed start. It sees where
//! it is and never how far the build goes. That alone makes a timeline built in pieces the same as one built in one go.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::block::BlockState;
use super::classic::ClassicState;
use super::content::{Contents, CursorKey, Pick};
use super::draw::Seed;
use super::item::{Catalog, History, Ix, Playable};
use super::order::{Dealt, Deck, DeckMark};
use super::planned::{Planned, Role, Why};
use super::program::Program;
use super::sequential::SequentialState;
use super::slots::{RandomSlotsState, TimeSlotsState};
use super::span::{SHORTEST_MS, Span};
use super::state::{KindState, Mark, State};
use super::timeline::{Airing, Guide, Timeline, TimelineMark, next_hour};
use super::wall::Wall;
use super::warning::{Skipped, Warnings};
use crate::clock::UtcMs;

/// The most entries that one call makes, but for those of its last step; the caller asks again from where it ended.
pub const MAX_ENTRIES: usize = 20_000;
/// How many items a build may look at, and entries it may make, before it gives up.
const MOST_MOVES: u32 = 1_000_000;
/// Every so many steps all places are kept, not only those that have moved.
const STEPS_PER_FULL_MARK: u32 = 32;

/// What is to be built.
#[derive(Clone, Debug)]
pub struct BuildInput<'a> {
    /// What the channel plays.
    pub program: &'a Program,
    /// The items that exist.
    pub catalog: &'a Catalog,
    /// What is in the collections that the program draws from.
    pub contents: &'a Contents,
    /// What the channel aired before `from`.
    pub history: &'a History,
    /// The channel's seed.
    pub seed: u64,
    /// The zone that its times of day are in.
    pub zone: &'a TimeZone,
    /// Where the first entry starts.
    pub from: UtcMs,
    /// An entry stops here or later, unless there would be more than [`MAX_ENTRIES`].
    pub until: UtcMs,
    /// The place behind what comes before `from`; `None` to begin.
    pub state: Option<State>,
}

/// What [`build`] made.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// Entries, each starting where the one before stops. The last one carries a full mark.
    pub entries: Vec<Planned>,
    /// The place behind the last of them.
    pub state: State,
    /// Items left out.
    pub skipped: Vec<Skipped>,
    /// What did not go as the program says.
    pub warnings: Warnings,
}

/// Why a step ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// There is nothing to play at all.
    Nothing,
    /// The build has made all the moves that it may.
    Spent,
}

/// One kind of scheduler: its rules.
pub(super) trait Scheduler {
    /// Where it is in its rules, besides the places in its collections. Small: it is kept behind every step.
    type State: Clone + Default;

    /// How many steps in a row may put nothing on air before an hour is given up: more than it can take to go through all
    /// rules once.
    fn patience(&self) -> u32;

    /// Puts one indivisible thing on air at [`Build::now`], or only moves on in the rules. When it fails, what it did
    /// is taken back, `state` included.
    fn step(&self, state: &mut Self::State, build: &mut Build<'_>) -> Result<(), Stop>;
}

/// What a step works with.
#[derive(Debug)]
pub(super) struct Build<'a> {
    deck: Deck<'a>,
    line: Timeline,
    catalog: &'a Catalog,
    seed: Seed,
    wall: Wall,
    moves_left: u32,
    warnings: Warnings,
}

/// A moment to which a [`Build`] can be rewound, within one step.
#[derive(Clone, Debug)]
pub(super) struct BuildMark(DeckMark, TimelineMark);

impl<'a> Build<'a> {
    fn new(input: &BuildInput<'a>, state: &State) -> Self {
        let seed = Seed(input.seed);
        let places = state.places.clone();
        Self {
            deck: Deck::new(input.catalog, input.contents, input.history, seed, places),
            line: Timeline::new(input.from, state.group.clone()),
            catalog: input.catalog,
            seed,
            wall: Wall::new(input.zone.clone()),
            moves_left: MOST_MOVES,
            warnings: Warnings::default(),
        }
    }

    /// Where the next entry starts.
    pub(super) fn now(&self) -> UtcMs {
        self.line.now()
    }

    /// Local time.
    pub(super) fn wall(&self) -> &Wall {
        &self.wall
    }

    /// The channel's seed: derive one for each use with [`Seed::of`].
    pub(super) fn seed(&self) -> Seed {
        self.seed
    }

    /// Makes a collection ready to draw from; costs nothing when it is.
    pub(super) fn open(&mut self, pick: &Pick) -> CursorKey {
        self.deck.open(pick)
    }

    /// The collections, to look at.
    pub(super) fn deck(&mut self) -> &mut Deck<'a> {
        &mut self.deck
    }

    /// What is next in a collection; `None` when it is empty.
    pub(super) fn peek(&mut self, key: CursorKey) -> Result<Option<Dealt>, Stop> {
        self.spend()?;
        Ok(self.deck.peek(key))
    }

    /// Takes what is next in a collection; `None` when it is empty.
    pub(super) fn deal(&mut self, key: CursorKey) -> Result<Option<Dealt>, Stop> {
        self.spend()?;
        Ok(self.deck.deal(key))
    }

    /// The item at a place of the catalogue.
    pub(super) fn item(&self, ix: Ix) -> Option<&'a Playable> {
        self.catalog.get(ix)
    }

    /// The item with a key, and its place in the catalogue.
    pub(super) fn find(&self, id: i64) -> Option<(Ix, &'a Playable)> {
        let ix = self.catalog.find(id)?;
        Some((ix, self.catalog.get(ix)?))
    }

    /// How long all of an item lasts.
    pub(super) fn length_ms(&self, ix: Ix) -> i64 {
        self.item(ix).map_or(0, Playable::length_ms)
    }

    /// Puts all of an item on air now. Programmes are noted as aired.
    pub(super) fn play_whole(&mut self, ix: Ix, airing: Airing) -> Result<(), Stop> {
        match self.catalog.playable(ix) {
            Some((_, span)) => self.play(ix, span, airing),
            None => Ok(()),
        }
    }

    /// Puts a part of an item on air now. Programmes are noted as aired, once: with the part that they begin with.
    pub(super) fn play(&mut self, ix: Ix, span: Span, airing: Airing) -> Result<(), Stop> {
        self.spend()?;
        let begins = self.item(ix).is_some_and(|item| span.from() == item.start);
        if begins && matches!(airing.role, Role::Programme | Role::Hidden) {
            self.deck.note_aired(ix, self.line.now());
        }
        self.line.play(self.catalog, ix, span, airing);
        Ok(())
    }

    /// Says what the open programme of the guide shows, see [`Timeline::show`].
    pub(super) fn show(&mut self, ix: Ix, title: Option<Arc<str>>) {
        self.line.show(self.catalog.id(ix), title);
    }

    /// Leaves the air until a moment, see [`Timeline::gap`]; nothing when it has passed.
    pub(super) fn gap(&mut self, until: UtcMs, role: Role, guide: Guide, why: &Arc<Why>) {
        self.line.gap(until, role, guide, why);
    }

    /// Says something to people about the present moment.
    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.add(self.line.now(), text);
    }

    /// A moment to come back to within this step.
    pub(super) fn mark(&self) -> BuildMark {
        BuildMark(self.deck.mark(), self.line.mark())
    }

    /// Takes everything back that came behind a mark: entries, and places in collections.
    pub(super) fn rewind(&mut self, to: BuildMark) {
        self.deck.rewind(to.0);
        self.line.rewind(to.1);
    }

    /// Counts a move. What loops calls it, directly or by drawing and playing.
    pub(super) fn spend(&mut self) -> Result<(), Stop> {
        self.moves_left = self.moves_left.checked_sub(1).ok_or(Stop::Spent)?;
        Ok(())
    }

    /// Runs a scheduler until an entry stops at `until`.
    fn run<S: Scheduler>(
        &mut self,
        rules: &S,
        state: &mut S::State,
        until: UtcMs,
        kind: impl Fn(&S::State) -> KindState,
    ) {
        let (mut idle, mut steps) = (0, 0);
        while self.now() < until && self.line.entries().len() < MAX_ENTRIES {
            let (before, mark, known) = (self.now(), self.mark(), state.clone());
            if let Err(stop) = self.spend().and_then(|()| rules.step(state, self)) {
                self.rewind(mark);
                *state = known;
                if stop == Stop::Spent {
                    self.warn(
                        "given up: after a million looks at items nothing was found that fits here",
                    );
                }
                self.empty();
            } else if self.now() > before {
                idle = 0;
            } else {
                idle += 1;
            }
            if idle >= rules.patience() {
                self.warn("the schedule puts nothing on air here");
                self.empty();
                idle = 0;
            }
            if self.now() > before {
                steps += 1;
                let last = self.now() >= until || self.line.entries().len() >= MAX_ENTRIES;
                let full = last || steps % STEPS_PER_FULL_MARK == 1;
                self.settle(full, kind(state));
            }
        }
    }

    /// A time for which there is nothing to play. It ends with the hour, so that what appears meanwhile is not long
    /// in coming.
    fn empty(&mut self) {
        let until = next_hour(self.now().plus(SHORTEST_MS));
        self.line
            .gap(until, Role::Empty, Guide::OFF_AIR, &Arc::default());
    }

    /// Puts a mark behind the last entry.
    fn settle(&mut self, full: bool, kind: KindState) {
        let moved = self.deck.settle();
        // Where all have moved, as in a program with one collection, the whole place costs nothing more.
        let full = full || moved.len() >= self.deck.places();
        let places = if full { self.deck.cursors() } else { moved };
        let group = self.line.open_group().cloned();
        if let Some(last) = self.line.last_mut() {
            last.mark = Some(Mark::new(full, kind, places, group));
        }
    }
}

/// Where a program begins that a channel has never played, so that `from` lies within it: some kinds are written for
/// days, and are then what they would be if the channel had been there since the local midnight.
pub fn begin(input: &BuildInput<'_>) -> (UtcMs, Option<State>) {
    let wall = Wall::new(input.zone.clone());
    let (begins, state) = input.program.begins(input.from, &wall);
    if begins >= input.from {
        return (input.from, None);
    }
    let earlier = build(&BuildInput {
        from: begins,
        until: input.from,
        state: state.clone(),
        ..input.clone()
    });
    let over = |e: &Planned| e.mark.is_some() && e.stop <= input.from;
    let Some(last) = earlier.entries.iter().rposition(over) else {
        return (begins, state);
    };
    let kept = earlier.entries.get(..=last).unwrap_or_default();
    let marks = kept.iter().filter_map(|e| e.mark.as_ref());
    let from = kept.last().map_or(begins, |e| e.stop);
    (from, State::restore(marks.map(Mark::to_json)))
}

/// Builds a timeline from `from` until an entry stops at `until` or later.
///
/// Equal input gives equal output. Where nothing can be played there are gaps; there is always an entry.
pub fn build(input: &BuildInput<'_>) -> Built {
    let mut state = input.state.clone().unwrap_or_default();
    let mut build = Build::new(input, &state);
    for note in input.contents.notes() {
        build.warn(note);
    }
    // Of rules that share a place the first decides on the order, whichever plays first.
    for pick in input.program.picks() {
        build.open(&pick);
    }
    match input.program {
        Program::Loop(rules) => build.run(rules, &mut (), input.until, |()| KindState::Loop),
        Program::Exact(rules) => build.run(rules, &mut (), input.until, |()| KindState::Exact),
        Program::Classic(rules) => {
            // Of another kind of program there is nothing to go on from but the places in collections.
            let mut known = match &state.kind {
                KindState::Classic(known) => known.clone(),
                _ => ClassicState::default(),
            };
            let kind = |s: &ClassicState| KindState::Classic(s.clone());
            build.run(rules, &mut known, input.until, kind);
        }
        Program::Block(rules) => {
            let mut known = match &state.kind {
                KindState::Block(known) => known.clone(),
                _ => BlockState::default(),
            };
            let kind = |s: &BlockState| KindState::Block(s.clone());
            build.run(&rules.running(), &mut known, input.until, kind);
        }
        Program::TimeSlots(rules) => {
            let mut known = match &state.kind {
                KindState::TimeSlots(known) => known.clone(),
                _ => TimeSlotsState::default(),
            };
            let kind = |s: &TimeSlotsState| KindState::TimeSlots(s.clone());
            build.run(rules, &mut known, input.until, kind);
        }
        Program::RandomSlots(rules) => {
            let mut known = match &state.kind {
                KindState::RandomSlots(known) => known.clone(),
                _ => RandomSlotsState::default(),
            };
            let kind = |s: &RandomSlotsState| KindState::RandomSlots(s.clone());
            build.run(rules, &mut known, input.until, kind);
        }
        Program::Sequential(rules) => {
            let mut known = match &state.kind {
                KindState::Sequential(known) => known.clone(),
                _ => SequentialState::default(),
            };
            let kind = |s: &SequentialState| KindState::Sequential(s.clone());
            build.run(rules, &mut known, input.until, kind);
        }
    }
    let marks = build.line.entries().last().and_then(|e| e.mark.as_ref());
    if let Some(mark) = marks {
        state.kind = mark.kind().clone();
    }
    Built {
        state: State {
            kind: state.kind,
            places: build.deck.cursors(),
            group: build.line.open_group().cloned(),
        },
        entries: build.line.into_entries(),
        skipped: input.contents.skipped(input.catalog),
        warnings: build.warnings,
    }
}
