//! The real program in a directory of its own, and a plain HTTP client.
// A helper fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// How long anything here may take: a machine under load is slow, a hang is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// A data directory with the environment for the program.
pub struct Instance {
    dir: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Instance {
    /// An empty one: any free port, nothing announced.
    pub fn new() -> Self {
        let mut instance = Self {
            dir: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        };
        for (name, value) in [
            ("EXSTREAMD_HTTP_PORT", "0"),
            ("EXSTREAMD_HTTP_EXTRA_PORTS", ""),
            ("EXSTREAMD_DISCOVERY_SSDP", "off"),
            ("EXSTREAMD_DISCOVERY_HDHOMERUN", "off"),
            ("TZ", "UTC"),
        ] {
            instance.set(name, value);
        }
        instance
    }

    /// Sets a variable of the program's environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A directory for media.
    pub fn media(&self) -> PathBuf {
        let media = self.dir.path().join("media");
        std::fs::create_dir_all(&media).unwrap();
        media
    }

    /// Puts a sample into the media directory under another name.
    pub fn add_media(&self, sample: &str, name: &str) -> PathBuf {
        let target = self.media().join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(super::media::sample(sample), &target).unwrap();
        target
    }

    /// The program with some arguments, in this directory and no other environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_exstreamd"));
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("EXSTREAMD_DATA", self.data())
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs the program, which must succeed, and reads its JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.command(args).arg("--json").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts the daemon and waits until it answers.
    pub fn serve(&self) -> Daemon {
        self.serve_by(&mut self.command(&["serve"]))
    }

    /// As [`Instance::serve`], by this command.
    pub fn serve_by(&self, command: &mut Command) -> Daemon {
        let log = std::fs::File::create(self.dir.path().join("log")).unwrap();
        let child = command.stderr(log).stdout(Stdio::null()).spawn().unwrap();
        let mut daemon = Daemon {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: self.dir.path().join("log"),
        };
        let socket = self.data().join("run/exstreamd.sock");
        let port = wait_for(|| {
            assert!(
                daemon.child.try_wait().unwrap().is_none(),
                "the daemon ended: {}",
                daemon.log()
            );
            let status = ask_socket(&socket, "GET", "/api/v1/status", "")?;
            status.json().get("port")?.as_u64()
        });
        daemon.address.set_port(u16::try_from(port).unwrap());
        daemon
    }
}

/// Tries until something comes of it.
pub fn wait_for<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let pause = Duration::from_millis(20);
    for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
        if let Some(found) = attempt() {
            return found;
        }
        std::thread::sleep(pause);
    }
    panic!("nothing came within {PATIENCE:?}");
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Daemon {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks over the network.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// Asks over the network with any method and further headers (each with CR LF at its end).
    pub fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = self.open(method, path, headers);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes)
    }

    /// Sends a request and leaves the answer to the caller.
    pub fn open(&self, method: &str, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Sends a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// The finding on `/health` whose key begins so.
    pub fn finding(&self, key: &str) -> Option<Value> {
        let health = self.get("/health").json();
        let findings = health["findings"].as_array().unwrap();
        let begins = |f: &&Value| f["key"].as_str().unwrap().starts_with(key);
        findings.iter().find(begins).cloned()
    }

    /// The last failure on air that the status shows for a channel.
    pub fn last_failure(&self, number: &str) -> Option<String> {
        let status = self.get("/api/v1/status").json();
        let on_air = status["on_air"].as_array().unwrap();
        let channel = on_air.iter().find(|c| c["channel"] == number)?;
        channel["last_failure"].as_str().map(str::to_owned)
    }

    /// What a tuned channel gives in `seconds`.
    pub fn tune(&self, number: &str, seconds: u32) -> Vec<u8> {
        let answer = self.get(&format!("/auto/v{number}?duration={seconds}"));
        assert_eq!(answer.status(), 200, "channel {number}");
        answer.body
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for(|| self.child.try_wait().unwrap())
    }

    /// Asks it to stop and waits for the end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.wait()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks on a control socket; `None` when nobody listens there.
pub fn ask_socket(socket: &Path, method: &str, path: &str, body: &str) -> Option<Answer> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    Some(Answer::parse(&bytes))
}

/// An HTTP answer, as it stood on the wire.
#[derive(Debug)]
pub struct Answer {
    /// "HTTP/1.1 200 OK".
    pub status_line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// What followed, without the chunks' frames.
    pub body: Vec<u8>,
}

impl Answer {
    /// Takes an answer apart.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no header: {bytes:?}"));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status_line = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap_or((line, "")))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self {
            status_line,
            headers,
            body: bytes[end + 4..].to_vec(),
        };
        if answer.header("transfer-encoding") == Some("chunked") && !answer.body.is_empty() {
            answer.body = unchunked(&answer.body);
        }
        answer
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_default()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// RFC 9112 §7.1. A body that breaks off is a failure.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = bytes
            .windows(2)
            .position(|w| w == b"\r\n")
            .expect("a chunk has a size");
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
}

/// Everything that a program said.
pub fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat()
}
