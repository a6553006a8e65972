//! Reading samples ahead. Files interleave pictures and sound closely, so that one read of many samples
//! saves a system call, and on a share a round trip, for each.

use crate::error::Result;
use crate::media::read_at::Source;
use crate::media::unit::StreamKind;

/// What is read ahead of pictures; sound that lies between them comes with it. Twice as much would save 4 to 8 % of
/// the CPU that demultiplexing takes (10 µs of each second at 5 Mbit/s), and cost each open file its own 32 KB.
const PICTURES_BYTES: usize = 32 << 10;
/// What is read ahead of sound that lies apart.
const SOUND_BYTES: usize = 8 << 10;
/// What is read where the position jumped to: perhaps one sample is all that is wanted there.
const JUMP_BYTES: usize = 8 << 10;

/// Two windows over a source, one that follows the pictures and one that follows the sound.
pub(super) struct ReadAhead {
    source: Source,
    pictures: Window,
    sound: Window,
}

/// Some bytes of a source.
struct Window {
    /// As long as the longest read so far, so that it is set to zero only once.
    bytes: Vec<u8>,
    /// How many of them hold something.
    filled: usize,
    start: u64,
    /// What the next read takes in; grows while reads follow on each other.
    read_bytes: usize,
    largest_bytes: usize,
}

impl Window {
    fn new(largest_bytes: usize) -> Self {
        Self {
            bytes: Vec::new(),
            filled: 0,
            start: 0,
            read_bytes: JUMP_BYTES,
            largest_bytes,
        }
    }

    /// What is held from `offset` on.
    fn held(&self, offset: u64) -> &[u8] {
        let from = offset
            .checked_sub(self.start)
            .and_then(|from| usize::try_from(from).ok());
        let filled = self.bytes.get(..self.filled).unwrap_or_default();
        from.and_then(|from| filled.get(from..)).unwrap_or_default()
    }

    /// Holds what lies at `offset`, at least `wanted` bytes of it.
    fn fill(&mut self, source: &Source, offset: u64, wanted: usize) -> Result<()> {
        let end = self.start + self.filled as u64;
        let follows = offset >= end && offset - end <= self.largest_bytes as u64;
        self.read_bytes = if follows && self.filled > 0 {
            self.read_bytes * 2
        } else {
            JUMP_BYTES
        }
        .max(wanted)
        .min(self.largest_bytes);
        if self.bytes.len() < self.read_bytes {
            self.bytes.resize(self.read_bytes, 0);
        }
        (self.start, self.filled) = (offset, 0);
        let room = self.bytes.get_mut(..self.read_bytes).unwrap_or_default();
        self.filled = source.read_at(offset, room)?;
        Ok(())
    }
}

