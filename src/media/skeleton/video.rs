//! What stays of coded pictures: the headers of NAL units and slices, parameter sets, and supplemental messages
//! without what users put into them.

use super::copy::Copy;
use crate::error::Result;
use crate::media::unit::VideoCodec;

/// Of a slice: its NAL header, and its own header as far as everybody reads it (ITU-T H.264 §7.3.3, H.265 §7.3.6.1).
/// What is behind it in so few bytes tells of one block in the corner of the picture at most.
const SLICE_BYTES: usize = 16;
/// The longest parameter set that is kept.
const SET_BYTES: usize = 4096;
/// The longest supplemental message whose structure is kept.
const SEI_BYTES: usize = 64 << 10;

/// Ends what was emptied: a stop bit. A unit never ends with a zero byte (ITU-T H.264 §7.4.1), so that its length is told
/// behind a start code too.
const STOP: u8 = 0x80;

/// How coded pictures lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pictures {
    pub(super) codec: VideoCodec,
    /// Bytes of the length in front of each NAL unit; 0: start codes.
    pub(super) length_bytes: u8,
}

/// What stays of a NAL unit, or of what stands behind an MPEG-2 start code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// So many bytes of it.
    Head(usize),
    /// The same, of a slice.
    Slice(usize),
    /// Its messages but those of users.
    Sei,
}

impl Unit {
    /// By its first byte, behind the length or start code.
    fn of(codec: VideoCodec, first: u8) -> Self {
        match codec {
            VideoCodec::H264 => match first & 0x1F {
                1..=5 | 19 => Self::Slice(SLICE_BYTES),
                6 => Self::Sei,
                7 | 8 | 13 | 15 => Self::Head(SET_BYTES),
                9 => Self::Head(2),
                14 | 20 | 21 => Self::Head(4),
                _ => Self::Head(1),
            },
            VideoCodec::Hevc => match first >> 1 & 0x3F {
                0..=31 => Self::Slice(SLICE_BYTES),
                32..=34 => Self::Head(SET_BYTES),
                35 => Self::Head(3),
                39 | 40 => Self::Sei,
                _ => Self::Head(2),
            },
            VideoCodec::Mpeg2 => match first {
                // Picture header up to its last field (ISO 13818-2 §6.2.3).
                0x00 => Self::Head(6),
                0x01..=0xAF => Self::Slice(1),
                // Sequence, extension and group headers (§6.2.2); what users put in is B2.
                0xB3 | 0xB5 | 0xB8 => Self::Head(256),
                _ => Self::Head(1),
            },
        }
    }
}

/// Keeps what may be kept of one sample. `stripped` is what the container took from its front.
pub(super) fn keep_sample(
    copy: &mut Copy<'_>,
    pictures: Pictures,
    stripped: &[u8],
    at: u64,
    bytes: u64,
) -> Result<()> {
    if pictures.length_bytes == 0 {
        let mut scan = StartCodes::new(pictures.codec);
        for byte in stripped {
            scan.take(copy, None, *byte)?;
        }
        let mut from = at;
        while from < at + bytes {
            let len = usize::try_from(at + bytes - from).unwrap_or(usize::MAX);
            let piece = copy.input.get(from, len)?.to_vec();
            if piece.is_empty() {
                break;
            }
            scan.feed(copy, from, &piece)?;
            from += piece.len() as u64;
        }
        return scan.close(copy);
    }
    let prefix = u64::from(pictures.length_bytes);
    // Places count from the beginning of the sample as it was before stripping.
    let lead = stripped.len() as u64;
    let all = lead + bytes;
    let mut place = 0;
    while place + prefix < all {
        let mut head = [0; 5];
        let wanted = usize::from(pictures.length_bytes) + 1;
        for (n, byte) in head.iter_mut().enumerate().take(wanted) {
            let place = place + n as u64;
            *byte = match usize::try_from(place).ok().and_then(|p| stripped.get(p)) {
                Some(byte) => *byte,
                None => match copy.input.array::<1>(at + place - lead)? {
                    Some([byte]) => byte,
                    None => return Ok(()),
                },
            };
        }
        let (length, rest) = head.split_at(usize::from(pictures.length_bytes));
        let first = rest.first().copied().unwrap_or_default();
        let length = length.iter().fold(0, |sum, b| sum << 8 | u64::from(*b));
        let from = place + prefix;
        let to = from + length;
        if to > all {
            // A length that lies: what is behind it is not understood.
            return Ok(());
        }
        let in_file = |place: u64| at + place.saturating_sub(lead);
        copy.keep(in_file(place), in_file(from))?;
        if length > 0 {
            keep_unit(copy, pictures.codec, first, in_file(from), in_file(to))?;
        }
        place = to;
    }
    Ok(())
}

