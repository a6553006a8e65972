mod hostile;

use super::*;
use crate::media::{AudioCodec, Rap, VideoCodec};

const FORMAT: Format = Format {
    video: VideoCodec::H264,
    audio: AudioCodec::Aac,
    audio_rate_hz: 48_000,
    audio_channels: 2,
    ..Format::DEFAULT
};
const AUDIO_FRAME: i64 = 1_920;

fn t(ticks: i64) -> Ticks90k {
    Ticks90k(ticks)
}

/// Pictures `[from, from + count × duration)` in decode order: groups of `depth` B pictures behind each P,
/// DTS as a demuxer gives it (display order delayed by the reorder depth).
fn pictures(from: i64, count: i64, duration: i64, depth: i64, gop: i64) -> Vec<AccessUnit> {
    let mut order = Vec::new();
    for start in (0..count).step_by(gop as usize) {
        let end = (start + gop).min(count);
        order.push(start);
        let mut next = start + 1;
        while next < end {
            let anchor = (next + depth).min(end - 1);
            order.push(anchor);
            order.extend(next..anchor);
            next = anchor + 1;
        }
    }
    let delay = if depth > 0 { 1 } else { 0 };
    order
        .iter()
        .enumerate()
        .map(|(place, &shown)| AccessUnit {
            kind: StreamKind::Video,
            pts: t(from + shown * duration),
            dts: t(from + (place as i64 - delay) * duration),
            duration: t(duration),
            rap: if shown % gop == 0 {
                Rap::Clean
            } else {
                Rap::No
            },
            data: vec![0, 0, 0, 1, 0x65, 1],
            ..AccessUnit::default()
        })
        .collect()
}

/// Audio frames whose starts lie in `[from, to)`.
fn frames(from: i64, to: i64) -> Vec<AccessUnit> {
    (from..to)
        .step_by(AUDIO_FRAME as usize)
        .map(|pts| AccessUnit {
            kind: StreamKind::Audio,
            pts: t(pts),
            dts: t(pts),
            duration: t(AUDIO_FRAME),
            rap: Rap::Clean,
            data: vec![0xFF],
            ..AccessUnit::default()
        })
        .collect()
}

fn offer(splicer: &mut Splicer, part: PartId, units: impl IntoIterator<Item = AccessUnit>) {
    for unit in units {
        splicer.offer(part, unit);
    }
}

fn whole(splicer: &mut Splicer, part: PartId, video: Vec<AccessUnit>, audio: Vec<AccessUnit>) {
    splicer.opened(part, true, Sound::Along);
    offer(splicer, part, video);
    offer(splicer, part, audio);
    splicer.finish(part);
}

/// Everything that can be had now, checked against the rules that hold always.
fn drain(splicer: &mut Splicer) -> Vec<AccessUnit> {
    let mut units = Vec::new();
    while let Next::Unit(unit) = splicer.next() {
        units.push(unit);
        assert!(units.len() < 100_000, "endless");
    }
    check(&units);
    units
}

fn check(units: &[AccessUnit]) {
    let of = |kind| {
        units
            .iter()
            .filter(move |u| u.kind == kind)
            .collect::<Vec<_>>()
    };
    for pair in of(StreamKind::Video).windows(2) {
        assert!(
            pair[0].dts < pair[1].dts,
            "DTS {:?} then {:?}",
            pair[0].dts,
            pair[1].dts
        );
    }
    for unit in units {
        assert!(
            unit.dts <= unit.pts,
            "{:?}: DTS {:?} after PTS {:?}",
            unit.kind,
            unit.dts,
            unit.pts
        );
    }
    for pair in of(StreamKind::Audio).windows(2) {
        let step = (pair[1].pts - pair[0].pts).0;
        let fits = (AUDIO_FRAME * 3 / 4..=AUDIO_FRAME * 2).contains(&step);
        assert!(fits, "audio steps by {step} at {:?}", pair[1].pts);
    }
}

