//! Channels and their timelines.

use super::*;

#[tokio::test]
async fn channel_numbers_are_unique_as_decimals_and_keys_are_never_reused() {
    let f = fixture().await;
    let mut made = Vec::new();
    for number in ["10", "5.1", "9", "5"] {
        made.push(f.store.add_channel(channel(number), NOW).await.unwrap());
    }
    for (number, kind) in [
        ("5.10", ErrorKind::Conflict),
        ("05", ErrorKind::Conflict),
        ("x", ErrorKind::Invalid),
    ] {
        let refused = f.store.add_channel(channel(number), NOW).await;
        assert_eq!(refused.unwrap_err().kind(), kind, "{number}");
    }
    let all = f.store.channels().await.unwrap();
    let numbers: Vec<_> = all.iter().map(|c| c.number.as_str()).collect();
    assert_eq!(numbers, ["5", "5.1", "9", "10"]);
    assert_eq!((all[1].seed, all[1].group.as_deref()), (u64::MAX - 1, None));
    assert_eq!(all[1].mux_rate_kbit.map(u32::from), Some(8_000));
    let five = f.store.channel_by_number("5.10").await.unwrap();
    assert_eq!(five, all[1]);
    for number in ["6", "", "5.1.1"] {
        let none = f.store.channel_by_number(number).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound, "{number}");
    }
    let mut changed = five.clone();
    changed.number = "7.25".to_owned();
    changed.mux_rate_kbit = None;
    changed.collection = Collection::Show {
        title: " Show ".to_owned(),
    };
    let changed = f.store.update_channel(changed).await.unwrap();
    assert_eq!(f.store.channel(five.id).await.unwrap(), changed);
    assert!(changed.timeline_version > five.timeline_version);
    let clash = Channel {
        number: "9.0".to_owned(),
        ..changed
    };
    let clash = f.store.update_channel(clash).await.unwrap_err();
    assert_eq!(clash.kind(), ErrorKind::Conflict);
    let last = made.iter().map(|c| c.id).max().unwrap();
    f.store.remove_channel(last).await.unwrap();
    let next = f.store.add_channel(channel("5"), NOW).await.unwrap();
    assert!(next.id > last);
}

