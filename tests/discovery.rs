//! Discovery as real clients see it, each test in a network of its own (`unshare -rn`) with the ports that clients know.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The lint exempts test functions, not what they call.

mod common;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::clients::{LOOPBACK, Role, TWO_LANS, as_client, client_runs, have, role, text};
use exstreamd::clock::{RealClock, SharedClock};
use exstreamd::system::identity::{DeviceAuth, DeviceId, Identity, Uuid};
use exstreamd::system::random::Jitter;
use exstreamd::tuner::{Device, ReachConfig, ServiceState, TunerUse, control, discovery, ssdp};
use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};
use tokio::runtime::Runtime;
use tokio::sync::watch;

const UUID: &str = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";

/// The discovery services of one daemon.
struct Server {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    states: Vec<watch::Receiver<ServiceState>>,
}

impl Server {
    fn start() -> Self {
        let device = Arc::new(Device {
            identity: Identity {
                device_id: DeviceId::parse("105DEAD3").unwrap(),
                uuid: Uuid::parse(UUID).unwrap(),
                device_auth: DeviceAuth::generate().unwrap(),
            },
            friendly_name: "Den".to_owned(),
            tuner_count: 2,
        });
        let clock: SharedClock = Arc::new(RealClock);
        let reach = ReachConfig {
            http_port: 8411,
            ..ReachConfig::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (stop, stopping) = watch::channel(false);
        let state = || watch::channel(ServiceState::Starting);
        let ((udp, udp_state), (tcp, tcp_state), (upnp, upnp_state)) = (state(), state(), state());
        let tuners: control::TunersNow = Arc::new(|| vec![TunerUse::default()]);
        let tasks = vec![
            runtime.spawn(discovery::run(
                clock.clone(),
                device.clone(),
                reach.clone(),
                discovery::Binding::default(),
                udp,
                stopping.clone(),
            )),
            runtime.spawn(control::run(
                clock.clone(),
                device.clone(),
                reach.clone(),
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, discovery::PORT)),
                tuners,
                tcp,
                stopping.clone(),
            )),
            runtime.spawn(ssdp::run(
                clock,
                device,
                reach,
                ssdp::Binding::default(),
                Jitter::new(7),
                upnp,
                stopping,
            )),
        ];
        let states = vec![udp_state, tcp_state, upnp_state];
        let server = Self {
            runtime,
            stop,
            tasks,
            states,
        };
        for state in &server.states {
            let mut state = state.clone();
            let ready = state.wait_for(|now| *now != ServiceState::Starting);
            let within = Duration::from_secs(10);
            server
                .runtime
                .block_on(async { tokio::time::timeout(within, ready).await.map(drop) })
                .unwrap();
        }
        server
    }

    fn states(&self) -> Vec<ServiceState> {
        self.states.iter().map(|s| s.borrow().clone()).collect()
    }

    /// Ends all services as a daemon does.
    fn stop(self) {
        self.stop.send_replace(true);
        self.runtime.block_on(async {
            for task in self.tasks {
                tokio::time::timeout(Duration::from_secs(5), task)
                    .await
                    .unwrap()
                    .unwrap();
            }
        });
    }
}

