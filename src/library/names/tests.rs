use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::*;

/// Season, first and last episode, as `s1e2-3`.
fn number(m: &Metadata) -> String {
    let part = |prefix: &str, n: Option<u32>| n.map_or(String::new(), |n| format!("{prefix}{n}"));
    part("s", m.season) + &part("e", m.episode) + &part("-", m.episode_end)
}

fn named(kind: RootKind, path: &str) -> Named {
    identify(
        Path::new("/media/tv"),
        kind,
        &Path::new("/media/tv").join(path),
    )
}

#[test]
fn numbers_are_found_in_every_customary_form() {
    for (name, expected) in [
        ("Show s01e02", "s1e2"),
        ("Show S1E2", "s1e2"),
        ("Show.s01.e02", "s1e2"),
        ("Show s01_e02", "s1e2"),
        ("Show s01xe02", "s1e2"),
        ("Show s01 e02", "s1e2"),
        ("Show s01-e02", "s1e2"),
        ("Show S01 - E02", "s1e2"),
        ("Show S01EP02", "s1e2"),
        ("Show (s01e02)", "s1e2"),
        ("Show [s01e02]", "s1e2"),
        ("Show [1x02]", "s1e2"),
        ("Show 1x02", "s1e2"),
        ("Show 1X02", "s1e2"),
        ("Show 01x02", "s1e2"),
        ("Show.1x002.Title", "s1e2"),
        ("Show s2019e05", "s2019e5"),
        ("Show s01e100", "s1e100"),
        ("Show s01e1001", "s1e1001"),
        ("Show S00E03", "s0e3"),
        ("Show Season 1 Episode 2", "s1e2"),
        ("Show.Season.01.Episode.02", "s1e2"),
        ("Show - Staffel 1 Folge 2", "s1e2"),
        ("Show Saison 1 Épisode 2", "s1e2"),
        ("Show s01e02-s01e03", "s1e2-3"),
        ("Show s01e02 - s01e03", "s1e2-3"),
        ("Show s01e02s01e03", "s1e2-3"),
        ("Show s01e02e03", "s1e2-3"),
        ("Show s01e02e03e04", "s1e2-4"),
        ("Show s01e02.e03", "s1e2-3"),
        ("Show s01e02-e03", "s1e2-3"),
        ("Show s01e02-03", "s1e2-3"),
        ("Show s01e02-03-04", "s1e2-4"),
        ("Show 1x02-03", "s1e2-3"),
        ("Show 1x02x03", "s1e2-3"),
        ("Show 1x02-1x03", "s1e2-3"),
        ("Show 1x02 - 1x03", "s1e2-3"),
        // What only looks like a second episode.
        ("Show s01e02 - 24 Hours", "s1e2"),
        ("Show s01e02-720p", "s1e2"),
        ("Show s01e02-1080p", "s1e2"),
        ("Show s01e02.2019.1080p", "s1e2"),
        ("Show s01e02-01", "s1e2"),
        ("Show s01e02-s02e03", "s1e2"),
        ("Show s01e02-999", "s1e2"),
        ("Show s01e02.Eleven", "s1e2"),
        ("Show s01e02.E", "s1e2"),
        // What is no number at all.
        ("Show 1920x1080", ""),
        ("Show 16x9", ""),
        ("Show x264", ""),
        ("Shows01e02", ""),
        ("Show s01", ""),
        ("Show e02", ""),
        ("Show se02", ""),
        ("Show s01e", ""),
        ("Show s01e99999999999", ""),
        ("Show s99999999999e01", ""),
    ] {
        let found = named(RootKind::Auto, &format!("{name}.mkv"));
        assert_eq!(number(&found.metadata), expected, "{name}");
        let is_episode = found.kind == ItemKind::Episode;
        assert_eq!(is_episode, !expected.is_empty(), "{name}");
        if is_episode {
            assert_eq!(found.metadata.show.as_deref(), Some("Show"), "{name}");
        }
    }
}

#[test]
fn season_folders_are_told_from_other_folders() {
    for (folder, expected) in [
        ("Season 1", Some(1)),
        ("season 01", Some(1)),
        ("Season_1", Some(1)),
        ("Season.1", Some(1)),
        ("Season1", Some(1)),
        ("Season 1 (1999)", Some(1)),
        ("Season 1 - The Beginning", Some(1)),
        ("Season 2019", Some(2019)),
        ("Staffel 12", Some(12)),
        ("Saison 3", Some(3)),
        ("Series 4", Some(4)),
        ("Temporada 5", Some(5)),
        ("Säsong 2", Some(2)),
        ("SÄSONG 2", Some(2)),
        ("S02", Some(2)),
        ("s2", Some(2)),
        ("S02.1080p.BluRay", Some(2)),
        ("7", Some(7)),
        ("07", Some(7)),
        ("2019", Some(2019)),
        ("Show.S04.1080p.WEB-DL", Some(4)),
        ("Show S04", Some(4)),
        ("Specials", Some(0)),
        ("specials", Some(0)),
        ("Season 0", Some(0)),
        ("Season 00", Some(0)),
        ("Season (8)", None),
        ("s06e05", None),
        ("Show.S04E01.1080p", None),
        ("Season", None),
        ("Seasons 1", None),
        ("Season One", None),
        ("12345", None),
        ("S02E", None),
        ("Sx", None),
        ("Bonus", None),
        ("World Series 2016", None),
        ("", None),
    ] {
        let found = episode::season_folder(folder).map(|f| f.season);
        assert_eq!(found, expected, "{folder:?}");
    }
}

