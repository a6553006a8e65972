//! MPEG-1/2/2.5 audio layer II and III frame headers (ISO 11172-3 §2.4.1.3, ISO 13818-3 §2.4.1.3).

use super::FrameHeader;
use crate::media::unit::AudioCodec;

/// kbit/s of MPEG-1 layer II, MPEG-1 layer III and of both layers in MPEG-2; 0 is free format.
const KBITS: [[u16; 15]; 3] = [
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
    ],
    [
        0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Reads a header of exactly the layer that `codec` names. Free format is not supported.
pub(super) fn parse(codec: AudioCodec, data: &[u8]) -> Option<FrameHeader> {
    let [b0, b1, b2, b3, ..] = *data else {
        return None;
    };
    if b0 != 0xFF || b1 & 0xE0 != 0xE0 {
        return None;
    }
    let layer_three = match (b1 >> 1 & 3, codec) {
        (1, AudioCodec::Mp3) => true,
        (2, AudioCodec::Mp2) => false,
        _ => return None,
    };
    let rate_shift = match b1 >> 3 & 3 {
        0 => 2, // MPEG-2.5
        2 => 1, // MPEG-2
        3 => 0, // MPEG-1
        _ => return None,
    };
    let table = match (rate_shift, layer_three) {
        (0, false) => 0,
        (0, true) => 1,
        _ => 2,
    };
    let kbits = usize::from(*KBITS.get(table)?.get(usize::from(b2 >> 4))?);
    let rate_hz = [44_100u32, 48_000, 32_000].get(usize::from(b2 >> 2 & 3))? >> rate_shift;
    if kbits == 0 {
        return None;
    }
    let samples = if layer_three && rate_shift > 0 {
        576
    } else {
        1152
    };
    Some(FrameHeader {
        codec,
        rate_hz,
        channels: if b3 >> 6 == 3 { 1 } else { 2 },
        samples,
        frame_bytes: usize::from(samples) / 8 * kbits * 1000 / rate_hz as usize
            + usize::from(b2 >> 1 & 1),
    })
}

/// What a header is that [`parse`] does not read.
pub(super) fn trouble(data: &[u8]) -> Option<&'static str> {
    let &[0xFF, b1, b2, ..] = data else {
        return None;
    };
    let (version, layer, bit_rate, rate) = (b1 >> 3 & 3, b1 >> 1 & 3, b2 >> 4, b2 >> 2 & 3);
    if b1 & 0xE0 != 0xE0 || version == 1 || layer == 0 || bit_rate == 15 || rate == 3 {
        return None;
    }
    match (layer, bit_rate) {
        (3, _) => Some("MPEG audio layer I"),
        (_, 0) => Some("MPEG audio of free format"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::audio::parse_frame_header;

    #[test]
    fn layer_one_and_free_format_are_named() {
        for (bytes, name) in [
            ([0xFF, 0xFF, 0x90, 0x64], Some("MPEG audio layer I")),
            ([0xFF, 0xFD, 0x00, 0x04], Some("MPEG audio of free format")),
            ([0xFF, 0xFB, 0x00, 0x64], Some("MPEG audio of free format")),
            ([0xFF, 0xFB, 0x90, 0x64], None),
            ([0xFF, 0xF9, 0x90, 0x64], None),
            ([0xFF, 0xFF, 0xF0, 0x64], None),
        ] {
            assert_eq!(trouble(&bytes), name, "{bytes:02x?}");
        }
    }

    #[test]
    fn headers_tell_rate_speakers_length_and_samples() {
        for (codec, bytes, rate_hz, channels, frame_bytes, samples) in [
            (
                AudioCodec::Mp3,
                [0xFF, 0xFB, 0x90, 0x64],
                44_100,
                2,
                417,
                1152,
            ),
            (
                AudioCodec::Mp3,
                [0xFF, 0xFB, 0x92, 0xC4],
                44_100,
                1,
                418,
                1152,
            ),
            (
                AudioCodec::Mp3,
                [0xFF, 0xF3, 0x84, 0x64],
                24_000,
                2,
                192,
                576,
            ),
            (
                AudioCodec::Mp2,
                [0xFF, 0xFD, 0xA4, 0x04],
                48_000,
                2,
                576,
                1152,
            ),
            (
                AudioCodec::Mp2,
                [0xFF, 0xF5, 0x84, 0xC4],
                24_000,
                1,
                384,
                1152,
            ),
        ] {
            assert_eq!(
                parse_frame_header(codec, &bytes),
                Some(FrameHeader {
                    codec,
                    rate_hz,
                    channels,
                    samples,
                    frame_bytes
                }),
                "{bytes:02x?}"
            );
        }
    }

    #[test]
    fn the_other_layer_adts_and_reserved_values_are_none() {
        for (codec, bytes) in [
            (AudioCodec::Mp2, &[0xFF, 0xFB, 0x90, 0x64][..]),
            (AudioCodec::Mp3, &[0xFF, 0xF1, 0x4C, 0x80]),
            (AudioCodec::Mp3, &[0xFF, 0xFB, 0xF0, 0x64]),
            (AudioCodec::Mp3, &[0xFF, 0xFB, 0x9C, 0x64]),
            (AudioCodec::Mp3, &[0xFF, 0xEB, 0x90, 0x64]),
            (AudioCodec::Mp3, &[0xFF, 0xFB, 0x90]),
        ] {
            assert_eq!(parse_frame_header(codec, bytes), None, "{bytes:02x?}");
        }
    }
}
