//! Questions about a tenant that lives in partitions of several instances: each instance is asked for its own partitions,
//! by a header that names them, and the answers become one. Who is asked like that asks nobody else.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::response::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::task::JoinSet;

use super::answer::Rank;
use super::asked::{HOLDERS, NEAREST};
use super::base_url::BaseUrl;
use super::forward::{Asked, Forwarder, MAX_ANSWER};
use super::lists::NOT_EMBEDDED;
use super::merge::{self, List};
use super::problem::Problem;
use super::spread::{Question, Spread, WITHIN, covered, header};
use crate::model::ids::TenantId;
use crate::model::position::PartitionId;
use crate::telemetry::{Forwarded, wall_clock};

/// Says what such an answer counts for: see [`Rank`].
pub(super) const RANK: HeaderName = HeaderName::from_static("rekindle-rank");

impl Forwarder {
    /// Where the partitions are that a question is about, if no instance can answer it alone.
    pub fn spread(&self, question: Question, tenant: &TenantId) -> Option<Spread> {
        let about = (question != Question::Erasure).then_some(tenant);
        Some(Spread::of(self.port.places(about))).filter(|spread| spread.needs_several(question))
    }

    /// With the partition of a record that the answer is to cover.
    fn widened(&self, mut spread: Spread, asked: &Asked, body: &Value) -> Spread {
        if let Some(also) = covered(&asked.parts.uri, body).filter(|also| !spread.holds(*also)) {
            let mut places = self.port.places(None);
            places.retain(|(partition, _)| *partition == also);
            spread.add(places);
        }
        spread
    }

    /// Asks every instance, this one first: what it refuses is not asked of others.
    async fn ask_all(self: &Arc<Self>, asked: &Asked, spread: &Spread, next: Next) -> Result<Vec<Told>, Response> {
        let mut parts = asked.parts.clone();
        parts.headers.insert(WITHIN, header(&spread.here));
        let answer = next.run(Request::from_parts(parts, Body::from(asked.body.clone()))).await;
        let here = Told::of(spread.here.clone(), answer).await;
        if here.refuses() {
            return Err(here.into_response());
        }
        let mut asking = JoinSet::new();
        for (url, partitions) in spread.there.clone() {
            let (forwarder, asked) = (Arc::clone(self), asked.clone());
            asking.spawn(async move { forwarder.ask(&asked, &url, partitions).await });
        }
        let mut told = asking.join_all().await;
        for partition in spread.nowhere.iter().copied() {
            let detail = format!("partition {partition} is owned by no instance that is known of");
            told.push(Told::of(vec![partition], Problem::unavailable(detail).of(partition).into_response()).await);
        }
        // As instances were named, not as they answered.
        told.sort_by_key(|told| told.partitions.first().copied());
        told.insert(0, here);
        // What the answer is to cover is not covered, whatever the others say.
        let body = serde_json::from_slice(&asked.body).unwrap_or_default();
        let record = covered(&asked.parts.uri, &body);
        let uncovers = |told: &Told| told.is_fault() && told.partitions.iter().any(|at| Some(*at) == record);
        match told.iter().position(uncovers) {
            Some(place) => Err(told.swap_remove(place).into_response()),
            None => Ok(told),
        }
    }

    async fn ask(&self, asked: &Asked, url: &BaseUrl, partitions: Vec<PartitionId>) -> Told {
        let partition = partitions.first().copied().unwrap_or_default();
        let answer = match self.certificates {
            true => Err(uncertified(partition)),
            false => self.send(asked, url, partition, (WITHIN, header(&partitions))).await,
        };
        let told = Told::of(partitions, answer.unwrap_or_else(IntoResponse::into_response)).await;
        if !told.is_answer() || told.is_of_ours() {
            return told;
        }
        let detail = format!("partition {partition} is at another instance, whose answer is not understood");
        Told::of(told.partitions, Problem::unavailable(detail).of(partition).into_response()).await
    }
}

/// What an instance says of its partitions.
struct Told {
    partitions: Vec<PartitionId>,
    head: Parts,
    body: Bytes,
}

impl Told {
    async fn of(partitions: Vec<PartitionId>, answer: Response) -> Told {
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, MAX_ANSWER as usize).await.unwrap_or_default();
        Told { partitions, head, body }
    }

    /// Whether the request is refused, whoever is asked.
    fn refuses(&self) -> bool {
        self.head.status.is_client_error() && !self.knows_nothing()
    }

    fn knows_nothing(&self) -> bool {
        self.head.status == StatusCode::NOT_FOUND
    }

    fn is_fault(&self) -> bool {
        !self.is_answer() && !self.knows_nothing()
    }

    fn is_answer(&self) -> bool {
        self.head.status == StatusCode::OK
    }

    fn rank(&self) -> Option<Rank> {
        let said = || serde_json::from_slice(self.head.headers.get(RANK)?.as_bytes()).ok();
        self.head.extensions.get().cloned().or_else(said)
    }

    /// Whether it says what it counts for: who knows nothing of partitions that are asked alone does not.
    fn is_of_ours(&self) -> bool {
        self.rank().is_some() && self.json().is_object()
    }

    /// The fields; null, if there are none.
    fn json(&self) -> Value {
        Some(serde_json::from_slice(&self.body).unwrap_or_default()).filter(Value::is_object).unwrap_or_default()
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let Told { mut head, body, .. } = self;
        head.headers.remove(RANK);
        Response::from_parts(head, Body::from(body))
    }
}

