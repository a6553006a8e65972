//! TCP port 65001: variables of the device, as `hdhomerun_config ID get /tuner0/status` reads them
//! (libhdhomerun, `hdhomerun_control.c`). For looking only: streams go over HTTP, and nothing can be changed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::http_texts::TunerUse;
use super::packet::{Frame, FrameBuilder, FrameBytes, Full, MAX_FRAME_BYTES, Malformed, kind, tag};
use super::reach::{Reach, ReachConfig};
use super::{Device, FIRMWARE_NAME, FIRMWARE_VERSION, MODEL_NUMBER, ServiceState, stopped};
use crate::clock::SharedClock;
use crate::system::sockets::listen_tcp;

/// Conversations at the same time.
const MOST_CLIENTS: usize = 8;
/// A client that says nothing for so long is left. libhdhomerun itself waits 2.5 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a port that was taken is tried again, and the interfaces are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Asks what the tuners are doing.
pub type TunersNow = Arc<dyn Fn() -> Vec<TunerUse> + Send + Sync>;

/// Answers until `shutdown` says stop. `state` says what has become of it.
pub async fn run(
    clock: SharedClock,
    device: Arc<Device>,
    reach: ReachConfig,
    address: SocketAddr,
    tuners: TunersNow,
    state: watch::Sender<ServiceState>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut reach = Reach::new(reach);
    let slots = Arc::new(Semaphore::new(MOST_CLIENTS));
    loop {
        match listen_tcp(address).and_then(|listener| {
            TcpListener::from_std(listener)
                .map_err(|e| crate::error::Error::io("listening on TCP port 65001", e))
        }) {
            Ok(listener) => {
                state.send_replace(ServiceState::Running);
                let talk = Talk {
                    clock: clock.clone(),
                    device: device.clone(),
                    tuners: tuners.clone(),
                    slots: slots.clone(),
                };
                return talk.accept(listener, &mut reach, shutdown).await;
            }
            Err(error) => {
                let reason = format!("hdhomerun_config cannot ask us: {error}");
                state.send_replace(ServiceState::Unavailable(reason));
            }
        }
        tokio::select! {
            () = stopped(&mut shutdown) => return,
            () = clock.sleep(LOOK_AGAIN) => {}
        }
    }
}

#[derive(Clone)]
struct Talk {
    clock: SharedClock,
    device: Arc<Device>,
    tuners: TunersNow,
    slots: Arc<Semaphore>,
}

impl Talk {
    async fn accept(
        self,
        listener: TcpListener,
        reach: &mut Reach,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut look = self.clock.sleep(LOOK_AGAIN);
        loop {
            tokio::select! {
                () = stopped(&mut shutdown) => return,
                () = &mut look => {
                    look = self.clock.sleep(LOOK_AGAIN);
                    reach.refresh();
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        // Who finds no slot, or is not of this house, is hung up on.
                        let slot = self.slots.clone().try_acquire_owned();
                        if let (Ok(slot), true) = (slot, reach.is_local(peer.ip())) {
                            let talk = self.clone();
                            let mut shutdown = shutdown.clone();
                            tokio::spawn(async move {
                                tokio::select! {
                                    () = talk.converse(stream) => {}
                                    () = stopped(&mut shutdown) => {}
                                }
                                drop(slot);
                            });
                        }
                    }
                    // Out of descriptors, most likely: it would fail again at once.
                    Err(_) => self.clock.sleep(Duration::from_secs(1)).await,
                },
            }
        }
    }

    /// Answers frame after frame; several may come in one piece, and one in several.
    async fn converse(&self, mut stream: TcpStream) {
        let mut buffer = [0; MAX_FRAME_BYTES];
        let mut filled = 0;
        loop {
            let pending = buffer.get(..filled).unwrap_or_default();
            let whole = match Frame::length(pending) {
                Ok(length) if length <= filled => length,
                Ok(_) | Err(Malformed::Short) => {
                    let Some(room) = buffer.get_mut(filled..).filter(|r| !r.is_empty()) else {
                        return;
                    };
                    let read = tokio::select! {
                        read = stream.read(room) => read,
                        () = self.clock.sleep(PATIENCE) => return,
                    };
                    match read {
                        Ok(n) if n > 0 => filled += n,
                        _ => return,
                    }
                    continue;
                }
                Err(_) => return,
            };
            let Ok(frame) = Frame::parse(pending) else {
                return;
            };
            let reply = reply_to(&frame, &self.device, &self.tuners);
            let sent = match reply {
                Some(reply) => tokio::select! {
                    sent = stream.write_all(&reply) => sent.is_ok(),
                    () = self.clock.sleep(PATIENCE) => false,
                },
                None => false,
            };
            if !sent {
                return;
            }
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
        }
    }
}

/// The reply to a frame; `None` for one that is no question.
fn reply_to(frame: &Frame<'_>, device: &Device, tuners: &TunersNow) -> Option<FrameBytes> {
    if frame.kind != kind::GETSET_REQUEST {
        return None;
    }
    let reply = || FrameBuilder::new(kind::GETSET_REPLY);
    let error = |text: &str| reply()?.text_with_nul(tag::ERROR_MESSAGE, text)?.finish();
    let name = frame.text(tag::GETSET_NAME)?;
    let written: Result<FrameBytes, Full> = if frame.value(tag::GETSET_VALUE).is_some() {
        error("ERROR: this device is controlled over HTTP only")
    } else {
        match variable(name, device, tuners) {
            Some(value) => reply()
                .and_then(|f| f.text_with_nul(tag::GETSET_NAME, name))
                .and_then(|f| f.text_with_nul(tag::GETSET_VALUE, &value))
                .and_then(FrameBuilder::finish),
            None => error("ERROR: unknown getset variable"),
        }
    };
    written.ok()
}

