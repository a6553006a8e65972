//! Finding the random access point from which a time can be played: through the Cues where they help,
//! else by halving the file, and always by looking at the pictures themselves.

use super::Mkv;
use super::clusters::{Block, Cluster, Walker, cluster_time, find_cluster, previous_cluster};
use super::cues::{self, Cue};
use super::ebml::{Element, PEEK_BYTES};
use crate::error::Result;
use crate::media::nal;
use crate::media::time::Ticks90k;
use crate::media::unit::{Rap, VideoCodec};

/// A cue further than this before the target is not walked from.
const CUE_REACH: Ticks90k = Ticks90k(20 * 90_000);

/// Halving ends at a span that is quicker walked.
const WALKED_BYTES: u64 = 256 * 1024;

/// How far in front of a time its random access point is looked for. What stands further away fits no
/// ring, so such a file is not copied anyway.
const WALKED_BACK_BYTES: u64 = 256 * 1024 * 1024;

/// How much is looked through for clusters by one halving of the file. Ordinary films take a tenth of it.
const HALVING_BYTES: u64 = 128 * 1024 * 1024;

/// How far in front of the random access point's cluster sound is looked for.
const AUDIO_REACH_BYTES: u64 = 8 * 1024 * 1024;

/// Pictures looked at for the first random access point of a file that begins in the middle of a GOP.
const FIRST_PICTURES: usize = 4_096;

/// A random access point in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) block: Block,
    pub(super) pts: Ticks90k,
    /// The cluster walked through before the block's own.
    previous: Option<u64>,
}

impl Mkv {
    /// See [`super::Demuxer::seek`].
    pub(super) fn seek_to(&mut self, target: Ticks90k) -> Result<Ticks90k> {
        self.window.set_streaming(false);
        if self.streams.video.is_none() {
            return self.seek_audio(target);
        }
        let entry = match self.rap_before(target)? {
            Some(entry) => Some(entry),
            None => self.first_rap()?,
        };
        let Some(entry) = entry else {
            // Not one picture: whatever there is follows from the beginning.
            let first = self.layout.walker(self.layout.first_cluster);
            self.restart(first, 0, target);
            return Ok(target);
        };
        let lowest = self.lowest_from(&entry)?;
        let start = self.audio_start(&entry)?;
        if let Some(video) = &self.video {
            self.reorder.prime(lowest, video.step(), video.grid);
        }
        self.restart(start, entry.block.at, entry.pts);
        Ok(entry.pts)
    }

    /// The frame that covers `target`.
    fn seek_audio(&mut self, target: Ticks90k) -> Result<Ticks90k> {
        let mut cluster = self.cluster_before(target)?;
        if let Some(previous) = previous_cluster(&mut self.window, cluster)? {
            cluster = previous;
        }
        self.restart(self.layout.walker(cluster), 0, target);
        self.fill()?;
        Ok(self.waiting_audio.front().map_or(target, |frame| frame.pts))
    }

    /// The last random access point at or before `target`.
    pub(super) fn rap_before(&mut self, target: Ticks90k) -> Result<Option<Entry>> {
        let mut latest = target;
        // A cue that names no random access point costs one step back; more of them are not believed.
        for _ in 0..4 {
            let Some((cue, before)) = self.cue_before(latest)? else {
                break;
            };
            let pts = self.cue_pts(&cue);
            if target - pts > CUE_REACH || !self.is_true(&cue)? {
                break;
            }
            if let Some(mut entry) = self.last_rap_from(cue.cluster, target)? {
                entry.previous = entry.previous.or(before);
                return Ok(Some(entry));
            }
            latest = pts - Ticks90k(1);
        }
        let (mut from, mut back) = (target, Ticks90k::SECOND);
        let mut nearest = None;
        loop {
            let cluster = self.cluster_before(from)?;
            if let Some(entry) = self.last_rap_from(cluster, target)? {
                return Ok(Some(entry));
            }
            let nearest = *nearest.get_or_insert(cluster);
            if cluster <= self.layout.first_cluster || nearest - cluster > WALKED_BACK_BYTES {
                return Ok(None);
            }
            let time = cluster_time(&mut self.window, cluster)?.unwrap_or(0);
            back = back + back;
            from = from.min(self.layout.ticks(time)) - back;
        }
    }

    /// The first random access point of the file; the first picture when there is none.
    pub(super) fn first_rap(&mut self) -> Result<Option<Entry>> {
        let mut walker = self.layout.walker(self.layout.first_cluster);
        let mut first = None;
        let mut seen = 0;
        while seen < FIRST_PICTURES
            && let Some(block) = walker.next(&mut self.window)?
        {
            let Some(pts) = self.video_pts(&block) else {
                continue;
            };
            seen += 1;
            let entry = Entry {
                block,
                pts,
                previous: None,
            };
            if self.is_rap(&block)? {
                return Ok(Some(entry));
            }
            first.get_or_insert(entry);
        }
        Ok(first)
    }

