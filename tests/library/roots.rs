//! Roots that refuse, lose their files, or go away and come back.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_loses_more_than_half_at_once_keeps_everything_until_the_user_says_so() {
    let dir = tree(&["a.mkv", "b.mkv", "c.mkv", "d/e.mkv"]);
    let away = tempfile::tempdir().unwrap();
    let f = Fixture::new(any());
    let root = f.add(dir.path(), RootKind::Auto).await;
    let before = f.items().await;

    for file in ["a.mkv", "b.mkv", "c.mkv"] {
        fs::rename(dir.path().join(file), away.path().join(file)).unwrap();
    }
    put(dir.path(), "stray.mkv", "new");
    let reason = f.scan().await.unreachable.unwrap();
    assert!(reason.starts_with("3 of 4 items are gone from"), "{reason}");
    assert_eq!(f.items().await, before);
    let first = f.root().await.state;
    let RootState::Unreachable { since, .. } = first.clone() else {
        panic!("{first:?}")
    };
    assert_eq!(since, f.clock.utc());
    // Since when stays what it was.
    f.clock.advance(Duration::from_secs(30));
    f.scan().await;
    assert_eq!(f.root().await.state, first);

    let report = f.library.scan_accepting_loss(root.id).await.unwrap();
    assert_eq!(
        (report.missing, report.new, report.unreachable),
        (3, 1, None)
    );
    assert_eq!(f.root().await.state, RootState::Present);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_folder_loses_nothing_and_is_named() {
    // Root reads everything, so there this runs once more as nobody.
    if nix::unistd::geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        let copy = tempfile::tempdir().unwrap();
        fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let exe = copy.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
        let output = Command::new(exe)
            .args([
                "roots::an_unreadable_folder_loses_nothing_and_is_named",
                "--exact",
            ])
            .env("TMPDIR", "/tmp")
            .current_dir("/")
            .uid(65_534)
            .gid(65_534)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    }
    let dir = tree(&["a.mkv", "b.mkv", "closed/c.mkv", "secret.mkv"]);
    let f = Fixture::new(any());
    let secret = dir.path().join("secret.mkv");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    f.add(dir.path(), RootKind::Auto).await;
    // A file that refuses is tried again; opening it up changes neither size nor time.
    assert_eq!(f.probes().await["secret.mkv"], "pending");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    f.scan().await;
    assert_eq!(f.probes().await["secret.mkv"], "known");
    let before = f.items().await;

    let closed = dir.path().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let report = f.scan().await;
    assert_eq!(
        (report.missing, report.trouble_count, report.unreachable),
        (0, 1, None)
    );
    assert!(
        report.trouble[0].contains("closed (owner") && report.trouble[0].contains("chmod"),
        "{:?}",
        report.trouble
    );
    assert_eq!(f.items().await, before);

    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o000)).unwrap();
    let reason = f.scan().await.unreachable.unwrap();
    assert!(reason.contains("mode 0000"), "{reason}");
    assert_eq!(f.items().await, before);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!f.scan().await.is_change());
    assert_eq!(f.items().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_cannot_be_roots_are_refused_with_the_reason() {
    let dir = tree(&["a.mkv", "sub/b.mkv"]);
    let f = Fixture::new(any());
    let refuse = async |path: &Path, kind: ErrorKind, part: &str| {
        let error = f.library.add(path, RootKind::Auto).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:#}");
        assert!(error.to_string().contains(part), "{error:#}");
    };
    refuse(
        &dir.path().join("nowhere"),
        ErrorKind::NotFound,
        "does not exist",
    )
    .await;
    refuse(
        &dir.path().join("a.mkv"),
        ErrorKind::Invalid,
        "add the folder that holds it",
    )
    .await;
    refuse(
        Path::new("relative"),
        ErrorKind::Invalid,
        "not an absolute path",
    )
    .await;
    refuse(Path::new("/"), ErrorKind::Invalid, "belongs to the system").await;
    refuse(
        Path::new("/proc/self"),
        ErrorKind::Invalid,
        "belongs to the system",
    )
    .await;
    let root = f.add(dir.path(), RootKind::Auto).await;
    refuse(
        &dir.path().join("sub"),
        ErrorKind::Conflict,
        "belong to the folder",
    )
    .await;

    f.library.remove(root.id).await.unwrap();
    assert_eq!(
        f.library.scan(root.id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(dir.path().join("a.mkv").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_goes_and_comes_back_leaves_every_row_as_it_was() {
    if !in_namespace("roots::a_disk_that_goes_and_comes_back_leaves_every_row_as_it_was") {
        return;
    }
    let disk = tree(&["a (2000).mkv", "b (2001).mkv", "Show/s01e01.mkv"]);
    let base = tempfile::tempdir().unwrap();
    let mount = base.path().join("mnt");
    fs::create_dir(&mount).unwrap();
    bind(disk.path(), &mount);
    let mut f = Fixture::new(any());
    f.add(&mount, RootKind::Auto).await;
    let (items, root) = (f.items().await, f.root().await);
    assert_eq!(items.len(), 3);
    let same = async |f: &Fixture, when: &str| {
        assert_eq!(f.items().await, items, "{when}");
        let now = f.root().await;
        assert_eq!(
            (now.file_system, now.item_count),
            (root.file_system.clone(), 3),
            "{when}"
        );
        assert_eq!(
            (now.id, now.path, now.watching),
            (root.id, root.path.clone(), root.watching.clone()),
            "{when}"
        );
        now.state
    };
    let away = async |f: &Fixture, part: &str, when: &str| {
        let RootState::Unreachable { reason, .. } = same(f, when).await else {
            panic!("{when}: {:?}", f.root().await.state);
        };
        assert!(
            reason.contains(part) && reason.contains("Nothing was removed"),
            "{when}: {reason}"
        );
    };

    // Absent at boot.
    unmount(&mount);
    f.restart(any()).await;
    f.library.idle().await.unwrap();
    away(&f, "is empty, where 3 items were", "absent at boot").await;
    // It comes back: the kernel says so, and nobody has to ask for a scan.
    bind(disk.path(), &mount);
    until(async || f.root().await.state == RootState::Present).await;
    f.library.idle().await.unwrap();
    assert_eq!(same(&f, "back after boot").await, RootState::Present);

    // It goes while we run.
    unmount(&mount);
    until(async || f.root().await.state != RootState::Present).await;
    away(&f, "is empty, where 3 items were", "gone while running").await;
    assert_eq!(f.store.items_to_probe(0, 10, true).await.unwrap(), []);

    // Another one in its place, with a film of its own: still away, and the film is none of ours.
    tmpfs(&mount);
    put(&mount, "stray (1990).mkv", "x");
    f.scan().await;
    away(&f, "is on another file system (tmpfs:", "another disk").await;
    unmount(&mount);

    // The folder itself is gone.
    fs::remove_dir(&mount).unwrap();
    f.scan().await;
    let RootState::Unreachable { reason, .. } = same(&f, "no folder").await else {
        panic!()
    };
    assert!(reason.contains("does not exist"), "{reason}");
    fs::create_dir(&mount).unwrap();

    bind(disk.path(), &mount);
    until(async || f.root().await.state == RootState::Present).await;
    f.library.idle().await.unwrap();
    assert_eq!(same(&f, "back again").await, RootState::Present);

    // A copy of everything on a new disk is accepted: same items, the new disk remembered.
    let copy = base.path().join("copy");
    fs::create_dir(&copy).unwrap();
    tmpfs(&copy);
    run(
        "cp",
        &[
            "-a".as_ref(),
            disk.path().join(".").as_os_str(),
            copy.as_os_str(),
        ],
    );
    unmount(&mount);
    bind(&copy, &mount);
    f.scan().await;
    assert_eq!(f.root().await.state, RootState::Present);
    assert!(f.root().await.file_system.unwrap().starts_with("tmpfs:"));
    assert_eq!(f.items().await, items);
    unmount(&mount);
    unmount(&copy);
}
