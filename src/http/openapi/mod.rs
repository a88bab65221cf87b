//! The description of the API, OpenAPI 3.1. Routes are described beside their handlers; what their answers and bodies hold,
//! by the types of this folder, by the schemas of what is published (`schemas/`), and by the limits that are checked. It
//! tells of no data.

mod answers;
mod avro;
mod page;
mod parts;
mod problems;
mod reports;
mod sent;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

pub(super) use answers::*;
pub(super) use page::{assets, index, to_index};
pub(super) use reports::*;
pub(super) use sent::*;

use super::{erasures, events, health, lists, live, queries, suggestions};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "rekindle",
        description = "Sessions of LLM users as they stand, what to restore and what to reuse. Errors are \
                       `application/problem+json` (RFC 9457). Unknown fields and parameters are refused.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "sessions", description = "Sessions as they stand"),
        (name = "suggestions", description = "What to restore and reuse, and why"),
        (name = "erasure", description = "Forgetting"),
        (name = "service", description = "How the process does")
    ),
    paths(
        queries::session,
        events::of_session,
        suggestions::session_blocks,
        lists::history,
        lists::search,
        lists::prefix_match,
        suggestions::of_session,
        suggestions::one,
        suggestions::blocks,
        queries::recovery,
        erasures::ask,
        erasures::status,
        health::livez,
        health::readyz,
        health::metrics,
        live::page,
        live::status,
        live::feed,
        described,
    ),
    components(schemas(ProblemDetails))
)]
struct Described;

/// The description, as JSON.
pub fn description() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}", document()));
    &TEXT
}

fn document() -> Value {
    // Types of the description alone: they cannot fail to be JSON.
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    let schemas = &mut document["components"]["schemas"];
    for (name, schema) in avro::records().into_iter().chain(parts::all()) {
        schemas[name] = schema;
    }
    document["components"]["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer",
        "description": "An API key or a signed token, where the service is set up to ask for one."}});
    document["components"]["responses"] = problems::responses();
    for (path, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        for operation in methods.as_object_mut().into_iter().flat_map(Map::values_mut) {
            problems::add(path, operation);
        }
    }
    document
}

/// `GET /openapi.json`
#[utoipa::path(get, path = "/openapi.json", operation_id = "getDescription", tag = "service",
    summary = "This description",
    responses((status = 200, description = "OpenAPI 3.1", body = parts::Anything)))]
pub(super) async fn described() -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], description()).into_response()
}
