//! The multiplexer: what goes out when. PSI, clock references and audio packing follow the DTS of the
//! units written, so the stream depends on nothing else. At a fixed rate they follow the packets written,
//! which follow the DTS by as much as large pictures take to send.

use std::sync::Arc;

use super::packet::{Adaptation, PCR_PER_TICK, write_adaptation_only, write_unit};
use super::pes::{PesHeader, VIDEO_STREAM_ID, audio_stream_id, picture_parts};
use super::psi::Tables;
use super::rate::FixedRate;
use super::{AUDIO_PID, Layout, NULL_PACKET, PACKET_BYTES, PMT_PID, VIDEO_PID};
use crate::media::{AccessUnit, AudioCodec, Rap, StreamKind, Ticks90k, VideoCodec};

/// How far the clock reference runs behind the DTS of the unit it is sent with: the time that a decoder
/// has to collect a unit. 700 ms covers the buffer of one second of every level (ISO 13818-1 §2.4.2.7)
/// for all but the largest pictures, and is what ffmpeg uses.
pub const PCR_DELAY: Ticks90k = Ticks90k::from_ms(700);

/// Distance of clock references. ISO 13818-1 §2.7.2 allows 100 ms, DVB 40 ms.
const PCR_INTERVAL: Ticks90k = Ticks90k::from_ms(20);
/// Distance of PAT and PMT; looked at every [`PCR_INTERVAL`] or oftener, so they are never more than 100 ms apart.
const PSI_INTERVAL: Ticks90k = Ticks90k::from_ms(80);
/// Distance of the SDT, likewise.
const SDT_INTERVAL: Ticks90k = Ticks90k::from_ms(480);
/// At a fixed rate a unit has arrived this long before it is decoded, if need be by going faster: what is
/// left of [`PCR_DELAY`] may be used to spread large pictures. Sound that waits for its packet to fill is
/// up to 100 ms late and still in time.
const LEAST_DELAY: Ticks90k = Ticks90k::from_ms(200);
/// A step of the DTS beyond this, in either direction, is a new time base and not a gap to be filled.
const LARGEST_STEP: Ticks90k = Ticks90k::from_ms(5_000);

/// An audio PES packet holds no more, unless a single frame is larger: 16 packets, ffmpeg's default.
const AUDIO_PES_BYTES: usize = 2_930;
/// An audio PES packet lasts no longer, unless a single frame does.
const AUDIO_PES_TIME: Ticks90k = Ticks90k::from_ms(100);
/// Frames are contiguous when they meet within this: both ends were rounded to ticks.
const AUDIO_ROUNDING: Ticks90k = Ticks90k(2);

const PAT_PID: u16 = 0x00;
const SDT_PID: u16 = 0x11;
const STUFFING: [u8; 184] = [0xFF; 184];

/// Packets with one PID.
#[derive(Clone, Copy, Debug)]
struct Line {
    pid: u16,
    /// Continuity counter of the next packet with payload.
    counter: u8,
    /// Whether the next packet announces a discontinuity.
    discontinuity: bool,
}

impl Line {
    const fn new(pid: u16) -> Self {
        Self {
            pid,
            counter: 0,
            discontinuity: false,
        }
    }

    fn adaptation(&mut self, random_access: bool, pcr: Option<i64>) -> Adaptation {
        Adaptation {
            discontinuity: std::mem::take(&mut self.discontinuity),
            random_access,
            pcr,
        }
    }
}

/// Where the stream is in time.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// DTS reached.
    now: Ticks90k,
    next_pcr: Ticks90k,
    next_psi: Ticks90k,
    next_sdt: Ticks90k,
    /// The last clock reference, in units of 27 MHz.
    last_pcr: Option<i64>,
    /// Where a stream of fixed rate is.
    rate: Option<FixedRate>,
}

impl Progress {
    /// At the beginning of a time base: everything is due.
    fn at(dts: Ticks90k, mut rate: Option<FixedRate>) -> Self {
        if let Some(rate) = &mut rate {
            rate.start(pcr_of(dts - PCR_DELAY));
        }
        Self {
            now: dts,
            next_pcr: dts,
            next_psi: dts,
            next_sdt: dts,
            last_pcr: None,
            rate,
        }
    }

    /// `packets` packets were written. At a fixed rate that is what makes time go by.
    fn pass(&mut self, packets: usize) {
        if let Some(rate) = &mut self.rate {
            rate.pass(packets);
            self.now = Ticks90k(rate.pcr().div_euclid(PCR_PER_TICK)) + PCR_DELAY;
        }
    }

    /// Whether a fixed rate has room for more before `dts` is due.
    fn has_room_before(&self, dts: Ticks90k) -> bool {
        let due = pcr_of(dts - PCR_DELAY);
        self.rate.is_some_and(|rate| rate.pcr() < due)
    }

