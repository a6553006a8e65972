//! Programs as text: what is written is read as the same program, and what is wrong is told with its place.

use super::properties::{Chance, classic, order};
use super::*;
use crate::schedule::file::{Problem, read, write};

/// The text of a program says the program, and reading and writing it changes nothing.
pub(super) fn check_text(program: &Program, case: &str) {
    let text = write(program);
    match read(&text) {
        Ok(reading) => {
            assert_eq!(&reading.program, program, "{case}:\n{text}");
            let picks = program.picks().len();
            assert!(reading.named.len() >= picks.min(1), "{case}:\n{text}");
        }
        Err(problems) => panic!("{case}: {problems:?}\n{text}"),
    }
}

#[test]
fn programs_are_the_same_when_written_and_read() {
    for seed in 0..2_000 {
        let mut chance = Chance::new(seed * 1000);
        let program = match chance.one_in(4) {
            true => loop_of(order(&mut chance)),
            false => Program::Classic(classic(&mut chance)),
        };
        check_text(&program, &format!("program {seed}"));
    }
}

#[test]
fn names_of_every_kind_are_the_same_when_written_and_read() {
    for name in [
        "Cheers",
        "24",
        "1e5",
        "true",
        "no",
        "null",
        "~",
        "",
        " ",
        " x ",
        "a: b",
        "a #b",
        "- x",
        "[x]",
        "{x: 1}",
        "*x",
        "&x",
        "!x",
        "|",
        ">",
        "'",
        "\"",
        "\\",
        "%",
        "@",
        "`",
        "a\nb",
        "a\tb",
        "\u{0}",
        "\u{1b}",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{feff}x",
        "Ä. Ö?",
        "日本",
        "🦀",
        "20:15",
        "2024-01-01",
        "0x1F",
        ".5",
        "+1",
        "show",
        "library",
        "<<",
        "kind",
        "...",
        "---",
        "x...",
        "# x",
        "x:",
        "?",
        "? x",
    ] {
        let pick = Pick {
            of: Collection::Show { title: name.into() },
            order: PlayOrder::Shuffle.into(),
            place: Some(name.into()),
        };
        check_text(&Program::Loop(Loop { pick }), name);
        let path = std::path::PathBuf::from(format!("/{name}"));
        let pick = Pick::new(Collection::Folder { path }, PlayOrder::Marathon);
        check_text(&Program::Loop(Loop { pick }), name);
    }
}

const EVENING: &str = "\
# Comments stay out of the program.
kind: classic
schedule:
  grace: 5 min
  items:
    - name: day
      show: Cheers
      order: season-episode
      mode: flood
      fillers:
        post-roll: {name: ads, folder: /ads, amount: {pad: 30 min}}
    - collection: library
      mode: {duration: 1 h 30 min, tail: filler, discard: 2}
      start: 20:15
      fixed_start: flexible
    - pick: {collection: show, title: 24, place: own}
      mode: {multiple: 3}
      start: \"23:00\"
alternates:
  - on: {weekdays: saturday, months: [12]}
    schedule:
      items:
        - {show: Cheers, mode: one}
";

#[test]
fn a_schedule_is_read_as_a_person_writes_it() {
    let reading = read(EVENING).unwrap();
    let Program::Classic(Classic {
        schedule,
        alternates,
    }) = reading.program
    else {
        panic!("it is a classic schedule");
    };
    use crate::schedule::classic::*;
    use crate::schedule::filler::Amount;
    assert_eq!(schedule.grace_s, 300);
    let [day, film, night] = schedule.items.as_slice() else {
        panic!("it has three items");
    };
    let show = |title: &str| Collection::Show {
        title: title.into(),
    };
    assert_eq!(
        day.pick,
        Pick::new(show("Cheers"), PlayOrder::SeasonEpisode)
    );
    let ads = day.fillers.post_roll.as_ref().unwrap();
    assert_eq!(ads.amount, Amount::PadMinutes(30));
    let length = Mode::Duration {
        ms: 5_400_000,
        tail: TailMode::Filler,
        discard: 2,
    };
    assert_eq!(film.mode, length);
    assert_eq!(film.start, TimeOfDay::parse("20:15"));
    assert_eq!(
        night.mode,
        Mode::Multiple(Count::Of(Sum::parse("3").unwrap()))
    );
    assert_eq!(night.pick.of, show("24"));
    assert_eq!(night.pick.place.as_deref(), Some("own"));
    assert_eq!(alternates[0].on.weekdays, [Day::Saturday]);
    let named: Vec<&Collection> = reading.named.iter().map(|n| &n.of).collect();
    let ads = Collection::Folder {
        path: "/ads".into(),
    };
    assert_eq!(
        named,
        [
            &show("Cheers"),
            &ads,
            &Collection::Library,
            &show("24"),
            &show("Cheers")
        ]
    );
    assert_eq!(reading.named[1].problem("x").line, 11);
}

