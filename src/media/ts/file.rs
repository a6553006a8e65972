//! Transport streams in files: packet size, programme, and seeking by bisection.

use super::TsStream;
use super::clock::Unwrap;
use super::packet::{Framer, Packet, SYNC};
use super::pes::PesReader;
use super::psi::{ProgramStream, StreamCodec};
use crate::bail;
use crate::error::Result;
use crate::media::read_at::Source;
use crate::media::time::Ticks90k;
use crate::media::unit::{AccessUnit, Damage, Demuxer, Rap, StreamKind, Streams};

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;
/// How far into a file its streams must have shown themselves.
const HEAD_BYTES: u64 = 8 << 20;
/// How much is seen of several programmes before one is taken.
const COMPARED_BYTES: u64 = 2 << 20;
/// How far back an entry is looked for; files without any are not played by us.
const FARTHEST_BACK_BYTES: u64 = 256 << 20;
/// Bisection stops at ranges of this size.
const BISECT_BYTES: u64 = 256 << 10;
/// How far a time stamp may be from a place in the file.
const STAMP_BYTES: u64 = 2 << 20;
/// How much is read in front of an entry for the sound that belongs to it, and in front of a place for
/// its entry; doubled as long as that is not enough.
const BACK_BYTES: u64 = 1 << 20;
/// Packets that must follow each other for a packet size to be believed.
const PROOF_PACKETS: usize = 4;

/// How packets lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stride {
    /// Distance of packets: 188, 192 (4 bytes of arrival time in front) or 204 (16 bytes of parity behind).
    bytes: usize,
    /// Place of the first sync byte.
    first: u64,
}

impl Stride {
    fn detect(head: &[u8]) -> Option<Self> {
        let is_sync = |place: usize| head.get(place) == Some(&SYNC);
        let strides = [188, 192, 204];
        (0..head.len().min(8 * 204)).find_map(|first| {
            let fits = |&bytes: &usize| {
                let packets = PROOF_PACKETS.min((head.len() - first).div_ceil(bytes));
                packets > 0 && (0..packets).all(|n| is_sync(first + n * bytes))
            };
            strides.into_iter().find(fits).map(|bytes| Self {
                bytes,
                first: first as u64,
            })
        })
    }

    /// The last packet's place at or before `offset`.
    fn align(self, offset: u64) -> u64 {
        let behind = offset.saturating_sub(self.first);
        self.first + behind - behind % self.bytes as u64
    }
}

/// What of the stream behind a seek is left out.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// PTS of the picture (or sound) to begin with.
    pts: Ticks90k,
    /// The picture has come.
    reached: bool,
}

/// Why streams of a file are not read.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pub(super) video: Option<String>,
    pub(super) audio: Option<&'static str>,
    /// PIDs that can only be read with a key.
    scrambled: Vec<u16>,
}

impl Trouble {
    /// The name, for people, of a stream that is not read.
    pub(super) fn name(&self, stream: &ProgramStream) -> String {
        let is_scrambled = self.scrambled.contains(&stream.pid);
        match stream.codec {
            codec if is_scrambled && codec.is_video() => {
                "a picture encrypted by the broadcaster".to_string()
            }
            _ if is_scrambled => "sound encrypted by the broadcaster".to_string(),
            StreamCodec::OtherVideo(name) | StreamCodec::OtherAudio(name) => name.to_string(),
            StreamCodec::Video(codec) => {
                let trouble = self.video.clone();
                trouble.unwrap_or_else(|| format!("{codec:?} without a beginning"))
            }
            StreamCodec::Audio(_) | StreamCodec::MpegAudio => {
                let trouble = self.audio;
                trouble.unwrap_or("sound without a whole frame").to_string()
            }
        }
    }
}

/// A transport stream in a file.
pub struct TsFile {
    pub(super) source: Source,
    stride: Stride,
    pub(super) stream: TsStream,
    pub(super) streams: Streams,
    /// The first time stamp of the file: those elsewhere are unwrapped from it.
    origin: Ticks90k,
    /// Where the next read begins.
    pub(super) offset: u64,
    buffer: Vec<u8>,
    entry: Option<Entry>,
    /// Longest distance of entries and most bytes between two, of a file that the probe saw parts of.
    pub(super) longest_seen: Option<(Ticks90k, u64)>,
    /// Damage in front of the last seek.
    damage: Damage,
    pub(super) trouble: Trouble,
}

