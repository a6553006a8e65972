//! What all remote files share: time, patience, and TLS, whose certificates are loaded when the first
//! `https` address is opened and not before.

use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::CertificateError;
use tower_service::Service as _;

use super::Url;
use super::address::Address;
use super::remote::Trouble;
use crate::clock::SharedClock;
use crate::config::Timeouts;
use crate::error::{Error, ErrorKind, Result};

/// The head of an answer, and what is read of its body at once.
const BUFFER_BYTES: usize = 64 << 10;
/// What a request is sent through.
pub(super) type Sender = SendRequest<Empty<Bytes>>;

/// Makes [`Url`]s. Cheap to clone; nothing is loaded or connected before a file is opened.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    clock: SharedClock,
    timeouts: Timeouts,
    tls: Mutex<Option<HttpsConnector<HttpConnector>>>,
}

impl Client {
    /// A client that waits by `clock`, and for a server as long as `timeouts` says.
    pub fn new(clock: SharedClock, timeouts: Timeouts) -> Self {
        Self(Arc::new(Shared {
            clock,
            timeouts,
            tls: Mutex::default(),
        }))
    }

    /// The file at `text`, an `http` or `https` address. `Invalid` for anything else.
    pub fn url(&self, text: &str) -> Result<Url> {
        let (address, login) = Address::parse(text)?;
        Ok(Url::new(self.clone(), address, login))
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    /// How long a server may leave us without bytes: by whose server it is.
    pub(super) fn patience(&self, address: &Address, is_plex: bool) -> Duration {
        let host = address.host();
        let below = |domains: &[&str]| {
            let before = |domain: &&str| host.strip_suffix(*domain);
            let mut before = domains.iter().filter_map(before);
            before.any(|before| before.is_empty() || before.ends_with('.'))
        };
        let timeouts = &self.0.timeouts;
        let loopback = host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if is_plex || address.port() == 32_400 || below(&["plex.direct"]) {
            timeouts.plex
        } else if loopback || below(&["localhost"]) {
            timeouts.local
        } else if below(&["youtube.com", "googlevideo.com"]) {
            timeouts.youtube
        } else if below(&["archive.org"]) {
            timeouts.archive
        } else if below(&[
            "drive.google.com",
            "googleusercontent.com",
            "drive.usercontent.google.com",
        ]) {
            timeouts.drive
        } else {
            timeouts.other
        }
    }

    /// Connects to the server of `address`. The connection is driven by the runtime that this runs on.
    pub(super) async fn connect(&self, address: &Address, name: &str) -> Result<Sender, Trouble> {
        let uri = address.uri().map_err(Trouble::never)?;
        let connected = if address.https() {
            let mut tls = self.tls().map_err(Trouble::never)?;
            tls.call(uri).await
        } else {
            let stream = connector().call(uri).await;
            stream.map(MaybeHttpsStream::Http).map_err(Into::into)
        };
        let stream = connected.map_err(|e| not_connected(name, address, e))?;
        let (sender, connection) = Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .handshake(stream)
            .await
            .map_err(|e| not_connected(name, address, e.into()))?;
        tokio::spawn(async move {
            // What goes wrong with it the request says.
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn tls(&self) -> Result<HttpsConnector<HttpConnector>> {
        let mut shared = self.0.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = &*shared {
            return Ok(tls.clone());
        }
        let ring = rustls::crypto::ring::default_provider;
        // A container without certificates of its own trusts those that Mozilla does.
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(ring())
            .or_else(|_| HttpsConnectorBuilder::new().with_provider_and_webpki_roots(ring()))
            .map_err(|e| Error::with_source(ErrorKind::Internal, "setting up TLS", e))?;
        let tls = builder
            .https_only()
            .enable_http1()
            .wrap_connector(connector());
        Ok(shared.insert(tls).clone())
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector
}

type Cause = Box<dyn StdError + Send + Sync>;

/// Why there is no connection, so that a person can mend it.
fn not_connected(name: &str, address: &Address, cause: Cause) -> Trouble {
    let server = address.authority();
    if let Some(tls) = tls_error(&*cause) {
        let why = match tls {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
                "the certificate of {server} is signed by nobody whom this box trusts: add its authority to the system's \
                 certificates (/usr/local/share/ca-certificates and update-ca-certificates), or name it in SSL_CERT_FILE"
            ),
            rustls::Error::InvalidCertificate(e) => {
                format!("the certificate of {server} is not valid: {e}")
            }
            rustls::Error::InvalidMessage(_) => {
                format!("{server} does not speak TLS: is it an http:// address?")
            }
            other => format!("no secure connection to {server}: {other}"),
        };
        return Trouble::never(Error::new(ErrorKind::Unavailable, format!("{name}: {why}")));
    }
    Trouble::again(Error::with_source(
        ErrorKind::Unavailable,
        format!("{name}: no connection to {server}: is the server there?"),
        cause,
    ))
}

/// The TLS library's own error, however deep it lies.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref() {
        return Some(tls);
    }
    // An I/O error names as its source what its own content has as a source.
    let inside = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match inside {
        Some(inside) => tls_error(inside),
        None => tls_error(error.source()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SimClock, UtcMs};

    #[test]
    fn each_kind_of_server_has_its_own_patience() {
        let client = Client::new(Arc::new(SimClock::new(UtcMs(0))), Timeouts::default());
        for (url, seconds) in [
            ("http://127.0.0.1:9/x", 1),
            ("http://[::1]/x", 1),
            ("http://localhost/x", 1),
            (
                "http://nas:32400/library/parts/1/2/f.mkv?X-Plex-Token=t",
                60,
            ),
            ("https://10-0-0-2.ab.plex.direct:4711/x", 60),
            ("http://127.0.0.1:4711/x?x-plex-token=t", 60),
            ("https://r4---sn-4g5.googlevideo.com/videoplayback", 10),
            ("https://archive.org/download/x/x.mp4", 60),
            ("https://ia801.us.archive.org/x.mp4", 60),
            ("https://notarchive.org/x.mp4", 30),
            ("https://drive.google.com/uc?id=1", 30),
            ("http://nas.lan/x", 30),
        ] {
            let url = client.url(url).unwrap();
            assert_eq!(url.patience().as_secs(), seconds, "{url}");
        }
        let headed = client.url("http://127.0.0.1/x").unwrap();
        let headed = headed.with_header("X-Plex-Token", "t").unwrap();
        assert_eq!(headed.patience().as_secs(), 60);
    }
}
