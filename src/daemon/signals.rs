//! SIGTERM and SIGINT: the first asks to stop, the second means it.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};

/// The signals that end the daemon.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self> {
        let on = |kind| signal(kind).map_err(|e| Error::io("installing signal handlers", e));
        // A terminal that closes does not end a daemon; taking the signal over keeps it from killing us.
        drop(on(SignalKind::hangup())?);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    /// Ends when the next one comes.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
