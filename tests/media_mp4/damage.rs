//! Files that are cut short or damaged, and how often a file is read.

use super::*;

/// Counts the reads and notes the largest.
pub(super) struct Watched {
    inner: Source,
    reads: AtomicUsize,
    largest: AtomicUsize,
}

impl Watched {
    pub(super) fn new(inner: Source) -> Arc<Self> {
        Arc::new(Self {
            inner,
            reads: AtomicUsize::new(0),
            largest: AtomicUsize::new(0),
        })
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    pub(super) fn largest(&self) -> usize {
        self.largest.load(Ordering::Relaxed)
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
    for &(name, video, _) in PLAYABLE {
        let watched = Watched::new(source(name));
        probe(watched.clone()).unwrap();
        let bytes = std::fs::read(sample(name)).unwrap();
        let fragments = bytes.windows(4).filter(|w| w == b"moof").count();
        // Head, movie header, the first frame of sound, three random access points. Where the picture size
        // stands in the stream only, its first picture. A fragment is read once, and for seeks a few are again.
        let most = match (fragments, video) {
            (0, Some(VideoCodec::Mpeg2)) => 7,
            (0, _) => 6,
            (1.., _) => 2 * fragments + 24,
        };
        assert!(watched.reads() <= most, "{name}: {} reads", watched.reads());
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
    let largest = watched.largest();
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
        "h264_fragmented.mp4",
        "frag_hybrid.mp4",
        "frag_separate.mp4",
        "frag_omit_offset.mp4",
        "frag_dash.mp4",
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
        (4, "h264_fragmented.mp4"),
        (5, "frag_hybrid.mp4"),
        (6, "frag_omit_offset.mp4"),
        (7, "frag_sidx.mp4"),
    ] {
        let bytes = std::fs::read(sample(name)).unwrap();
        let heads: Vec<_> = (0..bytes.len() - 4)
            .filter(|n| {
                [*b"moov", *b"moof", *b"sidx", *b"mfra"]
                    .contains(&bytes[*n..n + 4].try_into().unwrap())
            })
            .collect();
        let mut random = Random(seed);
        for round in 0..150 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random.below(8) {
                // Half of it in the headers, where it hurts.
                let head = heads[random.below(heads.len() as u64) as usize];
                let at = match random.below(2) {
                    0 => head + random.below(4000.min(bytes.len() - head) as u64) as usize,
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

#[test]
fn a_damaged_fragment_costs_itself_and_no_other() {
    let bytes = std::fs::read(sample("frag_base_moof.mp4")).unwrap();
    let whole = rest(&mut Mp4::open(Arc::new(BytesSource::new("all", bytes.clone()))).unwrap());
    let find = |kind: &[u8; 4]| {
        let found = bytes.windows(4).enumerate().filter(|(_, w)| w == kind);
        found.map(|(n, _)| n).nth(1).unwrap()
    };
    let (moof, traf) = (find(b"moof"), find(b"traf"));
    let data = moof + bytes[moof..].windows(4).position(|w| w == b"mdat").unwrap();
    for (what, at, value) in [
        ("moof is longer than the file", moof - 4, 0x70),
        ("moof is called something else", moof, 0xFF),
        ("mdat reaches beyond the file", data - 4, 0x70),
        ("mdat ends in the middle", data - 2, 0x11),
        ("mdat ends in another fragment", data - 3, 2),
        ("a track fragment is longer than its moof", traf - 4, 1),
        ("a track fragment has no end", traf - 1, 0xFF),
        ("a track fragment is too short", traf - 2, 1),
    ] {
        let mut damaged = bytes.clone();
        damaged[at] = value;
        let source: Source = Arc::new(BytesSource::new("damaged", damaged));
        let mut mp4 = Mp4::open(source.clone()).unwrap();
        let units = rest(&mut mp4);
        let kept = whole.iter().filter(|u| units.contains(u)).count();
        assert!(
            kept >= whole.len() * 2 / 3,
            "{what}: {kept} of {}",
            whole.len()
        );
        assert_eq!(units.len(), kept, "{what}");
        if kept < whole.len() {
            assert!(
                mp4.damage().dropped_units > 0,
                "{what}: nothing was counted"
            );
        }
        assert_eq!(units.last(), whole.last(), "{what}");
        // The last random access point is found all the same.
        let landed = mp4.seek(Ticks90k(7 * 90_000)).unwrap();
        assert_eq!(landed.0, 6 * 90_000 + 7200, "{what}");
    }
}
