//! Files on web servers, read by range requests (RFC 9110 §14): a [`ReadAt`] like a file on a disk.
//!
//! A source has one connection, kept open, and a few windows over the file (`windows`); a connection that is
//! lost is made anew at the byte it was lost at, with growing waits. An address that has expired is
//! replaced once through its [`Resolver`]. Reads block, on a thread where that hurts nobody else; each source
//! drives its own connection and costs nothing between reads. Must never: read anything but `http` and `https`,
//! show a login, folder or parameter of an address, or send one to another server than its own.

mod address;
mod answer;
mod client;
mod remote;
mod windows;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::Backoff;
use crate::media::ReadAt;
use address::Address;
use remote::{Cure, PROGRESS_BYTES, Remote, Trouble};
use windows::Windows;

pub use client::Client;

/// What is asked for when a file is opened: enough to tell what it is.
const OPENING_BYTES: u64 = 64 << 10;
/// Failures in a row after which a read fails.
const FAILURES: u32 = 5;
/// The same while a file is opened: whoever opens it tries again by himself.
const OPENING_FAILURES: u32 = 2;
/// A server that kept us waiting for the whole time allowed counts so much.
const FAILURES_PER_TIMEOUT: u32 = 3;
/// The longest wait before the next attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Finds a fresh address for a file whose old one has expired.
pub trait Resolver: Send + Sync {
    /// An address for the same bytes. Blocks. Asked once per failure.
    fn fresh(&self) -> Result<Url>;
}

/// As long as its sender lives somebody wants what is read; reads end at once when it is gone.
pub type Wanted = watch::Receiver<()>;

/// The address of a file on a web server, with what its server alone must know. Shown without it.
#[derive(Clone)]
pub struct Url(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    client: Client,
    address: Address,
    name: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    resolver: Option<Arc<dyn Resolver>>,
}

impl Url {
    fn new(client: Client, address: Address, login: Option<HeaderValue>) -> Self {
        Self(Arc::new(Inner {
            client,
            name: address.name(),
            address,
            headers: login
                .map(|login| (AUTHORIZATION, login))
                .into_iter()
                .collect(),
            resolver: None,
        }))
    }

    /// Sends this header along, to the address's own server only.
    pub fn with_header(self, name: &str, value: &str) -> Result<Self> {
        let header = HeaderName::try_from(name)
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        let Some((name, mut value)) = header else {
            crate::bail!(Invalid, "{self}: a header that cannot be sent");
        };
        value.set_sensitive(true);
        let mut inner = Arc::unwrap_or_clone(self.0);
        inner.headers.push((name, value));
        Ok(Self(Arc::new(inner)))
    }

    /// Asks `resolver` when the server says that the address has expired (401, 403 or 410).
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolver>) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        inner.resolver = Some(resolver);
        Self(Arc::new(inner))
    }

    /// The server, `http://nas:8080`: what is read from it shares its threads, and its faults.
    pub fn server(&self) -> String {
        self.0.address.origin()
    }

    /// The file's name for people: without login, folders and parameters.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Connects and asks for the beginning. Blocks; never on a thread of a runtime.
    ///
    /// `Unsupported` for servers that answer no ranges, `NotFound` and `Permission` as the server says,
    /// `Unavailable` and `Timeout` when it does not.
    pub fn open(&self, wanted: Option<Wanted>) -> Result<RangeSource> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // For looking up names.
            .max_blocking_threads(2)
            .thread_stack_size(512 << 10)
            .build()
            .map_err(|e| Error::io(format!("preparing to read {self}"), e))?;
        let mut reader = Reader {
            remote: Remote::new(self.clone()),
            runtime: Some(runtime),
            wanted,
            failures: OPENING_FAILURES,
        };
        let mut windows = Windows::default();
        let (range, mut window) = windows.prepare(0, 0, OPENING_BYTES);
        reader.fetch(range.start, range.end, 1, &mut window.bytes)?;
        windows.hold(window);
        reader.failures = FAILURES;
        Ok(RangeSource {
            name: self.name().to_owned(),
            size_bytes: reader.remote.size_bytes(),
            state: Mutex::new(State { windows, reader }),
        })
    }

    fn client(&self) -> &Client {
        &self.0.client
    }

    fn address(&self) -> &Address {
        &self.0.address
    }

    fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    fn patience(&self) -> Duration {
        let is_plex = |name: &str| name.eq_ignore_ascii_case("x-plex-token");
        let marked = self.address().parameters().any(|(name, _)| is_plex(name))
            || self
                .headers()
                .iter()
                .any(|(name, _)| is_plex(name.as_str()));
        self.client().patience(self.address(), marked)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({})", self.name())
    }
}

/// An open file on a web server.
pub struct RangeSource {
    name: String,
    size_bytes: u64,
    state: Mutex<State>,
}

struct State {
    windows: Windows,
    reader: Reader,
}

