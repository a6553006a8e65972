//! The ffmpeg programs on this machine: finding them, asking ffprobe what a file is, reading files
//! safely, and telling what a line on standard error means.
//!
//! Assumes that any file may be hostile and any output may be anything: input options name the containers
//! and protocols allowed, output is bounded, time is limited. Knows nothing of channels or formats.

mod ends;
pub mod find;
pub mod input;
pub mod probe;
mod run;
pub mod stderr;
mod streams;
pub mod version;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::Result;
use crate::media::Probe;
use crate::system::Spawner;
pub use version::Version;

/// How many ffprobe processes run at once.
const PROBES_AT_ONCE: usize = 4;

/// A usable pair of ffmpeg and ffprobe. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    probe_program: PathBuf,
    version: Version,
    encoders: BTreeSet<String>,
    spawner: Spawner,
    probes: Semaphore,
}

impl Ffmpeg {
    /// The first usable ffmpeg: those `configured` in order, then the usual places ([`find::places`]).
    /// `Unavailable` names what was tried and what to install.
    pub async fn find(configured: &[PathBuf], spawner: &Spawner) -> Result<Self> {
        let path = std::env::var_os("PATH");
        let candidates = find::places(configured, path.as_deref());
        Self::first_of(&candidates, configured.len(), spawner).await
    }

    /// What can be seen of ffmpegs without running one: which candidates exist and since when. Where this has
    /// not changed, [`Ffmpeg::find`] finds what it found before. Blocks.
    pub fn traces(configured: &[PathBuf]) -> Vec<(PathBuf, std::time::SystemTime)> {
        let path = std::env::var_os("PATH");
        let mut traces = Vec::new();
        for program in find::places(configured, path.as_deref()) {
            for file in [program.with_file_name("ffprobe"), program] {
                let changed = std::fs::metadata(&file).and_then(|meta| meta.modified());
                traces.extend(changed.ok().map(|at| (file, at)));
            }
        }
        traces
    }

    /// The first usable ffmpeg among `candidates`, and nowhere else.
    pub async fn find_in(candidates: &[PathBuf], spawner: &Spawner) -> Result<Self> {
        Self::first_of(candidates, candidates.len(), spawner).await
    }

    async fn first_of(candidates: &[PathBuf], asked_for: usize, spawner: &Spawner) -> Result<Self> {
        let found = find::first_usable(candidates, asked_for, spawner).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                program: found.program,
                probe_program: found.probe_program,
                version: found.version,
                encoders: found.encoders,
                spawner: spawner.clone(),
                probes: Semaphore::new(PROBES_AT_ONCE),
            }),
        })
    }

    /// Where ffmpeg is.
    pub fn program(&self) -> &Path {
        &self.inner.program
    }

    /// Where ffprobe is.
    pub fn probe_program(&self) -> &Path {
        &self.inner.probe_program
    }

    /// Which version ffmpeg is.
    pub fn version(&self) -> Version {
        self.inner.version
    }

    /// Whether this build has an encoder of that name (`libx264`).
    pub fn has_encoder(&self, name: &str) -> bool {
        self.inner.encoders.contains(name)
    }

    /// Asks ffprobe what `path` (absolute) is: streams, chapters, exact start and end.
    ///
    /// `Damaged` or `Unsupported` when it cannot be played, `Timeout` when its disk does not answer.
    pub async fn probe(&self, path: &Path) -> Result<Probe> {
        let _place = self.inner.probes.acquire().await.map_err(|_| {
            crate::error::Error::new(crate::error::ErrorKind::Internal, "probing was closed")
        })?;
        probe::probe(&self.inner.probe_program, &self.inner.spawner, path).await
    }
}
