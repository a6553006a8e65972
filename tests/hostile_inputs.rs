//! Files that are not what their name says, are cut short, or have names that could mean something else.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::media::sample;
use exstreamd::error::{Error, ErrorKind};
use exstreamd::ffmpeg::Ffmpeg;
use exstreamd::media::{AudioCodec, CopyClass, Format, Probe, Ticks90k, VideoCodec};
use exstreamd::system::Spawner;
use exstreamd::transcode::{self, Job};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::AsyncReadExt;

async fn tools() -> (Spawner, Ffmpeg) {
    let spawner = Spawner::start(env!("CARGO_BIN_EXE_exstreamd")).unwrap();
    let ffmpeg = Ffmpeg::find(&[], &spawner).await.unwrap();
    (spawner, ffmpeg)
}

/// Transcodes one second; the bytes that came out and how it ended.
async fn transcode(
    tools: &(Spawner, Ffmpeg),
    path: &Path,
    probe: &Probe,
) -> (usize, Result<(), Error>) {
    let job = Job {
        path: path.to_owned(),
        from: probe.start,
        sound_only: false,
        to: probe.start + Ticks90k::SECOND,
        format: Format {
            video: VideoCodec::H264,
            audio: AudioCodec::Aac,
            audio_rate_hz: 48_000,
            audio_channels: 2,
            ..Format::DEFAULT
        },
        class: CopyClass::Transcode {
            video: true,
            audio: true,
            reason: "test".into(),
        },
        probe: probe.clone(),
    };
    let mut running = transcode::start(&tools.1, &tools.0, &job).await.unwrap();
    let mut bytes = Vec::new();
    running.stdout().read_to_end(&mut bytes).await.unwrap();
    (bytes.len(), running.finish().await)
}

/// A probe that promises a film, as a file may have been one when it was scanned.
async fn stale_probe(tools: &(Spawner, Ffmpeg)) -> Probe {
    tools.1.probe(&sample("h264_b2_25.mp4")).await.unwrap()
}

/// Neither probing nor transcoding gets anything out of `path`, and both say why.
async fn check_refused(tools: &(Spawner, Ffmpeg), path: &Path) {
    let refused = |kind| matches!(kind, ErrorKind::Damaged | ErrorKind::Unsupported);
    let error = tools.1.probe(path).await.unwrap_err();
    assert!(refused(error.kind()), "{error:#}");
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error:#}"
    );
    let (bytes, ended) = transcode(tools, path, &stale_probe(tools).await).await;
    let error = ended.unwrap_err();
    assert!(refused(error.kind()), "{error:#}");
    assert_eq!(bytes, 0, "{error:#}");
}

/// Whether anything opens `file` while `work` is done.
struct Watch(Inotify);

impl Watch {
    fn on(file: &Path) -> Self {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
        inotify.add_watch(file, AddWatchFlags::IN_OPEN).unwrap();
        Self(inotify)
    }

    fn was_opened(&self) -> bool {
        self.0.read_events().is_ok_and(|events| !events.is_empty())
    }
}

#[tokio::test]
async fn playlists_named_like_films_open_nothing_else() {
    let tools = tools().await;
    let dir = tempfile::tempdir().unwrap();
    let side = dir.path().join("side.ts");
    fs::copy(sample("h264_aac.ts"), &side).unwrap();
    let hls = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\n{}\n#EXT-X-ENDLIST\n",
        side.display()
    );
    let concat = format!("ffconcat version 1.0\nfile '{}'\n", side.display());
    let sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n";
    let watch = Watch::on(&side);
    for (format, text) in [("hls", hls.as_str()), ("concat", &concat), ("sdp", sdp)] {
        let path = dir.path().join(format!("{format}.mkv"));
        fs::write(&path, text).unwrap();
        check_refused(&tools, &path).await;
        assert!(!watch.was_opened(), "{format} opened the other file");
    }
    // The trap works: an ffprobe that is not told what to allow does open it.
    let playlist = dir.path().join("hls.mkv");
    let naive = Command::new("ffprobe")
        .args(["-v", "error", "-f", "hls"])
        .arg(&playlist)
        .output();
    assert!(
        naive.is_ok() && watch.was_opened(),
        "the trap would not have been seen"
    );
}

