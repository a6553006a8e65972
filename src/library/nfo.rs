//! Kodi's NFO files: the basics of `movie.nfo`, `NAME.nfo` (films, episodes, music videos) and `tvshow.nfo`.
//!
//! Tolerant: invalid UTF-8, unknown elements and text around the XML (a link, as Kodi allows) are read
//! over, and damage keeps what was understood before it. Bounded: at most 1 MiB is read, texts are cut,
//! document types are skipped and no entity but XML's own five and character references is expanded.
//! Element names: <https://kodi.wiki/view/NFO_files>.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::names::{Named, printable};
use crate::error::Result;
use crate::guide::{Facet, Facets, ItemKind, Metadata};
use crate::media::{FileSource, ReadAt};

/// What is read of a file; real ones with a hundred actors stay below a tenth of it.
const MAX_BYTES: usize = 1 << 20;
/// Longest title kept, in characters.
const MAX_TITLE: usize = 300;
/// Longest description kept, in characters.
const MAX_PLOT: usize = 4_000;
/// Deepest nesting followed; Kodi's own files have five levels.
const MAX_DEPTH: usize = 32;

/// What the root element says the file describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NfoKind {
    /// `<movie>`
    Movie,
    /// `<tvshow>`
    Show,
    /// `<episodedetails>`
    Episode,
    /// `<musicvideo>`
    MusicVideo,
}

/// The parts of an NFO file that we use. What is absent, empty or senseless is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nfo {
    /// What is described.
    pub kind: NfoKind,
    /// Title of the film, episode, clip or show.
    pub title: Option<String>,
    /// Title of the show, in episodes.
    pub show: Option<String>,
    /// Performer, in music videos.
    pub artist: Option<String>,
    /// Season.
    pub season: Option<u32>,
    /// Episode.
    pub episode: Option<u32>,
    /// Episode of the last description, in files that hold several.
    pub episode_end: Option<u32>,
    /// Year of release.
    pub year: Option<u16>,
    /// Date of release or first airing, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Description.
    pub plot: Option<String>,
    /// Genres, people and the like.
    pub facets: Facets,
}

/// Reads the NFO file at `path`; `None` when it holds none of the descriptions that we know.
pub fn read(path: &Path) -> Result<Option<Nfo>> {
    let file = FileSource::open(path)?;
    let size = usize::try_from(file.size_bytes()).unwrap_or(MAX_BYTES);
    let mut bytes = vec![0; size.min(MAX_BYTES)];
    let n = file.read_at(0, &mut bytes)?;
    bytes.truncate(n);
    Ok(parse(&bytes))
}

