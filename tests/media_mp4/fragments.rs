//! Fragmented files of every make, against ffprobe and against each other.

use super::writer::{Base, FileIndex, Fragmenting, TrackData, USUAL, fragmented, taken};
use super::*;

fn film() -> Vec<TrackData> {
    vec![
        taken("h264_b2_25.mp4", StreamKind::Video),
        taken("h264_b2_25.mp4", StreamKind::Audio),
    ]
}

/// Writes a file and compares what we play with ffprobe's packets; returns our units.
#[track_caller]
pub(super) fn as_ffprobe(what: &str, bytes: &[u8]) -> Vec<Seen> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd.mp4");
    std::fs::write(&path, bytes).unwrap();
    as_ffprobe_at(what, &path)
}

#[track_caller]
pub(super) fn as_ffprobe_at(what: &str, path: &Path) -> Vec<Seen> {
    let mut mp4 = Mp4::open(file(path)).unwrap_or_else(|e| panic!("{what}: {e:#}"));
    let units = rest(&mut mp4);
    let expected = ffprobe(path);
    for (kind, of_kind, header) in [
        ("video", StreamKind::Video, 0),
        ("audio", StreamKind::Audio, 7),
    ] {
        if let Some(stream) = expected.get(kind) {
            assert!(!stream.packets.is_empty(), "{what}: {kind}");
            compare(what, &of(&units, of_kind), stream, header);
        }
    }
    assert_eq!(mp4.damage().dropped_units, 0, "{what}");
    units
}

/// Everything but the times, which an edit list or a start may move.
fn contents(units: &[Seen]) -> Vec<(StreamKind, u64)> {
    units.iter().map(|u| (u.kind, u.hash)).collect()
}

#[test]
fn every_way_to_write_fragments_yields_the_same_units() {
    let film = film();
    let plain = as_ffprobe("usual", &fragmented(&film, USUAL));
    assert_eq!(plain.len(), 200 + 376);
    for base in [Base::Stated, Base::Moof, Base::Implicit] {
        for runs in [1, 3] {
            for (says_all, by_trex) in [(true, false), (false, false), (false, true)] {
                let how = Fragmenting {
                    base,
                    runs,
                    says_all,
                    by_trex,
                    ..USUAL
                };
                let units = as_ffprobe(&format!("{how:?}"), &fragmented(&film, how));
                assert_eq!(units, plain, "{how:?}");
            }
        }
    }
    for how in [
        Fragmenting {
            tfdt: Some(0),
            ..USUAL
        },
        Fragmenting {
            tfdt: None,
            ..USUAL
        },
        Fragmenting {
            tfdt: None,
            base: Base::Implicit,
            says_all: false,
            ..USUAL
        },
        Fragmenting {
            units: [1, 2],
            ..USUAL
        },
        Fragmenting {
            units: [0, 0],
            ..USUAL
        },
        Fragmenting {
            trun_version: 1,
            ..USUAL
        },
        Fragmenting {
            index: FileIndex::Sidx,
            ..USUAL
        },
        Fragmenting {
            index: FileIndex::SidxEach,
            ..USUAL
        },
        Fragmenting {
            index: FileIndex::Mfra,
            ..USUAL
        },
    ] {
        let units = as_ffprobe(&format!("{how:?}"), &fragmented(&film, how));
        assert_eq!(units, plain, "{how:?}");
    }
    // Runs without a data offset go on behind the one before (ISO 14496-12 §8.8.8); libavformat begins anew.
    let continues = fragmented(
        &film,
        Fragmenting {
            runs: 3,
            continues: true,
            ..USUAL
        },
    );
    let mut mp4 = Mp4::open(Arc::new(BytesSource::new("continues", continues))).unwrap();
    assert_eq!(rest(&mut mp4), plain);
}

#[test]
fn fragments_begin_when_they_say() {
    let film = film();
    let plain = as_ffprobe("usual", &fragmented(&film, USUAL));
    // Beyond 32 bits of the clock as well.
    for later in [10, 1_000_000] {
        let how = Fragmenting { later, ..USUAL };
        let units = as_ffprobe(&format!("{later}"), &fragmented(&film, how));
        assert_eq!(contents(&units), contents(&plain));
        for (unit, from_zero) in units.iter().zip(&plain) {
            assert_eq!(unit.pts, from_zero.pts + later * 90_000);
        }
        let mut mp4 =
            Mp4::open(Arc::new(BytesSource::new("later", fragmented(&film, how)))).unwrap();
        let target = Ticks90k((later + 5) * 90_000);
        let landed = mp4.seek(target).unwrap();
        assert_eq!(landed.0, (later + 4) * 90_000 + 7200);
    }
}

