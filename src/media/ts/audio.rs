//! The bytes of an audio PID to frames: several in one PES packet, or one over two.

use std::collections::VecDeque;

use super::clock::{Clock, Pace, Standing};
use super::pes::PesHeader;
use super::psi::StreamCodec;
use crate::media::audio::{self, FrameHeader, parse_frame_header};
use crate::media::time::Ticks90k;
use crate::media::unit::{AccessUnit, AudioCodec, AudioTrack, Rap, StreamKind};

/// The longest header that a parser wants to see.
const HEADER_BYTES: usize = 7;
/// Bytes that wait for the rest of their PES packet or frame; a PES packet with a length holds 64 KB.
const WAITING_BYTES: usize = 256 << 10;

/// Gathers the frames of one PID.
#[derive(Debug)]
pub(super) struct AudioReader {
    codec: StreamCodec,
    data: Vec<u8>,
    /// Places in `data` where a PES packet begins, with its time.
    marks: VecDeque<(usize, Ticks90k)>,
    pace: Pace,
    /// The last time stamp used, and how many samples ago that was.
    base: Option<(Ticks90k, i64)>,
    /// The last frame was followed by this one.
    synchronised: bool,
    track: Option<AudioTrack>,
    trouble: Option<&'static str>,
    /// Whole frames.
    pub(super) ready: VecDeque<AccessUnit>,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
    /// Frames left out for damage.
    pub(super) dropped: u64,
    /// Bytes that were no frame.
    pub(super) skipped_bytes: u64,
}

impl AudioReader {
    pub(super) fn new(codec: StreamCodec) -> Self {
        Self {
            codec,
            data: Vec::new(),
            marks: VecDeque::new(),
            pace: Pace::default(),
            base: None,
            synchronised: false,
            track: None,
            trouble: None,
            ready: VecDeque::new(),
            spare: Vec::new(),
            dropped: 0,
            skipped_bytes: 0,
        }
    }

    /// A reader for another place of the same stream.
    pub(super) fn resumed(&self) -> Self {
        Self {
            track: self.track.clone(),
            ..Self::new(self.codec)
        }
    }

    /// The stream's description, once its first frame was seen.
    pub(super) fn track(&self) -> Option<AudioTrack> {
        self.track.clone()
    }

    pub(super) fn codec(&self) -> StreamCodec {
        self.codec
    }

