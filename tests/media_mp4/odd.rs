//! Progressive files as few muxers write them, against ffprobe: odd tables, boxes and descriptions.

use std::os::unix::fs::FileExt;

use super::fragments::as_ffprobe;
use super::writer::{Tables, TrackData, boxed, full, progressive, taken};
use super::*;

fn film() -> Vec<TrackData> {
    vec![
        taken("h264_b2_25.mp4", StreamKind::Video),
        taken("h264_b2_25.mp4", StreamKind::Audio),
    ]
}

fn written(tracks: &[TrackData], how: Tables) -> Vec<u8> {
    let (head, data, moov) = progressive(tracks, how);
    [head, data, moov].concat()
}

fn source_of(bytes: Vec<u8>) -> Source {
    Arc::new(BytesSource::new("odd.mp4", bytes))
}

#[track_caller]
fn is_refused(bytes: Vec<u8>, part: &str) {
    let Err(error) = open(source_of(bytes)) else {
        panic!("was opened, with: {part}");
    };
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:#}");
    assert!(error.message().contains(part), "{part}: {error:#}");
    assert!(error.message().contains("odd.mp4"), "{error:#}");
}

/// Puts `inside` behind the boxes of a sample entry whose fixed part ends at `fixed`.
fn with_child(entry: &[u8], inside: &[u8]) -> Vec<u8> {
    let code = entry[4..8].try_into().unwrap();
    boxed(code, &[&entry[8..], inside])
}

#[test]
fn tables_of_every_form_yield_the_same_units() {
    let film = film();
    let plain = as_ffprobe("usual", &written(&film, Tables::default()));
    assert_eq!(plain.len(), 200 + 376);
    for how in [
        Tables {
            is_long: true,
            ..Tables::default()
        },
        Tables {
            size_bits: 16,
            ..Tables::default()
        },
        Tables {
            ctts_version: 1,
            has_cslg: true,
            ..Tables::default()
        },
    ] {
        let units = as_ffprobe("odd tables", &written(&film, how));
        assert_eq!(units, plain);
    }
}

#[test]
fn sizes_of_four_and_eight_bits_are_read() {
    // An IDR slice and one that refers to it, as short as they may be.
    for (bits, length) in [(4, 15), (8, 255)] {
        let mut film = film();
        film.truncate(1);
        // An odd number, so that the last byte is half used.
        film[0].units.truncate(99);
        for (n, unit) in film[0].units.iter_mut().enumerate() {
            let slice = length - 4 - n % 3;
            let mut data = vec![0, 0, 0, slice as u8, if unit.key { 0x65 } else { 0x41 }];
            data.extend([0x88, 0x84, n as u8]);
            data.resize(4 + slice, 0x5A);
            unit.data = data;
        }
        let how = Tables {
            size_bits: bits,
            ..Tables::default()
        };
        let units = as_ffprobe("compact sizes", &written(&film, how));
        assert_eq!(units.len(), 99);
    }
}

#[test]
fn composition_offsets_are_signed_whatever_the_version_says() {
    let mut film = film();
    for unit in &mut film[0].units {
        unit.composition -= 1024;
    }
    for (ctts_version, has_cslg) in [(0, false), (1, false), (1, true)] {
        let how = Tables {
            ctts_version,
            has_cslg,
            ..Tables::default()
        };
        let units = as_ffprobe("signed", &written(&film, how));
        assert_eq!((units[0].pts, units[0].dts), (0, -3600));
    }
}

#[test]
fn a_movie_header_behind_more_than_four_gigabytes_is_found() {
    let film = film();
    let how = Tables {
        is_long: true,
        hole_bytes: 5 << 30,
        ..Tables::default()
    };
    let (head, data, moov) = progressive(&film, how);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.mp4");
    let large = std::fs::File::create(&path).unwrap();
    large.write_all_at(&head, 0).unwrap();
    let first = head.len() as u64 + how.hole_bytes;
    large.write_all_at(&data, first).unwrap();
    large
        .write_all_at(&moov, first + data.len() as u64)
        .unwrap();
    let units = fragments::as_ffprobe_at("5 GB", &path);
    let plain = rest(&mut Mp4::open(source_of(written(&film, Tables::default()))).unwrap());
    assert_eq!(units, plain);
    let watched = damage::Watched::new(file(&path));
    assert_eq!(probe(watched.clone()).unwrap().end.0, 8 * 90_000 + 7200);
    assert!(watched.reads() <= 6, "{} reads", watched.reads());
}

