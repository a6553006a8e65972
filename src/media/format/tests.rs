use super::*;
use crate::media::probe::{AudioProbe, Container, VideoProbe};
use crate::media::time::Ticks90k;

fn probe(video: Option<(VideoCodec, u8)>, audio: &[(AudioCodec, u32, u8)]) -> Probe {
    Probe {
        container: Container::Mp4,
        start: Ticks90k::ZERO,
        end: Ticks90k::SECOND,
        video: video.map(|(codec, bit_depth)| VideoProbe {
            codec: Some(codec),
            name: video_name(codec).to_owned(),
            width: 320,
            height: 180,
            bit_depth,
            interlaced: false,
            frame_duration: Ticks90k(3600),
            reorder_depth: 2,
            longest_rap_interval: Ticks90k::SECOND,
            largest_gop_bytes: 1 << 20,
            clean_raps: true,
            raps: vec![Ticks90k::ZERO],
        }),
        audio: audio
            .iter()
            .map(|&(codec, rate_hz, channels)| AudioProbe {
                codec: Some(codec),
                name: audio_name(codec).to_owned(),
                rate_hz,
                channels,
                language: None,
            })
            .collect(),
        chapters: Vec::new(),
        not_native: None,
    }
}

const H264: Option<(VideoCodec, u8)> = Some((VideoCodec::H264, 8));
const HEVC: Option<(VideoCodec, u8)> = Some((VideoCodec::Hevc, 8));
const STEREO: (AudioCodec, u32, u8) = (AudioCodec::Aac, 48_000, 2);
const SURROUND: (AudioCodec, u32, u8) = (AudioCodec::Ac3, 48_000, 6);

fn with(change: impl FnOnce(&mut VideoProbe)) -> Probe {
    let mut probe = probe(H264, &[STEREO]);
    change(probe.video.as_mut().unwrap());
    probe
}

