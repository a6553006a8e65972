//! Faults of ffmpeg.

use super::*;

/// An ffmpeg that does what a file beside it says.
pub(super) struct FakeFfmpeg {
    pub(super) dir: tempfile::TempDir,
    pub(super) transcoder: Transcoder,
}

const FAKE: &str = r#"#!/bin/sh
case "$*" in *-version*|*-encoders*) exec REAL "$@";; esac
echo run >> DIR/runs
case "$(cat DIR/mode)" in
  sound) exec REAL "$@";;
  dies) echo 'exploded' >&2; exit 1;;
  dies-amid) REAL "$@" | head -c 400000; kill -9 $$;;
  garbage) exec head -c 3000000 /dev/urandom;;
  zeros) while head -c 65536 /dev/zero; do sleep 0.05; done;;
  hangs) exec sleep 1000;;
esac
"#;

impl FakeFfmpeg {
    pub(super) async fn new(mode: &str) -> Self {
        let spawner = Spawner::start(env!("CARGO_BIN_EXE_exstreamd")).unwrap();
        let real = Ffmpeg::find(&[], &spawner).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("ffmpeg");
        let text = FAKE
            .replace("REAL", real.program().to_str().unwrap())
            .replace("DIR", dir.path().to_str().unwrap());
        std::fs::write(&program, text).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, executable).unwrap();
        std::os::unix::fs::symlink(real.probe_program(), dir.path().join("ffprobe")).unwrap();
        let ffmpeg = Ffmpeg::find_in(&[program], &spawner).await.unwrap();
        let transcoder = Transcoder {
            ffmpeg: Arc::new(ffmpeg),
            spawner,
        };
        let fake = Self { dir, transcoder };
        fake.set(mode);
        fake
    }

    pub(super) fn set(&self, mode: &str) {
        std::fs::write(self.dir.path().join("mode"), mode).unwrap();
    }

    pub(super) fn runs(&self) -> usize {
        let runs = std::fs::read_to_string(self.dir.path().join("runs"));
        runs.map_or(0, |text| text.lines().count())
    }

    /// A channel with a minute that must be transcoded.
    fn tv(&self, start_ms: i64) -> Tv {
        let options = "-c:v mpeg4 -g 50 -c:a aac -ac 2";
        let film = made("faults_mpeg4.mp4", "25", 48_000, 60, options);
        let tv = Tv::new(files(&[film]), BEGIN.plus(start_ms));
        tv.stations.set_transcoder(self.transcoder.clone());
        tv
    }
}

/// Plays with children, which take real time: up to `ms` of it for each 40 ms.
pub(super) async fn play_with_children(tv: &Tv, seconds: u64, ms: u32) {
    for _ in 0..seconds * 25 {
        tv.clock.advance(Duration::from_millis(40));
        tv.settle().await;
        for _ in 0..ms {
            if tv
                .stations
                .status()
                .iter()
                .all(|s| s.lead.round_ms() > 5_900)
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            tv.settle().await;
        }
    }
}

#[tokio::test]
async fn an_ffmpeg_that_fails_in_any_way_costs_slate_and_few_attempts_and_comes_back() {
    async fn fails(mode: &str, most_runs: usize) {
        let fake = FakeFfmpeg::new(mode).await;
        let tv = fake.tv(32_000);
        let (client, _task) = tv.join().await;
        play_with_children(&tv, 22, 3).await;
        assert!(client.len() > 0, "{mode}: nothing");
        let runs = fake.runs();
        assert!((1..=most_runs).contains(&runs), "{mode}: {runs} runs");
        assert!(tv.stations.status()[0].last_failure.is_some(), "{mode}");
        let failed = fake.runs();
        fake.set("sound");
        // At the latest with the next entry, which is opened after 14 s; real time matters from then on.
        for _ in 0..30 {
            if fake.runs() > failed {
                break;
            }
            play_with_children(&tv, 1, 1).await;
        }
        let slate = || tv.stations.status()[0].counts.slate_pictures;
        let mut before = 0;
        for _ in 0..20 {
            if before == std::mem::replace(&mut before, slate()) {
                break;
            }
            play_with_children(&tv, 3, 60).await;
        }
        assert_eq!(before, slate(), "{mode}: the item is not back");
        assert_never_silent(&tv, &client);
        check_broken_off(mode, &client.bytes());
    }
    tokio::join!(
        fails("dies", 7),
        fails("garbage", 6),
        fails("zeros", 7),
        fails("hangs", 7)
    );
}

#[tokio::test]
async fn an_ffmpeg_that_is_killed_in_mid_item_is_started_again_and_its_last_half_picture_is_not_shown()
 {
    let fake = FakeFfmpeg::new("dies-amid").await;
    let tv = fake.tv(2_000);
    let (client, _task) = tv.join().await;
    play_with_children(&tv, 10, 12).await;
    fake.set("sound");
    play_with_children(&tv, 12, 12).await;
    assert_never_silent(&tv, &client);
    check_broken_off("killed", &client.bytes());
    let runs = fake.runs();
    assert!((2..=4).contains(&runs), "{runs} runs");
}

#[tokio::test]
async fn without_an_ffmpeg_what_needs_one_is_slate_and_the_reason_names_the_cure() {
    let options = "-c:v mpeg4 -g 50 -c:a aac -ac 2";
    let film = made("faults_mpeg4.mp4", "25", 48_000, 60, options);
    let tv = Tv::new(files(&[film, sample("h264_b2_25.mp4")]), BEGIN.plus(40_000));
    let (client, _task) = tv.join().await;
    tv.play(26).await;
    assert_never_silent(&tv, &client);
    check_strictly("no-ffmpeg", &client.bytes());
    let status = &tv.stations.status()[0];
    let reason = &status.last_failure.as_ref().unwrap().reason;
    assert!(reason.contains("install"), "{reason}");
    assert!(
        (575..=625).contains(&status.counts.slate_pictures),
        "{status:?}"
    );
}
