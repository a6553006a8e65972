//! What flows from every source to the one muxer: access units with times (ISO 13818-1 §2.1.1).

use std::sync::Arc;

use super::time::Ticks90k;
use crate::error::Result;

/// Video codecs that a transport stream of ours can carry.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// ITU-T H.264 / ISO 14496-10.
    H264,
    /// ITU-T H.265 / ISO 23008-2.
    Hevc,
    /// ITU-T H.262 / ISO 13818-2.
    Mpeg2,
}

/// Audio codecs that a transport stream of ours can carry.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// AAC in ADTS (ISO 13818-7).
    Aac,
    /// AC-3 (ETSI TS 102 366).
    Ac3,
    /// Enhanced AC-3 (ETSI TS 102 366 annex E).
    Eac3,
    /// MPEG-1/2 layer II (ISO 11172-3, 13818-3).
    Mp2,
    /// MPEG-1/2 layer III.
    Mp3,
}

/// Which of the two streams of a programme a unit belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Pictures.
    #[default]
    Video,
    /// Sound.
    Audio,
}

/// Whether decoding can start at a unit. Read from the NAL units themselves, never from a container's flag.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Rap {
    /// Not a random access point.
    #[default]
    No,
    /// Needs nothing before it, and nothing after it needs skipping (IDR, BLA, I without leading pictures).
    Clean,
    /// Decoding can start here once the leading pictures behind it are dropped (CRA, recovery point).
    Open,
}

/// One coded picture or one audio frame, as a transport stream carries it.
///
/// Video data is Annex B (ITU-T H.264 annex B, H.265 annex B) or MPEG-2 start codes; audio data is a
/// whole frame with its own header (ADTS for AAC). Access unit delimiter and parameter sets need not be
/// in `data`: the muxer writes them at every random access point from `parameter_sets`.
#[derive(Clone, Debug, Default)]
pub struct AccessUnit {
    /// Which stream it belongs to.
    pub kind: StreamKind,
    /// When it is shown, in time of the item (or, behind the splicer, of the channel).
    pub pts: Ticks90k,
    /// When it is decoded; never after `pts`.
    pub dts: Ticks90k,
    /// How long it lasts; zero when the source does not say (video) — audio always knows.
    pub duration: Ticks90k,
    /// Whether decoding can start here. Always [`Rap::Clean`] for audio.
    pub rap: Rap,
    /// Refers to pictures before the last random access point (HEVC RASL): not decodable after an entry there.
    pub skipped_leading: bool,
    /// Annex B parameter sets in force, on random access points whose `data` does not hold them itself.
    pub parameter_sets: Option<Arc<[u8]>>,
    /// Names the file that it was copied from, so that it can be read again; 0 when nobody can.
    pub origin: u32,
    /// The coded bytes.
    pub data: Vec<u8>,
}

/// The picture stream chosen from a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoTrack {
    /// Its codec.
    pub codec: VideoCodec,
    /// Coded picture size in luma samples.
    pub width: u16,
    /// Coded picture size in luma samples.
    pub height: u16,
    /// The usual length of a picture; zero when unknown.
    pub frame_duration: Ticks90k,
    /// How many pictures may precede one in decode order and follow it in display order.
    pub reorder_depth: u8,
    /// Annex B parameter sets from the container's header; empty when they come in the stream only.
    pub parameter_sets: Arc<[u8]>,
}

/// The sound stream chosen from a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioTrack {
    /// Its codec.
    pub codec: AudioCodec,
    /// Samples per second, of the core stream where there is an extension (HE-AAC).
    pub rate_hz: u32,
    /// Speakers, 1 to 8 (5.1 is 6).
    pub channels: u8,
    /// Samples per frame at `rate_hz`.
    pub frame_samples: u16,
}

impl AudioTrack {
    /// The length of one frame, rounded to the nearest tick.
    pub fn frame_duration(&self) -> Ticks90k {
        Ticks90k::from_scaled(i64::from(self.frame_samples), self.rate_hz)
    }
}

/// The streams that a demuxer yields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// The picture, if any.
    pub video: Option<VideoTrack>,
    /// The sound, if any.
    pub audio: Option<AudioTrack>,
}

/// What a demuxer had to leave out so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Access units dropped because they were cut short, lied about their size or could not be parsed.
    pub dropped_units: u64,
    /// Bytes skipped while looking for the next sound place.
    pub skipped_bytes: u64,
}

/// A source of access units in decode order, both streams merged by DTS.
///
/// Damage loses units, never the demuxer: an `Err` means that the source itself cannot be read any more.
pub trait Demuxer: Send {
    /// What it yields.
    fn streams(&self) -> &Streams;

    /// Goes to the last video random access point at or before `target` (the first when there is none;
    /// without video, to the audio frame that covers it) and returns its PTS. Audio continues with the
    /// first frame that ends after that PTS.
    fn seek(&mut self, target: Ticks90k) -> Result<Ticks90k>;

    /// Fills `unit`, reusing its buffer; `false` at the end of the source.
    fn next(&mut self, unit: &mut AccessUnit) -> Result<bool>;

    /// What was left out so far.
    fn damage(&self) -> Damage;
}
