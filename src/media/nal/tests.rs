use super::*;
use crate::error::ErrorKind;

/// Written by libx264, libx265 and FFmpeg's mpeg2video (`extradata` as ffprobe shows it); the expected
/// values are what ffprobe says about the same files.
const X264_HIGH: &str =
    "0164000dffe100196764000dacd941519e226c04400000fa40003a9803c50a658001000668ebe3cb22c0fdf8f800";
const X264_INTERLACED: &str = "01640028ffe1001a67640028acd94078044fde0220000003002000000643e2c5b2c001000668fba3cb22c0fdf8f800";
const X264_BASELINE: &str =
    "0142c00cffe100196742c00cd901419f9f011000000300100000030300f142a48001000568cb83cb20";
const X264_422_10: &str = "017a000dffe10019677a000db6cb202a33c445e022000007d2000177001e28549001000768ebc3cb3002c0fefafa00";
const X265_MAIN: &str = "0101600000009000000000003cf000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003003c928090210001002b42010101600000030090000003000003003ca00a480b9c95964a924caf016808000003000800000300c84022000100074401c172b46240";
const X265_TWO_SUB_LAYERS: &str = "0101600000009000000000005df000fcfdf8f800001303200001001c40010c02ffff01600000030090000003000003005d00009598acc048210001002f42010201600000030090000003000003005d0000a00280802d1659598acd249caf016808000003000800000300f04022000100074401c172b46240";
const MPEG2: &str = "000001b316012013ffffe018000001b5148a00010000";
const MPEG2_LOW_DELAY: &str = "000001b32d01e014ffffe018000001b5148a00010080";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn annex_b(units: &[&str]) -> Vec<u8> {
    units
        .iter()
        .flat_map(|unit| [vec![0, 0, 0, 1], hex(unit)].concat())
        .collect()
}

#[test]
fn configurations_say_what_ffprobe_says() {
    let check = |config: Result<VideoConfig>,
                 name: &str,
                 size: (u16, u16, u8),
                 reorder_depth: u8,
                 frame_duration: i64| {
        let config = config.unwrap();
        assert_eq!(config.name, name);
        assert_eq!((config.width, config.height, config.bit_depth), size);
        assert_eq!(config.reorder_depth, reorder_depth, "{name}");
        assert!(config.reorder_stated, "{name}");
        assert_eq!(config.frame_duration, Ticks90k(frame_duration), "{name}");
        config
    };
    let avcc = |text| parse_avcc(&hex(text));
    let hvcc = |text| parse_hvcc(&hex(text));
    let mpeg2 = |text| parse_parameter_sets(VideoCodec::Mpeg2, &hex(text));
    let config = check(avcc(X264_HIGH), "H.264 High 1.3", (322, 182, 8), 2, 3003);
    assert_eq!(config.nal_length_bytes, 4);
    check(
        avcc(X264_INTERLACED),
        "H.264 High 4",
        (1920, 1080, 8),
        2,
        3600,
    );
    check(
        avcc(X264_BASELINE),
        "H.264 Constrained Baseline 1.2",
        (320, 180, 8),
        0,
        3750,
    );
    check(
        avcc(X264_422_10),
        "H.264 High 4:2:2 1.3",
        (322, 182, 10),
        0,
        3754,
    );
    check(hvcc(X265_MAIN), "HEVC Main 2", (322, 182, 8), 0, 3600);
    check(
        hvcc(X265_TWO_SUB_LAYERS),
        "HEVC Main 3.1",
        (1280, 720, 8),
        2,
        3000,
    );
    check(mpeg2(MPEG2), "MPEG-2 Main@Main", (352, 288, 8), 1, 3600);
    check(
        mpeg2(MPEG2_LOW_DELAY),
        "MPEG-2 Main@Main",
        (720, 480, 8),
        0,
        3003,
    );
}

