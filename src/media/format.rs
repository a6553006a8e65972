//! Formats, and which items fit one without transcoding.

use std::collections::BTreeMap;

use super::probe::{AudioProbe, Container, Probe, VideoProbe};
use super::unit::{AudioCodec, VideoCodec};

/// What a channel promises its clients for as long as it exists. Decided when the channel is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Format {
    /// Codec of the picture.
    pub video: VideoCodec,
    /// Codec of the sound.
    pub audio: AudioCodec,
    /// Samples per second.
    pub audio_rate_hz: u32,
    /// Speakers, 1 to 8.
    pub audio_channels: u8,
}

/// What has to be done to an item before a channel of some format can carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyClass {
    /// Copied as it is, in-process.
    Copy,
    /// Needs ffmpeg, and why (for people: "video: MPEG-4 Part 2 does not fit a channel of H.264").
    Transcode {
        /// The picture must be encoded anew.
        video: bool,
        /// The sound must be encoded anew.
        audio: bool,
        /// Why, for people.
        reason: String,
    },
}

/// A channel keeps at least one whole GOP for those who join; a larger one is not copied.
const GOP_BYTES_MAX: u64 = 16 << 20;

impl Default for Format {
    /// What every player understands.
    fn default() -> Self {
        Self {
            video: VideoCodec::H264,
            audio: AudioCodec::Aac,
            audio_rate_hz: 48_000,
            audio_channels: 2,
        }
    }
}

impl Format {
    /// What has to be done to an item before a channel of this format can carry it.
    ///
    /// An item without sound fits: the channel fills in silence. Every reason is named, joined by "; ".
    pub fn copy_class(&self, probe: &Probe) -> CopyClass {
        let picture = match &probe.video {
            Some(video) => self.picture_misfit(video),
            None => Some("the item has no pictures".to_owned()),
        };
        let sound = probe.audio.first().and_then(|a| self.sound_misfit(a));
        // A file of a container that we read, refused all the same, is special in its pictures (edit
        // list, rotation); of another container only the wrapping is strange to us.
        let is_special = probe.not_native.is_some() && probe.container != Container::Other;
        let reasons: Vec<String> = [
            probe.not_native.clone(),
            picture.as_ref().map(|why| format!("video: {why}")),
            sound.as_ref().map(|why| format!("audio: {why}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        if reasons.is_empty() {
            return CopyClass::Copy;
        }
        CopyClass::Transcode {
            video: picture.is_some() || is_special,
            audio: sound.is_some(),
            reason: reasons.join("; "),
        }
    }

    fn picture_misfit(&self, video: &VideoProbe) -> Option<String> {
        let name = &video.name;
        if video.codec != Some(self.video) {
            let format = video_name(self.video);
            return Some(format!("{name} does not fit a channel of {format}"));
        }
        if self.video == VideoCodec::H264 && video.bit_depth > 8 {
            let bits = video.bit_depth;
            return Some(format!("{name} with {bits} bits, which few players show"));
        }
        if video.largest_gop_bytes > GOP_BYTES_MAX {
            let megabytes = video.largest_gop_bytes >> 20;
            return Some(format!("GOP of {megabytes} MB"));
        }
        None
    }

    fn sound_misfit(&self, audio: &AudioProbe) -> Option<String> {
        let name = &audio.name;
        if audio.codec != Some(self.audio) {
            let format = audio_name(self.audio);
            return Some(format!("{name} does not fit a channel of {format}"));
        }
        if audio.rate_hz != self.audio_rate_hz {
            let (has, wants) = (audio.rate_hz, self.audio_rate_hz);
            return Some(format!("{has} Hz does not fit a channel of {wants} Hz"));
        }
        if audio.channels != self.audio_channels {
            let (has, wants) = (layout(audio.channels), layout(self.audio_channels));
            return Some(format!("{has} does not fit a channel of {wants}"));
        }
        None
    }

    /// The format under which most of the items' running time is copied: H.264, and the sound that most
    /// of it has. Sound counts of those items first whose pictures fit, since only they can be copied.
    pub fn propose<'a>(items: impl IntoIterator<Item = &'a Probe>) -> Self {
        let default = Self::default();
        let mut fitting = Majority::default();
        let mut any = Majority::default();
        for probe in items {
            let Some(sound) = probe.audio.first().and_then(Sound::of) else {
                continue;
            };
            let ticks = probe.length().0.max(0);
            any.add(sound, ticks);
            let fits = |v: &VideoProbe| default.picture_misfit(v).is_none();
            if probe.not_native.is_none() && probe.video.as_ref().is_some_and(fits) {
                fitting.add(sound, ticks);
            }
        }
        match fitting.winner().or_else(|| any.winner()) {
            Some(sound) => Self {
                audio: sound.codec,
                audio_rate_hz: sound.rate_hz,
                audio_channels: sound.channels,
                ..default
            },
            None => default,
        }
    }
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
    fn add(&mut self, sound: Sound, ticks: i64) {
        let sum = self.0.entry(sound).or_default();
        *sum = sum.saturating_add(ticks);
    }

    /// The sound with the most time; of equals the first in order, so that the answer never depends on
    /// the order of the items.
    fn winner(&self) -> Option<Sound> {
        let most = self.0.values().max()?;
        let found = self.0.iter().find(|(_, ticks)| *ticks == most);
        found.map(|(sound, _)| *sound)
    }
}

fn video_name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "H.264",
        VideoCodec::Hevc => "HEVC",
        VideoCodec::Mpeg2 => "MPEG-2",
    }
}

