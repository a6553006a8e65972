//! A channel on air whose items fit but for their sound, by the real ffmpeg: pictures are copied to the byte,
//! sound lands where the source has it.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::media::{made, sample};
use common::ts;
use common::tv::{BEGIN, FORMAT, Loop, Received, Tv, check_strictly, item};
use exstreamd::channel::Transcoder;
use exstreamd::ffmpeg::Ffmpeg;
use exstreamd::media::{CopyClass, Ticks90k};
use exstreamd::system::Spawner;

/// All but this of the lead is there: then no feed is waited for.
const LEAD: Ticks90k = Ticks90k::from_ms(5_800);
/// How often ffmpeg is waited for, and how long in real time each, before it counts as hung.
const PATIENCE: u32 = 10_000;
const PAUSE: Duration = Duration::from_millis(3);

async fn transcoder() -> Transcoder {
    let spawner = Spawner::start(env!("CARGO_BIN_EXE_exstreamd")).unwrap();
    let ffmpeg = Ffmpeg::find(&[], &spawner).await.unwrap();
    Transcoder {
        ffmpeg: Arc::new(ffmpeg),
        spawner,
    }
}

/// Plays at the pace of ffmpeg.
async fn play(tv: &Tv, seconds: u64) {
    wait(tv).await;
    for _ in 0..seconds * 25 {
        tv.clock.advance(Duration::from_millis(40));
        wait(tv).await;
    }
}

async fn wait(tv: &Tv) {
    for _ in 0..PATIENCE {
        tv.settle().await;
        if tv.stations.status().iter().all(|s| s.lead >= LEAD) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("{:?}", tv.stations.status());
}

/// A channel of `files`, of each of which only the sound must be encoded.
async fn channel(files: &[PathBuf], start_ms: i64) -> Tv {
    let items: Vec<_> = files.iter().map(|path| Some(item(path.clone()))).collect();
    for (path, probe) in items.iter().flatten() {
        let class = FORMAT.copy_class(probe);
        let expected = CopyClass::Transcode {
            video: false,
            audio: true,
            reason: String::new(),
        };
        let parts = |class: &CopyClass| match class {
            CopyClass::Copy => (false, false),
            CopyClass::Transcode { video, audio, .. } => (*video, *audio),
        };
        assert_eq!(parts(&class), parts(&expected), "{}", path.display());
    }
    let tv = Tv::new(Loop(items), BEGIN.plus(start_ms));
    tv.stations.set_transcoder(transcoder().await);
    tv
}

const X264: &str = "-c:v libx264 -bf 2 -g 50";

/// Sound of every kind that does not fit a channel of AAC, stereo, 48 kHz.
fn misfits() -> Vec<PathBuf> {
    let made =
        |name: &str, rate: u32, sound: &str| made(name, "25", rate, 6, &format!("{X264} {sound}"));
    vec![
        made("sound_dts.mkv", 48_000, "-c:a dca -strict -2 -ac 6"),
        made("sound_flac.mkv", 48_000, "-c:a flac -ac 2"),
        made("sound_opus.mkv", 48_000, "-c:a libopus -ac 2"),
        sample("h264_51.mp4"),
        sample("h264_30_mono.mp4"),
        sample("h264_ac3.ts"),
        made("sound_mp3_44k.mkv", 44_100, "-c:a libmp3lame -ac 2"),
    ]
}

#[tokio::test]
async fn where_only_the_sound_differs_pictures_are_copied_to_the_byte_and_nothing_is_seen_of_it() {
    let files = misfits();
    let tv = channel(&files, 1_500).await;
    let (first, _a) = tv.join().await;
    play(&tv, 17).await;
    let (second, _b) = tv.join().await;
    play(&tv, 35).await;
    for (name, received) in [("first", &first), ("second", &second)] {
        check_strictly(name, &received.bytes());
    }
    let status = &tv.stations.status()[0];
    assert_eq!(status.counts.slate_pictures, 0, "{status:?}");
    assert!(status.last_failure.is_none(), "{status:?}");
    // A join may take a frame of silence; sound that came late would take a second of it.
    assert!(status.counts.silent_frames <= 12, "{status:?}");
    // All of the second file's pictures in order: what the container holds of each, behind an access unit
    // delimiter of 6 bytes and, at random access points, the parameter sets.
    let ours = pictures(&received_file(&first).1);
    for path in &files[1..3] {
        let theirs = pictures(path);
        let sizes: Vec<_> = theirs.iter().filter(|p| !p.0).map(|p| p.1 + 6).collect();
        let has = ours
            .split(|p| p.0)
            .map(|gop| gop.iter().map(|p| p.1).collect::<Vec<_>>())
            .collect::<Vec<_>>()
            .concat();
        assert!(
            has.windows(sizes.len()).any(|w| w == sizes),
            "{}: other pictures",
            path.display()
        );
    }
}

#[tokio::test]
async fn sound_without_pictures_that_does_not_fit_is_encoded_and_heard_over_the_slate() {
    let transcoder = transcoder().await;
    let ours = made("sound_radio_ac3.mkv", "", 48_000, 5, "-c:a ac3 -ac 6");
    let flac = made("sound_radio.ogg", "", 44_100, 5, "-c:a flac -ac 1");
    let probe = Arc::new(transcoder.ffmpeg.probe(&flac).await.unwrap());
    let items = [item(sample("h264_b0_25.mp4")), item(ours), (flac, probe)];
    let tv = Tv::new(Loop(items.map(Some).into()), BEGIN.plus(4_000));
    tv.stations.set_transcoder(transcoder);
    let (client, _task) = tv.join().await;
    play(&tv, 14).await;
    check_strictly("radio", &client.bytes());
    let status = &tv.stations.status()[0];
    assert!(status.last_failure.is_none(), "{status:?}");
    assert!(
        (240..=255).contains(&status.counts.slate_pictures),
        "{status:?}"
    );
    assert!(status.counts.silent_frames <= 6, "{status:?}");
}

fn received_file(received: &Received) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("received.ts");
    std::fs::write(&path, received.bytes()).unwrap();
    (dir, path)
}

