//! XMLTV, one channel or programme at a time into a buffer of the caller, so that a guide of any length needs the
//! memory of one programme.
//!
//! One text for all: the order of elements is the DTD's (`xmltv.dtd`), times are whole seconds in UTC, and each field
//! has the form that Plex, Jellyfin and Kodi agree on. Where they need different things, a comment says which.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::civil::Date;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::text::{line, paragraphs};
use super::{GuideChannel, ItemKind, Metadata, guide_id};

/// Whether a programme was on this channel before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Airing {
    /// Nobody knows.
    #[default]
    Unknown,
    /// For the first time.
    First,
    /// Again.
    Repeat,
}

/// One programme of the guide.
#[derive(Clone, Copy, Debug)]
pub struct Programme<'a> {
    /// Key of its channel.
    pub channel_id: i64,
    /// Name of its channel: the last resort for a title.
    pub channel_name: &'a str,
    /// First second, since 1970 UTC.
    pub start_s: i64,
    /// The second after the last, since 1970 UTC.
    pub stop_s: i64,
    /// What it is.
    pub kind: ItemKind,
    /// Its titles.
    pub metadata: &'a Metadata,
    /// Whether it was on before.
    pub airing: Airing,
}

/// The beginning of the document. `base` is where this server is reached.
pub fn header(out: &mut Vec<u8>, base: &str) {
    let mut xml = Xml::new(out);
    xml.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    xml.newline();
    xml.event(Event::DocType(BytesText::from_escaped(
        "tv SYSTEM \"xmltv.dtd\"",
    )));
    xml.newline();
    xml.open(
        "tv",
        &[
            ("source-info-url", base),
            ("generator-info-name", "exstreamd"),
        ],
    );
    xml.newline();
}

/// One channel. All channels stand before the first programme.
pub fn channel(out: &mut Vec<u8>, channel: &GuideChannel, base: &str) {
    let mut xml = Xml::new(out);
    let name = channel_title(&channel.name, &channel.number);
    let number = line(&channel.number);
    xml.open("channel", &[("id", &channel.guide_id())]);
    // Jellyfin takes the first as the name and one that is a number as the number: HDHomeRun channels are matched by it.
    xml.element("display-name", &name);
    xml.element("display-name", &number);
    xml.element("display-name", &format!("{number} {name}"));
    if let Some(logo) = channel.logo_url(base) {
        xml.empty("icon", &[("src", &line(&logo))]);
    }
    xml.close("channel");
    xml.newline();
}

/// One programme; nothing when it has no length, which no client understands.
pub fn programme(out: &mut Vec<u8>, programme: &Programme<'_>) {
    let (Some(start), Some(stop)) = (time(programme.start_s), time(programme.stop_s)) else {
        return;
    };
    if programme.start_s >= programme.stop_s {
        return;
    }
    let mut xml = Xml::new(out);
    let metadata = programme.metadata;
    let (title, sub_title) = titles(programme);
    xml.open(
        "programme",
        &[
            ("start", &start),
            ("stop", &stop),
            ("channel", &guide_id(programme.channel_id)),
        ],
    );
    xml.element("title", &title);
    if let Some(sub_title) = &sub_title {
        xml.element("sub-title", sub_title);
    }
    let plot = metadata.plot.as_deref().map(paragraphs);
    if let Some(plot) = plot.filter(|plot| !plot.is_empty()) {
        xml.element("desc", &plot);
    }
    if let Some(date) = date(metadata) {
        xml.element("date", &date);
    }
    match programme.kind {
        // Jellyfin compares these words exactly; "Movie" makes it forget an episode number.
        ItemKind::Movie => xml.element("category", "Movie"),
        ItemKind::Episode => xml.element("category", "Series"),
        ItemKind::Other => {}
    }
    episode_numbers(&mut xml, programme, &title, sub_title.as_deref());
    match programme.airing {
        Airing::Repeat => xml.empty("previously-shown", &[]),
        Airing::First => xml.empty("new", &[]),
        Airing::Unknown => {}
    }
    xml.close("programme");
    xml.newline();
}

/// The end of the document.
pub fn footer(out: &mut Vec<u8>) {
    let mut xml = Xml::new(out);
    xml.close("tv");
    xml.newline();
}

/// Title and, for an episode of a known show, the episode's own title. The fallbacks end with the channel's name:
/// a guide full of "Unknown" is one programme to Plex.
fn titles(programme: &Programme<'_>) -> (String, Option<String>) {
    let own = line(&programme.metadata.title);
    let show = programme.metadata.show.as_deref().map(line);
    let show = show.filter(|show| !show.is_empty());
    match show {
        Some(show) if programme.kind == ItemKind::Episode => {
            let sub_title = (!own.is_empty() && own != show).then(|| own.into_owned());
            (show.into_owned(), sub_title)
        }
        show => {
            let title = if own.is_empty() { show } else { Some(own) };
            let title = title.map_or_else(
                || channel_title(programme.channel_name, &programme.channel_id.to_string()),
                std::borrow::Cow::into_owned,
            );
            (title, None)
        }
    }
}

