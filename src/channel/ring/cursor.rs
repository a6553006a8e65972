//! A listener's place in a ring.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::Ring;
use super::replay::{Replay, Wish};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind};
use crate::system::reads::Reads;

/// Jumps allowed within [`JUMP_WINDOW`]; a listener that needs one more is let go.
const JUMPS_ALLOWED: usize = 2;
const JUMP_WINDOW: Duration = Duration::from_secs(60);
/// How long reading a file again may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A place in a ring: what one client holds.
pub struct Cursor {
    ring: Arc<Ring>,
    newest: watch::Receiver<u64>,
    clock: SharedClock,
    reads: Reads,
    next_seq: Option<u64>,
    replay: Option<Replaying>,
    jumps: heapless::Deque<Duration, JUMPS_ALLOWED>,
    jumped: u64,
    replayed_bytes: u64,
}

/// A replay between two reads, and the device that its file is on.
struct Replaying {
    replay: Replay,
    device: String,
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

/// What a cursor finds.
pub(super) enum Found {
    Read(Read),
    /// Bytes that the ring does not hold any more.
    Wish(Box<Wish>),
    /// Nothing yet.
    Nothing,
}

impl Cursor {
    /// A cursor that will start where joiners start. Files are read again by `reads`.
    pub fn new(ring: Arc<Ring>, clock: SharedClock, reads: Reads) -> Self {
        let newest = ring.newest.subscribe();
        Self {
            ring,
            newest,
            clock,
            reads,
            next_seq: None,
            replay: None,
            jumps: heapless::Deque::new(),
            jumped: 0,
            replayed_bytes: 0,
        }
    }

    /// How often it had to jump.
    pub fn jumps(&self) -> u64 {
        self.jumped
    }

    /// How many of the bytes it got were made again from files.
    pub fn replayed_bytes(&self) -> u64 {
        self.replayed_bytes
    }

    /// The next bytes; waits for them. Cancel-safe: what was being made for a read that is given up is made
    /// again for the next one.
    pub async fn read(&mut self) -> Read {
        loop {
            // Marked as seen before looking, so that a chunk pushed in between wakes us.
            self.newest.borrow_and_update();
            match self.look() {
                Found::Read(read) => return read,
                Found::Wish(wish) => {
                    if let Some(bytes) = self.make(*wish).await {
                        return Read::Bytes(bytes);
                    }
                }
                Found::Nothing => {
                    if self.newest.changed().await.is_err() {
                        return Read::Ended;
                    }
                }
            }
        }
    }

    /// Looks for the next bytes.
    pub(super) fn look(&mut self) -> Found {
        let chunks = self.ring.lock();
        let is_there = |seq| chunks.get(seq).is_some_and(|chunk| chunks.is_there(chunk));
        let place = match self.next_seq {
            None => chunks.joining_seq(0).map(|seq| (seq, false)),
            Some(seq) if seq >= chunks.end_seq() || is_there(seq) => Some((seq, false)),
            Some(seq) => chunks.joining_seq(seq).map(|seq| (seq, true)),
        };
        let nothing = match chunks.closed {
            true => Found::Read(Read::Ended),
            false => Found::Nothing,
        };
        let Some((seq, jumped)) = place else {
            return nothing;
        };
        let Some(chunk) = chunks.get(seq) else {
            return nothing;
        };
        if jumped {
            let rejoin = chunk.rejoin.clone();
            drop(chunks);
            self.stop_replaying();
            if !self.may_jump() {
                return Found::Read(Read::TooSlow);
            }
            self.next_seq = Some(seq);
            return match rejoin.is_empty() {
                true => self.look(),
                false => Found::Read(Read::Bytes(rejoin)),
            };
        }
        // Who is just behind what is held goes on as before: files are not opened and closed all the time.
        let goes_on = self.replay.is_some() && chunks.is_nearly_let_go(chunk);
        if let Some(bytes) = chunk.bytes.clone().filter(|_| !goes_on) {
            drop(chunks);
            self.stop_replaying();
            self.next_seq = Some(seq + 1);
            return Found::Read(Read::Bytes(bytes));
        }
        let place = self.replay.as_ref().map(|r| r.replay.place());
        match chunks.wish(seq, place) {
            Some(wish) => Found::Wish(Box::new(wish)),
            None => nothing,
        }
    }

    /// Makes bytes again. `None` when that cannot be done: then nobody is offered them any more.
    async fn make(&mut self, wish: Wish) -> Option<Bytes> {
        let (file, next_seq) = (wish.start.file.clone(), wish.next_seq);
        let before = self.replay.take().map(|r| r.replay);
        let job = move || Replay::serve(before, &wish);
        let made = tokio::select! {
            made = self.reads.run(&file.device, job) => made,
            () = self.clock.sleep(PATIENCE) => Err(Error::new(
                ErrorKind::Timeout,
                format!("nothing came for {} s", PATIENCE.as_secs()),
            )),
        };
        match made {
            Ok((replay, bytes)) => {
                let device = file.device.clone();
                self.replay = Some(Replaying { replay, device });
                self.next_seq = Some(next_seq);
                self.replayed_bytes += bytes.len() as u64;
                Some(bytes)
            }
            Err(e) => {
                let is_news = !file.is_lost();
                self.ring.lose(&file);
                if is_news {
                    log::warn!(ERROR_KIND = e.kind().name(); "who lags behind what was read from {} has to jump: {e:#}", file.path.display());
                }
                None
            }
        }
    }

    /// The file is closed where it was read: a mount that hangs holds up whoever closes a file on it.
    fn stop_replaying(&mut self) {
        if let Some(Replaying { replay, device }) = self.replay.take() {
            self.reads.discard(&device, replay);
        }
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

impl Drop for Cursor {
    fn drop(&mut self) {
        self.stop_replaying();
    }
}
