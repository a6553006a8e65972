//! Opening the data directory: who may, where it may lie, who holds it, and the connections themselves.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use rusqlite::{Connection, OpenFlags};

use super::{fail, migrate};
use crate::error::{Error, ErrorKind, Result};

/// The database within the data directory.
pub const DATABASE_FILE: &str = "exstreamd.db";
/// The lock within the data directory: held by whoever has the database open, and names them.
pub const LOCK_FILE: &str = "exstreamd.lock";

/// The page cache of each connection, KiB.
const CACHE_KIB: i64 = 512;
/// What the write-ahead log shrinks back to after a checkpoint, bytes.
const JOURNAL_LIMIT_BYTES: i64 = 4 << 20;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct OpenStore {
    /// The data directory; made when it does not exist (its parent too), with mode 0750.
    pub dir: PathBuf,
    /// Tells whether a directory lies on a network file system, where SQLite's log and locks do not work.
    pub is_network: fn(&Path) -> bool,
    /// The most pages of 4 KiB that the database may have: tests fill a disk with it. `None` is no limit.
    pub max_pages: Option<u32>,
}

impl OpenStore {
    /// The data directory `dir`, with everything else as it should be.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            is_network: lies_on_network,
            max_pages: None,
        }
    }
}

/// The held data directory. Whoever drops it without [`Hold::release`] leaves the mark of an unclean stop.
#[derive(Debug)]
pub(super) struct Hold {
    lock: File,
    dir: PathBuf,
    owner: (u32, u32),
    after_a_crash: bool,
}

/// Creates the data directory if need be and takes its lock.
pub(super) fn hold(options: &OpenStore) -> Result<Hold> {
    let dir = &options.dir;
    let shown = dir.display();
    let existing = dir
        .ancestors()
        .find(|a| !a.as_os_str().is_empty() && a.exists())
        .unwrap_or(Path::new("."));
    if (options.is_network)(existing) {
        crate::bail!(
            Config,
            "the data directory {shown} is on a network file system, where the database would be damaged: \
             choose one on a local disk with --data (media folders may stay where they are)"
        );
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(dir)
        .map_err(|e| refused(&format!("making the data directory {shown}"), e))?;
    let meta = std::fs::metadata(dir)
        .map_err(|e| refused(&format!("opening the data directory {shown}"), e))?;
    let owner = (meta.uid(), meta.gid());
    let path = dir.join(LOCK_FILE);
    let mut lock = create_owned(&path, 0o640, owner)?;
    let mut holder = String::new();
    let read = (&mut lock).take(512).read_to_string(&mut holder);
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let who = holder.lines().next().filter(|l| !l.is_empty());
            crate::bail!(
                Conflict,
                "the data directory {shown} is in use by {}: a second exstreamd cannot open it; \
                 stop that one first, or choose another directory with --data",
                who.unwrap_or("another process")
            );
        }
        Err(std::fs::TryLockError::Error(e)) => {
            return Err(refused(&format!("locking {}", path.display()), e));
        }
    }
    // A holder that stopped in order has emptied the file; what cannot be read counts as a crash.
    let after_a_crash = read.is_err() || !holder.is_empty();
    let uid = Uid::effective();
    let user = User::from_uid(uid)
        .ok()
        .flatten()
        .map_or_else(|| uid.to_string(), |u| u.name);
    let name = format!(
        "exstreamd {} (process {}, user {user})\n",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    write_lock(&mut lock, &name).map_err(|e| refused(&format!("writing {}", path.display()), e))?;
    Ok(Hold {
        lock,
        dir: dir.clone(),
        owner,
        after_a_crash,
    })
}

impl Hold {
    /// Opens the database for writing, checks it after a crash, and brings its schema up to date.
    pub(super) fn open_writer(&self, options: &OpenStore) -> Result<Connection> {
        let path = self.dir.join(DATABASE_FILE);
        // Made by hand so that mode and owner are right from the first byte: secrets live in it.
        drop(create_owned(&path, 0o600, self.owner)?);
        let doing = format!("opening the database {}", path.display());
        let mut db = connect(&path).map_err(|e| fail::sql(&doing, e))?;
        prepare_writer(&db, options).map_err(|e| fail::sql(&doing, e))?;
        if self.after_a_crash {
            quick_check(&db, &doing)?;
        }
        migrate::bring_up_to_date(&mut db)?;
        self.keep_owner()?;
        Ok(db)
    }