fn variable(name: &str, device: &Device, tuners: &TunersNow) -> Option<String> {
    let fixed = match name {
        "/sys/model" => FIRMWARE_NAME,
        "/sys/hwmodel" => MODEL_NUMBER,
        "/sys/version" => FIRMWARE_VERSION,
        "/sys/features" => "channelmap: us-bcast\nmodulation: auto\nauto-modulation: auto\n",
        "/sys/copyright" => "exstreamd\n",
        "help" => {
            "Supported configuration options:\n/sys/copyright\n/sys/features\n/sys/hwmodel\n/sys/model\n/sys/version\n\
             /tuner<n>/channel\n/tuner<n>/channelmap\n/tuner<n>/filter\n/tuner<n>/lockkey\n/tuner<n>/program\n\
             /tuner<n>/status\n/tuner<n>/streaminfo\n/tuner<n>/target\n/tuner<n>/vchannel\n"
        }
        _ => return tuner_variable(name, device, tuners),
    };
    Some(fixed.to_owned())
}

fn tuner_variable(name: &str, device: &Device, tuners: &TunersNow) -> Option<String> {
    let (number, name) = name.strip_prefix("/tuner")?.split_once('/')?;
    let number: u8 = number.parse().ok().filter(|&n| n < device.tuner_count)?;
    let now = tuners().into_iter().nth(usize::from(number));
    let now = now.unwrap_or_default();
    let channel = now.channel.as_ref().map(|(number, _)| number.as_str());
    let value = match name {
        "status" => match channel {
            Some(channel) => {
                // 188-byte packets; rates are per second.
                let (bps, pps) = (now.bits_per_s, now.bits_per_s / (188 * 8));
                return Some(format!(
                    "ch={channel} lock=8vsb ss=100 snq=100 seq=100 bps={bps} pps={pps}"
                ));
            }
            None => "ch=none lock=none ss=0 snq=0 seq=0 bps=0 pps=0",
        },
        "vchannel" => channel.unwrap_or("none"),
        "target" => now.target.as_deref().unwrap_or("none"),
        "channel" | "lockkey" | "streaminfo" | "debug" => "none",
        "channelmap" => "us-bcast",
        "filter" => "0x0000-0x1fff",
        "program" => "0",
        _ => return None,
    };
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuner::tests::device;

    fn tuners() -> TunersNow {
        Arc::new(|| {
            vec![TunerUse {
                channel: Some(("5.1".to_owned(), "Noir".to_owned())),
                target: Some("192.168.1.9".to_owned()),
                bits_per_s: 5_000_000,
            }]
        })
    }

    fn ask(name: &str, value: Option<&str>) -> FrameBytes {
        let question = FrameBuilder::new(kind::GETSET_REQUEST)
            .and_then(|f| f.text_with_nul(tag::GETSET_NAME, name))
            .and_then(|f| match value {
                Some(value) => f.text_with_nul(tag::GETSET_VALUE, value),
                None => Ok(f),
            })
            .and_then(FrameBuilder::finish)
            .unwrap();
        reply_to(&Frame::parse(&question).unwrap(), &device(), &tuners()).unwrap()
    }

    #[test]
    fn variables_read_as_on_a_real_device() {
        #[track_caller]
        fn check(name: &str, expected: Option<&str>) {
            let reply = ask(name, None);
            let frame = Frame::parse(&reply).unwrap();
            assert_eq!(frame.kind, kind::GETSET_REPLY);
            assert_eq!(frame.text(tag::GETSET_VALUE), expected);
            assert_eq!(frame.text(tag::ERROR_MESSAGE).is_some(), expected.is_none());
        }
        check("/sys/model", Some("hdhomerun4_atsc"));
        check(
            "/tuner0/status",
            Some("ch=5.1 lock=8vsb ss=100 snq=100 seq=100 bps=5000000 pps=3324"),
        );
        check(
            "/tuner1/status",
            Some("ch=none lock=none ss=0 snq=0 seq=0 bps=0 pps=0"),
        );
        check("/tuner0/vchannel", Some("5.1"));
        check("/tuner1/vchannel", Some("none"));
        check("/tuner2/status", None);
        check("/tuner/status", None);
        check("/tuner0/unheard", None);
        check("", None);
    }

    #[test]
    fn replies_are_those_that_hdhomerun_config_accepts() {
        let mut expected = vec![0x00, 0x05, 0x00, 0x1f, 0x03, 0x0b];
        expected.extend_from_slice(b"/sys/model\0");
        expected.extend_from_slice(&[0x04, 0x10]);
        expected.extend_from_slice(b"hdhomerun4_atsc\0");
        expected.extend_from_slice(&[0xaa, 0x54, 0xa6, 0x87]);
        assert_eq!(ask("/sys/model", None).as_slice(), expected);

        let mut expected = vec![0x00, 0x05, 0x00, 0x21, 0x05, 0x1f];
        expected.extend_from_slice(b"ERROR: unknown getset variable\0");
        expected.extend_from_slice(&[0xa7, 0xb7, 0x80, 0xf0]);
        assert_eq!(ask("/nothing", None).as_slice(), expected);
    }

    #[test]
    fn nothing_can_be_set() {
        let reply = ask("/tuner0/vchannel", Some("7.1"));
        let frame = Frame::parse(&reply).unwrap();
        assert!(frame.text(tag::ERROR_MESSAGE).unwrap().starts_with("ERROR"));
    }
}
