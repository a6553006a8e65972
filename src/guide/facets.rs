//! What else is known of an item: lists of words, from NFO files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most values of one kind that are kept.
const MAX_VALUES: usize = 64;
/// The longest value kept, in characters.
const MAX_CHARS: usize = 200;

/// A kind of word. The names are those of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // They say what they are.
pub enum Facet {
    Genre,
    Tag,
    Country,
    Studio,
    Director,
    Writer,
    Actor,
    Artist,
    Album,
    Mood,
    Style,
    ContentRating,
    Imdb,
    Tmdb,
    Tvdb,
    ShowGenre,
    ShowTag,
    ShowStudio,
    ShowContentRating,
}

/// Words by kind, in the order in which they were found, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facets(BTreeMap<Facet, Vec<String>>);

impl Facets {
    /// Adds a value, unless it is empty, known, or one too many.
    pub fn add(&mut self, facet: Facet, value: &str) {
        let value: String = value.trim().chars().take(MAX_CHARS).collect();
        let values = self.0.entry(facet).or_default();
        if !value.is_empty() && values.len() < MAX_VALUES && !values.contains(&value) {
            values.push(value);
        }
        self.0.retain(|_, values| !values.is_empty());
    }

    /// Adds all of another's.
    pub fn extend(&mut self, other: &Facets) {
        for (facet, values) in &other.0 {
            for value in values {
                self.add(*facet, value);
            }
        }
    }

    /// The values of a kind.
    pub fn of(&self, facet: Facet) -> &[String] {
        self.0.get(&facet).map_or(&[], Vec::as_slice)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_once_in_order_and_within_bounds() {
        let mut facets = Facets::default();
        for value in [" Drama ", "", "Comedy", "Drama"] {
            facets.add(Facet::Genre, value);
        }
        assert_eq!(facets.of(Facet::Genre), ["Drama", "Comedy"]);
        facets.add(Facet::Tag, "  ");
        assert_eq!(facets.of(Facet::Tag), [""; 0]);
        for n in 0..1_000 {
            facets.add(Facet::Actor, &format!("{n} {}", "x".repeat(1_000)));
        }
        assert_eq!(facets.of(Facet::Actor).len(), MAX_VALUES);
        assert_eq!(facets.of(Facet::Actor)[0].chars().count(), MAX_CHARS);
    }
}
