//! Transport streams that are not as an encoder wrote them: recordings with holes, several programmes, tables
//! that change or are missing, time bases that jump, packets that cannot be read.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::media::{made, sample};
use common::units::{self, facts};
use exstreamd::error::Result;
use exstreamd::media::probe::{Probe, probe};
use exstreamd::media::ts::{TsFile, TsStream};
use exstreamd::media::{
    AccessUnit, AudioCodec, BytesSource, Demuxer, ReadAt, StreamKind, Ticks90k, VideoCodec,
};

/// PIDs as ffmpeg gives them.
const MAP: u16 = 0x1000;
const PICTURE: u16 = 0x100;
const SOUND: u16 = 0x101;

type Packet = [u8; 188];

fn packets_of(name: &str) -> Vec<Packet> {
    let bytes = fs::read(sample(name)).unwrap();
    bytes.as_chunks::<188>().0.to_vec()
}

fn pid(packet: &Packet) -> u16 {
    u16::from_be_bytes([packet[1] & 0x1F, packet[2]])
}

fn set_pid(packet: &mut Packet, pid: u16) {
    packet[1] = packet[1] & 0xE0 | (pid >> 8) as u8;
    packet[2] = pid as u8;
}

/// Where the payload begins.
fn payload_at(packet: &Packet) -> usize {
    let field = packet[3] & 0x20 != 0;
    4 + if field { 1 + usize::from(packet[4]) } else { 0 }
}

/// Whether a PES packet or section begins here.
fn starts(packet: &Packet) -> bool {
    packet[1] & 0x40 != 0
}

/// Adds to PTS and DTS of the PES packet that begins here.
fn move_times(packet: &mut Packet, by: i64) {
    let pes = payload_at(packet) + 9;
    let fields = packet[pes - 2] >> 6;
    for at in [pes, pes + 5].into_iter().take(usize::from(fields) - 1) {
        let bytes: &mut [u8] = &mut packet[at..at + 5];
        let time = i64::from(bytes[0] >> 1 & 7) << 30
            | i64::from(bytes[1]) << 22
            | i64::from(bytes[2] >> 1) << 15
            | i64::from(bytes[3]) << 7
            | i64::from(bytes[4] >> 1);
        let time = (time + by).rem_euclid(1 << 33) as u64;
        bytes[0] = bytes[0] & 0xF1 | (time >> 29) as u8 & 0x0E;
        bytes[1] = (time >> 22) as u8;
        bytes[2] = (time >> 14) as u8 | 1;
        bytes[3] = (time >> 7) as u8;
        bytes[4] = (time << 1) as u8 | 1;
    }
}

fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ (u32::from(byte) << 24), |crc, _| {
            (crc << 1) ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 }
        })
    })
}

/// A packet with one section: its table, number and body.
fn table(pid: u16, table_id: u8, number: u16, body: &[u8]) -> Packet {
    let mut section = vec![table_id, 0xB0, (body.len() + 9) as u8];
    section.extend_from_slice(&number.to_be_bytes());
    section.extend_from_slice(&[0xC1, 0, 0]);
    section.extend_from_slice(body);
    section.extend_from_slice(&crc(&section).to_be_bytes());
    let mut packet = [0xFF; 188];
    packet[..5].copy_from_slice(&[0x47, 0x40, 0, 0x10, 0]);
    packet[5..5 + section.len()].copy_from_slice(&section);
    set_pid(&mut packet, pid);
    packet
}

/// A PAT of these programmes and the PIDs of their maps.
fn pat(programs: &[(u16, u16)]) -> Packet {
    let entry = |&(number, pid): &(u16, u16)| [number.to_be_bytes(), pid.to_be_bytes()].concat();
    table(
        0,
        0,
        1,
        &programs.iter().flat_map(entry).collect::<Vec<_>>(),
    )
}

/// A map of streams: type and PID.
fn pmt(pid: u16, number: u16, streams: &[(u8, u16)]) -> Packet {
    let mut body = vec![0xE1, 0, 0xF0, 0];
    for &(stream_type, pid) in streams {
        body.push(stream_type);
        body.extend_from_slice(&(pid | 0xE000).to_be_bytes());
        body.extend_from_slice(&[0xF0, 0]);
    }
    table(pid, 2, number, &body)
}

