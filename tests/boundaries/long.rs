//! A long run of joins, judged by packets.

use super::*;

/// What a long run shows of a stream's packets: the continuity of each PID and the clock.
#[derive(Default)]
struct Packets {
    counters: std::collections::HashMap<u16, u8>,
    last_pcr: Option<i64>,
}

impl Packets {
    #[track_caller]
    fn take(&mut self, bytes: &[u8]) {
        for packet in bytes.chunks(188) {
            assert_eq!((packet.len(), packet[0]), (188, 0x47));
            let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
            let (has_payload, counter) = (packet[3] & 0x10 != 0, packet[3] & 0x0F);
            if let Some(last) = self.counters.insert(pid, counter) {
                assert_eq!(counter, (last + u8::from(has_payload)) & 0x0F, "PID {pid}");
            }
            let has_pcr = packet[3] & 0x20 != 0 && packet[4] > 6 && packet[5] & 0x10 != 0;
            if has_pcr {
                let base = packet[6..10]
                    .iter()
                    .fold(0i64, |sum, &b| sum << 8 | i64::from(b));
                let pcr = (base << 1 | i64::from(packet[10] >> 7)) * 300
                    + i64::from(u16::from_be_bytes([packet[10] & 1, packet[11]]));
                let step = self
                    .last_pcr
                    .map_or(1, |last| (pcr - last).rem_euclid(300 << 33));
                assert!((1..=27_000 * 40).contains(&step), "PCR steps by {step}");
                self.last_pcr = Some(pcr);
            }
        }
    }
}

#[test]
fn two_hours_of_joins_keep_every_picture_in_its_place_and_every_counter_in_step() {
    const HOURS: Ticks90k = Ticks90k(2 * 3_600 * 90_000);
    let files = [
        "h264_b0_25.mp4",
        "h264_b3_pyramid_2997.mp4",
        "h264_b2_25.mp4",
    ]
    .map(|name| {
        let piece = Piece::whole(sample(name));
        let cut = Cut {
            from: piece.from,
            to: piece.to,
            offset: -piece.from,
        };
        let mut reader =
            Reader::open(Arc::new(FileSource::open(&piece.path).unwrap()), cut).unwrap();
        let mut units = Vec::new();
        while !reader.ended() {
            units.extend(reader.batch(Ticks90k(i64::MAX)).unwrap());
        }
        // The join does not look at the pictures, so a few bytes of each will do.
        units.iter_mut().for_each(|u| u.data.truncate(40));
        (piece.to - piece.from, units)
    });
    let mut splicer = Splicer::new(&H264);
    let mut muxer = Muxer::new(Layout::for_format(&H264, "Test"));
    let (mut packets, mut bytes) = (Packets::default(), Vec::new());
    // The wrap of the time stamps lies in the middle.
    let origin = Ticks90k((1 << 33) - HOURS.0 / 2);
    let (mut at, mut joins, mut pictures) = (origin, 0, 0);
    let (mut last_dts, mut sound_end) = (Ticks90k::ZERO, None);
    for (length, units) in files.iter().cycle() {
        if at - origin >= HOURS {
            break;
        }
        let part = splicer.push_feed(at, at + *length);
        splicer.opened(part, true, Sound::Along);
        for unit in units {
            splicer.offer(
                part,
                AccessUnit {
                    pts: unit.pts + at,
                    dts: unit.dts + at,
                    ..unit.clone()
                },
            );
        }
        splicer.finish(part);
        while let Next::Unit(unit) = splicer.next() {
            muxer.write(&unit, &mut bytes);
            assert!(unit.dts <= unit.pts);
            if unit.kind == StreamKind::Video {
                assert!(unit.dts > last_dts, "join {joins}");
                last_dts = unit.dts;
                pictures += 1;
                continue;
            }
            if let Some(end) = sound_end.replace(unit.pts + unit.duration) {
                let gap = (unit.pts - end).0;
                assert!(
                    (-AAC_FRAME / 4 - 1..=AAC_FRAME + 1).contains(&gap),
                    "join {joins}: {gap}"
                );
            }
        }
        packets.take(&bytes);
        bytes.clear();
        at += *length;
        joins += 1;
    }
    let shown =
        |units: &Vec<AccessUnit>| units.iter().filter(|u| u.kind == StreamKind::Video).count();
    let expected: usize = (0..joins).map(|n| shown(&files[n % files.len()].1)).sum();
    assert!(
        joins > 800 && pictures == expected,
        "{joins} joins, {pictures} of {expected} pictures"
    );
    assert_eq!(splicer.counts().slate_pictures, 0);
    // A frame of sound may be missing at a join, never more: nothing accumulates.
    assert!(
        splicer.counts().silent_frames <= joins as u64,
        "{:?}",
        splicer.counts()
    );
}
