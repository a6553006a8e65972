//! What decos put around blocks, into them and between them.

use super::*;
use crate::media::probe::Chapter;
use crate::schedule::Breaks;
use crate::schedule::filler::{Amount, Filler};

fn library() -> Case {
    Case::new()
        .minutes("a", &[20, 20, 20])
        .minutes("b", &[30, 30])
        .minutes("f", &[4, 7])
        .minutes("g", &[3, 3])
        .minutes("long", &[100, 5])
        .minutes("none", &[])
        .block("x", block(60, [item("a"), item("b")]))
}

fn filler(name: &str, of: &str, amount: Amount) -> Filler {
    Filler::new(name, Pick::new(named(of), PlayOrder::Chronological), amount)
}

fn fills(of: &str, trim_to_fit: bool) -> Deco {
    Deco {
        filler: Setting::Override(DefaultFiller {
            filler: filler("Clips", of, Amount::default()),
            trim_to_fit,
        }),
        ..Deco::default()
    }
}

fn dead_air(of: &str, deco: Deco) -> Deco {
    Deco {
        dead_air: Setting::Override(filler("Rest", of, Amount::default())),
        ..deco
    }
}

fn breaks<const N: usize>(breaks: [(Placement, &str, u32); N]) -> Deco {
    let breaks = breaks.map(|(at, of, count)| Break {
        at,
        filler: filler("Break", of, Amount::Count(count)),
    });
    Deco {
        breaks: Setting::Override(breaks.into()),
        ..Deco::default()
    }
}

fn marks(of: Setting<Vec<String>>, on_filler: bool, deco: Deco) -> Deco {
    Deco {
        watermarks: of,
        watermarks_on_filler: on_filler,
        ..deco
    }
}

fn shown(marks: &[&str]) -> Setting<Vec<String>> {
    Setting::Override(marks.iter().map(|m| (*m).to_owned()).collect())
}

impl Case {
    fn deco(mut self, name: &str, deco: Deco) -> Self {
        self.rules.decos.insert(name.into(), deco);
        self
    }

    /// The same, as that of the channel.
    fn channel(mut self, deco: Deco) -> Self {
        self.rules.deco = Some("channel".into());
        self.deco("channel", deco)
    }

    /// Gives the first entry of the calendar decos for times of day.
    fn times(mut self, slots: &[(&str, &str, &str)]) -> Self {
        let slots = slots.iter().map(|(from, to, deco)| DecoSlot {
            from: TimeOfDay::parse(from).unwrap(),
            to: TimeOfDay::parse(to).unwrap(),
            deco: (*deco).into(),
        });
        let slots = slots.collect();
        let template = DecoTemplate { slots };
        self.rules.deco_templates.insert("times".into(), template);
        self.rules.calendar[0].decos = Some("times".into());
        self
    }

    /// Gives a deco to the only block of the first template.
    fn in_block(mut self, deco: &str) -> Self {
        let template = self.rules.templates.values_mut().next().unwrap();
        template.slots[0].deco = Some(deco.into());
        self
    }

    fn looks(&self, until: i64) -> Vec<(i64, Option<Vec<String>>)> {
        let built = self.build(until);
        let look = |e: &crate::schedule::Planned| {
            let minute = e.start.since(self.from) / MINUTE_MS;
            (minute, e.dress.as_ref().and_then(|d| d.watermarks.clone()))
        };
        built.entries.iter().map(look).collect()
    }
}

#[test]
fn the_filler_plays_whole_items_while_they_fit() {
    let case = library()
        .channel(fills("f", false))
        .day("day", &[("0:00", "x"), ("1:22", "x")]);
    check(
        &case,
        82 * MINUTE_MS,
        // Within the block's time it belongs to the block's last programme; behind it stands under its own name.
        "0:00 a1, 0:20 b1, 0:50 +f1, 0:54 +f2, 1:01 f1 (Clips), 1:05 +f2, 1:12 +f1, 1:16 +f1, 1:20 +-",
    );
}

#[test]
fn the_filler_is_cut_off_where_it_is_to_fit() {
    let case = library()
        .channel(fills("f", true))
        .day("day", &[("0:00", "x"), ("1:00", "x")]);
    check(
        &case,
        70 * MINUTE_MS,
        "0:00 a1, 0:20 b1, 0:50 +f1, 0:54 +f2, 1:00 a2",
    );
}

