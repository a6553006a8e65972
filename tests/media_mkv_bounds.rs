//! Matroska: how often, how much and into how much memory is read, whatever the file.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::long_film::{LongFilm, Shape, TWO_HOURS};
use common::media::{names, sample};
use common::memory::{Memory, counted};
use common::mkv::{self, CLUSTER, CUES, File, SEEK_HEAD, TIMESTAMP, TRACKS, bytes, master, number};
use common::units::{Counted, open_mkv_bytes, read_all};
use exstreamd::media::mkv::Mkv;
use exstreamd::media::probe::probe;
use exstreamd::media::{
    AccessUnit, BytesSource, Damage, Demuxer, ReadAt, Source, StreamKind, Ticks90k,
};

#[global_allocator]
static MEMORY: Memory = Memory;

/// No piece of memory may be larger, whatever a file says.
const LARGEST: usize = 32 << 20;

const TWO_HOURS_END: Ticks90k = Ticks90k(7_200_000 * 90 + 1_890);

#[test]
fn a_film_of_two_hours_is_probed_exactly_with_six_reads() {
    let source = Counted::new(LongFilm::new(TWO_HOURS));
    let (found, counts) = counted(|| probe(source.clone()).unwrap());
    let (reads, read) = source.taken();
    assert!(reads <= 6, "{reads} reads");
    assert!(read < 600_000, "{read} bytes read");
    assert!(counts.most < 800_000 && counts.held < 10_000, "{counts:?}");
    assert_eq!((found.start, found.end), (Ticks90k(1_890), TWO_HOURS_END));
    let video = found.video.unwrap();
    assert_eq!(video.longest_rap_interval, Ticks90k::from_ms(2_000));
    assert!((1_100_000..1_300_000).contains(&video.largest_gop_bytes));
    assert!(video.clean_raps);
    assert!(video.raps.len() > 200, "{}", video.raps.len());
}

#[test]
fn a_film_of_two_hours_is_played_from_the_middle_in_little_memory() {
    let source = Counted::new(LongFilm::new(TWO_HOURS));
    let half = Ticks90k::from_ms(3_600_021);
    let mut unit = AccessUnit::default();
    let (demuxer, counts) = counted(|| {
        let mut demuxer = Mkv::open(source.clone()).unwrap();
        // A break that the probe named, and any other time.
        for (target, most) in [(half, 8), (half + Ticks90k::from_ms(1_990), 20)] {
            source.taken();
            assert_eq!(demuxer.seek(target).unwrap(), half);
            assert!(demuxer.next(&mut unit).unwrap());
            let (reads, _) = source.taken();
            assert!(reads <= most, "{reads} reads to {target:?}");
        }
        for _ in 0..4_000 {
            assert!(demuxer.next(&mut unit).unwrap());
        }
        demuxer
    });
    let (reads, read) = source.taken();
    assert!(reads < read / 64_000, "{reads} reads of {read} bytes");
    // The window, the unit's own buffer, and what is known of the file.
    assert!(counts.held < 200_000, "{counts:?}");
    assert!(counts.most < 1_200_000, "{counts:?}");
    assert_eq!(demuxer.damage(), Damage::default());
}

#[test]
fn without_cues_a_film_of_two_hours_is_looked_at_in_a_few_places_only() {
    for sizes in [true, false] {
        let source = Counted::new(LongFilm::new(Shape {
            cues: false,
            sizes,
            ..TWO_HOURS
        }));
        let found = probe(source.clone()).unwrap();
        let (reads, read) = source.taken();
        assert!(
            reads < 100 && read < 20_000_000,
            "{reads} reads, {read} bytes"
        );
        assert_eq!((found.start, found.end), (Ticks90k(1_890), TWO_HOURS_END));
        let video = found.video.unwrap();
        assert_eq!(video.longest_rap_interval, Ticks90k::from_ms(2_000));
        assert!(video.largest_gop_bytes < 1_300_000 && video.clean_raps);
        assert!(video.raps.len() >= 3);

        let mut demuxer = Mkv::open(source.clone()).unwrap();
        source.taken();
        for ms in [1, 1_000_000, 3_600_001, 7_199_000] {
            let at = demuxer.seek(Ticks90k::from_ms(ms)).unwrap();
            let expected = (ms - 21).max(0) / 2_000 * 2_000 + 21;
            assert_eq!(at.round_ms(), expected);
            let (reads, read) = source.taken();
            assert!(
                reads < 220 && read < 30_000_000,
                "{ms}: {reads} reads, {read} bytes"
            );
        }
    }
}

