//! MP4, M4V and QuickTime files (ISO 14496-12, ISO 14496-14, ISO 14496-15), progressive and fragmented: the
//! tables of moov are read through small windows, fragments where they stand, samples straight into the unit's
//! buffer.
//!
//! Holds about 0.1 MB whatever the length of a film. Whatever cannot be played exactly as libavformat would
//! is refused by name, so that ffmpeg plays it: encrypted files, edit lists with several parts or between random
//! access points, pictures that must be turned, tracks that change their codec.

mod ahead;
mod boxes;
mod chapters;
mod cursor;
mod fragments;
mod index;
mod loading;
mod moof;
mod opening;
mod samples;
mod stsd;
mod survey;
mod table;
mod timeline;
mod track;

use self::ahead::ReadAhead;
use self::cursor::Cursor;
use self::index::Index;
use self::samples::{Place, Sample};
use self::stsd::Description;
use self::timeline::Timeline;
use self::track::{Movie, Track, TrackKind};
use super::audio::aac::ADTS_HEADER_BYTES;
use super::audio::parse_frame_header;
use super::nal;
use super::read_at::Source;
use super::time::Ticks90k;
use super::unit::{AccessUnit, Damage, Demuxer, Rap, StreamKind, Streams};
use crate::bail;
use crate::error::{ErrorKind, Result};

/// The largest access unit that is read.
const UNIT_BYTES_MAX: u32 = 32 << 20;

/// Sync samples read, backwards, for one whose NAL units are a random access point.
const SEEK_READS_MAX: u32 = 8;
/// Sync samples passed, backwards, for one that is shown at or before the target.
const SEEK_STEPS_MAX: u32 = 64;

/// A demuxer over one MP4 or QuickTime file.
pub struct Mp4 {
    source: Source,
    ahead: ReadAhead,
    movie: Movie,
    streams: Streams,
    video: Option<Stream>,
    audio: Option<Stream>,
    /// Where the fragments lie; none in a progressive file.
    index: Option<Index>,
    /// The picture that a seek had to read: given out first.
    entry: Option<AccessUnit>,
    damage: Damage,
}

/// One played track.
struct Stream {
    track: Track,
    cursor: Cursor,
    timeline: Timeline,
}

impl Stream {
    fn open(source: &Source, track: &Track, movie: &Movie) -> Result<Self> {
        let kind = match track.kind {
            TrackKind::Video => StreamKind::Video,
            TrackKind::Audio | TrackKind::Text => StreamKind::Audio,
        };
        let mut cursor = Cursor::new(source, kind, track, movie.fragmented.as_ref())?;
        let fragmented = movie.fragmented.is_some();
        let tables = &mut cursor.tables;
        let timeline = Timeline::new(source, track, movie.timescale, tables, fragmented)?;
        cursor.rewind(timeline.first)?;
        Ok(Self {
            track: track.clone(),
            cursor,
            timeline,
        })
    }

    /// Goes to the first sample.
    fn rewind(&mut self) -> Result<()> {
        self.cursor.rewind(self.timeline.first)
    }

    /// The next sample of the edit, without stepping over it. Fragments without samples of this track are
    /// passed as far as byte `until`, and not many beyond.
    fn peek_until(&mut self, until: u64) -> Result<Option<Sample>> {
        while let Some(sample) = self.cursor.peek(until)? {
            let is_behind = self.timeline.is_behind_the_end(sample.place, &sample.times);
            if is_behind && !self.cursor.is_fragmented() {
                return Ok(None);
            }
            if !is_behind && !self.timeline.is_cut_away(sample.place, &sample.times) {
                if sample.place.fragment > 0 {
                    self.timeline.learn(&sample.times);
                }
                return Ok(Some(sample));
            }
            self.cursor.advance();
        }
        Ok(None)
    }

    fn peek(&mut self) -> Result<Option<Sample>> {
        self.peek_until(0)
    }

    fn next_dts(&mut self, until: u64) -> Result<Option<Ticks90k>> {
        let sample = self.peek_until(until)?;
        Ok(sample.map(|s| self.timeline.dts(&s.times)))
    }

