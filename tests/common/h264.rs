//! H.264 that no encoder at hand makes, bit by bit: raw macroblocks (I_PCM) and skipped ones, coded as frames or
//! as pairs of fields.
// Each test program uses some of these.
#![allow(dead_code)]

/// Pictures of 32x64 at 25 frames per second.
const WIDTH_MBS: u64 = 2;
const HEIGHT_MBS: u64 = 4;

/// What a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// I, and nothing before it is needed.
    Idr,
    /// I behind a recovery point.
    Recovery,
    /// I, as the second field of an I frame.
    Second,
    /// All macroblocks skipped.
    P,
}

/// Writes bits, most significant first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u64, count: u32) -> &mut Self {
        self.0
            .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn ue(&mut self, value: u64) -> &mut Self {
        let length = 64 - (value + 1).leading_zeros();
        self.put(0, length - 1).put(value + 1, length)
    }

    fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(8), false);
    }

    /// A NAL unit with start code, stop bit and emulation prevention.
    fn nal(&mut self, header: u8) -> Vec<u8> {
        self.put(1, 1).align();
        let mut nal = vec![0, 0, 0, 1, header];
        let mut zeros = 0;
        for bits in self.0.chunks(8) {
            let byte = bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

/// An encoder of one stream.
pub struct Encoder {
    /// Each frame is two fields that are pictures of their own.
    pub fields: bool,
    /// 8 or 10 bits per sample.
    pub bit_depth: u64,
    frame_num: u64,
    order: u64,
}

impl Encoder {
    pub fn new(fields: bool, bit_depth: u64) -> Self {
        Self {
            fields,
            bit_depth,
            frame_num: 0,
            order: 0,
        }
    }

    /// SPS (§7.3.2.1.1) and PPS (§7.3.2.2).
    pub fn parameter_sets(&self) -> Vec<u8> {
        let mut sps = Bits::default();
        let profile = if self.bit_depth > 8 { 110 } else { 77 };
        sps.put(profile, 8).put(0, 8).put(30, 8).ue(0);
        if self.bit_depth > 8 {
            let deeper = self.bit_depth - 8;
            sps.ue(1).ue(deeper).ue(deeper).put(0, 2);
        }
        // frame_num of 4 bits, order of 8; four reference frames, no gaps.
        sps.ue(0).ue(0).ue(4).ue(4).put(0, 1);
        let rows = HEIGHT_MBS / if self.fields { 2 } else { 1 };
        sps.ue(WIDTH_MBS - 1).ue(rows - 1);
        sps.put(u64::from(!self.fields), 1);
        if self.fields {
            sps.put(0, 1); // no macroblock adaptive coding
        }
        // 8x8 inference, no cropping, VUI: timing of 1/50 s per field, no reordering.
        sps.put(0b101, 3).put(0, 4).put(1, 1);
        sps.put(1, 32).put(50, 32).put(0b1000, 4);
        sps.put(0b11, 2).ue(0).ue(0).ue(10).ue(10).ue(0).ue(4);
        let mut pps = Bits::default();
        pps.ue(0).ue(0).put(0, 2).ue(0).ue(0).ue(0).put(0, 3);
        pps.ue(0).ue(0).ue(0).put(0b100, 3);
        [sps.nal(0x67), pps.nal(0x68)].concat()
    }

    /// The access units of a frame, one or (as fields) two. An I picture has `fill` as all its samples.
    pub fn frame(&mut self, kind: Kind, fill: u8) -> Vec<Vec<u8>> {
        if kind == Kind::Idr {
            (self.frame_num, self.order) = (0, 0);
        }
        let first = self.picture(kind, false, fill);
        let mut units = vec![first];
        if self.fields {
            let second = if kind == Kind::P {
                Kind::P
            } else {
                Kind::Second
            };
            units.push(self.picture(second, true, fill));
        }
        self.frame_num = (self.frame_num + 1) % 16;
        self.order = (self.order + 2) % 256;
        units
    }

    fn picture(&self, kind: Kind, bottom: bool, fill: u8) -> Vec<u8> {
        let mut unit = vec![0, 0, 0, 1, 0x09, 0xF0];
        if matches!(kind, Kind::Idr | Kind::Recovery) {
            unit.extend(self.parameter_sets());
        }
        if kind == Kind::Recovery {
            // recovery_frame_cnt 0, exact match.
            let mut sei = Bits::default();
            sei.put(6, 8).put(1, 8).ue(0).put(0b1000, 4).put(0b100, 3);
            unit.extend(sei.nal(0x06));
        }
        let mut slice = Bits::default();
        slice.ue(0).ue(if kind == Kind::P { 5 } else { 7 }).ue(0);
        slice.put(self.frame_num, 4);
        if self.fields {
            slice.put(1, 1).put(u64::from(bottom), 1);
        }
        if kind == Kind::Idr {
            slice.ue(0);
        }
        slice.put(self.order + u64::from(bottom), 8);
        match kind {
            Kind::Idr => slice.put(0, 2),
            Kind::Recovery | Kind::Second => slice.put(0, 1),
            // No override of the number of references, no other order of them, sliding window.
            Kind::P => slice.put(0, 3),
        };
        slice.ue(0).ue(1); // quantiser, no deblocking
        let macroblocks = WIDTH_MBS * HEIGHT_MBS / if self.fields { 2 } else { 1 };
        if kind == Kind::P {
            slice.ue(macroblocks);
        } else {
            for _ in 0..macroblocks {
                slice.ue(25);
                slice.align();
                for _ in 0..384 {
                    slice.put(u64::from(fill), self.bit_depth as u32);
                }
            }
        }
        unit.extend(slice.nal(if kind == Kind::Idr { 0x65 } else { 0x61 }));
        unit
    }
}
