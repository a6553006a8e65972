//! Where a programme is interrupted.

use super::{BreakAt, MidRoll};
use crate::media::Ticks90k;
use crate::schedule::expression::Point;
use crate::schedule::item::Playable;
use crate::schedule::span::Span;

/// The most breaks of a programme.
pub(super) const MOST: usize = 100;

/// Where a programme is interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cuts {
    /// It has no places of the kind that is asked for.
    Unknown,
    /// In item time and in order, each at least a second from the next and from both ends; perhaps nowhere. The number is
    /// that of the breaks beyond [`MOST`].
    At(Vec<Ticks90k>, usize),
}

/// Where a part of an item is interrupted.
pub(super) fn cuts(rules: &MidRoll, item: &Playable, span: Span) -> Cuts {
    let breaks = item.breaks.as_deref();
    let within = |at: Ticks90k| span.from() < at && at < span.to();
    let mut places: Vec<(Ticks90k, &str)> = match rules.at {
        BreakAt::Chapters => {
            let chapters = breaks.map_or(&[][..], |b| &b.chapters);
            let ends = chapters.iter().zip(chapters.iter().skip(1));
            ends.map(|(c, next)| (next.start, c.title.as_str()))
                .collect()
        }
        BreakAt::Points => {
            let points = breaks.map_or(&[][..], |b| &b.points);
            points.iter().map(|at| (*at, "")).collect()
        }
        BreakAt::EveryMinutes(minutes) => {
            let step = Ticks90k::from_ms(i64::from(minutes.max(1)) * 60_000);
            let steps = std::iter::successors(Some(span.from() + step), |at| Some(*at + step));
            steps
                .take_while(|at| within(*at))
                .map(|at| (at, ""))
                .collect()
        }
    };
    // What a file says of itself need not be so.
    places.retain(|(at, _)| within(*at));
    places.sort_by_key(|(at, _)| *at);
    places.dedup_by_key(|(at, _)| *at);
    if places.is_empty() && !matches!(rules.at, BreakAt::EveryMinutes(_)) {
        return Cuts::Unknown;
    }
    let mut cuts: Vec<Ticks90k> = Vec::new();
    let mut beyond = 0;
    for at in matching(rules, &places, span) {
        let Some(at) = breaks.map_or(Some(at), |b| b.playable_from(at, span)) else {
            continue;
        };
        let before = cuts.last().copied().unwrap_or(span.from());
        if Span::new(before, at).is_none() || Span::new(at, span.to()).is_none() {
            continue;
        }
        if cuts.len() < MOST {
            cuts.push(at);
        } else {
            beyond += 1;
        }
    }
    Cuts::At(cuts, beyond)
}

/// The places for which the condition holds.
fn matching(rules: &MidRoll, places: &[(Ticks90k, &str)], span: Span) -> Vec<Ticks90k> {
    let Some(condition) = &rules.when else {
        return places.iter().map(|(at, _)| *at).collect();
    };
    let seconds = Ticks90k::as_secs_f64;
    let mut point = Point {
        total: places.len(),
        duration_s: seconds(span.to() - span.from()),
        ..Point::default()
    };
    let mut matching = Vec::new();
    for (n, (at, title)) in places.iter().enumerate() {
        (point.num, point.title) = (n + 1, title);
        point.point_s = seconds(*at - span.from());
        if condition.holds(&point) {
            matching.push(*at);
            (point.matched, point.last_s) = (matching.len(), Some(point.point_s));
        }
    }
    matching
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::filler::{Amount, Filler};
    use crate::schedule::{Breaks, Pick};
    use std::sync::Arc;

    fn seconds(of: &[i64]) -> Vec<Ticks90k> {
        of.iter().map(|s| Ticks90k(s * 90_000)).collect()
    }

    #[test]
    fn a_break_lies_where_a_part_can_begin_without_losing_pictures_if_such_a_place_is_near() {
        let rules = MidRoll {
            filler: Filler::new(
                "f",
                Pick::new(
                    crate::schedule::Collection::Library,
                    crate::schedule::PlayOrder::Shuffle,
                ),
                Amount::Count(1),
            ),
            at: BreakAt::Points,
            when: None,
        };
        for (points, clean, rough, expected) in [
            // Where nothing is known, anywhere; but neither at an edge nor twice.
            (&[0, 100, 100, 600][..], &[][..], &[][..], &[100][..]),
            // The nearest, before or behind; of two the one before.
            (&[100], &[96, 103], &[], &[103]),
            (&[100], &[98, 103], &[], &[98]),
            (&[100], &[98, 102], &[], &[98]),
            (&[100], &[0, 100, 200], &[], &[100]),
            // A group of pictures may be long: within it the next clean one is near.
            (&[100], &[0, 60, 160], &[], &[60]),
            // Within five seconds a clean one is better than a rough one that is nearer.
            (&[100], &[95], &[99, 101], &[95]),
            (&[100], &[94], &[99, 101], &[99]),
            (&[100], &[60, 140], &[99, 102], &[99]),
            (&[100], &[60, 140], &[102], &[60]),
            (&[100], &[60], &[97, 103], &[97]),
            (&[100], &[], &[0, 200], &[200]),
            // Those beyond the programme are none, and two breaks at one place are one.
            (&[100], &[0, 600], &[], &[]),
            (&[100, 110, 300], &[105, 299], &[], &[105, 299]),
            (&[100, 101], &[], &[99], &[99]),
        ] {
            let item = Playable {
                end: Ticks90k(600 * 90_000),
                breaks: Some(Arc::new(Breaks {
                    points: seconds(points),
                    raps: seconds(clean),
                    rough_raps: seconds(rough),
                    ..Breaks::default()
                })),
                ..Playable::default()
            };
            let cuts = cuts(&rules, &item, item.whole().unwrap());
            let expected = Cuts::At(seconds(expected), 0);
            assert_eq!(cuts, expected, "{points:?} {clean:?} {rough:?}");
        }
    }
}
