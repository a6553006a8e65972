//! The newest bytes of a channel, shared by all its listeners. The producer never waits: who falls
//! behind the oldest chunk jumps to a random access point, and who does that too often is let go.
//!
//! What is copied from files is held for two seconds only. Behind that the ring has notes (`tape`), and a
//! listener that begins there or lags reads the file again and gets the same bytes (`replay`). What comes out
//! of ffmpeg, and the slate, is held as long as anybody may want it.

mod blocks;
mod cursor;
mod replay;
mod tape;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::media::format::GOP_BYTES_MAX;
use crate::media::{Rap, Ticks90k};
use blocks::Blocks;
pub use cursor::{Cursor, Read};
use replay::Wish;
use tape::Step;
pub use tape::{FileRef, Start, Tape};

/// A joiner starts this far behind the head: what a client that analyses 5 s of stream before it shows
/// anything has then received at once.
pub const BURST: Ticks90k = Ticks90k(5 * 90_000 + 18_000);
/// What is kept behind the burst and the random access point before it.
const SLACK: Ticks90k = Ticks90k(5 * 90_000);
/// More than this is not kept even where there is no random access point to begin at; no item with a larger group of
/// pictures is copied.
pub const LARGEST_BYTES: usize = GOP_BYTES_MAX as usize;
/// Bytes that can be made again are held this far behind the head...
const HELD: Ticks90k = Ticks90k(2 * 90_000);
/// ...and so long after they came, which matters while a cold channel fills its lead.
const SETTLED: Duration = Duration::from_secs(1);
/// Bytes that are made again in one go.
const REPLAYED_BYTES: u64 = 128 << 10;

/// Some whole packets.
#[derive(Debug)]
struct Chunk {
    /// `None` when they are not held any more.
    bytes: Option<Bytes>,
    len: usize,
    /// DTS of the last unit in it.
    head: Ticks90k,
    rap: Rap,
    /// On chunks that begin with a random access point: what a listener that jumps here gets first.
    rejoin: Bytes,
    came_at: Duration,
    /// How it can be made again; `None` when it cannot.
    again: Option<Again>,
}

/// The place of a chunk in the notes.
#[derive(Clone, Copy, Debug)]
struct Again {
    stretch: u64,
    /// Its first byte, counted from the stretch's.
    from: u64,
    /// How many of the stretch's steps it takes to make it.
    steps: usize,
}

/// The notes from one random access point to the next.
#[derive(Debug)]
struct Stretch {
    first_seq: u64,
    /// Head when its first chunk came.
    began: Ticks90k,
    /// `None` when it cannot be made again.
    start: Option<Start>,
    steps: Vec<Step>,
    bytes: u64,
}

/// What [`Ring::push`] takes.
#[derive(Debug)]
pub struct Push<'a> {
    /// Whole packets.
    pub packets: &'a [u8],
    /// DTS of the last unit in them.
    pub head: Ticks90k,
    /// What the first packet begins with.
    pub rap: Rap,
    /// What a listener that jumps here gets first.
    pub rejoin: Bytes,
    /// At a random access point: how they can be made again.
    pub start: Option<Start>,
    /// Notes about them.
    pub tape: &'a mut Tape,
    /// Bytes that the ring may hold.
    pub largest_bytes: usize,
    /// The monotonic clock.
    pub now: Duration,
}

#[derive(Debug, Default)]
struct Chunks {
    chunks: VecDeque<Chunk>,
    first_seq: u64,
    /// Bytes held.
    bytes: usize,
    /// Where they lie.
    blocks: Blocks,
    head: Ticks90k,
    closed: bool,
    stretches: VecDeque<Stretch>,
    /// Number of the oldest stretch.
    first_stretch: u64,
    /// Chunks before this have been looked at for bytes that need not be held.
    let_go_to: u64,
}

impl Chunks {
    fn end_seq(&self) -> u64 {
        self.first_seq + self.chunks.len() as u64
    }

    fn get(&self, seq: u64) -> Option<&Chunk> {
        self.chunks
            .get(usize::try_from(seq.checked_sub(self.first_seq)?).ok()?)
    }

    fn stretch(&self, number: u64) -> Option<&Stretch> {
        self.stretches
            .get(usize::try_from(number.checked_sub(self.first_stretch)?).ok()?)
    }

    /// The notes for a chunk, if there are any.
    fn notes(&self, chunk: &Chunk) -> Option<(Again, &Stretch, &Start)> {
        let again = chunk.again?;
        let stretch = self.stretch(again.stretch)?;
        let start = stretch.start.as_ref().filter(|s| !s.file.is_lost())?;
        Some((again, stretch, start))
    }

