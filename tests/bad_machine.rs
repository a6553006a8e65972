//! A machine that is not as it should be: no ffmpeg, a full or read-only disk, a clock that is wrong, clients
//! that hang. The daemon goes on or refuses, and says what to do.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::daemon::{Answer, Instance, said, wait_for};
use common::namespace::{may_mount, remount_read_only, tmpfs};
use common::ts::shows_film;
use common::tv::check_strictly;
use exstreamd::clock::{Clock, RealClock, SharedClock};
use exstreamd::media::{AudioCodec, Format, VideoCodec};
use exstreamd::schedule::PlayOrder;
use exstreamd::store::{Collection, NewChannel, OpenStore, Store};
use nix::sys::signal::Signal;

#[test]
fn without_ffmpeg_what_fits_plays_and_the_rest_waits_until_it_is_installed() {
    if !may_mount("without_ffmpeg_what_fits_plays_and_the_rest_waits_until_it_is_installed") {
        return;
    }
    let mut instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "fits/Fits (2001).mp4");
    instance.add_media("mpeg4_mp3.avi", "waits/Waits (2002).avi");
    let media = instance.media();
    let bin = instance.data().parent().unwrap().join("bin");
    fs::create_dir(&bin).unwrap();
    instance.set("PATH", &format!("{}:/usr/bin:/bin", bin.display()));
    // The daemon sees empty files in the place of all programs that are there now.
    let hide =
        "for f in /usr/bin /usr/local/bin /opt/bin /opt/ffmpeg/bin /usr/lib/jellyfin-ffmpeg; do
        for f in $f/ffmpeg $f/ffprobe; do test ! -s $f || mount --bind \"$0\" $f; done
    done
    exec \"$@\"";
    let nothing = bin.join("nothing");
    fs::write(&nothing, "").unwrap();
    let plain = instance.command(&["serve"]);
    let mut hidden = Command::new("unshare");
    hidden.args(["-m", "sh", "-ec", hide]).arg(&nothing);
    hidden.arg(plain.get_program()).args(plain.get_args());
    hidden.env_clear();
    hidden.envs(
        plain
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let daemon = instance.serve_by(&mut hidden);
    instance.json(&["library", "add", media.to_str().unwrap()]);
    instance.json(&["library", "scan"]);
    for name in ["fits", "waits"] {
        let folder = media.join(name);
        instance.json(&["channel", "add", "--folder", folder.to_str().unwrap()]);
    }

    let message = wait_for(|| daemon.finding("ffmpeg"))["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("apt install ffmpeg"), "{message}");
    assert!(daemon.get("/").text().contains("apt install ffmpeg"));
    assert!(daemon.get("/api/v1/status").json()["ffmpeg"].is_null());
    let files = instance.json(&["library", "unplayable"]);
    assert_eq!(files.as_array().unwrap().len(), 1, "{files}");
    assert_eq!(files[0]["why"], "waiting-for-ffmpeg");
    let stream = daemon.tune("1", 2);
    check_strictly("fits", &stream);
    assert!(shows_film(&stream));
    assert!(!shows_film(&daemon.tune("2", 2)));

    // It is installed, and nobody restarts anything.
    for program in ["ffprobe", "ffmpeg"] {
        let mut real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|dir| dir.join(program))
            .find(|file| file.exists())
            .unwrap();
        real = real.canonicalize().unwrap();
        fs::copy(real, bin.join(program)).unwrap();
    }
    wait_for(|| daemon.finding("ffmpeg").is_none().then_some(()));
    wait_for(|| {
        let roots = daemon.get("/api/v1/libraries").json();
        (roots[0]["items"]["playable"] == 2).then_some(())
    });
    let planned = wait_for(|| {
        let guide = daemon.get("/api/v1/guide?channel=2&hours=1").json();
        let title = guide[0]["programmes"][1]["title"].as_str()?.to_owned();
        (title == "Waits").then_some(title)
    });
    assert_eq!(planned, "Waits");
    // Whoever watches the slate sees it come.
    let stream = daemon.tune("2", 16);
    assert!(shows_film(&stream));
    assert_eq!(
        instance.json(&["library", "unplayable"]),
        serde_json::json!([])
    );
}

