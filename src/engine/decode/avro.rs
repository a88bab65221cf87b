//! Avro values to events: our own schemas by the fast reader, other versions from the registry by
//! resolving them against ours.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{Name, RecordSchema};
use apache_avro::schema_compatibility::SchemaCompatibility;

use super::codec::{DatumFault, EVENT, cap_allocation, fingerprint};
use super::strict;
use super::wire::{Body, Envelope, Event, Metadata, SessionEvent};
use crate::model::verdict::{RejectReason, Rejection};

/// The schema a Confluent-framed record was written with, as the registry gave it.
#[derive(Debug)]
pub struct WriterSchema {
    /// `None`: it lays bytes out as ours does.
    other: Option<Box<Schema>>,
}

impl WriterSchema {
    /// Parses a registry's schema text. Errors if it is no version of our event record. The message says why,
    /// and never holds the text.
    pub fn parse(text: &str) -> Result<WriterSchema, String> {
        cap_allocation();
        let schema = Schema::parse_str(text).map_err(|_| "is no Avro schema".to_owned())?;
        if fingerprint(&schema) == EVENT.fingerprint {
            return Ok(WriterSchema { other: None });
        }
        if schema.name().map(Name::to_string) != EVENT.schema.name().map(Name::to_string) {
            return Err("is not the record rekindle.SessionEvent".to_owned());
        }
        if is_recursive(&schema, &mut Vec::new()) {
            return Err("is recursive".to_owned());
        }
        match SchemaCompatibility::can_read(&schema, EVENT.schema) {
            Ok(_) => Ok(WriterSchema { other: Some(Box::new(schema)) }),
            Err(_) => Err("cannot be read as rekindle.SessionEvent".to_owned()),
        }
    }

    /// Reads a datum written with this schema.
    pub(super) fn read(&self, body: &[u8]) -> Result<Event, Rejection> {
        match &self.other {
            None => read(body),
            Some(schema) => read_resolved(schema, body),
        }
    }
}

/// Reads a single-object encoded body. Only fingerprints of embedded schemas are known.
pub(super) fn read_fingerprinted(fingerprint: [u8; 8], body: &[u8]) -> Result<Event, Rejection> {
    if fingerprint == EVENT.fingerprint {
        read(body)
    } else {
        Err(Rejection::new(RejectReason::UnknownSchema, "the schema fingerprint is not known"))
    }
}

fn read(body: &[u8]) -> Result<Event, Rejection> {
    event(EVENT.read::<SessionEvent>(body).map_err(|fault| refusal(&fault))?)
}

/// The slow path: a tree of values, resolved against our schema. The Avro crate's serde reader cannot resolve.
fn read_resolved(writer: &Schema, body: &[u8]) -> Result<Event, Rejection> {
    let malformed = |_| Rejection::new(RejectReason::Malformed, "no datum of its schema");
    let reader = GenericDatumReader::builder(writer).reader_schema(EVENT.schema).build().map_err(malformed)?;
    let mut rest = body;
    let value = reader.read_value(&mut rest).map_err(malformed)?;
    if !rest.is_empty() {
        return Err(refusal(&DatumFault::Trailing(rest.len())));
    }
    event(apache_avro::from_value::<SessionEvent>(&value).map_err(malformed)?)
}

fn refusal(fault: &DatumFault) -> Rejection {
    let reason = match fault {
        DatumFault::Malformed(_) => RejectReason::Malformed,
        DatumFault::Trailing(_) => RejectReason::TrailingBytes,
    };
    Rejection::new(reason, fault.to_string())
}

/// Takes the body that `type` names, and brings metadata into the form that JSON gives.
fn event(mut record: SessionEvent) -> Result<Event, Rejection> {
    let set = record.bodies_set();
    let body = record.take_body();
    let mut body = match body {
        Err(()) => return Err(Rejection::new(RejectReason::UnknownType, "type: names no body of the contract")),
        Ok(Some(_)) if set > 1 => {
            return Err(Rejection::new(RejectReason::InvalidField, "type: more than one body is set"));
        }
        Ok(Some(body)) => body,
        Ok(None) if record.kind == "tick" && set == 0 => Body::Tick(Default::default()),
        Ok(None) => {
            return Err(Rejection::new(RejectReason::MissingField, format!("{}: the body is not set", record.kind)));
        }
    };
    if let Some(metadata) = metadata_of(&mut body) {
        compact(metadata)?;
    }
    let envelope = Envelope {
        event_id: record.event_id,
        tenant_id: record.tenant_id,
        session_id: record.session_id,
        user_id: record.user_id,
        occurred_at: record.occurred_at,
        producer: record.producer,
    };
    Ok(Event { envelope, body })
}

fn metadata_of(body: &mut Body) -> Option<&mut Metadata> {
    match body {
        Body::SessionStarted(b) => b.metadata.as_mut(),
        Body::SessionSnapshot(b) => b.metadata.as_mut(),
        Body::MetadataChanged(b) => Some(&mut b.metadata),
        _ => None,
    }
}

fn compact(metadata: &mut Metadata) -> Result<(), Rejection> {
    for text in metadata.0.values_mut() {
        match strict::parse(text.as_bytes()) {
            Ok(value) => *text = value.to_string(),
            Err(_) => return Err(Rejection::new(RejectReason::InvalidField, "metadata: a value is no JSON text")),
        }
    }
    Ok(())
}

/// Whether a named type holds itself: a short hostile datum could then nest without bound.
fn is_recursive(schema: &Schema, open: &mut Vec<Name>) -> bool {
    match schema {
        Schema::Ref { name } => open.contains(name),
        Schema::Array(array) => is_recursive(&array.items, open),
        Schema::Map(map) => is_recursive(&map.types, open),
        Schema::Union(union) => union.variants().iter().any(|variant| is_recursive(variant, open)),
        Schema::Record(RecordSchema { name, fields, .. }) => {
            open.push(name.clone());
            let found = fields.iter().any(|field| is_recursive(&field.schema, open));
            open.pop();
            found
        }
        _ => false,
    }
}
