//! When the client of a group member is of no more use although nothing is wrong with its process: whether a new one
//! may join in its place, or another process uses the same id.

use std::time::{Duration, Instant};

use super::service::ServiceFault;
use crate::kafka::consumer::PollFault;

/// How long the session of an earlier life may take to end: 45 s are the brokers' default.
const RELEASE: Duration = Duration::from_secs(90);
/// An attempt is refused at once, and the next one follows soon: refused later than this, it is another crash.
const NEXT_REFUSAL: Duration = Duration::from_secs(30);
/// Being fenced so often within this time means that another process uses the same id: two of them fence each other
/// every few seconds. The loss of a group's coordinator can fence a member of its own self, and then again.
const FENCINGS: usize = 3;
/// See [`FENCINGS`].
const FENCING_WINDOW: Duration = Duration::from_secs(60);
/// Being refused again within this time means that it is not the client that is refused.
const REFUSAL_WINDOW: Duration = Duration::from_secs(2);
/// Pause between attempts to join.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a client is of no more use.
#[derive(Debug)]
pub(super) enum Gone {
    /// The group still counts an earlier life of the member.
    Unreleased(String),
    /// A client with the same id has joined: perhaps this one itself, whose request to join was late, sent again, and
    /// then answered twice.
    Fenced(String),
    /// The group takes no more requests of the client.
    Refused(String),
    /// It is to join anew: partitions have no owner.
    Asked,
}

impl Gone {
    /// What a fault says of the client; one that does not end it is given back.
    pub fn of(fault: PollFault) -> Result<Gone, PollFault> {
        match fault {
            PollFault::Unreleased(cause) => Ok(Gone::Unreleased(cause)),
            PollFault::Fenced(cause) => Ok(Gone::Fenced(cause)),
            PollFault::Refused(cause) => Ok(Gone::Refused(cause)),
            other => Err(other),
        }
    }
}

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct Rejoin {
    /// The first refusal of those that followed upon each other, and the last.
    unreleased: Option<(Instant, Instant)>,
    fenced: Vec<Instant>,
    refused: Option<Instant>,
}

impl Rejoin {
    /// Returns when a new client may try.
    pub fn after(&mut self, gone: Gone, member: &str) -> Result<(), ServiceFault> {
        let now = Instant::now();
        let (in_vain, cause) = match gone {
            Gone::Asked => (false, "partitions have no owner".to_owned()),
            Gone::Unreleased(cause) => {
                let held = self.unreleased.filter(|(_, last)| now.duration_since(*last) < NEXT_REFUSAL);
                let since = held.map_or(now, |(since, _)| since);
                self.unreleased = Some((since, now));
                (now.duration_since(since) >= RELEASE, cause)
            }
            Gone::Fenced(cause) => {
                self.unreleased = None;
                self.fenced.retain(|at| now.duration_since(*at) < FENCING_WINDOW);
                self.fenced.push(now);
                (self.fenced.len() >= FENCINGS, cause)
            }
            Gone::Refused(cause) => {
                let before = self.refused.replace(now);
                if before.is_some_and(|at| now.duration_since(at) < REFUSAL_WINDOW) {
                    return Err(ServiceFault::Consumer(cause));
                }
                (false, cause)
            }
        };
        if in_vain {
            return Err(ServiceFault::Fenced { id: format!("{member} (group member)"), cause });
        }
        tracing::warn!(member, cause, "joining the group with a new client");
        std::thread::sleep(PAUSE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_client_is_tried_once_where_one_was_refused() {
        let mut rejoin = Rejoin::default();
        assert_eq!(rejoin.after(Gone::Refused("left".to_owned()), "m"), Ok(()));
        let fault = rejoin.after(Gone::Refused("whoever asks".to_owned()), "m").unwrap_err();
        assert_eq!(fault, ServiceFault::Consumer("whoever asks".to_owned()));
    }

    #[test]
    fn fenced_once_or_twice_is_an_old_self_and_again_another_process() {
        let mut rejoin = Rejoin::default();
        assert_eq!(rejoin.after(Gone::Unreleased("held".to_owned()), "m"), Ok(()));
        assert_eq!(rejoin.after(Gone::Fenced("once".to_owned()), "m"), Ok(()));
        assert_eq!(rejoin.after(Gone::Fenced("by a late answer".to_owned()), "m"), Ok(()));
        let fault = rejoin.after(Gone::Fenced("again".to_owned()), "m").unwrap_err();
        assert_eq!(fault, ServiceFault::Fenced { id: "m (group member)".to_owned(), cause: "again".to_owned() });
    }
}
