//! What searches find, and that they read an index alone.

use super::*;
use crate::guide::{Facet, Facets};
use crate::schedule::query::{expand, parse};

fn facets(pairs: &[(Facet, &str)]) -> Facets {
    let mut facets = Facets::default();
    for (facet, value) in pairs {
        facets.add(*facet, value);
    }
    facets
}

fn film(name: &str, title: &str, date: &str, pairs: &[(Facet, &str)]) -> ScannedItem {
    ScannedItem {
        kind: ItemKind::Movie,
        metadata: Metadata {
            title: title.into(),
            year: date.get(..4).and_then(|y| y.parse().ok()),
            date: (date.len() == 10).then(|| date.into()),
            plot: (name == "alien").then(|| "In space no one can hear you scream.".into()),
            ..Metadata::default()
        },
        facets: facets(pairs),
        ..file(&format!("/media/tv/{name}.mkv"))
    }
}

fn episode(
    name: &str,
    title: &str,
    show: &str,
    numbers: (u32, u32),
    pairs: &[(Facet, &str)],
) -> ScannedItem {
    ScannedItem {
        metadata: Metadata {
            title: title.into(),
            show: Some(show.into()),
            season: Some(numbers.0),
            episode: Some(numbers.1),
            ..Metadata::default()
        },
        facets: facets(pairs),
        ..file(&format!("/media/tv/{name}.mkv"))
    }
}

/// A small library; the names of the files are what the tests say was found.
async fn library() -> Fixture {
    use Facet::{Actor, ContentRating, Country, Director, Genre, Imdb, ShowGenre, Tag};
    let f = fixture().await;
    let found = vec![
        film(
            "alien",
            "Alien",
            "1979-05-25",
            &[
                (Genre, "Science Fiction"),
                (Genre, "Horror"),
                (Director, "Ridley Scott"),
                (Actor, "Sigourney Weaver"),
                (ContentRating, "R"),
                (Imdb, "tt0078748"),
            ],
        ),
        film(
            "amelie",
            "Le Fabuleux Destin d\u{2019}Am\u{e9}lie Poulain",
            "2001-04-25",
            &[
                (Genre, "Comedy"),
                (Genre, "Romance"),
                (Country, "France"),
                (Tag, "paris at night"),
            ],
        ),
        film("spider", "Spider-Man", "2002", &[(Genre, "Action")]),
        film(
            "fresh",
            "11 Fresh",
            "2023-11-10",
            &[(Genre, "Fiction"), (Tag, "paris")],
        ),
        episode(
            "friends1",
            "The One Where It All Began",
            "Friends",
            (1, 1),
            &[(ShowGenre, "Comedy")],
        ),
        episode(
            "friends2",
            "The Last One",
            "Friends",
            (10, 17),
            &[(ShowGenre, "Comedy")],
        ),
        episode("lost", "Pilot", "Lost", (1, 1), &[(ShowGenre, "Drama")]),
    ];
    f.store.upsert_items(f.root, found, NOW).await.unwrap();
    f
}

