//! The access doctor: tries a path as the user we run as, one component at a time, and says which one
//! refuses, who owns it and the command that mends it on this machine.
//!
//! It tries rather than computes: access lists, security modules and a service's sandbox all count.
//! Everything here blocks as long as a hung mount does.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::ErrorKind as Io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, geteuid};

use super::mounts::file_system_id;
use crate::error::{Error, ErrorKind, Result};
use crate::media::{FileSource, ReadAt};

/// Links followed before we call it a loop (the kernel's own limit is 40 in all).
const MAX_LINKS: u8 = 16;
/// Most names looked at to find one file to read.
const MAX_NAMES: usize = 2_000;
/// What is read of that file: more than a permission needs, enough to notice a dying disk or server.
const SAMPLE_BYTES: usize = 64 << 10;

/// Tries to reach and read `path` (a folder: to list it), and fails with the first component that refuses
/// (`Permission`), is missing (`NotFound`) or is no folder (`Invalid`), and how to mend it.
pub fn explain(path: &Path) -> Result<()> {
    explain_through(path, MAX_LINKS)
}

fn explain_through(path: &Path, links_left: u8) -> Result<()> {
    if !path.is_absolute() {
        crate::bail!(
            Invalid,
            "{} is not an absolute path: it must begin with /",
            path.display()
        );
    }
    let mut components: Vec<&Path> = path.ancestors().collect();
    components.reverse();
    for (i, &component) in components.iter().enumerate() {
        let last = i + 1 == components.len();
        let meta = match std::fs::metadata(component) {
            Ok(meta) => meta,
            Err(e) => return Err(unreachable_component(component, e, links_left)),
        };
        if !last && !meta.is_dir() {
            crate::bail!(
                Invalid,
                "{} is a file, so nothing can lie below it: check the path",
                component.display()
            );
        }
        if last {
            return try_reading(component, &meta);
        }
    }
    Ok(())
}

/// Opens the folder `path`, lists it, and reads 64 KiB of one file below it that `wanted` names; returns
/// which. `None` when there is no such file yet. Fails when not one could be read, with the first refusal.
pub fn try_folder(path: &Path, wanted: &dyn Fn(&OsStr) -> bool) -> Result<Option<PathBuf>> {
    explain(path)?;
    if !path.is_dir() {
        crate::bail!(
            Invalid,
            "{} is a file: add the folder that holds it",
            path.display()
        );
    }
    let mut folders = std::collections::VecDeque::from([path.to_owned()]);
    let mut names_left = MAX_NAMES;
    let mut refusal = None;
    while let Some(folder) = folders.pop_front() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) => {
                refusal.get_or_insert_with(|| explained(&folder, "listing", e));
                continue;
            }
        };
        for entry in entries.flatten() {
            names_left = names_left.saturating_sub(1);
            if names_left == 0 {
                break;
            }
            let file_type = entry.file_type();
            if file_type.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                folders.push_back(entry.path());
            } else if file_type.is_ok_and(|t| t.is_file()) && wanted(&entry.file_name()) {
                match read_sample(&entry.path()) {
                    Ok(()) => return Ok(Some(entry.path())),
                    Err(e) => _ = refusal.get_or_insert(e),
                }
            }
        }
    }
    refusal.map_or(Ok(None), Err)
}

fn read_sample(file: &Path) -> Result<()> {
    let read = || -> Result<()> {
        let source = FileSource::open(file)?;
        source.read_at(0, &mut vec![0; SAMPLE_BYTES])?;
        Ok(())
    };
    read().map_err(|e| explain(file).err().unwrap_or(e))
}

/// The doctor's answer about `path`, or the plain error when the doctor finds nothing.
fn explained(path: &Path, doing: &str, e: std::io::Error) -> Error {
    explain(path)
        .err()
        .unwrap_or_else(|| Error::io(format!("{doing} {}", path.display()), e))
}

/// Why `component` could not even be looked at.
fn unreachable_component(component: &Path, e: std::io::Error, links_left: u8) -> Error {
    let shown = component.display();
    let is_link = std::fs::symlink_metadata(component).is_ok_and(|m| m.is_symlink());
    if is_link
        && matches!(e.kind(), Io::NotFound | Io::PermissionDenied)
        && links_left > 0
        && let Ok(target) = std::fs::read_link(component)
    {
        let target = component.parent().unwrap_or(Path::new("/")).join(target);
        if let Err(why) = explain_through(&target, links_left - 1) {
            return why.context(format!("{shown} is a link to {}", target.display()));
        }
    }
    match (e.kind(), component.parent()) {
        (Io::PermissionDenied, Some(parent)) => refused(parent, Need::Enter, e),
        (Io::NotFound, Some(parent)) => missing(component, parent),
        _ => broken(component, e),
    }
}

