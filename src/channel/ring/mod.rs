//! The newest bytes of a channel, shared by all its listeners. The producer never waits: who falls
//! behind the oldest chunk jumps to a random access point, and who does that too often is let go.

mod blocks;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::clock::SharedClock;
use crate::media::format::GOP_BYTES_MAX;
use crate::media::{Rap, Ticks90k};
use blocks::Blocks;

/// A joiner starts this far behind the head: what a client that analyses 5 s of stream before it shows
/// anything has then received at once.
pub const BURST: Ticks90k = Ticks90k(5 * 90_000 + 18_000);
/// What is kept behind the burst and the random access point before it.
const SLACK: Ticks90k = Ticks90k(5 * 90_000);
/// More than this is not kept even where there is no random access point to begin at; no item with a larger group of
/// pictures is copied.
pub const LARGEST_BYTES: usize = GOP_BYTES_MAX as usize;
/// Jumps allowed within [`JUMP_WINDOW`]; a listener that needs one more is let go.
const JUMPS_ALLOWED: usize = 2;
const JUMP_WINDOW: Duration = Duration::from_secs(60);

/// Some whole packets.
#[derive(Clone, Debug)]
struct Chunk {
    bytes: Bytes,
    /// DTS of the last unit in it.
    head: Ticks90k,
    rap: Rap,
    /// On chunks that begin with a random access point: what a listener that jumps here gets first.
    rejoin: Bytes,
}

#[derive(Debug, Default)]
struct Chunks {
    chunks: VecDeque<Chunk>,
    first_seq: u64,
    /// Bytes in `chunks`.
    bytes: usize,
    /// Where they lie.
    blocks: Blocks,
    head: Ticks90k,
    closed: bool,
}

impl Chunks {
    fn end_seq(&self) -> u64 {
        self.first_seq + self.chunks.len() as u64
    }

    fn get(&self, seq: u64) -> Option<&Chunk> {
        self.chunks
            .get(usize::try_from(seq.checked_sub(self.first_seq)?).ok()?)
    }

