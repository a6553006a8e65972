//! Matroska: damage, and files put together byte by byte for what no tool here writes.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// A test fails by panicking; clippy only knows that of the functions marked as tests.

mod common;

use std::sync::Arc;

use common::media::{ffprobe, sample};
use common::units::{facts, is_within_a_millisecond, open_mkv, open_mkv_bytes, read_all};
use exstreamd::error::ErrorKind;
use exstreamd::media::audio::parse_frame_header;
use exstreamd::media::mkv::Mkv;
use exstreamd::media::probe::probe;
use exstreamd::media::{AccessUnit, AudioCodec, BytesSource, Demuxer, Ticks90k};

/// Reads everything that can be read, with a seek in between; whatever happens, it ends.
fn survive(bytes: Vec<u8>) -> usize {
    let size = bytes.len();
    let source = Arc::new(BytesSource::new("test.mkv", bytes));
    let _ = probe(source.clone());
    let Ok(mut demuxer) = Mkv::open(source) else {
        return 0;
    };
    let units = read_all(&mut demuxer).len();
    demuxer.seek(Ticks90k(200_000)).unwrap();
    let mut unit = AccessUnit::default();
    for _ in 0..50 {
        if !demuxer.next(&mut unit).unwrap() {
            break;
        }
        assert!(unit.data.len() <= size + 64);
        assert!(unit.dts <= unit.pts);
    }
    units
}

#[test]
fn a_file_cut_short_gives_everything_in_front_of_the_cut() {
    let bytes = std::fs::read(sample("h264_b2_25.mkv")).unwrap();
    let whole = read_all(&mut open_mkv_bytes(bytes.clone()).unwrap());
    for sixteenths in 1..16 {
        let cut = bytes.len() * sixteenths / 16;
        let Ok(mut demuxer) = open_mkv_bytes(bytes[..cut].to_vec()) else {
            assert_eq!(sixteenths, 0, "a header of a few KB is there");
            continue;
        };
        let units = read_all(&mut demuxer);
        let payload: usize = units.iter().map(|unit| unit.data.len()).sum();
        assert!(payload + 40_000 > cut, "{payload} of {cut} bytes");
        assert!(
            demuxer.damage().dropped_units <= 1,
            "only the last unit is cut"
        );
        for unit in &units {
            assert!(
                whole.iter().any(|other| facts(other) == facts(unit)),
                "{cut}"
            );
        }
        survive(bytes[..cut].to_vec());
    }
    for cut in 0..600 {
        survive(bytes[..cut].to_vec());
    }
}

#[test]
fn flipped_bits_cost_units_and_never_the_demuxer() {
    for name in ["h264_b2_25.mkv", "h264_live.mkv"] {
        let bytes = std::fs::read(sample(name)).unwrap();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut pick = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        for round in 0..60 {
            let mut broken = bytes.clone();
            // The header in every third round, anywhere else in the others.
            let range = if round % 3 == 0 { 1_500 } else { bytes.len() };
            for _ in 0..1 + pick(12) {
                broken[pick(range)] ^= 1 << pick(8);
            }
            survive(broken);
        }
    }
}

#[test]
fn behind_a_hole_it_goes_on_with_the_next_cluster() {
    for name in ["h264_2997.mkv", "h264_live.mkv"] {
        let mut bytes = std::fs::read(sample(name)).unwrap();
        let whole = read_all(&mut open_mkv_bytes(bytes.clone()).unwrap());
        let (from, to) = (bytes.len() / 3, bytes.len() / 3 + 20_000);
        bytes[from..to].fill(0);
        let mut demuxer = open_mkv_bytes(bytes).unwrap();
        let units = read_all(&mut demuxer);
        let damage = demuxer.damage();
        assert!(damage.dropped_units + damage.skipped_bytes > 0, "{name}");
        assert!(
            units.len() > whole.len() / 2,
            "{name}: {} of {}",
            units.len(),
            whole.len()
        );
        assert_eq!(units.last().map(facts), whole.last().map(facts), "{name}");
    }
}

/// An EBML element with an 8-byte size.
fn element(id: u32, content: &[u8]) -> Vec<u8> {
    let id: Vec<u8> = id
        .to_be_bytes()
        .into_iter()
        .skip_while(|b| *b == 0)
        .collect();
    let size = (content.len() as u64 | 1 << 56).to_be_bytes();
    [&id, &size[..], content].concat()
}

