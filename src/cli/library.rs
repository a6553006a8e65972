//! `exstreamd library …`.

use serde_json::{Value, json};

use super::args::Args;
use super::client::{Client, escaped};
use super::collection::text;
use super::output::Output;
use super::usage;
use crate::bail;
use crate::error::Result;

/// A field of an answer as text.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A field of an answer as a number.
pub(super) fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// The address that clients use, by the daemon's status.
pub(super) fn base(status: &Value) -> String {
    let first = status.get("addresses").and_then(|all| all.get(0));
    match first.and_then(Value::as_str) {
        Some(base) => base.to_owned(),
        None => format!("http://localhost:{}", number(status, "port")),
    }
}

/// `--kind`.
pub(super) fn kind_of(args: &Args) -> Result<&str> {
    match args.option("kind")?.unwrap_or("auto") {
        kind @ ("auto" | "movies" | "shows" | "other") => Ok(kind),
        kind => Err(usage(format!(
            "{kind:?} is not a kind of folder: use auto, movies, shows or other"
        ))),
    }
}

/// Adds folders.
pub(super) fn add(args: &Args, output: &mut Output) -> Result<()> {
    let (kind, folders) = (kind_of(args)?, args.folders()?);
    let client = Client::connect(args)?;
    let mut added: Vec<Value> = Vec::new();
    for path in folders {
        let root: Value = client.ask(
            "POST",
            "/api/v1/libraries",
            Some(&json!({"path": path, "kind": kind})),
        )?;
        if !output.json() {
            output.line(format!("added {path}"))?;
        }
        added.push(root);
    }
    if !client.is_daemon() {
        scan_all(&client, &added, false, output)?;
    } else if !output.json() {
        output.line("the daemon scans them now; exstreamd library list tells how far it is")?;
    }
    client.close();
    if output.json() {
        output.value(&added)
    } else {
        Ok(())
    }
}

/// Lists folders.
pub(super) fn list(args: &Args, output: &mut Output) -> Result<()> {
    let client = Client::connect(args)?;
    let roots: Vec<Value> = client.get("/api/v1/libraries")?;
    client.close();
    if output.json() {
        return output.value(&roots);
    }
    if roots.is_empty() {
        return output.line(
            "the library has no folders yet: exstreamd setup FOLDER adds one and makes channels",
        );
    }
    let rows: Vec<Vec<String>> = roots
        .iter()
        .map(|root| {
            let items = root.get("items").cloned().unwrap_or_default();
            let state = match field(root, "state") {
                "unreachable" => format!("away: {}", field(root, "reason")),
                _ if root.get("scanned").is_none_or(Value::is_null) => {
                    "being scanned for the first time".to_owned()
                }
                _ => match number(&items, "pending") {
                    0 => "there".to_owned(),
                    n => format!("there, {n} still to be looked at"),
                },
            };
            vec![
                number(root, "id").to_string(),
                field(root, "kind").to_owned(),
                number(&items, "items").to_string(),
                number(&items, "playable").to_string(),
                field(root, "path").to_owned(),
                state,
            ]
        })
        .collect();
    output.table(
        &["ID", "KIND", "ITEMS", "PLAYABLE", "FOLDER", "STATE"],
        &rows,
    )?;
    let broken: i64 = roots
        .iter()
        .filter_map(|root| root.get("items"))
        .map(|items| number(items, "broken"))
        .sum();
    if broken > 0 {
        output.line(format!(
            "{broken} cannot be played: exstreamd library unplayable lists them with the reasons"
        ))?;
    }
    Ok(())
}

/// The folders of the library that were named; all when none was.
fn named(client: &Client, args: &Args) -> Result<Vec<Value>> {
    let roots: Vec<Value> = client.get("/api/v1/libraries")?;
    let wanted = args.folders()?;
    if wanted.is_empty() {
        return Ok(roots);
    }
    let mut found = Vec::new();
    for (word, path) in args.positional().iter().zip(wanted) {
        let fits =
            |root: &&Value| field(root, "path") == path || *word == *number(root, "id").to_string();
        match roots.iter().find(fits) {
            Some(root) => found.push(root.clone()),
            None => bail!(
                NotFound,
                "{path} is not a folder of the library: exstreamd library list shows them"
            ),
        }
    }
    Ok(found)
}

/// Scans folders one after another and reports each.
pub(super) fn scan_all(
    client: &Client,
    roots: &[Value],
    accept_loss: bool,
    output: &mut Output,
) -> Result<Vec<Value>> {
    let wish = json!({"accept_loss": accept_loss});
    let mut reports = Vec::new();
    for root in roots {
        output.remark(&format!("scanning {} …", field(root, "path")));
        let path = format!("/api/v1/libraries/{}/scan", number(root, "id"));
        let report: Value = client.ask("POST", &path, Some(&wish))?;
        match field(&report, "unreachable") {
            "" => output.remark(&said_of(&report)),
            reason => output.remark(&format!("it is away, so nothing was changed: {reason}")),
        }
        for trouble in report
            .get("trouble")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            output.remark(&format!("  {}", trouble.as_str().unwrap_or_default()));
        }
        reports.push(report);
    }
    Ok(reports)
}

