//! The command line of an ffmpeg that encodes part of an item.
//!
//! How time survives (`tests/transcode.rs` proves it for MP4, Matroska, MPEG-TS and AVI): `-copyts` keeps the source's time
//! stamps; the place to start is a time stamp of the source (`-seek_timestamp`), because the usual form
//! counts from the earliest stamp of any stream, which only libavformat knows; ffmpeg's own trimming is off
//! (`-noaccurate_seek`: it adds that earliest stamp regardless) and filters cut instead, by time stamp and
//! to the picture; the encoder counts in 1/90,000 s, not in pictures. Everything is moved up by
//! [`OUTPUT_OFFSET`] so that nothing is below zero.

use std::ffi::OsString;

use super::Job;
use super::presets;
use crate::error::Result;
use crate::ffmpeg::{Version, input};
use crate::media::probe::{Container, VideoProbe};
use crate::media::{CopyClass, Format, Ticks90k, VideoCodec};

/// PTS of the output minus item time.
pub const OUTPUT_OFFSET: Ticks90k = Ticks90k(10 * 90_000);

/// `-fps_mode` took the place of `-vsync`.
const FPS_MODE_SINCE: Version = Version { major: 5, minor: 1 };

/// Where a container has no index, ffmpeg lands near a time and not on a random access point: it has to
/// start a group of pictures earlier. Assumed where the probe does not know the longest.
const GOP_UNKNOWN: Ticks90k = Ticks90k(10 * 90_000);
/// How much earlier than needed sound is read where it is encoded alone.
const SOUND_LEADS_IN: Ticks90k = Ticks90k::SECOND;
const GOP_LONGEST: Ticks90k = Ticks90k(20 * 90_000);

/// What of a job is encoded, the rest is copied.
fn parts(job: &Job) -> (bool, bool) {
    match job.class {
        CopyClass::Copy => (false, false),
        CopyClass::Transcode { video, audio, .. } => (video, audio),
    }
}

/// The encoders that `job` needs.
pub fn encoders(job: &Job) -> Vec<&'static str> {
    if job.sound_only {
        return vec![presets::audio_encoder(job.format.audio)];
    }
    let (video, audio) = parts(job);
    let silent = job.probe.audio.is_empty();
    let picture = video.then(|| presets::video_encoder(job.format.video));
    let sound = (audio || silent).then(|| presets::audio_encoder(job.format.audio));
    picture.into_iter().chain(sound).collect()
}

/// The arguments for `job`, to be understood by an ffmpeg of `version`.
pub fn arguments(job: &Job, version: Version) -> Result<Vec<OsString>> {
    if job.to <= job.from {
        crate::bail!(
            Internal,
            "transcoding {}: it ends before it begins",
            job.path.display()
        );
    }
    if job.sound_only {
        return sound_arguments(job);
    }
    let Some(video) = &job.probe.video else {
        crate::bail!(Unsupported, "{} has no picture", job.path.display());
    };
    let (encode_video, encode_audio) = parts(job);
    // MPEG-2 counts in pictures, so its time begins with the job and is moved by the muxer.
    let base = if encode_video && job.format.video == VideoCodec::Mpeg2 {
        job.from
    } else {
        Ticks90k::ZERO
    };
    let span = (job.from - base, job.to - base);
    let mut out = Arguments::reading(place_to_start(job));
    if base != Ticks90k::ZERO {
        out.push(&["-itsoffset", &seconds(-base)]);
    }
    out.push(&["-i"]);
    out.0.push(input::file_url(&job.path)?);
    let silent = job.probe.audio.is_empty();
    if silent {
        out.push(&["-filter_complex", &silence(job, span.0)]);
    }
    out.push(&[
        "-map",
        "0:V:0",
        "-map",
        if silent { "[silence]" } else { "0:a:0?" },
    ]);
    if encode_video {
        out.push(&["-filter:v", &picture_filter(span, &job.format, video)]);
        // Pictures keep their own times; MPEG-2's are rounded to its grid.
        let (mode, exact) = if base == Ticks90k::ZERO && job.format.video != VideoCodec::Mpeg2 {
            ("passthrough", true)
        } else {
            ("vfr", false)
        };
        let option = if version >= FPS_MODE_SINCE {
            "-fps_mode"
        } else {
            "-vsync"
        };
        out.push(&[option, mode]);
        if exact {
            out.push(&["-enc_time_base:v", "1:90000"]);
        }
        out.strings(presets::video_options(
            job.format.video,
            &as_made(&job.format, video),
        ));
    } else {
        let filters = match video.codec {
            Some(VideoCodec::H264) => "h264_mp4toannexb,dump_extra",
            Some(VideoCodec::Hevc) => "hevc_mp4toannexb,dump_extra",
            Some(VideoCodec::Mpeg2) => "dump_extra",
            None => crate::bail!(
                Unsupported,
                "{} cannot be copied into a transport stream",
                video.name
            ),
        };
        out.push(&["-c:v", "copy", "-bsf:v", filters]);
    }
    if silent {
        out.strings(presets::audio_options(&job.format)?);
    } else if encode_audio {
        out.push(&["-filter:a", &format!("a{}", trim(span))]);
        out.strings(presets::audio_options(&job.format)?);
    } else {
        out.push(&["-c:a", "copy"]);
    }
    if !encode_video || !(encode_audio || silent) {
        // Copied streams end by decoding time, which is before the time of display: one second more.
        out.push(&["-to", &seconds(span.1 + Ticks90k::SECOND)]);
    }
    // Sound that begins late or stops early must not hold the picture back.
    out.push(&[
        "-max_muxing_queue_size",
        "4096",
        "-max_interleave_delta",
        "1000000",
    ]);
    Ok(out.writing(OUTPUT_OFFSET + base))
}

