//! What channels promise, what it costs, and what of it clients get: real files, the real program.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use common::daemon::{Instance, said, wait_for};
use common::media::sample;
use common::tv::{BEGIN, Loop, Tv, check, item};
use exstreamd::channel::programming::{Answer, ChannelFacts, OnAir, Programming};
use exstreamd::clock::UtcMs;
use exstreamd::media::format::{Treatment, shape_of};
use exstreamd::media::{FileSource, Format, PictureRate, PictureSize, probe};
use serde_json::{Value, json};

fn lines(instance: &Instance, args: &[&str]) -> String {
    let output = instance.run(args);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// H.264 with AAC (8 s) and with DTS, HEVC with AC-3 three times: most of the time is HEVC.
fn mixed() -> Instance {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "Copied (2001).mp4");
    instance.add_media("h264_dts.mkv", "Dts (2002).mkv");
    for n in 3..20 {
        instance.add_media("hevc_ac3.mp4", &format!("Hevc (20{n:02}).mp4"));
    }
    let media = instance.media();
    instance.json(&["library", "add", media.to_str().unwrap()]);
    instance
}

#[test]
fn the_price_is_said_when_a_channel_is_made_and_shown_and_by_the_api() {
    let instance = mixed();
    let made = lines(&instance, &["channel", "add", "--number", "5"]);
    for words in [
        "format     H.264 + AAC, 48000 Hz, stereo",
        "% of this channel plays without transcoding (1 of 19 items)",
        "instead    HEVC + AC-3, 48000 Hz, stereo: ",
        "browsers and older TVs cannot play it",
        "not copied video: HEVC does not fit a channel of H.264: 17 items, 1 min",
        "and 14 more",
        "not copied audio: AC-3 does not fit a channel of AAC: 17 items",
        "not copied audio: DTS cannot be copied into a transport stream: 1 item, ",
        "Dts (2002).mkv",
    ] {
        assert!(made.contains(words), "{words}: {made}");
    }
    assert!(!made.contains("Copied (2001).mp4"), "{made}");
    assert_eq!(
        made.matches("Hevc (20").count(),
        2 * 3,
        "a few examples each"
    );
    let all = lines(&instance, &["channel", "show", "5", "--all"]);
    assert_eq!(all.matches("not copied").count(), 18, "{all}");
    let daemon = instance.serve();
    let channel = daemon.get("/api/v1/channels/5").json();
    let percent = channel["copied_percent"].as_i64().unwrap();
    assert!((1..20).contains(&percent), "{channel}");
    assert_eq!(channel["share"]["treatments"]["audio"]["items"], 1);
    assert_eq!(channel["share"]["treatments"]["both"]["items"], 17);
    assert_eq!(channel["share"]["exceptions"][0]["items"], 17);
    let other = &channel["alternatives"][0];
    assert_eq!(
        (&other["format"]["video"], &other["format"]["audio"]),
        (&json!("hevc"), &json!("ac3"))
    );
    assert!(other["copied_percent"].as_i64().unwrap() > 80, "{other}");
    wait_for(|| {
        let page = daemon.get("/");
        let why = "Not copied, mostly: video: HEVC does not fit a channel of H.264";
        (page.text().contains(why) && page.text().contains(&format!("{percent} % copied")))
            .then_some(())
    });
    // The rest of the list, page by page.
    let page = daemon.get("/api/v1/channels/5/exceptions").json();
    let page = page.as_array().unwrap();
    assert_eq!(page.len(), 18);
    let last = page[16]["item_id"].as_i64().unwrap();
    let rest = daemon.get(&format!("/api/v1/channels/5/exceptions?after={last}"));
    assert_eq!(rest.json(), json!([page[17]]));
    assert_eq!(
        daemon.get("/api/v1/channels/5/exceptions?after=x").status(),
        400
    );
}

