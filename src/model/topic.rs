//! What a session is about, in 64 bytes: how often each of some components of its embeddings was positive or negative.
//!
//! The embedding of a turn tells where a conversation stands; of the last turn often just that it ends. Which sessions are
//! about the same is told better by all of their turns together (docs/backtest.md has figures).

use std::hint::black_box;

use half::f16;
use multiversion::multiversion;

/// Components that are looked at, at even distances.
pub const TOPIC_COMPONENTS: usize = 128;
/// Bytes of a topic: four bits a component.
pub const TOPIC_BYTES: usize = TOPIC_COMPONENTS / 2;
/// The most that a component is counted to, either way.
const MOST: i8 = 7;

/// A half of a byte in which the count is 0.
const ZERO: u8 = 8;
/// Both halves of a byte so.
const ZEROS: u8 = ZERO << 4 | ZERO;

/// Counts of signs, each −7..7: two a byte, the first one in the low half, each as its count plus 8. All bytes 0: nothing
/// was seen yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic([u8; TOPIC_BYTES]);

impl Default for Topic {
    fn default() -> Topic {
        Topic([0; TOPIC_BYTES])
    }
}

impl Topic {
    /// Adds an embedding. Of one with fewer components than are looked at, the rest stays 0.
    pub fn see(&mut self, vector: &[f16]) {
        if self.is_empty() {
            self.0 = [ZEROS; TOPIC_BYTES];
        }
        let step = (vector.len() / TOPIC_COMPONENTS).max(1);
        let mut signs = vector.iter().step_by(step).map(|x| i8::from(*x > f16::ZERO) - i8::from(*x < f16::ZERO));
        for byte in &mut self.0 {
            let [low, high] = counts(*byte).map(|count| (count + signs.next().unwrap_or(0)).clamp(-MOST, MOST));
            *byte = (low + ZERO as i8) as u8 | ((high + ZERO as i8) as u8) << 4;
        }
    }

    /// The cosine of two topics; `None` if either is empty or balanced.
    pub fn cosine(&self, other: &Topic) -> Option<f64> {
        if self.is_empty() || other.is_empty() {
            return None;
        }
        let [product, one, two] = dots(&self.0, &other.0).map(f64::from);
        let norms = one * two;
        (norms > 0.0).then(|| product / norms.sqrt())
    }

    /// Nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        // No half of a byte in use is 0.
        self.0[0] == 0
    }

    /// Reads it, so that it is at hand.
    pub fn warm(&self) {
        black_box((self.0[0], self.0[TOPIC_BYTES - 1]));
    }

    /// As it is stored; `None` if empty.
    pub fn to_bytes(&self) -> Option<[u8; TOPIC_BYTES]> {
        (!self.is_empty()).then_some(self.0)
    }

    /// Reads [`Self::to_bytes`] back. `None`: these are no bytes of a topic.
    pub fn from_bytes(bytes: &[u8]) -> Option<Topic> {
        let bytes: [u8; TOPIC_BYTES] = bytes.try_into().ok()?;
        bytes.iter().all(|byte| byte & 15 > 0 && byte >> 4 > 0).then_some(Topic(bytes))
    }
}

/// The two counts of a byte.
#[inline(always)]
fn counts(byte: u8) -> [i8; 2] {
    [byte & 15, byte >> 4].map(|half| half as i8 - ZERO as i8)
}

/// The product of two topics, and of each with itself. Small numbers sum up to small ones, of which a processor takes many
/// at a time.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2", "aarch64+neon"))]
fn dots(one: &[u8; TOPIC_BYTES], two: &[u8; TOPIC_BYTES]) -> [i16; 3] {
    const _: () = assert!(TOPIC_COMPONENTS as i64 * MOST as i64 * MOST as i64 <= i16::MAX as i64);
    let mut sums = [0; 3];
    for (one, two) in one.iter().zip(two) {
        let ([a, b], [c, d]) = (counts(*one).map(i16::from), counts(*two).map(i16::from));
        sums[0] += a * c + b * d;
        sums[1] += a * a + b * b;
        sums[2] += c * c + d * d;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vector(signs: &[i8]) -> Vec<f16> {
        signs.iter().map(|sign| f16::from_f32(f32::from(*sign))).collect()
    }

    proptest! {
        #[test]
        fn bytes_come_back(turns in prop::collection::vec(prop::collection::vec(prop_oneof![Just(-1i8), Just(1)], 256), 0..20)) {
            let mut topic = Topic::default();
            turns.iter().for_each(|signs| topic.see(&vector(signs)));
            let back = topic.to_bytes().map_or(Topic::default(), |bytes| Topic::from_bytes(&bytes).unwrap());
            prop_assert_eq!(&back, &topic);
        }

        #[test]
        fn any_bytes_are_a_topic_or_none(bytes in prop::collection::vec(any::<u8>(), TOPIC_BYTES)) {
            let valid = bytes.iter().all(|byte| byte & 15 > 0 && byte >> 4 > 0);
            let read = Topic::from_bytes(&bytes);
            prop_assert_eq!(read.is_some(), valid);
            prop_assert!(read.is_none_or(|topic| topic.to_bytes().unwrap()[..] == bytes[..]));
        }
    }

    #[test]
    fn the_same_signs_are_near_and_opposite_ones_far() {
        let (mut one, mut two, mut three) = (Topic::default(), Topic::default(), Topic::default());
        let signs: Vec<i8> = (0..768).map(|at| if at % 5 < 2 { -1 } else { 1 }).collect();
        let opposite: Vec<i8> = signs.iter().map(|sign| -sign).collect();
        assert_eq!(one.cosine(&two), None);
        (0..9).for_each(|_| one.see(&vector(&signs)));
        two.see(&vector(&signs));
        three.see(&vector(&opposite));
        assert_eq!((one.cosine(&two), one.cosine(&three)), (Some(1.0), Some(-1.0)));
        assert_eq!(Topic::from_bytes(&[0; 3]), None);
    }

    #[test]
    fn few_components_are_all_looked_at() {
        let (mut one, mut two) = (Topic::default(), Topic::default());
        one.see(&vector(&[1, 1, -1, 1]));
        two.see(&vector(&[1, 1, 1, 1]));
        assert_eq!(one.cosine(&two), Some(0.5));
    }
}
