//! The Cues (RFC 9559 §5.1.5): walked through a window each time they are asked, never kept. Those of a
//! two-hour film fit into it.

use super::ebml::{Element, WINDOW_BYTES, Window};
use super::header::Layout;
use super::ids;
use crate::error::Result;

/// Cues are walked this far. A day of nothing but random access points has 50 MB of them.
const CUES_BYTES: u64 = 64 * 1024 * 1024;

/// One place that the Cues name for a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    /// In units of the segment's timestamp scale.
    pub(super) time: i64,
    /// Where the cluster begins.
    pub(super) cluster: u64,
    /// Where the block lies inside the cluster's content, when the cue tells that.
    pub(super) inside: Option<u64>,
}

impl Cue {
    /// About where in the file the block lies.
    pub(super) fn place(&self) -> u64 {
        self.cluster.saturating_add(self.inside.unwrap_or(0))
    }
}

/// Calls `visit` for each cue of `track` in file order until it answers `false`.
pub(super) fn walk(
    window: &mut Window,
    layout: &Layout,
    track: u64,
    mut visit: impl FnMut(Cue) -> bool,
) -> Result<()> {
    let Some(cues) = layout.cues else {
        return Ok(());
    };
    let end = cues
        .end(window.size())
        .min(cues.data.saturating_add(CUES_BYTES));
    let bytes = usize::try_from(end.saturating_sub(cues.at)).unwrap_or(WINDOW_BYTES);
    window.load(cues.at, bytes)?;
    let mut at = cues.data;
    // Not `children`: a day of pictures may have more cues than any other element has children.
    while at < end {
        let Some(point) = Element::read(window, at)?.filter(|p| p.size.is_some() && p.fits(end))
        else {
            break;
        };
        if point.id == ids::CUE_POINT
            && let Some(cue) = read_point(window, layout, &point, track)?
            && !visit(cue)
        {
            break;
        }
        at = point.end(end);
    }
    Ok(())
}

fn read_point(
    window: &mut Window,
    layout: &Layout,
    point: &Element,
    track: u64,
) -> Result<Option<Cue>> {
    let (mut time, mut found) = (None, None);
    point.children(window, |window, child| {
        match child.id {
            ids::CUE_TIME => time = child.uint(window)?.and_then(|t| i64::try_from(t).ok()),
            ids::CUE_TRACK_POSITIONS if found.is_none() => {
                let (mut of, mut cluster, mut inside) = (None, None, None);
                child.children(window, |window, part| {
                    match part.id {
                        ids::CUE_TRACK => of = part.uint(window)?,
                        ids::CUE_CLUSTER_POSITION => cluster = part.uint(window)?,
                        ids::CUE_RELATIVE_POSITION => inside = part.uint(window)?,
                        _ => {}
                    }
                    Ok(())
                })?;
                found = cluster.filter(|_| of == Some(track)).map(|c| (c, inside));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(time.zip(found).map(|(time, (cluster, inside))| {
        let cluster = layout.segment.saturating_add(cluster);
        Cue {
            time,
            cluster,
            inside,
        }
    }))
}
