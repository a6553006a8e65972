//! A channel on air on a simulated clock: real files, the real path from feed to ring, clients that keep
//! what they get, and the independent checker as judge.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::media::sample;
use exstreamd::channel::programming::{Answer, ChannelFacts, OnAir, Play, Programming};
use exstreamd::channel::{Services, StationStatus, Stations};
use exstreamd::clock::{Clock, SimClock, UtcMs};
use exstreamd::error::ErrorKind;
use exstreamd::media::{AudioCodec, FileSource, Format, Probe, VideoCodec, probe};
use exstreamd::system::reads::Reads;

/// What the channel promises.
pub(crate) const FORMAT: Format = Format {
    video: VideoCodec::H264,
    audio: AudioCodec::Aac,
    audio_rate_hz: 48_000,
    audio_channels: 2,
    ..Format::DEFAULT
};
/// When the timeline begins.
pub(crate) const BEGIN: UtcMs = UtcMs(1_800_000_000_000);

/// Items played again and again from [`BEGIN`] on, each `(path, probe)`; no path is a gap of ten seconds.
pub(crate) struct Loop(pub(crate) Vec<Option<(PathBuf, Arc<Probe>)>>);

impl Loop {
    pub(crate) fn of(names: &[&str]) -> Self {
        Self(
            names
                .iter()
                .map(|name| (*name != "gap").then(|| item(sample(name))))
                .collect(),
        )
    }

    fn length_ms(item: &Option<(PathBuf, Arc<Probe>)>) -> i64 {
        item.as_ref()
            .map_or(10_000, |(_, probe)| probe.length().round_ms())
    }
}

/// A file with what it is.
pub(crate) fn item(path: PathBuf) -> (PathBuf, Arc<Probe>) {
    let probe = probe::probe(Arc::new(FileSource::open(&path).unwrap())).unwrap();
    (path, Arc::new(probe))
}

impl Programming for Loop {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        Box::pin(async move {
            if number != "1" {
                return Err(exstreamd::error::Error::new(
                    ErrorKind::NotFound,
                    "no such channel",
                ));
            }
            Ok(ChannelFacts {
                id: 1,
                number: number.into(),
                name: "Test".into(),
                format: FORMAT,
                mux_rate_kbit: None,
            })
        })
    }

    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        Box::pin(async move {
            let round: i64 = self.0.iter().map(Self::length_ms).sum();
            let mut start = BEGIN.plus(at.since(BEGIN).div_euclid(round) * round);
            for item in self.0.iter().cycle() {
                let stop = start.plus(Self::length_ms(item));
                if at < stop {
                    let play = item.as_ref().map(|(path, probe)| Play {
                        item_id: 1,
                        location: path.clone().into(),
                        device: "test".into(),
                        from: probe.start,
                        to: probe.end,
                        class: channel.format.copy_class(probe),
                        probe: probe.clone(),
                        title: path.display().to_string(),
                    });
                    return Ok(OnAir { start, stop, play });
                }
                start = stop;
            }
            unreachable!("the loop has items")
        })
    }
}

/// What one client has received.
#[derive(Clone, Default)]
pub(crate) struct Received(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    /// When the last bytes came, and the longest time between two of them.
    last: Option<Duration>,
    silence: Duration,
}

impl Received {
    fn hear(&self, now: Duration, bytes: &[u8]) {
        let mut heard = self.0.lock().unwrap();
        let since = now - heard.last.replace(now).unwrap_or(now);
        heard.silence = heard.silence.max(since);
        heard.bytes.extend_from_slice(bytes);
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }

    /// How much it is.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().bytes.len()
    }

    /// Takes what came since the last time.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().bytes)
    }

    /// The longest simulated time without a byte, counted from the first byte to `now`.
    pub(crate) fn longest_silence(&self, now: Duration) -> Duration {
        let heard = self.0.lock().unwrap();
        heard.silence.max(now - heard.last.unwrap_or(now))
    }
}

/// Both threads of a device, occupied until this is dropped: what a mount that hangs looks like.
pub(crate) struct Hang<'a> {
    tv: &'a Tv,
    _hold: Vec<std::sync::mpsc::Sender<()>>,
}

impl Drop for Hang<'_> {
    fn drop(&mut self) {
        self.tv.hung.fetch_sub(self._hold.len(), Relaxed);
    }
}

/// The daemon's channels and everything around them.
pub(crate) struct Tv {
    pub(crate) clock: SimClock,
    pub(crate) stations: Stations,
    pub(crate) reads: Reads,
    /// Reads that wait for something that the test brings about.
    pub(crate) hung: Arc<AtomicUsize>,
}

impl Tv {
    pub(crate) fn new(programming: impl Programming, start: UtcMs) -> Self {
        Self::with(programming, start, |_| {})
    }