/// Whether it is a key picture, and its size, of every picture of a file.
fn pictures(path: &Path) -> Vec<(bool, usize)> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"])
        .args(["-show_entries", "packet=size,flags"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| {
            let (size, flags) = line.split_once(',')?;
            Some((flags.starts_with('K'), size.parse().ok()?))
        })
        .collect()
}

/// When clicks begin in the first sound of a file, in seconds of its own time stamps.
fn clicks(path: &Path) -> Vec<f64> {
    const HZ: f64 = 48_000.0;
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "a:0", "-of", "csv=p=0"])
        .args(["-show_entries", "frame=best_effort_timestamp_time"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let first: f64 = text
        .lines()
        .find_map(|line| line.trim_end_matches(',').parse().ok())
        .unwrap();
    // Sound without a hole, so that a sample's place tells its time.
    let output = ts::ffmpeg(&[
        "-v",
        "error",
        "-i",
        ts::text(path),
        "-map",
        "0:a:0",
        "-af",
        "aresample=48000:async=1",
        "-ac",
        "1",
        "-f",
        "s16le",
        "-",
    ]);
    let samples: Vec<i16> = output
        .stdout
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]))
        .collect();
    let mut clicks: Vec<f64> = Vec::new();
    for (n, sample) in samples.iter().enumerate() {
        let at = first + n as f64 / HZ;
        if sample.unsigned_abs() > 6_000 && clicks.last().is_none_or(|last| at - last > 0.3) {
            clicks.push(at);
        }
    }
    clicks
}

