//! From track entries and the first blocks to the two streams that are played, with everything needed
//! to turn their frames into access units.

use std::sync::Arc;

use super::block::Place;
use super::clusters::Block;
use super::ebml::Window;
use super::grid::Grid;
use super::header::{Layout, nanoseconds_to_ticks};
use super::tracks::{Kind, Track};
use super::{FRAME_BYTES_MAX, dts};
use crate::bail;
use crate::error::Result;
use crate::media::audio::aac::AacConfig;
use crate::media::audio::parse_frame_header;
use crate::media::nal::{self, VideoConfig};
use crate::media::time::Ticks90k;
use crate::media::unit::{AudioCodec, AudioTrack, VideoCodec, VideoTrack};

/// Blocks looked at for the first frames of both streams, and how much of the file.
const FIRST_BLOCKS: usize = 2_048;
const FIRST_BYTES: u64 = 16 * 1024 * 1024;

/// Pictures looked at when the stream does not say how deep it reorders; else only those shown before the first.
const REORDER_PICTURES: usize = 64;
const LEADING_PICTURES: usize = 32;

/// The length of a picture when nothing tells it.
const SOME_FRAME: Ticks90k = Ticks90k(3_600);

/// The picture stream.
#[derive(Debug)]
pub(super) struct Video {
    pub(super) track: Track,
    /// `None` for what we cannot carry; times and sizes are known nevertheless.
    pub(super) config: Option<VideoConfig>,
    /// Why there is no `config`.
    pub(super) unfit: Option<String>,
    /// Parameter sets in force.
    pub(super) sets: Arc<[u8]>,
    pub(super) grid: Grid,
    pub(super) reorder_depth: u8,
    /// The usual length of a picture; zero when unknown.
    pub(super) frame_duration: Ticks90k,
    /// The lowest time among the first picture and those shown before it.
    pub(super) lowest: Ticks90k,
    delay: Ticks90k,
}

/// The sound stream.
#[derive(Debug)]
pub(super) struct Audio {
    pub(super) number: u64,
    pub(super) stripped: Vec<u8>,
    pub(super) track: AudioTrack,
    /// For AAC, whose frames have no header of their own in Matroska.
    pub(super) aac: Option<AacConfig>,
    grid: Grid,
    delay: Ticks90k,
}

/// What is played of a file.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) video: Option<Video>,
    pub(super) audio: Option<Audio>,
    /// Why our demuxer cannot play it although we can carry the codecs.
    pub(super) not_native: Option<String>,
}

impl Video {
    pub(super) fn codec(&self) -> Option<VideoCodec> {
        self.config.as_ref().map(|config| config.codec)
    }

    /// When the picture in `block` is shown.
    pub(super) fn pts(&self, layout: &Layout, time: i64) -> Ticks90k {
        self.grid.snap(layout.ticks(time) - self.delay)
    }

    /// The length of a picture, guessed when nothing tells it.
    pub(super) fn step(&self) -> Ticks90k {
        if self.frame_duration > Ticks90k::ZERO {
            self.frame_duration
        } else {
            SOME_FRAME
        }
    }

    pub(super) fn stream(&self) -> Option<VideoTrack> {
        self.config.as_ref().map(|config| VideoTrack {
            codec: config.codec,
            width: config.width,
            height: config.height,
            frame_duration: self.frame_duration,
            reorder_depth: self.reorder_depth,
            parameter_sets: Arc::clone(&config.parameter_sets),
        })
    }
}

impl Audio {
    /// When the `index`-th frame of a block begins.
    pub(super) fn pts(&self, layout: &Layout, time: i64, index: usize) -> Ticks90k {
        let samples = i64::from(self.track.frame_samples) * index as i64;
        let behind = Ticks90k::from_scaled(samples, self.track.rate_hz);
        self.grid.snap(layout.ticks(time) - self.delay + behind)
    }
}

