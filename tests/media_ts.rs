//! Transport streams read by us, against libav's reading of the same files, and against damage.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::sync::Arc;

use common::media::sample;
use common::ts;
use exstreamd::media::probe::{Container, Probe, probe};
use exstreamd::media::ts::{TsFile, TsStream};
use exstreamd::media::{AccessUnit, BytesSource, Demuxer, FileSource, Rap, StreamKind, Ticks90k};
use exstreamd::mux::{Layout, Muxer};

const SAMPLES: [&str; 5] = [
    "h264_aac.ts",
    "h264_ac3.ts",
    "hevc_eac3.ts",
    "mpeg2_mp2.ts",
    "h264_mp3.ts",
];

/// All units of a stream pushed in pieces of `piece` bytes.
fn stream_units(bytes: &[u8], piece: usize) -> (Vec<AccessUnit>, TsStream) {
    let mut stream = TsStream::new();
    let mut units = Vec::new();
    let mut unit = AccessUnit::default();
    for piece in bytes.chunks(piece) {
        stream.push(piece);
        while stream.next(&mut unit) {
            units.push(unit.clone());
        }
    }
    stream.finish();
    while stream.next(&mut unit) {
        units.push(unit.clone());
    }
    (units, stream)
}

fn open(bytes: Vec<u8>) -> TsFile {
    TsFile::open(Arc::new(BytesSource::new("test.ts", bytes))).expect("a transport stream")
}

fn file_units(file: &mut TsFile) -> Vec<AccessUnit> {
    let (mut units, mut unit) = (Vec::new(), AccessUnit::default());
    while file.next(&mut unit).expect("bytes in memory") {
        units.push(unit.clone());
    }
    units
}

/// Compares every unit with libav's packets. It rounds counted time stamps of sound its own way, so at
/// rates that do not divide 90 kHz these may differ by a tick.
#[track_caller]
fn check(name: &str, units: &[AccessUnit], packets: &[ts::Packet]) {
    for kind in [StreamKind::Video, StreamKind::Audio] {
        let is_video = kind == StreamKind::Video;
        let ours: Vec<_> = units.iter().filter(|unit| unit.kind == kind).collect();
        let theirs: Vec<_> = packets
            .iter()
            .filter(|packet| packet.video == is_video)
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{name} {kind:?}");
        for (n, (unit, packet)) in ours.iter().zip(theirs).enumerate() {
            let place = format!("{name} {kind:?} {n}");
            let off = (unit.pts - packet.pts)
                .0
                .abs()
                .max((unit.dts - packet.dts).0.abs());
            assert!(
                off <= i64::from(!is_video),
                "{place}: {:?} {packet:?}",
                (unit.pts, unit.dts)
            );
            // libav's HEVC parser leaves the first zero of a four-byte start code to the picture before.
            let zero = usize::from(is_video && name.starts_with("hevc"));
            assert!(unit.data.len().abs_diff(packet.bytes) <= zero, "{place}");
            assert_eq!(unit.rap != Rap::No, packet.key, "{place}");
        }
    }
}

#[test]
fn units_are_the_packets_that_libav_finds() {
    for name in SAMPLES {
        let path = sample(name);
        let packets = ts::packets(&path);
        let bytes = fs::read(&path).expect("a sample");
        let (units, stream) = stream_units(&bytes, 64 << 10);
        check(name, &units, &packets);
        assert!(units.is_sorted_by_key(|unit| unit.dts), "{name}");
        assert_eq!(stream.damage(), Default::default(), "{name}");
        let mut file = open(bytes);
        check(name, &file_units(&mut file), &packets);
        assert_eq!(file.streams(), stream.streams(), "{name}");
        assert_eq!(file.damage(), Default::default(), "{name}");
    }
}

