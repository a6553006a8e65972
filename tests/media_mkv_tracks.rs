//! Matroska: what the header says of tracks, pictures, chapters and attachments, and what is refused by name.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::media::{ffprobe, made, sample};
use common::mkv::{
    CLUSTER, CODEC_ID, CODEC_PRIVATE, CUES, File, Node, SEEK_HEAD, VIDEO, bytes, master, number,
    with_cues,
};
use common::mkv_checks::{check_same, on_disk, probe_of, units_of};
use common::units::{Counted, open_mkv_bytes, read_all};
use exstreamd::error::ErrorKind;
use exstreamd::media::mkv::Mkv;
use exstreamd::media::probe::probe;
use exstreamd::media::{BytesSource, CopyClass, FileSource, Format};

#[test]
fn aac_is_described_by_the_ids_of_old_writers() {
    let low = made(
        "aac_24k.mkv",
        "25",
        24_000,
        3,
        "-c:v libx264 -bf 0 -g 25 -c:a aac -ac 1",
    );
    for (path, ids) in [
        (
            sample("h264_b2_25.mkv"),
            &["A_AAC", "A_AAC/MPEG4/LC", "A_AAC/MPEG2/LC"][..],
        ),
        // The rate is that of the core, the ID tells of the extension.
        (low, &["A_AAC/MPEG4/LC/SBR", "A_AAC/MPEG2/LC/SBR"]),
    ] {
        let file = File::read(&path);
        let before = units_of(&file);
        for id in ids {
            let mut old = file.clone();
            let track = old.track(1);
            track.set(bytes(CODEC_ID, id.as_bytes()));
            track.inside().retain(|node| node.id != CODEC_PRIVATE);
            check_same(&units_of(&old), &before, id);
            let (_dir, path) = on_disk(&old, "old.mkv");
            let theirs = &ffprobe(&path)["audio"].facts;
            let probed = &probe_of(&old).audio[0];
            // ffprobe says what the decoder puts out, which is twice the core's rate with SBR.
            let rate: u32 = theirs["sample_rate"].as_str().unwrap().parse().unwrap();
            let factor = if id.ends_with("SBR") { 2 } else { 1 };
            assert!(
                rate == probed.rate_hz * factor || rate == probed.rate_hz,
                "{id}: {rate}"
            );
            assert_eq!(
                u64::from(probed.channels),
                theirs["channels"].as_u64().unwrap()
            );
        }
    }
}

/// Why `file` cannot be copied: what opening it says, and what the probe says.
#[track_caller]
fn check_refused(file: &File, says: &str) {
    let error = open_mkv_bytes(file.bytes()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.message().contains(says), "{error}");
    let CopyClass::Transcode { reason, video, .. } = Format::default().copy_class(&probe_of(file))
    else {
        panic!("copied: {says}");
    };
    assert!(reason.contains(says), "{reason}");
    assert!(video, "{reason}");
}

#[test]
fn pictures_that_a_transport_stream_cannot_carry_as_they_are_are_refused_by_name() {
    let file = File::read(&sample("h264_b2_25.mkv"));
    let track = |change: &dyn Fn(&mut Node)| {
        let mut file = file.clone();
        change(file.track(0));
        file
    };
    let projection = |node: Node| {
        track(&|track| {
            let projection = master(0x7670, vec![number(0x7671, 0), node.clone()]);
            track.get(VIDEO).inside().push(projection);
        })
    };
    let turned = "video track with pictures that must be turned";
    check_refused(&projection(bytes(0x7675, 90_f32.to_be_bytes())), turned);
    check_refused(&projection(bytes(0x7673, (-180_f64).to_be_bytes())), turned);
    check_refused(&projection(number(0x7671, 1)), "a spherical projection");
    let upright = projection(bytes(0x7675, 0_f32.to_be_bytes()));
    check_same(&units_of(&upright), &units_of(&file), "a turn by nothing");

    let own_scale = track(&|track| track.set(bytes(0x23_314F, 2_f64.to_be_bytes())));
    check_refused(&own_scale, "a track with its own timestamp scale");
    let encrypted = master(0x6240, vec![number(0x5033, 1), bytes(0x5035, [])]);
    let encrypted = track(&|track| track.set(master(0x6D80, vec![encrypted.clone()])));
    check_refused(&encrypted, "video track with encryption");

    let mut header = [0; 40];
    for (fourcc, says) in [
        (b"H264", "H.264 in a VfW wrapper"),
        (b"XVID", "MPEG-4 Part 2 in a VfW wrapper"),
        (b"mjpg", "MJPG in a VfW wrapper"),
    ] {
        header[16..20].copy_from_slice(fourcc);
        let wrapped = track(&|track| {
            track.set(bytes(CODEC_ID, *b"V_MS/VFW/FOURCC"));
            track.set(bytes(CODEC_PRIVATE, header));
        });
        check_refused(&wrapped, says);
    }
}

