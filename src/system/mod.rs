//! The box that the daemon runs on: its service manager, its journal, its addresses, its mounts, and who we
//! are to the network.
//!
//! Assumes Linux and nothing more: no systemd, no journal, no udev and no network are ordinary conditions, each
//! with a fallback. Knows nothing of channels, items or requests.

pub mod access;
pub mod cidr;
pub mod identity;
pub mod interfaces;
pub mod journal;
pub mod launch;
pub mod lines;
pub mod memory;
pub mod mounts;
pub mod notify;
pub mod origin;
pub mod port_holder;
pub mod random;
pub mod reads;
pub mod sockets;
pub mod spawner;
mod sys;
pub mod watchdog;

pub use spawner::{Child, Launch, Spawner};
