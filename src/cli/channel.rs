//! `exstreamd channel …`.

use serde_json::{Map, Value, json};

use super::args::{Args, absolute};
use super::client::Client;
use super::collection::{collection, word};
use super::format;
use super::library::{field, number};
use super::output::Output;
use super::usage;
use crate::error::Result;

/// What the options say, as a request.
fn wish(args: &Args) -> Result<Value> {
    let mut wish = Map::new();
    for name in ["number", "name"] {
        if let Some(value) = args.option(name)? {
            wish.insert(name.to_owned(), value.into());
        }
    }
    if let Some(group) = args.option("group")? {
        wish.insert(
            "group".to_owned(),
            if group.is_empty() {
                Value::Null
            } else {
                group.into()
            },
        );
    }
    let folder = args.raw("folder").map(absolute).transpose()?;
    let folder = folder.map(|path| json!({"collection": "folder", "path": path}));
    let show = args.option("show")?;
    let show = show.map(|title| json!({"collection": "show", "title": title}));
    let named = args.option("collection")?.map(collection).transpose()?;
    let everything = args.has("everything");
    let everything = everything.then(|| json!({"collection": "library"}));
    let mut said = [folder, show, named, everything].into_iter().flatten();
    if let Some(plays) = said.next() {
        wish.insert("plays".to_owned(), plays);
    }
    if said.next().is_some() {
        return Err(usage(
            "a channel plays one thing: --folder, --show, --collection or --everything",
        ));
    }
    const ORDERS: &[&str] = &[
        "shuffle",
        "balanced",
        "chronological",
        "season-episode",
        "custom",
        "random",
        "random-rotation",
        "marathon",
    ];
    match args.option("order")? {
        None => {}
        Some(order) if ORDERS.contains(&order) => {
            wish.insert("order".to_owned(), order.into());
        }
        Some(order) => {
            return Err(usage(format!(
                "{order:?} is not possible for --order: use one of {}",
                ORDERS.join(", ")
            )));
        }
    }
    if let Some(number) = args.option("mirror")? {
        wish.insert("mirror".to_owned(), number.into());
    }
    if let Some(offset) = args.option("offset")? {
        let Some(ms) = offset_ms(offset) else {
            return Err(usage(format!(
                "{offset:?} is no time: --offset wants 1h, 90m or 30s, or -1h for earlier"
            )));
        };
        wish.insert("offset_ms".to_owned(), ms.into());
    }
    match args.option("progress")? {
        None => {}
        Some(progress @ ("continuous" | "on-demand")) => {
            wish.insert("progress".to_owned(), progress.into());
        }
        Some(progress) => {
            return Err(usage(format!(
                "{progress:?} is not possible for --progress: use continuous or on-demand"
            )));
        }
    }
    if let Ok(Value::Object(format)) = serde_json::to_value(format::wish(args)?) {
        wish.extend(format);
    }
    if let Some(rate) = args.option("mux-rate")? {
        let Ok(kbit) = rate.parse::<u32>() else {
            return Err(usage(format!(
                "{rate:?} is no rate: --mux-rate wants kbit/s as a whole number, or 0 for none"
            )));
        };
        let kbit = Some(kbit).filter(|&kbit| kbit > 0);
        wish.insert("mux_rate_kbit".to_owned(), json!(kbit));
    }
    Ok(Value::Object(wish))
}

/// Reads `1h`, `-90m` or `+30s`.
fn offset_ms(text: &str) -> Option<i64> {
    let unit_ms = match text.as_bytes().last()? {
        b'h' => 3_600_000,
        b'm' => 60_000,
        b's' => 1000,
        _ => return None,
    };
    let count: i64 = text.get(..text.len() - 1)?.parse().ok()?;
    count.checked_mul(unit_ms)
}

/// Makes a channel.
pub(super) fn add(args: &Args, output: &mut Output) -> Result<()> {
    let wish = wish(args)?;
    let client = Client::connect(args)?;
    let channel: Value = client.ask("POST", "/api/v1/channels", Some(&wish))?;
    print(client, &channel, None, output)
}

/// Lists channels.
pub(super) fn list(args: &Args, output: &mut Output) -> Result<()> {
    let client = Client::connect(args)?;
    let channels: Vec<Value> = client.get("/api/v1/channels")?;
    client.close();
    if output.json() {
        return output.value(&channels);
    }
    if channels.is_empty() {
        return output.line("there are no channels yet: exstreamd setup FOLDER proposes some");
    }
    let rows: Vec<Vec<String>> = channels
        .iter()
        .map(|channel| {
            vec![
                field(channel, "number").to_owned(),
                field(channel, "name").to_owned(),
                plays(channel),
                number(channel, "viewers").to_string(),
                channel.get("now").map(title).unwrap_or_default(),
            ]
        })
        .collect();
    output.table(&["NUMBER", "NAME", "PLAYS", "VIEWERS", "NOW"], &rows)
}

