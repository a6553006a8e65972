//! Joins what the feeds deliver into one stream of access units without a seam: cuts, order of decoding,
//! the grid of audio frames, and black-and-silent cover wherever a feed leaves a hole.
//!
//! All times are channel time. A part is a stretch `[from, to)` of it that one feed fills (or nobody:
//! the slate). Parts touch. Pictures and sound move from part to part independently, so the first
//! pictures of a part are multiplexed while the last sound of the one before is still going out.
//!
//! - A picture stream is entered at a random access point; pictures shown before it are dropped. It ends
//!   before the first picture in decode order that is shown at or after `to`.
//! - PTS never moves. DTS rises by at least a tick: where reordering deepens at a join, the DTS of the
//!   pictures that collide are spread evenly before the first that does not.
//! - An audio frame goes out when its PTS lies in the part and at most a quarter of a frame before the
//!   end of the last one; a gap over one frame is filled with silence.

mod audio;
mod part;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::media::{AccessUnit, Format, StreamKind, Ticks90k, VideoCodec};
use crate::mux::slate::Slate;
use audio::{AudioEnd, Silence};
use part::{Kind, Part};

/// A hole in the picture longer than this is covered by the slate; a shorter one holds the last picture.
const COVERED_HOLE: Ticks90k = Ticks90k(45_000);
/// How far one stream of a feed may run ahead of the other before the other counts as absent.
const SKEW: Ticks90k = Ticks90k(3 * 90_000);
/// Coded bytes of one stream that may wait for the other.
const WAITING_BYTES: usize = 24 << 20;

/// Names a part for as long as the splicer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartId(u64);

/// What sound a feed has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// None: silence takes its place at once.
    None,
    /// From where the pictures come, so that where these are far ahead it is missing.
    Along,
    /// From somewhere else: silence takes its place when [`Splicer::cover`] says so.
    Apart,
}

/// What [`Splicer::next`] has to say.
#[derive(Debug)]
pub enum Next {
    /// The next unit of the channel, in decode order over both streams.
    Unit(AccessUnit),
    /// This part's feed has to deliver first.
    Blocked(PartId),
    /// Every part has been played out.
    Idle,
}

/// What was left out and put in so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpliceCounts {
    /// Pictures of the slate.
    pub slate_pictures: u64,
    /// Silent frames put in.
    pub silent_frames: u64,
    /// Units dropped at cuts, overlaps and entries.
    pub dropped: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Splicer {
    slate: Slate,
    silence: Option<Silence>,
    is_h264: bool,
    parts: VecDeque<Part>,
    next_id: u64,
    /// Index into `parts` of the part whose pictures, and whose sound, are being emitted.
    video_at: usize,
    audio_at: usize,
    last_video_dts: Option<Ticks90k>,
    video_end: Option<Ticks90k>,
    slate_run: Option<SlateRun>,
    audio_end: Option<AudioEnd>,
    counts: SpliceCounts,
}

#[derive(Clone, Copy, Debug)]
struct SlateRun {
    start: Ticks90k,
    pictures: u64,
}

enum Front {
    /// The stream's next unit has this DTS and comes from here.
    Ready(Ticks90k, From),
    /// Nothing can be said before this part's feed delivers, but that nothing is due before this time.
    Blocked(PartId, Ticks90k),
    /// Nothing is due; the other stream need not wait.
    Free,
}

#[derive(Clone, Copy)]
enum From {
    Queue,
    Cover,
}

impl Splicer {
    /// A splicer for a channel of `format`.
    pub fn new(format: &Format) -> Self {
        Self {
            slate: Slate::for_format(format),
            silence: Silence::for_format(format),
            is_h264: format.video == VideoCodec::H264,
            parts: VecDeque::new(),
            next_id: 0,
            video_at: 0,
            audio_at: 0,
            last_video_dts: None,
            video_end: None,
            slate_run: None,
            audio_end: None,
            counts: SpliceCounts::default(),
        }
    }

    /// Appends a part that a feed fills.
    pub fn push_feed(&mut self, from: Ticks90k, to: Ticks90k) -> PartId {
        self.push(from, to, Kind::Feed)
    }