#[test]
fn hevc_is_chosen_only_when_the_players_can_show_it_and_formats_change_by_command_alone() {
    let instance = mixed();
    let format = |args: &[&str]| instance.json(args)["format"].clone();
    let video = |args: &[&str]| format(args)["video"].clone();
    assert_eq!(video(&["channel", "add", "--number", "1"]), "h264");
    let hevc = instance.json(&["channel", "add", "--number", "2", "--hevc"]);
    assert_eq!(
        (&hevc["format"]["video"], &hevc["format"]["audio"]),
        (&json!("hevc"), &json!("ac3"))
    );
    assert!(hevc["copied_percent"].as_i64().unwrap() > 80);
    let proposals = |hevc: &str| {
        let daemon = instance.serve();
        let proposals = daemon.get(&format!("/api/v1/proposals{hevc}")).json();
        (
            proposals[0]["format"]["video"].clone(),
            proposals[0]["alternatives"][0].clone(),
        )
    };
    let (chosen, instead) = proposals("");
    assert_eq!(
        (chosen, &instead["format"]["video"]),
        (json!("h264"), &json!("hevc"))
    );
    assert_eq!(proposals("?hevc=true").0, "hevc");
    // Other items do not change it.
    for n in 0..40 {
        instance.add_media("h264_b2_25.mp4", &format!("More {n} (1999).mp4"));
    }
    instance.json(&["library", "scan"]);
    let shown = instance.json(&["channel", "show", "2"]);
    assert_eq!(shown["format"], hevc["format"]);
    assert!(shown["copied_percent"].as_i64().unwrap() < 50);
    // The user does; the new price comes with it.
    let changed = instance.json(&["channel", "set", "2", "--video", "h264", "--audio", "aac"]);
    assert_eq!(changed["format"], format(&["channel", "show", "1"]));
    assert!(changed["copied_percent"].as_i64().unwrap() > 50);
    let strict = format(&[
        "channel",
        "set",
        "2",
        "--size",
        "640x360",
        "--rate",
        "29.97",
        "--loose-audio",
    ]);
    assert_eq!(
        (&strict["size"], &strict["rate"], &strict["loose_audio"]),
        (&json!("640x360"), &json!("29.97"), &json!(true))
    );
    assert_eq!(format(&["channel", "show", "2"]), strict, "it is stored");
    let any = format(&[
        "channel",
        "set",
        "2",
        "--size",
        "any",
        "--rate",
        "any",
        "--strict-audio",
    ]);
    assert_eq!(any, changed["format"]);
    for (args, words) in [
        (["--size", "641x360"], "both sides are even"),
        (["--rate", "26"], "no picture rate of television"),
        (["--audio", "dts"], "aac, ac3"),
        (["--audio", "ac3/48000/7"], "no encoder makes"),
        (["--video", "av1"], "h264, hevc, mpeg2"),
    ] {
        let output = instance.run(&["channel", "set", "2", args[0], args[1]]);
        assert!(!output.status.success(), "{args:?}");
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
    assert_eq!(format(&["channel", "show", "2"]), changed["format"]);
}

#[test]
fn who_watches_keeps_the_format_and_who_tunes_in_next_gets_the_new_one() {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "A (2001).mp4");
    let media = instance.media();
    instance.json(&["library", "add", media.to_str().unwrap()]);
    instance.json(&["channel", "add", "--number", "1"]);
    let daemon = instance.serve();
    let mut watching = daemon.open("GET", "/iptv/channel/1.ts", "");
    let codec = |bytes: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("stream.ts");
        std::fs::write(&file, bytes).unwrap();
        let output = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "a:0"])
            .args(["-show_entries", "stream=codec_name", "-of", "csv=p=0"])
            .arg(&file)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let read = |stream: &mut std::net::TcpStream| {
        let mut bytes = vec![0; 400_000];
        std::io::Read::read_exact(stream, &mut bytes).unwrap();
        bytes
    };
    assert!(codec(&read(&mut watching)).starts_with("aac"));
    instance.json(&["channel", "set", "1", "--audio", "mp2"]);
    let mut next = daemon.open("GET", "/iptv/channel/1.ts", "");
    assert!(codec(&read(&mut next)).starts_with("mp2"));
    assert!(codec(&read(&mut watching)).starts_with("aac"), "goes on");
}