fn channel_title(name: &str, number: &str) -> String {
    let name = line(name);
    if name.is_empty() {
        format!("Channel {}", line(number))
    } else {
        name.into_owned()
    }
}

/// `<episode-num>` in each system that some client needs. Plex takes a programme without any for a film, and `dd_progid`
/// as the surest; Jellyfin tells series apart by it.
fn episode_numbers(
    xml: &mut Xml<'_>,
    programme: &Programme<'_>,
    title: &str,
    sub_title: Option<&str>,
) {
    let metadata = programme.metadata;
    let numbers = match (programme.kind, metadata.episode) {
        (ItemKind::Episode, Some(episode)) => Some((metadata.season, episode)),
        _ => None,
    };
    let id = match (programme.kind, numbers) {
        (ItemKind::Movie, _) => {
            let year = metadata.year.map(|year| year.to_string());
            dd_progid("MV", &[title, year.as_deref().unwrap_or_default()], 0)
        }
        (_, Some((season, episode))) => {
            dd_progid("EP", &[title], episode_key(season.unwrap_or(0), episode))
        }
        (ItemKind::Episode, None) => {
            let named = sub_title.unwrap_or_default();
            let when = metadata.date.as_deref().unwrap_or_default();
            // Six digits: no numbered episode has as many.
            let which = 100_000 + digits_of(&[named, when], 900_000);
            dd_progid("EP", &[title], which)
        }
        (ItemKind::Other, _) => dd_progid("SH", &[title], 0),
    };
    xml.number("dd_progid", &id);
    let Some((season, episode)) = numbers else {
        return;
    };
    // `season.episode.part`, counted from 0. The part stays empty: Kodi takes "0/1" there for the episode. A special
    // (season 0) cannot be said in this system.
    if let (Some(first), false) = (episode.checked_sub(1), season == Some(0)) {
        let season = season.map_or_else(String::new, |season| (season - 1).to_string());
        xml.number("xmltv_ns", &format!("{season}.{first}."));
    }
    let mut onscreen = match season {
        Some(season) => format!("S{season:02}E{episode:02}"),
        None => format!("E{episode:02}"),
    };
    if let Some(last) = metadata.episode_end.filter(|&last| last > episode) {
        onscreen.push_str(&format!("-E{last:02}"));
    }
    xml.number("onscreen", &onscreen);
}

/// Two letters, eight digits for the series, a dot, at least four for the episode.
fn dd_progid(letters: &str, series: &[&str], episode: u64) -> String {
    let series = digits_of(series, 100_000_000);
    format!("{letters}{series:08}.{episode:04}")
}

/// A number that no other season and episode has.
fn episode_key(season: u32, episode: u32) -> u64 {
    let (season, episode) = (u64::from(season), u64::from(episode));
    if season < 100 && episode < 100 {
        season * 100 + episode
    } else {
        (season + 1) * 1_000_000 + episode
    }
}

/// Digits that stay the same for the same words, on every machine and in every version (FNV-1a, 64 bits).
fn digits_of(words: &[&str], end: u64) -> u64 {
    let lower = words.iter().map(|word| word.to_lowercase());
    let hash = lower.fold(0xcbf2_9ce4_8422_2325_u64, |hash, word| {
        word.bytes().chain([0]).fold(hash, |hash, b| {
            (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        })
    });
    hash % end
}

/// `YYYYMMDD`, or `YYYY` when the day is not known. Plex understands no other form.
fn date(metadata: &Metadata) -> Option<String> {
    let day = metadata.date.as_deref();
    match day.and_then(|day| day.trim().parse::<Date>().ok()) {
        Some(day) => Some(day.strftime("%Y%m%d").to_string()),
        None => metadata.year.map(|year| format!("{year:04}")),
    }
}

/// `20260131183000 +0000`.
fn time(second: i64) -> Option<String> {
    let time = Timestamp::from_second(second).ok()?;
    Some(time.strftime("%Y%m%d%H%M%S +0000").to_string())
}

/// Elements into a buffer. A `Vec` takes all that is written, so no result is looked at.
struct Xml<'a>(Writer<Sink<'a>>);

