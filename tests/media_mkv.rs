//! Matroska: every packet as ffprobe reports it, seeks, probes, files that are something else.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// A test fails by panicking; clippy only knows that of the functions marked as tests.

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::media::{ffprobe, sample};
use common::mkv_checks::{check_packets, check_seeks};
use common::units::{facts, is_within_a_millisecond, of, open_mkv, open_mkv_bytes, read_all};
use exstreamd::error::ErrorKind;
use exstreamd::media::nal::nals;
use exstreamd::media::probe::{Probe, probe};
use exstreamd::media::{AccessUnit, Demuxer, FileSource, StreamKind, Ticks90k};

#[test]
fn every_packet_is_as_ffprobe_reports_it() {
    for (name, header_bytes) in [
        ("h264_b0.mkv", 0),
        ("h264_b2_25.mkv", 7),
        ("h264_b3_23976.mkv", 7),
        ("h264_2997.mkv", 7),
        ("h264_open_gop.mkv", 7),
        ("h264_cues_first.mkv", 7),
        ("h264_live.mkv", 7),
        ("h264_late_audio.mkv", 7),
        ("h264_only.mkv", 0),
        ("h264_mp3.mkv", 0),
        ("hevc_ac3.mkv", 0),
        ("hevc_eac3.mkv", 0),
        ("mpeg2_mp2.mkv", 0),
        ("ac3_only.mka", 0),
    ] {
        check_packets(&sample(name), header_bytes, 90);
    }
}

#[test]
fn sound_runs_on_its_own_grid_without_the_rounding_of_the_container() {
    for (name, ticks) in [("h264_b2_25.mkv", 1920), ("hevc_ac3.mkv", 2880)] {
        let units = read_all(&mut open_mkv(&sample(name)));
        let audio = of(&units, StreamKind::Audio);
        for pair in audio.windows(2) {
            assert_eq!((pair[1].pts - pair[0].pts).0, ticks, "{name}");
            assert_eq!(pair[0].duration.0, ticks, "{name}");
        }
    }
    // 44.1 kHz does not divide: 2089 or 2090, 100 frames in 208,980 ticks.
    let units = read_all(&mut open_mkv(&sample("h264_b3_23976.mkv")));
    let audio = of(&units, StreamKind::Audio);
    let span = (audio[100].pts - audio[0].pts).0;
    assert!((span - 208_980).abs() <= 1, "{span}");
}

#[test]
fn pictures_run_on_the_grid_of_their_frame_rate() {
    for (name, ticks_of_1000) in [("h264_2997.mkv", 3_003_000), ("h264_b2_25.mkv", 3_600_000)] {
        let units = read_all(&mut open_mkv(&sample(name)));
        let mut pts: Vec<i64> = of(&units, StreamKind::Video)
            .iter()
            .map(|unit| unit.pts.0)
            .collect();
        pts.sort_unstable();
        for pair in pts.windows(2) {
            assert_eq!((pair[1] - pair[0]) * 1_000, ticks_of_1000, "{name}");
        }
    }
}

