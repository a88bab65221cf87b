//! The command line: arguments in, exit code out. What a command does is in `commands`.

mod commands;

/// Folding allocates and frees many small things of all sizes; the system's allocator spends a fifth of the
/// time on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    commands::memory::keep_together();
    commands::main()
}
