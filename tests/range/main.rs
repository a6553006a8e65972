//! Files read over HTTP from a server of our own that does what servers do when they fail.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod addresses;
mod command;
#[path = "../common/mod.rs"]
mod common;
mod secrets;

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::media::sample;
use common::web::{Framing, Reply, Request, Web, range};
use exstreamd::channel::remux;
use exstreamd::clock::{Clock, Sleep, UtcMs};
use exstreamd::config::Timeouts;
use exstreamd::error::{Error, ErrorKind, Result};
use exstreamd::library::Location;
use exstreamd::library::range::{Client, RangeSource, Url};
use exstreamd::media::ReadAt;
use tokio::sync::watch;

/// Waits of a few seconds, between attempts, are over at once and noted. All others, shorter and longer, are for
/// a server and over as soon as it holds something back, and never before.
#[derive(Clone, Default)]
struct TestClock {
    waits: Arc<Mutex<Vec<Duration>>>,
    held: Arc<AtomicUsize>,
}

impl Clock for TestClock {
    fn utc(&self) -> UtcMs {
        UtcMs(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        if (Duration::from_millis(700)..Timeouts::default().other).contains(&duration) {
            self.waits.lock().unwrap().push(duration);
            return Box::pin(ready(()));
        }
        let held = self.held.clone();
        Box::pin(async move {
            // What was sent before that is taken first.
            let mut turns = 0;
            while turns < 1_000 {
                tokio::task::yield_now().await;
                turns = if held.load(SeqCst) == 0 { 0 } else { turns + 1 };
            }
        })
    }
}

/// Reads from `web` with a clock of its own.
struct Reading {
    client: Client,
    clock: TestClock,
}

impl Reading {
    fn from(web: &Web) -> Self {
        let clock = TestClock::default();
        web.count_held_in(&clock.held);
        let timeouts = Timeouts {
            local: Timeouts::default().other,
            ..Timeouts::default()
        };
        Self {
            client: Client::new(Arc::new(clock.clone()), timeouts),
            clock,
        }
    }

    fn url(&self, text: &str) -> Url {
        self.client.url(text).unwrap()
    }

