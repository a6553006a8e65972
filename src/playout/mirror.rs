//! Channels that show the timeline of another, earlier or later.
//!
//! Nothing is copied: guide and streams read the entries of the source through an offset, so a mirror can never show
//! anything else than its source did or will.

use super::Playout;
use super::view::Seen;
use crate::clock::UtcMs;
use crate::error::Result;
use crate::guide::Metadata;
use crate::schedule::Role;
use crate::store::{Channel, Entry, EntryContent, Id};

impl Playout {
    /// What a mirror shows at `t`, in the source's time, before its source has begun: nothing until then. `None` when the
    /// source has no timeline behind `t`.
    pub(super) async fn not_begun(&self, seen: Seen, t: UtcMs) -> Result<Option<Entry>> {
        let first = self.0.store.entry_after(seen.of, t).await?;
        Ok(first.map(|first| Entry {
            start: t,
            stop: first.start,
            content: EntryContent::Gap,
            role: Role::Gap,
            metadata: Metadata {
                title: "Off air".to_owned(),
                ..Metadata::default()
            },
            guide_stop_s: first.guide_start_s,
            guide_start_s: t.0.div_euclid(1000).min(first.guide_start_s - 1),
            guide_group: 0,
            ..first
        }))
    }
}

/// For how long a channel's mirrors show what was on air.
pub(super) fn latest_ms(channels: &[Channel], of: Id) -> i64 {
    let mirrors = channels.iter().filter_map(|channel| channel.mirror);
    let offsets = mirrors
        .filter(|mirror| mirror.of == of)
        .map(|m| m.offset_ms);
    offsets.max().unwrap_or(0).max(0)
}
