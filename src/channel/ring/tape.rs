//! What a channel multiplexed, as notes from which the same bytes can be made again out of the files: for
//! each random access point a copy of the multiplexer as it was, and for each unit behind it its times and a
//! digest of its data. Some 60 bytes stand for a picture of twenty thousand.
//!
//! Only what one file delivers can be made again. A stretch between two random access points belongs to the
//! file of its first picture; sound from elsewhere (silence, the end of the item before) is kept whole, as long
//! as it is little. Where that does not hold the notes end, and the ring keeps the bytes.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::media::{AccessUnit, Rap, StreamKind, Ticks90k};
use crate::mux::Muxer;

/// Files that a channel may have open or queued at one time, and some.
const FILES: usize = 64;
/// Data kept whole behind one random access point.
const KEPT_BYTES: usize = 256 << 10;
/// Notes behind one random access point: a minute and more.
const STEPS: usize = 8_192;
/// Sound that ends so little behind the random access point is kept whole too, since demultiplexers that seek begin
/// with the frame that covers the point.
const ENTRY: Ticks90k = Ticks90k(50 * 90);

/// Where the units of a feed come from.
#[derive(Debug)]
pub struct FileRef {
    /// A stable name of the device.
    pub device: String,
    /// The file.
    pub path: PathBuf,
    /// Channel time minus item time.
    pub offset: Ticks90k,
    /// Reading it again failed.
    is_lost: AtomicBool,
}

impl FileRef {
    /// A file that can be read.
    pub fn new(device: String, path: PathBuf, offset: Ticks90k) -> Self {
        Self {
            device,
            path,
            offset,
            is_lost: AtomicBool::new(false),
        }
    }

    pub(super) fn lose(&self) {
        self.is_lost.store(true, Relaxed);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Relaxed)
    }

    fn is_same(&self, other: &Self) -> bool {
        !self.is_lost() && self.path == other.path && self.offset == other.offset
    }
}

/// What the multiplexer was told.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Unit(Note),
    Cut(Ticks90k),
    Flush,
}

impl Step {
    /// Memory beside the step itself.
    pub(super) fn kept_bytes(&self) -> usize {
        match self {
            Self::Unit(Note {
                data: Data::Kept(data),
                ..
            }) => data.len(),
            _ => 0,
        }
    }
}

/// A unit without its data, as it was multiplexed.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) kind: StreamKind,
    pub(super) rap: Rap,
    pub(super) pts: Ticks90k,
    pub(super) dts: Ticks90k,
    pub(super) duration: Ticks90k,
    pub(super) data: Data,
}

/// The data of a unit.
#[derive(Clone, Debug)]
pub(super) enum Data {
    /// In the file, and this is how it is known again.
    InFile(Digest),
    Kept(Box<[u8]>),
}

/// Length and a mixture of all bytes. Not made against those who mean harm: it tells a file that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    bytes: u32,
    mixed: u64,
}

impl Digest {
    /// Reads eight bytes at a time: a hundredth of what multiplexing costs.
    pub(super) fn of(data: &[u8]) -> Self {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        let mix = |mixed: u64, word: u64| {
            let product = u128::from(mixed ^ word) * u128::from(ODD);
            product as u64 ^ (product >> 64) as u64 ^ mixed.rotate_left(23)
        };
        let words = data.chunks_exact(8);
        let rest = words
            .remainder()
            .iter()
            .fold(1, |rest, &byte| rest << 8 | u64::from(byte));
        let mixed = words.fold(ODD, |mixed, word| {
            mix(mixed, word.try_into().map_or(0, u64::from_le_bytes))
        });
        Self {
            bytes: u32::try_from(data.len()).unwrap_or(u32::MAX),
            mixed: mix(mixed, rest),
        }
    }
}

/// A random access point at which multiplexing can begin again.
#[derive(Clone, Debug)]
pub struct Start {
    pub(super) file: Arc<FileRef>,
    pub(super) muxer: Muxer,
    pub(super) parameter_sets: Option<Arc<[u8]>>,
    /// PTS of its picture.
    pub(super) entry: Ticks90k,
}

/// Takes the notes of one channel.
#[derive(Debug, Default)]
pub struct Tape {
    files: VecDeque<(u32, Arc<FileRef>)>,
    last_origin: u32,
    stretch: Option<Stretch>,
    steps: Vec<Step>,
}

