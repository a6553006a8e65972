//! Media for tests, made by the real ffmpeg once and kept in `target/test-media`.
//!
//! To add one, add a row to [`RECIPES`]. A row that changes is generated anew.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A test picture of 320x180 at `rate` frames per second, and a tone at `audio` samples per second.
struct Recipe {
    name: &'static str,
    /// Frames per second; empty for no picture.
    rate: &'static str,
    /// Samples per second; 0 for no sound.
    audio: u32,
    /// Seconds of each.
    seconds: u32,
    /// ffmpeg's output options, split at blanks. `@NAME` stands for the path of another sample.
    options: &'static str,
}

const fn recipe(
    name: &'static str,
    rate: &'static str,
    audio: u32,
    seconds: u32,
    options: &'static str,
) -> Recipe {
    Recipe {
        name,
        rate,
        audio,
        seconds,
        options,
    }
}

/// Options that begin with this are those of mkvmerge.
const MKVMERGE: &str = "mkvmerge";

/// One row per sample. `-bf N` is the number of B-frames, `-g N` the distance of key frames.
const RECIPES: &[Recipe] = &[
    // MP4 and QuickTime: H.264.
    recipe(
        "h264_b0_25.mp4",
        "25",
        48_000,
        8,
        "-c:v libx264 -bf 0 -g 50 -c:a aac -ac 2",
    ),
    recipe(
        "h264_b2_25.mp4",
        "25",
        48_000,
        8,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2 -movflags +faststart",
    ),
    recipe(
        "h264_b3_pyramid_2997.mp4",
        "30000/1001",
        48_000,
        8,
        "-c:v libx264 -bf 3 -g 60 -x264-params b-pyramid=normal -c:a aac -ac 2",
    ),
    recipe(
        "h264_b3_23976.mp4",
        "24000/1001",
        44_100,
        8,
        "-c:v libx264 -bf 3 -g 48 -c:a aac -ac 2",
    ),
    recipe(
        "h264_30_mono.mp4",
        "30",
        44_100,
        6,
        "-c:v libx264 -bf 2 -g 60 -c:a aac -ac 1",
    ),
    recipe(
        "h264_51.mp4",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 6",
    ),
    recipe(
        "h264_open_gop.mp4",
        "25",
        48_000,
        8,
        "-c:v libx264 -bf 3 -g 50 -x264-params open-gop=1:keyint=50:min-keyint=50 -c:a aac -ac 2",
    ),
    recipe(
        "h264_negative_ctts.mp4",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2 -movflags +negative_cts_offsets",
    ),
    recipe(
        "h264_no_edits.mp4",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2 -use_editlist 0",
    ),
    recipe(
        "h264_negative_ctts_no_edits.mp4",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2 -use_editlist 0 -movflags +negative_cts_offsets",
    ),
    recipe(
        "h264_late_video.mp4",
        "25",
        48_000,
        6,
        "-i @h264_b2_25.mp4 -itsoffset 0.5 -i @h264_b2_25.mp4 -map 0:a -map 1:v -c copy",
    ),
    recipe(
        "h264_late_audio.mp4",
        "25",
        48_000,
        6,
        "-i @h264_b2_25.mp4 -itsoffset 0.33 -i @h264_b2_25.mp4 -map 0:v -map 1:a -c copy",
    ),
    recipe(
        "h264_ac3.mp4",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a ac3 -ac 6",
    ),
    recipe(
        "h264_eac3.mp4",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a eac3 -ac 6",
    ),
    recipe(
        "h264_mp3.mp4",
        "25",
        44_100,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a libmp3lame -ac 2",
    ),
    recipe(
        "h264_mp2.mp4",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a mp2 -ac 2",
    ),
    recipe(
        "h264_b2_25.mov",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2",
    ),
    recipe(
        "h264_pcm.mov",
        "25",
        48_000,
        4,
        "-c:v libx264 -bf 2 -g 50 -c:a pcm_s16le -ac 2",
    ),
    recipe(
        "h264_vfr.mp4",
        "30",
        48_000,
        8,
        "-vf select='not(eq(mod(n,7),3))' -vsync vfr -c:v libx264 -bf 2 -g 60 -c:a aac -ac 2",
    ),
    recipe(
        "h264_long_gop.mp4",
        "25",
        48_000,
        100,
        "-c:v libx264 -bf 2 -g 250 -c:a aac -ac 2",
    ),
    recipe("h264_only.mp4", "25", 0, 6, "-c:v libx264 -bf 2 -g 50"),
    recipe("aac_only.m4a", "", 48_000, 6, "-c:a aac -ac 2"),
    recipe(
        "h264_fragmented.mp4",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2 -movflags +frag_keyframe+empty_moov",
    ),
    // Fragmented.
    recipe(
        "frag_base_moof.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +frag_keyframe+empty_moov+default_base_moof",
    ),
    recipe(
        "frag_hybrid.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +frag_keyframe",
    ),
    recipe(
        "frag_every_frame.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +frag_every_frame+delay_moov",
    ),
    recipe(
        "frag_duration.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +empty_moov -frag_duration 700000",
    ),
    recipe(
        "frag_sidx.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +frag_keyframe+delay_moov+default_base_moof+global_sidx",
    ),
    recipe(
        "frag_dash.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +dash+delay_moov+frag_keyframe",
    ),
    recipe(
        "frag_delay_moov.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +frag_keyframe+delay_moov",
    ),
    recipe(
        "frag_negative_ctts.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +frag_keyframe+delay_moov+negative_cts_offsets",
    ),
    recipe(
        "frag_separate.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +frag_keyframe+empty_moov+separate_moof",
    ),
    recipe(
        "frag_omit_offset.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +frag_keyframe+empty_moov+omit_tfhd_offset",
    ),
    recipe(
        "frag_isml.mp4",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mp4 -c copy -movflags +frag_keyframe+isml",
    ),
    recipe(
        "frag_hevc_ac3.mp4",
        "25",
        48_000,
        6,
        "-i @hevc_ac3.mp4 -c copy -movflags +frag_keyframe+delay_moov",
    ),
    recipe(
        "frag_23976.mp4",
        "24000/1001",
        44_100,
        8,
        "-i @h264_b3_23976.mp4 -c copy -movflags +dash+delay_moov -frag_duration 500000",
    ),
    recipe(
        "frag_aac_only.m4a",
        "",
        48_000,
        6,
        "-i @aac_only.m4a -c copy -movflags +dash+global_sidx",
    ),
    recipe(
        "h264_cut.mp4",
        "25",
        48_000,
        6,
        "-ss 1.3 -i @h264_b2_25.mp4 -c copy",
    ),
    recipe(
        "h264_rotated.mp4",
        "25",
        48_000,
        4,
        "-i @h264_b2_25.mp4 -t 4 -c copy -metadata:s:v rotate=90",
    ),
    recipe(
        "h264_cenc.mp4",
        "25",
        48_000,
        4,
        "-i @h264_b2_25.mp4 -t 4 -c copy -encryption_scheme cenc-aes-ctr \
         -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8",
    ),
    recipe(
        "h264_fields.mp4",
        "25",
        48_000,
        4,
        "-c:v libx264 -bf 2 -g 50 -flags +ildct+ilme -x264-params tff=1 -c:a aac -ac 2",
    ),
    recipe(
        "h264_one_gop.mp4",
        "25",
        48_000,
        6,
        "-vf scale=640:360,noise=alls=100:allf=t -c:v libx264 -preset ultrafast -qp 8 -g 9999 -c:a aac -ac 2",
    ),
    // MP4: other pictures.
    recipe(
        "hevc_ac3.mp4",
        "25",
        48_000,
        6,
        "-c:v libx265 -x265-params log-level=error:keyint=50:bframes=3 -tag:v hvc1 -c:a ac3 -ac 2",
    ),
    recipe(
        "hevc_hev1_eac3.mp4",
        "25",
        48_000,
        6,
        "-c:v libx265 -x265-params log-level=error:keyint=50:bframes=3:open-gop=0 -tag:v hev1 -c:a eac3 -ac 2",
    ),
    recipe(
        "mpeg2_mp2.mp4",
        "25",
        48_000,
        6,
        "-c:v mpeg2video -bf 2 -g 12 -b:v 1M -c:a mp2 -ac 2",
    ),
    recipe(
        "mpeg4_aac.mp4",
        "25",
        48_000,
        4,
        "-c:v mpeg4 -g 50 -c:a aac -ac 2",
    ),
    // Matroska.
    recipe(
        "h264_b2_25.mkv",
        "25",
        48_000,
        8,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2",
    ),
    recipe(
        "h264_b3_23976.mkv",
        "24000/1001",
        44_100,
        8,
        "-c:v libx264 -bf 3 -g 48 -x264-params b-pyramid=normal -c:a aac -ac 2",
    ),
    recipe(
        "h264_mp3.mkv",
        "25",
        44_100,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a libmp3lame -ac 2",
    ),
    recipe(
        "hevc_ac3.mkv",
        "25",
        48_000,
        6,
        "-c:v libx265 -x265-params log-level=error:keyint=50:bframes=3 -c:a ac3 -ac 6",
    ),
    recipe(
        "hevc_eac3.mkv",
        "30000/1001",
        48_000,
        6,
        "-c:v libx265 -x265-params log-level=error:keyint=50:bframes=3 -c:a eac3 -ac 2",
    ),
    recipe(
        "mpeg2_mp2.mkv",
        "25",
        48_000,
        6,
        "-c:v mpeg2video -bf 2 -g 12 -b:v 1M -c:a mp2 -ac 2",
    ),
    recipe(
        "h264_b0.mkv",
        "30",
        48_000,
        6,
        "-c:v libx264 -bf 0 -g 60 -c:a ac3 -ac 2",
    ),
    recipe(
        "h264_open_gop.mkv",
        "25",
        48_000,
        8,
        "-c:v libx264 -bf 3 -g 50 -x264-params open-gop=1:keyint=50:min-keyint=50 -c:a aac -ac 2",
    ),
    recipe(
        "h264_2997.mkv",
        "30000/1001",
        48_000,
        30,
        "-c:v libx264 -bf 3 -g 60 -x264-params b-pyramid=normal -c:a aac -ac 2 -cluster_time_limit 700",
    ),
    recipe(
        "h264_cues_first.mkv",
        "25",
        48_000,
        12,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2 -reserve_index_space 4096",
    ),
    recipe(
        "h264_live.mkv",
        "25",
        48_000,
        12,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2 -f matroska -live 1",
    ),
    recipe("h264_only.mkv", "25", 0, 6, "-c:v libx264 -bf 2 -g 50"),
    recipe("ac3_only.mka", "", 48_000, 20, "-c:a ac3 -ac 2"),
    recipe(
        "h264_late_audio.mkv",
        "25",
        48_000,
        6,
        "-i @h264_b2_25.mkv -itsoffset 0.33 -i @h264_b2_25.mkv -map 0:v -map 1:a -c copy",
    ),
    recipe(
        "h264_dts.mkv",
        "25",
        48_000,
        3,
        "-c:v libx264 -bf 2 -g 50 -c:a dca -strict -2 -ac 2",
    ),
    recipe("tone.mp2", "", 48_000, 4, "-c:a mp2 -ac 2"),
    recipe(
        "vp9_opus.webm",
        "25",
        48_000,
        2,
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus -ac 2",
    ),
    // Matroska as mkvmerge writes it.
    recipe("merged.mkv", "", 0, 0, "mkvmerge @h264_2997.mkv"),
    recipe(
        "merged_xiph.mkv",
        "",
        0,
        0,
        "mkvmerge --engage lacing_xiph @h264_b0.mkv",
    ),
    recipe(
        "merged_ebml.mkv",
        "",
        0,
        0,
        "mkvmerge --engage lacing_ebml @h264_mp3.mkv",
    ),
    recipe("merged_laced_mp2.mkv", "", 0, 0, "mkvmerge @mpeg2_mp2.mkv"),
    recipe(
        "merged_laced_eac3.mkv",
        "",
        0,
        0,
        "mkvmerge --engage lacing_ebml @hevc_eac3.mkv",
    ),
    recipe(
        "merged_groups.mkv",
        "",
        0,
        0,
        "mkvmerge --engage no_simpleblocks --enable-durations @h264_open_gop.mkv",
    ),
    recipe(
        "merged_zlib.mkv",
        "",
        0,
        0,
        "mkvmerge --compression 0:zlib --compression 1:none @h264_b2_25.mkv",
    ),
    recipe(
        "merged_no_cues.mkv",
        "",
        0,
        0,
        "mkvmerge --no-cues --cluster-length 700ms @h264_2997.mkv",
    ),
    recipe(
        "merged_meta_seek.mkv",
        "",
        0,
        0,
        "mkvmerge --clusters-in-meta-seek --cluster-length 100ms --engage write_headers_twice @h264_b2_25.mkv",
    ),
    recipe(
        "merged_no_seek_head.mkv",
        "",
        0,
        0,
        "mkvmerge --engage no_meta_seek @h264_b3_23976.mkv",
    ),
    recipe(
        "merged_cues_of_clusters.mkv",
        "",
        0,
        0,
        "mkvmerge --engage no_cue_relative_position --engage no_cue_duration @h264_2997.mkv",
    ),
    recipe(
        "merged_cues_of_all.mkv",
        "",
        0,
        0,
        "mkvmerge --cues 0:all --cues 1:all @h264_b2_25.mkv",
    ),
    recipe(
        "merged_tenths.mkv",
        "",
        0,
        0,
        "mkvmerge --timestamp-scale 100000 --cluster-length 1000ms @h264_b3_23976.mkv",
    ),
    recipe(
        "merged_micros.mkv",
        "",
        0,
        0,
        "mkvmerge --timestamp-scale 1000 @h264_2997.mkv",
    ),
    recipe(
        "merged_from_mp4.mkv",
        "",
        0,
        0,
        "mkvmerge @h264_b3_pyramid_2997.mp4",
    ),
    recipe("merged_from_ts.mkv", "", 0, 0, "mkvmerge @hevc_eac3.ts"),
    // Transport streams.
    recipe(
        "h264_aac.ts",
        "25",
        48_000,
        8,
        "-c:v libx264 -bf 2 -g 50 -c:a aac -ac 2",
    ),
    recipe(
        "h264_ac3.ts",
        "30000/1001",
        48_000,
        8,
        "-c:v libx264 -bf 3 -g 60 -c:a ac3 -ac 6",
    ),
    recipe(
        "hevc_eac3.ts",
        "25",
        48_000,
        6,
        "-c:v libx265 -x265-params log-level=error:keyint=50:bframes=3 -c:a eac3 -ac 2",
    ),
    recipe(
        "mpeg2_mp2.ts",
        "25",
        48_000,
        8,
        "-c:v mpeg2video -bf 2 -g 12 -b:v 1M -c:a mp2 -ac 2",
    ),
    recipe(
        "h264_mp3.ts",
        "25",
        44_100,
        6,
        "-c:v libx264 -bf 0 -g 50 -c:a libmp3lame -ac 2",
    ),
    recipe(
        "h264_aac.m2ts",
        "25",
        48_000,
        6,
        "-c:v libx264 -bf 2 -g 50 -c:a ac3 -ac 2 -mpegts_m2ts_mode 1 -f mpegts",
    ),
    // A few KB each, where thousands of damaged copies are read.
    recipe(
        "tiny_h264_aac.mp4",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v libx264 -bf 2 -g 10 -c:a aac -b:a 32k",
    ),
    recipe(
        "tiny_h264_aac_fragmented.mp4",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v libx264 -bf 2 -g 10 -c:a aac -b:a 32k -movflags +frag_keyframe+empty_moov+default_base_moof",
    ),
    recipe(
        "tiny_hevc_ac3.mp4",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v libx265 -x265-params log-level=error:keyint=10 -tag:v hvc1 -c:a ac3 -b:a 64k",
    ),
    recipe(
        "tiny_mpeg2_mp2.mov",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v mpeg2video -g 10 -c:a mp2 -b:a 64k -f mov",
    ),
    recipe(
        "tiny_h264_aac.mkv",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v libx264 -bf 2 -g 10 -c:a aac -b:a 32k",
    ),
    recipe(
        "tiny_hevc_ac3.mkv",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v libx265 -x265-params log-level=error:keyint=10 -c:a ac3 -b:a 64k -live 1",
    ),
    recipe(
        "tiny_mpeg2_mp3.mkv",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v mpeg2video -bf 2 -g 10 -c:a libmp3lame -b:a 64k -cluster_time_limit 300",
    ),
    recipe(
        "tiny_h264_aac.ts",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v libx264 -bf 2 -g 10 -c:a aac -b:a 32k",
    ),
    recipe(
        "tiny_hevc_eac3.ts",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v libx265 -x265-params log-level=error:keyint=10 -c:a eac3 -b:a 64k",
    ),
    recipe(
        "tiny_mpeg2_mp2.m2ts",
        "25",
        48_000,
        1,
        "-vf scale=64:36 -c:v mpeg2video -bf 2 -g 10 -c:a mp2 -b:a 64k -mpegts_m2ts_mode 1 -f mpegts",
    ),
    // For ffmpeg alone.
    recipe(
        "mpeg4_mp3.avi",
        "25",
        48_000,
        6,
        "-c:v mpeg4 -g 50 -c:a libmp3lame -ac 2",
    ),
    recipe(
        "mpeg4_b2_2997.avi",
        "30000/1001",
        44_100,
        8,
        "-c:v mpeg4 -bf 2 -g 50 -c:a libmp3lame -ac 2",
    ),
    recipe(
        "mpeg4_odd.mkv",
        "25",
        48_000,
        4,
        "-vf scale=319:179 -c:v mpeg4 -g 50 -c:a flac -ac 2",
    ),
    recipe(
        "mpeg2_ac3.mpg",
        "25",
        48_000,
        8,
        "-c:v mpeg2video -bf 2 -g 12 -b:v 1M -c:a ac3 -ac 2 -f vob",
    ),
    recipe("mpeg4_only.avi", "25", 0, 6, "-c:v mpeg4 -bf 2 -g 50"),
    // The first picture is shown at 100 s.
    recipe(
        "h264_from_100.mkv",
        "25",
        48_000,
        8,
        "-i @h264_b2_25.mkv -c copy -output_ts_offset 100 -avoid_negative_ts disabled",
    ),
    // Time stamps pass 2^33 after some two seconds.
    recipe(
        "h264_wrap.ts",
        "25",
        48_000,
        8,
        "-i @h264_aac.ts -c copy -output_ts_offset 95440",
    ),
];

