//! Episodes that are parts of one story, by what their titles say.

use crate::schedule::{Catalog, Ix, Playable};

/// Joins sorted items into stories: a part follows the one before when both belong to one series and its number is the
/// next. A number that does not follow begins a story of its own, and so does whatever has none.
pub(super) fn join(
    items: Vec<Ix>,
    catalog: &Catalog,
    part: impl Fn(&Playable) -> Option<(u64, u32)>,
) -> Vec<Vec<Ix>> {
    let mut stories: Vec<Vec<Ix>> = Vec::new();
    let mut open: Option<(u64, u32)> = None;
    for ix in items {
        let this = catalog.get(ix).and_then(&part);
        let follows = match (open, this) {
            (Some((series, last)), Some((s, n))) => s == series && last.checked_add(1) == Some(n),
            _ => false,
        };
        match stories.last_mut() {
            Some(story) if follows => story.push(ix),
            _ => stories.push(vec![ix]),
        }
        open = this;
    }
    stories
}

/// Which part of a story an episode is, by its title: "Name (2)", "Name (2) - More", "Name Part 2", "Name (Part 2)",
/// "Name (II)", "Name (II) - More", "Name Part II", "Name Part Two". Numbers go to 999, Roman ones and words to ten.
pub(super) fn number(title: &str) -> Option<u32> {
    let title = title.trim();
    in_parentheses(title).or_else(|| behind_the_word(title))
}

/// "… (X)" at the end or before " - …", with X a number, a Roman number, or either behind "Part".
fn in_parentheses(title: &str) -> Option<u32> {
    title.match_indices('(').find_map(|(at, _)| {
        let (inside, behind) = title.get(at + 1..)?.split_once(')')?;
        let behind = behind.trim_start();
        if at == 0 || !(behind.is_empty() || behind.starts_with("- ")) {
            return None;
        }
        match strip_part(inside) {
            Some(rest) => any(rest),
            None => digits(inside).or_else(|| roman(inside)),
        }
    })
}

/// "… Part X" at the end.
fn behind_the_word(title: &str) -> Option<u32> {
    let at = title.rfind(' ')?;
    let (front, last) = (title.get(..at)?.trim_end(), title.get(at + 1..)?);
    let before = front.rfind(' ')?;
    let word = front.get(before + 1..)?;
    word.eq_ignore_ascii_case("part").then(|| any(last))?
}

fn strip_part(text: &str) -> Option<&str> {
    let (word, rest) = text.trim().split_once(' ')?;
    word.eq_ignore_ascii_case("part").then(|| rest.trim())
}

fn any(text: &str) -> Option<u32> {
    digits(text).or_else(|| roman(text)).or_else(|| word(text))
}

fn digits(text: &str) -> Option<u32> {
    let fits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

fn roman(text: &str) -> Option<u32> {
    place(
        text,
        &["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"],
    )
}

fn word(text: &str) -> Option<u32> {
    place(
        text,
        &[
            "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        ],
    )
}

fn place(text: &str, words: &[&str]) -> Option<u32> {
    let at = words.iter().position(|w| w.eq_ignore_ascii_case(text))?;
    u32::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_say_which_part_they_are() {
        for (title, expected) in [
            ("Story (1)", Some(1)),
            ("Story (12)", Some(12)),
            ("Story (2) - The End", Some(2)),
            ("Story (II)", Some(2)),
            ("Story (iv) - More", Some(4)),
            ("Story Part 3", Some(3)),
            ("Story part 3", Some(3)),
            ("Story (Part 3)", Some(3)),
            ("Story (Part II)", Some(2)),
            ("Story Part IX", Some(9)),
            ("Story, Part One", Some(1)),
            ("Story Part ten", Some(10)),
            ("Story (Part Two)", Some(2)),
            ("Story (UK) (2)", Some(2)),
            ("Story", None),
            ("Story 2", None),
            ("(2)", None),
            ("Part 2", None),
            ("Story (2) more", None),
            ("Story (abc)", None),
            ("Story (1234)", None),
            ("Story ()", None),
            ("Story (", None),
            ("Story Part", None),
            ("Story Party 2", None),
            ("Fünf (2)", Some(2)),
            ("", None),
        ] {
            assert_eq!(number(title), expected, "{title:?}");
        }
    }

    #[test]
    fn parts_join_only_behind_the_number_before() {
        for (titles, expected) in [
            (vec!["A (1)", "A (2)", "B"], vec![2, 1]),
            (vec!["A (1)", "A (2)", "B (1)", "B (2)"], vec![2, 2]),
            (vec!["A (1)", "A (1)", "A (2)"], vec![1, 2]),
            (vec!["A (1)", "A (3)", "A (4)"], vec![1, 2]),
            (vec!["A (2)", "A (3)", "A"], vec![2, 1]),
            (vec!["A (1)", "X", "A (2)"], vec![1, 1, 1]),
            (vec!["A (1)", "Else Part Two", "A (III)"], vec![3]),
            (vec![], vec![]),
        ] {
            let items = titles.iter().zip(1..).map(|(title, id)| Playable {
                id,
                title: (*title).to_owned(),
                ..Playable::default()
            });
            let catalog = Catalog::new(items.collect());
            let stories = join(catalog.all().collect(), &catalog, |item| {
                Some((0, number(&item.title)?))
            });
            let sizes: Vec<_> = stories.iter().map(Vec::len).collect();
            assert_eq!(sizes, expected, "{titles:?}");
        }
    }
}
