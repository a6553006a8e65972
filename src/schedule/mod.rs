//! Decides what is on when: rules, items and a seed in, entries out.
//!
//! Pure: no clock, no files, no database, no async. Equal input gives equal output on every machine, and a timeline
//! built in pieces is the same as one built in one go.

pub mod block;
mod build;
mod calendar;
pub mod classic;
mod content;
pub mod dotnet;
mod draw;
pub mod exact;
mod expression;
pub mod file;
pub mod filler;
mod item;
mod loops;
mod order;
mod planned;
mod program;
pub mod query;
pub mod sequential;
pub mod slots;
mod span;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;
mod wall;
mod warning;
mod yaml;

pub use block::{BlockState, Blocks};
pub use build::{BuildInput, Built, MAX_ENTRIES, begin, build};
pub use calendar::{Between, Day, Days, YearDay};
pub use classic::{Classic, ClassicState};
pub use content::{
    Collection, Content, Contents, CursorKey, Member, Pick, Playlist, PlaylistEntry, Take,
};
pub use draw::{Seed, stable_hash};
pub use expression::{Condition, Sum};
pub use item::{Aired, Breaks, Catalog, History, Ix, Playable};
pub use loops::Loop;
pub use order::{Cursor, Marathon, MarathonBy, Order, Parts, PlayOrder, Sorted};
pub use planned::{Dress, Group, Planned, Plays, Role, Why};
pub use program::{Needs, Program};
pub use sequential::{Sequential, SequentialState};
pub use span::{SHORTEST_MS, Span};
pub use state::{KindState, Mark, State};
pub use wall::{TimeOfDay, Wall};
pub use warning::{Skipped, Warning, Warnings};
pub use yaml::Problem;
