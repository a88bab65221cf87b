//! For how long a partition may be answered for. A group that does not hear of a member gives its partitions to others once
//! the session timeout is over, and the member may learn of it later: a process that stood still, a network that was cut.
//! So what is owned is answered from only while the group was heard of within that time. Whoever owns it next cannot
//! answer before.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is known of a membership's time.
pub(super) struct Lease {
    /// `None`: not known, and nothing is concluded.
    session: Option<Duration>,
    times: Mutex<Times>,
}

struct Times {
    heard: Instant,
    /// When something was refused that a member may do.
    doubted: Option<Instant>,
}

impl Lease {
    /// Of a partition that was assigned at this moment.
    pub fn new(session: Option<Duration>, now: Instant) -> Lease {
        Lease { session, times: Mutex::new(Times { heard: now, doubted: None }) }
    }

    /// The group was heard of.
    pub fn heard(&self, at: Instant) {
        let mut times = self.times();
        times.heard = times.heard.max(at);
    }

    /// Something was refused that a member may do: until the group is heard of again, nothing is certain.
    pub fn doubt(&self, now: Instant) {
        self.times().doubted = Some(now);
    }

    /// Whether nobody else can own the partition.
    pub fn holds(&self, now: Instant) -> bool {
        let Some(session) = self.session else { return true };
        let times = self.times();
        times.doubted.is_none_or(|doubted| times.heard > doubted)
            && now.saturating_duration_since(times.heard) < session
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_the_session_and_by_doubt_and_begins_anew_with_a_word_of_the_group() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let lease = Lease::new(Some(Duration::from_secs(10)), start);
        assert!(lease.holds(at(9)) && !lease.holds(at(10)));
        lease.heard(at(7));
        lease.heard(at(5));
        assert!(lease.holds(at(16)) && !lease.holds(at(17)));
        lease.doubt(at(8));
        assert!(!lease.holds(at(8)));
        lease.heard(at(8));
        assert!(!lease.holds(at(8)), "no later word of the group");
        lease.heard(at(9));
        assert!(lease.holds(at(18)) && !lease.holds(at(19)));
        let unknown = Lease::new(None, start);
        unknown.doubt(at(1));
        assert!(unknown.holds(at(1000)));
    }
}
