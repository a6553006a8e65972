//! ITU-T H.262 / ISO 13818-2: sequence headers (§6.2.2.1, §6.2.2.3), groups of pictures, and the kind
//! of a coded picture.

use std::sync::Arc;

use super::bits::Bits;
use super::{UnitFacts, VideoConfig, frame_duration, nals, size};
use crate::bail;
use crate::error::{Error, ErrorKind, Result};
use crate::media::unit::{Rap, VideoCodec};

/// Start code values (table 6-1).
const PICTURE: u8 = 0x00;
const LAST_SLICE: u8 = 0xaf;
const USER_DATA: u8 = 0xb2;
const SEQUENCE_HEADER: u8 = 0xb3;
const EXTENSION: u8 = 0xb5;
const GROUP: u8 = 0xb8;

/// `extension_start_code_identifier` (table 6-2).
const SEQUENCE_EXTENSION: u32 = 1;

/// `picture_coding_type` of an I picture (table 6-12).
const INTRA: u32 = 1;

pub(super) fn is_sequence_header(first: u8) -> bool {
    first == SEQUENCE_HEADER
}

/// What may stand between a sequence header and the group or picture behind it and belongs to the header.
pub(super) fn is_extension(first: u8) -> bool {
    matches!(first, EXTENSION | USER_DATA)
}

/// A picture header or a slice: nothing that matters to us stands behind it.
pub(super) fn is_picture(first: u8) -> bool {
    first <= LAST_SLICE
}

/// See [`super::Scan`].
#[derive(Default)]
pub(super) struct Scan {
    sequence_header: bool,
    closed_gop: bool,
    rap: Rap,
    done: bool,
}

impl Scan {
    pub(super) fn unit(&mut self, nal: &[u8]) {
        let Some((&code, payload)) = nal.split_first() else {
            return;
        };
        if self.done {
            return;
        }
        let mut bits = Bits::plain(payload);
        match code {
            SEQUENCE_HEADER => self.sequence_header = true,
            GROUP => {
                // closed_gop stands behind the 25 bits of time_code (§6.2.2.6).
                self.closed_gop = bits.skip(25).and_then(|()| bits.flag()) == Some(true);
            }
            PICTURE => {
                self.done = true;
                // picture_coding_type stands behind the 10 bits of temporal_reference (§6.2.3).
                if bits.skip(10).and_then(|()| bits.bits(3)) == Some(INTRA) {
                    self.rap = if self.closed_gop {
                        Rap::Clean
                    } else {
                        Rap::Open
                    };
                }
            }
            1..=LAST_SLICE => self.done = true,
            _ => {}
        }
    }

    pub(super) fn facts(&self) -> UnitFacts {
        UnitFacts {
            rap: self.rap,
            skipped_leading: false,
            has_extensions: false,
            // Its extension follows every sequence header (§6.1.1.6).
            has_parameter_sets: self.sequence_header,
            has_delimiter: true,
        }
    }
}

/// The configuration that a sequence header and its extension describe.
pub(super) fn config(sets: Vec<u8>) -> Result<VideoConfig> {
    let find = |wanted: fn(&[u8]) -> bool| {
        nals(&sets)
            .find(|unit| wanted(unit))
            .and_then(|unit| unit.get(1..))
    };
    let Some(header) = find(|unit| unit.first() == Some(&SEQUENCE_HEADER)) else {
        bail!(Unsupported, "MPEG-2 without a sequence header");
    };
    let Some(extension) = find(
        |unit| matches!(unit, [EXTENSION, id, ..] if u32::from(id >> 4) == SEQUENCE_EXTENSION),
    ) else {
        bail!(Unsupported, "MPEG-1 video");
    };
    let sequence = Sequence::parse(header, extension)
        .ok_or_else(|| Error::new(ErrorKind::Damaged, "MPEG-2 sequence header is damaged"))?;
    let (width, height) = size("MPEG-2", sequence.width, sequence.height)?;
    let (units, scale) = sequence.frame_time();
    Ok(VideoConfig {
        codec: VideoCodec::Mpeg2,
        name: sequence.name(),
        width,
        height,
        bit_depth: 8,
        interlaced: !sequence.progressive,
        // Only B pictures are shown out of order, and never before more than one picture coded earlier.
        reorder_depth: u8::from(!sequence.low_delay),
        reorder_stated: true,
        frame_duration: frame_duration(units, scale),
        transfer: 2,
        parameter_sets: Arc::from(sets),
        nal_length_bytes: 0,
    })
}

struct Sequence {
    width: u64,
    height: u64,
    frame_rate_code: u32,
    /// `frame_rate_extension_n` and `_d`.
    rate_extension: (u32, u32),
    profile_and_level: u32,
    progressive: bool,
    low_delay: bool,
}

impl Sequence {
    fn parse(header: &[u8], extension: &[u8]) -> Option<Self> {
        // Zero bytes at the end of a header may have been taken for stuffing.
        let (header, extension) = (padded(header), padded(extension));
        let mut bits = Bits::plain(&header);
        let width = bits.bits(12)?;
        let height = bits.bits(12)?;
        bits.skip(4)?; // aspect_ratio_information
        let frame_rate_code = bits.bits(4)?;
        let mut bits = Bits::plain(&extension);
        bits.skip(4)?; // extension_start_code_identifier
        let profile_and_level = bits.bits(8)?;
        let progressive = bits.flag()?;
        bits.skip(2)?; // chroma_format
        let width_high = bits.bits(2)?;
        let height_high = bits.bits(2)?;
        bits.skip(21)?; // bit rate, marker, VBV size
        let low_delay = bits.flag()?;
        let rate_extension = (bits.bits(2)?, bits.bits(5)?);
        Some(Self {
            width: u64::from(width_high << 12 | width),
            height: u64::from(height_high << 12 | height),
            frame_rate_code,
            rate_extension,
            profile_and_level,
            progressive,
            low_delay,
        })
    }

    /// The length of a frame as units of 1/scale s (table 6-4, §6.3.5).
    fn frame_time(&self) -> (u64, u32) {
        let (units, scale) = match self.frame_rate_code {
            1 => (1_001, 24_000),
            2 => (1, 24),
            3 => (1, 25),
            4 => (1_001, 30_000),
            5 => (1, 30),
            6 => (1, 50),
            7 => (1_001, 60_000),
            8 => (1, 60),
            _ => (0, 1),
        };
        let (n, d) = self.rate_extension;
        (units * (u64::from(d) + 1), scale * (n + 1))
    }

    /// §8, tables 8-2 and 8-3.
    fn name(&self) -> String {
        let profile = match self.profile_and_level >> 4 {
            1 => "High",
            2 => "Spatially Scalable",
            3 => "SNR Scalable",
            4 => "Main",
            5 => "Simple",
            8 => return "MPEG-2 4:2:2".into(),
            _ => return "MPEG-2".into(),
        };
        let level = match self.profile_and_level & 15 {
            4 => "High",
            6 => "High 1440",
            8 => "Main",
            10 => "Low",
            _ => return format!("MPEG-2 {profile}"),
        };
        format!("MPEG-2 {profile}@{level}")
    }
}

/// The first bytes of a header, as many as are ever read, with zeros where it ends earlier.
fn padded(header: &[u8]) -> [u8; 8] {
    let mut padded = [0; 8];
    for (to, from) in padded.iter_mut().zip(header) {
        *to = *from;
    }
    padded
}
