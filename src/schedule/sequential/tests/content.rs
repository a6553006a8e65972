//! From what a schedule draws.

use crate::schedule::sequential::{Sequential, read};
use crate::schedule::{Collection, Problem};

fn alone(text: &str) -> Result<Sequential, Vec<Problem>> {
    read(text, &|name| Err(format!("there is no {name}"))).map(|reading| reading.schedule)
}

#[test]
fn content_is_any_collection() {
    let name = || "Late night".to_owned();
    for (text, of) in [
        (
            "smart_collection: Late night",
            Collection::Smart { name: name() },
        ),
        (
            "collection: Late night",
            Collection::Manual { name: name() },
        ),
        (
            "multi_collection: Late night",
            Collection::Multi { name: name() },
        ),
        (
            "playlist: Late night",
            Collection::Playlist { name: name() },
        ),
        (
            "first_run: Late night",
            Collection::FirstRun { name: name() },
        ),
        ("rerun: Late night", Collection::Rerun { name: name() }),
        (
            "search: 'type:movie'",
            Collection::Search {
                query: "type:movie".to_owned(),
            },
        ),
        (
            "search: , query: 'type:movie'",
            Collection::Search {
                query: "type:movie".to_owned(),
            },
        ),
    ] {
        let text = format!(
            "content: [{{{text}, key: A, order: shuffle}}]\nplayout: [{{count: 1, content: A}}]"
        );
        let schedule = alone(&text).unwrap();
        assert_eq!(schedule.content[0].of, of, "{text}");
        let again = alone(&schedule.to_yaml()).unwrap();
        assert_eq!(again, schedule, "{text}");
    }
    let said =
        alone("content: [{search: , key: A, order: shuffle}]\nplayout: [{count: 1, content: A}]");
    let said = said.unwrap_err()[0].to_string();
    assert_eq!(
        said,
        "1:11: content `search` has no `query`: say what is looked for"
    );
}
