//! From a request to its handler: one table of routes, and what holds for all of them.
//!
//! A GET route answers HEAD too. Who is not of the house is turned away, state is changed through the
//! control socket only, and what a tuner client asks is never answered with text when it fails, because
//! Jellyfin records any body as video.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body as HttpBody;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::Shared;
use super::body::Body;
use super::pattern::{self, Params, Query};
use super::routes::ROUTES;
use crate::error::{Error, ErrorKind, Result};
use crate::system::origin::{self, Client, RequestOrigin};

/// The largest request body: a setup with many folders.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The same for those who may change things: a file that plays every item of a month.
const MAX_CONTROL_BODY_BYTES: usize = 8 << 20;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer.
pub(crate) type Reply = Response<Body>;

/// What a handler returns.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Reply>> + Send>>;

/// Where a route may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// By everybody in the house. Changes nothing.
    House,
    /// As `House`, by tuner clients: errors have empty bodies.
    Tuner,
    /// On the control socket only.
    Control,
}

/// A row of the table.
pub struct Route {
    /// GET (HEAD included), POST, PATCH or DELETE.
    pub method: Method,
    /// Path with `{named}` parts.
    pub path: &'static str,
    /// Where it may be asked.
    pub place: Place,
    /// What it does, in one line.
    pub doc: &'static str,
    pub(super) handler: fn(Call) -> Answer,
}

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub enum Via {
    /// Over the network.
    Network {
        /// The other end.
        peer: SocketAddr,
        /// Our end.
        local: SocketAddr,
    },
    /// Over the control socket, or from the command line in the same process.
    Control,
}

/// A request that found its route.
pub(crate) struct Call {
    pub(crate) app: Shared,
    pub(crate) via: Via,
    /// Only the head of the answer is wanted.
    pub(crate) head: bool,
    pub(crate) params: Params,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    async fn new<B>(
        app: Shared,
        via: Via,
        params: Params,
        parts: hyper::http::request::Parts,
        body: B,
    ) -> Result<Self>
    where
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let body = match parts.method {
            Method::GET | Method::HEAD => Bytes::new(),
            _ => read_body(&app, via, body).await?,
        };
        Ok(Self {
            via,
            head: parts.method == Method::HEAD,
            params,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            headers: parts.headers,
            body,
            app,
        })
    }

    /// A header as text.
    pub(crate) fn header(&self, name: impl hyper::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, read as JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        let body: &[u8] = if self.body.is_empty() {
            b"{}"
        } else {
            &self.body
        };
        serde_json::from_slice(body)
            .map_err(|e| Error::new(ErrorKind::Usage, format!("the request is malformed: {e}")))
    }

    /// The address under which this client reaches us, without a slash at the end.
    pub(crate) fn base_url(&self) -> String {
        match origin_of(&self.headers, self.via) {
            Some(origin) => origin::base_url(&origin, &self.app.origin()),
            None => self.app.house_address(),
        }
    }

    /// Who asks; `None` on the control socket.
    pub(crate) fn client(&self) -> Option<Client> {
        let origin = origin_of(&self.headers, self.via)?;
        Some(origin::client(&origin, &self.app.origin()))
    }
}

fn origin_of(headers: &HeaderMap, via: Via) -> Option<RequestOrigin<'_>> {
    let Via::Network { peer, local } = via else {
        return None;
    };
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let mut origin = RequestOrigin::new(local, peer).with_host(text("host"));
    origin.forwarded_host = text("x-forwarded-host");
    origin.forwarded_proto = text("x-forwarded-proto");
    // RFC 7239 is not read, but it tells that the request came through somebody.
    origin.forwarded_for = text("x-forwarded-for").or_else(|| text("forwarded"));
    Some(origin)
}

/// Answers a request, whatever it is.
pub fn answer<B>(
    app: Shared,
    via: Via,
    request: Request<B>,
) -> Pin<Box<dyn Future<Output = Reply> + Send>>
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Box::pin(async move {
        let (parts, body) = request.into_parts();
        let (place, answered) = match find(&app, via, &parts) {
            (place, Found::Reply(reply)) => (place, Ok(reply)),
            (place, Found::Error(e)) => (place, Err(e)),
            (place, Found::Route(route, params)) => {
                let call = Call::new(app.clone(), via, params, parts, body);
                let answered = match call.await {
                    Ok(call) => (route.handler)(call).await,
                    Err(e) => Err(e),
                };
                (place, answered)
            }
        };
        let mut reply = answered.unwrap_or_else(|e| failure(place, &e));
        let headers = reply.headers_mut();
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-cache"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(
            header::SERVER,
            HeaderValue::from_static(concat!("exstreamd/", env!("CARGO_PKG_VERSION"))),
        );
        app.registry
            .series("exstreamd_http_requests_total", reply.status().as_str())
            .inc();
        reply
    })
}

