//! Days on which the clock on the wall is moved, zones that change, clocks that jump.

use super::modes::{classic, planning};
use super::programs::{check_guide, item};
use super::*;
use crate::config::{Config, Environment, Zone};
use crate::schedule::classic::{FixedStart, Mode as ItemMode};

const CHICAGO: &str = "CST6CDT,M3.2.0,M11.1.0";
const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";

fn zone(name: &str) -> TimeZone {
    Zone::named(name).unwrap()
}

fn box_in(name: &str) -> Zone {
    let config = Config {
        zone: Some(name.to_owned()),
        ..Config::default()
    };
    Zone::choose(&config, &Environment::default())
}

fn moment(text: &str) -> UtcMs {
    let t: jiff::Timestamp = text.parse().unwrap();
    UtcMs(t.as_millisecond())
}

/// A channel that plays something called "At TIME" at certain times of day, and other things between.
async fn station_with_times(times: &[&str]) -> (Station, Id) {
    let s = station().await;
    s.items(0, &[90_000 * 1500, 90_000 * 777 + 31, 90_000 * 2000])
        .await;
    let mut ch = s.channel("1", PlayOrder::Shuffle).await;
    let mut items = Vec::new();
    for time in times {
        let mut at = item(ItemMode::One);
        at.start = TimeOfDay::parse(time);
        at.fixed_start = Some(FixedStart::Strict);
        at.title = Some(format!("At {time}").into());
        items.extend([at, item(ItemMode::Flood)]);
    }
    ch.program = classic(items);
    s.store.update_channel(ch.clone()).await.unwrap();
    (s, ch.id)
}

fn starts(rows: &[Entry], title: &str) -> Vec<UtcMs> {
    let found = rows.iter().filter(|e| e.metadata.title == title);
    let mut starts: Vec<_> = found.map(|e| UtcMs(e.guide_start_s * 1000)).collect();
    starts.dedup();
    starts
}

#[tokio::test]
async fn times_of_day_are_kept_on_the_days_on_which_the_clock_is_moved() {
    // The days around a switch, the time, and when it is that in UTC; the second of each is the day of the switch.
    let check = async |name: &str, time: &str, expected: [&str; 3]| {
        let (mut s, ch) = station_with_times(&["12:00", time]).await;
        let expected = expected.map(moment);
        s.clock.step_utc(expected[0].plus(-DAY_MS - 5 * HOUR_MS));
        let days = 2;
        let zone = zone(name);
        planning(
            &mut s,
            Planning {
                zone,
                days,
                ..Planning::default()
            },
        );
        // Extended in pieces of half a day, so that joints lie on all sides of the switch.
        for _ in 0..8 {
            s.playout.round().await;
            s.advance_ms(6 * HOUR_MS + 1234);
        }
        let rows = s.timeline(ch).await;
        check_guide(&rows);
        let found = starts(&rows, &format!("At {time}"));
        for at in expected {
            assert!(found.contains(&at), "{name} {time} {at:?} of {found:?}");
        }
        let near = |t: &&UtcMs| expected[0] <= **t && **t <= expected[2];
        assert_eq!(found.iter().filter(near).count(), 3, "{name} {time}");
    };
    for (name, time, expected) in [
        // A quarter past two is skipped in spring, and comes an hour later; in autumn a quarter past one comes twice.
        (
            CHICAGO,
            "2:15",
            [
                "2025-03-08T08:15:00Z",
                "2025-03-09T08:15:00Z",
                "2025-03-10T07:15:00Z",
            ],
        ),
        (
            CHICAGO,
            "3:00",
            [
                "2025-11-01T08:00:00Z",
                "2025-11-02T09:00:00Z",
                "2025-11-03T09:00:00Z",
            ],
        ),
        (
            CHICAGO,
            "1:15",
            [
                "2025-11-01T06:15:00Z",
                "2025-11-02T06:15:00Z",
                "2025-11-03T07:15:00Z",
            ],
        ),
        // Lord Howe moves its clocks by half an hour.
        (
            LORD_HOWE,
            "2:15",
            [
                "2025-10-03T15:45:00Z",
                "2025-10-04T15:45:00Z",
                "2025-10-05T15:15:00Z",
            ],
        ),
        (
            LORD_HOWE,
            "1:45",
            [
                "2025-04-04T14:45:00Z",
                "2025-04-05T14:45:00Z",
                "2025-04-06T15:15:00Z",
            ],
        ),
        (
            LORD_HOWE,
            "20:00",
            [
                "2025-04-05T09:00:00Z",
                "2025-04-06T09:30:00Z",
                "2025-04-07T09:30:00Z",
            ],
        ),
    ] {
        check(name, time, expected).await;
    }
}

