//! Bad files and odd names, seen as the owner of a NAS sees them: through the program, its pages and a tuned
//! channel. Whatever it is, it is named with its reason, and costs itself alone.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use common::daemon::{Instance, said, wait_for};
use common::media::{made, sample};
use common::ts::shows_film;
use common::tv::check_strictly;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Puts bytes into the media folder, written long ago.
fn put(instance: &Instance, name: impl AsRef<OsStr>, bytes: &[u8]) -> PathBuf {
    let path = instance.media().join(Path::new(name.as_ref()));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000))
        .unwrap();
    path
}

#[test]
fn files_that_cannot_be_played_are_named_with_the_reason_and_the_others_play() {
    let instance = Instance::new();
    let front = fs::read(sample("h264_b2_25.mp4")).unwrap();
    let back = fs::read(sample("h264_b0_25.mp4")).unwrap();
    let bad: [(&str, &[u8], &str); 6] = [
        ("empty.mp4", b"", "the file is empty"),
        ("cut.mp4", &front[..150_000], "cut short"),
        ("unfinished.mp4", &back[..150_000], "never finished"),
        (
            "text.mkv",
            &b"This is not a film.\n".repeat(200),
            "is text and no film",
        ),
        (
            "list.mkv",
            b"#EXTM3U\n#EXTINF:8,\n/etc/passwd\n",
            "is a playlist and no film",
        ),
        ("noise.mkv", &[0xA5; 5_000], "noise.mkv"),
    ];
    for (name, bytes, _) in bad {
        put(&instance, name, bytes);
    }
    put(&instance, "Good (2001).mp4", &front);
    let media = instance.media();
    let media = media.to_str().unwrap();
    let made = instance.json(&["setup", media, "--yes"]);
    assert_eq!(made["channels"][0]["share"]["items"], 1, "{made}");

    let listed = instance.json(&["library", "unplayable"]);
    for (name, _, reason) in bad {
        let listed = listed.as_array().unwrap().iter();
        let file = listed
            .clone()
            .find(|f| f["path"].as_str().unwrap().ends_with(name))
            .unwrap_or_else(|| panic!("{name} is not listed"));
        assert_eq!(file["why"], "broken");
        assert!(file["reason"].as_str().unwrap().contains(reason), "{file}");
    }
    assert_eq!(listed.as_array().unwrap().len(), bad.len());
    let output = instance.run(&["library", "unplayable", media]);
    assert!(said(&output).contains("cut short"), "{}", said(&output));

    let daemon = instance.serve();
    let found = wait_for(|| daemon.finding("library.1.unplayable"));
    let message = found["message"].as_str().unwrap();
    assert!(
        message.contains("6 of 7 files") && message.contains("exstreamd library unplayable"),
        "{message}"
    );
    assert_eq!(found["severity"], "notice", "nothing is lost");
    let page = daemon.get("/").text().to_owned();
    assert!(page.contains("6 of 7 files"), "{page}");
    let bytes = daemon.tune("1", 2);
    assert!(shows_film(&bytes));
    check_strictly("good", &bytes);
    assert_eq!(daemon.last_failure("1"), None);
}

/// Whether anything opens a file.
struct Trap(Inotify);

impl Trap {
    fn on(file: &Path) -> Self {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
        inotify.add_watch(file, AddWatchFlags::IN_OPEN).unwrap();
        Self(inotify)
    }

    fn has_sprung(&self) -> bool {
        self.0.read_events().is_ok_and(|events| !events.is_empty())
    }
}

