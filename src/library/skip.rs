//! What a scan does not look at: the junk of NAS systems, unfinished downloads, hidden files, extras,
//! and what the user excluded with an ignore file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::media::{FileSource, ReadAt};
use crate::store::RootKind;

/// Why a name is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Written by a NAS, a desktop or a file system for itself.
    Junk,
    /// Begins with a dot.
    Hidden,
    /// Still being downloaded or copied.
    Unfinished,
    /// A trailer, an interview, a deleted scene …
    Extra,
    /// Excluded by an ignore file.
    Ignored,
    /// No video, by its extension.
    NotVideo,
}

/// Folders of NAS systems, desktops and file systems, lower case.
const JUNK_FOLDERS: &[&str] = &[
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "@sharebin",
    "@tmp",
    "lost+found",
    "network trash folder",
    "recycler",
    "system volume information",
    "temporary items",
    "__macosx",
];

/// Junk that begins with a dot, lower case; told from other hidden names for the report.
const HIDDEN_JUNK: &[&str] = &[
    ".@__thumb",
    ".@upload_cache",
    ".appledb",
    ".appledesktop",
    ".appledouble",
    ".ds_store",
    ".fseventsd",
    ".snapshot",
    ".snapshots",
    ".spotlight-v100",
    ".streams",
    ".temporaryitems",
    ".trashes",
    ".zfs",
];

/// Endings of files that are not whole yet, lower case.
const UNFINISHED: &[&str] = &[
    ".!bt",
    ".!qb",
    ".!ut",
    ".aria2",
    ".crdownload",
    ".dctmp",
    ".download",
    ".filepart",
    ".part",
    ".partial",
    ".tmp",
    ".ytdl",
    "~",
];

/// Folders of extras, lower case (the names that Plex, Jellyfin and Kodi know).
const EXTRA_FOLDERS: &[&str] = &[
    "behind the scenes",
    "deleted scenes",
    "extras",
    "featurettes",
    "interviews",
    "other",
    "sample",
    "samples",
    "scenes",
    "shorts",
    "trailers",
];

/// Endings of the stems of extras, lower case.
const EXTRA_SUFFIXES: &[&str] = &[
    "-behindthescenes",
    "-deleted",
    "-featurette",
    "-interview",
    "-other",
    "-sample",
    "-scene",
    "-short",
    "-trailer",
];

/// Extensions of video files, lower case.
const VIDEO: &[&str] = &[
    "3gp", "asf", "avi", "avs", "divx", "f4v", "flv", "m2t", "m2ts", "m2v", "m4p", "m4v", "mk3d",
    "mkv", "mov", "mp2", "mp4", "mpe", "mpeg", "mpg", "mpv", "mts", "mxf", "ogm", "ogv", "ts",
    "vob", "webm", "wmv", "wtv",
];

/// Names of ignore files.
pub(crate) const IGNORE_FILES: &[&str] = &[".nomedia", ".ignore", ".plexignore", ".etvignore"];

/// Whether a folder called `name`, directly below the root (`depth` 0) or deeper, is left out.
///
/// Names of extras are common words, so they count only below a folder (of a film), never directly below
/// the root, and not where clips of every sort are wanted. Shows keep "Specials": they are season 0.
pub fn folder(name: &OsStr, kind: RootKind, depth: usize) -> Option<Skip> {
    let lower = lower(name);
    if JUNK_FOLDERS.contains(&lower.as_str()) {
        return Some(Skip::Junk);
    }
    if let Some(reason) = dotted(&lower) {
        return Some(reason);
    }
    if unfinished(&lower) {
        return Some(Skip::Unfinished);
    }
    let extra = EXTRA_FOLDERS.contains(&lower.as_str())
        || (lower == "specials" && kind == RootKind::Movies);
    (extra && depth > 0 && kind != RootKind::Other).then_some(Skip::Extra)
}

/// Whether a file called `name` is left out.
pub fn file(name: &OsStr, kind: RootKind) -> Option<Skip> {
    let lower = lower(name);
    if let Some(reason) = dotted(&lower) {
        return Some(reason);
    }
    if unfinished(&lower) {
        return Some(Skip::Unfinished);
    }
    let (stem, extension) = lower.rsplit_once('.').unwrap_or((&lower, ""));
    if !VIDEO.contains(&extension) {
        return Some(Skip::NotVideo);
    }
    let extra = EXTRA_SUFFIXES
        .iter()
        .any(|suffix| stem.len() > suffix.len() && stem.ends_with(suffix))
        || stem == "sample"
        || stem.ends_with(".sample");
    (extra && kind != RootKind::Other).then_some(Skip::Extra)
}

fn lower(name: &OsStr) -> String {
    name.to_string_lossy().to_lowercase()
}

