//! NAL units of H.264 and HEVC and start codes of MPEG-2: what a parameter set promises, whether a
//! coded picture is a random access point, and the way from length prefixes to Annex B.
//!
//! Assumes nothing about the bytes: what cannot be parsed is an error (configuration) or simply not a
//! random access point (pictures). It must stay cheap: [`to_annex_b`] and [`inspect`] see every picture
//! that is sent and look no further than the header of the first slice.

mod bits;
mod fields;
mod h264;
mod h264_slice;
mod hevc;
mod mpeg2;
mod restart;

use std::ops::Range;
use std::sync::Arc;

pub use self::fields::{Field, Fields};
pub use self::restart::Restart;
use super::time::Ticks90k;
use super::unit::{Rap, VideoCodec};
use crate::bail;
use crate::error::Result;

/// Caps of a configuration: a real one is below 2 KB, x265's with its settings as SEI below 4 KB.
const MAX_CONFIG_BYTES: usize = 256 * 1024;

/// What the parameter sets of a video stream say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoConfig {
    /// Whose parameter sets they are.
    pub codec: VideoCodec,
    /// Codec, profile and level for people ("H.264 High 4.1").
    pub name: String,
    /// Picture width in luma samples, cropped.
    pub width: u16,
    /// Picture height in luma samples, cropped.
    pub height: u16,
    /// Bits per luma sample.
    pub bit_depth: u8,
    /// Whether pictures may be coded as fields.
    pub interlaced: bool,
    /// How many pictures may precede one in decode order and follow it in display order.
    pub reorder_depth: u8,
    /// Whether the stream states `reorder_depth` itself; otherwise it is the most that its level allows.
    pub reorder_stated: bool,
    /// Length of a frame; zero when the stream does not say.
    pub frame_duration: Ticks90k,
    /// `transfer_characteristics` of the VUI (ITU-T H.273 table 3): 16 is PQ, 18 is HLG, 2 when it does not say.
    pub transfer: u8,
    /// The parameter sets in Annex B form, ready to be put in front of a random access point.
    pub parameter_sets: Arc<[u8]>,
    /// Size of the length in front of each NAL unit: 1 to 4; 0 when the stream is Annex B already.
    pub nal_length_bytes: u8,
}

/// What the NAL units up to the first slice of one access unit say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnitFacts {
    /// Whether decoding can start here.
    pub rap: Rap,
    /// HEVC RASL: refers to pictures before the last random access point.
    pub skipped_leading: bool,
    /// The unit brings every kind of parameter set that its codec needs.
    pub has_parameter_sets: bool,
    /// The unit brings layers that only other decoders than ours are for; see [`drop_extensions`].
    pub has_extensions: bool,
    /// The unit begins with an access unit delimiter. Always so for MPEG-2, which knows none.
    pub has_delimiter: bool,
}

/// Parses `AVCDecoderConfigurationRecord` (ISO 14496-15 §5.3.3.1), as in `avcC` and Matroska.
pub fn parse_avcc(record: &[u8]) -> Result<VideoConfig> {
    h264::parse_avcc(record)
}

/// Parses `HEVCDecoderConfigurationRecord` (ISO 14496-15 §8.3.3.1), as in `hvcC` and Matroska.
pub fn parse_hvcc(record: &[u8]) -> Result<VideoConfig> {
    hevc::parse_hvcc(record)
}

/// Parses the parameter sets in front of (or within) Annex B data, or an MPEG-2 sequence header with
/// its extensions. What else stands in `data` is not looked at.
pub fn parse_parameter_sets(codec: VideoCodec, data: &[u8]) -> Result<VideoConfig> {
    let mut sets = Vec::new();
    copy_parameter_sets(codec, data, &mut sets);
    if sets.len() > MAX_CONFIG_BYTES {
        bail!(Damaged, "parameter sets of {} bytes", sets.len());
    }
    match codec {
        VideoCodec::H264 => h264::config(sets, 0),
        VideoCodec::Hevc => hevc::config(sets, 0),
        VideoCodec::Mpeg2 => mpeg2::config(sets),
    }
}

