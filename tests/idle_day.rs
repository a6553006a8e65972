//! No viewer, no work: a day on a simulated clock with guides, pages and planning, in which nothing below a
//! library root is opened. A sleeping disk stays asleep.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::daemon::Instance;
use exstreamd::clock::{Clock, RealClock, SimClock};
use exstreamd::config::Environment;
use exstreamd::daemon::{Setting, assemble, open};
use exstreamd::http::{self, Via};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_day_opens_nothing_below_the_library() {
    let instance = Instance::new();
    for n in 0..3 {
        instance.add_media("h264_b2_25.mp4", &format!("Films/Film {n} (200{n}).mp4"));
        instance.add_media("h264_b0_25.mp4", &format!("Show/S01/Show S01E0{n}.mp4"));
    }
    let media = instance.media();
    instance.json(&["setup", media.to_str().unwrap(), "--yes"]);

    let clock = SimClock::new(RealClock.utc());
    let environment = Environment::of([("TZ", "UTC")]);
    let setting = Setting {
        launcher: env!("CARGO_BIN_EXE_exstreamd").into(),
        ..Setting::new(
            Arc::new(clock.clone()),
            None,
            Some(&instance.data()),
            &environment,
        )
        .unwrap()
    };
    let store = open(&setting).await.unwrap();
    let (_, sane) = tokio::sync::watch::channel(true);
    let app = assemble(&setting, store.clone(), sane).await.unwrap();
    let library = app.library.clone();
    let owner = tokio::spawn(async move { library.run().await });
    app.library.idle().await.unwrap();

    let opens = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let mut folders = vec![media.clone()];
    while let Some(folder) = folders.pop() {
        // A watch on a folder tells of the files in it too.
        opens
            .add_watch(&folder, AddWatchFlags::IN_OPEN | AddWatchFlags::IN_ACCESS)
            .unwrap();
        let entries = std::fs::read_dir(&folder).unwrap().flatten();
        folders.extend(entries.map(|e| e.path()).filter(|path| path.is_dir()));
    }
    // What this very loop did.
    while opens.read_events().is_ok_and(|events| !events.is_empty()) {}

    for _ in 0..24 {
        clock.advance(Duration::from_secs(3600));
        app.playout.round().await;
        app.playout.follow_items().await;
        for path in [
            "/iptv/xmltv.xml?days=1",
            "/iptv/channels.m3u",
            "/lineup.json",
            "/api/v1/channels",
            "/api/v1/libraries",
            "/metrics",
            "/health",
            "/",
        ] {
            let request = Request::builder().uri(path).header("host", "localhost");
            let request = request.body(Full::new(Bytes::new())).unwrap();
            let reply = http::answer(app.clone(), Via::Control, request).await;
            assert_eq!(reply.status(), 200, "{path}");
            reply.into_body().collect().await.unwrap();
        }
        app.library.idle().await.unwrap();
    }
    let seen = opens.read_events();
    assert!(seen.is_err(), "opened: {seen:?}");
    drop(std::fs::read(media.join("Films/Film 0 (2000).mp4")));
    assert!(
        opens.read_events().is_ok(),
        "an open would not have been seen"
    );
    owner.abort();
    store.close().await;
}
