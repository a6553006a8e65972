//! Whether a file fits a format, and what of it does not, part by part.

use std::fmt;

use super::{CopyClass, Format, PictureRate, PictureSize, audio_name, layout, video_name};
use crate::media::probe::{AudioProbe, Container, Probe, VideoProbe};
use crate::media::time::Ticks90k;
use crate::media::unit::{AudioCodec, VideoCodec};

/// The part of a file that something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The file as a whole.
    File,
    /// Its picture.
    Video,
    /// Its sound.
    Audio,
}

/// Why a part of a file cannot be copied into a channel of some format.
///
/// [`Display`](fmt::Display) is for people and names the part first ("audio: DTS-HD MA cannot be copied into a
/// transport stream"); [`Reason::group`] is the same for all files that have the same trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Our demuxers do not read it, and why.
    Special(String),
    /// There are no pictures.
    NoPicture,
    /// Its codec is not that of the channel.
    VideoCodec {
        /// Its name for people.
        name: String,
        /// What it is, of those that a transport stream of ours can carry.
        codec: Option<VideoCodec>,
        /// The channel's.
        wants: VideoCodec,
    },
    /// More bits per sample than players of H.264 show.
    BitDepth {
        /// The codec's name for people.
        name: String,
        /// Bits per sample.
        bits: u8,
    },
    /// Decoding can start nowhere but, perhaps, at the beginning.
    NoEntry,
    /// So much lies between two random access points that nobody could join.
    Gop {
        /// Coded bytes of the largest group of pictures.
        bytes: u64,
    },
    /// Fields, where the channel promises a rate of whole pictures.
    Interlaced,
    /// Another size than the channel promises.
    Size {
        /// Its own.
        has: (u16, u16),
        /// The channel's.
        wants: PictureSize,
    },
    /// Another picture rate than the channel promises.
    Rate {
        /// Length of its pictures; zero when unknown.
        has: Ticks90k,
        /// The channel's.
        wants: PictureRate,
    },
    /// Its codec is not that of the channel.
    AudioCodec {
        /// Its name for people.
        name: String,
        /// What it is, of those that a transport stream of ours can carry.
        codec: Option<AudioCodec>,
        /// The channel's.
        wants: AudioCodec,
    },
    /// Another sampling rate, Hz.
    AudioRate {
        /// Its own.
        has: u32,
        /// The channel's.
        wants: u32,
    },
    /// Another number of speakers.
    AudioLayout {
        /// Its own.
        has: u8,
        /// The channel's.
        wants: u8,
    },
}

impl Reason {
    /// What it is about.
    pub fn part(&self) -> Part {
        match self {
            Self::Special(_) => Part::File,
            Self::AudioCodec { .. } | Self::AudioRate { .. } | Self::AudioLayout { .. } => {
                Part::Audio
            }
            _ => Part::Video,
        }
    }

    /// The trouble without what differs from file to file, for people.
    pub fn group(&self) -> String {
        match self {
            Self::VideoCodec {
                codec: Some(codec),
                wants,
                ..
            } => not_fitting("video", video_name(*codec), video_name(*wants)),
            Self::AudioCodec {
                codec: Some(codec),
                wants,
                ..
            } => not_fitting("audio", audio_name(*codec), audio_name(*wants)),
            Self::BitDepth { bits, .. } => {
                format!("video: H.264 with {bits} bits, which few players show")
            }
            Self::Gop { .. } => format!(
                "video: GOP of more than {} MB does not fit",
                megabytes(GOP_BYTES_MAX)
            ),
            Self::Size { wants, .. } => format!("video: another size than {wants}"),
            Self::Rate { wants, .. } => {
                format!("video: another rate than {wants} pictures per second")
            }
            other => other.to_string(),
        }
    }
}

