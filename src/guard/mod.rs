//! What keeps a fault small: retries that spread out, breakers that give a failing thing rest, a guard
//! against restart storms, and byte budgets.
//!
//! Everything takes the time as an argument or from a [`crate::clock::Clock`] and is plain state: it
//! starts no task, and does not know what it guards.

mod breaker;
mod budget;
mod retry;
mod storm;

pub use breaker::{Breaker, State};
pub use budget::{Budget, Share};
pub use retry::Backoff;
pub use storm::StormGuard;
