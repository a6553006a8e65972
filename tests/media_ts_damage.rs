//! Every transport stream sample with flipped bits, missing and doubled packets, and cut short: never a panic,
//! never much memory or reading, and no more units than there were.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::media::sample;
use exstreamd::error::Result;
use exstreamd::media::probe::probe;
use exstreamd::media::ts::{TsFile, TsStream};
use exstreamd::media::{AccessUnit, Demuxer, ReadAt, Ticks90k};

const SAMPLES: [&str; 7] = [
    "h264_aac.ts",
    "h264_ac3.ts",
    "hevc_eac3.ts",
    "mpeg2_mp2.ts",
    "h264_mp3.ts",
    "h264_wrap.ts",
    "h264_aac.m2ts",
];

/// Bytes that count how many of them are read.
struct Counted {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl ReadAt for Counted {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let from = (offset as usize).min(self.bytes.len());
        let length = buffer.len().min(self.bytes.len() - from);
        buffer[..length].copy_from_slice(&self.bytes[from..from + length]);
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }

    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn name(&self) -> &str {
        "film.ts"
    }
}

/// The most memory that this process has had.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap()
}

/// Knuth's MMIX generator: the same sequence on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below.max(1)
    }
}

fn damaged(sound: &[u8], stride: usize, round: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    let packets = bytes.len() / stride;
    match round % 7 {
        0 => {
            for _ in 0..300 {
                let place = random.below(bytes.len());
                bytes[place] ^= 1 << random.below(8);
            }
        }
        // Headers of packets, of PES packets and of what they hold.
        1 => {
            for _ in 0..300 {
                let place = random.below(packets) * stride + random.below(24);
                bytes[place] ^= 1 << random.below(8);
            }
        }
        2 => bytes.truncate(random.below(sound.len())),
        3 => drop(bytes.drain(..random.below(sound.len()))),
        4 => {
            for _ in 0..60 {
                let place = random.below(bytes.len() / stride) * stride;
                bytes.drain(place..place + stride);
            }
        }
        5 => {
            for _ in 0..60 {
                let (from, to) = (
                    random.below(packets) * stride,
                    random.below(packets) * stride,
                );
                bytes.copy_within(from..from + stride, to);
            }
        }
        // Whole stretches of anything.
        _ => {
            let from = random.below(bytes.len() / 2);
            let length = random.below(bytes.len() / 3);
            bytes[from..from + length].fill_with(|| random.below(256) as u8);
        }
    }
    bytes
}

/// Pushes endless bytes and takes what comes.
fn flood(packets: impl Iterator<Item = [u8; 188]>) {
    let (mut stream, mut unit) = (TsStream::new(), AccessUnit::default());
    for packet in packets {
        stream.push(&packet);
        while stream.next(&mut unit) {}
    }
    stream.finish();
    while stream.next(&mut unit) {}
}

#[test]
fn no_damage_costs_much_memory_or_reading_or_panics() {
    let mut random = Random(2_026);
    let mut unit = AccessUnit::default();
    let before = peak_kb();
    for name in SAMPLES {
        let sound = fs::read(sample(name)).unwrap();
        let stride = if name.ends_with("m2ts") { 192 } else { 188 };
        let whole = Arc::new(Counted {
            bytes: sound.clone(),
            read: AtomicU64::new(0),
        });
        let mut file = TsFile::open(whole).unwrap();
        let mut all = 0;
        while file.next(&mut unit).unwrap() {
            all += 1;
        }
        for round in 0..35 {
            let source = Arc::new(Counted {
                bytes: damaged(&sound, stride, round, &mut random),
                read: AtomicU64::new(0),
            });
            let Ok(mut file) = TsFile::open(source.clone()) else {
                continue;
            };
            let mut units = 0;
            while file.next(&mut unit).unwrap() {
                units += 1;
                assert!(unit.dts <= unit.pts, "{name} {round}");
            }
            // Doubled packets may double a few.
            assert!(units <= all + 70, "{name} {round}: {units} of {all}");
            let _ = probe(source.clone());
            for ms in [0, 3_000, 1_000_000] {
                let _ = file.seek(Ticks90k::from_ms(ms));
                let _ = file.next(&mut unit);
            }
            let read = source.read.load(Ordering::Relaxed) / source.size_bytes().max(1);
            assert!(read < 24, "{name} {round}: {read} times its size read");
        }
    }
    // A picture without end, sound without frames, and one stream while the other never comes.
    let start = fs::read(sample("h264_aac.ts")).unwrap();
    let start = start.as_chunks::<188>().0.to_vec();
    for pid in [0x100, 0x101] {
        let head: Vec<_> = start.iter().copied().take(200).collect();
        let is = |p: &&[u8; 188]| u16::from_be_bytes([p[1] & 0x1F, p[2]]) == pid;
        let goes_on = |p: &&[u8; 188]| is(p) && p[1] & 0x40 == 0 && p[3] & 0x20 == 0;
        let mut packet = *start.iter().find(goes_on).unwrap();
        let mut counter = head.iter().rfind(is).unwrap()[3];
        let endless = std::iter::repeat_with(move || {
            counter = (counter + 1) & 15;
            packet[3] = 0x10 | counter;
            packet
        });
        flood(head.into_iter().chain(endless.take(300_000)));
    }
    for pid in [0x100, 0x101] {
        let only = start.iter().copied().filter(|p| {
            let this = u16::from_be_bytes([p[1] & 0x1F, p[2]]);
            this == pid || this == 0 || this == 0x1000
        });
        flood(only.cycle().take(300_000));
    }
    let grown = peak_kb() - before;
    assert!(grown < 32 << 10, "{grown} KB");
}
