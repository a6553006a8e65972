//! AAC: the AudioSpecificConfig of containers (ISO 14496-3 §1.6.2.1) and the ADTS header of transport
//! streams (ISO 14496-3 §1.A.2.2), which says less.

use super::{Bits, FrameHeader};
use crate::bail;
use crate::error::Result;
use crate::media::unit::AudioCodec;

/// Bytes that an ADTS header without CRC takes in front of a frame.
pub const ADTS_HEADER_BYTES: usize = 7;

/// Sampling frequencies by index (ISO 14496-3 table 1.18).
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// The longest frame that the 13-bit length of an ADTS header can tell.
const ADTS_FRAME_BYTES_MAX: usize = 0x1FFF;

const AAC_SBR: u32 = 5;
const AAC_PS: u32 = 29;

/// An AAC stream as its container describes it, with everything that ADTS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AacConfig {
    /// Audio object type of the core stream, 1 to 4 (2 is LC).
    pub object_type: u8,
    /// Samples per second of the core stream (half of what HE-AAC plays).
    pub rate_hz: u32,
    /// Speakers that a decoder feeds: 2 where parametric stereo makes two of the core stream's one.
    pub channels: u8,
    /// The core stream has one channel, and two are made of it (HE-AAC v2).
    pub parametric_stereo: bool,
    /// Samples per frame of the core stream.
    pub frame_samples: u16,
    /// The name for people ("AAC-LC", "HE-AAC v2").
    pub name: &'static str,
}

impl AacConfig {
    /// Reads an AudioSpecificConfig. `Unsupported` names what ADTS cannot carry, `Damaged` a config
    /// that ends early.
    pub fn parse(asc: &[u8]) -> Result<Self> {
        let mut bits = Bits::new(asc);
        match Self::read(&mut bits) {
            Some(config) => config,
            None => bail!(
                Damaged,
                "AudioSpecificConfig of {} bytes ends early",
                asc.len()
            ),
        }
    }

    fn read(bits: &mut Bits<'_>) -> Option<Result<Self>> {
        let mut object_type = read_object_type(bits)?;
        let mut rate_hz = read_rate(bits)?;
        let channel_configuration = bits.take(4)?;
        let mut sbr = object_type == AAC_SBR || object_type == AAC_PS;
        let mut ps = object_type == AAC_PS;
        if sbr {
            let _extension_rate = read_rate(bits)?;
            object_type = read_object_type(bits)?;
        }
        let core = match object_type {
            1 => "AAC Main",
            2 => "AAC-LC",
            3 => "AAC-SSR",
            4 => "AAC-LTP",
            other => return Some(unsupported(object_type_name(other))),
        };
        let short_frames = bits.flag()?;
        if bits.flag()? {
            bits.take(14)?; // coreCoderDelay
        }
        bits.flag()?; // extensionFlag, always 0 for these types
        let channels = match channel_configuration {
            n @ 1..=6 => n as u8,
            7 => 8,
            0 => return Some(unsupported("AAC with a program config element")),
            _ => return Some(unsupported("AAC with a channel configuration above 7")),
        };
        // Backward compatible signalling (§1.6.6.1): a sync word behind the core's own config.
        if !sbr
            && bits.left() >= 16
            && bits.take(11)? == 0x2B7
            && read_object_type(bits)? == AAC_SBR
        {
            sbr = bits.flag()?;
            if sbr {
                let _extension_rate = read_rate(bits)?;
                ps = bits.left() >= 12 && bits.take(11)? == 0x548 && bits.flag()?;
            }
        }
        if short_frames {
            return Some(unsupported("AAC with frames of 960 samples"));
        }
        // Some writers spell a table rate out with 24 bits, and not quite (lavf snaps likewise).
        rate_hz = match RATES.iter().find(|r| r.abs_diff(rate_hz) * 100 < rate_hz) {
            Some(rate) => *rate,
            None => return Some(unsupported("AAC at a sampling frequency outside the table")),
        };
        Some(Ok(Self {
            object_type: object_type as u8,
            rate_hz,
            channels: if ps && channels == 1 { 2 } else { channels },
            parametric_stereo: ps && channels == 1,
            frame_samples: 1024,
            name: match (sbr, ps) {
                (_, true) => "HE-AAC v2",
                (true, false) => "HE-AAC",
                (false, false) => core,
            },
        }))
    }