#[test]
fn strange_boxes_are_passed_over() {
    let film = film();
    let plain = rest(&mut Mp4::open(source_of(written(&film, Tables::default()))).unwrap());
    let (head, data, moov) = progressive(&film, Tables::default());
    let strange = [
        boxed(b"free", &[&[7; 100]]),
        boxed(b"skip", &[]),
        boxed(b"uuid", &[&[9; 40]]),
        // A 64-bit size where none is needed.
        [&[0, 0, 0, 1][..], b"abcd", &24u64.to_be_bytes(), &[1; 8]].concat(),
    ]
    .concat();
    // Between movie header and end, and within the movie header.
    let mut inside = moov.clone();
    inside.extend(&strange);
    inside[..4].copy_from_slice(&((moov.len() + strange.len()) as u32).to_be_bytes());
    // The last box may say 0: to the end of the file.
    let mut open_end = moov.clone();
    open_end[..4].fill(0);
    let data = |end: &[u8]| [&head[..], &data, end].concat();
    for (what, bytes) in [
        ("before", data(&[&strange[..], &moov].concat())),
        ("behind", data(&[&moov[..], &strange].concat())),
        ("inside", data(&inside)),
        ("to the end", data(&open_end)),
    ] {
        assert_eq!(as_ffprobe(what, &bytes), plain, "{what}");
    }
}

/// avcC, and what is in front of and behind it.
fn around_avcc(entry: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let at = entry.windows(4).position(|w| w == b"avcC").unwrap() - 4;
    let length = u32::from_be_bytes(entry[at..at + 4].try_into().unwrap()) as usize;
    (&entry[..at], &entry[at..at + length], &entry[at + length..])
}

#[test]
fn nal_lengths_of_one_and_two_bytes_are_turned_into_start_codes() {
    let film = film();
    let long = rest(&mut Mp4::open(source_of(written(&film, Tables::default()))).unwrap());
    for width in [1usize, 2] {
        let mut film = film.clone();
        let (before, avcc, behind) = around_avcc(&film[0].entries[0]);
        let mut avcc = avcc.to_vec();
        avcc[12] = 0xFC | (width as u8 - 1);
        film[0].entries[0] = boxed(b"avc1", &[&before[8..], &avcc, behind]);
        let limit = if width == 1 { 255 } else { 65_535 };
        let mut kept = Vec::new();
        for (n, unit) in film[0].units.iter_mut().enumerate() {
            let (mut rest, mut data) = (&unit.data[..], Vec::new());
            let mut fits = true;
            while let Some((length, behind)) = rest.split_first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                fits &= length <= limit;
                data.extend(&(length as u32).to_be_bytes()[4 - width..]);
                data.extend(&behind[..length]);
                rest = &behind[length..];
            }
            if fits {
                unit.data = data;
                kept.push(n);
            } else {
                // Something that says what it is, in place of what does not fit.
                let first = if unit.key { 0x65 } else { 0x41 };
                unit.data = [&vec![0; width - 1][..], &[6, first, 0x88, 0x84, 1, 2, 3]].concat();
            }
        }
        let units = rest_of_pictures(&film);
        let expected = of(&long, StreamKind::Video);
        assert_eq!(units.len(), expected.len());
        if width == 2 {
            assert_eq!(kept.len(), 200);
        }
        for n in kept {
            assert_eq!(units[n], *expected[n], "{width} bytes: picture {n}");
        }
    }
}

fn rest_of_pictures(film: &[TrackData]) -> Vec<Seen> {
    let mut mp4 = Mp4::open(source_of(written(film, Tables::default()))).unwrap();
    let units = rest(&mut mp4);
    assert_eq!(mp4.damage().dropped_units, 0);
    of(&units, StreamKind::Video).into_iter().cloned().collect()
}

#[test]
fn parameter_sets_follow_the_sample_description() {
    // The second half is another film of the same codec, from a chunk on that begins with its key frame.
    let mut film = film();
    let other = taken("h264_b3_pyramid_2997.mp4", StreamKind::Video);
    film[0].units.truncate(49);
    let offset = film[0].units.last().unwrap().dts + 512;
    for unit in &other.units {
        film[0].units.push(writer::Unit {
            dts: offset + unit.dts,
            duration: 512,
            composition: (unit.composition / 1001 * 512).max(0),
            description: 1,
            ..unit.clone()
        });
    }
    film[0].entries.push(other.entries[0].clone());
    let fragmented = writer::fragmented(
        &film,
        writer::Fragmenting {
            units: [49, 94],
            ..writer::USUAL
        },
    );
    for bytes in [written(&film, Tables::default()), fragmented] {
        let mut mp4 = Mp4::open(source_of(bytes)).unwrap();
        let mut unit = AccessUnit::default();
        let mut sets = Vec::new();
        let mut pictures = 0;
        while mp4.next(&mut unit).unwrap() {
            if unit.kind == StreamKind::Video {
                if let Some(found) = &unit.parameter_sets {
                    sets.push((pictures, found.to_vec()));
                }
                pictures += 1;
            }
        }
        let of_file = |name: &str| {
            let mp4 = Mp4::open(source(name)).unwrap();
            mp4.streams()
                .video
                .as_ref()
                .unwrap()
                .parameter_sets
                .to_vec()
        };
        let (first, second) = (
            of_file("h264_b2_25.mp4"),
            of_file("h264_b3_pyramid_2997.mp4"),
        );
        assert_ne!(first, second);
        assert_eq!(sets[0], (0, first));
        assert_eq!(sets[1], (49, second.clone()));
        assert!(sets.len() > 3 && sets[2..].iter().all(|s| s.1 == second));
    }
}

