//! Which programme of a transport stream is taken, and which of its streams.

use std::collections::BTreeMap;

use super::packet::Packet;
use super::psi::{ProgramStream, Sections, StreamCodec, parse_pat, parse_pmt};

/// Packets of one PID.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    clear: u32,
    scrambled: u32,
    /// PES packets inside are scrambled.
    hidden: bool,
}

/// Packets of each PID. There are 8,192 PIDs at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(BTreeMap<u16, Count>);

impl Counts {
    pub(super) fn add(&mut self, pid: u16, scrambled: bool) {
        let count = self.0.entry(pid).or_default();
        let packets = if scrambled {
            &mut count.scrambled
        } else {
            &mut count.clear
        };
        *packets = packets.saturating_add(1);
    }

    /// A scrambled PES packet lies in packets that are not.
    pub(super) fn hide(&mut self, pid: u16) {
        self.0.entry(pid).or_default().hidden = true;
    }

    fn clear(&self, pid: u16) -> u32 {
        self.0.get(&pid).map_or(0, |count| count.clear)
    }

    /// Whether most of what there is of a stream is scrambled.
    pub(super) fn is_scrambled(&self, pid: u16) -> bool {
        let count = self.0.get(&pid).copied().unwrap_or_default();
        count.hidden || count.scrambled > count.clear
    }
}

/// One programme of the PAT with its map.
#[derive(Clone, Debug)]
struct Map {
    number: u16,
    pid: u16,
    sections: Sections,
    streams: Vec<ProgramStream>,
}

/// The tables of a transport stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Programs {
    pat: Sections,
    maps: Vec<Map>,
    /// Number of the programme taken.
    taken: Option<u16>,
    /// Several programmes are compared before one is taken.
    pub(super) compares: bool,
}

impl Programs {
    /// For another place of the same stream.
    pub(super) fn resumed(&self) -> Self {
        let mut programs = self.clone();
        programs.compares = false;
        programs.pat.reset();
        programs.maps.iter_mut().for_each(|m| m.sections.reset());
        programs
    }

    /// Takes a packet of any PID. Returns whether the streams of the programme taken are new or others.
    pub(super) fn push(&mut self, packet: &Packet<'_>) -> bool {
        if packet.pid == 0 {
            let mut found = None;
            self.pat.push(packet.start, packet.payload, &mut |section| {
                found = parse_pat(section).or(found.take());
            });
            found.is_some_and(|programs| self.update(&programs))
        } else {
            self.map(packet)
        }
    }

    fn update(&mut self, programs: &[(u16, u16)]) -> bool {
        let old = std::mem::take(&mut self.maps);
        let known = |(number, pid)| {
            let same = |map: &&Map| (map.number, map.pid) == (number, pid);
            old.iter().find(same).cloned().unwrap_or_else(|| Map {
                number,
                pid,
                sections: Sections::default(),
                streams: Vec::new(),
            })
        };
        self.maps = programs.iter().copied().map(known).collect();
        // The programme may have been given another number; the next map with streams of ours is it.
        self.taken = self
            .taken
            .filter(|number| self.maps.iter().any(|map| map.number == *number));
        false
    }

    fn map(&mut self, packet: &Packet<'_>) -> bool {
        let (taken, may_take) = (self.taken, !self.compares || self.maps.len() == 1);
        let mut changed = false;
        // Several programmes may have their maps on one PID.
        for map in self.maps.iter_mut().filter(|map| map.pid == packet.pid) {
            let (number, mut found) = (map.number, None);
            map.sections
                .push(packet.start, packet.payload, &mut |section| {
                    let is_its = section.get(3..5) == Some(&number.to_be_bytes());
                    found = parse_pmt(section).filter(|_| is_its).or(found.take());
                });
            let Some(streams) = found.filter(|streams| *streams != map.streams) else {
                continue;
            };
            let is_usable = streams.iter().any(|stream| stream.codec.is_ours());
            map.streams = streams;
            if taken == Some(number) {
                changed = true;
            } else if taken.is_none() && self.taken.is_none() && may_take && is_usable {
                (self.taken, changed) = (Some(number), true);
            }
        }
        changed
    }

    /// Takes the programme of which most clear packets of pictures (or, without any, of sound) have come.
    pub(super) fn decide(&mut self, counts: &Counts) {
        self.compares = false;
        let weight = |map: &Map| {
            let of = |wanted: fn(StreamCodec) -> bool| -> u64 {
                let streams = map.streams.iter().filter(|stream| wanted(stream.codec));
                streams
                    .map(|stream| u64::from(counts.clear(stream.pid)))
                    .sum()
            };
            (of(StreamCodec::is_our_video), of(StreamCodec::is_our_audio))
        };
        // Of equals the first.
        let best = self
            .maps
            .iter()
            .rev()
            .max_by_key(|map| weight(map))
            .filter(|map| weight(map) > (0, 0));
        self.taken = best.map(|map| map.number).or(self.taken);
    }

    /// Whether a map has come.
    pub(super) fn have_map(&self) -> bool {
        self.maps.iter().any(|map| !map.streams.is_empty())
    }

    pub(super) fn is_decided(&self) -> bool {
        self.taken.is_some()
    }

    /// Pictures and sounds of the programme taken (or else of the first that has any) in the order of its map.
    pub(super) fn streams(&self) -> &[ProgramStream] {
        let taken = self.maps.iter().find(|map| Some(map.number) == self.taken);
        let any = || self.maps.iter().find(|map| !map.streams.is_empty());
        taken.or_else(any).map_or(&[], |map| &map.streams)
    }
}

/// The picture and the sound to take: the first of which there is anything, or else the first.
pub(super) fn pick<'a>(
    streams: &'a [ProgramStream],
    counts: &Counts,
) -> (Option<&'a ProgramStream>, Option<&'a ProgramStream>) {
    let first = |wanted: fn(StreamCodec) -> bool| {
        let ours = || streams.iter().filter(|stream| wanted(stream.codec));
        let present = ours().find(|stream| counts.clear(stream.pid) > 0);
        present.or_else(|| ours().next())
    };
    (
        first(StreamCodec::is_our_video),
        first(StreamCodec::is_our_audio),
    )
}
