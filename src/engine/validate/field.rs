//! Checks of single values, and the path by which a refusal names them.

use std::fmt;

use crate::model::ids::{InvalidId, Name};
use crate::model::time::{EventTime, Millis};
use crate::model::verdict::{RejectReason, Rejection};

/// A checked value or a refusal.
pub(super) type Checked<T> = Result<T, Rejection>;

/// Latest instant anything may name: the end of the year 9999.
const MAX_INSTANT: i64 = 253_402_300_799_999;
/// Idle timeouts, ms, inclusive.
const IDLE_TIMEOUT: std::ops::RangeInclusive<i64> = 1_000..=30 * 24 * 3_600_000;

/// Where a value stands in the event. Written out only when it is refused.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    parent: Option<&'p At<'p>>,
    name: &'static str,
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parent {
            Some(parent) if !parent.name.is_empty() => write!(f, "{parent}.{}", self.name),
            _ => f.write_str(self.name),
        }
    }
}

impl<'p> At<'p> {
    /// The body itself, where it is one of the shared records.
    pub(super) const BODY: At<'static> = At { parent: None, name: "" };

    /// A field of the event or its body.
    pub(super) fn field(name: &'static str) -> At<'static> {
        At { parent: None, name }
    }

    /// A field of this record.
    pub(super) fn to(&'p self, name: &'static str) -> At<'p> {
        At { parent: Some(self), name }
    }

    pub(super) fn invalid(&self, limit: impl fmt::Display) -> Rejection {
        Rejection::new(RejectReason::InvalidField, format!("{self}: {limit}"))
    }

    pub(super) fn missing(&self) -> Rejection {
        Rejection::new(RejectReason::MissingField, format!("{self}: is required"))
    }

    pub(super) fn too_early(&self) -> Rejection {
        Rejection::new(RejectReason::TooEarly, format!("{self}: lies more than 5 min ahead of the record's timestamp"))
    }

    pub(super) fn check<T>(&self, id: Result<T, InvalidId>) -> Checked<T> {
        id.map_err(|fault| self.invalid(fault))
    }

    pub(super) fn name(&self, text: &str) -> Checked<Name> {
        self.check(Name::new(text))
    }

    /// An optional field, checked where it is given.
    pub(super) fn optional<V, T>(
        &self,
        value: &Option<V>,
        check: impl FnOnce(&At<'_>, &V) -> Checked<T>,
    ) -> Checked<Option<T>> {
        value.as_ref().map(|value| check(self, value)).transpose()
    }

    pub(super) fn optional_name<S: AsRef<str>>(&self, text: &Option<S>) -> Checked<Option<Name>> {
        self.optional(text, |at, text| at.name(text.as_ref()))
    }

    pub(super) fn optional_count(&self, value: &Option<i64>) -> Checked<Option<u64>> {
        self.optional(value, |at, v| at.count(*v))
    }

    pub(super) fn optional_small(&self, value: &Option<i64>) -> Checked<Option<u32>> {
        self.optional(value, |at, v| at.small(*v))
    }

    pub(super) fn optional_span(&self, value: &Option<f64>) -> Checked<Option<f64>> {
        self.optional(value, |at, v| at.not_negative(*v))
    }

    /// A whole number from 0.
    pub(super) fn count(&self, value: i64) -> Checked<u64> {
        u64::try_from(value).map_err(|_| self.invalid("must not be negative"))
    }

    /// A whole number from 1.
    pub(super) fn positive(&self, value: i64) -> Checked<u64> {
        match self.count(value)? {
            0 => Err(self.invalid("must be at least 1")),
            value => Ok(value),
        }
    }

    /// A whole number from 0 that fits 32 bits.
    pub(super) fn small(&self, value: i64) -> Checked<u32> {
        u32::try_from(value).map_err(|_| self.invalid("must lie in 0..=4294967295"))
    }

    /// A whole number from 1 that fits 32 bits.
    pub(super) fn positive_small(&self, value: i64) -> Checked<u32> {
        match self.small(value)? {
            0 => Err(self.invalid("must be at least 1")),
            value => Ok(value),
        }
    }

    /// A finite number from 0.
    pub(super) fn not_negative(&self, value: f64) -> Checked<f64> {
        // Adding 0 makes one zero of the two.
        if value.is_finite() && value >= 0.0 {
            Ok(value + 0.0)
        } else {
            Err(self.invalid("must be finite and at least 0"))
        }
    }

    /// A finite number above 0.
    pub(super) fn above_zero(&self, value: f64) -> Checked<f64> {
        if value.is_finite() && value > 0.0 { Ok(value) } else { Err(self.invalid("must be finite and above 0")) }
    }

    /// An instant from 1970 to 9999.
    pub(super) fn instant(&self, value: i64) -> Checked<EventTime> {
        match value {
            0..=MAX_INSTANT => Ok(EventTime(value)),
            _ => Err(self.invalid("must lie between the years 1970 and 9999")),
        }
    }

    /// An instant that already happened.
    pub(super) fn past(&self, value: i64, latest: EventTime) -> Checked<EventTime> {
        let instant = self.instant(value)?;
        if instant > latest { Err(self.too_early()) } else { Ok(instant) }
    }

    pub(super) fn idle_timeout(&self, value: i64) -> Checked<Millis> {
        match IDLE_TIMEOUT.contains(&value) {
            true => Ok(Millis(value)),
            false => Err(self.invalid("must lie between 1 s and 30 d, in ms")),
        }
    }

    /// A word of a closed list.
    pub(super) fn word<T: Copy>(
        &self,
        text: &str,
        parse: fn(&str) -> Option<T>,
        all: &[T],
        label: fn(T) -> &'static str,
    ) -> Checked<T> {
        parse(text).ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|word| label(*word)).collect();
            self.invalid(format_args!("must be one of {}", words.join(", ")))
        })
    }
}

/// Checks a word of one of the model's closed lists.
macro_rules! word {
    ($at:expr, $text:expr, $list:ty) => {
        $at.word($text, <$list>::parse, <$list>::ALL, <$list>::label)
    };
}
pub(super) use word;
