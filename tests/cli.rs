//! The command line: exit codes, messages, with and without a daemon.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use common::daemon::{Instance, said};
use serde_json::json;

/// Runs the program and compares its exit code and what it says.
#[track_caller]
fn check(instance: &Instance, args: &[&str], code: i32, words: &str) {
    let output = instance.run(args);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: {said}");
}

#[test]
fn help_and_version_succeed_and_wrong_usage_is_64() {
    let instance = Instance::new();
    check(&instance, &["--help"], 0, "exstreamd setup FOLDER");
    check(&instance, &["library", "--help"], 0, "library scan");
    check(&instance, &["version"], 0, env!("CARGO_PKG_VERSION"));
    check(&instance, &["--version"], 0, env!("CARGO_PKG_VERSION"));
    check(&instance, &[], 64, "exstreamd --help");
    check(&instance, &["sevre"], 64, "did you mean \"serve\"?");
    check(
        &instance,
        &["channel", "add", "--colour", "red"],
        64,
        "--colour",
    );
    check(
        &instance,
        &["channel", "add", "--show", "a", "--everything"],
        64,
        "plays one thing",
    );
    check(
        &instance,
        &["channel", "add", "--order", "backwards"],
        64,
        "chronological",
    );
    check(&instance, &["guide", "--hours", "0"], 64, "1 to 336");
    assert!(
        !instance.data().exists(),
        "what is wrong from the start makes nothing"
    );
}

#[test]
fn a_wrong_configuration_is_78_and_names_the_nearest_key() {
    let mut instance = Instance::new();
    let file = instance.media().join("x.toml");
    std::fs::write(&file, "[http]\nprot = 1\n").unwrap();
    check(
        &instance,
        &["serve", "--config", file.to_str().unwrap()],
        78,
        "did you mean \"http.port\"?",
    );
    check(
        &instance,
        &["serve", "--config", "/nonexistent.toml"],
        78,
        "/nonexistent.toml",
    );
    instance.set("EXSTREAMD_HTTP_ADVERTISE", "http://localhost");
    check(&instance, &["channel", "list"], 78, "advertise");
}

#[test]
fn a_database_that_is_damaged_or_too_new_is_65_and_stays_as_it_is() {
    let instance = Instance::new();
    instance.json(&["channel", "list"]);
    let database = instance.data().join("exstreamd.db");
    let sound = std::fs::read(&database).unwrap();
    let mut newer = sound.clone();
    newer[60..64].copy_from_slice(&9_999_u32.to_be_bytes()); // user_version (sqlite.org/fileformat.html §1.3)
    for (bytes, words) in [
        (newer, "upgrade"),
        (b"not a database, but long enough to be one".repeat(100), ""),
    ] {
        std::fs::write(&database, &bytes).unwrap();
        check(&instance, &["serve"], 65, words);
        check(&instance, &["channel", "list"], 65, words);
        assert_eq!(
            std::fs::read(&database).unwrap(),
            bytes,
            "it was not touched"
        );
    }
}

#[test]
fn what_does_not_exist_or_is_taken_is_1() {
    let instance = Instance::new();
    check(&instance, &["channel", "show", "9"], 1, "9");
    check(
        &instance,
        &["library", "remove", "/nowhere"],
        1,
        "exstreamd library list",
    );
    check(
        &instance,
        &["library", "add", "/nonexistent/films"],
        1,
        "/nonexistent",
    );
    instance.json(&["channel", "add", "--number", "5"]);
    check(&instance, &["channel", "add", "--number", "5.0"], 1, "5");
    check(
        &instance,
        &["channel", "add", "--number", "five"],
        1,
        "five",
    );
}

