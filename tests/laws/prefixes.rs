//! What is found by a chain, against a look at every session: who may profit, how deep, in which order, by which copy, also
//! where the budget of blocks leaves chains out, and after erasures.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use rekindle::engine::suggest::bytes;
use rekindle::engine::{Effects, Engine, PrefixMatch, RecoveryQuery};
use rekindle::model::event::{ResumeRequested, TransferScope};
use rekindle::model::ids::{Name, SessionId, TenantId, UserId};
use rekindle::model::kv::{CacheIdentity, KvCopy, Tier};
use rekindle::model::position::PartitionId;
use rekindle::model::prefix::{PrefixFamily, PrefixUpdate};
use rekindle::model::session::SessionView;
use rekindle::model::suggestion::{Advice, MatchBasis};
use rekindle::model::time::EventTime;
use serde_json::Value;

use super::events::{History, history, settings};
use super::harness::process;

/// A session with its visible chain.
#[derive(Clone)]
struct Held {
    view: SessionView,
    family: PrefixFamily,
    chain: Vec<u64>,
    /// Positions that there can be KV of.
    backed: usize,
}

impl Held {
    fn at(&self) -> EventTime {
        self.view.last_active.unwrap_or(EventTime::MIN)
    }

    fn copy(&self, cache: &CacheIdentity) -> Option<&Arc<KvCopy>> {
        self.view.kv_copies.iter().find(|copy| copy.cache == *cache).filter(|_| self.backed > 0)
    }
}

#[derive(Debug, Clone)]
struct Question {
    tenant: TenantId,
    cache: CacheIdentity,
    family: PrefixFamily,
    chain: Vec<u64>,
    user: Option<UserId>,
    except: Option<SessionId>,
}

fn held(engine: &Engine, tenant: &TenantId) -> Vec<Held> {
    let views = engine.sessions().into_iter().filter(|view| view.tenant == *tenant);
    let with_chain = |view: SessionView| {
        let (family, chain) = engine.prefix(tenant, &view.session)?;
        let backed = engine.backed_prefix(tenant, &view.session);
        (!chain.is_empty()).then_some(Held { view, family, chain, backed })
    };
    views.filter_map(with_chain).collect()
}

/// Of the sessions that let the whole tenant profit those that are indexed, with the distinct blocks they have: the latest
/// ones that fit.
fn indexed(all: &[Held], most: usize) -> (BTreeSet<SessionId>, usize, usize) {
    let allows = |held: &&Held| held.view.transfer_scope == TransferScope::Tenant && held.view.cache.is_some();
    let mut order: Vec<_> = all.iter().filter(allows).collect();
    order.sort_by_key(|held| Reverse((held.at(), held.view.session.clone())));
    let (mut blocks, mut fitted) = (BTreeSet::new(), BTreeSet::new());
    for held in &order {
        let mut with = blocks.clone();
        let kind = format!("{:?}{:?}", held.view.cache, held.family);
        with.extend((1..=held.chain.len()).map(|len| (kind.clone(), held.chain[..len].to_vec())));
        if with.len() > most {
            break;
        }
        blocks = with;
        fitted.insert(held.view.session.clone());
    }
    let left_out = order.len() - fitted.len();
    (fitted, blocks.len(), left_out)
}

fn tokens(family: &PrefixFamily, depth: usize) -> u64 {
    // The last hash stands for all blocks up to its own.
    let last_block = (depth as u64 - 1) * u64::from(family.stride);
    (last_block + 1) * u64::from(family.block_tokens)
}

/// Whom a question may be answered with, and how deep each goes.
fn sharing<'h>(all: &'h [Held], q: &Question, most: usize) -> Vec<(usize, &'h Held)> {
    let (fitted, ..) = indexed(all, most);
    let may = |held: &&Held| {
        let of_user = q.user.is_some() && held.view.user == q.user;
        let allows = match held.view.transfer_scope {
            TransferScope::None => false,
            TransferScope::User => of_user,
            TransferScope::Tenant => of_user || fitted.contains(&held.view.session),
        };
        allows && Some(&held.view.session) != q.except.as_ref()
    };
    let equal = |held: &&Held| held.view.cache.as_ref() == Some(&q.cache) && held.family == q.family;
    let depth = |held: &'h Held| (held.chain.iter().zip(&q.chain).take_while(|(a, b)| a == b).count(), held);
    all.iter().filter(may).filter(equal).map(depth).filter(|(depth, _)| *depth > 0).collect()
}

