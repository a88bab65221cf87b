//! What neighbours are judged by, read from where it lies in a state's fold: nothing is copied but the topic.

use std::borrow::Cow;

use serde::Deserialize;
use serde_bytes::Bytes;

use super::codecs::STATE;
use super::passed::{Passed, Unread};
use super::read::{DecodeError, small, word};
use super::state_wire::*;
use crate::engine::glance::Glance;
use crate::model::event::EndReason;
use crate::model::session::Status;
use crate::model::time::EventTime;
use crate::model::topic::Topic;

/// What a fold begins with, to the topic.
#[derive(Deserialize)]
struct Front<'a> {
    #[serde(borrow)]
    stamps: Vec<StampRecord<&'a str>>,
    status: Option<StatusRegister<&'a str>>,
    end: Option<TextRegister<&'a str>>,
    turn_count: i64,
    _last_turn: Option<LastTurn<Unread>>,
    _started_at: Option<i64>,
    last_active: Option<i64>,
    _touched_at: i64,
    _user: Option<TextRegister<Unread>>,
    _transfer_scope: Option<TextRegister<Unread>>,
    _idle_timeout_ms: Option<LongRegister>,
    activation: Option<AdapterRegister<&'a str>>,
    deactivations: Vec<Deactivation<&'a str>>,
    _parent: Option<TextRegister<Unread>>,
    _continues: Option<TextRegister<Unread>>,
    _resumed_from: Option<TextRegister<Unread>>,
    _context_ref: Option<TextRegister<Unread>>,
    cache: Option<CacheRegister<&'a str>>,
    _metadata: Passed<MetadataRegister<Unread>>,
    _metadata_cleared: Option<i32>,
    _context: Option<ContextRegister<Unread>>,
    _placements: Passed<Placement<Unread>>,
    _evictions: Passed<Eviction<Unread>>,
    _producers: Passed<SeenSeqs<Unread, Passed<i64>>>,
    _triggers: Passed<LastTrigger<Unread>>,
    _drift: f64,
    _open: Passed<Unread>,
    _as_of: PositionRecord,
    _as_of_time: i64,
    #[serde(borrow, default)]
    topic: Option<&'a Bytes>,
}

/// Reads of a fold what a [`Glance`] tells.
pub fn glance(fold: &[u8]) -> Result<Glance<'_>, DecodeError> {
    let (front, _): (Front<'_>, _) = STATE.read_head(fold)?;
    let topic = front.topic.map_or(Some(Topic::default()), |bytes| Topic::from_bytes(bytes));
    let end = front.end.as_ref().and_then(|end| end.value);
    Ok(Glance {
        turn_count: small("turn_count", front.turn_count)?,
        last_active: front.last_active.map(EventTime),
        topic: Cow::Owned(topic.ok_or(DecodeError::Field("topic"))?),
        status: status(&front)?,
        end: end.map(|reason| word("end", EndReason::parse(reason))).transpose()?,
        adapter: adapter(&front)?,
        namespace: front.cache.and_then(|register| register.value).map(|cache| cache.namespace),
    })
}

fn status(front: &Front<'_>) -> Result<Option<Status>, DecodeError> {
    let live = front.status.as_ref().map(|register| word("status", Status::parse(register.value))).transpose()?;
    Ok(if front.end.is_some() { Some(Status::Ended) } else { live })
}

/// The newest activation, unless that adapter was deactivated later.
fn adapter<'a>(front: &Front<'a>) -> Result<Option<(&'a str, Option<&'a str>)>, DecodeError> {
    let Some(AdapterRegister { stamp: activated, value: Some(adapter) }) = &front.activation else { return Ok(None) };
    let stamp = |index: i32| {
        let found = usize::try_from(index).ok().and_then(|index| front.stamps.get(index));
        found.map(StampRecord::order).ok_or(DecodeError::Field("stamp"))
    };
    let activated = stamp(*activated)?;
    for deactivation in front.deactivations.iter().filter(|d| d.adapter_id == adapter.id) {
        if stamp(deactivation.stamp)? > activated {
            return Ok(None);
        }
    }
    Ok(Some((adapter.id, adapter.version)))
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
