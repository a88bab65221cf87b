//! Why a parsed JSON value is no event: the field's path and what it should be, never what it is.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use crate::model::verdict::{RejectReason, Rejection};

/// A field that is absent or of the wrong shape.
#[derive(Debug)]
pub(super) struct Fault {
    path: String,
    kind: FaultKind,
}

#[derive(Debug)]
enum FaultKind {
    Missing,
    Invalid(String),
}

impl Fault {
    fn invalid(message: impl fmt::Display) -> Fault {
        Fault { path: String::new(), kind: FaultKind::Invalid(message.to_string()) }
    }

    /// The same fault, seen from the object or array around it.
    pub(super) fn within(mut self, step: &str) -> Fault {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Rejection {
        let Fault { path, kind } = fault;
        match kind {
            FaultKind::Missing => Rejection::new(RejectReason::MissingField, format!("{path}: is required")),
            FaultKind::Invalid(message) => Rejection::new(RejectReason::InvalidField, format!("{path}: {message}")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Fault {
        Fault::invalid(message)
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Fault {
        Fault::invalid(format_args!("must be {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Fault {
        Fault::invalid(format_args!("must be {expected}"))
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Fault {
        Fault::invalid("is not a word of the contract")
    }

    fn missing_field(field: &'static str) -> Fault {
        Fault { path: field.to_owned(), kind: FaultKind::Missing }
    }
}
