//! Oracles for transport streams: the checker of `tests/ts`, ffprobe and ffmpeg.
// Each test program uses some of these; a test fails by panicking.
#![allow(dead_code, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use exstreamd::media::Ticks90k;
use serde_json::Value;

/// The checker's own folder.
pub(crate) fn checker() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ts")
}

/// Runs `ts_check.py` on a file and returns its report, failing the test on any error that it finds.
/// Null where there is no Python, which is said.
#[track_caller]
pub(crate) fn check(path: &Path, options: &[&str]) -> Value {
    if !super::clients::have("python3") {
        return Value::Null;
    }
    let (ok, report) = report(path, options);
    assert!(ok, "{}: {report:#}", path.display());
    report
}

/// Runs `ts_check.py` on a file: whether it found no errors, and its report.
#[track_caller]
pub(crate) fn report(path: &Path, options: &[&str]) -> (bool, Value) {
    let output = Command::new("python3")
        .arg(checker().join("ts_check.py"))
        .arg(path)
        .args(options)
        .output()
        .expect("python3");
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), report)
}

/// Decodes everything and fails on the first word that ffmpeg says. Time stamps stay as they are: left to
/// itself ffmpeg squeezes pictures of all rates into the first one's, and complains of its own doing.
#[track_caller]
pub(crate) fn decodes_silently(path: &Path) {
    let output = ffmpeg(&[
        "-v",
        "warning",
        "-xerror",
        "-i",
        text(path),
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "-1",
        "-f",
        "null",
        "-",
    ]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && words.is_empty(),
        "{}: {words}",
        path.display()
    );
}

/// Runs ffmpeg without standard input.
#[track_caller]
pub(crate) fn ffmpeg(arguments: &[&str]) -> Output {
    Command::new("ffmpeg")
        .arg("-nostdin")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg")
}

/// A path as text; test paths are ASCII.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("an ASCII path")
}

/// One packet as libavformat reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) video: bool,
    pub(crate) pts: Ticks90k,
    pub(crate) dts: Ticks90k,
    pub(crate) bytes: usize,
    pub(crate) key: bool,
}

/// All packets of a transport stream in file order, with its own 90 kHz time stamps.
#[track_caller]
pub(crate) fn packets(path: &Path) -> Vec<Packet> {
    let entries = "packet=codec_type,pts,dts,size,flags";
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            entries,
            "-of",
            "json",
            text(path),
        ])
        .stdin(Stdio::null())
        .output()
        .expect("ffprobe");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON of ffprobe");
    let time = |value: &Value| Ticks90k(value.as_i64().expect("a time stamp"));
    let packet = |packet: &Value| Packet {
        video: packet["codec_type"] == "video",
        pts: time(&packet["pts"]),
        // Without one it is the PTS (ISO 13818-1 §2.4.3.7); before the first, ffprobe may not say so.
        dts: time(packet.get("dts").unwrap_or(&packet["pts"])),
        bytes: packet["size"]
            .as_str()
            .and_then(|s| s.parse().ok())
            .expect("a size"),
        key: packet["flags"]
            .as_str()
            .is_some_and(|flags| flags.starts_with('K')),
    };
    report["packets"]
        .as_array()
        .expect("packets")
        .iter()
        .map(packet)
        .collect()
}

/// Whether a stream shows a film or the black slate at its end, by what a picture takes there on average.
#[track_caller]
pub(crate) fn shows_film(bytes: &[u8]) -> bool {
    /// A group of pictures.
    const LAST: usize = 50;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("stream.ts");
    std::fs::write(&path, bytes).expect("writing");
    let all = packets(&path);
    let pictures: Vec<usize> = all.iter().filter(|p| p.video).map(|p| p.bytes).collect();
    assert!(pictures.len() >= LAST, "{} pictures", pictures.len());
    pictures.iter().rev().take(LAST).sum::<usize>() / LAST > 225
}
