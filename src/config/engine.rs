//! Settings of the engine: spaces, session times, policy, cost rates. Whatever can change an output.

use std::collections::BTreeMap;

use super::reader::Reader;
use crate::engine::settings::{CostRates, EngineSettings, Mode, OutputFormat, Policy, TierRates, Weights};
use crate::kafka::settings::TopicSettings;
use crate::model::ids::Name;
use crate::model::time::Millis;

const DAY_MS: i64 = 86_400_000;
const MAX_SPAN_MS: i64 = 3_650 * DAY_MS;
/// Most suggestions that a window can be limited to.
const MAX_RATE: i64 = 1_000_000_000;
const RATES: std::ops::RangeInclusive<f64> = 1e-3..=1e15;

/// All of them. `topics`: the checked ones.
pub fn engine(r: &mut Reader<'_>, topics: &TopicSettings) -> EngineSettings {
    let spaces = spaces(r);
    let default = EngineSettings::default();
    let idle_timeout = ms(r, &["session", "idle_timeout_ms"], default.idle_timeout, 1_000..=30 * DAY_MS);
    let retention = ms(r, &["session", "retention_ms"], default.retention, 60_000..=MAX_SPAN_MS);
    if retention < idle_timeout {
        let message = format!("must be at least session.idle_timeout_ms, {}", idle_timeout.0);
        r.fault(&["session", "retention_ms"], message);
    }
    let predicted_ttl = ms(r, &["session", "predicted_ttl_ms"], default.predicted_ttl, 0..=MAX_SPAN_MS);
    let erasure_marker = ms(r, &["session", "erasure_marker_ms"], retention, 60_000..=MAX_SPAN_MS);
    if erasure_marker < retention {
        let message = format!(
            "must be at least session.retention_ms, {}: else erased events that are sent again would come back",
            retention.0
        );
        r.fault(&["session", "erasure_marker_ms"], message);
    }
    let reject_bad_context = r.word(&["session", "on_bad_context"], false, &[("drop", false), ("reject", true)]);
    let blocks = r.int(&["prefix", "max_blocks"], default.max_prefix_blocks as i64, 0..=100_000_000);
    let check_partition = r.flag(&["topics", "check_partition"], default.check_partition);
    let formats = [("avro", OutputFormat::Avro), ("json", OutputFormat::Json)];
    let output = r.word(&["output", "format"], default.output, &formats);
    let policy = policy(r, default.policy);
    let default_cost = cost(r, "default", &default.default_cost);
    let mut costs = BTreeMap::new();
    for namespace in r.names(&["cost"]).into_iter().filter(|n| n != "default") {
        let rates = cost(r, &namespace, &default_cost);
        if let Some(name) = name(r, &["cost", &namespace]) {
            costs.insert(name, rates);
        }
    }
    EngineSettings {
        input_topic: topics.events.clone(),
        log_retention: Millis(i64::try_from(topics.events_retention.as_millis()).unwrap_or(i64::MAX)),
        spaces,
        idle_timeout,
        retention,
        predicted_ttl,
        erasure_marker,
        reject_bad_context,
        check_partition,
        output,
        max_prefix_blocks: blocks as usize,
        policy,
        costs,
        default_cost,
        panic_on: None,
        panic_at: None,
    }
}

/// Declared spaces; none declared: the default one.
fn spaces(r: &mut Reader<'_>) -> BTreeMap<Name, usize> {
    let mut given = r.names(&["spaces"]);
    let none = given.is_empty();
    if none {
        given.push("default".to_owned());
    }
    let mut spaces = BTreeMap::new();
    for space in given {
        let key = ["spaces", &space, "dim"];
        let dim = if none { Some(r.int(&key, 768, 1..=65_536)) } else { r.int_opt(&key, 1..=65_536) };
        if dim.is_none() && r.faultless(&key) {
            r.fault(&key, "is required: the vectors' number of components, from 1 to 65536");
        }
        if let (Some(name), Some(dim)) = (name(r, &["spaces", &space]), dim) {
            spaces.insert(name, dim as usize);
        }
    }
    spaces
}

