//! The sockets: the main port and the control socket, without which there is no daemon, and the further
//! ports, which are tried again and again.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Setting;
use crate::error::{Error, Result};
use crate::http::{self, Listener, Server, Shared};
use crate::metrics::Severity;
use crate::system::sockets::{Inherited, listen_tcp};

const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What the sockets of our socket units are called.
const INHERITED: [&str; 2] = ["exstreamd", "http"];

/// Opens all sockets and serves them. The set ends with the server.
///
/// # Errors
/// When the main port or the control socket cannot be had.
pub(super) fn open(
    app: &Shared,
    server: &Arc<Server>,
    setting: &Setting,
    stop: &watch::Receiver<bool>,
) -> Result<JoinSet<()>> {
    let mut serving = JoinSet::new();
    let config = &setting.config;
    let mut inherited = Inherited::take()?;
    let mut adopted = Vec::new();
    for name in INHERITED {
        for socket in inherited.tcp(name)? {
            adopted.extend(socket.local_addr().map(|address| address.port()));
            serving.spawn(server.clone().serve(tcp(socket)?));
        }
    }
    for name in inherited.unused() {
        log::warn!("the service manager passed a socket named {name:?}, which is not one of ours");
    }
    let addresses = match config.listen.as_slice() {
        [] => vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
        some => some.to_vec(),
    };
    if !adopted.contains(&config.port) {
        let mut port = config.port;
        for ip in &addresses {
            let socket = listen_tcp(SocketAddr::new(*ip, port))?;
            // With port 0 the first address chooses for all.
            port = socket.local_addr().map_or(port, |address| address.port());
            serving.spawn(server.clone().serve(tcp(socket)?));
        }
        app.port.store(port, Ordering::Relaxed);
    }
    let control = http::bind_control(&setting.dirs.socket())?;
    let control = tokio::net::UnixListener::from_std(control)
        .map_err(|e| Error::io("opening the control socket", e))?;
    serving.spawn(server.clone().serve(Listener::Control(control)));
    for &port in &config.extra_ports {
        if port == config.port || adopted.contains(&port) {
            continue;
        }
        for &ip in &addresses {
            let (app, server, stop) = (app.clone(), server.clone(), stop.clone());
            serving.spawn(extra(app, server, SocketAddr::new(ip, port), stop));
        }
    }
    Ok(serving)
}

fn tcp(socket: std::net::TcpListener) -> Result<Listener> {
    let listener = tokio::net::TcpListener::from_std(socket);
    Ok(Listener::Tcp(
        listener.map_err(|e| Error::io("opening a port", e))?,
    ))
}

/// Serves a further port as soon as it can be had.
async fn extra(
    app: Shared,
    server: Arc<Server>,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let key = format!("port.{}", address.port());
    loop {
        match listen_tcp(address).and_then(tcp) {
            Ok(listener) => {
                app.findings.clear(&key);
                return server.serve(listener).await;
            }
            Err(e) => {
                app.findings
                    .set(&key, Severity::Notice, explain(&app, address.port(), &e));
            }
        }
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return,
            () = app.clock.sleep(LOOK_AGAIN) => {}
        }
    }
}

fn explain(app: &Shared, port: u16, error: &Error) -> String {
    let base = app
        .addresses()
        .into_iter()
        .next()
        .unwrap_or_else(|| format!("http://THIS-BOX:{}", app.port()));
    match port {
        80 => format!(
            "Jellyfin and Emby cannot detect this tuner by themselves; add {base} by hand ({error})"
        ),
        _ => format!("{error}; nothing is lost: all clients can use {base}"),
    }
}