impl ReadAhead {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            pictures: Window::new(PICTURES_BYTES),
            sound: Window::new(SOUND_BYTES),
        }
    }

    /// Appends the `bytes` bytes at `offset` to `out`; `false` when the source ends before. The caller caps
    /// `bytes`.
    pub(super) fn copy(
        &mut self,
        kind: StreamKind,
        offset: u64,
        bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        out.reserve_exact(bytes);
        let (pictures, sound) = (self.pictures.held(offset), self.sound.held(offset));
        let held = if pictures.len() >= bytes.min(sound.len() + 1) {
            pictures
        } else {
            sound
        };
        let have = held.len().min(bytes);
        out.extend_from_slice(held.get(..have).unwrap_or_default());
        let (offset, bytes) = (offset.saturating_add(have as u64), bytes - have);
        if bytes == 0 {
            return Ok(true);
        }
        let window = match kind {
            StreamKind::Video => &mut self.pictures,
            StreamKind::Audio => &mut self.sound,
        };
        if bytes < window.largest_bytes {
            window.fill(&self.source, offset, bytes)?;
            let held = window.held(offset);
            let have = held.len().min(bytes);
            out.extend_from_slice(held.get(..have).unwrap_or_default());
            if have == bytes {
                return Ok(true);
            }
            return self.read_rest(offset + have as u64, bytes - have, out);
        }
        self.read_rest(offset, bytes, out)
    }

    /// For samples larger than a window.
    fn read_rest(&self, offset: u64, bytes: usize, out: &mut Vec<u8>) -> Result<bool> {
        let from = out.len();
        out.resize(from + bytes, 0);
        let room = out.get_mut(from..).unwrap_or_default();
        Ok(self.source.read_at(offset, room)? == bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::read_at::{BytesSource, ReadAt};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    struct Counted {
        bytes: BytesSource,
        reads: AtomicUsize,
        read_bytes: AtomicUsize,
    }

    impl ReadAt for Counted {
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
            self.reads.fetch_add(1, Relaxed);
            let read = self.bytes.read_at(offset, buf)?;
            self.read_bytes.fetch_add(read, Relaxed);
            Ok(read)
        }
        fn size_bytes(&self) -> u64 {
            self.bytes.size_bytes()
        }
        fn name(&self) -> &str {
            "counted"
        }
    }

    fn counted(len: usize) -> (Arc<Counted>, Vec<u8>) {
        let data: Vec<u8> = (0..len).map(|n| (n * 7 + n / 251) as u8).collect();
        let bytes = BytesSource::new("counted", data.clone());
        (
            Arc::new(Counted {
                bytes,
                reads: 0.into(),
                read_bytes: 0.into(),
            }),
            data,
        )
    }

    #[track_caller]
    fn check(ahead: &mut ReadAhead, data: &[u8], kind: StreamKind, offset: usize, bytes: usize) {
        let mut out = vec![9];
        let whole = ahead.copy(kind, offset as u64, bytes, &mut out).unwrap();
        assert_eq!(whole, offset + bytes <= data.len());
        if whole {
            assert!(
                out[1..] == data[offset..offset + bytes],
                "{kind:?} {offset} {bytes}"
            );
        }
    }

    #[test]
    fn closely_interleaved_samples_are_read_once() {
        let (source, data) = counted(4 << 20);
        let mut ahead = ReadAhead::new(source.clone());
        let mut at = 0;
        for n in 0.. {
            let (kind, bytes) = if n % 2 == 0 {
                (StreamKind::Video, 1 + n * 37 % 40_000)
            } else {
                (StreamKind::Audio, 430)
            };
            if at + bytes > data.len() {
                break;
            }
            check(&mut ahead, &data, kind, at, bytes);
            at += bytes;
        }
        assert!(source.reads.load(Relaxed) < 140, "{:?} reads", source.reads);
        assert!(
            source.read_bytes.load(Relaxed) < data.len() * 11 / 10,
            "{:?} bytes",
            source.read_bytes
        );
    }

    #[test]
    fn streams_that_lie_apart_do_not_push_each_other_out() {
        let (source, data) = counted(4 << 20);
        let mut ahead = ReadAhead::new(source.clone());
        for n in 0..200 {
            check(&mut ahead, &data, StreamKind::Video, n * 10_000, 10_000);
            check(
                &mut ahead,
                &data,
                StreamKind::Audio,
                (3 << 20) + n * 400,
                400,
            );
        }
        assert!(source.reads.load(Relaxed) < 80, "{:?} reads", source.reads);
    }

    #[test]
    fn samples_at_any_place_and_of_any_size_come_out_whole_or_are_refused() {
        let (source, data) = counted(1 << 20);
        let mut ahead = ReadAhead::new(source);
        for n in 0..400usize {
            let kind = if n % 3 == 0 {
                StreamKind::Audio
            } else {
                StreamKind::Video
            };
            check(
                &mut ahead,
                &data,
                kind,
                n * 7_919_993 % (1 << 20),
                n * 104_729 % 300_000,
            );
        }
    }
}
