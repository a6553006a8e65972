//! The bytes of a video PID to pictures: where one ends and the next begins, its times, its parameter sets.
//!
//! H.264 and HEVC come with one PES packet per picture (or pair of fields) nearly always; a PES packet
//! that does not begin with a picture is handled. MPEG-2 may have several pictures in one.

use std::collections::VecDeque;
use std::sync::Arc;

use super::clock::{Clock, Pace, Standing};
use super::mpeg2::{self, Count, Picture};
use super::pes::PesHeader;
use crate::media::nal::{self, Field, Fields, VideoConfig};
use crate::media::time::Ticks90k;
use crate::media::unit::{AccessUnit, Rap, StreamKind, VideoCodec, VideoTrack};

/// The largest picture that is gathered; the largest real ones are below 4 MB.
pub(super) const UNIT_BYTES: usize = 12 << 20;
/// How far a picture may be shown behind its decoding, and (broken) before it.
const SHOWN_WITHIN: std::ops::RangeInclusive<Ticks90k> = Ticks90k(-90_000)..=Ticks90k(10 * 90_000);

/// The time stamps that came with a place in the stream.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: usize,
    pts: Ticks90k,
    dts: Ticks90k,
    standing: Standing,
}

/// Gathers the pictures of one PID.
#[derive(Debug)]
pub(super) struct VideoReader {
    codec: VideoCodec,
    /// Bytes of pictures that are not cut yet.
    data: Vec<u8>,
    marks: VecDeque<Mark>,
    pace: Pace,
    /// Pictures larger than the cap are skipped up to the next time stamp.
    overflow: bool,
    config: Option<VideoConfig>,
    /// Why there is none, when there were parameter sets.
    trouble: Option<String>,
    parameter_sets: Arc<[u8]>,
    /// MPEG-2: where times are counted from.
    count: Option<Count>,
    is_progressive: bool,
    fields: Fields,
    /// A field that waits for the other one of its frame.
    half: Option<(AccessUnit, Field)>,
    /// Layers above the one that we carry are taken out.
    has_extensions: bool,
    /// Whole pictures in decode order.
    pub(super) ready: VecDeque<AccessUnit>,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
    /// Pictures left out for damage.
    pub(super) dropped: u64,
}

