//! Where the samples of an MP4 lie: by the tables of a track (ISO 14496-12 §8.7), and by fragments (§8.8).

use super::copy::{Copy, Input};
use super::mp4::{At, Content, Track, children};
use super::{audio, video};
use crate::error::Result;

/// The tables that say where samples are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tables {
    sizes: Option<At>,
    runs: Option<At>,
    chunks: Option<At>,
}

impl Tables {
    pub(super) fn take(&mut self, found: At) {
        let table = match &found.kind {
            b"stsz" | b"stz2" => &mut self.sizes,
            b"stsc" => &mut self.runs,
            _ => &mut self.chunks,
        };
        table.get_or_insert(found);
    }
}

/// A table in the file, read through a buffer of its own.
struct Table {
    input: Input,
    first: u64,
    count: u64,
    /// Bits of an entry.
    bits: u64,
}

impl Table {
    /// The entries of `bits` from `first` on, `count` of them by their own account and no more than fit.
    fn new(copy: &Copy<'_>, found: At, first: u64, count: u32, bits: u64) -> Self {
        let room = found.end.saturating_sub(first).saturating_mul(8) / bits;
        Self {
            input: copy.other_input(),
            first,
            count: u64::from(count).min(room),
            bits,
        }
    }

    fn get<const N: usize>(&mut self, index: u64) -> Result<Option<[u8; N]>> {
        if index >= self.count {
            return Ok(None);
        }
        self.input.array(self.first + index * self.bits / 8)
    }
}

fn word(copy: &mut Copy<'_>, at: u64) -> Result<u32> {
    Ok(copy.input.array(at)?.map_or(0, u32::from_be_bytes))
}

/// Sizes of samples.
struct Sizes {
    all: u32,
    count: u64,
    table: Table,
}

impl Sizes {
    fn read(copy: &mut Copy<'_>, found: At) -> Result<Self> {
        let is_compact = &found.kind == b"stz2";
        let (second, count) = (word(copy, found.body + 4)?, word(copy, found.body + 8)?);
        let bits = match (is_compact, second & 0xFF) {
            (true, bits @ (4 | 8 | 16)) => u64::from(bits),
            _ => 32,
        };
        let table = Table::new(copy, found, found.body + 12, count, bits);
        let all = if is_compact { 0 } else { second };
        Ok(Self {
            all,
            count: if all > 0 {
                u64::from(count)
            } else {
                table.count
            },
            table,
        })
    }

    fn get(&mut self, index: u64) -> Result<Option<u32>> {
        if index >= self.count {
            return Ok(None);
        }
        if self.all > 0 {
            return Ok(Some(self.all));
        }
        Ok(match self.table.bits {
            32 => self.table.get(index)?.map(u32::from_be_bytes),
            16 => self
                .table
                .get(index)?
                .map(|b| u32::from(u16::from_be_bytes(b))),
            8 => self.table.get::<1>(index)?.map(|[b]| u32::from(b)),
            _ => {
                let shift = if index.is_multiple_of(2) { 4 } else { 0 };
                self.table
                    .get::<1>(index)?
                    .map(|[b]| u32::from(b >> shift & 15))
            }
        })
    }
}

/// Keeps what may be kept of the samples of a track.
pub(super) fn keep(copy: &mut Copy<'_>, track: &Track) -> Result<()> {
    if track
        .contents
        .iter()
        .all(|content| *content == Content::Unknown)
    {
        return Ok(());
    }
    let Tables {
        sizes: Some(sizes),
        runs: Some(runs),
        chunks: Some(chunks),
    } = track.tables
    else {
        return Ok(());
    };
    let mut sizes = Sizes::read(copy, sizes)?;
    let count = word(copy, runs.body + 4)?;
    let mut runs = Table::new(copy, runs, runs.body + 8, count, 96);
    let count = word(copy, chunks.body + 4)?;
    let bits = if &chunks.kind == b"co64" { 64 } else { 32 };
    let mut chunks = Table::new(copy, chunks, chunks.body + 8, count, bits);
    let (mut run, mut sample) = (0, 0);
    for chunk in 0..chunks.count {
        let offset = match bits {
            64 => chunks.get(chunk)?.map(u64::from_be_bytes),
            _ => chunks.get(chunk)?.map(|b| u64::from(u32::from_be_bytes(b))),
        };
        let Some(mut at) = offset else { break };
        let entry = |runs: &mut Table, run| -> Result<Option<[u32; 3]>> {
            Ok(runs.get::<12>(run)?.map(|bytes| {
                let (words, _) = bytes.as_chunks::<4>();
                [0, 1, 2].map(|n| words.get(n).map_or(0, |b| u32::from_be_bytes(*b)))
            }))
        };
        while let Some([first, ..]) = entry(&mut runs, run + 1)?
            && u64::from(first) <= chunk + 1
        {
            run += 1;
        }
        let Some([_, samples, description]) = entry(&mut runs, run)? else {
            break;
        };
        let content = content(track, description);
        for _ in 0..samples {
            let Some(bytes) = sizes.get(sample)? else {
                return Ok(());
            };
            sample += 1;
            if at >= copy.kept.size_bytes {
                return Ok(());
            }
            keep_sample(copy, content, at, u64::from(bytes))?;
            at = at.saturating_add(u64::from(bytes));
        }
    }
    Ok(())
}

