//! What could be made of a library: starter channels, the format that suits a collection, and what that
//! format costs.
//!
//! Reads the database only; nothing is made here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{ErrorKind, Result};
use crate::guide::ItemKind;
use crate::media::{CopyClass, Format, Probe, Ticks90k, VideoCodec};
use crate::schedule::PlayOrder;
use crate::store::{Collection, Id, MAX_PAGE, Store};

/// Shows with fewer episodes than this get no channel of their own.
const FEWEST_EPISODES: u64 = 4;
/// Nor does a folder with fewer films.
const FEWEST_FILMS: u64 = 4;
/// Channels proposed at most: a lineup that nobody reads helps nobody.
const MOST: usize = 20;
/// Items that decide a format: beyond it the majority is the same.
const SAMPLE: usize = 2_000;
/// Items named as exceptions.
const EXCEPTIONS: usize = 50;

/// A channel that could be made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// Name.
    pub name: String,
    /// What it would play.
    pub collection: Collection,
    /// In which order.
    pub order: PlayOrder,
    /// Items that it could play.
    pub items: u64,
    /// What its clients would be promised.
    pub format: Format,
    /// What that costs.
    pub share: CopyShare,
}

/// How much of a collection a format carries without transcoding.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CopyShare {
    /// Items that can be played.
    pub items: u64,
    /// Those of them that are copied.
    pub copied_items: u64,
    /// Playing time of all, ms.
    pub length_ms: i64,
    /// Playing time of those copied, ms.
    pub copied_ms: i64,
    /// Some of those that must be transcoded, and why.
    pub exceptions: Vec<Exception>,
}

/// An item that a format does not carry as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// Which.
    pub item_id: Id,
    /// Its file, where that was looked up ([`name_exceptions`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why.
    pub reason: String,
}

impl CopyShare {
    /// Percent of the playing time that is copied, rounded down; 100 when there is nothing to play.
    pub fn percent(&self) -> i64 {
        match self.length_ms {
            0 => 100,
            length => self.copied_ms.saturating_mul(100) / length,
        }
    }
}

/// The format that suits a collection, with `video` in it when the user chose.
pub async fn propose_format(
    store: &Store,
    collection: &Collection,
    video: Option<VideoCodec>,
) -> Result<Format> {
    let mut sample: Vec<Probe> = Vec::new();
    let mut after = 0;
    while sample.len() < SAMPLE {
        let page = store.probes(collection, after, MAX_PAGE).await?;
        let Some(&(last, _)) = page.last() else { break };
        after = last;
        sample.extend(page.into_iter().map(|(_, probe)| slim(probe)));
    }
    let mut format = Format::propose(sample.iter());
    format.video = video.unwrap_or(format.video);
    Ok(format)
}

/// Without what formats do not ask.
fn slim(mut probe: Probe) -> Probe {
    probe.chapters = Vec::new();
    if let Some(video) = &mut probe.video {
        video.raps = Vec::new();
    }
    probe
}

/// What `format` costs for a collection.
pub async fn copy_share(
    store: &Store,
    collection: &Collection,
    format: &Format,
) -> Result<CopyShare> {
    let mut share = CopyShare::default();
    let mut after = 0;
    loop {
        let page = store.probes(collection, after, MAX_PAGE).await?;
        let Some(&(last, _)) = page.last() else {
            return Ok(share);
        };
        after = last;
        for (id, probe) in page {
            let length_ms = probe.length().max(Ticks90k(0)).round_ms();
            share.items += 1;
            share.length_ms += length_ms;
            match format.copy_class(&probe) {
                CopyClass::Copy => {
                    share.copied_items += 1;
                    share.copied_ms += length_ms;
                }
                CopyClass::Transcode { reason, .. } if share.exceptions.len() < EXCEPTIONS => {
                    share.exceptions.push(Exception {
                        item_id: id,
                        path: None,
                        reason,
                    });
                }
                CopyClass::Transcode { .. } => {}
            }
        }
    }
}