fn number(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// A file with one MP2 track of 48 kHz and these blocks (milliseconds, flags, content), in one cluster.
fn mp2_file(encodings: &[u8], blocks: &[(i16, u8, Vec<u8>)]) -> Vec<u8> {
    let header = [number(0x42F7, 1), element(0x4282, b"matroska")].concat();
    let rate = element(0xB5, &48_000_f64.to_be_bytes());
    let track = [
        number(0xD7, 1),
        number(0x73C5, 1),
        number(0x83, 2),
        element(0x86, b"A_MPEG/L2"),
        number(0x23_E383, 24_000_000),
        element(0xE1, &[rate, number(0x9F, 1)].concat()),
        encodings.to_vec(),
    ];
    let mut cluster = number(0xE7, 0);
    for (time, flags, content) in blocks {
        let head = [&[0x81][..], &time.to_be_bytes(), &[*flags]].concat();
        cluster.extend(element(0xA3, &[head, content.clone()].concat()));
    }
    let segment = [
        element(0x1549_A966, &number(0x2A_D7B1, 1_000_000)),
        element(0x1654_AE6B, &element(0xAE, &track.concat())),
        element(0x1F43_B675, &cluster),
    ];
    [
        element(0x1A45_DFA3, &header),
        element(0x1853_8067, &segment.concat()),
    ]
    .concat()
}

/// The frames of a raw MP2 file, one second of them.
fn mp2_frames() -> Vec<Vec<u8>> {
    let bytes = std::fs::read(sample("tone.mp2")).unwrap();
    let mut frames = Vec::new();
    let mut rest = &bytes[..];
    while let Some(header) = parse_frame_header(AudioCodec::Mp2, rest)
        && frames.len() < 40
    {
        let (frame, after) = rest.split_at(header.frame_bytes);
        frames.push(frame.to_vec());
        rest = after;
    }
    assert_eq!(frames.len(), 40);
    frames
}

#[test]
fn laced_frames_come_apart_as_ffprobe_has_them() {
    let frames = mp2_frames();
    for (name, flags) in [("xiph", 0x82), ("fixed", 0x84), ("ebml", 0x86)] {
        let blocks: Vec<_> = frames
            .chunks(8)
            .enumerate()
            .map(|(n, chunk)| {
                let mut content = vec![chunk.len() as u8 - 1];
                for (index, frame) in chunk[..7].iter().enumerate() {
                    match (flags, index) {
                        (0x82, _) => {
                            content.extend(vec![255; frame.len() / 255]);
                            content.push((frame.len() % 255) as u8);
                        }
                        (0x86, 0) => content.extend((frame.len() as u16 | 0x4000).to_be_bytes()),
                        (0x86, _) => {
                            let difference = frame.len() as i32 - chunk[index - 1].len() as i32;
                            content.extend(((difference + 0x1FFF) as u16 | 0x4000).to_be_bytes());
                        }
                        _ => {}
                    }
                }
                content.extend(chunk.concat());
                (n as i16 * 192, flags, content)
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(format!("{name}.mka"));
        std::fs::write(&path, mp2_file(&[], &blocks)).unwrap();
        let theirs = ffprobe(&path);
        let stream = &theirs["audio"];
        let units = read_all(&mut open_mkv(&path));
        assert_eq!(units.len(), stream.packets.len(), "{name}");
        for (n, (unit, packet)) in units.iter().zip(&stream.packets).enumerate() {
            assert!(
                is_within_a_millisecond(stream, packet.pts, unit.pts),
                "{name} {n}"
            );
            assert_eq!(unit.pts, Ticks90k(n as i64 * 2160), "{name}");
            assert_eq!(unit.data, frames[n], "{name} {n}");
        }
    }
}

#[test]
fn stripped_headers_are_put_back_and_other_encodings_refused() {
    let frames = mp2_frames();
    let stripped = frames[0][..2].to_vec();
    let blocks: Vec<_> = frames
        .iter()
        .enumerate()
        .map(|(n, frame)| (n as i16 * 24, 0x80, frame[2..].to_vec()))
        .collect();
    let encoding = |content: &[Vec<u8>]| element(0x6D80, &element(0x6240, &content.concat()));
    let compression = |algorithm, settings: &[u8]| {
        let parts = [number(0x4254, algorithm), element(0x4255, settings)].concat();
        encoding(&[element(0x5034, &parts)])
    };
    let bytes = mp2_file(&compression(3, &stripped), &blocks);
    let units = read_all(&mut open_mkv_bytes(bytes).unwrap());
    assert!(units.iter().map(|unit| &unit.data).eq(&frames));
    for (encodings, says) in [
        (compression(0, &[]), "audio track with zlib compression"),
        (compression(2, &[]), "audio track with LZO compression"),
        (
            encoding(&[number(0x5033, 1)]),
            "audio track with encryption",
        ),
    ] {
        let bytes = mp2_file(&encodings, &blocks);
        let error = open_mkv_bytes(bytes.clone()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains(says), "{error}");
        let described = probe(Arc::new(BytesSource::new("test.mkv", bytes))).unwrap();
        assert_eq!(described.not_native.as_deref(), Some(says));
    }
}
