//! What channels draw from, counted in questions to the database.

use super::super::library::Shelf;
use super::*;
use crate::media::probe::Chapter;
use crate::schedule::{Aired, Loop, Needs, Pick, Program};

const HOUR_90K: i64 = HOUR_MS * 90;

#[tokio::test]
async fn a_round_reads_every_item_once_however_many_channels_play_it() {
    /// The questions of rounds that plan, look on, and look whether items are others.
    async fn cost(channels: u32, items: usize) -> [u64; 3] {
        let s = station().await;
        for from in (0..items).step_by(600) {
            s.items(from, &vec![HOUR_90K; 600.min(items - from)]).await;
        }
        for n in 1..=channels {
            let mut channel = s.channel(&n.to_string(), PlayOrder::Shuffle).await;
            if n % 2 == 0 {
                channel.collection = Collection::Folder {
                    path: "/media".into(),
                };
                s.store.update_channel(channel).await.unwrap();
            }
        }
        let mut counted = [0; 3];
        for (n, counted) in counted.iter_mut().enumerate() {
            let before = s.store.questions();
            match n {
                2 => s.playout.follow_items().await,
                _ => s.playout.round().await,
            }
            *counted = s.store.questions() - before;
        }
        for channel in s.store.channels().await.unwrap() {
            assert!(s.timeline(channel.id).await.len() >= 7 * 24);
        }
        counted
    }
    let (small, large) = (cost(2, 3).await, cost(2, 1200).await);
    let (many_small, many_large) = (cost(9, 3).await, cost(9, 1200).await);
    for (of, expected) in [(0, 1), (1, 0), (2, 1)] {
        // One page more, and only where items are looked at.
        assert_eq!(large[of] - small[of], expected, "round {of}, 2 channels");
        assert_eq!(
            many_large[of] - many_small[of],
            expected,
            "round {of}, 9 channels"
        );
    }
}

#[tokio::test]
async fn breaks_are_read_for_the_programs_that_ask_for_them_only() {
    let s = station().await;
    let ids = s.items(1, &[HOUR_90K, HOUR_90K]).await;
    let due = s.store.item(ids[0]).await.unwrap();
    let ProbeState::Known(mut probe) = due.probe else {
        panic!("{due:?}")
    };
    let chapter = Chapter {
        start: Ticks90k(900_000),
        title: "Two".to_owned(),
    };
    probe.chapters = vec![chapter.clone()];
    s.upsert_again(&due.path).await;
    let due = s.store.items_to_probe(0, 10, false).await.unwrap();
    s.store
        .set_probe(&due[0], ProbeState::Known(probe))
        .await
        .unwrap();
    let program = Program::Loop(Loop {
        pick: Pick::new(Collection::Library, PlayOrder::Shuffle),
    });
    for (breaks, expected) in [(false, None), (true, Some(vec![chapter]))] {
        let shelf = Shelf::new(s.store.clone());
        let needs = Needs {
            breaks,
            ..Needs::default()
        };
        let before = s.store.questions();
        let library = shelf.library_with(&program, needs).await.unwrap();
        assert_eq!(s.store.questions() - before, 2 + u64::from(breaks));
        let items = library.catalog.items();
        let found = items[0].breaks.as_ref().map(|b| b.chapters.clone());
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_channel_has_aired_what_is_planned_before_and_what_was_cleared_away() {
    let s = station().await;
    let ids = s.items(1, &[HOUR_90K, HOUR_90K]).await;
    let c = s.channel("1", PlayOrder::Custom).await;
    s.playout.ensure(c.id).await.unwrap();
    let first = s.timeline(c.id).await[0].start;
    let aired = |last: UtcMs, plays| Some(Aired { last, plays });
    let before = async |hours| {
        let t = first.plus(hours * HOUR_MS);
        let history = s.store.aired_before(c.id, t).await.unwrap();
        ids.iter()
            .map(|id| history.get(id).copied())
            .collect::<Vec<_>>()
    };
    let two = [
        aired(first.plus(2 * HOUR_MS), 2),
        aired(first.plus(HOUR_MS), 1),
    ];
    assert_eq!(before(0).await, [None, None]);
    assert_eq!(before(3).await, two);
    let gone = s.store.prune_timeline(c.id, first.plus(3 * HOUR_MS)).await;
    assert!(gone.unwrap() > 0);
    assert_eq!(
        before(3).await,
        two,
        "the same when it has left the timeline"
    );
}
