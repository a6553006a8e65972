//! A web server with faults, one thread per connection. Answers are made by a function of the request, so a
//! test says in one place what goes wrong; [`range`] is the sound answer.
// Each test program uses some of these; a test fails by panicking.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use exstreamd::clock::{Clock, SimClock};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Which connection it came on, and how many came on it before.
    pub(crate) connection: usize,
    pub(crate) before: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// First and last byte asked for.
    pub(crate) fn range(&self) -> (u64, u64) {
        let range = self
            .header("range")
            .unwrap()
            .strip_prefix("bytes=")
            .unwrap();
        let (first, last) = range.split_once('-').unwrap();
        (first.parse().unwrap(), last.parse().unwrap())
    }
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// HTTP/1.0, with or without a length.
    Close {
        length: bool,
    },
}

/// What is answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) framing: Framing,
    /// The connection is lost after so many bytes of the body; before the head, when negative.
    pub(crate) lost_after: Option<i64>,
    /// The connection is closed after the answer, without saying so.
    pub(crate) close: bool,
    /// Nothing more comes after so many bytes of the body, until the client goes away.
    pub(crate) hangs_after: Option<usize>,
    /// Bytes per second of this clock, since the request; the largest number is no limit.
    pub(crate) rate: Option<(SimClock, Arc<AtomicU64>)>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            framing: Framing::Length,
            lost_after: None,
            close: false,
            hangs_after: None,
            rate: None,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// The sound answer to a range request for `data`.
pub(crate) fn range(data: &[u8], request: &Request) -> Reply {
    let (first, last) = request.range();
    let size = data.len() as u64;
    if first >= size {
        return Reply::status(416).with("Content-Range", &format!("bytes */{size}"));
    }
    let last = last.min(size - 1);
    let mut reply = Reply::status(206);
    reply.body = data[first as usize..=last as usize].to_vec();
    reply.with("Content-Range", &format!("bytes {first}-{last}/{size}"))
}

type Answer = Box<dyn Fn(&Request) -> Reply + Send + Sync>;

/// The server. Dropping it ends it with all its connections.
pub(crate) struct Web {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    answer: Mutex<Arc<Answer>>,
    tls: Option<Arc<ServerConfig>>,
    requests: Mutex<Vec<Request>>,
    sent: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
    stop: AtomicBool,
    /// Nobody is let in.
    dead: AtomicBool,
    /// Requests that are held back, here and counted elsewhere.
    waiting: AtomicUsize,
    held: Mutex<Arc<AtomicUsize>>,
}

