//! Roots, items and collections.

use super::*;

#[tokio::test]
async fn roots_do_not_overlap_and_keep_their_state() {
    let f = fixture().await;
    for (path, kind) in [
        ("/media/tv", ErrorKind::Conflict),
        ("/media/tv/deeper", ErrorKind::Conflict),
        ("/media", ErrorKind::Conflict),
        ("relative", ErrorKind::Invalid),
    ] {
        let refused = f.store.add_root(path.as_ref(), RootKind::Shows).await;
        assert_eq!(refused.unwrap_err().kind(), kind, "{path}");
    }
    let beside = f
        .store
        .add_root("/media/tv2".as_ref(), RootKind::Shows)
        .await
        .unwrap();
    let away = RootState::Unreachable {
        since: NOW,
        reason: "not mounted".to_owned(),
    };
    f.store.set_root_state(f.root, away.clone()).await.unwrap();
    f.store.set_root_watching(f.root, "rescans").await.unwrap();
    let root = f.store.root(f.root).await.unwrap();
    assert_eq!((root.state, root.watching.as_str()), (away, "rescans"));
    f.store
        .root_scanned(f.root, Some("ext4 1".to_owned()), 12, NOW)
        .await
        .unwrap();
    let root = f.store.root(f.root).await.unwrap();
    assert_eq!(root.path, PathBuf::from("/media/tv"));
    assert_eq!((root.state, root.item_count), (RootState::Present, 12));
    assert_eq!(
        (root.scanned, root.file_system.as_deref()),
        (Some(NOW), Some("ext4 1"))
    );
    f.store.remove_root(beside.id).await.unwrap();
    let gone = f.store.root(beside.id).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    let again = f
        .store
        .add_root("/media/tv2".as_ref(), RootKind::Shows)
        .await
        .unwrap();
    assert!(again.id > beside.id, "keys are not used twice");
}

