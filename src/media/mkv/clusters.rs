//! From one block to the next through the clusters of a segment, whatever their sizes say, and back
//! onto sound ground behind damage.

use super::block::Header;
use super::ebml::{Element, PEEK_BYTES, Window};
use super::ids;
use crate::error::Result;

/// How far a sound cluster is looked for behind damage. Holes of half-finished downloads are longer
/// than this; what lies behind them is given up.
const RESYNC_BYTES: u64 = 256 * 1024 * 1024;

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
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    at: u64,
    end: Option<u64>,
    time: Option<i64>,
}

/// A place between two elements at the level of clusters or blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walker {
    at: u64,
    /// The end of the segment.
    end: u64,
    cluster: Option<Cluster>,
    /// Bytes passed over while looking for sound ground.
    pub(super) skipped_bytes: u64,
    /// Blocks that were cut short or made no sense.
    pub(super) bad_blocks: u64,
}

impl Walker {
    /// Starts in front of the cluster (or any element beside it) at `at`.
    pub(super) fn new(at: u64, end: u64) -> Self {
        Self {
            at,
            end,
            cluster: None,
            skipped_bytes: 0,
            bad_blocks: 0,
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
                    if let Some(block) = self.inside(window, cluster, &element)? {
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
    fn inside(
        &mut self,
        window: &mut Window,
        cluster: Cluster,
        element: &Element,
    ) -> Result<Option<Block>> {
        let limit = cluster.end.unwrap_or(self.end);
        // Elements of later versions are passed over where the cluster's size vouches for theirs.
        let known = ids::is_in_cluster(element.id) || cluster.end.is_some();
        if !known || element.size.is_none() {
            self.resync(window)?;
            return Ok(None);
        }
        if !element.fits(limit) {
            if matches!(element.id, ids::SIMPLE_BLOCK | ids::BLOCK_GROUP) {
                self.bad_blocks += 1;
            }
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
                Ok(self.block(cluster, element, header.map(|h| (h, self.at, h.key, None))))
            }
            ids::BLOCK_GROUP => {
                let (mut found, mut duration, mut references) = (None, None, false);
                element.children(window, |window, child| {
                    match child.id {
                        ids::BLOCK => {
                            found = Header::read(window, child.data)?
                                .map(|header| (header, child.end(limit)));
                        }
                        ids::BLOCK_DURATION => duration = child.uint(window)?,
                        ids::REFERENCE_BLOCK => references = true,
                        _ => {}
                    }
                    Ok(())
                })?;
                let found = found.map(|(header, end)| (header, end, !references, duration));
                Ok(self.block(cluster, element, found))
            }
            _ => Ok(None),
        }
    }

    fn block(
        &mut self,
        cluster: Cluster,
        element: &Element,
        found: Option<(Header, u64, bool, Option<u64>)>,
    ) -> Option<Block> {
        let (Some((header, end, key, duration)), Some(time)) = (found, cluster.time) else {
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
            duration,
        })
    }

    /// Leaves damage behind: goes to the end of the cluster when an element stands there, else to the
    /// next thing that looks like a cluster.
    fn resync(&mut self, window: &mut Window) -> Result<()> {
        let from = self.at;
        let behind = self.cluster.take().and_then(|cluster| cluster.end);
        if let Some(end) = behind.filter(|end| *end > from)
            && (end >= self.end
                || Element::read(window, end)?
                    .is_some_and(|e| ids::is_top_level(e.id) || e.id == ids::VOID))
        {
            // A size that lies may hide sound clusters, so the way there is looked through.
            self.at = find_cluster(window, from + 1, end)?.unwrap_or(end);
        } else {
            let to = self.end.min(from.saturating_add(RESYNC_BYTES));
            self.at = find_cluster(window, from + 1, to)?.unwrap_or(self.end);
        }
        self.skipped_bytes += self.at - from;
        Ok(())
    }
}

/// The first place in `from..to` where a cluster begins: its ID, a sound size, and a time inside.
pub(super) fn find_cluster(window: &mut Window, from: u64, to: u64) -> Result<Option<u64>> {
    let mut at = from;
    while at < to {
        let bytes = window.peek(at, PEEK_BYTES)?;
        let searched = bytes.len();
        let found = cluster_id(bytes);
        match found {
            Some(place) => {
                let place = at + place as u64;
                if place >= to {
                    break;
                }
                if cluster_time(window, place)?.is_some() {
                    return Ok(Some(place));
                }
                at = place + 1;
            }
            // An ID may lie across the border of two pieces.
            None if searched > 3 => at += searched as u64 - 3,
            None => break,
        }
    }
    Ok(None)
}

fn cluster_id(bytes: &[u8]) -> Option<usize> {
    const ID: [u8; 4] = ids::CLUSTER.to_be_bytes();
    let mut from = 0;
    loop {
        let first = bytes.get(from..)?.iter().position(|b| *b == ID[0])?;
        from += first;
        if bytes.get(from..from + 4)? == ID {
            return Some(from);
        }
        from += 1;
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
