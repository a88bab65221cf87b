//! Who waits until a partition has folded a record. Nobody polls: whoever waits sleeps, and a worker that nobody waits for
//! looks at one number a record.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::model::position::Offset;

/// No offset is as large: nobody waits.
const NOBODY: i64 = i64::MAX;

/// Those who wait, by what they wait for.
#[derive(Debug)]
pub(super) struct Waiters {
    /// The smallest offset that is waited for.
    ///
    /// It needs no order of its own. Whoever waits enters here and then reads from the engine, under its lock, how far it
    /// has come; a worker folds under that lock and then looks here. Whichever of the two came later at the lock sees what
    /// the other did before.
    least: AtomicI64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    waiting: BTreeMap<Key, oneshot::Sender<()>>,
    entered: u64,
}

/// The offset waited for, and a number of one's own.
type Key = (i64, u64);

/// A place among those who wait, given up when dropped.
#[derive(Debug)]
struct Place {
    waiters: Arc<Waiters>,
    key: Key,
    woken: oneshot::Receiver<()>,
}

impl Default for Waiters {
    fn default() -> Waiters {
        Waiters { least: AtomicI64::new(NOBODY), held: Mutex::default() }
    }
}

impl Waiters {
    /// Ends once this offset is folded, or may never be; whoever waits has to look. It is entered at once.
    pub fn wait(self: &Arc<Self>, offset: Offset) -> impl Future<Output = ()> + Send + 'static {
        let (wake, woken) = oneshot::channel();
        let mut held = self.held();
        held.entered += 1;
        let key = (offset.0, held.entered);
        held.waiting.insert(key, wake);
        self.note_least(&held);
        drop(held);
        let mut place = Place { waiters: Arc::clone(self), key, woken };
        // Woken, or left alone: both mean to look again.
        async move { drop((&mut place.woken).await) }
    }

    /// Wakes those who wait for this offset or an earlier one.
    pub fn folded(&self, offset: Offset) {
        if offset.0 < self.least.load(Ordering::Relaxed) {
            return;
        }
        let mut held = self.held();
        let later = held.waiting.split_off(&(offset.0.saturating_add(1), 0));
        let woken = std::mem::replace(&mut held.waiting, later);
        self.note_least(&held);
        drop(held);
        wake(woken);
    }

    /// Wakes all.
    pub fn changed(&self) {
        let mut held = self.held();
        let woken = std::mem::take(&mut held.waiting);
        self.note_least(&held);
        drop(held);
        wake(woken);
    }

    fn note_least(&self, held: &Held) {
        self.least.store(held.waiting.first_key_value().map_or(NOBODY, |((offset, _), _)| *offset), Ordering::Relaxed);
    }

    /// A panic leaves whole places behind.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(woken: BTreeMap<Key, oneshot::Sender<()>>) {
    for wake in woken.into_values() {
        // Whoever gave up does not mind.
        let _ = wake.send(());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.waiters.held();
        held.waiting.remove(&self.key);
        self.waiters.note_least(&held);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Which of those who still wait were woken; they wait no more.
    fn woken(all: &mut BTreeMap<&'static str, Waiting>) -> Vec<&'static str> {
        let mut context = Context::from_waker(Waker::noop());
        let woken = all
            .iter_mut()
            .filter_map(|(name, waiting)| (waiting.as_mut().poll(&mut context) == Poll::Ready(())).then_some(*name));
        let woken: Vec<_> = woken.collect();
        all.retain(|name, _| !woken.contains(name));
        woken
    }

    #[test]
    fn those_are_woken_whose_offset_is_folded_and_who_gives_up_leaves_nothing() {
        let waiters = Arc::new(Waiters::default());
        let least = || waiters.least.load(Ordering::Relaxed);
        let wait = |offset| -> Waiting { Box::pin(waiters.wait(Offset(offset))) };
        let mut all: BTreeMap<_, _> =
            [("five", wait(5)), ("nine", wait(9)), ("seven", wait(7)), ("too", wait(5))].into();
        assert_eq!((woken(&mut all), least()), (vec![], 5));
        waiters.folded(Offset(4));
        assert_eq!((woken(&mut all), least()), (vec![], 5));
        waiters.folded(Offset(5));
        assert_eq!((woken(&mut all), least()), (vec!["five", "too"], 7));
        all.remove("seven");
        assert_eq!(least(), 9, "who gave up is not waited for");
        waiters.folded(Offset(8));
        assert_eq!(woken(&mut all), [""; 0]);
        waiters.changed();
        assert_eq!((woken(&mut all), least()), (vec!["nine"], NOBODY));
        waiters.folded(Offset(i64::MAX - 1));
        assert!(waiters.held().waiting.is_empty());
    }
}
