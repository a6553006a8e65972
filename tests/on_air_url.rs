//! A channel on a simulated clock whose items lie on a web server: the same stream as from a disk, and whatever
//! the server does, no client waits.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::media::{made, sample};
use common::tv::{
    BEGIN, Loop, Received, Tv, assert_same_end, check_broken_off, check_strictly, item,
};
use common::web::{Reply, Request, Web, range};
use exstreamd::channel::programming::{Answer, ChannelFacts, OnAir, Programming};
use exstreamd::clock::{Clock, SharedClock, Sleep, UtcMs};
use exstreamd::config::Timeouts;
use exstreamd::error::Result;
use exstreamd::library::Location;
use exstreamd::library::range::{Client, Resolver, Url};

/// A minute and a half in one file, tables at its end.
fn long() -> PathBuf {
    let options = "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2";
    made("faults_long.mp4", "25", 48_000, 90, options)
}

fn items(paths: &[PathBuf]) -> Loop {
    Loop(paths.iter().map(|path| Some(item(path.clone()))).collect())
}

/// The simulated clock, for reads. Who waits for the next attempt is counted as hung: only time helps.
struct Waits {
    clock: SharedClock,
    hung: Arc<AtomicUsize>,
}

struct Asleep(Arc<AtomicUsize>);

impl Drop for Asleep {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Clock for Waits {
    fn utc(&self) -> UtcMs {
        self.clock.utc()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let sleep = self.clock.sleep(duration);
        if !(Duration::from_millis(700)..Timeouts::default().other).contains(&duration) {
            return sleep;
        }
        self.hung.fetch_add(1, SeqCst);
        let asleep = Asleep(self.hung.clone());
        Box::pin(async move {
            let _asleep = asleep;
            sleep.await;
        })
    }
}

/// Where a file of the loop is to be read from.
type Place = dyn Fn(&Client, &Path) -> Location + Send + Sync;

/// A loop of which items lie elsewhere.
struct Elsewhere {
    items: Loop,
    client: Arc<OnceLock<Client>>,
    place: Box<Place>,
}

impl Programming for Elsewhere {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        self.items.channel(number)
    }

    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        Box::pin(async move {
            let mut entry = self.items.on_air(channel, at).await?;
            if let Some(play) = &mut entry.play
                && let Location::File(path) = play.location.clone()
            {
                play.location = (self.place)(self.client.get().unwrap(), &path);
            }
            Ok(entry)
        })
    }
}

/// A channel that plays `items`, each from its place, and what is held back at `web` counts as hung.
fn tv(
    web: &Web,
    items: Loop,
    start: UtcMs,
    place: impl Fn(&Client, &Path) -> Location + Send + Sync + 'static,
) -> Tv {
    let client = Arc::new(OnceLock::new());
    let programming = Elsewhere {
        items,
        client: client.clone(),
        place: Box::new(place),
    };
    let mut clock = None;
    let tv = Tv::with(programming, start, |services| {
        clock = Some(services.clock.clone());
    });
    web.count_held_in(&tv.hung);
    let waits = Waits {
        clock: clock.unwrap(),
        hung: tv.hung.clone(),
    };
    let timeouts = Timeouts {
        local: Timeouts::default().other,
        ..Timeouts::default()
    };
    let _ = client.set(Client::new(Arc::new(waits), timeouts));
    tv
}

/// Everything on `web`, under the name of the file.
fn all_on(web: &Web) -> impl Fn(&Client, &Path) -> Location + Send + Sync + 'static {
    let base = web.url("/");
    move |client, path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        Location::Url(client.url(&format!("{base}{name}")).unwrap())
    }
}

/// The samples as they lie in the folder of test media.
fn sound(request: &Request) -> Reply {
    let path = long().parent().unwrap().join(&request.target[1..]);
    range(&std::fs::read(path).unwrap(), request)
}

#[track_caller]
fn assert_never_silent(tv: &Tv, client: &Received) {
    let silence = client.longest_silence(tv.clock.monotonic());
    assert!(
        silence <= Duration::from_millis(200),
        "{silence:?} without a byte"
    );
}