fn name(r: &mut Reader<'_>, key: &[&str]) -> Option<Name> {
    let checked = Name::new(key[key.len() - 1]);
    if let Err(e) = &checked {
        r.fault(key, format!("the name {e}"));
    }
    checked.ok()
}

fn ms(r: &mut Reader<'_>, key: &[&str], default: Millis, limits: std::ops::RangeInclusive<i64>) -> Millis {
    Millis(r.int(key, default.0, limits))
}

fn policy(r: &mut Reader<'_>, default: Policy) -> Policy {
    let p = |key| ["policy", key];
    Policy {
        mode: r.word(&p("mode"), default.mode, &[("on", Mode::On), ("shadow", Mode::Shadow)]),
        holdout: r.float(&p("holdout"), default.holdout, 0.0..=1.0),
        session_per_hour: r.int(&p("session_per_hour"), default.session_per_hour as i64, 0..=MAX_RATE) as u64,
        tenant_per_minute: r.int(&p("tenant_per_minute"), default.tenant_per_minute as i64, 0..=MAX_RATE) as u64,
        floor: r.float(&p("floor"), default.floor, 0.0..=1.0),
        wrong_ms: r.float(&p("wrong_ms"), default.wrong_ms, 0.0..=1e9),
        k: r.int(&p("k"), default.k as i64, 1..=1000) as usize,
        adapter_vote: r.int(&p("adapter_vote"), i64::from(default.adapter_vote), 1..=1000) as u32,
        drift_radians: r.float(&p("drift_radians"), default.drift_radians, 1e-3..=1000.0),
        min_similarity: r.float(&p("min_similarity"), default.min_similarity, -1.0..=1.0),
        recency_half_life: ms(r, &p("recency_half_life_ms"), default.recency_half_life, 1..=MAX_SPAN_MS),
        valid_for: ms(r, &p("valid_ms"), default.valid_for, 1_000..=30 * DAY_MS),
        prefetch_lead: ms(r, &p("prefetch_lead_ms"), default.prefetch_lead, 0..=DAY_MS),
        retain_for: ms(r, &p("retain_ms"), default.retain_for, 0..=DAY_MS),
        weights: weights(r, "weights", &default.weights),
        transfer_weights: weights(r, "transfer_weights", &default.transfer_weights),
    }
}

fn weights(r: &mut Reader<'_>, table: &str, default: &Weights) -> Weights {
    let mut defaults = default.list().into_iter();
    let weights = Weights::of(|name| {
        let default = defaults.next().map_or(0.0, |(_, weight)| weight);
        r.float(&["policy", table, name], default, -100.0..=100.0)
    });
    // Candidates do not differ in the bias, the first of them.
    if weights.list()[1..].iter().all(|(_, weight)| *weight == 0.0) {
        r.fault(&["policy", table], "must not all be 0 but the bias: every candidate would score the same");
    }
    weights
}

/// Rates of a namespace; what it does not list is as in `cost.default`.
fn cost(r: &mut Reader<'_>, namespace: &str, default: &CostRates) -> CostRates {
    let tier = |r: &mut Reader<'_>, tier: &str, default: TierRates| TierRates {
        ms: r.float(&["cost", namespace, tier, "ms"], default.ms, 0.0..=1e9),
        bytes_per_s: r.float_opt(&["cost", namespace, tier, "bytes_per_s"], default.bytes_per_s, RATES),
    };
    CostRates {
        prefill_tokens_per_s: r.float(
            &["cost", namespace, "prefill_tokens_per_s"],
            default.prefill_tokens_per_s,
            RATES,
        ),
        prefill_ms_per_token2: r.float(
            &["cost", namespace, "prefill_ms_per_token2"],
            default.prefill_ms_per_token2,
            0.0..=1e3,
        ),
        bytes_per_token: r.float(&["cost", namespace, "bytes_per_token"], default.bytes_per_token, RATES),
        hot: tier(r, "hot", default.hot),
        warm: tier(r, "warm", default.warm),
        cold: tier(r, "cold", default.cold),
    }
}
