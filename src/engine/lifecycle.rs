//! The life of a suggestion: opened once, then superseded, revoked, closed by an outcome, or past its
//! validity. What is open is in the store, in its session's book and in bookkeeping alike.

use std::sync::Arc;

use crate::engine::encode::keys::{self, BookKey};
use crate::engine::encode::{self, Row};
use crate::engine::endings::{End, Told};
use crate::engine::process::{Engine, Step};
use crate::engine::settings::OutputFormat;
use crate::engine::store::{Due, Store};
use crate::engine::trials::ended;
use crate::engine::view::scope;
use crate::engine::write::sure;
use crate::engine::{Notice, OutValue, Topic};
use crate::model::event::TransferScope;
use crate::model::ids::{SessionId, SuggestionId, TenantId};
use crate::model::suggestion::{
    Actual, Advice, Delivery, MatchBasis, Outcome, Publication, RevokeReason, Suggestion, TransferPlan,
};

impl Engine {
    /// Opens a suggestion, unless it is outdated already or the same one is open. An open recovery of the
    /// session is superseded first. Its session's state has to be written afterwards.
    pub(super) fn open(&mut self, step: &mut Step<'_>, mut suggestion: Suggestion) {
        let outdated = suggestion.valid_until.is_none_or(|until| until <= self.stream_time);
        let (tenant_id, session_id) = (suggestion.tenant.clone(), suggestion.session.clone());
        let is_open = |id| self.store.tenants.get(&tenant_id).is_some_and(|t| t.open.contains_key(id));
        if outdated || is_open(&suggestion.id) {
            return;
        }
        if !self.admit(step, &tenant_id, &session_id) {
            return;
        }
        if self.settings.policy.withholds(&tenant_id, &session_id) {
            suggestion.delivery = Delivery::Withheld;
        }
        if suggestion.is_recovery() {
            for id in self.open_of(&tenant_id, &session_id, Suggestion::is_recovery) {
                let superseded = Publication::Revoked(RevokeReason::Superseded);
                // One that nobody saw is not named.
                let held = self.retire(step, &tenant_id, &id, &superseded);
                suggestion.supersedes = held.filter(|held| !held.is_withheld()).map(|_| id);
            }
        }
        self.begin_trial(&suggestion);
        self.publish(step, &suggestion, &Publication::Open);
        let key = BookKey::Open(tenant_id, session_id, suggestion.id.clone());
        let row = Row::Open(Box::new(suggestion));
        self.write_row(step, &key, &row);
        if let Row::Open(suggestion) = row {
            self.list_open(Arc::from(suggestion), true);
        }
    }

    /// Enters an open suggestion everywhere it is looked for. `fresh`: also into its session's book.
    pub(super) fn list_open(&mut self, suggestion: Arc<Suggestion>, fresh: bool) {
        let (tenant_id, session_id) = (suggestion.tenant.clone(), suggestion.session.clone());
        let id = suggestion.id.clone();
        if let Some(until) = suggestion.valid_until {
            self.store.spanning.deadlines.insert((
                until,
                tenant_id.clone(),
                session_id.clone(),
                Due::Suggestion(id.clone()),
            ));
        }
        if fresh && let Some(session) = self.store.session_mut(&tenant_id, &session_id) {
            session.book.open.push(id.clone());
        }
        let tenant = self.store.tenants.hold(&tenant_id);
        tenant.sourced.entry(suggestion.from_session().clone()).or_default().insert(id.clone());
        tenant.open.insert(id, suggestion);
    }

    /// Takes an open suggestion out of every list and out of bookkeeping, without publishing anything.
    pub(super) fn unlist_open(
        &mut self,
        step: &mut Step<'_>,
        tenant_id: &TenantId,
        id: &SuggestionId,
    ) -> Option<Arc<Suggestion>> {
        let suggestion = self.store.unlist(tenant_id, id)?;
        self.drop_row(step, &BookKey::Open(tenant_id.clone(), suggestion.session.clone(), id.clone()));
        Some(suggestion)
    }

