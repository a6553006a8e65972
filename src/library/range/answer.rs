//! What an answer to a range request means (RFC 9110 §14, §15). Nothing that a server says is believed
//! before it agrees with what was asked, and with what it said before.

use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, LAST_MODIFIED, LOCATION,
    SERVER,
};
use hyper::http::response::Parts;

use crate::error::{Error, ErrorKind};

/// A longer validator than this is not kept.
const LONGEST_VALIDATOR_BYTES: usize = 512;
/// So much of what a server calls itself is shown.
const SHOWN_CHARS: usize = 60;

/// Which version of a file it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) size_bytes: u64,
    etag: Option<String>,
    modified: Option<String>,
}

impl Version {
    fn of(parts: &Parts, size_bytes: u64) -> Self {
        let kept = |name| {
            let text = text(parts, &name).filter(|text| text.len() <= LONGEST_VALIDATOR_BYTES);
            text.map(str::to_owned)
        };
        Self {
            size_bytes,
            etag: kept(ETAG),
            modified: kept(LAST_MODIFIED),
        }
    }

    /// What `If-Range` may say: never a weak tag (RFC 9110 §13.1.5).
    pub(super) fn if_range(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|tag| !tag.starts_with("W/"));
        strong.or(self.modified.as_deref())
    }

    /// How `other` shows that it is another file; `None` when it may well be the same. Tags and dates
    /// are only comparable `on_one_server`.
    fn differs(&self, other: &Self, on_one_server: bool) -> Option<&'static str> {
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        if self.size_bytes != other.size_bytes {
            return Some("its length");
        }
        if !on_one_server {
            return None;
        }
        if differ(&self.etag, &other.etag) {
            return Some("its ETag");
        }
        let undated = self.etag.is_none() || other.etag.is_none();
        (undated && differ(&self.modified, &other.modified)).then_some("its Last-Modified")
    }
}

/// What was asked for.
pub(super) struct Asked<'a> {
    /// The name for messages.
    pub(super) name: &'a str,
    /// The first byte.
    pub(super) from: u64,
    /// Behind the last byte.
    pub(super) to: u64,
    /// What the file was when it was opened, and whether the same server said so.
    pub(super) known: Option<(&'a Version, bool)>,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Verdict {
    /// So many bytes from `from` on follow.
    Bytes(u64, Version),
    /// Ask there.
    Moved(String),
    /// The address has expired, or wants a login. A fresh one may help if the flag says so; another way
    /// through the redirects always may.
    Expired(Error, bool),
    /// Ask again later.
    Again(Error),
    /// It will never do.
    Never(Error),
}

/// Judges the head of an answer.
pub(super) fn judge(parts: &Parts, asked: &Asked<'_>) -> Verdict {
    let name = asked.name;
    let status = parts.status.as_u16();
    let error = |kind, what: String| Error::new(kind, format!("{name}: {what}"));
    let never = |kind, what: String| Verdict::Never(error(kind, what));
    match status {
        200 | 206 => {
            let encoding = text(parts, &CONTENT_ENCODING).unwrap_or("identity").trim();
            if !encoding.eq_ignore_ascii_case("identity") {
                return never(
                    ErrorKind::Unsupported,
                    format!(
                        "the server sends it compressed ({}) although that was not asked for: switch that off for media",
                        shown(encoding)
                    ),
                );
            }
            if status == 200 {
                whole(parts, asked)
            } else {
                part(parts, asked)
            }
        }
        301 | 302 | 303 | 307 | 308 => match text(parts, &LOCATION) {
            Some(to) => Verdict::Moved(to.to_owned()),
            None => never(
                ErrorKind::Unsupported,
                format!("the server redirects ({status}) without saying where to"),
            ),
        },
        401 | 403 => Verdict::Expired(
            error(
                ErrorKind::Permission,
                format!(
                    "the server refuses it ({status}): has the link expired, or is a login missing?"
                ),
            ),
            true,
        ),
        404 | 410 => Verdict::Expired(
            error(
                ErrorKind::NotFound,
                format!("the server has no such file ({status})"),
            ),
            status == 410,
        ),
        416 => beyond(parts, asked),
        // "Not implemented" and "HTTP version not supported" stay so.
        408 | 425 | 429 | 500 | 502..=504 | 506..=599 => Verdict::Again(error(
            ErrorKind::Unavailable,
            format!("the server cannot answer now ({status})"),
        )),
        _ => never(
            ErrorKind::Unsupported,
            format!("the server answers with status {status}"),
        ),
    }
}

