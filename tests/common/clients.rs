//! Real clients and validators, and private networks to let them loose in.
// What is not run must be said; a helper fails by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::process::{Command, Output};

/// Whether `program` can be run. When it cannot, the test says so and passes, unless everything is required
/// (`TEST_REQUIRE_ALL=1`, as in CI).
#[track_caller]
pub fn have(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output()
        .is_ok_and(|output| output.status.success());
    found || not_run(&format!("{program} is not installed"))
}

/// Whether this user may make a network of its own.
#[track_caller]
pub fn have_namespaces() -> bool {
    let made = Command::new("unshare")
        .args(["-rn", "ip", "link", "set", "lo", "up"])
        .output()
        .is_ok_and(|output| output.status.success());
    made || not_run("unshare -rn is not permitted, or ip is not installed")
}

/// Says what was not run and why; fails where everything is required.
#[track_caller]
fn not_run(why: &str) -> bool {
    let required = std::env::var_os("TEST_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "{why}");
    println!("not run: {why}");
    false
}

/// Which part a test plays when it runs again in another network.
const ROLE: &str = "EXSTREAMD_TEST_ROLE";

/// Loopback alone, carrying multicast and broadcasts.
pub const LOOPBACK: &str = "ip link set lo up multicast on
    ip route add 224.0.0.0/4 dev lo
    ip route add default dev lo";

/// Two networks, 10.77.0.0/24 and 192.168.7.0/24, between us (.2) and a namespace called `client` (.9).
pub const TWO_LANS: &str = "mount -t tmpfs none /run
    ip netns add client
    ip link set lo up
    lan() {
        ip link add $1 type veth peer name $1 netns client
        ip address add $2.2/24 brd + dev $1
        ip -n client address add $2.9/24 brd + dev $1
        ip link set $1 up
        ip -n client link set $1 up
        tries=0
        until ip -br link show $1 | grep -q ' UP ' || test $tries -gt 100; do
            tries=$((tries + 1))
            sleep 0.05
        done
    }
    lan one 10.77.0
    lan two 192.168.7
    ip route add 224.0.0.0/4 dev one
    ip -n client route add 224.0.0.0/4 dev one
    ip -n client route add default dev one";

/// Which part this run of a test plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The ordinary run: nothing is left to do, the others have done it, or cannot.
    Outside,
    /// In a network of its own.
    Inside,
    /// In the namespace `client` of that network.
    Client,
}

/// Runs the test `name` of this program once more in a network of its own, made by the commands in `setup`, and says
/// which run this is. A test begins with `match role(...)`.
#[track_caller]
pub fn role(name: &str, setup: &str) -> Role {
    match std::env::var(ROLE).as_deref() {
        Ok("inside") => return Role::Inside,
        Ok("client") => return Role::Client,
        _ => {}
    }
    if have_namespaces() {
        again(
            name,
            "inside",
            Command::new("unshare")
                .args(["-rnm", "sh", "-ec"])
                .arg(format!("{setup}\nexec \"$0\" \"$@\"")),
        );
    }
    Role::Outside
}

/// Runs the test `name` once more in the namespace `client`; returns what it printed.
#[track_caller]
pub fn as_client(name: &str) -> String {
    again(
        name,
        "client",
        Command::new("ip").args(["netns", "exec", "client"]),
    )
}

/// Runs a program in the namespace `client`; returns what it printed.
#[track_caller]
pub fn client_runs(arguments: &[&str]) -> String {
    let mut ip = Command::new("ip");
    let output = ip
        .args(["netns", "exec", "client"])
        .args(arguments)
        .output();
    let output = output.expect("ip netns exec");
    format!(
        "{}{}",
        text(&output),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[track_caller]
fn again(name: &str, role: &str, launcher: &mut Command) -> String {
    let output = launcher
        .arg(std::env::current_exe().expect("own path"))
        .args(["--exact", name, "--nocapture"])
        .env(ROLE, role)
        .output()
        .expect("launcher");
    let report = format!(
        "{}{}",
        text(&output),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "as {role}: {report}");
    // A wrong name would run nothing and succeed.
    assert!(report.contains("1 passed"), "{report}");
    report
}

/// What a program printed.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Compares `actual` with a golden file of `tests/golden`; with `TEST_BLESS=1` writes it instead.
#[track_caller]
pub fn golden(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("TEST_BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("tests/golden");
        std::fs::write(&path, actual).expect("golden file");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "differs from {} (TEST_BLESS=1 writes it anew):\n{actual}",
        path.display()
    );
}
