//! Signals that do not end a process at once: SIGTERM, and SIGSTOP with SIGCONT after it lost its membership.

use std::time::Instant;

use super::Outcome;
use crate::run::Run;
use crate::stage::Stage;

/// Stops at once, cleanly, wherever it is.
pub fn term(stage: &mut Stage<'_>) -> Outcome {
    let times = 2 + stage.dice.below(3);
    let mut slowest = 0.0f32;
    for _ in 0..times {
        let run = stage.start("a");
        stage.until_more(1);
        stage.moment(1500);
        let asked = Instant::now();
        run.stop();
        slowest = slowest.max(asked.elapsed().as_secs_f32());
        assert!(slowest < 10.0, "it took {slowest:.1} s");
    }
    match stage.ends().iter().sum::<i64>() - stage.consumed() {
        0 => Outcome::Missed("no load when it stopped".to_owned()),
        _ => Outcome::Struck(format!("stopped {times} times, in at most {slowest:.1} s"), Vec::new()),
    }
}

/// Stopped at a random moment.
pub fn zombie(stage: &mut Stage<'_>) -> Outcome {
    let (mut first, second) = (stage.start("a"), stage.start("b"));
    first.until_said("restored", 1);
    second.until_said("restored", 1);
    stage.moment(1000);
    first.signal("STOP");
    first.until_stopped();
    comes_back(stage, first, second)
}

/// Stopped where a transaction is open, or about to be.
pub fn zombie_in_transaction(stage: &mut Stage<'_>) -> Outcome {
    let point = ["before_begin", "before_send_offsets", "before_commit"][stage.dice.below(3) as usize];
    let pass = 10 + stage.dice.below(40);
    let mut first = stage.start_failing("a", &format!("{point} {pass} STOP"));
    let second = stage.start("b");
    first.until_stopped();
    comes_back(stage, first, second)
}

/// Others take over what a stopped instance had; then it goes on, and must not publish any of it.
fn comes_back(stage: &mut Stage<'_>, first: Run, second: Run) -> Outcome {
    let revoked = first.said("revoked");
    if first.said("assigned") == revoked {
        return Outcome::Missed("it owned nothing".to_owned());
    }
    // Every partition has load, so when more of it is committed the other owns all of them.
    stage.until_sent_more(300);
    stage.until_caught_up();
    assert!(first.is_stopped(), "nothing else continued it");
    first.signal("CONT");
    first.until_said("revoked", revoked + 1);
    stage.until_more(100);
    let unnoticed = first.said("the group dropped this member");
    Outcome::Struck(format!("it lost its partitions ({unnoticed} without a word), and came back"), vec![first, second])
}
