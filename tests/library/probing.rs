//! What is in the files: real media, bad ones, and disks that do not answer.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn real_media_is_understood_and_bad_files_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let film = common::media::sample("h264_b2_25.mp4");
    fs::copy(&film, dir.path().join("good (2000).mp4")).unwrap();
    fs::write(dir.path().join("empty.mkv"), "").unwrap();
    fs::write(dir.path().join("text.mkv"), "only words\n".repeat(100)).unwrap();
    fs::write(
        dir.path().join("playlist.mkv"),
        "#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
    )
    .unwrap();
    for name in ["one.avi", "two.avi"] {
        fs::write(dir.path().join(name), b"RIFF\xff\xff\0\0AVI LIST").unwrap();
    }
    // The sample has its index at the front: half of it is cut short, and the first bytes alone are no film.
    let bytes = fs::read(common::media::sample("h264_b0_25.mp4")).unwrap();
    fs::write(dir.path().join("truncated.mp4"), &bytes[..bytes.len() / 2]).unwrap();
    let f = Fixture::new(real());
    f.add(dir.path(), RootKind::Auto).await;

    let probes = f.probes().await;
    assert_eq!(probes["good (2000).mp4"], "known");
    assert_eq!(probes["empty.mkv"], "the file is empty");
    assert!(probes["text.mkv"].contains("is text and no film"));
    assert!(probes["playlist.mkv"].contains("is a playlist and no film"));
    // Not ours: ffprobe is to say what they are, and it is not there.
    assert_eq!(
        (probes["one.avi"].as_str(), probes["two.avi"].as_str()),
        ("waiting", "waiting")
    );
    assert!(
        probes["truncated.mp4"].contains("truncated.mp4"),
        "{}",
        probes["truncated.mp4"]
    );

    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let ffprobe = move |path: PathBuf| -> exstreamd::library::ProbeFuture {
        log.lock().unwrap().push(name(&path));
        Box::pin(async { Err(Error::new(ErrorKind::Damaged, "no media in it")) })
    };
    f.library
        .set_ffprobe(Some(Arc::new(ffprobe)))
        .await
        .unwrap();
    f.library.idle().await.unwrap();
    let probes = f.probes().await;
    assert_eq!(
        (probes["one.avi"].as_str(), probes["two.avi"].as_str()),
        ("no media in it", "no media in it")
    );
    let mut asked = asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked, ["one.avi", "two.avi"]);
    // Once known to be broken, they are not asked about again.
    f.scan().await;
    assert_eq!(f.probes().await["one.avi"], "no media in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_still_being_written_is_not_called_broken() {
    let dir = tree(&["growing.mkv"]);
    let damaged: NativeProbe = Arc::new(|_| Err(Error::new(ErrorKind::Damaged, "cut short")));
    let f = Fixture::new(damaged);
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(f.clock.utc().0 as u64);
    let file = File::options()
        .write(true)
        .open(dir.path().join("growing.mkv"))
        .unwrap();
    file.set_modified(now).unwrap();
    f.add(dir.path(), RootKind::Auto).await;
    assert_eq!(f.probes().await["growing.mkv"], "pending");
    f.clock.advance(Duration::from_secs(61));
    f.scan().await;
    assert_eq!(f.probes().await["growing.mkv"], "cut short");
}