/// What a channel plays, for people.
pub(super) fn plays(channel: &Value) -> String {
    if let Some(mirror) = channel.get("mirror").filter(|mirror| mirror.is_object()) {
        let minutes = mirror.get("offset_ms").and_then(Value::as_i64).unwrap_or(0) / 60_000;
        return format!("channel {} {minutes:+} min", field(mirror, "of"));
    }
    match field(channel, "schedule") {
        "" => {}
        kind => return format!("a {kind} schedule"),
    }
    match field(channel, "collection") {
        "folder" => format!("folder {}", field(channel, "path")),
        "show" => format!("show {}", field(channel, "title")),
        "library" | "" => "everything".to_owned(),
        _ => word(channel),
    }
}

/// A programme's title in one line.
pub(super) fn title(programme: &Value) -> String {
    match (field(programme, "show"), field(programme, "title")) {
        ("", title) => title.to_owned(),
        (show, title) if show == title => title.to_owned(),
        (show, title) => format!("{show}: {title}"),
    }
}

/// The address of a channel in the API.
pub(super) fn path(number: &str) -> String {
    let encoded: String = number
        .bytes()
        .map(|b| match b {
            b'0'..=b'9' | b'.' => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect();
    format!("/api/v1/channels/{encoded}")
}

/// Shows a channel.
pub(super) fn show(args: &Args, output: &mut Output) -> Result<()> {
    let path = path(args.text(0)?);
    let client = Client::connect(args)?;
    let mut channel: Value = client.get(&path)?;
    let mut all = None;
    if args.has("all") {
        let items = not_copied(&client, &path)?;
        if let Some(channel) = channel.as_object_mut() {
            channel.insert("not_copied".to_owned(), items.clone().into());
        }
        all = Some(items);
    }
    print(client, &channel, all.as_deref(), output)
}

/// Changes a channel.
pub(super) fn set(args: &Args, output: &mut Output) -> Result<()> {
    let (path, wish) = (path(args.text(0)?), wish(args)?);
    if wish.as_object().is_none_or(Map::is_empty) {
        return Err(usage(
            "nothing is to be changed: exstreamd channel set --help lists what can be",
        ));
    }
    let client = Client::connect(args)?;
    let channel: Value = client.ask("PATCH", &path, Some(&wish))?;
    print(client, &channel, None, output)
}

/// Removes a channel.
pub(super) fn remove(args: &Args, output: &mut Output) -> Result<()> {
    let path = path(args.text(0)?);
    let client = Client::connect(args)?;
    let removed: Value = client.ask("DELETE", &path, None)?;
    client.close();
    if output.json() {
        output.value(&removed)
    } else {
        output.line(format!("removed channel {}", field(&removed, "removed")))
    }
}

/// Every item that the channel does not copy.
fn not_copied(client: &Client, path: &str) -> Result<Vec<Value>> {
    let mut items: Vec<Value> = Vec::new();
    let mut after = 0;
    loop {
        let page: Vec<Value> = client.get(&format!("{path}/exceptions?after={after}"))?;
        let Some(last) = page.last() else {
            return Ok(items);
        };
        after = number(last, "item_id");
        items.extend(page);
    }
}

/// Shows a channel; `not_copied`: with these items instead of the reasons and some examples.
fn print(
    client: Client,
    channel: &Value,
    not_copied: Option<&[Value]>,
    output: &mut Output,
) -> Result<()> {
    let status: Result<Value> = client.get("/api/v1/status");
    client.close();
    if output.json() {
        return output.value(channel);
    }
    let status = status?;
    output.line(format!(
        "{} {}",
        field(channel, "number"),
        field(channel, "name")
    ))?;
    let order = match field(channel, "schedule") {
        "" => format!(" ({})", field(channel, "order")),
        _ => String::new(),
    };
    output.line(format!("  plays      {}{order}", plays(channel)))?;
    output.line(format!(
        "  format     {}",
        format::said(channel.get("format"))
    ))?;
    if let Some(kbit) = channel.get("mux_rate_kbit").and_then(Value::as_u64) {
        output.line(format!("  mux rate   {kbit} kbit/s, fixed"))?;
    }
    format::print_price(channel, output)?;
    match not_copied {
        None => format::print_reasons(channel.get("share").unwrap_or(&Value::Null), output)?,
        Some(items) => {
            for item in items {
                output.line(format!(
                    "  not copied {}\n             {}: {}",
                    field(item, "path"),
                    field(item, "treatment"),
                    field(item, "reason")
                ))?;
            }
        }
    }
    for (name, label) in [("now", "now"), ("next", "next")] {
        if let Some(programme) = channel.get(name).filter(|programme| !programme.is_null()) {
            output.line(format!("  {label:<10} {}", title(programme)))?;
        }
    }
    let base = super::library::base(&status);
    output.line(format!("  stream     {base}{}", field(channel, "stream")))
}