/// Chooses the first video and the first audio track and looks at their first frames.
pub(super) fn choose(window: &mut Window, layout: &Layout) -> Result<Chosen> {
    let first = |kind| {
        layout
            .tracks
            .iter()
            .find(|track| track.kind == kind && track.enabled)
    };
    let (video, audio) = (first(Kind::Video), first(Kind::Audio));
    if video.is_none() && audio.is_none() {
        bail!(
            Unsupported,
            "{} has neither a video nor an audio track",
            window.name()
        );
    }
    let look = FirstLook::take(window, layout, video, audio)?;
    let mut chosen = Chosen::default();
    if let Some(track) = video {
        let video = read_video(window, layout, track, &look)?;
        if track.video_codec().is_some() {
            chosen.not_native = video.unfit.clone();
        }
        chosen.video = Some(video);
    }
    if let Some(track) = audio {
        match (&track.refused, track.audio_codec()) {
            (Some(why), _) => {
                let reason = format!("audio track with {why}");
                chosen.not_native.get_or_insert(reason);
            }
            (None, Some(codec)) => chosen.audio = read_audio(window, layout, track, codec, &look)?,
            (None, None) => {}
        }
    }
    Ok(chosen)
}

/// The first frames of both streams.
#[derive(Default)]
struct FirstLook {
    video: Option<(Block, Place)>,
    /// Times of the first pictures, not snapped.
    video_times: Vec<i64>,
    audio: Option<(Block, Place)>,
}

impl FirstLook {
    fn take(
        window: &mut Window,
        layout: &Layout,
        video: Option<&Track>,
        audio: Option<&Track>,
    ) -> Result<Self> {
        let mut look = Self::default();
        let mut walker = layout.walker(layout.first_cluster);
        let mut places = Vec::new();
        let stated = video.is_some_and(states_depth);
        for _ in 0..FIRST_BLOCKS {
            let video_done = video.is_none() || look.has_seen_leading(stated);
            if video_done && (audio.is_none() || look.audio.is_some())
                || walker.position() - layout.first_cluster > FIRST_BYTES
            {
                break;
            }
            let Some(block) = walker.next(window)? else {
                break;
            };
            let of = |track: Option<&Track>| track.is_some_and(|t| t.number == block.header.track);
            let (is_video, is_audio) = (of(video), of(audio));
            if is_video && look.video_times.len() < REORDER_PICTURES {
                look.video_times.push(block.time);
            }
            let slot = match (is_video, is_audio) {
                (true, _) if look.video.is_none() => &mut look.video,
                (_, true) if look.audio.is_none() => &mut look.audio,
                _ => continue,
            };
            if block.header.frames(window, block.end, &mut places)? {
                *slot = places.first().map(|place| (block, *place));
            }
        }
        Ok(look)
    }

    /// Whether enough pictures were seen: where the depth is stated, up to the first one that is shown
    /// behind the first.
    fn has_seen_leading(&self, stated: bool) -> bool {
        let [first, others @ ..] = self.video_times.as_slice() else {
            return false;
        };
        let enough = if stated {
            LEADING_PICTURES
        } else {
            REORDER_PICTURES
        };
        self.video_times.len() >= enough || stated && others.last().is_some_and(|last| last > first)
    }
}

/// At most the first 64 KiB of a frame, with what was stripped from it.
fn beginning(
    window: &mut Window,
    track: &Track,
    found: &Option<(Block, Place)>,
) -> Result<Vec<u8>> {
    let mut bytes = track.stripped.clone();
    if let Some((_, place)) = found {
        let len = usize::try_from(place.bytes).unwrap_or(FRAME_BYTES_MAX);
        bytes.extend_from_slice(window.peek(place.at, len)?);
    }
    Ok(bytes)
}

fn read_video(
    window: &mut Window,
    layout: &Layout,
    track: &Track,
    look: &FirstLook,
) -> Result<Video> {
    let mut config = read_config(track, &[]);
    if config.is_err() {
        let start = beginning(window, track, &look.video)?;
        config = read_config(track, &start);
    }
    let delay = nanoseconds_to_ticks(i128::from(track.codec_delay));
    let origin = look.video_times.first().copied().unwrap_or(0);
    let grid =
        Grid::from_nanoseconds(track.default_duration).with_origin(layout.ticks(origin) - delay);
    let mut frame_duration = grid.step();
    if frame_duration == Ticks90k::ZERO {
        frame_duration = nanoseconds_to_ticks(i128::from(track.default_duration));
    }
    let mut reorder_depth = 0;
    if let Ok(config) = &config {
        reorder_depth = config.reorder_depth;
        if !config.reorder_stated {
            let times: Vec<_> = look.video_times.iter().map(|t| Ticks90k(*t)).collect();
            reorder_depth = reorder_depth.min(dts::depth_of(&times));
        }
        if frame_duration == Ticks90k::ZERO {
            frame_duration = config.frame_duration;
        }
    }
    let (config, unfit) = match config {
        Ok(config) => (Some(config), None),
        Err(e) => (None, Some(e.message().to_owned())),
    };
    let mut video = Video {
        sets: config
            .as_ref()
            .map_or_else(|| Arc::from([]), |c| Arc::clone(&c.parameter_sets)),
        config,
        unfit,
        track: track.clone(),
        grid,
        reorder_depth,
        frame_duration,
        lowest: Ticks90k::ZERO,
        delay,
    };
    // The first picture in display order is the first one or one of those that directly follow it.
    let leading = look.video_times.iter().skip(1).take_while(|t| **t < origin);
    let lowest = leading.copied().min().unwrap_or(origin);
    video.lowest = video.pts(layout, lowest);
    Ok(video)
}

