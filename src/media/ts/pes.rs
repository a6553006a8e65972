//! PES packets as they come out of transport packets (ISO 13818-1 §2.4.3.6).

/// What the header of a PES packet says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PesHeader {
    /// 33 bits.
    pub(super) pts: Option<u64>,
    /// 33 bits; only when it differs from the PTS.
    pub(super) dts: Option<u64>,
}

/// What a transport packet adds to a PES packet.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    /// The header, with the packet in which it ends.
    pub(super) header: Option<PesHeader>,
    /// Bytes of the elementary stream.
    pub(super) body: &'a [u8],
    /// The PES packet is known to be whole. One without a length ends where the next begins.
    pub(super) complete: bool,
    /// A PES packet begins whose content can only be read with the broadcaster's key.
    pub(super) scrambled: bool,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing is known until the next start.
    #[default]
    Idle,
    Header,
    /// With how many bytes are left, where the length is known.
    Body(Option<usize>),
}

/// Reads the PES packets of one PID.
#[derive(Debug, Default)]
pub(super) struct PesReader {
    state: State,
    /// The header so far: less than 9 + 255 + 184 bytes.
    head: Vec<u8>,
}

impl PesReader {
    /// Takes the payload of the next packet.
    pub(super) fn push<'a>(&mut self, start: bool, payload: &'a [u8]) -> Piece<'a> {
        if start {
            self.head.clear();
            self.state = State::Header;
        }
        match self.state {
            State::Idle => Piece::default(),
            State::Header => self.header(payload),
            State::Body(left) => self.body(None, left, payload),
        }
    }

    /// A packet was lost: waits for the next PES packet.
    pub(super) fn reset(&mut self) {
        self.state = State::Idle;
    }

    fn header<'a>(&mut self, payload: &'a [u8]) -> Piece<'a> {
        let before = self.head.len();
        self.head.extend_from_slice(payload);
        let [b0, b1, b2, _, high, low, marker, flags, fields, rest @ ..] = self.head.as_slice()
        else {
            return Piece::default();
        };
        if (b0, b1, b2) != (&0, &0, &1) || marker & 0xC0 != 0x80 {
            self.state = State::Idle;
            return Piece::default();
        }
        if marker & 0x30 != 0 {
            self.state = State::Idle;
            return Piece {
                scrambled: true,
                ..Piece::default()
            };
        }
        let fields_bytes = usize::from(*fields);
        let Some(fields) = rest.get(..fields_bytes) else {
            return Piece::default();
        };
        let header = PesHeader {
            pts: (flags & 0x80 != 0).then(|| time_stamp(fields)).flatten(),
            dts: (flags & 0xC0 == 0xC0)
                .then(|| fields.get(5..).and_then(time_stamp))
                .flatten(),
        };
        // The length counts what follows it: three bytes of flags, the fields, the body.
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let left = match length {
            0 => None,
            _ => Some(length.saturating_sub(3 + fields_bytes)),
        };
        let body = payload.get(9 + fields_bytes - before..).unwrap_or_default();
        self.body(Some(header), left, body)
    }

    fn body<'a>(
        &mut self,
        header: Option<PesHeader>,
        left: Option<usize>,
        payload: &'a [u8],
    ) -> Piece<'a> {
        let body = match left {
            Some(left) => payload.get(..left).unwrap_or(payload),
            None => payload,
        };
        let left = left.map(|left| left - body.len());
        let complete = left == Some(0);
        self.state = if complete {
            State::Idle
        } else {
            State::Body(left)
        };
        Piece {
            header,
            body,
            complete,
            scrambled: false,
        }
    }
}

/// 33 bits between marker bits; the markers are not checked, as many muxers get them wrong.
fn time_stamp(bytes: &[u8]) -> Option<u64> {
    let [a, b, c, d, e] = *bytes.first_chunk::<5>()?;
    Some(
        u64::from(a >> 1 & 7) << 30
            | u64::from(b) << 22
            | u64::from(c >> 1) << 15
            | u64::from(d) << 7
            | u64::from(e >> 1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_also_when_it_comes_byte_by_byte() {
        let packet = [
            0, 0, 1, 0xC0, 0, 15, 0x80, 0xC0, 10, 0x31, 0, 1, 0, 0x15, 0x11, 0, 1, 0, 0x0D, 7, 8, 9,
        ];
        let expected = PesHeader {
            pts: Some(10),
            dts: Some(6),
        };
        let mut reader = PesReader::default();
        let piece = reader.push(true, &packet);
        // A length of 15 leaves two bytes of body.
        assert_eq!((piece.header, piece.body), (Some(expected), &[7, 8][..]));
        assert!(piece.complete);

        let (mut headers, mut body) = (Vec::new(), Vec::new());
        for (n, byte) in packet.iter().enumerate() {
            let piece = reader.push(n == 0, std::slice::from_ref(byte));
            headers.extend(piece.header);
            body.extend_from_slice(piece.body);
        }
        assert_eq!((headers, body), (vec![expected], vec![7, 8]));

        let mut scrambled = packet;
        scrambled[6] |= 0x10;
        let piece = reader.push(true, &scrambled);
        assert!(piece.scrambled && piece.header.is_none() && piece.body.is_empty());
    }
}
