//! Events that keep coming while a fault strikes: several tenants, in small bursts, some of them twice, out of order or
//! no events at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::clients::{PATIENCE, producer};
use crate::support::events::{Dice, Event, workload};

/// Events of a burst, and the pause after it: a load that one instance keeps up with, also unoptimised.
const BURST: usize = 30;
const PAUSE: Duration = Duration::from_millis(80);

/// A producer at work; stops when dropped.
pub struct Load {
    sent: Arc<AtomicI64>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Begins to send: the same sessions for ever.
    pub fn start(brokers: &str, topic: &str, seed: u64) -> Load {
        Load::start_with(brokers, topic, seed, |_, events| events)
    }

    /// The same with sessions of their own in every hundred bursts, and no more of the earlier ones.
    pub fn of_new_sessions(brokers: &str, topic: &str, seed: u64) -> Load {
        Load::start_with(brokers, topic, seed, |burst, mut events| {
            let age = format!("\"session_id\":\"s{}-", burst / 100);
            for (_, value) in &mut events {
                *value = String::from_utf8_lossy(value).replace("\"session_id\":\"s-", &age).into_bytes();
            }
            events
        })
    }

    fn start_with(brokers: &str, topic: &str, seed: u64, shape: fn(u64, Vec<Event>) -> Vec<Event>) -> Load {
        let (stop, stopped) = channel();
        let sent = Arc::new(AtomicI64::new(0));
        let (brokers, topic, count) = (brokers.to_owned(), topic.to_owned(), Arc::clone(&sent));
        let work = move || {
            let mut dice = Dice::new(seed ^ 0x10ad);
            let producer = producer(&brokers);
            for burst in 0.. {
                let events = dirty(&mut dice, shape(burst, workload(seed * 100_000 + burst, BURST)));
                send(&producer, &topic, &events);
                count.fetch_add(events.len() as i64, Ordering::SeqCst);
                if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        Load { sent, stop: Some(stop), thread: Some(std::thread::spawn(work)) }
    }

    /// Events acknowledged so far.
    pub fn sent(&self) -> i64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Stops, and waits until everything is acknowledged.
    pub fn stop(&mut self) -> i64 {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the load was sent");
        }
        self.sent()
    }

    /// The same when nobody wants to know.
    pub fn stop_quietly(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sends a burst and waits until it is acknowledged.
fn send(producer: &BaseProducer, topic: &str, events: &[Event]) {
    for (key, value) in events {
        producer.send(BaseRecord::to(topic).key(key).payload(value)).map_err(|(error, _)| error).expect("room");
    }
    // A round may leave it without a broker for more than a minute.
    let deadline = Instant::now() + 2 * PATIENCE;
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
        assert!(Instant::now() < deadline, "the load is not acknowledged");
    }
}

/// What producers do: send twice, out of order, with a clock that is off, and now and then garbage.
fn dirty(dice: &mut Dice, mut events: Vec<Event>) -> Vec<Event> {
    for at in 0..events.len() {
        match dice.below(100) {
            0 => events[at].1 = (0..dice.below(200)).map(|_| dice.below(256) as u8).collect(),
            1..=3 => events.push(events[at].clone()),
            4..=6 => events.swap(at, dice.below(BURST as u64) as usize),
            7 => {
                let text = String::from_utf8_lossy(&events[at].1).replace("\"occurred_at\":1", "\"occurred_at\":2");
                events[at].1 = text.into_bytes();
            }
            _ => {}
        }
    }
    events
}
