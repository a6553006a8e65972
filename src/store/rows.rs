//! The rows of the database as the rest of the daemon sees them. Conversions from and to SQL stand
//! beside the statements, in the table files of this module.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::guide::{Facets, ItemKind, Metadata};
use crate::media::{Format, Probe, Ticks90k};
pub use crate::schedule::Collection;
use crate::schedule::{Loop, Pick, PlayOrder, Program, Role};

/// A key of a table: never reused.
pub type Id = i64;

/// What a library root holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootKind {
    /// Told apart per file by names and folders.
    Auto,
    /// One film per file.
    Movies,
    /// Show / season / episode folders.
    Shows,
    /// Clips without further order.
    Other,
}

/// Whether a root can be used right now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum RootState {
    /// It was there at the last look.
    Present,
    /// Unreadable, empty, on another file system or suddenly half gone: nothing below it is marked missing.
    Unreachable {
        /// Since when.
        since: UtcMs,
        /// What is wrong and how to mend it, for people.
        reason: String,
    },
}

/// A folder that the user added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Key.
    pub id: Id,
    /// Absolute path.
    pub path: PathBuf,
    /// What it holds.
    pub kind: RootKind,
    /// Identity of the file system at the last good scan (see `system::mounts`); `None` before the first.
    pub file_system: Option<String>,
    /// Items found at the last good scan.
    pub item_count: u64,
    /// Whether it can be used.
    pub state: RootState,
    /// When the last good scan ended.
    pub scanned: Option<UtcMs>,
    /// Whether changes are seen at once (inotify) or only by rescans, and why: for people.
    pub watching: String,
}

/// What the probe said of an item's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "lowercase")]
pub enum ProbeState {
    /// Not looked at yet.
    Pending,
    /// Understood.
    Known(Box<Probe>),
    /// Needs ffmpeg, which was not there.
    WaitingForFfmpeg,
    /// Cannot be played, and why.
    Broken {
        /// For people.
        reason: String,
    },
}

/// A file as a scan found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedItem {
    /// Absolute path; may hold bytes that are not UTF-8.
    pub path: PathBuf,
    /// Size.
    pub size_bytes: u64,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// What it is.
    pub kind: ItemKind,
    /// Titles.
    pub metadata: Metadata,
    /// Genres, people and the like.
    pub facets: Facets,
}

/// What a scanned file was to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// Seen for the first time: to be probed.
    New(Id),
    /// Its size or modification time differ from what was probed: to be probed anew.
    Changed(Id),
    /// As it was; titles may have been updated.
    Same(Id),
}

impl Scanned {
    /// The item's key.
    pub fn id(self) -> Id {
        match self {
            Scanned::New(id) | Scanned::Changed(id) | Scanned::Same(id) => id,
        }
    }
}

/// What a scan compares a directory with: an item without its titles and probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemFile {
    /// Key.
    pub id: Id,
    /// Absolute path.
    pub path: PathBuf,
    /// Size at the last scan that saw it.
    pub size_bytes: u64,
    /// Modification time then, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Since when its file is gone.
    pub missing_since: Option<UtcMs>,
}

/// A file whose probe is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToProbe {
    /// Key.
    pub id: Id,
    /// Absolute path.
    pub path: PathBuf,
    /// Size at the scan: a probe of another file is refused.
    pub size_bytes: u64,
    /// Modification time then, nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// How many items there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ItemCounts {
    /// All of them.
    pub items: u64,
    /// Understood and there: what channels can play.
    pub playable: u64,
    /// Not probed yet.
    pub pending: u64,
    /// Waiting for ffmpeg.
    pub waiting_for_ffmpeg: u64,
    /// Cannot be played.
    pub broken: u64,
    /// Gone from a directory that is there.
    pub missing: u64,
}

/// A file of the library that channels cannot play now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplayable {
    /// Key of the item.
    pub id: Id,
    /// Absolute path.
    pub path: PathBuf,
    /// Why not.
    pub why: WhyNot,
}

/// Why a file cannot be played now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// It is gone from a folder that is there.
    Missing {
        /// Since when.
        since: UtcMs,
    },
    /// It has not been looked at yet.
    Pending,
    /// Only ffmpeg can read it, and there is none.
    WaitingForFfmpeg,
    /// It is damaged or no film.
    Broken {
        /// What is wrong, for people.
        reason: String,
    },
}