    /// The last sample of the edit with a DTS at or before `dts` (the first when there is none).
    fn place_at_dts(&mut self, dts: i64, index: Option<&mut Index>) -> Result<Place> {
        let place = self.cursor.place_at_dts(dts, index)?;
        Ok(place.max(Place::in_tables(self.timeline.first)))
    }
}

/// How far a stream may look for its next sample: to where the other one is.
fn position(stream: Option<&Stream>) -> u64 {
    match stream {
        Some(stream) if !stream.cursor.is_at_end() => stream.cursor.position(),
        _ => u64::MAX,
    }
}

impl Mp4 {
    /// Opens a file whose picture a transport stream can carry. `Unsupported` names what is in the way,
    /// `Damaged` says where.
    pub fn open(source: Source) -> Result<Self> {
        let mp4 = Self::open_any(source)?;
        let unfit =
            mp4.first_track(TrackKind::Video)
                .and_then(|track| match track.descriptions.first() {
                    Some(Description::Other { name, .. }) => Some(name.clone()),
                    _ => None,
                });
        if let Some(name) = unfit {
            bail!(
                Unsupported,
                "{}: {name} does not fit a transport stream",
                mp4.source.name()
            );
        }
        if mp4.video.is_none() && mp4.audio.is_none() {
            bail!(
                Unsupported,
                "{}: neither picture nor sound that fits a transport stream",
                mp4.source.name()
            );
        }
        Ok(mp4)
    }

    /// The track that is played: the first of its kind that is neither a cover picture nor chapters.
    fn first_track(&self, kind: TrackKind) -> Option<&Track> {
        let is_of_chapters = |id: u32| {
            self.movie
                .tracks
                .iter()
                .any(|t| t.chapter_tracks.contains(&id))
        };
        self.movie.tracks.iter().find(|t| {
            let is_cover = kind == TrackKind::Video
                && t.tables.sizes.count() <= 1
                && (self.movie.fragmented.is_none() || t.tables.sizes.count() == 1)
                && matches!(t.descriptions.first(), Some(Description::Other { .. }));
            t.kind == kind && !is_cover && !is_of_chapters(t.id)
        })
    }

    /// Reads the sample at the video position into `unit`; `false` when it had to be dropped.
    fn read_picture(&mut self, sample: &Sample, unit: &mut AccessUnit) -> Result<bool> {
        let Some(stream) = &self.video else {
            return Ok(false);
        };
        let at = usize::try_from(sample.description).unwrap_or(usize::MAX);
        let Some(Description::Video(config)) = stream.track.descriptions.get(at) else {
            return Ok(false);
        };
        if !read_ahead(
            &self.source,
            &mut self.ahead,
            StreamKind::Video,
            sample,
            0,
            &mut unit.data,
        )? {
            return Ok(false);
        }
        let Ok(facts) = nal::to_annex_b(config.codec, &mut unit.data, config.nal_length_bytes)
        else {
            return Ok(false);
        };
        unit.kind = StreamKind::Video;
        unit.pts = stream.timeline.pts(&sample.times);
        unit.dts = stream.timeline.dts(&sample.times);
        unit.duration = stream.timeline.ticks(i64::from(sample.times.duration));
        unit.rap = facts.rap;
        unit.skipped_leading = facts.skipped_leading;
        let wants_sets =
            facts.rap != Rap::No && !facts.has_parameter_sets && !config.parameter_sets.is_empty();
        unit.parameter_sets = wants_sets.then(|| config.parameter_sets.clone());
        Ok(true)
    }