#[test]
fn errors_are_json_where_json_is_wanted() {
    let instance = Instance::new();
    let output = instance.run(&["channel", "show", "9", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["error"]["kind"], "not_found");
}

#[test]
fn commands_say_the_same_with_and_without_a_daemon() {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "Shows/Den/Season 1/Den S01E01.mp4");
    let media = instance.media();
    let media = media.to_str().unwrap();
    let made = instance.json(&["setup", media, "--yes"]);
    assert_eq!(made["channels"][0]["name"], "Everything");
    let alone = instance.json(&["library", "list"]);
    let daemon = instance.serve();
    assert_eq!(
        instance.json(&["library", "list"])[0]["items"],
        alone[0]["items"]
    );
    let again = instance.json(&["setup", media, "--yes"]);
    assert_eq!(
        again["channels"],
        json!([]),
        "what exists is not made twice"
    );
    check(
        &instance,
        &["channel", "add", "--show", "Den", "--name", "Den"],
        0,
        "2 Den",
    );
    check(&instance, &["channel", "list"], 0, "show Den");
    check(
        &instance,
        &["channel", "set", "2", "--number", "7.5", "--group", "Kids"],
        0,
        "7.5 Den",
    );
    check(&instance, &["guide", "7.5", "--hours", "1"], 0, "Den");
    check(
        &instance,
        &["library", "search", "type:episode AND show_title:den"],
        0,
        "Den 1x1",
    );
    check(
        &instance,
        &["library", "search", "den AND NOT type:episode"],
        0,
        "Den 1x1",
    );
    check(
        &instance,
        &["library", "search", "type:movie"],
        0,
        "nothing",
    );
    check(
        &instance,
        &["library", "search", "titel:x"],
        1,
        "did you mean title?",
    );
    check(
        &instance,
        &["collection", "set", "Firsts", "episode_number:1"],
        0,
        "Firsts",
    );
    check(&instance, &["collection", "list"], 0, "episode_number:1");
    check(
        &instance,
        &["library", "search", "smart_collection:Firsts"],
        0,
        "Den 1x1",
    );
    check(
        &instance,
        &["collection", "set", "Firsts", "smart_collection:firsts"],
        1,
        "contains itself",
    );
    for (words, said) in [
        (
            &["collection", "add", "Best", "show:Den", "season:1:Den"] as &[&str],
            "put 2",
        ),
        (&["collection", "show", "best"], "1 items"),
        (&["collection", "show", "best"], "season:1:Den"),
        (
            &[
                "collection",
                "set",
                "Both",
                "--multi",
                "smart:Firsts",
                "manual:Best,by-date",
            ],
            "the multi collection",
        ),
        (&["collection", "show", "Both"], "manual:Best,by-date"),
        (
            &["collection", "set", "Runs", "--rerun", "multi:Both"],
            "the rerun collection",
        ),
        (
            &[
                "collection",
                "set",
                "Evening",
                "--playlist",
                "first-run:Runs,2,shuffle",
                "smart:Firsts,all,hidden",
            ],
            "the playlist collection",
        ),
        (
            &["collection", "show", "Evening"],
            "first-run:Runs,2,shuffle",
        ),
        (&["collection", "list"], "multi:Both"),
        (
            &["channel", "set", "7.5", "--collection", "playlist:Evening"],
            "playlist:Evening",
        ),
        (&["guide", "7.5", "--hours", "1"], "Den"),
    ] {
        check(&instance, words, 0, said);
    }
    for (words, said) in [
        (
            &["channel", "set", "7.5", "--collection", "smart:Best"] as &[&str],
            "that is a manual collection",
        ),
        (
            &["collection", "set", "Both", "--multi", "multi:Both"],
            "contains itself",
        ),
        (&["collection", "remove", "Runs"], "Evening"),
        (&["collection", "remove", "Evening"], "channel 7.5"),
        (&["collection", "show", "None"], "no collection"),
    ] {
        check(&instance, words, 1, said);
    }
    check(
        &instance,
        &["channel", "set", "7.5", "--show", "Den"],
        0,
        "show Den",
    );
    for name in ["Evening", "Runs", "Both", "Best"] {
        let words = &["collection", "remove", name];
        check(&instance, words, 0, "stay as they are");
    }
    check(
        &instance,
        &["collection", "remove", "firsts"],
        0,
        "stay as they are",
    );
    check(
        &instance,
        &["collection", "remove", "firsts"],
        1,
        "no collection",
    );
    check(&instance, &["channel", "remove", "7.5"], 0, "7.5");
    check(&instance, &["channel", "show", "7.5"], 1, "7.5");
    check(&instance, &["library", "scan"], 0, "1 video");
    check(&instance, &["check"], 0, "runs");
    check(
        &instance,
        &["library", "remove", media],
        0,
        "stay as they are",
    );
    assert!(
        std::path::Path::new(media)
            .join("Shows/Den/Season 1/Den S01E01.mp4")
            .exists()
    );
    assert!(daemon.stop().success());
}

