//! What the writer and the tables keep to. Failures from outside (crash, disk, owner) are in `tests/store.rs`.

mod collections;
mod library;
mod search;
mod shapes;
mod timeline;

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::clock::{SimClock, UtcMs};
use crate::guide::{ItemKind, Metadata};
use crate::media::probe::Container;
use crate::media::{AudioCodec, Format, Probe, Ticks90k, VideoCodec};
use crate::schedule::{PlayOrder, Role};

const NOW: UtcMs = UtcMs(1_700_000_000_000);

/// 2023-11-14 22:13:20 UTC, which is 2023-11-15 in Berlin's next hour but one.
fn today() -> Today {
    Today {
        now: NOW,
        zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
    }
}

struct Fixture {
    _dir: tempfile::TempDir,
    store: Store,
    root: Id,
}

async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(
        &OpenStore::new(dir.path().join("data")),
        &(Arc::new(SimClock::new(NOW)) as SharedClock),
    )
    .unwrap();
    let root = store
        .add_root("/media/tv/".as_ref(), RootKind::Auto)
        .await
        .unwrap()
        .id;
    Fixture {
        _dir: dir,
        store,
        root,
    }
}

impl Fixture {
    async fn playable_ids(&self, of: &Collection) -> Vec<Id> {
        let definitions = self.store.definitions().await.unwrap();
        let today = today();
        let ids = self.store.playable_ids(of, &definitions, &today);
        ids.await.unwrap()
    }
}

fn file(path: &str) -> ScannedItem {
    ScannedItem {
        path: PathBuf::from(path),
        size_bytes: 1000,
        mtime_ns: -5,
        kind: ItemKind::Episode,
        facets: Default::default(),
        metadata: Metadata {
            title: "Pilot".to_owned(),
            show: Some("Show".to_owned()),
            season: Some(1),
            episode: Some(2),
            ..Metadata::default()
        },
    }
}

fn known(seconds: i64) -> ProbeState {
    ProbeState::Known(Box::new(Probe {
        container: Container::Mp4,
        start: Ticks90k(90),
        end: Ticks90k(90 + seconds * 90_000),
        video: None,
        audio: Vec::new(),
        chapters: Vec::new(),
        not_native: None,
    }))
}

fn channel(number: &str) -> NewChannel {
    NewChannel {
        number: number.to_owned(),
        name: "Name".to_owned(),
        group: Some("  ".to_owned()),
        format: Format {
            video: VideoCodec::Hevc,
            audio: AudioCodec::Eac3,
            audio_rate_hz: 48_000,
            audio_channels: 6,
            ..Format::DEFAULT
        },
        mux_rate_kbit: std::num::NonZeroU32::new(8_000),
        collection: Collection::Library,
        order: PlayOrder::Shuffle,
        seed: u64::MAX - 1,
    }
}

