//! The fold of a session at rest: its topic apart, then a card of what neighbours are judged by, then the rest of the
//! fold. A neighbour is judged by topic and card, and texts are read where the card says that they lie.

use std::hint::black_box;

use zerocopy::little_endian::{I64, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::passed::{Passed, Unread};
use super::read::{DecodeError, small, word};
use super::state_read::decode_fold;
use crate::engine::decode::wire::KvCopy;
use crate::engine::glance::{AdapterKey, Glance};
use crate::engine::positional::{Malformed, Positional, Reader, read_front};
use crate::model::event::{EndReason, TransferScope};
use crate::model::session::{Book, Facets, Status};
use crate::model::time::EventTime;
use crate::model::topic::Topic;

/// The fold of a session at rest.
#[derive(Debug, Default)]
pub struct Resting {
    topic: Topic,
    /// The card, then the fold without its topic.
    bytes: Box<[u8]>,
}

/// The union's branch for no topic.
const NO_TOPIC: [u8; 1] = [0];

/// What neighbours are judged by, but for the topic.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Card {
    last_active: I64,
    turn_count: U32,
    /// Where texts lie, counted from the fold's beginning; 0, where the stamps lie: none.
    adapter: U32,
    namespace: U32,
    context_ref: U32,
    /// Places in the lists of all words, counted from 1; 0: none.
    status: u8,
    end: u8,
    scope: u8,
    /// 1: there is a `last_active`; 0: none.
    was_active: u8,
}

impl Resting {
    /// Takes the bytes of a fold. Errors: they begin otherwise than a fold does. What is not asked for here may still
    /// not be readable: [`Self::read`].
    pub fn new(fold: &[u8]) -> Result<Resting, DecodeError> {
        let front = read_front::<Front<'_>>(fold).map_err(|Malformed| DecodeError::Field("fold"))?;
        let card = front.card(fold.len())?;
        let [before, after] = front.topic_left.map(|left| fold.len() - left);
        let (topic, parts) = match front.topic {
            Some(topic) => (Topic::from_bytes(topic), [&fold[..before], &NO_TOPIC, &fold[after..]]),
            None => (Some(Topic::default()), [fold, &[], &[]]),
        };
        let [before, none, after] = parts;
        let topic = topic.ok_or(DecodeError::Field("topic"))?;
        Ok(Resting { topic, bytes: [card.as_bytes(), before, none, after].concat().into() })
    }

    /// Its facets without their prefix chains, and its book.
    pub fn read(&self) -> Result<(Facets, Book), DecodeError> {
        let (_, fold) = self.parts()?;
        let (facets, book) = decode_fold(fold)?;
        Ok((facets, Book { topic: self.topic.clone(), ..book }))
    }

    /// What it is judged by as a neighbour.
    pub fn glance(&self) -> Result<Glance<'_>, DecodeError> {
        let (card, fold) = self.parts()?;
        Ok(Glance {
            turn_count: card.turn_count.get(),
            last_active: (card.was_active == 1).then(|| EventTime(card.last_active.get())),
            topic: &self.topic,
            status: numbered(Status::ALL, card.status),
            end: numbered(EndReason::ALL, card.end),
            adapter: lying_at(fold, card.adapter)?,
            namespace: lying_at(fold, card.namespace)?,
            scope: numbered(TransferScope::ALL, card.scope).unwrap_or(TransferScope::None),
            context_ref: lying_at(fold, card.context_ref)?,
        })
    }

    fn parts(&self) -> Result<(&Card, &[u8]), DecodeError> {
        Card::ref_from_prefix(&self.bytes).map_err(|_| DecodeError::Field("fold"))
    }

    /// Reads where the bytes lie, and the topic.
    pub fn warm_front(&self) {
        self.topic.warm();
        black_box(self.bytes.len());
    }

    /// Reads what a glance takes of the bytes.
    pub fn warm_card(&self) {
        if let Ok((card, fold)) = self.parts() {
            for place in [card.adapter, card.namespace] {
                black_box(fold.get(place.get() as usize).copied());
            }
        }
    }

    /// Reads everything.
    pub fn warm(&self) {
        self.bytes.chunks(64).for_each(|line| _ = black_box(line[0]));
    }
}

