//! A film of two hours at 5 Mbit/s that exists nowhere: a sample's pictures, made as large as those of a real
//! film, over and over, computed where it is read.

use exstreamd::error::Result;
use exstreamd::media::ReadAt;

use super::media::sample;
use super::mkv::{self, CLUSTER, CUES, Content, File, Node, SEEK_HEAD, TIMESTAMP, master, number};

/// Milliseconds after which it repeats.
const PERIOD_MS: u64 = 8_000;

/// How it is put together.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How often the sample's 8 s are repeated; 900 are two hours.
    pub repeats: u64,
    /// Whether there are Cues, behind the clusters.
    pub cues: bool,
    /// Whether clusters tell their sizes.
    pub sizes: bool,
}

/// Two hours with Cues.
pub const TWO_HOURS: Shape = Shape {
    repeats: 900,
    cues: true,
    sizes: true,
};

/// See the module.
pub struct LongFilm {
    head: Vec<u8>,
    period: Vec<u8>,
    /// Where in `period` the clusters' times stand, and those of the first period.
    times: Vec<(usize, u64)>,
    repeats: u64,
    tail: Vec<u8>,
}

/// Makes a picture as large as `bytes` with a filler NAL unit (ITU-T H.264 §7.3.2.7).
fn padded(frame: &[u8], bytes: usize) -> Vec<u8> {
    let filler = bytes.saturating_sub(frame.len() + 6);
    let mut out = frame.to_vec();
    out.extend((filler as u32 + 2).to_be_bytes());
    out.push(12);
    out.resize(out.len() + filler, 0xFF);
    out.push(0x80);
    out
}

impl LongFilm {
    pub fn new(shape: Shape) -> Self {
        let mut file = File::read(&sample("h264_b2_25.mkv"));
        let first_ms = 21;
        // Blocks of eight seconds, clusters that begin with the key pictures.
        let mut clusters: Vec<Node> = Vec::new();
        let mut times = Vec::new();
        for cluster in file.clusters() {
            let base = cluster.get(TIMESTAMP).value() as i64;
            for node in cluster.inside() {
                let (data, key) = match &node.content {
                    Content::Bytes(data) if node.id == mkv::SIMPLE_BLOCK => {
                        (data.clone(), data[3] & 0x80 != 0)
                    }
                    Content::Inside(inside) => {
                        let key = inside.iter().all(|part| part.id != 0xFB);
                        let block = inside.iter().find(|part| part.id == 0xA1);
                        (block.expect("a Block").data().to_vec(), key)
                    }
                    Content::Bytes(_) => continue,
                };
                let time = base + i64::from(i16::from_be_bytes([data[1], data[2]]));
                let is_video = data[0] == 0x81;
                if !(0..PERIOD_MS as i64 + if is_video { first_ms } else { 0 }).contains(&time) {
                    continue;
                }
                if is_video && key {
                    clusters.push(master(CLUSTER, vec![number(TIMESTAMP, time as u64)]));
                    times.push(time as u64);
                }
                let frame = match (is_video, key) {
                    (true, true) => padded(&data[4..], 100_000),
                    (true, false) => padded(&data[4..], 22_000),
                    (false, _) => data[4..].to_vec(),
                };
                let relative = (time - *times.last().expect("a key picture first") as i64) as i16;
                let flags = if key { 0x80 } else { 0 };
                let block = mkv::block(data[0] & 0x7F, relative, flags, &frame);
                clusters.last_mut().expect("a cluster").inside().push(block);
            }
        }
        let mut period = Vec::new();
        let mut places = Vec::new();
        for cluster in &mut clusters {
            cluster.unknown_size = !shape.sizes;
            places.push(period.len());
            cluster.write(&mut period);
        }
        // ID, size, and of the time ID and size.
        let patches = places.iter().map(|place| place + 4 + 8 + 1 + 8);
        let patches: Vec<_> = patches.zip(times.iter().copied()).collect();

        let mut parts: Vec<Node> = file.segment.inside().clone();
        parts.retain(|node| node.id != CLUSTER);
        if shape.cues {
            // The SeekHead is as long whatever it says.
            parts.insert(0, seek_head(0));
        }
        let mut file = File {
            segment: master(mkv::SEGMENT, parts),
            ..file
        };
        let count = file.segment.inside().len();
        let (inside, head_bytes) = file.place(count);
        let media_bytes = period.len() as u64 * shape.repeats;
        let mut tail = Vec::new();
        if shape.cues {
            let mut points = Vec::new();
            for repeat in 0..shape.repeats {
                for (place, time) in places.iter().zip(&times) {
                    let at = inside + repeat * period.len() as u64 + *place as u64;
                    points.push(cue(time + repeat * PERIOD_MS, at));
                }
            }
            file.segment.inside()[0] = seek_head(inside + media_bytes);
            // As real writers do it, with sizes no longer than need be.
            let content: Vec<u8> = points.concat();
            tail.extend(CUES.to_be_bytes());
            tail.extend((content.len() as u32 | 0x1000_0000).to_be_bytes());
            tail.extend(content);
        }
        let mut head = file.bytes();
        assert_eq!(head.len() as u64, head_bytes);
        let size = inside + media_bytes + tail.len() as u64;
        let at = (head_bytes - inside) as usize - 8;
        head[at..at + 8].copy_from_slice(&(size | 1 << 56).to_be_bytes());
        Self {
            head,
            period,
            times: patches,
            repeats: shape.repeats,
            tail,
        }
    }

