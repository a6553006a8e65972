//! The database: the only place with SQL.
//!
//! [`Store`] is a cheap handle with async methods, one file per table family. One thread writes and batches what
//! waits into one transaction; two read. Nothing of SQLite shows outside; an answer to a write means it is committed.
//! One process at a time holds a data directory. Must never: decide anything, or hold a statement open between calls.

mod channels;
mod collections;
mod convert;
mod definitions;
mod fail;
mod items;
mod meta;
mod migrate;
mod mirrors;
mod moves;
mod open;
mod paths;
mod plans;
mod playables;
mod progress;
mod pulse;
mod readers;
mod roots;
pub mod rows;
mod search;
mod shapes;
mod timeline;
mod undo;
mod unplayable;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use pulse::Pulse;

pub use collections::ManualMember;
pub use definitions::{Definition, Definitions, NamedCollection, Part, Selection};
pub use open::{DATABASE_FILE, LOCK_FILE, OpenStore, lies_on_network};
pub use plans::{Gap, GapKind, NewPlan, PlanWarning};
pub use rows::*;
pub use search::Today;
pub use timeline::GAP_TITLE;
pub use undo::PastProgram;

/// The most rows that one call returns; callers page on.
pub const MAX_PAGE: usize = 1000;

/// A handle on the open database.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    writer: mpsc::Sender<writer::Message>,
    readers: mpsc::Sender<readers::Message>,
    trouble: watch::Receiver<Option<ErrorKind>>,
    pulses: Vec<Pulse>,
    clock: SharedClock,
    /// How many questions were asked.
    #[cfg(test)]
    questions: std::sync::atomic::AtomicU64,
}

impl Store {
    /// Opens the database of a data directory and makes both when they do not exist. Blocks: call it before
    /// the runtime is busy, or from a blocking task.
    ///
    /// `Conflict` when another process holds the directory, `Config` on a network file system, `Data` when the
    /// database is damaged or from a later version, `Permission` and `Full` as the system says.
    pub fn open(options: &OpenStore, clock: &SharedClock) -> Result<Self> {
        let hold = open::hold(options)?;
        let mut db = hold.open_writer(options)?;
        let sql = |e| fail::sql("opening the database", e);
        let mut pulses = vec![Pulse::new(clock.clone())];
        let mut connections = Vec::new();
        for pulse in &pulses {
            pulse.attach(&mut db).map_err(sql)?;
        }
        for _ in 0..readers::READERS {
            let mut reader = hold.open_reader()?;
            let pulse = Pulse::new(clock.clone());
            pulse.attach(&mut reader).map_err(sql)?;
            connections.push((reader, pulse.clone()));
            pulses.push(pulse);
        }
        let (to_writer, jobs) = mpsc::channel(writer::QUEUE);
        let (to_readers, queries) = mpsc::channel(readers::QUEUE);
        let queries = Arc::new(Mutex::new(queries));
        for (reader, pulse) in connections {
            let queries = queries.clone();
            spawn("store-read", move || readers::run(reader, &queries, &pulse))?;
        }
        let pulse = pulses.first().cloned();
        let (troubled, trouble) = watch::channel(None);
        spawn("store-write", move || {
            if let Some(pulse) = pulse {
                writer::run(db, hold, jobs, &troubled, &pulse);
            }
        })?;
        Ok(Self(Arc::new(Inner {
            writer: to_writer,
            readers: to_readers,
            trouble,
            pulses,
            clock: clock.clone(),
            #[cfg(test)]
            questions: 0.into(),
        })))
    }

    /// Commits what is queued, closes the database and lets the directory go; ends when that is done. Calls
    /// through other handles fail afterwards. A process that ends before that leaves the mark of a crash, and the
    /// next start checks the database.
    pub async fn close(self) {
        // The writer closes last: it may write the log back into the database, which readers may not.
        for _ in 0..readers::READERS {
            let (done, closed) = oneshot::channel();
            let stop = readers::Message::Stop(done);
            if self.0.readers.send(stop).await.is_ok() {
                let _ = closed.await;
            }
        }
        let (done, closed) = oneshot::channel();
        if self
            .0
            .writer
            .send(writer::Message::Stop(done))
            .await
            .is_ok()
        {
            let _ = closed.await;
        }
    }

    /// How long the slowest thread of the store has shown no progress; zero when all are idle or at work. For
    /// the watchdog: a disk that hangs shows here.
    pub fn silent_for(&self) -> Duration {
        self.0
            .pulses
            .iter()
            .map(Pulse::silent_for)
            .max()
            .unwrap_or_default()
    }

    /// What keeps the disk from taking what is written (it is full, broken, read-only, or the database is
    /// damaged), by the last write; `None` when that went well.
    pub fn trouble(&self) -> watch::Receiver<Option<ErrorKind>> {
        self.0.trouble.clone()
    }

    /// Runs `work` in the writer's transaction. It is done even when the caller stops waiting.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.write_rows(1, work).await
    }

    /// As [`Store::write`], for about `rows` rows.
    async fn write_rows<T, F>(&self, rows: usize, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = writer::Task {
            rows,
            work: Some(work),
            result: None,
            reply,
        };
        self.0
            .writer
            .send(writer::Message::Job(Box::new(task)))
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Runs `work` on a reader: it sees the last committed state.
    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        #[cfg(test)]
        self.0
            .questions
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let query = Box::new(move |db: &Connection| {
            // A caller that went away before its turn costs nothing.
            if !reply.is_closed() {
                let _ = reply.send(writer::unwound(|| work(db)));
            }
        });
        self.0
            .readers
            .send(readers::Message::Query(query))
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the database is closed")
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        // SQLite's parser and our jobs need far less; a NAS with 512 MB counts them.
        .stack_size(512 << 10)
        .spawn(work)
        .map(drop)
        .map_err(|e| Error::io(format!("starting the thread {name}"), e))
}