impl Front<'_> {
    fn card(&self, len: usize) -> Result<Card, DecodeError> {
        let live = self.status.map(|text| word("status", Status::parse(text))).transpose()?;
        let status = if self.end.is_some() { Some(Status::Ended) } else { live };
        let end = self.end.and_then(|(_, end)| end).map(|text| word("end", EndReason::parse(text))).transpose()?;
        let scope = self.scope.map(|text| word("transfer_scope", TransferScope::parse(text))).transpose()?;
        let place = |left: Option<usize>| -> Result<U32, DecodeError> {
            let at = u32::try_from(left.map_or(0, |left| len - left));
            at.map(U32::new).map_err(|_| DecodeError::Field("fold"))
        };
        Ok(Card {
            last_active: I64::new(self.last_active.unwrap_or_default()),
            turn_count: U32::new(small("turn_count", self.turn_count)?),
            adapter: place(self.adapter()?)?,
            namespace: place(self.namespace.as_ref().map(|namespace| namespace.left))?,
            context_ref: place(self.context_ref.as_ref().map(|context_ref| context_ref.left))?,
            status: number(Status::ALL, status),
            end: number(EndReason::ALL, end),
            scope: number(TransferScope::ALL, scope),
            was_active: self.last_active.is_some().into(),
        })
    }

    /// Bytes left from the newest activation's adapter on, unless that was deactivated later.
    fn adapter(&self) -> Result<Option<usize>, DecodeError> {
        let Some((activated, Some(At { left, value: (id, _) }))) = &self.activation else { return Ok(None) };
        let stamp = |index: i64| {
            let found = usize::try_from(index).ok().and_then(|index| self.stamps.get(index));
            // As stamps are compared.
            found
                .map(|(at, seq, event, digest)| (*at, *seq as u64, *event, *digest as u64))
                .ok_or(DecodeError::Field("stamp"))
        };
        for (deactivated, _) in self.deactivations.iter().filter(|(_, other)| other == id) {
            if stamp(*deactivated)? > stamp(*activated)? {
                return Ok(None);
            }
        }
        Ok(Some(*left))
    }
}

/// The place of a word in the list of all.
fn number<T: PartialEq>(all: &[T], word: Option<T>) -> u8 {
    let place = word.and_then(|word| all.iter().position(|other| *other == word));
    place.map_or(0, |place| place as u8 + 1)
}

fn numbered<T: Copy>(all: &[T], number: u8) -> Option<T> {
    all.get(usize::from(number).checked_sub(1)?).copied()
}

/// What lies in a fold at a place of the card; 0: nothing.
fn lying_at<'b, T: Positional<'b>>(fold: &'b [u8], place: U32) -> Result<Option<T>, DecodeError> {
    if place.get() == 0 {
        return Ok(None);
    }
    let value = fold.get(place.get() as usize..).and_then(|bytes| read_front(bytes).ok());
    value.map(Some).ok_or(DecodeError::Field("fold"))
}

/// An optional text with the stamp that set it.
type Register<T> = Option<(i64, Option<T>)>;
type StampTable<'a> = Vec<(i64, i64, &'a str, i64)>;

/// A value, with how many bytes were left from it on.
struct At<T> {
    left: usize,
    value: T,
}

impl<'b, T: Positional<'b>> Positional<'b> for At<T> {
    #[inline]
    fn read(reader: &mut Reader<'b>) -> Result<At<T>, Malformed> {
        Ok(At { left: reader.left(), value: T::read(reader)? })
    }
}

/// What a fold begins with, to the topic.
struct Front<'a> {
    stamps: StampTable<'a>,
    status: Option<&'a str>,
    end: Register<&'a str>,
    turn_count: i64,
    last_active: Option<i64>,
    scope: Option<&'a str>,
    activation: Register<At<AdapterKey<'a>>>,
    deactivations: Vec<(i64, &'a str)>,
    context_ref: Option<At<&'a str>>,
    namespace: Option<At<&'a str>>,
    topic: Option<&'a [u8]>,
    /// Bytes left from the topic on, and behind it.
    topic_left: [usize; 2],
}

