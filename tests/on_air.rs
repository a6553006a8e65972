//! Channels on air, on a simulated clock: real files, the real path from feed to ring, and the
//! independent checker as judge.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use common::media::{made, sample};
use common::tv::{BEGIN, FORMAT, Loop, Tv, check, check_strictly, item};
use exstreamd::channel::programming::{Answer, ChannelFacts, OnAir, Programming};
use exstreamd::clock::UtcMs;
use exstreamd::error::ErrorKind;
use exstreamd::media::{CopyClass, Probe};

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

/// A file of 25 pictures per second and a tone.
fn odd(name: &str, rate: &str, seconds: u32, options: &str) -> PathBuf {
    let video = if rate.is_empty() {
        ""
    } else {
        "-c:v libx264 -bf 2 -g 50"
    };
    made(
        name,
        rate,
        48_000,
        seconds,
        format!("{video} {options}").trim(),
    )
}

#[tokio::test]
async fn items_of_every_odd_shape_in_a_row_keep_their_places() {
    const AAC: &str = "-c:a aac -ac 2";
    let video =
        |name, seconds, options: &str| odd(name, "25", seconds, &format!("{options} {AAC}"));
    let plain = sample("h264_b0_25.mp4");
    let blink = video("odd_blink.mp4", 1, "-t 0.2");
    let late = video("odd_late.mp4", 4, "-af atrim=start=1.5");
    let early = video("odd_early.mp4", 14, "-af atrim=end=4");
    let long_tail = odd("odd_tail.mkv", "25", 6, "-vf trim=end=3.6 -c:a aac -ac 2");
    let mute = odd("odd_mute.mkv", "25", 2, "-an");
    let radio = odd("odd_radio.mkv", "", 3, AAC);
    let short_radio = odd("odd_radio.mp4", "", 1, AAC);
    let mut order = vec![plain.clone()];
    order.extend(std::iter::repeat_n(blink, 9));
    order.extend([long_tail, late.clone(), early, mute.clone(), mute.clone()]);
    order.extend([radio.clone(), radio.clone(), short_radio, mute, radio, late]);
    let items: Vec<_> = order.into_iter().map(|path| Some(item(path))).collect();
    let seconds = |of: &dyn Fn(&Probe) -> bool| -> f64 {
        let all = items.iter().flatten().filter(|(_, probe)| of(probe));
        all.map(|(_, probe)| probe.length().as_secs_f64()).sum()
    };
    let without_pictures = seconds(&|probe| probe.video.is_none());
    let round = seconds(&|_| true);
    assert!(
        (9.5..11.0).contains(&without_pictures),
        "{without_pictures}"
    );
    let tv = Tv::new(Loop(items), BEGIN.plus(1_000));
    let (first, _a) = tv.join().await;
    tv.play(12).await;
    let (second, _b) = tv.join().await;
    // Once round, with the lead.
    tv.play(round as u64 - 12 - 6).await;
    let status = &tv.stations.status()[0];
    assert!(status.last_failure.is_none(), "{status:?}");
    let slate = status.counts.slate_pictures as f64 / 25.0;
    assert!((slate - without_pictures).abs() < 0.5, "{slate} s of slate");
    for (name, received) in [("first", first), ("second", second)] {
        check_strictly(name, &received.bytes());
    }
}

#[tokio::test]
async fn a_tune_into_sound_without_pictures_shows_the_slate_at_once() {
    let radio = odd("odd_radio.mkv", "", 3, "-c:a aac -ac 2");
    let tv = Tv::new(Loop(vec![Some(item(radio))]), BEGIN.plus(1_100));
    let (client, _task) = tv.join().await;
    assert!(tv.stations.status()[0].lead.round_ms() > 5_900);
    tv.play(8).await;
    check_strictly("radio", &client.bytes());
    let status = &tv.stations.status()[0];
    // A frame is missing at a join at most: the sound is that of the files.
    assert!(status.counts.silent_frames <= 6, "{status:?}");
    assert!(status.last_failure.is_none(), "{status:?}");
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

/// A channel that wants to know how far it is watched, and what it was told: what, and in which second.
struct Watched {
    plays: Loop,
    told: Arc<Mutex<Vec<(&'static str, i64)>>>,
}

impl Watched {
    fn note<T: Send + 'static>(&self, what: &'static str, at: UtcMs, answer: T) -> Answer<'_, T> {
        let second = at.since(BEGIN).div_euclid(1000);
        self.told.lock().unwrap().push((what, second));
        Box::pin(async { Ok(answer) })
    }
}

impl Programming for Watched {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        self.plays.channel(number)
    }

    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        self.plays.on_air(channel, at)
    }

    fn tuned_in<'a>(&'a self, _: &'a ChannelFacts) -> Answer<'a, bool> {
        self.note("tuned in", BEGIN, true)
    }

    fn watched<'a>(&'a self, _: &'a ChannelFacts, to: UtcMs) -> Answer<'a, ()> {
        self.note("watched", to, ())
    }

    fn left<'a>(&'a self, _: &'a ChannelFacts, to: UtcMs) -> Answer<'a, ()> {
        self.note("left", to, ())
    }
}

#[tokio::test]
async fn a_channel_that_waits_is_told_who_comes_and_how_far_it_was_watched() {
    let told = Arc::default();
    let plays = Loop::of(&["h264_b0_25.mp4"]);
    let watched = Watched {
        plays,
        told: Arc::clone(&told),
    };
    let tv = Tv::new(watched, BEGIN);
    let (_, first) = tv.join().await;
    let (_, second) = tv.join().await;
    tv.play(65).await;
    first.abort();
    tv.play(5).await;
    // It stays on air for half a minute more, and the last has left when it did.
    second.abort();
    tv.play(40).await;
    assert!(tv.stations.status().is_empty());
    let expected = [("tuned in", 0), ("watched", 60), ("left", 70)];
    assert_eq!(*told.lock().unwrap(), expected);
}
