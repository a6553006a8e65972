//! Moments, as schedules name them.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use serde::{Deserialize, Serialize};

use crate::clock::UtcMs;
use crate::schedule::wall::{TimeOfDay, Wall};

/// A moment, on the clock on the wall or in all the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Local time.
    Local(DateTime),
    /// A moment with its offset.
    Fixed(Timestamp),
}

impl Moment {
    /// Reads `2026-12-24T18:00` (local time) or `2026-12-24T18:00+01:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let fixed = text.parse().map(Self::Fixed);
        fixed.or_else(|_| text.parse().map(Self::Local)).ok()
    }

    /// When that is.
    pub(super) fn at(self, wall: &Wall) -> UtcMs {
        match self {
            Self::Local(local) => {
                let time = local.time() - Time::midnight();
                let ms = time.total(jiff::Unit::Millisecond).unwrap_or_default();
                let time = TimeOfDay::from_ms(ms as u32).unwrap_or(TimeOfDay::MIDNIGHT);
                wall.at(local.date(), time)
            }
            Self::Fixed(moment) => UtcMs(moment.as_millisecond()),
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(local) => local.fmt(f),
            Self::Fixed(moment) => moment.fmt(f),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not a moment: write 2026-12-24T18:00, or 2026-12-24T18:00+01:00"
            ))
        })
    }
}