impl Store {
    /// How many questions were asked so far.
    pub(crate) fn questions(&self) -> u64 {
        self.0.questions.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Puts `count` files in a new folder of the library: film `n` has the probe that `probe` makes of it. What then
    /// reads the probe of any of them fails.
    pub(crate) async fn fill(&self, count: i64, probe: impl Fn(i64) -> Probe + Send + 'static) {
        let root = self.add_root("/media".as_ref(), RootKind::Auto).await;
        let root = root.unwrap().id;
        self.write(move |db| {
            let run = || -> rusqlite::Result<()> {
                let mut insert = db.prepare(
                    "INSERT INTO items (root_id, path, size_bytes, mtime_ns, kind, title, show, added_ms, \
                     probe_state, probe, start_90k, end_90k, shape_id) \
                     VALUES (?1, ?2, 1, 1, ?3, 'x', ?4, 0, 'known', 'poison', ?5, ?6, ?7)",
                )?;
                for n in 0..count {
                    let probe = probe(n);
                    let shape = serde_json::to_string(&crate::media::format::shape_of(&probe));
                    let shape = super::shapes::id_of(db, &shape.unwrap())?;
                    let (kind, show, path) = match n % 2 {
                        0 => ("movie", None, format!("/media/films/{n}.mkv")),
                        _ => {
                            let show = format!("Show {}", n % 40);
                            let path = format!("/media/shows/{show}/{n}.mkv");
                            ("episode", Some(show), path)
                        }
                    };
                    let (start, end) = (probe.start.0, probe.end.0);
                    insert.execute(rusqlite::params![root, path.into_bytes(), kind, show, start, end, shape])?;
                }
                Ok(())
            };
            run().map_err(|e| fail::sql("filling the library", e))
        })
        .await
        .unwrap();
    }

    /// How SQLite goes about a search, a step a line.
    async fn search_plan(
        &self,
        query: &crate::schedule::query::Query,
        today: &Today,
    ) -> Result<Vec<String>> {
        let (sql, values) = super::search::statement(query, today, true, 0, 10)?;
        self.read(move |db| {
            db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .and_then(|mut s| {
                    s.query_map(rusqlite::params_from_iter(values), |row| row.get(3))?
                        .collect()
                })
                .map_err(|e| fail::sql("explaining a search", e))
        })
        .await
    }

    /// Writes something into the row of a channel that is no program.
    pub(crate) async fn damage_program_of(&self, channel: Id, text: &'static str) {
        self.write(move |db| {
            db.execute(
                "UPDATE channels SET program = ?2 WHERE id = ?1",
                rusqlite::params![channel, text],
            )
            .map(drop)
            .map_err(|e| fail::sql("damaging a program", e))
        })
        .await
        .unwrap();
    }

    /// Makes every write to the timeline of one channel fail from now on.
    pub(crate) async fn refuse_timeline_of(&self, channel: Id) {
        let trigger = format!(
            "CREATE TRIGGER refused BEFORE INSERT ON timeline WHEN NEW.channel_id = {channel} \
             BEGIN SELECT RAISE (ABORT, 'on purpose'); END"
        );
        self.write(move |db| {
            db.execute_batch(&trigger)
                .map_err(|e| fail::sql("making a trigger", e))
        })
        .await
        .unwrap();
    }
}

impl Fixture {
    /// Adds files with known probes of 60 s each.
    async fn playable(&self, paths: &[&str]) -> Vec<Id> {
        let found = paths.iter().map(|p| file(p)).collect();
        let ids = self
            .store
            .upsert_items(self.root, found, NOW)
            .await
            .unwrap();
        for due in self.store.items_to_probe(0, 1000, false).await.unwrap() {
            assert!(self.store.set_probe(&due, known(60)).await.unwrap());
        }
        ids.into_iter().map(Scanned::id).collect()
    }
}

fn entry(start: i64, item: Option<Id>) -> NewEntry {
    NewEntry {
        start: NOW.plus(start),
        stop: NOW.plus(start + 60_000),
        content: match item {
            None => EntryContent::Gap,
            Some(item_id) => EntryContent::Item {
                item_id,
                from: Ticks90k(90),
                to: Ticks90k(90 + 60 * 90_000),
            },
        },
        role: match item {
            None => Role::Empty,
            Some(_) => Role::Programme,
        },
        guide_group: NOW.0 / 1000 + start / 1000,
        shows: None,
        title: None,
        why: None,
        mark: item.map(|id| format!("{{\"after\":{id}}}")),
        mark_is_full: item.is_some(),
    }
}

#[tokio::test]
async fn a_failed_or_panicking_job_leaves_the_others_of_its_batch_alone() {
    let f = fixture().await;
    let store = &f.store;
    let set = |key: &'static str| store.set_meta(key, Some("x"));
    let panic = store.write(|db| -> Result<()> {
        db.execute("DELETE FROM meta", []).unwrap();
        panic!("on purpose")
    });
    let fail = store.write(|db| -> Result<()> {
        db.execute("DELETE FROM roots", []).unwrap();
        crate::bail!(Invalid, "on purpose")
    });
    let (a, b, c, d, e) = tokio::join!(set("a"), panic, set("b"), fail, set("c"));
    assert!(a.is_ok() && c.is_ok() && e.is_ok());
    assert_eq!(b.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(d.unwrap_err().kind(), ErrorKind::Invalid);
    for key in ["a", "b", "c", "written_by"] {
        assert!(store.meta(key).await.unwrap().is_some(), "{key}");
    }
    assert_eq!(store.roots().await.unwrap().len(), 1);
    set("a").await.unwrap();
    store.set_meta("a", None).await.unwrap();
    assert_eq!(store.meta("a").await.unwrap(), None);
    assert_eq!(store.silent_for(), Duration::ZERO);
}

#[tokio::test]
async fn readers_cannot_write_and_a_closed_store_says_so() {
    let f = fixture().await;
    let refused = f
        .store
        .read(|db| {
            db.execute("DELETE FROM roots", [])
                .map_err(|e| fail::sql("trying", e))
        })
        .await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Permission);
    let other = f.store.clone();
    f.store.close().await;
    for error in [
        other.roots().await.unwrap_err(),
        other.set_meta("a", None).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}
