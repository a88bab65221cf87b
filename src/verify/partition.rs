//! One partition, from the cut to the conclusion.

use super::books::unreadable;
use super::compare::Comparison;
use super::cut::{Reading, Snapshot};
use super::explain::Wanted;
use super::items::Rules;
use super::others::Others;
use super::replay::Replay;
use super::report::{Cut, NotProvable, PartitionReport};
use super::{Request, VerifyError};
use crate::engine::Annals;
use crate::engine::encode::keys::BookKey;
use crate::engine::process::ENGINE_VERSION;
use crate::kafka::groups::Groups;
use crate::kafka::reader::{Extent, StateReader};
use crate::model::bookkeeping::Checkpoint;
use crate::model::position::{Offset, PartitionId};
use crate::runtime::settings::RuntimeSettings;

/// Verifies one partition.
pub(super) fn verify(
    settings: &RuntimeSettings,
    request: &Request<'_>,
    reader: &StateReader,
    partition: PartitionId,
    count: i32,
) -> Result<PartitionReport, VerifyError> {
    let reading = Reading { settings, request, reader, partition };
    let mut groups = Groups::new(&settings.kafka);
    let mut report = PartitionReport { partition: partition.0, ..PartitionReport::default() };
    report.input = reading.input(&mut groups)?;
    let mut snapshot = reading.snapshot()?;
    report.group_offset = snapshot.group.map(|offset| offset.0);
    report.cut = Cut { from: snapshot.from.0, to: snapshot.to.0 };
    let annals = snapshot.books.annals();
    compare_offsets(&snapshot, &mut report);
    if report.checkpoint.is_empty() {
        match unprovable(&reading, &annals, &snapshot, &report)? {
            Some(why) => {
                report.not_provable.push(why);
                report.checkpoint.extend(reading.restorable(&snapshot, count)?);
            }
            None => {
                let others = reading.others(&mut groups, &snapshot.books, &annals, snapshot.to)?;
                report.superseded = others.superseded;
                compare(&reading, &annals, snapshot, others, count, &mut report)?;
            }
        }
    }
    report.conclude();
    Ok(report)
}

/// The group's offset and the checkpoint are written together.
fn compare_offsets(snapshot: &Snapshot, report: &mut PartitionReport) {
    report.checkpoint.append(&mut snapshot.books.faults.clone());
    let to = snapshot.books.checkpoint();
    match (snapshot.group, &to) {
        (Some(group), None) if group.0 > 0 => report.checkpoint.push(format!(
            "the group's offset is {group}, but bookkeeping holds no checkpoint: state was lost"
        )),
        (Some(group), Some(_)) if group < snapshot.from || group > snapshot.to => report.checkpoint.push(format!(
            "the group's offset is {group}, the checkpoint's {}: the offsets were reset or the state belongs to another \
             group",
            snapshot.to
        )),
        _ => {}
    }
}

/// Why the replay cannot begin where the state did, if it cannot.
fn unprovable(
    reading: &Reading<'_>,
    annals: &Annals,
    snapshot: &Snapshot,
    report: &PartitionReport,
) -> Result<Option<NotProvable>, VerifyError> {
    if snapshot.to == Offset(0) {
        return Ok(None);
    }
    let before =
        |offset: i64, reason: String| Ok(Some(NotProvable { before_offset: Some(offset), from_offset: None, reason }));
    let begin = report.input.begin;
    let Some(first) = annals.history().map(|entry| entry.offset).min() else {
        let reason = "bookkeeping holds no history of settings".to_owned();
        return before(snapshot.to.0, reason);
    };
    if begin > first.0 {
        return before(
            begin,
            format!("the input begins at offset {begin}, the state at {first}: its beginning is gone"),
        );
    }
    if let Some(offset) = unreadable(annals) {
        let reason = format!("the settings from offset {offset} on are none that this version knows");
        return Ok(Some(NotProvable { before_offset: None, from_offset: Some(offset.0), reason }));
    }
    let record = reading.first_record(Extent { begin: Offset(begin), end: snapshot.to })?;
    match record.filter(|record| *record < first) {
        Some(record) => {
            let reason = format!("the input begins at offset {record}, the history of settings at {first}");
            before(first.0, reason)
        }
        None => Ok(None),
    }
}