/// Field by field in the schema's order; what is not asked for is passed over.
impl<'b> Positional<'b> for Front<'b> {
    fn read(reader: &mut Reader<'b>) -> Result<Front<'b>, Malformed> {
        let stamps = StampTable::read(reader)?;
        let status = Option::<(i64, &str, Option<Unread>, Option<i64>, Option<i64>)>::read(reader)?;
        let end = Register::read(reader)?;
        let turn_count = i64::read(reader)?;
        type LastTurn = (i64, i64, Option<i64>, Option<Unread>, Option<i64>, Option<i64>, Option<Unread>);
        Option::<LastTurn>::read(reader)?;
        let [_started_at, last_active] = [Option::read(reader)?, Option::read(reader)?];
        let _touched_at = i64::read(reader)?;
        let _user = Register::<Unread>::read(reader)?;
        let scope = Register::<&str>::read(reader)?;
        let _idle_timeout = Register::<i64>::read(reader)?;
        let activation = Register::read(reader)?;
        let deactivations = Vec::read(reader)?;
        let _parents: [Register<Unread>; 3] =
            [Register::read(reader)?, Register::read(reader)?, Register::read(reader)?];
        let context_ref = Register::read(reader)?;
        let cache = Register::<(At<&str>, Option<(Unread, Option<Unread>)>, Option<Unread>)>::read(reader)?;
        let _metadata = Passed::<(i64, Unread, Option<Unread>)>::read(reader)?;
        let _metadata_cleared = Option::<i64>::read(reader)?;
        let _context = Option::<(i64, Unread, i64)>::read(reader)?;
        let _placements = Passed::<(i64, KvCopy<Unread>)>::read(reader)?;
        type Eviction = (i64, Option<Unread>, Option<Unread>, Option<i64>, Option<i64>, Option<Unread>, i64, Unread);
        Passed::<Eviction>::read(reader)?;
        let _producers = Passed::<(Unread, i64, Passed<i64>, bool)>::read(reader)?;
        let _triggers = Passed::<(i64, Unread)>::read(reader)?;
        let _drift = f64::read(reader)?;
        let _open = Passed::<Unread>::read(reader)?;
        let _as_of = <(i64, i64, i64)>::read(reader)?;
        // States of the first version end here.
        let topic_at = reader.left();
        let topic = if topic_at == 0 { None } else { Option::read(reader)? };
        Ok(Front {
            stamps,
            status: status.map(|(_, status, ..)| status),
            end,
            turn_count,
            last_active,
            scope: scope.and_then(|(_, scope)| scope),
            activation,
            deactivations,
            context_ref: context_ref.and_then(|(_, text)| text),
            namespace: cache.and_then(|(_, cache)| cache).map(|(namespace, ..)| namespace),
            topic,
            topic_left: [topic_at, reader.left()],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary as any;
    use super::*;
    use crate::engine::store::Session;
    use crate::model::session::Book;

    proptest! {
        #[test]
        fn at_rest_a_session_is_judged_as_when_open(
            mut facets in any::facets(),
            book in any::book(),
            deactivated in proptest::option::of(any::stamp()),
        ) {
            // Of the adapter in use, before it was activated or after.
            let adapter = facets.activation.as_ref().and_then(|register| register.value.as_ref());
            if let Some((adapter, stamp)) = adapter.map(|adapter| adapter.id.clone()).zip(deactivated) {
                facets.deactivations.insert(adapter, stamp);
            }
            let mut fold = Vec::new();
            super::super::fold(&mut fold, &facets, &book);
            let resting = Resting::new(&fold).unwrap();
            prop_assert!(resting.read().unwrap() == (facets.clone(), book.clone()) || book.drift.is_nan());
            let session = Session { facets, book, ..Session::default() };
            prop_assert_eq!(resting.glance().unwrap(), session.glance());
        }

        #[test]
        fn what_ends_early_is_refused(facets in any::facets(), book in any::book(), share in 0.0..1.0) {
            let mut fold = Vec::new();
            super::super::fold(&mut fold, &facets, &Book { topic: Topic::default(), ..book });
            let end = (fold.len() as f64 * share) as usize;
            let whole = Resting::new(&fold).unwrap();
            let cut = Resting::new(&fold[..end]);
            // A fold of the first version ends before the topic.
            prop_assert!(cut.is_err() || cut.unwrap().glance().unwrap() == whole.glance().unwrap());
        }
    }
}
