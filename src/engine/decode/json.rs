//! JSON values to events: one flat object, `type` names the body, its fields stand beside it.

use serde::Deserialize;

use super::lent::Lent;
use super::strict::{self, JsonFault};
use super::wire::{Body, Envelope, Event};
use crate::model::verdict::{RejectReason, Rejection};

/// The one field that must be read before the body.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

pub(super) fn read(text: &[u8]) -> Result<Event<'static>, Rejection> {
    let value = strict::parse(text).map_err(|fault| {
        let reason = match fault {
            JsonFault::Trailing => RejectReason::TrailingBytes,
            _ => RejectReason::Malformed,
        };
        Rejection::new(reason, fault.to_string())
    })?;
    let Kind { kind } = Kind::deserialize(Lent(&value))?;
    let envelope = Envelope::deserialize(Lent(&value))?;
    let body = Body::read::<Lent<'_>>(&kind, Lent(&value))
        .ok_or_else(|| Rejection::new(RejectReason::UnknownType, "type: names no body of the contract"))??;
    Ok(Event { envelope, body })
}
