//! Matroska: files put together as no tool here writes them, but the standard or other writers do.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::media::sample;
use common::mkv::{
    self, CLUSTER, CODEC_PRIVATE, Content, EBML, File, INFO, Node, SEEK_HEAD, SEGMENT,
    SIMPLE_BLOCK, TIMESTAMP, TRACKS, bytes, master, number, with_cues,
};
use common::mkv_checks::{check_packets, check_same, check_seeks, on_disk, probe_of, units_of};
use common::units::{Counted, of, open_mkv, open_mkv_bytes, read_all};
use exstreamd::media::mkv::Mkv;
use exstreamd::media::probe::Probe;
use exstreamd::media::{AccessUnit, BytesSource, Rap, StreamKind, Ticks90k};

const VOID: u32 = 0xEC;
const CRC_32: u32 = 0xBF;

#[test]
fn live_recordings_with_clusters_of_unknown_size_play_and_seek() {
    for name in ["h264_2997.mkv", "hevc_ac3.mkv", "mpeg2_mp2.mkv"] {
        let mut file = File::read(&sample(name));
        let before = units_of(&file);
        let probed = probe_of(&file);
        file.segment.unknown_size = true;
        for cluster in file.clusters() {
            cluster.unknown_size = true;
        }
        check_same(&units_of(&file), &before, name);
        let mut live = probe_of(&file);
        // Behind the last picture of a GOP stands what is left of the file.
        let gop = |probe: &mut Probe| {
            std::mem::take(&mut probe.video.as_mut().unwrap().largest_gop_bytes)
        };
        let (bytes, live_bytes) = (gop(&mut probed.clone()), gop(&mut live));
        assert!(bytes.abs_diff(live_bytes) < 100, "{name}");
        assert_eq!((live.start, live.end), (probed.start, probed.end), "{name}");
        let (_dir, path) = on_disk(&file, name);
        check_packets(&path, if name.starts_with("h264") { 7 } else { 0 }, 90);
        check_seeks(&mut open_mkv(&path), name);
    }
}

#[test]
fn stripped_headers_are_put_back_in_front_of_pictures_and_sound() {
    for (name, track, stripped) in [
        ("h264_b0.mkv", 0, &[0][..]),
        ("h264_b0.mkv", 1, &[0x0B, 0x77]),
        ("mpeg2_mp2.mkv", 0, &[0, 0, 1]),
    ] {
        let mut file = File::read(&sample(name));
        let before = units_of(&file);
        let number_of_track = track as u8 + 1;
        for cluster in file.clusters() {
            for node in cluster.inside() {
                let Content::Bytes(data) = &mut node.content else {
                    continue;
                };
                if node.id == SIMPLE_BLOCK && data[0] == 0x80 | number_of_track {
                    assert!(data[4..].starts_with(stripped), "{name}");
                    data.drain(4..4 + stripped.len());
                }
            }
            // The last frames stand in groups.
            cluster.inside().retain(|node| node.id != 0xA0);
        }
        let compression = master(0x5034, vec![number(0x4254, 3), bytes(0x4255, stripped)]);
        let encoding = master(
            0x6240,
            vec![number(0x5032, 1), number(0x5033, 0), compression],
        );
        file.track(track).set(master(0x6D80, vec![encoding]));
        let units = units_of(&file);
        assert!(units.len() + 4 > before.len());
        for unit in &units {
            let same = before
                .iter()
                .find(|b| b.kind == unit.kind && b.pts == unit.pts)
                .unwrap();
            assert_eq!(unit.data, same.data, "{name}");
            assert_eq!(unit.rap, same.rap, "{name}");
        }
        let (_dir, path) = on_disk(&file, name);
        check_packets(&path, 0, 90);
        check_seeks(&mut open_mkv(&path), name);
    }
}

#[test]
fn limits_in_the_header_that_lie_are_not_believed() {
    let file = File::read(&sample("h264_b2_25.mkv"));
    let before = units_of(&file);
    for (id_length, size_length) in [(0, 0), (1, 1), (3, 2), (200, 200)] {
        let mut lying = file.clone();
        lying.header.set(number(0x42F2, id_length));
        lying.header.set(number(0x42F3, size_length));
        check_same(&units_of(&lying), &before, "limits");
    }
}

#[test]
fn a_segment_whose_size_was_never_written_right_is_read_to_the_end() {
    let mut whole = File::read(&sample("h264_b2_25.mkv"));
    let before = units_of(&whole);
    let second_cluster = whole
        .segment
        .inside()
        .iter()
        .position(|node| node.id == CLUSTER)
        .unwrap()
        + 1;
    let (inside, _) = whole.place(second_cluster);
    let mut bytes = whole.bytes();
    let mut header = Vec::new();
    whole.header.write(&mut header);
    let at = header.len() + 4;
    for size in [0, inside, u64::MAX >> 9] {
        bytes[at..at + 8].copy_from_slice(&(size | 1 << 56).to_be_bytes());
        let units = read_all(&mut open_mkv_bytes(bytes.clone()).unwrap());
        check_same(&units, &before, &format!("{size}"));
    }
}

