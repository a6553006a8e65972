//! UDP port 65001: how libhdhomerun, Kodi, Jellyfin and Channels DVR find tuners.
//!
//! Three shapes of request are in use and all are answered: kind and id of device (old libhdhomerun, Jellyfin), the
//! kind alone, and a list of kinds (libhdhomerun since 2025). The reply goes out at once, because clients wait 200 ms,
//! from the port and the address that were asked, and names the address of the interface it was asked on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::packet::{
    self, DEVICE_TYPE_TUNER, Frame, FrameBuilder, FrameBytes, WILDCARD, kind, tag,
};
use super::rate::RateLimit;
use super::reach::{Arrival, Reach, ReachConfig};
use super::udp::{Sharing, Udp};
use super::{Device, ServiceState, stopped};
use crate::clock::SharedClock;
use crate::system::identity::DeviceId;
use crate::system::port_holder::Protocol;
use crate::system::sockets::explain;

/// The port that clients send to, UDP and TCP.
pub const PORT: u16 = 65001;

/// Groups that libhdhomerun asks over IPv6: link-local and site-local.
const GROUPS_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 0x176),
    Ipv6Addr::new(0xFF05, 0, 0, 0, 0, 0, 0, 0x176),
];

/// How often a port that was taken is tried again, and the interfaces are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Where to listen.
#[derive(Clone, Debug)]
pub struct Binding {
    /// IPv4, to be had or to be reported.
    pub v4: SocketAddr,
    /// IPv6 beside it, where there is IPv6.
    pub v6: Option<SocketAddr>,
}

impl Default for Binding {
    /// Everywhere, on the port that clients know.
    fn default() -> Self {
        Self {
            v4: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT),
            v6: Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), PORT)),
        }
    }
}

/// Whether a request means us: a kind of device that we are, if it names any, and our id, if it names one.
fn asks_for(frame: &Frame<'_>, device_id: DeviceId) -> bool {
    let ours = |kind: u32| kind == DEVICE_TYPE_TUNER || kind == WILDCARD;
    let mut named_a_kind = false;
    let mut kind_fits = false;
    for (tag, value) in frame.values() {
        match tag {
            tag::DEVICE_TYPE | tag::MULTI_TYPE => {
                named_a_kind = true;
                kind_fits |= value.chunks_exact(4).filter_map(packet::as_u32).any(ours);
            }
            tag::DEVICE_ID => {
                let id = packet::as_u32(value);
                if id != Some(WILDCARD) && id != Some(device_id.as_u32()) {
                    return false;
                }
            }
            _ => {}
        }
    }
    kind_fits || !named_a_kind
}

/// The reply to a datagram, or `None` where there is nothing to say.
pub fn reply_to(datagram: &[u8], device: &Device, base: &str) -> Option<FrameBytes> {
    let frame = Frame::parse(datagram).ok()?;
    if frame.kind != kind::DISCOVER_REQUEST || !asks_for(&frame, device.identity.device_id) {
        return None;
    }
    FrameBuilder::new(kind::DISCOVER_REPLY)
        .and_then(|f| f.u32(tag::DEVICE_TYPE, DEVICE_TYPE_TUNER))
        .and_then(|f| f.u32(tag::DEVICE_ID, device.identity.device_id.as_u32()))
        .and_then(|f| f.u8(tag::TUNER_COUNT, device.tuner_count))
        .and_then(|f| f.text(tag::BASE_URL, base))
        .and_then(|f| f.value(tag::LINEUP_URL, &[base.as_bytes(), b"/lineup.json"]))
        .and_then(FrameBuilder::finish)
        .ok()
}

