//! Items of which only the sound does not fit, or that have nothing else: the pictures are copied in-process
//! as of any item that fits, and an ffmpeg beside makes the sound.
//!
//! The two are delivered by time, the one that is behind first. Pictures never wait for sound longer than
//! the channel can: it fills in silence. A sound that fails or hangs is begun again at its place, and given
//! up after some attempts; the pictures go on untouched.

use std::path::Path;
use std::time::Duration;

use super::transcode::{self, Transcoder};
use super::{Cut, Event, Feed, Outlet, Sound, copy};
use crate::channel::Services;
use crate::channel::programming::Play;
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind};
use crate::guard::Backoff;
use crate::media::{AccessUnit, CopyClass, Format, Ticks90k};
use crate::transcode::Job;

/// How far pictures may run ahead of sound, and of the clock where sound is missing. More than what a
/// channel covers at once, so that it never lacks pictures for want of sound.
const LEASH: Ticks90k = Ticks90k(2 * 90_000);
/// How often it is looked whether the leash has grown.
const STEP: Duration = Duration::from_millis(40);
/// A sound that is waited for and does not come for so long hangs.
const STALLED: Duration = Duration::from_secs(10);
/// Attempts at a sound that fails.
const ATTEMPTS: u32 = 5;
/// Attempts are counted anew after so much of it.
const HEALTHY: Ticks90k = Ticks90k(30 * 90_000);

/// Starts the stretch `cut` of `play`, which lies at `path`, for a channel of `format`.
pub(super) fn start(
    services: &Services,
    format: Format,
    play: &Play,
    path: &Path,
    cut: Cut,
) -> Feed {
    let transcoder = services.transcoder.get().cloned();
    let clock = services.clock.clone();
    let pictures = play.probe.video.is_some().then(|| {
        let (reads, device) = (&services.reads, &play.device);
        copy::start_pictures(reads.clone(), device.clone(), path.to_owned(), cut)
    });
    let job = Job {
        path: path.to_owned(),
        from: cut.from,
        to: cut.to,
        format,
        class: CopyClass::Transcode {
            video: false,
            audio: true,
            reason: String::new(),
        },
        probe: play.probe.as_ref().clone(),
        sound_only: true,
    };
    Feed::spawn(|outlet| async move {
        let merge = Merge {
            opened_at: clock.monotonic(),
            from: cut.from + cut.offset,
            pictures_to: cut.from + cut.offset,
            pictures,
            cut,
            clock,
            track: SoundTrack::new(transcoder, job),
            outlet,
        };
        // The channel has gone away when nobody receives.
        let _ = merge.run().await;
    })
}

/// The channel listens no more.
struct Gone;

struct Merge {
    /// `None` when there are none or they have ended.
    pictures: Option<Feed>,
    /// DTS reached; where there are no pictures, where sound may run to.
    pictures_to: Ticks90k,
    track: SoundTrack,
    cut: Cut,
    clock: SharedClock,
    opened_at: Duration,
    /// Channel time at `opened_at` or later.
    from: Ticks90k,
    outlet: Outlet,
}

enum Woken {
    Picture(Option<Event>),
    Sound(Option<Event>),
    Due,
}

impl Merge {
    async fn run(mut self) -> Result<(), Gone> {
        let has_pictures = self.pictures.is_some();
        if !has_pictures {
            self.opened(false).await?;
            self.track.begin(self.cut.from, self.cut.offset);
        }
        while self.pictures.is_some() || !self.track.ended {
            let now = self.clock.monotonic();
            let elapsed = now.saturating_sub(self.opened_at).as_millis();
            let clock = self.from + Ticks90k::from_ms(i64::try_from(elapsed).unwrap_or(i64::MAX));
            let held_by = match self.track.ended {
                true => self.pictures_to,
                false => self.track.to.max(clock),
            };
            let leash = held_by + LEASH;
            let wants_pictures = self.pictures_to <= leash;
            if let Some(pictures) = &self.pictures {
                pictures.want(leash);
            }
            // Sound without pictures is held back by the channel alone.
            let wants_sound = self.pictures.is_none() || self.track.to <= self.pictures_to;
            if let Err(error) = self.track.look_after(wants_sound, now) {
                self.silent(error).await?;
            }
            if self.track.ended && self.pictures.is_none() {
                break;
            }
            let woken = tokio::select! {
                biased;
                event = next(&mut self.track.feed), if wants_sound => Woken::Sound(event),
                event = next(&mut self.pictures), if wants_pictures => Woken::Picture(event),
                () = self.clock.sleep(STEP) => Woken::Due,
            };
            match woken {
                Woken::Due => {}
                Woken::Sound(event) => self.sound(event).await?,
                Woken::Picture(event) => self.picture(event).await?,
            }
        }
        self.send(Event::Ended).await
    }

    async fn picture(&mut self, event: Option<Event>) -> Result<(), Gone> {
        match event {
            Some(Event::Opened { .. }) => self.opened(true).await,
            Some(Event::Units(units)) => {
                if let Some(first) = units.first()
                    && !self.track.begun
                {
                    let entry = first.pts - self.cut.offset;
                    (self.track.to, self.pictures_to) = (first.pts, first.dts);
                    self.track.begin(entry, self.cut.offset);
                }
                self.pictures_to = reached(&units, self.pictures_to);
                self.send(Event::Units(units)).await
            }
            Some(Event::Ended) => {
                self.pictures = None;
                // Without a picture there was no place for sound to begin.
                self.track.ended |= !self.track.begun;
                Ok(())
            }
            // Another way has to be found for all of it.
            Some(event @ Event::Failed(_)) => {
                self.send(event).await?;
                Err(Gone)
            }
            Some(Event::Silent(_)) => Ok(()),
            // The other task panicked: so that this one is seen to, too.
            None => Err(Gone),
        }
    }