    /// Reads the sample at the audio position into `unit`; `false` when it had to be dropped.
    fn read_sound(&mut self, sample: &Sample, unit: &mut AccessUnit) -> Result<bool> {
        let (Some(stream), Some(track)) = (&self.audio, &self.streams.audio) else {
            return Ok(false);
        };
        let at = usize::try_from(sample.description).unwrap_or(usize::MAX);
        let duration = match stream.track.descriptions.get(at) {
            Some(Description::Aac(config)) => {
                let Ok(header) = config.adts_header(sample.bytes as usize) else {
                    return Ok(false);
                };
                if !read_ahead(
                    &self.source,
                    &mut self.ahead,
                    StreamKind::Audio,
                    sample,
                    ADTS_HEADER_BYTES,
                    &mut unit.data,
                )? {
                    return Ok(false);
                }
                if let Some(front) = unit.data.first_chunk_mut() {
                    *front = header;
                }
                Ticks90k::from_scaled(i64::from(config.frame_samples), config.rate_hz)
            }
            Some(Description::Framed { .. }) => {
                if !read_ahead(
                    &self.source,
                    &mut self.ahead,
                    StreamKind::Audio,
                    sample,
                    0,
                    &mut unit.data,
                )? || parse_frame_header(track.codec, &unit.data).is_none()
                {
                    return Ok(false);
                }
                // A sample may hold several frames, so its own length counts.
                let duration = stream.timeline.ticks(i64::from(sample.times.duration));
                if duration > Ticks90k::ZERO {
                    duration
                } else {
                    track.frame_duration()
                }
            }
            _ => return Ok(false),
        };
        unit.kind = StreamKind::Audio;
        unit.pts = stream.timeline.pts(&sample.times);
        unit.dts = unit.pts;
        unit.duration = duration;
        unit.rap = Rap::Clean;
        unit.skipped_leading = false;
        unit.parameter_sets = None;
        Ok(true)
    }

    /// Moves the picture to the last random access point at or before `target`, reads it into `entry`
    /// and returns its PTS; `None` without pictures.
    fn seek_video(&mut self, target: Ticks90k) -> Result<Option<Ticks90k>> {
        let Some(stream) = &mut self.video else {
            return Ok(None);
        };
        let first = Place::in_tables(stream.timeline.first);
        let wanted = stream.timeline.latest_dts(target);
        let mut at = stream.place_at_dts(wanted, self.index.as_mut())?;
        let mut fallback = None;
        let mut unit = AccessUnit::default();
        let (mut reads, mut steps) = (0, 0);
        loop {
            steps += 1;
            let Some(stream) = &mut self.video else {
                return Ok(None);
            };
            let sync = stream
                .cursor
                .sync_at_or_before(at, self.index.as_ref())?
                .filter(|s| *s >= first);
            // Nothing before the target: then the first one there is.
            let is_last_try = sync.is_none_or(|s| s == first);
            let sync = match sync {
                Some(sync) => sync,
                None => stream.cursor.first_sync(first.index)?,
            };
            stream.cursor.seek(sync, self.index.as_ref())?;
            let Some(sample) = stream.cursor.peek(0)? else {
                return Ok(None);
            };
            let pts = stream.timeline.pts(&sample.times);
            if pts <= target || is_last_try {
                if self.read_picture(&sample, &mut unit)? && unit.rap != Rap::No {
                    break;
                }
                fallback.get_or_insert(sync);
                reads += 1;
            }
            if is_last_try || reads >= SEEK_READS_MAX || steps >= SEEK_STEPS_MAX {
                // No sync sample nearby is what the table says: begin at the one that should have been.
                unit.data.clear();
                break;
            }
            at = sync.previous();
        }
        let Some(stream) = &mut self.video else {
            return Ok(None);
        };
        if unit.data.is_empty() {
            if let Some(sync) = fallback {
                stream.cursor.seek(sync, self.index.as_ref())?;
            }
            return Ok(stream.peek()?.map(|s| stream.timeline.pts(&s.times)));
        }
        stream.cursor.advance();
        let pts = unit.pts;
        self.entry = Some(unit);
        Ok(Some(pts))
    }

    /// Moves the sound to the first frame that ends after `from`, or that covers it; returns its PTS.
    fn seek_audio(&mut self, from: Ticks90k) -> Result<Option<Ticks90k>> {
        let Some(stream) = &mut self.audio else {
            return Ok(None);
        };
        let wanted = stream.timeline.latest_dts(from);
        let place = stream.place_at_dts(wanted, self.index.as_mut())?;
        stream.cursor.seek(place, self.index.as_ref())?;
        while let Some(sample) = stream.peek()? {
            let ends = stream.timeline.pts(&sample.times)
                + stream.timeline.ticks(i64::from(sample.times.duration));
            if ends > from {
                return Ok(Some(stream.timeline.pts(&sample.times)));
            }
            stream.cursor.advance();
        }
        Ok(None)
    }
}