fn not_fitting(part: &str, has: &str, wants: &str) -> String {
    format!("{part}: {has} does not fit a channel of {wants}")
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cannot = "cannot be copied into a transport stream";
        match self {
            Self::Special(why) => f.write_str(why),
            Self::NoPicture => f.write_str("video: the item has no pictures"),
            Self::VideoCodec {
                name, codec: None, ..
            } => write!(f, "video: {name} {cannot}"),
            Self::VideoCodec { name, wants, .. } => {
                f.write_str(&not_fitting("video", name, video_name(*wants)))
            }
            Self::BitDepth { name, bits } => {
                write!(f, "video: {name} with {bits} bits, which few players show")
            }
            Self::NoEntry => f.write_str("video: no random access point, nobody could join"),
            Self::Gop { bytes } => write!(
                f,
                "video: GOP of {} MB does not fit: {} MB are kept for who joins",
                megabytes(*bytes),
                megabytes(GOP_BYTES_MAX)
            ),
            Self::Interlaced => {
                f.write_str("video: interlaced, and the channel promises whole pictures")
            }
            Self::Size {
                has: (width, height),
                wants,
            } => write!(
                f,
                "video: {width}x{height} does not fit a channel of {wants}"
            ),
            Self::Rate {
                has: Ticks90k(..=0),
                wants,
            } => write!(
                f,
                "video: an unknown picture rate does not fit a channel of {wants} per second"
            ),
            Self::Rate { has, wants } => {
                let hundredths = 9_000_000 / has.0;
                write!(
                    f,
                    "video: {}.{:02} pictures per second do not fit a channel of {wants}",
                    hundredths / 100,
                    hundredths % 100
                )
            }
            Self::AudioCodec {
                name, codec: None, ..
            } => write!(f, "audio: {name} {cannot}"),
            Self::AudioCodec { name, wants, .. } => {
                f.write_str(&not_fitting("audio", name, audio_name(*wants)))
            }
            Self::AudioRate { has, wants } => {
                write!(f, "audio: {has} Hz does not fit a channel of {wants} Hz")
            }
            Self::AudioLayout { has, wants } => write!(
                f,
                "audio: {} does not fit a channel of {}",
                layout(*has),
                layout(*wants)
            ),
        }
    }
}

/// What a channel does to play a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// It is copied in-process.
    Copy,
    /// ffmpeg reads the container and copies both streams.
    Wrap,
    /// The sound is transcoded, the picture copied.
    Audio,
    /// The picture is transcoded, the sound copied.
    Video,
    /// Both are transcoded.
    Both,
    /// There is nothing but sound: it is copied or transcoded, over a black picture.
    Slate,
    /// Nothing helps.
    Unplayable,
}

impl Treatment {
    /// Every treatment, the cheapest first.
    pub const ALL: [Self; 7] = [
        Self::Copy,
        Self::Wrap,
        Self::Audio,
        Self::Video,
        Self::Both,
        Self::Slate,
        Self::Unplayable,
    ];

    /// Whether nothing is encoded.
    pub fn is_without_transcoding(self) -> bool {
        matches!(self, Self::Copy | Self::Wrap)
    }
}

/// In a few words: "only the sound is transcoded".
impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copy => "copied as it is",
            Self::Wrap => "copied, the container is read by ffmpeg",
            Self::Audio => "only the sound is transcoded, the picture is copied",
            Self::Video => "only the picture is transcoded, the sound is copied",
            Self::Both => "picture and sound are transcoded",
            Self::Slate => "its sound is played over a black picture",
            Self::Unplayable => "cannot be played",
        })
    }
}

/// What a format makes of a file, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is done.
    pub treatment: Treatment,
    /// Everything that is in the way of copying; empty for [`Treatment::Copy`] alone.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// All reasons in one line, for people.
    pub fn reason(&self) -> String {
        let reasons: Vec<String> = self.reasons.iter().map(Reason::to_string).collect();
        reasons.join("; ")
    }

    /// What a channel has to do. What cannot be played is handed to ffmpeg all the same, which says so.
    pub fn class(&self) -> CopyClass {
        CopyClass::Transcode {
            video: match self.treatment {
                Treatment::Copy => return CopyClass::Copy,
                Treatment::Wrap | Treatment::Audio => false,
                Treatment::Video | Treatment::Both => true,
                Treatment::Slate | Treatment::Unplayable => true,
            },
            audio: match self.treatment {
                Treatment::Slate => self.reasons.iter().any(|r| r.part() == Part::Audio),
                other => matches!(
                    other,
                    Treatment::Audio | Treatment::Both | Treatment::Unplayable
                ),
            },
            reason: self.reason(),
        }
    }
}

/// A channel keeps at least one whole GOP for those who join; a larger one is not copied.
pub const GOP_BYTES_MAX: u64 = 16 << 20;

/// What a GOP takes in a transport stream, with its packet headers (3.6 % measured).
fn in_packets(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 25)
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

impl Format {
    /// What this format makes of a file. An item without sound fits: the channel fills in silence.
    pub fn judge(&self, probe: &Probe) -> Verdict {
        let mut reasons = Vec::new();
        reasons.extend(probe.not_native.clone().map(Reason::Special));
        // A file of a container that we read, refused all the same, is special in its pictures (edit
        // list, rotation); of another container only the wrapping is strange to us.
        let is_special = probe.not_native.is_some() && probe.container != Container::Other;
        match &probe.video {
            Some(video) => {
                reasons.extend(self.picture_misfits(video, probe.not_native.is_none()));
            }
            None => reasons.push(Reason::NoPicture),
        }
        if let Some(audio) = probe.audio.first() {
            reasons.extend(self.sound_misfit(audio));
        }
        let has = |part| reasons.iter().any(|reason| reason.part() == part);
        let is_encrypted = probe.not_native.as_deref().is_some_and(is_encrypted);
        let treatment = match (has(Part::Video) || is_special, has(Part::Audio)) {
            _ if is_encrypted => Treatment::Unplayable,
            _ if probe.video.is_none() && probe.audio.is_empty() => Treatment::Unplayable,
            _ if probe.video.is_none() => Treatment::Slate,
            (true, true) => Treatment::Both,
            (true, false) => Treatment::Video,
            (false, true) => Treatment::Audio,
            (false, false) if reasons.is_empty() => Treatment::Copy,
            (false, false) => Treatment::Wrap,
        };
        Verdict { treatment, reasons }
    }

