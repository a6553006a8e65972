//! What happens to the database from outside: crashes, full and read-only disks, damage, other owners.
//!
//! Where another process is needed, this test binary starts itself with [`CHILD`] set and runs one `child_*` test.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stderr)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use exstreamd::clock::{RealClock, SharedClock};
use exstreamd::error::{Error, ErrorKind};
use exstreamd::store::{DATABASE_FILE, LOCK_FILE, OpenStore, Store};

/// The data directory of a child.
const CHILD: &str = "EXSTREAMD_TEST_CHILD";
/// Somebody who is not root and not the user of any test.
const NOBODY: u32 = 65_534;

fn open_with(options: &OpenStore) -> Result<Store, Error> {
    Store::open(options, &(Arc::new(RealClock) as SharedClock))
}

fn open(dir: &Path) -> Result<Store, Error> {
    open_with(&OpenStore::new(dir))
}

fn child_dir() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

/// This binary, about to run one of its `child_*` tests on a data directory.
fn child(test: &str, dir: &Path) -> Vec<String> {
    let me = std::env::current_exe().unwrap();
    vec![
        "env".to_owned(),
        format!("{CHILD}={}", dir.display()),
        me.display().to_string(),
        "--exact".to_owned(),
        test.to_owned(),
        "--nocapture".to_owned(),
        "--test-threads=1".to_owned(),
    ]
}

fn command(args: &[String]) -> Command {
    let mut command = Command::new(&args[0]);
    command.args(&args[1..]);
    command
}

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

fn check_error(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:#}");
    for word in words {
        assert!(error.to_string().contains(word), "no {word:?} in: {error}");
    }
}

#[tokio::test]
async fn a_second_opener_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("deep/data");
    let store = open(&data).unwrap();
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o750);
    let database = std::fs::metadata(data.join(DATABASE_FILE)).unwrap();
    assert_eq!(database.permissions().mode() & 0o777, 0o600);
    let pid = std::process::id().to_string();
    let second = open(&data).unwrap_err();
    check_error(
        &second,
        ErrorKind::Conflict,
        &[pid.as_str(), "in use", "--data"],
    );
    store.close().await;
    let lock = std::fs::read(data.join(LOCK_FILE)).unwrap();
    assert!(lock.is_empty(), "an orderly stop leaves no mark");
    open(&data).unwrap().close().await;
}

#[test]
fn a_network_file_system_is_refused_and_nothing_is_made_there() {
    let dir = tempfile::tempdir().unwrap();
    let options = OpenStore {
        is_network: |_| true,
        ..OpenStore::new(dir.path().join("data"))
    };
    let error = open_with(&options).unwrap_err();
    check_error(
        &error,
        ErrorKind::Config,
        &["network", "local disk", "--data"],
    );
    assert!(!options.dir.exists());
}

#[tokio::test]
async fn damage_newer_versions_and_foreign_files_are_refused_with_the_way_back() {
    // Offsets in the header of a database file (SQLite file format, section 1.3).
    const USER_VERSION_AT: u64 = 60;
    const APPLICATION_ID_AT: u64 = 68;
    let way_back = ["backup", "media files are never touched"];
    for (at, bytes, words) in [
        (0, b"not a database at all".to_vec(), &way_back[..]),
        (
            USER_VERSION_AT,
            99_u32.to_be_bytes().to_vec(),
            &["written by exstreamd", "upgrade", "restore the backup"][..],
        ),
        (
            APPLICATION_ID_AT,
            7_u32.to_be_bytes().to_vec(),
            &["not a database of exstreamd"][..],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).unwrap().close().await;
        let file = std::fs::File::options()
            .write(true)
            .open(dir.path().join(DATABASE_FILE))
            .unwrap();
        file.write_all_at(&bytes, at).unwrap();
        check_error(&open(dir.path()).unwrap_err(), ErrorKind::Data, words);
    }
}