/// Files of a collection that are alike to every format.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeSum {
    /// Key of the shape.
    pub id: Id,
    /// What their probes say as far as formats ask (see `media::format::shape_of`).
    pub shape: Probe,
    /// How many files.
    pub items: u64,
    /// Their playing time together.
    pub length_ms: i64,
}

/// A show of the library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Show {
    /// Title, as its first episode spells it.
    pub title: String,
    /// Episodes, missing ones included.
    pub episodes: u64,
}

/// A file of the library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Key.
    pub id: Id,
    /// The root that it lies below.
    pub root_id: Id,
    /// Absolute path; may hold bytes that are not UTF-8.
    pub path: PathBuf,
    /// Size when probed.
    pub size_bytes: u64,
    /// Modification time when probed, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// What it is.
    pub kind: ItemKind,
    /// Titles.
    pub metadata: Metadata,
    /// When it was first seen.
    pub added: UtcMs,
    /// Since when its file is gone from a present directory.
    pub missing_since: Option<UtcMs>,
    /// What the probe said.
    pub probe: ProbeState,
}

/// A channel's number by its value: `5`, `5.1`; `5.1` and `5.10` are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(u32);

impl ChannelNumber {
    /// Reads `n`, `n.n` or `n.nn`, from 0.01 to 99999.99.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || {
            Error::new(
                ErrorKind::Invalid,
                format!(
                    "\u{201c}{}\u{201d} is not a channel number: use a number such as 5 or 5.1, up to 99999.99",
                    text.escape_debug()
                ),
            )
        };
        let (whole, part) = match text.trim().split_once('.') {
            Some((whole, part)) => (whole, Some(part)),
            None => (text.trim(), None),
        };
        let digits = |s: &str, most: usize| {
            (1..=most).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(whole, 5) || part.is_some_and(|p| !digits(p, 2)) {
            return Err(bad());
        }
        let whole: u32 = whole.parse().map_err(|_| bad())?;
        let hundredths: u32 = match part {
            None => 0,
            Some(p) if p.len() == 1 => p.parse::<u32>().map_err(|_| bad())? * 10,
            Some(p) => p.parse().map_err(|_| bad())?,
        };
        match whole * 100 + hundredths {
            0 => Err(bad()),
            value => Ok(Self(value)),
        }
    }

    /// Its value times 100.
    pub fn hundredths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}

/// A channel about to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewChannel {
    /// The number as the user typed it, see [`ChannelNumber::parse`].
    pub number: String,
    /// Name.
    pub name: String,
    /// Group for players that show groups.
    pub group: Option<String>,
    /// What its clients are promised.
    pub format: Format,
    /// A fixed rate of the stream in kbit/s, see [`crate::mux::Layout`].
    pub mux_rate_kbit: Option<NonZeroU32>,
    /// What it plays.
    pub collection: Collection,
    /// In which order.
    pub order: PlayOrder,
    /// Seed of its shuffles.
    pub seed: u64,
}

/// Whether a channel waits for its viewers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// It goes on whether somebody watches or not.
    #[default]
    Continuous,
    /// It stands still while nobody watches.
    OnDemand,
}

/// What a mirror shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mirror {
    /// Whose timeline.
    pub of: Id,
    /// So much later, in milliseconds: whole seconds, at most [`Mirror::MOST_MS`] in either direction.
    pub offset_ms: i64,
}