    /// What is wrong with frames that look like some, as long as there was no whole one.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        self.trouble.filter(|_| self.track.is_none())
    }

    /// A PES packet begins.
    pub(super) fn begin(&mut self, header: PesHeader, clock: &mut Clock) {
        self.cut(false);
        let Some(pts) = header.pts else { return };
        let (pts, _) = clock.take(pts, None);
        // Under a time stamp that is wrong, frames follow those before them.
        if let (Standing::Right(shift), _) = self.pace.take(pts, clock) {
            self.marks.push_back((self.data.len(), pts + shift));
        }
    }

    /// More bytes of the stream; `complete` when the PES packet ends with them.
    pub(super) fn push(&mut self, body: &[u8], complete: bool) {
        if self.data.len() + body.len() > WAITING_BYTES {
            self.lose();
        }
        self.data.extend_from_slice(body);
        if complete {
            self.cut(false);
        }
    }

    /// Bytes are missing here: the frames before are whole, the last one is not.
    pub(super) fn lose(&mut self) {
        self.cut(self.synchronised);
        self.dropped += u64::from(!self.data.is_empty());
        self.data.clear();
        self.marks.clear();
        self.base = None;
        self.synchronised = false;
    }

    /// Nothing comes any more.
    pub(super) fn finish(&mut self) {
        self.cut(true);
    }

    /// Takes back a buffer.
    pub(super) fn recycle(&mut self, data: Vec<u8>) {
        if self.spare.len() < 8 {
            self.spare.push(data);
        }
    }

    /// Moves whole frames to `ready`.
    fn cut(&mut self, at_end: bool) {
        let data = std::mem::take(&mut self.data);
        let mut at = 0;
        while let Some(rest) = data.get(at..)
            && (rest.len() >= HEADER_BYTES)
        {
            let Some(header) = self.header(rest) else {
                // Where a PES packet begins, a frame should.
                if self.marks.iter().any(|&(place, _)| place == at) {
                    self.trouble = self.trouble.or(audio::trouble(rest));
                }
                self.synchronised = false;
                self.skip(&mut at);
                continue;
            };
            let Some((frame, next)) = rest.split_at_checked(header.frame_bytes) else {
                break;
            };
            // The rest of the substreams may come with the next PES packet.
            let may_go_on = header.codec == AudioCodec::Eac3 && next.len() < HEADER_BYTES;
            if may_go_on && !at_end {
                break;
            }
            // A sync word in the middle of data looks like a frame: another must follow it.
            if !self.synchronised {
                if next.len() < HEADER_BYTES && !at_end && at > 0 {
                    break;
                }
                let alike = |other: FrameHeader| other.rate_hz == header.rate_hz;
                if next.len() >= HEADER_BYTES && !self.header(next).is_some_and(alike) {
                    self.skip(&mut at);
                    continue;
                }
                self.synchronised = true;
            }
            while let Some(&(place, pts)) = self.marks.front()
                && place <= at
            {
                self.base = Some((pts, 0));
                self.marks.pop_front();
            }
            self.emit(&header, frame);
            at += header.frame_bytes;
        }
        self.data = data;
        self.data.drain(..at.min(self.data.len()));
        for (place, _) in &mut self.marks {
            *place = place.saturating_sub(at);
        }
    }

    /// Leaves out a byte. Where a stream is entered, the rest of a frame is no damage.
    fn skip(&mut self, at: &mut usize) {
        self.skipped_bytes += u64::from(self.base.is_some());
        *at += 1;
    }

    /// Reads a frame's header. MPEG audio tells its layer with the first one, and what is announced as AC-3
    /// may be Enhanced AC-3.
    fn header(&mut self, data: &[u8]) -> Option<FrameHeader> {
        match self.codec {
            StreamCodec::Audio(AudioCodec::Ac3) if self.track.is_none() => {
                [AudioCodec::Ac3, AudioCodec::Eac3]
                    .into_iter()
                    .find_map(|codec| parse_frame_header(codec, data))
            }
            StreamCodec::Audio(codec) => parse_frame_header(codec, data),
            StreamCodec::MpegAudio => [AudioCodec::Mp2, AudioCodec::Mp3]
                .into_iter()
                .find_map(|codec| parse_frame_header(codec, data)),
            _ => None,
        }
    }

    fn emit(&mut self, header: &FrameHeader, frame: &[u8]) {
        if self.track.is_none() {
            self.codec = StreamCodec::Audio(header.codec);
        }
        let track = self.track.get_or_insert(AudioTrack {
            codec: header.codec,
            rate_hz: header.rate_hz,
            channels: header.channels,
            frame_samples: header.samples,
        });
        let Some((base, samples)) = &mut self.base else {
            self.dropped += 1;
            return;
        };
        let pts = *base + Ticks90k::from_scaled(*samples, header.rate_hz);
        *samples += i64::from(header.samples);
        let mut data = self.spare.pop().unwrap_or_default();
        data.clear();
        data.extend_from_slice(frame);
        let duration = if header.samples == track.frame_samples && header.rate_hz == track.rate_hz {
            track.frame_duration()
        } else {
            Ticks90k::from_scaled(i64::from(header.samples), header.rate_hz)
        };
        self.ready.push_back(AccessUnit {
            kind: StreamKind::Audio,
            pts,
            dts: pts,
            duration,
            rap: Rap::Clean,
            skipped_leading: false,
            parameter_sets: None,
            origin: 0,
            data,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ADTS frame of 40 bytes at 44.1 kHz whose body is `fill`.
    fn frame(fill: u8) -> Vec<u8> {
        let mut frame = vec![fill; 40];
        frame[..7].copy_from_slice(&[0xFF, 0xF1, 0x50, 0x80, 5, 0x1F, 0xFC]);
        frame
    }

    fn header(pts: u64) -> PesHeader {
        PesHeader {
            pts: Some(pts),
            dts: None,
        }
    }

    fn times(reader: &AudioReader) -> Vec<i64> {
        reader.ready.iter().map(|unit| unit.pts.0).collect()
    }

    #[test]
    fn a_frame_over_two_packets_is_counted_and_the_next_takes_the_time_stamp() {
        let mut clock = Clock::default();
        let mut reader = AudioReader::new(StreamCodec::Audio(AudioCodec::Aac));
        let bytes: Vec<u8> = (0..6).flat_map(frame).collect();
        reader.begin(header(1_000), &mut clock);
        reader.push(&bytes[..95], true);
        assert_eq!(times(&reader), [1_000, 3_090]);
        // The third frame began in the first packet; the fourth is the first to begin here.
        reader.begin(header(7_300), &mut clock);
        reader.push(&bytes[95..], true);
        assert_eq!(times(&reader), [1_000, 3_090, 5_180, 7_300, 9_390, 11_480]);
        assert_eq!((reader.dropped, reader.skipped_bytes), (0, 0));
        assert_eq!(reader.ready[2].data, frame(2));
    }

    #[test]
    fn an_entry_in_the_middle_of_a_frame_finds_the_next_one() {
        let mut clock = Clock::default();
        let mut reader = AudioReader::new(StreamCodec::Audio(AudioCodec::Aac));
        let bytes: Vec<u8> = (0..3).flat_map(frame).collect();
        reader.begin(header(1_000), &mut clock);
        reader.push(&bytes[20..], true);
        reader.finish();
        assert_eq!(times(&reader), [1_000, 3_090]);
        assert_eq!((reader.dropped, reader.skipped_bytes), (0, 0));
    }

    /// An Enhanced AC-3 substream of 16 bytes at 48 kHz: independent stereo, or a dependent one.
    fn substream(dependent: bool) -> Vec<u8> {
        let mut bytes = vec![0x0B, 0x77, 0x00, 0x07, 0x34, 0x86];
        if dependent {
            bytes[2] = 0x40;
        }
        bytes.resize(16, 0);
        bytes
    }

    #[test]
    fn a_dependent_substream_belongs_to_its_frame_also_in_the_next_packet() {
        let mut clock = Clock::default();
        // Announced as AC-3, as some broadcasters do.
        for announced in [AudioCodec::Eac3, AudioCodec::Ac3] {
            let mut reader = AudioReader::new(StreamCodec::Audio(announced));
            let frame = [substream(false), substream(true)].concat();
            let bytes = frame.repeat(4);
            for (n, piece) in bytes.chunks(16 + 32).enumerate() {
                reader.begin(header(1_000 + n as u64 * 4_320), &mut clock);
                reader.push(piece, true);
            }
            reader.finish();
            assert_eq!((reader.dropped, reader.skipped_bytes), (0, 0));
            assert!(reader.ready.iter().all(|unit| unit.data == frame));
            // The second packet begins within a frame; the one after that takes its time stamp.
            assert_eq!(times(&reader), [1_000, 3_880, 5_320, 9_640]);
        }
    }
}
