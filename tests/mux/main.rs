//! The muxer's stream, judged by others: the checker, libav and mpeg2ts-reader.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod rate;

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use common::ts;
use exstreamd::media::{AccessUnit, AudioCodec, Format, Rap, StreamKind, Ticks90k, VideoCodec};
use exstreamd::mux::silence::silent_frame;
use exstreamd::mux::slate::Slate;
use exstreamd::mux::{Layout, Muxer};

const VIDEO: [VideoCodec; 3] = [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Mpeg2];
const AUDIO: [AudioCodec; 5] = [
    AudioCodec::Aac,
    AudioCodec::Ac3,
    AudioCodec::Eac3,
    AudioCodec::Mp2,
    AudioCodec::Mp3,
];
const STRICT: &[&str] = &[
    "--strict",
    "--pcr-ms",
    "40",
    "--pat-ms",
    "100",
    "--pmt-ms",
    "100",
    "--max-gap-frames",
    "1",
    "--max-drift-ms",
    "120",
    "--no-changes",
];

fn format(video: VideoCodec, audio: AudioCodec) -> Format {
    Format {
        video,
        audio,
        audio_rate_hz: 48_000,
        audio_channels: 2,
        ..Format::DEFAULT
    }
}

fn frame_samples(audio: AudioCodec, rate_hz: u32) -> i64 {
    match audio {
        AudioCodec::Aac => 1024,
        AudioCodec::Ac3 | AudioCodec::Eac3 => 1536,
        AudioCodec::Mp3 if rate_hz < 32_000 => 576,
        AudioCodec::Mp2 | AudioCodec::Mp3 => 1152,
    }
}

/// Slate and silence from `start` on for `seconds`, merged by DTS.
fn slate_and_silence(format: &Format, start: Ticks90k, seconds: i64) -> Vec<AccessUnit> {
    let slate = Slate::for_format(format);
    let mut units = Vec::new();
    for n in 0..25 * seconds {
        let mut unit = AccessUnit::default();
        slate.video(n as u64, &mut unit);
        unit.pts += start;
        unit.dts += start;
        units.push(unit);
    }
    units.extend(silence(format, start, seconds));
    units.sort_by_key(|unit| unit.dts);
    units
}

fn silence(format: &Format, start: Ticks90k, seconds: i64) -> Vec<AccessUnit> {
    let frame = silent_frame(format).expect("silence");
    let samples = frame_samples(format.audio, format.audio_rate_hz);
    let at = |n: i64| Ticks90k::from_scaled(n * samples, format.audio_rate_hz);
    (0..)
        .take_while(|&n| at(n) < Ticks90k::from_ms(1000 * seconds))
        .map(|n| AccessUnit {
            kind: StreamKind::Audio,
            pts: start + at(n),
            dts: start + at(n),
            duration: at(1),
            rap: Rap::Clean,
            data: frame.to_vec(),
            ..AccessUnit::default()
        })
        .collect()
}

fn mux(layout: Layout, units: &[AccessUnit]) -> Vec<u8> {
    let mut muxer = Muxer::new(layout);
    let mut out = Vec::new();
    for unit in units {
        muxer.write(unit, &mut out);
    }
    muxer.flush(&mut out);
    out
}

fn written(dir: &Path, name: &str, stream: &[u8]) -> std::path::PathBuf {
    let path = dir.join(format!("{name}.ts"));
    fs::write(&path, stream).expect("a temporary file");
    path
}

#[test]
fn slate_and_silence_of_every_codec_pair_pass_the_checker_and_decode_without_a_word() {
    let dir = tempfile::tempdir().expect("a directory");
    for video in VIDEO {
        for audio in AUDIO {
            let format = format(video, audio);
            let units = slate_and_silence(&format, Ticks90k(900_000), 10);
            let stream = mux(Layout::for_format(&format, "Test"), &units);
            let path = written(dir.path(), &format!("{video:?}-{audio:?}"), &stream);
            ts::check(&path, STRICT);
            ts::decodes_silently(&path);
        }
    }
}

