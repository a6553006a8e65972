//! EBML elements over a window of the source (RFC 8794 §4 to §7). Nothing is ever loaded whole: one
//! buffer of at most 256 KiB follows the place being read, and while places are jumped to (opening,
//! probing, seeking) the last few are kept as well, so that going back to the Cues costs no read.

use crate::error::Result;
use crate::media::read_at::Source;

/// The window's capacity.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;

/// What [`Window::peek`] shows at most in one piece.
pub(super) const PEEK_BYTES: usize = 64 * 1024;

/// How far behind the place being read bytes are kept, for frames that wait for the other stream.
const KEPT_BYTES: u64 = 128 * 1024;

/// How much a read takes in when the place was jumped to. Reads grow from here as long as each place lies
/// shortly behind the one before.
const JUMP_BYTES: usize = 8 * 1024;

/// How much a read takes in at most in a stream: more saves no time that can be measured, and the memory is that of
/// every channel that plays such a file.
const STREAM_BYTES: usize = 64 * 1024;

/// Windows left behind that are kept while places are jumped to.
const LEFT_MAX: usize = 3;

/// Elements looked at within one parent; a header never has so many.
const CHILDREN_MAX: usize = 65_536;

/// One buffer that moves over the source.
pub(super) struct Window {
    source: Source,
    bytes: Vec<u8>,
    /// Place in the source of the first byte of `bytes`.
    start: u64,
    /// Where the window stood before, the last one at the end. Empty in a stream.
    left: Vec<(u64, Vec<u8>)>,
    /// Bytes from here on may be asked for again.
    keep_from: u64,
    read_bytes: usize,
    streaming: bool,
}

impl Window {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            bytes: Vec::new(),
            start: 0,
            left: Vec::new(),
            keep_from: 0,
            read_bytes: JUMP_BYTES,
            streaming: false,
        }
    }

    /// Length of the source.
    pub(super) fn size(&self) -> u64 {
        self.source.size_bytes()
    }

    /// Name of the source.
    pub(super) fn name(&self) -> &str {
        self.source.name()
    }

    /// In a stream everything is going to be read once. Otherwise places are jumped to, some of them again.
    pub(super) fn set_streaming(&mut self, streaming: bool) {
        if self.streaming != streaming {
            self.streaming = streaming;
            self.read_bytes = JUMP_BYTES;
            self.left = Vec::new();
        }
    }

    /// Bytes from `at` on will be asked for again.
    pub(super) fn keep_from(&mut self, at: u64) {
        self.keep_from = at;
    }

    /// Takes in `len` bytes (at most the window's capacity) from `at` on with one read, unless they are held.
    pub(super) fn load(&mut self, at: u64, len: usize) -> Result<()> {
        let left = usize::try_from(self.size().saturating_sub(at)).unwrap_or(usize::MAX);
        let len = len.min(left).min(WINDOW_BYTES);
        if len > 0 && !self.turn_to(at, len) {
            self.refill(at, len)?;
        }
        Ok(())
    }

    /// At most `len` (and [`PEEK_BYTES`]) bytes from `at` on; fewer mean the end of the source.
    pub(super) fn peek(&mut self, at: u64, len: usize) -> Result<&[u8]> {
        let left = usize::try_from(self.size().saturating_sub(at)).unwrap_or(usize::MAX);
        let len = len.min(PEEK_BYTES).min(left);
        if len > 0 && !self.turn_to(at, len) {
            self.refill(at, len)?;
        }
        let from = at.checked_sub(self.start).map(usize::try_from);
        let rest = match from {
            Some(Ok(from)) => self.bytes.get(from..).unwrap_or_default(),
            _ => &[],
        };
        Ok(rest.get(..len).unwrap_or(rest))
    }

    /// Appends the `len` bytes at `at` to `out`, past the window where it does not hold them; `false` when
    /// the source ends before. The caller caps `len`.
    pub(super) fn copy(&mut self, at: u64, len: usize, out: &mut Vec<u8>) -> Result<bool> {
        self.turn_to(at, len);
        if let Some(held) = self.held(at, len) {
            out.extend_from_slice(held);
            return Ok(true);
        }
        if at.saturating_add(len as u64) > self.size() {
            return Ok(false);
        }
        let behind = usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let head = match self.bytes.get(behind..) {
            Some(head) if at >= self.start => head,
            _ => &[],
        };
        let have = head.len().min(len);
        out.extend_from_slice(&head[..have]);
        let from = out.len();
        out.reserve_exact(len - have);
        out.resize(from + len - have, 0);
        let read = self
            .source
            .read_at(at.saturating_add(have as u64), &mut out[from..])?;
        Ok(read == len - have)
    }

    fn held(&self, at: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }

    /// Whether the bytes are held, if need be by a window left behind, which then is the current one again.
    fn turn_to(&mut self, at: u64, len: usize) -> bool {
        if self.held(at, len).is_some() {
            return true;
        }
        let holds = |(start, bytes): &(u64, Vec<u8>)| {
            let end = start.saturating_add(bytes.len() as u64);
            *start <= at && at.saturating_add(len as u64) <= end
        };
        let Some(place) = self.left.iter().position(holds) else {
            return false;
        };
        let (start, bytes) = self.left.remove(place);
        self.leave();
        (self.start, self.bytes) = (start, bytes);
        true
    }

    /// Puts the current window with those left behind.
    fn leave(&mut self) {
        if !self.bytes.is_empty() {
            if self.left.len() >= LEFT_MAX {
                self.left.remove(0);
            }
            self.left
                .push((self.start, std::mem::take(&mut self.bytes)));
        }
    }

    fn refill(&mut self, at: u64, len: usize) -> Result<()> {
        let end = self.start + self.bytes.len() as u64;
        let (overlaps, runs_on) = (
            (self.start..end).contains(&at),
            at >= self.start && at.saturating_sub(end) < 4 * self.read_bytes as u64,
        );
        let keep = if (self.start..end).contains(&self.keep_from)
            && self.keep_from <= at
            && at - self.keep_from <= KEPT_BYTES
        {
            self.keep_from
        } else {
            at
        };
        if (self.start..end).contains(&keep) {
            self.bytes.drain(..(keep - self.start) as usize);
        } else {
            if !self.streaming && !runs_on {
                self.leave();
            }
            self.bytes.clear();
        }
        self.start = keep;
        // A stream grows its reads whatever is passed over; jumps begin with small ones.
        self.read_bytes = if self.streaming || overlaps || runs_on {
            self.read_bytes
        } else {
            JUMP_BYTES
        };
        // Bounded: at most KEPT_BYTES behind `at`, WINDOW_BYTES in all.
        let ahead = (at - keep) as usize;
        let have = self.bytes.len();
        let wanted = (ahead + len).max(have + self.read_bytes).min(WINDOW_BYTES);
        self.read_bytes = (self.read_bytes * 2).min(match self.streaming {
            true => STREAM_BYTES,
            false => WINDOW_BYTES,
        });
        if self.streaming && self.bytes.capacity() > 2 * wanted {
            // What opening and seeking took.
            self.bytes.shrink_to(wanted);
        }
        if wanted > have {
            self.bytes.reserve_exact(wanted - have);
            self.bytes.resize(wanted, 0);
            let read = self
                .source
                .read_at(self.start + have as u64, &mut self.bytes[have..]);
            self.bytes
                .truncate(have + read.as_ref().copied().unwrap_or(0));
            read?;
        }
        Ok(())
    }
}

