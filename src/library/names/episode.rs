//! Season and episode numbers and air dates in file and folder names.

use std::ops::Range;

/// A season and episode number found in a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Season, where the name says it.
    pub(crate) season: Option<u32>,
    /// First episode.
    pub(crate) first: u32,
    /// Last episode of a file that holds several.
    pub(crate) last: Option<u32>,
    /// Bytes of the name that it takes.
    pub(crate) at: Range<usize>,
}

/// An air date found in a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AirDate {
    /// `YYYY-MM-DD`, a day of the calendar.
    pub(crate) date: String,
    /// Bytes of the name that it takes.
    pub(crate) at: Range<usize>,
}

/// A file that holds more episodes than this has its numbers misread.
const MAX_EPISODES_PER_FILE: u32 = 40;

/// Words for "season" in the languages people name folders in.
const SEASON_WORDS: &[&str] = &[
    "season",
    "staffel",
    "saison",
    "series",
    "temporada",
    "stagione",
    "seizoen",
    "säsong",
    "sesong",
    "sæson",
    "sezon",
    "kausi",
    "seria",
];

/// Words for "episode".
const EPISODE_WORDS: &[&str] = &[
    "episode",
    "épisode",
    "folge",
    "episodio",
    "episódio",
    "aflevering",
    "avsnitt",
    "odcinek",
    "jakso",
    "ep",
    "e",
];

/// `s01e02`, `S1E2`, `s01.e02`, `s01_e02`, `s01xe02`, `1x02`, `Season 1 Episode 2` and the forms for
/// several episodes (`s01e02-s01e03`, `s01e02e03`, `s01e02-03`, `1x02-1x03`), anywhere in `name`.
pub(crate) fn find_marker(name: &str) -> Option<Marker> {
    word_starts(name).find_map(|at| {
        let text = Text { name, at };
        sxxeyy(text)
            .or_else(|| nxnn(text))
            .or_else(|| season_episode_words(text))
    })
}

/// What only a season folder makes an episode number: `E05`, `Episode 5`, `05 - Title`, `5. Title`, `05`.
pub(crate) fn find_number_in_season(name: &str) -> Option<Marker> {
    for at in word_starts(name) {
        let text = Text { name, at };
        for word in EPISODE_WORDS {
            if let Some(marker) = text
                .word(word)
                .map(Text::separators)
                .and_then(|t| t.number(1..=4))
                .filter(|(_, end)| end.ends_word())
                .map(|(first, end)| marker(None, first, end, at))
            {
                return Some(marker);
            }
        }
    }
    let start = name.len() - name.trim_start().len();
    let (first, end) = Text { name, at: start }.number(1..=3)?;
    end.ends_word().then(|| marker(None, first, end, start))
}

/// `2019-03-04`, `2019.03.04`, `2019 03 04`, `04.03.2019`: a real day with equal separators.
pub(crate) fn find_date(name: &str) -> Option<AirDate> {
    word_starts(name).find_map(|at| {
        let (a, mut text) = Text { name, at }.digits(2..=4)?;
        let separator = text.next().filter(|c| "-._ ".contains(*c))?;
        text = text.skip(separator)?;
        let (b, text) = text.digits(2..=2)?;
        let (c, end) = text.skip(separator)?.digits(2..=4)?;
        let (year, day) = match (a.len(), c.len()) {
            (4, 2) => (a, c),
            (2, 4) => (c, a),
            _ => return None,
        };
        let (year, month, day): (i16, i8, i8) =
            (year.parse().ok()?, b.parse().ok()?, day.parse().ok()?);
        if !(1900..=2100).contains(&year) || !end.ends_word() {
            return None;
        }
        let date = jiff::civil::Date::new(year, month, day).ok()?;
        Some(AirDate {
            date: date.to_string(),
            at: at..end.at,
        })
    })
}

/// A folder that holds one season.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeasonFolder {
    /// Its number; 0 is specials.
    pub(crate) season: u32,
    /// The show's part of the name (`Show.S04.1080p`); empty when the folder names the season only.
    pub(crate) show: String,
    /// Whether only a number says it is a season.
    pub(crate) bare: bool,
}