impl Mirror {
    /// The largest offset.
    pub const MOST_MS: i64 = 86_400_000;
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// Key, and the stable part of its guide id.
    pub id: Id,
    /// The number as the user typed it, `n` or `n.n`.
    pub number: String,
    /// Name.
    pub name: String,
    /// Group for players that show groups.
    pub group: Option<String>,
    /// What its clients are promised.
    pub format: Format,
    /// A fixed rate of the stream in kbit/s, see [`crate::mux::Layout`].
    pub mux_rate_kbit: Option<NonZeroU32>,
    /// What it plays.
    pub collection: Collection,
    /// In which order.
    pub order: PlayOrder,
    /// What it plays instead of that, when it is more than one collection again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// Why what it plays instead cannot be read, when the row is damaged or of a later version: then nothing is planned,
    /// and writing the channel without a program leaves that text as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// Seed of its shuffles.
    pub seed: u64,
    /// Rises whenever what is planned changes; not when old entries are cleared away.
    pub timeline_version: u64,
    /// Whether it waits for its viewers.
    #[serde(default)]
    pub progress: Progress,
    /// So many milliseconds later than in its timeline everything is on air: whole seconds.
    #[serde(default)]
    pub behind_ms: i64,
    /// Up to when it was watched, or since when it waits; `None` when it does not.
    #[serde(default)]
    pub watched_to: Option<UtcMs>,
    /// The timeline that it shows in place of one of its own.
    #[serde(default)]
    pub mirror: Option<Mirror>,
    /// When it was made.
    pub created: UtcMs,
}

impl Channel {
    /// What it plays, in the scheduler's words.
    pub fn program(&self) -> Program {
        self.program.clone().unwrap_or_else(|| {
            Program::Loop(Loop {
                pick: Pick::new(self.collection.clone(), self.order),
            })
        })
    }
}

/// What an entry of a timeline plays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "plays", rename_all = "lowercase")]
pub enum EntryContent {
    /// Part of an item, in item time: from `from` (a random access point) up to `to`.
    Item {
        /// Which.
        item_id: Id,
        /// In.
        from: Ticks90k,
        /// Out.
        to: Ticks90k,
    },
    /// Nothing to play: the slate is shown. Also the place of an item that has been removed since.
    Gap,
}

/// An entry about to be written. Its titles are those of what the guide shows, as they are at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// On air from.
    pub start: UtcMs,
    /// On air until (not including); at least a second later.
    pub stop: UtcMs,
    /// What is played.
    pub content: EntryContent,
    /// What for.
    pub role: Role,
    /// Entries that follow each other with equal groups are one programme of the guide.
    pub guide_group: i64,
    /// The item whose titles the guide shows.
    pub shows: Option<Id>,
    /// The title that it shows instead.
    pub title: Option<String>,
    /// Why it is there, as JSON.
    pub why: Option<String>,
    /// The scheduler's place behind it, as JSON; between those that have one the scheduler cannot be resumed.
    pub mark: Option<String>,
    /// Whether that place can be read without the ones before it.
    pub mark_is_full: bool,
}

/// How far a channel's timeline reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineSpan {
    /// Start of its first entry.
    pub start: UtcMs,
    /// Stop of its last entry.
    pub stop: UtcMs,
}

/// A row of a channel's timeline. `start < stop` always holds; rows of a channel touch and never overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Key.
    pub id: Id,
    /// Whose.
    pub channel_id: Id,
    /// On air from.
    pub start: UtcMs,
    /// On air until (not including).
    pub stop: UtcMs,
    /// What is played.
    pub content: EntryContent,
    /// Entries with equal groups are one programme of the guide.
    pub guide_group: i64,
    /// The programme's edges in whole seconds, rounded once when the entry was written.
    pub guide_start_s: i64,
    /// The programme's edges in whole seconds, rounded once when the entry was written.
    pub guide_stop_s: i64,
    /// Titles as they were when the entry was written: what the guide shows stays what was promised.
    pub metadata: Metadata,
    /// What the item was when the entry was written.
    pub kind: ItemKind,
    /// What the entry is for.
    pub role: Role,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_numbers_are_decimals() {
        for (text, expected) in [
            ("5", Some("5")),
            (" 12 ", Some("12")),
            ("5.1", Some("5.1")),
            ("5.10", Some("5.1")),
            ("5.01", Some("5.01")),
            ("007", Some("7")),
            ("0.5", Some("0.5")),
            ("99999.99", Some("99999.99")),
            ("0", None),
            ("0.0", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("5.123", None),
            ("100000", None),
            ("-5", None),
            ("+5", None),
            ("5,1", None),
            ("\u{0665}", None),
        ] {
            let number = ChannelNumber::parse(text).ok().map(|n| n.to_string());
            assert_eq!(number.as_deref(), expected, "{text:?}");
        }
    }
}