#[tokio::test]
async fn what_is_no_media_is_refused() {
    let tools = tools().await;
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(sample("h264_b0_25.mp4")).unwrap();
    // Its index stands at the end and is lost.
    let cut = whole[..whole.len() / 2].to_vec();
    for (name, bytes) in [
        ("text.mkv", b"This is not a film.\n".repeat(100)),
        ("empty.mkv", Vec::new()),
        ("zeros.mp4", vec![0; 100_000]),
        (
            "subtitles.mkv",
            b"1\n00:00:01,000 --> 00:00:02,000\nHello\n".to_vec(),
        ),
        ("cut.mp4", cut),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        check_refused(&tools, &path).await;
    }
}

#[tokio::test]
async fn a_film_with_its_index_in_front_that_was_cut_short_is_damaged_not_shorter() {
    let tools = tools().await;
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(sample("h264_b2_25.mp4")).unwrap();
    let path = dir.path().join("cut.mp4");
    fs::write(&path, &whole[..whole.len() / 3]).unwrap();
    let error = tools.1.probe(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error:#}");
    // What is there still plays.
    let (bytes, _) = transcode(&tools, &path, &stale_probe(&tools).await).await;
    assert!(bytes > 0);
}

#[tokio::test]
async fn a_file_that_is_gone_or_a_folder_says_so() {
    let tools = tools().await;
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone.mkv");
    assert_eq!(
        tools.1.probe(&gone).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(tools.1.probe(dir.path()).await.is_err());
    assert!(tools.1.probe(Path::new("relative.mkv")).await.is_err());
    let (_, ended) = transcode(&tools, &gone, &stale_probe(&tools).await).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn any_name_that_the_file_system_allows_can_be_played() {
    let tools = tools().await;
    let dir = tempfile::tempdir().unwrap();
    for name in [
        &b"-y.mkv"[..],
        b"a\nb.mkv",
        b"it's \"quoted\".mkv",
        b"http:x.mkv",
        b"%03d.mkv",
        b"\xff\xfe.mkv",
        b"a|b;c,d[e]=f\\.mkv",
        b" .mkv",
    ] {
        let path: PathBuf = dir.path().join(OsStr::from_bytes(name));
        fs::copy(sample("h264_b2_25.mkv"), &path).unwrap();
        let probe = tools
            .1
            .probe(&path)
            .await
            .unwrap_or_else(|e| panic!("{path:?}: {e:#}"));
        let (bytes, ended) = transcode(&tools, &path, &probe).await;
        assert!(ended.is_ok() && bytes > 10_000, "{path:?}: {ended:?}");
    }
}

#[tokio::test]
async fn tags_need_not_be_text() {
    let tools = tools().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tagged.avi");
    let mut title = OsString::from("title=caf");
    title.push(OsStr::from_bytes(b"\xe9 \xff"));
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(sample("mpeg4_mp3.avi"))
        .args(["-c", "copy", "-metadata"])
        .arg(title)
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    assert!(tools.1.probe(&path).await.is_ok());
}

#[tokio::test]
async fn no_ffmpeg_says_what_to_install() {
    let spawner = Spawner::start(env!("CARGO_BIN_EXE_exstreamd")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let check = async |name: &str, script: Option<&str>, part: &str| {
        let program = dir.path().join(name).join("ffmpeg");
        fs::create_dir(dir.path().join(name)).unwrap();
        if let Some(script) = script {
            fs::write(&program, script).unwrap();
            let made = Command::new("chmod")
                .arg("755")
                .arg(&program)
                .status()
                .unwrap();
            assert!(made.success());
        }
        let error = Ffmpeg::find_in(&[program], &spawner).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error.message().contains("install ffmpeg 4.2 or newer"),
            "{error:#}"
        );
        assert!(error.message().contains(part), "{error:#}");
    };
    check("none", None, "none/ffmpeg does not exist").await;
    check(
        "old",
        Some("#!/bin/sh\necho ffmpeg version 3.4.8 Copyright"),
        "is ffmpeg 3.4",
    )
    .await;
    check("other", Some("#!/bin/sh\necho hello"), "is not an ffmpeg").await;
    check(
        "broken",
        Some("#!/bin/sh\necho libx264.so.9: cannot open >&2; exit 1"),
        "libx264.so.9",
    )
    .await;
    check(
        "alone",
        Some("#!/bin/sh\necho ffmpeg version 6.1 Copyright"),
        "no usable ffprobe beside it",
    )
    .await;
    check("garbage", Some("\u{7f}ELF"), "exit status: 127").await;
}
