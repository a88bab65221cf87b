//! The transactional producer: one transaction at a time, every error sorted into what must be done about
//! it. Decides nothing by itself.
//!
//! Calls wait in slices and resume (librdkafka keeps a timed-out call going), so that a caller that has to
//! leave can.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::client::{base_config, trace_line};
use super::offsets_call::OffsetsCall;
pub use super::producer_faults::{DeliveryFault, TransactionFault};
use super::producer_faults::{classify, is_permanent};
use super::settings::KafkaSettings;
use crate::model::position::PartitionId;

/// How long a transaction may be open until the broker ends it and fences the producer.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// After so much longer what was asked in a transaction will not be answered any more.
const ANSWERS: Duration = Duration::from_secs(5);
/// How long one slice of a transactional call may block.
const SLICE: Duration = Duration::from_secs(2);
/// The same for a call that waits for events which only a poll serves.
const SHORT_SLICE: Duration = Duration::from_millis(10);

/// Pause between two looks at what was delivered.
const SERVE_PAUSE: Duration = Duration::from_micros(200);
/// One record to send.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition, always explicit.
    pub partition: PartitionId,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers.
    pub headers: Option<OwnedHeaders>,
}

/// Collects what librdkafka reports between calls.
#[derive(Debug, Default)]
struct Reports {
    undelivered: Mutex<Vec<DeliveryFault>>,
    disturbed: AtomicBool,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trace_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", %error, "producer: {reason}");
        self.disturbed.store(true, Ordering::Relaxed);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let fault = DeliveryFault {
                topic: message.topic().to_owned(),
                partition: PartitionId(message.partition()),
                cause: error.to_string(),
                permanent: is_permanent(error),
            };
            self.undelivered.lock().unwrap_or_else(|e| e.into_inner()).push(fault);
        }
    }
}

/// A producer with a transactional id.
pub struct TransactionalProducer {
    inner: Arc<BaseProducer<Reports>>,
    offsets: OffsetsCall,
    /// See [`Self::is_over`].
    over_at: Cell<Instant>,
}

impl TransactionalProducer {
    /// Creates the client; no broker is asked yet. `max_message_bytes` bounds one record.
    pub fn new(
        settings: &KafkaSettings,
        transactional_id: &str,
        max_message_bytes: usize,
    ) -> Result<TransactionalProducer, KafkaError> {
        let mut config = base_config(settings);
        // Defaults that matter for latency: librdkafka waits this long when the broker is still completing
        // the previous transaction, and lingers before it sends.
        for (name, value) in [("retry.backoff.ms", "2"), ("retry.backoff.max.ms", "1000"), ("linger.ms", "0")] {
            if !settings.properties.contains_key(name) {
                config.set(name, value);
            }
        }
        config
            .set("transactional.id", transactional_id)
            .set("enable.idempotence", "true")
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            .set("message.max.bytes", max_message_bytes.to_string());
        let inner = Arc::new(BaseProducer::from_config_and_context(&config, Reports::default())?);
        let caller = Arc::clone(&inner);
        let offsets = OffsetsCall::new(move |offsets, group| caller.send_offsets_to_transaction(offsets, group, SLICE));
        Ok(TransactionalProducer { inner, offsets, over_at: Cell::new(Instant::now()) })
    }

    /// Settles what an earlier holder of the id left open and takes the id over.
    pub fn init(&self, give_up: &dyn Fn() -> bool) -> Result<(), TransactionFault> {
        self.resume_until_done(give_up, || self.inner.init_transactions(SLICE))
    }

    /// Opens a transaction and forgets earlier reports.
    pub fn begin(&self) -> Result<(), TransactionFault> {
        self.inner.poll(Duration::ZERO);
        self.inner.context().disturbed.store(false, Ordering::Relaxed);
        self.undelivered();
        self.over_at.set(Instant::now() + TRANSACTION_TIMEOUT + ANSWERS);
        self.inner.begin_transaction().map_err(|e| self.sorted(e))
    }

    /// Queues one record, waiting for room; hands over what is wrong with this record, if anything.
    pub fn send(
        &self,
        record: Outgoing<'_>,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Option<DeliveryFault>, TransactionFault> {
        let mut base: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(record.topic).partition(record.partition.0);
        base.key = record.key;
        base.payload = record.value;
        base.headers = record.headers;
        let mut waits = false;
        loop {
            match self.inner.send(base) {
                Ok(()) => return Ok(None),
                Err((error, back)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    if !std::mem::replace(&mut waits, true) {
                        tracing::debug!(topic = record.topic, "the producer's queue is full: waiting for room");
                    }
                    self.serve();
                    self.still_worth_it(give_up)?;
                    base = back;
                }
                Err((error, _)) => {
                    return Ok(Some(DeliveryFault {
                        topic: record.topic.to_owned(),
                        partition: record.partition,
                        cause: error.to_string(),
                        permanent: is_permanent(&error),
                    }));
                }
            }
        }
    }

