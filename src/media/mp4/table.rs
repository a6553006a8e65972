//! Sample tables (ISO 14496-12 §8.6, §8.7) read through small windows: memory does not grow with the
//! length of a film, and a table is never believed to be longer than its box.

use crate::error::Result;
use crate::media::read_at::Source;

/// Composition offsets beyond this are nonsense (libavformat's bound).
pub(super) const ABSURD_COMPOSITION: u32 = 1 << 28;

/// Bytes of a table held at once.
const WINDOW_BYTES: usize = 4096;

/// Where a table lies. `count` is never more than its box has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) offset: u64,
    pub(super) count: u32,
}

/// A window over a table with entries of `N` bytes.
pub(super) struct Window<const N: usize> {
    pub(super) table: Table,
    first: u32,
    bytes: Vec<u8>,
}

impl<const N: usize> Window<N> {
    const ENTRIES: u32 = (WINDOW_BYTES / N) as u32;

    pub(super) fn new(table: Table) -> Self {
        Self {
            table,
            first: 0,
            bytes: Vec::new(),
        }
    }

    /// Entry `index`; `None` behind the last one, also where the file ends before the table does.
    pub(super) fn get(&mut self, source: &Source, index: u32) -> Result<Option<[u8; N]>> {
        Ok(self.run_from(source, index)?.first().copied())
    }

    /// The entries from `index` on that lie in one window; none behind the last one.
    pub(super) fn run_from(&mut self, source: &Source, index: u32) -> Result<&[[u8; N]]> {
        if index >= self.table.count {
            return Ok(&[]);
        }
        let loaded = (self.bytes.len() / N) as u32;
        if index < self.first || index - self.first >= loaded {
            self.load(source, index)?;
        }
        let at = (index - self.first) as usize * N;
        Ok(self.bytes.get(at..).unwrap_or_default().as_chunks().0)
    }

    fn load(&mut self, source: &Source, index: u32) -> Result<()> {
        self.first = index - index % Self::ENTRIES;
        let entries = Self::ENTRIES.min(self.table.count - self.first);
        self.bytes.resize(entries as usize * N, 0);
        let before = u64::from(self.first) * N as u64;
        let offset = self.table.offset.saturating_add(before);
        let read = source.read_at(offset, &mut self.bytes);
        // After a failure nothing must look as if it had been read.
        self.bytes.truncate(*read.as_ref().unwrap_or(&0));
        read.map(|_| ())
    }
}

pub(super) fn be32(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes)
}

pub(super) fn pair(entry: [u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = entry;
    (be32([a, b, c, d]), be32([e, f, g, h]))
}

/// A run-length table of (samples, value): stts and ctts.
pub(super) struct Runs {
    window: Window<8>,
    pub(super) next: u32,
    pub(super) left: u32,
    pub(super) value: u32,
}

impl Runs {
    pub(super) fn new(table: Table) -> Self {
        Self {
            window: Window::new(table),
            next: 0,
            left: 0,
            value: 0,
        }
    }

    pub(super) fn rewind(&mut self) {
        (self.next, self.left, self.value) = (0, 0, 0);
    }

    /// Loads the next run that has samples; `false` when there is none. `value` then keeps the last one.
    pub(super) fn fill(&mut self, source: &Source) -> Result<bool> {
        while self.left == 0 {
            let Some(entry) = self.window.get(source, self.next)? else {
                return Ok(false);
            };
            (self.left, self.value) = pair(entry);
            self.next += 1;
        }
        Ok(true)
    }

    /// Steps over `samples` samples and tells `passed` of each run (samples, value) on the way. Returns how many
    /// the table does not have.
    pub(super) fn skip(
        &mut self,
        source: &Source,
        samples: u32,
        mut passed: impl FnMut(u32, u32),
    ) -> Result<u32> {
        let mut left = samples;
        loop {
            let step = left.min(self.left);
            if step > 0 {
                passed(step, self.value);
            }
            self.left -= step;
            left -= step;
            if left == 0 {
                return Ok(0);
            }
            let entries = self.window.run_from(source, self.next)?;
            if entries.is_empty() {
                return Ok(left);
            }
            // Whole runs within the window: this loop sees every entry of a film's table.
            for entry in entries {
                let (count, value) = pair(*entry);
                self.next += 1;
                self.value = value;
                if count > left {
                    self.left = count;
                    break;
                }
                passed(count, value);
                left -= count;
            }
        }
    }
}

/// How large each sample is: stsz and stz2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sizes {
    /// All alike.
    Fixed { bytes: u32, count: u32 },
    /// 32 bits each.
    Each(Table),
    /// stz2 with 16, 8 or 4 bits each.
    Compact { table: Table, bits: u8 },
}

