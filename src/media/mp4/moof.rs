//! The boxes of a movie fragment (ISO 14496-12 §8.8.4 to §8.8.8): where the samples of a track lie in it.
//!
//! Nothing of a run is kept: its entries are read where they stand, one by one.

use super::boxes::{BoxAt, BoxReader};
use super::table::sane_duration;
use crate::bail;
use crate::error::{ErrorKind, Result};
use crate::media::read_at::Source;

/// What holds for samples that do not say otherwise: trex, overridden by tfhd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    /// Sample description, from 0.
    pub(super) description: u32,
    pub(super) duration: u32,
    pub(super) bytes: u32,
    pub(super) flags: u32,
}

/// The defaults of every track, by track id (trex, ISO 14496-12 §8.8.3).
#[derive(Clone, Debug, Default)]
pub(super) struct TrackDefaults(Vec<(u32, Defaults)>);

impl TrackDefaults {
    /// Reads the boxes of mvex.
    pub(super) fn parse(reader: &mut BoxReader, mvex: &BoxAt) -> Result<Self> {
        let mut all = Vec::new();
        for trex in reader.children(mvex.body, mvex.end)? {
            if &trex.kind == b"trex" {
                let mut word = |n: u64| -> Result<u32> {
                    let at = trex.body + 4 + 4 * n;
                    Ok(u32::from_be_bytes(reader.array(at, trex.end)?))
                };
                let defaults = Defaults {
                    description: word(1)?.saturating_sub(1),
                    duration: word(2)?,
                    bytes: word(3)?,
                    flags: word(4)?,
                };
                all.push((word(0)?, defaults));
            }
        }
        Ok(Self(all))
    }

    fn of(&self, track: u32) -> Defaults {
        let found = self.0.iter().find(|(id, _)| *id == track);
        found.map(|(_, defaults)| *defaults).unwrap_or_default()
    }
}

/// Boxes at the top level in a row that are no fragments; more are noise.
const STRANGERS_MAX: u32 = 4096;
/// How far the next fragment is searched behind a box that cannot be one, and in what steps.
const SEARCH_BYTES: u64 = 32 << 20;
const SEARCH_STEP: usize = 64 << 10;

/// The next fragment from the box at `at` on, which moves behind it, or to `u64::MAX` at the end of the file.
/// True when damage was passed on the way.
pub(super) fn next_moof(reader: &mut BoxReader, at: &mut u64) -> Result<Option<(Moof, bool)>> {
    let end = reader.source().size_bytes();
    let mut is_lost = false;
    for _ in 0..STRANGERS_MAX {
        let start = *at;
        let found = match reader.box_at(start, end) {
            Ok(None) => break,
            Ok(Some(found)) if is_sound(&found) => Some(found),
            Ok(Some(_)) => None,
            Err(e) if e.kind() == ErrorKind::Damaged => None,
            Err(e) => return Err(e),
        };
        match found {
            Some(found) => {
                *at = found.end;
                if &found.kind == b"moof" {
                    return Ok(Some((Moof::new(start, &found), is_lost)));
                }
            }
            None => match search(reader.source(), start.saturating_add(1))? {
                Some(next) => (*at, is_lost) = (next, true),
                None => break,
            },
        }
    }
    *at = u64::MAX;
    Ok(None)
}

/// Whether a box of the top level can be what it says: its size does not lead out of the file and its name has
/// letters.
fn is_sound(found: &BoxAt) -> bool {
    !found.is_cut
        && found
            .kind
            .iter()
            .all(|c| c.is_ascii_graphic() || *c == b' ')
}

/// The next place from `from` on where a fragment seems to begin: a moof whose first box is its header.
fn search(source: &Source, from: u64) -> Result<Option<u64>> {
    const BEGIN: usize = 16;
    let mut bytes = vec![0; SEARCH_STEP];
    let mut at = from;
    while at < from.saturating_add(SEARCH_BYTES) {
        let read = source.read_at(at, &mut bytes)?;
        let held = bytes.get(..read).unwrap_or_default();
        let begins = |w: &[u8]| w.get(4..8) == Some(b"moof") && w.get(12..) == Some(b"mfhd");
        if let Some(n) = held.windows(BEGIN).position(begins) {
            return Ok(Some(at + n as u64));
        }
        if read < SEARCH_STEP {
            break;
        }
        at += (SEARCH_STEP - BEGIN) as u64;
    }
    Ok(None)
}

/// A moof that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moof {
    /// Its first byte, to which offsets count.
    pub(super) start: u64,
    /// The next box inside.
    at: u64,
    pub(super) end: u64,
}

