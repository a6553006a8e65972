//! Pictures and sound of every kind through our transport stream reader and multiplexer, and what is refused
//! by name.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::h264::{Encoder, Kind};
use common::media::{made, sample};
use common::{ts, units};
use exstreamd::media::nal::Restart;
use exstreamd::media::probe::probe;
use exstreamd::media::ts::TsFile;
use exstreamd::media::{
    AccessUnit, AudioCodec, BytesSource, FileSource, Rap, StreamKind, Ticks90k, VideoCodec,
};
use exstreamd::mux::{Layout, Muxer};

const FRAME: i64 = 3_600;
const ORIGIN: i64 = 90_000;

fn layout(video: Option<VideoCodec>, audio: Option<AudioCodec>) -> Layout {
    Layout {
        video,
        audio,
        audio_rate_hz: 48_000,
        service_name: "Test".to_owned(),
        mux_rate_kbit: None,
    }
}

/// A unit of pictures at frame `at` (in halves).
fn picture(half_frames: i64, rap: Rap, data: Vec<u8>) -> AccessUnit {
    let time = Ticks90k(ORIGIN + half_frames * FRAME / 2);
    AccessUnit {
        kind: StreamKind::Video,
        pts: time,
        dts: time,
        duration: Ticks90k(FRAME),
        rap,
        data,
        ..AccessUnit::default()
    }
}

fn multiplexed(layout: Layout, units: &[AccessUnit]) -> Vec<u8> {
    let (mut muxer, mut bytes) = (Muxer::new(layout), Vec::new());
    units.iter().for_each(|unit| muxer.write(unit, &mut bytes));
    muxer.flush(&mut bytes);
    bytes
}

fn read(bytes: &[u8]) -> Vec<AccessUnit> {
    let source = Arc::new(BytesSource::new("test.ts", bytes.to_vec()));
    units::read_all(&mut TsFile::open(source).expect("a transport stream"))
}

/// Hashes of all pictures, in order of display.
#[track_caller]
fn decoded(path: &Path) -> Vec<String> {
    let arguments = "-map 0:v -fps_mode passthrough -enc_time_base -1 -f framemd5 -";
    let mut command = vec!["-v", "error", "-xerror", "-i", ts::text(path)];
    command.extend(arguments.split(' '));
    let output = ts::ffmpeg(&command);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.is_empty(), "{words}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit(',').next().map(|hash| hash.trim().to_owned()))
        .collect()
}

/// 40 frames, an entry every tenth: their access units, one or two for each.
fn hand_made(fields: bool, bit_depth: u64, entry: Kind) -> Vec<Vec<Vec<u8>>> {
    let mut encoder = Encoder::new(fields, bit_depth);
    let kind = |n| match n {
        0 => Kind::Idr,
        n if n % 10 == 0 => entry,
        _ => Kind::P,
    };
    (0..40)
        .map(|n| encoder.frame(kind(n), 16 + n as u8 * 5))
        .collect()
}

#[test]
fn two_fields_that_come_as_two_units_are_put_together_to_one_frame() {
    let dir = tempfile::tempdir().unwrap();
    let frames = hand_made(true, 8, Kind::Recovery);
    let raw = dir.path().join("fields.h264");
    std::fs::write(&raw, frames.concat().concat()).unwrap();
    let mut apart = Vec::new();
    for (n, fields) in frames.iter().enumerate() {
        let rap = [Rap::Clean, Rap::Open][usize::from(n > 0)];
        let rap = if n % 10 == 0 { rap } else { Rap::No };
        apart.push(picture(2 * n as i64, rap, fields[0].clone()));
        apart.push(picture(2 * n as i64 + 1, Rap::No, fields[1].clone()));
    }
    let layout = || layout(Some(VideoCodec::H264), None);
    let together = read(&multiplexed(layout(), &apart));
    assert_eq!(together.len(), frames.len());
    for (n, (unit, fields)) in together.iter().zip(&frames).enumerate() {
        let expected = Ticks90k(ORIGIN + n as i64 * FRAME);
        assert_eq!((unit.pts, unit.dts), (expected, expected), "{n}");
        assert_eq!(unit.duration, Ticks90k(FRAME));
        assert_eq!(unit.rap, apart[2 * n].rap, "{n}");
        assert!(unit.data == fields.concat(), "{n}");
    }
    // Once more: now both fields come in one PES packet.
    let again = multiplexed(layout(), &together);
    let same = read(&again);
    let brief = |units: &[AccessUnit]| -> Vec<_> { units.iter().map(units::facts).collect() };
    assert_eq!(brief(&same), brief(&together));
    let path = dir.path().join("together.ts");
    std::fs::write(&path, again).unwrap();
    assert_eq!(decoded(&path), decoded(&raw));
}

