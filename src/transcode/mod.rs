//! Items that a channel cannot copy: the part that differs from the channel's format is encoded anew by
//! an ffmpeg of their own, which writes a transport stream into a pipe. Time stamps stay those of the
//! source, so an item can be entered anywhere and its pictures land on their place to the tick.
//!
//! Software encoders only. Never needed for an item that fits its channel.

pub mod arguments;
mod presets;
pub mod running;

use std::path::PathBuf;

use crate::error::Result;
use crate::ffmpeg::Ffmpeg;
use crate::media::{CopyClass, Format, Probe, Ticks90k};
use crate::system::{Launch, Spawner};
pub use running::Running;

/// Transcoding yields to the channels that are copied.
const NICE: u8 = 5;

/// A part of an item, and what it has to become.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The file, absolute.
    pub path: PathBuf,
    /// The first moment wanted, in item time.
    pub from: Ticks90k,
    /// Where it ends, exclusive, in item time.
    pub to: Ticks90k,
    /// What the channel promises.
    pub format: Format,
    /// What has to be done.
    pub class: CopyClass,
    /// What the file is.
    pub probe: Probe,
    /// Only the sound is wanted, encoded anew; the picture comes from elsewhere.
    pub sound_only: bool,
}

/// Starts ffmpeg for `job`. It runs as fast as its output is read.
///
/// `Unavailable` names the encoder that this ffmpeg lacks; `Unsupported` what it cannot make.
pub async fn start(ffmpeg: &Ffmpeg, spawner: &Spawner, job: &Job) -> Result<Running> {
    for encoder in arguments::encoders(job) {
        if !ffmpeg.has_encoder(encoder) {
            crate::bail!(
                Unavailable,
                "{} was built without the encoder {encoder}: install a full ffmpeg and name its path in the configuration",
                ffmpeg.program().display()
            );
        }
    }
    let launch = Launch {
        nice: NICE,
        ..Launch::reading(
            ffmpeg.program(),
            arguments::arguments(job, ffmpeg.version())?,
        )
    };
    Running::new(spawner.spawn(launch).await?, job)
}