fn matches(all: &[Held], q: &Question, most: usize, limit: usize) -> Vec<PrefixMatch> {
    let mut found = sharing(all, q, most);
    found.sort_by_key(|(depth, held)| {
        let tier = held.copy(&q.cache).map(|copy| copy.tier);
        Reverse((*depth, tier.is_some(), Reverse(tier), held.at(), held.view.session.clone()))
    });
    let told = |(depth, held): (usize, &Held)| {
        let copy = held.copy(&q.cache).cloned();
        let of_copy = |copy: &Arc<KvCopy>| tokens(&held.family, depth.min(held.backed)).min(copy.cached_tokens);
        let tokens = copy.as_ref().map_or(tokens(&held.family, depth), of_copy);
        PrefixMatch { session: held.view.session.clone(), depth, tokens, copy, at: held.at() }
    };
    found.into_iter().take(limit).map(told).collect()
}

/// Whether bringing so many tokens of a copy saves time at the default rates.
fn saves(copy: &KvCopy, tokens: u64) -> bool {
    let bytes = bytes::of(copy, tokens, 131_072.0);
    let restored = match copy.tier {
        Tier::Hot => 1.0,
        Tier::Warm => 10.0 + bytes / 10e9 * 1000.0,
        Tier::Cold => 50.0 + bytes / 1e9 * 1000.0,
    };
    tokens as f64 / 8000.0 * 1000.0 - restored > 1e-6
}

/// The session whose copy holds most of a chain and saves time.
fn best(all: &[Held], q: &Question, most: usize) -> Option<(SessionId, u64)> {
    let usable = sharing(all, q, most).into_iter().filter_map(|(depth, held)| {
        let copy = held.copy(&q.cache)?;
        let tokens = tokens(&held.family, depth.min(held.backed)).min(copy.cached_tokens);
        let rank = (tokens, depth, Reverse(copy.tier), held.at(), held.view.session.clone());
        saves(copy, tokens).then_some(rank)
    });
    usable.max().map(|(tokens, .., session)| (session, tokens))
}

fn ask(engine: &Engine, q: &Question, all: &[Held], most: usize) -> Result<bool, TestCaseError> {
    let Question { tenant, cache, family, chain, user, except } = q;
    for limit in [1, 2, 9] {
        let found = engine.prefix_match(tenant, cache, family, chain, user.as_ref(), except.as_ref(), limit);
        prop_assert_eq!(found, matches(all, q, most, limit));
    }
    // A session that nobody knows asks: whatever it gets is another one's.
    let prefix = PrefixUpdate { family: family.clone(), from_block: 0, hashes: chain.clone() };
    let request = ResumeRequested { cache: Some(cache.clone()), prefix: Some(prefix), context: None };
    let session = Some(SessionId::new("s-new").expect("an id"));
    let query = RecoveryQuery { tenant: tenant.clone(), session, user: user.clone(), request, candidate_workers: None };
    let expected = best(all, &Question { except: None, ..q.clone() }, most);
    let answer = engine.recovery(&query).map(|suggestion| suggestion.advice);
    let by_prefix = match answer {
        Some(Advice::Recovery(r)) if r.basis == MatchBasis::Prefix => {
            prop_assert_eq!(r.missing_tokens, Some(tokens(family, chain.len()) - r.matched_tokens.unwrap_or(0)));
            prop_assert_eq!(r.source.cache.as_ref(), Some(cache));
            r.matched_tokens.map(|tokens| (r.source.session, tokens))
        }
        _ => None,
    };
    prop_assert_eq!(by_prefix, expected.clone());
    by_chain_alone(engine, &Question { except: None, ..q.clone() }, query, all, most)?;
    Ok(expected.is_some())
}

/// The session that a chain goes on with, or back in: the user's own if a user asks.
fn goes_on_with(all: &[Held], q: &Question, most: usize) -> Option<SessionId> {
    let shared = |held: &Held| held.chain.iter().zip(&q.chain).take_while(|(a, b)| a == b).count();
    let whole = |held: &&Held| shared(held) == held.chain.len() || shared(held) == q.chain.len();
    let of_user = |held: &&Held| q.user.is_none() || held.view.user == q.user;
    let found: Vec<Held> = all.iter().filter(whole).filter(of_user).cloned().collect();
    let (fitted, ..) = indexed(all, most);
    let found: Vec<Held> =
        found.into_iter().filter(|held| q.user.is_some() || fitted.contains(&held.view.session)).collect();
    matches(&found, q, usize::MAX, 1).into_iter().next().map(|found| found.session)
}

