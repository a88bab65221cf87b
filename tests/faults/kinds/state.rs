//! State that is not what the service wrote: refused with what to do, and then built anew from the input.

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::ClientConfig;
use rekindle::kafka::admin::Admin;

use super::Outcome;
use crate::stage::Stage;
use crate::support::clients::{eventually, produce};

/// One of several damages, then `run --rebuild`.
pub fn damaged(stage: &mut Stage<'_>) -> Outcome {
    stage.may_refuse = true;
    let first = stage.start("a");
    stage.until_more(500);
    first.stop();
    let which = stage.dice.below(5);
    let topics = stage.settings.topics.clone();
    let how = match which {
        0 => emptied(stage, &topics.states),
        1 => emptied(stage, &topics.vectors),
        2 => emptied(stage, &topics.bookkeeping),
        3 => {
            produce(&stage.broker.addresses, &topics.states, [("tenant-1/s-1", &b"no state"[..])]);
            "a foreign record in the states".to_owned()
        }
        _ => offset_moved(stage),
    };
    rebuild(stage, &how)
}

/// The start is refused, with what to do; then that is done.
pub(super) fn rebuild(stage: &mut Stage<'_>, how: &str) -> Outcome {
    let refused = stage.start("a");
    refused.until_said("partition stopped", 1);
    let text = refused.text();
    let line = text.lines().find(|line| line.contains("partition stopped")).unwrap_or_default();
    assert!(line.contains("rebuil"), "it says what to do: {line}");
    refused.stop();
    // Nothing of it is left but what was published, and how far.
    stage.settings = stage.settings.clone().in_generation(2);
    let rebuilt = stage.start_with(&stage.settings_of("a"), &["--rebuild"], None);
    rebuilt.until_said("rebuilt; publishing", 3);
    stage.until_more(100);
    Outcome::Struck(format!("{how}: refused, rebuilt"), vec![rebuilt])
}

/// A topic is deleted and made anew. (Records alone cannot be deleted where a topic is compacted.)
pub(super) fn emptied(stage: &Stage<'_>, topic: &str) -> String {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", &stage.broker.addresses).create().expect("admin");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let deleted = runtime.block_on(admin.delete_topics(&[topic], &AdminOptions::new())).expect("an answer");
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    let ours = Admin::new(&stage.settings.kafka).expect("admin");
    let made = || ours.create_topics(&stage.settings.topics).is_ok_and(|all| all.iter().any(|one| one.created));
    eventually("made anew", made, |made| *made);
    format!("{} emptied", topic.rsplit('.').next().unwrap_or(topic))
}

/// The group's offsets are set back, as an operator might.
fn offset_moved(stage: &Stage<'_>) -> String {
    stage.set_offsets(&stage.offsets().into_iter().map(|offset| (offset - 3).max(0)).collect::<Vec<_>>());
    "offsets set back by 3".to_owned()
}
