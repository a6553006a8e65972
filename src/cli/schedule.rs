//! `exstreamd schedule …`.

use std::io::Read as _;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};

use super::args::Args;
use super::channel::path;
use super::client::Client;
use super::guide::{clock_time, local_zone};
use super::library::{field, number};
use super::output::Output;
use super::usage;
use crate::error::{Error, ErrorKind, Result};
use crate::schedule::TimeOfDay;

/// The largest file that is read; as JSON it must fit into a request.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// What lasts less than this is shown with seconds.
const SHORT_MS: i64 = 5 * 60_000;

/// The text of a file, `-` for the standard input.
fn text_of(name: &str) -> Result<String> {
    let doing = |e| Error::io(format!("reading {name}"), e);
    let mut text = String::new();
    let read = match name {
        "-" => std::io::stdin()
            .lock()
            .take(MAX_FILE_BYTES + 1)
            .read_to_string(&mut text),
        _ => std::fs::File::open(name)
            .map_err(doing)?
            .take(MAX_FILE_BYTES + 1)
            .read_to_string(&mut text),
    };
    let bytes = read.map_err(doing)?;
    if bytes as u64 > MAX_FILE_BYTES {
        crate::bail!(Invalid, "{name} is larger than 4 MiB: that is no schedule");
    }
    Ok(text)
}

fn days(args: &Args) -> Result<u32> {
    match args.option("days")?.map(str::parse) {
        None => Ok(1),
        Some(Ok(days @ 1..=14)) => Ok(days),
        Some(_) => Err(usage("--days is a number from 1 to 14")),
    }
}

/// Fails with everything that is wrong with a file.
fn refuse_problems(file: &str, answer: &Value, output: &mut Output) -> Result<()> {
    let problems = answer.get("problems").and_then(Value::as_array);
    let Some(problems) = problems.filter(|p| !p.is_empty()) else {
        return Ok(());
    };
    if output.json() {
        output.value(answer)?;
    }
    let list: Vec<String> = problems
        .iter()
        .map(|p| {
            format!(
                "\n{file}:{}:{}: {}",
                number(p, "line"),
                number(p, "column"),
                field(p, "message")
            )
        })
        .collect();
    let count = match list.len() {
        1 => "a problem".to_owned(),
        n => format!("{n} problems"),
    };
    Err(Error::new(
        ErrorKind::Invalid,
        format!(
            "the schedule has {count}, nothing was changed{}",
            list.concat()
        ),
    ))
}

/// Plans a channel by a file.
pub(super) fn apply(args: &Args, output: &mut Output) -> Result<()> {
    let (channel, file) = (args.text(0)?, args.text(1)?);
    let mut map = Vec::new();
    for pair in args.all("map")? {
        match pair.split_once('=') {
            Some((old, new)) if !old.is_empty() => map.push((old, new)),
            _ => {
                return Err(usage(format!(
                    "{pair:?} is no mapping: --map wants OLD=NEW"
                )));
            }
        }
    }
    let wish = json!({
        "text": text_of(file)?, "dry_run": args.has("dry-run"), "days": days(args)?, "map": map, "partly": args.has("partly"),
    });
    let client = Client::connect(args)?;
    let asked = client.ask("POST", &format!("{}/schedule", path(channel)), Some(&wish));
    client.close();
    let answer: Value = asked?;
    refuse_problems(file, &answer, output)?;
    if output.json() {
        return output.value(&answer);
    }
    print_remarks(&answer, output)?;
    let kind = field(&answer, "kind");
    let unchanged = answer.get("unchanged") == Some(&Value::Bool(true));
    if let Some(preview) = answer.get("preview").filter(|p| !p.is_null()) {
        print_preview(args, preview, output)?;
        return output.line("this was a dry run: nothing was changed");
    }
    output.line(match unchanged {
        true => {
            format!("channel {channel} plays this {kind} schedule already: nothing was changed")
        }
        false => format!(
            "channel {channel} plays this {kind} schedule from the end of its published hour on"
        ),
    })
}