#[test]
fn folders_give_show_and_season_and_the_rest_of_the_name_the_title() {
    // Root kind, path, show, number, title.
    for (kind, path, show, expected, title) in [
        (
            RootKind::Auto,
            "Show/Season 1/Show - s01e02 - The Pilot.mkv",
            "Show",
            "s1e2",
            "The Pilot",
        ),
        (
            RootKind::Auto,
            "Show/Season 1/02 - The Pilot.mkv",
            "Show",
            "s1e2",
            "The Pilot",
        ),
        (
            RootKind::Auto,
            "Show/Season 1/02.mkv",
            "Show",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Auto,
            "Show/Season 1/E02.mkv",
            "Show",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Auto,
            "Show/Season 1/Episode 2.mkv",
            "Show",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Auto,
            "Show/Staffel 1/Folge 2 - Der Anfang.mkv",
            "Show",
            "s1e2",
            "Der Anfang",
        ),
        (
            RootKind::Auto,
            "Show/S01/s01e02-03.mkv",
            "Show",
            "s1e2-3",
            "Episodes 2–3",
        ),
        (
            RootKind::Auto,
            "Show/Specials/Making Of.mkv",
            "Show",
            "s0",
            "Making Of",
        ),
        (
            RootKind::Auto,
            "Show/Season 1/Show s02e05 Moved.mkv",
            "Show",
            "s2e5",
            "Moved",
        ),
        (
            RootKind::Auto,
            "Show (2005)/show.s01e02.mkv",
            "Show (2005)",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Auto,
            "tv/Some.Show.S01E02.The.Pilot.720p.HDTV.x264-GRP.mkv",
            "Some Show",
            "s1e2",
            "The Pilot",
        ),
        (
            RootKind::Auto,
            "Show.S04.1080p.WEB/show.s04e01.mkv",
            "Show",
            "s4e1",
            "Episode 1",
        ),
        (
            RootKind::Auto,
            "Show.S04.1080p.WEB/01.mkv",
            "Show",
            "s4e1",
            "Episode 1",
        ),
        (
            RootKind::Auto,
            "Doctor.Who.2005.S01E02.mkv",
            "Doctor Who (2005)",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Auto,
            "Firefly/1x02.mkv",
            "Firefly",
            "s1e2",
            "Episode 2",
        ),
        (RootKind::Auto, "1x02.mkv", "tv", "s1e2", "Episode 2"),
        (RootKind::Auto, "Season 1/02.mkv", "tv", "s1e2", "Episode 2"),
        (
            RootKind::Auto,
            "S.W.A.T.S01E02.Fire.mkv",
            "S.W.A.T.",
            "s1e2",
            "Fire",
        ),
        (
            RootKind::Shows,
            "Show/7/02 - Title.mkv",
            "Show",
            "s7e2",
            "Title",
        ),
        (
            RootKind::Shows,
            "24/24 - s01e02.mkv",
            "24",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Shows,
            "24/Season 1/02.mkv",
            "24",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Shows,
            "Planet Earth/Pole to Pole.mkv",
            "Planet Earth",
            "",
            "Pole to Pole",
        ),
        (
            RootKind::Shows,
            "The Office (US)/Season 02/office.us.2x05.halloween.mkv",
            "The Office (US)",
            "s2e5",
            "halloween",
        ),
        (
            RootKind::Shows,
            "Show/Season 1/Disc 1/Show s01e02.mkv",
            "Show",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Shows,
            "Show.S04.1080p/s04e01.mkv",
            "Show",
            "s4e1",
            "Episode 1",
        ),
        (
            RootKind::Shows,
            "Show s01e02.mkv",
            "Show",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Shows,
            "Season 1/s01e02.mkv",
            "tv",
            "s1e2",
            "Episode 2",
        ),
        (
            RootKind::Shows,
            "Show/Season 1/Show.S01E02.1080p.mkv",
            "Show",
            "s1e2",
            "Episode 2",
        ),
    ] {
        let found = named(kind, path);
        assert_eq!(found.kind, ItemKind::Episode, "{path}");
        let m = &found.metadata;
        let got = (m.show.as_deref(), number(m), m.title.as_str());
        assert_eq!(got, (Some(show), expected.to_owned(), title), "{path}");
    }
}

