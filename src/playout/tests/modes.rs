//! Continue, refresh and reset; how far and when; what a build had to say.

use super::programs::item;
use super::*;
use crate::schedule::classic::{Classic, Mode as ItemMode, Schedule};
use crate::schedule::{Pick, Program, TimeOfDay};
use crate::store::{Gap, GapKind};

fn titles(rows: &[Entry]) -> Vec<&str> {
    rows.iter().map(|e| e.metadata.title.as_str()).collect()
}

/// A playout of the same database that plans otherwise.
pub(super) fn planning(s: &mut Station, planning: Planning) {
    let sane = watch::channel(true).1;
    let clock = Arc::new(s.clock.clone());
    s.playout = Playout::with_clock_watch(s.store.clone(), clock, sane, planning);
}

pub(super) fn classic(items: Vec<crate::schedule::classic::Item>) -> Option<Program> {
    Some(Program::Classic(Classic {
        schedule: Schedule {
            items,
            ..Schedule::default()
        },
        alternates: Vec::new(),
    }))
}

#[tokio::test]
async fn the_modes_differ_in_where_the_channel_goes_on_behind_the_published_hour() {
    let s = station().await;
    // Of 25 minutes each: three of them begin within the published hour.
    s.items(0, &[90_000 * 1500; 10]).await;
    let ch = s.channel("1", PlayOrder::Chronological).await;
    s.playout.ensure(ch.id).await.unwrap();
    s.advance_ms(2 * HOUR_MS);
    let before = s.timeline(ch.id).await;
    let published = s.clock.utc().plus(PUBLISHED_MS);
    let kept = before.iter().filter(|e| e.start < published).count();
    assert_eq!(titles(&before)[kept - 1..=kept], ["Film 7", "Film 8"]);

    s.playout.rebuild(ch.id, Mode::Continue).await.unwrap();
    assert_eq!(s.timeline(ch.id).await, before);

    s.playout.rebuild(ch.id, Mode::Refresh).await.unwrap();
    let refreshed = s.timeline(ch.id).await;
    assert_eq!(refreshed[..kept], before[..kept]);
    assert_ne!(refreshed[kept].id, before[kept].id, "written anew");
    assert_eq!(titles(&refreshed)[..before.len()], titles(&before)[..]);

    s.playout.rebuild(ch.id, Mode::Reset).await.unwrap();
    let reset = s.timeline(ch.id).await;
    check_shape(&reset);
    assert_eq!(reset[..kept], before[..kept], "the published hour stays");
    assert_eq!(titles(&reset)[kept..kept + 2], ["Film 0", "Film 1"]);
    assert!(reset.last().unwrap().stop >= s.clock.utc().plus(HORIZON_MS));
}

#[tokio::test]
async fn a_reset_shuffles_anew_and_forgets_what_was_played() {
    let s = station().await;
    let ids = s.items(0, &[90_000 * 1500; 40]).await;
    let ch = s.channel("1", PlayOrder::Shuffle).await;
    s.playout.ensure(ch.id).await.unwrap();
    s.advance_ms(3 * DAY_MS);
    s.playout.round().await;
    let now = s.clock.utc();
    let mut played = 0;
    for id in &ids {
        let at = s.store.last_played(ch.id, *id, now.plus(-2 * DAY_MS)).await;
        played += usize::from(at.unwrap().is_some());
    }
    assert!(played > 0);
    let before = s.timeline(ch.id).await;
    s.playout.rebuild(ch.id, Mode::Reset).await.unwrap();
    let after = s.timeline(ch.id).await;
    check_shape(&after);
    let seed = s.store.channel(ch.id).await.unwrap().seed;
    assert_ne!(seed, ch.seed);
    let kept = before
        .iter()
        .filter(|e| e.start < now.plus(PUBLISHED_MS))
        .count();
    assert_eq!(after[..kept], before[..kept]);
    assert_ne!(
        titles(&after)[kept..kept + 20],
        titles(&before)[kept..kept + 20]
    );
    for id in &ids {
        let at = s.store.last_played(ch.id, *id, now.plus(-2 * DAY_MS)).await;
        assert_eq!(at.unwrap(), None);
    }
    // What comes next goes on from there, by the new seed.
    s.advance_ms(DAY_MS);
    s.playout.round().await;
    let extended = s.timeline(ch.id).await;
    check_shape(&extended);
    let last = after.last().unwrap();
    assert!(extended.contains(last) && extended.last().unwrap().stop > last.stop);
    assert_eq!(s.store.channel(ch.id).await.unwrap().seed, seed);
}