fn missing(component: &Path, parent: &Path) -> Error {
    let names = std::fs::read_dir(parent).map(|entries| entries.take(1).count());
    let hint = if matches!(names, Ok(0)) {
        format!(
            "{} is empty: is the disk mounted? (findmnt {})",
            parent.display(),
            quoted(parent)
        )
    } else {
        format!(
            "{} is there but holds no {:?}: check the spelling, and whether the disk is mounted (findmnt)",
            parent.display(),
            component.file_name().unwrap_or_default().to_string_lossy()
        )
    };
    Error::new(
        ErrorKind::NotFound,
        format!("{} does not exist. {hint}", component.display()),
    )
}

/// Anything but a refusal: a server that is gone, a disk that dies, a link that turns in circles.
fn broken(path: &Path, e: std::io::Error) -> Error {
    let hint = match e.raw_os_error() {
        Some(
            nix::libc::ESTALE
            | nix::libc::ENOTCONN
            | nix::libc::EIO
            | nix::libc::ETIMEDOUT
            | nix::libc::EHOSTDOWN,
        ) => ": the disk or server behind it does not answer; mount it again and look at `dmesg`",
        Some(nix::libc::ELOOP) => ": its links turn in circles",
        _ => "",
    };
    Error::io(format!("looking at {}{hint}", path.display()), e)
}

fn try_reading(path: &Path, meta: &Metadata) -> Result<()> {
    let (tried, need) = if meta.is_dir() {
        let listed = std::fs::read_dir(path).map(drop);
        // Listing names needs r, using them needs x.
        let entered = listed
            .is_ok()
            .then(|| std::fs::metadata(path.join(".")).map(drop));
        match entered {
            Some(Err(e)) if e.kind() == Io::PermissionDenied => (Err(e), Need::Enter),
            _ => (listed, Need::List),
        }
    } else {
        // Opening a pipe must not wait for a writer.
        (
            std::fs::File::options()
                .read(true)
                .custom_flags(nix::libc::O_NONBLOCK)
                .open(path)
                .map(drop),
            Need::Read,
        )
    };
    match tried {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == Io::PermissionDenied => Err(refused(path, need, e)),
        Err(e) => Err(broken(path, e)),
    }
}

/// What we wanted of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// To go through a folder on the way (x).
    Enter,
    /// To list a folder (r).
    List,
    /// To read a file (r).
    Read,
}

impl Need {
    fn verb(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::List => "list",
            Self::Read => "read",
        }
    }

    /// The permission bit, as of the group's three.
    fn bit(self) -> u32 {
        match self {
            Self::Enter => 0o1,
            Self::List | Self::Read => 0o4,
        }
    }
}

fn refused(path: &Path, need: Need, e: std::io::Error) -> Error {
    let message = match std::fs::metadata(path) {
        Ok(meta) => {
            let facts = Facts::gather(path, &meta);
            format!(
                "{user} cannot {verb} {path} (owner {owner}, group {group}, mode {mode:04o}, {fs}). {mend}",
                user = facts.user,
                verb = need.verb(),
                path = path.display(),
                owner = facts.owner,
                group = facts.group,
                mode = facts.mode,
                fs = facts.file_system,
                mend = facts.mend(need),
            )
        }
        Err(_) => format!("cannot {} {}", need.verb(), path.display()),
    };
    Error::with_source(ErrorKind::Permission, message, e)
}

/// Everything that the mending command depends on.
#[derive(Clone, Debug)]
struct Facts {
    path: PathBuf,
    /// The user we run as; a number when it has no name.
    user: String,
    /// Whether that user owns the component.
    is_owner: bool,
    owner: String,
    group: String,
    is_root_group: bool,
    /// Whether the user database says that the user is in the group (the process may be older).
    listed_in_group: bool,
    mode: u32,
    /// "ext4", "nfs4", "fuseblk" …
    file_system: String,
    has_setfacl: bool,
}

