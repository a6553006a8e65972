//! Writes MP4 files that no muxer at hand would write, from samples of those that ffmpeg makes.

use super::*;

/// A box.
pub(super) fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = (body.len() as u32 + 8).to_be_bytes().to_vec();
    bytes.extend(kind);
    bytes.extend(body);
    bytes
}

/// A box with version and flags, and a body of 32-bit words.
pub(super) fn full(kind: &[u8; 4], version: u8, flags: u32, words: &[u32]) -> Vec<u8> {
    let head = u32::from(version) << 24 | flags;
    boxed(kind, &[&head.to_be_bytes(), &be(words)])
}

pub(super) fn be(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// Both halves of a 64-bit number.
pub(super) fn halves(wide: u64) -> [u32; 2] {
    [(wide >> 32) as u32, wide as u32]
}

/// One coded picture or frame, in units of its track.
#[derive(Clone)]
pub(super) struct Unit {
    pub(super) data: Vec<u8>,
    pub(super) dts: i64,
    pub(super) composition: i32,
    pub(super) duration: u32,
    pub(super) key: bool,
    /// Entry of stsd, from 0.
    pub(super) description: u32,
}

/// A track to be written.
#[derive(Clone)]
pub(super) struct TrackData {
    pub(super) kind: StreamKind,
    pub(super) timescale: u32,
    /// Entries of stsd.
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) units: Vec<Unit>,
    /// Duration in units of 1/1000 s, media time, rate.
    pub(super) edits: Vec<(u32, i32, u32)>,
}

/// The samples of one stream of a sample file, its DTS moved to begin at 0.
pub(super) fn taken(name: &str, kind: StreamKind) -> TrackData {
    let path = sample(name);
    let bytes = std::fs::read(&path).unwrap();
    let selector = match kind {
        StreamKind::Video => "v:0",
        StreamKind::Audio => "a:0",
    };
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", selector, "-of", "csv=p=0"])
        .args([
            "-show_entries",
            "packet=pts,dts,duration,size,pos,flags:stream=time_base,index",
        ])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut units = Vec::new();
    let mut stream = None;
    for line in text.lines() {
        let fields: Vec<_> = line.trim_end_matches(',').split(',').collect();
        if let [index, base] = fields[..]
            && let Some((_, scale)) = base.split_once('/')
        {
            stream = Some((index.parse::<usize>().unwrap(), scale.parse().unwrap()));
            continue;
        }
        // Side data leaves lines of its own.
        if fields.len() < 6 {
            continue;
        }
        let number = |n: usize| fields[n].parse::<i64>().unwrap();
        let (pts, dts, at) = (number(0), number(1), number(4) as usize);
        units.push(Unit {
            data: bytes[at..at + number(3) as usize].to_vec(),
            dts,
            composition: (pts - dts) as i32,
            duration: number(2) as u32,
            key: fields[5].starts_with('K'),
            description: 0,
        });
    }
    let (index, timescale) = stream.unwrap();
    let first = units[0].dts;
    for unit in &mut units {
        unit.dts -= first;
    }
    // The tracks stand in the order of their streams.
    let mut found = bytes.windows(4).enumerate().filter(|(_, w)| w == b"stsd");
    let (stsd, _) = found.nth(index).unwrap();
    let length = u32::from_be_bytes(bytes[stsd + 12..stsd + 16].try_into().unwrap());
    TrackData {
        kind,
        timescale,
        entries: vec![bytes[stsd + 12..stsd + 12 + length as usize].to_vec()],
        units,
        edits: Vec::new(),
    }
}

/// Samples per chunk in a progressive file.
const CHUNK: usize = 7;

/// How the tables of a progressive file are written.
#[derive(Clone, Copy, Default)]
pub(super) struct Tables {
    /// stz2 with that many bits instead of stsz.
    pub(super) size_bits: u32,
    /// co64, and a 64-bit size of mdat.
    pub(super) is_long: bool,
    /// Bytes of nothing in front of the first sample (a hole of the file).
    pub(super) hole_bytes: u64,
    pub(super) ctts_version: u8,
    pub(super) has_cslg: bool,
}

