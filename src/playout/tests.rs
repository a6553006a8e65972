//! What every timeline keeps to, on a simulated clock and a real database.

mod breaks;
mod failures;
mod kinds;
mod library;
mod mirrored;
mod modes;
mod programs;
mod time;
mod waiting;

use std::path::Path;

use super::*;
use crate::clock::{Clock, SimClock};
use crate::guide::{ItemKind, Metadata};
use crate::media::probe::Container;
use crate::media::{AudioCodec, Format, Probe, Ticks90k, VideoCodec};
use crate::schedule::PlayOrder;
use crate::store::{
    Channel, Collection, EntryContent, NewChannel, OpenStore, ProbeState, RootKind, RootState,
    Scanned, ScannedItem,
};

/// Not on a full second, as clocks are.
const NOW: UtcMs = UtcMs(1_700_000_000_417);
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const HORIZON_MS: i64 = 7 * DAY_MS;
const LOW_WATER_MS: i64 = HORIZON_MS - LOW_WATER_BELOW_MS;

struct Station {
    dir: tempfile::TempDir,
    clock: SimClock,
    store: Store,
    playout: Playout,
    root: Id,
}

fn open(dir: &Path, clock: &SimClock) -> Store {
    Store::open(
        &OpenStore::new(dir),
        &(Arc::new(clock.clone()) as SharedClock),
    )
    .unwrap()
}

async fn station() -> Station {
    let dir = tempfile::tempdir().unwrap();
    let clock = SimClock::new(NOW);
    let store = open(dir.path(), &clock);
    let playout = Playout::new(store.clone(), Arc::new(clock.clone()));
    let root = store
        .add_root("/media".as_ref(), RootKind::Auto)
        .await
        .unwrap()
        .id;
    Station {
        dir,
        clock,
        store,
        playout,
        root,
    }
}

impl Station {
    /// Adds items, named `from`, `from + 1`, …, that last as many ticks as given.
    async fn items(&self, from: usize, lengths: &[i64]) -> Vec<Id> {
        let found = (from..).zip(lengths).map(|(n, length)| ScannedItem {
            path: format!("/media/{n}.mkv").into(),
            size_bytes: 1,
            mtime_ns: *length,
            kind: ItemKind::Movie,
            facets: Default::default(),
            metadata: Metadata {
                title: format!("Film {n}"),
                ..Metadata::default()
            },
        });
        let now = self.clock.utc();
        let found = self.store.upsert_items(self.root, found.collect(), now);
        let ids = found.await.unwrap().into_iter().map(Scanned::id).collect();
        for due in self.store.items_to_probe(0, 1000, false).await.unwrap() {
            let probe = Probe {
                container: Container::Mp4,
                start: Ticks90k(12),
                end: Ticks90k(12 + due.mtime_ns),
                video: None,
                audio: Vec::new(),
                chapters: Vec::new(),
                not_native: None,
            };
            let probe = ProbeState::Known(Box::new(probe));
            assert!(self.store.set_probe(&due, probe).await.unwrap());
        }
        ids
    }

    /// A file is another one than before.
    async fn upsert_again(&self, path: &Path) {
        let item = ScannedItem {
            path: path.to_owned(),
            size_bytes: 2,
            mtime_ns: 2,
            kind: ItemKind::Movie,
            facets: Default::default(),
            metadata: Metadata {
                title: "Again".to_owned(),
                ..Metadata::default()
            },
        };
        let items = vec![item];
        self.store
            .upsert_items(self.root, items, NOW)
            .await
            .unwrap();
    }

    async fn channel(&self, number: &str, order: PlayOrder) -> Channel {
        let new = NewChannel {
            number: number.to_owned(),
            name: format!("Channel {number}"),
            group: None,
            format: Format {
                video: VideoCodec::H264,
                audio: AudioCodec::Aac,
                audio_rate_hz: 48_000,
                audio_channels: 2,
                ..Format::DEFAULT
            },
            mux_rate_kbit: None,
            collection: Collection::Library,
            order,
            seed: 77,
        };
        self.store.add_channel(new, NOW).await.unwrap()
    }

    /// The whole timeline, page by page, as the guide reads it.
    async fn timeline(&self, channel: Id) -> Vec<Entry> {
        let mut all: Vec<Entry> = Vec::new();
        let mut from = UtcMs(0);
        loop {
            let page = self
                .store
                .timeline(channel, from, UtcMs(i64::MAX), 100)
                .await;
            let page = page.unwrap();
            let Some(last) = page.last() else { return all };
            from = last.stop;
            all.extend(page);
        }
    }