/// Reads the bytes of an NFO file in UTF-8, or in UTF-16 with a byte order mark.
pub fn parse(bytes: &[u8]) -> Option<Nfo> {
    let text = text_of(bytes);
    // Kodi allows a link before or behind the description; markup begins at the first `<`.
    let mut reader = Reader::from_str(text.get(text.find('<')?..)?);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;

    let mut found: Option<Nfo> = None;
    let mut elements: Vec<String> = Vec::new();
    let mut value = String::new();
    let mut key_of = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                if elements.len() >= MAX_DEPTH {
                    return found;
                }
                let name = start.local_name().as_ref().to_ascii_lowercase();
                if elements.is_empty() {
                    begin(&mut found, &name);
                }
                key_of = (name == "uniqueid").then(|| key_at(&start)).flatten();
                elements.push(name);
                value.clear();
            }
            Ok(Event::End(_)) => {
                let name = elements.pop().unwrap_or_default();
                // Only children of the root: `<title>` also occurs inside `<set>` and `<actor>`.
                if elements.len() == 1
                    && let Some(nfo) = &mut found
                {
                    nfo.take(&name, &value);
                    if let Some(facet) = key_of.take() {
                        nfo.facets.add(facet, &value);
                    }
                }
                // Of people inside elements, only the names of actors count: not their roles and pictures.
                if let (Some(nfo), [_, outer]) = (&mut found, elements.as_slice())
                    && (outer == "actor" && name == "name")
                {
                    nfo.facets.add(Facet::Actor, &printable(&value));
                }
                value.clear();
            }
            Ok(Event::Text(t)) => push(&mut value, &t.xml10_content()),
            Ok(Event::CData(t)) => push(&mut value, &t.xml10_content()),
            Ok(Event::GeneralRef(r)) => {
                let known = match &*r.xml10_content() {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => r.resolve_char_ref().ok().flatten(),
                };
                if let Some(c) = known {
                    push(&mut value, c.encode_utf8(&mut [0; 4]));
                }
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

/// A root element: the first one decides; further episodes only move the last number.
fn begin(found: &mut Option<Nfo>, name: &str) {
    let kind = match name {
        "movie" => NfoKind::Movie,
        "tvshow" => NfoKind::Show,
        "episodedetails" => NfoKind::Episode,
        "musicvideo" => NfoKind::MusicVideo,
        _ => return,
    };
    if found.is_none() {
        *found = Some(Nfo {
            kind,
            title: None,
            show: None,
            artist: None,
            season: None,
            episode: None,
            episode_end: None,
            year: None,
            date: None,
            plot: None,
            facets: Facets::default(),
        });
    }
}

/// Appends as much as the longest text we keep can use, whatever the file holds.
fn push(value: &mut String, text: &str) {
    if value.len() < MAX_PLOT * 4 {
        value.push_str(text);
    }
}

/// Whose key a `<uniqueid type="…">` is.
fn key_at(start: &quick_xml::events::BytesStart<'_>) -> Option<Facet> {
    let kind = start.try_get_attribute("type").ok()??;
    match kind.value.as_ref() {
        "imdb" => Some(Facet::Imdb),
        "tmdb" => Some(Facet::Tmdb),
        "tvdb" => Some(Facet::Tvdb),
        _ => None,
    }
}

fn text_of(bytes: &[u8]) -> String {
    let wide = |order: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|c| order([c[0], c[1]]));
        char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

impl Nfo {
    fn take(&mut self, element: &str, value: &str) {
        let text = |max: usize| {
            let text: String = printable(value).chars().take(max).collect();
            (!text.is_empty()).then_some(text)
        };
        let number = || value.trim().parse::<u32>().ok();
        // The first of several equal elements counts, as in Kodi.
        match element {
            "title" => set(&mut self.title, text(MAX_TITLE)),
            "showtitle" => set(&mut self.show, text(MAX_TITLE)),
            "artist" => set(&mut self.artist, text(MAX_TITLE)),
            "plot" => set(&mut self.plot, text(MAX_PLOT)),
            "season" => set(&mut self.season, number()),
            "year" => set(&mut self.year, year(value)),
            "aired" | "premiered" => set(&mut self.date, date(value)),
            "episode" => {
                if let (Some(first), Some(n)) = (self.episode, number())
                    && n > first
                {
                    self.episode_end = Some(n);
                }
                set(&mut self.episode, number());
            }
            _ => {}
        }
        let facet = match element {
            "genre" => Facet::Genre,
            "tag" => Facet::Tag,
            "country" => Facet::Country,
            "studio" => Facet::Studio,
            "director" => Facet::Director,
            "credits" => Facet::Writer,
            "artist" => Facet::Artist,
            "album" => Facet::Album,
            "mood" => Facet::Mood,
            "style" => Facet::Style,
            "mpaa" => Facet::ContentRating,
            _ => return,
        };
        // Several in one element, as some programs write them: "Action / Comedy".
        for part in value.split(" / ") {
            self.facets.add(facet, &printable(part));
        }
    }

    /// Corrects what the names said. A `tvshow.nfo` corrects the show's title alone.
    pub fn correct(&self, named: &mut Named) {
        let m: &mut Metadata = &mut named.metadata;
        if self.kind == NfoKind::Show {
            if named.kind == ItemKind::Episode && self.title.is_some() {
                m.show.clone_from(&self.title);
            }
            if named.kind == ItemKind::Episode {
                for (from, to) in [
                    (Facet::Genre, Facet::ShowGenre),
                    (Facet::Tag, Facet::ShowTag),
                    (Facet::Studio, Facet::ShowStudio),
                    (Facet::ContentRating, Facet::ShowContentRating),
                ] {
                    for value in self.facets.of(from) {
                        named.facets.add(to, value);
                    }
                }
            }
            return;
        }
        named.kind = match self.kind {
            NfoKind::Movie => ItemKind::Movie,
            // An episode belongs to a show; one that neither the file nor a folder names is none.
            NfoKind::Episode if self.show.is_some() || m.show.is_some() => ItemKind::Episode,
            _ => ItemKind::Other,
        };
        if let Some(title) = &self.title {
            m.title.clone_from(title);
        }
        if self.kind == NfoKind::MusicVideo
            && let Some(artist) = &self.artist
        {
            m.title = format!("{artist} – {}", m.title);
        }
        if named.kind == ItemKind::Episode {
            replace(&mut m.show, self.show.clone());
            replace(&mut m.season, self.season);
            if self.episode.is_some() {
                m.episode = self.episode;
                // An NFO with one description may lie beside a file with two episodes.
                m.episode_end = self
                    .episode_end
                    .or(m.episode_end)
                    .filter(|e| m.episode < Some(*e));
            }
        } else {
            (m.show, m.season, m.episode, m.episode_end) = (None, None, None, None);
        }
        let dated = self.date.as_deref().and_then(|d| year(d.get(..4)?));
        replace(&mut m.year, self.year.or(dated));
        replace(&mut m.date, self.date.clone());
        replace(&mut m.plot, self.plot.clone());
        named.facets.extend(&self.facets);
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

fn replace<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

fn year(text: &str) -> Option<u16> {
    text.trim()
        .parse()
        .ok()
        .filter(|y| (1870..=2100).contains(y))
}

/// A day of the calendar, `YYYY-MM-DD`.
fn date(text: &str) -> Option<String> {
    let date: jiff::civil::Date = text.trim().get(..10)?.parse().ok()?;
    Some(date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RootKind;

    fn named(path: &str, nfo: &str) -> Named {
        let root = Path::new("/tv");
        let mut named = super::super::names::identify(root, RootKind::Auto, &root.join(path));
        if let Some(nfo) = parse(nfo.as_bytes()) {
            nfo.correct(&mut named);
        }
        named
    }

    #[test]
    fn a_film_takes_title_year_date_and_plot() {
        let found = named(
            "x/film.mkv",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>
            <movie><title>Tom &amp; J&#233;r&ocirc;me</title><originaltitle>Other</originaltitle>
            <set><title>A Set</title></set><plot>One
              line.</plot><premiered>1999-03-31</premiered><actor><name>A</name></actor></movie>",
        );
        assert_eq!(found.kind, ItemKind::Movie);
        assert_eq!(
            found.metadata,
            Metadata {
                title: "Tom & Jérme".into(),
                year: Some(1999),
                date: Some("1999-03-31".into()),
                plot: Some("One line.".into()),
                ..Metadata::default()
            }
        );
    }

    #[test]
    fn an_episode_takes_numbers_and_show_and_a_second_description_its_last_number() {
        let nfo = "<episodedetails><title>A</title><showtitle>S</showtitle><season>2</season>
            <episode>5</episode><aired>2001-02-03</aired></episodedetails>
            <episodedetails><title>B</title><episode>6</episode></episodedetails>";
        let m = named("Show/s01e01.mkv", nfo).metadata;
        assert_eq!((m.show.as_deref(), m.title.as_str()), (Some("S"), "A"));
        assert_eq!(
            (m.season, m.episode, m.episode_end),
            (Some(2), Some(5), Some(6))
        );
        assert_eq!(
            (m.date.as_deref(), m.year),
            (Some("2001-02-03"), Some(2001))
        );
    }

    #[test]
    fn a_show_corrects_the_show_of_episodes_only() {
        let nfo = "<tvshow><title>The Real Show</title><plot>p</plot></tvshow>";
        let m = named("shw/s01e01.mkv", nfo).metadata;
        assert_eq!((m.show.as_deref(), m.plot), (Some("The Real Show"), None));
        assert_eq!(named("film.mkv", nfo), named("film.mkv", ""));
    }

    #[test]
    fn a_music_video_is_neither_film_nor_episode() {
        let found = named(
            "a s01e02.mkv",
            "<musicvideo><title>T</title><artist>A</artist></musicvideo>",
        );
        assert_eq!(
            (found.kind, found.metadata.title.as_str()),
            (ItemKind::Other, "A – T")
        );
        assert_eq!(found.metadata.season, None);
    }

    #[test]
    fn damage_keeps_what_was_understood_before_it() {
        for (nfo, title) in [
            ("<movie><title>T</title><plot>cut", Some("T")),
            (
                "<movie><title>T</title></wrong><year>1999</year>",
                Some("T"),
            ),
            (
                "https://example.org/1\n<movie><title>T</title></movie>\nhttps://example.org/2",
                Some("T"),
            ),
            ("\u{feff}<movie><title>T</title></movie>", Some("T")),
            ("<movie><title>T & U</title></movie>", Some("T & U")),
            (
                "<movie><title><![CDATA[T <b>]]></title></movie>",
                Some("T <b>"),
            ),
            ("<MOVIE><Title>T</Title></MOVIE>", Some("T")),
            ("<movie><title>  </title></movie>", None),
            ("<movie><year>soon</year></movie>", None),
        ] {
            assert_eq!(
                parse(nfo.as_bytes()).unwrap().title.as_deref(),
                title,
                "{nfo}"
            );
        }
        for nfo in [
            "",
            "https://example.org/title/1",
            "<html><title>T</title></html>",
            "<",
            "<movie",
            "\0\0",
        ] {
            assert_eq!(parse(nfo.as_bytes()), None, "{nfo:?}");
        }
    }

    #[test]
    fn other_encodings_are_read_and_invalid_bytes_replaced() {
        let wide = |bytes: fn(u16) -> [u8; 2], mark: &[u8]| {
            let text = "<movie><title>é</title></movie>"
                .encode_utf16()
                .flat_map(bytes);
            [mark.to_vec(), text.collect()].concat()
        };
        for bytes in [
            wide(u16::to_le_bytes, b"\xff\xfe"),
            wide(u16::to_be_bytes, b"\xfe\xff"),
        ] {
            assert_eq!(parse(&bytes).unwrap().title.as_deref(), Some("é"));
        }
        let latin1 = parse(b"<movie><title>\xe9t\xe9</title></movie>").unwrap();
        assert_eq!(latin1.title.as_deref(), Some("\u{fffd}t\u{fffd}"));
    }

    #[test]
    fn no_entity_is_expanded_and_no_external_one_opened() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">
            <!ENTITY f SYSTEM \"file:///etc/passwd\">]><movie><title>T&b;&f;</title></movie>";
        assert_eq!(parse(bomb.as_bytes()).unwrap().title.as_deref(), Some("T"));
    }

    #[test]
    fn a_huge_file_costs_one_mebibyte_and_long_texts_are_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("movie.nfo");
        let long = "x".repeat(3 << 20);
        std::fs::write(
            &path,
            format!("<movie><title>T</title><outline>{long}</outline></movie>"),
        )
        .unwrap();
        assert_eq!(read(&path).unwrap().unwrap().title.as_deref(), Some("T"));
        let nfo = format!("<movie><plot>{}</plot></movie>", "é".repeat(9_000));
        assert_eq!(
            parse(nfo.as_bytes()).unwrap().plot.unwrap().chars().count(),
            MAX_PLOT
        );
        assert_eq!(
            parse("<movie>".repeat(100_000).as_bytes()).unwrap().title,
            None
        );
    }
}