    /// Waits until every queued record is delivered or refused; hands over what was refused.
    pub fn drain(&self, give_up: &dyn Fn() -> bool) -> Result<Vec<DeliveryFault>, TransactionFault> {
        while self.inner.in_flight_count() > 0 {
            self.serve();
            self.still_worth_it(give_up)?;
        }
        Ok(self.undelivered())
    }

    /// Whether to wait longer for the broker's answers.
    fn still_worth_it(&self, give_up: &dyn Fn() -> bool) -> Result<(), TransactionFault> {
        if give_up() {
            return Err(TransactionFault::GaveUp);
        }
        if self.is_over() {
            let count = self.inner.in_flight_count();
            return Err(TransactionFault::Fatal(format!("{count} records are neither delivered nor refused")));
        }
        Ok(())
    }

    /// The transaction has timed out long ago, and so has all that belongs to it. What was not answered by now never
    /// will be; the producer is of no more use.
    fn is_over(&self) -> bool {
        Instant::now() > self.over_at.get()
    }

    /// Adds input offsets to the transaction. `group` must be fresh: no consumer poll since it was taken.
    pub fn send_offsets(
        &self,
        offsets: &TopicPartitionList,
        group: &Arc<ConsumerGroupMetadata>,
        give_up: &dyn Fn() -> bool,
    ) -> Result<(), TransactionFault> {
        loop {
            let Some(answer) = self.offsets.make(offsets, group, &|| give_up() || self.is_over()) else {
                return Err(match give_up() {
                    true => TransactionFault::GaveUp,
                    false => TransactionFault::Fatal("no answer to the offsets".to_owned()),
                });
            };
            if self.is_done(answer, give_up)? {
                return Ok(());
            }
        }
    }

    /// Commits. Call [`Self::drain`] first.
    pub fn commit(&self, give_up: &dyn Fn() -> bool) -> Result<(), TransactionFault> {
        self.resume_until_done(give_up, || self.inner.commit_transaction(SLICE))
    }

    /// Aborts. What is queued is purged by librdkafka itself: purging it beforehand leaves gaps in the
    /// sequence numbers, which fail the next transaction. The call comes back in short slices, between which
    /// the delivery reports it waits for are served.
    pub fn abort(&self, give_up: &dyn Fn() -> bool) -> Result<(), TransactionFault> {
        let until = Instant::now() + TRANSACTION_TIMEOUT + ANSWERS;
        loop {
            let Err(error) = self.inner.abort_transaction(SHORT_SLICE) else { return Ok(()) };
            if Instant::now() > until {
                return Err(TransactionFault::Fatal(format!("no answer to the abort: {error}")));
            }
            if let Some(fault) = classify(error) {
                return Err(fault);
            }
            if give_up() {
                return Err(TransactionFault::GaveUp);
            }
            self.serve();
        }
    }

    /// Whether a transport error or a timeout was reported since [`Self::begin`]: then the producer must be
    /// replaced before the next transaction, since librdkafka does not raise the epoch by itself.
    pub fn disturbed(&self) -> bool {
        self.inner.poll(Duration::ZERO);
        self.inner.context().disturbed.load(Ordering::Relaxed)
    }

    /// Lets others run for a moment, then serves what librdkafka has to report. The client's own timed poll is
    /// no use here: it waits its whole time even when an event came, and spins through its last millisecond.
    fn serve(&self) {
        std::thread::sleep(SERVE_PAUSE);
        self.inner.poll(Duration::ZERO);
    }

    fn undelivered(&self) -> Vec<DeliveryFault> {
        std::mem::take(&mut *self.inner.context().undelivered.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// The fault of a call that cannot be resumed; a retriable one counts as fatal there.
    fn sorted(&self, error: KafkaError) -> TransactionFault {
        let text = error.to_string();
        classify(error).unwrap_or(TransactionFault::Fatal(text))
    }

    fn resume_until_done(
        &self,
        give_up: &dyn Fn() -> bool,
        mut call: impl FnMut() -> Result<(), KafkaError>,
    ) -> Result<(), TransactionFault> {
        while !self.is_done(call(), give_up)? {}
        Ok(())
    }

    /// Whether a call is done; else it has to be made again.
    fn is_done(&self, answer: Result<(), KafkaError>, give_up: &dyn Fn() -> bool) -> Result<bool, TransactionFault> {
        let Err(error) = answer else { return Ok(true) };
        tracing::debug!(%error, "transactional call");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut) {
            self.inner.context().disturbed.store(true, Ordering::Relaxed);
        }
        if let Some(fault) = classify(error) {
            return Err(fault);
        }
        if give_up() {
            return Err(TransactionFault::GaveUp);
        }
        self.serve();
        Ok(false)
    }
}
