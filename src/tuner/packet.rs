//! The frames of port 65001, UDP and TCP alike (libhdhomerun, `hdhomerun_pkt.h`): type and payload length in big
//! endian, a payload of tagged values, and a CRC-32 in little endian over all before it.

/// The longest frame.
pub const MAX_FRAME_BYTES: usize = 1460;
/// The longest payload.
pub const MAX_PAYLOAD_BYTES: usize = 1452;
const HEADER_BYTES: usize = 4;
const CRC_BYTES: usize = 4;

/// Frame types.
pub mod kind {
    /// Who is there?
    pub const DISCOVER_REQUEST: u16 = 0x0002;
    /// I am.
    pub const DISCOVER_REPLY: u16 = 0x0003;
    /// Read or set a variable.
    pub const GETSET_REQUEST: u16 = 0x0004;
    /// Its value.
    pub const GETSET_REPLY: u16 = 0x0005;
}

/// Tags of values.
pub mod tag {
    /// u32: kind of device.
    pub const DEVICE_TYPE: u8 = 0x01;
    /// u32: device id.
    pub const DEVICE_ID: u8 = 0x02;
    /// Text with a NUL: name of a variable.
    pub const GETSET_NAME: u8 = 0x03;
    /// Text with a NUL: value of a variable.
    pub const GETSET_VALUE: u8 = 0x04;
    /// Text with a NUL: what went wrong.
    pub const ERROR_MESSAGE: u8 = 0x05;
    /// u8: number of tuners.
    pub const TUNER_COUNT: u8 = 0x10;
    /// Text: URL of the lineup.
    pub const LINEUP_URL: u8 = 0x27;
    /// Text: URL of the device.
    pub const BASE_URL: u8 = 0x2A;
    /// u32, several: kinds of device.
    pub const MULTI_TYPE: u8 = 0x2D;
}

/// The kind of device that tuners are.
pub const DEVICE_TYPE_TUNER: u32 = 1;
/// Any kind of device, and any device id.
pub const WILDCARD: u32 = 0xFFFF_FFFF;

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Bytes are missing.
    Short,
    /// The payload is longer than any may be.
    Long,
    /// The CRC does not fit.
    Crc,
}

/// A frame whose CRC is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is for; see [`kind`].
    pub kind: u16,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// How many bytes the frame at the start of `bytes` has; [`Malformed::Short`] while its header is not whole.
    pub fn length(bytes: &[u8]) -> Result<usize, Malformed> {
        let [_, _, high, low, ..] = bytes else {
            return Err(Malformed::Short);
        };
        let payload = usize::from(u16::from_be_bytes([*high, *low]));
        if payload > MAX_PAYLOAD_BYTES {
            return Err(Malformed::Long);
        }
        Ok(HEADER_BYTES + payload + CRC_BYTES)
    }

    /// The frame at the start of `bytes`; what follows it is of no account.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let length = Self::length(bytes)?;
        let (covered, rest) = bytes
            .split_at_checked(length - CRC_BYTES)
            .ok_or(Malformed::Short)?;
        let crc = rest.first_chunk::<CRC_BYTES>().ok_or(Malformed::Short)?;
        if u32::from_le_bytes(*crc) != crc32(covered) {
            return Err(Malformed::Crc);
        }
        match covered.split_first_chunk::<HEADER_BYTES>() {
            Some(([high, low, ..], payload)) => Ok(Self {
                kind: u16::from_be_bytes([*high, *low]),
                payload,
            }),
            None => Err(Malformed::Short),
        }
    }

    /// Its values in order. Ends before one that is cut short.
    pub fn values(&self) -> Values<'a> {
        Values(self.payload)
    }

    /// The first value with this tag.
    pub fn value(&self, wanted: u8) -> Option<&'a [u8]> {
        self.values()
            .find_map(|(tag, value)| (tag == wanted).then_some(value))
    }

    /// The first value with this tag as text, without the NUL at its end.
    pub fn text(&self, wanted: u8) -> Option<&'a str> {
        let value = self.value(wanted)?;
        std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()
    }
}

/// Tags with their values.
#[derive(Clone, Debug)]
pub struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&low, rest) = rest.split_first()?;
        // Above 127 the length takes two bytes: seven low bits with the top bit set, then the rest.
        let (length, rest) = if low & 0x80 == 0 {
            (usize::from(low), rest)
        } else {
            let (&high, rest) = rest.split_first()?;
            (usize::from(low & 0x7F) | usize::from(high) << 7, rest)
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }
}

