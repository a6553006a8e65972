//! ffprobe's answer as a [`Probe`], for the containers and codecs that the native probe leaves to ffmpeg.
//!
//! Two short runs: one for the headers and the first packets, one for the last packets, because most
//! containers state a length that is rounded, estimated or a lie.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::ends::{self, Packet};
use super::input;
use super::run::run;
use super::stderr;
use super::streams::{self, Answer, Format, Stream, TimeBase};
use crate::error::{Error, ErrorKind, Result};
use crate::media::probe::{Container, VideoProbe};
use crate::media::{Probe, Ticks90k};
use crate::system::{Launch, Spawner};

/// A file on a disk that sleeps, on a network share, with its index at the end.
const LIMIT: Duration = Duration::from_secs(30);

/// About 40,000 packets: 10 minutes of pictures between the last random access point and the end.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// More streams or chapters than any film has are cut off.
const MAX_STREAMS: usize = 64;
const MAX_CHAPTERS: usize = 1000;

/// How much of a stream may be missing at its end: the last picture may be shown longer than it lasts.
const CUT_SHORT_SECONDS: f64 = 2.0;

const ENTRIES: &str = concat!(
    "format=format_name,start_time,duration",
    ":stream=index,codec_type,codec_name,profile,width,height,pix_fmt,level,field_order,has_b_frames,bits_per_raw_sample,",
    "avg_frame_rate,r_frame_rate,time_base,start_pts,duration_ts,sample_rate,channels",
    ":stream_tags=language,DURATION:stream_disposition=attached_pic",
    ":chapter=time_base,start:chapter_tags=title",
    ":packet=stream_index,pts,dts,duration,size,flags",
);

/// What one run of ffprobe reads.
struct Asker<'a> {
    program: &'a Path,
    spawner: &'a Spawner,
    url: OsString,
    name: String,
}

impl Asker<'_> {
    async fn ask(&self, interval: &str, stream: Option<u32>) -> Result<Answer> {
        let mut args: Vec<OsString> = ["-hide_banner", "-loglevel", "level+error"]
            .map(Into::into)
            .into();
        args.extend(input::safe_options());
        args.extend(["-print_format", "json=compact=1", "-show_entries", ENTRIES].map(Into::into));
        args.extend(["-read_intervals".into(), interval.into()]);
        if let Some(index) = stream {
            args.extend(["-select_streams".into(), index.to_string().into()]);
        }
        args.extend(["-i".into(), self.url.clone()]);
        let doing = format!("probing {}", self.name);
        let launch = Launch {
            nice: 10,
            ..Launch::reading(self.program, args)
        };
        let output = run(self.spawner, launch, &doing, LIMIT, MAX_ANSWER_BYTES).await?;
        if !output.status.success() {
            let lines: Vec<_> = output
                .stderr
                .iter()
                .map(|line| stderr::classify(line))
                .collect();
            return Err(stderr::cause(&doing, &lines));
        }
        read(&doing, &output.stdout)
    }
}

fn read(doing: &str, answer: &[u8]) -> Result<Answer> {
    // Tags may hold any bytes.
    let text = String::from_utf8_lossy(answer);
    let mut answer: Answer = serde_json::from_str(&text).map_err(|e| {
        Error::with_source(
            ErrorKind::Internal,
            format!("{doing}: reading ffprobe's answer"),
            e,
        )
    })?;
    answer.streams.truncate(MAX_STREAMS);
    Ok(answer)
}

/// What one answer of ffprobe in JSON that lists all packets says of the file `name`.
pub fn from_answer(name: &str, json: &[u8]) -> Result<Probe> {
    let head = read(&format!("probing {name}"), json)?;
    let main = Main::of(&head, name)?;
    let packets = packets_of(&head.packets, main.stream.index);
    main.describe(&head, name, &packets, &packets)
}

/// Asks the ffprobe at `program` what `path` is.
pub(super) async fn probe(program: &Path, spawner: &Spawner, path: &Path) -> Result<Probe> {
    let asker = Asker {
        program,
        spawner,
        url: input::file_url(path)?,
        name: path.display().to_string(),
    };
    let head = asker.ask("%+3", None).await?;
    let main = Main::of(&head, &asker.name)?;
    let index = main.stream.index;
    let mut first: Vec<_> = packets_of(&head.packets, index);
    if main.is_video && !first.iter().any(|packet| packet.is_key()) {
        // A recording that begins in the middle of a group of pictures.
        let longer = asker.ask("%+30", Some(index)).await?;
        first = packets_of(&longer.packets, index);
    }
    let stated = Stated::of(&head.format, main.stream, main.base);
    let last = last_packets(&asker, index, &stated).await?;
    main.describe(&head, &asker.name, &first, &last)
}

/// The stream that a file is measured by: its pictures, else its sound.
struct Main<'a> {
    stream: &'a Stream,
    is_video: bool,
    base: TimeBase,
}

