//! Carries instructions out, one item with its rolls at a time.

use std::sync::Arc;

use super::state::{Lock, Place, SequentialState, Settings};
use super::walk::{DEEPEST, Found, List};
use super::{Instruction, Play, Sequential};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Scheduler, Stop};
use crate::schedule::content::CursorKey;
use crate::schedule::draw::stable_hash;
use crate::schedule::expression::Sum;
use crate::schedule::item::Ix;
use crate::schedule::planned::{Role, Why};
use crate::schedule::span::SHORTEST_MS;
use crate::schedule::timeline::{Guide, next_hour};
use crate::schedule::wall::{TimeOfDay, Wall};

/// A wait that is longer is cut into days.
const LONGEST_WAIT_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// The most items that are passed over at a time.
const MOST_SKIPPED: u32 = 10_000;
/// How many instructions may follow a pre-roll before the programme that it belongs to.
const MOST_IN_LEAD: u32 = 64;
/// So many instructions in a row may put nothing on air.
const PATIENCE: u32 = 5000;

impl Scheduler for Sequential {
    type State = SequentialState;

    fn patience(&self) -> u32 {
        PATIENCE
    }

    fn step(&self, state: &mut SequentialState, build: &mut Build<'_>) -> Result<(), Stop> {
        let mut run = Run {
            rules: self,
            settings: std::mem::take(&mut state.settings),
            lead: Lead::default(),
            rewound: state.rewound,
            build,
        };
        for _ in 0..MOST_IN_LEAD {
            if !state.begun {
                let reset = List::Reset(&self.reset);
                if run.carry_out(reset, &mut state.place, None)? == Flow::Ended {
                    (state.begun, state.rewound) = (true, false);
                    state.place = Place::default();
                }
                break;
            }
            let now = run.build.now();
            let since = *state.since.get_or_insert(now);
            let playout = List::Playout(&self.playout);
            match run.carry_out(playout, &mut state.place, None)? {
                Flow::On => {}
                Flow::Again => {
                    state.place = Place::default();
                    if run.build.now() == since {
                        run.nothing();
                    }
                    state.since = Some(run.build.now());
                }
                Flow::Ended => run.over(),
            }
            // A pre-roll belongs to the programme behind it, and is put on air together with it.
            if !run.lead.open || run.lead.shows.is_some() || run.build.now() <= now {
                break;
            }
        }
        run.end_lead();
        state.settings = run.settings;
        Ok(())
    }
}

impl Sequential {
    /// When the channel begins so that `from` lies within: earlier, when its reset rewinds. `None` when it does not.
    pub(in crate::schedule) fn rewound(&self, from: UtcMs, wall: &Wall) -> Option<UtcMs> {
        let mut at = from;
        for instruction in &self.reset {
            at = match instruction {
                Instruction::Rewind { ms } => at.plus(-*ms),
                Instruction::WaitUntil {
                    time,
                    tomorrow,
                    rewind_on_reset,
                } => {
                    let today = wall.at(wall.date(at), *time);
                    match next_time(at, *time, *tomorrow, wall) {
                        Some(later) => later,
                        None if *rewind_on_reset => today,
                        None => at,
                    }
                }
                Instruction::WaitUntilExact {
                    moment,
                    rewind_on_reset,
                } => match moment.at(wall) {
                    moment if moment >= at || *rewind_on_reset => moment,
                    _ => at,
                },
                _ => at,
            };
        }
        let at = at.max(from.plus(-LONGEST_WAIT_MS));
        (at < from).then_some(at)
    }
}

/// The moment that a time of day means; `None` when it has passed.
fn next_time(now: UtcMs, time: TimeOfDay, tomorrow: bool, wall: &Wall) -> Option<UtcMs> {
    let date = wall.date(now);
    let today = wall.at(date, time);
    if today >= now {
        return Some(today);
    }
    let next = date.tomorrow().ok().filter(|_| tomorrow)?;
    Some(wall.at(next, time))
}

