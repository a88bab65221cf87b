//! What a verification found, as it is written out: the shape is documented in docs/operations.md.

use serde::Serialize;

use crate::model::position::Offset;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything is as a replay of the input gives it.
    #[default]
    Equal,
    /// No difference is proven, but not everything could be compared.
    NotProvable,
    /// Something differs.
    Different,
}

/// What was found, over all partitions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The worst of the partitions'.
    pub outcome: Outcome,
    /// Version of the engine that replayed.
    pub engine_version: String,
    /// The consumer group whose work was verified.
    pub group: String,
    /// The generation of the application.
    pub generation: u32,
    /// The input topic.
    pub input: String,
    /// Each verified partition.
    pub partitions: Vec<PartitionReport>,
}

/// What was found of one partition.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PartitionReport {
    /// Its number.
    pub partition: i32,
    /// The answer for it.
    pub outcome: Outcome,
    /// Why something could not be proven; empty if everything could.
    pub not_provable: Vec<NotProvable>,
    /// Whether a later generation has taken over: then this one need not have consumed the rest of the input.
    pub superseded: bool,
    /// The input.
    pub input: InputReport,
    /// The group's committed offset; `None`: it has none.
    pub group_offset: Option<i64>,
    /// Up to where outputs were compared.
    pub cut: Cut,
    /// What is wrong with the checkpoint and the group's offset, in words.
    pub checkpoint: Vec<String>,
    /// `recovery-suggestions`
    pub recovery: SequenceReport,
    /// `transfer-suggestions`
    pub transfer: SequenceReport,
    /// `session-events-dlq`
    pub dead_letters: SequenceReport,
    /// `session-states`
    pub states: TableReport,
    /// `session-vectors`
    pub vectors: TableReport,
    /// `session-bookkeeping`, without the checkpoint
    pub bookkeeping: TableReport,
}

/// Why, and from where, nothing can be proven.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NotProvable {
    /// Nothing can be said of what follows from input records before this offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_offset: Option<i64>,
    /// Differences from this offset on prove nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_offset: Option<i64>,
    /// Why.
    pub reason: String,
}

/// What the input holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct InputReport {
    /// Its oldest offset.
    pub begin: i64,
    /// Its end when the verification began, transaction markers included.
    pub end: i64,
    /// Records replayed.
    pub replayed: u64,
    /// Readable records below the end that the group has not consumed.
    pub behind: u64,
    /// The first of them.
    pub first_behind: Option<i64>,
}

/// The input offsets between which the outputs were read. Equal while nothing is published meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// Everything that follows from records below has to be there.
    pub from: i64,
    /// Nothing that follows from records from here on can be there.
    pub to: i64,
}

/// A topic whose sequence is promised. All members but `equal`, `expired`, `beyond_cut`, `other_generation` and
/// `unprovable` are differences.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SequenceReport {
    /// Its name.
    pub topic: String,
    /// Records that had to be there.
    pub expected: u64,
    /// Records that are there and equal.
    pub equal: u64,
    /// Records that are not there.
    pub missing: u64,
    /// Records that are there once more.
    pub doubled: u64,
    /// Records of the same id and status whose key, body or headers differ.
    pub different: u64,
    /// Records that a replay does not give.
    pub unexpected: u64,
    /// Records that are there, but not in their place.
    pub out_of_order: u64,
    /// Records from before the topic's beginning: retention has taken them.
    pub expired: u64,
    /// Records that follow from behind the cut and were not published yet.
    pub beyond_cut: u64,
    /// Records of another generation that differ from what this one would have published.
    pub other_generation: u64,
    /// Differences that prove nothing.
    pub unprovable: u64,
    /// Some of the differences.
    pub examples: Vec<SequenceExample>,
}

/// One difference in a sequence. Holds names and places, never content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SequenceExample {
    /// `missing`, `doubled`, `different`, `unexpected` or `out_of_order`.
    pub class: &'static str,
    /// The suggestion's id; of a dead letter the position of the original record.
    pub id: String,
    /// The suggestion's status; of a dead letter the reason.
    pub status: String,
    /// The record's key.
    pub key: String,
    /// The input offset it follows from, as far as it is known.
    pub input_offset: Option<i64>,
    /// Its offset in its topic.
    pub topic_offset: Option<i64>,
    /// The fields that differ.
    pub fields: Vec<String>,
    #[serde(skip)]
    pub(super) ident: u128,
}

