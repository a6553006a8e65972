//! exstreamd turns a person's own media into linear 24/7 TV channels.
//!
//! The modules stand in layers: each uses only those below it. `docs/architecture.md` says what each
//! holds and where to change what; `tests/architecture.rs` keeps the arrows pointing one way.

pub mod channel;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod error;
pub mod ffmpeg;
pub mod guard;
pub mod guide;
pub mod http;
pub mod import;
pub mod library;
pub mod media;
pub mod metrics;
pub mod mux;
pub mod playout;
pub mod schedule;
pub mod store;
pub mod system;
pub mod transcode;
pub mod tuner;