    /// Whether pictures of a file that our own demuxers read are copied.
    pub(super) fn carries(&self, video: &VideoProbe) -> bool {
        self.picture_misfits(video, true).is_empty()
    }

    /// `is_ours`: our demuxers read it, so where its random access points lie was looked up.
    fn picture_misfits(&self, video: &VideoProbe, is_ours: bool) -> Vec<Reason> {
        let name = || video.name.clone();
        if video.codec != Some(self.video) {
            // It is made anew: what else differs does not matter.
            return vec![Reason::VideoCodec {
                name: name(),
                codec: video.codec,
                wants: self.video,
            }];
        }
        let mut reasons = Vec::new();
        if self.video == VideoCodec::H264 && video.bit_depth > 8 {
            reasons.push(Reason::BitDepth {
                name: name(),
                bits: video.bit_depth,
            });
        }
        if is_ours && video.raps.is_empty() {
            reasons.push(Reason::NoEntry);
        }
        if in_packets(video.largest_gop_bytes) > GOP_BYTES_MAX {
            reasons.push(Reason::Gop {
                bytes: video.largest_gop_bytes,
            });
        }
        let has = (video.width, video.height);
        if let Some(wants) = self.size.filter(|s| (s.width(), s.height()) != has) {
            reasons.push(Reason::Size { has, wants });
        }
        if let Some(wants) = self.rate {
            if !wants.is_of(video.frame_duration) {
                let has = video.frame_duration;
                reasons.push(Reason::Rate { has, wants });
            }
            if video.interlaced {
                reasons.push(Reason::Interlaced);
            }
        }
        reasons
    }

    fn sound_misfit(&self, audio: &AudioProbe) -> Option<Reason> {
        if audio.codec != Some(self.audio) {
            return Some(Reason::AudioCodec {
                name: audio.name.clone(),
                codec: audio.codec,
                wants: self.audio,
            });
        }
        let (has, wants) = (audio.rate_hz, self.audio_rate_hz);
        // A programme map tells the low rates of MPEG audio from the others (ISO 13818-1 table 2-34:
        // stream types 3 and 4), so not even a loose layout mixes them.
        let is_mpeg = matches!(self.audio, AudioCodec::Mp2 | AudioCodec::Mp3);
        let other_type = is_mpeg && (has < LOW_RATES_END_HZ) != (wants < LOW_RATES_END_HZ);
        if has != wants && (!self.loose_audio || other_type) {
            return Some(Reason::AudioRate { has, wants });
        }
        let (has, wants) = (audio.channels, self.audio_channels);
        (has != wants && !self.loose_audio).then_some(Reason::AudioLayout { has, wants })
    }
}

/// The lowest sampling rate of ISO 11172-3; lower ones are of ISO 13818-3.
const LOW_RATES_END_HZ: u32 = 32_000;

/// Whether the reason that a demuxer gave is one that ffmpeg cannot mend either: without the key there is
/// nothing to see.
fn is_encrypted(not_native: &str) -> bool {
    not_native.contains("encrypt")
}

/// A probe without what formats do not ask: files with equal shapes are treated alike by every format, so that
/// a library of ten thousand files is judged by its few dozen shapes. Times are zero in it.
pub fn shape_of(probe: &Probe) -> Probe {
    let mut shape = probe.clone();
    (shape.start, shape.end) = (Ticks90k::ZERO, Ticks90k::ZERO);
    shape.chapters = Vec::new();
    shape.audio.truncate(1);
    for audio in &mut shape.audio {
        audio.language = None;
    }
    if let Some(video) = &mut shape.video {
        video.reorder_depth = 0;
        video.clean_raps = true;
        video.longest_rap_interval = Ticks90k::ZERO;
        video.largest_gop_bytes = match video.largest_gop_bytes {
            bytes if in_packets(bytes) > GOP_BYTES_MAX => megabytes(bytes).saturating_mul(1 << 20),
            _ => 0,
        };
        // Whether there is any is all that matters.
        video.raps.truncate(1);
        video.raps.fill(Ticks90k::ZERO);
    }
    shape
}