    /// Begins with a part that a feed fills from wherever its first random access point lies that is not
    /// before `earliest`.
    pub fn push_cold_feed(&mut self, earliest: Ticks90k, from: Ticks90k, to: Ticks90k) -> PartId {
        let id = self.push(from, to, Kind::Cold);
        if let Some(part) = self.part_mut(id) {
            part.enter_from = earliest;
        }
        id
    }

    /// Appends a part that shows the slate.
    pub fn push_slate(&mut self, from: Ticks90k, to: Ticks90k) -> PartId {
        self.push(from, to, Kind::Slate)
    }

    fn push(&mut self, from: Ticks90k, to: Ticks90k, kind: Kind) -> PartId {
        let id = PartId(self.next_id);
        self.next_id += 1;
        self.parts.push_back(Part::new(id, from, to, kind));
        id
    }

    /// Takes a unit that the feed of `part` delivered, in decode order of its stream. Returns whether it
    /// is of use.
    pub fn offer(&mut self, part: PartId, unit: AccessUnit) -> bool {
        let is_h264 = self.is_h264;
        let Some(part) = self.part_mut(part) else {
            return false;
        };
        let kept = match unit.kind {
            StreamKind::Video => part.offer_video(unit, is_h264),
            StreamKind::Audio => part.offer_audio(unit),
        };
        self.counts.dropped += u64::from(!kept);
        kept
    }

    /// The feed of `part` will deliver nothing more.
    pub fn finish(&mut self, part: PartId) {
        if let Some(part) = self.part_mut(part) {
            part.ended = true;
        }
    }

    /// The feed of `part` is open. Said again, it is the last word that counts.
    pub fn opened(&mut self, part: PartId, has_video: bool, sound: Sound) {
        if let Some(part) = self.part_mut(part) {
            (part.has_video, part.sound) = (has_video, Some(sound));
        }
    }

    /// The feed of `part` will be replaced by another one, which is entered after what the first delivered.
    /// Returns the part that the other one fills; `None` when nothing is missing.
    pub fn replace_feed(&mut self, part: PartId) -> Option<PartId> {
        let at = self.parts.iter().position(|p| p.id == part)?;
        let shown = self.video_end.filter(|_| at == self.video_at);
        let begins = self.next_id;
        let part = self.parts.get_mut(at)?;
        if part.video_done || at < self.video_at {
            part.ended = true;
            return None;
        }
        let end = part.shown_to.max(shown.unwrap_or(part.from)).min(part.to);
        if part.entered.is_none() && part.video.is_empty() {
            let from = if part.is_cold {
                part.from
            } else {
                part.enter_from
            };
            part.enter_from = from.max(end);
            (part.has_video, part.sound, part.audio_done) = (true, None, false);
            (part.is_cold, part.ended) = (false, false);
            return Some(part.id);
        }
        let rest = Part::new(PartId(begins), end, part.to, Kind::Feed);
        (part.to, part.ended, part.video_done) = (end, true, true);
        part.audio.retain(|frame| frame.pts < end);
        part.audio_bytes = part.audio.iter().map(|frame| frame.data.len()).sum();
        if rest.from >= rest.to {
            return None;
        }
        self.next_id += 1;
        self.parts.insert(at + 1, rest);
        Some(PartId(begins))
    }

    /// Pictures of `part` before this are not entered at.
    pub fn enters_from(&self, part: PartId) -> Option<Ticks90k> {
        self.part(part).filter(|p| !p.is_cold).map(|p| p.enter_from)
    }

    /// How much of the end of `part` its feed has not delivered.
    pub fn missing(&self, part: PartId) -> Ticks90k {
        let missing = |p: &Part| match p.video_done {
            true => Ticks90k::ZERO,
            false => p.to - p.shown_to.max(p.audio_seen),
        };
        self.part(part).map_or(Ticks90k::ZERO, missing)
    }

    /// Coded bytes that wait in `part`.
    pub fn queued_bytes(&self, part: PartId) -> usize {
        self.part(part).map_or(0, |p| p.video_bytes + p.audio_bytes)
    }

