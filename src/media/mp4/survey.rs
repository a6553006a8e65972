//! The probe of an MP4: moov is read in one piece where it is small, then the whole video index is walked.

use std::sync::Arc;

use super::boxes::{BoxAt, BoxReader};
use super::opening::find_moov;
use super::stsd::Description;
use super::track::{Track, TrackKind};
use super::{Mp4, Stream, chapters};
use crate::bail;
use crate::error::Result;
use crate::media::probe::{
    AudioProbe, Chapter, Container, IndexPoint, Probe, ProbeSource, Survey, VideoProbe,
};
use crate::media::read_at::{ReadAt, Source};
use crate::media::time::Ticks90k;
use crate::media::unit::{AudioCodec, Rap};

/// A movie header up to this size (half an hour's) is loaded at once. A larger one is read through the
/// usual windows, which the kernel's read-ahead serves: loading it would only keep memory from the daemon.
const MOOV_BYTES_MAX: u64 = 1 << 20;
/// Read on behind the header, so that looking at its last boxes stays within what is loaded.
const TAIL_BYTES: u64 = 4096;

impl Mp4 {
    /// Opens a file for [`crate::media::probe::finish`]: few large reads instead of many small ones.
    pub(crate) fn open_to_probe(source: Source) -> Result<Self> {
        let moov = find_moov(&mut BoxReader::new(source.clone()))?;
        let source = match load(&source, &moov)? {
            Some(loaded) => Arc::new(loaded),
            None => source,
        };
        Self::open_movie(source, &moov)
    }

    fn audio_probe(&self, track: &Track) -> AudioProbe {
        let played = self.audio.as_ref().is_some_and(|s| s.track.id == track.id);
        let (codec, name, rate_hz, channels) =
            match (&self.streams.audio, track.descriptions.first()) {
                (_, Some(Description::Aac(config))) => (
                    Some(AudioCodec::Aac),
                    config.name.to_owned(),
                    config.rate_hz,
                    config.channels,
                ),
                (Some(audio), Some(Description::Framed { .. })) if played => (
                    Some(audio.codec),
                    codec_name(audio.codec).to_owned(),
                    audio.rate_hz,
                    audio.channels,
                ),
                (
                    _,
                    Some(Description::Framed {
                        codec,
                        rate_hz,
                        channels,
                    }),
                ) => (
                    Some(*codec),
                    codec_name(*codec).to_owned(),
                    *rate_hz,
                    *channels,
                ),
                (
                    _,
                    Some(Description::Other {
                        name,
                        rate_hz,
                        channels,
                        ..
                    }),
                ) => (None, name.clone(), *rate_hz, *channels),
                _ => (None, String::new(), 0, 0),
            };
        AudioProbe {
            codec,
            name,
            rate_hz,
            channels,
            language: track.language.clone(),
        }
    }

    /// The video stream, and the ends of its pictures.
    fn survey_video(
        &mut self,
        visit: &mut dyn FnMut(IndexPoint),
    ) -> Result<Option<(Ticks90k, Ticks90k, u64)>> {
        let mut unplayable;
        let stream = match &mut self.video {
            Some(stream) => stream,
            None => {
                let Some(track) = self.first_track(TrackKind::Video) else {
                    return Ok(None);
                };
                unplayable = Stream::open(&self.source, track, self.movie.timescale)?;
                &mut unplayable
            }
        };
        let timeline = stream.timeline;
        let samples = &mut stream.samples;
        let (mut start, mut bytes, mut counted, mut reaches) = (None, 0, timeline.first, 0);
        let tail = timeline.tail(samples)?;
        let mut entry = 0;
        samples.seek(timeline.first)?;
        let first = samples.peek()?.map(|s| timeline.pts(&s.times));
        while let Some(index) = samples.sync_entry(entry)? {
            entry += 1;
            if index < counted {
                continue;
            }
            let times = samples.times_at(index)?;
            if index >= samples.count() || timeline.is_behind_the_end(&times) {
                break;
            }
            if !timeline.is_cut_away(index, &times) {
                bytes += samples.bytes_between(counted, index)?;
                counted = index;
                let pts = timeline.pts(&times);
                start.get_or_insert(pts);
                visit(IndexPoint { pts, bytes });
            }
        }
        samples.seek(tail)?;
        let mut end = None;
        while let Some(sample) = samples.peek()? {
            if timeline.is_behind_the_end(&sample.times) {
                break;
            }
            if !timeline.is_cut_away(sample.index, &sample.times) {
                end = end.max(Some(timeline.shown_until(&sample.times)));
            }
            samples.advance();
            bytes += samples.bytes_between(counted, sample.index + 1)?;
            counted = counted.max(sample.index + 1);
            reaches = reaches.max(sample.offset.saturating_add(u64::from(sample.bytes)));
        }
        let (there, name) = (self.source.size_bytes(), self.source.name());
        if reaches > there {
            bail!(
                Damaged,
                "{name} is cut short: it ends at byte {there}, its last pictures lie up to byte {reaches}; copy it here again"
            );
        }
        let end = end.map(|e| timeline.item_time(e)).unwrap_or_default();
        let start = start.or(first).unwrap_or_default();
        Ok(Some((start.min(end), end, bytes)))
    }

