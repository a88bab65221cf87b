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

/// Hands a librdkafka log line to tracing.
pub fn trace_line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
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
