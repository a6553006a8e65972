//! Between the words of the schema and our types, in both directions, in this one place.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rusqlite::Row;
use rusqlite::types::Type;

use crate::clock::UtcMs;
use crate::guide::{ItemKind, Metadata};
use crate::media::{AudioCodec, VideoCodec};
use crate::schedule::{PlayOrder, Role};
use crate::store::rows::{Progress, RootKind};

/// A type that is a word in the database.
pub(super) trait Word: Sized + Copy + PartialEq + 'static {
    /// Every value with its word.
    const WORDS: &'static [(Self, &'static str)];

    /// The word of a value.
    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(value, _)| *value == self)
            .map_or("", |(_, word)| word)
    }

    /// The value of the word in column `index`.
    fn of(row: &Row<'_>, index: usize) -> rusqlite::Result<Self> {
        let word: String = row.get(index)?;
        Self::WORDS
            .iter()
            .find(|(_, w)| *w == word)
            .map(|(value, _)| *value)
            .ok_or_else(|| bad_value(index, format!("unknown word \"{word}\"")))
    }
}

impl Word for RootKind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (RootKind::Auto, "auto"),
        (RootKind::Movies, "movies"),
        (RootKind::Shows, "shows"),
        (RootKind::Other, "other"),
    ];
}

impl Word for ItemKind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (ItemKind::Movie, "movie"),
        (ItemKind::Episode, "episode"),
        (ItemKind::Other, "other"),
    ];
}

impl Word for VideoCodec {
    const WORDS: &'static [(Self, &'static str)] = &[
        (VideoCodec::H264, "h264"),
        (VideoCodec::Hevc, "hevc"),
        (VideoCodec::Mpeg2, "mpeg2"),
    ];
}

impl Word for AudioCodec {
    const WORDS: &'static [(Self, &'static str)] = &[
        (AudioCodec::Aac, "aac"),
        (AudioCodec::Ac3, "ac3"),
        (AudioCodec::Eac3, "eac3"),
        (AudioCodec::Mp2, "mp2"),
        (AudioCodec::Mp3, "mp3"),
    ];
}

impl Word for PlayOrder {
    const WORDS: &'static [(Self, &'static str)] = &[
        (PlayOrder::Chronological, "chronological"),
        (PlayOrder::SeasonEpisode, "season-episode"),
        (PlayOrder::Custom, "custom"),
        (PlayOrder::Shuffle, "shuffle"),
        (PlayOrder::Balanced, "balanced"),
        (PlayOrder::Random, "random"),
        (PlayOrder::RandomRotation, "random-rotation"),
        (PlayOrder::Marathon, "marathon"),
        (PlayOrder::MultiEpisodeShuffle, "multi-episode-shuffle"),
    ];
}

impl Word for Progress {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Progress::Continuous, "continuous"),
        (Progress::OnDemand, "on-demand"),
    ];
}

impl Word for Role {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Role::Programme, "programme"),
        (Role::Hidden, "hidden"),
        (Role::PreRoll, "pre-roll"),
        (Role::MidRoll, "mid-roll"),
        (Role::PostRoll, "post-roll"),
        (Role::Tail, "tail"),
        (Role::Fallback, "fallback"),
        (Role::Gap, "gap"),
        (Role::Empty, "empty"),
    ];
}

/// A column that holds what our own schema does not allow.
pub(super) fn bad_value(
    index: usize,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, source.into())
}

/// A path as its bytes.
pub(super) fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// The path in column `index`.
pub(super) fn path_of(row: &Row<'_>, index: usize) -> rusqlite::Result<PathBuf> {
    Ok(PathBuf::from(OsString::from_vec(row.get(index)?)))
}

/// The moment in column `index`.
pub(super) fn moment_of(row: &Row<'_>, index: usize) -> rusqlite::Result<UtcMs> {
    row.get(index).map(UtcMs)
}

/// The moment in column `index`, if any.
pub(super) fn maybe_moment_of(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<UtcMs>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(UtcMs))
}

/// The count or size in column `index`; the schema keeps them from being negative.
pub(super) fn count_of(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|e| bad_value(index, e))
}

/// A count or size as the database has it: beyond 2^63 there are none.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Text from people: trimmed, and nothing when nothing is left.
pub(super) fn trimmed(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|t| !t.is_empty())
}

/// The byte range of everything below a folder: from `FOLDER/` up to, not including, `FOLDER0` (the byte
/// after the slash).
pub(super) fn range_below(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut from = path_bytes(folder).to_vec();
    while from.last() == Some(&b'/') {
        from.pop();
    }
    let mut to = from.clone();
    from.push(b'/');
    to.push(b'/' + 1);
    (from, to)
}

/// The columns of [`Metadata`] in the order of [`metadata_of`].
pub(super) const METADATA: &str = "title, show, season, episode, episode_end, year, date, plot";

/// Reads [`METADATA`], the first of them in column `at`.
pub(super) fn metadata_of(row: &Row<'_>, at: usize) -> rusqlite::Result<Metadata> {
    Ok(Metadata {
        title: row.get(at)?,
        show: row.get(at + 1)?,
        season: row.get(at + 2)?,
        episode: row.get(at + 3)?,
        episode_end: row.get(at + 4)?,
        year: row.get(at + 5)?,
        date: row.get(at + 6)?,
        plot: row.get(at + 7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_folder_holds_what_is_below_it_and_nothing_else() {
        let (from, to) = range_below(Path::new("/media/films/"));
        for (path, inside) in [
            ("/media/films/a.mkv", true),
            ("/media/films/z/\u{10FFFF}.mkv", true),
            ("/media/films", false),
            ("/media/films 2/a.mkv", false),
            ("/media/films.mkv", false),
            ("/media/filmsa/x", false),
        ] {
            let bytes = path.as_bytes();
            assert_eq!(
                bytes >= from.as_slice() && bytes < to.as_slice(),
                inside,
                "{path}"
            );
        }
        let (from, to) = range_below(Path::new("/"));
        assert!(b"/x".as_slice() >= from.as_slice() && b"/x".as_slice() < to.as_slice());
    }

    #[test]
    fn every_word_leads_back_to_its_value() {
        fn check<W: Word + std::fmt::Debug>() {
            for (value, word) in W::WORDS {
                assert_eq!(value.word(), *word);
                let back = W::WORDS.iter().filter(|(_, w)| w == word).count();
                assert_eq!(back, 1, "{word}");
            }
        }
        check::<RootKind>();
        check::<ItemKind>();
        check::<VideoCodec>();
        check::<AudioCodec>();
        check::<PlayOrder>();
        check::<Role>();
    }
}
