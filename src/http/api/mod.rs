//! The JSON API, `/api/v1`: what the command line and scripts use. Reading is open to the house, changing
//! is not.

pub(super) mod channels;
pub(super) mod collections;
pub(super) mod guide;
pub(super) mod items;
pub(super) mod libraries;
pub(super) mod planning;
pub(super) mod schedules;
pub(super) mod status;

use super::router::Call;
use crate::error::{Error, ErrorKind, Result};

/// A key in a path.
fn id(call: &Call, name: &str) -> Result<i64> {
    let text = call.params.get(name);
    text.parse()
        .map_err(|_| Error::new(ErrorKind::NotFound, format!("there is no {text:?}")))
}
