//! Where in a partition an erasure lies, and so what came before it. What cannot be shown to come after it counts as before.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::engine::encode::keys::erasure_hash;
use crate::model::event::ErasureScope;
use crate::model::ids::{SessionId, TenantId};
use crate::model::position::Offset;
use crate::model::time::EventTime;

/// What a partition tells of the erasure.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bounds {
    /// Where it lies in the input.
    pub offset: Option<Offset>,
    /// When it was asked for.
    pub asked: Option<EventTime>,
    /// Up to when events of the subject are taken for erased.
    pub cut: Option<EventTime>,
    /// When it was folded.
    pub folded: Option<EventTime>,
    /// Markers of erasures by their hashes: cut, end, when written.
    markers: BTreeMap<String, Vec<(EventTime, EventTime, EventTime)>>,
}

impl Bounds {
    /// Those of an erasure that was told by its id.
    pub fn known(asked: EventTime, offset: Option<Offset>) -> Bounds {
        Bounds { offset, asked: Some(asked), ..Bounds::default() }
    }

    /// An erasure of the subject was found in the input; the last one counts.
    pub fn found(&mut self, offset: Offset, at: EventTime) {
        (self.offset, self.asked) = (self.offset.max(Some(offset)), self.asked.max(Some(at)));
    }

    /// A marker was found.
    pub fn mark(&mut self, hash: String, cut: EventTime, expires_at: EventTime, written: EventTime) {
        self.markers.entry(hash).or_default().push((cut, expires_at, written));
    }

    /// Concludes from the markers; those of sessions that went with the subject tell which these are.
    pub fn settle<'s>(
        &mut self,
        tenant: &TenantId,
        scope: &ErasureScope,
        seen: impl IntoIterator<Item = &'s SessionId>,
    ) -> Vec<SessionId> {
        let own = self.markers.get(&erasure_hash(tenant, scope)).cloned().unwrap_or_default();
        // The marker of just this erasure, if later ones followed: it is the first whose cut is not before.
        let first = own.iter().filter(|(cut, ..)| self.asked.is_none_or(|asked| *cut >= asked)).min();
        let Some(&(cut, expires_at, _)) = (if self.asked.is_some() { first } else { own.iter().max() }) else {
            return Vec::new();
        };
        let same = own.iter().filter(|(other, ..)| *other == cut).map(|(.., written)| *written);
        (self.cut, self.folded) = (Some(cut), same.min());
        let taken = |id: &&SessionId| {
            let hash = erasure_hash(tenant, &ErasureScope::Session((*id).clone()));
            self.markers.get(&hash).is_some_and(|held| held.iter().any(|(c, e, _)| (*c, *e) == (cut, expires_at)))
        };
        seen.into_iter().filter(taken).cloned().collect()
    }

    /// Whether a record of the subject is from before the erasure; `written`: its timestamp.
    pub fn precede(&self, facts: &Facts, written: EventTime) -> bool {
        let Some(cut) = self.cut.max(self.asked) else { return true };
        match (facts.origin.zip(self.offset), facts.at) {
            (Some((origin, erasure)), _) if origin <= erasure => true,
            (_, Some(at)) => at <= cut,
            (_, None) => written <= self.folded.unwrap_or(cut).max(cut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::UserId;

    fn at(origin: Option<i64>, at: Option<i64>) -> Facts {
        Facts { origin: origin.map(Offset), at: at.map(EventTime), ..Facts::default() }
    }

    #[test]
    fn only_what_is_shown_to_come_later_is_later() {
        let mut bounds = Bounds::known(EventTime(100), Some(Offset(7)));
        let check = |bounds: &Bounds, facts: Facts, written, expected| {
            assert_eq!(bounds.precede(&facts, EventTime(written)), expected, "{facts:?} {written}");
        };
        check(&bounds, at(Some(6), Some(500)), 500, true);
        check(&bounds, at(Some(8), Some(100)), 500, true);
        check(&bounds, at(Some(8), Some(101)), 50, false);
        check(&bounds, at(Some(8), None), 101, false);
        check(&bounds, at(None, None), 100, true);
        check(&bounds, at(None, Some(99)), 900, true);
        (bounds.cut, bounds.folded) = (Some(EventTime(150)), Some(EventTime(200)));
        check(&bounds, at(Some(8), Some(150)), 500, true);
        check(&bounds, at(None, None), 200, true);
        check(&bounds, at(None, None), 201, false);
        check(&Bounds::default(), at(Some(8), Some(900)), 900, true);
    }

    #[test]
    fn markers_tell_the_sessions_that_went_with_a_user() {
        let (tenant, user) = (TenantId::new("acme").expect("an id"), UserId::new("u-1").expect("an id"));
        let sessions: Vec<_> = ["s-1", "s-2", "s-3"].map(|id| SessionId::new(id).expect("an id")).into();
        let scope = ErasureScope::User(user);
        let mut bounds = Bounds::known(EventTime(100), None);
        let hash = |scope: &ErasureScope| erasure_hash(&tenant, scope);
        let of = |n: usize| ErasureScope::Session(sessions[n].clone());
        for (scope, cut) in [(&scope, 120), (&of(0), 120), (&of(1), 130), (&scope, 400), (&of(2), 400)] {
            bounds.mark(hash(scope), EventTime(cut), EventTime(9_000), EventTime(cut + 1));
        }
        assert_eq!(bounds.settle(&tenant, &scope, &sessions), [sessions[0].clone()]);
        assert_eq!((bounds.cut, bounds.folded), (Some(EventTime(120)), Some(EventTime(121))));
        bounds.asked = None;
        assert_eq!(bounds.settle(&tenant, &scope, &sessions), [sessions[2].clone()]);
    }
}