#[test]
fn a_channel_of_what_the_library_does_not_know_is_refused() {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "Shows/Den/Season 1/Den S01E01.mp4");
    let media = instance.media();
    let media = media.to_str().unwrap();
    instance.json(&["library", "add", media]);
    check(
        &instance,
        &["channel", "add", "--show", "Dne"],
        1,
        "\"Den\"?",
    );
    check(
        &instance,
        &["channel", "add", "--folder", "/usr/share"],
        1,
        "exstreamd library add",
    );
    assert_eq!(instance.json(&["channel", "list"]), json!([]));
    check(&instance, &["channel", "add", "--show", "den"], 0, ":");
    check(
        &instance,
        &["channel", "set", "1", "--folder", "/usr"],
        1,
        "/usr",
    );
    let folder = format!("{media}/Shows");
    check(
        &instance,
        &["channel", "set", "1", "--folder", &folder],
        0,
        "/Shows",
    );
}

#[test]
fn what_cannot_be_played_or_copied_is_named_by_its_file() {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "Good (2001).mp4");
    // A file that was written just now may still be growing, and is looked at again later.
    let torn = std::fs::File::create(instance.media().join("Torn (2002).mkv")).unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    torn.set_modified(long_ago).unwrap();
    let media = instance.media();
    instance.json(&["library", "add", media.to_str().unwrap()]);
    check(&instance, &["library", "list"], 0, "1 cannot be played");
    check(&instance, &["library", "unplayable"], 0, "Torn (2002).mkv");
    check(
        &instance,
        &["channel", "add", "--video", "hevc"],
        0,
        "Good (2001).mp4",
    );
    // The whole address, to be typed into a player.
    check(
        &instance,
        &["channel", "show", "1"],
        0,
        "/iptv/channel/1.ts",
    );
    check(
        &instance,
        &["channel", "show", "1"],
        0,
        "stream     http://",
    );
}

#[test]
fn with_json_there_is_one_value_on_standard_output_also_when_it_fails() {
    let instance = Instance::new();
    for args in [
        vec!["probe", "/nonexistent.mp4", "--json"],
        vec!["channel", "show", "9", "--json"],
        vec!["channel", "--json"],
    ] {
        let output = instance.run(&args);
        assert_ne!(output.status.code(), Some(0), "{args:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("one value");
    }
}

#[test]
fn probe_and_remux_need_no_data_directory() {
    let instance = Instance::new();
    let film = instance.add_media("h264_b2_25.mp4", "film.mp4");
    let film = film.to_str().unwrap();
    check(&instance, &["probe", film], 0, "without transcoding");
    let probed = instance.json(&["probe", film]);
    assert_eq!(
        (&probed[0]["probed_by"], &probed[0]["copied"]),
        (&json!("exstreamd"), &json!(true))
    );
    let out = instance.media().join("out.ts");
    let out = out.to_str().unwrap();
    check(&instance, &["remux", film, film, "-o", out], 0, "bytes");
    let written = std::fs::read(out).unwrap();
    assert!(!written.is_empty() && written.len().is_multiple_of(188));
    check(&instance, &["remux", film], 64, "-o OUT.ts");
    check(
        &instance,
        &["remux", film, "-o", film],
        64,
        "both read and written",
    );
    let text_file = instance.media().join("text.mkv");
    std::fs::write(&text_file, "#EXTM3U\n/etc/passwd\n".repeat(100)).unwrap();
    let text_file = text_file.to_str().unwrap();
    assert_ne!(instance.run(&["probe", text_file]).status.code(), Some(0));
    let before = std::fs::read(out).unwrap();
    assert_ne!(
        instance.run(&["remux", text_file, "-o", out]).status.code(),
        Some(0)
    );
    assert_eq!(
        std::fs::read(out).unwrap(),
        before,
        "what failed wrote nothing"
    );
    assert!(!std::path::Path::new(&format!("{out}.part")).exists());
    assert!(!instance.data().exists());
}

#[test]
fn a_folder_that_nobody_may_read_is_refused_with_the_command_that_mends_it() {
    let instance = Instance::new();
    let locked = instance.media().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
    let output = if nix::unistd::geteuid().is_root() {
        // Root reads everything: so as somebody else, who owns the data directory.
        std::fs::create_dir_all(instance.data()).unwrap();
        let open_up = |path: &std::path::Path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        };
        open_up(instance.data().parent().unwrap()).unwrap();
        std::os::unix::fs::chown(instance.data(), Some(65_534), Some(65_534)).unwrap();
        instance.run(&["library", "add", locked.to_str().unwrap()])
    } else {
        instance.run(&["library", "add", locked.to_str().unwrap()])
    };
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(77), "{said}");
    assert!(said.contains("locked"), "{said}");
}

