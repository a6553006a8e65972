//! What fills a part of a channel's time: each feed is a task that delivers access units in channel time
//! through a short queue, so that it reads ahead a little and then waits for the channel.

pub mod copy;
pub mod transcode;

use tokio::sync::mpsc;
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
    task: JoinHandle<()>,
}

impl Feed {
    fn spawn<F>(run: impl FnOnce(mpsc::Sender<Event>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(WAITING_BATCHES);
        Self {
            events,
            task: tokio::spawn(run(sender)),
        }
    }

    /// The next event; `None` when the task ended without saying so (it panicked).
    pub fn poll_event(
        &mut self,
        ctx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Event>> {
        self.events.poll_recv(ctx)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}
