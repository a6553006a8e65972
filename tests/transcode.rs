//! Transcoding with the real ffmpeg: every picture lands where the source shows it, to the tick.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::media::sample;
use exstreamd::ffmpeg::Ffmpeg;
use exstreamd::media::{
    AudioCodec, CopyClass, Format, PictureRate, PictureSize, Probe, Ticks90k, VideoCodec,
};
use exstreamd::system::Spawner;
use exstreamd::transcode::{self, Job};
use serde_json::Value;
use tokio::io::AsyncReadExt;

/// One packet or frame: its time and whether decoding can start there.
type Stamp = (Ticks90k, bool);

struct Bench {
    spawner: Spawner,
    ffmpeg: Ffmpeg,
    dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let spawner = Spawner::start(env!("CARGO_BIN_EXE_exstreamd")).unwrap();
        let ffmpeg = Ffmpeg::find(&[], &spawner).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        Self {
            spawner,
            ffmpeg,
            dir,
        }
    }

    /// Runs `job` to its end; the output's pictures and sound in item time, and the file itself.
    async fn run(&self, job: &Job) -> Outcome {
        let mut running = transcode::start(&self.ffmpeg, &self.spawner, job)
            .await
            .unwrap();
        let mut bytes = Vec::new();
        running.stdout().read_to_end(&mut bytes).await.unwrap();
        let file = self.dir.path().join("out.ts");
        fs::write(&file, &bytes).unwrap();
        let in_item_time = |stamps: Vec<Stamp>| {
            let mut stamps: Vec<_> = stamps
                .iter()
                .map(|(t, key)| (running.item_time(*t), *key))
                .collect();
            stamps.sort();
            stamps
        };
        let video = in_item_time(stamps(&file, "v:0", "packet", &["pts"]));
        let audio = in_item_time(stamps(&file, "a:0", "packet", &["pts"]));
        let lines = running.recent_lines();
        running
            .finish()
            .await
            .unwrap_or_else(|e| panic!("{e:#}, {lines:?}"));
        Outcome { file, video, audio }
    }
}

struct Outcome {
    file: PathBuf,
    video: Vec<Stamp>,
    audio: Vec<Stamp>,
}

/// What the ffprobe program says, in ticks: an oracle independent of our own parsers.
fn stamps(file: &Path, stream: &str, kind: &str, fields: &[&str]) -> Vec<Stamp> {
    let entries = format!(
        "{kind}={},flags,key_frame:stream=time_base",
        fields.join(",")
    );
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-fflags",
            "+genpts+discardcorrupt",
            "-of",
            "json",
        ])
        .args(["-select_streams", stream, "-show_entries", &entries])
        .arg(file)
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (num, den) = answer["streams"][0]["time_base"]
        .as_str()
        .and_then(|base| base.split_once('/'))
        .map_or((1, 90_000), |(num, den)| {
            (num.parse::<i64>().unwrap(), den.parse::<u32>().unwrap())
        });
    let units = answer[format!("{kind}s")]
        .as_array()
        .cloned()
        .unwrap_or_default();
    units
        .iter()
        .filter_map(|unit| {
            let time = fields.iter().find_map(|field| unit[field].as_i64())?;
            let key = unit["flags"]
                .as_str()
                .is_some_and(|flags| flags.starts_with('K'));
            Some((Ticks90k::from_scaled(time * num, den), key))
        })
        .collect()
}

fn shown(file: &Path) -> Vec<Ticks90k> {
    let mut times: Vec<_> = stamps(file, "V:0", "frame", &["best_effort_timestamp"])
        .into_iter()
        .map(|(time, _)| time)
        .collect();
    times.sort();
    times
}

fn format(video: VideoCodec, audio: AudioCodec) -> Format {
    Format {
        video,
        audio,
        audio_rate_hz: 48_000,
        audio_channels: 2,
        ..Format::DEFAULT
    }
}

fn class(video: bool, audio: bool) -> CopyClass {
    CopyClass::Transcode {
        video,
        audio,
        reason: "test".into(),
    }
}

fn job(
    path: &Path,
    probe: &Probe,
    from: Ticks90k,
    to: Ticks90k,
    format: Format,
    class: CopyClass,
) -> Job {
    Job {
        path: path.to_owned(),
        from,
        to,
        format,
        class,
        probe: probe.clone(),
        sound_only: false,
    }
}

const H264: VideoCodec = VideoCodec::H264;
const AAC: AudioCodec = AudioCodec::Aac;