/// What a file begins with.
pub(super) fn ftyp() -> Vec<u8> {
    boxed(b"ftyp", &[b"isom", &be(&[0x200]), b"isomiso5mp41"])
}

/// A progressive file: its head up to the data, the data, and the movie box behind.
pub(super) fn progressive(tracks: &[TrackData], how: Tables) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut data = Vec::new();
    let mut offsets: Vec<Vec<u64>> = vec![Vec::new(); tracks.len()];
    let mut head = ftyp();
    let first = head.len() as u64 + 16 + how.hole_bytes;
    let chunks = tracks.iter().map(|t| t.units.len().div_ceil(CHUNK)).max();
    for chunk in 0..chunks.unwrap() {
        for (track, offsets) in tracks.iter().zip(&mut offsets) {
            if let Some(units) = track.units.chunks(CHUNK).nth(chunk) {
                offsets.push(first + data.len() as u64);
                units.iter().for_each(|u| data.extend(&u.data));
            }
        }
    }
    let mdat_bytes = 16 + how.hole_bytes + data.len() as u64;
    if how.is_long {
        head.extend([0, 0, 0, 1]);
        head.extend(b"mdat");
        head.extend(mdat_bytes.to_be_bytes());
    } else {
        // The writers of QuickTime leave room for a long size in this way.
        head.extend(boxed(b"wide", &[]));
        head.extend((mdat_bytes as u32 - 8).to_be_bytes());
        head.extend(b"mdat");
    }
    let traks: Vec<_> = (1..)
        .zip(tracks.iter().zip(&offsets))
        .map(|(id, (track, offsets))| trak(id, track, &tables(track, offsets, how)))
        .collect();
    (head, data, moov(&traks.concat()))
}

fn tables(track: &TrackData, offsets: &[u64], how: Tables) -> Vec<u8> {
    let units = &track.units;
    let count = units.len() as u32;
    let stts: Vec<u32> = units.iter().flat_map(|u| [1, u.duration]).collect();
    let mut out = full(b"stts", 0, 0, &[&[count][..], &stts].concat());
    if units.iter().any(|u| u.composition != 0) {
        let runs: Vec<u32> = units
            .iter()
            .flat_map(|u| [1, u.composition as u32])
            .collect();
        let words = [&[count][..], &runs].concat();
        out.extend(full(b"ctts", how.ctts_version, 0, &words));
    }
    if how.has_cslg {
        let least = units.iter().map(|u| u.composition).min().unwrap();
        let greatest = units.iter().map(|u| u.composition).max().unwrap() as u32;
        let shift = -least.min(0) as u32;
        out.extend(full(b"cslg", 0, 0, &[shift, least as u32, greatest, 0, 0]));
    }
    if units.iter().any(|u| !u.key) {
        let keys = (1..).zip(units).filter(|(_, u)| u.key);
        let keys: Vec<u32> = keys.map(|(n, _)| n).collect();
        let words = [&[keys.len() as u32][..], &keys].concat();
        out.extend(full(b"stss", 0, 0, &words));
    }
    // One run for each chunk; a chunk has one description.
    let runs: Vec<u32> = (1..)
        .zip(units.chunks(CHUNK))
        .flat_map(|(n, c)| [n, c.len() as u32, c[0].description + 1])
        .collect();
    let words = [&[runs.len() as u32 / 3][..], &runs].concat();
    out.extend(full(b"stsc", 0, 0, &words));
    let sizes: Vec<u32> = units.iter().map(|u| u.data.len() as u32).collect();
    match how.size_bits {
        0 => out.extend(full(b"stsz", 0, 0, &[&[0, count][..], &sizes].concat())),
        bits => {
            let packed: Vec<u8> = match bits {
                4 => sizes
                    .chunks(2)
                    .map(|s| (s[0] << 4 | s.get(1).unwrap_or(&0)) as u8)
                    .collect(),
                8 => sizes.iter().map(|s| *s as u8).collect(),
                _ => sizes
                    .iter()
                    .flat_map(|s| (*s as u16).to_be_bytes())
                    .collect(),
            };
            out.extend(boxed(b"stz2", &[&be(&[0, bits, count]), &packed]));
        }
    }
    let chunks = offsets.len() as u32;
    if how.is_long {
        let words: Vec<u32> = offsets.iter().flat_map(|o| halves(*o)).collect();
        out.extend(full(b"co64", 0, 0, &[&[chunks][..], &words].concat()));
    } else {
        let words: Vec<u32> = offsets.iter().map(|o| *o as u32).collect();
        out.extend(full(b"stco", 0, 0, &[&[chunks][..], &words].concat()));
    }
    out
}