impl VideoReader {
    pub(super) fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            data: Vec::new(),
            marks: VecDeque::new(),
            pace: Pace::default(),
            overflow: false,
            config: None,
            trouble: None,
            parameter_sets: Arc::default(),
            count: None,
            is_progressive: false,
            fields: Fields::new(codec),
            half: None,
            has_extensions: false,
            ready: VecDeque::new(),
            spare: Vec::new(),
            dropped: 0,
        }
    }

    /// A reader for another place of the same stream.
    pub(super) fn resumed(&self) -> Self {
        Self {
            config: self.config.clone(),
            parameter_sets: Arc::clone(&self.parameter_sets),
            is_progressive: self.is_progressive,
            fields: self.fields.clone(),
            has_extensions: self.has_extensions,
            ..Self::new(self.codec)
        }
    }

    /// The stream's description, once its first parameter sets were seen.
    pub(super) fn track(&self) -> Option<VideoTrack> {
        self.config.as_ref().map(|config| VideoTrack {
            codec: self.codec,
            width: config.width,
            height: config.height,
            frame_duration: config.frame_duration,
            reorder_depth: config.reorder_depth,
            parameter_sets: Arc::clone(&config.parameter_sets),
        })
    }

    pub(super) fn config(&self) -> Option<&VideoConfig> {
        self.config.as_ref()
    }

    pub(super) fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// A PES packet begins, with `body` its first bytes.
    pub(super) fn begin(&mut self, header: PesHeader, body: &[u8], clock: &mut Clock) {
        let aligned = matches!(body, [0, 0, 1, ..] | [0, 0, 0, 1, ..]);
        let Some(pts) = header.pts else {
            // Without time stamps it goes on with the picture before, or brings more of MPEG-2.
            return;
        };
        let (pts, dts) = clock.take(pts, header.dts);
        let (standing, before) = self.pace.take(dts, clock);
        let doubtful = |mark: &&mut Mark| mark.standing == Standing::Doubtful;
        if let (Some(before), Some(mark)) = (before, self.marks.iter_mut().find(doubtful)) {
            mark.standing = before;
        }
        self.cut(!aligned);
        self.overflow = false;
        let at = self.data.len();
        self.marks.push_back(Mark {
            at,
            pts,
            dts,
            standing,
        });
    }

    /// More bytes of the stream.
    pub(super) fn push(&mut self, body: &[u8]) {
        if self.overflow || self.marks.is_empty() {
            return;
        }
        if self.data.len() + body.len() > UNIT_BYTES {
            self.lose();
            self.overflow = true;
            return;
        }
        self.data.extend_from_slice(body);
    }

    /// Bytes are missing here: what has been gathered since the last picture is lost.
    pub(super) fn lose(&mut self) {
        self.dropped += u64::from(!self.data.is_empty());
        self.data.clear();
        self.marks.clear();
        self.count = None;
        self.ready.extend(self.half.take().map(|(unit, _)| unit));
    }

    /// Nothing comes any more.
    pub(super) fn finish(&mut self) {
        self.cut(false);
        self.ready.extend(self.half.take().map(|(unit, _)| unit));
    }

    /// Takes back a buffer.
    pub(super) fn recycle(&mut self, mut data: Vec<u8>) {
        if self.spare.len() < 4 {
            data.clear();
            self.spare.push(data);
        }
    }

    /// Moves whole pictures to `ready`; `keep_last` leaves the last one, which may go on.
    fn cut(&mut self, keep_last: bool) {
        let starts = self.starts();
        let end = self.data.len();
        let whole = starts.len().saturating_sub(usize::from(keep_last));
        let from = match starts.first() {
            Some(&first) => first,
            None if keep_last => return,
            None => {
                self.lose();
                return;
            }
        };
        if from == 0 && whole == 1 && starts.len() == 1 {
            // The usual case: the gathered bytes are one picture, and move without a copy.
            let spare = self.spare.pop().unwrap_or_default();
            let data = std::mem::replace(&mut self.data, spare);
            let mark = self.marks.pop_front();
            self.marks.clear();
            self.emit(data, mark);
            return;
        }
        for n in 0..whole {
            let start = starts.get(n).copied().unwrap_or(end);
            let stop = starts.get(n + 1).copied().unwrap_or(end);
            let data = self.data.get(start..stop).unwrap_or_default().to_vec();
            let mark = self.take_mark(start);
            self.emit(data, mark);
        }
        let kept = starts.get(whole).copied().unwrap_or(end);
        self.data.drain(..kept);
        for mark in &mut self.marks {
            mark.at = mark.at.saturating_sub(kept);
        }
        if self.data.is_empty() {
            self.marks.clear();
        }
    }

    /// The mark of a picture that begins at `start`: the first time stamps at or before it that no other
    /// picture has taken (ISO 13818-1 §2.4.3.7).
    fn take_mark(&mut self, start: usize) -> Option<Mark> {
        let mut taken = None;
        while let Some(&mark) = self.marks.front()
            && mark.at <= start
        {
            taken = Some(mark);
            self.marks.pop_front();
        }
        taken
    }

    /// Where pictures begin in `data`.
    fn starts(&self) -> Vec<usize> {
        if self.codec == VideoCodec::Mpeg2 {
            return mpeg2::starts(&self.data);
        }
        let mut starts: Vec<usize> = Vec::new();
        for mark in &self.marks {
            if let Some(start) = unit_start(self.codec, &self.data, mark.at)
                && starts.last().is_none_or(|&last| start > last)
            {
                starts.push(start);
            }
        }
        starts
    }

    fn emit(&mut self, mut data: Vec<u8>, mark: Option<Mark>) {
        let facts = nal::inspect(self.codec, &data);
        if facts.has_parameter_sets {
            self.learn(&data);
        }
        self.has_extensions |= facts.has_extensions;
        if self.has_extensions {
            nal::drop_extensions(self.codec, &mut data);
        }
        let Some((pts, dts, duration)) = self.times(&data, mark) else {
            self.dropped += 1;
            return;
        };
        // Nothing before the first parameter sets can be decoded.
        if self.config.is_none() {
            return;
        }
        let needs_sets = facts.rap != Rap::No && !facts.has_parameter_sets;
        let field = self.fields.of(&data);
        let unit = AccessUnit {
            kind: StreamKind::Video,
            pts: pts.max(dts),
            dts,
            duration,
            rap: facts.rap,
            skipped_leading: facts.skipped_leading,
            parameter_sets: needs_sets.then(|| Arc::clone(&self.parameter_sets)),
            origin: 0,
            data,
        };
        self.pair(unit, field);
    }

    /// Puts the two fields of a frame together that came as two units: only whole frames can be cut between.
    fn pair(&mut self, unit: AccessUnit, field: Option<Field>) {
        if let Some((mut first, half)) = self.half.take() {
            if field.is_some_and(|field| half.is_completed_by(&field)) {
                first.data.extend_from_slice(&unit.data);
                self.recycle(unit.data);
                self.ready.push_back(first);
                return;
            }
            self.ready.push_back(first);
        }
        match field {
            Some(field) => self.half = Some((unit, field)),
            None => self.ready.push_back(unit),
        }
    }

    /// PTS, DTS and length of a picture: those that came with it, or for MPEG-2 those counted from the last that
    /// had some.
    fn times(&mut self, data: &[u8], mark: Option<Mark>) -> Option<(Ticks90k, Ticks90k, Ticks90k)> {
        let config = self.config.as_ref();
        let frame = config.map_or(Ticks90k::ZERO, |c| c.frame_duration);
        let stamped = match mark {
            Some(mark) => match mark.standing {
                Standing::Right(shift) if SHOWN_WITHIN.contains(&(mark.pts - mark.dts)) => {
                    Some((mark.pts + shift, mark.dts + shift))
                }
                _ => return None,
            },
            None => None,
        };
        if self.codec != VideoCodec::Mpeg2 {
            return stamped.map(|(pts, dts)| (pts, dts, frame));
        }
        let reorders = config.is_none_or(|config| config.reorder_depth > 0);
        let picture = Picture::read(data, self.is_progressive)?;
        let counted = || self.count.map(|count| count.next(picture, frame, reorders));
        let (pts, dts) = stamped.or_else(counted)?;
        self.count = Some(Count::after(self.count, picture, dts, frame, reorders));
        Some((pts, dts, picture.duration(frame)))
    }

    /// Takes over the parameter sets of a random access point.
    fn learn(&mut self, data: &[u8]) {
        let mut sets = Vec::new();
        nal::copy_parameter_sets(self.codec, data, &mut sets);
        if *self.parameter_sets == *sets {
            return;
        }
        // Sets that cannot be read do not replace those that can.
        match nal::parse_parameter_sets(self.codec, &sets) {
            Ok(config) => {
                self.fields.learn(&sets);
                self.is_progressive = mpeg2::is_progressive(&sets);
                self.parameter_sets = sets.into();
                // The description is that of the beginning; later sets only travel with their pictures.
                self.config.get_or_insert(config);
            }
            Err(error) => self.trouble = Some(error.message().to_owned()),
        }
    }

    /// Why the stream has no description, as far as its parameter sets tell.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| self.config.is_none())
    }
}

