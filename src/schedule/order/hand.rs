//! One collection in one order, ready to be dealt.

use super::groups::{members, usable};
use super::random::{AnyItem, Rotation};
use super::rounds::Rounds;
use super::sorted::InOrder;
use super::{Cursor, Order, PlayOrder, Sorted};
use crate::schedule::content::Content;
use crate::schedule::draw::Seed;
use crate::schedule::{Catalog, Ix};

/// A collection in an order that needs no other collection.
#[derive(Debug)]
pub(super) enum Hand {
    InOrder(InOrder),
    Rounds(Rounds),
    AnyItem(AnyItem),
    Rotation(Rotation),
}

impl Hand {
    pub(super) fn new(content: &Content, order: &Order, catalog: &Catalog, seed: Seed) -> Self {
        let items = || -> Vec<Ix> {
            let all = members(content);
            all.iter()
                .flat_map(|m| usable(&m.items, order, catalog))
                .collect()
        };
        let sorted = |by| Hand::InOrder(InOrder::new(items(), by, order, catalog));
        match order.by {
            PlayOrder::Chronological => sorted(Some(Sorted::Date)),
            PlayOrder::SeasonEpisode => sorted(Some(Sorted::Episode)),
            PlayOrder::Custom => sorted(None),
            PlayOrder::Balanced => Hand::Rounds(Rounds::balanced(items(), order, catalog, seed)),
            PlayOrder::Random => Hand::AnyItem(AnyItem(items())),
            PlayOrder::RandomRotation => Hand::Rotation(Rotation::new(items(), catalog)),
            // A marathon is played by lanes: what comes here is one of them.
            PlayOrder::Shuffle | PlayOrder::MultiEpisodeShuffle | PlayOrder::Marathon => {
                Hand::Rounds(Rounds::shuffle(content, order, catalog))
            }
        }
    }

    pub(super) fn next(
        &mut self,
        catalog: &Catalog,
        seed: Seed,
        cursor: Option<&Cursor>,
    ) -> Option<(Ix, Cursor)> {
        match self {
            Hand::InOrder(hand) => hand.next(catalog, seed, cursor),
            Hand::Rounds(hand) => hand.next(catalog, seed, cursor),
            Hand::AnyItem(hand) => hand.next(catalog, seed, cursor),
            Hand::Rotation(hand) => hand.next(catalog, seed, cursor),
        }
    }

    pub(super) fn items(&self) -> &[Ix] {
        match self {
            Hand::InOrder(hand) => hand.items(),
            Hand::Rounds(hand) => hand.items(),
            Hand::AnyItem(hand) => &hand.0,
            Hand::Rotation(hand) => hand.items(),
        }
    }

    /// How many items belong together with this one.
    pub(super) fn unit_of(&self, ix: Ix, catalog: &Catalog) -> u32 {
        match self {
            Hand::InOrder(hand) => hand.story_from(ix, catalog),
            Hand::Rounds(hand) => hand.unit_of(ix),
            Hand::AnyItem(_) | Hand::Rotation(_) => 1,
        }
    }
}
