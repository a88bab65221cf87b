//! Members of the group: two with one id, many that come and go, more and fewer, and one that is too slow to stay.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Outcome;
use crate::run::Run;
use crate::stage::Stage;
use crate::support::clients::eventually;

/// Two instances with one transactional id: one of them has to give up, and say why.
pub fn same_id(stage: &mut Stage<'_>) -> Outcome {
    stage.settings.workers = 1;
    let first = stage.start("a");
    stage.until_more(1);
    let mut second = stage.settings_of("b");
    second.kafka.transactional_id = stage.settings_of("a").kafka.transactional_id;
    let second = stage.start_with(&second, &[], None);
    let mut runs = [first, second];
    let ended = |runs: &mut [Run; 2]| runs.iter_mut().any(|run| run.ended().is_some());
    eventually("one of them ends", || ended(&mut runs), |ended| *ended);
    let mut left = Vec::new();
    for mut run in runs {
        match run.ended() {
            None => left.push(run),
            Some(status) => {
                assert!(!status.success(), "{status}");
                assert!(run.said("another instance holds this id") > 0, "{}", run.text());
            }
        }
    }
    // Both may have been told.
    Outcome::Struck(format!("{} of two went on", left.len()), left.into_iter().take(1).collect())
}

/// Instances come and go every moment, some of them by a crash.
pub fn storm(stage: &mut Stage<'_>) -> Outcome {
    let mut runs: [Option<Run>; 3] = [None, None, None];
    let begun = Instant::now();
    let mut changes = 0;
    while begun.elapsed() < Duration::from_secs(15) {
        let which = stage.dice.below(3) as usize;
        match runs[which].take() {
            None => runs[which] = Some(stage.start(["a", "b", "c"][which])),
            Some(run) if stage.dice.below(3) == 0 => run.kill(),
            Some(run) => run.stop(),
        }
        changes += 1;
        stage.moment(2500);
    }
    let left: Vec<Run> = runs.into_iter().flatten().collect();
    match changes {
        0..4 => Outcome::Missed(format!("only {changes} changes")),
        _ => Outcome::Struck(format!("{changes} instances came or went"), left),
    }
}

/// One instance, three, two.
pub fn rescale(stage: &mut Stage<'_>) -> Outcome {
    stage.settings.workers = 1;
    let first = stage.start("a");
    stage.until_more(100);
    let (second, third) = (stage.start("b"), stage.start("c"));
    second.until_said("restored", 1);
    third.until_said("restored", 1);
    stage.until_more(100);
    stage.moment(1000);
    first.stop();
    stage.until_more(300);
    Outcome::Struck("each of the three owned partitions".to_owned(), vec![second, third])
}

/// A member keeps a batch that it has not begun to publish for longer than it may stay away from the group. Another
/// takes over, works and stays; then the batch must not be published.
pub fn slow(stage: &mut Stage<'_>) -> Outcome {
    keeping(stage, "before_begin", false)
}

/// The same, also in the middle of a transaction, which the broker may end meanwhile; and the other perhaps leaves
/// before the member comes back and gets all its partitions again.
pub fn slow_variously(stage: &mut Stage<'_>) -> Outcome {
    let point = ["before_begin", "before_send_offsets"][stage.dice.below(2) as usize];
    let leaves = stage.dice.below(2) == 0;
    keeping(stage, point, leaves)
}

fn keeping(stage: &mut Stage<'_>, point: &str, leaves: bool) -> Outcome {
    let (first, mark) = holding(stage, point);
    let second = stage.start("b");
    stage.until_sent_more(300);
    stage.until_caught_up();
    let revoked = first.said("revoked");
    let mut runs = if leaves {
        second.stop();
        Vec::new()
    } else {
        vec![second]
    };
    std::fs::remove_file(mark).expect("it held");
    first.until_said("revoked", revoked + 1);
    runs.push(first);
    Outcome::Struck(format!("kept a batch at {point}; the new owner left: {leaves}"), runs)
}

/// A member has sent its offsets and is out of the group; while the next owner restores, it commits after all. That
/// commit counts, and the next owner must begin behind it. The member comes back only when the next owner has restored:
/// else the partition might be taken away again, and restored from what is committed by then.
pub fn late_commit(stage: &mut Stage<'_>) -> Outcome {
    let committed = stage.path("committed");
    let then = |pass| format!("; after_commit {pass} hold {}", committed.display());
    let (first, mark) = holding_then(stage, "before_commit", then);
    let before = stage.offsets();
    let second = stage.start("b");
    let waits = "restore waits partition=";
    second.until_said(waits, 1);
    let partition = number_after(&second.text(), waits).expect("just seen") as usize;
    std::fs::remove_file(mark).expect("it held");
    let aborted = || first.said("transaction aborted") + first.said("the fate of a transaction is open") > 0;
    eventually("it commits", || committed.exists() || aborted(), |over| *over);
    let after = stage.offsets();
    if !committed.exists() || after[partition] == before[partition] {
        return Outcome::Missed(
            "its transaction was aborted before, or was not what the next owner waited for".to_owned(),
        );
    }
    let restored = format!("restored partition={partition} next_offset=");
    stage.until("restored", || number_after(&second.text(), &restored), Option::is_some);
    let next = number_after(&second.text(), &restored).expect("just seen");
    // Whatever was looked up before the commit was then looked up anew after it.
    let anew = second.said("restore waits for the cluster") > 0;
    std::fs::remove_file(committed).expect("it held");
    first.until_said("revoked", 1);
    stage.until_more(100);
    let before = before[partition];
    assert!(next > before, "partition {partition} was restored from {next}, before the commit");
    match anew {
        true => Outcome::Missed("the next owner had begun anew".to_owned()),
        false => Outcome::Struck(
            format!("partition {partition} went from {before} to {next} while the next owner waited"),
            vec![first, second],
        ),
    }
}

/// The first number in a text that follows these words.
fn number_after(text: &str, words: &str) -> Option<i64> {
    text.lines().find_map(|line| line.split_once(words)?.1.split(' ').next()?.parse().ok())
}

/// An instance that holds at `point`, alone, with all partitions, and the file to remove to let it go on.
fn holding(stage: &mut Stage<'_>, point: &str) -> (Run, PathBuf) {
    holding_then(stage, point, |_| String::new())
}

/// The same with further fail points, by the pass at which it holds.
fn holding_then(stage: &mut Stage<'_>, point: &str, then: impl FnOnce(u64) -> String) -> (Run, PathBuf) {
    stage.settings.workers = 1;
    let mut settings = stage.settings_of("a");
    settings.kafka.properties.insert("max.poll.interval.ms".to_owned(), "2500".to_owned());
    stage.start_holding(&settings, point, then)
}
