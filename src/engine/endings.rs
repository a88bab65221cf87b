//! The latest suggestions that ended, for whoever asks what became of one. It is fed with notices and is no part of the
//! state: nothing is restored of it, and no decision looks at it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::engine::explain::{Blocks, Explained};
use crate::engine::notice::Notice;
use crate::engine::process::Engine;
use crate::model::ids::{SessionId, SuggestionId, TenantId};
use crate::model::suggestion::{Outcome, Publication, Suggestion};
use crate::model::time::EventTime;

/// Suggestions kept.
const KEPT: usize = 1000;
/// Of these, those of one session that are told at once.
const MOST_TOLD: usize = 100;

/// A suggestion, with its end if that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// As it was opened.
    pub suggestion: Arc<Suggestion>,
    /// `None`: it is open.
    pub end: Option<End>,
}

/// How a suggestion ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// What was published of it; `None`: nothing, since it ran past its validity.
    pub publication: Option<Publication>,
    /// Stream time.
    pub at: EventTime,
}

impl Told {
    /// What became of it; `None`: it is open.
    pub fn outcome(&self) -> Option<Outcome> {
        let end = self.end.as_ref()?;
        end.publication.as_ref().map_or(Some(Outcome::Expired), Publication::outcome)
    }
}

/// Whose chain of blocks is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainOf {
    /// A session's own.
    Session(SessionId),
    /// As far as an open suggestion draws on it.
    Suggestion(SuggestionId),
}

/// Those of one partition, the oldest first.
#[derive(Debug, Default)]
pub struct Endings(VecDeque<Told>);

impl Endings {
    /// Takes note of an end. What nobody saw is no matter; with an erasure everything of its tenant goes.
    pub fn note(&mut self, notice: &Notice) {
        let Endings(held) = self;
        match notice {
            Notice::Ended(told) if !told.suggestion.is_withheld() => {
                if held.len() == KEPT {
                    held.pop_front();
                }
                held.push_back(Told::clone(told));
            }
            Notice::Erased(tenant) => held.retain(|told| told.suggestion.tenant != *tenant),
            _ => {}
        }
    }

    /// A session's suggestions: the open ones, the oldest first, then those that ended lately, the latest first. `None`: the
    /// session is unknown.
    pub fn suggestions(&self, engine: &Engine, tenant: &TenantId, session: &SessionId) -> Option<Vec<Told>> {
        let open = engine.open_suggestions(tenant, session)?;
        let of_session = |told: &&Told| told.suggestion.session == *session && told.suggestion.tenant == *tenant;
        let ended = self.0.iter().rev().filter(of_session).take(MOST_TOLD).cloned();
        Some(open.into_iter().map(|suggestion| Told { suggestion, end: None }).chain(ended).collect())
    }

    /// A suggestion that is open or ended lately, explained.
    pub fn suggestion(&self, engine: &Engine, tenant: &TenantId, id: &SuggestionId) -> Option<Explained> {
        Some(engine.explain(self.find(engine, tenant, id)?))
    }

    /// A chain; an inner `None`: there is none. `None`: what it is asked of is unknown.
    pub fn blocks(&self, engine: &Engine, tenant: &TenantId, of: &ChainOf) -> Option<Option<Blocks>> {
        match of {
            ChainOf::Session(session) => engine.blocks(tenant, session),
            ChainOf::Suggestion(id) => {
                // Whether a source still lets others profit is known of what is open.
                let open = self.find(engine, tenant, id)?;
                Some(engine.blocks_of(&open.suggestion).filter(|_| open.end.is_none()))
            }
        }
    }

    /// One that was opened again is in its latest life.
    fn find(&self, engine: &Engine, tenant: &TenantId, id: &SuggestionId) -> Option<Told> {
        let is_it = |told: &&Told| told.suggestion.id == *id && told.suggestion.tenant == *tenant;
        let open = engine.open_suggestion(tenant, id).map(|suggestion| Told { suggestion, end: None });
        let ended = || self.0.iter().rev().find(is_it).filter(|told| engine.holds(tenant, &told.suggestion.session));
        open.or_else(|| ended().cloned())
    }
}
