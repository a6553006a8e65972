//! Starting and stopping the real daemon.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use common::clients::have;
use common::daemon::{Instance, said, wait_for};
use nix::sys::signal::Signal;

#[test]
fn a_port_in_use_is_69_and_names_the_holder() {
    let mut instance = Instance::new();
    let taken = TcpListener::bind("[::]:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    instance.set("EXSTREAMD_HTTP_PORT", &port);
    let output = instance.run(&["serve"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains(&port), "{said}");
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert!(
        said.contains(own.trim()),
        "the holder is this test, {own}: {said}"
    );
    let check = instance.run(&["check"]);
    assert_eq!(
        check.status.code(),
        Some(69),
        "{}",
        common::daemon::said(&check)
    );
}

#[test]
fn a_second_daemon_on_the_same_data_is_69() {
    let instance = Instance::new();
    let daemon = instance.serve();
    let output = instance.run(&["serve"]);
    assert_eq!(output.status.code(), Some(69), "{}", said(&output));
    assert_eq!(daemon.get("/health").status(), 200, "the first goes on");
}

#[test]
fn a_taken_extra_port_is_a_finding_and_mended_by_itself_or_not_at_all() {
    let mut instance = Instance::new();
    let taken = TcpListener::bind("[::]:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    instance.set("EXSTREAMD_HTTP_EXTRA_PORTS", &port);
    let daemon = instance.serve();
    let findings = wait_for(|| {
        let health = daemon.get("/health").json();
        let findings = health["findings"].as_array().unwrap().clone();
        findings
            .iter()
            .any(|finding| finding["key"] == format!("port.{port}"))
            .then_some(findings)
    });
    assert!(
        findings
            .iter()
            .any(|finding| finding["message"].as_str().unwrap().contains(&port))
    );
}

#[test]
fn a_channel_of_a_fixed_rate_has_it_on_the_wire_to_the_tick() {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "Film.mp4");
    let media = instance.media();
    instance.json(&["setup", media.to_str().unwrap(), "--yes"]);
    for refused in ["5", "3000000", "fast"] {
        let output = instance.run(&["channel", "set", "1", "--mux-rate", refused]);
        assert!(!output.status.success(), "{refused}");
        assert!(said(&output).contains(refused), "{}", said(&output));
    }
    let waits = instance.json(&["channel", "set", "1", "--progress", "on-demand"]);
    assert_eq!(waits["progress"], "on-demand");
    let set = instance.json(&["channel", "set", "1", "--mux-rate", "3000"]);
    assert_eq!(set["progress"], "on-demand");
    assert_eq!(set["mux_rate_kbit"], 3000);
    let shown = instance.run(&["channel", "show", "1"]);
    assert!(said(&shown).contains("3000 kbit/s"), "{}", said(&shown));
    let daemon = instance.serve();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream.ts");
    std::fs::write(&path, daemon.tune("1", 6)).unwrap();
    let report = common::ts::check(&path, &["--strict", "--pcr-ms", "40", "--cbr"]);
    if !report.is_null() {
        assert_eq!(report["pcr"]["cbr"], true, "{:#}", report["pcr"]);
        let off = &report["pcr"]["accuracy_vs_cbr_ns"];
        let off = ["min", "max"].map(|end| off[end].as_f64().unwrap());
        assert!(off.iter().all(|off| off.abs() <= 40.0), "{off:?} ns");
    }
    let metrics = daemon.get("/metrics");
    let metrics = metrics.text();
    let line = "exstreamd_packets_over_mux_rate{channel=\"1\"} 0";
    assert!(metrics.contains(line), "{metrics}");
    let none = instance.json(&["channel", "set", "1", "--mux-rate", "0"]);
    assert!(none["mux_rate_kbit"].is_null());
}

#[test]
fn sigterm_ends_streams_on_a_packet_and_the_daemon_in_time_with_0() {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "Film.mp4");
    instance.json(&["setup", instance.media().to_str().unwrap(), "--yes"]);
    let mut daemon = instance.serve();
    let mut streams: Vec<_> = (0..3).map(|_| daemon.open("GET", "/auto/v1", "")).collect();
    let mut head = vec![Vec::new(); 3];
    for (stream, got) in streams.iter_mut().zip(&mut head) {
        got.resize(65_536, 0);
        stream.read_exact(got).unwrap();
    }
    let readers: Vec<_> = streams
        .into_iter()
        .zip(head)
        .map(|(mut stream, mut got)| {
            std::thread::spawn(move || {
                stream.read_to_end(&mut got).unwrap();
                let body = got.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
                got.len() - body
            })
        })
        .collect();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    for reader in readers {
        assert_eq!(reader.join().unwrap() % 188, 0);
    }
    assert!(
        daemon.log().contains("stopped"),
        "in order, not cut short: {}",
        daemon.log()
    );
}

#[test]
fn a_daemon_that_is_killed_goes_on_where_the_clock_is() {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "One.mp4");
    instance.add_media("h264_b0_25.mp4", "Two.mp4");
    instance.json(&["setup", instance.media().to_str().unwrap(), "--yes"]);
    let guide = |instance: &Instance| {
        instance.json(&["guide", "1", "--hours", "2"])[0]["programmes"].clone()
    };
    let mut daemon = instance.serve();
    let device = daemon.get("/discover.json").json()["DeviceID"].clone();
    let before = guide(&instance);
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    let daemon = instance.serve();
    let after = guide(&instance);
    let last = |guide: &serde_json::Value| {
        guide
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .nth(5)
            .unwrap()
            .clone()
    };
    assert!(
        before.as_array().unwrap().contains(&last(&after))
            || after.as_array().unwrap().contains(&last(&before))
    );
    assert_eq!(
        daemon.get("/discover.json").json()["DeviceID"],
        device,
        "clients know it again"
    );
    assert_eq!(daemon.get("/auto/v1?duration=1").status(), 200);
}