    /// Ends an open suggestion and says so. Its session's state has to be written afterwards.
    pub(super) fn retire(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        id: &SuggestionId,
        publication: &Publication,
    ) -> Option<Arc<Suggestion>> {
        let suggestion = self.unlist_open(step, tenant, id)?;
        self.publish(step, &suggestion, publication);
        self.end_trial(&suggestion, Some(publication));
        if let Publication::Closed(_, Actual { saved_ms: Some(saved), basis, .. }) = publication
            && !suggestion.is_withheld()
        {
            // What nobody could act on saved nothing.
            step.effects.notices.push(Notice::Saved(*saved, basis.label()));
        }
        if let Some(outcome) = publication.outcome() {
            step.effects.notices.push(ended(&suggestion, outcome));
            self.tell_end(step, &suggestion, Some(publication.clone()));
        }
        Some(suggestion)
    }

    /// A suggestion past its validity: readers know the instant, so nothing is published.
    pub(super) fn expire_suggestion(&mut self, step: &mut Step<'_>, tenant: &TenantId, id: &SuggestionId) {
        if let Some(suggestion) = self.unlist_open(step, tenant, id) {
            step.effects.notices.push(ended(&suggestion, Outcome::Expired));
            self.tell_end(step, &suggestion, None);
            self.end_trial(&suggestion, None);
            self.write_session(step, tenant, &suggestion.session);
        }
    }

    /// Tells what became of a suggestion, whole, if everybody it speaks of is still held. `publication`: what was said of
    /// its end; `None`: it is past its validity.
    fn tell_end(&self, step: &mut Step<'_>, suggestion: &Arc<Suggestion>, publication: Option<Publication>) {
        let holds = |id| self.holds(&suggestion.tenant, id);
        if holds(&suggestion.session) && holds(suggestion.from_session()) {
            let end = Some(End { publication, at: self.stream_time });
            step.effects.notices.push(Notice::Ended(Box::new(Told { suggestion: Arc::clone(suggestion), end })));
        }
    }

    /// Ids of a session's open suggestions that `pass`, oldest first.
    pub(super) fn open_of(
        &self,
        tenant: &TenantId,
        session: &SessionId,
        pass: impl Fn(&Suggestion) -> bool,
    ) -> Vec<SuggestionId> {
        let Some(tenant) = self.store.tenants.get(tenant) else { return Vec::new() };
        let Some(session) = tenant.session(session) else { return Vec::new() };
        session.book.open.iter().filter(|id| tenant.open.get(*id).is_some_and(|s| pass(s))).cloned().collect()
    }

    /// Revokes those of a session's open suggestions that `pass`.
    pub(super) fn revoke(
        &mut self,
        step: &mut Step<'_>,
        tenant: &TenantId,
        session: &SessionId,
        reason: RevokeReason,
        pass: impl Fn(&Suggestion) -> bool,
    ) -> bool {
        let ids = self.open_of(tenant, session, pass);
        for id in &ids {
            self.retire(step, tenant, id, &Publication::Revoked(reason));
        }
        !ids.is_empty()
    }

    /// Revokes open suggestions, to this session or drawn on it, that its scope or user no longer allows.
    pub(super) fn recheck_consent(&mut self, step: &mut Step<'_>, tenant_id: &TenantId, session: &SessionId) {
        let Some(tenant) = self.store.tenants.get(tenant_id) else { return };
        let drawn = tenant.sourced.get(session).into_iter().flatten().cloned();
        let ids: Vec<SuggestionId> = drawn.chain(self.open_of(tenant_id, session, |_| true)).collect();
        for id in ids {
            let Some(suggestion) = self.store.tenants.get(tenant_id).and_then(|t| t.open.get(&id)).cloned() else {
                continue;
            };
            if !self.consented(&suggestion) {
                self.retire(step, tenant_id, &id, &Publication::Revoked(RevokeReason::ScopeTightened));
                if suggestion.session != *session {
                    self.write_session(step, tenant_id, &suggestion.session);
                }
            }
        }
    }