    /// Whether a listener can have this chunk.
    fn is_there(&self, chunk: &Chunk) -> bool {
        chunk.bytes.is_some() || self.notes(chunk).is_some()
    }

    /// Whether it can be made again and will soon have to.
    fn is_nearly_let_go(&self, chunk: &Chunk) -> bool {
        chunk.head <= self.head - Ticks90k(HELD.0 / 2) && self.notes(chunk).is_some()
    }

    /// The newest random access point at least [`BURST`] behind the head, a clean one if there is one;
    /// the oldest there is, when all are newer. None before `from`.
    fn joining_seq(&self, from: u64) -> Option<u64> {
        let before = self.head - BURST;
        let raps = || {
            self.chunks
                .iter()
                .zip(self.first_seq..self.end_seq())
                .filter(|&(c, seq)| c.rap != Rap::No && seq >= from && self.is_there(c))
        };
        let old_enough = || raps().filter(|(c, _)| c.head <= before);
        let clean = old_enough().filter(|(c, _)| c.rap == Rap::Clean).last();
        let found = clean.or_else(|| old_enough().last());
        found
            .or_else(|| raps().find(|(c, _)| c.rap == Rap::Clean))
            .or_else(|| raps().next())
            .map(|(_, seq)| seq)
    }

    fn push(&mut self, chunk: Chunk, largest_bytes: usize) {
        self.head = chunk.head;
        self.bytes += chunk.len;
        let now = chunk.came_at;
        self.chunks.push_back(chunk);
        self.let_go(now, largest_bytes);
        let oldest_wanted = self.head - BURST - SLACK;
        // Who joined far behind and reads at the pace of the clock stays as far behind. Notes cost little.
        let oldest_noted = oldest_wanted - self.longest_interval();
        let is_held = |chunk: Option<&Chunk>| chunk.is_some_and(|c| c.bytes.is_some());
        // One whole interval between random access points stays, unless it is too large for any ring:
        // without it nobody could join.
        while let Some(next) = self.chunks.iter().skip(1).find(|c| c.rap != Rap::No)
            && (next.head <= oldest_noted
                || self.bytes > largest_bytes
                || (next.head <= oldest_wanted && is_held(self.chunks.front())))
        {
            self.pop();
        }
        while self.bytes > LARGEST_BYTES && self.chunks.len() > 1 {
            self.pop();
        }
    }

    /// The longest time between two random access points.
    fn longest_interval(&self) -> Ticks90k {
        let ends = self.stretches.iter().skip(1).map(|next| next.began);
        let intervals = self.stretches.iter().zip(ends.chain([self.head]));
        intervals
            .map(|(stretch, end)| end - stretch.began)
            .max()
            .unwrap_or_default()
    }

    /// Drops bytes that can be made again: old ones, and all of them where the ring may not hold so many.
    fn let_go(&mut self, now: Duration, largest_bytes: usize) {
        let oldest_held = self.head - HELD;
        self.let_go_to = self.let_go_to.max(self.first_seq);
        while let Some(chunk) = self.get(self.let_go_to)
            && ((chunk.head <= oldest_held && now.saturating_sub(chunk.came_at) >= SETTLED)
                || self.bytes > largest_bytes)
        {
            let has_notes = self.notes(chunk).is_some();
            let at = self.let_go_to - self.first_seq;
            if let Some(chunk) = usize::try_from(at)
                .ok()
                .and_then(|at| self.chunks.get_mut(at))
                && has_notes
                && chunk.bytes.take().is_some()
            {
                self.bytes -= chunk.len;
            }
            self.let_go_to += 1;
        }
    }

