//! Collections with names: what they hold, and what they cannot be.

use super::*;
use crate::schedule::{Classic, Loop, Pick, Playlist, PlaylistEntry, Program, Sorted, Take};

fn named(kind: fn(String) -> Collection, name: &str) -> Collection {
    kind(name.to_owned())
}

fn smart(name: &str) -> Collection {
    named(|name| Collection::Smart { name }, name)
}

fn manual(name: &str) -> Collection {
    named(|name| Collection::Manual { name }, name)
}

fn multi(name: &str) -> Collection {
    named(|name| Collection::Multi { name }, name)
}

fn playlist(name: &str) -> Collection {
    named(|name| Collection::Playlist { name }, name)
}

fn rerun(name: &str) -> Collection {
    named(|name| Collection::Rerun { name }, name)
}

fn query(query: &str) -> Definition {
    Definition::Smart {
        query: query.to_owned(),
    }
}

fn several(of: &[Collection]) -> Definition {
    let part = |of: &Collection| Part {
        of: of.clone(),
        together: Some(Sorted::Date),
    };
    Definition::Multi {
        members: of.iter().map(part).collect(),
    }
}

fn list(entries: &[(Collection, Take)]) -> Definition {
    let entry = |(of, take): &(Collection, Take)| PlaylistEntry {
        pick: Pick::new(of.clone(), PlayOrder::Custom),
        take: *take,
        in_guide: true,
    };
    Definition::Playlist(Playlist {
        entries: entries.iter().map(entry).collect(),
        shuffled: false,
    })
}

#[tokio::test]
async fn manual_collections_hold_items_and_whole_things_in_the_order_they_were_put_in() {
    let f = fixture().await;
    let files = [
        ("b/2.mkv", "B", 2, 1),
        ("b/1.mkv", "B", 1, 2),
        ("b/0.mkv", "B", 0, 1),
        ("b/3.mkv", "b", 1, 1),
        ("c/x.mkv", "C", 1, 1),
        ("c/a.mkv", "C", 1, 2),
        ("d/1.mkv", "D", 1, 1),
        ("d/2.mkv", "D", 2, 1),
    ];
    let found = files.iter().map(|(path, show, season, episode)| {
        let mut file = file(&format!("/media/tv/{path}"));
        file.metadata.show = Some((*show).to_owned());
        file.metadata.season = Some(*season);
        file.metadata.episode = Some(*episode);
        file
    });
    let all = f.store.upsert_items(f.root, found.collect(), NOW).await;
    let ids: Vec<Id> = all.unwrap().into_iter().map(Scanned::id).collect();
    for due in f.store.items_to_probe(0, 10, false).await.unwrap() {
        f.store.set_probe(&due, known(60)).await.unwrap();
    }
    let set =
        async |members: Vec<ManualMember>, anew| f.store.set_members("  MINE", members, anew).await;
    let none = set(vec![], true).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
    let made = f
        .store
        .set_collection("Mine", Definition::Manual, NOW)
        .await;
    assert_eq!(made.unwrap().definition.kind(), "manual");
    let item = |n: usize| ManualMember::Item { id: ids[n] };
    let show = ManualMember::Show {
        title: " b ".to_owned(),
    };
    let folder = ManualMember::Folder {
        path: "/media/tv/c/".into(),
    };
    let season = ManualMember::Season {
        title: "D".to_owned(),
        season: 2,
    };
    set(vec![item(5)], true).await.unwrap();
    set(vec![item(7), show.clone()], true).await.unwrap();
    set(vec![folder, item(0), season], false).await.unwrap();
    let expected = [7, 3, 1, 0, 2, 5, 4].map(|n| ids[n]);
    assert_eq!(f.playable_ids(&manual("mine")).await, expected);
    let members = f.store.members("mine", 1, 1).await.unwrap();
    let trimmed = ManualMember::Show {
        title: "b".to_owned(),
    };
    assert_eq!(members, [(2, trimmed)]);

    // What is gone, or not there any more, is not in it.
    f.store
        .mark_missing(f.root, vec![ids[1]], NOW)
        .await
        .unwrap();
    let expected = [7, 3, 0, 2, 5, 4].map(|n| ids[n]);
    assert_eq!(f.playable_ids(&manual("mine")).await, expected);
    let unknown = set(vec![item(0), ManualMember::Item { id: 99 }], true).await;
    let unknown = unknown.unwrap_err().to_string();
    assert!(
        unknown.contains("member 2") && unknown.contains("99"),
        "{unknown}"
    );
    assert_eq!(
        f.playable_ids(&manual("mine")).await,
        expected,
        "all or nothing"
    );

    // As a set, within others too.
    f.store
        .set_collection("Both", several(&[manual("MINE"), smart("Late")]), NOW)
        .await
        .unwrap_err();
    f.store
        .set_collection("Late", query("season_number:2"), NOW)
        .await
        .unwrap();
    f.store
        .set_collection("Both", several(&[manual("MINE"), smart("Late")]), NOW)
        .await
        .unwrap();
    let one = list(&[(multi("both"), Take::All)]);
    f.store.set_collection("List", one, NOW).await.unwrap();
    let again = Definition::Rerun {
        of: playlist("List"),
    };
    f.store.set_collection("Again", again, NOW).await.unwrap();
    let search = Collection::Search {
        query: "smart_collection:late AND title:pilot".to_owned(),
    };
    for (of, mut expected) in [
        (smart("late"), vec![0, 7]),
        (search, vec![0, 7]),
        (multi("Both"), vec![7, 3, 0, 2, 5, 4]),
        (playlist("List"), vec![7, 3, 0, 2, 5, 4]),
        (rerun("Again"), vec![7, 3, 0, 2, 5, 4]),
    ] {
        expected.sort_unstable();
        let expected: Vec<Id> = expected.into_iter().map(|n| ids[n]).collect();
        assert_eq!(f.playable_ids(&of).await, expected, "{of:?}");
    }
}

