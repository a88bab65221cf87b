//! Three brokers, of which one is lost: the others have everything that was acknowledged, and go on.

use super::Outcome;
use crate::stage::Stage;
use crate::support::cluster::Cluster;

/// `kill -9` of one that leads a partition of the input or of the states, coordinates the group or the transactions.
/// Once or twice.
pub fn one_of_three(stage: &mut Stage<'_>) -> Outcome {
    let cluster = match Cluster::start(stage.broker.folder()) {
        Ok(cluster) => cluster,
        Err(fault) => return Outcome::Missed(format!("no cluster: {fault}")),
    };
    stage.move_to(cluster);
    let mut run = stage.start("a");
    stage.until_more(100);
    let mut lost = Vec::new();
    for _ in 0..1 + stage.dice.below(2) {
        stage.cluster().until_whole();
        stage.moment(1000);
        let (role, victim) = choose(stage);
        stage.cluster().node(victim).end("KILL");
        // More than can be under way: the others took over what it led.
        stage.until_more(600);
        assert_eq!(run.ended(), None, "it goes on with the others");
        stage.moment(3000);
        stage.cluster().node(victim).begin();
        stage.cluster().until_whole();
        stage.until_more(100);
        lost.push(format!("broker {victim}, {role}"));
    }
    Outcome::Struck(format!("killed {}", lost.join("; then ")), vec![run])
}

/// What a broker does that matters to the service, and who does it now.
fn choose(stage: &mut Stage<'_>) -> (String, i32) {
    let settings = stage.settings_of("a");
    let partition = stage.dice.below(settings.topics.partitions as u64) as i32;
    let role = stage.dice.below(4);
    let cluster = stage.cluster();
    match role {
        0 => (format!("leader of input {partition}"), cluster.leader(&settings.topics.events, partition)),
        1 => (format!("leader of states {partition}"), cluster.leader(&settings.topics.states, partition)),
        2 => ("coordinator of the group".to_owned(), cluster.group_coordinator(&settings.kafka.group_id)),
        _ => {
            let first = format!("{}-0", settings.kafka.transactional_id);
            ("coordinator of the transactions".to_owned(), cluster.transaction_coordinator(&first))
        }
    }
}
