//! From the first byte of a file to a demuxer at its first sample.

use super::boxes::{BoxAt, BoxReader};
use super::cursor::Cursor;
use super::index::Index;
use super::stsd::Description;
use super::track::{self, TrackKind};
use super::{Mp4, Stream, read_sample};
use crate::bail;
use crate::error::{Error, Result};
use crate::media::audio::parse_frame_header;
use crate::media::nal::{self, VideoConfig};
use crate::media::read_at::Source;
use crate::media::unit::{AudioCodec, AudioTrack, Damage, StreamKind, Streams, VideoTrack};

impl Mp4 {
    /// Opens a file for the probe: codecs that we cannot carry are no error.
    pub(crate) fn open_any(source: Source) -> Result<Self> {
        let moov = find_moov(&mut BoxReader::new(source.clone()))?;
        Self::open_movie(source, &moov)
    }

    pub(super) fn open_movie(source: Source, moov: &BoxAt) -> Result<Self> {
        let name = source.name().to_owned();
        let named = |e: Error| {
            if e.message().contains(&name) {
                e
            } else {
                e.context(&name)
            }
        };
        let mut reader = BoxReader::new(source.clone());
        let movie = track::parse_movie(&mut reader, moov).map_err(named)?;
        let mut mp4 = Self {
            ahead: super::ahead::ReadAhead::new(source.clone()),
            source,
            movie,
            streams: Streams::default(),
            video: None,
            audio: None,
            index: None,
            entry: None,
            damage: Damage::default(),
        };
        mp4.look_into_stream()?;
        mp4.open_streams().map_err(named)?;
        mp4.index = mp4.empty_index();
        Ok(mp4)
    }

    fn empty_index(&self) -> Option<Index> {
        let fragmented = self.movie.fragmented.clone()?;
        let streams = [&self.video, &self.audio];
        let tracks = streams.map(|s| s.as_ref().map(|s| (s.track.id, s.track.timescale)));
        let dts = streams.map(|s| s.as_ref().map_or(0, |s| s.cursor.start_dts()));
        Some(Index::new(self.source.clone(), fragmented, tracks, dts))
    }

    fn open_streams(&mut self) -> Result<()> {
        if let Some(track) = self.first_track(TrackKind::Video).cloned() {
            if track.is_turned {
                bail!(Unsupported, "the picture must be turned (rotation matrix)");
            }
            one_codec(&track.descriptions)?;
            if let Some(Description::Video(config)) = track.descriptions.first() {
                let config = config.clone();
                let mut stream = Stream::open(&self.source, &track, &self.movie)?;
                let duration = usual_duration(&mut stream)?;
                self.streams.video = Some(VideoTrack {
                    codec: config.codec,
                    width: config.width,
                    height: config.height,
                    frame_duration: stream.timeline.ticks(duration),
                    reorder_depth: config.reorder_depth,
                    parameter_sets: config.parameter_sets,
                });
                self.video = Some(stream);
            }
        }
        if let Some(track) = self.first_track(TrackKind::Audio).cloned() {
            one_codec(&track.descriptions)?;
            let description = track.descriptions.first().cloned();
            if !matches!(description, None | Some(Description::Other { .. })) {
                let mut stream = Stream::open(&self.source, &track, &self.movie)?;
                self.streams.audio = audio_track(&self.source, &mut stream, description)?;
                if self.streams.audio.is_some() {
                    self.audio = Some(stream);
                }
            }
        }
        Ok(())
    }

    /// Replaces descriptions whose parameter sets are in the stream by what the first sample tells.
    fn look_into_stream(&mut self) -> Result<()> {
        let Some(id) = self.first_track(TrackKind::Video).map(|t| t.id) else {
            return Ok(());
        };
        let source = &self.source;
        let fragmented = self.movie.fragmented.clone();
        let played = self.movie.tracks.iter_mut().find(|t| t.id == id);
        let Some(track) = played else {
            return Ok(());
        };
        let kind = StreamKind::Video;
        let mut cursor = Cursor::new(source, kind, track, fragmented.as_ref())?;
        for description in &mut track.descriptions {
            if let Description::InBand {
                codec,
                nal_length_bytes,
                width,
                height,
            } = *description
            {
                let mut data = Vec::new();
                if let Some(sample) = cursor.peek(0)? {
                    read_sample(source, &sample, &mut data)?;
                }
                let config = nal::to_annex_b(codec, &mut data, nal_length_bytes)
                    .and_then(|_| nal::parse_parameter_sets(codec, &data));
                *description = match config {
                    Ok(config) => Description::Video(VideoConfig {
                        nal_length_bytes,
                        ..config
                    }),
                    Err(e) => Description::Other {
                        name: e.message().to_owned(),
                        width,
                        height,
                        rate_hz: 0,
                        channels: 0,
                    },
                };
            }
        }
        Ok(())
    }
}

