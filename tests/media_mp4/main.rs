//! The MP4 demuxer and its probe against ffprobe.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// Tests fail by panicking.

#[path = "../common/mod.rs"]
mod common;
mod damage;
mod fragments;
mod odd;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::media::{ProbedStream, ffprobe, sample};
use exstreamd::error::{ErrorKind, Result};
use exstreamd::media::mp4::Mp4;
use exstreamd::media::probe::{Container, probe};
use exstreamd::media::{
    AccessUnit, AudioCodec, BytesSource, Demuxer, FileSource, Rap, ReadAt, Source, StreamKind,
    Ticks90k, VideoCodec, open,
};

/// A sample, its picture, and its sound with rate and speakers.
type Playable = (
    &'static str,
    Option<VideoCodec>,
    Option<(AudioCodec, u32, u8)>,
);

/// Everything that our demuxer must play, with what it must recognise.
const PLAYABLE: &[Playable] = {
    use AudioCodec::{Aac, Ac3, Eac3, Mp2, Mp3};
    use VideoCodec::{H264, Hevc, Mpeg2};
    &[
        ("h264_b0_25.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("h264_b2_25.mp4", Some(H264), Some((Aac, 48_000, 2))),
        (
            "h264_b3_pyramid_2997.mp4",
            Some(H264),
            Some((Aac, 48_000, 2)),
        ),
        ("h264_b3_23976.mp4", Some(H264), Some((Aac, 44_100, 2))),
        ("h264_30_mono.mp4", Some(H264), Some((Aac, 44_100, 1))),
        ("h264_51.mp4", Some(H264), Some((Aac, 48_000, 6))),
        ("h264_open_gop.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("h264_negative_ctts.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("h264_no_edits.mp4", Some(H264), Some((Aac, 48_000, 2))),
        (
            "h264_negative_ctts_no_edits.mp4",
            Some(H264),
            Some((Aac, 48_000, 2)),
        ),
        ("h264_late_video.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("h264_late_audio.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("h264_ac3.mp4", Some(H264), Some((Ac3, 48_000, 6))),
        ("h264_eac3.mp4", Some(H264), Some((Eac3, 48_000, 6))),
        ("h264_mp3.mp4", Some(H264), Some((Mp3, 44_100, 2))),
        ("h264_mp2.mp4", Some(H264), Some((Mp2, 48_000, 2))),
        ("h264_b2_25.mov", Some(H264), Some((Aac, 48_000, 2))),
        ("h264_pcm.mov", Some(H264), None),
        ("h264_vfr.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("h264_only.mp4", Some(H264), None),
        ("aac_only.m4a", None, Some((Aac, 48_000, 2))),
        ("hevc_ac3.mp4", Some(Hevc), Some((Ac3, 48_000, 2))),
        ("hevc_hev1_eac3.mp4", Some(Hevc), Some((Eac3, 48_000, 2))),
        ("mpeg2_mp2.mp4", Some(Mpeg2), Some((Mp2, 48_000, 2))),
        ("h264_fragmented.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_base_moof.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_hybrid.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_every_frame.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_duration.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_sidx.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_dash.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_delay_moov.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_negative_ctts.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_separate.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_omit_offset.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_isml.mp4", Some(H264), Some((Aac, 48_000, 2))),
        ("frag_hevc_ac3.mp4", Some(Hevc), Some((Ac3, 48_000, 2))),
        ("frag_23976.mp4", Some(H264), Some((Aac, 44_100, 2))),
        ("frag_aac_only.m4a", None, Some((Aac, 48_000, 2))),
    ]
};

fn file(path: &Path) -> Source {
    Arc::new(FileSource::open(path).unwrap())
}

fn source(name: &str) -> Source {
    file(&sample(name))
}

/// A unit without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    kind: StreamKind,
    pts: i64,
    dts: i64,
    bytes: usize,
    rap: Rap,
    hash: u64,
}

fn seen(unit: &AccessUnit) -> Seen {
    // FNV-1a: enough to tell two pictures apart.
    let hash = unit.data.iter().fold(0xCBF2_9CE4_8422_2325u64, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01B3)
    });
    Seen {
        kind: unit.kind,
        pts: unit.pts.0,
        dts: unit.dts.0,
        bytes: unit.data.len(),
        rap: unit.rap,
        hash,
    }
}

fn rest(demuxer: &mut dyn Demuxer) -> Vec<Seen> {
    let mut unit = AccessUnit::default();
    let mut units = Vec::new();
    while demuxer.next(&mut unit).unwrap() {
        units.push(seen(&unit));
    }
    units
}

fn of(units: &[Seen], kind: StreamKind) -> Vec<&Seen> {
    units.iter().filter(|u| u.kind == kind).collect()
}

#[test]
fn streams_are_recognised() {
    for &(name, video, audio) in PLAYABLE {
        let mp4 = Mp4::open(source(name)).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        let streams = mp4.streams();
        assert_eq!(streams.video.as_ref().map(|v| v.codec), video, "{name}");
        let sound = streams.audio.as_ref();
        assert_eq!(
            sound.map(|a| (a.codec, a.rate_hz, a.channels)),
            audio,
            "{name}"
        );
        if let Some(v) = &streams.video {
            assert_eq!((v.width, v.height), (320, 180), "{name}");
        }
    }
}

/// How late libavformat shows the pictures: composition offsets below zero in fragments move both its times,
/// against the sound, where ours leave the PTS alone (as both of us do with those of a movie box).
fn late(name: &str) -> i64 {
    if name == "frag_negative_ctts.mp4" {
        3600
    } else {
        0
    }
}

/// Compares what we yield of one stream with ffprobe's packets. Packets outside of the edit list may be missing.
fn compare(name: &str, ours: &[&Seen], stream: &ProbedStream, header_bytes: usize) {
    let is_video = stream.facts["codec_type"] == "video";
    let late = if is_video { late(name) } else { 0 };
    let mut ours = ours.iter().peekable();
    for packet in &stream.packets {
        let pts = stream.ticks(packet.pts) - late;
        let Some(unit) = ours.next_if(|u| u.pts == pts) else {
            assert!(
                packet.discard,
                "{name}: no unit for {packet:?} ({pts}); next is {:?}",
                ours.peek()
            );
            continue;
        };
        assert_eq!(
            unit.dts,
            stream.ticks(packet.dts) - late,
            "{name}: {packet:?}"
        );
        match unit.kind {
            StreamKind::Audio => assert_eq!(unit.bytes, packet.size + header_bytes, "{name}"),
            // Length prefixes and start codes have four bytes each.
            StreamKind::Video => {
                assert_eq!(unit.bytes, packet.size, "{name}: {packet:?}");
                assert_eq!(unit.rap != Rap::No, packet.key, "{name}: {packet:?}");
            }
        }
    }
    assert_eq!(ours.next(), None, "{name}: more than ffprobe has");
}

#[test]
fn packets_equal_those_of_ffprobe() {
    for &(name, video, audio) in PLAYABLE {
        let path = sample(name);
        let mut mp4 = Mp4::open(file(&path)).unwrap();
        let units = rest(&mut mp4);
        let expected = ffprobe(&path);
        if video.is_some() {
            let ours = of(&units, StreamKind::Video);
            compare(name, &ours, &expected["video"], 0);
            assert!(
                ours.first().is_some_and(|u| u.rap != Rap::No),
                "{name} begins with a random access point"
            );
        }
        if let Some((codec, ..)) = audio {
            let header = if codec == AudioCodec::Aac { 7 } else { 0 };
            compare(
                name,
                &of(&units, StreamKind::Audio),
                &expected["audio"],
                header,
            );
        }
        assert_eq!(mp4.damage().dropped_units, 0, "{name}");
        let times: Vec<_> = units.iter().map(|u| u.dts).collect();
        assert!(times.is_sorted(), "{name}: DTS rises over both streams");
        assert!(units.iter().all(|u| u.dts <= u.pts), "{name}: DTS <= PTS");
    }
}

#[test]
fn parameter_sets_come_with_random_access_points_that_lack_them() {
    for name in ["h264_b2_25.mp4", "hevc_ac3.mp4"] {
        let mut mp4 = Mp4::open(source(name)).unwrap();
        let mut unit = AccessUnit::default();
        while mp4.next(&mut unit).unwrap() {
            let wanted = unit.kind == StreamKind::Video && unit.rap != Rap::No;
            assert_eq!(
                unit.parameter_sets.is_some(),
                wanted,
                "{name} {:?}",
                unit.pts
            );
        }
    }
}

#[test]
fn a_seek_lands_on_the_last_random_access_point_and_goes_on_alike() {
    for &(name, video, _) in PLAYABLE {
        let mut mp4 = Mp4::open(source(name)).unwrap();
        let all = rest(&mut mp4);
        let kind = match video {
            Some(_) => StreamKind::Video,
            None => StreamKind::Audio,
        };
        let entries: Vec<_> = of(&all, kind)
            .into_iter()
            .filter(|u| u.rap != Rap::No)
            .cloned()
            .collect();
        let last = all.iter().map(|u| u.pts).max().unwrap();
        let mut targets: Vec<i64> = entries
            .iter()
            .flat_map(|e| [e.pts - 1, e.pts, e.pts + 1])
            .collect();
        let mut random = Random(7);
        targets.extend((0..12).map(|_| random.below(last as u64 + 90_000) as i64 - 45_000));
        for target in targets.into_iter().take(200) {
            let landed = mp4.seek(Ticks90k(target)).unwrap();
            let at_or_before = entries.iter().filter(|e| e.pts <= target);
            let expected = at_or_before.max_by_key(|e| e.pts).unwrap_or(&entries[0]);
            assert_eq!(landed.0, expected.pts, "{name}: seek to {target}");
            let after = rest(&mut mp4);
            if video.is_some() {
                let whole = of(&all, StreamKind::Video);
                let from = whole.iter().position(|u| *u == expected).unwrap();
                assert_eq!(
                    of(&after, StreamKind::Video),
                    whole[from..],
                    "{name}: {target}"
                );
            }
            // The sound goes on with the first frame that ends after the picture begins.
            let whole = of(&all, StreamKind::Audio);
            let sound = of(&after, StreamKind::Audio);
            let from = whole.len() - sound.len();
            assert_eq!(sound, whole[from..], "{name}: {target}");
            if let (Some(first), Some(second)) = (sound.first(), sound.get(1)) {
                assert!(second.pts > landed.0, "{name}: {target}");
                // The frame before ends too early, unless there is a hole.
                let before = whole[..from].last().map_or(i64::MAX, |u| u.pts);
                let usual = whole
                    .windows(2)
                    .map(|w| w[1].pts - w[0].pts)
                    .filter(|d| *d > 0)
                    .min();
                let is_hole = first.pts.saturating_sub(before) > usual.unwrap() * 3 / 2;
                assert!(
                    from == 0 || first.pts <= landed.0 || is_hole,
                    "{name}: sound at {} for {landed:?}",
                    first.pts
                );
            }
        }
    }
}

#[test]
fn what_only_ffmpeg_can_play_is_refused_by_name() {
    for (name, part) in [
        (
            "h264_cut.mp4",
            "edit list that begins between random access points",
        ),
        ("h264_rotated.mp4", "rotation matrix"),
        ("mpeg4_aac.mp4", "MPEG-4 Part 2"),
        ("mpeg4_mp3.avi", "AVI"),
    ] {
        let Err(error) = open(source(name)) else {
            panic!("{name} was opened");
        };
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error:#}");
        assert!(error.message().contains(part), "{name}: {error:#}");
        assert!(error.message().contains(name), "{name}: {error:#}");
    }
}

#[test]
fn the_probe_tells_ends_and_random_access_points_exactly() {
    for &(name, video, audio) in PLAYABLE {
        let path = sample(name);
        let found = probe(file(&path)).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        assert_eq!(found.container, Container::Mp4);
        let expected = ffprobe(&path);
        let kind = if video.is_some() { "video" } else { "audio" };
        let stream = &expected[kind];
        let shown: Vec<_> = stream.packets.iter().filter(|p| !p.discard).collect();
        let keys: Vec<_> = shown
            .iter()
            .filter(|p| p.key)
            .map(|p| stream.ticks(p.pts) - late(name))
            .collect();
        assert_eq!(found.start.0, keys[0], "{name}: start");
        let duration = ffprobe_end(&path, kind) - late(name);
        // The last frame of sound may be meant to be cut; ffprobe tells its whole length.
        let is_cut = name == "frag_aac_only.m4a";
        assert!(
            (found.end.0 - duration).abs() <= if is_cut { 1920 } else { 1 },
            "{name}: end {} and {duration}",
            found.end.0
        );
        if let Some(codec) = video {
            let video = found.video.as_ref().unwrap();
            assert_eq!(video.codec, Some(codec), "{name}");
            let mut ends = keys.clone();
            ends.push(found.end.0);
            let longest = ends.windows(2).map(|w| w[1] - w[0]).max().unwrap();
            assert!(
                (video.longest_rap_interval.0 - longest).abs() <= 1,
                "{name}"
            );
            let mut largest = 0;
            let mut gop = 0;
            for packet in &shown {
                gop = if packet.key { 0 } else { gop } + packet.size;
                largest = largest.max(gop);
            }
            assert_eq!(video.largest_gop_bytes, largest as u64, "{name}");
            let depth = reorder_depth(stream);
            assert!(
                usize::from(video.reorder_depth) >= depth,
                "{name}: {} below {depth}",
                video.reorder_depth
            );
            assert_eq!(
                stream.facts["r_frame_rate"],
                rate_of(video.frame_duration),
                "{name}"
            );
        }
        if let Some((codec, rate_hz, channels)) = audio {
            let audio = &found.audio[0];
            assert_eq!(
                (audio.codec, audio.rate_hz, audio.channels),
                (Some(codec), rate_hz, channels),
                "{name}"
            );
        }
    }
}

fn rate_of(duration: Ticks90k) -> &'static str {
    match duration.0 {
        3600 => "25/1",
        3003 => "30000/1001",
        3754 | 3753 => "24000/1001",
        3000 => "30/1",
        other => panic!("a frame of {other} ticks"),
    }
}