#[test]
fn dolby_vision_is_refused_where_it_has_no_ordinary_base_layer() {
    let file = File::read(&sample("hevc_ac3.mkv"));
    for (name, profile, refused) in [(b"dvcC", 5, true), (b"dvcC", 7, false), (b"dvvC", 8, false)] {
        let mut file = file.clone();
        let record = [&[1, 0, profile << 1, 0x35][..], &[0; 20]].concat();
        let kind = u64::from(u32::from_be_bytes(*name));
        let mapping = master(0x41E4, vec![number(0x41E7, kind), bytes(0x41ED, record)]);
        file.track(0).inside().push(mapping);
        if refused {
            check_refused(&file, "Dolby Vision profile 5");
        } else {
            assert_eq!(probe_of(&file).not_native, None);
            assert!(open_mkv_bytes(file.bytes()).is_ok());
        }
    }
}

#[test]
fn hdr_is_copied_where_the_stream_tells_of_it_and_refused_where_only_the_container_does() {
    for (name, transfer, says) in [
        ("smpte2084", 16, "HDR (PQ) that only the container tells of"),
        (
            "arib-std-b67",
            18,
            "HDR (HLG) that only the container tells of",
        ),
    ] {
        let colour = master(0x55B0, vec![number(0x55BA, transfer)]);
        let options = format!(
            "-pix_fmt yuv420p10le -c:v libx265 \
             -x265-params log-level=error:transfer={name}:colorprim=bt2020:colormatrix=bt2020nc"
        );
        let path = made(&format!("hevc_{name}.mkv"), "25", 0, 1, &options);
        let mut told = File::read(&path);
        told.track(0).get(VIDEO).set(colour.clone());
        assert_eq!(probe_of(&told).not_native, None, "{name}");
        assert!(!units_of(&told).is_empty());

        let mut hidden = File::read(&sample("hevc_ac3.mkv"));
        hidden.track(0).get(VIDEO).set(colour);
        check_refused(&hidden, says);
    }
}

#[test]
fn what_webm_usually_holds_is_named() {
    for (name, options, video, audio) in [
        (
            "vp8_vorbis.webm",
            "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libvorbis -ac 2",
            "VP8",
            "Vorbis",
        ),
        (
            "av1_opus.webm",
            "-c:v libsvtav1 -preset 12 -c:a libopus -ac 2",
            "AV1",
            "Opus",
        ),
        (
            "vp9_vorbis.webm",
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libvorbis -ac 2",
            "VP9",
            "Vorbis",
        ),
    ] {
        let path = made(name, "25", 48_000, 1, options);
        let source = Arc::new(FileSource::open(&path).unwrap());
        let found = probe(source.clone()).unwrap();
        let class = Format::default().copy_class(&found);
        let reason = format!("video: {video} cannot be copied into a transport stream; ")
            + &format!("audio: {audio} cannot be copied into a transport stream");
        let both = CopyClass::Transcode {
            video: true,
            audio: true,
            reason,
        };
        assert_eq!(class, both);
        let error = Mkv::open(source).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(
            error.message().ends_with(&format!("video is {video}")),
            "{error}"
        );
        // It is described all the same.
        let theirs = ffprobe(&path);
        let stream = &theirs["video"];
        let last = stream
            .packets
            .iter()
            .map(|p| stream.ticks(p.pts))
            .max()
            .unwrap();
        assert!(
            (found.end.0 - last - 3_600).abs() < 90,
            "{name}: {:?}",
            found.end
        );
        let described = found.video.unwrap();
        assert_eq!((described.width, described.height), (320, 180));
    }
}