/// Keeps what may be kept of the NAL unit from `from` up to `to`.
fn keep_unit(copy: &mut Copy<'_>, codec: VideoCodec, first: u8, from: u64, to: u64) -> Result<()> {
    let keep = match Unit::of(codec, first) {
        Unit::Sei if to - from <= SEI_BYTES as u64 => {
            let mut message = copy.input.get(from, (to - from) as usize)?.to_vec();
            blank_messages(codec, &mut message);
            return copy.put(from, &message);
        }
        Unit::Sei => 2,
        Unit::Slice(bytes) => {
            copy.kept.pictures += 1;
            bytes
        }
        Unit::Head(bytes) => bytes,
    };
    let end = to.min(from + keep as u64);
    copy.keep(from, end)?;
    if end < to {
        copy.replace(to - 1, STOP)?;
    }
    Ok(())
}

/// Messages that tell of times, order and how to show the picture (ITU-T H.264 and H.265 annex D): buffering, timing,
/// pan and scan, filler, recovery points, stereo, parameter sets in use, brightness of the display, of the content,
/// and the preferred transfer.
const KEPT_MESSAGES: [usize; 10] = [0, 1, 2, 3, 6, 45, 129, 137, 144, 147];

/// Empties the messages of an SEI NAL unit that may hold anything else than times and the like, in place.
fn blank_messages(codec: VideoCodec, nal: &mut [u8]) {
    let header = if codec == VideoCodec::Hevc { 2 } else { 1 };
    // Places of the payload bytes, without emulation prevention (§7.4.1.1).
    let mut places = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for (place, byte) in nal.iter().enumerate().skip(header) {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        places.push(place);
    }
    let mut at = 0;
    // The last byte is the stop bit.
    while at + 1 < places.len() {
        let Some((kind, behind_kind)) = message_number(nal, &places, at) else {
            break;
        };
        let Some((size, payload)) = message_number(nal, &places, behind_kind) else {
            break;
        };
        let end = payload.saturating_add(size);
        let is_sound = end < places.len();
        if !is_sound || !KEPT_MESSAGES.contains(&kind) {
            let inside = places.get(payload..end.min(places.len() - 1));
            blank(nal, inside.unwrap_or_default());
        }
        if !is_sound {
            break;
        }
        at = end;
    }
}

/// Zeroes bytes of a NAL unit without making a start code of them and what follows.
fn blank(nal: &mut [u8], places: &[usize]) {
    for place in places {
        if let Some(byte) = nal.get_mut(*place) {
            *byte = 0;
        }
    }
    if let Some(last) = places.last() {
        // Emulation prevention behind it stays, and counts only behind zeros.
        let is_prevented = nal.get(last + 1) == Some(&3) && nal.get(last + 2).is_some();
        if let Some(byte) = nal.get_mut(*last).filter(|_| !is_prevented) {
            *byte = STOP;
        }
    }
}

/// A payload type or size (§7.3.2.3.1): its value, and where what follows it begins.
fn message_number(nal: &[u8], places: &[usize], at: usize) -> Option<(usize, usize)> {
    let mut value = 0;
    for (n, place) in places.get(at..)?.iter().enumerate() {
        let byte = *nal.get(*place)?;
        value += usize::from(byte);
        if byte != 0xFF {
            return Some((value, at + n + 1));
        }
    }
    None
}

