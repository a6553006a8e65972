//! Silent audio frames, ready to be sent where a programme has no sound: one whole frame per codec,
//! rate and number of speakers.
//!
//! AAC, layer II and layer III silence is a header and a few fixed bits, laid out here at compile time;
//! AC-3 and Enhanced AC-3 come from an encoder (`scripts/make-slates`).

use crate::media::{AudioCodec, Format};

static AC3: &[u8] = include_bytes!("slates/ac3.bin");
static EAC3: &[u8] = include_bytes!("slates/eac3.bin");

/// Sampling rates by their index in ADTS (ISO 13818-7 table 35).
const AAC_RATES: [u32; 12] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
];
static AAC: [[Frame<32>; 7]; 12] = aac_frames();

/// Sampling rates by the two bits of an MPEG audio header; half of these with the ID bit clear.
const MPEG_RATES: [u32; 3] = [44_100, 48_000, 32_000];
static LAYER_2: [Frame<288>; 12] = mpeg_frames(2);
static LAYER_3: [Frame<144>; 12] = mpeg_frames(3);

/// One whole silent frame with its header, as a transport stream carries it: ADTS for AAC-LC, with as
/// many samples as every frame of the codec has. `None` when the codec has no such rate or number of
/// speakers.
pub fn silent_frame(format: &Format) -> Option<&'static [u8]> {
    let (rate_hz, channels) = (format.audio_rate_hz, format.audio_channels);
    match format.audio {
        AudioCodec::Aac => {
            let rate = AAC_RATES.iter().position(|&rate| rate == rate_hz)?;
            // Channel configuration 7 is 7.1; 6.1 has none.
            let configuration = match channels {
                1..=6 => usize::from(channels),
                8 => 7,
                _ => return None,
            };
            Some(AAC.get(rate)?.get(configuration - 1)?.bytes())
        }
        AudioCodec::Ac3 => stored_frame(AC3, rate_hz, channels),
        AudioCodec::Eac3 => stored_frame(EAC3, rate_hz, channels),
        AudioCodec::Mp2 => Some(LAYER_2.get(mpeg_index(rate_hz, channels)?)?.bytes()),
        AudioCodec::Mp3 => Some(LAYER_3.get(mpeg_index(rate_hz, channels)?)?.bytes()),
    }
}

/// Finds a record of rate in 100 Hz, channels, length and frame.
fn stored_frame(mut records: &'static [u8], rate_hz: u32, channels: u8) -> Option<&'static [u8]> {
    while let [rate_high, rate_low, speakers, high, low, rest @ ..] = records {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (frame, next) = rest.split_at_checked(length)?;
        let rate = u32::from(u16::from_be_bytes([*rate_high, *rate_low])) * 100;
        if (rate, *speakers) == (rate_hz, channels) {
            return Some(frame);
        }
        records = next;
    }
    None
}

/// Place in the tables of [`mpeg_frames`].
fn mpeg_index(rate_hz: u32, channels: u8) -> Option<usize> {
    let full = MPEG_RATES.iter().position(|&rate| rate == rate_hz);
    let half = MPEG_RATES.iter().position(|&rate| rate / 2 == rate_hz);
    let rate = full.or(half.map(|place| place + 3))?;
    match channels {
        1 => Some(rate),
        2 => Some(rate + 6),
        _ => None,
    }
}

/// A frame of at most `N` bytes, written bit by bit.
#[derive(Clone, Copy)]
struct Frame<const N: usize> {
    bytes: [u8; N],
    bits: usize,
}

impl<const N: usize> Frame<N> {
    const EMPTY: Self = Self {
        bytes: [0; N],
        bits: 0,
    };

    /// Appends the lowest `count` bits of `value`.
    const fn put(mut self, value: u32, count: usize) -> Self {
        let mut left = count;
        while left > 0 {
            left -= 1;
            self.bytes[self.bits / 8] |= ((value >> left & 1) as u8) << (7 - self.bits % 8);
            self.bits += 1;
        }
        self
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.bits.div_ceil(8)).unwrap_or_default()
    }
}

/// AAC-LC frames, by rate and channel configuration less one.
const fn aac_frames() -> [[Frame<32>; 7]; 12] {
    let mut frames = [[Frame::EMPTY; 7]; 12];
    let mut rate = 0;
    while rate < 12 {
        let mut configuration = 1;
        while configuration <= 7 {
            // The length stands in the header: the body is written once to learn it.
            let bits = aac_body(Frame::<32>::EMPTY, configuration).bits;
            let length = 7 + bits.div_ceil(8);
            let header = adts(rate, configuration, length);
            let mut frame = aac_body(header, configuration);
            frame.bits = length * 8;
            frames[rate][configuration - 1] = frame;
            configuration += 1;
        }
        rate += 1;
    }
    frames
}

/// ADTS header without CRC (ISO 13818-7 §6.2): LC profile, one block, buffer fullness for VBR.
const fn adts(rate: usize, configuration: usize, length: usize) -> Frame<32> {
    Frame::EMPTY
        .put(0xFFF1, 16)
        .put(1, 2)
        .put(rate as u32, 4)
        .put(0, 1)
        .put(configuration as u32, 3)
        .put(0, 4)
        .put(length as u32, 13)
        .put(0x7FF, 11)
        .put(0, 2)
}

