//! Track entries (RFC 9559 §5.1.4): what a stream is, and what was done to its bytes.

use super::ebml::{Element, Window};
use super::ids;
use crate::error::Result;
use crate::media::unit::{AudioCodec, VideoCodec};

/// Tracks of a file that are looked at.
pub(super) const TRACKS_MAX: usize = 256;

/// The longest CodecPrivate that is read; fonts and the like are attachments, not tracks.
const PRIVATE_BYTES: usize = 64 * 1024;

/// The longest prefix that may be stripped from every frame.
const STRIPPED_BYTES: usize = 1_024;

/// TrackType.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Video,
    Audio,
    #[default]
    Other,
}

/// One TrackEntry.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track {
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) enabled: bool,
    pub(super) codec_id: String,
    pub(super) private: Vec<u8>,
    /// Nanoseconds of a frame; 0 when not given.
    pub(super) default_duration: u64,
    /// Nanoseconds that block times are too late by.
    pub(super) codec_delay: u64,
    /// As a Matroska language ("eng"), whose default is English.
    pub(super) language: String,
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) rate_hz: f64,
    pub(super) channels: u64,
    /// Bytes taken from the front of every frame, to be put back.
    pub(super) stripped: Vec<u8>,
    /// Why its frames cannot be read ("zlib compression").
    pub(super) refused: Option<String>,
    /// What the pictures are, where their codec alone does not say it ("Dolby Vision profile 5").
    pub(super) special: Option<String>,
    /// TransferCharacteristics (ITU-T H.273 table 3); 2 is unspecified.
    pub(super) transfer: u64,
}

impl Track {
    pub(super) fn read(window: &mut Window, entry: &Element) -> Result<Self> {
        let mut track = Self {
            number: 0,
            kind: Kind::Other,
            enabled: true,
            codec_id: String::new(),
            private: Vec::new(),
            default_duration: 0,
            codec_delay: 0,
            language: "eng".to_owned(),
            width: 0,
            height: 0,
            rate_hz: 8_000.0,
            channels: 1,
            stripped: Vec::new(),
            refused: None,
            special: None,
            transfer: 2,
        };
        entry.children(window, |window, child| track.take(window, child))?;
        Ok(track)
    }