#[test]
fn sound_alone_that_cannot_be_carried_still_has_its_times() {
    for codec in ["flac", "libopus"] {
        let options = format!("-vn -c:a {codec} -ac 2");
        let path = made(&format!("alone_{codec}.mkv"), "25", 48_000, 3, &options);
        let found = probe(Arc::new(FileSource::open(&path).unwrap())).unwrap();
        assert_eq!(found.start.0, 0, "{codec}");
        let end = found.end.0;
        assert!((end - 270_000).abs() < 1_800, "{codec}: {end}");
    }
}

/// A chapter: begins (ms), title, and what else is in it.
fn chapter(begins: u64, title: &str, more: &[Node]) -> Node {
    let display = master(0x80, vec![bytes(0x85, title.as_bytes())]);
    let mut parts = vec![
        number(0x73C4, begins + 1),
        number(0x91, begins * 1_000_000),
        display,
    ];
    parts.extend(more.iter().cloned());
    master(0xB6, parts)
}

#[test]
fn chapters_come_from_the_edition_that_is_played_in_file_order() {
    let edition = |flags: &[u32], chapters: Vec<Node>| {
        let flags = flags.iter().map(|id| number(*id, 1));
        master(0x45B9, flags.chain(chapters).collect())
    };
    const HIDDEN: u32 = 0x45BD;
    const DEFAULT: u32 = 0x45DB;
    const ORDERED: u32 = 0x45DD;
    let linked = bytes(0x6E67, [7; 16]);
    let check = |editions: Vec<Node>, expected: &[(i64, &str)]| {
        let mut file = File::read(&sample("h264_b2_25.mkv"));
        file.segment
            .inside()
            .insert(0, master(0x1043_A770, editions));
        let found: Vec<_> = probe_of(&file)
            .chapters
            .into_iter()
            .map(|chapter| (chapter.start.round_ms(), chapter.title))
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|(at, title)| (*at, title.as_str()))
            .collect();
        assert_eq!(found, expected);
    };
    let plain = || edition(&[], vec![chapter(3_000, "b", &[]), chapter(0, "a", &[])]);
    check(vec![plain()], &[(0, "a"), (3_000, "b")]);
    let ordered = edition(&[ORDERED, DEFAULT], vec![chapter(5_000, "jump", &[])]);
    check(vec![ordered.clone(), plain()], &[(0, "a"), (3_000, "b")]);
    check(vec![ordered], &[]);
    let hidden = edition(&[HIDDEN, DEFAULT], vec![chapter(1_000, "hidden", &[])]);
    check(vec![hidden, plain()], &[(0, "a"), (3_000, "b")]);
    let default = edition(&[DEFAULT], vec![chapter(2_000, "default", &[])]);
    check(vec![plain(), default], &[(2_000, "default")]);
    let elsewhere = edition(
        &[],
        vec![
            chapter(0, "a", &[]),
            chapter(4_000, "in another file", &[linked]),
        ],
    );
    check(vec![elsewhere], &[(0, "a")]);
}

#[test]
fn attachments_are_passed_over_without_reading_them() {
    let mut file = File::read(&sample("h264_b2_25.mkv"));
    let before = units_of(&file);
    let media = file.bytes().len() as u64;
    let attachment = || bytes(0x1941_A469, vec![0x1F; 8_000_000]);
    let parts = file.segment.inside();
    parts.retain(|node| node.id != CUES && node.id != SEEK_HEAD);
    let clusters = parts.iter().position(|node| node.id == CLUSTER).unwrap();
    parts.insert(clusters, attachment());
    parts.insert(clusters + 2, attachment());
    parts.push(attachment());
    let file = with_cues(&file, true, |_, _| {});
    let source = Counted::new(BytesSource::new("test.mkv", file.bytes()));
    probe(source.clone()).unwrap();
    let (_, read) = source.taken();
    assert!(read < 600_000, "{read} bytes read to probe {media}");
    let mut demuxer = Mkv::open(source.clone()).unwrap();
    check_same(&read_all(&mut demuxer), &before, "attachments");
    let (_, read) = source.taken();
    assert!(
        read < media + 1_200_000,
        "{read} bytes read to play {media}"
    );
}
