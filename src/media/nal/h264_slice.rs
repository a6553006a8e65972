//! H.264 slice headers as far as the numbers that order pictures (ITU-T H.264 §7.3.3), and the picture
//! parameter sets that say how to read them (§7.3.2.2).

use std::collections::BTreeMap;

use super::bits::Bits;
use super::h264::{self, Sps};

/// Payload bytes that are looked at for a header: its fields in front of the slice data take fewer.
const HEADER_BYTES: usize = 128;

/// Slice types modulo 5 (table 7-6).
const INTRA: u32 = 2;

/// What of a picture parameter set tells how to read a slice header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pps {
    sps: u32,
    pub(super) cabac: bool,
    bottom_field_order: bool,
    pub(super) slice_groups: bool,
    pub(super) deblocking_control: bool,
    redundant_pictures: bool,
}

impl Pps {
    fn parse(payload: &[u8]) -> Option<(u32, Self)> {
        let mut bits = Bits::escaped(payload);
        let id = bits.ue_max(255)?;
        let sps = bits.ue_max(31)?;
        let cabac = bits.flag()?;
        let bottom_field_order = bits.flag()?;
        let mut pps = Self {
            sps,
            cabac,
            bottom_field_order,
            slice_groups: bits.ue()? > 0,
            deblocking_control: false,
            redundant_pictures: false,
        };
        if !pps.slice_groups {
            bits.ue()?; // num_ref_idx_l0_default_active_minus1
            bits.ue()?; // num_ref_idx_l1_default_active_minus1
            bits.skip(3)?; // weighted_pred_flag, weighted_bipred_idc
            bits.se()?; // pic_init_qp_minus26
            bits.se()?; // pic_init_qs_minus26
            bits.se()?; // chroma_qp_index_offset
            pps.deblocking_control = bits.flag()?;
            bits.flag()?; // constrained_intra_pred_flag
            pps.redundant_pictures = bits.flag()?;
        }
        Some((id, pps))
    }
}

/// A slice header up to where the marking of reference pictures begins (in I slices).
#[derive(Clone, Copy, Debug)]
pub(super) struct SliceHeader {
    pub(super) is_intra: bool,
    pub(super) pps: Pps,
    pub(super) frame_num: u32,
    /// Its place in bits of the payload without emulation prevention, and its length.
    pub(super) frame_num_at: (usize, u32),
    /// Of a field: whether it is the bottom one.
    pub(super) field: Option<bool>,
    /// Where `idr_pic_id` stands in a slice of an IDR picture.
    pub(super) idr_pic_id_at: usize,
    /// `pic_order_cnt_lsb` with its place and length.
    pub(super) order: Option<(u32, (usize, u32))>,
    /// How far the bottom field is shown before the top one, as a number of 0 or less.
    pub(super) bottom_before: i64,
    /// Orders follow each other by cycles of more than one frame (`pic_order_cnt_type` 1).
    pub(super) has_order_cycle: bool,
    /// Where the header goes on behind what is told here.
    pub(super) end: usize,
}

/// The parameter sets of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    sps: BTreeMap<u32, Sps>,
    pps: BTreeMap<u32, Pps>,
}

impl Sets {
    /// Takes a NAL unit when it is a parameter set; one that cannot be read changes nothing.
    pub(super) fn take(&mut self, nal: &[u8]) {
        let Some((&first, payload)) = nal.split_first() else {
            return;
        };
        if first & 0x1F == h264::SPS {
            if let Some(sps) = Sps::parse(payload) {
                self.sps.insert(sps.id, sps);
            }
        } else if first & 0x1F == h264::PPS
            && let Some((id, pps)) = Pps::parse(payload)
        {
            self.pps.insert(id, pps);
        }
    }

    /// Whether pictures may be fields.
    pub(super) fn have_fields(&self) -> bool {
        self.sps.values().any(|sps| !sps.frame_mbs_only)
    }

    /// Reads the header of a slice whose parameter sets are known.
    pub(super) fn header(&self, nal: &[u8]) -> Option<SliceHeader> {
        let (&first, payload) = nal.split_first()?;
        let rbsp = unescaped(payload.get(..HEADER_BYTES).unwrap_or(payload));
        let mut bits = Bits::plain(&rbsp);
        bits.ue()?; // first_mb_in_slice
        let is_intra = bits.ue_max(9)? % 5 == INTRA;
        let pps = *self.pps.get(&bits.ue_max(255)?)?;
        let sps = self.sps.get(&pps.sps)?;
        if sps.separate_planes {
            bits.skip(2)?; // colour_plane_id
        }
        let frame_num_at = (bits.position(), sps.frame_num_bits);
        let frame_num = bits.bits(sps.frame_num_bits)?;
        let field = if !sps.frame_mbs_only && bits.flag()? {
            Some(bits.flag()?)
        } else {
            None
        };
        let idr_pic_id_at = bits.position();
        if first & 0x1F == h264::IDR_SLICE {
            bits.ue()?;
        }
        let with_bottom = pps.bottom_field_order && field.is_none();
        let (mut order, mut bottom_before) = (None, 0);
        if sps.pic_order_cnt_type == 0 {
            let at = (bits.position(), sps.order_bits);
            order = Some((bits.bits(sps.order_bits)?, at));
            if with_bottom {
                bottom_before = bits.se()?.min(0);
            }
        } else if sps.pic_order_cnt_type == 1 && !sps.order_always_zero {
            bits.se()?; // delta_pic_order_cnt[0]
            if with_bottom {
                bits.se()?;
            }
        }
        if pps.redundant_pictures {
            bits.ue()?; // redundant_pic_cnt
        }
        Some(SliceHeader {
            is_intra,
            pps,
            frame_num,
            frame_num_at,
            field,
            idr_pic_id_at,
            order,
            bottom_before,
            has_order_cycle: sps.order_cycle > 1,
            end: bits.position(),
        })
    }
}

/// `payload` without emulation prevention bytes (§7.3.1).
pub(super) fn unescaped(payload: &[u8]) -> Vec<u8> {
    let mut rbsp = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        rbsp.push(byte);
    }
    rbsp
}

/// Appends `rbsp` with emulation prevention bytes.
pub(super) fn push_escaped(rbsp: &[u8], out: &mut Vec<u8>) {
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
}
