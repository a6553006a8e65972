//! `/`: the status page, for a phone, a desk and a TV across the room. Complete without JavaScript; with it, it
//! renews itself without flicker. Nothing in it comes from elsewhere.

use std::fmt::Write as _;

use askama::Template;
use hyper::header::{ACCEPT, CONTENT_SECURITY_POLICY, HeaderValue};
use jiff::Timestamp;

use super::api::channels::{View, view};
use super::api::guide::Programme;
use super::router::{Call, Reply, typed};
use super::shares::Copied;
use super::viewers::Viewer;
use super::{App, tuner};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Finding, Severity};
use crate::schedule::PlayOrder;
use crate::store::{Collection, ItemCounts, Root, RootState};
use crate::system::random;

/// Channels shown: the page of a hundred channels is a long page, of a thousand a useless one.
const MOST_CHANNELS: usize = 200;
/// Viewers and library folders shown.
const MOST_ROWS: usize = 50;
/// Programmes shorter than this are shown with seconds.
const SHORT_MS: i64 = 5 * 60_000;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ name }}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect x='1' y='3' width='14' height='9' rx='1.5' fill='%23175cb8'/%3E%3Cpath d='M6.5 5.5v4l4-2z' fill='%23fff'/%3E%3Cpath d='M5 14h6' stroke='%23175cb8'/%3E%3C/svg%3E">
<noscript><meta http-equiv="refresh" content="30"></noscript>
<style>
{{ STYLE|safe }}</style>
</head>
<body>
<p id="lost" class="critical" role="status" hidden>The daemon does not answer: what you see here is old.</p>
<div id="live">
<header>
<div class="top"><h1>{{ name }}</h1><p class="health {{ health.0 }}">{{ health.1 }}</p></div>
<p class="soft">{{ time }} ({{ zone }}) · {{ viewers.len() }} watching · version {{ version }}</p>
</header>
<main>
{% if !findings.is_empty() %}<section aria-labelledby="mend"><h2 id="mend">What to know and to mend</h2>
<ul class="findings">
{% for finding in findings %}<li class="card {{ finding.class }}"><p><strong class="{{ finding.class }}">{{ finding.class }}</strong> · {{ finding.message }} <span class="soft">(since {{ finding.since }})</span></p></li>
{% endfor %}</ul></section>
{% endif %}
<section aria-labelledby="channels"><h2 id="channels">Channels</h2>
{% if channels.is_empty() %}<p class="card">There is none yet. At this box, run <code>exstreamd setup /path/to/your/media</code>: it looks the folder over, proposes channels and makes them.</p>
{% else %}<ul class="grid">
{% for channel in channels %}<li class="card channel">
<div class="top"><h3><span class="number">{{ channel.number }}</span>{{ channel.name }}</h3>{% if channel.viewers > 0 %}<span class="soft good">{{ channel.viewers }} watching</span>{% endif %}</div>
{% if let Some(now) = channel.now %}<p class="now">{{ now.title }}</p>
<p class="soft">{{ now.detail }}{{ now.from }}–{{ now.to }}</p>
<progress max="100" value="{{ now.percent }}" aria-label="{{ now.percent }} % of it is over"></progress>
{% else %}<p class="now">Nothing is planned</p>
{% endif %}{% if let Some(next) = channel.next %}<p class="soft">Next, {{ next.from }}: {{ next.title }}</p>
{% endif %}{% if let Some(failure) = channel.failure %}<p class="soft warning">{{ failure }}</p>
{% endif %}{% if let Some(copied) = channel.copied %}{% if let Some(mostly) = copied.mostly %}<p class="soft">Not copied, mostly: {{ mostly }}</p>
{% endif %}{% endif %}<div class="top foot"><span class="soft">{{ channel.plays }}{% if let Some(copied) = channel.copied %} <span class="whole">· {{ copied.percent }} % copied</span>{% endif %}</span><a id="watch{{ channel.number }}" href="{{ channel.playlist }}" aria-label="Watch {{ channel.name }}" title="A playlist file that VLC and most players open">Watch</a></div>
</li>
{% endfor %}</ul>
{% if more > 0 %}<p class="soft">and {{ more }} more</p>{% endif %}
{% endif %}</section>
{% if !viewers.is_empty() %}<section aria-labelledby="viewers"><h2 id="viewers">Who watches</h2>
<ul class="card">
{% for viewer in viewers %}<li>Channel {{ viewer.channel }} · {{ viewer.client }} <span class="soft">since {{ viewer.since }}</span></li>
{% endfor %}</ul></section>
{% endif %}
<section aria-labelledby="library"><h2 id="library">Library</h2>
{% if folders.is_empty() %}<p class="card">No folder has been added yet.</p>
{% else %}<ul class="card">
{% for folder in folders %}<li><code>{{ folder.path }}</code> <span class="{{ folder.class }}">{{ folder.state }}</span></li>
{% endfor %}</ul>{% endif %}</section>
</main>
</div>
<section aria-labelledby="watch"><h2 id="watch">How to watch</h2>
<p>The address of this box is <code>{{ base }}</code>{% for other in others %}{% if loop.first %}<span class="soft">, and also </span>{% endif %} <code>{{ other }}</code>{% endfor %}</p>
<div class="grid" style="margin-top:.6rem">
<details class="card" open><summary>Plex</summary><ol>
<li>Settings → Live TV &amp; DVR → Set Up Plex DVR. Choose “{{ name }}”; if it is not listed, enter its network address: <code>{{ host }}</code></li>
<li>Instead of a postal code choose “Have an XMLTV guide on your server?” and enter <code>{{ base }}/iptv/xmltv.xml</code></li>
</ol></details>
<details class="card" open><summary>Jellyfin</summary><ol>
<li>Dashboard → Live TV → Tuner Devices → Add: type HD Homerun, address <code>{{ base }}</code></li>
<li>TV Guide Data Providers → Add → XMLTV: <code>{{ base }}/iptv/xmltv.xml</code></li>
</ol></details>
<details class="card" open><summary>Emby</summary><ol>
<li>Settings → Live TV → Add TV Source: HDHomeRun, address <code>{{ base }}</code></li>
<li>Add Guide Source → XmlTV: <code>{{ base }}/iptv/xmltv.xml</code></li>
</ol></details>
<details class="card" open><summary>Kodi</summary><ol>
<li>Install the add-on “PVR IPTV Simple Client” and open its settings.</li>
<li>M3U playlist URL: <code>{{ base }}/iptv/channels.m3u</code></li>
<li>XMLTV URL: <code>{{ base }}/iptv/xmltv.xml</code></li>
</ol></details>
<details class="card" open><summary>VLC and others</summary><ol>
<li>VLC: Media → Open Network Stream: <code>{{ base }}/iptv/channels.m3u</code></li>
<li>One channel: <code>{{ base }}/iptv/channel/NUMBER.ts</code></li>
<li>Apps that ask for a guide (EPG): <code>{{ base }}/iptv/xmltv.xml</code></li>
</ol></details>
</div></section>
<footer class="soft"><p><a href="/health">Health</a> · <a href="/metrics">Metrics</a> · <a href="/api/v1/status">Status as JSON</a></p></footer>
<script nonce="{{ nonce }}">
{{ SCRIPT|safe }}</script>
</body>
</html>
"##
)]
struct Page<'a> {
    name: &'a str,
    /// Class and sentence.
    health: (&'static str, String),
    time: String,
    zone: &'a str,
    version: &'static str,
    viewers: Vec<ViewerRow>,
    findings: Vec<FindingRow>,
    channels: Vec<ChannelRow>,
    more: usize,
    folders: Vec<FolderRow>,
    base: &'a str,
    host: &'a str,
    others: Vec<String>,
    /// Allows our script and no other (CSP Level 3 §2.3.1).
    nonce: String,
}

