//! Days of joins on one channel: short pieces of small real files of every sort, entered at every kind of random
//! access point and cut anywhere, through the whole path from file to client, over the wrap of the time stamps.
//! The checker reads along; what it cannot know is looked at here: that every piece begins to the tick where the
//! timeline has it.
//!
//! Ten minutes by default; `scripts/soak --hours 48` runs as long as it is told and prints the figures.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The figures of a run are what it is for.
#![allow(clippy::print_stdout)]

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::clients::have;
use common::media::made;
use common::tv::{BEGIN, Tv, item};
use common::units::read_all;
use exstreamd::channel::programming::{Answer, ChannelFacts, OnAir, Play, Programming};
use exstreamd::clock::{Clock, UtcMs};
use exstreamd::error::{Error, ErrorKind};
use exstreamd::media::{
    self, AudioCodec, CopyClass, FileSource, Format, Rap, StreamKind, Ticks90k, VideoCodec,
};
use serde_json::Value;

/// Simulated minutes when nothing else is said.
const MINUTES: u64 = 10;
/// How long before the wrap of the time stamps it begins.
const BEFORE_WRAP: Ticks90k = Ticks90k(4 * 60 * 90_000);
/// Pieces before they come again in the same order.
const PIECES: usize = 1_009;
/// The clock moves on by this.
const STEP: Duration = Duration::from_millis(500);
/// Reordering is never deeper.
const DEEPEST: usize = 16;
/// Classes of how long a picture stands. Those of the files stand 20 to 42 ms.
const STOOD_MS: [i64; 8] = [19, 42, 60, 80, 120, 160, 200, 1_000];

/// Pieces in a row, from [`BEGIN`] on without end.
struct Pieces {
    format: Format,
    pieces: Vec<Play>,
    /// Where each begins in a round, and where the last one ends.
    starts_ms: Vec<i64>,
}

/// splitmix64: the same pieces every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

impl Pieces {
    fn new(format: Format, files: &[std::path::PathBuf]) -> Self {
        let mut dice = Dice(1);
        let files: Vec<_> = files.iter().map(|path| entries(path)).collect();
        let mut pieces = Vec::new();
        let mut starts_ms = vec![0];
        while pieces.len() < PIECES {
            let (play, raps) = &files[dice.below(files.len())];
            let mut play = play.clone();
            // A third are whole; the others begin at a random access point and are cut anywhere.
            if dice.below(3) > 0 {
                play.from = raps[dice.below(raps.len())];
                let most_ms = (play.to - play.from).0 / 90;
                let length_ms = 200 + dice.below(most_ms.max(400) as usize - 200) as i64;
                play.to = play.to.min(play.from + Ticks90k::from_ms(length_ms));
            }
            let length_ms = (play.to - play.from).round_ms();
            starts_ms.push(starts_ms.last().unwrap() + length_ms);
            pieces.push(play);
        }
        Self {
            format,
            pieces,
            starts_ms,
        }
    }

    fn round_ms(&self) -> i64 {
        *self.starts_ms.last().unwrap()
    }

    /// When the n-th piece begins.
    fn start(&self, n: usize) -> UtcMs {
        let (round, place) = (n / PIECES, n % PIECES);
        BEGIN.plus(round as i64 * self.round_ms() + self.starts_ms[place])
    }

    /// Which piece is on at a moment.
    fn at(&self, at: UtcMs) -> usize {
        let since = at.since(BEGIN);
        let (round, ms) = (
            since.div_euclid(self.round_ms()),
            since.rem_euclid(self.round_ms()),
        );
        round as usize * PIECES + self.starts_ms.partition_point(|&start| start <= ms) - 1
    }
}

/// A file as it is played whole, and its random access points but the last.
fn entries(path: &std::path::Path) -> (Play, Vec<Ticks90k>) {
    let (path, probe) = item(path.to_owned());
    let mut demuxer = media::open(Arc::new(FileSource::open(&path).unwrap())).unwrap();
    let raps: Vec<_> = read_all(&mut *demuxer)
        .into_iter()
        .filter(|u| u.kind == StreamKind::Video && u.rap != Rap::No && u.pts >= probe.start)
        .map(|u| u.pts)
        .collect();
    assert!(raps.len() >= 3, "{}: {raps:?}", path.display());
    let play = Play {
        item_id: 1,
        title: path.display().to_string(),
        location: path.into(),
        device: "test".into(),
        from: probe.start,
        to: probe.end,
        // Also those whose sound has another rate: the join has to bear it.
        class: CopyClass::Copy,
        probe,
    };
    (play, raps[..raps.len() - 1].to_vec())
}

impl Programming for Pieces {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        Box::pin(async move {
            if number != "1" {
                return Err(Error::new(ErrorKind::NotFound, "no such channel"));
            }
            Ok(ChannelFacts {
                id: 1,
                number: number.into(),
                name: "Soak".into(),
                format: self.format,
                mux_rate_kbit: None,
            })
        })
    }

    fn on_air<'a>(&'a self, _: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        Box::pin(async move {
            let n = self.at(at);
            Ok(OnAir {
                start: self.start(n),
                stop: self.start(n + 1),
                play: Some(self.pieces[n % PIECES].clone()),
            })
        })
    }
}

