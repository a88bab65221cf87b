//! Identity of a suggestion: the same finding has the same id, however often it is made.

use sha2::{Digest, Sha256};

use crate::model::ids::{SessionId, SuggestionId, TenantId};
use crate::model::suggestion::{Advice, Trigger};

/// First 128 bits, in hexadecimal, of SHA-256 over tenant, session, kind, plan, source session, trigger kind,
/// trigger event or deadline, and policy digest, each preceded by its length.
pub fn suggestion_id(
    tenant: &TenantId,
    session: &SessionId,
    advice: &Advice,
    trigger: &Trigger,
    policy: &str,
) -> Option<SuggestionId> {
    let (kind, plan, from) = match advice {
        Advice::Recovery(r) => ("recovery", r.plan.label(), &r.source.session),
        Advice::Transfer(t) => ("transfer", t.plan.label(), &t.source),
    };
    let cause = match (&trigger.event_id, trigger.due_at) {
        (Some(event), _) => event.as_str().to_owned(),
        (None, Some(due)) => due.to_string(),
        (None, None) => String::new(),
    };
    let mut hasher = Sha256::new();
    let parts = [tenant.as_str(), session.as_str(), kind, plan, from.as_str(), trigger.kind.label(), &cause, policy];
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    SuggestionId::new(&hex::encode(&hasher.finalize()[..16])).ok()
}
