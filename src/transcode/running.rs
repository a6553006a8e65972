//! An ffmpeg at work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use heapless::HistoryBuf;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::task::JoinHandle;

use super::Job;
use super::arguments::OUTPUT_OFFSET;
use crate::error::{Error, ErrorKind, Result};
use crate::ffmpeg::stderr::{self, Line, Severity};
use crate::media::Ticks90k;
use crate::system::Child;
use crate::system::lines::Lines;

/// Lines kept for the log and for the reason of a failure.
const LINES: usize = 32;

/// PTS on the wire count 33 bits (ISO 13818-1 §2.4.3.7): 26.5 hours.
const WRAP: i64 = 1 << 33;

/// How far before the wanted start a unit may lie (encoder priming, copied pictures before it).
const BEFORE: Ticks90k = Ticks90k(3600 * 90_000);

/// After the child's end its last lines are there at once, unless something else holds the pipe.
const LAST_LINES: Duration = Duration::from_secs(1);

type Tail = Arc<Mutex<HistoryBuf<Line, LINES>>>;

/// A running ffmpeg. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: ChildStdout,
    tail: Tail,
    reader: JoinHandle<()>,
    from: Ticks90k,
    doing: String,
}

impl Running {
    pub(super) fn new(mut child: Child, job: &Job) -> Result<Self> {
        let (Some(stdout), Some(lines)) = (child.take_stdout(), child.take_stderr()) else {
            crate::bail!(Internal, "ffmpeg was started without its pipes");
        };
        let tail = Tail::default();
        Ok(Self {
            child,
            stdout,
            reader: tokio::spawn(keep(lines, Arc::clone(&tail))),
            tail,
            from: job.from,
            doing: format!("transcoding {}", job.path.display()),
        })
    }

    /// The process id of the launcher that became ffmpeg.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The transport stream. Not reading it makes ffmpeg wait.
    pub fn stdout(&mut self) -> &mut ChildStdout {
        &mut self.stdout
    }

    /// Item time of a PTS or DTS of the output, be it as it stands on the wire or counted on beyond 33 bits.
    /// Right from an hour before the job's start to 25 hours behind it.
    pub fn item_time(&self, pts: Ticks90k) -> Ticks90k {
        item_time(pts, self.from)
    }

    /// The last lines on standard error that are worth a log entry, oldest first.
    pub fn recent_lines(&self) -> Vec<Line> {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.oldest_ordered().cloned().collect()
    }

    /// Waits for its end, after the output was read to its end. An error says why it failed.
    pub async fn finish(&mut self) -> Result<()> {
        let status = self.child.wait().await?;
        let _ = tokio::time::timeout(LAST_LINES, &mut self.reader).await;
        if status.success() {
            return Ok(());
        }
        Err(match self.recent_lines().as_slice() {
            [] => Error::new(
                ErrorKind::Unavailable,
                format!("{}: ffmpeg ended with {status}", self.doing),
            ),
            lines => stderr::cause(&self.doing, lines),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn keep(mut lines: Lines<ChildStderr>, tail: Tail) {
    while let Some(text) = lines.next().await {
        let line = stderr::classify(&text);
        if line.severity > Severity::Ignore {
            tail.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(line);
        }
    }
}

fn item_time(pts: Ticks90k, from: Ticks90k) -> Ticks90k {
    let earliest = from - BEFORE;
    let since = (pts - OUTPUT_OFFSET - earliest).0.rem_euclid(WRAP);
    earliest + Ticks90k(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_time_is_found_on_both_sides_of_the_wrap() {
        let check = |item: i64, from: i64| {
            let wire = (item + OUTPUT_OFFSET.0).rem_euclid(WRAP);
            let found = item_time(Ticks90k(wire), Ticks90k(from));
            assert_eq!(found, Ticks90k(item), "{item} from {from}");
            let unwrapped = item_time(Ticks90k(wire + WRAP), Ticks90k(from));
            assert_eq!(unwrapped, Ticks90k(item), "{item} from {from}, counted on");
        };
        check(0, 0);
        check(-1920, 0);
        check(WRAP - 5, WRAP - 100);
        check(WRAP + 5, WRAP - 100);
        check(-90_000 * 60, -90_000 * 60);
        check(25 * 3600 * 90_000, 0);
    }
}
