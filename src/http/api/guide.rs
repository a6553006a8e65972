//! What is on, as programs read it.

use bytes::Bytes;
use serde::Serialize;

use super::super::body::Body;
use super::super::router::{Call, Reply, json_text};
use super::super::{App, Shared};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::guide::{ItemKind, Metadata};
use crate::store::{Channel, Entry, Id};

const HOUR_MS: i64 = 3_600_000;
/// Entries fetched at once.
const PAGE: usize = 200;
/// The same where two programmes are wanted.
const FEW: usize = 8;

/// One programme.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct Programme {
    pub(in crate::http) start: UtcMs,
    pub(in crate::http) stop: UtcMs,
    kind: ItemKind,
    #[serde(flatten)]
    pub(in crate::http) metadata: Metadata,
}

impl From<Entry> for Programme {
    fn from(entry: Entry) -> Self {
        Self {
            start: UtcMs(entry.guide_start_s * 1000),
            stop: UtcMs(entry.guide_stop_s * 1000),
            kind: entry.kind,
            metadata: entry.metadata,
        }
    }
}

impl Programme {
    /// The title in one line: "Show: Episode".
    pub(in crate::http) fn title(&self) -> String {
        match &self.metadata.show {
            Some(show) if *show != self.metadata.title => {
                format!("{show}: {}", self.metadata.title)
            }
            _ => self.metadata.title.clone(),
        }
    }

    /// How much of it is over at `now`, in percent.
    pub(in crate::http) fn percent_at(&self, now: UtcMs) -> i64 {
        let length = self.stop.since(self.start).max(1);
        (now.since(self.start).saturating_mul(100) / length).clamp(0, 100)
    }
}

/// Programmes that are put together from entries as these come, so that a guide of any length needs the memory of one
/// page.
#[derive(Default)]
struct Joining {
    /// The guide group and the programme to which the next entry may belong.
    pending: Option<(i64, Programme)>,
}

impl Joining {
    /// Takes the next entry; gives the programme before it when that is whole.
    fn push(&mut self, entry: Entry) -> Option<Programme> {
        let group = entry.guide_group;
        match &mut self.pending {
            Some((last, programme)) if *last == group => {
                programme.stop = UtcMs(entry.guide_stop_s * 1000);
                None
            }
            pending => pending
                .replace((group, entry.into()))
                .map(|(_, whole)| whole),
        }
    }

    /// The last programme.
    fn end(&mut self) -> Option<Programme> {
        self.pending.take().map(|(_, whole)| whole)
    }
}

/// What is on now and what follows; nothing while nothing is planned.
pub(in crate::http) async fn now_and_next(
    app: &App,
    channel: &Channel,
) -> (Option<Programme>, Option<Programme>) {
    now_and_next_of(app, channel).await.unwrap_or_else(|e| {
        log::warn!(CHANNEL = channel.number.as_str(), ERROR_KIND = e.kind().name(); "reading what is on: {e:#}");
        (None, None)
    })
}

async fn now_and_next_of(
    app: &App,
    channel: &Channel,
) -> Result<(Option<Programme>, Option<Programme>)> {
    let now = app.clock.utc();
    let until = now.plus(12 * HOUR_MS);
    let (mut at, mut joining, mut current) = (now, Joining::default(), None);
    loop {
        let page = app.playout.timeline(channel.id, at, until, FEW).await?;
        let ended = page.len() < FEW;
        at = page.last().map_or(until, |last| last.stop);
        let mut whole: Vec<Programme> = page
            .into_iter()
            .filter_map(|entry| joining.push(entry))
            .collect();
        if ended {
            whole.extend(joining.end());
        }
        for programme in whole {
            if programme.start > now {
                return Ok((current, Some(programme)));
            }
            if programme.stop > now {
                current = Some(programme);
            }
        }
        if ended {
            return Ok((current, None));
        }
    }
}

/// `GET /api/v1/guide?channel=&hours=`. Written while it is read, as the XMLTV guide is.
pub(in crate::http) async fn show(call: Call) -> Result<Reply> {
    let app = &call.app;
    let hours = match call.query.get("hours").map(str::parse::<i64>) {
        None => 6,
        Some(Ok(hours)) if (1..=336).contains(&hours) => hours,
        Some(_) => {
            return Err(Error::new(
                ErrorKind::Usage,
                "hours is a number from 1 to 336",
            ));
        }
    };
    let channels = match call.query.get("channel") {
        Some(number) => vec![app.store.channel_by_number(number).await?],
        None => app.store.channels().await?,
    };
    let mut reply = json_text(Bytes::new());
    if call.head {
        return Ok(reply);
    }
    let from = app.clock.utc();
    let writing = Writing {
        app: app.clone(),
        until: from.plus(hours * HOUR_MS),
        channels: channels.into_iter(),
        from,
        at: from,
        channel: None,
        joining: Joining::default(),
        text: Vec::from(b"["),
        first: true,
        ended: false,
    };
    *reply.body_mut() = Body::chunks(writing, Writing::write);
    Ok(reply)
}

/// A guide half written.
struct Writing {
    app: Shared,
    channels: std::vec::IntoIter<Channel>,
    from: UtcMs,
    until: UtcMs,
    /// The channel that is being written, and up to where it is.
    channel: Option<Id>,
    at: UtcMs,
    joining: Joining,
    /// Written, but not sent yet.
    text: Vec<u8>,
    /// Whether the next value is the first of its array.
    first: bool,
    ended: bool,
}

impl Writing {
    async fn write(mut self) -> Result<Option<(Bytes, Self)>> {
        if self.ended {
            return Ok(None);
        }
        match self.channel {
            None => self.begin()?,
            Some(channel) => self.go_on(channel).await?,
        }
        let text = std::mem::take(&mut self.text);
        Ok(Some((text.into(), self)))
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.text.push(b',');
        }
    }

    fn put(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.text, value)
            .map_err(|e| Error::with_source(ErrorKind::Internal, "writing the guide", e))
    }

    fn begin(&mut self) -> Result<()> {
        let Some(channel) = self.channels.next() else {
            self.text.extend_from_slice(b"]\n");
            self.ended = true;
            return Ok(());
        };
        self.comma();
        self.text.extend_from_slice(b"{\"number\":");
        self.put(&channel.number)?;
        self.text.extend_from_slice(b",\"name\":");
        self.put(&channel.name)?;
        self.text.extend_from_slice(b",\"programmes\":[");
        (self.channel, self.at, self.first) = (Some(channel.id), self.from, true);
        Ok(())
    }

    async fn go_on(&mut self, channel: Id) -> Result<()> {
        let playout = &self.app.playout;
        let page = playout.timeline(channel, self.at, self.until, PAGE).await?;
        let ended = page.len() < PAGE;
        self.at = page.last().map_or(self.until, |last| last.stop);
        for entry in page {
            if let Some(whole) = self.joining.push(entry) {
                self.comma();
                self.put(&whole)?;
            }
        }
        if ended {
            if let Some(whole) = self.joining.end() {
                self.comma();
                self.put(&whole)?;
            }
            self.text.extend_from_slice(b"]}");
            (self.channel, self.first) = (None, false);
        }
        Ok(())
    }
}
