//! Decides what is on when: rules, items and a seed in, entries out.
//!
//! Pure: no clock, no files, no database, no async. Equal input gives equal output on every machine.

mod build;
mod order;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::media::Ticks90k;

pub use build::{Built, MAX_ENTRIES, Planned, Plays, SHORTEST_MS, Skipped, build, can_play};
pub use order::Cursor;

/// In which order a collection is played, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlayOrder {
    /// By date of release; what has none comes last.
    Chronological,
    /// By show, season and episode; the specials of a show after its seasons.
    SeasonEpisode,
    /// Every item once per round, in an order made from the channel's seed.
    Shuffle,
}

/// An item as the scheduler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playable {
    /// Key of the item.
    pub id: i64,
    /// Where it begins, in item time.
    pub start: Ticks90k,
    /// Where it ends.
    pub end: Ticks90k,
    /// Title of the film or episode.
    pub title: String,
    /// Title of the show.
    pub show: Option<String>,
    /// Season; 0 is specials.
    pub season: Option<u32>,
    /// Episode number.
    pub episode: Option<u32>,
    /// Year of release.
    pub year: Option<u16>,
    /// Date of release or first airing, `YYYY-MM-DD`.
    pub date: Option<String>,
}
