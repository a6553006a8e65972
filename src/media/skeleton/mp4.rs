//! MP4 and QuickTime: which boxes stay (ISO 14496-12), and what of a sample description.

use super::copy::Copy;
use super::mp4_samples::{self, Defaults, Tables};
use super::video::{self, Pictures};
use crate::error::Result;
use crate::media::unit::{AudioCodec, VideoCodec};

/// Boxes looked at in all: a file of tens of thousands of fragments has some hundred thousand.
const BOXES_MAX: u64 = 10_000_000;
/// Tracks of a file.
const TRACKS_MAX: usize = 1024;
/// How deep boxes lie in each other.
const DEPTH_MAX: u32 = 12;
/// The longest sample description that is kept.
const ENTRY_BYTES: usize = 256 << 10;

/// A box.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) kind: [u8; 4],
    pub(super) at: u64,
    pub(super) body: u64,
    pub(super) end: u64,
}

impl At {
    /// The box at `at`; `None` where none can begin.
    fn read(copy: &mut Copy<'_>, at: u64, end: u64) -> Result<Option<Self>> {
        let Some([s0, s1, s2, s3, kind @ ..]) = copy.input.array::<8>(at)? else {
            return Ok(None);
        };
        let (header, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
            0 => (8, end - at),
            1 => match copy.input.array::<8>(at + 8)? {
                Some(size) => (16, u64::from_be_bytes(size)),
                None => return Ok(None),
            },
            size => (8, u64::from(size)),
        };
        let is_box = size >= header && at + header <= end;
        Ok(is_box.then(|| Self {
            kind,
            at,
            body: at + header,
            end: at.saturating_add(size).min(end),
        }))
    }
}

/// What is in the samples of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Pictures(Pictures),
    Sound(AudioCodec),
    /// Text that tells its length first (QuickTime chapters, 3GPP timed text).
    Text,
    /// Nothing of it stays.
    Unknown,
}

/// A track as far as its samples have to be found.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    pub(super) id: u32,
    /// By sample description.
    pub(super) contents: Vec<Content>,
    pub(super) tables: Tables,
}

/// Walks through the boxes.
struct Walk {
    boxes: u64,
    tracks: Vec<Track>,
    defaults: Vec<Defaults>,
}

pub(super) fn write(copy: &mut Copy<'_>) -> Result<()> {
    let mut walk = Walk {
        boxes: 0,
        tracks: Vec::new(),
        defaults: Vec::new(),
    };
    let end = copy.kept.size_bytes;
    // Tables first: fragments are read with what the movie box says, wherever it stands.
    walk.inside(copy, 0, end, 0)?;
    for track in &walk.tracks {
        mp4_samples::keep(copy, track)?;
    }
    let mut at = 0;
    while let Some(found) = At::read(copy, at, end)? {
        if &found.kind == b"moof" {
            mp4_samples::keep_fragment(copy, &walk.tracks, &walk.defaults, found)?;
        }
        at = found.end;
    }
    Ok(())
}

/// The boxes inside of a box, in order.
pub(super) fn children(copy: &mut Copy<'_>, from: u64, end: u64) -> Result<Vec<At>> {
    let mut found = Vec::new();
    let mut at = from;
    while let Some(inside) = At::read(copy, at, end)? {
        at = inside.end;
        found.push(inside);
        if found.len() > 4096 {
            break;
        }
    }
    Ok(found)
}

impl Walk {
    fn inside(&mut self, copy: &mut Copy<'_>, from: u64, end: u64, depth: u32) -> Result<()> {
        let mut at = from;
        while let Some(found) = At::read(copy, at, end)? {
            self.boxes += 1;
            if self.boxes > BOXES_MAX {
                break;
            }
            copy.keep(found.at, found.body)?;
            self.one(copy, found, depth)?;
            at = found.end;
        }
        Ok(())
    }

