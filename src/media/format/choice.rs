//! Which format suits what a channel plays, and what it costs.

use std::collections::BTreeMap;

use super::{Format, PictureRate, PictureSize};
use crate::media::probe::{AudioProbe, Probe};
use crate::media::unit::{AudioCodec, VideoCodec};

/// From this share of the running time on HEVC is worth what it asks of the players.
const HEVC_PERCENT: i64 = 80;

/// What the user wants of a format; what is `None` is chosen by what there is to play, or stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FormatWish {
    /// Codec of the picture, whatever there is to play.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoCodec>,
    /// The players can show HEVC: it is chosen where most of the running time has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hevc: bool,
    /// Codec of the sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioCodec>,
    /// Samples per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_rate_hz: Option<u32>,
    /// Speakers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_channels: Option<u8>,
    /// Rate and layout of the sound may change between items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loose_audio: Option<bool>,
    /// A size for all pictures; `Some(None)`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Option<PictureSize>>,
    /// A rate for all pictures; `Some(None)`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Option<PictureRate>>,
}

/// Some of what a channel plays: files that are alike to every format, and how long they last together, ms.
pub type Portion<'a> = (&'a Probe, i64);

impl Format {
    /// The format under which most of the running time of `content` is copied, as far as `wish` leaves it open:
    /// H.264, unless at least 80 % of the time is HEVC and the user says that the players can show it; and the
    /// sound that most of the time has. Sound counts of those items first whose pictures fit, since only they
    /// can be copied.
    pub fn propose<'a>(
        content: impl Iterator<Item = Portion<'a>> + Clone,
        wish: &FormatWish,
    ) -> Self {
        let video = wish.video.unwrap_or_else(|| {
            if wish.hevc && is_mostly_hevc(content.clone()) {
                VideoCodec::Hevc
            } else {
                VideoCodec::H264
            }
        });
        let format = Self {
            video,
            loose_audio: wish.loose_audio.unwrap_or_default(),
            size: wish.size.flatten(),
            rate: wish.rate.flatten(),
            ..Self::DEFAULT
        };
        format.with_sound_for(content, wish)
    }

    /// This format with what `wish` changes. Where it changes the codec of the sound alone, rate and layout become
    /// what most of the running time of `content` has in that codec.
    pub fn changed<'a>(
        self,
        content: impl Iterator<Item = Portion<'a>> + Clone,
        wish: &FormatWish,
    ) -> Self {
        let hevc = wish.hevc && is_mostly_hevc(content.clone());
        let format = Self {
            video: wish
                .video
                .or(hevc.then_some(VideoCodec::Hevc))
                .unwrap_or(self.video),
            audio_rate_hz: wish.audio_rate_hz.unwrap_or(self.audio_rate_hz),
            audio_channels: wish.audio_channels.unwrap_or(self.audio_channels),
            loose_audio: wish.loose_audio.unwrap_or(self.loose_audio),
            size: wish.size.unwrap_or(self.size),
            rate: wish.rate.unwrap_or(self.rate),
            ..self
        };
        match wish.audio {
            Some(audio) if audio != self.audio => format.with_sound_for(content, wish),
            _ => format,
        }
    }

    fn with_sound_for<'a>(
        self,
        content: impl Iterator<Item = Portion<'a>>,
        wish: &FormatWish,
    ) -> Self {
        let mut fitting = Majority::default();
        let mut any = Majority::default();
        let wanted = |sound: &Sound| {
            wish.audio.is_none_or(|codec| codec == sound.codec)
                && wish.audio_rate_hz.is_none_or(|rate| rate == sound.rate_hz)
                && wish.audio_channels.is_none_or(|n| n == sound.channels)
        };
        for (probe, ms) in content {
            let sound = probe.audio.first().and_then(Sound::of);
            let Some(sound) = sound.filter(|s| wanted(s)) else {
                continue;
            };
            any.add(sound, ms);
            let carries = |v| self.carries(v);
            if probe.not_native.is_none() && probe.video.as_ref().is_some_and(carries) {
                fitting.add(sound, ms);
            }
        }
        let loose = self.loose_audio;
        let chosen = fitting.winner(loose).or_else(|| any.winner(loose));
        Self {
            audio: wish
                .audio
                .or(chosen.map(|s| s.codec))
                .unwrap_or(Self::DEFAULT.audio),
            audio_rate_hz: wish
                .audio_rate_hz
                .or(chosen.map(|s| s.rate_hz))
                .unwrap_or(Self::DEFAULT.audio_rate_hz),
            audio_channels: wish
                .audio_channels
                .or(chosen.map(|s| s.channels))
                .unwrap_or(Self::DEFAULT.audio_channels),
            ..self
        }
    }

    /// The formats that one could choose instead, each with the sound that suits it best: one per codec of
    /// pictures that there is in `content`, H.264 always. Not this one.
    pub fn alternatives<'a>(
        &self,
        content: impl Iterator<Item = Portion<'a>> + Clone,
    ) -> Vec<Self> {
        let mut all = Vec::new();
        for video in [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Mpeg2] {
            let has = |(probe, ms): Portion<'_>| ms > 0 && codec_of(probe) == Some(video);
            if video != VideoCodec::H264 && !content.clone().any(has) {
                continue;
            }
            let wish = FormatWish {
                video: Some(video),
                loose_audio: Some(self.loose_audio),
                size: Some(self.size),
                rate: Some(self.rate),
                ..FormatWish::default()
            };
            let format = Self::propose(content.clone(), &wish);
            if format != *self {
                all.push(format);
            }
        }
        all
    }

    /// Which players cannot show it, for people; `None` when all can.
    pub fn drawback(&self) -> Option<&'static str> {
        match self.video {
            VideoCodec::H264 => None,
            VideoCodec::Hevc => Some("browsers and older TVs cannot play it"),
            VideoCodec::Mpeg2 => Some("browsers and phones cannot play it"),
        }
    }
}

