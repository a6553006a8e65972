//! The skeleton of a media file: a copy of the same size in which every coded picture and sound is zero, and headers,
//! tables, sizes, time stamps and parameter sets are as they were. Good as a fixture, and safe to send.
//!
//! Works by permission: the copy begins as one hole, and only what is known to be needed and to tell nothing of the
//! content is put in. Names, titles, tags, attachments, subtitles and whatever is not known stay zero. Damaged files
//! have skeletons too, as far as their structure can be followed. Must never write to the file that it reads.

mod audio;
mod copy;
mod mkv;
mod mp4;
mod mp4_samples;
mod ts;
mod video;

use std::fs::File;

use super::probe::{Container, container_of};
use super::read_at::Source;
use crate::bail;
use crate::error::Result;

use copy::Copy;

/// What of a file is left in its skeleton.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    /// Length of the file, and of the skeleton.
    pub size_bytes: u64,
    /// Bytes that are as they were. All others are zero, but for a stop bit at the end of each slice and message that
    /// was emptied, and a few bytes that say silence in frames of AAC with a header.
    pub kept_bytes: u64,
    /// Slices of pictures, or pictures where these are not told apart, whose content was zeroed.
    pub pictures: u64,
    /// Frames of sound whose content was zeroed.
    pub sounds: u64,
}

/// Writes the skeleton of `source` to `out`, which is empty and open for reading and writing. Blocks.
///
/// `Unsupported` for containers other than MP4, Matroska and transport streams, of which nothing is known.
pub fn write(source: Source, out: &File) -> Result<Kept> {
    let container = container_of(&source)?;
    let mut copy = Copy::new(source, out)?;
    match container {
        Container::Mp4 => mp4::write(&mut copy)?,
        Container::Matroska => mkv::write(&mut copy)?,
        Container::MpegTs => ts::write(&mut copy)?,
        Container::Other => bail!(Unsupported, "{}: its container is not known", copy.name()),
    }
    copy.finish()
}
