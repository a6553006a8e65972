//! Tests that mount: in a user and mount namespace of their own, as root of that.
// What is not run must be said; a helper fails by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Set in the run that is inside.
const INSIDE: &str = "EXSTREAMD_TEST_MOUNTS";

/// Runs the test `name` of this program once more in a namespace where it may mount; `true` there. What it
/// mounts and what it starts is gone when that run ends.
#[track_caller]
pub fn may_mount(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let possible = Command::new("unshare")
        .args(["-rm", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !possible {
        let required = std::env::var_os("TEST_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(!required, "unshare -rm is not permitted");
        println!("not run: unshare -rm is not permitted");
        return false;
    }
    let output = Command::new("unshare")
        .args(["-rm", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = super::daemon::said(&output);
    // A wrong name would run nothing and succeed.
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}

#[track_caller]
fn run(program: &str, args: &[&OsStr]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        super::daemon::said(&output)
    );
}

/// Makes `from` be seen at `at` too.
#[track_caller]
pub fn bind(from: &Path, at: &Path) {
    run("mount", &["--bind".as_ref(), from.as_ref(), at.as_ref()]);
}

/// An empty file system in memory, with options such as `size=1m`.
#[track_caller]
pub fn tmpfs(at: &Path, options: &str) {
    let args: [&OsStr; 6] = [
        "-t".as_ref(),
        "tmpfs".as_ref(),
        "-o".as_ref(),
        options.as_ref(),
        "none".as_ref(),
        at.as_ref(),
    ];
    run("mount", &args);
}

/// Takes away what is mounted at `at`, also while files on it are open.
#[track_caller]
pub fn unmount(at: &Path) {
    run("umount", &["-l".as_ref(), at.as_ref()]);
}

/// Makes what is mounted at `at` read-only.
#[track_caller]
pub fn remount_read_only(at: &Path) {
    run(
        "mount",
        &["-o".as_ref(), "remount,ro".as_ref(), at.as_ref()],
    );
}