impl Web {
    pub(crate) fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", None, answer)
    }

    /// Serves one file soundly, whatever the path.
    pub(crate) fn serving(path: &Path) -> Self {
        let data = std::fs::read(path).unwrap();
        Self::new(move |request| range(&data, request))
    }

    pub(crate) fn at(
        address: &str,
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            answer: Mutex::new(Arc::new(Box::new(answer))),
            tls,
            requests: Mutex::default(),
            sent: 0.into(),
            connections: Mutex::default(),
            stop: false.into(),
            dead: false.into(),
            waiting: 0.into(),
            held: Mutex::default(),
        });
        let all = shared.clone();
        let listening = std::thread::spawn(move || listen(&listener, &all));
        Self {
            address,
            scheme,
            shared,
            listening: Some(listening),
        }
    }

    /// An address on it.
    pub(crate) fn url(&self, target: &str) -> String {
        format!("{}://{}{target}", self.scheme, self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers otherwise from now on.
    pub(crate) fn now(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap() = Arc::new(Box::new(answer));
    }

    /// Counts what is held back here.
    pub(crate) fn count_held_in(&self, held: &Arc<AtomicUsize>) {
        *self.shared.held.lock().unwrap() = held.clone();
    }

    /// Returns when nothing is held back any more, which the test has brought about.
    pub(crate) fn wait_until_released(&self) {
        while self.shared.waiting.load(SeqCst) > 0 {
            std::thread::yield_now();
        }
    }

    /// Closes every connection and lets nobody in, or everybody again.
    pub(crate) fn set_dead(&self, dead: bool) {
        self.shared.dead.store(dead, SeqCst);
        if dead {
            self.shared.close_all();
        }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many connections were used.
    pub(crate) fn connections(&self) -> usize {
        let requests = self.shared.requests.lock().unwrap();
        let all: std::collections::BTreeSet<_> = requests.iter().map(|r| r.connection).collect();
        all.len()
    }

    /// Bytes of bodies that were sent.
    pub(crate) fn sent_bytes(&self) -> usize {
        self.shared.sent.load(SeqCst)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.shared.close_all();
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
        self.listening.take().unwrap().join().unwrap();
    }
}

impl Shared {
    fn close_all(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for number in 0.. {
        let (tcp, _) = listener.accept().unwrap();
        if shared.stop.load(SeqCst) {
            break;
        }
        if shared.dead.load(SeqCst) {
            continue;
        }
        tcp.set_nodelay(true).unwrap();
        shared
            .connections
            .lock()
            .unwrap()
            .push(tcp.try_clone().unwrap());
        let shared = shared.clone();
        threads.push(std::thread::spawn(move || {
            let peer = tcp.try_clone().unwrap();
            match &shared.tls {
                Some(config) => {
                    let tls = ServerConnection::new(config.clone()).unwrap();
                    converse(&mut StreamOwned::new(tls, tcp), &peer, number, &shared);
                }
                None => converse(&mut &tcp, &peer, number, &shared),
            }
            let _ = peer.shutdown(Shutdown::Both);
        }));
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Answers what comes on one connection until either side closes it.
fn converse(stream: &mut (impl Read + Write), peer: &TcpStream, number: usize, shared: &Shared) {
    for before in 0.. {
        let Some(mut request) = read_request(stream) else {
            return;
        };
        (request.connection, request.before) = (number, before);
        shared.requests.lock().unwrap().push(request.clone());
        let answer = shared.answer.lock().unwrap().clone();
        let reply = answer(&request);
        if send(stream, peer, &reply, shared).is_none() || reply.close {
            return;
        }
    }
}

fn read_request(stream: &mut (impl Read + Write)) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() > 64 << 10 || stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
        // Somebody speaks TLS (RFC 8446 §5.1: a handshake record); servers say so in plain text.
        if head == [22] {
            stream.write_all(b"HTTP/1.1 400 X\r\n\r\n").ok()?;
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Some(Request {
        target,
        headers: headers
            .map(|(n, v)| (n.to_lowercase(), v.to_owned()))
            .collect(),
        connection: 0,
        before: 0,
    })
}

/// `None` when the connection cannot be used again.
fn send(stream: &mut impl Write, peer: &TcpStream, reply: &Reply, shared: &Shared) -> Option<()> {
    if reply.lost_after.is_some_and(|after| after < 0) {
        return None;
    }
    let version = match reply.framing {
        Framing::Close { .. } => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    let mut head = format!("{version} {} X\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let given = reply
        .headers
        .iter()
        .any(|(n, _)| n.eq_ignore_ascii_case("content-length"));
    match reply.framing {
        Framing::Chunked => head += "Transfer-Encoding: chunked\r\n",
        Framing::Length | Framing::Close { length: true } if !given => {
            head += &format!("Content-Length: {}\r\n", reply.body.len());
        }
        _ => {}
    }
    if reply.hangs_after == Some(0) {
        return hold(peer, shared);
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    let mut sent = 0;
    let began = reply.rate.as_ref().map(|(clock, _)| clock.monotonic());
    for part in reply.body.chunks(4_000) {
        let mut part = part;
        for (limit, lost) in [
            (reply.lost_after.map(|n| n as usize), true),
            (reply.hangs_after, false),
        ] {
            let Some(limit) = limit.filter(|&limit| sent + part.len() > limit) else {
                continue;
            };
            part = &part[..limit - sent];
            stream.write_all(part).ok()?;
            shared.sent.fetch_add(part.len(), SeqCst);
            return if lost { None } else { hold(peer, shared) };
        }
        if let (Some((clock, rate)), Some(began)) = (&reply.rate, began) {
            let due = || {
                let (rate, passed) = (rate.load(SeqCst), clock.monotonic() - began);
                rate == u64::MAX || passed.as_secs_f64() * rate as f64 >= sent as f64
            };
            wait_until(peer, shared, &due)?;
        }
        match reply.framing {
            Framing::Chunked => {
                stream
                    .write_all(format!("{:x}\r\n", part.len()).as_bytes())
                    .ok()?;
                stream.write_all(part).ok()?;
                stream.write_all(b"\r\n").ok()?;
            }
            _ => stream.write_all(part).ok()?,
        }
        sent += part.len();
        shared.sent.fetch_add(part.len(), SeqCst);
    }
    if reply.framing == Framing::Chunked {
        stream.write_all(b"0\r\n\r\n").ok()?;
    }
    stream.flush().ok()?;
    (!matches!(reply.framing, Framing::Close { .. })).then_some(())
}

fn hold(peer: &TcpStream, shared: &Shared) -> Option<()> {
    wait_until(peer, shared, &|| false)
}

/// Counts as held until it is due; `None` when the client has gone away.
fn wait_until(peer: &TcpStream, shared: &Shared, due: &dyn Fn() -> bool) -> Option<()> {
    if due() {
        return Some(());
    }
    let held = shared.held.lock().unwrap().clone();
    shared.waiting.fetch_add(1, SeqCst);
    held.fetch_add(1, SeqCst);
    peer.set_read_timeout(Some(Duration::from_millis(2)))
        .unwrap();
    let mut gone = false;
    while !due() && !gone && !shared.stop.load(SeqCst) {
        gone = match peer.peek(&mut [0]) {
            Ok(n) => n == 0,
            Err(e) => !matches!(
                e.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
        };
    }
    held.fetch_sub(1, SeqCst);
    shared.waiting.fetch_sub(1, SeqCst);
    let _ = peer.set_read_timeout(None);
    (!gone).then_some(())
}
