//! Topics: creates what is missing, and reports where what exists differs. Never alters or deletes.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::client::{PlainContext, bystander_config};
use super::plans::{Plan, input_plan, output_plans, owners_plan, state_plans};
use super::settings::{KafkaSettings, OWNERS_PARTITIONS, TopicSettings};

/// Timeout of one request.
const REQUEST: Duration = Duration::from_secs(15);
/// `max.message.bytes` of a broker that was not told otherwise.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 1_048_588;
/// What a dead letter adds to the record it carries, at most.
pub const DEAD_LETTER_ROOM: usize = 64 << 10;

/// Topics could not be created or inspected.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A request failed.
    #[error("Kafka administration: {0}")]
    Kafka(#[from] KafkaError),
    /// Nobody answers at the configured addresses.
    #[error("no broker answers at {brokers} (kafka.brokers): {cause}")]
    Unreachable {
        /// The addresses.
        brokers: String,
        /// What the client says.
        cause: KafkaError,
    },
    /// A topic was refused.
    #[error("topic {topic}: {code}")]
    Refused {
        /// The topic.
        topic: String,
        /// The broker's answer.
        code: RDKafkaErrorCode,
    },
}

/// What became of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicReport {
    /// Its name.
    pub topic: String,
    /// Whether it was created now.
    pub created: bool,
    /// Where an existing one differs from what would have been created.
    pub differences: Vec<Difference>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `partitions`, or a topic configuration.
    pub name: String,
    /// What would have been set.
    pub wanted: String,
    /// What is there.
    pub found: String,
}

/// A topic's configuration as the broker says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicConfiguration(BTreeMap<String, String>);

impl TopicConfiguration {
    /// One property.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `max.message.bytes`
    pub fn max_message_bytes(&self) -> Option<usize> {
        self.get("max.message.bytes")?.parse().ok()
    }
}

/// An administrative client.
pub struct Admin {
    client: AdminClient<PlainContext>,
    brokers: String,
}

impl Admin {
    /// Creates the client; no broker is asked yet.
    pub fn new(settings: &KafkaSettings) -> Result<Admin, AdminError> {
        let config = bystander_config(settings);
        Ok(Admin {
            client: AdminClient::from_config_and_context(&config, PlainContext)?,
            brokers: settings.brokers.clone(),
        })
    }

    /// Creates the topics that are missing, and compares those that exist.
    pub fn create_topics(&self, settings: &TopicSettings) -> Result<Vec<TopicReport>, AdminError> {
        let replication = self.replication(settings)?;
        let mut reports = vec![self.ensure(&input_plan(settings), settings.partitions, replication)?];
        // The room of the dead letters follows the input's, whoever created it.
        let [input] = self.configurations([&settings.events], REQUEST)?;
        let input_bytes = input.max_message_bytes().unwrap_or(DEFAULT_MAX_MESSAGE_BYTES);
        for plan in output_plans(settings, input_bytes + DEAD_LETTER_ROOM) {
            reports.push(self.ensure(&plan, settings.partitions, replication)?);
        }
        reports.push(self.ensure(&owners_plan(settings), OWNERS_PARTITIONS, replication)?);
        self.wait_until_visible(&reports)?;
        Ok(reports)
    }

    /// Creates the topics that hold state, where they are missing, with so many partitions.
    pub fn create_state_topics(
        &self,
        settings: &TopicSettings,
        partitions: i32,
    ) -> Result<Vec<TopicReport>, AdminError> {
        let replication = self.replication(settings)?;
        let mut reports = Vec::new();
        for plan in state_plans(settings) {
            reports.push(self.ensure(&plan, partitions, replication)?);
        }
        self.wait_until_visible(&reports)?;
        Ok(reports)
    }

    fn replication(&self, settings: &TopicSettings) -> Result<i32, AdminError> {
        let metadata = self.metadata(REQUEST)?;
        let brokers = i32::try_from(metadata.brokers().len()).unwrap_or(i32::MAX);
        Ok(settings.replication.unwrap_or(brokers.clamp(1, 3)))
    }

