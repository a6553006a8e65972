//! Every parser of foreign bytes over inputs that were interesting once (`fuzz/corpus`) and over damaged copies
//! of generated ones. The functions and what they check stand in `fuzz/src/lib.rs`.
//!
//! For longer runs: `scripts/fuzz`. An input that fails is written to `target/fuzz-failures`.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
// Public for the fuzzer.
#[allow(unreachable_pub)]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::media::{names, sample};
use common::memory::{Memory, counted};
use common::mkv::{CODEC_PRIVATE, File};
use exstreamd::media::{self, AccessUnit, FileSource, StreamKind, VideoCodec};
use targets::{TARGETS, Target};

#[global_allocator]
static MEMORY: Memory = Memory;

/// No piece of memory may be larger, whatever the bytes say.
const LARGEST: usize = 32 << 20;

/// How often inputs up to a size are damaged; `FUZZ_ROUNDS` multiplies it.
const SMALL_BYTES: usize = 4_096;
const SMALL_ROUNDS: usize = 60;
const TINY_FILE_BYTES: usize = 100_000;
const TINY_FILE_ROUNDS: usize = 25;
const LARGE_ROUNDS: usize = 2;
const LARGE_FILE_BYTES: usize = 4 << 20;

/// A reproducible row of numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit.max(1)
    }
}

/// Numbers that sizes and counts are wrong by.
const ODD_NUMBERS: [u64; 12] = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x0100_0000,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
    u64::MAX,
];

/// Damages `bytes`, most often in front, where the tables are.
fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            bytes.push(random.next() as u8);
        }
        let reach = match random.below(4) {
            0 => bytes.len(),
            1 => bytes.len().min(64),
            2 => bytes.len().min(600),
            _ => bytes.len().min(5_000),
        };
        // Tables also stand at the end.
        let at = if random.below(5) == 0 {
            bytes.len() - 1 - random.below(reach)
        } else {
            random.below(reach)
        };
        let order = random.below(12);
        let len = (1 + random.below(1 << order)).min(bytes.len() - at);
        match random.below(9) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
            3 | 4 => {
                let number =
                    ODD_NUMBERS[random.below(ODD_NUMBERS.len())].wrapping_add(random.next() % 3);
                let width = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number.to_be_bytes()[8 - width..]);
            }
            5 => drop(bytes.drain(at..at + len)),
            6 => {
                let copy = bytes[at..at + len].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            7 => {
                let from = random.below(other.len());
                let piece = &other[from..(from + len).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ if random.below(3) == 0 => bytes.truncate(at),
            _ => bytes[at..at + len].fill(random.next() as u8),
        }
    }
}

/// Runs a target once; a failure keeps its input.
fn run(name: &str, target: Target, bytes: &[u8]) {
    let (result, counts) = counted(|| catch_unwind(AssertUnwindSafe(|| target(bytes))));
    if result.is_ok() && counts.largest <= LARGEST {
        return;
    }
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("fuzz-failures");
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join(format!("{name}-{hash:016x}"));
    fs::write(&path, bytes).unwrap();
    panic!("{name} fails with {} ({counts:?})", path.display());
}

fn number_of_environment(name: &str, otherwise: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// The corpus, the seeds, and damaged copies of both.
fn replay(name: &str, seeds: Vec<Vec<u8>>) {
    let (_, target) = TARGETS.iter().find(|(n, _)| *n == name).unwrap();
    let mut inputs = corpus(name);
    inputs.extend(seeds);
    assert!(!inputs.is_empty(), "{name} has no input");
    if let Some(dir) = std::env::var_os("FUZZ_WRITE_SEEDS") {
        write_seeds(&PathBuf::from(dir).join(name), &inputs);
    }
    let factor = number_of_environment("FUZZ_ROUNDS", 1);
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ number_of_environment("FUZZ_SEED", 0) as u64);
    for (index, input) in inputs.iter().enumerate() {
        run(name, *target, input);
        let rounds = if input.len() <= SMALL_BYTES {
            SMALL_ROUNDS
        } else if input.len() <= TINY_FILE_BYTES {
            TINY_FILE_ROUNDS
        } else {
            LARGE_ROUNDS
        };
        let other = &inputs[(index + 1) % inputs.len()];
        for _ in 0..rounds * factor {
            let mut bytes = input.clone();
            damage(&mut bytes, other, &mut random);
            run(name, *target, &bytes);
        }
    }
}

