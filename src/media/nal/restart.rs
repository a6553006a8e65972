//! An H.264 stream that is entered at a recovery point behind other pictures. Only an IDR picture tells a
//! decoder to forget their order of display, numbers and parameter sets (ITU-T H.264 §7.4.1.2.4, §8.2.1): with
//! the I picture as it is, libavcodec shows nothing until the new order of display has passed the old one, and
//! an end of sequence in front of it changes nothing. So that picture is rewritten as an IDR picture (its slice
//! headers; its macroblocks stay as they are), and the numbers of those behind it count from it, up to the
//! stream's next own IDR picture.
//!
//! Numbers only matter by their differences, so nothing else of those pictures changes.

use super::bits::Bits;
use super::h264::{self, IDR_SLICE, SLICE};
use super::h264_slice::{Sets, SliceHeader, push_escaped, unescaped};
use super::{nal_ranges, nals};
use crate::media::unit::{AccessUnit, Rap};

/// A stream between an entry at a recovery point and its next IDR picture.
#[derive(Clone, Debug)]
pub struct Restart {
    sets: Sets,
    /// Numbers of the entry, which are taken from those of the pictures behind it.
    frame_num: u32,
    order: u32,
    /// The stream's own IDR picture has come.
    over: bool,
}

impl Restart {
    /// Rewrites the picture that a stream is entered at. `None` leaves it as it is: when it is no recovery
    /// point, or one that no IDR picture can stand for (slices that are not all I, slice groups).
    pub fn at(unit: &mut AccessUnit) -> Option<Self> {
        if unit.rap != Rap::Open {
            return None;
        }
        let mut sets = Sets::default();
        let header_sets = unit.parameter_sets.as_deref().unwrap_or_default();
        nals(header_sets).for_each(|nal| sets.take(nal));
        nals(&unit.data).for_each(|nal| sets.take(nal));
        let first = nals(&unit.data).find(|nal| is_slice(nal))?;
        let entry = sets.header(first)?;
        let order = entry.order.map_or(0, |(lsb, (_, bits))| {
            (i64::from(lsb) + entry.bottom_before).rem_euclid(1 << bits) as u32
        });
        let restart = Self {
            sets,
            frame_num: entry.frame_num,
            order,
            over: false,
        };
        let mut data = Vec::with_capacity(unit.data.len() + 64);
        for (code, nal) in nal_ranges(&unit.data) {
            data.extend_from_slice(unit.data.get(code..nal.start)?);
            let nal = unit.data.get(nal)?;
            if !is_slice(nal) {
                data.extend_from_slice(nal);
                continue;
            }
            let header = restart.sets.header(nal)?;
            if header.field == entry.field {
                restart.push_idr(nal, &header, &mut data)?;
            } else {
                // The second field of the frame is no IDR picture (§7.4.1.2.4).
                restart.push_renumbered(nal, &mut data);
            }
        }
        unit.data = data;
        unit.rap = Rap::Clean;
        Some(restart)
    }

    /// Renumbers a picture behind the entry. `false` from the stream's own IDR picture on.
    pub fn follow(&mut self, unit: &mut AccessUnit) -> bool {
        self.over |= unit.rap == Rap::Clean;
        if self.over {
            return false;
        }
        let mut data = Vec::with_capacity(unit.data.len() + 64);
        for (code, nal) in nal_ranges(&unit.data) {
            let (Some(code), Some(nal)) = (unit.data.get(code..nal.start), unit.data.get(nal))
            else {
                return true;
            };
            data.extend_from_slice(code);
            if is_slice(nal) {
                self.push_renumbered(nal, &mut data);
            } else {
                self.sets.take(nal);
                data.extend_from_slice(nal);
            }
        }
        unit.data = data;
        true
    }

    /// The slice with its numbers counted from the entry; as it is when its header cannot be read.
    fn push_renumbered(&self, nal: &[u8], out: &mut Vec<u8>) {
        let Some(header) = self.sets.header(nal) else {
            out.extend_from_slice(nal);
            return;
        };
        // Both numbers lie within the header's first bytes. Behind a byte that is not zero, what follows
        // keeps its emulation prevention whatever stands before.
        let needed = 2 + header.end / 8;
        let cut = (needed + needed / 2..nal.len()).find(|&at| nal.get(at - 1) != Some(&0));
        let (head, rest) = nal.split_at(cut.unwrap_or(nal.len()));
        let (first, payload) = head.split_at(head.len().min(1));
        let mut rbsp = unescaped(payload);
        self.renumber(&header, &mut rbsp);
        out.extend_from_slice(first);
        push_escaped(&rbsp, out);
        out.extend_from_slice(rest);
    }

    fn renumber(&self, header: &SliceHeader, rbsp: &mut [u8]) {
        put(
            rbsp,
            header.frame_num_at,
            header.frame_num.wrapping_sub(self.frame_num),
        );
        if let Some((order, at)) = header.order {
            put(rbsp, at, order.wrapping_sub(self.order));
        }
    }

