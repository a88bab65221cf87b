//! Candidates beside each other: how far one is above its nearest rival.

use crate::engine::packed::Seen;
use crate::model::ids::SessionId;

/// A session that is weighed.
pub struct Nominee<'a> {
    /// Which one.
    pub id: SessionId,
    /// The session.
    pub session: Seen<'a>,
    /// Its cosine to the request's embedding.
    pub similarity: Option<f64>,
    /// The asking session says that it takes this one up.
    pub declared: bool,
    /// It ended.
    pub ended: bool,
}

/// The two nominees that are most likely to be meant: those of the largest cosines that did not end.
pub struct Rivals<'a>([Option<(f64, &'a SessionId)>; 2]);

impl<'a> Rivals<'a> {
    /// Of all that are weighed.
    pub fn of(nominees: &'a [Nominee<'_>]) -> Rivals<'a> {
        let mut rivals = Rivals([None; 2]);
        for nominee in nominees.iter().filter(|nominee| !nominee.ended) {
            let Some(similarity) = nominee.similarity else { continue };
            let [first, second] = &mut rivals.0;
            if first.is_none_or(|(held, _)| similarity > held) {
                (*second, *first) = (*first, Some((similarity, &nominee.id)));
            } else if second.is_none_or(|(held, _)| similarity > held) {
                *second = Some((similarity, &nominee.id));
            }
        }
        rivals
    }

    /// How far a nominee's cosine is above that of its nearest rival.
    pub fn margin(&self, nominee: &Nominee<'_>) -> Option<f64> {
        let rival = self.0.iter().flatten().find(|(_, id)| **id != nominee.id)?;
        Some(nominee.similarity? - rival.0)
    }
}