fn file(packets: &[Packet]) -> Result<TsFile> {
    file_of_bytes(packets.concat())
}

fn file_of_bytes(bytes: Vec<u8>) -> Result<TsFile> {
    TsFile::open(Arc::new(BytesSource::new("film.ts", bytes)))
}

fn probed(packets: &[Packet]) -> Result<Probe> {
    probe(Arc::new(BytesSource::new("film.ts", packets.concat())))
}

fn read(packets: &[Packet]) -> Vec<AccessUnit> {
    units::read_all(&mut file(packets).unwrap())
}

type Facts = (StreamKind, Ticks90k, Ticks90k, exstreamd::media::Rap, usize);

/// Everything but the bytes, pictures first: how streams are interleaved does not matter.
fn all(units: &[AccessUnit]) -> Vec<Facts> {
    let mut all: Vec<_> = units.iter().map(facts).collect();
    all.sort_by_key(|facts| facts.0 == StreamKind::Audio);
    all
}

#[test]
fn garbage_between_packets_of_any_size_costs_nothing_and_is_counted() {
    let packets = packets_of("h264_aac.ts");
    let expected = all(&read(&packets));
    for (before, behind) in [(0, 0), (4, 0), (0, 16)] {
        let mut bytes = vec![0x11; 300];
        let mut garbage = 0;
        for (n, packet) in packets.iter().enumerate() {
            bytes.extend(vec![n as u8 & 0x3F; before]);
            bytes.extend_from_slice(packet);
            bytes.extend(vec![n as u8 & 0x3F; behind]);
            if n % 500 == 250 {
                let length = 1 + n % 391;
                bytes.extend(vec![n as u8 & 0x3F; length]);
                garbage += length as u64;
            }
        }
        let mut file = file_of_bytes(bytes).unwrap();
        assert!(
            all(&units::read_all(&mut file)) == expected,
            "{before} {behind}"
        );
        assert_eq!(file.damage().dropped_units, 0);
        assert_eq!(file.damage().skipped_bytes, garbage, "{before} {behind}");
        file.seek(Ticks90k(5 * 90_000)).unwrap();
        assert!(units::read_all(&mut file).len() > expected.len() / 3);
    }
}

#[test]
fn of_several_programmes_the_one_with_pictures_in_it_is_taken() {
    let tv = packets_of("h264_aac.ts");
    let expected = all(&read(&tv));
    let radio = || {
        let mut packets = packets_of("mpeg2_mp2.ts");
        packets.retain(|packet| pid(packet) == SOUND);
        packets.iter_mut().for_each(|packet| set_pid(packet, 0x301));
        packets
    };
    // A radio programme first, one that the PAT names and nothing comes of, and one of which only the map comes.
    let programs = pat(&[(7, 0x30), (8, 0x40), (1, MAP), (9, 0x50)]);
    let mut radio = radio().into_iter();
    let mut packets = Vec::new();
    for (n, packet) in tv.iter().enumerate() {
        match pid(packet) {
            0 => packets.push(programs),
            _ => packets.push(*packet),
        }
        if n % 40 == 0 {
            packets.push(pmt(0x30, 7, &[(0x03, 0x301)]));
            packets.push(pmt(0x50, 9, &[(0x1B, 0x501), (0x0F, 0x502)]));
        }
        packets.extend(radio.next());
    }
    assert!(all(&read(&packets)) == expected);
    let probe = probed(&packets).unwrap();
    assert_eq!(probe.audio.len(), 1);
    // And the radio programme, when it is all there is.
    packets.retain(|packet| pid(packet) != PICTURE && pid(packet) != SOUND);
    let probe = probed(&packets).unwrap();
    assert_eq!(probe.video, None);
    assert_eq!(probe.audio[0].codec, Some(AudioCodec::Mp2));
}

#[test]
fn a_stream_that_the_map_promises_and_that_never_comes_is_passed_over() {
    let packets = packets_of("h264_aac.ts");
    let expected = all(&read(&packets));
    let map = pmt(
        MAP,
        1,
        &[(0x24, 0x200), (0x81, 0x201), (0x1B, PICTURE), (0x0F, SOUND)],
    );
    let with: Vec<_> = packets
        .iter()
        .map(|packet| if pid(packet) == MAP { map } else { *packet })
        .collect();
    assert!(all(&read(&with)) == expected);
    let probe = probed(&with).unwrap();
    assert_eq!(probe.video.unwrap().codec, Some(VideoCodec::H264));
    assert_eq!(probe.audio[0].codec, Some(AudioCodec::Aac));
}

