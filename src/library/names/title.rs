//! Titles out of file and folder names: separators, years and the tags of releases.

/// A title as people write it, and the year beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Title {
    /// Cleaned text; empty when nothing but tags was there.
    pub(crate) text: String,
    /// Year of release.
    pub(crate) year: Option<u16>,
}

/// Words that end a title wherever they stand (but in first place): they never occur in one.
const TAGS: &[&str] = &[
    "10bit", "1080i", "1080p", "1440p", "2160p", "360p", "480i", "480p", "4320p", "540p", "576i",
    "576p", "720i", "720p", "8bit", "aac", "aac2", "ac3", "atmos", "av1", "avc", "bdremux",
    "bdrip", "blu-ray", "bluray", "brrip", "ddp5", "dd5", "ddp2", "divx", "dsnp", "dts", "dts-hd",
    "dvdr", "dvdrip", "dvdscr", "eac3", "flac", "h264", "h265", "hddvd", "hdr", "hdr10", "hdr10+",
    "hdrip", "hdtv", "hdtvrip", "hevc", "hq", "ntsc", "pal", "pdtv", "ppv", "remux", "satrip",
    "sdtv", "tvrip", "truehd", "uhd", "vc1", "vhsrip", "web-dl", "web-rip", "webdl", "webrip",
    "x264", "x265", "xvid",
];

/// Words that belong to the tags only when they stand right before one.
const WEAK_TAGS: &[&str] = &[
    "4k",
    "amzn",
    "complete",
    "custom",
    "dc",
    "directors",
    "dl",
    "dubbed",
    "dual",
    "dvd",
    "english",
    "extended",
    "french",
    "german",
    "imax",
    "internal",
    "italian",
    "limited",
    "multi",
    "nf",
    "proper",
    "read.nfo",
    "real",
    "remastered",
    "repack",
    "rerip",
    "spanish",
    "subbed",
    "theatrical",
    "uncut",
    "unrated",
    "web",
];

/// Years that a bare number may mean. The upper end keeps "Blade Runner 2049" a title.
const BARE_YEARS: std::ops::RangeInclusive<u16> = 1900..=2039;

/// Cleans `raw` (a file stem or folder name, already text) into a title and a year.
///
/// `Title (1999) anything`, `Title.1999.1080p.BluRay.x264-GROUP`, `Title_1999`, `Title [1080p] {imdb-tt1}`.
pub(crate) fn clean(raw: &str) -> Title {
    let plain = without_brackets(&printable(raw));
    if let Some((before, year)) = parenthesised_year(&plain) {
        return Title {
            text: tidy(&spaced(before)),
            year: Some(year),
        };
    }
    let dotted = is_dotted(&plain);
    let text = spaced(&plain);
    let words: Vec<&str> = text.split(' ').filter(|w| !w.is_empty()).collect();
    let cut = tag_start(&words);
    let tagged = cut < words.len();
    let year_at = (1..cut).rev().find(|&i| bare_year(words[i]).is_some());
    match year_at {
        // Behind a title with spaces a bare number may be part of it ("Wonder Woman 1984") unless tags follow.
        Some(at) if dotted || (tagged && at + 1 == cut) => Title {
            text: tidy(&words[..at].join(" ")),
            year: bare_year(words[at]),
        },
        _ => Title {
            text: tidy(&words[..cut].join(" ")),
            year: None,
        },
    }
}

/// `raw` with control characters as spaces and runs of white space as one.
pub(crate) fn printable(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        let c = if c.is_control() || c.is_whitespace() {
            ' '
        } else {
            c
        };
        if c != ' ' || !(out.is_empty() || out.ends_with(' ')) {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Without `[...]` and `{...}`; as it was when nothing would remain.
fn without_brackets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['[', '{']) {
        let close = if rest[open..].starts_with('[') {
            ']'
        } else {
            '}'
        };
        let Some(length) = rest[open..].find(close) else {
            break;
        };
        out.push_str(&rest[..open]);
        out.push(' ');
        rest = &rest[open + length + 1..];
    }
    out.push_str(rest);
    let out = printable(&out);
    if out.chars().any(char::is_alphanumeric) {
        out
    } else {
        text.to_owned()
    }
}

/// The text before the first `(YYYY)` that has a title before it.
fn parenthesised_year(text: &str) -> Option<(&str, u16)> {
    for (open, _) in text.match_indices('(') {
        let inside = text[open + 1..].split(')').next().unwrap_or_default();
        let before = &text[..open];
        if let Ok(year @ 1870..=2100) = inside.trim().parse::<u16>()
            && before.chars().any(char::is_alphanumeric)
        {
            return Some((before, year));
        }
    }
    None
}

/// Whether dots or underscores stand where spaces belong.
fn is_dotted(text: &str) -> bool {
    !text.contains(' ') && text.contains(['.', '_'])
}

/// Dots and underscores as spaces where they stand for them; initials ("S.W.A.T.") keep their dots.
pub(crate) fn spaced(text: &str) -> String {
    if text.contains(' ') {
        return text.replace('_', " ");
    }
    let mut out = String::with_capacity(text.len());
    let words: Vec<&str> = text.split(['.', '_']).filter(|w| !w.is_empty()).collect();
    let initial = |w: &str| w.len() == 1 && w.chars().all(char::is_alphabetic);
    let mut i = 0;
    while i < words.len() {
        let run = words[i..].iter().take_while(|w| initial(w)).count();
        if !out.is_empty() {
            out.push(' ');
        }
        if run >= 2 {
            for letter in &words[i..i + run] {
                out.push_str(letter);
                out.push('.');
            }
            i += run;
        } else {
            out.push_str(words[i]);
            i += 1;
        }
    }
    out
}

