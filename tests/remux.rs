//! Our multiplex of a file against ffmpeg's of the same file: the same units, the same times, the same
//! pictures and sound.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use common::clients::have;
use common::media::{made, sample};
use common::ts::{self, Packet};
use exstreamd::channel::remux;
use exstreamd::media::Ticks90k;

/// `path` by us and by ffmpeg.
struct Pair {
    _dir: tempfile::TempDir,
    ours: PathBuf,
    theirs: PathBuf,
}

impl Pair {
    #[track_caller]
    fn of(path: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (dir.path().join("ours.ts"), dir.path().join("theirs.ts"));
        let done = remux::run(
            &[path.to_path_buf()],
            &mut std::fs::File::create(&ours).unwrap(),
        )
        .unwrap();
        assert_eq!(done.bytes, std::fs::metadata(&ours).unwrap().len());
        assert_eq!(done.dropped_units, 0, "{}", path.display());
        let output = ts::ffmpeg(&[
            "-v",
            "error",
            "-i",
            ts::text(path),
            "-c",
            "copy",
            "-f",
            "mpegts",
            ts::text(&theirs),
        ]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self {
            _dir: dir,
            ours,
            theirs,
        }
    }
}

/// How many ticks our times may lie from ffmpeg's, once the one constant offset of the file is taken away.
#[derive(Clone, Copy, Debug)]
struct Within {
    pts: i64,
    dts: i64,
    audio: i64,
}

/// Where frames are whole ticks: nothing. (MP4 at 25 and 29.97 fps with 48 kHz.)
const EXACT: Within = Within {
    pts: 0,
    dts: 0,
    audio: 0,
};
/// Where they are not (23.976 fps, 44.1 kHz), ffmpeg and we round at different places: it before the offset
/// is added, we after it.
const ROUNDED: Within = Within {
    pts: 1,
    dts: 1,
    audio: 2,
};
/// Matroska rounds to milliseconds. We move pictures back onto the grid of the frame rate, ffmpeg does not:
/// half a millisecond; its DTS are picked from its PTS, so both ends of a difference are rounded. Of sound,
/// each packing keeps the roundings of other frames.
const MILLISECONDS: Within = Within {
    pts: 46,
    dts: 91,
    audio: 46,
};

/// Compares packet for packet.
#[track_caller]
fn same_units(name: &str, ours: &Path, theirs: &Path, within: Within) {
    let (ours, theirs) = (ts::packets(ours), ts::packets(theirs));
    let of = |packets: &[Packet], video: bool| -> Vec<Packet> {
        packets
            .iter()
            .filter(|p| p.video == video)
            .cloned()
            .collect()
    };
    let (our_video, their_video) = (of(&ours, true), of(&theirs, true));
    let (our_audio, their_audio) = (of(&ours, false), of(&theirs, false));
    assert_eq!(
        (our_video.len(), our_audio.len()),
        (their_video.len(), their_audio.len()),
        "{name}: packets"
    );
    let offset = our_video[0].pts - their_video[0].pts;
    let worst = |ours: &[Packet], theirs: &[Packet], time: fn(&Packet) -> Ticks90k| {
        let apart = ours
            .iter()
            .zip(theirs)
            .map(|(our, their)| (time(our) - time(their) - offset).0.abs());
        apart.max().expect("packets")
    };
    let found = Within {
        pts: worst(&our_video, &their_video, |p| p.pts),
        dts: worst(&our_video, &their_video, |p| p.dts),
        audio: worst(&our_audio, &their_audio, |p| p.pts),
    };
    let fits = found.pts <= within.pts && found.dts <= within.dts && found.audio <= within.audio;
    assert!(fits, "{name}: off by {found:?}, allowed {within:?}");
    assert!(
        our_video
            .iter()
            .map(|p| p.key)
            .eq(their_video.iter().map(|p| p.key)),
        "{name}: key flags"
    );
}

/// Everything that must hold for one file: units as from ffmpeg, a sound stream, and the same pictures and
/// sound out of a decoder.
#[track_caller]
fn compare(path: &Path, within: Within, checks: &[&str]) -> Pair {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let pair = Pair::of(path);
    same_units(&name, &pair.ours, &pair.theirs, within);
    let mut strict = vec!["--strict", "--pcr-ms", "40"];
    strict.extend(checks);
    ts::check(&pair.ours, &strict);
    ts::decodes_silently(&pair.ours);
    assert_eq!(
        decoded(&pair.ours),
        decoded(&pair.theirs),
        "{name}: decoded pictures and sound"
    );
    pair
}

/// A hash of all decoded pictures, and one of all samples.
#[track_caller]
fn decoded(path: &Path) -> String {
    let output = ts::ffmpeg(&[
        "-v",
        "error",
        "-i",
        ts::text(path),
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "-1",
        "-f",
        "streamhash",
        "-hash",
        "md5",
        "-",
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

const RATES: [(&str, &str, Within); 3] = [
    ("25", "25", EXACT),
    ("2997", "30000/1001", EXACT),
    ("23976", "24000/1001", ROUNDED),
];

/// Every number of B-frames with every rate: as MP4; as Matroska of the same packets; and the Matroska
/// against ffmpeg's multiplex of the MP4, whose times are the true ones.
fn matrix(codec: &str, depths: [(&str, &str); 4], encoder: &str, audio: &str) {
    let checks = ["--max-gap-frames", "1"];
    for (depth, b_frames) in depths {
        for (rate, fraction, within) in RATES {
            let mp4 = format!("remux_{codec}_{depth}_{rate}.mp4");
            let mkv = mp4.replace(".mp4", ".mkv");
            let options = format!("{encoder}{b_frames} {audio}");
            let from_mp4 = compare(&made(&mp4, fraction, 48_000, 3, &options), within, &checks);
            let path = made(&mkv, "", 0, 0, &format!("-i @{mp4} -c copy"));
            let from_mkv = compare(&path, MILLISECONDS, &checks);
            let true_times = Within {
                audio: MILLISECONDS.audio,
                ..within
            };
            same_units(&mkv, &from_mkv.ours, &from_mp4.theirs, true_times);
        }
    }
}

#[test]
fn h264_and_aac_with_any_b_frames_at_any_rate_come_out_as_from_ffmpeg() {
    let depths = [
        ("b0", "0"),
        ("b2", "2 -x264-params b-pyramid=none:b-adapt=0"),
        ("b3", "3 -x264-params b-pyramid=none:b-adapt=0"),
        ("pyramid", "3 -x264-params b-pyramid=normal:b-adapt=0"),
    ];
    matrix("h264", depths, "-g 48 -c:v libx264 -bf ", "-c:a aac -ac 2");
}

#[test]
fn hevc_and_ac3_with_any_b_frames_at_any_rate_come_out_as_from_ffmpeg() {
    let depths = [
        ("b0", "0"),
        ("b2", "2:b-pyramid=0:b-adapt=0"),
        ("b3", "3:b-pyramid=0:b-adapt=0"),
        ("pyramid", "4:b-pyramid=1:b-adapt=0"),
    ];
    let encoder =
        "-tag:v hvc1 -c:v libx265 -x265-params log-level=error:keyint=48:open-gop=0:bframes=";
    matrix("hevc", depths, encoder, "-c:a ac3 -ac 2");
}

#[test]
fn starts_of_every_kind_keep_sound_and_picture_together_as_ffmpeg_does() {
    for (name, within) in [
        // AAC priming in an edit list, so that sound begins below zero, at a rate of no whole ticks.
        ("h264_b3_23976.mp4", ROUNDED),
        // Composition offsets below zero.
        ("h264_negative_ctts.mp4", EXACT),
        // No edit list. The first frame is written twice as long as it is; ffmpeg packs the next ones
        // behind it without the hole, we keep their times.
        (
            "h264_no_edits.mp4",
            Within {
                audio: 1_440 + 3_840,
                ..EXACT
            },
        ),
        ("h264_negative_ctts_no_edits.mp4", EXACT),
        // Empty edits.
        ("h264_late_video.mp4", EXACT),
        ("h264_late_audio.mp4", EXACT),
        ("h264_b2_25.mov", EXACT),
        ("h264_vfr.mp4", EXACT),
        ("h264_51.mp4", EXACT),
        ("h264_mp3.mp4", ROUNDED),
        ("h264_eac3.mp4", EXACT),
        ("hevc_hev1_eac3.mp4", EXACT),
        ("h264_late_audio.mkv", MILLISECONDS),
        // The first picture is shown at 100 s.
        ("h264_from_100.mkv", MILLISECONDS),
        // Clusters of unknown size, no index.
        ("h264_live.mkv", MILLISECONDS),
        ("h264_b3_23976.mkv", MILLISECONDS),
        ("hevc_eac3.mkv", MILLISECONDS),
    ] {
        // Holes of the source stay: only a channel fills them.
        compare(&sample(name), within, &["--max-audio-gap-frames", "4"]);
    }
}

/// The first picture, from which ours are counted, may be rounded, too; and ffmpeg adds up the times of the
/// frames in one block from whole milliseconds.
const LACED: Within = Within {
    pts: 90,
    dts: 135,
    audio: 300,
};

#[test]
fn matroska_of_mkvmerge_comes_out_as_from_ffmpeg() {
    if !have("mkvmerge") {
        return;
    }
    for (name, within) in [
        ("merged.mkv", LACED),
        ("merged_xiph.mkv", LACED),
        ("merged_ebml.mkv", LACED),
        ("merged_laced_mp2.mkv", LACED),
        ("merged_laced_eac3.mkv", LACED),
        ("merged_groups.mkv", LACED),
        ("merged_no_cues.mkv", LACED),
        ("merged_meta_seek.mkv", LACED),
        ("merged_no_seek_head.mkv", LACED),
        ("merged_tenths.mkv", LACED),
        ("merged_micros.mkv", LACED),
        ("merged_from_mp4.mkv", LACED),
        ("merged_from_ts.mkv", LACED),
    ] {
        compare(&sample(name), within, &["--max-audio-gap-frames", "4"]);
    }
}

/// A transport stream by us and by ffmpeg, from `options`.
#[track_caller]
fn compare_made(name: &str, rate: &str, audio: u32, options: &str, within: Within) {
    let path = made(name, rate, audio, 6, options);
    compare(&path, within, &["--max-audio-gap-frames", "4"]);
}

#[test]
fn transport_streams_of_every_codec_come_out_as_from_ffmpeg() {
    let h264 = "-c:v libx264 -bf 2 -g 50";
    let mpeg2 = "-c:v mpeg2video -g 12 -b:v 1M";
    for (name, rate, options, within) in [
        ("remux_51.ts", "25", format!("{h264} -c:a aac -ac 6"), EXACT),
        ("remux_eac3_51.ts", "25", format!("{h264} -c:a eac3 -ac 6"), EXACT),
        (
            "remux_ac3.m2ts",
            "24000/1001",
            format!("{h264} -c:a ac3 -ac 6 -mpegts_m2ts_mode 1 -f mpegts"),
            ROUNDED,
        ),
        (
            "remux_open_gop.ts",
            "25",
            "-c:v libx264 -bf 3 -g 50 -x264-params open-gop=1:keyint=50:min-keyint=50 -c:a mp2 -ac 2".to_owned(),
            EXACT,
        ),
        (
            "remux_50i.ts",
            "25",
            format!("{h264} -flags +ilme+ildct -top 1 -c:a mp2 -ac 2"),
            EXACT,
        ),
        (
            "remux_high10.ts",
            "25",
            "-c:v libx264 -bf 2 -g 50 -pix_fmt yuv420p10le -c:a aac -ac 2".to_owned(),
            EXACT,
        ),
        (
            "remux_hevc_open_gop.ts",
            "30000/1001",
            "-c:v libx265 -x265-params log-level=error:keyint=50:bframes=4:open-gop=1 -c:a eac3 -ac 2".to_owned(),
            EXACT,
        ),
        (
            "remux_hevc_10.ts",
            "25",
            "-pix_fmt yuv420p10le -c:v libx265 -x265-params log-level=error:keyint=50 -c:a ac3 -ac 2".to_owned(),
            EXACT,
        ),
        (
            "remux_mpeg2_b0.ts",
            "25",
            format!("{mpeg2} -bf 0 -c:a mp2 -ac 2"),
            EXACT,
        ),
        (
            "remux_mpeg2_50i.ts",
            "25",
            format!("{mpeg2} -bf 2 -flags +ilme+ildct -top 1 -c:a mp2 -ac 2"),
            EXACT,
        ),
        (
            "remux_mpeg2_2997.ts",
            "30000/1001",
            format!("{mpeg2} -bf 2 -flags +cgop -sc_threshold 1000000000 -c:a ac3 -ac 2"),
            EXACT,
        ),
    ] {
        compare_made(name, rate, 48_000, &options, within);
    }
    // MPEG-2 rates of layers II and III, and mono.
    let low = format!("{h264} -c:a mp2 -ac 1 -b:a 64k -ar 24000");
    compare_made("remux_mp2_24k.ts", "25", 24_000, &low, ROUNDED);
    let variable = format!("{h264} -c:a libmp3lame -q:a 4 -ac 2");
    compare_made("remux_mp3_vbr.ts", "25", 44_100, &variable, ROUNDED);
    let half = format!("{h264} -c:a libmp3lame -b:a 64k -ac 1 -ar 22050");
    compare_made("remux_mp3_22k.ts", "25", 22_050, &half, ROUNDED);
}

#[test]
fn packets_of_204_bytes_come_out_as_from_ffmpeg() {
    let dir = tempfile::tempdir().unwrap();
    let plain = std::fs::read(sample("h264_ac3.ts")).unwrap();
    // Sixteen bytes of parity behind each packet; nobody checks them.
    let parity: Vec<u8> = (0..16).map(|n| n * 13).collect();
    let long: Vec<u8> = plain
        .chunks(188)
        .flat_map(|packet| [packet, &parity].concat())
        .collect();
    let path = dir.path().join("parity.ts");
    std::fs::write(&path, long).unwrap();
    compare(&path, ROUNDED, &["--max-gap-frames", "1"]);
}

#[test]
fn fragments_of_every_kind_come_out_as_from_ffmpeg() {
    let sound_within = |audio| Within { audio, ..EXACT };
    // The first frame is written twice as long as it is (no edit list): see above.
    let hole = sound_within(1_440 + 3_840);
    for (name, within) in [
        ("frag_delay_moov.mp4", EXACT),
        ("frag_dash.mp4", EXACT),
        ("frag_sidx.mp4", EXACT),
        ("h264_fragmented.mp4", hole),
        ("frag_base_moof.mp4", hole),
        ("frag_hybrid.mp4", hole),
        ("frag_duration.mp4", hole),
        ("frag_separate.mp4", hole),
        ("frag_omit_offset.mp4", hole),
        ("frag_isml.mp4", hole),
        // ffmpeg moves both streams by a start that it has rounded; of the progressive file, by none.
        ("frag_hevc_ac3.mp4", sound_within(2)),
        ("frag_23976.mp4", ROUNDED),
        // libavformat delays the pictures by how far the offsets reach below zero, one frame, but not the sound.
        ("frag_negative_ctts.mp4", sound_within(3_600)),
    ] {
        compare(&sample(name), within, &["--max-audio-gap-frames", "4"]);
    }
    // Its muxer gave every second frame of sound the time of the next one, so that no checker likes it.
    let name = "frag_every_frame.mp4";
    let pair = Pair::of(&sample(name));
    same_units(name, &pair.ours, &pair.theirs, sound_within(1_920));
}
