//! The generator behind the shuffles of programs written in C#, for going on with a shuffle that one of them began.
//!
//! .NET's seeded `System.Random` is Knuth's subtractive generator (The Art of Computer Programming, volume 2, §3.2.2)
//! with a table of 55 words and a lag of 21 where Knuth has 31. Its answers are pinned by vectors in the tests.

/// What the generator counts modulo, and the bound of its answers.
const MODULUS: i32 = i32::MAX;
/// Digits of the golden ratio: where the table of a seed begins.
const GOLDEN: i32 = 161_803_398;
const WORDS: usize = 55;
const LAG: usize = 21;

/// A generator in the state that a seed gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DotNetRandom {
    words: [i32; WORDS],
    /// The word that is replaced next.
    at: usize,
}

impl DotNetRandom {
    /// As `new System.Random(seed)`.
    pub fn new(seed: i32) -> Self {
        let mut words = [0_i32; WORDS];
        let mut word = GOLDEN.wrapping_sub(seed.checked_abs().unwrap_or(MODULUS));
        // The words are numbered from 1 in the original: number 55 is the last here.
        put(&mut words, WORDS - 1, word);
        let mut next = 1_i32;
        for i in 1..WORDS {
            let place = LAG * i % WORDS - 1;
            put(&mut words, place, next);
            let after = wrapped(word.wrapping_sub(next));
            (word, next) = (next, after);
        }
        for _ in 0..4 {
            for i in 0..WORDS {
                let value = get(&words, i).wrapping_sub(get(&words, (i + 31) % WORDS));
                put(&mut words, i, wrapped(value));
            }
        }
        Self { words, at: 0 }
    }

    /// As `Next()`: a number from 0 up to, not including, 2^31 - 1.
    pub fn next_number(&mut self) -> i32 {
        let partner = get(&self.words, (self.at + LAG) % WORDS);
        let mut value = get(&self.words, self.at).wrapping_sub(partner);
        if value == MODULUS {
            value -= 1;
        }
        let value = wrapped(value);
        put(&mut self.words, self.at, value);
        self.at = (self.at + 1) % WORDS;
        value
    }

    /// As `NextDouble()`: a number from 0 up to, not including, 1.
    pub fn next_double(&mut self) -> f64 {
        f64::from(self.next_number()) * (1.0 / f64::from(MODULUS))
    }

    /// As `Next(bound)`: a number below `bound`; 0 for a bound of 0.
    pub fn next_below(&mut self, bound: u32) -> u32 {
        // A product below 2^32: the conversion cuts the fraction off, as the original does.
        (self.next_double() * f64::from(bound)) as u32
    }

    /// The shuffle of Fisher and Yates, from the end, as those programs do it.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for n in (1..items.len()).rev() {
            let k = self.next_below(u32::try_from(n + 1).unwrap_or(u32::MAX));
            items.swap(k as usize, n);
        }
    }
}

fn get(words: &[i32; WORDS], i: usize) -> i32 {
    words.get(i).copied().unwrap_or_default()
}

fn put(words: &mut [i32; WORDS], i: usize, value: i32) {
    if let Some(word) = words.get_mut(i) {
        *word = value;
    }
}

fn wrapped(value: i32) -> i32 {
    if value < 0 {
        value.wrapping_add(MODULUS)
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_give_the_numbers_that_dotnet_gives() {
        for (seed, expected) in [
            (
                0,
                [1_559_595_546, 1_755_192_844, 1_649_316_166, 1_198_642_031],
            ),
            (1, [534_011_718, 237_820_880, 1_002_897_798, 1_657_007_234]),
            (42, [1_434_747_710, 302_596_119, 269_548_474, 1_122_627_734]),
            (
                12345,
                [143_337_951, 150_666_398, 1_663_795_458, 1_097_663_221],
            ),
        ] {
            let mut random = DotNetRandom::new(seed);
            let numbers: Vec<_> = (0..4).map(|_| random.next_number()).collect();
            assert_eq!(numbers, expected, "seed {seed}");
            // The sign of a seed does not count.
            assert_eq!(DotNetRandom::new(-seed), DotNetRandom::new(seed));
        }
        assert_eq!(DotNetRandom::new(i32::MIN), DotNetRandom::new(i32::MAX));
    }

    #[test]
    fn bounded_numbers_and_shuffles_are_those_of_dotnet() {
        let mut random = DotNetRandom::new(42);
        let digits: Vec<_> = (0..12).map(|_| random.next_below(10)).collect();
        assert_eq!(digits, [6, 1, 1, 5, 1, 2, 7, 5, 1, 7, 2, 2]);
        for (seed, expected, next) in [
            (42, vec![2, 1, 4, 0, 3], 361_709_742),
            (12345, vec![4, 2, 1, 3, 5, 0], 1_776_631_026),
        ] {
            let mut random = DotNetRandom::new(seed);
            let mut items: Vec<_> = (0..expected.len()).collect();
            random.shuffle(&mut items);
            assert_eq!(
                (items, random.next_number()),
                (expected, next),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn numbers_stay_in_their_range_for_a_whole_turn_of_the_table() {
        for seed in [0, 7, i32::MAX] {
            let mut random = DotNetRandom::new(seed);
            for _ in 0..1000 {
                let number = random.next_number();
                assert!((0..i32::MAX).contains(&number));
            }
            assert_eq!(random.next_below(0), 0);
            assert_eq!(random.next_below(1), 0);
        }
    }
}
