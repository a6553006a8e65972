//! What is found below a root, what it is called, and how changes are noticed.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_films_and_shows_becomes_items_and_is_not_touched() {
    let dir = tree(&[
        "Films/Heat (1995)/Heat (1995).mkv",
        "Films/Heat (1995)/Extras/Making Of.mkv",
        "Films/Heat (1995)/heat-trailer.mkv",
        "Shows/Show (2005)/Season 1/Show - s01e01 - Pilot.mkv",
        "Shows/Show (2005)/Season 1/Show - s01e02-e03.mkv",
        "Shows/Show (2005)/Specials/s00e01.mkv",
        "Clips/cat.webm",
        "@eaDir/x/thumb.mkv",
        "#recycle/old.mkv",
        "Films/film.mkv.part",
        "Films/._Heat.mkv",
        "Kids/.nomedia",
        "Kids/secret.mkv",
        "note.txt",
    ]);
    let before = picture(dir.path());
    let f = Fixture::new(any());
    f.add(dir.path(), RootKind::Auto).await;

    let items = f.items().await;
    let mut seen: Vec<String> = items
        .iter()
        .map(|i| {
            let m = &i.metadata;
            let show = m.show.as_deref().unwrap_or("-");
            let numbers = [m.season, m.episode, m.episode_end]
                .map(|n| n.map_or("-".into(), |n| n.to_string()));
            format!(
                "{:?} {} | {show} {} {:?}",
                i.kind,
                m.title,
                numbers.join(" "),
                m.year
            )
        })
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            "Episode Episode 1 | Show (2005) 0 1 - None",
            "Episode Episodes 2–3 | Show (2005) 1 2 3 None",
            "Episode Pilot | Show (2005) 1 1 - None",
            "Movie Heat | - - - - Some(1995)",
            "Other cat | - - - - None",
        ]
    );
    assert!(f.probes().await.values().all(|p| p == "known"));
    let root = f.root().await;
    assert_eq!((root.state, root.item_count), (RootState::Present, 5));
    assert_eq!(root.watching, "changes are seen at once");
    assert!(root.file_system.is_some() && root.scanned.is_some());
    assert_eq!(picture(dir.path()), before);
    assert!(!f.scan().await.is_change());
}