/// Looks at an access unit in Annex B (or MPEG-2) form as far as the header of its first slice.
pub fn inspect(codec: VideoCodec, data: &[u8]) -> UnitFacts {
    inspect_annex_b(codec, data).0
}

/// The same for the first bytes of an access unit as a container holds it (`nal_length_bytes` as in
/// [`VideoConfig`]); `None` when they end in front of the first slice.
pub(crate) fn inspect_start(
    codec: VideoCodec,
    data: &[u8],
    nal_length_bytes: u8,
) -> Option<UnitFacts> {
    let (facts, slice_bytes) = if nal_length_bytes == 0 || codec == VideoCodec::Mpeg2 {
        inspect_annex_b(codec, data)
    } else {
        let mut scan = Scan::new(codec);
        let mut rest = data;
        let mut slice_bytes = 0;
        while let Some((head, after)) = rest.split_at_checked(usize::from(nal_length_bytes)) {
            let length = head.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
            let nal = after.get(..length).unwrap_or(after);
            scan.unit(nal);
            if is_slice(codec, nal) {
                slice_bytes = nal.len();
                break;
            }
            rest = after.get(length..).unwrap_or_default();
        }
        (scan.facts(), slice_bytes)
    };
    // Macroblock number and type of an H.264 slice, the longest that is read, fit in fewer.
    (slice_bytes >= 8).then_some(facts)
}

/// The facts, and how many bytes there are of the first slice (or MPEG-2 picture header).
fn inspect_annex_b(codec: VideoCodec, data: &[u8]) -> (UnitFacts, usize) {
    let mut scan = Scan::new(codec);
    let mut at = start_code(data, 0);
    while let Some(code) = at {
        let from = code + 3;
        let rest = data.get(from..).unwrap_or_default();
        if is_slice(codec, rest) {
            // Its end does not matter, so the picture's bytes are not searched.
            scan.unit(rest);
            return (scan.facts(), rest.len());
        }
        let next = start_code(data, from);
        scan.unit(
            data.get(from..next.unwrap_or(data.len()))
                .unwrap_or_default(),
        );
        at = next;
    }
    (scan.facts(), 0)
}

/// Turns one access unit with length prefixes of `nal_length_bytes` into Annex B: in place for 4-byte
/// lengths, through one copy for shorter ones. With 0 (and for MPEG-2) the data is Annex B already and
/// only looked at. A length that reaches beyond the unit is `Damaged` and leaves `data` useless.
pub fn to_annex_b(
    codec: VideoCodec,
    data: &mut Vec<u8>,
    nal_length_bytes: u8,
) -> Result<UnitFacts> {
    if nal_length_bytes == 0 || codec == VideoCodec::Mpeg2 {
        return Ok(inspect(codec, data));
    }
    if nal_length_bytes > 4 {
        bail!(Damaged, "NAL lengths of {nal_length_bytes} bytes");
    }
    let prefix = usize::from(nal_length_bytes);
    let mut copy = Vec::new();
    if prefix < 4 {
        copy.reserve_exact(data.len() + data.len() / 4 + 64);
    }
    let mut scan = Scan::new(codec);
    let mut has_extensions = false;
    let mut at = 0;
    while at < data.len() {
        let Some(head) = data.get_mut(at..at + prefix) else {
            bail!(
                Damaged,
                "{} stray bytes behind the last NAL unit",
                data.len() - at
            );
        };
        let length = head.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
        if prefix == 4 {
            // A NAL unit of no bytes becomes zero bytes, which Annex B allows between units.
            head.copy_from_slice(&[0, 0, 0, u8::from(length > 0)]);
        }
        let from = at + prefix;
        let Some(nal) = data.get(from..from + length) else {
            bail!(
                Damaged,
                "NAL unit of {length} bytes at byte {at} of an access unit of {}",
                data.len()
            );
        };
        scan.unit(nal);
        has_extensions |= is_extension(codec, nal);
        if prefix < 4 && length > 0 {
            if copy.len() + 4 + length > copy.capacity() {
                // No picture is made of scraps; start codes would make them many times as large.
                bail!(Damaged, "NAL units of a few bytes each, up to byte {at}");
            }
            copy.extend_from_slice(&[0, 0, 0, 1]);
            copy.extend_from_slice(nal);
        }
        at = from + length;
    }
    if prefix < 4 {
        *data = copy;
    }
    if has_extensions {
        drop_extensions(codec, data);
    }
    Ok(scan.facts())
}

