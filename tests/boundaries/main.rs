//! Joins of real files by the splicer and the multiplexer: at file ends, at cuts anywhere in a group of
//! pictures, at entries of every kind, between rates and reorder depths, over the wrap of time stamps, and
//! hundreds in a row.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod feed;
mod long;
mod silence;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::media::{made, sample};
use common::ts;
use exstreamd::channel::feed::Cut;
use exstreamd::channel::feed::copy::Reader;
use exstreamd::channel::remux;
use exstreamd::channel::splice::{Next, Sound, SpliceCounts, Splicer};
use exstreamd::media::{
    self, AccessUnit, AudioCodec, FileSource, Format, Rap, StreamKind, Ticks90k, VideoCodec, probe,
};
use exstreamd::mux::{Layout, Muxer};

const H264: Format = Format {
    video: VideoCodec::H264,
    audio: AudioCodec::Aac,
    audio_rate_hz: 48_000,
    audio_channels: 2,
    ..Format::DEFAULT
};
const HEVC: Format = Format {
    video: VideoCodec::Hevc,
    audio: AudioCodec::Ac3,
    ..H264
};
/// One AAC frame at 48 kHz.
const AAC_FRAME: i64 = 1_920;

/// A stretch of a file, in its own time.
struct Piece {
    path: PathBuf,
    from: Ticks90k,
    to: Ticks90k,
}

impl Piece {
    /// The whole file.
    fn whole(path: PathBuf) -> Self {
        let probe = probe::probe(Arc::new(FileSource::open(&path).unwrap())).unwrap();
        Self {
            path,
            from: probe.start,
            to: probe.end,
        }
    }
}

/// What the splicer made of some pieces.
struct Spliced {
    units: Vec<AccessUnit>,
    /// Channel time of the end of each piece.
    seams: Vec<Ticks90k>,
    counts: SpliceCounts,
}

/// Joins `pieces` from `origin` on, the way a channel does.
fn splice(format: &Format, pieces: &[Piece], origin: Ticks90k) -> Spliced {
    let mut splicer = Splicer::new(format);
    let mut spliced = Spliced {
        units: Vec::new(),
        seams: Vec::new(),
        counts: SpliceCounts::default(),
    };
    let mut at = origin;
    for piece in pieces {
        let cut = Cut {
            from: piece.from,
            to: piece.to,
            offset: at - piece.from,
        };
        let to = at + (piece.to - piece.from);
        let part = splicer.push_feed(at, to);
        let mut reader =
            Reader::open(Arc::new(FileSource::open(&piece.path).unwrap()), cut).unwrap();
        splicer.opened(part, reader.has_video(), reader.sound());
        while !reader.ended() {
            for unit in reader.batch(Ticks90k(i64::MAX)).unwrap() {
                splicer.offer(part, unit);
            }
            spliced.drain(&mut splicer);
        }
        splicer.finish(part);
        at = to;
        spliced.seams.push(at);
    }
    spliced.drain(&mut splicer);
    spliced.counts = splicer.counts();
    spliced
}

impl Spliced {
    fn drain(&mut self, splicer: &mut Splicer) {
        while let Next::Unit(unit) = splicer.next() {
            self.units.push(unit);
        }
    }

    fn of(&self, kind: StreamKind) -> impl Iterator<Item = &AccessUnit> {
        self.units.iter().filter(move |u| u.kind == kind)
    }

    /// What holds for every join: DTS rise, nothing is shown before it is decoded, and of sound at most one
    /// frame is missing and a quarter of one doubled.
    #[track_caller]
    fn obeys_the_law(&self, name: &str) {
        let mut last_dts = Ticks90k(i64::MIN);
        let mut sound_end: Option<Ticks90k> = None;
        for unit in &self.units {
            assert!(
                unit.dts <= unit.pts,
                "{name}: DTS {:?} after PTS {:?}",
                unit.dts,
                unit.pts
            );
            if unit.kind == StreamKind::Video {
                assert!(
                    unit.dts > last_dts,
                    "{name}: DTS {:?} behind {last_dts:?}",
                    unit.dts
                );
                last_dts = unit.dts;
                continue;
            }
            if let Some(end) = sound_end {
                let gap = (unit.pts - end).0;
                let frame = unit.duration.0;
                assert!(
                    (-frame / 4 - 1..=frame + 1).contains(&gap),
                    "{name}: sound steps {gap} at {:?}",
                    unit.pts
                );
            }
            sound_end = Some(unit.pts + unit.duration);
        }
    }

    /// The times of all pictures in order of display.
    fn shown(&self) -> Vec<i64> {
        let mut shown: Vec<_> = self.of(StreamKind::Video).map(|u| u.pts.0).collect();
        shown.sort_unstable();
        shown
    }

