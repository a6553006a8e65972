//! The programming of real channels: the timeline of `playout`, the items of `store`.

use std::sync::Arc;

use super::programming::{Answer, ChannelFacts, OnAir, Play, Programming};
use crate::clock::UtcMs;
use crate::error::{ErrorKind, Result};
use crate::playout::Playout;
use crate::store::{Entry, EntryContent, Item, ProbeState, Store};

/// See [`Programming`].
#[derive(Clone)]
pub struct StoredProgramming {
    store: Store,
    playout: Playout,
}

impl StoredProgramming {
    /// Programming from this store and its timelines.
    pub fn new(store: Store, playout: Playout) -> Self {
        Self { store, playout }
    }

    async fn find(&self, channel: &ChannelFacts, at: UtcMs) -> Result<OnAir> {
        let entry = self.playout.on_air(channel.id, at).await?;
        let play = match entry.content {
            EntryContent::Gap => None,
            EntryContent::Item { item_id, from, to } => match self.store.item(item_id).await {
                Ok(item) => self.play(channel, &entry, item, (from, to)).await?,
                // Removed since: its place on the timeline stays, and shows the slate.
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
        };
        Ok(OnAir {
            start: entry.start,
            stop: entry.stop,
            play,
        })
    }

    async fn play(
        &self,
        channel: &ChannelFacts,
        entry: &Entry,
        item: Item,
        (from, to): (crate::media::Ticks90k, crate::media::Ticks90k),
    ) -> Result<Option<Play>> {
        let ProbeState::Known(probe) = item.probe else {
            return Ok(None);
        };
        let root = self.store.root(item.root_id).await?;
        Ok(Some(Play {
            item_id: item.id,
            location: item.path.into(),
            // Before the first scan there is no name of the file system; the root's own path serves as well.
            device: root
                .file_system
                .unwrap_or_else(|| root.path.to_string_lossy().into_owned()),
            from,
            to,
            class: channel.format.copy_class(&probe),
            probe: Arc::from(probe),
            title: entry.metadata.title.clone(),
        }))
    }
}

impl Programming for StoredProgramming {
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts> {
        Box::pin(async move {
            let channel = self.store.channel_by_number(number).await?;
            Ok(ChannelFacts {
                id: channel.id,
                number: channel.number,
                name: channel.name,
                format: channel.format,
                mux_rate_kbit: channel.mux_rate_kbit,
            })
        })
    }

    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir> {
        Box::pin(self.find(channel, at))
    }

    fn tuned_in<'a>(&'a self, channel: &'a ChannelFacts) -> Answer<'a, bool> {
        Box::pin(self.playout.tuned_in(channel.id))
    }

    fn watched<'a>(&'a self, channel: &'a ChannelFacts, to: UtcMs) -> Answer<'a, ()> {
        Box::pin(self.playout.watched(channel.id, to))
    }

    fn left<'a>(&'a self, channel: &'a ChannelFacts, to: UtcMs) -> Answer<'a, ()> {
        Box::pin(self.playout.left(channel.id, to))
    }
}
