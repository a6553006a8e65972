//! Access units to one transport stream (ISO 13818-1), the same for a channel's whole life on air.
//!
//! One [`Muxer`] per channel: identifiers, continuity counters, tables and clock run on across items,
//! feeds and restarts of whatever makes the units. Assumes units of both streams in order of their DTS.
//! Knows neither files nor clients, reads no clock, and makes the same bytes from the same units always,
//! so a clone taken at a random access point can make the stream behind it again.
//!
//! [`silence`] and [`slate`] hold what is sent when there is nothing else to send.

mod muxer;
mod packet;
mod pes;
mod psi;
mod rate;
pub mod silence;
pub mod slate;

pub use muxer::{Muxer, PCR_DELAY};
pub use packet::{NULL_PACKET, PACKET_BYTES};

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use crate::media::{AudioCodec, Format, VideoCodec};

/// Where every stream has its programme map table.
pub const PMT_PID: u16 = 0x1000;
/// Where every stream has its pictures.
pub const VIDEO_PID: u16 = 0x100;
/// Where every stream has its sound.
pub const AUDIO_PID: u16 = 0x101;

/// Fixed rates that a stream can have. Below, tables and clock leave no room for sound; above is nothing
/// that a network of today's homes carries.
pub const RATES_KBIT: RangeInclusive<u32> = 500..=200_000;

/// What a transport stream holds, for as long as it exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Codec of the picture; `None` for radio.
    pub video: Option<VideoCodec>,
    /// Codec of the sound.
    pub audio: Option<AudioCodec>,
    /// Samples per second: the stream type of MPEG layers II and III depends on it, nothing else does.
    pub audio_rate_hz: u32,
    /// Name of the service, as a television set lists it. About 120 bytes are kept.
    pub service_name: String,
    /// A fixed rate of the whole stream in kbit/s, filled up with null packets; `None` sends what there is.
    pub mux_rate_kbit: Option<NonZeroU32>,
}

impl Layout {
    /// The layout of a channel with picture and sound of `format`.
    pub fn for_format(format: &Format, service_name: impl Into<String>) -> Self {
        Self {
            video: Some(format.video),
            audio: Some(format.audio),
            audio_rate_hz: format.audio_rate_hz,
            service_name: service_name.into(),
            mux_rate_kbit: None,
        }
    }

    /// The PID that carries the clock.
    fn pcr_pid(&self) -> u16 {
        if self.video.is_some() {
            VIDEO_PID
        } else {
            AUDIO_PID
        }
    }
}