/// The sound of `job` alone. Decoders of most codecs need what comes before their first right sample, so
/// it is read from a little earlier and cut by time.
fn sound_arguments(job: &Job) -> Result<Vec<OsString>> {
    let place = place_to_start(job).map(|place| place - SOUND_LEADS_IN);
    let mut out = Arguments::reading(place.filter(|&place| place > job.probe.start));
    out.push(&["-vn", "-i"]);
    out.0.push(input::file_url(&job.path)?);
    let filter = format!("a{}", trim((job.from, job.to)));
    out.push(&["-map", "0:a:0", "-filter:a", &filter]);
    out.strings(presets::audio_options(&job.format)?);
    Ok(out.writing(OUTPUT_OFFSET))
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    /// The beginning of every command line, up to the options of the input: from `place` on.
    fn reading(place: Option<Ticks90k>) -> Self {
        let mut out = Self::default();
        out.push(&[
            "-hide_banner",
            "-nostdin",
            "-nostats",
            "-loglevel",
            "level+warning",
            "-copyts",
        ]);
        out.0.extend(input::safe_options());
        out.push(&["-err_detect", "ignore_err"]);
        if let Some(place) = place {
            out.push(&[
                "-seek_timestamp",
                "1",
                "-noaccurate_seek",
                "-ss",
                &just_behind(place),
            ]);
        }
        out
    }

    /// The end of every command line: a transport stream whose times are moved by `offset`.
    fn writing(mut self, offset: Ticks90k) -> Vec<OsString> {
        self.push(&["-map_metadata", "-1", "-map_chapters", "-1"]);
        self.push(&["-output_ts_offset", &seconds(offset)]);
        self.push(&[
            "-muxdelay",
            "0",
            "-muxpreload",
            "0",
            "-avoid_negative_ts",
            "disabled",
        ]);
        self.push(&["-f", "mpegts", "pipe:1"]);
        self.0
    }

    fn push(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn strings(&mut self, words: Vec<String>) {
        self.0.extend(words.into_iter().map(OsString::from));
    }
}

/// Where to start reading; `None` for the beginning of the file.
fn place_to_start(job: &Job) -> Option<Ticks90k> {
    let longest = job
        .probe
        .video
        .as_ref()
        .map_or(Ticks90k::ZERO, |video| video.longest_rap_interval);
    let earlier = match job.probe.container {
        // These have an index.
        Container::Mp4 | Container::Matroska => Ticks90k::ZERO,
        Container::MpegTs | Container::Other
            if longest > Ticks90k::ZERO && longest < GOP_LONGEST =>
        {
            longest + Ticks90k::SECOND
        }
        Container::MpegTs | Container::Other => GOP_UNKNOWN,
    };
    let place = job.from - earlier;
    (place > job.probe.start).then_some(place)
}

/// Seconds with microseconds, never below the tick: 1 tick is 11.1 µs.
fn seconds(ticks: Ticks90k) -> String {
    let micros = (i128::from(ticks.0) * 100).div_euclid(9) + i128::from(ticks.0 % 9 != 0);
    seconds_of(micros)
}

fn seconds_of(micros: i128) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Half a tick behind a moment, in seconds: a random access point there may have been rounded down.
fn just_behind(ticks: Ticks90k) -> String {
    seconds_of((i128::from(ticks.0) * 200 + 100).div_euclid(18) + 1)
}

/// Keeps what begins from the first moment on and before the second. Half a tick early: time stamps in
/// finer or odd units may have been rounded up to the tick.
fn trim((from, to): (Ticks90k, Ticks90k)) -> String {
    let micros = |ticks: Ticks90k| (i128::from(ticks.0) * 200 - 100).div_euclid(18);
    format!("trim=start={}us:end={}us", micros(from), micros(to))
}

/// From the pictures of the source to those of the channel.
fn picture_filter(span: (Ticks90k, Ticks90k), format: &Format, video: &VideoProbe) -> String {
    let mut chain = vec![trim(span)];
    if video.interlaced {
        // Combed pictures would be encoded as they are. Pictures that are no fields pass through.
        chain.push("yadif=deint=interlaced".to_owned());
    }
    if let Some(rate) = format.rate.filter(|rate| !rate.is_of(video.frame_duration)) {
        // The grid of pictures begins where the job does.
        let from = span.0.0;
        if from != 0 {
            chain.push(format!("setpts=PTS-{from}/90000/TB"));
        }
        chain.push(format!("fps={}:start_time=0", rate.fraction()));
        chain.push("settb=1/90000".to_owned());
        if from != 0 {
            chain.push(format!("setpts=PTS+{from}"));
        }
    }
    let (width, height) = (video.width, video.height);
    match format.size {
        Some(size) if (size.width(), size.height()) != (width, height) => {
            let (w, h) = (size.width(), size.height());
            // Square samples first, so that the shape of the picture is kept.
            chain.push(format!(
                "scale=trunc(iw*sar/2)*2:ih,setsar=1,\
                 scale={w}:{h}:force_original_aspect_ratio=decrease:force_divisible_by=2,\
                 pad={w}:{h}:(ow-iw)/2:(oh-ih)/2"
            ));
        }
        // 4:2:0 pictures have even sizes.
        _ if !(width.is_multiple_of(2) && height.is_multiple_of(2)) => {
            chain.push("crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0".to_owned());
        }
        _ => {}
    }
    chain.join(",")
}

/// The pictures that the encoder gets.
fn as_made(format: &Format, video: &VideoProbe) -> VideoProbe {
    let mut made = video.clone();
    if let Some(size) = format.size {
        (made.width, made.height) = (size.width(), size.height());
    }
    if let Some(rate) = format.rate {
        made.frame_duration = rate.frame_duration();
    }
    made
}

/// As much silence as the job is long, from its first moment on.
fn silence(job: &Job, from: Ticks90k) -> String {
    let (rate, channels) = (job.format.audio_rate_hz, job.format.audio_channels);
    let samples = i128::from((job.to - job.from).0) * i128::from(rate) / 90_000;
    let first = i128::from(from.0) * i128::from(rate) / 90_000;
    format!(
        "anullsrc=r={rate}:cl={},atrim=end_sample={samples},asetpts=PTS+{first}[silence]",
        layout(channels)
    )
}

/// libavutil's names of the usual layouts.
fn layout(channels: u8) -> &'static str {
    match channels {
        0 | 1 => "mono",
        2 => "stereo",
        3 => "2.1",
        4 => "4.0",
        5 => "5.0",
        6 => "5.1",
        7 => "6.1",
        _ => "7.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::probe::AudioProbe;
    use crate::media::{AudioCodec, PictureRate, PictureSize, Probe};

    const NEW: Version = Version { major: 5, minor: 1 };

    /// One hour of H.264 and AC-3 at 25 pictures per second that begins at 10 s.
    fn job(container: Container, video: bool, audio: bool) -> Job {
        Job {
            path: "/media/a film.mkv".into(),
            from: Ticks90k(70 * 90_000 + 1),
            to: Ticks90k(80 * 90_000),
            format: Format {
                video: VideoCodec::H264,
                audio: AudioCodec::Aac,
                audio_rate_hz: 48_000,
                audio_channels: 2,
                ..Format::DEFAULT
            },
            class: match (video, audio) {
                (false, false) => CopyClass::Copy,
                (video, audio) => CopyClass::Transcode {
                    video,
                    audio,
                    reason: String::new(),
                },
            },
            probe: Probe {
                container,
                start: Ticks90k(900_000),
                end: Ticks90k(3610 * 90_000),
                video: Some(VideoProbe {
                    codec: Some(VideoCodec::H264),
                    name: "H.264 High 4.0".into(),
                    width: 1920,
                    height: 1080,
                    bit_depth: 8,
                    interlaced: false,
                    frame_duration: Ticks90k(3600),
                    reorder_depth: 2,
                    longest_rap_interval: Ticks90k(4 * 90_000),
                    largest_gop_bytes: 0,
                    clean_raps: true,
                    raps: Vec::new(),
                }),
                audio: vec![AudioProbe {
                    codec: Some(AudioCodec::Ac3),
                    name: "AC-3".into(),
                    rate_hz: 48_000,
                    channels: 6,
                    language: None,
                }],
                chapters: Vec::new(),
                not_native: None,
            },
            sound_only: false,
        }
    }

    fn line(job: &Job, version: Version) -> String {
        let words = arguments(job, version).unwrap();
        words
            .iter()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn expected(place: &str, streams: &str, offset: &str) -> String {
        format!(
            "-hide_banner -nostdin -nostats -loglevel level+warning -copyts -protocol_whitelist file,pipe \
             -format_whitelist {} -probesize 10000000 -analyzeduration 10000000 -fflags +genpts+discardcorrupt \
             -err_detect ignore_err{place} -i file:/media/a film.mkv {streams} \
             -max_muxing_queue_size 4096 -max_interleave_delta 1000000 -map_metadata -1 -map_chapters -1 -output_ts_offset {offset} -muxdelay 0 \
             -muxpreload 0 -avoid_negative_ts disabled -f mpegts pipe:1",
            input::CONTAINERS
        )
    }

    const SEEK: &str = " -seek_timestamp 1 -noaccurate_seek -ss 70.000017";
    const X264: &str = "-c:v libx264 -pix_fmt yuv420p -bf 2 -g 52 -preset veryfast -profile:v high -level:v 4.1 \
        -crf 21 -maxrate 10M -bufsize 20M -keyint_min 1 -sc_threshold 0 -flags:v +cgop -forced-idr 1 \
        -force_key_frames expr:isnan(prev_forced_t)+gte(t,prev_forced_t+2-0.01)";
    const AAC: &str = "-c:a aac -b:a 160k -ar 48000 -ac 2";

    #[test]
    fn both_streams_encoded() {
        let streams = format!(
            "-map 0:V:0 -map 0:a:0? -filter:v trim=start=70000005us:end=79999994us -fps_mode passthrough \
             -enc_time_base:v 1:90000 {X264} -filter:a atrim=start=70000005us:end=79999994us {AAC}"
        );
        let job = job(Container::Matroska, true, true);
        assert_eq!(line(&job, NEW), expected(SEEK, &streams, "10.000000"));
        let old = Version { major: 4, minor: 2 };
        assert_eq!(
            line(&job, old),
            line(&job, NEW).replace("-fps_mode", "-vsync")
        );
        assert_eq!(encoders(&job), ["libx264", "aac"]);
    }

    #[test]
    fn only_the_sound_encoded() {
        let streams = format!(
            "-map 0:V:0 -map 0:a:0? -c:v copy -bsf:v h264_mp4toannexb,dump_extra \
             -filter:a atrim=start=70000005us:end=79999994us {AAC} -to 81.000000"
        );
        let job = job(Container::Mp4, false, true);
        assert_eq!(line(&job, NEW), expected(SEEK, &streams, "10.000000"));
        assert_eq!(encoders(&job), ["aac"]);
    }

    #[test]
    fn the_sound_alone() {
        let mut job = job(Container::Matroska, false, true);
        job.sound_only = true;
        job.probe.video = None;
        let words = line(&job, NEW);
        let streams = format!(
            "-ss 69.000017 -vn -i file:/media/a film.mkv -map 0:a:0 \
             -filter:a atrim=start=70000005us:end=79999994us {AAC} -map_metadata -1"
        );
        assert!(words.contains(&streams), "{words}");
        assert!(!words.contains("-c:v"), "{words}");
        assert_eq!(encoders(&job), ["aac"]);
        job.from = job.probe.start + Ticks90k(45_000);
        assert!(!line(&job, NEW).contains("-ss"), "from the beginning");
    }

    #[test]
    fn nothing_encoded() {
        let streams = "-map 0:V:0 -map 0:a:0? -c:v copy -bsf:v h264_mp4toannexb,dump_extra -c:a copy -to 81.000000";
        let job = job(Container::Mp4, false, false);
        assert_eq!(line(&job, NEW), expected(SEEK, streams, "10.000000"));
        assert!(encoders(&job).is_empty());
    }

    #[test]
    fn pictures_become_what_the_channel_promises_of_them() {
        let check = |size: &str, rate: &str, change: fn(&mut VideoProbe), expected: &str| {
            let mut job = job(Container::Mp4, true, true);
            job.format.size = PictureSize::parse(size).ok();
            job.format.rate = PictureRate::parse(rate).ok();
            change(job.probe.video.as_mut().unwrap());
            let line = line(&job, NEW);
            let (_, filters) = line
                .split_once("-filter:v trim=start=70000005us:end=79999994us")
                .unwrap();
            let (filters, rest) = filters.split_once(' ').unwrap();
            assert_eq!(filters, expected);
            assert!(rest.starts_with("-fps_mode passthrough -enc_time_base:v 1:90000 -c:v"));
            line
        };
        check("", "", |_| {}, "");
        check("1920x1080", "25", |_| {}, "");
        check(
            "",
            "",
            |v| v.width = 1919,
            ",crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0",
        );
        check("", "25", |v| v.interlaced = true, ",yadif=deint=interlaced");
        let line = check(
            "1280x720",
            "29.97",
            |_| {},
            ",setpts=PTS-6300001/90000/TB,fps=30000/1001:start_time=0,settb=1/90000,setpts=PTS+6300001,\
             scale=trunc(iw*sar/2)*2:ih,setsar=1,\
             scale=1280:720:force_original_aspect_ratio=decrease:force_divisible_by=2,pad=1280:720:(ow-iw)/2:(oh-ih)/2",
        );
        // The encoder is set for what it gets.
        assert!(
            line.contains("-g 61") && line.contains("-maxrate 6M"),
            "{line}"
        );
    }

    #[test]
    fn mpeg_2_without_sound_counts_from_the_start_of_the_job() {
        let mut job = job(Container::Mp4, true, true);
        job.format.video = VideoCodec::Mpeg2;
        job.probe.audio.clear();
        let place = format!("{SEEK} -itsoffset -70.000011");
        let streams = format!(
            "-filter_complex anullsrc=r=48000:cl=stereo,atrim=end_sample=479999,asetpts=PTS+0[silence] \
             -map 0:V:0 -map [silence] -filter:v trim=start=-6us:end=9999983us -fps_mode vfr -c:v mpeg2video \
             -pix_fmt yuv420p -bf 2 -g 52 -b:v 15M -maxrate 20M -bufsize 9M -flags:v +cgop -sc_threshold 1000000000 \
             -r 25 -force_key_frames expr:isnan(prev_forced_t)+gte(t,prev_forced_t+2-0.01) {AAC}"
        );
        assert_eq!(line(&job, NEW), expected(&place, &streams, "80.000012"));
    }

    #[test]
    fn containers_without_an_index_are_entered_a_group_of_pictures_earlier() {
        let check = |container, longest: i64, from: i64, expected: Option<&str>| {
            let mut job = job(container, true, true);
            job.from = Ticks90k(from * 90_000);
            if let Some(video) = &mut job.probe.video {
                video.longest_rap_interval = Ticks90k(longest * 90_000);
            }
            assert_eq!(
                place_to_start(&job).map(seconds).as_deref(),
                expected,
                "{container:?} {longest} {from}"
            );
        };
        check(Container::Mp4, 4, 70, Some("70.000000"));
        check(Container::MpegTs, 4, 70, Some("65.000000"));
        check(Container::Other, 0, 70, Some("60.000000"));
        check(Container::MpegTs, 4, 14, None);
        check(Container::Mp4, 4, 10, None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut sound_only = job(Container::Mp4, true, true);
        sound_only.probe.video = None;
        assert!(arguments(&sound_only, NEW).is_err());
        let mut backwards = job(Container::Mp4, true, true);
        backwards.to = backwards.from;
        assert!(arguments(&backwards, NEW).is_err());
    }

    #[test]
    fn microseconds_round_to_the_same_tick() {
        for ticks in [0, 1, -1, 89_999, 6_300_001, -6_300_001, 1 << 33] {
            let micros: f64 = seconds(Ticks90k(ticks)).parse::<f64>().unwrap() * 1e6;
            assert_eq!((micros * 0.09).round() as i64, ticks);
        }
    }
}
