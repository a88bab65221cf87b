//! What all clients share: properties, and librdkafka's log lines handed to tracing. Never prints a
//! property: they may hold secrets.

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use super::settings::KafkaSettings;

/// Properties of any client: the addresses, then what the configuration passes through.
pub fn base_config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", format!("rekindle-{}", settings.instance_id));
    config.set("bootstrap.servers", &settings.brokers);
    for (name, value) in &settings.properties {
        config.set(name, value);
    }
    config
}

/// What only members of a group are told.
const OF_MEMBERS: [&str; 5] =
    ["group.protocol", "group.remote.assignor", "session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms"];

/// The same for a client that joins no group. Taken out of their context, properties of members can contradict its own
/// defaults: librdkafka refuses a poll interval that is shorter than the session timeout it assumes.
pub fn bystander_config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = base_config(settings);
    for name in OF_MEMBERS {
        config.remove(name);
    }
    config
}

/// Hands a librdkafka log line to tracing.
pub fn trace_line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        // A consumer's property passed to a producer, or the other way round: one map serves all clients.
        _ if facility == "CONFWARN" => tracing::debug!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// The context of clients that need nothing but their log lines kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainContext;

impl ClientContext for PlainContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trace_line(level, facility, line);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        // The end of a partition is an event that the reader asked for.
        if error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        tracing::warn!(target: "librdkafka", %error, "{reason}");
    }
}

impl rdkafka::consumer::ConsumerContext for PlainContext {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rdkafka::config::FromClientConfigAndContext;
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    #[test]
    fn a_client_beside_the_group_can_be_made_whatever_its_members_are_told() {
        let told: BTreeMap<_, _> = [("group.protocol", "consumer"), ("max.poll.interval.ms", "2500")].into();
        let settings = KafkaSettings {
            brokers: "127.0.0.1:1".to_owned(),
            group_id: "g".to_owned(),
            instance_id: "i".to_owned(),
            transactional_id: "t".to_owned(),
            properties: told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let made =
            BaseConsumer::from_config_and_context(bystander_config(&settings).set("group.id", "g"), PlainContext);
        assert!(made.is_ok(), "{:?}", made.err());
    }
}