#[test]
fn a_playlist_in_the_place_of_a_film_opens_nothing_else_in_scan_and_on_air() {
    let instance = Instance::new();
    let away = tempfile::tempdir().unwrap();
    let other = away.path().join("other.ts");
    fs::copy(sample("h264_aac.ts"), &other).unwrap();
    let list = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\n{}\n#EXT-X-ENDLIST\n",
        other.display()
    );
    let concat = format!("ffconcat version 1.0\nfile '{}'\n", other.display());
    let film = fs::read(sample("h264_b2_25.mkv")).unwrap();
    for name in ["a", "b"] {
        put(&instance, format!("{name}/film.mkv"), &film);
    }
    put(&instance, "c/list.mkv", list.as_bytes());
    let media = instance.media();
    instance.json(&["library", "add", media.to_str().unwrap()]);
    for (number, name) in [("1", "a"), ("2", "b")] {
        let folder = media.join(name);
        let folder = folder.to_str().unwrap();
        instance.json(&["channel", "add", "--number", number, "--folder", folder]);
    }
    let trap = Trap::on(&other);
    let daemon = instance.serve();
    // They were films when they were planned; nobody has looked since.
    wait_for(|| {
        let roots = daemon.get("/api/v1/libraries").json();
        (roots[0]["watching"] != "" && roots[0]["items"]["playable"] == 2).then_some(())
    });
    for (number, name, text) in [("1", "a", list.as_str()), ("2", "b", &concat)] {
        fs::write(media.join(name).join("film.mkv"), text).unwrap();
        let bytes = daemon.tune(number, 3);
        check_strictly("slate", &bytes);
        assert!(!shows_film(&bytes), "{name}");
        let failure = wait_for(|| daemon.last_failure(number));
        assert!(
            failure.contains("no film") || failure.contains("whitelist"),
            "{failure}"
        );
    }
    assert!(said(&instance.run(&["library", "scan"])).contains("3 videos"));
    assert!(!trap.has_sprung(), "the other file was opened");
    drop(fs::File::open(&other));
    assert!(trap.has_sprung(), "the trap would not have been seen");
}

#[test]
fn a_file_deleted_while_it_plays_or_before_its_turn_costs_only_itself() {
    let instance = Instance::new();
    let options = "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2";
    let long = fs::read(made("faults_long.mp4", "25", 48_000, 90, options)).unwrap();
    let paths: Vec<PathBuf> = ["plays", "waits", "stays"]
        .iter()
        .map(|name| put(&instance, format!("{name}/film.mp4"), &long))
        .collect();
    let media = instance.media();
    instance.json(&["library", "add", media.to_str().unwrap()]);
    for path in &paths {
        let folder = path.parent().unwrap().to_str().unwrap();
        instance.json(&["channel", "add", "--folder", folder]);
    }
    let daemon = instance.serve();
    let mut stream = daemon.open("GET", "/auto/v1?duration=6", "");
    wait_for(|| {
        let status = daemon.get("/api/v1/status").json();
        (status["on_air"][0]["lead_ms"].as_i64()? > 5_000).then_some(())
    });
    fs::remove_file(&paths[0]).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut bytes).unwrap();
    let answer = common::daemon::Answer::parse(&bytes);
    check_strictly("plays", &answer.body);
    assert_eq!(
        daemon.last_failure("1"),
        None,
        "what is open plays to its end"
    );

    fs::remove_file(&paths[1]).unwrap();
    let slate = daemon.tune("2", 2);
    check_strictly("slate", &slate);
    assert!(!shows_film(&slate));
    let failure = wait_for(|| daemon.last_failure("2"));
    assert!(
        failure.contains("waits/film.mp4") && failure.contains("No such file"),
        "{failure}"
    );
    instance.json(&["library", "scan"]);
    let gone = instance.json(&["library", "unplayable"]);
    assert_eq!(gone.as_array().unwrap().len(), 2);
    assert_eq!(gone[0]["why"], "missing");
    assert!(said(&instance.run(&["library", "unplayable"])).contains("the file is gone"));
    let sound = daemon.tune("3", 2);
    assert!(shows_film(&sound));
}

#[test]
fn most_files_gone_at_once_wait_for_the_word_of_the_owner() {
    let instance = Instance::new();
    let film = fs::read(sample("h264_b2_25.mkv")).unwrap();
    for name in ["a.mkv", "b.mkv", "c.mkv"] {
        put(&instance, name, &film);
    }
    let media = instance.media();
    let media = media.to_str().unwrap();
    instance.json(&["library", "add", media]);
    for name in ["a.mkv", "b.mkv"] {
        fs::remove_file(instance.media().join(name)).unwrap();
    }
    let reports = instance.json(&["library", "scan"]);
    let reason = reports[0]["unreachable"].as_str().unwrap();
    let mend = format!("exstreamd library scan --accept-loss {media}");
    assert!(
        reason.contains("2 of 3 items") && reason.contains(&mend),
        "{reason}"
    );
    let output = instance.run(&["library", "scan", "--accept-loss"]);
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    let reports = instance.json(&["library", "scan", "--accept-loss", media]);
    assert_eq!(reports[0]["missing"], 2, "{reports}");
}

/// File names that mean something else to a shell, to XML, to a playlist, to a terminal or to ffmpeg.
const ODD_NAMES: [&[u8]; 9] = [
    b"line\nfeed \"double\" 'single' <b>&amp;.mkv",
    b"-y --help.mkv",
    b"caf\xe9 \xff\xfe.mkv",
    b"\x1b[2Jescape\x07.mkv",
    b"http:example.mkv",
    b"%03d.mkv",
    b"#EXTINF:-1,forged.mkv",
    b" .. .mkv",
    b"{{ title }}.mkv",
];

