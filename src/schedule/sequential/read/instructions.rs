//! Instructions, each told by the key that names it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::values::{self, COUNT, LENGTH, TIME_OF_DAY};
use super::{Reader, Where};
use crate::schedule::Sum;
use crate::schedule::sequential::{Fill, FillerKind, Instruction, MidRoll, Moment, Play};
use crate::schedule::wall::TimeOfDay;
use crate::schedule::yaml::{Fields, Node, Value, hint, shortened, snake};

/// The names of all instructions. Of those of one item the first in this table names it, so that `pre_roll` may have a
/// `sequence`, and a `sequence` a `repeat`.
const NAMES: &[&str] = &[
    "pre_roll",
    "mid_roll",
    "post_roll",
    "sequence",
    "all",
    "count",
    "duration",
    "pad_to_next",
    "pad_until",
    "pad_until_exact",
    "wait_until",
    "wait_until_exact",
    "rewind",
    "epg_group",
    "graphics_on",
    "graphics_off",
    "watermark",
    "shuffle_sequence",
    "skip_items",
    "skip_to_item",
    "repeat",
];

/// Those that may stand in a reset.
const OF_RESET: &[&str] = &[
    "rewind",
    "skip_items",
    "skip_to_item",
    "wait_until",
    "wait_until_exact",
];

const FILLER_KINDS: &[(&str, Option<FillerKind>)] = &[
    ("none", None),
    ("preroll", Some(FillerKind::PreRoll)),
    ("pre_roll", Some(FillerKind::PreRoll)),
    ("midroll", Some(FillerKind::MidRoll)),
    ("mid_roll", Some(FillerKind::MidRoll)),
    ("postroll", Some(FillerKind::PostRoll)),
    ("post_roll", Some(FillerKind::PostRoll)),
    ("commercial", Some(FillerKind::MidRoll)),
    ("tail", Some(FillerKind::Tail)),
    ("fallback", Some(FillerKind::Fallback)),
];

const MINUTES: RangeInclusive<u32> = 1..=1440;
const REPEATS: RangeInclusive<u32> = 1..=10_000;
const NUMBERS: RangeInclusive<u32> = 0..=100_000;