#[test]
fn seek_heads_lead_to_each_other_and_to_what_stands_behind_the_clusters() {
    let mut file = File::read(&sample("h264_b2_25.mkv"));
    let before = units_of(&file);
    let parts = std::mem::take(file.segment.inside());
    let find = |id: u32| parts.iter().find(|node| node.id == id).unwrap().clone();
    let seek_head = |seeks: &[(u32, u64)]| {
        let seek = |(id, at): &(u32, u64)| {
            master(
                0x4DBB,
                vec![bytes(0x53AB, id.to_be_bytes()), number(0x53AC, *at)],
            )
        };
        master(SEEK_HEAD, seeks.iter().map(seek).collect())
    };
    let clusters: Vec<Node> = parts.iter().filter(|n| n.id == CLUSTER).cloned().collect();
    // The first SeekHead names itself, the second and hundreds of clusters; the second the rest.
    let build = |places: [u64; 3]| {
        let [second, info, tracks] = places;
        let mut first = vec![(SEEK_HEAD, 0)];
        first.extend((0..500).map(|n| (CLUSTER, 5_000 + n)));
        first.insert(200, (SEEK_HEAD, second));
        let mut all = vec![seek_head(&first)];
        all.extend(clusters.clone());
        all.extend([find(INFO), find(TRACKS)]);
        all.push(seek_head(&[(INFO, info), (TRACKS, tracks), (SEEK_HEAD, 0)]));
        File::of(all)
    };
    let draft = build([0; 3]);
    let info = clusters.len() + 1;
    let place = |index: usize| draft.place(index).0;
    let file = build([place(info + 2), place(info), place(info + 1)]);
    check_same(&units_of(&file), &before, "chain");
    let source = Counted::new(BytesSource::new("test.mkv", file.bytes()));
    assert!(Mkv::open(source.clone()).is_ok());
    let (reads, _) = source.taken();
    assert!(reads <= 4, "{reads} reads");
}

#[test]
fn padding_and_checksums_between_all_elements_are_passed_over() {
    let mut file = File::read(&sample("h264_2997.mkv"));
    let before = units_of(&file);
    let pad = |nodes: &mut Vec<Node>| {
        let padded = std::mem::take(nodes)
            .into_iter()
            .enumerate()
            .flat_map(|(n, node)| [node, bytes(VOID, vec![0x1F; n * 37 % 300])]);
        *nodes = padded.collect();
        nodes.insert(0, bytes(CRC_32, [1, 2, 3, 4]));
    };
    for cluster in file.clusters() {
        pad(cluster.inside());
    }
    for index in 0..2 {
        pad(file.track(index).inside());
    }
    pad(file.segment.inside());
    pad(file.header.inside());
    check_same(&units_of(&file), &before, "padded");
    let (_dir, path) = on_disk(&file, "padded.mkv");
    check_packets(&path, 7, 90);
    check_seeks(&mut open_mkv(&path), "padded");
}

#[test]
fn cues_are_used_wherever_they_stand_and_survived_however_they_lie() {
    let file = File::read(&sample("h264_2997.mkv"));
    let exact = probe_of(&file);
    type Lie = fn(usize, &mut (u64, u64, u64));
    let lies: [(&str, Lie); 8] = [
        ("true", |_, _| {}),
        ("late", |_, point| point.0 += 3_000),
        ("early", |_, point| point.0 = point.0.saturating_sub(3_000)),
        ("every second one moved", |n, point| {
            point.1 += n as u64 % 2 * 777;
        }),
        ("all in the first cluster", |_, point| point.1 = 1_000),
        ("beyond the file", |_, point| point.1 = u64::MAX >> 1),
        ("wrong inside", |_, point| point.2 += 5),
        ("all the same time", |_, point| point.0 = 0),
    ];
    for first in [true, false] {
        for (what, lie) in lies {
            let file = with_cues(&file, first, lie);
            check_seeks(&mut open_mkv_bytes(file.bytes()).unwrap(), what);
            let probed = probe_of(&file);
            assert_eq!(
                (probed.start, probed.end),
                (exact.start, exact.end),
                "{what}"
            );
            assert!(probed.video.as_ref().unwrap().clean_raps, "{what}");
            if what == "true" {
                let longest = probed.video.unwrap().longest_rap_interval;
                assert_eq!(longest, exact.video.as_ref().unwrap().longest_rap_interval);
            }
        }
    }
}