impl Moof {
    /// `start` is the first byte of the box itself.
    pub(super) fn new(start: u64, found: &BoxAt) -> Self {
        Self {
            start,
            at: found.body,
            end: found.end,
        }
    }

    /// The next track fragment, of whichever track.
    pub(super) fn next_traf(
        &mut self,
        reader: &mut BoxReader,
        all: &TrackDefaults,
    ) -> Result<Option<Traf>> {
        while let Some(found) = reader.box_at(self.at, self.end)? {
            let start = self.at;
            self.at = found.end;
            if &found.kind == b"traf" {
                return Ok(Some(Traf::read(reader, start, &found, all)?));
            }
        }
        Ok(None)
    }

    /// Where the data of the track fragment that begins at `traf` lies when neither it nor its runs say so: behind
    /// that of the one before (§8.8.7.1).
    fn implicit_base(self, reader: &mut BoxReader, all: &TrackDefaults, traf: u64) -> Result<u64> {
        let mut earlier = Self {
            at: self.start + 8,
            ..self
        };
        let mut data = self.start;
        while let Some(mut before) = earlier.next_traf(reader, all)? {
            if before.start >= traf {
                break;
            }
            let base = before.stated_base(self.start).unwrap_or(data);
            data = base;
            while let Some(run) = before.next_run(reader)? {
                data = run.data(base, data) + run.sum(reader, |entry| entry.bytes)?;
            }
        }
        Ok(data)
    }
}

/// A track fragment that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traf {
    start: u64,
    /// The next box inside.
    at: u64,
    end: u64,
    pub(super) track: u32,
    base: Option<u64>,
    base_is_moof: bool,
    pub(super) defaults: Defaults,
    /// tfdt, in units of the track.
    pub(super) decode_time: Option<i64>,
}

impl Traf {
    /// Reads tfhd and tfdt, as far as the first run.
    fn read(
        reader: &mut BoxReader,
        start: u64,
        found: &BoxAt,
        all: &TrackDefaults,
    ) -> Result<Self> {
        let mut traf = Self {
            start,
            at: found.body,
            end: found.end,
            track: 0,
            base: None,
            base_is_moof: false,
            defaults: Defaults::default(),
            decode_time: None,
        };
        while let Some(inner) = reader.box_at(traf.at, traf.end)? {
            match &inner.kind {
                b"tfhd" => traf.read_header(reader, &inner, all)?,
                b"tfdt" => {
                    let [version] = reader.array(inner.body, inner.end)?;
                    let time = if version == 0 {
                        u64::from(u32::from_be_bytes(reader.array(inner.body + 4, inner.end)?))
                    } else {
                        u64::from_be_bytes(reader.array(inner.body + 4, inner.end)?)
                    };
                    traf.decode_time = i64::try_from(time).ok();
                }
                b"trun" => break,
                _ => {}
            }
            traf.at = inner.end;
        }
        Ok(traf)
    }

