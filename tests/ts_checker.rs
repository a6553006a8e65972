//! The transport stream checker finds what it says it finds: it is the judge of every other test here.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use common::{clients, ts};

#[test]
fn the_checker_finds_every_fault_in_its_own_broken_streams() {
    if !clients::have("python3") {
        return;
    }
    let output = Command::new("python3")
        .arg(ts::checker().join("ts_check_selftest.py"))
        .output()
        .expect("python3");
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{words}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
