//! A schedule as YAML, which read again is the same schedule.

use super::read::{GROUPS, ORDERS, PARTS};
use super::{Fill, FillerKind, Instruction, Play, Sequential, Source};
use crate::schedule::content::Collection;
use crate::schedule::order::{Marathon, PlayOrder};

/// Keys with their values as YAML, in one mapping.
type Keys = Vec<(&'static str, String)>;

/// The name of a value in a table of names, which are all there.
fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> String {
    let found = table.iter().find(|(_, v)| v == value);
    found.map_or("", |(name, _)| *name).to_owned()
}

impl Sequential {
    /// The schedule as YAML, everything that it imported included.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        if !self.content.is_empty() {
            out.push_str("content:\n");
        }
        for source in &self.content {
            item(&mut out, 1, source.keys());
        }
        if !self.sequences.is_empty() {
            out.push_str("sequence:\n");
        }
        for sequence in &self.sequences {
            item(&mut out, 1, vec![("key", quoted(&sequence.key))]);
            list(&mut out, 2, "items", &sequence.items);
        }
        if !self.reset.is_empty() {
            list(&mut out, 0, "reset", &self.reset);
        }
        list(&mut out, 0, "playout", &self.playout);
        out
    }
}

fn list(out: &mut String, depth: usize, name: &str, instructions: &[Instruction]) {
    out.push_str(&"  ".repeat(depth));
    out.push_str(name);
    out.push_str(if instructions.is_empty() {
        ": []\n"
    } else {
        ":\n"
    });
    for instruction in instructions {
        item(out, depth + 1, instruction.keys());
    }
}

/// A mapping as an element of a list.
fn item(out: &mut String, depth: usize, keys: Keys) {
    for (n, (key, value)) in keys.into_iter().enumerate() {
        out.push_str(&"  ".repeat(depth));
        out.push_str(if n == 0 { "- " } else { "  " });
        out.push_str(key);
        out.push(':');
        if !value.is_empty() {
            out.push(' ');
            out.push_str(&value);
        }
        out.push('\n');
    }
}

/// A text in double quotes, with everything escaped that is neither printable ASCII nor a letter (YAML 1.2.2 §7.3.1).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn truth(keys: &mut Keys, key: &'static str, value: bool, otherwise: bool) {
    if value != otherwise {
        keys.push((key, value.to_string()));
    }
}

fn text(keys: &mut Keys, key: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        keys.push((key, quoted(value)));
    }
}

fn length(ms: i64) -> String {
    match (ms / 1000, ms % 1000) {
        (s, 0) => quoted(&format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)),
        _ => quoted(&format!("{ms} ms")),
    }
}

impl Source {
    fn keys(&self) -> Keys {
        let mut keys = match &self.of {
            Collection::Library => vec![("library", String::new())],
            Collection::Folder { path } => vec![("folder", quoted(&path.to_string_lossy()))],
            Collection::Show { title } => vec![("show", quoted(title))],
            Collection::Search { query } => vec![("search", quoted(query))],
            Collection::Smart { name } => vec![("smart_collection", quoted(name))],
            Collection::Manual { name } => vec![("collection", quoted(name))],
            Collection::Multi { name } => vec![("multi_collection", quoted(name))],
            Collection::Playlist { name } => vec![("playlist", quoted(name))],
            Collection::FirstRun { name } => vec![("first_run", quoted(name))],
            Collection::Rerun { name } => vec![("rerun", quoted(name))],
        };
        let order = &self.order;
        keys.push(("key", quoted(&self.key)));
        keys.push(("order", name_of(ORDERS, &order.by)));
        if order.parts != crate::schedule::Parts::default() {
            keys.push(("multi_part", name_of(PARTS, &order.parts)));
        }
        truth(&mut keys, "random_start", order.random_start, false);
        truth(&mut keys, "no_specials", order.no_specials, false);
        if order.story_episodes > 0 {
            keys.push(("story_episodes", order.story_episodes.to_string()));
        }
        let marathon = &order.marathon;
        if order.by == PlayOrder::Marathon || *marathon != Marathon::default() {
            let items = ["chronological", "shuffle"];
            let items = items.get(usize::from(marathon.shuffle_items));
            keys.push(("group_by", name_of(GROUPS, &marathon.by)));
            keys.push(("item_order", items.copied().unwrap_or_default().to_owned()));
            keys.push(("shuffle_groups", marathon.shuffle_groups.to_string()));
            keys.push(("batch", marathon.batch.to_string()));
        }
        keys
    }
}

impl Play {
    fn keys(&self, keys: &mut Keys) {
        keys.push(("content", quoted(&self.content)));
        text(keys, "custom_title", self.title.as_deref());
        let filler = self.filler.map(|filler| match filler {
            FillerKind::PreRoll => "preroll",
            FillerKind::MidRoll => "midroll",
            FillerKind::PostRoll => "postroll",
            FillerKind::Tail => "tail",
            FillerKind::Fallback => "fallback",
        });
        if let Some(filler) = filler {
            keys.push(("filler_kind", filler.to_owned()));
        }
        truth(keys, "disable_watermarks", self.disable_watermarks, false);
    }
}

