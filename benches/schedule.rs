//! What planning costs: 100 channels of every kind over a large library, their extension by a day, a search.
//!
//! `schedule fill DIR`, then each in a process of its own `schedule build DIR`, `schedule extend DIR` and
//! `schedule query DIR` (`scripts/bench schedule` does it all). Prints rows of a Markdown table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a program for the person who measures"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use exstreamd::clock::{Clock, RealClock, SharedClock, SimClock, UtcMs};
use exstreamd::guide::{ItemKind, Metadata};
use exstreamd::media::probe::Container;
use exstreamd::media::{Format, Probe, Ticks90k};
use exstreamd::playout::{Planning, Playout};
use exstreamd::schedule::classic::{Classic, Count, FixedStart, Item, Mode, Schedule};
use exstreamd::schedule::filler::{Amount, Filler, Fillers};
use exstreamd::schedule::query::parse;
use exstreamd::schedule::{Collection, Pick, PlayOrder, Program, TimeOfDay};
use exstreamd::store::{
    Channel, DATABASE_FILE, NewChannel, OpenStore, ProbeState, RootKind, ScannedItem, Store, Today,
};
use jiff::tz::TimeZone;

const NOW: UtcMs = UtcMs(1_700_000_000_000);
const DAY_MS: i64 = 86_400_000;
const CHANNELS: usize = 100;
const DAYS: u8 = 14;
const ITEMS: i64 = 50_000;
const SHOWS: i64 = 400;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", dir] => runtime.block_on(fill(dir.as_ref())),
        ["build", dir] => runtime.block_on(build(dir.as_ref())),
        ["extend", dir] => runtime.block_on(extend(dir.as_ref())),
        ["query", dir] => runtime.block_on(query(dir.as_ref())),
        // `cargo bench` and `cargo test --benches` pass options of their own.
        _ => println!("usage: schedule fill|build|extend|query DIR"),
    }
}

fn open(dir: &Path, now: UtcMs) -> (Store, SimClock) {
    let clock = SimClock::new(now);
    let shared: SharedClock = Arc::new(clock.clone());
    (Store::open(&OpenStore::new(dir), &shared).unwrap(), clock)
}

fn playout(store: &Store, clock: &SimClock) -> Playout {
    let planning = Planning {
        zone: TimeZone::posix("CST6CDT,M3.2.0,M11.1.0").unwrap(),
        days: DAYS,
        ..Planning::default()
    };
    let sane = tokio::sync::watch::channel(true).1;
    Playout::with_clock_watch(store.clone(), Arc::new(clock.clone()), sane, planning)
}

/// Numbers without pattern (Knuth's MMIX generator).
fn draw(n: i64, bound: i64) -> i64 {
    let n = n
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    ((n as u64 >> 33) as i64) % bound
}

/// Four fifths are episodes, the rest films and clips.
fn scanned(n: i64) -> ScannedItem {
    let (path, kind, show, seconds) = match n % 25 {
        0 => (
            format!("clips/{n}.mkv"),
            ItemKind::Other,
            None,
            15 + draw(n, 105),
        ),
        1..=4 => (
            format!("films/{n}.mkv"),
            ItemKind::Movie,
            None,
            4800 + draw(n, 3600),
        ),
        _ => {
            let show = format!("A Show of Number {}", n % SHOWS);
            (
                format!("shows/{show}/{n}.mkv"),
                ItemKind::Episode,
                Some(show),
                1200 + draw(n, 1500),
            )
        }
    };
    ScannedItem {
        path: format!("/media/{path}").into(),
        size_bytes: 1,
        mtime_ns: seconds,
        kind,
        facets: Default::default(),
        metadata: Metadata {
            title: format!("What Happened in Part {n}"),
            season: show.is_some().then_some(1 + (n / SHOWS % 8) as u32),
            episode: show.is_some().then_some(1 + (n / SHOWS / 8) as u32),
            show,
            year: Some(1950 + (n % 75) as u16),
            plot: Some("Somebody wants something, somebody else does not want it. ".repeat(4)),
            ..Metadata::default()
        },
    }
}

