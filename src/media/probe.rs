//! What a file is: streams, exact ends, random access points. The native probe of this module and
//! ffprobe's answer (`ffmpeg::probe`) both come out as a [`Probe`], so nobody above asks which it was.

use std::sync::Arc;

use super::mkv::Mkv;
use super::mp4::Mp4;
use super::read_at::{KnownHead, Source};
use super::time::Ticks90k;
use super::ts::TsFile;
use super::unit::{AccessUnit, AudioCodec, Demuxer, Rap, StreamKind, VideoCodec};
use crate::bail;
use crate::error::{Error, Result};

/// How a file's bytes are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// ISO 14496-12 and QuickTime.
    Mp4,
    /// Matroska and WebM.
    Matroska,
    /// ISO 13818-1 transport stream, also with 192- and 204-byte packets.
    MpegTs,
    /// Anything else: left to ffmpeg.
    Other,
}

/// Everything about a media file that scheduling and streaming ask.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Probe {
    /// How the bytes are arranged.
    pub container: Container,
    /// Where the programme begins: PTS of the first picture that can be decoded (of the sound, without pictures).
    pub start: Ticks90k,
    /// Where it ends: end of the last picture in display order (of the sound, without pictures).
    pub end: Ticks90k,
    /// The first video stream.
    pub video: Option<VideoProbe>,
    /// All audio streams in file order; the first is the one played.
    pub audio: Vec<AudioProbe>,
    /// Chapters in order.
    pub chapters: Vec<Chapter>,
    /// Why our own demuxers cannot play it ("edit list with 3 media edits"); `None` when they can.
    pub not_native: Option<String>,
}

impl Probe {
    /// Playing time.
    pub fn length(&self) -> Ticks90k {
        self.end - self.start
    }

    /// ffprobe's answer about the file `name` that our own demuxers refused: of a container that they read, why they
    /// did says more than that ffmpeg reads it.
    #[must_use]
    pub fn refused(mut self, name: &str, why: &Error) -> Self {
        if self.container != Container::Other {
            let why = why.message();
            let bare = why.strip_prefix(name).and_then(|w| w.strip_prefix(": "));
            self.not_native = Some(bare.unwrap_or(why).to_owned());
        }
        self
    }
}

/// A video stream, seen by the probe.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct VideoProbe {
    /// The codec when a transport stream of ours can carry it.
    pub codec: Option<VideoCodec>,
    /// The codec's name for people ("H.264 High 4.1", "MPEG-4 Part 2").
    pub name: String,
    /// Coded size.
    pub width: u16,
    /// Coded size.
    pub height: u16,
    /// Bits per luma sample.
    pub bit_depth: u8,
    /// Whether pictures may be coded as fields.
    #[serde(default)]
    pub interlaced: bool,
    /// The usual length of a picture; zero when unknown.
    pub frame_duration: Ticks90k,
    /// See [`super::VideoTrack::reorder_depth`].
    pub reorder_depth: u8,
    /// The longest distance between two random access points.
    pub longest_rap_interval: Ticks90k,
    /// Coded bytes of the largest span between two random access points.
    pub largest_gop_bytes: u64,
    /// Whether the random access points checked were all clean.
    pub clean_raps: bool,
    /// One random access point per 30 s at most and those next to chapters, in order: cheap break candidates.
    pub raps: Vec<Ticks90k>,
}

/// An audio stream, seen by the probe.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AudioProbe {
    /// The codec when a transport stream of ours can carry it.
    pub codec: Option<AudioCodec>,
    /// The codec's name for people ("AAC-LC", "DTS-HD MA").
    pub name: String,
    /// Samples per second of the core stream.
    pub rate_hz: u32,
    /// Speakers.
    pub channels: u8,
    /// ISO 639-2 language; `None` when unknown.
    pub language: Option<String>,
}

/// A named place in a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Chapter {
    /// Where it begins, in item time.
    pub start: Ticks90k,
    /// Its title; empty when it has none.
    pub title: String,
}

