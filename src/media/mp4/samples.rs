//! A cursor over the samples of a track in decode order, put together from its tables.
//!
//! Tables may be cut short, disagree with each other or lie about their length; the cursor then ends
//! early, it never loops or allocates for what a table claims.

use super::table::{Chunks, Runs, Sizes, Table, Tables, Window, be32, sane_duration};
use crate::error::Result;
use crate::media::read_at::Source;

/// The times of a sample, in units of the track's time scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) dts: i64,
    /// Composition offset as the table has it (no shift).
    pub(super) composition: i32,
    pub(super) duration: u32,
}

/// Where a sample is described. Places of one track compare in decode order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// First byte of the fragment (moof); 0 for the tables of the movie box.
    pub(super) fragment: u64,
    /// Number in the fragment or in the tables, from 0.
    pub(super) index: u32,
}

impl Place {
    /// Sample `index` of the tables.
    pub(super) fn in_tables(index: u32) -> Self {
        Self { fragment: 0, index }
    }

    /// Behind every sample that stands in front of byte `offset`.
    pub(super) fn before(offset: u64) -> Self {
        Self {
            fragment: offset.saturating_sub(1),
            index: u32::MAX,
        }
    }

    /// The place in front of this one, whether there is a sample or not.
    pub(super) fn previous(self) -> Self {
        match (self.fragment, self.index) {
            (fragment, 1..) => Self {
                fragment,
                index: self.index - 1,
            },
            (1.., 0) => Self::before(self.fragment),
            (0, 0) => self,
        }
    }
}

/// One sample as the file describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) place: Place,
    /// Place in the file.
    pub(super) offset: u64,
    pub(super) bytes: u32,
    pub(super) times: Times,
    /// Sample description, from 0.
    pub(super) description: u32,
}

/// Walks the samples of a track in decode order.
pub(super) struct Samples {
    source: Source,
    tables: Tables,
    durations: Runs,
    compositions: Option<Runs>,
    chunk_runs: Window<12>,
    size_words: Window<4>,
    size_halves: Window<2>,
    size_bytes: Window<1>,
    short_chunks: Window<4>,
    long_chunks: Window<8>,
    syncs: Option<Window<4>>,
    at: Position,
    /// The sample at the position, once it was worked out.
    current: Option<Sample>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    sample: u32,
    dts: i64,
    /// Chunk that holds the sample, from 0.
    chunk: u32,
    /// Samples of that chunk that are left, this one included; 0 before the chunk is entered.
    left_in_chunk: u32,
    offset: u64,
    /// Entry of stsc in force.
    run: u32,
    description: u32,
}

impl Samples {
    pub(super) fn new(source: Source, tables: Tables) -> Self {
        let none = Table::default();
        let (words, halves, bytes) = match tables.sizes {
            Sizes::Fixed { .. } => (none, none, none),
            Sizes::Each(table) => (table, none, none),
            Sizes::Compact { table, bits: 16 } => (none, table, none),
            Sizes::Compact { table, bits: 8 } => (none, none, table),
            Sizes::Compact { table, .. } => (
                none,
                none,
                Table {
                    offset: table.offset,
                    count: table.count.div_ceil(2),
                },
            ),
        };
        let (short, long) = match tables.chunks {
            Chunks::Short(table) => (table, none),
            Chunks::Long(table) => (none, table),
        };
        Self {
            source,
            tables,
            durations: Runs::new(tables.durations),
            compositions: tables.compositions.map(Runs::new),
            chunk_runs: Window::new(tables.chunk_runs),
            size_words: Window::new(words),
            size_halves: Window::new(halves),
            size_bytes: Window::new(bytes),
            short_chunks: Window::new(short),
            long_chunks: Window::new(long),
            syncs: tables.syncs.map(Window::new),
            at: Position::default(),
            current: None,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.tables.sizes.count()
    }

    /// The sample at the position; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<Sample>> {
        if self.current.is_none() && self.at.sample < self.count() && self.enter_chunk()? {
            let Some(bytes) = self.size_of(self.at.sample)? else {
                return Ok(None);
            };
            let times = self.times()?;
            self.current = Some(Sample {
                place: Place::in_tables(self.at.sample),
                offset: self.at.offset,
                bytes,
                times,
                description: self.at.description,
            });
        }
        Ok(self.current)
    }

    /// Steps over the sample that [`Samples::peek`] showed.
    pub(super) fn advance(&mut self) {
        let Some(sample) = self.current.take() else {
            return;
        };
        self.durations.left = self.durations.left.saturating_sub(1);
        if let Some(runs) = &mut self.compositions {
            runs.left = runs.left.saturating_sub(1);
        }
        let at = &mut self.at;
        at.sample += 1;
        at.dts = at.dts.saturating_add(i64::from(sample.times.duration));
        at.offset = at.offset.saturating_add(u64::from(sample.bytes));
        at.left_in_chunk -= at.left_in_chunk.min(1);
        if at.left_in_chunk == 0 {
            at.chunk = at.chunk.saturating_add(1);
        }
    }

