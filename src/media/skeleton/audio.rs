//! What stays of coded sound: the headers of frames that have one.

use super::copy::Copy;
use crate::error::Result;
use crate::media::audio::parse_frame_header;
use crate::media::unit::AudioCodec;

/// Bytes of a frame's header as far as rate, layout and length are told there; E-AC-3 tells its speakers last (ETSI
/// TS 102 366 §E.1.2.2).
const fn head_bytes(codec: AudioCodec) -> usize {
    match codec {
        AudioCodec::Aac => 7,
        AudioCodec::Ac3 => 8,
        AudioCodec::Eac3 => 12,
        AudioCodec::Mp2 | AudioCodec::Mp3 => 4,
    }
}

/// The longest header.
const HEAD_BYTES: usize = 12;

/// Length of the frame, or of one substream of E-AC-3, that begins with `head`.
fn frame_bytes(codec: AudioCodec, head: &[u8]) -> Option<usize> {
    if let (AudioCodec::Eac3, [0x0B, 0x77, high, low, _, fifth, ..]) = (codec, head)
        && fifth >> 3 > 10
    {
        let words = usize::from(u16::from_be_bytes([high & 7, *low])) + 1;
        return Some(words * 2);
    }
    let kinds = match codec {
        // Plain AC-3 in between (Blu-ray).
        AudioCodec::Eac3 => [AudioCodec::Ac3, AudioCodec::Ac3],
        // A container may call both layers the same.
        AudioCodec::Mp2 | AudioCodec::Mp3 => [AudioCodec::Mp2, AudioCodec::Mp3],
        codec => [codec, codec],
    };
    let header = kinds
        .iter()
        .find_map(|kind| parse_frame_header(*kind, head))?;
    Some(header.frame_bytes).filter(|bytes| *bytes > 0)
}

/// Keeps the headers of the frames of one sample.
pub(super) fn keep_sample(
    copy: &mut Copy<'_>,
    codec: AudioCodec,
    stripped: &[u8],
    at: u64,
    bytes: u64,
) -> Result<()> {
    let lead = stripped.len();
    let mut place = at;
    let end = at + bytes;
    copy.kept.sounds += 1;
    while place < end {
        // Only the first frame of a sample can have lost its front.
        let front = if place == at { stripped } else { &[] };
        let mut head = front.to_vec();
        head.extend_from_slice(copy.input.get(place, HEAD_BYTES)?);
        let Some(length) = frame_bytes(codec, &head) else {
            break;
        };
        let taken = if place == at { lead } else { 0 };
        let keep = head_bytes(codec).saturating_sub(taken) as u64;
        copy.keep(place, end.min(place + keep))?;
        place += (length - taken.min(length)).max(1) as u64;
    }
    Ok(())
}

/// The beginning of a frame that is remembered: its header and, of AAC, room for silence.
const FRONT_BYTES: usize = 48;

/// Keeps the headers of a stream of frames that comes in pieces of any size.
pub(super) struct Frames {
    codec: AudioCodec,
    /// The beginning of the frame that comes, with the place of each byte.
    front: Vec<(u64, u8)>,
    /// Its length, once its header has come, and how much of it has come.
    length: Option<usize>,
    seen: usize,
    /// The first frame counts when another one stands where it ends.
    first: Vec<(u64, u8)>,
    is_locked: bool,
}

impl Frames {
    pub(super) fn new(codec: AudioCodec) -> Self {
        Self {
            codec,
            front: Vec::with_capacity(FRONT_BYTES),
            length: None,
            seen: 0,
            first: Vec::new(),
            is_locked: false,
        }
    }

    /// Takes the bytes that stand at `at`.
    pub(super) fn feed(&mut self, copy: &mut Copy<'_>, at: u64, bytes: &[u8]) -> Result<()> {
        let mut from = 0;
        while let Some((byte, rest)) = bytes.get(from..).and_then(|b| b.split_first()) {
            match self.length {
                Some(length) if self.seen >= FRONT_BYTES => {
                    let skip = length.saturating_sub(self.seen).min(rest.len() + 1).max(1);
                    self.seen += skip;
                    from += skip;
                }
                _ => {
                    self.front.push((at + from as u64, *byte));
                    self.seen += 1;
                    from += 1;
                }
            }
            if self.length.is_none() && self.front.len() == HEAD_BYTES {
                self.look(copy)?;
            }
            while self.length.is_some_and(|length| self.seen >= length) {
                self.end(copy)?;
            }
        }
        Ok(())
    }