/// The type of the first coded slice: 5 is an IDR picture (ITU-T H.264 table 7-1).
fn first_slice_type(file: &Path) -> u8 {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(file)
        .args(["-map", "0:v", "-c", "copy", "-f", "h264", "-"])
        .output()
        .unwrap();
    let types = output
        .stdout
        .windows(4)
        .filter(|w| w[..3] == [0, 0, 1])
        .map(|w| w[3] & 0x1f);
    types
        .into_iter()
        .find(|kind| (1..=5).contains(kind))
        .unwrap()
}

/// Transcodes the whole of a sample and a part from its middle, and compares every picture.
async fn check_exact(name: &str, audio: AudioCodec) {
    let (bench, path) = (Bench::new().await, sample(name));
    let source = shown(&path);
    let probe = bench.ffmpeg.probe(&path).await.unwrap();
    assert_eq!(probe.start, source[0], "{name}: start");
    let (middle, late) = (source[source.len() / 2 + 7], source[source.len() - 9]);
    for (from, to) in [(probe.start, probe.end), (middle, late)] {
        let expected: Vec<_> = source
            .iter()
            .copied()
            .filter(|t| (from..to).contains(t))
            .collect();
        let out = bench
            .run(&job(
                &path,
                &probe,
                from,
                to,
                format(H264, audio),
                class(true, true),
            ))
            .await;
        let times: Vec<_> = out.video.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, expected, "{name} from {from:?}");
        assert!(out.video[0].1, "{name}: begins with a key picture");
        assert_eq!(
            first_slice_type(&out.file),
            5,
            "{name}: begins with an IDR picture"
        );
        let keys: Vec<_> = out
            .video
            .iter()
            .filter(|(_, key)| *key)
            .map(|(time, _)| *time)
            .collect();
        for pair in keys.windows(2) {
            let apart = (pair[1] - pair[0]).0;
            assert!(
                (170_000..=190_000).contains(&apart),
                "{name}: {apart} ticks between key pictures"
            );
        }
        // A frame of AC-3 lasts 2,880 ticks.
        let (first, last) = (out.audio[0].0, out.audio[out.audio.len() - 1].0);
        assert!(
            (first - from).0.abs() <= 2880,
            "{name}: sound begins at {first:?}, wanted {from:?}"
        );
        assert!(last < to, "{name}: sound after the end");
    }
    let usual = source[source.len() - 1] - source[source.len() - 2];
    let end = source[source.len() - 1] + usual;
    assert!(
        (probe.end - end).0.abs() <= 90,
        "{name}: ends at {:?}, not {end:?}",
        probe.end
    );
}

#[tokio::test]
async fn mp4_with_b_frames() {
    check_exact("h264_b2_25.mp4", AAC).await;
}

#[tokio::test]
async fn mp4_with_b_frames_at_29_97_into_ac3() {
    check_exact("h264_b3_pyramid_2997.mp4", AudioCodec::Ac3).await;
}

#[tokio::test]
async fn mp4_without_b_frames_into_mp2() {
    check_exact("h264_b0_25.mp4", AudioCodec::Mp2).await;
}

#[tokio::test]
async fn mp4_that_begins_with_an_edit() {
    check_exact("h264_late_video.mp4", AAC).await;
}

#[tokio::test]
async fn mp4_with_pictures_of_changing_length() {
    let (bench, path) = (Bench::new().await, sample("h264_vfr.mp4"));
    let source = shown(&path);
    let probe = bench.ffmpeg.probe(&path).await.unwrap();
    let out = bench
        .run(&job(
            &path,
            &probe,
            probe.start,
            probe.end,
            format(H264, AAC),
            class(true, true),
        ))
        .await;
    let times: Vec<_> = out.video.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, source);
}

#[tokio::test]
async fn matroska_at_23_976_into_mp3() {
    check_exact("h264_b3_23976.mkv", AudioCodec::Mp3).await;
}

#[tokio::test]
async fn matroska_that_begins_at_100_s() {
    check_exact("h264_from_100.mkv", AAC).await;
}

#[tokio::test]
async fn transport_stream() {
    check_exact("h264_aac.ts", AAC).await;
}

#[tokio::test]
async fn transport_stream_at_29_97_into_e_ac3() {
    check_exact("h264_ac3.ts", AudioCodec::Eac3).await;
}

#[tokio::test]
async fn transport_stream_whose_time_stamps_wrap() {
    check_exact("h264_wrap.ts", AAC).await;
}

