//! How the software encoders are set to make a channel's format.

use crate::error::Result;
use crate::media::probe::VideoProbe;
use crate::media::{AudioCodec, Format, Ticks90k, VideoCodec};

/// Seconds between two random access points, so that a client shows a picture soon after it joined.
const GOP_SECONDS: i64 = 2;

/// Picture rate assumed where a file does not say its own.
const ASSUMED_DURATION: Ticks90k = Ticks90k(3600);

/// Frame rates that MPEG-2 can state (ISO 13818-2 table 6-4), with the length of a picture.
const MPEG2_RATES: &[(&str, Ticks90k)] = &[
    ("60", Ticks90k(1500)),
    ("60000/1001", Ticks90k(1502)),
    ("50", Ticks90k(1800)),
    ("30", Ticks90k(3000)),
    ("30000/1001", Ticks90k(3003)),
    ("25", Ticks90k(3600)),
    ("24", Ticks90k(3750)),
    ("24000/1001", Ticks90k(3754)),
];

/// The name of the encoder for a picture.
pub(super) fn video_encoder(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "libx264",
        VideoCodec::Hevc => "libx265",
        VideoCodec::Mpeg2 => "mpeg2video",
    }
}

/// The name of the encoder for sound.
pub(super) fn audio_encoder(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Aac => "aac",
        AudioCodec::Ac3 => "ac3",
        AudioCodec::Eac3 => "eac3",
        AudioCodec::Mp2 => "mp2",
        AudioCodec::Mp3 => "libmp3lame",
    }
}

/// Options of the video encoder for a source like `video`.
pub(super) fn video_options(codec: VideoCodec, video: &VideoProbe) -> Vec<String> {
    let gop = gop_pictures(video.frame_duration);
    let mut out = words(&[
        "-c:v",
        video_encoder(codec),
        "-pix_fmt",
        "yuv420p",
        "-bf",
        "2",
    ]);
    out.extend(words(&["-g", &gop.to_string()]));
    match codec {
        VideoCodec::H264 => {
            let (maxrate, buffer) = rate(
                video,
                &["4M", "6M", "10M", "25M"],
                &["8M", "12M", "20M", "50M"],
            );
            out.extend(words(&[
                "-preset",
                "veryfast",
                "-profile:v",
                "high",
                "-level:v",
                h264_level(video),
            ]));
            out.extend(words(&[
                "-crf", "21", "-maxrate", maxrate, "-bufsize", buffer,
            ]));
            // The shortest distance must leave room for the forced ones.
            out.extend(words(&[
                "-keyint_min",
                "1",
                "-sc_threshold",
                "0",
                "-flags:v",
                "+cgop",
                "-forced-idr",
                "1",
            ]));
        }
        VideoCodec::Hevc => {
            let (maxrate, buffer) = rate(
                video,
                &["3M", "4M", "7M", "18M"],
                &["6M", "8M", "14M", "36M"],
            );
            out.extend(words(&[
                "-preset",
                "superfast",
                "-crf",
                "24",
                "-maxrate",
                maxrate,
                "-bufsize",
                buffer,
            ]));
            let own = format!(
                "keyint={gop}:min-keyint=1:scenecut=0:open-gop=0:bframes=2:repeat-headers=1:log-level=error"
            );
            out.extend(words(&["-forced-idr", "1", "-x265-params", &own]));
        }
        VideoCodec::Mpeg2 => {
            let (bitrate, maxrate) = rate(
                video,
                &["5M", "10M", "15M", "40M"],
                &["8M", "14M", "20M", "60M"],
            );
            out.extend(words(&[
                "-b:v", bitrate, "-maxrate", maxrate, "-bufsize", "9M",
            ]));
            // The encoder wants its scene detection off for closed groups of pictures.
            out.extend(words(&["-flags:v", "+cgop", "-sc_threshold", "1000000000"]));
            out.extend(words(&["-r", mpeg2_rate(video.frame_duration)]));
        }
    }
    // Every two seconds of time, whatever the picture rate really is. One hundredth before, because a
    // container that counts milliseconds may show the picture wanted one too early.
    let every = format!("expr:isnan(prev_forced_t)+gte(t,prev_forced_t+{GOP_SECONDS}-0.01)");
    out.extend(words(&["-force_key_frames", &every]));
    out
}

