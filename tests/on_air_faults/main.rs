//! Channels on air when things go wrong, on a simulated clock. Whatever the fault, no client waits for bytes
//! longer than 200 ms once it has any, the stream stays sound, and what can be shown comes at its place.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod children;
#[path = "../common/mod.rs"]
mod common;
mod sound;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::media::{made, sample};
use common::tv::{
    BEGIN, Loop, Received, Tv, assert_same_end, check, check_broken_off, check_strictly, item,
    pictures,
};
use exstreamd::channel::Transcoder;
use exstreamd::channel::programming::{Answer, ChannelFacts, OnAir, Programming};
use exstreamd::clock::{Clock, UtcMs};
use exstreamd::error::{Error, ErrorKind};
use exstreamd::ffmpeg::Ffmpeg;
use exstreamd::system::Spawner;

const SILENCE: Duration = Duration::from_millis(200);

/// A minute and a half in one file.
fn long() -> PathBuf {
    let options = "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2";
    made("faults_long.mp4", "25", 48_000, 90, options)
}

fn files(paths: &[PathBuf]) -> Loop {
    Loop(paths.iter().map(|path| Some(item(path.clone()))).collect())
}

#[track_caller]
fn assert_never_silent(tv: &Tv, client: &Received) {
    let silence = client.longest_silence(tv.clock.monotonic());
    assert!(silence <= SILENCE, "{silence:?} without a byte");
}

async fn undisturbed(programming: Loop, start: UtcMs, seconds: u64) -> Vec<u8> {
    let tv = Tv::new(programming, start);
    let (client, _task) = tv.join().await;
    tv.play(seconds).await;
    client.bytes()
}

#[tokio::test]
async fn a_device_that_hangs_before_the_tune_shows_the_slate_at_once_and_the_item_when_it_answers()
{
    for hung_ms in [1_000, 8_000, 45_000] {
        let tv = Tv::new(files(&[long()]), BEGIN.plus(3_300));
        let hang = tv.hang().await;
        let (client, _task) = tv.join().await;
        // A sleepy disk is given a moment first: no slate flashes up at every tune.
        tv.play_ms(240).await;
        assert!(client.len() > 0, "nothing within 240 ms");
        tv.play_ms(hung_ms).await;
        assert!(tv.stations.status()[0].counts.slate_pictures > 25);
        drop(hang);
        tv.play(30).await;
        assert_never_silent(&tv, &client);
        check_broken_off("hung-before", &client.bytes());
        let seconds = 30 + hung_ms / 1_000;
        let sound = undisturbed(files(&[long()]), BEGIN.plus(3_300), seconds).await;
        assert_same_end(5, &client.bytes(), &sound);
    }
}

#[tokio::test]
async fn a_device_that_hangs_in_mid_item_costs_nothing_while_the_lead_lasts_and_slate_after_that() {
    for (hung, slate) in [(4, false), (24, true), (45, true)] {
        let tv = Tv::new(files(&[long()]), BEGIN.plus(3_300));
        let (client, _task) = tv.join().await;
        tv.play(10).await;
        let hang = tv.hang().await;
        tv.play(hung).await;
        let status = &tv.stations.status()[0];
        assert_eq!(
            status.counts.slate_pictures > 0,
            slate,
            "{hung} s: {status:?}"
        );
        drop(hang);
        tv.play(30).await;
        assert_never_silent(&tv, &client);
        check_broken_off("hung-amid", &client.bytes());
        let sound = undisturbed(files(&[long()]), BEGIN.plus(3_300), 40 + hung).await;
        assert_same_end(5, &client.bytes(), &sound);
    }
}

#[tokio::test]
async fn a_device_that_hangs_over_several_short_entries_leaves_nothing_behind() {
    let items = || Loop::of(&["h264_b2_25.mp4", "h264_b0_25.mp4"]);
    let tv = Tv::new(items(), BEGIN);
    let (client, _task) = tv.join().await;
    tv.play(5).await;
    let hang = tv.hang().await;
    tv.play(60).await;
    drop(hang);
    tv.play(40).await;
    assert_never_silent(&tv, &client);
    check_broken_off("hung-entries", &client.bytes());
    let sound = undisturbed(items(), BEGIN, 105).await;
    assert_same_end(5, &client.bytes(), &sound);
    assert_eq!(tv.reads.load(), (0, 0));
}

