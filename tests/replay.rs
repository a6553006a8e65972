//! Clients that begin in the past, or lag, get from the files what the ring does not hold any more: the very
//! bytes that the others got, on a simulated clock.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::num::NonZeroU32;

use common::media::sample;
use common::tv::{BEGIN, Loop, Tv, check, item};
use exstreamd::channel::Listener;
use exstreamd::channel::programming::{Answer, ChannelFacts, OnAir, Programming};
use exstreamd::clock::UtcMs;

/// A client that reads when it is told to, and compares.
struct Client {
    listener: Listener,
    /// Where it is in the stream of the client that keeps up, and where it began.
    at: usize,
    began: Option<usize>,
}

impl Client {
    async fn new(tv: &Tv) -> Self {
        Self {
            listener: tv.stations.tune("1").await.unwrap(),
            at: 0,
            began: None,
        }
    }

    /// Reads up to the place `to` of `all` or a little further.
    async fn read_to(&mut self, all: &[u8], to: usize) {
        if self.began.is_none() {
            let mut first = Vec::new();
            while first.len() < 188 * 4 {
                first.extend_from_slice(&self.listener.next().await.unwrap());
            }
            let began = all
                .windows(first.len())
                .step_by(188)
                .position(|w| w == first);
            self.began = Some(188 * began.expect("bytes that nobody else got"));
            self.at = self.began.unwrap() + first.len();
        }
        while self.at < to {
            let bytes = self.listener.next().await.unwrap();
            let end = self.at + bytes.len();
            assert!(all[self.at..end] == bytes, "differs at {}..{end}", self.at);
            self.at = end;
        }
    }
}

/// Plays `items` to a client that keeps up, clients that lag by so many seconds, and new ones all the time.
async fn everybody_gets_the_same(items: impl Programming, seconds: usize) {
    let tv = Tv::new(items, BEGIN.plus(3_300));
    let (ahead, _task) = tv.join().await;
    tv.play(13).await;
    let mut marks = vec![ahead.len()];
    let mut lagging = Vec::new();
    for lag in [1, 4, 8] {
        lagging.push((lag, Client::new(&tv).await));
    }
    let mut by_joiners = 0;
    for second in 0..seconds {
        tv.play(1).await;
        let all = ahead.bytes();
        marks.push(all.len());
        for (lag, client) in &mut lagging {
            let to = marks[(second + 1).saturating_sub(*lag)];
            client.read_to(&all, to).await;
        }
        let mut joiner = Client::new(&tv).await;
        joiner.read_to(&all, all.len()).await;
        by_joiners += joiner.listener.replayed_bytes();
    }
    assert!(by_joiners > 0, "the joiners needed no file");
    for (lag, client) in &lagging {
        let replayed = client.listener.replayed_bytes() as usize;
        let read = client.at - client.began.unwrap();
        assert_eq!(client.listener.jumps(), 0, "{lag} s behind");
        assert_eq!(
            *lag > 2,
            replayed > read / 2,
            "{lag} s behind: {replayed} of {read}"
        );
    }
}

#[tokio::test]
async fn who_lags_or_joins_gets_the_same_bytes_across_joins_of_mp4_files() {
    let items = [
        "h264_b0_25.mp4",
        "h264_b3_pyramid_2997.mp4",
        "h264_open_gop.mp4",
        "h264_late_audio.mp4",
    ];
    everybody_gets_the_same(Loop::of(&items), 33).await;
}

/// The same items in a stream of fixed rate.
struct AtFixedRate(Loop);

impl Programming for AtFixedRate {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        Box::pin(async move {
            let facts = self.0.channel(number).await?;
            Ok(ChannelFacts {
                mux_rate_kbit: NonZeroU32::new(2_000),
                ..facts
            })
        })
    }

    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        self.0.on_air(channel, at)
    }
}

#[tokio::test]
async fn who_lags_or_joins_gets_the_same_bytes_of_a_stream_of_fixed_rate() {
    let items = ["h264_b0_25.mp4", "h264_b3_pyramid_2997.mp4"];
    everybody_gets_the_same(AtFixedRate(Loop::of(&items)), 25).await;
}