#[test]
fn packets_of_192_and_204_bytes_are_the_same_stream() {
    let m2ts = sample("h264_aac.m2ts");
    let mut file = open(fs::read(&m2ts).expect("a sample"));
    check("m2ts", &file_units(&mut file), &ts::packets(&m2ts));

    let bytes = fs::read(sample("h264_aac.ts")).expect("a sample");
    let expected = file_units(&mut open(bytes.clone()));
    let long: Vec<u8> = bytes
        .chunks(188)
        .flat_map(|packet| packet.iter().copied().chain([0x47; 16]))
        .collect();
    assert_eq!(brief(&file_units(&mut open(long))), brief(&expected));
}

/// What tells two units apart.
fn brief(units: &[AccessUnit]) -> Vec<(StreamKind, Ticks90k, Ticks90k, Rap, &[u8])> {
    let key = |unit: &AccessUnit| unit.kind == StreamKind::Audio;
    let mut brief: Vec<_> = units.iter().collect();
    brief.sort_by_key(|unit| key(unit));
    let tuple = |unit: &'_ AccessUnit| (unit.kind, unit.pts, unit.dts, unit.rap);
    brief
        .into_iter()
        .map(|unit| {
            let (kind, pts, dts, rap) = tuple(unit);
            (kind, pts, dts, rap, unit.data.as_slice())
        })
        .collect()
}

fn layout(streams: &exstreamd::media::Streams) -> Layout {
    Layout {
        video: streams.video.as_ref().map(|track| track.codec),
        audio: streams.audio.as_ref().map(|track| track.codec),
        audio_rate_hz: streams.audio.as_ref().map_or(0, |track| track.rate_hz),
        service_name: "Round trip".to_string(),
        mux_rate_kbit: None,
    }
}

fn mux(layout: Layout, units: &[AccessUnit]) -> Vec<u8> {
    let (mut muxer, mut out) = (Muxer::new(layout), Vec::new());
    for unit in units {
        muxer.write(unit, &mut out);
    }
    muxer.flush(&mut out);
    out
}

#[test]
fn what_we_read_and_mux_passes_the_checker_and_reads_back_the_same_by_us_and_by_libav() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in SAMPLES {
        let bytes = fs::read(sample(name)).expect("a sample");
        let (units, stream) = stream_units(&bytes, 4096);
        let again = mux(layout(stream.streams()), &units);
        let path = dir.path().join(name);
        fs::write(&path, &again).expect("a temporary file");
        let gaps = [
            "--strict",
            "--pcr-ms",
            "40",
            "--max-gap-frames",
            "1",
            "--no-changes",
        ];
        ts::check(&path, &gaps);
        ts::decodes_silently(&path);
        let (read, _) = stream_units(&again, 1000);
        assert_eq!(read.len(), units.len(), "{name}");
        for (again, first) in brief(&read).into_iter().zip(brief(&units)) {
            let (kind, pts, dts, rap, data) = again;
            assert!((kind, rap, data) == (first.0, first.3, first.4), "{name}");
            // Sound goes several frames to a time stamp: the others are counted, rounded once more.
            let rounding = i64::from(kind == StreamKind::Audio);
            let off = (pts - first.1).0.abs().max((dts - first.2).0.abs());
            assert!(off <= rounding, "{name} {kind:?} {pts:?} {:?}", first.1);
        }
        check(name, &units, &ts::packets(&path));
    }
}

#[test]
fn time_stamps_over_the_wrap_come_out_as_libav_has_them() {
    let bytes = fs::read(sample("h264_aac.ts")).expect("a sample");
    let (units, stream) = stream_units(&bytes, 4096);
    let dir = tempfile::tempdir().expect("a directory");
    // Four seconds before the wrap: libav begins such a stream before zero.
    let shift = Ticks90k((1 << 33) - 4 * 90_000);
    let shifted: Vec<_> = units
        .iter()
        .cloned()
        .map(|mut unit| {
            unit.pts += shift;
            unit.dts += shift;
            unit
        })
        .collect();
    let path = dir.path().join("wrap.ts");
    let bytes = mux(layout(stream.streams()), &shifted);
    fs::write(&path, &bytes).expect("a temporary file");
    ts::check(
        &path,
        &["--strict", "--pcr-ms", "40", "--max-gap-frames", "1"],
    );
    check("wrap", &stream_units(&bytes, 4096).0, &ts::packets(&path));
    check("wrap", &file_units(&mut open(bytes)), &ts::packets(&path));
}

