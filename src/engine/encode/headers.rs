//! Headers of a suggestion's record, so that consumers filter without decoding.

use crate::model::suggestion::{Publication, Suggestion};

/// `rekindle-kind`, `-plan`, `-status`, `-consumer`, `-suggestion-id`, and the trigger's `traceparent`.
pub fn headers(
    suggestion: &Suggestion,
    publication: &Publication,
    traceparent: Option<&[u8]>,
) -> Vec<(&'static str, Vec<u8>)> {
    let mut headers = vec![
        ("rekindle-kind", suggestion.kind().into()),
        ("rekindle-plan", suggestion.plan().into()),
        ("rekindle-status", publication.status().into()),
        ("rekindle-consumer", suggestion.consumer().label().into()),
        ("rekindle-suggestion-id", suggestion.id.as_str().into()),
    ];
    if let Some(traceparent) = traceparent {
        headers.push(("traceparent", traceparent.to_vec()));
    }
    headers
}