/// Where the release tags begin: never at the first word.
fn tag_start(words: &[&str]) -> usize {
    let tag = |w: &str| {
        let w = w
            .trim_matches(|c: char| "()-,".contains(c))
            .to_ascii_lowercase();
        // The group's name hangs on the last tag: "x264-GROUP".
        TAGS.contains(&w.as_str())
            || w.rsplit_once('-')
                .is_some_and(|(head, _)| TAGS.contains(&head))
    };
    let weak =
        |w: &str| WEAK_TAGS.contains(&w.trim_matches(['(', ')']).to_ascii_lowercase().as_str());
    let Some(mut at) = (1..words.len()).find(|&i| tag(words[i])) else {
        return words.len();
    };
    while at > 1 && weak(words[at - 1]) {
        at -= 1;
    }
    at
}

fn bare_year(word: &str) -> Option<u16> {
    if word.len() != 4 {
        return None;
    }
    word.parse().ok().filter(|y| BARE_YEARS.contains(y))
}

/// Without separators at either end and brackets that the cut left open.
pub(crate) fn tidy(text: &str) -> String {
    let edge = |c: char| c == ' ' || "-_,;~+=".contains(c);
    let mut text = text
        .trim_matches(edge)
        .trim_end_matches(['(', '[', '{'])
        .trim_end_matches(edge);
    // A dot at the end is a left-over separator unless it ends an abbreviation ("S.W.A.T.", "vs.").
    if let Some(head) = text.strip_suffix('.')
        && !head.contains([' ', '.'])
    {
        text = head;
    }
    text.trim_start_matches(['.', ' ']).to_owned()
}

/// The title of an episode: what stands behind its number, without tags. `None` when nothing does.
pub(crate) fn episode_title(raw: &str) -> Option<String> {
    let raw = raw.trim_start_matches(|c: char| " .-_:)]–".contains(c));
    // A word in front keeps a leading tag from counting as the title ("s01e02.1080p").
    let text = spaced(&without_brackets(&printable(raw)));
    let words: Vec<&str> = std::iter::once("x")
        .chain(text.split(' ').filter(|w| !w.is_empty()))
        .collect();
    let title = tidy(&words[1..tag_start(&words)].join(" "));
    title.chars().any(char::is_alphanumeric).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_lose_their_separators_tags_and_brackets_and_give_their_year() {
        for (raw, text, year) in [
            ("Title (1999)", "Title", Some(1999)),
            ("Title (1999) [1080p] {imdb-tt0133093}", "Title", Some(1999)),
            (
                "Blade Runner (1982) Director's Cut",
                "Blade Runner",
                Some(1982),
            ),
            (
                "The.Matrix.1999.1080p.BluRay.x264-GROUP",
                "The Matrix",
                Some(1999),
            ),
            ("The_Matrix_1999", "The Matrix", Some(1999)),
            ("The Matrix 1999 1080p", "The Matrix", Some(1999)),
            ("The Matrix - 1080p", "The Matrix", None),
            (
                "2001.A.Space.Odyssey.1968.2160p.UHD",
                "2001 A Space Odyssey",
                Some(1968),
            ),
            (
                "2001 A Space Odyssey (1968)",
                "2001 A Space Odyssey",
                Some(1968),
            ),
            ("Blade Runner 2049", "Blade Runner 2049", None),
            (
                "Blade.Runner.2049.2017.REPACK.720p",
                "Blade Runner 2049",
                Some(2017),
            ),
            ("Wonder Woman 1984", "Wonder Woman 1984", None),
            (
                "Wonder.Woman.1984.2020.WEB-DL",
                "Wonder Woman 1984",
                Some(2020),
            ),
            ("1917", "1917", None),
            ("1917 (2019)", "1917", Some(2019)),
            (
                "(500) Days of Summer (2009)",
                "(500) Days of Summer",
                Some(2009),
            ),
            ("Mr. Nobody", "Mr. Nobody", None),
            ("S.W.A.T.2017", "S.W.A.T.", Some(2017)),
            (
                "E.T.the.Extra-Terrestrial.1982.DVDRip",
                "E.T. the Extra-Terrestrial",
                Some(1982),
            ),
            ("I.Robot.2004", "I Robot", Some(2004)),
            ("[Group] Some Film [ABCD1234]", "Some Film", None),
            ("Film.German.DL.1080p.BluRay", "Film", None),
            ("The German Doctor", "The German Doctor", None),
            ("Charlottes Web", "Charlottes Web", None),
            ("x264", "x264", None),
            ("[tag only]", "[tag only]", None),
            ("a\nb\t c", "a b c", None),
            ("Unclosed [bracket", "Unclosed [bracket", None),
            ("Amélie (2001)", "Amélie", Some(2001)),
            ("Film (12345)", "Film (12345)", None),
            ("Film.", "Film", None),
            ("  --  ", "", None),
            ("", "", None),
        ] {
            let expected = Title {
                text: text.to_owned(),
                year,
            };
            assert_eq!(clean(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn an_episode_title_is_what_stands_behind_the_number() {
        for (raw, title) in [
            (" - The Pilot", Some("The Pilot")),
            (".The.Pilot.1080p.WEB.h264-GRP", Some("The Pilot")),
            (".1080p.WEB-DL", None),
            ("", None),
            (" [720p]", Some("[720p]")),
            ("_part_two", Some("part two")),
            (" Mr. Big", Some("Mr. Big")),
        ] {
            assert_eq!(episode_title(raw).as_deref(), title, "{raw:?}");
        }
    }
}
