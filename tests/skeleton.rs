//! Skeletons of media files: nothing of the content, everything of the structure. ffprobe is the judge of both.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::daemon::{Instance, said};
use common::media::sample;
use common::ts::{ffmpeg, text};
use common::units::{facts, read_all};
use exstreamd::error::ErrorKind;
use exstreamd::media::skeleton::{self, Kept};
use exstreamd::media::{
    BytesSource, FileSource, Probe, Rap, StreamKind, VideoCodec, nal, open, probe,
};
use serde_json::Value;

/// The skeleton of a file, with what it says of itself.
fn skeleton_of(path: &Path) -> (tempfile::TempDir, PathBuf, Kept) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join(path.file_name().unwrap());
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&out)
        .unwrap();
    let source = FileSource::open(path).unwrap();
    let kept = skeleton::write(Arc::new(source), &file).unwrap();
    (dir, out, kept)
}

/// All packets as libavformat finds them: stream, times, size, place and flags.
fn packets(path: &Path) -> Vec<Value> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "quiet",
            "-of",
            "json",
            "-show_packets",
            "-show_entries",
        ])
        .arg("packet=codec_type,stream_index,pts,dts,size,pos,flags")
        .arg(path)
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["packets"].as_array().unwrap().clone()
}

fn check_packets(name: &str, original: &Path, skeleton: &Path) {
    let (theirs, ours) = (packets(original), packets(skeleton));
    assert_eq!(theirs.len(), ours.len(), "{name}");
    for (n, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        assert_eq!(theirs, ours, "{name}: packet {n}");
    }
}

fn probed(path: &Path) -> Probe {
    let mut probe = probe::probe(Arc::new(FileSource::open(path).unwrap())).unwrap();
    for chapter in &mut probe.chapters {
        chapter.title.clear();
    }
    probe
}

const SAMPLES: &[&str] = &[
    "h264_b0_25.mp4",
    "h264_b3_pyramid_2997.mp4",
    "h264_b3_23976.mp4",
    "h264_51.mp4",
    "h264_fields.mp4",
    "hevc_ac3.mp4",
    "hevc_hev1_eac3.mp4",
    "h264_late_audio.mp4",
    "h264_vfr.mp4",
    "hevc_ac3.mkv",
    "hevc_eac3.mkv",
    "h264_b3_23976.mkv",
    "h264_cues_first.mkv",
    "h264_aac.ts",
    "h264_ac3.ts",
    "hevc_eac3.ts",
    "h264_wrap.ts",
];

#[test]
fn packets_probe_and_units_of_a_skeleton_are_those_of_the_original() {
    for name in SAMPLES {
        let path = sample(name);
        let (_dir, out, kept) = skeleton_of(&path);
        check_packets(name, &path, &out);
        assert!(kept.pictures > 50, "{name}: {kept:?}");
        assert_eq!(probed(&path), probed(&out), "{name}");
        let units = |path: &Path| {
            let mut demuxer = open(Arc::new(FileSource::open(path).unwrap())).unwrap();
            read_all(&mut *demuxer)
        };
        let (theirs, ours) = (units(&path), units(&out));
        assert_eq!(theirs.len(), ours.len(), "{name}");
        for (n, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
            assert_eq!(facts(theirs), facts(ours), "{name}: unit {n}");
        }
        assert!(ours.iter().any(|unit| unit.rap != Rap::No));
    }
}

#[test]
fn of_every_slice_and_frame_only_the_head_is_left() {
    for name in SAMPLES {
        let path = sample(name);
        let (_dir, out, _) = skeleton_of(&path);
        let codec = probed(&out).video.unwrap().codec.unwrap();
        let mut demuxer = open(Arc::new(FileSource::open(&out).unwrap())).unwrap();
        for unit in read_all(&mut *demuxer) {
            if unit.kind == StreamKind::Audio {
                // ADTS headers are put in front by the demuxer where the file has none.
                let behind = unit.data.get(14..).unwrap_or_default();
                // E-AC-3 may bring a second substream with a header of its own.
                let left = behind.iter().filter(|byte| **byte != 0).count();
                assert!(
                    left <= 12,
                    "{name}: {left} bytes of a frame of {}",
                    unit.data.len()
                );
                continue;
            }
            for unit in nal::nals(&unit.data) {
                let kind = match codec {
                    VideoCodec::Hevc => unit[0] >> 1 & 0x3F,
                    _ => unit[0] & 0x1F,
                };
                let is_slice = match codec {
                    VideoCodec::Hevc => kind < 32,
                    _ => (1..=5).contains(&kind),
                };
                if !is_slice || unit.len() <= 17 {
                    continue;
                }
                let (last, head) = unit.split_last().unwrap();
                assert_eq!(*last, 0x80, "{name}");
                assert!(head[16..].iter().all(|byte| *byte == 0), "{name}");
            }
        }
    }
}

