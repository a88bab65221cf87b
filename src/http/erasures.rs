//! Erasure: has an erasure written to the input, and says later how far it has come. What is said of a subject was looked
//! for where it would be.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::{Placed, Rank};
use super::erasure_id::{self, Written};
use super::fields::Fields;
use super::openapi;
use super::parameters::NoParameters;
use super::port::{Answer, Erasure, KeptBy, Left, NotWritten, QueryError};
use super::problem::{Place, Problem};
use super::queries::{self, Parameters, not_found};
use super::seen::Seen;
use super::server::App;
use crate::engine::Remains;
use crate::model::event::ErasureScope;
use crate::model::ids::{EventId, InvalidId, TenantId};
use crate::model::position::{Offset, PartitionId};
use crate::model::time::{EventTime, Millis};
use crate::telemetry::wall_clock;

/// Fields that are known, and the words of scopes.
const FIELDS: [&str; 3] = ["scope", "id", "request_id"];
const SCOPES: [&str; 3] = ["session", "user", "tenant"];
const PARAMETERS: [&str; 3] = ["include", "at_least", "wait_ms"];
const UNKNOWN: &str = "no such erasure";

/// `POST /v1/tenants/{tenant}/erasures`: writes one, and says where.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/erasures", operation_id = "erase", tag = "erasure",
    summary = "Have a session, a user or a tenant forgotten",
    params(openapi::OfTenant),
    request_body = openapi::ErasureBody,
    responses((status = 202, description = "It is written to every partition of the input", body = openapi::ErasureWritten)))]
pub(super) async fn ask(
    State(app): State<App>,
    seen: Seen,
    path: Result<Path<String>, PathRejection>,
    _: NoParameters,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    if !app.guarded {
        let detail = "this address erases nothing while it asks for neither tokens nor client certificates";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let tenant = queries::tenant_id(path)?;
    let erasure = erasure(tenant, Fields::of_body(&json_body(&headers, body)?)?)?;
    let port = seen.writer(&erasure.tenant).map_err(not_found("no such tenant"))?;
    let asked = erasure.clone();
    let written = aside(move || port.erase(&asked)).await.unwrap_or_else(|| Err(ended()));
    let offsets = written.map_err(|fault| Problem::unavailable(fault.to_string()))?;
    let places = places(&offsets).map(|(partition, offset)| json!({"partition": partition.0, "offset": offset.0}));
    let places: Vec<Value> = places.collect();
    let Erasure { tenant, scope, event_id, occurred_at } = erasure;
    let id = Written { scope: scope.clone(), occurred_at, offsets }.id(&tenant);
    let answer = json!({"erasure_id": id, "scope": scope.label(), "event_id": event_id.as_str(),
        "occurred_at": occurred_at.0, "written": places});
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// `GET /v1/tenants/{tenant}/erasures/{erasure}`: what is left of the subject, by partition.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/erasures/{erasure}", operation_id = "getErasure", tag = "erasure",
    summary = "What is left of an erased subject",
    params(openapi::OfErasure, openapi::WithTopics, openapi::Fresh),
    responses((status = 200, description = "How far it has come", body = openapi::ErasureAnswer)))]
pub(super) async fn status(
    State(app): State<App>,
    seen: Seen,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Parameters,
) -> Result<Placed, Problem> {
    let Path((tenant, id)) = path.map_err(queries::bad_path)?;
    let tenant = TenantId::new(&tenant).map_err(|e| Problem::field("tenant_id", e))?;
    let mut parameters = queries::parameters(query)?.only(&PARAMETERS)?;
    let include = parameters.text("include")?;
    if !matches!(include.as_deref(), None | Some("topics")) {
        return Err(Problem::field("include", "must be topics"));
    }
    let at_least = parameters.at_least()?;
    let missing = || not_found(UNKNOWN)(QueryError::NotFound);
    let port = seen.writer(&tenant).map_err(not_found(UNKNOWN))?;
    let written = Written::of_id(&tenant, &id).ok_or_else(missing)?;
    seen.until(&tenant, at_least).await?;
    let mut overall = Stand::Done;
    let mut told = Vec::new();
    for (partition, offset) in places(&written.offsets) {
        let mut one = json!({"partition": partition.0, "offset": offset.0});
        let stand = match seen.left(partition, &tenant, &written.scope) {
            Ok(answer) => {
                describe(&mut one, &answer, offset);
                stand(&answer, offset, written.occurred_at, app.engine.erasure_marker)
            }
            Err(fault) => {
                one["detail"] = fault.to_string().into();
                Stand::Unknown
            }
        };
        one["state"] = stand.label().into();
        overall = overall.max(stand);
        told.push(one);
    }
    let mut answer = json!({"erasure_id": id, "scope": written.scope.label(), "occurred_at": written.occurred_at.0,
        "state": overall.label(), "partitions": told});
    if include.is_some() {
        let done_at = (overall == Stand::Done).then(wall_clock);
        let kept = aside(move || port.kept()).await.unwrap_or_else(|| Err("the attempt ended early".to_owned()));
        let kept = kept.map_err(|fault| Problem::unavailable(format!("the topics cannot be described: {fault}")))?;
        answer["topics"] = kept.iter().map(|kept| topic(kept, done_at)).collect();
    }
    Ok(Placed { fields: answer, rank: Rank::default() })
}