/// End of the last picture (or frame) in display order, from ffprobe's durations.
fn ffprobe_end(path: &Path, kind: &str) -> i64 {
    let selector = &kind[..1];
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", selector, "-of", "csv=p=0"])
        .args([
            "-show_entries",
            "stream=time_base:packet=pts,duration,flags",
        ])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut end = i64::MIN;
    let mut base = None;
    for line in text.lines() {
        if let Some((num, den)) = line.trim_end_matches(',').split_once('/') {
            // A duration that is not known is "N/A".
            let parts = num.parse::<i64>().ok().zip(den.parse::<i64>().ok());
            base = parts.or(base);
        }
        let fields: Vec<_> = line.split(',').collect();
        if let [pts, duration, flags, ..] = fields[..]
            && !flags.contains('D')
        {
            end = end.max(pts.parse::<i64>().unwrap() + duration.parse::<i64>().unwrap_or(0));
        }
    }
    let (num, den) = base.unwrap();
    ((end * num) as f64 * 90_000.0 / den as f64).round() as i64
}

/// The most pictures that precede one in decode order and follow it in display order.
fn reorder_depth(stream: &ProbedStream) -> usize {
    let times: Vec<_> = stream.packets.iter().map(|p| p.pts).collect();
    let earlier = |(n, pts): (usize, &i64)| times[..n].iter().filter(|t| *t > pts).count();
    times.iter().enumerate().map(earlier).max().unwrap_or(0)
}