/// Describes a file with our own demuxers. `Unsupported` says why only ffprobe can, `Damaged` where the
/// damage is.
pub fn probe(source: Source) -> Result<Probe> {
    let source: Source = Arc::new(KnownHead::new(source)?);
    match container_of(&source)? {
        Container::Mp4 => finish(&mut Mp4::open_to_probe(source)?),
        Container::Matroska => Mkv::open_to_probe(source)?.probe(),
        Container::MpegTs => TsFile::open(source)?.probe(),
        other => bail!(
            Unsupported,
            "{}: {other:?} is left to ffmpeg",
            source.name()
        ),
    }
}

/// Opens a file for playing, told by its first bytes. `Unsupported` says why only ffmpeg can play it.
pub fn open(source: Source) -> Result<Box<dyn Demuxer>> {
    match container_of(&source)? {
        Container::Mp4 => Ok(Box::new(Mp4::open(source)?)),
        Container::MpegTs => Ok(Box::new(TsFile::open(source)?)),
        Container::Matroska => Ok(Box::new(Mkv::open(source)?)),
        other => bail!(
            Unsupported,
            "{}: {other:?} is left to ffmpeg",
            source.name()
        ),
    }
}

/// Tells a container by its first bytes; `Unsupported` names one that we know but cannot read.
pub(super) fn container_of(source: &Source) -> Result<Container> {
    let mut head = [0; 1024];
    let read = source.read_at(0, &mut head)?;
    let head = head.get(..read).unwrap_or_default();
    let word = |at: usize| head.get(at..).and_then(|h| h.first_chunk::<4>());
    if word(0) == Some(&[0x1A, 0x45, 0xDF, 0xA3]) {
        return Ok(Container::Matroska);
    }
    if let Some(b"ftyp" | b"moov" | b"mdat" | b"free" | b"skip" | b"wide" | b"pnot") = word(4) {
        return Ok(Container::Mp4);
    }
    // Sync bytes at the same place of three packets: plain, with time codes in front, with parity behind.
    let is_packets =
        |first: usize, step: usize| (0..3).all(|n| head.get(first + n * step) == Some(&0x47));
    if [(188, 0), (192, 4), (204, 0)]
        .iter()
        .any(|&(step, lead)| (0..step).any(|at| is_packets(at + lead, step)))
    {
        return Ok(Container::MpegTs);
    }
    let name = match (word(0), word(8)) {
        (Some(b"RIFF"), Some(b"AVI ")) => "AVI",
        (Some(b"RIFF"), _) => "RIFF",
        (Some([b'F', b'L', b'V', _]), _) => "FLV",
        (Some([0x30, 0x26, 0xB2, 0x75]), _) => "ASF (WMV)",
        (Some(b"OggS"), _) => "Ogg",
        (Some([0, 0, 1, 0xBA]), _) => "MPEG program stream",
        (Some([b'I', b'D', b'3', _]), _) => "MP3",
        (Some(b"fLaC"), _) => "FLAC",
        (None, _) => bail!(Damaged, "{} is empty", source.name()),
        _ if head.starts_with(b"#EXTM3U") => bail!(
            Damaged,
            "{} is a playlist and no film: what it names is not followed",
            source.name()
        ),
        _ if is_text(head) => bail!(Damaged, "{} is text and no film", source.name()),
        _ => "a container that we do not know",
    };
    bail!(Unsupported, "{}: {name} is left to ffmpeg", source.name())
}

/// Whether a file that begins so holds words: no container does without control characters.
fn is_text(head: &[u8]) -> bool {
    let whole = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut in two.
        Err(e) if e.error_len().is_none() => {
            let valid = head.get(..e.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_word = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{c}');
    !whole.is_empty() && whole.chars().all(is_word)
}

/// A place that the container's own index (stss, Cues, or a coarse look at a transport stream) calls a
/// random access point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexPoint {
    /// PTS of its picture, in item time.
    pub(crate) pts: Ticks90k,
    /// Coded video bytes before it in decode order; where the container does not tell them, its place in the file.
    pub(crate) bytes: u64,
}

/// What a container tells about itself, without the part that [`finish`] works out for all of them.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Everything but the chapters, and of the video everything but `longest_rap_interval`,
    /// `largest_gop_bytes`, `clean_raps` and `raps`, which are left at their defaults.
    pub(crate) probe: Probe,
    /// Coded video bytes (or the file's length) behind the last index point: closes the last GOP.
    pub(crate) end_bytes: u64,
}

