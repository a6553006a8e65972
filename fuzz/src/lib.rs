//! Every parser of foreign bytes as a function of bytes. What a function returns is of no account; it must neither
//! panic, nor read without end, nor take a large piece of memory, and it checks what its parser promises.
//!
//! libFuzzer calls them (`fuzz_targets/`, `scripts/fuzz`), and so does a test of the ordinary suite
//! (`tests/fuzz_replay.rs`), which includes this file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exstreamd::error::Result;
use exstreamd::ffmpeg::version::Version;
use exstreamd::ffmpeg::{probe as ffprobe, stderr};
use exstreamd::http::pattern::{self, Query};
use exstreamd::library::{names, nfo};
use exstreamd::media::audio::{aac::AacConfig, parse_frame_header};
use exstreamd::media::probe::{Probe, probe};
use exstreamd::media::ts::TsStream;
use exstreamd::media::{self, AccessUnit, AudioCodec, Demuxer, ReadAt, Ticks90k, VideoCodec, nal};
use exstreamd::schedule::{query, sequential};
use exstreamd::store::RootKind;
use exstreamd::system::identity::Uuid;
use exstreamd::system::origin::{self, OriginConfig, RequestOrigin};
use exstreamd::tuner::packet::Frame;
use exstreamd::tuner::ssdp::Search;

/// A parser of foreign bytes.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("mp4_play", mp4_play),
    ("mp4_probe", mp4_probe),
    ("mkv_play", mkv_play),
    ("mkv_probe", mkv_probe),
    ("ts_play", ts_play),
    ("ts_probe", ts_probe),
    ("ts_stream", ts_stream),
    ("skeleton", skeleton),
    ("nal_unit", nal_unit),
    ("nal_config", nal_config),
    ("audio_header", audio_header),
    ("nfo", nfo),
    ("names", names),
    ("ffprobe_answer", ffprobe_answer),
    ("ffmpeg_lines", ffmpeg_lines),
    ("tuner_packet", tuner_packet),
    ("ssdp_search", ssdp_search),
    ("http_request", http_request),
    ("search_query", search_query),
    ("sequential_yaml", sequential_yaml),
];

/// Units after which a file has been played enough.
const UNITS_MAX: usize = 20_000;

/// A unit holds a frame of a file, with a header in front and the start codes of its NAL units.
const UNIT_BYTES_MAX: usize = 32 << 20;

/// Bytes as a file, which may not be read over and over.
struct Source {
    bytes: Vec<u8>,
    read: AtomicU64,
    reads: AtomicU64,
}

impl Source {
    fn new(bytes: &[u8]) -> Arc<Self> {
        Arc::new(Self {
            bytes: bytes.to_vec(),
            read: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        })
    }
}

impl ReadAt for Source {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| self.bytes.get(at..));
        let rest = rest.unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        // Tables and media are walked a few times for a probe, an opening and some seeks.
        let size = self.bytes.len() as u64;
        let read = self.read.fetch_add(len as u64, Ordering::Relaxed);
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        assert!(
            read <= 64 * size + (16 << 20),
            "{read} bytes read of {size}"
        );
        assert!(reads <= 20_000 + size, "{reads} reads of {size} bytes");
        Ok(len)
    }

    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn name(&self) -> &str {
        "fuzz"
    }
}

fn check_unit(unit: &AccessUnit) {
    assert!(unit.dts <= unit.pts, "{:?} behind {:?}", unit.dts, unit.pts);
    assert!(unit.data.len() <= UNIT_BYTES_MAX);
}

/// Opens a file of any container, plays it, and seeks.
fn play(bytes: &[u8]) {
    let Ok(mut demuxer) = media::open(Source::new(bytes)) else {
        return;
    };
    play_some(demuxer.as_mut(), UNITS_MAX);
    for target in [i64::MIN, 0, 90_000, 3_000_000, i64::MAX] {
        if demuxer.seek(Ticks90k(target)).is_ok() {
            play_some(demuxer.as_mut(), 50);
        }
    }
    let _ = demuxer.damage();
}

fn play_some(demuxer: &mut dyn Demuxer, most: usize) {
    let mut unit = AccessUnit::default();
    for _ in 0..most {
        match demuxer.next(&mut unit) {
            Ok(true) => check_unit(&unit),
            Ok(false) | Err(_) => return,
        }
    }
}

/// Probes a file of any container.
fn describe(bytes: &[u8]) {
    if let Ok(found) = probe(Source::new(bytes)) {
        check_probe(&found);
    }
}

