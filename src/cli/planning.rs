//! How channels are planned: `exstreamd channel rebuild`, `channel warnings`, `schedule undo`, `schedule zone`.

use serde_json::{Value, json};

use super::args::Args;
use super::channel::path;
use super::client::Client;
use super::guide::{clock_time, local_zone};
use super::library::{field, number};
use super::output::Output;
use crate::error::Result;

/// Plans anew what a channel plays behind the hour that is published.
pub(super) fn rebuild(args: &Args, output: &mut Output) -> Result<()> {
    let path = path(args.text(0)?);
    let wish = json!({"reset": args.has("reset")});
    let client = Client::connect(args)?;
    let planned: Value = client.ask("POST", &format!("{path}/rebuild"), Some(&wish))?;
    client.close();
    print(args, &planned, output)
}

/// Shows what could not be planned as the schedule says.
pub(super) fn warnings(args: &Args, output: &mut Output) -> Result<()> {
    let path = path(args.text(0)?);
    let client = Client::connect(args)?;
    let planned: Value = client.get(&format!("{path}/warnings"))?;
    client.close();
    print(args, &planned, output)
}

fn print(args: &Args, planned: &Value, output: &mut Output) -> Result<()> {
    if output.json() {
        return output.value(planned);
    }
    let zone = local_zone(args)?;
    let time = |of: &Value, name: &str| {
        let ms = of.get(name).and_then(Value::as_i64);
        ms.map(|ms| clock_time(ms, &zone, "%a %d %b %H:%M"))
    };
    let list = |name: &str| planned.get(name).and_then(Value::as_array);
    if let Some(until) = time(planned, "planned_until") {
        output.line(format!("planned until {until}"))?;
    }
    let failure = field(planned, "failure");
    if !failure.is_empty() {
        output.line(format!(
            "the last attempt failed, what was planned before stands: {failure}"
        ))?;
    }
    for warning in list("warnings").into_iter().flatten() {
        let at = time(warning, "at").unwrap_or_else(|| "always".to_owned());
        output.line(format!("  {at}: {}", field(warning, "text")))?;
    }
    for gap in list("gaps").into_iter().flatten() {
        let why = match field(gap, "kind") {
            "planned" => "off the air, as the schedule says",
            "removed" => "off the air, for what was planned there is no longer in the library",
            _ => "off the air, for there is nothing to play",
        };
        let (start, stop) = (time(gap, "start"), time(gap, "stop"));
        output.line(format!(
            "  {} to {}: {why}",
            start.unwrap_or_default(),
            stop.unwrap_or_default()
        ))?;
    }
    if failure.is_empty() && list("warnings").is_none_or(Vec::is_empty) {
        output.line("there are no warnings")?;
    }
    Ok(())
}

/// Gives a channel back what it played before it was changed.
pub(super) fn undo(args: &Args, output: &mut Output) -> Result<()> {
    let number = args.text(0)?;
    let client = Client::connect(args)?;
    let past: Value = client.ask("POST", &format!("{}/schedule/undo", path(number)), None)?;
    client.close();
    if output.json() {
        return output.value(&past);
    }
    let left = past.as_array().map_or(0, Vec::len);
    output.line(format!(
        "channel {number} plays what it did before; {left} more changes can be taken back"
    ))
}

/// Shows in which zone schedules are written, or takes that of this box.
pub(super) fn zone(args: &Args, output: &mut Output) -> Result<()> {
    const PATH: &str = "/api/v1/schedule/zone";
    let client = Client::connect(args)?;
    let view: Value = match args.has("accept") {
        true => client.ask("POST", PATH, None)?,
        false => client.get(PATH)?,
    };
    client.close();
    if output.json() {
        return output.value(&view);
    }
    let (zone, here) = (field(&view, "zone"), field(&view, "here"));
    output.line(format!("schedules are written in {zone}"))?;
    if zone == here {
        return Ok(());
    }
    output.line(format!("the time zone of this box is {here}"))?;
    let local = local_zone(args)?;
    let time = |of: &Value, name: &str| {
        let ms = of.get(name).and_then(Value::as_i64);
        ms.map(|ms| clock_time(ms, &local, "%a %H:%M"))
    };
    let list = |of: &Value, name: &str| of.get(name).and_then(Value::as_array).cloned();
    for channel in list(&view, "moves").into_iter().flatten() {
        output.line(format!(
            "channel {}: {} programmes would move",
            field(&channel, "number"),
            number(&channel, "programmes")
        ))?;
        for moved in list(&channel, "first").into_iter().flatten() {
            let to = time(&moved, "to").unwrap_or_else(|| "nowhere".to_owned());
            let from = time(&moved, "from").unwrap_or_default();
            output.line(format!("  {from} to {to}: {}", field(&moved, "title")))?;
        }
    }
    output.line("exstreamd schedule zone --accept moves them")
}
