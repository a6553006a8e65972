//! What each order keeps to, on its own.

use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::clock::UtcMs;
use crate::media::Ticks90k;
use crate::schedule::content::{
    Collection, Content, Contents, Member, Pick, Playlist, PlaylistEntry, Take,
};
use crate::schedule::draw::Seed;
use crate::schedule::{Aired, Catalog, History, Ix, Playable};

fn clip(id: i64) -> Playable {
    Playable {
        id,
        end: Ticks90k::from_ms(60_000 + id),
        title: format!("Clip {id}"),
        ..Playable::default()
    }
}

fn episode(id: i64, show: &str, season: u32, number: u32) -> Playable {
    Playable {
        show: Some(show.into()),
        season: Some(season),
        episode: Some(number),
        date: Some(format!("{:04}-01-01", 2000 + number).into()),
        ..clip(id)
    }
}

fn named(name: &str) -> Collection {
    Collection::Show {
        title: name.to_owned(),
    }
}

/// Everything that a deck lives on, and the places in it.
struct Table {
    catalog: Catalog,
    contents: Contents,
    history: History,
    seed: Seed,
    cursors: Cursors,
}

impl Table {
    fn new(items: Vec<Playable>) -> Self {
        let catalog = Catalog::new(items);
        Self {
            contents: Contents::all(Collection::Library, &catalog),
            catalog,
            history: History::default(),
            seed: Seed(1),
            cursors: Cursors::default(),
        }
    }

    fn places(&self, ids: &[i64]) -> Arc<[Ix]> {
        ids.iter().filter_map(|id| self.catalog.find(*id)).collect()
    }

    fn put(&mut self, name: &str, ids: &[i64]) {
        let items = Content::Items(self.places(ids));
        self.contents.put(named(name), items);
    }

    /// Deals on from where the last call ended, through the stored form of the places.
    fn deal(&mut self, pick: &Pick, count: usize) -> Vec<i64> {
        let json = serde_json::to_string(&self.cursors).unwrap();
        let cursors = serde_json::from_str(&json).unwrap();
        let mut deck = Deck::new(
            &self.catalog,
            &self.contents,
            &self.history,
            self.seed,
            cursors,
        );
        let key = deck.open(pick);
        let mut next = || {
            let dealt = deck.deal(key)?;
            deck.note_aired(dealt.ix, UtcMs(0));
            Some(self.catalog.id(dealt.ix))
        };
        let dealt = (0..count).map_while(|_| next()).collect();
        self.cursors.extend(deck.cursors());
        dealt
    }
}

fn library(order: impl Into<Order>) -> Pick {
    Pick::new(Collection::Library, order)
}

const ALL: [PlayOrder; 9] = [
    PlayOrder::Chronological,
    PlayOrder::SeasonEpisode,
    PlayOrder::Custom,
    PlayOrder::Shuffle,
    PlayOrder::Balanced,
    PlayOrder::Random,
    PlayOrder::RandomRotation,
    PlayOrder::Marathon,
    PlayOrder::MultiEpisodeShuffle,
];

/// Three shows of 4, 7 and 11 episodes, and three films.
fn mixed() -> Vec<Playable> {
    let mut items = Vec::new();
    for (show, count) in [("Alpha", 4), ("Beta", 7), ("Gamma", 11)] {
        for n in 1..=count {
            let id = i64::try_from(items.len()).unwrap() + 1;
            items.push(episode(id, show, 1 + n / 5, n));
        }
    }
    items.extend((100..103).map(clip));
    items
}

#[test]
fn every_order_goes_on_from_its_stored_place_as_if_it_had_never_stopped() {
    for by in ALL {
        let mut whole = Table::new(mixed());
        let expected = whole.deal(&library(by), 200);
        assert_eq!(expected.len(), 200, "{by:?}");
        let mut pieces = Table::new(mixed());
        let mut dealt = Vec::new();
        for n in [1, 2, 3, 5, 8, 13, 21, 34, 55, 58] {
            dealt.extend(pieces.deal(&library(by), n));
            let json = serde_json::to_string(&pieces.cursors).unwrap();
            assert!(json.len() < 600, "{by:?}: {json}");
        }
        assert_eq!(dealt, expected, "{by:?}");
    }
}