/// What a client gets that tunes in at `start` when everything lies on a disk.
async fn from_disk(items: Loop, start: UtcMs, seconds: u64) -> Vec<u8> {
    let tv = Tv::new(items, start);
    let (client, _task) = tv.join().await;
    tv.play(seconds).await;
    client.bytes()
}

#[tokio::test]
async fn items_on_a_web_server_are_copied_and_entered_as_those_of_a_disk() {
    let paths = [long(), sample("h264_b2_25.mkv"), sample("h264_aac.ts")];
    // In mid-item, and across its end.
    for start in [33_300, 84_000] {
        let web = Web::new(sound);
        let tv = tv(&web, items(&paths), BEGIN.plus(start), all_on(&web));
        let (client, _task) = tv.join().await;
        tv.play(20).await;
        check_strictly("url", &client.bytes());
        let expected = from_disk(items(&paths), BEGIN.plus(start), 20).await;
        assert!(client.bytes() == expected, "other bytes than from a disk");
        let whole = std::fs::metadata(long()).unwrap().len() as usize;
        assert!(web.sent_bytes() < whole, "what is not shown is not fetched");
        assert_eq!(tv.stations.status()[0].counts.slate_pictures, 0);
    }
}

#[tokio::test]
async fn a_server_that_loses_every_connection_is_not_noticed() {
    let web = Web::new(|request| {
        let mut reply = sound(request);
        reply.lost_after = Some(20_000);
        reply
    });
    let tv = tv(&web, items(&[long()]), BEGIN.plus(33_300), all_on(&web));
    let (client, _task) = tv.join().await;
    tv.play(20).await;
    assert!(web.connections() > 20, "{}", web.connections());
    assert!(client.bytes() == from_disk(items(&[long()]), BEGIN.plus(33_300), 20).await);
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_covered_and_its_item_comes_back_when_it_has_caught_up() {
    let web = Web::new(sound);
    let tv = tv(&web, items(&[long()]), BEGIN.plus(3_300), all_on(&web));
    let (client, _task) = tv.join().await;
    tv.play(2).await;
    // A third of the bytes that the film needs, on average.
    let bytes = std::fs::metadata(long()).unwrap().len();
    let rate = Arc::new(AtomicU64::new(bytes / 90 / 3));
    let (clock, allowed) = (tv.clock.clone(), rate.clone());
    web.now(move |request| {
        let mut reply = sound(request);
        reply.rate = Some((clock.clone(), allowed.clone()));
        reply
    });
    tv.play(40).await;
    assert!(tv.stations.status()[0].counts.slate_pictures > 25);
    rate.store(u64::MAX, SeqCst);
    web.wait_until_released();
    tv.play(30).await;
    assert_never_silent(&tv, &client);
    check_broken_off("slow", &client.bytes());
    let expected = from_disk(items(&[long()]), BEGIN.plus(3_300), 72).await;
    assert_same_end(5, &client.bytes(), &expected);
}

/// A fresh address, as often as it is asked.
struct Fresh {
    url: Url,
    asked: Arc<AtomicUsize>,
}

impl Resolver for Fresh {
    fn fresh(&self) -> Result<Url> {
        self.asked.fetch_add(1, SeqCst);
        Ok(self.url.clone())
    }
}

#[tokio::test]
async fn an_address_that_expires_on_air_is_replaced_and_nobody_sees_it() {
    let path = long();
    let data = Arc::new(std::fs::read(&path).unwrap());
    let served = data.clone();
    let web = Web::new(move |request| range(&served, request));
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, old, new) = (asked.clone(), web.url("/old?sig=1"), web.url("/new?sig=2"));
    let tv = tv(&web, items(&[path]), BEGIN.plus(3_300), move |client, _| {
        let fresh = Fresh {
            url: client.url(&new).unwrap(),
            asked: count.clone(),
        };
        Location::Url(client.url(&old).unwrap().with_resolver(Arc::new(fresh)))
    });
    let (client, _task) = tv.join().await;
    tv.play(10).await;
    web.now(move |request| match request.target.starts_with("/new") {
        true => range(&data, request),
        false => Reply::status(403),
    });
    tv.play(50).await;
    assert_eq!(asked.load(SeqCst), 1);
    assert!(client.bytes() == from_disk(items(&[long()]), BEGIN.plus(3_300), 60).await);
}

