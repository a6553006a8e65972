//! Paths and queries: patterns such as `/iptv/channel/{number}.ts`, percent-decoding.

/// The named parts of a path, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// The part called `name`; empty when the pattern has none of that name.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(n, _)| *n == name)
            .map_or("", |(_, value)| value)
    }
}

/// Matches a path against a pattern: `{name}` stands for one or more characters within a segment, and a
/// segment has at most one.
pub fn matches(pattern: &'static str, path: &str) -> Option<Params> {
    let mut params = Params::default();
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        let Some((before, rest)) = expected.split_once('{') else {
            if expected != segment {
                return None;
            }
            continue;
        };
        let (name, after) = rest.split_once('}')?;
        let value = segment.strip_prefix(before)?.strip_suffix(after)?;
        let value = decode(value, false)?;
        if value.is_empty() {
            return None;
        }
        params.0.push((name, value));
    }
    segments.next().is_none().then_some(params)
}

/// The parameters of a query string; the first of each name counts.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses what stands after the question mark. What cannot be decoded is left out; more than 32
    /// parameters are no request of any client.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').take(32).filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name, true)?, decode(value, true)?))
        });
        Self(pairs.collect())
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Percent-decoding (RFC 3986 §2.1); `None` when it is malformed or not UTF-8. A plus sign is a blank in
/// queries that come from forms, and itself in a path.
fn decode(text: &str, plus_is_blank: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |b: u8| char::from(b).to_digit(16);
                let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
                out.push(u8::try_from(value).ok()?);
            }
            b'+' if plus_is_blank => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

/// Percent-encodes what may stand in one segment of a path.
pub fn encode_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths_only() {
        let check = |pattern, path: &str, expected: Option<&str>| {
            let params = matches(pattern, path);
            let values = params.map(|p| {
                p.0.iter()
                    .map(|(n, v)| format!("{n}={v}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            assert_eq!(values.as_deref(), expected, "{pattern} {path}");
        };
        check("/", "/", Some(""));
        check("/", "/x", None);
        check("/health", "/health/", None);
        check(
            "/iptv/channel/{number}.ts",
            "/iptv/channel/5.1.ts",
            Some("number=5.1"),
        );
        check("/iptv/channel/{number}.ts", "/iptv/channel/.ts", None);
        check("/iptv/channel/{number}.ts", "/iptv/channel/5/1.ts", None);
        check("/iptv/channel/{number}.ts", "/iptv/channel/5", None);
        check("/tuner{n}/v{number}", "/tuner0/v7", Some("n=0 number=7"));
        check("/tuner{n}/v{number}", "/tuner/v7", None);
        check("/auto/v{number}", "/auto/v5%2e1", Some("number=5.1"));
        check("/auto/v{number}", "/auto/v%ff", None);
        check("/auto/v{number}", "/auto/v%2", None);
        check("/auto/v{number}", "/auto/v5+1", Some("number=5+1"));
    }

    #[test]
    fn queries_are_decoded_and_the_first_of_a_name_counts() {
        let query = Query::parse("duration=5&name=a+b%26c&flag&duration=9&bad=%zz");
        assert_eq!(query.get("duration"), Some("5"));
        assert_eq!(query.get("name"), Some("a b&c"));
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(query.get("bad"), None);
    }

    #[test]
    fn an_encoded_segment_decodes_to_itself() {
        for text in ["5.1", "a b/c?d#e%", "Žluťoučký"] {
            assert_eq!(decode(&encode_segment(text), false).as_deref(), Some(text));
        }
    }
}
