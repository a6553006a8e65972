//! What the daemon counts and what it finds wrong.
//!
//! [`Registry`] holds the numbers behind `/metrics`, [`Findings`] the sentences behind `/health` and the
//! status page. Both are cheap handles that anyone may hold; neither knows what it measures. Nothing
//! here grows with traffic: series are made per configured thing, never per request or client address.

mod findings;
mod registry;

pub use findings::{Finding, Findings, Severity};
pub use registry::{FAMILIES, Family, Kind, Registry, Series};
