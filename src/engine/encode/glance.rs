//! What neighbours are judged by, read from where it lies in a state's fold: nothing is copied but the topic.

use std::borrow::Cow;

use super::passed::{Passed, Unread};
use super::read::{DecodeError, small, word};
use crate::engine::decode::wire::KvCopy;
use crate::engine::glance::{AdapterKey, Glance};
use crate::engine::positional::{Malformed, Positional, Reader, read_front};
use crate::model::event::{EndReason, TransferScope};
use crate::model::session::Status;
use crate::model::time::EventTime;
use crate::model::topic::Topic;

/// An optional text with the stamp that set it.
type Register<T> = Option<(i64, Option<T>)>;
type StampTable<'a> = Vec<(i64, i64, &'a str, i64)>;

/// Reads of a fold what a [`Glance`] tells.
pub fn glance(fold: &[u8]) -> Result<Glance<'_>, DecodeError> {
    let front = read_front::<Front<'_>>(fold).map_err(|Malformed| DecodeError::Field("fold"))?;
    let topic = front.topic.map_or(Some(Topic::default()), Topic::from_bytes);
    let live = front.status.map(|text| word("status", Status::parse(text))).transpose()?;
    Ok(Glance {
        turn_count: small("turn_count", front.turn_count)?,
        last_active: front.last_active.map(EventTime),
        topic: Cow::Owned(topic.ok_or(DecodeError::Field("topic"))?),
        status: if front.end.is_some() { Some(Status::Ended) } else { live },
        end: front.end.and_then(|(_, end)| end).map(|text| word("end", EndReason::parse(text))).transpose()?,
        adapter: adapter(&front)?,
        namespace: front.namespace,
        scope: front
            .scope
            .map_or(Ok(TransferScope::None), |text| word("transfer_scope", TransferScope::parse(text)))?,
        context_ref: front.context_ref,
    })
}

/// The newest activation, unless that adapter was deactivated later.
fn adapter<'a>(front: &Front<'a>) -> Result<Option<AdapterKey<'a>>, DecodeError> {
    let Some((activated, Some((id, version)))) = front.activation else { return Ok(None) };
    let stamp = |index: i64| {
        let found = usize::try_from(index).ok().and_then(|index| front.stamps.get(index));
        // As stamps are compared.
        found
            .map(|(at, seq, event, digest)| (*at, *seq as u64, *event, *digest as u64))
            .ok_or(DecodeError::Field("stamp"))
    };
    for (deactivated, _) in front.deactivations.iter().filter(|(_, other)| *other == id) {
        if stamp(*deactivated)? > stamp(activated)? {
            return Ok(None);
        }
    }
    Ok(Some((id, version)))
}

/// What a fold begins with, to the topic.
struct Front<'a> {
    stamps: StampTable<'a>,
    status: Option<&'a str>,
    end: Register<&'a str>,
    turn_count: i64,
    last_active: Option<i64>,
    scope: Option<&'a str>,
    activation: Register<AdapterKey<'a>>,
    deactivations: Vec<(i64, &'a str)>,
    context_ref: Option<&'a str>,
    namespace: Option<&'a str>,
    topic: Option<&'a [u8]>,
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
        let context_ref = Register::<&str>::read(reader)?;
        let cache = Register::<(&str, Option<(Unread, Option<Unread>)>, Option<Unread>)>::read(reader)?;
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
        let topic = if reader.left() == 0 { None } else { Option::<&[u8]>::read(reader)? };
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
        fn at_rest_a_session_is_judged_as_when_open(facets in any::facets(), book in any::book()) {
            let mut fold = Vec::new();
            super::super::fold(&mut fold, &facets, &book);
            let session = Session { facets, book, ..Session::default() };
            prop_assert_eq!(glance(&fold).unwrap(), session.glance());
        }

        #[test]
        fn what_ends_early_is_refused(facets in any::facets(), book in any::book(), share in 0.0..1.0) {
            let mut fold = Vec::new();
            super::super::fold(&mut fold, &facets, &Book { topic: Topic::default(), ..book });
            let end = (fold.len() as f64 * share) as usize;
            let whole = glance(&fold).unwrap();
            // A fold of the first version ends before the topic.
            prop_assert!(glance(&fold[..end]).is_err() || glance(&fold[..end]).unwrap() == whole);
        }
    }
}
