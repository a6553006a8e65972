//! MPEG transport streams (ISO 13818-1) to access units: [`TsStream`] takes bytes as they come (ffmpeg's
//! pipe), [`TsFile`] is a demuxer over a file of 188-, 192- or 204-byte packets.
//!
//! Takes one programme, and of it the first picture and sound of ours that are there. Damage costs the units
//! it touches; time stamps come out unwrapped, wrong ones left out and new time bases followed, units merged
//! by their DTS. What waits is bounded: one picture of 12 MB, and a second of units (at most 12 MB) of one
//! stream while the other has none.

mod audio;
mod clock;
mod file;
mod mpeg2;
mod packet;
mod pes;
mod programs;
pub(crate) mod psi;
mod survey;
mod video;

pub use file::TsFile;

use std::collections::VecDeque;

use self::audio::AudioReader;
use self::clock::Clock;
use self::packet::{Framer, NULL_PID, Packet};
use self::pes::PesReader;
use self::programs::{Counts, Programs, pick};
use self::psi::{ProgramStream, StreamCodec};
use self::video::{UNIT_BYTES, VideoReader};
use super::nal::VideoConfig;
use super::time::Ticks90k;
use super::unit::{AccessUnit, Damage, Streams};

/// While one stream has nothing, the other's units wait until this much of them is there.
const LONGEST_WAIT: Ticks90k = Ticks90k::SECOND;
/// And no longer than until so many are, or [`UNIT_BYTES`] of them.
const WAITING_UNITS: usize = 512;

/// A PID that is read.
#[derive(Debug)]
struct Line<R> {
    pid: u16,
    counter: Option<u8>,
    pes: PesReader,
    reader: R,
}

impl<R> Line<R> {
    fn new(pid: u16, reader: R) -> Self {
        Self {
            pid,
            counter: None,
            pes: PesReader::default(),
            reader,
        }
    }
}

/// What a packet's continuity counter says about the one before it (ISO 13818-1 §2.4.3.3).
#[derive(PartialEq, Eq)]
enum Continuity {
    Next,
    Repeated,
    Lost,
}

fn continuity(last: &mut Option<u8>, packet: &Packet<'_>) -> Continuity {
    match last.replace(packet.counter) {
        Some(last) if last == packet.counter && !packet.discontinuity => Continuity::Repeated,
        Some(last) if (last + 1) & 0x0F != packet.counter && !packet.discontinuity => {
            Continuity::Lost
        }
        _ => Continuity::Next,
    }
}

/// A transport stream that is read as it comes.
#[derive(Debug, Default)]
pub struct TsStream {
    framer: Framer,
    core: Core,
}

impl TsStream {
    /// A stream of which nothing has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of a file, whose packets lie `stride` bytes apart: its programmes are compared.
    fn of_file(stride: usize) -> Self {
        let mut stream = Self {
            framer: Framer::new(stride),
            core: Core::default(),
        };
        stream.core.programs.compares = true;
        stream.core.counts = Some(Counts::default());
        stream
    }

    /// A stream that is entered at another place: the programme is known already.
    fn resumed(&self, origin: Ticks90k) -> Self {
        let core = &self.core;
        Self {
            framer: self.framer.resumed(),
            core: Core {
                programs: core.programs.resumed(),
                video: core
                    .video
                    .as_ref()
                    .map(|line| Line::new(line.pid, line.reader.resumed())),
                audio: core
                    .audio
                    .as_ref()
                    .map(|line| Line::new(line.pid, line.reader.resumed())),
                clock: Clock::from_origin(origin),
                streams: core.streams.clone(),
                ..Core::default()
            },
        }
    }

    /// The same file from its beginning, with its programme decided.
    fn restarted(&mut self) -> Self {
        let mut stream = self.resumed(Ticks90k::ZERO);
        stream.core.counts = self.core.counts.take();
        stream
    }

    /// Takes the next bytes, in pieces of any size. Take the units that they complete before more are pushed:
    /// only what must wait for the other stream is bounded.
    pub fn push(&mut self, bytes: &[u8]) {
        let core = &mut self.core;
        self.framer.push(bytes, &mut |packet| core.packet(packet));
    }

    /// Nothing comes any more: what is left comes out of [`TsStream::next`].
    pub fn finish(&mut self) {
        let core = &mut self.core;
        self.framer.finish(&mut |packet| core.packet(packet));
        core.finish();
    }

    /// Fills `unit` with the next unit, reusing its buffer; `false` when more bytes must be pushed first,
    /// or at the end once [`TsStream::finish`] was called.
    pub fn next(&mut self, unit: &mut AccessUnit) -> bool {
        self.core.next(unit)
    }

    /// What it yields, as far as is known: a stream appears with its first parameter sets or frame.
    pub fn streams(&self) -> &Streams {
        &self.core.streams
    }