    fn one(&mut self, copy: &mut Copy<'_>, found: At, depth: u32) -> Result<()> {
        let At { body, end, .. } = found;
        match &found.kind {
            b"trak" if self.tracks.len() < TRACKS_MAX => self.tracks.push(Track::default()),
            b"tkhd" => {
                let id = word_behind_times(copy, found)?;
                self.track(|track| track.id = id);
            }
            b"stsz" | b"stz2" | b"stsc" | b"stco" | b"co64" => {
                self.track(|track| track.tables.take(found));
            }
            b"trex" => self.defaults.push(Defaults::read(copy, found)?),
            _ => {}
        }
        match &found.kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"dinf" | b"mvex"
            | b"moof" | b"traf" | b"mfra" | b"udta" | b"ilst" | b"gmhd" | b"tref"
                if depth < DEPTH_MAX =>
            {
                self.inside(copy, body, end, depth + 1)
            }
            // Of ISO with a version in front, of QuickTime without.
            b"meta" if depth < DEPTH_MAX => {
                let head = copy.input.array::<8>(body)?;
                let is_plain = head.is_some_and(|head| head.ends_with(b"hdlr"));
                let skip = if is_plain { 0 } else { 4 };
                self.inside(copy, body + skip, end, depth + 1)
            }
            b"ftyp" | b"styp" | b"mvhd" | b"tkhd" | b"mdhd" | b"vmhd" | b"smhd" | b"nmhd"
            | b"sthd" | b"gmin" | b"elst" | b"stts" | b"ctts" | b"cslg" | b"stss" | b"stps"
            | b"stsc" | b"stsz" | b"stz2" | b"stco" | b"co64" | b"sdtp" | b"sgpd" | b"sbgp"
            | b"saiz" | b"saio" | b"mehd" | b"trex" | b"mfhd" | b"tfhd" | b"tfdt" | b"trun"
            | b"sidx" | b"ssix" | b"tfra" | b"mfro" | b"chap" | b"sync" | b"fall" | b"folw"
            | b"tmcd" | b"subt" | b"cdsc" => copy.keep(body, end),
            // Up to the name of the handler (§8.4.3).
            b"hdlr" => copy.keep(body, end.min(body + 24)),
            b"dref" => self.references(copy, found),
            b"stsd" => self.descriptions(copy, found),
            b"chpl" => keep_chapters(copy, found),
            b"uuid" => copy.keep(body, end.min(body + 16)),
            _ => Ok(()),
        }
    }

    /// Changes the track that is being read.
    fn track(&mut self, change: impl FnOnce(&mut Track)) {
        if let Some(track) = self.tracks.last_mut() {
            change(track);
        }
    }

    /// Data references (§8.7.2) without the places that they name.
    fn references(&mut self, copy: &mut Copy<'_>, found: At) -> Result<()> {
        copy.keep(found.body, found.end.min(found.body + 8))?;
        for inside in children(copy, found.body + 8, found.end)? {
            copy.keep(inside.at, inside.end.min(inside.body + 4))?;
        }
        Ok(())
    }

    /// Sample descriptions (§8.5.2).
    fn descriptions(&mut self, copy: &mut Copy<'_>, found: At) -> Result<()> {
        copy.keep(found.body, found.end.min(found.body + 8))?;
        for entry in children(copy, found.body + 8, found.end)? {
            let content = keep_description(copy, entry)?;
            self.track(|track| track.contents.push(content));
        }
        Ok(())
    }
}

/// The word behind the two times of a versioned box: the track's number in tkhd.
fn word_behind_times(copy: &mut Copy<'_>, found: At) -> Result<u32> {
    let version = copy.input.array::<1>(found.body)?;
    let skip = if version == Some([1]) { 20 } else { 12 };
    let word = copy.input.array(found.body + skip)?;
    Ok(word.map_or(0, u32::from_be_bytes))
}

/// A sample description without names; what is in the samples that it describes.
fn keep_description(copy: &mut Copy<'_>, entry: At) -> Result<Content> {
    let codec = match &entry.kind {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => Some(VideoCodec::H264),
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => Some(VideoCodec::Hevc),
        _ => None,
    };
    let is_picture = codec.is_some()
        || matches!(
            &entry.kind,
            b"mp4v" | b"encv" | b"av01" | b"vp08" | b"vp09" | b"mp2v" | b"m2v1" | b"jpeg" | b"apcn"
        );
    let is_sound = matches!(
        &entry.kind,
        b"mp4a"
            | b"ac-3"
            | b"ec-3"
            | b".mp3"
            | b"enca"
            | b"alac"
            | b"fLaC"
            | b"Opus"
            | b"dtsc"
            | b"dtsh"
            | b"dtsl"
            | b"dtse"
            | b"lpcm"
            | b"sowt"
            | b"twos"
            | b"in24"
            | b"samr"
    );
    if is_picture {
        // All but the name of the compressor (§12.1.3).
        let name = entry.body + 42;
        copy.keep(entry.at, entry.end.min(name))?;
        copy.keep(name + 32, entry.end.min(entry.body + 78))?;
        let mut pictures = codec.map(|codec| Pictures {
            codec,
            length_bytes: 4,
        });
        for inside in children(copy, entry.body + 78, entry.end)? {
            let length = keep_in_description(copy, inside, codec)?;
            match (&mut pictures, &inside.kind) {
                (Some(pictures), b"avcC" | b"hvcC") => {
                    pictures.length_bytes = length.unwrap_or(pictures.length_bytes);
                }
                (None, b"esds") if is_mpeg2(copy, inside)? => {
                    pictures = Some(Pictures {
                        codec: VideoCodec::Mpeg2,
                        length_bytes: 0,
                    });
                }
                _ => {}
            }
        }
        let is_mpeg2 = matches!(&entry.kind, b"mp2v" | b"m2v1");
        let plain = Pictures {
            codec: VideoCodec::Mpeg2,
            length_bytes: 0,
        };
        let pictures = pictures.or(is_mpeg2.then_some(plain));
        return Ok(pictures.map_or(Content::Unknown, Content::Pictures));
    }
    if is_sound {
        // QuickTime has longer ones of versions 1 and 2.
        let version = copy
            .input
            .array::<2>(entry.body + 8)?
            .map(u16::from_be_bytes);
        let fields = match version {
            Some(1) => 28 + 16,
            Some(2) => 28 + 36,
            _ => 28,
        };
        copy.keep(entry.at, entry.end.min(entry.body + fields))?;
        let mut content = match &entry.kind {
            b"ac-3" => Content::Sound(AudioCodec::Ac3),
            b"ec-3" => Content::Sound(AudioCodec::Eac3),
            b".mp3" => Content::Sound(AudioCodec::Mp3),
            _ => Content::Unknown,
        };
        for inside in children(copy, entry.body + fields, entry.end)? {
            keep_in_description(copy, inside, None)?;
            if &inside.kind == b"esds"
                && let Some(0x69 | 0x6B) = object_type(copy, inside)?
            {
                content = Content::Sound(AudioCodec::Mp3);
            }
        }
        return Ok(content);
    }
    // The head that every description has.
    copy.keep(entry.at, entry.end.min(entry.body + 8))?;
    Ok(match &entry.kind {
        b"text" | b"tx3g" => Content::Text,
        _ => Content::Unknown,
    })
}