impl Sizes {
    pub(super) fn count(&self) -> u32 {
        match self {
            Sizes::Fixed { count, .. } => *count,
            Sizes::Each(table) | Sizes::Compact { table, .. } => table.count,
        }
    }
}

/// Where the chunks begin: stco and co64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    Short(Table),
    Long(Table),
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes::Each(Table::default())
    }
}

impl Default for Chunks {
    fn default() -> Self {
        Chunks::Short(Table::default())
    }
}

/// The tables of one track; by default there are no samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) durations: Table,
    /// Composition offsets; always read as signed, since version 0 tables with negative values exist.
    pub(super) compositions: Option<Table>,
    pub(super) chunk_runs: Table,
    pub(super) sizes: Sizes,
    pub(super) chunks: Chunks,
    /// Sync samples; `None` means that every sample is one.
    pub(super) syncs: Option<Table>,
}

/// Negative durations exist in damaged files; like libavformat we take them as one unit.
pub(super) fn sane_duration(value: u32) -> u32 {
    if value > i32::MAX as u32 { 1 } else { value }
}

/// How far the composition offsets reach below zero, as libavformat counts it: over all entries but
/// the last two, which some writers leave wrong. `None` for a table with absurd offsets, which is to be ignored.
pub(super) fn negative_shift(source: &Source, table: Table) -> Result<Option<i32>> {
    let mut shift = 0;
    let mut bytes = vec![0; 64 * 1024];
    let mut done = 0u32;
    while done < table.count {
        let entries = (bytes.len() / 8).min((table.count - done) as usize);
        let wanted = bytes.get_mut(..entries * 8).unwrap_or_default();
        let read = source.read_at(table.offset.saturating_add(u64::from(done) * 8), wanted)?;
        for entry in wanted.get(..read).unwrap_or_default().as_chunks::<8>().0 {
            let (count, offset) = pair(*entry);
            let offset = offset as i32;
            if count > 0 && offset.unsigned_abs() > ABSURD_COMPOSITION {
                return Ok(None);
            }
            if done + 2 < table.count {
                shift = shift.max(offset.saturating_neg());
            }
            done += 1;
        }
        if read < entries * 8 {
            break;
        }
    }
    Ok(Some(shift))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::media::read_at::BytesSource;

    #[test]
    fn the_reach_below_zero_leaves_out_the_last_two_entries_and_absurd_tables() {
        for (words, shift) in [
            (&[1, 10, 1, 20, 1, 30][..], Some(0)),
            (&[1, -5, 1, 20, 1, 30], Some(5)),
            (&[1, 5, 1, -20, 1, -30], Some(0)),
            (&[1, i32::MIN, 1, 0, 1, 0], None),
            (&[0, i32::MIN, 1, 0, 1, 0], Some(i32::MAX)),
        ] {
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
            let source: Source = Arc::new(BytesSource::new("ctts", bytes));
            let table = Table {
                offset: 0,
                count: 3,
            };
            assert_eq!(negative_shift(&source, table).unwrap(), shift, "{words:?}");
        }
    }
}
