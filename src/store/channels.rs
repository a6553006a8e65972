//! Channels.

use std::num::NonZeroU32;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::convert::{Word, bad_value, count_of, moment_of, path_bytes, path_of, trimmed};
use super::{
    Channel, ChannelNumber, Collection, Id, Mirror, NewChannel, Progress, Store, fail, undo,
};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::media::{AudioCodec, Format, PictureRate, PictureSize, VideoCodec};
use crate::schedule::PlayOrder;

const COLUMNS: &str = "id, number, name, group_name, video, audio, audio_rate_hz, audio_channels, collection, \
                       collection_path, collection_text, play_order, seed, timeline_version, created_ms, \
                       loose_audio, picture_size, picture_rate, program, mux_rate_kbit, progress, behind_ms, watched_to_ms, mirror_of, mirror_offset_ms";

impl Store {
    /// Makes a channel. `Invalid` for an impossible number or an empty name, `Conflict` when the number is taken.
    pub async fn add_channel(&self, channel: NewChannel, now: UtcMs) -> Result<Channel> {
        let c = channel;
        self.write(move |db| {
            let checked = Checked::new(&c.number, &c.name)?;
            let (word, path, text) = split(&c.collection);
            db.query_row(
                &format!(
                    "INSERT INTO channels (number, number_hundredths, name, group_name, video, audio, audio_rate_hz, \
                     audio_channels, collection, collection_path, collection_text, play_order, seed, created_ms, \
                     loose_audio, picture_size, picture_rate, mux_rate_kbit) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) RETURNING {COLUMNS}"
                ),
                params![
                    checked.number,
                    checked.hundredths,
                    checked.name,
                    trimmed(c.group.as_deref()),
                    c.format.video.word(),
                    c.format.audio.word(),
                    c.format.audio_rate_hz,
                    c.format.audio_channels,
                    word,
                    path,
                    text,
                    c.order.word(),
                    c.seed.cast_signed(),
                    now.0,
                    c.format.loose_audio,
                    c.format.size.map(|size| size.to_string()),
                    c.format.rate.map(|rate| rate.to_string()),
                    c.mux_rate_kbit.map(NonZeroU32::get),
                ],
                channel_of,
            )
            .map_err(|e| checked.failed("adding", e))
        })
        .await
    }

    /// Changes everything of a channel but its key, its date, its timeline (see `playout` for that) and its progress. What it played so
    /// far is kept for [`Store::undo_program`].
    /// Errors as in [`Store::add_channel`], and `NotFound`.
    pub async fn update_channel(&self, channel: Channel) -> Result<Channel> {
        let c = channel;
        let now = self.0.clock.utc();
        self.write(move |db| {
            let checked = Checked::new(&c.number, &c.name)?;
            let (word, path, text) = split(&c.collection);
            let program = c.program.as_ref().map(serde_json::to_string).transpose();
            let program = program.map_err(|e| {
                Error::with_source(ErrorKind::Internal, "writing a program down".to_owned(), e)
            })?;
            let keep = c.unreadable.is_some() && program.is_none();
            undo::keep(db, c.id, &c, keep, now)?;
            db.query_row(
                &format!(
                    "UPDATE channels SET number = ?2, number_hundredths = ?3, name = ?4, group_name = ?5, video = ?6, \
                     audio = ?7, audio_rate_hz = ?8, audio_channels = ?9, collection = ?10, collection_path = ?11, \
                     collection_text = ?12, play_order = ?13, seed = ?14, loose_audio = ?15, picture_size = ?16, \
                     picture_rate = ?17, program = iif(?20, program, ?18), mux_rate_kbit = ?19, timeline_version = timeline_version + 1 \
                     WHERE id = ?1 RETURNING {COLUMNS}"
                ),
                params![
                    c.id,
                    checked.number,
                    checked.hundredths,
                    checked.name,
                    trimmed(c.group.as_deref()),
                    c.format.video.word(),
                    c.format.audio.word(),
                    c.format.audio_rate_hz,
                    c.format.audio_channels,
                    word,
                    path,
                    text,
                    c.order.word(),
                    c.seed.cast_signed(),
                    c.format.loose_audio,
                    c.format.size.map(|size| size.to_string()),
                    c.format.rate.map(|rate| rate.to_string()),
                    program,
                    c.mux_rate_kbit.map(NonZeroU32::get),
                    keep,
                ],
                channel_of,
            )
            .optional()
            .map_err(|e| checked.failed("changing", e))?
            .ok_or_else(|| no_channel(c.id))
        })
        .await
    }

