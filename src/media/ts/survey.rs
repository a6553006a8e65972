//! The probe of a transport stream. It has no index, so a large file is looked at in three places: what
//! lies between them is taken to be like what was seen.

use super::file::TsFile;
use super::psi::StreamCodec;
use crate::error::Result;
use crate::media::nal::VideoConfig;
use crate::media::probe::{
    self, AudioProbe, Chapter, Container, IndexPoint, Probe, ProbeSource, Survey, VideoProbe,
};
use crate::media::time::Ticks90k;
use crate::media::unit::{AccessUnit, AudioCodec, AudioTrack, Rap, StreamKind};

/// How much is read at each place, and at least as many entries seen there.
const WINDOW_BYTES: u64 = 4 << 20;
const WINDOW_ENTRIES: usize = 3;
/// But never more than this.
const LARGEST_WINDOW_BYTES: u64 = 64 << 20;

/// What one place of the file shows.
#[derive(Debug, Default)]
struct Window {
    entries: Vec<IndexPoint>,
    /// End of the last picture in display order (of the sound, without pictures).
    end: Option<Ticks90k>,
    /// First PTS of the sound.
    sound: Option<Ticks90k>,
}

impl Window {
    /// The longest distance between two entries, and most bytes.
    fn longest(&self) -> (Ticks90k, u64) {
        let pairs = || self.entries.iter().zip(self.entries.iter().skip(1));
        let time = pairs().map(|(a, b)| b.pts - a.pts).max();
        let bytes = pairs().map(|(a, b)| b.bytes.saturating_sub(a.bytes)).max();
        (time.unwrap_or_default(), bytes.unwrap_or_default())
    }
}

impl TsFile {
    /// Describes the file. Distances between random access points are those seen; a file of more than
    /// 12 MB is not read whole.
    pub(crate) fn probe(mut self) -> Result<Probe> {
        let mut probe = probe::finish(&mut self)?;
        if let (Some(video), Some(longest)) = (&mut probe.video, self.longest_seen) {
            (video.longest_rap_interval, video.largest_gop_bytes) = longest;
        }
        Ok(probe)
    }

    fn fits_one_window(&self) -> bool {
        self.source.size_bytes() <= 3 * WINDOW_BYTES
    }

    /// Looks at the beginning, the middle and the end.
    fn windows(&mut self) -> Result<Vec<Window>> {
        let size = self.source.size_bytes();
        if self.fits_one_window() {
            return Ok(vec![self.window(0, size)?]);
        }
        let mut windows = vec![
            self.window(0, WINDOW_BYTES)?,
            self.window(size / 2, WINDOW_BYTES)?,
        ];
        let mut back = WINDOW_BYTES;
        loop {
            let last = self.window(size.saturating_sub(back), back)?;
            if last.end.is_some() || back >= LARGEST_WINDOW_BYTES.min(size) {
                windows.push(last);
                return Ok(windows);
            }
            back *= 2;
        }
    }

    fn window(&mut self, from: u64, bytes: u64) -> Result<Window> {
        self.enter(from);
        let has_video = self.streams.video.is_some();
        let (mut window, mut unit) = (Window::default(), AccessUnit::default());
        while self.raw_next(&mut unit)? {
            let read = self.offset.saturating_sub(from);
            let enough = read > bytes && window.entries.len() >= WINDOW_ENTRIES;
            if enough || read > LARGEST_WINDOW_BYTES {
                break;
            }
            if unit.kind == StreamKind::Audio {
                window.sound.get_or_insert(unit.pts);
            }
            if has_video != (unit.kind == StreamKind::Video) {
                continue;
            }
            let end = unit.pts + unit.duration;
            window.end = window.end.max(Some(end));
            if unit.rap != Rap::No && unit.kind == StreamKind::Video {
                window.entries.push(IndexPoint {
                    pts: unit.pts,
                    bytes: self.offset,
                });
            }
        }
        Ok(window)
    }

