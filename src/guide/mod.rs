//! What viewers read: the timeline as XMLTV and M3U.
//!
//! Pure text from rows that the caller fetched: never queries, never knows a request. Programmes are
//! written one by one, so that a guide of any length needs the memory of one programme.

mod facets;
pub mod m3u;
mod text;
pub mod xmltv;

pub use facets::{Facet, Facets};
pub use m3u::m3u;

use serde::{Deserialize, Serialize};

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A film.
    Movie,
    /// An episode of a show.
    Episode,
    /// Anything else.
    Other,
}

/// Titles and the like, from names, folders and NFO files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Title of the film or episode; never empty.
    pub title: String,
    /// Title of the show, for episodes.
    pub show: Option<String>,
    /// Season; 0 is specials.
    pub season: Option<u32>,
    /// First episode number.
    pub episode: Option<u32>,
    /// Last episode number of a file that holds several.
    pub episode_end: Option<u32>,
    /// Year of release.
    pub year: Option<u16>,
    /// Date of release or first airing, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Description.
    pub plot: Option<String>,
}

/// A channel as guides and playlists name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuideChannel {
    /// Key of the channel: never used for another one.
    pub id: i64,
    /// Number, `n` or `n.n`.
    pub number: String,
    /// Name.
    pub name: String,
    /// Group for players that show groups.
    pub group: Option<String>,
    /// Logo: a URL, or a path on this server that begins with a slash.
    pub logo: Option<String>,
}

impl GuideChannel {
    /// Its id in XMLTV and M3U. Made from the key and not from the number, because Plex shows the guide of the
    /// channel that had an id before to the one that has it now.
    pub fn guide_id(&self) -> String {
        guide_id(self.id)
    }

    fn logo_url(&self, base: &str) -> Option<String> {
        self.logo.as_ref().map(|logo| match logo.starts_with('/') {
            true => format!("{base}{logo}"),
            false => logo.clone(),
        })
    }
}

/// The id in XMLTV and M3U of the channel with this key.
pub fn guide_id(channel_id: i64) -> String {
    format!("c{channel_id}.exstreamd")
}
