//! A double of a schema registry: the two calls of the Confluent API that the service makes, over real HTTP.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// A registry that can be made silent.
pub struct RegistryDouble {
    pub url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    schemas: Mutex<BTreeMap<u32, String>>,
    subjects: Mutex<Vec<(String, u32)>>,
    down: AtomicBool,
    requests: AtomicU32,
    stopped: AtomicBool,
}

impl RegistryDouble {
    pub fn start() -> RegistryDouble {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A client that goes away ends its connection's thread.
                std::thread::spawn(move || serve(&shared, connection));
            }
        });
        RegistryDouble { url, state }
    }

    /// Adds a schema under an id.
    pub fn put(&self, id: u32, schema: &str) {
        self.state.schemas.lock().unwrap().insert(id, schema.to_owned());
    }

    /// Answers with status 503 from now on, or normally again.
    pub fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::Relaxed);
    }

    /// Requests so far.
    pub fn requests(&self) -> u32 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// What was registered, in order.
    pub fn subjects(&self) -> Vec<(String, u32)> {
        self.state.subjects.lock().unwrap().clone()
    }
}

impl Drop for RegistryDouble {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

fn serve(state: &State, connection: TcpStream) {
    let Ok(mut writer) = connection.try_clone() else { return };
    let mut reader = BufReader::new(connection);
    while let Some((line, body)) = request(&mut reader) {
        state.requests.fetch_add(1, Ordering::Relaxed);
        let (status, answer) = answer(state, &line, &body);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n\
             Content-Length: {}\r\n\r\n",
            answer.len()
        );
        if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(answer.as_bytes())).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|n| *n > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(n) = line.strip_prefix("content-length:") {
            length = n.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, body))
}

fn answer(state: &State, line: &str, body: &[u8]) -> (&'static str, String) {
    if state.down.load(Ordering::Relaxed) {
        return ("503 Service Unavailable", "down".to_owned());
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method == "GET"
        && let Some(id) = path.strip_prefix("/schemas/ids/").and_then(|id| id.parse::<u32>().ok())
    {
        return match state.schemas.lock().unwrap().get(&id) {
            Some(schema) => ("200 OK", serde_json::json!({ "schema": schema }).to_string()),
            None => ("404 Not Found", r#"{"error_code":40403,"message":"Schema not found"}"#.to_owned()),
        };
    }
    if method == "POST"
        && let Some(subject) = path.strip_prefix("/subjects/").and_then(|rest| rest.strip_suffix("/versions"))
        && let Ok(posted) = serde_json::from_slice::<serde_json::Value>(body)
        && let Some(schema) = posted["schema"].as_str()
    {
        let mut schemas = state.schemas.lock().unwrap();
        let known = schemas.iter().find(|(_, text)| *text == schema).map(|(id, _)| *id);
        let id = known.unwrap_or_else(|| schemas.keys().max().map_or(1, |newest| newest + 1));
        schemas.insert(id, schema.to_owned());
        state.subjects.lock().unwrap().push((subject.to_owned(), id));
        return ("200 OK", serde_json::json!({ "id": id }).to_string());
    }
    // What a proxy, or a wrong path, would say.
    ("404 Not Found", "<html>nothing here</html>".to_owned())
}
