//! The library: which files there are, what they are called and what is in them.
//!
//! [`Library`] is a cheap handle; one owner task ([`Library::run`]) decides when each root is scanned: when it
//! is added, when the kernel says that something changed, and every few hours where the kernel cannot say.
//! What touches a disk runs on threads of its own, so a hung mount costs its own items and nothing else.
//! Must never: write below a root, call a missing mount a deletion, or stream.

mod blocking;
mod location;
pub mod names;
pub mod nfo;
mod owner;
pub mod probing;
pub mod proposals;
pub mod range;
mod scan;
pub mod skip;
pub mod walk;
pub mod watch;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch as latest};

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Id, Root, RootKind, Store};
use crate::system::access;

pub use location::Location;
pub use probing::{Ffprobe, NativeProbe, ProbeFuture, ProbeReport};
pub use scan::ScanReport;

/// How long a folder that is being added may take to answer.
const ADD_PATIENCE: Duration = Duration::from_secs(30);

/// What a library is made of beside the database.
#[derive(Clone)]
pub struct LibraryOptions {
    /// Our own probe.
    pub native: NativeProbe,
    /// ffprobe, when it is there; may come later ([`Library::set_ffprobe`]).
    pub ffprobe: Option<Ffprobe>,
    /// How often roots are scanned whose changes are not seen at once.
    pub rescan_every: Duration,
    /// How far a scan goes.
    pub limits: walk::Limits,
}

impl LibraryOptions {
    /// `native` and nothing else, with the usual numbers.
    pub fn new(native: NativeProbe) -> Self {
        Self {
            native,
            ffprobe: None,
            rescan_every: Duration::from_secs(6 * 3600),
            limits: walk::Limits::default(),
        }
    }
}

/// A handle on the library.
#[derive(Clone)]
pub struct Library {
    store: Store,
    clock: SharedClock,
    requests: mpsc::Sender<owner::Request>,
    version: latest::Receiver<u64>,
    owner: Arc<Mutex<Option<owner::Owner>>>,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Library")
    }
}

impl Library {
    /// A library over `store`. Nothing happens before [`Library::run`].
    pub fn new(store: Store, clock: SharedClock, options: LibraryOptions) -> Self {
        let (requests, inbox) = mpsc::channel(16);
        let (versions, version) = latest::channel(0);
        let owner = owner::Owner::new(store.clone(), clock.clone(), options, inbox, versions);
        Self {
            store,
            clock,
            requests,
            version,
            owner: Arc::new(Mutex::new(Some(owner))),
        }
    }

    /// The owner task: scans, watches and probes until it is dropped. The second call ends at once.
    pub async fn run(&self) -> Result<()> {
        let owner = self
            .owner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match owner {
            Some(owner) => owner.run().await,
            None => Ok(()),
        }
    }

    /// Adds the folder `path` once it has been opened and listed and 64 KiB of some video in it read, as the user
    /// that we run as. Its scan begins at once and is not waited for.
    ///
    /// `Permission` and `NotFound` name the component that refuses and how to mend it, `Conflict` a folder that
    /// is there already, `Timeout` a disk that does not answer.
    pub async fn add(&self, path: &Path, kind: RootKind) -> Result<Root> {
        let shown = path.display().to_string();
        let system = ["/proc", "/sys", "/dev", "/run"]
            .iter()
            .any(|p| path.starts_with(p));
        if (system && !path.starts_with("/run/media")) || path == Path::new("/") {
            crate::bail!(
                Invalid,
                "{shown} belongs to the system: add the folder that holds your media"
            );
        }
        let folder = path.to_owned();
        let trying = blocking::run("library-add", move || {
            access::try_folder(&folder, &|name| skip::file(name, kind).is_none())
        });
        tokio::select! {
            tried = trying => tried??,
            () = self.clock.sleep(ADD_PATIENCE) => {
                crate::bail!(Timeout, "{shown} does not answer: is its disk or server there?");
            }
        };
        let root = self.store.add_root(path, kind).await?;
        self.send(owner::Request::Added(root.clone())).await?;
        Ok(root)
    }

    /// Takes a folder out of the library; its files stay untouched. Returns the channels that had planned some
    /// of them.
    pub async fn remove(&self, root: Id) -> Result<Vec<Id>> {
        let touched = self.store.remove_root(root).await?;
        self.send(owner::Request::Removed(root)).await?;
        Ok(touched)
    }

    /// Scans a root now and returns what was found; files are probed afterwards. `NotFound` for no root.
    pub async fn scan(&self, root: Id) -> Result<ScanReport> {
        self.scan_as(root, false).await
    }

    /// As [`Library::scan`], for a root that lost more than half of its items because the user removed them, or
    /// that was moved to another disk.
    pub async fn scan_accepting_loss(&self, root: Id) -> Result<ScanReport> {
        self.scan_as(root, true).await
    }

    async fn scan_as(&self, root: Id, accept_loss: bool) -> Result<ScanReport> {
        self.store.root(root).await?;
        let (reply, answer) = oneshot::channel();
        let request = owner::Request::Scan {
            root,
            accept_loss,
            reply,
        };
        self.send(request).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// Ends when no scan is running or due and nothing is being probed.
    pub async fn idle(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(owner::Request::Idle(reply)).await?;
        answer.await.map_err(|_| stopped())
    }

    /// Says that ffprobe has come (what waited for it is probed) or gone.
    pub async fn set_ffprobe(&self, ffprobe: Option<Ffprobe>) -> Result<()> {
        self.send(owner::Request::Ffprobe(ffprobe)).await
    }

    /// A number that rises whenever items came, went, changed or were probed.
    pub fn changes(&self) -> latest::Receiver<u64> {
        self.version.clone()
    }

    async fn send(&self, request: owner::Request) -> Result<()> {
        self.requests.send(request).await.map_err(|_| stopped())
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Unavailable, "the library is stopping")
}