/// Looks up which files the exceptions of `share` are.
pub async fn name_exceptions(store: &Store, share: &mut CopyShare) -> Result<()> {
    for exception in &mut share.exceptions {
        let path = match store.item(exception.item_id).await {
            Ok(item) => item.path,
            // Removed in between.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        exception.path = Some(path.to_string_lossy().into_owned());
    }
    Ok(())
}

/// Starter channels for what the library holds: everything shuffled, the films, and each show in its order.
/// Empty when there is nothing to play.
pub async fn starter_channels(store: &Store) -> Result<Vec<Proposal>> {
    let found = survey(store).await?;
    let mut wanted = vec![(
        "Everything".to_owned(),
        Collection::Library,
        PlayOrder::Shuffle,
        found.items,
    )];
    if let Some((path, films)) = found.film_folder()
        && films >= FEWEST_FILMS
        && films < found.items
        // Its path would have to go through JSON, which has no other text.
        && path.to_str().is_some()
    {
        wanted.push((
            "Films".to_owned(),
            Collection::Folder { path },
            PlayOrder::Shuffle,
            films,
        ));
    }
    let mut shows: Vec<(String, u64)> = found
        .shows
        .into_values()
        .filter(|(_, n)| *n >= FEWEST_EPISODES)
        .collect();
    shows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (title, episodes) in shows {
        wanted.push((
            title.clone(),
            Collection::Show { title },
            PlayOrder::SeasonEpisode,
            episodes,
        ));
    }
    let mut proposals = Vec::new();
    for (name, collection, order, items) in wanted.into_iter().take(MOST) {
        if items == 0 {
            continue;
        }
        let format = propose_format(store, &collection, None).await?;
        let share = copy_share(store, &collection, &format).await?;
        proposals.push(Proposal {
            name,
            collection,
            order,
            items,
            format,
            share,
        });
    }
    Ok(proposals)
}

#[derive(Default)]
struct Survey {
    items: u64,
    films: u64,
    /// The deepest folder that holds all films.
    folder: Option<PathBuf>,
    /// Folders that hold something else, as far as they matter.
    others: Vec<PathBuf>,
    /// By lower-case title: the title and how many episodes can be played.
    shows: BTreeMap<String, (String, u64)>,
}

impl Survey {
    fn add(&mut self, kind: ItemKind, show: Option<String>, path: &Path) {
        self.items += 1;
        let folder = path.parent().unwrap_or(path);
        if kind == ItemKind::Movie {
            self.films += 1;
            self.folder = Some(match self.folder.take() {
                None => folder.to_owned(),
                Some(common) => common_folder(&common, folder),
            });
        } else if self.others.last().is_none_or(|last| last != folder) && self.others.len() < 10_000
        {
            self.others.push(folder.to_owned());
        }
        if let (ItemKind::Episode, Some(show)) = (kind, show) {
            self.shows.entry(show.to_lowercase()).or_insert((show, 0)).1 += 1;
        }
    }

    /// The folder of the films, when it holds nothing else.
    fn film_folder(&self) -> Option<(PathBuf, u64)> {
        let folder = self.folder.as_ref()?;
        let pure = !self.others.iter().any(|other| other.starts_with(folder));
        pure.then(|| (folder.clone(), self.films))
    }
}

async fn survey(store: &Store) -> Result<Survey> {
    let mut found = Survey::default();
    let mut after = 0;
    loop {
        let page = store.items_in(&Collection::Library, after, 200).await?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        after = last.id;
        for item in page {
            let playable = matches!(item.probe, crate::store::ProbeState::Known(_));
            if playable && item.missing_since.is_none() {
                found.add(item.kind, item.metadata.show, &item.path);
            }
        }
    }
}

fn common_folder(a: &Path, b: &Path) -> PathBuf {
    a.components()
        .zip(b.components())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_get_a_channel_when_they_have_a_folder_of_their_own() {
        let check = |files: &[(ItemKind, &str)], expected: Option<&str>| {
            let mut found = Survey::default();
            for (kind, path) in files {
                found.add(*kind, None, Path::new(path));
            }
            let folder = found
                .film_folder()
                .map(|(folder, _)| folder.display().to_string());
            assert_eq!(folder.as_deref(), expected);
        };
        use ItemKind::{Episode, Movie};
        check(
            &[
                (Movie, "/m/films/A/a.mkv"),
                (Movie, "/m/films/b.mkv"),
                (Episode, "/m/shows/c.mkv"),
            ],
            Some("/m/films"),
        );
        check(&[(Movie, "/m/a.mkv"), (Episode, "/m/shows/c.mkv")], None);
        check(&[(Episode, "/m/shows/c.mkv")], None);
    }

    #[test]
    fn a_show_is_counted_whatever_the_case_of_its_name() {
        let mut found = Survey::default();
        for show in ["Den", "DEN", "Other"] {
            found.add(
                ItemKind::Episode,
                Some(show.to_owned()),
                Path::new("/s/x.mkv"),
            );
        }
        let shows: Vec<_> = found.shows.into_values().collect();
        assert_eq!(shows, [("Den".to_owned(), 2), ("Other".to_owned(), 1)]);
    }

    #[test]
    fn the_share_is_of_playing_time() {
        let share = CopyShare {
            length_ms: 1000,
            copied_ms: 929,
            ..CopyShare::default()
        };
        assert_eq!((share.percent(), CopyShare::default().percent()), (92, 100));
    }
}
