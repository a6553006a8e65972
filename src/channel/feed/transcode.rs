//! Items that do not fit the format: what differs is encoded by an ffmpeg of their own, whose stream is
//! demultiplexed again, so that a client cannot tell where an item came from.

use std::path::Path;
use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::{Cut, Event, Feed, Outlet, Way};
use crate::channel::Services;
use crate::channel::programming::Play;
use crate::channel::splice::Sound;
use crate::error::{Error, ErrorKind, Result};
use crate::ffmpeg::Ffmpeg;
use crate::media::ts::TsStream;
use crate::media::{AccessUnit, CopyClass, Format};
use crate::system::Spawner;
use crate::transcode::{self, Job, Running};

/// Bytes read from the pipe in one go.
const READ_BYTES: usize = 64 << 10;

/// How ffmpeg is run. Cheap to clone.
#[derive(Clone)]
pub struct Transcoder {
    /// The program.
    pub ffmpeg: Arc<Ffmpeg>,
    /// Where children start.
    pub spawner: Spawner,
}

/// Starts ffmpeg for the stretch `cut` of `play`, which lies at `path`. It runs only as fast as the channel takes
/// its units.
pub(super) fn start(
    services: &Services,
    format: Format,
    play: &Play,
    path: &Path,
    cut: Cut,
) -> Feed {
    let transcoder = services.transcoder.get().cloned();
    // An item that we can read comes here when our own demuxer failed on it: then nothing of it is trusted.
    let class = match Way::of(play) {
        Way::Whole => play.class.clone(),
        Way::Copy | Way::Sound => CopyClass::Transcode {
            video: true,
            audio: true,
            reason: "could not be copied".into(),
        },
    };
    let job = Job {
        path: path.to_owned(),
        from: cut.from,
        to: cut.to,
        format,
        class,
        probe: play.probe.as_ref().clone(),
        sound_only: false,
    };
    match transcoder {
        Some(transcoder) => start_job(&transcoder, job, cut),
        None => Feed::failed(no_ffmpeg()),
    }
}

/// Starts ffmpeg for `job`, whose stretch is `cut`.
pub(super) fn start_job(transcoder: &Transcoder, job: Job, cut: Cut) -> Feed {
    let transcoder = transcoder.clone();
    Feed::spawn(|outlet| async move {
        let ended = run(&transcoder, &job, cut, &outlet).await;
        // The channel has gone away when nobody receives.
        let _ = outlet
            .send(match ended {
                Ok(()) => Event::Ended,
                Err(error) => Event::Failed(error),
            })
            .await;
    })
}

pub(super) fn no_ffmpeg() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "this item must be transcoded and there is no ffmpeg: install the package ffmpeg",
    )
}

async fn run(transcoder: &Transcoder, job: &Job, cut: Cut, outlet: &Outlet) -> Result<()> {
    let mut running = transcode::start(&transcoder.ffmpeg, &transcoder.spawner, job).await?;
    // ffmpeg is always asked for sound; where the source has none it makes silence.
    let opened = Event::Opened {
        has_video: !job.sound_only,
        sound: Sound::Along,
    };
    if !outlet.send(opened).await {
        return Ok(());
    }
    let mut stream = TsStream::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = running
            .stdout()
            .read(&mut buffer)
            .await
            .map_err(|e| Error::io("reading what ffmpeg makes", e))?;
        let mut ended = None;
        match buffer.get(..read) {
            Some(bytes) if read > 0 => stream.push(bytes),
            _ => {
                // What an ffmpeg that was killed was just writing is not a whole picture.
                let result = running.finish().await;
                if result.is_ok() {
                    stream.finish();
                }
                ended = Some(result);
            }
        }
        let units = units(&mut stream, &running, cut);
        if !units.is_empty() && !outlet.send(Event::Units(units)).await {
            return Ok(());
        }
        if let Some(result) = ended {
            return result;
        }
    }
}

/// Everything that has become whole, in channel time.
fn units(stream: &mut TsStream, running: &Running, cut: Cut) -> Vec<AccessUnit> {
    let mut units = Vec::new();
    let mut unit = AccessUnit::default();
    while stream.next(&mut unit) {
        let mut unit = std::mem::take(&mut unit);
        let pts = running.item_time(unit.pts);
        unit.dts = pts - (unit.pts - unit.dts) + cut.offset;
        unit.pts = pts + cut.offset;
        units.push(unit);
    }
    units
}
