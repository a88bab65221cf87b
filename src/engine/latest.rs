//! Sessions by latest sign of life. Mostly a user has few, and the smallest node of a tree has room for eleven.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::model::ids::SessionId;
use crate::model::time::EventTime;

/// As many are kept in a row.
const FEW: usize = 16;

/// A latest sign of life and the session that gave it.
pub type Sign = (EventTime, SessionId);

/// Sessions by their latest sign of life, then id.
#[derive(Debug)]
pub enum Latest {
    /// In a row.
    Few(Vec<Sign>),
    /// There were too many.
    Many(BTreeSet<Sign>),
}

impl Default for Latest {
    fn default() -> Latest {
        Latest::Few(Vec::new())
    }
}

impl Latest {
    /// Adds a session.
    pub fn insert(&mut self, sign: Sign) {
        match self {
            Latest::Few(few) => {
                if let Err(place) = few.binary_search(&sign) {
                    few.insert(place, sign);
                }
                if few.len() > FEW {
                    *self = Latest::Many(std::mem::take(few).into_iter().collect());
                }
            }
            Latest::Many(many) => _ = many.insert(sign),
        }
    }

    /// Takes a session out.
    pub fn remove(&mut self, sign: &Sign) {
        match self {
            Latest::Few(few) => {
                if let Ok(place) = few.binary_search(sign) {
                    few.remove(place);
                }
            }
            Latest::Many(many) => _ = many.remove(sign),
        }
    }

    /// Sessions.
    pub fn len(&self) -> usize {
        match self {
            Latest::Few(few) => few.len(),
            Latest::Many(many) => many.len(),
        }
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From the one that was silent longest.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Sign> {
        let (few, many) = match self {
            Latest::Few(few) => (few.as_slice(), None),
            Latest::Many(many) => (&[][..], Some(many)),
        };
        few.iter().chain(many.into_iter().flatten())
    }

    /// From the one that was active last, only those before `end` in the order of [`Latest::iter`] if it is given. What
    /// lies beyond costs next to nothing.
    pub fn newest(&self, end: Option<&Sign>) -> impl Iterator<Item = &Sign> {
        let (few, many) = match self {
            Latest::Few(few) => {
                let until = end.map_or(few.len(), |end| few.partition_point(|sign| sign < end));
                (&few[..until], None)
            }
            Latest::Many(many) => {
                let end = end.map_or(Bound::Unbounded, Bound::Excluded);
                (&[][..], Some(many.range::<Sign, _>((Bound::Unbounded, end))))
            }
        };
        few.iter().rev().chain(many.into_iter().flat_map(|range| range.rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_held_alike() {
        let sign = |n: i64| (EventTime(n * 7 % 10), SessionId::new(&format!("s-{n}")).expect("an id"));
        let (mut latest, mut expected) = (Latest::default(), BTreeSet::new());
        for n in 0..2 * FEW as i64 {
            for again in 0..2 {
                latest.insert(sign(n));
                expected.insert(sign(n));
                assert!(latest.iter().eq(&expected) && latest.len() == expected.len(), "{n}, time {again}");
            }
            if n % 3 == 0 {
                latest.remove(&sign(n / 2));
                latest.remove(&sign(n / 2));
                expected.remove(&sign(n / 2));
            }
            assert!(latest.iter().rev().eq(expected.iter().rev()), "{n}");
            assert!(latest.newest(None).eq(expected.iter().rev()), "{n}");
            let end = sign(n / 3);
            assert!(latest.newest(Some(&end)).eq(expected.range(..&end).rev()), "{n}");
        }
        assert!(matches!(latest, Latest::Many(_)));
        expected.iter().for_each(|sign| latest.remove(sign));
        assert!(latest.is_empty() && latest.iter().next().is_none());
    }
}