#[test]
fn parts_with_a_name_are_used_again() {
    let text = "kind: classic\nschedule:\n  items:\n    - &a {show: A, mode: one}\n    - *a\n    - {<<: *a, mode: flood}\n";
    let Program::Classic(classic) = read(text).unwrap().program else {
        panic!("it is a classic schedule");
    };
    let modes: Vec<_> = classic.schedule.items.iter().map(|i| &i.mode).collect();
    use crate::schedule::classic::Mode;
    assert_eq!(modes, [&Mode::One, &Mode::One, &Mode::Flood]);
}

fn check_problems(text: &str, expected: &[(u32, u32, &str)]) {
    let found = read(text).expect_err(text);
    let fits = |(found, expected): (&Problem, &(u32, u32, &str))| {
        (found.line, found.column) == (expected.0, expected.1) && found.message.contains(expected.2)
    };
    let all = found.len() == expected.len() && found.iter().zip(expected).all(fits);
    let list: Vec<String> = found.iter().map(Problem::to_string).collect();
    assert!(all, "{text}\n{}\ninstead of {expected:?}", list.join("\n"));
}

#[test]
fn every_problem_of_a_file_is_told_with_its_place_and_how_to_mend_it() {
    let text = EVENING
        .replace("season-episode", "season_episodes")
        .replace("mode: flood", "mod: flood")
        .replace("folder: /ads", "foldr: /ads")
        .replace("20:15", "25:15")
        .replace("grace: 5 min", "grace: 300")
        .replace("mode: one}", "mode: sometimes}")
        .replace("[12]", "[december]");
    check_problems(
        &text,
        &[
            (4, 10, "write 30 min"),
            (8, 14, "did you mean \"season-episode\"?"),
            (9, 7, "did you mean \"mode\"?"),
            (11, 32, "did you mean \"folder\"?"),
            (14, 14, "write 20:15"),
            (20, 39, "\"december\""),
            (23, 32, "possible are one, multiple"),
        ],
    );
}

