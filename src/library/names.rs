//! What a file is, from its name and the folders above it: film, episode or something else, with
//! titles and numbers. Pure text: nothing is opened. NFO files (see [`super::nfo`]) may correct it later.

mod episode;
mod title;

pub(crate) use title::printable;

use std::path::Path;

use crate::guide::{Facets, ItemKind, Metadata};
use crate::store::RootKind;

use episode::{AirDate, Marker, SeasonFolder};

/// What names say about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Film, episode or other.
    pub kind: ItemKind,
    /// Titles and numbers. `title` is never empty.
    pub metadata: Metadata,
    /// Genres, people and the like: names have none, NFO files add them.
    pub facets: Facets,
}

/// Folders of a disc image that say nothing about the film in them.
const DISC_FOLDERS: &[&str] = &["bdmv", "stream", "video_ts"];

/// Reads the names of `file` and of the folders between it and `root`, which holds `kind`.
///
/// Bytes that are not UTF-8 are shown as U+FFFD and control characters as spaces; the path itself is kept
/// by the caller as it is.
pub fn identify(root: &Path, kind: RootKind, file: &Path) -> Named {
    let inside = file.strip_prefix(root).unwrap_or(file);
    let folders: Vec<String> = inside
        .parent()
        .into_iter()
        .flat_map(Path::components)
        .map(|c| lossy(c.as_os_str()))
        .filter(|f| !DISC_FOLDERS.contains(&f.to_ascii_lowercase().as_str()))
        .collect();
    let names = Names {
        root: root.file_name().map(lossy).unwrap_or_default(),
        folders,
        stem: file.file_stem().map(lossy).unwrap_or_default(),
    };
    match kind {
        RootKind::Movies => names.movie(),
        RootKind::Other => names.other(),
        RootKind::Shows => names.episode_in_shows(),
        RootKind::Auto => names
            .episode_anywhere()
            .unwrap_or_else(|| names.movie_or_other()),
    }
}

fn lossy(name: &std::ffi::OsStr) -> String {
    title::printable(&name.to_string_lossy())
}

/// The names on the way from a root to a file, as text.
struct Names {
    root: String,
    folders: Vec<String>,
    stem: String,
}

/// How a file name counts its episode.
enum Numbering {
    Marker(Marker),
    Date(AirDate),
    None,
}

impl Numbering {
    fn starts_at(&self) -> Option<usize> {
        match self {
            Self::Marker(m) => Some(m.at.start),
            Self::Date(d) => Some(d.at.start),
            Self::None => None,
        }
    }
}

impl Names {
    fn movie(&self) -> Named {
        let own = title::clean(&self.stem);
        // `Title (1999)/title-cd1.mkv`: the folder knows better as soon as it alone knows the year.
        let folder = self.folders.last().map(|f| title::clean(f));
        let best = match folder {
            Some(folder) if own.year.is_none() && folder.year.is_some() => folder,
            _ => own,
        };
        Named {
            kind: ItemKind::Movie,
            metadata: Metadata {
                title: self.or_stem(best.text),
                year: best.year,
                ..Metadata::default()
            },
            facets: Facets::default(),
        }
    }

    fn other(&self) -> Named {
        let date = episode::find_date(&self.stem);
        let cleaned = title::clean(&self.stem);
        Named {
            kind: ItemKind::Other,
            metadata: Metadata {
                title: self.or_stem(cleaned.text),
                year: cleaned.year,
                date: date.map(|d| d.date),
                ..Metadata::default()
            },
            facets: Facets::default(),
        }
    }

    /// A year in the name of the file or its folder makes a film; without one nothing is certain.
    fn movie_or_other(&self) -> Named {
        let movie = self.movie();
        if movie.metadata.year.is_some() {
            movie
        } else {
            self.other()
        }
    }

    /// Below a root of shows the first folder is the show, whatever the file is called.
    fn episode_in_shows(&self) -> Named {
        let season = self.season();
        let numbering = self.numbering(season.as_ref());
        let in_folder = self.folders.first().filter(|first| {
            // `Show.S04.1080p` and `Season 1` directly below the root are seasons; "24" is a show there.
            episode::season_folder(first).is_none_or(|s| s.bare)
        });
        let show = in_folder
            .map(|f| show_title(f))
            .or_else(|| self.show_of_season(season.as_ref()))
            .or_else(|| self.show_before(&numbering))
            .or_else(|| {
                let inside = season.is_some() || numbering.starts_at().is_some();
                inside.then(|| show_title(&self.root)).flatten_non_empty()
            });
        match show {
            Some(show) => self.episode(show, season.as_ref(), numbering),
            None => self.other(),
        }
    }

