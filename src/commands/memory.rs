//! The memory of the C library, where Kafka's client takes its own from. Without GNU's there is nothing to do.

use std::time::Duration;

/// How often what is free goes back to the system.
const EVERY: Duration = Duration::from_secs(30);

/// Kafka's client allocates in some thirty threads that come and go with its connections. The C library gives threads
/// arenas of their own, up to eight a core, and each keeps what it once had: under faults a process grew by 28 MiB in
/// nine minutes, and with two arenas by one. Call it before there is another thread.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_together() {
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        // SAFETY: sets a number of the C library's allocator.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
    }
}

/// Gives back what is free, again and again. After an outage a client fetches megabytes at a time, and what these leave
/// between smaller blocks stays: with this a process that had grown by 15 MiB at each large backlog shrinks again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back_now_and_then() {
    let give_back = || {
        loop {
            std::thread::sleep(EVERY);
            // SAFETY: locks the allocator's arenas one by one and tells the system of free pages.
            unsafe { libc::malloc_trim(0) };
        }
    };
    if let Err(error) = std::thread::Builder::new().name("give-back".to_owned()).spawn(give_back) {
        tracing::warn!(%error, "free memory is not given back");
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_together() {}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back_now_and_then() {
    let _ = EVERY;
}