#[test]
fn streams_and_maps_that_move_are_followed_and_what_takes_their_place_is_not() {
    let mut packets = packets_of("h264_aac.ts");
    let expected = all(&read(&packets));
    let half = packets.len() / 2;
    // At a place where both PES packets begin anew nothing is lost but what has begun.
    let moved = |packet: &mut Packet| match pid(packet) {
        0 => *packet = pat(&[(1, 0x20)]),
        MAP => *packet = pmt(0x20, 1, &[(0x1B, 0x21), (0x0F, 0x22)]),
        PICTURE => set_pid(packet, 0x21),
        SOUND => set_pid(packet, 0x22),
        _ => {}
    };
    let first_pat = packets
        .iter()
        .skip(half)
        .position(|packet| pid(packet) == 0);
    let from = half + first_pat.unwrap();
    packets[from..].iter_mut().for_each(moved);
    let units = all(&read(&packets));
    assert!(expected.len() - units.len() <= 3, "{}", units.len());
    assert!(units.iter().all(|unit| expected.contains(unit)));

    // The PID of the picture becomes one of HEVC: its bytes are no pictures of ours.
    let mut packets = packets_of("h264_aac.ts");
    let map = pmt(MAP, 1, &[(0x24, PICTURE), (0x0F, SOUND)]);
    let others = |packet: &mut Packet| {
        if pid(packet) == MAP {
            *packet = map;
        }
    };
    packets[from..].iter_mut().for_each(others);
    let units = all(&read(&packets));
    let count = |units: &[Facts], kind| units.iter().filter(|unit| unit.0 == kind).count();
    assert_eq!(
        count(&units, StreamKind::Audio),
        count(&expected, StreamKind::Audio)
    );
    let pictures = count(&units, StreamKind::Video);
    assert!((60..140).contains(&pictures), "{pictures}");
}

#[test]
fn scrambled_packets_are_refused_by_name_and_what_is_clear_is_played() {
    let packets = packets_of("h264_aac.ts");
    let scrambled = |which: &dyn Fn(usize, u16) -> bool| -> Vec<Packet> {
        let mut packets = packets.clone();
        for (n, packet) in packets.iter_mut().enumerate() {
            if which(n, pid(packet)) {
                packet[3] |= 0x80;
            }
        }
        packets
    };
    let error = file(&scrambled(&|_, pid| pid == PICTURE || pid == SOUND));
    let error = error.err().expect("an error").to_string();
    assert!(error.contains("encrypted by the broadcaster"), "{error}");
    let sound = probed(&scrambled(&|_, pid| pid == SOUND)).unwrap();
    assert_eq!(sound.audio[0].codec, None);
    assert_eq!(sound.audio[0].name, "sound encrypted by the broadcaster");
    assert!(sound.video.is_some());
    // A recording whose beginning came before the key.
    let late = read(&scrambled(&|n, pid| n < 400 && pid >= PICTURE));
    let whole = all(&read(&packets));
    assert!(late.len() > whole.len() / 2);
    assert!(all(&late).iter().all(|unit| whole.contains(unit)));
    // Scrambled within PES packets.
    let mut pes = packets.clone();
    for packet in pes.iter_mut().filter(|packet| starts(packet)) {
        if pid(packet) == PICTURE || pid(packet) == SOUND {
            let at = payload_at(packet);
            packet[at + 6] |= 0x10;
        }
    }
    let error = file(&pes).err().expect("an error").to_string();
    assert!(error.contains("encrypted by the broadcaster"), "{error}");
}

#[test]
fn a_stream_without_clock_references_or_lengths_or_with_late_tables_is_the_same() {
    let packets = packets_of("h264_ac3.ts");
    let expected = all(&read(&packets));
    let mut without = packets.clone();
    for packet in &mut without {
        if packet[3] & 0x20 != 0 && packet[4] > 0 {
            // The clock reference stays where it is and means nothing.
            packet[5] &= !0x10;
        }
        if pid(packet) == SOUND && starts(packet) {
            let at = payload_at(packet);
            packet[at + 4..at + 6].fill(0);
        }
    }
    assert!(all(&read(&without)) == expected, "no PCR, no lengths");
    let mut late = packets.clone();
    let tables =
        |n: usize, packet: &Packet| n > 1_200 || pid(packet) >= PICTURE && pid(packet) != MAP;
    let mut n = 0;
    late.retain(|packet| {
        n += 1;
        tables(n, packet)
    });
    // The file is read from its beginning once its programme is known.
    assert!(all(&read(&late)) == expected, "late tables");
    late.retain(|packet| pid(packet) != 0);
    let error = file(&late).err().expect("an error").to_string();
    assert!(error.contains("no programme map"), "{error}");
}

