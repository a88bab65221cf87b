//! What bodies and parameters are made of: ids, instants, counts, with the limits that the code checks them against. Each is
//! a type that only stands for its schema, so that what holds it can be derived.

use serde_json::{Value, json};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::engine::index::MAX_K;
use crate::http::freshness::WAIT_MS;
use crate::http::request::WORKERS;
use crate::http::{asked, suggestions};
use crate::model::event::TransferScope;
use crate::model::ids::{MAX_ID_BYTES, MAX_NAME_BYTES};
use crate::model::prefix::MAX_PREFIX_POSITIONS;
use crate::model::session::Status;

/// Types that stand for schemas of their names.
macro_rules! stand_for {
    ($($name:ident),* $(,)?) => {$(
        pub(in crate::http) struct $name;
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Ref::from_schema_name(stringify!($name)).into()
            }
        }
        impl ToSchema for $name {}
    )*};
}

// Below.
stand_for!(
    Anything,
    Id,
    Statuses,
    StatusList,
    Scope,
    Instant,
    AtLeastText,
    AtLeast,
    WaitMs,
    PageLimit,
    BlocksLimit,
    HoldersLimit,
    NearestLimit,
    Vector,
    Workers,
    SuggestionTold,
    SuggestionPublished,
    TriggerTold,
    KvCopyOrNull
);
// Those of `schemas/`, as answers tell them and as they are sent.
stand_for!(SessionState, CacheIdentity, Alternative, RejectedCandidate);
stand_for!(CacheIdentityInput, PrefixInput, ContextInput);

/// Their schemas.
pub(super) fn all() -> Vec<(String, Value)> {
    let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.label()).collect();
    let scopes: Vec<&str> = TransferScope::ALL.iter().map(|scope| scope.label()).collect();
    let any = statuses.join("|");
    let words = json!({"type": "array", "items": {"enum": statuses}});
    let listed = json!({"type": "string", "pattern": format!("^({any})(,({any}))*$")});
    let count = |(most, otherwise): (usize, usize)| json!({"type": "integer", "minimum": 1, "maximum": most, "default": otherwise});
    let instant = json!({"type": "integer", "format": "int64", "description": "ms since the epoch"});
    let instant_text = json!({"type": "string", "format": "date-time"});
    let name = json!({"type": "string", "minLength": 1, "maxLength": MAX_NAME_BYTES});
    let schemas = [
        ("Anything", json!({"type": "object"})),
        ("Id", id()),
        ("StatusList", listed.clone()),
        ("Statuses", json!({"anyOf": [words, listed]})),
        ("Scope", json!({"enum": scopes})),
        ("Instant", json!({"anyOf": [instant, instant_text]})),
        (
            "AtLeastText",
            json!({"type": "string", "pattern": "^[0-9]{1,9}:[0-9]{1,18}$", "example": "1:5120",
            "description": "PARTITION:OFFSET of a record of the input that the answer has to cover"}),
        ),
        ("AtLeast", at_least()),
        (
            "WaitMs",
            json!({"type": "integer", "minimum": 0, "maximum": WAIT_MS.0, "default": WAIT_MS.1,
            "description": "how long to wait for the record of at_least, without which it may not be given"}),
        ),
        ("PageLimit", count(asked::PAGE)),
        ("BlocksLimit", count(suggestions::PAGE)),
        ("HoldersLimit", count(asked::HOLDERS)),
        ("NearestLimit", count((MAX_K, asked::NEAREST))),
        ("Vector", vector()),
        ("Workers", json!({"type": "array", "minItems": 1, "maxItems": WORKERS, "items": name})),
    ];
    let named = schemas.map(|(name, schema)| (name.to_owned(), schema));
    named.into_iter().chain(told()).collect()
}

fn id() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": MAX_ID_BYTES, "pattern": "^[!-\"$-.0-~]+$",
        "not": {"enum": ["*", ".", ".."]}, "description": "visible ASCII without / and #"})
}

fn at_least() -> Value {
    let number = |most: i64| json!({"type": "integer", "minimum": 0, "maximum": most});
    json!({"type": "object", "additionalProperties": false, "required": ["partition", "offset"],
        "description": "a record of the input that the answer has to cover",
        "properties": {"partition": number(i64::from(i32::MAX)), "offset": number(i64::MAX)}})
}

/// An embedding as it is sent.
pub(super) fn vector() -> Value {
    json!({"description": "as many numbers as the space has components, or base64 of f32, little-endian; not all zero",
        "anyOf": [{"type": "array", "minItems": 1, "items": {"type": "number"}},
            {"type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]+={0,2}$"}]})
}

/// Hashes of a chain as they are sent.
pub(super) fn hashes() -> Value {
    json!({"description": "hexadecimal texts, or base64 of 8 bytes each, big-endian",
        "anyOf": [{"type": "array", "maxItems": MAX_PREFIX_POSITIONS,
                "items": {"type": "string", "pattern": "^(0x)?[0-9A-Fa-f]{1,16}$"}},
            {"type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]*={0,2}$"}]})
}

/// Suggestions of either kind, and what is told of them beside what is published.
fn told() -> Vec<(String, Value)> {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let published = json!({"oneOf": [reference("RecoverySuggestion"), reference("TransferSuggestion")]});
    let nullable = |kind: &str| json!({"type": [kind, "null"]});
    let end = json!({"type": "object", "required": ["outcome", "ended_at"], "properties": {
        "outcome": nullable("string"), "ended_at": nullable("integer")}});
    let place = json!({"type": "object", "required": ["partition", "offset"], "properties": {
        "partition": {"type": "integer"}, "offset": {"type": "integer"}}});
    let schemas = [
        ("SuggestionPublished", published.clone()),
        ("SuggestionTold", json!({"allOf": [published, end]})),
        ("TriggerTold", json!({"allOf": [reference("Trigger"), place]})),
        ("KvCopyOrNull", json!({"oneOf": [reference("KvCopy"), {"type": "null"}]})),
    ];
    schemas.map(|(name, schema)| (name.to_owned(), schema)).into()
}
