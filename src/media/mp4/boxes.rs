//! A cursor over the boxes of an ISO base media file (ISO 14496-12 §4.2), reading through one small
//! buffer: a box's length only says where to look next, never how much to load.

use crate::bail;
use crate::error::Result;
use crate::media::read_at::Source;

/// Bytes read at once. The head of a file (ftyp, free, the header of mdat) fits in one read.
const BUFFER_BYTES: usize = 4096;

/// Boxes looked at in one container before it counts as damaged.
const BOXES_MAX: usize = 4096;

/// Where a box's content lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BoxAt {
    /// Its four-character code.
    pub(super) kind: [u8; 4],
    /// First byte of the content.
    pub(super) body: u64,
    /// One past the last byte, within the enclosing box.
    pub(super) end: u64,
    /// It says that it reaches further than what encloses it.
    pub(super) is_cut: bool,
}

impl BoxAt {
    /// Length of the content.
    pub(super) fn body_bytes(&self) -> u64 {
        self.end.saturating_sub(self.body)
    }

    /// The code for messages.
    pub(super) fn name(&self) -> String {
        code_name(self.kind)
    }
}

/// A four-character code for messages.
pub(super) fn code_name(code: [u8; 4]) -> String {
    code.escape_ascii().to_string()
}

/// Reads boxes of one source.
pub(super) struct BoxReader {
    source: Source,
    start: u64,
    buffer: Vec<u8>,
    rest_bytes: u64,
}

impl BoxReader {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            start: 0,
            buffer: Vec::new(),
            rest_bytes: 0,
        }
    }

    /// From now on, a jump to where no more than `bytes` of the file are left reads all of them.
    pub(super) fn takes_rest_below(&mut self, bytes: u64) {
        self.rest_bytes = bytes;
    }

    /// What was read last, and from where.
    pub(super) fn into_buffer(self) -> (u64, Vec<u8>) {
        (self.start, self.buffer)
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// At most `count` (not above 4096) bytes from `offset`; fewer at the end of the file.
    pub(super) fn peek(&mut self, offset: u64, count: usize) -> Result<&[u8]> {
        let within = offset >= self.start
            && offset.saturating_add(count as u64) <= self.start + self.buffer.len() as u64;
        if !within {
            let rest = self.source.size_bytes().saturating_sub(offset);
            let length = match offset {
                1.. if rest <= self.rest_bytes => rest as usize,
                _ => BUFFER_BYTES,
            };
            self.buffer.resize(length.max(BUFFER_BYTES), 0);
            let read = self.source.read_at(offset, &mut self.buffer)?;
            self.buffer.truncate(read);
            self.start = offset;
        }
        let from = (offset - self.start) as usize;
        let rest = self.buffer.get(from..).unwrap_or_default();
        Ok(rest.get(..count).unwrap_or(rest))
    }

    /// Exactly `N` bytes from `offset`, which must lie before `end`.
    pub(super) fn array<const N: usize>(&mut self, offset: u64, end: u64) -> Result<[u8; N]> {
        let fits = offset.saturating_add(N as u64) <= end;
        match self.peek(offset, N)?.try_into() {
            Ok(bytes) if fits => Ok(bytes),
            _ => bail!(
                Damaged,
                "{}: a box ends early at byte {offset}",
                self.source.name()
            ),
        }
    }

    /// The content of a box, `cap_bytes` at most.
    pub(super) fn body(&mut self, at: &BoxAt, cap_bytes: usize) -> Result<Vec<u8>> {
        let length = at.body_bytes();
        if length > cap_bytes as u64 {
            bail!(
                Damaged,
                "{}: box {} at byte {} has {length} bytes, more than the {cap_bytes} that it may have",
                self.source.name(),
                at.name(),
                at.body
            );
        }
        let mut bytes = vec![0; length as usize];
        let read = self.source.read_at(at.body, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The box that begins at `offset`; `None` where `end` leaves no room for one.
    pub(super) fn box_at(&mut self, offset: u64, end: u64) -> Result<Option<BoxAt>> {
        if end.saturating_sub(offset) < 8 {
            return Ok(None);
        }
        let head: [u8; 8] = self.array(offset, end)?;
        let [s0, s1, s2, s3, kind @ ..] = head;
        let (header, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
            // To the end of what encloses it; in QuickTime's user data also a terminator.
            0 => (8, end - offset),
            1 => (
                16,
                u64::from_be_bytes(self.array::<8>(offset.saturating_add(8), end)?),
            ),
            size => (8, u64::from(size)),
        };
        if size < header {
            bail!(
                Damaged,
                "{}: box {} at byte {offset} says that it has {size} bytes",
                self.source.name(),
                code_name(kind)
            );
        }
        let says = offset.saturating_add(size);
        Ok(Some(BoxAt {
            kind,
            body: offset + header,
            end: says.min(end),
            is_cut: says > end,
        }))
    }

    /// The boxes directly inside of `from..end`, in order.
    pub(super) fn children(&mut self, from: u64, end: u64) -> Result<Vec<BoxAt>> {
        let mut boxes = Vec::new();
        let mut at = from;
        while let Some(found) = self.box_at(at, end)? {
            at = found.end;
            boxes.push(found);
            if boxes.len() > BOXES_MAX {
                bail!(
                    Damaged,
                    "{}: more than {BOXES_MAX} boxes from byte {from} on",
                    self.source.name()
                );
            }
        }
        Ok(boxes)
    }
}

/// The boxes inside of bytes already loaded: sample descriptions and their like.
pub(super) fn boxes_in(mut data: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (head, _) = data.split_first_chunk::<8>()?;
        let [s0, s1, s2, s3, kind @ ..] = *head;
        let size = u32::from_be_bytes([s0, s1, s2, s3]) as usize;
        if size < 8 {
            return None;
        }
        let (this, rest) = data.split_at(size.min(data.len()));
        data = rest;
        Some((kind, this.get(8..)?))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::media::read_at::BytesSource;

    fn reader(bytes: &[u8]) -> (BoxReader, u64) {
        let source = Arc::new(BytesSource::new("test", bytes.to_vec()));
        (BoxReader::new(source), bytes.len() as u64)
    }

    #[test]
    fn boxes_are_found_with_short_long_and_open_lengths() {
        let mut bytes = b"\0\0\0\x0cftypisom".to_vec();
        bytes.extend(b"\0\0\0\x01free\0\0\0\0\0\0\0\x12ab");
        bytes.extend(b"\0\0\0\0mdatxyz");
        let (mut reader, end) = reader(&bytes);
        let found = reader.children(0, end).unwrap();
        let facts: Vec<_> = found
            .iter()
            .map(|b| (b.kind, b.body, b.end, b.is_cut))
            .collect();
        assert_eq!(
            facts,
            [
                (*b"ftyp", 8, 12, false),
                (*b"free", 28, 30, false),
                (*b"mdat", 38, 41, false)
            ]
        );
    }

    #[test]
    fn a_length_beyond_the_parent_is_cut_and_one_below_the_header_is_an_error() {
        let (mut over, end) = reader(b"\0\0\x01\0moov\0\0\0\0");
        let found = over.box_at(0, end).unwrap().unwrap();
        assert_eq!((found.end, found.is_cut), (12, true));
        let (mut under, end) = reader(b"\0\0\0\x07moov\0\0\0\0");
        let error = under.box_at(0, end).unwrap_err();
        assert!(error.message().contains("moov at byte 0"), "{error}");
        let (mut huge, end) = reader(b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff");
        assert_eq!(huge.box_at(0, end).unwrap().map(|b| b.end), Some(16));
    }
}
