//! One transport packet (ISO 13818-1 §2.4.3.2–2.4.3.5), and the framing of a byte stream into packets.

pub(super) const PACKET_BYTES: usize = 188;
pub(super) const SYNC: u8 = 0x47;
pub(super) const NULL_PID: u16 = 0x1FFF;

/// What matters of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    /// A PES packet or section begins in the payload.
    pub(super) start: bool,
    /// Continuity counter; counts packets with payload only.
    pub(super) counter: u8,
    /// The counter or the time base starts anew here.
    pub(super) discontinuity: bool,
    /// The payload can only be read with the broadcaster's key.
    pub(super) scrambled: bool,
    /// Empty when the packet has none.
    pub(super) payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` when it is marked as damaged or its lengths lie.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [SYNC, high, low, control, body @ ..] = bytes else {
            return None;
        };
        if high & 0x80 != 0 {
            return None;
        }
        let (field, rest) = if control & 0x20 == 0 {
            (&[][..], body)
        } else {
            let (length, rest) = body.split_first()?;
            rest.split_at_checked(usize::from(*length))?
        };
        Some(Self {
            pid: u16::from_be_bytes([high & 0x1F, *low]),
            start: high & 0x40 != 0,
            counter: control & 0x0F,
            scrambled: control & 0xC0 != 0,
            discontinuity: field.first().is_some_and(|flags| flags & 0x80 != 0),
            payload: if control & 0x10 == 0 { &[] } else { rest },
        })
    }
}

/// Cuts a stream of bytes that comes in pieces of any size into packets, skipping what is between them.
#[derive(Debug)]
pub(super) struct Framer {
    /// Distance of packets: 188, 192 (4 bytes of arrival time in front) or 204 (16 bytes of parity behind).
    stride: usize,
    /// Less than one packet.
    carry: Vec<u8>,
    /// The last byte looked at was not where a packet begins.
    lost: bool,
    /// A packet has been found: what is skipped from here on is damage.
    found: bool,
    /// Bytes that were no packet.
    pub(super) skipped_bytes: u64,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new(PACKET_BYTES)
    }
}

impl Framer {
    pub(super) fn new(stride: usize) -> Self {
        Self {
            stride: stride.max(PACKET_BYTES),
            carry: Vec::new(),
            lost: false,
            found: false,
            skipped_bytes: 0,
        }
    }

    /// For another place of the same stream.
    pub(super) fn resumed(&self) -> Self {
        Self::new(self.stride)
    }

    /// Takes the next bytes and calls `visit` for every packet of 188 bytes that they complete.
    pub(super) fn push(&mut self, mut bytes: &[u8], visit: &mut dyn FnMut(&[u8])) {
        while !self.carry.is_empty() && !bytes.is_empty() {
            let missing = self.stride.saturating_sub(self.carry.len());
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.carry.extend_from_slice(now);
            bytes = later;
            let mut carry = std::mem::take(&mut self.carry);
            let used = self.cut(&carry, visit);
            carry.drain(..used);
            self.carry = carry;
        }
        let used = self.cut(bytes, visit);
        self.carry
            .extend_from_slice(bytes.get(used..).unwrap_or_default());
    }

    /// Nothing comes any more: the last packet need not be followed by what stands between packets.
    pub(super) fn finish(&mut self, visit: &mut dyn FnMut(&[u8])) {
        let carry = std::mem::take(&mut self.carry);
        if let Some(packet) = carry.get(..PACKET_BYTES)
            && packet.first() == Some(&SYNC)
            && !self.lost
        {
            visit(packet);
        }
    }

    /// Visits the packets in `bytes` and returns how many bytes are done with.
    fn cut(&mut self, bytes: &[u8], visit: &mut dyn FnMut(&[u8])) -> usize {
        let mut rest = bytes;
        while let Some((packet, next)) = rest.split_at_checked(self.stride) {
            // Once lost, a sync byte counts only when another one stands a packet further on.
            let doubtful = self.lost && next.first().is_some_and(|&byte| byte != SYNC);
            if packet.first() == Some(&SYNC) && !doubtful {
                (self.lost, self.found) = (false, true);
                visit(packet.get(..PACKET_BYTES).unwrap_or(packet));
                rest = next;
                continue;
            }
            self.lost = true;
            let skip = rest
                .iter()
                .skip(1)
                .position(|&byte| byte == SYNC)
                .map_or(rest.len(), |place| place + 1);
            self.skipped_bytes += if self.found { skip as u64 } else { 0 };
            rest = rest.get(skip..).unwrap_or_default();
        }
        bytes.len() - rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(stride: usize, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, u64) {
        let (mut framer, mut found) = (Framer::new(stride), Vec::new());
        for piece in pieces {
            framer.push(piece, &mut |packet| found.push(packet.to_vec()));
        }
        framer.finish(&mut |packet| found.push(packet.to_vec()));
        (found, framer.skipped_bytes)
    }

    #[test]
    fn packets_come_out_whole_whatever_the_pieces_and_whatever_is_between_them() {
        let packet = |n: u8| {
            let mut bytes = vec![n; PACKET_BYTES];
            bytes[0] = SYNC;
            bytes
        };
        let expected: Vec<_> = (1..=6).map(packet).collect();
        for stride in [188, 192, 204] {
            let between = vec![9; stride - PACKET_BYTES];
            let mut stream = vec![0xFF, SYNC, 3];
            for (n, bytes) in expected.iter().enumerate() {
                stream.extend_from_slice(bytes);
                stream.extend_from_slice(if n < 5 { &between } else { &[] });
                if n == 2 {
                    stream.extend_from_slice(&[0; 5]);
                }
            }
            // What stands in front of the first packet is no damage.
            assert_eq!(packets(stride, &[&stream]), (expected.clone(), 5));
            for size in [1, 7, 187, 188, 189, 400] {
                let pieces: Vec<_> = stream.get(3..).unwrap().chunks(size).collect();
                assert_eq!(
                    packets(stride, &pieces),
                    (expected.clone(), 5),
                    "{stride} {size}"
                );
            }
        }
    }

    #[test]
    fn damaged_and_lying_packets_are_refused_and_scrambled_ones_told() {
        let packet = |high: u8, control: u8, length: u8| {
            let mut bytes = [0; PACKET_BYTES];
            bytes[..5].copy_from_slice(&[SYNC, high, 0, control, length]);
            Packet::parse(&bytes).map(|packet| (packet.payload.len(), packet.scrambled))
        };
        assert_eq!(packet(0x01, 0x10, 0), Some((184, false)));
        assert_eq!(packet(0x01, 0x30, 183), Some((0, false)));
        assert_eq!(packet(0x01, 0x20, 10), Some((0, false)));
        assert_eq!(packet(0x01, 0x90, 0), Some((184, true)));
        for (high, control, length) in [(0x81, 0x10, 0), (0x01, 0x30, 184)] {
            assert_eq!(packet(high, control, length), None);
        }
    }
}
