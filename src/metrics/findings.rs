//! The board of findings: what is wrong right now, said once, with the mend.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::clock::{SharedClock, UtcMs};

/// How much a finding matters. The order is the order of importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Notice,
    /// Something that the user asked for does not work.
    Warning,
    /// The main job does not work.
    Critical,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about, stable over time ("port.80", "library.3").
    pub key: String,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong and how to mend it, for people.
    pub message: String,
    /// Since when.
    pub since: UtcMs,
}

/// How many findings are kept: a fault that multiplies must not fill the memory.
const MAX_FINDINGS: usize = 256;

/// What is wrong right now. Clones share one board.
#[derive(Clone)]
pub struct Findings {
    clock: SharedClock,
    board: Arc<Mutex<BTreeMap<String, Finding>>>,
}

impl Findings {
    /// An empty board.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            board: Arc::default(),
        }
    }

    /// Puts a finding up, or renews it: the time since when it holds stays that of the first.
    pub fn set(&self, key: &str, severity: Severity, message: impl Into<String>) {
        let message = message.into();
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = board.get_mut(key) {
            known.severity = severity;
            known.message = message;
            return;
        }
        if board.len() >= MAX_FINDINGS {
            log::warn!(FINDING = key; "{message} (not listed: {MAX_FINDINGS} findings stand already)");
            return;
        }
        log::log!(severity.log_level(), FINDING = key; "{message}");
        let finding = Finding {
            key: key.to_owned(),
            severity,
            message,
            since: self.clock.utc(),
        };
        board.insert(key.to_owned(), finding);
    }

    /// Takes a finding down; nothing happens when it is not up.
    pub fn clear(&self, key: &str) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = board.remove(key) {
            log::info!(FINDING = key; "mended: {}", gone.message);
        }
    }

    /// All findings, the most important first, then by key.
    pub fn list(&self) -> Vec<Finding> {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = board.values().cloned().collect();
        all.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.key.cmp(&b.key)));
        all
    }
}

impl Severity {
    /// Its name in answers and pages.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    fn log_level(self) -> log::Level {
        match self {
            Severity::Notice => log::Level::Info,
            Severity::Warning => log::Level::Warn,
            Severity::Critical => log::Level::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimClock;
    use std::time::Duration;

    #[test]
    fn a_renewed_finding_keeps_the_time_when_it_began() {
        let clock = SimClock::new(UtcMs(1_000));
        let findings = Findings::new(Arc::new(clock.clone()));
        findings.set("port.80", Severity::Notice, "taken");
        clock.advance(Duration::from_secs(5));
        findings.set("port.80", Severity::Warning, "still taken");
        let list = findings.list();
        assert_eq!(list.len(), 1);
        assert_eq!(
            (list[0].since, list[0].severity),
            (UtcMs(1_000), Severity::Warning)
        );
        assert_eq!(list[0].message, "still taken");
    }

    #[test]
    fn the_list_begins_with_the_worst() {
        let findings = Findings::new(Arc::new(SimClock::new(UtcMs(0))));
        findings.set("a", Severity::Notice, "a");
        findings.set("b", Severity::Critical, "b");
        findings.set("c", Severity::Warning, "c");
        findings.clear("a");
        findings.clear("never there");
        let keys: Vec<_> = findings.list().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["b", "c"]);
    }

    #[test]
    fn the_board_is_bounded() {
        let findings = Findings::new(Arc::new(SimClock::new(UtcMs(0))));
        for n in 0..MAX_FINDINGS * 2 {
            findings.set(&format!("f{n}"), Severity::Notice, "x");
        }
        assert_eq!(findings.list().len(), MAX_FINDINGS);
    }
}
