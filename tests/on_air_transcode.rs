//! A channel on air whose items must be transcoded, by the real ffmpeg. The clock of the channel is
//! simulated and waits for ffmpeg, so that nothing depends on the speed of the machine.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::media::sample;
use common::tv::{BEGIN, Loop, Tv, check_strictly, item};
use exstreamd::channel::Transcoder;
use exstreamd::ffmpeg::Ffmpeg;
use exstreamd::media::Ticks90k;
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
    for _ in 0..seconds * 25 {
        tv.clock.advance(Duration::from_millis(40));
        let mut waited = 0;
        loop {
            tv.settle().await;
            let status = tv.stations.status();
            if status.iter().all(|s| s.lead >= LEAD) {
                break;
            }
            waited += 1;
            assert!(waited < PATIENCE, "{status:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[tokio::test]
async fn copy_then_transcode_then_copy_is_one_sound_stream_for_every_joiner() {
    let transcoder = transcoder().await;
    let avi = sample("mpeg4_b2_2997.avi");
    let probe = transcoder.ffmpeg.probe(&avi).await.unwrap();
    let items = vec![
        Some(item(sample("h264_b2_25.mp4"))),
        Some((avi, Arc::new(probe))),
        Some(item(sample("h264_b3_pyramid_2997.mp4"))),
    ];
    let tv = Tv::new(Loop(items), BEGIN.plus(1_000));
    tv.stations.set_transcoder(transcoder);
    let (first, _a) = tv.join().await;
    // Into the transcoded item.
    play(&tv, 10).await;
    let (second, _b) = tv.join().await;
    // Past its end, and round again.
    play(&tv, 9).await;
    let (third, _c) = tv.join().await;
    play(&tv, 24).await;
    for (name, received) in [("first", first), ("second", second), ("third", third)] {
        check_strictly(name, &received.bytes());
    }
    let status = &tv.stations.status()[0];
    assert_eq!(status.counts.slate_pictures, 0, "{status:?}");
    assert!(status.last_failure.is_none(), "{status:?}");
}

#[tokio::test]
async fn a_tune_into_a_transcoded_item_shows_the_slate_first_and_then_its_pictures() {
    let transcoder = transcoder().await;
    let mut items = Vec::new();
    for name in ["mpeg4_b2_2997.avi", "mpeg2_ac3.mpg", "h264_b0_25.mp4"] {
        let path = sample(name);
        let probe = transcoder.ffmpeg.probe(&path).await.unwrap();
        items.push(Some((path, Arc::new(probe))));
    }
    let tv = Tv::new(Loop(items), BEGIN.plus(2_000));
    tv.stations.set_transcoder(transcoder);
    let (client, _task) = tv.join().await;
    play(&tv, 30).await;
    check_strictly("cold", &client.bytes());
    let status = &tv.stations.status()[0];
    // 1.2 s of slate and no more.
    assert!(
        (20..=40).contains(&status.counts.slate_pictures),
        "{status:?}"
    );
    assert!(status.last_failure.is_none(), "{status:?}");
}
