//! The nearest known word to a misspelt one.

/// The word of `known` that takes the fewest edits to reach from `word`, when it takes few enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(2);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        // A key named without its section is near as well.
        let tail = candidate.rsplit('.').next().unwrap_or(candidate);
        let edits = distance(word, candidate).min(distance(word, tail).saturating_add(1));
        if edits <= limit && best.is_none_or(|(fewest, _)| edits < fewest) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, word)| word)
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other: the restricted
/// Damerau-Levenshtein distance. Words longer than 64 characters are no words of ours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(65).collect(), b.chars().take(65).collect());
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let mut edits = (above[j] + usize::from(x != y))
                .min(above[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && y == a[i - 1] {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let known = ["http.port", "http.listen", "discovery.ssdp", "channel"];
        for (word, expected) in [
            ("http.prot", Some("http.port")),
            ("http.listens", Some("http.listen")),
            ("ssdp", Some("discovery.ssdp")),
            ("chanel", Some("channel")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }

    #[test]
    fn swapped_letters_are_one_edit() {
        assert_eq!(distance("prot", "port"), 1);
        assert_eq!(distance("", "port"), 4);
        assert_eq!(distance("port", "port"), 0);
    }
}
