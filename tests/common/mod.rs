//! Helpers that several integration tests share.

// Every test binary compiles this module and uses a part of it; a test fails by panicking.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod clients;
pub mod daemon;
pub mod h264;
pub mod long_film;
pub mod media;
pub mod memory;
pub mod mkv;
pub mod mkv_checks;
pub mod namespace;
pub mod ts;
pub mod tv;
pub mod units;
pub mod web;
