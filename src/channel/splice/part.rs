//! One part of a channel's time: what its feed delivered and what of that is kept.

use std::collections::VecDeque;

use super::{Front, PartId, Sound};
use crate::media::nal::Restart;
use crate::media::{AccessUnit, Rap, Ticks90k};

/// Who fills a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A feed.
    Feed,
    /// A feed whose first random access point says where the part begins.
    Cold,
    /// Nobody.
    Slate,
}

/// A stretch of channel time.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) id: PartId,
    pub(super) from: Ticks90k,
    pub(super) to: Ticks90k,
    pub(super) is_slate: bool,
    /// `from` is not known before the first picture.
    pub(super) is_cold: bool,
    /// Whether the feed has pictures, which is assumed until it is open.
    pub(super) has_video: bool,
    /// What sound the feed has; `None` until it is open.
    pub(super) sound: Option<Sound>,
    /// The feed will deliver nothing more.
    pub(super) ended: bool,
    /// Pictures before this are not entered at; moves on while the slate covers.
    pub(super) enter_from: Ticks90k,
    /// PTS of the random access point at which the pictures were entered.
    pub(super) entered: Option<Ticks90k>,
    /// The entry was a recovery point of H.264: its pictures are made to follow an IDR picture.
    restart: Option<Restart>,
    /// The first picture after an entry has been given its DTS.
    pub(super) joined: bool,
    pub(super) video: VecDeque<AccessUnit>,
    pub(super) audio: VecDeque<AccessUnit>,
    pub(super) video_bytes: usize,
    pub(super) audio_bytes: usize,
    pub(super) video_done: bool,
    pub(super) audio_done: bool,
    pub(super) video_seen: Ticks90k,
    pub(super) audio_seen: Ticks90k,
    /// Where the last picture delivered ends.
    pub(super) shown_to: Ticks90k,
    /// While the feed is late, slate and silence run up to here.
    pub(super) cover_to: Ticks90k,
}

impl Part {
    pub(super) fn new(id: PartId, from: Ticks90k, to: Ticks90k, kind: Kind) -> Self {
        let (is_slate, is_cold) = (kind == Kind::Slate, kind == Kind::Cold);
        Self {
            id,
            from,
            to,
            is_slate,
            is_cold,
            has_video: !is_slate,
            sound: is_slate.then_some(Sound::None),
            ended: is_slate,
            enter_from: if is_cold { Ticks90k(i64::MIN) } else { from },
            entered: None,
            restart: None,
            joined: false,
            video: VecDeque::new(),
            audio: VecDeque::new(),
            video_bytes: 0,
            audio_bytes: 0,
            video_done: false,
            audio_done: false,
            video_seen: from,
            audio_seen: from,
            shown_to: from,
            cover_to: Ticks90k(i64::MIN),
        }
    }

    /// The slate has been asked for up to where the part ends.
    pub(super) fn is_covered_to_its_end(&self) -> bool {
        self.cover_to >= self.to
    }

    /// What a stream has to say that has nothing to show: while the slate covers, nothing comes before
    /// the end of that.
    pub(super) fn blocked(&self) -> Front {
        let covered = self.cover_to > self.from;
        Front::Blocked(
            self.id,
            if covered {
                self.cover_to
            } else {
                Ticks90k(i64::MIN)
            },
        )
    }

    /// Whether the picture was kept.
    pub(super) fn offer_video(&mut self, mut unit: AccessUnit, is_h264: bool) -> bool {
        if self.video_done {
            return false;
        }
        if unit.pts >= self.to {
            self.video_done = self.entered.is_some() || unit.dts >= self.to;
            return false;
        }
        match self.entered {
            None if unit.rap != Rap::No && unit.pts >= self.enter_from => {
                self.entered = Some(unit.pts);
                self.joined = false;
                self.restart = is_h264.then(|| Restart::at(&mut unit)).flatten();
                if std::mem::take(&mut self.is_cold) {
                    (self.from, self.audio_seen, self.cover_to) = (unit.pts, unit.pts, unit.pts);
                    self.shown_to = unit.pts;
                }
            }
            None => return false,
            Some(entry) if unit.pts < entry => return false,
            Some(_) => {
                self.restart = self
                    .restart
                    .take()
                    .and_then(|mut r| r.follow(&mut unit).then_some(r));
            }
        }
        self.video_seen = self.video_seen.max(unit.dts);
        self.shown_to = self.shown_to.max(unit.pts + unit.duration);
        self.video_bytes += unit.data.len();
        self.video.push_back(unit);
        true
    }

    /// Whether the frame was kept.
    pub(super) fn offer_audio(&mut self, unit: AccessUnit) -> bool {
        if self.audio_done {
            return false;
        }
        if unit.pts >= self.to {
            self.audio_done = true;
            return false;
        }
        self.audio_seen = self.audio_seen.max(unit.pts);
        if unit.pts < self.from || self.is_cold {
            return false;
        }
        self.audio_bytes += unit.data.len();
        self.audio.push_back(unit);
        true
    }
}