/// Inputs that are small enough for a fuzzer.
fn write_seeds(dir: &Path, inputs: &[Vec<u8>]) {
    fs::create_dir_all(dir).unwrap();
    for (index, input) in inputs.iter().enumerate() {
        if input.len() <= TINY_FILE_BYTES {
            fs::write(dir.join(format!("seed-{index:04}")), input).unwrap();
        }
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut paths: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Whole samples whose names end so, but for those that are large and hold nothing that others do not.
fn files(endings: &[&str]) -> Vec<Vec<u8>> {
    let names = endings.iter().flat_map(|ending| names(ending));
    names
        .map(|name| fs::read(sample(name)).unwrap())
        .filter(|bytes| bytes.len() <= LARGE_FILE_BYTES)
        .collect()
}

const MP4: &[&str] = &[".mp4", ".mov", ".m4a"];
const MKV: &[&str] = &[".mkv", ".mka", ".webm"];
const TS: &[&str] = &[".ts", ".m2ts"];

#[test]
fn mp4_play() {
    replay("mp4_play", files(MP4));
}

#[test]
fn mp4_probe() {
    replay("mp4_probe", files(MP4));
}

#[test]
fn mkv_play() {
    replay("mkv_play", files(MKV));
}

#[test]
fn mkv_probe() {
    replay("mkv_probe", files(MKV));
}

#[test]
fn ts_play() {
    replay("ts_play", files(TS));
}

#[test]
fn ts_probe() {
    replay("ts_probe", files(TS));
}

#[test]
fn ts_stream() {
    replay("ts_stream", files(TS));
}

#[test]
fn skeleton() {
    replay(
        "skeleton",
        files(&[
            "_aac.mp4",
            "_fragmented.mp4",
            "_mp2.mov",
            "_ac3.mkv",
            "_mp3.mkv",
            ".ts",
        ]),
    );
}

/// Samples of every codec.
const CODED: [&str; 6] = [
    "tiny_h264_aac.ts",
    "tiny_hevc_ac3.mp4",
    "tiny_mpeg2_mp3.mkv",
    "tiny_hevc_eac3.ts",
    "tiny_mpeg2_mp2.m2ts",
    "h264_open_gop.mkv",
];

/// The first units of one kind, and the parameter sets of the track.
fn units(name: &str, kind: StreamKind) -> (Option<VideoCodec>, Vec<u8>, Vec<Vec<u8>>) {
    let source = FileSource::open(&sample(name)).unwrap();
    let mut demuxer = media::open(Arc::new(source)).unwrap();
    let track = demuxer.streams().video.clone();
    let (codec, sets) = track.map_or((None, Vec::new()), |track| {
        (Some(track.codec), track.parameter_sets.to_vec())
    });
    let mut found = Vec::new();
    let mut unit = AccessUnit::default();
    while found.len() < 8 && demuxer.next(&mut unit).unwrap() {
        if unit.kind == kind {
            found.push(unit.data.clone());
        }
    }
    (codec, sets, found)
}

fn kind_of(codec: VideoCodec) -> u8 {
    match codec {
        VideoCodec::H264 => 0,
        VideoCodec::Hevc => 1,
        VideoCodec::Mpeg2 => 2,
    }
}

#[test]
fn nal_unit() {
    let mut seeds = Vec::new();
    for name in CODED {
        let (codec, sets, units) = units(name, StreamKind::Video);
        let kind = kind_of(codec.unwrap());
        for unit in units.iter().chain([&sets]) {
            let short = &unit[..unit.len().min(600)];
            seeds.push([&[kind], short].concat());
            // The same with lengths of two bytes in front of the units.
            let mut prefixed = vec![(0..255).find(|b| b % 3 == kind && b >> 2 & 7 == 2).unwrap()];
            for nal in exstreamd::media::nal::nals(short) {
                prefixed.extend((nal.len() as u16).to_be_bytes());
                prefixed.extend(nal);
            }
            seeds.push(prefixed);
        }
    }
    replay("nal_unit", seeds);
}

#[test]
fn nal_config() {
    let mut seeds = Vec::new();
    for name in CODED {
        let (codec, sets, _) = units(name, StreamKind::Video);
        seeds.push([&[2 + kind_of(codec.unwrap())], &sets[..]].concat());
    }
    for (kind, name) in [
        (0, "h264_b2_25.mkv"),
        (0, "h264_2997.mkv"),
        (1, "hevc_ac3.mkv"),
    ] {
        let mut file = File::read(&sample(name));
        let record = file.track(0).get(CODEC_PRIVATE).data().to_vec();
        seeds.push([&[kind], &record[..]].concat());
    }
    replay("nal_config", seeds);
}

#[test]
fn audio_header() {
    let mut seeds = vec![
        vec![0x12, 0x10],
        vec![0x11, 0x90, 0x56, 0xE5, 0],
        vec![0x2B, 0x11, 0x88, 0],
    ];
    for name in [
        "tiny_h264_aac.ts",
        "tiny_hevc_ac3.mp4",
        "tiny_hevc_eac3.ts",
        "tiny_mpeg2_mp2.m2ts",
        "tiny_mpeg2_mp3.mkv",
    ] {
        let (_, _, units) = units(name, StreamKind::Audio);
        seeds.extend(units.iter().map(|unit| unit[..unit.len().min(64)].to_vec()));
    }
    replay("audio_header", seeds);
}

#[test]
fn nfo() {
    let texts = [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<movie><title>A &amp; B</title><year>1999</year>\
         <genre>Crime</genre><plot><![CDATA[x < y]]></plot><mpaa>PG-13</mpaa></movie>\nhttps://www.imdb.com/title/tt1/",
        "<episodedetails><title>One</title><season>2</season><episode>3</episode><aired>2001-02-03</aired>\
         <showtitle>S</showtitle></episodedetails><episodedetails><title>Two</title><episode>4</episode></episodedetails>",
        "<tvshow><title>S</title><uniqueid type=\"tvdb\">1</uniqueid></tvshow>",
        "<!DOCTYPE movie [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><movie><title>&b;&#x41;&#1114112;</title></movie>",
    ];
    let mut seeds: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let wide = texts[0].encode_utf16().flat_map(u16::to_le_bytes);
    seeds.push([0xFF, 0xFE].into_iter().chain(wide).collect());
    replay("nfo", seeds);
}

#[test]
fn file_names() {
    let names = [
        "The Film (1999) [1080p] {edition-Final Cut}.mkv",
        "Show/Season 01/Show - S01E02-E03 - Title.mkv",
        "Show/Specials/s00e1.avi",
        "Show.2x05.HDTV.XviD-GRP.avi",
        "Daily/Daily 2020.02.29 Guest.mp4",
        "S\u{fc}\u{df}e (2001)/S\u{fc}\u{df}e.part2.mkv",
        "VIDEO_TS/vts_01_1.vob",
        "BDMV/STREAM/00001.m2ts",
        "...",
        "(2001).mkv",
        "1917 (2019).mkv",
        "\u{202e}gpj.mkv",
    ];
    let mut seeds: Vec<Vec<u8>> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    seeds.push(b"bad \xFF\xFE name (1990).mkv".to_vec());
    replay("names", seeds);
}

#[test]
fn ffprobe_answer() {
    let asked = |name: &str| {
        let output = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-of",
                "json=compact=1",
                "-show_format",
                "-show_streams",
            ])
            .args(["-show_chapters", "-show_packets", "-read_intervals", "%+#6"])
            .arg(sample(name))
            .output()
            .unwrap();
        assert!(output.status.success());
        output.stdout
    };
    let seeds = [
        "tiny_h264_aac.mp4",
        "tiny_mpeg2_mp3.mkv",
        "mpeg4_mp3.avi",
        "mpeg2_ac3.mpg",
    ];
    replay("ffprobe_answer", seeds.into_iter().map(asked).collect());
}

