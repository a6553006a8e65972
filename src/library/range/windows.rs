//! Which bytes of a remote file are held: windows that follow those who read on, and small ones where a
//! demuxer looks something up. Bounded whatever is read.
//!
//! A file is read at several places in turn: pictures and sound, and the tables that say where they lie,
//! often at the file's end. Each place has a window of its own, so that none is fetched twice.

use std::ops::Range;

/// What is fetched where nothing was read before: a table, a header, or the begin of more.
const FIRST_BYTES: usize = 64 << 10;
/// What is fetched at once when no more than this is left: the tables of many files lie there.
const TAIL_BYTES: usize = 512 << 10;
/// What is fetched at most for who reads on and on; half of it for each of two.
const LARGEST_BYTES: usize = 1 << 20;
/// What stays at least of a window that moves on: sound may lie a little before the pictures read last.
const KEPT_BYTES: usize = 64 << 10;
/// Who skips no more than this reads on.
const SKIP_BYTES: u64 = 64 << 10;
/// A window fetched again within so many fetches is read on at pace.
const AT_PACE: u64 = 8;
/// Windows at once.
const WINDOWS: usize = 16;
/// Bytes that all of them hold.
const TOTAL_BYTES: usize = 3 << 20;

#[derive(Default)]
pub(super) struct Windows {
    all: Vec<Window>,
    fetches: u64,
    uses: u64,
}

