//! What holds for every kind of program when it goes through the database: programs drawn from a seed, extended and
//! rebuilt at odd moments.

use super::modes::planning;
use super::programs::check_guide;
use super::*;
use crate::schedule::Role;
use crate::schedule::tests::KINDS;
use crate::schedule::tests::properties::{Chance, library};

const CASES: u64 = 12;
/// Around both switch days of Chicago in 2025, and another.
const STARTS: [i64; 3] = [1_741_390_000_417, 1_761_950_000_001, 1_700_000_000_999];

/// A library drawn from chance in the database: of its shows one is called "few", as a collection of the programs is.
async fn fill(s: &Station, chance: &mut Chance) {
    let items = library(chance, 14);
    let found = items.iter().enumerate().map(|(n, item)| ScannedItem {
        path: format!("/media/{n}.mkv").into(),
        size_bytes: 1,
        mtime_ns: (item.end - item.start).0,
        kind: ItemKind::Episode,
        facets: Default::default(),
        metadata: Metadata {
            title: item.title.clone(),
            show: item.show.as_deref().map(|show| match show {
                "A" => "few".to_owned(),
                other => other.to_owned(),
            }),
            season: item.season,
            episode: item.episode,
            ..Metadata::default()
        },
    });
    let found = found.filter(|found| found.mtime_ns > 0).collect();
    s.store.upsert_items(s.root, found, NOW).await.unwrap();
    // The lengths are in there.
    s.items(100, &[]).await;
}

/// A station at a moment of its own with a channel that plays a program of a kind.
async fn case(kind: usize, seed: u64, chance: &mut Chance, days: u8) -> (Station, Id) {
    let mut s = station().await;
    let start = UtcMs(chance.of(&STARTS) + chance.below(DAY_MS));
    s.clock.step_utc(start);
    fill(&s, chance).await;
    let mut ch = s.channel("1", PlayOrder::Shuffle).await;
    ch.program = Some(KINDS[kind].1(chance));
    ch.seed = seed;
    let id = s.store.update_channel(ch).await.unwrap().id;
    let zone = TimeZone::posix("CST6CDT,M3.2.0,M11.1.0").unwrap();
    planning(
        &mut s,
        Planning {
            zone,
            days,
            ..Planning::default()
        },
    );
    s.playout.ensure(id).await.unwrap();
    (s, id)
}

/// What every timeline keeps to.
fn check_rows(rows: &[Entry], case: &str) {
    check_guide(rows);
    for e in rows {
        match e.content {
            EntryContent::Item { from, to, .. } => {
                assert_eq!(
                    e.stop.since(e.start),
                    (to - from).round_ms(),
                    "{case}: {e:?}"
                );
                assert!(!matches!(e.role, Role::Gap | Role::Empty), "{case}: {e:?}");
            }
            EntryContent::Gap => {
                assert!(matches!(e.role, Role::Gap | Role::Empty), "{case}: {e:?}");
            }
        }
        assert!(e.stop.since(e.start) >= 1000, "{case}: {e:?}");
    }
}

/// The guide shows at any moment what is on air then.
async fn check_on_air(s: &Station, id: Id, rows: &[Entry], chance: &mut Chance, case: &str) {
    let (first, last) = (rows[0].start, rows[rows.len() - 1].stop);
    for _ in 0..40 {
        let t = first.plus(chance.below(last.since(first)));
        let on_air = s.playout.on_air(id, t).await.unwrap();
        assert!(on_air.start <= t && t < on_air.stop, "{case}");
        let shown = rows
            .iter()
            .find(|e| (e.guide_start_s * 1000..e.guide_stop_s * 1000).contains(&t.0));
        let shown = shown.map(|e| e.guide_group);
        if shown != Some(on_air.guide_group) {
            let edge = t.since(on_air.start).min(on_air.stop.since(t));
            assert!(edge <= 500, "{case}: {edge} ms from an edge");
        }
    }
}

fn plain(e: &Entry) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        e.start,
        e.stop,
        e.content.clone(),
        e.role,
        e.guide_group,
        e.metadata.title.clone(),
    )
}

