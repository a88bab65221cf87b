//! Embeddings. An unusable one costs the event its context and nothing else.

use super::Limits;
use super::field::{At, Checked};
use crate::engine::decode::wire;
use crate::model::event::Context;
use crate::model::vector::UnitVector;
use crate::model::verdict::{RejectReason, Rejection};

/// Checks an embedding. Where its vector or space is unusable, sets `fault` and gives `None`.
pub(super) fn check(
    at: &At<'_>,
    context: &wire::Context<'_>,
    limits: &Limits<'_>,
    fault: &mut Option<String>,
) -> Checked<Option<Context>> {
    let space = at.to("space").name(&context.space)?;
    let covers_turn = at.to("covers_turn").small(context.covers_turn)?;
    let Some(&dim) = limits.settings.spaces.get(&space) else {
        *fault = Some(format!("{}: is not a declared space", at.to("space")));
        return Ok(None);
    };
    match unit_vector(&context.vector.0, dim) {
        Ok(vector) => Ok(Some(Context { space, vector, covers_turn })),
        Err(why) => {
            *fault = Some(format!("{}: {why}", at.to("vector")));
            Ok(None)
        }
    }
}

/// Checks an embedding that is all there is to an event: dropping it would leave nothing, so an unusable one
/// refuses the event.
pub(super) fn alone(context: &wire::Context<'_>, limits: &Limits<'_>) -> Checked<Context> {
    let mut fault = None;
    let checked = check(&At::BODY, context, limits, &mut fault)?;
    checked.ok_or_else(|| Rejection::new(RejectReason::BadContext, fault.unwrap_or_default()))
}

/// Checks an optional embedding.
pub(super) fn optional(
    context: &Option<wire::Context<'_>>,
    limits: &Limits<'_>,
    fault: &mut Option<String>,
) -> Checked<Option<Context>> {
    match context {
        Some(context) => check(&At::field("context"), context, limits, fault),
        None => Ok(None),
    }
}

fn unit_vector(bytes: &[u8], dim: usize) -> Result<UnitVector, String> {
    let (components, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err("is not a whole number of f32".to_owned());
    }
    if components.len() != dim {
        return Err(format!("has {} components, the space has {dim}", components.len()));
    }
    UnitVector::of_le_bytes(components).map_err(|fault| fault.to_string())
}
