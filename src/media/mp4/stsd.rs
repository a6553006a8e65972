//! Sample descriptions (ISO 14496-12 §8.5.2, ISO 14496-14, ISO 14496-15, ETSI TS 102 366 annex F, and
//! QuickTime's sound descriptions): which codec a track has and its configuration.

use super::boxes::{boxes_in, code_name};
use crate::bail;
use crate::error::{ErrorKind, Result};
use crate::media::audio::Bits;
use crate::media::audio::aac::AacConfig;
use crate::media::nal::{self, VideoConfig};
use crate::media::unit::{AudioCodec, VideoCodec};

/// Sample descriptions kept of one track.
const DESCRIPTIONS_MAX: usize = 32;

/// One entry of stsd.
#[derive(Clone, Debug)]
pub(super) enum Description {
    Video(VideoConfig),
    /// The parameter sets are in the stream only: the first sample tells the rest.
    InBand {
        codec: VideoCodec,
        nal_length_bytes: u8,
        width: u16,
        height: u16,
    },
    Aac(AacConfig),
    /// Frames that bring their own headers; the numbers of the box are hints only.
    Framed {
        codec: AudioCodec,
        rate_hz: u32,
        channels: u8,
    },
    /// Nothing that fits a transport stream.
    Other {
        name: String,
        width: u16,
        height: u16,
        rate_hz: u32,
        channels: u8,
    },
}

impl Description {
    /// The codec's name for people.
    pub(super) fn name(&self) -> String {
        match self {
            Description::Video(config) => config.name.clone(),
            Description::InBand { codec, .. } => format!("{codec:?}"),
            Description::Aac(config) => format!("{} {} Hz", config.name, config.rate_hz),
            Description::Framed { codec, rate_hz, .. } => format!("{codec:?} {rate_hz} Hz"),
            Description::Other { name, .. } => name.clone(),
        }
    }

    /// Whether a decoder of one also decodes the other without notice: only parameter sets may differ.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Description::Video(one), Description::Video(other)) => one.codec == other.codec,
            (Description::Aac(one), Description::Aac(other)) => {
                (one.rate_hz, one.channels) == (other.rate_hz, other.channels)
            }
            (
                Description::Framed {
                    codec: one,
                    rate_hz: rate,
                    ..
                },
                Description::Framed { codec, rate_hz, .. },
            ) => (one, rate) == (codec, rate_hz),
            (Description::Other { name: one, .. }, Description::Other { name, .. }) => one == name,
            _ => false,
        }
    }
}

/// Reads the entries of a stsd box; `is_video` says how they are built. Encryption is `Unsupported`.
pub(super) fn parse(body: &[u8], is_video: bool) -> Result<Vec<Description>> {
    let mut descriptions = Vec::new();
    for (code, entry) in boxes_in(body.get(8..).unwrap_or_default()).take(DESCRIPTIONS_MAX) {
        if matches!(&code, b"encv" | b"enca" | b"drmi" | b"drms") {
            bail!(Unsupported, "encrypted ({})", code_name(code));
        }
        let boxes = if is_video {
            entry.get(VIDEO_BYTES..).unwrap_or_default()
        } else {
            entry.get(audio_bytes(entry)..).unwrap_or_default()
        };
        if child(boxes, *b"sinf").is_some() {
            bail!(Unsupported, "encrypted ({} with sinf)", code_name(code));
        }
        descriptions.push(if is_video {
            video(code, entry, boxes)?
        } else {
            audio(code, entry, boxes)
        });
    }
    if descriptions.is_empty() {
        bail!(Damaged, "a track without sample description");
    }
    Ok(descriptions)
}

fn be16(data: &[u8], at: usize) -> u16 {
    data.get(at..)
        .and_then(|d| d.first_chunk())
        .map_or(0, |b| u16::from_be_bytes(*b))
}

fn be32(data: &[u8], at: usize) -> u32 {
    data.get(at..)
        .and_then(|d| d.first_chunk())
        .map_or(0, |b| u32::from_be_bytes(*b))
}

fn child(data: &[u8], kind: [u8; 4]) -> Option<&[u8]> {
    boxes_in(data)
        .find(|(k, _)| *k == kind)
        .map(|(_, body)| body)
}

/// The fixed part of a VisualSampleEntry, behind which there are boxes.
const VIDEO_BYTES: usize = 78;

/// The same of an AudioSampleEntry, which is longer in QuickTime's versions 1 and 2.
fn audio_bytes(entry: &[u8]) -> usize {
    match be16(entry, 8) {
        1 if has_boxes(entry, 44) => 44,
        2 => 64,
        _ => 28,
    }
}

