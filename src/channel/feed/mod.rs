//! What fills a part of a channel's time: each feed is a task that delivers access units in channel time
//! through a short queue. One that copies a file delivers its beginning, and then as much as the channel wants;
//! the others read ahead a little and then wait for the channel.

pub mod copy;
mod sound;
pub mod transcode;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Services;
use super::programming::Play;
use super::splice::Sound;
use crate::error::{Error, ErrorKind};
use crate::library::Location;
use crate::media::probe::Container;
use crate::media::{AccessUnit, CopyClass, Format, Ticks90k};

/// Batches that may wait for the channel.
const WAITING_BATCHES: usize = 1;

/// What a feed says.
#[derive(Debug)]
pub enum Event {
    /// It can deliver. Said again when its sound has come to an end before the rest.
    Opened {
        /// Whether it has pictures.
        has_video: bool,
        /// What sound it has.
        sound: Sound,
    },
    /// Units in decode order.
    Units(Vec<AccessUnit>),
    /// Everything has been delivered.
    Ended,
    /// It cannot go on.
    Failed(Error),
    /// Its sound cannot go on for the moment, its pictures do: for the log.
    Silent(Error),
}

/// How a feed is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In-process.
    Copy,
    /// The pictures in-process, where there are any, and the sound by an ffmpeg.
    Sound,
    /// By an ffmpeg.
    Whole,
}

impl Way {
    /// The least that has to be done to `play`.
    pub fn of(play: &Play) -> Self {
        let (video, audio) = match play.class {
            CopyClass::Copy => return Self::Copy,
            CopyClass::Transcode { video, audio, .. } => (video, audio),
        };
        let probe = &play.probe;
        let is_native = probe.not_native.is_none() && probe.container != Container::Other;
        match (&probe.video, probe.audio.is_empty()) {
            // The slate stands in for pictures.
            (None, false) if is_native && !audio => Self::Copy,
            (None, false) => Self::Sound,
            (Some(_), false) if is_native && !video && audio => Self::Sound,
            _ => Self::Whole,
        }
    }
}

/// Starts the stretch `cut` of `play` for a channel of `format`.
pub fn start(services: &Services, format: Format, play: &Play, way: Way, cut: Cut) -> Feed {
    match (way, &play.location) {
        (Way::Copy, location) => copy::start(
            services.reads.clone(),
            play.device.clone(),
            location.clone(),
            cut,
        ),
        (Way::Sound, Location::File(path)) => sound::start(services, format, play, path, cut),
        (Way::Whole, Location::File(path)) => transcode::start(services, format, play, path, cut),
        (_, Location::Url(url)) => {
            let message = format!(
                "{url} must be transcoded, and ffmpeg is given files only: copy it to a folder of the library"
            );
            Feed::failed(Error::new(ErrorKind::Unsupported, message))
        }
    }
}

/// Which stretch of an item is played, and where it lies in channel time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Start at the random access point at or before this, in item time.
    pub from: Ticks90k,
    /// Deliver what is shown before this, in item time.
    pub to: Ticks90k,
    /// Channel time minus item time.
    pub offset: Ticks90k,
}

/// A running feed. Dropping it ends it.
#[derive(Debug)]
pub struct Feed {
    events: mpsc::Receiver<Event>,
    wanted: watch::Sender<Ticks90k>,
    task: JoinHandle<()>,
}

impl Feed {
    fn spawn<F>(run: impl FnOnce(Outlet) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(WAITING_BATCHES);
        let (wanted, wants) = watch::channel(Ticks90k(i64::MIN));
        let outlet = Outlet {
            events: sender,
            wants,
        };
        Self {
            events,
            wanted,
            task: tokio::spawn(run(outlet)),
        }
    }

    /// A feed that only says why there is none.
    fn failed(error: Error) -> Self {
        Self::spawn(|outlet| async move {
            // The channel has gone away when nobody receives.
            let _ = outlet.send(Event::Failed(error)).await;
        })
    }

    /// The channel wants what is decoded up to `to`. Never takes back what was wanted before.
    pub fn want(&self, to: Ticks90k) {
        self.wanted.send_if_modified(|wanted| {
            let more = to > *wanted;
            *wanted = to.max(*wanted);
            more
        });
    }

    /// The next event; as [`Feed::poll_event`]. Cancel-safe.
    async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The next event; `None` when the task ended without saying so (it panicked).
    pub fn poll_event(
        &mut self,
        ctx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Event>> {
        self.events.poll_recv(ctx)
    }
}

/// The feed's own end.
struct Outlet {
    events: mpsc::Sender<Event>,
    wants: watch::Receiver<Ticks90k>,
}

impl Outlet {
    /// `false` when the channel has gone away.
    async fn send(&self, event: Event) -> bool {
        self.events.send(event).await.is_ok()
    }

    /// Waits until the channel wants more than what is decoded up to `have`, and says up to where. `None` when
    /// the channel has gone away.
    async fn wanted(&mut self, have: Ticks90k) -> Option<Ticks90k> {
        let wanted = self.wants.wait_for(|&wanted| wanted > have).await;
        wanted.ok().map(|wanted| *wanted)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}