#[test]
fn every_order_is_rewound_exactly() {
    for by in ALL {
        let table = Table::new(mixed());
        let mut deck = Deck::new(
            &table.catalog,
            &table.contents,
            &table.history,
            table.seed,
            Cursors::default(),
        );
        let key = deck.open(&library(by));
        for length in 1..40 {
            let (mark, places) = (deck.mark(), deck.cursors());
            let first: Vec<_> = (0..length).map(|_| deck.deal(key).unwrap().ix).collect();
            deck.rewind(mark);
            assert_eq!(deck.cursors(), places, "{by:?}");
            let again: Vec<_> = (0..length).map(|_| deck.deal(key).unwrap().ix).collect();
            assert_eq!(first, again, "{by:?}");
            deck.settle();
        }
    }
}

#[test]
fn orders_with_rounds_play_everything_once_in_each() {
    let n = mixed().len();
    for by in ALL {
        if matches!(by, PlayOrder::Random | PlayOrder::RandomRotation) {
            continue;
        }
        let dealt = Table::new(mixed()).deal(&library(by), n * 5);
        for round in dealt.chunks(n) {
            let distinct: HashSet<_> = round.iter().collect();
            assert_eq!(distinct.len(), n, "{by:?}");
        }
        assert!(dealt.windows(2).all(|w| w[0] != w[1]), "{by:?}");
    }
}

#[test]
fn an_empty_collection_deals_nothing_and_a_single_item_again_and_again() {
    for by in ALL {
        assert!(
            Table::new(vec![]).deal(&library(by), 3).is_empty(),
            "{by:?}"
        );
        let one = Table::new(vec![clip(7)]).deal(&library(by), 3);
        assert_eq!(one, [7, 7, 7], "{by:?}");
    }
}

#[test]
fn a_balanced_shuffle_spreads_each_show_over_the_round_and_keeps_its_order() {
    for seed in 0..50 {
        let mut table = Table::new(mixed());
        table.seed = Seed(seed);
        let dealt = table.deal(&library(PlayOrder::Balanced), mixed().len());
        let gamma: Vec<_> = dealt.iter().filter(|id| (12..=22).contains(*id)).collect();
        assert!(gamma.is_sorted(), "seed {seed}: {dealt:?}");
        // Of 25 items the 4 of Alpha are spread: never two of them within three places.
        let places: Vec<_> = (0..25).filter(|n| dealt[*n] <= 4).collect();
        assert!(
            places.windows(2).all(|w| w[1] - w[0] >= 3),
            "seed {seed}: {places:?}"
        );
    }
}

#[test]
fn a_random_start_turns_the_order_and_leaves_it_whole() {
    for by in [PlayOrder::Chronological, PlayOrder::SeasonEpisode] {
        let order = Order {
            random_start: true,
            ..by.into()
        };
        let plain = Table::new(mixed()).deal(&library(by), 25);
        let mut starts = HashSet::new();
        for seed in 0..60 {
            let mut table = Table::new(mixed());
            table.seed = Seed(seed);
            let dealt = table.deal(&library(order), 50);
            let at = plain.iter().position(|id| *id == dealt[0]).unwrap();
            starts.insert(at);
            let turned = plain.iter().cycle().skip(at).take(50);
            assert!(dealt.iter().eq(turned), "{by:?}");
        }
        assert!(starts.len() > 10, "{by:?}: {starts:?}");
    }
    // In a balanced shuffle each show is turned for itself.
    let order = Order {
        random_start: true,
        ..PlayOrder::Balanced.into()
    };
    let dealt = Table::new(mixed()).deal(&library(order), 25);
    let gamma: Vec<_> = dealt.iter().filter(|id| (12..=22).contains(*id)).collect();
    let falls = gamma.windows(2).filter(|w| w[0] > w[1]).count();
    assert!(falls <= 1 && gamma.len() == 11, "{gamma:?}");
}

#[test]
fn a_rotation_never_stays_with_a_show_and_reaches_all_items() {
    let dealt = Table::new(mixed()).deal(&library(PlayOrder::RandomRotation), 4000);
    let show = |id: &i64| match *id {
        1..=4 => 1,
        5..=11 => 2,
        12..=22 => 3,
        film => film,
    };
    assert!(dealt.windows(2).all(|w| show(&w[0]) != show(&w[1])));
    assert_eq!(dealt.iter().collect::<HashSet<_>>().len(), 25);
}

