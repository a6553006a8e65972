//! `exstreamd collection …`, and collections as words of a command line.

use serde_json::{Map, Value, json};

use super::args::{Args, absolute};
use super::client::{Client, escaped};
use super::library::{field, number};
use super::output::Output;
use super::usage;
use crate::error::Result;

/// So many members go into one request.
const PAGE: usize = 1000;
/// In which orders an entry of a playlist can be played.
const ORDERS: &[&str] = &[
    "chronological",
    "season-episode",
    "custom",
    "shuffle",
    "balanced",
    "random",
    "random-rotation",
    "marathon",
];

/// The words of a command as one text.
pub(super) fn text(words: &[std::ffi::OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// A collection as a word: `library`, or its kind and what it is, as in `smart:Old films`.
pub(super) fn collection(word: &str) -> Result<Value> {
    let (kind, rest) = word.split_once(':').unwrap_or((word, ""));
    let of = match kind {
        "library" if rest.is_empty() => return Ok(json!({"collection": "library"})),
        "folder" if !rest.is_empty() => {
            absolute(rest.as_ref()).map(|path| json!({"path": path}))?
        }
        "show" => json!({"title": rest}),
        "search" => json!({"query": rest}),
        "smart" | "manual" | "multi" | "playlist" | "first-run" | "rerun" => json!({"name": rest}),
        _ => json!({}),
    };
    let Value::Object(mut of) = of else {
        return Ok(of);
    };
    if rest.trim().is_empty() || of.is_empty() {
        return Err(usage(format!(
            "{word:?} is no collection: write library, folder:DIR, show:TITLE, search:QUERY, smart:NAME, manual:NAME, \
             multi:NAME, playlist:NAME, first-run:NAME or rerun:NAME"
        )));
    }
    of.insert("collection".to_owned(), kind.into());
    Ok(Value::Object(of))
}

/// Splits what `is_option` knows off the end of a word, where each stands behind a comma.
fn options(word: &str, is_option: impl Fn(&str) -> bool) -> (&str, Vec<&str>) {
    let (mut rest, mut found) = (word, Vec::new());
    while let Some((before, last)) = rest.rsplit_once(',')
        && is_option(last.trim())
    {
        rest = before;
        found.push(last.trim());
    }
    (rest, found)
}

/// A member of a multi-collection: `smart:Old films,by-date` stays together in shuffles.
fn part(word: &str) -> Result<Value> {
    let (word, options) = options(word, |o| ["by-date", "by-episode"].contains(&o));
    let mut part = collection(word)?;
    if let (Some(option), Some(part)) = (options.first(), part.as_object_mut()) {
        let order = option.trim_start_matches("by-");
        part.insert("together".to_owned(), order.into());
    }
    Ok(part)
}

/// An entry of a playlist: `show:Night Owls,3,shuffle,hidden`.
fn entry(word: &str) -> Result<Value> {
    let (word, options) = options(word, |o| {
        o == "all" || o == "hidden" || ORDERS.contains(&o) || o.parse::<u32>().is_ok()
    });
    let mut pick = collection(word)?;
    let mut entry = Map::new();
    for option in options {
        match (option, option.parse::<u32>()) {
            (_, Ok(count)) => drop(entry.insert("take".to_owned(), json!({"count": count}))),
            ("all", _) => drop(entry.insert("take".to_owned(), "all".into())),
            ("hidden", _) => drop(entry.insert("in_guide".to_owned(), false.into())),
            (order, _) => {
                if let Some(pick) = pick.as_object_mut() {
                    pick.insert("order".to_owned(), json!({"by": order}));
                }
            }
        }
    }
    entry.insert("pick".to_owned(), pick);
    Ok(Value::Object(entry))
}

/// A member of a manual collection: `item:12`, `show:TITLE`, `season:2:TITLE` or `folder:DIR`.
fn member(word: &str) -> Result<Value> {
    let wrong = || {
        usage(format!(
            "{word:?} is no member: write item:ID, show:TITLE, season:NUMBER:TITLE or folder:DIR"
        ))
    };
    let (kind, rest) = word.split_once(':').ok_or_else(wrong)?;
    Ok(match kind {
        "item" => {
            let id: i64 = rest.trim().parse().map_err(|_| wrong())?;
            json!({"member": "item", "id": id})
        }
        "show" => json!({"member": "show", "title": rest}),
        "season" => {
            let (season, title) = rest.split_once(':').ok_or_else(wrong)?;
            let season: u32 = season.trim().parse().map_err(|_| wrong())?;
            json!({"member": "season", "season": season, "title": title})
        }
        "folder" => json!({"member": "folder", "path": absolute(rest.as_ref())?}),
        _ => return Err(wrong()),
    })
}

fn words(args: &Args, read: fn(&str) -> Result<Value>) -> Result<Vec<Value>> {
    (1..args.positional().len())
        .map(|n| read(args.text(n)?))
        .collect()
}

/// Makes a collection or changes what it is.
pub(super) fn set(args: &Args, output: &mut Output) -> Result<()> {
    let (_, rest) = args.positional().split_at(1);
    let kinds = ["manual", "multi", "playlist", "rerun"].map(|kind| (kind, args.has(kind)));
    let mut chosen = kinds
        .iter()
        .filter(|(_, chosen)| *chosen)
        .map(|(kind, _)| *kind);
    let kind = chosen.next();
    if chosen.next().is_some() {
        return Err(usage(
            "a collection is of one kind: --manual, --multi, --playlist or --rerun",
        ));
    }
    if args.has("shuffled") && kind != Some("playlist") {
        return Err(usage("--shuffled is for playlists: add --playlist"));
    }
    let mut later = Vec::new();
    let mut wish = match kind {
        None => json!({"query": text(rest)}),
        Some("multi") => json!({"members": words(args, part)?}),
        Some("playlist") => {
            json!({"entries": words(args, entry)?, "shuffled": args.has("shuffled")})
        }
        Some("rerun") => match words(args, collection)?.as_slice() {
            [of] => json!({"of": of}),
            _ => return Err(usage("a rerun collection is of one collection")),
        },
        Some(_) => {
            let mut members = words(args, member)?;
            later = members.split_off(members.len().min(PAGE));
            json!({"members": members})
        }
    };
    if let Some(wish) = wish.as_object_mut() {
        wish.insert("name".to_owned(), args.text(0)?.into());
        wish.insert("kind".to_owned(), kind.unwrap_or("smart").into());
    }
    let client = Client::connect(args)?;
    let set: Value = client.ask("POST", "/api/v1/collections", Some(&wish))?;
    put(&client, args.text(0)?, &later)?;
    client.close();
    if output.json() {
        return output.value(&set);
    }
    output.line(format!(
        "the {} collection \u{201c}{}\u{201d} is set{}",
        field(&set, "kind"),
        field(&set, "name"),
        match field(&set, "query") {
            "" => String::new(),
            query => format!(" and finds {query}"),
        }
    ))
}

fn put(client: &Client, name: &str, members: &[Value]) -> Result<()> {
    let pages = members.len().div_ceil(PAGE);
    for (n, page) in members.chunks(PAGE).enumerate() {
        let wish = json!({"name": name, "members": page, "more": n + 1 < pages});
        let _: Value = client.ask("POST", "/api/v1/collections/members", Some(&wish))?;
    }
    Ok(())
}

/// Puts members behind those of a manual collection.
pub(super) fn add(args: &Args, output: &mut Output) -> Result<()> {
    let (name, members) = (args.text(0)?, words(args, member)?);
    let client = Client::connect(args)?;
    put(&client, name, &members)?;
    client.close();
    let added = json!({"name": name, "added": members.len()});
    if output.json() {
        return output.value(&added);
    }
    output.line(format!("put {} into \u{201c}{name}\u{201d}", members.len()))
}

/// Lists collections.
pub(super) fn list(args: &Args, output: &mut Output) -> Result<()> {
    let client = Client::connect(args)?;
    let all: Vec<Value> = client.get("/api/v1/collections")?;
    client.close();
    if output.json() {
        return output.value(&all);
    }
    if all.is_empty() {
        return output
            .line("there are no collections yet: exstreamd collection set NAME QUERY makes one");
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            vec![
                field(one, "name").to_owned(),
                field(one, "kind").to_owned(),
                what(one),
            ]
        })
        .collect();
    output.table(&["NAME", "KIND", "WHAT"], &rows)
}

/// What a collection is, in one line.
fn what(one: &Value) -> String {
    let parts = |name: &str| {
        one.get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let named: Vec<String> = match field(one, "kind") {
        "smart" => return field(one, "query").to_owned(),
        "multi" => parts("members").map(word).collect(),
        "playlist" => parts("entries")
            .filter_map(|e| e.get("pick"))
            .map(word)
            .collect(),
        "rerun" => one.get("of").map(word).into_iter().collect(),
        _ => Vec::new(),
    };
    named.join(", ")
}

/// A collection as the word that [`collection`] reads.
pub(super) fn word(of: &Value) -> String {
    let kind = field(of, "collection");
    let texts = ["path", "title", "query", "name"].map(|name| field(of, name));
    match texts.iter().find(|text| !text.is_empty()) {
        Some(text) => format!("{kind}:{text}"),
        None => kind.to_owned(),
    }
}

/// Shows a collection with what it holds.
pub(super) fn show(args: &Args, output: &mut Output) -> Result<()> {
    let name = text(args.positional());
    let client = Client::connect(args)?;
    let path = format!("/api/v1/collections?name={}", escaped(&name));
    let mut shown: Value = client.get(&path)?;
    let mut after = last_place(&shown);
    while after > 0 {
        let page: Value = client.get(&format!("{path}&after={after}"))?;
        after = last_place(&page);
        let page = page.get("members").and_then(Value::as_array).cloned();
        if let Some(Value::Array(members)) = shown.get_mut("members") {
            members.extend(page.unwrap_or_default());
        }
    }
    client.close();
    if output.json() {
        return output.value(&shown);
    }
    output.line(format!(
        "the {} collection \u{201c}{}\u{201d}: {} items that can be played",
        field(&shown, "kind"),
        field(&shown, "name"),
        number(&shown, "playable")
    ))?;
    let list = |name: &str| shown.get(name).and_then(Value::as_array).cloned();
    match field(&shown, "kind") {
        "manual" => {
            for member in list("members").unwrap_or_default() {
                output.line(format!("  {}", member_word(&member)))?;
            }
        }
        "playlist" => {
            for entry in list("entries").unwrap_or_default() {
                output.line(format!("  {}", entry_word(&entry)))?;
            }
        }
        "multi" => {
            for part in list("members").unwrap_or_default() {
                let together = match field(&part, "together") {
                    "" => String::new(),
                    order => format!(",by-{order}"),
                };
                output.line(format!("  {}{together}", word(&part)))?;
            }
        }
        _ => output.line(format!("  {}", what(&shown)))?,
    }
    Ok(())
}

/// The place of the last member of a page; 0 when it is not a full one.
fn last_place(page: &Value) -> i64 {
    let members = page.get("members").and_then(Value::as_array);
    let full = members.filter(|members| members.len() >= PAGE);
    full.and_then(|m| m.last()?.get("place")?.as_i64())
        .unwrap_or_default()
}

fn member_word(member: &Value) -> String {
    match field(member, "member") {
        "item" => format!("item:{}", number(member, "id")),
        "season" => format!(
            "season:{}:{}",
            number(member, "season"),
            field(member, "title")
        ),
        "folder" => format!("folder:{}", field(member, "path")),
        kind => format!("{kind}:{}", field(member, "title")),
    }
}

fn entry_word(entry: &Value) -> String {
    let pick = entry.get("pick").cloned().unwrap_or_default();
    let mut said = word(&pick);
    match entry
        .get("take")
        .and_then(|take| take.get("count")?.as_u64())
    {
        Some(count) => said.push_str(&format!(",{count}")),
        None => said.push_str(",all"),
    }
    if let Some(order) = pick.get("order").map(|order| field(order, "by")) {
        said.push_str(&format!(",{order}"));
    }
    if entry.get("in_guide") == Some(&Value::Bool(false)) {
        said.push_str(",hidden");
    }
    said
}

/// Removes a collection.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_written_as_words_and_read_back() {
        #[track_caller]
        fn check(
            read: fn(&str) -> Result<Value>,
            write: fn(&Value) -> String,
            written: &str,
            expected: Value,
        ) {
            let value = read(written).unwrap();
            assert_eq!(value, expected);
            assert_eq!(write(&value), written);
        }
        check(
            collection,
            word,
            "library",
            json!({"collection": "library"}),
        );
        check(
            collection,
            word,
            "smart:Old: films, and more",
            json!({"collection": "smart", "name": "Old: films, and more"}),
        );
        check(
            collection,
            word,
            "first-run:x",
            json!({"collection": "first-run", "name": "x"}),
        );
        check(
            member,
            member_word,
            "item:12",
            json!({"member": "item", "id": 12}),
        );
        check(
            member,
            member_word,
            "season:0:Night: Owls",
            json!({"member": "season", "season": 0, "title": "Night: Owls"}),
        );
        check(
            entry,
            entry_word,
            "show:You, me,3,shuffle,hidden",
            json!({
                "pick": {"collection": "show", "title": "You, me", "order": {"by": "shuffle"}},
                "take": {"count": 3},
                "in_guide": false,
            }),
        );
        assert_eq!(
            part("multi:A,by-date").unwrap(),
            json!({"collection": "multi", "name": "A", "together": "date"})
        );
        for wrong in ["", "smart", "smart: ", "films:x", "library:x"] {
            assert!(collection(wrong).is_err(), "{wrong}");
        }
        for wrong in ["12", "item:x", "season:x:y", "season:1", "smart:x"] {
            assert!(member(wrong).is_err(), "{wrong}");
        }
    }
}
