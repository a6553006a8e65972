//! Matroska as mkvmerge writes it: laced, in groups, stripped, without Cues, in finer units of time.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;
use std::sync::Arc;

use common::clients::have;
use common::media::{ffprobe, sample};
use common::mkv_checks::{check_packets, check_seeks};
use common::units::{of, open_mkv, read_all};
use exstreamd::error::ErrorKind;
use exstreamd::media::mkv::Mkv;
use exstreamd::media::probe::probe;
use exstreamd::media::{FileSource, StreamKind, Ticks90k};

/// The files, and what our audio frames have more than the container's.
const FILES: &[(&str, usize)] = &[
    ("merged.mkv", 7),
    ("merged_xiph.mkv", 0),
    ("merged_ebml.mkv", 0),
    ("merged_laced_mp2.mkv", 0),
    ("merged_laced_eac3.mkv", 0),
    ("merged_groups.mkv", 7),
    ("merged_no_cues.mkv", 7),
    ("merged_meta_seek.mkv", 7),
    ("merged_no_seek_head.mkv", 7),
    ("merged_cues_of_clusters.mkv", 7),
    ("merged_cues_of_all.mkv", 7),
    ("merged_tenths.mkv", 7),
    ("merged_micros.mkv", 7),
    ("merged_from_mp4.mkv", 7),
    ("merged_from_ts.mkv", 0),
];

#[test]
fn every_packet_is_as_ffprobe_reports_it() {
    if have("mkvmerge") {
        for (name, header_bytes) in FILES {
            check_packets(&sample(name), *header_bytes, 4 * 90);
        }
    }
}

#[test]
fn seeks_find_their_place_in_all_of_them() {
    if have("mkvmerge") {
        for (name, _) in FILES {
            check_seeks(&mut open_mkv(&sample(name)), name);
        }
    }
}

#[test]
fn the_files_are_what_they_are_meant_to_be() {
    if !have("mkvmerge") || !have("mkvinfo") {
        return;
    }
    let holds = |name: &str, wanted: &str| {
        let info = Command::new("mkvinfo")
            .args(["-v", "-v", "-v", "--ui-language", "en_US"])
            .arg(sample(name))
            .output()
            .unwrap();
        let info = String::from_utf8_lossy(&info.stdout).into_owned();
        assert!(info.contains(wanted), "{name}: no {wanted:?}");
    };
    for name in [
        "merged_xiph.mkv",
        "merged_ebml.mkv",
        "merged_laced_mp2.mkv",
        "merged_laced_eac3.mkv",
    ] {
        holds(name, "8 frame(s)");
    }
    holds("merged_groups.mkv", "Block group");
    holds("merged_tenths.mkv", "Timestamp scale: 100000 ");
    holds("merged_micros.mkv", "Timestamp scale: 1000 ");
}

#[test]
fn the_end_is_exact_in_all_of_them() {
    if !have("mkvmerge") {
        return;
    }
    for (name, _) in FILES {
        let found = probe(Arc::new(FileSource::open(&sample(name)).unwrap())).unwrap();
        let units = read_all(&mut open_mkv(&sample(name)));
        let ends = of(&units, StreamKind::Video)
            .into_iter()
            .map(|unit| unit.pts + unit.duration)
            .max();
        assert_eq!(Some(found.end), ends, "{name}");
        let theirs = &ffprobe(&sample(name))["video"];
        let last = theirs.packets.iter().map(|p| theirs.ticks(p.pts)).max();
        let frame = found.video.unwrap().frame_duration;
        assert!((last.unwrap() + frame.0 - found.end.0).abs() < 90, "{name}");
    }
}

#[test]
fn in_finer_units_of_time_nothing_is_rounded() {
    if !have("mkvmerge") {
        return;
    }
    for (name, numerator, denominator) in [
        ("merged_tenths.mkv", 1_001, 24_000),
        ("merged_micros.mkv", 1_001, 30_000),
    ] {
        let units = read_all(&mut open_mkv(&sample(name)));
        let mut pts: Vec<_> = of(&units, StreamKind::Video)
            .iter()
            .map(|unit| unit.pts)
            .collect();
        pts.sort_unstable();
        for (n, time) in pts.iter().enumerate() {
            let exact = Ticks90k::from_scaled(n as i64 * numerator, denominator);
            assert_eq!(*time - pts[0], exact, "{name}: {n}");
        }
    }
}

#[test]
fn compression_is_refused_by_name() {
    if !have("mkvmerge") {
        return;
    }
    let path = sample("merged_zlib.mkv");
    let error = Mkv::open(Arc::new(FileSource::open(&path).unwrap()))
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error
            .message()
            .ends_with("video track with zlib compression"),
        "{error}"
    );
}