#[test]
fn a_skeleton_is_the_original_zeros_and_the_bytes_that_close_what_was_emptied() {
    for name in SAMPLES.iter().chain(&["h264_one_gop.mp4"]) {
        let path = sample(name);
        let (_dir, out, kept) = skeleton_of(&path);
        let (theirs, ours) = (std::fs::read(&path).unwrap(), std::fs::read(&out).unwrap());
        assert_eq!(theirs.len(), ours.len(), "{name}");
        let differs = |(theirs, ours): &(&u8, &u8)| theirs != ours && **ours != 0;
        let closing: Vec<u8> = theirs
            .iter()
            .zip(&ours)
            .filter(differs)
            .map(|(_, ours)| *ours)
            .collect();
        // The stop bit of slices and messages; in AAC with headers of its own what says silence in stereo.
        let is_known = |byte: &u8| match name.ends_with("ts") {
            true => matches!(byte, 0x80 | 0x21 | 0x1C),
            false => *byte == 0x80,
        };
        assert!(closing.iter().all(is_known), "{name}");
        let most = 2 * kept.pictures + 16 + 4 * kept.sounds;
        assert!(closing.len() as u64 <= most, "{name}: {}", closing.len());
        let left = ours.iter().filter(|byte| **byte != 0).count() as u64;
        assert!(left <= kept.kept_bytes + closing.len() as u64, "{name}");
    }
}

#[test]
fn what_is_zero_takes_no_room_on_the_disk() {
    let path = sample("h264_one_gop.mp4");
    let (_dir, out, kept) = skeleton_of(&path);
    let meta = std::fs::metadata(&out).unwrap();
    assert_eq!(meta.len(), std::fs::metadata(&path).unwrap().len());
    assert!(meta.len() > 10 << 20, "the sample is large");
    assert!(
        meta.blocks() * 512 < meta.len() / 8,
        "{} blocks",
        meta.blocks()
    );
    assert!(kept.kept_bytes < meta.len() / 100, "{kept:?}");
}

/// A film with secrets wherever a file may have them.
fn secretive(dir: &Path, name: &str) -> PathBuf {
    let chapters = dir.join("chapters.txt");
    std::fs::write(
        &chapters,
        ";FFMETADATA1\ntitle=SECRETtitle\ncomment=SECRETcomment\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\n\
         title=SECRETchapter one\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=SECRETchapter two\n",
    )
    .unwrap();
    let subtitles = dir.join("subtitles.srt");
    std::fs::write(&subtitles, "1\n00:00:01,000 --> 00:00:02,000\nSECRETline\n").unwrap();
    let attachment = dir.join("SECRETname.txt");
    std::fs::write(&attachment, "SECRETattached").unwrap();
    let out = dir.join(name);
    let film = sample("h264_b2_25.mp4");
    let mut args = vec![
        "-v",
        "error",
        "-y",
        "-i",
        text(&film),
        "-i",
        text(&chapters),
    ];
    let is_mkv = name.ends_with("mkv");
    let is_ts = name.ends_with("ts");
    if !is_ts {
        args.extend(["-i", text(&subtitles)]);
    }
    args.extend([
        "-map",
        "0",
        "-map_metadata",
        "1",
        "-map_chapters",
        "1",
        "-t",
        "4",
        "-c:a",
        "copy",
    ]);
    // A message of the user in the first picture.
    args.extend([
        "-c:v",
        "copy",
        "-bsf:v",
        "h264_metadata=sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+SECRETsei",
    ]);
    args.extend([
        "-metadata:s:a",
        "title=SECRETtrack",
        "-metadata:s:a",
        "language=deu",
    ]);
    args.extend([
        "-metadata",
        "service_name=SECRETservice",
        "-metadata",
        "service_provider=SECRETprovider",
    ]);
    if !is_ts {
        args.extend(["-map", "2", "-c:s", if is_mkv { "srt" } else { "mov_text" }]);
    }
    if is_mkv {
        args.extend([
            "-attach",
            text(&attachment),
            "-metadata:s:t",
            "mimetype=text/plain",
        ]);
    }
    args.push(text(&out));
    let made = ffmpeg(&args);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    out
}

