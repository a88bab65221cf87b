//! `kill -9`: at random moments, and at the places where it hurts most.

use super::Outcome;
use crate::run::was_killed;
use crate::stage::Stage;

/// Up to three times, sometimes once it works, sometimes at any moment after its start.
pub fn anywhere(stage: &mut Stage<'_>) -> Outcome {
    let times = 1 + stage.dice.below(3);
    let mut behind = 0;
    for _ in 0..times {
        let mut run = stage.start("a");
        if stage.dice.below(2) == 0 {
            stage.until_more(1);
        }
        stage.moment(1500);
        run.signal("KILL");
        if !was_killed(run.until_ended()) {
            return Outcome::Missed("it ended by itself".to_owned());
        }
        behind = behind.max(stage.ends().iter().sum::<i64>() - stage.consumed());
    }
    match behind {
        0 => Outcome::Missed("everything was committed when it died".to_owned()),
        behind => Outcome::Struck(format!("killed {times} times, at most {behind} records behind"), Vec::new()),
    }
}

/// At a fail point; the load has to bring it about.
fn at(stage: &mut Stage<'_>, point: &str, passes: u64, action: &str) -> Outcome {
    let pass = 1 + stage.dice.below(passes);
    let mut run = stage.start_failing("a", &format!("{point} {pass} {action}"));
    let status = run.until_ended();
    match (run.said("fail point"), action) {
        (0, _) => Outcome::Missed(format!("never came to {point}: {status}")),
        (_, "KILL") if !was_killed(status) => Outcome::Missed(format!("was not killed: {status}")),
        _ => {
            assert!(!status.success(), "the end is not a success");
            Outcome::Struck(format!("{action} at pass {pass} of {point} ({status})"), Vec::new())
        }
    }
}

/// The batch is written, the transaction open.
pub fn before_offsets(stage: &mut Stage<'_>) -> Outcome {
    at(stage, "before_send_offsets", 40, "KILL")
}

/// All but the commit.
pub fn before_commit(stage: &mut Stage<'_>) -> Outcome {
    at(stage, "before_commit", 40, "KILL")
}

/// Committed, and nobody was told.
pub fn after_commit(stage: &mut Stage<'_>) -> Outcome {
    at(stage, "after_commit", 40, "KILL")
}

/// Between the end offsets and the reading of one of the state topics.
pub fn in_restore(stage: &mut Stage<'_>) -> Outcome {
    let first = stage.start("a");
    stage.until_more(300);
    first.kill();
    at(stage, "during_restore", 6, "KILL")
}

/// While it gives some of its partitions to another.
pub fn in_rebalance(stage: &mut Stage<'_>) -> Outcome {
    // Two would give partitions to each other at the start, and it would end before it has worked.
    stage.settings.workers = 1;
    let mut first = stage.start_failing("a", "during_rebalance 1 KILL");
    stage.until_more(50);
    stage.moment(500);
    let second = stage.start("b");
    let status = first.until_ended();
    match was_killed(status) {
        true => Outcome::Struck("killed in its revocation".to_owned(), vec![second]),
        false => Outcome::Missed(format!("was not killed: {status}")),
    }
}

/// The same, and it comes back at once: the group still counts it, and hands it what it was left with. What it gave up
/// was to become the other one's by the next rebalance, which nobody asks for any more.
pub fn half_moved(stage: &mut Stage<'_>) -> Outcome {
    stage.settings.workers = 1;
    let mut first = stage.start_failing("a", "during_rebalance 1 KILL");
    stage.until_more(50);
    let second = stage.start("b");
    let status = first.until_ended();
    let first = stage.start("a");
    match was_killed(status) {
        true => Outcome::Struck("killed in its revocation, and back at once".to_owned(), vec![first, second]),
        false => Outcome::Missed(format!("was not killed: {status}")),
    }
}

/// Where no panic is expected: the process has to end, and not to hang.
pub fn panic(stage: &mut Stage<'_>) -> Outcome {
    let point = ["before_begin", "before_send_offsets", "before_commit", "after_commit"][stage.dice.below(4) as usize];
    at(stage, point, 30, "panic")
}

/// What the worker holds was committed: its consumer, closed as it goes, must not have it published again.
pub fn panic_after_commit(stage: &mut Stage<'_>) -> Outcome {
    // The other one still works as it goes.
    stage.settings.workers = 2;
    at(stage, "after_commit", 30, "panic")
}
