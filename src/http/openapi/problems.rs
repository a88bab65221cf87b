//! Which errors an operation may answer with. They follow from what it takes and needs, so no handler lists them.

use serde_json::{Value, json};

/// Statuses, their names, what they are said of, and the header that comes with them.
const PROBLEMS: [(&str, &str, Option<&str>); 11] = [
    ("400", "A field, parameter or id is not what it may be; `field` says which", None),
    ("401", "A token is needed, or this one is not good", Some("WWW-Authenticate")),
    ("403", "The token's role does not suffice, or it has to be for all tenants", None),
    ("404", "Nothing is known of it in this tenant, or the token is not for the tenant", None),
    ("408", "The body did not come in time", None),
    ("409", "The record of at_least is not folded in time, or a chain changed between its pages", None),
    ("413", "The body is too large", None),
    ("415", "The body is not said to be JSON", None),
    ("421", "The address answers to names of this machine only", None),
    ("429", "The token asks too often", Some("Retry-After")),
    (
        "503",
        "Not now: the partition is elsewhere, is being restored or has stopped, or too much is under way",
        Some("Retry-After"),
    ),
];

/// The answer that leads on.
const ELSEWHERE: &str = "Elsewhere";

/// Components of answers, by status.
pub(super) fn responses() -> Value {
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let responses = PROBLEMS.map(|(status, description, header)| {
        let mut response =
            json!({"description": description, "content": {"application/problem+json": {"schema": schema}}});
        if let Some(header) = header {
            response["headers"] = json!({header: {"required": true, "schema": {"type": "string"}}});
        }
        (format!("Problem{status}"), response)
    });
    let elsewhere = json!({
        "description": "Another instance holds the partition: the same request goes to Location",
        "headers": {"Location": {"required": true, "schema": {"type": "string"}}},
    });
    Value::Object(responses.into_iter().chain([(ELSEWHERE.to_owned(), elsewhere)]).collect())
}

/// Adds what an operation of this path may answer with, and whether it needs a token.
pub(super) fn add(path: &str, operation: &mut Value) {
    let of_tenant = path.contains("{tenant}");
    let known = of_tenant || path == "/feed" || path == "/v1/status";
    let has_body = operation.get("requestBody").is_some();
    let takes = |name: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
    };
    let waits = takes("at_least") || (has_body && !path.ends_with("/erasures"));
    let metrics = path == "/metrics";
    let applies = |status: &str| match status {
        "400" => known,
        "401" | "403" | "429" => known || metrics,
        "404" => of_tenant,
        "408" | "413" | "415" => has_body,
        "409" => waits,
        "421" => true,
        _ => known || metrics || path == "/readyz",
    };
    let statuses: Vec<&str> = PROBLEMS.iter().map(|(status, ..)| *status).filter(|status| applies(status)).collect();
    for status in statuses {
        operation["responses"][status] = json!({"$ref": format!("#/components/responses/Problem{status}")});
    }
    if of_tenant {
        operation["responses"]["307"] = json!({"$ref": format!("#/components/responses/{ELSEWHERE}")});
    }
    if known {
        operation["security"] = json!([{"token": []}]);
    } else if metrics {
        operation["security"] = json!([{}, {"token": []}]);
    }
}
