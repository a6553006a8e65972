//! Program specific information: PAT and PMT (ISO 13818-1 §2.4.4), and the SDT that names the service
//! (ETSI EN 300 468 §5.2.3). All three are fixed for the life of a channel and fit one packet each.

use super::{AUDIO_PID, Layout, PMT_PID, VIDEO_PID};
use crate::media::ts::psi::crc32;
use crate::media::{AudioCodec, VideoCodec};

/// Number of the only programme; 0 would mean the network information table.
const PROGRAM_NUMBER: u16 = 1;
const TRANSPORT_STREAM_ID: u16 = 1;
/// From the range for private temporary use (ETSI TS 101 162).
const ORIGINAL_NETWORK_ID: u16 = 0xFF01;
const PROVIDER: &str = "exstreamd";
/// What the SDT leaves for the name in a packet that also carries an adaptation field.
const SERVICE_NAME_BYTES: usize = 120;

/// The three tables as sections with their pointer field in front: payload of one packet each.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) pat: Vec<u8>,
    pub(super) pmt: Vec<u8>,
    pub(super) sdt: Vec<u8>,
}

impl Tables {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            pat: pat(),
            pmt: pmt(layout),
            sdt: sdt(layout),
        }
    }
}

/// A long section, current, alone: pointer field, header, `body`, CRC (§2.4.4.11).
fn section(table_id: u8, private: bool, extension: u16, version: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() + 9) as u16;
    // Syntax indicator, the bit that tells DVB tables from PSI, two reserved bits.
    let flags: u16 = 0x8000 | if private { 0x4000 } else { 0 } | 0x3000;
    let mut bytes = vec![0, table_id];
    bytes.extend_from_slice(&(flags | length).to_be_bytes());
    bytes.extend_from_slice(&extension.to_be_bytes());
    bytes.extend_from_slice(&[0xC1 | (version & 0x1F) << 1, 0, 0]);
    bytes.extend_from_slice(body);
    let crc = crc32(bytes.get(1..).unwrap_or_default());
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

fn pat() -> Vec<u8> {
    let [program_high, program_low] = PROGRAM_NUMBER.to_be_bytes();
    let [pid_high, pid_low] = (0xE000 | PMT_PID).to_be_bytes();
    let body = [program_high, program_low, pid_high, pid_low];
    section(0x00, false, TRANSPORT_STREAM_ID, 0, &body)
}

fn pmt(layout: &Layout) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&(0xE000 | layout.pcr_pid()).to_be_bytes());
    body.extend_from_slice(&[0xF0, 0]);
    if let Some(codec) = layout.video {
        let (stream_type, format) = video_stream_type(codec);
        push_stream(stream_type, VIDEO_PID, format, &mut body);
    }
    if let Some(codec) = layout.audio {
        let (stream_type, format) = audio_stream_type(codec, layout.audio_rate_hz);
        push_stream(stream_type, AUDIO_PID, format, &mut body);
    }
    section(0x02, false, PROGRAM_NUMBER, pmt_version(layout), &body)
}

/// Two programme maps have the same version when they are the same, and only then: whoever stays on the
/// line when a channel goes on air again, with the streams it had or with others, is told the truth
/// although nobody remembers what was there before.
fn pmt_version(layout: &Layout) -> u8 {
    let video = match layout.video {
        None => 0,
        Some(VideoCodec::H264) => 1,
        Some(VideoCodec::Hevc) => 2,
        Some(VideoCodec::Mpeg2) => 3,
    };
    let audio = layout.audio.map_or(0, |codec| {
        match audio_stream_type(codec, layout.audio_rate_hz).0 {
            0x03 => 1,
            0x04 => 2,
            0x81 => 3,
            0x87 => 4,
            _ => 5,
        }
    });
    video * 6 + audio
}

/// One entry of the PMT; `format` becomes a registration descriptor (§2.6.8).
fn push_stream(stream_type: u8, pid: u16, format: Option<[u8; 4]>, body: &mut Vec<u8>) {
    body.push(stream_type);
    body.extend_from_slice(&(0xE000 | pid).to_be_bytes());
    match format {
        None => body.extend_from_slice(&[0xF0, 0]),
        Some(format) => {
            body.extend_from_slice(&[0xF0, 6, 0x05, 4]);
            body.extend_from_slice(&format);
        }
    }
}

fn video_stream_type(codec: VideoCodec) -> (u8, Option<[u8; 4]>) {
    match codec {
        VideoCodec::Mpeg2 => (0x02, None),
        VideoCodec::H264 => (0x1B, None),
        VideoCodec::Hevc => (0x24, Some(*b"HEVC")),
    }
}