fn pts_of(units: &[AccessUnit], kind: StreamKind) -> Vec<i64> {
    let mut pts: Vec<_> = units
        .iter()
        .filter(|u| u.kind == kind)
        .map(|u| u.pts.0)
        .collect();
    pts.sort_unstable();
    pts
}

#[test]
fn joins_of_any_two_reorder_depths_keep_every_picture_at_its_place() {
    for (first, second) in [(0, 3), (3, 0), (0, 2), (2, 5), (5, 1), (0, 0), (3, 3)] {
        for (duration_a, duration_b) in [(3_600, 3_003), (3_003, 3_600), (3_600, 3_600)] {
            let mut splicer = Splicer::new(&FORMAT);
            let seam = 100 * duration_a;
            let a = splicer.push_feed(t(0), t(seam));
            let b = splicer.push_feed(t(seam), t(seam + 100 * duration_b));
            whole(
                &mut splicer,
                a,
                pictures(0, 100, duration_a, first, 25),
                frames(0, seam),
            );
            whole(
                &mut splicer,
                b,
                pictures(seam, 100, duration_b, second, 25),
                frames(seam, seam + 100 * duration_b),
            );
            let units = drain(&mut splicer);
            let expected: Vec<_> = (0..100)
                .map(|n| n * duration_a)
                .chain((0..100).map(|n| seam + n * duration_b))
                .collect();
            assert_eq!(
                pts_of(&units, StreamKind::Video),
                expected,
                "{first} to {second}"
            );
        }
    }
}

#[test]
fn a_hard_cut_in_mid_gop_drops_what_is_shown_after_it_and_nothing_else() {
    for cut in 30..50 {
        let mut splicer = Splicer::new(&FORMAT);
        let seam = cut * 3_600 + 1_000;
        let a = splicer.push_feed(t(0), t(seam));
        let b = splicer.push_feed(t(seam), t(seam + 90_000));
        whole(
            &mut splicer,
            a,
            pictures(0, 100, 3_600, 3, 25),
            frames(0, 360_000),
        );
        whole(
            &mut splicer,
            b,
            pictures(seam, 25, 3_600, 3, 25),
            frames(seam, seam + 90_000),
        );
        let units = drain(&mut splicer);
        let before = pts_of(&units, StreamKind::Video)
            .into_iter()
            .filter(|&p| p < seam)
            .count() as i64;
        assert!(
            (cut + 1 - 3..=cut + 1).contains(&before),
            "{before} pictures before a cut at {cut}"
        );
        assert_eq!(pts_of(&units, StreamKind::Video).len() as i64 - before, 25);
    }
}

#[test]
fn incoming_pictures_are_emitted_while_the_outgoing_sound_is_still_being_written() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(90_000));
    let b = splicer.push_feed(t(90_000), t(180_000));
    whole(
        &mut splicer,
        a,
        pictures(0, 25, 3_600, 3, 25),
        frames(0, 90_000),
    );
    whole(
        &mut splicer,
        b,
        pictures(90_000, 25, 3_600, 3, 25),
        frames(90_000, 180_000),
    );
    let units = drain(&mut splicer);
    let entry = units
        .iter()
        .position(|u| u.kind == StreamKind::Video && u.pts == t(90_000))
        .unwrap();
    let tail = units[entry..]
        .iter()
        .filter(|u| u.kind == StreamKind::Audio && u.pts < t(90_000))
        .count();
    assert!(
        tail > 0,
        "no sound of the first part behind the first picture of the second"
    );
    assert!(
        units.windows(2).all(|w| w[0].dts <= w[1].dts),
        "not merged by DTS"
    );
}

#[test]
fn missing_sound_is_replaced_by_silence_on_the_grid_and_overlaps_are_dropped() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(180_000));
    let b = splicer.push_feed(t(180_000), t(360_000));
    // The first item's sound ends half a second early and the second's begins 30 ms before its picture.
    whole(
        &mut splicer,
        a,
        pictures(0, 50, 3_600, 0, 25),
        frames(0, 135_000),
    );
    whole(
        &mut splicer,
        b,
        pictures(180_000, 50, 3_600, 0, 25),
        frames(180_000 - 2_700, 360_000),
    );
    let units = drain(&mut splicer);
    assert!(
        splicer.counts().silent_frames >= 22,
        "{:?}",
        splicer.counts()
    );
    assert_eq!(*pts_of(&units, StreamKind::Audio).first().unwrap(), 0);
}