impl<'a> Main<'a> {
    fn of(head: &'a Answer, name: &str) -> Result<Self> {
        let video = head
            .streams
            .iter()
            .find(|s| s.codec_type == "video" && s.disposition.attached_pic == 0);
        let sound = head.streams.iter().find(|s| s.codec_type == "audio");
        let Some(stream) = video.or(sound) else {
            crate::bail!(
                Unsupported,
                "probing {name}: it has neither picture nor sound"
            );
        };
        let Some(base) = TimeBase::parse(&stream.time_base) else {
            crate::bail!(
                Damaged,
                "probing {name}: stream {} has no time base",
                stream.index
            );
        };
        Ok(Self {
            stream,
            is_video: video.is_some(),
            base,
        })
    }

    /// The whole answer, from the first packets of the stream and the last ones.
    fn describe(
        &self,
        head: &Answer,
        name: &str,
        first: &[Packet],
        last: &[Packet],
    ) -> Result<Probe> {
        let usual = streams::frame_duration(self.stream);
        let Some(start) = ends::start(first, self.base) else {
            crate::bail!(
                Damaged,
                "probing {}: stream {} has no picture that can be decoded",
                name,
                self.stream.index
            );
        };
        let stated = Stated::of(&head.format, self.stream, self.base);
        let Some(end) = ends::end(last, self.base, usual).filter(|end| *end > start) else {
            crate::bail!(
                Damaged,
                "probing {}: the file is cut short or its index is wrong: nothing can be read where it should end",
                name
            );
        };
        let container = streams::container(&head.format.format_name);
        // These two know where each stream ends; the others estimate.
        let known = stated
            .by_stream
            .filter(|_| matches!(container, Container::Mp4 | Container::Matroska));
        if let Some(known) = known.filter(|known| known - end.as_secs_f64() > CUT_SHORT_SECONDS) {
            crate::bail!(
                Damaged,
                "probing {}: the file is cut short at {:.1} s, its index goes on to {known:.1} s: copy or download it again",
                name,
                end.as_secs_f64()
            );
        }
        let (gop, gop_bytes) = ends::longest_gop(&[first, last], self.base);
        let duration = if usual > Ticks90k::ZERO {
            usual
        } else {
            ends::usual_duration(first, self.base)
        };
        Ok(Probe {
            container,
            start,
            end,
            video: self
                .is_video
                .then_some(self.stream)
                .map(|stream| VideoProbe {
                    codec: streams::video_codec(&stream.codec_name),
                    name: streams::video_name(stream),
                    width: u16::try_from(stream.width).unwrap_or(u16::MAX),
                    height: u16::try_from(stream.height).unwrap_or(u16::MAX),
                    bit_depth: streams::bit_depth(stream),
                    interlaced: streams::is_interlaced(stream),
                    frame_duration: duration,
                    reorder_depth: u8::try_from(stream.has_b_frames.min(16)).unwrap_or(16),
                    longest_rap_interval: gop,
                    largest_gop_bytes: gop_bytes,
                    clean_raps: false,
                    raps: Vec::new(),
                }),
            audio: head
                .streams
                .iter()
                .filter(|s| s.codec_type == "audio")
                .map(streams::audio)
                .collect(),
            chapters: head
                .chapters
                .iter()
                .take(MAX_CHAPTERS)
                .filter_map(streams::chapter)
                .collect(),
            not_native: Some(format!("{} is read by ffmpeg", head.format.format_name)),
        })
    }
}
fn packets_of(packets: &[Packet], stream: u32) -> Vec<Packet> {
    packets
        .iter()
        .filter(|p| p.stream_index == stream)
        .cloned()
        .collect()
}

/// When a stream and its file claim to end, in seconds.
struct Stated {
    start: f64,
    /// From the stream's own index or statistics.
    by_stream: Option<f64>,
    /// From the file's header, or estimated.
    by_file: Option<f64>,
}

impl Stated {
    fn of(format: &Format, stream: &Stream, base: TimeBase) -> Self {
        let seconds = |text: &Option<String>| text.as_deref().and_then(|t| t.parse::<f64>().ok());
        let start = seconds(&format.start_time).unwrap_or(0.0);
        let by_index = stream.duration_ts.map(|units| {
            let first = stream.start_pts.unwrap_or(0);
            base.ticks(units.saturating_add(first)).as_secs_f64()
        });
        let by_tag = || {
            stream
                .tags
                .duration
                .as_deref()
                .and_then(streams::clock_seconds)
        };
        Self {
            start,
            by_stream: by_index.or_else(by_tag),
            by_file: seconds(&format.duration).map(|length| start + length),
        }
    }
}

/// The packets before the end: a few seconds of them, or more when the stream ends before the others.
async fn last_packets(asker: &Asker<'_>, stream: u32, stated: &Stated) -> Result<Vec<Packet>> {
    let Some(end) = stated.by_stream.or(stated.by_file) else {
        // No length at all: a file that was never finished. All of it is read, within the limits.
        let all = asker.ask("%", Some(stream)).await?;
        return Ok(packets_of(&all.packets, stream));
    };
    for before in [5.0, 60.0, 600.0] {
        let from = (end - before).max(stated.start);
        let answer = asker.ask(&format!("{from:.3}%"), Some(stream)).await?;
        let packets = packets_of(&answer.packets, stream);
        if !packets.is_empty() || from <= stated.start {
            return Ok(packets);
        }
    }
    Ok(Vec::new())
}
