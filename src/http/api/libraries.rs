//! Library folders.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::router::{Call, Reply, json};
use crate::bail;
use crate::error::Result;
use crate::store::{Id, ItemCounts, MAX_PAGE, Root, RootKind, RootState, Unplayable, WhyNot};

/// A library folder as programs read it.
#[derive(Serialize)]
struct View {
    id: Id,
    path: String,
    kind: RootKind,
    #[serde(flatten)]
    state: RootState,
    items: ItemCounts,
    scanned: Option<crate::clock::UtcMs>,
    watching: String,
}

async fn view(call: &Call, root: Root) -> Result<View> {
    Ok(View {
        items: call.app.store.item_counts(Some(root.id)).await?,
        id: root.id,
        path: root.path.to_string_lossy().into_owned(),
        kind: root.kind,
        state: root.state,
        scanned: root.scanned,
        watching: root.watching,
    })
}

/// `GET /api/v1/libraries`.
pub(in crate::http) async fn list(call: Call) -> Result<Reply> {
    let mut views = Vec::new();
    for root in call.app.store.roots().await? {
        views.push(view(&call, root).await?);
    }
    Ok(json(&views))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    path: PathBuf,
    #[serde(default = "auto")]
    kind: RootKind,
}

fn auto() -> RootKind {
    RootKind::Auto
}

/// `POST /api/v1/libraries` `{path, kind}`: adds a folder and begins to scan it.
pub(in crate::http) async fn add(call: Call) -> Result<Reply> {
    let new: New = call.json()?;
    if !new.path.is_absolute() {
        bail!(Invalid, "{} is not an absolute path", new.path.display());
    }
    let root = call.app.library.add(&new.path, new.kind).await?;
    Ok(json(&view(&call, root).await?))
}

/// How a scan is wanted.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ScanWish {
    accept_loss: bool,
}

/// `POST /api/v1/libraries/{id}/scan`: scans and answers when the scan and the probes are done and what was
/// found is planned.
pub(in crate::http) async fn scan(call: Call) -> Result<Reply> {
    let app = &call.app;
    let root = app.store.root(super::id(&call, "id")?).await?;
    let report = match call.json::<ScanWish>()?.accept_loss {
        true => app.library.scan_accepting_loss(root.id).await?,
        false => app.library.scan(root.id).await?,
    };
    app.library.idle().await?;
    app.playout.follow_items().await;
    Ok(json(&report))
}

/// A file that cannot be played, as programs read it.
#[derive(Serialize)]
struct UnplayableView {
    id: Id,
    path: String,
    why: &'static str,
    /// For people.
    reason: String,
}

impl From<Unplayable> for UnplayableView {
    fn from(item: Unplayable) -> Self {
        let (why, reason) = match item.why {
            WhyNot::Missing { .. } => ("missing", "the file is gone".to_owned()),
            WhyNot::Pending => (
                "pending",
                "it has not been looked at yet, or could not be read so far".to_owned(),
            ),
            WhyNot::WaitingForFfmpeg => (
                "waiting-for-ffmpeg",
                "only ffmpeg can read it: install the package ffmpeg".to_owned(),
            ),
            WhyNot::Broken { reason } => ("broken", reason),
        };
        Self {
            id: item.id,
            path: item.path.to_string_lossy().into_owned(),
            why,
            reason,
        }
    }
}

/// `GET /api/v1/libraries/{id}/unplayable?after=`: a page of at most 1,000 files.
pub(in crate::http) async fn unplayable(call: Call) -> Result<Reply> {
    let root = call.app.store.root(super::id(&call, "id")?).await?;
    let after = match call.query.get("after").map(str::parse) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => bail!(Usage, "after is the id of the last file of the page before"),
    };
    let page = call.app.store.unplayable(root.id, after, MAX_PAGE).await?;
    let page: Vec<UnplayableView> = page.into_iter().map(UnplayableView::from).collect();
    Ok(json(&page))
}

/// `DELETE /api/v1/libraries/{id}`.
pub(in crate::http) async fn remove(call: Call) -> Result<Reply> {
    let root = call.app.store.root(super::id(&call, "id")?).await?;
    call.app.library.remove(root.id).await?;
    call.app.playout.wake();
    Ok(json(
        &serde_json::json!({"removed": root.path.to_string_lossy()}),
    ))
}