#[test]
fn an_item_without_sound_gets_silence_throughout() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(180_000));
    splicer.opened(a, true, Sound::None);
    offer(&mut splicer, a, pictures(0, 50, 3_600, 0, 25));
    splicer.finish(a);
    let units = drain(&mut splicer);
    assert!((93..=94).contains(&pts_of(&units, StreamKind::Audio).len()));
}

#[test]
fn a_feed_that_ends_early_leaves_the_rest_to_the_slate() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(900_000));
    let b = splicer.push_feed(t(900_000), t(990_000));
    whole(
        &mut splicer,
        a,
        pictures(0, 50, 3_600, 3, 25),
        frames(0, 180_000),
    );
    whole(
        &mut splicer,
        b,
        pictures(900_000, 25, 3_600, 3, 25),
        frames(900_000, 990_000),
    );
    let units = drain(&mut splicer);
    let pts = pts_of(&units, StreamKind::Video);
    assert!(
        pts.windows(2).all(|w| w[1] - w[0] <= 2 * 3_600),
        "a hole in the picture"
    );
    assert_eq!(splicer.counts().slate_pictures, 200);
}

#[test]
fn a_late_feed_is_covered_and_entered_again_at_its_next_random_access_point() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(900_000));
    let video = pictures(0, 250, 3_600, 3, 25);
    splicer.opened(a, true, Sound::Along);
    offer(&mut splicer, a, video[..50].to_vec());
    offer(&mut splicer, a, frames(0, 50 * 3_600));
    let mut units = drain(&mut splicer);
    assert!(matches!(splicer.next(), Next::Blocked(part) if part == a));
    splicer.cover(a, t(0), t(330_000));
    units.extend(drain(&mut splicer));
    let covered = splicer.counts().slate_pictures;
    assert!(covered > 20, "{covered}");
    offer(&mut splicer, a, video[50..].to_vec());
    offer(&mut splicer, a, frames(50 * 3_600, 900_000));
    splicer.finish(a);
    units.extend(drain(&mut splicer));
    check(&units);
    let pts = pts_of(&units, StreamKind::Video);
    assert!(
        pts.windows(2).all(|w| w[1] - w[0] <= 2 * 3_600 + 1),
        "a hole in the picture"
    );
    let first_again = units.iter().rposition(|u| {
        u.kind == StreamKind::Video && u.rap == Rap::Clean && u.duration == t(3_600)
    });
    assert!(first_again.is_some());
    assert!(
        units
            .iter()
            .any(|u| u.pts == t(360_000) && u.rap == Rap::Clean),
        "not entered at 4 s"
    );
}

#[test]
fn a_cold_part_begins_at_the_random_access_point_before_the_clock() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_cold_feed(t(0), t(500_000), t(900_000));
    splicer.opened(a, true, Sound::Along);
    let from = 450_000;
    offer(&mut splicer, a, frames(from - 3 * AUDIO_FRAME, from));
    offer(&mut splicer, a, pictures(from, 125, 3_600, 3, 25));
    offer(&mut splicer, a, frames(from, 900_000));
    splicer.finish(a);
    let units = drain(&mut splicer);
    assert_eq!(pts_of(&units, StreamKind::Video).first(), Some(&from));
    assert_eq!(pts_of(&units, StreamKind::Audio).first(), Some(&from));
    assert_eq!(splicer.counts().slate_pictures, 0);
}

#[test]
fn a_cold_part_whose_first_units_end_before_the_clock_is_not_covered_up_to_it() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_cold_feed(t(0), t(500_000), t(900_000));
    splicer.opened(a, true, Sound::Along);
    offer(&mut splicer, a, pictures(400_000, 10, 3_600, 0, 25));
    offer(&mut splicer, a, frames(400_000, 440_000));
    drain(&mut splicer);
    assert!(matches!(splicer.next(), Next::Blocked(part) if part == a));
    assert_eq!(splicer.counts().slate_pictures, 0);
}