/// What the probe asks of a demuxer: every container implements it beside [`Demuxer`], then
/// `probe::finish(&mut demuxer)` gives the [`Probe`].
///
/// Both calls may read the whole index in large pieces and may move the demuxer's position; [`finish`]
/// seeks afterwards. Neither reads media beyond what exact ends need.
pub(crate) trait ProbeSource: Demuxer {
    /// The chapters in order. Damage to them loses chapters, not the file.
    fn chapters(&mut self) -> Vec<Chapter>;

    /// Describes the file and calls `visit` for each random access point, in rising order of PTS.
    fn survey(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<Survey>;

    /// What the NAL units say about the picture that a seek to `target` finds.
    fn rap_at(&mut self, target: Ticks90k) -> Result<Rap> {
        let mut unit = AccessUnit::default();
        self.seek(target)?;
        for _ in 0..UNITS_TO_FIRST_PICTURE {
            if !self.next(&mut unit)? {
                break;
            }
            if unit.kind == StreamKind::Video {
                return Ok(unit.rap);
            }
        }
        Ok(Rap::No)
    }
}

/// At most one break candidate in this time, besides those next to chapters.
const RAP_SPACING: Ticks90k = Ticks90k(30 * 90_000);

/// Break candidates kept at most (a day of video at the usual spacing).
const RAPS_MAX: usize = 4096;

/// Pictures read behind a seek before it counts as not answered.
const UNITS_TO_FIRST_PICTURE: usize = 256;

/// Works a survey out to a whole [`Probe`]: distances and sizes between random access points, break
/// candidates, and what the NAL units say at three of the points.
pub(crate) fn finish(source: &mut dyn ProbeSource) -> Result<Probe> {
    let chapters = source.chapters();
    let mut walk = IndexWalk::new(&chapters);
    let Survey {
        mut probe,
        end_bytes,
    } = source.survey(&mut |point| walk.visit(point))?;
    let (start, end) = (probe.start, probe.end);
    if let Some(video) = probe.video.as_mut() {
        walk.close(end, end_bytes);
        video.longest_rap_interval = walk.longest;
        video.largest_gop_bytes = walk.largest_bytes;
        video.raps = walk.raps;
        if video.codec.is_some() {
            let mut found = Vec::with_capacity(3);
            for target in [start, Ticks90k(start.0.midpoint(end.0)), end] {
                found.push(source.rap_at(target)?);
            }
            video.clean_raps = found.iter().all(|rap| *rap == Rap::Clean);
            if found.iter().all(|rap| *rap == Rap::No) {
                // Whatever the index says, these are none.
                video.raps = Vec::new();
            }
        }
    }
    probe.chapters = chapters;
    Ok(probe)
}

/// Condenses index points as they come.
struct IndexWalk<'a> {
    longest: Ticks90k,
    largest_bytes: u64,
    raps: Vec<Ticks90k>,
    last: Option<IndexPoint>,
    /// The last one that was kept for its distance to the one before.
    last_spaced: Option<Ticks90k>,
    /// Chapters that no point has passed yet.
    chapters: &'a [Chapter],
}

impl<'a> IndexWalk<'a> {
    fn new(chapters: &'a [Chapter]) -> Self {
        Self {
            longest: Ticks90k::ZERO,
            largest_bytes: 0,
            raps: Vec::new(),
            last: None,
            last_spaced: None,
            chapters,
        }
    }

    fn visit(&mut self, point: IndexPoint) {
        if let Some(last) = self.last {
            self.measure(last, point);
            while let [chapter, rest @ ..] = self.chapters
                && chapter.start <= point.pts
            {
                let nearer_last = chapter.start - last.pts < point.pts - chapter.start;
                self.keep(if nearer_last { last.pts } else { point.pts });
                self.chapters = rest;
            }
        }
        if self
            .last_spaced
            .is_none_or(|spaced| point.pts - spaced >= RAP_SPACING)
        {
            self.keep(point.pts);
            self.last_spaced = Some(point.pts);
        }
        self.last = Some(point);
    }

