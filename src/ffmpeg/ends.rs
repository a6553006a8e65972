//! Exact start and end of a stream from its first and last packets.

use serde::Deserialize;

use super::streams::TimeBase;
use crate::media::Ticks90k;

/// A packet as ffprobe shows it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Packet {
    #[serde(default)]
    pub(super) stream_index: u32,
    pub(super) pts: Option<i64>,
    pub(super) dts: Option<i64>,
    pub(super) duration: Option<i64>,
    #[serde(default)]
    pub(super) size: String,
    #[serde(default)]
    pub(super) flags: String,
}

impl Packet {
    pub(super) fn is_key(&self) -> bool {
        self.flags.starts_with('K')
    }

    /// Decoded but not shown: in front of the cut of an edit list.
    fn is_hidden(&self) -> bool {
        self.flags.contains('D')
    }

    fn time(&self, base: TimeBase) -> Option<Ticks90k> {
        self.pts.or(self.dts).map(|units| base.ticks(units))
    }
}

/// When the first picture is shown that can be decoded: from the first random access point on, without
/// its leading pictures and those that an edit list hides.
pub(super) fn start(packets: &[Packet], base: TimeBase) -> Option<Ticks90k> {
    let first = packets
        .iter()
        .position(|packet| packet.is_key() && packet.time(base).is_some())?;
    let behind = packets.get(first..)?;
    let key = behind.first()?.time(base)?;
    let shown = behind.iter().filter(|packet| !packet.is_hidden());
    shown
        .filter_map(|packet| packet.time(base))
        .filter(|time| *time >= key)
        .min()
}

/// When the last picture ends. `usual` is the length of a picture that does not say its own.
pub(super) fn end(packets: &[Packet], base: TimeBase, usual: Ticks90k) -> Option<Ticks90k> {
    let shown = packets.iter().filter(|packet| !packet.is_hidden());
    let last = shown
        .filter(|p| p.time(base).is_some())
        .max_by_key(|p| p.time(base))?;
    let duration = last.duration.filter(|units| *units > 0);
    // A container that counts milliseconds rounds the length of a picture; the rate is finer.
    let stated = duration.map(|units| base.ticks(units));
    let length = match stated {
        Some(stated) if usual > Ticks90k::ZERO && (stated - usual).0.abs() <= 90 => usual,
        Some(stated) => stated,
        None if usual > Ticks90k::ZERO => usual,
        None => usual_duration(packets, base),
    };
    Some(last.time(base)? + length)
}

/// The commonest distance between two pictures in display order; zero when there is none.
pub(super) fn usual_duration(packets: &[Packet], base: TimeBase) -> Ticks90k {
    let mut times: Vec<_> = packets
        .iter()
        .filter_map(|packet| packet.time(base))
        .collect();
    times.sort_unstable();
    let mut gaps: Vec<_> = times
        .windows(2)
        .filter_map(|pair| Some(*pair.get(1)? - *pair.first()?))
        .collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or_default()
}

/// Length and bytes of the longest span between two random access points seen in any of `runs`.
pub(super) fn longest_gop(runs: &[&[Packet]], base: TimeBase) -> (Ticks90k, u64) {
    let (mut longest, mut most) = (Ticks90k::ZERO, 0);
    for packets in runs {
        let (mut since, mut bytes) = (None, 0_u64);
        for packet in *packets {
            if packet.is_key() {
                let now = packet.time(base);
                if let (Some(since), Some(now)) = (since, now) {
                    longest = longest.max(now - since);
                    most = most.max(bytes);
                }
                (since, bytes) = (now, 0);
            }
            bytes = bytes.saturating_add(packet.size.parse().unwrap_or(0));
        }
        most = most.max(bytes);
    }
    (longest, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(table: &[(i64, &str)]) -> Vec<Packet> {
        let packet = |(pts, flags): &(i64, &str)| Packet {
            pts: Some(*pts),
            duration: Some(40),
            size: "100".into(),
            flags: (*flags).into(),
            ..Packet::default()
        };
        table.iter().map(packet).collect()
    }

    fn ms() -> TimeBase {
        TimeBase::parse("1/1000").unwrap()
    }

    #[test]
    fn leading_pictures_and_those_before_the_first_random_access_point_do_not_count() {
        let seen = packets(&[
            (0, "__"),
            (40, "__"),
            (160, "K_"),
            (80, "__"),
            (120, "__"),
            (200, "__"),
        ]);
        assert_eq!(start(&seen, ms()), Some(Ticks90k(160 * 90)));
    }

    #[test]
    fn pictures_hidden_by_an_edit_list_do_not_count() {
        let seen = packets(&[(-80, "KD"), (-40, "_D"), (0, "__"), (40, "__")]);
        assert_eq!(start(&seen, ms()), Some(Ticks90k::ZERO));
    }

    #[test]
    fn the_end_is_that_of_the_last_picture_shown_not_of_the_last_packet() {
        let seen = packets(&[(0, "K_"), (120, "__"), (40, "__"), (80, "__")]);
        assert_eq!(end(&seen, ms(), Ticks90k::ZERO), Some(Ticks90k(160 * 90)));
        // Milliseconds say 40 for a picture of 29.97 per second rounded up or down; the rate says 3003.
        assert_eq!(
            end(&packets(&[(0, "K_")]), ms(), Ticks90k(3603)),
            Some(Ticks90k(3603))
        );
    }

    #[test]
    fn gops_are_measured_between_random_access_points() {
        let seen = packets(&[(0, "K_"), (40, "__"), (80, "K_"), (120, "__"), (160, "__")]);
        assert_eq!(longest_gop(&[&seen], ms()), (Ticks90k(80 * 90), 300));
        assert_eq!(usual_duration(&seen, ms()), Ticks90k(3600));
    }
}