/// Decodes the files at once, to files beside them, without a word of ffmpeg.
fn decode_to_zeros(dir: &Path, demuxer: &str, decoder: &str, formats: &[Format]) {
    let mut arguments = ["-v", "warning", "-xerror"].map(String::from).to_vec();
    let name = |rate: u32| dir.join(rate.to_string()).display().to_string();
    for format in formats {
        let frame = silent_frame(format).expect("silence");
        let path = name(format.audio_rate_hz);
        fs::write(&path, frame.repeat(10)).expect("a temporary file");
        arguments.extend(["-f", demuxer, "-c:a", decoder, "-i", &path].map(String::from));
    }
    for (n, format) in formats.iter().enumerate() {
        let (input, path) = (n.to_string(), name(format.audio_rate_hz) + ".pcm");
        arguments.extend(["-map", &input, "-f", "s16le", "-y", &path].map(String::from));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = ts::ffmpeg(&arguments);
    // The demuxer of bare ADTS says that it can only guess how long the file is.
    let words = String::from_utf8_lossy(&output.stderr);
    let mut words = words
        .lines()
        .filter(|line| !line.contains("Estimating duration"));
    assert!(output.status.success(), "{formats:?}");
    assert_eq!(words.next(), None, "{formats:?}");
    for format in formats {
        let decoded = fs::read(name(format.audio_rate_hz) + ".pcm").expect("what was decoded");
        assert!(decoded.iter().all(|&byte| byte == 0), "{format:?} is heard");
        let samples = frame_samples(format.audio, format.audio_rate_hz) as usize;
        let length = decoded.len() / 2 / usize::from(format.audio_channels);
        // A decoder may hold the last frame back or drop the first.
        assert!(
            (samples * 8..=samples * 10).contains(&length),
            "{format:?}: {length}"
        );
    }
}

#[test]
fn silence_of_every_rate_and_layout_decodes_without_a_word_to_nothing_but_zeros() {
    let dir = tempfile::tempdir().expect("a directory");
    let rates = [
        8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200,
        96_000,
    ];
    let mut decoded = 0;
    for audio in AUDIO {
        let (decoder, demuxer) = match audio {
            AudioCodec::Aac => ("aac", "aac"),
            AudioCodec::Ac3 => ("ac3", "ac3"),
            AudioCodec::Eac3 => ("eac3", "eac3"),
            AudioCodec::Mp2 => ("mp2", "mp3"),
            AudioCodec::Mp3 => ("mp3", "mp3"),
        };
        for audio_channels in 1..=8u8 {
            let format = |audio_rate_hz| Format {
                audio_rate_hz,
                audio_channels,
                ..format(VideoCodec::H264, audio)
            };
            let formats = rates.map(format);
            let formats: Vec<_> = formats
                .into_iter()
                .filter(|f| silent_frame(f).is_some())
                .collect();
            if !formats.is_empty() {
                decode_to_zeros(dir.path(), demuxer, decoder, &formats);
            }
            decoded += formats.len();
        }
    }
    assert_eq!(decoded, 12 * 7 + 2 * 3 * 6 + 2 * 6 * 2);
}

#[test]
fn time_stamps_arrive_to_the_tick_also_where_33_bits_wrap() {
    let dir = tempfile::tempdir().expect("a directory");
    let wrap = 1i64 << 33;
    let starts = [
        900_000,
        wrap - 5 * 90_000,
        wrap - 63_000 - 90_000,
        7 * wrap - 12_345,
        -450_000,
    ];
    for video in VIDEO {
        for (n, start) in starts.into_iter().enumerate() {
            let format = format(video, AudioCodec::Ac3);
            let units = slate_and_silence(&format, Ticks90k(start), 10);
            let stream = mux(Layout::for_format(&format, "Wrap"), &units);
            let path = written(dir.path(), &format!("{video:?}-{n}"), &stream);
            ts::check(&path, STRICT);
            let packets = ts::packets(&path);
            assert_eq!(packets.len(), units.len());
            for kind in [StreamKind::Video, StreamKind::Audio] {
                let is_video = kind == StreamKind::Video;
                let sent = units.iter().filter(|unit| unit.kind == kind);
                let received = packets.iter().filter(|packet| packet.video == is_video);
                for (unit, packet) in sent.zip(received) {
                    let off = (packet.pts.0 - unit.pts.0).rem_euclid(wrap);
                    assert_eq!(off, 0, "{video:?} {:?}", unit.pts);
                    let off = (packet.dts.0 - unit.dts.0).rem_euclid(wrap);
                    assert_eq!(off, 0, "{video:?} {:?}", unit.dts);
                }
            }
        }
    }
}

/// What an independent reader finds in a stream: everything in it that can be wrong in one packet.
fn read_independently(stream: &[u8]) -> Vec<(u16, Vec<u8>)> {
    use mpeg2ts_reader::packet::{ContinuityCounter, Packet};
    let mut last: std::collections::HashMap<u16, ContinuityCounter> = Default::default();
    let mut units: Vec<(u16, Vec<u8>)> = Vec::new();
    for bytes in stream.chunks(188) {
        let packet = Packet::try_new(bytes).expect("a packet");
        let pid = u16::from(packet.pid());
        if pid == 0x1FFF {
            continue;
        }
        let counter = packet.continuity_counter();
        if packet.adaptation_control().has_payload() {
            if let Some(last) = last.insert(pid, counter) {
                assert!(
                    counter.follows(last),
                    "PID {pid:#x}: {counter:?} after {last:?}"
                );
            }
            let payload = packet.payload().expect("payload");
            if packet.payload_unit_start_indicator() {
                units.push((pid, payload.to_vec()));
            } else {
                let unit = units.iter_mut().rev().find(|unit| unit.0 == pid);
                unit.expect("a unit that goes on")
                    .1
                    .extend_from_slice(payload);
            }
        }
    }
    units
}

#[test]
fn an_independent_reader_finds_every_unit_whole_and_every_table_sound() {
    use mpeg2ts_reader::pes::{PesContents, PesHeader, PesLength, PtsDts};
    let format = format(VideoCodec::H264, AudioCodec::Aac);
    let units = slate_and_silence(&format, Ticks90k(900_000), 4);
    let read = read_independently(&mux(Layout::for_format(&format, "Kanal é"), &units));

    let mut pictures = units.iter().filter(|unit| unit.kind == StreamKind::Video);
    let (mut tables, mut sound) = (0, Vec::new());
    for (pid, bytes) in &read {
        if ![0x100, 0x101].contains(pid) {
            let section = &bytes[1..];
            let length = usize::from(u16::from_be_bytes([section[1] & 0x0F, section[2]])) + 3;
            assert_eq!(mpeg2ts_reader::mpegts_crc::sum32(&section[..length]), 0);
            assert!(section[length..].iter().all(|&byte| byte == 0xFF));
            tables += 1;
            continue;
        }
        let header = PesHeader::from_bytes(bytes).expect("a PES header");
        let PesContents::Parsed(Some(contents)) = header.contents() else {
            panic!("no PES contents");
        };
        let Ok(PtsDts::PtsOnly(Ok(pts))) = contents.pts_dts() else {
            panic!("no PTS alone");
        };
        if *pid == 0x100 {
            let unit = pictures.next().expect("no more pictures than sent");
            assert_eq!(pts.value() as i64, unit.pts.0);
            assert!(matches!(header.pes_packet_length(), PesLength::Unbounded));
            let sets = unit.parameter_sets.as_deref().unwrap_or_default();
            let sent = [&[0, 0, 0, 1, 9, 0xF0], sets, &unit.data].concat();
            assert_eq!(contents.payload(), sent);
        } else {
            assert!(matches!(header.pes_packet_length(), PesLength::Bounded(_)));
            sound.extend_from_slice(contents.payload());
        }
    }
    assert!(pictures.next().is_none());
    assert!(tables >= 4 * 2 * 10, "{tables}");
    let sent: Vec<u8> = silence(&format, Ticks90k(0), 4)
        .into_iter()
        .flat_map(|unit| unit.data)
        .collect();
    assert_eq!(sound, sent);
}

#[test]
fn radio_and_silent_film_pass_the_checker() {
    let dir = tempfile::tempdir().expect("a directory");
    let start = Ticks90k(900_000);
    for audio in AUDIO {
        let format = Format {
            audio_rate_hz: 44_100,
            ..format(VideoCodec::H264, audio)
        };
        let layout = Layout {
            video: None,
            ..Layout::for_format(&format, "Radio")
        };
        let stream = mux(layout, &silence(&format, start, 10));
        let path = written(dir.path(), &format!("{audio:?}"), &stream);
        // The checker guesses the time of the first tables from the packet rate, which is low.
        ts::check(
            &path,
            &[
                "--strict", "--pcr-ms", "40", "--pat-ms", "200", "--pmt-ms", "200",
            ],
        );
        ts::decodes_silently(&path);
    }
    for video in VIDEO {
        let format = format(video, AudioCodec::Aac);
        let layout = Layout {
            audio: None,
            ..Layout::for_format(&format, "Film")
        };
        let stream = mux(layout, &slate_and_silence(&format, start, 10));
        ts::check(&written(dir.path(), &format!("{video:?}"), &stream), STRICT);
    }
}

#[test]
fn a_clone_makes_the_same_bytes_again_and_is_small() {
    let format = format(VideoCodec::Hevc, AudioCodec::Eac3);
    let units = slate_and_silence(&format, Ticks90k(0), 5);
    let mut muxer = Muxer::new(Layout::for_format(&format, "Again"));
    assert!(size_of::<Muxer>() < 512, "{}", size_of::<Muxer>());
    let mut out = Vec::new();
    let mut checkpoints = Vec::new();
    for (n, unit) in units.iter().enumerate() {
        if n % 7 == 3 {
            checkpoints.push((n, out.len(), muxer.clone()));
        }
        muxer.write(unit, &mut out);
    }
    for (from, place, mut muxer) in checkpoints {
        let mut again = Vec::new();
        for unit in &units[from..] {
            muxer.write(unit, &mut again);
        }
        assert!(again == out[place..], "from unit {from}");
    }
}

#[test]
fn the_service_has_the_name_of_its_channel_in_any_script_at_least_every_two_seconds() {
    let dir = tempfile::tempdir().expect("a directory");
    let format = format(VideoCodec::H264, AudioCodec::Aac);
    for (n, name) in ["Kino 1", "Ciné été", "Кино", "映画"]
        .into_iter()
        .enumerate()
    {
        for mux_rate_kbit in [None, NonZeroU32::new(2_000)] {
            let layout = Layout {
                mux_rate_kbit,
                ..Layout::for_format(&format, name)
            };
            let stream = mux(layout, &slate_and_silence(&format, Ticks90k(900_000), 6));
            let path = written(dir.path(), &format!("name-{n}"), &stream);
            let output = std::process::Command::new("ffprobe")
                .args(["-v", "error", "-of", "default=nw=1:nk=1", "-show_entries"])
                .args([
                    "program_tags=service_name,service_provider",
                    ts::text(&path),
                ])
                .output()
                .expect("ffprobe");
            let said = String::from_utf8_lossy(&output.stdout);
            let mut said: Vec<_> = said.lines().filter(|line| !line.is_empty()).collect();
            said.sort_unstable();
            let mut expected = [name, "exstreamd"];
            expected.sort_unstable();
            assert_eq!(said, expected);
            // Six seconds: by the clock of the stream there is one every half second.
            let tables = stream
                .chunks(188)
                .filter(|p| (p[1] & 0x1F, p[2]) == (0, 0x11));
            assert!(tables.count() >= 11);
        }
    }
}

#[test]
fn a_discontinuity_is_announced_on_every_pid_and_counters_run_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let format = format(VideoCodec::H264, AudioCodec::Aac);
    let layout = Layout::for_format(&format, "Jump");
    // The second jump is not asked for: a step of 100 s is one by itself.
    let starts = [900_000, 90_000, 9_000_000];
    let mut muxer = Muxer::new(layout);
    let mut out = Vec::new();
    for (n, start) in starts.into_iter().enumerate() {
        if n == 1 {
            muxer.discontinuity();
        }
        for unit in slate_and_silence(&format, Ticks90k(start), 4) {
            muxer.write(&unit, &mut out);
        }
    }
    muxer.flush(&mut out);
    let path = written(dir.path(), "jump", &out);
    ts::check(&path, &["--strict", "--pcr-ms", "40"]);
    let mut flagged = [0; 5];
    for packet in out.chunks(188) {
        let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
        let place = [0, 0x11, 0x1000, 0x100, 0x101]
            .iter()
            .position(|&p| p == pid);
        if packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x80 != 0 {
            flagged[place.expect("a PID of ours")] += 1;
        }
    }
    assert_eq!(flagged, [2; 5]);
    read_independently(&out);
}