    /// Walks from the cluster at `start` to the last random access point at or before `target`.
    fn last_rap_from(&mut self, start: u64, target: Ticks90k) -> Result<Option<Entry>> {
        let mut walker = self.layout.walker(start);
        let mut found = None;
        let (mut cluster, mut previous) = (None, None);
        while let Some(block) = walker.next(&mut self.window)? {
            if cluster != Some(block.cluster) {
                previous = cluster.replace(block.cluster);
            }
            let Some(pts) = self.video_pts(&block) else {
                continue;
            };
            // No random access point is shown before a picture that is decoded in front of it.
            if pts > target {
                break;
            }
            if self.is_rap(&block)? {
                found = Some(Entry {
                    block,
                    pts,
                    previous,
                });
                if pts == target {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The presentation time of a block of the video track.
    pub(super) fn video_pts(&self, block: &Block) -> Option<Ticks90k> {
        self.video
            .as_ref()
            .filter(|video| video.track.number == block.header.track)
            .map(|video| video.pts(&self.layout, block.time))
    }

    /// Whether decoding can start at a block of the video track, by its NAL units; by the container's
    /// flag for codecs that we do not know.
    pub(super) fn is_rap(&mut self, block: &Block) -> Result<bool> {
        Ok(self.rap_of(block)? != Rap::No)
    }

    /// The same, told in full.
    pub(super) fn rap_of(&mut self, block: &Block) -> Result<Rap> {
        let Some(video) = &self.video else {
            return Ok(Rap::No);
        };
        let Some(config) = &video.config else {
            return Ok(if block.key { Rap::Clean } else { Rap::No });
        };
        if !block
            .header
            .frames(&mut self.window, block.end, &mut self.places)?
        {
            return Ok(Rap::No);
        }
        let Some(place) = self.places.first() else {
            return Ok(Rap::No);
        };
        let (codec, length) = (config.codec, config.nal_length_bytes);
        let bytes = usize::try_from(place.bytes).unwrap_or(PEEK_BYTES);
        // Messages of many sizes may stand in front of the slice; most often there are none.
        for len in [512, 4_096, PEEK_BYTES] {
            let start = self.window.peek(place.at, bytes.min(len))?;
            let facts = if video.track.stripped.is_empty() {
                nal::inspect_start(codec, start, length)
            } else {
                let whole = [&video.track.stripped, start].concat();
                nal::inspect_start(codec, &whole, length)
            };
            if let Some(facts) = facts {
                return Ok(facts.rap);
            }
            if bytes <= len {
                break;
            }
        }
        Ok(Rap::No)
    }

    /// The lowest time from a random access point on: its own, or that of the first of the pictures that
    /// directly follow it and are shown before it.
    fn lowest_from(&mut self, entry: &Entry) -> Result<Ticks90k> {
        let mut lowest = entry.pts;
        let intra_only = self.video.as_ref().is_some_and(|video| {
            video.reorder_depth == 0 && video.codec() != Some(VideoCodec::Mpeg2)
        });
        if intra_only {
            return Ok(lowest);
        }
        let mut walker = self.layout.walker(entry.block.cluster);
        let mut seen = 0;
        while seen < 32
            && let Some(block) = walker.next(&mut self.window)?
        {
            if block.at <= entry.block.at {
                continue;
            }
            match self.video_pts(&block) {
                Some(pts) if pts < entry.pts => lowest = lowest.min(pts),
                Some(_) => break,
                None => {}
            }
            seen += 1;
        }
        Ok(lowest)
    }

    /// Where to read from so that no sound at or behind the random access point is missed: sound may be
    /// stored in front of the picture that it belongs to, and so in the cluster before.
    fn audio_start(&mut self, entry: &Entry) -> Result<Walker> {
        let cluster = entry.block.cluster;
        if self.audio.is_none() {
            return Ok(self.layout.walker(cluster));
        }
        let mut previous = match entry.previous {
            Some(previous) => Some(previous),
            None => previous_cluster(&mut self.window, cluster)?,
        };
        if previous.is_none()
            && cluster > self.layout.first_cluster
            && let Some(time) = cluster_time(&mut self.window, cluster)?
        {
            previous = Some(self.cluster_before(self.layout.ticks(time) - Ticks90k(1))?);
        }
        let near = |at: &u64| *at < cluster && cluster - *at <= AUDIO_REACH_BYTES;
        let Some(previous) = previous.filter(near) else {
            return Ok(self.layout.walker(cluster));
        };
        match self.late_sound_of(previous, entry)? {
            Some(walker) => Ok(walker),
            None => Ok(self.layout.walker(previous)),
        }
    }

    /// The last blocks of the cluster in front of the random access point's, when a frame among them ends
    /// in front of it: then nothing before them is needed.
    fn late_sound_of(&mut self, at: u64, entry: &Entry) -> Result<Option<Walker>> {
        let element = Element::read(&mut self.window, at)?;
        let Some(element) =
            element.filter(|e| e.size.is_some() && e.end(self.layout.end) == entry.block.cluster)
        else {
            return Ok(None);
        };
        let time = cluster_time(&mut self.window, at)?;
        let Some(row) = self.last_row(&element, entry.block.cluster)? else {
            return Ok(None);
        };
        let cluster = Cluster {
            at,
            end: Some(entry.block.cluster),
            time,
        };
        let (end, tracks) = (self.layout.end, self.layout.numbers());
        let mut walker = Walker::inside_of(cluster, row, entry.block.cluster, tracks);
        let Some(audio) = &self.audio else {
            return Ok(None);
        };
        while let Some(block) = walker.next(&mut self.window)? {
            if block.header.track == audio.number {
                let begins = audio.pts(&self.layout, block.time, 0);
                let early = begins + audio.track.frame_duration() <= entry.pts;
                return Ok(early.then(|| Walker::inside_of(cluster, row, end, tracks)));
            }
        }
        Ok(None)
    }

    pub(super) fn cue_pts(&self, cue: &Cue) -> Ticks90k {
        match &self.video {
            Some(video) => video.pts(&self.layout, cue.time),
            None => self.layout.ticks(cue.time),
        }
    }

    /// The last cue of the video at or before `target`, and the cluster of one before it.
    pub(super) fn cue_before(&mut self, target: Ticks90k) -> Result<Option<(Cue, Option<u64>)>> {
        let Some(video) = &self.video else {
            return Ok(None);
        };
        let (mut found, mut before) = (None::<Cue>, None);
        let layout = &self.layout;
        cues::walk(&mut self.window, layout, video.track.number, |cue| {
            if video.pts(layout, cue.time) > target {
                return false;
            }
            if let Some(last) = found.replace(cue)
                && last.cluster != cue.cluster
            {
                before = Some(last.cluster);
            }
            true
        })?;
        Ok(found.map(|cue| (cue, before)))
    }

    /// Whether there is a cluster where a cue says, whose blocks may have the cue's time: they lie within
    /// 16 bits of the cluster's.
    pub(super) fn is_true(&mut self, cue: &Cue) -> Result<bool> {
        let time = cluster_time(&mut self.window, cue.cluster)?;
        Ok(time.is_some_and(|time| i16::try_from(cue.time.saturating_sub(time)).is_ok()))
    }

    /// The last cluster that begins at or before `target`, by halving the file; the first when none does.
    /// Looks through at most [`HALVING_BYTES`] for clusters, whatever stands there.
    pub(super) fn cluster_before(&mut self, target: Ticks90k) -> Result<u64> {
        let mut budget = HALVING_BYTES;
        let mut low = self.layout.first_cluster;
        let mut behind_low = self.cluster_end(low)?;
        let mut high = self.layout.end;
        // The first cluster known to begin behind the target.
        let mut next = None;
        while high - low.min(high) > WALKED_BYTES && (next.is_none() || next != behind_low) {
            let middle = low.midpoint(high);
            match self.cluster_at(middle, high, &mut budget)? {
                Some((at, time)) if time <= target => {
                    low = at;
                    behind_low = self.cluster_end(low)?;
                }
                found => {
                    next = found.map(|(at, _)| at).or(next);
                    high = middle;
                }
            }
        }
        // From `low` on, cluster by cluster.
        let mut from = behind_low.unwrap_or(low + 1);
        while next != Some(from)
            && let Some((at, time)) = self.cluster_at(from, self.layout.end, &mut budget)?
        {
            if time > target {
                break;
            }
            low = at;
            from = self.cluster_end(at)?.unwrap_or(at + 1);
        }
        Ok(low)
    }

    /// Where the cluster at `at` ends, when it tells that.
    fn cluster_end(&mut self, at: u64) -> Result<Option<u64>> {
        let cluster = Element::read(&mut self.window, at)?;
        let end = cluster.filter(|e| e.size.is_some());
        Ok(end.map(|cluster| cluster.end(self.layout.end)))
    }

    fn cluster_at(
        &mut self,
        from: u64,
        to: u64,
        budget: &mut u64,
    ) -> Result<Option<(u64, Ticks90k)>> {
        let to = to.min(from.saturating_add(*budget));
        let found = find_cluster(&mut self.window, from, to)?;
        *budget -= found.unwrap_or(to).saturating_sub(from).min(*budget);
        let Some(at) = found else {
            return Ok(None);
        };
        let time = cluster_time(&mut self.window, at)?;
        Ok(time.map(|time| (at, self.layout.ticks(time))))
    }
}
