//! One remote file and the one connection to its server: a request at a time, redirects, and what to think
//! of everything that can go wrong.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, HOST, HeaderName, HeaderValue, IF_RANGE, RANGE, USER_AGENT,
};
use hyper::http::response::Parts;
use hyper::{Request, Response};

use super::Url;
use super::address::Address;
use super::answer::{self, Asked, Verdict, Version};
use super::client::Sender;
use crate::error::{Error, ErrorKind, Result};

/// Redirects on the way to a file.
const REDIRECTS: usize = 5;
/// A server that does not send so much in the time that it is given has stopped.
pub(super) const PROGRESS_BYTES: usize = 4 << 10;
/// Whoever has what he wants does not wait longer than this for what he may want next.
const SOON: Duration = Duration::from_millis(500);

/// Why a request did not bring what it should.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) error: Error,
    pub(super) cure: Cure,
}

/// What may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cure {
    /// Nothing.
    None,
    /// Asking again.
    Again,
    /// The same; but the whole time allowed has passed.
    AgainLater,
    /// Another address: a fresh one when this is true, else only another way through the redirects.
    Fresh(bool),
}

impl Trouble {
    pub(super) fn never(error: Error) -> Self {
        let cure = Cure::None;
        Self { error, cure }
    }

    pub(super) fn again(error: Error) -> Self {
        let cure = Cure::Again;
        Self { error, cure }
    }
}

pub(super) struct Remote {
    pub(super) url: Url,
    /// Where redirects led.
    at: Address,
    connection: Option<Connection>,
    /// The rest of an answer that came too slowly to be waited for.
    rest: Option<Rest>,
    /// What the file was when it was opened, and the server that said so.
    version: Option<(Version, String)>,
    patience: Duration,
}

struct Connection {
    origin: String,
    sender: Sender,
}

/// A body of which something is left.
struct Rest {
    body: Incoming,
    at: u64,
    bytes: u64,
}

impl Remote {
    pub(super) fn new(url: Url) -> Self {
        Self {
            at: url.address().clone(),
            patience: url.patience(),
            connection: None,
            rest: None,
            version: None,
            url,
        }
    }

    /// The length of the file; zero before the first answer.
    pub(super) fn size_bytes(&self) -> u64 {
        self.version.as_ref().map_or(0, |(v, _)| v.size_bytes)
    }

    /// Goes on with another address of the same file.
    pub(super) fn renew(&mut self, url: Url) {
        self.at = url.address().clone();
        self.url = url;
        self.disconnect();
    }

    /// Goes back to before the redirects; false when there were none.
    pub(super) fn forget_redirects(&mut self) -> bool {
        let redirected = self.at != *self.url.address();
        self.at = self.url.address().clone();
        redirected
    }

    /// Forgets the connection: after any trouble it is not known what still lies in it.
    pub(super) fn disconnect(&mut self) {
        (self.connection, self.rest) = (None, None);
    }