impl Demuxer for Mp4 {
    fn streams(&self) -> &Streams {
        &self.streams
    }

    fn seek(&mut self, target: Ticks90k) -> Result<Ticks90k> {
        self.entry = None;
        match self.seek_video(target)? {
            Some(pts) => {
                self.seek_audio(pts)?;
                Ok(pts)
            }
            None => Ok(self.seek_audio(target)?.unwrap_or(target)),
        }
    }

    fn next(&mut self, unit: &mut AccessUnit) -> Result<bool> {
        loop {
            let until = position(self.video.as_ref());
            let sound = match &mut self.audio {
                Some(stream) => stream.next_dts(until)?,
                None => None,
            };
            if let Some(entry) = self.entry.take_if(|e| sound.is_none_or(|s| e.dts <= s)) {
                *unit = entry;
                return Ok(true);
            }
            let until = position(self.audio.as_ref());
            let picture = match (&self.entry, &mut self.video) {
                (Some(entry), _) => Some(entry.dts),
                (None, Some(stream)) => stream.next_dts(until)?,
                (None, None) => None,
            };
            let kind = match (picture, sound) {
                (None, None) => return Ok(false),
                (Some(picture), Some(sound)) if sound < picture => StreamKind::Audio,
                (Some(_), _) => StreamKind::Video,
                (None, Some(_)) => StreamKind::Audio,
            };
            let stream = match kind {
                StreamKind::Video => &mut self.video,
                StreamKind::Audio => &mut self.audio,
            };
            let Some(stream) = stream else {
                return Ok(false);
            };
            let Some(sample) = stream.peek()? else {
                return Ok(false);
            };
            stream.cursor.advance();
            if sample.bytes == 0 {
                continue; // a held picture: nothing to decode, nothing lost
            }
            let is_whole = match kind {
                StreamKind::Video => self.read_picture(&sample, unit)?,
                StreamKind::Audio => self.read_sound(&sample, unit)?,
            };
            if is_whole {
                return Ok(true);
            }
            self.damage.dropped_units += 1;
        }
    }

    fn damage(&self) -> Damage {
        let lost = |stream: &Option<Stream>| stream.as_ref().map_or(0, |s| s.cursor.lost());
        Damage {
            dropped_units: self.damage.dropped_units + lost(&self.video) + lost(&self.audio),
            ..self.damage
        }
    }
}

/// Reads a sample behind `headroom` bytes of room. `false` when it is empty, too large or not all there.
fn read_ahead(
    source: &Source,
    ahead: &mut ReadAhead,
    kind: StreamKind,
    sample: &Sample,
    headroom: usize,
    data: &mut Vec<u8>,
) -> Result<bool> {
    if !is_there(source, sample) {
        return Ok(false);
    }
    data.clear();
    data.resize(headroom, 0);
    is_whole(ahead.copy(kind, sample.offset, sample.bytes as usize, data))
}

/// Reads one sample and nothing beside it.
fn read_sample(source: &Source, sample: &Sample, data: &mut Vec<u8>) -> Result<bool> {
    if !is_there(source, sample) {
        return Ok(false);
    }
    data.resize(sample.bytes as usize, 0);
    is_whole(
        source
            .read_at(sample.offset, data)
            .map(|read| read == data.len()),
    )
}

fn is_there(source: &Source, sample: &Sample) -> bool {
    let end = sample.offset.saturating_add(u64::from(sample.bytes));
    sample.bytes > 0 && sample.bytes <= UNIT_BYTES_MAX && end <= source.size_bytes()
}

fn is_whole(read: Result<bool>) -> Result<bool> {
    match read {
        // The file became shorter while it was played.
        Err(e) if e.kind() == ErrorKind::Damaged => Ok(false),
        other => other,
    }
}