struct FindingRow {
    class: &'static str,
    message: String,
    since: String,
}

struct ChannelRow {
    number: String,
    name: String,
    playlist: String,
    viewers: usize,
    now: Option<Slot>,
    next: Option<Slot>,
    plays: String,
    copied: Option<Copied>,
    failure: Option<String>,
}

struct Slot {
    title: String,
    /// "S01E02 · " and the like; may be empty.
    detail: String,
    from: String,
    to: String,
    percent: i64,
}

struct ViewerRow {
    channel: String,
    client: String,
    since: String,
}

struct FolderRow {
    path: String,
    class: &'static str,
    state: String,
}

/// The page for people; the device's description for tuner clients of the old kind, which ask for XML here.
pub(super) async fn show(call: Call) -> Result<Reply> {
    let accept = call.header(ACCEPT).unwrap_or_default();
    if accept.contains("xml") && !accept.contains("html") {
        return tuner::device(call).await;
    }
    let app = &call.app;
    // Somebody at the box itself reads this for the TV in the other room.
    let base = match call.client() {
        Some(client) if !client.ip.is_loopback() => call.base_url(),
        _ => app.house_address(),
    };
    let mut all = app.store.channels().await?;
    let more = all.len().saturating_sub(MOST_CHANNELS);
    all.truncate(MOST_CHANNELS);
    let copied = app.shares.of(app, &all).await;
    let on_air = app.stations.status();
    let mut channels = Vec::with_capacity(all.len());
    for channel in all {
        let failure = on_air
            .iter()
            .find(|station| station.channel.id == channel.id)
            .and_then(|station| station.last_failure.as_ref())
            .map(|failure| format!("{} could not be played: {}", failure.title, failure.reason));
        let copied = copied.get(&channel.id).cloned();
        channels.push(ChannelRow {
            copied,
            failure,
            ..channel_row(app, view(app, channel).await)
        });
    }
    let mut folders = Vec::new();
    for root in app.store.roots().await?.into_iter().take(MOST_ROWS) {
        let items = app.store.item_counts(Some(root.id)).await?;
        folders.push(folder_row(app, &root, items));
    }
    let found = app.findings.list();
    let nonce = nonce()?;
    let page = Page {
        name: &app.config.name,
        health: headline(&found),
        time: clock_time(app, app.clock.utc(), "%a %H:%M"),
        zone: &app.zone.name,
        version: env!("CARGO_PKG_VERSION"),
        viewers: app
            .viewers
            .list()
            .iter()
            .take(MOST_ROWS)
            .map(|viewer| viewer_row(app, viewer))
            .collect(),
        findings: found
            .into_iter()
            .map(|finding| finding_row(app, finding))
            .collect(),
        channels,
        more,
        folders,
        host: base
            .split_once("://")
            .map_or(base.as_str(), |(_, host)| host),
        others: app
            .addresses()
            .into_iter()
            .filter(|other| *other != base)
            .collect(),
        base: &base,
        nonce: nonce.clone(),
    };
    let html = page
        .render()
        .map_err(|e| Error::with_source(ErrorKind::Internal, "writing the status page", e))?;
    let mut reply = typed("text/html; charset=utf-8", html);
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'nonce-{nonce}'; connect-src 'self'; \
         form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(reply)
}