    fn take(&mut self, window: &mut Window, child: &Element) -> Result<()> {
        let number = |window: &mut Window| Ok(child.uint(window)?.unwrap_or(0));
        match child.id {
            ids::TRACK_NUMBER => self.number = number(window)?,
            ids::TRACK_TYPE => {
                self.kind = match number(window)? {
                    1 => Kind::Video,
                    2 => Kind::Audio,
                    _ => Kind::Other,
                }
            }
            ids::FLAG_ENABLED => self.enabled = child.uint(window)? != Some(0),
            ids::DEFAULT_DURATION => self.default_duration = number(window)?,
            ids::CODEC_DELAY => self.codec_delay = number(window)?,
            ids::TRACK_TIMESTAMP_SCALE
                if child.float(window)?.is_some_and(|scale| scale != 1.0) =>
            {
                self.refuse("a track with its own timestamp scale");
            }
            ids::LANGUAGE => self.language = child.text(window, 16)?,
            ids::CODEC_ID => self.codec_id = child.text(window, 64)?,
            ids::CODEC_PRIVATE => self.private = child.binary(window, PRIVATE_BYTES)?,
            ids::VIDEO => child.children(window, |window, part| self.take_video(window, part))?,
            ids::BLOCK_ADDITION_MAPPING => self.take_mapping(window, child)?,
            ids::AUDIO => child.children(window, |window, part| {
                match part.id {
                    ids::SAMPLING_FREQUENCY => self.rate_hz = part.float(window)?.unwrap_or(0.0),
                    ids::CHANNELS => self.channels = part.uint(window)?.unwrap_or(1),
                    _ => {}
                }
                Ok(())
            })?,
            ids::CONTENT_ENCODINGS => {
                let mut count = 0;
                child.children(window, |window, encoding| {
                    if encoding.id == ids::CONTENT_ENCODING {
                        count += 1;
                        self.take_encoding(window, encoding)?;
                    }
                    Ok(())
                })?;
                if count > 1 {
                    self.refuse("several content encodings");
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A part of the Video element (RFC 9559 §5.1.4.1.28).
    fn take_video(&mut self, window: &mut Window, part: &Element) -> Result<()> {
        match part.id {
            ids::PIXEL_WIDTH => self.width = part.uint(window)?.unwrap_or(0),
            ids::PIXEL_HEIGHT => self.height = part.uint(window)?.unwrap_or(0),
            ids::COLOUR => part.children(window, |window, colour| {
                if colour.id == ids::TRANSFER_CHARACTERISTICS {
                    self.transfer = colour.uint(window)?.unwrap_or(self.transfer);
                }
                Ok(())
            })?,
            // A transport stream has no place for either.
            ids::PROJECTION => part.children(window, |window, projection| {
                match projection.id {
                    ids::PROJECTION_TYPE if projection.uint(window)? != Some(0) => {
                        self.refuse("a spherical projection");
                    }
                    ids::PROJECTION_POSE_YAW
                    | ids::PROJECTION_POSE_PITCH
                    | ids::PROJECTION_POSE_ROLL
                        if projection.float(window)? != Some(0.0) =>
                    {
                        self.refuse("pictures that must be turned (projection)");
                    }
                    _ => {}
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    }

    /// BlockAdditionMapping (RFC 9559 §5.1.4.1.17): the Dolby Vision configuration, whose profile says
    /// whether the pictures can be shown without it.
    fn take_mapping(&mut self, window: &mut Window, mapping: &Element) -> Result<()> {
        const CONFIGURATIONS: [&[u8; 4]; 2] = [b"dvcC", b"dvvC"];
        let (mut kind, mut record) = (None, Vec::new());
        mapping.children(window, |window, child| {
            match child.id {
                ids::BLOCK_ADD_ID_TYPE => kind = child.uint(window)?,
                ids::BLOCK_ADD_ID_EXTRA_DATA => record = child.binary(window, 64)?,
                _ => {}
            }
            Ok(())
        })?;
        let is_dolby = CONFIGURATIONS
            .iter()
            .any(|name| kind == Some(u64::from(u32::from_be_bytes(**name))));
        // Version, then seven bits of profile.
        if let (true, Some(profile)) = (is_dolby, record.get(2).map(|byte| byte >> 1))
            && profile == 5
        {
            self.special = Some(format!("Dolby Vision profile {profile}"));
        }
        Ok(())
    }

    /// ContentEncoding (RFC 9559 §5.1.4.1.31): only header stripping is undone.
    fn take_encoding(&mut self, window: &mut Window, encoding: &Element) -> Result<()> {
        const ENCRYPTION: Option<u64> = Some(1);
        let (mut scope, mut kind, mut algorithm) = (Some(1), Some(0), Some(0));
        let mut settings = Vec::new();
        encoding.children(window, |window, child| {
            match child.id {
                ids::CONTENT_ENCODING_SCOPE => scope = child.uint(window)?,
                ids::CONTENT_ENCODING_TYPE => kind = child.uint(window)?,
                ids::CONTENT_COMPRESSION => child.children(window, |window, part| {
                    match part.id {
                        ids::CONTENT_COMP_ALGO => algorithm = part.uint(window)?,
                        ids::CONTENT_COMP_SETTINGS => {
                            settings = part.binary(window, STRIPPED_BYTES)?;
                        }
                        _ => {}
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        if kind == ENCRYPTION {
            self.refuse("encryption");
            return Ok(());
        }
        match algorithm {
            // Scope 1 is the frames alone, as every writer does it.
            Some(3) if scope == Some(1) => self.stripped = settings,
            Some(3) => self.refuse("header stripping of more than frames"),
            Some(0) => self.refuse("zlib compression"),
            Some(1) => self.refuse("bzlib compression"),
            Some(2) => self.refuse("LZO compression"),
            _ => self.refuse("an unknown content encoding"),
        }
        Ok(())
    }

    fn refuse(&mut self, why: &str) {
        self.refused.get_or_insert_with(|| why.to_owned());
    }

    /// The codec when we can carry it.
    pub(super) fn video_codec(&self) -> Option<VideoCodec> {
        if self.special.is_some() {
            return None;
        }
        match self.codec_id.as_str() {
            "V_MPEG4/ISO/AVC" => Some(VideoCodec::H264),
            "V_MPEGH/ISO/HEVC" => Some(VideoCodec::Hevc),
            "V_MPEG2" => Some(VideoCodec::Mpeg2),
            _ => None,
        }
    }

    /// The codec when we can carry it.
    pub(super) fn audio_codec(&self) -> Option<AudioCodec> {
        match self.codec_id.as_str() {
            "A_AC3" | "A_AC3/BSID9" | "A_AC3/BSID10" => Some(AudioCodec::Ac3),
            "A_EAC3" => Some(AudioCodec::Eac3),
            "A_MPEG/L2" => Some(AudioCodec::Mp2),
            "A_MPEG/L3" => Some(AudioCodec::Mp3),
            id if id == "A_AAC" || id.starts_with("A_AAC/") => Some(AudioCodec::Aac),
            _ => None,
        }
    }

    /// The codec's name for people, as far as its ID tells.
    pub(super) fn codec_name(&self) -> String {
        if let Some(name) = &self.special {
            return name.clone();
        }
        let name = match self.codec_id.as_str() {
            "V_MPEG4/ISO/AVC" => "H.264",
            "V_MPEGH/ISO/HEVC" => "HEVC",
            "V_MPEGI/ISO/VVC" => "VVC",
            "V_MPEG1" => "MPEG-1 video",
            "V_MPEG2" => "MPEG-2",
            "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => "MPEG-4 Part 2",
            "V_MPEG4/MS/V3" => "Microsoft MPEG-4 version 3",
            "V_MS/VFW/FOURCC" => return self.wrapped_name(),
            "V_VP8" => "VP8",
            "V_VP9" => "VP9",
            "V_AV1" => "AV1",
            "V_THEORA" => "Theora",
            "V_PRORES" => "ProRes",
            "V_MJPEG" => "Motion JPEG",
            "V_FFV1" => "FFV1",
            "V_QUICKTIME" => "video in a QuickTime wrapper",
            "A_AC3" | "A_AC3/BSID9" | "A_AC3/BSID10" => "AC-3",
            "A_EAC3" => "E-AC-3",
            "A_MPEG/L1" => "MPEG audio layer I",
            "A_MPEG/L2" => "MP2",
            "A_MPEG/L3" => "MP3",
            "A_DTS" | "A_DTS/EXPRESS" | "A_DTS/LOSSLESS" => "DTS",
            "A_TRUEHD" => "TrueHD",
            "A_MLP" => "MLP",
            "A_OPUS" => "Opus",
            "A_VORBIS" => "Vorbis",
            "A_FLAC" => "FLAC",
            "A_ALAC" => "ALAC",
            "A_WAVPACK4" => "WavPack",
            "A_MS/ACM" => "audio in an ACM wrapper",
            id if id.starts_with("A_AAC") => "AAC",
            id if id.starts_with("A_PCM") => "PCM",
            id if id.starts_with("V_REAL") => "RealVideo",
            id if id.starts_with("A_REAL") => "RealAudio",
            "" => "a track without a codec",
            other => other,
        };
        name.to_owned()
    }

    /// What a BITMAPINFOHEADER says (RFC 9559 §C.1.2.2, "biCompression"). Block times of such tracks are as in AVI,
    /// those of decoding, so even codecs that we know are left to ffmpeg.
    fn wrapped_name(&self) -> String {
        const WRAPPED: &str = "in a VfW wrapper";
        let fourcc = self.private.get(16..20).unwrap_or_default();
        let fourcc: String = fourcc
            .iter()
            .filter(|byte| byte.is_ascii_graphic())
            .map(|byte| char::from(byte.to_ascii_uppercase()))
            .collect();
        match fourcc.as_str() {
            "H264" | "X264" | "AVC1" | "DAVC" | "VSSH" => format!("H.264 {WRAPPED}"),
            "H265" | "HEVC" | "HVC1" => format!("HEVC {WRAPPED}"),
            "XVID" | "DIVX" | "DX50" | "FMP4" | "MP4V" => format!("MPEG-4 Part 2 {WRAPPED}"),
            "" => format!("video {WRAPPED}"),
            other => format!("{other} {WRAPPED}"),
        }
    }

    /// The AudioSpecificConfig: CodecPrivate, or for the IDs of old writers, which have none, one put
    /// together from the ID ("A_AAC/MPEG4/LC/SBR") and the sampling frequency.
    pub(super) fn audio_specific_config(&self) -> Vec<u8> {
        if !self.private.is_empty() {
            return self.private.clone();
        }
        let object_type: u16 = if self.codec_id.contains("/MAIN") {
            1
        } else if self.codec_id.contains("/SSR") {
            3
        } else if self.codec_id.contains("/LTP") {
            4
        } else {
            2
        };
        // ISO 14496-3 §1.6.2.1 with the rate in full: 5 bits type, 4 bits 15, 24 bits rate, 4 bits channels.
        let rate = self.rate_hz.clamp(0.0, 96_000.0) as u64;
        let channels = if self.channels == 8 {
            7
        } else {
            self.channels & 7
        };
        let bits = u64::from(object_type) << 35 | 15 << 31 | rate << 7 | channels << 3;
        bits.to_be_bytes()[3..].to_vec()
    }

    /// ISO 639-2, unless undetermined.
    pub(super) fn language(&self) -> Option<String> {
        let language = self.language.as_str();
        (!language.is_empty() && language != "und").then(|| language.to_owned())
    }
}
