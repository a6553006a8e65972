//! `exstreamd guide`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::args::Args;
use super::channel::title;
use super::client::Client;
use super::library::{field, number};
use super::output::Output;
use super::usage;
use crate::config::{Config, Environment, Zone};
use crate::error::Result;

/// Programmes shorter than this are shown with seconds.
const SHORT_MS: i64 = 5 * 60_000;

/// Shows what is on.
pub(super) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let hours: u32 = match args.option("hours")?.map(str::parse) {
        None => 6,
        Some(Ok(hours @ 1..=336)) => hours,
        Some(_) => return Err(usage("--hours is a number from 1 to 336")),
    };
    let mut path = format!("/api/v1/guide?hours={hours}");
    if !args.positional().is_empty() {
        let number = args.text(0)?;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(usage(format!("{number:?} is not a channel number")));
        }
        path.push_str(&format!("&channel={number}"));
    }
    let client = Client::connect(args)?;
    let guides: Vec<Value> = client.get(&path)?;
    client.close();
    if output.json() {
        return output.value(&guides);
    }
    let zone = local_zone(args)?;
    for guide in &guides {
        output.line(format!(
            "{} {}",
            field(guide, "number"),
            field(guide, "name")
        ))?;
        for programme in guide
            .get("programmes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let (start, stop) = (number(programme, "start"), number(programme, "stop"));
            // A programme of a minute would begin and end at the same one.
            let time = if stop - start < SHORT_MS {
                "%H:%M:%S"
            } else {
                "%H:%M"
            };
            output.line(format!(
                "  {} {}–{}  {}",
                clock_time(start, &zone, "%a"),
                clock_time(start, &zone, time),
                clock_time(stop, &zone, time),
                title(programme)
            ))?;
        }
    }
    if guides.is_empty() {
        output.line("there are no channels yet: exstreamd setup FOLDER proposes some")
    } else {
        Ok(())
    }
}

/// The zone that times are shown in.
pub(super) fn local_zone(args: &Args) -> Result<TimeZone> {
    let environment = Environment::of_process();
    let config = Config::load(args.config(), &environment)?;
    Ok(Zone::choose(&config, &environment).zone)
}

/// A moment as `strftime` writes it.
pub(super) fn clock_time(ms: i64, zone: &TimeZone, format: &str) -> String {
    let time = Timestamp::from_millisecond(ms);
    time.map(|time| time.to_zoned(zone.clone()).strftime(format).to_string())
        .unwrap_or_default()
}
