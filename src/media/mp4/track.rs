//! Tracks of a movie box (ISO 14496-12 §8): header, tables, edit list, references.

use std::sync::Arc;

use super::boxes::{BoxAt, BoxReader};
use super::fragments::Fragmented;
use super::moof::TrackDefaults;
use super::stsd::{self, Description};
use super::table::{ABSURD_COMPOSITION, Chunks, Sizes, Table, Tables};
use crate::bail;
use crate::error::Result;

/// Tracks looked at; a film has a dozen.
const TRACKS_MAX: usize = 256;
/// Cap of a sample description box. x265 puts its settings into hvcC (2 KB), nothing comes near this.
const STSD_BYTES_MAX: usize = 256 * 1024;
/// Cap of an edit list; beyond a few entries we do not play it anyway.
const ELST_BYTES_MAX: usize = 64 * 1024;

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrackKind {
    Video,
    Audio,
    /// Text: chapter names or subtitles.
    Text,
}

/// One edit (ISO 14496-12 §8.6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// In units of the movie's time scale.
    pub(super) duration: u64,
    /// In units of the track's time scale; -1 for an empty edit.
    pub(super) media_time: i64,
    /// 16.16 fixed point.
    pub(super) rate: u32,
}

/// A track that we know how to look at.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) kind: TrackKind,
    pub(super) timescale: u32,
    pub(super) tables: Tables,
    /// Empty for text.
    pub(super) descriptions: Vec<Description>,
    pub(super) edits: Vec<Edit>,
    /// ISO 639-2; `None` when undetermined.
    pub(super) language: Option<String>,
    /// The picture has to be turned or mirrored to be shown.
    pub(super) is_turned: bool,
    /// How far composition offsets reach below zero, as the file says (cslg); 0 when it says nothing.
    pub(super) least_offset: i64,
    /// Tracks that hold the chapters of this one.
    pub(super) chapter_tracks: Vec<u32>,
}

/// What a movie box says.
#[derive(Clone, Debug)]
pub(super) struct Movie {
    pub(super) timescale: u32,
    pub(super) tracks: Vec<Track>,
    /// Nero chapters.
    pub(super) chapter_list: Option<BoxAt>,
    /// Set when fragments may follow the movie box.
    pub(super) fragmented: Option<Fragmented>,
}

/// Reads a movie box.
pub(super) fn parse_movie(reader: &mut BoxReader, moov: &BoxAt) -> Result<Movie> {
    let mut movie = Movie {
        timescale: 0,
        tracks: Vec::new(),
        chapter_list: None,
        fragmented: None,
    };
    let boxes = reader.children(moov.body, moov.end)?;
    let is_fragmented = boxes.iter().any(|b| &b.kind == b"mvex");
    for found in boxes {
        match &found.kind {
            b"mvhd" => movie.timescale = read_timescale(reader, &found)?,
            b"mvex" => {
                movie.fragmented = Some(Fragmented {
                    start: moov.end,
                    defaults: Arc::new(TrackDefaults::parse(reader, &found)?),
                });
            }
            b"cmov" => bail!(Unsupported, "compressed movie header"),
            b"trak" if movie.tracks.len() < TRACKS_MAX => {
                if let Some(track) = parse_track(reader, &found, is_fragmented)? {
                    movie.tracks.push(track);
                }
            }
            b"udta" => {
                let inside = reader.children(found.body, found.end).unwrap_or_default();
                movie.chapter_list = inside.into_iter().find(|b| &b.kind == b"chpl");
            }
            _ => {}
        }
    }
    Ok(movie)
}

/// The time scale of mvhd or mdhd, which stands in the same place of both.
fn read_timescale(reader: &mut BoxReader, at: &BoxAt) -> Result<u32> {
    let [version] = reader.array(at.body, at.end)?;
    let offset = if version == 1 { 20 } else { 12 };
    Ok(u32::from_be_bytes(reader.array(at.body + offset, at.end)?))
}

/// Reads a track; `None` for kinds that play no part (time code, hints, metadata).
fn parse_track(reader: &mut BoxReader, trak: &BoxAt, is_fragmented: bool) -> Result<Option<Track>> {
    let (mut id, mut is_turned) = (0, false);
    let (mut edits, mut chapter_tracks) = (Vec::new(), Vec::new());
    let mut media = None;
    for found in reader.children(trak.body, trak.end)? {
        match &found.kind {
            b"tkhd" => (id, is_turned) = parse_tkhd(reader, &found)?,
            b"edts" => {
                for inner in reader.children(found.body, found.end)? {
                    if &inner.kind == b"elst" {
                        edits = parse_elst(&reader.body(&inner, ELST_BYTES_MAX)?);
                    }
                }
            }
            b"tref" => {
                for inner in reader.children(found.body, found.end)? {
                    if &inner.kind == b"chap" {
                        chapter_tracks = parse_ids(&reader.body(&inner, 4096)?);
                    }
                }
            }
            b"mdia" => media = Some(found),
            _ => {}
        }
    }
    let Some(media) = media else {
        return Ok(None);
    };
    let Some(media) = parse_media(reader, &media, is_fragmented)? else {
        return Ok(None);
    };
    Ok(Some(Track {
        id,
        edits,
        is_turned,
        chapter_tracks,
        ..media
    }))
}