    /// What was left out so far.
    pub fn damage(&self) -> Damage {
        let core = &self.core;
        let video = core.video.as_ref().map_or(0, |line| line.reader.dropped);
        let audio = core.audio.as_ref().map_or((0, 0), |line| {
            (line.reader.dropped, line.reader.skipped_bytes)
        });
        Damage {
            dropped_units: video + audio.0,
            skipped_bytes: self.framer.skipped_bytes + audio.1,
        }
    }

    /// Whether a programme map table was seen.
    fn has_program(&self) -> bool {
        self.core.programs.have_map()
    }

    /// Whether several programmes wait for [`TsStream::decide`].
    fn is_undecided(&self) -> bool {
        self.core.programs.compares && !self.core.programs.is_decided()
    }

    /// Takes the programme and the streams of which most has come. Returns whether they are others than before.
    fn decide(&mut self) -> bool {
        let core = &mut self.core;
        let counts = core.counts.take().unwrap_or_default();
        core.programs.decide(&counts);
        let (video, audio) = pick(core.programs.streams(), &counts);
        let picked = (video.map(|s| s.pid), audio.map(|s| s.pid));
        let is_other = picked != (self.video_pid(), self.audio_pid());
        let core = &mut self.core;
        if is_other {
            (core.video, core.audio) = (None, None);
            core.take_streams(&counts);
        }
        core.counts = Some(counts);
        is_other
    }

    /// Whether every stream that the programme promises is described.
    fn is_described(&self) -> bool {
        let core = &self.core;
        (core.video.is_some() || core.audio.is_some())
            && core.video.is_some() == core.streams.video.is_some()
            && core.audio.is_some() == core.streams.audio.is_some()
    }

    /// Gives up on streams that never showed themselves.
    fn drop_undescribed(&mut self) {
        let core = &mut self.core;
        if core.streams.video.is_none() {
            core.video = None;
        }
        if core.streams.audio.is_none() {
            core.audio = None;
        }
    }

    /// Pictures and sounds of the programme in the order of its map.
    fn program(&self) -> &[ProgramStream] {
        self.core.programs.streams()
    }

    /// Whether a stream can only be read with the broadcaster's key.
    fn is_scrambled(&self, stream: &ProgramStream) -> bool {
        let counts = self.core.counts.as_ref();
        counts.is_some_and(|counts| counts.is_scrambled(stream.pid))
    }

    /// What is wrong with the pictures that are taken, when none of them can be read.
    fn video_trouble(&self) -> Option<&str> {
        self.core.video.as_ref()?.reader.trouble()
    }

    /// What is wrong with the frames of the sound that is taken, when none of them can be read.
    fn audio_trouble(&self) -> Option<&'static str> {
        self.core.audio.as_ref()?.reader.trouble()
    }

    fn video_config(&self) -> Option<&VideoConfig> {
        self.core.video.as_ref()?.reader.config()
    }

    fn video_pid(&self) -> Option<u16> {
        self.core.video.as_ref().map(|line| line.pid)
    }

    fn audio_pid(&self) -> Option<u16> {
        self.core.audio.as_ref().map(|line| line.pid)
    }
}

/// Everything behind the framing.
#[derive(Debug, Default)]
struct Core {
    programs: Programs,
    /// While a file's streams are chosen: what there is of each.
    counts: Option<Counts>,
    video: Option<Line<VideoReader>>,
    audio: Option<Line<AudioReader>>,
    clock: Clock,
    streams: Streams,
    finished: bool,
}

impl Core {
    fn packet(&mut self, bytes: &[u8]) {
        let Some(packet) = Packet::parse(bytes) else {
            return;
        };
        if packet.pid == NULL_PID || packet.payload.is_empty() {
            return;
        }
        if let Some(counts) = &mut self.counts {
            counts.add(packet.pid, packet.scrambled);
        }
        // To the next clear packet, those before it count as lost.
        if packet.scrambled {
            return;
        }
        if let Some(line) = self.video.as_mut().filter(|line| line.pid == packet.pid) {
            match continuity(&mut line.counter, &packet) {
                Continuity::Repeated => return,
                Continuity::Lost => {
                    line.reader.lose();
                    line.pes.reset();
                }
                Continuity::Next => {}
            }
            let piece = line.pes.push(packet.start, packet.payload);
            if let (true, Some(counts)) = (piece.scrambled, &mut self.counts) {
                counts.hide(packet.pid);
            }
            if let Some(header) = piece.header {
                line.reader.begin(header, piece.body, &mut self.clock);
            }
            line.reader.push(piece.body);
            if self.streams.video.is_none() {
                self.streams.video = line.reader.track();
            }
        } else if let Some(line) = self.audio.as_mut().filter(|line| line.pid == packet.pid) {
            match continuity(&mut line.counter, &packet) {
                Continuity::Repeated => return,
                Continuity::Lost => {
                    line.reader.lose();
                    line.pes.reset();
                }
                Continuity::Next => {}
            }
            let piece = line.pes.push(packet.start, packet.payload);
            if let (true, Some(counts)) = (piece.scrambled, &mut self.counts) {
                counts.hide(packet.pid);
            }
            if let Some(header) = piece.header {
                line.reader.begin(header, &mut self.clock);
            }
            line.reader.push(piece.body, piece.complete);
            if self.streams.audio.is_none() {
                self.streams.audio = line.reader.track();
            }
        } else if self.programs.push(&packet) {
            if self.video.is_none() && self.audio.is_none() {
                self.take_streams(&Counts::default());
            } else {
                self.follow();
            }
        }
    }