#[test]
fn a_filler_that_is_too_long_for_a_gap_is_passed_over_and_not_lost() {
    let case = library()
        .channel(fills("long", false))
        .day("day", &[("0:00", "x"), ("1:00", "x"), ("2:00", "x")]);
    check(
        &case,
        3 * HOUR_MS + 1,
        "0:00 a1, 0:20 b1, 0:50 +long2, 0:55 +long2, 1:00 a2, 1:20 b2, 1:50 +long2, 1:55 +long2, \
         2:00 a3, 2:20 b1, 2:50 +long1",
    );
    // What fits nowhere stays next.
    let case = library()
        .minutes("h", &[50, 40])
        .channel(fills("h", false))
        .day("day", &[("0:00", "x"), ("1:00", "x"), ("2:40", "x")]);
    check(
        &case,
        160 * MINUTE_MS,
        "0:00 a1, 0:20 b1, 0:50 +-, 1:00 a2, 1:20 b2, 1:50 +h1",
    );
}

#[test]
fn dead_air_is_covered_to_the_end() {
    let case = library()
        .channel(dead_air("g", fills("f", false)))
        .day("day", &[("0:00", "x"), ("1:05", "x")]);
    check(
        &case,
        65 * MINUTE_MS,
        "0:00 a1, 0:20 b1, 0:50 +f1, 0:54 +f2, 1:01 f1 (Clips)",
    );
    let case = library()
        .channel(dead_air("g", Deco::default()))
        .day("day", &[("0:00", "x"), ("1:05", "x")]);
    check(
        &case,
        65 * MINUTE_MS,
        "0:00 a1, 0:20 b1, 0:50 +g1, 0:53 +g2, 0:56 +g1, 0:59 +g2, 1:02 g1 (Rest)",
    );
    let case = library()
        .channel(dead_air("g", fills("none", true)))
        .day("day", &[("0:00", "x"), ("0:52", "x")]);
    check(&case, 52 * MINUTE_MS, "0:00 a1, 0:20 b1, 0:50 +g1");
}

#[test]
fn a_deco_inherits_overrides_or_disables() {
    let day = [("0:00", "x"), ("1:00", "x")];
    for (of_block, expected) in [
        (Deco::default(), "0:50 +f1, 0:54 +f2"),
        (fills("g", true), "0:50 +g1, 0:53 +g2, 0:56 +g1, 0:59 +g2"),
        (
            Deco {
                filler: Setting::Disable,
                ..Deco::default()
            },
            "0:50 +-",
        ),
    ] {
        let case = library()
            .channel(fills("f", true))
            .deco("block", of_block)
            .day("day", &day)
            .in_block("block");
        check(&case, HOUR_MS, &format!("0:00 a1, 0:20 b1, {expected}"));
    }
}

#[test]
fn decos_change_with_the_time_of_day() {
    let case = library()
        .deco("clips", fills("long", true))
        .day("day", &[("0:00", "x")])
        .times(&[("4:00", "5:00", "clips"), ("23:00", "1:30", "clips")]);
    check(
        &case,
        26 * HOUR_MS,
        // Of the first day there is no day before. What begins in time goes on beyond it.
        "0:00 a1, 0:20 b1, 0:50 +long1, 2:30 -, 4:00 long2 (Clips), 4:05 +long1, 5:45 -, \
         23:00 long2 (Clips), 23:05 +long1, 0:00 a2, 0:20 b2, 0:50 +long2, 0:55 +long1",
    );
}

#[test]
fn breaks_stand_before_between_and_behind_the_items_of_a_block() {
    let case = library()
        .channel(breaks([
            (Placement::BlockStart, "f", 1),
            (Placement::BetweenBlockItems, "g", 1),
            (Placement::BlockFinish, "g", 2),
        ]))
        .day("day", &[("0:00", "x")]);
    check(
        &case,
        2 * HOUR_MS,
        "0:00 f1 (a1), 0:04 +a1, 0:24 +g1, 0:27 b1, 0:57 +g2, 1:00 +g1, 1:03 -",
    );
    let built = case.build(HOUR_MS);
    let roles: Vec<_> = built.entries.iter().map(|e| e.role).collect();
    let (programme, post) = (Role::Programme, Role::PostRoll);
    assert_eq!(
        roles,
        [Role::PreRoll, programme, post, programme, post, post]
    );
}