impl ReadAt for RangeSource {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { windows, reader } = &mut *state;
        let mut filled = 0;
        loop {
            let at = offset.saturating_add(filled as u64);
            filled += windows.copy(at, buf.get_mut(filled..).unwrap_or_default());
            let at = offset.saturating_add(filled as u64);
            if filled >= buf.len() || at >= self.size_bytes {
                return Ok(filled);
            }
            let wanted = buf.len() - filled;
            let (range, mut window) = windows.prepare(at, wanted, self.size_bytes);
            let fetched = reader.fetch(range.start, range.end, wanted, &mut window.bytes);
            // What came before a failure need not come again.
            windows.hold(window);
            fetched?;
        }
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Sees to it that bytes come, as long as there is hope.
struct Reader {
    remote: Remote,
    /// Drives the connection, on the thread that reads. Taken out only when it is dropped.
    runtime: Option<Runtime>,
    wanted: Option<Wanted>,
    /// Failures in a row, without bytes in between, after which a read fails.
    failures: u32,
}

impl Reader {
    /// Appends the bytes `from..to` to `out`: the first `least` of them, unless the file ends, and of the others
    /// those that come soon.
    fn fetch(&mut self, from: u64, to: u64, least: usize, out: &mut Vec<u8>) -> Result<()> {
        let before = out.len();
        let least_end = to.min(from.saturating_add(least as u64));
        let (mut failures, mut backoff) = (0, Backoff::new());
        let (mut went_back, mut renewed) = (false, false);
        loop {
            let have = out.len();
            let at = from + (have - before) as u64;
            let goes_on = self.remote.goes_on_at(at);
            let left = least_end.saturating_sub(at) as usize;
            let exchanged = self.drive(|remote| remote.exchange(at, to, left, out));
            let end = least_end.min(self.remote.size_bytes());
            if exchanged.is_err() {
                self.remote.disconnect();
            }
            // What was lost beyond that is asked for again when somebody wants it.
            let enough = exchanged.is_ok() || out.len() > have;
            if enough && from + (out.len() - before) as u64 >= end {
                return Ok(());
            }
            let progress = out.len() - have;
            if progress >= PROGRESS_BYTES {
                (failures, backoff) = (0, Backoff::new());
            }
            let trouble = match exchanged {
                Ok(()) if goes_on || progress >= PROGRESS_BYTES => continue,
                Ok(()) => Trouble::again(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "{}: the server sends {progress} bytes at a time",
                        self.remote.url
                    ),
                )),
                Err(trouble) => trouble,
            };
            match trouble.cure {
                Cure::None => return Err(trouble.error),
                Cure::Fresh(_) if !went_back && self.remote.forget_redirects() => went_back = true,
                Cure::Fresh(true) if !renewed => {
                    renewed = true;
                    if !self.renew()? {
                        return Err(trouble.error);
                    }
                }
                Cure::Fresh(_) => return Err(trouble.error),
                Cure::Again | Cure::AgainLater => {
                    let timed_out = trouble.cure == Cure::AgainLater;
                    failures += if timed_out { FAILURES_PER_TIMEOUT } else { 1 };
                    if failures >= self.failures {
                        return Err(trouble.error);
                    }
                    // The first attempt comes at once: most connections are lost by chance.
                    if failures > 1 && !timed_out {
                        self.pause(backoff.next_wait().min(LONGEST_WAIT))?;
                    }
                }
            }
        }
    }

    fn pause(&mut self, wait: Duration) -> Result<()> {
        let clock = self.remote.url.client().clock().clone();
        let slept = self.drive(|_| async {
            clock.sleep(wait).await;
            Ok(())
        });
        slept.map_err(|trouble| trouble.error)
    }

    /// Asks the resolver for a fresh address; false when there is none.
    fn renew(&mut self) -> Result<bool> {
        let Some(resolver) = self.remote.url.0.resolver.clone() else {
            return Ok(false);
        };
        let url = resolver.fresh().map_err(|e| {
            e.context(format!(
                "looking for a fresh address of {}",
                self.remote.url
            ))
        })?;
        self.remote.renew(url.with_resolver(resolver));
        Ok(true)
    }

    /// Runs something on this thread until it is done or nobody wants it any more.
    fn drive<'a, T, F>(&'a mut self, work: impl FnOnce(&'a mut Remote) -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let given_up = || {
            let message = "a read was given up: nobody waits for it any more";
            Trouble::never(Error::new(ErrorKind::Unavailable, message))
        };
        let Some(runtime) = &self.runtime else {
            return Err(given_up());
        };
        let mut wanted = self.wanted.clone();
        let unwanted = async {
            match &mut wanted {
                // Nothing is ever sent: it ends when the sender is gone.
                Some(wanted) => while wanted.changed().await.is_ok() {},
                None => std::future::pending().await,
            }
        };
        let work = work(&mut self.remote);
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = unwanted => Err(given_up()),
                done = work => done,
            }
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Whoever drops it may be a thread of another runtime, and a look-up of a name may hang.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