#[test]
fn edits_move_fragments_as_libavformat_does() {
    for (edits, of_sound) in [
        (vec![(0, 1024, 0x1_0000)], Vec::new()),
        (vec![(500, -1, 0x1_0000), (0, 1024, 0x1_0000)], Vec::new()),
        (vec![(0, 1024, 0x1_0000)], vec![(0, 1024, 0x1_0000)]),
        (Vec::new(), vec![(330, -1, 0x1_0000), (0, 0, 0x1_0000)]),
    ] {
        let mut film = film();
        film[0].edits = edits;
        film[1].edits = of_sound;
        let what = format!("{:?} {:?}", film[0].edits, film[1].edits);
        as_ffprobe(&what, &fragmented(&film, USUAL));
    }
}

#[test]
fn composition_offsets_below_zero_move_the_decoding_times_back() {
    // Those of the file, less two pictures: as QuickTime counts them.
    let mut film = film();
    let earlier = 1024;
    for unit in &mut film[0].units {
        unit.composition -= earlier;
    }
    for trun_version in [0, 1] {
        let how = Fragmenting {
            trun_version,
            ..USUAL
        };
        let bytes = fragmented(&film, how);
        let mut mp4 = Mp4::open(Arc::new(BytesSource::new("signed", bytes))).unwrap();
        let units = rest(&mut mp4);
        let pictures = of(&units, StreamKind::Video);
        assert_eq!((pictures[0].pts, pictures[0].dts), (0, -3600));
        assert!(pictures.iter().all(|u| u.dts <= u.pts));
        assert!(pictures.windows(2).all(|w| w[0].dts < w[1].dts));
        for (unit, written) in pictures.iter().zip(&film[0].units) {
            let shown = written.dts + i64::from(written.composition);
            assert_eq!(unit.pts, shown * 90_000 / 12_800);
        }
    }
}

/// Opens, and says how often the file was read for it and for a seek.
fn reads_of_a_seek(bytes: &[u8], target: i64) -> (Ticks90k, usize) {
    let watched = damage::Watched::new(Arc::new(BytesSource::new("watched", bytes.to_vec())));
    let mut mp4 = Mp4::open(watched.clone()).unwrap();
    let before = watched.reads();
    let landed = mp4.seek(Ticks90k(target)).unwrap();
    (landed, watched.reads() - before)
}

/// The first slice of a picture, or the first bytes of a frame: enough to tell what it is.
fn shortened(kind: StreamKind, data: &[u8]) -> Vec<u8> {
    let mut rest = data;
    while kind == StreamKind::Video
        && let Some((head, behind)) = rest.split_first_chunk::<4>()
    {
        let length = u32::from_be_bytes(*head) as usize;
        if matches!(behind[0] & 31, 1 | 5) {
            let slice = &behind[..length.min(36)];
            return [&(slice.len() as u32).to_be_bytes(), slice].concat();
        }
        rest = &behind[length..];
    }
    data[..data.len().min(40)].to_vec()
}

/// Half an hour of pictures and sound, with very few bytes.
pub(super) fn half_an_hour() -> Vec<TrackData> {
    let mut film = film();
    for track in &mut film {
        let end = track.units.last().unwrap();
        let length = end.dts + i64::from(end.duration);
        let (kind, units) = (track.kind, std::mem::take(&mut track.units));
        track.units = (0..225)
            .flat_map(|n| {
                units.iter().map(move |u| writer::Unit {
                    dts: u.dts + n * length,
                    data: shortened(kind, &u.data),
                    ..u.clone()
                })
            })
            .collect();
    }
    film
}

