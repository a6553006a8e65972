//! UDP port 1900: how UPnP programs, and Plex among them, find us (UPnP Device Architecture 2.0 §1).
//!
//! One task: it announces us on every interface after the start and about once a minute, answers searches after the
//! delay that they ask for without ever waiting in the receive loop, and says good-bye at the end. Each message names
//! the address of the interface that it goes out by.

mod message;
mod queue;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use message::{DEVICE_TYPE, Facet, Search, Target};
use message::{Message, Speaker};
use queue::{Queue, Waiting};

use super::rate::RateLimit;
use super::reach::{Arrival, Reach, ReachConfig};
use super::udp::{Sharing, Udp};
use super::{Device, ServiceState, stopped};
use crate::clock::{SharedClock, Sleep};
use crate::system::interfaces::Interface;
use crate::system::port_holder::Protocol;
use crate::system::random::Jitter;
use crate::system::sockets::explain;

/// The group and port of SSDP.
pub const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1900);

/// How often a port that was taken is tried again, and the interfaces are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// The first announcements, this many, so far apart: datagrams get lost.
const FIRST_ROUNDS: u32 = 3;
const FIRST_ROUNDS_APART: Duration = Duration::from_millis(250);
/// Later ones: at least so far apart, and up to as much again.
const ROUNDS_APART: Duration = Duration::from_secs(45);

/// Where to listen and speak.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// The group to speak to.
    pub group: SocketAddr,
}

impl Default for Binding {
    /// The group and port of SSDP. Listening at one address of ours would miss what goes to the group.
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), GROUP.port()),
            group: GROUP,
        }
    }
}

/// Announces and answers until `shutdown` says stop, then says good-bye. `state` says what has become of it; `jitter`
/// spreads what must not go out at once.
pub async fn run(
    clock: SharedClock,
    device: Arc<Device>,
    reach: ReachConfig,
    binding: Binding,
    jitter: Jitter,
    state: watch::Sender<ServiceState>,
    shutdown: watch::Receiver<bool>,
) {
    let now = clock.monotonic();
    let service = Service {
        speaker: speaker(&device, &clock),
        reach: Reach::new(reach),
        limit: RateLimit::new(now),
        queue: Queue::default(),
        rounds: 0,
        next_round: now,
        next_look: now,
        clock,
        binding,
        jitter,
        state,
    };
    service.run(shutdown).await;
}

fn speaker(device: &Device, clock: &SharedClock) -> Speaker {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.');
    let version = match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        _ => "1.0".to_owned(),
    };
    // What the description shows decides its id: FNV-1a (32 bits) folded to 24.
    let shown = device.friendly_name.bytes().chain([device.tuner_count]);
    let hash = shown.fold(0x811C_9DC5_u32, |hash, b| {
        (hash ^ u32::from(b)).wrapping_mul(0x0100_0193)
    });
    Speaker {
        uuid: device.identity.uuid,
        server: format!(
            "Linux/{version} UPnP/1.1 exstreamd/{}",
            env!("CARGO_PKG_VERSION")
        ),
        // 31 bits hold the seconds until 2038; after that it still rises with every start until 2106.
        boot_id: u32::try_from(clock.utc().0 / 1000).unwrap_or(u32::MAX),
        config_id: hash >> 24 ^ hash & 0x00FF_FFFF,
    }
}

struct Service {
    clock: SharedClock,
    speaker: Speaker,
    reach: Reach,
    binding: Binding,
    limit: RateLimit,
    queue: Queue,
    jitter: Jitter,
    rounds: u32,
    next_round: Duration,
    next_look: Duration,
    state: watch::Sender<ServiceState>,
}

/// Why the loop on a socket ended.
enum End {
    Stop,
    TryListening,
}