/// How long a topic keeps what is erased; and until when, if that is known to be written no more.
fn topic(KeptBy { topic, policy, gone_within }: &KeptBy, done_at: Option<EventTime>) -> Value {
    let within = gone_within.as_ref().ok().copied();
    let reason = match (gone_within, done_at) {
        (Err(reason), _) => Some(reason.as_str()),
        (Ok(_), None) => Some("the erasure is not done"),
        (Ok(_), Some(_)) => None,
    };
    let gone_by = done_at.zip(within).map(|(at, within)| at.plus(within).0);
    json!({"topic": topic, "cleanup_policy": policy, "gone_within_ms": within.map(|within| within.0),
        "gone_by": gone_by, "reason": reason})
}

/// How far an erasure has come in a partition. Of several the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stand {
    /// Nothing is left, and that is committed.
    Done,
    /// The partition is not running here.
    Unknown,
    /// Not folded, or something is left.
    Pending,
    /// Folded without effect.
    Refused,
}

impl Stand {
    fn label(self) -> &'static str {
        match self {
            Stand::Done => "done",
            Stand::Unknown => "unknown",
            Stand::Pending => "pending",
            Stand::Refused => "refused",
        }
    }
}

/// `kept`: how long markers are kept; of a marker that is gone by time nothing is concluded.
fn stand(answer: &Answer<Left>, offset: Offset, occurred_at: EventTime, kept: Millis) -> Stand {
    let Left { remains, .. } = &answer.value;
    if answer.as_of.offset < offset {
        Stand::Pending
    } else if remains.marker.is_none_or(|marker| marker.cut < occurred_at)
        && answer.stream_time < occurred_at.plus(kept)
    {
        Stand::Refused
    } else if remains.are_none() && is_committed(&answer.value, offset) {
        Stand::Done
    } else {
        Stand::Pending
    }
}

/// Whether all tombstones that were written so far are committed, those of this record with them.
fn is_committed(left: &Left, offset: Offset) -> bool {
    let last = left.remains.buried_at.map_or(offset, |at| at.max(offset));
    left.committed.is_some_and(|next| next > last)
}

/// What a partition says.
fn describe(one: &mut Value, answer: &Answer<Left>, offset: Offset) {
    let folded = answer.as_of.offset >= offset;
    let Left { remains, .. } = &answer.value;
    let Remains { sessions, vectors, prefixes, open_suggestions, unwritten, .. } = remains;
    let Place { as_of, lag, .. } = Place::of(answer);
    one["folded"] = folded.into();
    one["left"] = json!({"sessions": sessions, "vectors": vectors, "prefixes": prefixes,
        "open_suggestions": open_suggestions, "tombstones": unwritten});
    one["committed"] = (folded && is_committed(&answer.value, offset)).into();
    one["as_of"] = as_of;
    one["lag"] = lag;
}

/// Runs what blocks where it holds up nobody; `None` if it ended early.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.ok(),
        // A server of somebody's own, on another runtime.
        Err(_) => Some(work()),
    }
}

fn ended() -> NotWritten {
    NotWritten("the attempt ended early".to_owned())
}

/// Partitions, from 0 on, and an offset in each.
fn places(offsets: &[Offset]) -> impl Iterator<Item = (PartitionId, Offset)> {
    (0..).map(PartitionId).zip(offsets.iter().copied())
}

/// Reads the body.
fn erasure(tenant: TenantId, fields: Fields) -> Result<Erasure, Problem> {
    let mut fields = fields.only(&FIELDS)?;
    let word = fields.text("scope")?.ok_or_else(|| Problem::field("scope", "is required"))?;
    let id = fields.text("id")?;
    let request = fields.checked("request_id", EventId::new)?;
    if !SCOPES.contains(&word.as_str()) {
        return Err(Problem::field("scope", "must be one of session, user, tenant"));
    }
    let scope = erasure_id::scope(&word, id.as_deref()).map_err(|fault| Problem::field("id", fault))?;
    let scope = scope.ok_or_else(|| match id {
        None => Problem::field("id", format!("is required with scope {word}")),
        Some(_) => Problem::field("id", "must be left out with scope tenant: the path names the tenant"),
    })?;
    let occurred_at = wall_clock();
    let request = request.map_or_else(|| occurred_at.to_string(), |id| id.as_str().to_owned());
    let event_id = event_id(&tenant, &scope, &request).map_err(|fault| Problem::field("request_id", fault))?;
    Ok(Erasure { tenant, scope, event_id, occurred_at })
}

/// One subject and one request have one id. It does not tell the subject.
fn event_id(tenant: &TenantId, scope: &ErasureScope, request: &str) -> Result<EventId, InvalidId> {
    let mut hash = Sha256::new();
    for part in [tenant.as_str(), scope.label(), scope.id().unwrap_or_default(), request] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    EventId::new(&format!("erasure-{}", &hex::encode(hash.finalize())[..32]))
}

/// A body that says it is JSON. Pages of other origins cannot say so without leave, and so erase nothing.
fn json_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    if queries::says_json(headers) != Some(true) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content-type must be application/json"));
    }
    queries::whole(body)
}