impl TsFile {
    /// Opens a transport stream: finds its packet size, its programme and what it holds.
    pub fn open(source: Source) -> Result<Self> {
        let mut head = vec![0; READ_BYTES];
        let bytes = source.read_at(0, &mut head)?;
        head.truncate(bytes);
        let Some(stride) = Stride::detect(&head) else {
            bail!(Unsupported, "{} is no transport stream", source.name());
        };
        let mut file = Self {
            source,
            stride,
            stream: TsStream::of_file(stride.bytes),
            streams: Streams::default(),
            origin: Ticks90k::ZERO,
            offset: stride.first,
            buffer: head,
            entry: None,
            longest_seen: None,
            damage: Damage::default(),
            trouble: Trouble::default(),
        };
        let mut first = file.read_head()?;
        if !file.stream.is_described() && file.stream.decide() {
            // Others of its streams are the ones that there is anything of.
            file.offset = file.stride.first;
            file.stream = file.stream.restarted();
            first = file.read_head()?;
        }
        let name = file.source.name();
        if !file.stream.has_program() {
            bail!(
                Unsupported,
                "{name} has no programme map in its first {HEAD_BYTES} bytes"
            );
        }
        file.stream.finish();
        let trouble = Trouble {
            video: file.stream.video_trouble().map(str::to_owned),
            audio: file.stream.audio_trouble(),
            scrambled: file.scrambled_streams(),
        };
        file.stream.drop_undescribed();
        file.streams = file.stream.streams().clone();
        if file.streams == Streams::default() {
            let content = file.content(&trouble);
            bail!(Unsupported, "{} holds {content}", file.source.name());
        }
        let mut unit = AccessUnit::default();
        while first.is_none() && file.stream.next(&mut unit) {
            first = Some(unit.dts);
        }
        file.trouble = trouble;
        file.origin = first.unwrap_or_default();
        file.enter(file.stride.first);
        // What was looked at is read once more.
        file.damage = Damage::default();
        Ok(file)
    }

    /// Reads until all streams are described. Returns the first time stamp, if it has come out.
    fn read_head(&mut self) -> Result<Option<Ticks90k>> {
        let (mut first, mut unit) = (None, AccessUnit::default());
        loop {
            let more = self.fill()?;
            // What comes out before everything is known would come first again: only its time is used.
            while first.is_none() && self.stream.next(&mut unit) {
                first = Some(unit.dts);
            }
            if self.stream.is_undecided() && (!more || self.offset > COMPARED_BYTES) {
                self.stream.decide();
                self.stream = self.stream.restarted();
                self.offset = self.stride.first;
                continue;
            }
            if !more || self.offset > HEAD_BYTES || self.stream.is_described() {
                return Ok(first);
            }
        }
    }

    /// PIDs of the programme that can only be read with a key.
    fn scrambled_streams(&self) -> Vec<u16> {
        let streams = self.stream.program().iter();
        streams
            .filter(|stream| self.stream.is_scrambled(stream))
            .map(|stream| stream.pid)
            .collect()
    }

    /// What the programme map says, for people.
    fn content(&self, trouble: &Trouble) -> String {
        let streams = self.stream.program().iter();
        let mut names: Vec<_> = streams.map(|stream| trouble.name(stream)).collect();
        names.dedup();
        if names.is_empty() {
            "neither picture nor sound".to_string()
        } else {
            names.join(", ")
        }
    }

    /// Goes on at `offset` with the programme known.
    pub(super) fn enter(&mut self, offset: u64) {
        let damage = self.stream.damage();
        self.damage.dropped_units += damage.dropped_units;
        self.damage.skipped_bytes += damage.skipped_bytes;
        self.stream = self.stream.resumed(self.origin);
        self.offset = self.stride.align(offset);
        self.entry = None;
    }

