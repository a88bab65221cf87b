//! A small seeded source of numbers (SplitMix64), so that a seed gives the same log on every machine. Not
//! for secrets.

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A stream of numbers that depends on `seed` alone.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in 0..1, 1 excluded.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        // The modulus favours small values by less than 2⁻⁴⁰ for every span used here.
        low + self.bits() % (high - low + 1)
    }

    /// An index below `len` (≥ 1).
    pub fn index(&mut self, len: usize) -> usize {
        (self.bits() % len as u64) as usize
    }

    /// One of `items` (not empty).
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// An index below `len` (≥ 1), index i with weight 1 / (i + 1): Zipf's law of exponent one.
    pub fn zipf(&mut self, len: usize) -> usize {
        let total: f64 = (1..=len).map(|i| 1.0 / i as f64).sum();
        let mut left = self.unit() * total;
        for i in 0..len {
            left -= 1.0 / (i + 1) as f64;
            if left < 0.0 {
                return i;
            }
        }
        len - 1
    }

    /// Exponentially distributed with this mean, at most eight times it.
    pub fn wait(&mut self, mean: f64) -> f64 {
        (-libm::log(1.0 - self.unit()) * mean).min(mean * 8.0)
    }
}

/// SplitMix64's finaliser: a good hash of one word.
pub fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
