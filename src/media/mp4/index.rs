//! Where the fragments of a film lie in time: one entry for every two seconds or more, 60 KB at most.
//!
//! Taken from sidx or mfra where there is one (ISO 14496-12 §8.16.3, §8.8.9), else made by looking at the
//! head of one moof after the other, as far as a seek needs it and no further. What sidx and mfra say are only
//! hints: times are read from the fragments themselves, and an offset that leads nowhere discards them.

use super::boxes::{BoxAt, BoxReader};
use super::fragments::Fragmented;
use super::moof::{Moof, next_moof};
use crate::error::{ErrorKind, Result};
use crate::media::read_at::Source;
use crate::media::time::Ticks90k;
use crate::media::unit::StreamKind;

/// Time between two entries, as long as they are not too many.
const SPACING: Ticks90k = Ticks90k(2 * 90_000);
const ENTRIES_MAX: usize = 2400;
/// Entries that the list grows by.
const ENTRIES_STEP: usize = 240;
/// Boxes in front of the first fragment among which an index is looked for.
const FIRST_BOXES: u32 = 16;
/// How far one track is followed beyond the time that is looked for in another.
const BEYOND: Ticks90k = Ticks90k(30 * 90_000);

/// A place in the file where a box of the top level begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    /// When picture and sound go on there, in units of each track.
    pub(super) dts: [i64; 2],
}

impl Entry {
    /// When the track of this kind goes on there.
    pub(super) fn dts_of(&self, kind: StreamKind) -> i64 {
        let [picture, sound] = self.dts;
        match kind {
            StreamKind::Video => picture,
            StreamKind::Audio => sound,
        }
    }
}

/// A played track: its id and its time scale.
pub(super) type TrackClock = Option<(u32, u32)>;

/// The sparse index of a fragmented file.
pub(super) struct Index {
    source: Source,
    fragmented: Fragmented,
    /// Picture and sound.
    tracks: [TrackClock; 2],
    /// In the order of the file; never empty.
    entries: Vec<Entry>,
    spacing: Ticks90k,
    /// Where looking goes on, and when; the offset is `u64::MAX` at the end of the file.
    reached: Entry,
    /// sidx and mfra were looked for.
    is_seeded: bool,
    /// Entries come from there.
    is_hint: bool,
}

impl Index {
    /// `dts` is when the tracks go on behind the samples of the movie box.
    pub(super) fn new(
        source: Source,
        fragmented: Fragmented,
        tracks: [TrackClock; 2],
        dts: [i64; 2],
    ) -> Self {
        let first = Entry {
            offset: fragmented.start,
            dts,
        };
        Self {
            source,
            fragmented,
            tracks,
            entries: vec![first],
            spacing: SPACING,
            reached: first,
            is_seeded: false,
            is_hint: false,
        }
    }

    /// Entry `n`; the first one when there is none.
    pub(super) fn entry(&self, n: usize) -> Entry {
        let first = self.entries.first().copied().unwrap_or(self.reached);
        self.entries.get(n).copied().unwrap_or(first)
    }

    /// The last entry that does not lie behind byte `offset`.
    pub(super) fn before_offset(&self, offset: u64) -> usize {
        let behind = self.entries.partition_point(|e| e.offset <= offset);
        behind.saturating_sub(1)
    }

    /// The last entry where the track goes on at or before `dts`; looks further into the file as needed.
    pub(super) fn before_dts(&mut self, kind: StreamKind, dts: i64) -> Result<usize> {
        if !self.is_seeded {
            self.is_seeded = true;
            match self.seed() {
                Err(e) if e.kind() == ErrorKind::Damaged => self.discard_hints(),
                other => other?,
            }
        }
        self.look(kind, dts)?;
        let mut n = self.last_at(kind, dts);
        if self.is_hint && !self.leads_somewhere(n)? {
            self.discard_hints();
            self.look(kind, dts)?;
            n = self.last_at(kind, dts);
        }
        Ok(n)
    }

    /// Takes note of a fragment that somebody came across, in file order, when only pictures are sought later.
    pub(super) fn note(&mut self, offset: u64, picture_dts: i64) {
        let dts = [picture_dts, picture_dts];
        self.is_seeded = true;
        self.reached.offset = u64::MAX;
        self.push(Entry { offset, dts });
    }

    fn last_at(&self, kind: StreamKind, dts: i64) -> usize {
        let behind = self.entries.partition_point(|e| e.dts_of(kind) <= dts);
        behind.saturating_sub(1)
    }