fn holds(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

#[test]
fn no_name_title_text_or_message_survives() {
    for name in ["film.mp4", "film.mov", "film.mkv", "film.ts"] {
        let dir = tempfile::tempdir().unwrap();
        let film = secretive(dir.path(), name);
        let original = std::fs::read(&film).unwrap();
        let secrets = original.windows(6).filter(|w| *w == b"SECRET").count();
        assert!(secrets >= 2, "{name}: {secrets}");
        assert!(holds(&original, b"SECRETsei"), "{name}");
        let (_dir, out, _) = skeleton_of(&film);
        let ours = std::fs::read(&out).unwrap();
        let wide: Vec<u8> = "SECRET".bytes().flat_map(|byte| [byte, 0]).collect();
        for words in [b"SECRET".as_slice(), &wide, b"Lavf", b"x264"] {
            assert!(
                !holds(&ours, words),
                "{name}: {}",
                String::from_utf8_lossy(words)
            );
        }
        assert_eq!(packets(&film).len(), packets(&out).len(), "{name}");
        let (theirs, ours) = (probed(&film), probed(&out));
        assert_eq!(theirs, ours, "{name}");
        assert_eq!(
            ours.chapters.len(),
            if name.ends_with("ts") { 0 } else { 2 },
            "{name}"
        );
        // QuickTime has codes of its own for languages.
        let language = (!name.ends_with("mov")).then_some("deu");
        assert_eq!(ours.audio[0].language.as_deref(), language, "{name}");
    }
}

#[test]
fn fragments_start_codes_and_other_packet_sizes_have_skeletons_too() {
    let dir = tempfile::tempdir().unwrap();
    let film = sample("h264_b2_25.mp4");
    let mpeg2 = sample("mpeg2_ac3.mpg");
    for (name, from, options) in [
        (
            "fragmented.mp4",
            &film,
            "-c copy -movflags frag_keyframe+empty_moov",
        ),
        (
            "default_base.mp4",
            &film,
            "-c copy -movflags frag_keyframe+empty_moov+default_base_moof",
        ),
        ("live.mkv", &film, "-c copy -live 1"),
        ("m2ts.m2ts", &film, "-c:v copy -c:a ac3 -mpegts_m2ts_mode 1"),
        ("mpeg2.mkv", &mpeg2, "-c copy"),
        ("mpeg2.ts", &mpeg2, "-c copy"),
        ("mpeg2.mp4", &mpeg2, "-c copy"),
        ("mp3.mp4", &film, "-c:v copy -c:a libmp3lame"),
        ("mp3.mkv", &film, "-c:v copy -c:a libmp3lame"),
        ("mp2.ts", &film, "-c:v copy -c:a mp2"),
    ] {
        let path = dir.path().join(name);
        let mut args = vec!["-v", "error", "-fflags", "+genpts", "-i", text(from)];
        args.extend(options.split(' '));
        args.push(text(&path));
        let made = ffmpeg(&args);
        assert!(
            made.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let (_dir, out, kept) = skeleton_of(&path);
        assert!(kept.pictures > 50, "{name}: {kept:?}");
        check_packets(name, &path, &out);
        let (theirs, ours) = (std::fs::read(&path).unwrap(), std::fs::read(&out).unwrap());
        let left = ours.iter().filter(|byte| **byte != 0).count();
        // Of small pictures much is header; of a transport stream every packet has one.
        assert!(
            left < theirs.len() / 3,
            "{name}: {left} of {}",
            theirs.len()
        );
    }
}

#[test]
fn damaged_files_have_skeletons_as_far_as_they_can_be_followed() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["h264_b2_25.mp4", "hevc_ac3.mkv", "h264_ac3.ts"] {
        let whole = std::fs::read(sample(name)).unwrap();
        let mut state = 1_u64;
        for round in 0..60 {
            let mut bytes = whole.clone();
            if round % 3 == 0 {
                bytes.truncate(whole.len() * (round + 1) / 61);
            }
            for _ in 0..round {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                // Headers are hit most.
                let span = if round % 2 == 0 {
                    bytes.len()
                } else {
                    4096.min(bytes.len())
                };
                let place = (state >> 33) as usize % span;
                bytes[place] ^= 1 << (state >> 20 & 7);
            }
            let out = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(dir.path().join("out"))
                .unwrap();
            let size = bytes.len() as u64;
            match skeleton::write(Arc::new(BytesSource::new("test", bytes)), &out) {
                Ok(kept) => assert!(kept.kept_bytes <= 4 * size, "{name} {round}: {kept:?}"),
                Err(e) => assert!(
                    matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::Damaged),
                    "{e:#}"
                ),
            }
            assert!(out.metadata().unwrap().len() <= size);
        }
    }
}