#[tokio::test]
async fn collections_that_cannot_be_are_refused_with_the_reason() {
    let f = fixture().await;
    let set = async |name: &str, definition| f.store.set_collection(name, definition, NOW).await;
    for (name, definition) in [
        ("Smart", query("title:a")),
        ("Manual", Definition::Manual),
        ("One", several(&[smart("Smart"), Collection::Library])),
        ("Two", several(&[multi("One")])),
        ("Three", several(&[multi("two")])),
        ("List", list(&[(smart("smart"), Take::Count(2))])),
        ("Outer", list(&[(playlist("List"), Take::All)])),
        ("Again", Definition::Rerun { of: multi("one") }),
    ] {
        set(name, definition).await.unwrap();
    }
    for (name, definition, kind, said) in [
        (
            "Manual",
            query("title:b"),
            ErrorKind::Conflict,
            "a manual collection already",
        ),
        (
            "New",
            several(&[smart("Manual")]),
            ErrorKind::NotFound,
            "that is a manual collection",
        ),
        (
            "New",
            several(&[manual("None")]),
            ErrorKind::NotFound,
            "\u{201c}None\u{201d}",
        ),
        (
            "one",
            several(&[multi("Three")]),
            ErrorKind::Invalid,
            "\u{201c}one\u{201d} \u{2192} \u{201c}Three\u{201d} \u{2192} \u{201c}Two\u{201d} \u{2192} \u{201c}one\u{201d}",
        ),
        (
            "List",
            list(&[(playlist("Outer"), Take::All)]),
            ErrorKind::Invalid,
            "\u{201c}List\u{201d} \u{2192} \u{201c}Outer\u{201d} \u{2192} \u{201c}List\u{201d}",
        ),
        (
            "Self",
            several(&[multi("self")]),
            ErrorKind::Invalid,
            "contains itself",
        ),
        (
            "New",
            several(&[playlist("List")]),
            ErrorKind::Invalid,
            "\u{201c}List\u{201d}",
        ),
        (
            "New",
            several(&[smart("Smart"), smart("Smart")]),
            ErrorKind::Invalid,
            "member 2",
        ),
        (
            "New",
            Definition::Rerun { of: rerun("Again") },
            ErrorKind::Invalid,
            "rerun",
        ),
        (
            "New",
            list(&[(smart("Smart"), Take::Count(0))]),
            ErrorKind::Invalid,
            "entry 1",
        ),
        (
            "New",
            list(&[(playlist("List"), Take::Count(2))]),
            ErrorKind::Invalid,
            "entry 1",
        ),
        (
            "New",
            several(&[Collection::Search {
                query: "genre:(".to_owned(),
            }]),
            ErrorKind::Invalid,
            "column 7",
        ),
    ] {
        let error = set(name, definition.clone()).await.unwrap_err();
        assert!(
            error.to_string().contains(said),
            "{error} for {definition:?}"
        );
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_collection_is_made_of_so_many_others_and_no_more() {
    let f = fixture().await;
    let ids = f
        .playable(&["/media/tv/x/a.mkv", "/media/tv/y/b.mkv"])
        .await;
    let shows = |count: usize| {
        let show = |n| Collection::Search {
            query: format!("show_title:show AND NOT title:{n}"),
        };
        several(&(0..count).map(show).collect::<Vec<_>>())
    };
    for (name, definition, fits) in [
        ("Many", shows(499), true),
        ("More", shows(500), false),
        ("Outer", several(&[multi("Many")]), false),
        ("Many", shows(498), true),
        ("Outer", several(&[multi("Many")]), true),
    ] {
        let set = f.store.set_collection(name, definition, NOW).await;
        assert_eq!(set.is_ok(), fits, "{name}");
    }
    for name in ["Many", "Outer"] {
        assert_eq!(f.playable_ids(&multi(name)).await, ids);
    }
}

#[tokio::test]
async fn a_collection_that_is_in_use_is_not_removed() {
    let f = fixture().await;
    let set = async |name: &str, definition| {
        let made = f.store.set_collection(name, definition, NOW).await;
        made.unwrap()
    };
    for name in ["A", "B", "C", "D"] {
        set(name, query("title:a")).await;
    }
    set("Multi", several(&[smart("A")])).await;
    set("List", list(&[(multi("multi"), Take::All)])).await;
    let mut channel = f.store.add_channel(channel("7"), NOW).await.unwrap();
    channel.collection = smart("b");
    channel.program = Some(Program::Loop(Loop {
        pick: Pick::new(playlist("LIST"), PlayOrder::Custom),
    }));
    let mut channel = f.store.update_channel(channel).await.unwrap();
    for (name, user) in [
        ("a", "the multi collection \u{201c}Multi\u{201d}"),
        ("Multi", "the playlist collection \u{201c}List\u{201d}"),
        ("list", "channel 7"),
        ("B", "channel 7"),
    ] {
        let error = f.store.remove_collection(name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().starts_with(user), "{error}");
    }
    channel.collection = smart("C");
    channel.program = Some(Program::Classic(Classic::default()));
    f.store.update_channel(channel).await.unwrap();
    for name in ["list", "Multi", "a", "b"] {
        f.store.remove_collection(name).await.unwrap();
    }
    let left = f.store.collections().await.unwrap();
    assert_eq!(left.iter().map(|c| &c.name).collect::<Vec<_>>(), ["C", "D"]);
}

#[tokio::test]
async fn channels_keep_what_they_play_of_every_kind() {
    let f = fixture().await;
    let mut row = f.store.add_channel(channel("7"), NOW).await.unwrap();
    for of in [
        smart("A"),
        manual("A"),
        multi("A"),
        playlist("A"),
        rerun("A"),
        named(|name| Collection::FirstRun { name }, "A"),
        named(|query| Collection::Search { query }, "title:a"),
        Collection::Folder { path: "/x".into() },
        Collection::Library,
    ] {
        row.collection = of.clone();
        row = f.store.update_channel(row).await.unwrap();
        assert_eq!(row.collection, of);
        let json = serde_json::to_string(&of).unwrap();
        assert_eq!(
            serde_json::from_str::<Collection>(&json).unwrap(),
            of,
            "{json}"
        );
    }
}