#[tokio::test]
async fn a_file_that_is_cut_short_or_deleted_while_it_plays_costs_only_itself() {
    for delete in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mp4");
        std::fs::copy(long(), &path).unwrap();
        let programming = files(&[path.clone(), sample("h264_b2_25.mp4")]);
        let tv = Tv::new(programming, BEGIN.plus(50_000));
        let (client, _task) = tv.join().await;
        tv.play(5).await;
        if delete {
            std::fs::remove_file(&path).unwrap();
        } else {
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(64 << 10).unwrap();
        }
        tv.play(60).await;
        assert_never_silent(&tv, &client);
        check_broken_off("short", &client.bytes());
        // An open file outlives its name; its next turn comes after 48 s.
        let status = &tv.stations.status()[0];
        assert!(status.last_failure.is_some());
        assert!(status.counts.slate_pictures > 25, "{status:?}");
    }
}

/// What the store does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Hangs,
    Fails,
    Panics,
    SaysNothing,
}

/// A programming that can go wrong. Cheap to clone.
#[derive(Clone)]
struct Faulty {
    items: Arc<Loop>,
    fault: Arc<Mutex<Fault>>,
    asked: Arc<AtomicUsize>,
}

impl Faulty {
    fn new(items: Loop, fault: Fault) -> Self {
        Self {
            items: Arc::new(items),
            fault: Arc::new(Mutex::new(fault)),
            asked: Arc::default(),
        }
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }
}

impl Programming for Faulty {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        self.items.channel(number)
    }

    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        self.asked.fetch_add(1, Relaxed);
        let fault = *self.fault.lock().unwrap();
        Box::pin(async move {
            match fault {
                Fault::None => self.items.on_air(channel, at).await,
                Fault::Hangs => std::future::pending().await,
                Fault::Fails => Err(Error::new(ErrorKind::Busy, "the database is locked")),
                Fault::Panics => panic!("a bug"),
                Fault::SaysNothing => Ok(OnAir {
                    start: at,
                    stop: at,
                    play: None,
                }),
            }
        })
    }
}

