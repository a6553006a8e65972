//! UDP sockets that know by which interface a datagram came in, and can choose by which one goes out: a box with two
//! networks must name another address in each.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd as _;

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrLike,
    SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::reach::Arrival;

/// Whether others on this box may have the port too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// No: two answers to one question would confuse.
    Exclusive,
    /// Yes: every UPnP program listens on port 1900.
    Shared,
}

/// A non-blocking UDP socket.
#[derive(Debug)]
pub(super) struct Udp {
    socket: UdpSocket,
    /// Room for what the kernel says about a datagram; a `Vec`, as the kernel's structures want to be aligned.
    control: Vec<u8>,
}

impl Udp {
    pub(super) fn bind(address: SocketAddr, sharing: Sharing) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if sharing == Sharing::Shared {
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(true)?;
        }
        if address.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            // Else we would also get what other programs of this box joined.
            socket.set_multicast_all_v4(false)?;
            // UPnP Device Architecture 2.0 §1.1.2.
            socket.set_multicast_ttl_v4(2)?;
        } else {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
            control: cmsg_space!(in_pktinfo, in6_pktinfo),
        })
    }

    /// The port that it is bound to.
    #[cfg(test)]
    fn local_port(&self) -> Option<u16> {
        self.socket.local_addr().ok().map(|address| address.port())
    }

    /// Joins a group on an interface. Having joined already is no failure.
    pub(super) fn join(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        let socket = SockRef::from(&self.socket);
        let joined = match group {
            IpAddr::V4(group) => {
                socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface))
            }
            IpAddr::V6(group) => socket.join_multicast_v6(&group, interface),
        };
        match joined {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => Ok(()),
            other => other,
        }
    }

    /// Waits for a datagram; what is longer than `buffer` is cut. Nothing is lost when the future is dropped.
    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Arrival)> {
        let fd = self.socket.as_raw_fd();
        loop {
            let received = self.socket.async_io(Interest::READABLE, || {
                receive_now(fd, buffer, &mut self.control)
            });
            if let Some(received) = received.await? {
                return Ok(received);
            }
            // Without an interface it cannot be answered rightly.
        }
    }

    /// Sends from one of our addresses out of one of our interfaces. What the network cannot take now is dropped, as
    /// datagrams are.
    pub(super) fn send(
        &self,
        data: &[u8],
        to: SocketAddr,
        from: Option<(IpAddr, u32)>,
    ) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        let data = [IoSlice::new(data)];
        let flags = MsgFlags::MSG_DONTWAIT;
        match to {
            SocketAddr::V4(to) => {
                let to = SockaddrIn::from(to);
                let info = from.and_then(v4_info);
                let control = info.as_ref().map(ControlMessage::Ipv4PacketInfo);
                sendmsg(fd, &data, control.as_slice(), flags, Some(&to))?;
            }
            SocketAddr::V6(to) => {
                let to = SockaddrIn6::from(to);
                let info = from.and_then(v6_info);
                let control = info.as_ref().map(ControlMessage::Ipv6PacketInfo);
                sendmsg(fd, &data, control.as_slice(), flags, Some(&to))?;
            }
        }
        Ok(())
    }
}

fn v4_info((ip, interface): (IpAddr, u32)) -> Option<in_pktinfo> {
    let IpAddr::V4(ip) = ip else { return None };
    Some(in_pktinfo {
        ipi_ifindex: i32::try_from(interface).ok()?,
        ipi_spec_dst: in_addr {
            s_addr: u32::from_ne_bytes(ip.octets()),
        },
        ipi_addr: in_addr { s_addr: 0 },
    })
}

fn v6_info((ip, interface): (IpAddr, u32)) -> Option<in6_pktinfo> {
    let IpAddr::V6(ip) = ip else { return None };
    Some(in6_pktinfo {
        ipi6_addr: in6_addr {
            s6_addr: ip.octets(),
        },
        ipi6_ifindex: interface,
    })
}

fn receive_now(
    fd: std::os::fd::RawFd,
    buffer: &mut [u8],
    control: &mut [u8],
) -> io::Result<Option<(usize, Arrival)>> {
    let mut data = [IoSliceMut::new(buffer)];
    let received =
        recvmsg::<SockaddrStorage>(fd, &mut data, Some(control), MsgFlags::MSG_DONTWAIT)?;
    let Some(source) = received.address.as_ref().and_then(socket_address) else {
        return Ok(None);
    };
    let found = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some((
            v4(info.ipi_addr),
            v4(info.ipi_spec_dst),
            u32::try_from(info.ipi_ifindex).unwrap_or(0),
        )),
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let ip = IpAddr::from(info.ipi6_addr.s6_addr);
            Some((ip, ip, info.ipi6_ifindex))
        }
        _ => None,
    });
    let arrival = found.map(|(destination, local, interface)| Arrival {
        source,
        destination,
        local,
        interface,
    });
    Ok(arrival.map(|arrival| (received.bytes, arrival)))
}

fn v4(address: in_addr) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(address.s_addr.to_ne_bytes()))
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if storage.len() == 0 {
        return None;
    }
    match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::V4(SocketAddrV4::from(*v4))),
        (_, Some(v6)) => Some(SocketAddr::V6(SocketAddrV6::from(*v6))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_datagram_tells_where_it_came_in_and_is_answered_from_there() {
        let mut ours = Udp::bind("0.0.0.0:0".parse().unwrap(), Sharing::Exclusive).unwrap();
        let port = ours.local_port().unwrap();
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", ("127.0.0.1", port)).unwrap();
        let mut buffer = [0; 16];
        let (length, arrival) = ours.receive(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"hello");
        assert_eq!(arrival.source, client.local_addr().unwrap());
        assert_eq!(arrival.local.to_string(), "127.0.0.1");
        assert_eq!(arrival.destination.to_string(), "127.0.0.1");
        assert_eq!(
            arrival.interface,
            nix::net::if_::if_nametoindex("lo").unwrap()
        );

        ours.send(
            b"hi",
            arrival.source,
            Some((arrival.local, arrival.interface)),
        )
        .unwrap();
        client
            .set_read_timeout(Some(std::time::Duration::from_secs(10)))
            .unwrap();
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hi");
        assert_eq!(from.port(), port);
    }
}