/// What is being noted.
#[derive(Debug)]
struct Stretch {
    origin: u32,
    entry: Ticks90k,
    steps: usize,
    kept_bytes: usize,
}

impl Tape {
    /// A number for the units that come from `file`: see [`AccessUnit::origin`].
    pub fn origin_of(&mut self, file: FileRef) -> u32 {
        if let Some((origin, _)) = self.files.iter().find(|(_, known)| known.is_same(&file)) {
            return *origin;
        }
        self.last_origin = self.last_origin.wrapping_add(1).max(1);
        self.files.push_back((self.last_origin, Arc::new(file)));
        if self.files.len() > FILES {
            self.files.pop_front();
        }
        self.last_origin
    }

    /// Begins anew before the random access point `unit` is written, behind [`Muxer::cut`]. `None` when it
    /// cannot be read again.
    pub fn begin(&mut self, unit: &AccessUnit, muxer: &Muxer) -> Option<Start> {
        let known = |(origin, _): &&(u32, _)| unit.origin != 0 && *origin == unit.origin;
        let file = self.files.iter().find(known).map(|(_, file)| file.clone());
        self.stretch = file.as_ref().map(|_| Stretch {
            origin: unit.origin,
            entry: unit.pts,
            steps: 0,
            kept_bytes: 0,
        });
        Some(Start {
            file: file?,
            muxer: muxer.clone(),
            parameter_sets: unit.parameter_sets.clone(),
            entry: unit.pts,
        })
    }

    /// Notes what is being written.
    pub fn unit(&mut self, unit: &AccessUnit) {
        let Some(stretch) = &mut self.stretch else {
            return;
        };
        let is_first = stretch.steps == 0;
        let is_its_own = unit.origin == stretch.origin;
        let is_plain = is_first || (unit.rap == Rap::No && unit.parameter_sets.is_none());
        let data = match unit.kind {
            StreamKind::Video if is_its_own && is_plain => Data::InFile(Digest::of(&unit.data)),
            StreamKind::Audio if is_its_own && unit.pts + unit.duration > stretch.entry + ENTRY => {
                Data::InFile(Digest::of(&unit.data))
            }
            StreamKind::Audio if stretch.kept_bytes + unit.data.len() <= KEPT_BYTES => {
                stretch.kept_bytes += unit.data.len();
                Data::Kept(unit.data.as_slice().into())
            }
            _ => return self.stop(),
        };
        self.step(Step::Unit(Note {
            kind: unit.kind,
            rap: unit.rap,
            pts: unit.pts,
            dts: unit.dts,
            duration: unit.duration,
            data,
        }));
    }

    /// Notes [`Muxer::cut`].
    pub fn cut(&mut self, dts: Ticks90k) {
        self.step(Step::Cut(dts));
    }

    /// Notes [`Muxer::flush`], behind which nothing more of this stretch comes.
    pub fn flush(&mut self) {
        self.step(Step::Flush);
    }

    /// What comes now cannot be made again, up to the next random access point.
    pub fn stop(&mut self) {
        self.stretch = None;
    }

    fn step(&mut self, step: Step) {
        let Some(stretch) = &mut self.stretch else {
            return;
        };
        stretch.steps += 1;
        if stretch.steps > STEPS {
            return self.stop();
        }
        self.steps.push(step);
    }

    /// Whether everything since the random access point is noted.
    pub(super) fn is_whole(&self) -> bool {
        self.stretch.is_some()
    }

    /// The notes since the last call.
    pub(super) fn take(&mut self) -> std::vec::Drain<'_, Step> {
        self.steps.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_any_byte_and_any_other_length_is_another_digest() {
        let data: Vec<u8> = (0..61).collect();
        let digest = Digest::of(&data);
        assert_eq!(digest, Digest::of(&data.clone()));
        for at in 0..data.len() {
            for bit in 0..8 {
                let mut other = data.clone();
                other[at] ^= 1 << bit;
                assert_ne!(digest, Digest::of(&other), "byte {at}, bit {bit}");
            }
            assert_ne!(digest, Digest::of(&data[..at]), "{at} bytes");
        }
        assert_ne!(Digest::of(&[0; 8]), Digest::of(&[0; 9]));
        let mut swapped = data.clone();
        swapped[..16].rotate_left(8);
        assert_ne!(digest, Digest::of(&swapped));
    }
}
