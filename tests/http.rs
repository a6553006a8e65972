//! The web server of a running daemon, asked over real sockets.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Read;
use std::time::Duration;

use common::daemon::{Answer, Daemon, Instance, ask_socket, wait_for};
use exstreamd::http::{Place, ROUTES};
use serde_json::json;

/// A daemon with two films and a channel of them, number 5.1.
fn with_channel() -> (Instance, Daemon) {
    with_channel_and(&[])
}

fn with_channel_and(variables: &[(&str, &str)]) -> (Instance, Daemon) {
    let mut instance = Instance::new();
    for (name, value) in variables {
        instance.set(name, value);
    }
    instance.add_media("h264_b2_25.mp4", "First Film (1999).mp4");
    instance.add_media("h264_b0_25.mp4", "Second & <Last> Film (2001).mp4");
    let media = instance.media();
    instance.json(&["library", "add", media.to_str().unwrap()]);
    instance.json(&["channel", "add", "--number", "5.1", "--name", "Den"]);
    let daemon = instance.serve();
    (instance, daemon)
}

#[test]
fn every_route_that_looks_answers_and_head_says_the_same_without_a_body() {
    let (_instance, daemon) = with_channel();
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        if route.path.contains("{number}") && route.place == Place::Tuner {
            continue; // Streams do not end; they have tests of their own.
        }
        let path = route.path.replace("{number}", "5.1").replace("{id}", "1");
        let path = path.replace("/lineup.post", "/lineup.post?scan=abort");
        let get = daemon.get(&path);
        assert_eq!(get.status(), 200, "{path}: {}", get.text());
        let head = daemon.ask("HEAD", &path, "");
        assert_eq!((head.status(), head.body.len()), (200, 0), "{path}");
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{path}"
        );
    }
}

#[test]
fn tuner_clients_get_the_device_and_its_lineup_under_the_address_they_used() {
    let (_instance, daemon) = with_channel();
    let base = format!("http://{}", daemon.address());
    let device = daemon.get("/discover.json").json();
    assert_eq!(device["BaseURL"], base);
    assert_eq!(device["LineupURL"], format!("{base}/lineup.json"));
    let lineup = daemon.get("/lineup.json?tuning").json();
    assert_eq!(lineup[0]["GuideNumber"], "5.1");
    assert_eq!(lineup[0]["URL"], format!("{base}/auto/v5.1"));
    let description = daemon.get("/device.xml");
    assert!(
        description
            .text()
            .contains(&format!("<URLBase>{base}</URLBase>")),
        "{}",
        description.text()
    );
    let root = daemon.ask("GET", "/", "Accept: application/xml\r\n");
    assert_eq!(
        root.body, description.body,
        "old clients read the description at /"
    );
}

#[test]
fn a_scan_is_seen_to_run_and_to_end() {
    let (_instance, daemon) = with_channel();
    let running = || daemon.get("/lineup_status.json").json()["ScanInProgress"].clone();
    assert_eq!(running(), 0);
    assert_eq!(
        daemon.ask("POST", "/lineup.post?scan=start", "").status(),
        200
    );
    assert_eq!(
        [running(), running(), running()],
        [json!(1), json!(1), json!(0)]
    );
    assert_eq!(
        daemon
            .ask("POST", "/lineup.post?scan=sideways", "")
            .status(),
        400
    );
}

#[track_caller]
fn is_empty_with_tuner_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status(), answer.text()), (status, ""));
    let said = answer.header("x-hdhomerun-error").unwrap_or_default();
    assert!(said.starts_with(code), "{said}");
}

#[test]
fn what_tuner_clients_get_wrong_is_answered_without_a_body() {
    let (_instance, daemon) = with_channel();
    for path in [
        "/auto/v9",
        "/iptv/channel/9.ts",
        "/tuner0/v9",
        "/tuner99/v5.1",
        "/tunerx/v5.1",
        "/auto/v%20",
        // No route has these, but whoever asks for them is a player.
        "/auto/v",
        "/auto/v%ff",
        "/auto/v5.1/",
        "/tuner0/5.1",
        "/iptv/channel/5.1",
        "/iptv/channel/5.1.mp4",
    ] {
        is_empty_with_tuner_error(&daemon.get(path), 404, "801");
    }
    let refused = daemon.ask("POST", "/auto/v5.1", "");
    assert_eq!(
        (refused.status(), refused.text(), refused.header("allow")),
        (405, "", Some("GET, HEAD"))
    );
}

