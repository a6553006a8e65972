//! Matroska and WebM: which elements stay (RFC 9559), and where frames lie in blocks.
//!
//! Elements are walked through one behind the other, into every one that holds others: so sizes that are not known
//! need no care.

use std::collections::BTreeMap;

use super::copy::{Copy, Input};
use super::video::{self, Pictures};
use super::{audio, mp4::Content};
use crate::error::Result;
use crate::media::unit::{AudioCodec, VideoCodec};

/// Elements that hold others, and nothing else.
const MASTERS: &[u32] = &[
    0x1A45_DFA3, // EBML
    0x1853_8067, // Segment
    0x114D_9B74, // SeekHead
    0x4DBB,      // Seek
    0x1549_A966, // Info
    0x1654_AE6B, // Tracks
    TRACK_ENTRY, // TrackEntry
    0xE0,        // Video
    0x55B0,      // Colour
    0x55D0,      // MasteringMetadata
    0x7670,      // Projection
    0xE1,        // Audio
    0x6D80,      // ContentEncodings
    0x6240,      // ContentEncoding
    0x5034,      // ContentCompression
    0x1F43_B675, // Cluster
    0xA0,        // BlockGroup
    0x1C53_BB6B, // Cues
    0xBB,        // CuePoint
    0xB7,        // CueTrackPositions
    0x1043_A770, // Chapters
    0x45B9,      // EditionEntry
    0xB6,        // ChapterAtom
    0x8F,        // ChapterTrack
    0x80,        // ChapterDisplay
    0x1254_C367, // Tags
    0x7373,      // Tag
    0x63C0,      // Targets
    0x67C8,      // SimpleTag
    0x1941_A469, // Attachments
    0x61A7,      // AttachedFile
];

/// Elements that stay as they are: numbers, and words of the format itself.
const KEPT: &[u32] = &[
    0x4286, 0x42F7, 0x42F2, 0x42F3, 0x4282, 0x4287, 0x4285, // EBML header
    0x53AB, 0x53AC, // SeekID, SeekPosition
    0x2A_D7B1, 0x4489, // TimestampScale, Duration
    0xD7, 0x73C5, 0x83, 0xB9, 0x88, 0x55AA, 0x9C, // track numbers, type and flags
    0x55AB, 0x55AC, 0x55AD, 0x55AE, 0x55AF, // more flags
    0x6DE7, 0x6DF8, 0x23_E383, 0x23_4E7A, 0x23_314F, 0x55EE, // caches, durations, scale
    0x22_B59C, 0x22_B59D, 0x86, 0x56AA, 0x56BB, 0xAA, // language, codec, delay, preroll
    0x9A, 0x9D, 0x53B8, 0x53C0, 0xB0, 0xBA, 0x54AA, 0x54BB, 0x54CC, 0x54DD, // picture
    0x54B0, 0x54BA, 0x54B2, 0x54B3, 0x2E_B524, // how to show it
    0x55B1, 0x55B2, 0x55B3, 0x55B4, 0x55B5, 0x55B6, 0x55B7, 0x55B8, 0x55B9, 0x55BA, 0x55BB, 0x55BC,
    0x55BD, // colour
    0x55D1, 0x55D2, 0x55D3, 0x55D4, 0x55D5, 0x55D6, 0x55D7, 0x55D8, 0x55D9,
    0x55DA, // mastering
    0x7671, 0x7673, 0x7674, 0x7675, // projection
    0xB5, 0x78B5, 0x9F, 0x6264, // sound
    0x5031, 0x5032, 0x5033, 0x4254, 0x4255, // what was done to frames
    0xE7, 0xA7, 0xAB, 0x9B, 0xFB, 0xFA, 0x75A2, // clusters and block groups
    0xB3, 0xF7, 0xF1, 0xF0, 0xB2, 0x5378, 0xEA, // cues
    0x45BC, 0x45BD, 0x45DB, 0x45DD, 0x73C4, 0x91, 0x92, 0x98, 0x4598, 0x89, // chapters
    0x63C5, 0x68CA, 0x63C4, 0x63C9, 0x63C6, // what tags are about
];

const TRACK_ENTRY: u32 = 0xAE;
const TRACK_NUMBER: u32 = 0xD7;
const CODEC_ID: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63A2;
const COMP_SETTINGS: u32 = 0x4255;
const SIMPLE_BLOCK: u32 = 0xA3;
const BLOCK: u32 = 0xA1;

/// Tracks of a file.
const TRACKS_MAX: usize = 1024;
/// The longest CodecPrivate that is kept.
const PRIVATE_BYTES: usize = 256 << 10;
/// The longest header of a block: sizes of 255 laced frames.
const BLOCK_HEAD_BYTES: usize = 16 << 10;

