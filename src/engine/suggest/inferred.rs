//! What the next turn of a session tells of what was suggested to it, where the session itself does not report it.

use crate::engine::fold::active_adapter;
use crate::engine::store::took_up;
use crate::model::event::Turn;
use crate::model::kv::KvCopy;
use crate::model::session::Facets;
use crate::model::suggestion::{Advice, Outcome, RecoveryPlan, Suggestion, TransferPlan};

/// The outcome; `None`: the turn tells nothing. `facets`: the session's, the turn folded in.
pub fn outcome(suggestion: &Suggestion, turn: &Turn, facets: &Facets) -> Option<Outcome> {
    let named = turn.suggestion_id.as_ref() == Some(&suggestion.id);
    let done = |done: bool| Some(if done { Outcome::Restored } else { Outcome::Ignored });
    if let Some((copy, matched)) = suggestion.kv_copy() {
        return of_kv(suggestion, copy, matched, turn);
    }
    let from = suggestion.from_session();
    match &suggestion.advice {
        Advice::Recovery(r) if r.plan == RecoveryPlan::AdapterOnly => {
            done(r.source.adapter.is_some() && active_adapter(facets) == r.source.adapter.as_ref())
        }
        // That an earlier session of the user was taken up is known only where somebody says so.
        Advice::Recovery(_) => {
            let said = named || *from == suggestion.session || took_up(facets).any(|(source, _)| source == from);
            said.then_some(Outcome::Restored)
        }
        Advice::Transfer(t) => match t.plan {
            TransferPlan::UseAdapter => {
                done(t.adapter.is_some() && active_adapter(facets) == t.adapter.as_ref().map(|(adapter, _)| adapter))
            }
            TransferPlan::ReferContext | TransferPlan::ReusePrefix => named.then_some(Outcome::Restored),
        },
    }
}

/// How much of what the turn could use of the copy came from cache: nine tenths restored it, up to one tenth is none of it.
/// Where the turn does not tell, its worker does, if all there was to do was to go there.
fn of_kv(suggestion: &Suggestion, copy: &KvCopy, matched: u64, turn: &Turn) -> Option<Outcome> {
    let Some(cached) = turn.cached_tokens else {
        let Advice::Recovery(r) = &suggestion.advice else { return None };
        let (told, served) = copy.worker.as_ref().zip(turn.worker.as_ref())?;
        let routed = if told == served { Outcome::Restored } else { Outcome::Ignored };
        return (r.plan == RecoveryPlan::ResumeInPlace).then_some(routed);
    };
    let (cached, usable) = (u128::from(cached), u128::from(matched.min(turn.input_tokens)));
    match () {
        () if usable == 0 => None,
        () if cached * 10 >= usable * 9 => Some(Outcome::Restored),
        () if cached * 10 > usable => Some(Outcome::Partial),
        () => Some(Outcome::Ignored),
    }
}