impl Fill {
    fn keys(&self, keys: &mut Keys, offline_tail: bool) {
        if self.discard_attempts > 0 {
            keys.push(("discard_attempts", self.discard_attempts.to_string()));
        }
        truth(keys, "trim", self.trim, false);
        text(keys, "fallback", self.fallback.as_deref());
        let offline_tail = offline_tail && self.stop_before_end;
        truth(keys, "offline_tail", self.offline_tail, offline_tail);
        truth(keys, "stop_before_end", self.stop_before_end, true);
    }
}

impl Instruction {
    fn keys(&self) -> Keys {
        let name = self.name();
        match self {
            Self::All(play) => {
                let mut keys = vec![(name, String::new())];
                play.keys(&mut keys);
                keys
            }
            Self::Count { count, play } => {
                let mut keys = vec![(name, quoted(&String::from(count.clone())))];
                play.keys(&mut keys);
                keys
            }
            Self::Duration { ms, play, fill } => filling(name, length(*ms), play, fill),
            Self::PadToNext {
                minutes,
                play,
                fill,
            } => filling(name, minutes.to_string(), play, fill),
            Self::PadUntil {
                time,
                tomorrow,
                play,
                fill,
            } => {
                let mut keys = filling(name, quoted(&time.to_string()), play, fill);
                truth(&mut keys, "tomorrow", *tomorrow, false);
                keys
            }
            Self::PadUntilExact { moment, play, fill } => {
                filling(name, quoted(&moment.to_string()), play, fill)
            }
            Self::WaitUntil {
                time,
                tomorrow,
                rewind_on_reset,
            } => {
                let mut keys = vec![(name, quoted(&time.to_string()))];
                truth(&mut keys, "tomorrow", *tomorrow, false);
                truth(&mut keys, "rewind_on_reset", *rewind_on_reset, false);
                keys
            }
            Self::WaitUntilExact {
                moment,
                rewind_on_reset,
            } => {
                let mut keys = vec![(name, quoted(&moment.to_string()))];
                truth(&mut keys, "rewind_on_reset", *rewind_on_reset, false);
                keys
            }
            Self::Rewind { ms } => vec![(name, length(*ms))],
            Self::EpgGroup { on, advance } => {
                let mut keys = vec![(name, on.to_string())];
                truth(&mut keys, "advance", *advance, true);
                keys
            }
            Self::GraphicsOn { element, variables } => {
                let mut keys = vec![(name, quoted(element))];
                if !variables.is_empty() {
                    let entries = variables.iter();
                    let entries = entries.map(|(k, v)| format!("{}: {}", quoted(k), quoted(v)));
                    let entries: Vec<_> = entries.collect();
                    keys.push(("variables", format!("{{{}}}", entries.join(", "))));
                }
                keys
            }
            Self::GraphicsOff { element } => {
                let element = element.as_deref().map(quoted);
                vec![(name, element.unwrap_or_default())]
            }
            Self::Watermark { on, name: mark } => {
                let mut keys = vec![(name, on.to_string())];
                text(&mut keys, "name", mark.as_deref());
                keys
            }
            Self::PreRoll(sequence) | Self::PostRoll(sequence) => {
                let mut keys = vec![(name, sequence.is_some().to_string())];
                text(&mut keys, "sequence", sequence.as_deref());
                keys
            }
            Self::MidRoll(roll) => {
                let mut keys = vec![(name, roll.is_some().to_string())];
                if let Some(roll) = roll {
                    text(&mut keys, "sequence", Some(&roll.sequence));
                    text(&mut keys, "expression", roll.expression.as_deref());
                }
                keys
            }
            Self::Sequence { key, repeat, title } => {
                let mut keys = vec![(name, quoted(key))];
                if *repeat != 1 {
                    keys.push(("repeat", repeat.to_string()));
                }
                text(&mut keys, "custom_title", title.as_deref());
                keys
            }
            Self::ShuffleSequence(key) => vec![(name, quoted(key))],
            Self::SkipItems { count, content } => {
                vec![
                    (name, quoted(&String::from(count.clone()))),
                    ("content", quoted(content)),
                ]
            }
            Self::SkipToItem {
                content,
                season,
                episode,
            } => vec![
                (name, String::new()),
                ("content", quoted(content)),
                ("season", season.to_string()),
                ("episode", episode.to_string()),
            ],
            Self::Repeat(again) => vec![(name, again.to_string())],
        }
    }
}

fn filling(name: &'static str, value: String, play: &Play, fill: &Fill) -> Keys {
    let mut keys = vec![(name, value)];
    play.keys(&mut keys);
    fill.keys(&mut keys, name == "pad_to_next");
    keys
}