#[test]
fn a_field_whose_other_one_is_lost_stays_alone() {
    let frames = hand_made(true, 8, Kind::Recovery);
    let mut units = Vec::new();
    for (n, fields) in frames.iter().enumerate() {
        let rap = if n == 0 { Rap::Clean } else { Rap::No };
        units.push(picture(2 * n as i64, rap, fields[0].clone()));
        if n != 3 && n != 39 {
            units.push(picture(2 * n as i64 + 1, Rap::No, fields[1].clone()));
        }
    }
    let units = read(&multiplexed(layout(Some(VideoCodec::H264), None), &units));
    assert_eq!(units.len(), 40);
    for (n, (unit, fields)) in units.iter().zip(&frames).enumerate() {
        let alone = n == 3 || n == 39;
        let expected = if alone {
            fields[0].clone()
        } else {
            fields.concat()
        };
        assert!(unit.data == expected, "{n}");
    }
}

#[test]
fn an_item_of_fields_or_ten_bits_entered_at_a_recovery_point_begins_with_an_idr_picture() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, units: &[AccessUnit]| -> PathBuf {
        let path = dir.path().join(name);
        let bytes = multiplexed(layout(Some(VideoCodec::H264), None), units);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (fields, bit_depth) in [(true, 8), (false, 8), (false, 10), (true, 10)] {
        let frames = hand_made(fields, bit_depth, Kind::Recovery);
        let name = format!("{fields} {bit_depth}");
        let rap = |n| match n {
            0 => Rap::Clean,
            n if n % 10 == 0 => Rap::Open,
            _ => Rap::No,
        };
        let whole: Vec<_> = frames
            .iter()
            .enumerate()
            .map(|(n, frame)| picture(2 * n as i64, rap(n), frame.concat()))
            .collect();
        let all = decoded(&write("whole.ts", &whole));
        assert_eq!(all.len(), 40, "{name}");
        for entry in [10, 20, 30] {
            let before = &whole[..17];
            let mut joined = before.to_vec();
            let mut restart = None;
            for (n, unit) in whole[entry..].iter().enumerate() {
                let mut unit = unit.clone();
                match restart.as_mut() {
                    None => restart = Some(Restart::at(&mut unit).expect("an IDR picture")),
                    Some(restart) => assert!(restart.follow(&mut unit)),
                }
                assert_eq!(unit.rap, if n == 0 { Rap::Clean } else { rap(entry + n) });
                (unit.pts, unit.dts) = (
                    whole[17 + n.min(22)].pts,
                    Ticks90k(ORIGIN + (17 + n) as i64 * FRAME),
                );
                unit.pts = unit.dts;
                joined.push(unit);
            }
            let expected = [&all[..17], &all[entry..]].concat();
            assert_eq!(
                decoded(&write("joined.ts", &joined)),
                expected,
                "{name} {entry}"
            );
        }
    }
}

#[test]
fn what_no_idr_picture_can_stand_for_is_left_as_it_is() {
    let frames = hand_made(false, 8, Kind::Recovery);
    let entry = frames[10].concat();
    let sound = picture(0, Rap::Open, entry.clone());
    assert!(Restart::at(&mut sound.clone()).is_some());
    let mut not_a_reference = sound.clone();
    let place = entry.windows(4).rposition(|bytes| bytes == [0, 0, 1, 0x61]);
    not_a_reference.data[place.unwrap() + 3] = 0x01;
    let mut without_sets = sound.clone();
    without_sets.data.drain(..place.unwrap());
    let predicted = picture(0, Rap::Open, frames[11].concat());
    let clean = picture(0, Rap::Clean, entry.clone());
    for (name, unit) in [
        ("not a reference", not_a_reference),
        ("no parameter sets", without_sets),
        ("P slices", predicted),
        ("clean", clean),
        ("nothing", picture(0, Rap::Open, Vec::new())),
    ] {
        let mut same = unit.clone();
        assert!(Restart::at(&mut same).is_none(), "{name}");
        assert!(same.data == unit.data && same.rap == unit.rap, "{name}");
    }
    // Damage never panics, and never makes more of a picture than a few bytes.
    for bit in (0..entry.len() * 8).step_by(5) {
        let mut damaged = sound.clone();
        damaged.data[bit / 8] ^= 1 << (bit % 8);
        if let Some(mut restart) = Restart::at(&mut damaged) {
            restart.follow(&mut damaged);
        }
        assert!(damaged.data.len() < entry.len() + entry.len() / 2 + 64);
    }
}