/// How it goes on behind an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    /// With the first instruction of the playout.
    Again,
    /// Not at all: that was the last one.
    Ended,
}

/// A programme of the guide that a pre-roll has begun.
#[derive(Clone, Debug, Default)]
pub(super) struct Lead {
    pub(super) open: bool,
    /// What it shows, as soon as that is known.
    pub(super) shows: Option<(Ix, Option<Arc<str>>)>,
}

/// Where an item comes from and what it is for.
pub(super) struct Draw<'r> {
    pub(super) play: &'r Play,
    pub(super) key: CursorKey,
    pub(super) title: Option<Arc<str>>,
    /// In place of what the instruction says, in a roll.
    pub(super) role: Option<Role>,
    pub(super) why: Arc<Why>,
}

impl Draw<'_> {
    pub(super) fn role(&self) -> Role {
        let own = self.play.filler.map(super::FillerKind::role);
        self.role.or(own).unwrap_or(Role::Programme)
    }
}

/// A step.
pub(super) struct Run<'r, 'b, 'c> {
    pub(super) rules: &'r Sequential,
    pub(super) settings: Settings,
    pub(super) lead: Lead,
    /// Whether waits of the reset are over.
    rewound: bool,
    pub(super) build: &'b mut Build<'c>,
}

impl<'r> Run<'r, '_, '_> {
    /// Carries out the instruction at a place, or as much of it as one item; in a roll everything has its role.
    pub(super) fn carry_out(
        &mut self,
        root: List<'r>,
        place: &mut Place,
        role: Option<Role>,
    ) -> Result<Flow, Stop> {
        self.build.spend()?;
        let Some(found) = self.rules.find(root, place, self.build.seed()) else {
            return Ok(Flow::Ended);
        };
        let is_over = match found.instruction {
            Instruction::All(play) => self.several(&found, play, None, place, role)?,
            Instruction::Count { count, play } => {
                self.several(&found, play, Some(count), place, role)?
            }
            Instruction::Duration { ms, play, fill } => {
                let until = self.build.now().plus((*ms).clamp(0, LONGEST_WAIT_MS));
                self.fill(&found, play, fill, Some(until), place, role)?
            }
            Instruction::PadToNext {
                minutes,
                play,
                fill,
            } => {
                let until = self.full_minutes(*minutes);
                self.fill(&found, play, fill, until, place, role)?
            }
            Instruction::PadUntil {
                time,
                tomorrow,
                play,
                fill,
            } => {
                let until = next_time(self.build.now(), *time, *tomorrow, self.build.wall());
                self.fill(&found, play, fill, until, place, role)?
            }
            Instruction::PadUntilExact { moment, play, fill } => {
                let until = moment.at(self.build.wall());
                self.fill(&found, play, fill, Some(until), place, role)?
            }
            Instruction::WaitUntil { time, tomorrow, .. } => {
                let until = next_time(self.build.now(), *time, *tomorrow, self.build.wall());
                self.wait(&found, until, place)
            }
            Instruction::WaitUntilExact { moment, .. } => {
                let until = moment.at(self.build.wall());
                self.wait(&found, Some(until), place)
            }
            Instruction::Sequence { key, repeat, .. } => {
                return Ok(self.enter(&found, key, *repeat, place));
            }
            Instruction::Repeat(true) => match root {
                List::Playout(_) => return Ok(Flow::Again),
                List::Sequence(_) => return Ok(Flow::Ended),
                List::Reset(_) => true,
            },
            Instruction::SkipItems { count, content } => {
                self.skip_items(&found, count, content)?;
                true
            }
            Instruction::SkipToItem {
                content,
                season,
                episode,
            } => {
                self.skip_to_item(&found, content, (*season, *episode))?;
                true
            }
            instruction => {
                self.set(instruction);
                true
            }
        };
        if is_over {
            place.next();
        }
        Ok(Flow::On)
    }