/// The path of a sample; generates it when it is not there yet.
///
/// Safe in parallel: a lock file per sample, and the file appears under its name only when it is whole.
pub fn sample(name: &str) -> PathBuf {
    let recipe = RECIPES
        .iter()
        .find(|r| r.name == name)
        .unwrap_or_else(|| panic!("no recipe for the sample {name}"));
    made(
        name,
        recipe.rate,
        recipe.audio,
        recipe.seconds,
        recipe.options,
    )
}

/// The names of all samples that end so; those that need an absent mkvmerge are left out.
pub fn names(ending: &str) -> Vec<&'static str> {
    let merges = super::clients::have(MKVMERGE);
    RECIPES
        .iter()
        .filter(|recipe| merges || !recipe.options.starts_with(MKVMERGE))
        .map(|recipe| recipe.name)
        .filter(|name| name.ends_with(ending))
        .collect()
}

/// The same for a sample that a test describes itself, for tables that are products of their columns.
/// The arguments are the columns of [`RECIPES`].
pub fn made(name: &str, rate: &str, audio: u32, seconds: u32, options: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target directory")
        .join("test-media");
    fs::create_dir_all(&dir).expect("creating the directory for samples");
    let path = dir.join(name);
    let made_by = dir.join(format!("{name}.recipe"));
    // Dependencies first, outside the lock; what they are made of is part of the key.
    let mut key = format!("{rate} {audio} {seconds} {options}");
    let mut arguments = if options.contains('@') {
        Vec::new()
    } else {
        sources(rate, audio, seconds)
    };
    for word in options.split_whitespace() {
        let Some(other) = word.strip_prefix('@') else {
            arguments.push(word.to_owned());
            continue;
        };
        if RECIPES.iter().any(|r| r.name == other) {
            sample(other);
        }
        let recipe = fs::read_to_string(dir.join(format!("{other}.recipe")))
            .expect("the other sample's recipe");
        key = format!("{key} @ {recipe}");
        arguments.push(dir.join(other).display().to_string());
    }
    let is_made = || path.exists() && fs::read_to_string(&made_by).is_ok_and(|k| k == key);
    if is_made() {
        return path;
    }
    let lock = File::create(dir.join(format!("{name}.lock"))).expect("creating the lock file");
    lock.lock().expect("locking the sample");
    if !is_made() {
        let part = dir.join(format!("part-{}-{name}", std::process::id()));
        generate(&arguments, &part);
        fs::rename(&part, &path).expect("renaming the sample");
        fs::write(&made_by, key).expect("writing the recipe");
    }
    path
}

