//! What SQLite says, in our own kinds of error. The one place where its codes are read.

use rusqlite::ErrorCode;

use crate::error::{Error, ErrorKind};

/// The error for a statement that failed while `doing` something ("adding channel 5").
pub(super) fn sql(doing: &str, source: rusqlite::Error) -> Error {
    let kind = kind_of(&source);
    let mend = match kind {
        ErrorKind::Data => {
            ": the database is damaged; stop exstreamd and put a backup of exstreamd.db in its place \
             (or move it away to start anew: media files are never touched)"
        }
        ErrorKind::Full => ": the disk that holds the data directory is full; make room there",
        ErrorKind::Permission => {
            ": the database cannot be written; check owner and mode of the data directory and whether \
             its file system is mounted read-only"
        }
        _ => "",
    };
    Error::with_source(kind, format!("{doing}{mend}"), source)
}

/// The kind of a failure of SQLite (result codes of sqlite3.h).
pub(super) fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    match error {
        rusqlite::Error::QueryReturnedNoRows => ErrorKind::NotFound,
        // A value that is not what our own schema promises.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => ErrorKind::Data,
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Data,
            Some(ErrorCode::DiskFull) => ErrorKind::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                ErrorKind::Permission
            }
            Some(ErrorCode::ConstraintViolation) => ErrorKind::Conflict,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Busy,
            Some(ErrorCode::SystemIoFailure) => ErrorKind::Io,
            _ => ErrorKind::Internal,
        },
    }
}

/// Whether a row could not be written because a key of it exists already.
pub(super) fn is_duplicate(error: &rusqlite::Error) -> bool {
    extended(error).is_some_and(|code| matches!(code, rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE))
}

/// Whether a row could not be written because the row that it belongs to does not exist.
pub(super) fn is_orphan(error: &rusqlite::Error) -> bool {
    extended(error).is_some_and(|code| matches!(code, rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY))
}

fn extended(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|e| e.extended_code)
}
