//! What fills a part of a channel's time: each feed is a task that delivers access units in channel time
//! through a short queue. One that copies a file delivers its beginning, and then as much as the channel wants;
//! the others read ahead a little and then wait for the channel.

pub mod copy;
pub mod transcode;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::media::{AccessUnit, Ticks90k};

/// Batches that may wait for the channel.
const WAITING_BATCHES: usize = 1;

/// What a feed says.
#[derive(Debug)]
pub enum Event {
    /// It can deliver.
    Opened {
        /// Whether it has sound.
        has_audio: bool,
    },
    /// Units in decode order.
    Units(Vec<AccessUnit>),
    /// Everything has been delivered.
    Ended,
    /// It cannot go on.
    Failed(Error),
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

    /// The channel wants what is decoded up to `to`. Never takes back what was wanted before.
    pub fn want(&self, to: Ticks90k) {
        self.wanted.send_if_modified(|wanted| {
            let more = to > *wanted;
            *wanted = to.max(*wanted);
            more
        });
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
