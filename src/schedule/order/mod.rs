//! In which order a collection is played, and the place within it that outlives changes to it.
//!
//! A place is a small value; what comes behind it is a function of the place, the items and the seed alone. So a place
//! kept is a place restored, and the next item is the same whether a timeline was built in one go or in pieces.
//! Each order says what happens when items come and go.

mod cursor;
mod deck;
mod groups;
mod hand;
mod key;
mod lanes;
mod parts;
mod random;
mod rounds;
mod sorted;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use cursor::Cursor;
pub(super) use deck::{Cursors, Dealt, Deck, DeckMark};
pub(super) use key::SortKey;

/// In which order a collection is played, again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlayOrder {
    /// By date of release; what has none comes last. Items that come fall into their place: what lies behind the
    /// cursor waits for the next round.
    Chronological,
    /// By show, season and episode; the specials of a show after its seasons. Changes as in `Chronological`.
    SeasonEpisode,
    /// In the order that the collection itself has. Behind an item that is gone comes what took its place.
    Custom,
    /// Every item once per round, in an order made from the channel's seed; no item twice in a row. An item that
    /// comes falls into a place that chance gives it; who is gone leaves no trace.
    #[default]
    Shuffle,
    /// A shuffle that spreads the items of each show evenly over the round, and keeps each show in order. A show that
    /// grows or shrinks may miss or repeat one of its items in the round under way.
    Balanced,
    /// Any item at any time: repeats are chance too.
    Random,
    /// Any show (or artist) but the last one, and of it any item.
    RandomRotation,
    /// Show after show, each from where it was left: see [`Marathon`].
    Marathon,
    /// A shuffle in which the parts of stories told in several episodes stay together: see [`Order::story_episodes`].
    MultiEpisodeShuffle,
}

/// An order with its options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// The order.
    pub by: PlayOrder,
    /// Whether, and how, episodes whose titles say that they are parts of one stay together in shuffles.
    #[serde(skip_serializing_if = "is_default")]
    pub parts: Parts,
    /// Begin the first round anywhere, not with its first item: for orders that sort, and for each show of a balanced
    /// shuffle.
    #[serde(skip_serializing_if = "is_default")]
    pub random_start: bool,
    /// Leave specials (season 0) out.
    #[serde(skip_serializing_if = "is_default")]
    pub no_specials: bool,
    /// For `MultiEpisodeShuffle`: so many episodes of a season in a row, counted from its first, are one story. Below 2
    /// the order is a plain shuffle.
    #[serde(skip_serializing_if = "is_default")]
    pub story_episodes: u32,
    /// For `Marathon`.
    #[serde(skip_serializing_if = "is_default")]
    pub marathon: Marathon,
}

impl From<PlayOrder> for Order {
    fn from(by: PlayOrder) -> Self {
        Self {
            by,
            ..Self::default()
        }
    }
}

/// Whether episodes that are parts of one stay together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parts {
    /// They are shuffled like others.
    #[default]
    Apart,
    /// Within each show, by season and episode.
    PerShow,
    /// All items as if they were one show, by date.
    Together,
}

/// How a marathon goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Marathon {
    /// What is played in a row.
    pub by: MarathonBy,
    /// Shuffle the items of each; else shows and seasons by season and episode, others by date.
    pub shuffle_items: bool,
    /// Shuffle who comes after whom, for each pass; with fewer than three there is nothing to shuffle.
    pub shuffle_groups: bool,
    /// So many of each before the next one's turn; 0 for all.
    pub batch: u32,
}

/// What a marathon plays in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarathonBy {
    /// Shows.
    #[default]
    Show,
    /// Seasons of shows.
    Season,
    /// Artists.
    Artist,
    /// Albums.
    Album,
    /// Directors.
    Director,
}

/// The orders that sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sorted {
    /// By date.
    Date,
    /// By show, season and episode.
    Episode,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