    /// The clock reference for now. It never stands still: two of one tick differ by 1/27 µs.
    fn take_pcr(&mut self) -> i64 {
        let now = match &self.rate {
            Some(rate) => rate.pcr(),
            None => pcr_of(self.now - PCR_DELAY),
        };
        let pcr = self.last_pcr.map_or(now, |last| now.max(last + 1));
        self.last_pcr = Some(pcr);
        self.next_pcr = self.now + PCR_INTERVAL;
        pcr
    }
}

/// Ticks of 90 kHz in units of 27 MHz.
fn pcr_of(time: Ticks90k) -> i64 {
    time.0.saturating_mul(PCR_PER_TICK)
}

/// Audio frames that wait for their PES packet to fill.
#[derive(Clone, Debug, Default)]
struct PendingAudio {
    bytes: Vec<u8>,
    /// PTS of the first frame.
    start: Ticks90k,
    /// End of the last frame.
    end: Ticks90k,
}

/// The one multiplexer of a channel.
///
/// A clone is a checkpoint: written with the same units it makes the same bytes again. It takes some
/// 200 bytes and, unless [`Muxer::flush`] went before, the audio frames that wait (up to 3 KB).
#[derive(Clone, Debug)]
pub struct Muxer {
    tables: Arc<Tables>,
    video: Option<VideoCodec>,
    audio: Option<AudioCodec>,
    pat: Line,
    pmt: Line,
    sdt: Line,
    video_line: Line,
    audio_line: Line,
    /// Whether `progress` says anything: not before the first unit.
    started: bool,
    progress: Progress,
    /// PAT and PMT are the last packets written.
    tables_fresh: bool,
    /// A discontinuity was asked for.
    restart: bool,
    pending: PendingAudio,
}

impl Muxer {
    /// A stream that has not begun. Its first packets will be PAT, PMT and SDT.
    pub fn new(layout: Layout) -> Self {
        Self {
            tables: Arc::new(Tables::new(&layout)),
            video: layout.video,
            audio: layout.audio,
            pat: Line::new(PAT_PID),
            pmt: Line::new(PMT_PID),
            sdt: Line::new(SDT_PID),
            video_line: Line::new(VIDEO_PID),
            audio_line: Line::new(AUDIO_PID),
            started: false,
            progress: Progress::at(Ticks90k::ZERO, layout.mux_rate_kbit.map(FixedRate::new)),
            tables_fresh: false,
            restart: false,
            pending: PendingAudio::default(),
        }
    }

    /// Appends `unit` to `out` as whole packets, with the tables and clock references that are due.
    ///
    /// Units come in non-decreasing DTS over both streams. Audio frames may stay here until the next
    /// call: at most 100 ms, and never beyond a video random access point. Units of a stream that the
    /// layout does not have are left out. A DTS that steps by more than 5 s acts as if
    /// [`Muxer::discontinuity`] had been called.
    pub fn write(&mut self, unit: &AccessUnit, out: &mut Vec<u8>) {
        match (unit.kind, self.video, self.audio) {
            (StreamKind::Video, Some(codec), _) => self.write_picture(codec, unit, out),
            (StreamKind::Audio, _, Some(_)) => self.write_audio(unit, out),
            _ => {}
        }
    }

    /// Appends the tables and clock references that are due before `dts`, and audio that has waited long
    /// enough, when no unit does it. Nothing with a smaller DTS may be written afterwards.
    pub fn advance(&mut self, dts: Ticks90k, out: &mut Vec<u8>) {
        self.move_to(dts, out);
    }