    /// Removes a channel with its timeline and its history. Its key is never given to another. `Conflict` while others mirror it.
    pub async fn remove_channel(&self, id: Id) -> Result<()> {
        self.write_rows(super::writer::ROWS_PER_TRANSACTION, move |db| {
            super::mirrors::not_mirrored(db, id, "be removed")?;
            let removed = db
                .execute("DELETE FROM channels WHERE id = ?1", [id])
                .map_err(|e| fail::sql(&format!("removing the channel with key {id}"), e))?;
            if removed == 0 {
                return Err(no_channel(id));
            }
            db.execute("DELETE FROM meta WHERE key = ?1", [planned_from(id)])
                .map_err(|e| fail::sql("forgetting a channel", e))?;
            Ok(())
        })
        .await
    }

    /// From what a channel is planned, see [`NewPlan::planned_from`](super::NewPlan); `None` when it never was.
    pub async fn planned_from(&self, id: Id) -> Result<Option<String>> {
        self.meta(&planned_from(id)).await
    }

    /// All channels, by the value of their numbers.
    pub async fn channels(&self) -> Result<Vec<Channel>> {
        self.read(|db| {
            db.prepare(&format!(
                "SELECT {COLUMNS} FROM channels ORDER BY number_hundredths"
            ))
            .and_then(|mut statement| statement.query_map([], channel_of)?.collect())
            .map_err(|e| fail::sql("listing channels", e))
        })
        .await
    }

    /// One channel by its key; `NotFound` when there is none.
    pub async fn channel(&self, id: Id) -> Result<Channel> {
        self.read(move |db| by(db, "id", id)?.ok_or_else(|| no_channel(id)))
            .await
    }

    /// One channel by its number, compared as a decimal: `5.1` finds `5.10`. `NotFound` when there is none,
    /// also for text that is no number.
    pub async fn channel_by_number(&self, number: &str) -> Result<Channel> {
        let none = Error::new(
            ErrorKind::NotFound,
            format!("there is no channel {}", number.escape_debug()),
        );
        let Ok(number) = ChannelNumber::parse(number) else {
            return Err(none);
        };
        self.read(move |db| {
            by(db, "number_hundredths", i64::from(number.hundredths()))?.ok_or(none)
        })
        .await
    }
}

/// The most characters of a channel's name: guides and playlists repeat it on every line.
const MAX_NAME: usize = 200;

/// What was checked before writing.
struct Checked {
    number: String,
    hundredths: u32,
    name: String,
}

impl Checked {
    fn new(number: &str, name: &str) -> Result<Self> {
        let hundredths = ChannelNumber::parse(number)?.hundredths();
        let number = number.trim().to_owned();
        let Some(name) = trimmed(Some(name)) else {
            crate::bail!(Invalid, "channel {number} needs a name");
        };
        let length = name.chars().count();
        if length > MAX_NAME {
            crate::bail!(
                Invalid,
                "the name of channel {number} has {length} characters: {MAX_NAME} is the most"
            );
        }
        Ok(Self {
            name: name.to_owned(),
            number,
            hundredths,
        })
    }

    fn failed(&self, doing: &str, source: rusqlite::Error) -> Error {
        if fail::is_duplicate(&source) {
            return Error::new(
                ErrorKind::Conflict,
                format!(
                    "there is a channel {} already: choose another number",
                    self.number
                ),
            );
        }
        fail::sql(&format!("{doing} channel {}", self.number), source)
    }
}

/// The key of the fact that tells from what a channel is planned.
pub(super) fn planned_from(channel: Id) -> String {
    format!("planned_from.{channel}")
}