fn nonce() -> Result<String> {
    let mut nonce = String::with_capacity(32);
    for byte in random::bytes::<16>()? {
        // Writing to a String cannot fail.
        let _ = write!(nonce, "{byte:02x}");
    }
    Ok(nonce)
}

/// The state of the whole in one sentence, with its class.
fn headline(found: &[Finding]) -> (&'static str, String) {
    let things = |of: &[Finding]| match of.len() {
        1 => "one thing".to_owned(),
        n => format!("{n} things"),
    };
    match found.first().map(|worst| worst.severity) {
        None => ("good", "Everything is fine".to_owned()),
        Some(Severity::Notice) => ("good", format!("All works; {} to know", things(found))),
        Some(Severity::Warning) => (
            "warning",
            format!("It works, with {} to mend", things(found)),
        ),
        Some(Severity::Critical) => ("critical", "Something essential does not work".to_owned()),
    }
}

fn channel_row(app: &App, channel: View) -> ChannelRow {
    let slot = |programme: Programme| {
        let short = programme.stop.since(programme.start) < SHORT_MS;
        let format = if short { "%H:%M:%S" } else { "%H:%M" };
        Slot {
            title: programme.title(),
            detail: detail(&programme),
            from: clock_time(app, programme.start, format),
            to: clock_time(app, programme.stop, format),
            percent: programme.percent_at(app.clock.utc()),
        }
    };
    let what = match &channel.collection {
        Collection::Library => "The whole library".to_owned(),
        Collection::Show { title } => title.clone(),
        Collection::Folder { path } => match path.file_name() {
            Some(name) => format!("Folder {}", name.to_string_lossy()),
            None => path.to_string_lossy().into_owned(),
        },
        Collection::Search { query } => query.clone(),
        Collection::FirstRun { name } => format!("{name}, what was not on yet"),
        Collection::Rerun { name } => format!("{name}, what was on before"),
        Collection::Smart { name }
        | Collection::Manual { name }
        | Collection::Multi { name }
        | Collection::Playlist { name } => name.clone(),
    };
    let order = match channel.order {
        PlayOrder::Shuffle => "shuffled",
        PlayOrder::Chronological => "by date",
        PlayOrder::SeasonEpisode => "by season and episode",
        PlayOrder::Custom => "in its own order",
        PlayOrder::Balanced => "shuffled, shows spread evenly",
        PlayOrder::Random => "at random",
        PlayOrder::RandomRotation => "at random, show after show",
        PlayOrder::Marathon => "show after show",
        PlayOrder::MultiEpisodeShuffle => "shuffled, stories whole",
    };
    ChannelRow {
        playlist: channel.stream.replace(".ts", ".m3u"),
        number: channel.number,
        name: channel.name,
        viewers: channel.viewers,
        now: channel.now.map(slot),
        next: channel.next.map(slot),
        plays: format!("{what}, {order}"),
        copied: None,
        failure: None,
    }
}