#[test]
fn a_seek_uses_the_index_of_the_file_and_does_without_one() {
    let film = half_an_hour();
    let middle = 900 * 90_000;
    let mut landings = Vec::new();
    for (index, most) in [
        (FileIndex::Sidx, 60),
        (FileIndex::Mfra, 60),
        // Each fragment is looked at once.
        (FileIndex::None, 900 / 4 + 40),
        (FileIndex::SidxEach, 900 / 4 + 40),
    ] {
        let how = Fragmenting {
            index,
            says_all: false,
            // Four seconds each: as the sound has 46.875 frames per second.
            units: [100, 188],
            ..USUAL
        };
        let bytes = fragmented(&film, how);
        let (landed, reads) = reads_of_a_seek(&bytes, middle);
        assert!(reads <= most, "{index:?}: {reads} reads");
        landings.push(landed);
        // A hint that leads nowhere is not followed.
        if index == FileIndex::Sidx || index == FileIndex::Mfra {
            let mut wrong = bytes.clone();
            let find = |kind: &[u8; 4]| wrong.windows(4).position(|w| w == kind);
            if let Some(sidx) = find(b"sidx") {
                // Everything behind the first fragment seems to lie elsewhere.
                wrong[sidx + 31] ^= 0x11;
            } else if let Some(tfra) = find(b"tfra") {
                for entry in 0..450 {
                    wrong[tfra + 20 + 11 * entry + 7] ^= 0x11;
                }
            }
            let (landed, _) = reads_of_a_seek(&wrong, middle);
            assert_eq!(landed, landings[0], "{index:?}");
        }
    }
    assert!(landings.iter().all(|l| *l == landings[0]), "{landings:?}");
    assert!((middle - landings[0].0) < 2 * 90_000 + 7200);
}

#[test]
fn a_track_that_ends_early_does_not_make_us_read_the_film_ahead() {
    let mut film = half_an_hour();
    film[1].units.truncate(94);
    let bytes = fragmented(&film, USUAL);
    let watched = damage::Watched::new(Arc::new(BytesSource::new("watched", bytes)));
    let mut mp4 = Mp4::open(watched.clone()).unwrap();
    let mut unit = AccessUnit::default();
    let mut sounds = 0;
    for _ in 0..500 {
        assert!(mp4.next(&mut unit).unwrap());
        sounds += u32::from(unit.kind == StreamKind::Audio);
    }
    assert_eq!(sounds, 94);
    let reads = watched.reads();
    assert!(reads < 400, "{reads} reads for 10 s of half an hour");
    while mp4.next(&mut unit).unwrap() {}
    assert!(unit.pts.0 > 1790 * 90_000);
}

#[test]
fn a_recording_that_was_cut_off_is_played_as_far_as_it_goes() {
    let film = film();
    for index in [FileIndex::None, FileIndex::Sidx] {
        let how = Fragmenting { index, ..USUAL };
        let bytes = fragmented(&film, how);
        let whole = rest(&mut Mp4::open(Arc::new(BytesSource::new("all", bytes.clone()))).unwrap());
        let last = bytes.windows(4).rposition(|w| w == b"moof").unwrap();
        // Within the last moof, and within its data.
        for end in [last + 100, last + 3000, (last + bytes.len()) / 2] {
            let source: Source = Arc::new(BytesSource::new("cut.mp4", bytes[..end].to_vec()));
            let units = rest(&mut Mp4::open(source.clone()).unwrap());
            let pictures = of(&units, StreamKind::Video);
            let all = of(&whole, StreamKind::Video);
            assert!((150..200).contains(&pictures.len()), "{}", pictures.len());
            assert_eq!(pictures, all[..pictures.len()], "cut at {end}");
            let found = probe(source).unwrap();
            let ends = pictures.iter().map(|u| u.pts).max().unwrap() + 3600;
            assert_eq!(found.end.0, ends, "cut at {end}");
        }
    }
}

#[test]
fn a_fragment_without_its_movie_header_is_named() {
    let bytes = fragmented(&film(), USUAL);
    let at = bytes.windows(4).position(|w| w == b"moof").unwrap() - 4;
    let mut segment = writer::boxed(b"styp", &[b"msdh\0\0\0\0"]);
    segment.extend(&bytes[at..]);
    let Err(error) = Mp4::open(Arc::new(BytesSource::new("segment.m4s", segment))) else {
        panic!("was opened");
    };
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(
        error.message().contains("begins with a fragment"),
        "{error:#}"
    );
}
