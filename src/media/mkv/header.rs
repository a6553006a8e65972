//! What stands in front of (and, found through the SeekHead, behind) the clusters: where everything
//! lies, the time scale, the tracks, the chapters (RFC 9559 §5.1).

use super::ebml::{Element, Window};
use super::ids;
use super::tracks::{self, Track};
use crate::bail;
use crate::error::Result;
use crate::media::probe::Chapter;
use crate::media::time::Ticks90k;

/// Elements of the Segment looked at before the first Cluster.
const TOP_LEVEL_MAX: usize = 4_096;

/// Entries of a SeekHead that are followed.
const SEEKS_MAX: usize = 64;

/// Chapters kept, and bytes of each title.
const CHAPTERS_MAX: usize = 1_000;
const TITLE_BYTES: usize = 256;

/// A segment's parts.
#[derive(Debug)]
pub(super) struct Layout {
    /// Where the Segment's content begins: positions inside the file count from here.
    pub(super) segment: u64,
    /// Where the Segment ends, at most the end of the source.
    pub(super) end: u64,
    /// Where the first Cluster begins.
    pub(super) first_cluster: u64,
    /// Nanoseconds of one unit of cluster and block times.
    pub(super) timestamp_scale: u64,
    pub(super) tracks: Vec<Track>,
    /// The Cues element, when there is one.
    pub(super) cues: Option<Element>,
    chapters: Option<Element>,
}

impl Layout {
    /// Reads the header of the file behind `window`.
    pub(super) fn read(window: &mut Window) -> Result<Self> {
        let segment = find_segment(window)?;
        let end = segment.end(window.size());
        let mut parts = Parts::default();
        let mut at = segment.data;
        let mut first_cluster = None;
        for _ in 0..TOP_LEVEL_MAX {
            let Some(element) = Element::read(window, at)?.filter(|_| at < end) else {
                break;
            };
            if element.id == ids::CLUSTER {
                first_cluster = Some(at);
                break;
            }
            parts.take(window, &element)?;
            if element.size.is_none() || !element.fits(end) {
                break;
            }
            at = element.end(end);
        }
        // What was not met on the way is looked up; a second SeekHead may only be found through the first.
        let mut followed = 0;
        while let Some((id, position)) = parts.seeks.get(followed).copied() {
            followed += 1;
            let at = segment.data.saturating_add(position);
            match Element::read(window, at)? {
                Some(element) if element.id == id && !parts.has(id) && at < end => {
                    parts.take(window, &element)?;
                }
                Some(element) if element.id == ids::CLUSTER && id == ids::CLUSTER => {
                    first_cluster.get_or_insert(at);
                }
                _ => {}
            }
        }
        let Some(tracks) = parts.tracks else {
            bail!(
                Damaged,
                "{}: no Tracks element in the Segment at byte {}",
                window.name(),
                segment.at
            );
        };
        let mut list = Vec::new();
        tracks.children(window, |window, entry| {
            if entry.id == ids::TRACK_ENTRY && list.len() < tracks::TRACKS_MAX {
                list.push(Track::read(window, entry)?);
            }
            Ok(())
        })?;
        Ok(Self {
            segment: segment.data,
            end,
            first_cluster: first_cluster.unwrap_or(end),
            timestamp_scale: parts.timestamp_scale.unwrap_or(1_000_000),
            tracks: list,
            cues: parts.cues,
            chapters: parts.chapters,
        })
    }

    /// A time in units of the timestamp scale in ticks, rounded to the nearest.
    pub(super) fn ticks(&self, time: i64) -> Ticks90k {
        let nanoseconds = i128::from(time) * i128::from(self.timestamp_scale);
        nanoseconds_to_ticks(nanoseconds)
    }

    /// The chapters of the first edition that is shown, in order.
    pub(super) fn chapters(&self, window: &mut Window) -> Result<Vec<Chapter>> {
        let mut chapters = Vec::new();
        let Some(element) = &self.chapters else {
            return Ok(chapters);
        };
        element.children(window, |window, edition| {
            if edition.id != ids::EDITION_ENTRY || !chapters.is_empty() {
                return Ok(());
            }
            let mut found = Vec::new();
            let mut hidden = false;
            edition.children(window, |window, atom| {
                if atom.id == ids::EDITION_FLAG_HIDDEN {
                    hidden = atom.uint(window)? == Some(1);
                } else if atom.id == ids::CHAPTER_ATOM && found.len() < CHAPTERS_MAX {
                    found.extend(read_chapter(window, atom)?);
                }
                Ok(())
            })?;
            if !hidden {
                chapters = found;
            }
            Ok(())
        })?;
        chapters.sort_by_key(|chapter: &Chapter| chapter.start);
        Ok(chapters)
    }
}

