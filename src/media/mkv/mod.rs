//! Matroska and WebM (RFC 8794, RFC 9559): blocks to access units in decode order.
//!
//! Assumes that nothing in the file is true: sizes may be unknown or lie, Cues may be missing, clusters
//! may be cut. The header is small and kept; clusters and Cues are only ever seen through a window of
//! 256 KiB (while places are jumped to, four of them). Whether a picture is a random access point is read from its NAL units. Matroska stores no
//! decoding times and rounds presentation times; both are worked out again here.

mod block;
mod clusters;
mod cues;
mod dts;
mod ebml;
mod ending;
mod grid;
mod header;
mod ids;
mod probe;
mod seek;
mod streams;
mod sync;
mod tracks;

use std::collections::VecDeque;
use std::sync::Arc;

use self::block::Place;
use self::clusters::{Block, Walker};
use self::dts::Reorder;
use self::ebml::Window;
use self::header::{Layout, nanoseconds_to_ticks};
use self::streams::{Audio, Chosen, Video};
use super::audio::parse_frame_header;
use super::nal;
use super::read_at::Source;
use super::time::Ticks90k;
use super::unit::{AccessUnit, Damage, Demuxer, Rap, StreamKind, Streams};
use crate::bail;
use crate::error::Result;

/// No frame is larger; a size beyond is damage. No channel's ring would hold it either.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many frames of one stream wait for the other one, and over how much of the file.
const WAITING_MAX: usize = 2_048;
const WAITING_BYTES: u64 = 8 * 1024 * 1024;

/// A demuxer over one Matroska or WebM file.
pub struct Mkv {
    window: Window,
    layout: Layout,
    streams: Streams,
    video: Option<Video>,
    audio: Option<Audio>,
    walker: Walker,
    reorder: Reorder,
    /// Frames found but not given out yet: where they lie, not their bytes.
    waiting_video: VecDeque<Frame>,
    waiting_audio: VecDeque<Frame>,
    /// Video blocks in front of this place are passed over (behind a seek).
    video_from: u64,
    /// Audio frames that end at or before this time are passed over.
    audio_from: Ticks90k,
    places: Vec<Place>,
    damage: Damage,
    not_native: Option<String>,
    /// What the probe saw of a file without Cues.
    seen: Option<probe::Seen>,
}

/// A frame that waits.
#[derive(Clone, Copy, Debug)]
struct Frame {
    place: Place,
    pts: Ticks90k,
    dts: Ticks90k,
    duration: Ticks90k,
}

impl Mkv {
    /// Opens a file. `Unsupported` names what we cannot play, `Damaged` says where the header is broken.
    pub fn open(source: Source) -> Result<Self> {
        let mkv = Self::open_to_probe(source)?;
        let unfit = mkv.video.as_ref().and_then(|video| video.unfit.as_ref());
        if let Some(reason) = mkv.not_native.as_ref().or(unfit) {
            bail!(Unsupported, "{}: {reason}", mkv.window.name());
        }
        if mkv.streams == Streams::default() {
            bail!(
                Unsupported,
                "{}: neither picture nor sound that fits a transport stream",
                mkv.window.name()
            );
        }
        Ok(mkv)
    }

    /// The same for the probe, which also describes what we cannot play.
    pub(crate) fn open_to_probe(source: Source) -> Result<Self> {
        let mut window = Window::new(source);
        let layout = Layout::read(&mut window)?;
        let Chosen {
            video,
            audio,
            not_native,
        } = streams::choose(&mut window, &layout)?;
        let mut reorder = Reorder::new(video.as_ref().map_or(0, |v| v.reorder_depth));
        if let Some(video) = &video {
            reorder.prime(video.lowest, video.step(), video.grid);
        }
        Ok(Self {
            streams: Streams {
                video: video.as_ref().and_then(Video::stream),
                audio: audio.as_ref().map(|audio| audio.track.clone()),
            },
            walker: layout.walker(layout.first_cluster),
            window,
            layout,
            video,
            audio,
            reorder,
            waiting_video: VecDeque::new(),
            waiting_audio: VecDeque::new(),
            video_from: 0,
            audio_from: Ticks90k(i64::MIN),
            places: Vec::new(),
            damage: Damage::default(),
            not_native,
            seen: None,
        })
    }

    /// Goes on with `walker`; see the fields for the other two.
    fn restart(&mut self, walker: Walker, video_from: u64, audio_from: Ticks90k) {
        self.damage = self.damage();
        self.walker = walker;
        self.waiting_video.clear();
        self.waiting_audio.clear();
        self.video_from = video_from;
        self.audio_from = audio_from;
    }

    /// Where the oldest frame that waits lies.
    fn oldest_place(&self) -> Option<u64> {
        let front = |queue: &VecDeque<Frame>| queue.front().map(|frame| frame.place.at);
        match (front(&self.waiting_video), front(&self.waiting_audio)) {
            (Some(video), Some(audio)) => Some(video.min(audio)),
            (one, other) => one.or(other),
        }
    }

    /// Reads on until a frame of each stream waits, or one stream has run so far ahead that the other
    /// has a hole.
    fn fill(&mut self) -> Result<()> {
        self.window.set_streaming(true);
        loop {
            let has_video = self.streams.video.is_none() || !self.waiting_video.is_empty();
            let has_audio = self.audio.is_none() || !self.waiting_audio.is_empty();
            let oldest = self.oldest_place();
            let far = oldest.is_some_and(|at| self.walker.position() > at + WAITING_BYTES);
            let many = self.waiting_video.len().max(self.waiting_audio.len()) >= WAITING_MAX;
            if (has_video && has_audio) || far || many {
                return Ok(());
            }
            self.window.keep_from(oldest.unwrap_or(u64::MAX));
            match self.walker.next(&mut self.window)? {
                Some(block) => self.take(&block)?,
                None => return Ok(()),
            }
        }
    }

