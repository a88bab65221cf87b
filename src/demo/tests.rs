//! The whole demo on a free port: events go in, suggestions come out, and it leaves when told.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};

use super::*;

/// A terminal that tells where the page is and asks to stop after so many lines of suggestions.
struct Terminal {
    text: String,
    wanted: usize,
    stop: Option<Sender<()>>,
    page: Option<String>,
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let suggestions = self.text.lines().filter(|l| l.contains("score") || l.contains('/')).count();
        if suggestions > self.wanted
            && self.stop.is_some()
            && let Some(address) = self.text.split("http://").nth(1).and_then(|t| t.split('/').next())
        {
            self.page = Some(get(address, "/v1/status"));
            self.stop = None;
        }
        Ok(())
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the page is served");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("an answer");
    reply
}

#[test]
fn the_demo_suggests_within_seconds_and_says_what_it_is_not() {
    let (stop, stopped) = channel();
    let mut terminal = Terminal { text: String::new(), wanted: 12, stop: Some(stop), page: None };
    let options = DemoOptions {
        events_per_second: 60.0,
        listen: ([127, 0, 0, 1], 0).into(),
        // Only so that a demo that suggests nothing ends too.
        duration: Some(Duration::from_secs(60)),
        ..DemoOptions::default()
    };
    run(&options, &stopped, &mut terminal).expect("a demo");
    let status = terminal.page.unwrap_or_else(|| panic!("no suggestion came:\n{}", terminal.text));
    assert!(status.contains("\"mode\":\"demo\"") && status.contains("\"ready\":true"), "{status}");
    assert!(terminal.text.contains("no guarantees"), "{}", terminal.text);
    assert!(terminal.text.contains(" 0 rejected"), "{}", terminal.text);
}

#[test]
fn a_rate_beyond_what_the_broker_bears_is_refused() {
    let (_stop, stopped) = channel();
    for events_per_second in [0.0, -1.0, f64::NAN, 1e9] {
        let options = DemoOptions { events_per_second, ..DemoOptions::default() };
        assert!(matches!(run(&options, &stopped, &mut io::sink()), Err(DemoError::Rate)), "{events_per_second}");
    }
}