    fn close(&mut self, end: Ticks90k, end_bytes: u64) {
        if let Some(last) = self.last {
            self.measure(
                last,
                IndexPoint {
                    pts: end,
                    bytes: end_bytes,
                },
            );
            if self.chapters.first().is_some_and(|c| c.start < end) {
                self.keep(last.pts);
            }
        }
        self.raps.sort_unstable();
        self.raps.dedup();
    }

    fn measure(&mut self, from: IndexPoint, to: IndexPoint) {
        self.longest = self.longest.max(to.pts - from.pts);
        self.largest_bytes = self.largest_bytes.max(to.bytes.saturating_sub(from.bytes));
    }

    fn keep(&mut self, pts: Ticks90k) {
        if self.raps.len() < RAPS_MAX {
            self.raps.push(pts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose index names pictures at which no decoder can begin.
    struct Liar(Rap);

    impl Demuxer for Liar {
        fn streams(&self) -> &crate::media::Streams {
            const NONE: &crate::media::Streams = &crate::media::Streams {
                video: None,
                audio: None,
            };
            NONE
        }

        fn seek(&mut self, target: Ticks90k) -> Result<Ticks90k> {
            Ok(target)
        }

        fn next(&mut self, unit: &mut AccessUnit) -> Result<bool> {
            unit.rap = self.0;
            Ok(true)
        }

        fn damage(&self) -> crate::media::Damage {
            crate::media::Damage::default()
        }
    }

    impl ProbeSource for Liar {
        fn chapters(&mut self) -> Vec<Chapter> {
            Vec::new()
        }

        fn survey(&mut self, visit: &mut dyn FnMut(IndexPoint)) -> Result<Survey> {
            visit(IndexPoint {
                pts: Ticks90k::ZERO,
                bytes: 0,
            });
            let json = r#"{"container":"mp4","start":0,"end":900000,"audio":[],"chapters":[],"not_native":null,
                "video":{"codec":"h264","name":"","width":0,"height":0,"bit_depth":8,"frame_duration":0,"reorder_depth":0,
                "longest_rap_interval":0,"largest_gop_bytes":0,"clean_raps":false,"raps":[]}}"#;
            Ok(Survey {
                probe: serde_json::from_str(json).unwrap(),
                end_bytes: 1,
            })
        }
    }

    #[test]
    fn an_index_that_names_no_real_random_access_point_counts_for_nothing() {
        for (rap, raps, clean) in [
            (Rap::No, 0, false),
            (Rap::Open, 1, false),
            (Rap::Clean, 1, true),
        ] {
            let video = finish(&mut Liar(rap)).unwrap().video.unwrap();
            assert_eq!(
                (video.raps.len(), video.clean_raps),
                (raps, clean),
                "{rap:?}"
            );
        }
    }

    #[test]
    fn the_index_is_condensed_to_spaced_points_and_those_next_to_chapters() {
        let chapters = [10_000, 44_900, 70_000].map(|ms| Chapter {
            start: Ticks90k::from_ms(ms),
            title: String::new(),
        });
        let mut walk = IndexWalk::new(&chapters);
        for n in 0..35u64 {
            walk.visit(IndexPoint {
                pts: Ticks90k::from_ms(n as i64 * 2000 + if n > 20 { 3000 } else { 0 }),
                bytes: n * 1000 + if n > 9 { 500 } else { 0 },
            });
        }
        walk.close(Ticks90k::from_ms(72_000), 36_000);
        assert_eq!(walk.longest, Ticks90k::from_ms(5000));
        assert_eq!(walk.largest_bytes, 1500);
        let kept: Vec<_> = walk.raps.iter().map(|t| t.round_ms()).collect();
        assert_eq!(kept, [0, 10_000, 30_000, 45_000, 61_000, 71_000]);
    }
}
