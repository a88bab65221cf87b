//! Parameters of a URL where none are taken: what somebody meant to say is refused, not passed over.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::problem::Problem;

/// There are none.
pub(super) struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<NoParameters, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(pairs) = pairs.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, e.body_text()))?;
        match pairs.into_iter().next() {
            Some((name, _)) => Err(Problem::field(name, "unknown parameter; none is taken in this URL")),
            None => Ok(NoParameters),
        }
    }
}
