//! The stored form of a session: postcard of plain rows, read back exactly or refused with the field's name.
//! Nothing unreadable ever becomes a default.

use std::borrow::Cow;
use std::cell::Cell;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Number, Value};

use super::error::FieldFault;
use super::kv_row::{AdapterRow, KvRow, adapter, adapter_row, kv_copy, kv_row, text, word};
use super::log::MAX_PAYLOAD_BYTES;
use super::state::{MAX_METADATA_DEPTH, SessionState};
use crate::model::event::TransferScope;
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::session::Status;
use crate::model::time::EventTime;

/// One record, decoded.
#[derive(Debug, PartialEq)]
pub enum Entry {
    /// A session was stored.
    Stored(Box<SessionState>),
    /// A session was deleted.
    Deleted(TenantId, SessionId),
}

#[derive(Serialize, Deserialize)]
enum Row<'a> {
    #[serde(borrow)]
    Stored(Box<StateRow<'a>>),
    Deleted {
        tenant: &'a str,
        session: &'a str,
    },
}

#[derive(Serialize, Deserialize)]
struct StateRow<'a> {
    tenant: &'a str,
    session: &'a str,
    user: Option<&'a str>,
    embedding: Option<Cow<'a, [f32]>>,
    #[serde(borrow)]
    kv: Option<KvRow<'a>>,
    adapter: Option<AdapterRow<'a>>,
    turn_count: u32,
    last_active: i64,
    status: &'a str,
    scope: &'a str,
    #[serde(borrow)]
    metadata: Vec<(&'a str, JsonRow<'a>)>,
}

/// JSON without its text form, so that numbers come back bit for bit.
#[derive(Serialize, Deserialize)]
enum JsonRow<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    #[serde(borrow, deserialize_with = "deeper")]
    List(Vec<JsonRow<'a>>),
    #[serde(borrow, deserialize_with = "deeper")]
    Object(Vec<(&'a str, JsonRow<'a>)>),
}

thread_local! {
    /// Lists and objects around what is being read.
    static AROUND: Cell<usize> = const { Cell::new(0) };
}

/// Reads what a list or an object holds. Two bytes a level would otherwise take a record of a few kilobytes
/// through the end of the stack, which nothing can catch.
fn deeper<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let around = AROUND.get();
    if around >= MAX_METADATA_DEPTH {
        return Err(D::Error::custom("metadata is nested too deeply"));
    }
    AROUND.set(around + 1);
    let read = T::deserialize(deserializer);
    AROUND.set(around);
    read
}

/// The bytes of a stored session.
pub fn encode_stored(state: &SessionState) -> Result<Vec<u8>, FieldFault> {
    let metadata = state.metadata.iter().map(|(key, value)| Ok((key.as_str(), json_row(value)?)));
    let row = StateRow {
        tenant: state.tenant_id.as_str(),
        session: state.session_id.as_str(),
        user: state.user_id.as_ref().map(UserId::as_str),
        embedding: state.context_embedding.as_deref().map(Cow::Borrowed),
        kv: state.kv_cache_ref.as_ref().map(kv_row),
        adapter: state.active_adapter.as_ref().map(adapter_row),
        turn_count: state.turn_count,
        last_active: state.last_active.0,
        status: state.status.label(),
        scope: state.transfer_scope.label(),
        metadata: metadata.collect::<Result<_, FieldFault>>()?,
    };
    bytes(&Row::Stored(Box::new(row)))
}

/// The bytes of a deletion.
pub fn encode_deleted(tenant: &TenantId, session: &SessionId) -> Result<Vec<u8>, FieldFault> {
    bytes(&Row::Deleted { tenant: tenant.as_str(), session: session.as_str() })
}

/// Reads back what the two functions above wrote. Errors name the field.
pub fn decode(bytes: &[u8]) -> Result<Entry, FieldFault> {
    let (row, rest) = postcard::take_from_bytes(bytes).map_err(|e| FieldFault::new("record", e))?;
    if !rest.is_empty() {
        return Err(FieldFault::new("record", "has bytes after its end"));
    }
    match row {
        Row::Stored(row) => Ok(Entry::Stored(Box::new(state(*row)?))),
        Row::Deleted { tenant, session } => {
            Ok(Entry::Deleted(text("tenant_id", tenant, TenantId::new)?, text("session_id", session, SessionId::new)?))
        }
    }
}

fn bytes(row: &Row<'_>) -> Result<Vec<u8>, FieldFault> {
    let bytes = postcard::to_stdvec(row).map_err(|e| FieldFault::new("state", e))?;
    if bytes.len() > MAX_PAYLOAD_BYTES {
        return Err(FieldFault::new("state", format!("takes more than {MAX_PAYLOAD_BYTES} bytes")));
    }
    Ok(bytes)
}

fn state(row: StateRow<'_>) -> Result<SessionState, FieldFault> {
    let metadata = row.metadata.into_iter().map(|(key, value)| Ok((key.to_owned(), json(value)?)));
    Ok(SessionState {
        tenant_id: text("tenant_id", row.tenant, TenantId::new)?,
        session_id: text("session_id", row.session, SessionId::new)?,
        user_id: row.user.map(|user| text("user_id", user, UserId::new)).transpose()?,
        context_embedding: row.embedding.map(Cow::into_owned),
        kv_cache_ref: row.kv.map(kv_copy).transpose()?,
        active_adapter: row.adapter.map(|a| adapter("active_adapter", a)).transpose()?,
        turn_count: row.turn_count,
        last_active: EventTime(row.last_active),
        status: word("status", row.status, Status::parse)?,
        transfer_scope: word("transfer_scope", row.scope, TransferScope::parse)?,
        metadata: metadata.collect::<Result<_, FieldFault>>()?,
    })
}

fn json_row(value: &Value) -> Result<JsonRow<'_>, FieldFault> {
    Ok(match value {
        Value::Null => JsonRow::Null,
        Value::Bool(b) => JsonRow::Bool(*b),
        Value::Number(n) => match (n.as_u64(), n.as_i64(), n.as_f64()) {
            (Some(n), ..) => JsonRow::Unsigned(n),
            (_, Some(n), _) => JsonRow::Signed(n),
            (.., Some(n)) => JsonRow::Float(n),
            _ => return Err(FieldFault::new("metadata", "a number is out of range")),
        },
        Value::String(s) => JsonRow::Text(s),
        Value::Array(items) => JsonRow::List(items.iter().map(json_row).collect::<Result<_, _>>()?),
        Value::Object(fields) => {
            let rows = fields.iter().map(|(key, value)| Ok((key.as_str(), json_row(value)?)));
            JsonRow::Object(rows.collect::<Result<_, FieldFault>>()?)
        }
    })
}

fn json(row: JsonRow<'_>) -> Result<Value, FieldFault> {
    Ok(match row {
        JsonRow::Null => Value::Null,
        JsonRow::Bool(b) => Value::Bool(b),
        JsonRow::Unsigned(n) => Value::from(n),
        JsonRow::Signed(n) => Value::from(n),
        JsonRow::Float(n) => {
            Value::Number(Number::from_f64(n).ok_or_else(|| FieldFault::new("metadata", "a number is not finite"))?)
        }
        JsonRow::Text(s) => Value::from(s),
        JsonRow::List(items) => Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        JsonRow::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| Ok((key.to_owned(), json(value)?)));
            Value::Object(fields.collect::<Result<Map<_, _>, FieldFault>>()?)
        }
    })
}