    /// Opens the database for reading.
    pub(super) fn open_reader(&self) -> Result<Connection> {
        let path = self.dir.join(DATABASE_FILE);
        let doing = format!("opening the database {}", path.display());
        let db = connect(&path).map_err(|e| fail::sql(&doing, e))?;
        db.pragma_update(None, "query_only", true)
            .map_err(|e| fail::sql(&doing, e))?;
        Ok(db)
    }

    /// Gives the files that SQLite makes beside the database to the owner of the directory, whoever we are.
    fn keep_owner(&self) -> Result<()> {
        for suffix in ["", "-wal", "-shm"] {
            let path = self.dir.join(format!("{DATABASE_FILE}{suffix}"));
            match OpenOptions::new()
                .read(true)
                .custom_flags(nix::libc::O_NOFOLLOW)
                .open(&path)
            {
                Ok(file) => give(&file, &path, self.owner)?,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(refused(&format!("opening {}", path.display()), e)),
            }
        }
        Ok(())
    }

    /// Marks the stop as orderly and lets the directory go. The file stays: removing it would race with
    /// somebody who waits for it.
    pub(super) fn release(mut self) {
        if let Err(e) = write_lock(&mut self.lock, "") {
            log::warn!(
                "the lock of {} could not be emptied: {e}",
                self.dir.display()
            );
        }
    }
}

fn write_lock(lock: &mut File, text: &str) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(text.as_bytes())
}

/// Opens a file for reading and writing; a new one gets the mode and the owner given.
fn create_owned(path: &Path, mode: u32, owner: (u32, u32)) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(mode)
        // Root must not be led to a file elsewhere by a link that the directory's owner has put here.
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
        .map_err(|e| refused(&format!("opening {}", path.display()), e))?;
    give(&file, path, owner)?;
    Ok(file)
}

/// Started by root (`sudo exstreamd …`), we leave nothing behind that the directory's owner cannot write.
fn give(file: &File, path: &Path, owner: (u32, u32)) -> Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let meta = file
        .metadata()
        .map_err(|e| Error::io(format!("reading the owner of {}", path.display()), e))?;
    if meta.nlink() != 1 || (meta.uid(), meta.gid()) == owner {
        return Ok(());
    }
    fchown(file, Some(owner.0), Some(owner.1))
        .map_err(|e| Error::io(format!("giving {} to its owner", path.display()), e))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // The files exist and each connection stays on its thread: no CREATE, no mutex, no URI file names.
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.pragma_update(None, "mmap_size", 0)?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    Ok(db)
}

fn prepare_writer(db: &Connection, options: &OpenStore) -> rusqlite::Result<()> {
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        log::warn!("the database runs without a write-ahead log ({mode}): writes are slower");
    }
    // With a write-ahead log NORMAL never damages the database; a power cut may lose the last moments.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "journal_size_limit", JOURNAL_LIMIT_BYTES)?;
    // Statement journals: as files they cost 20 KB of writes for every row of a scan (measured).
    db.pragma_update(None, "temp_store", "MEMORY")?;
    if let Some(pages) = options.max_pages {
        db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

/// Reads the whole structure once; only after a crash, because it takes a second per 100 MB or so.
fn quick_check(db: &Connection, doing: &str) -> Result<()> {
    let answer: String = db
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|e| fail::sql(doing, e))?;
    if answer == "ok" {
        return Ok(());
    }
    crate::bail!(
        Data,
        "{doing}: the database is damaged ({answer}); stop exstreamd and put a backup of {DATABASE_FILE} in its \
         place (or move it away to start anew: media files are never touched)"
    )
}

