//! A query as a condition on `items`, with nameless parameters.
//!
//! The same query is asked of an item, and, where that is an episode, of its season and of its show. What such a thing
//! has no field for is unknown there: neither the field nor its negation finds it, as with NULL in SQL.

use jiff::ToSpan;
use jiff::civil::Date;
use rusqlite::types::Value;

use super::Today;
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::schedule::query::{Edge, Field, Query, Span, Test};

/// What is asked.
#[derive(Clone, Copy, PartialEq)]
enum View {
    Item,
    Season,
    Show,
}

/// A condition whose value may be known without looking.
enum Known {
    True,
    False,
    Unknown,
    If(String, Vec<Value>),
}

/// Where a field is found.
enum Place {
    /// A column of `item_words`.
    Words(&'static str),
    /// A field of `item_facets`.
    Facet(&'static str),
    /// An expression over `items`.
    Sql(&'static str),
    /// Of the kind, and of nothing else.
    Kind,
    /// A day as `YYYYMMDD`; unknown parts are 0.
    Released,
    /// A moment, ms since 1970.
    Added,
}

/// As `YYYYMMDD`; what only the year is known of has no month and no day.
const RELEASED: &str = "coalesce(CAST(replace(date, '-', '') AS INTEGER), year * 10000)";

/// The condition, and the values of its parameters.
pub(in crate::store) fn condition(query: &Query, today: &Today) -> Result<(String, Vec<Value>)> {
    let mut parts = Vec::new();
    for view in [View::Item, View::Season, View::Show] {
        let guard = match view {
            View::Item => None,
            View::Season => Some("kind = 'episode' AND season IS NOT NULL"),
            View::Show => Some("kind = 'episode'"),
        };
        let known = compile(query, view, today)?;
        parts.push(match (known, guard) {
            (Known::If(sql, values), Some(guard)) => {
                Known::If(format!("{guard} AND ({sql})"), values)
            }
            (Known::True, Some(guard)) => Known::If(guard.to_owned(), Vec::new()),
            (known, _) => known,
        });
    }
    Ok(match any(parts) {
        Known::If(sql, values) => (sql, values),
        Known::True => ("TRUE".to_owned(), Vec::new()),
        Known::False | Known::Unknown => ("FALSE".to_owned(), Vec::new()),
    })
}

fn compile(query: &Query, view: View, today: &Today) -> Result<Known> {
    let each = |parts: &[Query]| -> Result<Vec<Known>> {
        parts
            .iter()
            .map(|part| compile(part, view, today))
            .collect()
    };
    Ok(match query {
        Query::Everything => Known::True,
        Query::All(parts) => all(each(parts)?),
        Query::Any(parts) => any(each(parts)?),
        Query::Not(part) => not(compile(part, view, today)?),
        Query::Smart(name) => {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the smart collection \u{201c}{name}\u{201d} was not looked up"),
            ));
        }
        Query::Term(field, test) => match place(*field, view) {
            Some(place) => term(&place, test, view, today)?,
            None => Known::Unknown,
        },
    })
}

fn all(parts: Vec<Known>) -> Known {
    if parts.iter().any(|part| matches!(part, Known::False)) {
        return Known::False;
    }
    join(
        parts,
        " AND ",
        |part| matches!(part, Known::True),
        Known::True,
    )
}

fn any(parts: Vec<Known>) -> Known {
    if parts.iter().any(|part| matches!(part, Known::True)) {
        return Known::True;
    }
    join(
        parts,
        " OR ",
        |part| matches!(part, Known::False),
        Known::False,
    )
}

fn join(parts: Vec<Known>, between: &str, neutral: fn(&Known) -> bool, nothing: Known) -> Known {
    let (mut texts, mut values, mut unknown) = (Vec::new(), Vec::new(), false);
    for part in parts {
        match part {
            Known::If(text, more) => {
                texts.push(format!("({text})"));
                values.extend(more);
            }
            Known::Unknown => unknown = true,
            part => debug_assert!(neutral(&part)),
        }
    }
    match (texts.is_empty(), unknown) {
        (true, true) => Known::Unknown,
        (true, false) => nothing,
        (false, true) => {
            texts.push("NULL".to_owned());
            Known::If(texts.join(between), values)
        }
        (false, false) => Known::If(texts.join(between), values),
    }
}

fn not(part: Known) -> Known {
    match part {
        Known::True => Known::False,
        Known::False => Known::True,
        Known::Unknown => Known::Unknown,
        Known::If(sql, values) => Known::If(format!("NOT ({sql})"), values),
    }
}

/// Where a view has a field; `None` when it has none.
fn place(field: Field, view: View) -> Option<Place> {
    use Place::{Added, Facet, Kind, Released, Sql, Words};
    use View::{Item, Season, Show};
    Some(match (field, view) {
        (Field::Type, _) => Kind,
        (Field::Title, Item) => Words("title"),
        (Field::Title, Show) | (Field::ShowTitle, Item | Season) => Words("show_title"),
        (Field::Plot, Item) => Words("plot"),
        (Field::Genre, Item) => Words("genre"),
        (Field::Genre, Show) | (Field::ShowGenre, Item | Season) => Words("show_genre"),
        (Field::Tag, Item) => Words("tag"),
        (Field::Tag, Show) | (Field::ShowTag, Item | Season) => Words("show_tag"),
        (Field::TagFull, Item) => Facet("tag"),
        (Field::TagFull, Show) => Facet("show_tag"),
        (Field::Studio, Item) => Words("studio"),
        (Field::Studio, Show) | (Field::ShowStudio, Item | Season) => Words("show_studio"),
        (Field::Country, Item) => Words("country"),
        (Field::Director, Item) => Words("director"),
        (Field::Writer, Item) => Words("writer"),
        (Field::Actor, Item) => Words("actor"),
        (Field::Artist, Item) => Words("artist"),
        (Field::Album, Item) => Words("album"),
        (Field::Mood, Item) => Words("mood"),
        (Field::Style, Item) => Words("style"),
        (Field::ContentRating, Item) => Facet("content_rating"),
        (Field::ContentRating, Show) | (Field::ShowContentRating, Item | Season) => {
            Facet("show_content_rating")
        }
        (Field::JumpLetter, Item) => Sql(
            "CASE WHEN upper(substr(title, 1, 1)) BETWEEN 'A' AND 'Z' THEN upper(substr(title, 1, 1)) ELSE '#' END",
        ),
        (Field::TitleAndYear, Item) => Sql("title || coalesce(' (' || year || ')', '')"),
        (Field::State, _) => Sql("iif(missing_since_ms IS NULL, 'normal', 'file_not_found')"),
        (Field::LibraryId, _) => Sql("root_id"),
        (Field::VideoCodec, Item) => Sql("video_codec"),
        (Field::VideoBitDepth, Item) => Sql("bit_depth"),
        (Field::Height, Item) => Sql("height"),
        (Field::Width, Item) => Sql("width"),
        (Field::Minutes, Item) => Sql("(end_90k - start_90k) / 5400000"),
        (Field::Seconds, Item) => Sql("(end_90k - start_90k) / 90000"),
        (Field::Chapters, Item) => Sql("chapters"),
        (Field::SeasonNumber, Item | Season) => Sql("season"),
        (Field::EpisodeNumber, Item) => Sql("episode"),
        (Field::Year, Item) => Sql("coalesce(year, CAST(substr(date, 1, 4) AS INTEGER))"),
        (
            Field::ReleaseDate
            | Field::ReleasedInTheLast
            | Field::ReleasedNotInTheLast
            | Field::ReleasedOnThisDay,
            Item,
        ) => Released,
        (Field::AddedDate | Field::AddedInTheLast | Field::AddedNotInTheLast, Item) => Added,
        (Field::Imdb, Item) => Facet("imdb"),
        (Field::Tmdb, Item) => Facet("tmdb"),
        (Field::Tvdb, Item) => Facet("tvdb"),
        _ => return None,
    })
}

fn term(place: &Place, test: &Test, view: View, today: &Today) -> Result<Known> {
    Ok(match place {
        Place::Words(column) => words(column, test),
        Place::Facet(field) => {
            let (sql, values) = compared("value", test);
            found(
                format!(
                    "id IN (SELECT item_id FROM item_facets WHERE field = '{field}' AND {sql})"
                ),
                values,
            )
        }
        Place::Sql(expression) => {
            let (sql, values) = compared(expression, test);
            found(sql, values)
        }
        Place::Kind => kind(test, view),
        Place::Released => released(test, today)?,
        Place::Added => added(test, today)?,
    })
}

fn found(sql: String, values: Vec<Value>) -> Known {
    Known::If(sql, values)
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// An expression and what it must be; capitals do not matter.
fn compared(expression: &str, test: &Test) -> (String, Vec<Value>) {
    let expression = format!("({expression})");
    match test {
        Test::Is(value) => (
            format!("{expression} = ? COLLATE NOCASE"),
            vec![text(value)],
        ),
        Test::Like(pattern) => (
            format!("lower({expression}) GLOB ?"),
            vec![text(&pattern.to_lowercase())],
        ),
        Test::Within(from, to) => {
            let (mut sql, mut values) = (format!("{expression} IS NOT NULL"), Vec::new());
            for (edge, above) in [(from, true), (to, false)] {
                if let Some(edge) = edge {
                    let sign = sign(edge, above);
                    sql.push_str(&format!(" AND {expression} {sign} ? COLLATE NOCASE"));
                    values.push(text(&edge.value));
                }
            }
            (sql, values)
        }
        Test::Between(from, to) => between(&expression, *from, *to),
        Test::Last(_) | Test::Before(_) | Test::OnThisDay => ("FALSE".to_owned(), Vec::new()),
    }
}

fn between(expression: &str, from: Option<i64>, to: Option<i64>) -> (String, Vec<Value>) {
    let (mut sql, mut values) = (format!("{expression} IS NOT NULL"), Vec::new());
    for (edge, sign) in [(from, ">="), (to, "<=")] {
        if let Some(edge) = edge {
            sql.push_str(&format!(" AND {expression} {sign} ?"));
            values.push(Value::Integer(edge));
        }
    }
    (sql, values)
}

fn sign(edge: &Edge<String>, above: bool) -> &'static str {
    match (above, edge.included) {
        (true, true) => ">=",
        (true, false) => ">",
        (false, true) => "<=",
        (false, false) => "<",
    }
}

/// Words of a column of `item_words`. Its tokens are lower-case and without accents.
fn words(column: &str, test: &Test) -> Known {
    let matching = |expression: String| {
        found(
            "id IN (SELECT rowid FROM item_words WHERE item_words MATCH ?)".to_owned(),
            vec![Value::Text(expression)],
        )
    };
    let quoted = |value: &str| format!("{column} : \"{}\"", value.replace('"', "\"\""));
    match test {
        Test::Is(value) => matching(quoted(value)),
        Test::Like(pattern) => match pattern.strip_suffix('*') {
            Some(start) if !start.contains(['*', '?', '[']) => {
                matching(format!("{} *", quoted(start)))
            }
            _ => {
                // The accents of the words are gone: any letter may stand where the pattern has one.
                let plain: String = pattern
                    .to_lowercase()
                    .chars()
                    .map(|c| if c.is_ascii() { c } else { '?' })
                    .collect();
                let from: String = plain
                    .chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect();
                let to = format!("{from}\u{10FFFF}");
                places(
                    column,
                    "t.term >= ? AND t.term <= ? AND t.term GLOB ?",
                    vec![Value::Text(from), Value::Text(to), Value::Text(plain)],
                )
            }
        },
        Test::Within(None, None) => found(anything(column), Vec::new()),
        Test::Within(from, to) => {
            let (mut sql, mut values) = ("TRUE".to_owned(), Vec::new());
            for (edge, above) in [(from, true), (to, false)] {
                if let Some(edge) = edge {
                    sql.push_str(&format!(" AND t.term {} ?", sign(edge, above)));
                    values.push(Value::Text(edge.value.to_lowercase()));
                }
            }
            places(column, &sql, values)
        }
        Test::Between(..) | Test::Last(_) | Test::Before(_) | Test::OnThisDay => Known::False,
    }
}

/// Items with words as `filter` says. The words are found first and then their places: there are far fewer words.
fn places(column: &str, filter: &str, values: Vec<Value>) -> Known {
    found(
        format!(
            "id IN (SELECT p.doc FROM item_terms t CROSS JOIN item_places p ON p.term = t.term \
             WHERE {filter} AND p.col = '{column}')"
        ),
        values,
    )
}

/// Whether there is anything in a column of `item_words`.
fn anything(column: &str) -> String {
    match column {
        "title" => "TRUE".to_owned(),
        "show_title" => "kind = 'episode'".to_owned(),
        "plot" => "plot IS NOT NULL".to_owned(),
        list => format!("id IN (SELECT item_id FROM item_facets WHERE field = '{list}')"),
    }
}

/// The words that queries have for kinds, and who is that kind.
const KINDS: &[(&str, View, &str)] = &[
    ("movie", View::Item, "kind = 'movie'"),
    ("episode", View::Item, "kind = 'episode'"),
    ("other_video", View::Item, "kind = 'other'"),
    ("season", View::Season, "TRUE"),
    ("show", View::Show, "TRUE"),
];

fn kind(test: &Test, view: View) -> Known {
    let wanted = |word: &str| match test {
        Test::Is(value) => value.eq_ignore_ascii_case(word),
        Test::Like(pattern) => glob_is_start(pattern, word),
        Test::Within(from, to) => {
            let low = from
                .as_ref()
                .is_none_or(|e| word > e.value.as_str() || (e.included && word == e.value));
            let high = to
                .as_ref()
                .is_none_or(|e| word < e.value.as_str() || (e.included && word == e.value));
            low && high
        }
        _ => false,
    };
    let parts = KINDS
        .iter()
        .filter(|(word, of, _)| *of == view && wanted(word))
        .map(|(_, _, sql)| match *sql {
            "TRUE" => Known::True,
            sql => found(sql.to_owned(), Vec::new()),
        })
        .collect();
    any(parts)
}

/// Kinds are so few that `epi*` is the only pattern with a meaning.
fn glob_is_start(pattern: &str, word: &str) -> bool {
    pattern
        .strip_suffix('*')
        .is_some_and(|start| word.starts_with(&start.to_ascii_lowercase()))
}

fn released(test: &Test, today: &Today) -> Result<Known> {
    let date = date_of(today);
    let (sql, values) = match test {
        Test::Between(from, to) => between(RELEASED, *from, *to),
        Test::Last(span) => between(
            RELEASED,
            Some(number(back(date, *span)?)),
            Some(number(date)),
        ),
        Test::Before(span) => between(RELEASED, None, Some(number(back(date, *span)?) - 1)),
        Test::OnThisDay => (
            format!("{RELEASED} % 10000 = ?"),
            vec![Value::Integer(number(date) % 10_000)],
        ),
        Test::Is(_) | Test::Like(_) | Test::Within(..) => return Ok(Known::False),
    };
    Ok(found(sql, values))
}

fn added(test: &Test, today: &Today) -> Result<Known> {
    let date = date_of(today);
    let (sql, values) = match test {
        Test::Between(from, to) => {
            let from = from
                .map(|day| start_of(first_day(day), today))
                .transpose()?;
            let to = to
                .map(|day| start_of(first_day(day + 1), today))
                .transpose()?;
            between("added_ms", from, to.map(|ms| ms - 1))
        }
        Test::Last(span) => between("added_ms", Some(start_of(back(date, *span)?, today)?), None),
        Test::Before(span) => between(
            "added_ms",
            None,
            Some(start_of(back(date, *span)?, today)? - 1),
        ),
        Test::OnThisDay | Test::Is(_) | Test::Like(_) | Test::Within(..) => {
            return Ok(Known::False);
        }
    };
    Ok(found(sql, values))
}

fn date_of(today: &Today) -> Date {
    jiff::Timestamp::from_millisecond(today.now.0)
        .unwrap_or_default()
        .to_zoned(today.zone.clone())
        .date()
}

fn number(date: Date) -> i64 {
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

fn back(date: Date, span: Span) -> Result<Date> {
    let span = match span {
        Span::Days(n) => i64::from(n).days(),
        Span::Months(n) => i64::from(n).months(),
        Span::Years(n) => i64::from(n).years(),
    };
    date.checked_sub(span).map_err(|e| {
        Error::with_source(
            ErrorKind::Invalid,
            "a span of time in the query reaches back before the calendar",
            e,
        )
    })
}

/// The first day of the calendar that is not before `YYYYMMDD`, where month and day may be any two digits.
fn first_day(number: i64) -> Date {
    let year = i16::try_from((number / 10_000).clamp(1, 9_998)).unwrap_or(9_998);
    let (month, day) = (number / 100 % 100, number % 100);
    let (year, month, day) = match month {
        0 => (year, 1, 1),
        13.. => (year + 1, 1, 1),
        month => (year, i8::try_from(month).unwrap_or(12), day),
    };
    let Ok(first) = Date::new(year, month, 1) else {
        return Date::MAX;
    };
    match i8::try_from(day.max(1))
        .ok()
        .filter(|d| *d <= first.days_in_month())
    {
        Some(day) => first.with().day(day).build().unwrap_or(first),
        None => first.last_of_month().tomorrow().unwrap_or(Date::MAX),
    }
}

fn start_of(date: Date, today: &Today) -> Result<i64> {
    date.to_zoned(today.zone.clone())
        .map(|zoned| UtcMs(zoned.timestamp().as_millisecond()).0)
        .map_err(|e| {
            Error::with_source(
                ErrorKind::Invalid,
                format!("finding the beginning of {date}"),
                e,
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_no_day_means_the_next_one() {
        for (number, expected) in [
            (19990331, "1999-03-31"),
            (19990332, "1999-04-01"),
            (19990300, "1999-03-01"),
            (19990000, "1999-01-01"),
            (19999999, "2000-01-01"),
            (20000000, "2000-01-01"),
            (19990230, "1999-03-01"),
            (19991232, "2000-01-01"),
            (0, "0001-01-01"),
        ] {
            assert_eq!(first_day(number).to_string(), expected, "{number}");
        }
    }
}