/// Track id, and whether the matrix turns or mirrors the picture.
fn parse_tkhd(reader: &mut BoxReader, at: &BoxAt) -> Result<(u32, bool)> {
    let [version] = reader.array(at.body, at.end)?;
    let (id_at, matrix_at) = if version == 1 { (20, 52) } else { (12, 40) };
    let id = u32::from_be_bytes(reader.array(at.body + id_at, at.end)?);
    let mut matrix = [0i32; 5];
    for (n, value) in matrix.iter_mut().enumerate() {
        let offset = at.body + matrix_at + 4 * n as u64;
        *value = i32::from_be_bytes(reader.array(offset, at.end)?);
    }
    let [a, b, _, c, d] = matrix;
    Ok((id, b != 0 || c != 0 || a < 0 || d < 0))
}

/// compositionToDTSShift (ISO 14496-12 §8.6.1.4).
fn read_least_offset(reader: &mut BoxReader, cslg: &BoxAt) -> Result<i64> {
    let [version] = reader.array(cslg.body, cslg.end)?;
    let shift = if version == 0 {
        i64::from(i32::from_be_bytes(reader.array(cslg.body + 4, cslg.end)?))
    } else {
        i64::from_be_bytes(reader.array(cslg.body + 4, cslg.end)?)
    };
    let is_sane = (0..=i64::from(ABSURD_COMPOSITION)).contains(&shift);
    Ok(if is_sane { shift } else { 0 })
}

fn parse_elst(body: &[u8]) -> Vec<Edit> {
    let is_long = body.first() == Some(&1);
    let count = body
        .get(4..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u32::from_be_bytes(*b) as usize);
    let entries = body.get(8..).unwrap_or_default();
    if is_long {
        let entry = |e: &[u8; 20]| {
            let [
                d0,
                d1,
                d2,
                d3,
                d4,
                d5,
                d6,
                d7,
                t0,
                t1,
                t2,
                t3,
                t4,
                t5,
                t6,
                t7,
                rate @ ..,
            ] = *e;
            Edit {
                duration: u64::from_be_bytes([d0, d1, d2, d3, d4, d5, d6, d7]),
                media_time: i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
                rate: u32::from_be_bytes(rate),
            }
        };
        entries
            .as_chunks()
            .0
            .iter()
            .take(count)
            .map(entry)
            .collect()
    } else {
        let entry = |e: &[u8; 12]| {
            let [d0, d1, d2, d3, t0, t1, t2, t3, rate @ ..] = *e;
            Edit {
                duration: u64::from(u32::from_be_bytes([d0, d1, d2, d3])),
                media_time: i64::from(i32::from_be_bytes([t0, t1, t2, t3])),
                rate: u32::from_be_bytes(rate),
            }
        };
        entries
            .as_chunks()
            .0
            .iter()
            .take(count)
            .map(entry)
            .collect()
    }
}

fn parse_ids(body: &[u8]) -> Vec<u32> {
    let (ids, _) = body.as_chunks();
    ids.iter().map(|id| u32::from_be_bytes(*id)).collect()
}

/// The part of a track below mdia.
fn parse_media(reader: &mut BoxReader, mdia: &BoxAt, is_fragmented: bool) -> Result<Option<Track>> {
    let boxes = reader.children(mdia.body, mdia.end)?;
    let find = |kind: &[u8; 4]| boxes.iter().find(|b| &b.kind == kind).copied();
    let (Some(mdhd), Some(hdlr), Some(minf)) = (find(b"mdhd"), find(b"hdlr"), find(b"minf")) else {
        return Ok(None);
    };
    let handler: [u8; 4] = reader.array(hdlr.body + 8, hdlr.end)?;
    let kind = match &handler {
        b"vide" => TrackKind::Video,
        b"soun" => TrackKind::Audio,
        b"text" | b"sbtl" | b"subt" => TrackKind::Text,
        _ => return Ok(None),
    };
    let timescale = read_timescale(reader, &mdhd)?;
    if timescale == 0 {
        bail!(
            Damaged,
            "{}: a track with a time scale of 0 at byte {}",
            reader.source().name(),
            mdhd.body
        );
    }
    let Some(stbl) = reader
        .children(minf.body, minf.end)?
        .into_iter()
        .find(|b| &b.kind == b"stbl")
    else {
        return Ok(None);
    };
    let inside = reader.children(stbl.body, stbl.end)?;
    let tables = match parse_tables(reader, &inside)? {
        Some(tables) => tables,
        // Its samples may all be in fragments.
        None if is_fragmented => Tables::default(),
        None => return Ok(None),
    };
    let descriptions = match inside.iter().find(|b| &b.kind == b"stsd") {
        _ if kind == TrackKind::Text => Vec::new(),
        Some(at) => {
            let body = reader.body(at, STSD_BYTES_MAX)?;
            stsd::parse(&body, kind == TrackKind::Video)
                .map_err(|e| e.context(format_args!("{}", reader.source().name())))?
        }
        None => return Ok(None),
    };
    Ok(Some(Track {
        id: 0,
        kind,
        timescale,
        tables,
        descriptions,
        edits: Vec::new(),
        language: read_language(reader, &mdhd)?,
        is_turned: false,
        chapter_tracks: Vec::new(),
        least_offset: match inside.iter().find(|b| &b.kind == b"cslg") {
            Some(at) => read_least_offset(reader, at)?,
            None => 0,
        },
    }))
}