/// The 20 bytes of old libhdhomerun and Jellyfin: any kind of device, any id.
const ANY: [u8; 20] = [
    0x00, 0x02, 0x00, 0x0c, 0x01, 0x04, 0xff, 0xff, 0xff, 0xff, 0x02, 0x04, 0xff, 0xff, 0xff, 0xff,
    0x73, 0xcc, 0x7d, 0x8f,
];
/// The same of new libhdhomerun: a tuner.
const TUNER: [u8; 14] = [
    0x00, 0x02, 0x00, 0x06, 0x01, 0x04, 0x00, 0x00, 0x00, 0x01, 0x39, 0x30, 0x77, 0xe7,
];
const SEARCH: &str = "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nST: upnp:rootdevice\r\n\r\n";

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket.set_broadcast(true).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 1500];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    format!(
        "{}{}",
        text(&output),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn hdhomerun_config_finds_exactly_this_device_and_reads_its_variables() {
    let name = "hdhomerun_config_finds_exactly_this_device_and_reads_its_variables";
    if !have("hdhomerun_config") || role(name, LOOPBACK) == Role::Outside {
        return;
    }
    let server = Server::start();
    assert_eq!(server.states(), [const { ServiceState::Running }; 3]);
    let found = "hdhomerun device 105DEAD3 found at 127.0.0.1\n";
    assert_eq!(run("hdhomerun_config", &["discover"]), found);
    assert_eq!(run("hdhomerun_config", &["discover", "127.0.0.1"]), found);
    let get = |id, name| run("hdhomerun_config", &[id, "get", name]);
    assert_eq!(get("105DEAD3", "/sys/model"), "hdhomerun4_atsc\n");
    assert_eq!(
        get("105DEAD3", "/tuner0/status"),
        "ch=none lock=none ss=0 snq=0 seq=0 bps=0 pps=0\n"
    );
    assert_eq!(
        get("105DEAD3", "/nothing"),
        "ERROR: unknown getset variable\n"
    );
    // This program knows IPv4 only; newer ones ask over both.
    let client = UdpSocket::bind("[::1]:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    client.send_to(&TUNER, ("::1", discovery::PORT)).unwrap();
    let (reply, _) = receive(&client);
    assert!(String::from_utf8_lossy(&reply).contains("http://[::1]:8411"));
    // Another id is another device.
    assert!(get("10439EFD", "/sys/model").contains("unable to connect"));
    server.stop();
}

#[test]
fn hdhomerun_config_finds_us_from_another_host_on_each_network() {
    let name = "hdhomerun_config_finds_us_from_another_host_on_each_network";
    if !have("hdhomerun_config") || role(name, TWO_LANS) == Role::Outside {
        return;
    }
    let server = Server::start();
    let by_broadcast = client_runs(&["hdhomerun_config", "discover"]);
    for address in ["10.77.0.2", "192.168.7.2"] {
        let found = format!("hdhomerun device 105DEAD3 found at {address}\n");
        assert_eq!(
            client_runs(&["hdhomerun_config", "discover", address]),
            found
        );
    }
    for line in by_broadcast.lines() {
        assert!(
            line.starts_with("hdhomerun device 105DEAD3 found at "),
            "{by_broadcast}"
        );
    }
    assert!(!by_broadcast.is_empty());
    let model = client_runs(&["hdhomerun_config", "105DEAD3", "get", "/sys/model"]);
    assert_eq!(model, "hdhomerun4_atsc\n");
    server.stop();
}

#[test]
fn the_probe_of_jellyfin_finds_us_by_broadcast() {
    let name = "the_probe_of_jellyfin_finds_us_by_broadcast";
    match role(name, TWO_LANS) {
        Role::Outside => {}
        Role::Inside => {
            let server = Server::start();
            as_client(name);
            server.stop();
        }
        Role::Client => {
            let jellyfin = socket();
            jellyfin
                .send_to(&ANY, (Ipv4Addr::BROADCAST, discovery::PORT))
                .unwrap();
            let (reply, from) = receive(&jellyfin);
            assert!(reply.len() > 13 && reply[1] == 3);
            // It takes nothing else from the reply than where it came from.
            assert_eq!(from.to_string(), "10.77.0.2:65001");
        }
    }
}

#[test]
fn every_network_is_told_its_own_address() {
    let name = "every_network_is_told_its_own_address";
    match role(name, TWO_LANS) {
        Role::Outside => {}
        Role::Inside => {
            let server = Server::start();
            as_client(name);
            server.stop();
        }
        Role::Client => {
            for network in ["10.77.0", "192.168.7"] {
                let client = socket();
                client
                    .send_to(&TUNER, (format!("{network}.255"), discovery::PORT))
                    .unwrap();
                let (reply, from) = receive(&client);
                let reply = String::from_utf8_lossy(&reply).into_owned();
                assert!(
                    reply.contains(&format!("http://{network}.2:8411")),
                    "{reply}"
                );
                assert_eq!(from.to_string(), format!("{network}.2:65001"));

                client
                    .send_to(SEARCH.as_bytes(), (format!("{network}.2"), 1900))
                    .unwrap();
                let (reply, from) = receive(&client);
                let reply = String::from_utf8_lossy(&reply).into_owned();
                let location = format!("\r\nLOCATION: http://{network}.2:8411/device.xml\r\n");
                assert!(reply.contains(&location), "{reply}");
                assert_eq!(from.to_string(), format!("{network}.2:1900"));
            }
        }
    }
}

/// What goes to the SSDP group on all networks of this namespace.
fn group_listener() -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, ssdp::GROUP.port()));
    socket.bind(&any.into()).unwrap();
    let IpAddr::V4(group) = ssdp::GROUP.ip() else {
        panic!("not IPv4");
    };
    for interface in exstreamd::system::interfaces::interfaces().unwrap() {
        if interface.address.is_ipv4() {
            let index = InterfaceIndexOrAddress::Index(interface.index);
            socket.join_multicast_v4_n(&group, &index).unwrap();
        }
    }
    let socket = UdpSocket::from(socket);
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket
}