#[test]
fn a_time_stamp_far_off_costs_its_picture_and_no_sound() {
    let packets = packets_of("h264_aac.ts");
    let expected = read(&packets);
    let hour = 3_600 * 90_000;
    for (stream, by) in [
        (PICTURE, 10 * hour),
        (PICTURE, -10 * hour),
        (PICTURE, 5 * 90_000),
        (SOUND, 10 * hour),
        (SOUND, -10 * hour),
        (SOUND, 5 * 90_000),
    ] {
        let mut packets = packets.clone();
        let begins = |packet: &&mut Packet| pid(packet) == stream && starts(packet);
        let packet = packets.iter_mut().filter(begins).nth(14).unwrap();
        move_times(packet, by);
        let mut file = file(&packets).unwrap();
        let units = units::read_all(&mut file);
        let lost = u64::from(stream == PICTURE);
        assert_eq!(file.damage().dropped_units, lost, "{stream:#x} {by}");
        assert_eq!(units.len() as u64, expected.len() as u64 - lost);
        let (units, expected) = (all(&units), all(&expected));
        // Sound that is counted may be a tick off from what its time stamp said.
        let alike = |a: &Facts, b: &Facts| a.0 == b.0 && (a.1 - b.1).0.abs() <= 1 && a.4 == b.4;
        assert!(
            units
                .iter()
                .all(|unit| expected.iter().any(|e| alike(unit, e))),
            "{stream:#x} {by}"
        );
    }
}

#[test]
fn one_wrong_time_stamp_does_not_hold_up_the_stream() {
    let mut packets = packets_of("h264_aac.ts");
    let sound = |packet: &&mut Packet| pid(packet) == SOUND && starts(packet);
    let packet = packets.iter_mut().filter(sound).nth(20).unwrap();
    move_times(packet, 20 * 3_600 * 90_000);
    let (mut stream, mut unit) = (TsStream::new(), AccessUnit::default());
    let mut last = Ticks90k(0);
    for (n, piece) in packets.chunks(50).enumerate() {
        stream.push(&piece.concat());
        while stream.next(&mut unit) {
            last = last.max(unit.dts);
        }
        // The file is 8 s long: what has been read is given out, all but a second and a half.
        let read = 8 * 90_000 * (n as i64 + 1) * 50 / packets.len() as i64;
        assert!(read - last.0 < 3 * 90_000, "{read} {last:?}");
    }
}

#[test]
fn a_new_time_base_in_the_middle_is_followed_with_sound_and_picture_together() {
    let first = packets_of("h264_aac.ts");
    let single = read(&first);
    for by in [-5_i64, 70, 40_000, -20_000] {
        let mut packets = first.clone();
        let mut second = first.clone();
        for packet in second.iter_mut().filter(|packet| starts(packet)) {
            if pid(packet) == PICTURE || pid(packet) == SOUND {
                move_times(packet, (8 + by) * 90_000);
            }
        }
        packets.extend(second);
        let units = read(&packets);
        // Counters that do not go on cost what has begun, and sound in doubt has nothing to be counted from.
        assert!(2 * single.len() - units.len() <= 8, "{by}: {}", units.len());
        let of = |kind| units.iter().filter(move |unit| unit.kind == kind);
        let dts: Vec<_> = of(StreamKind::Video).map(|unit| unit.dts).collect();
        let holes: Vec<_> = dts.windows(2).map(|pair| (pair[1] - pair[0]).0).collect();
        let seconds = if by == 70 { by } else { 0 };
        assert!(
            holes
                .iter()
                .all(|&hole| hole > 0 && hole <= seconds * 90_000 + 20_000),
            "{by}: {:?}",
            holes.iter().max()
        );
        // Pictures and sound lie as they did.
        let lag =
            |units: &mut dyn Iterator<Item = &AccessUnit>| units.map(|u| u.pts).max().unwrap();
        let now = lag(&mut of(StreamKind::Video)) - lag(&mut of(StreamKind::Audio));
        let of = |kind| single.iter().filter(move |unit| unit.kind == kind);
        let then = lag(&mut of(StreamKind::Video)) - lag(&mut of(StreamKind::Audio));
        assert!((now - then).0.abs() <= 2_000, "{by}: {now:?} {then:?}");
    }
}