/// 206: the range, or another one.
fn part(parts: &Parts, asked: &Asked<'_>) -> Verdict {
    let Asked { name, from, to, .. } = *asked;
    let said = text(parts, &CONTENT_RANGE);
    let range = said.and_then(parse_range);
    let Some((first, last, Some(size))) = range else {
        let said = said.map_or("no Content-Range at all".to_owned(), |said| {
            format!("Content-Range {:?}", shown(said))
        });
        return Verdict::Never(Error::new(
            ErrorKind::Unsupported,
            format!("{name}: asked for bytes from {from} on, the server answers with {said}"),
        ));
    };
    let version = Version::of(parts, size);
    if let Some(changed) = changed(asked, &version) {
        return changed;
    }
    if first != from || last < first || last >= to.max(from + 1) || last >= size {
        return Verdict::Never(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{name}: asked for bytes {from} to {}, the server sends {first} to {last} of {size}",
                to.saturating_sub(1)
            ),
        ));
    }
    Verdict::Bytes(last + 1 - first, version)
}

/// 200 to a range request: it changed, or this server knows no ranges.
fn whole(parts: &Parts, asked: &Asked<'_>) -> Verdict {
    let length = text(parts, &CONTENT_LENGTH).and_then(|text| text.trim().parse().ok());
    let version = Version::of(parts, length.unwrap_or(u64::MAX));
    if length == Some(0) && asked.known.is_none() {
        return Verdict::Bytes(0, version);
    }
    if let Some(changed) = changed(asked, &version).filter(|_| length.is_some()) {
        return changed;
    }
    let server = text(parts, &SERVER).map(|s| format!(" ({})", shown(s)));
    Verdict::Never(Error::new(
        ErrorKind::Unsupported,
        format!(
            "{}: the server{} answers no range requests, so nothing behind the beginning can be reached: serve \
             the file with one that does, such as nginx, Apache or Caddy",
            asked.name,
            server.unwrap_or_default()
        ),
    ))
}

/// 416: what was asked for lies behind the end.
fn beyond(parts: &Parts, asked: &Asked<'_>) -> Verdict {
    let size = text(parts, &CONTENT_RANGE)
        .and_then(|said| said.trim().strip_prefix("bytes */"))
        .and_then(|size| size.trim().parse().ok());
    let version = Version::of(parts, size.unwrap_or_default());
    match (asked.known, size) {
        (None, Some(0)) => Verdict::Bytes(0, version),
        (Some(_), _) => changed(asked, &version).unwrap_or_else(|| {
            Verdict::Never(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{}: the server denies that there is a byte {}",
                    asked.name, asked.from
                ),
            ))
        }),
        _ => Verdict::Never(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{}: the server has nothing to send from byte {} on",
                asked.name, asked.from
            ),
        )),
    }
}

fn changed(asked: &Asked<'_>, now: &Version) -> Option<Verdict> {
    let (known, on_one_server) = asked.known?;
    let what = known.differs(now, on_one_server)?;
    Some(Verdict::Never(Error::new(
        ErrorKind::Damaged,
        format!(
            "{}: the file was replaced while it was read ({what} is another one)",
            asked.name
        ),
    )))
}

/// `bytes 0-99/1000`; the length is `None` where the server does not know it.
fn parse_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (range, size) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let size = match size.trim() {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    let known = unit.eq_ignore_ascii_case("bytes");
    known.then_some((first.trim().parse().ok()?, last.trim().parse().ok()?, size))
}

