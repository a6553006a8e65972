//! The feeds of a channel: takes what they deliver, and looks after those that fail or hang.
//!
//! A file that cannot be reached may be back in a moment, so its entry is tried again until it ends. What is
//! wrong with a file itself stays wrong: ffmpeg may read what our demultiplexers cannot, and after that
//! the slate has the rest.

use std::time::Duration;

use super::{COVER, Station};
use crate::channel::feed::{self, Cut, Event, Feed, Way};
use crate::channel::programming::{OnAir, Play};
use crate::channel::ring::FileRef;
use crate::channel::splice::PartId;
use crate::error::{Error, ErrorKind};
use crate::guard::Backoff;
use crate::library::Location;
use crate::media::Ticks90k;

/// A feed from which nothing of use comes for this long while it is waited for is given up.
const STALLED: Duration = Duration::from_secs(10);
/// Attempts at an entry whose file is at fault.
const ATTEMPTS: u32 = 3;
/// Attempts are counted anew after so much of an entry has been delivered.
const SOUND: Ticks90k = Ticks90k(30 * 90_000);
/// A feed that ends so much before its part does has failed.
const SHORT: Ticks90k = Ticks90k(90_000);

/// A part of an entry that a feed fills.
pub(super) struct ActiveFeed {
    pub(super) part: PartId,
    /// `None` while the next attempt is waited for.
    pub(super) feed: Option<Feed>,
    play: Play,
    entry: OnAir,
    way: Way,
    /// See [`AccessUnit::origin`](crate::media::AccessUnit::origin).
    origin: u32,
    /// Where the feed was to begin, in channel time.
    from: Ticks90k,
    /// Failed attempts.
    failures: u32,
    backoff: Backoff,
    retry_at: Duration,
    /// Since when it has been waited for in vain.
    waited_since: Option<Duration>,
}

impl Station {
    /// Opens a feed for `part` that begins at `from`.
    pub(super) fn add_feed(
        &mut self,
        part: PartId,
        entry: OnAir,
        play: Play,
        from: Ticks90k,
        way: Way,
    ) {
        let mut active = ActiveFeed {
            part,
            feed: None,
            play,
            entry,
            way,
            origin: 0,
            from,
            failures: 0,
            backoff: Backoff::new(),
            retry_at: Duration::ZERO,
            waited_since: None,
        };
        self.open(&mut active);
        self.feeds.push(active);
    }

    fn open(&mut self, active: &mut ActiveFeed) {
        let play = &active.play;
        let offset = self.pacer.at(active.entry.start) - play.from;
        let cut = Cut {
            from: active.from - offset,
            to: play.to,
            offset,
        };
        // Only what one file alone made can be read again from it. Web servers are not asked twice.
        active.origin = match &play.location {
            Location::File(path) if active.way == Way::Copy => {
                let file = FileRef::new(play.device.clone(), path.clone(), offset);
                self.tape.origin_of(file)
            }
            _ => 0,
        };
        let format = self.channel.format;
        active.feed = Some(feed::start(&self.services, format, play, active.way, cut));
    }

    pub(super) fn take(&mut self, at: usize, event: Option<Event>) {
        let Some(active) = self.feeds.get_mut(at) else {
            return;
        };
        let part = active.part;
        self.blocked_since = self.pacer.now(&*self.services.clock);
        match event {
            Some(Event::Opened { has_video, sound }) => {
                self.splicer.opened(part, has_video, sound);
            }
            Some(Event::Silent(error)) => {
                if let Some(active) = self.feeds.get(at) {
                    self.tell(active, &error);
                }
            }
            Some(Event::Units(units)) => {
                for mut unit in units {
                    unit.origin = active.origin;
                    if self.splicer.offer(part, unit) {
                        active.waited_since = None;
                    }
                }
            }
            Some(Event::Ended) => {
                let missing = self.splicer.missing(part);
                if missing > SHORT {
                    let text = format!("it ends {:.1} s too early", missing.as_secs_f64());
                    return self.failed(at, Error::new(ErrorKind::Damaged, text));
                }
                self.splicer.finish(part);
                self.feeds.remove(at);
            }
            Some(Event::Failed(error)) => self.failed(at, error),
            None => self.failed(
                at,
                Error::new(
                    ErrorKind::Internal,
                    "the feed ended in a panic; please report this",
                ),
            ),
        }
    }

    /// Gives up on feeds that hang, and tries again those that failed when their time has come.
    pub(super) fn look_after_feeds(&mut self, now: Duration) {
        let blocked = self.blocked;
        let stalled = self.feeds.iter_mut().position(|f| {
            let waited_for = f.feed.is_some() && Some(f.part) == blocked;
            f.waited_since = waited_for.then(|| f.waited_since.unwrap_or(now));
            f.waited_since
                .is_some_and(|since| now.saturating_sub(since) >= STALLED)
        });
        if let Some(at) = stalled {
            let text = format!("nothing came for {} s", STALLED.as_secs());
            self.failed(at, Error::new(ErrorKind::Timeout, text));
        }
        let due = |f: &ActiveFeed| f.feed.is_none() && f.retry_at <= now;
        while let Some(at) = self.feeds.iter().position(due) {
            let mut active = self.feeds.remove(at);
            let head = self.head
                + if active.way == Way::Whole {
                    COVER
                } else {
                    Ticks90k::ZERO
                };
            let enters = self.splicer.enters_from(active.part).unwrap_or(head);
            active.from = enters.max(head);
            if active.from >= self.pacer.at(active.entry.stop) {
                self.splicer.finish(active.part);
                continue;
            }
            self.open(&mut active);
            self.feeds.push(active);
        }
    }

    /// Tries the rest of the entry again or in another way, or leaves it to the slate.
    fn failed(&mut self, at: usize, error: Error) {
        let mut active = self.feeds.remove(at);
        active.feed = None;
        active.waited_since = None;
        self.tell(&active, &error);
        let Some(part) = self.splicer.replace_feed(active.part) else {
            return;
        };
        active.part = part;
        let reached = self.splicer.enters_from(part).unwrap_or(active.from);
        if reached - active.from >= SOUND {
            active.failures = 0;
            active.backoff.reset();
        }
        active.failures += 1;
        let now = self.services.clock.monotonic();
        let can_transcode = self.services.can_transcode() && active.play.is_file();
        match error.kind() {
            ErrorKind::Damaged | ErrorKind::Unsupported | ErrorKind::Internal => {
                // What our demultiplexers cannot read, ffmpeg often can.
                let last = match active.play.probe.video {
                    Some(_) => Way::Whole,
                    None => Way::Sound,
                };
                let other_way = std::mem::replace(&mut active.way, last) != last;
                if !can_transcode || active.failures >= ATTEMPTS {
                    return self.splicer.finish(part);
                }
                active.retry_at = if other_way {
                    now
                } else {
                    now + active.backoff.next_wait()
                };
            }
            _ if active.way == Way::Whole && !can_transcode => return self.splicer.finish(part),
            _ => active.retry_at = now + active.backoff.next_wait(),
        }
        self.feeds.push(active);
    }

    /// The first failures of an entry are worth a line each, those of a long outage are not.
    fn tell(&self, active: &ActiveFeed, error: &Error) {
        self.shared.note_failure(&active.play, error);
        let number = self.channel.number.as_str();
        let level = if active.failures < ATTEMPTS {
            log::Level::Warn
        } else {
            log::Level::Debug
        };
        log::log!(level, CHANNEL = number, ITEM = active.play.item_id, ERROR_KIND = error.kind().name(); "channel {number} cannot go on with {}: {error:#}", active.play.location);
    }
}
