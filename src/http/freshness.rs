//! Answers that are to cover a certain record: a request waits, for a while, until its partition has folded it, so that
//! who wrote an event can read what came of it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::fields::Fields;
use super::port::Behind;
use super::problem::{Place, Problem};
use super::seen::Seen;
use crate::model::ids::TenantId;
use crate::model::position::{Offset, PartitionId, Position};

/// How long a request may wait, and does where it does not say, in ms.
pub(super) const WAIT_MS: (u64, u64) = (30_000, 1_000);

/// What an answer is to cover.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AtLeast {
    record: Position,
    wait: Duration,
}

impl Fields {
    /// The record that the answer is to cover, if one is named, and how long to wait for it.
    pub fn at_least(&mut self) -> Result<Option<AtLeast>, Problem> {
        let named = self.take("at_least");
        let wait = self.whole("wait_ms", 0..=WAIT_MS.0)?;
        let record = match named {
            None if wait.is_some() => return Err(self.fault("wait_ms", "needs at_least beside it")),
            None => return Ok(None),
            Some(Value::String(text)) => text.parse().map_err(|fault| self.fault("at_least", fault))?,
            Some(Value::Object(values)) => {
                position(Fields::within("at_least", values).only(&["partition", "offset"])?)?
            }
            Some(_) => return Err(self.fault("at_least", "must be partition and offset, in a URL PARTITION:OFFSET")),
        };
        Ok(Some(AtLeast { record, wait: Duration::from_millis(wait.unwrap_or(WAIT_MS.1)) }))
    }
}

fn position(mut fields: Fields) -> Result<Position, Problem> {
    let mut required = |name, most| {
        let number = fields.whole(name, 0..=most)?;
        number.ok_or_else(|| fields.fault(name, "is required"))
    };
    let partition = PartitionId(required("partition", i32::MAX as u64)? as i32);
    Ok(Position { partition, offset: Offset(required("offset", i64::MAX as u64)? as i64) })
}

impl Seen {
    /// Waits until an answer about a tenant covers what it is to; a problem if that does not come in time. Holds up nobody
    /// else. Where the tenant is not seen there is no answer to wait for.
    pub async fn until(&self, tenant: &TenantId, at_least: Option<AtLeast>) -> Result<(), Problem> {
        let Some((AtLeast { record, wait }, port)) = at_least.zip(self.port(tenant)) else { return Ok(()) };
        // An answer that is cut off tells nothing: the wait ends before.
        let wait = wait.min(self.patience);
        let mut deadline = None;
        while let Some(Behind { stands, passing }) = port.behind(record)? {
            let until = *deadline.get_or_insert_with(|| Instant::now() + wait);
            if Instant::now() >= until {
                let detail = format!(
                    "at_least: partition {} has not folded offset {} within {} ms",
                    record.partition,
                    record.offset,
                    wait.as_millis()
                );
                return Err(Problem::too_early(detail, Place::of(&stands)));
            }
            // Woken or out of time: it may have come further in either case.
            drop(timeout_at(until, passing).await);
        }
        Ok(())
    }
}
