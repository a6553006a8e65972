//! Versions of ffmpeg, from what `ffmpeg -version` prints.

use std::fmt;

/// Release number of ffmpeg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 5 in 5.1.9.
    pub major: u16,
    /// 1 in 5.1.9.
    pub minor: u16,
}

/// The oldest release whose options and JSON we use (2019).
pub const MINIMUM: Version = Version { major: 4, minor: 2 };

/// libavformat's version at each release since [`MINIMUM`], newest first: builds from git name only this.
const BY_LIBAVFORMAT: &[((u16, u16), Version)] = &[
    ((62, 3), Version { major: 8, minor: 0 }),
    ((61, 7), Version { major: 7, minor: 1 }),
    ((61, 1), Version { major: 7, minor: 0 }),
    ((60, 16), Version { major: 6, minor: 1 }),
    ((60, 3), Version { major: 6, minor: 0 }),
    ((59, 27), Version { major: 5, minor: 1 }),
    ((59, 16), Version { major: 5, minor: 0 }),
    ((58, 76), Version { major: 4, minor: 4 }),
    ((58, 45), Version { major: 4, minor: 3 }),
    ((58, 29), Version { major: 4, minor: 2 }),
];

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// Reads the output of `ffmpeg -version`; `None` when it is not ffmpeg's.
    pub fn parse(text: &str) -> Option<Self> {
        let first = text.lines().next()?;
        let name = first.strip_prefix("ffmpeg version ")?;
        release(name).or_else(|| from_libavformat(text))
    }
}

/// "5.1.9-0+deb12u1", "n6.1", but not "N-109000-g1234567" nor "2024-01-15-git-…".
fn release(name: &str) -> Option<Version> {
    let name = name.strip_prefix('n').unwrap_or(name);
    let (major, rest) = name.split_once('.')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    Some(Version {
        major: major.parse().ok()?,
        minor: rest.get(..digits)?.parse().ok()?,
    })
}

/// The line "libavformat    59. 27.100 / 59. 27.100".
fn from_libavformat(text: &str) -> Option<Version> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("libavformat"))?;
    let mut numbers = line
        .split(['.', '/'])
        .map(|part| part.trim().parse::<u16>());
    let library = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    let known = BY_LIBAVFORMAT.iter().find(|(at, _)| *at <= library);
    known.map(|(_, version)| *version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_and_builds_from_git_are_told_by_name_or_library() {
        let check = |text: &str, expected: Option<(u16, u16)>| {
            let found = Version::parse(text).map(|v| (v.major, v.minor));
            assert_eq!(found, expected, "{text}");
        };
        check("ffmpeg version 5.1.9-0+deb12u1 Copyright (c)", Some((5, 1)));
        check("ffmpeg version 4.2 Copyright (c)", Some((4, 2)));
        check("ffmpeg version n7.1.1 Copyright (c)", Some((7, 1)));
        check("ffmpeg version 6.0.1-Jellyfin Copyright (c)", Some((6, 0)));
        let git = "ffmpeg version N-109000-g1234567 Copyright\nlibavutil 57. 1.1 / 57. 1.1\nlibavformat    60.  5.100 / 60.  5.100";
        check(git, Some((6, 0)));
        let dated = "ffmpeg version 2025-09-01-git-3ea6c2f Copyright\nlibavformat    62.  9.100 / 62.  9.100";
        check(dated, Some((8, 0)));
        check(
            "ffmpeg version N-1-gabc Copyright\nlibavformat 57. 1.100 / 57. 1.100",
            None,
        );
        check("avconv version 11", None);
        check("", None);
    }
}
