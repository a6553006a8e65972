//! Input arguments that make a path mean one file and nothing else.
//!
//! libavformat looks at content before names: a text file called `film.mkv` can be an HLS playlist or a
//! concatenation script that opens other files or addresses. Naming the containers and protocols allowed
//! closes that; `file:` in front of an absolute path keeps dashes, colons and percent signs from meaning
//! anything. Paths stay bytes: they need not be UTF-8.

use std::ffi::OsString;
use std::path::Path;

use crate::error::Result;

/// Short names of libavformat demuxers that read one file and open no other.
pub const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,asf,flv,ogg,wtv,nut,mxf,gxf,rm,dv,nsv,ivf";

/// Protocols a file may use.
pub const PROTOCOLS: &str = "file,pipe";

/// How much of a file may be read to find its streams: broadcasts may begin their sound late.
const LOOK_BYTES: &str = "10000000";
const LOOK_MICROSECONDS: &str = "10000000";

/// Options in front of any `-i`: containers, protocols, and tolerance of damage. With missing time stamps
/// made up (AVI stores none for B-frames) ffmpeg and ffprobe agree on when a picture is shown.
pub fn safe_options() -> Vec<OsString> {
    [
        "-protocol_whitelist",
        PROTOCOLS,
        "-format_whitelist",
        CONTAINERS,
        "-probesize",
        LOOK_BYTES,
        "-analyzeduration",
        LOOK_MICROSECONDS,
        "-fflags",
        "+genpts+discardcorrupt",
    ]
    .map(OsString::from)
    .to_vec()
}

/// `path` as ffmpeg has to be told: `file:/absolute/path`.
pub fn file_url(path: &Path) -> Result<OsString> {
    if !path.is_absolute() {
        crate::bail!(Internal, "{} is not an absolute path", path.display());
    }
    let mut url = OsString::from("file:");
    url.push(path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_path_stays_the_same_bytes_behind_the_protocol() {
        for name in [&b"/m/-a.mkv"[..], b"/m/a:b\n'\".mkv", b"/m/\xff%d.mkv"] {
            let url = file_url(Path::new(std::ffi::OsStr::from_bytes(name))).unwrap();
            assert_eq!(url.as_bytes(), [b"file:", name].concat());
        }
        assert!(file_url(Path::new("film.mkv")).is_err());
    }

    #[test]
    fn nothing_that_opens_other_files_is_on_the_list() {
        for name in [
            "hls", "concat", "dash", "sdp", "image2", "lavfi", "imf", "tty",
        ] {
            assert!(
                CONTAINERS.split(',').all(|container| container != name),
                "{name}"
            );
        }
    }
}
