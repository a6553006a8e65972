//! Transport streams in files: packet size, programme, and seeking by bisection.

use super::TsStream;
use super::packet::{Packet, SYNC};
use super::pes::{PesReader, Unwrap};
use super::psi::StreamCodec;
use crate::bail;
use crate::error::Result;
use crate::media::read_at::Source;
use crate::media::time::Ticks90k;
use crate::media::unit::{AccessUnit, Damage, Demuxer, Rap, StreamKind, Streams};

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;
/// How far into a file its streams must have shown themselves.
const HEAD_BYTES: u64 = 8 << 20;
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
            stream: TsStream::new(),
            streams: Streams::default(),
            origin: Ticks90k::ZERO,
            offset: stride.first,
            buffer: head,
            entry: None,
            longest_seen: None,
            damage: Damage::default(),
        };
        let mut first = None;
        let mut unit = AccessUnit::default();
        loop {
            let more = file.fill()?;
            // What comes out before everything is known would come first again: only its time is used.
            while first.is_none() && file.stream.next(&mut unit) {
                first = Some(unit.dts);
            }
            if !more || file.offset > HEAD_BYTES || file.stream.is_described() {
                break;
            }
        }
        let name = file.source.name();
        if !file.stream.has_program() {
            bail!(
                Damaged,
                "{name} has no programme map in its first {HEAD_BYTES} bytes"
            );
        }
        file.stream.finish();
        file.stream.drop_undescribed();
        file.streams = file.stream.streams().clone();
        if file.streams == Streams::default() {
            bail!(Unsupported, "{name} holds {}", file.content());
        }
        while first.is_none() && file.stream.next(&mut unit) {
            first = Some(unit.dts);
        }
        file.origin = first.unwrap_or_default();
        file.enter(file.stride.first);
        Ok(file)
    }

    /// What the programme map says, for people.
    fn content(&self) -> String {
        let names: Vec<_> = self
            .stream
            .program()
            .iter()
            .map(|stream| match stream.codec {
                StreamCodec::OtherVideo(name) | StreamCodec::OtherAudio(name) => name.to_string(),
                StreamCodec::MpegAudio => "MPEG audio without a whole frame".to_string(),
                codec => format!("{codec:?} without a beginning"),
            })
            .collect();
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
        if self.stride.bytes == super::packet::PACKET_BYTES {
            self.stream.push(read);
            return Ok(bytes > 0);
        }
        let mut used = 0;
        for packet in read.chunks(self.stride.bytes) {
            // The last one goes with the next read, unless the file ends.
            if packet.len() < self.stride.bytes && bytes == READ_BYTES {
                break;
            }
            used += packet.len();
            if packet.first() == Some(&SYNC) {
                self.stream.push(packet.get(..188).unwrap_or(packet));
            }
        }
        self.offset -= (bytes - used) as u64;
        Ok(used > 0)
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
        let mut at = self.stride.align(offset);
        let end = at.saturating_add(STAMP_BYTES);
        while at < end {
            let bytes = self.source.read_at(at, &mut buffer)?;
            for packet in buffer
                .get(..bytes)
                .unwrap_or_default()
                .chunks(self.stride.bytes)
            {
                let packet = packet.get(..188).and_then(Packet::parse);
                let Some(packet) = packet.filter(|p| p.start && Some(p.pid) == pid) else {
                    continue;
                };
                let piece = PesReader::default().push(true, packet.payload);
                if let Some(pts) = piece.header.and_then(|header| header.pts) {
                    return Ok(Some(Unwrap::from_origin(self.origin).take(pts)));
                }
            }
            if bytes < self.stride.bytes {
                break;
            }
            at += (bytes - bytes % self.stride.bytes) as u64;
        }
        Ok(None)
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
            if leads && entry.is_some() && unit.dts > target {
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
            if !at_or_before && from > self.stride.first {
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
