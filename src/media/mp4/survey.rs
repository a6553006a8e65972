//! The probe of an MP4: the whole index of the pictures is walked, that of the sound only where there are none.

use super::index::Index;
use super::samples::Place;
use super::stsd::Description;
use super::track::{Track, TrackKind};
use super::{Mp4, Stream, chapters, is_there, loading};
use crate::bail;
use crate::error::Result;
use crate::media::probe::{
    AudioProbe, Chapter, Container, IndexPoint, Probe, ProbeSource, Survey, VideoProbe,
};
use crate::media::read_at::Source;
use crate::media::time::Ticks90k;
use crate::media::unit::{AudioCodec, Rap};

impl Mp4 {
    /// Opens a file for [`crate::media::probe::finish`]: few large reads instead of many small ones.
    pub(crate) fn open_to_probe(source: Source) -> Result<Self> {
        let (source, moov) = loading::load(source)?;
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
                unplayable = Stream::open(&self.source, track, &self.movie)?;
                &mut unplayable
            }
        };
        if stream.cursor.is_fragmented() {
            return survey_fragments(stream, &self.source, self.index.as_mut(), visit).map(Some);
        }
        let timeline = stream.timeline;
        let samples = &mut stream.cursor.tables;
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
            let place = Place::in_tables(index);
            if index >= samples.count() || timeline.is_behind_the_end(place, &times) {
                break;
            }
            if !timeline.is_cut_away(place, &times) {
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
            if timeline.is_behind_the_end(sample.place, &sample.times) {
                break;
            }
            if !timeline.is_cut_away(sample.place, &sample.times) {
                end = end.max(Some(timeline.shown_until(&sample.times)));
            }
            samples.advance();
            bytes += samples.bytes_between(counted, sample.place.index + 1)?;
            counted = counted.max(sample.place.index + 1);
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
        let is_fragmented = stream.cursor.is_fragmented();
        stream.rewind()?;
        let start = stream
            .peek()?
            .map(|s| timeline.pts(&s.times))
            .unwrap_or_default();
        let mut end = start;
        while let Some(sample) = stream.peek_until(u64::MAX)? {
            // Of fragments that are cut short, what is there is played.
            if !is_fragmented || is_there(&self.source, &sample) {
                let duration = timeline.ticks(i64::from(sample.times.duration));
                end = timeline.pts(&sample.times) + duration;
            }
            stream.cursor.advance();
        }
        // Frames before zero only let the decoder settle.
        Ok((start.max(Ticks90k::ZERO).min(end), end))
    }
}

/// The ends of the pictures of a fragmented file, and their bytes. Of a file that is cut short, what is there
/// counts. Notes the fragments for the seeks that follow.
fn survey_fragments(
    stream: &mut Stream,
    source: &Source,
    mut index: Option<&mut Index>,
    visit: &mut dyn FnMut(IndexPoint),
) -> Result<(Ticks90k, Ticks90k, u64)> {
    stream.rewind()?;
    let (mut start, mut end, mut bytes) = (None, None, 0);
    while stream.peek_until(u64::MAX)?.is_some()
        && let Some((sample, is_marked)) = stream.cursor.peek_sync(0)?
    {
        let place = sample.place;
        if is_there(source, &sample) {
            let is_sync = match place.fragment {
                0 => stream.cursor.tables.is_sync(place.index)?,
                _ => is_marked,
            };
            let pts = stream.timeline.pts(&sample.times);
            if is_sync {
                start.get_or_insert(pts);
                visit(IndexPoint { pts, bytes });
            }
            bytes += u64::from(sample.bytes);
            end = end.max(Some(stream.timeline.shown_until(&sample.times)));
        }
        if place.index == 0
            && place.fragment > 0
            && let Some(index) = &mut index
        {
            index.note(place.fragment, sample.times.dts);
        }
        stream.cursor.advance();
    }
    let end = end
        .map(|e| stream.timeline.item_time(e))
        .unwrap_or_default();
    Ok((start.unwrap_or_default().min(end), end, bytes))
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