async fn names(f: &Fixture, query: &str) -> String {
    let query = parse(query).unwrap();
    let ids = f
        .store
        .search(&query, &today(), false, 0, 1000)
        .await
        .unwrap();
    let mut names = Vec::new();
    for id in ids {
        let item = f.store.item(id).await.unwrap();
        names.push(
            item.path
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.join(" ")
}

#[tokio::test]
async fn searches_find_what_they_say() {
    let f = library().await;
    for (query, expected) in [
        ("*:*", "alien amelie spider fresh friends1 friends2 lost"),
        ("type:movie", "alien amelie spider fresh"),
        ("type:episode", "friends1 friends2 lost"),
        ("NOT type:movie", "friends1 friends2 lost"),
        ("type:show", "friends1 friends2 lost"),
        ("type:epi*", "friends1 friends2 lost"),
        // Words: capitals, accents and punctuation do not matter.
        ("alien", "alien"),
        ("ALIEN", "alien"),
        ("amelie", "amelie"),
        ("am\u{c9}lie", "amelie"),
        ("spider-man", "spider"),
        ("spider", "spider"),
        ("\"fabuleux destin\"", "amelie"),
        ("\"destin fabuleux\"", ""),
        ("title:\"no such \\\" thing\"", ""),
        ("\"!!!\"", ""),
        // Patterns.
        ("ali*", "alien"),
        ("*lien", "alien"),
        ("a?ien", "alien"),
        ("am\u{e9}l*", "amelie"),
        ("*m\u{e9}lie", "amelie"),
        ("spider-m*", "spider"),
        ("\\[x*", ""),
        // Lists: a value is not continued by the next one.
        ("genre:horror", "alien"),
        ("genre:\"science fiction\"", "alien"),
        ("genre:fiction", "alien fresh"),
        ("genre:\"fiction horror\"", ""),
        ("tag:paris", "amelie fresh"),
        ("tag_full:paris", "fresh"),
        ("tag_full:\"Paris at night\"", "amelie"),
        ("tag_full:paris*", "amelie fresh"),
        ("genre:[comedy TO drama]", "amelie friends1 friends2 lost"),
        ("country:*", "amelie"),
        ("plot:scream AND actor:weaver", "alien"),
        ("director:\"ridley scott\"", "alien"),
        ("content_rating:r", "alien"),
        ("imdb:tt0078748", "alien"),
        // A show is found for all its episodes, by its own title and genre.
        ("friends", "friends1 friends2"),
        ("title:friends AND type:episode", ""),
        ("show_title:friends AND type:episode", "friends1 friends2"),
        ("genre:comedy", "amelie friends1 friends2"),
        ("type:show AND genre:comedy", "friends1 friends2"),
        ("pilot", "lost"),
        ("season_number:10", "friends2"),
        ("type:season AND season_number:1", "friends1 lost"),
        ("episode_number:[2 TO *]", "friends2"),
        ("NOT height:1080 AND show_title:lost", "lost"),
        // A show has no director: neither one nor its absence finds it, its episodes are asked themselves.
        ("type:show AND NOT director:x", ""),
        ("type:episode AND NOT director:x", "friends1 friends2 lost"),
        ("show_title:lost AND NOT genre:drama", "lost"),
        ("show_title:lost AND NOT show_genre:drama", ""),
        // Dates; only the year is known of one.
        ("release_date:1979*", "alien"),
        ("release_date:[2001 TO 2002]", "amelie spider"),
        ("release_date:{20010425 TO *]", "spider fresh"),
        ("year:2002", "spider"),
        ("year:[* TO 1999]", "alien"),
        ("released_inthelast:\"1 week\"", "fresh"),
        ("released_inthelast:\"3 days\"", ""),
        ("released_notinthelast:\"1 week\"", "alien amelie spider"),
        (
            "added_inthelast:\"1 day\" AND type:movie",
            "alien amelie spider fresh",
        ),
        ("added_notinthelast:\"1 day\"", ""),
        (
            "added_date:20231114 AND type:movie",
            "alien amelie spider fresh",
        ),
        ("added_date:[20231115 TO *]", ""),
        ("title_and_year:\"alien (1979)\"", "alien"),
        ("jump_letter:a", "alien"),
        ("jump_letter:\\#", "fresh"),
        ("state:normal AND lost", "lost"),
        ("state:file_not_found", ""),
        // Combinations.
        ("genre:horror OR genre:action", "alien spider"),
        ("type:movie AND NOT genre:comedy", "alien spider fresh"),
        ("type:movie -genre:comedy -genre:horror", "spider fresh"),
        (
            "(genre:comedy OR genre:drama) AND type:show",
            "friends1 friends2 lost",
        ),
        ("height:[1 TO *]", ""),
    ] {
        assert_eq!(names(&f, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_search_follows_the_library() {
    let f = library().await;
    f.store
        .upsert_items(
            f.root,
            vec![film("alien", "Aliens", "1986", &[(Facet::Genre, "Action")])],
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(names(&f, "title:alien").await, "");
    assert_eq!(names(&f, "genre:horror").await, "");
    assert_eq!(names(&f, "title:aliens AND genre:action").await, "alien");

    let probed = f.store.items_to_probe(0, 1, true).await.unwrap().remove(0);
    f.store
        .set_probe(&probed, known(95 * 60 + 59))
        .await
        .unwrap();
    assert_eq!(names(&f, "minutes:95").await, "alien");
    assert_eq!(names(&f, "seconds:[5759 TO 5759]").await, "alien");
    let ids = f
        .store
        .search(&parse("*:*").unwrap(), &today(), true, 0, 10)
        .await
        .unwrap();
    assert_eq!(ids, [probed.id], "what channels can play");

    f.store.remove_root(f.root).await.unwrap();
    assert_eq!(names(&f, "*:*").await, "");
    assert_eq!(names(&f, "*lien*").await, "");
}

#[tokio::test]
async fn a_smart_collection_that_was_not_looked_up_is_an_error() {
    let f = library().await;
    let query = parse("smart_collection:\"old\"").unwrap();
    let error = f
        .store
        .search(&query, &today(), false, 0, 10)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("\u{201c}old\u{201d}"));
    let query = expand(query, &|_| Some("release_date:[* TO 1999]".into())).unwrap();
    let found = f
        .store
        .search(&query, &today(), false, 0, 10)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

/// The rows hold the probes and are big: a search over a large library must get along without them.
#[tokio::test]
async fn searches_by_facts_read_the_index_alone() {
    let f = fixture().await;
    for query in [
        "type:movie AND minutes:[60 TO 120]",
        "year:[1980 TO 1989] AND NOT type:episode",
        "height:[720 TO *] AND video_codec:h264",
        "added_inthelast:\"2 weeks\" OR chapters:[1 TO *]",
        "released_onthisday:1 AND season_number:1",
        "jump_letter:a AND state:normal",
    ] {
        let plan = f
            .store
            .search_plan(&parse(query).unwrap(), &today())
            .await
            .unwrap();
        let covered = plan
            .iter()
            .all(|step| !step.contains("items") || step.contains("COVERING INDEX"));
        assert!(covered, "{query}: {plan:#?}");
    }
}

#[tokio::test]
async fn smart_collections_are_kept_by_name_and_never_go_round_in_circles() {
    let f = library().await;
    let set = async |name: &str, query: &str| {
        let query = query.to_owned();
        let smart = Definition::Smart { query };
        f.store.set_collection(name, smart, NOW).await
    };
    let said = |result: Result<NamedCollection>| result.unwrap_err().to_string();
    set("Old", "release_date:[* TO 1999]").await.unwrap();
    set("Old horror", "smart_collection:old AND genre:horror")
        .await
        .unwrap();
    set(" OLD ", "release_date:[* TO 2001]").await.unwrap();
    let names: Vec<_> = f
        .store
        .collections()
        .await
        .unwrap()
        .into_iter()
        .map(|c| c.name)
        .collect();
    assert_eq!(
        names,
        ["Old", "Old horror"],
        "names that differ in capitals are one"
    );

    let query = parse("smart_collection:\"old horror\" OR smart_collection:OLD").unwrap();
    let query = f.store.with_smart_collections(query).await.unwrap();
    assert_eq!(
        f.store
            .search(&query, &today(), false, 0, 10)
            .await
            .unwrap()
            .len(),
        2
    );

    assert!(said(set("old", "smart_collection:\"Old horror\"").await).contains("contains itself"));
    assert!(said(set("new", "smart_collection:nowhere").await).contains("nowhere"));
    assert!(said(set("new", "genre:(").await).contains("column 7"));
    assert!(said(set("  ", "*:*").await).contains("name"));

    let error = f.store.remove_collection("OLD").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "another one names it");
    f.store.remove_collection("old horror").await.unwrap();
    f.store.remove_collection("old").await.unwrap();
    let error = f.store.remove_collection("old").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