/// A terabyte: some bytes, then nothing but zeros.
struct Wasteland {
    front: Vec<u8>,
    bytes: u64,
}

impl ReadAt for Wasteland {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> exstreamd::error::Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = buf.len().min(left);
        let front = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.front.get(offset..))
            .unwrap_or_default();
        let copied = front.len().min(len);
        buf[..copied].copy_from_slice(&front[..copied]);
        buf[copied..len].fill(0);
        Ok(len)
    }

    fn size_bytes(&self) -> u64 {
        self.bytes
    }

    fn name(&self) -> &str {
        "wasteland.mkv"
    }
}

/// Probes, plays and seeks, as far as it goes; whatever there is, it ends. The units there were.
fn survive(source: Source) -> (Vec<AccessUnit>, Damage) {
    let _ = probe(source.clone());
    let Ok(mut demuxer) = Mkv::open(source) else {
        return (Vec::new(), Damage::default());
    };
    let units = read_all(&mut demuxer);
    let damage = demuxer.damage();
    assert!(units.iter().all(|unit| unit.dts <= unit.pts));
    let mut unit = AccessUnit::default();
    for target in [0, 200_000, i64::MAX / 2] {
        demuxer.seek(Ticks90k(target)).unwrap();
        demuxer.next(&mut unit).unwrap();
    }
    (units, damage)
}

#[test]
fn sizes_that_lie_in_a_file_of_a_terabyte_cost_neither_memory_nor_endless_reading() {
    const TERABYTE: u64 = 1 << 40;
    let file = File::read(&sample("h264_b2_25.mkv"));
    let huge = |id: u32, size: u64| {
        let id = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0);
        let mut out: Vec<u8> = id.collect();
        out.extend((size | 1 << 56).to_be_bytes());
        out
    };
    let prefix = |parts: &[u32], last: Vec<u8>| {
        let mut file = file.clone();
        file.segment.unknown_size = true;
        file.segment
            .inside()
            .retain(|node| parts.contains(&node.id));
        [file.bytes(), last].concat()
    };
    const INFO: u32 = mkv::INFO;
    let block_front = [0x81, 0, 0, 0x80];
    let mut cluster = Vec::new();
    master(CLUSTER, vec![number(TIMESTAMP, 0)]).write(&mut cluster);
    let mut open_cluster = huge(CLUSTER, TERABYTE / 2);
    number(TIMESTAMP, 0).write(&mut open_cluster);
    for (what, front) in [
        (
            "zeros behind the clusters",
            prefix(&[INFO, TRACKS, CLUSTER], vec![]),
        ),
        ("no cluster", prefix(&[INFO, TRACKS], vec![])),
        (
            "tracks of a terabyte",
            prefix(&[INFO], huge(TRACKS, TERABYTE / 2)),
        ),
        (
            "cues of a terabyte",
            prefix(&[INFO, TRACKS], huge(CUES, TERABYTE / 2)),
        ),
        (
            "a SeekHead of a terabyte",
            prefix(&[INFO, TRACKS], huge(SEEK_HEAD, TERABYTE / 2)),
        ),
        (
            "a block of half a terabyte",
            prefix(
                &[INFO, TRACKS],
                [
                    open_cluster.clone(),
                    huge(0xA3, TERABYTE / 4),
                    block_front.to_vec(),
                ]
                .concat(),
            ),
        ),
        (
            "a block of 100 MB",
            prefix(
                &[INFO, TRACKS],
                [
                    open_cluster.clone(),
                    huge(0xA3, 100 << 20),
                    block_front.to_vec(),
                ]
                .concat(),
            ),
        ),
        (
            "a block of 16 MB",
            prefix(
                &[INFO, TRACKS],
                [
                    open_cluster.clone(),
                    huge(0xA3, 16 << 20),
                    block_front.to_vec(),
                ]
                .concat(),
            ),
        ),
        (
            "codec data of a terabyte",
            prefix(
                &[INFO],
                [
                    huge(TRACKS, 1 << 39),
                    huge(0xAE, 1 << 38),
                    huge(0x63A2, 1 << 37),
                ]
                .concat(),
            ),
        ),
    ] {
        let source = Counted::new(Wasteland {
            front,
            bytes: TERABYTE,
        });
        let ((), counts) = counted(|| {
            let (units, _) = survive(source.clone());
            assert!(units.len() < 1_000, "{what}");
        });
        let (reads, read) = source.taken();
        assert!(reads <= 8_000, "{what}: {reads} reads, {read} bytes");
        assert!(
            counts.largest <= LARGEST && counts.most <= 2 * LARGEST,
            "{what}: {counts:?}"
        );
        println!("{what}: {reads} reads, {read} bytes, {counts:?}");
    }
}

