//! Timelines of programs that put more than one entry into a programme of the guide.

use super::*;
use crate::schedule::block::{
    Block, Blocks, Break, Dated, Deco, DefaultFiller, Placement, Rules, Setting, Slot, Template,
};
use crate::schedule::classic::{
    Classic, Count, FixedStart, FromOneGroup, Item, Mode, Schedule, TailMode,
};
use crate::schedule::filler::{Amount, Filler, Fillers};
use crate::schedule::{Pick, Program, Role, Sum, TimeOfDay};

fn filler(amount: Amount) -> Option<Filler> {
    let mut pick = Pick::new(Collection::Library, PlayOrder::Shuffle);
    pick.place = Some("filler".to_owned());
    Some(Filler {
        hide_watermarks: true,
        ..Filler::new("Clips", pick, amount)
    })
}

pub(super) fn item(mode: Mode) -> Item {
    Item {
        name: None,
        pick: Pick::new(Collection::Library, PlayOrder::Shuffle),
        mode,
        start: None,
        fixed_start: None,
        hidden: false,
        title: None,
        from_one_group: FromOneGroup::No,
        fillers: Fillers::default(),
        dress: None,
    }
}

fn program() -> Program {
    let mut padded = item(Mode::Multiple(Count::Of(Sum::parse("3").unwrap())));
    padded.fillers.pre_roll = filler(Amount::Count(1));
    padded.fillers.post_roll = filler(Amount::PadMinutes(15));
    padded.fillers.fallback = filler(Amount::default());
    let mut night = item(Mode::Duration {
        ms: 2 * HOUR_MS,
        tail: TailMode::Slate,
        discard: 2,
    });
    night.start = TimeOfDay::parse("23:00");
    night.fixed_start = Some(FixedStart::Flexible);
    night.title = Some("Night".into());
    let mut hidden = item(Mode::One);
    hidden.hidden = true;
    Program::Classic(Classic {
        schedule: Schedule {
            items: vec![padded, night, hidden],
            ..Schedule::default()
        },
        alternates: Vec::new(),
    })
}

/// The programmes of the guide are those of the rows: groups follow each other, share edges and titles, and cover all.
pub(super) fn check_guide(rows: &[Entry]) {
    let seconds = |t: UtcMs| (t.0 + 500).div_euclid(1000);
    for pair in rows.windows(2) {
        assert_eq!(pair[0].stop, pair[1].start, "rows touch");
    }
    for group in rows.chunk_by(|a, b| a.guide_group == b.guide_group) {
        let edges = (
            seconds(group[0].start),
            seconds(group[group.len() - 1].stop),
        );
        for row in group {
            assert_eq!(row.guide_stop_s, edges.1, "{row:?}");
            // Of the first programme the beginning may have been cleared away.
            match group[0].id == rows[0].id {
                true => assert!(row.guide_start_s <= edges.0, "{row:?}"),
                false => assert_eq!(row.guide_start_s, edges.0, "{row:?}"),
            }
            assert_eq!(row.metadata.title, group[0].metadata.title);
            assert!(row.start < row.stop);
        }
    }
    let mut groups: Vec<_> = rows.iter().map(|r| r.guide_group).collect();
    groups.dedup();
    assert!(groups.is_sorted() && groups.windows(2).all(|w| w[0] < w[1]));
}

/// A block from 22:30 on into the next day, one at noon, and filler with an end of its own in between.
fn blocks() -> Program {
    let item = |hidden| crate::schedule::block::Item {
        pick: Pick::new(Collection::Library, PlayOrder::Shuffle),
        hidden,
        dress: None,
    };
    let block = |minutes, items, title: Option<&str>| Block {
        minutes,
        items,
        title: title.map(Into::into),
        ..Block::default()
    };
    let slot = |at, block: &str| Slot {
        at: TimeOfDay::parse(at).unwrap(),
        block: block.into(),
        deco: None,
    };
    let day = Template {
        slots: vec![slot("12:00", "noon"), slot("22:30", "night")],
    };
    let spot = Break {
        at: Placement::BlockStart,
        filler: filler(Amount::Count(1)).unwrap(),
    };
    let deco = Deco {
        filler: Setting::Override(DefaultFiller {
            filler: filler(Amount::default()).unwrap(),
            trim_to_fit: false,
        }),
        breaks: Setting::Override(vec![spot]),
        ..Deco::default()
    };
    let rules = Rules {
        blocks: [
            (
                "noon".into(),
                block(120, vec![item(true), item(false)], None),
            ),
            (
                "night".into(),
                block(240, vec![item(false); 4], Some("Night")),
            ),
        ]
        .into(),
        templates: [("day".into(), day)].into(),
        calendar: vec![Dated {
            template: "day".into(),
            ..Dated::default()
        }],
        decos: [("channel".into(), deco)].into(),
        deco: Some("channel".into()),
        ..Rules::default()
    };
    Program::Block(Blocks::new(rules).unwrap())
}

#[tokio::test]
async fn a_classic_program_is_shown_as_it_is_played_whatever_is_added_or_rebuilt() {
    use Role::{Hidden, PostRoll, PreRoll, Programme};
    check_shown_as_played(program(), [Programme, Hidden, PreRoll, PostRoll]).await;
}

