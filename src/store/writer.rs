//! The thread that writes: whatever has queued up while it worked becomes one transaction.
//!
//! Each job runs inside a savepoint, so one that fails takes nothing of the others with it, and is
//! answered only after the commit: an answer means that the change is in the log.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::fail;
use super::open::Hold;
use super::pulse::Pulse;
use crate::error::{Error, ErrorKind, Result};

/// Jobs that may wait; beyond it callers wait.
pub(super) const QUEUE: usize = 64;
/// Rows that one transaction should not exceed by more than one job.
pub(super) const ROWS_PER_TRANSACTION: usize = 500;

/// Something to write, and who waits for it.
pub(super) trait Job: Send {
    /// About how many rows it writes.
    fn rows(&self) -> usize;
    /// Runs it and keeps the result; the kind of its failure.
    fn run(&mut self, db: &Connection) -> Option<ErrorKind>;
    /// Answers: the result, or why it did not reach the disk.
    fn answer(self: Box<Self>, lost: Option<Error>);
}

/// What is sent to the thread.
pub(super) enum Message {
    /// A job.
    Job(Box<dyn Job>),
    /// Finish what is queued before this, close the database and answer.
    Stop(oneshot::Sender<()>),
}

/// The only [`Job`]: a closure and the channel for its result.
pub(super) struct Task<F, T> {
    pub(super) rows: usize,
    pub(super) work: Option<F>,
    pub(super) result: Option<Result<T>>,
    pub(super) reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Job for Task<F, T>
where
    F: FnOnce(&Connection) -> Result<T> + Send,
    T: Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&mut self, db: &Connection) -> Option<ErrorKind> {
        let work = self.work.take()?;
        let result = unwound(|| work(db));
        let failed = result.as_ref().err().map(Error::kind);
        self.result = Some(result);
        failed
    }

    fn answer(self: Box<Self>, lost: Option<Error>) {
        let result = match (self.result, lost) {
            (Some(Ok(_)) | None, Some(error)) => Err(error),
            (Some(result), _) => result,
            (None, None) => Err(Error::new(
                ErrorKind::Internal,
                "a job of the store did not run",
            )),
        };
        // Nobody listens any more: the work is done all the same.
        let _ = self.reply.send(result);
    }
}

/// A job that panics is one failed job, not the end of the thread that all others need.
pub(super) fn unwound<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Internal,
            "a job of the store panicked; the log has its message",
        ))
    })
}

/// Runs until told to stop or until every handle is gone; then closes the database and releases the directory.
pub(super) fn run(
    mut db: Connection,
    hold: Hold,
    mut queue: mpsc::Receiver<Message>,
    trouble: &watch::Sender<Option<ErrorKind>>,
    pulse: &Pulse,
) {
    let mut stop = None;
    while stop.is_none() {
        pulse.rest();
        let Some(first) = queue.blocking_recv() else {
            break;
        };
        pulse.beat();
        let mut jobs = Vec::new();
        let mut rows = 0;
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Job(job) => {
                    rows += job.rows();
                    jobs.push(job);
                }
                Message::Stop(done) => stop = Some(done),
            }
            if rows < ROWS_PER_TRANSACTION && stop.is_none() {
                next = queue.try_recv().ok();
            }
        }
        if !jobs.is_empty() {
            let failed = batch(&mut db, jobs, pulse);
            trouble.send_if_modified(|known| std::mem::replace(known, failed) != failed);
        }
    }
    if let Err((_, e)) = db.close() {
        log::warn!("the database was not closed in order: {e}");
    }
    hold.release();
    if let Some(done) = stop {
        let _ = done.send(());
    }
    pulse.rest();
}

/// What is wrong with the disk or the file, not with what somebody wanted to write.
fn is_trouble(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Full | ErrorKind::Io | ErrorKind::Permission | ErrorKind::Data
    )
}

/// Runs jobs in one transaction and answers each. Returns what kept the disk from taking them.
fn batch(db: &mut Connection, mut jobs: Vec<Box<dyn Job>>, pulse: &Pulse) -> Option<ErrorKind> {
    let outcome = transaction(db, &mut jobs, pulse);
    let failed = match &outcome {
        Ok(failed) => *failed,
        Err(e) => Some(e.kind()),
    };
    if !db.is_autocommit()
        && let Err(e) = db.execute_batch("ROLLBACK")
    {
        log::error!("a failed transaction could not be rolled back: {e}");
    }
    for job in jobs {
        job.answer(
            outcome
                .as_ref()
                .err()
                .map(|e| Error::new(e.kind(), format!("{e:#}"))),
        );
    }
    failed.filter(|kind| is_trouble(*kind))
}

/// `Err` when nothing of the batch has reached the disk; else the disk's trouble with a job of it, if any.
fn transaction(
    db: &Connection,
    jobs: &mut [Box<dyn Job>],
    pulse: &Pulse,
) -> Result<Option<ErrorKind>> {
    let mut trouble = None;
    let run = |sql: &str| {
        db.execute_batch(sql)
            .map_err(|e| fail::sql("writing to the database", e))
    };
    run("BEGIN IMMEDIATE")?;
    for job in jobs {
        pulse.beat();
        run("SAVEPOINT job")?;
        let failed = job.run(db);
        // A full disk or an I/O error makes SQLite roll the whole transaction back by itself.
        if db.is_autocommit() {
            return Err(Error::new(
                failed.unwrap_or(ErrorKind::Io),
                "writing to the database: the transaction was rolled back; check that its disk has room and works",
            ));
        }
        if failed.is_some() {
            run("ROLLBACK TO job")?;
        }
        run("RELEASE job")?;
        trouble = trouble.or(failed.filter(|kind| is_trouble(*kind)));
    }
    pulse.beat();
    run("COMMIT")?;
    Ok(trouble)
}
