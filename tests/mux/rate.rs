//! Streams of a fixed rate: exact clock, null packets, content that needs more.

use super::*;

/// Pictures of `size(n)` bytes at 25 per second, with silence, as units of a stream: what an encoder with
/// large random access points makes, though no decoder could show it.
fn lumpy(seconds: i64, start: Ticks90k, size: impl Fn(usize) -> usize) -> Vec<AccessUnit> {
    let format = format(VideoCodec::H264, AudioCodec::Aac);
    let mut units = slate_and_silence(&format, start, seconds);
    let pictures = units
        .iter_mut()
        .filter(|unit| unit.kind == StreamKind::Video);
    for (n, unit) in pictures.enumerate() {
        unit.data.resize(size(n), 0x55);
    }
    units
}

fn at_rate(kbit: u32) -> Layout {
    Layout {
        mux_rate_kbit: NonZeroU32::new(kbit),
        ..Layout::for_format(&format(VideoCodec::H264, AudioCodec::Aac), "Constant")
    }
}

/// One random access picture of 400 ms of the rate per second; all others small.
const LUMPY_KBIT: u32 = 4_000;
fn lump(n: usize) -> usize {
    if n.is_multiple_of(25) { 200_000 } else { 4_000 }
}

#[test]
fn a_fixed_rate_is_kept_to_the_packet_and_its_clock_is_exact() {
    let dir = tempfile::tempdir().expect("a directory");
    // Over the wrap of the clock.
    for (n, start) in [900_000, (1 << 33) - 6 * 90_000].into_iter().enumerate() {
        for kbit in [LUMPY_KBIT, 6_543, 20_000] {
            let units = lumpy(12, Ticks90k(start), lump);
            let mut muxer = Muxer::new(at_rate(kbit));
            let mut out = Vec::new();
            for unit in &units {
                muxer.write(unit, &mut out);
            }
            muxer.flush(&mut out);
            assert_eq!(muxer.packets_over_rate(), 0);
            let bits = out.len() as f64 * 8.0 / 1000.0 / f64::from(kbit);
            assert!((11.3..=12.1).contains(&bits), "{bits} s at {kbit} kbit/s");
            let path = written(dir.path(), &format!("{kbit}-{n}"), &out);
            let options = [
                "--strict",
                "--pcr-ms",
                "40",
                "--pat-ms",
                "100",
                "--pmt-ms",
                "100",
                "--cbr",
                "--min-lead-ms",
                "190",
                "--max-gap-frames",
                "1",
                "--no-changes",
            ];
            let report = ts::check(&path, &options);
            if !report.is_null() {
                let off = |end: &str| report["pcr"]["accuracy_vs_cbr_ns"][end].as_f64();
                for end in ["min", "max"] {
                    let off = off(end).unwrap_or_else(|| panic!("{:#}", report["pcr"]));
                    // A tick of 27 MHz is 37 ns.
                    assert!(off.abs() <= 40.0, "{kbit} kbit/s: {off} ns");
                }
            }
            let packets = ts::packets(&path);
            assert_eq!(packets.len(), units.len());
        }
    }
}

#[test]
fn content_over_the_fixed_rate_goes_out_in_time_and_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    // Two seconds of 8 Mbit/s in a stream of 4, between quiet ones.
    let burst = |n: usize| {
        if (75..125).contains(&n) {
            40_000
        } else {
            4_000
        }
    };
    let units = lumpy(8, Ticks90k(900_000), burst);
    let mut muxer = Muxer::new(at_rate(LUMPY_KBIT));
    let mut out = Vec::new();
    for unit in &units {
        muxer.write(unit, &mut out);
    }
    muxer.flush(&mut out);
    let over = muxer.packets_over_rate();
    let sent: usize = (75..125).map(burst).sum::<usize>() / 184;
    assert!((sent / 4..=sent).contains(&(over as usize)), "{over}");
    let path = written(dir.path(), "over", &out);
    let options = [
        "--strict",
        "--pcr-ms",
        "40",
        "--pat-ms",
        "100",
        "--pmt-ms",
        "100",
        "--min-lead-ms",
        "190",
        "--max-gap-frames",
        "1",
    ];
    ts::check(&path, &options);
    let packets = ts::packets(&path);
    assert_eq!(packets.len(), units.len(), "nothing is dropped");
}

#[test]
fn a_stream_of_fixed_rate_is_made_again_from_a_clone_and_announces_breaks() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut muxer = Muxer::new(at_rate(LUMPY_KBIT));
    let (mut out, mut checkpoints) = (Vec::new(), Vec::new());
    let mut units = lumpy(5, Ticks90k(900_000), lump);
    units.extend(lumpy(5, Ticks90k(90_000), lump));
    for (n, unit) in units.iter().enumerate() {
        if unit.kind == StreamKind::Video && unit.rap != Rap::No {
            muxer.cut(unit.dts, &mut out);
            checkpoints.push((n, out.len(), muxer.clone()));
        }
        muxer.write(unit, &mut out);
    }
    assert!(size_of::<Muxer>() < 512, "{}", size_of::<Muxer>());
    for (from, place, mut muxer) in checkpoints {
        assert_eq!(out[place + 1..place + 3], [0x40, 0], "begins with the PAT");
        let mut again = Vec::new();
        for unit in &units[from..] {
            if unit.kind == StreamKind::Video && unit.rap != Rap::No {
                muxer.cut(unit.dts, &mut again);
            }
            muxer.write(unit, &mut again);
        }
        assert!(again == out[place..], "from unit {from}");
    }
    let path = written(dir.path(), "again", &out);
    ts::check(
        &path,
        &["--strict", "--pcr-ms", "40", "--min-lead-ms", "190"],
    );
    read_independently(&out);
}

#[test]
fn radio_of_a_fixed_rate_passes_the_checker() {
    let dir = tempfile::tempdir().expect("a directory");
    let format = format(VideoCodec::H264, AudioCodec::Mp2);
    let layout = Layout {
        video: None,
        mux_rate_kbit: NonZeroU32::new(512),
        ..Layout::for_format(&format, "Radio")
    };
    let stream = mux(layout, &silence(&format, Ticks90k(900_000), 10));
    let path = written(dir.path(), "radio", &stream);
    ts::check(
        &path,
        &[
            "--strict", "--pcr-ms", "40", "--pat-ms", "100", "--pmt-ms", "100", "--cbr",
        ],
    );
}
