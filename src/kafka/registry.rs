//! The schema registry, Confluent API: schema ids of the input to schemas, and our own schemas to ids.
//! Blocking; the address comes from the configuration only, and redirects are not followed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use ureq::tls::{TlsConfig, TlsProvider};

use crate::engine::WriterSchema;

/// Timeout of one request, everything included.
const REQUEST: Duration = Duration::from_secs(2);
/// After a failure no request is made for this long, so that one dead registry does not hold up every record.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long an absent id is believed absent; it may be registered later.
const ABSENT_FOR: Duration = Duration::from_secs(10);
/// Largest answer read.
const MAX_ANSWER: u64 = 4 << 20;
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A version of the event schema.
#[derive(Debug)]
pub struct KnownSchema {
    /// What reads records written with it.
    pub writer: WriterSchema,
    /// Its text.
    pub text: Arc<str>,
}

impl KnownSchema {
    /// Parses a schema's text. Errors if it is no version of the event schema.
    pub fn parse(text: &str) -> Result<KnownSchema, String> {
        Ok(KnownSchema { writer: WriterSchema::parse(text)?, text: text.into() })
    }
}

/// What an id stands for.
#[derive(Debug, Clone)]
pub enum Resolution {
    /// A version of the event schema.
    Known(Arc<KnownSchema>),
    /// The registry says that it has no such id, or it is no version of the event schema.
    Absent,
    /// No answer that can be relied on; ask again later.
    Unavailable(String),
}

/// The registry could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schema registry: {0}")]
pub struct RegistryFault(String);

#[derive(Default)]
struct Known {
    schemas: HashMap<u32, Arc<KnownSchema>>,
    foreign: HashMap<u32, ()>,
    absent: HashMap<u32, Instant>,
    silent_until: Option<(Instant, String)>,
}

/// A client of one registry, with what it learned.
pub struct Registry {
    agent: ureq::Agent,
    base: String,
    known: Mutex<Known>,
}

#[derive(Deserialize)]
struct SchemaAnswer {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
}

#[derive(Deserialize)]
struct IdAnswer {
    id: u32,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error_code: u32,
}

impl Registry {
    /// A client for `base`, the registry's URL.
    pub fn new(base: &str) -> Registry {
        // The client's own default is a TLS library that is not built in.
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(REQUEST))
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .into();
        Registry { agent, base: base.trim_end_matches('/').to_owned(), known: Mutex::default() }
    }

    /// The schema that `id` stands for. Asks at most once, within two seconds.
    pub fn resolve(&self, id: u32) -> Resolution {
        if let Some(known) = self.lookup(id) {
            return known;
        }
        let answer = self.fetch(id);
        let mut known = self.known();
        match answer {
            Ok(Some(text)) => match KnownSchema::parse(&text) {
                Ok(schema) => {
                    let schema = Arc::new(schema);
                    known.schemas.insert(id, Arc::clone(&schema));
                    Resolution::Known(schema)
                }
                Err(fault) => {
                    // Not the text itself: the fault may quote a foreign schema at any length.
                    tracing::warn!(id, bytes = fault.len(), "schema id is no version of the event schema");
                    known.foreign.insert(id, ());
                    Resolution::Absent
                }
            },
            Ok(None) => {
                known.absent.insert(id, Instant::now() + ABSENT_FOR);
                Resolution::Absent
            }
            Err(RegistryFault(fault)) => {
                known.silent_until = Some((Instant::now() + PAUSE_AFTER_FAILURE, fault.clone()));
                Resolution::Unavailable(fault)
            }
        }
    }

    /// Registers an Avro schema under `subject` (again and again gives the same id).
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryFault> {
        let url = format!("{}/subjects/{subject}/versions", self.base);
        let body = json!({ "schema": schema, "schemaType": "AVRO" }).to_string();
        let sent = self.agent.post(&url).header("Content-Type", CONTENT_TYPE).send(body);
        let (status, text) = answer(sent)?;
        if status != 200 {
            return Err(RegistryFault(format!("registering {subject} was answered with status {status}")));
        }
        let answer: IdAnswer = serde_json::from_str(&text)
            .map_err(|_| RegistryFault(format!("registering {subject} was answered without an id")))?;
        Ok(answer.id)
    }

    fn lookup(&self, id: u32) -> Option<Resolution> {
        let known = self.known();
        let now = Instant::now();
        if let Some(schema) = known.schemas.get(&id) {
            return Some(Resolution::Known(Arc::clone(schema)));
        }
        if known.foreign.contains_key(&id) || known.absent.get(&id).is_some_and(|&until| now < until) {
            return Some(Resolution::Absent);
        }
        match &known.silent_until {
            Some((until, fault)) if now < *until => Some(Resolution::Unavailable(fault.clone())),
            _ => None,
        }
    }

    /// `None`: the registry knows that there is no such id.
    fn fetch(&self, id: u32) -> Result<Option<String>, RegistryFault> {
        let (status, text) = answer(self.agent.get(format!("{}/schemas/ids/{id}", self.base)).call())?;
        schema_of(id, status, &text)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// What a registry's answer of this status and text says of schema `id`: the text of its Avro schema, or `None` if
/// the registry has no such schema. Errors if it is no answer of a registry.
pub fn schema_of(id: u32, status: u16, text: &str) -> Result<Option<String>, RegistryFault> {
    match status {
        200 => {
            let found: SchemaAnswer = serde_json::from_str(text)
                .map_err(|_| RegistryFault(format!("schema id {id} was answered without a schema")))?;
            let avro = found.schema_type.is_none_or(|kind| kind == "AVRO");
            Ok(avro.then_some(found.schema))
        }
        // Only the registry's own 404: a proxy's or a wrong path's proves nothing.
        404 => match serde_json::from_str::<ErrorAnswer>(text) {
            Ok(error) if error.error_code / 100 == 404 || error.error_code == 404 => Ok(None),
            _ => Err(RegistryFault("status 404 that is not the registry's".to_owned())),
        },
        _ => Err(RegistryFault(format!("schema id {id} was answered with status {status}"))),
    }
}

type Sent = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn answer(sent: Sent) -> Result<(u16, String), RegistryFault> {
    let mut response = sent.map_err(|e| RegistryFault(e.to_string()))?;
    let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
    Ok((response.status().as_u16(), text.map_err(|e| RegistryFault(e.to_string()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_spoken_to_encrypted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("https://{}", listener.local_addr().expect("bound"));
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut first = [0];
            std::io::Read::read_exact(&mut stream, &mut first).expect("a byte");
            first[0]
        });
        assert!(matches!(Registry::new(&url).resolve(1), Resolution::Unavailable(_)));
        assert_eq!(heard.join().expect("no panic"), 22, "a handshake of TLS");
    }
}