#[test]
fn seeking_finds_the_last_entry_at_or_before_and_the_sound_that_belongs_to_it() {
    for name in SAMPLES {
        let mut file = open(fs::read(sample(name)).expect("a sample"));
        let all = file_units(&mut file);
        let entries: Vec<_> = all
            .iter()
            .filter(|unit| unit.kind == StreamKind::Video && unit.rap != Rap::No)
            .map(|unit| unit.pts)
            .collect();
        for target in (-1000..9_000)
            .step_by(700)
            .map(|ms| entries[0] + Ticks90k::from_ms(ms))
        {
            let expected = *entries
                .iter()
                .rfind(|&&pts| pts <= target)
                .unwrap_or(&entries[0]);
            let found = file.seek(target).expect("a seek");
            assert_eq!(found, expected, "{name} to {target:?}");
            let units = file_units(&mut file);
            let from = all
                .iter()
                .position(|unit| unit.kind == StreamKind::Video && unit.pts == expected)
                .expect("the entry");
            let belongs = |(n, unit): &(usize, &AccessUnit)| match unit.kind {
                StreamKind::Video => *n >= from,
                StreamKind::Audio => unit.pts + unit.duration > expected,
            };
            let expected: Vec<_> = all
                .iter()
                .enumerate()
                .filter(belongs)
                .map(|(_, unit)| unit.clone())
                .collect();
            let times = |units: &[AccessUnit]| -> Vec<_> {
                let all = brief(units);
                all.into_iter()
                    .map(|(kind, pts, dts, rap, data)| (kind, pts, dts, rap, data.len()))
                    .collect()
            };
            assert_eq!(times(&units), times(&expected), "{name} to {target:?}");
        }
    }
}

#[test]
fn the_probe_knows_what_libav_knows() {
    for name in SAMPLES.into_iter().chain(["h264_aac.m2ts"]) {
        let path = sample(name);
        let packets = ts::packets(&path);
        let source = FileSource::open(&path).expect("a sample");
        let probe = probe(Arc::new(source)).expect("a probe");
        let video = probe.video.as_ref().expect("a picture");
        let pictures: Vec<_> = packets.iter().filter(|packet| packet.video).collect();
        let entries: Vec<_> = pictures.iter().filter(|p| p.key).map(|p| p.pts).collect();
        let last = pictures
            .iter()
            .map(|packet| packet.pts)
            .max()
            .expect("pictures");
        assert_eq!(probe.container, Container::MpegTs);
        assert_eq!(probe.start, entries[0], "{name}");
        assert_eq!(probe.end, last + video.frame_duration, "{name}");
        assert_eq!((video.width, video.height), (320, 180), "{name}");
        let spans = entries.windows(2).map(|pair| pair[1] - pair[0]);
        let longest = spans.chain([probe.end - entries[entries.len() - 1]]).max();
        assert_eq!(Some(video.longest_rap_interval), longest, "{name}");
        assert_eq!(probe.audio.len(), 1, "{name}");
        assert!(
            probe.audio[0].rate_hz >= 44_100 && probe.audio[0].channels >= 2,
            "{name}"
        );
        assert_eq!(probe.not_native, None);
    }
}