/// The checker, reading along.
struct Checker {
    child: Child,
    input: ChildStdin,
}

impl Checker {
    fn start(options: &[&str]) -> Option<Self> {
        have("python3").then(|| {
            let mut child = Command::new("python3")
                .arg(common::ts::checker().join("ts_check.py"))
                .arg("-")
                .args(options)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let input = child.stdin.take().unwrap();
            Self { child, input }
        })
    }

    /// Whether it found no errors, and its report.
    fn finish(mut self) -> (bool, Value) {
        drop(self.input);
        let mut report = String::new();
        let mut output = self.child.stdout.take().unwrap();
        output.read_to_string(&mut report).unwrap();
        let ok = self.child.wait().unwrap().success();
        (ok, serde_json::from_str(&report).unwrap())
    }
}

/// The times of pictures, as they arrive.
#[derive(Default)]
struct Pictures {
    last: Option<i64>,
    /// Not yet in order.
    waiting: BTreeSet<i64>,
    shown: u64,
    last_shown: Option<i64>,
    /// How many pictures stood for up to each of [`STOOD_MS`] and no less.
    stood: [u64; STOOD_MS.len()],
    longest: i64,
    /// Beginnings of pieces that were seen.
    begun: BTreeSet<i64>,
}

impl Pictures {
    /// Takes whole packets. `begins` says whether a piece begins at a time.
    fn take(&mut self, bytes: &[u8], origin: i64, begins: impl Fn(i64) -> bool) {
        for packet in bytes.chunks(188) {
            let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
            if pid != 0x100 || packet[1] & 0x40 == 0 {
                continue;
            }
            let field = if packet[3] & 0x20 == 0 {
                0
            } else {
                1 + usize::from(packet[4])
            };
            let stamp = &packet[4 + field + 9..][..5];
            let bits = |n: usize| i64::from(stamp[n]);
            let pts = (bits(0) >> 1 & 7) << 30
                | bits(1) << 22
                | (bits(2) >> 1) << 15
                | bits(3) << 7
                | bits(4) >> 1;
            // 33 bits, counted on from the last one.
            let last = self.last.unwrap_or(origin);
            let pts = last + (pts - last + (1 << 32)).rem_euclid(1 << 33) - (1 << 32);
            self.last = Some(pts);
            assert!(self.waiting.insert(pts), "two pictures at {pts}");
            if begins(pts) {
                self.begun.insert(pts);
            }
            if self.waiting.len() > DEEPEST {
                self.show();
            }
        }
    }

    fn show(&mut self) {
        let pts = self.waiting.pop_first().unwrap();
        if let Some(last) = self.last_shown.replace(pts) {
            assert!(pts > last, "a picture at {pts} behind {last}");
            let stood = pts - last;
            self.longest = self.longest.max(stood);
            let class = STOOD_MS.iter().position(|&ms| stood <= ms * 90);
            self.stood[class.unwrap_or(STOOD_MS.len() - 1)] += 1;
        }
        self.shown += 1;
    }
}

/// Plays for as long as the environment says; returns what it was like.
async fn soak(
    name: &str,
    format: Format,
    files: &[std::path::PathBuf],
    options: &[&str],
) -> String {
    let minutes = match std::env::var("EXSTREAMD_SOAK_HOURS") {
        Ok(hours) => (hours.parse::<f64>().unwrap() * 60.0) as u64,
        Err(_) => MINUTES,
    };
    let pieces = Arc::new(Pieces::new(format, files));
    let origin = Ticks90k((1 << 33) - BEFORE_WRAP.0);
    let start = pieces.start(3);
    let programming = Shared(Arc::clone(&pieces));
    let tv = Tv::with(programming, start, |services| services.origin = origin);
    let mut checker = Checker::start(options);
    let (client, _task) = tv.join().await;
    let (mut pictures, mut bytes) = (Pictures::default(), 0);
    let end = start.plus(minutes as i64 * 60_000);
    let time_of = |pts: i64| (pts - origin.0).div_euclid(90);
    let begins = |pts: i64| {
        let at = start.plus(time_of(pts));
        (pts - origin.0) % 90 == 0 && pieces.start(pieces.at(at)) == at
    };
    while tv.clock.utc() < end {
        tv.clock.advance(STEP);
        tv.settle().await;
        let received = client.take();
        bytes += received.len();
        pictures.take(&received, origin.0, begins);
        if let Some(checker) = &mut checker {
            checker.input.write_all(&received).unwrap();
        }
    }
    let status = tv.stations.status().remove(0);
    tv.stations.stop();
    tv.settle().await;
    let received = client.take();
    pictures.take(&received, origin.0, begins);
    // Every piece that began before the end, to the tick.
    let (first, last) = (pieces.at(start), pieces.at(end));
    let expected: BTreeSet<i64> = (first..=last)
        .map(|n| origin.0 + pieces.start(n).since(start) * 90)
        .collect();
    let missing: Vec<_> = expected.difference(&pictures.begun).take(5).collect();
    assert!(missing.is_empty(), "{name}: no piece begins at {missing:?}");
    assert!(status.last_failure.is_none(), "{status:?}");
    assert_eq!(status.counts.slate_pictures, 0, "{status:?}");
    let wraps = (time_of(pictures.last.unwrap()) + origin.0 / 90) / ((1i64 << 33) / 90);
    let mut report = Value::Null;
    assert!(wraps >= 1, "{name}: no wrap");
    if let Some(mut checker) = checker {
        checker.input.write_all(&received).unwrap();
        let (ok, said) = checker.finish();
        assert!(ok, "{name}: {:#}", said["first_errors"]);
        report = said;
    }
    let audio = report["streams"]
        .as_array()
        .and_then(|all| all.iter().find(|stream| stream["kind"] == "audio"))
        .map_or(&Value::Null, |stream| &stream["audio"]);
    let mut said = format!(
        "{name}: {minutes} minutes, {} joins of {PIECES} kinds of pieces, {} pictures, {} MB, {wraps} wraps of the time stamps\n",
        last - first,
        pictures.shown,
        bytes >> 20,
    );
    let (silent, dropped) = (status.counts.silent_frames, status.counts.dropped);
    said += &format!("  silent frames {silent}, units left out {dropped}\n");
    said += &format!("  errors of the checker: {}\n", report["error_counts"]);
    let (hole, overlap) = (&audio["max_gap_ms"], &audio["max_overlap_ms"]);
    said += &format!("  largest hole in the sound {hole} ms, overlap {overlap} ms\n");
    said += "  pictures that stood for\n";
    for (ms, count) in STOOD_MS.iter().zip(pictures.stood) {
        said += &format!("    up to {ms:>4} ms {count:>10}\n");
    }
    said + &format!("    at most {:.1} ms", pictures.longest as f64 / 90.0)
}