/// Answers until `shutdown` says stop. `state` says what has become of it.
pub async fn run(
    clock: SharedClock,
    device: Arc<Device>,
    reach: ReachConfig,
    binding: Binding,
    state: watch::Sender<ServiceState>,
    shutdown: watch::Receiver<bool>,
) {
    let service = |address: SocketAddr, state: watch::Sender<ServiceState>| {
        let service = Service {
            clock: clock.clone(),
            device: device.clone(),
            limit: RateLimit::new(clock.monotonic()),
            reach: Reach::new(reach.clone()),
            state,
        };
        service.run(address, shutdown.clone())
    };
    // Nobody misses IPv6 where it is not: its state is not reported.
    let (unreported, _) = watch::channel(ServiceState::Starting);
    match binding.v6 {
        Some(v6) => {
            tokio::join!(service(binding.v4, state), service(v6, unreported));
        }
        None => service(binding.v4, state).await,
    }
}

struct Service {
    clock: SharedClock,
    device: Arc<Device>,
    limit: RateLimit,
    reach: Reach,
    state: watch::Sender<ServiceState>,
}

impl Service {
    async fn run(mut self, address: SocketAddr, mut shutdown: watch::Receiver<bool>) {
        loop {
            match Udp::bind(address, Sharing::Exclusive) {
                Ok(socket) => {
                    if self.serve(socket, &mut shutdown).await {
                        return;
                    }
                }
                Err(error) => {
                    let error = explain(Protocol::Udp, address, error);
                    let reason = format!("tuner discovery is off: {error}");
                    self.state.send_replace(ServiceState::Unavailable(reason));
                }
            }
            tokio::select! {
                () = stopped(&mut shutdown) => return,
                () = self.clock.sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Answers until told to stop (true) or the socket fails (false).
    async fn serve(&mut self, mut socket: Udp, shutdown: &mut watch::Receiver<bool>) -> bool {
        self.look_around(&socket);
        let mut look = self.clock.sleep(LOOK_AGAIN);
        let mut buffer = [0; packet::MAX_FRAME_BYTES];
        loop {
            tokio::select! {
                () = stopped(shutdown) => return true,
                () = &mut look => {
                    look = self.clock.sleep(LOOK_AGAIN);
                    if self.reach.refresh() {
                        self.look_around(&socket);
                    }
                }
                received = socket.receive(&mut buffer) => match received {
                    Ok((length, arrival)) => {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        self.answer(&socket, datagram, arrival);
                    }
                    Err(error) => {
                        let reason = format!("tuner discovery stopped receiving: {error}");
                        self.state.send_replace(ServiceState::Unavailable(reason));
                        return false;
                    }
                },
            }
        }
    }

    /// Joins the groups of new interfaces and says whether we can be of use.
    fn look_around(&self, socket: &Udp) {
        for interface in self.reach.interfaces() {
            if interface.address.is_ipv6() && interface.multicast {
                for group in GROUPS_V6 {
                    // Fails on an IPv4 socket, and on interfaces without IPv6: there is nothing to hear there.
                    let _ = socket.join(IpAddr::V6(group), interface.index);
                }
            }
        }
        self.state.send_replace(match self.reach.silent() {
            Some(reason) => ServiceState::Silent(reason),
            None => ServiceState::Running,
        });
    }

    fn answer(&mut self, socket: &Udp, datagram: &[u8], arrival: Arrival) {
        let Some(arrival) = self.reach.admit(arrival) else {
            return;
        };
        let Some(base) = self.reach.base_for(&arrival) else {
            return;
        };
        let Some(reply) = reply_to(datagram, &self.device, &base) else {
            return;
        };
        if !self
            .limit
            .allow(arrival.source.ip(), self.clock.monotonic())
        {
            return;
        }
        // From a multicast group nothing can be sent; the kernel then chooses the address.
        let from = (!arrival.local.is_multicast()).then_some((arrival.local, arrival.interface));
        if let Err(error) = socket.send(&reply, arrival.source, from) {
            log::debug!(CLIENT:% = arrival.source; "a discovery reply could not be sent: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuner::tests::device;

    fn request(kind: u16, values: &[(u8, &[u32])]) -> FrameBytes {
        values
            .iter()
            .try_fold(FrameBuilder::new(kind).unwrap(), |frame, (tag, numbers)| {
                let value: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
                frame.value(*tag, &[&value])
            })
            .and_then(FrameBuilder::finish)
            .unwrap()
    }

    #[test]
    fn requests_that_mean_us_are_answered_and_others_are_not() {
        #[track_caller]
        fn check(values: &[(u8, &[u32])], expected: bool) {
            let request = request(kind::DISCOVER_REQUEST, values);
            let reply = reply_to(&request, &device(), "http://nas:8411");
            assert_eq!(reply.is_some(), expected, "{values:x?}");
        }
        let ours = 0x105D_EAD3;
        let other = 0x1043_9EFD;
        check(
            &[
                (tag::DEVICE_TYPE, &[WILDCARD]),
                (tag::DEVICE_ID, &[WILDCARD]),
            ],
            true,
        );
        check(
            &[(tag::DEVICE_TYPE, &[1]), (tag::DEVICE_ID, &[WILDCARD])],
            true,
        );
        check(&[(tag::DEVICE_TYPE, &[1]), (tag::DEVICE_ID, &[ours])], true);
        check(&[(tag::DEVICE_TYPE, &[1])], true);
        check(&[(tag::MULTI_TYPE, &[1, 5])], true);
        check(&[(tag::MULTI_TYPE, &[5, WILDCARD])], true);
        check(&[(tag::DEVICE_ID, &[ours])], true);
        check(&[(0x77, &[1, 2, 3]), (tag::DEVICE_TYPE, &[1])], true);
        check(&[], true);
        check(
            &[(tag::DEVICE_TYPE, &[1]), (tag::DEVICE_ID, &[other])],
            false,
        );
        check(&[(tag::DEVICE_TYPE, &[5])], false);
        check(&[(tag::MULTI_TYPE, &[5])], false);
        check(&[(tag::MULTI_TYPE, &[])], false);
        check(&[(tag::DEVICE_TYPE, &[1]), (tag::DEVICE_ID, &[])], false);
    }

    #[test]
    fn only_requests_are_answered() {
        for kind in [kind::DISCOVER_REPLY, kind::GETSET_REQUEST, 0, 0xFFFF] {
            let frame = request(kind, &[(tag::DEVICE_TYPE, &[1])]);
            assert!(
                reply_to(&frame, &device(), "http://nas").is_none(),
                "{kind}"
            );
        }
        for noise in [
            &b""[..],
            b"\x00\x02",
            b"M-SEARCH * HTTP/1.1\r\n\r\n",
            &[0xFF; 1460],
        ] {
            assert!(reply_to(noise, &device(), "http://nas").is_none());
        }
    }

    #[test]
    fn a_reply_passes_the_test_of_jellyfin() {
        // It looks at nothing but the length and the second byte.
        let request = request(kind::DISCOVER_REQUEST, &[]);
        let reply = reply_to(&request, &device(), "http://nas").unwrap();
        assert!(reply.len() > 13 && reply[1] == 3);
    }

    #[test]
    fn the_reply_is_the_one_that_hdhomerun_config_and_kodi_accept() {
        let any = [
            0x00, 0x02, 0x00, 0x0c, 0x01, 0x04, 0xff, 0xff, 0xff, 0xff, 0x02, 0x04, 0xff, 0xff,
            0xff, 0xff, 0x73, 0xcc, 0x7d, 0x8f,
        ];
        let reply = reply_to(&any, &device(), "http://10.77.0.2:8089").unwrap();
        let mut expected = vec![
            0x00, 0x03, 0x00, 0x49, 0x01, 0x04, 0x00, 0x00, 0x00, 0x01, 0x02, 0x04, 0x10, 0x5d,
            0xea, 0xd3, 0x10, 0x01, 0x02, 0x2a, 0x15,
        ];
        expected.extend_from_slice(b"http://10.77.0.2:8089");
        expected.extend_from_slice(&[0x27, 0x21]);
        expected.extend_from_slice(b"http://10.77.0.2:8089/lineup.json");
        expected.extend_from_slice(&[0x15, 0xef, 0xb7, 0xc2]);
        assert_eq!(reply.as_slice(), expected);
    }
}
