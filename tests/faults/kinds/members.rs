//! Members of the group: two with one id, many that come and go, more and fewer, and one that is too slow to stay.

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

/// A member keeps a batch for longer than it may stay away from the group. Another takes over, works and perhaps
/// leaves; then the batch must not be published.
pub fn slow(stage: &mut Stage<'_>) -> Outcome {
    let point = ["before_begin", "before_send_offsets"][stage.dice.below(2) as usize];
    let (first, mark) = holding(stage, point);
    let second = stage.start("b");
    stage.until_sent_more(300);
    stage.until_caught_up();
    let revoked = first.said("revoked");
    let leaves = stage.dice.below(2) == 0;
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
/// commit counts, and the next owner must begin behind it.
pub fn late_commit(stage: &mut Stage<'_>) -> Outcome {
    let (first, mark) = holding(stage, "before_commit");
    let before = stage.offsets();
    let second = stage.start("b");
    second.until_said("restore waits", 1);
    let earlier = first.text().len();
    std::fs::remove_file(mark).expect("it held");
    // Whoever gets a partition in the end.
    let all = stage.settings.topics.partitions as usize;
    let texts = || [first.text().split_off(earlier), second.text()].concat();
    let restored = |text: &String| text.matches("restored partition=").count();
    eventually("restored", || restored(&texts()), |count| *count >= all);
    stage.until_more(100);
    let text = texts();
    let further = (0..before.len()).any(|partition| {
        let restored = format!("restored partition={partition} next_offset=");
        let next = text.lines().find_map(|line| line.split_once(&restored)?.1.split(' ').next()?.parse::<i64>().ok());
        next.is_some_and(|next| next > before[partition])
    });
    match further {
        true => Outcome::Struck("it committed while the next owner waited".to_owned(), vec![first, second]),
        false => Outcome::Missed("its transaction was aborted before".to_owned()),
    }
}

/// An instance that holds at `point`, alone, with all partitions, and the file to remove to let it go on.
fn holding(stage: &mut Stage<'_>, point: &str) -> (Run, std::path::PathBuf) {
    stage.settings.workers = 1;
    let mut settings = stage.settings_of("a");
    settings.kafka.properties.insert("max.poll.interval.ms".to_owned(), "2500".to_owned());
    let mark = stage.path("holds");
    let pass = 5 + stage.dice.below(30);
    let run = stage.start_with(&settings, &[], Some(&format!("{point} {pass} hold {}", mark.display())));
    eventually("it holds", || mark.exists(), |holds| *holds);
    (run, mark)
}
