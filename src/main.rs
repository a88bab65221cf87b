//! The command line: arguments in, exit code out. What a command does is in `commands`.

mod commands;

fn main() -> std::process::ExitCode {
    commands::main()
}