#[tokio::test]
async fn damage_inside_is_found_at_the_start_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for n in 0..300 {
        store
            .set_meta(&format!("key {n}"), Some(&"x".repeat(200)))
            .await
            .unwrap();
    }
    store.close().await;
    let path = dir.path().join(DATABASE_FILE);
    let length = std::fs::metadata(&path).unwrap().len();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    // The last pages hold the keys just written.
    file.write_all_at(&[0xA5; 8192], length - 8192).unwrap();
    std::fs::write(dir.path().join(LOCK_FILE), "exstreamd (process 1)\n").unwrap();
    let error = open(dir.path()).unwrap_err();
    check_error(&error, ErrorKind::Data, &["damaged", "backup"]);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_keeps_what_is_there_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let options = OpenStore {
        max_pages: Some(60),
        ..OpenStore::new(dir.path())
    };
    let store = open_with(&options).unwrap();
    fill(&store).await;
    store.close().await;
}

/// Writes until the disk is full, then makes room again.
async fn fill(store: &Store) {
    store.set_meta("before", Some("kept")).await.unwrap();
    let big = "x".repeat(30_000);
    let mut full = None;
    for n in 0..1000 {
        if let Err(e) = store.set_meta(&format!("big {n}"), Some(&big)).await {
            full = Some((n, e));
            break;
        }
    }
    let (written, error) = full.expect("it never became full");
    check_error(&error, ErrorKind::Full, &["full", "make room"]);
    // Many at once: all are refused, none hangs.
    let refused = tokio::join!(
        store.set_meta("a", Some(&big)),
        store.set_meta("b", Some(&big)),
        store.set_meta("c", Some(&big))
    );
    for result in [refused.0, refused.1, refused.2] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Full);
    }
    let kept = store.meta("before").await.unwrap();
    assert_eq!(kept.as_deref(), Some("kept"));
    assert!(written > 0 && store.meta("big 0").await.unwrap().is_some());
}

#[tokio::test]
async fn child_fills_its_disk() {
    let Some(dir) = child_dir() else { return };
    let ballast = dir.join("ballast");
    let store = open(&dir.join("data")).unwrap();
    std::fs::write(&ballast, vec![1; 200_000]).unwrap();
    fill(&store).await;
    std::fs::remove_file(&ballast).unwrap();
    store.set_meta("after", Some("healed")).await.unwrap();
    store.close().await;
    let store = open(&dir.join("data")).unwrap();
    assert_eq!(
        store.meta("after").await.unwrap().as_deref(),
        Some("healed")
    );
    store.close().await;
    println!("child done");
}

#[tokio::test]
async fn child_is_refused_by_a_read_only_directory() {
    let Some(dir) = child_dir() else { return };
    let error = open(&dir).unwrap_err();
    check_error(&error, ErrorKind::Permission, &["--data"]);
    println!("child done");
}

#[tokio::test]
async fn child_opens_and_writes() {
    let Some(dir) = child_dir() else { return };
    let store = open(&dir).unwrap();
    store.set_meta("child", Some("was here")).await.unwrap();
    // Not closed in order: the next one has to come to terms with that.
    println!("child done");
    std::process::exit(0);
}

/// Runs a command and says whether its child ran to the end; `None` when this machine does not allow namespaces.
fn ran(mut command: Command) -> Option<bool> {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("unshare:") || complaint.contains("mount:") {
        return None;
    }
    let done = said.contains("child done");
    if !done {
        eprintln!("{said}\n{complaint}");
    }
    Some(done)
}

fn in_namespace(mount: &str, test: &str, dir: &Path) -> Option<bool> {
    let mut args = ["unshare", "-rm", "--", "sh", "-c"]
        .map(str::to_owned)
        .to_vec();
    args.push(format!("{mount} && exec \"$@\""));
    args.push("sh".to_owned());
    args.extend(child(test, dir));
    ran(command(&args))
}

