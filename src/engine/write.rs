//! Writes state records: each write is encoded at once, replaces an earlier one of the same key in the
//! batch, and is accounted for in the ledger.

use crate::engine::encode::keys::{self, BookKey};
use crate::engine::encode::{self, EncodeError, Row};
use crate::engine::ledger::{self, Ledger, WrittenHash};
use crate::engine::process::{Engine, Step};
use crate::engine::settings::OutputFormat;
use crate::engine::store::{Session, Tenant};
use crate::engine::{OutValue, Span, Topic};
use crate::model::event::Context;
use crate::model::ids::{SessionId, TenantId};
use crate::model::prefix::PrefixFamily;

/// Header that carries the Avro body of a state published as JSON: what a restore reads.
pub const STATE_HEADER: &str = "rekindle-state";

/// What we made ourselves fits its schema, whatever came in; anything else is a defect, and the record that
/// shows it is dead-lettered like any that makes a stage panic.
pub(super) fn sure<T>(written: Result<T, EncodeError>) -> T {
    written.unwrap_or_else(|fault| unreachable!("{fault}"))
}

impl Engine {
    /// Writes a session's state as of this record. Nothing happens if it is gone.
    pub(super) fn write_session(&mut self, step: &mut Step<'_>, tenant: &TenantId, id: &SessionId) {
        let now = self.stream_time;
        self.store.wake(tenant, id);
        let Some(Tenant { sessions, claims, open, .. }) = self.store.tenants.get_mut(tenant) else { return };
        let taken_up_by = claims.get(id).and_then(|takers| takers.first()).map(|(_, taker)| taker);
        let Some(session) = sessions.get_mut(id) else { return };
        session.book.as_of = step.position;
        session.book.as_of_time = now;
        let lens = crate::engine::view::Lens { settings: &self.settings, workers: &self.workers, tenant, now };
        let view = lens.published(id, &session.facets, &session.book, open, taken_up_by);
        let (key, hash) = (write_key(step, tenant, id), &mut session.kept.state_hash);
        let body = step.effects.write(|bytes| encode::state(bytes, &view, &session.facets, &session.book));
        ledger::account(&mut self.ledger.states, hash, hash_written(step, key, body));
        match self.settings.output {
            OutputFormat::Avro => step.effects.put_written(Topic::States, key, body),
            OutputFormat::Json => {
                let text = encode::state_json(&view.into(), true).to_string();
                let headers = vec![(STATE_HEADER, step.effects.written(body).to_vec())];
                step.effects.put(Topic::States, &keys::session(tenant, id), OutValue::Json(text.as_bytes()), headers);
            }
        }
    }

    /// Writes tombstones for everything stored of a session that was taken out of the store. Its open
    /// suggestions are the caller's.
    pub(super) fn bury_records(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        mut session: Session,
    ) {
        let key = keys::session(tenant, id);
        if session.kept.state_hash != 0 {
            ledger::account(&mut self.ledger.states, &mut session.kept.state_hash, 0);
            step.effects.put(Topic::States, &key, OutValue::Tombstone, Vec::new());
        }
        if session.kept.vector_hash != 0 {
            ledger::account(&mut self.ledger.vectors, &mut session.kept.vector_hash, 0);
            step.effects.put(Topic::Vectors, &key, OutValue::Tombstone, Vec::new());
        }
        for (family, segments) in &session.facets.prefix {
            for from_block in segments.keys() {
                self.drop_row(step, &BookKey::prefix(tenant, id, family, *from_block));
            }
        }
    }

    /// Brings the stored record of one prefix segment in line with the facets.
    pub(super) fn write_prefix(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SessionId,
        family: &PrefixFamily,
        from_block: u64,
    ) {
        let key = BookKey::prefix(tenant, id, family, from_block);
        let session = self.store.session(tenant, id);
        let segment = session.and_then(|session| session.facets.prefix.get(family)?.get(&from_block).cloned());
        match segment {
            Some(segment) => {
                let row = encode::PrefixRow { family: family.clone(), from_block, segment };
                self.write_row(step, &key, &Row::Prefix(row));
            }
            None => self.drop_row(step, &key),
        }
    }

    /// Writes a bookkeeping row, unless it already reads the same.
    pub(super) fn write_row(&mut self, step: &mut Step<'_>, key: &BookKey, row: &Row) {
        let (key, body) = (key.to_bytes(), sure(encode::row(row)));
        if self.ledger.row(&key, Some(&body)) {
            step.effects.put(Topic::Bookkeeping, &key, OutValue::Avro(&body), Vec::new());
        }
    }

    /// Removes a bookkeeping row, if it is there.
    pub(super) fn drop_row(&mut self, step: &mut Step<'_>, key: &BookKey) {
        let key = key.to_bytes();
        if self.ledger.row(&key, None) {
            step.effects.put(Topic::Bookkeeping, &key, OutValue::Tombstone, Vec::new());
        }
    }
}

/// Writes a session's embedding.
pub(super) fn write_vector(
    ledger: &mut Ledger,
    step: &mut Step<'_>,
    (tenant, id): (&TenantId, &SessionId),
    session: &mut Session,
    context: &Context,
) {
    let write = |bytes: &mut Vec<u8>| encode::vector(bytes, &context.space, context.covers_turn, &context.vector);
    let key = write_key(step, tenant, id);
    let body = step.effects.write(write);
    ledger::account(&mut ledger.vectors, &mut session.kept.vector_hash, hash_written(step, key, body));
    step.effects.put_written(Topic::Vectors, key, body);
}

fn write_key(step: &mut Step<'_>, tenant: &TenantId, id: &SessionId) -> Span {
    step.effects.write(|bytes| keys::write_session(bytes, tenant, id))
}

fn hash_written(step: &Step<'_>, key: Span, body: Span) -> WrittenHash {
    ledger::hash(step.effects.written(key), step.effects.written(body))
}