#[test]
fn time_stamps_that_wrap_inside_a_file_are_probed_and_sought_like_others() {
    let path = sample("h264_wrap.ts");
    let wrapped = fs::read(&path).unwrap();
    let plain = probed(&packets_of("h264_aac.ts")).unwrap();
    let source = |bytes: &[u8]| Arc::new(BytesSource::new("wrap.ts", bytes.to_vec()));
    let probe = probe(source(&wrapped)).unwrap();
    assert_eq!(probe.length(), plain.length());
    // As libav has it: what begins shortly before the wrap begins before zero.
    let zero = Ticks90k::ZERO;
    assert!(probe.start < zero && probe.end > zero, "{probe:?}");
    let mut file = file_of_bytes(wrapped).unwrap();
    let mut straight = file_of_bytes(packets_of("h264_aac.ts").concat()).unwrap();
    for ms in (0..8_000).step_by(900) {
        let at = Ticks90k::from_ms(ms);
        let found = file.seek(probe.start + at).unwrap() - probe.start;
        assert_eq!(
            found,
            straight.seek(plain.start + at).unwrap() - plain.start
        );
        assert_eq!(
            units::read_all(&mut file).len(),
            units::read_all(&mut straight).len()
        );
    }
}

/// Counts what is read of it.
struct Counted {
    bytes: Vec<u8>,
    reads: AtomicU64,
    read: AtomicU64,
}

impl ReadAt for Counted {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let from = (offset as usize).min(self.bytes.len());
        let length = io::Read::read(&mut &self.bytes[from..], buffer).unwrap();
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }

    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn name(&self) -> &str {
        "film.ts"
    }
}

#[test]
fn a_probe_of_a_long_recording_reads_three_places_and_a_seek_one() {
    let path = made(
        "h264_long.ts",
        "25",
        48_000,
        60,
        "-c:v libx264 -b:v 9M -minrate 9M -maxrate 9M -bufsize 9M -x264-params nal-hrd=cbr -bf 2 -g 50 -c:a ac3 -ac 2",
    );
    let source = Arc::new(Counted {
        bytes: fs::read(&path).unwrap(),
        reads: AtomicU64::new(0),
        read: AtomicU64::new(0),
    });
    let size = source.size_bytes();
    assert!(size > 48 << 20, "{size}");
    let taken = || {
        (
            source.reads.swap(0, Ordering::Relaxed),
            source.read.swap(0, Ordering::Relaxed),
        )
    };
    let probe = probe(source.clone()).unwrap();
    let (reads, bytes) = taken();
    // Three windows of 4 MB or three entries each, three entries looked up.
    assert!(
        bytes < 40 << 20 && reads < 640,
        "{reads} reads of {bytes} bytes"
    );
    assert_eq!(probe.length().round_ms(), 60_000);
    assert!(probe.video.as_ref().unwrap().longest_rap_interval == Ticks90k(180_000));
    let mut file = TsFile::open(source.clone()).unwrap();
    taken();
    let (mut unit, at) = (AccessUnit::default(), Ticks90k(33 * 90_000));
    let entry = file.seek(probe.start + at).unwrap() - probe.start;
    assert_eq!(entry.round_ms(), 32_000);
    while file.next(&mut unit).unwrap() && unit.kind == StreamKind::Audio {}
    let (reads, bytes) = taken();
    assert!(
        bytes < 10 << 20 && reads < 160,
        "{reads} reads of {bytes} bytes"
    );
}

#[test]
fn a_program_stream_is_named_and_left_to_ffmpeg() {
    let bytes = fs::read(sample("mpeg2_ac3.mpg")).unwrap();
    let error = probe(Arc::new(BytesSource::new("film.mpg", bytes))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("MPEG program stream is left to ffmpeg"),
        "{error}"
    );
}
