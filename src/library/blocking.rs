//! Threads for what touches disks: a mount that hangs keeps its thread for ever, and nobody waits for it.
//!
//! They are no threads of the runtime's pool, which a stopping runtime would join.

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// Runs `work` on a thread of its own and yields what it returned. A panic in it is an `Internal` error.
pub(crate) async fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (done, result) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Nobody listens when the caller gave up on a hung disk.
            let _ = done.send(work());
        })
        .map_err(|e| Error::io(format!("starting the thread {name}"), e))?;
    // A panic drops the sender.
    result.await.map_err(|_| {
        Error::new(
            ErrorKind::Internal,
            format!("the thread {name} ended by a panic"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_on_the_thread_is_an_error_of_the_caller() {
        assert_eq!(run("test", || 5).await.unwrap(), 5);
        let error = run("test", || -> u8 { panic!("on purpose") })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
}