/// A track as far as its frames have to be found.
#[derive(Clone, Debug, Default)]
struct Track {
    number: u64,
    codec: String,
    /// CodecPrivate, of codecs whose frames are looked into.
    private: Vec<u8>,
    private_at: u64,
    /// Bytes taken from the front of every frame.
    stripped: Vec<u8>,
}

impl Track {
    fn content(&self) -> Content {
        let codec = match self.codec.as_str() {
            "V_MPEG4/ISO/AVC" => VideoCodec::H264,
            "V_MPEGH/ISO/HEVC" => VideoCodec::Hevc,
            "V_MPEG2" | "V_MPEG1" => VideoCodec::Mpeg2,
            "A_AC3" => return Content::Sound(AudioCodec::Ac3),
            "A_EAC3" => return Content::Sound(AudioCodec::Eac3),
            "A_MPEG/L3" => return Content::Sound(AudioCodec::Mp3),
            "A_MPEG/L2" => return Content::Sound(AudioCodec::Mp2),
            _ => return Content::Unknown,
        };
        let place = if codec == VideoCodec::H264 { 4 } else { 21 };
        let length_bytes = match (codec, self.private.as_slice()) {
            (VideoCodec::Mpeg2, _) | (_, [0, ..] | []) => 0,
            (_, private) => private.get(place).map_or(4, |byte| (byte & 3) + 1),
        };
        Content::Pictures(Pictures {
            codec,
            length_bytes,
        })
    }

    /// What of CodecPrivate may stay: configurations. Others hold comments, fonts and titles.
    fn keep_private(&mut self, copy: &mut Copy<'_>) -> Result<()> {
        match self.codec.as_str() {
            "V_MPEG4/ISO/AVC" | "V_MPEG2" | "V_MPEG1" | "A_AAC" | "A_OPUS" | "V_AV1" | "V_VP9" => {}
            "V_MPEGH/ISO/HEVC" => video::blank_record(VideoCodec::Hevc, &mut self.private),
            _ => return Ok(()),
        }
        copy.put(self.private_at, &self.private)
    }
}

/// An element's header.
#[derive(Clone, Copy, Debug)]
struct Element {
    id: u32,
    data: u64,
    /// `None`: not known.
    size: Option<u64>,
}

impl Element {
    fn read(input: &mut Input, at: u64) -> Result<Option<Self>> {
        let bytes = input.get(at, 12)?;
        let parse = || {
            let id_bytes = bytes.first()?.leading_zeros() as usize + 1;
            let (id, rest) = bytes.split_at_checked(id_bytes).filter(|_| id_bytes <= 4)?;
            let (size, size_bytes) = vint(rest)?;
            Some(Self {
                id: id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)),
                data: at + (id_bytes + size_bytes) as u64,
                size,
            })
        };
        Ok(parse())
    }
}

/// A variable-size integer (RFC 8794 §4): its value, `None` when all bits are ones, and how many bytes it takes.
fn vint(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let len = bytes.first()?.leading_zeros() as usize + 1;
    let raw = bytes.get(..len).filter(|_| len <= 8)?;
    let raw = raw.iter().fold(0, |n, b| n << 8 | u64::from(*b));
    let mask = (1 << (7 * len)) - 1;
    let value = raw & mask;
    Some(((value != mask).then_some(value), len))
}

pub(super) fn write(copy: &mut Copy<'_>) -> Result<()> {
    let end = copy.kept.size_bytes;
    let mut tracks = BTreeMap::new();
    let mut track: Option<Track> = None;
    let mut at = 0;
    while at < end {
        let Some(found) = Element::read(&mut copy.input, at)? else {
            break;
        };
        let is_master = MASTERS.contains(&found.id);
        // A track is whole when something begins that lies in none.
        if found.id == TRACK_ENTRY || (is_master && !is_in_track(found.id)) {
            take_track(copy, &mut tracks, track.take())?;
            track = (found.id == TRACK_ENTRY).then(Track::default);
        }
        let size = match found.size {
            Some(size) if is_master || size <= end.saturating_sub(found.data) => size,
            None if is_master => 0,
            // Cut short, or no element at all.
            _ => break,
        };
        copy.keep(at, found.data)?;
        if is_master {
            at = found.data;
            continue;
        }
        let behind = found.data + size;
        match found.id {
            SIMPLE_BLOCK | BLOCK => keep_block(copy, &tracks, found.data, behind)?,
            CODEC_PRIVATE => {
                if let Some(track) = &mut track
                    && size <= PRIVATE_BYTES as u64
                {
                    track.private = copy.input.get(found.data, size as usize)?.to_vec();
                    track.private_at = found.data;
                }
            }
            id if KEPT.contains(&id) => {
                if let Some(track) = &mut track {
                    let head = copy.input.get(found.data, size.min(1024) as usize)?;
                    match id {
                        TRACK_NUMBER => {
                            track.number = head.iter().fold(0, |n, b| n << 8 | u64::from(*b));
                        }
                        CODEC_ID => {
                            track.codec = String::from_utf8_lossy(head)
                                .trim_end_matches('\0')
                                .to_owned();
                        }
                        COMP_SETTINGS => track.stripped = head.to_vec(),
                        _ => {}
                    }
                }
                copy.keep(found.data, behind)?;
            }
            _ => {}
        }
        at = behind;
    }
    take_track(copy, &mut tracks, track)
}

