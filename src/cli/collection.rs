//! `exstreamd collection …`.

use serde_json::{Value, json};

use super::args::Args;
use super::client::{Client, escaped};
use super::library::field;
use super::output::Output;
use crate::error::Result;

/// The words of a command as one text.
pub(super) fn text(words: &[std::ffi::OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// Makes a smart collection or changes its query.
pub(super) fn set(args: &Args, output: &mut Output) -> Result<()> {
    let (name, query) = args.positional().split_at(1);
    let client = Client::connect(args)?;
    let wish = json!({"name": text(name), "query": text(query)});
    let set: Value = client.ask("POST", "/api/v1/collections", Some(&wish))?;
    client.close();
    if output.json() {
        return output.value(&set);
    }
    output.line(format!(
        "the smart collection \u{201c}{}\u{201d} finds {}",
        field(&set, "name"),
        field(&set, "query")
    ))
}

/// Lists smart collections.
pub(super) fn list(args: &Args, output: &mut Output) -> Result<()> {
    let client = Client::connect(args)?;
    let all: Vec<Value> = client.get("/api/v1/collections")?;
    client.close();
    if output.json() {
        return output.value(&all);
    }
    if all.is_empty() {
        return output.line(
            "there are no smart collections yet: exstreamd collection set NAME QUERY makes one",
        );
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            vec![
                field(one, "name").to_owned(),
                field(one, "query").to_owned(),
            ]
        })
        .collect();
    output.table(&["NAME", "QUERY"], &rows)
}

/// Removes a smart collection.
pub(super) fn remove(args: &Args, output: &mut Output) -> Result<()> {
    let name = text(args.positional());
    let client = Client::connect(args)?;
    let path = format!("/api/v1/collections?name={}", escaped(&name));
    let removed: Value = client.ask("DELETE", &path, None)?;
    client.close();
    if output.json() {
        return output.value(&removed);
    }
    output.line(format!(
        "removed \u{201c}{}\u{201d}; its items stay as they are",
        field(&removed, "removed")
    ))
}