    fn waits(&self) -> Vec<Duration> {
        self.clock.waits.lock().unwrap().clone()
    }
}

fn open(web: &Web) -> Result<RangeSource> {
    Reading::from(web).url(&web.url("/film.mp4")).open(None)
}

fn data(bytes: usize) -> Arc<Vec<u8>> {
    Arc::new((0..bytes).map(|n| (n * 7 + n / 251) as u8).collect())
}

/// All of it, in reads of `step` bytes.
fn read_all(source: &dyn ReadAt, step: usize) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = vec![0; step];
    loop {
        match source.read_at(all.len() as u64, &mut buffer)? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
}

#[track_caller]
fn fails<T>(result: Result<T>, kind: ErrorKind, words: &str) -> Error {
    let Err(error) = result else {
        panic!("it succeeds instead of saying {words}");
    };
    let said = format!("{error:#}");
    assert_eq!(error.kind(), kind, "{said}");
    assert!(said.contains(words), "{said}");
    error
}

/// How many bytes were asked for more than once.
fn asked_twice(requests: &[Request]) -> u64 {
    let mut ranges: Vec<_> = requests.iter().map(Request::range).collect();
    ranges.sort_unstable();
    let mut end = 0;
    let mut twice = 0;
    for (first, last) in ranges {
        twice += end.min(last + 1).saturating_sub(first);
        end = end.max(last + 1);
    }
    twice
}

#[test]
fn a_remote_file_becomes_the_same_stream_as_the_file_itself_in_few_requests() {
    for name in [
        "h264_b0_25.mp4", // its tables are at the end
        "h264_b2_25.mp4", // and here in front
        "h264_b2_25.mov",
        "h264_late_audio.mp4", // streams that lie apart
        "h264_b2_25.mkv",
        "h264_live.mkv",
        "h264_aac.ts",
    ] {
        let path = sample(name);
        let (mut from_file, mut from_url) = (Vec::new(), Vec::new());
        let expected = remux::run(std::slice::from_ref(&path), &mut from_file).unwrap();
        let web = Web::serving(&path);
        let url = Reading::from(&web).url(&web.url("/film"));
        let done = remux::run(&[Location::Url(url)], &mut from_url).unwrap();
        assert_eq!(done, expected, "{name}");
        assert!(from_file == from_url, "{name}: other bytes");
        let requests = web.requests();
        let size = std::fs::metadata(&path).unwrap().len();
        assert!(requests.len() <= 12, "{name}: {} requests", requests.len());
        assert_eq!(asked_twice(&requests), 0, "{name}");
        assert!(web.sent_bytes() as u64 <= size, "{name}");
        assert_eq!(web.connections(), 1, "{name}: the connection is kept");
    }
}

#[test]
fn every_request_is_for_plain_bytes_of_one_version() {
    let data = data(3 << 20);
    let web = Web::new(move |request| range(&data, request).with("ETag", "\"v1\""));
    read_all(&open(&web).unwrap(), 10_000).unwrap();
    for (n, request) in web.requests().iter().enumerate() {
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert_eq!(request.header("if-range"), (n > 0).then_some("\"v1\""));
        assert_eq!(
            request.header("host"),
            Some(format!("127.0.0.1:{}", web.port()).as_str())
        );
        assert!(
            request
                .header("user-agent")
                .unwrap()
                .starts_with("exstreamd/")
        );
        assert_eq!(request.header("authorization"), None);
    }
}

#[test]
fn tables_at_the_end_of_a_large_file_are_fetched_once() {
    let path = common::media::made(
        "range_long.mp4",
        "25",
        48_000,
        600,
        "-c:v libx264 -preset ultrafast -bf 2 -g 50 -c:a aac -ac 2",
    );
    let web = Web::serving(&path);
    let url = Reading::from(&web).url(&web.url("/film.mp4"));
    let size = std::fs::metadata(&path).unwrap().len();
    remux::run(&[Location::Url(url)], &mut std::io::sink()).unwrap();
    let requests = web.requests();
    assert_eq!(asked_twice(&requests), 0);
    assert_eq!(
        requests[1].range().1,
        size - 1,
        "behind the head the tables at the end"
    );
    let most = 12 + size / (1 << 20);
    assert!(
        (requests.len() as u64) < most,
        "{} requests",
        requests.len()
    );
}

#[test]
fn a_connection_that_is_lost_again_and_again_costs_no_byte_twice() {
    let data = data(3 << 20);
    for every in [20_000, 100_000, 999_999] {
        let served = data.clone();
        let web = Web::new(move |request| {
            let mut reply = range(&served, request);
            reply.lost_after = Some(every);
            reply
        });
        let reading = Reading::from(&web);
        let source = reading.url(&web.url("/f")).open(None).unwrap();
        assert!(read_all(&source, 30_000).unwrap() == *data);
        assert_eq!(
            web.sent_bytes(),
            data.len(),
            "each begins at the byte that was lost"
        );
        assert!(reading.waits().is_empty(), "something came each time");
    }
}

#[test]
fn a_connection_that_an_idle_server_closed_is_made_anew_without_a_word() {
    let data = data(2 << 20);
    let served = data.clone();
    let web = Web::new(move |request| {
        let mut reply = range(&served, request);
        reply.close = true;
        reply
    });
    let reading = Reading::from(&web);
    let source = reading.url(&web.url("/f")).open(None).unwrap();
    assert!(read_all(&source, 30_000).unwrap() == *data);
    assert_eq!(web.connections(), web.requests().len());
    assert!(reading.waits().is_empty());
}

#[test]
fn bodies_may_be_framed_in_any_way() {
    let data = data(3 << 20);
    for (framing, kept) in [
        (Framing::Length, true),
        (Framing::Chunked, true),
        (Framing::Close { length: true }, false),
        (Framing::Close { length: false }, false),
    ] {
        let served = data.clone();
        let web = Web::new(move |request| {
            let mut reply = range(&served, request);
            reply.framing = framing;
            reply
        });
        let source = open(&web).unwrap();
        assert!(read_all(&source, 30_000).unwrap() == *data, "{framing:?}");
        let requests = web.requests().len();
        assert!(requests <= 8, "{framing:?}: {requests}");
        if framing == Framing::Length || !kept {
            let connections = if kept { 1 } else { requests };
            assert_eq!(web.connections(), connections, "{framing:?}");
        }
    }
}

#[test]
fn a_server_that_cannot_answer_now_is_asked_again_after_growing_waits_of_at_most_three_seconds() {
    let data = data(1 << 20);
    for status in [408, 429, 500, 502, 503, 504] {
        let served = data.clone();
        let failures = Arc::new(AtomicUsize::new(0));
        let left = failures.clone();
        let take = move || {
            left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1))
                .is_ok()
        };
        let web = Web::new(move |request| match take() {
            true => Reply::status(status),
            false => range(&served, request),
        });
        let reading = Reading::from(&web);
        let source = reading.url(&web.url("/f")).open(None).unwrap();
        failures.store(4, SeqCst);
        assert!(read_all(&source, 30_000).unwrap() == *data);
        let waits = reading.waits();
        assert_eq!(waits.len(), 3, "the first attempt is made at once");
        assert!(
            waits.is_sorted() && waits[2] <= Duration::from_secs(3),
            "{waits:?}"
        );
        failures.store(usize::MAX, SeqCst);
        let source = reading.url(&web.url("/f")).open(None);
        fails(source, ErrorKind::Unavailable, &status.to_string());
    }
}

