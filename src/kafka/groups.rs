//! Consumer groups seen from outside: who is in them, and what they have committed. Joins none and changes nothing.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{PlainContext, bystander_config};
use super::consumer::committed;
use super::settings::KafkaSettings;
use crate::model::position::{Offset, PartitionId};

/// Timeout of one request; callers try again.
const REQUEST: Duration = Duration::from_secs(5);

/// A group as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// No rebalance is under way.
    pub stable: bool,
    /// Its members.
    pub members: Vec<Member>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id that the coordinator gave it.
    pub id: String,
    /// Its own id, if it is a static member.
    pub instance_id: Option<String>,
    /// What it is assigned, by topic.
    pub partitions: Vec<(String, PartitionId)>,
}

/// Looks at groups; keeps a client for each it was asked of.
pub struct Groups {
    settings: KafkaSettings,
    clients: HashMap<String, BaseConsumer<PlainContext>>,
}

impl Groups {
    /// Nothing is asked yet. The settings' own group plays no part.
    pub fn new(settings: &KafkaSettings) -> Groups {
        Groups { settings: settings.clone(), clients: HashMap::new() }
    }

    /// What a group has committed, once no transaction that could change it is open. A timeout is an error to try
    /// again.
    pub fn offset(&mut self, group: &str, topic: &str, partition: PartitionId) -> Result<Option<Offset>, KafkaError> {
        let found = committed(self.client(group)?, topic, &[partition], REQUEST)?;
        Ok(found.into_iter().find_map(|(_, offset)| offset))
    }

    /// A group of either protocol; without members if there is no such group.
    pub fn describe(&mut self, group: &str) -> Result<Group, KafkaError> {
        describe(self.client(group)?.client(), group)
    }

    /// Number of its members.
    pub fn members(&mut self, group: &str) -> Result<usize, KafkaError> {
        self.describe(group).map(|group| group.members.len())
    }

    /// Which of these topics exist.
    pub fn existing(&mut self, group: &str, topics: impl Iterator<Item = String>) -> Result<Vec<bool>, KafkaError> {
        // All topics' metadata: naming one that does not exist would create it on some brokers.
        let metadata = self.client(group)?.client().fetch_metadata(None, REQUEST)?;
        let found = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let found: HashSet<&str> = found.map(|topic| topic.name()).collect();
        Ok(topics.map(|name| found.contains(name.as_str())).collect())
    }

    fn client(&mut self, group: &str) -> Result<&BaseConsumer<PlainContext>, KafkaError> {
        if !self.clients.contains_key(group) {
            let mut config = bystander_config(&self.settings);
            config.set("group.id", group).set("enable.auto.commit", "false").set("isolation.level", "read_committed");
            self.clients.insert(group.to_owned(), BaseConsumer::from_config_and_context(&config, PlainContext)?);
        }
        Ok(&self.clients[group])
    }
}

/// Frees a pointer of librdkafka at the end of its scope.
struct Freed<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Freed<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: made by librdkafka, freed by the function that belongs to it, once, and used nowhere after.
            unsafe { self.1(self.0) }
        }
    }
}

/// The safe client lists groups of the older protocol only, and calls one of the newer empty: here both are
/// described.
fn describe(client: &Client<PlainContext>, group: &str) -> Result<Group, KafkaError> {
    use rdkafka_sys as sys;
    let fault = |code: RDKafkaErrorCode| KafkaError::GroupListFetch(code);
    let name = CString::new(group).map_err(|_| fault(RDKafkaErrorCode::InvalidArgument))?;
    let mut names = [name.as_ptr()];
    let timeout = REQUEST.as_millis() as i32;
    // SAFETY: the client outlives this call, and so does the name. Each pointer that librdkafka hands over is freed
    // when its scope ends, the event last read before it is; what is read from the event is copied out.
    unsafe {
        let options = sys::rd_kafka_AdminOptions_new(
            client.native_ptr(),
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
        );
        let options = Freed(options, sys::rd_kafka_AdminOptions_destroy);
        let mut text = [0; 128];
        sys::rd_kafka_AdminOptions_set_request_timeout(options.0, timeout, text.as_mut_ptr(), text.len());
        let queue = Freed(sys::rd_kafka_queue_new(client.native_ptr()), sys::rd_kafka_queue_destroy);
        sys::rd_kafka_DescribeConsumerGroups(client.native_ptr(), names.as_mut_ptr(), 1, options.0, queue.0);
        let event = Freed(sys::rd_kafka_queue_poll(queue.0, 2 * timeout), sys::rd_kafka_event_destroy);
        if event.0.is_null() {
            return Err(fault(RDKafkaErrorCode::OperationTimedOut));
        }
        let code = RDKafkaErrorCode::from(sys::rd_kafka_event_error(event.0));
        if code != RDKafkaErrorCode::NoError {
            return Err(fault(code));
        }
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event.0);
        let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
        if groups.is_null() || count == 0 {
            return Err(fault(RDKafkaErrorCode::Fail));
        }
        let error = sys::rd_kafka_ConsumerGroupDescription_error(*groups);
        match RDKafkaErrorCode::from(sys::rd_kafka_error_code(error)) {
            RDKafkaErrorCode::NoError => Ok(description(*groups)),
            RDKafkaErrorCode::GroupIdNotFound => Ok(Group::default()),
            code => Err(fault(code)),
        }
    }
}

/// Copies a description.
///
/// # Safety
/// The description is valid.
unsafe fn description(group: *const rdkafka_sys::rd_kafka_ConsumerGroupDescription_t) -> Group {
    use rdkafka_sys as sys;
    // SAFETY: what a valid description points to is valid as long as it is; the members are those it counts.
    unsafe {
        let state = sys::rd_kafka_ConsumerGroupDescription_state(group);
        let count = sys::rd_kafka_ConsumerGroupDescription_member_count(group);
        let members = (0..count).map(|number| {
            let member = sys::rd_kafka_ConsumerGroupDescription_member(group, number);
            Member {
                id: text(sys::rd_kafka_MemberDescription_consumer_id(member)).unwrap_or_default(),
                instance_id: text(sys::rd_kafka_MemberDescription_group_instance_id(member)),
                partitions: partitions(sys::rd_kafka_MemberDescription_assignment(member)),
            }
        });
        Group {
            stable: state == sys::rd_kafka_consumer_group_state_t::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE,
            members: members.collect(),
        }
    }
}

/// Copies the partitions of an assignment.
///
/// # Safety
/// The assignment is valid, or null.
unsafe fn partitions(assignment: *const rdkafka_sys::rd_kafka_MemberAssignment_t) -> Vec<(String, PartitionId)> {
    if assignment.is_null() {
        return Vec::new();
    }
    // SAFETY: the list of a valid assignment is valid, with as many elements as it counts.
    unsafe {
        let list = rdkafka_sys::rd_kafka_MemberAssignment_partitions(assignment);
        if list.is_null() || (*list).elems.is_null() {
            return Vec::new();
        }
        let elements = std::slice::from_raw_parts((*list).elems, usize::try_from((*list).cnt).unwrap_or(0));
        elements.iter().map(|e| (text(e.topic).unwrap_or_default(), PartitionId(e.partition))).collect()
    }
}

/// Copies a text.
///
/// # Safety
/// It ends with a zero byte, or is null.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
