//! What a worker says before its clients are closed: that can take for ever, and the process is to end.

use std::sync::mpsc;

use super::service::ServiceFault;

/// How a worker ended, by its number.
pub(super) type End = (usize, Result<(), ServiceFault>);

/// Tells of a fault, a panic too, when it is dropped: before the clients are.
pub(super) struct LastWords<'s> {
    /// Whose they are.
    pub number: usize,
    /// Who hears them.
    pub ended: &'s mpsc::Sender<End>,
}

impl LastWords<'_> {
    /// Tells of a fault.
    pub fn of(&self, fault: &ServiceFault) {
        // Nobody listens any more if the service was dropped.
        let _ = self.ended.send((self.number, Err(fault.clone())));
    }
}

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.of(&ServiceFault::Panicked(self.number));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A client that cannot be closed.
    struct Stuck(mpsc::Receiver<()>);

    impl Drop for Stuck {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[test]
    fn a_panic_is_told_of_although_the_client_cannot_be_closed() {
        let (ended, end) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let _client = Stuck(released);
            let _last_words = LastWords { number: 3, ended: &ended };
            panic!("on purpose");
        });
        assert_eq!(end.recv_timeout(Duration::from_secs(10)), Ok((3, Err(ServiceFault::Panicked(3)))));
        drop(release);
        assert!(thread.join().is_err());
    }
}