fn moov(content: &[u8]) -> Vec<u8> {
    let mut mvhd = vec![0, 0, 1000, 60_000, 0x1_0000, 0x0100_0000, 0, 0];
    mvhd.extend(MATRIX);
    mvhd.extend([0, 0, 0, 0, 0, 0, 9]);
    boxed(b"moov", &[&full(b"mvhd", 0, 0, &mvhd), content])
}

const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

fn trak(id: u32, track: &TrackData, tables: &[u8]) -> Vec<u8> {
    let is_video = track.kind == StreamKind::Video;
    let mut tkhd = vec![
        0,
        0,
        id,
        0,
        60_000,
        0,
        0,
        0,
        if is_video { 0 } else { 0x0100_0000 },
    ];
    tkhd.extend(MATRIX);
    tkhd.extend(if is_video {
        [320 << 16, 180 << 16]
    } else {
        [0, 0]
    });
    let mut edts = Vec::new();
    if !track.edits.is_empty() {
        let words: Vec<u32> = [track.edits.len() as u32]
            .into_iter()
            .chain(track.edits.iter().flat_map(|e| [e.0, e.1 as u32, e.2]))
            .collect();
        edts = boxed(b"edts", &[&full(b"elst", 0, 0, &words)]);
    }
    let length: u32 = track.units.iter().map(|u| u.duration).sum();
    let handler = if is_video { b"vide" } else { b"soun" };
    let hdlr = boxed(b"hdlr", &[&be(&[0, 0]), handler, &[0; 13]]);
    let count = be(&[0, track.entries.len() as u32]);
    let stsd = boxed(b"stsd", &[&count, &track.entries.concat()]);
    let header = if is_video {
        full(b"vmhd", 0, 1, &[0, 0])
    } else {
        full(b"smhd", 0, 0, &[0])
    };
    let dref = boxed(b"dref", &[&be(&[0, 1]), &full(b"url ", 0, 1, &[])]);
    let stbl = boxed(b"stbl", &[&stsd, tables]);
    let minf = boxed(b"minf", &[&header, &boxed(b"dinf", &[&dref]), &stbl]);
    let mdhd = full(b"mdhd", 0, 0, &[0, 0, track.timescale, length, 0x55C4_0000]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &minf]);
    boxed(b"trak", &[&full(b"tkhd", 0, 3, &tkhd), &edts, &mdia])
}

/// What the offsets of runs count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Stated,
    Moof,
    /// The moof for the first track, the end of the data before for the others.
    Implicit,
}

/// Where the index of a fragmented file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileIndex {
    None,
    Sidx,
    Mfra,
    /// In front of each fragment, one that covers it alone.
    SidxEach,
}

