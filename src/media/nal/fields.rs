//! Fields that are coded as pictures of their own: which two belong to one frame (ITU-T H.264 §3.30, §7.4.1.2.4;
//! ISO 13818-2 §6.1.1.4.1). HEVC knows no frames of two fields: each is a picture with its own times.

use super::bits::Bits;
use super::h264_slice::Sets;
use super::{h264, nals};
use crate::media::unit::VideoCodec;

/// Start codes and extension of MPEG-2 (ISO 13818-2 tables 6-1 and 6-2).
const MPEG2_PICTURE: u8 = 0x00;
const MPEG2_EXTENSION: u8 = 0xB5;
const PICTURE_CODING: u32 = 8;
/// `picture_structure` of a frame (table 6-14).
const FRAME: u32 = 3;

/// A coded field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The same for both fields of a frame.
    number: u32,
    bottom: bool,
    is_idr: bool,
    is_reference: bool,
}

impl Field {
    /// Whether `next`, which follows in decode order, is the other field of the same frame.
    pub fn is_completed_by(&self, next: &Self) -> bool {
        self.number == next.number
            && self.bottom != next.bottom
            && !next.is_idr
            && (self.is_reference || !next.is_reference)
    }
}

/// Tells fields from frames.
#[derive(Clone, Debug)]
pub struct Fields {
    codec: VideoCodec,
    sets: Sets,
}

impl Fields {
    /// For a stream of which nothing is known yet.
    pub fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            sets: Sets::default(),
        }
    }

    /// Takes over parameter sets.
    pub fn learn(&mut self, parameter_sets: &[u8]) {
        if self.codec == VideoCodec::H264 {
            nals(parameter_sets).for_each(|nal| self.sets.take(nal));
        }
    }

    /// The one field that a unit holds; `None` when it holds a frame or both fields of one.
    pub fn of(&self, data: &[u8]) -> Option<Field> {
        let mut found: Option<Field> = None;
        let fields: &mut dyn Iterator<Item = Option<Field>> = match self.codec {
            VideoCodec::H264 if !self.sets.have_fields() => return None,
            VideoCodec::H264 => &mut nals(data)
                .filter(|nal| nal.first().is_some_and(|first| h264::is_slice(*first)))
                .map(|nal| self.h264(nal)),
            VideoCodec::Mpeg2 => &mut mpeg2(data),
            VideoCodec::Hevc => return None,
        };
        for field in fields {
            let field = field?;
            if found.is_some_and(|first| first.bottom != field.bottom) {
                return None;
            }
            found.get_or_insert(field);
        }
        found
    }

    fn h264(&self, nal: &[u8]) -> Option<Field> {
        let first = nal.first()?;
        let header = self.sets.header(nal)?;
        Some(Field {
            number: header.frame_num,
            bottom: header.field?,
            is_idr: first & 0x1F == h264::IDR_SLICE,
            is_reference: first & 0x60 != 0,
        })
    }
}

/// The pictures of MPEG-2 data: `None` for a frame.
fn mpeg2(data: &[u8]) -> impl Iterator<Item = Option<Field>> {
    let mut number = 0;
    nals(data).filter_map(move |unit| {
        let (&code, payload) = unit.split_first()?;
        let mut bits = Bits::plain(payload);
        if code == MPEG2_PICTURE {
            number = bits.bits(10)?; // temporal_reference
            return None;
        }
        if code != MPEG2_EXTENSION || bits.bits(4)? != PICTURE_CODING {
            return None;
        }
        bits.skip(18)?; // f_code, intra_dc_precision
        let structure = bits.bits(2)?;
        Some((structure != FRAME).then_some(Field {
            number,
            bottom: structure == 2,
            is_idr: false,
            // Either may refer to the other (§7.6.2.1), whatever the frame's kind.
            is_reference: true,
        }))
    })
}