#[test]
fn chance_alone_reaches_all_items_and_may_repeat() {
    let dealt = Table::new(mixed()).deal(&library(PlayOrder::Random), 1000);
    assert_eq!(dealt.iter().collect::<HashSet<_>>().len(), 25);
    assert!(dealt.windows(2).any(|w| w[0] == w[1]));
}

#[test]
fn specials_are_left_out_on_request() {
    let items = vec![episode(1, "A", 0, 1), episode(2, "A", 1, 1), clip(3)];
    let order = Order {
        no_specials: true,
        ..PlayOrder::SeasonEpisode.into()
    };
    assert_eq!(Table::new(items).deal(&library(order), 4), [2, 3, 2, 3]);
}

#[test]
fn a_collection_of_its_own_order_survives_what_comes_and_goes() {
    let mut table = Table::new((1..=9).map(clip).collect());
    let pick = Pick::new(named("x"), PlayOrder::Custom);
    table.put("x", &[5, 3, 9, 1]);
    assert_eq!(table.deal(&pick, 2), [5, 3]);
    // One is put before the place, one behind it; then the one played last goes.
    table.put("x", &[7, 5, 3, 8, 9, 1]);
    assert_eq!(table.deal(&pick, 2), [8, 9]);
    table.put("x", &[7, 5, 3, 8, 1]);
    assert_eq!(table.deal(&pick, 3), [1, 7, 5]);
}

#[test]
fn stories_stay_together_in_shuffles() {
    let titles = [
        "A (1)",
        "A (2)",
        "A (3)",
        "B",
        "C Part One",
        "C Part Two",
        "D",
    ];
    let items = titles.iter().zip(1..).map(|(title, n)| Playable {
        title: (*title).to_owned(),
        ..episode(i64::from(n), "Show", 1, n)
    });
    for parts in [Parts::PerShow, Parts::Together] {
        let order = Order {
            parts,
            ..PlayOrder::Shuffle.into()
        };
        for seed in 0..40 {
            let mut table = Table::new(items.clone().collect());
            table.seed = Seed(seed);
            let mut dealt = Vec::new();
            for _ in 0..28 {
                dealt.extend(table.deal(&library(order), 1));
            }
            for round in dealt.chunks(7) {
                let whole = |story: &[i64]| round.windows(story.len()).any(|w| w == story);
                assert!(
                    whole(&[1, 2, 3]) && whole(&[5, 6]),
                    "seed {seed}: {dealt:?}"
                );
            }
        }
    }
}

#[test]
fn stories_of_so_many_episodes_stay_together() {
    let items: Vec<_> = (1..=9).map(|n| episode(i64::from(n), "S", 1, n)).collect();
    let order = Order {
        story_episodes: 3,
        ..PlayOrder::MultiEpisodeShuffle.into()
    };
    let dealt = Table::new(items).deal(&library(order), 18);
    for story in dealt.chunks(3) {
        assert_eq!((story[0] - 1) % 3, 0, "{dealt:?}");
        assert_eq!((story[1], story[2]), (story[0] + 1, story[0] + 2));
    }
}

#[test]
fn groups_of_a_multi_collection_are_units_of_its_shuffle() {
    let mut table = Table::new(mixed());
    let member = |key: u64, ids: &[i64], together| Member {
        key,
        items: table.places(ids),
        together,
    };
    let multi = Content::Multi(vec![
        member(1, &[3, 2, 1], Some(Sorted::Episode)),
        member(2, &[100, 101, 102], None),
    ]);
    table.contents.put(named("m"), multi);
    let dealt = table.deal(&Pick::new(named("m"), PlayOrder::Shuffle), 60);
    for round in dealt.chunks(6) {
        assert!(round.windows(3).any(|w| w == [1, 2, 3]), "{round:?}");
        assert_eq!(round.iter().collect::<HashSet<_>>().len(), 6);
    }
}

