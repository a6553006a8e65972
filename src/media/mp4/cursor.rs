//! A track's samples wherever they stand: first those of the movie box, then those of the fragments.

use super::fragments::{Fragmented, Fragments};
use super::index::Index;
use super::samples::{Place, Sample, Samples};
use super::track::Track;
use crate::error::Result;
use crate::media::read_at::Source;
use crate::media::unit::StreamKind;

/// Entries of the index tried, backwards, for one that is early enough: it may be a hint that is wrong.
const ENTRIES_BACK_MAX: usize = 8;
/// Samples passed at the start of a file for the first sync sample.
const FIRST_SAMPLES: u32 = 4096;

/// Walks the samples of a track in decode order.
pub(super) struct Cursor {
    kind: StreamKind,
    pub(super) tables: Samples,
    /// The fragments; none in a progressive file.
    fragments: Option<Fragments>,
    /// Where they begin, and the time behind the tables.
    start: (u64, i64),
    in_fragments: bool,
}

impl Cursor {
    pub(super) fn new(
        source: &Source,
        kind: StreamKind,
        track: &Track,
        fragmented: Option<&Fragmented>,
    ) -> Result<Self> {
        let mut tables = Samples::new(source.clone(), track.tables);
        let mut start = (0, 0);
        if let Some(fragmented) = fragmented {
            start = (fragmented.start, tables.end_dts()?);
        }
        Ok(Self {
            kind,
            tables,
            fragments: fragmented.map(|at| Fragments::new(source.clone(), track.id, at)),
            start,
            in_fragments: false,
        })
    }

    pub(super) fn is_fragmented(&self) -> bool {
        self.fragments.is_some()
    }

    /// When the samples of the fragments begin, should they not tell it.
    pub(super) fn start_dts(&self) -> i64 {
        self.start.1
    }

    /// Where in the file the position is; `u64::MAX` at the end, 0 while the movie box has samples.
    pub(super) fn position(&self) -> u64 {
        match &self.fragments {
            Some(fragments) if self.in_fragments => fragments.position(),
            _ => 0,
        }
    }

    /// Whether there is nothing more, however far one looks.
    pub(super) fn is_at_end(&self) -> bool {
        match &self.fragments {
            Some(fragments) => self.in_fragments && fragments.is_at_end(),
            None => true,
        }
    }

    /// Fragments given up because they are damaged.
    pub(super) fn lost(&self) -> u64 {
        self.fragments.as_ref().map_or(0, Fragments::lost)
    }

    /// The sample at the position; `None` at the end, or when a long stretch of fragments up to byte `until`
    /// has none of this track.
    pub(super) fn peek(&mut self, until: u64) -> Result<Option<Sample>> {
        Ok(self.peek_sync(until)?.map(|(sample, _)| sample))
    }

    /// The same, and whether a fragment calls it a sync sample.
    pub(super) fn peek_sync(&mut self, until: u64) -> Result<Option<(Sample, bool)>> {
        if !self.in_fragments {
            if let Some(sample) = self.tables.peek()? {
                return Ok(Some((sample, false)));
            }
            self.enter_fragments();
        }
        match &mut self.fragments {
            Some(fragments) => fragments.peek(until),
            None => Ok(None),
        }
    }

    /// Steps over the sample at the position.
    pub(super) fn advance(&mut self) {
        match &mut self.fragments {
            Some(fragments) if self.in_fragments => fragments.advance(),
            _ => self.tables.advance(),
        }
    }

    fn enter_fragments(&mut self) {
        if let Some(fragments) = &mut self.fragments {
            fragments.jump(self.start.0, self.start.1);
            self.in_fragments = true;
        }
    }

    /// Goes to sample `first` of the movie box, or to the first fragment when it has none.
    pub(super) fn rewind(&mut self, first: u32) -> Result<()> {
        self.in_fragments = false;
        self.tables.seek(first)
    }