#[test]
fn layers_that_other_decoders_are_for_are_left_out() {
    for (name, layers) in [
        // Prefix and slice of a scalable or multiview layer, its parameter set, an auxiliary picture.
        (
            "h264_aac.ts",
            [
                &[0x6E, 1, 2][..],
                &[0x6F, 4, 4, 4],
                &[0x74, 5, 5, 5],
                &[0x33, 6, 6],
            ],
        ),
        // Parameter sets and slices of layer 1.
        (
            "hevc_eac3.ts",
            [
                &[0x40, 0x09, 1][..],
                &[0x42, 0x09, 2],
                &[0x26, 0x09, 3],
                &[0x02, 0x09, 4],
            ],
        ),
    ] {
        let plain = read(&std::fs::read(sample(name)).unwrap());
        let codec = [VideoCodec::H264, VideoCodec::Hevc][usize::from(name.starts_with("hevc"))];
        let pictures: Vec<_> = plain
            .iter()
            .filter(|unit| unit.kind == StreamKind::Video)
            .cloned()
            .collect();
        let mut layered = pictures.clone();
        for unit in &mut layered {
            let [first, second, behind @ ..] = layers;
            // Two in front of the first slice (behind the delimiter), two behind the last.
            let delimiter = if codec == VideoCodec::H264 { 6 } else { 7 };
            let head = unit.data.split_off(delimiter);
            let front = [&[0, 0, 0, 1][..], first, &[0, 0, 0, 1], second].concat();
            unit.data.extend(front);
            unit.data.extend(head);
            for nal in behind {
                unit.data.extend([0, 0, 0, 1]);
                unit.data.extend(nal);
            }
        }
        let read = read(&multiplexed(layout(Some(codec), None), &layered));
        assert_eq!(read.len(), pictures.len());
        for (n, (read, expected)) in read.iter().zip(&pictures).enumerate() {
            assert!(read.data == expected.data, "{name} {n}");
        }
    }
}

/// MPEG-2 film pictures in decode order under the frame rate of television: `repeat_first_field` set in turn.
fn pulled_down(pictures: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut group, mut in_group) = (0, 0);
    let mut patched = pictures.to_vec();
    for bytes in &mut patched {
        let codes: Vec<usize> = (0..bytes.len() - 8)
            .filter(|&at| bytes[at..].starts_with(&[0, 0, 1]))
            .collect();
        let mut place = 0;
        for at in codes {
            match (bytes[at + 3], bytes[at + 4] >> 4) {
                // 29.97 frames per second; not a progressive sequence.
                (0xB3, _) => bytes[at + 7] = bytes[at + 7] & 0xF0 | 4,
                (0xB5, 1) => bytes[at + 5] &= !8,
                (0xB8, _) => (group, in_group) = (group + in_group, 0),
                (0x00, _) => {
                    let temporal = [bytes[at + 4], bytes[at + 5]];
                    place = group + usize::from(u16::from_be_bytes(temporal) >> 6);
                    in_group += 1;
                }
                (0xB5, 8) => {
                    // The third and fourth picture begin with the bottom field.
                    let (repeat, top) = [(2, 0x80), (0, 0), (2, 0), (0, 0x80)][place % 4];
                    bytes[at + 7] = bytes[at + 7] & 0x7D | repeat | top;
                }
                _ => {}
            }
        }
    }
    patched
}

