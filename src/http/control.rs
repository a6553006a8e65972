//! The control socket: who may change things.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};
use tokio::net::UnixStream;
use tokio::net::unix::UCred;

use crate::bail;
use crate::config::SERVICE_USER;
use crate::error::{Error, Result};

/// Reading and writing for owner and group.
const MODE: u32 = 0o660;

/// Opens the control socket at `path`, making its directory when need be. A socket that nobody answers on is
/// replaced; one that answers belongs to a running daemon.
pub fn bind(path: &Path) -> Result<std::os::unix::net::UnixListener> {
    let at = path.display();
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)
            .map_err(|e| Error::io(format!("making {}", dir.display()), e))?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!(
            Unavailable,
            "another exstreamd answers on {at}: stop it first, or give this one a data directory of its own"
        );
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io(
                format!("removing the old control socket {at}"),
                e,
            ));
        }
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(path)
        .map_err(|e| Error::io(format!("opening the control socket {at}"), e))?;
    let ready = std::fs::set_permissions(path, Permissions::from_mode(MODE))
        .and_then(|()| listener.set_nonblocking(true));
    ready.map_err(|e| Error::io(format!("opening the control socket {at}"), e))?;
    Ok(listener)
}

/// Lets in root, the user of the daemon, and members of its group; else says who was turned away.
pub(super) fn admit(stream: &UnixStream) -> Result<(), String> {
    let peer = stream
        .peer_cred()
        .map_err(|e| format!("a client that the kernel cannot name: {e}"))?;
    if may_control(peer) {
        Ok(())
    } else {
        Err(format!("user {}", peer.uid()))
    }
}

fn may_control(peer: UCred) -> bool {
    let (user, group) = (Uid::from_raw(peer.uid()), Gid::from_raw(peer.gid()));
    decide(user, group, geteuid(), getegid(), |user, group| {
        is_member(user, group)
    })
}

fn decide(
    user: Uid,
    group: Gid,
    our_user: Uid,
    our_group: Gid,
    member: impl Fn(Uid, Gid) -> bool,
) -> bool {
    // Root's own group stands for no wider circle than root.
    let shared_group = our_group.as_raw() != 0;
    user.is_root()
        || user == our_user
        || (shared_group && (group == our_group || member(user, our_group)))
}

fn is_member(user: Uid, group: Gid) -> bool {
    let (Ok(Some(user)), Ok(Some(group))) = (User::from_uid(user), Group::from_gid(group)) else {
        return false;
    };
    user.gid == group.gid || group.mem.contains(&user.name)
}

/// What to do when the socket refuses: for the message of the command line.
pub fn mend_for_refusal() -> String {
    format!(
        "run it with sudo, or join the group: sudo usermod -aG {SERVICE_USER} \"$USER\", then log in anew"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_daemons_user_and_its_group_are_let_in_and_nobody_else() {
        let check = |user: u32, group: u32, our_group: u32, expected: bool| {
            let member = |user: Uid, _: Gid| user.as_raw() == 1001;
            let id = |n| (Uid::from_raw(n), Gid::from_raw(n));
            let allowed = decide(id(user).0, id(group).1, id(900).0, id(our_group).1, member);
            assert_eq!(
                allowed, expected,
                "user {user} group {group} ours {our_group}"
            );
        };
        check(0, 0, 900, true);
        check(900, 900, 900, true);
        check(1000, 900, 900, true);
        check(1001, 1001, 900, true);
        check(1000, 1000, 900, false);
        check(1000, 0, 0, false);
        check(1001, 1001, 0, false);
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/exstreamd.sock");
        drop(bind(&path).unwrap());
        let living = bind(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            MODE
        );
        let e = bind(&path).unwrap_err();
        assert_eq!(e.kind().exit_code(), 69, "{e}");
        drop(living);
    }
}