#[test]
fn playlists_take_one_or_all_and_go_on_where_they_left_each() {
    for (takes, expected) in [
        (
            [Take::Count(1), Take::All, Take::Count(1)],
            [10, 20, 21, 30, 10, 20, 21, 31],
        ),
        (
            [Take::Count(1), Take::Count(1), Take::All],
            [10, 20, 30, 31, 10, 21, 30, 31],
        ),
    ] {
        let mut table = Table::new([10, 20, 21, 30, 31].map(clip).to_vec());
        let entry = |name: &str, take| PlaylistEntry {
            pick: Pick::new(named(name), PlayOrder::Chronological),
            take,
            in_guide: true,
        };
        let names = ["a", "b", "c"];
        let ids: [&[i64]; 3] = [&[10], &[20, 21], &[30, 31]];
        for (name, ids) in names.iter().zip(ids) {
            table.put(name, ids);
        }
        let list = Playlist {
            entries: names.iter().zip(takes).map(|(n, t)| entry(n, t)).collect(),
            shuffled: false,
        };
        table.contents.put(named("list"), Content::Playlist(list));
        let pick = Pick::new(named("list"), PlayOrder::Shuffle);
        let mut dealt = table.deal(&pick, 3);
        dealt.extend(table.deal(&pick, 5));
        assert_eq!(dealt, expected);
    }
}

#[test]
fn the_same_collection_twice_in_a_playlist_shares_its_place_and_empty_ones_are_passed_over() {
    let mut table = Table::new((1..=6).map(clip).collect());
    table.put("a", &[1, 2, 3, 4]);
    table.put("b", &[5]);
    let entry = |name: &str| PlaylistEntry {
        pick: Pick::new(named(name), PlayOrder::Chronological),
        take: Take::Count(1),
        in_guide: name == "a",
    };
    let list = Playlist {
        entries: ["a", "b", "nothing", "a"].map(entry).to_vec(),
        shuffled: false,
    };
    table.contents.put(named("list"), Content::Playlist(list));
    let pick = Pick::new(named("list"), PlayOrder::Shuffle);
    assert_eq!(table.deal(&pick, 6), [1, 5, 2, 3, 5, 4]);
}

#[test]
fn a_shuffled_playlist_plays_each_entry_once_per_pass_and_none_twice_in_a_row() {
    for seed in 0..60 {
        let mut table = Table::new((1..=3).map(clip).collect());
        table.seed = Seed(seed);
        let mut entries = Vec::new();
        for n in 1..=3 {
            let name = n.to_string();
            table.put(&name, &[n]);
            entries.push(PlaylistEntry {
                pick: Pick::new(named(&name), PlayOrder::Shuffle),
                take: Take::Count(1),
                in_guide: true,
            });
        }
        let list = Playlist {
            entries,
            shuffled: true,
        };
        table.contents.put(named("list"), Content::Playlist(list));
        let dealt = table.deal(&Pick::new(named("list"), PlayOrder::Shuffle), 30);
        assert!(dealt.windows(2).all(|w| w[0] != w[1]), "{dealt:?}");
        for pass in dealt.chunks(3) {
            assert_eq!(pass.iter().collect::<HashSet<_>>().len(), 3, "{dealt:?}");
        }
    }
}

#[test]
fn marathons_play_group_after_group_in_batches_of_any_size() {
    let mut items = Vec::new();
    for (at, (show, count)) in [("A", 3), ("B", 2), ("C", 4)].into_iter().enumerate() {
        let first = i64::try_from(at).unwrap() * 10;
        items.extend((1..=count).map(|n| episode(first + i64::from(n), show, 1, n)));
    }
    for (batch, expected) in [
        (0, vec![1, 2, 3, 11, 12, 21, 22, 23, 24, 1, 2]),
        (1, vec![1, 11, 21, 2, 12, 22, 3, 11, 23, 1, 12, 24]),
        (2, vec![1, 2, 11, 12, 21, 22, 3, 1, 11, 12, 23, 24, 2, 3]),
    ] {
        let order = Order {
            marathon: Marathon {
                batch,
                ..Marathon::default()
            },
            ..PlayOrder::Marathon.into()
        };
        let dealt = Table::new(items.clone()).deal(&library(order), expected.len());
        assert_eq!(dealt, expected, "batch {batch}");
    }
    let seasons = vec![
        episode(1, "A", 1, 1),
        episode(2, "A", 2, 1),
        episode(3, "A", 10, 1),
    ];
    let order = Order {
        marathon: Marathon {
            by: MarathonBy::Season,
            ..Marathon::default()
        },
        ..PlayOrder::Marathon.into()
    };
    assert_eq!(Table::new(seasons).deal(&library(order), 4), [1, 2, 3, 1]);
}

