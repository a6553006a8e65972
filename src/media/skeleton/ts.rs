//! Transport streams: packet headers, the tables that say what is in which packets, PES headers and time stamps
//! (ISO 13818-1 §2.4). Tables with names and texts (SDT, EIT) do not stay.

use std::collections::BTreeMap;

use super::audio::Frames;
use super::copy::Copy;
use super::video::StartCodes;
use crate::error::Result;
use crate::media::unit::{AudioCodec, VideoCodec};

const PACKET_BYTES: usize = 188;
const SYNC: u8 = 0x47;
/// Packets read at once.
const PACKETS: usize = 1024;
/// PIDs that are followed.
const PIDS_MAX: usize = 256;
/// A section holds no more (§2.4.4.1).
const SECTION_BYTES: usize = 4096;
/// Bytes of a PES header up to the length of its optional part.
const PES_BYTES: usize = 9;

/// What the packets of a PID carry.
enum Carried {
    /// PAT or PMT: all of it stays.
    Table(Section),
    Stream(Pes),
}

/// A section that is being put together.
#[derive(Default)]
struct Section {
    bytes: Vec<u8>,
}

/// An elementary stream.
struct Pes {
    /// Bytes of the PES packet so far, up to the end of its header.
    header: usize,
    /// How long the header is, once it is known.
    header_bytes: usize,
    /// No PES packet has begun yet.
    is_waiting: bool,
    content: Scan,
}

enum Scan {
    Pictures(StartCodes),
    Sound(Frames),
    Unknown,
}

pub(super) fn write(copy: &mut Copy<'_>) -> Result<()> {
    let head = copy.input.get(0, 8 * 204)?.to_vec();
    let Some((first, stride)) = framing(&head) else {
        return Ok(());
    };
    let mut pids: BTreeMap<u16, Carried> = BTreeMap::new();
    pids.insert(0, Carried::Table(Section::default()));
    let mut at = first;
    loop {
        let bytes = copy.input.get(at, stride * PACKETS)?.to_vec();
        if bytes.is_empty() {
            break;
        }
        let mut used = 0;
        while let Some(packet) = bytes.get(used..used + PACKET_BYTES) {
            if packet.first() != Some(&SYNC) {
                used += 1;
                continue;
            }
            let place = at + used as u64;
            // The arrival time in front of the packets of Blu-ray.
            if stride == 192 {
                copy.keep(place.saturating_sub(4), place)?;
            }
            keep_packet(copy, &mut pids, place, packet)?;
            used += stride;
        }
        if used == 0 {
            break;
        }
        at += used as u64;
    }
    for carried in pids.values_mut() {
        if let Carried::Stream(Pes {
            content: Scan::Pictures(scan),
            ..
        }) = carried
        {
            scan.close(copy)?;
        }
    }
    Ok(())
}

/// Where the first packet begins and how far apart they are: 188, 192 with a time in front, or 204 with parity behind.
fn framing(head: &[u8]) -> Option<(u64, usize)> {
    (0..head.len()).find_map(|first| {
        let is_at = |stride: usize| {
            let mut places = (first..head.len()).step_by(stride);
            first + 2 * stride < head.len() && places.all(|place| head.get(place) == Some(&SYNC))
        };
        let stride = [188, 192, 204].into_iter().find(|stride| is_at(*stride))?;
        Some((first as u64, stride))
    })
}

fn keep_packet(
    copy: &mut Copy<'_>,
    pids: &mut BTreeMap<u16, Carried>,
    at: u64,
    packet: &[u8],
) -> Result<()> {
    let Some((&[_, high, low, control], body)) = packet.split_first_chunk::<4>() else {
        return Ok(());
    };
    copy.put(at, &packet[..4])?;
    let mut payload_at = 4;
    if control & 0x20 != 0 {
        let length = body.first().map_or(0, |length| usize::from(*length));
        payload_at += 1 + length;
        // Flags, clock references and the splice countdown (§2.4.3.4), without what is private.
        let flags = body.get(1).copied().unwrap_or_default();
        let clocks = [(0x10, 6), (0x08, 6), (0x04, 1)];
        let fields = clocks.iter().filter(|(flag, _)| flags & flag != 0);
        let known = 1 + fields.map(|(_, bytes)| bytes).sum::<usize>();
        let keep = 1 + known.min(length);
        copy.put(at + 4, body.get(..keep).unwrap_or_default())?;
    }
    let payload = packet.get(payload_at..).unwrap_or_default();
    let is_clear = control & 0x10 != 0 && control & 0xC0 == 0 && high & 0x80 == 0;
    if !is_clear || payload.is_empty() {
        return Ok(());
    }
    let (pid, start) = (u16::from_be_bytes([high & 0x1F, low]), high & 0x40 != 0);
    let payload_at = at + payload_at as u64;
    let mut found = Vec::new();
    match pids.get_mut(&pid) {
        Some(Carried::Table(section)) => {
            copy.put(payload_at, payload)?;
            section.push(start, payload, &mut |section| {
                found.extend(carried(section));
            });
        }
        Some(Carried::Stream(pes)) => pes.push(copy, start, payload_at, payload)?,
        None => {}
    }
    for (pid, carried) in found {
        if pids.len() < PIDS_MAX {
            pids.entry(pid).or_insert(carried);
        }
    }
    Ok(())
}

