//! How topics are made.

use std::time::Duration;

use super::settings::TopicSettings;

/// A topic, and its configuration where that is not the brokers' own.
pub(super) struct Plan {
    pub topic: String,
    pub configs: Vec<(&'static str, String)>,
}

/// The input.
pub(super) fn input_plan(settings: &TopicSettings) -> Plan {
    let configs = vec![
        ("cleanup.policy", "delete".to_owned()),
        // The engine's time is the log's: a producer's clock must not move it.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("retention.ms", settings.events_retention.as_millis().to_string()),
    ];
    Plan { topic: settings.events.clone(), configs }
}

/// What is published. `dead_letter_bytes`: the largest dead letter.
pub(super) fn output_plans(settings: &TopicSettings, dead_letter_bytes: usize) -> Vec<Plan> {
    let kept = |topic: &str, retention: Duration| Plan {
        topic: topic.to_owned(),
        configs: vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", retention.as_millis().to_string())],
    };
    let mut dead_letters = kept(&settings.dead_letters, settings.dead_letters_retention);
    dead_letters.configs.push(("max.message.bytes", dead_letter_bytes.to_string()));
    let mut plans = state_plans(settings);
    plans.push(kept(&settings.recovery, settings.suggestions_retention));
    plans.push(kept(&settings.transfer, settings.suggestions_retention));
    plans.push(dead_letters);
    plans
}

/// What holds state.
pub(super) fn state_plans(settings: &TopicSettings) -> Vec<Plan> {
    let lag = settings.compaction_lag.as_millis().to_string();
    let compacted = |topic: &str| Plan {
        topic: topic.to_owned(),
        configs: vec![
            ("cleanup.policy", "compact".to_owned()),
            // Small segments: the active one is never compacted, and a restore reads all of it.
            ("segment.bytes", (64 << 20).to_string()),
            ("max.compaction.lag.ms", lag.clone()),
        ],
    };
    [&settings.states, &settings.vectors, &settings.bookkeeping].map(|topic| compacted(topic)).into()
}

/// Who owns what: a few records, read from the beginning by every instance that starts.
pub(super) fn owners_plan(settings: &TopicSettings) -> Plan {
    let configs = vec![("cleanup.policy", "compact".to_owned()), ("segment.bytes", (1 << 20).to_string())];
    Plan { topic: settings.owners.clone(), configs }
}
