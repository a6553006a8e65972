//! ITU-T H.264: sequence parameter sets (§7.3.2.1.1, annex E), the decoder configuration record, and
//! the kind of a coded picture.

use std::sync::Arc;

use super::bits::Bits;
use super::{MAX_CONFIG_BYTES, UnitFacts, VideoConfig, frame_duration, nals, push_nal, size};
use crate::bail;
use crate::error::{Error, ErrorKind, Result};
use crate::media::time::Ticks90k;
use crate::media::unit::{Rap, VideoCodec};

/// `nal_unit_type` (table 7-1).
pub(super) const SLICE: u8 = 1;
pub(super) const IDR_SLICE: u8 = 5;
const SEI: u8 = 6;
pub(super) const SPS: u8 = 7;
pub(super) const PPS: u8 = 8;
const DELIMITER: u8 = 9;

/// SEI `payloadType` of a recovery point (annex D.1.8).
const RECOVERY_POINT: u32 = 6;

fn nal_type(first: u8) -> u8 {
    first & 0x1f
}

pub(super) fn is_parameter_set(first: u8) -> bool {
    matches!(nal_type(first), SPS | PPS)
}

pub(super) fn is_slice(first: u8) -> bool {
    (SLICE..=IDR_SLICE).contains(&nal_type(first))
}

/// See [`super::Scan`].
#[derive(Default)]
pub(super) struct Scan {
    facts: UnitFacts,
    begun: bool,
    sps: bool,
    pps: bool,
    recovery_point: bool,
    done: bool,
}

impl Scan {
    pub(super) fn unit(&mut self, nal: &[u8]) {
        let Some((&first, payload)) = nal.split_first() else {
            return;
        };
        if self.done {
            return;
        }
        match nal_type(first) {
            DELIMITER => self.facts.has_delimiter |= !self.begun,
            SPS => self.sps = true,
            PPS => self.pps = true,
            14 | 15 | 20 => self.facts.has_extensions = true,
            SEI => self.recovery_point |= has_exact_recovery_point(payload),
            kind @ SLICE..=IDR_SLICE => {
                self.done = true;
                self.facts.rap = if kind == IDR_SLICE {
                    Rap::Clean
                } else if self.recovery_point && is_intra_slice(payload) {
                    Rap::Open
                } else {
                    Rap::No
                };
            }
            _ => {}
        }
        self.begun = true;
    }

    pub(super) fn facts(&self) -> UnitFacts {
        UnitFacts {
            has_parameter_sets: self.sps && self.pps,
            ..self.facts
        }
    }
}

/// Whether a slice header begins with slice type I or SI (§7.4.3, table 7-6).
fn is_intra_slice(payload: &[u8]) -> bool {
    let mut bits = Bits::escaped(payload);
    let slice_type = bits.ue().and_then(|_first_mb| bits.ue());
    matches!(slice_type, Some(2 | 4 | 7 | 9))
}

/// Whether an SEI unit holds a recovery point with `recovery_frame_cnt` 0: correct from this very picture on.
fn has_exact_recovery_point(payload: &[u8]) -> bool {
    let mut bits = Bits::escaped(payload);
    let mut read = || -> Option<bool> {
        loop {
            let kind = sei_number(&mut bits)?;
            let bytes = sei_number(&mut bits)?;
            if kind == RECOVERY_POINT {
                return Some(bits.ue()? == 0);
            }
            for _ in 0..bytes {
                bits.byte()?;
            }
        }
    };
    read().unwrap_or(false)
}

/// A number as SEI messages write it: 255 for each FF byte, plus the byte that ends it.
fn sei_number(bits: &mut Bits<'_>) -> Option<u32> {
    let mut sum = 0_u32;
    loop {
        let byte = bits.byte()?;
        sum = sum.checked_add(u32::from(byte))?;
        if byte != 0xff {
            return Some(sum);
        }
    }
}