    /// Anywhere else only a number, an air date behind a title, or a season folder makes an episode.
    fn episode_anywhere(&self) -> Option<Named> {
        let season = self.season();
        let numbering = self.numbering(season.as_ref());
        let before = self.show_before(&numbering);
        match (&numbering, &season) {
            (Numbering::Marker(_), _) | (_, Some(SeasonFolder { bare: false, .. })) => {}
            (Numbering::Date(_), _) if before.is_some() => {}
            _ => return None,
        }
        let parent = || {
            let parent = self.folders.last().unwrap_or(&self.root);
            show_title(parent)
        };
        let show = match &season {
            Some(found) => self.show_of_season(Some(found)).or(before),
            None => match before {
                // The folder's spelling when it says the same ("The Show (2005)/the.show.s01e02").
                Some(before) if same_show(&before, &parent()) => Some(parent()),
                other => other,
            },
        };
        let show = show.unwrap_or_else(parent);
        if show.is_empty() {
            return None;
        }
        Some(self.episode(show, season.as_ref(), numbering))
    }

    /// The season that the file's folder names. A bare number directly below the root is no season.
    fn season(&self) -> Option<SeasonFolder> {
        let found = episode::season_folder(self.folders.last()?)?;
        (!found.bare || self.folders.len() >= 2).then_some(found)
    }

    /// The show above a season folder, or in its own name.
    fn show_of_season(&self, season: Option<&SeasonFolder>) -> Option<String> {
        let season = season?;
        let above = || match self.folders.len() {
            0 | 1 => self.root.as_str(),
            n => self.folders[n - 2].as_str(),
        };
        let name = if season.show.is_empty() {
            above()
        } else {
            season.show.as_str()
        };
        Some(show_title(name)).flatten_non_empty()
    }

    fn show_before(&self, numbering: &Numbering) -> Option<String> {
        let before = self.stem.get(..numbering.starts_at()?)?;
        Some(show_title(before)).flatten_non_empty()
    }

    fn numbering(&self, season: Option<&SeasonFolder>) -> Numbering {
        if let Some(found) = episode::find_marker(&self.stem) {
            return Numbering::Marker(found);
        }
        if let Some(date) = episode::find_date(&self.stem) {
            return Numbering::Date(date);
        }
        season
            .and_then(|_| episode::find_number_in_season(&self.stem))
            .map_or(Numbering::None, Numbering::Marker)
    }

    fn episode(&self, show: String, season: Option<&SeasonFolder>, numbering: Numbering) -> Named {
        let mut metadata = Metadata {
            show: Some(show),
            season: season.map(|s| s.season),
            ..Metadata::default()
        };
        let behind = |end: usize| {
            let rest = self.stem.get(end..).unwrap_or_default();
            title::episode_title(rest)
        };
        match numbering {
            Numbering::Marker(found) => {
                // The file's own season wins: a file put into the wrong folder is still what it says.
                metadata.season = found.season.or(metadata.season);
                metadata.episode = Some(found.first);
                metadata.episode_end = found.last;
                metadata.title = behind(found.at.end).unwrap_or_else(|| match found.last {
                    Some(last) => format!("Episodes {}–{last}", found.first),
                    None => format!("Episode {}", found.first),
                });
            }
            Numbering::Date(found) => {
                metadata.title = behind(found.at.end).unwrap_or_else(|| found.date.clone());
                metadata.date = Some(found.date);
            }
            Numbering::None => {
                let cleaned = title::clean(&self.stem);
                metadata.title = self.or_stem(cleaned.text);
                metadata.year = cleaned.year;
            }
        }
        Named {
            kind: ItemKind::Episode,
            metadata,
            facets: Facets::default(),
        }
    }

    /// `text`, or the file's own name when cleaning left nothing of it.
    fn or_stem(&self, text: String) -> String {
        [text, self.stem.clone()]
            .into_iter()
            .find(|t| !t.is_empty())
            .unwrap_or_else(|| "?".to_owned())
    }
}

/// A show keeps its year, which tells "Doctor Who (1963)" from "Doctor Who (2005)".
fn show_title(name: &str) -> String {
    let cleaned = title::clean(name);
    match cleaned.year {
        Some(year) if !cleaned.text.is_empty() => format!("{} ({year})", cleaned.text),
        _ => cleaned.text,
    }
}

/// Whether two titles of shows differ only in case, signs and year.
fn same_show(a: &str, b: &str) -> bool {
    let key = |text: &str| {
        let text = text.rsplit_once(" (").map_or(text, |(head, _)| head);
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    key(a) == key(b)
}

/// An empty title is no title.
trait NonEmpty {
    fn flatten_non_empty(self) -> Option<String>;
}

impl NonEmpty for Option<String> {
    fn flatten_non_empty(self) -> Option<String> {
        self.filter(|s| !s.is_empty())
    }
}

#[cfg(test)]
mod tests;
