use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::*;

/// Runs `body` as an ordinary user: root may read everything, so as root the test is started once more as
/// "nobody", with `FOREIGN` naming a folder that root made for it.
fn as_ordinary_user(test: &str, foreign_mode: u32, body: fn(Option<PathBuf>)) {
    const FOREIGN: &str = "EXSTREAMD_TEST_FOREIGN";
    if !geteuid().is_root() {
        return body(std::env::var_os(FOREIGN).map(PathBuf::from));
    }
    let dir = tempfile::tempdir().unwrap();
    set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let foreign = dir.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("film.mkv"), "x").unwrap();
    set_permissions(foreign.join("film.mkv"), Permissions::from_mode(0o600)).unwrap();
    set_permissions(&foreign, Permissions::from_mode(foreign_mode)).unwrap();
    let run = |exe: &Path| {
        Command::new(exe)
            .args([
                &format!("system::access::tests::{test}"),
                "--exact",
                "--nocapture",
            ])
            .env(FOREIGN, &foreign)
            .env("TMPDIR", "/tmp")
            .current_dir("/")
            .gid(65_534)
            .uid(65_534)
            .output()
    };
    let exe = std::env::current_exe().unwrap();
    let output = run(&exe).or_else(|_| {
        // The build folder is closed to others.
        let copy = dir.path().join("test");
        std::fs::copy(&exe, &copy).unwrap();
        run(&copy)
    });
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

fn chmod(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn check(path: &Path, kind: ErrorKind, parts: &[&str]) {
    let error = explain(path).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn the_first_component_that_refuses_is_named_with_its_mode_and_the_mend() {
    as_ordinary_user(
        "the_first_component_that_refuses_is_named_with_its_mode_and_the_mend",
        0o700,
        |_| {
            let dir = tempfile::tempdir().unwrap();
            let outer = dir.path().join("outer");
            let inner = outer.join("inner");
            let film = inner.join("film.mkv");
            std::fs::create_dir_all(&inner).unwrap();
            std::fs::write(&film, "x").unwrap();
            explain(&film).unwrap();
            explain(&inner).unwrap();

            chmod(&film, 0o000);
            check(
                &film,
                ErrorKind::Permission,
                &["cannot read", "film.mkv (owner", "mode 0000", "chmod u+r "],
            );
            chmod(&film, 0o400);
            explain(&film).unwrap();

            chmod(&inner, 0o300);
            check(
                &inner,
                ErrorKind::Permission,
                &["cannot list", "inner (owner", "mode 0300", "chmod -R u+rX "],
            );
            explain(&film).unwrap();
            chmod(&inner, 0o600);
            check(
                &inner,
                ErrorKind::Permission,
                &["cannot enter", "inner (owner", "mode 0600", "chmod u+x "],
            );

            chmod(&outer, 0o600);
            let expected = format!("cannot enter {} (owner", outer.display());
            check(&film, ErrorKind::Permission, &[&expected, "chmod u+x "]);

            let link = dir.path().join("link");
            symlink(&film, &link).unwrap();
            check(&link, ErrorKind::Permission, &["is a link to", &expected]);
            chmod(&outer, 0o700);
            chmod(&inner, 0o700);
        },
    );
}

#[test]
fn a_folder_of_someone_else_names_its_owner_and_another_command() {
    as_ordinary_user(
        "a_folder_of_someone_else_names_its_owner_and_another_command",
        0o700,
        |foreign| {
            // Not started by root: nobody made a foreign folder for us.
            let Some(foreign) = foreign else { return };
            let command = if Path::new("/usr/bin/setfacl").exists() {
                "setfacl "
            } else {
                "chmod "
            };
            check(
                &foreign,
                ErrorKind::Permission,
                &["cannot list", "owner root, group root, mode 0700", command],
            );
            check(
                &foreign.join("film.mkv"),
                ErrorKind::Permission,
                &["cannot enter", "owner root", command],
            );
        },
    );
}

#[test]
fn a_folder_without_one_readable_file_is_refused_with_the_file() {
    as_ordinary_user(
        "a_folder_without_one_readable_file_is_refused_with_the_file",
        0o755,
        |foreign| {
            let Some(foreign) = foreign else { return };
            let error = try_folder(&foreign, &|_| true).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Permission);
            assert!(
                error.to_string().contains("film.mkv (owner root"),
                "{error}"
            );
            assert_eq!(try_folder(&foreign, &|_| false).unwrap(), None);
        },
    );
}

#[test]
fn what_is_missing_is_told_from_what_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("mnt");
    std::fs::create_dir(&empty).unwrap();
    check(
        &empty.join("films/a"),
        ErrorKind::NotFound,
        &["mnt/films does not exist", "is empty: is the disk mounted?"],
    );
    std::fs::write(empty.join("file"), "").unwrap();
    check(
        &empty.join("films"),
        ErrorKind::NotFound,
        &["holds no \"films\": check the spelling"],
    );
    check(
        &empty.join("file/films"),
        ErrorKind::Invalid,
        &["mnt/file is a file"],
    );
    check(
        Path::new("films"),
        ErrorKind::Invalid,
        &["not an absolute path"],
    );
    symlink("/nowhere/at all", empty.join("link")).unwrap();
    check(
        &empty.join("link"),
        ErrorKind::NotFound,
        &[
            "link is a link to /nowhere/at all",
            "/nowhere does not exist",
        ],
    );
    symlink("loop", empty.join("loop")).unwrap();
    check(&empty.join("loop"), ErrorKind::Io, &["turn in circles"]);
}

