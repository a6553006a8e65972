//! Formats: what a channel promises its clients, which items fit one without transcoding, and which one suits
//! what there is to play.
//!
//! Pure: judges by probes alone. A format is chosen once, when a channel is made, and changes by the user's word only.

mod choice;
mod fit;
mod picture;
#[cfg(test)]
mod tests;

use std::fmt;

use super::probe::Probe;
use super::unit::{AudioCodec, VideoCodec};

pub use choice::{FormatWish, Portion};
pub use fit::{GOP_BYTES_MAX, Part, Reason, Treatment, Verdict, shape_of};
pub use picture::{PictureRate, PictureSize};

/// What a channel promises its clients for as long as it exists. Decided when the channel is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Format {
    /// Codec of the picture.
    pub video: VideoCodec,
    /// Codec of the sound.
    pub audio: AudioCodec,
    /// Samples per second: of all items, or of what is made for the channel where `loose_audio` is set.
    pub audio_rate_hz: u32,
    /// Speakers, 1 to 8; likewise.
    pub audio_channels: u8,
    /// Sound of the codec is copied whatever its rate and layout, which then change between items.
    #[serde(default)]
    pub loose_audio: bool,
    /// The size of all pictures; `None`: each item keeps its own.
    #[serde(default)]
    pub size: Option<PictureSize>,
    /// The rate of all pictures, which then are whole frames; `None`: each item keeps its own.
    #[serde(default)]
    pub rate: Option<PictureRate>,
}

/// What has to be done to an item before a channel of some format can carry it. Short for a [`Verdict`].
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

impl Default for Format {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Format {
    /// What every player understands.
    pub const DEFAULT: Self = Self {
        video: VideoCodec::H264,
        audio: AudioCodec::Aac,
        audio_rate_hz: 48_000,
        audio_channels: 2,
        loose_audio: false,
        size: None,
        rate: None,
    };

    /// What has to be done to an item before a channel of this format can carry it: [`Format::judge`] in short.
    pub fn copy_class(&self, probe: &Probe) -> CopyClass {
        self.judge(probe).class()
    }
}

/// For people: "H.264 1920x1080 at 25 per second + AAC, 48000 Hz, stereo".
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(video_name(self.video))?;
        if let Some(size) = self.size {
            write!(f, " {size}")?;
        }
        if let Some(rate) = self.rate {
            write!(f, " at {rate} per second")?;
        }
        let (audio, rate, layout) = (
            audio_name(self.audio),
            self.audio_rate_hz,
            layout(self.audio_channels),
        );
        write!(f, " + {audio}, {rate} Hz, {layout}")?;
        if self.loose_audio {
            f.write_str(" (other rates and layouts are copied too)")?;
        }
        Ok(())
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
