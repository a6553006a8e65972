//! Whom a command asks: the daemon over its control socket, or the same handlers in this process when no
//! daemon runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Body as HttpBody;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::args::Args;
use super::become_owner::become_owner;
use crate::bail;
use crate::clock::RealClock;
use crate::config::{Dirs, Environment, SERVICE_USER};
use crate::daemon::{self, Setting};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{self, Shared, Via};
use crate::store::DATABASE_FILE;

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A connection to whoever answers. Everything of it runs on one thread.
pub(super) struct Client {
    runtime: tokio::runtime::Runtime,
    whom: Whom,
}

enum Whom {
    Daemon(PathBuf),
    Here {
        app: Shared,
        background: JoinSet<()>,
    },
}

impl Client {
    /// Finds the daemon, or opens the database in this process.
    pub(super) fn connect(args: &Args) -> Result<Self> {
        let environment = Environment::of_process();
        let clock = Arc::new(RealClock);
        let setting = Setting::new(clock, args.config(), args.data(), &environment)?;
        if let Some(socket) = living_socket(&setting.dirs)? {
            return Ok(Self {
                runtime: runtime()?,
                whom: Whom::Daemon(socket),
            });
        }
        become_owner(&setting.dirs.data)?;
        let runtime = runtime()?;
        let (app, background) = runtime.block_on(here(&setting))?;
        Ok(Self {
            runtime,
            whom: Whom::Here { app, background },
        })
    }

    /// As [`Client::connect`], where there is a daemon or a database to ask; makes neither.
    pub(super) fn existing(args: &Args) -> Result<Option<Self>> {
        let environment = Environment::of_process();
        let clock = Arc::new(RealClock);
        let setting = Setting::new(clock, args.config(), args.data(), &environment)?;
        let is_there = living_socket(&setting.dirs)?.is_some()
            || setting.dirs.data.join(DATABASE_FILE).exists();
        is_there.then(|| Self::connect(args)).transpose()
    }

    /// Whether a daemon answers.
    pub(super) fn is_daemon(&self) -> bool {
        matches!(self.whom, Whom::Daemon(_))
    }

    /// GET.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask("GET", path, None)
    }

    /// Any method, with a body of JSON.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| {
                Error::with_source(ErrorKind::Internal, format!("asking for {path}"), e)
            })?;
        let answered = match &self.whom {
            Whom::Daemon(socket) => self.runtime.block_on(over_socket(socket, request)),
            Whom::Here { app, .. } => self.runtime.block_on(async {
                let reply = http::answer(app.clone(), Via::Control, request).await;
                read(reply).await
            }),
        };
        let (status, body) = answered?;
        if status >= 400 {
            return Err(failure(status, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|e| Error::with_source(ErrorKind::Internal, "reading the answer", e))
    }

    /// Ends what runs in this process and closes the database.
    pub(super) fn close(self) {
        if let Whom::Here {
            app,
            mut background,
        } = self.whom
        {
            self.runtime.block_on(async {
                background.shutdown().await;
                app.store.clone().close().await;
            });
        }
        // A thread that reads from a dead mount is not waited for.
        self.runtime.shutdown_timeout(Duration::from_millis(100));
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::io("starting the runtime", e))
}

/// The control socket of the daemon of this instance, or of the service on this box when the caller has no
/// instance of its own. `None` when no daemon runs.
fn living_socket(dirs: &Dirs) -> Result<Option<PathBuf>> {
    let mut candidates = vec![dirs.socket()];
    if !dirs.named && !dirs.data.exists() {
        candidates.push(Path::new("/run").join(SERVICE_USER).join("exstreamd.sock"));
    }
    for socket in candidates {
        match std::os::unix::net::UnixStream::connect(&socket) {
            Ok(_) => return Ok(Some(socket)),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                bail!(
                    Permission,
                    "the daemon does not let you in at {}: {}",
                    socket.display(),
                    http::mend_for_refusal()
                );
            }
            Err(_) => {}
        }
    }
    Ok(None)
}

async fn here(setting: &Setting) -> Result<(Shared, JoinSet<()>)> {
    let store = daemon::open(setting).await?;
    // The commands of this process plan as the clock says: the daemon looks again when it starts.
    let (_, clock_is_sane) = watch::channel(true);
    let app = daemon::assemble(setting, store, clock_is_sane).await?;
    let mut background = JoinSet::new();
    let library = app.library.clone();
    background.spawn(async move {
        if let Err(e) = library.run().await {
            log::warn!("the library stopped: {e:#}");
        }
    });
    Ok((app, background))
}

async fn over_socket(socket: &Path, request: Request<Full<Bytes>>) -> Result<(u16, Bytes)> {
    let lost = |e: hyper::Error| Error::with_source(ErrorKind::Unavailable, "asking the daemon", e);
    let stream = UnixStream::connect(socket).await.map_err(|e| {
        Error::with_source(
            ErrorKind::Unavailable,
            format!("connecting to {}", socket.display()),
            e,
        )
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(lost)?;
    let asking = async {
        let reply = sender.send_request(request).await.map_err(|e| {
            let refused = "the daemon closed the control socket: if it refused you, ";
            Error::with_source(
                ErrorKind::Permission,
                format!("{refused}{}", http::mend_for_refusal()),
                e,
            )
        })?;
        read(reply).await
    };
    tokio::select! {
        answer = asking => answer,
        // The connection ends before the answer only when the daemon is gone.
        Err(e) = connection => Err(lost(e)),
    }
}

async fn read<B>(reply: Response<B>) -> Result<(u16, Bytes)>
where
    B: HttpBody,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let status = reply.status().as_u16();
    let body = Limited::new(reply.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await;
    let body = body.map_err(|e| Error::with_source(ErrorKind::Io, "reading the answer", e))?;
    Ok((status, body.to_bytes()))
}

/// The error that the daemon reports, with its kind, so that the exit code is the same as without a daemon.
fn failure(status: u16, body: &[u8]) -> Error {
    const KINDS: [ErrorKind; 15] = [
        ErrorKind::Usage,
        ErrorKind::Config,
        ErrorKind::Invalid,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::Permission,
        ErrorKind::Damaged,
        ErrorKind::Unsupported,
        ErrorKind::Unavailable,
        ErrorKind::Busy,
        ErrorKind::Timeout,
        ErrorKind::Data,
        ErrorKind::Full,
        ErrorKind::Io,
        ErrorKind::Internal,
    ];
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |field: &str| {
        said.get("error")
            .and_then(|error| error.get(field))
            .and_then(Value::as_str)
    };
    let kind = KINDS
        .into_iter()
        .find(|kind| Some(kind.name()) == text("kind"))
        .unwrap_or(ErrorKind::Internal);
    Error::new(
        kind,
        text("message").map_or_else(|| format!("the daemon answered {status}"), str::to_owned),
    )
}

/// Text as the value of a query parameter (RFC 3986 section 2.1).
pub(super) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into());
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_daemon_keeps_its_kind_and_message() {
        let e = failure(409, br#"{"error":{"kind":"conflict","message":"taken"}}"#);
        assert_eq!((e.kind(), e.message()), (ErrorKind::Conflict, "taken"));
        let e = failure(500, b"<html>");
        assert_eq!(
            (e.kind(), e.message()),
            (ErrorKind::Internal, "the daemon answered 500")
        );
    }
}