    /// Where the clusters end.
    pub fn clusters_end(&self) -> u64 {
        self.head.len() as u64 + self.period.len() as u64 * self.repeats
    }

    /// The byte at `at`.
    fn piece(&self, at: u64, out: &mut Vec<u8>, wanted: usize) {
        let head = self.head.len() as u64;
        if at < head {
            let rest = &self.head[at as usize..];
            out.extend(&rest[..rest.len().min(wanted)]);
            return;
        }
        let end = self.clusters_end();
        if at >= end {
            let rest = self.tail.get((at - end) as usize..).unwrap_or_default();
            out.extend(&rest[..rest.len().min(wanted)]);
            return;
        }
        let (repeat, place) = (
            (at - head) / self.period.len() as u64,
            ((at - head) % self.period.len() as u64) as usize,
        );
        let to = (place + wanted).min(self.period.len());
        let from = out.len();
        out.extend(&self.period[place..to]);
        for (patch, time) in &self.times {
            for (index, byte) in (time + repeat * PERIOD_MS).to_be_bytes().iter().enumerate() {
                let at = patch + index;
                if (place..to).contains(&at) {
                    out[from + at - place] = *byte;
                }
            }
        }
    }
}

fn seek_head(cues: u64) -> Node {
    let seek = vec![mkv::bytes(0x53AB, CUES.to_be_bytes()), number(0x53AC, cues)];
    master(SEEK_HEAD, vec![master(0x4DBB, seek)])
}

/// A CuePoint as ffmpeg writes it.
fn cue(time: u64, cluster: u64) -> Vec<u8> {
    let short = |id: u8, value: u64, len: usize| {
        [&[id, 0x80 | len as u8][..], &value.to_be_bytes()[8 - len..]].concat()
    };
    let positions = [
        short(0xF7, 1, 1),
        short(0xF1, cluster, 5),
        // Behind the cluster's time.
        short(0xF0, 1 + 8 + 8, 1),
    ]
    .concat();
    let content = [
        short(0xB3, time, 3),
        vec![0xB7, 0x80 | positions.len() as u8],
        positions,
    ]
    .concat();
    [vec![0xBB, 0x80 | content.len() as u8], content].concat()
}

impl ReadAt for LongFilm {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        let mut piece = Vec::new();
        while filled < buf.len() {
            piece.clear();
            self.piece(offset + filled as u64, &mut piece, buf.len() - filled);
            if piece.is_empty() {
                break;
            }
            buf[filled..filled + piece.len()].copy_from_slice(&piece);
            filled += piece.len();
        }
        Ok(filled)
    }

    fn size_bytes(&self) -> u64 {
        self.clusters_end() + self.tail.len() as u64
    }

    fn name(&self) -> &str {
        "long.mkv"
    }
}
