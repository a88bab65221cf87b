//! What a session is about, in 64 bytes: how often each of some components of its embeddings was positive or negative.
//!
//! The embedding of a turn tells where a conversation stands; of the last turn often just that it ends. Which sessions are
//! about the same is told better by all of their turns together (docs/backtest.md has figures).

use half::f16;

/// Components that are looked at, at even distances.
pub const TOPIC_COMPONENTS: usize = 128;
/// Bytes of a topic: four bits a component.
pub const TOPIC_BYTES: usize = TOPIC_COMPONENTS / 2;
/// The most that a component is counted to, either way.
const MOST: i8 = 7;

/// Counts of signs, each −7..7. Empty: nothing was seen yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topic(Option<Box<[i8; TOPIC_COMPONENTS]>>);

impl Topic {
    /// Adds an embedding. Of one with fewer components than are looked at, the rest stays 0.
    pub fn see(&mut self, vector: &[f16]) {
        let counts = self.0.get_or_insert_with(|| Box::new([0; TOPIC_COMPONENTS]));
        let step = (vector.len() / TOPIC_COMPONENTS).max(1);
        for (count, x) in counts.iter_mut().zip(vector.iter().step_by(step)) {
            let sign = i8::from(*x > f16::ZERO) - i8::from(*x < f16::ZERO);
            *count = (*count + sign).clamp(-MOST, MOST);
        }
    }

    /// The cosine of two topics; `None` if either is empty or balanced.
    pub fn cosine(&self, other: &Topic) -> Option<f64> {
        let (one, two) = (self.0.as_ref()?, other.0.as_ref()?);
        let norms = f64::from(dot(one, one)) * f64::from(dot(two, two));
        (norms > 0.0).then(|| f64::from(dot(one, two)) / norms.sqrt())
    }

    /// As it is stored: two components a byte, the first one in the low half, each as its count plus 8; `None` if empty.
    pub fn to_bytes(&self) -> Option<[u8; TOPIC_BYTES]> {
        let counts = self.0.as_ref()?;
        let half = |count: i8| (count + 8) as u8;
        Some(std::array::from_fn(|at| half(counts[2 * at]) | half(counts[2 * at + 1]) << 4))
    }

    /// Reads [`Self::to_bytes`] back. `None`: these are no bytes of a topic.
    pub fn from_bytes(bytes: &[u8]) -> Option<Topic> {
        let bytes: &[u8; TOPIC_BYTES] = bytes.try_into().ok()?;
        let mut counts = Box::new([0; TOPIC_COMPONENTS]);
        for (pair, byte) in counts.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            *pair = [byte & 15, byte >> 4].map(|half| half as i8 - 8);
        }
        counts.iter().all(|count| *count >= -MOST).then_some(Topic(Some(counts)))
    }
}

/// Small numbers sum up to small ones, of which a processor takes many at a time.
fn dot(one: &[i8; TOPIC_COMPONENTS], two: &[i8; TOPIC_COMPONENTS]) -> i16 {
    const _: () = assert!(TOPIC_COMPONENTS as i64 * MOST as i64 * MOST as i64 <= i16::MAX as i64);
    one.iter().zip(two).map(|(one, two)| i16::from(*one) * i16::from(*two)).sum()
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