#[tokio::test]
async fn who_lags_or_joins_gets_the_same_bytes_across_joins_of_matroska_files() {
    let items = [
        "h264_b2_25.mkv",
        "h264_b3_23976.mkv",
        "h264_open_gop.mkv",
        "h264_late_audio.mkv",
    ];
    everybody_gets_the_same(Loop::of(&items), 33).await;
}

#[tokio::test]
async fn who_lags_or_joins_gets_the_same_bytes_across_joins_of_transport_streams() {
    let items = ["h264_aac.ts", "h264_aac.m2ts", "h264_wrap.ts"];
    everybody_gets_the_same(Loop::of(&items), 25).await;
}

#[tokio::test]
async fn who_lags_or_joins_gets_the_same_bytes_where_slate_and_long_intervals_come_between() {
    let items = ["h264_long_gop.mp4", "gap", "h264_b2_25.mkv", "h264_vfr.mp4"];
    everybody_gets_the_same(Loop::of(&items), 33).await;
}

#[tokio::test]
async fn who_reads_at_the_pace_of_the_clock_never_jumps_however_far_apart_the_places_to_join_are() {
    let tv = Tv::new(Loop::of(&["h264_long_gop.mp4"]), BEGIN.plus(1_000));
    let (ahead, _task) = tv.join().await;
    tv.play(23).await;
    let mut marks = vec![ahead.len()];
    let mut clients: Vec<(usize, Client)> = Vec::new();
    for second in 0..30 {
        tv.play(1).await;
        let all = ahead.bytes();
        marks.push(all.len());
        for (joined, client) in &mut clients {
            // As far behind as on joining.
            let passed = marks[second + 1] - marks[*joined];
            client.read_to(&all, client.began.unwrap() + passed).await;
        }
        if second % 2 == 0 {
            let mut client = Client::new(&tv).await;
            client.read_to(&all, 0).await;
            clients.push((second + 1, client));
        }
    }
    for (joined, client) in &clients {
        assert_eq!(client.listener.jumps(), 0, "joined at {joined} s");
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_makes_who_lags_jump_and_gives_nobody_wrong_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mp4");
    std::fs::copy(sample("h264_b0_25.mp4"), &path).unwrap();
    let tv = Tv::new(Loop(vec![Some(item(path.clone()))]), BEGIN.plus(1_000));
    let (ahead, _task) = tv.join().await;
    let mut behind = tv.stations.tune("1").await.unwrap();
    let mut received = behind.next().await.unwrap().to_vec();
    tv.play(5).await;
    let other = dir.path().join("other.mp4");
    std::fs::copy(sample("h264_b2_25.mp4"), &other).unwrap();
    std::fs::rename(&other, &path).unwrap();
    let all = ahead.bytes();
    while !all.ends_with(&received[received.len() - 188..]) {
        received.extend_from_slice(&behind.next().await.unwrap());
    }
    assert_eq!(behind.jumps(), 1);
    check("replaced", &received);
}

#[tokio::test]
async fn a_disk_that_hangs_makes_who_lags_jump_to_what_is_held() {
    let tv = Tv::new(Loop::of(&["h264_b0_25.mp4"]), BEGIN.plus(1_000));
    let (ahead, _task) = tv.join().await;
    let mut behind = tv.stations.tune("1").await.unwrap();
    let mut received = behind.next().await.unwrap().to_vec();
    tv.play(5).await;
    let hang = tv.hang().await;
    let client = tokio::spawn(async move {
        loop {
            received.extend_from_slice(&behind.next().await.unwrap());
            if behind.jumps() > 0 && received.len() > 188 * 300 {
                return (received, behind);
            }
        }
    });
    tv.play(12).await;
    let (received, behind) = client.await.unwrap();
    assert_eq!(behind.jumps(), 1);
    check("hung", &received);
    drop((hang, ahead));
}