struct Sink<'a>(&'a mut Vec<u8>);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> Xml<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self(Writer::new(Sink(out)))
    }

    fn event(&mut self, event: Event<'_>) {
        let _ = self.0.write_event(event);
    }

    fn newline(&mut self) {
        self.0.get_mut().0.push(b'\n');
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.event(Event::Start(start));
    }

    fn close(&mut self, name: &str) {
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.event(Event::Empty(start));
    }

    fn element(&mut self, name: &str, text: &str) {
        self.open(name, &[]);
        self.event(Event::Text(BytesText::new(text)));
        self.close(name);
    }

    fn number(&mut self, system: &str, text: &str) {
        self.open("episode-num", &[("system", system)]);
        self.event(Event::Text(BytesText::new(text)));
        self.close("episode-num");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: ItemKind, metadata: &Metadata) -> String {
        let mut out = Vec::new();
        programme(
            &mut out,
            &Programme {
                channel_id: 7,
                channel_name: "Noir & More",
                start_s: 1_769_884_200,
                stop_s: 1_769_889_600,
                kind,
                metadata,
                airing: Airing::Unknown,
            },
        );
        String::from_utf8(out).unwrap()
    }

    fn episode(season: Option<u32>, episode: Option<u32>) -> Metadata {
        Metadata {
            title: "Pilot".to_owned(),
            show: Some("Show".to_owned()),
            season,
            episode,
            ..Metadata::default()
        }
    }

    #[test]
    fn episode_numbers_take_the_forms_that_clients_read() {
        #[track_caller]
        fn check(season: Option<u32>, number: Option<u32>, ns: Option<&str>, screen: Option<&str>) {
            let text = written(ItemKind::Episode, &episode(season, number));
            let value = |system: &str| {
                let from = text.find(&format!("system=\"{system}\">"))?;
                let rest = &text[from + system.len() + 10..];
                Some(rest[..rest.find('<')?].to_owned())
            };
            assert_eq!(value("xmltv_ns").as_deref(), ns);
            assert_eq!(value("onscreen").as_deref(), screen);
            assert!(value("dd_progid").unwrap().starts_with("EP"));
        }
        check(Some(1), Some(2), Some("0.1."), Some("S01E02"));
        check(Some(12), Some(134), Some("11.133."), Some("S12E134"));
        check(Some(0), Some(3), None, Some("S00E03"));
        check(None, Some(3), Some(".2."), Some("E03"));
        check(Some(1), Some(0), None, Some("S01E00"));
        check(Some(1), None, None, None);
    }

    #[test]
    fn no_two_episodes_share_an_id() {
        let mut seen = std::collections::HashSet::new();
        for season in 0..130 {
            for number in 0..130 {
                assert!(
                    seen.insert(episode_key(season, number)),
                    "{season} {number}"
                );
            }
        }
    }

    #[test]
    fn a_programme_always_has_a_title_and_it_is_never_unknown() {
        #[track_caller]
        fn check(kind: ItemKind, title: &str, show: Option<&str>, expected: &str) {
            let metadata = Metadata {
                title: title.to_owned(),
                show: show.map(str::to_owned),
                ..Metadata::default()
            };
            let text = written(kind, &metadata);
            assert!(text.contains(expected), "{text}");
        }
        check(ItemKind::Movie, "Gilda", None, "<title>Gilda</title>");
        check(
            ItemKind::Episode,
            "Pilot",
            Some("Show"),
            "<title>Show</title><sub-title>Pilot</sub-title>",
        );
        check(ItemKind::Episode, "Pilot", None, "<title>Pilot</title>");
        check(
            ItemKind::Episode,
            "",
            Some("Show"),
            "<title>Show</title><category",
        );
        check(
            ItemKind::Movie,
            "\u{1}",
            None,
            "<title>Noir &amp; More</title>",
        );
        check(
            ItemKind::Other,
            " ",
            Some(" "),
            "<title>Noir &amp; More</title>",
        );
    }

    #[test]
    fn hostile_text_stays_text() {
        let metadata = Metadata {
            title: "</title><script>\u{0}\"'&\u{FFFE}".to_owned(),
            plot: Some("]]> \u{B}x".to_owned()),
            ..Metadata::default()
        };
        let text = written(ItemKind::Movie, &metadata);
        assert!(
            text.contains("<title>&lt;/title&gt;&lt;script&gt;&quot;&apos;&amp;</title>"),
            "{text}"
        );
        assert!(text.contains("<desc>]]&gt; x</desc>"), "{text}");
    }

    #[test]
    fn what_has_no_length_or_no_time_is_left_out() {
        let metadata = episode(None, None);
        for (start_s, stop_s) in [(10, 10), (10, 9), (i64::MIN, 0), (0, i64::MAX)] {
            let mut out = Vec::new();
            programme(
                &mut out,
                &Programme {
                    channel_id: 1,
                    channel_name: "x",
                    start_s,
                    stop_s,
                    kind: ItemKind::Other,
                    metadata: &metadata,
                    airing: Airing::Unknown,
                },
            );
            assert!(out.is_empty());
        }
    }

    #[test]
    fn dates_are_days_or_years_and_nothing_else() {
        #[track_caller]
        fn check(date: Option<&str>, year: Option<u16>, expected: Option<&str>) {
            let metadata = Metadata {
                date: date.map(str::to_owned),
                year,
                ..Metadata::default()
            };
            assert_eq!(super::date(&metadata).as_deref(), expected);
        }
        check(Some("1946-03-14"), Some(1946), Some("19460314"));
        check(Some("1946-13-14"), Some(1946), Some("1946"));
        check(Some("soon"), None, None);
        check(None, Some(1946), Some("1946"));
    }
}
