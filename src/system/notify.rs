//! What the service manager is told (sd_notify(3)). Without `NOTIFY_SOCKET`, as in a container or a terminal, every
//! call does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Start-up is done; `status` is what `systemctl status` shows.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// What the daemon is doing, for `systemctl status`.
pub fn status(status: &str) {
    send(&[NotifyState::Status(&one_line(status))]);
}

/// The daemon is about to end.
pub fn stopping(status: &str) {
    send(&[
        NotifyState::Stopping,
        NotifyState::Status(&one_line(status)),
    ]);
}

/// Starting or stopping needs until `more` from now; to be repeated while the work goes on.
pub fn extend_timeout(more: Duration) {
    let usec = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::ExtendTimeoutUsec(usec)]);
}

/// The daemon is alive.
pub(super) fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// Messages are lines; one inside a status would be read as the next variable.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\0'], " ")
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        // The manager can only be gone; it acts by its own timers then, and there is nobody else to tell.
        log::debug!("the service manager cannot be reached: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    const IN_CHILD: &str = "EXSTREAMD_TEST_NOTIFY_CHILD";

    #[test]
    fn the_manager_receives_each_message_as_its_protocol_says() {
        // The environment of a process is read by all its threads, so a child gets the variable instead.
        if std::env::var_os(IN_CHILD).is_some() {
            ready("3 channels\nREADY=0");
            extend_timeout(Duration::from_secs(30));
            watchdog();
            stopping("bye");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let name = "system::notify::tests::the_manager_receives_each_message_as_its_protocol_says";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(IN_CHILD, "1")
            .env("NOTIFY_SOCKET", &path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut received = Vec::new();
        for _ in 0..4 {
            let mut buffer = [0; 256];
            let n = manager.recv(&mut buffer).unwrap();
            received.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
        }
        assert_eq!(
            received,
            [
                "READY=1\nSTATUS=3 channels READY=0\n",
                "EXTEND_TIMEOUT_USEC=30000000\n",
                "WATCHDOG=1\n",
                "STOPPING=1\nSTATUS=bye\n"
            ]
        );
    }
}
