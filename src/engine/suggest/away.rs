//! A session that is away for a while: one that paused and told when it will be back, or went idle. Its KV is kept where it
//! is while that is cheap, and brought back shortly before it returns.

use super::Scene;
use crate::engine::settings::Policy;
use crate::engine::store::Session;
use crate::model::session::{Facets, LiveStatus, TriggerKind};
use crate::model::suggestion::{Recovery, RecoveryPlan};
use crate::model::time::EventTime;

/// When a paused session said that it will be back.
pub fn expected(facets: &Facets) -> Option<EventTime> {
    let status = facets.status.as_ref().filter(|_| facets.end.is_none())?;
    match status.value {
        LiveStatus::Paused(_, expected) => expected,
        LiveStatus::Active | LiveStatus::Interrupted(..) => None,
    }
}

/// When it is time to make ready for a paused session's return.
pub fn wakes_at(facets: &Facets, policy: &Policy) -> Option<EventTime> {
    expected(facets).map(|back| back.minus(policy.prefetch_lead))
}

/// Whether a trigger is about KV alone.
pub fn is_about_kv(trigger: TriggerKind) -> bool {
    matches!(trigger, TriggerKind::SessionPaused | TriggerKind::Idle)
}

/// What the best recovery comes to while its session is away; `None`: nothing as yet.
///
/// Until a paused session is back, a hot copy is to be retained if that is not for too long, and any other one to be
/// fetched if it is back soon; what was asked for is not put off. A pause and an idle deadline are about KV alone: nobody
/// waits for a context.
pub fn plan(
    scene: &Scene<'_>,
    trigger: TriggerKind,
    asking: Option<&Session>,
    best: &Recovery,
) -> Option<RecoveryPlan> {
    let asked = matches!(trigger, TriggerKind::ResumeRequested | TriggerKind::Query);
    let holds_kv = matches!(best.plan, RecoveryPlan::ResumeInPlace | RecoveryPlan::RestoreKv);
    if !holds_kv {
        return (!is_about_kv(trigger)).then_some(best.plan);
    }
    let back = asking.and_then(|session| expected(&session.facets)).filter(|back| !asked && *back > scene.now);
    let Some(back) = back else { return Some(best.plan) };
    let (away, policy) = (back.since(scene.now), &scene.settings.policy);
    match best.plan {
        RecoveryPlan::ResumeInPlace => (away <= policy.retain_for).then_some(RecoveryPlan::Retain),
        _ => (away <= policy.prefetch_lead).then_some(RecoveryPlan::Prefetch),
    }
}

/// Until when a recovery holds that was found at an instant: one that makes ready for a return, as long after that as it
/// was made before.
pub fn holds_until(policy: &Policy, asking: &Session, plan: RecoveryPlan, at: EventTime) -> EventTime {
    match (plan, expected(&asking.facets)) {
        (RecoveryPlan::Retain | RecoveryPlan::Prefetch, Some(back)) => back.plus(policy.prefetch_lead),
        _ => at.plus(policy.valid_for),
    }
}
