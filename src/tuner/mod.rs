//! How the LAN finds us and what tuner clients read: the HDHomeRun texts, UDP and TCP port 65001, SSDP.
//!
//! Assumes that every datagram may be forged: answers go to addresses of this house only, at a limited rate, from
//! buffers of a fixed size, and a malformed one costs nothing. A port that somebody else holds is no failure of
//! the daemon: the service says so in its [`ServiceState`], goes on and tries again. Knows nothing of how streams
//! are made.

pub mod control;
pub mod discovery;
pub mod http_texts;
pub mod packet;
mod rate;
pub mod reach;
pub mod ssdp;
mod udp;

pub use http_texts::{
    LineupChannel, Scan, TunerUse, device_xml, discover_json, lineup_json, lineup_m3u,
    lineup_status_json, lineup_xml, status_json,
};
pub use reach::{Reach, ReachConfig};

use crate::system::identity::Identity;

/// The device that clients see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// By which it is known again.
    pub identity: Identity,
    /// What people call it.
    pub friendly_name: String,
    /// How many streams clients may open at once: Plex and Jellyfin count for themselves.
    pub tuner_count: u8,
}

/// Model in all texts. Not one with `HDTC` in it: Jellyfin would ask such a device to transcode.
pub const MODEL_NUMBER: &str = "HDHR4-2US";
/// Firmware name in `discover.json` and at `/sys/model`. Its end tells tvheadend the kind of network.
pub const FIRMWARE_NAME: &str = "hdhomerun4_atsc";
/// Firmware version: digits, as clients compare it as a number.
pub const FIRMWARE_VERSION: &str = "20260101";

/// What has become of a discovery service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServiceState {
    /// It has not looked yet.
    #[default]
    Starting,
    /// It answers.
    Running,
    /// It could answer but would lead clients astray; why, and the cure.
    Silent(String),
    /// Its port cannot be had; why, and who holds it. It tries again.
    Unavailable(String),
}

/// Ends when the daemon stops: by the value `true`, or because the sender is gone.
async fn stopped(shutdown: &mut tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::identity::{DeviceAuth, DeviceId, Uuid};

    /// A device with an identity that golden texts name.
    pub(super) fn device() -> Device {
        Device {
            identity: Identity {
                device_id: DeviceId::parse("105DEAD3").unwrap(),
                uuid: Uuid::parse("6ba7b810-9dad-41d1-80b4-00c04fd430c8").unwrap(),
                device_auth: DeviceAuth::parse("abcdefghijklmnopqrstuvwx").unwrap(),
            },
            friendly_name: "Den".to_owned(),
            tuner_count: 2,
        }
    }
}
