//! Channels that show the timeline of another.

use super::*;
use crate::store::{Mirror, Progress};

async fn mirrored(offset_ms: i64) -> (Station, Id, Id) {
    let s = station().await;
    s.items(0, &[3600 * 90_000 + 77, 1800 * 90_000, 600 * 90_000])
        .await;
    let of = s.channel("1", PlayOrder::SeasonEpisode).await.id;
    let id = s.channel("2", PlayOrder::Shuffle).await.id;
    s.playout.ensure(of).await.unwrap();
    let mirror = Mirror { of, offset_ms };
    s.store.set_mirror(id, mirror).await.unwrap();
    s.playout.ensure(id).await.unwrap();
    (s, of, id)
}

#[tokio::test]
async fn a_mirror_shows_what_its_source_did_as_much_earlier() {
    for offset_ms in [HOUR_MS, 90 * MINUTE_MS + 1000, 0, -HOUR_MS, DAY_MS] {
        let (s, of, id) = mirrored(offset_ms).await;
        assert_eq!(s.timeline(id).await, [], "no rows of its own");
        for day in 1..4 {
            s.clock.step_utc(NOW.plus(day * DAY_MS + 7 * HOUR_MS));
            s.playout.round().await;
            let now = s.clock.utc();
            let shown = s.playout.on_air(id, now).await.unwrap();
            let then = now.plus(-offset_ms);
            let source = s.playout.on_air(of, then).await.unwrap();
            assert_eq!(shown.start, source.start.plus(offset_ms));
            assert_eq!(shown.content, source.content);
            assert_eq!((shown.channel_id, source.channel_id), (id, of));
            // And so does the guide.
            let until = now.plus(DAY_MS);
            let guide = s.playout.timeline(id, now, until, 50).await.unwrap();
            assert_eq!(guide[0], shown);
            let source = s
                .playout
                .timeline(of, then, until.plus(-offset_ms), 50)
                .await
                .unwrap();
            assert_eq!(guide.len(), source.len());
            for (shown, source) in guide.iter().zip(&source) {
                let offset_s = offset_ms / 1000;
                assert_eq!(shown.guide_start_s, source.guide_start_s + offset_s);
                assert_eq!(shown.metadata, source.metadata);
                assert_eq!(s.playout.after(source).await.unwrap().start, source.stop);
            }
            assert_eq!(s.playout.after(&shown).await.unwrap().start, shown.stop);
        }
    }
}

#[tokio::test]
async fn a_mirror_follows_changes_of_its_source_and_is_off_the_air_before_it() {
    let (s, of, id) = mirrored(2 * HOUR_MS).await;
    let entry = s.playout.on_air(id, NOW).await.unwrap();
    assert!(is_gap(&entry));
    let first = s.store.timeline(of, NOW, UtcMs(i64::MAX), 1).await.unwrap();
    assert_eq!(entry.stop, first[0].start.plus(2 * HOUR_MS));
    let before = s.playout.timeline(id, NOW, NOW.plus(2 * DAY_MS), 500).await;
    s.items(50, &[2400 * 90_000]).await;
    // What is asked of the mirror is done for its source.
    s.playout.rebuild_future(id).await.unwrap();
    let after = s.playout.timeline(id, NOW, NOW.plus(2 * DAY_MS), 500).await;
    assert_ne!(before.unwrap(), after.unwrap());
    assert_eq!(s.timeline(id).await, []);
}

#[tokio::test]
async fn what_cannot_be_mirrored_is_refused_with_words() {
    let (s, of, id) = mirrored(HOUR_MS).await;
    let other = s.channel("3", PlayOrder::Shuffle).await.id;
    let waits = s.channel("4", PlayOrder::Shuffle).await.id;
    s.store
        .set_progress(waits, Progress::OnDemand, NOW)
        .await
        .unwrap();
    for (channel, of, offset_ms, expected) in [
        (other, other, 0, "cannot mirror itself"),
        (other, id, 0, "is itself a mirror of channel 1"),
        (of, other, 0, "is mirrored by 2"),
        (other, of, DAY_MS + 1000, "at most a day"),
        (other, of, 1500, "whole seconds"),
        (other, waits, 0, "wait for viewers"),
        (other, 999, 0, "no channel with key 999"),
    ] {
        let refused = s.store.set_mirror(channel, Mirror { of, offset_ms }).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    for channel in [of, id] {
        let refused = s.store.set_progress(channel, Progress::OnDemand, NOW).await;
        assert!(refused.is_err());
    }
    let refused = s.store.remove_channel(of).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("mirrored by 2"), "{refused}");
    s.store.remove_channel(id).await.unwrap();
    s.store.remove_channel(of).await.unwrap();
}