#[test]
fn thousands_of_tracks_chapters_and_seeks_take_no_memory() {
    let mut file = File::read(&sample("h264_b2_25.mkv"));
    let track = file.track(0).clone();
    let mut fat = track.clone();
    fat.set(bytes(0x63A2, vec![1; 100_000]));
    file.segment.get(TRACKS).inside().extend(vec![fat; 300]);
    let chapter = master(
        0xB6,
        vec![
            number(0x91, 5),
            master(0x80, vec![bytes(0x85, vec![b'x'; 9_000])]),
        ],
    );
    let edition = master(0x45B9, vec![chapter; 3_000]);
    file.segment
        .inside()
        .insert(0, master(0x1043_A770, vec![edition]));
    let seek = master(
        0x4DBB,
        vec![bytes(0x53AB, CUES.to_be_bytes()), number(0x53AC, 7)],
    );
    file.segment
        .inside()
        .insert(0, master(SEEK_HEAD, vec![seek; 5_000]));
    let source: Source = Arc::new(BytesSource::new("fat.mkv", file.bytes()));
    let (found, counts) = counted(|| probe(source).unwrap());
    assert_eq!(found.chapters.len(), 1_000);
    assert!(counts.most < LARGEST, "{counts:?}");
}

/// A reproducible row of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// What one damaged copy of a file costs to read.
#[track_caller]
fn survive_counted(bytes: Vec<u8>, what: &str) -> (Vec<AccessUnit>, Damage) {
    let size = bytes.len() as u64;
    let source = Counted::new(BytesSource::new("test.mkv", bytes));
    let (result, counts) = counted(|| survive(source.clone()));
    let (reads, read) = source.taken();
    assert!(counts.largest <= LARGEST, "{what}: {counts:?}");
    // Twelve passes over the file at the very most, in pieces that are not small.
    let most = 400 + size / 1_000;
    assert!(
        reads <= most && read <= 12 * size + (2 << 20),
        "{what}: {reads} reads, {read} of {size} bytes"
    );
    result
}

