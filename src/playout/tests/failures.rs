//! One channel's failure is its own: its last timeline stays, and the others go on.

use super::modes::classic;
use super::programs::{check_guide, item};
use super::*;
use crate::schedule::classic::Mode as ItemMode;
use crate::schedule::{Pick, Program};
use crate::store::DATABASE_FILE;

/// Three channels a week ahead: a loop, a classic schedule, and another loop.
async fn three() -> (Station, [Id; 3]) {
    let s = station().await;
    s.items(0, &[90_000 * 1500, 90_000 * 777, 90_000 * 2200])
        .await;
    let mut ids = [0; 3];
    for (n, id) in ids.iter_mut().enumerate() {
        let mut ch = s.channel(&(n + 1).to_string(), PlayOrder::Shuffle).await;
        if n == 1 {
            ch.program = classic(vec![item(ItemMode::One), item(ItemMode::Flood)]);
            s.store.update_channel(ch.clone()).await.unwrap();
        }
        *id = ch.id;
    }
    s.playout.round().await;
    (s, ids)
}

impl Station {
    /// A day later the second channel has what it had, and the others reach to the horizon.
    async fn check_only_the_second_fails(&self, ids: [Id; 3], why: &str) {
        let kept = self.timeline(ids[1]).await;
        self.advance_ms(DAY_MS);
        self.playout.round().await;
        assert_eq!(self.timeline(ids[1]).await, kept, "{why}");
        let now = self.clock.utc();
        let on_air = self.playout.on_air(ids[1], now).await.unwrap();
        assert!(on_air.start <= now && now < on_air.stop, "{why}");
        for id in [ids[0], ids[2]] {
            let rows = self.timeline(id).await;
            check_guide(&rows);
            assert!(rows.last().unwrap().stop >= now.plus(LOW_WATER_MS), "{why}");
            assert_eq!(self.playout.failure(id).await.unwrap(), None);
        }
        let failure = self.playout.failure(ids[1]).await.unwrap();
        assert!(
            failure.as_ref().is_some_and(|text| text.contains(why)),
            "{failure:?}"
        );
    }