#[test]
fn leading_pictures_of_an_open_entry_are_dropped() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(90_000));
    let mut video = pictures(0, 25, 3_600, 0, 25);
    video[0].rap = Rap::Open;
    let leading = AccessUnit {
        pts: t(-3_600),
        dts: t(-3_600),
        skipped_leading: true,
        ..video[1].clone()
    };
    video.insert(1, leading);
    whole(&mut splicer, a, video, frames(0, 90_000));
    assert_eq!(
        pts_of(&drain(&mut splicer), StreamKind::Video).first(),
        Some(&0)
    );
}

#[test]
fn a_broken_source_that_repeats_its_decode_order_loses_pictures_and_not_the_rules() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(900_000));
    let mut video = pictures(0, 100, 3_600, 0, 25);
    for unit in &mut video[50..60] {
        (unit.dts, unit.pts) = (t(0), t(0));
    }
    whole(&mut splicer, a, video, frames(0, 360_000));
    drain(&mut splicer);
    assert!(splicer.counts().dropped >= 10);
}

/// Covers the way a channel does until `until`, and fails when nothing comes of it.
fn cover_until(splicer: &mut Splicer, until: i64) -> Vec<AccessUnit> {
    let (mut units, mut head) = (Vec::new(), 0);
    for _ in 0..100_000 {
        match splicer.next() {
            Next::Unit(unit) => {
                head = unit.dts.0;
                units.push(unit);
            }
            Next::Blocked(part) if head < until => {
                splicer.cover(part, t(head), t(head + 97_200));
            }
            Next::Blocked(_) | Next::Idle => break,
        }
    }
    assert!(head >= until - 9_000, "stands at {head}, wanted {until}");
    check(&units);
    units
}

#[test]
fn a_feed_that_hangs_until_after_its_part_is_covered_into_the_next_part() {
    for length in [18_000, 450_000, 455_432] {
        let mut splicer = Splicer::new(&FORMAT);
        let a = splicer.push_feed(t(0), t(length));
        let b = splicer.push_feed(t(length), t(length + 360_000));
        splicer.opened(a, true, Sound::Along);
        let seam = length;
        whole(
            &mut splicer,
            b,
            pictures(seam, 100, 3_600, 3, 25),
            frames(seam, seam + 360_000),
        );
        let units = cover_until(&mut splicer, length + 270_000);
        assert!(
            units
                .iter()
                .any(|u| u.pts == t(seam) && u.duration == t(3_600))
        );
        assert!(!splicer.is_open(a));
    }
}

#[test]
fn a_feed_that_hangs_behind_its_first_picture_is_covered() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(180_000));
    let b = splicer.push_feed(t(180_000), t(900_000));
    whole(
        &mut splicer,
        a,
        pictures(0, 50, 3_600, 0, 25),
        frames(0, 180_000),
    );
    splicer.opened(b, true, Sound::Along);
    // Decoded long before it is shown: whether more such pictures follow is not known.
    let first = pictures(180_000, 25, 3_600, 5, 25).swap_remove(0);
    let first = AccessUnit {
        dts: first.pts - t(18_000),
        ..first
    };
    splicer.offer(b, first);
    let units = cover_until(&mut splicer, 720_000);
    assert!(units.iter().any(|u| u.pts == t(180_000)));
}

#[test]
fn a_feed_that_hangs_behind_a_picture_that_stands_long_keeps_its_sound_covered() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(1_800_000));
    splicer.opened(a, true, Sound::Along);
    let mut picture = pictures(0, 1, 3_600, 0, 25);
    picture[0].duration = t(900_000);
    offer(&mut splicer, a, picture);
    offer(&mut splicer, a, frames(0, 90_000));
    let units = cover_until(&mut splicer, 450_000);
    assert_eq!(splicer.counts().slate_pictures, 0, "the picture stands");
    assert!(units.iter().any(|u| u.pts > t(440_000)));
}