#[test]
fn the_command_writes_outside_of_the_library_and_over_nothing() {
    let instance = Instance::new();
    let film = instance.add_media("h264_b2_25.mp4", "Secret Film (2001).mp4");
    let film = text(&film);
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().join("s.mp4");
    let run = |args: &[&str]| {
        instance
            .command(&[&["skeleton"], args].concat())
            .current_dir(outside.path())
            .output()
            .unwrap()
    };
    let fails = |args: &[&str], words: &str| {
        let output = run(args);
        assert!(!output.status.success(), "{args:?}");
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    };
    let output = run(&[film, "-o", text(&out)]);
    assert!(output.status.success(), "{}", said(&output));
    for words in ["emptied", "remains", "like the original"] {
        assert!(said(&output).contains(words), "{}", said(&output));
    }
    assert!(!instance.data().exists(), "no database is made for it");
    let first = std::fs::read(&out).unwrap();
    fails(&[film, "-o", text(&out)], "there already");
    std::fs::write(&out, "mine").unwrap();
    fails(&[film, "-o", text(&out)], "--force");
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
    assert!(run(&[film, "-o", text(&out), "--force"]).status.success());
    assert_eq!(std::fs::read(&out).unwrap(), first);
    fails(&[film, "-o", film, "--force"], "both read and written");
    fails(&[film, "-o", "/dev/null", "--force"], "no ordinary file");
    // By default in the working directory, under no name that tells anything.
    assert!(run(&[film]).status.success());
    assert_eq!(
        std::fs::read(outside.path().join("skeleton.mp4")).unwrap(),
        first
    );
    let beside = instance
        .command(&["skeleton", film])
        .current_dir(instance.media())
        .output()
        .unwrap();
    assert!(said(&beside).contains("-o OUT"), "{}", said(&beside));
    // Known folders of the library are taboo, also by another way to them.
    instance.json(&["library", "add", text(&instance.media())]);
    let inside = instance.media().join("s.mp4");
    fails(&[film, "-o", text(&inside)], "a folder of the library");
    let link = outside.path().join("link");
    std::os::unix::fs::symlink(instance.media(), &link).unwrap();
    fails(
        &[film, "-o", text(&link.join("s.mp4"))],
        "a folder of the library",
    );
    let daemon = instance.serve();
    fails(&[film, "-o", text(&inside)], "a folder of the library");
    drop(daemon);
    assert_eq!(std::fs::read_dir(instance.media()).unwrap().count(), 1);
    let notes = outside.path().join("notes.txt");
    std::fs::write(&notes, "words").unwrap();
    fails(&[text(&notes), "-o", "x"], "text");
    assert!(!outside.path().join("x").exists() && !outside.path().join("x.part").exists());
    let told: Value = serde_json::from_slice(&run(&[film, "--json", "--force"]).stdout).unwrap();
    assert_eq!(told["probed_alike"], true);
    assert!(told["kept"]["pictures"].as_u64().unwrap() > 100);
}