    fn read_header(
        &mut self,
        reader: &mut BoxReader,
        tfhd: &BoxAt,
        all: &TrackDefaults,
    ) -> Result<()> {
        let flags = u32::from_be_bytes(reader.array(tfhd.body, tfhd.end)?);
        self.track = u32::from_be_bytes(reader.array(tfhd.body + 4, tfhd.end)?);
        self.defaults = all.of(self.track);
        self.base_is_moof = flags & 0x02_0000 != 0;
        let mut at = tfhd.body + 8;
        if flags & 1 != 0 {
            self.base = Some(u64::from_be_bytes(reader.array(at, tfhd.end)?));
            at += 8;
        }
        for (bit, field) in [
            (2, &mut self.defaults.description),
            (8, &mut self.defaults.duration),
            (16, &mut self.defaults.bytes),
            (32, &mut self.defaults.flags),
        ] {
            if flags & bit != 0 {
                *field = u32::from_be_bytes(reader.array(at, tfhd.end)?);
                at += 4;
                if bit == 2 {
                    *field = field.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    fn stated_base(&self, moof: u64) -> Option<u64> {
        self.base.or(self.base_is_moof.then_some(moof))
    }

    /// What the offsets of the runs count from.
    pub(super) fn base(
        &self,
        reader: &mut BoxReader,
        all: &TrackDefaults,
        moof: Moof,
    ) -> Result<u64> {
        match self.stated_base(moof.start) {
            Some(base) => Ok(base),
            None => moof.implicit_base(reader, all, self.start),
        }
    }

    /// The next run of samples.
    pub(super) fn next_run(&mut self, reader: &mut BoxReader) -> Result<Option<Run>> {
        while let Some(found) = reader.box_at(self.at, self.end)? {
            self.at = found.end;
            if &found.kind == b"trun" {
                return Ok(Some(Run::read(reader, &found, self.defaults)?));
            }
        }
        Ok(None)
    }
}

/// A track run (§8.8.8).
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    entries: u64,
    end: u64,
    pub(super) count: u32,
    /// It says that it has more samples than there is room for.
    pub(super) is_cut: bool,
    flags: u32,
    data_offset: Option<i32>,
    first_flags: Option<u32>,
    defaults: Defaults,
}

/// What a run says about one sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) duration: u32,
    pub(super) bytes: u32,
    pub(super) flags: u32,
    /// Always signed: version 0 runs with negative values exist, as ctts tables do.
    pub(super) composition: i32,
}

impl Entry {
    /// Neither marked as no sync sample nor as depending on others: where libavformat sees a key frame.
    pub(super) fn is_sync(&self) -> bool {
        self.flags & 0x0101_0000 == 0
    }
}

impl Run {
    /// Bits of the flags: fields of each entry.
    const DURATION: u32 = 0x100;
    const BYTES: u32 = 0x200;
    const FLAGS: u32 = 0x400;
    const COMPOSITION: u32 = 0x800;

    fn read(reader: &mut BoxReader, trun: &BoxAt, defaults: Defaults) -> Result<Self> {
        let flags = u32::from_be_bytes(reader.array(trun.body, trun.end)?);
        let says = u32::from_be_bytes(reader.array(trun.body + 4, trun.end)?);
        let mut run = Self {
            entries: trun.body + 8,
            end: trun.end,
            count: 0,
            is_cut: false,
            flags,
            data_offset: None,
            first_flags: None,
            defaults,
        };
        if flags & 1 != 0 {
            run.data_offset = Some(i32::from_be_bytes(reader.array(run.entries, trun.end)?));
            run.entries += 4;
        }
        if flags & 4 != 0 {
            run.first_flags = Some(u32::from_be_bytes(reader.array(run.entries, trun.end)?));
            run.entries += 4;
        }
        // Each sample takes an entry, or (without fields) at least its own bytes of the file.
        let room = match run.entry_bytes() {
            0 if defaults.bytes == 0 => 0,
            0 => reader.source().size_bytes() / u64::from(defaults.bytes),
            bytes => run.end.saturating_sub(run.entries) / bytes,
        };
        run.count = says.min(u32::try_from(room).unwrap_or(u32::MAX));
        run.is_cut = run.count < says;
        Ok(run)
    }

    fn entry_bytes(&self) -> u64 {
        4 * u64::from((self.flags & 0xF00).count_ones())
    }

    /// Where the data of the run begins: `base` is what offsets count from, `next` the end of the run before.
    pub(super) fn data(&self, base: u64, next: u64) -> u64 {
        match self.data_offset {
            Some(offset) => base.saturating_add_signed(i64::from(offset)),
            None => next,
        }
    }

    /// Entry `n`, from 0.
    pub(super) fn entry(&self, reader: &mut BoxReader, n: u32) -> Result<Entry> {
        let bytes = self.entry_bytes();
        let at = self.entries + u64::from(n) * bytes;
        if at + bytes > self.end {
            bail!(
                Damaged,
                "{}: a run ends early at byte {at}",
                reader.source().name()
            );
        }
        let mut fields = reader.peek(at, bytes as usize)?.as_chunks().0.iter();
        let mut field = |bit: u32, default: u32| {
            if self.flags & bit == 0 {
                return Some(default);
            }
            fields.next().map(|word| u32::from_be_bytes(*word))
        };
        let flags = match self.first_flags {
            Some(flags) if n == 0 => flags,
            _ => self.defaults.flags,
        };
        let entry = (|| {
            Some(Entry {
                duration: sane_duration(field(Self::DURATION, self.defaults.duration)?),
                bytes: field(Self::BYTES, self.defaults.bytes)?,
                flags: field(Self::FLAGS, flags)?,
                composition: field(Self::COMPOSITION, 0)? as i32,
            })
        })();
        match entry {
            Some(entry) => Ok(entry),
            None => bail!(
                Damaged,
                "{}: the file ends within a run at byte {at}",
                reader.source().name()
            ),
        }
    }

    /// The sum of one thing over all entries.
    pub(super) fn sum(&self, reader: &mut BoxReader, of: fn(&Entry) -> u32) -> Result<u64> {
        if self.flags & (Self::DURATION | Self::BYTES) == 0 && self.count > 0 {
            let each = of(&self.entry(reader, 0)?);
            return Ok(u64::from(each) * u64::from(self.count));
        }
        let mut sum = 0;
        for n in 0..self.count {
            sum += u64::from(of(&self.entry(reader, n)?));
        }
        Ok(sum)
    }
}
