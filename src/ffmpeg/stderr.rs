//! What a line on ffmpeg's standard error means. The table holds texts of libavformat, libavcodec and the
//! ffmpeg program, 4.2 to 8.0; levels come from `-loglevel level+warning`.

use crate::error::{Error, ErrorKind};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The file is not there (any more).
    Missing,
    /// The system refuses us the file or a device.
    Permission,
    /// The whole file is damaged, cut short or no media.
    DamagedInput,
    /// Single packets or pictures are damaged; decoding goes on.
    DamagedData,
    /// Time stamps are missing or out of order; ffmpeg mends them.
    Timestamps,
    /// A container, codec or stream that this ffmpeg cannot read, or that we do not allow.
    Unsupported,
    /// An encoder, filter or option is missing or refused its settings.
    Setup,
    /// A hardware device failed.
    Hardware,
    /// Out of memory.
    Memory,
    /// One stream ran too far ahead of the other.
    Interleaving,
    /// The disk or the network share failed.
    Storage,
    /// We stopped reading.
    ReaderGone,
    /// Nothing that needs anything.
    Noise,
    /// None of those we know.
    Other,
}

impl Class {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Class::Missing => "missing",
            Class::Permission => "permission",
            Class::DamagedInput => "damaged_input",
            Class::DamagedData => "damaged_data",
            Class::Timestamps => "timestamps",
            Class::Unsupported => "unsupported",
            Class::Setup => "setup",
            Class::Hardware => "hardware",
            Class::Memory => "memory",
            Class::Interleaving => "interleaving",
            Class::Storage => "storage",
            Class::ReaderGone => "reader_gone",
            Class::Noise => "noise",
            Class::Other => "other",
        }
    }
}

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Not worth a place in the log.
    Ignore,
    /// The picture or sound may suffer for a moment.
    Warning,
    /// Something was lost; the item goes on.
    Error,
    /// The item cannot be played like this.
    Fatal,
}

/// A line with its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub class: Class,
    /// How bad it is.
    pub severity: Severity,
    /// The line without addresses and level.
    pub text: String,
}

