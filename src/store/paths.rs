//! Items by where they lie.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;

use super::{Item, MAX_PAGE, Store};
use crate::error::Result;

impl Store {
    /// The items at these paths that there are and that are not missing, by key; at most [`MAX_PAGE`] are looked up.
    /// Paths that are not UTF-8 are passed over.
    pub async fn items_at(&self, paths: &[PathBuf]) -> Result<Vec<Item>> {
        let paths = paths.iter().take(MAX_PAGE).map(PathBuf::as_path);
        let paths: Vec<&str> = paths.filter_map(Path::to_str).collect();
        let paths = serde_json::to_string(&paths).unwrap_or_default();
        self.items_where(
            "path IN (SELECT CAST(value AS BLOB) FROM json_each(?)) AND missing_since_ms IS NULL",
            vec![Value::Text(paths)],
            0,
            MAX_PAGE,
        )
        .await
    }
}
