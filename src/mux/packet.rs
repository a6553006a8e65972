//! Transport packets: a run of payload bytes cut into packets of exactly 188, with the adaptation field
//! and the stuffing that this takes (ISO 13818-1 §2.4.3.2–2.4.3.5).
//!
//! This is the hot path of a copied channel: room is reserved once per unit, and payload moves in one
//! copy of up to 184 bytes per packet, from wherever its pieces lie.

/// Length of a transport packet.
pub const PACKET_BYTES: usize = 188;
/// A packet that says nothing (§2.4.1: PID 0x1FFF; its continuity counter means nothing).
pub const NULL_PACKET: [u8; PACKET_BYTES] = {
    let mut packet = [0xFF; PACKET_BYTES];
    packet[0] = 0x47;
    packet[1] = 0x1F;
    packet[3] = 0x10;
    packet
};
/// What a packet holds behind its header.
const BODY_BYTES: usize = PACKET_BYTES - 4;
/// PCR counts 27 MHz: 300 to a tick of 90 kHz.
pub(super) const PCR_PER_TICK: i64 = 300;
/// PTS, DTS and the base of the PCR are 33 bits wide.
pub(super) const MASK_33_BITS: u64 = (1 << 33) - 1;

/// What the adaptation field of a unit's first packet says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Adaptation {
    /// The continuity counter or the time base starts anew here.
    pub(super) discontinuity: bool,
    /// Decoding can start here.
    pub(super) random_access: bool,
    /// Program clock reference in units of 27 MHz, not wrapped.
    pub(super) pcr: Option<i64>,
}

impl Adaptation {
    fn flags(self) -> u8 {
        (u8::from(self.discontinuity) << 7)
            | (u8::from(self.random_access) << 6)
            | (u8::from(self.pcr.is_some()) << 4)
    }

    /// Bytes that it needs in the packet, its length byte included; none when it says nothing.
    fn len(self) -> usize {
        match (self.flags(), self.pcr) {
            (0, _) => 0,
            (_, None) => 2,
            (_, Some(_)) => 8,
        }
    }

    /// Writes the field so that it fills `total` bytes, at least [`Adaptation::len`] of them.
    fn write(self, total: usize, out: &mut Vec<u8>) {
        if total == 0 {
            return;
        }
        let end = out.len() + total;
        out.push((total - 1) as u8);
        if total > 1 {
            out.push(self.flags());
            if let Some(pcr) = self.pcr {
                out.extend_from_slice(&pcr_bytes(pcr));
            }
        }
        out.resize(end, 0xFF);
    }
}

/// The 33-bit base, six reserved bits and the 9-bit extension (§2.4.3.4).
fn pcr_bytes(pcr: i64) -> [u8; 6] {
    let base = pcr.div_euclid(PCR_PER_TICK) as u64 & MASK_33_BITS;
    let extension = pcr.rem_euclid(PCR_PER_TICK) as u64;
    let [_, _, bytes @ ..] = ((base << 15) | (0x3F << 9) | extension).to_be_bytes();
    bytes
}

/// The four bytes in front of every packet. `start` marks the first packet of a unit.
fn header(pid: u16, start: bool, adaptation: bool, payload: bool, counter: u8) -> [u8; 4] {
    [
        0x47,
        (u8::from(start) << 6) | (pid >> 8) as u8 & 0x1F,
        pid as u8,
        (u8::from(adaptation) << 5) | (u8::from(payload) << 4) | counter & 0x0F,
    ]
}

/// Several slices read as one.
struct Gather<'a> {
    current: &'a [u8],
    rest: &'a [&'a [u8]],
}

impl Gather<'_> {
    /// Appends the next `bytes` bytes to `out`.
    fn copy(&mut self, mut bytes: usize, out: &mut Vec<u8>) {
        loop {
            if let Some((now, later)) = self.current.split_at_checked(bytes) {
                out.extend_from_slice(now);
                self.current = later;
                return;
            }
            out.extend_from_slice(self.current);
            bytes -= self.current.len();
            let Some((next, rest)) = self.rest.split_first() else {
                self.current = &[];
                return;
            };
            (self.current, self.rest) = (next, rest);
        }
    }
}

