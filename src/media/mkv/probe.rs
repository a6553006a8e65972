//! What the native probe asks of a Matroska file: exact ends from its first and last clusters, random
//! access points from its Cues, or from a walk over the clusters when it has none.

use super::Mkv;
use super::clusters::Walker;
use super::cues;
use super::ebml::Element;
use super::ids;
use super::tracks::{Kind, Track};
use crate::error::Result;
use crate::media::audio::aac::AacConfig;
use crate::media::probe::{
    AudioProbe, Chapter, Container, IndexPoint, Probe, ProbeSource, Survey, VideoProbe,
};
use crate::media::time::Ticks90k;
use crate::media::unit::AudioCodec;

/// A last cue further than this in front of the end is not walked from.
const TAIL_BYTES: u64 = 64 * 1024 * 1024;

/// Blocks of a cluster looked at for a random access point.
const FIRST_BLOCKS: usize = 16;

impl ProbeSource for Mkv {
    fn chapters(&mut self) -> Vec<Chapter> {
        self.layout.chapters(&mut self.window).unwrap_or_default()
    }

    fn survey(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<Survey> {
        self.window.set_streaming(false);
        let (start, end) = match &self.video {
            Some(_) => (self.first_rap()?.map(|entry| entry.pts), self.last_end()?),
            None => (
                Some(self.seek_to(Ticks90k(i64::MIN / 4))?),
                self.last_end()?,
            ),
        };
        let start = start.unwrap_or_default();
        if self.video.is_some() && !self.visit_cues(visit)? {
            self.visit_clusters(visit)?;
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
}

impl Mkv {
    fn video_probe(&self) -> VideoProbe {
        let mut probe = VideoProbe {
            codec: None,
            name: String::new(),
            width: 0,
            height: 0,
            bit_depth: 8,
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

    /// The end of the last picture in display order; of the last sound without pictures.
    fn last_end(&mut self) -> Result<Ticks90k> {
        let mut from = None;
        if let Some(video) = &self.video {
            cues::walk(&mut self.window, &self.layout, video.track.number, |cue| {
                from = Some(cue.cluster);
                true
            })?;
        }
        let from = from.filter(|at| {
            *at >= self.layout.first_cluster && self.layout.end.saturating_sub(*at) <= TAIL_BYTES
        });
        if let Some(at) = from
            && let Some(end) = self.end_from(at)?
        {
            return Ok(end);
        }
        // The clusters at the end may hold sound alone, so it goes back in growing steps.
        let mut target = Ticks90k(i64::MAX / 4);
        let mut back = 2 * Ticks90k::SECOND.0;
        loop {
            let cluster = self.cluster_before(target)?;
            if let Some(end) = self.end_from(cluster)? {
                return Ok(end);
            }
            if cluster <= self.layout.first_cluster {
                return Ok(Ticks90k::ZERO);
            }
            let time = super::clusters::cluster_time(&mut self.window, cluster)?.unwrap_or(0);
            target = self.layout.ticks(time) - Ticks90k(back);
            back = back.saturating_mul(2);
        }
    }

    /// The latest end among the frames from the cluster at `at` on; `None` when there is none.
    fn end_from(&mut self, at: u64) -> Result<Option<Ticks90k>> {
        let mut walker = Walker::new(at, self.layout.end);
        let mut latest = None;
        while let Some(block) = walker.next(&mut self.window)? {
            let end = if let Some(video) = &self.video {
                self.video_pts(&block).map(|pts| {
                    let stated = block.duration.and_then(|length| i64::try_from(length).ok());
                    let length = stated.map_or(video.frame_duration, |l| self.layout.ticks(l));
                    pts + length
                })
            } else if let Some(audio) = &self.audio
                && audio.number == block.header.track
                && block
                    .header
                    .frames(&mut self.window, block.end, &mut self.places)?
            {
                let last = self.places.len().saturating_sub(1);
                let pts = audio.pts(&self.layout, block.time, last);
                Some(pts + audio.track.frame_duration())
            } else {
                None
            };
            latest = latest.max(end);
        }
        Ok(latest)
    }

    /// Calls `visit` for each cue of the video; `false` when there are none.
    fn visit_cues(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<bool> {
        let Some(video) = &self.video else {
            return Ok(false);
        };
        let layout = &self.layout;
        let mut last = None;
        cues::walk(&mut self.window, layout, video.track.number, |cue| {
            let pts = video.pts(layout, cue.time);
            if last.is_none_or(|last| pts > last) && cue.place < layout.end {
                last = Some(pts);
                visit(IndexPoint {
                    pts,
                    bytes: cue.place,
                });
            }
            true
        })?;
        Ok(last.is_some())
    }

    /// The same without Cues: the random access points with which clusters begin, or all of them when
    /// the clusters do not tell their sizes.
    fn visit_clusters(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<()> {
        let mut last = None;
        let mut at = self.layout.first_cluster;
        while at < self.layout.end {
            let element = Element::read(&mut self.window, at)?;
            let size = element.and_then(|element| element.size);
            let Some(element) = element.filter(|_| size.is_some()) else {
                break;
            };
            let end = element.end(self.layout.end);
            if element.id == ids::CLUSTER {
                self.visit_raps(at, end, FIRST_BLOCKS, &mut last, visit)?;
            }
            at = end;
        }
        if at < self.layout.end {
            self.visit_raps(at, self.layout.end, usize::MAX, &mut last, visit)?;
        }
        Ok(())
    }

    /// Visits the random access points among the first `blocks` blocks between two places.
    fn visit_raps(
        &mut self,
        at: u64,
        end: u64,
        blocks: usize,
        last: &mut Option<Ticks90k>,
        visit: &mut dyn FnMut(IndexPoint),
    ) -> Result<()> {
        let mut walker = Walker::new(at, end);
        let mut seen = 0;
        while seen < blocks
            && let Some(block) = walker.next(&mut self.window)?
        {
            seen += 1;
            if let Some(pts) = self.video_pts(&block)
                && last.is_none_or(|last| pts > last)
                && self.is_rap(&block)?
            {
                *last = Some(pts);
                visit(IndexPoint {
                    pts,
                    bytes: block.at,
                });
            }
        }
        Ok(())
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
