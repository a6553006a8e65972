//! From one block to the next through the clusters of a segment, whatever their sizes say, and back
//! onto sound ground behind damage.

use super::block::Header;
use super::ebml::{Element, Window};
use super::ids;
use super::sync::{self, Found, Tracks};
use crate::error::Result;

/// How far a sound cluster is looked for behind damage. Holes of half-finished downloads are longer
/// than this; what lies behind them is given up.
pub(super) const RESYNC_BYTES: u64 = 32 * 1024 * 1024;

/// A block and when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) header: Header,
    /// Where its element (the BlockGroup's, if it is in one) begins: its identity.
    pub(super) at: u64,
    /// Where its content ends.
    pub(super) end: u64,
    /// Where the cluster around it begins.
    pub(super) cluster: u64,
    /// In units of the segment's timestamp scale.
    pub(super) time: i64,
    /// The container's claim that nothing before it is needed. Only a hint.
    pub(super) key: bool,
    /// BlockDuration, in units of the segment's timestamp scale.
    pub(super) duration: Option<u64>,
    /// DiscardPadding: nanoseconds of silence at its end (at its beginning when negative).
    pub(super) discarded: i64,
}

/// A cluster that is walked through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster {
    pub(super) at: u64,
    /// `None` when it does not tell its size.
    pub(super) end: Option<u64>,
    /// In units of the segment's timestamp scale.
    pub(super) time: Option<i64>,
}

/// A place between two elements at the level of clusters or blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walker {
    at: u64,
    /// The end of the segment.
    end: u64,
    cluster: Option<Cluster>,
    tracks: Tracks,
    /// Bytes passed over while looking for sound ground.
    pub(super) skipped_bytes: u64,
    /// Blocks that were cut short or made no sense.
    pub(super) bad_blocks: u64,
}

impl Walker {
    /// Starts in front of the cluster (or any element beside it) at `at`. Blocks behind damage are told
    /// by their being of one of `tracks`.
    pub(super) fn new(at: u64, end: u64, tracks: Tracks) -> Self {
        Self {
            at,
            end,
            cluster: None,
            tracks,
            skipped_bytes: 0,
            bad_blocks: 0,
        }
    }

    /// Starts inside of a cluster, in front of the element at `at`.
    pub(super) fn inside_of(cluster: Cluster, at: u64, end: u64, tracks: Tracks) -> Self {
        Self {
            cluster: Some(cluster),
            ..Self::new(at, end, tracks)
        }
    }

    /// Where it stands.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// The next block; `None` at the end of the segment.
    pub(super) fn next(&mut self, window: &mut Window) -> Result<Option<Block>> {
        loop {
            if self.at >= self.end {
                return Ok(None);
            }
            if let Some(Cluster { end: Some(end), .. }) = self.cluster
                && self.at >= end
            {
                self.cluster = None;
                continue;
            }
            let Some(element) = Element::read(window, self.at)? else {
                self.resync(window)?;
                continue;
            };
            match self.cluster {
                None => {
                    if matches!(element.id, ids::EBML | ids::SEGMENT) {
                        // Another file behind this one.
                        return Ok(None);
                    }
                    self.outside(window, &element)?;
                }
                Some(cluster) if ids::is_top_level(element.id) && cluster.end.is_none() => {
                    self.cluster = None;
                }
                Some(cluster) => {
                    if let Some(block) = self.take(window, cluster, &element)? {
                        return Ok(Some(block));
                    }
                }
            }
        }
    }

    fn outside(&mut self, window: &mut Window, element: &Element) -> Result<()> {
        if element.id == ids::CLUSTER {
            self.cluster = Some(Cluster {
                at: element.at,
                // A cluster cut off by the end of the file still has its first blocks.
                end: element.size.map(|_| element.end(self.end)),
                time: None,
            });
            self.at = element.data;
            return Ok(());
        }
        let known = ids::is_top_level(element.id) || matches!(element.id, ids::VOID | ids::CRC_32);
        if known && element.size.is_some() {
            self.at = element.end(self.end);
            Ok(())
        } else {
            self.resync(window)
        }
    }

    /// Takes one element of a cluster: its time, a block, or something to pass over.
    fn take(
        &mut self,
        window: &mut Window,
        cluster: Cluster,
        element: &Element,
    ) -> Result<Option<Block>> {
        let limit = cluster.end.unwrap_or(self.end);
        if element.size.is_none() || !element.fits(limit) {
            if matches!(element.id, ids::SIMPLE_BLOCK | ids::BLOCK_GROUP) {
                self.bad_blocks += 1;
            }
            self.resync(window)?;
            return Ok(None);
        }
        if !ids::is_in_cluster(element.id) && !self.is_vouched_for(window, element, limit)? {
            self.resync(window)?;
            return Ok(None);
        }
        self.at = element.end(limit);
        match element.id {
            ids::TIMESTAMP => {
                let time = element.uint(window)?.and_then(|t| i64::try_from(t).ok());
                self.cluster = Some(Cluster { time, ..cluster });
                Ok(None)
            }
            ids::SIMPLE_BLOCK => {
                let header = Header::read(window, element.data)?;
                Ok(self.block(cluster, element, header.map(|h| (h, self.at, h.key))))
            }
            ids::BLOCK_GROUP => {
                let (mut found, mut references) = (None, false);
                let (mut duration, mut discarded) = (None, 0);
                element.children(window, |window, child| {
                    match child.id {
                        ids::BLOCK => {
                            found = Header::read(window, child.data)?
                                .map(|header| (header, child.end(limit)));
                        }
                        ids::BLOCK_DURATION => duration = child.uint(window)?,
                        ids::REFERENCE_BLOCK => references = true,
                        ids::DISCARD_PADDING => discarded = child.int(window)?.unwrap_or(0),
                        _ => {}
                    }
                    Ok(())
                })?;
                let found = found.map(|(header, end)| (header, end, !references));
                Ok(self.block(cluster, element, found).map(|block| Block {
                    duration,
                    discarded,
                    ..block
                }))
            }
            id => {
                // A place or a checksum is a number; a larger one was a block.
                let number = matches!(id, ids::POSITION | ids::PREV_SIZE | ids::CRC_32);
                if !ids::is_in_cluster(id) || number && element.size > Some(8) {
                    self.skipped_bytes += self.at - element.at;
                }
                Ok(None)
            }
        }
    }