impl Service {
    async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        self.plan_first_rounds();
        loop {
            let (socket, listening) = match Udp::bind(self.binding.listen, Sharing::Shared) {
                Ok(socket) => (Some(socket), true),
                Err(error) => {
                    let error = explain(Protocol::Udp, self.binding.listen, error);
                    let reason = format!("UPnP searches are not answered: {error}");
                    self.state.send_replace(ServiceState::Unavailable(reason));
                    // From another port we can still announce.
                    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
                    (Udp::bind(any, Sharing::Exclusive).ok(), false)
                }
            };
            let end = match socket {
                Some(socket) => self.serve(socket, listening, &mut shutdown).await,
                None => tokio::select! {
                    () = stopped(&mut shutdown) => End::Stop,
                    () = self.clock.sleep(LOOK_AGAIN) => End::TryListening,
                },
            };
            if matches!(end, End::Stop) {
                return;
            }
        }
    }

    async fn serve(
        &mut self,
        mut socket: Udp,
        listening: bool,
        shutdown: &mut watch::Receiver<bool>,
    ) -> End {
        self.join(&socket, listening);
        self.next_look = self.clock.monotonic() + LOOK_AGAIN;
        let mut alarm = Alarm::new(&self.clock, self.next_wake());
        let mut buffer = [0; 1460];
        loop {
            alarm.set(&self.clock, self.next_wake());
            tokio::select! {
                () = stopped(shutdown) => {
                    self.say_goodbye(&socket);
                    return End::Stop;
                }
                () = &mut alarm.sleep => {
                    alarm.rang();
                    if self.turn(&socket, listening) {
                        return End::TryListening;
                    }
                }
                received = socket.receive(&mut buffer), if listening => match received {
                    Ok((length, arrival)) => {
                        self.hear(buffer.get(..length).unwrap_or_default(), arrival);
                    }
                    Err(error) => {
                        let reason = format!("UPnP stopped receiving: {error}");
                        self.state.send_replace(ServiceState::Unavailable(reason));
                        self.clock.sleep(Duration::from_secs(1)).await;
                        return End::TryListening;
                    }
                },
            }
        }
    }

    fn next_wake(&self) -> Duration {
        let next = self.next_round.min(self.next_look);
        self.queue.next_due().map_or(next, |due| due.min(next))
    }

    /// Does what is due. True when listening should be tried again.
    fn turn(&mut self, socket: &Udp, listening: bool) -> bool {
        let now = self.clock.monotonic();
        while let Some(waiting) = self.queue.take_due(now) {
            self.answer(socket, &waiting);
        }
        if now >= self.next_round {
            self.announce(socket);
        }
        if now < self.next_look {
            return false;
        }
        self.next_look = now + LOOK_AGAIN;
        if self.reach.refresh() {
            self.join(socket, listening);
            self.plan_first_rounds();
        }
        !listening
    }

    /// Joins the group on every interface, and says whether we can be of use.
    fn join(&self, socket: &Udp, listening: bool) {
        if !listening {
            return;
        }
        for interface in self.reach.interfaces() {
            if interface.address.is_ipv4()
                && (interface.multicast || interface.loopback)
                && let Err(error) = socket.join(self.binding.group.ip(), interface.index)
            {
                log::debug!(INTERFACE = interface.name; "cannot join the UPnP group: {error}");
            }
        }
        self.state.send_replace(match self.reach.silent() {
            Some(reason) => ServiceState::Silent(reason),
            None => ServiceState::Running,
        });
    }

    fn hear(&mut self, datagram: &[u8], arrival: Arrival) {
        let multicast = arrival.destination.is_multicast();
        let Some(search) = Search::parse(datagram, &self.speaker.uuid, multicast) else {
            return;
        };
        let now = self.clock.monotonic();
        let source = arrival.source.ip();
        if self.reach.is_silent() || !self.reach.is_local(source) || !self.limit.allow(source, now)
        {
            return;
        }
        // A little less than asked, so that the answer is there before the search ends.
        let within_ms = u64::from(search.mx_s) * 900;
        self.queue.push(Waiting {
            due: now + Duration::from_millis(self.jitter.below(within_ms)),
            arrival,
            target: search.target,
        });
    }

    fn answer(&self, socket: &Udp, waiting: &Waiting) {
        let arrival = &waiting.arrival;
        let Some(base) = self.reach.base_for(arrival) else {
            return;
        };
        let from = (arrival.local, arrival.interface);
        for &facet in waiting.target.facets() {
            let message = self.speaker.answer(facet, &base, self.clock.utc());
            send(socket, message, arrival.source, from);
        }
    }

    fn plan_first_rounds(&mut self) {
        self.rounds = 0;
        // After a power cut the whole street starts at once.
        self.next_round = self.clock.monotonic() + Duration::from_millis(self.jitter.below(100));
    }

    fn announce(&mut self, socket: &Udp) {
        self.rounds = self.rounds.saturating_add(1);
        let wait = if self.rounds < FIRST_ROUNDS {
            FIRST_ROUNDS_APART
        } else {
            let more = u64::try_from(ROUNDS_APART.as_millis()).unwrap_or(0);
            ROUNDS_APART + Duration::from_millis(self.jitter.below(more))
        };
        self.next_round = self.clock.monotonic() + wait;
        self.tell_everybody(socket, |speaker, facet, base, group| {
            speaker.alive(facet, base, group)
        });
    }

    fn say_goodbye(&self, socket: &Udp) {
        // Twice, as datagrams get lost.
        for _ in 0..2 {
            self.tell_everybody(socket, |speaker, facet, _, group| {
                speaker.byebye(facet, group)
            });
        }
    }

    fn tell_everybody(
        &self,
        socket: &Udp,
        write: impl Fn(&Speaker, Facet, &str, SocketAddr) -> Option<Message>,
    ) {
        if self.reach.is_silent() {
            return;
        }
        for Interface { address, index, .. } in self.reach.announced() {
            let Some(base) = self.reach.base_at(Some(*address)) else {
                continue;
            };
            for facet in Facet::ALL {
                let message = write(&self.speaker, facet, &base, self.binding.group);
                send(socket, message, self.binding.group, (*address, *index));
            }
        }
    }
}

