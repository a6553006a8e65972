//! From a track's own time to the time of the item: edit list and negative composition offsets, both
//! applied as libavformat does, so that a position means the same to us and to ffmpeg.

use super::samples::{Place, Samples, Times};
use super::table::negative_shift;
use super::track::{Edit, Track, TrackKind};
use crate::bail;
use crate::error::Result;
use crate::media::read_at::Source;
use crate::media::time::Ticks90k;

/// Samples looked at for the first and the last picture shown: more than any reorder depth.
const EDGE_PICTURES: u32 = 64;

/// How samples of a track become units of the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeline {
    timescale: u32,
    /// Subtracted from decoding times so that none is after its composition time.
    shift: i64,
    /// Subtracted from both times.
    base: i64,
    /// First sample of the edit among those of the movie box, a random access point.
    pub(super) first: u32,
    /// Pictures shown before this time belong to a part that was cut away (track time).
    visible_from: i64,
    /// Samples from this time on are cut away.
    visible_until: i64,
    /// Composition offsets are nonsense and not used.
    ignores_compositions: bool,
}

impl Timeline {
    /// Works a track's edit list out. `Unsupported` names what only ffmpeg can play.
    pub(super) fn new(
        source: &Source,
        track: &Track,
        movie_timescale: u32,
        samples: &mut Samples,
        is_fragmented: bool,
    ) -> Result<Self> {
        let shift = match track.tables.compositions {
            Some(table) => negative_shift(source, table)?,
            None => Some(0),
        };
        let stated = if is_fragmented { track.least_offset } else { 0 };
        let mut timeline = Self {
            timescale: track.timescale,
            shift: i64::from(shift.unwrap_or(0)).max(stated),
            base: 0,
            first: 0,
            visible_from: i64::MIN,
            visible_until: i64::MAX,
            ignores_compositions: shift.is_none(),
        };
        let Some((empty, edit)) = single_edit(&track.edits)? else {
            return Ok(timeline);
        };
        let empty = rescale(empty, track.timescale, movie_timescale);
        if edit.duration > 0 {
            let length = rescale(edit.duration, track.timescale, movie_timescale);
            timeline.visible_until = edit.media_time.saturating_add(length);
        }
        if is_fragmented && samples.count() == 0 {
            // libavformat cuts nothing out of fragments either: the edit only moves them.
            timeline.base = edit.media_time.saturating_sub(empty);
            return Ok(timeline);
        }
        match track.kind {
            TrackKind::Video => timeline.start_at_picture(samples, edit.media_time, empty)?,
            TrackKind::Audio | TrackKind::Text => {
                // One second of sound before the edit lets decoders settle (libavformat does the same).
                let from = edit.media_time.saturating_sub(i64::from(track.timescale));
                timeline.first = samples.index_at_dts(from)?;
                timeline.base = edit.media_time.saturating_sub(empty);
            }
        }
        Ok(timeline)
    }

    /// Finds the random access point at the edit's start and puts the first picture shown right behind
    /// the empty edit.
    fn start_at_picture(
        &mut self,
        samples: &mut Samples,
        media_time: i64,
        empty: i64,
    ) -> Result<()> {
        let mut at = samples.index_at_dts(media_time.saturating_add(self.shift))?;
        for _ in 0..EDGE_PICTURES {
            let Some(sync) = samples.sync_at_or_before(at)? else {
                break;
            };
            samples.seek(sync)?;
            let shown = samples.peek()?.map_or(0, |s| self.shown_at(&s.times));
            if shown <= media_time {
                self.first = sync;
                break;
            }
            if sync == 0 {
                break;
            }
            at = sync - 1;
        }
        samples.seek(self.first)?;
        let mut first_shown = i64::MAX;
        let mut entry_end = None;
        for _ in 0..EDGE_PICTURES {
            let Some(sample) = samples.peek()? else {
                break;
            };
            let shown = self.shown_at(&sample.times);
            // A cut within the first picture is the rounding of some writer, not a cut.
            let end =
                *entry_end.get_or_insert(shown.saturating_add(i64::from(sample.times.duration)));
            if end <= media_time {
                bail!(
                    Unsupported,
                    "edit list that begins between random access points"
                );
            }
            if shown >= media_time {
                first_shown = first_shown.min(shown);
            }
            samples.advance();
        }
        if first_shown == i64::MAX {
            first_shown = media_time;
        }
        self.visible_from = media_time;
        self.base = first_shown.saturating_sub(empty);
        Ok(())
    }

