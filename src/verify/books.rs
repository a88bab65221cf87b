//! What a partition's bookkeeping says of the partition itself: how far it came, and how the log was judged.

use std::collections::BTreeMap;

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use crate::engine::encode::{self, Row};
use crate::engine::{Annals, EngineSettings};
use crate::model::bookkeeping::{Checkpoint, HistoryEntry};
use crate::model::position::Offset;

/// The rows of interest, as they are read.
#[derive(Debug, Default)]
pub(super) struct Books {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What is wrong with rows that cannot be read.
    pub faults: Vec<String>,
}

impl Books {
    /// Takes a record of the bookkeeping topic; most say nothing here.
    pub fn take(&mut self, message: &BorrowedMessage<'_>) {
        let Some(key) = message.key() else { return };
        let wanted =
            matches!(key, b"partition" | b"rebuild") || key.starts_with(b"decision/") || key.starts_with(b"history/");
        if !wanted {
            return;
        }
        match message.payload().map(|value| encode::strip_frame(value).unwrap_or(value)) {
            Some(body) => drop(self.rows.insert(key.to_vec(), body.to_vec())),
            None => drop(self.rows.remove(key)),
        }
    }

    /// The checkpoint, if there is one that can be read.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        match encode::decode_row(self.rows.get(&b"partition"[..])?) {
            Ok(Row::Partition(checkpoint)) => Some(checkpoint),
            _ => None,
        }
    }

    /// How far the checkpoint is; 0 without one.
    pub fn next_offset(&self) -> Offset {
        self.checkpoint().map_or(Offset(0), |checkpoint| checkpoint.next_offset)
    }

    /// From where on a rebuild publishes, while it has not begun to.
    pub fn publish_from(&self) -> Option<Offset> {
        match encode::decode_row(self.rows.get(&b"rebuild"[..])?) {
            Ok(Row::Rebuild(rebuild)) => Some(rebuild.publish_from),
            _ => None,
        }
    }

    /// Decisions and history. Rows that cannot be read are noted as faults.
    pub fn annals(&mut self) -> Annals {
        let mut annals = Annals::default();
        for (key, body) in &self.rows {
            if let Err(fault) = annals.read(key, body) {
                self.faults.push(format!("{}: {fault}", String::from_utf8_lossy(key)));
            }
        }
        annals
    }
}

/// Whether two histories say the same of all records below an offset.
pub(super) fn same_history(a: &Annals, b: &Annals, below: Offset) -> bool {
    let entries = |annals: &Annals| -> Vec<(Offset, String, String)> {
        let told = |entry: &HistoryEntry| (entry.offset, entry.engine_version.clone(), entry.settings.clone());
        annals.history().filter(|entry| entry.offset < below).map(told).collect()
    };
    let (a, b) = (entries(a), entries(b));
    !a.is_empty() && a == b
}

/// The first history entry whose settings this version cannot read.
pub(super) fn unreadable(annals: &Annals) -> Option<Offset> {
    annals.history().find(|entry| EngineSettings::from_text(&entry.settings).is_err()).map(|entry| entry.offset)
}
