//! ITU-T H.265: video and sequence parameter sets (§7.3.2, annex E), the decoder configuration record,
//! and the kind of a coded picture.

use std::sync::Arc;

use super::bits::Bits;
use super::h264::vui_transfer;
use super::{MAX_CONFIG_BYTES, UnitFacts, VideoConfig, frame_duration, nals, push_nal, size};
use crate::bail;
use crate::error::{Error, ErrorKind, Result};
use crate::media::time::Ticks90k;
use crate::media::unit::{Rap, VideoCodec};

/// `nal_unit_type` (table 7-1).
const RASL_N: u8 = 8;
const RASL_R: u8 = 9;
const BLA_W_LP: u8 = 16;
const BLA_W_RADL: u8 = 17;
const IDR_N_LP: u8 = 20;
const CRA: u8 = 21;
const LAST_SLICE: u8 = 31;
const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
const DELIMITER: u8 = 35;

fn nal_type(first: u8) -> u8 {
    first >> 1 & 0x3f
}

pub(super) fn is_parameter_set(first: u8) -> bool {
    (VPS..=PPS).contains(&nal_type(first))
}

pub(super) fn is_slice(first: u8) -> bool {
    nal_type(first) <= LAST_SLICE
}

/// See [`super::Scan`].
#[derive(Default)]
pub(super) struct Scan {
    facts: UnitFacts,
    begun: bool,
    vps: bool,
    sps: bool,
    pps: bool,
    done: bool,
}

impl Scan {
    pub(super) fn unit(&mut self, nal: &[u8]) {
        let &[first, second, ..] = nal else { return };
        let enhancement_layer = first & 1 != 0 || second & 0xf8 != 0;
        self.facts.has_extensions |= enhancement_layer;
        if self.done || enhancement_layer {
            return;
        }
        match nal_type(first) {
            DELIMITER => self.facts.has_delimiter |= !self.begun,
            VPS => self.vps = true,
            SPS => self.sps = true,
            PPS => self.pps = true,
            kind @ 0..=LAST_SLICE => {
                self.done = true;
                self.facts.rap = match kind {
                    BLA_W_RADL..=IDR_N_LP => Rap::Clean,
                    BLA_W_LP | CRA => Rap::Open,
                    _ => Rap::No,
                };
                self.facts.skipped_leading = matches!(kind, RASL_N | RASL_R);
            }
            _ => {}
        }
        self.begun = true;
    }

    pub(super) fn facts(&self) -> UnitFacts {
        UnitFacts {
            has_parameter_sets: self.vps && self.sps && self.pps,
            ..self.facts
        }
    }
}