    /// Begin and end of the sound.
    fn survey_audio(&mut self) -> Result<(Ticks90k, Ticks90k)> {
        let Some(stream) = &mut self.audio else {
            return Ok((Ticks90k::ZERO, Ticks90k::ZERO));
        };
        let timeline = stream.timeline;
        stream.samples.seek(timeline.first)?;
        let start = stream
            .peek()?
            .map(|s| timeline.pts(&s.times))
            .unwrap_or_default();
        let mut end = start;
        while let Some(sample) = stream.peek()? {
            end = timeline.pts(&sample.times) + timeline.ticks(i64::from(sample.times.duration));
            stream.samples.advance();
        }
        // Frames before zero only let the decoder settle.
        Ok((start.max(Ticks90k::ZERO).min(end), end))
    }
}

fn codec_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Aac => "AAC",
        AudioCodec::Ac3 => "AC-3",
        AudioCodec::Eac3 => "E-AC-3",
        AudioCodec::Mp2 => "MP2",
        AudioCodec::Mp3 => "MP3",
    }
}

impl ProbeSource for Mp4 {
    fn chapters(&mut self) -> Vec<Chapter> {
        chapters::read(self)
    }

    fn rap_at(&mut self, target: Ticks90k) -> Result<Rap> {
        self.seek_video(target)?;
        Ok(self.entry.take().map_or(Rap::No, |entry| entry.rap))
    }

    fn survey(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<Survey> {
        let described = self
            .first_track(TrackKind::Video)
            .map(|t| t.descriptions.first().cloned());
        let frame_duration = self.streams.video.as_ref().map(|v| v.frame_duration);
        let video = described.map(|description| {
            let empty = VideoProbe {
                codec: None,
                name: String::new(),
                width: 0,
                height: 0,
                bit_depth: 8,
                interlaced: false,
                frame_duration: frame_duration.unwrap_or_default(),
                reorder_depth: 0,
                longest_rap_interval: Ticks90k::ZERO,
                largest_gop_bytes: 0,
                clean_raps: false,
                raps: Vec::new(),
            };
            match description {
                Some(Description::Video(config)) => VideoProbe {
                    codec: Some(config.codec),
                    name: config.name,
                    width: config.width,
                    height: config.height,
                    bit_depth: config.bit_depth,
                    interlaced: config.interlaced,
                    reorder_depth: config.reorder_depth,
                    ..empty
                },
                Some(Description::Other {
                    name,
                    width,
                    height,
                    ..
                }) => VideoProbe {
                    name,
                    width,
                    height,
                    ..empty
                },
                _ => empty,
            }
        });
        let is_sound = |t: &&Track| t.kind == TrackKind::Audio;
        let audio = self.movie.tracks.iter().filter(is_sound);
        let audio = audio.map(|t| self.audio_probe(t)).collect();
        let (start, end, end_bytes) = match self.survey_video(visit)? {
            Some(ends) => ends,
            None => {
                let (start, end) = self.survey_audio()?;
                (start, end, 0)
            }
        };
        Ok(Survey {
            probe: Probe {
                container: Container::Mp4,
                start,
                end,
                video,
                audio,
                chapters: Vec::new(),
                not_native: None,
            },
            end_bytes,
        })
    }
}

/// A source of which one part is in memory.
struct Loaded {
    inner: Source,
    start: u64,
    bytes: Vec<u8>,
}

/// Loads the movie header; `None` when it is too large for that.
fn load(source: &Source, moov: &BoxAt) -> Result<Option<Loaded>> {
    if moov.body_bytes() > MOOV_BYTES_MAX {
        return Ok(None);
    }
    let end = (moov.end + TAIL_BYTES).min(source.size_bytes());
    let mut bytes = vec![0; end.saturating_sub(moov.body) as usize];
    let read = source.read_at(moov.body, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some(Loaded {
        inner: source.clone(),
        start: moov.body,
        bytes,
    }))
}

impl ReadAt for Loaded {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let end = self.start + self.bytes.len() as u64;
        let wanted = offset
            .saturating_add(buf.len() as u64)
            .min(self.size_bytes());
        if offset < self.start || offset >= end || wanted > end {
            return self.inner.read_at(offset, buf);
        }
        let from = (offset - self.start) as usize;
        let rest = self.bytes.get(from..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}