#[test]
fn a_server_that_is_not_there_is_said_at_once_and_where() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let client = Client::new(Arc::new(Endless), Timeouts::default());
    let url = client
        .url(&format!("http://127.0.0.1:{port}/f.mp4"))
        .unwrap();
    let error = fails(
        url.open(None),
        ErrorKind::Unavailable,
        "is the server there?",
    );
    let said = format!("{error:#}");
    assert!(
        said.contains(&format!("127.0.0.1:{port}")) && said.contains("refused"),
        "{said}"
    );
}

#[test]
fn a_server_that_hangs_at_any_point_is_a_timeout() {
    let data = data(1 << 20);
    for at in [0, 1, 300_000] {
        let served = data.clone();
        let web = Web::new(move |request| {
            let mut reply = range(&served, request);
            let (first, last) = request.range();
            reply.hangs_after = (first..=last)
                .contains(&at)
                .then_some(at.wrapping_sub(first) as usize);
            reply
        });
        let all = open(&web).and_then(|source| read_all(&source, 100_000));
        fails(all, ErrorKind::Timeout, "sent nothing for 30 s");
    }
}

#[test]
fn what_is_there_is_given_out_while_the_server_takes_its_time_with_what_comes_next() {
    let data = data(1 << 20);
    let served = data.clone();
    let web = Web::new(move |request| {
        let mut reply = range(&served, request);
        let left = 95_536_u64.saturating_sub(request.range().0);
        reply.hangs_after = (65_536..500_000)
            .contains(&request.range().0)
            .then_some(left as usize);
        reply
    });
    let source = open(&web).unwrap();
    let mut buffer = vec![0; 10_000];
    for at in [65_536, 75_536, 85_536] {
        assert_eq!(source.read_at(at, &mut buffer).unwrap(), 10_000);
        assert!(buffer == data[at as usize..at as usize + 10_000]);
    }
    assert_eq!(web.requests().len(), 2);
    fails(
        source.read_at(95_536, &mut buffer),
        ErrorKind::Timeout,
        "sent nothing",
    );
    assert_eq!(
        source.read_at(85_000, &mut buffer).unwrap(),
        10_000,
        "what came is kept"
    );
    // Elsewhere it goes on, on another connection, as soon as the server has noticed that this one is gone.
    assert!((0..10_000).any(|_| source.read_at(500_000, &mut buffer).is_ok()));
    assert!(buffer == data[500_000..510_000]);
}

#[test]
fn a_read_ends_at_once_when_nobody_wants_it_any_more() {
    let data = data(1 << 20);
    let web = Web::new(move |request| {
        let mut reply = range(&data, request);
        reply.hangs_after = (request.range().0 > 0).then_some(0);
        reply
    });
    // This clock never loses patience.
    let held = Arc::new(AtomicUsize::new(0));
    let timeouts = Timeouts {
        local: Duration::from_secs(600),
        ..Timeouts::default()
    };
    let client = Client::new(Arc::new(Endless), timeouts);
    web.count_held_in(&held);
    let (interest, wanted) = watch::channel(());
    let source = client
        .url(&web.url("/f"))
        .unwrap()
        .open(Some(wanted))
        .unwrap();
    let reading = std::thread::spawn(move || source.read_at(500_000, &mut [0; 10]));
    while held.load(SeqCst) == 0 {
        std::thread::yield_now();
    }
    drop(interest);
    let error = reading.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("given up"), "{error}");
}

struct Endless;

