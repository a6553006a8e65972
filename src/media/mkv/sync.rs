//! Sound ground behind damage: the next cluster, or the next blocks of the same one. Blocks have no mark
//! of their own, so they are told by several of them in a row.

use super::ebml::{Element, PEEK_BYTES, Window, vint};
use super::ids;
use crate::error::Result;

/// Elements that must follow each other before the first of them is believed.
const ROW: usize = 3;

/// The longest headers of a BlockGroup, the Block in it, and what that begins with.
const HEADER_BYTES: usize = 2 * 12 + 8 + 3;

/// The numbers of a file's tracks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tracks {
    /// A bit for each below 128; every writer counts from 1.
    low: u128,
    /// Whether there are others, which then cannot be told.
    high: bool,
}

impl Tracks {
    pub(super) fn new(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut tracks = Self::default();
        for number in numbers {
            match number {
                0..128 => tracks.low |= 1 << number,
                _ => tracks.high = true,
            }
        }
        tracks
    }

    /// Whether a block may be of the track `number`.
    pub(super) fn may_have(self, number: u64) -> bool {
        match number {
            0..128 => self.low & 1 << number != 0,
            _ => self.high,
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A cluster: its ID, a sound size, and a time inside.
    Cluster(u64),
    /// Blocks in a row.
    Blocks(u64),
}

/// The first sound ground in `from..to`. A row of blocks of `tracks` may run on to `limit`, where their
/// cluster ends.
pub(super) fn find(
    window: &mut Window,
    from: u64,
    to: u64,
    limit: u64,
    tracks: Tracks,
) -> Result<Option<Found>> {
    let mut at = from;
    while at < to {
        let bytes = window.peek(at, PEEK_BYTES)?;
        let searched = bytes.len();
        match candidate(bytes, tracks) {
            Some(place) => {
                let place = at + place as u64;
                if place >= to {
                    break;
                }
                if super::clusters::cluster_time(window, place)?.is_some() {
                    return Ok(Some(Found::Cluster(place)));
                }
                if row(window, place, limit, tracks)? {
                    return Ok(Some(Found::Blocks(place)));
                }
                at = place + 1;
            }
            // What begins at the end of a piece is looked at again with what follows it.
            None if searched > HEADER_BYTES => at += (searched - HEADER_BYTES) as u64,
            None => break,
        }
    }
    Ok(None)
}

/// The first place where a cluster or a block may begin, by its first bytes.
fn candidate(bytes: &[u8], tracks: Tracks) -> Option<usize> {
    const CLUSTER: [u8; 4] = ids::CLUSTER.to_be_bytes();
    // Wide steps over what holds none of them.
    const STEP: usize = 256;
    let firsts: &[u8] = if tracks == Tracks::default() {
        &CLUSTER[..1]
    } else {
        &[CLUSTER[0], 0xA0, 0xA3]
    };
    for (index, step) in bytes.chunks(STEP).enumerate() {
        if !firsts.iter().any(|first| step.contains(first)) {
            continue;
        }
        for place in (index * STEP..).take(step.len()) {
            let rest = bytes.get(place..)?;
            let fits = match rest.first()? {
                first if !firsts.contains(first) => false,
                first if *first == CLUSTER[0] => rest.starts_with(&CLUSTER),
                _ => may_be_block(rest, tracks),
            };
            if fits {
                return Some(place);
            }
        }
    }
    None
}

/// Whether a SimpleBlock or BlockGroup may begin with `bytes`; no where they end too early to say.
fn may_be_block(bytes: &[u8], tracks: Tracks) -> bool {
    let Some(element) = Element::parse(bytes, 0) else {
        return false;
    };
    if element.size.is_none() {
        return false;
    }
    let content = bytes.get(element.data as usize..).unwrap_or_default();
    match (element.id, content) {
        (ids::SIMPLE_BLOCK, content) => is_block_header(content, tracks),
        (ids::BLOCK_GROUP, content) => match Element::parse(content, 0) {
            Some(child) if child.id == ids::BLOCK => {
                let content = content.get(child.data as usize..).unwrap_or_default();
                child.fits(element.size.unwrap_or(0)) && is_block_header(content, tracks)
            }
            _ => false,
        },
        _ => false,
    }
}

fn is_block_header(content: &[u8], tracks: Tracks) -> bool {
    match vint(content) {
        // The bits between the key flag and the one for invisible frames are reserved.
        Some((number, len)) => {
            number.is_some_and(|n| tracks.may_have(n))
                && content.get(len + 2).is_some_and(|flags| flags & 0x70 == 0)
        }
        None => false,
    }
}

/// Whether elements of a cluster follow each other from `at` on, as many as [`ROW`] or up to `limit`.
pub(super) fn row(window: &mut Window, mut at: u64, limit: u64, tracks: Tracks) -> Result<bool> {
    for _ in 0..ROW {
        let bytes = window.peek(at, HEADER_BYTES)?;
        let Some(element) = Element::parse(bytes, at) else {
            return Ok(false);
        };
        let known = match element.id {
            ids::SIMPLE_BLOCK | ids::BLOCK_GROUP => may_be_block(bytes, tracks),
            // The next cluster, behind one of unknown size.
            ids::CLUSTER => return Ok(true),
            ids::VOID => true,
            _ => false,
        };
        if !known || element.size.is_none() || !element.fits(limit) {
            return Ok(false);
        }
        at = element.end(limit);
        if at == limit {
            break;
        }
    }
    Ok(true)
}

/// The second block of the first row in `from..limit` that ends exactly with its cluster at `limit`. The
/// first block of a row is not believed here: a picture's bytes may look like one.
pub(super) fn last_row(
    window: &mut Window,
    from: u64,
    limit: u64,
    tracks: Tracks,
) -> Result<Option<u64>> {
    let mut at = from;
    while let Some(Found::Blocks(first)) = find(window, at, limit, limit, tracks)? {
        let mut place = first;
        let mut second = None;
        while place < limit {
            match Element::read(window, place)? {
                Some(element)
                    if ids::is_in_cluster(element.id)
                        && element.size.is_some()
                        && element.fits(limit) =>
                {
                    place = element.end(limit);
                    second.get_or_insert(place);
                }
                _ => break,
            }
        }
        if place == limit {
            return Ok(second.filter(|second| *second < limit));
        }
        // All blocks of the row lead to the same end.
        at = place.max(first) + 1;
    }
    Ok(None)
}