    /// Once mended, the second channel is extended like any other.
    async fn check_mended(&self, id: Id) {
        self.playout.round().await;
        let rows = self.timeline(id).await;
        check_guide(&rows);
        assert!(rows.last().unwrap().stop >= self.clock.utc().plus(LOW_WATER_MS));
        assert_eq!(self.playout.failure(id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_damaged_program_hides_no_channel_and_stops_no_other() {
    let (s, ids) = three().await;
    let good = s.store.channel(ids[1]).await.unwrap();
    for damage in ["{", r#"{"kind": "of-a-later-version"}"#, "[]"] {
        s.store.damage_program_of(ids[1], damage).await;
        assert_eq!(s.store.channels().await.unwrap().len(), 3);
        s.check_only_the_second_fails(ids, "cannot be read").await;
        // Changing something else about it neither mends nor loses what is there.
        let mut renamed = s.store.channel(ids[1]).await.unwrap();
        assert!(renamed.unreadable.is_some() && renamed.program.is_none());
        renamed.name = "Renamed".to_owned();
        let renamed = s.store.update_channel(renamed).await.unwrap();
        assert!(renamed.unreadable.is_some(), "{damage}");
        let error = s.playout.rebuild(ids[1], Mode::Reset).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.to_string().contains("schedule undo 2"), "{error}");
        let moves = s.playout.zone_preview(&TimeZone::UTC).await.unwrap();
        assert_eq!(moves, []);
        let program = good.program.clone();
        let mended = Channel { program, ..renamed };
        let mended = s.store.update_channel(mended).await.unwrap();
        assert_eq!(mended.unreadable, None);
        s.check_mended(ids[1]).await;
    }
}

#[tokio::test]
async fn a_panic_inside_a_build_is_one_failure_of_its_channel() {
    let (s, ids) = three().await;
    lock(&s.playout.0.panics).push(ids[1]);
    s.check_only_the_second_fails(ids, "the scheduler failed")
        .await;
    let error = s.playout.rebuild_future(ids[1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    lock(&s.playout.0.panics).clear();
    s.check_mended(ids[1]).await;
}

#[tokio::test]
async fn a_collection_that_vanishes_leaves_its_places_empty_and_the_rest_of_the_schedule_on_air() {
    let (s, ids) = three().await;
    let show = |n: usize| ScannedItem {
        path: format!("/media/gone/{n}.mkv").into(),
        size_bytes: 1,
        mtime_ns: 90_000 * 1200,
        kind: ItemKind::Episode,
        facets: Default::default(),
        metadata: Metadata {
            title: format!("Episode {n}"),
            show: Some("Gone".to_owned()),
            ..Metadata::default()
        },
    };
    let found = s.store.upsert_items(s.root, vec![show(1), show(2)], NOW);
    let gone: Vec<Id> = found.await.unwrap().into_iter().map(Scanned::id).collect();
    s.items(9, &[90_000 * 999]).await;
    let title = "Gone".to_owned();
    let mut episodes = item(ItemMode::One);
    episodes.name = Some("Episodes".into());
    episodes.pick = Pick::new(Collection::Show { title }, PlayOrder::Chronological);
    let mut ch = s.store.channel(ids[1]).await.unwrap();
    ch.program = classic(vec![episodes.clone(), item(ItemMode::One)]);
    s.store.update_channel(ch.clone()).await.unwrap();
    let mut only = s.store.channel(ids[2]).await.unwrap();
    only.program = classic(vec![episodes]);
    s.store.update_channel(only).await.unwrap();
    for id in ids {
        s.playout.rebuild_future(id).await.unwrap();
    }
    assert_eq!(s.store.plan_warnings(ids[1]).await.unwrap(), []);
    s.store.mark_missing(s.root, gone, NOW).await.unwrap();
    s.store.prune_missing(NOW).await.unwrap();
    s.playout.follow_items().await;
    let rows = s.timeline(ids[1]).await;
    check_guide(&rows);
    let published = NOW.plus(PUBLISHED_MS + HOUR_MS);
    let later = rows.iter().filter(|e| e.start > published);
    assert!(later.clone().count() > 100 && !later.clone().any(is_gap));
    let warnings = s.store.plan_warnings(ids[1]).await.unwrap();
    let said = |w: &crate::store::PlanWarning| {
        w.text.starts_with("Episodes") && w.text.contains("its collection is empty")
    };
    assert!(warnings.iter().any(said), "{warnings:?}");
    // What has nothing else to play says that it is off the air.
    let rows = s.timeline(ids[2]).await;
    check_guide(&rows);
    assert!(rows.iter().filter(|e| e.start > published).all(is_gap));
    assert!(!s.store.gaps(ids[2], NOW).await.unwrap().is_empty());
    let other = s.timeline(ids[0]).await;
    check_guide(&other);
    assert!(!other.iter().any(|e| e.start > published && is_gap(e)));
}

#[tokio::test]
async fn a_full_database_leaves_every_timeline_as_it_is_until_there_is_room() {
    let (mut s, ids) = three().await;
    s.store.clone().close().await;
    let file = s.dir.path().join(DATABASE_FILE);
    let pages = std::fs::metadata(file).unwrap().len() / 4096;
    let reopen = async |s: &mut Station, max_pages: Option<u32>| {
        let options = OpenStore {
            max_pages,
            ..OpenStore::new(s.dir.path())
        };
        let clock: SharedClock = Arc::new(s.clock.clone());
        s.store = Store::open(&options, &clock).unwrap();
        s.playout = Playout::new(s.store.clone(), clock);
    };
    reopen(&mut s, Some(u32::try_from(pages).unwrap())).await;
    s.advance_ms(5 * DAY_MS);
    // Whatever of a plan does not fit is not written at all; a channel may still find room in a page.
    let mut failed = 0;
    for id in ids {
        let before = s.timeline(id).await;
        if let Err(e) = s.playout.rebuild(id, Mode::Reset).await {
            assert_eq!(e.kind(), ErrorKind::Full, "{e}");
            assert_eq!(s.timeline(id).await, before);
            assert_eq!(s.store.plan_warnings(id).await.unwrap(), []);
            failed += 1;
        }
        let now = s.clock.utc();
        let on_air = s.playout.on_air(id, now).await.unwrap();
        assert!(on_air.start <= now && now < on_air.stop);
    }
    assert!(failed > 0, "the disk was not full");
    s.playout.round().await;
    s.store.clone().close().await;
    reopen(&mut s, None).await;
    for id in ids {
        s.check_mended(id).await;
    }
}

#[tokio::test]
async fn changes_of_what_a_channel_plays_are_taken_back_one_by_one() {
    let (s, ids) = three().await;
    let id = ids[0];
    let first = s.store.channel(id).await.unwrap();
    let programs: Vec<Option<Program>> = (0..25)
        .map(|n| {
            let mut named = item(ItemMode::One);
            named.title = Some(format!("Edit {n}").into());
            classic(vec![named])
        })
        .collect();
    for program in &programs {
        s.advance_ms(MINUTE_MS);
        let mut ch = s.store.channel(id).await.unwrap();
        ch.program = program.clone();
        s.store.update_channel(ch.clone()).await.unwrap();
        // Only what it plays counts as a change.
        ch.name = format!("{} again", ch.name);
        s.store.update_channel(ch).await.unwrap();
    }
    let past = s.store.past_programs(id).await.unwrap();
    assert_eq!(past.len(), 20, "the last few are kept");
    let until: Vec<_> = past.iter().map(|p| p.until).collect();
    assert_eq!(until[0], NOW.plus(25 * MINUTE_MS));
    assert_eq!(until[19], NOW.plus(6 * MINUTE_MS));
    s.playout.rebuild_future(id).await.unwrap();
    let name = s.store.channel(id).await.unwrap().name;
    for n in (4..24).rev() {
        let version = s.store.channel(id).await.unwrap().timeline_version;
        let back = s.playout.undo(id).await.unwrap();
        assert_eq!(back.program, programs[n]);
        assert_eq!((back.name, back.seed), (name.clone(), first.seed));
        assert!(s.store.channel(id).await.unwrap().timeline_version > version);
    }
    let rows = s.timeline(id).await;
    check_guide(&rows);
    let later = rows.iter().filter(|e| e.start > NOW.plus(3 * HOUR_MS));
    assert!(later.clone().count() > 100);
    assert!(later.clone().all(|e| e.metadata.title == "Edit 4"));
    let none = s.playout.undo(id).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Conflict);

    // A loop's collection and order are taken back as well.
    let mut ch = s.store.channel(ids[2]).await.unwrap();
    (ch.collection, ch.order) = (
        Collection::Show {
            title: "X".to_owned(),
        },
        PlayOrder::Random,
    );
    s.store.update_channel(ch.clone()).await.unwrap();
    let back = s.playout.undo(ids[2]).await.unwrap();
    assert_eq!(
        (back.collection, back.order),
        (Collection::Library, PlayOrder::Shuffle)
    );

    // What was damaged meanwhile is no loss either: what came before it is there.
    s.store.update_channel(ch.clone()).await.unwrap();
    s.store.damage_program_of(ids[2], "{").await;
    let back = s.playout.undo(ids[2]).await.unwrap();
    assert_eq!(
        (back.unreadable, back.collection),
        (None, Collection::Library)
    );
    s.store.remove_channel(ids[2]).await.unwrap();
    assert_eq!(s.store.past_programs(ids[2]).await.unwrap(), []);
}
