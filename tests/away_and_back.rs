//! A library folder that is unmounted at boot, goes while the daemon runs and comes back; a daemon that is
//! killed and comes back. Afterwards everything is as it was: items, timelines, guide, position.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::daemon::{Answer, Daemon, Instance, said, wait_for};
use common::media::made;
use common::namespace::{bind, may_mount, unmount};
use common::ts::{packets, shows_film};
use common::tv::check_strictly;
use exstreamd::clock::{Clock, RealClock, SharedClock, UtcMs};
use exstreamd::store::{Entry, Item, OpenStore, Store};
use nix::sys::signal::Signal;
use serde_json::Value;

/// What must survive: items and planned entries.
type Kept = (Vec<Item>, Vec<Entry>);

/// Reads the database of a daemon that does not run.
fn kept(data: &Path) -> Kept {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock: SharedClock = Arc::new(RealClock);
        let store = Store::open(&OpenStore::new(data), &clock).unwrap();
        let mut items = Vec::new();
        for root in store.roots().await.unwrap() {
            items.extend(store.items_of_root(root.id, 0, 1000).await.unwrap());
        }
        let mut entries = Vec::new();
        for channel in store.channels().await.unwrap() {
            let mut from = UtcMs(0);
            loop {
                let page = store.timeline(channel.id, from, UtcMs(i64::MAX), 1000);
                let page = page.await.unwrap();
                let Some(last) = page.last() else { break };
                from = last.stop;
                entries.extend(page);
            }
        }
        store.close().await;
        (items, entries)
    })
}

fn guide(daemon: &Daemon) -> Vec<Value> {
    let guide = daemon.get("/api/v1/guide?hours=1").json();
    guide[0]["programmes"].as_array().unwrap().clone()
}

/// The programmes of both that have not ended are the same.
#[track_caller]
fn assert_same_guide(before: &[Value], after: &[Value]) {
    let first = after[0]["start"].as_i64().unwrap();
    let later = before.iter().filter(|p| p["start"].as_i64() >= Some(first));
    let both: Vec<(&Value, &Value)> = later.zip(after).collect();
    assert!(both.len() > 10);
    for (before, after) in both {
        assert_eq!(before, after);
    }
}

#[test]
fn a_folder_that_is_away_at_boot_goes_and_comes_back_changes_nothing() {
    if !may_mount("a_folder_that_is_away_at_boot_goes_and_comes_back_changes_nothing") {
        return;
    }
    let disk = Instance::new();
    for (sample, name) in [
        ("h264_b2_25.mp4", "One (2001).mp4"),
        ("h264_b0_25.mp4", "Two (2002).mp4"),
        ("h264_b2_25.mkv", "Three (2003).mkv"),
    ] {
        disk.add_media(sample, name);
    }
    let instance = Instance::new();
    let mount = instance.media();
    bind(&disk.media(), &mount);
    instance.json(&["setup", mount.to_str().unwrap(), "--yes"]);
    let before = kept(&instance.data());
    assert_eq!(before.0.len(), 3);

    // Away at boot.
    unmount(&mount);
    let daemon = instance.serve();
    let away = |daemon: &Daemon| wait_for(|| daemon.finding("library.1"));
    let back = |daemon: &Daemon| wait_for(|| daemon.finding("library.1").is_none().then_some(()));
    let message = away(&daemon)["message"].as_str().unwrap().to_owned();
    for words in [
        mount.to_str().unwrap(),
        "Is its disk mounted?",
        "Nothing was removed",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let planned = guide(&daemon);
    let slate = daemon.tune("1", 2);
    check_strictly("boot", &slate);
    assert!(!shows_film(&slate));
    let listed = said(&instance.run(&["library", "list"]));
    assert!(listed.contains("away:"), "{listed}");

    // It comes back with the daemon running, and nobody has to say so.
    bind(&disk.media(), &mount);
    back(&daemon);
    let film = wait_for(|| Some(daemon.tune("1", 2)).filter(|bytes| shows_film(bytes)));
    check_strictly("back", &film);
    assert_same_guide(&planned, &guide(&daemon));

    // It goes while somebody watches.
    let mut stream = daemon.open("GET", "/auto/v1?duration=16", "");
    unmount(&mount);
    away(&daemon);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    check_strictly("gone", &Answer::parse(&bytes).body);
    // What was open plays on to its end.
    wait_for(|| (!shows_film(&daemon.tune("1", 2))).then_some(()));
    assert_same_guide(&planned, &guide(&daemon));
    bind(&disk.media(), &mount);
    back(&daemon);

    let log = daemon.log();
    assert!(daemon.stop().success(), "{log}");
    let after = kept(&instance.data());
    assert_eq!(before.0, after.0, "the same items");
    for (at, (before, after)) in before.1.iter().zip(&after.1).enumerate() {
        assert_eq!(before, after, "entry {at}");
    }
    // What was planned stays; what is still to come may have been planned on meanwhile.
    assert!(after.1.len() >= before.1.len());
    unmount(&mount);
}

/// Where in a film of one item, looped, a stream begins, in ms; the film as a stream to compare with is at
/// `reference`. Packets of a picture are as large here as there.
#[track_caller]
fn position_ms(reference: &Path, stream: &[u8]) -> i64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream.ts");
    std::fs::write(&path, stream).unwrap();
    let pictures = |path: &Path| -> Vec<(i64, usize)> {
        let all = packets(path);
        let video = all.iter().filter(|p| p.video);
        video.map(|p| (p.pts.round_ms(), p.bytes)).collect()
    };
    let (whole, part) = (pictures(reference), pictures(&path));
    let sizes: Vec<usize> = part.iter().skip(2).take(25).map(|p| p.1).collect();
    let at = whole
        .windows(sizes.len())
        .position(|window| window.iter().map(|p| p.1).eq(sizes.iter().copied()))
        .expect("the stream shows the film");
    whole[at].0 - whole[0].0
}