#[test]
fn breaks_give_way_to_items_and_to_the_next_block() {
    let all = breaks([
        (Placement::BlockStart, "g", 1),
        (Placement::BetweenBlockItems, "g", 1),
        (Placement::BlockFinish, "g", 1),
    ]);
    let case = library()
        .block("y", in_time(block(55, [item("a"), item("b")])))
        .channel(all.clone())
        .day("day", &[("0:00", "y"), ("0:55", "y")]);
    // A break at the start leaves too little for one between, and there is one behind neither.
    check(
        &case,
        2 * HOUR_MS,
        "0:00 g1 (a1), 0:03 +a1, 0:23 b1, 0:53 +-, 0:55 g2 (a2), 0:58 +a2, 1:18 b2, 1:48 +g1, 1:51 -",
    );
    let case = library()
        .block("y", in_time(block(20, [item("a")])))
        .channel(all)
        .day("day", &[("0:00", "y"), ("0:20", "y")]);
    check(&case, 43 * MINUTE_MS, "0:00 a1, 0:20 a2, 0:40 +g1");
}

#[test]
fn a_break_that_is_left_out_is_next_the_next_time() {
    let case = library()
        .block("y", in_time(block(20, [item("a")])))
        .channel(breaks([(Placement::BlockFinish, "f", 1)]))
        .day("day", &[("0:00", "y"), ("0:20", "y")]);
    check(&case, 44 * MINUTE_MS, "0:00 a1, 0:20 a2, 0:40 +f1");
}

#[test]
fn a_break_of_very_many_items_does_not_keep_the_one_behind_it_from_being_drawn() {
    let long = filler("Spots", "spot", Amount::DurationMs(1_100 * MINUTE_MS));
    let both = [long, filler("Break", "g", Amount::Count(1))].map(|filler| Break {
        at: Placement::BlockStart,
        filler,
    });
    let case = library()
        .minutes("spot", &[1])
        .block("y", block(24 * 60, [item("a")]))
        .channel(Deco {
            breaks: Setting::Override(both.into()),
            ..Deco::default()
        })
        .day("day", &[("0:00", "y")]);
    let built = case.build(20 * HOUR_MS);
    assert!(
        case.show(&built)
            .ends_with("18:19 +spot1, 18:20 +g1, 18:23 +a1, 18:43 +-")
    );
}

#[test]
fn what_is_hidden_before_the_first_programme_leads_to_it_behind_a_break_as_well() {
    let case = library()
        .block("y", block(60, [hidden("a"), item("b")]))
        .channel(breaks([
            (Placement::BlockStart, "g", 1),
            (Placement::BetweenBlockItems, "f", 1),
        ]))
        .day("day", &[("0:00", "y")]);
    check(
        &case,
        HOUR_MS,
        "0:00 g1 (b1), 0:03 +a1, 0:23 +f1, 0:27 +b1, 0:57 +-",
    );
}

/// What has chapters of ten minutes.
fn with_chapters(mut case: Case, name: &str) -> Case {
    for item in case.items.iter_mut().filter(|i| i.title.starts_with(name)) {
        let chapter = |n: i64| Chapter {
            start: Ticks90k(n * 10 * 60 * 90_000),
            title: String::new(),
        };
        item.breaks = Some(Arc::new(Breaks {
            chapters: (0..item.length_ms() / (10 * MINUTE_MS))
                .map(chapter)
                .collect(),
            ..Breaks::default()
        }));
    }
    case
}

#[test]
fn breaks_stand_between_chapters_and_behind_what_has_none() {
    let case = library()
        .channel(breaks([
            (Placement::ChapterMarks, "g", 1),
            (Placement::BetweenBlockItems, "f", 1),
        ]))
        .day("day", &[("0:00", "x")]);
    let case = with_chapters(case, "a");
    check(
        &case,
        2 * HOUR_MS,
        "0:00 a1, 0:10 +g1, 0:13 +a1, 0:23 +f1, 0:27 b1, 0:57 +g2, 1:00 -",
    );
    assert!(
        Program::Block(Blocks::new(case.rules.clone()).unwrap())
            .needs()
            .breaks
    );
    let roles: Vec<_> = case.build(HOUR_MS).entries.iter().map(|e| e.role).collect();
    let programme = Role::Programme;
    assert_eq!(
        roles,
        [
            programme,
            Role::MidRoll,
            programme,
            Role::PostRoll,
            programme,
            Role::PostRoll
        ]
    );
}