#[test]
fn air_dates_make_episodes_where_a_show_is_named_and_stay_dates_elsewhere() {
    use ItemKind::{Episode, Other};
    for (kind, path, expected, date, title) in [
        (
            RootKind::Auto,
            "The.Daily.Show.2019.03.04.Some.Guest.720p.mkv",
            Episode,
            Some("2019-03-04"),
            "Some Guest",
        ),
        (
            RootKind::Auto,
            "News 2019-03-04.mkv",
            Episode,
            Some("2019-03-04"),
            "2019-03-04",
        ),
        (
            RootKind::Auto,
            "News 04.03.2019.mkv",
            Episode,
            Some("2019-03-04"),
            "2019-03-04",
        ),
        (
            RootKind::Shows,
            "News/2019/2019-03-04 - Title.mkv",
            Episode,
            Some("2019-03-04"),
            "Title",
        ),
        (
            RootKind::Auto,
            "2019-03-04 Birthday.mkv",
            Other,
            Some("2019-03-04"),
            "2019-03-04 Birthday",
        ),
        (
            RootKind::Other,
            "Trip 2019-03-04.mkv",
            Other,
            Some("2019-03-04"),
            "Trip 2019-03-04",
        ),
        (
            RootKind::Auto,
            "News 2019-13-04.mkv",
            Other,
            None,
            "News 2019-13-04",
        ),
        (
            RootKind::Auto,
            "News 2019-02-30.mkv",
            Other,
            None,
            "News 2019-02-30",
        ),
        (
            RootKind::Auto,
            "News 2019-03.04.mkv",
            Other,
            None,
            "News 2019-03.04",
        ),
        (
            RootKind::Auto,
            "News 12019-03-04.mkv",
            Other,
            None,
            "News 12019-03-04",
        ),
    ] {
        let found = named(kind, path);
        let got = (
            found.kind,
            found.metadata.date.as_deref(),
            found.metadata.title.as_str(),
        );
        assert_eq!(got, (expected, date, title), "{path}");
    }
}

#[test]
fn films_take_the_year_from_the_name_or_the_folder() {
    use ItemKind::{Movie, Other};
    for (kind, path, expected, title, year) in [
        (RootKind::Auto, "Heat (1995).mkv", Movie, "Heat", Some(1995)),
        (
            RootKind::Auto,
            "Heat (1995)/heat-cd1.mkv",
            Movie,
            "Heat",
            Some(1995),
        ),
        (
            RootKind::Auto,
            "Heat (1995)/BDMV/STREAM/00001.m2ts",
            Movie,
            "Heat",
            Some(1995),
        ),
        (
            RootKind::Auto,
            "Heat.1995.1080p.BluRay/heat.1995.1080p.bluray.mkv",
            Movie,
            "heat",
            Some(1995),
        ),
        (RootKind::Auto, "Heat.mkv", Other, "Heat", None),
        (RootKind::Movies, "Heat.mkv", Movie, "Heat", None),
        (
            RootKind::Movies,
            "Area 51x02.mkv",
            Movie,
            "Area 51x02",
            None,
        ),
        (
            RootKind::Other,
            "Heat (1995).mkv",
            Other,
            "Heat",
            Some(1995),
        ),
        (RootKind::Shows, "Heat.mkv", Other, "Heat", None),
        (RootKind::Movies, "[1080p].mkv", Movie, "[1080p]", None),
        (RootKind::Movies, "--.mkv", Movie, "--", None),
        (RootKind::Movies, " .mkv", Movie, "?", None),
        (RootKind::Movies, "-i (2000).mkv", Movie, "i", Some(2000)),
        (
            RootKind::Movies,
            "It's \"quoted\" & <odd>.mkv",
            Movie,
            "It's \"quoted\" & <odd>",
            None,
        ),
        (
            RootKind::Movies,
            "two\nlines (2001).mkv",
            Movie,
            "two lines",
            Some(2001),
        ),
    ] {
        let found = named(kind, path);
        let m = &found.metadata;
        assert_eq!(
            (found.kind, m.title.as_str(), m.year),
            (expected, title, year),
            "{path:?}"
        );
    }
}

#[test]
fn names_that_are_not_utf8_are_shown_with_replacement_characters() {
    let file = PathBuf::from("/media/tv").join(OsStr::from_bytes(b"Caf\xe9 (1999).mkv"));
    let found = identify(Path::new("/media/tv"), RootKind::Auto, &file);
    assert_eq!(found.metadata.title, "Caf\u{fffd}");
    assert_eq!(found.metadata.year, Some(1999));
}

#[test]
fn no_name_makes_the_parser_fail() {
    let pieces = [
        "s",
        "S01",
        "e",
        "E02",
        "x",
        "1x02",
        "-",
        " ",
        ".",
        "(",
        ")",
        "[",
        "{",
        "1999",
        "é",
        "\u{2007}",
        "2019-03-04",
        "Season ",
        "🎬",
    ];
    for a in pieces {
        for b in pieces {
            for c in pieces {
                for kind in [
                    RootKind::Auto,
                    RootKind::Movies,
                    RootKind::Shows,
                    RootKind::Other,
                ] {
                    let found = named(kind, &format!("{b}{a}/{c}{a}/{a}{b}{c}.mkv"));
                    assert!(!found.metadata.title.is_empty(), "{a}{b}{c}");
                }
            }
        }
    }
}
