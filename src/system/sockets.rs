//! Listening sockets: those that the service manager passed, by name, else our own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};

use super::port_holder::{self, Protocol};
use super::sys;
use crate::error::{Error, ErrorKind, Result};

/// Connections that wait to be accepted. The kernel cuts it to net.core.somaxconn.
const BACKLOG: i32 = 512;

/// Sockets that were passed to us and that nobody has asked for yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(String, OwnedFd)>);

impl Inherited {
    /// Takes the sockets that the service manager passed. There are none in the ordinary case, and none at the
    /// second call.
    pub fn take() -> Result<Self> {
        sys::inherited_sockets().map(Self).map_err(|e| {
            Error::with_source(
                ErrorKind::Config,
                "taking over the sockets of the service manager (LISTEN_FDS)",
                e,
            )
        })
    }

    /// All listening TCP sockets named `name` (`FileDescriptorName=` of the socket unit, which is the unit's name when
    /// nothing is given).
    pub fn tcp(&mut self, name: &str) -> Result<Vec<TcpListener>> {
        let unit = format!("{name}.socket");
        let (wanted, rest) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(given, _)| given == name || *given == unit);
        self.0 = rest;
        wanted
            .into_iter()
            .map(|(given, fd)| check_listening(&given, fd))
            .collect()
    }

    /// Names of the sockets that nobody asked for: a mistake in a socket unit.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

fn check_listening(name: &str, fd: OwnedFd) -> Result<TcpListener> {
    let socket = Socket::from(fd);
    let fits = socket.is_listener().unwrap_or(false)
        && socket.r#type().is_ok_and(|kind| kind == Type::STREAM)
        && socket
            .domain()
            .is_ok_and(|domain| domain == Domain::IPV4 || domain == Domain::IPV6);
    if !fits {
        crate::bail!(
            Config,
            "the socket {name:?} of the service manager is not a listening TCP socket: use ListenStream= in its unit"
        );
    }
    socket
        .set_nonblocking(true)
        .map_err(|e| Error::io(format!("preparing the socket {name:?}"), e))?;
    Ok(socket.into())
}

/// Listens on `address`, non-blocking. `[::]` takes IPv4 clients too, and becomes `0.0.0.0` on a box without IPv6.
/// A port in use is [`ErrorKind::Unavailable`] and names the holder as far as that can be seen.
pub fn listen_tcp(address: SocketAddr) -> Result<TcpListener> {
    match bind_tcp(address) {
        Ok(listener) => Ok(listener),
        Err(e) if is_ipv6_off(&e) && address.ip().is_unspecified() => {
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
            bind_tcp(address).map_err(|e| explain(Protocol::Tcp, address, e))
        }
        Err(e) => Err(explain(Protocol::Tcp, address, e)),
    }
}

fn bind_tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(SocketProtocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Without it a restart would wait for the last connections to time out (TIME_WAIT, a minute).
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn is_ipv6_off(error: &std::io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(nix::libc::EAFNOSUPPORT | nix::libc::EADDRNOTAVAIL)
    )
}

/// Why `address` cannot be had, and what to do about it.
pub(crate) fn explain(protocol: Protocol, address: SocketAddr, error: std::io::Error) -> Error {
    let kind = match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    };
    let port = address.port();
    let message = match error.kind() {
        std::io::ErrorKind::AddrInUse => match port_holder::find(protocol, port) {
            Some(holder) => format!("{kind} port {port} is used by {holder}"),
            None => format!(
                "{kind} port {port} is used by another program (as root, \"ss -lnp 'sport = :{port}'\" names it)"
            ),
        },
        std::io::ErrorKind::PermissionDenied => format!(
            "{kind} port {port} is for privileged programs only: give it to the service by a socket unit, or choose one above 1023"
        ),
        std::io::ErrorKind::AddrNotAvailable => {
            format!("{} is no address of this box", address.ip())
        }
        _ => format!("listening on {kind} {address}"),
    };
    Error::with_source(ErrorKind::Unavailable, message, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_port() -> u16 {
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().port()
    }

    #[test]
    fn a_port_in_use_names_its_holder() {
        let first = listen_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = listen_tcp(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.kind().exit_code(), 69);
        let us = format!("(process {})", std::process::id());
        assert!(error.to_string().contains(&us), "{error}");
    }

    #[test]
    fn the_unspecified_address_takes_ipv4_clients() {
        let address = SocketAddr::new("::".parse().unwrap(), free_port());
        let listener = listen_tcp(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    #[test]
    fn a_foreign_address_is_explained() {
        let error = listen_tcp("203.0.113.1:0".parse().unwrap()).unwrap_err();
        assert!(
            error.to_string().contains("no address of this box"),
            "{error}"
        );
    }

    const IN_CHILD: &str = "EXSTREAMD_TEST_LISTEN_CHILD";

    /// The service manager's part is played by a shell: descriptor 3 is a listening socket (its standard input),
    /// descriptor 4 is none.
    #[test]
    fn sockets_of_the_service_manager_are_adopted_by_name() {
        if let Ok(port) = std::env::var(IN_CHILD) {
            let mut inherited = Inherited::take().unwrap();
            assert_eq!(inherited.unused().collect::<Vec<_>>(), ["web", "odd"]);
            assert!(inherited.tcp("unknown").unwrap().is_empty());
            let adopted = inherited.tcp("web").unwrap();
            assert_eq!(adopted[0].local_addr().unwrap().port().to_string(), port);
            let error = inherited.tcp("odd").unwrap_err();
            assert!(error.to_string().contains("ListenStream="), "{error}");
            assert_eq!(Inherited::take().unwrap().unused().count(), 0);
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = "exec 3<&0 4</dev/null; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:odd exec \"$0\" --exact \
             system::sockets::tests::sockets_of_the_service_manager_are_adopted_by_name";
        let output = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(script)
            .arg(std::env::current_exe().unwrap())
            .env(IN_CHILD, port.to_string())
            .stdin(OwnedFd::from(listener))
            .output()
            .unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(report.contains("1 passed"), "{output:?}");
    }
}