#[test]
fn ffmpeg_lines() {
    let seeds = [
        "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x559a7883e1c0] [error] moov atom not found\n\
         [error] file:/m/a.mkv: Invalid data found when processing input",
        "[h264 @ 0x5] [warning] [x] mmco: unref short failure\n    Last message repeated 3 times",
        "[fatal] Conversion failed!\n[panic] [a @ 0x] ]]][[",
        "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers",
        "ffmpeg version N-109542-g1bf1a2b3c-tessus n4.4.git",
    ];
    replay(
        "ffmpeg_lines",
        seeds.iter().map(|text| text.as_bytes().to_vec()).collect(),
    );
}

#[test]
fn tuner_packet() {
    // Kind, then tags with values; the target adds length and checksum.
    let seeds: [&[u8]; 5] = [
        &[0, 2, 1, 4, 0, 0, 0, 1, 2, 4, 0xFF, 0xFF, 0xFF, 0xFF],
        &[
            0, 4, 3, 10, b'/', b's', b'y', b's', b'/', b'm', b'o', b'd', b'e', 0,
        ],
        &[0, 4, 3, 0x83, 1, b'/', b't'],
        &[0, 6, 0x15, 4, 1, 2, 3, 4],
        &[
            0, 2, 0, 12, 1, 4, 0, 0, 0, 1, 2, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0x4E, 0x50, 0x7F, 0x35,
        ],
    ];
    replay(
        "tuner_packet",
        seeds.iter().map(|bytes| bytes.to_vec()).collect(),
    );
}

