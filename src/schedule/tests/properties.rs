//! What holds for every program over every library: thousands of cases drawn from a seed.

use super::*;

/// Numbers without pattern, from nothing but a seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(1);
        Seed(self.0)
            .of(0xC4A7CE)
            .below(bound.cast_unsigned())
            .cast_signed()
    }

    pub(crate) fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as i64) as usize].clone()
    }
}

/// A library of up to `most` items: shows, films, songs, odd lengths, and a few that cannot be played.
pub(crate) fn library(chance: &mut Chance, most: i64) -> Vec<Playable> {
    let count = chance.below(most + 1);
    let mut items = Vec::new();
    for n in 0..count {
        let ticks = match chance.below(20) {
            0 => chance.below(90_000) - 100,
            1 => 90_000 * chance.of(&[1, 15, 30, 31, 60]) + chance.below(90_000),
            2 => 90_000 * 3600 * (2 + chance.below(4)),
            _ => 90_000 * 60 + chance.below(90_000 * 3600),
        };
        let start = Ticks90k(chance.below(1_000_000));
        let show: Option<Arc<str>> = chance.of(&[
            None,
            Some("A".into()),
            Some("B".into()),
            Some("C 10".into()),
        ]);
        items.push(Playable {
            id: 1 + n * 3 + chance.below(3),
            start,
            end: start + Ticks90k(ticks),
            title: chance
                .of(&["Story (1)", "Story (2)", "Story Part 3", "Else"])
                .to_owned(),
            season: show.is_some().then(|| chance.below(4) as u32),
            episode: show.is_some().then(|| chance.below(12) as u32),
            date: chance.of(&[None, Some("2001-05-01".into()), Some("1999".into())]),
            artist: chance.of(&[None, Some("Band".into())]),
            album: chance.of(&[None, Some("First".into())]),
            breaks: super::fillers::breaks(chance, start, ticks),
            show,
            ..Playable::default()
        });
    }
    items
}

pub(crate) fn order(chance: &mut Chance) -> Order {
    Order {
        by: chance.of(&[
            PlayOrder::Chronological,
            PlayOrder::SeasonEpisode,
            PlayOrder::Custom,
            PlayOrder::Shuffle,
            PlayOrder::Balanced,
            PlayOrder::Random,
            PlayOrder::RandomRotation,
            PlayOrder::Marathon,
            PlayOrder::MultiEpisodeShuffle,
        ]),
        parts: chance.of(&[Parts::Apart, Parts::PerShow, Parts::Together]),
        random_start: chance.one_in(3),
        no_specials: chance.one_in(5),
        story_episodes: chance.below(4) as u32,
        marathon: Marathon {
            by: chance.of(&[
                MarathonBy::Show,
                MarathonBy::Season,
                MarathonBy::Artist,
                MarathonBy::Album,
                MarathonBy::Director,
            ]),
            shuffle_items: chance.one_in(2),
            shuffle_groups: chance.one_in(2),
            batch: chance.below(4) as u32,
        },
    }
}

/// A world to build in.
pub(super) struct World {
    pub(super) catalog: Catalog,
    pub(super) contents: Contents,
    pub(super) program: Program,
    pub(super) zone: TimeZone,
    pub(super) seed: u64,
}

impl World {
    pub(super) fn build(&self, from: UtcMs, until: UtcMs, state: Option<State>) -> Built {
        super::super::build(&BuildInput {
            program: &self.program,
            catalog: &self.catalog,
            contents: &self.contents,
            history: &History::default(),
            seed: self.seed,
            zone: &self.zone,
            from,
            until,
            state,
        })
    }
}

/// What no timeline may break, whatever made it.
pub(super) fn check(built: &Built, world: &World, from: UtcMs, until: UtcMs, case: &str) {
    assert!(
        !built.entries.is_empty() || from >= until,
        "{case}: nothing"
    );
    if built.entries.len().is_multiple_of(8) {
        super::files::check_text(&world.program, case);
    }
    let mut start = from;
    let mut groups: HashSet<i64> = HashSet::new();
    let mut group: Option<i64> = None;
    for entry in &built.entries {
        assert_eq!(entry.start, start, "{case}: entries touch");
        assert!(
            entry.stop.since(entry.start) >= SHORTEST_MS,
            "{case}: {entry:?}"
        );
        match entry.plays {
            Plays::Item { id, from, to } => {
                assert_eq!(
                    entry.stop.since(entry.start),
                    (to - from).round_ms(),
                    "{case}"
                );
                let ix = world.catalog.find(id).expect(case);
                let item = world.catalog.get(ix).expect(case);
                assert!(item.start <= from && to <= item.end, "{case}: {entry:?}");
                assert!(
                    !matches!(entry.role, Role::Gap | Role::Empty),
                    "{case}: {entry:?}"
                );
            }
            Plays::Gap => assert!(
                matches!(entry.role, Role::Gap | Role::Empty),
                "{case}: {entry:?}"
            ),
        }
        if group != Some(entry.group.id) {
            assert!(
                groups.insert(entry.group.id),
                "{case}: a programme in two places"
            );
            group = Some(entry.group.id);
        }
        start = entry.stop;
    }
    assert!(
        start >= until || built.entries.len() >= MAX_ENTRIES,
        "{case}: too short"
    );
    let last = built.entries.last();
    assert!(
        last.is_none_or(|e| e.mark.is_some()),
        "{case}: no mark at the end"
    );
}