impl Facts {
    fn gather(path: &Path, meta: &Metadata) -> Self {
        let me = geteuid();
        let user = User::from_uid(me).ok().flatten();
        let group = Group::from_gid(Gid::from_raw(meta.gid())).ok().flatten();
        let owner = User::from_uid(Uid::from_raw(meta.uid())).ok().flatten();
        let listed = user
            .as_ref()
            .zip(group.as_ref())
            .is_some_and(|(u, g)| g.mem.contains(&u.name));
        Self {
            path: path.to_owned(),
            user: user.map_or_else(|| me.to_string(), |u| u.name),
            is_owner: meta.uid() == me.as_raw(),
            owner: owner.map_or_else(|| meta.uid().to_string(), |u| u.name),
            is_root_group: meta.gid() == 0,
            listed_in_group: listed,
            group: group.map_or_else(|| meta.gid().to_string(), |g| g.name),
            mode: meta.mode() & 0o7777,
            file_system: file_system_id(path)
                .ok()
                .and_then(|id| Some(id.split(':').next()?.to_owned()))
                .unwrap_or_else(|| "unknown file system".to_owned()),
            has_setfacl: ["/usr/bin/setfacl", "/bin/setfacl", "/usr/sbin/setfacl"]
                .iter()
                .any(|p| Path::new(p).exists()),
        }
    }

    /// A sentence with the command to run as root.
    fn mend(&self, need: Need) -> String {
        let path = quoted(&self.path);
        let user = &self.user;
        let hidden_by_sandbox = ["/home", "/root", "/run/user"]
            .iter()
            .any(|p| self.path == Path::new(p))
            && self.mode & 0o777 == 0;
        if hidden_by_sandbox {
            return "The service may not see it: run `systemctl edit exstreamd`, add the two lines \
                `[Service]` and `ProtectHome=read-only`, then `systemctl restart exstreamd`."
                .to_owned();
        }
        match self.file_system.as_str() {
            "vfat" | "exfat" | "ntfs" | "ntfs3" | "fuseblk" | "cifs" | "smb3" | "hfsplus" => {
                return format!(
                    "This file system takes its permissions from its mount options: add uid={user} to them \
                     in /etc/fstab and mount it again."
                );
            }
            "nfs" | "nfs4" => {
                return format!(
                    "The server decides: give uid {} (or others) access there, for instance `chmod {} {path}` \
                     on the server's own path.",
                    geteuid(),
                    self.open_to("o", need)
                );
            }
            _ => {}
        }
        let group_would_do = (self.mode >> 3) & need.bit() != 0 && !self.is_root_group;
        if self.is_owner {
            return format!("Run: chmod {} {path}", self.open_to("u", need));
        }
        if group_would_do && self.listed_in_group {
            return format!(
                "{user} joined group {} after exstreamd was started: restart it (systemctl restart exstreamd).",
                self.group
            );
        }
        if group_would_do {
            return format!(
                "Run as root: usermod -aG {} {user} && systemctl restart exstreamd",
                self.group
            );
        }
        if self.has_setfacl {
            return match need {
                Need::Enter => format!("Run as root: setfacl -m u:{user}:x {path}"),
                Need::Read => format!("Run as root: setfacl -m u:{user}:r {path}"),
                // Recursive, and as the default for what comes later.
                Need::List => format!(
                    "Run as root: setfacl -R -m u:{user}:rX {path} && setfacl -R -d -m u:{user}:rX {path}"
                ),
            };
        }
        format!(
            "Run as root: chmod {} {path} (or install the package acl and give {user} alone access by setfacl)",
            self.open_to("o", need)
        )
    }

    /// The arguments of chmod that open the component to `who`.
    fn open_to(&self, who: &str, need: Need) -> String {
        match need {
            Need::Enter => format!("{who}+x"),
            Need::Read => format!("{who}+r"),
            Need::List => format!("-R {who}+rX"),
        }
    }
}

/// `path` as a word for bash: plain, in single quotes, or in `$'…'` when it holds what cannot be shown.
pub(crate) fn quoted(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+@%,:=".contains(b);
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(plain) => text.to_owned(),
        Ok(text) if !text.chars().any(char::is_control) => {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
        _ => {
            let mut word = String::from("$'");
            for &b in bytes {
                match b {
                    b'\'' | b'\\' => word.extend(['\\', char::from(b)]),
                    b' '..=b'~' => word.push(char::from(b)),
                    _ => word.push_str(&format!("\\x{b:02x}")),
                }
            }
            word.push('\'');
            word
        }
    }
}

#[cfg(test)]
mod tests;