#[test]
fn a_daemon_that_is_killed_comes_back_at_the_right_place_of_the_same_programme() {
    let instance = Instance::new();
    let options = "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2";
    let film = made("faults_long.mp4", "25", 48_000, 90, options);
    let film = std::fs::copy(film, instance.media().join("Film (2001).mp4")).map(|_| "Film");
    assert_eq!(film.unwrap(), "Film");
    let media = instance.media();
    instance.json(&["setup", media.to_str().unwrap(), "--yes"]);
    let reference = instance.data().parent().unwrap().join("reference.ts");
    let mut remux = instance.command(&["remux"]);
    remux
        .arg(media.join("Film (2001).mp4"))
        .arg("-o")
        .arg(&reference);
    assert!(remux.status().unwrap().success());

    // What is seen at a moment is what the guide says of that moment, to a group of pictures.
    let check = |daemon: &Daemon| -> i64 {
        let planned = guide(daemon);
        let tuned_at = RealClock.utc();
        let stream = daemon.tune("1", 3);
        let start = planned
            .iter()
            .filter_map(|p| p["start"].as_i64())
            .rfind(|start| *start <= tuned_at.0)
            .unwrap();
        let due = tuned_at.since(UtcMs(start));
        let seen = position_ms(&reference, &stream);
        // Across the end of the film the stream begins in the one before.
        let off = (seen - due + 45_000).rem_euclid(90_000) - 45_000;
        assert!((-3_500..2_500).contains(&off), "{seen} for {due}");
        start
    };
    let mut daemon = instance.serve();
    let first = check(&daemon);
    let planned = guide(&daemon);
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    let daemon = instance.serve();
    assert_same_guide(&planned, &guide(&daemon));
    let second = check(&daemon);
    assert!((second - first).rem_euclid(90_000) < 1_000 || second == first);
    assert!(daemon.stop().success());
    let sound = kept(&instance.data());
    assert_eq!(sound.0.len(), 1);
}

/// Whether other users can start the program: each directory above it must let them through.
fn others_may_run_us() -> bool {
    use std::os::unix::fs::PermissionsExt;
    let mut all = Path::new(env!("CARGO_BIN_EXE_exstreamd")).ancestors();
    all.all(|p| std::fs::metadata(p).unwrap().permissions().mode() & 0o001 != 0)
}

#[test]
fn root_before_during_and_after_a_run_under_another_user_changes_no_owner() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const OTHER: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() || !others_may_run_us() {
        eprintln!("not run: needs root, and a program that other users can reach");
        return;
    }
    let instance = Instance::new();
    std::fs::create_dir(instance.data()).unwrap();
    chown(instance.data(), Some(OTHER), Some(OTHER)).unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(instance.data().parent().unwrap(), everybody).unwrap();
    instance.add_media("h264_b2_25.mp4", "Film.mp4");
    let check = |when: &str| {
        let mut folders = vec![instance.data()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let meta = entry.metadata().unwrap();
                let path = entry.path();
                assert_eq!((meta.uid(), meta.gid()), (OTHER, OTHER), "{when}: {path:?}");
                files += 1;
                if meta.is_dir() {
                    folders.push(path);
                }
            }
        }
        assert!(files >= 2, "{when}");
    };
    let as_root = |when: &str| {
        for args in [
            &["channel", "add", "--name", when][..],
            &["library", "scan"],
            &["check"],
            &["guide"],
        ] {
            let output = instance.run(args);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(0), "{when} {args:?}: {said}");
        }
        check(when);
    };
    let as_other = |command: &mut Command| -> Daemon {
        let command = command.uid(OTHER).gid(OTHER).current_dir("/");
        instance.serve_by(command)
    };
    as_root("before");
    let daemon = as_other(&mut instance.command(&["serve"]));
    as_root("during");
    let output = instance.run(&["serve"]);
    assert_eq!(output.status.code(), Some(69), "{}", said(&output));
    check("a second daemon");
    assert!(daemon.stop().success());
    as_root("after");
    // Root's own daemon becomes the owner too, and leaves everything usable.
    assert!(instance.serve().stop().success());
    check("root's daemon");
    let daemon = as_other(&mut instance.command(&["serve"]));
    assert_eq!(
        daemon.get("/lineup.json").json().as_array().unwrap().len(),
        3
    );
    assert!(daemon.stop().success());
}