/// Three letters of 5 bits each; values below 0x400 are QuickTime's own numbers, which we do not name.
fn read_language(reader: &mut BoxReader, mdhd: &BoxAt) -> Result<Option<String>> {
    let [version] = reader.array(mdhd.body, mdhd.end)?;
    let offset = if version == 1 { 32 } else { 20 };
    let packed = u16::from_be_bytes(reader.array(mdhd.body + offset, mdhd.end)?);
    let letters = [packed >> 10 & 31, packed >> 5 & 31, packed & 31];
    let name: String = letters
        .iter()
        .map(|l| char::from(b'`' + *l as u8))
        .collect();
    let is_name = name.bytes().all(|b| b.is_ascii_lowercase());
    Ok((is_name && name != "und").then_some(name))
}

/// The tables of a track; `None` when one that playing needs is missing.
fn parse_tables(reader: &mut BoxReader, stbl: &[BoxAt]) -> Result<Option<Tables>> {
    let find = |kind: &[u8; 4]| stbl.iter().find(|b| &b.kind == kind);
    let (Some(durations), Some(chunk_runs)) = (find(b"stts"), find(b"stsc")) else {
        return Ok(None);
    };
    let sizes = match (find(b"stsz"), find(b"stz2")) {
        (Some(at), _) => parse_stsz(reader, at)?,
        (None, Some(at)) => parse_stz2(reader, at)?,
        (None, None) => return Ok(None),
    };
    let chunks = match (find(b"stco"), find(b"co64")) {
        (Some(at), _) => Chunks::Short(table(reader, at, 4)?),
        (None, Some(at)) => Chunks::Long(table(reader, at, 8)?),
        (None, None) => return Ok(None),
    };
    Ok(Some(Tables {
        durations: table(reader, durations, 8)?,
        compositions: match find(b"ctts") {
            Some(at) => Some(table(reader, at, 8)?),
            None => None,
        },
        chunk_runs: table(reader, chunk_runs, 12)?,
        sizes,
        chunks,
        syncs: match find(b"stss") {
            Some(at) => Some(table(reader, at, 4)?),
            None => None,
        },
    }))
}

/// Version and flags, the number of entries, the entries.
fn table(reader: &mut BoxReader, at: &BoxAt, entry_bytes: u64) -> Result<Table> {
    let says = u32::from_be_bytes(reader.array(at.body + 4, at.end)?);
    Ok(table_at(at, 8, says, entry_bytes * 8))
}

fn table_at(at: &BoxAt, header_bytes: u64, says: u32, entry_bits: u64) -> Table {
    let room = at.body_bytes().saturating_sub(header_bytes) * 8 / entry_bits;
    Table {
        offset: at.body + header_bytes,
        count: says.min(u32::try_from(room).unwrap_or(u32::MAX)),
    }
}

fn parse_stsz(reader: &mut BoxReader, at: &BoxAt) -> Result<Sizes> {
    let bytes = u32::from_be_bytes(reader.array(at.body + 4, at.end)?);
    let count = u32::from_be_bytes(reader.array(at.body + 8, at.end)?);
    if bytes == 0 {
        return Ok(Sizes::Each(table_at(at, 12, count, 32)));
    }
    let room = reader.source().size_bytes() / u64::from(bytes);
    Ok(Sizes::Fixed {
        bytes,
        count: count.min(u32::try_from(room).unwrap_or(u32::MAX)),
    })
}

fn parse_stz2(reader: &mut BoxReader, at: &BoxAt) -> Result<Sizes> {
    let [bits] = reader.array(at.body + 7, at.end)?;
    let count = u32::from_be_bytes(reader.array(at.body + 8, at.end)?);
    if !matches!(bits, 4 | 8 | 16) {
        bail!(
            Damaged,
            "{}: sample sizes of {bits} bits at byte {}",
            reader.source().name(),
            at.body
        );
    }
    Ok(Sizes::Compact {
        table: table_at(at, 12, count, u64::from(bits)),
        bits,
    })
}