/// A part of a line, in lower case, and its meaning. The first that fits counts.
const TABLE: &[(&str, Class, Severity)] = &[
    ("exstreamd launch:", Class::Other, Severity::Fatal),
    ("no such file or directory", Class::Missing, Severity::Fatal),
    ("permission denied", Class::Permission, Severity::Fatal),
    (
        "operation not permitted",
        Class::Permission,
        Severity::Fatal,
    ),
    ("stale file handle", Class::Storage, Severity::Fatal),
    ("input/output error", Class::Storage, Severity::Fatal),
    (
        "transport endpoint is not connected",
        Class::Storage,
        Severity::Fatal,
    ),
    ("cannot allocate memory", Class::Memory, Severity::Fatal),
    ("out of memory", Class::Memory, Severity::Fatal),
    ("broken pipe", Class::ReaderGone, Severity::Ignore),
    (
        "too many packets buffered",
        Class::Interleaving,
        Severity::Fatal,
    ),
    ("not on whitelist", Class::Unsupported, Severity::Fatal),
    // Before the line below that they end with: one packet is lost, not the file.
    (
        "error while decoding",
        Class::DamagedData,
        Severity::Warning,
    ),
    ("error decoding", Class::DamagedData, Severity::Warning),
    ("error submitting", Class::DamagedData, Severity::Warning),
    ("moov atom not found", Class::DamagedInput, Severity::Fatal),
    (
        "ebml header parsing failed",
        Class::DamagedInput,
        Severity::Fatal,
    ),
    (
        "invalid data found when processing input",
        Class::DamagedInput,
        Severity::Fatal,
    ),
    (
        "invalid data found when opening input",
        Class::DamagedInput,
        Severity::Fatal,
    ),
    (
        "could not find codec parameters",
        Class::Unsupported,
        Severity::Error,
    ),
    ("matches no streams", Class::Unsupported, Severity::Fatal),
    (
        "does not contain any stream",
        Class::Unsupported,
        Severity::Fatal,
    ),
    ("decoder not found", Class::Unsupported, Severity::Fatal),
    (
        "no decoder could be found",
        Class::Unsupported,
        Severity::Fatal,
    ),
    (
        "decoding requested, but no decoder found",
        Class::Unsupported,
        Severity::Fatal,
    ),
    ("not implemented", Class::Unsupported, Severity::Error),
    ("encrypted", Class::Unsupported, Severity::Error),
    ("unknown encoder", Class::Setup, Severity::Fatal),
    ("encoder not found", Class::Setup, Severity::Fatal),
    ("no such filter", Class::Setup, Severity::Fatal),
    ("unrecognized option", Class::Setup, Severity::Fatal),
    ("option not found", Class::Setup, Severity::Fatal),
    ("error while opening encoder", Class::Setup, Severity::Fatal),
    (
        "error initializing output stream",
        Class::Setup,
        Severity::Fatal,
    ),
    ("error initializing filter", Class::Setup, Severity::Fatal),
    (
        "error reinitializing filters",
        Class::Setup,
        Severity::Fatal,
    ),
    ("could not open encoder", Class::Setup, Severity::Fatal),
    ("vaapi", Class::Hardware, Severity::Error),
    ("cuda", Class::Hardware, Severity::Error),
    ("nvenc", Class::Hardware, Severity::Error),
    ("v4l2", Class::Hardware, Severity::Error),
    ("device creation failed", Class::Hardware, Severity::Fatal),
    ("non-monotonous dts", Class::Timestamps, Severity::Warning),
    ("non-monotonic dts", Class::Timestamps, Severity::Warning),
    (
        "non monotonically increasing dts",
        Class::Timestamps,
        Severity::Warning,
    ),
    ("pts has no value", Class::Timestamps, Severity::Warning),
    ("timestamps are unset", Class::Timestamps, Severity::Warning),
    ("invalid dts", Class::Timestamps, Severity::Warning),
    ("dts discontinuity", Class::Timestamps, Severity::Warning),
    (
        "queue input is backward in time",
        Class::Timestamps,
        Severity::Warning,
    ),
    (
        "decode_slice_header error",
        Class::DamagedData,
        Severity::Warning,
    ),
    ("concealing", Class::DamagedData, Severity::Warning),
    ("corrupt", Class::DamagedData, Severity::Warning),
    ("non-existing pps", Class::DamagedData, Severity::Warning),
    ("non-existing sps", Class::DamagedData, Severity::Warning),
    ("invalid nal unit", Class::DamagedData, Severity::Warning),
    (
        "missing picture in access unit",
        Class::DamagedData,
        Severity::Warning,
    ),
    ("no frame", Class::DamagedData, Severity::Warning),
    ("invalid data found", Class::DamagedData, Severity::Warning),
    ("header missing", Class::DamagedData, Severity::Warning),
    ("truncat", Class::DamagedData, Severity::Warning),
    ("partial file", Class::DamagedData, Severity::Error),
    ("error splitting", Class::DamagedData, Severity::Warning),
    ("reserved bit set", Class::DamagedData, Severity::Warning),
    // The first pictures after a jump into the middle refer to others that were not read.
    (
        "co located pocs unavailable",
        Class::Noise,
        Severity::Ignore,
    ),
    ("mmco: unref short failure", Class::Noise, Severity::Ignore),
    ("reference picture missing", Class::Noise, Severity::Ignore),
    (
        "could not find ref with poc",
        Class::Noise,
        Severity::Ignore,
    ),
    ("number of reference frames", Class::Noise, Severity::Ignore),
    ("deprecated", Class::Noise, Severity::Ignore),
    (
        "detected only with low score",
        Class::Noise,
        Severity::Ignore,
    ),
    ("packed b-frames", Class::Noise, Severity::Ignore),
    (
        "estimating duration from bitrate",
        Class::Noise,
        Severity::Ignore,
    ),
    ("last message repeated", Class::Noise, Severity::Ignore),
];

/// What `line` means.
pub fn classify(line: &str) -> Line {
    let (text, level) = strip(line);
    let lower = text.to_ascii_lowercase();
    let known = TABLE.iter().find(|(part, _, _)| lower.contains(part));
    let (class, severity) = known.map_or((Class::Other, level), |(_, class, severity)| {
        (*class, *severity)
    });
    Line {
        class,
        severity,
        text,
    }
}