/// The big-endian number that a value is.
pub fn as_u32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// More values than a frame can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A frame being written into a buffer of fixed size.
#[derive(Clone, Debug)]
pub struct FrameBuilder(heapless::Vec<u8, MAX_FRAME_BYTES>);

/// A finished frame.
pub type FrameBytes = heapless::Vec<u8, MAX_FRAME_BYTES>;

impl FrameBuilder {
    /// An empty frame of this kind.
    pub fn new(kind: u16) -> Result<Self, Full> {
        let mut frame = heapless::Vec::new();
        put(&mut frame, &kind.to_be_bytes())?;
        put(&mut frame, &[0, 0])?;
        Ok(Self(frame))
    }

    /// Adds a value made of parts, one after the other.
    pub(super) fn value(mut self, tag: u8, parts: &[&[u8]]) -> Result<Self, Full> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        put(&mut self.0, &[tag])?;
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => put(&mut self.0, &[short])?,
            _ => {
                let low = u8::try_from(length & 0x7F).map_err(|_| Full)? | 0x80;
                let high = u8::try_from(length >> 7).map_err(|_| Full)?;
                put(&mut self.0, &[low, high])?;
            }
        }
        for part in parts {
            put(&mut self.0, part)?;
        }
        Ok(self)
    }

    /// Adds one byte.
    pub fn u8(self, tag: u8, value: u8) -> Result<Self, Full> {
        self.value(tag, &[&[value]])
    }

    /// Adds a number.
    pub fn u32(self, tag: u8, value: u32) -> Result<Self, Full> {
        self.value(tag, &[&value.to_be_bytes()])
    }

    /// Adds text that is as long as its value.
    pub fn text(self, tag: u8, text: &str) -> Result<Self, Full> {
        self.value(tag, &[text.as_bytes()])
    }

    /// Adds text that ends in a NUL.
    pub fn text_with_nul(self, tag: u8, text: &str) -> Result<Self, Full> {
        self.value(tag, &[text.as_bytes(), &[0]])
    }

    /// Fills in the length and the CRC.
    pub fn finish(mut self) -> Result<FrameBytes, Full> {
        let payload = self.0.len().checked_sub(HEADER_BYTES).ok_or(Full)?;
        let payload = u16::try_from(payload).map_err(|_| Full)?;
        if let Some(length) = self.0.get_mut(2..HEADER_BYTES) {
            length.copy_from_slice(&payload.to_be_bytes());
        }
        let crc = crc32(&self.0).to_le_bytes();
        put(&mut self.0, &crc)?;
        Ok(self.0)
    }
}

fn put(frame: &mut FrameBytes, bytes: &[u8]) -> Result<(), Full> {
    frame.extend_from_slice(bytes).map_err(|_| Full)
}

