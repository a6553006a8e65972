//! Which file system a path lies on. A library root remembers it, so that an empty mount point is not taken for an
//! empty library, and the database refuses file systems that cannot lock.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::statfs::statfs;

use crate::error::{Error, ErrorKind, Result};

/// What names the file system that `path` lies on, the same after every remount and reboot: kind, UUID where there
/// is one (else the source: `server:/export`, `//server/share`, a device), and which part of it is mounted.
///
/// Reads nothing from the disk itself. Blocks as long as a hung network mount does: to be called where that is
/// allowed.
pub fn file_system_id(path: &Path) -> Result<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")
        .map_err(|e| Error::io("reading /proc/self/mountinfo", e))?;
    let mount_id = mount_id(path)?;
    let mount = table
        .lines()
        .filter_map(Mount::parse)
        .find(|mount| mount.id == mount_id)
        .ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "{}: its mount is not in /proc/self/mountinfo",
                    path.display()
                ),
            )
        })?;
    Ok(mount.identity(Path::new("/dev/disk/by-uuid")))
}

/// The number of the mount that `path` lies on (proc_pid_fdinfo(5)).
fn mount_id(path: &Path) -> Result<u64> {
    let doing = || format!("looking at the file system of {}", path.display());
    let opened = open_path(path).map_err(|e| Error::io(doing(), e))?;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", opened.as_raw_fd()))
        .map_err(|e| Error::io(doing(), e))?;
    info.lines()
        .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("{}: no mnt_id", doing())))
}

/// Opens a name without reading it (open(2), O_PATH). O_DIRECTORY makes an automounter mount what belongs there.
fn open_path(path: &Path) -> std::io::Result<File> {
    let open = |flags| OpenOptions::new().read(true).custom_flags(flags).open(path);
    match open(libc::O_PATH | libc::O_DIRECTORY) {
        Err(e) if e.raw_os_error() == Some(libc::ENOTDIR) => open(libc::O_PATH),
        other => other,
    }
}

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u64,
    /// Which folder of the file system is mounted.
    root: String,
    kind: String,
    source: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ');
        let mut file_system = file_system.split(' ');
        Some(Self {
            id: mount.next()?.parse().ok()?,
            root: mount.nth(2)?.to_owned(),
            kind: file_system.next()?.to_owned(),
            source: file_system.next()?.to_owned(),
        })
    }

    fn identity(&self, by_uuid: &Path) -> String {
        let source = match uuid_of(&self.source, by_uuid) {
            // Device names follow the order in which disks answer; UUIDs do not.
            Some(uuid) => format!("uuid={uuid}"),
            None => self.source.clone(),
        };
        format!("{}:{source}:{}", self.kind, self.root)
    }
}

/// The UUID of a device by udev's links; `None` for what is no device, and in containers, which have no links.
fn uuid_of(source: &str, by_uuid: &Path) -> Option<String> {
    if !source.starts_with('/') {
        return None;
    }
    let device = std::fs::canonicalize(source).unwrap_or_else(|_| PathBuf::from(source));
    let links = std::fs::read_dir(by_uuid).ok()?.flatten();
    links
        .filter(|link| std::fs::canonicalize(link.path()).is_ok_and(|to| to == device))
        .find_map(|link| link.file_name().into_string().ok())
}

/// Magic numbers of file systems whose files lie on another machine (statfs(2), linux/magic.h). FUSE is not among
/// them: most FUSE mounts of a NAS are local disks (mergerfs, NTFS, exFAT).
const NETWORK: [u32; 10] = [
    0x0000_6969, // NFS
    0x0000_517B, // SMB
    0xFF53_4D42, // CIFS
    0xFE53_4D42, // SMB2
    0x0000_564C, // NCP
    0x5346_414F, // AFS
    0x6B41_4653, // AFS of the kernel
    0x00C3_6400, // Ceph
    0x0102_1997, // 9P
    0x7375_7245, // Coda
];

/// Whether `path` lies on another machine, as far as its file system says. A path that cannot be looked at is not.
pub fn is_network(path: &Path) -> bool {
    statfs(path).is_ok_and(|fs| is_network_magic(fs.filesystem_type().0))
}

/// The kernel's type is signed on some machines and 64 bits wide on others; the number has 32 bits.
fn is_network_magic(magic: impl TryInto<i128>) -> bool {
    let low = magic.try_into().map_or(0, |n: i128| n & 0xFFFF_FFFF);
    NETWORK.iter().any(|&known| i128::from(known) == low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_of_one_file_system_agree_and_others_differ() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("film.mkv");
        std::fs::write(&file, "x").unwrap();
        let id = file_system_id(folder.path()).unwrap();
        assert_eq!(file_system_id(&file).unwrap(), id);
        assert!(
            file_system_id(Path::new("/proc"))
                .unwrap()
                .starts_with("proc:")
        );
        assert_ne!(file_system_id(Path::new("/proc")).unwrap(), id);
    }

    #[test]
    fn the_id_agrees_with_findmnt() {
        let ours = file_system_id(Path::new("/proc/self")).unwrap();
        let Ok(output) = std::process::Command::new("findmnt")
            .args(["-no", "FSTYPE,SOURCE,FSROOT", "-T", "/proc/self"])
            .output()
        else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let theirs: Vec<&str> = text
            .lines()
            .last()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        assert_eq!(ours, theirs.join(":"));
    }

    #[test]
    fn a_missing_path_is_named() {
        let error = file_system_id(Path::new("/nowhere/films")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("/nowhere/films"));
    }

    #[test]
    fn the_identity_of_a_device_is_its_uuid_and_survives_another_device_name() {
        let folder = tempfile::tempdir().unwrap();
        let by_uuid = folder.path().join("by-uuid");
        std::fs::create_dir(&by_uuid).unwrap();
        let device = folder.path().join("sdb1");
        std::fs::write(&device, "").unwrap();
        symlink(&device, by_uuid.join("8b1c-77")).unwrap();
        let line = format!(
            "36 35 98:0 /films /media rw,noatime master:1 - ext4 {} rw",
            device.display()
        );
        let mount = Mount::parse(&line).unwrap();
        assert_eq!(mount.id, 36);
        assert_eq!(mount.identity(&by_uuid), "ext4:uuid=8b1c-77:/films");
        let nfs = Mount::parse("40 35 0:50 / /nas rw - nfs4 nas:/export/tv rw,addr=10.0.0.2");
        assert_eq!(nfs.unwrap().identity(&by_uuid), "nfs4:nas:/export/tv:/");
        assert_eq!(Mount::parse("not a mount"), None);
    }

    #[test]
    fn network_file_systems_are_known_whatever_the_width_of_the_number() {
        assert!(is_network_magic(0x6969_i64));
        assert!(is_network_magic(0xFF53_4D42_u32.cast_signed()));
        assert!(is_network_magic(0xFE53_4D42_i64));
        assert!(!is_network_magic(0xEF53_i64));
        assert!(!is_network(Path::new("/proc")));
        assert!(!is_network(Path::new("/nowhere")));
    }
}
