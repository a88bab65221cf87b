//! Memory that the machine has at hand. The host of a virtual machine may take back what the machine does not use, and be
//! slow to hand it out again (0.4 GB/s was seen, where zeroing takes a tenth of that time): then a restore waits for the
//! host. A process that used as much a moment ago leaves memory that can be had at once, as on a machine of one's own.

use std::hint::black_box;
use std::process::Command;

/// First argument of the process that uses memory and ends.
pub const ROLE: &str = "use-memory";

/// Has another process use so many MiB, and waits for its end.
pub fn hand_out(mib: usize) {
    let this = std::env::current_exe().expect("this program");
    let status = Command::new(this).args([ROLE, &mib.to_string()]).status().expect("a process");
    assert!(status.success(), "memory to use");
}

/// Uses as many MiB as asked for.
pub fn touch(arguments: &[String]) {
    let mib: usize = arguments[0].parse().expect("MiB");
    let mut used: Vec<Vec<u8>> = (0..mib).map(|_| vec![1; 1 << 20]).collect();
    black_box(&mut used);
}
