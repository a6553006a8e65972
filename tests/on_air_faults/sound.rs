//! Faults of an ffmpeg that makes only the sound: pictures go on, to the last one.

use super::children::{FakeFfmpeg, play_with_children};
use super::*;

/// A minute of pictures that are copied and of sound that is encoded.
fn film() -> PathBuf {
    let options = "-c:v libx264 -bf 2 -g 50 -c:a flac -ac 2";
    made("faults_flac.mkv", "25", 48_000, 60, options)
}

fn tv(fake: &FakeFfmpeg, start_ms: i64) -> Tv {
    let tv = Tv::new(files(&[film()]), BEGIN.plus(start_ms));
    tv.stations.set_transcoder(fake.transcoder.clone());
    tv
}

/// Frames of AAC in so many seconds.
fn frames(seconds: f64) -> u64 {
    (seconds * 48_000.0 / 1_024.0) as u64
}

#[tokio::test]
async fn sound_that_fails_in_any_way_is_silence_under_pictures_that_go_on() {
    async fn fails(mode: &str, most_runs: usize) {
        let fake = FakeFfmpeg::new(mode).await;
        let tv = tv(&fake, 2_000);
        let (client, _task) = tv.join().await;
        play_with_children(&tv, 16, 3).await;
        let status = tv.stations.status().remove(0);
        assert_eq!(status.counts.slate_pictures, 0, "{mode}: {status:?}");
        let silent = status.counts.silent_frames;
        assert!(silent >= frames(15.0), "{mode}: {silent} frames of silence");
        // An ffmpeg that ends well had no more sound, whatever it wrote.
        if mode != "garbage" {
            let reason = status.last_failure.expect("a failure").reason;
            assert!(reason.contains("making the sound"), "{mode}: {reason}");
        }
        let runs = fake.runs();
        assert!((1..=most_runs).contains(&runs), "{mode}: {runs} runs");
        assert_never_silent(&tv, &client);
        check_strictly(mode, &client.bytes());
    }
    tokio::join!(
        fails("dies", 5),
        fails("garbage", 5),
        fails("zeros", 2),
        fails("hangs", 2)
    );
}

#[tokio::test]
async fn sound_that_is_killed_goes_on_at_its_place_and_pictures_are_untouched() {
    let fake = FakeFfmpeg::new("dies-amid").await;
    let tv = tv(&fake, 2_000);
    let (client, _task) = tv.join().await;
    play_with_children(&tv, 10, 40).await;
    fake.set("sound");
    play_with_children(&tv, 30, 40).await;
    let status = tv.stations.status().remove(0);
    assert_eq!(status.counts.slate_pictures, 0, "{status:?}");
    // The lead covers the wait before the next attempt: nothing of the sound is missing.
    assert!(status.counts.silent_frames <= 4, "{status:?}");
    assert!(status.last_failure.is_some(), "{status:?}");
    assert!((2..=4).contains(&fake.runs()), "{} runs", fake.runs());
    assert_never_silent(&tv, &client);
    check_strictly("killed", &client.bytes());
}

#[tokio::test]
async fn sound_that_comes_back_after_a_silence_is_heard_again() {
    let fake = FakeFfmpeg::new("hangs").await;
    let tv = tv(&fake, 2_000);
    let (client, _task) = tv.join().await;
    play_with_children(&tv, 8, 3).await;
    fake.set("sound");
    play_with_children(&tv, 8, 40).await;
    let before = tv.stations.status()[0].counts;
    assert!(before.silent_frames >= frames(7.0), "{before:?}");
    play_with_children(&tv, 10, 40).await;
    assert_eq!(tv.stations.status()[0].counts, before, "sound is not back");
    assert_eq!(before.slate_pictures, 0);
    check_strictly("back", &client.bytes());
}

#[tokio::test]
async fn without_an_ffmpeg_pictures_are_shown_in_silence_and_the_reason_names_the_cure() {
    let tv = Tv::new(files(&[film()]), BEGIN.plus(40_000));
    let (client, _task) = tv.join().await;
    tv.play(10).await;
    assert_never_silent(&tv, &client);
    check_strictly("no-ffmpeg-sound", &client.bytes());
    let status = &tv.stations.status()[0];
    assert_eq!(status.counts.slate_pictures, 0, "{status:?}");
    assert!(
        status.counts.silent_frames >= frames(15.0),
        "silence as far as the pictures: {status:?}"
    );
    let reason = &status.last_failure.as_ref().unwrap().reason;
    assert!(reason.contains("install"), "{reason}");
}

#[tokio::test]
async fn an_item_left_in_its_middle_leaves_no_child_behind() {
    let fake = FakeFfmpeg::new("sound").await;
    let path = fake.dir.path().join("film.mkv");
    std::fs::copy(film(), &path).unwrap();
    let mark = path.to_str().unwrap().as_bytes();
    let tv = Tv::new(files(std::slice::from_ref(&path)), BEGIN.plus(2_000));
    tv.stations.set_transcoder(fake.transcoder.clone());
    let (client, task) = tv.join().await;
    play_with_children(&tv, 2, 40).await;
    let ours = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|p| std::fs::read(p.path().join("cmdline")).ok())
            .filter(|line| line.windows(mark.len()).any(|w| w == mark))
            .count()
    };
    assert_eq!(ours(), 1, "one child for one feed");
    task.abort();
    drop(client);
    // It stays on air for half a minute without listeners.
    for _ in 0..40 {
        play_with_children(&tv, 1, 1).await;
    }
    assert!(tv.stations.status().is_empty());
    for _ in 0..1_000 {
        if ours() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a child is left");
}