    /// Reads the picture and the sound of the programme from here on.
    fn take_streams(&mut self, counts: &Counts) {
        let (video, audio) = pick(self.programs.streams(), counts);
        if let Some(stream) = video
            && let StreamCodec::Video(codec) = stream.codec
        {
            self.video = Some(Line::new(stream.pid, VideoReader::new(codec)));
        }
        self.audio = audio.map(|stream| Line::new(stream.pid, AudioReader::new(stream.codec)));
    }

    /// The map has changed: moves the lines to the PIDs that the same codecs now have. A later map may move a
    /// stream to another PID, never change what it is.
    fn follow(&mut self) {
        let streams = self.programs.streams();
        if let Some(line) = &mut self.video {
            let codec = StreamCodec::Video(line.reader.codec());
            if let Some(pid) = moved(streams, line.pid, |other| other == codec) {
                line.reader.lose();
                line.pes.reset();
                (line.pid, line.counter) = (pid, None);
            }
        }
        if let Some(line) = &mut self.audio {
            let codec = line.reader.codec();
            let is_alike = |other| codec.may_be(other) || other.may_be(codec);
            if let Some(pid) = moved(streams, line.pid, is_alike) {
                line.reader.lose();
                line.pes.reset();
                (line.pid, line.counter) = (pid, None);
            }
        }
    }

    fn finish(&mut self) {
        if let Some(line) = &mut self.video {
            line.reader.finish();
            self.streams.video = self.streams.video.take().or(line.reader.track());
        }
        if let Some(line) = &mut self.audio {
            line.reader.finish();
            self.streams.audio = self.streams.audio.take().or(line.reader.track());
        }
        self.finished = true;
    }

    fn next(&mut self, unit: &mut AccessUnit) -> bool {
        let video = self.video.as_mut().map(|line| &mut line.reader.ready);
        let audio = self.audio.as_mut().map(|line| &mut line.reader.ready);
        let dts = |units: Option<&AccessUnit>| units.map(|unit| unit.dts);
        let (take_video, waits) = match (&video, &audio) {
            (Some(video), Some(audio)) => match (dts(video.front()), dts(audio.front())) {
                (Some(picture), Some(sound)) => (picture <= sound, false),
                (Some(_), None) => (true, !has_waited(video)),
                (None, Some(_)) => (false, !has_waited(audio)),
                (None, None) => return false,
            },
            (video, _) => (video.is_some(), false),
        };
        if waits && !self.finished {
            return false;
        }
        let ready = if take_video { video } else { audio };
        let Some(next) = ready.and_then(|units| units.pop_front()) else {
            return false;
        };
        let old = std::mem::replace(unit, next).data;
        match (take_video, &mut self.video, &mut self.audio) {
            (true, Some(line), _) => line.reader.recycle(old),
            (false, _, Some(line)) => line.reader.recycle(old),
            _ => {}
        }
        true
    }
}

/// Where a stream goes on that was on `pid`: nowhere else while it is there or nothing like it is anywhere, and
/// nowhere at all while something else has taken its place.
fn moved(
    streams: &[ProgramStream],
    pid: u16,
    is_alike: impl Fn(StreamCodec) -> bool,
) -> Option<u16> {
    let at_its_place = streams.iter().find(|stream| stream.pid == pid);
    if at_its_place.is_some_and(|stream| is_alike(stream.codec)) {
        return None;
    }
    let elsewhere = streams.iter().find(|stream| is_alike(stream.codec));
    let displaced = at_its_place.map(|_| NULL_PID);
    elsewhere.map(|stream| stream.pid).or(displaced)
}

/// Whether the first unit need not wait for the other stream any longer.
fn has_waited(units: &VecDeque<AccessUnit>) -> bool {
    let (Some(first), Some(last)) = (units.front(), units.back()) else {
        return false;
    };
    last.dts - first.dts > LONGEST_WAIT
        || units.len() > WAITING_UNITS
        || units.iter().map(|unit| unit.data.len()).sum::<usize>() > UNIT_BYTES
}