#[test]
fn break_candidates_are_thirty_seconds_apart_and_all_real() {
    let path = sample("h264_long_gop.mp4");
    let found = probe(file(&path)).unwrap();
    let video = found.video.unwrap();
    let stream = &ffprobe(&path)["video"];
    let keys: Vec<_> = stream
        .packets
        .iter()
        .filter(|p| p.key)
        .map(|p| stream.ticks(p.pts))
        .collect();
    assert!(video.clean_raps);
    assert_eq!(video.raps[0].0, keys[0]);
    assert!(
        video.raps.iter().all(|r| keys.contains(&r.0)),
        "{:?}",
        video.raps
    );
    assert!(video.raps.len() >= 3, "{:?}", video.raps);
    assert!(
        video
            .raps
            .windows(2)
            .all(|w| w[1] - w[0] >= Ticks90k(30 * 90_000))
    );
}

#[test]
fn open_gops_are_told_from_closed_ones() {
    for (name, clean) in [("h264_b2_25.mp4", true), ("h264_open_gop.mp4", false)] {
        let found = probe(source(name)).unwrap();
        assert_eq!(found.video.unwrap().clean_raps, clean, "{name}");
    }
}

#[test]
fn chapters_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let meta = dir.path().join("chapters.txt");
    let chapter = |from: u32, to: u32, title: &str| {
        format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={from}\nEND={to}\ntitle={title}\n")
    };
    let text = format!(
        ";FFMETADATA1\n{}{}",
        chapter(0, 2500, "Anfang"),
        chapter(2500, 8000, "Möwe")
    );
    std::fs::write(&meta, text).unwrap();
    for container in ["mp4", "mov"] {
        let path = dir.path().join(format!("chapters.{container}"));
        let status = std::process::Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-i"])
            .arg(sample("h264_b2_25.mp4"))
            .arg("-i")
            .arg(&meta)
            .args(["-map_metadata", "1", "-c", "copy"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success());
        let found = probe(file(&path)).unwrap();
        let chapters: Vec<_> = found
            .chapters
            .iter()
            .map(|c| (c.start.round_ms(), c.title.as_str()))
            .collect();
        assert_eq!(chapters, [(0, "Anfang"), (2500, "Möwe")], "{container}");
        // The random access point next to the second chapter is a candidate too.
        let raps: Vec<_> = found
            .video
            .unwrap()
            .raps
            .iter()
            .map(|r| r.round_ms())
            .collect();
        assert_eq!(raps, [0, 2000], "{container}");
    }
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
