//! What a schedule draws from.

use super::Reader;
use crate::schedule::content::Collection;
use crate::schedule::order::{Marathon, MarathonBy, Order, Parts, PlayOrder};
use crate::schedule::sequential::Source;
use crate::schedule::yaml::{At, Fields, Node, hint, shortened, snake};

/// The keys that say from what is drawn; of those of one entry the first names it.
const KINDS: &[&str] = &[
    "library",
    "folder",
    "show",
    "search",
    "smart_collection",
    "collection",
    "multi_collection",
    "playlist",
    "first_run",
    "rerun",
];

/// The orders by name.
pub(in crate::schedule::sequential) const ORDERS: &[(&str, PlayOrder)] = &[
    ("chronological", PlayOrder::Chronological),
    ("season_episode", PlayOrder::SeasonEpisode),
    ("custom", PlayOrder::Custom),
    ("shuffle", PlayOrder::Shuffle),
    ("balanced", PlayOrder::Balanced),
    ("random", PlayOrder::Random),
    ("random_rotation", PlayOrder::RandomRotation),
    ("marathon", PlayOrder::Marathon),
    ("multi_episode_shuffle", PlayOrder::MultiEpisodeShuffle),
    ("shuffle_in_order", PlayOrder::Balanced),
];

/// What marathons group by, by name.
pub(in crate::schedule::sequential) const GROUPS: &[(&str, MarathonBy)] = &[
    ("show", MarathonBy::Show),
    ("season", MarathonBy::Season),
    ("artist", MarathonBy::Artist),
    ("album", MarathonBy::Album),
    ("director", MarathonBy::Director),
];

/// How episodes in parts are treated, by name.
pub(in crate::schedule::sequential) const PARTS: &[(&str, Parts)] = &[
    ("false", Parts::Apart),
    ("true", Parts::PerShow),
    ("together", Parts::Together),
];

impl Reader<'_> {
    /// An entry of `content`, and where its key stands.
    pub(super) fn source(&mut self, node: &Node) -> Option<(Source, At)> {
        let mut f = Fields::of("an entry of `content`", node, &mut self.problems)?;
        let kinds: Vec<_> = KINDS.iter().copied().filter(|kind| f.has(kind)).collect();
        let Some(&kind) = kinds.first() else {
            let others = ["key", "order"];
            let mut keys = f.keys();
            let Some((key, at)) = keys.find(|(key, _)| !others.contains(key)) else {
                let what = format!(
                    "an entry of `content` says nothing of what is played: write one of {}",
                    KINDS.join(", ")
                );
                self.problems.add(f.at(), what);
                return None;
            };
            let what = format!("there is no content `{}`", shortened(key));
            let hint = hint(&snake(key), KINDS.iter().copied());
            self.problems.add(at, format!("{what}: {hint}"));
            return None;
        };
        f.rename(format!("content `{kind}`"));
        if let Some(other) = kinds.get(1) {
            let what = format!("`{kind}` and `{other}` are two contents: write an entry for each");
            self.problems.add(f.at(), what);
            return None;
        }
        let key = f.need(
            "key",
            "give it a name to be referred to by",
            &mut self.problems,
        );
        let at = f.get("key").map_or(f.at(), |node| node.at);
        let of = self.collection(kind, &mut f);
        let order = self.order(&mut f);
        f.finish(&mut self.problems);
        Some((
            Source {
                key,
                of: of?,
                order,
            },
            at,
        ))
    }

    fn collection(&mut self, kind: &'static str, f: &mut Fields<'_>) -> Option<Collection> {
        match kind {
            "library" => {
                f.get("library");
                Some(Collection::Library)
            }
            "folder" => {
                let path = f.need("folder", "name a folder", &mut self.problems);
                if !path.starts_with('/') {
                    let node = f.get("folder")?;
                    f.wrong("folder", node, "an absolute path", &mut self.problems);
                }
                Some(Collection::Folder {
                    path: (&*path).into(),
                })
            }
            "search" => {
                // Elsewhere the query is a key of its own, and this one is empty.
                let own = f.get("search").is_some_and(|node| !node.is_null());
                let key = if own { "search" } else { "query" };
                let query = f.need(key, "say what is looked for", &mut self.problems);
                Some(Collection::Search {
                    query: query.to_string(),
                })
            }
            _ => {
                let why = if kind == "show" {
                    "name a show"
                } else {
                    "name one"
                };
                let name = f.need(kind, why, &mut self.problems).to_string();
                Some(match kind {
                    "smart_collection" => Collection::Smart { name },
                    "collection" => Collection::Manual { name },
                    "multi_collection" => Collection::Multi { name },
                    "playlist" => Collection::Playlist { name },
                    "first_run" => Collection::FirstRun { name },
                    "rerun" => Collection::Rerun { name },
                    _ => Collection::Show { title: name },
                })
            }
        }
    }

    fn order(&mut self, f: &mut Fields<'_>) -> Order {
        let by = match f.has("order") {
            true => f.one_of("order", ORDERS, &mut self.problems),
            false => {
                f.need(
                    "order",
                    "say in which, such as chronological or shuffle",
                    &mut self.problems,
                );
                None
            }
        };
        let by = by.unwrap_or_default();
        let mut number = |key| {
            let node = f.get(key);
            node.and_then(|_| f.number(key, 0..=100_000, &mut self.problems))
        };
        let story_episodes = number("story_episodes").unwrap_or_default();
        let batch = number("batch");
        // Marathons are written to play one of each by turns, unless they say otherwise.
        let otherwise = by != PlayOrder::Marathon;
        let all = f.flag("play_all_items", otherwise, &mut self.problems);
        let parts = f.get("multi_part").is_some();
        let parts = parts.then(|| f.one_of("multi_part", PARTS, &mut self.problems));
        let group = f.get("group_by").is_some();
        let group = group.then(|| f.one_of("group_by", GROUPS, &mut self.problems));
        let orders = [("chronological", false), ("shuffle", true)];
        let items = f.get("item_order").is_some();
        let items = items.then(|| f.one_of("item_order", &orders, &mut self.problems));
        Order {
            by,
            parts: parts.flatten().unwrap_or_default(),
            random_start: f.flag("random_start", false, &mut self.problems),
            no_specials: f.flag("no_specials", false, &mut self.problems),
            story_episodes,
            marathon: Marathon {
                by: group.flatten().unwrap_or_default(),
                shuffle_items: items.flatten().unwrap_or_default(),
                shuffle_groups: f.flag("shuffle_groups", false, &mut self.problems),
                batch: batch.unwrap_or(u32::from(!all)),
            },
        }
    }
}