#[test]
fn only_what_differs_is_transcoded_and_the_reasons_say_what() {
    let check = |probe: Probe, treatment: Treatment, reason: &str| {
        for probe in [shape_of(&probe), probe] {
            let verdict = Format::DEFAULT.judge(&probe);
            assert_eq!(verdict.treatment, treatment, "{probe:?}");
            assert_eq!(verdict.reason(), reason);
            let (video, audio) = match treatment {
                Treatment::Copy => {
                    assert_eq!(verdict.class(), CopyClass::Copy);
                    continue;
                }
                Treatment::Wrap => (false, false),
                Treatment::Audio => (false, true),
                Treatment::Video => (true, false),
                Treatment::Slate => (true, reason.contains("audio:")),
                Treatment::Both | Treatment::Unplayable => (true, true),
            };
            let reason = reason.to_owned();
            let expected = CopyClass::Transcode {
                video,
                audio,
                reason,
            };
            assert_eq!(Format::DEFAULT.copy_class(&probe), expected);
        }
    };
    use Treatment::{Audio, Both, Copy, Slate, Unplayable, Video, Wrap};
    check(probe(H264, &[STEREO]), Copy, "");
    check(probe(H264, &[]), Copy, "");
    check(probe(H264, &[STEREO, SURROUND]), Copy, "");
    check(
        probe(Some((VideoCodec::Hevc, 10)), &[STEREO]),
        Video,
        "video: HEVC does not fit a channel of H.264",
    );
    check(
        probe(Some((VideoCodec::H264, 10)), &[STEREO]),
        Video,
        "video: H.264 with 10 bits, which few players show",
    );
    check(
        probe(H264, &[SURROUND]),
        Audio,
        "audio: AC-3 does not fit a channel of AAC",
    );
    check(
        probe(H264, &[(AudioCodec::Aac, 44_100, 2)]),
        Audio,
        "audio: 44100 Hz does not fit a channel of 48000 Hz",
    );
    check(
        probe(H264, &[(AudioCodec::Aac, 48_000, 6)]),
        Audio,
        "audio: 5.1 does not fit a channel of stereo",
    );
    check(
        probe(HEVC, &[SURROUND]),
        Both,
        "video: HEVC does not fit a channel of H.264; audio: AC-3 does not fit a channel of AAC",
    );
    check(
        probe(None, &[STEREO]),
        Slate,
        "video: the item has no pictures",
    );
    check(
        probe(None, &[SURROUND]),
        Slate,
        "video: the item has no pictures; audio: AC-3 does not fit a channel of AAC",
    );
    check(
        probe(None, &[]),
        Unplayable,
        "video: the item has no pictures",
    );
    check(
        with(|v| (v.codec, v.name) = (None, "VC-1".to_owned())),
        Video,
        "video: VC-1 cannot be copied into a transport stream",
    );
    check(
        with(|v| v.raps.clear()),
        Video,
        "video: no random access point, nobody could join",
    );
    // 15.4 MB and their packet headers are more than 16 MB.
    check(with(|v| v.largest_gop_bytes = 15_900_000), Copy, "");
    check(
        with(|v| v.largest_gop_bytes = 16_150_000),
        Video,
        "video: GOP of 16 MB does not fit: 16 MB are kept for who joins",
    );
    check(
        with(|v| v.largest_gop_bytes = 40 << 20),
        Video,
        "video: GOP of 40 MB does not fit: 16 MB are kept for who joins",
    );
    check(with(|v| v.interlaced = true), Copy, "");
    let mut dts = probe(H264, &[STEREO]);
    (dts.audio[0].codec, dts.audio[0].name) = (None, "DTS-HD MA".to_owned());
    check(
        dts,
        Audio,
        "audio: DTS-HD MA cannot be copied into a transport stream",
    );
    let refused = |container, why: &str| Probe {
        container,
        not_native: Some(why.to_owned()),
        ..probe(H264, &[STEREO])
    };
    check(refused(Container::Mp4, "rotated"), Video, "rotated");
    check(
        refused(Container::Other, "AVI is read by ffmpeg"),
        Wrap,
        "AVI is read by ffmpeg",
    );
    check(
        refused(Container::Mp4, "encrypted (cenc)"),
        Unplayable,
        "encrypted (cenc)",
    );
    // Where ffprobe looked, nobody has searched for random access points.
    let mut avi = refused(Container::Other, "AVI is read by ffmpeg");
    avi.video.as_mut().unwrap().raps.clear();
    check(avi, Wrap, "AVI is read by ffmpeg");
}

#[test]
fn a_strict_picture_leaves_no_other_size_rate_or_fields_in() {
    let strict = Format {
        size: PictureSize::new(320, 180).ok(),
        rate: PictureRate::parse("25").ok(),
        ..Format::DEFAULT
    };
    let check = |probe: Probe, reasons: &[&str]| {
        let verdict = strict.judge(&probe);
        let said: Vec<String> = verdict.reasons.iter().map(Reason::to_string).collect();
        assert_eq!(said, reasons);
        let expected = if reasons.is_empty() {
            Treatment::Copy
        } else {
            Treatment::Video
        };
        assert_eq!(verdict.treatment, expected);
    };
    check(with(|_| {}), &[]);
    check(
        with(|v| (v.width, v.frame_duration) = (640, Ticks90k(3003))),
        &[
            "video: 640x180 does not fit a channel of 320x180",
            "video: 29.97 pictures per second do not fit a channel of 25",
        ],
    );
    check(
        with(|v| v.frame_duration = Ticks90k::ZERO),
        &["video: an unknown picture rate does not fit a channel of 25 per second"],
    );
    check(
        with(|v| v.interlaced = true),
        &["video: interlaced, and the channel promises whole pictures"],
    );
    let size_only = Format {
        rate: None,
        ..strict
    };
    let fields = with(|v| v.interlaced = true);
    assert_eq!(size_only.judge(&fields).treatment, Treatment::Copy);
}

