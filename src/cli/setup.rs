//! `exstreamd setup`: from folders to channels in one go.

use serde_json::{Value, json};

use super::args::Args;
use super::ask;
use super::client::Client;
use super::format;
use super::library::{base, field, kind_of, number, scan_all};
use super::output::Output;
use crate::bail;
use crate::error::{ErrorKind, Result};

/// Adds folders, waits for the scan, proposes channels, makes them, prints addresses.
pub(super) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let (kind, folders) = (kind_of(args)?, args.folders()?);
    let client = Client::connect(args)?;
    let wish = SetUp {
        kind,
        folders: &folders,
        yes: args.has("yes"),
        hevc: args.has("hevc"),
    };
    let done = set_up(&client, &wish, output);
    let is_daemon = client.is_daemon();
    client.close();
    let made = done?;
    if output.json() {
        return output.value(&made);
    }
    if !is_daemon {
        output.line("\nNo daemon runs: start it with \"exstreamd serve\", or \"sudo systemctl enable --now exstreamd\".")?;
    }
    Ok(())
}

/// What is wanted.
struct SetUp<'a> {
    kind: &'a str,
    folders: &'a [String],
    yes: bool,
    hevc: bool,
}

fn set_up(client: &Client, wish: &SetUp<'_>, output: &mut Output) -> Result<Value> {
    let (kind, folders, yes) = (wish.kind, wish.folders, wish.yes);
    let mut roots: Vec<Value> = Vec::new();
    for path in folders {
        match client.ask(
            "POST",
            "/api/v1/libraries",
            Some(&json!({"path": path, "kind": kind})),
        ) {
            Ok(root) => roots.push(root),
            // Set up again: the folder is there already.
            Err(e) if e.kind() == ErrorKind::Conflict => {
                let known: Vec<Value> = client.get("/api/v1/libraries")?;
                match known.into_iter().find(|root| field(root, "path") == path) {
                    Some(root) => roots.push(root),
                    None => return Err(e),
                }
            }
            Err(e) => return Err(e),
        }
    }
    scan_all(client, &roots, false, output)?;
    let proposals: Vec<Value> = client.get(match wish.hevc {
        true => "/api/v1/proposals?hevc=true",
        false => "/api/v1/proposals",
    })?;
    if proposals.is_empty() {
        bail!(
            NotFound,
            "nothing that can be played was found in {}",
            folders.join(", ")
        );
    }
    let existing: Vec<Value> = client.get("/api/v1/channels")?;
    let exists = |proposal: &Value| {
        existing.iter().any(|channel| {
            ["collection", "path", "title"]
                .iter()
                .all(|f| channel.get(f) == plays(proposal).get(f))
        })
    };
    let ask = !yes && output.can_ask();
    if !yes && !ask && !output.json() {
        output.line("These channels could be made:")?;
    }
    let mut made: Vec<Value> = Vec::new();
    for proposal in proposals.iter().filter(|proposal| !exists(proposal)) {
        let said = describe(proposal);
        let wanted = yes || (ask && ask::yes(output, &format!("Make {said}?"))?);
        if !wanted {
            if !ask && !output.json() {
                output.line(format!("  {said}"))?;
            }
            continue;
        }
        let channel = json!({
            "name": field(proposal, "name"),
            "plays": plays(proposal),
            "order": field(proposal, "order"),
            "hevc": wish.hevc,
        });
        let channel: Value = client.ask("POST", "/api/v1/channels", Some(&channel))?;
        if !output.json() {
            output.line(format!("channel {}: {said}", field(&channel, "number")))?;
        }
        made.push(channel);
    }
    let status: Value = client.get("/api/v1/status")?;
    if !output.json() {
        let all = existing.len() + made.len();
        if yes || ask {
            if made.is_empty() {
                output.line("no channel was made")?;
            }
        } else if all == 0 {
            output.line("\nNothing was made: run it again with --yes, or in a terminal to be asked about each.")?;
        }
        if all > 0 {
            print_addresses(&status, output)?;
        }
    }
    Ok(
        json!({"libraries": roots, "proposals": proposals, "channels": made, "addresses": status.get("addresses")}),
    )
}

fn plays(proposal: &Value) -> Value {
    proposal.get("collection").cloned().unwrap_or_default()
}

/// "Films: 120 items, shuffle, 92 % without transcoding (H.264 + AAC, 48000 Hz, stereo)"; where another format would
/// copy more, that too.
fn describe(proposal: &Value) -> String {
    let share = proposal.get("share").cloned().unwrap_or_default();
    let percent = match number(&share, "length_ms") {
        0 => 100,
        length => number(&share, "copied_ms") * 100 / length,
    };
    let mut said = format!(
        "{}: {} items, {}, {percent} % without transcoding ({})",
        field(proposal, "name"),
        number(proposal, "items"),
        field(proposal, "order"),
        format::said(proposal.get("format")),
    );
    let others = proposal.get("alternatives").and_then(Value::as_array);
    let better = others
        .into_iter()
        .flatten()
        .filter(|other| number(other, "copied_percent") > percent)
        .max_by_key(|other| number(other, "copied_percent"));
    if let Some(better) = better {
        let drawback = match field(better, "drawback") {
            "" => String::new(),
            drawback => format!(", but {drawback}"),
        };
        said.push_str(&format!(
            "; {} % with {}{drawback}",
            number(better, "copied_percent"),
            format::said(better.get("format")),
        ));
    }
    said
}

/// Where clients find the channels.
fn print_addresses(status: &Value, output: &mut Output) -> Result<()> {
    let base = base(status);
    output.line(format!(
        "\nStatus page, with the steps for each player:  {base}/"
    ))?;
    output.line(format!(
        "  Plex, Jellyfin, Emby: HDHomeRun tuner       {base}"
    ))?;
    output.line(format!(
        "  Kodi, VLC and others: playlist              {base}/iptv/channels.m3u"
    ))?;
    output.line(format!(
        "  all of them: guide (XMLTV)                  {base}/iptv/xmltv.xml"
    ))
}