    /// Goes to the sample at `place`.
    pub(super) fn seek(&mut self, place: Place, index: Option<&Index>) -> Result<()> {
        let (Some(fragments), Some(index), 1..) = (&mut self.fragments, index, place.fragment)
        else {
            return self.rewind(place.index);
        };
        self.in_fragments = true;
        let entry = index.entry(index.before_offset(place.fragment));
        fragments.jump(entry.offset, entry.dts_of(self.kind));
        while let Some((sample, _)) = fragments.peek(place.fragment)?
            && sample.place < place
        {
            fragments.advance();
        }
        Ok(())
    }

    /// The last sample with a DTS at or before `dts` (the first when there is none). Loses the position.
    pub(super) fn place_at_dts(&mut self, dts: i64, index: Option<&mut Index>) -> Result<Place> {
        let (Some(fragments), Some(index)) = (&mut self.fragments, index) else {
            return Ok(Place::in_tables(self.tables.index_at_dts(dts)?));
        };
        if self.tables.count() > 0 && dts < self.start.1 {
            return Ok(Place::in_tables(self.tables.index_at_dts(dts)?));
        }
        self.in_fragments = true;
        let mut n = index.before_dts(self.kind, dts)?;
        for back in 0..=ENTRIES_BACK_MAX {
            if back == ENTRIES_BACK_MAX {
                n = 0;
            }
            let entry = index.entry(n);
            fragments.jump(entry.offset, entry.dts_of(self.kind));
            let first = fragments.peek(0)?;
            if n == 0 || first.is_some_and(|(sample, _)| sample.times.dts <= dts) {
                break;
            }
            n -= 1;
        }
        let mut found = None;
        while let Some((sample, _)) = fragments.peek(0)? {
            if found.is_some() && sample.times.dts > dts {
                break;
            }
            found = Some(sample.place);
            fragments.advance();
        }
        Ok(found.unwrap_or_else(|| Place::in_tables(self.tables.count().saturating_sub(1))))
    }

    /// The last sync sample at or before `place`; `None` when there is none. Loses the position.
    pub(super) fn sync_at_or_before(
        &mut self,
        place: Place,
        index: Option<&Index>,
    ) -> Result<Option<Place>> {
        let mut in_tables = place.index;
        if let (Some(fragments), Some(index), 1..) = (&mut self.fragments, index, place.fragment) {
            self.in_fragments = true;
            let mut n = index.before_offset(place.fragment);
            let mut end = place;
            loop {
                let entry = index.entry(n);
                fragments.jump(entry.offset, entry.dts_of(self.kind));
                let mut found = None;
                while let Some((sample, is_sync)) = fragments.peek(0)?
                    && sample.place <= end
                {
                    if is_sync {
                        found = Some(sample.place);
                    }
                    fragments.advance();
                }
                if found.is_some() {
                    return Ok(found);
                }
                if n == 0 {
                    break;
                }
                end = Place::before(entry.offset);
                n -= 1;
            }
            in_tables = u32::MAX;
        }
        let Some(last) = self.tables.count().checked_sub(1) else {
            return Ok(None);
        };
        let sync = self.tables.sync_at_or_before(in_tables.min(last))?;
        Ok(sync.map(Place::in_tables))
    }

    /// The first sync sample from sample `first` of the movie box on. Loses the position.
    pub(super) fn first_sync(&mut self, first: u32) -> Result<Place> {
        if self.tables.count() > 0 || self.fragments.is_none() {
            let sync = self.tables.sync_entry(0)?.unwrap_or(0);
            return Ok(Place::in_tables(sync.max(first)));
        }
        self.enter_fragments();
        let mut any = None;
        for _ in 0..FIRST_SAMPLES {
            let Some((sample, is_sync)) = self.peek_sync(0)? else {
                break;
            };
            if is_sync {
                return Ok(sample.place);
            }
            any.get_or_insert(sample.place);
            self.advance();
        }
        Ok(any.unwrap_or_default())
    }
}