#[tokio::test]
async fn avi_without_b_frames() {
    check_exact("mpeg4_mp3.avi", AAC).await;
}

#[tokio::test]
async fn avi_with_b_frames_that_have_no_time_stamps() {
    check_exact("mpeg4_b2_2997.avi", AudioCodec::Ac3).await;
}

#[tokio::test]
async fn program_stream() {
    check_exact("mpeg2_ac3.mpg", AAC).await;
}

#[tokio::test]
async fn odd_sizes_lose_a_line() {
    check_exact("mpeg4_odd.mkv", AAC).await;
}

#[tokio::test]
async fn other_picture_codecs_keep_time_too() {
    for (name, video) in [
        ("h264_b2_25.mp4", VideoCodec::Hevc),
        ("h264_b2_25.mp4", VideoCodec::Mpeg2),
        ("h264_b3_pyramid_2997.mp4", VideoCodec::Mpeg2),
        ("h264_ac3.ts", VideoCodec::Mpeg2),
    ] {
        let (bench, path) = (Bench::new().await, sample(name));
        let source = shown(&path);
        let probe = bench.ffmpeg.probe(&path).await.unwrap();
        for from in [source[0], source[71]] {
            let expected: Vec<_> = source.iter().copied().filter(|t| *t >= from).collect();
            let job = job(
                &path,
                &probe,
                from,
                probe.end,
                format(video, AAC),
                class(true, true),
            );
            let out = bench.run(&job).await;
            let times: Vec<_> = out.video.iter().map(|(time, _)| *time).collect();
            assert_eq!(times, expected, "{name} into {video:?} from {from:?}");
            assert!(out.video[0].1);
            assert!((out.audio[0].0 - from).0.abs() <= 2880);
        }
    }
}

#[tokio::test]
async fn a_copied_picture_begins_at_or_before_the_moment_wanted_and_keeps_its_times() {
    for name in [
        "h264_b2_25.mp4",
        "h264_b3_23976.mkv",
        "h264_from_100.mkv",
        "h264_ac3.ts",
        "hevc_ac3.mkv",
        "mpeg2_mp2.mkv",
    ] {
        let (bench, path) = (Bench::new().await, sample(name));
        let source = shown(&path);
        let probe = bench.ffmpeg.probe(&path).await.unwrap();
        let codec = probe.video.as_ref().and_then(|video| video.codec).unwrap();
        let (from, to) = (source[110], source[130]);
        let out = bench
            .run(&job(
                &path,
                &probe,
                from,
                to,
                format(codec, AAC),
                class(false, true),
            ))
            .await;
        let times: Vec<_> = out.video.iter().map(|(time, _)| *time).collect();
        assert!(
            times[0] <= from && out.video.iter().any(|(time, key)| *key && *time <= from),
            "{name}"
        );
        let inside: Vec<_> = times
            .iter()
            .copied()
            .filter(|t| (from..to).contains(t))
            .collect();
        assert_eq!(inside, source[110..130], "{name}");
        assert!(
            (out.audio[0].0 - from).0.abs() <= 2880,
            "{name}: {:?}",
            out.audio[0]
        );
    }
}