#[test]
fn cover_goes_on_whatever_the_length_of_an_audio_frame() {
    for audio_rate_hz in [8_000, 16_000, 22_050, 48_000, 96_000] {
        let format = Format {
            audio_rate_hz,
            ..FORMAT
        };
        let mut splicer = Splicer::new(&format);
        splicer.push_feed(t(0), t(1_800_000));
        let mut now = 0;
        while now < 900_000 {
            match splicer.next() {
                Next::Unit(unit) => now = now.max(unit.dts.0 - 90_000),
                Next::Blocked(part) => {
                    splicer.cover(part, t(now), t(now + 97_200));
                    assert!(
                        matches!(splicer.next(), Next::Unit(_)),
                        "{audio_rate_hz} Hz stands at {now}"
                    );
                    now += 3_600;
                }
                Next::Idle => panic!("idle"),
            }
        }
    }
}

#[test]
fn a_part_in_which_no_picture_can_be_entered_shows_the_slate() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_feed(t(0), t(90_000));
    // The group begins before the part and ends behind it.
    let b = splicer.push_feed(t(90_000), t(450_000));
    let c = splicer.push_feed(t(450_000), t(540_000));
    whole(
        &mut splicer,
        a,
        pictures(0, 25, 3_600, 0, 25),
        frames(0, 90_000),
    );
    whole(
        &mut splicer,
        b,
        pictures(0, 250, 3_600, 0, 250),
        frames(0, 900_000),
    );
    whole(
        &mut splicer,
        c,
        pictures(450_000, 25, 3_600, 0, 25),
        frames(450_000, 540_000),
    );
    let units = drain(&mut splicer);
    let pts = pts_of(&units, StreamKind::Video);
    assert!(pts.windows(2).all(|w| w[1] - w[0] <= 2 * 3_600));
    assert_eq!(splicer.counts().slate_pictures, 100);
}

#[test]
fn a_cold_part_never_shows_what_lies_before_its_entry() {
    let mut splicer = Splicer::new(&FORMAT);
    let a = splicer.push_cold_feed(t(100_000), t(150_000), t(900_000));
    whole(
        &mut splicer,
        a,
        pictures(90_000, 100, 3_600, 3, 25),
        frames(90_000, 450_000),
    );
    let first = pts_of(&drain(&mut splicer), StreamKind::Video)[0];
    assert_eq!(first, 180_000, "entered at the first point in the entry");
}

#[test]
fn a_replaced_feed_is_entered_behind_what_the_first_delivered_and_the_hole_is_covered() {
    for delivered in [9, 50, 59] {
        let mut splicer = Splicer::new(&FORMAT);
        let a = splicer.push_feed(t(0), t(900_000));
        let video = pictures(0, 250, 3_600, 3, 25);
        splicer.opened(a, true, Sound::Along);
        offer(&mut splicer, a, video[..delivered].to_vec());
        offer(&mut splicer, a, frames(0, delivered as i64 * 3_600));
        let mut units = drain(&mut splicer);
        let b = splicer.replace_feed(a).unwrap();
        assert_eq!(splicer.enters_from(b).unwrap().0 / 3_600, delivered as i64);
        // The other feed begins at the random access point after next.
        let again = (delivered / 25 + 2) * 25;
        whole(
            &mut splicer,
            b,
            pictures(again as i64 * 3_600, 250 - again as i64, 3_600, 2, 25),
            frames(again as i64 * 3_600, 900_000),
        );
        units.extend(drain(&mut splicer));
        check(&units);
        let pts = pts_of(&units, StreamKind::Video);
        assert!(
            pts.windows(2).all(|w| w[1] - w[0] <= 2 * 3_600),
            "a hole in the picture"
        );
        assert!(pts.contains(&(again as i64 * 3_600)));
        assert_eq!(*pts.last().unwrap(), 249 * 3_600);
    }
}