#[tokio::test]
async fn a_timeline_extended_in_pieces_is_the_one_built_in_one_go() {
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        for seed in 0..CASES {
            let told = format!("{name} {seed}");
            let mut chance = Chance::new(seed * 1000 + 7);
            let (pieces, id) = case(kind, seed, &mut chance, 1).await;
            let mut again = Chance::new(seed * 1000 + 7);
            let (whole, other) = case(kind, seed, &mut again, 3).await;
            let mut seen: Vec<Entry> = Vec::new();
            for _ in 0..4 {
                // No more than it reaches ahead at least.
                pieces.advance_ms(1 + chance.below(DAY_MS / 2 - HOUR_MS));
                pieces.playout.round().await;
                let rows = pieces.timeline(id).await;
                check_rows(&rows, &told);
                check_on_air(&pieces, id, &rows, &mut chance, &told).await;
                seen = rows;
            }
            let rows = whole.timeline(other).await;
            check_rows(&rows, &told);
            let end = rows[rows.len() - 1].start.min(seen[seen.len() - 1].start);
            let from = seen[0].start.max(rows[0].start);
            let within = |e: &&Entry| from <= e.start && e.start < end;
            let (a, b): (Vec<_>, Vec<_>) = (
                seen.iter().filter(within).map(plain).collect(),
                rows.iter().filter(within).map(plain).collect(),
            );
            let differs = a.iter().zip(&b).position(|(a, b)| a != b);
            if let Some(n) = differs {
                panic!(
                    "{told}: entry {n}: {:?} in pieces, {:?} in one go",
                    a[n], b[n]
                );
            }
            assert_eq!(a.len(), b.len(), "{told}");
        }
    }
}

#[tokio::test]
async fn a_refresh_without_a_change_plans_the_same_and_every_mode_leaves_the_published_hour() {
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        for seed in 0..CASES {
            let told = format!("{name} {seed}");
            let mut chance = Chance::new(seed * 1000 + 13);
            let (s, id) = case(kind, seed, &mut chance, 2).await;
            for _ in 0..3 {
                s.advance_ms(chance.below(DAY_MS));
                let before = s.timeline(id).await;
                s.playout.rebuild(id, Mode::Refresh).await.unwrap();
                let after = s.timeline(id).await;
                check_rows(&after, &told);
                let now = s.clock.utc();
                // A time with nothing to play is planned anew from now on.
                let empty = |e: &Entry| e.role == Role::Empty && e.stop > now;
                let first_empty = before.iter().position(empty);
                let both = before.len().min(after.len());
                // What reaches further than before may belong to the last programme.
                let until = before[both - 1].guide_start_s;
                for (a, b) in before
                    .iter()
                    .zip(&after)
                    .take(first_empty.unwrap_or(both))
                    .filter(|(a, _)| a.guide_start_s < until)
                {
                    assert_eq!(plain(a), plain(b), "{told}");
                }
                s.playout.rebuild(id, Mode::Reset).await.unwrap();
                let reset = s.timeline(id).await;
                check_rows(&reset, &told);
                check_on_air(&s, id, &reset, &mut chance, &told).await;
                let published = s.clock.utc().plus(PUBLISHED_MS);
                let kept = after
                    .iter()
                    .filter(|e| e.start < published && e.role != Role::Empty);
                for e in kept {
                    let there = reset.iter().find(|other| other.id == e.id);
                    let same = there.is_some_and(|other| plain(other) == plain(e));
                    assert!(same, "{told}: {e:?} became {there:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refresh_within_the_hour_behind_a_reset_does_not_bring_the_old_places_back() {
    let s = station().await;
    // A programme of three hours: the reset, and the refresh, join behind it.
    s.items(0, &[90_000 * 10_800; 9]).await;
    let id = s.channel("1", PlayOrder::Chronological).await.id;
    s.playout.ensure(id).await.unwrap();
    s.advance_ms(15 * HOUR_MS + HOUR_MS / 2);
    s.playout.rebuild(id, Mode::Reset).await.unwrap();
    let reset: Vec<_> = s.timeline(id).await.iter().map(plain).collect();
    s.advance_ms(10 * MINUTE_MS);
    s.playout.rebuild(id, Mode::Refresh).await.unwrap();
    let after: Vec<_> = s.timeline(id).await.iter().map(plain).collect();
    assert_eq!(after[..reset.len()], reset[..]);
    assert_eq!(s.timeline(id).await[6].metadata.title, "Film 0");
}

#[tokio::test]
async fn what_the_same_items_could_not_fill_is_not_planned_again_every_hour() {
    let s = station().await;
    s.items(0, &[90_000 * 1500]).await;
    let mut ch = s.channel("1", PlayOrder::Shuffle).await;
    let collection = Collection::Show {
        title: "none".to_owned(),
    };
    let mut nothing = super::programs::item(crate::schedule::classic::Mode::One);
    nothing.pick.of = collection;
    nothing.start = TimeOfDay::parse("12:00");
    ch.program = super::modes::classic(vec![nothing]);
    // It draws from what can be played elsewhere too, for which there is no room.
    s.store.update_channel(ch.clone()).await.unwrap();
    let version = s.playout.ensure(ch.id).await.unwrap();
    for _ in 0..5 {
        s.advance_ms(HOUR_MS);
        assert_eq!(s.playout.ensure(ch.id).await.unwrap(), version);
    }
}