    /// Makes the position's chunk known; `false` when there is none.
    fn enter_chunk(&mut self) -> Result<bool> {
        while self.at.left_in_chunk == 0 {
            let Some(offset) = self.chunk_offset(self.at.chunk)? else {
                return Ok(false);
            };
            let Some((per_chunk, description)) = self.run_of_chunk()? else {
                return Ok(false);
            };
            self.at.offset = offset;
            self.at.left_in_chunk = per_chunk;
            self.at.description = description;
            if per_chunk == 0 {
                self.at.chunk += 1;
            }
        }
        Ok(true)
    }

    fn chunk_offset(&mut self, chunk: u32) -> Result<Option<u64>> {
        Ok(match self.tables.chunks {
            Chunks::Short(_) => self
                .short_chunks
                .get(&self.source, chunk)?
                .map(|b| u64::from(be32(b))),
            Chunks::Long(_) => self
                .long_chunks
                .get(&self.source, chunk)?
                .map(u64::from_be_bytes),
        })
    }

    /// Samples per chunk and description of the position's chunk, moving on in stsc as needed.
    fn run_of_chunk(&mut self) -> Result<Option<(u32, u32)>> {
        while let Some(first) = self.run_start(self.at.run + 1)?
            && first <= self.at.chunk
        {
            self.at.run += 1;
        }
        Ok(self.chunk_run(self.at.run)?.map(|(_, n, d)| (n, d)))
    }

    /// (first chunk from 0, samples per chunk, description from 0) of entry `index` of stsc.
    fn chunk_run(&mut self, index: u32) -> Result<Option<(u32, u32, u32)>> {
        Ok(self.chunk_runs.get(&self.source, index)?.map(|entry| {
            let [a, b, c, d, e, f, g, h, i, j, k, l] = entry;
            (
                be32([a, b, c, d]).saturating_sub(1),
                be32([e, f, g, h]),
                be32([i, j, k, l]).saturating_sub(1),
            )
        }))
    }

    fn run_start(&mut self, index: u32) -> Result<Option<u32>> {
        Ok(self.chunk_run(index)?.map(|(first, _, _)| first))
    }

    fn size_of(&mut self, sample: u32) -> Result<Option<u32>> {
        Ok(match self.tables.sizes {
            Sizes::Fixed { bytes, .. } => Some(bytes),
            Sizes::Each(_) => self.size_words.get(&self.source, sample)?.map(be32),
            Sizes::Compact { bits: 16, .. } => self
                .size_halves
                .get(&self.source, sample)?
                .map(|b| u32::from(u16::from_be_bytes(b))),
            Sizes::Compact { bits: 8, .. } => self
                .size_bytes
                .get(&self.source, sample)?
                .map(|[b]| u32::from(b)),
            Sizes::Compact { .. } => self.size_bytes.get(&self.source, sample / 2)?.map(|[b]| {
                u32::from(if sample.is_multiple_of(2) {
                    b >> 4
                } else {
                    b & 15
                })
            }),
        })
    }

    /// Goes to sample `index` (or the end).
    pub(super) fn seek(&mut self, index: u32) -> Result<()> {
        let index = index.min(self.count());
        if index < self.at.sample {
            self.rewind();
        }
        self.current = None;
        self.skip_times(index - self.at.sample)?;
        self.at.sample = index;
        self.skip_chunks(index)
    }

    /// The time behind the last sample. Loses the position.
    pub(super) fn end_dts(&mut self) -> Result<i64> {
        self.rewind();
        self.skip_times(self.count())?;
        let end = self.at.dts;
        self.rewind();
        Ok(end)
    }

    /// The last sample with a DTS at or before `dts` (the first when there is none). Loses the position.
    pub(super) fn index_at_dts(&mut self, dts: i64) -> Result<u32> {
        self.rewind();
        let mut index = 0u32;
        let mut passed = 0i64;
        while self.durations.fill(&self.source)? {
            let step = i64::from(sane_duration(self.durations.value));
            let samples = i64::from(self.durations.left);
            let run_end = passed.saturating_add(step.saturating_mul(samples));
            if run_end > dts {
                let within = dts.saturating_sub(passed).max(0) / step.max(1);
                index = index.saturating_add(within as u32);
                break;
            }
            passed = run_end;
            index = index.saturating_add(self.durations.left);
            self.durations.left = 0;
        }
        let last = self.count().saturating_sub(1);
        self.rewind();
        Ok(index.min(last))
    }

    /// The last sync sample at or before `index`; `None` when there is none.
    pub(super) fn sync_at_or_before(&mut self, index: u32) -> Result<Option<u32>> {
        let Some(syncs) = &mut self.syncs else {
            return Ok(Some(index));
        };
        // Sync samples are numbered from 1, in rising order.
        let (mut low, mut high) = (0, syncs.table.count);
        while low < high {
            let middle = low.midpoint(high);
            match syncs.get(&self.source, middle)? {
                Some(number) if be32(number).saturating_sub(1) <= index => low = middle + 1,
                _ => high = middle,
            }
        }
        if low == 0 {
            return Ok(None);
        }
        Ok(syncs
            .get(&self.source, low - 1)?
            .map(|number| be32(number).saturating_sub(1)))
    }