/// Places of start codes (00 00 01) at or behind `from`, with the two bytes behind each.
pub(super) fn start_codes(data: &[u8], from: usize) -> impl Iterator<Item = (usize, u8, u8)> {
    let mut at = from;
    std::iter::from_fn(move || {
        loop {
            let &[first, second, third] = data.get(at..)?.first_chunk::<3>()?;
            // A last byte that is not zero rules out three places at once.
            match (first, second, third) {
                (0, 0, 1) => break,
                (_, _, 1..) => at += 3,
                (_, 1.., 0) => at += 2,
                _ => at += 1,
            }
        }
        let place = at;
        at += 3;
        let next = |n: usize| data.get(place + n).copied().unwrap_or_default();
        Some((place, next(3), next(4)))
    })
}

/// A four-byte start code begins with one more zero.
fn with_zero(data: &[u8], place: usize) -> usize {
    let zero = place > 0 && data.get(place - 1) == Some(&0);
    place - usize::from(zero)
}

/// Where the first access unit at or behind `from` begins (ITU-T H.264 §7.4.1.2.3, H.265 §7.4.2.4.4).
fn unit_start(codec: VideoCodec, data: &[u8], from: usize) -> Option<usize> {
    // Only what stands before a unit's first slice can begin one, and a first slice itself.
    let begins = |place: usize, first: u8, second: u8| match codec {
        VideoCodec::H264 => match first & 0x1F {
            6..=9 | 14..=18 => true,
            1 | 5 => second & 0x80 != 0,
            _ => false,
        },
        _ => match first >> 1 & 0x3F {
            32..=35 | 39 | 41..=44 | 48..=55 => true,
            0..=31 => data.get(place + 5).is_some_and(|byte| byte & 0x80 != 0),
            _ => false,
        },
    };
    start_codes(data, from)
        .find(|&(place, first, second)| begins(place, first, second))
        .map(|(place, ..)| with_zero(data, place).max(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETS: [u8; 22] = [
        0, 0, 1, 0xB3, 0x14, 0x00, 0xB4, 0x33, 0xFF, 0xFF, 0xE0, 0x18, 0, 0, 1, 0xB5, 0x14, 0x8A,
        0, 1, 0, 0,
    ];

    /// An MPEG-2 picture with one slice: 2 is P, 3 is B; 1 is I with all headers in front.
    fn picture(kind: u8, temporal: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        if kind == 1 {
            bytes.extend_from_slice(&SETS);
            bytes.extend_from_slice(&[0, 0, 1, 0xB8, 0, 8, 0, 0x40]);
        }
        let place = (temporal << 6 | u16::from(kind) << 3).to_be_bytes();
        bytes.extend_from_slice(&[0, 0, 1, 0, place[0], place[1], 0xFF, 0xF8]);
        bytes.extend_from_slice(&[0, 0, 1, 1, 0x55, 0x55, 0x55]);
        bytes
    }

    /// Pushes `stream` as PES packets of these sizes, each with its PTS and DTS.
    fn units(stream: &[u8], packets: &[(usize, Option<(u64, u64)>)]) -> Vec<(i64, i64, usize)> {
        let mut clock = Clock::default();
        let mut reader = VideoReader::new(VideoCodec::Mpeg2);
        let mut rest = stream;
        for &(bytes, times) in packets {
            let (body, next) = rest.split_at(bytes.min(rest.len()));
            let header = PesHeader {
                pts: times.map(|times| times.0),
                dts: times.map(|times| times.1),
            };
            reader.begin(header, body, &mut clock);
            reader.push(body);
            rest = next;
        }
        reader.finish();
        let brief = |unit: &AccessUnit| (unit.pts.0, unit.dts.0, unit.data.len());
        reader.ready.iter().map(brief).collect()
    }

    #[test]
    fn pictures_that_share_packets_or_lie_across_them_come_out_one_by_one() {
        let pictures = [picture(1, 0), picture(2, 3), picture(3, 1), picture(3, 2)];
        let stream = pictures.concat();
        let expected: Vec<_> = [
            (7_200, 3_600),
            (18_000, 7_200),
            (10_800, 10_800),
            (14_400, 14_400),
        ]
        .iter()
        .zip(&pictures)
        .map(|(&(pts, dts), picture)| (pts, dts, picture.len()))
        .collect();
        let first = pictures[0].len();
        let one = [(stream.len(), Some((7_200, 3_600)))];
        assert_eq!(units(&stream, &one), expected, "all in one packet");
        let without = [(first + 5, Some((7_200, 3_600))), (usize::MAX, None)];
        assert_eq!(
            units(&stream, &without),
            expected,
            "a packet without time stamps"
        );
        // The second packet begins within the first picture: its times are those of the second picture.
        let across = [
            (first - 4, Some((7_200, 3_600))),
            (usize::MAX, Some((18_000, 7_200))),
        ];
        assert_eq!(
            units(&stream, &across),
            expected,
            "a picture over two packets"
        );
    }
}