    fn advance_ms(&self, ms: i64) {
        self.clock.advance(Duration::from_millis(ms as u64));
    }
}

/// What no timeline may break.
fn check_shape(entries: &[Entry]) {
    for e in entries {
        assert!(e.start < e.stop && e.guide_start_s < e.guide_stop_s);
        if let EntryContent::Item { from, to, .. } = e.content {
            assert_eq!(e.stop.since(e.start), (to - from).round_ms());
        }
    }
    for pair in entries.windows(2) {
        assert_eq!(pair[0].stop, pair[1].start, "rows touch");
        assert_eq!(
            pair[0].guide_stop_s, pair[1].guide_start_s,
            "programmes touch"
        );
        assert!(pair[0].guide_group < pair[1].guide_group);
    }
}

fn is_gap(entry: &Entry) -> bool {
    entry.content == EntryContent::Gap
}

/// Numbers without pattern for tests (SplitMix64's step would do as well): Knuth's MMIX generator.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % n
    }
}

#[tokio::test]
async fn the_guide_at_any_time_is_what_is_on_air_at_that_time() {
    let s = station().await;
    let mut draw = Draw(1);
    // Odd lengths from a second to two hours: their milliseconds and seconds never come out even.
    let lengths: Vec<i64> = (0..60)
        .map(|_| 90_000 + draw.below(2 * 3600 * 90_000))
        .collect();
    s.items(0, &lengths).await;
    s.items(100, &[90_000, 90_001, 134_955, 135_000]).await;
    let mut channels = Vec::new();
    for (number, order) in [
        ("1", PlayOrder::Chronological),
        ("2", PlayOrder::SeasonEpisode),
        ("3", PlayOrder::Shuffle),
        ("4.5", PlayOrder::Shuffle),
    ] {
        channels.push(s.channel(number, order).await.id);
    }
    s.playout.round().await;
    // Extended and rebuilt in between, at odd moments.
    for step in [7 * HOUR_MS + 123, 11 * HOUR_MS + 7, 6 * HOUR_MS + 1] {
        s.advance_ms(step);
        s.playout.round().await;
        s.playout.rebuild_future(channels[2]).await.unwrap();
    }
    let now = s.clock.utc();
    for id in channels {
        // The guide's programmes: edges of each group, from the persisted rows alone.
        let rows = s.timeline(id).await;
        check_shape(&rows);
        let ahead = rows.last().unwrap().stop.since(now);
        assert!(ahead >= LOW_WATER_MS);
        let programmes: Vec<_> = rows
            .iter()
            .map(|e| (e.guide_start_s, e.guide_stop_s, e.guide_group))
            .collect();
        for _ in 0..300 {
            let t = now.plus(draw.below(ahead));
            let on_air = s.playout.on_air(id, t).await.unwrap();
            assert!(on_air.start <= t && t < on_air.stop);
            let shown = programmes
                .iter()
                .find(|(start, stop, _)| (start * 1000..stop * 1000).contains(&t.0))
                .unwrap();
            if shown.2 != on_air.guide_group {
                let edge = t.since(on_air.start).min(on_air.stop.since(t));
                assert!(edge <= 500, "{edge} ms from an edge");
            }
            let edges = (on_air.guide_start_s, on_air.guide_stop_s);
            assert!((edges.0 * 1000 - on_air.start.0).abs() <= 500);
            assert!((edges.1 * 1000 - on_air.stop.0).abs() <= 500);
        }
    }
}

