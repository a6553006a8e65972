//! Matroska files taken apart and put together differently, for what no tool writes. Knows nothing of the
//! demuxer that is tested.

use std::path::Path;

/// An EBML element: others inside of it, or bytes.
#[derive(Clone, Debug)]
pub struct Node {
    /// With its marker bits.
    pub id: u32,
    /// Written with a size of all ones.
    pub unknown_size: bool,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Inside(Vec<Node>),
    Bytes(Vec<u8>),
}

pub const EBML: u32 = 0x1A45_DFA3;
pub const SEGMENT: u32 = 0x1853_8067;
pub const SEEK_HEAD: u32 = 0x114D_9B74;
pub const INFO: u32 = 0x1549_A966;
pub const TRACKS: u32 = 0x1654_AE6B;
pub const CUES: u32 = 0x1C53_BB6B;
pub const CLUSTER: u32 = 0x1F43_B675;
pub const TIMESTAMP: u32 = 0xE7;
pub const SIMPLE_BLOCK: u32 = 0xA3;
pub const VIDEO: u32 = 0xE0;
pub const CODEC_ID: u32 = 0x86;
pub const CODEC_PRIVATE: u32 = 0x63A2;

/// Elements that hold others: header, segment and what stands in it, tracks, blocks, cues, chapters.
const MASTERS: &[u32] = &[
    EBML,
    SEGMENT,
    SEEK_HEAD,
    0x4DBB,
    INFO,
    TRACKS,
    0xAE,
    VIDEO,
    0xE1,
    0x6D80,
    0x6240,
    0x5034,
    CLUSTER,
    0xA0,
    CUES,
    0xBB,
    0xB7,
    0x1043_A770,
    0x45B9,
    0xB6,
    0x80,
];

/// An element with bytes.
pub fn bytes(id: u32, content: impl Into<Vec<u8>>) -> Node {
    let content = Content::Bytes(content.into());
    Node {
        id,
        unknown_size: false,
        content,
    }
}

/// An element with an unsigned number.
pub fn number(id: u32, value: u64) -> Node {
    bytes(id, value.to_be_bytes())
}

/// An element with others inside.
pub fn master(id: u32, inside: Vec<Node>) -> Node {
    Node {
        id,
        unknown_size: false,
        content: Content::Inside(inside),
    }
}

/// A SimpleBlock: track, time relative to the cluster, flags (0x80 key, 0x02, 0x04, 0x06 lacing), content.
pub fn block(track: u8, time: i16, flags: u8, content: &[u8]) -> Node {
    let head = [&[track | 0x80][..], &time.to_be_bytes(), &[flags]].concat();
    bytes(SIMPLE_BLOCK, [&head, content].concat())
}

/// The header of a Matroska file.
pub fn header() -> Node {
    master(EBML, vec![number(0x42F7, 1), bytes(0x4282, *b"matroska")])
}

impl Node {
    /// With its size in 8 bytes, so that sizes do not depend on values.
    pub fn write(&self, out: &mut Vec<u8>) {
        let id = self.id.to_be_bytes();
        out.extend(id.iter().skip_while(|byte| **byte == 0));
        let mut content = Vec::new();
        match &self.content {
            Content::Inside(inside) => inside.iter().for_each(|node| node.write(&mut content)),
            Content::Bytes(bytes) => content.clone_from(bytes),
        }
        let size = if self.unknown_size {
            u64::MAX >> 7
        } else {
            content.len() as u64 | 1 << 56
        };
        out.extend(size.to_be_bytes());
        out.extend(content);
    }

    /// What it holds.
    pub fn inside(&mut self) -> &mut Vec<Node> {
        match &mut self.content {
            Content::Inside(inside) => inside,
            Content::Bytes(_) => panic!("{:x} holds no elements", self.id),
        }
    }

    /// Its bytes.
    pub fn data(&self) -> &[u8] {
        match &self.content {
            Content::Bytes(bytes) => bytes,
            Content::Inside(_) => panic!("{:x} holds elements", self.id),
        }
    }

    /// Its value.
    pub fn value(&self) -> u64 {
        self.data()
            .iter()
            .fold(0, |n, byte| n << 8 | u64::from(*byte))
    }

    /// The first element of this kind inside.
    pub fn get(&mut self, id: u32) -> &mut Node {
        let found = self.inside().iter_mut().find(|node| node.id == id);
        found.unwrap_or_else(|| panic!("no element {id:x}"))
    }

    /// Puts an element in the place of those of its kind.
    pub fn set(&mut self, node: Node) {
        self.inside().retain(|other| other.id != node.id);
        self.inside().push(node);
    }
}

/// A whole file.
#[derive(Clone, Debug)]
pub struct File {
    pub header: Node,
    pub segment: Node,
}

