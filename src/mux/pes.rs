//! PES packets: the header with its time stamps (ISO 13818-1 §2.4.3.6), and what goes between it and a
//! picture: access unit delimiter and parameter sets.

use super::packet::MASK_33_BITS;
use crate::media::{AccessUnit, AudioCodec, Rap, Ticks90k, VideoCodec, nal};

/// `stream_id` of the only video stream.
pub(super) const VIDEO_STREAM_ID: u8 = 0xE0;

/// `stream_id` of the only audio stream: private stream 1 for the Dolby codecs (ATSC A/52 annex A).
pub(super) fn audio_stream_id(codec: AudioCodec) -> u8 {
    match codec {
        AudioCodec::Aac | AudioCodec::Mp2 | AudioCodec::Mp3 => 0xC0,
        AudioCodec::Ac3 | AudioCodec::Eac3 => 0xBD,
    }
}

/// The header of a PES packet.
pub(super) struct PesHeader {
    bytes: [u8; 19],
    len: usize,
}

impl PesHeader {
    /// A header with PTS, and DTS where it differs. `payload_bytes` is what follows; `None` writes the
    /// length 0 that video may have.
    pub(super) fn new(
        stream_id: u8,
        pts: Ticks90k,
        dts: Ticks90k,
        payload_bytes: Option<usize>,
    ) -> Self {
        let with_dts = dts != pts;
        let fields: u8 = if with_dts { 10 } else { 5 };
        let length = payload_bytes
            .and_then(|bytes| u16::try_from(bytes + 3 + usize::from(fields)).ok())
            .unwrap_or(0);
        let [length_high, length_low] = length.to_be_bytes();
        let mut bytes = [0xFF; 19];
        let fixed = [
            0,
            0,
            1,
            stream_id,
            length_high,
            length_low,
            // '10', not scrambled, data_alignment_indicator: a unit begins right behind the header.
            0x84,
            if with_dts { 0xC0 } else { 0x80 },
            fields,
        ];
        let stamps = if with_dts {
            [time_stamp(3, pts), time_stamp(1, dts)]
        } else {
            [time_stamp(2, pts), [0xFF; 5]]
        };
        for (to, from) in bytes
            .iter_mut()
            .zip(fixed.iter().chain(stamps.as_flattened()))
        {
            *to = *from;
        }
        Self {
            bytes,
            len: 9 + usize::from(fields),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// 33 bits between three marker bits, behind a four-bit `prefix`.
fn time_stamp(prefix: u8, time: Ticks90k) -> [u8; 5] {
    let t = time.0 as u64 & MASK_33_BITS;
    [
        (prefix << 4) | (t >> 29) as u8 & 0x0E | 1,
        (t >> 22) as u8,
        (t >> 14) as u8 | 1,
        (t >> 7) as u8,
        (t << 1) as u8 | 1,
    ]
}

/// A picture as it goes out, in order, as slices of what already lies somewhere.
pub(super) fn picture_parts(codec: VideoCodec, unit: &AccessUnit) -> [&[u8]; 4] {
    let (delimiter, rest) = split_delimiter(codec, &unit.data);
    let new_delimiter: &[u8] = match codec {
        _ if !delimiter.is_empty() => &[],
        // primary_pic_type 7 and pic_type 2: slices of any type may follow.
        VideoCodec::H264 => &[0, 0, 0, 1, 0x09, 0xF0],
        VideoCodec::Hevc => &[0, 0, 0, 1, 0x46, 0x01, 0x50],
        VideoCodec::Mpeg2 => &[],
    };
    let sets = match &unit.parameter_sets {
        Some(sets) if unit.rap != Rap::No && !nal::inspect(codec, rest).has_parameter_sets => sets,
        _ => &[][..],
    };
    [new_delimiter, delimiter, sets, rest]
}

/// Cuts a leading access unit delimiter off `data`; the first part is empty when there is none. Its NAL
/// unit is a header and one byte (ITU-T H.264 §7.3.2.4, H.265 §7.3.2.5).
fn split_delimiter(codec: VideoCodec, data: &[u8]) -> (&[u8], &[u8]) {
    let code_bytes = match data {
        [0, 0, 1, ..] => 3,
        [0, 0, 0, 1, ..] => 4,
        _ => return (&[], data),
    };
    let first = data.get(code_bytes).copied().unwrap_or_default();
    let nal_bytes = match codec {
        VideoCodec::H264 if first & 0x1F == 9 => 2,
        VideoCodec::Hevc if first >> 1 & 0x3F == 35 => 3,
        _ => return (&[], data),
    };
    data.split_at(data.len().min(code_bytes + nal_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_are_those_of_the_standard_and_wrap_at_33_bits() {
        for (prefix, time, bytes) in [
            (2, 0, [0x21, 0x00, 0x01, 0x00, 0x01]),
            (2, 126_000, [0x21, 0x00, 0x07, 0xD8, 0x61]),
            (3, (1 << 33) - 1, [0x3F, 0xFF, 0xFF, 0xFF, 0xFF]),
            (1, (1 << 33) + 1, [0x11, 0x00, 0x01, 0x00, 0x03]),
            (1, -1, [0x1F, 0xFF, 0xFF, 0xFF, 0xFF]),
        ] {
            assert_eq!(time_stamp(prefix, Ticks90k(time)), bytes, "{time}");
        }
    }

    #[test]
    fn the_length_counts_what_follows_it_and_is_zero_for_video() {
        let (pts, dts) = (Ticks90k(9), Ticks90k(3));
        let audio = PesHeader::new(0xC0, pts, pts, Some(100));
        assert_eq!(audio.as_bytes()[4..9], [0, 108, 0x84, 0x80, 5]);
        let video = PesHeader::new(0xE0, pts, dts, None);
        assert_eq!(video.as_bytes()[4..9], [0, 0, 0x84, 0xC0, 10]);
        assert_eq!(video.as_bytes().len(), 19);
    }

    /// What a picture with these bytes and these parameter sets is sent as.
    #[track_caller]
    fn check(codec: VideoCodec, rap: Rap, data: &[u8], sets: &[u8], sent: &[u8]) {
        let unit = AccessUnit {
            rap,
            parameter_sets: Some(sets.into()),
            data: data.to_vec(),
            ..AccessUnit::default()
        };
        assert_eq!(picture_parts(codec, &unit).concat(), sent);
    }

    #[test]
    fn delimiter_and_parameter_sets_stand_once_before_every_entry() {
        use VideoCodec::{H264, Hevc, Mpeg2};
        let sets = [0, 0, 0, 1, 0x67, 7, 0, 0, 0, 1, 0x68, 8];
        let idr = [0, 0, 0, 1, 0x65, 1, 2, 3];
        let aud = [0, 0, 0, 1, 0x09, 0xF0];
        let whole = [&aud[..], &sets, &idr].concat();
        check(H264, Rap::Clean, &idr, &sets, &whole);
        check(H264, Rap::Clean, &[&aud[..], &idr].concat(), &sets, &whole);
        check(H264, Rap::Clean, &[&sets[..], &idr].concat(), &sets, &whole);
        check(H264, Rap::Clean, &whole, &sets, &whole);

        let short_code = [0, 0, 1, 0x09, 0x10, 0, 0, 1, 0x65, 1];
        let sent = [&short_code[..5], &sets, &short_code[5..]].concat();
        check(H264, Rap::Open, &short_code, &sets, &sent);

        let picture = [0, 0, 0, 1, 0x41, 1, 2];
        check(
            H264,
            Rap::No,
            &picture,
            &sets,
            &[&aud[..], &picture].concat(),
        );

        let hevc = [0, 0, 0, 1, 0x26, 0x01, 9];
        let hevc_aud = [0, 0, 0, 1, 0x46, 0x01, 0x50];
        check(Hevc, Rap::No, &hevc, &[], &[&hevc_aud[..], &hevc].concat());

        let header = [0, 0, 1, 0xB3, 1, 2, 0, 0, 1, 0xB5, 0x14, 3];
        let picture = [0, 0, 1, 0x00, 3, 4];
        let with = [&header[..], &picture].concat();
        check(Mpeg2, Rap::Clean, &picture, &header, &with);
        check(Mpeg2, Rap::Clean, &with, &header, &with);
        check(H264, Rap::Clean, &[], &sets, &[&aud[..], &sets].concat());
    }
}