/// Writes one unit (a PES packet or a pointer field and section) whose bytes are `parts` in order.
/// The first packet carries `adaptation`, the last one the stuffing. `counter` is the PID's next value.
pub(super) fn write_unit(
    pid: u16,
    counter: &mut u8,
    adaptation: Adaptation,
    parts: &[&[u8]],
    out: &mut Vec<u8>,
) {
    let mut left: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve((left + adaptation.len()).div_ceil(BODY_BYTES) * PACKET_BYTES);
    let mut gather = Gather {
        current: &[],
        rest: parts,
    };

    let payload = left.min(BODY_BYTES - adaptation.len());
    let field = BODY_BYTES - payload;
    out.extend_from_slice(&header(pid, true, field > 0, payload > 0, *counter));
    adaptation.write(field, out);
    gather.copy(payload, out);
    left -= payload;
    *counter = (*counter + 1) & 0x0F;

    while left >= BODY_BYTES {
        out.extend_from_slice(&header(pid, false, false, true, *counter));
        gather.copy(BODY_BYTES, out);
        left -= BODY_BYTES;
        *counter = (*counter + 1) & 0x0F;
    }
    if left > 0 {
        out.extend_from_slice(&header(pid, false, true, true, *counter));
        Adaptation::default().write(BODY_BYTES - left, out);
        gather.copy(left, out);
        *counter = (*counter + 1) & 0x0F;
    }
}

/// Writes a packet that holds an adaptation field and no payload. Such a packet repeats the counter of
/// the one before it (§2.4.3.3); `counter` is the PID's next value and stays.
pub(super) fn write_adaptation_only(
    pid: u16,
    counter: u8,
    adaptation: Adaptation,
    out: &mut Vec<u8>,
) {
    out.reserve(PACKET_BYTES);
    let repeated = counter.wrapping_sub(1);
    out.extend_from_slice(&header(pid, false, true, false, repeated));
    adaptation.write(BODY_BYTES, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Payload bytes of one PID, with the checks that hold for every packet.
    fn payload(stream: &[u8]) -> Vec<u8> {
        assert_eq!(stream.len() % PACKET_BYTES, 0);
        let mut bytes = Vec::new();
        for (n, packet) in stream.chunks(PACKET_BYTES).enumerate() {
            assert_eq!(packet[0], 0x47);
            assert_eq!(packet[3] & 0x0F, n as u8 & 0x0F, "continuity counter");
            let body = match packet[3] >> 4 & 3 {
                1 => &packet[4..],
                3 => &packet[5 + usize::from(packet[4])..],
                _ => &[],
            };
            bytes.extend_from_slice(body);
        }
        bytes
    }

    #[test]
    fn every_length_of_payload_fills_whole_packets_and_comes_out_again() {
        let data: Vec<u8> = (0..=255u8).cycle().take(800).collect();
        let adaptations = [
            Adaptation::default(),
            Adaptation {
                random_access: true,
                ..Adaptation::default()
            },
            Adaptation {
                pcr: Some(12_345),
                ..Adaptation::default()
            },
        ];
        for adaptation in adaptations {
            for len in 0..data.len() {
                let (first, second) = data[..len].split_at(len / 3);
                let (mut out, mut counter) = (Vec::new(), 0);
                write_unit(
                    0x100,
                    &mut counter,
                    adaptation,
                    &[first, &[], second],
                    &mut out,
                );
                assert_eq!(payload(&out), &data[..len], "{len}");
                assert_eq!(usize::from(counter), out.len() / PACKET_BYTES % 16);
            }
        }
    }

    #[test]
    fn the_clock_reference_is_split_into_base_and_extension_and_wraps() {
        for (pcr, bytes) in [
            (0, [0, 0, 0, 0, 0x7E, 0]),
            (300 * 2 + 299, [0, 0, 0, 1, 0x7F, 0x2B]),
            (300 << 33, [0, 0, 0, 0, 0x7E, 0]),
            (-1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x2B]),
        ] {
            assert_eq!(pcr_bytes(pcr), bytes, "{pcr}");
        }
    }

    #[test]
    fn a_packet_without_payload_repeats_the_counter() {
        let mut out = Vec::new();
        let adaptation = Adaptation {
            pcr: Some(0),
            ..Adaptation::default()
        };
        write_adaptation_only(0x100, 0, adaptation, &mut out);
        assert_eq!(out.len(), PACKET_BYTES);
        assert_eq!(out[..6], [0x47, 0x01, 0x00, 0x2F, 183, 0x10]);
    }
}