/// Shows what a channel plays, as a file.
pub(super) fn show(args: &Args, output: &mut Output) -> Result<()> {
    let path = path(args.text(0)?);
    let client = Client::connect(args)?;
    let asked = client.get(&format!("{path}/schedule"));
    client.close();
    let shown: Value = asked?;
    match output.json() {
        true => output.value(&shown),
        false => output.text(field(&shown, "text")),
    }
}

/// Prints what is planned on a channel as a playout of ErsatzTV (next).
pub(super) fn export(args: &Args, output: &mut Output) -> Result<()> {
    let path = format!("{}/playout?days={}", path(args.text(0)?), days(args)?);
    let client = Client::connect(args)?;
    let asked = client.get(&path);
    client.close();
    let playout: Value = asked?;
    output.value(&playout)
}

/// Looks a file over.
pub(super) fn check(args: &Args, output: &mut Output) -> Result<()> {
    let file = args.text(0)?;
    let wish = json!({"text": text_of(file)?, "days": days(args)?});
    let client = Client::connect(args)?;
    let asked = client.ask("POST", "/api/v1/schedule/preview", Some(&wish));
    client.close();
    let answer: Value = asked?;
    refuse_problems(file, &answer, output)?;
    if output.json() {
        return output.value(&answer);
    }
    let kind = field(&answer, "kind");
    output.line(format!("{file} is a {kind} schedule without mistakes"))?;
    print_remarks(&answer, output)?;
    let preview = answer.get("preview").unwrap_or(&Value::Null);
    print_warnings(args, preview, output)
}

/// Shows what a channel or a file plays from now on.
pub(super) fn preview(args: &Args, output: &mut Output) -> Result<()> {
    let what = args.text(0)?;
    let is_number = !what.is_empty() && what.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let is_file = what == "-" || !is_number || Path::new(what).is_file();
    let wish = match is_file {
        true => json!({"text": text_of(what)?, "days": days(args)?}),
        false => json!({"channel": what, "days": days(args)?}),
    };
    let client = Client::connect(args)?;
    let asked = client.ask("POST", "/api/v1/schedule/preview", Some(&wish));
    client.close();
    let answer: Value = asked?;
    refuse_problems(what, &answer, output)?;
    if output.json() {
        return output.value(&answer);
    }
    print_preview(args, answer.get("preview").unwrap_or(&Value::Null), output)
}

/// Goes back to the channel's loop.
pub(super) fn clear(args: &Args, output: &mut Output) -> Result<()> {
    let path = path(args.text(0)?);
    let client = Client::connect(args)?;
    let asked = client.ask("DELETE", &format!("{path}/schedule"), None);
    client.close();
    let cleared: Value = asked?;
    if output.json() {
        return output.value(&cleared);
    }
    let channel = field(&cleared, "cleared");
    output.line(match cleared.get("unchanged") == Some(&Value::Bool(true)) {
        true => format!("channel {channel} has no schedule: nothing was changed"),
        false => format!("channel {channel} plays its collection again and again, from the end of its published hour on"),
    })
}

/// Says why something is on.
pub(super) fn why(args: &Args, output: &mut Output) -> Result<()> {
    let zone = local_zone(args)?;
    let mut path = format!("{}/why", path(args.text(0)?));
    let words: Vec<_> = args
        .positional()
        .iter()
        .skip(1)
        .map(|w| w.to_string_lossy())
        .collect();
    if !words.is_empty() {
        path.push_str(&format!("?at={}", moment(&words.join(" "), &zone)?));
    }
    let client = Client::connect(args)?;
    let asked = client.get(&path);
    client.close();
    let why: Value = asked?;
    if output.json() {
        return output.value(&why);
    }
    let time = |name: &str| clock_time(number(&why, name), &zone, "%a %d %b %H:%M:%S");
    output.line(format!("{} to {}", time("start"), time("stop")))?;
    output.line(format!("  {}", field(&why, "because")))?;
    output.line(format!(
        "  in the guide: {}, {} to {}",
        field(&why, "guide_title"),
        time("guide_start"),
        time("guide_stop")
    ))
}