/// Whether a master element lies in a TrackEntry.
fn is_in_track(id: u32) -> bool {
    matches!(
        id,
        0xE0 | 0x55B0 | 0x55D0 | 0x7670 | 0xE1 | 0x6D80 | 0x6240 | 0x5034
    )
}

fn take_track(
    copy: &mut Copy<'_>,
    tracks: &mut BTreeMap<u64, Track>,
    track: Option<Track>,
) -> Result<()> {
    if let Some(mut track) = track
        && tracks.len() < TRACKS_MAX
    {
        track.keep_private(copy)?;
        tracks.entry(track.number).or_insert(track);
    }
    Ok(())
}

/// The header of a block (§10), and what may be kept of its frames.
fn keep_block(
    copy: &mut Copy<'_>,
    tracks: &BTreeMap<u64, Track>,
    from: u64,
    to: u64,
) -> Result<()> {
    let len = usize::try_from(to - from).unwrap_or(BLOCK_HEAD_BYTES);
    let head = copy.input.get(from, len.min(BLOCK_HEAD_BYTES))?.to_vec();
    let Some((number, sizes)) = frames(&head, to - from) else {
        return Ok(());
    };
    let mut at = to - sizes.iter().sum::<u64>();
    copy.keep(from, at)?;
    let Some(track) = tracks.get(&number) else {
        return Ok(());
    };
    let stripped = &track.stripped;
    let content = track.content();
    for bytes in sizes {
        match content {
            Content::Pictures(pictures) => {
                video::keep_sample(copy, pictures, stripped, at, bytes)?;
            }
            Content::Sound(codec) => audio::keep_sample(copy, codec, stripped, at, bytes)?,
            Content::Text | Content::Unknown => {}
        }
        at += bytes;
    }
    Ok(())
}

/// The track of a block of `bytes`, and the sizes of the frames that fill its end.
fn frames(head: &[u8], bytes: u64) -> Option<(u64, Vec<u64>)> {
    let (number, number_bytes) = vint(head)?;
    let (&[_, _, flags], rest) = head.get(number_bytes..)?.split_first_chunk::<3>()?;
    let content = bytes.checked_sub(number_bytes as u64 + 3)?;
    let number = number?;
    if flags >> 1 & 3 == 0 {
        return Some((number, vec![content]));
    }
    let (&more, mut rest) = rest.split_first()?;
    let mut left = content.checked_sub(1)?;
    let mut sizes: Vec<u64> = Vec::with_capacity(usize::from(more) + 1);
    if flags >> 1 & 3 == 2 {
        let count = u64::from(more) + 1;
        return left
            .is_multiple_of(count)
            .then(|| (number, vec![left / count; usize::from(more) + 1]));
    }
    let mut last = 0_i64;
    for n in 0..more {
        let used;
        if flags >> 1 & 3 == 1 {
            let full = rest.iter().take_while(|byte| **byte == 255).count();
            last = full as i64 * 255 + i64::from(*rest.get(full)?);
            used = full + 1;
        } else {
            let (value, value_bytes) = vint(rest)?;
            let value = i64::try_from(value?).ok()?;
            // The first is a size, the others differences around the middle of the range.
            last = match n {
                0 => value,
                _ => last.checked_add(value - ((1 << (7 * value_bytes - 1)) - 1))?,
            };
            used = value_bytes;
        }
        rest = rest.get(used..)?;
        let size = u64::try_from(last).ok()?;
        left = left.checked_sub(used as u64)?;
        sizes.push(size);
    }
    let known = sizes
        .iter()
        .try_fold(0_u64, |sum, size| sum.checked_add(*size))?;
    sizes.push(left.checked_sub(known)?);
    Some((number, sizes))
}
