//! The open connections: how many there may be, and which has to go. A connection is either under way with a request,
//! or waits: for a handshake, a head, the next request, or for its peer to read. Those that wait for too long are
//! closed, and where there is no room for a new one, the one that waits longest.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::telemetry::{Metrics, Refusal};

/// The connections of an edge.
pub(super) struct Connections {
    most: usize,
    patience: Duration,
    metrics: Arc<Metrics>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    open: HashMap<u64, Open>,
    /// Numbers of those that wait, in the order in which they began to.
    waiting: BTreeMap<u64, u64>,
    last: u64,
}

struct Open {
    /// Its place among those that wait, and since when it does; `None`: a request is under way.
    waits: Option<(u64, Instant)>,
    close: oneshot::Sender<()>,
}

/// A connection's entry, for as long as it is open.
pub(super) struct Entry {
    number: u64,
    connections: Arc<Connections>,
}

impl Connections {
    /// `most`: open at a time; `patience`: how long one may wait.
    pub fn new(most: usize, patience: Duration, metrics: Arc<Metrics>) -> Arc<Connections> {
        Arc::new(Connections { most, patience, metrics, table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new connection in, and says when it has to be closed. `None`: requests are under way on as many as
    /// there may be.
    pub fn admit(self: &Arc<Self>, now: Instant) -> Option<(Entry, oneshot::Receiver<()>)> {
        let mut table = self.table();
        if table.open.len() >= self.most {
            self.metrics.http_refused(Refusal::Connections);
            if !table.close_longest() {
                return None;
            }
        }
        let (close, closed) = oneshot::channel();
        let number = table.next();
        table.open.insert(number, Open { waits: None, close });
        table.wait(number, now);
        self.metrics.http_connections(table.open.len());
        Some((Entry { number, connections: Arc::clone(self) }, closed))
    }

    /// Closes those that have waited too long.
    pub fn sweep(&self, now: Instant) {
        let mut table = self.table();
        let tired = |open: &Open| open.waits.is_some_and(|(_, since)| now.duration_since(since) > self.patience);
        while table.longest().is_some_and(tired) {
            table.close_longest();
            self.metrics.http_refused(Refusal::SlowConnection);
        }
        self.metrics.http_connections(table.open.len());
    }

    /// Closes the one that waits longest, where the system has no room for another.
    pub fn make_room(&self) {
        self.table().close_longest();
    }
}

impl Table {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn longest(&self) -> Option<&Open> {
        self.waiting.first_key_value().and_then(|(_, number)| self.open.get(number))
    }

    /// Whether there was one.
    fn close_longest(&mut self) -> bool {
        let Some((_, number)) = self.waiting.pop_first() else { return false };
        if let Some(open) = self.open.remove(&number) {
            // Gone already: all the better.
            let _ = open.close.send(());
        }
        true
    }

    fn wait(&mut self, number: u64, now: Instant) {
        let place = self.next();
        if let Some(open) = self.open.get_mut(&number) {
            open.waits = Some((place, now));
            self.waiting.insert(place, number);
        }
    }

    fn work(&mut self, number: u64) {
        if let Some((place, _)) = self.open.get_mut(&number).and_then(|open| open.waits.take()) {
            self.waiting.remove(&place);
        }
    }
}

impl Entry {
    /// A request has begun. It is over when what is returned is dropped.
    pub fn request(self: &Arc<Entry>) -> UnderWay {
        self.connections.table().work(self.number);
        UnderWay(Arc::clone(self))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        table.work(self.number);
        table.open.remove(&self.number);
        self.connections.metrics.http_connections(table.open.len());
    }
}

/// A request under way.
pub(super) struct UnderWay(Arc<Entry>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.connections.table().wait(self.0.number, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(most: usize) -> (Arc<Connections>, Instant) {
        (Connections::new(most, Duration::from_secs(5), Arc::new(Metrics::new())), Instant::now())
    }

    fn closed(receiver: &mut oneshot::Receiver<()>) -> bool {
        receiver.try_recv().is_ok()
    }

    #[test]
    fn the_longest_waiting_goes_for_a_new_one_and_no_request_is_cut() {
        let (connections, now) = table(2);
        let (first, mut first_closed) = connections.admit(now).unwrap();
        let (_second, mut second_closed) = connections.admit(now).unwrap();
        let first = Arc::new(first);
        let request = first.request();
        let (_third, mut third_closed) = connections.admit(now).unwrap();
        assert!(closed(&mut second_closed) && !closed(&mut first_closed), "a request is under way on the first");
        drop(request);
        let (fourth, _fourth_closed) = connections.admit(now).unwrap();
        assert!(closed(&mut third_closed) && !closed(&mut first_closed), "the first began to wait after the third");
        let _requests = (first.request(), Arc::new(fourth).request());
        assert!(connections.admit(now).is_none(), "nobody waits");
    }

    #[test]
    fn those_that_wait_too_long_are_closed_and_leave_nothing() {
        let (connections, now) = table(10);
        let (slow, mut slow_closed) = connections.admit(now).unwrap();
        let (busy, mut busy_closed) = connections.admit(now).unwrap();
        let busy = Arc::new(busy);
        let request = busy.request();
        connections.sweep(now + Duration::from_secs(5));
        assert!(!closed(&mut slow_closed));
        connections.sweep(now + Duration::from_secs(6));
        assert!(closed(&mut slow_closed) && !closed(&mut busy_closed));
        drop((slow, request, busy));
        let table = connections.table();
        assert!(table.open.is_empty() && table.waiting.is_empty());
    }
}
