//! Where a page ended, as a text that means nothing to who carries it. It is good for the query that gave it alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::engine::{HistoryPlace, HistoryQuery};
use crate::model::ids::SessionId;
use crate::model::time::EventTime;

/// Bytes of the digest.
const DIGEST_BYTES: usize = 16;

/// The place behind which a query goes on: a digest of both, the instant, the session's id; base64 that needs no
/// escape in a URL.
pub(super) fn encode(query: &HistoryQuery, (at, session): &HistoryPlace) -> String {
    let mut bytes = digest(query, *at, session.as_str()).to_vec();
    bytes.extend(at.0.to_be_bytes());
    bytes.extend(session.as_str().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that [`encode`] was given with the same query; `None`: it was another query's, or was altered.
pub(super) fn decode(query: &HistoryQuery, text: &str) -> Option<HistoryPlace> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (sent, place) = bytes.split_first_chunk::<DIGEST_BYTES>()?;
    let (at, session) = place.split_first_chunk()?;
    let (at, session) = (EventTime(i64::from_be_bytes(*at)), std::str::from_utf8(session).ok()?);
    (*sent == digest(query, at, session)).then_some((at, SessionId::new(session).ok()?))
}

/// Of everything but the limit, which may change from page to page. Ids hold no line end.
fn digest(query: &HistoryQuery, at: EventTime, session: &str) -> [u8; DIGEST_BYTES] {
    let HistoryQuery { tenant, user, statuses, active_since, active_before, after: _, limit: _ } = query;
    let mut statuses = statuses.clone();
    statuses.sort();
    statuses.dedup();
    let text = format!("{tenant}\n{user}\n{statuses:?}\n{active_since:?}\n{active_before:?}\n{at}\n{session}");
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&Sha256::digest(text)[..DIGEST_BYTES]);
    digest
}