/// A compacted topic, compared by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Its name.
    pub topic: String,
    /// Keys that had to have a value.
    pub expected: u64,
    /// Keys whose latest value is equal.
    pub equal: u64,
    /// Keys that have no value.
    pub missing: u64,
    /// Keys with another value.
    pub different: u64,
    /// Keys that should have no value.
    pub unexpected: u64,
    /// Differences that prove nothing.
    pub unprovable: u64,
    /// Some of the differences.
    pub examples: Vec<TableExample>,
}

/// One difference of a key. Holds names, never content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableExample {
    /// `missing`, `different` or `unexpected`.
    pub class: &'static str,
    /// The key.
    pub key: String,
    /// The fields that differ.
    pub fields: Vec<String>,
    #[serde(skip)]
    pub(super) raw_key: Vec<u8>,
}

impl SequenceReport {
    /// Proven differences.
    pub fn differences(&self) -> u64 {
        self.missing + self.doubled + self.different + self.unexpected + self.out_of_order
    }
}

impl TableReport {
    /// Proven differences.
    pub fn differences(&self) -> u64 {
        self.missing + self.different + self.unexpected
    }
}

impl PartitionReport {
    /// The sequences, each with its role.
    pub fn sequences(&self) -> [(&'static str, &SequenceReport); 3] {
        [("recovery", &self.recovery), ("transfer", &self.transfer), ("dead letters", &self.dead_letters)]
    }

    /// The compacted topics, each with its role.
    pub fn tables(&self) -> [(&'static str, &TableReport); 3] {
        [("states", &self.states), ("vectors", &self.vectors), ("bookkeeping", &self.bookkeeping)]
    }

    /// The replay was none of what was in force: its differences prove nothing.
    pub(super) fn withdraw(&mut self) {
        for sequence in [&mut self.recovery, &mut self.transfer, &mut self.dead_letters] {
            sequence.unprovable += sequence.differences();
            [sequence.missing, sequence.doubled, sequence.different, sequence.unexpected, sequence.out_of_order] =
                [0; 5];
            sequence.examples.clear();
        }
        for table in [&mut self.states, &mut self.vectors, &mut self.bookkeeping] {
            table.unprovable += table.differences();
            [table.missing, table.different, table.unexpected] = [0; 3];
            table.examples.clear();
        }
        self.checkpoint.clear();
        let reason = "the state began before the input does".to_owned();
        self.not_provable.push(NotProvable { before_offset: Some(self.input.begin), from_offset: None, reason });
    }

    /// Says why differences prove nothing, where there are such. `foreign`: from where on another engine held;
    /// `unknown`: it cannot be told which generation published what.
    pub(super) fn doubt(&mut self, foreign: Option<(Offset, &str)>, unknown: bool) {
        let unprovable = self.sequences().iter().map(|(_, s)| s.unprovable).sum::<u64>()
            + self.tables().iter().map(|(_, t)| t.unprovable).sum::<u64>();
        if unprovable == 0 {
            return;
        }
        if let Some((offset, version)) = foreign {
            let reason = format!(
                "engine {version} was in force from offset {offset} on, this is {}: what differs there may differ for that",
                crate::engine::process::ENGINE_VERSION
            );
            self.not_provable.push(NotProvable { before_offset: None, from_offset: Some(offset.0), reason });
        }
        if unknown {
            let reason = "nothing is left of earlier generations that says how far they published".to_owned();
            self.not_provable.push(NotProvable { before_offset: Some(self.cut.to), from_offset: None, reason });
        }
    }

    /// Draws the conclusion.
    pub(super) fn conclude(&mut self) {
        let compared = self.sequences().iter().map(|(_, s)| s.differences()).sum::<u64>()
            + self.tables().iter().map(|(_, t)| t.differences()).sum::<u64>();
        let proven = compared > 0 || (self.input.behind > 0 && !self.superseded) || !self.checkpoint.is_empty();
        self.outcome = match (proven, self.not_provable.is_empty()) {
            (true, _) => Outcome::Different,
            (false, false) => Outcome::NotProvable,
            (false, true) => Outcome::Equal,
        };
    }
}
