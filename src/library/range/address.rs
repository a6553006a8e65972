//! Web addresses (RFC 3986) as far as fetching needs them: taken apart once, with everything secret kept
//! out of what is shown. Only `http` and `https`: an address never leads to a file of this box.

use std::net::Ipv6Addr;

use hyper::Uri;
use hyper::header::HeaderValue;

use crate::bail;
use crate::error::{Error, ErrorKind, Result};

/// Longer addresses are refused: servers refuse them too (RFC 9110 §4.1 asks for 8,000 at least).
const LONGEST_BYTES: usize = 8_192;
/// So much of a file's name is shown.
const SHOWN_CHARS: usize = 80;
/// A parameter whose name holds one of these is a secret.
const SECRET_NAMES: &[&str] = &["token", "key", "auth", "pass", "secret", "sig"];

/// Where bytes are. Holds no user name and no password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    https: bool,
    /// Lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
    /// Path and query, percent-encoded.
    target: String,
}

impl Address {
    /// Takes `text` apart; the second is the `Authorization` header for its user name and password (RFC 7617).
    pub(super) fn parse(text: &str) -> Result<(Self, Option<HeaderValue>)> {
        let text = text.trim();
        if text.len() > LONGEST_BYTES {
            bail!(
                Invalid,
                "an address of {} bytes is longer than {LONGEST_BYTES}",
                text.len()
            );
        }
        let Some((scheme, rest)) = text.split_once(':').filter(|(s, _)| is_scheme(s)) else {
            bail!(Invalid, "an address begins with http:// or https://");
        };
        let https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            other => bail!(
                Invalid,
                "{}:// addresses are not read, only http:// and https:// (and paths of files)",
                other.chars().take(20).collect::<String>()
            ),
        };
        let Some(rest) = rest.strip_prefix("//") else {
            bail!(Invalid, "the address lacks the // behind {scheme}:");
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, server) = match authority.rsplit_once('@') {
            Some((user, server)) => (Some(user), server),
            None => (None, authority),
        };
        let (host, port) = host_and_port(server)?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        let address = Self {
            https,
            host,
            port: port.unwrap_or(if https { 443 } else { 80 }),
            target: encoded(&format!("{slash}{target}")),
        };
        address.uri()?;
        Ok((address, user.map(basic).transpose()?))
    }

    /// Where a redirect leads from here (RFC 3986 §5.2). A user name in it is left out.
    pub(super) fn join(&self, reference: &str) -> Result<Self> {
        let reference = reference.trim();
        let scheme = if self.https { "https" } else { "http" };
        let (path, query) = self
            .target
            .split_once('?')
            .map_or((self.target.as_str(), None), |(p, q)| (p, Some(q)));
        if reference.split_once(':').is_some_and(|(s, _)| is_scheme(s)) {
            return Ok(Self::parse(reference)?.0);
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Ok(Self::parse(&format!("{scheme}://{rest}"))?.0);
        }
        let reference = reference.split('#').next().unwrap_or_default();
        let (own, new_query) = reference
            .split_once('?')
            .map_or((reference, None), |(p, q)| (p, Some(q)));
        let (path, query) = match own {
            "" => (path.to_owned(), new_query.or(query)),
            _ if own.starts_with('/') => (without_dots(own), new_query),
            _ => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                (without_dots(&format!("{folder}/{own}")), new_query)
            }
        };
        let query = query.map(|q| format!("?{q}")).unwrap_or_default();
        Ok(Self::parse(&format!("{}{path}{query}", self.origin()))?.0)
    }

    /// The same address without parameters that carry a secret of `own`: a server that copies our query
    /// into a redirect must not hand our token to another one.
    pub(super) fn without_secrets_of(mut self, own: &Self) -> Self {
        let secrets: Vec<&str> = own
            .parameters()
            .filter(|(name, value)| !value.is_empty() && is_secret(name))
            .map(|(_, value)| value)
            .collect();
        if let Some((path, query)) = self.target.split_once('?') {
            let kept: Vec<&str> = query
                .split('&')
                .filter(|p| !secrets.contains(&p.split_once('=').unwrap_or_default().1))
                .collect();
            self.target = match kept.is_empty() {
                true => path.to_owned(),
                false => format!("{path}?{}", kept.join("&")),
            };
        }
        self
    }

    /// The parameters of the query, as written.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        query.split('&').filter_map(|p| p.split_once('='))
    }

    /// Scheme, host and port, the port only where it is not the usual one (RFC 6454 §6.2).
    pub(super) fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Host and port as the Host header has them.
    pub(super) fn authority(&self) -> String {
        match (self.https, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// The host, an IPv6 address without its brackets.
    pub(super) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn https(&self) -> bool {
        self.https
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// For people and logs: where it is and what the file is called. Folders and parameters can be secrets.
    pub(super) fn name(&self) -> String {
        let (path, query) = match self.target.split_once('?') {
            Some((path, _)) => (path, "?…"),
            None => (self.target.as_str(), ""),
        };
        let (folders, file) = path.rsplit_once('/').unwrap_or_default();
        let hidden = if folders.is_empty() { "" } else { "/…" };
        let skip = file.chars().count().saturating_sub(SHOWN_CHARS);
        let file: String = file.chars().skip(skip).collect();
        format!("{}{hidden}/{file}{query}", self.origin())
    }

    /// For the connector.
    pub(super) fn uri(&self) -> Result<Uri> {
        let whole = format!("{}{}", self.origin(), self.target);
        // What the parser says is left out: it must not repeat what it was given.
        Uri::try_from(whole).map_err(|_| {
            Error::new(
                ErrorKind::Invalid,
                format!("the address of something at {} is malformed", self.origin()),
            )
        })
    }
}

fn is_scheme(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

fn host_and_port(server: &str) -> Result<(String, Option<u16>)> {
    let (host, port) = match server.strip_prefix('[').and_then(|s| s.split_once(']')) {
        Some((inside, behind)) => {
            let Ok(address) = inside.parse::<Ipv6Addr>() else {
                bail!(
                    Invalid,
                    "what stands in brackets in the address is no IPv6 address"
                );
            };
            let port = behind.strip_prefix(':').or(behind.is_empty().then_some(""));
            (format!("[{address}]"), port)
        }
        None => {
            let (host, port) = server.rsplit_once(':').unwrap_or((server, ""));
            if !host.is_ascii() {
                bail!(
                    Invalid,
                    "a host name in the address is not ASCII: write it in its xn-- form"
                );
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            let fits = !host.is_empty() && host.len() <= 253 && host.chars().all(plain);
            (host.to_ascii_lowercase(), fits.then_some(port))
        }
    };
    let port = match port {
        Some("") => Some(None),
        Some(text) => text.parse().ok().filter(|&port| port > 0).map(Some),
        None => None,
    };
    match port {
        Some(port) => Ok((host, port)),
        None => bail!(
            Invalid,
            "host and port of the address are malformed (IPv6 addresses stand in brackets)"
        ),
    }
}

/// Bytes that may not stand in an address become percent signs and digits; what is encoded already stays.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!' | b'#'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

/// Resolves `.` and `..` (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// The header for a user name and a password, `user:password` percent-encoded.
fn basic(user: &str) -> Result<HeaderValue> {
    let mut decoded = Vec::with_capacity(user.len());
    let mut bytes = user.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        let rest = bytes.as_slice().get(..2);
        let hex = rest.and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                decoded.push(value);
                bytes.nth(1);
            }
            _ => decoded.push(byte),
        }
    }
    if !decoded.contains(&b':') {
        decoded.push(b':');
    }
    let mut value = HeaderValue::from_str(&format!("Basic {}", base64(&decoded)))
        .map_err(|_| Error::new(ErrorKind::Internal, "a login that cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .fold(0_u32, |word, &byte| word << 8 | u32::from(byte))
            << (8 * (3 - three.len()));
        for digit in 0..4 {
            let at = (word >> (18 - 6 * digit)) as usize & 63;
            let used = digit <= three.len();
            out.push(
                DIGITS
                    .get(at)
                    .filter(|_| used)
                    .map_or('=', |&d| char::from(d)),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap().0
    }

    #[test]
    fn addresses_are_taken_apart_and_encoded_where_they_must_be() {
        for (text, origin, target) in [
            ("http://nas/film.mp4", "http://nas", "/film.mp4"),
            ("HTTPS://NAS:443/a?b=c#d", "https://nas", "/a?b=c"),
            ("http://nas:8080", "http://nas:8080", "/"),
            ("http://nas:/x", "http://nas", "/x"),
            ("http://nas?x=1", "http://nas", "/?x=1"),
            ("http://[2001:DB8::1]:81/x", "http://[2001:db8::1]:81", "/x"),
            ("http://[::1]/x", "http://[::1]", "/x"),
            ("http://u:p@w@nas/x", "http://nas", "/x"),
            (
                "http://nas/Der Film ü%20.mp4",
                "http://nas",
                "/Der%20Film%20%C3%BC%20.mp4",
            ),
        ] {
            let address = parse(text);
            assert_eq!(
                (address.origin().as_str(), address.target()),
                (origin, target)
            );
        }
    }

    #[test]
    fn what_is_no_web_address_is_refused_without_repeating_it() {
        for (text, words) in [
            ("file:///etc/passwd", "file:// addresses are not read"),
            ("ftp://u:hunter2@h/hunter2", "ftp://"),
            ("/films/hunter2.mp4", "http://"),
            ("http:nas/hunter2", "//"),
            ("http:///hunter2", "malformed"),
            ("http://nas:99999/hunter2", "malformed"),
            ("http://nas:0/hunter2", "malformed"),
            ("http://a b/hunter2", "malformed"),
            ("http://2001:db8::1/hunter2", "brackets"),
            ("http://[fe80::1%25eth0]/hunter2", "IPv6"),
            ("http://[::1]x/hunter2", "malformed"),
            ("http://kühl/hunter2", "xn--"),
            (
                &format!("http://nas/hunter2{}", "x".repeat(9_000)),
                "longer",
            ),
        ] {
            let error = Address::parse(text).map(|_| ()).unwrap_err();
            let said = format!("{error:#}");
            assert!(said.contains(words), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn the_name_shows_neither_login_nor_folders_nor_parameters() {
        for (text, name) in [
            ("http://nas/film.mp4", "http://nas/film.mp4"),
            (
                "http://u:p@nas:81/u/p/1.ts?token=t",
                "http://nas:81/…/1.ts?…",
            ),
            ("http://nas/", "http://nas/"),
            ("http://nas", "http://nas/"),
        ] {
            assert_eq!(parse(text).name(), name);
        }
        assert!(parse(&format!("http://h/{}", "x".repeat(500))).name().len() < 120);
    }

    #[test]
    fn redirects_lead_where_rfc_3986_says() {
        // The examples of §5.4 that a path and a query can show.
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d;p?q"),
            ("#s", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("https://h:8443/x", "https://h:8443/x"),
        ] {
            let to = parse("http://a/b/c/d;p?q").join(reference).unwrap();
            assert_eq!(
                format!("{}{}", to.origin(), to.target()),
                expected,
                "{reference}"
            );
        }
        let refused = parse("http://a/b").join("file:///etc/passwd").map(|_| ());
        assert!(refused.unwrap_err().to_string().contains("file://"));
    }

    #[test]
    fn a_token_that_a_server_copies_into_a_redirect_is_left_out() {
        let own = parse("http://plex:32400/f?X-Plex-Token=s3cret&a=1");
        for (redirect, expected) in [
            ("http://cdn/f?X-Plex-Token=s3cret", "/f"),
            (
                "http://cdn/f?a=1&t=s3cret&signature=theirs",
                "/f?a=1&signature=theirs",
            ),
            ("http://cdn/f", "/f"),
        ] {
            assert_eq!(parse(redirect).without_secrets_of(&own).target(), expected);
        }
    }

    #[test]
    fn a_login_becomes_a_header() {
        for (user, expected) in [
            (
                "Aladdin:open%20sesame",
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            ),
            ("u", "Basic dTo="),
            ("u:100%", "Basic dToxMDAl"),
        ] {
            let (_, header) = Address::parse(&format!("http://{user}@h/")).unwrap();
            assert_eq!(header.unwrap().to_str().unwrap(), expected);
        }
    }
}