#[tokio::test]
async fn a_timeline_touches_and_is_written_wholly_or_not_at_all() {
    let f = fixture().await;
    let ids = f.playable(&["/media/tv/a.mkv"]).await;
    let ch = f.store.add_channel(channel("1"), NOW).await.unwrap().id;
    let item = Some(ids[0]);
    let v1 = f
        .store
        .append_timeline(
            ch,
            vec![entry(0, item), entry(60_000, None), entry(120_000, item)],
        )
        .await
        .unwrap();
    let mut long = entry(180_000, item);
    long.stop = long.stop.plus(1);
    for (bad, why) in [
        (
            vec![entry(180_000, item), entry(180_000, item)],
            "not touch",
        ),
        (vec![entry(180_001, item)], "not touch"),
        (vec![entry(120_000, item)], "not touch"),
        (vec![long], "lasts longer"),
        (
            vec![NewEntry {
                stop: NOW.plus(180_999),
                ..entry(180_000, None)
            }],
            "second",
        ),
    ] {
        let error = f.store.append_timeline(ch, bad).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(f.store.channel(ch).await.unwrap().timeline_version, v1);
    // What has begun stays, and a gap is cut.
    let cut = f
        .store
        .replace_timeline(ch, NOW.plus(150_000), vec![])
        .await;
    assert_eq!(cut.unwrap_err().kind(), ErrorKind::Conflict);
    let v2 = f
        .store
        .replace_timeline(
            ch,
            NOW.plus(90_000),
            vec![entry(90_000, item), entry(150_000, Some(9999))],
        )
        .await
        .unwrap();
    assert!(v2 > v1);
    let rows = f
        .store
        .timeline(ch, NOW, NOW.plus(1_000_000), 100)
        .await
        .unwrap();
    assert_eq!(
        rows.iter().map(|e| e.stop.since(NOW)).collect::<Vec<_>>(),
        [60_000, 90_000, 150_000, 210_000]
    );
    for pair in rows.windows(2) {
        assert_eq!(pair[0].stop, pair[1].start);
        assert_eq!(pair[0].guide_stop_s, pair[1].guide_start_s);
        assert_ne!(pair[0].guide_group, pair[1].guide_group);
    }
    assert_eq!(rows[0].metadata.show.as_deref(), Some("Show"));
    // The place of an item that is gone is no gap to be filled: it was promised.
    assert_eq!(rows[3].content, EntryContent::Gap);
    assert_eq!(
        f.store.first_gap(ch, NOW).await.unwrap(),
        Some(NOW.plus(60_000))
    );
    assert_eq!(f.store.first_gap(ch, NOW.plus(90_000)).await.unwrap(), None);
    let nobody = f.store.append_timeline(99, vec![entry(0, None)]).await;
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn windows_hold_what_overlaps_them() {
    let f = fixture().await;
    let ids = f.playable(&["/media/tv/a.mkv"]).await;
    let ch = f.store.add_channel(channel("1"), NOW).await.unwrap().id;
    let entries = (0..10).map(|n| entry(n * 60_000, Some(ids[0]))).collect();
    f.store.append_timeline(ch, entries).await.unwrap();
    for (from, to, first, count) in [
        (-50_000, 0, 0, 0),
        (-50_000, 1, 0, 1),
        (0, 60_000, 0, 1),
        (59_999, 60_001, 0, 2),
        (60_000, 60_001, 60_000, 1),
        (30_000, 900_000, 0, 10),
        (600_000, 900_000, 0, 0),
    ] {
        let rows = f
            .store
            .timeline(ch, NOW.plus(from), NOW.plus(to), 100)
            .await
            .unwrap();
        assert_eq!(rows.len(), count, "{from}..{to}");
        if let Some(row) = rows.first() {
            assert_eq!(row.start.since(NOW), first, "{from}..{to}");
        }
    }
    for (t, on_air, next) in [
        (-1, None, Some(0)),
        (0, Some(0), Some(60_000)),
        (59_999, Some(0), Some(60_000)),
        (599_999, Some(540_000), None),
        (600_000, None, None),
    ] {
        let start = |e: Option<Entry>| e.map(|e| e.start.since(NOW));
        let t = NOW.plus(t);
        assert_eq!(
            start(f.store.entry_at(ch, t).await.unwrap()),
            on_air,
            "{t:?}"
        );
        assert_eq!(
            start(f.store.entry_after(ch, t).await.unwrap()),
            next,
            "{t:?}"
        );
    }
    let span = f.store.timeline_span(ch, Some(NOW.plus(60_001))).await;
    let span = span.unwrap().unwrap();
    assert_eq!((span.start, span.stop), (NOW, NOW.plus(120_000)));
    assert_eq!(f.store.timeline_span(ch, Some(NOW)).await.unwrap(), None);
    assert_eq!(f.store.entries_after(ch, NOW).await.unwrap(), 9);
}

#[tokio::test]
async fn what_is_cleared_away_stays_in_the_history() {
    let f = fixture().await;
    let ids = f.playable(&["/media/tv/a.mkv", "/media/tv/b.mkv"]).await;
    let ch = f.store.add_channel(channel("1"), NOW).await.unwrap().id;
    let entries = [ids[0], ids[0], ids[1], ids[0]]
        .into_iter()
        .enumerate()
        .map(|(n, id)| entry(n as i64 * 60_000, Some(id)))
        .collect();
    f.store.append_timeline(ch, entries).await.unwrap();
    let now = NOW.plus(150_000);
    let last = |item| f.store.last_played(ch, item, now);
    assert_eq!(last(ids[0]).await.unwrap(), Some(NOW.plus(60_000)));
    assert_eq!(f.store.prune_timeline(ch, now).await.unwrap(), 2);
    assert_eq!(last(ids[0]).await.unwrap(), Some(NOW.plus(60_000)));
    assert_eq!(last(ids[1]).await.unwrap(), Some(NOW.plus(120_000)));
    assert_eq!(last(9999).await.unwrap(), None);
    // The last entry holds the scheduler's place for as long as the channel exists.
    let after_all = NOW.plus(1_000_000_000);
    assert_eq!(f.store.prune_timeline(ch, after_all).await.unwrap(), 1);
    let marks = f.store.marks(ch, UtcMs(i64::MAX)).await.unwrap();
    assert_eq!(marks, [entry(0, Some(ids[0])).mark.unwrap()]);
}

/// An entry of a programme that begins at `group`.
fn part(start: i64, item: Id, group: i64) -> NewEntry {
    NewEntry {
        guide_group: NOW.0 / 1000 + group / 1000,
        mark: None,
        mark_is_full: false,
        ..entry(start, Some(item))
    }
}

#[tokio::test]
async fn entries_of_a_programme_share_its_edges_and_titles_whatever_is_added_or_cut() {
    let f = fixture().await;
    let ids = f.playable(&["/media/tv/a.mkv", "/media/tv/b.mkv"]).await;
    let ch = f.store.add_channel(channel("1"), NOW).await.unwrap().id;
    let shown = async || {
        let rows = f.store.timeline(ch, NOW, NOW.plus(1_000_000), 100).await;
        let edge = |s: i64| s - NOW.0 / 1000;
        let shown = |e: Entry| {
            let title = e.metadata.show.unwrap_or(e.metadata.title);
            (edge(e.guide_start_s), edge(e.guide_stop_s), title)
        };
        rows.unwrap().into_iter().map(shown).collect::<Vec<_>>()
    };
    let programme =
        |n: usize, edges: (i64, i64), title: &str| vec![(edges.0, edges.1, title.to_owned()); n];
    let titled = NewEntry {
        title: Some("Night".to_owned()),
        ..part(120_000, ids[1], 120_000)
    };
    let entries = vec![part(0, ids[0], 0), part(60_000, ids[1], 0), titled];
    f.store.append_timeline(ch, entries).await.unwrap();
    let mut expected = programme(2, (0, 120), "Show");
    expected.extend(programme(1, (120, 180), "Night"));
    assert_eq!(shown().await, expected);
    // The programme goes on in what is built later, under its own words.
    let more = NewEntry {
        title: Some("Night".to_owned()),
        ..part(180_000, ids[0], 120_000)
    };
    f.store.append_timeline(ch, vec![more]).await.unwrap();
    expected.truncate(2);
    expected.extend(programme(2, (120, 240), "Night"));
    assert_eq!(shown().await, expected);
    // What is cut off shortens it.
    let from = NOW.plus(180_000);
    let next = vec![part(180_000, ids[0], 180_000)];
    f.store.replace_timeline(ch, from, next).await.unwrap();
    expected.truncate(2);
    expected.extend(programme(1, (120, 180), "Night"));
    expected.extend(programme(1, (180, 240), "Show"));
    assert_eq!(shown().await, expected);
    f.store
        .replace_timeline(ch, NOW.plus(60_000), vec![])
        .await
        .unwrap();
    assert_eq!(shown().await, programme(1, (0, 60), "Show"));
}

#[tokio::test]
async fn a_schedule_is_resumed_behind_whole_steps_from_the_last_full_mark() {
    let f = fixture().await;
    let ids = f.playable(&["/media/tv/a.mkv"]).await;
    let ch = f.store.add_channel(channel("1"), NOW).await.unwrap().id;
    let marked = |n: i64, mark: Option<&str>, full: bool| NewEntry {
        mark: mark.map(str::to_owned),
        mark_is_full: full,
        ..entry(n * 60_000, Some(ids[0]))
    };
    let entries = vec![
        marked(0, Some("a"), true),
        marked(1, None, false),
        marked(2, Some("b"), false),
        marked(3, Some("c"), true),
        marked(4, None, false),
        marked(5, Some("d"), false),
        marked(6, None, false),
    ];
    f.store.append_timeline(ch, entries).await.unwrap();
    for (before, end, marks) in [
        (0, None, vec![]),
        (1, Some(1), vec!["a"]),
        (60_001, Some(3), vec!["a"]),
        (120_001, Some(3), vec!["a", "b"]),
        (180_001, Some(4), vec!["c"]),
        (240_001, Some(6), vec!["c"]),
        (300_001, Some(6), vec!["c", "d"]),
        // A step that never ended is over with its last entry.
        (360_001, Some(7), vec!["c", "d"]),
    ] {
        let before = NOW.plus(before);
        let found = f.store.step_end(ch, before).await.unwrap();
        assert_eq!(found, end.map(|n: i64| NOW.plus(n * 60_000)), "{before:?}");
        assert_eq!(
            f.store.marks(ch, before).await.unwrap(),
            marks,
            "{before:?}"
        );
    }
    // Of the past the last full mark stays with all that lies behind it.
    let pruned = f.store.prune_timeline(ch, NOW.plus(420_000)).await.unwrap();
    assert_eq!(pruned, 3);
    let marks = f.store.marks(ch, NOW.plus(400_000)).await.unwrap();
    assert_eq!(marks, ["c", "d"]);
}

#[tokio::test]
async fn every_parent_can_be_removed() {
    let f = fixture().await;
    let ids = f.playable(&["/media/tv/a.mkv", "/media/tv/b.mkv"]).await;
    let mut channels = Vec::new();
    for number in ["1", "2", "3"] {
        channels.push(f.store.add_channel(channel(number), NOW).await.unwrap().id);
    }
    for ch in &channels[..2] {
        let entries = vec![entry(0, Some(ids[0])), entry(60_000, Some(ids[1]))];
        f.store.append_timeline(*ch, entries).await.unwrap();
        f.store.prune_timeline(*ch, NOW.plus(60_000)).await.unwrap();
    }
    // A channel with timeline and history.
    f.store.remove_channel(channels[0]).await.unwrap();
    assert_eq!(f.store.entry_at(channels[0], NOW).await.unwrap(), None);
    assert_eq!(
        f.store.last_played(channels[0], ids[0], NOW).await.unwrap(),
        None
    );
    // An item that is planned and in the history.
    let version = f.store.channel(channels[1]).await.unwrap().timeline_version;
    f.store
        .mark_missing(f.root, ids.clone(), NOW)
        .await
        .unwrap();
    let pruned = f.store.prune_missing(NOW).await.unwrap();
    assert_eq!(pruned, (2, vec![channels[1]]));
    let played = f.store.last_played(channels[1], ids[0], NOW).await;
    assert_eq!(played.unwrap(), None);
    let left = f.store.entry_at(channels[1], NOW.plus(60_000)).await;
    let left = left.unwrap().unwrap();
    assert_eq!(left.content, EntryContent::Gap);
    assert_eq!(left.metadata.title, "Pilot");
    assert!(f.store.channel(channels[1]).await.unwrap().timeline_version > version);
    // A folder with items that are planned.
    let more = f.playable(&["/media/tv/c.mkv"]).await;
    f.store
        .append_timeline(channels[2], vec![entry(0, Some(more[0]))])
        .await
        .unwrap();
    assert_eq!(f.store.remove_root(f.root).await.unwrap(), [channels[2]]);
    assert_eq!(f.store.item_counts(None).await.unwrap().items, 0);
    let sound: i64 = f
        .store
        .read(|db| {
            db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |r| {
                r.get(0)
            })
            .map_err(|e| fail::sql("checking", e))
        })
        .await
        .unwrap();
    assert_eq!(sound, 0);
}