fn codec_of(probe: &Probe) -> Option<VideoCodec> {
    probe.video.as_ref().and_then(|video| video.codec)
}

fn is_mostly_hevc<'a>(content: impl Iterator<Item = Portion<'a>>) -> bool {
    let (mut hevc, mut all) = (0i64, 0i64);
    for (probe, ms) in content {
        all = all.saturating_add(ms);
        if codec_of(probe) == Some(VideoCodec::Hevc) {
            hevc = hevc.saturating_add(ms);
        }
    }
    all > 0 && hevc.saturating_mul(100) >= all.saturating_mul(HEVC_PERCENT)
}

/// What a channel fixes about sound.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sound {
    codec: AudioCodec,
    rate_hz: u32,
    channels: u8,
}

impl Sound {
    fn of(audio: &AudioProbe) -> Option<Self> {
        let is_sane = audio.rate_hz > 0 && (1..=8).contains(&audio.channels);
        Some(Self {
            codec: audio.codec.filter(|_| is_sane)?,
            rate_hz: audio.rate_hz,
            channels: audio.channels,
        })
    }
}

/// Running time by sound.
#[derive(Default)]
struct Majority(BTreeMap<Sound, i64>);

impl Majority {
    fn add(&mut self, sound: Sound, ms: i64) {
        let sum = self.0.entry(sound).or_default();
        *sum = sum.saturating_add(ms.max(0));
    }

    /// The sound with the most time; of equals the first in order, so that the answer never depends on
    /// the order of the items. `loose`: of the codec with the most time.
    fn winner(&self, loose: bool) -> Option<Sound> {
        let mut codecs: BTreeMap<AudioCodec, i64> = BTreeMap::new();
        for (sound, ms) in &self.0 {
            let sum = codecs.entry(sound.codec).or_default();
            *sum = sum.saturating_add(*ms);
        }
        let codec = first_largest(codecs.iter()).filter(|_| loose);
        let of_codec =
            |(sound, _): &(&Sound, &i64)| codec.is_none_or(|codec| *codec == sound.codec);
        first_largest(self.0.iter().filter(of_codec)).copied()
    }
}

fn first_largest<'a, K>(entries: impl Iterator<Item = (&'a K, &'a i64)> + Clone) -> Option<&'a K> {
    let most = entries.clone().map(|(_, ms)| ms).max()?;
    let mut entries = entries;
    entries.find(|(_, ms)| *ms == most).map(|(key, _)| key)
}
