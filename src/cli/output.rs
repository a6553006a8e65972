//! Printing: for people, or JSON for programs. A reader that went away is no failure.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::error::{Error, Result};

/// Where a command prints.
pub(super) struct Output {
    json: bool,
    /// Whether the one JSON value of this run has been printed.
    answered: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            answered: false,
        }
    }

    /// Whether programs read.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Prints text as it is.
    pub(super) fn text(&mut self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out
            .write_all(harmless(text).as_bytes())
            .and_then(|()| out.flush())
        {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("printing", e)),
            _ => Ok(()),
        }
    }

    /// Prints a line.
    pub(super) fn line(&mut self, line: impl AsRef<str>) -> Result<()> {
        self.text(&format!("{}\n", line.as_ref()))
    }

    /// Prints a value as JSON, which has no control characters but line feeds of its own.
    pub(super) fn value(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(|e| {
            Error::with_source(crate::error::ErrorKind::Internal, "writing JSON", e)
        })?;
        self.answered = true;
        self.line(text)
    }

    /// A remark on the way, for people only: it goes to standard error.
    pub(super) fn remark(&mut self, line: &str) {
        if !self.json {
            let _ = writeln!(io::stderr().lock(), "{}", harmless(line));
        }
    }

    /// What went wrong: a line on standard error; with `--json` an object on standard output, unless an answer stands
    /// there already.
    pub(super) fn error(&mut self, error: &Error) {
        if self.json && !self.answered {
            let said = serde_json::json!({"error": {"kind": error.kind().name(), "message": format!("{error:#}")}});
            let _ = self.value(&said);
        } else {
            let _ = writeln!(
                io::stderr().lock(),
                "exstreamd: {}",
                harmless(&format!("{error:#}"))
            );
        }
    }

    /// Whether a person can be asked.
    pub(super) fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Prints rows under a heading, in columns as wide as they need.
    pub(super) fn table(&mut self, heading: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> = cells
                .zip(&widths)
                .map(|(cell, &width)| format!("{cell:<width$}"))
                .collect();
            padded.join("  ").trim_end().to_owned()
        };
        self.line(line(&mut heading.iter().copied()))?;
        for row in rows {
            self.line(line(&mut row.iter().map(String::as_str)))?;
        }
        Ok(())
    }
}

/// Control characters as their escapes: the name of a file must not drive a terminal. Line feeds stay.
fn harmless(text: &str) -> Cow<'_, str> {
    let drives = |c: char| c.is_control() && c != '\n';
    if !text.contains(drives) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match drives(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(harmless("a\nb \u{e9}"), "a\nb \u{e9}");
        assert_eq!(
            harmless("\u{1b}[31mred\r\u{9b}"),
            "\\u{1b}[31mred\\r\\u{9b}"
        );
    }
}