/// What ffmpeg copies out of `path` with `options`.
fn copied(path: &Path, options: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(options)
        .arg("-")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

#[test]
fn the_bytes_are_those_that_ffmpeg_copies() {
    let parameter_set = |nal: &&[u8]| !matches!(nal[0] & 31, 7 | 8);
    for name in ["h264_b2_25.mkv", "h264_b0.mkv"] {
        let path = sample(name);
        let theirs = copied(&path, &["-map", "0:v", "-c", "copy", "-f", "h264"]);
        let units = read_all(&mut open_mkv(&path));
        let ours: Vec<u8> = of(&units, StreamKind::Video)
            .iter()
            .flat_map(|unit| unit.data.clone())
            .collect();
        let theirs = nals(&theirs).filter(parameter_set);
        assert!(nals(&ours).filter(parameter_set).eq(theirs), "{name}");
    }
    for (name, format) in [
        ("h264_b2_25.mkv", "adts"),
        ("h264_b0.mkv", "ac3"),
        ("hevc_eac3.mkv", "eac3"),
        ("mpeg2_mp2.mkv", "mp2"),
        ("h264_mp3.mkv", "mp3"),
    ] {
        let path = sample(name);
        let options = [
            "-map",
            "0:a",
            "-c",
            "copy",
            "-write_xing",
            "0",
            "-id3v2_version",
            "0",
        ];
        let options = if format == "mp3" {
            &options[..]
        } else {
            &options[..4]
        };
        let theirs = copied(&path, &[options, &["-f", format]].concat());
        let units = read_all(&mut open_mkv(&path));
        let ours: Vec<u8> = of(&units, StreamKind::Audio)
            .iter()
            .flat_map(|unit| unit.data.clone())
            .collect();
        assert!(
            ours == theirs,
            "{name}: {} and {}",
            ours.len(),
            theirs.len()
        );
    }
}

#[test]
fn a_seek_finds_the_last_random_access_point_and_goes_on_as_if_it_had_come_there() {
    for name in [
        "h264_b0.mkv",
        "h264_b2_25.mkv",
        "h264_2997.mkv",
        "h264_open_gop.mkv",
        "h264_cues_first.mkv",
        "h264_live.mkv",
        "h264_late_audio.mkv",
        "h264_only.mkv",
        "hevc_ac3.mkv",
        "mpeg2_mp2.mkv",
    ] {
        check_seeks(&mut open_mkv(&sample(name)), name);
    }
}

/// Where `id` stands in `bytes` for the last time.
fn last_place(bytes: &[u8], id: u32) -> usize {
    let id = id.to_be_bytes();
    bytes.windows(4).rposition(|window| window == id).unwrap()
}

#[test]
fn without_cues_a_seek_finds_its_place_by_halving_the_file() {
    let mut bytes = std::fs::read(sample("h264_2997.mkv")).unwrap();
    let cues = last_place(&bytes, 0x1C53_BB6B);
    bytes[cues] = 0x1D;
    check_seeks(&mut open_mkv_bytes(bytes).unwrap(), "known sizes");
}

#[test]
fn cues_that_lie_do_not_mislead_a_seek() {
    let mut bytes = std::fs::read(sample("h264_b2_25.mkv")).unwrap();
    // Every CueClusterPosition (F1 82 xx xx or longer) points somewhere else.
    let cues = last_place(&bytes, 0x1C53_BB6B);
    let mut changed = 0;
    for at in cues..bytes.len() - 4 {
        if bytes[at] == 0xF1 && matches!(bytes[at + 1], 0x82 | 0x83) {
            bytes[at + 3] ^= 0x55;
            changed += 1;
        }
    }
    assert!(changed >= 4);
    check_seeks(&mut open_mkv_bytes(bytes).unwrap(), "lying cues");
}

#[test]
fn sound_alone_is_played_and_found() {
    let mut demuxer = open_mkv(&sample("ac3_only.mka"));
    let all = read_all(&mut demuxer);
    for target in [0, 100_000, 777_777, 1_500_000].map(Ticks90k) {
        let covers = |unit: &&AccessUnit| unit.pts + unit.duration > target;
        let from = all.iter().position(|unit| covers(&unit)).unwrap();
        assert_eq!(demuxer.seek(target).unwrap(), all[from].pts);
        let rest: Vec<_> = read_all(&mut demuxer).iter().map(facts).collect();
        let expected: Vec<_> = all[from..].iter().map(facts).collect();
        assert_eq!(rest, expected, "{target:?}");
    }
}

#[test]
fn what_is_no_matroska_or_cannot_be_carried_is_refused_by_name() {
    let refused = |bytes: &[u8]| open_mkv_bytes(bytes.to_vec()).err().unwrap();
    let playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n";
    for bytes in [&b"my holiday in text"[..], playlist, b""] {
        let error = refused(bytes);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.message(),
            "test.mkv is not Matroska: it does not begin with an EBML header"
        );
    }
    let vp9 = std::fs::read(sample("vp9_opus.webm")).unwrap();
    assert!(refused(&vp9).message().contains("video is VP9"));
    let error = refused(&vp9[..64]);
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    let mut other = vp9.clone();
    let webm = other.windows(4).position(|w| w == b"webm").unwrap();
    other[webm..webm + 4].copy_from_slice(b"mebw");
    assert!(refused(&other).message().contains("EBML of type \"mebw\""));
}

