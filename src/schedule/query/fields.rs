//! The fields that a query can ask for: one table.

use crate::config::nearest;

/// A field of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // `FIELDS` describes each.
pub enum Field {
    Type,
    Title,
    ShowTitle,
    Plot,
    Genre,
    ShowGenre,
    Tag,
    TagFull,
    ShowTag,
    Country,
    Studio,
    ShowStudio,
    Director,
    Writer,
    Actor,
    Artist,
    Album,
    Mood,
    Style,
    ContentRating,
    ShowContentRating,
    JumpLetter,
    TitleAndYear,
    State,
    LibraryId,
    SmartCollection,
    VideoCodec,
    VideoBitDepth,
    Height,
    Width,
    Minutes,
    Seconds,
    Chapters,
    SeasonNumber,
    EpisodeNumber,
    Year,
    ReleaseDate,
    AddedDate,
    ReleasedInTheLast,
    ReleasedNotInTheLast,
    ReleasedOnThisDay,
    AddedInTheLast,
    AddedNotInTheLast,
    Imdb,
    Tmdb,
    Tvdb,
}

/// How the values of a field are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Word by word.
    Text,
    /// As a whole.
    Word,
    /// As a whole number.
    Number,
    /// As a day.
    Date,
    /// By its age: `"3 weeks"`.
    Age,
    /// By the day of the year; the value is not looked at.
    Anniversary,
    /// By the name of a smart collection.
    Smart,
}

/// A field, its name and what it means.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Which.
    pub field: Field,
    /// As it is written in a query.
    pub name: &'static str,
    /// How its values are compared.
    pub kind: FieldKind,
    /// For people.
    pub about: &'static str,
}

const fn row(field: Field, name: &'static str, kind: FieldKind, about: &'static str) -> FieldInfo {
    FieldInfo {
        field,
        name,
        kind,
        about,
    }
}