/// A VisualSampleEntry.
fn video(code: [u8; 4], entry: &[u8], boxes: &[u8]) -> Result<Description> {
    let (width, height) = (be16(entry, 24), be16(entry, 26));
    let other = |name: String| Description::Other {
        name,
        width,
        height,
        rate_hz: 0,
        channels: 0,
    };
    // Profile 5 has no base layer that an ordinary decoder shows in the right colours.
    if let Some(dolby_vision) = child(boxes, *b"dvcC").or_else(|| child(boxes, *b"dvvC"))
        && dolby_vision.get(2).is_some_and(|b| b >> 1 == 5)
    {
        return Ok(other("Dolby Vision profile 5".into()));
    }
    // The two low bits of one byte tell the size of the NAL lengths, less one.
    let nal_length = |record: Option<&[u8]>, at: usize| {
        record.and_then(|r| r.get(at)).map_or(4, |b| (b & 3) + 1)
    };
    let (codec, nal_length_bytes, config) = match &code {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => {
            let record = child(boxes, *b"avcC");
            let config = record.map(nal::parse_avcc);
            (VideoCodec::H264, nal_length(record, 4), config)
        }
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => {
            let record = child(boxes, *b"hvcC");
            let config = record.map(nal::parse_hvcc);
            (VideoCodec::Hevc, nal_length(record, 21), config)
        }
        b"mp4v" => {
            let es = child(boxes, *b"esds").map(Esds::parse).unwrap_or_default();
            match es.object_type {
                // ISO 13818-2 in its profiles: simple, main, SNR, spatial, high, 4:2:2.
                0x60..=0x65 => {
                    let config = nal::parse_parameter_sets(VideoCodec::Mpeg2, es.config);
                    (VideoCodec::Mpeg2, 0, Some(config))
                }
                0x6A => return Ok(other("MPEG-1 video".into())),
                _ => return Ok(other("MPEG-4 Part 2".into())),
            }
        }
        b"m2v1" | b"mpg2" | b"mp2v" => {
            let config = nal::parse_parameter_sets(VideoCodec::Mpeg2, &[]);
            (VideoCodec::Mpeg2, 0, Some(config))
        }
        _ => return Ok(other(video_name(code))),
    };
    match config {
        Some(Ok(mut config)) => {
            if config.width == 0 || config.height == 0 {
                (config.width, config.height) = (width, height);
            }
            Ok(Description::Video(config))
        }
        Some(Err(e)) if e.kind() == ErrorKind::Unsupported => Ok(Description::InBand {
            codec,
            nal_length_bytes,
            width,
            height,
        }),
        Some(Err(e)) => Err(e),
        None => bail!(Damaged, "{} without its configuration", code_name(code)),
    }
}

fn video_name(code: [u8; 4]) -> String {
    match &code {
        b"av01" | b"dav1" => "AV1".into(),
        b"vp08" => "VP8".into(),
        b"vp09" => "VP9".into(),
        b"vvc1" | b"vvi1" => "H.266".into(),
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "ProRes".into(),
        b"jpeg" | b"mjpa" | b"mjpb" => "Motion JPEG".into(),
        b"s263" | b"h263" | b"H263" => "H.263".into(),
        b"SVQ1" | b"SVQ3" => "Sorenson Video".into(),
        b"DIVX" | b"XVID" | b"3IV2" => "MPEG-4 Part 2".into(),
        _ => code_name(code),
    }
}