/// A box within a sample description; of a configuration record, how long the lengths of NAL units are.
fn keep_in_description(
    copy: &mut Copy<'_>,
    found: At,
    codec: Option<VideoCodec>,
) -> Result<Option<u8>> {
    copy.keep(found.at, found.body)?;
    match &found.kind {
        b"avcC" | b"hvcC" => {
            let len = usize::try_from(found.end - found.body).unwrap_or(ENTRY_BYTES);
            let mut record = copy.input.get(found.body, len.min(ENTRY_BYTES))?.to_vec();
            video::blank_record(codec.unwrap_or(VideoCodec::H264), &mut record);
            copy.put(found.body, &record)?;
            let place = if &found.kind == b"avcC" { 4 } else { 21 };
            Ok(record.get(place).map(|byte| (byte & 3) + 1))
        }
        b"esds" | b"dac3" | b"dec3" | b"dOps" | b"ddts" | b"alac" | b"dvcC" | b"dvvC" | b"vpcC"
        | b"av1C" | b"colr" | b"pasp" | b"btrt" | b"clap" | b"fiel" | b"gama" | b"mdcv"
        | b"clli" | b"chan" | b"frma" | b"schm" | b"enda" | b"chrm" => {
            copy.keep(found.body, found.end)?;
            Ok(None)
        }
        // Of protected tracks what they were; of QuickTime's sound its extensions.
        b"sinf" | b"wave" => {
            for inside in children(copy, found.body, found.end)? {
                if !matches!(&inside.kind, b"sinf" | b"wave") {
                    keep_in_description(copy, inside, codec)?;
                }
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// `objectTypeIndication` of an esds box (ISO 14496-1 §7.2.6.6): behind the decoder configuration's tag.
fn object_type(copy: &mut Copy<'_>, esds: At) -> Result<Option<u8>> {
    let bytes = copy.input.get(esds.body + 4, 64)?;
    let mut rest = bytes;
    let tag = |rest: &mut &[u8]| -> Option<u8> {
        let (&tag, mut after) = rest.split_first()?;
        while let Some((&length, next)) = after.split_first() {
            after = next;
            if length & 0x80 == 0 {
                break;
            }
        }
        *rest = after;
        Some(tag)
    };
    if tag(&mut rest) != Some(3) {
        return Ok(None);
    }
    // ES_ID and flags without what they may bring, as files have it.
    rest = rest.get(3..).unwrap_or_default();
    let is_configuration = tag(&mut rest) == Some(4);
    Ok(rest.first().copied().filter(|_| is_configuration))
}

fn is_mpeg2(copy: &mut Copy<'_>, esds: At) -> Result<bool> {
    Ok(matches!(object_type(copy, esds)?, Some(0x60..=0x65)))
}

/// Chapters as Nero writes them: a time of 8 bytes, a length of 1 byte, a title. The titles go.
fn keep_chapters(copy: &mut Copy<'_>, found: At) -> Result<()> {
    let version = copy.input.array::<1>(found.body)?;
    let head = if version == Some([1]) { 9 } else { 5 };
    copy.keep(found.body, found.end.min(found.body + head))?;
    let mut at = found.body + head;
    while at + 9 <= found.end {
        copy.keep(at, at + 9)?;
        let length = copy.input.array::<1>(at + 8)?.unwrap_or([0]);
        at += 9 + u64::from(length[0]);
    }
    Ok(())
}
