//! Program specific information: which PID holds what (ISO 13818-1 §2.4.4).

use crate::media::unit::{AudioCodec, VideoCodec};

/// A section holds no more (§2.4.4.1); PAT and PMT even less.
const SECTION_BYTES: usize = 4096;
/// Programmes that are looked at in one PAT.
const PROGRAMS: usize = 64;
/// Elementary streams that are looked at in one PMT.
const STREAMS: usize = 64;

/// CRC-32/MPEG-2: polynomial 0x04C11DB7, not reflected, no final inversion (ISO 13818-1 annex A).
/// Over a section with its own CRC at the end it gives zero.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ (u32::from(byte) << 24), |crc, _| {
            (crc << 1) ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 }
        })
    })
}

/// Puts the sections of one PID together.
#[derive(Clone, Debug, Default)]
pub(super) struct Sections {
    buffer: Vec<u8>,
    /// Bytes are in order since a section began.
    active: bool,
}

impl Sections {
    /// Takes the payload of the next packet and calls `visit` for each section with a right CRC that it
    /// completes.
    pub(super) fn push(&mut self, start: bool, payload: &[u8], visit: &mut dyn FnMut(&[u8])) {
        if !start {
            if self.active {
                self.take(payload, visit);
            }
            return;
        }
        // The pointer field tells where the first section that begins here does (§2.4.4.2).
        let Some((&pointer, rest)) = payload.split_first() else {
            return;
        };
        let Some((tail, sections)) = rest.split_at_checked(usize::from(pointer)) else {
            self.reset();
            return;
        };
        if self.active {
            self.take(tail, visit);
        }
        self.buffer.clear();
        self.active = true;
        self.take(sections, visit);
    }

    /// A packet was lost: what has been gathered is worth nothing.
    pub(super) fn reset(&mut self) {
        self.buffer.clear();
        self.active = false;
    }

    fn take(&mut self, bytes: &[u8], visit: &mut dyn FnMut(&[u8])) {
        self.buffer.extend_from_slice(bytes);
        // 0xFF in place of a table_id is stuffing up to the end of the packet.
        while let [table_id, high, low, ..] = *self.buffer.as_slice() {
            let length = 3 + usize::from(u16::from_be_bytes([high & 0x0F, low]));
            if table_id == 0xFF || length > SECTION_BYTES {
                self.reset();
                return;
            }
            let Some(section) = self.buffer.get(..length) else {
                return;
            };
            if crc32(section) == 0 {
                visit(section);
            }
            self.buffer.drain(..length);
        }
    }
}

/// The programmes that a PAT names, each with the PID of its map; `None` when the section is none.
pub(super) fn parse_pat(section: &[u8]) -> Option<Vec<(u16, u16)>> {
    let body = table_body(section, 0x00)?;
    let entries = body.as_chunks::<4>().0.iter();
    let entry = |&[number_high, number_low, high, low]: &[u8; 4]| {
        let number = u16::from_be_bytes([number_high, number_low]);
        (number, u16::from_be_bytes([high & 0x1F, low]))
    };
    // Number 0 is that of the network information table.
    let programs = entries.map(entry).filter(|(number, _)| *number != 0);
    Some(programs.take(PROGRAMS).collect())
}

/// What an elementary stream is, as far as its programme map tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamCodec {
    Video(VideoCodec),
    Audio(AudioCodec),
    /// MPEG audio: only the frames tell the layer.
    MpegAudio,
    /// Sound or picture that we do not carry, by its name for people.
    OtherVideo(&'static str),
    OtherAudio(&'static str),
}

impl StreamCodec {
    pub(super) fn is_video(self) -> bool {
        matches!(self, Self::Video(_) | Self::OtherVideo(_))
    }

    pub(super) fn is_our_video(self) -> bool {
        matches!(self, Self::Video(_))
    }

    pub(super) fn is_our_audio(self) -> bool {
        matches!(self, Self::Audio(_) | Self::MpegAudio)
    }

    /// Whether frames of `other` may be what a map calls this.
    pub(super) fn may_be(self, other: Self) -> bool {
        let mpeg = matches!(other, Self::Audio(AudioCodec::Mp2 | AudioCodec::Mp3));
        let is_enhanced = other == Self::Audio(AudioCodec::Eac3);
        self == other
            || (self == Self::MpegAudio && mpeg)
            || (self == Self::Audio(AudioCodec::Ac3) && is_enhanced)
    }

    /// Whether it may be taken.
    pub(super) fn is_ours(self) -> bool {
        self.is_our_video() || self.is_our_audio()
    }
}

/// One elementary stream of a programme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProgramStream {
    pub(super) pid: u16,
    pub(super) codec: StreamCodec,
    /// ISO 639-2 code.
    pub(super) language: Option<String>,
}