#[test]
fn probe_says_what_a_channel_makes_of_a_file() {
    let instance = Instance::new();
    let check = |name: &str, options: &[&str], words: &[&str]| {
        let path = sample(name);
        let args = [&["probe", path.to_str().unwrap()], options].concat();
        let said = lines(&instance, &args);
        for word in words {
            assert!(said.contains(word), "{name} {options:?}, {word}: {said}");
        }
    };
    check(
        "h264_b2_25.mp4",
        &[],
        &[
            "a channel of H.264 + AAC, 48000 Hz, stereo",
            "yes, without transcoding",
        ],
    );
    check(
        "h264_dts.mkv",
        &[],
        &["no: only the sound is transcoded", "audio: DTS"],
    );
    check(
        "hevc_ac3.mp4",
        &["--audio", "ac3"],
        &["no: only the picture is transcoded", "video: HEVC"],
    );
    check(
        "hevc_ac3.mp4",
        &["--video", "hevc"],
        &["a channel of HEVC + AC-3", "yes"],
    );
    check(
        "h264_rotated.mp4",
        &[],
        &["no: only the picture", "rotation"],
    );
    check("h264_cenc.mp4", &[], &["no: cannot be played", "encrypted"]);
    check("h264_fields.mp4", &[], &["interlaced", "yes, without"]);
    check(
        "h264_fields.mp4",
        &["--rate", "25"],
        &["no: only the picture", "video: interlaced"],
    );
    check(
        "h264_one_gop.mp4",
        &[],
        &["no: only the picture", "video: GOP of "],
    );
    check(
        "h264_30_mono.mp4",
        &[
            "--size",
            "1280x720",
            "--rate",
            "25",
            "--audio",
            "aac/48000/2",
        ],
        &[
            "no: picture and sound are transcoded",
            "does not fit a channel of 1280x720",
            "30.00 pictures per second do not fit a channel of 25",
            "audio: 44100 Hz",
        ],
    );
    check(
        "h264_30_mono.mp4",
        &["--audio", "aac/48000/2", "--loose-audio"],
        &["yes, without"],
    );
    check(
        "mpeg4_mp3.avi",
        &[],
        &[
            "video: MPEG-4 Part 2",
            "cannot be copied into a transport stream",
        ],
    );
    // By the format of a channel.
    let film = instance.add_media("h264_30_mono.mp4", "Mono (2001).mp4");
    instance.json(&["library", "add", instance.media().to_str().unwrap()]);
    instance.json(&["channel", "add", "--number", "7", "--audio", "mp2"]);
    let probed = instance.json(&["probe", film.to_str().unwrap(), "--channel", "7"]);
    assert_eq!(
        (&probed[0]["treatment"], &probed[0]["copied"]),
        (&json!("audio"), &json!(false))
    );
    assert_eq!(probed[0]["format"]["audio"], "mp2");
    let reasons: &Value = &probed[0]["reasons"];
    assert_eq!(reasons[0]["part"], "audio");
    let output = instance.run(&[
        "probe",
        film.to_str().unwrap(),
        "--channel",
        "7",
        "--rate",
        "25",
    ]);
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn files_are_judged_by_their_shapes_as_by_themselves() {
    let strict = Format {
        size: PictureSize::parse("320x180").ok(),
        rate: PictureRate::parse("25").ok(),
        ..Format::DEFAULT
    };
    let mut treatments = Vec::new();
    for name in [
        "h264_b2_25.mp4",
        "h264_30_mono.mp4",
        "h264_one_gop.mp4",
        "h264_fields.mp4",
        "hevc_ac3.mp4",
        "h264_dts.mkv",
        "h264_aac.ts",
    ] {
        let source = FileSource::open(&sample(name)).unwrap();
        let probe = probe::probe(std::sync::Arc::new(source)).unwrap();
        for format in [Format::DEFAULT, strict] {
            let (own, shape) = (format.judge(&probe), format.judge(&shape_of(&probe)));
            assert_eq!(own.treatment, shape.treatment, "{name}");
            treatments.push(own.treatment);
        }
    }
    for treatment in [
        Treatment::Copy,
        Treatment::Audio,
        Treatment::Video,
        Treatment::Both,
    ] {
        assert!(treatments.contains(&treatment), "{treatment}");
    }
}

/// The loop on a channel with a loose layout.
struct Loose(Loop);

impl Programming for Loose {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        Box::pin(async move {
            let mut facts = self.0.channel(number).await?;
            facts.format.loose_audio = true;
            Ok(facts)
        })
    }

    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        self.0.on_air(channel, at)
    }
}

#[tokio::test]
async fn a_loose_layout_is_one_stream_of_copied_sound_whose_rate_and_layout_change() {
    let names = ["h264_b2_25.mp4", "h264_30_mono.mp4", "h264_51.mp4", "gap"];
    let loose = Format {
        loose_audio: true,
        ..Format::DEFAULT
    };
    for name in &names[..3] {
        let (_, probe) = item(sample(name));
        assert_eq!(loose.judge(&probe).treatment, Treatment::Copy, "{name}");
    }
    let tv = Tv::new(Loose(Loop::of(&names)), BEGIN);
    let (received, _task) = tv.join().await;
    tv.play(45).await;
    let (_dir, file) = check("loose", &received.bytes());
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&file)
        .args(["-map", "0:a", "-f", "null", "-"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "it decodes in silence"
    );
    // No transcoder is there: whatever was not copied was covered.
    assert!(tv.stations.status()[0].last_failure.is_none());
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "a:0", "-show_entries"])
        .args(["frame=channels,nb_samples", "-of", "csv=p=0"])
        .arg(&file)
        .output()
        .unwrap();
    let frames = String::from_utf8(output.stdout).unwrap();
    for channels in ["1", "2", "6"] {
        let frame = format!("1024,{channels}");
        assert!(
            frames.lines().any(|line| line.starts_with(&frame)),
            "{channels}"
        );
    }
}
