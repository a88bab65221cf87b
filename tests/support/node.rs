//! One broker process that can be ended, and comes back with what it held.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::broker::{JVM, libraries};
use super::clients::eventually;
use super::watchdog;

/// A broker and its folder; killed when dropped, and what it held removed.
pub struct Node {
    folder: PathBuf,
    /// Of its virtual machine, beside those of any broker.
    flags: &'static str,
    process: Option<Child>,
}

impl Node {
    /// Makes its storage; `properties` are the broker's, but for where its log is. Starts nothing that stays.
    pub fn new(folder: &Path, flags: &'static str, properties: &str) -> Result<Node, String> {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let properties = format!("{properties}log.dirs={}/data\n", folder.display());
        std::fs::write(folder.join("server.properties"), properties).map_err(|e| e.to_string())?;
        let node = Node { folder: folder.to_owned(), flags, process: None };
        // A cluster id is 16 bytes in base64; any will do.
        let format = ["kafka.tools.StorageTool", "format", "-t", "cmVraW5kbGUtdGVzdC1pZA", "-c"];
        let formatted = node.java(&format)?.output().map_err(|e| format!("java: {e}"))?;
        if !formatted.status.success() {
            return Err(format!("formatting the broker's storage: {}", String::from_utf8_lossy(&formatted.stderr)));
        }
        Ok(node)
    }

    fn java(&self, arguments: &[&str]) -> Result<Command, String> {
        let mut java = self.class(arguments)?;
        java.arg(self.folder.join("server.properties"));
        Ok(java)
    }

    fn class(&self, arguments: &[&str]) -> Result<Command, String> {
        let mut java = Command::new("java");
        java.args(JVM.split(' ')).args(self.flags.split(' ')).args(["-cp", &format!("{}/*", libraries()?.display())]);
        java.args(arguments).stdin(Stdio::null());
        Ok(java)
    }

    /// Runs one of Kafka's own tools, and hands over what it says.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let mut java = self.class(&[&[class], arguments].concat()).expect("found before");
        let output = java.output().expect("java");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Starts it (again); when it answers is for its clients to find out.
    pub fn begin(&mut self) {
        // Of all its lives: what it did at the end of one tells what it does in the next.
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log"));
        let log = log.expect("a log");
        let errors = log.try_clone().expect("a handle");
        let mut java = self.java(&["kafka.Kafka"]).expect("found before");
        let child = java.stdout(log).stderr(errors).spawn().expect("java");
        watchdog::started(child.id());
        self.process = Some(child);
    }

    /// Its process, while it has one that was not waited for.
    pub fn process(&mut self) -> Option<&mut Child> {
        self.process.as_mut()
    }

    /// Its folder: `data` has the topics.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Ends it with a signal.
    pub fn end(&mut self, signal: &str) {
        self.signal(signal);
        self.until_ended();
    }

    /// Waits for its end.
    pub fn until_ended(&mut self) -> ExitStatus {
        let mut child = self.process.take().expect("it runs");
        let pid = child.id();
        let what = format!("the end of the broker in {}", self.folder.display());
        let end = eventually(&what, || child.try_wait().expect("a child's status"), Option::is_some);
        watchdog::reaped(pid);
        end.expect("just seen")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            // Both fail if it has ended already, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
            watchdog::reaped(child.id());
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
