//! Black pictures, ready to be sent when there is nothing to show: one closed group of pictures per
//! video codec, encoded once (`scripts/make-slates`) and repeated without end.

use std::sync::Arc;

use crate::media::{AccessUnit, Format, Rap, StreamKind, Ticks90k, VideoCodec};

/// 25 pictures per second.
const FRAME_DURATION: Ticks90k = Ticks90k(3_600);
/// One random access point per second.
const GOP_PICTURES: u64 = 25;

/// An endless black picture of 640x360 at 25 frames per second, without B pictures.
#[derive(Clone, Debug)]
pub struct Slate {
    codec: VideoCodec,
    parameter_sets: Arc<[u8]>,
    /// Pictures of one group; MPEG-2 has the second stand for all that follow.
    pictures: Vec<&'static [u8]>,
}

impl Slate {
    /// The slate in the video codec of `format`.
    pub fn for_format(format: &Format) -> Self {
        let bytes: &'static [u8] = match format.video {
            VideoCodec::H264 => include_bytes!("slates/h264.bin"),
            VideoCodec::Hevc => include_bytes!("slates/hevc.bin"),
            VideoCodec::Mpeg2 => include_bytes!("slates/mpeg2.bin"),
        };
        let mut records = records(bytes);
        let parameter_sets = records.next().unwrap_or_default().into();
        Self {
            codec: format.video,
            parameter_sets,
            pictures: records.collect(),
        }
    }

    /// Fills `unit` with the `n`-th picture: PTS and DTS are n times the frame duration.
    pub fn video(&self, n: u64, unit: &mut AccessUnit) {
        let place = (n % GOP_PICTURES) as usize;
        let stored = place.min(self.pictures.len().saturating_sub(1));
        let picture = self.pictures.get(stored).copied().unwrap_or_default();
        let ticks = i64::try_from(n).unwrap_or(i64::MAX);
        unit.kind = StreamKind::Video;
        unit.pts = Ticks90k(ticks.saturating_mul(FRAME_DURATION.0));
        unit.dts = unit.pts;
        unit.duration = FRAME_DURATION;
        unit.rap = if place == 0 { Rap::Clean } else { Rap::No };
        unit.skipped_leading = false;
        unit.parameter_sets = (place == 0).then(|| Arc::clone(&self.parameter_sets));
        unit.data.clear();
        unit.data.extend_from_slice(picture);
        if self.codec == VideoCodec::Mpeg2 && place > 0 {
            set_temporal_reference(&mut unit.data, place as u16);
        }
    }

    /// How long each picture lasts.
    pub fn frame_duration(&self) -> Ticks90k {
        FRAME_DURATION
    }

    /// Every so many pictures is a random access point.
    pub fn gop_pictures(&self) -> u64 {
        GOP_PICTURES
    }
}

/// Records of a 16-bit length and as many bytes.
fn records(mut bytes: &'static [u8]) -> impl Iterator<Item = &'static [u8]> {
    std::iter::from_fn(move || {
        let [high, low, rest @ ..] = bytes else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (record, next) = rest.split_at_checked(length)?;
        bytes = next;
        Some(record)
    })
}

/// Writes the place of a picture in its group into the ten bits behind the start code of a picture that
/// begins with its header (ISO 13818-2 §6.2.3).
fn set_temporal_reference(picture: &mut [u8], place: u16) {
    if let [0, 0, 1, 0, high, low, ..] = picture {
        *high = (place >> 2) as u8;
        *low = (*low & 0x3F) | (place << 6) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::AudioCodec;

    #[test]
    fn every_codec_has_a_slate_of_less_than_four_kilobytes() {
        for video in [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Mpeg2] {
            let slate = Slate::for_format(&Format {
                video,
                audio: AudioCodec::Aac,
                audio_rate_hz: 48_000,
                audio_channels: 2,
                ..Format::DEFAULT
            });
            let stored: usize = slate.pictures.iter().map(|picture| picture.len()).sum();
            assert!(
                (500..4096).contains(&(stored + slate.parameter_sets.len())),
                "{video:?}"
            );
            let mut unit = AccessUnit::default();
            for n in 0..60 {
                slate.video(n, &mut unit);
                assert_eq!(unit.rap == Rap::Clean, n % 25 == 0);
                assert_eq!(unit.parameter_sets.is_some(), n % 25 == 0);
                assert_eq!(unit.dts, Ticks90k(3_600 * n as i64));
                assert!(unit.data.starts_with(&[0, 0]) && unit.data.len() > 10);
            }
        }
    }
}