#[test]
fn first_runs_and_reruns_share_a_collection_and_never_run_dry() {
    let mut table = Table::new((1..=5).map(clip).collect());
    for (name, aired) in [("new", false), ("old", true)] {
        let of = Box::new(Content::Items(table.places(&[1, 2, 3, 4, 5])));
        table
            .contents
            .put(named(name), Content::Rerun { of, aired });
    }
    table.history.insert(
        2,
        Aired {
            last: UtcMs(0),
            plays: 1,
        },
    );
    let pick = |name| Pick::new(named(name), PlayOrder::Chronological);
    // Nothing but what was aired; what is dealt is aired from then on.
    assert_eq!(table.deal(&pick("old"), 3), [2, 2, 2]);
    assert_eq!(table.deal(&pick("new"), 2), [1, 3]);
    for id in [1, 3] {
        let aired = Aired {
            last: UtcMs(1),
            plays: 1,
        };
        table.history.insert(id, aired);
    }
    assert_eq!(table.deal(&pick("old"), 3), [3, 1, 2]);
    // When all is aired, first runs are everything, and reruns of nothing are too.
    assert_eq!(table.deal(&pick("new"), 5), [4, 5, 1, 2, 3]);
    let mut fresh = Table::new(vec![clip(1), clip(2)]);
    let of = Box::new(Content::Items(fresh.places(&[1, 2])));
    fresh
        .contents
        .put(named("old"), Content::Rerun { of, aired: true });
    assert_eq!(fresh.deal(&pick("old"), 1), [1]);
}

#[test]
fn an_imported_shuffle_goes_on_as_its_program_would_and_then_as_ours() {
    let mut table = Table::new((0..5).map(clip).collect());
    let key = library(PlayOrder::Shuffle).key();
    let imported = Cursor::Imported {
        seed: 42,
        dealt: 0,
        of: 5,
        last: -1,
    };
    table.cursors.insert(key, imported);
    let pick = library(PlayOrder::Shuffle);
    let dealt = table.deal(&pick, 15);
    assert_eq!(dealt[..5], [2, 1, 4, 0, 3]);
    for round in dealt.chunks(5) {
        assert_eq!(round.iter().collect::<HashSet<_>>().len(), 5);
    }
    // The seed of the second round is the generator's next number, unless that begins with the item played last.
    let Some(Cursor::Imported { seed, dealt: n, .. }) = table.cursors.get(&key) else {
        panic!("{:?}", table.cursors);
    };
    assert_eq!(*n, 5);
    assert_ne!(*seed, 42);
    let mut grown = Table::new((0..6).map(clip).collect());
    grown.cursors = table.cursors.clone();
    let after = grown.deal(&pick, 6);
    assert_eq!(after.iter().collect::<HashSet<_>>().len(), 6);
    assert_ne!(after[0], dealt[14]);
}

#[test]
fn picks_share_a_place_by_collection_unless_they_have_one_of_their_own() {
    let mut table = Table::new((1..=9).map(clip).collect());
    let shared = library(PlayOrder::Chronological);
    let own = Pick {
        place: Some("mine".to_owned()),
        ..shared.clone()
    };
    assert_eq!(table.deal(&shared, 3), [1, 2, 3]);
    assert_eq!(table.deal(&own, 2), [1, 2]);
    // Of two that share a place in one build the first decides on the order.
    let mut deck = Deck::new(
        &table.catalog,
        &table.contents,
        &table.history,
        table.seed,
        Cursors::default(),
    );
    let a = deck.open(&shared);
    let b = deck.open(&library(PlayOrder::Random));
    assert_eq!(a, b);
    let dealt: Vec<_> = (0..4).map(|_| deck.deal(b).unwrap().ix).collect();
    assert_eq!(dealt, table.places(&[1, 2, 3, 4])[..]);
}

#[test]
fn a_cursor_of_another_order_begins_a_fresh_round() {
    for first in ALL {
        for then in ALL {
            let mut table = Table::new(mixed());
            table.deal(&library(first), 7);
            let dealt = table.deal(&library(then), 50);
            assert_eq!(dealt.len(), 50, "{first:?} {then:?}");
        }
    }
}