#[test]
fn adding_a_folder_reads_a_file_below_it() {
    let dir = tempfile::tempdir().unwrap();
    let mkv = |name: &OsStr| name.as_bytes().ends_with(b".mkv");
    assert_eq!(try_folder(dir.path(), &mkv).unwrap(), None);
    let film = dir.path().join("a/b/film.mkv");
    std::fs::create_dir_all(film.parent().unwrap()).unwrap();
    std::fs::write(dir.path().join("note.txt"), "x").unwrap();
    std::fs::write(&film, vec![0; 100_000]).unwrap();
    assert_eq!(try_folder(dir.path(), &mkv).unwrap(), Some(film.clone()));
    assert!(
        try_folder(&film, &mkv)
            .unwrap_err()
            .to_string()
            .contains("add the folder that holds it")
    );
}

#[test]
fn the_command_fits_the_file_system_the_group_and_the_tools() {
    let plain = Facts {
        path: "/srv/tv".into(),
        user: "exstreamd".into(),
        is_owner: false,
        owner: "alice".into(),
        group: "media".into(),
        is_root_group: false,
        listed_in_group: false,
        mode: 0o700,
        file_system: "ext4".into(),
        has_setfacl: true,
    };
    let group = Facts {
        mode: 0o750,
        ..plain.clone()
    };
    for (facts, need, expected) in [
        (
            plain.clone(),
            Need::Enter,
            "setfacl -m u:exstreamd:x /srv/tv",
        ),
        (
            plain.clone(),
            Need::List,
            "setfacl -R -m u:exstreamd:rX /srv/tv && setfacl -R -d -m u:exstreamd:rX /srv/tv",
        ),
        (
            plain.clone(),
            Need::Read,
            "setfacl -m u:exstreamd:r /srv/tv",
        ),
        (
            Facts {
                has_setfacl: false,
                ..plain.clone()
            },
            Need::Enter,
            "chmod o+x /srv/tv",
        ),
        (
            group.clone(),
            Need::List,
            "usermod -aG media exstreamd && systemctl restart exstreamd",
        ),
        (
            Facts {
                listed_in_group: true,
                ..group.clone()
            },
            Need::List,
            "systemctl restart exstreamd",
        ),
        (
            Facts {
                is_root_group: true,
                ..group.clone()
            },
            Need::Enter,
            "setfacl -m",
        ),
        (
            Facts {
                mode: 0o740,
                ..group.clone()
            },
            Need::Enter,
            "setfacl -m",
        ),
        (
            Facts {
                is_owner: true,
                ..plain.clone()
            },
            Need::Enter,
            "chmod u+x /srv/tv",
        ),
        (
            Facts {
                file_system: "exfat".into(),
                ..plain.clone()
            },
            Need::Enter,
            "uid=exstreamd",
        ),
        (
            Facts {
                file_system: "nfs4".into(),
                ..plain.clone()
            },
            Need::Enter,
            "on the server",
        ),
        (
            Facts {
                path: "/home".into(),
                mode: 0,
                ..plain.clone()
            },
            Need::Enter,
            "ProtectHome=read-only",
        ),
        (
            Facts {
                path: "/home".into(),
                ..plain.clone()
            },
            Need::Enter,
            "setfacl",
        ),
    ] {
        let mend = facts.mend(need);
        assert!(mend.contains(expected), "{expected:?} is not in: {mend}");
    }
}

#[test]
fn a_path_in_a_command_is_one_word_for_bash() {
    for path in [
        "/plain",
        "/with space",
        "/it's",
        "/new\nline",
        "/$(reboot)",
        "/`x`;\\",
    ] {
        let word = quoted(Path::new(path));
        let output = Command::new("bash")
            .arg("-c")
            .arg(format!("printf %s {word}"))
            .output()
            .unwrap();
        assert_eq!(output.stdout, path.as_bytes(), "{word}");
    }
    let invalid = OsStr::from_bytes(b"/Caf\xe9");
    assert_eq!(quoted(Path::new(invalid)), "$'/Caf\\xe9'");
}