    /// Whether the answer under way goes on at `from`.
    pub(super) fn goes_on_at(&self, from: u64) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.at == from)
    }

    /// Appends what one answer brings of the bytes `from..to`, at least one unless the file ends there. Once
    /// the first `least` of them have come, a slow server is not waited for. What has come stays in `out` when the
    /// rest does not.
    pub(super) async fn exchange(
        &mut self,
        from: u64,
        to: u64,
        least: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        if let Some(rest) = self.rest.take() {
            if rest.at == from {
                return self.receive(rest, least, out).await;
            }
            self.connection = None;
        }
        for _ in 0..=REDIRECTS {
            let (parts, body) = self.ask(from, to).await?.into_parts();
            match self.judge(&parts, from, to) {
                Verdict::Bytes(bytes, version) => {
                    self.version = Some((version, self.at.origin()));
                    let at = from;
                    return self.receive(Rest { body, at, bytes }, least, out).await;
                }
                Verdict::Moved(reference) => {
                    let to = self.at.join(&reference).map_err(|e| {
                        Trouble::never(e.context(format!("{}: following a redirect", self.url)))
                    })?;
                    self.at = if to.origin() == self.url.address().origin() {
                        to
                    } else {
                        to.without_secrets_of(self.url.address())
                    };
                    self.connection = None;
                }
                Verdict::Expired(error, fresh) => {
                    let cure = Cure::Fresh(fresh);
                    return Err(Trouble { error, cure });
                }
                Verdict::Again(error) => return Err(Trouble::again(error)),
                Verdict::Never(error) => return Err(Trouble::never(error)),
            }
        }
        Err(Trouble::never(Error::new(
            ErrorKind::Unsupported,
            format!("{}: more than {REDIRECTS} redirects", self.url),
        )))
    }

    fn judge(&self, parts: &Parts, from: u64, to: u64) -> Verdict {
        let origin = self.at.origin();
        let known = self.version.as_ref().map(|(v, of)| (v, *of == origin));
        let name = self.url.name();
        answer::judge(
            parts,
            &Asked {
                name,
                from,
                to,
                known,
            },
        )
    }

    /// Sends the request and waits for the head of the answer.
    async fn ask(&mut self, from: u64, to: u64) -> Result<Response<Incoming>, Trouble> {
        let origin = self.at.origin();
        let kept = self.connection.take().filter(|c| c.origin == origin);
        if let Some(mut connection) = kept
            && self.within(connection.sender.ready()).await?.is_ok()
        {
            let request = self.request(from, to)?;
            let answer = connection.sender.send_request(request);
            // A server closes a connection that was idle for a while; it may not have seen this request.
            if let Ok(response) = self.within(answer).await? {
                self.connection = Some(connection);
                return Ok(response);
            }
        }
        let connecting = self.url.client().connect(&self.at, self.url.name());
        let sender = self.within(connecting).await??;
        let mut connection = Connection { origin, sender };
        let request = self.request(from, to)?;
        let response = self.within(connection.sender.send_request(request)).await?;
        let response = response.map_err(|e| self.lost(from, e))?;
        self.connection = Some(connection);
        Ok(response)
    }

    fn request(&self, from: u64, to: u64) -> Result<Request<Empty<Bytes>>, Trouble> {
        let own = HeaderValue::from_static(concat!("exstreamd/", env!("CARGO_PKG_VERSION")));
        let mut request = Request::get(self.at.target())
            .header(HOST, self.at.authority())
            .header(USER_AGENT, own)
            .header(ACCEPT, "*/*")
            .header(ACCEPT_ENCODING, "identity")
            .header(RANGE, format!("bytes={from}-{}", to.saturating_sub(1)));
        let origin = self.at.origin();
        if let Some((version, of)) = &self.version
            && *of == origin
            && let Some(validator) = version.if_range()
        {
            request = request.header(IF_RANGE, validator);
        }
        // Logins and tokens are for the server that they were given for.
        if origin == self.url.address().origin() {
            for (name, value) in self.url.headers() {
                request = request.header(HeaderName::clone(name), HeaderValue::clone(value));
            }
        }
        request.body(Empty::new()).map_err(|_| {
            // The parser's own message could repeat what it was given.
            let message = format!("{}: a request that cannot be sent", self.url);
            Trouble::never(Error::new(ErrorKind::Invalid, message))
        })
    }

    /// Takes the bytes of a body. The connection is kept when nothing is left in it.
    async fn receive(
        &mut self,
        mut rest: Rest,
        least: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        let clock = self.url.client().clock().clone();
        let mut due = clock.sleep(self.patience);
        let mut soon = clock.sleep(SOON);
        let (mut taken, mut progress) = (0, 0);
        while rest.bytes > 0 {
            let frame = tokio::select! {
                biased;
                frame = rest.body.frame() => frame,
                () = &mut soon, if taken >= least => {
                    self.rest = Some(rest);
                    return Ok(());
                }
                () = &mut due => return Err(self.too_slow()),
            };
            let frame = match frame {
                Some(Ok(frame)) => frame,
                Some(Err(e)) => return Err(self.lost(rest.at, e)),
                None => return Err(self.lost(rest.at, "it ended too early")),
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let fits = usize::try_from(rest.bytes).unwrap_or(usize::MAX);
            let wanted = data.get(..fits).unwrap_or(&data);
            out.extend_from_slice(wanted);
            taken += wanted.len();
            progress += wanted.len();
            rest.at += wanted.len() as u64;
            rest.bytes -= wanted.len() as u64;
            if progress >= PROGRESS_BYTES {
                progress = 0;
                due = clock.sleep(self.patience);
            }
            if wanted.len() < data.len() {
                // More than it announced: what would follow is anybody's guess.
                self.connection = None;
            }
        }
        if !rest.body.is_end_stream() {
            // The end of a chunked body mostly lies in the same packet; it is not waited for.
            let ended = tokio::select! {
                biased;
                end = rest.body.frame() => end.is_none(),
                () = tokio::task::yield_now() => false,
            };
            if !ended {
                self.connection = None;
            }
        }
        Ok(())
    }

    async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T, Trouble> {
        tokio::select! {
            done = future => Ok(done),
            () = self.url.client().clock().sleep(self.patience) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> Trouble {
        let seconds = self.patience.as_secs();
        let message = format!("{}: the server sent nothing for {seconds} s", self.url);
        Trouble {
            error: Error::new(ErrorKind::Timeout, message),
            cure: Cure::AgainLater,
        }
    }

    fn lost(&self, at: u64, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Trouble {
        let cause = cause.into();
        let http = cause.downcast_ref::<hyper::Error>();
        if http.is_some_and(hyper::Error::is_parse) {
            let message = format!(
                "{}: {} does not answer as a web server does: are port and http or https right?",
                self.url,
                self.at.authority()
            );
            return Trouble::never(Error::with_source(ErrorKind::Unsupported, message, cause));
        }
        let message = format!("{}: the connection was lost at byte {at}", self.url);
        Trouble::again(Error::with_source(ErrorKind::Unavailable, message, cause))
    }
}
