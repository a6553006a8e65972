//! Size and rate of pictures, where a channel promises them.

use std::fmt;

use crate::bail;
use crate::error::Error;
use crate::media::time::Ticks90k;

/// The size of every picture of a channel. Both sides are even, as 4:2:0 pictures need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PictureSize {
    width: u16,
    height: u16,
}

impl PictureSize {
    /// The smallest side.
    pub const MIN: u16 = 64;
    /// The widest that HEVC and H.264 of levels up to 6.2 carry.
    pub const MAX: u16 = 8192;

    /// `Invalid` when a side is odd, or below [`Self::MIN`] or above [`Self::MAX`].
    pub fn new(width: u16, height: u16) -> Result<Self, Error> {
        let is_good = |side: u16| (Self::MIN..=Self::MAX).contains(&side) && side.is_multiple_of(2);
        if !is_good(width) || !is_good(height) {
            bail!(
                Invalid,
                "{width}x{height} is no size for a channel: both sides are even, from {} to {}",
                Self::MIN,
                Self::MAX
            );
        }
        Ok(Self { width, height })
    }

    /// Reads `1920x1080`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let sides = text.split_once('x');
        let Some((Ok(width), Ok(height))) = sides.map(|(w, h)| (w.parse(), h.parse())) else {
            bail!(
                Invalid,
                "{text:?} is no picture size: write WIDTHxHEIGHT, such as 1920x1080"
            );
        };
        Self::new(width, height)
    }

    /// Luma samples per line.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Lines.
    pub fn height(self) -> u16 {
        self.height
    }
}

impl fmt::Display for PictureSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl TryFrom<String> for PictureSize {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<PictureSize> for String {
    fn from(size: PictureSize) -> Self {
        size.to_string()
    }
}

/// The picture rate of a channel: one of those that broadcasting uses (ISO 13818-2 table 6-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PictureRate {
    numerator: u32,
    denominator: u32,
}

/// Every rate that there is, by its name.
const RATES: [(&str, PictureRate); 8] = [
    ("23.976", rate(24_000, 1001)),
    ("24", rate(24, 1)),
    ("25", rate(25, 1)),
    ("29.97", rate(30_000, 1001)),
    ("30", rate(30, 1)),
    ("50", rate(50, 1)),
    ("59.94", rate(60_000, 1001)),
    ("60", rate(60, 1)),
];

const fn rate(numerator: u32, denominator: u32) -> PictureRate {
    PictureRate {
        numerator,
        denominator,
    }
}

impl PictureRate {
    /// Reads `25`, `29.97` or `30000/1001`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_it = |(name, rate): &&(&str, Self)| text == *name || text == rate.fraction();
        match RATES.iter().find(is_it) {
            Some((_, rate)) => Ok(*rate),
            None => bail!(
                Invalid,
                "{text:?} is no picture rate of television: use one of {}",
                RATES.map(|(name, _)| name).join(", ")
            ),
        }
    }

    /// As a fraction, for ffmpeg: `30000/1001`.
    pub fn fraction(self) -> String {
        format!("{}/{}", self.numerator, self.denominator)
    }

    /// The length of a picture, rounded to the nearest tick.
    pub fn frame_duration(self) -> Ticks90k {
        Ticks90k::from_scaled(i64::from(self.denominator), self.numerator)
    }

    /// Whether pictures of this length, rounded to a tick either way, are of this rate.
    pub fn is_of(self, frame_duration: Ticks90k) -> bool {
        let numerator = i64::from(self.numerator);
        let exact = 90_000 * i64::from(self.denominator);
        let off = frame_duration.0.saturating_mul(numerator).abs_diff(exact);
        off < numerator.unsigned_abs()
    }
}

impl fmt::Display for PictureRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = RATES.iter().find(|(_, rate)| rate == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

impl TryFrom<String> for PictureRate {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<PictureRate> for String {
    fn from(rate: PictureRate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_even_and_of_a_reasonable_extent() {
        let check = |text: &str, expected: Option<(u16, u16)>| {
            let size = PictureSize::parse(text).ok();
            assert_eq!(size.map(|s| (s.width(), s.height())), expected, "{text}");
            assert!(size.is_none_or(|s| s.to_string() == text));
        };
        check("1920x1080", Some((1920, 1080)));
        check("720x576", Some((720, 576)));
        for bad in [
            "",
            "x",
            "1920",
            "1921x1080",
            "0x0",
            "9000x900",
            "-2x64",
            "64x64x64",
            "70000x64",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_rate_is_told_from_its_neighbours_by_the_length_of_a_picture() {
        for (text, ticks) in [
            ("23.976", [3753, 3754]),
            ("24", [3750, 3750]),
            ("25", [3600, 3600]),
            ("29.97", [3003, 3003]),
            ("30", [3000, 3000]),
            ("50", [1800, 1800]),
            ("59.94", [1501, 1502]),
            ("60", [1500, 1500]),
        ] {
            let rate = PictureRate::parse(text).unwrap();
            assert_eq!(rate.to_string(), text);
            assert_eq!(PictureRate::parse(&rate.fraction()).unwrap(), rate);
            assert!(rate.is_of(rate.frame_duration()), "{text}");
            let found: Vec<i64> = (1..10_000).filter(|t| rate.is_of(Ticks90k(*t))).collect();
            assert_eq!(
                found.first().zip(found.last()),
                Some((&ticks[0], &ticks[1]))
            );
        }
        for bad in ["", "26", "29.970", "25/2", "0"] {
            assert!(PictureRate::parse(bad).is_err(), "{bad}");
        }
    }
}