    /// Whether an element that we do not know ends where blocks begin: then it is of a later version, else
    /// noise.
    fn is_vouched_for(&self, window: &mut Window, element: &Element, limit: u64) -> Result<bool> {
        let end = element.end(limit);
        if end == limit {
            return Ok(self.cluster.is_some_and(|cluster| cluster.end.is_some()));
        }
        sync::row(window, end, limit, self.tracks)
    }

    fn block(
        &mut self,
        cluster: Cluster,
        element: &Element,
        found: Option<(Header, u64, bool)>,
    ) -> Option<Block> {
        let found = found.filter(|(header, ..)| self.tracks.may_have(header.track));
        let (Some((header, end, key)), Some(time)) = (found, cluster.time) else {
            self.bad_blocks += 1;
            return None;
        };
        Some(Block {
            header,
            at: element.at,
            end,
            cluster: cluster.at,
            time: time.saturating_add(i64::from(header.time)),
            key,
            duration: None,
            discarded: 0,
        })
    }

    /// Leaves damage behind: goes to the next blocks of the same cluster, or to the next cluster.
    fn resync(&mut self, window: &mut Window) -> Result<()> {
        let from = self.at;
        let cluster = self.cluster.take();
        // The size of a cluster is believed where something follows it.
        let end = match cluster
            .and_then(|cluster| cluster.end)
            .filter(|end| *end > from)
        {
            Some(end) if end >= self.end => Some(self.end),
            Some(end) => Element::read(window, end)?
                .filter(|e| ids::is_top_level(e.id) || e.id == ids::VOID)
                .map(|_| end),
            None => None,
        };
        let limit = end.unwrap_or(self.end);
        let to = limit.min(from.saturating_add(RESYNC_BYTES));
        // Without a time of the cluster its blocks are of no use.
        let tracks = match cluster.and_then(|cluster| cluster.time) {
            Some(_) => self.tracks,
            None => Tracks::default(),
        };
        self.at = match sync::find(window, from + 1, to, limit, tracks)? {
            Some(Found::Cluster(at)) => at,
            Some(Found::Blocks(at)) => {
                self.cluster = cluster.map(|cluster| Cluster { end, ..cluster });
                at
            }
            None => end.unwrap_or(self.end),
        };
        self.skipped_bytes += self.at - from;
        Ok(())
    }
}

/// The first place in `from..to` where a cluster begins: its ID, a sound size, and a time inside.
pub(super) fn find_cluster(window: &mut Window, from: u64, to: u64) -> Result<Option<u64>> {
    match sync::find(window, from, to, to, Tracks::default())? {
        Some(Found::Cluster(at)) => Ok(Some(at)),
        _ => Ok(None),
    }
}

/// The time of the cluster at `at`, in units of the timestamp scale; `None` when there is none. It stands
/// among the first elements.
pub(super) fn cluster_time(window: &mut Window, at: u64) -> Result<Option<i64>> {
    let Some(cluster) = Element::read(window, at)?.filter(|e| e.id == ids::CLUSTER) else {
        return Ok(None);
    };
    let mut at = cluster.data;
    for _ in 0..4 {
        let Some(child) = Element::read(window, at)?.filter(|e| ids::is_in_cluster(e.id)) else {
            return Ok(None);
        };
        if child.id == ids::TIMESTAMP {
            return Ok(child.uint(window)?.and_then(|t| i64::try_from(t).ok()));
        }
        if child.size.is_none() {
            return Ok(None);
        }
        at = child.end(window.size());
    }
    Ok(None)
}

/// The cluster in front of the one at `at`, when that says how long it was (PrevSize).
pub(super) fn previous_cluster(window: &mut Window, at: u64) -> Result<Option<u64>> {
    let Some(cluster) = Element::read(window, at)?.filter(|e| e.id == ids::CLUSTER) else {
        return Ok(None);
    };
    let mut place = cluster.data;
    for _ in 0..4 {
        let Some(child) = Element::read(window, place)?.filter(|e| e.size.is_some()) else {
            break;
        };
        if child.id == ids::PREV_SIZE {
            let previous = child.uint(window)?.and_then(|size| at.checked_sub(size));
            let Some(previous) = previous.filter(|previous| *previous < at) else {
                break;
            };
            return Ok(cluster_time(window, previous)?.map(|_| previous));
        }
        place = child.end(window.size());
    }
    Ok(None)
}