    /// Appends the audio frames that wait.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.flush_audio(out);
    }

    /// Writes everything that belongs before a random access point at `dts`, so that the point's own
    /// [`Muxer::write`] begins with PAT and PMT: a place where a client can start to read.
    pub fn cut(&mut self, dts: Ticks90k, out: &mut Vec<u8>) {
        if self.move_to(dts, out) {
            self.tick(out);
        }
        self.flush_audio(out);
        self.tables_fresh = false;
    }

    /// Appends what a client needs that lost packets and goes on at the place reached: a packet of each
    /// PID that announces the break and leaves its continuity counter in step. That of the clock's PID
    /// carries the clock: after the announcement no other packet may come before it (ISO 13818-1 §2.4.3.5).
    pub fn rejoin_packets(&self, out: &mut Vec<u8>) {
        let clock_pid = match self.video {
            Some(_) => self.video_line.pid,
            None => self.audio_line.pid,
        };
        for line in [
            &self.pat,
            &self.pmt,
            &self.sdt,
            &self.video_line,
            &self.audio_line,
        ] {
            let adaptation = Adaptation {
                discontinuity: true,
                random_access: false,
                pcr: self.progress.last_pcr.filter(|_| line.pid == clock_pid),
            };
            write_adaptation_only(line.pid, line.counter, adaptation, out);
        }
    }

    /// From the next unit on, time starts anew: the next packet of each PID carries the
    /// discontinuity_indicator (ISO 13818-1 §2.4.3.5), and DTS and clock may jump. Continuity counters
    /// run on. Audio that waits is still written before. Before the first unit it says that the stream
    /// goes on from another multiplexer's.
    pub fn discontinuity(&mut self) {
        self.restart = true;
    }

    /// Packets sent faster than the fixed rate allows, because what they hold had to arrive in time. None
    /// without such a rate.
    pub fn packets_over_rate(&self) -> u64 {
        let rate = self.progress.rate.as_ref();
        rate.map_or(0, FixedRate::over_packets)
    }

    fn write_picture(&mut self, codec: VideoCodec, unit: &AccessUnit, out: &mut Vec<u8>) {
        let dts = unit.dts.min(unit.pts);
        let entry = unit.rap != Rap::No;
        let due = self.move_to(dts, out);
        if entry {
            self.flush_audio(out);
            if !self.tables_fresh {
                self.write_tables(out);
            }
        }
        let pcr = (due || entry).then(|| self.progress.take_pcr());
        let header = PesHeader::new(VIDEO_STREAM_ID, unit.pts, dts, None);
        let [new_delimiter, delimiter, sets, data] = picture_parts(codec, unit);
        let parts = [header.as_bytes(), new_delimiter, delimiter, sets, data];
        let line = &mut self.video_line;
        let adaptation = line.adaptation(entry, pcr);
        let (from, pid) = (out.len(), line.pid);
        write_unit(pid, &mut line.counter, adaptation, &parts, out);
        self.tables_fresh = false;
        self.pace(pid, from, dts - LEAST_DELAY, out);
    }

    fn write_audio(&mut self, unit: &AccessUnit, out: &mut Vec<u8>) {
        self.move_to(unit.dts, out);
        let gap = unit.pts - self.pending.end;
        let contiguous = gap <= AUDIO_ROUNDING && -gap <= AUDIO_ROUNDING;
        let end = unit.pts + unit.duration;
        if !contiguous
            || end - self.pending.start > AUDIO_PES_TIME
            || self.pending.bytes.len() + unit.data.len() > AUDIO_PES_BYTES
        {
            self.flush_audio(out);
        }
        if self.pending.bytes.is_empty() {
            self.pending.bytes.reserve(AUDIO_PES_BYTES);
            (self.pending.start, self.pending.end) = (unit.pts, unit.pts);
        }
        self.pending.bytes.extend_from_slice(&unit.data);
        self.pending.end += unit.duration;
        if self.pending.bytes.len() >= AUDIO_PES_BYTES {
            self.flush_audio(out);
        }
    }

    /// Goes to `dts`, writing what is due on the way. Returns whether a clock reference is due at it.
    fn move_to(&mut self, dts: Ticks90k, out: &mut Vec<u8>) -> bool {
        let step = dts - self.progress.now;
        let jumps = step > LARGEST_STEP || -step > LARGEST_STEP;
        if self.restart || (self.started && jumps) {
            self.flush_audio(out);
            for line in [
                &mut self.pat,
                &mut self.pmt,
                &mut self.sdt,
                &mut self.video_line,
                &mut self.audio_line,
            ] {
                line.discontinuity = true;
            }
            self.started = false;
        }
        if !self.started {
            self.progress = Progress::at(dts, self.progress.rate);
            (self.started, self.restart) = (true, false);
        }
        if self.progress.rate.is_some() {
            self.fill_to(dts, out);
            return self.progress.next_pcr <= self.progress.now;
        }
        while self.progress.next_pcr < dts {
            self.progress.now = self.progress.next_pcr;
            self.tick(out);
            if self.progress.next_pcr <= self.progress.now {
                self.write_clock(out);
            }
        }
        self.progress.now = self.progress.now.max(dts);
        self.tick(out);
        self.progress.next_pcr <= self.progress.now
    }

    /// At a fixed rate: what is due, and null packets, until it is time for what is decoded at `dts`.
    fn fill_to(&mut self, dts: Ticks90k, out: &mut Vec<u8>) {
        while self.progress.has_room_before(dts) {
            let before = out.len();
            self.tick(out);
            if self.progress.next_pcr <= self.progress.now {
                self.write_clock(out);
            }
            if out.len() == before {
                out.extend_from_slice(&NULL_PACKET);
                self.progress.pass(1);
                self.tables_fresh = false;
            }
        }
        self.tick(out);
    }

    /// At a fixed rate: sets the packets of a unit, which `out` holds from `from` on, into the line, with
    /// the tables and clock references that come due between them. They have to have arrived by `latest`.
    fn pace(&mut self, pid: u16, from: usize, latest: Ticks90k, out: &mut Vec<u8>) {
        let Some(rate) = &mut self.progress.rate else {
            return;
        };
        let packets = (out.len() - from) / PACKET_BYTES;
        rate.hurry(packets, pcr_of(latest));
        let end = Ticks90k(rate.after(packets).div_euclid(PCR_PER_TICK)) + PCR_DELAY;
        if end < self.progress.next_pcr.min(self.progress.next_psi) {
            self.progress.pass(packets);
        } else {
            let unit = out.split_off(from);
            let mut counter = None;
            for packet in unit.chunks(PACKET_BYTES) {
                if let Some(counter) = counter {
                    self.write_between(pid, counter, out);
                }
                counter = packet.get(3).map(|byte| (byte & 0x0F) + 1);
                out.extend_from_slice(packet);
                self.progress.pass(1);
            }
            self.tables_fresh = false;
        }
        if let Some(rate) = &mut self.progress.rate {
            rate.calm();
        }
    }

    /// What comes due in the middle of a unit of `pid` whose next packet has this counter.
    fn write_between(&mut self, pid: u16, counter: u8, out: &mut Vec<u8>) {
        if self.progress.next_psi <= self.progress.now {
            self.write_tables(out);
        }
        if self.progress.next_pcr <= self.progress.now {
            let pcr = self.progress.take_pcr();
            let line = self.clock_line();
            let adaptation = line.adaptation(false, Some(pcr));
            let counter = if line.pid == pid {
                counter
            } else {
                line.counter
            };
            write_adaptation_only(line.pid, counter, adaptation, out);
            self.progress.pass(1);
        }
    }

    /// The packets that carry the clock.
    fn clock_line(&mut self) -> &mut Line {
        match self.video {
            Some(_) => &mut self.video_line,
            None => &mut self.audio_line,
        }
    }

    /// Writes tables and audio that are due now.
    fn tick(&mut self, out: &mut Vec<u8>) {
        let now = self.progress.now;
        if self.progress.next_psi <= now {
            self.write_tables(out);
        }
        if !self.pending.bytes.is_empty() && now - self.pending.start >= AUDIO_PES_TIME {
            self.flush_audio(out);
        }
    }

    /// PAT and PMT, and the SDT when it is due.
    fn write_tables(&mut self, out: &mut Vec<u8>) {
        let progress = &mut self.progress;
        progress.next_psi = progress.now + PSI_INTERVAL;
        write_table(&mut self.pat, &self.tables.pat, out);
        write_table(&mut self.pmt, &self.tables.pmt, out);
        progress.pass(2);
        if progress.next_sdt <= progress.now {
            progress.next_sdt = progress.now + SDT_INTERVAL;
            write_table(&mut self.sdt, &self.tables.sdt, out);
            progress.pass(1);
        }
        self.tables_fresh = true;
    }

    /// A packet with a clock reference and nothing else.
    fn write_clock(&mut self, out: &mut Vec<u8>) {
        let pcr = self.progress.take_pcr();
        let line = self.clock_line();
        let adaptation = line.adaptation(false, Some(pcr));
        write_adaptation_only(line.pid, line.counter, adaptation, out);
        self.progress.pass(1);
        self.tables_fresh = false;
    }

    fn flush_audio(&mut self, out: &mut Vec<u8>) {
        let Some(codec) = self.audio.filter(|_| !self.pending.bytes.is_empty()) else {
            return;
        };
        // Without pictures this PID carries the clock, and random access packets carry it always.
        let pcr = match self.video {
            Some(_) => None,
            None => Some(self.progress.take_pcr()),
        };
        let PendingAudio { bytes, start, .. } = &mut self.pending;
        let header = PesHeader::new(audio_stream_id(codec), *start, *start, Some(bytes.len()));
        let line = &mut self.audio_line;
        let adaptation = line.adaptation(true, pcr);
        let parts = [header.as_bytes(), bytes];
        let (from, pid, latest) = (out.len(), line.pid, *start - LEAST_DELAY);
        write_unit(pid, &mut line.counter, adaptation, &parts, out);
        bytes.clear();
        self.tables_fresh = false;
        self.pace(pid, from, latest + AUDIO_PES_TIME, out);
    }
}

/// Writes a table into one packet. What is left behind a section is 0xFF (ISO 13818-1 §2.4.4.1).
fn write_table(line: &mut Line, section: &[u8], out: &mut Vec<u8>) {
    let adaptation = line.adaptation(false, None);
    let field = if adaptation.discontinuity { 2 } else { 0 };
    let room = STUFFING.len() - field;
    let stuffing = STUFFING.get(..room.saturating_sub(section.len()));
    let parts = [section, stuffing.unwrap_or_default()];
    write_unit(line.pid, &mut line.counter, adaptation, &parts, out);
}