impl Section {
    fn push(&mut self, start: bool, payload: &[u8], visit: &mut dyn FnMut(&[u8])) {
        let mut payload = payload;
        if start {
            // The pointer field tells where the first section that begins here does (§2.4.4.2).
            let Some((&pointer, rest)) = payload.split_first() else {
                return;
            };
            self.bytes.clear();
            payload = rest.get(usize::from(pointer)..).unwrap_or_default();
        } else if self.bytes.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(payload);
        while let [table, high, low, ..] = *self.bytes.as_slice() {
            let length = 3 + usize::from(u16::from_be_bytes([high & 0x0F, low]));
            if table == 0xFF || length > SECTION_BYTES {
                self.bytes.clear();
                return;
            }
            let Some(section) = self.bytes.get(..length) else {
                return;
            };
            visit(section);
            self.bytes.drain(..length);
        }
    }
}

/// What a PAT or PMT says is in which PID.
fn carried(section: &[u8]) -> Vec<(u16, Carried)> {
    let mut found = Vec::new();
    let body = section
        .get(8..section.len().saturating_sub(4))
        .unwrap_or_default();
    let pid = |high: u8, low: u8| u16::from_be_bytes([high & 0x1F, low]);
    match section.first() {
        Some(0x00) => {
            for &[number_high, number_low, high, low] in body.as_chunks::<4>().0 {
                // Programme 0 names the network information, which is full of names.
                if (number_high, number_low) != (0, 0) {
                    found.push((pid(high, low), Carried::Table(Section::default())));
                }
            }
        }
        Some(0x02) => {
            let length = |high: u8, low: u8| usize::from(u16::from_be_bytes([high & 0x0F, low]));
            let Some((&[_, _, high, low], rest)) = body.split_first_chunk::<4>() else {
                return found;
            };
            let mut rest = rest.get(length(high, low)..).unwrap_or_default();
            while let Some((&[kind, pid_high, pid_low, high, low], next)) = rest.split_first_chunk()
            {
                let Some((descriptors, next)) = next.split_at_checked(length(high, low)) else {
                    break;
                };
                rest = next;
                let pes = Pes {
                    header: 0,
                    header_bytes: PES_BYTES,
                    is_waiting: true,
                    content: scan(kind, descriptors),
                };
                found.push((pid(pid_high, pid_low), Carried::Stream(pes)));
            }
        }
        _ => {}
    }
    found
}

/// By stream type (table 2-34; ATSC A/53 part 3 for AC-3), of private streams by their descriptors (ETSI EN 300 468).
fn scan(kind: u8, descriptors: &[u8]) -> Scan {
    let has = |wanted: u8, text: &[u8]| {
        let mut rest = descriptors;
        while let Some((&[tag, length], next)) = rest.split_first_chunk() {
            let body = next.get(..usize::from(length)).unwrap_or_default();
            if tag == wanted && body.starts_with(text) {
                return true;
            }
            rest = next.get(usize::from(length)..).unwrap_or_default();
        }
        false
    };
    let pictures = |codec| Scan::Pictures(StartCodes::new(codec));
    let sound = |codec| Scan::Sound(Frames::new(codec));
    match kind {
        0x01 | 0x02 => pictures(VideoCodec::Mpeg2),
        0x1B => pictures(VideoCodec::H264),
        0x24 => pictures(VideoCodec::Hevc),
        0x03 | 0x04 => sound(AudioCodec::Mp2),
        0x0F => sound(AudioCodec::Aac),
        0x81 => sound(AudioCodec::Ac3),
        0x87 => sound(AudioCodec::Eac3),
        0x06 if has(0x6A, b"") || has(5, b"AC-3") => sound(AudioCodec::Ac3),
        0x06 if has(0x7A, b"") || has(5, b"EAC3") => sound(AudioCodec::Eac3),
        _ => Scan::Unknown,
    }
}

impl Pes {
    fn push(&mut self, copy: &mut Copy<'_>, start: bool, at: u64, payload: &[u8]) -> Result<()> {
        if start {
            (self.header, self.header_bytes, self.is_waiting) = (0, PES_BYTES, false);
        }
        if self.is_waiting {
            return Ok(());
        }
        let mut used = 0;
        while self.header < self.header_bytes
            && let Some(byte) = payload.get(used)
        {
            copy.put(at + used as u64, &[*byte])?;
            self.header += 1;
            used += 1;
            match self.header {
                // Streams whose packets have no more of a header (§2.4.3.7): what is in them is not known.
                4 if matches!(byte, 0xBC | 0xBE | 0xBF | 0xF0..=0xF2 | 0xF8 | 0xFF) => {
                    self.header_bytes = 6;
                    self.is_waiting = true;
                }
                PES_BYTES => self.header_bytes = PES_BYTES + usize::from(*byte),
                _ => {}
            }
        }
        if self.is_waiting {
            return Ok(());
        }
        let rest = payload.get(used..).unwrap_or_default();
        match &mut self.content {
            Scan::Pictures(scan) => scan.feed(copy, at + used as u64, rest),
            Scan::Sound(frames) => frames.feed(copy, at + used as u64, rest),
            Scan::Unknown => Ok(()),
        }
    }
}