#[tokio::test]
async fn a_box_that_moves_keeps_its_schedules_until_somebody_has_seen_what_would_move() {
    let (mut s, ch) = station_with_times(&["20:00"]).await;
    let looped = s.channel("2", PlayOrder::Shuffle).await.id;
    let here = box_in(CHICAGO);
    let first = written_in(&s.store, &here, NOW).await.unwrap();
    assert_eq!((first.zone.clone(), first.finding), (zone(CHICAGO), None));
    planning(
        &mut s,
        Planning {
            zone: first.zone,
            ..Planning::default()
        },
    );
    s.playout.round().await;
    let before = (s.timeline(ch).await, s.timeline(looped).await);

    // Another name of the same is no change, and neither is an hour in which both are moved alike.
    let same = written_in(&s.store, &box_in("CST6CDT,M3.2.0/2,M11.1.0/2"), NOW).await;
    assert_eq!(same.unwrap().finding, None);

    let there = box_in(LORD_HOWE);
    let kept = written_in(&s.store, &there, NOW).await.unwrap();
    assert_eq!(kept.zone, zone("CST6CDT,M3.2.0/2,M11.1.0/2"));
    let finding = kept.finding.unwrap();
    assert!(
        finding.contains(LORD_HOWE) && finding.contains("schedule zone"),
        "{finding}"
    );
    planning(
        &mut s,
        Planning {
            zone: kept.zone,
            ..Planning::default()
        },
    );
    s.playout.round().await;
    let moves = s.playout.zone_preview(&there.zone).await.unwrap();
    assert_eq!(moves.len(), 1, "a loop does not move: {moves:?}");
    assert_eq!(moves[0].number, "1");
    assert!(moves[0].programmes > 5 && moves[0].first.len() == 5);
    assert!(moves[0].first.iter().all(|m| m.title.starts_with("Film")));
    let none = s.playout.zone_preview(&zone(CHICAGO)).await.unwrap();
    assert_eq!(none, []);
    assert_eq!((s.timeline(ch).await, s.timeline(looped).await), before);

    s.playout.take_zone(&there).await.unwrap();
    let after = s.timeline(ch).await;
    check_guide(&after);
    let published = |rows: &[Entry]| -> Vec<Entry> {
        let rows = rows.iter().filter(|e| e.start < NOW.plus(PUBLISHED_MS));
        rows.cloned().collect()
    };
    assert_eq!(published(&after), published(&before.0));
    let wall = Wall::new(zone(LORD_HOWE));
    let late = starts(&after, "At 20:00")
        .into_iter()
        .filter(|t| *t > NOW.plus(3 * HOUR_MS));
    let late: Vec<_> = late.map(|t| wall.time_of_day(t).to_string()).collect();
    assert!(
        late.len() > 5 && late.iter().all(|time| time == "20:00"),
        "{late:?}"
    );
    let again = written_in(&s.store, &there, NOW).await.unwrap();
    assert_eq!(again.finding, None);
}

#[tokio::test]
async fn a_zone_that_nobody_knows_any_more_is_said_and_replaced_when_accepted() {
    let s = station().await;
    let key = "schedule.zone";
    s.store.set_meta(key, Some("Mars/Olympus")).await.unwrap();
    let here = box_in("UTC");
    for _ in 0..2 {
        let read = written_in(&s.store, &here, NOW).await.unwrap();
        assert!(read.finding.unwrap().contains("Mars/Olympus"));
        assert_eq!(read.zone, TimeZone::UTC);
    }
    s.playout.take_zone(&here).await.unwrap();
    let read = written_in(&s.store, &here, NOW).await.unwrap();
    assert_eq!(read.finding, None);
}

#[tokio::test]
async fn whatever_way_the_clock_jumps_something_is_on_air_and_small_jumps_change_nothing() {
    let (s, ch) = station_with_times(&["6:00", "20:00"]).await;
    let mut draw = Draw(5);
    s.playout.round().await;
    for _ in 0..60 {
        let rows = s.timeline(ch).await;
        let now = s.clock.utc();
        let small = draw.below(3) > 0;
        let jump = match small {
            true => draw.below(2 * HOUR_MS) - HOUR_MS,
            false => draw.below(20 * DAY_MS) - 8 * DAY_MS,
        };
        let then = now.plus(jump);
        let covered =
            rows[0].start <= then && then < rows[rows.len() - 1].stop.plus(-HORIZON_MS / 2);
        s.clock.step_utc(then);
        s.playout.round().await;
        let after = s.timeline(ch).await;
        for pair in after.windows(2) {
            assert_eq!(pair[0].stop, pair[1].start, "rows touch");
        }
        let on_air = s.playout.on_air(ch, then).await.unwrap();
        assert!(on_air.start <= then && then < on_air.stop);
        let ahead = after.last().unwrap().stop.since(then);
        assert!(ahead >= LOW_WATER_MS, "{jump}: {ahead}");
        if covered {
            assert!(after.contains(rows.last().unwrap()), "{jump}: planned anew");
        }
    }
}
