//! From the file to its copy: reads through a window, writes only what is put, so that the rest stays a hole.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::Kept;
use crate::error::{Error, Result};
use crate::media::read_at::Source;

/// Bytes of the file in memory.
const WINDOW_BYTES: usize = 256 << 10;
/// What a read takes in when the place was jumped to.
const JUMP_BYTES: usize = 8 << 10;
/// Bytes of the copy in memory.
const BLOCK_BYTES: usize = 1 << 20;
/// Blocks of a file system: an empty one is not written.
const PAGE_BYTES: usize = 4096;

/// Reads a source through one buffer.
pub(super) struct Input {
    source: Source,
    start: u64,
    bytes: Vec<u8>,
    ahead: usize,
}

impl Input {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            start: 0,
            bytes: Vec::new(),
            ahead: JUMP_BYTES,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.source.size_bytes()
    }

    /// At most `len` (and 256 KiB) bytes from `at` on; fewer mean the end of the source.
    pub(super) fn get(&mut self, at: u64, len: usize) -> Result<&[u8]> {
        let len = len.min(WINDOW_BYTES);
        let end = self.start + self.bytes.len() as u64;
        let is_held = at >= self.start && at.saturating_add(len as u64) <= end;
        if !is_held && at < self.size() {
            // Reading on: ever more at once.
            let is_near = (self.start..=end).contains(&at);
            self.ahead = match is_near {
                true => (self.ahead * 2).min(WINDOW_BYTES),
                false => JUMP_BYTES,
            };
            self.bytes.resize(len.max(self.ahead), 0);
            let read = self.source.read_at(at, &mut self.bytes);
            self.bytes.truncate(read.as_ref().copied().unwrap_or(0));
            self.start = at;
            read?;
        }
        let from = at.checked_sub(self.start).map(usize::try_from);
        let Some(Ok(from)) = from else {
            return Ok(&[]);
        };
        let rest = self.bytes.get(from..).unwrap_or_default();
        Ok(rest.get(..len).unwrap_or(rest))
    }

    /// Exactly `N` bytes; `None` behind the end.
    pub(super) fn array<const N: usize>(&mut self, at: u64) -> Result<Option<[u8; N]>> {
        Ok(self.get(at, N)?.try_into().ok())
    }
}

/// The copy being made, and the file that it is made of.
pub(super) struct Copy<'a> {
    pub(super) input: Input,
    out: &'a File,
    name: String,
    /// Where the block in memory begins.
    start: u64,
    block: Vec<u8>,
    /// Pages of the block that something was put into.
    dirty: Vec<bool>,
    /// Bytes of samples that may still be looked at: tables that lie name the same ones again and again.
    readable: u64,
    pub(super) kept: Kept,
}

impl<'a> Copy<'a> {
    pub(super) fn new(source: Source, out: &'a File) -> Result<Self> {
        let size_bytes = source.size_bytes();
        let name = source.name().to_owned();
        out.set_len(size_bytes)
            .map_err(|e| Error::io(format!("making room for the skeleton of {name}"), e))?;
        Ok(Self {
            input: Input::new(source),
            out,
            name,
            start: 0,
            block: vec![0; BLOCK_BYTES],
            dirty: vec![false; BLOCK_BYTES / PAGE_BYTES],
            readable: size_bytes.saturating_mul(2),
            kept: Kept {
                size_bytes,
                ..Kept::default()
            },
        })
    }

    /// The file's name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Another reader of the same file, for a table beside what it tells of.
    pub(super) fn other_input(&self) -> Input {
        Input::new(self.input.source.clone())
    }

    /// Whether a sample of `bytes` may be looked at; it counts as looked at then.
    pub(super) fn may_read(&mut self, bytes: u64) -> bool {
        let left = self.readable.checked_sub(bytes.max(1));
        self.readable = left.unwrap_or(self.readable);
        left.is_some()
    }

    /// Keeps what stands in the file from `from` up to `to`.
    pub(super) fn keep(&mut self, from: u64, to: u64) -> Result<()> {
        let mut at = from;
        while at < to {
            let len = usize::try_from(to - at).unwrap_or(WINDOW_BYTES);
            let bytes = self.input.get(at, len)?.to_vec();
            if bytes.is_empty() {
                break;
            }
            self.put(at, &bytes)?;
            at += bytes.len() as u64;
        }
        Ok(())
    }

    /// Puts what stood in the file, or what is to stand there instead.
    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.kept.kept_bytes += bytes.len() as u64;
        self.write(at, bytes)
    }

    /// Puts a byte that did not stand in the file and says that something was emptied.
    pub(super) fn replace(&mut self, at: u64, byte: u8) -> Result<()> {
        self.write(at, &[byte])
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let (mut at, mut bytes) = (at, bytes);
        while !bytes.is_empty() && at < self.kept.size_bytes {
            if at < self.start || at - self.start >= BLOCK_BYTES as u64 {
                self.go_to(at)?;
            }
            let from = (at - self.start) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - from));
            // Zeros are there already.
            if now.iter().any(|byte| *byte != 0)
                && let Some(place) = self.block.get_mut(from..from + now.len())
            {
                place.copy_from_slice(now);
                let pages = from / PAGE_BYTES..=(from + now.len() - 1) / PAGE_BYTES;
                if let Some(dirty) = self.dirty.get_mut(pages) {
                    dirty.fill(true);
                }
            }
            at += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Takes the block that holds `at` into memory, as far as it was written.
    fn go_to(&mut self, at: u64) -> Result<()> {
        self.flush()?;
        self.start = at - at % BLOCK_BYTES as u64;
        self.block.fill(0);
        let mut filled = 0;
        while let Some(room) = self.block.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.out.read_at(room, self.start + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("reading the skeleton back", e)),
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let left = self.kept.size_bytes.saturating_sub(self.start);
        let len = usize::try_from(left)
            .unwrap_or(BLOCK_BYTES)
            .min(BLOCK_BYTES);
        let block = self.block.get(..len).unwrap_or_default();
        let pages = block.chunks(PAGE_BYTES).zip(&mut self.dirty);
        for (n, (page, dirty)) in pages.enumerate() {
            if std::mem::take(dirty) {
                self.out
                    .write_all_at(page, self.start + (n * PAGE_BYTES) as u64)
                    .map_err(|e| Error::io("writing the skeleton", e))?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Kept> {
        self.flush()?;
        Ok(self.kept)
    }
}