#[test]
fn descriptions_of_different_codecs_are_refused_by_name() {
    let hevc = taken("hevc_ac3.mp4", StreamKind::Video);
    let mut film = film();
    film[0].entries.push(hevc.entries[0].clone());
    is_refused(written(&film, Tables::default()), "different codecs (H.264");
    let ac3 = taken("hevc_ac3.mp4", StreamKind::Audio);
    let mut film = self::film();
    film[1].entries.push(ac3.entries[0].clone());
    is_refused(written(&film, Tables::default()), "different codecs (AAC");
    // The same one twice is nothing special.
    let mut film = self::film();
    let again = film[1].entries[0].clone();
    film[1].entries.push(again);
    as_ffprobe("twice", &written(&film, Tables::default()));
}

#[test]
fn encryption_and_dolby_vision_without_a_base_layer_are_refused_by_name() {
    let plain = film();
    let sinf = boxed(b"sinf", &[&boxed(b"frma", &[b"avc1"])]);
    for (n, kind) in [(0, b"encv"), (1, b"enca")] {
        let mut film = plain.clone();
        let mut entry = with_child(&film[n].entries[0], &sinf);
        entry[4..8].copy_from_slice(kind);
        film[n].entries[0] = entry;
        is_refused(written(&film, Tables::default()), "encrypted");
        // Some leave the name of the codec as it was.
        let mut film = plain.clone();
        film[n].entries[0] = with_child(&film[n].entries[0], &sinf);
        is_refused(written(&film, Tables::default()), "encrypted");
    }
    let hevc = taken("hevc_ac3.mp4", StreamKind::Video);
    for (kind, profile, is_fit) in [
        (b"dvcC", 5u8, false),
        (b"dvvC", 5, false),
        (b"dvcC", 7, true),
        (b"dvvC", 8, true),
    ] {
        let mut record = [0; 24];
        record[0] = 1;
        record[2] = profile << 1;
        let mut film = vec![hevc.clone()];
        film[0].entries[0] = with_child(&hevc.entries[0], &boxed(kind, &[&record]));
        let bytes = written(&film, Tables::default());
        if is_fit {
            assert_eq!(rest_of_pictures(&film).len(), hevc.units.len());
        } else {
            is_refused(bytes, "Dolby Vision profile 5");
        }
    }
}

#[test]
fn edit_lists_that_only_ffmpeg_can_play_are_refused_by_name() {
    for (edits, part) in [
        (
            vec![(1000, 0, 0x1_0000), (1000, 51_200, 0x1_0000)],
            "edit list with 2 media edits",
        ),
        (vec![(4000, 0, 0x2_0000)], "changes the speed"),
    ] {
        let mut film = film();
        film[0].edits = edits.clone();
        is_refused(written(&film, Tables::default()), part);
        is_refused(writer::fragmented(&film, writer::USUAL), part);
    }
    // Empty ones in front, also several, move the track.
    for edits in [
        vec![(500, -1, 0x1_0000), (8000, 1024, 0x1_0000)],
        vec![
            (500, -1, 0x1_0000),
            (300, -1, 0x1_0000),
            (8000, 1024, 0x1_0000),
        ],
    ] {
        let mut film = film();
        film[0].edits = edits;
        film[1].edits = vec![(8000, 1024, 0x1_0000)];
        as_ffprobe("empty edits", &written(&film, Tables::default()));
    }
}