fn refused(doing: &str, source: std::io::Error) -> Error {
    let user = User::from_uid(Uid::effective())
        .ok()
        .flatten()
        .map_or_else(|| Uid::effective().to_string(), |u| u.name);
    match source.kind() {
        std::io::ErrorKind::ReadOnlyFilesystem => Error::with_source(
            ErrorKind::Permission,
            format!(
                "{doing}: its file system is mounted read-only; mount it writable or choose another directory with --data"
            ),
            source,
        ),
        std::io::ErrorKind::PermissionDenied => Error::with_source(
            ErrorKind::Permission,
            format!(
                "{doing}: user {user} may not write there; give the directory to that user (chown -R {user} DIR) \
                 or choose another with --data"
            ),
            source,
        ),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::with_source(
            ErrorKind::Full,
            format!("{doing}: its disk is full; make room there"),
            source,
        ),
        _ => Error::io(doing, source),
    }
}

/// Whether a directory lies on a network file system, by the magic number of its file system (statfs(2))
/// and, for FUSE, which carries local ones too, by its name in the mount table (proc_pid_mountinfo(5)).
pub fn lies_on_network(dir: &Path) -> bool {
    // linux/magic.h; SMB2 and Ceph are not in nix.
    const NETWORK: &[i64] = &[
        0x6969,      // NFS
        0x517B,      // SMB
        0xFF53_4D42, // CIFS
        0xFE53_4D42, // SMB2
        0x00C3_6400, // Ceph
        0x5346_414F, // AFS
        0x6B41_4653, // kAFS
        0x7375_7245, // Coda
        0x564C,      // NCP
        0x0BD0_0BD0, // Lustre
    ];
    const FUSE: i64 = 0x6573_5546;
    const NETWORK_FUSE: &[&str] = &[
        "sshfs",
        "rclone",
        "s3fs",
        "glusterfs",
        "davfs",
        "curlftpfs",
        "smbnetfs",
        "ceph-fuse",
        "juicefs",
        "moosefs",
        "mfs",
        "seaweedfs",
        "gcsfuse",
        "google-drive-ocamlfuse",
        "goofys",
    ];
    let Ok(stat) = nix::sys::statfs::statfs(dir) else {
        return false;
    };
    // The field is signed on some machines: only 32 bits of it mean anything.
    #[allow(clippy::unnecessary_cast)]
    let magic = stat.filesystem_type().0 as i64 & 0xFFFF_FFFF;
    if magic != FUSE {
        return NETWORK.contains(&magic);
    }
    let Ok(real) = dir.canonicalize() else {
        return false;
    };
    let Ok(table) = std::fs::read("/proc/self/mountinfo") else {
        return false;
    };
    fuse_name(&String::from_utf8_lossy(&table), &real)
        .is_some_and(|name| NETWORK_FUSE.contains(&name.as_str()))
}

/// What stands behind `fuse.` for the mount that holds `dir`: the longest mount point that leads to it,
/// the last one mounted where several are equal.
fn fuse_name(mountinfo: &str, dir: &Path) -> Option<String> {
    let mut best: Option<(usize, String)> = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let Some(point) = left.split(' ').nth(4) else {
            continue;
        };
        // Blanks in mount points are written as octal.
        let point = point.replace("\\040", " ");
        let kind = right.split(' ').next().unwrap_or_default();
        if dir.starts_with(&point) && best.as_ref().is_none_or(|(len, _)| point.len() >= *len) {
            best = Some((point.len(), kind.to_owned()));
        }
    }
    best.and_then(|(_, kind)| Some(kind.strip_prefix("fuse.")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuse_file_system_of_a_directory_is_that_of_its_innermost_mount() {
        let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                     40 22 0:50 / /mnt/pool rw shared:1 - fuse.mergerfs a:b rw\n\
                     41 40 0:51 / /mnt/pool/far\\040away rw - fuse.sshfs host: rw\n";
        for (dir, expected) in [
            ("/var/lib/exstreamd", None),
            ("/mnt/pool/data", Some("mergerfs")),
            ("/mnt/pool/far away/data", Some("sshfs")),
            ("/mnt/pool/far awayer", Some("mergerfs")),
        ] {
            assert_eq!(
                fuse_name(table, Path::new(dir)).as_deref(),
                expected,
                "{dir}"
            );
        }
    }

    #[test]
    fn a_local_directory_is_not_on_the_network() {
        assert!(!lies_on_network(&std::env::temp_dir()));
    }
}