    /// For how long the last picture before each seam stands on, beyond its own length `frame`.
    fn holds(&self, frame: i64) -> Vec<i64> {
        let shown = self.shown();
        let hold = |seam: &Ticks90k| {
            let next = shown.partition_point(|&pts| pts < seam.0);
            let last = *shown.get(next.checked_sub(1)?)?;
            Some(shown.get(next)? - last - frame)
        };
        self.seams.iter().filter_map(hold).collect()
    }

    /// The transport stream, in a directory that goes with it.
    fn multiplexed(&self, format: &Format) -> (tempfile::TempDir, PathBuf) {
        let mut muxer = Muxer::new(Layout::for_format(format, "Test"));
        let mut bytes = Vec::new();
        for unit in &self.units {
            muxer.write(unit, &mut bytes);
        }
        muxer.flush(&mut bytes);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spliced.ts");
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[track_caller]
    fn satisfies_the_judges(&self, format: &Format, options: &[&str]) {
        let (_dir, path) = self.multiplexed(format);
        let mut checks = vec!["--strict", "--pcr-ms", "40"];
        checks.extend(options);
        ts::check(&path, &checks);
        ts::decodes_silently(&path);
    }
}

const ORIGIN: Ticks90k = Ticks90k(900_000);

/// Pictures of a file in decode order.
fn pictures(path: &Path) -> Vec<AccessUnit> {
    let mut demuxer = media::open(Arc::new(FileSource::open(path).unwrap())).unwrap();
    let mut pictures = Vec::new();
    let mut unit = AccessUnit::default();
    while demuxer.next(&mut unit).unwrap() {
        if unit.kind == StreamKind::Video {
            pictures.push(unit.clone());
        }
    }
    pictures
}

/// How many pictures of `frame` the first one is decoded before it is shown.
fn depth(path: &Path, frame: i64) -> i64 {
    (pictures(path)[0].pts - pictures(path)[0].dts).0 / frame
}

/// H.264 whose pictures are decoded five frames before the least of them is shown, as with five levels of
/// reordering; no encoder at hand makes them, so that their DTS is moved.
fn five_deep() -> PathBuf {
    sample("h264_b2_25.mp4");
    made(
        "h264_depth5_25.ts",
        "",
        0,
        0,
        "-i @h264_b2_25.mp4 -c copy -bsf:v setts=pts=PTS:dts=DTS-3*3600",
    )
}

#[test]
fn files_of_any_two_reorder_depths_and_rates_join_without_a_seam() {
    let pyramid = made(
        "h264_b5_pyramid_25.mp4",
        "25",
        48_000,
        4,
        "-c:v libx264 -bf 5 -g 50 -x264-params b-adapt=0:b-pyramid=normal -c:a aac -ac 2",
    );
    let (b0, b3) = (sample("h264_b0_25.mp4"), sample("h264_b3_pyramid_2997.mp4"));
    let orders = [
        vec![b0.clone(), b3.clone(), b0.clone()],
        vec![
            b0.clone(),
            pyramid.clone(),
            five_deep(),
            b0.clone(),
            five_deep(),
            b3.clone(),
        ],
        vec![b3.clone(), pyramid, b3, sample("h264_b2_25.mkv"), b0],
    ];
    for order in orders {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("joined.ts");
        let done = remux::run(&order, &mut std::fs::File::create(&path).unwrap()).unwrap();
        let expected: usize = order.iter().map(|p| pictures(p).len()).sum();
        let packets = ts::packets(&path);
        assert_eq!(
            packets.iter().filter(|p| p.video).count(),
            expected,
            "{order:?}"
        );
        ts::check(
            &path,
            &["--strict", "--pcr-ms", "40", "--max-gap-frames", "1"],
        );
        ts::decodes_silently(&path);

        let pieces: Vec<_> = order.iter().cloned().map(Piece::whole).collect();
        let spliced = splice(&H264, &pieces, ORIGIN);
        spliced.obeys_the_law(&format!("{order:?}"));
        assert!(
            spliced.holds(3_600).iter().all(|&hold| hold <= 3_600),
            "{:?}",
            spliced.holds(3_600)
        );
        assert_eq!(done.units, spliced.units.len() as u64);
        assert!(
            spliced.counts.silent_frames <= order.len() as u64,
            "{:?}",
            spliced.counts
        );
    }
    assert_eq!(depth(&five_deep(), 3_600), 5);
}

#[test]
fn a_cut_at_any_picture_holds_the_last_one_for_no_more_than_the_reorder_depth_and_one() {
    for (name, frame, reorder) in [
        ("h264_b0_25.mp4", 3_600, 0),
        ("h264_b2_25.mkv", 3_600, 2),
        ("h264_b3_pyramid_2997.mp4", 3_003, 2),
    ] {
        let next = Piece::whole(sample("h264_b0_25.mp4"));
        let start = Piece::whole(sample(name)).from;
        for cut in 20..75 {
            // Every fourth cut on a picture, the others between two.
            let to = start + Ticks90k(cut * frame + cut % 4 * frame / 4);
            let pieces = [
                Piece {
                    path: sample(name),
                    from: start,
                    to,
                },
                Piece {
                    path: next.path.clone(),
                    from: next.from,
                    to: next.from + Ticks90k(90_000),
                },
            ];
            let spliced = splice(&H264, &pieces, ORIGIN);
            let name = format!("{name} cut at {to:?}");
            spliced.obeys_the_law(&name);
            let hold = spliced.holds(frame)[0];
            assert!(hold <= (reorder + 1) * frame, "{name}: held for {hold}");
            if cut % 9 == 0 {
                let allowed = format!("1:{}", ((reorder + 2) * frame).div_euclid(90) + 1);
                spliced.satisfies_the_judges(
                    &H264,
                    &["--max-gap-frames", "1", "--allow-holds", &allowed],
                );
            }
        }
    }
}

/// When every picture is shown, from the first one on, and a hash of each. (Words of the decoder are not held
/// against an entry at a recovery point: later pictures may release reference pictures that were left out, which
/// it remarks on.)
#[track_caller]
fn decoded(path: &Path) -> (Vec<i64>, Vec<String>) {
    let arguments = "-map 0:v -fps_mode passthrough -enc_time_base 1:90000 -f framemd5 -";
    let mut command = vec!["-v", "error", "-xerror", "-i", ts::text(path)];
    command.extend(arguments.split(' '));
    let output = ts::ffmpeg(&command);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Stream, DTS, PTS, duration, size, hash.
    let lines = String::from_utf8(output.stdout).unwrap();
    let pictures = lines.lines().filter(|line| !line.starts_with('#'));
    let columns = pictures.map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
    let (times, hashes): (Vec<i64>, Vec<String>) = columns
        .map(|c| (c[2].parse::<i64>().unwrap(), c[5].to_owned()))
        .unzip();
    (times.iter().map(|t| t - times[0]).collect(), hashes)
}

/// Enters `path` at its random access points of one kind, other than the first, behind `before`.
#[track_caller]
fn enter_at(format: &Format, before: &Path, path: &Path, rap: Rap) {
    let all = pictures(path);
    let entries: Vec<_> = all
        .iter()
        .filter(|u| u.rap == rap && u.pts > all[0].pts)
        .map(|u| u.pts)
        .collect();
    assert!(
        entries.len() >= 2,
        "{}: {} entries",
        path.display(),
        entries.len()
    );
    let (_, theirs) = decoded(path);
    for entry in entries {
        let before = Piece::whole(before.to_path_buf());
        let end = Piece::whole(path.to_path_buf()).to;
        let (from, seam) = (before.from, before.to);
        let spliced = splice(
            format,
            &[
                before,
                Piece {
                    path: path.to_path_buf(),
                    from: entry,
                    to: end,
                },
            ],
            ORIGIN,
        );
        let name = format!("{} from {entry:?}", path.display());
        spliced.obeys_the_law(&name);
        let seam = ORIGIN + (seam - from);
        let after: Vec<_> = spliced
            .of(StreamKind::Video)
            .filter(|u| u.pts >= seam)
            .collect();
        // A recovery point of H.264 goes out as an IDR picture.
        let entered = if format.video == VideoCodec::H264 {
            Rap::Clean
        } else {
            rap
        };
        assert_eq!((after[0].pts, after[0].rap), (seam, entered), "{name}");
        let expected = all.iter().filter(|u| u.pts >= entry).count();
        assert_eq!(
            after.len(),
            expected,
            "{name}: every picture shown at or after the entry, no other"
        );
        let to_next = after.iter().skip(1).take_while(|u| u.rap == Rap::No);
        assert!(
            !to_next.clone().any(|u| u.skipped_leading),
            "{name}: leading pictures"
        );
        assert!(
            spliced.holds(3_600)[0] <= 3_600,
            "{name}: {:?}",
            spliced.holds(3_600)
        );
        let (_dir, joined) = spliced.multiplexed(format);
        ts::check(
            &joined,
            &[
                "--strict",
                "--pcr-ms",
                "40",
                "--max-gap-frames",
                "1",
                "--open-gop",
            ],
        );
        let (times, ours) = decoded(&joined);
        let shown = spliced.shown();
        assert!(
            times.into_iter().eq(shown.iter().map(|pts| pts - shown[0])),
            "{name}: every picture is shown, and when it should be"
        );
        assert!(
            ours.ends_with(&theirs[theirs.len() - expected..]),
            "{name}: decodes to other pictures"
        );
    }
}

#[test]
fn an_entry_at_a_cra_picture_leaves_out_its_leading_pictures() {
    let open = made(
        "hevc_open_gop_ac3.mp4",
        "25",
        48_000,
        6,
        "-c:v libx265 -x265-params log-level=error:keyint=40:min-keyint=40:open-gop=1:bframes=4:b-adapt=0:scenecut=0 -tag:v hvc1 -c:a ac3 -ac 2",
    );
    assert!(
        pictures(&open).iter().any(|u| u.skipped_leading),
        "the sample has no leading pictures"
    );
    enter_at(&HEVC, &sample("hevc_ac3.mp4"), &open, Rap::Open);
}

#[test]
fn an_entry_at_an_h264_recovery_point_forgets_the_order_of_display_before_it() {
    let open = "open-gop=1:keyint=50:min-keyint=50";
    let variant = |name: &str, options: &str| {
        let options = format!(
            "-c:v libx264 -bf 3 -g 50 {options} -x264-params {open}:slices=2 -c:a aac -ac 2"
        );
        made(name, "25", 48_000, 6, &options)
    };
    // Behind pictures without reordering, with it, and of the same encoder's settings, whose numbers run on alike.
    let open_gop = sample("h264_open_gop.mp4");
    for before in ["h264_b0_25.mp4", "h264_b2_25.mkv", "h264_open_gop.mkv"] {
        enter_at(&H264, &sample(before), &open_gop, Rap::Open);
    }
    for path in [
        sample("h264_open_gop.mkv"),
        variant("h264_open_gop_cavlc.ts", "-coder vlc"),
        variant("h264_open_gop_fields.ts", "-flags +ilme+ildct -top 1"),
    ] {
        enter_at(&H264, &sample("h264_b0_25.mp4"), &path, Rap::Open);
    }
}

#[test]
fn an_entry_of_every_item_at_a_recovery_point_over_and_over_holds_no_picture() {
    let path = sample("h264_open_gop.mp4");
    let entries: Vec<_> = pictures(&path)
        .iter()
        .filter(|u| u.rap == Rap::Open)
        .map(|u| u.pts)
        .collect();
    let end = Piece::whole(path.clone()).to;
    let pieces: Vec<_> = (0..9)
        .map(|n| Piece {
            path: path.clone(),
            from: entries[n % entries.len()],
            to: end,
        })
        .collect();
    let spliced = splice(&H264, &pieces, ORIGIN);
    let (_dir, joined) = spliced.multiplexed(&H264);
    let shown = spliced.shown();
    let times = decoded(&joined).0;
    assert!(
        times
            .into_iter()
            .eq(shown.into_iter().map(|pts| pts - ORIGIN.0))
    );
}

#[test]
fn an_entry_at_an_idr_picture_needs_nothing_left_out() {
    enter_at(
        &H264,
        &sample("h264_b2_25.mkv"),
        &sample("h264_b3_pyramid_2997.mp4"),
        Rap::Clean,
    );
}

#[test]
fn sound_of_another_rate_follows_within_a_frame() {
    let slow = made(
        "h264_b3_25_44k.mp4",
        "25",
        44_100,
        4,
        "-c:v libx264 -bf 3 -g 50 -c:a aac -ac 2",
    );
    let fast = sample("h264_b0_25.mp4");
    let pieces = [fast.clone(), slow.clone(), fast, slow.clone(), slow].map(Piece::whole);
    let spliced = splice(&H264, &pieces, ORIGIN);
    spliced.obeys_the_law("48 and 44.1 kHz");
    assert!(spliced.counts.silent_frames <= 4, "{:?}", spliced.counts);
    spliced.satisfies_the_judges(&H264, &["--max-gap-frames", "1"]);
}

#[test]
fn time_stamps_wrap_in_the_middle_of_a_file_and_at_a_join() {
    let files = [
        "h264_b3_pyramid_2997.mp4",
        "h264_b2_25.mp4",
        "h264_b0_25.mp4",
    ];
    let wrap = Ticks90k(1 << 33);
    let first = Piece::whole(sample(files[0]));
    for origin in [
        wrap - Ticks90k(300_000),
        wrap - (first.to - first.from),
        wrap - Ticks90k(1),
    ] {
        let spliced = splice(&H264, &files.map(|name| Piece::whole(sample(name))), origin);
        spliced.obeys_the_law("wrap");
        let (_dir, path) = spliced.multiplexed(&H264);
        ts::check(
            &path,
            &["--strict", "--pcr-ms", "40", "--max-gap-frames", "1"],
        );
    }
}
