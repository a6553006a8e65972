use super::*;

const PLAYOUT: &str = r#"{
  "version": "https://ersatztv.org/playout/version/0.0.3",
  "items": [
    {"id": "1", "start": "2026-01-31T20:15:00+01:00", "finish": "2026-01-31T20:45:00+01:00",
     "source": {"source_type": "local", "path": "/old/a.mkv", "in_point_ms": 60000, "out_point_ms": 1260000}},
    {"id": "2", "start": "2026-01-31T19:45:00Z", "finish": "2026-01-31T20:00:00Z",
     "source": {"source_type": "lavfi", "params": "testsrc"}},
    {"id": "3", "start": "2026-01-31T20:00:00Z", "finish": "2026-01-31T20:00:30.500Z",
     "tracks": {"video": {"source": {"source_type": "local", "path": "/old/b.mkv"}}}, "graphics": []}
  ]
}"#;

fn wanted(path: &str, at_ms: i64, length_ms: i64, from_ms: i64) -> Wanted {
    let path = path.to_owned();
    Wanted {
        path,
        at_ms,
        length_ms,
        from_ms,
    }
}

#[test]
fn a_playout_of_ersatztv_is_read_with_its_in_and_out_points() {
    let plan = read(PLAYOUT).unwrap().unwrap();
    assert_eq!(plan.since, UtcMs(1_769_886_900_000));
    assert_eq!(plan.repeat_ms, None);
    assert_eq!(
        plan.wanted,
        [
            wanted("/old/a.mkv", 0, 1_200_000, 60_000),
            wanted("/old/b.mkv", 2_700_000, 30_500, 0)
        ]
    );
    assert_eq!(
        plan.left_out,
        ["item 2 at 2026-01-31T19:45:00Z is no file but lavfi"]
    );
}

#[test]
fn a_playout_that_is_written_is_read_again() {
    let played = Played {
        id: 7,
        start: UtcMs(1_769_886_900_250),
        stop: UtcMs(1_769_886_960_000),
        path: "/m/\u{e9} \"x\".mkv".to_owned(),
        from_ms: 1_500,
    };
    let text = write(std::slice::from_ref(&played)).unwrap();
    let plan = read(&text).unwrap().unwrap();
    assert_eq!(plan.since, played.start);
    assert_eq!(plan.wanted, [wanted(&played.path, 0, 59_750, 1_500)]);
}

#[test]
fn a_channel_of_dizquetv_is_a_list_that_is_played_again_and_again() {
    let channel = r#"{"number": 5, "name": "Five", "startTime": "2024-01-31T20:15:00.000Z", "programs": [
        {"title": "Pilot", "showTitle": "A", "type": "episode", "duration": 1320000.4, "file": "/tv/a1.mkv"},
        {"duration": 480000, "isOffline": true},
        {"duration": 600000, "isOffline": true, "type": "redirect", "channel": 3},
        {"title": "Track", "type": "track", "duration": -1, "plexFile": "/library/parts/1"},
        {"title": "Film", "type": "movie", "duration": 5400000, "file": "D:\\films\\b.mkv"}], "fillerCollections": []}"#;
    let plan = read(channel).unwrap().unwrap();
    assert_eq!(plan.since, UtcMs(1_706_732_100_000));
    assert_eq!(plan.repeat_ms, Some(7_800_000));
    assert_eq!(
        plan.wanted,
        [
            wanted("/tv/a1.mkv", 0, 1_320_000, 0),
            wanted("D:\\films\\b.mkv", 2_400_000, 5_400_000, 0)
        ]
    );
    assert_eq!(
        plan.left_out,
        [
            "a time in which another channel is shown",
            "Track: says no file"
        ]
    );
}

#[test]
fn what_is_no_plan_of_another_program_is_left_to_others_and_a_damaged_one_is_told_with_its_place() {
    for other in [
        "",
        "kind: loop",
        "{",
        "{}",
        "[]",
        r#"{"kind": "loop"}"#,
        r#"{"version": "1"}"#,
    ] {
        assert!(read(other).is_none(), "{other}");
    }
    for (text, line, words) in [
        (PLAYOUT.replace("0.0.3", "0.1.0"), 2, "is not understood"),
        (
            PLAYOUT.replace(
                "\"finish\": \"2026-01-31T20:45:00+01:00\"",
                "\"finish\": \"now\"",
            ),
            4,
            "\"now\" is no moment",
        ),
        (
            PLAYOUT.replace("_ms\": 60000", "_ms\": \"x\""),
            5,
            "invalid type",
        ),
        (
            r#"{"programs": [], "startTime": "yesterday"}"#.to_owned(),
            1,
            "\"startTime\"",
        ),
        (
            r#"{"programs": [{}], "startTime": 5}"#.to_owned(),
            1,
            "duration",
        ),
    ] {
        let problem = read(&text).unwrap().unwrap_err();
        assert_eq!(problem.line, line, "{problem}");
        assert!(problem.message.contains(words), "{problem}");
    }
}

#[test]
fn paths_of_other_machines_are_mapped_by_the_longest_beginning() {
    let map = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    let maps = map(&[
        ("/data", "/media"),
        ("/data/tv/", "/srv/series"),
        ("D:\\films", "/media/films"),
    ]);
    for (path, expected) in [
        ("/data/x.mkv", "/media/x.mkv"),
        ("/data/tv/x.mkv", "/srv/series/x.mkv"),
        ("/database/x.mkv", "/database/x.mkv"),
        ("/data", "/media"),
        ("D:\\films\\a\\b.mkv", "/media/films/a/b.mkv"),
        ("/odd\\name.mkv", "/odd\\name.mkv"),
    ] {
        assert_eq!(mapped(path, &maps), expected);
    }
}