async fn fill(dir: &Path) {
    let (store, _) = open(dir, NOW);
    let root = store
        .add_root("/media".as_ref(), RootKind::Auto)
        .await
        .unwrap()
        .id;
    add_items(&store, root, 0..ITEMS).await;
    for n in 0..CHANNELS {
        add_channel(&store, n).await;
    }
    store.close().await;
}

async fn add_items(store: &Store, root: i64, which: std::ops::Range<i64>) {
    for first in which.clone().step_by(1000) {
        let found = (first..which.end.min(first + 1000)).map(scanned);
        store
            .upsert_items(root, found.collect(), NOW)
            .await
            .unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for due in store.items_to_probe(0, 1000, false).await.unwrap() {
            let store = store.clone();
            tasks.spawn(async move {
                let probe = Probe {
                    container: Container::Matroska,
                    start: Ticks90k(0),
                    end: Ticks90k(due.mtime_ns * 90_000 + draw(due.mtime_ns, 90_000)),
                    video: None,
                    audio: Vec::new(),
                    chapters: Vec::new(),
                    not_native: None,
                };
                store
                    .set_probe(&due, ProbeState::Known(Box::new(probe)))
                    .await
                    .unwrap();
            });
        }
        tasks.join_all().await;
    }
}

fn folder(name: &str) -> Collection {
    Collection::Folder {
        path: format!("/media/{name}").into(),
    }
}

fn show(n: usize) -> Collection {
    Collection::Show {
        title: format!("A Show of Number {}", 5 + n % 20),
    }
}

fn clips(name: &str, amount: Amount) -> Option<Filler> {
    let mut pick = Pick::new(folder("clips"), PlayOrder::Shuffle);
    pick.place = Some(name.to_owned());
    Some(Filler::new(name, pick, amount))
}

fn item(of: Collection, order: PlayOrder, mode: Mode) -> Item {
    Item {
        name: None,
        pick: Pick::new(of, order),
        mode,
        start: None,
        fixed_start: None,
        hidden: false,
        title: None,
        from_one_group: Default::default(),
        fillers: Fillers::default(),
        dress: None,
    }
}

/// An evening of news, a film and episodes padded to half hours, with clips between.
fn classic(n: usize) -> Program {
    let mut news = item(show(n), PlayOrder::Chronological, Mode::One);
    news.start = TimeOfDay::parse("20:00");
    news.fixed_start = Some(FixedStart::Strict);
    let mut film = item(folder("films"), PlayOrder::Shuffle, Mode::One);
    film.fillers.pre_roll = clips("before", Amount::Count(2));
    let mut rest = item(folder("shows"), PlayOrder::Balanced, Mode::Flood);
    rest.fillers.post_roll = clips("pad", Amount::PadMinutes(30));
    let mut several = item(
        show(n + 1),
        PlayOrder::Random,
        Mode::Multiple(Count::Of("3".to_owned().try_into().unwrap())),
    );
    several.fillers.post_roll = clips("after", Amount::Count(1));
    Program::Classic(Classic {
        schedule: Schedule {
            items: vec![news, film, several, rest],
            ..Schedule::default()
        },
        alternates: Vec::new(),
    })
}

async fn add_channel(store: &Store, n: usize) {
    let (collection, order, program) = match n % 5 {
        0 => (Collection::Library, PlayOrder::Shuffle, None),
        1 => (folder("films"), PlayOrder::Chronological, None),
        2 => (folder("shows"), PlayOrder::Marathon, None),
        _ => (Collection::Library, PlayOrder::Shuffle, Some(classic(n))),
    };
    let new = NewChannel {
        number: (n + 1).to_string(),
        name: format!("Channel {n}"),
        group: None,
        format: Format::DEFAULT,
        mux_rate_kbit: None,
        collection,
        order,
        seed: n as u64,
    };
    let channel = store.add_channel(new, NOW).await.unwrap();
    let channel = Channel { program, ..channel };
    store.update_channel(channel).await.unwrap();
}