#[tokio::test]
async fn a_server_that_dies_or_hangs_costs_slate_and_its_item_comes_back_at_its_place() {
    for hangs in [false, true] {
        let web = Web::new(sound);
        let tv = tv(&web, items(&[long()]), BEGIN.plus(3_300), all_on(&web));
        let (client, _task) = tv.join().await;
        tv.play(5).await;
        if hangs {
            web.now(|request| {
                let mut reply = sound(request);
                reply.hangs_after = Some(0);
                reply
            });
        } else {
            web.set_dead(true);
        }
        // One window is in hand yet.
        tv.play(45).await;
        let status = &tv.stations.status()[0];
        assert!(
            status.counts.slate_pictures > 25,
            "hangs: {hangs}: {status:?}"
        );
        web.now(sound);
        web.set_dead(true);
        web.wait_until_released();
        web.set_dead(false);
        tv.play(35).await;
        assert_never_silent(&tv, &client);
        check_broken_off("dead", &client.bytes());
        let expected = from_disk(items(&[long()]), BEGIN.plus(3_300), 85).await;
        assert_same_end(5, &client.bytes(), &expected);
        tv.settle().await;
        assert_eq!(
            (tv.reads.load(), tv.hung.load(SeqCst)),
            ((0, 0), 0),
            "nothing is left waiting"
        );
    }
}

#[tokio::test]
async fn a_server_that_hangs_costs_its_own_items_and_no_other() {
    let paths = [sample("h264_b2_25.mp4"), sample("h264_b0_25.mp4")];
    let web = Web::new(|request| {
        let mut reply = sound(request);
        reply.hangs_after = Some(0);
        reply
    });
    let elsewhere = all_on(&web);
    let tv = tv(&web, items(&paths), BEGIN, move |client, path| {
        match path.ends_with("h264_b2_25.mp4") {
            true => elsewhere(client, path),
            false => Location::File(path.to_owned()),
        }
    });
    let (client, _task) = tv.join().await;
    tv.play(60).await;
    assert_never_silent(&tv, &client);
    check_strictly("other", &client.bytes());
    // Of every sixteen seconds eight are the file's: none of its pictures is missing.
    let slate = tv.stations.status()[0].counts.slate_pictures;
    let all = 66 * 25;
    assert!(
        (all / 2 - 100..all / 2 + 100).contains(&slate),
        "{slate} of {all}"
    );
}

#[tokio::test]
async fn the_next_item_on_a_server_is_opened_twenty_seconds_before_it_is_needed() {
    let paths = [long(), sample("h264_b2_25.mp4")];
    let web = Web::new(sound);
    let elsewhere = all_on(&web);
    let length_ms = item(long()).1.length().round_ms();
    let tv = tv(
        &web,
        items(&paths),
        BEGIN.plus(50_000),
        move |client, path| match path.ends_with("h264_b2_25.mp4") {
            true => elsewhere(client, path),
            false => Location::File(path.to_owned()),
        },
    );
    let (client, _task) = tv.join().await;
    let mut asked_at = None;
    for _ in 0..50 {
        tv.play(1).await;
        let on_air = tv.clock.utc().since(BEGIN);
        asked_at = asked_at.or((!web.requests().is_empty()).then_some(on_air));
    }
    let ahead = length_ms - asked_at.unwrap();
    // Twenty seconds before what is produced, which is six ahead of the clock.
    assert!((25_000..=26_000).contains(&ahead), "{ahead} ms before");
    assert!(client.bytes() == from_disk(items(&paths), BEGIN.plus(50_000), 50).await);
}