    /// Carries out what only changes how others are.
    fn set(&mut self, instruction: &Instruction) {
        let settings = &mut self.settings;
        match instruction {
            Instruction::EpgGroup { on, advance } => {
                settings.group = match (on, advance) {
                    (false, _) => Lock::Off,
                    (true, true) => Lock::Fresh,
                    (true, false) => Lock::On,
                };
            }
            Instruction::PreRoll(sequence) => settings.pre_roll.clone_from(sequence),
            Instruction::PostRoll(sequence) => settings.post_roll.clone_from(sequence),
            Instruction::ShuffleSequence(key) if self.rules.sequence(key).is_some() => {
                let shuffles = settings.shuffles.entry(key.clone()).or_default();
                *shuffles = shuffles.saturating_add(1);
            }
            Instruction::Watermark { on, name } => match name {
                None => settings.watermarks.clear(),
                Some(name) => {
                    settings.watermarks.retain(|known| known != name);
                    if *on {
                        settings.watermarks.push(name.clone());
                    }
                }
            },
            _ => {}
        }
    }

    fn enter(&mut self, found: &Found<'_>, key: &str, times: u32, place: &mut Place) -> Flow {
        match self.rules.sequence(key) {
            Some(sequence) if times > 0 && place.path.len() < DEEPEST => {
                place.path.push(sequence.begin(times, &self.settings));
                place.arrive();
            }
            Some(_) if times == 0 => place.next(),
            Some(_) => {
                let rule = found.rule();
                self.build.warn(format!(
                    "{rule}: more than {DEEPEST} sequences within each other: take some apart"
                ));
                place.next();
            }
            None => {
                self.undefined(found, "sequence", key);
                place.next();
            }
        }
        Flow::On
    }

    fn undefined(&mut self, found: &Found<'_>, what: &str, key: &str) {
        let rule = found.rule();
        self.build
            .warn(format!("{rule}: no {what} has the key {key}: define it"));
    }

    /// What an instruction draws from. `None` when there is nothing in it.
    pub(super) fn open(&mut self, found: &Found<'_>, key: &str) -> Result<Option<CursorKey>, Stop> {
        let Some(source) = self.rules.content.iter().find(|s| *s.key == *key) else {
            self.undefined(found, "content", key);
            return Ok(None);
        };
        let opened = self.build.open(&source.pick());
        if self.build.deck().count(opened) > 0 {
            return Ok(Some(opened));
        }
        // When there is nothing at all to play, it is time to wait for something.
        let mut sources = self.rules.content.iter();
        if !sources.any(|source| {
            let key = self.build.open(&source.pick());
            self.build.deck().count(key) > 0
        }) {
            return Err(Stop::Nothing);
        }
        let rule = found.rule();
        self.build
            .warn(format!("{rule}: there is nothing in {key}"));
        Ok(None)
    }