#[tokio::test]
async fn a_new_channel_is_built_a_week_ahead_from_this_second() {
    let s = station().await;
    s.items(0, &[90_000 * 1800]).await;
    let ch = s.channel("1", PlayOrder::Shuffle).await.id;
    let versions = s.playout.version(ch).await.unwrap();
    let v = s.playout.ensure(ch).await.unwrap();
    assert_eq!(*versions.borrow(), v);
    let rows = s.timeline(ch).await;
    check_shape(&rows);
    assert_eq!(rows[0].start, UtcMs(1_700_000_000_000));
    assert!(rows.last().unwrap().stop >= NOW.plus(HORIZON_MS));
    assert_eq!(rows[0].metadata.title, "Film 0");
    // Nothing to do: nothing changes.
    assert_eq!(s.playout.ensure(ch).await.unwrap(), v);
    let entry = s.playout.on_air(ch, NOW).await.unwrap();
    assert_eq!(entry, rows[0]);
    assert_eq!(s.playout.after(&entry).await.unwrap(), rows[1]);
    let unknown = s.playout.ensure(99).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let past = s.playout.on_air(ch, NOW.plus(-HOUR_MS)).await.unwrap_err();
    assert_eq!(past.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_restart_keeps_every_timeline_and_goes_on_where_it_stopped() {
    let mut s = station().await;
    s.items(
        0,
        &[90_000 * 1801, 90_000 * 2203, 90_000 * 507, 90_001 * 60],
    )
    .await;
    let ch = s.channel("1", PlayOrder::Shuffle).await.id;
    s.playout.ensure(ch).await.unwrap();
    let before = s.timeline(ch).await;
    s.store.clone().close().await;
    s.advance_ms(3 * DAY_MS);
    s.store = open(s.dir.path(), &s.clock);
    s.playout = Playout::new(s.store.clone(), Arc::new(s.clock.clone()));
    assert_eq!(s.timeline(ch).await, before);
    s.playout.ensure(ch).await.unwrap();
    let after = s.timeline(ch).await;
    check_shape(&after);
    assert_eq!(after[..before.len()], before);
    // As if it had been built in one go.
    let whole = station().await;
    whole
        .items(
            0,
            &[90_000 * 1801, 90_000 * 2203, 90_000 * 507, 90_001 * 60],
        )
        .await;
    let ch = whole.channel("1", PlayOrder::Shuffle).await.id;
    whole.playout.ensure(ch).await.unwrap();
    whole.advance_ms(3 * DAY_MS);
    whole.playout.ensure(ch).await.unwrap();
    let whole = whole.timeline(ch).await;
    let plain = |e: &Entry| (e.start, e.stop, e.content.clone());
    assert!(after.iter().map(plain).eq(whole.iter().map(plain)));
}

#[tokio::test]
async fn the_background_task_extends_and_clears_away() {
    let s = station().await;
    s.items(0, &[90_000 * 1800]).await;
    let ch = s.channel("1", PlayOrder::Shuffle).await.id;
    let playout = s.playout.clone();
    let task = tokio::spawn(async move { playout.run().await });
    let mut versions = s.playout.version(ch).await.unwrap();
    versions.wait_for(|v| *v == 1).await.unwrap();
    for _ in 0..40 {
        // Until the task has gone to sleep; then an hour passes.
        while s.clock.next_wake().is_none() {
            tokio::task::yield_now().await;
        }
        s.advance_ms(HOUR_MS);
    }
    while s.clock.next_wake().is_none() {
        tokio::task::yield_now().await;
    }
    let now = s.clock.utc();
    let rows = s.timeline(ch).await;
    check_shape(&rows);
    let oldest = now.plus(-PAST_MS - PAST_SLACK_MS - HOUR_MS);
    assert!(rows[0].start > oldest && rows[0].start < now);
    assert!(rows.last().unwrap().stop >= now.plus(LOW_WATER_MS));
    // Woken, it looks at once: a channel made meanwhile is built without waiting for the hour.
    let new = s.channel("2", PlayOrder::Shuffle).await.id;
    let mut versions = s.playout.version(new).await.unwrap();
    s.playout.wake();
    versions.wait_for(|v| *v == 1).await.unwrap();
    task.abort();
}

#[tokio::test]
async fn a_rebuild_leaves_the_published_hour_alone() {
    let s = station().await;
    s.items(0, &[90_000 * 1500]).await;
    let mut ch = s.channel("1", PlayOrder::Chronological).await;
    s.playout.ensure(ch.id).await.unwrap();
    let before = s.timeline(ch.id).await;
    s.items(10, &[90_000 * 300, 90_000 * 301]).await;
    ch.order = PlayOrder::Shuffle;
    ch.seed = 3;
    s.store.update_channel(ch.clone()).await.unwrap();
    let on_air = s.playout.on_air(ch.id, NOW).await.unwrap();
    let version = s.playout.rebuild_future(ch.id).await.unwrap();
    assert_eq!(*s.playout.version(ch.id).await.unwrap().borrow(), version);
    let after = s.timeline(ch.id).await;
    check_shape(&after);
    let kept = before
        .iter()
        .filter(|e| e.start < NOW.plus(PUBLISHED_MS))
        .count();
    assert_eq!(kept, 3);
    assert_eq!(after[..kept], before[..kept]);
    let later = |n: usize| {
        after[kept..]
            .iter()
            .filter(|e| e.metadata.title == format!("Film {n}"))
            .count()
    };
    assert!(later(0) > 10 && later(10) > 10 && later(11) > 10);
    assert_eq!(s.playout.on_air(ch.id, NOW).await.unwrap(), on_air);
    assert!(after.last().unwrap().stop >= NOW.plus(HORIZON_MS));
}

#[tokio::test]
async fn channels_follow_their_items_and_nothing_else() {
    let s = station().await;
    let ids = s.items(0, &[90_000 * 1500, 90_000 * 1400]).await;
    let ch = s.channel("1", PlayOrder::Shuffle).await;
    s.playout.ensure(ch.id).await.unwrap();
    let before = s.timeline(ch.id).await;
    let follow = async || {
        s.playout.follow_items().await;
        s.timeline(ch.id).await
    };
    assert_eq!(follow().await, before, "as it was planned");
    let away = RootState::Unreachable {
        since: NOW,
        reason: "not mounted".to_owned(),
    };
    for state in [away, RootState::Present] {
        s.store.set_root_state(s.root, state).await.unwrap();
        assert_eq!(follow().await, before, "away and back");
    }
    // The published hour stays; behind it there is what is new, and not what is gone.
    s.items(10, &[90_000 * 1300]).await;
    let gone = vec![ids[0]];
    s.store.mark_missing(s.root, gone, NOW).await.unwrap();
    let after = follow().await;
    check_shape(&after);
    let published = before
        .iter()
        .filter(|e| e.start < NOW.plus(PUBLISHED_MS))
        .count();
    assert_eq!(after[..published], before[..published]);
    let titles: std::collections::BTreeSet<_> = after[published..]
        .iter()
        .map(|e| e.metadata.title.as_str())
        .collect();
    assert_eq!(Vec::from_iter(titles), ["Film 1", "Film 10"]);
    assert_eq!(follow().await, after);
    s.store.remove_channel(ch.id).await.unwrap();
    assert_eq!(s.store.planned_from(ch.id).await.unwrap(), None);
}

#[tokio::test]
async fn gaps_are_filled_as_soon_as_there_is_something_to_play() {
    let s = station().await;
    let ch = s.channel("1", PlayOrder::Shuffle).await.id;
    let empty = s.playout.ensure(ch).await.unwrap();
    let gaps = s.timeline(ch).await;
    check_shape(&gaps);
    assert!(gaps.iter().all(is_gap) && gaps.len() < 200);
    assert_eq!(s.playout.ensure(ch).await.unwrap(), empty, "gaps for gaps");
    // Items that cannot be put on air change nothing either.
    s.items(0, &[0, 500]).await;
    assert_eq!(s.playout.ensure(ch).await.unwrap(), empty);
    let on_air = s.playout.on_air(ch, NOW).await.unwrap();
    assert!(is_gap(&on_air));
    s.advance_ms(10 * MINUTE_MS);
    s.items(10, &[90_000 * 1500]).await;
    s.playout.ensure(ch).await.unwrap();
    let now = s.clock.utc();
    let rows = s.timeline(ch).await;
    check_shape(&rows);
    assert!(is_gap(&rows[0]) && !rows[1..].iter().any(is_gap));
    assert!((1..=1000).contains(&rows[0].stop.since(now)));
    // What was remembered is not what is on air any more.
    let later = s.playout.on_air(ch, now.plus(2000)).await.unwrap();
    assert_eq!(later, rows[1]);
    // At any phase of a gap the cut is never shorter than a second.
    for phase in [0, 1, 400, 583, 999, 59 * MINUTE_MS + 58_700, HOUR_MS - 1] {
        let s = station().await;
        let ch = s.channel("1", PlayOrder::Shuffle).await.id;
        s.playout.ensure(ch).await.unwrap();
        s.advance_ms(phase);
        s.items(10, &[90_000 * 1500]).await;
        s.playout.rebuild_future(ch).await.unwrap();
        let rows = s.timeline(ch).await;
        check_shape(&rows);
        let played = rows.iter().find(|e| !is_gap(e)).unwrap();
        let wait = played.start.since(s.clock.utc());
        assert!((1..=3000).contains(&wait), "{wait} at {phase}");
    }
}

#[tokio::test]
async fn what_is_unreachable_stays_planned_and_what_is_removed_is_passed_over() {
    let s = station().await;
    let ids = s.items(0, &[90_000 * 1500, 90_000 * 900]).await;
    let ch = s.channel("1", PlayOrder::Shuffle).await.id;
    s.playout.ensure(ch).await.unwrap();
    let before = s.timeline(ch).await;
    let away = RootState::Unreachable {
        since: NOW,
        reason: "not mounted".to_owned(),
    };
    s.store.set_root_state(s.root, away).await.unwrap();
    s.playout.round().await;
    assert_eq!(s.timeline(ch).await, before);
    s.store
        .set_root_state(s.root, RootState::Present)
        .await
        .unwrap();
    s.store
        .mark_missing(s.root, vec![ids[0]], NOW)
        .await
        .unwrap();
    let (_, touched) = s.store.prune_missing(NOW).await.unwrap();
    assert_eq!(touched, [ch]);
    s.playout.rebuild_future(ch).await.unwrap();
    let after = s.timeline(ch).await;
    check_shape(&after);
    let published = after.iter().filter(|e| e.start < NOW.plus(PUBLISHED_MS));
    assert!(published.clone().any(is_gap), "its place stays");
    assert!(
        published
            .clone()
            .all(|e| e.metadata.title.starts_with("Film"))
    );
    let rest = published.count();
    assert!(!after[rest..].iter().any(is_gap));
}

#[tokio::test]
async fn a_clock_that_jumps_finds_something_on_air() {
    let s = station().await;
    s.items(0, &[90_000 * 1500, 90_000 * 777]).await;
    let ch = s.channel("1", PlayOrder::Shuffle).await.id;
    s.playout.ensure(ch).await.unwrap();
    // Asleep for three weeks: asking is enough.
    s.advance_ms(21 * DAY_MS);
    let now = s.clock.utc();
    let entry = s.playout.on_air(ch, now).await.unwrap();
    assert!(!is_gap(&entry) && entry.start == UtcMs(now.0 / 1000 * 1000));
    check_shape(&s.timeline(ch).await);
    s.playout.round().await;
    // The three weeks that nobody planned are one gap: rows touch.
    let rows = s.timeline(ch).await;
    assert!(is_gap(&rows[0]) && rows[1] == entry, "the past is a gap");
    // Set back to before everything that is known.
    let back = NOW.plus(-DAY_MS);
    s.clock.step_utc(back);
    let entry = s.playout.on_air(ch, back).await.unwrap();
    assert!(!is_gap(&entry) && entry.start <= back);
    let rows = s.timeline(ch).await;
    check_shape(&rows);
    assert!(rows.last().unwrap().stop >= back.plus(HORIZON_MS));
}

#[tokio::test]
async fn nothing_is_planned_by_a_clock_that_is_not_sane() {
    let s = station().await;
    s.items(0, &[90_000 * 1500]).await;
    let ch = s.channel("1", PlayOrder::Shuffle).await.id;
    let (judge, sane) = watch::channel(false);
    let clock = Arc::new(s.clock.clone());
    let playout = Playout::with_clock_watch(s.store.clone(), clock, sane, Planning::default());
    for error in [
        playout.ensure(ch).await.unwrap_err(),
        playout.rebuild_future(ch).await.unwrap_err(),
        playout.on_air(ch, NOW).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("clock"), "{error}");
    }
    let runner = playout.clone();
    let task = tokio::spawn(async move { runner.run().await });
    let mut versions = playout.version(ch).await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(s.timeline(ch).await, []);
    judge.send(true).unwrap();
    versions.wait_for(|v| *v == 1).await.unwrap();
    assert!(!s.timeline(ch).await.is_empty());
    task.abort();
}

#[tokio::test]
async fn clips_of_a_second_fill_hours_not_memory() {
    let s = station().await;
    s.items(0, &[90_000, 90_000]).await;
    let ch = s.channel("1", PlayOrder::Shuffle).await.id;
    s.playout.ensure(ch).await.unwrap();
    let now = s.clock.utc();
    let most = crate::schedule::MAX_ENTRIES as u64;
    assert_eq!(s.store.entries_after(ch, now).await.unwrap(), most - 1);
    s.advance_ms(HOUR_MS);
    s.playout.round().await;
    let ahead = s.store.entries_after(ch, s.clock.utc()).await.unwrap();
    assert!(ahead.abs_diff(most) < 2, "{ahead}");
}

#[tokio::test]
async fn one_channel_that_fails_leaves_the_others_and_its_own_timeline() {
    let s = station().await;
    s.items(0, &[90_000 * 1500]).await;
    let bad = s.channel("1", PlayOrder::Shuffle).await;
    let good = s.channel("2", PlayOrder::Shuffle).await.id;
    s.playout.round().await;
    let kept = s.timeline(bad.id).await;
    s.store.refuse_timeline_of(bad.id).await;
    s.advance_ms(DAY_MS);
    s.playout.round().await;
    assert_eq!(s.timeline(bad.id).await, kept);
    let rows = s.timeline(good).await;
    assert!(rows.last().unwrap().stop >= s.clock.utc().plus(LOW_WATER_MS));
}