/// The PTS of the first picture, in seconds.
fn first_picture(path: &Path) -> f64 {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"])
        .args(["-show_entries", "frame=best_effort_timestamp_time"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.trim_end_matches(',').parse().ok())
        .unwrap()
}

/// A click of 20 ms every second of `name`, whose sound is encoded by `sound`, lies where the source has it:
/// from the beginning, and when tuned into in the middle.
async fn check_offset(name: &str, rate: u32, sound: &str) {
    /// One frame of AAC, in seconds.
    const FRAME: f64 = 1024.0 / 48_000.0;
    let filter = "-af aeval=if(lt(mod(t\\,1)\\,0.02)\\,0.8*sin(6000*t)\\,0):c=same";
    let path = made(name, "25", rate, 12, &format!("{X264} {filter} {sound}"));
    let expected = clicks(&path);
    assert!(expected.len() >= 11, "{name}: {expected:?}");
    let start = item(path.clone()).1.start.as_secs_f64();
    for start_ms in [0, 5_300] {
        let tv = channel(std::slice::from_ref(&path), start_ms).await;
        let (client, _task) = tv.join().await;
        play(&tv, 4).await;
        let (_dir, received) = received_file(&client);
        // A cold channel begins with the random access point before the clock: every two seconds.
        let entry = (start_ms / 2_000 * 2) as f64;
        let offset = first_picture(&received) - (start + entry);
        let heard = clicks(&received);
        let mut compared = 0;
        for click in &expected {
            let at = click + offset;
            let range = heard[0] - 0.5..heard[heard.len() - 1] + 0.5;
            // The first may be that of the entry, cut in two.
            if !range.contains(&at) || *click < start + entry + 0.5 {
                continue;
            }
            let off = heard.iter().map(|h| (h - at).abs()).fold(9.0, f64::min);
            assert!(
                off <= FRAME,
                "{name} from {start_ms} ms: {off} s off at {click}"
            );
            compared += 1;
        }
        assert!(compared >= 5, "{name}: {compared} clicks, {heard:?}");
        assert_eq!(tv.stations.status()[0].counts.slate_pictures, 0);
    }
}

#[tokio::test]
async fn encoded_sound_lies_beside_copied_pictures_where_the_source_has_it() {
    tokio::join!(
        check_offset("clicks_flac.mkv", 48_000, "-c:a flac -ac 2"),
        check_offset("clicks_opus.mkv", 48_000, "-c:a libopus -ac 2"),
        check_offset("clicks_51.mp4", 48_000, "-c:a aac -ac 6"),
        check_offset("clicks_44k.mp4", 44_100, "-c:a aac -ac 2"),
        check_offset("clicks_ac3.ts", 48_000, "-c:a ac3 -ac 2"),
        check_offset("clicks_mp3.mkv", 44_100, "-c:a libmp3lame -ac 2"),
    );
}

#[tokio::test]
async fn what_follows_a_hole_in_the_source_s_sound_stays_at_its_time() {
    let filter = "-af aeval=if(lt(mod(t\\,1)\\,0.02)\\,0.8*sin(6000*t)\\,0):c=same,aselect=not(between(t\\,2.5\\,4.5))";
    check_hole("clicks_hole.mkv", filter).await;
}

async fn check_hole(name: &str, filter: &str) {
    let sound = "-c:a pcm_s16le -ac 2";
    let path = made(name, "25", 48_000, 12, &format!("{X264} {filter} {sound}"));
    let tv = channel(std::slice::from_ref(&path), 0).await;
    let (client, _task) = tv.join().await;
    play(&tv, 5).await;
    let (_dir, received) = received_file(&client);
    let offset = first_picture(&received) - item(path).1.start.as_secs_f64();
    let heard: Vec<_> = clicks(&received).iter().map(|at| at - offset).collect();
    for second in [1, 2, 5, 6, 7] {
        let off = heard.iter().map(|at| (at - f64::from(second)).abs());
        let off = off.fold(9.0, f64::min);
        assert!(off < 0.022, "{second} s: {off} s off, {heard:?}");
    }
    assert!(!heard.iter().any(|at| (2.9..4.6).contains(at)), "{heard:?}");
}