    /// The header for a frame whose raw data block has `payload_bytes`. Fails when 13 bits cannot tell
    /// the length.
    pub fn adts_header(&self, payload_bytes: usize) -> Result<[u8; ADTS_HEADER_BYTES]> {
        let frame_bytes = payload_bytes.saturating_add(ADTS_HEADER_BYTES);
        if frame_bytes > ADTS_FRAME_BYTES_MAX {
            bail!(
                Damaged,
                "an AAC frame of {payload_bytes} bytes does not fit ADTS"
            );
        }
        let Some(rate_index) = RATES.iter().position(|r| *r == self.rate_hz) else {
            bail!(Unsupported, "AAC at {} Hz does not fit ADTS", self.rate_hz);
        };
        let channel_configuration = match self.channels {
            _ if self.parametric_stereo => 1,
            8 => 7,
            channels => channels,
        };
        let profile = self.object_type.wrapping_sub(1) & 3;
        // Buffer fullness 0x7FF: variable bit rate; one raw data block.
        Ok([
            0xFF,
            0xF1,
            profile << 6 | (rate_index as u8) << 2 | channel_configuration >> 2,
            channel_configuration << 6 | (frame_bytes >> 11) as u8,
            (frame_bytes >> 3) as u8,
            (frame_bytes << 5) as u8 | 0x1F,
            0xFC,
        ])
    }
}

fn unsupported(what: &str) -> Result<AacConfig> {
    bail!(Unsupported, "{what} does not fit a transport stream")
}

fn object_type_name(object_type: u32) -> &'static str {
    match object_type {
        17 => "AAC-ER LC",
        20 => "AAC scalable",
        23 => "AAC-LD",
        36 => "MPEG-4 ALS",
        39 => "AAC-ELD",
        42 => "xHE-AAC",
        _ => "an MPEG-4 audio object type other than AAC",
    }
}

fn read_object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.take(5)? {
        31 => Some(32 + bits.take(6)?),
        small => Some(small),
    }
}

/// The frequency, or 0 for a reserved index (which then is outside the table).
fn read_rate(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.take(4)? {
        15 => bits.take(24),
        index => Some(RATES.get(index as usize).copied().unwrap_or(0)),
    }
}

