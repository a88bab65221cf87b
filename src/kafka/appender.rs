//! A plain producer: appends a record outside of any transaction, and says later what became of it. Idempotent, so that
//! a record sent again by the client is there once. Waits only if it is told to.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::client::{bystander_config, trace_line};
use super::settings::KafkaSettings;
use crate::model::position::{Offset, PartitionId};

/// How long a record is tried, unless a property says otherwise.
const MESSAGE_TIMEOUT_MS: &str = "30000";

/// What became of a record that was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Its partition.
    pub partition: PartitionId,
    /// Where it is, if it is there.
    pub offset: Offset,
    /// Why it is not there, if it is not.
    pub fault: Option<String>,
}

#[derive(Debug, Default)]
struct Deliveries(Mutex<Vec<Appended>>);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trace_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", %error, "appender: {reason}");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let (message, fault) = match result {
            Ok(message) => (message, None),
            Err((error, message)) => (message, Some(error.to_string())),
        };
        let (partition, offset) = (PartitionId(message.partition()), Offset(message.offset()));
        let appended = Appended { partition, offset, fault };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(appended);
    }
}

/// Appends records to partitions that the caller names.
pub struct Appender {
    inner: BaseProducer<Deliveries>,
}

impl Appender {
    /// Creates the client; no broker is asked yet.
    pub fn new(settings: &KafkaSettings) -> Result<Appender, KafkaError> {
        let mut config = bystander_config(settings);
        config.set("enable.idempotence", "true").set("linger.ms", "0");
        if config.get("message.timeout.ms").is_none() {
            config.set("message.timeout.ms", MESSAGE_TIMEOUT_MS);
        }
        Ok(Appender { inner: BaseProducer::from_config_and_context(&config, Deliveries::default())? })
    }

    /// Queues a record. Errors: it cannot even be queued.
    pub fn append(&self, topic: &str, partition: PartitionId, key: &[u8], value: &[u8]) -> Result<(), KafkaError> {
        let record = BaseRecord::to(topic).partition(partition.0).key(key).payload(value);
        self.inner.send(record).map_err(|(error, _)| error)
    }

    /// What became of records since the last call. Has to be called now and then, or the client hears of nothing.
    pub fn appended(&self) -> Vec<Appended> {
        self.appended_within(Duration::ZERO)
    }

    /// The same; waits for so long if nothing is known yet.
    pub fn appended_within(&self, wait: Duration) -> Vec<Appended> {
        self.inner.poll(wait);
        std::mem::take(&mut self.inner.context().0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_cannot_be_appended_is_told_with_its_partition() {
        let settings = KafkaSettings {
            brokers: "127.0.0.1:1".to_owned(),
            group_id: "g".to_owned(),
            instance_id: "i".to_owned(),
            transactional_id: "t".to_owned(),
            properties: [("message.timeout.ms".to_owned(), "50".to_owned())].into(),
        };
        let appender = Appender::new(&settings).expect("a client");
        appender.append("input", PartitionId(3), b"*", b"{}").expect("queued");
        let begun = Instant::now();
        let told = loop {
            let told = appender.appended();
            if !told.is_empty() || begun.elapsed() > Duration::from_secs(30) {
                break told;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(told.len(), 1);
        assert!(told[0].partition == PartitionId(3) && told[0].fault.is_some(), "{told:?}");
        assert!(appender.appended().is_empty(), "once");
    }
}
