//! `exstreamd probe` and `exstreamd remux`: about files and web addresses alone, without daemon or database.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Args;
use super::client::Client;
use super::format;
use super::output::Output;
use super::usage;
use crate::channel::remux;
use crate::clock::RealClock;
use crate::config::{Config, Environment, Timeouts};
use crate::error::{Error, ErrorKind, Result};
use crate::ffmpeg::Ffmpeg;
use crate::library::{Location, range};
use crate::media::format::{Treatment, Verdict};
use crate::media::probe::Container;
use crate::media::{Format, FormatWish, Probe};
use crate::system::Spawner;

/// Shows what files are. One that cannot be read does not hide the others.
pub(super) fn probe(args: &Args, output: &mut Output) -> Result<()> {
    let judge = Judge::of(args)?;
    let config = Config::load(args.config(), &Environment::of_process())?;
    let mut all = Vec::new();
    let mut failed = None;
    for file in args.positional() {
        let named =
            location(file, || Ok(config.timeouts)).map(|location| (location.to_string(), location));
        let (file, location) = match named {
            Ok((file, location)) => (file, Ok(location)),
            // What is no address is not repeated either: it may hold a password.
            Err(e) => ("?".to_owned(), Err(e)),
        };
        match location.and_then(|location| probe_one(&location, &config)) {
            Ok((probe, how)) => {
                let format = judge.format(&probe);
                let verdict = format.judge(&probe);
                if output.json() {
                    let reasons: Vec<_> = verdict
                        .reasons
                        .iter()
                        .map(|reason| json!({"part": reason.part(), "reason": reason.to_string()}))
                        .collect();
                    all.push(json!({
                        "file": file,
                        "probed_by": how,
                        "format": format,
                        "copied": verdict.treatment == Treatment::Copy,
                        "treatment": verdict.treatment,
                        "reasons": reasons,
                        "probe": probe,
                    }));
                } else {
                    print(&file, &probe, how, &format, &verdict, output)?;
                }
            }
            Err(e) if args.positional().len() == 1 && !output.json() => return Err(e),
            Err(e) => {
                if output.json() {
                    let error = json!({"kind": e.kind().name(), "message": format!("{e:#}")});
                    all.push(json!({"file": file, "error": error}));
                } else {
                    output.error(&e);
                }
                failed = Some(e);
            }
        }
    }
    if output.json() {
        output.value(&all)?;
    }
    match failed {
        None => Ok(()),
        Some(e) if args.positional().len() == 1 => Err(e),
        Some(_) => Err(Error::new(
            ErrorKind::Damaged,
            "some of these files cannot be played",
        )),
    }
}

/// What an argument means: a web address, or else a file.
fn location(argument: &OsStr, timeouts: impl FnOnce() -> Result<Timeouts>) -> Result<Location> {
    match argument.to_str() {
        Some(text) if text.contains("://") => {
            let client = range::Client::new(Arc::new(RealClock), timeouts()?);
            client.url(text).map(Location::Url)
        }
        _ => Ok(PathBuf::from(argument).into()),
    }
}

/// Our own probe, or ffprobe's where ours does not know the container of a file.
fn probe_one(location: &Location, config: &Config) -> Result<(Probe, &'static str)> {
    let ours = location.open(None).and_then(crate::media::probe::probe);
    match (ours, location) {
        (Err(refused), Location::File(path)) if refused.kind() == ErrorKind::Unsupported => {
            let absolute =
                std::path::absolute(path).map_err(|e| Error::io(path.display().to_string(), e))?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| Error::io("starting the runtime", e))?;
            let probed = runtime.block_on(async {
                let spawner = Spawner::start(Spawner::own_binary()?)?;
                Ffmpeg::find(&config.ffmpeg, &spawner)
                    .await?
                    .probe(&absolute)
                    .await
            });
            let name = path.to_string_lossy();
            probed.map(|probe| (probe.refused(&name, &refused), "ffprobe"))
        }
        (ours, _) => ours.map(|probe| (probe, "exstreamd")),
    }
    .map_err(|e| {
        let named = e.to_string().contains(&location.to_string());
        if named { e } else { e.context(location) }
    })
}

/// Which format files are judged by.
enum Judge {
    /// That of a channel.
    Channel(Format),
    /// One that suits each file by itself, as far as the options leave it open.
    Own(FormatWish),
}

impl Judge {
    fn of(args: &Args) -> Result<Self> {
        let wish = format::wish(args)?;
        let Some(number) = args.option("channel")? else {
            return Ok(Self::Own(wish));
        };
        if wish != FormatWish::default() {
            return Err(usage(
                "a file is judged by one format: --channel, or the options that tell one",
            ));
        }
        let client = Client::connect(args)?;
        let channel: Result<Value> = client.get(&super::channel::path(number));
        client.close();
        let format = channel?.get("format").cloned().unwrap_or_default();
        serde_json::from_value(format)
            .map(Self::Channel)
            .map_err(|e| Error::with_source(ErrorKind::Internal, "reading the format", e))
    }