pub(super) fn parse_avcc(record: &[u8]) -> Result<VideoConfig> {
    if record.len() > MAX_CONFIG_BYTES {
        bail!(Damaged, "avcC of {} bytes", record.len());
    }
    let &[1, _profile, _compatibility, _level, length, ref lists @ ..] = record else {
        bail!(Damaged, "avcC is not a version 1 configuration record");
    };
    let mut sets = Vec::with_capacity(record.len() + 16);
    let mut rest = lists;
    for mask in [0x1f, 0xff] {
        let Some((&count, after)) = rest.split_first() else {
            break;
        };
        rest = after;
        for index in 0..count & mask {
            let Some((nal, after)) = super::hevc::sized_nal(rest) else {
                bail!(
                    Damaged,
                    "avcC ends inside parameter set {index} (byte {})",
                    record.len() - rest.len()
                );
            };
            if nal.first().is_some_and(|first| is_parameter_set(*first)) {
                push_nal(&mut sets, nal);
            }
            rest = after;
        }
    }
    config(sets, (length & 3) + 1)
}

/// The configuration that Annex B parameter sets describe, by the first SPS among them.
pub(super) fn config(sets: Vec<u8>, nal_length_bytes: u8) -> Result<VideoConfig> {
    let Some(nal) = nals(&sets).find(|nal| nal.first().is_some_and(|b| nal_type(*b) == SPS)) else {
        bail!(Unsupported, "H.264 without a sequence parameter set");
    };
    let sps = Sps::parse(nal.get(1..).unwrap_or_default()).ok_or_else(|| {
        Error::new(
            ErrorKind::Damaged,
            "H.264 sequence parameter set is damaged",
        )
    })?;
    let (width, height) = size("H.264", sps.width, sps.height)?;
    let most = sps.most_reordered();
    Ok(VideoConfig {
        codec: VideoCodec::H264,
        name: sps.name(),
        width,
        height,
        bit_depth: sps.bit_depth,
        interlaced: !sps.frame_mbs_only,
        reorder_depth: sps.vui.max_num_reorder_frames.map_or(most, |n| n.min(16)),
        reorder_stated: sps.vui.max_num_reorder_frames.is_some() || most == 0,
        frame_duration: sps.vui.frame_duration,
        transfer: sps.vui.transfer.unwrap_or(2),
        parameter_sets: Arc::from(sets),
        nal_length_bytes,
    })
}

/// What we need of a sequence parameter set.
#[derive(Clone, Debug)]
pub(super) struct Sps {
    pub(super) id: u32,
    profile: u8,
    constraints: u8,
    level: u8,
    bit_depth: u8,
    pub(super) separate_planes: bool,
    /// Length of `frame_num`.
    pub(super) frame_num_bits: u32,
    pub(super) pic_order_cnt_type: u32,
    /// Length of `pic_order_cnt_lsb`.
    pub(super) order_bits: u32,
    pub(super) order_always_zero: bool,
    /// `num_ref_frames_in_pic_order_cnt_cycle`.
    pub(super) order_cycle: u32,
    pub(super) frame_mbs_only: bool,
    /// Coded size in macroblocks of a frame.
    frame_mbs: u64,
    width: u64,
    height: u64,
    vui: Vui,
}

#[derive(Clone, Debug, Default)]
struct Vui {
    frame_duration: Ticks90k,
    transfer: Option<u8>,
    max_num_reorder_frames: Option<u8>,
}

