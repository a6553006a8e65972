//! What stands in front of (and, found through the SeekHead, behind) the clusters: where everything
//! lies, the time scale, the tracks, the chapters (RFC 9559 §5.1).

use super::clusters::{RESYNC_BYTES, Walker, find_cluster};
use super::ebml::{Element, WINDOW_BYTES, Window};
use super::ids;
use super::sync::Tracks;
use super::tracks::{self, Track};
use crate::bail;
use crate::error::Result;
use crate::media::probe::Chapter;
use crate::media::time::Ticks90k;

/// Elements of the Segment looked at before the first Cluster.
const TOP_LEVEL_MAX: usize = 4_096;

/// Entries of a SeekHead that are followed.
const SEEKS_MAX: usize = 64;

/// Cues behind the clusters are read together with this much of what stands in front of them: the end of
/// the last cluster, which the probe asks for next.
pub(super) const IN_FRONT_OF_CUES: u64 = 128 * 1024;

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
    /// How long the file says it is.
    pub(super) duration: Option<Ticks90k>,
    pub(super) tracks: Vec<Track>,
    /// The Cues element, when there is one.
    pub(super) cues: Option<Element>,
    chapters: Option<Element>,
}

impl Layout {
    /// Reads the header of the file behind `window`.
    pub(super) fn read(window: &mut Window) -> Result<Self> {
        window.load(0, WINDOW_BYTES)?;
        let segment = find_segment(window)?;
        let end = segment_end(window, &segment)?;
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
        if first_cluster.is_none() && at < end {
            // Damage in front of the clusters.
            first_cluster = find_cluster(window, at, end.min(at.saturating_add(RESYNC_BYTES)))?;
        }
        // What was not met on the way is looked up; a second SeekHead may only be found through the first.
        let mut followed = 0;
        while let Some((id, position)) = parts.seeks.get(followed).copied() {
            followed += 1;
            let at = segment.data.saturating_add(position);
            if parts.has(id) || at >= end {
                continue;
            }
            if id == ids::CUES && first_cluster.is_some_and(|cluster| cluster < at) {
                window.load(at.saturating_sub(IN_FRONT_OF_CUES), WINDOW_BYTES)?;
            }
            if let Some(element) = Element::read(window, at)?.filter(|e| e.id == id) {
                parts.take(window, &element)?;
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
            duration: parts.duration.map(|units| {
                let scale = parts.timestamp_scale.unwrap_or(1_000_000) as f64;
                // Of a float that lies the cast makes the nearest number.
                nanoseconds_to_ticks((units * scale) as i128)
            }),
            tracks: list,
            cues: parts.cues,
            chapters: parts.chapters,
        })
    }

    /// A walk through the clusters from the one at `at` on.
    pub(super) fn walker(&self, at: u64) -> Walker {
        self.walker_to(at, self.end)
    }

    /// The same, ending at `end`.
    pub(super) fn walker_to(&self, at: u64, end: u64) -> Walker {
        Walker::new(at, end, self.numbers())
    }

    /// The numbers of the tracks.
    pub(super) fn numbers(&self) -> Tracks {
        Tracks::new(self.tracks.iter().map(|track| track.number))
    }

    /// A time in units of the timestamp scale in ticks, rounded to the nearest.
    pub(super) fn ticks(&self, time: i64) -> Ticks90k {
        let nanoseconds = i128::from(time) * i128::from(self.timestamp_scale);
        nanoseconds_to_ticks(nanoseconds)
    }

    /// The chapters, in order, of the default edition, else of the first. Hidden editions are passed over,
    /// and so are ordered ones (RFC 9559 §20.1.3): their times tell a player where to jump, not where
    /// something begins in a file that is played from front to back.
    pub(super) fn chapters(&self, window: &mut Window) -> Result<Vec<Chapter>> {
        let mut chapters = Vec::new();
        let mut is_default = false;
        let Some(element) = &self.chapters else {
            return Ok(chapters);
        };
        element.children(window, |window, edition| {
            if edition.id != ids::EDITION_ENTRY || is_default {
                return Ok(());
            }
            let mut found = Vec::new();
            let (mut passed_over, mut default) = (false, false);
            edition.children(window, |window, child| {
                match child.id {
                    ids::EDITION_FLAG_HIDDEN | ids::EDITION_FLAG_ORDERED => {
                        passed_over |= child.uint(window)? == Some(1);
                    }
                    ids::EDITION_FLAG_DEFAULT => default = child.uint(window)? == Some(1),
                    ids::CHAPTER_ATOM if found.len() < CHAPTERS_MAX => {
                        found.extend(read_chapter(window, child)?);
                    }
                    _ => {}
                }
                Ok(())
            })?;
            if !passed_over && (default || chapters.is_empty()) {
                (chapters, is_default) = (found, default);
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
    // EBMLMaxIDLength and EBMLMaxSizeLength are not asked: whatever they say, Matroska's IDs are at most
    // four bytes long, and an element tells the length of its size itself.
    let mut doc_type = "matroska".to_owned();
    header.children(window, |window, element| {
        if element.id == ids::DOC_TYPE {
            doc_type = element.text(window, 32)?;
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

/// Where the Segment ends. A size that stops in front of more elements of the Segment is a lie of a
/// recorder that never came to write the true one.
fn segment_end(window: &mut Window, segment: &Element) -> Result<u64> {
    let size = window.size();
    let end = segment.end(size);
    if end < size
        && let Some(behind) = Element::read(window, end)?
        && ids::is_top_level(behind.id)
    {
        return Ok(size);
    }
    Ok(end)
}

/// What has been found of a Segment so far.
#[derive(Default)]
struct Parts {
    timestamp_scale: Option<u64>,
    /// In units of the timestamp scale.
    duration: Option<f64>,
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
                // A SeekHead may list every cluster; those are found without it.
                let wanted = |(id, _): &(u32, u64)| {
                    matches!(
                        *id,
                        ids::SEEK_HEAD | ids::INFO | ids::TRACKS | ids::CUES | ids::CHAPTERS
                    )
                };
                if seek.id == ids::SEEK && self.seeks.len() < SEEKS_MAX {
                    self.seeks.extend(read_seek(window, seek)?.filter(wanted));
                }
                Ok(())
            })?,
            ids::INFO => {
                let mut scale = 1_000_000;
                element.children(window, |window, child| {
                    match child.id {
                        ids::TIMESTAMP_SCALE => {
                            scale = child.uint(window)?.filter(|n| *n > 0).unwrap_or(scale);
                        }
                        ids::DURATION => self.duration = child.float(window)?,
                        _ => {}
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

/// One chapter; `None` when it is hidden, switched off, without a time or in another file.
fn read_chapter(window: &mut Window, atom: &Element) -> Result<Option<Chapter>> {
    let (mut start, mut title, mut shown) = (None, String::new(), true);
    atom.children(window, |window, child| {
        match child.id {
            ids::CHAPTER_TIME_START => start = child.uint(window)?,
            ids::CHAPTER_FLAG_HIDDEN => shown &= child.uint(window)? != Some(1),
            ids::CHAPTER_FLAG_ENABLED => shown &= child.uint(window)? != Some(0),
            ids::CHAPTER_SEGMENT_UUID => shown = false,
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