/// The header of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// ID with its marker bits.
    pub(super) id: u32,
    /// Where its header begins.
    pub(super) at: u64,
    /// Where its content begins.
    pub(super) data: u64,
    /// Bytes of content; `None` when unknown (live recordings).
    pub(super) size: Option<u64>,
}

impl Element {
    /// Reads the header at `at`; `None` where no element can begin.
    pub(super) fn read(window: &mut Window, at: u64) -> Result<Option<Self>> {
        let bytes = window.peek(at, 12)?;
        Ok(Self::parse(bytes, at))
    }

    /// The same from the bytes that stand at `at`.
    pub(super) fn parse(bytes: &[u8], at: u64) -> Option<Self> {
        let id_bytes = bytes.first()?.leading_zeros() as usize + 1;
        if id_bytes > 4 {
            return None;
        }
        let (id, rest) = bytes.split_at_checked(id_bytes)?;
        let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let (size, size_bytes) = vint(rest)?;
        Some(Self {
            id,
            at,
            data: at + (id_bytes + size_bytes) as u64,
            size,
        })
    }

    /// Where it ends: with its content, or with `limit` when that comes first or the size is unknown.
    pub(super) fn end(&self, limit: u64) -> u64 {
        match self.size {
            Some(size) => self.data.saturating_add(size).min(limit),
            None => limit,
        }
    }

    /// Whether all of it lies in front of `limit`. Unknown sizes do.
    pub(super) fn fits(&self, limit: u64) -> bool {
        self.data <= limit && self.size.is_none_or(|size| size <= limit - self.data)
    }