/// Options of the audio encoder. `Unsupported` when the codec cannot carry the format's rate or layout.
pub(super) fn audio_options(format: &Format) -> Result<Vec<String>> {
    let (rates, most_channels, kbits): (&[u32], u8, u32) = match format.audio {
        AudioCodec::Aac => (
            &[
                8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200,
                96_000,
            ],
            8,
            80,
        ),
        AudioCodec::Ac3 | AudioCodec::Eac3 => (&[32_000, 44_100, 48_000], 6, 96),
        AudioCodec::Mp2 => (&[16_000, 22_050, 24_000, 32_000, 44_100, 48_000], 2, 112),
        AudioCodec::Mp3 => (&[16_000, 22_050, 24_000, 32_000, 44_100, 48_000], 2, 96),
    };
    let (rate_hz, channels) = (format.audio_rate_hz, format.audio_channels);
    if !rates.contains(&rate_hz) || channels == 0 || channels > most_channels {
        crate::bail!(
            Unsupported,
            "{} cannot be made with {rate_hz} Hz and {channels} channels: choose another audio format for the channel",
            audio_encoder(format.audio)
        );
    }
    // Bit rates of the table that layer II, III and AC-3 allow; low sampling rates allow less.
    let kbits = match (format.audio, channels) {
        (AudioCodec::Ac3 | AudioCodec::Eac3, 3..) => 448,
        (AudioCodec::Mp2 | AudioCodec::Mp3, _) if rate_hz < 32_000 => 64 * u32::from(channels),
        (AudioCodec::Aac, _) if rate_hz < 32_000 => 32 * u32::from(channels),
        _ => kbits * u32::from(channels),
    };
    Ok(words(&[
        "-c:a",
        audio_encoder(format.audio),
        "-b:a",
        &format!("{kbits}k"),
        "-ar",
        &rate_hz.to_string(),
        "-ac",
        &channels.to_string(),
    ]))
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

/// A bound a little beyond the forced distance, so that the two never make two in a row.
fn gop_pictures(duration: Ticks90k) -> i64 {
    let duration = if duration > Ticks90k::ZERO {
        duration
    } else {
        ASSUMED_DURATION
    };
    (GOP_SECONDS * 90_000 / duration.0 + 2).clamp(2, 600)
}

/// The entries of two tables for standard definition, 720, 1080 lines and beyond.
fn rate<'a>(video: &VideoProbe, first: &[&'a str; 4], second: &[&'a str; 4]) -> (&'a str, &'a str) {
    let pixels = u32::from(video.width) * u32::from(video.height);
    let [a, b, c, d] = *first;
    let [e, f, g, h] = *second;
    match pixels {
        0..=442_368 => (a, e),
        442_369..=921_600 => (b, f),
        921_601..=2_088_960 => (c, g),
        _ => (d, h),
    }
}

/// Level 4.1 where it fits (ITU-T H.264 table A-1: 8,192 macroblocks, 245,760 per second), else 5.2.
fn h264_level(video: &VideoProbe) -> &'static str {
    let blocks = i64::from(video.width.div_ceil(16)) * i64::from(video.height.div_ceil(16));
    let duration = if video.frame_duration > Ticks90k::ZERO {
        video.frame_duration
    } else {
        ASSUMED_DURATION
    };
    let fits = blocks <= 8192 && blocks * 90_000 / duration.0 <= 245_760;
    if fits { "4.1" } else { "5.2" }
}

/// The nearest rate MPEG-2 can state.
fn mpeg2_rate(duration: Ticks90k) -> &'static str {
    let duration = if duration > Ticks90k::ZERO {
        duration
    } else {
        ASSUMED_DURATION
    };
    let nearest = MPEG2_RATES
        .iter()
        .min_by_key(|(_, length)| (length.0 - duration.0).abs());
    nearest.map_or("25", |(rate, _)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_that_a_codec_cannot_carry_is_refused_with_a_way_out() {
        let check = |audio, audio_rate_hz, audio_channels, expected: Option<&str>| {
            let format = Format {
                video: VideoCodec::H264,
                audio,
                audio_rate_hz,
                audio_channels,
                ..Format::DEFAULT
            };
            let bits = audio_options(&format)
                .ok()
                .and_then(|options| options.get(3).cloned());
            assert_eq!(bits.as_deref(), expected, "{format:?}");
        };
        check(AudioCodec::Aac, 48_000, 2, Some("160k"));
        check(AudioCodec::Aac, 48_000, 6, Some("480k"));
        check(AudioCodec::Ac3, 48_000, 2, Some("192k"));
        check(AudioCodec::Ac3, 48_000, 6, Some("448k"));
        check(AudioCodec::Mp2, 48_000, 2, Some("224k"));
        check(AudioCodec::Mp3, 44_100, 2, Some("192k"));
        check(AudioCodec::Mp2, 48_000, 6, None);
        check(AudioCodec::Ac3, 96_000, 2, None);
        check(AudioCodec::Aac, 48_000, 0, None);
    }

    #[test]
    fn rates_of_mpeg_2_are_the_nearest_that_it_can_state() {
        for (duration, rate) in [
            (3003, "30000/1001"),
            (3000, "30"),
            (3754, "24000/1001"),
            (6000, "24000/1001"),
            (0, "25"),
        ] {
            assert_eq!(mpeg2_rate(Ticks90k(duration)), rate, "{duration}");
        }
    }

    #[test]
    fn groups_of_pictures_last_two_seconds() {
        for (duration, pictures) in [(3600, 52), (3003, 61), (1500, 122), (0, 52), (1, 600)] {
            assert_eq!(gop_pictures(Ticks90k(duration)), pictures, "{duration}");
        }
    }
}