#[test]
fn fields_shown_twice_lengthen_pictures_and_the_times_that_are_counted() {
    let film = made(
        "mpeg2_film.ts",
        "24000/1001",
        0,
        6,
        "-c:v mpeg2video -bf 2 -g 12 -b:v 1M -flags +cgop -sc_threshold 1000000000",
    );
    let mut units = read(&std::fs::read(film).unwrap());
    // In order of display three fields and two by turns; a picture is decoded while the one before it in that
    // order is shown.
    let field = |n: usize| Ticks90k((n as i64 * 3_003 + 1) / 2);
    let shown = |place: usize| Ticks90k(ORIGIN) + field(place * 2 + place.div_ceil(2));
    let mut order: Vec<_> = units.iter().map(|unit| unit.pts).collect();
    order.sort_unstable();
    for (n, unit) in units.iter_mut().enumerate() {
        let place = order.binary_search(&unit.pts).unwrap();
        let before = n.checked_sub(1).map(shown);
        (unit.pts, unit.dts) = (shown(place), before.unwrap_or(Ticks90k(ORIGIN - 3_003)));
    }
    let pulled = pulled_down(
        &units
            .iter()
            .map(|unit| unit.data.clone())
            .collect::<Vec<_>>(),
    );
    for (unit, data) in units.iter_mut().zip(pulled) {
        unit.data = data;
    }
    let mut bytes = multiplexed(layout(Some(VideoCodec::Mpeg2), None), &units);
    let stamped = read(&bytes);
    assert_eq!(stamped.len(), units.len());
    for (n, (read, unit)) in stamped.iter().zip(&units).enumerate() {
        assert_eq!((read.pts, read.dts), (unit.pts, unit.dts), "{n}");
    }
    // 23.976 pictures per second take as long as they did as film.
    let length = stamped.iter().map(|unit| unit.duration.0).sum::<i64>();
    assert!(
        (length - stamped.len() as i64 * 90_090 / 24).abs() <= 3_003,
        "{length}"
    );
    let mut lengths: Vec<_> = stamped.iter().map(|unit| unit.duration.0).collect();
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths, [3_003, 4_504]);

    // Now only every group has time stamps.
    for (n, packet) in bytes
        .as_chunks_mut::<188>()
        .0
        .iter_mut()
        .filter(|p| p[1] & 0x40 != 0 && u16::from_be_bytes([p[1] & 0x1F, p[2]]) == 0x100)
        .enumerate()
    {
        let at = 4 + if packet[3] & 0x20 != 0 {
            1 + usize::from(packet[4])
        } else {
            0
        };
        if n % 12 != 0 {
            let fields = usize::from(packet[at + 8]);
            packet[at + 7] &= 0x3F;
            packet[at + 9..at + 9 + fields].fill(0xFF);
        }
    }
    let counted = read(&bytes);
    assert_eq!(counted.len(), stamped.len());
    for (n, (counted, stamped)) in counted.iter().zip(&stamped).enumerate() {
        let off = ((counted.pts - stamped.pts).0, (counted.dts - stamped.dts).0);
        // Half a tick at each picture, and a field where three and two are not known to alternate.
        assert!(off.0.abs() <= 1_510 && off.1.abs() <= 12, "{n}: {off:?}");
    }
}

/// What the probe of a sample says of its picture and of its sound: what it is copied as, and its name.
#[track_caller]
fn told(path: &Path) -> [(String, bool); 2] {
    let probe = probe(Arc::new(FileSource::open(path).unwrap())).unwrap();
    let video = probe.video.as_ref();
    let audio = probe.audio.first();
    [
        video.map(|video| (video.name.clone(), video.codec.is_some())),
        audio.map(|audio| (audio.name.clone(), audio.codec.is_some())),
    ]
    .map(Option::unwrap_or_default)
}