#[test]
fn we_announce_ourselves_and_say_goodbye_on_every_network() {
    let name = "we_announce_ourselves_and_say_goodbye_on_every_network";
    match role(name, TWO_LANS) {
        Role::Outside => {}
        Role::Inside => {
            let folder = tempfile::tempdir_in("/run").unwrap();
            let told = folder.path().join("told");
            let client = std::thread::spawn({
                let told = told.clone();
                move || client_hears(name, &told)
            });
            // The client starts to listen at a time of its own; we announce until it has heard us.
            while !told.exists() && !client.is_finished() {
                let server = Server::start();
                for _ in 0..40 {
                    if told.exists() || client.is_finished() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
                server.stop();
            }
            client.join().unwrap();
        }
        Role::Client => {
            let told = std::env::var_os("EXSTREAMD_TEST_TOLD").unwrap();
            let listener = group_listener();
            let mut heard: BTreeSet<(String, String, String)> = BTreeSet::new();
            while heard.len() < 2 * 3 * 2 {
                let (message, from) = receive(&listener);
                let message = String::from_utf8(message).unwrap();
                let field = |name: &str| {
                    let line = message.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().to_owned()
                };
                let (kind, usn) = (field("NTS: "), field("USN: "));
                let location = field("LOCATION: ");
                let expected = match kind.as_str() {
                    "ssdp:alive" => format!("http://{}:8411/device.xml", from.ip()),
                    _ => String::new(),
                };
                assert_eq!(location, expected, "{message}");
                heard.insert((from.ip().to_string(), kind, usn));
                let alive = heard.iter().filter(|h| h.1 == "ssdp:alive").count();
                if alive == 2 * 3 {
                    std::fs::write(&told, "").unwrap();
                }
            }
        }
    }
}

/// The client's part of the test above, which tells us by a file that it has heard everything of one kind.
fn client_hears(name: &str, told: &std::path::Path) {
    let output = Command::new("ip")
        .args(["netns", "exec", "client"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("EXSTREAMD_TEST_ROLE", "client")
        .env("EXSTREAMD_TEST_TOLD", told)
        .output()
        .unwrap();
    let report = format!(
        "{}{}",
        text(&output),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(report.contains("1 passed"), "{report}");
}

#[test]
fn gssdp_discover_sees_the_three_facets() {
    let name = "gssdp_discover_sees_the_three_facets";
    if !have("gssdp-discover") || role(name, TWO_LANS) == Role::Outside {
        return;
    }
    let server = Server::start();
    let seen = client_runs(&["gssdp-discover", "-i", "two", "--timeout=4"]);
    for facet in [
        format!("uuid:{UUID}::upnp:rootdevice"),
        format!("uuid:{UUID}\n"),
        format!("uuid:{UUID}::urn:schemas-upnp-org:device:MediaServer:1"),
    ] {
        assert!(seen.contains(&facet), "{facet} in {seen}");
    }
    let location = "http://192.168.7.2:8411/device.xml";
    assert_eq!(seen.matches(location).count(), 3, "{seen}");
    let others = ["-t", "urn:schemas-upnp-org:device:MediaRenderer:1"];
    let arguments = ["gssdp-discover", "-i", "two", "--timeout=3"];
    let seen = client_runs(&[&arguments[..], &others[..]].concat());
    assert!(!seen.contains("USN"), "{seen}");
    server.stop();
}

#[test]
fn a_taken_port_is_named_and_costs_only_its_own_service() {
    let name = "a_taken_port_is_named_and_costs_only_its_own_service";
    if role(name, LOOPBACK) == Role::Outside {
        return;
    }
    let _emulator = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, discovery::PORT)).unwrap();
    let _dlna = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 1900)).unwrap();
    let server = Server::start();
    let states = server.states();
    let us = format!("(process {})", std::process::id());
    for (at, port) in [(0, "65001"), (2, "1900")] {
        match &states[at] {
            ServiceState::Unavailable(reason) => {
                assert!(reason.contains(&us) && reason.contains(port), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(states[1], ServiceState::Running);
    server.stop();
}

#[test]
fn a_flood_of_requests_is_limited_and_others_still_get_answers() {
    let name = "a_flood_of_requests_is_limited_and_others_still_get_answers";
    match role(name, TWO_LANS) {
        Role::Outside => {}
        Role::Inside => {
            let server = Server::start();
            as_client(name);
            server.stop();
        }
        Role::Client => {
            let flood = socket();
            for _ in 0..150 {
                flood
                    .send_to(&TUNER, ("10.77.0.2", discovery::PORT))
                    .unwrap();
            }
            let other = socket();
            other
                .send_to(&TUNER, ("192.168.7.2", discovery::PORT))
                .unwrap();
            // Requests are answered in turn: this reply says that the flood is over.
            receive(&other);
            flood.set_nonblocking(true).unwrap();
            let mut buffer = [0; 1500];
            let answered = std::iter::from_fn(|| flood.recv_from(&mut buffer).ok()).count();
            assert!((1..=30).contains(&answered), "{answered}");
        }
    }
}
