//! AC-3 and E-AC-3 sync frames (ETSI TS 102 366 §4.3, §E.1.2).

use super::{Bits, FrameHeader};
use crate::media::unit::AudioCodec;

const SYNC: [u8; 2] = [0x0B, 0x77];

/// Nominal bit rates in kbit/s by `frmsizecod / 2` (table 4.13).
const KBITS: [usize; 19] = [
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
];

const RATES: [u32; 3] = [48_000, 44_100, 32_000];

/// Speaker positions of each `acmod` in the bits of `chanmap` (table E.1.4): bit 15 is left, bit 14
/// centre, bit 13 right, bits 12 and 11 the surrounds, bit 8 the centre surround, bit 0 LFE.
const POSITIONS: [u16; 8] = [
    0xA000, 0x4000, 0xA000, 0xE000, 0xA100, 0xE100, 0xB800, 0xF800,
];
const LFE: u16 = 0x0001;
/// Bits of `chanmap` that stand for a pair of speakers.
const PAIRS: u16 = 0x0400 | 0x0200 | 0x0040 | 0x0020 | 0x0010 | 0x0004;

fn speakers(positions: u16) -> u8 {
    (positions.count_ones() + (positions & PAIRS).count_ones()) as u8
}

/// Reads the header of an AC-3 sync frame.
pub(super) fn parse_ac3(data: &[u8]) -> Option<FrameHeader> {
    let frame = read_ac3(data)?;
    Some(FrameHeader {
        codec: AudioCodec::Ac3,
        rate_hz: frame.rate_hz,
        channels: speakers(frame.positions),
        samples: frame.samples,
        frame_bytes: frame.bytes,
    })
}

/// Reads the header of an E-AC-3 access unit: the independent substream 0 (or a plain AC-3 frame, as
/// Blu-ray has it) and the substreams behind it.
pub(super) fn parse_eac3(data: &[u8]) -> Option<FrameHeader> {
    let first = read_any(data)?;
    if !first.starts_unit {
        return None;
    }
    let mut frame_bytes = first.bytes;
    let mut positions = first.positions;
    while let Some(next) = data.get(frame_bytes..).and_then(read_any) {
        if next.starts_unit {
            break;
        }
        if next.dependent {
            positions |= next.positions;
        }
        frame_bytes += next.bytes;
    }
    Some(FrameHeader {
        codec: AudioCodec::Eac3,
        rate_hz: first.rate_hz,
        channels: speakers(positions),
        samples: first.samples,
        frame_bytes,
    })
}

struct SyncFrame {
    rate_hz: u32,
    samples: u16,
    bytes: usize,
    positions: u16,
    starts_unit: bool,
    dependent: bool,
}

/// Either syntax: they share the place of `bsid`, which tells them apart (§E.1.3.1.6).
fn read_any(data: &[u8]) -> Option<SyncFrame> {
    match data.get(5)? >> 3 {
        0..=10 => read_ac3(data),
        11..=16 => read_eac3(data),
        _ => None,
    }
}

fn read_ac3(data: &[u8]) -> Option<SyncFrame> {
    if data.get(..2)? != SYNC {
        return None;
    }
    let mut bits = Bits::new(data.get(4..)?);
    let fscod = bits.take(2)? as usize;
    let frmsizecod = bits.take(6)? as usize;
    let bsid = bits.take(5)?;
    let _bsmod = bits.take(3)?;
    let acmod = bits.take(3)? as usize;
    if bsid > 10 {
        return None;
    }
    if acmod & 1 != 0 && acmod != 1 {
        bits.take(2)?; // cmixlev
    }
    if acmod & 4 != 0 {
        bits.take(2)?; // surmixlev
    }
    if acmod == 2 {
        bits.take(2)?; // dsurmod
    }
    let lfe = bits.flag()?;
    let kbits = *KBITS.get(frmsizecod / 2)?;
    let bytes = match fscod {
        0 => kbits * 4,
        1 => 2 * (kbits * 320 / 147 + frmsizecod % 2),
        2 => kbits * 6,
        _ => return None,
    };
    Some(SyncFrame {
        // Streams of bsid 9 and 10 run at a half and a quarter of the rate (not in the standard, but decoded everywhere).
        rate_hz: RATES.get(fscod)? >> bsid.saturating_sub(8),
        samples: 1536,
        bytes,
        positions: POSITIONS.get(acmod)? | if lfe { LFE } else { 0 },
        starts_unit: true,
        dependent: false,
    })
}

