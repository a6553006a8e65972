//! A cursor over the samples of one track in the fragments of a file, in file order.
//!
//! Reads each moof where it stands, so that memory does not grow with a film. A damaged fragment is given up
//! and counted; the file goes on with the next one.

use std::sync::Arc;

use super::boxes::BoxReader;
use super::moof::{Moof, Run, TrackDefaults, Traf, next_moof};
use super::samples::{Place, Sample, Times};
use super::table::ABSURD_COMPOSITION;
use crate::error::{ErrorKind, Result};
use crate::media::read_at::Source;

/// Fragments without a sample of the track that are passed at once; beyond, they are passed only as far as
/// the other track has come. So a track that ends early does not make us read a whole film ahead.
const PATIENCE: u32 = 256;

/// Where the fragments of a film begin, and what holds for all of them.
#[derive(Clone, Debug)]
pub(super) struct Fragmented {
    /// One past the movie box.
    pub(super) start: u64,
    pub(super) defaults: Arc<TrackDefaults>,
}

/// Walks the samples of a track.
pub(super) struct Fragments {
    reader: BoxReader,
    track: u32,
    defaults: Arc<TrackDefaults>,
    /// The next box at the top level; `u64::MAX` at the end.
    next_box: u64,
    moof: Option<Moof>,
    traf: Option<Traf>,
    /// What the offsets of the runs count from.
    base: u64,
    run: Option<Run>,
    /// Entries of the run that were passed.
    passed: u32,
    /// The sample at the position: its place in the fragment, its bytes in the file, its time.
    sample: u32,
    data: u64,
    dts: i64,
    current: Option<(Sample, bool)>,
    /// Fragments since the last sample.
    idle: u32,
    lost: u64,
}

impl Fragments {
    pub(super) fn new(source: Source, track: u32, at: &Fragmented) -> Self {
        Self {
            reader: BoxReader::new(source),
            track,
            defaults: at.defaults.clone(),
            next_box: at.start,
            moof: None,
            traf: None,
            base: 0,
            run: None,
            passed: 0,
            sample: 0,
            data: 0,
            dts: 0,
            current: None,
            idle: 0,
            lost: 0,
        }
    }

    /// Goes to the box at `offset` of the top level. `dts` is the time there, should the fragment not tell it.
    pub(super) fn jump(&mut self, offset: u64, dts: i64) {
        (self.moof, self.traf, self.run) = (None, None, None);
        (self.next_box, self.dts) = (offset, dts);
        (self.current, self.idle) = (None, 0);
    }

    /// Where in the file the fragment in hand begins, or the box that is looked at next.
    pub(super) fn position(&self) -> u64 {
        self.moof.map_or(self.next_box, |moof| moof.start)
    }

    /// Whether there is nothing more, however long one looks.
    pub(super) fn is_at_end(&self) -> bool {
        self.current.is_none() && self.moof.is_none() && self.next_box == u64::MAX
    }

    /// Fragments given up because they are damaged.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// The sample at the position, and whether the file calls it a sync sample; `None` at the end, and when
    /// there is none in the next [`PATIENCE`] fragments up to byte `until`.
    pub(super) fn peek(&mut self, until: u64) -> Result<Option<(Sample, bool)>> {
        while self.current.is_none() {
            let step = match (self.moof, self.run) {
                (None, _) => {
                    let wait = self.idle >= PATIENCE && self.next_box > until;
                    if wait || self.next_box == u64::MAX {
                        return Ok(None);
                    }
                    self.enter_moof()
                }
                (Some(moof), Some(run)) if self.passed < run.count => self.read_entry(moof, run),
                (Some(moof), _) => self.enter_run(moof),
            };
            match step {
                Err(e) if e.kind() == ErrorKind::Damaged => self.give_up(),
                other => other?,
            }
        }
        Ok(self.current)
    }

    /// Steps over the sample that [`Fragments::peek`] showed.
    pub(super) fn advance(&mut self) {
        if let Some((sample, _)) = self.current.take() {
            self.passed += 1;
            self.sample = self.sample.saturating_add(1);
            self.data = self.data.saturating_add(u64::from(sample.bytes));
            let duration = i64::from(sample.times.duration);
            self.dts = self.dts.saturating_add(duration);
        }
    }

    fn give_up(&mut self) {
        self.lost += 1;
        (self.moof, self.traf, self.run) = (None, None, None);
    }

    fn enter_moof(&mut self) -> Result<()> {
        if let Some((moof, is_lost)) = next_moof(&mut self.reader, &mut self.next_box)? {
            self.lost += u64::from(is_lost);
            self.moof = Some(moof);
            self.sample = 0;
            self.idle = self.idle.saturating_add(1);
        }
        Ok(())
    }

    /// Goes to the next run of the track; leaves the fragment behind the last one.
    fn enter_run(&mut self, mut moof: Moof) -> Result<()> {
        self.run = None;
        if let Some(mut traf) = self.traf {
            self.run = traf.next_run(&mut self.reader)?;
            self.traf = self.run.map(|_| traf);
            if let Some(run) = self.run {
                self.lost += u64::from(run.is_cut);
                self.data = run.data(self.base, self.data);
                self.passed = 0;
            }
            return Ok(());
        }
        while let Some(traf) = moof.next_traf(&mut self.reader, &self.defaults)? {
            if traf.track == self.track {
                self.base = traf.base(&mut self.reader, &self.defaults, moof)?;
                self.data = self.base;
                self.dts = traf.decode_time.unwrap_or(self.dts);
                self.traf = Some(traf);
                self.moof = Some(moof);
                return Ok(());
            }
        }
        self.moof = None;
        Ok(())
    }

    fn read_entry(&mut self, moof: Moof, run: Run) -> Result<()> {
        let entry = run.entry(&mut self.reader, self.passed)?;
        let is_absurd = entry.composition.unsigned_abs() > ABSURD_COMPOSITION;
        let description = self.traf.map_or(0, |t| t.defaults.description);
        self.idle = 0;
        self.current = Some((
            Sample {
                place: Place {
                    fragment: moof.start,
                    index: self.sample,
                },
                offset: self.data,
                bytes: entry.bytes,
                times: Times {
                    dts: self.dts,
                    composition: if is_absurd { 0 } else { entry.composition },
                    duration: entry.duration,
                },
                description,
            },
            entry.is_sync(),
        ));
        Ok(())
    }
}