fn send(socket: &Udp, message: Option<Message>, to: SocketAddr, from: (IpAddr, u32)) {
    let Some(message) = message else { return };
    if let Err(error) = socket.send(message.as_bytes(), to, Some(from)) {
        log::debug!(CLIENT:% = to; "a UPnP message could not be sent: {error}");
    }
}

/// A sleep that is made anew only when its time is another: not for every datagram.
struct Alarm {
    at: Option<Duration>,
    sleep: Sleep,
}

impl Alarm {
    fn new(clock: &SharedClock, at: Duration) -> Self {
        Self {
            at: Some(at),
            sleep: clock.sleep(at.saturating_sub(clock.monotonic())),
        }
    }

    fn set(&mut self, clock: &SharedClock, at: Duration) {
        if self.at != Some(at) {
            *self = Self::new(clock, at);
        }
    }

    /// A sleep that has ended must not be waited for again.
    fn rang(&mut self) {
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SimClock, UtcMs};
    use crate::tuner::{reach, tests::device};

    fn service() -> Service {
        let clock: SharedClock = Arc::new(SimClock::new(UtcMs(1_700_000_000_000)));
        let now = clock.monotonic();
        Service {
            speaker: speaker(&device(), &clock),
            reach: reach::tests::reach(),
            binding: Binding::default(),
            limit: RateLimit::new(now),
            queue: Queue::default(),
            jitter: Jitter::new(1),
            rounds: 0,
            next_round: now + LOOK_AGAIN,
            next_look: now + LOOK_AGAIN,
            state: watch::channel(ServiceState::Starting).0,
            clock,
        }
    }

    fn hear(service: &mut Service, source: &str, mx: &str) {
        let text = format!(
            "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: {mx}\r\nST: ssdp:all\r\n\r\n"
        );
        let arrival = Arrival {
            source: source.parse().unwrap(),
            destination: GROUP.ip(),
            local: "192.168.1.20".parse().unwrap(),
            interface: 2,
        };
        service.hear(text.as_bytes(), arrival);
    }

    #[test]
    fn answers_are_spread_over_the_time_that_the_search_waits() {
        let mut service = service();
        let now = service.clock.monotonic();
        let mut delays = Vec::new();
        for client in 1..=30 {
            hear(&mut service, &format!("192.168.1.{client}:5000"), "5");
        }
        while let Some(due) = service.queue.next_due() {
            delays.push((due - now).as_millis());
            service.queue.take_due(due);
        }
        assert_eq!(delays.len(), 30);
        assert!(delays.iter().all(|&ms| ms < 4500), "{delays:?}");
        assert!(delays[0] < 1000 && delays[29] > 3500, "{delays:?}");
    }

    #[test]
    fn strangers_and_floods_wait_for_nothing() {
        let mut service = service();
        hear(&mut service, "203.0.113.9:5000", "1");
        assert_eq!(service.queue.next_due(), None);
        for port in 1..=1000 {
            hear(&mut service, &format!("192.168.1.5:{port}"), "1");
        }
        let end = service.clock.monotonic() + Duration::from_secs(1);
        let waiting = std::iter::from_fn(|| service.queue.take_due(end)).count();
        assert_eq!(waiting, 10);
    }

    #[test]
    fn the_next_wake_is_the_earliest_of_all() {
        let mut service = service();
        assert_eq!(service.next_wake(), service.next_look);
        hear(&mut service, "192.168.1.5:5000", "5");
        assert_eq!(Some(service.next_wake()), service.queue.next_due());
    }

    #[test]
    fn another_description_has_another_configuration_id_and_each_start_its_own_boot_id() {
        let clock: SharedClock = Arc::new(SimClock::new(UtcMs(1_700_000_000_000)));
        let first = speaker(&device(), &clock);
        let mut renamed = device();
        renamed.friendly_name.push('!');
        assert_ne!(first.config_id, speaker(&renamed, &clock).config_id);
        assert!(first.config_id < 1 << 24);
        assert_eq!(first.boot_id, 1_700_000_000);
    }
}