/// Nanoseconds in ticks, rounded to the nearest.
pub(super) fn nanoseconds_to_ticks(nanoseconds: i128) -> Ticks90k {
    let ticks = (nanoseconds * 9 + 50_000).div_euclid(100_000);
    Ticks90k(ticks.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// Checks the EBML header and finds the Segment behind it.
fn find_segment(window: &mut Window) -> Result<Element> {
    let header = Element::read(window, 0)?.filter(|element| element.id == ids::EBML);
    let Some(header) = header else {
        bail!(
            Unsupported,
            "{} is not Matroska: it does not begin with an EBML header",
            window.name()
        );
    };
    let (mut doc_type, mut max_id, mut max_size) = ("matroska".to_owned(), Some(4), Some(8));
    header.children(window, |window, element| {
        match element.id {
            ids::DOC_TYPE => doc_type = element.text(window, 32)?,
            ids::EBML_MAX_ID_LENGTH => max_id = element.uint(window)?,
            ids::EBML_MAX_SIZE_LENGTH => max_size = element.uint(window)?,
            _ => {}
        }
        Ok(())
    })?;
    if doc_type != "matroska" && doc_type != "webm" {
        bail!(
            Unsupported,
            "{} is EBML of type {doc_type:?}, not Matroska or WebM",
            window.name()
        );
    }
    if !matches!((max_id, max_size), (Some(0..=4), Some(0..=8))) {
        bail!(
            Unsupported,
            "{}: EBML with IDs or sizes longer than Matroska allows",
            window.name()
        );
    }
    let mut at = header.end(window.size());
    for _ in 0..64 {
        match Element::read(window, at)? {
            Some(element) if element.id == ids::SEGMENT => return Ok(element),
            Some(element) if element.size.is_some() && at < window.size() => {
                at = element.end(window.size());
            }
            _ => break,
        }
    }
    bail!(
        Damaged,
        "{}: no Segment behind the EBML header (byte {at})",
        window.name()
    );
}

/// What has been found of a Segment so far.
#[derive(Default)]
struct Parts {
    timestamp_scale: Option<u64>,
    tracks: Option<Element>,
    cues: Option<Element>,
    chapters: Option<Element>,
    /// IDs and positions from SeekHeads.
    seeks: Vec<(u32, u64)>,
}

impl Parts {
    fn has(&self, id: u32) -> bool {
        match id {
            ids::INFO => self.timestamp_scale.is_some(),
            ids::TRACKS => self.tracks.is_some(),
            ids::CUES => self.cues.is_some(),
            ids::CHAPTERS => self.chapters.is_some(),
            _ => false,
        }
    }

    fn take(&mut self, window: &mut Window, element: &Element) -> Result<()> {
        match element.id {
            ids::SEEK_HEAD => element.children(window, |window, seek| {
                if seek.id == ids::SEEK && self.seeks.len() < SEEKS_MAX {
                    self.seeks.extend(read_seek(window, seek)?);
                }
                Ok(())
            })?,
            ids::INFO => {
                let mut scale = 1_000_000;
                element.children(window, |window, child| {
                    if child.id == ids::TIMESTAMP_SCALE {
                        scale = child.uint(window)?.filter(|n| *n > 0).unwrap_or(scale);
                    }
                    Ok(())
                })?;
                if scale > 1_000_000_000 {
                    bail!(
                        Damaged,
                        "{}: timestamp scale of {scale} ns (Info at byte {})",
                        window.name(),
                        element.at
                    );
                }
                self.timestamp_scale = Some(scale);
            }
            ids::TRACKS => self.tracks = Some(*element),
            ids::CUES => self.cues = Some(*element),
            ids::CHAPTERS => self.chapters = Some(*element),
            _ => {}
        }
        Ok(())
    }
}

fn read_seek(window: &mut Window, seek: &Element) -> Result<Option<(u32, u64)>> {
    let (mut id, mut position) = (None, None);
    seek.children(window, |window, child| {
        match child.id {
            // The ID is written as it stands in the file, so it reads like a number.
            ids::SEEK_ID => id = child.uint(window)?.and_then(|id| u32::try_from(id).ok()),
            ids::SEEK_POSITION => position = child.uint(window)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(id.zip(position))
}

/// One chapter; `None` when it is hidden, switched off or without a time.
fn read_chapter(window: &mut Window, atom: &Element) -> Result<Option<Chapter>> {
    let (mut start, mut title, mut shown) = (None, String::new(), true);
    atom.children(window, |window, child| {
        match child.id {
            ids::CHAPTER_TIME_START => start = child.uint(window)?,
            ids::CHAPTER_FLAG_HIDDEN => shown &= child.uint(window)? != Some(1),
            ids::CHAPTER_FLAG_ENABLED => shown &= child.uint(window)? != Some(0),
            ids::CHAPTER_DISPLAY if title.is_empty() => {
                child.children(window, |window, text| {
                    if text.id == ids::CHAP_STRING {
                        title = text.text(window, TITLE_BYTES)?;
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(start.filter(|_| shown).map(|start| Chapter {
        start: nanoseconds_to_ticks(i128::from(start)),
        title,
    }))
}
