//! Streams: a channel's transport stream for as long as the client reads.
//!
//! Close-delimited with an HTTP/1.0 status line, as real tuners send it: no length, no chunks, no ranges. Players
//! send `Range: bytes=0-` and `Icy-MetaData: 1` to everything and are content with 200. A HEAD starts nothing.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Response, Version};

use super::body::Body;
use super::router::{Call, Reply};
use super::viewers::{NewViewer, Seat, Wants};
use crate::channel::Listener;
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Series;

/// How long a client waits for the first picture before it is told that there is none: Plex gives up at about this time.
const FIRST_BYTES: Duration = Duration::from_secs(5);
const RESOURCE: HeaderName = HeaderName::from_static("x-hdhomerun-resource");

/// `/iptv/channel/{number}.ts` and `/auto/v{number}`.
pub(super) async fn any_tuner(call: Call) -> Result<Reply> {
    let answered = stream(&call, Wants::Any).await;
    counted(&call, answered)
}

/// `/tuner{n}/v{number}`.
pub(super) async fn one_tuner(call: Call) -> Result<Reply> {
    let n = call.params.get("n");
    let answered = match n.parse() {
        Ok(n) => stream(&call, Wants::Tuner(n)).await,
        Err(_) => Err(Error::new(
            ErrorKind::NotFound,
            format!("there is no tuner {n:?}"),
        )),
    };
    counted(&call, answered)
}

fn counted(call: &Call, answered: Result<Reply>) -> Result<Reply> {
    if let Err(e) = &answered {
        let code = super::router::tuner_error(e.kind())
            .split(' ')
            .next()
            .unwrap_or_default();
        call.app
            .registry
            .series("exstreamd_tune_failures_total", code)
            .inc();
    }
    answered
}

async fn stream(call: &Call, wants: Wants) -> Result<Reply> {
    let app = &call.app;
    let number = call.params.get("number");
    if call.head {
        app.store.channel_by_number(number).await?;
        return Ok(head(Body::empty(), None));
    }
    let duration = match call.query.get("duration").map(str::parse::<u32>) {
        Some(Ok(0)) | None => None,
        Some(Ok(seconds)) => Some(Duration::from_secs(seconds.into())),
        Some(Err(_)) => {
            return Err(Error::new(
                ErrorKind::Usage,
                "duration is a number of seconds",
            ));
        }
    };
    if app.viewers.list().len() >= app.max_viewers {
        return Err(Error::new(
            ErrorKind::Busy,
            format!("all {} places for viewers are taken", app.max_viewers),
        ));
    }
    let client = call.client();
    let seat = app.viewers.seat(
        wants,
        app.config.tuners,
        NewViewer {
            channel: number.to_owned(),
            ip: client.map_or(std::net::Ipv4Addr::LOCALHOST.into(), |client| client.ip),
            agent: call.header(USER_AGENT).unwrap_or_default().to_owned(),
            since: app.clock.utc(),
        },
    )?;
    let mut listener = app.stations.tune(number).await?;
    seat.at(listener.number());
    let first = tokio::select! {
        first = listener.next() => first,
        () = app.clock.sleep(FIRST_BYTES) => {
            let message = format!("channel {number} gave no picture within {} s", FIRST_BYTES.as_secs());
            return Err(Error::new(ErrorKind::Timeout, message));
        }
    };
    let Some(first) = first else {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("channel {number} went off the air at once"),
        ));
    };
    let tuner = seat.tuner;
    let watching = Watching {
        first: Some(first),
        ends: duration.map(|duration| app.clock.monotonic() + duration),
        sent: app.registry.series("exstreamd_stream_bytes_total", ""),
        clock: app.clock.clone(),
        listener,
        seat,
    };
    Ok(head(Body::chunks(watching, Watching::next), tuner))
}

fn head(body: Body, tuner: Option<u8>) -> Reply {
    let mut reply = Response::new(body);
    // hyper ends the body of a 1.0 answer by closing.
    *reply.version_mut() = Version::HTTP_10;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("video/mp2t"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(Ok(resource)) = tuner.map(|n| HeaderValue::from_str(&format!("tuner{n}"))) {
        headers.insert(RESOURCE, resource);
    }
    reply
}

/// A client in front of its channel. Dropping it leaves the channel.
struct Watching {
    first: Option<Bytes>,
    ends: Option<Duration>,
    sent: Series,
    clock: SharedClock,
    listener: Listener,
    seat: Seat,
}

impl Watching {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        let chunk = match (self.first.take(), self.ends) {
            (Some(first), _) => Some(first),
            (None, None) => self.listener.next().await,
            (None, Some(ends)) => {
                let left = ends.saturating_sub(self.clock.monotonic());
                tokio::select! {
                    chunk = self.listener.next(), if !left.is_zero() => chunk,
                    () = self.clock.sleep(left) => None,
                }
            }
        };
        let Some(chunk) = chunk else {
            return Ok(None);
        };
        self.seat.sent(chunk.len());
        self.sent
            .add(i64::try_from(chunk.len()).unwrap_or_default());
        Ok(Some((chunk, self)))
    }
}
