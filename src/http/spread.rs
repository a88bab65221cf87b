//! Where the partitions are in which a tenant lives, and how an instance is asked for some of them alone.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::Value;

use super::base_url::BaseUrl;
use super::merge::List;
use super::port::Whereabouts;
use super::problem::Problem;
use crate::model::position::PartitionId;

/// Names the partitions that are to answer, alone.
pub(super) const WITHIN: HeaderName = HeaderName::from_static("rekindle-partitions");
/// How answers of several instances become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// The best counts.
    One,
    /// They are put together.
    List(List),
    /// Each tells of its own partitions, whatever the tenant.
    Erasure,
}

/// Where a tenant's partitions are.
#[derive(Default)]
pub(super) struct Spread {
    pub here: Vec<PartitionId>,
    pub there: Vec<(BaseUrl, Vec<PartitionId>)>,
    pub nowhere: Vec<PartitionId>,
}

impl Spread {
    pub fn of(places: Vec<(PartitionId, Whereabouts)>) -> Spread {
        let mut spread = Spread::default();
        spread.add(places);
        spread
    }

    pub fn add(&mut self, places: Vec<(PartitionId, Whereabouts)>) {
        for (partition, place) in places {
            match place {
                Whereabouts::Here => self.here.push(partition),
                Whereabouts::Nowhere => self.nowhere.push(partition),
                Whereabouts::At(url) => match self.there.iter_mut().find(|(known, _)| *known == url) {
                    Some((_, partitions)) => partitions.push(partition),
                    None => self.there.push((url, vec![partition])),
                },
            }
        }
    }

    /// Whether a partition is among them.
    pub fn holds(&self, partition: PartitionId) -> bool {
        let there = self.there.iter().flat_map(|(_, partitions)| partitions);
        there.chain(&self.here).chain(&self.nowhere).any(|known| *known == partition)
    }

    /// Whether no instance can answer alone.
    pub fn needs_several(&self, question: Question) -> bool {
        match question {
            Question::Erasure => !self.there.is_empty(),
            _ => usize::from(!self.here.is_empty()) + self.there.len() + usize::from(!self.nowhere.is_empty()) > 1,
        }
    }
}

/// The partitions that are asked alone, if a request names them.
pub(super) fn within(headers: &HeaderMap) -> Result<Option<Vec<PartitionId>>, Problem> {
    let Some(named) = headers.get(WITHIN) else { return Ok(None) };
    let partition = |word: &str| word.trim().parse().ok().filter(|number| *number >= 0).map(PartitionId);
    let named = named.to_str().ok().and_then(|named| match named.trim() {
        "" => Some(Vec::new()),
        named => named.split(',').map(partition).collect(),
    });
    let fault = || Problem::field(WITHIN.as_str(), "must be numbers of partitions, separated by commas");
    named.map(Some).ok_or_else(fault)
}

/// The same, to be sent.
pub(super) fn header(partitions: &[PartitionId]) -> HeaderValue {
    let numbers: Vec<String> = partitions.iter().map(PartitionId::to_string).collect();
    // Digits and commas.
    HeaderValue::from_str(&numbers.join(",")).unwrap_or(HeaderValue::from_static(""))
}

/// The partition of the record that an answer is to cover, as far as a request names one.
pub(super) fn covered(uri: &Uri, body: &Value) -> Option<PartitionId> {
    let in_url = || {
        let query = uri.query().unwrap_or_default();
        let named = query.split('&').find_map(|pair| pair.strip_prefix("at_least="))?;
        named.split([':', '%']).next()?.parse().ok()
    };
    let in_body = match &body["at_least"] {
        Value::String(text) => text.split(':').next().and_then(|number| number.parse().ok()),
        named => named["partition"].as_i64().and_then(|number| number.try_into().ok()),
    };
    in_body.or_else(in_url).map(PartitionId)
}