    /// The feed of `part` is late: slate and silence go out up to `until`, whatever it delivers meanwhile.
    /// A part that has not begun begins at `from`.
    pub fn cover(&mut self, part: PartId, from: Ticks90k, until: Ticks90k) {
        if let Some(part) = self.part_mut(part) {
            if std::mem::take(&mut part.is_cold) {
                (part.from, part.enter_from) = (from, from);
            }
            part.cover_to = part.cover_to.max(until.min(part.to));
        }
    }

    /// Whether the feed of this part is still of use.
    pub fn is_open(&self, part: PartId) -> bool {
        self.part(part).is_some()
    }

    fn part(&self, id: PartId) -> Option<&Part> {
        self.parts.iter().find(|p| p.id == id)
    }

    fn part_mut(&mut self, id: PartId) -> Option<&mut Part> {
        self.parts.iter_mut().find(|p| p.id == id)
    }

    /// Where the last part ends; `None` without parts.
    pub fn planned_to(&self) -> Option<Ticks90k> {
        self.parts.back().map(|p| p.to)
    }

    /// Parts that have not been played out.
    pub fn open_parts(&self) -> usize {
        self.parts.len()
    }

    /// What was left out and put in so far.
    pub fn counts(&self) -> SpliceCounts {
        self.counts
    }