    /// Reads the header that has come.
    fn look(&mut self, copy: &mut Copy<'_>) -> Result<()> {
        let bytes: Vec<u8> = self.front.iter().map(|(_, byte)| *byte).collect();
        self.length = frame_bytes(self.codec, &bytes);
        if self.length.is_none() {
            // Looks for the next one.
            self.front.remove(0);
            self.seen = self.front.len();
            self.first.clear();
            self.is_locked = false;
            return Ok(());
        }
        if !self.first.is_empty() {
            self.is_locked = true;
            let first = std::mem::take(&mut self.first);
            self.keep_head(copy, &first)?;
            self.silence(copy, &first)?;
        }
        if self.is_locked {
            let head = self.front.clone();
            self.keep_head(copy, &head)?;
        }
        Ok(())
    }

    /// The frame has come.
    fn end(&mut self, copy: &mut Copy<'_>) -> Result<()> {
        let length = self.length.take().unwrap_or_default();
        // A frame of silence may be shorter than the longest header: what is too much begins the next.
        let next = self.front.split_off(length.min(self.front.len()));
        let front = std::mem::replace(&mut self.front, next);
        self.seen = self.front.len();
        if self.is_locked {
            self.silence(copy, &front)
        } else {
            self.first = front;
            Ok(())
        }
    }

    fn keep_head(&self, copy: &mut Copy<'_>, front: &[(u64, u8)]) -> Result<()> {
        copy.kept.sounds += 1;
        for (at, byte) in front.iter().take(head_bytes(self.codec)) {
            copy.put(*at, &[*byte])?;
        }
        Ok(())
    }

    /// Lets a frame of AAC say that there is silence. Its rate is known to many only when a frame has been decoded, and
    /// zeros cannot be.
    fn silence(&self, copy: &mut Copy<'_>, front: &[(u64, u8)]) -> Result<()> {
        if self.codec != AudioCodec::Aac {
            return Ok(());
        }
        let byte = |n: usize| front.get(n).map_or(0, |(_, byte)| *byte);
        // ISO 13818-7 §6.2.1: two more bytes when there is a checksum.
        let header = if byte(1) & 1 == 1 { 7 } else { 9 };
        let configuration = (byte(2) & 1) << 2 | byte(3) >> 6;
        let silence = silent_block(configuration);
        let room = front.get(header..).unwrap_or_default();
        if silence.len() > room.len() {
            return Ok(());
        }
        for ((at, _), byte) in room.iter().zip(silence) {
            copy.replace(*at, byte)?;
        }
        Ok(())
    }
}

/// A raw data block of AAC (ISO 14496-3 §4.4.2.1) in which every channel is silent, by the channel configuration.
fn silent_block(configuration: u8) -> Vec<u8> {
    const SINGLE: u32 = 0;
    const PAIR: u32 = 1;
    const LOW_FREQUENCY: u32 = 3;
    let elements: &[(u32, u32)] = match configuration {
        1 => &[(SINGLE, 0)],
        2 => &[(PAIR, 0)],
        3 => &[(SINGLE, 0), (PAIR, 0)],
        4 => &[(SINGLE, 0), (PAIR, 0), (SINGLE, 1)],
        5 => &[(SINGLE, 0), (PAIR, 0), (PAIR, 1)],
        6 => &[(SINGLE, 0), (PAIR, 0), (PAIR, 1), (LOW_FREQUENCY, 0)],
        7 => &[
            (SINGLE, 0),
            (PAIR, 0),
            (PAIR, 1),
            (PAIR, 2),
            (LOW_FREQUENCY, 0),
        ],
        _ => return Vec::new(),
    };
    let (mut bytes, mut bits) = (Vec::new(), 0_usize);
    let mut put = |value: u32, count: usize| {
        for n in (0..count).rev() {
            if bits.is_multiple_of(8) {
                bytes.push(0);
            }
            if let Some(last) = bytes.last_mut() {
                *last |= ((value >> n & 1) as u8) << (7 - bits % 8);
            }
            bits += 1;
        }
    };
    for (element, tag) in elements {
        put(*element, 3);
        put(*tag, 4);
        // Gain, a long window without bands, no tools; of a pair that shares the window, twice without it.
        if *element == PAIR {
            put(1, 1);
            put(0, 13);
            put(0, 11 + 11);
        } else {
            put(0, 8 + 11 + 3);
        }
    }
    put(7, 3);
    bytes
}
