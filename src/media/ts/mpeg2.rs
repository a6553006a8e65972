//! Pictures of MPEG-2 in a stream of bytes, and when they are decoded and shown where no time stamp says so.

use super::video::start_codes;
use crate::media::time::Ticks90k;

/// Start codes (ISO 13818-2 table 6-1).
const PICTURE: u8 = 0x00;
const SEQUENCE: u8 = 0xB3;
const EXTENSION: u8 = 0xB5;
const GROUP: u8 = 0xB8;
/// `extension_start_code_identifier` (table 6-2).
const SEQUENCE_EXTENSION: u8 = 1;
const PICTURE_CODING: u8 = 8;
/// `picture_coding_type` of a B picture (table 6-12).
const B: u8 = 3;
/// B pictures between two others; encoders use up to 7.
const MOST_BETWEEN: i64 = 16;

/// temporal_reference of the picture header at `place` (§6.2.3).
fn temporal_reference(data: &[u8], place: usize) -> i64 {
    match data.get(place + 4..place + 6) {
        Some(&[high, low]) => i64::from(u16::from_be_bytes([high, low]) >> 6),
        _ => 0,
    }
}

/// Where pictures begin: with the sequence or group header in front of them. Two fields of one frame are one
/// picture; they share their temporal reference (§6.3.9).
pub(super) fn starts(data: &[u8]) -> Vec<usize> {
    let mut starts: Vec<usize> = Vec::new();
    let mut header: Option<usize> = None;
    let mut last: Option<i64> = None;
    for (place, code, _) in start_codes(data, 0) {
        match code {
            SEQUENCE | GROUP => {
                header.get_or_insert(place);
                last = None;
            }
            PICTURE => {
                let temporal = temporal_reference(data, place);
                if last != Some(temporal) {
                    starts.push(header.unwrap_or(place));
                }
                (header, last) = (None, Some(temporal));
            }
            _ => {}
        }
    }
    starts
}

/// What a picture's headers say of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    temporal: i64,
    new_group: bool,
    is_b: bool,
    /// For how many fields it is shown (§6.3.10): `repeat_first_field` makes three of two, or repeats
    /// whole pictures of a progressive sequence.
    fields: i64,
}

impl Picture {
    /// Reads the headers up to the first slice; `None` when no picture begins here.
    pub(super) fn read(data: &[u8], is_progressive: bool) -> Option<Self> {
        let mut new_group = false;
        let mut picture: Option<Self> = None;
        for (place, code, first) in start_codes(data, 0) {
            match code {
                GROUP => new_group = true,
                PICTURE => {
                    picture = Some(Self {
                        temporal: temporal_reference(data, place),
                        new_group,
                        is_b: data.get(place + 5)? >> 3 & 7 == B,
                        fields: 2,
                    });
                }
                EXTENSION if first >> 4 == PICTURE_CODING => {
                    // top_field_first leads the byte in which repeat_first_field is the second but last.
                    let flags = data.get(place + 7).copied().unwrap_or_default();
                    if let Some(picture) = picture.as_mut().filter(|_| flags & 2 != 0) {
                        picture.fields = match (is_progressive, flags & 0x80 != 0) {
                            (false, _) => 3,
                            (true, false) => 4,
                            (true, true) => 6,
                        };
                    }
                    return picture;
                }
                1..=0xAF => return picture,
                _ => {}
            }
        }
        picture
    }

    /// For how long it is shown.
    pub(super) fn duration(&self, frame: Ticks90k) -> Ticks90k {
        Ticks90k(frame.0 * self.fields / 2)
    }
}

/// `progressive_sequence` of a sequence extension among parameter sets (§6.2.2.3).
pub(super) fn is_progressive(sets: &[u8]) -> bool {
    start_codes(sets, 0)
        .find(|&(_, code, first)| code == EXTENSION && first >> 4 == SEQUENCE_EXTENSION)
        .and_then(|(place, ..)| sets.get(place + 5))
        .is_some_and(|byte| byte & 8 != 0)
}

/// Counts on from the last picture: a picture is decoded when the one before it in order of display is, or
/// begins to be, shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    /// When the next picture is decoded.
    next: Ticks90k,
    /// The last picture that others refer to.
    reference: Picture,
    /// Lengths of the last two pictures.
    recent: (Ticks90k, Ticks90k),
}

impl Count {
    /// Counts from a picture with these times; `before` is what was counted until then.
    pub(super) fn after(
        before: Option<Self>,
        picture: Picture,
        dts: Ticks90k,
        frame: Ticks90k,
        reorders: bool,
    ) -> Self {
        let duration = picture.duration(frame);
        let shown = match before {
            Some(before) if reorders && !picture.is_b => before.reference.duration(frame),
            None if reorders && !picture.is_b => frame,
            _ => duration,
        };
        Self {
            next: dts + shown,
            reference: match before {
                Some(before) if picture.is_b => before.reference,
                _ => picture,
            },
            recent: before.map_or((duration, duration), |before| (before.recent.1, duration)),
        }
    }

    /// PTS and DTS of the next picture.
    pub(super) fn next(
        &self,
        picture: Picture,
        frame: Ticks90k,
        reorders: bool,
    ) -> (Ticks90k, Ticks90k) {
        if !reorders || picture.is_b {
            return (self.next, self.next);
        }
        // Shown behind the last one of its kind and the B pictures that follow it in decode order. Order
        // starts anew with each group.
        let between = match picture.new_group {
            true => picture.temporal,
            false => picture.temporal - self.reference.temporal - 1,
        };
        let two = self.recent.0 + self.recent.1;
        let between = Ticks90k(two.0 * between.clamp(0, MOST_BETWEEN) / 2);
        let pts = self.next + self.reference.duration(frame) + between;
        (pts, self.next)
    }
}
