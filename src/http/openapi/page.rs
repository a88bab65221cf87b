//! The page to try the API with: Swagger UI, out of this program. It asks no other host, and keeps no token.

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_swagger_ui::Config;

use super::super::problem::Problem;
use super::super::queries;

/// Lets the page run its own scripts, and ask its own host.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                                       img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The description lies beside the page; nobody else is asked to judge it.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from("../openapi.json").validator_url("none");
    Arc::new(config.try_it_out_enabled(true).display_request_duration(true).use_base_layout())
});

/// `GET /docs`: its links are relative to the path with a slash behind it.
pub(in crate::http) async fn to_index() -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "docs/")]).into_response()
}

/// `GET /docs/`
pub(in crate::http) async fn index() -> Result<Response, Problem> {
    file("index.html")
}

/// `GET /docs/{file}`
pub(in crate::http) async fn assets(path: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let Path(name) = path.map_err(queries::bad_path)?;
    file(&name)
}

fn file(name: &str) -> Result<Response, Problem> {
    let file = utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)).ok().flatten();
    let file = file.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no such resource"))?;
    let mut response = file.bytes.into_owned().into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&file.content_type) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if file.gzpipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
