//! Smart collections.

use serde::Deserialize;

use super::super::router::{Call, Reply, json};
use crate::error::Result;

/// `GET /api/v1/collections`.
pub(in crate::http) async fn list(call: Call) -> Result<Reply> {
    Ok(json(&call.app.store.collections().await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    query: String,
}

/// `POST /api/v1/collections` `{name, query}`: makes one, or changes the query of the one with the name.
pub(in crate::http) async fn set(call: Call) -> Result<Reply> {
    let new: New = call.json()?;
    let now = call.app.clock.utc();
    let set = call
        .app
        .store
        .set_smart_collection(&new.name, &new.query, now)
        .await?;
    Ok(json(&set))
}

/// `DELETE /api/v1/collections?name=`.
pub(in crate::http) async fn remove(call: Call) -> Result<Reply> {
    let name = call.query.get("name").unwrap_or_default().to_owned();
    call.app.store.remove_collection(&name).await?;
    Ok(json(&serde_json::json!({"removed": name})))
}
