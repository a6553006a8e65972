//! Guide and playlist as real validators see them, and byte for byte.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The lint exempts test functions, not what they call.

mod common;

use std::process::Command;

use common::clients::{golden, have, text};
use exstreamd::guide::xmltv::{self, Airing, Programme};
use exstreamd::guide::{GuideChannel, ItemKind, Metadata, m3u};

const BASE: &str = "http://192.168.1.20:8411";
const START_S: i64 = 1_769_884_200;

fn channels() -> Vec<GuideChannel> {
    let channel = |id, number: &str, name: &str| GuideChannel {
        id,
        number: number.to_owned(),
        name: name.to_owned(),
        group: None,
        logo: None,
    };
    vec![
        GuideChannel {
            group: Some("Films".to_owned()),
            logo: Some("/logo/1.png".to_owned()),
            ..channel(1, "5.1", "Noir & \"More\", <all night>")
        },
        channel(2, "7", "Shows 日本"),
        channel(12, "900", "\u{0}\n"),
    ]
}

fn programmes() -> Vec<(ItemKind, Metadata, Airing)> {
    let titled = |title: &str| Metadata {
        title: title.to_owned(),
        ..Metadata::default()
    };
    let episode = |season, episode, title: &str| Metadata {
        show: Some("The Show".to_owned()),
        season,
        episode,
        ..titled(title)
    };
    vec![
        (
            ItemKind::Movie,
            Metadata {
                year: Some(1946),
                date: Some("1946-03-14".to_owned()),
                plot: Some("Cards,\r\nroulette & <Rita>.\u{7}".to_owned()),
                ..titled("Gilda")
            },
            Airing::First,
        ),
        (
            ItemKind::Movie,
            Metadata {
                year: Some(1944),
                ..titled("Laura\nthe\tfilm")
            },
            Airing::Repeat,
        ),
        (
            ItemKind::Episode,
            episode(Some(1), Some(2), "Pilot, again"),
            Airing::Repeat,
        ),
        (
            ItemKind::Episode,
            Metadata {
                episode_end: Some(4),
                ..episode(Some(2), Some(3), "Two in one")
            },
            Airing::Unknown,
        ),
        (
            ItemKind::Episode,
            episode(Some(0), Some(9), "Making of"),
            Airing::Unknown,
        ),
        (
            ItemKind::Episode,
            episode(None, None, "Undated"),
            Airing::Unknown,
        ),
        (
            ItemKind::Other,
            titled("-clip \u{FFFD}\u{1B}[0m"),
            Airing::Unknown,
        ),
        (ItemKind::Other, titled(""), Airing::Unknown),
    ]
}

fn guide() -> String {
    let mut out = Vec::new();
    xmltv::header(&mut out, BASE);
    let channels = channels();
    for channel in &channels {
        xmltv::channel(&mut out, channel, BASE);
    }
    for channel in &channels {
        for (at, (kind, metadata, airing)) in programmes().iter().enumerate() {
            let start_s = START_S + 3000 * i64::try_from(at).unwrap();
            xmltv::programme(
                &mut out,
                &Programme {
                    channel_id: channel.id,
                    channel_name: &channel.name,
                    start_s,
                    stop_s: start_s + 3000,
                    kind: *kind,
                    metadata,
                    airing: *airing,
                },
            );
        }
    }
    xmltv::footer(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_guide_is_the_golden_one() {
    golden("guide.xml", &guide());
}

#[test]
fn the_playlist_is_the_golden_one() {
    golden("channels.m3u", &m3u(&channels(), BASE));
}

#[test]
fn the_validator_of_xmltv_finds_no_fault() {
    const DTD: &str = "/usr/share/xmltv/xmltv.dtd";
    if !have("tv_validate_file") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guide.xml");
    std::fs::write(&path, guide()).unwrap();
    let output = Command::new("tv_validate_file")
        .args(["--dtd-file", DTD])
        .arg(&path)
        .output()
        .unwrap();
    let words = format!(
        "{}{}",
        text(&output),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{words}");
    assert!(!words.contains("error"), "{words}");

    // The oracle must be able to fail: an element in the wrong place is one fault more.
    let wrong = guide().replacen("<title>", "<new/><title>", 1);
    std::fs::write(&path, wrong).unwrap();
    let output = Command::new("tv_validate_file")
        .args(["--dtd-file", DTD])
        .arg(&path)
        .output()
        .unwrap();
    assert!(!output.status.success(), "{}", text(&output));
}
