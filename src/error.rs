//! One error type for the whole daemon: what kind of thing went wrong, what was being done to which
//! thing, and what lies beneath. The kind alone decides the exit code, the HTTP status and the log
//! level, in one place each, so that no caller has to guess from a message.

use std::error::Error as StdError;
use std::fmt;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The command line or a request is malformed.
    Usage,
    /// The configuration file or environment cannot be used.
    Config,
    /// A value given by the user is understood but not possible.
    Invalid,
    /// The named thing does not exist.
    NotFound,
    /// It clashes with something that exists or is going on.
    Conflict,
    /// The operating system refuses us.
    Permission,
    /// A media file is damaged, cut short or not what its name says.
    Damaged,
    /// Sound, but nothing that we can handle natively.
    Unsupported,
    /// A port, a file system or a program that we need is not there (now).
    Unavailable,
    /// Every slot is taken.
    Busy,
    /// It took longer than allowed.
    Timeout,
    /// The database is damaged, or from a newer version.
    Data,
    /// The disk is full.
    Full,
    /// Reading or writing failed.
    Io,
    /// Our own mistake.
    Internal,
}

impl ErrorKind {
    /// The exit code of a command that fails with this kind (BSD `sysexits.h` where one fits).
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Usage => 64,
            ErrorKind::Data => 65,
            ErrorKind::Unavailable => 69,
            ErrorKind::Permission => 77,
            ErrorKind::Config => 78,
            _ => 1,
        }
    }

    /// The HTTP status of a request that fails with this kind.
    pub fn http_status(self) -> u16 {
        match self {
            ErrorKind::Usage | ErrorKind::Config => 400,
            ErrorKind::Permission => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::Conflict => 409,
            ErrorKind::Invalid | ErrorKind::Damaged | ErrorKind::Unsupported => 422,
            ErrorKind::Busy | ErrorKind::Unavailable => 503,
            ErrorKind::Timeout => 504,
            ErrorKind::Full => 507,
            ErrorKind::Data | ErrorKind::Io | ErrorKind::Internal => 500,
        }
    }

    /// The level at which the daemon logs this kind.
    pub fn log_level(self) -> log::Level {
        match self {
            ErrorKind::Internal | ErrorKind::Data | ErrorKind::Full => log::Level::Error,
            ErrorKind::Usage | ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Conflict => {
                log::Level::Info
            }
            _ => log::Level::Warn,
        }
    }

    /// The name in logs (`ERROR_KIND`), metrics and JSON answers.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Usage => "usage",
            ErrorKind::Config => "config",
            ErrorKind::Invalid => "invalid",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Permission => "permission",
            ErrorKind::Damaged => "damaged",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Busy => "busy",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Data => "data",
            ErrorKind::Full => "full",
            ErrorKind::Io => "io",
            ErrorKind::Internal => "internal",
        }
    }
}

/// A failure. `Display` prints the message only, `{:#}` the whole chain on one line.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync + 'static>>,
}

impl Error {
    /// An error of its own: `message` says what was being done to which thing, and how to mend it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// An error with what caused it.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync + 'static>>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: Some(source.into()),
        }))
    }

    /// An I/O error while `doing` something ("reading /media/film.mkv"); its kind follows the system's.
    pub fn io(doing: impl Into<String>, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            std::io::ErrorKind::TimedOut => ErrorKind::Timeout,
            std::io::ErrorKind::AddrInUse | std::io::ErrorKind::ConnectionRefused => {
                ErrorKind::Unavailable
            }
            std::io::ErrorKind::UnexpectedEof => ErrorKind::Damaged,
            _ => ErrorKind::Io,
        };
        Self::with_source(kind, doing, source)
    }

    /// The same error, with what was being done around it put in front.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.0.message = format!("{doing}: {}", self.0.message);
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done, without the sources.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if f.alternate() {
            let mut next = self.source();
            while let Some(source) = next {
                write!(f, ": {source}")?;
                next = source.source();
            }
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|s| &**s as &(dyn StdError + 'static))
    }
}

/// `return Err(...)` with a kind and a formatted message.
#[macro_export]
macro_rules! bail {
    ($kind:ident, $($message:tt)+) => {
        return Err($crate::error::Error::new($crate::error::ErrorKind::$kind, format!($($message)+)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alternate_form_prints_the_whole_chain() {
        let e = Error::io(
            "reading /media/film.mkv",
            std::io::Error::other("disk on fire"),
        )
        .context("scanning films");
        assert_eq!(e.to_string(), "scanning films: reading /media/film.mkv");
        assert_eq!(
            format!("{e:#}"),
            "scanning films: reading /media/film.mkv: disk on fire"
        );
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let e = Error::io(
            "writing",
            std::io::Error::from_raw_os_error(nix::libc::ENOSPC),
        );
        assert_eq!((e.kind(), e.kind().http_status()), (ErrorKind::Full, 507));
    }
}