/// Lists what cannot be played.
pub(super) fn unplayable(args: &Args, output: &mut Output) -> Result<()> {
    let client = Client::connect(args)?;
    let mut files: Vec<Value> = Vec::new();
    for root in named(&client, args)? {
        let mut after = 0;
        loop {
            let path = format!(
                "/api/v1/libraries/{}/unplayable?after={after}",
                number(&root, "id")
            );
            let page: Vec<Value> = client.get(&path)?;
            let Some(last) = page.last() else { break };
            after = number(last, "id");
            files.extend(page);
        }
    }
    client.close();
    if output.json() {
        return output.value(&files);
    }
    for file in &files {
        output.line(format!(
            "{}\n    {}",
            field(file, "path").replace('\n', "\\n"),
            field(file, "reason")
        ))?;
    }
    if files.is_empty() {
        output.line("every file can be played")?;
    }
    Ok(())
}

/// "12 videos, 2 new, 1 gone".
fn said_of(report: &Value) -> String {
    let mut said = match number(report, "files") {
        0 => "no videos were found".to_owned(),
        1 => "1 video".to_owned(),
        n => format!("{n} videos"),
    };
    for (name, what) in [("new", "new"), ("changed", "changed"), ("missing", "gone")] {
        match number(report, name) {
            0 => {}
            n => said.push_str(&format!(", {n} {what}")),
        }
    }
    said
}

/// Scans folders.
pub(super) fn scan(args: &Args, output: &mut Output) -> Result<()> {
    let client = Client::connect(args)?;
    let roots = named(&client, args)?;
    let accept_loss = args.has("accept-loss");
    if accept_loss && args.positional().is_empty() {
        return Err(usage(
            "name the folder whose loss is meant: exstreamd library scan --accept-loss FOLDER",
        ));
    }
    let reports = scan_all(&client, &roots, accept_loss, output)?;
    client.close();
    if output.json() {
        output.value(&reports)
    } else {
        Ok(())
    }
}

/// Finds items by a query.
pub(super) fn search(args: &Args, output: &mut Output) -> Result<()> {
    let query = text(args.positional());
    let limit: usize = match args.option("limit")?.map(str::parse) {
        None => 100,
        Some(Ok(n)) => n,
        Some(Err(_)) => return Err(usage("--limit takes a number")),
    };
    let client = Client::connect(args)?;
    let (mut found, mut after): (Vec<Value>, i64) = (Vec::new(), 0);
    let mut more = true;
    while more && found.len() < limit {
        let page: Value = client.get(&format!(
            "/api/v1/items?query={}&after={after}&limit={}",
            escaped(&query),
            (limit - found.len()).min(1000)
        ))?;
        more = page
            .get("more")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let items = page
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        after = items.last().map_or(after, |item| number(item, "id"));
        more &= !items.is_empty();
        found.extend(items);
    }
    client.close();
    if output.json() {
        return output.value(&found);
    }
    if found.is_empty() {
        return output.line("nothing in the library is like that");
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|item| {
            let title = match (field(item, "show"), item.get("season"), item.get("episode")) {
                ("", ..) => field(item, "title").to_owned(),
                (show, Some(Value::Number(s)), Some(Value::Number(e))) => {
                    format!("{show} {s}x{e} {}", field(item, "title"))
                }
                (show, ..) => format!("{show}: {}", field(item, "title")),
            };
            let year = match number(item, "year") {
                0 => String::new(),
                year => year.to_string(),
            };
            vec![
                number(item, "id").to_string(),
                field(item, "kind").to_owned(),
                year,
                title,
            ]
        })
        .collect();
    output.table(&["ID", "KIND", "YEAR", "TITLE"], &rows)?;
    if more {
        output.line("there are more: --limit shows them")?;
    }
    Ok(())
}

/// Removes folders.
pub(super) fn remove(args: &Args, output: &mut Output) -> Result<()> {
    let client = Client::connect(args)?;
    let mut removed: Vec<Value> = Vec::new();
    for root in named(&client, args)? {
        removed.push(client.ask(
            "DELETE",
            &format!("/api/v1/libraries/{}", number(&root, "id")),
            None,
        )?);
        if !output.json() {
            output.line(format!(
                "removed {}; its files stay as they are",
                field(&root, "path")
            ))?;
        }
    }
    client.close();
    if output.json() {
        output.value(&removed)
    } else {
        Ok(())
    }
}
