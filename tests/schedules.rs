//! Schedules in files, with the real program: applied, shown, looked over, explained.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::daemon::{Instance, said};
use serde_json::{Value, json};

fn lines(instance: &Instance, args: &[&str]) -> String {
    let output = instance.run(args);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command says that fails.
fn failure(instance: &Instance, args: &[&str]) -> String {
    let output = instance.run(args);
    assert!(!output.status.success(), "{}", said(&output));
    String::from_utf8(output.stderr).unwrap()
}

/// Two episodes of a show, a film and an ad.
fn library() -> Instance {
    let instance = Instance::new();
    instance.add_media(
        "h264_b2_25.mp4",
        "series/Cheers/Season 01/Cheers S01E01.mp4",
    );
    instance.add_media(
        "h264_b2_25.mp4",
        "series/Cheers/Season 01/Cheers S01E02.mp4",
    );
    instance.add_media("h264_b2_25.mp4", "films/Film (2001).mp4");
    instance.add_media("h264_b2_25.mp4", "ads/Ad.mp4");
    let media = instance.media();
    instance.json(&["library", "add", media.to_str().unwrap()]);
    instance.json(&["channel", "add", "--number", "5"]);
    instance
}

fn evening(instance: &Instance) -> String {
    let media = instance.media();
    format!(
        "# Two episodes and a film.\nkind: classic\nschedule:\n  items:\n    - name: sitcoms\n      show: Cheers\n      \
         order: season-episode\n      mode: {{multiple: 2}}\n    - folder: {}\n      mode: one\n",
        media.join("films").display()
    )
}

#[test]
fn a_file_is_applied_shown_and_taken_back() {
    let instance = library();
    let file = instance.media().join("../evening.yaml");
    std::fs::write(&file, evening(&instance)).unwrap();
    let file = file.to_str().unwrap();
    let before = lines(&instance, &["schedule", "show", "5"]);
    assert_eq!(before, "kind: loop\ncollection: library\norder: shuffle\n");

    let dry = lines(&instance, &["schedule", "apply", "5", file, "--dry-run"]);
    assert!(dry.contains("planned anew from here on"), "{dry}");
    assert!(dry.contains("[a programme of rule sitcoms"), "{dry}");
    assert!(dry.contains("nothing was changed"), "{dry}");
    assert_eq!(lines(&instance, &["schedule", "show", "5"]), before);
    let version =
        |instance: &Instance| instance.json(&["channel", "show", "5"])["timeline_version"].clone();
    let known = version(&instance);

    let applied = instance.json(&["schedule", "apply", "5", file]);
    assert_eq!(
        (&applied["applied"], &applied["unchanged"]),
        (&json!(true), &json!(false))
    );
    let planned = version(&instance);
    assert_ne!(planned, known);
    assert!(lines(&instance, &["channel", "show", "5"]).contains("plays      a classic schedule"));

    // What is shown says the same: applying it, or the file again, changes nothing.
    let shown = lines(&instance, &["schedule", "show", "5"]);
    assert!(
        shown.starts_with(
            "kind: classic\nschedule:\n  items:\n    - name: sitcoms\n      show: Cheers\n"
        ),
        "{shown}"
    );
    let copy = instance.media().join("../copy.yaml");
    std::fs::write(&copy, shown).unwrap();
    for again in [file, copy.to_str().unwrap()] {
        let again = instance.json(&["schedule", "apply", "5", again]);
        assert_eq!(again["unchanged"], json!(true));
    }
    assert_eq!(version(&instance), planned);

    // The hour that is published is as it was; behind it the schedule is played.
    let preview = instance.json(&["schedule", "preview", "5"]);
    let entries = preview["preview"]["entries"].as_array().unwrap();
    let from = preview["preview"]["from"].as_i64().unwrap();
    let rules = |ahead: bool| {
        let part = entries
            .iter()
            .filter(move |e| (e["start"].as_i64().unwrap() >= from) == ahead);
        part.map(|e| e["why"]["rule"].as_str().unwrap_or_default())
            .collect::<Vec<_>>()
    };
    // Its last entries may have been applied by the second call already.
    let published = rules(false);
    assert!(published.len() > 300);
    assert!(published.iter().take(300).all(|rule| *rule == "loop"));
    assert!(rules(true).iter().all(|rule| *rule != "loop") && rules(true).len() > 100);
    assert_eq!(preview["preview"]["new"], json!(0), "it is planned already");
    assert_eq!(preview["preview"]["gone"], json!(0));

    let why = instance.json(&["schedule", "why", "5"]);
    assert_eq!(why["rule"], "loop");
    assert_eq!(why["order"], "shuffle");
    assert!(
        why["seed"].is_u64() && why["guide_title"].is_string(),
        "{why}"
    );
    let said = lines(&instance, &["schedule", "why", "5"]);
    assert!(
        said.contains("a programme of rule loop, drawn by shuffle, round "),
        "{said}"
    );
    failure(&instance, &["schedule", "why", "5", "1999-12-31 20:15"]);

    // What the channel plays is the schedule's to say.
    let refused = failure(&instance, &["channel", "set", "5", "--show", "Cheers"]);
    assert!(refused.contains("exstreamd schedule clear 5"), "{refused}");
    assert_eq!(
        instance.json(&["schedule", "clear", "5"])["unchanged"],
        json!(false)
    );
    assert_eq!(
        instance.json(&["schedule", "clear", "5"])["unchanged"],
        json!(true)
    );
    assert_eq!(lines(&instance, &["schedule", "show", "5"]), before);
}

#[test]
fn every_mistake_of_a_file_is_told_and_nothing_is_changed() {
    let instance = library();
    let file = instance.media().join("../wrong.yaml");
    let text = evening(&instance)
        .replace("show: Cheers", "show: Chers")
        .replace("films", "nowhere/films")
        .replace(&*instance.media().to_string_lossy(), "");
    std::fs::write(&file, &text).unwrap();
    let file = file.to_str().unwrap();
    let known: Value = instance.json(&["channel", "show", "5"])["timeline_version"].clone();
    for args in [
        &["schedule", "apply", "5", file][..],
        &["schedule", "apply", "5", file, "--dry-run"],
        &["schedule", "check", file],
        &["schedule", "preview", file],
    ] {
        let told = failure(&instance, args);
        assert!(told.contains("2 problems, nothing was changed"), "{told}");
        assert!(
            told.contains(&format!(
                "{file}:6:13: the library has no show called \"Chers\": did you mean \"Cheers\"?"
            )),
            "{told}"
        );
        assert!(told.contains(&format!("{file}:9:15: ")), "{told}");
    }
    std::fs::write(
        file,
        text.replace("mode: one", "mode: none")
            .replace("name:", "nmae:"),
    )
    .unwrap();
    let told = failure(&instance, &["schedule", "check", file]);
    assert!(
        told.contains(":5:7: there is no \"nmae\" here: did you mean \"name\"?"),
        "{told}"
    );
    assert!(told.contains(":10:13: there is no \"none\" here"), "{told}");
    let output = instance.run(&["--json", "schedule", "check", file]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["problems"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(answer["problems"][0]["line"], json!(5));
    assert_eq!(
        instance.json(&["channel", "show", "5"])["timeline_version"],
        known
    );
    failure(&instance, &["schedule", "check", "/nowhere.yaml"]);
    failure(&instance, &["schedule", "apply", "6", file]);
    failure(&instance, &["schedule", "preview", "5", "--days", "15"]);
}

#[test]
fn a_plan_of_another_program_is_matched_by_path_and_played_as_it_says() {
    let instance = library();
    let file = instance.media().join("../plan.json");
    let name = file.to_str().unwrap();
    let plan = json!({
        "name": "Five", "startTime": "2023-11-14T22:13:20.000Z",
        "programs": [
            {"title": "One", "showTitle": "Cheers", "duration": 8000, "file": "/plex/series/Cheers/Season 01/Cheers S01E01.mp4"},
            {"duration": 4000, "isOffline": true},
            {"title": "Gone", "duration": 6000, "file": "/plex/gone.mp4"},
            {"title": "Film", "duration": 8000, "file": "/plex/films/Film (2001).mp4"},
        ],
    });
    std::fs::write(&file, serde_json::to_string_pretty(&plan).unwrap()).unwrap();
    let map = format!("/plex={}", instance.media().display());
    let before = lines(&instance, &["schedule", "show", "5"]);
    // All that is missing is listed, and nothing is changed.
    let told = failure(&instance, &["schedule", "import", "5", name]);
    assert!(
        told.contains("has 3 problems, nothing was changed"),
        "{told}"
    );
    let told = failure(&instance, &["schedule", "import", "5", name, "--map", &map]);
    assert!(
        told.contains("has a problem, nothing was changed") && told.contains("gone.mp4"),
        "{told}"
    );
    assert_eq!(lines(&instance, &["schedule", "show", "5"]), before);

    let said = lines(
        &instance,
        &["schedule", "import", "5", name, "--map", &map, "--partly"],
    );
    assert!(said.contains("left out: the library has no file"), "{said}");
    let preview = instance.json(&["schedule", "preview", "5"]);
    let from = preview["preview"]["from"].as_i64().unwrap();
    let entries = preview["preview"]["entries"].as_array().unwrap();
    let mut films = 0;
    for entry in entries
        .iter()
        .filter(|e| e["start"].as_i64().unwrap() > from)
    {
        let start = (entry["start"].as_i64().unwrap() - 1_700_000_000_000) % 26_000;
        match entry["title"].as_str().unwrap() {
            "Film (2001)" => {
                films += 1;
                assert_eq!(start, 18_000);
            }
            "off air" => assert!(start >= 7_000, "{entry}"),
            _ => assert_eq!(start, 0, "{entry}"),
        }
    }
    assert!(films > 100, "{films}");

    // What is planned is written as a playout; applied to another channel it plays the same files at the same times.
    let playout = instance.json(&["playout", "export", "5"]);
    let items = playout["items"].as_array().unwrap();
    assert!(items.len() > 300);
    std::fs::write(&file, serde_json::to_string(&playout).unwrap()).unwrap();
    instance.json(&["channel", "add", "--number", "6"]);
    instance.json(&["schedule", "apply", "6", name]);
    let copy = instance.json(&["playout", "export", "6"]);
    let late = |playout: &Value| {
        let items = playout["items"].as_array().unwrap().clone();
        let rows = items
            .into_iter()
            .filter(|i| i["start"].as_str() > playout["items"][600]["start"].as_str());
        rows.map(|i| (i["start"].clone(), i["finish"].clone(), i["source"].clone()))
            .collect::<Vec<_>>()
    };
    let (ours, copied) = (late(&playout), late(&copy));
    assert!(ours.len() > 100);
    let begin = copied
        .iter()
        .position(|row| *row == ours[100])
        .expect("it is played there too");
    assert_eq!(copied[begin..begin + 100], ours[100..200]);
}
