//! Items of the library, found by a query.

use serde::Serialize;

use super::super::router::{Call, Reply, json};
use crate::bail;
use crate::error::Result;
use crate::guide::{ItemKind, Metadata};
use crate::schedule::query;
use crate::store::{Id, Item, MAX_PAGE};

/// An item as programs read it.
#[derive(Serialize)]
struct View {
    id: Id,
    kind: ItemKind,
    #[serde(flatten)]
    metadata: Metadata,
    path: String,
}

/// A page of what was found.
#[derive(Serialize)]
struct Page {
    items: Vec<View>,
    /// Whether there are more behind the last one.
    more: bool,
}

/// `GET /api/v1/items?query=&after=&limit=`: the items that a query finds, by key.
pub(in crate::http) async fn find(call: Call) -> Result<Reply> {
    let app = &call.app;
    let number = |name: &str, default: i64| match call.query.get(name).map(str::parse) {
        None => Ok(default),
        Some(Ok(n)) if n >= 0 => Ok(n),
        Some(_) => bail!(Usage, "{name} is a number from 0 on"),
    };
    let after = number("after", 0)?;
    let limit = usize::try_from(number("limit", 100)?)
        .unwrap_or(MAX_PAGE)
        .min(MAX_PAGE);
    let query = app
        .store
        .with_smart_collections(query::parse(call.query.get("query").unwrap_or("*:*"))?)
        .await?;
    let today = app.today();
    let ids = app
        .store
        .search(&query, &today, false, after, limit)
        .await?;
    let more = ids.len() == limit;
    let items = app.store.items(&ids).await?.into_iter().map(view).collect();
    Ok(json(&Page { items, more }))
}

fn view(item: Item) -> View {
    View {
        id: item.id,
        kind: item.kind,
        metadata: item.metadata,
        path: item.path.to_string_lossy().into_owned(),
    }
}
