//! Items as they should not be, in any order, delivered in any order: whatever comes, decoding time rises, every
//! picture stands at its place, and sound has neither hole nor overlap.

use super::*;

/// What an item has of one stream, against its part.
#[derive(Clone, Copy, Debug)]
struct Video {
    duration: i64,
    depth: i64,
    /// Pictures that decoding runs ahead of display, at least one where there are B pictures.
    delay: i64,
    gop: i64,
    count: i64,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    video: Option<Video>,
    /// Where sound begins and ends, against the part's beginning and end.
    sound: Option<(i64, i64)>,
    length: i64,
    /// How much later in the file sound stands than pictures of its time.
    lag: i64,
}

/// splitmix64, so that a seed says everything.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as i64
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as i64) as usize]
    }

    fn case(&mut self) -> Case {
        let duration = self.of(&[3_600, 3_003, 3_753, 1_800, 3_750]);
        let depth = self.of(&[0, 0, 1, 3, 5]);
        // Some items are as short as five pictures.
        let count = self.of(&[5, 6, 12, 50, 130, 300]);
        let length = count * duration;
        let video = (self.below(6) > 0).then_some(Video {
            duration,
            depth,
            delay: if depth > 0 { 1 + self.below(5) } else { 0 },
            gop: self.of(&[5, 25, 60, 250]),
            count,
        });
        let begins = self.of(&[0, 0, 700, -1_000, -90_000, 135_000, 400_000]);
        let ends = self.of(&[0, 0, -500, 100_000, 200_000, -45_000, -900_000]);
        let sound = (self.below(6) > 0 || video.is_none()).then_some((begins, ends));
        let lag = self.of(&[0, 0, 9_000, 120_000, 220_000]);
        Case {
            video,
            sound,
            length,
            lag,
        }
    }
}

impl Case {
    /// Its units from `from` on, in the order of the file.
    fn units(&self, from: i64) -> Vec<AccessUnit> {
        let mut units = Vec::new();
        if let Some(v) = self.video {
            // It goes on behind the part's end: a cut.
            let all = pictures(from, v.count + 10, v.duration, v.depth, v.gop);
            let more = (v.delay - i64::from(v.depth > 0)) * v.duration;
            units.extend(all.into_iter().map(|u| AccessUnit {
                dts: u.dts - t(more),
                ..u
            }));
        }
        if let Some((begins, ends)) = self.sound {
            units.extend(frames(from + begins, from + self.length + ends));
        }
        let place = |u: &AccessUnit| match u.kind {
            StreamKind::Video => u.dts,
            StreamKind::Audio => u.dts + t(self.lag),
        };
        units.sort_by_key(place);
        units
    }
}

/// A part that is being delivered.
struct Delivery {
    part: PartId,
    case: Case,
    opened: bool,
    units: std::collections::VecDeque<AccessUnit>,
}

impl Delivery {
    fn some(&mut self, splicer: &mut Splicer, count: i64) {
        if !std::mem::replace(&mut self.opened, true) {
            let sound = match self.case.sound {
                Some(_) => Sound::Along,
                None => Sound::None,
            };
            splicer.opened(self.part, self.case.video.is_some(), sound);
        }
        for _ in 0..count {
            match self.units.pop_front() {
                Some(unit) => {
                    splicer.offer(self.part, unit);
                }
                None => return splicer.finish(self.part),
            }
        }
    }
}

/// Plays `cases` one behind the other, delivered as the dice fall, and holds the result against the rules.
#[track_caller]
fn play(cases: &[Case], dice: &mut Dice, name: &str) -> Vec<AccessUnit> {
    let mut splicer = Splicer::new(&FORMAT);
    let (mut at, mut expected) = (900_000, Vec::new());
    let mut deliveries: Vec<Delivery> = Vec::new();
    for &case in cases {
        let part = splicer.push_feed(t(at), t(at + case.length));
        if let Some(v) = case.video {
            expected.push((at, v));
        }
        deliveries.push(Delivery {
            part,
            case,
            opened: false,
            units: case.units(at).into(),
        });
        at += case.length;
    }
    let mut units = Vec::new();
    loop {
        match splicer.next() {
            Next::Unit(unit) => units.push(unit),
            Next::Idle => break,
            Next::Blocked(part) => {
                let has_ended = splicer.part(part).is_some_and(|p| p.ended);
                assert!(!has_ended, "{name}: waits for a feed that has ended");
                let count = 1 + dice.below(40);
                let wanted = deliveries.iter().position(|d| d.part == part).unwrap();
                deliveries[wanted].some(&mut splicer, count);
                // What is not asked for comes too, a little ahead.
                let ahead = wanted + 1 + dice.below(3) as usize;
                if let Some(ahead) = deliveries.get_mut(ahead) {
                    ahead.some(&mut splicer, count / 4);
                }
            }
        }
        assert!(units.len() < 100_000, "{name}: endless");
    }
    let shown = pts_of(&units, StreamKind::Video);
    check(&units);
    for pair in units.windows(2) {
        assert!(
            pair[0].dts <= pair[1].dts,
            "{name}: {:?} at {:?} behind {:?}",
            pair[1].kind,
            pair[1].dts,
            pair[0].dts
        );
    }
    for (from, v) in expected {
        // The last pictures in decoding order may be those behind a picture that is shown after the cut.
        for n in 0..v.count - if v.depth > 0 { v.depth + 1 } else { 0 } {
            let pts = from + n * v.duration;
            assert!(
                shown.binary_search(&pts).is_ok(),
                "{name}: no picture {n} at {pts}"
            );
        }
    }
    for pair in shown.windows(2) {
        let gap = pair[1] - pair[0];
        assert!(gap > 0, "{name}: two pictures at {}", pair[0]);
        // At the deepest, and what the slate leaves at its end.
        assert!(
            gap <= 8 * 3_753,
            "{name}: a picture stands for {gap} at {}",
            pair[0]
        );
    }
    let sound = pts_of(&units, StreamKind::Audio);
    let (first, last) = (sound[0], sound[sound.len() - 1]);
    assert!((0..=AUDIO_FRAME).contains(&(first - 900_000)), "{name}");
    assert!(
        (at - last) <= 2 * AUDIO_FRAME,
        "{name}: sound ends at {last} of {at}"
    );
    units
}

