//! Root works on somebody else's data directory as that somebody, so that no file changes its owner.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};

use crate::bail;
use crate::config::SERVICE_USER;
use crate::error::{Error, ErrorKind, Result};

/// The data directory of the packaged service, made for its user when root is the first to need it.
fn make_for_service(data: &Path) -> Result<()> {
    let service = Path::new("/var/lib").join(SERVICE_USER);
    let Ok(Some(user)) = User::from_name(SERVICE_USER) else {
        return Ok(());
    };
    if data != service || data.exists() {
        return Ok(());
    }
    let made = DirBuilder::new().mode(0o750).create(data);
    let owned = made.and_then(|()| {
        std::os::unix::fs::chown(data, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
    });
    owned.map_err(|e| Error::io(format!("making {}", data.display()), e))
}

/// When this process is root's and `data` (or the nearest directory above it that exists) has another
/// owner, becomes that owner for good. Must run before any thread is started.
pub(super) fn become_owner(data: &Path) -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    make_for_service(data)?;
    let Some((dir, meta)) = data
        .ancestors()
        .find_map(|dir| Some((dir, std::fs::metadata(dir).ok()?)))
    else {
        return Ok(());
    };
    // Directories above tell nothing: /var/lib is root's on every box.
    if dir != data || meta.uid() == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
    let failed = |e: nix::Error| {
        let message = format!("becoming user {uid}, who owns {}", data.display());
        Error::with_source(ErrorKind::Permission, message, e)
    };
    match User::from_uid(uid).map_err(failed)? {
        Some(user) => {
            let Ok(name) = std::ffi::CString::new(user.name) else {
                bail!(Internal, "user {uid} has a name with a zero byte");
            };
            initgroups(&name, gid).map_err(failed)?;
        }
        None => setgroups(&[gid]).map_err(failed)?,
    }
    setgid(gid).map_err(failed)?;
    setuid(uid).map_err(failed)
}
