//! Running a program to its end, with bounded output and a time limit.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::error::{Error, ErrorKind, Result};
use crate::system::{Launch, Spawner};

/// Lines of standard error kept, the first ones: the cause comes before its consequences.
const STDERR_LINES: usize = 32;

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<String>,
}

/// Runs `launch` to its end. `Timeout` after `limit`, `Unsupported` when it writes more than `max_bytes`;
/// in both cases it is killed. `doing` is for messages ("probing /media/film.avi").
pub(crate) async fn run(
    spawner: &Spawner,
    launch: Launch,
    doing: &str,
    limit: Duration,
    max_bytes: usize,
) -> Result<Output> {
    let all = run_unlimited(spawner, launch, doing, max_bytes);
    tokio::time::timeout(limit, all).await.unwrap_or_else(|_| {
        let message = format!("{doing} took longer than {} s", limit.as_secs());
        Err(Error::new(ErrorKind::Timeout, message))
    })
}

async fn run_unlimited(
    spawner: &Spawner,
    launch: Launch,
    doing: &str,
    max_bytes: usize,
) -> Result<Output> {
    let mut child = spawner.spawn(launch).await?;
    let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
    let read_stdout = async {
        let mut bytes = Vec::new();
        if let Some(pipe) = stdout {
            let limit = u64::try_from(max_bytes)
                .unwrap_or(u64::MAX)
                .saturating_add(1);
            let read = pipe.take(limit).read_to_end(&mut bytes).await;
            read.map_err(|e| Error::io(format!("{doing}: reading the answer"), e))?;
        }
        if bytes.len() > max_bytes {
            crate::bail!(
                Unsupported,
                "{doing} gave an answer of more than {max_bytes} bytes"
            );
        }
        Ok(bytes)
    };
    let read_stderr = async {
        let mut kept = Vec::new();
        if let Some(mut lines) = stderr {
            while let Some(line) = lines.next().await {
                if kept.len() < STDERR_LINES {
                    kept.push(line);
                }
            }
        }
        Ok(kept)
    };
    let (stdout, stderr) = tokio::try_join!(read_stdout, read_stderr)?;
    Ok(Output {
        status: child.wait().await?,
        stdout,
        stderr,
    })
}
