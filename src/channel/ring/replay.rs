//! Makes bytes again that the ring no longer holds: reads the file a second time, at the place where a client
//! is, and multiplexes by the notes. What comes out is what the ring held, or an error: every unit is
//! compared with its digest, and every stretch with its length.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::tape::{Data, Digest, FileRef, Note, Start, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::media::{self, AccessUnit, Demuxer, FileSource, Rap, StreamKind, Ticks90k};
use crate::mux::Muxer;

/// A unit that has not come this long behind its time is not there any more.
const PAST: Ticks90k = Ticks90k(2 * 90_000);
/// Coded bytes of one stream that may wait while a unit of the other is looked for.
const WAITING_BYTES: usize = 4 << 20;

/// What is to be made.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) start: Start,
    /// Number of the stretch behind that start.
    pub(super) stretch: u64,
    /// Its steps from `first_step` on, as far as they are needed.
    pub(super) steps: Vec<Step>,
    pub(super) first_step: usize,
    /// Bytes of the stretch.
    pub(super) from: u64,
    pub(super) until: u64,
    /// Where in the ring a cursor is that has them.
    pub(super) next_seq: u64,
}

/// A place in a file and in the notes about it.
pub(super) struct Replay {
    file: Arc<FileRef>,
    demuxer: Box<dyn Demuxer>,
    video: VecDeque<AccessUnit>,
    audio: VecDeque<AccessUnit>,
    waiting_bytes: usize,
    muxer: Muxer,
    stretch: u64,
    steps_done: usize,
    /// Made and not handed out; the first byte is byte `offset` of the stretch.
    out: Vec<u8>,
    offset: u64,
}

impl Replay {
    /// Stretch, steps done and bytes handed out.
    pub(super) fn place(&self) -> (u64, usize, u64) {
        (self.stretch, self.steps_done, self.offset)
    }

    /// Makes what is wished, going on from `before` where that is possible. Blocks.
    pub(super) fn serve(before: Option<Self>, wish: &Wish) -> Result<(Self, Bytes)> {
        let mut replay = match before {
            Some(same) if same.stretch == wish.stretch && same.steps_done == wish.first_step => {
                same
            }
            Some(other) if Arc::ptr_eq(&other.file, &wish.start.file) => other.enter(wish)?,
            _ => Self::open(wish)?,
        };
        replay.run(wish)?;
        let bytes = replay.hand_out(wish)?;
        Ok((replay, bytes))
    }

    fn open(wish: &Wish) -> Result<Self> {
        let file = wish.start.file.clone();
        let mut demuxer = media::open(Arc::new(FileSource::open(&file.path)?))?;
        demuxer.seek(wish.start.entry - file.offset)?;
        Ok(Self {
            file,
            demuxer,
            video: VecDeque::new(),
            audio: VecDeque::new(),
            waiting_bytes: 0,
            muxer: wish.start.muxer.clone(),
            stretch: wish.stretch,
            steps_done: 0,
            out: Vec::new(),
            offset: 0,
        })
    }

    /// Goes to the beginning of another stretch of the same file.
    fn enter(mut self, wish: &Wish) -> Result<Self> {
        if wish.stretch != self.stretch + 1 {
            self.demuxer.seek(wish.start.entry - self.file.offset)?;
            self.video.clear();
            self.audio.clear();
            self.waiting_bytes = 0;
        }
        self.muxer = wish.start.muxer.clone();
        (self.stretch, self.steps_done, self.offset) = (wish.stretch, 0, 0);
        self.out.clear();
        Ok(self)
    }

    fn run(&mut self, wish: &Wish) -> Result<()> {
        for step in &wish.steps {
            match step {
                Step::Unit(note) => {
                    let unit = self.unit(note, wish)?;
                    self.muxer.write(&unit, &mut self.out);
                }
                Step::Cut(dts) => self.muxer.cut(*dts, &mut self.out),
                Step::Flush => self.muxer.flush(&mut self.out),
            }
            self.steps_done += 1;
            let made = self.offset + self.out.len() as u64;
            if made <= wish.from {
                self.offset = made;
                self.out.clear();
            }
        }
        Ok(())
    }

    fn hand_out(&mut self, wish: &Wish) -> Result<Bytes> {
        let place = |byte: u64| usize::try_from(byte.checked_sub(self.offset)?).ok();
        let (Some(skipped), Some(end)) = (place(wish.from), place(wish.until)) else {
            return Err(self.differs("its length"));
        };
        if end > self.out.len() || skipped > end {
            return Err(self.differs("its length"));
        }
        let rest = self.out.split_off(end);
        self.offset = wish.until;
        Ok(Bytes::from(std::mem::replace(&mut self.out, rest)).slice(skipped..))
    }

    fn differs(&self, what: &str) -> Error {
        let path = self.file.path.display();
        Error::new(
            ErrorKind::Damaged,
            format!("{path} is not what it was a moment ago: {what} differs"),
        )
    }

    /// The unit that a note is about.
    fn unit(&mut self, note: &Note, wish: &Wish) -> Result<AccessUnit> {
        let mut unit = match &note.data {
            Data::Kept(data) => AccessUnit {
                data: data.to_vec(),
                ..AccessUnit::default()
            },
            Data::InFile(digest) => self.find(note, *digest)?,
        };
        (unit.kind, unit.rap) = (note.kind, note.rap);
        (unit.pts, unit.dts, unit.duration) = (note.pts, note.dts, note.duration);
        let is_entry = note.kind == StreamKind::Video && note.rap != Rap::No;
        unit.parameter_sets = wish.start.parameter_sets.clone().filter(|_| is_entry);
        Ok(unit)
    }

    /// The next unit of the file with this digest. Those before it were left out by the splicer, or kept whole.
    fn find(&mut self, note: &Note, digest: Digest) -> Result<AccessUnit> {
        let past = note.pts - self.file.offset + PAST;
        loop {
            let waiting = match note.kind {
                StreamKind::Video => &mut self.video,
                StreamKind::Audio => &mut self.audio,
            };
            while let Some(unit) = waiting.pop_front() {
                self.waiting_bytes -= unit.data.len();
                if Digest::of(&unit.data) == digest {
                    return Ok(unit);
                }
            }
            let mut unit = AccessUnit::default();
            let is_there = self.demuxer.next(&mut unit)?;
            self.waiting_bytes += unit.data.len();
            if !is_there || unit.dts > past || self.waiting_bytes > WAITING_BYTES {
                return Err(self.differs(match note.kind {
                    StreamKind::Video => "a picture",
                    StreamKind::Audio => "a frame of sound",
                }));
            }
            match unit.kind {
                StreamKind::Video => self.video.push_back(unit),
                StreamKind::Audio => self.audio.push_back(unit),
            }
        }
    }
}
