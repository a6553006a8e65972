//! What a channel plays.

use serde::{Deserialize, Serialize};

use super::content::Pick;
use super::loops::Loop;

/// What a channel plays: one kind of scheduler with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Program {
    /// One collection, again and again.
    Loop(Loop),
}

impl Program {
    /// Everything that it draws from, what it plays before what it fills with.
    pub fn picks(&self) -> Vec<Pick> {
        match self {
            Self::Loop(rules) => vec![rules.pick.clone()],
        }
    }
}