/// How fragments are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragmenting {
    pub(super) base: Base,
    /// Units of each fragment, per track (0: all in one).
    pub(super) units: [usize; 2],
    /// Runs that each track fragment is cut into.
    pub(super) runs: usize,
    pub(super) trun_version: u8,
    /// The version of tfdt.
    pub(super) tfdt: Option<u8>,
    /// Durations, sizes and flags of each sample instead of defaults where they are alike.
    pub(super) says_all: bool,
    /// Defaults are in trex, not in tfhd.
    pub(super) by_trex: bool,
    /// Runs behind the first have no data offset of their own.
    pub(super) continues: bool,
    pub(super) index: FileIndex,
    /// A time that everything is later by, in seconds.
    pub(super) later: i64,
}

pub(super) const USUAL: Fragmenting = Fragmenting {
    base: Base::Moof,
    units: [50, 94],
    runs: 1,
    trun_version: 0,
    tfdt: Some(1),
    says_all: true,
    by_trex: false,
    continues: false,
    index: FileIndex::None,
    later: 0,
};

/// Flags of a sync sample and of one that depends on others.
const SYNC: u32 = 0x0200_0000;
const NO_SYNC: u32 = 0x0101_0000;

/// A fragmented file.
pub(super) fn fragmented(tracks: &[TrackData], how: Fragmenting) -> Vec<u8> {
    let empty = [
        full(b"stts", 0, 0, &[0]),
        full(b"stsc", 0, 0, &[0]),
        full(b"stsz", 0, 0, &[0, 0]),
        full(b"stco", 0, 0, &[0]),
    ];
    let mut content = Vec::new();
    let mut trexes = Vec::new();
    for (n, track) in (1..).zip(tracks) {
        content.extend(trak(n, track, &empty.concat()));
        let duration = track.units[0].duration;
        let (duration, flags) = if how.by_trex {
            (duration, NO_SYNC)
        } else {
            (0, 0)
        };
        trexes.extend(full(b"trex", 0, 0, &[n, 1, duration, 0, flags]));
    }
    content.extend(boxed(b"mvex", &[&trexes]));
    let mut file = ftyp();
    file.extend(moov(&content));
    let mut fragments = Vec::new();
    let steps = how.units.map(|n| if n == 0 { usize::MAX } else { n });
    for n in 0.. {
        let parts: Vec<_> = (1..)
            .zip(tracks.iter().zip(steps))
            .filter_map(|(id, (t, step))| Some((id, t, t.units.chunks(step).nth(n)?)))
            .collect();
        if parts.is_empty() {
            break;
        }
        fragments.push(parts);
    }
    // The index stands in front of what it describes, so that the sizes must be known before.
    let sizes: Vec<usize> = fragments
        .iter()
        .map(|f| fragment(f, 0, how).len())
        .collect();
    let times: Vec<i64> = fragments.iter().map(|f| f[0].2[0].dts).collect();
    let clock = tracks[0].timescale;
    let last = tracks[0].units.last().unwrap();
    let end = last.dts + i64::from(last.duration);
    let sidx = |from: usize, until: usize| {
        let mut words = vec![1, clock, times[from] as u32, 0, (until - from) as u32];
        for n in from..until {
            let next = times.get(n + 1).copied().unwrap_or(end);
            words.extend([sizes[n] as u32, (next - times[n]) as u32, 0x9000_0000]);
        }
        full(b"sidx", 0, 0, &words)
    };
    if how.index == FileIndex::Sidx {
        file.extend(sidx(0, fragments.len()));
    }
    let mut places = Vec::new();
    for (n, parts) in fragments.iter().enumerate() {
        if how.index == FileIndex::SidxEach {
            file.extend(sidx(n, n + 1));
        }
        places.push(file.len() as u32);
        file.extend(fragment(parts, file.len() as u64, how));
    }
    if how.index == FileIndex::Mfra {
        let mut tfra = be(&[1, 0, places.len() as u32]);
        for (time, place) in times.iter().zip(&places) {
            tfra.extend(be(&[*time as u32, *place]));
            tfra.extend([1, 1, 1]);
        }
        let tfra = boxed(b"tfra", &[&be(&[0]), &tfra]);
        let size = tfra.len() as u32 + 8 + 16;
        file.extend(boxed(b"mfra", &[&tfra, &full(b"mfro", 0, 0, &[size])]));
    }
    file
}