    /// Queues the frames of a block.
    fn take(&mut self, block: &Block) -> Result<()> {
        let number = block.header.track;
        let video = self.video.as_ref().filter(|v| v.track.number == number);
        let audio = self.audio.as_ref().filter(|a| a.number == number);
        let wanted = match (video, audio) {
            (Some(video), _) => video.config.is_some() && block.at >= self.video_from,
            (None, audio) => audio.is_some(),
        };
        if !wanted {
            return Ok(());
        }
        let sound = block
            .header
            .frames(&mut self.window, block.end, &mut self.places)?;
        if !sound {
            self.damage.dropped_units += 1;
            return Ok(());
        }
        for (index, place) in self.places.iter().enumerate() {
            if place.bytes == 0 || place.bytes > FRAME_BYTES_MAX as u64 {
                self.damage.dropped_units += 1;
                continue;
            }
            if let Some(video) = video {
                // Lacing is for sound; where pictures are laced they are as long as always.
                let behind = Ticks90k(video.frame_duration.0.saturating_mul(index as i64));
                let pts = video.pts(&self.layout, block.time) + behind;
                let stated = block.duration.filter(|_| self.places.len() == 1);
                self.waiting_video.push_back(Frame {
                    place: *place,
                    pts,
                    dts: self.reorder.next(pts),
                    duration: stated.map_or(video.frame_duration, |length| {
                        let scale = i128::from(self.layout.timestamp_scale);
                        nanoseconds_to_ticks(i128::from(length) * scale)
                    }),
                });
            } else if let Some(audio) = audio {
                let pts = audio.pts(&self.layout, block.time, index);
                let duration = audio.track.frame_duration();
                if pts + duration > self.audio_from {
                    self.waiting_audio.push_back(Frame {
                        place: *place,
                        pts,
                        dts: pts,
                        duration,
                    });
                }
            }
        }
        Ok(())
    }

    /// Reads a frame into `unit`; `false` when it is damaged.
    fn emit(&mut self, kind: StreamKind, frame: Frame, unit: &mut AccessUnit) -> Result<bool> {
        unit.kind = kind;
        unit.pts = frame.pts;
        unit.dts = frame.dts;
        unit.duration = frame.duration;
        unit.rap = Rap::Clean;
        unit.skipped_leading = false;
        unit.parameter_sets = None;
        unit.data.clear();
        let bytes = frame.place.bytes as usize;
        match (kind, &mut self.video, &self.audio) {
            (StreamKind::Video, Some(video), _) => {
                unit.data.extend_from_slice(&video.track.stripped);
                if !self.window.copy(frame.place.at, bytes, &mut unit.data)? {
                    return Ok(false);
                }
                finish_picture(video, unit)
            }
            (StreamKind::Audio, _, Some(audio)) => {
                if let Some(aac) = &audio.aac {
                    let Ok(header) = aac.adts_header(bytes + audio.stripped.len()) else {
                        return Ok(false);
                    };
                    unit.data.extend_from_slice(&header);
                }
                unit.data.extend_from_slice(&audio.stripped);
                let whole = self.window.copy(frame.place.at, bytes, &mut unit.data)?;
                // AAC has nothing to check; other frames begin with a header that must make sense.
                Ok(whole
                    && (audio.aac.is_some()
                        || parse_frame_header(audio.track.codec, &unit.data).is_some()))
            }
            _ => Ok(false),
        }
    }
}

/// Turns the bytes of a picture into Annex B and says what it is; `false` when they are damaged.
fn finish_picture(video: &mut Video, unit: &mut AccessUnit) -> Result<bool> {
    let Some(config) = &video.config else {
        return Ok(false);
    };
    let Ok(facts) = nal::to_annex_b(config.codec, &mut unit.data, config.nal_length_bytes) else {
        return Ok(false);
    };
    unit.rap = facts.rap;
    unit.skipped_leading = facts.skipped_leading;
    if facts.rap != Rap::No {
        if facts.has_parameter_sets {
            // They stay in force for the random access points behind this one.
            let mut sets = Vec::new();
            nal::copy_parameter_sets(config.codec, &unit.data, &mut sets);
            if *sets != *video.sets {
                video.sets = Arc::from(sets);
            }
        } else {
            unit.parameter_sets = Some(Arc::clone(&video.sets));
        }
    }
    Ok(true)
}

impl Demuxer for Mkv {
    fn streams(&self) -> &Streams {
        &self.streams
    }

    fn seek(&mut self, target: Ticks90k) -> Result<Ticks90k> {
        self.seek_to(target)
    }

    fn next(&mut self, unit: &mut AccessUnit) -> Result<bool> {
        loop {
            self.fill()?;
            let video = self.waiting_video.front().map(|frame| frame.dts);
            let audio = self.waiting_audio.front().map(|frame| frame.dts);
            let video_first = match (video, audio) {
                (Some(video), Some(audio)) => video <= audio,
                (video, _) => video.is_some(),
            };
            let (kind, frame) = if video_first {
                (StreamKind::Video, self.waiting_video.pop_front())
            } else {
                (StreamKind::Audio, self.waiting_audio.pop_front())
            };
            let Some(frame) = frame else {
                return Ok(false);
            };
            if self.emit(kind, frame, unit)? {
                return Ok(true);
            }
            self.damage.dropped_units += 1;
        }
    }

    fn damage(&self) -> Damage {
        Damage {
            dropped_units: self.damage.dropped_units + self.walker.bad_blocks,
            skipped_bytes: self.damage.skipped_bytes + self.walker.skipped_bytes,
        }
    }
}