/// The test picture and the tone.
fn sources(rate: &str, audio: u32, seconds: u32) -> Vec<String> {
    let mut sources = Vec::new();
    if !rate.is_empty() {
        sources.push(format!(
            "testsrc2=size=320x180:rate={rate}:duration={seconds}"
        ));
    }
    if audio > 0 {
        sources.push(format!(
            "sine=frequency=440:sample_rate={audio}:duration={seconds}"
        ));
    }
    let mut arguments: Vec<String> = sources
        .into_iter()
        .flat_map(|s| ["-f".into(), "lavfi".into(), "-i".into(), s])
        .collect();
    let quick = "-preset veryfast -pix_fmt yuv420p -threads 1";
    arguments.extend(quick.split(' ').map(str::to_owned));
    arguments
}

fn generate(arguments: &[String], path: &Path) {
    if let Some((MKVMERGE, arguments)) = arguments
        .split_first()
        .map(|(first, rest)| (first.as_str(), rest))
    {
        let output = Command::new(MKVMERGE)
            .args(["--quiet", "--output"])
            .arg(path)
            .args(arguments)
            .output()
            .expect("starting mkvmerge");
        // 1 means warnings.
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "mkvmerge could not make {}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stdout)
        );
        return;
    }
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(arguments)
        .arg(path)
        .status()
        .expect("starting ffmpeg");
    assert!(status.success(), "ffmpeg could not make {}", path.display());
}

