//! A client that keeps what came back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rekindle::http::HttpServer;
use serde_json::Value;

/// What came back.
pub struct Reply {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Reply {
    /// Sends these bytes and reads one answer.
    pub fn raw(server: &HttpServer, request: &str) -> Reply {
        let mut stream = TcpStream::connect(server.address()).expect("the server listens");
        // A server that refuses a body may close while it is being sent.
        let _ = stream.write_all(request.as_bytes());
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a read timeout");
        Reply::read(stream)
    }

    /// Reads one answer.
    pub fn read(stream: impl Read) -> Reply {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("a line of the head"), 0, "the answer ends early: {head}");
        }
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let mut body = vec![0; length.expect("answers say how long they are")];
        reader.read_exact(&mut body).expect("the whole body");
        let body = String::from_utf8(body).expect("answers are UTF-8");
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        Reply { status, head, body }
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned()).next()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// Asserts a problem of this status whose detail contains `detail`.
    pub fn is_problem(&self, status: u16, detail: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type").as_deref(), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().is_some_and(|d| d.contains(detail)), "{problem} does not say {detail}");
    }
}

pub fn get(server: &HttpServer, path: &str) -> Reply {
    Reply::raw(server, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
}

pub fn post(server: &HttpServer, path: &str, body: &str) -> Reply {
    post_with(server, path, "", body)
}

/// With more lines of the head, each ended.
pub fn post_with(server: &HttpServer, path: &str, lines: &str, body: &str) -> Reply {
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}", body.len());
    Reply::raw(server, &format!("{head}\r\n{lines}\r\n{body}"))
}