fn text<'a>(parts: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// What a server wrote, short and harmless.
fn shown(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(SHOWN_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Response;

    fn known() -> Version {
        Version {
            size_bytes: 1_000,
            etag: Some("\"a\"".into()),
            modified: Some("Mon, 01 Jan 2024 00:00:00 GMT".into()),
        }
    }

    /// The verdict on an answer to a request for bytes 100 to 199 of what [`known`] is, or of something new.
    fn verdict(status: u16, headers: &[(&str, &str)], known: Option<(&Version, bool)>) -> Verdict {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (parts, ()) = response.body(()).unwrap().into_parts();
        let asked = Asked {
            name: "film",
            from: 100,
            to: 200,
            known,
        };
        judge(&parts, &asked)
    }

    #[track_caller]
    fn never(status: u16, headers: &[(&str, &str)], kind: ErrorKind, words: &str) {
        for known in [None, Some((&known(), true))] {
            // What a changed file looks like only a known one can tell.
            if kind == ErrorKind::Damaged && known.is_none() {
                continue;
            }
            match verdict(status, headers, known) {
                Verdict::Never(e) => {
                    assert_eq!(e.kind(), kind, "{e}");
                    assert!(e.to_string().contains(words), "{e}");
                }
                other => panic!("{status} {headers:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_range_that_was_not_asked_for_is_refused() {
        for range in [
            "bytes 0-99/1000",
            "bytes 101-199/1000",
            "bytes 100-200/1000",
            "bytes 100-99/1000",
            "bytes 100-199/*",
            "bytes 100-199",
            "items 100-199/1000",
            "bytes 100-18446744073709551615/1000",
            "bytes -1-5/1000",
            "",
        ] {
            never(
                206,
                &[("content-range", range)],
                ErrorKind::Unsupported,
                "film: asked for bytes",
            );
        }
        never(206, &[], ErrorKind::Unsupported, "no Content-Range at all");
    }

    #[test]
    fn a_shorter_range_is_taken_and_the_rest_asked_for_again() {
        for (range, bytes) in [
            ("bytes 100-199/1000", 100),
            ("bytes 100-149/1000", 50),
            ("BYTES 100-100/1000", 1),
        ] {
            match verdict(206, &[("content-range", range)], Some((&known(), true))) {
                Verdict::Bytes(n, version) => assert_eq!((n, version.size_bytes), (bytes, 1_000)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_file_that_changed_is_told_from_a_server_without_ranges() {
        let range = ("content-range", "bytes 100-199/1000");
        let damaged = ErrorKind::Damaged;
        never(206, &[range, ("etag", "\"b\"")], damaged, "ETag is another");
        never(
            206,
            &[("content-range", "bytes 100-199/999")],
            damaged,
            "length is another",
        );
        let late = ("last-modified", "Tue, 02 Jan 2024 00:00:00 GMT");
        never(206, &[range, late], damaged, "Last-Modified is another");
        never(
            200,
            &[("content-length", "1000"), ("etag", "\"b\"")],
            damaged,
            "replaced",
        );
        never(200, &[("content-length", "5")], damaged, "replaced");
        never(416, &[("content-range", "bytes */50")], damaged, "replaced");
        let python = [("server", "SimpleHTTP/0.6"), ("content-length", "1000")];
        never(
            200,
            &python,
            ErrorKind::Unsupported,
            "SimpleHTTP/0.6) answers no range requests",
        );
        // Copies on several servers seldom agree about tags and dates.
        let other = verdict(206, &[range, ("etag", "\"b\"")], Some((&known(), false)));
        assert!(matches!(other, Verdict::Bytes(100, _)), "{other:?}");
        // The tag decides; the date is only asked without one.
        let copied = verdict(
            206,
            &[range, late, ("etag", "\"a\"")],
            Some((&known(), true)),
        );
        assert!(matches!(copied, Verdict::Bytes(100, _)), "{copied:?}");
    }

    #[test]
    fn compressed_answers_are_refused_by_name() {
        let headers = [
            ("content-range", "bytes 100-199/1000"),
            ("content-encoding", "gzip"),
        ];
        never(206, &headers, ErrorKind::Unsupported, "(gzip)");
        never(200, &headers[1..], ErrorKind::Unsupported, "(gzip)");
    }

    #[test]
    fn statuses_say_whether_to_ask_again_elsewhere_or_not_at_all() {
        for (status, expected) in [
            (302, "moved"),
            (401, "fresh"),
            (403, "fresh"),
            (410, "fresh"),
            (404, "gone"),
            (408, "again"),
            (429, "again"),
            (500, "again"),
            (503, "again"),
            (400, "never"),
            (501, "never"),
            (204, "never"),
            (304, "never"),
        ] {
            let found = match verdict(status, &[("location", "/x")], None) {
                Verdict::Moved(_) => "moved",
                Verdict::Expired(_, true) => "fresh",
                Verdict::Expired(_, false) => "gone",
                Verdict::Again(_) => "again",
                Verdict::Never(_) => "never",
                Verdict::Bytes(..) => "bytes",
            };
            assert_eq!(found, expected, "{status}");
        }
    }

    #[test]
    fn an_empty_file_is_empty_whatever_way_it_is_said() {
        for (status, header) in [
            (416, ("content-range", "bytes */0")),
            (200, ("content-length", "0")),
        ] {
            let found = verdict(status, &[header], None);
            assert!(matches!(found, Verdict::Bytes(0, _)), "{found:?}");
        }
    }

    #[test]
    fn a_weak_tag_is_never_sent_with_a_range() {
        assert_eq!(known().if_range(), Some("\"a\""));
        let weak = Version {
            etag: Some("W/\"a\"".into()),
            ..known()
        };
        assert_eq!(weak.if_range(), weak.modified.as_deref());
    }
}
