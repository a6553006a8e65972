//! The examples of the documentation play what it says.

use super::*;
use crate::schedule::file::read;

const PAGES: [(&str, &str); 2] = [
    ("schedules.md", include_str!("../../../docs/schedules.md")),
    (
        "schedule.md",
        include_str!("../../../docs/reference/schedule.md"),
    ),
];

const MINUTE_MS: i64 = 60_000;

/// The YAML of a page.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```yaml\n").skip(1);
    blocks
        .filter_map(|b| b.split("```").next())
        .map(str::to_owned)
        .collect()
}

fn named(page: &str, n: usize) -> Program {
    let (_, text) = PAGES.iter().find(|(name, _)| *name == page).unwrap();
    read(&examples(text)[n]).unwrap().program
}

/// A library with what the examples name, and a fortnight of a program from a Monday's midnight in UTC.
fn fortnight(program: &Program) -> (Catalog, Built) {
    let mut items = Vec::new();
    let mut collections: Vec<(Collection, std::ops::Range<i64>)> = Vec::new();
    let mut add =
        |of: Collection, count: i64, seconds: i64, show: fn(i64) -> Option<&'static str>| {
            let first = items.len() as i64 + 1;
            for n in 0..count {
                let mut one = item(first + n, Ticks90k((seconds + n * 7) * 90_000));
                one.show = show(n).map(Into::into);
                one.season = one.show.is_some().then_some(1);
                one.episode = one.show.is_some().then_some(n as u32 + 1);
                items.push(one);
            }
            collections.push((of, first..first + count));
        };
    let folder = |name: &str| Collection::Folder {
        path: format!("/media/{name}").into(),
    };
    let show = |title: &str| Collection::Show {
        title: title.into(),
    };
    add(show("Cheers"), 40, 22 * 60, |_| Some("Cheers"));
    add(show("Frasier"), 40, 21 * 60, |_| Some("Frasier"));
    add(folder("films"), 20, 95 * 60, |_| None);
    add(folder("clips"), 30, 4 * 60, |_| None);
    add(folder("trailers"), 12, 100, |_| None);
    add(folder("ads"), 25, 20, |_| None);
    add(folder("bumpers"), 4, 15, |_| None);
    add(folder("series"), 48, 45 * 60, |n| {
        Some(["Alpha", "Beta", "Gamma"][(n % 3) as usize])
    });
    let catalog = Catalog::new(items);
    let mut contents = Contents::all(Collection::Library, &catalog);
    for (of, ids) in collections {
        let found = ids.filter_map(|id| catalog.find(id));
        contents.put(of, Content::Items(found.collect()));
    }
    let from = UtcMs(1_763_942_400_000);
    let built = super::super::build(&BuildInput {
        program,
        catalog: &catalog,
        contents: &contents,
        history: &History::default(),
        seed: 7,
        zone: &TimeZone::UTC,
        from,
        until: from.plus(14 * DAY_MS),
        state: None,
    });
    (catalog, built)
}

fn show_of(catalog: &Catalog, entry: &Planned) -> Option<String> {
    let Plays::Item { id, .. } = entry.plays else {
        return None;
    };
    let item = catalog.get(catalog.find(id)?)?;
    item.show.as_deref().map(str::to_owned)
}

fn minute_of_day(t: UtcMs) -> i64 {
    t.0.rem_euclid(DAY_MS) / MINUTE_MS
}

#[test]
fn every_example_is_read_and_plays_without_a_warning() {
    for (page, text) in PAGES {
        let examples = examples(text);
        assert!(examples.len() >= 2, "{page}");
        for (n, example) in examples.iter().enumerate() {
            let program = match read(example) {
                Ok(reading) => reading.program,
                Err(problems) => panic!("{page}, example {n}: {problems:?}"),
            };
            super::files::check_text(&program, page);
            let (_, built) = fortnight(&program);
            assert_eq!(built.warnings.list, [], "{page}, example {n}");
            let empty = built
                .entries
                .iter()
                .filter(|e| e.role == Role::Empty)
                .count();
            assert_eq!(empty, 0, "{page}, example {n}");
        }
    }
}

#[test]
fn the_page_for_newcomers_is_short() {
    assert!(PAGES[0].1.lines().count() <= 150);
}

#[test]
fn the_sitcoms_of_the_page_begin_at_full_and_half_hours() {
    let (catalog, built) = fortnight(&named("schedules.md", 0));
    let episodes: Vec<_> = built
        .entries
        .iter()
        .filter(|e| e.role == Role::Programme)
        .collect();
    assert!(episodes.len() >= 14 * 48 - 1, "{}", episodes.len());
    for pair in episodes.windows(2) {
        assert_eq!(pair[1].start.0 % (30 * MINUTE_MS), 0);
        assert_eq!(pair[1].start.since(pair[0].start), 30 * MINUTE_MS);
        assert_ne!(
            show_of(&catalog, pair[0]),
            show_of(&catalog, pair[1]),
            "they take turns"
        );
    }
    assert!(built.entries.iter().any(|e| e.role == Role::PostRoll));
    let gaps = built.entries.iter().filter(|e| e.plays == Plays::Gap);
    assert_eq!(gaps.count(), 0, "the bumper covers what the ads leave");
}

#[test]
fn the_film_of_the_page_begins_at_a_quarter_past_eight_every_day() {
    let (_, built) = fortnight(&named("schedules.md", 1));
    let films: Vec<_> = built
        .entries
        .iter()
        .filter(|e| e.why.rule.contains("film of the day"))
        .collect();
    let films: Vec<_> = films
        .into_iter()
        .filter(|e| e.role == Role::Programme)
        .collect();
    assert_eq!(films.len(), 14);
    for film in films {
        assert_eq!(minute_of_day(film.start), 20 * 60 + 15, "{film:?}");
        assert_eq!(film.start.0 % MINUTE_MS, 0, "{film:?}");
    }
    let mornings = built
        .entries
        .iter()
        .filter(|e| minute_of_day(e.start) == 6 * 60 && e.start.0 % MINUTE_MS == 0);
    assert!(mornings.count() >= 13, "the day begins at six");
}

#[test]
fn the_weekend_of_the_page_is_a_marathon() {
    let (catalog, built) = fortnight(&named("schedules.md", 2));
    let mut weekend = Vec::new();
    for entry in &built.entries {
        // From a Monday on; the second day of December and later have films only.
        let day = entry.start.since(built.entries[0].start) / DAY_MS;
        let show = show_of(&catalog, entry);
        match day {
            0..=4 => assert!(
                show.is_none() || show.as_deref() == Some("Cheers"),
                "{day} {show:?}"
            ),
            5 | 6 => weekend.extend(show.filter(|show| show != "Cheers")),
            8.. => assert_eq!(show, None, "{day}"),
            _ => {}
        }
    }
    assert!(weekend.len() > 50, "{}", weekend.len());
    let whole = &weekend[4..weekend.len() - 4];
    let runs = whole.chunk_by(|a, b| a == b).map(<[String]>::len);
    let runs: Vec<usize> = runs.collect();
    assert!(runs[1..runs.len() - 1].iter().all(|n| *n == 4), "{runs:?}");
}