#[test]
fn a_really_full_disk_and_a_read_only_mount() {
    let dir = tempfile::tempdir().unwrap();
    let shown = dir.path().display();
    for (mount, test) in [
        (
            format!("mount -t tmpfs -o size=1m tmpfs '{shown}'"),
            "child_fills_its_disk",
        ),
        (
            format!("mount -t tmpfs -o ro tmpfs '{shown}'"),
            "child_is_refused_by_a_read_only_directory",
        ),
    ] {
        match in_namespace(&mount, test, dir.path()) {
            None => eprintln!("not run: {test} (no user namespaces here)"),
            Some(done) => assert!(done, "{test}"),
        }
    }
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o555)).unwrap();
    let mut command = command(&child(
        "child_is_refused_by_a_read_only_directory",
        dir.path(),
    ));
    if is_root() {
        if !others_may_run_us() {
            eprintln!("not run: other users cannot reach this test binary");
            return;
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    assert_eq!(ran(command), Some(true));
}

/// Whether another user could start this binary: each directory above it must let everybody through.
fn others_may_run_us() -> bool {
    let me = std::env::current_exe().unwrap();
    me.ancestors().all(|p| {
        let mode = std::fs::metadata(p).unwrap().permissions().mode();
        mode & 0o001 != 0
    })
}

#[tokio::test]
async fn root_leaves_every_file_to_the_owner_of_the_directory() {
    if !is_root() || !others_may_run_us() {
        eprintln!("not run: needs root, and a test binary that other users can reach");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    let check = |when: &str| {
        let mut seen = 0;
        for entry in std::fs::read_dir(&data).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            let name = entry.file_name();
            assert_eq!(
                (meta.uid(), meta.gid()),
                (NOBODY, NOBODY),
                "{name:?} {when}"
            );
            seen += 1;
        }
        assert!(seen >= 2, "{when}");
    };
    let run_as_owner = |expected: Option<bool>| {
        let mut command = command(&child("child_opens_and_writes", &data));
        command.uid(NOBODY).gid(NOBODY);
        assert_eq!(ran(command), expected);
    };
    // Root before the owner ever ran.
    let store = open(&data).unwrap();
    store.set_meta("root", Some("was here")).await.unwrap();
    check("while root has it open");
    run_as_owner(Some(false));
    check("after the owner was refused");
    store.close().await;
    check("after root");
    // The owner, then root again after a crash of the owner.
    run_as_owner(Some(true));
    check("after the owner crashed");
    let store = open(&data).unwrap();
    let left = store.meta("child").await.unwrap();
    assert_eq!(left.as_deref(), Some("was here"));
    check("while root has it open again");
    store.close().await;
    run_as_owner(Some(true));
}

#[tokio::test]
async fn root_does_not_follow_links_out_of_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (data, victim) = (dir.path().join("data"), dir.path().join("victim"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(&victim, "precious").unwrap();
    for name in [LOCK_FILE, DATABASE_FILE] {
        std::os::unix::fs::symlink(&victim, data.join(name)).unwrap();
        assert!(open(&data).is_err(), "{name}");
        std::fs::remove_file(data.join(name)).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}

#[tokio::test]
async fn child_writes_until_it_is_killed() {
    let Some(dir) = child_dir() else { return };
    let store = open(&dir).unwrap();
    let known = store.meta("count").await.unwrap();
    let mut n: u64 = known.and_then(|k| k.parse().ok()).unwrap_or_default();
    for _ in 0..100_000 {
        n += 1;
        let (count, fact) = (n.to_string(), format!("fact {n}"));
        let (a, b) = tokio::join!(
            store.set_meta(&fact, Some(&count)),
            store.set_meta("count", Some(&count))
        );
        a.unwrap();
        b.unwrap();
        println!("committed {n}");
    }
}

#[tokio::test]
async fn kill_9_in_the_middle_of_writes_loses_nothing_that_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let mut committed = 0_u64;
    for round in 1..=3_u64 {
        let mut child = command(&child("child_writes_until_it_is_killed", dir.path()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let target = committed + 150 * round;
        for line in lines {
            let line = line.unwrap();
            if let Some(n) = line.strip_prefix("committed ") {
                committed = n.parse().unwrap();
            }
            if committed == target {
                // SIGKILL, while it goes on writing.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(committed >= target);
        let lock = std::fs::read(dir.path().join(LOCK_FILE)).unwrap();
        assert!(!lock.is_empty(), "a crash leaves its mark");
        // Opening checks the whole database after a crash.
        let store = open(dir.path()).unwrap();
        let count = store.meta("count").await.unwrap().unwrap();
        assert!(count.parse::<u64>().unwrap() >= committed);
        for n in 1..=committed {
            let fact = store.meta(&format!("fact {n}")).await.unwrap();
            assert_eq!(fact, Some(n.to_string()));
        }
        store.close().await;
    }
}