#[test]
fn a_unit_of_scraps_does_not_grow_beyond_a_quarter() {
    let mut scraps = [1, 0x65].repeat(10_000);
    assert!(to_annex_b(VideoCodec::H264, &mut scraps, 1).is_err());
    let real = [vec![200], vec![0x65; 200]].concat().repeat(100);
    let mut data = real.clone();
    assert!(to_annex_b(VideoCodec::H264, &mut data, 1).is_ok());
    assert_eq!(data.len(), real.len() + 300);
}

#[test]
fn records_and_annex_b_lead_to_the_same_configuration() {
    for (codec, record) in [
        (VideoCodec::H264, parse_avcc(&hex(X264_HIGH)).unwrap()),
        (VideoCodec::Hevc, parse_hvcc(&hex(X265_MAIN)).unwrap()),
    ] {
        // Slices behind the sets must not end up in them.
        let slice: &[u8] = if codec == VideoCodec::H264 {
            &[0, 0, 1, 0x65, 0x88, 0x84]
        } else {
            &[0, 0, 1, 0x26, 0x01, 0xaf]
        };
        let data = [&record.parameter_sets, slice].concat();
        let stream = parse_parameter_sets(codec, &data).unwrap();
        assert_eq!(stream.nal_length_bytes, 0);
        assert_eq!(
            stream,
            VideoConfig {
                nal_length_bytes: 0,
                ..record
            }
        );
    }
}

