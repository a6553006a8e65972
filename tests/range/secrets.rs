//! Logins and tokens: they reach their own server and nobody else, neither a server nor a reader of logs.

use super::common::daemon::Instance;
use super::common::media::sample;
use super::common::web::{Reply, Web, range};
use super::{Reading, data, fails};
use exstreamd::error::ErrorKind;

const LOGIN: &str = "Basic dXNlcjpodW50ZXIy"; // user:hunter2

/// `http://user:hunter2@127.0.0.1:port/target`.
fn with_login(web: &Web, target: &str) -> String {
    web.url(target).replacen("://", "://user:hunter2@", 1)
}

#[test]
fn login_and_headers_go_to_the_own_server_on_every_request_and_redirect() {
    let data = data(500_000);
    let web = Web::new(move |request| match request.target.as_str() {
        "/a" => Reply::status(302).with("Location", "/b"),
        _ => range(&data, request),
    });
    let url = Reading::from(&web).url(&with_login(&web, "/a"));
    let url = url.with_header("X-Plex-Token", "hunter2").unwrap();
    super::read_all(&url.open(None).unwrap(), 50_000).unwrap();
    let requests = web.requests();
    assert!(requests.len() > 2);
    for request in requests {
        assert_eq!(request.header("authorization"), Some(LOGIN));
        assert_eq!(request.header("x-plex-token"), Some("hunter2"));
    }
}

#[test]
fn another_server_gets_neither_login_nor_headers_nor_our_own_token() {
    let data = data(500_000);
    let other = Web::new(move |request| range(&data, request));
    let there = other.url("/f?X-Plex-Token=hunter2&theirs=1");
    let web = Web::new(move |_| Reply::status(302).with("Location", &there));
    let url = Reading::from(&web).url(&with_login(&web, "/a?X-Plex-Token=hunter2"));
    let url = url.with_header("X-Emby-Token", "hunter2").unwrap();
    super::read_all(&url.open(None).unwrap(), 50_000).unwrap();
    assert_eq!(web.requests().len(), 1);
    assert_eq!(web.requests()[0].header("x-emby-token"), Some("hunter2"));
    assert!(other.requests().len() > 2);
    for request in other.requests() {
        assert_eq!(request.target, "/f?theirs=1");
        let all = format!("{:?}", request.headers);
        assert!(!all.contains("hunter2") && !all.contains(LOGIN), "{all}");
    }
}

#[test]
fn a_header_that_cannot_be_sent_is_refused_without_being_shown() {
    let web = Web::new(|_| Reply::status(404));
    let url = Reading::from(&web).url(&web.url("/f"));
    let error = fails(
        url.with_header("X-Token", "hunter2\r\nX: y"),
        ErrorKind::Invalid,
        "cannot be sent",
    );
    assert!(!format!("{error:#} {error:?}").contains("hunter2"));
}

#[test]
fn nothing_secret_is_printed_whatever_happens() {
    let path = sample("h264_b2_25.mp4");
    let film = std::fs::read(&path).unwrap();
    let web = Web::new(
        move |request| match request.target.split('/').next_back().unwrap() {
            name if name.starts_with("film") => range(&film, request),
            name if name.starts_with("lost") => {
                let mut reply = range(&film, request);
                reply.lost_after = Some(-1);
                reply
            }
            name if name.starts_with("away") => {
                Reply::status(302).with("Location", "ftp://hunter2/")
            }
            name if name.starts_with("avi") => range(b"RIFF hunter2 AVI LIST of things", request),
            name => Reply::status(name[..3].parse().unwrap()),
        },
    );
    let mut instance = Instance::new();
    instance.set("EXSTREAMD_TIMEOUTS_LOCAL", "60");
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let mut urls: Vec<String> = [
        "film.mp4", "lost", "away", "avi", "403", "404", "503", "418",
    ]
    .iter()
    .map(|name| with_login(&web, &format!("/hunter2/{name}?X-Plex-Token=hunter2")))
    .collect();
    urls.push(format!(
        "http://user:hunter2@{closed}/hunter2/f?token=hunter2"
    ));
    urls.push("http://user:hunter2@host:port/hunter2".to_owned());
    urls.push("http://user:hunter2@[::1/hunter2".to_owned());
    urls.push("ftp://user:hunter2@host/hunter2".to_owned());
    for url in urls {
        for args in [
            &["probe", &url][..],
            &["probe", &url, "--json"],
            &["probe", &url, "/nonexistent"],
            &["remux", &url, "-o", "/dev/null"],
            &["remux", &url, "-o", "/dev/null", "--json"],
        ] {
            let output = instance.run(args);
            let expected = url.contains("film") && !args.contains(&"/nonexistent");
            assert_eq!(output.status.success(), expected, "{args:?}");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains("hunter2"), "{args:?}: {said}");
        }
    }
    assert!(
        web.requests()
            .iter()
            .any(|r| r.header("authorization") == Some(LOGIN))
    );
}
