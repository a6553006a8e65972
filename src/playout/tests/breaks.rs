//! Programmes with breaks, and single chapters, from the probes of files to the rows of a timeline.

use super::programs::{check_guide, item};
use super::*;
use crate::media::probe::{Chapter, VideoProbe};
use crate::schedule::classic::{Classic, Mode, Schedule};
use crate::schedule::filler::{Amount, BreakAt, Filler, FillerList, MidRoll};
use crate::schedule::{Pick, Program, Role};

const MINUTE_90K: i64 = 60 * 90_000;

fn at(minutes: &[i64]) -> Vec<Ticks90k> {
    minutes.iter().map(|m| Ticks90k(m * MINUTE_90K)).collect()
}

/// Adds a file of so many minutes with chapters that begin at some of them, and pictures that can be begun with at others.
async fn file(s: &Station, path: &str, minutes: i64, chapters: &[i64], raps: &[i64], clean: bool) {
    let item = ScannedItem {
        path: path.into(),
        size_bytes: 1,
        mtime_ns: 1,
        kind: ItemKind::Movie,
        facets: Default::default(),
        metadata: Metadata {
            title: path.to_owned(),
            ..Metadata::default()
        },
    };
    let found = s.store.upsert_items(s.root, vec![item], NOW);
    found.await.unwrap();
    let due = s.store.items_to_probe(0, 10, false).await.unwrap();
    let chapter = |start| Chapter {
        start,
        title: "Part".to_owned(),
    };
    let probe = Probe {
        container: Container::Mp4,
        start: Ticks90k::ZERO,
        end: Ticks90k(minutes * MINUTE_90K),
        video: Some(VideoProbe {
            codec: Some(VideoCodec::H264),
            name: "H.264".to_owned(),
            width: 1280,
            height: 720,
            bit_depth: 8,
            interlaced: false,
            frame_duration: Ticks90k(3600),
            reorder_depth: 2,
            longest_rap_interval: Ticks90k(90_000),
            largest_gop_bytes: 1000,
            clean_raps: clean,
            raps: at(raps),
        }),
        audio: Vec::new(),
        chapters: at(chapters).into_iter().map(chapter).collect(),
        not_native: None,
    };
    let known = ProbeState::Known(Box::new(probe));
    assert!(s.store.set_probe(&due[0], known).await.unwrap());
}

/// What the first hours of a channel with one item in its schedule are: roles, and from which minute to which.
async fn rows(s: &Station, mid: MidRoll) -> Vec<(Role, i64, i64)> {
    let mut film = item(Mode::One);
    film.pick = Pick::new(folder("/media/film"), PlayOrder::Chronological);
    film.fillers.mid_roll = Some(mid);
    let mut ch = s.channel("1", PlayOrder::Shuffle).await;
    ch.program = Some(Program::Classic(Classic {
        schedule: Schedule {
            items: vec![film],
            ..Schedule::default()
        },
        alternates: Vec::new(),
    }));
    s.store.update_channel(ch.clone()).await.unwrap();
    s.playout.ensure(ch.id).await.unwrap();
    let rows = s.timeline(ch.id).await;
    check_guide(&rows);
    let minutes = |t: Ticks90k| t.0 / MINUTE_90K;
    let shown = |e: &Entry| match e.content {
        EntryContent::Item { from, to, .. } => (e.role, minutes(from), minutes(to)),
        EntryContent::Gap => (e.role, 0, 0),
    };
    // The guide shows films only, each of them once.
    assert!(rows.iter().all(|e| e.metadata.title == "/media/film/a.mp4"));
    let first = rows.iter().position(|e| shown(e).1 == 0).unwrap();
    let group = rows[first].guide_group;
    let rows = rows.iter().filter(|e| e.guide_group == group);
    rows.map(shown).collect()
}

fn folder(path: &str) -> Collection {
    Collection::Folder { path: path.into() }
}

fn mid(chapters: bool) -> MidRoll {
    let pick = Pick::new(folder("/media/ads"), PlayOrder::Chronological);
    MidRoll {
        filler: Filler {
            lists: vec![FillerList {
                chapters,
                ..pick.clone().into()
            }],
            ..Filler::new("Ads", pick, Amount::Count(1))
        },
        at: BreakAt::Chapters,
        when: None,
    }
}

#[tokio::test]
async fn a_film_is_broken_near_its_chapters_where_pictures_can_be_begun_with() {
    use Role::{MidRoll, Programme};
    for clean in [true, false] {
        let s = station().await;
        let raps = [0, 15, 21, 33, 40, 55];
        file(&s, "/media/film/a.mp4", 60, &[0, 20, 40], &raps, clean).await;
        file(&s, "/media/ads/b.mp4", 3, &[], &[0], true).await;
        let expected = [
            (Programme, 0, 21),
            (MidRoll, 0, 3),
            (Programme, 21, 40),
            (MidRoll, 0, 3),
            (Programme, 40, 60),
        ];
        assert_eq!(rows(&s, mid(false)).await, expected, "{clean}");
    }
}

#[tokio::test]
async fn a_reel_of_advertisements_is_played_chapter_by_chapter() {
    let s = station().await;
    file(
        &s,
        "/media/film/a.mp4",
        60,
        &[0, 20, 40],
        &[0, 20, 40],
        true,
    )
    .await;
    file(&s, "/media/ads/b.mp4", 6, &[0, 1, 3], &[0, 1, 3], true).await;
    let rows = rows(&s, mid(true)).await;
    let ads = rows.iter().filter(|(role, ..)| *role == Role::MidRoll);
    let ads: Vec<_> = ads.map(|(_, from, to)| (*from, *to)).collect();
    assert_eq!(ads.len(), 2);
    let chapters = [(0, 1), (1, 3), (3, 6)];
    assert!(
        ads[0] != ads[1] && ads.iter().all(|ad| chapters.contains(ad)),
        "{ads:?}"
    );
}
