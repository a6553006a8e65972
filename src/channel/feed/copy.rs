//! Items that fit the format: demultiplexed in-process, never decoded.

use std::path::PathBuf;

use tokio::sync::watch;

use super::{Cut, Event, Feed, Outlet};
use crate::channel::splice::Sound;
use crate::error::Result;
use crate::library::Location;
use crate::media::{self, AccessUnit, Damage, Demuxer, Source, StreamKind, Ticks90k};
use crate::system::reads::Reads;

/// Coded bytes read in one go; more only within a unit.
const BATCH_BYTES: usize = 128 << 10;
/// Units read in one go.
const BATCH_UNITS: usize = 512;
/// How much behind the cut is read without being asked for.
const BEGINNING: Ticks90k = Ticks90k(100 * 90);
/// A stream that has not reached the cut this long after the other has ended.
const TAIL: Ticks90k = Ticks90k(2 * 90_000);

/// Starts copying what is at `location`: a file on `device`, or on a web server, which is a device of its own.
pub fn start(reads: Reads, device: String, location: impl Into<Location>, cut: Cut) -> Feed {
    let location = location.into();
    let device = match &location {
        Location::File(_) => device,
        Location::Url(url) => url.server(),
    };
    spawn(reads, device, location, cut, Reader::open)
}

/// The same of a file without its sound.
pub(super) fn start_pictures(reads: Reads, device: String, path: PathBuf, cut: Cut) -> Feed {
    spawn(reads, device, path.into(), cut, Reader::open_pictures)
}

/// How a reader is made of an opened location.
type Open = fn(Source, Cut) -> Result<Reader>;

fn spawn(reads: Reads, device: String, location: Location, cut: Cut, open: Open) -> Feed {
    Feed::spawn(move |mut outlet| async move {
        if let Err(error) = run(&reads, &device, location, cut, open, &mut outlet).await {
            // The channel has gone away when nobody receives.
            let _ = outlet.send(Event::Failed(error)).await;
        }
    })
}

async fn run(
    reads: &Reads,
    device: &str,
    location: Location,
    cut: Cut,
    open: Open,
    outlet: &mut Outlet,
) -> Result<()> {
    // Dropped with the feed: what it reads from a server that hangs ends then, and its thread is free.
    let (_interest, wanted) = watch::channel(());
    let open = move || open(location.open(Some(wanted))?, cut);
    let mut held = Held {
        reader: Some(reads.run(device, open).await?),
        reads,
        device,
    };
    if let Some(reader) = &held.reader {
        let (has_video, sound) = (reader.has_video(), reader.sound());
        let opened = Event::Opened { has_video, sound };
        if !outlet.send(opened).await {
            return Ok(());
        }
    }
    let mut wanted = cut.from + cut.offset + BEGINNING;
    while let Some(mut reader) = held.reader.take() {
        let (back, units) = reads
            .run(device, move || {
                let units = reader.batch(wanted)?;
                Ok((reader, units))
            })
            .await?;
        let (ended, reached) = (back.ended(), back.reached());
        held.reader = Some(back);
        if !outlet.send(Event::Units(units)).await {
            return Ok(());
        }
        if ended {
            let _ = outlet.send(Event::Ended).await;
            return Ok(());
        }
        if reached >= wanted {
            let Some(more) = outlet.wanted(reached).await else {
                return Ok(());
            };
            wanted = more;
        }
    }
    Ok(())
}

/// A reader between two reads. It is closed where it is read, also when the feed is dropped: a mount that
/// hangs holds up whoever closes a file on it.
struct Held<'a> {
    reader: Option<Reader>,
    reads: &'a Reads,
    device: &'a str,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.reads.discard(self.device, reader);
        }
    }
}

/// A demuxer with a cut.
pub struct Reader {
    demuxer: Box<dyn Demuxer>,
    cut: Cut,
    pictures_only: bool,
    video_done: bool,
    audio_done: bool,
    ended: bool,
    reached: Ticks90k,
}

impl Reader {
    /// Opens `source` at the cut. Blocks.
    pub fn open(source: Source, cut: Cut) -> Result<Self> {
        Self::open_some(source, cut, false)
    }

    /// Opens `source` at the cut and leaves its sound out. Blocks.
    pub fn open_pictures(source: Source, cut: Cut) -> Result<Self> {
        Self::open_some(source, cut, true)
    }

    fn open_some(source: Source, cut: Cut, pictures_only: bool) -> Result<Self> {
        let mut demuxer = media::open(source)?;
        demuxer.seek(cut.from)?;
        let streams = demuxer.streams();
        let no_sound = streams.audio.is_none() || pictures_only;
        let (video_done, audio_done) = (streams.video.is_none(), no_sound);
        Ok(Self {
            demuxer,
            cut,
            pictures_only,
            video_done,
            audio_done,
            ended: false,
            reached: Ticks90k(i64::MIN),
        })
    }

    /// Whether the file has pictures that we carry.
    pub fn has_video(&self) -> bool {
        self.demuxer.streams().video.is_some()
    }

    /// What sound it delivers.
    pub fn sound(&self) -> Sound {
        match self.demuxer.streams().audio.is_some() && !self.pictures_only {
            true => Sound::Along,
            false => Sound::None,
        }
    }

    /// Whether everything up to the cut has been delivered.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// What damage cost so far.
    pub fn damage(&self) -> Damage {
        self.demuxer.damage()
    }

    /// Up to where in channel time units have been delivered, by their order of decoding.
    pub fn reached(&self) -> Ticks90k {
        self.reached
    }

    /// Units in channel time: those decoded up to `wanted` and one behind, unless they are many. Blocks.
    pub fn batch(&mut self, wanted: Ticks90k) -> Result<Vec<AccessUnit>> {
        let mut units = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES
            && units.len() < BATCH_UNITS
            && (self.reached < wanted || units.is_empty())
        {
            let mut unit = AccessUnit::default();
            if !self.demuxer.next(&mut unit)? {
                self.ended = true;
                break;
            }
            let past = unit.pts >= self.cut.to;
            match unit.kind {
                StreamKind::Audio if self.pictures_only => continue,
                StreamKind::Video => self.video_done |= past,
                StreamKind::Audio => self.audio_done |= past,
            }
            // The splicer is told of the first unit past the cut; it knows the rest.
            if (self.video_done && self.audio_done) || unit.dts > self.cut.to + TAIL {
                self.ended = true;
            }
            bytes += unit.data.len();
            unit.pts += self.cut.offset;
            unit.dts += self.cut.offset;
            self.reached = self.reached.max(unit.dts);
            units.push(unit);
            if self.ended {
                break;
            }
        }
        Ok(units)
    }
}
