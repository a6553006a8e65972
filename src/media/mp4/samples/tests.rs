use std::sync::Arc;

use super::*;
use crate::media::read_at::BytesSource;

/// Tables written one behind the other.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn words(&mut self, entry_words: usize, words: &[u32]) -> Table {
        let offset = self.0.len() as u64;
        self.0.extend(words.iter().flat_map(|w| w.to_be_bytes()));
        let count = (words.len() / entry_words) as u32;
        Table { offset, count }
    }

    fn source(&self) -> Source {
        Arc::new(BytesSource::new("tables", self.0.clone()))
    }
}

/// Seven samples in chunks of 2, 2, 3; durations 10 x 3 then 20; sizes 100, 101, ….
fn tables(writer: &mut Writer) -> Tables {
    Tables {
        durations: writer.words(2, &[3, 10, 4, 20]),
        compositions: Some(writer.words(2, &[1, 5, 0, 99, 2, (-3i32) as u32])),
        chunk_runs: writer.words(3, &[1, 2, 1, 3, 3, 2]),
        sizes: Sizes::Each(writer.words(1, &[100, 101, 102, 103, 104, 105, 106])),
        chunks: Chunks::Short(writer.words(1, &[1000, 2000, 3000])),
        syncs: Some(writer.words(1, &[1, 4, 6])),
    }
}

fn all(samples: &mut Samples) -> Vec<Sample> {
    let mut found = Vec::new();
    while let Some(sample) = samples.peek().unwrap() {
        found.push(sample);
        samples.advance();
    }
    found
}

#[test]
fn samples_are_put_together_from_every_table() {
    let mut writer = Writer::default();
    let tables = tables(&mut writer);
    let found = all(&mut Samples::new(writer.source(), tables));
    let facts: Vec<_> = found
        .iter()
        .map(|s| {
            (
                s.offset,
                s.bytes,
                s.times.dts,
                s.times.composition,
                s.description,
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            (1000, 100, 0, 5, 0),
            (1100, 101, 10, -3, 0),
            (2000, 102, 20, -3, 0),
            (2102, 103, 30, 0, 0),
            (3000, 104, 50, 0, 1),
            (3104, 105, 70, 0, 1),
            (3209, 106, 90, 0, 1),
        ]
    );
}

#[test]
fn a_seek_to_any_sample_goes_on_like_a_walk_from_the_start() {
    let mut writer = Writer::default();
    let tables = tables(&mut writer);
    let mut samples = Samples::new(writer.source(), tables);
    let whole = all(&mut samples);
    for index in [3, 0, 6, 4, 5, 1, 2, 7, 6] {
        samples.seek(index).unwrap();
        assert_eq!(all(&mut samples), whole[index as usize..], "{index}");
    }
    for (dts, index) in [
        (-5, 0),
        (0, 0),
        (9, 0),
        (10, 1),
        (49, 3),
        (50, 4),
        (1000, 6),
    ] {
        assert_eq!(samples.index_at_dts(dts).unwrap(), index, "{dts}");
    }
}

#[test]
fn sync_samples_are_found_backwards() {
    let mut writer = Writer::default();
    let mut tables = tables(&mut writer);
    let mut samples = Samples::new(writer.source(), tables);
    for (index, sync) in [(0, 0), (2, 0), (3, 3), (4, 3), (5, 5), (6, 5)] {
        assert_eq!(
            samples.sync_at_or_before(index).unwrap(),
            Some(sync),
            "{index}"
        );
    }
    tables.syncs = None;
    let mut samples = Samples::new(writer.source(), tables);
    assert_eq!(samples.sync_at_or_before(4).unwrap(), Some(4));
}

#[test]
fn long_offsets_and_compact_sizes_are_read() {
    let mut writer = Writer::default();
    let usual = tables(&mut writer);
    let whole = all(&mut Samples::new(writer.source(), usual));
    let long = writer.words(2, &[1, 0, 0, 2000, 0, 3000]);
    let offsets = |tables| {
        let found = all(&mut Samples::new(writer.source(), tables));
        found
            .iter()
            .map(|s| (s.offset, s.bytes))
            .collect::<Vec<_>>()
    };
    let with_long = offsets(Tables {
        chunks: Chunks::Long(long),
        ..usual
    });
    assert_eq!(with_long[0].0, 1 << 32);
    assert_eq!(with_long[6].0, whole[6].offset);
    let mut writer = Writer::default();
    let _ = tables(&mut writer);
    let compact = writer.words(1, &[0x1234_5670]);
    for (bits, count, first, last) in [(4, 7, 1, 7), (8, 4, 0x12, 0x70), (16, 2, 0x1234, 0x5670)] {
        let sizes = Sizes::Compact {
            table: Table {
                offset: compact.offset,
                count,
            },
            bits,
        };
        let found = all(&mut Samples::new(
            writer.source(),
            Tables { sizes, ..usual },
        ));
        assert_eq!(found.len(), count as usize, "{bits} bits");
        assert_eq!(found[0].bytes, first, "{bits} bits");
        assert_eq!(found.last().map(|s| s.bytes), Some(last), "{bits} bits");
    }
}

#[test]
fn tables_larger_than_a_window_are_read_in_pieces() {
    let mut writer = Writer::default();
    let sizes: Vec<u32> = (0..5000).map(|n| n % 977 + 1).collect();
    let tables = Tables {
        durations: writer.words(2, &[5000, 1]),
        compositions: None,
        chunk_runs: writer.words(3, &[1, 5000, 1]),
        sizes: Sizes::Each(writer.words(1, &sizes)),
        chunks: Chunks::Short(writer.words(1, &[0])),
        syncs: None,
    };
    let mut samples = Samples::new(writer.source(), tables);
    let whole = all(&mut samples);
    assert_eq!(whole.iter().map(|s| s.bytes).collect::<Vec<_>>(), sizes);
    samples.seek(4321).unwrap();
    assert_eq!(samples.peek().unwrap(), Some(whole[4321]));
}

#[test]
fn tables_that_end_early_or_contradict_each_other_end_the_walk() {
    let mut writer = Writer::default();
    let usual = tables(&mut writer);
    let source = writer.source();
    let count = |tables| all(&mut Samples::new(source.clone(), tables)).len();
    let none = Table::default();
    // Without durations every sample has none; without chunks there are no samples.
    assert_eq!(
        count(Tables {
            durations: none,
            ..usual
        }),
        7
    );
    assert_eq!(
        count(Tables {
            chunk_runs: none,
            ..usual
        }),
        0
    );
    assert_eq!(
        count(Tables {
            chunks: Chunks::Short(none),
            ..usual
        }),
        0
    );
    // A table that reaches beyond the end of the file.
    let beyond = Table {
        offset: source.size_bytes() - 8,
        count: u32::MAX,
    };
    assert_eq!(
        count(Tables {
            sizes: Sizes::Each(beyond),
            ..usual
        }),
        2
    );
    for index in [0, 5, u32::MAX] {
        let mut samples = Samples::new(
            source.clone(),
            Tables {
                sizes: Sizes::Each(beyond),
                ..usual
            },
        );
        samples.seek(index).unwrap();
        samples.peek().unwrap();
    }
}