#[test]
fn any_name_that_a_file_may_have_is_found_shown_and_played() {
    let instance = Instance::new();
    let film = fs::read(sample("h264_b2_25.mkv")).unwrap();
    for (n, name) in ODD_NAMES.iter().enumerate() {
        let path = Path::new("x").join(format!("{n}"));
        put(&instance, path.join(OsStr::from_bytes(name)), &film);
    }
    // A folder whose name is no text: everything in it is found.
    let folder = Path::new(OsStr::from_bytes(b"dir \xff\n"));
    for n in 0..3 {
        put(
            &instance,
            folder.join(format!("Film {n} (200{n}).mkv")),
            &film,
        );
    }
    let media = instance.media();
    let odd = "a \"b\" <i>c</i>\n#EXTINF:-1,forged\u{1b}[2J".to_owned();
    let made = instance.json(&["setup", media.to_str().unwrap(), "--yes"]);
    assert_eq!(made["channels"][0]["share"]["items"], 12);
    let folder = media.join(folder);
    let output = instance
        .command(&["channel", "add", "--folder"])
        .arg(&folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("rename the folder"));
    for n in 0..ODD_NAMES.len() {
        let folder = media.join("x").join(format!("{n}"));
        let (number, folder) = ((n + 10).to_string(), folder.to_str().unwrap().to_owned());
        instance.json(&[
            "channel", "add", "--number", &number, "--folder", &folder, "--name", &odd, "--group",
            &odd,
        ]);
    }
    assert_eq!(
        instance.json(&["guide", "10"])[0]["programmes"][0]["kind"],
        "other"
    );
    let plain = said(&instance.run(&["guide", "--hours", "1"]));
    assert!(!plain.contains('\u{1b}') && plain.contains("escape"));

    let daemon = instance.serve();
    let guide = daemon.get("/iptv/xmltv.xml?days=1");
    let text = guide.text();
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "XML has no such characters"
    );
    assert!(text.contains("line feed &quot;double&quot;") || text.contains("line feed \"double\""));
    assert!(!text.contains("<b>") && !text.contains("<i>"));
    quick_xml_reads(text);
    let list = daemon.get("/iptv/channels.m3u");
    let entries = list.text().lines().filter(|l| l.starts_with("#EXTINF"));
    assert_eq!(entries.count(), 10, "{}", list.text());
    let lineup = daemon.get("/lineup.json").json();
    assert_eq!(lineup.as_array().unwrap().len(), 10);
    let page = daemon.get("/").text().to_owned();
    assert!(
        !page.contains("<i>c</i>") && !page.contains("<b>"),
        "{page}"
    );
    assert!(page.contains("{{ title }}"), "as it is");

    std::thread::scope(|scope| {
        for n in 0..ODD_NAMES.len() {
            let daemon = &daemon;
            scope.spawn(move || {
                let number = (n + 10).to_string();
                let bytes = daemon.tune(&number, 2);
                assert!(shows_film(&bytes), "{number}");
                assert_eq!(daemon.last_failure(&number), None, "{number}");
            });
        }
    });
    let log = daemon.log();
    assert!(!log.contains('\u{1b}') && !log.lines().any(|l| l.starts_with("feed")));
}

fn quick_xml_reads(text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => return,
            Ok(_) => {}
            Err(e) => panic!("{e} at {}", reader.buffer_position()),
        }
    }
}

#[test]
fn an_unknown_channel_is_404_801_without_a_body() {
    let instance = Instance::new();
    instance.json(&["channel", "add"]);
    let daemon = instance.serve();
    for path in [
        "/auto/v99",
        "/iptv/channel/99.ts",
        "/tuner0/v99",
        "/auto/vx",
        "/auto/v1%20OR%201=1",
        "/iptv/channel/..%2f..%2fetc%2fpasswd.ts",
    ] {
        for method in ["GET", "HEAD"] {
            let answer = daemon.ask(method, path, "");
            assert_eq!(answer.status(), 404, "{method} {path}");
            let error = answer.header("x-hdhomerun-error");
            assert_eq!(error, Some("801 Unknown Channel"), "{method} {path}");
            assert!(answer.body.is_empty(), "{method} {path}");
        }
    }
    let output = instance.run(&["channel", "show", "99"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}