/// A timeline built in pieces through the stored form of its marks is the one built in one go.
pub(super) fn check_pieces(
    world: &World,
    whole: &Built,
    from: UtcMs,
    until: UtcMs,
    chance: &mut Chance,
    case: &str,
) {
    let mut pieces: Vec<Planned> = Vec::new();
    let mut at = from;
    while at < until {
        let to = at.plus(1 + chance.below(until.since(at))).min(until);
        let marks = pieces.iter().filter_map(|e| e.mark.as_ref());
        let last_full = pieces
            .iter()
            .rposition(|e| e.mark.as_ref().is_some_and(Mark::is_full));
        let marks: Vec<_> = match last_full {
            Some(n) => pieces[n..].iter().filter_map(|e| e.mark.as_ref()).collect(),
            None => marks.collect(),
        };
        let state = State::restore(marks.iter().map(|m| m.to_json()));
        assert_eq!(state.is_some(), !pieces.is_empty(), "{case}");
        let built = world.build(at, to, state);
        pieces.extend(built.entries);
        at = pieces.last().expect(case).stop;
    }
    let pieces = unmarked(&pieces);
    let whole = unmarked(&whole.entries);
    let differs = pieces.iter().zip(&whole).position(|(a, b)| a != b);
    if let Some(n) = differs {
        panic!(
            "{case}: entry {n}: {:?} in pieces, {:?} in one go",
            pieces[n], whole[n]
        );
    }
    assert!(
        pieces.len() >= whole.len(),
        "{case}: {} {}",
        pieces.len(),
        whole.len()
    );
}

/// From any of its marks a schedule goes on as it did.
pub(super) fn check_resuming(
    world: &World,
    whole: &Built,
    until: UtcMs,
    chance: &mut Chance,
    case: &str,
) {
    let marked: Vec<_> = (0..whole.entries.len())
        .filter(|n| whole.entries[*n].mark.is_some())
        .collect();
    let at = chance.of(&marked);
    let from = (0..=at)
        .rev()
        .find(|n| whole.entries[*n].mark.as_ref().is_some_and(Mark::is_full));
    let marks = whole.entries[from.expect(case)..=at]
        .iter()
        .filter_map(|e| e.mark.as_ref());
    let state = State::restore(marks.map(Mark::to_json));
    assert!(state.is_some(), "{case}");
    let again = world.build(whole.entries[at].stop, until, state);
    let (again, rest) = (unmarked(&again.entries), unmarked(&whole.entries[at + 1..]));
    let differs = again.iter().zip(&rest).position(|(a, b)| a != b);
    if let Some(n) = differs {
        panic!(
            "{case}: resumed behind entry {at}: {:?} instead of {:?}",
            again[n], rest[n]
        );
    }
}

pub(super) fn collections() -> [Collection; 4] {
    let show = |title: &str| Collection::Show {
        title: title.to_owned(),
    };
    [Collection::Library, show("few"), show("list"), show("none")]
}