/// `file` in units of a nanosecond: a cluster for every block, as its 16 bits of time hold no more.
fn in_nanoseconds(file: &File) -> File {
    let mut file = file.clone();
    let mut parts = Vec::new();
    for mut part in std::mem::take(file.segment.inside()) {
        match part.id {
            INFO => {
                part.set(number(0x2A_D7B1, 1));
                parts.push(part);
            }
            CLUSTER => {
                let base = part.get(TIMESTAMP).value();
                for mut node in std::mem::take(part.inside()) {
                    if let Content::Bytes(data) = &mut node.content
                        && node.id == SIMPLE_BLOCK
                    {
                        let relative = i16::from_be_bytes([data[1], data[2]]);
                        let time = base.wrapping_add_signed(i64::from(relative)) * 1_000_000;
                        data[1..3].copy_from_slice(&[0, 0]);
                        parts.push(master(CLUSTER, vec![number(TIMESTAMP, time), node]));
                    }
                }
            }
            _ => parts.push(part),
        }
    }
    *file.segment.inside() = parts;
    file
}

#[test]
fn times_in_nanoseconds_are_read() {
    let mut file = File::read(&sample("h264_b2_25.mkv"));
    for cluster in file.clusters() {
        cluster.inside().retain(|node| node.id != 0xA0);
    }
    let before = units_of(&file);
    let file = in_nanoseconds(&file);
    check_same(&units_of(&file), &before, "nanoseconds");
    let (_dir, path) = on_disk(&file, "nanoseconds.mkv");
    check_packets(&path, 7, 90);
    check_seeks(&mut open_mkv(&path), "nanoseconds");
}

#[test]
fn codec_delay_moves_times_and_preroll_does_not() {
    let mut file = File::read(&sample("h264_b2_25.mkv"));
    let before = units_of(&file);
    file.track(1).set(number(0x56AA, 6_500_000));
    file.track(1).set(number(0x56BB, 80_000_000));
    let (_dir, path) = on_disk(&file, "delay.mkv");
    // ffprobe rounds the delay, too.
    check_packets(&path, 7, 180);
    let units = units_of(&file);
    let first = |units: &[AccessUnit], kind| of(units, kind)[0].pts;
    assert_eq!(
        first(&before, StreamKind::Audio) - first(&units, StreamKind::Audio),
        Ticks90k(585)
    );
    assert_eq!(
        first(&before, StreamKind::Video),
        first(&units, StreamKind::Video)
    );
}

#[test]
fn padding_at_the_end_of_sound_belongs_to_the_last_frame_and_not_to_the_item() {
    let mut file = File::read(&sample("ac3_only.mka"));
    let (before, units) = (probe_of(&file), units_of(&file));
    let last = file.clusters().last().unwrap();
    let block = last.inside().pop().unwrap();
    let data = match &block.content {
        Content::Bytes(data) => data.clone(),
        Content::Inside(inside) => inside[0].data().to_vec(),
    };
    let padding = bytes(0x75A2, 10_000_000_i32.to_be_bytes());
    last.inside()
        .push(master(0xA0, vec![bytes(0xA1, data), padding]));
    check_same(&units_of(&file), &units, "frames go out whole");
    let ten_ms = Ticks90k::from_ms(10);
    assert_eq!(before.end - probe_of(&file).end, ten_ms);
}

#[test]
fn a_stream_that_reorders_deeper_than_it_says_is_decoded_in_order_all_the_same() {
    let mut file = File::read(&sample("h264_2997.mkv"));
    let before = units_of(&file);
    // Parameter sets of a stream without B pictures.
    let mut flat = File::read(&sample("h264_b0.mkv"));
    let sets = flat.track(0).get(CODEC_PRIVATE).clone();
    file.track(0).set(sets);
    assert_eq!(probe_of(&file).video.unwrap().reorder_depth, 0);
    let units = units_of(&file);
    let video = of(&units, StreamKind::Video);
    assert_eq!(video.len(), of(&before, StreamKind::Video).len());
    let times = |units: &[&AccessUnit]| units.iter().map(|u| u.pts).collect::<Vec<_>>();
    assert_eq!(times(&video), times(&of(&before, StreamKind::Video)));
    assert!(video.iter().all(|unit| unit.dts <= unit.pts));
    // From the second random access point on as if the depth had been known.
    let second = video
        .iter()
        .enumerate()
        .filter(|(_, unit)| unit.rap != Rap::No)
        .nth(1)
        .unwrap()
        .0;
    assert!(video[second..].windows(2).all(|w| w[0].dts < w[1].dts));
    for (ours, theirs) in video
        .iter()
        .zip(of(&before, StreamKind::Video))
        .skip(second)
    {
        assert_eq!(ours.dts, theirs.dts, "{:?}", ours.pts);
    }
}

#[test]
fn a_second_file_behind_the_first_is_not_part_of_it() {
    let file = File::read(&sample("h264_b2_25.mkv"));
    let twice = [file.bytes(), file.bytes()].concat();
    let units = read_all(&mut open_mkv_bytes(twice).unwrap());
    check_same(&units, &units_of(&file), "twice");
    // What is written here is what the others rely on.
    let mut ids = vec![file.header.id, file.segment.id];
    ids.push(mkv::header().id);
    assert_eq!(ids, [EBML, SEGMENT, EBML]);
}
