//! MPEG transport streams (ISO 13818-1) to access units: [`TsStream`] takes bytes as they come (ffmpeg's
//! pipe), [`TsFile`] is a demuxer over a file of 188-, 192- or 204-byte packets.
//!
//! Takes the first programme that has a picture or sound of ours, and of it the first of each. Damage
//! costs the units it touches; time stamps come out unwrapped, units merged by their DTS. What waits is
//! bounded: one picture of 32 MB, and a second of units of one stream while the other has none.

mod audio;
mod file;
mod packet;
mod pes;
pub(crate) mod psi;
mod survey;
mod video;

pub use file::TsFile;

use std::collections::VecDeque;

use self::audio::AudioReader;
use self::packet::{Framer, NULL_PID, Packet};
use self::pes::{PesReader, Unwrap};
use self::psi::{ProgramStream, Sections, StreamCodec, parse_pat, parse_pmt};
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

    /// A stream that is entered at another place: the programme is known already.
    fn resumed(&self, origin: Ticks90k) -> Self {
        let core = &self.core;
        Self {
            framer: Framer::default(),
            core: Core {
                program: core.program.clone(),
                map_pid: core.map_pid,
                video: core
                    .video
                    .as_ref()
                    .map(|line| Line::new(line.pid, line.reader.resumed())),
                audio: core
                    .audio
                    .as_ref()
                    .map(|line| Line::new(line.pid, line.reader.resumed())),
                clock: Unwrap::from_origin(origin),
                streams: core.streams.clone(),
                ..Core::default()
            },
        }
    }

    /// Takes the next bytes, in pieces of any size. Take the units that they complete before more are pushed:
    /// only what must wait for the other stream is bounded.
    pub fn push(&mut self, bytes: &[u8]) {
        let core = &mut self.core;
        self.framer.push(bytes, &mut |packet| core.packet(packet));
    }

    /// Nothing comes any more: what is left comes out of [`TsStream::next`].
    pub fn finish(&mut self) {
        self.core.finish();
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
        !self.core.program.is_empty()
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
        &self.core.program
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
    pat: Sections,
    /// Programme map tables named by the PAT.
    maps: Vec<(u16, Sections)>,
    /// The programme taken; empty before there is one.
    program: Vec<ProgramStream>,
    /// PID of its map.
    map_pid: Option<u16>,
    video: Option<Line<VideoReader>>,
    audio: Option<Line<AudioReader>>,
    clock: Unwrap,
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
            if let Some(header) = piece.header {
                line.reader.begin(header, &mut self.clock);
            }
            line.reader.push(piece.body, piece.complete);
            if self.streams.audio.is_none() {
                self.streams.audio = line.reader.track();
            }
        } else {
            self.table(&packet);
        }
    }

    fn table(&mut self, packet: &Packet<'_>) {
        if packet.pid == 0 {
            let mut found = None;
            self.pat.push(packet.start, packet.payload, &mut |section| {
                found = parse_pat(section).or(found.take());
            });
            if let Some(pids) = found {
                self.maps.retain(|(pid, _)| pids.contains(pid));
                for pid in pids {
                    if !self.maps.iter().any(|(known, _)| *known == pid) {
                        self.maps.push((pid, Sections::default()));
                    }
                }
            }
            return;
        }
        let Some((pid, sections)) = self.maps.iter_mut().find(|(pid, _)| *pid == packet.pid) else {
            return;
        };
        if self.map_pid.is_some_and(|map| map != *pid) {
            return;
        }
        let (pid, mut found) = (*pid, None);
        sections.push(packet.start, packet.payload, &mut |section| {
            found = parse_pmt(section).or(found.take());
        });
        if let Some(streams) = found.filter(|streams| *streams != self.program) {
            self.choose(pid, streams);
        }
    }

    /// Takes over a programme map: the first of its pictures and sounds that we carry. A later map may
    /// move a stream to another PID, never change what it is.
    fn choose(&mut self, pid: u16, program: Vec<ProgramStream>) {
        let carried = |stream: &&ProgramStream| {
            matches!(
                stream.codec,
                StreamCodec::Video(_) | StreamCodec::Audio(_) | StreamCodec::MpegAudio
            )
        };
        if !program.iter().any(|stream| carried(&stream)) {
            // Kept for its names only, unless a programme that we can use comes.
            if self.map_pid.is_none() && self.program.is_empty() {
                self.program = program;
            }
            return;
        }
        let first_choice = self.map_pid.is_none();
        self.map_pid = Some(pid);
        if first_choice {
            for stream in &program {
                match stream.codec {
                    StreamCodec::Video(codec) if self.video.is_none() => {
                        self.video = Some(Line::new(stream.pid, VideoReader::new(codec)));
                    }
                    StreamCodec::Audio(_) | StreamCodec::MpegAudio if self.audio.is_none() => {
                        self.audio = Some(Line::new(stream.pid, AudioReader::new(stream.codec)));
                    }
                    _ => {}
                }
            }
        } else {
            self.follow(&program);
        }
        self.program = program;
    }

    /// Moves the lines to the PIDs that the same codecs now have.
    fn follow(&mut self, program: &[ProgramStream]) {
        if let Some(line) = &mut self.video
            && !program.iter().any(|stream| stream.pid == line.pid)
        {
            let codec = StreamCodec::Video(line.reader.codec());
            if let Some(stream) = program.iter().find(|stream| stream.codec == codec) {
                line.reader.lose();
                line.pes.reset();
                (line.pid, line.counter) = (stream.pid, None);
            }
        }
        if let Some(line) = &mut self.audio
            && !program.iter().any(|stream| stream.pid == line.pid)
        {
            let codec = line.reader.codec();
            let same = |stream: &&ProgramStream| {
                stream.codec == codec || stream.codec == StreamCodec::MpegAudio
            };
            if let Some(stream) = program.iter().find(same) {
                line.reader.lose();
                line.pes.reset();
                (line.pid, line.counter) = (stream.pid, None);
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

/// Whether the first unit need not wait for the other stream any longer.
fn has_waited(units: &VecDeque<AccessUnit>) -> bool {
    let (Some(first), Some(last)) = (units.front(), units.back()) else {
        return false;
    };
    last.dts - first.dts > LONGEST_WAIT
        || units.len() > WAITING_UNITS
        || units.iter().map(|unit| unit.data.len()).sum::<usize>() > UNIT_BYTES
}