#[test]
fn root_never_becomes_the_owner_of_somebody_elses_data() {
    if !nix::unistd::geteuid().is_root() {
        return; // Only root can take files away from their owner.
    }
    let instance = Instance::new();
    std::fs::create_dir_all(instance.data()).unwrap();
    let parent = instance.data().parent().unwrap().to_owned();
    std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(instance.data(), Some(65_534), Some(65_534)).unwrap();
    instance.json(&["channel", "add", "--name", "Before"]);
    let daemon = instance.serve();
    instance.json(&["channel", "add", "--name", "During"]);
    assert!(daemon.stop().success());
    instance.json(&["channel", "add", "--name", "After"]);
    let mut folders = vec![instance.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let (path, meta) = entry.map(|e| (e.path(), e.metadata().unwrap())).unwrap();
            assert_eq!(meta.uid(), 65_534, "{}", path.display());
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
}

#[test]
fn what_is_planned_can_be_built_anew_and_looked_over() {
    let mut instance = Instance::new();
    instance.json(&["channel", "add", "--number", "7"]);
    let planned = |args: &[&str]| {
        let planned = instance.json(args);
        assert_eq!(planned["warnings"], serde_json::json!([]), "{planned}");
        assert_eq!(planned["gaps"][0]["kind"], "empty", "{planned}");
        planned["timeline_version"].as_u64().unwrap()
    };
    let made = planned(&["channel", "warnings", "7"]);
    assert!(planned(&["channel", "rebuild", "7"]) > made);
    let reset = planned(&["channel", "rebuild", "7", "--reset"]);
    assert_eq!(planned(&["channel", "warnings", "7"]), reset);
    let text = said(&instance.run(&["channel", "warnings", "7"]));
    assert!(text.contains("nothing to play"), "{text}");
    // A change of what it plays is taken back.
    assert_eq!(
        instance.json(&["channel", "set", "7", "--order", "random"])["order"],
        "random"
    );
    assert_eq!(
        instance.json(&["schedule", "undo", "7"]),
        serde_json::json!([])
    );
    assert_eq!(instance.json(&["channel", "show", "7"])["order"], "shuffle");
    let again = instance.run(&["schedule", "undo", "7"]);
    assert!(!again.status.success());
    assert!(said(&again).contains("taken back"), "{}", said(&again));
    // The box moves: schedules do not.
    instance.set("TZ", "Asia/Tokyo");
    let zone = |args: &[&str]| {
        let view = instance.json(args);
        (view["zone"].clone(), view["here"].clone())
    };
    assert_eq!(
        zone(&["schedule", "zone"]),
        ("UTC".into(), "Asia/Tokyo".into())
    );
    let check = said(&instance.run(&["check"]));
    assert!(check.contains("schedule zone"), "{check}");
    let accepted = ("Asia/Tokyo".into(), "Asia/Tokyo".into());
    assert_eq!(zone(&["schedule", "zone", "--accept"]), accepted);
    let check = said(&instance.run(&["check"]));
    assert!(!check.contains("schedule zone"), "{check}");
}