    /// Whether the source of a suggestion still lets its session profit.
    fn consented(&self, suggestion: &Suggestion) -> bool {
        let (to, from) = (&suggestion.session, suggestion.from_session());
        if to == from {
            return true;
        }
        let session = |id| self.store.session(&suggestion.tenant, id);
        let (Some(to), Some(from)) = (session(to), session(from)) else { return false };
        let user = |s: &crate::engine::store::Session| s.facets.user.as_ref().map(|r| r.value.clone());
        let (to_user, from_user) = (user(&to), user(&from));
        match &suggestion.advice {
            Advice::Recovery(r) if r.basis == MatchBasis::Prefix => {
                scope(&from.facets).allows(from_user.as_ref(), to_user.as_ref())
            }
            Advice::Recovery(_) => scope(&from.facets) != TransferScope::None && to_user == from_user,
            Advice::Transfer(_) => scope(&from.facets).allows(from_user.as_ref(), to_user.as_ref()),
        }
    }

    /// Whether an equal transfer is open: the same plan from the same session, or the same adapter.
    pub(super) fn transfer_is_open(
        &self,
        tenant: &TenantId,
        session: &SessionId,
        next: &crate::model::suggestion::Transfer,
    ) -> bool {
        let same = |s: &Suggestion| match &s.advice {
            Advice::Recovery(_) => false,
            Advice::Transfer(held) => {
                let adapter = next.plan == TransferPlan::UseAdapter
                    && held.adapter.as_ref().map(|a| &a.0) == next.adapter.as_ref().map(|a| &a.0);
                held.plan == next.plan && (held.source == next.source || adapter)
            }
        };
        !self.open_of(tenant, session, same).is_empty()
    }

    /// Publishes a suggestion, or a change of one that was published.
    pub(super) fn publish(&self, step: &mut Step<'_>, suggestion: &Suggestion, publication: &Publication) {
        let (kind, plan, status) = (suggestion.kind(), suggestion.plan(), publication.status());
        step.effects.notices.push(Notice::Suggestion(kind, plan, status));
        if suggestion.is_withheld() {
            return step.effects.notices.push(Notice::Withheld(kind, plan, status));
        }
        let topic = match suggestion.advice {
            Advice::Recovery(_) => Topic::Recovery,
            Advice::Transfer(_) => Topic::Transfer,
        };
        let key = keys::session(&suggestion.tenant, &suggestion.session);
        let headers = encode::headers(suggestion, publication, step.traceparent);
        match self.settings.output {
            OutputFormat::Avro => {
                let body = sure(encode::suggestion(suggestion, publication));
                step.effects.push(topic, Some(&key), OutValue::Avro(&body), headers);
            }
            OutputFormat::Json => {
                let text = encode::suggestion_json(suggestion, publication).to_string();
                step.effects.push(topic, Some(&key), OutValue::Json(text.as_bytes()), headers);
            }
        }
    }
}

impl Store {
    /// Takes an open suggestion out of every list; its bookkeeping row is the caller's.
    pub fn unlist(&mut self, tenant_id: &TenantId, id: &SuggestionId) -> Option<Arc<Suggestion>> {
        let tenant = self.tenants.get_mut(tenant_id)?;
        let suggestion = tenant.open.remove(id)?;
        let from = suggestion.from_session();
        if let Some(ids) = tenant.sourced.get_mut(from) {
            ids.remove(id);
            if ids.is_empty() {
                tenant.sourced.remove(from);
            }
        }
        if let Some(session) = self.session_mut(tenant_id, &suggestion.session) {
            session.book.open.retain(|open| open != id);
        }
        if let Some(until) = suggestion.valid_until {
            let due = Due::Suggestion(id.clone());
            self.spanning.deadlines.remove(&(until, tenant_id.clone(), suggestion.session.clone(), due));
        }
        Some(suggestion)
    }
}