#[tokio::test]
async fn a_block_program_is_shown_as_it_is_played_whatever_is_added_or_rebuilt() {
    use Role::{Hidden, PreRoll, Programme, Tail};
    check_shown_as_played(blocks(), [Programme, Hidden, PreRoll, Tail]).await;
}

async fn check_shown_as_played(program: Program, has: [Role; 4]) {
    let s = station().await;
    let minutes = [21, 33, 47, 8, 1, 2, 64];
    s.items(0, &minutes.map(|m| 90_000 * 60 * m + 777)).await;
    let mut ch = s.channel("1", PlayOrder::Shuffle).await;
    ch.program = Some(program);
    s.store.update_channel(ch.clone()).await.unwrap();
    assert_eq!(s.store.channel(ch.id).await.unwrap().program, ch.program);
    s.playout.ensure(ch.id).await.unwrap();
    let rows = s.timeline(ch.id).await;
    check_guide(&rows);
    // It has been there since midnight, and what is on air began before now.
    assert!(rows[0].start <= NOW && NOW < rows.iter().map(|r| r.stop).max().unwrap());
    assert!(s.playout.on_air(ch.id, NOW).await.unwrap().start <= NOW);
    let roles: std::collections::HashSet<_> = rows.iter().map(|r| r.role).collect();
    for role in has {
        assert!(roles.contains(&role), "{role:?}");
    }
    for step in [9 * HOUR_MS + 777, 15 * HOUR_MS + 1, DAY_MS] {
        s.advance_ms(step);
        let before = s.timeline(ch.id).await;
        s.playout.round().await;
        check_guide(&s.timeline(ch.id).await);
        s.items(20 + step as usize, &[90_000 * 60 * 52]).await;
        s.playout.rebuild_future(ch.id).await.unwrap();
        let after = s.timeline(ch.id).await;
        check_guide(&after);
        // The published hour stays, and with it the rest of the programme that begins in it.
        let published = s.clock.utc().plus(PUBLISHED_MS);
        let same = |e: &Entry| (e.id, e.start, e.stop, e.content.clone());
        let (old, new): (Vec<_>, Vec<_>) = (
            before
                .iter()
                .filter(|e| e.start < published && e.stop > s.clock.utc())
                .map(same)
                .collect(),
            after.iter().map(same).collect(),
        );
        assert!(!old.is_empty() && old.iter().all(|e| new.contains(e)));
    }
    let rows = s.timeline(ch.id).await;
    let (first, last) = (rows[0].start, rows.last().unwrap().stop);
    let mut draw = Draw(3);
    for _ in 0..300 {
        let t = first.plus(draw.below(last.since(first)));
        let on_air = s.playout.on_air(ch.id, t).await.unwrap();
        let (from, to) = (on_air.guide_start_s * 1000, on_air.guide_stop_s * 1000);
        assert!((from - 500..=to + 500).contains(&t.0), "{t:?} {on_air:?}");
    }
}

#[tokio::test]
async fn an_extended_classic_timeline_is_the_one_built_in_one_go() {
    let mut timelines = Vec::new();
    for steps in [
        vec![3 * DAY_MS],
        vec![DAY_MS, DAY_MS / 2 + 12_345, DAY_MS + DAY_MS / 2 - 12_345],
    ] {
        let s = station().await;
        s.items(
            0,
            &[90_000 * 60 * 21, 90_000 * 60 * 33 + 5, 90_000 * 60 * 2],
        )
        .await;
        let mut ch = s.channel("1", PlayOrder::Shuffle).await;
        ch.program = Some(program());
        s.store.update_channel(ch.clone()).await.unwrap();
        s.playout.ensure(ch.id).await.unwrap();
        for step in steps {
            s.advance_ms(step);
            s.playout.ensure(ch.id).await.unwrap();
        }
        let plain = |e: Entry| {
            (
                e.start,
                e.stop,
                e.content,
                e.guide_group,
                e.guide_stop_s,
                e.metadata.title,
            )
        };
        timelines.push(
            s.timeline(ch.id)
                .await
                .into_iter()
                .map(plain)
                .collect::<Vec<_>>(),
        );
    }
    let short = timelines[0].len().min(timelines[1].len());
    // The last programme may go on in what is built next.
    assert!(short > 300);
    assert_eq!(timelines[0][..short - 9], timelines[1][..short - 9]);
}

#[tokio::test]
async fn a_gap_by_the_will_of_the_schedule_is_not_planned_anew_every_hour() {
    let s = station().await;
    s.items(0, &[90_000 * 60 * 30]).await;
    let mut ch = s.channel("1", PlayOrder::Shuffle).await;
    let mut news = item(Mode::One);
    news.start = TimeOfDay::parse("20:00");
    ch.program = Some(Program::Classic(Classic {
        schedule: Schedule {
            items: vec![news],
            ..Schedule::default()
        },
        alternates: Vec::new(),
    }));
    s.store.update_channel(ch.clone()).await.unwrap();
    let version = s.playout.ensure(ch.id).await.unwrap();
    let rows = s.timeline(ch.id).await;
    assert!(rows.iter().any(|r| r.role == Role::Gap));
    assert_eq!(s.playout.ensure(ch.id).await.unwrap(), version);
    check_guide(&rows);
}