    /// Brokers learn of a new topic a moment after its creation was confirmed.
    fn wait_until_visible(&self, reports: &[TopicReport]) -> Result<(), AdminError> {
        let names: Vec<_> = reports.iter().map(|r| r.topic.as_str()).collect();
        let deadline = Instant::now() + REQUEST;
        while self.partition_counts(&names, REQUEST)?.values().any(|n| *n == 0) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn metadata(&self, timeout: Duration) -> Result<Metadata, AdminError> {
        use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
        self.client.inner().fetch_metadata(None, timeout).map_err(|cause| match cause.rdkafka_error_code() {
            Some(AllBrokersDown | BrokerTransportFailure | OperationTimedOut | Resolve) => {
                AdminError::Unreachable { brokers: self.brokers.clone(), cause }
            }
            _ => AdminError::Kafka(cause),
        })
    }

    /// Partitions of each topic; 0 if it does not exist.
    pub fn partition_counts<'t>(
        &self,
        topics: &[&'t str],
        timeout: Duration,
    ) -> Result<BTreeMap<&'t str, i32>, AdminError> {
        // All topics' metadata: naming one that does not exist would create it on some brokers.
        let metadata = self.metadata(timeout)?;
        let count = |name: &str| {
            let found = metadata.topics().iter().find(|t| t.name() == name && t.error().is_none());
            found.map_or(0, |t| i32::try_from(t.partitions().len()).unwrap_or(i32::MAX))
        };
        Ok(topics.iter().map(|&name| (name, count(name))).collect())
    }

    /// The configurations of topics, in the order asked.
    pub fn configurations<const N: usize>(
        &self,
        topics: [&str; N],
        timeout: Duration,
    ) -> Result<[TopicConfiguration; N], AdminError> {
        let request = topics.map(ResourceSpecifier::Topic);
        let answers = block_on(self.client.describe_configs(&request, &options(timeout)))?;
        let mut found = topics.map(|_| TopicConfiguration::default());
        for (at, answer) in answers.into_iter().enumerate().take(N) {
            let resource = answer.map_err(|code| AdminError::Refused { topic: topics[at].to_owned(), code })?;
            let named = resource.specifier == OwnedResourceSpecifier::Topic(topics[at].to_owned());
            debug_assert!(named, "answers come in the order of the request");
            found[at].0.extend(resource.entries.into_iter().filter_map(|e| Some((e.name, e.value?))));
        }
        Ok(found)
    }

    fn ensure(&self, plan: &Plan, partitions: i32, replication: i32) -> Result<TopicReport, AdminError> {
        let mut new = NewTopic::new(&plan.topic, partitions, TopicReplication::Fixed(replication));
        for (name, value) in &plan.configs {
            new = new.set(name, value);
        }
        let answers = block_on(self.client.create_topics([&new], &options(REQUEST)))?;
        let mut report = TopicReport { topic: plan.topic.clone(), created: true, differences: Vec::new() };
        for answer in answers {
            match answer {
                Ok(_) => {}
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {
                    report.created = false;
                    report.differences = self.differences(plan, partitions)?;
                }
                Err((topic, code)) => return Err(AdminError::Refused { topic, code }),
            }
        }
        Ok(report)
    }

    fn differences(&self, plan: &Plan, partitions: i32) -> Result<Vec<Difference>, AdminError> {
        let mut differences = Vec::new();
        let mut compare = |name: &str, wanted: &str, found: &str| {
            if wanted != found {
                let (name, wanted, found) = (name.to_owned(), wanted.to_owned(), found.to_owned());
                differences.push(Difference { name, wanted, found });
            }
        };
        let count = self.partition_counts(&[&plan.topic], REQUEST)?[plan.topic.as_str()];
        compare("partitions", &partitions.to_string(), &count.to_string());
        let [found] = self.configurations([&plan.topic], REQUEST)?;
        for (name, wanted) in &plan.configs {
            compare(name, wanted, found.get(name).unwrap_or_default());
        }
        Ok(differences)
    }
}

fn options(timeout: Duration) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for one answer of the admin client, whose own thread completes it. No runtime: this may be called
/// from inside one.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
