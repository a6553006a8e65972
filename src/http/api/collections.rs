//! Collections with names.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::router::{Call, Reply, json};
use crate::bail;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Definition, MAX_PAGE, ManualMember, NamedCollection};

/// A collection with what it holds.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    collection: NamedCollection,
    /// Of a manual one the members, a page of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Placed>>,
    /// How many of its items can be played.
    playable: usize,
}

#[derive(Serialize)]
struct Placed {
    place: i64,
    #[serde(flatten)]
    member: ManualMember,
}

/// `GET /api/v1/collections`, `?name=` for one with what it holds, `&after=` place of the last member.
pub(in crate::http) async fn list(call: Call) -> Result<Reply> {
    let store = &call.app.store;
    let Some(name) = call.query.get("name") else {
        return Ok(json(&store.collections().await?));
    };
    let after = match call.query.get("after").map(str::parse) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => bail!(Usage, "after is the place of a member, a number"),
    };
    let definitions = store.definitions().await?;
    let Some(found) = definitions.get(name) else {
        bail!(
            NotFound,
            "there is no collection \u{201c}{}\u{201d}",
            name.escape_debug()
        );
    };
    let members = match &found.definition {
        Definition::Manual => {
            let members = store.members(name, after, MAX_PAGE).await?.into_iter();
            Some(
                members
                    .map(|(place, member)| Placed { place, member })
                    .collect(),
            )
        }
        _ => None,
    };
    let (of, today) = (found.collection(), call.app.today());
    let playable = store.playable_ids(&of, &definitions, &today).await?.len();
    Ok(json(&Shown {
        playable,
        collection: found.clone(),
        members,
    }))
}

/// `POST /api/v1/collections`: makes one, or changes what the one with the name is. `{name, query}`, or `{name, kind}`
/// with what such a collection is made of.
pub(in crate::http) async fn set(call: Call) -> Result<Reply> {
    let mut wish: Map<String, Value> = call.json()?;
    let name = match wish.remove("name") {
        Some(Value::String(name)) => name,
        _ => bail!(Usage, "a collection needs a name, a text"),
    };
    let kind = wish.entry("kind").or_insert_with(|| "smart".into());
    let is_manual = kind == "manual";
    let members: Option<Vec<ManualMember>> = match wish.remove("members") {
        Some(members) if is_manual => Some(read(members)?),
        Some(members) => {
            wish.insert("members".to_owned(), members);
            None
        }
        None => None,
    };
    let definition: Definition = read(Value::Object(wish))?;
    let (store, now) = (&call.app.store, call.app.clock.utc());
    let set = store.set_collection(&name, definition, now).await?;
    if let Some(members) = members {
        store.set_members(&name, members, true).await?;
    }
    call.app.playout.follow_items().await;
    Ok(json(&set))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct More {
    name: String,
    members: Vec<ManualMember>,
    /// More are coming: channels need not be planned yet.
    #[serde(default)]
    more: bool,
}

/// `POST /api/v1/collections/members` `{name, members}`: puts members behind those of a manual collection, which is made
/// when it is not there.
pub(in crate::http) async fn add(call: Call) -> Result<Reply> {
    let wish: More = call.json()?;
    let (store, now) = (&call.app.store, call.app.clock.utc());
    let set = store
        .set_collection(&wish.name, Definition::Manual, now)
        .await?;
    let added = wish.members.len();
    store.set_members(&wish.name, wish.members, false).await?;
    if !wish.more {
        call.app.playout.follow_items().await;
    }
    Ok(json(&serde_json::json!({"name": set.name, "added": added})))
}

/// `DELETE /api/v1/collections?name=`.
pub(in crate::http) async fn remove(call: Call) -> Result<Reply> {
    let name = call.query.get("name").unwrap_or_default().to_owned();
    call.app.store.remove_collection(&name).await?;
    Ok(json(&serde_json::json!({"removed": name})))
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| {
        Error::with_source(
            ErrorKind::Usage,
            "the request does not say what a collection can be".to_owned(),
            e,
        )
    })
}