#[test]
fn ssdp_search() {
    let seeds = [
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 3\r\nST: ssdp:all\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: 99999999999\r\n\
         ST: uuid:2f402f80-da50-11e1-9b23-001788685f61\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\n\r\n",
    ];
    replay(
        "ssdp_search",
        seeds.iter().map(|text| text.as_bytes().to_vec()).collect(),
    );
}

#[test]
fn http_request() {
    let seeds = [
        "/iptv/channel/5.1.ts?mode=%41&x=+y&z\ntv.lan:8411\nproxy.example\nhttps\n10.0.0.1, 192.168.1.9",
        "/auto/v5?duration=10\n[fe80::1%25eth0]:80\n\n\n",
        "/api/v1/channels/%E2%82%AC/%ff\nhost\"<>\n a b\nftp\n::ffff:1.2.3.4",
        "http://192.168.1.2:8411/\n192.168.1.2\n",
    ];
    replay(
        "http_request",
        seeds.iter().map(|text| text.as_bytes().to_vec()).collect(),
    );
}

#[test]
fn search_query() {
    let seeds = [
        "title:\"the film\" AND NOT (genre:crim* OR year:[1990 TO 2001}) +studio:a~2^3",
        "smart_collection:\"x\" OR smart_collection:y",
        "type:episode -tag:\\\"q\\\" added_inthelast:\"2 weeks\"",
        "((((((((((a))))))))))",
        "*:*",
    ];
    replay(
        "search_query",
        seeds.iter().map(|text| text.as_bytes().to_vec()).collect(),
    );
}

#[test]
fn sequential_yaml() {
    let seeds = [
        "import: [a.yml]\ncontent:\n- show: Bees\n  key: A\n  order: shuffle\nplayout:\n- count: 2 * count\n  content: A\n- repeat: true\n",
        "content: [{library: , key: &k A, order: marathon, group_by: show}]\nsequence:\n- key: S\n  items: &i\n  - &c {duration: 1h 30m, content: *k}\n  - *c\nplayout: *i\n",
        "reset:\n- wait_until: \"6:00 PM\"\n  rewind_on_reset: true\nplayout:\n- pre_roll: true\n  sequence: >-\n    S\n- graphics_on: x\n  variables: {a: [1, 2.5, ~]}\n",
    ];
    replay(
        "sequential_yaml",
        seeds.iter().map(|text| text.as_bytes().to_vec()).collect(),
    );
}

#[test]
fn every_target_is_replayed_here_and_offered_to_the_fuzzer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = fs::read_to_string(root.join("tests/fuzz_replay.rs")).unwrap();
    let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(
            here.contains(&format!("\"{name}\",")),
            "{name} is not replayed"
        );
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not offered"
        );
        assert!(
            root.join(format!("fuzz/fuzz_targets/{name}.rs")).exists(),
            "{name}"
        );
    }
}
