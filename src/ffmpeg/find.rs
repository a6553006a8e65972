//! Finding a usable ffmpeg with its ffprobe: each candidate is tried by running it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::run::run;
use super::version::{MINIMUM, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::system::{Launch, Spawner, launch};

/// Where packages put ffmpeg when it is not in PATH.
const USUAL_PLACES: &[&str] = &[
    "/usr/lib/jellyfin-ffmpeg/ffmpeg",
    "/usr/share/jellyfin-ffmpeg/ffmpeg",
    "/usr/bin/ffmpeg",
    "/usr/local/bin/ffmpeg",
    "/opt/ffmpeg/bin/ffmpeg",
    "/opt/bin/ffmpeg",
    "/var/packages/ffmpeg7/target/bin/ffmpeg",
    "/var/packages/ffmpeg6/target/bin/ffmpeg",
    "/snap/bin/ffmpeg",
];

/// A disk that was asleep needs up to ten seconds.
const LIMIT: Duration = Duration::from_secs(20);
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// What was found out about a usable ffmpeg.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) program: PathBuf,
    pub(super) probe_program: PathBuf,
    pub(super) version: Version,
    pub(super) encoders: BTreeSet<String>,
}

/// Where to look, best first: `configured`, the directories of `path`, the usual places.
pub fn places(configured: &[PathBuf], path: Option<&OsStr>) -> Vec<PathBuf> {
    let in_path = path.into_iter().flat_map(std::env::split_paths);
    let all = configured
        .iter()
        .cloned()
        .chain(
            in_path
                .filter(|dir| dir.is_absolute())
                .map(|dir| dir.join("ffmpeg")),
        )
        .chain(USUAL_PLACES.iter().map(PathBuf::from));
    let mut seen = BTreeSet::new();
    all.filter(|place| seen.insert(place.clone())).collect()
}

/// Tries `candidates` in order. Of those behind the first `asked_for` only what is there and does not work
/// is worth telling.
pub(super) async fn first_usable(
    candidates: &[PathBuf],
    asked_for: usize,
    spawner: &Spawner,
) -> Result<Found> {
    let mut refused = Vec::new();
    for (place, candidate) in candidates.iter().enumerate() {
        match examine(candidate, spawner).await {
            Ok(found) => return Ok(found),
            Err(error) if error.kind() == ErrorKind::NotFound && place >= asked_for => {}
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    let mut message = String::from("no usable ffmpeg found");
    if !refused.is_empty() {
        message.push_str(" (");
        message.push_str(&refused.join("; "));
        message.push(')');
    }
    message.push_str(&format!(
        ": install ffmpeg {MINIMUM} or newer with its ffprobe, for example with \"apt install ffmpeg\", or name its path in the configuration"
    ));
    Err(Error::new(ErrorKind::Unavailable, message))
}

async fn examine(program: &Path, spawner: &Spawner) -> Result<Found> {
    let name = program.display();
    let about = answer(program, "-version", spawner).await?;
    let Some(version) = Version::parse(&about) else {
        crate::bail!(Unavailable, "{name} is not an ffmpeg whose version we know");
    };
    if version < MINIMUM {
        crate::bail!(
            Unavailable,
            "{name} is ffmpeg {version}, older than {MINIMUM}"
        );
    }
    let probe_program = program.with_file_name("ffprobe");
    if let Err(error) = answer(&probe_program, "-version", spawner).await {
        crate::bail!(
            Unavailable,
            "{name} has no usable ffprobe beside it: {error:#}"
        );
    }
    let encoders = answer(program, "-encoders", spawner).await?;
    Ok(Found {
        program: program.to_owned(),
        probe_program,
        version,
        encoders: parse_encoders(&encoders),
    })
}

async fn answer(program: &Path, question: &str, spawner: &Spawner) -> Result<String> {
    let request = Launch::reading(program, vec!["-hide_banner".into(), question.into()]);
    let doing = format!("running {} {question}", program.display());
    let output = run(spawner, request, &doing, LIMIT, MAX_ANSWER_BYTES).await?;
    if !output.status.success() {
        let why = output.stderr.first().map_or("", String::as_str);
        // The launcher looked, not we: a disk that does not answer must not hold us up.
        if output.status.code() == Some(i32::from(launch::FAILED)) && why.contains("No such file") {
            crate::bail!(NotFound, "{} does not exist", program.display());
        }
        crate::bail!(Unavailable, "{doing}: {}: {why}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The names in lines such as ` V....D libx264   libx264 H.264 …`, behind the legend.
fn parse_encoders(text: &str) -> BTreeSet<String> {
    let list = text
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("---"));
    let names = list
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1));
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_places_come_first_and_none_twice() {
        let configured = [PathBuf::from("/opt/mine/ffmpeg")];
        let found = places(
            &configured,
            Some(OsStr::new("/usr/bin:relative:/home/u/bin")),
        );
        let expected = ["/opt/mine/ffmpeg", "/usr/bin/ffmpeg", "/home/u/bin/ffmpeg"];
        assert_eq!(found[..3], expected.map(PathBuf::from));
        assert_eq!(
            found
                .iter()
                .filter(|p| **p == Path::new("/usr/bin/ffmpeg"))
                .count(),
            1
        );
    }

    #[test]
    fn encoder_names_are_read_behind_the_legend() {
        let text = "Encoders:\n V..... = Video\n ------\n V....D libx264              H.264\n A....D aac                  AAC\n";
        let names: Vec<_> = parse_encoders(text).into_iter().collect();
        assert_eq!(names, ["aac", "libx264"]);
    }
}