/// The pictures and sounds of a programme in the order of its PMT; `None` when the section is none.
pub(super) fn parse_pmt(section: &[u8]) -> Option<Vec<ProgramStream>> {
    let body = table_body(section, 0x02)?;
    let (&[_, _, high, low], rest) = body.split_first_chunk()?;
    let info = usize::from(u16::from_be_bytes([high & 0x0F, low]));
    let (info, mut rest) = rest.split_at_checked(info)?;
    let is_blu_ray = is_registered(info, b"HDMV");
    let mut streams = Vec::new();
    while let Some((&[stream_type, pid_high, pid_low, high, low], next)) = rest.split_first_chunk()
    {
        let info = usize::from(u16::from_be_bytes([high & 0x0F, low]));
        let (descriptors, next) = next.split_at_checked(info)?;
        rest = next;
        if let Some(codec) = stream_codec(stream_type, descriptors, is_blu_ray)
            && streams.len() < STREAMS
        {
            streams.push(ProgramStream {
                pid: u16::from_be_bytes([pid_high & 0x1F, pid_low]),
                codec,
                language: language(descriptors),
            });
        }
    }
    Some(streams)
}

/// What stands between the header of a current long section and its CRC.
fn table_body(section: &[u8], table_id: u8) -> Option<&[u8]> {
    let (&[id, _, _, _, _, version, _, _], rest) = section.split_first_chunk()?;
    let current = version & 1 == 1;
    (id == table_id && current).then_some(())?;
    rest.split_last_chunk::<4>().map(|(body, _)| body)
}

/// Tags and contents of a descriptor loop.
fn descriptors(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [tag, length, rest @ ..] = bytes else {
            return None;
        };
        let (content, next) = rest.split_at_checked(usize::from(*length))?;
        bytes = next;
        Some((*tag, content))
    })
}

/// The first language of an ISO_639_language_descriptor (§2.6.18); "und" says as little as none.
fn language(bytes: &[u8]) -> Option<String> {
    let (_, content) = descriptors(bytes).find(|(tag, _)| *tag == 0x0A)?;
    let code = content.get(..3)?;
    let known = code.iter().all(u8::is_ascii_alphabetic) && code != b"und";
    known.then(|| String::from_utf8_lossy(code).to_ascii_lowercase())
}

/// Whether there is a registration descriptor of `format` (§2.6.8).
fn is_registered(bytes: &[u8], format: &[u8; 4]) -> bool {
    descriptors(bytes).any(|(tag, content)| tag == 0x05 && content.starts_with(format))
}

