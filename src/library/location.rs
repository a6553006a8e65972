//! Where an item's bytes are: in a file, or on a web server. Whoever plays an item opens its location and
//! cannot tell the two apart afterwards.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::range::{Url, Wanted};
use crate::error::Result;
use crate::media::{FileSource, Source};

/// Where an item's bytes are. Shown without anything secret.
#[derive(Clone, Debug)]
pub enum Location {
    /// A file of this box or of a mount.
    File(PathBuf),
    /// A file on a web server.
    Url(Url),
}

impl Location {
    /// Opens it. Blocks; never on a thread of a runtime. What is read over the network ends as soon as it is no
    /// longer `wanted`; `None` wants it in any case.
    pub fn open(&self, wanted: Option<Wanted>) -> Result<Source> {
        Ok(match self {
            Self::File(path) => Arc::new(FileSource::open(path)?),
            Self::Url(url) => Arc::new(url.open(wanted)?),
        })
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}