    /// An I slice as one of an IDR picture (§7.3.3, §7.3.3.3): with `idr_pic_id`, and the short form of
    /// reference picture marking.
    fn push_idr(&self, nal: &[u8], header: &SliceHeader, out: &mut Vec<u8>) -> Option<()> {
        let (&first, payload) = nal.split_first()?;
        let is_reference = first & 0x60 != 0;
        let fits = header.is_intra && is_reference && first & 0x1F == SLICE;
        if !fits || header.pps.slice_groups || header.has_order_cycle {
            return None;
        }
        let mut rbsp = unescaped(payload);
        self.renumber(header, &mut rbsp);
        let mut bits = Bits::plain(&rbsp);
        bits.skip(header.end as u32)?;
        skip_reference_marking(&mut bits)?;
        let marking_end = bits.position();
        bits.se()?; // slice_qp_delta
        if header.pps.deblocking_control && bits.ue()? != 1 {
            bits.se()?; // slice_alpha_c0_offset_div2
            bits.se()?; // slice_beta_offset_div2
        }
        let header_end = bits.position();

        let mut writer = Writer::default();
        writer.copy(&rbsp, 0, header.idr_pic_id_at);
        writer.ue(idr_pic_id(marking_end - header.end));
        writer.copy(&rbsp, header.idr_pic_id_at, header.end);
        writer.put(0, 2); // no_output_of_prior_pics_flag, long_term_reference_flag
        writer.copy(&rbsp, marking_end, header_end);
        if header.pps.cabac {
            writer.align(true);
            let data = rbsp.get(header_end.div_ceil(8)..)?;
            writer.bytes.extend_from_slice(data);
        } else {
            let last = rbsp.iter().rposition(|&byte| byte != 0)?;
            let stop = last * 8 + 7 - rbsp.get(last)?.trailing_zeros() as usize;
            writer.copy(&rbsp, header_end, stop);
            writer.put(1, 1);
            writer.align(false);
        }
        out.push(first & 0xE0 | IDR_SLICE);
        push_escaped(&writer.bytes, out);
        Some(())
    }
}

/// Two IDR pictures in a row must differ in this (§7.4.3); encoders count from 0, so that a large one does. Its
/// length is chosen so that the slice data keep their place within bytes, which raw macroblocks of CAVLC depend
/// on (§7.3.5): possible unless the marking that two bits replace takes an even number.
fn idr_pic_id(marking_bits: usize) -> u32 {
    // A code of 2k+1 bits for 2^k.
    let k = (12..16).find(|k| (2 * k + 1 + 2) % 8 == marking_bits % 8);
    1 << k.unwrap_or(12)
}

fn is_slice(nal: &[u8]) -> bool {
    nal.first().is_some_and(|first| h264::is_slice(*first))
}

/// §7.3.3.3 of a picture that is no IDR picture.
fn skip_reference_marking(bits: &mut Bits<'_>) -> Option<()> {
    if !bits.flag()? {
        return Some(());
    }
    loop {
        match bits.ue_max(6)? {
            0 => return Some(()),
            1 | 2 | 4 | 6 => drop(bits.ue()?),
            3 => drop((bits.ue()?, bits.ue()?)),
            _ => {}
        }
    }
}

/// Writes the lowest bits of `value` over those at a place of some length.
fn put(bytes: &mut [u8], (at, bits): (usize, u32), value: u32) {
    for n in 0..bits {
        let place = at + n as usize;
        let bit = (value >> (bits - 1 - n) & 1) as u8;
        if let Some(byte) = bytes.get_mut(place / 8) {
            let shift = 7 - place % 8;
            *byte = *byte & !(1 << shift) | bit << shift;
        }
    }
}

/// Writes bits, most significant first.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Bits in use of the last byte; 0 stands for all of them.
    used: u8,
}

impl Writer {
    fn bit(&mut self, bit: bool) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.used);
        }
        self.used = (self.used + 1) % 8;
    }

    fn put(&mut self, value: u32, count: u32) {
        (0..count).rev().for_each(|n| self.bit(value >> n & 1 == 1));
    }

    fn ue(&mut self, value: u32) {
        let bits = 32 - (value + 1).leading_zeros();
        self.put(0, bits - 1);
        self.put(value + 1, bits);
    }

    /// Bits `from..to` of `bytes`.
    fn copy(&mut self, bytes: &[u8], from: usize, to: usize) {
        for place in from..to {
            let byte = bytes.get(place / 8).copied().unwrap_or_default();
            self.bit(byte >> (7 - place % 8) & 1 == 1);
        }
    }

    fn align(&mut self, with: bool) {
        while self.used != 0 {
            self.bit(with);
        }
    }
}
