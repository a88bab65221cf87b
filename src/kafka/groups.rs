//! Consumer groups seen from outside: who is in them, and what they have committed. Joins none and changes nothing.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::groups::GroupMemberInfo;

use super::client::{PlainContext, bystander_config};
use super::consumer::committed;
use super::settings::KafkaSettings;
use crate::model::position::{Offset, PartitionId};

/// Timeout of one request; callers try again.
const REQUEST: Duration = Duration::from_secs(5);

/// A group of the classic protocol, as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClassicGroup {
    /// No rebalance is under way.
    pub stable: bool,
    /// Its members.
    pub members: Vec<Member>,
}

/// A member of a classic group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id that the coordinator gave it.
    pub id: String,
    /// What it is assigned, by topic.
    pub partitions: Vec<(String, PartitionId)>,
}

impl Member {
    /// Whether this is the static member of that name: the coordinator adds a UUID to it.
    pub fn is(&self, name: &str) -> bool {
        let added = self.id.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        added.is_some_and(|uuid| uuid.len() == 36 && uuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
    }
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

    /// Members of a group, of either protocol; none if there is no such group.
    pub fn members(&mut self, group: &str) -> Result<usize, KafkaError> {
        members(self.client(group)?.client(), group)
    }

    /// A group of the classic protocol; without members if there is no such group. An assignment that cannot be read
    /// is an error. This asks by an older request than [`Self::members`] does: the newer one can end the process by an
    /// assertion of librdkafka's own while brokers come and go (confluentinc/librdkafka issues 3663 and 4605).
    pub fn classic(&mut self, group: &str) -> Result<ClassicGroup, KafkaError> {
        let list = self.client(group)?.fetch_group_list(Some(group), REQUEST)?;
        let Some(found) = list.groups().iter().find(|found| found.name() == group) else {
            return Ok(ClassicGroup::default());
        };
        let member = |member: &GroupMemberInfo| {
            let partitions = member.assignment().map_or(Some(Vec::new()), assigned);
            let partitions = partitions.ok_or(KafkaError::GroupListFetch(RDKafkaErrorCode::BadMessage))?;
            Ok(Member { id: member.id().to_owned(), partitions })
        };
        let members = found.members().iter().map(member).collect::<Result<_, KafkaError>>()?;
        Ok(ClassicGroup { stable: found.state() == "Stable", members })
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

/// What is sent with offsets by somebody who is no member of the group.
pub fn outsider(settings: &KafkaSettings) -> Result<ConsumerGroupMetadata, KafkaError> {
    let mut config = bystander_config(settings);
    config.set("group.id", &settings.group_id);
    let consumer: BaseConsumer<PlainContext> = BaseConsumer::from_config_and_context(&config, PlainContext)?;
    consumer.group_metadata().ok_or(KafkaError::Canceled)
}

/// The partitions of an assignment in the form of Kafka's consumer protocol: a version, then by topic the numbers of
/// its partitions; what follows is the assignor's. Nothing was assigned to a member without bytes.
fn assigned(bytes: &[u8]) -> Option<Vec<(String, PartitionId)>> {
    fn take<'b>(rest: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
        let (taken, left) = rest.split_at_checked(len)?;
        *rest = left;
        Some(taken)
    }
    fn int(rest: &mut &[u8]) -> Option<i32> {
        take(rest, 4)?.try_into().ok().map(i32::from_be_bytes)
    }
    let mut rest = bytes;
    let mut partitions = Vec::new();
    if rest.is_empty() {
        return Some(partitions);
    }
    take(&mut rest, 2)?;
    for _ in 0..int(&mut rest)? {
        let len = u16::from_be_bytes(take(&mut rest, 2)?.try_into().ok()?);
        let topic = std::str::from_utf8(take(&mut rest, len.into())?).ok()?;
        for _ in 0..int(&mut rest)? {
            partitions.push((topic.to_owned(), PartitionId(int(&mut rest)?)));
        }
    }
    Some(partitions)
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
fn members(client: &Client<PlainContext>, group: &str) -> Result<usize, KafkaError> {
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
            RDKafkaErrorCode::NoError => Ok(sys::rd_kafka_ConsumerGroupDescription_member_count(*groups)),
            RDKafkaErrorCode::GroupIdNotFound => Ok(0),
            code => Err(fault(code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_and_damaged_ones_are_not() {
        let bytes = hex::decode(concat!(
            "0001", "00000002", "000161", "00000002", "00000000", "00000007", "00026262", "00000000", "00000000",
        ));
        let bytes = bytes.unwrap();
        let a = |partition| ("a".to_owned(), PartitionId(partition));
        assert_eq!(assigned(&bytes), Some(vec![a(0), a(7)]));
        assert_eq!(assigned(&[]), Some(vec![]));
        // All but the assignor's own bytes is needed.
        for len in 1..bytes.len() - 4 {
            assert_eq!(assigned(&bytes[..len]), None, "{len}");
        }
    }

    #[test]
    fn a_static_member_is_known_by_its_name() {
        let member = |id: &str| Member { id: id.to_owned(), partitions: Vec::new() };
        let held = member("host-1-0-0b9c2f6e-5d1a-4c37-9a86-000000000001");
        assert!(held.is("host-1-0"));
        assert!(!held.is("host-1") && !held.is("host-1-0-0") && !member("host-1-0").is("host-1-0"));
    }
}