    pub(super) fn draw(
        &mut self,
        found: &Found<'_>,
        play: &'r Play,
        role: Option<Role>,
    ) -> Result<Option<Draw<'r>>, Stop> {
        let Some(key) = self.open(found, &play.content)? else {
            return Ok(None);
        };
        let sources = &self.rules.content;
        let source = sources.iter().find(|s| s.key == play.content);
        Ok(Some(Draw {
            play,
            key,
            title: play.title.clone().or_else(|| found.title.clone()),
            role,
            why: Arc::new(Why {
                rule: found.rule(),
                order: source.map(|s| s.order.by),
                ..Why::default()
            }),
        }))
    }

    /// Plays the next one of several items; true when that was the last.
    fn several(
        &mut self,
        found: &Found<'_>,
        play: &'r Play,
        count: Option<&Sum>,
        place: &mut Place,
        role: Option<Role>,
    ) -> Result<bool, Stop> {
        let Some(draw) = self.draw(found, play, role)? else {
            return Ok(true);
        };
        let left = match (place.left, count) {
            (Some(left), _) => left,
            (None, Some(count)) => self.count(count, draw.key),
            (None, None) => self.build.deck().count(draw.key),
        };
        if left > 0 {
            self.play_before(UtcMs(i64::MAX), &draw)?;
        }
        place.left = Some(left.saturating_sub(1));
        Ok(left <= 1)
    }

    /// The value of a sum.
    fn count(&mut self, count: &Sum, key: CursorKey) -> u32 {
        let size = self.build.deck().count(key);
        let draw = self
            .build
            .seed()
            .of(stable_hash(String::from(count.clone()).as_bytes()));
        let draw = draw.of(self.build.now().0.cast_unsigned());
        let random = draw.below(1 << 32) as f64 / (1_u64 << 32) as f64;
        count.count(size, random)
    }

    /// The next full so many minutes of the hour.
    fn full_minutes(&self, minutes: u32) -> Option<UtcMs> {
        let (now, wall) = (self.build.now(), self.build.wall());
        (minutes > 0).then(|| crate::schedule::filler::pad_target(wall, now, minutes, false))
    }

    fn skip_items(&mut self, found: &Found<'_>, count: &Sum, content: &str) -> Result<(), Stop> {
        let Some(key) = self.open(found, content)? else {
            return Ok(());
        };
        for _ in 0..self.count(count, key).min(MOST_SKIPPED) {
            self.build.deal(key)?;
        }
        Ok(())
    }

    fn skip_to_item(
        &mut self,
        found: &Found<'_>,
        content: &str,
        wanted: (u32, u32),
    ) -> Result<(), Stop> {
        let Some(key) = self.open(found, content)? else {
            return Ok(());
        };
        let mark = self.build.mark();
        for _ in 0..self.build.deck().count(key) {
            let Some(next) = self.build.peek(key)? else {
                break;
            };
            let item = self.build.item(next.ix);
            if item.is_some_and(|i| (i.season, i.episode) == (Some(wanted.0), Some(wanted.1))) {
                return Ok(());
            }
            self.build.deal(key)?;
        }
        self.build.rewind(mark);
        let (rule, (season, episode)) = (found.rule(), wanted);
        self.build.warn(format!(
            "{rule}: there is no season {season} episode {episode} in {content}"
        ));
        Ok(())
    }

    /// Is off the air until a moment; true when that has come.
    fn wait(&mut self, found: &Found<'_>, until: Option<UtcMs>, place: &mut Place) -> bool {
        let Some(until) = place.until.or(until).filter(|_| !self.rewound) else {
            return true;
        };
        place.until = Some(until);
        let now = self.build.now();
        let end = match until.since(now) {
            ..=LONGEST_WAIT_MS => until,
            _ => now.plus(DAY_MS),
        };
        self.gap(end, found);
        end == until
    }

    pub(super) fn gap(&mut self, until: UtcMs, found: &Found<'_>) {
        let why = Arc::new(Why {
            rule: found.rule(),
            ..Why::default()
        });
        let guide = match self.settings.group {
            Lock::On => Guide::Join,
            _ => Guide::OFF_AIR,
        };
        self.end_lead();
        self.build.gap(until, Role::Gap, guide, &why);
    }

    /// Nothing was put on air since the playout began its round: the rest of the hour is given up.
    fn nothing(&mut self) {
        self.build.warn(
            "playout: none of its instructions up to `repeat` puts anything on air: look at its content, and at what it waits for",
        );
        let until = next_hour(self.build.now().plus(SHORTEST_MS));
        self.build
            .gap(until, Role::Empty, Guide::OFF_AIR, &Arc::default());
    }

    /// The playout is over.
    fn over(&mut self) {
        self.build.warn(
            "playout: behind its last instruction the channel is off the air: end it with `repeat: true`",
        );
        let until = next_hour(self.build.now().plus(SHORTEST_MS));
        let rule = "end of the playout".into();
        let why = Arc::new(Why {
            rule,
            ..Why::default()
        });
        self.build.gap(until, Role::Gap, Guide::OFF_AIR, &why);
    }
}