#[tokio::test(flavor = "multi_thread")]
async fn nfo_files_correct_names_and_newer_ones_are_read_again() {
    let dir = tree(&["x/film.mkv", "Shw/Season 1/s01e01.mkv"]);
    put(
        dir.path(),
        "x/movie.nfo",
        "<movie><title>The Film</title><year>1999</year></movie>",
    );
    put(
        dir.path(),
        "Shw/tvshow.nfo",
        "<tvshow><title>The Show</title></tvshow>",
    );
    put(
        dir.path(),
        "Shw/Season 1/s01e01.nfo",
        "<episodedetails><title>First</title><plot>P</plot></episodedetails>",
    );
    let f = Fixture::new(any());
    f.add(dir.path(), RootKind::Auto).await;
    let titles = async || {
        let items = f.items().await.into_iter();
        let mut titles: Vec<_> = items
            .map(|i| (i.kind, i.metadata.show, i.metadata.title))
            .collect();
        titles.sort_by_key(|t| t.2.clone());
        titles
    };
    let episode =
        |show: &str, title: &str| (ItemKind::Episode, Some(show.to_owned()), title.to_owned());
    let film = (ItemKind::Movie, None, "The Film".to_owned());
    assert_eq!(titles().await, [episode("The Show", "First"), film.clone()]);

    put(
        dir.path(),
        "Shw/tvshow.nfo",
        "<tvshow><title>A Better Name</title></tvshow>",
    );
    // After the last scan by the library's own clock.
    let later = SystemTime::UNIX_EPOCH + Duration::from_millis(4_000_000_100_000);
    File::options()
        .write(true)
        .open(dir.path().join("Shw/tvshow.nfo"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    let report = f.scan().await;
    assert_eq!((report.new, report.changed), (0, 0));
    assert_eq!(titles().await, [episode("A Better Name", "First"), film]);
    assert!(f.probes().await.values().all(|p| p == "known"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_kept_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let names: [&[u8]; 5] = [
        b"-rf (2000).mkv",
        b"Caf\xe9 (2001).mkv",
        b"it's \"quoted\" $(x) (2002).mkv",
        b"two\nlines (2003).mkv",
        b"\xff\xfe.mkv",
    ];
    for name in names {
        fs::write(dir.path().join(OsStr::from_bytes(name)), "x").unwrap();
    }
    let f = Fixture::new(any());
    f.add(dir.path(), RootKind::Auto).await;
    let items = f.items().await;
    let mut found: Vec<_> = items
        .iter()
        .map(|i| i.path.file_name().unwrap().as_bytes())
        .collect();
    found.sort_unstable();
    assert_eq!(found, names);
    for item in &items {
        let title = &item.metadata.title;
        assert!(!title.is_empty() && !title.contains('\n'), "{title:?}");
        assert!(matches!(item.probe, ProbeState::Known(_)));
    }
    assert!(!f.scan().await.is_change());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_moved_away_is_missing_and_back_again_the_same_item() {
    let dir = tree(&["a.mkv", "b.mkv", "c.mkv"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let f = Fixture::new(any());
    f.add(dir.path(), RootKind::Auto).await;
    let before = f.items().await;

    fs::rename(dir.path().join("a.mkv"), elsewhere.path().join("a.mkv")).unwrap();
    let report = f.scan().await;
    assert_eq!((report.missing, report.unreachable), (1, None));
    let missing = f.items().await;
    assert_eq!(
        missing
            .iter()
            .filter(|i| i.missing_since == Some(f.clock.utc()))
            .count(),
        1
    );

    fs::rename(elsewhere.path().join("a.mkv"), dir.path().join("a.mkv")).unwrap();
    let report = f.scan().await;
    assert_eq!((report.returned, report.new), (1, 0));
    assert_eq!(f.items().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_keeps_its_item_and_its_probe() {
    let dir = tree(&[
        "Old Name (1999).mkv",
        "other.mkv",
        "folder/s01e01.mkv",
        "folder/s01e02.mkv",
        "x/y.mkv",
    ]);
    let probed = Arc::new(AtomicU64::new(0));
    let count = probed.clone();
    let f = Fixture::new(Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(some_probe())
    }));
    f.add(dir.path(), RootKind::Auto).await;
    let id = |items: &[Item], file: &str| items.iter().find(|i| i.path.ends_with(file)).unwrap().id;
    let before = f.items().await;

    fs::rename(
        dir.path().join("Old Name (1999).mkv"),
        dir.path().join("New Name (2000).mkv"),
    )
    .unwrap();
    fs::rename(dir.path().join("folder"), dir.path().join("The Show")).unwrap();
    let report = f.scan().await;
    assert_eq!((report.moved, report.new, report.missing), (3, 0, 0));
    let after = f.items().await;
    assert_eq!(
        id(&after, "New Name (2000).mkv"),
        id(&before, "Old Name (1999).mkv")
    );
    assert_eq!(
        id(&after, "The Show/s01e02.mkv"),
        id(&before, "folder/s01e02.mkv")
    );
    let renamed = after
        .iter()
        .find(|i| i.path.ends_with("New Name (2000).mkv"))
        .unwrap();
    assert_eq!(
        (renamed.metadata.title.as_str(), renamed.metadata.year),
        ("New Name", Some(2000))
    );
    assert_eq!(probed.load(Ordering::Relaxed), 5);

    // A copy is a new file, also with the times of the original.
    let copy = dir.path().join("copy.mkv");
    fs::copy(dir.path().join("other.mkv"), &copy).unwrap();
    let time = fs::metadata(dir.path().join("other.mkv"))
        .unwrap()
        .modified()
        .unwrap();
    File::options()
        .write(true)
        .open(&copy)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let report = f.scan().await;
    assert_eq!((report.moved, report.new), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_seen_without_a_scan_being_asked_for() {
    let dir = tree(&["a.mkv", "b.mkv"]);
    let f = Fixture::new(any());
    f.add(dir.path(), RootKind::Auto).await;
    put(dir.path(), "new folder/c.mkv", "c");
    f.after_news(async || f.items().await.len() == 3).await;
    fs::remove_file(dir.path().join("new folder/c.mkv")).unwrap();
    f.after_news(async || f.items().await.iter().any(|i| i.missing_since.is_some()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_files_cost_few_writes_and_little_memory() {
    // On its own, so that nobody else's memory and writes are counted.
    const ALONE: &str = "EXSTREAMD_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "finding::ten_thousand_files_cost_few_writes_and_little_memory",
                "--exact",
                "--nocapture",
            ])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        print!("{text}");
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for show in 0..100 {
        let folder = dir.path().join(format!("Show {show}/Season 1"));
        fs::create_dir_all(&folder).unwrap();
        for episode in 0..100 {
            File::create(folder.join(format!("Show {show} s01e{episode:02} A Title.mkv"))).unwrap();
        }
    }
    // Empty files are known to be broken without being read.
    let f = Fixture::new(any());
    let proc = |file: &str, key: &str| -> u64 {
        let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap();
        let line = text.lines().find(|l| l.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let (memory, writes) = (proc("status", "VmHWM:"), proc("io", "syscw:"));
    let root = f.library.add(dir.path(), RootKind::Shows).await.unwrap();
    let report = f.library.scan(root.id).await.unwrap();
    let (memory, writes) = (
        proc("status", "VmHWM:") - memory,
        proc("io", "syscw:") - writes,
    );
    println!("10,000 files: {memory} kB, {writes} writes");
    assert_eq!(report.files, 10_000);
    // Fewer than one per file, probes included: rows are written in batches.
    assert!(writes < 10_000, "{writes} writes");
    assert!(memory < 16 << 10, "{memory} kB");
    assert!(f.data.path().exists());
}