/// Reads an ADTS header.
pub(super) fn parse_adts(data: &[u8]) -> Option<FrameHeader> {
    let [b0, b1, b2, b3, b4, b5, b6, ..] = *data else {
        return None;
    };
    // Sync word, then the layer bits, always 0: this tells ADTS from MPEG audio.
    if b0 != 0xFF || b1 & 0xF6 != 0xF0 {
        return None;
    }
    let rate_hz = *RATES.get(usize::from(b2 >> 2 & 0xF))?;
    let channel_configuration = (b2 & 1) << 2 | b3 >> 6;
    let frame_bytes = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
    let header_bytes = if b1 & 1 == 1 { 7 } else { 9 };
    if frame_bytes <= header_bytes {
        return None;
    }
    Some(FrameHeader {
        codec: AudioCodec::Aac,
        rate_hz,
        channels: if channel_configuration == 7 {
            8
        } else {
            channel_configuration
        },
        samples: 1024 * (u16::from(b6 & 3) + 1),
        frame_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::media::audio::parse_frame_header;

    #[test]
    fn configs_of_containers_are_read_down_to_the_core_stream() {
        for (asc, rate_hz, channels, name) in [
            (&[0x11, 0x90][..], 48_000, 2, "AAC-LC"),
            (&[0x12, 0x10], 44_100, 2, "AAC-LC"),
            (&[0x11, 0xB0], 48_000, 6, "AAC-LC"),
            (&[0x11, 0xB8], 48_000, 8, "AAC-LC"),
            // Backward compatible SBR: LC at 24 kHz, sync extension, 48 kHz.
            (&[0x13, 0x10, 0x56, 0xE5, 0x98], 24_000, 2, "HE-AAC"),
            // Hierarchical SBR and PS.
            (&[0x2B, 0x11, 0x88, 0x00], 24_000, 2, "HE-AAC"),
            (&[0xEB, 0x09, 0x88, 0x00], 24_000, 2, "HE-AAC v2"),
            // 48 kHz spelled out.
            (&[0x17, 0x80, 0x5D, 0xC0, 0x10], 48_000, 2, "AAC-LC"),
        ] {
            let config = AacConfig::parse(asc).unwrap_or_else(|e| panic!("{asc:02x?}: {e}"));
            assert_eq!(
                (config.rate_hz, config.channels, config.name),
                (rate_hz, channels, name),
                "{asc:02x?}"
            );
            assert_eq!((config.object_type, config.frame_samples), (2, 1024));
        }
    }

    #[test]
    fn parametric_stereo_is_heard_as_two_speakers_and_signalled_as_the_one_of_its_core() {
        let config = AacConfig::parse(&[0xEB, 0x09, 0x88, 0x00]).unwrap();
        let header = config.adts_header(100).unwrap();
        let read = parse_frame_header(AudioCodec::Aac, &header).unwrap();
        assert_eq!((config.channels, read.channels), (2, 1));
        assert_eq!(read.rate_hz, 24_000);
    }

    #[test]
    fn configs_that_adts_cannot_carry_are_named() {
        for (asc, kind, part) in [
            (&[0x11, 0x80][..], ErrorKind::Unsupported, "program config"),
            (&[0x11, 0x94], ErrorKind::Unsupported, "960"),
            (&[0xF8, 0xE6, 0x30, 0x00], ErrorKind::Unsupported, "AAC-ELD"),
            (&[0xF9, 0x46, 0x30, 0x00], ErrorKind::Unsupported, "xHE-AAC"),
            (&[0x11], ErrorKind::Damaged, "ends early"),
            (&[], ErrorKind::Damaged, "ends early"),
        ] {
            let error = AacConfig::parse(asc).unwrap_err();
            assert_eq!(error.kind(), kind, "{asc:02x?}: {error}");
            assert!(error.message().contains(part), "{asc:02x?}: {error}");
        }
    }

    #[test]
    fn a_header_that_we_write_reads_back() {
        for (rate_hz, channels, payload) in [(48_000, 2, 1), (44_100, 1, 371), (8_000, 8, 8184)] {
            let config = AacConfig {
                object_type: 2,
                rate_hz,
                channels,
                parametric_stereo: false,
                frame_samples: 1024,
                name: "AAC-LC",
            };
            let header = config.adts_header(payload).unwrap();
            assert_eq!(
                parse_frame_header(AudioCodec::Aac, &header),
                Some(FrameHeader {
                    codec: AudioCodec::Aac,
                    rate_hz,
                    channels,
                    samples: 1024,
                    frame_bytes: payload + 7
                })
            );
            assert!(config.adts_header(8185).is_err());
        }
    }

    #[test]
    fn headers_of_other_codecs_and_cut_ones_are_none() {
        for bytes in [
            &[][..],
            &[0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x1F],
            &[0xFF, 0xFB, 0x90, 0x64, 0, 0, 0],
            &[0xFF, 0xF1, 0x4C, 0x80, 0x00, 0x1F, 0xFC],
        ] {
            assert_eq!(parse_frame_header(AudioCodec::Aac, bytes), None);
        }
    }
}
