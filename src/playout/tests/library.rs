//! What channels draw from, counted in questions to the database.

use super::*;
use crate::media::probe::Chapter;
use crate::schedule::{Aired, Loop, Needs, Pick, Playlist, PlaylistEntry, Program, Take};
use crate::store::{Definition, ManualMember, Part};

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
        let shelf = s.playout.shelf();
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
async fn lists_take_four_bytes_an_item_and_beyond_the_limit_are_read_again() {
    assert_eq!(size_of::<crate::schedule::Ix>(), 4);
    let s = station().await;
    let ids = s.items(1, &[HOUR_90K; 6]).await;
    let mut programs = Vec::new();
    for (name, items) in [("A", &ids[..2]), ("B", &ids[2..4]), ("C", &ids[1..])] {
        let pick = Pick::new(s.manual(name, items).await, PlayOrder::Custom);
        programs.push(Program::Loop(Loop { pick }));
    }
    let mut found = Vec::new();
    for (most_kept, read_again) in [(100, 0), (4, 3), (0, 9)] {
        let mut shelf = s.playout.shelf();
        shelf.most_kept = most_kept;
        for program in &programs {
            shelf.want(program).await;
        }
        let before = s.store.questions();
        let mut fingerprints = Vec::new();
        for _ in 0..3 {
            for program in &programs {
                let library = shelf.library(program).await.unwrap();
                assert!(library.can_play());
                fingerprints.push(library.fingerprint);
            }
        }
        // What collections are, their lists, a page of items.
        let read = s.store.questions() - before;
        assert_eq!(read, 1 + 3 + 1 + read_again, "{most_kept}");
        found.push(fingerprints);
    }
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    assert_ne!(found[0][0], found[0][1]);
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

impl Station {
    /// A channel that plays a collection in its own order.
    async fn plays(&self, of: Collection) -> Channel {
        let mut channel = self.channel("1", PlayOrder::Custom).await;
        channel.collection = of;
        self.store.update_channel(channel).await.unwrap()
    }

    async fn set(&self, name: &str, definition: Definition) {
        let set = self.store.set_collection(name, definition, NOW);
        set.await.unwrap();
    }

    async fn manual(&self, name: &str, items: &[Id]) -> Collection {
        self.set(name, Definition::Manual).await;
        let members = items.iter().map(|id| ManualMember::Item { id: *id });
        self.store
            .set_members(name, members.collect(), true)
            .await
            .unwrap();
        Collection::Manual {
            name: name.to_owned(),
        }
    }

    /// The titles on a timeline from a moment on, the first of them, each with a mark when the guide does not show it.
    async fn titles(&self, channel: Id, from: UtcMs, count: usize) -> Vec<String> {
        let all = self.timeline(channel).await;
        let ahead = all.iter().filter(|e| e.start >= from).take(count);
        ahead
            .map(|e| e.metadata.title.replace("Film ", ""))
            .collect()
    }
}

#[tokio::test]
async fn a_channel_follows_its_smart_collection_with_the_library_and_the_calendar() {
    let s = station().await;
    s.items(1, &[HOUR_90K, HOUR_90K]).await;
    let recent = |days| Definition::Smart {
        query: format!("added_inthelast:\"{days} days\""),
    };
    s.set("New", recent(3)).await;
    let c = s
        .plays(Collection::Smart {
            name: "new".to_owned(),
        })
        .await;
    let far = async || {
        let from = s.clock.utc().plus(3 * HOUR_MS);
        let titles = s.titles(c.id, from, 40).await;
        std::collections::BTreeSet::from_iter(titles)
    };
    let titles = |titles: &[&str]| titles.iter().map(|t| (*t).to_owned()).collect();
    s.playout.round().await;
    assert_eq!(far().await, titles(&["1", "2"]));
    s.advance_ms(2 * 24 * HOUR_MS);
    s.items(3, &[HOUR_90K]).await;
    s.playout.follow_items().await;
    assert_eq!(far().await, titles(&["1", "2", "3"]));
    // The first two are too old the day after next, and nobody says so.
    s.advance_ms(2 * 24 * HOUR_MS);
    s.playout.round().await;
    assert_eq!(far().await, titles(&["3"]));
    s.set("New", recent(9)).await;
    s.playout.follow_items().await;
    assert_eq!(far().await, titles(&["1", "2", "3"]));
}

#[tokio::test]
async fn a_playlist_plays_its_entries_in_turn_and_those_of_playlists_in_it() {
    let s = station().await;
    let ids = s.items(10, &[HOUR_90K; 6]).await;
    let mut lists = Vec::new();
    for (name, items) in ["A", "B", "C"].iter().zip(ids.chunks(2)) {
        lists.push(s.manual(name, items).await);
    }
    let entry = |of: &Collection, take, in_guide| PlaylistEntry {
        pick: Pick::new(of.clone(), PlayOrder::Custom),
        take,
        in_guide,
    };
    let one = Take::Count(1);
    let inner = Playlist {
        entries: vec![
            entry(&lists[1], Take::All, true),
            entry(&lists[2], one, true),
        ],
        shuffled: false,
    };
    s.set("Inner", Definition::Playlist(inner)).await;
    let inner = Collection::Playlist {
        name: "inner".to_owned(),
    };
    let outer = Playlist {
        entries: vec![entry(&lists[0], one, true), entry(&inner, Take::All, false)],
        shuffled: false,
    };
    s.set("Outer", Definition::Playlist(outer)).await;
    let c = s
        .plays(Collection::Playlist {
            name: "Outer".to_owned(),
        })
        .await;
    s.playout.round().await;
    let played: Vec<_> = s
        .timeline(c.id)
        .await
        .iter()
        .take(9)
        .filter_map(|e| match e.content {
            EntryContent::Item { item_id, .. } => ids.iter().position(|id| *id == item_id),
            EntryContent::Gap => None,
        })
        .collect();
    assert_eq!(played, [0, 2, 3, 4, 1, 2, 3, 5, 0]);
}

#[tokio::test]
async fn a_multi_collection_has_each_item_once_and_keeps_together_what_it_is_told_to() {
    let s = station().await;
    let ids = s.items(1, &[HOUR_90K; 9]).await;
    let (all, some) = (
        Collection::Library,
        s.manual("Some", &[ids[7], ids[2], ids[5]]).await,
    );
    let together = |of: Collection, together| Part { of, together };
    s.set(
        "Both",
        Definition::Multi {
            members: vec![
                together(some, Some(crate::schedule::Sorted::Episode)),
                together(all, None),
            ],
        },
    )
    .await;
    let mut c = s
        .plays(Collection::Multi {
            name: "Both".to_owned(),
        })
        .await;
    c.order = PlayOrder::Shuffle;
    s.store.update_channel(c.clone()).await.unwrap();
    s.playout.round().await;
    let titles = s.titles(c.id, UtcMs(0), 90).await;
    for round in titles.chunks(9) {
        let once: std::collections::BTreeSet<_> = round.iter().collect();
        assert_eq!(once.len(), 9, "{round:?}");
        let at = round.iter().position(|title| title == "3").unwrap();
        assert_eq!(round[at..at + 3], ["3", "6", "8"], "{round:?}");
    }
    let orders: std::collections::BTreeSet<_> = titles.chunks(9).collect();
    assert!(orders.len() > 5, "shuffled");
}

#[tokio::test]
async fn first_runs_are_what_the_channel_has_not_aired_and_reruns_the_rest() {
    let s = station().await;
    let ids = s.items(1, &[HOUR_90K; 4]).await;
    let all = s.manual("All", &ids[..3]).await;
    s.set("Runs", Definition::Rerun { of: all }).await;
    let name = || "runs".to_owned();
    let mut c = s.plays(Collection::FirstRun { name: name() }).await;
    s.playout.round().await;
    assert_eq!(s.titles(c.id, UtcMs(0), 5).await, ["1", "2", "3", "1", "2"]);
    // What comes is new to the channel, whatever was played in builds before.
    s.manual("All", &ids).await;
    s.playout.follow_items().await;
    let behind = NOW.plus(PUBLISHED_MS);
    let titles = s.titles(c.id, behind, 30).await;
    assert_eq!(&titles[..4], ["3", "4", "1", "2"], "{titles:?}");
    // A rerun is what was on before: of items that were not, none.
    c.collection = Collection::Rerun { name: name() };
    s.store.update_channel(c.clone()).await.unwrap();
    s.playout.rebuild_future(c.id).await.unwrap();
    let titles = s.titles(c.id, behind, 30).await;
    assert!(
        titles.iter().all(|t| ["1", "2"].contains(&t.as_str())),
        "{titles:?}"
    );
}

#[tokio::test]
async fn a_collection_that_is_empty_or_gone_is_said_and_does_no_harm() {
    let s = station().await;
    let ids = s.items(1, &[HOUR_90K]).await;
    let full = s.manual("Full", &ids).await;
    let empty = s.manual("Empty", &[]).await;
    let gone = Collection::Smart {
        name: "Gone".to_owned(),
    };
    let entry = |of: &Collection| PlaylistEntry {
        pick: Pick::new(of.clone(), PlayOrder::Custom),
        take: Take::All,
        in_guide: true,
    };
    let list = Playlist {
        entries: [&empty, &full].map(entry).into(),
        shuffled: false,
    };
    s.set("List", Definition::Playlist(list)).await;
    let list = Collection::Playlist {
        name: "List".to_owned(),
    };
    let mut c = s.plays(list).await;
    for (of, plays, said) in [
        (None, true, "Empty"),
        (
            Some(gone),
            false,
            "there is no smart collection \u{201c}Gone\u{201d}",
        ),
        (Some(empty), false, "nothing in the manual collection"),
        (Some(full), true, ""),
    ] {
        // What is said of the published hour stays with it.
        let since = of.as_ref().map_or(UtcMs(0), |_| NOW);
        c.collection = of.unwrap_or(c.collection);
        s.store.update_channel(c.clone()).await.unwrap();
        s.playout.rebuild_future(c.id).await.unwrap();
        let from = NOW.plus(3 * HOUR_MS);
        let rows = s.timeline(c.id).await;
        check_shape(&rows);
        let gaps = rows.iter().filter(|e| e.start > from);
        let gaps = gaps.filter(|e| e.content == EntryContent::Gap).count();
        assert_eq!(gaps == 0, plays, "{said}");
        let warnings = s.store.plan_warnings(c.id).await.unwrap();
        let warnings = warnings.iter().filter(|w| w.at.is_none_or(|at| at > since));
        let texts: Vec<_> = warnings.map(|w| w.text.as_str()).collect();
        assert_eq!(
            texts.iter().any(|t| t.contains(said)),
            !said.is_empty(),
            "{said}: {texts:?}"
        );
    }
}