/// Walks the top level to the movie box.
pub(super) fn find_moov(reader: &mut BoxReader) -> Result<BoxAt> {
    /// A progressive file has a handful; more means fragments or noise.
    const TOP_BOXES_MAX: usize = 1024;
    let end = reader.source().size_bytes();
    let mut at = 0;
    for _ in 0..TOP_BOXES_MAX {
        let Some(found) = reader.box_at(at, end)? else {
            break;
        };
        match &found.kind {
            b"moov" if found.is_cut => bail!(
                Damaged,
                "{}: the movie header (moov at byte {at}) is cut off: the file was not copied completely",
                reader.source().name()
            ),
            b"moov" => return Ok(found),
            b"moof" => bail!(
                Damaged,
                "{}: begins with a fragment (moof at byte {at}); what belongs in front of it (moov) is missing",
                reader.source().name()
            ),
            _ => at = found.end,
        }
    }
    bail!(
        Damaged,
        "{}: no movie header (moov): the recording or the copy was never finished",
        reader.source().name()
    )
}

/// Refuses tracks that change to what another decoder (or a channel of another format) is needed for: ffmpeg
/// may play them, we must not promise what holds for the first part only.
fn one_codec(descriptions: &[Description]) -> Result<()> {
    let Some((first, others)) = descriptions.split_first() else {
        return Ok(());
    };
    match others.iter().find(|other| !first.is_alike(other)) {
        Some(other) => bail!(
            Unsupported,
            "a track with sample descriptions of different codecs ({} and {})",
            first.name(),
            other.name()
        ),
        None => Ok(()),
    }
}

/// The length that most of the first pictures have, in the track's units.
fn usual_duration(stream: &mut Stream) -> Result<i64> {
    const PICTURES: usize = 64;
    let mut lengths = Vec::with_capacity(PICTURES);
    while lengths.len() < PICTURES
        && let Some(sample) = stream.peek()?
    {
        lengths.push(sample.times.duration);
        stream.cursor.advance();
    }
    stream.rewind()?;
    lengths.sort_unstable();
    let runs = lengths.chunk_by(|a, b| a == b);
    let usual = runs.max_by_key(|run| run.len()).and_then(|run| run.first());
    Ok(i64::from(usual.copied().unwrap_or(0)))
}

/// Rate and speakers as the first frame tells them, where frames have headers.
fn audio_track(
    source: &Source,
    stream: &mut Stream,
    description: Option<Description>,
) -> Result<Option<AudioTrack>> {
    let (mut codec, rate_hz, channels) = match description {
        Some(Description::Aac(config)) => {
            return Ok(Some(AudioTrack {
                codec: AudioCodec::Aac,
                rate_hz: config.rate_hz,
                channels: config.channels,
                frame_samples: config.frame_samples,
            }));
        }
        Some(Description::Framed {
            codec,
            rate_hz,
            channels,
        }) => (codec, rate_hz, channels),
        _ => return Ok(None),
    };
    let mut data = Vec::new();
    if let Some(sample) = stream.cursor.peek(0)? {
        read_sample(source, &sample, &mut data)?;
    }
    let mut header = parse_frame_header(codec, &data);
    // One object type stands for MPEG-2 layers I to III.
    if header.is_none() && codec == AudioCodec::Mp3 {
        header = parse_frame_header(AudioCodec::Mp2, &data);
        if header.is_some() {
            codec = AudioCodec::Mp2;
        }
    }
    let samples = if codec == AudioCodec::Mp2 || codec == AudioCodec::Mp3 {
        1152
    } else {
        1536
    };
    let (rate_hz, channels, frame_samples) = match header {
        Some(header) => (header.rate_hz, header.channels, header.samples),
        None => (rate_hz, channels.clamp(1, 8), samples),
    };
    Ok(Some(AudioTrack {
        codec,
        rate_hz,
        channels,
        frame_samples,
    }))
}