#[tokio::test]
async fn copied_sound_keeps_its_times() {
    for name in ["h264_b2_25.mp4", "h264_aac.ts"] {
        let (bench, path) = (Bench::new().await, sample(name));
        let probe = bench.ffmpeg.probe(&path).await.unwrap();
        let source = stamps(&path, "a:0", "packet", &["pts"]);
        let from = probe.start + Ticks90k(3 * 90_000);
        let to = from + Ticks90k(2 * 90_000);
        for video in [H264, VideoCodec::Mpeg2] {
            let out = bench
                .run(&job(
                    &path,
                    &probe,
                    from,
                    to,
                    format(video, AAC),
                    class(true, false),
                ))
                .await;
            let want: Vec<_> = source
                .iter()
                .map(|(t, _)| *t)
                .filter(|t| (from..to).contains(t))
                .collect();
            let got: Vec<_> = out
                .audio
                .iter()
                .map(|(t, _)| *t)
                .filter(|t| (from..to).contains(t))
                .collect();
            assert_eq!(got.len(), want.len(), "{name} beside {video:?}");
            for (got, want) in got.iter().zip(&want) {
                assert!(
                    (*got - *want).0.abs() <= 1,
                    "{name} beside {video:?}: {got:?}, not {want:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_film_without_sound_gets_silence_for_all_its_length() {
    let (bench, path) = (Bench::new().await, sample("mpeg4_only.avi"));
    let probe = bench.ffmpeg.probe(&path).await.unwrap();
    let from = probe.start + Ticks90k(90_000);
    for video in [H264, VideoCodec::Mpeg2] {
        let out = bench
            .run(&job(
                &path,
                &probe,
                from,
                probe.end,
                format(video, AAC),
                class(true, true),
            ))
            .await;
        let (first, last) = (out.audio[0].0, out.audio[out.audio.len() - 1].0);
        assert!((first - from).0.abs() <= 1920, "{first:?}");
        assert!(
            (probe.end - last).0 <= 2 * 1920,
            "{last:?} of {:?}",
            probe.end
        );
    }
}

/// Size, sample aspect ratio and whether there are fields, by ffprobe.
fn picture(file: &Path) -> [String; 3] {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-select_streams", "v:0"])
        .args([
            "-show_entries",
            "stream=width,height,sample_aspect_ratio,field_order",
        ])
        .arg(file)
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stream = &answer["streams"][0];
    let text = |name: &str| stream[name].as_str().unwrap_or_default().to_owned();
    [
        format!("{}x{}", stream["width"], stream["height"]),
        text("sample_aspect_ratio"),
        text("field_order"),
    ]
}

#[tokio::test]
async fn a_strict_format_gets_its_size_and_its_rate_from_every_source() {
    let bench = Bench::new().await;
    for (name, rate, video) in [
        ("h264_b2_25.mp4", "29.97", H264),
        ("h264_b3_pyramid_2997.mp4", "25", H264),
        ("h264_b3_23976.mkv", "25", H264),
        ("h264_wrap.ts", "50", H264),
        ("h264_vfr.mp4", "25", H264),
        ("h264_fields.mp4", "25", H264),
        ("h264_b2_25.mp4", "29.97", VideoCodec::Mpeg2),
    ] {
        let path = sample(name);
        let probe = bench.ffmpeg.probe(&path).await.unwrap();
        let rate = PictureRate::parse(rate).unwrap();
        let wanted = Format {
            size: PictureSize::parse("640x480").ok(),
            rate: Some(rate),
            ..format(video, AAC)
        };
        let CopyClass::Transcode { video: true, .. } = wanted.copy_class(&probe) else {
            panic!("{name} is copied");
        };
        let fraction = rate.fraction();
        let (pictures, seconds) = fraction.split_once('/').unwrap();
        let (pictures, seconds): (u32, i64) = (pictures.parse().unwrap(), seconds.parse().unwrap());
        let place = |n: usize| Ticks90k::from_scaled(n as i64 * seconds, pictures);
        let shown = shown(&path);
        let (from, to) = (shown[shown.len() / 4], probe.end);
        let job = job(&path, &probe, from, to, wanted, class(true, true));
        let out = bench.run(&job).await;
        let [size, aspect, fields] = picture(&out.file);
        assert_eq!(
            (size.as_str(), aspect.as_str()),
            ("640x480", "1:1"),
            "{name}"
        );
        assert_eq!(fields, "progressive", "{name}");
        // Every picture on its place of the grid that begins with the job.
        for (n, (time, _)) in out.video.iter().enumerate() {
            let exact = from + place(n);
            assert!(
                (*time - exact).0.abs() <= 2,
                "{name}: picture {n} at {time:?}"
            );
        }
        assert!(out.video[0].1, "{name}: begins with a key picture");
        let end = from + place(out.video.len());
        let frame = rate.frame_duration();
        assert!(
            (to - end).0.abs() <= frame.0 + 1,
            "{name}: ends at {end:?} of {to:?}"
        );
    }
}

#[tokio::test]
async fn dropping_a_job_ends_its_ffmpeg() {
    let (bench, path) = (Bench::new().await, sample("h264_b2_25.mp4"));
    let probe = bench.ffmpeg.probe(&path).await.unwrap();
    let job = job(
        &path,
        &probe,
        probe.start,
        probe.end,
        format(H264, AAC),
        class(true, true),
    );
    let running = transcode::start(&bench.ffmpeg, &bench.spawner, &job)
        .await
        .unwrap();
    let id = running.id().unwrap();
    drop(running);
    for _ in 0..500 {
        if !Path::new(&format!("/proc/{id}")).exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("ffmpeg {id} is still there");
}