impl Reader<'_> {
    /// The instructions of a list.
    pub(super) fn instructions(
        &mut self,
        items: &[Arc<Node>],
        place: &Where<'_>,
    ) -> Vec<Instruction> {
        let read = |item: &Arc<Node>| self.instruction(item, place);
        items.iter().filter_map(read).collect()
    }

    fn instruction(&mut self, node: &Node, place: &Where<'_>) -> Option<Instruction> {
        // An instruction that needs nothing else is often written as a word.
        if node.text().is_some_and(|text| snake(text) == "repeat") {
            return Some(Instruction::Repeat(true));
        }
        let mut f = Fields::of("an instruction", node, &mut self.problems)?;
        let names: Vec<_> = NAMES.iter().copied().filter(|name| f.has(name)).collect();
        let Some(&name) = names.first() else {
            let Some((key, at)) = f.keys().next() else {
                self.problems.add(f.at(), "an instruction without a key");
                return None;
            };
            let what = format!("there is no instruction `{}`", shortened(key));
            let hint = hint(&snake(key), NAMES.iter().copied());
            self.problems.add(at, format!("{what}: {hint}"));
            return None;
        };
        f.rename(format!("`{name}`"));
        let takes: &[&str] = match name {
            "pre_roll" | "mid_roll" | "post_roll" => &["sequence"],
            "sequence" => &["repeat"],
            _ => &[],
        };
        let second = names.iter().skip(1).find(|other| !takes.contains(other));
        if let Some(second) = second {
            let what = format!(
                "`{name}` and `{second}` are two instructions: write `- ` before each of them"
            );
            self.problems.add(f.at(), what);
            return None;
        }
        if matches!(place, Where::Reset) && !OF_RESET.contains(&name) {
            let what = format!(
                "`{name}` cannot stand in `reset`, only {}",
                OF_RESET.join(", ")
            );
            self.problems.add(f.at(), what);
            return None;
        }
        let instruction = self.named(name, &mut f, place);
        f.finish(&mut self.problems);
        instruction
    }

    fn named(
        &mut self,
        name: &'static str,
        f: &mut Fields<'_>,
        place: &Where<'_>,
    ) -> Option<Instruction> {
        match name {
            "all" => {
                // Some write the key of the content here.
                let content = f.get("all").filter(|node| !node.is_null());
                let content = content.filter(|_| !f.has("content"));
                Some(Instruction::All(match content.and_then(Node::text) {
                    Some(key) => {
                        let at = content.map_or(f.at(), |node| node.at);
                        let key: Arc<str> = key.into();
                        self.refer_to_content(&key, at);
                        self.play_of(key, f)
                    }
                    None => self.play(f),
                }))
            }
            "count" => {
                let count = self.sum("count", f);
                let play = self.play(f);
                Some(Instruction::Count {
                    count: count?,
                    play,
                })
            }
            "duration" => {
                let ms = self.value("duration", f, LENGTH, values::length_ms);
                let (play, fill) = (self.play(f), self.fill(false, f));
                Some(Instruction::Duration {
                    ms: ms?,
                    play,
                    fill,
                })
            }
            "pad_to_next" => {
                let minutes = f.number("pad_to_next", MINUTES, &mut self.problems);
                let (play, fill) = (self.play(f), self.fill(true, f));
                Some(Instruction::PadToNext {
                    minutes: minutes?,
                    play,
                    fill,
                })
            }
            "pad_until" => {
                let time = self.time("pad_until", f);
                let tomorrow = f.flag("tomorrow", false, &mut self.problems);
                let (play, fill) = (self.play(f), self.fill(false, f));
                Some(Instruction::PadUntil {
                    time: time?,
                    tomorrow,
                    play,
                    fill,
                })
            }
            "pad_until_exact" => {
                let moment = self.moment("pad_until_exact", f);
                let (play, fill) = (self.play(f), self.fill(false, f));
                Some(Instruction::PadUntilExact {
                    moment: moment?,
                    play,
                    fill,
                })
            }
            "wait_until" => {
                let time = self.time("wait_until", f);
                let tomorrow = f.flag("tomorrow", false, &mut self.problems);
                let rewind_on_reset = f.flag("rewind_on_reset", false, &mut self.problems);
                Some(Instruction::WaitUntil {
                    time: time?,
                    tomorrow,
                    rewind_on_reset,
                })
            }
            "wait_until_exact" => {
                let moment = self.moment("wait_until_exact", f);
                let rewind_on_reset = f.flag("rewind_on_reset", false, &mut self.problems);
                Some(Instruction::WaitUntilExact {
                    moment: moment?,
                    rewind_on_reset,
                })
            }
            "rewind" => {
                let ms = self.value("rewind", f, LENGTH, values::length_ms)?;
                if !matches!(place, Where::Reset) {
                    let what = "`rewind` has a meaning in `reset` only: what was on air cannot be taken back";
                    self.problems.add(f.at(), what);
                    return None;
                }
                Some(Instruction::Rewind { ms })
            }
            "epg_group" => Some(Instruction::EpgGroup {
                on: f.flag("epg_group", true, &mut self.problems),
                advance: f.flag("advance", true, &mut self.problems),
            }),
            "graphics_on" => {
                self.ignored(f, "graphics are not drawn");
                let element = f.need("graphics_on", "name the element", &mut self.problems);
                Some(Instruction::GraphicsOn {
                    element: element.to_string(),
                    variables: self.variables(f),
                })
            }
            "graphics_off" => {
                self.ignored(f, "graphics are not drawn");
                let all = f.get("graphics_off").is_none_or(Node::is_null);
                let element = match all {
                    true => None,
                    false => f.text("graphics_off", &mut self.problems),
                };
                Some(Instruction::GraphicsOff {
                    element: element.map(str::to_owned),
                })
            }
            "watermark" => {
                let on = f.flag("watermark", true, &mut self.problems);
                let name = match on {
                    true => {
                        Some(f.need("name", "say which watermark is shown", &mut self.problems))
                    }
                    false => f.text("name", &mut self.problems).map(Into::into),
                };
                let name = name.map(|name| name.to_string());
                Some(Instruction::Watermark { on, name })
            }
            "pre_roll" => Some(Instruction::PreRoll(self.roll("pre_roll", f)?)),
            "post_roll" => Some(Instruction::PostRoll(self.roll("post_roll", f)?)),
            "mid_roll" => {
                self.ignored(f, "programmes are not interrupted");
                let sequence = self.roll("mid_roll", f)?;
                let expression = f.text("expression", &mut self.problems);
                Some(Instruction::MidRoll(sequence.map(|sequence| MidRoll {
                    sequence,
                    expression: expression.map(str::to_owned),
                })))
            }
            "sequence" => {
                let key = self.sequence("sequence", f, place);
                let repeat = f.has("repeat");
                let repeat = repeat.then(|| f.number("repeat", REPEATS, &mut self.problems));
                let title = f.text("custom_title", &mut self.problems).map(Into::into);
                Some(Instruction::Sequence {
                    key,
                    repeat: repeat.unwrap_or(Some(1))?,
                    title,
                })
            }
            "shuffle_sequence" => {
                let key = self.sequence("shuffle_sequence", f, &Where::Playout);
                Some(Instruction::ShuffleSequence(key))
            }
            "skip_items" => {
                let count = self.sum("skip_items", f);
                let content = self.content("content", f);
                Some(Instruction::SkipItems {
                    count: count?,
                    content,
                })
            }
            "skip_to_item" => {
                f.get("skip_to_item");
                let content = self.content("content", f);
                let mut number = |key| match f.has(key) {
                    true => f.number(key, NUMBERS, &mut self.problems),
                    false => {
                        f.need(key, "say with which episode to go on", &mut self.problems);
                        None
                    }
                };
                let (season, episode) = (number("season"), number("episode"));
                Some(Instruction::SkipToItem {
                    content,
                    season: season?,
                    episode: episode?,
                })
            }
            _ => Some(Instruction::Repeat(f.flag(
                "repeat",
                true,
                &mut self.problems,
            ))),
        }
    }

    /// What is played.
    fn play(&mut self, f: &mut Fields<'_>) -> Play {
        let content = self.content("content", f);
        self.play_of(content, f)
    }

    fn play_of(&mut self, content: Arc<str>, f: &mut Fields<'_>) -> Play {
        let filler = match f.has("filler_kind") {
            true => f.one_of("filler_kind", FILLER_KINDS, &mut self.problems),
            false => {
                f.get("filler_kind");
                None
            }
        };
        Play {
            content,
            title: f.text("custom_title", &mut self.problems).map(Into::into),
            filler: filler.flatten(),
            disable_watermarks: f.flag("disable_watermarks", false, &mut self.problems),
        }
    }

    /// How a time is filled, with `offline_tail` when nothing is said about it.
    fn fill(&mut self, offline_tail: bool, f: &mut Fields<'_>) -> Fill {
        let stop_before_end = f.flag("stop_before_end", true, &mut self.problems);
        let offline_tail = f.flag(
            "offline_tail",
            offline_tail && stop_before_end,
            &mut self.problems,
        );
        if offline_tail && !stop_before_end {
            let what = "`offline_tail: true` and `stop_before_end: false` contradict each other: remove one";
            self.problems.add(f.at(), what);
        }
        let discard = f.has("discard_attempts");
        let discard = discard.then(|| f.number("discard_attempts", NUMBERS, &mut self.problems));
        if discard.is_none() {
            f.get("discard_attempts");
        }
        let fallback = match f.get("fallback").is_some_and(|node| !node.is_null()) {
            true => Some(self.content("fallback", f)),
            false => None,
        };
        Fill {
            discard_attempts: discard.flatten().unwrap_or_default(),
            trim: f.flag("trim", false, &mut self.problems),
            fallback,
            offline_tail,
            stop_before_end,
        }
    }

    /// The sequence of a roll; `None` within for one that ends.
    fn roll(&mut self, name: &'static str, f: &mut Fields<'_>) -> Option<Option<Arc<str>>> {
        if f.flag(name, true, &mut self.problems) {
            // What a roll plays has no rolls itself, so this is no way into a circle.
            return Some(Some(self.sequence("sequence", f, &Where::Playout)));
        }
        if f.get("sequence").is_some() {
            let what = format!("`{name}: false` ends it, and needs no `sequence`");
            self.problems.add(f.at(), what);
            return None;
        }
        Some(None)
    }

    /// The key of what is drawn from.
    fn content(&mut self, key: &'static str, f: &mut Fields<'_>) -> Arc<str> {
        let why = "name the `key` of what is drawn from";
        let name = f.need(key, why, &mut self.problems);
        let at = f.get(key).map_or(f.at(), |node| node.at);
        self.refer_to_content(&name, at);
        name
    }

    /// The name of a sequence.
    fn sequence(&mut self, key: &'static str, f: &mut Fields<'_>, place: &Where<'_>) -> Arc<str> {
        let name = f.need(key, "name the `key` of a sequence", &mut self.problems);
        let at = f.get(key).map_or(f.at(), |node| node.at);
        self.refer_to_sequence(&name, at, place);
        name
    }

    /// A value of its own kind in a text; a problem when it is none.
    fn value<T>(
        &mut self,
        key: &'static str,
        f: &mut Fields<'_>,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let node = f.get(key)?;
        let value = node.text().map(str::trim).and_then(read);
        if value.is_none() {
            f.wrong(key, node, wanted, &mut self.problems);
        }
        value
    }

    fn sum(&mut self, key: &'static str, f: &mut Fields<'_>) -> Option<Sum> {
        self.value(key, f, COUNT, |text| Sum::parse(text).ok())
    }

    fn time(&mut self, key: &'static str, f: &mut Fields<'_>) -> Option<TimeOfDay> {
        self.value(key, f, TIME_OF_DAY, values::time_of_day)
    }

    fn moment(&mut self, key: &'static str, f: &mut Fields<'_>) -> Option<Moment> {
        let wanted = "a date and time such as 2026-12-24T18:00";
        self.value(key, f, wanted, Moment::parse)
    }

    /// Names with values, all of them as text.
    fn variables(&mut self, f: &mut Fields<'_>) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        let Some(node) = f.get("variables") else {
            return variables;
        };
        let Value::Map(entries) = &node.value else {
            f.wrong("variables", node, "a mapping", &mut self.problems);
            return variables;
        };
        for (key, value) in entries {
            match (key.text(), value.text()) {
                (Some(key), Some(value)) => {
                    variables.insert(key.to_owned(), value.to_owned());
                }
                _ => f.wrong("variables", value, "names with texts", &mut self.problems),
            }
        }
        variables
    }
}