fn schedule(chance: &mut Chance) -> classic::Schedule {
    use classic::*;
    let item = |chance: &mut Chance| Item {
        name: chance.of(&[None, Some("Named".into())]),
        pick: Pick {
            of: chance.of(&collections()),
            order: order(chance),
            place: chance.of(&[None, None, Some("own".to_owned())]),
        },
        mode: match chance.below(7) {
            0 | 1 => Mode::One,
            2 => Mode::Multiple(Count::Of(
                Sum::parse(chance.of(&["2", "count", "random * 3", "0", "count / 0"])).unwrap(),
            )),
            3 => Mode::Multiple(chance.of(&[
                Count::CollectionSize,
                Count::Story,
                Count::PlaylistEntry,
            ])),
            4 | 5 => Mode::Duration {
                ms: 60_000 * (1 + chance.below(240)),
                tail: chance.of(&[
                    TailMode::None,
                    TailMode::Offline,
                    TailMode::Slate,
                    TailMode::Filler,
                ]),
                discard: chance.below(4) as u32,
            },
            _ => Mode::Flood,
        },
        start: match chance.one_in(3) {
            true => TimeOfDay::from_ms(chance.below(86_400_000) as u32),
            false => None,
        },
        fixed_start: chance.of(&[None, Some(FixedStart::Flexible)]),
        hidden: chance.one_in(6),
        title: chance.of(&[None, None, Some("Night".into())]),
        from_one_group: chance.of(&[
            FromOneGroup::No,
            FromOneGroup::No,
            FromOneGroup::InOrder,
            FromOneGroup::Shuffled,
        ]),
        fillers: super::fillers::fillers(chance),
        dress: None,
    };
    Schedule {
        items: (0..chance.below(6)).map(|_| item(chance)).collect(),
        shuffle_items: chance.one_in(5),
        fixed_start: FixedStart::Strict,
        grace_s: chance.of(&[0, 600]),
    }
}

/// A schedule and others for certain days.
pub(super) fn classic(chance: &mut Chance) -> Classic {
    let alternate = |chance: &mut Chance| classic::Alternate {
        on: Days {
            days_of_month: (0..31).filter(|_| chance.one_in(2)).collect(),
            ..Days::default()
        },
        schedule: schedule(chance),
    };
    Classic {
        alternates: (0..chance.below(3)).map(|_| alternate(chance)).collect(),
        schedule: schedule(chance),
    }
}

#[test]
fn ten_thousand_classic_schedules_hold_what_every_timeline_must() {
    let zones = [
        "CST6CDT,M3.2.0,M11.1.0",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "UTC0",
    ];
    for seed in 0..10_000 {
        let case = format!("classic {seed}");
        let mut chance = Chance::new(seed * 1000);
        let mut items = library(&mut chance, 10);
        let whole: Vec<_> = items.iter().map(|item| item.id).collect();
        let chapters: Vec<_> = items.iter().flat_map(Playable::chapters).collect();
        items.extend(chapters);
        let catalog = Catalog::new(items);
        let whole: Vec<_> = whole.iter().filter_map(|id| catalog.find(*id)).collect();
        let [all, few, list, _] = collections();
        let mut contents = Contents::default();
        contents.put(
            few.clone(),
            Content::Items(whole.iter().copied().take(2).collect()),
        );
        contents.put(all.clone(), Content::Items(whole.into()));
        let entry = |of: &Collection, take| PlaylistEntry {
            pick: Pick::new(of.clone(), PlayOrder::Shuffle),
            take,
            in_guide: take == Take::All,
        };
        let entries = vec![entry(&all, Take::Count(2)), entry(&few, Take::All)];
        contents.put(
            list,
            Content::Playlist(Playlist {
                entries,
                shuffled: false,
            }),
        );
        let world = World {
            catalog,
            contents,
            program: Program::Classic(classic(&mut chance)),
            zone: TimeZone::posix(chance.of(&zones)).unwrap(),
            seed,
        };
        // Around both switch days of 2025, among others.
        let day = chance.of(&[
            1_741_500_000_000,
            1_762_060_000_000,
            1_743_860_000_000,
            1_759_590_000_000,
            1_700_000_000_000,
        ]);
        let from = UtcMs(day + chance.below(DAY_MS));
        let until = from.plus(1 + chance.below(DAY_MS / 3));
        let built = world.build(from, until, None);
        check(&built, &world, from, until, &case);
        check_pieces(&world, &built, from, until, &mut chance, &case);
        check_resuming(&world, &built, until, &mut chance, &case);
    }
}

#[test]
fn ten_thousand_loops_hold_what_every_timeline_must() {
    for seed in 0..10_000 {
        let case = format!("loop {seed}");
        let mut chance = Chance::new(seed * 1000);
        let catalog = Catalog::new(library(&mut chance, 12));
        let order = order(&mut chance);
        let world = World {
            contents: Contents::all(Collection::Library, &catalog),
            catalog,
            program: loop_of(order),
            zone: TimeZone::UTC,
            seed,
        };
        let from = UtcMs(1_700_000_000_000 + chance.below(DAY_MS));
        let until = from.plus(1 + chance.below(DAY_MS / 6));
        let built = world.build(from, until, None);
        check(&built, &world, from, until, &case);
        assert_eq!(
            built.entries,
            world.build(from, until, None).entries,
            "{case}: twice the same"
        );
        check_pieces(&world, &built, from, until, &mut chance, &case);
        check_resuming(&world, &built, until, &mut chance, &case);
    }
}
