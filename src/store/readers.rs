//! The threads that read: each has a connection of its own and sees the last committed state.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::pulse::Pulse;

/// How many there are: enough that the guide does not wait for a library page.
pub(super) const READERS: usize = 2;
/// Queries that may wait; beyond it callers wait.
pub(super) const QUEUE: usize = 64;

/// What is sent to the threads.
pub(super) enum Message {
    /// A query, which answers its caller by itself.
    Query(Box<dyn FnOnce(&Connection) + Send>),
    /// The thread that takes this closes its connection and answers.
    Stop(oneshot::Sender<()>),
}

/// Runs queries until told to stop or until every handle is gone.
pub(super) fn run(db: Connection, queue: &Arc<Mutex<mpsc::Receiver<Message>>>, pulse: &Pulse) {
    let done = loop {
        pulse.rest();
        // The lock is held while waiting: one thread waits for a query, the others for the lock.
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        match next {
            Some(Message::Query(query)) => {
                pulse.beat();
                query(&db);
            }
            Some(Message::Stop(done)) => break Some(done),
            None => break None,
        }
    };
    if let Err((_, e)) = db.close() {
        log::warn!("a reader of the database was not closed in order: {e}");
    }
    if let Some(done) = done {
        let _ = done.send(());
    }
    pulse.rest();
}
