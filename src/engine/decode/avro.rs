//! Avro values to events: our own schemas by the fast reader, other versions from the registry by
//! resolving them against ours.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::Name;
use apache_avro::schema_compatibility::SchemaCompatibility;

use super::codec::{DatumFault, EVENT, cap_allocation, fingerprint};
use super::layout::{Layout, WalkFault};
use super::strict;
use super::wire::{Body, Event, Metadata, SessionEvent, Unpacked};
use crate::engine::positional;
use crate::model::verdict::{RejectReason, Rejection};

/// The schema a Confluent-framed record was written with, as the registry gave it.
#[derive(Debug)]
pub struct WriterSchema {
    /// `None`: it lays bytes out as ours does.
    other: Option<Box<Other>>,
}

/// A schema whose records have to be resolved.
#[derive(Debug)]
struct Other {
    schema: Schema,
    layout: Layout,
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
        let layout = Layout::of(&schema)?;
        match SchemaCompatibility::can_read(&schema, EVENT.schema) {
            Ok(_) => Ok(WriterSchema { other: Some(Box::new(Other { schema, layout })) }),
            Err(_) => Err("cannot be read as rekindle.SessionEvent".to_owned()),
        }
    }

    /// Reads a datum written with this schema.
    pub(super) fn read<'a>(&self, body: &'a [u8]) -> Result<Event<'a>, Rejection> {
        match &self.other {
            None => read(body),
            Some(other) => read_resolved(other, body),
        }
    }
}

/// Reads a single-object encoded body. Only fingerprints of embedded schemas are known.
pub(super) fn read_fingerprinted(fingerprint: [u8; 8], body: &[u8]) -> Result<Event<'_>, Rejection> {
    if fingerprint == EVENT.fingerprint {
        read(body)
    } else {
        Err(Rejection::new(RejectReason::UnknownSchema, "the schema fingerprint is not known"))
    }
}

fn read(body: &[u8]) -> Result<Event<'_>, Rejection> {
    let record = positional::read_record(body).map_err(|fault| match fault {
        DatumFault::Malformed(byte) => {
            let field = EVENT.stopped_at::<SessionEvent<'static>>(body);
            refusal(&DatumFault::Malformed(field.unwrap_or(byte)))
        }
        trailing => refusal(&trailing),
    })?;
    event(record)
}

/// The slow path: a tree of values, resolved against our schema. The Avro crate's serde reader cannot resolve.
fn read_resolved(writer: &Other, body: &[u8]) -> Result<Event<'static>, Rejection> {
    writer.layout.walk(body).map_err(|fault| match fault {
        WalkFault::Datum(fault) => refusal(&fault),
        WalkFault::TooMany => Rejection::new(RejectReason::Malformed, "the datum holds more than 524288 values"),
    })?;
    let malformed = |_| Rejection::new(RejectReason::Malformed, "no datum of its schema");
    let reader = GenericDatumReader::builder(&writer.schema).reader_schema(EVENT.schema).build().map_err(malformed)?;
    let mut rest = body;
    let value = reader.read_value(&mut rest).map_err(malformed)?;
    if !rest.is_empty() {
        return Err(refusal(&DatumFault::Trailing(rest.len())));
    }
    event(apache_avro::from_value::<SessionEvent<'static>>(&value).map_err(malformed)?.into())
}

fn refusal(fault: &DatumFault) -> Rejection {
    let reason = match fault {
        DatumFault::Malformed(_) => RejectReason::Malformed,
        DatumFault::Trailing(_) => RejectReason::TrailingBytes,
    };
    Rejection::new(reason, fault.to_string())
}

/// Takes the body that `type` names, and brings metadata into the form that JSON gives.
fn event(record: Unpacked<'_>) -> Result<Event<'_>, Rejection> {
    let Unpacked { envelope, kind, bodies, body } = record;
    let mut body = match body {
        Some(_) if bodies > 1 => {
            return Err(Rejection::new(RejectReason::InvalidField, "type: more than one body is set"));
        }
        Some(body) => body,
        None if kind == "tick" && bodies == 0 => Body::Tick(Default::default()),
        None if Body::LABELS.contains(&&*kind) => {
            return Err(Rejection::new(RejectReason::MissingField, format!("{kind}: the body is not set")));
        }
        None => return Err(Rejection::new(RejectReason::UnknownType, "type: names no body of the contract")),
    };
    if let Some(metadata) = metadata_of(&mut body) {
        compact(metadata)?;
    }
    Ok(Event { envelope, body })
}

fn metadata_of<'b, 'a>(body: &'b mut Body<'a>) -> Option<&'b mut Metadata<'a>> {
    match body {
        Body::SessionStarted(b) => b.metadata.as_mut(),
        Body::SessionSnapshot(b) => b.metadata.as_mut(),
        Body::MetadataChanged(b) => Some(&mut b.metadata),
        _ => None,
    }
}

fn compact(metadata: &mut Metadata<'_>) -> Result<(), Rejection> {
    for text in metadata.0.values_mut() {
        match strict::parse(text.as_bytes()) {
            Ok(value) => *text = value.to_string().into(),
            Err(_) => return Err(Rejection::new(RejectReason::InvalidField, "metadata: a value is no JSON text")),
        }
    }
    Ok(())
}
