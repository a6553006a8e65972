//! Where a file ends, exactly and with few reads: only the last blocks of the last cluster are looked at
//! where they can be told, else what follows the last cue.

use super::Mkv;
use super::clusters::{Block, Cluster, Walker, cluster_time, find_cluster};
use super::cues::Cue;
use super::ebml::Element;
use super::header::{IN_FRONT_OF_CUES, nanoseconds_to_ticks};
use super::ids;
use super::sync;
use crate::error::Result;
use crate::media::time::Ticks90k;

/// How far in front of the end the last picture is looked for.
const TAIL_BYTES: u64 = 64 * 1024 * 1024;

/// Clusters behind the last cue.
const CLUSTERS_MAX: usize = 1_024;

/// The most pictures that are decoded before one which is shown in front of them.
const DEPTH_MAX: usize = 16;

impl Mkv {
    /// The end of the last picture in display order; of the last sound without pictures. `last_cue` is the
    /// last that the Cues name for the pictures.
    pub(super) fn last_end(&mut self, last_cue: Option<Cue>) -> Result<Ticks90k> {
        let (first, end) = (self.layout.first_cluster, self.layout.end);
        if let Some(cue) = last_cue
            && cue.cluster >= first
            && end.saturating_sub(cue.cluster) <= TAIL_BYTES
            && self.is_true(&cue)?
            && let Some(end) = self.end_behind(cue.cluster)?
        {
            return Ok(end);
        }
        // The clusters at the end may hold sound alone, so it goes back in growing steps.
        let mut back = IN_FRONT_OF_CUES;
        loop {
            let from = end.saturating_sub(back).max(first);
            if let Some(cluster) = find_cluster(&mut self.window, from, end)?
                && let Some(end) = self.end_behind(cluster)?
            {
                return Ok(end);
            }
            if from <= first || back >= TAIL_BYTES {
                return Ok(self.layout.duration.unwrap_or_default());
            }
            back *= 4;
        }
    }

    fn end_behind(&mut self, cluster: u64) -> Result<Option<Ticks90k>> {
        match self.end_of_last_blocks(cluster)? {
            Some(end) => Ok(Some(end)),
            None => {
                let mut walker = self.layout.walker(cluster);
                Ok(self.latest_end(&mut walker)?.0)
            }
        }
    }

    /// The latest end by the last blocks of the last cluster, to which it goes from `cluster` by their
    /// sizes; `None` when those are not known, or the blocks too few to be sure.
    fn end_of_last_blocks(&mut self, mut cluster: u64) -> Result<Option<Ticks90k>> {
        for _ in 0..CLUSTERS_MAX {
            let element = Element::read(&mut self.window, cluster)?;
            let Some(element) = element
                .filter(|e| e.id == ids::CLUSTER && e.size.is_some() && e.fits(self.layout.end))
            else {
                return Ok(None);
            };
            let end = element.end(self.layout.end);
            let behind = Element::read(&mut self.window, end)?;
            match behind.filter(|_| end < self.layout.end) {
                Some(next) if next.id == ids::CLUSTER => cluster = end,
                Some(other) if !ids::is_top_level(other.id) && other.id != ids::VOID => {
                    return Ok(None);
                }
                _ => return self.end_of_last_row(&element, end),
            }
        }
        Ok(None)
    }

    fn end_of_last_row(&mut self, cluster: &Element, end: u64) -> Result<Option<Ticks90k>> {
        let Some(time) = cluster_time(&mut self.window, cluster.at)? else {
            return Ok(None);
        };
        let Some(from) = self.last_row(cluster, end)? else {
            return Ok(None);
        };
        let cluster = Cluster {
            at: cluster.at,
            end: Some(end),
            time: Some(time),
        };
        let mut walker = Walker::inside_of(cluster, from, end, self.layout.numbers());
        let (latest, frames) = self.latest_end(&mut walker)?;
        let sound = walker.bad_blocks == 0 && walker.skipped_bytes == 0;
        // A picture that is shown last may be followed by as many as are reordered.
        let enough = match self.video.as_ref().map(|video| &video.config) {
            Some(Some(config)) if config.reorder_stated => usize::from(config.reorder_depth) + 1,
            Some(_) => DEPTH_MAX + 1,
            None => 1,
        };
        Ok(latest.filter(|_| sound && frames >= enough))
    }

    /// Where among the last blocks of a cluster to begin; with the first where it is small.
    pub(super) fn last_row(&mut self, cluster: &Element, end: u64) -> Result<Option<u64>> {
        if end - cluster.data <= IN_FRONT_OF_CUES {
            return Ok(Some(cluster.data));
        }
        let tail = end - IN_FRONT_OF_CUES;
        self.window.load(tail, IN_FRONT_OF_CUES as usize)?;
        sync::last_row(&mut self.window, tail, end, self.layout.numbers())
    }

    /// The latest end among the frames of the played track that `walker` meets, and how many they are.
    fn latest_end(&mut self, walker: &mut Walker) -> Result<(Option<Ticks90k>, usize)> {
        let (mut latest, mut frames) = (None, 0);
        while let Some(block) = walker.next(&mut self.window)? {
            if let Some(end) = self.end_of(&block)? {
                frames += 1;
                latest = latest.max(Some(end));
            }
        }
        Ok((latest, frames))
    }

    fn end_of(&mut self, block: &Block) -> Result<Option<Ticks90k>> {
        if let Some(video) = &self.video {
            return Ok(self.video_pts(block).map(|pts| {
                let stated = block.duration.and_then(|length| i64::try_from(length).ok());
                pts + stated.map_or(video.frame_duration, |l| self.layout.ticks(l))
            }));
        }
        let Some(audio) = self
            .audio
            .as_ref()
            .filter(|a| a.number == block.header.track)
        else {
            return Ok(None);
        };
        if !block
            .header
            .frames(&mut self.window, block.end, &mut self.places)?
        {
            return Ok(None);
        }
        let last = self.places.len().saturating_sub(1);
        let end = audio.pts(&self.layout, block.time, last) + audio.track.frame_duration();
        // Frames go out whole; what the last one holds of silence is not part of the item.
        Ok(Some(
            end - nanoseconds_to_ticks(i128::from(block.discarded.max(0))),
        ))
    }

    /// A walk that begins with the block which a cue names; `None` when the cue only names a cluster.
    pub(super) fn walker_at(&mut self, cue: &Cue) -> Result<Option<Walker>> {
        let Some(inside) = cue.inside else {
            return Ok(None);
        };
        let element = Element::read(&mut self.window, cue.cluster)?;
        let Some(element) = element.filter(|e| e.id == ids::CLUSTER) else {
            return Ok(None);
        };
        let end = element.end(self.layout.end);
        let cluster = Cluster {
            at: element.at,
            end: Some(end),
            time: cluster_time(&mut self.window, element.at)?,
        };
        let at = element.data.saturating_add(inside);
        let tracks = self.layout.numbers();
        Ok((at < end).then(|| Walker::inside_of(cluster, at, end, tracks)))
    }
}