    /// The newest random access point at least [`BURST`] behind the head, a clean one if there is one;
    /// the oldest there is, when all are newer.
    fn joining_seq(&self) -> Option<u64> {
        let before = self.head - BURST;
        let raps = || {
            self.chunks
                .iter()
                .zip(self.first_seq..self.end_seq())
                .filter(|(c, _)| c.rap != Rap::No)
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
        self.bytes += chunk.bytes.len();
        self.chunks.push_back(chunk);
        let oldest_wanted = self.head - BURST - SLACK;
        // One whole interval between random access points stays, unless it is too large for any ring:
        // without it nobody could join.
        while let Some(next) = self.chunks.iter().skip(1).find(|c| c.rap != Rap::No)
            && (next.head <= oldest_wanted || self.bytes > largest_bytes)
        {
            self.pop();
        }
        while self.bytes > LARGEST_BYTES && self.chunks.len() > 1 {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.bytes -= chunk.bytes.len();
            self.first_seq += 1;
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
        self.head = head;
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

    /// Appends whole packets up to `head`, of which the first is at `rap`, and drops what nobody can need any
    /// more. A listener that jumps here gets `rejoin` first.
    pub fn push(
        &self,
        packets: &[u8],
        head: Ticks90k,
        rap: Rap,
        rejoin: Bytes,
        largest_bytes: usize,
    ) {
        let end = {
            let mut chunks = self.lock();
            let mut blocks = std::mem::take(&mut chunks.blocks);
            let mut begins = Some((rap, rejoin));
            blocks.store(packets, |bytes| {
                let (rap, rejoin) = begins.take().unwrap_or_default();
                let chunk = Chunk {
                    bytes,
                    head,
                    rap,
                    rejoin,
                };
                chunks.push(chunk, largest_bytes);
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
    pub fn keep_alive(&self, bytes: Bytes, largest_bytes: usize) {
        let end = {
            let mut chunks = self.lock();
            let chunk = Chunk {
                bytes,
                head: chunks.head,
                rap: Rap::No,
                rejoin: Bytes::new(),
            };
            chunks.push(chunk, largest_bytes);
            chunks.end_seq()
        };
        self.newest.send_replace(end);
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

    /// Memory that they take.
    pub fn memory_bytes(&self) -> usize {
        self.lock().blocks.bytes()
    }
}

/// A place in a ring: what one client holds.
pub struct Cursor {
    ring: Arc<Ring>,
    newest: watch::Receiver<u64>,
    clock: SharedClock,
    next_seq: Option<u64>,
    jumps: heapless::Deque<Duration, JUMPS_ALLOWED>,
    jumped: u64,
}

/// What a cursor says.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Whole packets.
    Bytes(Bytes),
    /// Fell behind too often.
    TooSlow,
    /// The channel has gone off the air.
    Ended,
}

impl Cursor {
    /// A cursor that will start where joiners start.
    pub fn new(ring: Arc<Ring>, clock: SharedClock) -> Self {
        let newest = ring.newest.subscribe();
        Self {
            ring,
            newest,
            clock,
            next_seq: None,
            jumps: heapless::Deque::new(),
            jumped: 0,
        }
    }

    /// How often it had to jump.
    pub fn jumps(&self) -> u64 {
        self.jumped
    }

    /// The next bytes; waits for them. Cancel-safe.
    pub async fn read(&mut self) -> Read {
        loop {
            // Marked as seen before looking, so that a chunk pushed in between wakes us.
            self.newest.borrow_and_update();
            if let Some(read) = self.try_read() {
                return read;
            }
            if self.newest.changed().await.is_err() {
                return Read::Ended;
            }
        }
    }

    /// The next bytes if they are there.
    pub fn try_read(&mut self) -> Option<Read> {
        let chunks = self.ring.lock();
        let place = match self.next_seq {
            None => chunks.joining_seq().map(|seq| (seq, false)),
            Some(seq) if seq >= chunks.first_seq => Some((seq, false)),
            Some(_) => chunks.joining_seq().map(|seq| (seq, true)),
        };
        let closed = chunks.closed.then_some(Read::Ended);
        let Some((seq, jumped)) = place else {
            return closed;
        };
        let Some(chunk) = chunks.get(seq).cloned() else {
            return closed;
        };
        drop(chunks);
        if jumped && !self.may_jump() {
            return Some(Read::TooSlow);
        }
        if jumped && !chunk.rejoin.is_empty() {
            self.next_seq = Some(seq);
            return Some(Read::Bytes(chunk.rejoin));
        }
        self.next_seq = Some(seq + 1);
        Some(Read::Bytes(chunk.bytes))
    }

    fn may_jump(&mut self) -> bool {
        self.jumped += 1;
        let now = self.clock.monotonic();
        while self
            .jumps
            .front()
            .is_some_and(|&at| now.saturating_sub(at) > JUMP_WINDOW)
        {
            self.jumps.pop_front();
        }
        self.jumps.push_back(now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SimClock, UtcMs};

    fn second(n: i64) -> Ticks90k {
        Ticks90k(n * 90_000)
    }

    /// One chunk per second, a random access point every `gop` seconds.
    fn fill(ring: &Ring, seconds: std::ops::Range<i64>, gop: i64, largest_bytes: usize) {
        for n in seconds {
            let rap = if n % gop == 0 { Rap::Clean } else { Rap::No };
            let bytes = vec![n as u8; 188];
            ring.push(
                &bytes,
                second(n),
                rap,
                Bytes::from_static(b"rejoin"),
                largest_bytes,
            );
        }
    }

    fn cursor(ring: &Arc<Ring>) -> (Cursor, SimClock) {
        let clock = SimClock::new(UtcMs(0));
        (Cursor::new(ring.clone(), Arc::new(clock.clone())), clock)
    }

    fn first_byte(read: Option<Read>) -> Option<u8> {
        match read? {
            Read::Bytes(bytes) => bytes.first().copied(),
            Read::TooSlow | Read::Ended => None,
        }
    }

    #[test]
    fn a_joiner_starts_at_the_newest_random_access_point_older_than_the_burst() {
        for (gop, head, expected) in [(2, 20, 14), (1, 20, 14), (10, 20, 10), (2, 3, 0)] {
            let ring = Arc::new(Ring::new());
            fill(&ring, 0..head + 1, gop, 16 << 20);
            assert_eq!(
                first_byte(cursor(&ring).0.try_read()),
                Some(expected),
                "gop {gop}, head {head}"
            );
        }
    }

    #[test]
    fn the_ring_keeps_burst_slack_and_one_interval_and_no_more() {
        let ring = Ring::new();
        fill(&ring, 0..100, 2, 16 << 20);
        let held = ring.bytes() / 188;
        assert!((12..=14).contains(&held), "{held} s held");
    }

    #[test]
    fn a_small_budget_never_takes_the_last_whole_interval() {
        let ring = Arc::new(Ring::new());
        fill(&ring, 0..100, 10, 188);
        assert_eq!(first_byte(cursor(&ring).0.try_read()), Some(90));
    }

    #[test]
    fn who_falls_behind_jumps_with_a_rejoin_prefix_and_at_the_third_time_is_let_go() {
        let ring = Arc::new(Ring::new());
        fill(&ring, 0..20, 2, 16 << 20);
        let (mut cursor, clock) = cursor(&ring);
        cursor.try_read();
        for round in 1..=2 {
            fill(&ring, round * 40..round * 40 + 20, 2, 16 << 20);
            assert_eq!(
                cursor.try_read(),
                Some(Read::Bytes(Bytes::from_static(b"rejoin"))),
                "round {round}"
            );
            assert_eq!(first_byte(cursor.try_read()), Some((round * 40 + 12) as u8));
        }
        fill(&ring, 120..140, 2, 16 << 20);
        assert_eq!(cursor.try_read(), Some(Read::TooSlow));
        clock.advance(Duration::from_secs(61));
        fill(&ring, 200..220, 2, 16 << 20);
        assert_eq!(
            cursor.try_read(),
            Some(Read::Bytes(Bytes::from_static(b"rejoin")))
        );
    }

    #[test]
    fn one_long_interval_does_not_keep_the_ring_long_for_ever() {
        let ring = Ring::new();
        fill(&ring, 0..101, 50, 16 << 20);
        fill(&ring, 101..200, 2, 16 << 20);
        let held = ring.bytes() / 188;
        assert!(held <= 14, "{held} s held");
    }

    #[test]
    fn pictures_without_any_random_access_point_do_not_fill_the_memory() {
        let ring = Ring::new();
        for n in 0..40 {
            let rap = if n == 0 { Rap::Clean } else { Rap::No };
            let megabyte = vec![0; 5_577 * 188];
            ring.push(&megabyte, second(n), rap, Bytes::new(), 4 << 20);
            assert!(ring.bytes() <= LARGEST_BYTES);
        }
    }

    #[test]
    fn after_a_restart_of_time_nobody_joins_at_the_old_time_and_the_ring_stays_small() {
        let ring = Arc::new(Ring::new());
        fill(&ring, 3_600..3_640, 2, 16 << 20);
        let (mut reader, _) = cursor(&ring);
        assert_eq!(first_byte(reader.try_read()), Some(3_632_u16 as u8));
        ring.restart(second(10));
        assert_eq!(cursor(&ring).0.try_read(), None, "joined at the old time");
        fill(&ring, 10..12, 2, 16 << 20);
        assert_eq!(first_byte(cursor(&ring).0.try_read()), Some(10));
        let read: Vec<_> = std::iter::from_fn(|| first_byte(reader.try_read())).collect();
        assert_eq!(read.len(), 7 + 2, "a reader loses nothing");
        fill(&ring, 12..40, 2, 16 << 20);
        let held = ring.bytes() / 188;
        assert!(held <= 14, "{held} s held");
    }

    #[test]
    fn a_closed_ring_is_read_to_its_end() {
        let ring = Arc::new(Ring::new());
        fill(&ring, 0..1, 1, 16 << 20);
        let (mut cursor, _) = cursor(&ring);
        ring.close();
        assert_eq!(first_byte(cursor.try_read()), Some(0));
        assert_eq!(cursor.try_read(), Some(Read::Ended));
    }

    #[test]
    fn a_cursor_in_an_empty_ring_waits() {
        let ring = Arc::new(Ring::new());
        assert_eq!(cursor(&ring).0.try_read(), None);
    }
}
