//! Addresses that expire, and redirects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::common::web::{Reply, Web, range};
use super::{Reading, data, fails, open, read_all};
use exstreamd::error::{ErrorKind, Result};
use exstreamd::library::range::{Resolver, Url};

/// Gives out one fresh address, and counts.
struct Fresh {
    url: Url,
    asked: AtomicUsize,
}

impl Resolver for Fresh {
    fn fresh(&self) -> Result<Url> {
        self.asked.fetch_add(1, SeqCst);
        Ok(self.url.clone())
    }
}

#[test]
fn an_address_that_expired_is_replaced_once_and_reading_goes_on_at_the_lost_byte() {
    let data = data(2 << 20);
    for status in [401, 403, 410] {
        let served = data.clone();
        let expired = Arc::new(AtomicUsize::new(0));
        let (now, again) = (expired.clone(), expired.clone());
        let web = Web::new(move |request| {
            let old = request.target == "/old";
            match now.load(SeqCst) {
                1 if old => Reply::status(status),
                2 => Reply::status(status),
                _ => range(&served, request).with("ETag", "\"a\""),
            }
        });
        let reading = Reading::from(&web);
        let resolver = Arc::new(Fresh {
            url: reading.url(&web.url("/new")),
            asked: 0.into(),
        });
        let url = reading
            .url(&web.url("/old"))
            .with_resolver(resolver.clone());
        let source = url.open(None).unwrap();
        again.store(1, SeqCst);
        assert!(read_all(&source, 30_000).unwrap() == *data, "{status}");
        assert_eq!(resolver.asked.load(SeqCst), 1);
        assert_eq!(web.sent_bytes(), data.len());
        // When the fresh one is refused too, that is the answer.
        let source = url.open(None).unwrap();
        again.store(2, SeqCst);
        let kind = if status == 410 {
            ErrorKind::NotFound
        } else {
            ErrorKind::Permission
        };
        fails(read_all(&source, 30_000), kind, &status.to_string());
        assert_eq!(
            resolver.asked.load(SeqCst),
            3,
            "one for the new opening, one for the refusal"
        );
    }
}

#[test]
fn without_a_resolver_a_refusal_is_an_error_and_a_missing_file_never_asks_one() {
    for (status, kind, asked) in [
        (401, ErrorKind::Permission, 1),
        (403, ErrorKind::Permission, 1),
        (410, ErrorKind::NotFound, 1),
        (404, ErrorKind::NotFound, 0),
    ] {
        let web = Web::new(move |_| Reply::status(status));
        let reading = Reading::from(&web);
        fails(open(&web), kind, &status.to_string());
        let resolver = Arc::new(Fresh {
            url: reading.url(&web.url("/new")),
            asked: 0.into(),
        });
        let url = reading
            .url(&web.url("/old"))
            .with_resolver(resolver.clone());
        fails(url.open(None), kind, &status.to_string());
        assert_eq!(resolver.asked.load(SeqCst), asked, "{status}");
    }
}

#[test]
fn five_redirects_are_followed_and_six_are_not() {
    let data = data(200_000);
    let served = data.clone();
    let web = Web::new(move |request| match request.target[1..].parse::<u32>() {
        Ok(0) => range(&served, request),
        Ok(n) => Reply::status(302).with("Location", &format!("{}?x=y", n - 1)),
        Err(_) => {
            let n = request.target[1..]
                .split('?')
                .next()
                .unwrap()
                .parse()
                .unwrap_or(0);
            match n {
                0 => range(&served, request),
                n => Reply::status(307).with("Location", &format!("/{}", n - 1)),
            }
        }
    });
    let reading = Reading::from(&web);
    let source = reading.url(&web.url("/5")).open(None).unwrap();
    assert!(read_all(&source, 30_000).unwrap() == *data);
    let first = web.requests().iter().filter(|r| r.target == "/5").count();
    assert_eq!(first, 1, "where they lead is remembered");
    let six = reading.url(&web.url("/6")).open(None);
    fails(six, ErrorKind::Unsupported, "more than 5 redirects");
}

#[test]
fn a_redirect_to_anything_but_the_web_is_refused() {
    for to in [
        "file:///etc/passwd",
        "ftp://h/x",
        "unix:/run/x",
        "http://[",
        "",
    ] {
        let web = Web::new(move |_| Reply::status(301).with("Location", to));
        let expected = match to {
            // It leads to itself.
            "" => (ErrorKind::Unsupported, "redirects"),
            _ => (ErrorKind::Invalid, "following a redirect"),
        };
        fails(open(&web), expected.0, expected.1);
    }
}

#[test]
fn a_redirect_whose_end_has_expired_is_followed_anew() {
    let data = data(2 << 20);
    let served = data.clone();
    let turn = Arc::new(AtomicUsize::new(0));
    let current = turn.clone();
    let web = Web::new(move |request| {
        let now = format!("/node{}", current.load(SeqCst));
        match request.target.as_str() {
            "/film" => Reply::status(302).with("Location", &now),
            target if target == now => range(&served, request),
            _ => Reply::status(404),
        }
    });
    let source = Reading::from(&web)
        .url(&web.url("/film"))
        .open(None)
        .unwrap();
    turn.store(1, SeqCst);
    assert!(read_all(&source, 30_000).unwrap() == *data);
}
