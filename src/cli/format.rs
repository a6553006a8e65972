//! Formats of channels on the command line: the options that tell one, and what it costs in words.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::Args;
use super::library::{field, number};
use super::output::Output;
use super::usage;
use crate::error::Result;
use crate::media::{AudioCodec, Format, FormatWish, PictureRate, PictureSize};

/// Reasons that are shown unless all are wanted.
const MOST_REASONS: usize = 10;

/// What the options say about a format.
pub(super) fn wish(args: &Args) -> Result<FormatWish> {
    let mut wish = FormatWish {
        video: args.option("video")?.map(video).transpose()?,
        hevc: args.has("hevc"),
        size: any_or(args, "size", PictureSize::parse)?,
        rate: any_or(args, "rate", PictureRate::parse)?,
        ..FormatWish::default()
    };
    if let Some(text) = args.option("audio")? {
        let (codec, rate_hz, channels) = audio(text)?;
        wish.audio = Some(codec);
        wish.audio_rate_hz = rate_hz;
        wish.audio_channels = channels;
    }
    wish.loose_audio = match (args.has("loose-audio"), args.has("strict-audio")) {
        (true, true) => {
            return Err(usage(
                "--loose-audio and --strict-audio are opposites: use one",
            ));
        }
        (false, false) => None,
        (loose, _) => Some(loose),
    };
    Ok(wish)
}

/// A word of the API.
fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::from(text)).ok()
}

fn video<T: DeserializeOwned>(text: &str) -> Result<T> {
    word(text).ok_or_else(|| {
        usage(format!(
            "{text:?} is not possible for --video: use one of h264, hevc, mpeg2"
        ))
    })
}

/// `CODEC`, `CODEC/HZ` or `CODEC/HZ/CHANNELS`.
fn audio(text: &str) -> Result<(AudioCodec, Option<u32>, Option<u8>)> {
    let bad = || {
        usage(format!(
            "{text:?} is not possible for --audio: use one of aac, ac3, eac3, mp2, mp3, also with rate and channels as in aac/48000/2"
        ))
    };
    let mut parts = text.split('/');
    let codec = parts.next().and_then(word).ok_or_else(bad)?;
    let rate_hz = parts.next().map(str::parse).transpose();
    let channels = parts.next().map(str::parse).transpose();
    match (rate_hz, channels, parts.next()) {
        (Ok(rate_hz), Ok(channels), None) => Ok((codec, rate_hz, channels)),
        _ => Err(bad()),
    }
}

/// An option that may be "any".
fn any_or<T>(args: &Args, name: &str, parse: fn(&str) -> Result<T>) -> Result<Option<Option<T>>> {
    match args.option(name)? {
        None => Ok(None),
        Some("any") => Ok(Some(None)),
        Some(text) => match parse(text) {
            Ok(value) => Ok(Some(Some(value))),
            Err(e) => Err(usage(e.to_string())),
        },
    }
}

/// A format of an answer, in words.
pub(super) fn said(format: Option<&Value>) -> String {
    let format = format.and_then(|format| serde_json::from_value::<Format>(format.clone()).ok());
    format.map(|format| format.to_string()).unwrap_or_default()
}

/// What the format of a channel or proposal costs, and what others would.
pub(super) fn print_price(priced: &Value, output: &mut Output) -> Result<()> {
    let share = priced.get("share").cloned().unwrap_or_default();
    let items = number(&share, "items");
    if items == 0 {
        return output.line("  copied     nothing to play yet: see exstreamd library list");
    }
    output.line(format!(
        "  copied     {} % of this channel plays without transcoding ({} of {items} items)",
        number(priced, "copied_percent"),
        number(&share, "copied_items"),
    ))?;
    for other in list(priced, "alternatives") {
        let drawback = match field(other, "drawback") {
            "" => String::new(),
            drawback => format!(", {drawback}"),
        };
        output.line(format!(
            "  instead    {}: {} %{drawback}",
            said(other.get("format")),
            number(other, "copied_percent"),
        ))?;
    }
    Ok(())
}

/// Why items are not copied: the reasons that cost most, with some files.
pub(super) fn print_reasons(share: &Value, output: &mut Output) -> Result<()> {
    let reasons = list(share, "exceptions");
    for exception in reasons.iter().take(MOST_REASONS) {
        let items = number(exception, "items");
        output.line(format!(
            "  not copied {}: {items} item{}, {}",
            field(exception, "reason"),
            if items == 1 { "" } else { "s" },
            length(number(exception, "length_ms")),
        ))?;
        let files = list(exception, "examples");
        for file in files {
            output.line(format!(
                "             {}",
                file.as_str().unwrap_or_default()
            ))?;
        }
        let more = items - files.len() as i64;
        if more > 0 {
            output.line(format!("             and {more} more"))?;
        }
    }
    let shown = reasons.len().min(MOST_REASONS) as i64;
    let hidden = reasons.len() as i64 - shown + number(share, "other_reasons");
    if hidden > 0 {
        output.line(format!(
            "             and {hidden} more reasons: --all names every item"
        ))?;
    }
    Ok(())
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let found = value.get(name).and_then(Value::as_array);
    found.map(Vec::as_slice).unwrap_or_default()
}

/// "2 h 05 min", "12 min", "40 s".
fn length(ms: i64) -> String {
    match ms / 1000 {
        s @ ..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min", s / 60),
        s => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_a_codec_with_or_without_rate_and_channels() {
        let check = |text: &str, expected| assert_eq!(audio(text).ok(), expected, "{text}");
        check("aac", Some((AudioCodec::Aac, None, None)));
        check("ac3/48000", Some((AudioCodec::Ac3, Some(48_000), None)));
        check(
            "eac3/48000/6",
            Some((AudioCodec::Eac3, Some(48_000), Some(6))),
        );
        for bad in [
            "",
            "dts",
            "aac/",
            "aac/x",
            "aac/48000/300",
            "aac/48000/2/1",
            "AAC",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn running_times_are_short() {
        for (ms, expected) in [
            (0, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (7_500_000, "2 h 05 min"),
        ] {
            assert_eq!(length(ms), expected);
        }
    }
}