fn dotted(lower: &str) -> Option<Skip> {
    if !lower.starts_with('.') {
        return None;
    }
    // AppleDouble side files, and the bins of each user of a desktop.
    let junk =
        HIDDEN_JUNK.contains(&lower) || lower.starts_with("._") || lower.starts_with(".trash");
    Some(if junk { Skip::Junk } else { Skip::Hidden })
}

fn unfinished(lower: &str) -> bool {
    UNFINISHED.iter().any(|end| lower.ends_with(end))
}

/// What an ignore file says about the folder that it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ignore {
    /// The folder and everything below it.
    Everything,
    /// What these patterns match, below the folder.
    Patterns(Vec<Pattern>),
}

/// A line of an ignore file: `*.mkv`, `Extras/`, `Season 0/*`, `!keep.mkv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    glob: String,
    /// Takes back what an earlier line excluded.
    keeps: bool,
    /// Matches folders only.
    folders_only: bool,
    /// Holds a `/`, so it is matched against the path from its folder instead of each name.
    path: bool,
}

/// What is read of an ignore file.
const MAX_IGNORE_BYTES: usize = 64 << 10;
/// Most patterns of one file.
const MAX_PATTERNS: usize = 500;

/// Reads the ignore file `name` in `folder`.
///
/// `.nomedia` and `.etvignore` exclude their folder whatever they hold, `.ignore` and `.plexignore` when
/// they are empty; otherwise each line is a pattern.
pub fn read_ignore(folder: &Path, name: &OsStr) -> Result<Ignore> {
    if name == ".nomedia" || name == ".etvignore" {
        return Ok(Ignore::Everything);
    }
    let path = folder.join(name);
    let read = || -> Result<Vec<u8>> {
        let file = FileSource::open(&path)?;
        let size = usize::try_from(file.size_bytes()).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size.min(MAX_IGNORE_BYTES)];
        let n = file.read_at(0, &mut bytes)?;
        bytes.truncate(n);
        Ok(bytes)
    };
    read()
        .map(|bytes| parse_ignore(&String::from_utf8_lossy(&bytes)))
        .map_err(|e: Error| e.context("reading an ignore file"))
}

fn parse_ignore(text: &str) -> Ignore {
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Ignore::Everything;
    }
    let patterns = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    Ignore::Patterns(patterns.take(MAX_PATTERNS).map(Pattern::parse).collect())
}