    /// With other services than usual.
    pub(crate) fn with(
        programming: impl Programming,
        start: UtcMs,
        change: impl FnOnce(&mut Services),
    ) -> Self {
        let clock = SimClock::new(start);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let reads = Reads::new(shared.clone());
        let mut services = Services::new(shared, Arc::new(programming), reads.clone());
        change(&mut services);
        let stations = Stations::new(services);
        Self {
            clock,
            stations,
            reads,
            hung: Arc::default(),
        }
    }

    pub(crate) async fn join(&self) -> (Received, tokio::task::JoinHandle<()>) {
        let mut listener = self.stations.tune("1").await.unwrap();
        let received = Received::default();
        let (sink, clock) = (received.clone(), self.clock.clone());
        let task = tokio::spawn(async move {
            while let Some(bytes) = listener.next().await {
                sink.hear(clock.monotonic(), &bytes);
            }
        });
        self.settle().await;
        (received, task)
    }

    /// Lets the device of all items hang.
    pub(crate) async fn hang(&self) -> Hang<'_> {
        let mut hold = Vec::new();
        for _ in 0..2 {
            let (release, held) = std::sync::mpsc::channel::<()>();
            let (began, begins) = tokio::sync::oneshot::channel();
            let reads = self.reads.clone();
            tokio::spawn(async move {
                let job = move || {
                    let _ = began.send(());
                    let _ = held.recv();
                    Ok(())
                };
                reads.run("test", job).await
            });
            begins.await.unwrap();
            hold.push(release);
        }
        self.hung.fetch_add(hold.len(), Relaxed);
        Hang {
            tv: self,
            _hold: hold,
        }
    }

    /// Lets every task and every read run until nothing changes any more.
    pub(crate) async fn settle(&self) {
        let (mut before, mut calm) = (Vec::new(), 0);
        for _ in 0..2_000_000 {
            tokio::task::yield_now().await;
            let (running, waiting) = self.reads.load();
            let hung = self.hung.load(Relaxed);
            let idle = running <= hung && (waiting == 0 || hung > 0);
            let state = |s: StationStatus| (s.lead, s.counts, s.ring_bytes, s.listeners);
            let now: Vec<_> = self.stations.status().into_iter().map(state).collect();
            if idle && now == before {
                calm += 1;
                if calm > 30 {
                    break;
                }
            } else {
                (before, calm) = (now, 0);
                std::thread::yield_now();
            }
        }
    }

    pub(crate) async fn play(&self, seconds: u64) {
        self.play_ms(seconds * 1_000).await;
    }

    pub(crate) async fn play_ms(&self, ms: u64) {
        for _ in 0..ms / 40 {
            self.clock.advance(Duration::from_millis(40));
            self.settle().await;
        }
    }
}

/// The independent judges: the checker, strictly, and a decoder that says nothing.
#[track_caller]
pub(crate) fn check_strictly(name: &str, bytes: &[u8]) {
    let (_dir, path) = check(name, bytes);
    super::ts::decodes_silently(&path);
}

/// The checker alone.
#[track_caller]
pub(crate) fn check(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    check_holding("1", name, bytes)
}

/// The judges on a stream of which a feed broke off in the middle: behind the last pictures in decoding
/// order those are missing that are shown before them, so a picture may stand two frames longer.
#[track_caller]
pub(crate) fn check_broken_off(name: &str, bytes: &[u8]) {
    let (_dir, path) = check_holding("3", name, bytes);
    super::ts::decodes_silently(&path);
}

#[track_caller]
fn check_holding(frames: &str, name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{name}.ts"));
    std::fs::write(&path, bytes).unwrap();
    let options = ["--strict", "--pcr-ms", "40", "--max-gap-frames", frames];
    super::ts::check(&path, &options);
    (dir, path)
}

/// Pictures of a stream as (PTS, bytes).
pub(crate) fn pictures(bytes: &[u8]) -> Vec<(i64, usize)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pictures.ts");
    std::fs::write(&path, bytes).unwrap();
    let packets = super::ts::packets(&path);
    let video = packets.iter().filter(|p| p.video);
    video.map(|p| (p.pts.0, p.bytes)).collect()
}

/// The last `seconds` of both hold the same pictures at the same time: the item is at its place.
#[track_caller]
pub(crate) fn assert_same_end(seconds: i64, found: &[u8], expected: &[u8]) {
    let (found, expected) = (pictures(found), pictures(expected));
    let end = expected.iter().map(|p| p.0).max().unwrap();
    let tail = |all: &[(i64, usize)]| -> Vec<(i64, usize)> {
        let from = end - seconds * 90_000;
        // The very last pictures depend on where the head stands.
        let inside = |p: &&(i64, usize)| p.0 >= from && p.0 < end - 90_000;
        all.iter().filter(inside).copied().collect()
    };
    assert!(!tail(&expected).is_empty());
    assert_eq!(tail(&found), tail(&expected));
}
