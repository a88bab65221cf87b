//! The kinds of faults.

mod bombs;
mod broker;
mod cluster;
mod full;
mod kills;
mod many;
mod members;
mod partitions;
mod poison;
mod producers;
mod records;
mod signals;
mod state;
mod topics;
mod truncated;

use crate::run::Run;
use crate::stage::Stage;

/// What came of a fault.
pub enum Outcome {
    /// It struck: how that is known, and the instances that still run.
    Struck(String, Vec<Run>),
    /// It did not: why.
    Missed(String),
}

/// One kind.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub says: &'static str,
    /// Part of every test run.
    pub quick: bool,
    /// Run only when it is named.
    pub named: bool,
    /// Does it.
    pub strike: fn(&mut Stage<'_>) -> Outcome,
}

const fn kind(name: &'static str, says: &'static str, strike: fn(&mut Stage<'_>) -> Outcome) -> Kind {
    Kind { name, says, quick: false, named: false, strike }
}

const fn quick(name: &'static str, says: &'static str, strike: fn(&mut Stage<'_>) -> Outcome) -> Kind {
    Kind { name, says, quick: true, named: false, strike }
}

const fn named(name: &'static str, says: &'static str, strike: fn(&mut Stage<'_>) -> Outcome) -> Kind {
    Kind { name, says, quick: false, named: true, strike }
}

/// All of them.
pub const ALL: &[Kind] = &[
    kind("kill", "kill -9 at random moments, once or more", kills::anywhere),
    kind("kill-before-offsets", "kill -9 when a batch is written, before its offsets are sent", kills::before_offsets),
    quick("kill-before-commit", "kill -9 when the offsets are sent, before the commit", kills::before_commit),
    kind("kill-after-commit", "kill -9 after a commit, before the next poll", kills::after_commit),
    kind("kill-in-restore", "kill -9 while state is restored", kills::in_restore),
    kind("kill-in-rebalance", "kill -9 while partitions are given away", kills::in_rebalance),
    kind("kill-half-moved", "the same, and the process is back before its session ends", kills::half_moved),
    kind("panic", "a worker panics outside of the engine", kills::panic),
    kind("panic-after-commit", "the same right after a commit", kills::panic_after_commit),
    kind("term", "SIGTERM under load, again and again", signals::term),
    quick("zombie", "SIGSTOP until the membership is lost, then SIGCONT", signals::zombie),
    kind("zombie-in-transaction", "the same in the middle of a transaction", signals::zombie_in_transaction),
    kind("same-id", "two instances with one transactional id", members::same_id),
    kind("storm", "instances come and go", members::storm),
    kind("rescale", "one instance, three, two", members::rescale),
    kind("slow-member", "max.poll.interval missed with a kept batch", members::slow),
    kind(
        "slow-member-variously",
        "the same, perhaps with an open transaction, or with a next owner that leaves",
        members::slow_variously,
    ),
    kind("late-commit", "a zombie's commit while the next owner restores", members::late_commit),
    kind(
        "open-on-state",
        "a transaction on the state topics stays open while they are restored",
        topics::open_transaction,
    ),
    kind("refused-record", "a topic refuses the records of some partitions, not of all", topics::refused_record),
    kind("bounce", "the broker ends and comes back", broker::bounce),
    named(
        "forgotten-end",
        "the broker is killed until it forgets how a transaction ended (only when named)",
        broker::forgotten_end,
    ),
    kind("half-told-end", "the broker told half of a transaction's end and forgot the rest", broker::half_told_end),
    kind("down-at-start", "no broker when the service starts", broker::down_at_start),
    kind("down-70s", "no broker for 70 s", broker::down),
    kind("frozen", "the broker stands still", broker::frozen),
    kind("black-hole", "nothing passes, connections stay", broker::black_hole),
    kind("slow-broker", "answers take long", broker::slow),
    kind("lost-end", "answers to EndTxn are lost", broker::lost_end),
    kind("late-end", "answers to EndTxn come late", broker::late_end),
    kind("cut-end", "the connection is closed instead of an answer to EndTxn", broker::cut_end),
    kind("damaged-state", "state topics emptied or altered, offsets moved; then a rebuild", state::damaged),
    kind("one-of-three", "one of three brokers is killed, whatever it leads, and comes back", cluster::one_of_three),
    kind("disk-full", "the broker can write no further, ends, and comes back with room", full::disk),
    kind("queue-full", "a slow broker, and a producer's queue without room for a batch", full::queue),
    named("kill-100k", "kill -9 with 100,000 sessions: how long nothing is committed (only when named)", many::kill),
    kind("poison-reasons", "a record for every reason of refusal", poison::reasons),
    kind("poison-garbage", "one percent of the input is garbage, with kills", poison::with_garbage),
    kind("poison-panic", "records that make the engine panic, with kills; then a rebuild", poison::with_panics),
    kind(
        "poison-bombs",
        "Avro and JSON bombs, records above the limits, a registry that is down",
        bombs::bombs_and_outage,
    ),
    kind("producers-odd", "producers that repeat, reorder and have clocks that are off", producers::odd),
    kind("open-transaction", "a foreign producer leaves a transaction open on the input", producers::open_transaction),
    kind("offsets-gone", "the group or some of its offsets are deleted while stopped", records::offsets_gone),
    kind("offsets-ahead", "the group's offsets lie ahead of the checkpoint", records::ahead),
    kind("record-missing", "one record of the state is missing or damaged; then a rebuild", records::missing),
    kind("state-truncated", "a topic that holds state loses its beginning; then a rebuild", truncated::state),
    kind("input-truncated", "the input loses records that are folded already", truncated::input),
    kind(
        "partitions-raised",
        "the input is given more partitions, as it runs or between runs",
        partitions::input_raised,
    ),
    kind("state-partitions", "a topic that holds state is given more partitions", partitions::output_raised),
];
