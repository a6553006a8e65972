//! Reading bytes at a place: the only way in which a demuxer touches its source. A file today, an
//! HTTP range tomorrow; a demuxer cannot tell the two apart.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};

/// A source of bytes with a known length. Calls block: they run where blocking is allowed.
pub trait ReadAt: Send + Sync {
    /// Fills as much of `buf` as there is from `offset` on; fewer bytes than asked mean the end.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Length in bytes when the source was opened.
    fn size_bytes(&self) -> u64;

    /// The name for messages.
    fn name(&self) -> &str;
}

/// A source that several demuxers share.
pub type Source = Arc<dyn ReadAt>;

/// A regular file, opened read-only.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size_bytes: u64,
    name: String,
}

impl FileSource {
    /// Opens `path`. Refuses everything but a regular file (a pipe named like a film would block us).
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let doing = || format!("opening {name}");
        let file = nonblocking_open(path).map_err(|e| Error::io(doing(), e))?;
        let meta = file.metadata().map_err(|e| Error::io(doing(), e))?;
        if !meta.is_file() {
            crate::bail!(Unsupported, "{name} is not a regular file");
        }
        Ok(Self {
            file,
            size_bytes: meta.len(),
            name,
        })
    }
}

/// `O_NONBLOCK` has no effect on regular files and keeps the open of a named pipe from waiting for a writer.
fn nonblocking_open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
        .open(path)
}

impl ReadAt for FileSource {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self
                .file
                .read_at(&mut buf[filled..], offset.saturating_add(filled as u64))
            {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    return Err(Error::io(
                        format!("reading {} at byte {offset}", self.name),
                        e,
                    ));
                }
            }
        }
        Ok(filled)
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A source whose first bytes are read once: telling the container and reading its head ask for the same.
pub(crate) struct KnownHead {
    inner: Source,
    head: Vec<u8>,
}

impl KnownHead {
    const BYTES: usize = 4096;

    /// Reads the head.
    pub(crate) fn new(inner: Source) -> Result<Self> {
        let mut head = vec![0; Self::BYTES];
        let read = inner.read_at(0, &mut head)?;
        head.truncate(read);
        Ok(Self { inner, head })
    }
}

impl ReadAt for KnownHead {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let wanted = offset.saturating_add(buf.len() as u64);
        let is_known = wanted.min(self.size_bytes()) <= self.head.len() as u64;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        match self.head.get(from..) {
            Some(rest) if is_known => {
                let n = rest.len().min(buf.len());
                buf[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            }
            _ => self.inner.read_at(offset, buf),
        }
    }

    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

/// Bytes in memory: slates, fixtures, headers fetched once.
#[derive(Debug)]
pub struct BytesSource {
    bytes: bytes::Bytes,
    name: String,
}

impl BytesSource {
    /// A source over `bytes`, called `name` in messages.
    pub fn new(name: impl Into<String>, bytes: impl Into<bytes::Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            name: name.into(),
        }
    }
}

impl ReadAt for BytesSource {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        let rest = &self.bytes[from..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_past_the_end_are_short_and_never_fail() {
        let source = BytesSource::new("test", vec![1, 2, 3]);
        let mut buf = [0; 4];
        assert_eq!(source.read_at(1, &mut buf).unwrap(), 2);
        assert_eq!(source.read_at(u64::MAX, &mut buf).unwrap(), 0);
    }

    #[test]
    fn a_named_pipe_called_like_a_film_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mp4");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = FileSource::open(&path).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
}
