//! Demuxers in tests: opening, reading to the end, comparing with ffprobe.

use std::path::Path;
use std::sync::Arc;

use exstreamd::media::mkv::Mkv;
use exstreamd::media::{AccessUnit, BytesSource, Demuxer, FileSource, Rap, StreamKind, Ticks90k};

use super::media::ProbedStream;

/// Opens a Matroska file.
pub fn open_mkv(path: &Path) -> Mkv {
    let source = FileSource::open(path).expect("opening the sample");
    Mkv::open(Arc::new(source)).expect("a Matroska file")
}

/// Opens Matroska in memory, called test.mkv in messages.
pub fn open_mkv_bytes(bytes: Vec<u8>) -> exstreamd::error::Result<Mkv> {
    Mkv::open(Arc::new(BytesSource::new("test.mkv", bytes)))
}

/// Everything from where the demuxer stands to the end.
pub fn read_all(demuxer: &mut dyn Demuxer) -> Vec<AccessUnit> {
    let mut units = Vec::new();
    let mut unit = AccessUnit::default();
    while demuxer.next(&mut unit).expect("a readable source") {
        units.push(unit.clone());
    }
    units
}

/// The units of one stream.
pub fn of(units: &[AccessUnit], kind: StreamKind) -> Vec<&AccessUnit> {
    units.iter().filter(|unit| unit.kind == kind).collect()
}

/// Everything about a unit but its bytes.
pub fn facts(unit: &AccessUnit) -> (StreamKind, Ticks90k, Ticks90k, Rap, usize) {
    (unit.kind, unit.pts, unit.dts, unit.rap, unit.data.len())
}

/// Matroska's times are rounded to milliseconds; ours stand on the grid that they were rounded from.
pub fn is_within_a_millisecond(stream: &ProbedStream, theirs: i64, ours: Ticks90k) -> bool {
    (stream.ticks(theirs) - ours.0).abs() < 90
}
