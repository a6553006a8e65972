//! Channels that wait for their viewers.

use super::*;
use crate::store::Progress;

async fn waiting(films: usize) -> (Station, Id) {
    let s = station().await;
    s.items(0, &vec![3600 * 90_000; films]).await;
    let id = s.channel("1", PlayOrder::SeasonEpisode).await.id;
    s.store
        .set_progress(id, Progress::OnDemand, NOW)
        .await
        .unwrap();
    s.playout.ensure(id).await.unwrap();
    (s, id)
}

impl Station {
    /// The title on air now, and how far it has come.
    async fn position(&self, id: Id) -> (String, i64) {
        let now = self.clock.utc();
        let entry = self.playout.on_air(id, now).await.unwrap();
        let guide = self.playout.timeline(id, now, now.plus(DAY_MS), 3).await;
        let guide = guide.unwrap();
        // Guide and stream agree at any time.
        assert_eq!(guide[0].start, entry.start);
        assert_eq!(guide[0].metadata, entry.metadata);
        assert_eq!(
            guide[0].guide_start_s,
            (entry.start.0 + 500).div_euclid(1000)
        );
        assert_eq!(guide[1].start, entry.stop);
        assert_eq!(entry.channel_id, id);
        (entry.metadata.title, now.since(entry.start))
    }

    async fn progress(&self, id: Id, progress: Progress) {
        let now = self.clock.utc();
        self.store.set_progress(id, progress, now).await.unwrap();
        self.playout.touched(id).await.unwrap();
    }

    async fn watch(&self, id: Id, ms: i64) {
        assert!(self.playout.tuned_in(id).await.unwrap());
        self.advance_ms(ms);
        let now = self.clock.utc();
        self.playout.left(id, now).await.unwrap();
    }
}

#[tokio::test]
async fn a_channel_that_waits_goes_on_where_it_was_left() {
    let (s, id) = waiting(5).await;
    s.advance_ms(10 * HOUR_MS + 7);
    // Nobody has seen anything yet. Whole seconds are waited for; what is on began with the second.
    assert_eq!(s.position(id).await, ("Film 0".to_owned(), 424));
    let before = s.store.channel(id).await.unwrap().timeline_version;
    s.watch(id, 90 * MINUTE_MS).await;
    assert_eq!(
        s.position(id).await,
        ("Film 1".to_owned(), 30 * MINUTE_MS + 424)
    );
    s.advance_ms(3 * DAY_MS + 5 * HOUR_MS);
    assert_eq!(
        s.position(id).await,
        ("Film 1".to_owned(), 30 * MINUTE_MS + 424)
    );
    s.watch(id, HOUR_MS).await;
    assert_eq!(
        s.position(id).await,
        ("Film 2".to_owned(), 30 * MINUTE_MS + 424)
    );
    // Readers learned of it: once for each time that somebody came.
    let after = s.store.channel(id).await.unwrap().timeline_version;
    assert!(after >= before + 2, "{before} {after}");
}

#[tokio::test]
async fn a_channel_that_waits_is_neither_planned_further_nor_cleared_away() {
    let (s, id) = waiting(5).await;
    s.watch(id, HOUR_MS).await;
    s.playout.round().await;
    let rows = s.timeline(id).await;
    for _ in 0..20 {
        s.advance_ms(DAY_MS);
        s.playout.round().await;
    }
    assert_eq!(s.timeline(id).await, rows);
    assert_eq!(s.position(id).await, ("Film 1".to_owned(), 417));
    // Watched for days it is extended like any other.
    s.watch(id, 3 * DAY_MS).await;
    s.playout.round().await;
    let extended = s.timeline(id).await;
    check_shape(&extended);
    assert!(extended.last().unwrap().stop > rows.last().unwrap().stop);
    assert!(extended[0].stop > rows[0].stop, "cleared away");
}

#[tokio::test]
async fn after_a_crash_a_waiting_channel_goes_on_where_it_was_known_to_be_watched() {
    let (s, id) = waiting(5).await;
    s.playout.tuned_in(id).await.unwrap();
    s.advance_ms(20 * MINUTE_MS);
    s.playout.watched(id, s.clock.utc()).await.unwrap();
    s.advance_ms(30_000);
    let again = Playout::new(s.store.clone(), Arc::new(s.clock.clone()));
    s.advance_ms(9 * HOUR_MS);
    let entry = again.on_air(id, s.clock.utc()).await.unwrap();
    assert_eq!(s.clock.utc().since(entry.start), 20 * MINUTE_MS + 417);
}

#[tokio::test]
async fn a_waiting_channel_stands_still_only_when_the_last_has_left() {
    let (s, id) = waiting(5).await;
    // Such as for two formats at once.
    s.playout.tuned_in(id).await.unwrap();
    s.playout.tuned_in(id).await.unwrap();
    s.playout.left(id, s.clock.utc()).await.unwrap();
    s.advance_ms(10 * MINUTE_MS);
    assert_eq!(s.position(id).await.1, 10 * MINUTE_MS + 417);
    s.playout.left(id, s.clock.utc()).await.unwrap();
    s.advance_ms(10 * MINUTE_MS);
    assert_eq!(s.position(id).await.1, 10 * MINUTE_MS + 417);
}

#[tokio::test]
async fn a_clock_that_is_set_back_takes_a_waiting_channel_back_by_no_more_than_that() {
    let (s, id) = waiting(5).await;
    s.watch(id, 10 * MINUTE_MS).await;
    s.clock.step_utc(NOW.plus(5 * MINUTE_MS));
    s.playout.tuned_in(id).await.unwrap();
    assert_eq!(s.position(id).await.1, 5 * MINUTE_MS + 417);
}

#[tokio::test]
async fn a_channel_may_begin_to_wait_and_cease_to() {
    let (s, id) = waiting(5).await;
    s.watch(id, 10 * MINUTE_MS).await;
    s.advance_ms(HOUR_MS);
    // On the clock again, as if nobody had waited.
    s.progress(id, Progress::Continuous).await;
    assert_eq!(
        s.position(id).await,
        ("Film 1".to_owned(), 10 * MINUTE_MS + 417)
    );
    assert!(!s.playout.tuned_in(id).await.unwrap());
    s.progress(id, Progress::OnDemand).await;
    // Somebody watches already.
    s.advance_ms(MINUTE_MS);
    assert_eq!(s.position(id).await.1, 11 * MINUTE_MS + 417);
    s.playout.left(id, s.clock.utc()).await.unwrap();
    s.advance_ms(HOUR_MS);
    assert_eq!(s.position(id).await.1, 11 * MINUTE_MS + 417);
}