/// Whether a NAL unit belongs to a layer over the one that every decoder shows: scalable and multiview H.264
/// (ITU-T H.264 annexes F and G: types 14, 15, 20 and 21) and its auxiliary pictures (19), layers of HEVC
/// (H.265 annexes F to I).
fn is_extension(codec: VideoCodec, nal: &[u8]) -> bool {
    match (codec, nal) {
        (VideoCodec::H264, [first, ..]) => matches!(first & 0x1F, 14 | 15 | 19..=21),
        (VideoCodec::Hevc, [first, second, ..]) => first & 1 != 0 || second & 0xF8 != 0,
        _ => false,
    }
}

/// Takes the layers out of an access unit that a transport stream has no stream type for beside the one of the
/// codec (ISO 13818-1 table 2-34 gives them types of their own).
pub fn drop_extensions(codec: VideoCodec, data: &mut Vec<u8>) {
    let mut kept = 0;
    let mut ranges = Vec::new();
    for (code, nal) in nal_ranges(data) {
        if data
            .get(nal.clone())
            .is_some_and(|nal| is_extension(codec, nal))
        {
            ranges.push(kept..code);
            kept = nal.end;
        }
    }
    if ranges.is_empty() {
        return;
    }
    let ends_with_one = kept == data.len();
    ranges.push(kept..data.len());
    let mut to = 0;
    for range in ranges {
        let length = range.len();
        data.copy_within(range, to);
        to += length;
    }
    data.truncate(to);
    // The first zero of the four-byte start code that stood here.
    if ends_with_one && data.last() == Some(&0) {
        data.pop();
    }
}

/// Where the start code of each NAL unit begins, and what it covers. What stands before the first is left
/// out; zero bytes behind a unit stay with it.
fn nal_ranges(data: &[u8]) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut at = start_code(data, 0);
    std::iter::from_fn(move || {
        let code = at?;
        at = start_code(data, code + 3);
        Some((code, code + 3..at.unwrap_or(data.len())))
    })
}

/// The NAL units of Annex B data, without start codes and trailing zero bytes. For MPEG-2: what stands
/// between start codes, beginning with the start code's value.
pub fn nals(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = start_code(data, 0);
    std::iter::from_fn(move || {
        let from = at? + 3;
        at = start_code(data, from);
        let mut nal = data.get(from..at.unwrap_or(data.len()))?;
        while let [head @ .., 0] = nal {
            nal = head;
        }
        Some(nal)
    })
    .filter(|nal| !nal.is_empty())
}

