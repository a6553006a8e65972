//! Text from file names and NFO files, made fit for XML and playlists.

use std::borrow::Cow;

/// Whether XML 1.0 §2.2 forbids the character, or it stands for bytes that were no UTF-8.
fn is_unfit(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{7F}'..='\u{9F}'
        | '\u{FFFD}' | '\u{FFFE}' | '\u{FFFF}')
}

/// One line: unfit characters removed, runs of white space made one space, none at the ends.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    let odd = |c: char| is_unfit(c) || (c.is_whitespace() && c != ' ');
    if !text.contains(odd) && !text.contains("  ") && text.trim().len() == text.len() {
        return Cow::Borrowed(text);
    }
    let fit: String = text.chars().filter(|&c| !is_unfit(c)).collect();
    Cow::Owned(fit.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Lines: unfit characters removed, empty lines and white space at line ends dropped.
pub(super) fn paragraphs(text: &str) -> String {
    let lines = text.lines().map(line).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// A value between double quotes in a playlist. M3U knows no escapes, so what would end the value is replaced; some
/// players also split the whole line at its first comma.
pub(super) fn quoted(text: &str) -> String {
    line(&text.replace('"', "'").replace(',', " ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_of_fit_characters() {
        #[track_caller]
        fn check(input: &str, expected: &str) {
            assert_eq!(line(input), expected);
        }
        check("Noir", "Noir");
        check("  The\tBig\r\nSleep  ", "The Big Sleep");
        check("a\u{0}b\u{1b}[31mc\u{85}d\u{FFFE}", "ab[31mcd");
        check(&String::from_utf8_lossy(b"caf\xe9 noir"), "caf noir");
        check("日本語 — ok", "日本語 — ok");
        check("\u{FFFD}", "");
        check(" \u{a0} ", "");
    }

    #[test]
    fn paragraphs_keep_their_breaks() {
        assert_eq!(
            paragraphs(" One.\r\n\r\n  Two\u{7}. \nThree"),
            "One.\nTwo.\nThree"
        );
    }

    #[test]
    fn nothing_ends_a_quoted_value_or_splits_its_line() {
        assert_eq!(quoted("Say \"hi\",\nDrama,Comedy"), "Say 'hi' Drama Comedy");
    }
}
