//! `send_offsets_to_transaction` on a thread of its own. Where the group's coordinator is lost, librdkafka may not return
//! from it for minutes, whatever its timeout (2.10 to 2.14 at least: confluentinc/librdkafka issues 5456 and 5511). The
//! caller can then leave it, and the client, behind.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

/// How often a waiting caller looks whether it should go on waiting.
const LOOK: Duration = Duration::from_millis(50);

type Offsets = (TopicPartitionList, Arc<ConsumerGroupMetadata>);
type Answer = Result<(), KafkaError>;

/// Makes the calls, one at a time.
pub(super) struct OffsetsCall {
    /// `None` only while it is dropped.
    calls: Option<Sender<Offsets>>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
    /// A call was left behind: there will be no other.
    is_lost: Cell<bool>,
}

impl OffsetsCall {
    /// Starts the thread; `call` is what it does.
    pub fn new(call: impl Fn(&TopicPartitionList, &ConsumerGroupMetadata) -> Answer + Send + 'static) -> OffsetsCall {
        let (calls, pending) = channel::<Offsets>();
        let (answer, answers) = channel();
        let work = move || {
            for (offsets, group) in pending {
                // Nobody hears it if the call was left behind.
                let _ = answer.send(call(&offsets, &group));
            }
        };
        let thread = std::thread::Builder::new().name("offsets".to_owned()).spawn(work);
        OffsetsCall { calls: Some(calls), answers, thread: thread.ok(), is_lost: Cell::new(false) }
    }

    /// Calls and waits for the answer; `None`: `leave` said to leave the call behind, or an earlier one was.
    pub fn make(
        &self,
        offsets: &TopicPartitionList,
        group: &Arc<ConsumerGroupMetadata>,
        leave: &dyn Fn() -> bool,
    ) -> Option<Answer> {
        let calls = self.calls.as_ref().filter(|_| !self.is_lost.get())?;
        calls.send((offsets.clone(), Arc::clone(group))).ok()?;
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout) if !leave() => {}
                Err(_) => {
                    self.is_lost.set(true);
                    return None;
                }
            }
        }
    }
}

impl Drop for OffsetsCall {
    fn drop(&mut self) {
        self.calls = None;
        // A call that was left behind ends by itself, some time.
        if let Some(thread) = self.thread.take().filter(|_| !self.is_lost.get()) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer};

    fn group() -> Arc<ConsumerGroupMetadata> {
        let consumer: BaseConsumer = ClientConfig::new().set("group.id", "g").create().expect("a consumer");
        Arc::new(consumer.group_metadata().expect("a group"))
    }

    #[test]
    fn answers_come_back_and_a_call_without_one_can_be_left() {
        let (blocks, until) = channel::<()>();
        let call = move |offsets: &TopicPartitionList, _: &ConsumerGroupMetadata| match offsets.count() {
            0 => Err(KafkaError::Canceled),
            1 => Ok(()),
            _ => until.recv().map_err(|_| KafkaError::Canceled),
        };
        let calls = OffsetsCall::new(call);
        let group = group();
        let mut offsets = TopicPartitionList::new();
        for expected in [false, true] {
            let answer = calls.make(&offsets, &group, &|| false).expect("an answer");
            assert_eq!(answer.is_ok(), expected);
            offsets.add_partition("t", i32::from(expected));
        }
        assert!(calls.make(&offsets, &group, &|| true).is_none());
        assert!(calls.make(&TopicPartitionList::new(), &group, &|| false).is_none(), "of no more use");
        drop(calls);
        blocks.send(()).expect("it still waits");
    }
}
