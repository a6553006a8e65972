//! What must hold for every Matroska file that we play.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use exstreamd::media::mkv::Mkv;
use exstreamd::media::probe::{Probe, probe};
use exstreamd::media::{AccessUnit, BytesSource, Demuxer, Rap, StreamKind, Ticks90k};

use super::media::{NO_TIME, ffprobe};
use super::mkv::File;
use super::units::{facts, of, open_mkv, open_mkv_bytes, read_all};

/// Every unit is as ffprobe reports it. `header_bytes`: what our audio frames have more than the container's.
/// `audio_within`: ticks that its times of sound may be off by; those of the frames in one block it adds up from
/// whole milliseconds.
#[track_caller]
pub fn check_packets(path: &Path, header_bytes: usize, audio_within: i64) {
    let name = path.file_name().unwrap().to_string_lossy();
    let theirs = ffprobe(path);
    let mut demuxer = open_mkv(path);
    let units = read_all(&mut demuxer);
    assert_eq!(demuxer.damage(), Default::default(), "{name}");
    assert!(
        units.windows(2).all(|w| w[0].dts <= w[1].dts),
        "{name}: units come in order of DTS"
    );
    for (kind, key, extra) in [
        (StreamKind::Video, "video", 0),
        (StreamKind::Audio, "audio", header_bytes),
    ] {
        let ours = of(&units, kind);
        let Some(stream) = theirs.get(key) else {
            assert!(ours.is_empty(), "{name}: no {key}");
            continue;
        };
        assert_eq!(ours.len(), stream.packets.len(), "{name}: {key} units");
        for (n, (unit, packet)) in ours.iter().zip(&stream.packets).enumerate() {
            let what = || {
                format!(
                    "{name}: {key} {n}: {packet:?} is {:?} {:?}",
                    unit.pts, unit.dts
                )
            };
            let apart = (stream.ticks(packet.pts) - unit.pts.0).abs();
            let allowed = if key == "audio" { audio_within } else { 90 };
            assert!(apart < allowed, "{}", what());
            if packet.dts != NO_TIME {
                let apart = (stream.ticks(packet.dts) - unit.dts.0).abs();
                assert!(apart < allowed, "{}", what());
            }
            assert_eq!(unit.data.len(), packet.size + extra, "{}", what());
            assert_eq!(unit.rap != Rap::No, packet.key, "{}", what());
            assert!(unit.dts <= unit.pts, "{}", what());
        }
    }
}

/// Seeks to many places find the last random access point, and what follows is what follows it.
#[track_caller]
pub fn check_seeks(demuxer: &mut Mkv, what: &str) {
    let all = read_all(demuxer);
    let video = of(&all, StreamKind::Video);
    let audio = of(&all, StreamKind::Audio);
    let raps: Vec<_> = video.iter().filter(|unit| unit.rap != Rap::No).collect();
    assert!(raps.len() >= 3, "{what}");
    let last = video.last().unwrap().pts;
    let mut targets: Vec<Ticks90k> = (-2..60)
        .map(|n| Ticks90k(n * 33_333))
        .filter(|target| *target < last + Ticks90k::SECOND)
        .collect();
    targets.extend(
        raps.iter()
            .flat_map(|rap| [rap.pts - Ticks90k(1), rap.pts, rap.pts + Ticks90k(1)]),
    );
    for target in targets {
        let expected = raps
            .iter()
            .rev()
            .find(|rap| rap.pts <= target)
            .unwrap_or(&raps[0]);
        assert_eq!(
            demuxer.seek(target).unwrap(),
            expected.pts,
            "{what}: to {target:?}"
        );
        let rest = read_all(demuxer);
        let from = video
            .iter()
            .position(|unit| unit.pts == expected.pts)
            .unwrap();
        let ours: Vec<_> = of(&rest, StreamKind::Video)
            .into_iter()
            .map(facts)
            .collect();
        let theirs: Vec<_> = video[from..].iter().map(|unit| facts(unit)).collect();
        assert_eq!(ours, theirs, "{what}: pictures from {target:?} on");
        let from = audio
            .iter()
            .position(|unit| unit.pts + unit.duration > expected.pts)
            .unwrap_or(audio.len());
        let ours: Vec<_> = of(&rest, StreamKind::Audio)
            .into_iter()
            .map(facts)
            .collect();
        let theirs: Vec<_> = audio[from..].iter().map(|unit| facts(unit)).collect();
        assert_eq!(ours, theirs, "{what}: sound from {target:?} on");
    }
}

/// Writes `file` where ffprobe can read it.
pub fn on_disk(file: &File, name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, file.bytes()).unwrap();
    (dir, path)
}

/// What the probe says.
pub fn probe_of(file: &File) -> Probe {
    probe(Arc::new(BytesSource::new("test.mkv", file.bytes()))).unwrap()
}

/// Everything in it.
pub fn units_of(file: &File) -> Vec<AccessUnit> {
    read_all(&mut open_mkv_bytes(file.bytes()).unwrap())
}

/// The same units with the same bytes.
#[track_caller]
pub fn check_same(ours: &[AccessUnit], theirs: &[AccessUnit], what: &str) {
    assert!(
        ours.iter().map(facts).eq(theirs.iter().map(facts)),
        "{what}"
    );
    let data = |unit: &AccessUnit| unit.data.clone();
    assert!(ours.iter().map(data).eq(theirs.iter().map(data)), "{what}");
}