/// `Season 3`, `Staffel 3`, `S03`, `3`, `Show.S03.1080p…`, `Specials`; not `Season (8)`, not `s06e05`.
pub(crate) fn season_folder(name: &str) -> Option<SeasonFolder> {
    let found = |season, show: &str, bare| {
        Some(SeasonFolder {
            season,
            show: show.to_owned(),
            bare,
        })
    };
    let name = name.trim();
    if ["specials", "special", "season specials"].contains(&name.to_lowercase().as_str()) {
        return found(0, "", false);
    }
    if name.len() <= 4 && !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        return found(name.parse().ok()?, "", true);
    }
    for at in word_starts(name) {
        let text = Text { name, at };
        let worded = SEASON_WORDS
            .iter()
            .find_map(|w| text.word(w))
            .and_then(|t| t.separators().number(1..=4));
        let short = text.letter('s').and_then(|t| t.number(1..=2));
        // Behind a show's name only the short form is common enough to trust ("World Series 2016").
        let hit = if at == 0 { worded.or(short) } else { short };
        if let Some((season, end)) = hit
            && end.ends_word()
            && find_marker(name).is_none()
        {
            return found(
                season,
                name[..at].trim_end_matches([' ', '.', '_', '-']),
                false,
            );
        }
    }
    None
}

fn sxxeyy(start: Text<'_>) -> Option<Marker> {
    let (season, text) = start.letter('s')?.number(1..=4)?;
    let mut text = text.separators();
    text = text.letter('x').unwrap_or(text);
    let (first, end) = text
        .letter('e')
        .map(|t| t.letter('p').unwrap_or(t))?
        .separators()
        .number(1..=4)?;
    if end.next().is_some_and(|c| c.is_ascii_digit()) {
        return None;
    }
    Some(with_more(season, first, end, start.at))
}

fn nxnn(start: Text<'_>) -> Option<Marker> {
    let (season, text) = start.number(1..=2)?;
    let (first, end) = text.letter('x')?.number(2..=3)?;
    // "1x02", but neither "16x9" nor the size "4x1080" nor the codec "2x264kbps".
    let ends = end.ends_word() || end.letter('x').and_then(|t| t.number(2..=3)).is_some();
    ends.then(|| with_more(season, first, end, start.at))
}

fn season_episode_words(start: Text<'_>) -> Option<Marker> {
    let (season, text) = SEASON_WORDS
        .iter()
        .find_map(|w| start.word(w))?
        .separators()
        .number(1..=4)?;
    let text = text.separators();
    let text = EPISODE_WORDS.iter().find_map(|w| text.word(w))?;
    let (first, end) = text.separators().number(1..=4)?;
    Some(marker(Some(season), first, end, start.at))
}

/// Further episodes of the same file, as often as they follow.
fn with_more(season: u32, first: u32, mut end: Text<'_>, at: usize) -> Marker {
    let mut last = first;
    while let Some((number, next)) = more(season, end) {
        if number <= last || number - first > MAX_EPISODES_PER_FILE {
            break;
        }
        (last, end) = (number, next);
    }
    let mut found = marker(Some(season), first, end, at);
    found.last = (last > first).then_some(last);
    found
}