    /// Pushes the next bytes of the file; `false` at its end.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.resize(READ_BYTES, 0);
        let bytes = self.source.read_at(self.offset, &mut self.buffer)?;
        let read = self.buffer.get(..bytes).unwrap_or_default();
        self.offset += bytes as u64;
        self.stream.push(read);
        Ok(bytes > 0)
    }

    /// The next unit of the stream, whatever was sought.
    pub(super) fn raw_next(&mut self, unit: &mut AccessUnit) -> Result<bool> {
        while !self.stream.next(unit) {
            if !self.fill()? {
                self.stream.finish();
                return Ok(self.stream.next(unit));
            }
        }
        Ok(true)
    }

    /// The first time stamp of the leading stream behind `offset`.
    fn stamp_behind(&self, offset: u64) -> Result<Option<Ticks90k>> {
        let pid = self.stream.video_pid().or(self.stream.audio_pid());
        let mut buffer = vec![0; READ_BYTES];
        let mut framer = Framer::new(self.stride.bytes);
        let mut at = self.stride.align(offset);
        let end = at.saturating_add(STAMP_BYTES);
        let mut stamp = None;
        while at < end && stamp.is_none() {
            let bytes = self.source.read_at(at, &mut buffer)?;
            framer.push(buffer.get(..bytes).unwrap_or_default(), &mut |packet| {
                let packet = Packet::parse(packet);
                let Some(packet) = packet.filter(|p| p.start && Some(p.pid) == pid) else {
                    return;
                };
                let piece = PesReader::default().push(true, packet.payload);
                let pts = piece.header.and_then(|header| header.pts);
                stamp = stamp.or(pts);
            });
            if bytes == 0 {
                break;
            }
            at += bytes as u64;
        }
        Ok(stamp.map(|pts| Unwrap::from_origin(self.origin).take(pts)))
    }

    /// A place whose first time stamp is not after `target`, at most [`BISECT_BYTES`] before one that is.
    fn bisect(&self, target: Ticks90k) -> Result<u64> {
        let (mut low, mut high) = (self.stride.first, self.source.size_bytes());
        while high.saturating_sub(low) > BISECT_BYTES {
            let middle = low.midpoint(high);
            match self.stamp_behind(middle)? {
                Some(stamp) if stamp <= target => low = middle,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The last entry at or before `target` (or else the first one) among the units from `from` on. Stops
    /// behind `target`.
    fn entry_from(&mut self, from: u64, target: Ticks90k) -> Result<(Option<Ticks90k>, bool)> {
        let has_video = self.streams.video.is_some();
        self.enter(from);
        let (mut unit, mut entry) = (AccessUnit::default(), None);
        while self.raw_next(&mut unit)? {
            let leads = has_video == (unit.kind == StreamKind::Video);
            if leads && unit.rap != Rap::No {
                if unit.pts > target {
                    let found = entry.is_some();
                    return Ok((entry.or(Some(unit.pts)), found));
                }
                entry = Some(unit.pts);
            }
            let is_far = self.offset.saturating_sub(from) > FARTHEST_BACK_BYTES;
            if leads && unit.dts > target && (entry.is_some() || is_far) {
                break;
            }
        }
        Ok((entry, entry.is_some()))
    }
}

impl Demuxer for TsFile {
    fn streams(&self) -> &Streams {
        &self.streams
    }

    fn seek(&mut self, target: Ticks90k) -> Result<Ticks90k> {
        let place = self.bisect(target)?;
        let mut back = BACK_BYTES;
        loop {
            let from = place.saturating_sub(back);
            let (entry, at_or_before) = self.entry_from(from, target)?;
            if !at_or_before && from > self.stride.first && back < FARTHEST_BACK_BYTES {
                back = back.saturating_mul(2);
                continue;
            }
            // Sound lies up to a buffer's length before or behind the pictures of its time.
            self.enter(from.saturating_sub(BACK_BYTES));
            let pts = entry.unwrap_or(self.origin);
            self.entry = entry.map(|pts| Entry {
                pts,
                reached: false,
            });
            return Ok(pts);
        }
    }

    fn next(&mut self, unit: &mut AccessUnit) -> Result<bool> {
        while self.raw_next(unit)? {
            let Some(entry) = &mut self.entry else {
                return Ok(true);
            };
            match unit.kind {
                StreamKind::Video if entry.reached => return Ok(true),
                StreamKind::Video => {
                    if unit.rap != Rap::No && unit.pts == entry.pts {
                        entry.reached = true;
                        return Ok(true);
                    }
                }
                StreamKind::Audio => {
                    if unit.pts + unit.duration > entry.pts {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn damage(&self) -> Damage {
        let damage = self.stream.damage();
        Damage {
            dropped_units: self.damage.dropped_units + damage.dropped_units,
            skipped_bytes: self.damage.skipped_bytes + damage.skipped_bytes,
        }
    }
}