/// A moof at byte `start`, and its data.
fn fragment(parts: &[(u32, &TrackData, &[Unit])], start: u64, how: Fragmenting) -> Vec<u8> {
    // The offsets count from the end of the moof, whose length does not depend on them.
    let length = moof(parts, start, 0, how).len();
    let mut bytes = moof(parts, start, length, how);
    let data: Vec<_> = parts
        .iter()
        .flat_map(|p| p.2)
        .map(|u| &u.data[..])
        .collect();
    bytes.extend(boxed(b"mdat", &data));
    bytes
}

fn moof(
    parts: &[(u32, &TrackData, &[Unit])],
    start: u64,
    length: usize,
    how: Fragmenting,
) -> Vec<u8> {
    let mut trafs = Vec::new();
    let mut data = length + 8;
    for (n, (id, track, units)) in parts.iter().enumerate() {
        let mut tfhd = vec![*id];
        let mut flags = 0;
        if how.base == Base::Stated {
            flags |= 1;
            tfhd.extend(halves(start));
        } else if how.base == Base::Moof {
            flags |= 0x2_0000;
        }
        if units[0].description > 0 {
            flags |= 2;
            tfhd.push(units[0].description + 1);
        }
        if !how.says_all && !how.by_trex {
            flags |= 0x28;
            tfhd.extend([units[0].duration, NO_SYNC]);
        }
        let mut traf = full(b"tfhd", 0, flags, &tfhd);
        let time = (units[0].dts + how.later * i64::from(track.timescale)) as u64;
        match how.tfdt {
            Some(0) => traf.extend(full(b"tfdt", 0, 0, &[time as u32])),
            Some(_) => traf.extend(full(b"tfdt", 1, 0, &halves(time))),
            None => {}
        }
        let mut from_base = match how.base {
            Base::Implicit if n > 0 => 0,
            _ => data,
        };
        for (run, units) in units.chunks(units.len().div_ceil(how.runs)).enumerate() {
            let bytes: usize = units.iter().map(|u| u.data.len()).sum();
            let offset = (run == 0 || !how.continues).then_some(from_base as u32);
            traf.extend(trun(units, offset, how));
            from_base += bytes;
            data += bytes;
        }
        trafs.extend(boxed(b"traf", &[&traf]));
    }
    boxed(b"moof", &[&full(b"mfhd", 0, 0, &[1]), &trafs])
}

fn trun(units: &[Unit], offset: Option<u32>, how: Fragmenting) -> Vec<u8> {
    let mut flags = 0x200;
    let mut words = vec![units.len() as u32];
    if let Some(offset) = offset {
        flags |= 1;
        words.push(offset);
    }
    let usual = units.iter().all(|u| u.duration == units[0].duration);
    let has_durations = how.says_all || !usual;
    let has_offsets = units.iter().any(|u| u.composition != 0);
    let sync = |u: &Unit| if u.key { SYNC } else { NO_SYNC };
    // One key picture, the first, needs no flags for each.
    let first_only = !how.says_all && units.iter().skip(1).all(|u| !u.key);
    flags |= if has_durations { 0x100 } else { 0 };
    flags |= if has_offsets { 0x800 } else { 0 };
    if first_only {
        flags |= 4;
        words.push(sync(&units[0]));
    } else {
        flags |= 0x400;
    }
    for unit in units {
        if has_durations {
            words.push(unit.duration);
        }
        words.push(unit.data.len() as u32);
        if !first_only {
            words.push(sync(unit));
        }
        if has_offsets {
            words.push(unit.composition as u32);
        }
    }
    full(b"trun", how.trun_version, flags, &words)
}
