use std::sync::Arc;

use super::*;
use crate::clock::{SharedClock, SimClock, UtcMs};
use crate::media::probe::{AudioProbe, Container, Probe, VideoProbe};
use crate::media::{AudioCodec, Ticks90k, VideoCodec};
use crate::store::OpenStore;

const MINUTE: i64 = 60_000;

fn today() -> Today {
    Today {
        now: UtcMs(0),
        zone: jiff::tz::TimeZone::UTC,
    }
}

/// A minute of H.264 or HEVC with AAC or DTS, in sizes as different as those of films are.
fn probe(n: i64) -> Probe {
    let (video, dts) = match n % 10 {
        0 => (VideoCodec::H264, true),
        1..=4 => (VideoCodec::H264, false),
        _ => (VideoCodec::Hevc, false),
    };
    Probe {
        container: Container::Matroska,
        start: Ticks90k(n),
        end: Ticks90k(n) + Ticks90k::from_ms(MINUTE),
        video: Some(VideoProbe {
            codec: Some(video),
            name: "A".to_owned(),
            width: 1920,
            height: 800 + (n % 7) as u16 * 2,
            bit_depth: 8,
            interlaced: false,
            frame_duration: Ticks90k(3600),
            reorder_depth: 2,
            longest_rap_interval: Ticks90k(n),
            largest_gop_bytes: n as u64,
            clean_raps: true,
            raps: vec![Ticks90k(n)],
        }),
        audio: vec![AudioProbe {
            codec: (!dts).then_some(AudioCodec::Aac),
            name: if dts { "DTS" } else { "AAC" }.to_owned(),
            rate_hz: 48_000,
            channels: 2,
            language: None,
        }],
        chapters: Vec::new(),
        not_native: None,
    }
}

async fn store(dir: &tempfile::TempDir, items: i64) -> Store {
    let clock: SharedClock = Arc::new(SimClock::new(UtcMs(1_700_000_000_000)));
    let store = Store::open(&OpenStore::new(dir.path().join("data")), &clock).unwrap();
    store.fill(items, probe).await;
    store
}

#[tokio::test]
async fn the_price_says_what_is_copied_what_not_and_what_else_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 100).await;
    let content = Content::of(&store, &Collection::Library, &today())
        .await
        .unwrap();
    let format = content.propose(&FormatWish::default());
    assert_eq!(format, Format::DEFAULT);
    let mut share = content.share(&format);
    assert_eq!(
        (share.percent(), share.copied_items, share.items),
        (40, 40, 100)
    );
    assert_eq!(share.length_ms, 100 * MINUTE);
    let reasons: Vec<_> = share
        .exceptions
        .iter()
        .map(|e| (e.reason.as_str(), e.sum.items, e.sum.length_ms))
        .collect();
    assert_eq!(
        reasons,
        [
            (
                "video: HEVC does not fit a channel of H.264",
                50,
                50 * MINUTE
            ),
            (
                "audio: DTS cannot be copied into a transport stream",
                10,
                10 * MINUTE
            ),
        ]
    );
    let treated = |treatment| share.treatments.get(&treatment).map(|sum| sum.items);
    assert_eq!(treated(Treatment::Audio), Some(10));
    assert_eq!(treated(Treatment::Video), Some(50));
    assert_eq!(treated(Treatment::Both), None);
    content.name_examples(&store, &mut share).await.unwrap();
    let dts = &share.exceptions[1].examples;
    assert_eq!(
        dts,
        &[
            "/media/films/0.mkv",
            "/media/films/10.mkv",
            "/media/films/20.mkv"
        ]
    );
    let other = content.alternatives(&format);
    assert_eq!(other.len(), 1);
    assert_eq!(
        (other[0].format.video, other[0].copied_percent),
        (VideoCodec::Hevc, 50)
    );
    assert!(other[0].drawback.is_some());
    // All that is not copied, in pages.
    let mut named = Vec::new();
    while let page = content
        .not_copied(
            &store,
            &format,
            named.last().map_or(0, |n: &NotCopied| n.item_id),
            7,
        )
        .await
        .unwrap()
        && !page.is_empty()
    {
        named.extend(page);
    }
    assert_eq!(named.len(), 60);
    assert!(
        named
            .windows(2)
            .all(|pair| pair[0].item_id < pair[1].item_id)
    );
    assert_eq!(named[0].treatment, Treatment::Audio);
    store.close().await;
}

#[tokio::test]
async fn ten_thousand_items_are_priced_by_a_few_questions_and_rows_and_no_probe_is_read() {
    const ITEMS: i64 = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, ITEMS).await;
    let everything = store.selection(&Collection::Library, &today()).await;
    let everything = everything.unwrap();
    let rows = store.shapes(&everything, 0, MAX_PAGE).await.unwrap();
    // Three kinds in seven sizes.
    assert_eq!(rows.len(), 21);
    assert_eq!(rows.iter().map(|row| row.items).sum::<u64>(), ITEMS as u64);
    let before = store.questions();
    let content = Content::of(&store, &Collection::Library, &today())
        .await
        .unwrap();
    let mut share = content.share(&Format::DEFAULT);
    content.name_examples(&store, &mut share).await.unwrap();
    content.alternatives(&Format::DEFAULT);
    // One for the shapes, one for the examples of each of two reasons.
    assert_eq!(store.questions() - before, 3);
    assert_eq!((share.items, share.percent()), (ITEMS as u64, 40));
    let before = store.questions();
    let proposals = starter_channels(&store, &FormatWish::default(), &today())
        .await
        .unwrap();
    let names: Vec<_> = proposals.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names.len(), MOST);
    assert_eq!(names[..2], ["Everything", "Films"]);
    assert!(names[2..].iter().all(|name| name.starts_with("Show ")));
    // The shapes of each of twenty, and two to find films and shows.
    assert_eq!(store.questions() - before, 22);
    assert_eq!(proposals[0].items, ITEMS as u64);
    assert_eq!(proposals[1].items, ITEMS as u64 / 2);
    store.close().await;
}

#[tokio::test]
async fn nothing_is_proposed_for_an_empty_library() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 0).await;
    let wish = FormatWish::default();
    assert_eq!(starter_channels(&store, &wish, &today()).await.unwrap(), []);
    let content = Content::of(&store, &Collection::Library, &today())
        .await
        .unwrap();
    assert_eq!(content.share(&Format::DEFAULT).percent(), 100);
    assert_eq!(content.alternatives(&Format::DEFAULT), []);
    store.close().await;
}
