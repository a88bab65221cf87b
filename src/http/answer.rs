//! An answer, which parts of the log it covers, and which of several answers counts.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::Engine;
use crate::model::position::{Offset, PartitionId, Position};
use crate::model::time::EventTime;

/// An answer and the part of the log it covers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// The last record folded into it; offset -1 before the first.
    pub as_of: Position,
    /// Stream time at that record.
    pub stream_time: EventTime,
    /// Records behind it up to the end of the input, if known.
    pub lag: Option<i64>,
    /// Each partition that it was put together from, by number; none where it is one's.
    pub shards: Vec<Shard>,
    /// What it counts for beside others.
    pub rank: Rank,
}

/// A partition as it stood for an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Shard {
    /// The last record folded; offset -1 before the first.
    pub as_of: Position,
    /// Stream time at that record.
    pub stream_time: EventTime,
    /// Records behind it up to the end of the input, if known.
    pub lag: Option<i64>,
}

/// What an answer counts for beside those of other partitions: the greatest is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rank {
    /// What was asked about is known here: no other partition has to be waited for.
    pub certain: bool,
    /// How good it is, by what was asked.
    pub order: Vec<i64>,
    /// The session that settles ties.
    pub session: String,
    /// Whether it is the tenant's home, and how early it comes among partitions: where all else is equal.
    pub place: (bool, i32),
}

impl Rank {
    /// In a partition; `home`: that of the tenant.
    pub fn at(partition: PartitionId, home: PartitionId, certain: bool, order: Vec<i64>) -> Rank {
        Rank { certain, order, session: String::new(), place: (partition == home, -partition.0) }
    }
}

impl<T> Answer<T> {
    /// What an engine answers. `input_end`: where its input ends, if known.
    pub fn of(engine: &Engine, input_end: Option<Offset>, value: T) -> Answer<T> {
        let lag = input_end.zip(engine.next_offset()).map(|(end, next)| (end.0 - next.0).max(0));
        Answer::at(value, engine.as_of(), engine.stream_time(), lag)
    }

    /// What is answered at a place of the log.
    pub fn at(value: T, as_of: Position, stream_time: EventTime, lag: Option<i64>) -> Answer<T> {
        Answer { value, as_of, stream_time, lag, shards: Vec::new(), rank: Rank { certain: true, ..Rank::default() } }
    }

    /// The same with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        let Answer { value, as_of, stream_time, lag, shards, rank } = self;
        Answer { value: change(value), as_of, stream_time, lag, shards, rank }
    }

    /// One answer of those of several partitions, of which it covers what the least far one does. `None`: there are none.
    pub fn merged<U>(parts: Vec<Answer<T>>, merge: impl FnOnce(Vec<T>) -> U) -> Option<Answer<U>> {
        let one = parts.len() == 1;
        let mut shards: Vec<Shard> = parts.iter().map(Answer::shard).collect();
        shards.sort_by_key(|shard| shard.as_of.partition);
        let least = shards.iter().min_by_key(|shard| (shard.stream_time, shard.as_of.partition))?.clone();
        let lags: Option<Vec<i64>> = shards.iter().map(|shard| shard.lag).collect();
        let rank = parts.iter().map(|part| &part.rank).max()?.clone();
        Some(Answer {
            value: merge(parts.into_iter().map(|part| part.value).collect()),
            as_of: least.as_of,
            stream_time: least.stream_time,
            lag: lags.and_then(|lags| lags.into_iter().max()),
            shards: if one { Vec::new() } else { shards },
            rank,
        })
    }

    fn shard(&self) -> Shard {
        Shard { as_of: self.as_of, stream_time: self.stream_time, lag: self.lag }
    }
}

/// An answer as it is told. What it counts for is left beside it.
pub(super) struct Placed {
    pub fields: Value,
    pub rank: Rank,
}

impl IntoResponse for Placed {
    fn into_response(self) -> Response {
        let mut response = Json(self.fields).into_response();
        response.extensions_mut().insert(self.rank);
        response
    }
}
