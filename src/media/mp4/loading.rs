//! What the probe reads of a file: the movie header in one piece where it is small, else in few large ones.

use std::sync::{Arc, Mutex, PoisonError};

use super::boxes::{BoxAt, BoxReader};
use super::opening::find_moov;
use crate::error::Result;
use crate::media::read_at::{ReadAt, Source};

/// A movie header up to this size (half an hour's) is loaded at once.
const MOOV_BYTES_MAX: u64 = 1 << 20;
/// What may follow it to be loaded with it: the end of the file in one read.
const TAIL_BYTES: u64 = 64 << 10;

/// Pieces of a larger header that are held. The tables of the pictures are walked four times; those of two and a
/// half hours (3 MB) are held meanwhile and so read once.
const PIECES: usize = 12;
/// What is read where a table begins, and what at most while it goes on.
const PIECE_BYTES_MIN: usize = 64 << 10;
const PIECE_BYTES_MAX: usize = 256 << 10;

/// Finds the movie header and gives the source a memory for it.
pub(super) fn load(source: Source) -> Result<(Source, BoxAt)> {
    let mut reader = BoxReader::new(source.clone());
    reader.takes_rest_below(MOOV_BYTES_MAX + TAIL_BYTES);
    let moov = find_moov(&mut reader)?;
    let (start, bytes) = reader.into_buffer();
    let is_whole = moov.end <= start + bytes.len() as u64;
    let loaded = if start <= moov.body && is_whole {
        Loaded {
            inner: source,
            start,
            bytes,
        }
    } else if moov.body_bytes() <= MOOV_BYTES_MAX {
        // With a little more, so that looking at its last boxes stays within.
        let end = (moov.end + 4096).min(source.size_bytes());
        let mut bytes = vec![0; end.saturating_sub(moov.body) as usize];
        let read = source.read_at(moov.body, &mut bytes)?;
        bytes.truncate(read);
        Loaded {
            inner: source,
            start: moov.body,
            bytes,
        }
    } else {
        let pieced = Pieced {
            inner: source,
            start: moov.body,
            end: moov.end,
            pieces: Mutex::default(),
        };
        return Ok((Arc::new(pieced), moov));
    };
    Ok((Arc::new(loaded), moov))
}

/// A source of which one part is in memory.
struct Loaded {
    inner: Source,
    start: u64,
    bytes: Vec<u8>,
}

impl ReadAt for Loaded {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let end = self.start + self.bytes.len() as u64;
        let wanted = offset
            .saturating_add(buf.len() as u64)
            .min(self.size_bytes());
        if offset < self.start || offset >= end || wanted > end {
            return self.inner.read_at(offset, buf);
        }
        Ok(copy(&self.bytes, (offset - self.start) as usize, buf))
    }

    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

/// Copies what `bytes` holds from `from` on.
fn copy(bytes: &[u8], from: usize, buf: &mut [u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let count = rest.len().min(buf.len());
    if let (Some(to), Some(from)) = (buf.get_mut(..count), rest.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

/// A source with a part that is read in pieces, which grow while reads follow on each other. Tables are asked for
/// in windows of 4 KB: this makes a sixtieth of the reads.
struct Pieced {
    inner: Source,
    start: u64,
    end: u64,
    /// The latest used one last.
    pieces: Mutex<Vec<Piece>>,
}

struct Piece {
    start: u64,
    bytes: Vec<u8>,
    /// What was asked for, also where the part ends before.
    asked: usize,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Pieced {
    /// The piece that begins at `offset`.
    fn read_piece(&self, pieces: &mut Vec<Piece>, offset: u64) -> Result<()> {
        let before = pieces.iter().find(|p| p.end() == offset);
        let asked = before.map_or(PIECE_BYTES_MIN, |p| (p.asked * 2).min(PIECE_BYTES_MAX));
        let next = pieces.iter().map(|p| p.start).filter(|s| *s > offset);
        let end = next.min().unwrap_or(self.end).min(self.end);
        let mut bytes = if pieces.len() < PIECES {
            Vec::new()
        } else {
            pieces.remove(0).bytes
        };
        bytes.resize((asked as u64).min(end - offset) as usize, 0);
        let read = self.inner.read_at(offset, &mut bytes)?;
        bytes.truncate(read);
        pieces.push(Piece {
            start: offset,
            bytes,
            asked,
        });
        Ok(())
    }
}

impl ReadAt for Pieced {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled = 0;
        loop {
            let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) else {
                return Ok(filled);
            };
            let at = offset.saturating_add(filled as u64);
            if at < self.start || at >= self.end {
                return Ok(filled + self.inner.read_at(at, rest)?);
            }
            let held = pieces.iter().position(|p| p.start <= at && at < p.end());
            match held {
                Some(n) => {
                    let piece = pieces.remove(n);
                    filled += copy(&piece.bytes, (at - piece.start) as usize, rest);
                    pieces.push(piece);
                }
                None => {
                    self.read_piece(&mut pieces, at)?;
                    if pieces.last().is_none_or(|p| p.bytes.is_empty()) {
                        return Ok(filled);
                    }
                }
            }
        }
    }

    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}