/// The same pieces for the channel and for the judge.
struct Shared(Arc<Pieces>);

impl Programming for Shared {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        self.0.channel(number)
    }

    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        self.0.on_air(channel, at)
    }
}

const STRICT: &[&str] = &[
    "--strict",
    "--pcr-ms",
    "40",
    // At the end pictures stand in order of decoding, up to five ahead of their display.
    "--max-drift-ms",
    "300",
    "--open-gop",
];

fn small(name: &str, rate: &str, audio: u32, options: &str) -> std::path::PathBuf {
    let options = format!("-vf scale=96:54 -crf 40 -b:a 24k {options}");
    made(&format!("soak_{name}"), rate, audio, 8, &options)
}

#[tokio::test]
async fn h264_of_every_sort() {
    const AAC: &str = "-c:a aac -ac 2";
    let x264 = |b: u32, g: u32, more: &str| format!("-c:v libx264 -bf {b} -g {g} {more} {AAC}");
    let files = [
        small("b0_25.mp4", "25", 48_000, &x264(0, 25, "")),
        small(
            "b3_2997.mp4",
            "30000/1001",
            48_000,
            &x264(3, 60, "-x264-params b-pyramid=normal"),
        ),
        small("b2_25_44k.mp4", "25", 44_100, &x264(2, 50, "")),
        small("b3_23976.mkv", "24000/1001", 48_000, &x264(3, 48, "")),
        small("b2_50.ts", "50", 48_000, &x264(2, 50, "")),
        small(
            "open_25.mp4",
            "25",
            48_000,
            &x264(3, 50, "-x264-params open-gop=1:keyint=50:min-keyint=50"),
        ),
    ];
    let format = Format {
        video: VideoCodec::H264,
        audio: AudioCodec::Aac,
        audio_rate_hz: 48_000,
        audio_channels: 2,
        ..Format::DEFAULT
    };
    // Reordering two deep: a cut may hold a picture for three.
    let options = [STRICT, &["--max-gap-frames", "3"]].concat();
    println!("{}", soak("H.264 + AAC", format, &files, &options).await);
}

#[tokio::test]
async fn hevc_with_cra_pictures() {
    let x265 = |more: &str, sound: &str| {
        format!(
            "-c:v libx265 -x265-params log-level=error:b-adapt=0:scenecut=0:{more} -c:a ac3 -ac 2 {sound}"
        )
    };
    let open = "keyint=40:min-keyint=40:open-gop=1:bframes=4";
    let closed = "keyint=50:min-keyint=50:open-gop=0:bframes=2";
    let files = [
        small("hevc_cra_25.mp4", "25", 48_000, &x265(open, "-tag:v hvc1")),
        small("hevc_b2_2997.mkv", "30000/1001", 48_000, &x265(closed, "")),
        small(
            "hevc_b0_25.mp4",
            "25",
            48_000,
            &x265("keyint=25:min-keyint=25:bframes=0", "-tag:v hvc1"),
        ),
    ];
    let format = Format {
        video: VideoCodec::Hevc,
        audio: AudioCodec::Ac3,
        audio_rate_hz: 48_000,
        audio_channels: 2,
        ..Format::DEFAULT
    };
    let options = [STRICT, &["--max-gap-frames", "4"]].concat();
    println!("{}", soak("HEVC + AC-3", format, &files, &options).await);
}
