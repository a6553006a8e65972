//! Chapter names: QuickTime's text track (`tref/chap`) when there is one, else Nero's list (`udta/chpl`).

use super::boxes::BoxReader;
use super::samples::Samples;
use super::track::TrackKind;
use super::{Mp4, Timeline};
use crate::error::Result;
use crate::media::probe::Chapter;
use crate::media::read_at::Source;
use crate::media::time::Ticks90k;

const CHAPTERS_MAX: usize = 1000;
const TITLE_BYTES_MAX: usize = 512;

/// The chapters of a file; damage loses them, not the file.
pub(super) fn read(mp4: &Mp4) -> Vec<Chapter> {
    let mut chapters = from_track(mp4).unwrap_or_default();
    if chapters.is_empty() {
        chapters = from_list(mp4).unwrap_or_default();
    }
    chapters.sort_by_key(|c| c.start);
    chapters
}

/// One chapter per sample: a 16-bit length and the title, UTF-8 or UTF-16 with its byte order mark.
fn from_track(mp4: &Mp4) -> Result<Vec<Chapter>> {
    let mut chapters = Vec::new();
    let ids = mp4.movie.tracks.iter().flat_map(|t| &t.chapter_tracks);
    let Some(track) = ids
        .filter_map(|id| mp4.movie.tracks.iter().find(|t| t.id == *id))
        .find(|t| t.kind == TrackKind::Text)
    else {
        return Ok(chapters);
    };
    let mut samples = Samples::new(mp4.source.clone(), track.tables);
    let timeline = Timeline::new(&mp4.source, track, mp4.movie.timescale, &mut samples, false)?;
    samples.seek(0)?;
    while let Some(sample) = samples.peek()?
        && chapters.len() < CHAPTERS_MAX
    {
        let bytes = (sample.bytes as usize).min(TITLE_BYTES_MAX + 2);
        let text = read_bytes(&mp4.source, sample.offset, bytes)?;
        let length = text
            .first_chunk()
            .map_or(0, |b| usize::from(u16::from_be_bytes(*b)));
        let text = text.get(2..).unwrap_or_default();
        chapters.push(Chapter {
            start: timeline.pts(&sample.times).max(Ticks90k::ZERO),
            title: title(text.get(..length).unwrap_or(text)),
        });
        samples.advance();
    }
    Ok(chapters)
}

/// Start in units of 100 ns and a title with an 8-bit length each.
fn from_list(mp4: &Mp4) -> Result<Vec<Chapter>> {
    let mut chapters = Vec::new();
    let Some(at) = &mp4.movie.chapter_list else {
        return Ok(chapters);
    };
    let body = BoxReader::new(mp4.source.clone()).body(at, 255 * (9 + 255) + 16)?;
    // Version 1 has a reserved word before the count.
    let header = if body.first() == Some(&0) { 4 } else { 8 };
    let mut rest = body.get(header + 1..).unwrap_or_default();
    while let Some((start, [length, behind @ ..])) = rest.split_first_chunk::<8>() {
        let (name, next) = behind.split_at(behind.len().min(usize::from(*length)));
        let start = i64::try_from(u64::from_be_bytes(*start)).unwrap_or(i64::MAX);
        chapters.push(Chapter {
            start: Ticks90k::from_scaled(start, 10_000_000),
            title: title(name),
        });
        rest = next;
    }
    Ok(chapters)
}

fn title(bytes: &[u8]) -> String {
    let wide = |unit: fn([u8; 2]) -> u16, text: &[u8]| {
        let units: Vec<u16> = text.as_chunks().0.iter().map(|c| unit(*c)).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xFE, 0xFF, text @ ..] => wide(u16::from_be_bytes, text),
        [0xFF, 0xFE, text @ ..] => wide(u16::from_le_bytes, text),
        text => String::from_utf8_lossy(text).into_owned(),
    }
}

fn read_bytes(source: &Source, offset: u64, count: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    let read = source.read_at(offset, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}