    async fn sound(&mut self, event: Option<Event>) -> Result<(), Gone> {
        let now = self.clock.monotonic();
        match event {
            Some(Event::Units(units)) => {
                self.track.to = reached(&units, self.track.to);
                self.track.heard_at = now;
                self.send(Event::Units(units)).await
            }
            Some(Event::Ended) => {
                self.track.feed = None;
                self.track.ended = true;
                self.no_sound().await
            }
            Some(Event::Failed(error)) => {
                let error = self.track.failed(error, now);
                self.silent(error).await
            }
            Some(Event::Opened { .. } | Event::Silent(_)) => Ok(()),
            None => {
                let error = Error::new(ErrorKind::Internal, "it ended in a panic");
                let error = self.track.failed(error, now);
                self.silent(error).await
            }
        }
    }

    async fn opened(&mut self, has_video: bool) -> Result<(), Gone> {
        let sound = Sound::Apart;
        self.send(Event::Opened { has_video, sound }).await
    }

    /// Tells of a failure, and when it was the last that there is no sound any more.
    async fn silent(&mut self, error: Error) -> Result<(), Gone> {
        self.send(Event::Silent(error)).await?;
        if self.track.ended {
            self.no_sound().await?;
        }
        Ok(())
    }

    async fn no_sound(&mut self) -> Result<(), Gone> {
        let (has_video, sound) = (self.track.job.probe.video.is_some(), Sound::None);
        self.send(Event::Opened { has_video, sound }).await
    }

    async fn send(&mut self, event: Event) -> Result<(), Gone> {
        let before = self.clock.monotonic();
        let taken = self.outlet.send(event).await;
        // While the channel does not listen nobody waits for the sound.
        self.track.heard_at += self.clock.monotonic().saturating_sub(before);
        if taken { Ok(()) } else { Err(Gone) }
    }
}

/// The last DTS of `units`, or where it was before.
fn reached(units: &[AccessUnit], before: Ticks90k) -> Ticks90k {
    units.iter().map(|u| u.dts).fold(before, Ticks90k::max)
}

/// The next event; never where there is no feed.
async fn next(feed: &mut Option<Feed>) -> Option<Event> {
    match feed {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}

/// The sound of an item: an ffmpeg, and what is done when it fails.
struct SoundTrack {
    transcoder: Option<Transcoder>,
    job: Job,
    offset: Ticks90k,
    /// `None` before the place to begin is known, between two attempts, and at the end.
    feed: Option<Feed>,
    begun: bool,
    ended: bool,
    /// Channel time reached.
    to: Ticks90k,
    /// Channel time at the first of the attempts that are counted.
    counted_from: Ticks90k,
    failures: u32,
    backoff: Backoff,
    retry_at: Duration,
    /// When it was last heard of, or not waited for.
    heard_at: Duration,
}

impl SoundTrack {
    fn new(transcoder: Option<Transcoder>, job: Job) -> Self {
        Self {
            transcoder,
            job,
            offset: Ticks90k::ZERO,
            feed: None,
            begun: false,
            ended: false,
            to: Ticks90k(i64::MIN),
            counted_from: Ticks90k::ZERO,
            failures: 0,
            backoff: Backoff::new(),
            retry_at: Duration::ZERO,
            heard_at: Duration::ZERO,
        }
    }

    /// It begins at `from`, in item time.
    fn begin(&mut self, from: Ticks90k, offset: Ticks90k) {
        (self.begun, self.offset) = (true, offset);
        self.to = from + offset;
        self.counted_from = self.to;
    }

    /// Starts ffmpeg when it is time to, and gives up on one that hangs.
    fn look_after(&mut self, wanted: bool, now: Duration) -> Result<(), Error> {
        if !self.begun || self.ended {
            return Ok(());
        }
        if self.feed.is_some() {
            if !wanted {
                self.heard_at = now;
            } else if now.saturating_sub(self.heard_at) >= STALLED {
                let text = format!("nothing came for {} s", STALLED.as_secs());
                return Err(self.failed(Error::new(ErrorKind::Timeout, text), now));
            }
            return Ok(());
        }
        if now < self.retry_at {
            return Ok(());
        }
        let Some(transcoder) = &self.transcoder else {
            self.ended = true;
            return Err(transcode::no_ffmpeg());
        };
        self.job.from = self.to - self.offset;
        if self.job.from >= self.job.to {
            self.ended = true;
            return Ok(());
        }
        let cut = Cut {
            from: self.job.from,
            to: self.job.to,
            offset: self.offset,
        };
        self.feed = Some(transcode::start_job(transcoder, self.job.clone(), cut));
        self.heard_at = now;
        Ok(())
    }

    /// Decides whether there is another attempt. Returns what is to be told.
    fn failed(&mut self, error: Error, now: Duration) -> Error {
        self.feed = None;
        if self.to - self.counted_from >= HEALTHY {
            (self.failures, self.counted_from) = (0, self.to);
            self.backoff.reset();
        }
        self.failures += 1;
        self.retry_at = now + self.backoff.next_wait();
        self.ended = self.failures >= ATTEMPTS;
        error.context("making the sound")
    }
}
