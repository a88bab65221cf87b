//! A plain axum handler, in a process of its own: what the machine's HTTP costs without us.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::any;

/// What the process is started with.
pub const ROLE: &str = "--plain-handler";

/// Answers everything with so many bytes, given as the second argument, as JSON.
pub fn run() {
    let size = std::env::args().nth(2).and_then(|text| text.parse().ok()).expect("a size");
    let body = Bytes::from(vec![b' '; size]);
    // The body of a request is read, as a handler of one would.
    let answer = move |_: Bytes| async move { ([(CONTENT_TYPE, "application/json")], body) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address").port());
        axum::serve(listener, Router::new().fallback(any(answer))).await.expect("it serves");
    });
}

/// The running process; killed when dropped.
pub struct Plain {
    child: Child,
    /// Where it answers.
    pub port: u16,
}

impl Plain {
    /// Starts it.
    pub fn start(size: usize) -> Plain {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([ROLE, &size.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the plain handler");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        Plain { port: line.trim().parse().expect("a port"), child }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // Both fail if it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