#[test]
fn every_sample_survives_flipped_bits_and_loses_units_at_most() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let names: Vec<_> = [".mkv", ".mka", ".webm"]
        .into_iter()
        .flat_map(names)
        .collect();
    assert!(names.len() > 30);
    for name in names {
        let bytes = std::fs::read(sample(name)).unwrap();
        let Ok(mut demuxer) = open_mkv_bytes(bytes.clone()) else {
            survive_counted(bytes, name);
            continue;
        };
        let whole = read_all(&mut demuxer);
        let clusters = bytes
            .windows(4)
            .position(|w| w == CLUSTER.to_be_bytes())
            .unwrap();
        let (mut lost, mut rounds) = (0, 0);
        for round in 0..16 {
            let mut broken = bytes.clone();
            let in_header = round % 4 == 0;
            let (from, to) = if in_header {
                (0, clusters)
            } else {
                (clusters, bytes.len())
            };
            let at = from + random.below(to - from);
            broken[at] ^= 1 << random.below(8);
            let what = format!("{name}: a bit of byte {at}");
            let (units, damage) = survive_counted(broken, &what);
            if !in_header {
                let missing = whole.len().saturating_sub(units.len());
                assert!(
                    missing == 0 || damage != Damage::default(),
                    "{what}: {missing} units lost in silence"
                );
                lost += missing;
                rounds += 1;
            }
        }
        assert!(
            lost <= rounds * 8,
            "{name}: {lost} units lost in {rounds} rounds"
        );
        // Many at once.
        for _ in 0..4 {
            let mut broken = bytes.clone();
            for _ in 0..200 {
                let at = random.below(bytes.len());
                broken[at] ^= 1 << random.below(8);
            }
            survive_counted(broken, name);
        }
    }
}

#[test]
fn every_sample_survives_being_cut_short_or_having_a_hole() {
    let mut random = Random(77);
    for name in [".mkv", ".mka", ".webm"].into_iter().flat_map(names) {
        let bytes = std::fs::read(sample(name)).unwrap();
        for _ in 0..6 {
            let cut = random.below(bytes.len());
            survive_counted(bytes[..cut].to_vec(), &format!("{name} cut at {cut}"));
            let mut hole = bytes.clone();
            let to = (cut + random.below(60_000)).min(bytes.len());
            hole[cut..to].fill(0);
            survive_counted(hole, &format!("{name} with a hole {cut}..{to}"));
            let mut less = bytes.clone();
            less.drain(cut..to);
            survive_counted(less, &format!("{name} without {cut}..{to}"));
        }
    }
}

#[test]
fn a_block_that_is_damaged_costs_itself_and_not_its_cluster() {
    let bytes = std::fs::read(sample("h264_2997.mkv")).unwrap();
    let whole = read_all(&mut open_mkv_bytes(bytes.clone()).unwrap());
    // The size of a picture's block: a block follows it.
    let is_block = |at: &usize| {
        let Some(&[0xA3, high @ 0x41..=0x4F, low, 0x81, ..]) = bytes.get(*at..) else {
            return false;
        };
        let size = usize::from(high & 0x0F) << 8 | usize::from(low);
        matches!(
            bytes.get(at + 3 + size..),
            Some([0xA3, _, _, 0x81 | 0x82, ..])
        )
    };
    let blocks: Vec<usize> = (0..bytes.len()).filter(is_block).collect();
    assert!(blocks.len() > 100);
    for at in blocks.iter().step_by(37) {
        let mut broken = bytes.clone();
        broken[at + 1] ^= 0x0F;
        let mut demuxer = open_mkv_bytes(broken).unwrap();
        let units = read_all(&mut demuxer);
        let is_kept = |unit: &&AccessUnit| {
            // Without the first block of a track times are counted from the second one's, which is rounded, too.
            let same = |w: &AccessUnit| w.kind == unit.kind && (w.pts - unit.pts).0.abs() < 90;
            whole.iter().any(|w| same(w) && w.data == unit.data)
        };
        let kept = units.iter().filter(is_kept).count();
        assert!(
            kept + 12 >= whole.len(),
            "byte {at}: {kept} of {}",
            whole.len()
        );
        assert!(units.iter().any(|unit| unit.kind == StreamKind::Video));
        assert_ne!(demuxer.damage(), Damage::default());
    }
}
