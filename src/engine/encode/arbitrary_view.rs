//! Random published views for property tests. Test support only.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::arbitrary::*;
use crate::model::event::{EndReason, TransferScope};
use crate::model::kv::Residency;
use crate::model::session::{SessionView, Status};
use crate::model::time::Millis;

/// A random published view. It need not fit any facets.
pub fn view() -> BoxedStrategy<SessionView> {
    let whose = (tenant(), session(), of(user()), of(word(Status::ALL)), of(word(EndReason::ALL)));
    let numbers = (any::<u32>(), of(any::<u64>()), of(time()), of(time()), (1000i64..1_000_000).prop_map(Millis));
    let kv = (of(adapter()), of(cache()), vec(kv_copy(), 0..3), of(word(Residency::ALL)));
    let links = (
        of((name(), any::<u32>())),
        word(TransferScope::ALL),
        (of(session()), of(session()), of(session())),
        of(name()),
        btree_map("[a-z]{1,3}".prop_map(Arc::from), json_text(), 0..4),
        any::<bool>(),
        vec(suggestion_id(), 0..3),
        position(),
    );
    (whose, numbers, kv, links)
        .prop_map(|(w, n, k, l)| SessionView {
            tenant: w.0,
            session: w.1,
            user: w.2,
            status: w.3,
            end_reason: w.4,
            turn_count: n.0,
            context_tokens: n.1,
            started_at: n.2,
            last_active: n.3,
            idle_timeout: n.4,
            active_adapter: k.0,
            cache: k.1,
            kv_copies: k.2,
            residency: k.3,
            context: l.0,
            transfer_scope: l.1,
            parent: l.2.0,
            continues: l.2.1,
            taken_up_by: l.2.2,
            context_ref: l.3,
            metadata: l.4.into_iter().collect(),
            gapped: l.5,
            open_suggestions: l.6,
            as_of: l.7,
        })
        .boxed()
}