/// Stream types of ISO 13818-1 table 2-34 and ATSC A/53 part 3; those of Blu-ray discs, under which
/// broadcasters have other things (0x82 and 0x86 are subtitles and cue messages of cable networks); DVB
/// marks private streams with descriptors (ETSI EN 300 468 §6.2, annex D). `None` for what is neither
/// picture nor sound.
fn stream_codec(stream_type: u8, bytes: &[u8], is_blu_ray: bool) -> Option<StreamCodec> {
    use StreamCodec::{Audio, MpegAudio, OtherAudio, OtherVideo, Video};
    let has = |wanted: u8| descriptors(bytes).any(|(tag, _)| tag == wanted);
    // The extension descriptor tells its kind with its first byte (EN 300 468 §6.4).
    let extends = |wanted: u8| {
        descriptors(bytes).any(|(tag, content)| tag == 0x7F && content.first() == Some(&wanted))
    };
    let registered = |wanted| is_registered(bytes, wanted);
    Some(match stream_type {
        0x80 if is_blu_ray => OtherAudio("PCM"),
        0x82 if is_blu_ray => OtherAudio("DTS"),
        0x83 if is_blu_ray => OtherAudio("TrueHD"),
        0x84 | 0xA1 if is_blu_ray => Audio(AudioCodec::Eac3),
        0x85 | 0x86 | 0xA2 if is_blu_ray => OtherAudio("DTS-HD"),
        0x01 => OtherVideo("MPEG-1 video"),
        0x02 => Video(VideoCodec::Mpeg2),
        0x03 | 0x04 => MpegAudio,
        0x0F => Audio(AudioCodec::Aac),
        0x10 => OtherVideo("MPEG-4 Part 2"),
        0x11 => OtherAudio("AAC in LATM"),
        0x1B => Video(VideoCodec::H264),
        0x1C => OtherAudio("AAC without framing"),
        0x21 => OtherVideo("JPEG 2000"),
        0x24 => Video(VideoCodec::Hevc),
        0x2D | 0x2E => OtherAudio("MPEG-H 3D Audio"),
        0x33 => OtherVideo("VVC"),
        0x42 => OtherVideo("AVS"),
        0xCF | 0xC1 | 0xC2 => OtherAudio("sound encrypted with SAMPLE-AES"),
        0xD1 => OtherVideo("Dirac"),
        0xD2 => OtherVideo("AVS2"),
        0xD4 => OtherVideo("AVS3"),
        0xDB => OtherVideo("H.264 encrypted with SAMPLE-AES"),
        0xEA => OtherVideo("VC-1"),
        0x81 => Audio(AudioCodec::Ac3),
        0x87 => Audio(AudioCodec::Eac3),
        0x8A => OtherAudio("DTS"),
        // ffmpeg says no more of it.
        0x82 if bytes.is_empty() => OtherAudio("DTS"),
        0x83 => OtherAudio("TrueHD"),
        0x82 | 0x85 | 0x86 if registered(b"DTS1") || registered(b"DTS2") => OtherAudio("DTS"),
        0x06 if has(0x6A) || registered(b"AC-3") => Audio(AudioCodec::Ac3),
        0x06 if has(0x7A) || registered(b"EAC3") => Audio(AudioCodec::Eac3),
        0x06 if registered(b"HEVC") => Video(VideoCodec::Hevc),
        0x06 if has(0x7B) || registered(b"DTS1") || registered(b"DTS2") || registered(b"DTS3") => {
            OtherAudio("DTS")
        }
        0x06 if extends(0x0E) => OtherAudio("DTS-HD"),
        0x06 if extends(0x15) || registered(b"AC-4") => OtherAudio("AC-4"),
        0x06 if extends(0x21) => OtherAudio("DTS-UHD"),
        0x06 if has(0x7C) => OtherAudio("AAC in LATM"),
        0x06 if registered(b"Opus") => OtherAudio("Opus"),
        0x06 if registered(b"BSSD") => OtherAudio("PCM"),
        0x06 if registered(b"AV01") => OtherVideo("AV1"),
        0x06 if registered(b"VC-1") => OtherVideo("VC-1"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes[2] = (bytes.len() + 1) as u8;
        let crc = crc32(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes
    }

    #[test]
    fn the_crc_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    }

    #[test]
    fn a_section_is_put_together_over_packets_and_only_when_it_is_whole() {
        let pat = section(vec![
            0, 0xB0, 0, 0, 1, 0xC1, 0, 0, 0, 0, 0xE0, 16, 0, 1, 0xF0, 0,
        ]);
        let mut found = Vec::new();
        let mut sections = Sections::default();
        let mut packet = vec![0];
        packet.extend_from_slice(&pat[..7]);
        sections.push(true, &packet, &mut |s| found.push(s.to_vec()));
        sections.push(false, &pat[7..], &mut |s| found.push(s.to_vec()));
        let mut both = vec![0];
        both.extend_from_slice(&pat);
        both.extend_from_slice(&pat);
        both.extend_from_slice(&[0xFF; 40]);
        sections.push(true, &both, &mut |s| found.push(s.to_vec()));
        assert_eq!(found, vec![pat.clone(); 3]);
        assert_eq!(parse_pat(&pat), Some(vec![(1, 0x1000)]));

        let mut damaged = both.clone();
        damaged[12] ^= 1;
        sections.push(true, &damaged[..pat.len() + 1], &mut |_| panic!("damaged"));
    }

    /// What a map with one stream says it is.
    fn told(info: &[u8], stream_type: u8, descriptors: &[u8]) -> Option<StreamCodec> {
        let mut bytes = vec![2, 0xB0, 0, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0];
        bytes.push(info.len() as u8);
        bytes.extend_from_slice(info);
        bytes.extend_from_slice(&[stream_type, 0xE1, 0x01, 0xF0, descriptors.len() as u8]);
        bytes.extend_from_slice(descriptors);
        let streams = parse_pmt(&section(bytes)).expect("a map");
        streams.first().map(|stream| stream.codec)
    }

    #[test]
    fn streams_are_told_by_type_and_descriptors() {
        use StreamCodec::{Audio, MpegAudio, OtherAudio, OtherVideo, Video};
        let registration = |format: &[u8; 4]| [&[5, 4], &format[..]].concat();
        let disc = registration(b"HDMV");
        let none: &[u8] = &[];
        for (stream_type, descriptors, expected) in [
            (0x01, none, Some(OtherVideo("MPEG-1 video"))),
            (0x02, none, Some(Video(VideoCodec::Mpeg2))),
            (0x03, none, Some(MpegAudio)),
            (0x04, none, Some(MpegAudio)),
            (0x0F, none, Some(Audio(AudioCodec::Aac))),
            (0x10, none, Some(OtherVideo("MPEG-4 Part 2"))),
            (0x11, none, Some(OtherAudio("AAC in LATM"))),
            (0x1B, none, Some(Video(VideoCodec::H264))),
            (0x24, none, Some(Video(VideoCodec::Hevc))),
            (0x33, none, Some(OtherVideo("VVC"))),
            (0x81, none, Some(Audio(AudioCodec::Ac3))),
            (0x87, none, Some(Audio(AudioCodec::Eac3))),
            (
                0xDB,
                none,
                Some(OtherVideo("H.264 encrypted with SAMPLE-AES")),
            ),
            // Teletext, subtitles, data.
            (0x06, none, None),
            (0x06, &[0x56, 1, 0], None),
            (0x06, &[0x59, 1, 0], None),
            (0x05, none, None),
            (0x06, &[0x6A, 1, 0], Some(Audio(AudioCodec::Ac3))),
            (0x06, &[0x7A, 1, 0], Some(Audio(AudioCodec::Eac3))),
            (0x06, &[0x7B, 1, 0], Some(OtherAudio("DTS"))),
            (0x06, &[0x7F, 2, 0x15, 0], Some(OtherAudio("AC-4"))),
            (0x06, &[0x7F, 2, 0x06, 0], None),
            (0x06, &registration(b"AC-3"), Some(Audio(AudioCodec::Ac3))),
            (0x06, &registration(b"EAC3"), Some(Audio(AudioCodec::Eac3))),
            (0x06, &registration(b"Opus"), Some(OtherAudio("Opus"))),
            (0x06, &registration(b"AV01"), Some(OtherVideo("AV1"))),
            // Cable networks: subtitles, cue messages.
            (0x82, &[0x0A, 4, b'e', b'n', b'g', 0], None),
            (0x86, &registration(b"CUEI"), None),
        ] {
            assert_eq!(
                told(none, stream_type, descriptors),
                expected,
                "{stream_type:#x}"
            );
        }
        for (stream_type, expected) in [
            (0x1B, Some(Video(VideoCodec::H264))),
            (0xEA, Some(OtherVideo("VC-1"))),
            (0x80, Some(OtherAudio("PCM"))),
            (0x81, Some(Audio(AudioCodec::Ac3))),
            (0x82, Some(OtherAudio("DTS"))),
            (0x83, Some(OtherAudio("TrueHD"))),
            (0x84, Some(Audio(AudioCodec::Eac3))),
            (0x86, Some(OtherAudio("DTS-HD"))),
            (0x90, None),
        ] {
            assert_eq!(told(&disc, stream_type, none), expected, "{stream_type:#x}");
        }
    }

    #[test]
    fn languages_and_the_order_of_a_map_are_kept() {
        let pmt = section(
            [
                &[2, 0xB0, 0, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0][..],
                &[0x1B, 0xE1, 0x00, 0xF0, 0],
                &[
                    0x06, 0xE1, 0x01, 0xF0, 9, 0x0A, 4, b'd', b'e', b'u', 0, 0x6A, 1, 0,
                ],
                &[0x06, 0xE1, 0x02, 0xF0, 0],
                &[0x87, 0xE1, 0x03, 0xF0, 6, 5, 4, b'E', b'A', b'C', b'3'],
            ]
            .concat(),
        );
        let streams = parse_pmt(&pmt).unwrap();
        let pids: Vec<_> = streams.iter().map(|s| s.pid).collect();
        assert_eq!(pids, [0x100, 0x101, 0x103]);
        assert_eq!(streams[1].language.as_deref(), Some("deu"));
    }
}
