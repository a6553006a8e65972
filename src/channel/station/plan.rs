//! What comes next: asks for the timeline a little ahead of the head and lays it out in parts. One question
//! at a time is under way; a store that does not answer costs slate, never silence.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use super::Station;
use crate::channel::feed::Way;
use crate::channel::programming::OnAir;
use crate::error::{Error, ErrorKind, Result};
use crate::media::Ticks90k;

/// How much of the timeline is planned, and its feeds opened, ahead of the head.
const PLAN: Ticks90k = Ticks90k(8 * 90_000);
/// The same of what comes from a web server, which may have to wake a disk of its own.
const PLAN_URL: Ticks90k = Ticks90k(20 * 90_000);
/// Feeds that may be open, however short their entries are.
const FEEDS: usize = 32;
/// How long after a cold start the picture of an item that must be transcoded is asked for.
const COLD_TRANSCODE: Ticks90k = Ticks90k(1_100 * 90);
/// How much of a gap is planned at once.
const GAP: Ticks90k = Ticks90k(4 * 90_000);
/// How long after a bad answer the question is put again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may take before the question counts as lost.
const LOST: Duration = Duration::from_secs(30);
/// How often bad answers of one kind are logged.
const COMPLAIN: Duration = Duration::from_secs(3600);
/// A good answer so long after a logged bad one is worth a line.
const CALM: Duration = Duration::from_secs(10);

/// A question about the timeline that is under way.
pub(super) struct Question {
    answer: Pin<Box<dyn Future<Output = Result<OnAir>> + Send>>,
    asked_at: Duration,
}

/// The answer to the question under way; never when there is none. Cancel-safe.
pub(super) async fn answer(question: &mut Option<Question>) -> Result<OnAir> {
    match question {
        Some(question) => (&mut question.answer).await,
        None => pending().await,
    }
}

impl Station {
    /// Sees to it that the timeline is asked for when not enough of it is planned.
    pub(super) fn plan(&mut self) {
        let now = self.services.clock.monotonic();
        if let Some(question) = &self.question {
            if now.saturating_sub(question.asked_at) >= LOST {
                self.bad_answer(Error::new(
                    ErrorKind::Timeout,
                    format!("no answer for {} s", LOST.as_secs()),
                ));
            }
            return;
        }
        let planned = self.splicer.planned_to();
        let looked_at = planned.is_some() && planned == self.looked_to;
        let ahead = if looked_at { PLAN } else { PLAN_URL };
        let enough = planned.is_some_and(|to| to >= self.head + ahead);
        if enough || self.feeds.len() >= FEEDS || now < self.ask_again_at {
            return;
        }
        let at = self.pacer.utc_at(self.plan_from());
        let (programming, channel) = (self.services.programming.clone(), self.channel.clone());
        self.question = Some(Question {
            answer: Box::pin(async move { programming.on_air(&channel, at).await }),
            asked_at: now,
        });
    }

    /// Where the next part begins.
    fn plan_from(&self) -> Ticks90k {
        self.splicer
            .planned_to()
            .unwrap_or_else(|| self.pacer.now(&*self.services.clock))
    }

    pub(super) fn answered(&mut self, answer: Result<OnAir>) {
        self.question = None;
        let now = self.services.clock.monotonic();
        let calm = |at: Duration| answer.is_ok() && now.saturating_sub(at) >= CALM;
        if self.complained.is_some_and(|(_, at)| calm(at)) {
            self.complained = None;
            let number = self.channel.number.as_str();
            log::info!(CHANNEL = number; "channel {number} is told again what is on");
        }
        let from = self.plan_from();
        let at = self.pacer.utc_at(from);
        match answer {
            Ok(entry) if entry.stop > at => {
                let is_url = entry.play.as_ref().is_some_and(|play| !play.is_file());
                let early = self.splicer.planned_to() >= Some(self.head + PLAN);
                if early && !is_url {
                    // It is asked for again when its time has come, and may be another one then.
                    self.looked_to = Some(from);
                } else {
                    self.append(entry, from);
                }
            }
            // The slate has been put in its place meanwhile.
            Ok(entry) if entry.stop > entry.start => {}
            Ok(entry) => self.bad_answer(Error::new(
                ErrorKind::Internal,
                format!("entry from {:?} to {:?}", entry.start, entry.stop),
            )),
            Err(error) => self.bad_answer(error),
        }
    }

    fn bad_answer(&mut self, error: Error) {
        let now = self.services.clock.monotonic();
        self.question = None;
        self.ask_again_at = now + ASK_AGAIN;
        let news = self
            .complained
            .is_none_or(|(kind, at)| kind != error.kind() || now.saturating_sub(at) >= COMPLAIN);
        if news {
            self.complained = Some((error.kind(), now));
            let number = self.channel.number.as_str();
            log::log!(error.kind().log_level(), CHANNEL = number, ERROR_KIND = error.kind().name(); "asking what is on channel {number}: {error:#}");
        }
    }

    /// The slate up to `until`, where nothing is planned in time.
    pub(super) fn cover_unplanned(&mut self, until: Ticks90k) {
        let from = self.plan_from();
        if from < until {
            self.splicer.push_slate(from, until);
        }
    }

    fn append(&mut self, entry: OnAir, from: Ticks90k) {
        let cold = self.splicer.planned_to().is_none();
        if cold {
            self.head = from;
        }
        let to = self.pacer.at(entry.stop);
        let Some(play) = entry.play.clone() else {
            // A gap may be filled at any time; whoever watches sees that soon.
            self.splicer.push_slate(from, to.min(from + GAP));
            return;
        };
        let start = self.pacer.at(entry.start);
        // The slate that stands in for a missing beginning ends before the item does.
        let late = cold || from > start;
        let way = Way::of(&play);
        if way != Way::Whole {
            // Without pictures there is no random access point to wait for.
            let part = if cold && play.probe.video.is_some() {
                self.splicer.push_cold_feed(start, from, to)
            } else {
                self.splicer.push_feed(from, to)
            };
            self.add_feed(part, entry, play, from, way);
            return;
        }
        let picture = if late {
            (from + COLD_TRANSCODE).min(to)
        } else {
            from
        };
        if picture > from {
            self.splicer.push_slate(from, picture);
        }
        if picture < to {
            let part = self.splicer.push_feed(picture, to);
            self.add_feed(part, entry, play, picture, way);
        }
    }
}