fn check_probe(found: &Probe) {
    assert!(
        found.start <= found.end,
        "{:?} to {:?}",
        found.start,
        found.end
    );
    if let Some(video) = &found.video {
        assert!(video.raps.len() <= 10_000 && video.reorder_depth <= 16);
    }
    assert!(found.chapters.len() <= 10_000 && found.audio.len() <= 10_000);
}

/// MP4: play.
pub fn mp4_play(bytes: &[u8]) {
    play(bytes);
}

/// MP4: probe.
pub fn mp4_probe(bytes: &[u8]) {
    describe(bytes);
}

/// Matroska: play.
pub fn mkv_play(bytes: &[u8]) {
    play(bytes);
}

/// Matroska: probe.
pub fn mkv_probe(bytes: &[u8]) {
    describe(bytes);
}

/// Transport streams in files: play.
pub fn ts_play(bytes: &[u8]) {
    play(bytes);
}

/// Transport streams in files: probe.
pub fn ts_probe(bytes: &[u8]) {
    describe(bytes);
}

/// A transport stream from a pipe, in pieces of changing sizes.
pub fn ts_stream(bytes: &[u8]) {
    let mut stream = TsStream::new();
    let mut unit = AccessUnit::default();
    let mut rest = bytes;
    let mut size = 1;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        stream.push(piece);
        while stream.next(&mut unit) {
            check_unit(&unit);
        }
        rest = behind;
        size = size * 7 % 1_021 + 1;
    }
    stream.finish();
    while stream.next(&mut unit) {
        check_unit(&unit);
    }
    let _ = (stream.streams(), stream.damage());
}

/// A file of any container, copied without its content.
pub fn skeleton(bytes: &[u8]) {
    let Ok(out) = tempfile::tempfile() else {
        return;
    };
    let _ = media::skeleton::write(Source::new(bytes), &out);
    let written = out.metadata().map_or(0, |meta| meta.len());
    assert!(
        written <= bytes.len() as u64,
        "{written} bytes of {}",
        bytes.len()
    );
}

const VIDEO_CODECS: [VideoCodec; 3] = [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Mpeg2];

/// A coded picture: the first byte tells codec and length of the NAL lengths.
pub fn nal_unit(bytes: &[u8]) {
    let Some((kind, unit)) = bytes.split_first() else {
        return;
    };
    let codec = VIDEO_CODECS[usize::from(*kind) % VIDEO_CODECS.len()];
    let mut data = unit.to_vec();
    if nal::to_annex_b(codec, &mut data, kind >> 2 & 7).is_ok() {
        let _ = nal::inspect(codec, &data);
        assert!(nal::nals(&data).all(|unit| !unit.is_empty()));
        let mut sets = Vec::new();
        nal::copy_parameter_sets(codec, &data, &mut sets);
        assert!(sets.len() <= 2 * data.len() + 8);
    }
}

/// Decoder configurations: avcC, hvcC, parameter sets; the first byte tells which.
pub fn nal_config(bytes: &[u8]) {
    let Some((kind, record)) = bytes.split_first() else {
        return;
    };
    let config = match kind % 5 {
        0 => nal::parse_avcc(record),
        1 => nal::parse_hvcc(record),
        other => nal::parse_parameter_sets(VIDEO_CODECS[usize::from(other) - 2], record),
    };
    if let Ok(config) = config {
        assert!(config.width > 0 && config.height > 0 && config.reorder_depth <= 16);
        assert!(config.nal_length_bytes <= 4 && config.frame_duration >= Ticks90k::ZERO);
    }
}

/// Headers of audio frames, and the AudioSpecificConfig.
pub fn audio_header(bytes: &[u8]) {
    use AudioCodec::{Aac, Ac3, Eac3, Mp2, Mp3};
    for codec in [Aac, Ac3, Eac3, Mp2, Mp3] {
        if let Some(header) = parse_frame_header(codec, bytes) {
            assert!(header.frame_bytes > 0 && header.samples > 0 && header.rate_hz > 0);
        }
    }
    if let Ok(config) = AacConfig::parse(bytes)
        && let Ok(header) = config.adts_header(64)
    {
        // What we write, we read.
        let frame = [&header[..], &[0; 64]].concat();
        let read = parse_frame_header(Aac, &frame);
        let read = read.map(|read| (read.rate_hz, read.channels, read.frame_bytes));
        assert_eq!(read, Some((config.rate_hz, config.channels, frame.len())));
    }
}

