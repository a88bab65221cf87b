//! librdkafka's embedded broker, with the producer that lives in the same client. It keeps what it is sent
//! in memory, at most 5 MB a partition, and gives no guarantees.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::generator::GeneratedEvent;
use super::settings::PARTITIONS;

/// A broker in this process.
pub(super) struct EmbeddedBroker {
    producer: BaseProducer,
    addresses: String,
}

impl EmbeddedBroker {
    /// Starts a broker on a loopback port of its own and creates the topics. It cannot be asked to create
    /// topics over the protocol.
    pub fn start(topics: &[String]) -> KafkaResult<EmbeddedBroker> {
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", "1").set("partitioner", "murmur2_random").set("linger.ms", "0");
        let producer: BaseProducer = config.create()?;
        let fault = KafkaError::MockCluster(RDKafkaErrorCode::Fail);
        let cluster = producer.client().mock_cluster().ok_or(fault.clone())?;
        for topic in topics {
            cluster.create_topic(topic, PARTITIONS, 1)?;
        }
        let addresses = cluster.bootstrap_servers();
        drop(cluster);
        // SAFETY: the client was made with `test.mock.num.brokers`, so it has a mock cluster; pointer and
        // cluster live as long as the producer, which is borrowed here; librdkafka locks the cluster itself.
        unsafe {
            let cluster = rdkafka_sys::rd_kafka_handle_mock_cluster(producer.client().native_ptr());
            if cluster.is_null() {
                return Err(fault);
            }
            // It waits three seconds for more members otherwise.
            rdkafka_sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 100);
        }
        Ok(EmbeddedBroker { producer, addresses })
    }

    /// `bootstrap.servers` of it.
    pub fn addresses(&self) -> String {
        self.addresses.clone()
    }

    /// Sends one event, to every partition if it concerns all tenants. What does not fit is dropped: the
    /// demo goes on, and shows a gap as it would show one of any producer.
    pub fn send(&self, topic: &str, event: &GeneratedEvent) {
        let value = event.json.to_string();
        let record = || BaseRecord::to(topic).key(&event.key).payload(&value).timestamp(event.at.0);
        let all = if event.broadcast { PARTITIONS } else { 0 };
        let copies = (0..all).map(|p| record().partition(p));
        let one = (!event.broadcast).then(record);
        for record in copies.chain(one) {
            if let Err((error, _)) = self.producer.send(record) {
                tracing::warn!(%error, "generated event dropped");
            }
        }
        self.producer.poll(Duration::ZERO);
    }
}