/// Bytes of the file that lie together.
pub(super) struct Window {
    start: u64,
    /// To be appended to by whoever fetches.
    pub(super) bytes: Vec<u8>,
    /// What the last fetch took in.
    fetch_bytes: usize,
    /// Which fetch that was.
    fetched: u64,
    used: u64,
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Windows {
    /// Copies what is held from `at` on; 0 when nothing is.
    pub(super) fn copy(&mut self, at: u64, out: &mut [u8]) -> usize {
        self.uses += 1;
        let mut copied = 0;
        while copied < out.len() {
            let from = at.saturating_add(copied as u64);
            let held = self
                .all
                .iter_mut()
                .find(|w| (w.start..w.end()).contains(&from));
            let Some(window) = held else { break };
            window.used = self.uses;
            let inside = (from - window.start) as usize;
            let bytes = window.bytes.get(inside..).unwrap_or_default();
            let count = bytes.len().min(out.len() - copied);
            if let (Some(to), Some(bytes)) =
                (out.get_mut(copied..copied + count), bytes.get(..count))
            {
                to.copy_from_slice(bytes);
            }
            copied += count;
        }
        copied
    }

    /// What is to be fetched for a read of `wanted` bytes at `at`, which is not held, of a file of
    /// `size_bytes`, and the window that it has to be appended to: see [`Windows::hold`].
    pub(super) fn prepare(
        &mut self,
        at: u64,
        wanted: usize,
        size_bytes: u64,
    ) -> (Range<u64>, Window) {
        self.fetches += 1;
        self.uses += 1;
        let mut window = self.taken(at);
        let left = size_bytes.saturating_sub(at);
        let is_tail = at > size_bytes / 2 && left <= TAIL_BYTES as u64;
        let least = if is_tail {
            TAIL_BYTES
        } else {
            wanted.min(LARGEST_BYTES)
        };
        let bytes = window.fetch_bytes.max(least);
        (window.fetched, window.used) = (self.fetches, self.uses);
        self.evict(window.bytes.capacity().max(window.bytes.len() + bytes));
        // What another window holds is not fetched again.
        let behind = self.all.iter().map(|w| w.start).filter(|&start| start > at);
        let end = at.saturating_add(bytes as u64);
        let end = behind.fold(end, u64::min).min(size_bytes);
        window.bytes.reserve_exact(end.saturating_sub(at) as usize);
        (at..end, window)
    }

    /// Takes back a window with what could be fetched.
    pub(super) fn hold(&mut self, window: Window) {
        if !window.bytes.is_empty() {
            self.all.push(window);
        }
    }

    /// Where whoever reads on at pace has come to `at`, his window, moved on there; else a new one. A window that
    /// is read slowly stays: of tables that lie side by side each is read at its own place.
    fn taken(&mut self, at: u64) -> Window {
        let follows = |w: &Window| {
            let skipped = at.checked_sub(w.end())?;
            let skips = skipped == 0 || (w.fetch_bytes > FIRST_BYTES && skipped <= SKIP_BYTES);
            (skips && self.fetches - w.fetched <= AT_PACE).then_some(skipped)
        };
        let nearest = (0..self.all.len())
            .filter_map(|n| Some((follows(self.all.get(n)?)?, n)))
            .min();
        let Some((skipped, n)) = nearest else {
            return Window {
                start: at,
                bytes: Vec::new(),
                fetch_bytes: FIRST_BYTES,
                fetched: 0,
                used: 0,
            };
        };
        let mut window = self.all.swap_remove(n);
        let is_other =
            |w: &Window| w.fetch_bytes > FIRST_BYTES && self.fetches - w.fetched <= AT_PACE;
        let alone = !self.all.iter().any(is_other);
        let largest = if alone {
            LARGEST_BYTES
        } else {
            LARGEST_BYTES / 2
        };
        window.fetch_bytes = (window.fetch_bytes * 2).min(largest);
        let kept = match skipped {
            // Whoever looks around at the beginning goes back there, so what there is room for stays.
            0 if alone => KEPT_BYTES + largest - window.fetch_bytes,
            0 => KEPT_BYTES,
            _ => 0,
        };
        let passed = window.bytes.len().saturating_sub(kept);
        window.bytes.drain(..passed);
        window
            .bytes
            .shrink_to(window.bytes.len() + window.fetch_bytes);
        window.start = at - window.bytes.len() as u64;
        window
    }

    /// Gives up what was not used for longest until there is room for `bytes` more.
    fn evict(&mut self, bytes: usize) {
        let held = |all: &[Window]| -> usize { all.iter().map(|w| w.bytes.capacity()).sum() };
        while self.all.len() >= WINDOWS || held(&self.all) + bytes > TOTAL_BYTES {
            let oldest = (0..self.all.len()).min_by_key(|&n| self.all.get(n).map(|w| w.used));
            let Some(oldest) = oldest else { break };
            self.all.swap_remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is read through windows, and every range that was fetched.
    struct File {
        windows: Windows,
        data: Vec<u8>,
        fetched: Vec<Range<u64>>,
    }

    impl File {
        fn new(bytes: usize) -> Self {
            Self {
                windows: Windows::default(),
                data: (0..bytes).map(|n| (n * 7 + n / 251) as u8).collect(),
                fetched: Vec::new(),
            }
        }

        #[track_caller]
        fn read(&mut self, at: usize, bytes: usize) {
            let mut out = vec![0; bytes];
            let mut filled = 0;
            loop {
                filled += self.windows.copy((at + filled) as u64, &mut out[filled..]);
                if filled == bytes {
                    break;
                }
                let size = self.data.len() as u64;
                let (range, mut window) =
                    self.windows
                        .prepare((at + filled) as u64, bytes - filled, size);
                assert!(range.start < range.end && range.end <= size);
                let data = &self.data[range.start as usize..range.end as usize];
                window.bytes.extend_from_slice(data);
                self.windows.hold(window);
                self.fetched.push(range);
                let held: usize = self.windows.all.iter().map(|w| w.bytes.capacity()).sum();
                assert!(held <= TOTAL_BYTES, "{held} bytes held");
            }
            assert!(out == self.data[at..at + bytes], "{at} {bytes}");
        }

        fn fetched_bytes(&self) -> u64 {
            self.fetched.iter().map(|r| r.end - r.start).sum()
        }
    }

    #[test]
    fn reading_on_takes_few_growing_fetches_and_no_byte_twice() {
        let mut file = File::new(20 << 20);
        for at in (0..20 << 20).step_by(8_192) {
            file.read(at, 8_192);
        }
        assert_eq!(file.fetched_bytes(), 20 << 20);
        assert!(file.fetched.len() <= 25, "{} fetches", file.fetched.len());
    }

    #[test]
    fn pictures_sound_and_tables_at_the_end_do_not_push_each_other_out() {
        let mut file = File::new(24 << 20);
        // Sound 12 MiB behind the pictures, five tables in the last 2 MiB.
        for n in 0..1_200 {
            file.read(n * 8_000, 8_000);
            file.read((12 << 20) + n * 600, 600);
            if n % 40 == 0 {
                for table in 0..5 {
                    file.read((22 << 20) + table * 400_000 + n / 40 * 4_096, 4_096);
                }
            }
        }
        let read = 1_200 * 8_600 + 5 * 30 * 4_096;
        assert!(
            file.fetched_bytes() < read * 5 / 4,
            "{} bytes for {read}",
            file.fetched_bytes()
        );
        assert!(file.fetched.len() < 50, "{} fetches", file.fetched.len());
    }

    #[test]
    fn what_lies_a_little_before_is_still_there() {
        let mut file = File::new(8 << 20);
        for n in 0..700 {
            file.read(n * 10_000 + 20_000, 10_000);
            file.read(n * 10_000, 500);
        }
        assert!(file.fetched_bytes() < 7_100_000 * 21 / 20);
    }

    #[test]
    fn reads_of_any_size_at_any_place_come_out_whole_within_the_bound() {
        let mut file = File::new(6 << 20);
        for n in 0..600usize {
            let at = n * 7_919_993 % (6 << 20);
            let bytes = (n * 104_729 % 3_000_000).min((6 << 20) - at);
            file.read(at, bytes);
        }
    }
}