/// What the description with this number (from 1) says.
fn content(track: &Track, description: u32) -> Content {
    let index = usize::try_from(description)
        .unwrap_or_default()
        .saturating_sub(1);
    let found = track.contents.get(index).or(track.contents.first());
    found.copied().unwrap_or(Content::Unknown)
}

fn keep_sample(copy: &mut Copy<'_>, content: Content, at: u64, bytes: u64) -> Result<()> {
    if at.saturating_add(bytes) > copy.kept.size_bytes || !copy.may_read(bytes) {
        return Ok(());
    }
    match content {
        Content::Pictures(pictures) => video::keep_sample(copy, pictures, &[], at, bytes),
        Content::Sound(codec) => audio::keep_sample(copy, codec, &[], at, bytes),
        Content::Text => copy.keep(at, at + bytes.min(2)),
        Content::Unknown => Ok(()),
    }
}

/// What a movie box says of all fragments of a track (§8.8.3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    track: u32,
    description: u32,
    bytes: u32,
}

impl Defaults {
    pub(super) fn read(copy: &mut Copy<'_>, trex: At) -> Result<Self> {
        Ok(Self {
            track: word(copy, trex.body + 4)?,
            description: word(copy, trex.body + 8)?,
            bytes: word(copy, trex.body + 16)?,
        })
    }
}

/// Keeps what may be kept of the samples of a fragment.
pub(super) fn keep_fragment(
    copy: &mut Copy<'_>,
    tracks: &[Track],
    defaults: &[Defaults],
    moof: At,
) -> Result<()> {
    // Without a base of its own a track goes on where the one before ends (§8.8.7).
    let mut behind = moof.at;
    for traf in children(copy, moof.body, moof.end)? {
        if &traf.kind != b"traf" {
            continue;
        }
        let inside = children(copy, traf.body, traf.end)?;
        let Some(tfhd) = inside.iter().find(|found| &found.kind == b"tfhd") else {
            continue;
        };
        let flags = word(copy, tfhd.body)?;
        let id = word(copy, tfhd.body + 4)?;
        let default = defaults.iter().find(|default| default.track == id);
        let mut at = tfhd.body + 8;
        let mut field = |copy: &mut Copy<'_>, flag: u32, bytes: u64| -> Result<Option<u64>> {
            if flags & flag == 0 {
                return Ok(None);
            }
            let place = at;
            at += bytes;
            Ok(Some(match bytes {
                8 => copy.input.array(place)?.map_or(0, u64::from_be_bytes),
                _ => u64::from(word(copy, place)?),
            }))
        };
        let base = field(copy, 0x1, 8)?;
        let description = field(copy, 0x2, 4)?;
        field(copy, 0x8, 4)?;
        let bytes = field(copy, 0x10, 4)?;
        let base = match base {
            Some(base) => base,
            None if flags & 0x2_0000 != 0 => moof.at,
            None => behind,
        };
        let description = description.unwrap_or(default.map_or(1, |d| u64::from(d.description)));
        let bytes = bytes.unwrap_or(default.map_or(0, |d| u64::from(d.bytes)));
        let track = tracks.iter().find(|track| track.id == id);
        let content = track.map_or(Content::Unknown, |track| {
            content(track, u32::try_from(description).unwrap_or(1))
        });
        behind = base;
        for trun in inside.iter().filter(|found| &found.kind == b"trun") {
            behind = keep_run(copy, *trun, content, (base, behind), bytes)?;
        }
    }
    Ok(())
}

/// Keeps what may be kept of the samples of one run (§8.8.8); where they end.
fn keep_run(
    copy: &mut Copy<'_>,
    trun: At,
    content: Content,
    (base, behind): (u64, u64),
    default_bytes: u64,
) -> Result<u64> {
    let flags = word(copy, trun.body)?;
    let count = word(copy, trun.body + 4)?;
    let mut at = trun.body + 8;
    let mut place = behind;
    if flags & 0x1 != 0 {
        let offset = copy.input.array(at)?.map_or(0, i32::from_be_bytes);
        place = base.saturating_add_signed(i64::from(offset));
        at += 4;
    }
    if flags & 0x4 != 0 {
        at += 4;
    }
    let has = |flag: u32| u64::from(flags & flag != 0) * 4;
    let entry = has(0x100) + has(0x200) + has(0x400) + has(0x800);
    let mut input = copy.other_input();
    for _ in 0..count {
        if entry > 0 && at + entry > trun.end {
            break;
        }
        let bytes = match flags & 0x200 {
            0 => default_bytes,
            _ => input
                .array(at + has(0x100))?
                .map_or(0, |b| u64::from(u32::from_be_bytes(b))),
        };
        if place >= copy.kept.size_bytes || (entry == 0 && bytes == 0) {
            break;
        }
        keep_sample(copy, content, place, bytes)?;
        place = place.saturating_add(bytes);
        at += entry;
    }
    Ok(place)
}
