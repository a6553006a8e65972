//! Who this device is to tuner clients. Made once, stored, and never changed: Plex and Jellyfin know a tuner by
//! these three values, and a new one is a new device with every channel to be mapped again.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::random;
use crate::bail;
use crate::error::{Error, Result};

/// The id of an HDHomeRun-like device: 32 bits whose last nibble is a checksum over the others
/// (libhdhomerun, `hdhomerun_discover_validate_device_id`). Clients refuse ids with a wrong one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(u32);

/// What the odd nibbles are replaced by before everything is combined (libhdhomerun, `hdhomerun_discover.c`).
const CHECKSUM: [u8; 16] = [
    0xA, 0x5, 0xF, 0x6, 0x7, 0xC, 0x1, 0xB, 0x9, 0x2, 0x8, 0xD, 0x4, 0x3, 0xE, 0x0,
];

impl DeviceId {
    /// The id with these upper 28 bits; the lowest nibble is replaced by the checksum.
    pub fn with_checksum(value: u32) -> Self {
        let upper = value & !0xF;
        Self(upper | u32::from(residue(upper)))
    }

    /// Checks the checksum nibble.
    pub fn from_u32(value: u32) -> Result<Self> {
        if residue(value) != 0 {
            let right = Self::with_checksum(value);
            bail!(
                Invalid,
                "device id {value:08X} has a wrong checksum digit (with these seven digits it would be {right})"
            );
        }
        Ok(Self(value))
    }

    /// Reads eight hexadecimal digits and checks the checksum nibble.
    pub fn parse(text: &str) -> Result<Self> {
        let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u32::from_str_radix(text, 16) {
            Ok(value) if digits => Self::from_u32(value),
            _ => bail!(
                Invalid,
                "device id {text:?} is not eight hexadecimal digits"
            ),
        }
    }

    /// A new id. It begins with 105, which no client takes for one of the old models that are driven
    /// over RTP instead of HTTP (libhdhomerun, `hdhomerun_discover_is_legacy`).
    pub fn generate() -> Result<Self> {
        let [a, b] = random::bytes::<2>()?;
        Ok(Self::with_checksum(
            0x1050_0000 | u32::from(a) << 12 | u32::from(b) << 4,
        ))
    }

    /// The number, as it goes over the wire (big endian).
    pub fn as_u32(self) -> u32 {
        self.0
    }
}

/// What remains when all nibbles are combined; 0 for a valid id. For an id whose lowest nibble is 0 it is
/// the nibble that makes it valid.
fn residue(value: u32) -> u8 {
    value.to_be_bytes().iter().fold(0, |sum, byte| {
        let high = CHECKSUM
            .get(usize::from(byte >> 4))
            .copied()
            .unwrap_or_default();
        sum ^ high ^ (byte & 0xF)
    })
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A version 4 UUID (RFC 9562 §5.4): the unique device name of UPnP. Plex refuses names that are not UUIDs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// A new one.
    pub fn generate() -> Result<Self> {
        let mut bytes = random::bytes::<16>()?;
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Ok(Self(bytes))
    }

    /// Reads the form with four hyphens, in either case.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(
                crate::error::ErrorKind::Invalid,
                format!("{text:?} is not a UUID"),
            )
        };
        let shape = text.len() == 36
            && text.bytes().enumerate().all(|(at, b)| match at {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_hexdigit(),
            });
        if !shape {
            return Err(wrong());
        }
        u128::from_str_radix(&text.replace('-', ""), 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| wrong())
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The token by which a device is known to the vendor's cloud guide. Ours is random and means nothing there; it
/// exists because some clients expect the field.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceAuth(String);

impl DeviceAuth {
    /// Length of every token.
    pub const LEN: usize = 24;

    /// A new one: letters and digits only, so that it survives any query string.
    pub fn generate() -> Result<Self> {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let text = random::bytes::<{ Self::LEN }>()?
            .iter()
            .filter_map(|b| ALPHABET.get(usize::from(b & 31)))
            .map(|&b| char::from(b))
            .collect();
        Ok(Self(text))
    }

    /// Checks length and characters (base64url).
    pub fn parse(text: &str) -> Result<Self> {
        let good = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !good || text.len() != Self::LEN {
            bail!(
                Invalid,
                "a device auth token is {} characters of A-Z a-z 0-9 - _",
                Self::LEN
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceAuth(…)")
    }
}

impl fmt::Display for DeviceAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything by which clients know this device again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// HDHomeRun id.
    pub device_id: DeviceId,
    /// UPnP unique device name, without the `uuid:` in front.
    pub uuid: Uuid,
    /// Token of `discover.json`.
    pub device_auth: DeviceAuth,
}

impl Identity {
    /// A new device. To be stored at once and read ever after.
    pub fn generate() -> Result<Self> {
        Ok(Self {
            device_id: DeviceId::generate()?,
            uuid: Uuid::generate()?,
            device_auth: DeviceAuth::generate()?,
        })
    }
}

/// Text in, text out: in JSON, TOML and the database these are strings that a person can compare.
macro_rules! as_text {
    ($($name:ident),+) => {$(
        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(D::Error::custom)
            }
        }
    )+};
}
as_text!(DeviceId, Uuid, DeviceAuth);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_of_known_devices_pass_and_others_do_not() {
        for good in ["105DEAD3", "10439EFD", "124205A5", "141007E7", "ffffffff"] {
            assert_eq!(
                DeviceId::parse(good).unwrap().to_string(),
                good.to_ascii_uppercase()
            );
        }
        for bad in [
            "12345678",
            "1051A2B0",
            "105DEAD",
            "105DEAD31",
            "+05DEAD3",
            "105DEADX",
            "",
            "Tunarr",
        ] {
            assert!(DeviceId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_message_for_a_wrong_checksum_names_the_right_id() {
        let error = DeviceId::parse("12345678").unwrap_err();
        assert!(error.to_string().contains("12345674"), "{error}");
        assert_eq!(DeviceId::with_checksum(0x1051_A2B0).to_string(), "1051A2BF");
    }

    #[test]
    fn generated_ids_are_valid_and_not_of_a_legacy_model() {
        for _ in 0..200 {
            let id = DeviceId::generate().unwrap();
            assert_eq!(id.as_u32() >> 20, 0x105);
            assert_eq!(DeviceId::from_u32(id.as_u32()).unwrap(), id);
        }
    }

    #[test]
    fn uuids_carry_version_and_variant_and_survive_text() {
        for _ in 0..50 {
            let uuid = Uuid::generate().unwrap();
            let text = uuid.to_string();
            assert_eq!(text.as_bytes()[14], b'4', "{text}");
            assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
            assert_eq!(Uuid::parse(&text.to_ascii_uppercase()).unwrap(), uuid);
        }
        for bad in [
            "",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c",
            "6ba7b8109-dad-11d1-80b4-00c04fd430c8",
        ] {
            assert!(Uuid::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_identity_survives_json_and_a_forged_one_is_refused() {
        let identity = Identity::generate().unwrap();
        assert_eq!(identity.device_auth.as_str().len(), DeviceAuth::LEN);
        let json = serde_json::to_string(&identity).unwrap();
        assert_eq!(serde_json::from_str::<Identity>(&json).unwrap(), identity);
        let forged = json.replace(&identity.device_id.to_string(), "12345678");
        assert!(serde_json::from_str::<Identity>(&forged).is_err());
    }
}
