//! Demuxers in tests: opening, reading to the end, comparing with ffprobe.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exstreamd::media::mkv::Mkv;
use exstreamd::media::{
    AccessUnit, BytesSource, Demuxer, FileSource, Rap, ReadAt, StreamKind, Ticks90k,
};

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

/// A source that counts how often it is read, and how much.
pub struct Counted<S> {
    inner: S,
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl<S: ReadAt> Counted<S> {
    /// Counts what is read of `inner`.
    pub fn new(inner: S) -> Arc<Self> {
        Arc::new(Self {
            inner,
            reads: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    /// Reads and bytes since the last call.
    pub fn taken(&self) -> (u64, u64) {
        (
            self.reads.swap(0, Ordering::Relaxed),
            self.bytes.swap(0, Ordering::Relaxed),
        )
    }
}

impl<S: ReadAt> ReadAt for Counted<S> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> exstreamd::error::Result<usize> {
        let read = self.inner.read_at(offset, buf)?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}