#[test]
fn what_a_transport_stream_cannot_carry_is_named() {
    let video = "-c:v libx264 -bf 0 -g 25";
    for (file, options, name) in [
        ("dts.ts", "-c:a dca -strict -2 -ac 2", "DTS"),
        ("truehd.ts", "-c:a truehd -strict -2 -ac 2", "TrueHD"),
        ("opus.ts", "-c:a libopus -ac 2", "Opus"),
        (
            "latm.ts",
            "-c:a aac -ac 2 -mpegts_flags latm",
            "AAC in LATM",
        ),
        ("s302m.ts", "-c:a s302m -strict -2 -ac 2", "PCM"),
        (
            "mono.ts",
            "-c:a aac -ac 1 -ar 24000",
            "AAC of one channel at 24000 Hz, perhaps HE-AAC v2,",
        ),
        (
            "dts.m2ts",
            "-c:a dca -strict -2 -ac 2 -mpegts_m2ts_mode 1 -f mpegts",
            "DTS",
        ),
        (
            "truehd.m2ts",
            "-c:a truehd -strict -2 -ac 2 -mpegts_m2ts_mode 1 -f mpegts",
            "TrueHD",
        ),
        ("dts.mkv", "-c:a dca -strict -2 -ac 2", "DTS"),
        ("truehd.mkv", "-c:a truehd -strict -2 -ac 2", "TrueHD"),
        ("mlp.mkv", "-c:a mlp -strict -2 -ac 2", "MLP"),
        ("opus.mkv", "-c:a libopus -ac 2", "Opus"),
        ("vorbis.mkv", "-c:a libvorbis -ac 2", "Vorbis"),
        ("flac.mkv", "-c:a flac -strict -2 -ac 2", "FLAC"),
        ("alac.mkv", "-c:a alac -ac 2", "ALAC"),
        ("pcm.mkv", "-c:a pcm_s16le -ac 2", "PCM"),
        ("wavpack.mkv", "-c:a wavpack -ac 2", "WavPack"),
        ("opus.mp4", "-c:a libopus -ac 2", "Opus"),
        ("flac.mp4", "-c:a flac -strict -2 -ac 2", "FLAC"),
        ("alac.mp4", "-c:a alac -ac 2", "ALAC"),
        ("dts.mp4", "-c:a dca -strict -2 -ac 2", "DTS"),
        ("pcm.mov", "-c:a pcm_s16le -ac 2", "PCM"),
    ] {
        let options = format!("{video} {options}");
        let path = made(&format!("named_{file}"), "25", 48_000, 2, &options);
        let [picture, sound] = told(&path);
        assert!(
            picture.1 && picture.0.starts_with("H.264"),
            "{file}: {picture:?}"
        );
        assert_eq!(sound, (name.to_owned(), false), "{file}");
    }
    for (file, options, name) in [
        ("mpeg4.ts", "-c:v mpeg4", "MPEG-4 Part 2"),
        ("mpeg1.ts", "-c:v mpeg1video", "MPEG-1 video"),
        ("vc2.ts", "-c:v vc2 -strict -1 -pix_fmt yuv420p", "Dirac"),
        ("vp8.webm", "-c:v libvpx -deadline realtime", "VP8"),
        (
            "vp9.webm",
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 8",
            "VP9",
        ),
        ("av1.mkv", "-c:v libsvtav1 -preset 12", "AV1"),
        ("theora.mkv", "-c:v libtheora", "Theora"),
        ("mjpeg.mkv", "-c:v mjpeg -pix_fmt yuvj420p", "Motion JPEG"),
        ("mpeg4.mkv", "-c:v mpeg4", "MPEG-4 Part 2"),
        ("mpeg4.mp4", "-c:v mpeg4", "MPEG-4 Part 2"),
        ("av1.mp4", "-c:v libsvtav1 -preset 12", "AV1"),
        (
            "vp9.mp4",
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 8",
            "VP9",
        ),
        ("prores.mov", "-c:v prores", "ProRes"),
        ("mjpeg.mov", "-c:v mjpeg -pix_fmt yuvj420p", "Motion JPEG"),
    ] {
        let sound = match file.rsplit('.').next() {
            Some("webm") => "-c:a libopus -ac 2",
            _ => "-c:a ac3 -ac 2",
        };
        let options = format!("{options} {sound}");
        let path = made(&format!("named_{file}"), "25", 48_000, 2, &options);
        let [picture, sound] = told(&path);
        assert_eq!(picture, (name.to_owned(), false), "{file}");
        assert_eq!(sound.1, !file.ends_with("webm"), "{file}: {sound:?}");
    }
}

#[test]
fn sound_that_no_encoder_at_hand_makes_is_named_too() {
    let packets = std::fs::read(sample("h264_aac.ts")).unwrap();
    let units = read(&packets);
    let check = |name: &str, change: &dyn Fn(&mut Vec<u8>), codec, expected: &str| {
        let mut units = units.clone();
        for unit in units.iter_mut().filter(|u| u.kind == StreamKind::Audio) {
            change(&mut unit.data);
        }
        let bytes = multiplexed(layout(Some(VideoCodec::H264), Some(codec)), &units);
        let source = Arc::new(BytesSource::new("test.ts", bytes));
        let probe = probe(source).unwrap();
        let sound = &probe.audio[0];
        assert_eq!(
            (sound.codec, sound.name.as_str()),
            (None, expected),
            "{name}"
        );
        assert!(probe.video.is_some());
    };
    let no_configuration = |data: &mut Vec<u8>| {
        data[2] &= 0xFE;
        data[3] &= 0x3F;
    };
    check(
        "channel configuration 0",
        &no_configuration,
        AudioCodec::Aac,
        "AAC with a program config element",
    );
    let with_header =
        |header: [u8; 4]| move |data: &mut Vec<u8>| data[..4].copy_from_slice(&header);
    check(
        "layer I",
        &with_header([0xFF, 0xFF, 0xC4, 0x00]),
        AudioCodec::Mp2,
        "MPEG audio layer I",
    );
    check(
        "free format",
        &with_header([0xFF, 0xFB, 0x04, 0x00]),
        AudioCodec::Mp3,
        "MPEG audio of free format",
    );
    check(
        "LOAS under the type of ADTS",
        &with_header([0x56, 0xE1, 0x00, 0x20]),
        AudioCodec::Aac,
        "AAC in LATM",
    );
}