/// A NAL unit behind its 16-bit length, and what follows it.
pub(super) fn sized_nal(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

pub(super) fn parse_hvcc(record: &[u8]) -> Result<VideoConfig> {
    if record.len() > MAX_CONFIG_BYTES {
        bail!(Damaged, "hvcC of {} bytes", record.len());
    }
    // Version 0 stands in files written before the standard was final.
    let (Some(0 | 1), Some(length), Some(arrays)) = (
        record.first(),
        record.get(21),
        record.get(22..).filter(|rest| !rest.is_empty()),
    ) else {
        bail!(Damaged, "hvcC is not a version 1 configuration record");
    };
    let mut sets = Vec::with_capacity(record.len());
    let (array_count, mut rest) = (arrays[0], &arrays[1..]);
    for array in 0..array_count {
        let &[kind, count_high, count_low, ref after @ ..] = rest else {
            bail!(Damaged, "hvcC ends in front of array {array}");
        };
        rest = after;
        for index in 0..u16::from_be_bytes([count_high, count_low]) {
            let Some((nal, after)) = sized_nal(rest) else {
                bail!(
                    Damaged,
                    "hvcC ends inside NAL unit {index} of array {array} (byte {})",
                    record.len() - rest.len()
                );
            };
            rest = after;
            // x265 puts an SEI of its settings here as well, which every picture can do without.
            if (VPS..=PPS).contains(&(kind & 0x3f)) {
                push_nal(&mut sets, nal);
            }
        }
    }
    config(sets, (length & 3) + 1)
}

/// The configuration that Annex B parameter sets describe, by the first SPS of the base layer among them.
pub(super) fn config(sets: Vec<u8>, nal_length_bytes: u8) -> Result<VideoConfig> {
    let find = |kind| {
        nals(&sets)
            .find(|nal| matches!(nal, [first, second, ..] if nal_type(*first) == kind && first & 1 == 0 && second & 0xf8 == 0))
            .and_then(|nal| nal.get(2..))
    };
    let Some(payload) = find(SPS) else {
        bail!(Unsupported, "HEVC without a sequence parameter set");
    };
    let sps = Sps::parse(payload)
        .ok_or_else(|| Error::new(ErrorKind::Damaged, "HEVC sequence parameter set is damaged"))?;
    let (width, height) = size("HEVC", sps.width, sps.height)?;
    let stated = Some(sps.frame_duration).filter(|length| *length > Ticks90k::ZERO);
    Ok(VideoConfig {
        codec: VideoCodec::Hevc,
        name: sps.profile.name(),
        width,
        height,
        bit_depth: sps.bit_depth,
        interlaced: sps.profile.interlaced,
        reorder_depth: sps.num_reorder_pics,
        reorder_stated: true,
        frame_duration: stated
            .or_else(|| find(VPS).and_then(vps_frame_duration))
            .unwrap_or_default(),
        transfer: sps.transfer,
        parameter_sets: Arc::from(sets),
        nal_length_bytes,
    })
}

/// `general_profile_idc`, tier and level of `profile_tier_level()`.
struct Profile {
    idc: u32,
    compatibility: u32,
    high_tier: bool,
    interlaced: bool,
    level: u32,
}

impl Profile {
    /// §7.3.3 with `profilePresentFlag` 1.
    fn parse(bits: &mut Bits<'_>, max_sub_layers_minus1: u32) -> Option<Self> {
        bits.skip(2)?; // general_profile_space
        let high_tier = bits.flag()?;
        let idc = bits.bits(5)?;
        let compatibility = bits.bits(32)?;
        let progressive = bits.flag()?; // general_progressive_source_flag
        let interlaced = bits.flag()? && !progressive;
        bits.skip(46)?; // constraint flags
        let level = bits.bits(8)?;
        let mut present = [(false, false); 8];
        for sub_layer in present.iter_mut().take(max_sub_layers_minus1 as usize) {
            *sub_layer = (bits.flag()?, bits.flag()?);
        }
        if max_sub_layers_minus1 > 0 {
            bits.skip(2 * (8 - max_sub_layers_minus1))?;
        }
        for (profile, level) in present {
            if profile {
                bits.skip(88)?;
            }
            if level {
                bits.skip(8)?;
            }
        }
        Some(Self {
            idc,
            compatibility,
            high_tier,
            interlaced,
            level,
        })
    }

    fn name(&self) -> String {
        // Old encoders left the profile out and set only the compatibility flags.
        let idc = if self.idc == 0 {
            self.compatibility.leading_zeros()
        } else {
            self.idc
        };
        let profile = match idc {
            1 => "Main".to_owned(),
            2 => "Main 10".to_owned(),
            3 => "Main Still Picture".to_owned(),
            4 => "Range Extensions".to_owned(),
            9 => "Screen Content".to_owned(),
            other => format!("profile {other}"),
        };
        let (major, minor) = (self.level / 30, self.level % 30 / 3);
        let tier = if self.high_tier { " High tier" } else { "" };
        if minor == 0 {
            format!("HEVC {profile} {major}{tier}")
        } else {
            format!("HEVC {profile} {major}.{minor}{tier}")
        }
    }
}

/// What we need of a sequence parameter set.
struct Sps {
    profile: Profile,
    bit_depth: u8,
    num_reorder_pics: u8,
    width: u64,
    height: u64,
    frame_duration: Ticks90k,
    transfer: u8,
}

impl Sps {
    /// Parses the payload behind the two header bytes (§7.3.2.2.1).
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut bits = Bits::escaped(payload);
        bits.skip(4)?; // sps_video_parameter_set_id
        let max_sub_layers_minus1 = bits.bits(3).filter(|n| *n < 7)?;
        bits.flag()?; // sps_temporal_id_nesting_flag
        let profile = Profile::parse(&mut bits, max_sub_layers_minus1)?;
        bits.ue_max(15)?; // sps_seq_parameter_set_id
        let chroma_format = bits.ue_max(3)?;
        let separate_planes = chroma_format == 3 && bits.flag()?;
        let (mut width, mut height) = (u64::from(bits.ue()?), u64::from(bits.ue()?));
        if bits.flag()? {
            // Offsets count chroma samples (§7.4.3.2.1, table 6-1).
            let planar = chroma_format == 0 || separate_planes;
            let unit_x = if !planar && chroma_format < 3 { 2 } else { 1 };
            let unit_y = if !planar && chroma_format == 1 { 2 } else { 1 };
            let (left, right) = (u64::from(bits.ue()?), u64::from(bits.ue()?));
            let (top, bottom) = (u64::from(bits.ue()?), u64::from(bits.ue()?));
            width = width.saturating_sub((left + right) * unit_x);
            height = height.saturating_sub((top + bottom) * unit_y);
        }
        let bit_depth = 8 + bits.ue_max(8)? as u8;
        bits.ue_max(8)?; // bit_depth_chroma_minus8
        let poc_bits = bits.ue_max(12)? + 4;
        let num_reorder_pics = last_reorder_depth(&mut bits, max_sub_layers_minus1)?;
        // Timing comes behind everything else; a damaged tail only costs the frame rate.
        let mut transfer = 2;
        let frame_duration =
            vui_frame_duration(&mut bits, poc_bits, &mut transfer).unwrap_or_default();
        Some(Self {
            profile,
            bit_depth,
            num_reorder_pics,
            width,
            height,
            frame_duration,
            transfer,
        })
    }
}

