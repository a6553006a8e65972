use super::*;
use std::fs::{create_dir_all, write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

/// Files by their paths from the root.
struct Files(PathBuf, Vec<PathBuf>);

impl Visitor for Files {
    fn entering(&mut self, _: &Path) {}
    fn listed(&mut self, folder: Folder) {
        let inside = |f: FoundFile| f.path.strip_prefix(&self.0).unwrap().to_owned();
        self.1.extend(folder.files.into_iter().map(inside));
    }
}

fn run(root: &Path, limits: Limits) -> (Vec<PathBuf>, Walked) {
    let mut files = Files(root.to_owned(), Vec::new());
    let walked = walk(
        root,
        RootKind::Auto,
        limits,
        &Control::default(),
        &mut files,
    );
    (files.1, walked.unwrap())
}

fn tree(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        create_dir_all(path.parent().unwrap()).unwrap();
        write(path, file).unwrap();
    }
    dir
}

#[track_caller]
fn check(files: &[&str], expected: &[&str]) -> Walked {
    let dir = tree(files);
    let (found, walked) = run(dir.path(), Limits::default());
    let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
    assert_eq!(found, expected);
    walked
}

#[test]
fn videos_come_in_the_order_of_their_names_and_junk_is_counted() {
    let walked = check(
        &[
            "b.mkv",
            "a.mkv",
            "sub/c.mkv",
            "a/z.mkv",
            "@eaDir/a.mkv/x.mkv",
            "x.part",
            ".h/y.mkv",
            "n.txt",
            "f/Extras/e.mkv",
        ],
        &["a.mkv", "b.mkv", "a/z.mkv", "sub/c.mkv"],
    );
    let skipped: Vec<(Skip, u64)> = walked.skipped.into_iter().collect();
    let expected = [
        (Skip::Junk, 1),
        (Skip::Hidden, 1),
        (Skip::Unfinished, 1),
        (Skip::Extra, 1),
        (Skip::NotVideo, 1),
    ];
    assert_eq!(skipped, expected);
    assert_eq!((walked.files, walked.trouble_count), (4, 0));
}

#[test]
fn ignore_files_exclude_their_folder_or_what_their_patterns_match_below_it() {
    check(&["a/.nomedia", "a/x.mkv", "a/b/y.mkv", "c.mkv"], &["c.mkv"]);
    let dir = tree(&[
        "a/x.mkv",
        "a/Season 0/s.mkv",
        "a/b/x.mkv",
        "a/b/keep.mkv",
        "c/x.mkv",
    ]);
    write(dir.path().join("a/.plexignore"), "Season 0/\nx.mkv\n").unwrap();
    write(dir.path().join("a/b/.ignore"), "nothing").unwrap();
    let (found, walked) = run(dir.path(), Limits::default());
    assert_eq!(found, [PathBuf::from("a/b/keep.mkv"), "c/x.mkv".into()]);
    assert_eq!(walked.skipped.get(&Skip::Ignored), Some(&3));
}

#[test]
fn links_are_followed_once_and_loops_end() {
    let dir = tree(&["z/film.mkv"]);
    let outside = tree(&["other.mkv"]);
    symlink(dir.path(), dir.path().join("z/loop")).unwrap();
    symlink(dir.path().join("z"), dir.path().join("a-same-folder")).unwrap();
    symlink(outside.path(), dir.path().join("b-outside")).unwrap();
    symlink(
        outside.path().join("other.mkv"),
        dir.path().join("link.mkv"),
    )
    .unwrap();
    symlink("/nowhere/x.mkv", dir.path().join("dead.mkv")).unwrap();
    let (found, walked) = run(dir.path(), Limits::default());
    let expected = ["link.mkv", "z/film.mkv", "b-outside/other.mkv"];
    assert_eq!(found, expected.map(PathBuf::from));
    assert_eq!(walked.trouble_count, 0, "{:?}", walked.trouble);
}

#[test]
fn beyond_a_limit_nothing_is_known_and_it_is_said() {
    let dir = tree(&[
        "a/b/c/deep.mkv",
        "a/x.mkv",
        "many/1.mkv",
        "many/2.mkv",
        "many/3.mkv",
    ]);
    let (found, walked) = run(
        dir.path(),
        Limits {
            depth: 2,
            names: 2,
            ..Limits::default()
        },
    );
    assert_eq!(found, [PathBuf::from("a/x.mkv")]);
    assert!(walked.is_unknown(&dir.path().join("a/b/c/deep.mkv")));
    assert!(walked.is_unknown(&dir.path().join("many/1.mkv")));
    assert!(!walked.is_unknown(&dir.path().join("a/gone.mkv")));
    assert_eq!(walked.trouble_count, 2);
    let (found, walked) = run(
        dir.path(),
        Limits {
            folders: 2,
            trouble: 1,
            ..Limits::default()
        },
    );
    assert!(found.len() < 5);
    assert!(walked.trouble.len() == 1 && walked.trouble_count >= 1);
}

#[test]
fn names_are_kept_byte_for_byte_and_pipes_are_no_videos() {
    let dir = tempfile::tempdir().unwrap();
    let names: [&[u8]; 5] = [
        b"-i.mkv",
        b"Caf\xe9.mkv",
        b"it's \"x\".mkv",
        b"two\nlines.mkv",
        b"\xff\xfe.mkv",
    ];
    for name in names {
        write(dir.path().join(OsStr::from_bytes(name)), "").unwrap();
    }
    nix::unistd::mkfifo(&dir.path().join("pipe.mkv"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (found, _) = run(dir.path(), Limits::default());
    let found: Vec<&[u8]> = found.iter().map(|p| p.as_os_str().as_bytes()).collect();
    assert_eq!(found, names);
}

#[test]
fn a_walk_ends_when_it_is_told_to() {
    let dir = tree(&["a.mkv"]);
    let control = Control {
        stop: true.into(),
        ..Control::default()
    };
    let mut files = Files(dir.path().to_owned(), Vec::new());
    let result = walk(
        dir.path(),
        RootKind::Auto,
        Limits::default(),
        &control,
        &mut files,
    );
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Busy);
}