    /// Sync sample number `entry`, from 0; `None` behind the last.
    pub(super) fn sync_entry(&mut self, entry: u32) -> Result<Option<u32>> {
        Ok(match &mut self.syncs {
            Some(syncs) => syncs
                .get(&self.source, entry)?
                .map(|number| be32(number).saturating_sub(1)),
            None => (entry < self.count()).then_some(entry),
        })
    }

    /// Whether the sample is a sync sample.
    pub(super) fn is_sync(&mut self, index: u32) -> Result<bool> {
        Ok(self.sync_at_or_before(index)? == Some(index))
    }

    fn rewind(&mut self) {
        self.at = Position::default();
        self.current = None;
        self.durations.rewind();
        if let Some(runs) = &mut self.compositions {
            runs.rewind();
        }
    }

    fn skip_times(&mut self, samples: u32) -> Result<()> {
        let mut dts = self.at.dts;
        let mut pass = |count: u32, duration: u32| {
            let passed = i64::from(sane_duration(duration)).saturating_mul(i64::from(count));
            dts = dts.saturating_add(passed);
        };
        let beyond = self.durations.skip(&self.source, samples, &mut pass)?;
        // Where the table ends, the last duration goes on.
        pass(beyond, self.durations.value);
        self.at.dts = dts;
        if let Some(runs) = &mut self.compositions {
            runs.skip(&self.source, samples, |_, _| {})?;
        }
        Ok(())
    }

    /// Times of sample `index`, which must not lie before the last one asked for: faster than a seek. Leaves the
    /// position without a place in the file, so that a seek must follow.
    pub(super) fn times_at(&mut self, index: u32) -> Result<Times> {
        self.current = None;
        self.skip_times(index.saturating_sub(self.at.sample))?;
        self.at.sample = self.at.sample.max(index);
        self.times()
    }

    fn times(&mut self) -> Result<Times> {
        self.durations.fill(&self.source)?;
        let mut composition = 0;
        if let Some(runs) = &mut self.compositions
            && runs.fill(&self.source)?
        {
            composition = runs.value as i32;
        }
        Ok(Times {
            dts: self.at.dts,
            composition,
            duration: sane_duration(self.durations.value),
        })
    }

    /// The bytes of the samples `from..until` together.
    pub(super) fn bytes_between(&mut self, from: u32, until: u32) -> Result<u64> {
        let mut sum = 0;
        let mut at = from;
        while at < until {
            if let Sizes::Each(_) = self.tables.sizes {
                let sizes = self.size_words.run_from(&self.source, at)?;
                let sizes = sizes.get(..(until - at) as usize).unwrap_or(sizes);
                if sizes.is_empty() {
                    break;
                }
                sum += sizes.iter().map(|b| u64::from(be32(*b))).sum::<u64>();
                at += sizes.len() as u32;
            } else {
                let Some(bytes) = self.size_of(at)? else {
                    break;
                };
                sum += u64::from(bytes);
                at += 1;
            }
        }
        Ok(sum)
    }

    /// Moves the chunk part of the position to sample `index`, whole runs of chunks at a time.
    fn skip_chunks(&mut self, index: u32) -> Result<()> {
        // From the first sample of the chunk run on: seeks are rare and stsc is short.
        let mut sample = 0u64;
        let mut run = 0;
        let target = u64::from(index);
        let (chunk, first_of_chunk) = loop {
            let Some((first, per_chunk, _)) = self.chunk_run(run)? else {
                self.end();
                return Ok(());
            };
            let next = self.run_start(run + 1)?;
            let per_chunk = u64::from(per_chunk);
            let chunks = next.map_or(u64::MAX, |n| u64::from(n.saturating_sub(first)));
            let samples = per_chunk.saturating_mul(chunks);
            if per_chunk > 0 && target - sample < samples {
                let skipped = (target - sample) / per_chunk;
                break (u64::from(first) + skipped, sample + skipped * per_chunk);
            }
            if next.is_none() {
                self.end();
                return Ok(());
            }
            sample += samples;
            run += 1;
        };
        let Ok(chunk) = u32::try_from(chunk) else {
            self.end();
            return Ok(());
        };
        self.at.chunk = chunk;
        self.at.run = run;
        self.at.left_in_chunk = 0;
        self.at.sample = index;
        if self.enter_chunk()? {
            for before in first_of_chunk as u32..index {
                let Some(bytes) = self.size_of(before)? else {
                    self.end();
                    return Ok(());
                };
                self.at.offset = self.at.offset.saturating_add(u64::from(bytes));
                self.at.left_in_chunk -= self.at.left_in_chunk.min(1);
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.at.sample = self.count();
    }
}

#[cfg(test)]
mod tests;
