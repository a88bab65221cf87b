//! The command line: arguments in, exit code out. What a command does is in `commands`.

mod commands;

#[global_allocator]
static ALLOCATOR: rekindle::allocator::Allocator = rekindle::allocator::Allocator;

fn main() -> std::process::ExitCode {
    commands::memory::keep_together();
    commands::main()
}
