//! Who may profit from whom: every suggestion that holds, and every session it names, against the log read by the plain
//! rule. None crosses a tenant, leaves a session of scope `none`, or the user of one of scope `user`; and none draws on KV
//! of another session that is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use rekindle::engine::{Effects, Engine};
use rekindle::model::ids::{SessionId, SuggestionId, TenantId};
use rekindle::model::position::PartitionId;
use rekindle::model::session::SessionView;
use rekindle::model::suggestion::{Advice, MatchBasis, Publication, RecoveryPlan, Suggestion, TransferPlan};
use rekindle::model::verdict::Verdict;
use serde_json::Value;

use super::events::{History, history, settings};
use super::harness::{process, suggestions};

/// What orders the events of a session: time, the producer's number, id.
type Stamp = (i64, u64, String);

/// The log, as far as it counts: what was not refused, forgotten or erased.
#[derive(Clone, Default)]
struct Log {
    now: i64,
    sessions: BTreeMap<(String, String), BTreeMap<Stamp, Value>>,
}

fn text<'v>(event: &'v Value, field: &str) -> Option<&'v str> {
    event.get(field).and_then(Value::as_str)
}

impl Log {
    fn read(&mut self, event: &Value, verdict: &Verdict) {
        if matches!(verdict, Verdict::Rejected(_)) {
            return;
        }
        let at = event["occurred_at"].as_i64().expect("a time");
        self.now = self.now.max(at);
        let (now, kept) = (self.now, settings().retention.0);
        self.sessions.retain(|_, events| events.keys().next_back().is_some_and(|last| last.0 + kept > now));
        let tenant = text(event, "tenant_id").expect("a tenant").to_owned();
        if text(event, "type") == Some("subject_erased") {
            if *verdict == Verdict::Applied {
                self.erase(event, &tenant);
            }
            return;
        }
        if let Some(session) = text(event, "session_id") {
            let seq = event.pointer("/producer/seq").and_then(Value::as_u64).unwrap_or(0);
            let stamp = (at, seq, text(event, "event_id").expect("an id").to_owned());
            self.sessions.entry((tenant, session.to_owned())).or_default().insert(stamp, event.clone());
        }
    }

    fn erase(&mut self, event: &Value, tenant: &str) {
        let erased: Vec<_> = self.sessions.keys().filter(|key| key.0 == tenant).cloned().collect();
        let erased = erased.into_iter().filter(|(_, session)| match text(event, "scope") {
            Some("session") => text(event, "session_id") == Some(session),
            Some("user") => self.user(tenant, session).as_deref() == text(event, "user_id"),
            _ => true,
        });
        let erased: Vec<_> = erased.collect();
        erased.iter().for_each(|key| _ = self.sessions.remove(key));
    }

    fn events(&self, tenant: &str, session: &str) -> impl DoubleEndedIterator<Item = &Value> {
        self.sessions.get(&(tenant.to_owned(), session.to_owned())).into_iter().flat_map(BTreeMap::values)
    }

    /// Of the smallest stamp that has one.
    fn user(&self, tenant: &str, session: &str) -> Option<String> {
        self.events(tenant, session).find_map(|event| text(event, "user_id").map(str::to_owned))
    }

    /// The newest.
    fn scope(&self, tenant: &str, session: &str) -> String {
        let scope = self.events(tenant, session).rev().find_map(|event| text(event, "transfer_scope"));
        scope.unwrap_or("none").to_owned()
    }

    /// Whether `from` lets `to` profit: as a prefix or in a transfer, else for the user's next session.
    fn allows(&self, tenant: &str, from: &str, to: &str, of_all: bool) -> bool {
        let same_user = || {
            let (from, to) = (self.user(tenant, from), self.user(tenant, to));
            from.is_some() && from == to
        };
        from == to
            || match self.scope(tenant, from).as_str() {
                "tenant" => of_all || same_user(),
                "user" => same_user(),
                _ => false,
            }
    }
}

/// A session that a suggestion names, and whether it may be anybody's of the tenant.
fn named(suggestion: &Suggestion) -> Vec<(&SessionId, bool)> {
    match &suggestion.advice {
        Advice::Transfer(_) => vec![(suggestion.from_session(), true)],
        Advice::Recovery(r) => {
            let prefix = |plan: &RecoveryPlan| matches!(plan, RecoveryPlan::RestoreKv | RecoveryPlan::ResumeInPlace);
            let others = r.alternatives.iter().map(|other| (&other.session, prefix(&other.plan)));
            let rejected = r.rejected.iter().map(|other| (&other.session, true));
            [(&r.source.session, r.basis == MatchBasis::Prefix)].into_iter().chain(others).chain(rejected).collect()
        }
    }
}