    fn pop(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.bytes -= chunk.bytes.map_or(0, |bytes| bytes.len());
            self.first_seq += 1;
        }
        while self
            .stretches
            .get(1)
            .is_some_and(|next| next.first_seq <= self.first_seq)
        {
            self.stretches.pop_front();
            self.first_stretch += 1;
        }
    }

    /// Time starts anew at `head`: what is there stays for those who are reading it, counted back from
    /// there, and nobody joins at it any more.
    fn restart(&mut self, head: Ticks90k) {
        let moved = head - self.head;
        for chunk in &mut self.chunks {
            chunk.head += moved;
            chunk.rap = Rap::No;
        }
        for stretch in &mut self.stretches {
            stretch.began += moved;
        }
        self.head = head;
    }

    /// What has to be made for a listener at `seq`, whose replay has come to `place`.
    fn wish(&self, seq: u64, place: Option<(u64, usize, u64)>) -> Option<Wish> {
        let (again, stretch, start) = self.notes(self.get(seq)?)?;
        let first_step = place
            .filter(|&(number, _, handed_out)| number == again.stretch && handed_out <= again.from)
            .map_or(0, |(_, steps, _)| steps);
        let (mut until, mut steps, mut next_seq) = (again.from, again.steps, seq);
        while let Some(chunk) = self.get(next_seq)
            && let Some(more) = chunk.again
            && more.stretch == again.stretch
            && (chunk.bytes.is_none() || self.is_nearly_let_go(chunk))
            && until - again.from < REPLAYED_BYTES
        {
            (until, steps) = (until + chunk.len as u64, more.steps);
            next_seq += 1;
        }
        Some(Wish {
            start: start.clone(),
            stretch: again.stretch,
            steps: stretch
                .steps
                .get(first_step..steps)
                .unwrap_or_default()
                .to_vec(),
            first_step,
            from: again.from,
            until,
            next_seq,
        })
    }

    fn memory_bytes(&self) -> usize {
        let notes = |stretch: &Stretch| {
            let kept: usize = stretch.steps.iter().map(Step::kept_bytes).sum();
            stretch.steps.capacity() * size_of::<Step>() + kept
        };
        self.blocks.bytes()
            + self.stretches.iter().map(notes).sum::<usize>()
            + self.chunks.capacity() * size_of::<Chunk>()
    }
}

/// The ring of one channel.
#[derive(Debug)]
pub struct Ring {
    chunks: Mutex<Chunks>,
    /// Sequence number after the newest chunk; closed when the channel goes off the air.
    newest: watch::Sender<u64>,
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

impl Ring {
    /// An empty ring.
    pub fn new() -> Self {
        Self {
            chunks: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Chunks> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends whole packets and drops what nobody can need any more.
    pub fn push(&self, push: Push<'_>) {
        let end = {
            let mut chunks = self.lock();
            let first_seq = chunks.end_seq();
            if push.rap != Rap::No {
                chunks.stretches.push_back(Stretch {
                    first_seq,
                    began: push.head,
                    start: push.start,
                    steps: Vec::new(),
                    bytes: 0,
                });
            }
            let is_whole = push.tape.is_whole();
            let newest = chunks.first_stretch + (chunks.stretches.len() as u64).saturating_sub(1);
            let mut again = None;
            if let Some(stretch) = chunks.stretches.back_mut() {
                stretch.steps.extend(push.tape.take());
                again = (is_whole && stretch.start.is_some()).then_some(Again {
                    stretch: newest,
                    from: stretch.bytes,
                    steps: stretch.steps.len(),
                });
                stretch.bytes += push.packets.len() as u64;
            }
            let mut blocks = std::mem::take(&mut chunks.blocks);
            let mut begins = Some((push.rap, push.rejoin));
            blocks.store(push.packets, |bytes| {
                let (rap, rejoin) = begins.take().unwrap_or_default();
                let len = bytes.len();
                let chunk = Chunk {
                    bytes: Some(bytes),
                    len,
                    head: push.head,
                    rap,
                    rejoin,
                    came_at: push.now,
                    again,
                };
                chunks.push(chunk, push.largest_bytes);
                if let Some(again) = &mut again {
                    again.from += len as u64;
                }
            });
            chunks.blocks = blocks;
            chunks.end_seq()
        };
        self.newest.send_replace(end);
    }

    /// The time stamps of what is pushed from now on begin anew at `head`.
    pub fn restart(&self, head: Ticks90k) {
        self.lock().restart(head);
    }

    /// Appends packets that say nothing, so that a client can tell a pause from a dead connection.
    pub fn keep_alive(&self, bytes: Bytes, largest_bytes: usize, now: Duration) {
        let end = {
            let mut chunks = self.lock();
            let chunk = Chunk {
                len: bytes.len(),
                bytes: Some(bytes),
                head: chunks.head,
                rap: Rap::No,
                rejoin: Bytes::new(),
                came_at: now,
                again: None,
            };
            chunks.push(chunk, largest_bytes);
            chunks.end_seq()
        };
        self.newest.send_replace(end);
    }

    /// What `file` delivered cannot be made again: it changed, or cannot be read. Bytes that are held stay.
    fn lose(&self, file: &FileRef) {
        for start in self
            .lock()
            .stretches
            .iter()
            .filter_map(|s| s.start.as_ref())
        {
            if start.file.path == file.path {
                start.file.lose();
            }
        }
        file.lose();
    }

    /// Nothing more will come: cursors end once they have read everything.
    pub fn close(&self) {
        self.lock().closed = true;
        self.newest.send_modify(|_| {});
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Whether anything has been pushed.
    pub fn has_begun(&self) -> bool {
        self.lock().end_seq() > 0
    }

    /// Memory taken by the bytes held and the notes.
    pub fn memory_bytes(&self) -> usize {
        self.lock().memory_bytes()
    }
}