/// `max_num_reorder_pics` of the highest sub-layer, the last of the list.
fn last_reorder_depth(bits: &mut Bits<'_>, max_sub_layers_minus1: u32) -> Option<u8> {
    let every_layer = bits.flag()?; // sub_layer_ordering_info_present_flag
    let mut depth = 0;
    for _ in 0..=if every_layer {
        max_sub_layers_minus1
    } else {
        0
    } {
        bits.ue()?; // max_dec_pic_buffering_minus1
        depth = bits.ue_max(16)? as u8;
        bits.ue()?; // max_latency_increase_plus1
    }
    Some(depth)
}

/// The rest of the SPS from the block sizes to the timing of the VUI.
fn vui_frame_duration(bits: &mut Bits<'_>, poc_bits: u32, transfer: &mut u8) -> Option<Ticks90k> {
    for _ in 0..6 {
        bits.ue()?; // block and transform sizes and depths
    }
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.flag()? {
        bits.skip(8)?; // PCM bit depths
        bits.ue()?;
        bits.ue()?;
        bits.flag()?;
    }
    skip_reference_picture_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.ue_max(32)? {
            bits.skip(poc_bits + 1)?; // long-term reference pictures
        }
    }
    bits.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    if !bits.flag()? {
        return None;
    }
    *transfer = vui_transfer(bits)?;
    bits.skip(3)?; // neutral_chroma, field_seq, frame_field_info
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?; // default display window
        }
    }
    timing(bits)
}

/// `timing_info_present_flag` and what hangs on it. A tick is one picture.
fn timing(bits: &mut Bits<'_>) -> Option<Ticks90k> {
    if !bits.flag()? {
        return None;
    }
    let units = bits.bits(32)?;
    let scale = bits.bits(32)?;
    Some(frame_duration(u64::from(units), scale))
}

/// §7.3.4.
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4_u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.flag()? {
                bits.ue()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                bits.se()?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..(1_u32 << (4 + 2 * size)).min(64) {
                bits.se()?;
            }
        }
    }
    Some(())
}

/// The short-term reference picture sets (§7.3.7); only their sizes matter, to get past them.
fn skip_reference_picture_sets(bits: &mut Bits<'_>) -> Option<()> {
    let mut deltas_before = 0;
    for index in 0..bits.ue_max(64)? {
        if index > 0 && bits.flag()? {
            bits.flag()?; // delta_rps_sign
            bits.ue()?; // abs_delta_rps_minus1
            let mut deltas = 0;
            for _ in 0..=deltas_before {
                let used_by_curr_pic = bits.flag()?;
                if used_by_curr_pic || bits.flag()? {
                    deltas += 1;
                }
            }
            deltas_before = deltas;
        } else {
            deltas_before = bits.ue_max(16)? + bits.ue_max(16)?;
            for _ in 0..deltas_before {
                bits.ue()?;
                bits.flag()?;
            }
        }
    }
    Some(())
}

/// Some encoders give the timing in the VPS only (§7.3.2.1).
fn vps_frame_duration(payload: &[u8]) -> Option<Ticks90k> {
    let mut bits = Bits::escaped(payload);
    bits.skip(12)?; // id, base layer flags, vps_max_layers_minus1
    let max_sub_layers_minus1 = bits.bits(3).filter(|n| *n < 7)?;
    bits.skip(17)?; // vps_temporal_id_nesting_flag, reserved
    Profile::parse(&mut bits, max_sub_layers_minus1)?;
    last_reorder_depth(&mut bits, max_sub_layers_minus1)?;
    let layer_ids = bits.bits(6)? + 1;
    for _ in 0..bits.ue_max(1023)? {
        bits.skip(layer_ids)?;
    }
    timing(&mut bits)
}