/// A line of /proc/self/FILE as a number.
fn of_process(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // User and system time, in hundredths of a second (proc(5)).
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn database_bytes(dir: &Path) -> u64 {
    std::fs::metadata(dir.join(DATABASE_FILE)).unwrap().len()
}

async fn entries(store: &Store) -> u64 {
    let mut all = 0;
    for channel in store.channels().await.unwrap() {
        all += store.entries_after(channel.id, UtcMs(0)).await.unwrap();
    }
    all
}

async fn build(dir: &Path) {
    let before = database_bytes(dir);
    let (store, clock) = open(dir, NOW);
    let playout = playout(&store, &clock);
    let (written, worked, began) = (of_process("io", "wchar"), cpu(), RealClock.monotonic());
    playout.round().await;
    let (took, worked) = (RealClock.monotonic() - began, cpu() - worked);
    let written = of_process("io", "wchar") - written;
    let rows = entries(&store).await;
    store.close().await;
    let days = (CHANNELS * usize::from(DAYS)) as u64;
    println!(
        "| {CHANNELS} channels × {DAYS} days from {ITEMS} items: time, CPU time | {:.1} s, {:.1} s |",
        took.as_secs_f64(),
        worked.as_secs_f64()
    );
    println!(
        "| ... peak RSS | {} MB |",
        of_process("status", "VmHWM") / 1024
    );
    println!("| ... entries per channel and day | {} |", rows / days);
    let grown = database_bytes(dir) - before;
    println!(
        "| ... database: growth per channel and day, per entry | {:.1} KB, {} bytes |",
        grown as f64 / 1e3 / days as f64,
        grown / rows
    );
    println!(
        "| ... written per channel and day | {:.1} KB |",
        written as f64 / 1e3 / days as f64
    );
}

async fn extend(dir: &Path) {
    let (store, clock) = open(dir, NOW);
    let playout = playout(&store, &clock);
    for day in 1..=3 {
        clock.advance(Duration::from_millis(DAY_MS.unsigned_abs()));
        let (written, worked, began) = (of_process("io", "wchar"), cpu(), RealClock.monotonic());
        playout.round().await;
        let (took, worked) = (RealClock.monotonic() - began, cpu() - worked);
        let written = of_process("io", "wchar") - written;
        println!(
            "| extension by day {day}: time, CPU time per channel; written | {:.1} ms, {:.1} ms; {:.1} KB |",
            took.as_secs_f64() * 1e3 / CHANNELS as f64,
            worked.as_secs_f64() * 1e3 / CHANNELS as f64,
            written as f64 / 1e3 / CHANNELS as f64
        );
        let (worked, began) = (cpu(), RealClock.monotonic());
        playout.round().await;
        println!(
            "| ... and a round with nothing to do: time, CPU time per channel | {:.2} ms, {:.2} ms |",
            (RealClock.monotonic() - began).as_secs_f64() * 1e3 / CHANNELS as f64,
            (cpu() - worked).as_secs_f64() * 1e3 / CHANNELS as f64
        );
    }
    println!(
        "| ... peak RSS | {} MB |",
        of_process("status", "VmHWM") / 1024
    );
    store.close().await;
}

async fn query(dir: &Path) {
    let (store, _) = open(dir, NOW);
    let root = store.roots().await.unwrap()[0].id;
    if store.item_counts(None).await.unwrap().items < 100_000 {
        add_items(&store, root, ITEMS..100_000).await;
    }
    let today = Today {
        now: NOW,
        zone: TimeZone::UTC,
    };
    for text in [
        "type:movie AND release_date:[1980 TO 1989]",
        "show_title:\"A Show of Number 7\" AND season_number:[2 TO 4]",
        "title:happened NOT type:episode",
        "minutes:[0 TO 1]",
        "type:other AND minutes:[1 TO 2]",
    ] {
        let Ok(query) = parse(text) else {
            println!("| {text} | not understood |");
            continue;
        };
        let mut best = Duration::MAX;
        let mut found = 0;
        for _ in 0..7 {
            let began = RealClock.monotonic();
            found = store
                .search(&query, &today, true, 0, 1000)
                .await
                .unwrap()
                .len();
            best = best.min(RealClock.monotonic() - began);
        }
        println!(
            "| `{text}` over 100,000 items, first {found} | {:.1} ms |",
            best.as_secs_f64() * 1e3
        );
    }
    store.close().await;
}
