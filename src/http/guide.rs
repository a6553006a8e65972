//! The guide and the playlist, for players that read XMLTV and M3U.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::{Response, StatusCode};

use super::Shared;
use super::body::Body;
use super::router::{Call, Reply, typed};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::guide::xmltv::{self, Airing, Programme};
use crate::guide::{GuideChannel, m3u};
use crate::store::{Channel, Entry, Progress};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How far ahead the guide goes, in days.
const DAYS: i64 = 7;
const MOST_DAYS: i64 = 14;
/// Entries fetched at once: a page of text of some hundred kilobytes.
const PAGE: usize = 200;

/// A channel as guides name it.
pub(super) fn guide_channel(channel: &Channel) -> GuideChannel {
    GuideChannel {
        id: channel.id,
        number: channel.number.clone(),
        name: channel.name.clone(),
        group: channel.group.clone(),
        logo: None,
    }
}

/// `/iptv/channels.m3u`.
pub(super) async fn playlist(call: Call) -> Result<Reply> {
    let channels = call.app.store.channels().await?;
    let channels: Vec<GuideChannel> = channels.iter().map(guide_channel).collect();
    Ok(typed(
        "audio/x-mpegurl; charset=utf-8",
        m3u(&channels, &call.base_url()),
    ))
}

/// `/iptv/channel/{number}.m3u`: what a browser hands to a player; the stream itself it would save for ever.
pub(super) async fn channel_playlist(call: Call) -> Result<Reply> {
    let number = call.params.get("number");
    let channel = call.app.store.channel_by_number(number).await?;
    Ok(typed(
        "audio/x-mpegurl; charset=utf-8",
        m3u(&[guide_channel(&channel)], &call.base_url()),
    ))
}

/// `/iptv/xmltv.xml`, `?days=` 1 to 14. Written while it is read: one short query at a time.
pub(super) async fn xmltv(call: Call) -> Result<Reply> {
    let app = &call.app;
    app.ready()?;
    let days = match call.query.get("days").map(str::parse::<i64>) {
        None => DAYS,
        Some(Ok(days)) if (1..=MOST_DAYS).contains(&days) => days,
        Some(_) => {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("days is a number from 1 to {MOST_DAYS}"),
            ));
        }
    };
    // Whole hours: the text changes once an hour, or when a timeline does.
    let hour = app.clock.utc().0.div_euclid(HOUR_MS) * HOUR_MS;
    let (from, until) = (UtcMs(hour), UtcMs(hour + days * DAY_MS));
    let channels = app.store.channels().await?;
    let base = call.base_url();
    let mut hasher = DefaultHasher::new();
    (env!("CARGO_PKG_VERSION"), &base, from, until).hash(&mut hasher);
    for channel in &channels {
        (
            channel.id,
            &channel.number,
            &channel.name,
            channel.timeline_version,
        )
            .hash(&mut hasher);
        if channel.progress == Progress::OnDemand {
            app.playout.later_ms(channel.id).await?.hash(&mut hasher);
        }
    }
    let tag = format!("\"{:016x}\"", hasher.finish());
    let known = call
        .header(IF_NONE_MATCH)
        .is_some_and(|tags| tags.trim() == "*" || tags.contains(&tag));
    let mut reply = if known {
        let mut reply = Response::new(Body::empty());
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        reply
    } else if call.head {
        Response::new(Body::empty())
    } else {
        let writing = Writing {
            app: app.clone(),
            channels,
            base,
            from,
            until,
            next: None,
            at: from,
            pending: None,
        };
        Response::new(Body::chunks(Some(writing), Writing::write))
    };
    let headers = reply.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/xml; charset=utf-8"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    Ok(reply)
}

/// A guide half written.
struct Writing {
    app: Shared,
    channels: Vec<Channel>,
    base: String,
    from: UtcMs,
    until: UtcMs,
    /// The channel whose programmes come next; `None` before the list of channels.
    next: Option<usize>,
    /// Up to where the programmes of that channel are fetched.
    at: UtcMs,
    /// Fetched, but the next entry may belong to it.
    pending: Option<Entry>,
}

impl Writing {
    async fn write(this: Option<Self>) -> Result<Option<(Bytes, Option<Self>)>> {
        let Some(mut this) = this else {
            return Ok(None);
        };
        let mut out = Vec::with_capacity(16 * 1024);
        let Some(n) = this.next else {
            xmltv::header(&mut out, &this.base);
            for channel in &this.channels {
                xmltv::channel(&mut out, &guide_channel(channel), &this.base);
            }
            this.next = Some(0);
            return Ok(Some((out.into(), Some(this))));
        };
        let Some(channel) = this.channels.get(n) else {
            xmltv::footer(&mut out);
            return Ok(Some((out.into(), None)));
        };
        let page = this
            .app
            .playout
            .timeline(channel.id, this.at, this.until, PAGE)
            .await?;
        let ended = page.len() < PAGE;
        this.at = page.last().map_or(this.until, |last| last.stop);
        for entry in page {
            match &mut this.pending {
                Some(pending) if pending.guide_group == entry.guide_group => {
                    pending.guide_stop_s = entry.guide_stop_s;
                }
                pending => {
                    if let Some(whole) = pending.replace(entry) {
                        programme(&mut out, channel, &whole);
                    }
                }
            }
        }
        if ended {
            if let Some(whole) = this.pending.take() {
                programme(&mut out, channel, &whole);
            }
            (this.next, this.at) = (Some(n + 1), this.from);
        }
        Ok(Some((out.into(), Some(this))))
    }
}

fn programme(out: &mut Vec<u8>, channel: &Channel, entry: &Entry) {
    xmltv::programme(
        out,
        &Programme {
            channel_id: channel.id,
            channel_name: &channel.name,
            start_s: entry.guide_start_s,
            stop_s: entry.guide_stop_s,
            kind: entry.kind,
            metadata: &entry.metadata,
            airing: Airing::Unknown,
        },
    );
}