impl File {
    /// Takes a file apart whose sizes are all known. SeekHead and Cues are left out, because places move.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("reading the sample");
        let mut nodes = parse(&bytes);
        let mut segment = nodes.remove(1);
        segment
            .inside()
            .retain(|node| ![SEEK_HEAD, CUES, 0xEC].contains(&node.id));
        drop_checksums(&mut segment);
        Self {
            header: nodes.remove(0),
            segment,
        }
    }

    /// A file of these parts.
    pub fn of(parts: Vec<Node>) -> Self {
        Self {
            header: header(),
            segment: master(SEGMENT, parts),
        }
    }

    /// The `index`-th track.
    pub fn track(&mut self, index: usize) -> &mut Node {
        let tracks = self.segment.get(TRACKS);
        let mut entries = tracks.inside().iter_mut().filter(|node| node.id == 0xAE);
        entries.nth(index).expect("a track")
    }

    /// The clusters.
    pub fn clusters(&mut self) -> impl Iterator<Item = &mut Node> {
        let inside = self.segment.inside();
        inside.iter_mut().filter(|node| node.id == CLUSTER)
    }

    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.header.write(&mut out);
        self.segment.write(&mut out);
        out
    }

    /// Where the `index`-th part of the segment begins, counted from the segment's content, and in the file.
    pub fn place(&self, index: usize) -> (u64, u64) {
        let mut front = Vec::new();
        self.header.write(&mut front);
        let mut parts = self.segment.clone();
        parts.inside().truncate(index);
        let mut out = Vec::new();
        parts.write(&mut out);
        let inside = out.len() as u64 - 12;
        (inside, front.len() as u64 + 12 + inside)
    }
}

/// Checksums of what is going to be changed (RFC 8794 §11.3.1).
fn drop_checksums(node: &mut Node) {
    if let Content::Inside(inside) = &mut node.content {
        inside.retain(|node| node.id != 0xBF);
        inside.iter_mut().for_each(drop_checksums);
    }
}

fn parse(mut bytes: &[u8]) -> Vec<Node> {
    let mut nodes = Vec::new();
    while !bytes.is_empty() {
        let id_bytes = bytes[0].leading_zeros() as usize + 1;
        let id = bytes[..id_bytes]
            .iter()
            .fold(0, |id, byte| id << 8 | u32::from(*byte));
        let rest = &bytes[id_bytes..];
        let size_bytes = rest[0].leading_zeros() as usize + 1;
        let raw = rest[..size_bytes]
            .iter()
            .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        let all = (1_u64 << (7 * size_bytes)) - 1;
        let rest = &rest[size_bytes..];
        let size = match raw & all {
            unknown if unknown == all => rest.len(),
            size => size as usize,
        };
        let (content, behind) = rest.split_at(size.min(rest.len()));
        nodes.push(if MASTERS.contains(&id) {
            master(id, parse(content))
        } else {
            self::bytes(id, content)
        });
        bytes = behind;
    }
    nodes
}

/// The file with Cues for the pictures of the first track, in front of the clusters or behind them. `lie`
/// changes time, place of the cluster and place inside of each.
pub fn with_cues(file: &File, first: bool, lie: impl Fn(usize, &mut (u64, u64, u64))) -> File {
    let build = |points: &[(u64, u64, u64)]| {
        let point = |(time, cluster, inside): &(u64, u64, u64)| {
            let positions = vec![
                number(0xF7, 1),
                number(0xF1, *cluster),
                number(0xF0, *inside),
            ];
            master(0xBB, vec![number(0xB3, *time), master(0xB7, positions)])
        };
        let cues = master(CUES, points.iter().map(point).collect());
        let mut file = file.clone();
        let parts = file.segment.inside();
        let clusters = parts.iter().position(|node| node.id == CLUSTER).unwrap();
        let at = if first { clusters } else { parts.len() };
        parts.insert(at, cues);
        let place = |index: usize| {
            let mut draft = file.clone();
            draft
                .segment
                .inside()
                .insert(0, master(SEEK_HEAD, vec![seek_to_cues(0)]));
            draft.place(index + 1).0
        };
        let head = master(SEEK_HEAD, vec![seek_to_cues(place(at))]);
        file.segment.inside().insert(0, head);
        file
    };
    // As many cues as there will be, so that places do not move.
    let mut found = Vec::new();
    let mut times = Vec::new();
    let mut copy = file.clone();
    let parts = copy.segment.inside();
    for (index, part) in parts
        .iter_mut()
        .enumerate()
        .filter(|(_, p)| p.id == CLUSTER)
    {
        let base = part.get(TIMESTAMP).value();
        let mut inside = 0;
        for node in part.inside() {
            if let Content::Bytes(data) = &node.content
                && node.id == SIMPLE_BLOCK
                && data[0] == 0x81
                && data[3] & 0x80 != 0
            {
                let relative = i16::from_be_bytes([data[1], data[2]]);
                times.push((index, base.wrapping_add_signed(i64::from(relative)), inside));
            }
            let mut out = Vec::new();
            node.write(&mut out);
            inside += out.len() as u64;
        }
    }
    let draft = build(&vec![(0, 0, 0); times.len()]);
    for (n, (index, time, inside)) in times.into_iter().enumerate() {
        let index = index + 1 + usize::from(first);
        let mut point = (time, draft.place(index).0, inside);
        lie(n, &mut point);
        found.push(point);
    }
    build(&found)
}

fn seek_to_cues(at: u64) -> Node {
    master(
        0x4DBB,
        vec![bytes(0x53AB, CUES.to_be_bytes()), number(0x53AC, at)],
    )
}
