//! `exstreamd skeleton`: a copy of a media file without its content, to be sent or kept as a fixture.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Args;
use super::client::Client;
use super::library::field;
use super::output::Output;
use super::usage;
use crate::bail;
use crate::error::{Error, ErrorKind, Result};
use crate::media::format::shape_of;
use crate::media::skeleton::{self, Kept};
use crate::media::{FileSource, Probe, probe};

/// Writes the skeleton of a file.
pub(super) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let Some(input) = args.positional().first().map(Path::new) else {
        return Err(usage("the file is missing"));
    };
    let source = Arc::new(FileSource::open(input)?);
    let out = place(args, input)?;
    stay_out_of_the_library(args, &out, output)?;
    let (kept, on_disk) = write(source, &out)?;
    let same = is_probed_alike(input, &out);
    let shown = out.display();
    if output.json() {
        return output.value(&json!({
            "file": out.to_string_lossy(),
            "kept": kept,
            "bytes_on_disk": on_disk,
            "probed_alike": same,
        }));
    }
    let Kept {
        size_bytes,
        kept_bytes,
        pictures,
        sounds,
    } = kept;
    output.line(format!(
        "{shown}: {size_bytes} bytes, {on_disk} of them on disk"
    ))?;
    output.line(format!(
        "  emptied    {pictures} slices of pictures and {sounds} frames of sound; names, titles, tags, subtitles and attachments"
    ))?;
    output.line(format!(
        "  remains    {kept_bytes} bytes: sizes, time stamps, headers, codec settings, languages, times of chapters"
    ))?;
    output.line(match same {
        Some(true) => "  probed     like the original",
        Some(false) => "  probed     otherwise than the original: send a note with it that says so",
        None => "  probed     neither the original nor this can be",
    })
}

/// Where the skeleton goes.
fn place(args: &Args, input: &Path) -> Result<PathBuf> {
    let out = match args.raw("output") {
        Some(out) => PathBuf::from(out),
        None => {
            // The film's own name is nobody's business.
            let mut name = PathBuf::from("skeleton");
            if let Some(extension) = input.extension() {
                name.set_extension(extension);
            }
            let here = std::path::absolute(&name)
                .map_err(|e| Error::io("finding the working directory", e))?;
            let folder = |path: &Path| std::fs::canonicalize(path.parent().unwrap_or(path)).ok();
            if folder(&here) == std::path::absolute(input).ok().and_then(|i| folder(&i)) {
                return Err(usage(
                    "the skeleton would lie beside the file: say where it goes with -o OUT",
                ));
            }
            name
        }
    };
    let is = |other: &Path| std::fs::canonicalize(other).ok();
    if is(&out).is_some_and(|out| Some(out) == is(input)) {
        return Err(usage(format!("{} is both read and written", out.display())));
    }
    match std::fs::symlink_metadata(&out) {
        Ok(meta) if !meta.is_file() => bail!(
            Conflict,
            "{} is there and is no ordinary file: choose another name with -o",
            out.display()
        ),
        Ok(_) if !args.has("force") => bail!(
            Conflict,
            "{} is there already: choose another name with -o, or overwrite it with --force",
            out.display()
        ),
        _ => Ok(out),
    }
}

/// Media is only ever read: nothing is written below a folder of the library.
fn stay_out_of_the_library(args: &Args, out: &Path, output: &mut Output) -> Result<()> {
    let roots: Result<Vec<Value>> = match Client::existing(args) {
        Ok(None) => return Ok(()),
        Ok(Some(client)) => {
            let roots = client.get("/api/v1/libraries");
            client.close();
            roots
        }
        Err(e) => Err(e),
    };
    let roots = match roots {
        Ok(roots) => roots,
        Err(e) => {
            output.remark(&format!(
                "whether {} lies in the library could not be looked up: {e:#}",
                out.display()
            ));
            return Ok(());
        }
    };
    let absolute = std::path::absolute(out)
        .map_err(|e| Error::io(format!("the path {}", out.display()), e))?;
    let folder = absolute.parent().unwrap_or(&absolute);
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    match roots
        .iter()
        .map(|root| field(root, "path"))
        .find(|root| folder.starts_with(root))
    {
        Some(root) => bail!(
            Conflict,
            "{} lies below {root}, a folder of the library, where nothing is ever written: choose another place with -o",
            out.display()
        ),
        None => Ok(()),
    }
}

/// Writes a skeleton that is there as a whole or not at all; how many bytes it takes on the disk.
fn write(source: Arc<FileSource>, out: &Path) -> Result<(Kept, u64)> {
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let doing = || format!("writing {}", out.display());
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(part)
        .map_err(|e| Error::io(doing(), e))?;
    let on_disk = |file: &File| file.metadata().map(|meta| meta.blocks() * 512);
    let done = skeleton::write(source, &file).and_then(|kept| {
        let renamed = file.sync_all().and_then(|()| std::fs::rename(part, out));
        renamed
            .and_then(|()| Ok((kept, on_disk(&file)?)))
            .map_err(|e| Error::io(doing(), e))
    });
    if done.is_err() {
        // What is half written is of no use; failing to remove it is the lesser trouble.
        let _ = std::fs::remove_file(part);
    }
    done
}

/// Whether the probe says the same of both but for titles; `None` when it can read neither.
fn is_probed_alike(input: &Path, out: &Path) -> Option<bool> {
    let probe = |path: &Path| -> std::result::Result<Probe, ErrorKind> {
        let source = FileSource::open(path).map_err(|e| e.kind())?;
        probe::probe(Arc::new(source)).map_err(|e| e.kind())
    };
    match (probe(input), probe(out)) {
        (Ok(original), Ok(skeleton)) => {
            let times = |probe: &Probe| {
                let chapters = probe.chapters.iter().map(|chapter| chapter.start);
                (probe.start, probe.end, chapters.collect::<Vec<_>>())
            };
            let alike = shape_of(&original) == shape_of(&skeleton);
            Some(alike && times(&original) == times(&skeleton))
        }
        (Err(original), Err(skeleton)) if original == skeleton => None,
        _ => Some(false),
    }
}
