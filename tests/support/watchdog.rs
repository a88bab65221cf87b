//! Ends what this process started when this process is gone, however it went: a shell that holds the list of
//! processes and waits for the end of its standard input.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};

/// Ignores the signals that a terminal sends to all, so that it outlives this process.
const SCRIPT: &str = "trap '' INT TERM HUP
while read -r word what; do
  case $word in
    process) alive=\"$alive $what\" ;;
    reaped) rest=; for p in $alive; do [ \"$p\" = \"$what\" ] || rest=\"$rest $p\"; done; alive=$rest ;;
    folder) folder=$what ;;
  esac
done
[ -z \"$alive\" ] || kill -9 $alive 2>/dev/null
[ -z \"$folder\" ] || { sleep 1; rm -rf \"$folder\"; }";

static SHELL: LazyLock<Mutex<Child>> = LazyLock::new(|| {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null());
    Mutex::new(shell.spawn().expect("sh"))
});

fn tell(word: &str, what: &str) {
    let mut shell = SHELL.lock().unwrap_or_else(|e| e.into_inner());
    let input = shell.stdin.as_mut().expect("piped");
    writeln!(input, "{word} {what}").expect("the watchdog listens");
}

/// A process to end.
pub fn started(pid: u32) {
    tell("process", &pid.to_string());
}

/// It is about to be waited for: its number may be another's soon.
pub fn reaped(pid: u32) {
    tell("reaped", &pid.to_string());
}

/// A folder to remove at the end.
pub fn folder(path: &std::path::Path) {
    tell("folder", &path.display().to_string());
}