impl Clock for Endless {
    fn utc(&self) -> UtcMs {
        UtcMs(0)
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(pending())
    }
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_fails_with_a_clear_word() {
    let data = data(2 << 20);
    type Change = fn(Reply, &Request, &[u8]) -> Reply;
    let changes: [(&str, Change); 5] = [
        ("its ETag", |reply, _, _| reply.with("ETag", "\"v2\"")),
        ("its Last-Modified", |mut reply, _, _| {
            reply.headers.retain(|(name, _)| name != "ETag");
            reply.with("Last-Modified", "Tue, 02 Jan 2024 00:00:00 GMT")
        }),
        ("its length", |_, request, data| {
            range(&data[..data.len() - 1], request)
        }),
        // What a server does that understands If-Range.
        ("its ETag", |_, request, data| {
            let mut reply = Reply::status(200);
            assert_eq!(request.header("if-range"), Some("\"v1\""));
            reply.body = data.to_vec();
            reply.with("ETag", "\"v2\"")
        }),
        ("its length", |_, _, _| {
            Reply::status(416).with("Content-Range", "bytes */1000")
        }),
    ];
    for (what, change) in changes {
        let served = data.clone();
        let web = Web::new(move |request| {
            let reply = range(&served, request)
                .with("ETag", "\"v1\"")
                .with("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT");
            match request.range().0 {
                0 => reply,
                _ => change(reply, request, &served),
            }
        });
        let all = read_all(&open(&web).unwrap(), 30_000);
        let error = fails(all, ErrorKind::Damaged, "replaced while it was read");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn what_a_server_sends_that_was_not_asked_for_is_refused_by_name() {
    let data = data(1 << 20);
    type Wrong = fn(Reply, &[u8]) -> Reply;
    let wrongs: [(&str, Wrong); 6] = [
        ("answers no range requests", |_, data| {
            let mut reply = Reply::status(200);
            reply.body = data.to_vec();
            reply
        }),
        ("(gzip)", |reply, _| reply.with("Content-Encoding", "gzip")),
        ("sends 5 to 9", |reply, _| {
            reply.with("Content-Range", "bytes 5-9/1048576")
        }),
        ("no Content-Range", |mut reply, _| {
            reply.headers.clear();
            reply
        }),
        ("0-65535/*", |reply, _| {
            reply.with("Content-Range", "bytes 0-65535/*")
        }),
        ("status 418", |_, _| Reply::status(418)),
    ];
    for (words, wrong) in wrongs {
        let served = data.clone();
        let web = Web::new(move |request| wrong(range(&served, request), &served));
        fails(open(&web), ErrorKind::Unsupported, words);
        assert_eq!(web.requests().len(), 1, "{words}: it is not asked again");
    }
}

#[test]
fn a_server_that_sends_a_few_bytes_at_a_time_is_not_asked_for_ever() {
    let data = data(1 << 20);
    let web = Web::new(move |request| {
        let (first, _) = request.range();
        let mut reply = Reply::status(206);
        reply.body = data[first as usize..first as usize + 10].to_vec();
        let size = data.len();
        reply.with(
            "Content-Range",
            &format!("bytes {first}-{}/{size}", first + 9),
        )
    });
    let all = open(&web).and_then(|source| read_all(&source, 1_000));
    fails(all, ErrorKind::Unsupported, "10 bytes at a time");
    assert_eq!(
        web.requests().len(),
        6,
        "one when it was opened, and five attempts"
    );
}

#[test]
fn an_empty_file_is_empty() {
    let web = Web::new(|request| range(&[], request));
    let source = open(&web).unwrap();
    assert_eq!(
        (source.size_bytes(), source.read_at(0, &mut [0; 9]).unwrap()),
        (0, 0)
    );
}

#[test]
fn a_server_on_an_ipv6_address_is_read() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("not run: there is no IPv6 here");
        return;
    }
    let data = data(200_000);
    let served = data.clone();
    let web = Web::at("[::1]:0", None, move |request| range(&served, request));
    assert!(web.url("/f").starts_with("http://[::1]:"));
    assert!(read_all(&open(&web).unwrap(), 50_000).unwrap() == *data);
    let host = web.requests()[0].header("host").unwrap().to_owned();
    assert_eq!(host, format!("[::1]:{}", web.port()));
}

#[tokio::test]
async fn a_source_may_be_dropped_where_nothing_may_block() {
    let web = Web::serving(&sample("h264_aac.ts"));
    let url = Reading::from(&web).url(&web.url("/f"));
    let source = std::thread::spawn(move || url.open(None))
        .join()
        .unwrap()
        .unwrap();
    assert!(source.size_bytes() > 0);
    drop(source);
}