#[tokio::test]
async fn a_scan_tells_new_changed_and_same_files_apart() {
    use std::os::unix::ffi::OsStringExt;
    let f = fixture().await;
    let odd = PathBuf::from(std::ffi::OsString::from_vec(
        b"/media/tv/\xff\n'\".mkv".to_vec(),
    ));
    let mut found = vec![file("/media/tv/a.mkv"), file("/media/tv/b.mkv")];
    found.push(ScannedItem {
        path: odd.clone(),
        metadata: Metadata {
            title: "  ".to_owned(),
            plot: Some(String::new()),
            ..Metadata::default()
        },
        ..file("/")
    });
    let first = f
        .store
        .upsert_items(f.root, found.clone(), NOW)
        .await
        .unwrap();
    assert!(first.iter().all(|s| matches!(s, Scanned::New(_))));
    let item = f.store.item(first[2].id()).await.unwrap();
    assert_eq!((item.path, item.metadata.plot), (odd, None));
    assert!(!item.metadata.title.is_empty());
    for due in f.store.items_to_probe(0, 10, false).await.unwrap() {
        f.store.set_probe(&due, known(60)).await.unwrap();
    }
    f.store
        .mark_missing(f.root, vec![first[0].id()], NOW)
        .await
        .unwrap();
    found[1].size_bytes += 1;
    found[0].metadata.title = "Better".to_owned();
    let second = f
        .store
        .upsert_items(f.root, found, NOW.plus(5))
        .await
        .unwrap();
    assert_eq!(
        second,
        [
            Scanned::Same(first[0].id()),
            Scanned::Changed(first[1].id()),
            Scanned::Same(first[2].id())
        ]
    );
    let item = f.store.item(first[0].id()).await.unwrap();
    assert_eq!((item.added, item.missing_since), (NOW, None));
    assert_eq!(
        (item.metadata.title.as_str(), item.probe),
        ("Better", known(60))
    );
    let due = f.store.items_to_probe(0, 10, false).await.unwrap();
    assert_eq!(due.len(), 1);
    // The answer to a question about the file that was there before is of no use.
    let stale = ToProbe {
        size_bytes: 1000,
        ..due[0].clone()
    };
    assert!(!f.store.set_probe(&stale, known(1)).await.unwrap());
    let nowhere = f.store.upsert_items(99, vec![file("/x")], NOW).await;
    assert_eq!(nowhere.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn absence_of_a_folder_is_not_deletion() {
    let f = fixture().await;
    let ids = f.playable(&["/media/tv/a.mkv", "/media/tv/b.mkv"]).await;
    let away = RootState::Unreachable {
        since: NOW,
        reason: "not mounted".to_owned(),
    };
    assert_eq!(
        f.store
            .mark_missing(f.root, vec![ids[0]], NOW)
            .await
            .unwrap(),
        1
    );
    f.store.set_root_state(f.root, away).await.unwrap();
    assert_eq!(
        f.store
            .mark_missing(f.root, vec![ids[1]], NOW)
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        f.store.prune_missing(NOW.plus(1)).await.unwrap(),
        (0, vec![])
    );
    let playable = f.playable_ids(&Collection::Library).await;
    assert_eq!(playable, [ids[1]]);
    f.store
        .set_root_state(f.root, RootState::Present)
        .await
        .unwrap();
    assert_eq!(f.store.prune_missing(NOW.plus(-1)).await.unwrap().0, 0);
    assert_eq!(f.store.prune_missing(NOW).await.unwrap().0, 1);
    assert_eq!(
        f.store
            .mark_missing(f.root, ids.clone(), NOW)
            .await
            .unwrap(),
        1
    );
    assert_eq!(f.store.mark_found(f.root, ids).await.unwrap(), 1);
    let counts = f.store.item_counts(Some(f.root)).await.unwrap();
    assert_eq!((counts.items, counts.playable, counts.missing), (1, 1, 0));
}

#[tokio::test]
async fn collections_hold_what_they_say_and_only_what_can_be_played() {
    let f = fixture().await;
    let ids = f
        .playable(&[
            "/media/tv/x/a.mkv",
            "/media/tv/x/b.mkv",
            "/media/tv/xy/c.mkv",
        ])
        .await;
    let mut other = file("/media/tv/x/d.mkv");
    other.metadata.show = Some("SHOW".to_owned());
    let mut film = file("/media/tv/x/e.mkv");
    film.metadata.show = None;
    f.store
        .upsert_items(f.root, vec![other, film], NOW)
        .await
        .unwrap();
    let due = f.store.items_to_probe(0, 10, false).await.unwrap();
    let broken = ProbeState::Broken {
        reason: "no moov".to_owned(),
    };
    f.store.set_probe(&due[0], broken).await.unwrap();
    f.store
        .set_probe(&due[1], ProbeState::WaitingForFfmpeg)
        .await
        .unwrap();
    assert_eq!(f.store.items_to_probe(0, 10, false).await.unwrap(), []);
    assert_eq!(f.store.items_to_probe(0, 10, true).await.unwrap().len(), 1);
    let folder = |path: &str| Collection::Folder {
        path: PathBuf::from(path),
    };
    let show = |title: &str| Collection::Show {
        title: title.to_owned(),
    };
    for (collection, playable, all) in [
        (Collection::Library, ids.clone(), 5),
        (folder("/media/tv/x"), ids[..2].to_vec(), 4),
        (folder("/media/tv/x/"), ids[..2].to_vec(), 4),
        (folder("/media/tv/x/a.mkv"), vec![], 0),
        (folder("/"), ids.clone(), 5),
        (show("show"), ids.clone(), 4),
        (show("Sho"), vec![], 0),
    ] {
        let found = f.playable_ids(&collection).await;
        let items = f.store.playables(&found).await.unwrap();
        assert_eq!(items.iter().map(|i| i.id).collect::<Vec<_>>(), found);
        assert_eq!(found, playable, "{collection:?}");
        let chosen = f.store.selection(&collection, &today()).await.unwrap();
        let shapes = f.store.shapes(&chosen, 0, 1000).await.unwrap();
        let sums: Vec<_> = shapes.iter().map(|s| (s.items, s.length_ms)).collect();
        let expected = (playable.len() as u64, playable.len() as i64 * 60_000);
        assert_eq!(
            sums,
            if playable.is_empty() {
                vec![]
            } else {
                vec![expected]
            }
        );
        let keys: Vec<_> = shapes.iter().map(|s| s.id).collect();
        let files = f.store.files_of_shapes(&chosen, &keys, 0, 1000).await;
        let files: Vec<_> = files.unwrap().into_iter().map(|file| file.0).collect();
        assert_eq!(files, playable);
        let items = f.store.items_in(&chosen, 0, 1000).await.unwrap();
        assert_eq!(items.len(), all, "{collection:?}");
    }
    let shows = f.store.shows("", 10).await.unwrap();
    assert_eq!(shows.iter().map(|s| s.episodes).collect::<Vec<_>>(), [4]);
    assert_eq!(f.store.shows("show", 10).await.unwrap(), []);
    let counts = f.store.item_counts(None).await.unwrap();
    assert_eq!(
        (
            counts.playable,
            counts.broken,
            counts.waiting_for_ffmpeg,
            counts.pending
        ),
        (3, 1, 1, 0)
    );
    assert_eq!(
        f.store.count_below("/media/tv/x".as_ref()).await.unwrap(),
        4
    );
    // Pages follow each other.
    let first = f.store.items_of_root(f.root, 0, 2).await.unwrap();
    let then = f.store.files_of_root(f.root, first[1].id, 2).await.unwrap();
    assert_eq!(then.first().map(|i| i.id), Some(ids[2]));
}