enum Found {
    Route(&'static Route, Params),
    Reply(Reply),
    Error(Error),
}

/// The route of a request, if it may be asked there and by this client.
fn find(app: &Shared, via: Via, parts: &hyper::http::request::Parts) -> (Place, Found) {
    let path = parts.uri.path();
    let method = if parts.method == Method::HEAD {
        &Method::GET
    } else {
        &parts.method
    };
    let mut here: Vec<(&'static Route, Params)> = Vec::new();
    for route in ROUTES {
        if let Some(params) = pattern::matches(route.path, path) {
            here.push((route, params));
        }
    }
    let place = here
        .first()
        .map_or_else(|| place_of_nothing(path), |(route, _)| route.place);
    if let Some(origin) = origin_of(&parts.headers, via) {
        let client = origin::client(&origin, &app.origin());
        if !client.local {
            let message = format!(
                "{} is not of this house: to let an address in, add it to http.allow; a proxy belongs into http.trusted_proxies",
                client.ip
            );
            return (
                place,
                Found::Error(Error::new(ErrorKind::Permission, message)),
            );
        }
    }
    let allowed: Vec<&str> = here
        .iter()
        .map(|(route, _)| route.method.as_str())
        .collect();
    let Some((route, params)) = here.into_iter().find(|(route, _)| route.method == *method) else {
        return (place, Found::Reply(no_route(place, path, &allowed)));
    };
    if route.place == Place::Control && !matches!(via, Via::Control) {
        let message =
            "changes are made at the box, with the exstreamd command: see exstreamd --help";
        return (
            place,
            Found::Error(Error::new(ErrorKind::Permission, message)),
        );
    }
    (route.place, Found::Route(route, params))
}

/// Who asks for what is not there: a player with a wrong channel address would record any words.
fn place_of_nothing(path: &str) -> Place {
    let streams = ["/auto/", "/tuner", "/iptv/channel/"];
    if streams.iter().any(|prefix| path.starts_with(prefix)) {
        Place::Tuner
    } else {
        Place::House
    }
}

async fn read_body<B>(app: &Shared, via: Via, body: B) -> Result<Bytes>
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let most = match via {
        Via::Network { .. } => MAX_BODY_BYTES,
        Via::Control => MAX_CONTROL_BODY_BYTES,
    };
    let whole = Limited::new(body, most).collect();
    tokio::select! {
        read = whole => match read {
            Ok(read) => Ok(read.to_bytes()),
            Err(e) => Err(Error::with_source(ErrorKind::Usage, "reading the request", e)),
        },
        () = app.clock.sleep(BODY_TIMEOUT) => Err(Error::new(ErrorKind::Timeout, "the request did not arrive in time")),
    }
}

fn no_route(place: Place, path: &str, allowed: &[&str]) -> Reply {
    if allowed.is_empty() {
        return failure(
            place,
            &Error::new(ErrorKind::NotFound, format!("there is nothing at {path}")),
        );
    }
    let mut methods = allowed.join(", ");
    if allowed.contains(&"GET") {
        methods.push_str(", HEAD");
    }
    let mut reply = text(
        StatusCode::METHOD_NOT_ALLOWED,
        "this is not how to ask here\n",
    );
    if place == Place::Tuner {
        *reply.body_mut() = Body::empty();
    }
    if let Ok(methods) = HeaderValue::from_str(&methods) {
        reply.headers_mut().insert(header::ALLOW, methods);
    }
    reply
}

/// The answer to a request that failed.
pub(super) fn failure(place: Place, error: &Error) -> Reply {
    let kind = error.kind();
    if !matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::Usage | ErrorKind::Permission
    ) {
        log::log!(kind.log_level(), ERROR_KIND = kind.name(); "answering a request: {error:#}");
    }
    let status = match (place, kind) {
        // What HDHomeRun devices answer: not known, or not now.
        (Place::Tuner, ErrorKind::NotFound | ErrorKind::Permission | ErrorKind::Usage) => {
            kind.http_status()
        }
        (Place::Tuner, _) => 503,
        _ => kind.http_status(),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = match place {
        Place::Tuner => {
            let mut reply = Response::new(Body::empty());
            reply
                .headers_mut()
                .insert(TUNER_ERROR, HeaderValue::from_static(tuner_error(kind)));
            reply
        }
        Place::House | Place::Control => {
            json(&serde_json::json!({"error": {"kind": kind.name(), "message": error.to_string()}}))
        }
    };
    *reply.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        reply
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    }
    reply
}

/// What a tuner client is told.
pub(super) fn tuner_error(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "801 Unknown Channel",
        ErrorKind::Unavailable => "803 System Busy",
        ErrorKind::Conflict => "804 Tuner In Use",
        ErrorKind::Busy => "805 All Tuners In Use",
        ErrorKind::Timeout => "807 No Video Data",
        _ => "806 Tune Failed",
    }
}

/// The header in which HDHomeRun devices say what is wrong.
pub(super) const TUNER_ERROR: HeaderName = HeaderName::from_static("x-hdhomerun-error");

/// An answer of JSON, as HDHomeRun devices type it.
pub(super) fn json(value: &impl serde::Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            json_text(bytes)
        }
        Err(e) => failure(
            Place::House,
            &Error::with_source(ErrorKind::Internal, "writing an answer", e),
        ),
    }
}

/// JSON that is written already. Not for the pages of strangers that somebody of this house looks at: the API tells
/// paths, viewers and titles.
pub(super) fn json_text(bytes: impl Into<Bytes>) -> Reply {
    typed("application/json; charset=\"utf-8\"", bytes)
}

/// An answer of plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Reply {
    let mut reply = typed("text/plain; charset=utf-8", text);
    *reply.status_mut() = status;
    reply
}

/// An answer of some type.
pub(super) fn typed(content_type: &'static str, bytes: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Body::from(bytes));
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
