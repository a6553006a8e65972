//! Silence between sound of every codec: on one grid, in frames of the right length, without a word of a
//! decoder.

use super::*;

/// Two seconds each: with sound, without any, with sound that ends early, with sound that begins late.
#[track_caller]
fn check(name: &str, codec: AudioCodec, rate_hz: u32, channels: u8, samples: i64, encoder: &str) {
    let file = |kind: &str, audio: u32, filter: &str| {
        let sound = if audio == 0 { "" } else { encoder };
        let options = format!("-c:v libx264 -bf 2 -g 25 {filter} {sound}");
        let name = format!("silence_{name}_{kind}.mkv");
        Piece::whole(made(&name, "25", audio, 2, options.trim()))
    };
    let pieces = [
        file("whole", rate_hz, ""),
        file("mute", 0, ""),
        file("short", rate_hz, "-af atrim=end=0.7"),
        file("late", rate_hz, "-af atrim=start=1.3"),
        file("mute", 0, ""),
        file("mute", 0, ""),
        file("whole", rate_hz, ""),
    ];
    let format = Format {
        audio: codec,
        audio_rate_hz: rate_hz,
        audio_channels: channels,
        ..H264
    };
    let spliced = splice(&format, &pieces, ORIGIN);
    spliced.obeys_the_law(name);
    let frame = Ticks90k::from_scaled(samples, rate_hz);
    for unit in spliced.of(StreamKind::Audio) {
        let off = (unit.duration - frame).0.abs();
        assert!(off <= 1, "{name}: a frame of {:?}", unit.duration);
    }
    // Three pieces of nothing, and 1.3 s of two.
    let expected = (6 + 2) * 90_000 + 6 * 9_000;
    let filled = spliced.counts.silent_frames as i64 * frame.0;
    assert!(
        (filled - expected).abs() <= 6 * frame.0,
        "{name}: {filled} ticks of silence"
    );
    assert_eq!(spliced.counts.slate_pictures, 0, "{name}");
    // Whether the grid is kept: over all seven pieces sound is where it belongs to the frame.
    let ends = spliced
        .of(StreamKind::Audio)
        .map(|u| u.pts + u.duration)
        .last();
    let off = (ends.unwrap() - spliced.seams[6]).0.abs();
    assert!(off <= frame.0, "{name}: ends {off} ticks off");
    spliced.satisfies_the_judges(&format, &["--max-gap-frames", "1", "--max-drift-ms", "120"]);
}

#[test]
fn silence_of_every_codec_joins_its_sound_without_a_seam() {
    use AudioCodec::{Aac, Ac3, Eac3, Mp2, Mp3};
    check("aac", Aac, 48_000, 2, 1_024, "-c:a aac -ac 2");
    check("aac_44k_mono", Aac, 44_100, 1, 1_024, "-c:a aac -ac 1");
    check("aac_51", Aac, 48_000, 6, 1_024, "-c:a aac -ac 6");
    check("ac3_51", Ac3, 48_000, 6, 1_536, "-c:a ac3 -ac 6");
    check("ac3_44k", Ac3, 44_100, 2, 1_536, "-c:a ac3 -ac 2");
    check("eac3_51", Eac3, 48_000, 6, 1_536, "-c:a eac3 -ac 6");
    check("mp2", Mp2, 48_000, 2, 1_152, "-c:a mp2 -ac 2");
    check("mp2_32k", Mp2, 32_000, 2, 1_152, "-c:a mp2 -ac 2");
    check("mp3", Mp3, 44_100, 2, 1_152, "-c:a libmp3lame -ac 2");
    check("mp3_24k", Mp3, 24_000, 1, 576, "-c:a libmp3lame -ac 1");
}