#[test]
fn a_stream_is_close_delimited_whole_packets_whatever_the_player_asks_for() {
    let (_instance, daemon) = with_channel();
    let answer = daemon.ask(
        "GET",
        "/auto/v5.1?duration=2",
        "Range: bytes=0-\r\nIcy-MetaData: 1\r\n",
    );
    assert_eq!(answer.status_line, "HTTP/1.0 200 OK");
    assert_eq!(answer.header("content-type"), Some("video/mp2t"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("x-hdhomerun-resource"), Some("tuner0"));
    for absent in [
        "content-length",
        "transfer-encoding",
        "accept-ranges",
        "content-range",
    ] {
        assert_eq!(answer.header(absent), None, "{absent}");
    }
    assert!(answer.body.len() > 188 * 100, "{} bytes", answer.body.len());
    assert_eq!(answer.body.len() % 188, 0);
    assert!(answer.body.chunks(188).all(|packet| packet[0] == 0x47));
}

#[test]
fn head_on_a_stream_starts_nothing() {
    let (_instance, daemon) = with_channel();
    let head = daemon.ask("HEAD", "/iptv/channel/5.1.ts", "");
    assert_eq!(
        (head.status(), head.header("content-type")),
        (200, Some("video/mp2t"))
    );
    is_empty_with_tuner_error(&daemon.ask("HEAD", "/iptv/channel/9.ts", ""), 404, "801");
    assert_eq!(daemon.get("/api/v1/status").json()["on_air"], json!([]));
}

#[test]
fn viewers_are_seen_and_leave_when_their_socket_closes() {
    let (_instance, daemon) = with_channel();
    let mut stream = daemon.open("GET", "/tuner1/v5.1", "User-Agent: TestTV\r\n");
    stream.read_exact(&mut [0; 4096]).unwrap();
    let viewers = || daemon.get("/api/v1/status").json()["viewers"].clone();
    let seen = viewers();
    assert_eq!(
        (&seen[0]["channel"], &seen[0]["tuner"], &seen[0]["agent"]),
        (&json!("5.1"), &json!(1), &json!("TestTV"))
    );
    let tuners = daemon.get("/status.json").json();
    assert_eq!(
        (&tuners[1]["VctNumber"], &tuners[1]["VctName"]),
        (&json!("5.1"), &json!("Den"))
    );
    assert!(tuners[0].get("VctNumber").is_none());
    is_empty_with_tuner_error(&daemon.get("/tuner1/v5.1"), 503, "804");
    assert!(
        daemon
            .get("/metrics")
            .text()
            .contains("exstreamd_viewers{channel=\"5.1\"} 1")
    );
    drop(stream);
    wait_for(|| (viewers() == json!([])).then_some(()));
}

#[test]
fn a_full_house_says_so_to_streams_and_still_shows_its_status() {
    let (_instance, daemon) = with_channel_and(&[("EXSTREAMD_LIMITS_CLIENTS", "1")]);
    let mut stream = daemon.open("GET", "/auto/v5.1", "");
    stream.read_exact(&mut [0; 4096]).unwrap();
    let refused = daemon.get("/auto/v5.1");
    is_empty_with_tuner_error(&refused, 503, "805");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(daemon.get("/health").status(), 200);
    // Connections beyond all spare ones are told without being read.
    let idle: Vec<_> = (0..70)
        .map(|_| std::net::TcpStream::connect(daemon.address()).unwrap())
        .collect();
    let told = wait_for(|| {
        idle.iter().find_map(|mut stream| {
            stream
                .set_read_timeout(Some(Duration::from_millis(10)))
                .unwrap();
            let mut bytes = [0; 512];
            let n = stream.read(&mut bytes).ok().filter(|&n| n > 0)?;
            Some(Answer::parse(&bytes[..n]))
        })
    });
    is_empty_with_tuner_error(&told, 503, "805");
}

#[test]
fn the_network_looks_and_only_the_control_socket_changes() {
    let (instance, daemon) = with_channel();
    for route in ROUTES.iter().filter(|route| route.place == Place::Control) {
        let path = route.path.replace("{number}", "5.1").replace("{id}", "1");
        let answer = daemon.ask(route.method.as_str(), &path, "Content-Length: 2\r\n\r\n{}");
        assert_eq!(answer.status(), 403, "{} {path}", route.method);
    }
    let socket = instance.data().join("run/exstreamd.sock");
    let changed = ask_socket(
        &socket,
        "PATCH",
        "/api/v1/channels/5.1",
        r#"{"name": "Attic"}"#,
    )
    .unwrap();
    assert_eq!(changed.status(), 200, "{}", changed.text());
    assert_eq!(daemon.get("/api/v1/channels").json()[0]["name"], "Attic");
    let wrong = ask_socket(&socket, "PATCH", "/api/v1/channels/5.1", r#"{"nmae": "x"}"#).unwrap();
    assert_eq!(
        (wrong.status(), wrong.json()["error"]["kind"].clone()),
        (400, json!("usage"))
    );
    let named = |length| {
        let named = json!({"name": "x".repeat(length)}).to_string();
        ask_socket(&socket, "PATCH", "/api/v1/channels/5.1", &named)
    };
    assert_eq!(named(201).unwrap().status(), 422);
    // Who sends more than anybody needs may be cut off in the middle.
    assert!(named(9 << 20).is_none_or(|answer| answer.status() == 400));
    assert_eq!(daemon.get("/api/v1/channels").json()[0]["name"], "Attic");
}

#[test]
fn who_is_not_of_this_house_is_turned_away() {
    let (_instance, daemon) = with_channel();
    let answer = daemon.ask("GET", "/lineup.json", "X-Forwarded-For: 203.0.113.9\r\n");
    assert_eq!((answer.status(), answer.text()), (403, ""));
    let answer = daemon.ask("GET", "/api/v1/status", "Forwarded: for=203.0.113.9\r\n");
    assert_eq!(answer.status(), 403);
    assert!(
        answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("http.trusted_proxies")
    );
}

#[test]
fn the_guide_has_a_tag_that_changes_with_the_timeline() {
    let (instance, daemon) = with_channel();
    let guide = daemon.get("/iptv/xmltv.xml");
    assert!(guide.text().ends_with("</tv>\n"), "it is whole");
    assert!(guide.text().matches("<programme ").count() > 100);
    assert!(guide.text().contains("Second &amp; &lt;Last&gt; Film"));
    // A daemon that has just started may still extend its timelines.
    let tag = wait_for(|| {
        let tag = daemon
            .ask("HEAD", "/iptv/xmltv.xml", "")
            .header("etag")?
            .to_owned();
        let again = daemon.ask(
            "GET",
            "/iptv/xmltv.xml",
            &format!("If-None-Match: {tag}\r\n"),
        );
        (again.status() == 304 && again.body.is_empty()).then_some(tag)
    });
    instance.json(&["channel", "set", "5.1", "--order", "chronological"]);
    let changed = daemon.ask(
        "GET",
        "/iptv/xmltv.xml",
        &format!("If-None-Match: {tag}\r\n"),
    );
    assert_eq!(changed.status(), 200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    assert_eq!(daemon.get("/iptv/xmltv.xml?days=15").status(), 400);
    // Both films last 8 s: a day and the hour that has begun hold so many.
    let day = daemon.get("/iptv/xmltv.xml?days=1");
    assert!(day.text().matches("<programme ").count() <= 25 * 3600 / 8 + 2);
}

#[test]
fn guide_playlist_and_api_agree_about_what_is_on() {
    let (_instance, daemon) = with_channel();
    let channel = daemon.get("/api/v1/channels/5.1").json();
    assert_eq!(channel["copied_percent"], 100, "{channel}");
    let now = channel["now"]["start"].as_i64().unwrap();
    let programmes = daemon.get("/api/v1/guide?channel=5.1&hours=1").json();
    let first = &programmes[0]["programmes"][0]["start"];
    // Between the two questions the next programme may have begun.
    assert!(
        (first.as_i64().unwrap() - now).abs() <= 8_000,
        "{first} {now}"
    );
    let playlist = daemon.get("/iptv/channels.m3u");
    assert!(
        playlist
            .text()
            .contains(&format!("http://{}/iptv/channel/5.1.ts", daemon.address()))
    );
    assert!(
        daemon
            .get("/iptv/xmltv.xml")
            .text()
            .contains("<channel id=\"c1.exstreamd\">")
    );
}

#[test]
fn the_status_page_shows_channels_and_this_box_to_every_kind_of_client() {
    let (_instance, daemon) = with_channel();
    let page = daemon.ask("GET", "/", "Accept: text/html\r\n");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    // This client is on the box: the page shows what works from elsewhere too, when there is such an address.
    let status = daemon.get("/api/v1/status").json();
    let base = status["addresses"][0].as_str().map_or_else(
        || format!("http://localhost:{}", status["port"]),
        str::to_owned,
    );
    for words in [
        "Den",
        "5.1",
        "Plex",
        "Jellyfin",
        "Kodi",
        "VLC",
        &format!("{base}/iptv/xmltv.xml"),
        "Film",
    ] {
        assert!(page.text().contains(words), "{words}");
    }
    assert!(!page.text().contains("<Last>"), "titles are escaped");
}

#[test]
fn the_status_page_runs_its_own_script_only_and_needs_nothing_from_elsewhere() {
    let (_instance, daemon) = with_channel();
    let page = daemon.get("/");
    let policy = page.header("content-security-policy").unwrap();
    let (_, nonce) = policy.split_once("'nonce-").unwrap();
    let (nonce, _) = nonce.split_once('\'').unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert_eq!(
        page.text().matches("<script").count(),
        page.text()
            .matches(&format!("<script nonce=\"{nonce}\">"))
            .count()
    );
    assert!(!daemon.get("/").text().contains(nonce), "drawn anew");
    for attribute in ["src=\"", "href=\"http", "url(", "@import"] {
        assert!(!page.text().contains(attribute), "{attribute}");
    }
    assert!(page.text().contains("<noscript>"), "renewed all the same");
    wait_for(|| {
        daemon
            .get("/")
            .text()
            .contains("100 % copied")
            .then_some(())
    });
}

#[test]
fn nothing_in_a_channel_name_becomes_markup_or_a_line_of_its_own() {
    let (instance, daemon) = with_channel();
    let evil = "<script>alert(1)</script>\"\r\nX-Evil: 1\r\n#EXTINF:-1,two";
    let made = instance.json(&["channel", "add", "--number", "6", "--name", evil]);
    assert_eq!(made["number"], "6");
    let page = daemon.get("/");
    assert!(!page.text().contains("<script>alert"));
    for path in ["/iptv/channels.m3u", "/iptv/channel/6.m3u", "/lineup.m3u"] {
        let playlist = daemon.get(path);
        assert_eq!(playlist.header("x-evil"), None);
        let channels = playlist.text().lines().filter(|l| l.starts_with("#EXTINF"));
        let expected = if path.contains("channel/") { 1 } else { 2 };
        assert_eq!(channels.count(), expected, "{path}: {}", playlist.text());
    }
    assert_eq!(daemon.get("/lineup.json").json()[1]["GuideNumber"], "6");
    assert!(!daemon.get("/iptv/xmltv.xml").text().contains("<script"));
    assert!(!daemon.get("/lineup.xml").text().contains("<script"));
}

#[test]
fn the_guide_of_the_api_is_whole_beyond_a_thousand_programmes() {
    let (_instance, daemon) = with_channel();
    let status = daemon.get("/api/v1/status").json();
    let guide = daemon.get("/api/v1/guide?hours=12").json();
    let programmes = guide[0]["programmes"].as_array().unwrap();
    assert!(programmes.len() > 1_000, "{}", programmes.len());
    for pair in programmes.windows(2) {
        assert_eq!(pair[0]["stop"], pair[1]["start"]);
    }
    let until = status["now"].as_i64().unwrap() + 12 * 3_600_000;
    let end = programmes.last().unwrap()["stop"].as_i64().unwrap();
    assert!(end >= until - 1_000, "{end} {until}");
}

#[test]
fn the_api_is_not_for_the_pages_of_other_origins() {
    let (_instance, daemon) = with_channel();
    let allowed = |path: &str| {
        let answer = daemon.ask("GET", path, "Origin: http://elsewhere.example\r\n");
        answer.header("access-control-allow-origin").is_some()
    };
    for path in [
        "/api/v1/status",
        "/api/v1/libraries",
        "/health",
        "/status.json",
    ] {
        assert!(!allowed(path), "{path}");
    }
    assert!(allowed("/discover.json") && allowed("/lineup.json"));
}

#[test]
fn a_client_of_http_1_0_gets_the_guide_without_chunks_and_the_end_by_the_close() {
    use std::io::Write;
    let (_instance, daemon) = with_channel();
    for path in ["/iptv/xmltv.xml", "/api/v1/guide"] {
        let mut stream = std::net::TcpStream::connect(daemon.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_lowercase().contains("chunked"), "{head}");
        assert!(
            body.trim_end().ends_with("</tv>") || body.trim_end().ends_with("]}]"),
            "{path}"
        );
    }
}

#[test]
fn a_viewer_of_5_10_counts_as_a_viewer_of_5_1() {
    let (_instance, daemon) = with_channel();
    let mut stream = daemon.open("GET", "/auto/v5.10", "");
    stream.read_exact(&mut [0; 16]).unwrap();
    let channel = daemon.get("/api/v1/channels/5.1").json();
    assert_eq!(channel["viewers"], 1, "{channel}");
    let tuners = daemon.get("/status.json").json();
    assert_eq!(tuners[0]["VctNumber"], "5.1", "{tuners}");
}

#[test]
fn nonsense_costs_a_connection_and_nothing_more() {
    use std::io::Write;
    let (_instance, daemon) = with_channel();
    for nonsense in [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\u{1}\u{2}\u{3}\u{4}\r\n\r\n",
    ] {
        let mut stream = std::net::TcpStream::connect(daemon.address()).unwrap();
        stream.write_all(nonsense.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{nonsense:?}");
    }
    let long = format!("X-Long: {}\r\n", "x".repeat(300_000));
    let mut stream = daemon.open("GET", "/health", &long);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "headers of 300 KB are refused"
    );
    assert_eq!(daemon.get("/health").status(), 200);
}