#[test]
fn a_loose_layout_copies_every_sound_of_the_codec_and_no_other() {
    let loose = |audio| Format {
        audio,
        loose_audio: true,
        ..Format::DEFAULT
    };
    let check = |format: Format, sound, expected| {
        let treatment = format.judge(&probe(H264, &[sound])).treatment;
        assert_eq!(treatment, expected, "{sound:?}");
    };
    use AudioCodec::{Aac, Mp2};
    use Treatment::{Audio, Copy};
    check(loose(Aac), (Aac, 44_100, 6), Copy);
    check(loose(Aac), SURROUND, Audio);
    check(loose(Mp2), (Mp2, 32_000, 1), Copy);
    // The programme map would have to change.
    check(loose(Mp2), (Mp2, 24_000, 2), Audio);
}

#[test]
fn files_with_the_same_trouble_are_one_group() {
    let strict = Format {
        size: PictureSize::new(1920, 1080).ok(),
        ..Format::DEFAULT
    };
    let group = |probe: Probe| strict.judge(&probe).reasons[0].group();
    let named = |name: &str, bits| {
        let mut probe = probe(Some((VideoCodec::Hevc, bits)), &[STEREO]);
        name.clone_into(&mut probe.video.as_mut().unwrap().name);
        probe
    };
    assert_eq!(
        group(named("HEVC Main 4", 8)),
        group(named("HEVC Main 10 5.1", 10))
    );
    assert_eq!(
        group(with(|v| v.width = 700)),
        group(with(|v| v.height = 80))
    );
    assert_ne!(group(with(|_| {})), group(named("HEVC", 8)));
}

#[test]
fn a_shape_forgets_nothing_that_a_format_asks_and_keeps_nothing_else() {
    let mut other = with(|v| {
        v.raps = vec![Ticks90k(7); 99];
        (v.largest_gop_bytes, v.reorder_depth) = (77, 0);
        v.clean_raps = false;
    });
    other.end = Ticks90k(1_000_000);
    other.audio.extend(probe(H264, &[SURROUND]).audio);
    other.audio[0].language = Some("deu".to_owned());
    assert_eq!(shape_of(&other), shape_of(&probe(H264, &[STEREO])));
    let gop = |bytes| shape_of(&with(|v| v.largest_gop_bytes = bytes));
    assert_eq!(gop(40_000_000), gop(40_000_001));
    assert_ne!(gop(40_000_000), gop(50_000_000));
    assert_eq!(gop(u64::MAX), shape_of(&gop(u64::MAX)));
}

fn propose(content: &[(Probe, i64)], wish: FormatWish) -> Format {
    Format::propose(content.iter().map(|(probe, ms)| (probe, *ms)), &wish)
}

#[test]
fn the_proposed_sound_is_what_most_of_the_copyable_time_has() {
    let mono = (AudioCodec::Aac, 44_100, 1);
    let wide = (AudioCodec::Aac, 48_000, 6);
    let check = |items: &[(Probe, i64)], wish, sound: (AudioCodec, u32, u8)| {
        let format = propose(items, wish);
        assert_eq!(format.video, VideoCodec::H264);
        assert_eq!(
            (format.audio, format.audio_rate_hz, format.audio_channels),
            sound
        );
    };
    let any = FormatWish::default();
    check(&[], any, STEREO);
    check(&[(probe(H264, &[]), 100)], any, STEREO);
    let two = [(probe(H264, &[mono]), 60), (probe(H264, &[SURROUND]), 100)];
    check(&two, any, SURROUND);
    let apart = [(probe(H264, &[mono]), 60), (probe(HEVC, &[SURROUND]), 100)];
    check(&apart, any, mono);
    check(&[(probe(HEVC, &[SURROUND]), 100)], any, SURROUND);
    // Together, AAC has more; the channel's own layout is that of most of it.
    let three = [
        (probe(H264, &[SURROUND]), 100),
        (probe(H264, &[mono]), 55),
        (probe(H264, &[wide]), 60),
    ];
    check(&three, any, SURROUND);
    let loose = FormatWish {
        loose_audio: Some(true),
        ..any
    };
    check(&three, loose, wide);
    let aac = FormatWish {
        audio: Some(AudioCodec::Aac),
        audio_channels: Some(1),
        ..any
    };
    check(&three, aac, mono);
}