/// Appends the parameter sets of `data` to `out` in Annex B form with 4-byte start codes: VPS, SPS and PPS, or
/// the MPEG-2 sequence header with its extensions. Looks no further than the first slice.
pub fn copy_parameter_sets(codec: VideoCodec, data: &[u8], out: &mut Vec<u8>) {
    let mut in_sequence_header = false;
    let mut at = start_code(data, 0);
    while let Some(code) = at {
        let from = code + 3;
        let rest = data.get(from..).unwrap_or_default();
        let Some(first) = rest.first() else { return };
        if is_slice(codec, rest) {
            return;
        }
        let wanted = match codec {
            VideoCodec::H264 => h264::is_parameter_set(*first),
            VideoCodec::Hevc => hevc::is_parameter_set(*first),
            VideoCodec::Mpeg2 => {
                in_sequence_header = mpeg2::is_sequence_header(*first)
                    || (in_sequence_header && mpeg2::is_extension(*first));
                in_sequence_header
            }
        };
        at = start_code(data, from);
        if wanted {
            let mut nal = data.get(from..at.unwrap_or(data.len())).unwrap_or_default();
            // Zero bytes in front of a 4-byte start code belong to neither unit. An MPEG-2 header may end
            // with zeros of its own; there, more of them are stuffing.
            while let ([head @ .., 0], true) = (nal, codec != VideoCodec::Mpeg2) {
                nal = head;
            }
            push_nal(out, nal);
        }
    }
}

/// Appends `nal` with a 4-byte start code.
fn push_nal(out: &mut Vec<u8>, nal: &[u8]) {
    out.extend_from_slice(&[0, 0, 0, 1]);
    out.extend_from_slice(nal);
}

/// Where the next 00 00 01 begins at or after `from`.
fn start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    // Two of three bytes are seldom looked at: a last byte that is not zero rules out three places at once.
    while let Some(&[first, second, third]) = data.get(at..at + 3) {
        at += match (first, second, third) {
            (0, 0, 1) => return Some(at),
            (_, _, 1..) => 3,
            (_, 1.., 0) => 2,
            _ => 1,
        };
    }
    None
}

fn is_slice(codec: VideoCodec, nal: &[u8]) -> bool {
    let Some(&first) = nal.first() else {
        return false;
    };
    match codec {
        VideoCodec::H264 => h264::is_slice(first),
        VideoCodec::Hevc => hevc::is_slice(first),
        VideoCodec::Mpeg2 => mpeg2::is_picture(first),
    }
}

/// Gathers [`UnitFacts`] from one NAL unit after the other.
enum Scan {
    H264(h264::Scan),
    Hevc(hevc::Scan),
    Mpeg2(mpeg2::Scan),
}

impl Scan {
    fn new(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::H264 => Scan::H264(h264::Scan::default()),
            VideoCodec::Hevc => Scan::Hevc(hevc::Scan::default()),
            VideoCodec::Mpeg2 => Scan::Mpeg2(mpeg2::Scan::default()),
        }
    }

    /// Takes a NAL unit; those behind the first slice change nothing.
    fn unit(&mut self, nal: &[u8]) {
        match self {
            Scan::H264(scan) => scan.unit(nal),
            Scan::Hevc(scan) => scan.unit(nal),
            Scan::Mpeg2(scan) => scan.unit(nal),
        }
    }

    fn facts(&self) -> UnitFacts {
        match self {
            Scan::H264(scan) => scan.facts(),
            Scan::Hevc(scan) => scan.facts(),
            Scan::Mpeg2(scan) => scan.facts(),
        }
    }
}

/// Picture sizes are kept in 16 bits; no level of any of the codecs goes beyond 16,888.
fn size(codec: &str, width: u64, height: u64) -> Result<(u16, u16)> {
    match (u16::try_from(width), u16::try_from(height)) {
        (Ok(width), Ok(height)) if width > 0 && height > 0 => Ok((width, height)),
        _ => bail!(
            Damaged,
            "{codec} parameter set with a picture of {width} × {height}"
        ),
    }
}

/// A length of `units` / `scale` seconds; zero when that is no sensible frame (above 10 s or below a tick).
fn frame_duration(units: u64, scale: u32) -> Ticks90k {
    let Ok(units) = i64::try_from(units) else {
        return Ticks90k::ZERO;
    };
    let length = Ticks90k::from_scaled(units, scale);
    if (Ticks90k(1)..=Ticks90k(900_000)).contains(&length) {
        length
    } else {
        Ticks90k::ZERO
    }
}

#[cfg(test)]
mod tests;
