//! Takes out of an event what would tell the engine the truth, and, for a run without vectors, what it may not use.

use crate::engine::decode::wire::{Body, Event};

/// What the engine may not see.
#[derive(Debug, Clone, Copy)]
pub struct Hide {
    /// Which session a `session_resumed` takes up. What a session continues by its own declaration is always hidden.
    pub resumed_from: bool,
    /// Embeddings.
    pub vectors: bool,
}

/// What is left of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// All of it: the record can be used as it is.
    All,
    /// Less than it said: it has to be written anew.
    Less,
    /// Nothing.
    Nothing,
}

/// Hides.
pub fn hide(event: &mut Event<'_>, hide: Hide) -> Left {
    let session = event.envelope.session_id.as_deref();
    let mut less = false;
    let context = match &mut event.body {
        Body::SessionStarted(body) => {
            less |= body.continues_session_id.take().is_some();
            None
        }
        Body::SessionSnapshot(body) => {
            less |= body.continues_session_id.take().is_some();
            Some(&mut body.context)
        }
        Body::SessionResumed(body) if hide.resumed_from && body.from_session_id.as_deref() != session => {
            less |= body.from_session_id.take().is_some();
            None
        }
        Body::TurnCompleted(body) => Some(&mut body.context),
        Body::ResumeRequested(body) => Some(&mut body.context),
        Body::ContextEmbedded(_) if hide.vectors => return Left::Nothing,
        _ => None,
    };
    if let Some(context) = context.filter(|_| hide.vectors) {
        less |= context.take().is_some();
    }
    if less { Left::Less } else { Left::All }
}
