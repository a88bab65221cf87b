//! `demo` from outside: it starts with nothing around it, says what it is, shows suggestions, and leaves at a
//! signal.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Ends the demo even where an assertion fails.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(args: &[&str]) -> (Demo, impl Iterator<Item = String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rekindle"))
        .args(["demo", "--listen", "127.0.0.1:0", "--log", "error"])
        .args(args)
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (Demo(child), lines)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_shows_suggestions_and_leaves_at_a_signal() {
    let (mut demo, mut lines) = start(&["--rate", "100"]);
    let mut greeting = String::new();
    let address = loop {
        let line = lines.next().expect("an address");
        greeting += &line;
        if let Some((_, rest)) = line.split_once("http://") {
            break rest.trim_end_matches('/').to_owned();
        }
    };
    assert!(greeting.contains("gives no guarantees"), "{greeting}");
    let suggested = lines.find(|l| l.contains("context_only") || l.contains("resume_in_place"));
    assert!(suggested.is_some(), "the feed ended without a suggestion");
    let page = get(&address, "/");
    assert!(page.starts_with("HTTP/1.0 200") || page.starts_with("HTTP/1.1 200"), "{page:.60}");
    assert!(get(&address, "/metrics").contains("rekindle_records_total{verdict=\"applied\"}"));
    let told = Command::new("kill").args(["-TERM", &demo.0.id().to_string()]).status().unwrap();
    assert!(told.success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(demo.0.wait().unwrap().code(), Some(0), "{rest:?}");
    assert!(rest.iter().any(|l| l.contains("suggestions")), "no summary: {rest:?}");
}
