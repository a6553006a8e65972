//! What is summed up by shapes, and that it is an index that is read.

use super::*;

#[tokio::test]
async fn sums_over_the_whole_library_read_an_index_and_no_row() {
    let f = fixture().await;
    let plan = |sql: &'static str| {
        f.store.read(move |db| {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map([], |row| row.get::<_, String>(3));
            let steps: rusqlite::Result<Vec<_>> = steps.unwrap().collect();
            Ok(steps.unwrap().join("; "))
        })
    };
    for sql in [
        "SELECT shape_id, count(*), sum(max(end_90k - start_90k, 0)) FROM items \
         WHERE TRUE AND probe_state = 'known' AND missing_since_ms IS NULL GROUP BY shape_id",
        "SELECT shape_id, count(*), sum(max(end_90k - start_90k, 0)) FROM items \
         WHERE path >= x'2F' AND path < x'30' AND probe_state = 'known' AND missing_since_ms IS NULL GROUP BY shape_id",
        "SELECT count(*), min(path), max(path) FROM items \
         WHERE kind = 'movie' AND probe_state = 'known' AND missing_since_ms IS NULL",
        "SELECT min(show) FROM items INDEXED BY items_playable WHERE kind = 'episode' AND show IS NOT NULL \
         AND probe_state = 'known' AND missing_since_ms IS NULL GROUP BY show COLLATE NOCASE",
    ] {
        let plan = plan(sql).await.unwrap();
        assert!(
            plan.contains("COVERING INDEX items_playable"),
            "{sql}: {plan}"
        );
    }
}

#[tokio::test]
async fn a_shape_is_kept_once_and_as_long_as_a_file_has_it() {
    let f = fixture().await;
    let ids = f.playable(&["/media/tv/a.mkv", "/media/tv/b.mkv"]).await;
    let count = || {
        f.store.read(|db| {
            let count = db.query_row("SELECT count(*) FROM shapes", [], |row| row.get(0));
            Ok::<i64, Error>(count.unwrap())
        })
    };
    assert_eq!(count().await.unwrap(), 1);
    // Another length is no other shape.
    f.store
        .upsert_items(
            f.root,
            vec![ScannedItem {
                size_bytes: 7,
                ..file("/media/tv/a.mkv")
            }],
            NOW,
        )
        .await
        .unwrap();
    for due in f.store.items_to_probe(0, 9, false).await.unwrap() {
        f.store.set_probe(&due, known(7)).await.unwrap();
    }
    assert_eq!(count().await.unwrap(), 1);
    f.store.mark_missing(f.root, ids, NOW).await.unwrap();
    let (removed, _) = f.store.prune_missing(NOW).await.unwrap();
    assert_eq!((removed, count().await.unwrap()), (2, 0));
}

#[tokio::test]
async fn films_have_a_folder_when_nothing_else_lies_in_it() {
    let check = async |files: &[(ItemKind, &str)], expected: (u64, Option<&str>)| {
        let f = fixture().await;
        for (kind, path) in files {
            let found = ScannedItem {
                kind: *kind,
                ..file(path)
            };
            f.store
                .upsert_items(f.root, vec![found], NOW)
                .await
                .unwrap();
        }
        for due in f.store.items_to_probe(0, 9, false).await.unwrap() {
            f.store.set_probe(&due, known(60)).await.unwrap();
        }
        let (films, folder) = f.store.films().await.unwrap();
        let folder = folder.map(|folder| folder.display().to_string());
        assert_eq!((films, folder.as_deref()), expected);
    };
    use ItemKind::{Episode, Movie};
    check(
        &[
            (Movie, "/m/films/A/a.mkv"),
            (Movie, "/m/films/b.mkv"),
            (Movie, "/m/films/Z/z.mkv"),
            (Episode, "/m/films2/c.mkv"),
        ],
        (3, Some("/m/films")),
    )
    .await;
    check(
        &[(Movie, "/m/a.mkv"), (Episode, "/m/shows/c.mkv")],
        (1, None),
    )
    .await;
    check(&[(Episode, "/m/shows/c.mkv")], (0, None)).await;
}

#[tokio::test]
async fn the_largest_shows_come_first_whatever_the_case_of_their_names() {
    let f = fixture().await;
    for (n, show) in ["Den", "DEN", "Other", "Den", "Other", "One"]
        .iter()
        .enumerate()
    {
        let mut found = file(&format!("/media/tv/{n}.mkv"));
        found.metadata.show = Some((*show).to_owned());
        f.store
            .upsert_items(f.root, vec![found], NOW)
            .await
            .unwrap();
    }
    let shows = async || {
        let shows = f.store.largest_shows(2, 5).await.unwrap();
        let shows = shows.into_iter().map(|show| (show.title, show.episodes));
        shows.collect::<Vec<_>>()
    };
    assert_eq!(shows().await, [], "none can be played yet");
    for due in f.store.items_to_probe(0, 9, false).await.unwrap() {
        f.store.set_probe(&due, known(60)).await.unwrap();
    }
    let expected = [("DEN".to_owned(), 3), ("Other".to_owned(), 2)];
    assert_eq!(shows().await, expected);
}