/// A configuration record (`avcC`, `hvcC`) without messages of users: x265 puts its settings there.
pub(super) fn blank_record(codec: VideoCodec, record: &mut [u8]) {
    if codec != VideoCodec::Hevc {
        return;
    }
    // ISO 14496-15 §8.3.3.1: arrays of NAL units behind 22 bytes.
    let Some(arrays) = record.get(22).copied() else {
        return;
    };
    let mut at = 23;
    let number = |record: &[u8], at: usize| {
        let bytes = record.get(at..)?.first_chunk::<2>()?;
        Some(usize::from(u16::from_be_bytes(*bytes)))
    };
    for _ in 0..arrays {
        let Some((kind, count)) = record.get(at).copied().zip(number(record, at + 1)) else {
            return;
        };
        at += 3;
        for _ in 0..count {
            let Some(length) = number(record, at) else {
                return;
            };
            at += 2;
            if let Some(nal) = record.get_mut(at..at + length)
                && matches!(kind & 0x3F, 39 | 40)
            {
                blank_messages(codec, nal);
            }
            at += length;
        }
    }
}

/// Keeps what may be kept of a stream of start codes that comes in pieces.
pub(super) struct StartCodes {
    codec: VideoCodec,
    zeros: u32,
    /// `None` in front of the first start code.
    unit: Option<Unit>,
    /// Bytes of the unit so far.
    taken: usize,
    /// Where the last byte of the unit that is not zero stands; of those that were zeroed.
    emptied: Option<u64>,
    /// A supplemental message as it comes, with the place of each byte.
    message: Vec<(Option<u64>, u8)>,
    is_behind_code: bool,
}

impl StartCodes {
    pub(super) fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            zeros: 0,
            unit: None,
            taken: 0,
            emptied: None,
            message: Vec::new(),
            is_behind_code: false,
        }
    }

    /// Takes the bytes that stand at `at`.
    pub(super) fn feed(&mut self, copy: &mut Copy<'_>, at: u64, bytes: &[u8]) -> Result<()> {
        for (n, byte) in bytes.iter().enumerate() {
            self.take(copy, Some(at + n as u64), *byte)?;
        }
        Ok(())
    }

    /// Takes one byte; `None`: it does not stand in the file.
    fn take(&mut self, copy: &mut Copy<'_>, at: Option<u64>, byte: u8) -> Result<()> {
        if self.is_behind_code {
            self.is_behind_code = false;
            let unit = Unit::of(self.codec, byte);
            if let Unit::Slice(_) = unit {
                copy.kept.pictures += 1;
            }
            self.unit = Some(unit);
        } else if self.zeros >= 2 && byte == 1 {
            self.close(copy)?;
            self.is_behind_code = true;
            self.zeros = 0;
            return put(copy, at, byte);
        }
        self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        let keep = match self.unit {
            None => return Ok(()),
            Some(Unit::Sei) => {
                if self.message.len() < SEI_BYTES {
                    self.message.push((at, byte));
                }
                return Ok(());
            }
            Some(Unit::Head(keep) | Unit::Slice(keep)) => keep,
        };
        self.taken = self.taken.saturating_add(1);
        if self.taken <= keep {
            put(copy, at, byte)?;
        } else if byte != 0 {
            self.emptied = at;
        }
        Ok(())
    }

    /// Ends the unit.
    pub(super) fn close(&mut self, copy: &mut Copy<'_>) -> Result<()> {
        if let Some(at) = self.emptied.take() {
            copy.replace(at, STOP)?;
        }
        if !self.message.is_empty() {
            let message = std::mem::take(&mut self.message);
            let mut bytes: Vec<u8> = message.iter().map(|(_, byte)| *byte).collect();
            // Zeros in front of a start code are not the unit's.
            let end = bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |n| n + 1);
            blank_messages(self.codec, bytes.get_mut(..end).unwrap_or_default());
            for ((at, _), byte) in message.iter().zip(bytes) {
                put(copy, *at, byte)?;
            }
        }
        self.unit = None;
        self.taken = 0;
        Ok(())
    }
}

fn put(copy: &mut Copy<'_>, at: Option<u64>, byte: u8) -> Result<()> {
    match at {
        Some(at) => copy.put(at, &[byte]),
        None => Ok(()),
    }
}
