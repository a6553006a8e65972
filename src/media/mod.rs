//! Bytes to access units: demuxers for MP4, Matroska and MPEG-TS, NAL and audio frame parsing, and the
//! native probe.
//!
//! Assumes that every byte may be damaged and every length may lie: a size read from a file never drives
//! an allocation beyond a fixed cap, tables are read through small windows, and damage costs an access
//! unit, never the file. Works on [`ReadAt`] alone: no async, no clock, no database, no process.

pub mod audio;
pub mod format;
pub mod mkv;
pub mod mp4;
pub mod nal;
pub mod probe;
pub mod read_at;
pub mod skeleton;
pub mod time;
pub mod ts;
pub mod unit;

pub use format::{CopyClass, Format, FormatWish, PictureRate, PictureSize};
pub use probe::{Probe, open};
pub use read_at::{BytesSource, FileSource, ReadAt, Source};
pub use time::Ticks90k;
pub use unit::{
    AccessUnit, AudioCodec, AudioTrack, Damage, Demuxer, Rap, StreamKind, Streams, VideoCodec,
    VideoTrack,
};
