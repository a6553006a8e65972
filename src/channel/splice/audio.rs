//! The sound of a channel: the grid of its frames, and silence where a feed leaves a hole.

use super::{From, Front, SKEW, Sound, Splicer, WAITING_BYTES};
use crate::media::audio::parse_frame_header;
use crate::media::{AccessUnit, Format, Rap, StreamKind, Ticks90k};
use crate::mux::silence::silent_frame;

/// A silent frame of the channel's format.
#[derive(Debug)]
pub(super) struct Silence {
    frame: &'static [u8],
    samples: i64,
    rate_hz: u32,
}

/// The end of the last audio frame as a start and samples since, so that runs of frames do not drift.
#[derive(Clone, Copy, Debug)]
pub(super) struct AudioEnd {
    base: Ticks90k,
    samples: i64,
    rate_hz: u32,
}

impl AudioEnd {
    pub(super) fn ticks(&self) -> Ticks90k {
        self.base + Ticks90k::from_scaled(self.samples, self.rate_hz)
    }
}

impl Silence {
    /// `None` for formats that we have none for.
    pub(super) fn for_format(format: &Format) -> Option<Self> {
        let frame = silent_frame(format)?;
        let header = parse_frame_header(format.audio, frame)?;
        Some(Self {
            frame,
            samples: i64::from(header.samples),
            rate_hz: header.rate_hz,
        })
    }
}

impl Splicer {
    pub(super) fn audio_front(&mut self) -> Front {
        let Some(silence) = &self.silence else {
            return self.audio_front_unfilled();
        };
        let frame = Ticks90k::from_scaled(silence.samples, silence.rate_hz);
        let nearly = Ticks90k(frame.0 * 3 / 4);
        while let Some(part) = self.parts.get_mut(self.audio_at) {
            let end = self.audio_end.map_or(part.from, |e| e.ticks());
            while let Some(front) = part.audio.front() {
                if self.audio_end.is_some() && front.pts < end - Ticks90k(front.duration.0 / 4) {
                    part.audio_bytes -= front.data.len();
                    part.audio.pop_front();
                    self.counts.dropped += 1;
                    continue;
                }
                if front.pts - end > frame {
                    return Front::Ready(end, From::Cover);
                }
                return Front::Ready(front.dts, From::Queue);
            }
            if part.is_cold && !part.ended {
                return part.blocked();
            }
            let silent = part.sound == Some(Sound::None);
            if silent || part.audio_done || part.ended || part.is_covered_to_its_end() {
                // Without a planned end sound lasts as long as the pictures.
                let to = if part.to.0 == i64::MAX {
                    self.video_end.unwrap_or(part.from)
                } else {
                    part.to
                };
                let missing = to - end;
                if missing > frame || (silent && missing >= nearly) {
                    return Front::Ready(end, From::Cover);
                }
                if part.to.0 == i64::MAX && !(part.ended && part.video.is_empty()) {
                    return Front::Free;
                }
                self.audio_at += 1;
                continue;
            }
            let ahead = part.sound != Some(Sound::Apart) && part.video_seen - end > SKEW;
            let absent = ahead || part.video_bytes > WAITING_BYTES;
            if absent || end + nearly <= part.cover_to {
                return Front::Ready(end, From::Cover);
            }
            return part.blocked();
        }
        Front::Free
    }

    /// For formats that we have no silence for: frames as they come.
    fn audio_front_unfilled(&mut self) -> Front {
        while let Some(part) = self.parts.get_mut(self.audio_at) {
            if let Some(front) = part.audio.front() {
                return Front::Ready(front.dts, From::Queue);
            }
            let absent =
                part.video_seen - part.audio_seen > SKEW || part.video_bytes > WAITING_BYTES;
            if part.sound == Some(Sound::None)
                || part.audio_done
                || part.ended
                || absent
                || part.cover_to.0 > i64::MIN
            {
                if self.video_at > self.audio_at {
                    self.audio_at += 1;
                    continue;
                }
                return Front::Free;
            }
            return part.blocked();
        }
        Front::Free
    }

    pub(super) fn take_audio(&mut self, from: From) -> Option<AccessUnit> {
        let part = self.parts.get_mut(self.audio_at)?;
        match from {
            From::Queue => {
                let unit = part.audio.pop_front()?;
                part.audio_bytes -= unit.data.len();
                self.audio_end = Some(AudioEnd {
                    base: unit.pts + unit.duration,
                    samples: 0,
                    rate_hz: 1,
                });
                Some(unit)
            }
            From::Cover => {
                let from = part.from;
                let silence = self.silence.as_ref()?;
                let grid = match self.audio_end {
                    Some(grid) if grid.rate_hz == silence.rate_hz => grid,
                    other => AudioEnd {
                        base: other.map_or(from, |e| e.ticks()),
                        samples: 0,
                        rate_hz: silence.rate_hz,
                    },
                };
                let pts = grid.ticks();
                let next = AudioEnd {
                    samples: grid.samples + silence.samples,
                    ..grid
                };
                self.audio_end = Some(next);
                self.counts.silent_frames += 1;
                Some(AccessUnit {
                    kind: StreamKind::Audio,
                    pts,
                    dts: pts,
                    duration: next.ticks() - pts,
                    rap: Rap::Clean,
                    data: silence.frame.to_vec(),
                    ..AccessUnit::default()
                })
            }
        }
    }
}