#[test]
fn only_parameter_sets_are_taken_from_a_record_however_long_it_is() {
    let record = hex(X265_MAIN);
    let sets = parse_hvcc(&record).unwrap().parameter_sets;
    let mut long = record.clone();
    long[22] += 1;
    // A prefix SEI of 2 KB, as x265 writes its settings.
    long.extend_from_slice(&[39, 0, 1, 8, 0]);
    long.extend_from_slice(&[0x4e; 2048]);
    assert_eq!(parse_hvcc(&long).unwrap().parameter_sets, sets);
    let kinds: Vec<u8> = nals(&sets).map(|nal| nal[0] >> 1).collect();
    assert_eq!(kinds, [32, 33, 34]);
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_configuration_is_survived() {
    let survive = |codec: VideoCodec, bytes: &[u8]| {
        let _ = match codec {
            VideoCodec::H264 => parse_avcc(bytes),
            VideoCodec::Hevc => parse_hvcc(bytes),
            VideoCodec::Mpeg2 => parse_parameter_sets(codec, bytes),
        };
    };
    for (codec, text) in [
        (VideoCodec::H264, X264_INTERLACED),
        (VideoCodec::H264, X264_422_10),
        (VideoCodec::Hevc, X265_TWO_SUB_LAYERS),
        (VideoCodec::Mpeg2, MPEG2),
    ] {
        let whole = hex(text);
        for length in 0..whole.len() {
            survive(codec, &whole[..length]);
        }
        for bit in 0..whole.len() * 8 {
            let mut broken = whole.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            survive(codec, &broken);
        }
    }
}

#[test]
fn a_record_cut_inside_a_set_says_so() {
    let error = parse_avcc(&hex(X264_HIGH)[..20]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(
        error.message().contains("ends inside parameter set"),
        "{error}"
    );
    let error = parse_hvcc(&hex(X265_MAIN)[..40]).unwrap_err();
    assert!(error.message().contains("ends inside NAL unit"), "{error}");
}

#[test]
fn pictures_are_known_by_their_nal_units() {
    let rap = |rap| UnitFacts {
        rap,
        ..UnitFacts::default()
    };
    let skipped = UnitFacts {
        skipped_leading: true,
        ..UnitFacts::default()
    };
    let check = |codec, units: &[&str], expected: UnitFacts| {
        let data = annex_b(units);
        assert_eq!(inspect(codec, &data), expected, "{units:?}");
        // The same units behind lengths of every size give the same facts and the same bytes.
        for prefix in [1, 2, 3, 4] {
            let mut sized = Vec::new();
            for unit in units {
                let unit = hex(unit);
                sized.extend_from_slice(&(unit.len() as u32).to_be_bytes()[4 - prefix..]);
                sized.extend_from_slice(&unit);
            }
            let facts = to_annex_b(codec, &mut sized, prefix as u8).unwrap();
            assert_eq!((facts, &sized), (expected, &data), "{units:?} ({prefix})");
        }
    };
    let h264 = VideoCodec::H264;
    check(h264, &["658884"], rap(Rap::Clean));
    // A recovery point with frame count 0 before an I slice (ue 0, ue 7), a P slice (ue 0, ue 5), and with frame count 1.
    check(h264, &["060601c480", "418880"], rap(Rap::Open));
    check(h264, &["060601c480", "419880"], rap(Rap::No));
    check(
        h264,
        &["060601 5c80".replace(' ', "").as_str(), "418880"],
        rap(Rap::No),
    );
    check(h264, &["418880"], rap(Rap::No));
    // Another message in front of the recovery point, in one unit.
    check(
        h264,
        &["0604020102 0601c480".replace(' ', "").as_str(), "418880"],
        rap(Rap::Open),
    );
    check(
        h264,
        &["09f0", "6764", "68eb", "658884"],
        UnitFacts {
            has_parameter_sets: true,
            has_delimiter: true,
            ..rap(Rap::Clean)
        },
    );
    check(h264, &["6764", "658884"], rap(Rap::Clean));
    let hevc = VideoCodec::Hevc;
    for (unit, expected) in [
        ("2601af", rap(Rap::Clean)), // IDR_W_RADL
        ("2801af", rap(Rap::Clean)), // IDR_N_LP
        ("2401af", rap(Rap::Clean)), // BLA_N_LP
        ("2201af", rap(Rap::Clean)), // BLA_W_RADL
        ("2001af", rap(Rap::Open)),  // BLA_W_LP
        ("2a01af", rap(Rap::Open)),  // CRA
        ("1001af", skipped),         // RASL_N
        ("1201af", skipped),         // RASL_R
        ("0201af", rap(Rap::No)),    // TRAIL_R
        ("0c01af", rap(Rap::No)),    // RADL_N
    ] {
        check(hevc, &[unit], expected);
    }
    check(
        hevc,
        &["460150", "4001", "4201", "4401", "2a01af"],
        UnitFacts {
            has_parameter_sets: true,
            has_delimiter: true,
            ..rap(Rap::Open)
        },
    );
}

#[test]
fn units_of_other_layers_are_no_pictures_and_are_taken_out() {
    for (codec, units, kept) in [
        // An IDR of an enhancement layer of HEVC, alone and behind the base layer's picture.
        (VideoCodec::Hevc, &["2609af"][..], &[][..]),
        (VideoCodec::Hevc, &["0201af", "2609af"], &["0201af"]),
        // H.264: prefix, subset SPS, slices of scalable, multiview and auxiliary coding.
        (
            VideoCodec::H264,
            &[
                "09f0", "6f0102", "6e01", "419880", "740102", "330102", "750102",
            ],
            &["09f0", "419880"],
        ),
        (VideoCodec::H264, &["419880", "6801"], &["419880", "6801"]),
    ] {
        let (plain, expected) = (annex_b(units), annex_b(kept));
        assert_eq!(inspect(codec, &plain).rap, Rap::No, "{units:?}");
        let mut data = plain.clone();
        drop_extensions(codec, &mut data);
        assert_eq!(data, expected, "{units:?}");
        for prefix in [1, 2, 4] {
            let mut sized = Vec::new();
            for unit in units {
                let unit = hex(unit);
                sized.extend_from_slice(&(unit.len() as u32).to_be_bytes()[4 - prefix..]);
                sized.extend_from_slice(&unit);
            }
            to_annex_b(codec, &mut sized, prefix as u8).unwrap();
            assert_eq!(sized, expected, "{units:?} ({prefix})");
        }
    }
}

#[test]
fn mpeg2_pictures_are_known_by_group_and_type() {
    let check = |data: &str, rap: Rap, has_parameter_sets: bool| {
        let expected = UnitFacts {
            rap,
            has_parameter_sets,
            skipped_leading: false,
            has_extensions: false,
            has_delimiter: true,
        };
        let mut data = hex(data);
        assert_eq!(inspect(VideoCodec::Mpeg2, &data), expected);
        assert_eq!(
            to_annex_b(VideoCodec::Mpeg2, &mut data, 0).unwrap(),
            expected
        );
    };
    let closed = "000001b800080040";
    let open = "000001b800080000";
    let intra = "00000100000ffff8";
    check(&format!("{MPEG2}{closed}{intra}"), Rap::Clean, true);
    check(&format!("{MPEG2}{open}{intra}"), Rap::Open, true);
    check(intra, Rap::Open, false);
    check("000001000017fff8", Rap::No, false);
    check(&format!("{MPEG2}{closed}000001000017fff8"), Rap::No, true);
}

#[test]
fn lengths_that_lie_are_damage() {
    let check = |prefix: u8, data: &[u8], says: &str| {
        let error = to_annex_b(VideoCodec::H264, &mut data.to_vec(), prefix).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.message().contains(says), "{error}");
    };
    check(4, &[0, 0, 0, 9, 0x65], "NAL unit of 9 bytes at byte 0");
    check(4, &[0xff, 0xff, 0xff, 0xff, 0x65], "NAL unit of 4294967295");
    check(4, &[0, 0, 0, 1, 0x65, 0, 0], "2 stray bytes");
    check(2, &[0, 1, 0x65, 0], "1 stray bytes");
    check(5, &[0, 1, 0x65, 0], "NAL lengths of 5 bytes");
    let mut empty_unit = vec![0, 0, 0, 0, 0, 0, 0, 1, 0x65];
    to_annex_b(VideoCodec::H264, &mut empty_unit, 4).unwrap();
    assert_eq!(nals(&empty_unit).collect::<Vec<_>>(), [&[0x65]]);
}

#[test]
fn start_codes_are_found_wherever_they_stand() {
    // Against the plain definition, over every string of six bytes from {0, 1, 2}.
    for number in 0..3_usize.pow(6) {
        let data: Vec<u8> = (0..6)
            .map(|digit| (number / 3_usize.pow(digit) % 3) as u8)
            .collect();
        for from in 0..7 {
            let plain = (from..6).find(|at| data[*at..].starts_with(&[0, 0, 1]));
            assert_eq!(start_code(&data, from), plain, "{data:?} from {from}");
        }
    }
}

#[test]
fn units_come_without_start_codes_and_trailing_zeros() {
    let data = [
        0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 2, 0, 0,
    ];
    let units: Vec<&[u8]> = nals(&data).collect();
    assert_eq!(units, [&[9, 0xf0][..], &[0x67, 1], &[0x65, 2]]);
    assert_eq!(nals(&[1, 2, 3]).count(), 0);
}

/// Writes bits as a sequence parameter set holds them.
#[derive(Default)]
struct Writer(Vec<bool>);

impl Writer {
    fn bits(&mut self, value: u64, count: u32) -> &mut Self {
        self.0
            .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn ue(&mut self, value: u64) -> &mut Self {
        let length = 64 - (value + 1).leading_zeros();
        self.bits(0, length - 1).bits(value + 1, length)
    }

    /// Closes with the stop bit and escapes.
    fn nal(&mut self, header: u8) -> Vec<u8> {
        self.bits(1, 1);
        let mut nal = vec![header];
        let mut zeros = 0;
        for chunk in self.0.chunks(8) {
            let byte = (0..8).fold(0, |byte, bit| {
                byte << 1 | u8::from(chunk.get(bit).copied().unwrap_or(false))
            });
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

#[test]
fn made_up_parameter_sets_read_as_the_h264_reader_crate_reads_them() {
    use h264_reader::nal::sps::SeqParameterSet;
    use h264_reader::rbsp::{BitReader, decode_nal};

    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut compared = 0;
    for _ in 0..400 {
        let profile = [66, 77, 88, 100, 110, 122, 244][pick(7) as usize];
        let mut w = Writer::default();
        w.bits(profile, 8).bits(0, 8);
        w.bits([10, 11, 21, 31, 40, 51][pick(6) as usize], 8)
            .ue(pick(32));
        if profile >= 100 {
            let chroma = pick(4);
            w.ue(chroma);
            if chroma == 3 {
                w.bits(pick(2), 1);
            }
            w.ue(pick(7)).ue(pick(7)).bits(0, 1);
            let lists = pick(2);
            w.bits(lists, 1);
            if lists == 1 {
                for list in 0..if chroma == 3 { 12 } else { 8 } {
                    let present = pick(2);
                    w.bits(present, 1);
                    for _ in 0..present * if list < 6 { 16 } else { 64 } {
                        w.ue(0);
                    }
                }
            }
        }
        w.ue(pick(13));
        let order = pick(3);
        w.ue(order);
        if order == 0 {
            w.ue(pick(13));
        } else if order == 1 {
            w.bits(1, 1).ue(4).ue(3).ue(2).ue(7).ue(8);
        }
        w.ue(pick(5)).bits(0, 1).ue(9 + pick(200)).ue(9 + pick(100));
        let progressive = pick(2);
        w.bits(progressive, 1);
        if progressive == 0 {
            w.bits(1, 1);
        }
        w.bits(1, 1);
        let crop = pick(2);
        w.bits(crop, 1);
        if crop == 1 {
            w.ue(pick(4)).ue(pick(4)).ue(pick(4)).ue(pick(4));
        }
        let vui = pick(2);
        w.bits(vui, 1);
        if vui == 1 {
            w.bits(1, 1).bits(255, 8).bits(4, 16).bits(3, 16);
            w.bits(0b11, 2)
                .bits(1, 1)
                .bits(0b1010, 4)
                .bits(1, 1)
                .bits(0x01_01_01, 24);
            w.bits(1, 1).ue(1).ue(1);
            w.bits(1, 1)
                .bits(1 + pick(2000), 32)
                .bits(24_000 + pick(99), 32)
                .bits(1, 1);
            let hrd = pick(2);
            w.bits(hrd, 1);
            if hrd == 1 {
                w.ue(1).bits(0x11, 8);
                w.ue(10)
                    .ue(11)
                    .bits(0, 1)
                    .ue(12)
                    .ue(13)
                    .bits(1, 1)
                    .bits(0, 20);
            }
            w.bits(0, 1);
            if hrd == 1 {
                w.bits(0, 1);
            }
            w.bits(0, 1);
            let restricted = pick(2);
            w.bits(restricted, 1);
            if restricted == 1 {
                w.bits(1, 1).ue(2).ue(1).ue(16).ue(16).ue(pick(4)).ue(4);
            }
        }
        let nal = w.nal(0x67);
        let theirs = decode_nal(&nal).unwrap();
        let Ok(theirs) = SeqParameterSet::from_bits(BitReader::new(&theirs[..])) else {
            continue; // Combinations that a level or profile forbids.
        };
        compared += 1;
        let data = [&[0, 0, 0, 1], &nal[..]].concat();
        let ours = parse_parameter_sets(VideoCodec::H264, &data).unwrap();
        let (width, height) = theirs.pixel_dimensions().unwrap();
        assert_eq!(
            (u32::from(ours.width), u32::from(ours.height)),
            (width, height),
            "{nal:02x?}"
        );
        let chroma = &theirs.chroma_info;
        assert_eq!(ours.bit_depth, 8 + chroma.bit_depth_luma_minus8);
        let vui = theirs.vui_parameters.as_ref();
        let duration =
            vui.and_then(|vui| vui.timing_info.as_ref())
                .map_or(Ticks90k::ZERO, |timing| {
                    Ticks90k::from_scaled(
                        2 * i64::from(timing.num_units_in_tick),
                        timing.time_scale,
                    )
                });
        assert_eq!(ours.frame_duration, duration);
        if let Some(stated) = vui.and_then(|vui| vui.bitstream_restrictions.as_ref()) {
            assert!(ours.reorder_stated);
            assert_eq!(u32::from(ours.reorder_depth), stated.max_num_reorder_frames);
        }
    }
    assert!(compared > 100, "only {compared} sets could be compared");
}
