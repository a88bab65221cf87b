//! What was published and what came of it, by what set it off and by plan.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::stats::{Estimate, mean, median, rate, share};
use crate::model::ids::{SessionId, TenantId};

/// A suggestion at one point of its life, as its readers see it.
#[derive(Debug, Deserialize)]
pub struct Published {
    /// `recovery` or `transfer`.
    pub kind: String,
    status: String,
    tenant_id: String,
    session_id: String,
    trigger: Trigger,
    plan: String,
    source: Option<Source>,
    estimate: Option<Saved>,
    outcome: Option<String>,
    actual: Option<Saved>,
}

#[derive(Debug, Deserialize)]
struct Trigger {
    kind: String,
    occurred_at: Option<i64>,
    due_at: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Source {
    session_id: String,
}

#[derive(Debug, Deserialize)]
struct Saved {
    saved_ms: Option<f64>,
}

/// What became of the suggestions of one trigger and plan.
#[derive(Debug, Default)]
struct Group {
    opened: u64,
    revoked: u64,
    outcomes: BTreeMap<String, u64>,
    right: u64,
    wrong: u64,
    predicted_ms: Vec<f64>,
    actual_ms: Vec<f64>,
    lead_ms: Vec<f64>,
}

/// Stands for every trigger and every plan.
const ALL: &str = "all";

/// Kind, trigger and plan; of each kind there is also one of [`ALL`].
type Place = (String, String, String);

/// All that was published.
#[derive(Debug, Default)]
pub struct Publications {
    groups: BTreeMap<Place, Group>,
    /// Suggestions whose session has not taken a turn since, with the time of their trigger.
    waiting: HashMap<(TenantId, SessionId), Vec<(Place, i64)>>,
}

/// The figures of one trigger and plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedFigures {
    /// `recovery` or `transfer`.
    pub kind: String,
    /// What set them off; `all`: anything.
    pub trigger: String,
    /// What they said to do; `all`: anything.
    pub plan: String,
    /// Suggestions opened.
    pub opened: u64,
    /// The same for each 1,000 events.
    pub per_1000_events: Option<Estimate>,
    /// Suggestions revoked.
    pub revoked: u64,
    /// Suggestions closed, by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// (failed + ignored) / (restored + partial + failed + ignored), as the log reports outcomes.
    pub wrong_rate: Option<Estimate>,
    /// Of the suggestions to draw on another session, those that name the origin (recovery), or a session with a common
    /// intent (transfer, where the log tells intents).
    pub right: Option<Estimate>,
    /// Mean time saved as predicted at the opening, ms.
    pub predicted_saved_ms: Option<Estimate>,
    /// Mean time saved as told by the outcome, ms.
    pub actual_saved_ms: Option<Estimate>,
    /// Median time from the trigger to the session's next turn, ms, where there was one.
    pub lead_ms: Option<Estimate>,
}

impl Published {
    /// Reads what the engine wrote as JSON.
    pub fn read(json: &[u8]) -> Option<Published> {
        serde_json::from_slice(json).ok()
    }

    /// The session it is for, and, if it draws on another one, that one.
    pub fn sessions(&self) -> Option<(TenantId, SessionId, Option<SessionId>)> {
        let (tenant, session) = (TenantId::new(&self.tenant_id).ok()?, SessionId::new(&self.session_id).ok()?);
        let source = self.source.as_ref().and_then(|source| SessionId::new(&source.session_id).ok());
        let other = source.filter(|source| *source != session);
        Some((tenant, session, other))
    }
}