#[test]
fn hevc_is_proposed_only_to_who_says_that_it_can_be_seen_and_where_it_is_most() {
    let content = |hevc| {
        [
            (probe(HEVC, &[STEREO]), hevc),
            (probe(H264, &[STEREO]), 100 - hevc),
        ]
    };
    let wish = |hevc, video| FormatWish {
        hevc,
        video,
        ..FormatWish::default()
    };
    let (avc, hevc) = (VideoCodec::H264, VideoCodec::Hevc);
    for (share, can_be_seen, video, expected) in [
        (100, false, None, avc),
        (80, true, None, hevc),
        (79, true, None, avc),
        (0, true, None, avc),
        (0, false, Some(hevc), hevc),
        (100, true, Some(avc), avc),
    ] {
        let format = propose(&content(share), wish(can_be_seen, video));
        assert_eq!(format.video, expected, "{share} % {can_be_seen} {video:?}");
    }
}

#[test]
fn a_format_changes_by_what_is_said_and_by_nothing_else() {
    let content = [(probe(HEVC, &[SURROUND]), 100), (probe(H264, &[STEREO]), 1)];
    let portions = || content.iter().map(|(probe, ms)| (probe, *ms));
    let same = Format::DEFAULT.changed(portions(), &FormatWish::default());
    assert_eq!(same, Format::DEFAULT);
    let wish = FormatWish {
        audio: Some(AudioCodec::Ac3),
        size: Some(PictureSize::new(1280, 720).ok()),
        ..FormatWish::default()
    };
    let changed = Format::DEFAULT.changed(portions(), &wish);
    let expected = Format {
        audio: AudioCodec::Ac3,
        audio_channels: 6,
        size: PictureSize::new(1280, 720).ok(),
        ..Format::DEFAULT
    };
    assert_eq!(changed, expected);
    let any = FormatWish {
        size: Some(None),
        ..FormatWish::default()
    };
    assert_eq!(changed.changed(portions(), &any).size, None);
}

#[test]
fn the_alternatives_are_the_other_codecs_that_there_are() {
    let content = [(probe(HEVC, &[SURROUND]), 100), (probe(H264, &[STEREO]), 1)];
    let portions = || content.iter().map(|(probe, ms)| (probe, *ms));
    let other = Format::DEFAULT.alternatives(portions());
    let hevc = Format {
        video: VideoCodec::Hevc,
        audio: AudioCodec::Ac3,
        audio_channels: 6,
        ..Format::DEFAULT
    };
    assert_eq!(other, [hevc]);
    assert!(hevc.drawback().is_some() && Format::DEFAULT.drawback().is_none());
    assert_eq!(hevc.alternatives(portions()), [Format::DEFAULT]);
    // The sound that suits the pictures of the channel now is an alternative too.
    let odd = Format {
        audio: AudioCodec::Mp2,
        ..Format::DEFAULT
    };
    assert_eq!(odd.alternatives(portions()), [Format::DEFAULT, hevc]);
}

#[test]
fn a_format_is_said_in_words_and_older_answers_without_the_new_fields_are_understood() {
    let strict = Format {
        size: PictureSize::new(1920, 1080).ok(),
        rate: PictureRate::parse("25").ok(),
        loose_audio: true,
        ..Format::DEFAULT
    };
    assert_eq!(
        strict.to_string(),
        "H.264 1920x1080 at 25 per second + AAC, 48000 Hz, stereo (other rates and layouts are copied too)"
    );
    let json = serde_json::to_string(&strict).unwrap();
    assert!(json.contains(r#""size":"1920x1080","rate":"25""#), "{json}");
    assert_eq!(serde_json::from_str::<Format>(&json).unwrap(), strict);
    let old = r#"{"video":"h264","audio":"aac","audio_rate_hz":48000,"audio_channels":2}"#;
    assert_eq!(
        serde_json::from_str::<Format>(old).unwrap(),
        Format::DEFAULT
    );
}