/// One more episode of `season` behind `text`: `e03`, `.e03`, `-03`, `-e03`, `-s01e03`, `-1x03`, `x03`.
fn more<'a>(season: u32, text: Text<'a>) -> Option<(u32, Text<'a>)> {
    let joint = [" - ", "-", "+", "&"]
        .into_iter()
        .find(|joint| text.rest().starts_with(joint));
    let behind = Text {
        at: text.at + joint.map_or(0, str::len),
        ..text
    };
    let same_season =
        |found: (u32, u32, Text<'a>)| (found.0 == season).then_some((found.1, found.2));
    if let Some(found) = whole(behind).or_else(|| crossed(behind)) {
        return same_season(found);
    }
    let behind_separator = behind.one_of("._ ");
    behind_separator
        .letter('e')
        .or_else(|| behind_separator.letter('x'))
        .and_then(|t| t.number(1..=4))
        .filter(|(_, t)| t.ends_number())
        // A bare number only right behind a dash, as in "s01e02-03": elsewhere it is a title's ("- 24 Hours").
        .or_else(|| {
            (joint == Some("-"))
                .then(|| behind.number(1..=3))?
                .filter(|(_, t)| t.ends_word())
        })
}

/// `s01e03`, as season, episode and what follows.
fn whole(text: Text<'_>) -> Option<(u32, u32, Text<'_>)> {
    let (season, text) = text.letter('s')?.number(1..=4)?;
    let (episode, text) = text.letter('e')?.number(1..=4)?;
    Some((season, episode, text))
}

/// `1x03`, as season, episode and what follows.
fn crossed(text: Text<'_>) -> Option<(u32, u32, Text<'_>)> {
    let (season, text) = text.number(1..=2)?;
    let (episode, text) = text.letter('x')?.number(2..=3)?;
    text.ends_word().then_some((season, episode, text))
}

fn marker(season: Option<u32>, first: u32, end: Text<'_>, start: usize) -> Marker {
    Marker {
        season,
        first,
        last: None,
        at: start..end.at,
    }
}

/// Where words begin: positions whose character before is neither letter nor digit.
fn word_starts(name: &str) -> impl Iterator<Item = usize> {
    let mut before = ' ';
    name.char_indices().filter_map(move |(at, c)| {
        let start = !before.is_alphanumeric() && c.is_alphanumeric();
        before = c;
        start.then_some(at)
    })
}

/// A place in a name, on a character boundary.
#[derive(Clone, Copy)]
struct Text<'a> {
    name: &'a str,
    at: usize,
}

impl<'a> Text<'a> {
    fn rest(self) -> &'a str {
        self.name.get(self.at..).unwrap_or_default()
    }

    fn next(self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(self, c: char) -> Option<Self> {
        (self.next()? == c).then(|| Self {
            at: self.at + c.len_utf8(),
            ..self
        })
    }

    /// Behind an ASCII letter of either case.
    fn letter(self, c: char) -> Option<Self> {
        self.next()
            .filter(|n| n.eq_ignore_ascii_case(&c))
            .map(|_| Self {
                at: self.at + 1,
                ..self
            })
    }

    /// Behind a word of either case that no letter follows.
    fn word(self, word: &str) -> Option<Self> {
        let mut rest = self.rest().chars();
        let mut bytes = 0;
        for expected in word.chars() {
            let c = rest.next()?;
            if !c.to_lowercase().eq(expected.to_lowercase()) {
                return None;
            }
            bytes += c.len_utf8();
        }
        let end = Self {
            at: self.at + bytes,
            ..self
        };
        end.next().is_none_or(|c| !c.is_alphabetic()).then_some(end)
    }

    /// Behind at most three separators (`" - "`).
    fn separators(self) -> Self {
        (0..3).fold(self, |text, _| text.one_of(" ._-"))
    }

    fn one_of(self, set: &str) -> Self {
        match self.next() {
            Some(c) if set.contains(c) => Self {
                at: self.at + c.len_utf8(),
                ..self
            },
            _ => self,
        }
    }

    /// All digits that follow, when there are as many as `count` allows.
    fn digits(self, count: std::ops::RangeInclusive<usize>) -> Option<(&'a str, Self)> {
        let rest = self.rest();
        let n = rest.bytes().take_while(u8::is_ascii_digit).count();
        count.contains(&n).then(|| {
            (
                &rest[..n],
                Self {
                    at: self.at + n,
                    ..self
                },
            )
        })
    }

    fn number(self, count: std::ops::RangeInclusive<usize>) -> Option<(u32, Self)> {
        let (digits, end) = self.digits(count)?;
        Some((digits.parse().ok()?, end))
    }

    /// Whether neither letter nor digit follows.
    fn ends_word(self) -> bool {
        self.next().is_none_or(|c| !c.is_alphanumeric())
    }

    /// Whether the number ends here: the next episode's letter may follow.
    fn ends_number(self) -> bool {
        self.next().is_none_or(|c| {
            !c.is_alphanumeric() || c.eq_ignore_ascii_case(&'e') || c.eq_ignore_ascii_case(&'x')
        })
    }
}
