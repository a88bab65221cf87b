//! The command line: arguments in, exit code out. What a command does is in `commands`.

mod commands;

/// Folding allocates and frees many small things of all sizes; the system's allocator spends a fifth of the
/// time on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    keep_c_memory_together();
    commands::main()
}

/// Kafka's client takes its memory from the C library, in some thirty threads that come and go with its connections.
/// The C library gives threads arenas of their own, up to eight a core, and each keeps what it once had: under faults a
/// process grew by 28 MiB in nine minutes, and with two arenas by one.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_c_memory_together() {
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        // SAFETY: sets a number of the C library's allocator, before there is another thread.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_c_memory_together() {}