/// The answer of all instances together.
pub(super) async fn gather(
    forwarder: &Arc<Forwarder>,
    question: Question,
    mut asked: Asked,
    spread: Spread,
    next: Next,
) -> Response {
    let mut body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let spread = forwarder.widened(spread, &asked, &body);
    if question == Question::List(List::Hits) && body["session_id"].is_string() {
        // The session's own embedding first, from where it is known.
        let told = match forwarder.ask_all(&asked, &spread, next.clone()).await {
            Ok(told) => best(told),
            Err(refused) => return refused,
        };
        if !told.is_answer() {
            return told.into_response();
        }
        let vector = told.json()["vector"].take();
        if vector.is_null() {
            return Problem::new(StatusCode::NOT_FOUND, NOT_EMBEDDED).into_response();
        }
        compare_with(&mut body, &vector);
        asked.body = body.to_string().into();
    }
    let told = match forwarder.ask_all(&asked, &spread, next).await {
        Ok(told) => told,
        Err(refused) => return refused,
    };
    let answer = match question {
        Question::One => best(told).into_response(),
        Question::List(list) => listed(list, told, &body),
        Question::Erasure => erased(told),
    };
    forwarder.metrics.http_forwarded(Forwarded::Gathered);
    answer
}

/// The answer that counts, as among partitions of one instance: who does not answer only matters where none knows for
/// certain.
fn best(told: Vec<Told>) -> Told {
    let (mut best, mut fault, mut nothing) = (None::<(Rank, Told)>, None, None);
    for told in told {
        let rank = told.rank();
        if told.is_answer() {
            let rank = rank.unwrap_or_default();
            if best.as_ref().is_none_or(|(known, _)| *known < rank) {
                best = Some((rank, told));
            }
        } else if told.knows_nothing() {
            nothing = nothing.or(Some(told));
        } else {
            fault = fault.or(Some(told));
        }
    }
    let (certain, best) = best.map_or((false, None), |(rank, told)| (rank.certain, Some(told)));
    let told = if certain { best.or(fault).or(nothing) } else { fault.or(best).or(nothing) };
    // This instance was asked, and said one of the three.
    told.expect("somebody was asked")
}

/// One list of all, which all have to give.
fn listed(list: List, mut told: Vec<Told>, body: &Value) -> Response {
    if let Some(place) = told.iter().position(Told::is_fault) {
        return told.swap_remove(place).into_response();
    }
    let (known, others): (Vec<Told>, Vec<Told>) =
        told.into_iter().partition(|told| told.is_answer() && told.rank().is_some_and(|rank| rank.certain));
    // Of a tenant that none knows its home tells that the list is empty.
    if known.len() < 2 {
        return best(known.into_iter().chain(others).collect()).into_response();
    }
    let (limit, default) = match list {
        List::Hits => ("k", NEAREST),
        List::Matches => ("limit", HOLDERS.1),
    };
    let most = body[limit].as_u64().map_or(default, |most| most as usize);
    Json(merge::lists(list, known.iter().map(Told::json).collect(), most)).into_response()
}

/// How far an erasure has come everywhere.
fn erased(mut told: Vec<Told>) -> Response {
    let here = told.remove(0);
    if !here.is_answer() {
        return here.into_response();
    }
    let others = told.into_iter().map(|told| {
        let mut json = told.json();
        let said = match told.is_answer() {
            true => Ok(json),
            false => Err(json["detail"].take().as_str().unwrap_or("the instance gives no answer").to_owned()),
        };
        (told.partitions, said)
    });
    Json(merge::erasure(here.json(), others.collect(), wall_clock().0)).into_response()
}

/// A search by a session becomes one by what that session is near to.
fn compare_with(body: &mut Value, vector: &Value) {
    let Some(fields) = body.as_object_mut() else { return };
    // What it was to cover was waited for.
    for done in ["at_least", "wait_ms"] {
        fields.remove(done);
    }
    if let Some(session) = fields.remove("session_id") {
        fields.insert("except_session_id".to_owned(), session);
    }
    fields.insert("space".to_owned(), vector["space"].clone());
    fields.insert("vector".to_owned(), vector["base64"].clone());
}

/// An answer of some partitions alone, with what it counts for.
pub(super) fn part(mut answer: Response) -> Response {
    let rank = answer.extensions().get::<Rank>().and_then(|rank| serde_json::to_vec(rank).ok());
    if let Some(rank) = rank.and_then(|rank| HeaderValue::from_bytes(&rank).ok()) {
        answer.headers_mut().insert(RANK, rank);
    }
    answer
}

fn uncertified(partition: PartitionId) -> Problem {
    let detail = format!(
        "partition {partition} is at another instance, which asks for a client's certificate (http.tls.client_ca): this \
         one has none to ask with"
    );
    Problem::unavailable(detail).of(partition)
}