/// A collection as its columns.
pub(super) fn split(collection: &Collection) -> (&'static str, Option<&[u8]>, Option<&str>) {
    match collection {
        Collection::Library => ("library", None, None),
        Collection::Folder { path } => ("folder", Some(path_bytes(path)), None),
        Collection::Show { title } => ("show", None, Some(title.trim())),
        Collection::Search { query } => ("search", None, Some(query.trim())),
        Collection::Smart { name } => ("smart", None, Some(name.trim())),
        Collection::Manual { name } => ("manual", None, Some(name.trim())),
        Collection::Multi { name } => ("multi", None, Some(name.trim())),
        Collection::Playlist { name } => ("playlist", None, Some(name.trim())),
        Collection::FirstRun { name } => ("first-run", None, Some(name.trim())),
        Collection::Rerun { name } => ("rerun", None, Some(name.trim())),
    }
}

/// The collection of three columns from `at` on.
fn joined(row: &Row<'_>, at: usize) -> rusqlite::Result<Collection> {
    let word: String = row.get(at)?;
    let path = || path_of(row, at + 1);
    let text = || row.get(at + 2);
    Ok(match word.as_str() {
        "library" => Collection::Library,
        "folder" => Collection::Folder { path: path()? },
        "show" => Collection::Show { title: text()? },
        "search" => Collection::Search { query: text()? },
        "smart" => Collection::Smart { name: text()? },
        "manual" => Collection::Manual { name: text()? },
        "multi" => Collection::Multi { name: text()? },
        "playlist" => Collection::Playlist { name: text()? },
        "first-run" => Collection::FirstRun { name: text()? },
        "rerun" => Collection::Rerun { name: text()? },
        _ => return Err(bad_value(at, format!("unknown word \"{word}\""))),
    })
}

pub(super) fn by(db: &Connection, column: &str, value: i64) -> Result<Option<Channel>> {
    db.query_row(
        &format!("SELECT {COLUMNS} FROM channels WHERE {column} = ?1"),
        [value],
        channel_of,
    )
    .optional()
    .map_err(|e| fail::sql("reading a channel", e))
}

fn channel_of(row: &Row<'_>) -> rusqlite::Result<Channel> {
    // One damaged program must not hide all channels.
    let program: Option<String> = row.get(18)?;
    let program = program.map(|json| serde_json::from_str(&json)).transpose();
    let (program, unreadable) = match program {
        Ok(program) => (program, None),
        Err(e) => (None, Some(e.to_string())),
    };
    Ok(Channel {
        id: row.get(0)?,
        number: row.get(1)?,
        name: row.get(2)?,
        group: row.get(3)?,
        format: Format {
            video: VideoCodec::of(row, 4)?,
            audio: AudioCodec::of(row, 5)?,
            audio_rate_hz: row.get(6)?,
            audio_channels: row.get(7)?,
            loose_audio: row.get(15)?,
            size: parsed(row, 16, PictureSize::parse)?,
            rate: parsed(row, 17, PictureRate::parse)?,
        },
        collection: joined(row, 8)?,
        order: PlayOrder::of(row, 11)?,
        seed: row.get::<_, i64>(12)?.cast_unsigned(),
        timeline_version: count_of(row, 13)?,
        created: moment_of(row, 14)?,
        program,
        unreadable,
        mux_rate_kbit: row.get::<_, Option<u32>>(19)?.and_then(NonZeroU32::new),
        progress: Progress::of(row, 20)?,
        behind_ms: row.get(21)?,
        watched_to: super::convert::maybe_moment_of(row, 22)?,
        mirror: row
            .get::<_, Option<Id>>(23)?
            .map(|of| {
                Ok::<_, rusqlite::Error>(Mirror {
                    of,
                    offset_ms: row.get(24)?,
                })
            })
            .transpose()?,
    })
}

/// The text in column `index`, if any, as what it stands for.
fn parsed<T>(
    row: &Row<'_>,
    index: usize,
    parse: fn(&str) -> Result<T>,
) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(index)?;
    let value = text.map(|text| parse(&text)).transpose();
    value.map_err(|e| bad_value(index, e))
}

pub(super) fn no_channel(id: Id) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no channel with key {id}"),
    )
}