/// CRC-32 of Ethernet (IEEE 802.3 §3.2.9), reflected, four bits at a time.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut nibble = 0;
        while nibble < 16 {
            let mut crc = nibble as u32;
            let mut bit = 0;
            while bit < 4 {
                crc = if crc & 1 == 1 {
                    crc >> 1 ^ 0xEDB8_8320
                } else {
                    crc >> 1
                };
                bit += 1;
            }
            table[nibble] = crc;
            nibble += 1;
        }
        table
    };
    let step = |crc: u32| {
        let row = TABLE.get((crc & 0xF) as usize).copied();
        crc >> 4 ^ row.unwrap_or_default()
    };
    !bytes
        .iter()
        .fold(!0, |crc, &byte| step(step(crc ^ u32::from(byte))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        hex.split_whitespace()
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect()
    }

    #[test]
    fn frames_are_written_as_hdhomerun_config_reads_and_writes_them() {
        let any = FrameBuilder::new(kind::DISCOVER_REQUEST)
            .and_then(|f| f.u32(tag::DEVICE_TYPE, WILDCARD))
            .and_then(|f| f.u32(tag::DEVICE_ID, WILDCARD))
            .and_then(FrameBuilder::finish)
            .unwrap();
        assert_eq!(
            any.as_slice(),
            bytes("00 02 00 0c 01 04 ff ff ff ff 02 04 ff ff ff ff 73 cc 7d 8f")
        );
        let get = FrameBuilder::new(kind::GETSET_REQUEST)
            .and_then(|f| f.text_with_nul(tag::GETSET_NAME, "/sys/model"))
            .and_then(FrameBuilder::finish)
            .unwrap();
        assert_eq!(
            get.as_slice(),
            bytes("00 04 00 0d 03 0b 2f 73 79 73 2f 6d 6f 64 65 6c 00 8f 5b 54 b5")
        );
    }

    #[test]
    fn every_request_shape_is_read() {
        let new = bytes("00 02 00 06 01 04 00 00 00 01 39 30 77 e7");
        let frame = Frame::parse(&new).unwrap();
        assert_eq!(frame.kind, kind::DISCOVER_REQUEST);
        assert_eq!(frame.value(tag::DEVICE_TYPE).and_then(as_u32), Some(1));
        assert_eq!(frame.value(tag::DEVICE_ID), None);
        let multi = bytes("00 02 00 0a 2d 08 00 00 00 01 00 00 00 05 4f 63 39 1f");
        let frame = Frame::parse(&multi).unwrap();
        assert_eq!(
            frame.value(tag::MULTI_TYPE),
            Some(&[0, 0, 0, 1, 0, 0, 0, 5][..])
        );
    }

    #[test]
    fn long_values_take_two_length_bytes_both_ways() {
        for length in [0, 1, 127, 128, 129, 255, 256, 1000, 1400] {
            let text = "x".repeat(length);
            let frame = FrameBuilder::new(kind::GETSET_REPLY)
                .and_then(|f| f.text(tag::GETSET_VALUE, &text))
                .and_then(|f| f.u8(tag::TUNER_COUNT, 7))
                .and_then(FrameBuilder::finish)
                .unwrap();
            let read = Frame::parse(&frame).unwrap();
            assert_eq!(read.text(tag::GETSET_VALUE), Some(text.as_str()));
            assert_eq!(read.value(tag::TUNER_COUNT), Some(&[7][..]), "{length}");
        }
    }

    #[test]
    fn a_frame_never_grows_beyond_its_buffer() {
        let text = "x".repeat(1500);
        let built =
            FrameBuilder::new(kind::GETSET_REPLY).and_then(|f| f.text(tag::GETSET_VALUE, &text));
        assert!(built.is_err());
    }

    #[test]
    fn what_is_no_frame_is_told_apart_and_never_panics() {
        let good = bytes("00 02 00 0c 01 04 ff ff ff ff 02 04 ff ff ff ff 73 cc 7d 8f");
        for cut in 0..good.len() {
            assert_eq!(Frame::parse(&good[..cut]), Err(Malformed::Short), "{cut}");
        }
        let mut wrong = good.clone();
        wrong[6] ^= 1;
        assert_eq!(Frame::parse(&wrong), Err(Malformed::Crc));
        assert_eq!(Frame::parse(&bytes("00 02 ff ff 00")), Err(Malformed::Long));
        // Every payload of a right CRC and wrong inside: values end where they are cut short.
        for first in 0..=255_u8 {
            for second in [0, 1, 4, 127, 128, 255] {
                let mut frame = vec![0, 2, 0, 3, first, second, 0];
                frame.extend(crc32(&frame).to_le_bytes());
                let values = Frame::parse(&frame).unwrap().values().count();
                assert!(values <= 1);
            }
        }
    }

    #[test]
    fn noise_never_panics() {
        let mut jitter = crate::system::random::Jitter::new(42);
        for _ in 0..20_000 {
            let length = usize::try_from(jitter.below(64)).unwrap();
            let mut noise: Vec<u8> = (0..length)
                .map(|_| u8::try_from(jitter.below(256)).unwrap())
                .collect();
            if let Some(payload) = length.checked_sub(8) {
                noise[2] = 0;
                noise[3] = u8::try_from(payload).unwrap();
                let crc = crc32(&noise[..length - 4]).to_le_bytes();
                noise[length - 4..].copy_from_slice(&crc);
            }
            if let Ok(frame) = Frame::parse(&noise) {
                assert!(frame.values().count() <= length);
                let _ = frame.text(tag::GETSET_NAME);
            }
        }
    }
}
