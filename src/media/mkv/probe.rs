//! What the native probe asks of a Matroska file: exact ends from its first and last clusters, random
//! access points from its Cues, or from a walk over the clusters when it has none.

use super::Mkv;
use super::clusters::{Block, find_cluster};
use super::cues::{self, Cue};
use super::tracks::{Kind, Track};
use crate::error::Result;
use crate::media::audio::aac::AacConfig;
use crate::media::probe::{
    self, AudioProbe, Chapter, Container, IndexPoint, Probe, ProbeSource, Survey, VideoProbe,
};
use crate::media::time::Ticks90k;
use crate::media::unit::{AudioCodec, Rap};

/// How much is read at each of three places of a file without Cues, and at least as many random access
/// points seen there.
const SEEN_BYTES: u64 = 4 * 1024 * 1024;
const SEEN_POINTS: usize = 3;
/// But never more than this.
const SEEN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What was seen where a file without Cues was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The longest distances between random access points.
    interval: Ticks90k,
    bytes: u64,
    /// The least of what the random access points are.
    rap: Rap,
    /// Whether that was the whole file.
    whole: bool,
}

impl ProbeSource for Mkv {
    fn chapters(&mut self) -> Vec<Chapter> {
        self.layout.chapters(&mut self.window).unwrap_or_default()
    }

    fn survey(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<Survey> {
        self.window.set_streaming(false);
        let last_cue = self.visit_cues(visit)?;
        let start = match &self.video {
            Some(_) => self.first_rap()?.map(|entry| entry.pts),
            None if self.audio.is_some() => Some(self.seek_to(Ticks90k(i64::MIN / 4))?),
            // Nothing here that we can carry: whatever comes first.
            None => self.first_time()?,
        };
        self.window.set_streaming(false);
        let start = start.unwrap_or_default();
        let end = self.last_end(last_cue)?;
        if self.video.is_some() && last_cue.is_none() {
            self.visit_places(visit)?;
        }
        let audio = self.layout.tracks.iter().filter(|t| t.kind == Kind::Audio);
        let played = self.audio.as_ref().map(|audio| audio.number);
        Ok(Survey {
            probe: Probe {
                container: Container::Matroska,
                start,
                end: end.max(start),
                video: self.video.is_some().then(|| self.video_probe()),
                audio: audio
                    .map(|track| {
                        let stream = self.streams.audio.as_ref();
                        audio_probe(track, stream.filter(|_| played == Some(track.number)))
                    })
                    .collect(),
                chapters: Vec::new(),
                not_native: self.not_native.clone(),
            },
            end_bytes: match &self.layout.cues {
                Some(cues) if cues.at > self.layout.first_cluster => cues.at,
                _ => self.layout.end,
            },
        })
    }

    fn rap_at(&mut self, target: Ticks90k) -> Result<Rap> {
        if let Some(seen) = &self.seen {
            return Ok(seen.rap);
        }
        if let Some((cue, _)) = self.cue_before(target)?
            && let Some(block) = self.block_of(&cue)?
        {
            let rap = self.rap_of(&block)?;
            if rap != Rap::No {
                return Ok(rap);
            }
        }
        let entry = match self.rap_before(target)? {
            Some(entry) => Some(entry),
            None => self.first_rap()?,
        };
        entry.map_or(Ok(Rap::No), |entry| self.rap_of(&entry.block))
    }
}

impl Mkv {
    /// Describes the file. Without Cues a large one is not read whole, and the distances between random
    /// access points are those seen.
    pub(crate) fn probe(mut self) -> Result<Probe> {
        let mut probe = probe::finish(&mut self)?;
        let seen = self.seen.filter(|seen| !seen.whole);
        if let (Some(video), Some(seen)) = (&mut probe.video, seen) {
            (video.longest_rap_interval, video.largest_gop_bytes) = (seen.interval, seen.bytes);
        }
        Ok(probe)
    }

    fn first_time(&mut self) -> Result<Option<Ticks90k>> {
        let mut walker = self.layout.walker(self.layout.first_cluster);
        let first = walker.next(&mut self.window)?;
        Ok(first.map(|block| self.layout.ticks(block.time)))
    }

    fn video_probe(&self) -> VideoProbe {
        let mut probe = VideoProbe {
            codec: None,
            name: String::new(),
            width: 0,
            height: 0,
            bit_depth: 8,
            interlaced: false,
            frame_duration: Ticks90k::ZERO,
            reorder_depth: 0,
            longest_rap_interval: Ticks90k::ZERO,
            largest_gop_bytes: 0,
            clean_raps: false,
            raps: Vec::new(),
        };
        let Some(video) = &self.video else {
            return probe;
        };
        probe.frame_duration = video.frame_duration;
        probe.reorder_depth = video.reorder_depth;
        match &video.config {
            Some(config) => {
                probe.codec = Some(config.codec);
                probe.name.clone_from(&config.name);
                (probe.width, probe.height) = (config.width, config.height);
                probe.bit_depth = config.bit_depth;
                probe.interlaced = config.interlaced;
            }
            None => {
                probe.codec = video.track.video_codec();
                probe.name = video.track.codec_name();
                probe.width = u16::try_from(video.track.width).unwrap_or(u16::MAX);
                probe.height = u16::try_from(video.track.height).unwrap_or(u16::MAX);
            }
        }
        probe
    }