    /// An unsigned integer (RFC 8794 §7.2); `None` when it has no such size.
    pub(super) fn uint(&self, window: &mut Window) -> Result<Option<u64>> {
        let Some(size @ 0..=8) = self.size else {
            return Ok(None);
        };
        let bytes = window.peek(self.data, size as usize)?;
        if bytes.len() < size as usize {
            return Ok(None);
        }
        Ok(Some(bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))))
    }

    /// A signed integer (RFC 8794 §7.1); `None` when it has no such size.
    pub(super) fn int(&self, window: &mut Window) -> Result<Option<i64>> {
        let unused = 64 - 8 * self.size.unwrap_or(0).min(8) as u32;
        let raw = self.uint(window)?;
        Ok(raw.map(|raw| {
            raw.checked_shl(unused)
                .map_or(0, |raw| raw as i64 >> unused)
        }))
    }

    /// A floating-point number (RFC 8794 §7.3).
    pub(super) fn float(&self, window: &mut Window) -> Result<Option<f64>> {
        let bytes = window.peek(self.data, 8)?;
        Ok(match self.size {
            Some(0) => Some(0.0),
            Some(4) => bytes
                .first_chunk()
                .map(|b| f64::from(f32::from_be_bytes(*b))),
            Some(8) => bytes.first_chunk().map(|b| f64::from_be_bytes(*b)),
            _ => None,
        })
    }

    /// A string (RFC 8794 §7.4) without the zero bytes behind it, cut at `max` bytes.
    pub(super) fn text(&self, window: &mut Window, max: usize) -> Result<String> {
        let bytes = self.binary(window, max)?;
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    /// The content, cut at `max` bytes.
    pub(super) fn binary(&self, window: &mut Window, max: usize) -> Result<Vec<u8>> {
        let size = self.size.map_or(0, |s| usize::try_from(s).unwrap_or(max));
        let left = window.size().saturating_sub(self.data);
        let len = size.min(max).min(usize::try_from(left).unwrap_or(max));
        let mut out = Vec::with_capacity(len);
        window.copy(self.data, len, &mut out)?;
        Ok(out)
    }

    /// Calls `each` for every element inside this one, as far as they are sound.
    pub(super) fn children(
        &self,
        window: &mut Window,
        mut each: impl FnMut(&mut Window, &Element) -> Result<()>,
    ) -> Result<()> {
        let end = self.end(window.size());
        let mut at = self.data;
        for _ in 0..CHILDREN_MAX {
            if at >= end {
                break;
            }
            let Some(child) = Element::read(window, at)? else {
                break;
            };
            if child.size.is_none() || !child.fits(end) {
                break;
            }
            each(window, &child)?;
            at = child.end(end);
        }
        Ok(())
    }
}

/// A variable-size integer (RFC 8794 §4): its value, `None` when all bits are ones, and how many bytes it takes.
pub(super) fn vint(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let len = bytes.first()?.leading_zeros() as usize + 1;
    if len > 8 {
        return None;
    }
    let raw = bytes
        .get(..len)?
        .iter()
        .fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let mask = (1_u64 << (7 * len)) - 1;
    let value = raw & mask;
    Some(((value != mask).then_some(value), len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::BytesSource;
    use std::sync::Arc;

    fn window(bytes: Vec<u8>) -> Window {
        Window::new(Arc::new(BytesSource::new("test.mkv", bytes)))
    }

    #[test]
    fn variable_size_integers_read_as_the_standard_writes_them() {
        let check = |bytes: &[u8], expected| assert_eq!(vint(bytes), expected, "{bytes:02x?}");
        check(&[0x82], Some((Some(2), 1)));
        check(&[0x40, 0x02], Some((Some(2), 2)));
        check(&[0x01, 0, 0, 0, 0, 0, 1, 0], Some((Some(256), 8)));
        check(&[0xff], Some((None, 1)));
        check(&[0x01, 255, 255, 255, 255, 255, 255, 255], Some((None, 8)));
        check(&[0x40], None);
        check(&[0x00; 9], None);
        check(&[], None);
    }

    #[test]
    fn every_place_reads_the_same_whatever_was_read_before() {
        let content: Vec<u8> = (0..700_000_u32).map(|n| ((n * 7) >> 3) as u8).collect();
        let mut window = window(content.clone());
        let mut random = 1_u64;
        for round in 0..3_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = (random >> 33) % 720_000;
            let len = (random >> 20) as usize % 70_000;
            window.set_streaming(round % 3 == 0);
            window.keep_from(at.saturating_sub(random % 200_000));
            let from = (at as usize).min(content.len());
            let to = (from + len.min(PEEK_BYTES)).min(content.len());
            assert_eq!(
                window.peek(at, len).unwrap(),
                &content[from..to],
                "{at}+{len}"
            );
            assert!(
                window.bytes.capacity() <= 2 * WINDOW_BYTES && window.bytes.len() <= WINDOW_BYTES
            );
            let mut out = Vec::new();
            let back = at.saturating_sub(random % 300_000);
            let whole = window.copy(back, len, &mut out).unwrap();
            assert_eq!(whole, back as usize + len <= content.len() || len == 0);
            if whole {
                assert_eq!(out, &content[back as usize..back as usize + len]);
            }
        }
    }

    #[test]
    fn children_end_where_one_of_them_lies_about_its_size() {
        // A parent of 7 bytes with a sound child and one that reaches beyond it.
        let mut window = window(vec![0xAE, 0x87, 0xD7, 0x81, 0x05, 0x83, 0x90, 1, 2, 3]);
        let parent = Element::read(&mut window, 0).unwrap().unwrap();
        let mut seen = Vec::new();
        parent
            .children(&mut window, |window, child| {
                seen.push((child.id, child.uint(window)?));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [(0xD7, Some(5))]);
    }
}