impl Pattern {
    fn parse(line: &str) -> Self {
        let (keeps, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (folders_only, line) = match line.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let path = line.contains('/');
        // `**/` at the front means "anywhere", which a pattern without a slash means anyway.
        let glob = line.strip_prefix('/').unwrap_or(line);
        let (glob, path) = match glob.strip_prefix("**/") {
            Some(rest) => (rest, rest.contains('/')),
            None => (glob, path),
        };
        Self {
            glob: glob.to_owned(),
            keeps,
            folders_only,
            path,
        }
    }

    fn matches(&self, inside: &Path, is_folder: bool) -> bool {
        if self.folders_only && !is_folder {
            return false;
        }
        let subject = if self.path {
            inside.as_os_str()
        } else {
            inside.file_name().unwrap_or_default()
        };
        glob(self.glob.as_bytes(), subject.as_bytes())
    }
}

/// Whether `patterns` exclude `inside`, the path from the folder of their file; the last match decides.
pub fn is_ignored(patterns: &[Pattern], inside: &Path, is_folder: bool) -> bool {
    patterns
        .iter()
        .rev()
        .find(|p| p.matches(inside, is_folder))
        .is_some_and(|p| !p.keeps)
}

/// `*` is any run of bytes (also across `/`), `?` any one byte. Takes time in the product of both lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // The place behind the last `*` and the text that it covers so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((behind, covered)) => {
                    star = Some((behind, covered + 1));
                    (p, t) = (behind, covered + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use RootKind::{Auto, Movies, Other, Shows};

    #[test]
    fn folders_of_systems_downloads_and_extras_are_skipped() {
        for (name, kind, depth, expected) in [
            ("@eaDir", Auto, 0, Some(Skip::Junk)),
            ("@EADIR", Auto, 3, Some(Skip::Junk)),
            ("#recycle", Auto, 0, Some(Skip::Junk)),
            ("#snapshot", Auto, 0, Some(Skip::Junk)),
            (".@__thumb", Auto, 0, Some(Skip::Junk)),
            ("@Recycle", Auto, 0, Some(Skip::Junk)),
            ("lost+found", Auto, 0, Some(Skip::Junk)),
            ("$RECYCLE.BIN", Auto, 0, Some(Skip::Junk)),
            ("System Volume Information", Auto, 0, Some(Skip::Junk)),
            (".Trash-1000", Auto, 0, Some(Skip::Junk)),
            (".AppleDouble", Auto, 0, Some(Skip::Junk)),
            ("__MACOSX", Auto, 0, Some(Skip::Junk)),
            (".hidden", Auto, 0, Some(Skip::Hidden)),
            ("Film.2020.part", Auto, 0, Some(Skip::Unfinished)),
            ("Extras", Auto, 1, Some(Skip::Extra)),
            ("Behind The Scenes", Movies, 1, Some(Skip::Extra)),
            ("Deleted Scenes", Shows, 2, Some(Skip::Extra)),
            ("trailers", Movies, 1, Some(Skip::Extra)),
            ("Specials", Movies, 1, Some(Skip::Extra)),
            ("Specials", Shows, 1, None),
            ("Specials", Auto, 1, None),
            ("Shorts", Movies, 0, None),
            ("Other", Auto, 0, None),
            ("Trailers", Other, 1, None),
            ("Season 1", Auto, 1, None),
            ("#1 Happy Family USA", Auto, 0, None),
        ] {
            assert_eq!(
                folder(OsStr::new(name), kind, depth),
                expected,
                "{name} {kind:?} {depth}"
            );
        }
    }

    #[test]
    fn only_whole_visible_videos_are_kept() {
        for (name, kind, expected) in [
            ("film.mkv", Auto, None),
            ("FILM.MKV", Auto, None),
            ("a.b.c.m2ts", Auto, None),
            ("-film.mp4", Auto, None),
            ("trailer.mkv", Auto, None),
            ("-trailer.mkv", Auto, None),
            ("film-trailer.mkv", Auto, Some(Skip::Extra)),
            ("Film-Behindthescenes.mkv", Movies, Some(Skip::Extra)),
            ("film.sample.mkv", Movies, Some(Skip::Extra)),
            ("film-trailer.mkv", Other, None),
            ("film.mkv.part", Auto, Some(Skip::Unfinished)),
            ("film.mkv.!qB", Auto, Some(Skip::Unfinished)),
            ("film.mkv.crdownload", Auto, Some(Skip::Unfinished)),
            ("film.mkv.tmp", Auto, Some(Skip::Unfinished)),
            ("film.mkv~", Auto, Some(Skip::Unfinished)),
            ("film.part", Auto, Some(Skip::Unfinished)),
            ("film.part1.mkv", Auto, None),
            ("._film.mkv", Auto, Some(Skip::Junk)),
            (".DS_Store", Auto, Some(Skip::Junk)),
            (".film.mkv", Auto, Some(Skip::Hidden)),
            (".mkv", Auto, Some(Skip::Hidden)),
            ("film.srt", Auto, Some(Skip::NotVideo)),
            ("film.nfo", Auto, Some(Skip::NotVideo)),
            ("film", Auto, Some(Skip::NotVideo)),
            ("mkv", Auto, Some(Skip::NotVideo)),
            ("playlist.m3u8", Auto, Some(Skip::NotVideo)),
        ] {
            assert_eq!(file(OsStr::new(name), kind), expected, "{name} {kind:?}");
        }
        let bytes = OsStr::from_bytes(b"Caf\xe9.mkv");
        assert_eq!(file(bytes, Auto), None);
    }

    #[test]
    fn patterns_match_names_or_paths_and_the_last_one_decides() {
        for (patterns, path, is_folder, expected) in [
            ("*.mkv", "a.mkv", false, true),
            ("*.mkv", "x/a.mkv", false, true),
            ("*.mkv", "a.mkv2", false, false),
            ("Season 0", "Season 0", true, true),
            ("Season 0/", "Season 0", false, false),
            ("Season 0/*", "Season 0/a.mkv", false, true),
            ("Season 0/*", "x/Season 0/a.mkv", false, false),
            ("**/b/*", "x", true, false),
            ("/a.mkv", "a.mkv", false, true),
            ("/a.mkv", "x/a.mkv", false, false),
            ("?.mkv", "a.mkv", false, true),
            ("?.mkv", "ab.mkv", false, false),
            ("*\n!keep.mkv", "keep.mkv", false, false),
            ("*\n!keep.mkv", "drop.mkv", false, true),
            ("# *.mkv\nx", "a.mkv", false, false),
            ("a*b*c", "axxbxxc", false, true),
            ("a*b*c", "axxbxx", false, false),
            (
                "*a*a*a*a*a*a*a*b",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                false,
                false,
            ),
        ] {
            let Ignore::Patterns(parsed) = parse_ignore(patterns) else {
                panic!("{patterns:?} has patterns");
            };
            assert_eq!(
                is_ignored(&parsed, Path::new(path), is_folder),
                expected,
                "{patterns:?} {path}"
            );
        }
    }

    #[test]
    fn an_empty_ignore_file_means_the_whole_folder() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text, everything) in [
            (".nomedia", "x", true),
            (".etvignore", "x", true),
            (".ignore", "", true),
            (".ignore", "\n \n", true),
            (".ignore", "*.mkv", false),
            (".plexignore", "", true),
            (".plexignore", "# only a comment", false),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
            let found = read_ignore(dir.path(), OsStr::new(name)).unwrap();
            assert_eq!(found == Ignore::Everything, everything, "{name} {text:?}");
        }
    }
}
