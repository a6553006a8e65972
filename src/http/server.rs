//! Listeners and connections: HTTP/1.1 over TCP and over the control socket.
//!
//! Every connection is a task of its own that ends with its client. What a client may cost is fixed
//! here: time to send its request, buffers, how long a dead one is kept, how many there may be.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::Shared;
use super::body::Body;
use super::control;
use super::router::{self, Via};

/// From the first byte to the end of the headers; also how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// What hyper holds of one connection, in either direction.
const BUFFER_BYTES: usize = 64 * 1024;
/// What the kernel holds for a client that does not keep up. The kernel doubles it (socket(7)).
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// How long unacknowledged bytes are kept for a client that vanished (tcp(7), TCP_USER_TIMEOUT).
const USER_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections beyond those of viewers, for everybody who only asks.
const SPARE_CONNECTIONS: usize = 64;
/// How many who are turned away may be told so at the same time.
const REFUSALS: usize = 32;
/// How long streams may take to end on a packet boundary when the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);
/// How often an idle accept loop turns, to show that it lives; and how old its last turn may be.
const TURN: Duration = Duration::from_secs(5);
const TURN_LIMIT: Duration = Duration::from_secs(15);
/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    X-HDHomeRun-Error: 805 All Tuners In Use\r\n\
    Retry-After: 10\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Accepts and serves connections until told to stop, then lets them end.
pub struct Server {
    app: Shared,
    connections: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// Where connections come from.
pub enum Listener {
    /// The network.
    Tcp(TcpListener),
    /// The control socket.
    Control(UnixListener),
}

enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Control(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => listener
                .accept()
                .await
                .map(|(stream, peer)| Accepted::Tcp(stream, peer)),
            Self::Control(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| Accepted::Control(stream)),
        }
    }
}

impl Server {
    /// A server for as many viewers as `app` allows. It stops when `stop` turns true.
    pub fn new(app: Shared, stop: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self {
            connections: Arc::new(Semaphore::new(app.max_viewers + SPARE_CONNECTIONS)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            app,
            stop,
        })
    }

    /// Serves one listener; ends when all its connections have, at most two seconds after the stop.
    pub async fn serve(self: Arc<Self>, listener: Listener) {
        let mut stop = told_to_stop(self.stop.clone());
        let mut tasks = JoinSet::new();
        let mut failing = false;
        let pulse = self.app.liveness.pulse("accepting connections", TURN_LIMIT);
        loop {
            pulse.beat();
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                accepted = listener.accept() => accepted,
                () = self.app.clock.sleep(TURN) => continue,
            };
            let failed_before = std::mem::replace(&mut failing, accepted.is_err());
            match accepted {
                Ok(Accepted::Tcp(stream, peer)) => self.admit(stream, peer, &mut tasks),
                Ok(Accepted::Control(stream)) => self.admit_control(stream, &mut tasks),
                Err(e) => {
                    // Said once: out of file descriptors it fails ten times a second.
                    if !failed_before {
                        log::warn!(ERROR_KIND = "io"; "accepting a connection: {e}");
                    }
                    self.app.clock.sleep(ACCEPT_REST).await;
                }
            }
        }
        drop((listener, pulse));
        let drained = async { while tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = drained => {}
            () = self.app.clock.sleep(DRAIN) => {}
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
        let (Ok(local), Ok(())) = (stream.local_addr(), tune_socket(&stream)) else {
            return; // The client is gone already.
        };
        match Arc::clone(&self.connections).try_acquire_owned() {
            Ok(permit) => {
                let via = Via::Network { peer, local };
                tasks.spawn(Arc::clone(self).connection(stream, via, Some(permit)));
            }
            Err(_) => self.refuse(stream, tasks),
        }
    }

    /// The command line is let in also when the house is full.
    fn admit_control(self: &Arc<Self>, stream: UnixStream, tasks: &mut JoinSet<()>) {
        match control::admit(&stream) {
            Ok(()) => {
                tasks.spawn(Arc::clone(self).connection(stream, Via::Control, None));
            }
            Err(who) => log::warn!("the control socket refused {who}"),
        }
    }

    async fn connection<S>(
        self: Arc<Self>,
        stream: S,
        via: Via,
        permit: Option<OwnedSemaphorePermit>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let open = self.app.registry.series("exstreamd_http_connections", "");
        open.add(1);
        let app = Arc::clone(&self.app);
        let service = service_fn(move |request: Request<Incoming>| {
            let app = Arc::clone(&app);
            async move { Ok::<Response<Body>, Infallible>(router::answer(app, via, request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(BUFFER_BYTES)
            .half_close(false)
            // Old players know headers by their usual spelling only.
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut stop = told_to_stop(self.stop.clone());
        // Errors here are clients that left or spoke nonsense: nothing for a log of a healthy day.
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = &mut stop => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(e) = ended {
            log::debug!("a connection ended: {e}");
        }
        open.add(-1);
        drop(permit);
    }

    /// Says 503 to a client for which there is no room, without reading what it wants.
    fn refuse(&self, mut stream: TcpStream, tasks: &mut JoinSet<()>) {
        self.app
            .registry
            .series("exstreamd_http_connections_refused_total", "")
            .inc();
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else {
            return;
        };
        let clock = Arc::clone(&self.app.clock);
        tasks.spawn(async move {
            let said = async {
                stream.write_all(REFUSAL).await?;
                stream.shutdown().await?;
                // Unread bytes would turn the close into a reset and lose the answer.
                let mut request = [0; 1024];
                while stream.read(&mut request).await? > 0 {}
                io::Result::Ok(())
            };
            tokio::select! {
                _ = said => {}
                () = clock.sleep(Duration::from_secs(1)) => {}
            }
            drop(permit);
        });
    }
}

/// A sender that is gone means that the daemon is, too.
fn told_to_stop(mut stop: watch::Receiver<bool>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move { drop(stop.wait_for(|&stop| stop).await) })
}

fn tune_socket(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    let keepalive = TcpKeepalive::new()
        .with_time(USER_TIMEOUT)
        .with_interval(Duration::from_secs(10));
    socket.set_tcp_keepalive(&keepalive)
}