/// A raw_data_block (ISO 13818-7 §6.3) whose elements hold no scale factor bands, in the order that the
/// channel configuration asks for (table 42).
const fn aac_body(frame: Frame<32>, configuration: usize) -> Frame<32> {
    const SINGLE: u32 = 0;
    const LOW_FREQUENCY: u32 = 3;
    let mut frame = frame;
    if configuration != 2 {
        frame = single_channel(frame, SINGLE, 0);
    }
    let pairs = [0, 0, 1, 1, 1, 2, 2, 3][configuration];
    let mut pair = 0;
    while pair < pairs {
        frame = channel_pair(frame, pair);
        pair += 1;
    }
    if configuration == 4 {
        frame = single_channel(frame, SINGLE, 1);
    }
    if configuration >= 6 {
        frame = single_channel(frame, LOW_FREQUENCY, 0);
    }
    const END: u32 = 7;
    frame.put(END, 3)
}

/// One channel: tag, global gain, a long window without bands, no pulse, TNS or gain control data.
const fn single_channel(frame: Frame<32>, element: u32, tag: u32) -> Frame<32> {
    frame
        .put(element, 3)
        .put(tag, 4)
        .put(0, 8)
        .put(0, 11)
        .put(0, 3)
}

/// Two channels that share the window.
const fn channel_pair(frame: Frame<32>, tag: u32) -> Frame<32> {
    const PAIR: u32 = 1;
    let both = frame.put(PAIR, 3).put(tag, 4).put(1, 1).put(0, 11 + 2);
    both.put(0, 8 + 3).put(0, 8 + 3)
}

/// Layer II or III frames: mono at the six rates, then stereo. A frame is a header without CRC (ISO
/// 11172-3 §2.4.1.3) and zeros: no bits allocated to any subband, or side information without data.
const fn mpeg_frames<const N: usize>(layer: usize) -> [Frame<N>; 12] {
    let mut frames = [Frame::<N>::EMPTY; 12];
    let mut place = 0;
    while place < 12 {
        let half = place % 6 >= 3;
        let stereo = place >= 6;
        let rate = MPEG_RATES[place % 3] as usize / if half { 2 } else { 1 };
        // The lowest index that every decoder takes: layer II has no stereo below 64 kbit/s at full rates.
        let (index, kbit) = match (layer, half, stereo) {
            (2, false, false) => (1, 32),
            (2, false, true) => (4, 64),
            (2, true, _) => (4, 32),
            (_, false, _) => (1, 32),
            (_, true, _) => (2, 16),
        };
        let samples = if layer == 3 && half { 576 } else { 1152 };
        let length = samples / 8 * kbit * 1000 / rate;
        let mut frame = Frame::<N>::EMPTY
            .put(0x7FF, 11)
            .put(if half { 0b10 } else { 0b11 }, 2)
            .put(4 - layer as u32, 2)
            .put(1, 1)
            .put(index, 4)
            .put((place % 3) as u32, 2)
            .put(0, 2)
            .put(if stereo { 0b00 } else { 0b11 }, 2);
        frame.bits = length * 8;
        frames[place] = frame;
        place += 1;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::VideoCodec;

    fn frame(audio: AudioCodec, audio_rate_hz: u32, audio_channels: u8) -> Option<&'static [u8]> {
        silent_frame(&Format {
            video: VideoCodec::H264,
            audio,
            audio_rate_hz,
            audio_channels,
            ..Format::DEFAULT
        })
    }

    #[test]
    fn every_codec_has_silence_at_its_own_rates_and_layouts_and_no_other() {
        let rates = |audio| -> Vec<u32> {
            let all = [
                8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
            ];
            let has = |&rate: &u32| frame(audio, rate, 2).is_some();
            all.into_iter().filter(has).collect()
        };
        let layouts = |audio| -> Vec<u8> {
            (0..=9)
                .filter(|&channels| frame(audio, 48_000, channels).is_some())
                .collect()
        };
        assert_eq!(rates(AudioCodec::Aac).len(), 10);
        assert_eq!(layouts(AudioCodec::Aac), [1, 2, 3, 4, 5, 6, 8]);
        for audio in [AudioCodec::Ac3, AudioCodec::Eac3] {
            assert_eq!(rates(audio), [32_000, 44_100, 48_000]);
            assert_eq!(layouts(audio), [1, 2, 3, 4, 5, 6]);
        }
        for audio in [AudioCodec::Mp2, AudioCodec::Mp3] {
            let expected = [16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
            assert_eq!(rates(audio), expected);
            assert_eq!(layouts(audio), [1, 2]);
        }
    }

    #[test]
    fn a_frame_of_aac_is_as_long_as_its_header_says() {
        for rate in AAC_RATES {
            for channels in [1, 2, 3, 4, 5, 6, 8] {
                let bytes = frame(AudioCodec::Aac, rate, channels).unwrap();
                let length = u32::from_be_bytes([0, bytes[3] & 3, bytes[4], bytes[5]]) >> 5;
                assert_eq!(
                    bytes.len(),
                    length as usize,
                    "{rate} Hz, {channels} channels"
                );
            }
        }
    }
}