    /// When an entry is, by the clock of the first track there is.
    fn time(&self, entry: &Entry) -> Ticks90k {
        let clocks = self.tracks.iter().zip(entry.dts);
        let mut times =
            clocks.filter_map(|(t, dts)| t.map(|(_, scale)| Ticks90k::from_scaled(dts, scale)));
        times.next().unwrap_or_default()
    }

    fn push(&mut self, entry: Entry) {
        let last = self.entries.last().copied().unwrap_or(entry);
        let apart = self.time(&entry) - self.time(&last);
        if entry.offset <= last.offset || apart.0.saturating_abs() < self.spacing.0 {
            return;
        }
        if self.entries.len() >= ENTRIES_MAX {
            let mut n = 0;
            self.entries.retain(|_| {
                n += 1;
                n % 2 == 1
            });
            self.spacing = self.spacing + self.spacing;
        }
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(ENTRIES_STEP);
        }
        self.entries.push(entry);
    }

    fn discard_hints(&mut self) {
        self.entries.truncate(1);
        self.reached = self.entry(0);
        self.spacing = SPACING;
        self.is_hint = false;
    }

    fn leads_somewhere(&self, n: usize) -> Result<bool> {
        let mut reader = BoxReader::new(self.source.clone());
        match reader.box_at(self.entry(n).offset, self.source.size_bytes()) {
            Ok(found) => Ok(found.is_some_and(|b| {
                matches!(
                    &b.kind,
                    b"moof" | b"sidx" | b"styp" | b"emsg" | b"prft" | b"free" | b"mdat"
                )
            })),
            Err(e) if e.kind() == ErrorKind::Damaged => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Looks at fragments until all that begin at or before `dts` of a track are known.
    fn look(&mut self, kind: StreamKind, dts: i64) -> Result<()> {
        let mut reader = BoxReader::new(self.source.clone());
        let [picture, sound] = self.tracks;
        let clock = match kind {
            StreamKind::Video => picture,
            StreamKind::Audio => sound,
        };
        let scale = clock.map_or(1, |(_, scale)| scale);
        let far = Ticks90k::from_scaled(dts, scale) + BEYOND;
        while self.reached.offset < self.source.size_bytes()
            && self.reached.dts_of(kind) <= dts
            && self.time(&self.reached) <= far
            && let Some((moof, _)) = next_moof(&mut reader, &mut self.reached.offset)?
        {
            match self.read_moof(&mut reader, moof) {
                Err(e) if e.kind() == ErrorKind::Damaged => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Moves the clocks of the tracks over a fragment and keeps it where it is far enough from the last one.
    fn read_moof(&mut self, reader: &mut BoxReader, mut moof: Moof) -> Result<()> {
        let offset = moof.start;
        let mut begins = self.reached.dts;
        let mut seen = [false; 2];
        while let Some(mut traf) = moof.next_traf(reader, &self.fragmented.defaults)? {
            let is_ours = |t: &TrackClock| t.is_some_and(|(id, _)| id == traf.track);
            let Some(at) = self.tracks.iter().position(is_ours) else {
                continue;
            };
            let (Some(clock), Some(begin), Some(seen)) = (
                self.reached.dts.get_mut(at),
                begins.get_mut(at),
                seen.get_mut(at),
            ) else {
                continue;
            };
            *clock = traf.decode_time.unwrap_or(*clock);
            if !*seen {
                (*begin, *seen) = (*clock, true);
            }
            while let Some(run) = traf.next_run(reader)? {
                let length = run.sum(reader, |entry| entry.duration)?;
                *clock = clock.saturating_add_unsigned(length);
            }
        }
        self.push(Entry {
            offset,
            dts: begins,
        });
        Ok(())
    }

    /// Takes entries from the file's own index, when its fragments tell their times themselves.
    fn seed(&mut self) -> Result<()> {
        let mut reader = BoxReader::new(self.source.clone());
        let end = self.source.size_bytes();
        let (mut at, mut sidx) = (self.fragmented.start, None);
        for _ in 0..FIRST_BOXES {
            let Some(found) = reader.box_at(at, end)? else {
                return Ok(());
            };
            match &found.kind {
                b"sidx" if sidx.is_none() => sidx = Some(found),
                b"moof" => {
                    let mut moof = Moof::new(at, &found);
                    while let Some(traf) = moof.next_traf(&mut reader, &self.fragmented.defaults)? {
                        if traf.decode_time.is_none() {
                            return Ok(());
                        }
                    }
                    return match sidx {
                        Some(sidx) => self.read_sidx(&mut reader, &sidx),
                        None => self.read_mfra(&mut reader),
                    };
                }
                _ => {}
            }
            at = found.end;
        }
        Ok(())
    }

    /// A time of some clock in units of each track.
    fn in_units(&self, time: u64, scale: u32) -> [i64; 2] {
        self.tracks.map(|track| {
            let wide = u128::from(time) * u128::from(track.map_or(0, |t| t.1));
            i64::try_from(wide / u128::from(scale.max(1))).unwrap_or(i64::MAX)
        })
    }

    fn hint(&mut self, offset: u64, time: u64, scale: u32) {
        let dts = self.in_units(time, scale);
        self.push(Entry { offset, dts });
        self.is_hint = true;
        self.reached = Entry { offset, dts };
    }

    fn read_sidx(&mut self, reader: &mut BoxReader, sidx: &BoxAt) -> Result<()> {
        let [version] = reader.array(sidx.body, sidx.end)?;
        let scale = u32::from_be_bytes(reader.array(sidx.body + 8, sidx.end)?);
        let mut at = sidx.body + 12;
        let (mut time, first) = read_pair(reader, &mut at, sidx.end, version > 0)?;
        let mut offset = sidx.end.saturating_add(first);
        let count = u16::from_be_bytes(reader.array(at + 2, sidx.end)?);
        at += 4;
        if scale == 0 {
            return Ok(());
        }
        for _ in 0..count {
            let [s0, s1, s2, s3, d0, d1, d2, d3] = reader.array(at, sidx.end)?;
            // The topmost bit says that what follows begins with an index of its own.
            let bytes = u32::from_be_bytes([s0 & 0x7F, s1, s2, s3]);
            self.hint(offset, time, scale);
            offset = offset.saturating_add(u64::from(bytes));
            let duration = u32::from_be_bytes([d0, d1, d2, d3]);
            time = time.saturating_add(u64::from(duration));
            at += 12;
        }
        // Behind what the index covers, there may be more.
        let dts = self.in_units(time, scale);
        self.reached = Entry { offset, dts };
        Ok(())
    }

    fn read_mfra(&mut self, reader: &mut BoxReader) -> Result<()> {
        let end = self.source.size_bytes();
        let Some(mfro) = end.checked_sub(16).filter(|at| *at > 0) else {
            return Ok(());
        };
        let [_, _, _, _, kind @ ..] = reader.array::<8>(mfro, end)?;
        let length = u32::from_be_bytes(reader.array(end - 4, end)?);
        if &kind != b"mfro" {
            return Ok(());
        }
        let Some(start) = end.checked_sub(u64::from(length)) else {
            return Ok(());
        };
        let Some(mfra) = reader.box_at(start, end)?.filter(|b| &b.kind == b"mfra") else {
            return Ok(());
        };
        let Some((track, scale)) = self.tracks.iter().flatten().next().copied() else {
            return Ok(());
        };
        for tfra in reader.children(mfra.body, mfra.end)? {
            if &tfra.kind != b"tfra"
                || u32::from_be_bytes(reader.array(tfra.body + 4, tfra.end)?) != track
            {
                continue;
            }
            let [version] = reader.array(tfra.body, tfra.end)?;
            let [lengths] = reader.array(tfra.body + 11, tfra.end)?;
            let count = u32::from_be_bytes(reader.array(tfra.body + 12, tfra.end)?);
            // The numbers of traf, trun and sample have one to four bytes each.
            let numbers = 3 + (lengths >> 4 & 3) + (lengths >> 2 & 3) + (lengths & 3);
            let mut at = tfra.body + 16;
            for _ in 0..count {
                let (time, moof) = read_pair(reader, &mut at, tfra.end, version == 1)?;
                self.hint(moof, time, scale);
                at += u64::from(numbers);
            }
            break;
        }
        Ok(())
    }
}

/// Two numbers of 32 or 64 bits; `at` moves behind them.
fn read_pair(reader: &mut BoxReader, at: &mut u64, end: u64, is_long: bool) -> Result<(u64, u64)> {
    let mut number = || -> Result<u64> {
        if is_long {
            let bytes = reader.array(*at, end)?;
            *at += 8;
            return Ok(u64::from_be_bytes(bytes));
        }
        let bytes = reader.array(*at, end)?;
        *at += 4;
        Ok(u64::from(u32::from_be_bytes(bytes)))
    };
    Ok((number()?, number()?))
}
