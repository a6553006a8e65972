//! What a channel on air asks of the rest of the daemon: what is on at a moment, and how to play it.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;

use crate::clock::UtcMs;
use crate::error::Result;
use crate::library::Location;
use crate::media::{CopyClass, Format, Probe, Ticks90k};
use crate::store::Id;

/// A channel as far as streaming needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelFacts {
    /// Key.
    pub id: Id,
    /// Number as typed.
    pub number: String,
    /// Name, shown as the service name in the stream.
    pub name: String,
    /// What its clients are promised.
    pub format: Format,
    /// A fixed rate of its stream in kbit/s.
    pub mux_rate_kbit: Option<NonZeroU32>,
}

/// The entry that covers a moment.
#[derive(Clone, Debug)]
pub struct OnAir {
    /// On air from.
    pub start: UtcMs,
    /// On air until.
    pub stop: UtcMs,
    /// What is played; `None` for a gap.
    pub play: Option<Play>,
}

/// An item to be played.
#[derive(Clone, Debug)]
pub struct Play {
    /// Key of the item, for logs.
    pub item_id: Id,
    /// Where it is.
    pub location: Location,
    /// A stable name of the device that its file is on; a web server is told by its address.
    pub device: String,
    /// In, in item time.
    pub from: Ticks90k,
    /// Out, in item time.
    pub to: Ticks90k,
    /// What has to be done to it.
    pub class: CopyClass,
    /// What it is.
    pub probe: Arc<Probe>,
    /// Title for the status page.
    pub title: String,
}

impl Play {
    /// Whether ffmpeg can read it: it is given files, no addresses.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.location, Location::File(_))
    }
}

/// An answer that takes a moment.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Where channels and their timelines come from.
pub trait Programming: Send + Sync + 'static {
    /// The channel with this number.
    fn channel<'a>(&'a self, number: &'a str) -> Answer<'a, ChannelFacts>;

    /// What is on at `at`. Never fails for want of entries: a hole in the timeline is a gap.
    fn on_air<'a>(&'a self, channel: &'a ChannelFacts, at: UtcMs) -> Answer<'a, OnAir>;

    /// The channel is about to go on air. Says whether it wants to be told how far it is watched. Each call is followed by
    /// one of `left`.
    fn tuned_in<'a>(&'a self, channel: &'a ChannelFacts) -> Answer<'a, bool> {
        let _ = channel;
        Box::pin(async { Ok(false) })
    }

    /// Somebody has watched the channel up to `to`.
    fn watched<'a>(&'a self, channel: &'a ChannelFacts, to: UtcMs) -> Answer<'a, ()> {
        let _ = (channel, to);
        Box::pin(async { Ok(()) })
    }

    /// The channel has gone off the air; somebody has watched it up to `to`.
    fn left<'a>(&'a self, channel: &'a ChannelFacts, to: UtcMs) -> Answer<'a, ()> {
        self.watched(channel, to)
    }
}