#[test]
fn what_is_wrong_is_told_where_it_is() {
    let item = |item: &str| format!("kind: classic\nschedule:\n  items:\n    - {item}\n");
    for (text, expected) in [
        (String::new(), &[(1, 1, "kind: classic")][..]),
        ("schedule: {}".into(), &[(1, 1, "kind: classic")]),
        (
            "kind: clasic\nschedule: {}".into(),
            &[(1, 7, "did you mean \"classic\"?")],
        ),
        ("kind: [x]".into(), &[(1, 1, "kind: classic")]),
        ("- kind: classic".into(), &[(1, 1, "kind: classic")]),
        ("kind: classic".into(), &[(1, 1, "\"schedule\" is missing")]),
        (
            "kind: loop".into(),
            &[(1, 1, "nothing says what is played")],
        ),
        (
            "kind: loop\nshow: A\nodrer: shuffle".into(),
            &[(3, 1, "did you mean \"order\"?")],
        ),
        (
            "kind: loop\nshow: A\nfolder: /b".into(),
            &[(3, 1, "\"folder\"")],
        ),
        ("kind: loop\nshow:".into(), &[(2, 1, "Write show: NAME")]),
        (
            "kind: loop\ncollection: show".into(),
            &[(1, 1, "\"title\" is missing")],
        ),
        (
            "kind: loop\ncollection: show\ntitle: A\nyear: 3".into(),
            &[(4, 1, "\"year\"")],
        ),
        (
            "kind: loop\ncollection: library\ntitle: A".into(),
            &[(3, 1, "\"title\"")],
        ),
        (
            "kind: loop\nshow: A\nshow: B".into(),
            &[(3, 1, "a second time (first in line 2)")],
        ),
        (
            "kind: loop\nshow: A\norder: {by: shufle}".into(),
            &[(3, 13, "did you mean \"shuffle\"?")],
        ),
        (
            "kind: loop\nshow: [A]".into(),
            &[(2, 7, "wanted is a string")],
        ),
        ("kind: loop\n  show: A".into(), &[(2, 7, "YAML")]),
        (
            "kind: loop\nshow: A\n---\nkind: loop".into(),
            &[(3, 1, "second document")],
        ),
        ("kind: loop\nshow: *a".into(), &[(2, 7, "YAML")]),
        (item("{show: A}"), &[(4, 7, "\"mode\" is missing")]),
        (
            item("{mode: one}"),
            &[(4, 7, "nothing says what is played")],
        ),
        (
            item("{show: A, mode: multiple}"),
            &[(4, 23, "needs a value")],
        ),
        (
            item("{show: A, mode: {one: 2}}"),
            &[(4, 29, "takes no value")],
        ),
        (
            item("{show: A, mode: {duration: 30}}"),
            &[(4, 34, "30 min")],
        ),
        (
            item("{show: A, mode: {duration: 30 min, tial: filler}}"),
            &[(4, 42, "did you mean \"tail\"?")],
        ),
        (
            item("{show: A, mode: {duration: 30 min, discard: -1}}"),
            &[(4, 51, "\"-1\"")],
        ),
        (item("{show: A, mode: [one]}"), &[(4, 23, "a list")]),
        (
            item("{show: A, mode: one, hidden: maybe}"),
            &[(4, 36, "true or false")],
        ),
        (
            item("{show: A, mode: one, fillers: ads}"),
            &[(4, 37, "a map is wanted")],
        ),
        (
            item("{show: A, mode: one, name: [a]}"),
            &[(4, 34, "one word")],
        ),
    ] {
        check_problems(&text, expected);
    }
}

#[test]
fn a_text_cannot_make_the_reader_work_without_bound() {
    let mut laughs = String::from("kind: loop\na0: &a0 [x, x, x, x, x, x, x, x]\n");
    for n in 1..40 {
        let before = format!("*a{}", n - 1);
        laughs.push_str(&format!("a{n}: &a{n} [{}]\n", vec![before; 8].join(", ")));
    }
    let found = read(&laughs).unwrap_err();
    assert!(
        found.iter().any(|p| p.message.contains("parts")),
        "{found:?}"
    );
    let deep = format!("kind: loop\nx: {}", "[".repeat(5_000));
    let found = read(&deep).unwrap_err();
    assert!(found[0].message.contains("YAML"), "{found:?}");
    // A thousand mistakes are not a thousand lines.
    let items: String = (0..1000).map(|_| "    - {mode: x}\n").collect();
    let found = read(&format!("kind: classic\nschedule:\n  items:\n{items}")).unwrap_err();
    assert_eq!(found.len(), 50);
}

const NIGHT: &str = "\
content:
  - key: sitcoms
    show: Cheers
    order: chronological
  - key: films
    show: Films
    order: shuffle
playout:
  - count: 2
    content: sitcoms
  - all: true
    content: films
";

#[test]
fn a_file_that_says_what_to_do_is_a_sequential_schedule() {
    let reading = read(NIGHT).unwrap();
    assert_eq!(reading.program.kind(), "sequential");
    check_text(&reading.program, "sequential");
    let named: Vec<_> = reading
        .named
        .iter()
        .map(|n| (&n.of, n.problem("").line))
        .collect();
    let show = |title: &str| Collection::Show {
        title: title.into(),
    };
    assert_eq!(named, [(&show("Cheers"), 2), (&show("Films"), 5)]);
    check_problems(
        &NIGHT.replace("content: films", "content: fims"),
        &[(12, 14, "films")],
    );
    check_problems(
        &format!("{NIGHT}import: [other.yaml]\n"),
        &[(13, 10, "put what it says into this file")],
    );
}
