//! How much a feed that copies a file reads.

use super::*;
use exstreamd::channel::feed::{Event, Feed, copy};
use exstreamd::clock::RealClock;
use exstreamd::system::reads::Reads;

/// The end of what the next events bring, up to the first that reaches `to`.
async fn reach(feed: &mut Feed, to: Ticks90k) -> Ticks90k {
    let mut reached = Ticks90k(i64::MIN);
    while reached < to {
        match std::future::poll_fn(|ctx| feed.poll_event(ctx)).await {
            Some(Event::Units(units)) => {
                reached = units.iter().map(|u| u.dts).fold(reached, Ord::max);
            }
            Some(Event::Opened { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    reached
}

#[tokio::test]
async fn a_file_is_read_as_far_as_the_channel_wants_and_one_unit_more() {
    let piece = Piece::whole(sample("h264_b2_25.mp4"));
    let reads = Reads::new(std::sync::Arc::new(RealClock));
    let cut = Cut {
        from: piece.from,
        to: piece.to,
        offset: -piece.from,
    };
    let mut feed = copy::start(reads.clone(), "disk".into(), piece.path, cut);
    let unit = Ticks90k(3_600);
    let beginning = Ticks90k(9_000);
    let mut reached = reach(&mut feed, beginning).await;
    assert!(reached <= beginning + unit, "{reached:?}");
    for wanted in [1, 2, 4].map(|s| Ticks90k(s * 90_000)) {
        feed.want(wanted);
        feed.want(Ticks90k(0));
        reached = reach(&mut feed, wanted).await;
        assert!(
            reached <= wanted + unit,
            "{reached:?} where {wanted:?} was wanted"
        );
    }
}
