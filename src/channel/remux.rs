//! Files to one transport stream at full speed: the on-air path without a clock. Used by `exstreamd
//! remux` to try a file, to compare with other multiplexers, and to measure.

use std::io::Write;

use super::feed::Cut;
use super::feed::copy::Reader;
use super::splice::{Next, Splicer};
use crate::error::{Error, ErrorKind, Result};
use crate::library::Location;
use crate::media::{self, AccessUnit, CopyClass, Damage, Format, Streams, Ticks90k, probe};
use crate::mux::{Layout, Muxer};

/// Channel time of the first picture: room for sound that begins before it.
const ORIGIN: Ticks90k = Ticks90k(900_000);
/// Coded bytes collected before they are written; more only when a unit is larger.
const BLOCK_BYTES: usize = 64 << 10;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Remuxed {
    /// Access units written.
    pub units: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Units that damage or cuts cost.
    pub dropped_units: u64,
    /// Silent frames and slate pictures put in at the joins.
    pub filled: u64,
}

/// Writes `inputs`, one behind the other, as one stream to `out`. Blocks.
///
/// A single input is written whole, with every time stamp as it is (moved by one constant). Of several,
/// each is cut to its pictures as on a channel; all must fit the first one's format.
pub fn run(inputs: &[impl Clone + Into<Location>], out: &mut dyn Write) -> Result<Remuxed> {
    let inputs: Vec<Location> = inputs.iter().cloned().map(Into::into).collect();
    match inputs.as_slice() {
        [] => Err(Error::new(
            ErrorKind::Usage,
            "remux needs at least one file",
        )),
        [one] => whole(one, out),
        several => joined(several, out),
    }
}

struct Sink<'a> {
    muxer: Muxer,
    buffer: Vec<u8>,
    out: &'a mut dyn Write,
    done: Remuxed,
}

impl<'a> Sink<'a> {
    fn new(layout: Layout, out: &'a mut dyn Write) -> Self {
        Self {
            muxer: Muxer::new(layout),
            buffer: Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 8),
            out,
            done: Remuxed::default(),
        }
    }

    fn unit(&mut self, unit: &AccessUnit) -> Result<()> {
        if self.buffer.len() + unit.data.len() > BLOCK_BYTES {
            self.write()?;
        }
        self.muxer.write(unit, &mut self.buffer);
        self.done.units += 1;
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        self.out
            .write_all(&self.buffer)
            .map_err(|e| Error::io("writing the transport stream", e))?;
        self.done.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn end(mut self, damage: Damage) -> Result<Remuxed> {
        self.muxer.flush(&mut self.buffer);
        self.write()?;
        self.out
            .flush()
            .map_err(|e| Error::io("writing the transport stream", e))?;
        self.done.dropped_units += damage.dropped_units;
        Ok(self.done)
    }
}

fn whole(input: &Location, out: &mut dyn Write) -> Result<Remuxed> {
    let mut demuxer = media::open(input.open(None)?)?;
    let mut sink = Sink::new(layout(demuxer.streams()), out);
    let mut unit = AccessUnit::default();
    while demuxer.next(&mut unit)? {
        unit.pts += ORIGIN;
        unit.dts += ORIGIN;
        sink.unit(&unit)?;
    }
    sink.end(demuxer.damage())
}

fn layout(streams: &Streams) -> Layout {
    Layout {
        video: streams.video.as_ref().map(|v| v.codec),
        audio: streams.audio.as_ref().map(|a| a.codec),
        audio_rate_hz: streams.audio.as_ref().map_or(0, |a| a.rate_hz),
        service_name: "exstreamd".into(),
        mux_rate_kbit: None,
    }
}

fn joined(inputs: &[Location], out: &mut dyn Write) -> Result<Remuxed> {
    let probes: Vec<_> = inputs
        .iter()
        .map(|input| probe::probe(input.open(None)?))
        .collect::<Result<_>>()?;
    let format = format_of(inputs, &probes)?;
    for (input, probe) in inputs.iter().zip(&probes) {
        if let CopyClass::Transcode { reason, .. } = format.copy_class(probe) {
            crate::bail!(
                Unsupported,
                "{input} does not fit the format of the first file: {reason}"
            );
        }
    }
    let mut splicer = Splicer::new(&format);
    let mut sink = Sink::new(Layout::for_format(&format, "exstreamd"), out);
    let mut at = ORIGIN;
    for (input, probe) in inputs.iter().zip(&probes) {
        let cut = Cut {
            from: probe.start,
            to: probe.end,
            offset: at - probe.start,
        };
        let to = at + probe.length();
        let part = splicer.push_feed(at, to);
        at = to;
        let mut reader = Reader::open(input.open(None)?, cut)?;
        splicer.opened(part, reader.has_video(), reader.sound());
        loop {
            while let Next::Unit(unit) = splicer.next() {
                sink.unit(&unit)?;
            }
            if reader.ended() {
                break;
            }
            for unit in reader.batch(Ticks90k(i64::MAX))? {
                splicer.offer(part, unit);
            }
        }
        splicer.finish(part);
        sink.done.dropped_units += reader.damage().dropped_units;
    }
    while let Next::Unit(unit) = splicer.next() {
        sink.unit(&unit)?;
    }
    let counts = splicer.counts();
    sink.done.filled = counts.silent_frames + counts.slate_pictures;
    sink.done.dropped_units += counts.dropped;
    sink.end(Damage::default())
}

/// The format of the first file.
fn format_of(inputs: &[Location], probes: &[media::Probe]) -> Result<Format> {
    let first = probes.first();
    let video = first.and_then(|p| p.video.as_ref()?.codec);
    let audio = first.and_then(|p| p.audio.first());
    let (Some(video), Some(audio)) = (video, audio) else {
        let name = inputs.first().map(ToString::to_string).unwrap_or_default();
        crate::bail!(
            Unsupported,
            "{name} has no picture or no sound that a transport stream can carry"
        );
    };
    let Some(codec) = audio.codec else {
        crate::bail!(
            Unsupported,
            "a transport stream cannot carry {}",
            audio.name
        );
    };
    Ok(Format {
        video,
        audio: codec,
        audio_rate_hz: audio.rate_hz,
        audio_channels: audio.channels,
        ..Format::DEFAULT
    })
}