    fn format(&self, probe: &Probe) -> Format {
        match self {
            Self::Channel(format) => *format,
            Self::Own(wish) => Format::propose(std::iter::once((probe, 1)), wish),
        }
    }
}

fn print(
    file: &str,
    probe: &Probe,
    how: &str,
    format: &Format,
    verdict: &Verdict,
    output: &mut Output,
) -> Result<()> {
    output.line(file)?;
    let seconds = probe.length().round_ms() / 1000;
    let length = format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    output.line(format!(
        "  container  {}, {length}, {} chapters (read by {how})",
        match probe.container {
            Container::Mp4 => "MP4",
            Container::Matroska => "Matroska",
            Container::MpegTs => "MPEG transport stream",
            Container::Other => "left to ffmpeg",
        },
        probe.chapters.len()
    ))?;
    if let Some(video) = &probe.video {
        let rap_ms = video.longest_rap_interval.round_ms();
        output.line(format!(
            "  video      {}, {}x{}{}, {} bit, at most {}.{} s between random access points",
            video.name,
            video.width,
            video.height,
            if video.interlaced { " interlaced" } else { "" },
            video.bit_depth,
            rap_ms / 1000,
            rap_ms % 1000 / 100
        ))?;
    }
    for audio in &probe.audio {
        let language = audio.language.as_deref().unwrap_or("language unknown");
        output.line(format!(
            "  audio      {}, {} Hz, {} channels, {language}",
            audio.name, audio.rate_hz, audio.channels
        ))?;
    }
    output.line(format!("  a channel of {format}"))?;
    output.line(match verdict.treatment {
        Treatment::Copy => "  copied     yes, without transcoding".to_owned(),
        treatment => format!("  copied     no: {treatment}"),
    })?;
    for reason in &verdict.reasons {
        output.line(format!("             {reason}"))?;
    }
    Ok(())
}

/// Copies files into one transport stream.
pub(super) fn remux(args: &Args, output: &mut Output) -> Result<()> {
    let Some(out) = args.raw("output") else {
        return Err(usage("the file to write is missing: add -o OUT.ts"));
    };
    if out == "-" && output.json() {
        return Err(usage(
            "with -o - the stream is what is printed: leave out --json",
        ));
    }
    // Files need no settings.
    let timeouts = || Ok(Config::load(args.config(), &Environment::of_process())?.timeouts);
    let inputs = args
        .positional()
        .iter()
        .map(|file| location(file, timeouts));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let files = inputs.iter().filter_map(|input| match input {
        Location::File(path) => Some(path),
        Location::Url(_) => None,
    });
    let same = |input: &&PathBuf| {
        std::fs::canonicalize(input)
            .is_ok_and(|input| std::fs::canonicalize(out).is_ok_and(|out| out == input))
    };
    if let Some(input) = files.clone().find(same) {
        return Err(usage(format!(
            "{} is both read and written",
            input.display()
        )));
    }
    let done = write_whole(Path::new(out), |file| remux::run(&inputs, file))?;
    let out = out.to_string_lossy();
    if output.json() {
        return output.value(&json!({
            "file": out,
            "bytes": done.bytes,
            "dropped_units": done.dropped_units,
            "filled": done.filled,
        }));
    }
    output.remark(&format!(
        "{out}: {} bytes, {} damaged or cut units left out, {} silent frames and still pictures put in",
        done.bytes, done.dropped_units, done.filled
    ));
    Ok(())
}

/// Writes a file that is there as a whole or, when `write` fails, not at all. What is no ordinary file (a pipe,
/// `/dev/null`, `-` for the standard output) is written to as it comes.
fn write_whole<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    if path == Path::new("-") {
        return write(&mut std::io::stdout().lock());
    }
    let shown = path.display();
    let ordinary = std::fs::metadata(path).map_or(true, |meta| meta.is_file());
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let target = if ordinary { Path::new(&part) } else { path };
    let file = OpenOptions::new()
        .write(true)
        .create(ordinary)
        .truncate(ordinary)
        .open(target);
    let mut file = file.map_err(|e| Error::io(format!("writing {shown}"), e))?;
    let done = write(&mut file).and_then(|done| {
        let closed = file.flush().and_then(|()| {
            if ordinary {
                std::fs::rename(target, path)
            } else {
                Ok(())
            }
        });
        closed
            .map(|()| done)
            .map_err(|e| Error::io(format!("writing {shown}"), e))
    });
    if done.is_err() && ordinary {
        // What is half written is of no use; failing to remove it is the lesser trouble.
        let _ = std::fs::remove_file(target);
    }
    done
}