/// A time of day (today), or a date with one, on the clock on the wall.
fn moment(text: &str, zone: &TimeZone) -> Result<i64> {
    let wrong = || {
        usage(format!(
            "{text:?} is no time: write 20:15 or 2026-01-31 20:15"
        ))
    };
    let when: DateTime = match TimeOfDay::parse(text) {
        Some(time) => {
            let now = clock_time_of_now(zone);
            let ms = i64::from(time.ms());
            let since_midnight = jiff::SignedDuration::from_millis(ms);
            now.date().to_datetime(jiff::civil::Time::midnight()) + since_midnight
        }
        None => text.replacen(' ', "T", 1).parse().map_err(|_| wrong())?,
    };
    let zoned: Zoned = zone
        .to_ambiguous_zoned(when)
        .compatible()
        .map_err(|_| wrong())?;
    Ok(zoned.timestamp().as_millisecond())
}

fn clock_time_of_now(zone: &TimeZone) -> Zoned {
    use crate::clock::Clock as _;
    let now = crate::clock::RealClock.utc();
    let now = Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
    now.to_zoned(zone.clone())
}

fn print_preview(args: &Args, preview: &Value, output: &mut Output) -> Result<()> {
    let zone = local_zone(args)?;
    let list = preview.get("entries").and_then(Value::as_array);
    let from = number(preview, "from");
    let (mut day, mut planned) = (String::new(), false);
    for entry in list.into_iter().flatten() {
        let (start, stop) = (number(entry, "start"), number(entry, "stop"));
        if !planned && start >= from {
            planned = true;
            output.line(format!(
                "planned anew from here on: {} entries as they are, {} others, {} gone",
                number(preview, "same"),
                number(preview, "new"),
                number(preview, "gone")
            ))?;
        }
        let date = clock_time(start, &zone, "%A %d %B");
        if date != day {
            output.line(&date)?;
            day = date;
        }
        let time = match stop - start < SHORT_MS {
            true => "%H:%M:%S",
            false => "%H:%M",
        };
        let guide = match field(entry, "guide_title") {
            "" => String::new(),
            title => format!(" (in the guide: {title})"),
        };
        output.line(format!(
            "  {}\u{2013}{}  {}{guide} [{}]",
            clock_time(start, &zone, time),
            clock_time(stop, &zone, time),
            field(entry, "title"),
            field(entry, "because")
        ))?;
    }
    if preview.get("more") == Some(&Value::Bool(true)) {
        output.line("  … and more: ask for fewer days")?;
    }
    print_warnings(args, preview, output)
}

/// What of a file has no effect, or is left out.
fn print_remarks(answer: &Value, output: &mut Output) -> Result<()> {
    let remarks = answer.get("remarks").and_then(Value::as_array);
    for remark in remarks.into_iter().flatten() {
        output.line(remark.as_str().unwrap_or_default())?;
    }
    Ok(())
}

fn print_warnings(args: &Args, preview: &Value, output: &mut Output) -> Result<()> {
    let zone = local_zone(args)?;
    let warnings = preview.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten() {
        let at = match warning.get("at").and_then(Value::as_i64) {
            Some(ms) => clock_time(ms, &zone, "%a %d %b %H:%M"),
            None => "always".to_owned(),
        };
        output.line(format!("warning, {at}: {}", field(warning, "text")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_on_the_clock_on_the_wall() {
        let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        let at = |text: &str| moment(text, &zone).map(|ms| clock_time(ms, &zone, "%Y-%m-%d %H:%M"));
        assert_eq!(at("2026-01-31 20:15").unwrap(), "2026-01-31 20:15");
        assert_eq!(at("2026-03-08 02:30").unwrap(), "2026-03-08 03:30");
        assert!(at("20:15").unwrap().ends_with("20:15"));
        for wrong in ["25:00", "noon", "2026-02-30 20:15", ""] {
            assert_eq!(
                moment(wrong, &zone).unwrap_err().kind(),
                ErrorKind::Usage,
                "{wrong}"
            );
        }
    }
}