#[test]
fn an_item_that_fits_only_without_breaks_between_its_chapters_has_none() {
    let case = library()
        .block("y", in_time(block(25, [item("a"), item("f")])))
        .channel(breaks([(Placement::ChapterMarks, "g", 2)]))
        .day("day", &[("0:00", "y"), ("0:25", "y")]);
    let case = with_chapters(case, "a");
    check(
        &case,
        50 * MINUTE_MS,
        "0:00 a1, 0:20 f1, 0:24 +-, 0:25 a2, 0:45 +-",
    );
    let case = library()
        .block("y", in_time(block(30, [item("a")])))
        .channel(breaks([(Placement::ChapterMarks, "g", 2)]))
        .day("day", &[("0:00", "y")]);
    check(
        &with_chapters(case, "a"),
        30 * MINUTE_MS,
        "0:00 a1, 0:10 +g1, 0:13 +g2, 0:16 +a1, 0:26 +-",
    );
}

#[test]
fn fillers_between_chapters_look_as_decos_want_fillers_to() {
    let none = Some(Vec::new());
    let logo = Some(vec!["logo".to_owned()]);
    let deco = breaks([(Placement::ChapterMarks, "g", 1)]);
    let case = library()
        .channel(marks(shown(&["logo"]), false, deco))
        .day("day", &[("0:00", "x")]);
    let looks = with_chapters(case, "a").looks(20 * MINUTE_MS);
    assert_eq!(looks, [(0, logo.clone()), (10, none), (13, logo)]);
}

#[test]
fn watermarks_are_those_of_the_deco_that_counts() {
    let none = Some(Vec::new());
    let logo = Some(vec!["logo".to_owned()]);
    let day = [("0:00", "x"), ("1:00", "x")];
    let of = |programme: &Option<Vec<String>>, clips: &Option<Vec<String>>| {
        vec![
            (0, programme.clone()),
            (20, programme.clone()),
            (50, clips.clone()),
            (54, clips.clone()),
        ]
    };
    for (of_channel, of_block, expected) in [
        (Setting::Inherit, Setting::Inherit, of(&None, &None)),
        (shown(&["logo"]), Setting::Inherit, of(&logo, &none)),
        (shown(&["old"]), shown(&["logo"]), of(&logo, &logo)),
        (shown(&["old"]), Setting::Disable, of(&none, &none)),
        (Setting::Disable, shown(&["logo"]), of(&logo, &logo)),
    ] {
        let case = library()
            .channel(marks(of_channel, false, fills("f", true)))
            .deco("block", marks(of_block, true, Deco::default()))
            .day("day", &day)
            .in_block("block");
        assert_eq!(case.looks(HOUR_MS), expected);
    }
}

#[test]
fn an_item_that_shows_no_watermark_shows_none_whatever_decos_say() {
    let dress = |marks: &[&str]| {
        Some(Arc::new(Dress {
            watermarks: Some(marks.iter().map(|m| (*m).to_owned()).collect()),
        }))
    };
    let look = |own, deco| {
        let mut bare = item("b");
        bare.dress = own;
        let case = library()
            .block("y", block(30, [bare]))
            .channel(marks(deco, false, Deco::default()))
            .day("day", &[("0:00", "y")]);
        case.looks(30 * MINUTE_MS)[0].1.clone()
    };
    for (own, deco, expected) in [
        (dress(&[]), shown(&["logo"]), Some(vec![])),
        (dress(&["own"]), shown(&["logo"]), Some(vec!["logo"])),
        (dress(&["own"]), Setting::Inherit, Some(vec!["own"])),
        (dress(&["own"]), Setting::Disable, Some(vec![])),
        (None, Setting::Inherit, None),
    ] {
        let expected = expected.map(|e| e.into_iter().map(str::to_owned).collect());
        assert_eq!(look(own, deco), expected);
    }
}

#[test]
fn a_night_of_filler_is_planned_in_pieces() {
    let case = library()
        .minutes("short", &[1])
        .channel(fills("short", false))
        .day("day", &[("0:00", "x")]);
    let built = case.build(DAY_MS);
    let marks: Vec<_> = built.entries.iter().filter(|e| e.mark.is_some()).collect();
    let most = marks.windows(2).map(|m| m[1].stop.since(m[0].stop)).max();
    assert_eq!(most, Some(30 * MINUTE_MS));
}