    /// Calls `visit` for each cue of the video; the last of them.
    fn visit_cues(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<Option<Cue>> {
        let Some(video) = &self.video else {
            return Ok(None);
        };
        let layout = &self.layout;
        let mut last: Option<(Ticks90k, Cue)> = None;
        cues::walk(&mut self.window, layout, video.track.number, |cue| {
            let pts = video.pts(layout, cue.time);
            if last.is_none_or(|(last, _)| pts > last) && cue.place() < layout.end {
                last = Some((pts, cue));
                visit(IndexPoint {
                    pts,
                    bytes: cue.place(),
                });
            }
            true
        })?;
        Ok(last.map(|(_, cue)| cue))
    }

    /// The same without Cues: the random access points seen at the beginning, in the middle and at the end.
    fn visit_places(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<()> {
        let (first, end) = (self.layout.first_cluster, self.layout.end);
        let mut last = None;
        let media = end.saturating_sub(first);
        let mut seen = Seen {
            interval: Ticks90k::ZERO,
            bytes: 0,
            rap: Rap::Clean,
            whole: media <= 3 * SEEN_BYTES,
        };
        let places: &[u64] = if seen.whole {
            &[first]
        } else {
            &[first, first.midpoint(end), end - SEEN_BYTES]
        };
        let bytes = if seen.whole { media } else { SEEN_BYTES };
        for &place in places {
            let to = end.min(place.saturating_add(SEEN_BYTES_MAX));
            if let Some(at) = find_cluster(&mut self.window, place, to)? {
                self.visit_place(at, bytes, &mut last, &mut seen, visit)?;
            }
        }
        if last.is_none() {
            seen.rap = Rap::No;
        }
        self.seen = Some(seen);
        Ok(())
    }

    /// Visits the random access points of about `bytes` from the cluster at `at` on.
    fn visit_place(
        &mut self,
        at: u64,
        bytes: u64,
        last: &mut Option<Ticks90k>,
        seen: &mut Seen,
        visit: &mut dyn FnMut(IndexPoint),
    ) -> Result<()> {
        let mut walker = self.layout.walker(at);
        let mut points = 0;
        let mut before: Option<(Ticks90k, u64)> = None;
        while let Some(block) = walker.next(&mut self.window)? {
            let read = walker.position() - at;
            if read > bytes && points >= SEEN_POINTS || read > SEEN_BYTES_MAX {
                break;
            }
            let Some(pts) = self.video_pts(&block) else {
                continue;
            };
            let rap = self.rap_of(&block)?;
            // Up to here there was no other, if not more.
            if let Some((pts_before, at_before)) = before {
                seen.interval = seen.interval.max(pts - pts_before);
                seen.bytes = seen.bytes.max(block.at - at_before);
            }
            if rap != Rap::No {
                points += 1;
                if rap == Rap::Open {
                    seen.rap = rap;
                }
                before = Some((pts, block.at));
                if last.is_none_or(|last| pts > last) {
                    *last = Some(pts);
                    visit(IndexPoint {
                        pts,
                        bytes: block.at,
                    });
                }
            }
        }
        Ok(())
    }

    /// The block that a cue names; `None` when there is none.
    fn block_of(&mut self, cue: &Cue) -> Result<Option<Block>> {
        let number = self.video.as_ref().map(|video| video.track.number);
        if !self.is_true(cue)? {
            return Ok(None);
        }
        if let Some(mut walker) = self.walker_at(cue)?
            && let Some(block) = walker.next(&mut self.window)?
            && number == Some(block.header.track)
            && block.time == cue.time
        {
            return Ok(Some(block));
        }
        let mut walker = self.layout.walker(cue.cluster);
        while let Some(block) = walker.next(&mut self.window)? {
            if block.cluster != cue.cluster {
                break;
            }
            if number == Some(block.header.track) && block.time == cue.time {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }
}

/// An audio track; `stream` is what is known of the one that is played.
fn audio_probe(track: &Track, stream: Option<&crate::media::AudioTrack>) -> AudioProbe {
    let mut probe = AudioProbe {
        codec: track.audio_codec(),
        name: track.codec_name(),
        rate_hz: track.rate_hz.clamp(0.0, 1e9) as u32,
        channels: track.channels.min(255) as u8,
        language: track.language(),
    };
    if let Some(stream) = stream {
        (probe.rate_hz, probe.channels) = (stream.rate_hz, stream.channels);
    }
    if probe.codec == Some(AudioCodec::Aac) {
        match AacConfig::parse(&track.audio_specific_config()) {
            Ok(aac) => {
                aac.name.clone_into(&mut probe.name);
                (probe.rate_hz, probe.channels) = (aac.rate_hz, aac.channels);
            }
            // Not what ADTS can carry.
            Err(_) => probe.codec = None,
        }
    }
    probe
}