/// Whether CodecPrivate says how deep the stream reorders.
fn states_depth(track: &Track) -> bool {
    read_config(track, &[]).is_ok_and(|config| config.reorder_stated)
}

fn read_config(track: &Track, first_frame: &[u8]) -> Result<VideoConfig> {
    if let Some(why) = &track.refused {
        bail!(Unsupported, "video track with {why}");
    }
    let Some(codec) = track.video_codec() else {
        bail!(Unsupported, "video is {}", track.codec_name());
    };
    let private = track.private.as_slice();
    let config = match (codec, private) {
        (VideoCodec::H264, [1, ..]) => nal::parse_avcc(private),
        (VideoCodec::Hevc, [0 | 1, _, ..]) if !private.starts_with(&[0, 0]) => {
            nal::parse_hvcc(private)
        }
        // MPEG-2, and streams that were stored in Annex B form.
        (_, [0, 0, ..]) => nal::parse_parameter_sets(codec, private)
            .or_else(|_| nal::parse_parameter_sets(codec, first_frame)),
        _ => nal::parse_parameter_sets(codec, first_frame),
    };
    let config = config.map_err(|e| e.context("video track"))?;
    // Where only the container knows, the pictures would be shown dark and pale.
    if let Some(kind) = hdr(track.transfer)
        && config.transfer != track.transfer as u8
    {
        bail!(
            Unsupported,
            "video track with {kind} that only the container tells of"
        );
    }
    Ok(config)
}

/// The name of a transfer function for high dynamic range (ITU-T H.273 table 3).
fn hdr(transfer: u64) -> Option<&'static str> {
    match transfer {
        16 => Some("HDR (PQ)"),
        18 => Some("HDR (HLG)"),
        _ => None,
    }
}

/// The audio stream; `None` when a transport stream cannot carry it.
fn read_audio(
    window: &mut Window,
    layout: &Layout,
    track: &Track,
    codec: AudioCodec,
    look: &FirstLook,
) -> Result<Option<Audio>> {
    let mut aac = None;
    let stream = if codec == AudioCodec::Aac {
        let Ok(config) = AacConfig::parse(&track.audio_specific_config()) else {
            return Ok(None);
        };
        AudioTrack {
            codec,
            rate_hz: config.rate_hz,
            channels: config.channels,
            frame_samples: aac.insert(config).frame_samples,
        }
    } else {
        let start = beginning(window, track, &look.audio)?;
        match parse_frame_header(codec, &start) {
            Some(header) => AudioTrack {
                codec,
                rate_hz: header.rate_hz,
                channels: header.channels,
                frame_samples: header.samples,
            },
            // The first frame is damaged: what the track says must do.
            None => AudioTrack {
                codec,
                rate_hz: track.rate_hz.clamp(8_000.0, 96_000.0) as u32,
                channels: track.channels.clamp(1, 8) as u8,
                frame_samples: match codec {
                    AudioCodec::Ac3 | AudioCodec::Eac3 => 1_536,
                    AudioCodec::Mp3 if track.rate_hz < 32_000.0 => 576,
                    _ => 1_152,
                },
            },
        }
    };
    let delay = nanoseconds_to_ticks(i128::from(track.codec_delay));
    let origin = look.audio.map_or(0, |(block, _)| block.time);
    Ok(Some(Audio {
        number: track.number,
        stripped: track.stripped.clone(),
        grid: Grid::new(u64::from(stream.frame_samples), stream.rate_hz)
            .with_origin(layout.ticks(origin) - delay),
        track: stream,
        aac,
        delay,
    }))
}