impl Sps {
    /// Parses the payload behind the NAL unit's header byte.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut bits = Bits::escaped(payload);
        let profile = bits.byte()?;
        let constraints = bits.byte()?;
        let level = bits.byte()?;
        let id = bits.ue_max(31)?;
        let mut chroma_format = 1;
        let mut separate_planes = false;
        let mut bit_depth = 8;
        if has_chroma_format(profile) {
            chroma_format = bits.ue_max(3)?;
            if chroma_format == 3 {
                separate_planes = bits.flag()?;
            }
            bit_depth = 8 + bits.ue_max(6)? as u8;
            bits.ue_max(6)?; // bit_depth_chroma_minus8
            bits.flag()?; // qpprime_y_zero_transform_bypass_flag
            if bits.flag()? {
                skip_scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
            }
        }
        let frame_num_bits = bits.ue_max(12)? + 4;
        let pic_order_cnt_type = bits.ue_max(2)?;
        let (mut order_bits, mut order_always_zero, mut order_cycle) = (0, false, 0);
        match pic_order_cnt_type {
            0 => order_bits = bits.ue_max(12)? + 4,
            1 => {
                order_always_zero = bits.flag()?;
                bits.se()?; // offset_for_non_ref_pic
                bits.se()?; // offset_for_top_to_bottom_field
                order_cycle = bits.ue_max(255)?;
                for _ in 0..order_cycle {
                    bits.se()?; // offset_for_ref_frame
                }
            }
            _ => {}
        }
        bits.ue()?; // max_num_ref_frames
        bits.flag()?; // gaps_in_frame_num_value_allowed_flag
        let width_mbs = u64::from(bits.ue_max(0xffff)?) + 1;
        let height_map_units = u64::from(bits.ue_max(0xffff)?) + 1;
        let frame_mbs_only = bits.flag()?;
        let fields = if frame_mbs_only { 1 } else { 2 };
        if !frame_mbs_only {
            bits.flag()?; // mb_adaptive_frame_field_flag
        }
        bits.flag()?; // direct_8x8_inference_flag
        let height_mbs = height_map_units * fields;
        let (mut crop_width, mut crop_height) = (0, 0);
        if bits.flag()? {
            // Offsets count chroma samples, and in field coding lines of a field (equations 7-19 to 7-22).
            let planar = chroma_format == 0 || separate_planes;
            let unit_x = if !planar && chroma_format < 3 { 2 } else { 1 };
            let unit_y = if !planar && chroma_format == 1 { 2 } else { 1 };
            let (left, right) = (u64::from(bits.ue()?), u64::from(bits.ue()?));
            let (top, bottom) = (u64::from(bits.ue()?), u64::from(bits.ue()?));
            crop_width = (left + right) * unit_x;
            crop_height = (top + bottom) * unit_y * fields;
        }
        let vui = if bits.flag()? {
            let mut vui = Vui::default();
            // A VUI that ends early keeps what it said until then.
            let _ = vui.parse(&mut bits);
            vui
        } else {
            Vui::default()
        };
        Some(Self {
            id,
            profile,
            constraints,
            level,
            bit_depth,
            separate_planes,
            frame_num_bits,
            pic_order_cnt_type,
            order_bits,
            order_always_zero,
            order_cycle,
            frame_mbs_only,
            frame_mbs: width_mbs * height_mbs,
            width: (width_mbs * 16).saturating_sub(crop_width),
            height: (height_mbs * 16).saturating_sub(crop_height),
            vui,
        })
    }

    fn constraint(&self, set: u8) -> bool {
        self.constraints & (0x80 >> set) != 0
    }

    /// The most frames that may be reordered when the VUI does not say (inference in annex E.2.1).
    fn most_reordered(&self) -> u8 {
        let intra_only = self.profile == 44
            || (matches!(self.profile, 86 | 100 | 110 | 122 | 244) && self.constraint(3));
        if self.profile == 66 || self.pic_order_cnt_type == 2 || intra_only {
            return 0;
        }
        let frames = self.max_dpb_mbs() / self.frame_mbs.max(1);
        frames.clamp(1, 16) as u8
    }

    /// `MaxDpbMbs` of the level (table A-1).
    fn max_dpb_mbs(&self) -> u64 {
        match self.level {
            11 if self.constraint(3) && matches!(self.profile, 66 | 77 | 88) => 396,
            0..=10 => 396,
            11 => 900,
            12..=20 => 2_376,
            21 => 4_752,
            22..=30 => 8_100,
            31 => 18_000,
            32 => 20_480,
            33..=41 => 32_768,
            42 => 34_816,
            43..=50 => 110_400,
            51..=52 => 184_320,
            _ => 696_320,
        }
    }

    fn name(&self) -> String {
        let profile = match self.profile {
            44 => "CAVLC 4:4:4 Intra",
            66 if self.constraint(1) => "Constrained Baseline",
            66 => "Baseline",
            77 => "Main",
            88 => "Extended",
            100 => "High",
            110 if self.constraint(3) => "High 10 Intra",
            110 => "High 10",
            118 => "Multiview High",
            122 if self.constraint(3) => "High 4:2:2 Intra",
            122 => "High 4:2:2",
            128 => "Stereo High",
            244 if self.constraint(3) => "High 4:4:4 Intra",
            244 => "High 4:4:4 Predictive",
            other => return format!("H.264 profile {other} {}", self.level_name()),
        };
        format!("H.264 {profile} {}", self.level_name())
    }

    fn level_name(&self) -> String {
        let legacy = matches!(self.profile, 66 | 77 | 88);
        if self.level == 9 || (legacy && self.level == 11 && self.constraint(3)) {
            return "1b".into();
        }
        let (major, minor) = (self.level / 10, self.level % 10);
        if minor == 0 {
            major.to_string()
        } else {
            format!("{major}.{minor}")
        }
    }
}

