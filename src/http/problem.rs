//! Errors as `application/problem+json` (RFC 9457). Says what is wrong and with which field, never what
//! another tenant holds.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::forward::Elsewhere;
use super::port::{Answer, QueryError};
use crate::model::position::{PartitionId, Position};
use crate::model::time::EventTime;

/// Seconds after which asking again makes sense, while a partition moves or is being restored.
const RETRY_SECONDS: u64 = 2;

/// The part of the log that an answer covers, and how much is behind it, as they are told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// Where the part ends.
    pub as_of: Value,
    /// Records behind it; null if that is not known.
    pub lag: Value,
    /// The same of each partition, where an answer was put together from several.
    pub shards: Option<Value>,
}

impl Place {
    /// Of an answer.
    pub fn of<T>(answer: &Answer<T>) -> Place {
        let shards = answer.shards.iter().map(|shard| {
            let mut told = place(shard.as_of, shard.stream_time);
            told["lag"] = json!(shard.lag);
            told
        });
        let shards = (!answer.shards.is_empty()).then(|| shards.collect());
        Place { as_of: place(answer.as_of, answer.stream_time), lag: json!(answer.lag), shards }
    }
}

fn place(as_of: Position, stream_time: EventTime) -> Value {
    let stream_time = Some(stream_time).filter(|t| *t != EventTime::MIN).map(|t| t.0);
    let offset = Some(as_of.offset.0).filter(|offset| *offset >= 0);
    json!({"partition": as_of.partition.0, "offset": offset, "stream_time": stream_time})
}

/// An error answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    field: Option<String>,
    partition: Option<i32>,
    /// Whether another instance may have the partition.
    elsewhere: bool,
    progress: Option<f64>,
    retry: Option<u64>,
    challenge: Option<Box<str>>,
    /// Part of the log that was asked too early, and what lies behind it: see [`Place`].
    place: Option<Box<Place>>,
}

impl Problem {
    /// A problem of this status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            detail: detail.into(),
            field: None,
            partition: None,
            elsewhere: false,
            progress: None,
            retry: None,
            challenge: None,
            place: None,
        }
    }

    /// A request that cannot be understood, because of this field.
    pub fn field(field: impl Into<String>, fault: impl std::fmt::Display) -> Problem {
        let field = field.into();
        let mut problem = Problem::new(StatusCode::BAD_REQUEST, format!("{field}: {fault}"));
        problem.field = Some(field);
        problem
    }

    /// What was to be folded is not: the log reaches to this place.
    pub fn too_early(detail: impl Into<String>, place: Place) -> Problem {
        let mut problem = Problem::new(StatusCode::CONFLICT, detail);
        problem.field = Some("at_least".to_owned());
        problem.place = Some(Box::new(place));
        problem
    }

    /// Not now.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_SECONDS)
    }

    /// The same, and when asking again makes sense.
    pub fn retry_after(mut self, seconds: u64) -> Problem {
        self.retry = Some(seconds);
        self
    }

    /// The partition that does not answer.
    pub fn of(mut self, partition: PartitionId) -> Problem {
        self.partition = Some(partition.0);
        self
    }

    /// Nobody knows who asks. `challenge`: what a token has to be, and why the one that was sent is none (RFC 6750).
    pub fn unauthorized(detail: impl Into<String>, challenge: impl Into<String>) -> Problem {
        let mut problem = Problem::new(StatusCode::UNAUTHORIZED, detail);
        problem.challenge = Some(challenge.into().into());
        problem
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Problem {
        let detail = error.to_string();
        match &error {
            QueryError::NotFound => return Problem::new(StatusCode::NOT_FOUND, detail),
            QueryError::NoSuchPartition(..) => return Problem::field("at_least.partition", detail),
            _ => {}
        }
        let mut problem = Problem::unavailable(detail);
        problem.partition = error.partition().map(|partition| partition.0);
        problem.elsewhere = matches!(error, QueryError::NotOwned(_) | QueryError::Unconfirmed(_));
        if let QueryError::Restoring(_, progress) = error {
            problem.progress = Some(progress);
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut body =
            json!({"type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail});
        let (as_of, lag) = self.place.map(|place| (place.as_of, place.lag)).unzip();
        let extensions = [
            ("field", self.field.map(Value::from)),
            ("partition", self.partition.map(Value::from)),
            ("progress", self.progress.map(Value::from)),
            ("as_of", as_of),
            ("lag", lag),
        ];
        for (name, value) in extensions {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(partition) = self.partition.filter(|_| self.elsewhere) {
            response.extensions_mut().insert(Elsewhere(PartitionId(partition)));
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // The rest of its body is not waited for.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
