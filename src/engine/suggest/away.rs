//! A session that is away for a while: one that paused and told when it will be back, or went idle. Its KV is kept where it
//! is while that is cheap, and brought back shortly before it returns.

use super::{Scene, is_asked_for};
use crate::engine::settings::{EngineSettings, Policy};
use crate::engine::store::Session;
use crate::engine::view;
use crate::model::session::{Facets, LiveStatus, TriggerKind};
use crate::model::suggestion::RecoveryPlan;
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

/// What a plan comes to for a session that is away: what was asked for is not put off; else a hot copy is to be retained,
/// and any other one to be fetched.
pub fn plan(scene: &Scene<'_>, trigger: TriggerKind, asking: Option<&Session>, plan: RecoveryPlan) -> RecoveryPlan {
    let back = asking.and_then(|session| expected(&session.facets));
    match plan {
        _ if is_asked_for(trigger) || back.is_none_or(|back| back <= scene.now) => plan,
        RecoveryPlan::ResumeInPlace => RecoveryPlan::Retain,
        RecoveryPlan::RestoreKv => RecoveryPlan::Prefetch,
        other => other,
    }
}

/// Whether it is time for a plan: to retain a copy, if that is not for too long; to fetch one, if the session is back soon.
/// A pause and an idle deadline are about KV alone: nobody waits for a context.
pub fn is_time(scene: &Scene<'_>, trigger: TriggerKind, asking: Option<&Session>, plan: RecoveryPlan) -> bool {
    let policy = &scene.settings.policy;
    let back_within =
        |span| asking.and_then(|session| expected(&session.facets)).is_some_and(|back| back.since(scene.now) <= span);
    match plan {
        RecoveryPlan::Retain => back_within(policy.retain_for),
        RecoveryPlan::Prefetch => back_within(policy.prefetch_lead),
        RecoveryPlan::ResumeInPlace | RecoveryPlan::RestoreKv => true,
        _ => !is_about_kv(trigger),
    }
}

/// Until when a recovery holds that was found at an instant: one that makes ready for a return, as long after that as it
/// was made before; any other one no longer than its session is waited for.
pub fn holds_until(settings: &EngineSettings, asking: &Session, plan: RecoveryPlan, at: EventTime) -> EventTime {
    match (plan, expected(&asking.facets)) {
        (RecoveryPlan::Retain | RecoveryPlan::Prefetch, Some(back)) => back.plus(settings.policy.prefetch_lead),
        _ => {
            let valid = at.plus(settings.policy.valid_for);
            let idle = view::expires_at(&asking.facets, settings).filter(|idle| *idle > at);
            idle.map_or(valid, |idle| idle.min(valid))
        }
    }
}
