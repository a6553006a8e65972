//! MP4, M4V and QuickTime files (ISO 14496-12, ISO 14496-14, ISO 14496-15), progressive: the tables of
//! moov are read through small windows, samples straight into the unit's buffer.
//!
//! Holds less than 0.1 MB whatever the length of a film. Whatever cannot be played exactly as
//! libavformat would is refused by name, so that ffmpeg plays it: fragmented and encrypted files, edit
//! lists with several parts or between random access points, pictures that must be turned.

mod ahead;
mod boxes;
mod chapters;
mod opening;
mod samples;
mod stsd;
mod survey;
mod table;
mod timeline;
mod track;

use self::ahead::ReadAhead;
use self::samples::{Sample, Samples};
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
    /// The picture that a seek had to read: given out first.
    entry: Option<AccessUnit>,
    damage: Damage,
}

/// One played track.
struct Stream {
    track: Track,
    samples: Samples,
    timeline: Timeline,
}

impl Stream {
    fn open(source: &Source, track: &Track, movie_timescale: u32) -> Result<Self> {
        let mut samples = Samples::new(source.clone(), track.tables);
        let timeline = Timeline::new(source, track, movie_timescale, &mut samples)?;
        samples.seek(timeline.first)?;
        Ok(Self {
            track: track.clone(),
            samples,
            timeline,
        })
    }

    /// The next sample of the edit, without stepping over it.
    fn peek(&mut self) -> Result<Option<Sample>> {
        while let Some(sample) = self.samples.peek()? {
            if self.timeline.is_behind_the_end(&sample.times) {
                return Ok(None);
            }
            if !self.timeline.is_cut_away(sample.index, &sample.times) {
                return Ok(Some(sample));
            }
            self.samples.advance();
        }
        Ok(None)
    }

    fn next_dts(&mut self) -> Result<Option<Ticks90k>> {
        Ok(self.peek()?.map(|s| self.timeline.dts(&s.times)))
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
        let first = stream.timeline.first;
        let wanted = stream.timeline.latest_dts(target);
        let mut index = stream.samples.index_at_dts(wanted)?;
        let mut fallback = None;
        let mut unit = AccessUnit::default();
        let (mut reads, mut steps) = (0, 0);
        loop {
            steps += 1;
            let Some(stream) = &mut self.video else {
                return Ok(None);
            };
            let sync = stream
                .samples
                .sync_at_or_before(index)?
                .filter(|s| *s >= first);
            // Nothing before the target: then the first one there is.
            let is_last_try = sync.is_none_or(|s| s == first);
            let sync = match sync {
                Some(sync) => sync,
                None => stream.samples.sync_entry(0)?.unwrap_or(0).max(first),
            };
            stream.samples.seek(sync)?;
            let Some(sample) = stream.samples.peek()? else {
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
            index = sync - 1;
        }
        let Some(stream) = &mut self.video else {
            return Ok(None);
        };
        if unit.data.is_empty() {
            if let Some(sync) = fallback {
                stream.samples.seek(sync)?;
            }
            return Ok(stream.peek()?.map(|s| stream.timeline.pts(&s.times)));
        }
        stream.samples.advance();
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
        let index = stream.samples.index_at_dts(wanted)?;
        stream.samples.seek(index.max(stream.timeline.first))?;
        while let Some(sample) = stream.peek()? {
            let ends = stream.timeline.pts(&sample.times)
                + stream.timeline.ticks(i64::from(sample.times.duration));
            if ends > from {
                return Ok(Some(stream.timeline.pts(&sample.times)));
            }
            stream.samples.advance();
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
            let sound = match &mut self.audio {
                Some(stream) => stream.next_dts()?,
                None => None,
            };
            if let Some(entry) = self.entry.take_if(|e| sound.is_none_or(|s| e.dts <= s)) {
                *unit = entry;
                return Ok(true);
            }
            let picture = match (&self.entry, &mut self.video) {
                (Some(entry), _) => Some(entry.dts),
                (None, Some(stream)) => stream.next_dts()?,
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
            stream.samples.advance();
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
        self.damage
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