/// An AudioSampleEntry. What cannot be understood is `Other`: ffmpeg may still make sound of it.
fn audio(code: [u8; 4], entry: &[u8], boxes: &[u8]) -> Description {
    let (mut rate_hz, mut channels) = (be32(entry, 24) >> 16, be16(entry, 16));
    if be16(entry, 8) == 2 {
        let rate = entry.get(32..).and_then(|d| d.first_chunk());
        rate_hz = rate.map_or(0.0, |b| f64::from_be_bytes(*b)) as u32;
        channels = be32(entry, 40).min(255) as u16;
    }
    let channels = channels.min(255) as u8;
    let framed = |codec| Description::Framed {
        codec,
        rate_hz,
        channels,
    };
    let other = |name: String| Description::Other {
        name,
        width: 0,
        height: 0,
        rate_hz,
        channels,
    };
    match &code {
        b"mp4a" => {
            let esds = child(boxes, *b"esds")
                .or_else(|| child(boxes, *b"wave").and_then(|wave| child(wave, *b"esds")));
            let es = esds.map(Esds::parse).unwrap_or_default();
            match es.object_type {
                0x40 | 0x66..=0x68 => match AacConfig::parse(es.config) {
                    Ok(config) => Description::Aac(config),
                    Err(e) => other(e.message().to_owned()),
                },
                0x69 | 0x6B => framed(AudioCodec::Mp3),
                0xA5 => framed(AudioCodec::Ac3),
                0xA6 => framed(AudioCodec::Eac3),
                0xA9..=0xAC => other("DTS".into()),
                0xAD => other("Opus".into()),
                0xDD => other("Vorbis".into()),
                unknown => other(format!("MPEG-4 audio object 0x{unknown:02X}")),
            }
        }
        b"ac-3" | b"sac3" => Description::Framed {
            codec: AudioCodec::Ac3,
            rate_hz,
            channels: child(boxes, *b"dac3")
                .and_then(|b| dolby_channels(b, 10))
                .unwrap_or(channels),
        },
        b"ec-3" => Description::Framed {
            codec: AudioCodec::Eac3,
            rate_hz,
            channels: child(boxes, *b"dec3")
                .and_then(|b| dolby_channels(b, 28))
                .unwrap_or(channels),
        },
        b".mp3" | b"ms\0\x55" => framed(AudioCodec::Mp3),
        b".mp2" | b"ms\0\x50" => framed(AudioCodec::Mp2),
        _ => other(audio_name(code)),
    }
}

/// Speakers by `acmod` and `lfeon`, which begin behind `skip` bits of dac3 (ETSI TS 102 366 §F.4) or
/// dec3 (§F.6). The box's own channel count is 2 whatever the stream has.
fn dolby_channels(body: &[u8], skip: usize) -> Option<u8> {
    let mut bits = Bits::new(body);
    bits.take(skip)?;
    let main = [2, 1, 2, 3, 3, 4, 4, 5].get(bits.take(3)? as usize)?;
    Some(main + u8::from(bits.flag()?))
}

fn audio_name(code: [u8; 4]) -> String {
    match &code {
        b"dtsc" | b"dtsl" | b"dtse" => "DTS".into(),
        b"dtsh" => "DTS-HD".into(),
        b"mlpa" => "TrueHD".into(),
        b"ac-4" => "AC-4".into(),
        b"Opus" => "Opus".into(),
        b"fLaC" => "FLAC".into(),
        b"alac" => "ALAC".into(),
        b"samr" | b"sawb" => "AMR".into(),
        b"twos" | b"sowt" | b"lpcm" | b"in24" | b"in32" | b"fl32" | b"ipcm" | b"raw " => {
            "PCM".into()
        }
        _ => code_name(code),
    }
}

/// Whether something that looks like a box begins at `at`.
fn has_boxes(entry: &[u8], at: usize) -> bool {
    let rest = entry.get(at..).unwrap_or_default();
    let size = be32(rest, 0) as usize;
    size >= 8 && size <= rest.len()
}

/// What an ES_Descriptor (ISO 14496-1 §7.2.6.5) says.
#[derive(Clone, Copy, Default)]
struct Esds<'a> {
    object_type: u8,
    config: &'a [u8],
}

impl<'a> Esds<'a> {
    /// Takes what is there: a descriptor that ends early leaves the rest empty.
    fn parse(body: &'a [u8]) -> Self {
        let mut found = Self::default();
        let Some(es) = descriptor(body.get(4..).unwrap_or_default(), 3) else {
            return found;
        };
        let flags = es.get(2).copied().unwrap_or(0);
        let mut at = 3;
        if flags & 0x80 != 0 {
            at += 2;
        }
        if flags & 0x40 != 0 {
            at += 1 + usize::from(es.get(at).copied().unwrap_or(0));
        }
        if flags & 0x20 != 0 {
            at += 2;
        }
        let Some(decoder) = descriptor(es.get(at..).unwrap_or_default(), 4) else {
            return found;
        };
        found.object_type = decoder.first().copied().unwrap_or(0);
        found.config = descriptor(decoder.get(13..).unwrap_or_default(), 5).unwrap_or_default();
        found
    }
}

/// The content of the first descriptor when it has this tag.
fn descriptor(data: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, mut rest) = data.split_first()?;
    if *found != tag {
        return None;
    }
    let mut length = 0;
    for _ in 0..4 {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        length = length << 7 | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(rest.get(..length).unwrap_or(rest))
}