impl Publications {
    /// Notes a publication. `right`: whether what it draws on is what it should be, where that can be told.
    pub fn note(&mut self, published: Published, right: Option<bool>) {
        let Some((tenant, session, _)) = published.sessions() else { return };
        let at = published.trigger.occurred_at.or(published.trigger.due_at);
        let all = (published.kind.clone(), ALL.to_owned(), ALL.to_owned());
        let places = [(published.kind, published.trigger.kind, published.plan), all];
        for place in &places {
            let group = self.groups.entry(place.clone()).or_default();
            match published.status.as_str() {
                "open" => {
                    group.opened += 1;
                    group.right += u64::from(right == Some(true));
                    group.wrong += u64::from(right == Some(false));
                    group.predicted_ms.extend(published.estimate.as_ref().and_then(|e| e.saved_ms));
                }
                "revoked" => group.revoked += 1,
                _ => {
                    *group.outcomes.entry(published.outcome.clone().unwrap_or_default()).or_default() += 1;
                    group.actual_ms.extend(published.actual.as_ref().and_then(|actual| actual.saved_ms));
                }
            }
        }
        if let (Some(at), "open") = (at, published.status.as_str()) {
            let waiting = self.waiting.entry((tenant, session)).or_default();
            waiting.extend(places.map(|place| (place, at)));
        }
    }

    /// A session took a turn: what was suggested to it before had this much time. Called before what the turn itself
    /// sets off is noted.
    pub fn turn(&mut self, tenant: &TenantId, session: &SessionId, at: i64) {
        for (place, since) in self.waiting.remove(&(tenant.clone(), session.clone())).unwrap_or_default() {
            if let Some(group) = self.groups.get_mut(&place) {
                group.lead_ms.push(at.saturating_sub(since).max(0) as f64);
            }
        }
    }

    /// The figures. `events`: how many there were.
    pub fn figures(self, events: u64) -> Vec<PublishedFigures> {
        let figures = |((kind, trigger, plan), mut group): (Place, Group)| {
            let outcome = |name: &str| group.outcomes.get(name).copied().unwrap_or(0);
            let wrong = outcome("failed") + outcome("ignored");
            PublishedFigures {
                kind,
                trigger,
                plan,
                opened: group.opened,
                per_1000_events: rate(group.opened, events, 1_000.0),
                revoked: group.revoked,
                wrong_rate: share(wrong + outcome("restored") + outcome("partial"), wrong),
                right: share(group.right + group.wrong, group.right),
                predicted_saved_ms: mean(&group.predicted_ms),
                actual_saved_ms: mean(&group.actual_ms),
                lead_ms: median(&mut group.lead_ms),
                outcomes: group.outcomes,
            }
        };
        self.groups.into_iter().map(figures).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn published(status: &str, more: &Value) -> Published {
        let mut value = json!({
            "kind": "recovery", "status": status, "tenant_id": "t", "session_id": "s", "plan": "restore_kv",
            "trigger": {"kind": "session_interrupted", "occurred_at": 1_000}, "source": {"session_id": "s"},
        });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Published::read(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_life_is_counted_where_it_began() {
        let mut all = Publications::default();
        all.note(published("open", &json!({"estimate": {"saved_ms": 40.0}})), None);
        let (tenant, session) = (TenantId::new("t").unwrap(), SessionId::new("s").unwrap());
        all.turn(&tenant, &session, 4_500);
        all.turn(&tenant, &session, 9_000);
        all.note(published("closed", &json!({"outcome": "failed", "actual": {"saved_ms": -2.0}})), None);
        all.note(published("open", &json!({"source": {"session_id": "o"}})), Some(true));
        all.note(published("revoked", &json!({"source": null, "estimate": null})), None);
        let [every, figures] = &all.figures(500)[..] else { panic!("two groups") };
        let together = PublishedFigures { trigger: "all".to_owned(), plan: "all".to_owned(), ..figures.clone() };
        assert_eq!(every, &together);
        assert_eq!((figures.opened, figures.revoked, figures.outcomes["failed"]), (2, 1, 1));
        let values = [
            figures.per_1000_events,
            figures.wrong_rate,
            figures.right,
            figures.predicted_saved_ms,
            figures.actual_saved_ms,
            figures.lead_ms,
        ];
        let values = values.map(|estimate| estimate.map(|e| e.value));
        assert_eq!(values, [Some(4.0), Some(1.0), Some(1.0), Some(40.0), Some(-2.0), Some(3_500.0)]);
    }
}