/// Every field; the names are ErsatzTV's where it has the field.
pub const FIELDS: &[FieldInfo] = &[
    row(
        Field::Type,
        "type",
        FieldKind::Word,
        "movie, episode or other_video; show and season find all their episodes",
    ),
    row(
        Field::Title,
        "title",
        FieldKind::Text,
        "title; the default field",
    ),
    row(
        Field::ShowTitle,
        "show_title",
        FieldKind::Text,
        "title of an episode's show",
    ),
    row(Field::Plot, "plot", FieldKind::Text, "description"),
    row(Field::Genre, "genre", FieldKind::Text, "genre"),
    row(
        Field::ShowGenre,
        "show_genre",
        FieldKind::Text,
        "genre of an episode's show",
    ),
    row(Field::Tag, "tag", FieldKind::Text, "tag, by its words"),
    row(
        Field::TagFull,
        "tag_full",
        FieldKind::Word,
        "tag as a whole",
    ),
    row(
        Field::ShowTag,
        "show_tag",
        FieldKind::Text,
        "tag of an episode's show",
    ),
    row(Field::Country, "country", FieldKind::Text, "country"),
    row(
        Field::Studio,
        "studio",
        FieldKind::Text,
        "studio or network",
    ),
    row(
        Field::ShowStudio,
        "show_studio",
        FieldKind::Text,
        "studio or network of an episode's show",
    ),
    row(Field::Director, "director", FieldKind::Text, "director"),
    row(Field::Writer, "writer", FieldKind::Text, "writer"),
    row(Field::Actor, "actor", FieldKind::Text, "actor"),
    row(
        Field::Artist,
        "artist",
        FieldKind::Text,
        "performer of a music video",
    ),
    row(
        Field::Album,
        "album",
        FieldKind::Text,
        "album of a music video",
    ),
    row(Field::Mood, "mood", FieldKind::Text, "mood"),
    row(Field::Style, "style", FieldKind::Text, "style"),
    row(
        Field::ContentRating,
        "content_rating",
        FieldKind::Word,
        "age rating, such as PG-13",
    ),
    row(
        Field::ShowContentRating,
        "show_content_rating",
        FieldKind::Word,
        "age rating of an episode's show",
    ),
    row(
        Field::JumpLetter,
        "jump_letter",
        FieldKind::Word,
        "first letter of the title; # for anything else",
    ),
    row(
        Field::TitleAndYear,
        "title_and_year",
        FieldKind::Word,
        "title and year, such as \"Alien (1979)\"",
    ),
    row(
        Field::State,
        "state",
        FieldKind::Word,
        "normal, or file_not_found",
    ),
    row(
        Field::LibraryId,
        "library_id",
        FieldKind::Number,
        "key of the folder in the library",
    ),
    row(
        Field::SmartCollection,
        "smart_collection",
        FieldKind::Smart,
        "name of a smart collection that finds it",
    ),
    row(
        Field::VideoCodec,
        "video_codec",
        FieldKind::Word,
        "h264, hevc or mpeg2",
    ),
    row(
        Field::VideoBitDepth,
        "video_bit_depth",
        FieldKind::Number,
        "bits per sample",
    ),
    row(
        Field::Height,
        "height",
        FieldKind::Number,
        "lines of the picture",
    ),
    row(
        Field::Width,
        "width",
        FieldKind::Number,
        "columns of the picture",
    ),
    row(
        Field::Minutes,
        "minutes",
        FieldKind::Number,
        "length in minutes, rounded down",
    ),
    row(
        Field::Seconds,
        "seconds",
        FieldKind::Number,
        "length in seconds, rounded down",
    ),
    row(
        Field::Chapters,
        "chapters",
        FieldKind::Number,
        "number of chapters",
    ),
    row(
        Field::SeasonNumber,
        "season_number",
        FieldKind::Number,
        "season; 0 is specials",
    ),
    row(
        Field::EpisodeNumber,
        "episode_number",
        FieldKind::Number,
        "episode",
    ),
    row(Field::Year, "year", FieldKind::Number, "year of release"),
    row(
        Field::ReleaseDate,
        "release_date",
        FieldKind::Date,
        "day of release or first airing, YYYYMMDD",
    ),
    row(
        Field::AddedDate,
        "added_date",
        FieldKind::Date,
        "day on which it came into the library, YYYYMMDD",
    ),
    row(
        Field::ReleasedInTheLast,
        "released_inthelast",
        FieldKind::Age,
        "released not longer ago than \"3 weeks\"",
    ),
    row(
        Field::ReleasedNotInTheLast,
        "released_notinthelast",
        FieldKind::Age,
        "released longer ago",
    ),
    row(
        Field::ReleasedOnThisDay,
        "released_onthisday",
        FieldKind::Anniversary,
        "released on this day of the year",
    ),
    row(
        Field::AddedInTheLast,
        "added_inthelast",
        FieldKind::Age,
        "added not longer ago than \"3 weeks\"",
    ),
    row(
        Field::AddedNotInTheLast,
        "added_notinthelast",
        FieldKind::Age,
        "added longer ago",
    ),
    row(Field::Imdb, "imdb", FieldKind::Word, "key at IMDb"),
    row(Field::Tmdb, "tmdb", FieldKind::Word, "key at TMDB"),
    row(Field::Tvdb, "tvdb", FieldKind::Word, "key at TheTVDB"),
];

impl Field {
    /// The row of the table.
    pub fn info(self) -> &'static FieldInfo {
        FIELDS
            .iter()
            .find(|info| info.field == self)
            .unwrap_or(&FIELDS[0])
    }
}

/// The field of this name; else the nearest name, if one is near.
pub(super) fn find(name: &str) -> Result<&'static FieldInfo, Option<&'static str>> {
    FIELDS
        .iter()
        .find(|info| info.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| nearest(name, FIELDS.iter().map(|info| info.name)))
}
