//! The channels as an extended M3U playlist, as Kodi (pvr.iptvsimple), Jellyfin, TiviMate and VLC read it. There is no
//! standard for its attributes, only custom; what each of them needs is written.

use std::fmt::Write as _;

use super::GuideChannel;
use super::text::{line, quoted};

/// Path of the guide that belongs to the playlist.
pub const GUIDE_PATH: &str = "/iptv/xmltv.xml";

/// The playlist of `channels`, whose streams and guide are at `base`.
pub fn m3u(channels: &[GuideChannel], base: &str) -> String {
    playlist(channels, base, |channel| {
        format!("{base}/iptv/channel/{}.ts", channel.number)
    })
}

/// The same with streams wherever `stream_url` says.
pub fn playlist(
    channels: &[GuideChannel],
    base: &str,
    stream_url: impl Fn(&GuideChannel) -> String,
) -> String {
    let mut out = String::with_capacity(128 + channels.len() * 320);
    // Writing to a String cannot fail. Kodi reads either name of the guide's address, others one of the two.
    let _ = writeln!(
        out,
        "#EXTM3U url-tvg=\"{base}{GUIDE_PATH}\" x-tvg-url=\"{base}{GUIDE_PATH}\""
    );
    for channel in channels {
        let name = display_name(channel);
        let number = quoted(&channel.number);
        // Some players take the number from the one attribute, some from the other.
        let _ = write!(
            out,
            "#EXTINF:-1 tvg-id=\"{}\" tvg-name=\"{name}\" tvg-chno=\"{number}\" channel-number=\"{number}\"",
            channel.guide_id(),
        );
        // Jellyfin does not match an empty value, so what is not there is left out.
        if let Some(logo) = channel.logo_url(base) {
            let _ = write!(out, " tvg-logo=\"{}\"", url(&logo));
        }
        if let Some(group) = channel
            .group
            .as_deref()
            .map(quoted)
            .filter(|g| !g.is_empty())
        {
            let _ = write!(out, " group-title=\"{group}\"");
        }
        // Spares Kodi one request per tune, by which it would find out the type.
        let _ = writeln!(out, ",{name}\n#KODIPROP:mimetype=video/mp2t");
        let _ = writeln!(out, "{}", url(&stream_url(channel)));
    }
    out
}

/// Jellyfin takes the name from behind the last comma, others from behind the first: so it has none.
fn display_name(channel: &GuideChannel) -> String {
    let name = quoted(&channel.name);
    if name.is_empty() {
        format!("Channel {}", quoted(&channel.number))
    } else {
        name
    }
}

/// A URL on one line, without what would end an attribute (RFC 3986 §2 allows none of it).
fn url(text: &str) -> String {
    line(text)
        .replace(' ', "%20")
        .replace('"', "%22")
        .replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_within_its_line_and_attribute() {
        let channel = GuideChannel {
            id: 7,
            number: "5.1".to_owned(),
            name: "A, \"B\"\n#EXTINF:-1,forged\nhttp://evil".to_owned(),
            group: Some(" , ".to_owned()),
            logo: Some("/logo/\"x, y.png".to_owned()),
        };
        let text = m3u(&[channel], "http://nas:8411");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[1].matches(',').count(), 1, "{}", lines[1]);
        assert_eq!(lines[1].matches('"').count(), 10, "{}", lines[1]);
        assert!(lines[1].contains("tvg-logo=\"http://nas:8411/logo/%22x%2C%20y.png\""));
        assert!(!lines[1].contains("group-title"));
        assert_eq!(lines[3], "http://nas:8411/iptv/channel/5.1.ts");
    }

    #[test]
    fn a_channel_without_a_name_is_called_by_its_number() {
        let channel = GuideChannel {
            id: 1,
            number: "3".to_owned(),
            name: "\u{0}".to_owned(),
            group: None,
            logo: None,
        };
        assert!(m3u(&[channel], "http://nas").contains(",Channel 3\n"));
    }
}