/// NFO files.
pub fn nfo(bytes: &[u8]) {
    if let Some(found) = nfo::parse(bytes) {
        let mut named = names::identify(
            Path::new("/m"),
            RootKind::Auto,
            Path::new("/m/a (2001).mkv"),
        );
        found.correct(&mut named);
        assert!(!named.metadata.title.is_empty());
    }
}

/// File and folder names.
pub fn names(bytes: &[u8]) {
    use std::os::unix::ffi::OsStrExt;
    let root = Path::new("/media/films");
    let path = root.join(std::ffi::OsStr::from_bytes(bytes));
    for kind in [
        RootKind::Auto,
        RootKind::Movies,
        RootKind::Shows,
        RootKind::Other,
    ] {
        let named = names::identify(root, kind, &path);
        assert!(!named.metadata.title.is_empty(), "{kind:?}");
    }
}

/// What ffprobe answers.
pub fn ffprobe_answer(bytes: &[u8]) {
    if let Ok(found) = ffprobe::from_answer("fuzz", bytes) {
        check_probe(&found);
    }
}

/// What ffmpeg says: on standard error, and of its version.
pub fn ffmpeg_lines(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().map(stderr::classify).collect();
    assert!(!stderr::cause("fuzzing", &lines).message().is_empty());
    let _ = Version::parse(&text);
}

/// Frames of HDHomeRun discovery and control: as they are, and with a right length and checksum.
pub fn tuner_packet(bytes: &[u8]) {
    take_frame(bytes);
    if let Some((head, payload)) = bytes.split_first_chunk::<2>()
        && let Ok(length) = u16::try_from(payload.len())
    {
        let mut frame = [&head[..], &length.to_be_bytes(), payload].concat();
        frame.extend(crc32(&frame).to_le_bytes());
        take_frame(&frame);
    }
}

fn take_frame(bytes: &[u8]) {
    let Ok(frame) = Frame::parse(bytes) else {
        return;
    };
    assert!(Frame::length(bytes).is_ok_and(|length| length <= bytes.len()));
    let held: usize = frame.values().map(|(_, value)| value.len() + 2).sum();
    assert!(held <= bytes.len());
    for (tag, _) in frame.values() {
        let _ = (frame.value(tag), frame.text(tag));
    }
}

/// CRC-32 of Ethernet (IEEE 802.3).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

/// Searches of UPnP.
pub fn ssdp_search(bytes: &[u8]) {
    let Ok(uuid) = Uuid::parse("2f402f80-da50-11e1-9b23-001788685f61") else {
        return;
    };
    for multicast in [true, false] {
        if let Some(search) = Search::parse(bytes, &uuid, multicast) {
            assert!(search.mx_s <= 5);
        }
    }
}

/// Paths, queries and headers of requests: a line each.
pub fn http_request(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let path = lines.next().unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    for route in exstreamd::http::ROUTES {
        let _ = pattern::matches(route.path, path);
    }
    let _ = Query::parse(query).get("name");
    let encoded = pattern::encode_segment(path);
    assert!(encoded.is_ascii() && encoded.len() <= 3 * path.len());
    let peer = ([192, 168, 1, 9], 5_000).into();
    let origin = RequestOrigin {
        host: lines.next(),
        forwarded_host: lines.next(),
        forwarded_proto: lines.next(),
        forwarded_for: lines.next(),
        ..RequestOrigin::new(([192, 168, 1, 2], 8_411).into(), peer)
    };
    let mut config = OriginConfig::default();
    for trusted in [false, true] {
        if trusted {
            config.trusted_proxies = exstreamd::system::cidr::Cidr::new(peer.ip(), 24)
                .into_iter()
                .collect();
        }
        let _ = origin::client(&origin, &config);
        let base = origin::base_url(&origin, &config);
        assert!(
            base.starts_with("http") && !base.contains(['\n', '\r', '<', '"']),
            "{base:?}"
        );
    }
    let _ = origin::parse_advertise(path);
}

/// Searches and the smart collections that they name.
pub fn search_query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(found) = query::parse(&text) {
        // Every collection holds the same query again.
        let _ = query::expand(found, &|_| Some(text.clone().into_owned()));
    }
}

/// Sequential schedules, which here import themselves.
pub fn sequential_yaml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match sequential::read(&text, &|_| Ok(text.clone().into_owned())) {
        Ok(reading) => assert!(!reading.schedule.playout.is_empty()),
        Err(problems) => assert!((1..=101).contains(&problems.len())),
    }
}
