//! Channels on air, on a simulated clock: real files, the real path from feed to ring, and the
//! independent checker as judge.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::media::sample;
use common::tv::{BEGIN, FORMAT, Loop, Tv, check, check_strictly, item};
use exstreamd::error::ErrorKind;
use exstreamd::media::CopyClass;

#[tokio::test]
async fn three_minutes_across_joins_of_every_kind_are_one_sound_stream_for_every_joiner() {
    let items = [
        "h264_b0_25.mp4",
        "h264_b3_pyramid_2997.mp4",
        "h264_b2_25.mp4",
        "h264_b2_25.mp4",
        "h264_b2_25.mp4",
    ];
    let tv = Tv::new(Loop::of(&items), BEGIN.plus(3_300));
    let (first, _a) = tv.join().await;
    tv.play(41).await;
    let (second, _b) = tv.join().await;
    tv.play(57).await;
    let (third, _c) = tv.join().await;
    tv.play(82).await;
    for (name, received) in [("first", first), ("second", second), ("third", third)] {
        check_strictly(name, &received.bytes());
    }
    let status = tv.stations.status();
    assert_eq!(
        (status[0].counts.slate_pictures, status[0].listeners),
        (0, 3)
    );
}

#[tokio::test]
async fn an_idle_channel_is_nothing_and_a_watched_one_ends_half_a_minute_after_its_last_viewer() {
    let tv = Tv::new(Loop::of(&["h264_b0_25.mp4"]), BEGIN);
    assert!(tv.stations.status().is_empty());
    let (_, client) = tv.join().await;
    client.abort();
    tv.play(29).await;
    assert_eq!(tv.stations.status().len(), 1);
    tv.play(3).await;
    assert!(tv.stations.status().is_empty());
}

#[tokio::test]
async fn gaps_and_files_that_are_gone_are_covered_and_the_next_item_comes_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone.mp4");
    std::fs::copy(sample("h264_b2_25.mp4"), &gone).unwrap();
    let mut items = Loop::of(&["h264_b0_25.mp4", "gap", "h264_b2_25.mp4"]);
    items.0.insert(1, Some(item(gone.clone())));
    std::fs::remove_file(&gone).unwrap();
    let tv = Tv::new(items, BEGIN);
    let (client, _task) = tv.join().await;
    tv.play(60).await;
    check_strictly("gaps", &client.bytes());
    let status = tv.stations.status();
    assert!(
        status[0].counts.slate_pictures > 400,
        "{:?}",
        status[0].counts
    );
    assert!(
        status[0]
            .last_failure
            .as_ref()
            .unwrap()
            .reason
            .contains("gone.mp4")
    );
}

#[tokio::test]
async fn a_step_of_the_wall_clock_is_announced_and_the_stream_goes_on() {
    let tv = Tv::new(Loop::of(&["h264_b0_25.mp4", "h264_b2_25.mp4"]), BEGIN);
    let (client, _task) = tv.join().await;
    tv.play(20).await;
    tv.clock.step_utc(BEGIN.plus(3_600_000));
    tv.play(20).await;
    check("clock step", &client.bytes());
}

#[tokio::test]
async fn listeners_end_on_a_packet_boundary_when_the_daemon_stops() {
    let tv = Tv::new(Loop::of(&["h264_b0_25.mp4"]), BEGIN);
    let (client, task) = tv.join().await;
    tv.stations.stop();
    task.await.unwrap();
    assert_eq!(client.bytes().len() % 188, 0);
    assert!(tv.stations.tune("1").await.is_err());
}

#[tokio::test]
async fn an_unknown_number_is_not_found_and_a_full_house_is_busy() {
    let tv = Tv::new(Loop::of(&["h264_b0_25.mp4"]), BEGIN);
    assert_eq!(
        tv.stations.tune("9").await.err().unwrap().kind(),
        ErrorKind::NotFound
    );
    let full = Loop::of(&["h264_b0_25.mp4"]);
    let tv = Tv::with(full, BEGIN, |services| services.largest_listeners = 1);
    let stations = &tv.stations;
    let _one = stations.tune("1").await.unwrap();
    assert_eq!(
        stations.tune("1").await.err().unwrap().kind(),
        ErrorKind::Busy
    );
}

#[test]
fn the_samples_fit_the_format() {
    for name in ["h264_b0_25.mp4", "h264_b2_25.mp4"] {
        let (_, probe) = item(sample(name));
        assert_eq!(FORMAT.copy_class(&probe), CopyClass::Copy, "{name}");
    }
}