/// Season and episode, or the year.
fn detail(programme: &Programme) -> String {
    let about = &programme.metadata;
    match (about.season, about.episode, about.year) {
        (Some(season), Some(episode), _) => format!("S{season:02}E{episode:02} · "),
        (_, _, Some(year)) => format!("{year} · "),
        _ => String::new(),
    }
}

fn finding_row(app: &App, finding: Finding) -> FindingRow {
    FindingRow {
        class: finding.severity.name(),
        message: finding.message,
        since: clock_time(app, finding.since, "%a %H:%M"),
    }
}

fn viewer_row(app: &App, viewer: &Viewer) -> ViewerRow {
    ViewerRow {
        channel: viewer.channel.clone(),
        client: match viewer.agent.as_str() {
            "" => viewer.ip.to_string(),
            agent => format!("{} · {agent}", viewer.ip),
        },
        since: clock_time(app, viewer.since, "%a %H:%M"),
    }
}

fn folder_row(app: &App, root: &Root, items: ItemCounts) -> FolderRow {
    let (class, state) = match &root.state {
        RootState::Unreachable { since, reason } => {
            let since = clock_time(app, *since, "%a %H:%M");
            ("warning", format!("away since {since}: {reason}"))
        }
        RootState::Present if root.scanned.is_none() => (
            "notice",
            format!(
                "is being scanned for the first time, {} found so far",
                items.items
            ),
        ),
        RootState::Present => ("soft", counts(items)),
    };
    FolderRow {
        path: root.path.to_string_lossy().into_owned(),
        class,
        state,
    }
}

/// "10 items, 8 can be played, 2 cannot".
fn counts(items: ItemCounts) -> String {
    let mut text = match items {
        ItemCounts { items: 0, .. } => "no videos found".to_owned(),
        ItemCounts {
            items: 1,
            playable: 1,
            ..
        } => "1 video".to_owned(),
        ItemCounts {
            items, playable, ..
        } if items == playable => format!("{items} videos"),
        ItemCounts {
            items, playable, ..
        } => format!("{items} videos, {playable} can be played"),
    };
    for (n, what) in [
        (items.pending, "still to be looked at"),
        (items.waiting_for_ffmpeg, "wait for ffmpeg"),
        (
            items.broken,
            "cannot be played: see exstreamd library unplayable",
        ),
        (items.missing, "gone"),
    ] {
        if n > 0 {
            let _ = write!(text, ", {n} {what}");
        }
    }
    text
}

/// A moment on the clock of the house.
fn clock_time(app: &App, at: UtcMs, format: &str) -> String {
    Timestamp::from_millisecond(at.0)
        .map(|time| {
            time.to_zoned(app.zone.zone.clone())
                .strftime(format)
                .to_string()
        })
        .unwrap_or_default()
}