#[test]
fn a_large_file_is_probed_in_three_places_and_sought_by_bisection() {
    let bytes = fs::read(sample("h264_ac3.ts")).expect("a sample");
    let mut null = [0xFF; 188];
    null[..4].copy_from_slice(&[0x47, 0x1F, 0xFF, 0x10]);
    let padding = null.repeat((16 << 20) / bytes.len());
    let large: Vec<u8> = bytes
        .chunks(188)
        .flat_map(|packet| [packet, &padding].concat())
        .collect();
    let source = |bytes: &[u8]| Arc::new(BytesSource::new("film.ts", bytes.to_vec()));
    let (small, probed) = (probe(source(&bytes)), probe(source(&large)));
    let (small, probed) = (small.expect("a probe"), probed.expect("a probe"));
    assert_eq!((probed.start, probed.end), (small.start, small.end));
    let interval = |probe: &Probe| probe.video.as_ref().map(|video| video.longest_rap_interval);
    assert_eq!(interval(&probed), interval(&small));
    let (mut small, mut large) = (open(bytes), open(large));
    for ms in [0, 4_000, 6_500, 60_000] {
        let target = Ticks90k::from_ms(ms);
        assert_eq!(
            large.seek(target).expect("a seek"),
            small.seek(target).expect("a seek")
        );
        assert!(
            brief(&file_units(&mut large)) == brief(&file_units(&mut small)),
            "{ms}"
        );
    }
}

#[test]
fn no_piece_is_too_small() {
    let bytes = fs::read(sample("mpeg2_mp2.ts")).expect("a sample");
    let bytes = &bytes[..bytes.len().min(400_000)];
    let (expected, _) = stream_units(bytes, usize::MAX);
    let (units, _) = stream_units(bytes, 1);
    assert!(brief(&units) == brief(&expected));
}

#[test]
fn damage_costs_units_and_never_the_stream() {
    for name in SAMPLES {
        let bytes = fs::read(sample(name)).expect("a sample");
        let (sound, _) = stream_units(&bytes, 4096);
        // A fixed sequence (Knuth's MMIX generator) keeps the test the same on every run.
        let mut state = 12_345u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for round in 0..12 {
            let mut damaged = bytes.clone();
            match round % 4 {
                0 => (0..200).for_each(|_| damaged[random(bytes.len())] ^= 1 << random(8)),
                1 => damaged.truncate(random(bytes.len())),
                2 => drop(damaged.drain(random(bytes.len() / 2)..bytes.len() / 2)),
                _ => {
                    for _ in 0..40 {
                        let place = random(damaged.len() / 188) * 188;
                        damaged.drain(place..place + 188);
                    }
                }
            }
            let (units, _) = stream_units(&damaged, 3000);
            assert!(units.len() <= sound.len() + 5, "{name} {round}");
            if let Ok(mut file) = TsFile::open(Arc::new(BytesSource::new(name, damaged))) {
                let middle = Ticks90k::from_ms(3_000);
                file.seek(middle).expect("bytes in memory");
                file_units(&mut file);
            }
        }
    }
}

#[test]
fn a_lost_packet_costs_one_picture_and_is_counted() {
    let mut bytes = fs::read(sample("h264_ac3.ts")).expect("a sample");
    let (sound, _) = stream_units(&bytes, 4096);
    // A packet in the middle of a picture.
    let place = bytes
        .chunks(188)
        .enumerate()
        .skip(500)
        .find(|(_, packet)| packet[1] == 0x01 && packet[2] == 0x00)
        .map(|(n, _)| n * 188)
        .expect("a packet of the picture");
    bytes.drain(place..place + 188);
    let (units, stream) = stream_units(&bytes, 4096);
    assert_eq!(units.len(), sound.len() - 1);
    assert_eq!(stream.damage().dropped_units, 1);
}

#[test]
fn what_is_no_transport_stream_is_refused_with_the_reason() {
    for (bytes, words) in [
        (vec![0; 100_000], "no transport stream"),
        (Vec::new(), "no transport stream"),
        ([0x47].repeat(100_000), "no programme map"),
    ] {
        let error = TsFile::open(Arc::new(BytesSource::new("film.ts", bytes)))
            .err()
            .expect("an error");
        assert!(error.to_string().contains(words), "{error}");
    }
}