fn audio_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Aac => "AAC",
        AudioCodec::Ac3 => "AC-3",
        AudioCodec::Eac3 => "E-AC-3",
        AudioCodec::Mp2 => "MP2",
        AudioCodec::Mp3 => "MP3",
    }
}

fn layout(channels: u8) -> String {
    match channels {
        0 => "an unknown layout".to_owned(),
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        6 => "5.1".to_owned(),
        8 => "7.1".to_owned(),
        n => format!("{n} channels"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::time::Ticks90k;

    fn probe(video: Option<(VideoCodec, u8)>, audio: &[(AudioCodec, u32, u8)], s: i64) -> Probe {
        Probe {
            container: Container::Mp4,
            start: Ticks90k::ZERO,
            end: Ticks90k(s * 90_000),
            video: video.map(|(codec, bit_depth)| VideoProbe {
                codec: Some(codec),
                name: video_name(codec).to_owned(),
                width: 320,
                height: 180,
                bit_depth,
                frame_duration: Ticks90k(3600),
                reorder_depth: 2,
                longest_rap_interval: Ticks90k::SECOND,
                largest_gop_bytes: 1 << 20,
                clean_raps: true,
                raps: Vec::new(),
            }),
            audio: audio
                .iter()
                .map(|&(codec, rate_hz, channels)| AudioProbe {
                    codec: Some(codec),
                    name: audio_name(codec).to_owned(),
                    rate_hz,
                    channels,
                    language: None,
                })
                .collect(),
            chapters: Vec::new(),
            not_native: None,
        }
    }

    const STEREO: (AudioCodec, u32, u8) = (AudioCodec::Aac, 48_000, 2);
    const SURROUND: (AudioCodec, u32, u8) = (AudioCodec::Ac3, 48_000, 6);

    #[test]
    fn only_what_differs_is_transcoded_and_the_reason_says_what() {
        use VideoCodec::{H264, Hevc};
        let cases = [
            (probe(Some((H264, 8)), &[STEREO], 1), None),
            (probe(Some((H264, 8)), &[], 1), None),
            (probe(Some((H264, 8)), &[STEREO, SURROUND], 1), None),
            (
                probe(Some((Hevc, 10)), &[STEREO], 1),
                Some((true, false, "video: HEVC does not fit a channel of H.264")),
            ),
            (
                probe(Some((H264, 10)), &[STEREO], 1),
                Some((
                    true,
                    false,
                    "video: H.264 with 10 bits, which few players show",
                )),
            ),
            (
                probe(Some((H264, 8)), &[SURROUND], 1),
                Some((false, true, "audio: AC-3 does not fit a channel of AAC")),
            ),
            (
                probe(Some((H264, 8)), &[(AudioCodec::Aac, 44_100, 2)], 1),
                Some((
                    false,
                    true,
                    "audio: 44100 Hz does not fit a channel of 48000 Hz",
                )),
            ),
            (
                probe(Some((H264, 8)), &[(AudioCodec::Aac, 48_000, 6)], 1),
                Some((false, true, "audio: 5.1 does not fit a channel of stereo")),
            ),
            (
                probe(None, &[SURROUND], 1),
                Some((
                    true,
                    true,
                    "video: the item has no pictures; audio: AC-3 does not fit a channel of AAC",
                )),
            ),
        ];
        for (probe, expected) in cases {
            let expected = match expected {
                None => CopyClass::Copy,
                Some((video, audio, reason)) => CopyClass::Transcode {
                    video,
                    audio,
                    reason: reason.to_owned(),
                },
            };
            assert_eq!(Format::default().copy_class(&probe), expected, "{probe:?}");
        }
    }

    #[test]
    fn a_file_that_only_ffmpeg_reads_is_never_copied_in_process() {
        let mut item = probe(Some((VideoCodec::H264, 8)), &[STEREO], 1);
        for (container, encodes) in [(Container::Mp4, true), (Container::Other, false)] {
            item.container = container;
            item.not_native = Some("why not".to_owned());
            assert_eq!(
                Format::default().copy_class(&item),
                CopyClass::Transcode {
                    video: encodes,
                    audio: false,
                    reason: "why not".to_owned()
                }
            );
        }
    }

    #[test]
    fn a_gop_that_no_ring_holds_is_not_copied() {
        let mut item = probe(Some((VideoCodec::H264, 8)), &[STEREO], 1);
        item.video.as_mut().unwrap().largest_gop_bytes = 40 << 20;
        let CopyClass::Transcode { reason, .. } = Format::default().copy_class(&item) else {
            panic!("copied");
        };
        assert_eq!(reason, "video: GOP of 40 MB");
    }

    #[test]
    fn the_proposed_sound_is_what_most_of_the_copyable_time_has() {
        let h264 = Some((VideoCodec::H264, 8));
        let hevc = Some((VideoCodec::Hevc, 8));
        let mono = (AudioCodec::Aac, 44_100, 1);
        let is = |items: &[Probe], sound: (AudioCodec, u32, u8)| {
            let format = Format::propose(items);
            assert_eq!(format.video, VideoCodec::H264);
            assert_eq!(
                (format.audio, format.audio_rate_hz, format.audio_channels),
                sound
            );
        };
        is(&[], STEREO);
        is(&[probe(h264, &[], 100)], STEREO);
        is(
            &[probe(h264, &[mono], 60), probe(h264, &[SURROUND], 100)],
            SURROUND,
        );
        is(
            &[probe(h264, &[mono], 60), probe(hevc, &[SURROUND], 100)],
            mono,
        );
        is(&[probe(hevc, &[SURROUND], 100)], SURROUND);
    }
}
