//! Files that are cut short or damaged, and how often a file is read.

use super::*;

/// Counts the reads and notes the largest.
struct Watched {
    inner: Source,
    reads: AtomicUsize,
    largest: AtomicUsize,
}

impl Watched {
    fn new(inner: Source) -> Arc<Self> {
        Arc::new(Self {
            inner,
            reads: AtomicUsize::new(0),
            largest: AtomicUsize::new(0),
        })
    }
}

impl ReadAt for Watched {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.largest.fetch_max(buf.len(), Ordering::Relaxed);
        self.inner.read_at(offset, buf)
    }
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }
    fn name(&self) -> &str {
        self.inner.name()
    }
}

#[test]
fn the_probe_reads_a_file_a_few_times_only() {
    for (name, reads) in [
        ("h264_b2_25.mp4", 7),
        ("h264_b0_25.mp4", 8),
        ("h264_long_gop.mp4", 8),
    ] {
        let watched = Watched::new(source(name));
        probe(watched.clone()).unwrap();
        let counted = watched.reads.load(Ordering::Relaxed);
        assert!(counted <= reads, "{name}: {counted} reads");
    }
}

/// Opens, plays, seeks and probes damaged bytes: anything but a panic, an endless loop or a huge read.
fn survives(bytes: Vec<u8>, what: &str) {
    let size = bytes.len();
    let watched = Watched::new(Arc::new(BytesSource::new("damaged.mp4", bytes)));
    if let Ok(mut demuxer) = open(watched.clone()) {
        let mut unit = AccessUnit::default();
        let mut units = 0;
        while demuxer.next(&mut unit).unwrap() {
            units += 1;
            assert!(unit.dts <= unit.pts, "{what}");
            assert!(units < 1_000_000, "{what}: endless");
        }
        demuxer.seek(Ticks90k(3 * 90_000)).unwrap();
        demuxer.next(&mut unit).unwrap();
        assert!(unit.data.capacity() <= 32 << 20, "{what}");
    }
    let _ = probe(watched.clone());
    // A sample never is longer than the file, and tables come in small pieces.
    let largest = watched.largest.load(Ordering::Relaxed);
    assert!(
        largest <= size.max(64 * 1024),
        "{what}: read {largest} bytes at once"
    );
}

#[test]
fn files_cut_anywhere_play_as_far_as_they_go() {
    for name in [
        "h264_b2_25.mp4",
        "h264_b0_25.mp4",
        "hevc_ac3.mp4",
        "h264_b2_25.mov",
    ] {
        let bytes = std::fs::read(sample(name)).unwrap();
        for part in 1..37 {
            survives(
                bytes[..bytes.len() * part / 37].to_vec(),
                &format!("{name} {part}/37"),
            );
        }
    }
    // With the header in front, half a file is half a film.
    let bytes = std::fs::read(sample("h264_b2_25.mp4")).unwrap();
    let half = BytesSource::new("half.mp4", bytes[..bytes.len() / 2].to_vec());
    let mut mp4 = Mp4::open(Arc::new(half)).unwrap();
    let units = rest(&mut mp4);
    assert!(of(&units, StreamKind::Video).len() > 60, "{}", units.len());
    assert!(mp4.damage().dropped_units > 60);
}

#[test]
fn random_damage_never_panics_and_never_reads_what_a_length_claims() {
    for (seed, name) in [
        (1, "h264_b2_25.mp4"),
        (2, "hevc_hev1_eac3.mp4"),
        (3, "h264_late_video.mp4"),
    ] {
        let bytes = std::fs::read(sample(name)).unwrap();
        let moov = bytes.windows(4).position(|w| w == b"moov").unwrap();
        let mut random = Random(seed);
        for round in 0..150 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random.below(8) {
                // Half of it in the header, where it hurts.
                let at = match random.below(2) {
                    0 => moov + random.below(4000.min(bytes.len() - moov) as u64) as usize,
                    _ => random.below(bytes.len() as u64) as usize,
                };
                damaged[at] ^= match random.below(3) {
                    0 => 0xFF,
                    _ => 1 << random.below(8),
                };
            }
            survives(damaged, &format!("{name} round {round}"));
        }
    }
}