#[tokio::test]
async fn a_schedule_of_days_is_reset_to_the_time_of_day() {
    let s = station().await;
    s.items(0, &[90_000 * 1200; 5]).await;
    let mut ch = s.channel("1", PlayOrder::Shuffle).await;
    let mut news = item(ItemMode::One);
    news.pick = Pick::new(Collection::Library, PlayOrder::Chronological);
    news.start = TimeOfDay::parse("20:00");
    let mut rest = item(ItemMode::Flood);
    rest.pick.place = Some("rest".to_owned());
    ch.program = classic(vec![news, rest]);
    s.store.update_channel(ch.clone()).await.unwrap();
    s.playout.ensure(ch.id).await.unwrap();
    let wall = Wall::new(TimeZone::UTC);
    let at_eight = |rows: &[Entry]| -> Vec<String> {
        let news = rows.iter().filter(|e| {
            let since_eight = (e.start.0 - 20 * HOUR_MS).rem_euclid(DAY_MS);
            // A step of the flood may be on air still at eight o'clock.
            since_eight < 20 * MINUTE_MS
        });
        news.map(|e| format!("{} {}", wall.date(e.start), e.metadata.title))
            .collect()
    };
    s.advance_ms(2 * DAY_MS);
    s.playout.rebuild(ch.id, Mode::Reset).await.unwrap();
    let rows = s.timeline(ch.id).await;
    super::programs::check_guide(&rows);
    let found = at_eight(&rows);
    // It was reset at 22:13 on 16 November: the news of that day counts as played, and those of the 17th are the second.
    let days: Vec<_> = found
        .iter()
        .filter(|day| day.as_str() >= "2023-11-17")
        .collect();
    assert_eq!(days[0], "2023-11-17 Film 1", "{found:?}");
    assert_eq!(days[1], "2023-11-18 Film 2", "{found:?}");
}

#[tokio::test]
async fn the_horizon_is_a_day_to_two_weeks() {
    for (days, expected) in [(0, 1), (1, 1), (3, 3), (14, 14), (99, 14)] {
        let mut s = station().await;
        s.items(0, &[90_000 * 3000]).await;
        let ch = s.channel("1", PlayOrder::Shuffle).await.id;
        planning(
            &mut s,
            Planning {
                days,
                ..Planning::default()
            },
        );
        s.playout.ensure(ch).await.unwrap();
        let reach = |rows: &[Entry], now: UtcMs| rows.last().unwrap().stop.since(now);
        let rows = s.timeline(ch).await;
        let most = 50 * MINUTE_MS;
        let ahead = i64::from(expected) * DAY_MS;
        assert!((ahead..ahead + most).contains(&reach(&rows, NOW)), "{days}");
        for _ in 0..30 {
            s.advance_ms(HOUR_MS);
            s.playout.round().await;
        }
        let rows = s.timeline(ch).await;
        check_shape(&rows);
        let now = s.clock.utc();
        let least = ahead - LOW_WATER_BELOW_MS - HOUR_MS;
        assert!((least..ahead + most).contains(&reach(&rows, now)), "{days}");
        // What has gone by is cleared away, whatever the horizon.
        assert!(rows[0].start > now.plus(-PAST_MS - DAY_MS));
    }
}