#[test]
fn a_disk_that_fills_up_stops_no_stream_loses_nothing_and_heals() {
    if !may_mount("a_disk_that_fills_up_stops_no_stream_loses_nothing_and_heals") {
        return;
    }
    let instance = Instance::new();
    fs::create_dir(instance.data()).unwrap();
    tmpfs(&instance.data(), "size=12m,mode=755");
    // Long enough that its week is a small timeline.
    let options = "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2";
    let film = common::media::made("faults_long.mp4", "25", 48_000, 90, options);
    for n in 0..3 {
        fs::copy(
            &film,
            instance.media().join(format!("Film {n} (200{n}).mp4")),
        )
        .unwrap();
    }
    let media = instance.media();
    instance.json(&["library", "add", media.to_str().unwrap()]);
    let daemon = instance.serve();
    let add = |name: &str| instance.run(&["channel", "add", "--name", name]);
    let mut stream = None;
    let mut made = 0;
    let ballast = instance.data().join("ballast");
    let refused = (0..50).find_map(|n| {
        let output = add(&format!("Channel {n}"));
        if output.status.success() {
            made += 1;
            stream.get_or_insert_with(|| daemon.open("GET", "/auto/v1?duration=8", ""));
            let mut file = fs::File::options()
                .create(true)
                .append(true)
                .open(&ballast)
                .unwrap();
            // Whatever is left.
            let _ = (0..4_000).try_for_each(|_| file.write_all(&[1; 4096]));
            return None;
        }
        Some(output)
    });
    let refused = refused.expect("the disk became full");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("full"), "{}", said(&refused));
    let found = wait_for(|| daemon.finding("disk"));
    let message = found["message"].as_str().unwrap();
    assert!(
        message.contains("full") && message.contains(instance.data().to_str().unwrap()),
        "{message}"
    );
    assert_eq!(found["severity"], "critical");
    assert_eq!(daemon.get("/iptv/xmltv.xml?days=1").status(), 200);
    let mut bytes = Vec::new();
    stream.unwrap().read_to_end(&mut bytes).unwrap();
    let body = Answer::parse(&bytes).body;
    check_strictly("full", &body);
    assert!(shows_film(&body));
    assert!(shows_film(&daemon.tune("1", 2)), "new viewers too");

    fs::remove_file(&ballast).unwrap();
    wait_for(|| daemon.finding("disk").is_none().then_some(()));
    let output = add("Afterwards");
    assert!(output.status.success(), "{}", said(&output));
    let log = daemon.log();
    assert!(daemon.stop().success(), "{log}");
    let daemon = instance.serve();
    let channels = daemon.get("/api/v1/channels").json();
    let names: Vec<_> = channels.as_array().unwrap().iter().collect();
    assert_eq!(
        names.len(),
        made + 1,
        "nothing is lost, nothing is half there"
    );
    assert!(names.iter().all(|channel| !channel["now"].is_null()));
    assert!(daemon.stop().success());

    // A disk that is full before the start.
    let fill = |instance: &Instance| {
        let mut file = fs::File::create(instance.data().join("ballast")).unwrap();
        let _ = (0..4_000).try_for_each(|_| file.write_all(&[1; 4096]));
    };
    fill(&instance);
    let output = instance.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("make room there"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_data_directory_that_cannot_be_written_is_77_with_the_mend() {
    if !may_mount("a_data_directory_that_cannot_be_written_is_77_with_the_mend") {
        return;
    }
    let instance = Instance::new();
    fs::create_dir(instance.data()).unwrap();
    tmpfs(&instance.data(), "size=4m,mode=755");
    instance.json(&["channel", "add"]);
    remount_read_only(&instance.data());
    for args in [&["serve"][..], &["channel", "list"], &["check"]] {
        let output = instance.run(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(77), "{args:?}: {said}");
        for words in [
            "mounted read-only",
            "--data",
            instance.data().to_str().unwrap(),
        ] {
            assert!(said.contains(words), "{args:?}: {said}");
        }
    }
}

#[test]
fn a_clock_that_is_behind_is_said_once_and_plans_nothing() {
    let instance = Instance::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock: SharedClock = Arc::new(RealClock);
        let store = Store::open(&OpenStore::new(instance.data()), &clock).unwrap();
        let later = RealClock.utc().plus(86_400_000).0.to_string();
        store
            .set_meta("clock.last_seen_ms", Some(&later))
            .await
            .unwrap();
        let new = NewChannel {
            number: "1".to_owned(),
            name: "One".to_owned(),
            group: None,
            format: Format {
                video: VideoCodec::H264,
                audio: AudioCodec::Aac,
                audio_rate_hz: 48_000,
                audio_channels: 2,
                ..Format::DEFAULT
            },
            mux_rate_kbit: None,
            collection: Collection::Library,
            order: PlayOrder::Shuffle,
            seed: 1,
        };
        store.add_channel(new, RealClock.utc()).await.unwrap();
        store.close().await;
    });
    let daemon = instance.serve();
    let found = wait_for(|| daemon.finding("clock"));
    assert!(found["message"].as_str().unwrap().contains("timedatectl"));
    let slate = daemon.tune("1", 4);
    check_strictly("slate", &slate);
    assert!(!shows_film(&slate));
    let guide = daemon.get("/iptv/xmltv.xml");
    assert_eq!(guide.status(), 503);
    assert!(guide.header("retry-after").is_some());
    let log = daemon.log();
    let of_channel = log.lines().filter(|line| line.contains("channel 1"));
    assert!(of_channel.count() <= 1, "{log}");
    assert!(log.lines().count() <= 6, "{log}");
    let (sent, at) = (RealClock.monotonic(), Duration::from_secs(5));
    assert!(daemon.stop().success());
    assert!(RealClock.monotonic() - sent < at);
}

