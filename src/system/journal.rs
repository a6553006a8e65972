//! Where log lines go: into the journal with their fields when we are connected to it; else on standard error, with
//! the priority in front where systemd reads that stream, with the time in front where a person or a container
//! engine does. Installed once per process.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use jiff::Timestamp;
use log::kv::{Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use crate::clock::{SharedClock, UtcMs};

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the journal's socket, with fields.
    Journal,
    /// To standard error, as `<N>message key=value` (sd-daemon(3)): systemd reads the stream, but the journal's
    /// socket is out of reach.
    Prefixed,
    /// To standard error, as `time LEVEL message key=value`.
    Plain,
}

/// Starts logging at `level` and says where to. Called again, it changes the level only.
pub fn install(level: LevelFilter, clock: SharedClock) -> Target {
    let (sink, target) = choose(clock);
    // A second logger is refused, which leaves the first in place: what is wanted.
    let _ = log::set_boxed_logger(Box::new(Logger(sink)));
    log::set_max_level(level);
    target
}

fn choose(clock: SharedClock) -> (Sink, Target) {
    if !connected_to_journal() {
        return (Sink::Plain(clock), Target::Plain);
    }
    match JournalLog::empty() {
        Ok(journal) => {
            let journal = journal.with_syslog_identifier("exstreamd".to_owned());
            (Sink::Journal(journal), Target::Journal)
        }
        Err(_) => (Sink::Prefixed, Target::Prefixed),
    }
}

enum Sink {
    Journal(JournalLog),
    Prefixed,
    Plain(SharedClock),
}

struct Logger(Sink);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries speak when something is wrong; their course of business is not ours.
        metadata.target().starts_with("exstreamd") || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = match &self.0 {
            Sink::Journal(journal) => return journal.log(record),
            Sink::Prefixed => prefixed(record),
            Sink::Plain(clock) => plain(record, clock.utc(), std::io::stderr().is_terminal()),
        };
        // One write per line keeps lines of several threads apart. A closed terminal is no reason to stop.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// `<4>message key=value`. Levels map to the priorities that the journal logger uses too.
fn prefixed(record: &Record<'_>) -> String {
    let priority = match record.level() {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 5,
        Level::Debug => 6,
        Level::Trace => 7,
    };
    let mut line = format!("<{priority}>");
    push_message(&mut line, record);
    line
}

/// `2026-01-31T18:30:00.250Z WARN  message key=value`.
fn plain(record: &Record<'_>, now: UtcMs, terminal: bool) -> String {
    let mut line = String::with_capacity(160);
    let format = if terminal {
        "%H:%M:%S.%3f"
    } else {
        "%Y-%m-%dT%H:%M:%S.%3fZ"
    };
    // Writing to a String cannot fail; a time that jiff cannot show is left out.
    if let Ok(time) = Timestamp::from_millisecond(now.0) {
        let _ = write!(line, "{} ", time.strftime(format));
    }
    let _ = write!(line, "{:<5} ", record.level());
    push_message(&mut line, record);
    line
}

/// The message and its fields on one line, with the line feed.
fn push_message(line: &mut String, record: &Record<'_>) {
    let start = line.len();
    let _ = write!(line, "{}", record.args());
    let _ = record.key_values().visit(&mut Fields(line));
    // A file name must neither forge a line nor drive a terminal.
    if line
        .get(start..)
        .is_some_and(|text| text.contains(char::is_control))
    {
        for c in line.split_off(start).chars() {
            match c.is_control() {
                true => line.extend(c.escape_default()),
                false => line.push(c),
            }
        }
    }
    line.push('\n');
}

struct Fields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let text = value.to_string();
        let quote = text.is_empty() || text.contains([' ', '"', '=']);
        if quote {
            write!(self.0, " {key}={text:?}")?;
        } else {
            write!(self.0, " {key}={text}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimClock;
    use std::sync::Arc;

    fn with_record(level: Level, message: &str, check: impl Fn(&Record<'_>)) {
        let fields: [(&str, &str); 2] = [("CHANNEL", "5"), ("ITEM", "a film")];
        check(
            &Record::builder()
                .level(level)
                .target("exstreamd::test")
                .key_values(&fields)
                .args(format_args!("{message}"))
                .build(),
        );
    }

    #[test]
    fn plain_lines_carry_time_level_and_fields() {
        with_record(Level::Warn, "late", |record| {
            assert_eq!(
                plain(record, UtcMs(1_700_000_000_250), false),
                "2023-11-14T22:13:20.250Z WARN  late CHANNEL=5 ITEM=\"a film\"\n"
            );
            assert_eq!(
                plain(record, UtcMs(1_700_000_000_250), true),
                "22:13:20.250 WARN  late CHANNEL=5 ITEM=\"a film\"\n"
            );
        });
    }

    #[test]
    fn a_message_neither_forges_a_line_nor_drives_a_terminal() {
        with_record(Level::Info, "playing x\n<3>forged\u{1b}[2J", |record| {
            assert_eq!(
                prefixed(record),
                "<5>playing x\\n<3>forged\\u{1b}[2J CHANNEL=5 ITEM=\"a film\"\n"
            );
        });
    }

    #[test]
    fn libraries_are_heard_only_when_they_warn() {
        let clock: SharedClock = Arc::new(SimClock::new(UtcMs(0)));
        let logger = Logger(Sink::Plain(clock));
        #[track_caller]
        fn check(logger: &Logger, target: &str, level: Level, expected: bool) {
            let metadata = Metadata::builder().target(target).level(level).build();
            assert_eq!(logger.enabled(&metadata), expected);
        }
        check(&logger, "exstreamd::tuner", Level::Trace, true);
        check(&logger, "hyper::proto", Level::Info, false);
        check(&logger, "hyper::proto", Level::Warn, true);
    }

    #[test]
    fn a_stream_that_is_not_the_journals_gets_plain_lines() {
        let clock: SharedClock = Arc::new(SimClock::new(UtcMs(0)));
        // `cargo test` may itself run below systemd with the journal on its standard error.
        if std::env::var_os("JOURNAL_STREAM").is_none() {
            assert_eq!(choose(clock).1, Target::Plain);
        }
    }
}