#[test]
fn the_control_socket_is_closed_to_strangers() {
    let instance = Instance::new();
    let daemon = instance.serve();
    let socket = instance.data().join("run/exstreamd.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    if !nix::unistd::geteuid().is_root() || !have("setpriv") {
        return; // Only root can become a stranger.
    }
    // Even where the file lets a stranger in, the daemon asks the kernel who it is.
    for path in [
        socket.clone(),
        instance.data().join("run"),
        instance.data(),
        instance.data().parent().unwrap().into(),
    ] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let curl =
        "curl -s -o /dev/null -w %{http_code} --unix-socket \"$0\" http://localhost/api/v1/status";
    let as_stranger = Command::new("setpriv")
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "sh",
            "-c",
            curl,
        ])
        .arg(&socket)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&as_stranger.stdout),
        "000",
        "no answer at all"
    );
    let log = wait_for(|| Some(daemon.log()).filter(|log| log.contains("refused")));
    assert!(log.contains("65534"), "{log}");
}

#[test]
fn the_service_manager_hears_ready_watchdog_and_stopping() {
    let mut instance = Instance::new();
    let notify = instance.media().join("notify.sock");
    let manager = std::os::unix::net::UnixDatagram::bind(&notify).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    instance.set("NOTIFY_SOCKET", notify.to_str().unwrap());
    instance.set("WATCHDOG_USEC", "1000000");
    let mut daemon = instance.serve();
    let heard_until = |word: &str| {
        let mut heard = String::new();
        while !heard.contains(word) {
            let mut message = [0; 4096];
            let n = manager
                .recv(&mut message)
                .unwrap_or_else(|e| panic!("{word} did not come ({e}): {heard}"));
            heard.push_str(&String::from_utf8_lossy(&message[..n]));
            heard.push('\n');
        }
        heard
    };
    let heard = heard_until("READY=1");
    assert!(heard.contains("STATUS=0 channels on port"), "{heard}");
    heard_until("WATCHDOG=1");
    daemon.signal(Signal::SIGTERM);
    heard_until("STOPPING=1");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_mirror_is_added_shown_and_refused_with_words() {
    let instance = Instance::new();
    instance.add_media("h264_b2_25.mp4", "Film.mp4");
    let media = instance.media();
    instance.json(&["setup", media.to_str().unwrap(), "--yes"]);
    let add = ["channel", "add", "--number", "2", "--mirror"];
    let mirror = instance.json(&[&add[..], &["1", "--offset", "1h"]].concat());
    assert_eq!(mirror["mirror"]["of"], "1");
    assert_eq!(mirror["mirror"]["offset_ms"], 3_600_000);
    assert!(mirror["name"].as_str().unwrap().ends_with(" +1"));
    let list = said(&instance.run(&["channel", "list"]));
    assert!(list.contains("channel 1 +60 min"), "{list}");
    for (args, expected) in [
        (
            &["add", "--mirror", "2"][..],
            "itself a mirror of channel 1",
        ),
        (&["add", "--mirror", "9"], "no channel 9"),
        (
            &["add", "--mirror", "1", "--offset", "25h"],
            "at most a day",
        ),
        (&["add", "--mirror", "1", "--offset", "soon"], "is no time"),
        (&["add", "--mirror", "1", "--everything"], "leave out"),
        (&["add", "--offset", "1h"], "only a mirror has an offset"),
        (&["set", "2", "--offset", "2h"], "when it is added"),
        (&["set", "2", "--order", "random"], "change that one"),
        (&["set", "2", "--progress", "on-demand"], "cannot wait"),
        (&["set", "1", "--progress", "on-demand"], "mirrored by 2"),
        (&["remove", "1"], "mirrored by 2"),
    ] {
        let output = instance.run(&[&["channel"], args].concat());
        assert!(!output.status.success(), "{args:?}");
        assert!(
            said(&output).contains(expected),
            "{args:?}: {}",
            said(&output)
        );
    }
    assert_eq!(
        instance
            .json(&["channel", "list"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    instance.json(&["channel", "remove", "2"]);
    instance.json(&["channel", "remove", "1"]);
}