#[test]
fn a_viewer_that_hangs_does_not_hold_up_the_stop_and_a_second_signal_waits_for_nobody() {
    for signals in [1, 2] {
        let instance = Instance::new();
        instance.add_media("h264_long_gop.mp4", "Film.mp4");
        instance.json(&["setup", instance.media().to_str().unwrap(), "--yes"]);
        let mut daemon = instance.serve();
        // It asks and never reads: more than the kernel keeps for it is on the way at once.
        let hung = daemon.open("GET", "/auto/v1", "");
        nix::sys::socket::setsockopt(&hung, nix::sys::socket::sockopt::RcvBuf, &4096).unwrap();
        wait_for(|| {
            let status = daemon.get("/api/v1/status").json();
            (status["viewers"].as_array()?.len() == 1).then_some(())
        });
        let asked = RealClock.monotonic();
        daemon.signal(Signal::SIGTERM);
        if signals == 2 {
            wait_for(|| daemon.log().contains("stopping").then_some(()));
            daemon.signal(Signal::SIGTERM);
        }
        assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
        let took = RealClock.monotonic() - asked;
        assert!(took < Duration::from_secs(5), "{took:?}");
        if signals == 2 {
            assert!(daemon.log().contains("ending at once"), "{}", daemon.log());
        }
        drop(hung);
    }
}

#[test]
fn new_films_are_planned_behind_the_published_hour() {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "Old (2001).mp4");
    instance.json(&["setup", instance.media().to_str().unwrap(), "--yes"]);
    let daemon = instance.serve();
    let titles = |hours: &str| -> Vec<String> {
        let path = format!("/api/v1/guide?channel=1&hours={hours}");
        let guide = daemon.get(&path).json();
        let all = guide[0]["programmes"].as_array().unwrap();
        all.iter()
            .map(|p| p["title"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(titles("2").iter().all(|title| title == "Old"));
    instance.add_media("h264_b0_25.mp4", "New (2002).mp4");
    let file = fs::File::options()
        .write(true)
        .open(instance.media().join("New (2002).mp4"));
    file.unwrap()
        .set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000))
        .unwrap();
    instance.json(&["library", "scan"]);
    let after = titles("2");
    let first = after
        .iter()
        .position(|title| title == "New")
        .expect("it is planned");
    // 8 s each: the hour has 450 of them.
    assert!((440..=453).contains(&first), "{first}");
}