/// In place of a time that ffprobe does not know (the first decoding times of Matroska).
pub const NO_TIME: i64 = i64::MIN;

/// One packet as ffprobe reports it, in units of the stream's time base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Presentation time.
    pub pts: i64,
    /// Decoding time, or [`NO_TIME`].
    pub dts: i64,
    /// Bytes in the container.
    pub size: usize,
    /// The container's key flag.
    pub key: bool,
    /// Outside of the edit list: decoded at most, never shown.
    pub discard: bool,
}

/// A stream as ffprobe reports it.
#[derive(Clone, Debug, Default)]
pub struct ProbedStream {
    /// Numerator of the time base.
    pub time_base_num: i64,
    /// Denominator of the time base.
    pub time_base_den: i64,
    /// ffprobe's whole answer about the stream.
    pub facts: Value,
    /// Every packet in file order of the stream.
    pub packets: Vec<Packet>,
}

impl ProbedStream {
    /// A time of this stream in 90 kHz ticks, rounded to the nearest.
    pub fn ticks(&self, time: i64) -> i64 {
        let scaled = i128::from(time) * i128::from(self.time_base_num) * 180_000
            + i128::from(self.time_base_den);
        scaled.div_euclid(2 * i128::from(self.time_base_den)) as i64
    }
}