#[tokio::test]
async fn a_store_that_hangs_fails_or_talks_nonsense_costs_slate_and_never_silence() {
    for fault in [Fault::Hangs, Fault::Fails, Fault::SaysNothing] {
        for from_the_start in [true, false] {
            let items = || Loop::of(&["h264_b2_25.mp4", "h264_b0_25.mp4"]);
            let first = if from_the_start { fault } else { Fault::None };
            let programming = Faulty::new(items(), first);
            let tv = Tv::new(programming.clone(), BEGIN);
            let (client, _task) = tv.join().await;
            tv.play_ms(5_000).await;
            assert!(client.len() > 0);
            programming.set(fault);
            programming.asked.store(0, Relaxed);
            tv.play(35).await;
            assert!(programming.asked.load(Relaxed) <= 40, "asked too often");
            assert!(tv.stations.status()[0].counts.slate_pictures > 25);
            programming.set(Fault::None);
            // A question that is lost is put again after half a minute.
            tv.play(50).await;
            assert_never_silent(&tv, &client);
            check_broken_off("store", &client.bytes());
            let sound = undisturbed(items(), BEGIN, 90).await;
            assert_same_end(5, &client.bytes(), &sound);
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_for_less_than_the_lead_is_not_seen() {
    let programming = Faulty::new(Loop::of(&["h264_b2_25.mp4"]), Fault::None);
    let tv = Tv::new(programming.clone(), BEGIN);
    let (client, _task) = tv.join().await;
    tv.play(5).await;
    programming.set(Fault::Fails);
    tv.play(6).await;
    programming.set(Fault::None);
    tv.play(20).await;
    check_strictly("store-short", &client.bytes());
    assert_eq!(tv.stations.status()[0].counts.slate_pictures, 0);
}

#[tokio::test]
async fn a_channel_that_panics_is_restarted_and_its_break_is_announced() {
    let programming = Faulty::new(Loop::of(&["h264_b2_25.mp4"]), Fault::None);
    let tv = Tv::new(programming.clone(), BEGIN);
    let (client, _task) = tv.join().await;
    tv.play(20).await;
    programming.set(Fault::Panics);
    tv.play(6).await;
    programming.set(Fault::None);
    tv.play(4).await;
    let (joiner, _other) = tv.join().await;
    tv.play(20).await;
    assert_never_silent(&tv, &client);
    check("panic", &client.bytes());
    check_strictly("joiner", &joiner.bytes());
    let status = &tv.stations.status()[0];
    assert_eq!(status.listeners, 2);
    assert!(status.ring_bytes < 4 << 20, "{status:?}");
}

#[tokio::test]
async fn a_channel_that_panics_again_and_again_goes_off_the_air_and_can_be_tuned_to_later() {
    let programming = Faulty::new(Loop::of(&["h264_b2_25.mp4"]), Fault::Panics);
    let tv = Tv::new(programming.clone(), BEGIN);
    let (_, task) = tv.join().await;
    tv.play(30).await;
    task.await.unwrap();
    assert!(tv.stations.status().is_empty());
    assert_eq!(
        programming.asked.load(Relaxed),
        11,
        "one start and ten restarts"
    );
    programming.set(Fault::None);
    let (client, _task) = tv.join().await;
    tv.play(5).await;
    check_strictly("afterwards", &client.bytes());
}

#[tokio::test]
async fn a_process_that_was_stopped_or_a_machine_that_slept_goes_on_at_the_right_place() {
    for asleep in [30, 3_600] {
        let tv = Tv::new(files(&[long()]), BEGIN);
        let (client, _task) = tv.join().await;
        tv.play(20).await;
        let before = client.len();
        tv.clock.advance(Duration::from_secs(asleep));
        tv.settle().await;
        let burst = client.len() - before;
        assert!(burst < 4 << 20, "{burst} bytes at once after {asleep} s");
        let (joiner, _other) = tv.join().await;
        tv.play(20).await;
        check("slept", &client.bytes());
        check_strictly("joiner", &joiner.bytes());
        let lead = tv.stations.status()[0].lead.round_ms();
        assert!((5_800..6_200).contains(&lead), "{lead} ms in hand");
    }
}

#[tokio::test]
async fn entries_shorter_than_a_group_and_than_the_plan_come_one_after_the_other() {
    let options = "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2";
    let short = made("faults_short.mp4", "25", 48_000, 1, options);
    let mut programming = files(&[sample("h264_b2_25.mp4"), short.clone(), short]);
    // 200 ms each: the first five pictures.
    for entry in programming.0.iter_mut().skip(1).flatten() {
        let mut probe = (*entry.1).clone();
        probe.end = probe.start + exstreamd::media::Ticks90k::from_ms(200);
        entry.1 = Arc::new(probe);
    }
    let shorts = programming.0[1].clone();
    programming.0.extend(std::iter::repeat_n(shorts, 60));
    let tv = Tv::new(programming, BEGIN);
    let (client, _task) = tv.join().await;
    tv.play(45).await;
    assert_never_silent(&tv, &client);
    check_strictly("200 ms", &client.bytes());
    assert_eq!(tv.stations.status()[0].counts.slate_pictures, 0);
}

#[tokio::test]
async fn two_hundred_clients_share_one_producer_and_get_equal_bytes() {
    let programming = Faulty::new(Loop::of(&["h264_b2_25.mp4"]), Fault::None);
    let tv = Tv::new(programming.clone(), BEGIN);
    let (first, _first_task) = tv.join().await;
    let mut listeners = Vec::new();
    for _ in 1..200 {
        listeners.push(tv.stations.tune("1").await.unwrap());
    }
    // All of them have their place before any time passes.
    let mut heard = vec![Vec::new(); listeners.len()];
    for _ in 0..10 * 25 {
        tv.clock.advance(Duration::from_millis(40));
        tv.settle().await;
        for (listener, heard) in listeners.iter_mut().zip(&mut heard) {
            while let Some(bytes) = poll_once(listener.next()).await {
                heard.extend_from_slice(&bytes.unwrap());
            }
        }
    }
    let sound = first.bytes();
    for heard in &heard {
        assert!(sound.ends_with(heard) && heard.len() > sound.len() / 2);
    }
    let status = &tv.stations.status()[0];
    assert_eq!((status.listeners, tv.stations.status().len()), (200, 1));
    assert!(programming.asked.load(Relaxed) < 10, "more than one asked");
}

async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn a_client_that_stalls_jumps_and_is_let_go_the_third_time_while_the_others_miss_nothing() {
    let tv = Tv::new(Loop::of(&["h264_b2_25.mp4"]), BEGIN);
    let (sound, _task) = tv.join().await;
    let mut slow = tv.stations.tune("1").await.unwrap();
    let mut heard = Vec::new();
    let mut ended = false;
    for stall in 0..3 {
        // Everything that there is, also what is read again from the file.
        while let Some(next) = tokio::select! {
            biased;
            next = slow.next() => Some(next),
            () = tv.settle() => None,
        } {
            match next {
                Some(bytes) => heard.extend_from_slice(&bytes),
                None => ended = true,
            }
            if ended {
                break;
            }
        }
        assert!(!ended, "let go at stall {stall}");
        tv.play(18).await;
    }
    assert!(
        slow.next().await.is_none(),
        "stalled three times in a minute"
    );
    drop(slow);
    check("stalled", &heard);
    assert_never_silent(&tv, &sound);
    check_strictly("sound", &sound.bytes());
    assert_eq!(tv.stations.status()[0].listeners, 1);
}

/// Short files on a channel of few units, so that a day of it is over in seconds.
struct Day(Loop);

impl Programming for Day {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        Box::pin(async move {
            let mut facts = self.0.channel(number).await?;
            facts.format.audio_rate_hz = 8_000;
            Ok(facts)
        })
    }

    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        self.0.on_air(channel, at)
    }
}

#[tokio::test]
async fn a_day_of_short_items_leaves_no_trace_and_no_drift() {
    let options = "-c:v libx264 -bf 1 -g 10 -c:a aac -ac 2 -ar 8000";
    let items = [
        made("faults_day_a.mp4", "5", 8_000, 20, options),
        made("faults_day_b.mp4", "6", 8_000, 31, options),
    ];
    let tv = Tv::new(Day(files(&items)), BEGIN);
    let (client, _task) = tv.join().await;
    tv.play(60).await;
    check_strictly("first minute", &client.take());
    let at_first = tv.stations.status()[0].clone();
    let mut largest_ring = 0;
    for _ in 0..86_400 - 120 {
        tv.clock.advance(Duration::from_secs(1));
        tv.settle().await;
        client.take();
        largest_ring = largest_ring.max(tv.stations.status()[0].ring_bytes);
    }
    let (joiner, _other) = tv.join().await;
    tv.play(60).await;
    let last = joiner.take();
    check_strictly("last minute", &last);
    let status = &tv.stations.status()[0];
    assert_eq!(status.counts.slate_pictures, 0);
    assert!(
        largest_ring < 2 * at_first.ring_bytes,
        "{largest_ring} bytes"
    );
    assert!(
        status.open_parts <= at_first.open_parts.max(4),
        "{status:?}"
    );
    // Every picture of the last minute stands at the place that the clock gives it, a day later.
    let sound = {
        let tv = Tv::new(Day(files(&items)), BEGIN.plus(86_400_000 - 60_000));
        let (client, _task) = tv.join().await;
        tv.play(50).await;
        client.take()
    };
    let moved = (86_400_000 - 60_000) * 90;
    let day: Vec<_> = pictures(&last)
        .into_iter()
        .map(|(pts, bytes)| (pts - (moved % (1 << 33)), bytes))
        .collect();
    let fresh = pictures(&sound);
    let middle: Vec<_> = fresh[fresh.len() / 3..fresh.len() / 2].to_vec();
    assert!(middle.iter().all(|picture| day.contains(picture)));
}