#[tokio::test(flavor = "multi_thread")]
async fn ffprobe_runs_four_times_at_once_and_not_more() {
    let names: Vec<String> = (0..8).map(|i| format!("{i}.avi")).collect();
    let dir = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let unsupported: NativeProbe = Arc::new(|_| Err(Error::new(ErrorKind::Unsupported, "AVI")));
    let f = Fixture::new(unsupported);
    // Nobody passes before four are there: fewer at once would hang.
    let (four, active, most) = (
        Arc::new(tokio::sync::Barrier::new(4)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let most_seen = most.clone();
    let ffprobe = move |_: PathBuf| -> exstreamd::library::ProbeFuture {
        let (four, active, most) = (four.clone(), active.clone(), most.clone());
        Box::pin(async move {
            most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            four.wait().await;
            active.fetch_sub(1, Ordering::SeqCst);
            Ok(some_probe())
        })
    };
    f.library
        .set_ffprobe(Some(Arc::new(ffprobe)))
        .await
        .unwrap();
    f.add(dir.path(), RootKind::Auto).await;
    assert!(f.probes().await.values().all(|p| p == "known"));
    assert_eq!(most_seen.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_on_one_file_breaks_that_file_only() {
    let dir = tree(&["bad.mkv", "good.mkv"]);
    let native: NativeProbe = Arc::new(|source: Source| {
        assert!(!source.name().ends_with("bad.mkv"), "on purpose");
        Ok(some_probe())
    });
    let f = Fixture::new(native);
    f.add(dir.path(), RootKind::Auto).await;
    let probes = f.probes().await;
    assert_eq!(probes["good.mkv"], "known");
    assert!(probes["bad.mkv"].contains("panic"), "{}", probes["bad.mkv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_probed_anew() {
    let dir = tree(&["a.mkv"]);
    let length = Arc::new(AtomicU64::new(1));
    let lengths = length.clone();
    let f = Fixture::new(Arc::new(move |_| {
        let end = Ticks90k(lengths.load(Ordering::Relaxed) as i64 * 90_000);
        Ok(Probe {
            end,
            ..some_probe()
        })
    }));
    f.add(dir.path(), RootKind::Auto).await;
    length.store(2, Ordering::Relaxed);
    put(dir.path(), "a.mkv", "longer than before");
    assert_eq!(f.scan().await.changed, 1);
    let items = f.items().await;
    let ProbeState::Known(probe) = &items[0].probe else {
        panic!("{:?}", items[0].probe)
    };
    assert_eq!(probe.end, Ticks90k(180_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_disk_costs_its_own_items_and_nothing_else() {
    if !in_namespace("probing::a_hung_disk_costs_its_own_items_and_nothing_else") {
        return;
    }
    let base = tempfile::tempdir().unwrap();
    let (hung, sound) = (base.path().join("hung"), base.path().join("sound"));
    for disk in [&hung, &sound] {
        fs::create_dir(disk).unwrap();
        tmpfs(disk);
        for i in 0..5 {
            put(disk, &format!("{i}.mkv"), "x");
        }
    }
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (wait, inside) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let count = inside.clone();
    let f = Fixture::new(Arc::new(move |source: Source| {
        if source.name().contains("/hung/") {
            count.fetch_add(1, Ordering::SeqCst);
            let mut open = wait.0.lock().unwrap();
            while !*open {
                open = wait.1.wait(open).unwrap();
            }
        }
        Ok(some_probe())
    }));
    let a = f.library.add(&hung, RootKind::Auto).await.unwrap();
    let b = f.library.add(&sound, RootKind::Auto).await.unwrap();
    f.library.scan(a.id).await.unwrap();
    f.library.scan(b.id).await.unwrap();
    let known = async |root: i64| f.store.item_counts(Some(root)).await.unwrap().playable;
    until(async || known(b.id).await == 5).await;
    until(async || inside.load(Ordering::SeqCst) == 2).await;
    // The hung one is given up, tried again, and given up again: no third thread is risked on it.
    for _ in 0..20 {
        f.clock.advance(Duration::from_secs(3600));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!((inside.load(Ordering::SeqCst), known(a.id).await), (2, 0));

    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    until(async || {
        let waits_for_retry = f.clock.next_wake().is_some();
        if waits_for_retry && known(a.id).await < 5 {
            f.clock.advance(Duration::from_secs(10));
        }
        known(a.id).await == 5
    })
    .await;
    drop(f);
    // Lazily: a thread of the library may still be closing its file.
    for disk in [&hung, &sound] {
        run("umount", &["-l".as_ref(), disk.as_os_str()]);
    }
}