#[tokio::test]
async fn what_changed_unnoticed_is_planned_anew_when_the_day_begins_and_once() {
    let mut s = station().await;
    s.items(0, &[90_000 * 1500; 5]).await;
    // Now it is 22:13 UTC: half past seven in the morning there.
    let zone = TimeZone::posix("<+0915>-9:15").unwrap();
    let daily = TimeOfDay::parse("4:00").unwrap();
    planning(
        &mut s,
        Planning {
            zone,
            daily,
            days: 7,
        },
    );
    let mut ch = s.channel("1", PlayOrder::Chronological).await;
    let other = s.channel("2", PlayOrder::Chronological).await.id;
    s.playout.round().await;
    ch.order = PlayOrder::Random;
    s.store.update_channel(ch.clone()).await.unwrap();
    let (before, untouched) = (s.timeline(ch.id).await, s.timeline(other).await);
    let last = |rows: &[Entry]| rows.last().unwrap().id;
    let mut changed = Vec::new();
    let mut known = last(&before);
    for hour in 1..=44 {
        s.advance_ms(HOUR_MS);
        s.playout.round().await;
        let rows = s.timeline(ch.id).await;
        check_shape(&rows);
        // Entries in the middle of the week are there no more.
        let kept = rows.iter().any(|e| e.id == known);
        if !kept {
            changed.push(hour);
            known = rows[rows.len() - 1].id;
        }
    }
    // At 4:28 there: 21 hours later.
    assert_eq!(changed, [21]);
    let rows = s.timeline(other).await;
    assert!(
        rows.contains(untouched.last().unwrap()),
        "as it was planned"
    );
}

#[tokio::test]
async fn warnings_and_gaps_are_kept_until_they_are_planned_anew_or_gone_by() {
    let s = station().await;
    s.items(0, &[90_000 * 1500, 500]).await;
    let mut ch = s.channel("1", PlayOrder::Shuffle).await;
    let mut gone = item(ItemMode::One);
    gone.name = Some("Late night".into());
    gone.pick = Pick::new(
        Collection::Show {
            title: "Gone".to_owned(),
        },
        PlayOrder::Shuffle,
    );
    let mut late = item(ItemMode::One);
    late.start = TimeOfDay::parse("23:30");
    ch.program = classic(vec![late.clone(), gone]);
    s.store.update_channel(ch.clone()).await.unwrap();
    s.playout.ensure(ch.id).await.unwrap();
    let warnings = s.store.plan_warnings(ch.id).await.unwrap();
    let places: Vec<_> = warnings.iter().map(|w| w.at.is_some()).collect();
    assert!(places.is_sorted(), "what holds everywhere comes first");
    let about = |of: &str| warnings.iter().filter(|w| w.text.contains(of)).count();
    assert!(
        about("Late night") >= 1 && about("is left out") == 1,
        "{warnings:?}"
    );
    let gaps = s.store.gaps(ch.id, NOW).await.unwrap();
    assert!(gaps.len() >= 7, "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap.kind == GapKind::Planned));
    // Extending adds to them, rounds do not repeat them, and what has gone by goes.
    for _ in 0..9 {
        s.advance_ms(DAY_MS);
        s.playout.round().await;
    }
    let later = s.store.plan_warnings(ch.id).await.unwrap();
    let past = s.clock.utc().plus(-PAST_MS - DAY_MS);
    assert!(
        later.iter().all(|w| w.at.is_none_or(|at| at > past)),
        "{later:?}"
    );
    // Mended, none is left behind the published hour.
    ch.program = classic(vec![item(ItemMode::Flood)]);
    s.store.update_channel(ch.clone()).await.unwrap();
    s.playout.rebuild_future(ch.id).await.unwrap();
    let published = s.clock.utc().plus(DAY_MS);
    let left = s.store.plan_warnings(ch.id).await.unwrap();
    assert!(
        left.iter().all(|w| w.at.is_none_or(|at| at < published)),
        "{left:?}"
    );
    let gaps = s.store.gaps(ch.id, s.clock.utc()).await.unwrap();
    assert!(gaps.len() <= 1 && gaps.iter().all(|gap| gap.start < published));
}

#[tokio::test]
async fn a_time_without_anything_to_play_is_one_gap() {
    let s = station().await;
    let ch = s.channel("1", PlayOrder::Shuffle).await.id;
    s.playout.ensure(ch).await.unwrap();
    let rows = s.timeline(ch).await;
    assert!(rows.len() > 100);
    let whole = Gap {
        start: rows[0].start,
        stop: rows.last().unwrap().stop,
        kind: GapKind::Empty,
    };
    assert_eq!(s.store.gaps(ch, NOW).await.unwrap(), [whole]);
    let none = s.store.gaps(ch, whole.stop).await.unwrap();
    assert_eq!(none, []);
}