#[test]
fn tables_and_clock_go_on_without_units_and_audio_does_not_wait_for_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let format = format(VideoCodec::H264, AudioCodec::Aac);
    let mut muxer = Muxer::new(Layout::for_format(&format, "Pause"));
    let mut out = Vec::new();
    let units = slate_and_silence(&format, Ticks90k(0), 6);
    // Three seconds in which only time passes.
    let pause = Ticks90k::SECOND..Ticks90k(4 * 90_000);
    for unit in &units {
        if pause.contains(&unit.dts) {
            let before = out.len();
            muxer.advance(unit.dts, &mut out);
            assert!(out.len() - before <= 188 * 12);
        } else {
            muxer.write(unit, &mut out);
        }
    }
    muxer.flush(&mut out);
    let path = written(dir.path(), "pause", &out);
    let gaps = "VIDEO_gap,AUDIO_gap,2.5 PTS_error,1.6 PID_error";
    let report = ts::check(
        &path,
        &[
            "--strict", "--pcr-ms", "40", "--pat-ms", "110", "--pmt-ms", "110", "--ignore", gaps,
        ],
    );
    assert!(
        report.is_null() || report["rules"]["AUDIO_gap"]["count"].as_u64() >= Some(1),
        "{report:#}"
    );
}

#[test]
fn a_multiplexer_that_takes_over_from_another_announces_the_break() {
    let dir = tempfile::tempdir().expect("a directory");
    let format = format(VideoCodec::H264, AudioCodec::Aac);
    let mut out = Vec::new();
    for (start, takes_over) in [(9_000_000, false), (900_000, true)] {
        let mut muxer = Muxer::new(Layout::for_format(&format, "Jump"));
        if takes_over {
            muxer.discontinuity();
        }
        for unit in slate_and_silence(&format, Ticks90k(start), 3) {
            muxer.write(&unit, &mut out);
        }
        muxer.flush(&mut out);
    }
    let path = written(dir.path(), "taken-over", &out);
    ts::check(&path, &["--strict", "--pcr-ms", "40"]);
}