    /// Composition time in the track's units.
    fn shown_at(&self, times: &Times) -> i64 {
        let composition = if self.ignores_compositions {
            0
        } else {
            i64::from(times.composition)
        };
        times.dts.saturating_add(composition)
    }

    /// PTS in item time.
    pub(super) fn pts(&self, times: &Times) -> Ticks90k {
        self.item_time(self.shown_at(times))
    }

    /// DTS in item time, never after the PTS.
    pub(super) fn dts(&self, times: &Times) -> Ticks90k {
        let units = times.dts.saturating_sub(self.shift);
        self.ticks(units.saturating_sub(self.base))
            .min(self.pts(times))
    }

    /// A length or time of the track in ticks.
    pub(super) fn ticks(&self, units: i64) -> Ticks90k {
        Ticks90k::from_scaled(units, self.timescale)
    }

    /// The latest DTS, as the table has it, that a sample shown at `item` can have.
    pub(super) fn latest_dts(&self, item: Ticks90k) -> i64 {
        let wide = i128::from(item.0) * i128::from(self.timescale);
        let units = wide.div_euclid(90_000) + i128::from(self.base) + i128::from(self.shift);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    /// When the sample is no longer shown, comparable between samples of this track only.
    pub(super) fn shown_until(&self, times: &Times) -> i64 {
        self.shown_at(times)
            .saturating_add(i64::from(times.duration))
    }

    /// A composition time of the track as PTS in item time.
    pub(super) fn item_time(&self, shown: i64) -> Ticks90k {
        self.ticks(shown.saturating_sub(self.base))
    }

    /// The first sample of those that can be shown last: from there on everything has to be looked at.
    pub(super) fn tail(&self, samples: &mut Samples) -> Result<u32> {
        let end = self.visible_until.saturating_add(self.shift);
        let last = samples.index_at_dts(end)?;
        Ok(last.saturating_sub(EDGE_PICTURES).max(self.first))
    }

    /// Whether the edit list cuts the sample away. The entry picture stays even when a rounded edit
    /// begins within it. Samples of fragments all stay.
    pub(super) fn is_cut_away(&self, place: Place, times: &Times) -> bool {
        let shown = self.shown_at(times);
        let is_entry = place.index == self.first;
        let is_outside = (shown < self.visible_from && !is_entry) || shown >= self.visible_until;
        place.fragment == 0 && is_outside
    }

    /// Whether everything behind the sample is cut away as well, whatever its composition offset.
    pub(super) fn is_behind_the_end(&self, place: Place, times: &Times) -> bool {
        let decoded = times.dts.saturating_sub(self.shift);
        place.fragment == 0 && decoded >= self.visible_until
    }

    /// Fragments may reach further below zero than was known: decoding times go back by that much from there on.
    pub(super) fn learn(&mut self, times: &Times) {
        self.shift = self.shift.max(-i64::from(times.composition));
    }
}

/// The sum of the leading empty edits and the one edit with media; `None` without edit list.
fn single_edit(edits: &[Edit]) -> Result<Option<(u64, Edit)>> {
    let media: Vec<_> = edits.iter().filter(|e| e.media_time >= 0).collect();
    let edit = match *media.as_slice() {
        [] => return Ok(None),
        [edit] => *edit,
        _ => bail!(Unsupported, "edit list with {} media edits", media.len()),
    };
    if edit.rate != 0x1_0000 && edit.rate != 0 {
        bail!(Unsupported, "edit list that changes the speed");
    }
    let empty = edits.iter().take_while(|e| e.media_time < 0);
    let sum = empty.fold(0u64, |sum, e| sum.saturating_add(e.duration));
    Ok(Some((sum, edit)))
}

/// `value` of one time scale in units of another, rounded to the nearest.
fn rescale(value: u64, to: u32, from: u32) -> i64 {
    if from == 0 {
        return 0;
    }
    let (to, from) = (u128::from(to), u128::from(from));
    let wide = (u128::from(value) * to + from / 2) / from;
    i64::try_from(wide).unwrap_or(i64::MAX)
}