/// Replays and compares.
fn compare(
    reading: &Reading<'_>,
    annals: &Annals,
    snapshot: Snapshot,
    others: Others,
    count: i32,
    report: &mut PartitionReport,
) -> Result<(), VerifyError> {
    let foreign = annals.history().find(|entry| entry.engine_version != ENGINE_VERSION);
    let rules = Rules {
        must_below: snapshot.from,
        others_below: others.below,
        unknown_below: if others.unknown { snapshot.to } else { Offset(0) },
        doubt_from: foreign.map(|entry| entry.offset),
        begin_lost: false,
        others_after: others.after,
        examples: reading.request.examples,
    };
    let Snapshot { tables, first, from, to, sequences, .. } = snapshot;
    let mut comparison = Comparison::open(reading, sequences, tables, rules)?;
    let mut replay = Replay::new(annals, reading.partition, count, &reading.settings.engine);
    let mut sealed = None;
    let begin = Offset(report.input.begin);
    report.input.replayed = reading.replay(begin, to, &mut replay, |replay, at| {
        comparison.take(replay, at)?;
        // A checkpoint follows the last record before it at once.
        if at.0 + 1 == from.0 {
            sealed = replay.checkpoint(from);
        }
        Ok(())
    })?;
    if let Some(offset) = replay.panicked {
        let reason =
            format!("replaying the record at offset {offset} panicked, and no decision says that it did before");
        report.not_provable.push(NotProvable { before_offset: None, from_offset: Some(offset.0), reason });
        return Ok(());
    }
    drop(replay);
    let proof = rules.doubt_from.is_none_or(|offset| offset >= to);
    let (unexplained, bookkeeping) = comparison.finish(reading, proof, report)?;
    if proof {
        let whole = reading.settings.generation.number == 1;
        report.checkpoint.extend(checkpoint_faults(first.as_ref(), sealed.as_ref(), whole));
    }
    // Where the log's beginning is gone, its oldest entry may by chance be the one at the new beginning.
    let oldest = annals.history().next().map(|entry| BookKey::History(entry.offset).to_bytes());
    if begin > Offset(0) && oldest.is_some_and(|key| !bookkeeping.agrees(&key)) {
        report.withdraw();
        return Ok(());
    }
    report.doubt(foreign.map(|entry| (entry.offset, entry.engine_version.as_str())), others.unknown);
    let mut wanted = Wanted::new(report, unexplained);
    if !wanted.is_empty() {
        let mut again = Replay::new(annals, reading.partition, count, &reading.settings.engine);
        reading.replay(begin, to, &mut again, |replay, at| {
            replay.effects.records().for_each(|record| wanted.expected(record, at));
            Ok(())
        })?;
        reading.fetch(&mut wanted)?;
        wanted.tell(report);
    }
    Ok(())
}

fn checkpoint_faults(found: Option<&Checkpoint>, expected: Option<&Checkpoint>, whole: bool) -> Vec<String> {
    let (Some(found), Some(expected)) = (found, expected) else { return Vec::new() };
    let said = [
        ("stream time", found.stream_time == expected.stream_time),
        ("partition count", found.partition_count == expected.partition_count),
        ("digest of states", found.states == expected.states),
        ("digest of vectors", found.vectors == expected.vectors),
        ("digest of bookkeeping", !whole || found.bookkeeping == expected.bookkeeping),
        ("policy", !whole || found.policy == expected.policy),
    ];
    let wrong = said.iter().filter(|(_, same)| !same);
    wrong.map(|(what, _)| format!("the checkpoint's {what} is not what a replay gives")).collect()
}