    /// The next unit of the channel.
    #[expect(
        clippy::should_implement_trait,
        reason = "no iterator: it goes on after it was blocked"
    )]
    pub fn next(&mut self) -> Next {
        loop {
            let video = self.video_front();
            let audio = self.audio_front();
            let unit = match (video, audio) {
                (Front::Free, Front::Free) => return Next::Idle,
                (Front::Ready(v, from), Front::Ready(a, _)) if v <= a => self.take_video(from),
                (Front::Ready(v, from), Front::Blocked(_, until)) if v < until => {
                    self.take_video(from)
                }
                (Front::Blocked(_, until), Front::Ready(a, from)) if a < until => {
                    self.take_audio(from)
                }
                (Front::Blocked(part, _), _) | (_, Front::Blocked(part, _)) => {
                    return Next::Blocked(part);
                }
                (Front::Ready(_, from), Front::Free) => self.take_video(from),
                (_, Front::Ready(_, from)) => self.take_audio(from),
            };
            self.forget_played();
            if let Some(unit) = unit {
                return Next::Unit(unit);
            }
        }
    }

    fn forget_played(&mut self) {
        while self.video_at > 0 && self.audio_at > 0 {
            self.parts.pop_front();
            self.video_at -= 1;
            self.audio_at -= 1;
        }
    }

    /// PTS of the next slate picture, were it shown now in `part`.
    fn slate_pts(&self, part: &Part) -> Ticks90k {
        match self.slate_run {
            Some(run) => {
                run.start
                    + Ticks90k(
                        self.slate
                            .frame_duration()
                            .0
                            .saturating_mul(run.pictures as i64),
                    )
            }
            None => {
                let after_dts = self.last_video_dts.map_or(part.from, |d| d + Ticks90k(1));
                if part.is_slate {
                    part.from.max(after_dts)
                } else {
                    self.video_end.unwrap_or(part.from).max(after_dts)
                }
            }
        }
    }

    fn video_front(&mut self) -> Front {
        let half_picture = Ticks90k(self.slate.frame_duration().0 / 2);
        while let Some(part) = self.parts.get(self.video_at) {
            let slate_pts = self.slate_pts(part);
            if part.is_slate || !part.has_video {
                if slate_pts + half_picture < part.to {
                    return Front::Ready(slate_pts, From::Cover);
                }
                self.video_at += 1;
                continue;
            }
            if let Some(front) = part.video.front() {
                if !part.joined {
                    let hole = self
                        .video_end
                        .is_some_and(|end| front.pts - end > COVERED_HOLE);
                    let running = self.slate_run.is_some();
                    if (hole || running) && slate_pts + half_picture < front.pts {
                        return Front::Ready(slate_pts, From::Cover);
                    }
                    let (blocked, covered) = (
                        part.blocked(),
                        slate_pts < part.cover_to || part.is_covered_to_its_end(),
                    );
                    if !self.join(covered) {
                        return blocked;
                    }
                    continue;
                }
                return Front::Ready(front.dts, From::Queue);
            }
            if part.video_done || part.ended {
                let end = self.video_end.unwrap_or(part.from);
                // The last picture of an item may stand long, an item without any may not.
                let unfinished = part.ended && !part.video_done || part.entered.is_none();
                let short = unfinished && part.to.0 != i64::MAX && part.to - end > COVERED_HOLE;
                if (short || self.slate_run.is_some())
                    && slate_pts + half_picture < part.to
                    && part.to.0 != i64::MAX
                {
                    return Front::Ready(slate_pts, From::Cover);
                }
                self.video_at += 1;
                continue;
            }
            let absent = part.audio_seen - self.video_end.unwrap_or(part.from) > SKEW
                || part.audio_bytes > WAITING_BYTES;
            if slate_pts + half_picture < part.cover_to || (absent && slate_pts < part.audio_seen) {
                return Front::Ready(slate_pts, From::Cover);
            }
            if part.is_covered_to_its_end() {
                self.video_at += 1;
                continue;
            }
            return part.blocked();
        }
        Front::Free
    }

    /// Gives the first pictures of a part their DTS. `false` when too few of them are known yet and the
    /// others are not to be given up.
    fn join(&mut self, now: bool) -> bool {
        let last = self.last_video_dts;
        let Some(part) = self.parts.get_mut(self.video_at) else {
            return false;
        };
        if let Some(last) = last {
            let colliding = part.video.iter().take_while(|u| u.dts <= last).count();
            let first_free = match part.video.get(colliding) {
                Some(unit) => unit.dts,
                None if part.video_done || part.ended || now => {
                    part.video.back().map_or(last, |u| u.pts)
                }
                None => return false,
            };
            let room = (first_free - last).0.max(0);
            let places = colliding as i64 + 1;
            // None after its own display, nor after that of one decoded later.
            let mut latest = Ticks90k(i64::MAX);
            let spread = part.video.range_mut(..colliding).enumerate();
            for (place, unit) in spread.rev() {
                let place = place as i64 + 1;
                latest = unit.pts.min(latest - Ticks90k(1));
                unit.dts = (last + Ticks90k(room * place / places)).min(latest);
            }
        }
        part.joined = true;
        true
    }

    fn take_video(&mut self, from: From) -> Option<AccessUnit> {
        let mut unit = AccessUnit::default();
        match from {
            From::Cover => {
                let pts = self.slate_pts(self.parts.get(self.video_at)?);
                let run = self.slate_run.get_or_insert(SlateRun {
                    start: pts,
                    pictures: 0,
                });
                self.slate.video(run.pictures, &mut unit);
                run.pictures += 1;
                (unit.pts, unit.dts) = (pts, pts);
                self.counts.slate_pictures += 1;
                self.enter_again_after(pts + unit.duration);
            }
            From::Queue => {
                let part = self.parts.get_mut(self.video_at)?;
                unit = part.video.pop_front()?;
                part.video_bytes -= unit.data.len();
                self.slate_run = None;
                let least = self
                    .last_video_dts
                    .map_or(unit.dts, |last| last + Ticks90k(1));
                unit.dts = unit.dts.max(least);
                if unit.dts > unit.pts {
                    // Only a source whose own order is broken gets here.
                    self.counts.dropped += 1;
                    return None;
                }
            }
        }
        self.last_video_dts = Some(unit.dts);
        let end = unit.pts + unit.duration;
        self.video_end = Some(self.video_end.map_or(end, |e| e.max(end)));
        Some(unit)
    }

    /// After a slate picture the decoder knows nothing of the feed's pictures any more.
    fn enter_again_after(&mut self, end: Ticks90k) {
        if let Some(part) = self.parts.get_mut(self.video_at) {
            if part.video.is_empty() {
                part.enter_from = part.enter_from.max(end);
                part.entered = None;
            }
            part.joined = false;
        }
    }
}