/// AC-3 and Enhanced AC-3 the way ATSC has them (A/52 annexes A and G): what HDHomeRun clients expect.
fn audio_stream_type(codec: AudioCodec, rate_hz: u32) -> (u8, Option<[u8; 4]>) {
    match codec {
        AudioCodec::Aac => (0x0F, None),
        AudioCodec::Ac3 => (0x81, Some(*b"AC-3")),
        AudioCodec::Eac3 => (0x87, Some(*b"EAC3")),
        // The half sampling rates are ISO 13818-3's own; everything else is ISO 11172-3.
        AudioCodec::Mp2 | AudioCodec::Mp3 if (1..32_000).contains(&rate_hz) => (0x04, None),
        AudioCodec::Mp2 | AudioCodec::Mp3 => (0x03, None),
    }
}

fn sdt(layout: &Layout) -> Vec<u8> {
    // Service types of EN 300 468 table 89: digital television, digital radio.
    let service_type = if layout.video.is_some() { 0x01 } else { 0x02 };
    let mut descriptor = vec![service_type];
    for text in [PROVIDER, &layout.service_name] {
        let text = dvb_text(text);
        descriptor.push(text.len() as u8);
        descriptor.extend_from_slice(&text);
    }
    let mut body = Vec::new();
    body.extend_from_slice(&ORIGINAL_NETWORK_ID.to_be_bytes());
    body.push(0xFF);
    body.extend_from_slice(&PROGRAM_NUMBER.to_be_bytes());
    // No EIT; running (4), not scrambled.
    body.push(0xFC);
    body.extend_from_slice(&(0x8000 | (descriptor.len() + 2) as u16).to_be_bytes());
    body.push(0x48);
    body.push(descriptor.len() as u8);
    body.extend_from_slice(&descriptor);
    section(0x42, true, TRANSPORT_STREAM_ID, 0, &body)
}

/// Text as EN 300 468 annex A has it: plain when it is ASCII, else marked as UTF-8. Control characters
/// are left out, and what does not fit is cut between two characters.
fn dvb_text(text: &str) -> Vec<u8> {
    let mut bytes = if text.is_ascii() { vec![] } else { vec![0x15] };
    for character in text.chars().filter(|c| !c.is_control()) {
        if bytes.len() + character.len_utf8() > SERVICE_NAME_BYTES {
            break;
        }
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn tables_stay_within_one_packet_beside_an_adaptation_field_whatever_the_name() {
        for name in ["", &"x".repeat(500), &"é".repeat(500), "a\u{0}\n\u{85}b"] {
            let tables = Tables::new(&Layout {
                video: Some(VideoCodec::Hevc),
                audio: Some(AudioCodec::Eac3),
                audio_rate_hz: 48_000,
                service_name: name.to_string(),
                mux_rate_kbit: None,
            });
            for table in [tables.pat, tables.pmt, tables.sdt] {
                assert!(table.len() <= 182, "{name}: {}", table.len());
                assert_eq!(crc32(&table[1..]), 0);
            }
        }
    }

    #[test]
    fn tables_are_byte_for_byte_what_the_standards_say() {
        let tables = Tables::new(&Layout {
            video: Some(VideoCodec::H264),
            audio: Some(AudioCodec::Ac3),
            audio_rate_hz: 48_000,
            service_name: "Kino 1".to_string(),
            mux_rate_kbit: None,
        });
        assert_eq!(hex(&tables.pat), "0000b00d0001c100000001f0002ab104b2");
        let pmt = "0002b01d0001d30000e100f000\
                   1be100f000\
                   81e101f006050441432d33\
                   a60a321c";
        assert_eq!(hex(&tables.pmt), pmt);
        let sdt = "0042f0250001c10000ff01ff0001fc8014\
                   48120109657873747265616d64064b696e6f2031\
                   49559f7d";
        assert_eq!(hex(&tables.sdt), sdt);
    }

    #[test]
    fn programme_maps_have_the_same_version_exactly_when_they_are_the_same() {
        let mut maps: Vec<Vec<u8>> = Vec::new();
        for video in [
            None,
            Some(VideoCodec::H264),
            Some(VideoCodec::Hevc),
            Some(VideoCodec::Mpeg2),
        ] {
            for audio in [
                None,
                Some(AudioCodec::Aac),
                Some(AudioCodec::Ac3),
                Some(AudioCodec::Eac3),
                Some(AudioCodec::Mp2),
                Some(AudioCodec::Mp3),
            ] {
                for audio_rate_hz in [24_000, 44_100, 48_000] {
                    let map = pmt(&Layout {
                        video,
                        audio,
                        audio_rate_hz,
                        ..Layout::default()
                    });
                    let version = |map: &[u8]| map[6] >> 1 & 0x1F;
                    for other in &maps {
                        assert_eq!(version(&map) == version(other), map == *other);
                    }
                    maps.push(map);
                }
            }
        }
    }

    #[test]
    fn the_stream_type_of_layers_two_and_three_follows_the_rate() {
        for (codec, rate_hz, stream_type) in [
            (AudioCodec::Mp2, 48_000, 0x03),
            (AudioCodec::Mp3, 24_000, 0x04),
            (AudioCodec::Mp3, 0, 0x03),
            (AudioCodec::Aac, 24_000, 0x0F),
        ] {
            assert_eq!(audio_stream_type(codec, rate_hz).0, stream_type);
        }
    }
}