fn read_eac3(data: &[u8]) -> Option<SyncFrame> {
    if data.get(..2)? != SYNC {
        return None;
    }
    let mut bits = Bits::new(data.get(2..)?);
    let stream_type = bits.take(2)?;
    let substream = bits.take(3)?;
    let bytes = (bits.take(11)? as usize + 1) * 2;
    let fscod = bits.take(2)? as usize;
    let (rate_hz, blocks) = if fscod == 3 {
        (RATES.get(bits.take(2)? as usize)? / 2, 6)
    } else {
        let blocks = [1, 2, 3, 6].get(bits.take(2)? as usize).copied()?;
        (*RATES.get(fscod)?, blocks)
    };
    let acmod = bits.take(3)? as usize;
    let lfe = bits.flag()?;
    let bsid = bits.take(5)?;
    if stream_type == 3 || !(11..=16).contains(&bsid) || bytes < 8 {
        return None;
    }
    let dependent = stream_type == 1;
    let mut positions = POSITIONS.get(acmod)? | if lfe { LFE } else { 0 };
    if dependent && let Some(Some(map)) = read_channel_map(&mut bits, acmod) {
        positions = map;
    }
    Some(SyncFrame {
        rate_hz,
        samples: 256 * blocks,
        bytes,
        positions,
        starts_unit: !dependent && substream == 0,
        dependent,
    })
}

/// `chanmap` of a dependent substream, behind the loudness fields; `Some(None)` when there is none.
fn read_channel_map(bits: &mut Bits<'_>, acmod: usize) -> Option<Option<u16>> {
    for _ in 0..if acmod == 0 { 2 } else { 1 } {
        bits.take(5)?; // dialnorm
        if bits.flag()? {
            bits.take(8)?; // compr
        }
    }
    if bits.flag()? {
        return Some(Some(bits.take(16)? as u16));
    }
    Some(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::audio::parse_frame_header;

    #[test]
    fn ac3_headers_tell_rate_speakers_and_length() {
        for (bytes, rate_hz, channels, frame_bytes) in [
            // 48 kHz, 448 kbit/s, 3/2 + LFE.
            (
                &[0x0B, 0x77, 0, 0, 0x1E, 0x40, 0xE1, 0x00][..],
                48_000,
                6,
                1792,
            ),
            // 44.1 kHz, 192 kbit/s, odd code, stereo.
            (&[0x0B, 0x77, 0, 0, 0x55, 0x40, 0x43, 0x00], 44_100, 2, 836),
            // 48 kHz, 96 kbit/s, mono.
            (&[0x0B, 0x77, 0, 0, 0x0C, 0x40, 0x20, 0x00], 48_000, 1, 384),
        ] {
            let header = parse_frame_header(AudioCodec::Ac3, bytes).unwrap();
            assert_eq!(
                (
                    header.rate_hz,
                    header.channels,
                    header.frame_bytes,
                    header.samples
                ),
                (rate_hz, channels, frame_bytes, 1536),
                "{bytes:02x?}"
            );
        }
    }

    #[test]
    fn dependent_substreams_belong_to_the_frame_before_them() {
        // Independent 5.1 of 16 bytes, dependent with a channel map (surround back pair) of 16 bytes.
        let mut unit = vec![0x0B, 0x77, 0x00, 0x07, 0x3F, 0x86];
        unit.resize(16, 0);
        unit.extend([0x0B, 0x77, 0x40, 0x07, 0x34, 0x86, 0x02, 0x04]);
        let dependent_at = 16;
        // chanmape = 1 behind dialnorm (5 bits) and compre (1 bit), then chanmap 0x0200.
        // bits from byte 5: bsid(5) dialnorm(5) compre(1) chanmape(1) chanmap(16)
        unit[dependent_at + 5] = 0x80; // bsid 16, dialnorm 0…
        unit[dependent_at + 6] = 0x10; // … compre 0, chanmape 1, chanmap high nibble 0
        unit[dependent_at + 7] = 0x20; // chanmap 0x0200
        unit.resize(32, 0);
        unit.extend([0x0B, 0x77, 0x00, 0x07, 0x3F, 0x86]);
        let header = parse_frame_header(AudioCodec::Eac3, &unit).unwrap();
        assert_eq!(
            (header.frame_bytes, header.channels, header.samples),
            (32, 8, 1536)
        );
        assert_eq!(parse_frame_header(AudioCodec::Eac3, &unit[16..]), None);
    }

    #[test]
    fn short_blocks_give_short_frames() {
        // numblkscod 0: one block of 256 samples; 2/0.
        let header =
            parse_frame_header(AudioCodec::Eac3, &[0x0B, 0x77, 0x00, 0x3F, 0x04, 0x80]).unwrap();
        assert_eq!(
            (header.samples, header.channels, header.frame_bytes),
            (256, 2, 128)
        );
    }

    #[test]
    fn reserved_values_and_cut_headers_are_none() {
        for bytes in [
            &[][..],
            &[0x0B, 0x77, 0, 0, 0x1E],
            &[0x0B, 0x77, 0, 0, 0xDE, 0x40, 0xE1],
            &[0x0B, 0x77, 0, 0, 0x26, 0x40, 0xE1],
            &[0x77, 0x0B, 0, 0, 0x1E, 0x40, 0xE1],
        ] {
            assert_eq!(
                parse_frame_header(AudioCodec::Ac3, bytes),
                None,
                "{bytes:02x?}"
            );
        }
    }
}