#[test]
fn parameter_sets_in_the_stream_are_not_given_twice() {
    for (codec, name) in [(b"avc3", "h264_b2_25.mp4"), (b"hev1", "hevc_ac3.mp4")] {
        let mut film = vec![taken(name, StreamKind::Video)];
        let mut sets = Vec::new();
        let mp4 = Mp4::open(source(name)).unwrap();
        let annex_b = mp4.streams().video.as_ref().unwrap().parameter_sets.clone();
        for nal in exstreamd::media::nal::nals(&annex_b) {
            sets.extend((nal.len() as u32).to_be_bytes());
            sets.extend(nal);
        }
        for unit in film[0].units.iter_mut().filter(|u| u.key) {
            unit.data.splice(..0, sets.iter().copied());
        }
        // With the sets in the description too, and without them.
        film[0].entries[0][4..8].copy_from_slice(codec);
        for has_none in [false, true] {
            if has_none {
                let entry = &film[0].entries[0];
                let kind: &[u8; 4] = if codec == b"avc3" { b"avcC" } else { b"hvcC" };
                let at = entry.windows(4).position(|w| w == kind).unwrap() + 4;
                let mut record = entry[at..].to_vec();
                if codec == b"avc3" {
                    record.truncate(7);
                    (record[5], record[6]) = (0xE0, 0);
                } else {
                    record.truncate(23);
                    record[22] = 0;
                }
                let entry = boxed(codec, &[&entry[8..at - 8], &boxed(kind, &[&record])]);
                film[0].entries[0] = entry;
            }
            let mut mp4 = Mp4::open(source_of(written(&film, Tables::default()))).unwrap();
            let video = mp4.streams().video.clone().unwrap();
            assert_eq!((video.width, video.height), (320, 180));
            let mut unit = AccessUnit::default();
            let mut raps = 0;
            while mp4.next(&mut unit).unwrap() {
                assert_eq!(unit.parameter_sets, None, "{name} {:?}", unit.pts);
                raps += u32::from(unit.rap != Rap::No);
            }
            assert!(raps >= 3, "{name}: {raps}");
        }
    }
}

#[test]
fn sound_descriptions_of_quicktime_are_read() {
    let plain = film();
    let entry = &plain[1].entries[0];
    // Behind the fixed part of version 0 stands esds.
    let esds = entry.windows(4).position(|w| w == b"esds").unwrap() - 4;
    let length = u32::from_be_bytes(entry[esds..esds + 4].try_into().unwrap()) as usize;
    let esds = &entry[esds..esds + length];
    let fixed = |version: u8| {
        let mut fixed = entry[8..36].to_vec();
        fixed[9] = version;
        fixed
    };
    let wave = boxed(
        b"wave",
        &[
            &boxed(b"frma", &[b"mp4a"]),
            &full(b"mp4a", 0, 0, &[]),
            esds,
            &boxed(&[0; 4], &[]),
        ],
    );
    let mut second = vec![0, 0, 0, 72];
    second.extend(48_000f64.to_be_bytes());
    second.extend(writer::be(&[2, 0x7F00_0000, 0, 0, 0, 1024]));
    let usual = rest(&mut Mp4::open(source_of(written(&plain, Tables::default()))).unwrap());
    for (what, entry) in [
        ("version 0 with wave", boxed(b"mp4a", &[&fixed(0), &wave])),
        ("version 1", boxed(b"mp4a", &[&fixed(1), &[0; 16], &wave])),
        (
            "version 1 without wave",
            boxed(b"mp4a", &[&fixed(1), &[0; 16], esds]),
        ),
        // As some wrote it: the version alone.
        ("version 1 cut short", boxed(b"mp4a", &[&fixed(1), esds])),
        ("version 2", boxed(b"mp4a", &[&fixed(2), &second, &wave])),
    ] {
        let mut film = plain.clone();
        film[1].entries[0] = entry;
        let mut mp4 = Mp4::open(source_of(written(&film, Tables::default()))).unwrap();
        let audio = mp4.streams().audio.clone();
        let audio = audio.unwrap_or_else(|| panic!("{what}: no sound"));
        assert_eq!((audio.rate_hz, audio.channels), (48_000, 2), "{what}");
        assert_eq!(rest(&mut mp4), usual, "{what}");
    }
}

#[test]
fn a_movie_header_of_megabytes_is_probed_in_few_large_reads() {
    let film = fragments::half_an_hour();
    let (head, data, moov) = progressive(&film, Tables::default());
    assert!(moov.len() > 2 << 20, "{}", moov.len());
    let length = moov.len();
    let watched = damage::Watched::new(source_of([head, data, moov].concat()));
    let found = probe(watched.clone()).unwrap();
    // Only the tables of the pictures are looked at, and each part once: 256 KB a read at
    // most and 64 KB where a table begins.
    let (reads, most) = (watched.reads(), length / (256 << 10) + 24);
    assert!(
        reads <= most,
        "{reads} reads for a header of {length} bytes"
    );
    assert!(watched.largest() <= 256 << 10, "{}", watched.largest());
    let fragmented = writer::fragmented(&film, writer::USUAL);
    let other = probe(source_of(fragmented)).unwrap();
    assert_eq!((found.start, found.end), (other.start, other.end));
    assert_eq!(found.video, other.video);
    assert_eq!(found.audio, other.audio);
}