/// Why a program failed that wrote `lines`: the first fatal line, else the first of all. `doing` says what
/// it was for ("probing /media/film.avi").
pub fn cause(doing: &str, lines: &[Line]) -> Error {
    let fatal = lines.iter().find(|line| line.severity == Severity::Fatal);
    let Some(line) = fatal.or(lines.first()) else {
        return Error::new(
            ErrorKind::Unavailable,
            format!("{doing}: failed and gave no reason"),
        );
    };
    let kind = match line.class {
        Class::Missing => ErrorKind::NotFound,
        Class::Permission => ErrorKind::Permission,
        Class::Unsupported => ErrorKind::Unsupported,
        Class::Storage => ErrorKind::Io,
        Class::Memory | Class::Hardware => ErrorKind::Unavailable,
        Class::Setup => ErrorKind::Internal,
        // A program that is not there any more tells so through the launcher.
        _ if line.text.starts_with("exstreamd launch:") => ErrorKind::Unavailable,
        _ => ErrorKind::Damaged,
    };
    Error::new(kind, format!("{doing}: {}", line.text))
}

/// Takes "[h264 @ 0x55] [error] text" apart: "h264: text" and the level.
fn strip(line: &str) -> (String, Severity) {
    let (mut rest, mut level, mut part) = (line.trim(), Severity::Warning, None);
    while let Some((tag, behind)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        match tag {
            "panic" | "fatal" => level = Severity::Fatal,
            "error" => level = Severity::Error,
            "warning" => level = Severity::Warning,
            "info" | "verbose" | "debug" | "trace" => level = Severity::Ignore,
            _ => match tag.split_once(" @ 0x") {
                Some((name, _)) => part = Some(name),
                None => break,
            },
        }
        rest = behind.trim_start();
    }
    let text = part.map_or_else(|| rest.to_owned(), |part| format!("{part}: {rest}"));
    (text, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let check = |line: &str, class, severity, text: &str| {
            let expected = Line {
                class,
                severity,
                text: text.into(),
            };
            assert_eq!(classify(line), expected, "{line}");
        };
        check(
            "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x559a7883e1c0] [error] moov atom not found",
            Class::DamagedInput,
            Severity::Fatal,
            "mov,mp4,m4a,3gp,3g2,mj2: moov atom not found",
        );
        check(
            "[error] file:/m/a.mkv: No such file or directory",
            Class::Missing,
            Severity::Fatal,
            "file:/m/a.mkv: No such file or directory",
        );
        check(
            "[h264 @ 0x1] [error] mmco: unref short failure",
            Class::Noise,
            Severity::Ignore,
            "h264: mmco: unref short failure",
        );
        check(
            "Error while decoding stream #0:0: Invalid data found when processing input",
            Class::DamagedData,
            Severity::Warning,
            "Error while decoding stream #0:0: Invalid data found when processing input",
        );
        check("[mystery", Class::Other, Severity::Warning, "[mystery");
        check(
            "[fatal] what now",
            Class::Other,
            Severity::Fatal,
            "what now",
        );
    }

    #[test]
    fn a_failure_has_the_kind_of_its_first_fatal_line() {
        let check = |lines: &[&str], kind| {
            let classified: Vec<_> = lines.iter().map(|line| classify(line)).collect();
            assert_eq!(cause("probing x", &classified).kind(), kind, "{lines:?}");
        };
        check(&["[error] moov atom not found"], ErrorKind::Damaged);
        check(
            &[
                "[warning] corrupt input packet",
                "[error] file:/x: No such file or directory",
            ],
            ErrorKind::NotFound,
        );
        check(
            &["[error] Format not on whitelist 'a,b'"],
            ErrorKind::Unsupported,
        );
        check(
            &["exstreamd launch: starting /x/ffmpeg: Exec format error"],
            ErrorKind::Unavailable,
        );
        check(&[], ErrorKind::Unavailable);
    }

    #[test]
    fn every_pattern_is_lower_case_and_reachable() {
        for (i, (part, class, _)) in TABLE.iter().enumerate() {
            assert_eq!(*part, part.to_ascii_lowercase());
            let shadow = TABLE[..i]
                .iter()
                .find(|(earlier, _, _)| part.contains(earlier));
            assert_eq!(shadow, None, "{part} of {class:?} is never reached");
        }
    }
}