fn by_chain_alone(
    engine: &Engine,
    q: &Question,
    query: RecoveryQuery,
    all: &[Held],
    most: usize,
) -> Result<(), TestCaseError> {
    let answer = engine.recovery(&RecoveryQuery { session: None, ..query });
    match goes_on_with(all, q, most) {
        Some(named) => prop_assert_eq!(answer.map(|suggestion| suggestion.session), Some(named)),
        None if q.user.is_none() => {
            let source = answer.map(|suggestion| suggestion.session);
            prop_assert_eq!(source, best(all, q, most).map(|(session, _)| session));
        }
        None => {}
    }
    Ok(())
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn question() -> impl Strategy<Value = Question> {
    let chain = (1usize..5, prop::collection::vec(0u64..3, 0..3))
        .prop_map(|(stem, rest)| [9, 8, 7, 6].into_iter().take(stem).chain(rest).collect());
    let user = prop::option::of(prop::sample::select(vec!["u-1", "u-2"]));
    let except = prop::option::of(prop::sample::select(vec!["s-1", "s-2"]));
    (1u8..3, prop::sample::select(vec!["m/fp8", "m/fp8", "n/fp16"]), 1u32..3, chain, user, except).prop_map(
        |(tenant, namespace, stride, chain, user, except)| Question {
            tenant: TenantId::new(&format!("t-{tenant}")).expect("an id"),
            cache: CacheIdentity { namespace: name(namespace), adapter: None, salt_id: None },
            family: PrefixFamily { algorithm: name("sha"), block_tokens: 256, stride },
            chain,
            user: user.map(|user| UserId::new(user).expect("an id")),
            except: except.map(|id| SessionId::new(id).expect("an id")),
        },
    )
}

/// Returns how many questions were answered with a copy.
fn check(events: &[Value], questions: &[Question], most: usize) -> Result<usize, TestCaseError> {
    let mut settings = settings();
    settings.max_prefix_blocks = most;
    // Whatever is found is sure to be suggested.
    settings.policy.weights.prefix_match = 100.0;
    let mut engine = Engine::new(Arc::new(settings), PartitionId(0), 1);
    let mut effects = Effects::new();
    let mut answered = 0;
    for (offset, event) in events.iter().enumerate() {
        let mut event = event.clone();
        // What is compared goes by the configured rates: nothing is to be learnt of others.
        if let Value::Object(event) = &mut event {
            event.retain(|field, _| !["ttft_ms", "restore_ms"].contains(&field.as_str()));
        }
        process(&mut engine, offset, &event, &mut effects);
        effects.clear();
        let (mut blocks, mut left_out) = (0, 0);
        for tenant in ["t-1", "t-2"] {
            let tenant = TenantId::new(tenant).expect("an id");
            let all = held(&engine, &tenant);
            let (_, held, out) = indexed(&all, most);
            (blocks, left_out) = (blocks + held as u64, left_out + out as u64);
            for question in questions.iter().filter(|question| question.tenant == tenant) {
                answered += usize::from(ask(&engine, question, &all, most)?);
            }
        }
        let stats = engine.stats();
        prop_assert_eq!((stats.prefix_blocks, stats.prefix_left_out), (blocks, left_out));
    }
    Ok(answered)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_begins_alike_is_found_as_by_a_look_at_every_session(
        events in history(History::Alike, 60),
        questions in prop::collection::vec(question(), 1..4),
        most in prop_oneof![Just(0usize), 1usize..9, Just(1000)],
    ) {
        check(&events, &questions, most)?;
    }
}

/// The property means nothing where nothing is found.
#[test]
fn the_histories_have_copies_to_find() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut answered = 0;
    for _ in 0..40 {
        let events = history(History::Alike, 60).new_tree(&mut runner).expect("a history").current();
        let questions: Vec<_> =
            (0..4).map(|_| question().new_tree(&mut runner).expect("a question").current()).collect();
        answered += check(&events, &questions, 1000).expect("as by a look at every session");
    }
    assert!(answered > 40, "{answered}");
}