/// What ffprobe says about a file: the first video and the first audio stream with all packets.
pub fn ffprobe(path: &Path) -> BTreeMap<&'static str, ProbedStream> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_streams",
            "-show_packets",
        ])
        .arg(path)
        .output()
        .expect("starting ffprobe");
    assert!(output.status.success(), "ffprobe {}", path.display());
    let answer: Value = serde_json::from_slice(&output.stdout).expect("ffprobe writes JSON");
    let mut streams = BTreeMap::new();
    for kind in ["video", "audio"] {
        let Some(facts) = answer["streams"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|s| s["codec_type"] == kind)
        else {
            continue;
        };
        let (num, den) = facts["time_base"]
            .as_str()
            .and_then(|t| t.split_once('/'))
            .expect("a time base");
        let number = |v: &Value| {
            v.as_i64()
                .or_else(|| v.as_str().and_then(|s| s.parse().ok()))
        };
        let packets = answer["packets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|p| p["stream_index"] == facts["index"])
            .map(|p| {
                let flags = p["flags"].as_str().unwrap_or_default();
                Packet {
                    pts: number(&p["pts"]).expect("a pts"),
                    dts: number(&p["dts"]).unwrap_or(NO_TIME),
                    size: number(&p["size"]).unwrap_or(0) as usize,
                    key: flags.contains('K'),
                    discard: flags.contains('D'),
                }
            })
            .collect();
        streams.insert(
            kind,
            ProbedStream {
                time_base_num: num.parse().expect("a number"),
                time_base_den: den.parse().expect("a number"),
                facts: facts.clone(),
                packets,
            },
        );
    }
    streams
}

#[test]
fn every_sample_has_one_recipe() {
    let mut names: Vec<_> = RECIPES.iter().map(|r| r.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RECIPES.len());
}