const PLAIN: Video = Video {
    duration: 3_600,
    depth: 3,
    delay: 2,
    gop: 25,
    count: 100,
};

fn plain(count: i64) -> Case {
    Case {
        video: Some(Video { count, ..PLAIN }),
        sound: Some((0, 0)),
        length: count * 3_600,
        lag: 0,
    }
}

fn mute(count: i64) -> Case {
    Case {
        sound: None,
        ..plain(count)
    }
}

fn radio(count: i64) -> Case {
    Case {
        video: None,
        ..plain(count)
    }
}

/// How many of the units are slate pictures, by their data.
fn slates(units: &[AccessUnit]) -> usize {
    let is_slate = |u: &&AccessUnit| u.kind == StreamKind::Video && u.data.len() > 6;
    units.iter().filter(is_slate).count()
}

#[test]
fn an_outgoing_tail_of_sound_longer_than_the_incoming_first_second_is_not_waited_for_and_not_doubled()
 {
    for lag in [0, 100_000, 230_000] {
        let out = Case {
            sound: Some((0, 300_000)),
            lag,
            ..plain(60)
        };
        let units = play(
            &[out, plain(60), out, plain(5), plain(60)],
            &mut Dice(1),
            "tail",
        );
        assert_eq!(slates(&units), 0, "{lag}");
    }
}

#[test]
fn items_of_a_fifth_of_a_second_play_every_picture() {
    for delay in 1..=5 {
        let short = Case {
            video: Some(Video {
                count: 5,
                delay,
                ..PLAIN
            }),
            ..plain(5)
        };
        let mut cases = vec![plain(50)];
        cases.extend([short; 40]);
        cases.push(plain(50));
        let units = play(&cases, &mut Dice(2), &format!("delay {delay}"));
        assert_eq!(slates(&units), 0);
    }
}

#[test]
fn sound_that_begins_late_or_ends_early_is_silence_there_and_pictures_do_not_wait() {
    let late = Case {
        sound: Some((135_000, 0)),
        ..plain(100)
    };
    let early = Case {
        sound: Some((0, -900_000)),
        ..plain(400)
    };
    let units = play(
        &[late, early, late, plain(50)],
        &mut Dice(3),
        "late and early",
    );
    assert_eq!(slates(&units), 0);
}

#[test]
fn items_without_sound_or_without_pictures_follow_each_other() {
    let cases = [
        plain(50),
        radio(100),
        radio(5),
        radio(60),
        mute(50),
        mute(5),
        radio(60),
        mute(60),
        plain(50),
    ];
    let units = play(&cases, &mut Dice(4), "half items");
    assert_eq!(slates(&units), 225, "the slate stands in for pictures");
}

/// Its pictures all collide with the slate before it, and the last one to be decoded is not the last one shown.
#[test]
fn a_short_item_of_deep_reordering_behind_a_slate_keeps_its_first_pictures() {
    for depth in 1..=5 {
        for count in 2..=8 {
            let deep = Case {
                video: Some(Video {
                    depth,
                    delay: 4,
                    count,
                    ..PLAIN
                }),
                ..plain(count)
            };
            let name = format!("{count} pictures, {depth} deep");
            let units = play(&[plain(50), radio(3), deep, plain(50)], &mut Dice(5), &name);
            let shown = pts_of(&units, StreamKind::Video);
            let from = 900_000 + 53 * 3_600;
            assert!(shown.contains(&from), "{name}");
        }
    }
}

#[test]
fn any_items_delivered_in_any_order_keep_the_rules() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let cases: Vec<_> = (0..12).map(|_| dice.case()).collect();
        play(&cases, &mut dice, &format!("seed {seed}: {cases:?}"));
    }
}