    fn audio_probes(&self) -> Vec<AudioProbe> {
        let played = self.stream.audio_pid();
        let mut probes: Vec<_> = self
            .stream
            .program()
            .iter()
            .filter_map(|stream| {
                let is_played = Some(stream.pid) == played;
                let track = self.streams.audio.as_ref().filter(|_| is_played);
                let has_track = self.streams.audio.is_some();
                let (codec, name) = match (stream.codec, track) {
                    (codec, _) if codec.is_video() => return None,
                    (_, Some(track)) => copied(track),
                    // Of those beside the one that is played, only the map is known.
                    (StreamCodec::Audio(codec), _) if has_track => {
                        (Some(codec), audio_name(codec).to_string())
                    }
                    (StreamCodec::MpegAudio, _) if has_track => (None, "MPEG audio".to_string()),
                    _ => (None, self.trouble.name(stream)),
                };
                let probe = AudioProbe {
                    codec,
                    name,
                    rate_hz: track.map_or(0, |track| track.rate_hz),
                    channels: track.map_or(0, |track| track.channels),
                    language: stream.language.clone(),
                };
                Some((!is_played, probe))
            })
            .collect();
        // The one that is played comes first; of the others only the programme map is known.
        probes.sort_by_key(|(other, _)| *other);
        probes.into_iter().map(|(_, probe)| probe).collect()
    }

    fn video_probe(&self) -> Option<VideoProbe> {
        let config: Option<&VideoConfig> = self.stream.video_config();
        let not_read = || {
            let mut streams = self.stream.program().iter();
            let video = streams.find(|stream| stream.codec.is_video());
            video.map(|stream| self.trouble.name(stream))
        };
        let name = config.map(|config| config.name.clone()).or_else(not_read)?;
        Some(VideoProbe {
            codec: config.map(|config| config.codec),
            name,
            width: config.map_or(0, |config| config.width),
            height: config.map_or(0, |config| config.height),
            bit_depth: config.map_or(8, |config| config.bit_depth),
            interlaced: config.is_some_and(|config| config.interlaced),
            frame_duration: config.map_or(Ticks90k::ZERO, |config| config.frame_duration),
            reorder_depth: config.map_or(0, |config| config.reorder_depth),
            longest_rap_interval: Ticks90k::ZERO,
            largest_gop_bytes: 0,
            clean_raps: false,
            raps: Vec::new(),
        })
    }
}

impl ProbeSource for TsFile {
    /// A transport stream has none.
    fn chapters(&mut self) -> Vec<Chapter> {
        Vec::new()
    }

    fn survey(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<Survey> {
        let windows = self.windows()?;
        if windows.len() > 1 {
            let longest = windows.iter().map(Window::longest);
            self.longest_seen = longest.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)));
        }
        let entries = || windows.iter().flat_map(|window| &window.entries);
        let sound = windows.iter().find_map(|window| window.sound);
        let start = entries()
            .map(|entry| entry.pts)
            .next()
            .or(sound)
            .unwrap_or_default();
        let end = windows.iter().filter_map(|window| window.end).max();
        let mut last = None;
        for entry in entries() {
            if last < Some(entry.pts) {
                visit(*entry);
                last = Some(entry.pts);
            }
        }
        let probe = Probe {
            container: Container::MpegTs,
            start,
            // Pictures that end before the sound begins do not count.
            end: end.unwrap_or(start).max(start),
            video: self.video_probe(),
            audio: self.audio_probes(),
            chapters: Vec::new(),
            not_native: None,
        };
        Ok(Survey {
            probe,
            end_bytes: self.source.size_bytes(),
        })
    }
}

/// What a stream is copied as, and its name. ADTS says less than the headers of other containers: layouts that
/// only a program config element inside the frames tells, and one channel of which the decoder may make two
/// (HE-AAC v2 over a core of at most 24 kHz, ISO 14496-3 §1.6.6.2), are not for copying.
fn copied(track: &AudioTrack) -> (Option<AudioCodec>, String) {
    let rate_hz = track.rate_hz;
    match (track.codec, track.channels) {
        (AudioCodec::Aac, 0) => (None, "AAC with a program config element".to_string()),
        (AudioCodec::Aac, 1) if rate_hz <= 24_000 => (
            None,
            format!("AAC of one channel at {rate_hz} Hz, perhaps HE-AAC v2,"),
        ),
        (codec, _) => (Some(codec), audio_name(codec).to_string()),
    }
}

fn audio_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Aac => "AAC",
        AudioCodec::Ac3 => "AC-3",
        AudioCodec::Eac3 => "E-AC-3",
        AudioCodec::Mp2 => "MP2",
        AudioCodec::Mp3 => "MP3",
    }
}
