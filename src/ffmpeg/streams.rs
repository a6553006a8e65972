//! ffprobe's JSON and what it means in our words.

use serde::Deserialize;

use super::ends::Packet;
use crate::media::probe::{AudioProbe, Chapter, Container};
use crate::media::{AudioCodec, Ticks90k, VideoCodec};

/// One answer of ffprobe.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) format: Format,
    #[serde(default)]
    pub(super) streams: Vec<Stream>,
    #[serde(default)]
    pub(super) chapters: Vec<RawChapter>,
    #[serde(default)]
    pub(super) packets: Vec<Packet>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Format {
    #[serde(default)]
    pub(super) format_name: String,
    pub(super) start_time: Option<String>,
    pub(super) duration: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Stream {
    pub(super) index: u32,
    #[serde(default)]
    pub(super) codec_type: String,
    #[serde(default)]
    pub(super) codec_name: String,
    #[serde(default)]
    pub(super) profile: String,
    #[serde(default)]
    pub(super) width: u32,
    #[serde(default)]
    pub(super) height: u32,
    #[serde(default)]
    pub(super) pix_fmt: String,
    #[serde(default)]
    pub(super) field_order: String,
    #[serde(default)]
    pub(super) level: i32,
    #[serde(default)]
    pub(super) has_b_frames: u32,
    pub(super) bits_per_raw_sample: Option<String>,
    #[serde(default)]
    pub(super) avg_frame_rate: String,
    #[serde(default)]
    pub(super) r_frame_rate: String,
    #[serde(default)]
    pub(super) time_base: String,
    pub(super) start_pts: Option<i64>,
    pub(super) duration_ts: Option<i64>,
    pub(super) sample_rate: Option<String>,
    #[serde(default)]
    pub(super) channels: u32,
    #[serde(default)]
    pub(super) tags: Tags,
    #[serde(default)]
    pub(super) disposition: Disposition,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Tags {
    pub(super) language: Option<String>,
    #[serde(rename = "DURATION")]
    pub(super) duration: Option<String>,
    pub(super) title: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Disposition {
    #[serde(default)]
    pub(super) attached_pic: u8,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RawChapter {
    #[serde(default)]
    pub(super) time_base: String,
    #[serde(default)]
    pub(super) start: i64,
    #[serde(default)]
    pub(super) tags: Tags,
}

/// The length of one unit of a stream's time stamps in seconds, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeBase {
    pub(super) num: i64,
    pub(super) den: u32,
}

impl TimeBase {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (num, den) = text.split_once('/')?;
        let (num, den) = (num.parse().ok()?, den.parse().ok()?);
        (num > 0 && den > 0).then_some(Self { num, den })
    }

    pub(super) fn ticks(self, units: i64) -> Ticks90k {
        Ticks90k::from_scaled(units.saturating_mul(self.num), self.den)
    }
}

/// "00:01:02.500000000", Matroska's statistics tag.
pub(super) fn clock_seconds(text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    for part in text.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(seconds)
}

pub(super) fn container(names: &str) -> Container {
    match names.split(',').next() {
        Some("mov") => Container::Mp4,
        Some("matroska") => Container::Matroska,
        Some("mpegts") => Container::MpegTs,
        _ => Container::Other,
    }
}

/// From the average rate; the base rate of interlaced or variable streams counts fields.
pub(super) fn frame_duration(stream: &Stream) -> Ticks90k {
    let rate =
        TimeBase::parse(&stream.avg_frame_rate).or_else(|| TimeBase::parse(&stream.r_frame_rate));
    rate.and_then(|rate| {
        Some(Ticks90k::from_scaled(
            i64::from(rate.den),
            u32::try_from(rate.num).ok()?,
        ))
    })
    .unwrap_or_default()
}

pub(super) fn video_codec(name: &str) -> Option<VideoCodec> {
    match name {
        "h264" => Some(VideoCodec::H264),
        "hevc" => Some(VideoCodec::Hevc),
        "mpeg2video" => Some(VideoCodec::Mpeg2),
        _ => None,
    }
}

pub(super) fn video_name(stream: &Stream) -> String {
    let name = match stream.codec_name.as_str() {
        "h264" => "H.264",
        "hevc" => "HEVC",
        "mpeg2video" => "MPEG-2",
        "mpeg1video" => "MPEG-1",
        "mpeg4" => "MPEG-4 Part 2",
        "vc1" => "VC-1",
        "wmv3" => "WMV 9",
        "vp8" => "VP8",
        "vp9" => "VP9",
        "av1" => "AV1",
        other => other,
    };
    let level = match stream.codec_name.as_str() {
        "h264" if stream.level > 0 => format!(" {}.{}", stream.level / 10, stream.level % 10),
        "hevc" if stream.level > 0 => format!(" {}.{}", stream.level / 30, stream.level % 30 / 3),
        _ => String::new(),
    };
    if stream.profile.is_empty() || stream.profile == "unknown" {
        return name.to_owned();
    }
    format!("{name} {}{level}", stream.profile)
}

pub(super) fn bit_depth(stream: &Stream) -> u8 {
    let stated = stream
        .bits_per_raw_sample
        .as_deref()
        .and_then(|bits| bits.parse().ok());
    let by_pixels = ["9", "10", "12", "14", "16"].iter().find(|bits| {
        stream
            .pix_fmt
            .strip_suffix("le")
            .is_some_and(|format| format.ends_with(&format!("p{bits}")))
    });
    stated
        .filter(|bits| (8..=16).contains(bits))
        .or_else(|| by_pixels.and_then(|bits| bits.parse().ok()))
        .unwrap_or(8)
}

/// ffprobe says `tt`, `bb`, `tb` or `bt` of fields.
pub(super) fn is_interlaced(stream: &Stream) -> bool {
    matches!(stream.field_order.as_str(), "tt" | "bb" | "tb" | "bt")
}

pub(super) fn audio(stream: &Stream) -> AudioProbe {
    let rate: u32 = stream
        .sample_rate
        .as_deref()
        .and_then(|rate| rate.parse().ok())
        .unwrap_or(0);
    let channels = u8::try_from(stream.channels).unwrap_or(u8::MAX);
    // libavcodec states what comes out of the decoder; the core of HE-AAC runs at half the rate (ISO 14496-3
    // §4.6.18).
    let (codec, rate_hz, channels) = match (stream.codec_name.as_str(), stream.profile.as_str()) {
        ("aac", "HE-AAC" | "HE-AACv2") => (Some(AudioCodec::Aac), rate / 2, channels),
        ("aac", "LC" | "Main" | "SSR" | "LTP" | "") => (Some(AudioCodec::Aac), rate, channels),
        ("ac3", _) => (Some(AudioCodec::Ac3), rate, channels),
        ("eac3", _) => (Some(AudioCodec::Eac3), rate, channels),
        ("mp2", _) => (Some(AudioCodec::Mp2), rate, channels),
        ("mp3", _) => (Some(AudioCodec::Mp3), rate, channels),
        _ => (None, rate, channels),
    };
    let name = match (stream.codec_name.as_str(), stream.profile.as_str()) {
        ("aac", "LC") => "AAC-LC".to_owned(),
        ("aac", profile @ ("HE-AAC" | "HE-AACv2")) => profile.to_owned(),
        ("dts", profile) if !profile.is_empty() => profile.to_owned(),
        ("ac3", _) => "AC-3".to_owned(),
        ("eac3", _) => "E-AC-3".to_owned(),
        (codec, _) => codec.to_uppercase(),
    };
    AudioProbe {
        codec,
        name,
        rate_hz,
        channels,
        language: stream
            .tags
            .language
            .clone()
            .filter(|code| code.len() == 3 && code != "und"),
    }
}

pub(super) fn chapter(raw: &RawChapter) -> Option<Chapter> {
    Some(Chapter {
        start: TimeBase::parse(&raw.time_base)?.ticks(raw.start),
        title: raw.tags.title.clone().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(json: &str) -> Stream {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn names_are_for_people() {
        let check = |json: &str, name: &str, bits: u8| {
            let stream = stream(json);
            assert_eq!(
                (video_name(&stream).as_str(), bit_depth(&stream)),
                (name, bits),
                "{json}"
            );
        };
        check(
            r#"{"index":0,"codec_name":"h264","profile":"High","level":41,"bits_per_raw_sample":"8"}"#,
            "H.264 High 4.1",
            8,
        );
        check(
            r#"{"index":0,"codec_name":"hevc","profile":"Main 10","level":123,"pix_fmt":"yuv420p10le"}"#,
            "HEVC Main 10 4.1",
            10,
        );
        check(
            r#"{"index":0,"codec_name":"mpeg4","level":-99,"pix_fmt":"yuv420p"}"#,
            "MPEG-4 Part 2",
            8,
        );
    }

    #[test]
    fn he_aac_has_the_rate_of_its_core_and_the_speakers_that_are_heard() {
        let audio = audio(&stream(
            r#"{"index":1,"codec_name":"aac","profile":"HE-AACv2","sample_rate":"48000","channels":2,"tags":{"language":"ger"}}"#,
        ));
        assert_eq!(
            (audio.codec, audio.rate_hz, audio.channels),
            (Some(AudioCodec::Aac), 24_000, 2)
        );
        assert_eq!(audio.language.as_deref(), Some("ger"));
    }

    #[test]
    fn odd_time_bases_and_rates_give_exact_ticks() {
        let base = TimeBase::parse("1001/30000").unwrap();
        assert_eq!(base.ticks(3), Ticks90k(9009));
        assert_eq!(TimeBase::parse("0/0"), None);
        let film = stream(r#"{"index":0,"avg_frame_rate":"24000/1001"}"#);
        assert_eq!(frame_duration(&film), Ticks90k(3754));
        assert_eq!(
            frame_duration(&stream(r#"{"index":0,"avg_frame_rate":"0/0"}"#)),
            Ticks90k::ZERO
        );
        assert_eq!(clock_seconds("01:00:02.500000000"), Some(3602.5));
    }
}