impl Vui {
    /// Annex E.1.1.
    fn parse(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        self.transfer = Some(vui_transfer(bits)?);
        if bits.flag()? {
            let units = bits.bits(32)?;
            let scale = bits.bits(32)?;
            bits.flag()?; // fixed_frame_rate_flag
            // A tick is the time of a field (§E.2.1, table E-6).
            self.frame_duration = frame_duration(u64::from(units) * 2, scale);
        }
        let nal_hrd = bits.flag()?;
        if nal_hrd {
            skip_hrd(bits)?;
        }
        let vcl_hrd = bits.flag()?;
        if vcl_hrd {
            skip_hrd(bits)?;
        }
        if nal_hrd || vcl_hrd {
            bits.flag()?; // low_delay_hrd_flag
        }
        bits.flag()?; // pic_struct_present_flag
        if bits.flag()? {
            bits.flag()?; // motion_vectors_over_pic_boundaries_flag
            for _ in 0..4 {
                bits.ue()?;
            }
            self.max_num_reorder_frames = Some(bits.ue_max(16)? as u8);
        }
        Some(())
    }
}

/// Aspect ratio, overscan, signal type and chroma location, which H.264 and HEVC write alike; of them the
/// transfer characteristics.
pub(super) fn vui_transfer(bits: &mut Bits<'_>) -> Option<u8> {
    let mut transfer = 2;
    if bits.flag()? && bits.bits(8)? == 255 {
        bits.skip(32)?; // sar_width, sar_height
    }
    if bits.flag()? {
        bits.flag()?; // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.skip(4)?; // video_format, video_full_range_flag
        if bits.flag()? {
            bits.skip(8)?; // colour_primaries
            transfer = bits.byte()?;
            bits.skip(8)?; // matrix_coefficients
        }
    }
    if bits.flag()? {
        bits.ue()?; // chroma_sample_loc_type_top_field
        bits.ue()?; // chroma_sample_loc_type_bottom_field
    }
    Some(transfer)
}

/// Annex E.1.2.
fn skip_hrd(bits: &mut Bits<'_>) -> Option<()> {
    let count = bits.ue_max(31)? + 1;
    bits.skip(8)?; // bit_rate_scale, cpb_size_scale
    for _ in 0..count {
        bits.ue()?;
        bits.ue()?;
        bits.flag()?;
    }
    bits.skip(20)
}

/// §7.3.2.1.1.1.
fn skip_scaling_lists(bits: &mut Bits<'_>, lists: u32) -> Option<()> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.se()?).rem_euclid(256);
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}

/// Profiles whose SPS carries chroma format and bit depth (§7.3.2.1.1).
fn has_chroma_format(profile: u8) -> bool {
    matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    )
}
