//! Headers of audio frames as a transport stream carries them: where a frame ends, how long it lasts,
//! how many speakers it feeds. Nothing here decodes sound.
//!
//! Every parser takes bytes that may be cut short or wrong and answers `None` instead of guessing: the
//! caller then looks for the next sync word.

pub mod aac;
pub mod ac3;
pub mod mpeg;

use super::unit::AudioCodec;

/// What the header of an audio frame tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The codec that was asked for.
    pub codec: AudioCodec,
    /// Samples per second, of the core stream where there is an extension (HE-AAC).
    pub rate_hz: u32,
    /// Speakers; 0 when an AAC frame leaves it to a program config element inside.
    pub channels: u8,
    /// Samples per channel at `rate_hz`.
    pub samples: u16,
    /// Length of the frame with its header. For E-AC-3 with every substream that follows the first one
    /// and lies within the bytes given: they belong to the same moment and to the same PES.
    pub frame_bytes: usize,
}

/// Reads the header of the frame that begins at `data[0]`; `None` when there is none of this codec.
///
/// Needs 7 bytes for AAC and AC-3, 6 for a first look at E-AC-3, 4 for MPEG audio. The frame itself need not be
/// complete: compare `frame_bytes` with what is there.
pub fn parse_frame_header(codec: AudioCodec, data: &[u8]) -> Option<FrameHeader> {
    match codec {
        AudioCodec::Aac => aac::parse_adts(data),
        AudioCodec::Ac3 => ac3::parse_ac3(data),
        AudioCodec::Eac3 => ac3::parse_eac3(data),
        AudioCodec::Mp2 => mpeg::parse(AudioCodec::Mp2, data),
        AudioCodec::Mp3 => mpeg::parse(AudioCodec::Mp3, data),
    }
}

/// What bytes are that should be a frame and are one that no stream of ours carries.
pub(crate) fn trouble(data: &[u8]) -> Option<&'static str> {
    match *data {
        [0x56, second, ..] if second & 0xE0 == 0xE0 => Some("AAC in LATM"),
        [0xFF, _, _, _, ..] => mpeg::trouble(data),
        _ => None,
    }
}

/// Reads bit fields, most significant bit first; `None` past the end.
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// The next `count` (at most 32) bits.
    pub(crate) fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.data.get(self.position / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Some(value)
    }

    /// One bit.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// How many bits are left.
    pub(crate) fn left(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.position)
    }
}
