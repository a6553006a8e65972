//! Whether the wall clock can be believed: a board without a battery starts in 1970, and a schedule planned
//! there is wrong for ever.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{SharedClock, UtcMs};
use crate::http::Shared;
use crate::system::notify;

/// 2026-01-01: earlier no clock of a box that runs this can be right.
const EARLIEST: UtcMs = UtcMs(1_767_225_600_000);
/// After so long without word from NTP, a clock that is late enough is believed all the same.
const PATIENCE: Duration = Duration::from_secs(120);
/// systemd-timesyncd touches it when it has set the clock (systemd-timesyncd.service(8)).
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The fact of the database that says how late it was when we last looked.
pub(super) const LAST_SEEN: &str = "clock.last_seen_ms";

/// Why the clock is not to be believed yet; `None` when it is.
fn doubt(now: UtcMs, last_seen: UtcMs, up: Duration, synchronised: bool) -> Option<String> {
    let earliest = EARLIEST.max(last_seen);
    if now < earliest {
        return Some(
            "the clock of this box is behind: waiting until it is set (see timedatectl)".to_owned(),
        );
    }
    if !synchronised && up < PATIENCE {
        return Some(
            "waiting for the clock of this box to be set by NTP, two minutes at most".to_owned(),
        );
    }
    None
}

/// Opens the gate as soon as the clock can be believed; until then says why not.
pub(super) async fn run(app: Shared, last_seen: UtcMs, gate: watch::Sender<bool>) {
    let clock: SharedClock = app.clock.clone();
    loop {
        let doubt = doubt(
            clock.utc(),
            last_seen,
            clock.monotonic(),
            Path::new(SYNCHRONISED).exists(),
        );
        let open = doubt.is_none();
        let changed = app.set_not_ready(doubt.clone());
        if changed && let Some(why) = doubt {
            notify::status(&why);
            app.findings
                .set("clock", crate::metrics::Severity::Critical, why);
        }
        if open {
            app.findings.clear("clock");
            gate.send_replace(true);
            return;
        }
        clock.sleep(LOOK_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_believed_when_it_is_late_enough_and_set_or_old_enough() {
        let check = |now: i64, last_seen: i64, up: u64, synchronised: bool, expected: bool| {
            let doubt = doubt(
                UtcMs(now),
                UtcMs(last_seen),
                Duration::from_secs(up),
                synchronised,
            );
            assert_eq!(
                doubt.is_none(),
                expected,
                "{now} {last_seen} {up} {synchronised}"
            );
        };
        let later = EARLIEST.0 + 1_000;
        check(0, 0, 500, true, false);
        check(later, 0, 10, true, true);
        check(later, 0, 10, false, false);
        check(later, 0, 120, false, true);
        check(later, later + 1, 500, true, false);
        check(later, later, 500, true, true);
    }
}