#[test]
fn sound_that_does_not_fit_leaves_the_pictures() {
    let demuxer = open_mkv(&sample("h264_dts.mkv"));
    assert!(demuxer.streams().video.is_some());
    assert_eq!(demuxer.streams().audio, None);
    let probe = probe_of(&sample("h264_dts.mkv"));
    assert_eq!(
        (probe.audio[0].codec, probe.audio[0].name.as_str()),
        (None, "DTS")
    );
    assert_eq!(probe.not_native, None);
}

fn probe_of(path: &Path) -> Probe {
    probe(Arc::new(FileSource::open(path).unwrap())).unwrap()
}

#[test]
fn the_probe_says_what_ffprobe_says() {
    for (name, seconds, longest_s) in [
        ("h264_b0.mkv", 6, 2.0),
        ("h264_b2_25.mkv", 8, 2.0),
        ("h264_2997.mkv", 30, 2.002),
        ("h264_live.mkv", 12, 2.0),
        ("hevc_ac3.mkv", 6, 2.0),
        ("mpeg2_mp2.mkv", 6, 0.48),
    ] {
        let probe = probe_of(&sample(name));
        let theirs = ffprobe(&sample(name));
        let stream = &theirs["video"];
        let video = probe.video.as_ref().unwrap();
        let ends = stream.packets.iter().map(|p| p.pts).max().unwrap();
        assert!(
            is_within_a_millisecond(stream, stream.packets[0].pts, probe.start),
            "{name}"
        );
        assert!(
            is_within_a_millisecond(stream, ends, probe.end - video.frame_duration),
            "{name}: {:?}",
            probe.end
        );
        assert!(
            (probe.length().as_secs_f64() - f64::from(seconds)).abs() < 0.04,
            "{name}"
        );
        assert!(
            (video.longest_rap_interval.as_secs_f64() - longest_s).abs() < 0.01,
            "{name}: {:?}",
            video.longest_rap_interval
        );
        let facts = &stream.facts;
        assert_eq!(u64::from(video.width), facts["width"].as_u64().unwrap());
        assert_eq!(
            u64::from(video.reorder_depth),
            facts["has_b_frames"].as_u64().unwrap()
        );
        let audio = &theirs["audio"].facts;
        assert_eq!(
            probe.audio[0].rate_hz.to_string(),
            audio["sample_rate"].as_str().unwrap()
        );
        assert_eq!(
            u64::from(probe.audio[0].channels),
            audio["channels"].as_u64().unwrap()
        );
        assert!(
            video.largest_gop_bytes > 0 && !video.raps.is_empty(),
            "{name}"
        );
        assert_eq!(probe.not_native, None);
    }
    let vp9 = probe_of(&sample("vp9_opus.webm"));
    let video = vp9.video.unwrap();
    assert_eq!(
        (video.codec, video.name.as_str(), video.width),
        (None, "VP9", 320)
    );
    assert_eq!(vp9.audio[0].name, "Opus");
}

#[test]
fn chapters_come_in_order_with_their_titles() {
    let dir = tempfile::tempdir().unwrap();
    let (list, path) = (dir.path().join("list.txt"), dir.path().join("film.mkv"));
    let chapter = |start: u32, end: u32, title: &str| {
        format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}\n")
    };
    let text = [
        ";FFMETADATA1\n".to_owned(),
        chapter(0, 2_500, "Anfang"),
        chapter(2_500, 6_000, "Straße & Fluß"),
    ];
    std::fs::write(&list, text.concat()).unwrap();
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(sample("h264_b2_25.mkv"))
        .arg("-i")
        .arg(&list)
        .args(["-map", "0", "-map_metadata", "1", "-c", "copy"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    let chapters: Vec<_> = probe_of(&path)
        .chapters
        .into_iter()
        .map(|chapter| (chapter.start, chapter.title))
        .collect();
    assert_eq!(
        chapters,
        [
            (Ticks90k::ZERO, "Anfang".to_owned()),
            (Ticks90k::from_ms(2_500), "Straße & Fluß".to_owned())
        ]
    );
}