/// Only a session's own KV or an exact prefix leads to KV.
fn is_sound(suggestion: &Suggestion) -> bool {
    match &suggestion.advice {
        Advice::Recovery(r) if r.source.session == suggestion.session => r.basis != MatchBasis::Prefix,
        Advice::Recovery(r) => {
            let kv = !matches!(r.plan, RecoveryPlan::ContextOnly | RecoveryPlan::AdapterOnly);
            kv == (r.basis == MatchBasis::Prefix) && kv == r.source.kv_cache.is_some()
        }
        Advice::Transfer(t) => (t.plan == TransferPlan::ReusePrefix) == t.prefix.is_some(),
    }
}

/// A prefix is told of only to a session that does not hold as much of its chain itself.
fn is_more_than_it_has(engine: &Engine, suggestion: &Suggestion) -> bool {
    let Advice::Transfer(transfer) = &suggestion.advice else { return true };
    let Some(prefix) = &transfer.prefix else { return true };
    let view = engine.session(&suggestion.tenant, &suggestion.session).expect("it is known");
    let own = view.kv_copies.iter().filter(|copy| copy.cache == prefix.copy.cache);
    own.map(|copy| copy.cached_tokens).max().is_none_or(|held| held < prefix.matched_tokens)
}

fn has_the_copy(view: &SessionView, suggestion: &Suggestion) -> bool {
    suggestion.kv_copy().is_none_or(|(promised, tokens)| {
        let same = |copy: &Arc<_>| {
            let copy: &rekindle::model::kv::KvCopy = copy;
            copy.place() == promised.place() && copy.cache == promised.cache && copy.cached_tokens >= tokens
        };
        view.kv_copies.iter().any(same)
    })
}

/// Goes through a history; returns what was published on the ground of a prefix.
fn check(events: &[Value]) -> BTreeSet<&'static str> {
    let mut engine = Engine::new(Arc::new(settings()), PartitionId(0), 1);
    let (mut effects, mut log, mut seen) = (Effects::new(), Log::default(), BTreeSet::new());
    let mut published: BTreeMap<SuggestionId, Suggestion> = BTreeMap::new();
    for (offset, event) in events.iter().enumerate() {
        let verdict = process(&mut engine, offset, event, &mut effects);
        let before = log.clone();
        log.read(event, &verdict);
        for (suggestion, publication) in suggestions(&effects) {
            if publication != Publication::Open {
                continue;
            }
            // Deadlines fire before the record that makes them due is folded.
            let by_deadline = suggestion.trigger.due_at.is_some();
            let log = if by_deadline { &before } else { &log };
            let (tenant, to) = (suggestion.tenant.as_str(), suggestion.session.as_str());
            for (from, of_all) in named(&suggestion) {
                assert!(
                    log.events(tenant, from.as_str()).next().is_some(),
                    "{from} is another tenant's: {suggestion:?}"
                );
                assert!(log.allows(tenant, from.as_str(), to, of_all), "{from} does not allow it: {suggestion:?}");
            }
            assert!(is_sound(&suggestion), "{suggestion:?}");
            assert!(by_deadline || is_more_than_it_has(&engine, &suggestion), "{suggestion:?}");
            if let Advice::Recovery(r) = &suggestion.advice
                && r.basis == MatchBasis::Prefix
            {
                seen.insert(r.plan.label());
            }
            seen.insert(suggestion.plan());
            published.insert(suggestion.id.clone(), suggestion);
        }
        effects.clear();
        for view in engine.sessions() {
            for open in &view.open_suggestions {
                holds(&engine, &log, &view.tenant, &published[open]);
            }
        }
    }
    seen
}

fn holds(engine: &Engine, log: &Log, tenant: &TenantId, open: &Suggestion) {
    let (from, to) = (open.from_session(), &open.session);
    let (_, of_all) = named(open)[0];
    assert!(log.allows(tenant.as_str(), from.as_str(), to.as_str(), of_all), "does not hold any more: {open:?}");
    if from != to {
        let view = engine.session(tenant, from).expect("its source is known");
        assert!(has_the_copy(&view, open), "its copy is gone: {open:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_suggestion_crosses_a_tenant_or_a_scope(
        events in prop_oneof![history(History::Whole, 80), history(History::Alike, 80)],
    ) {
        check(&events);
    }
}

/// The property means nothing where nothing is suggested.
#[test]
fn the_histories_have_suggestions_on_the_ground_of_a_prefix() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        seen.extend(check(&history(History::Alike, 80).new_tree(&mut runner).expect("a history").current()));
    }
    let wanted = ["resume_in_place", "restore_kv", "context_only", "use_adapter", "refer_context", "reuse_prefix"];
    assert!(wanted.iter().all(|plan| seen.contains(plan)), "{seen:?}");
}
