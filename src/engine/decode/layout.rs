//! How data of a writer's schema lie in their bytes, and a walk over them before the Avro crate builds a tree of
//! values. That crate allocates what a schema announces, takes the end of the bytes for nulls, and goes as deep as
//! types are named; a registry's schema is from outside. The walk
//! allocates nothing but a map's keys, which it lets stand once.

use std::collections::{HashMap, HashSet};

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};

use crate::engine::positional::{DatumFault, Malformed, Reader};

/// Deepest nesting of a schema, names replaced by what they stand for.
const MAX_DEPTH: usize = 64;
/// Most values in one datum. The largest record that says something of use holds half as many (an embedding that
/// fills it).
const MAX_VALUES: usize = 1 << 19;

/// A writer's schema without its names.
#[derive(Debug)]
pub(super) struct Layout {
    shapes: Vec<Shape>,
}

/// A place in [`Layout`].
type Place = usize;

#[derive(Debug)]
enum Shape {
    Nothing,
    Boolean,
    Int,
    Long,
    Bytes,
    Text,
    /// So many bytes.
    Fixed(usize),
    /// One of so many symbols.
    Symbol(usize),
    Array(Place),
    Map(Place),
    Union(Vec<Place>),
    Record(Vec<Place>),
}

/// Why a datum is not read.
#[derive(Debug)]
pub(super) enum WalkFault {
    /// It is none of its schema, or has bytes after it.
    Datum(DatumFault),
    /// It holds more than [`MAX_VALUES`].
    TooMany,
}

impl Layout {
    /// Errors if the schema holds itself or is nested too deeply. The message holds nothing of it.
    pub fn of(schema: &Schema) -> Result<Layout, String> {
        let mut builder = Builder { shapes: Vec::new(), depths: Vec::new(), named: HashMap::new() };
        builder.place(schema)?;
        Ok(Layout { shapes: builder.shapes })
    }

    /// Goes through one datum to its end.
    pub fn walk(&self, bytes: &[u8]) -> Result<(), WalkFault> {
        let mut left = MAX_VALUES;
        // The outermost schema was placed last.
        let walked = Reader::whole(bytes, |reader| self.value(self.shapes.len() - 1, reader, &mut left));
        match walked {
            Err(_) if left == 0 => Err(WalkFault::TooMany),
            other => other.map_err(WalkFault::Datum),
        }
    }

    fn value<'b>(&self, place: Place, reader: &mut Reader<'b>, left: &mut usize) -> Result<(), Malformed> {
        *left = left.checked_sub(1).filter(|left| *left > 0).ok_or_else(|| {
            *left = 0;
            Malformed
        })?;
        match &self.shapes[place] {
            Shape::Nothing => Ok(()),
            Shape::Boolean => reader.boolean().map(drop),
            Shape::Int => i32::try_from(reader.long()?).map(drop).map_err(|_| Malformed),
            Shape::Long => reader.long().map(drop),
            Shape::Bytes => reader.counted().map(drop),
            Shape::Text => reader.text().map(drop),
            Shape::Fixed(len) => reader.take(*len).map(drop),
            Shape::Symbol(count) => chosen(reader, *count).map(drop),
            Shape::Union(variants) => self.value(variants[chosen(reader, variants.len())?], reader, left),
            Shape::Record(fields) => fields.iter().try_for_each(|field| self.value(*field, reader, left)),
            Shape::Array(items) => self.blocks(reader, |reader| self.value(*items, reader, left)),
            Shape::Map(values) => {
                // The Avro crate would take the last of a key's values.
                let mut keys = HashSet::new();
                self.blocks(reader, |reader| match keys.insert(reader.text()?) {
                    true => self.value(*values, reader, left),
                    false => Err(Malformed),
                })
            }
        }
    }

    fn blocks<'b>(
        &self,
        reader: &mut Reader<'b>,
        mut item: impl FnMut(&mut Reader<'b>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        loop {
            let count = reader.block()?;
            if count == 0 {
                return Ok(());
            }
            // Items may take no bytes; the values left end this.
            (0..count).try_for_each(|_| item(reader))?;
        }
    }
}

fn chosen(reader: &mut Reader<'_>, count: usize) -> Result<usize, Malformed> {
    usize::try_from(reader.long()?).ok().filter(|index| *index < count).ok_or(Malformed)
}

struct Builder {
    shapes: Vec<Shape>,
    /// Of each shape, how deep it is.
    depths: Vec<usize>,
    /// `None`: the type is not whole yet.
    named: HashMap<Name, Option<Place>>,
}

impl Builder {
    fn place(&mut self, schema: &Schema) -> Result<Place, String> {
        let shape = match schema {
            Schema::Ref { name } => {
                return match self.named.get(name) {
                    Some(Some(place)) => Ok(*place),
                    Some(None) => Err("is recursive".to_owned()),
                    None => Err("names a type it does not hold".to_owned()),
                };
            }
            Schema::Record(record) => {
                self.named.insert(record.name.clone(), None);
                let fields = record.fields.iter().map(|field| self.place(&field.schema));
                let shape = Shape::Record(fields.collect::<Result<_, _>>()?);
                return self.push(Some(&record.name), shape);
            }
            Schema::Enum(symbols) => return self.push(Some(&symbols.name), Shape::Symbol(symbols.symbols.len())),
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                return self.push(Some(&fixed.name), Shape::Fixed(fixed.size));
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Fixed(fixed) => return self.push(Some(&fixed.name), Shape::Fixed(fixed.size)),
                InnerDecimalSchema::Bytes => Shape::Bytes,
            },
            Schema::Array(array) => Shape::Array(self.place(&array.items)?),
            Schema::Map(map) => Shape::Map(self.place(&map.types)?),
            Schema::Union(union) => {
                let variants = union.variants().iter().map(|variant| self.place(variant));
                Shape::Union(variants.collect::<Result<_, _>>()?)
            }
            Schema::Null => Shape::Nothing,
            Schema::Boolean => Shape::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Shape::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Shape::Long,
            Schema::Float => Shape::Fixed(size_of::<f32>()),
            Schema::Double => Shape::Fixed(size_of::<f64>()),
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Shape::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Shape::Text,
        };
        self.push(None, shape)
    }

    fn push(&mut self, name: Option<&Name>, shape: Shape) -> Result<Place, String> {
        let below = match &shape {
            Shape::Array(place) | Shape::Map(place) => self.depths[*place],
            Shape::Union(places) | Shape::Record(places) => {
                places.iter().map(|place| self.depths[*place]).max().unwrap_or(0)
            }
            _ => 0,
        };
        if below >= MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH}"));
        }
        let place = self.shapes.len();
        self.shapes.push(shape);
        self.depths.push(below + 1);
        if let Some(name) = name {
            self.named.insert(name.clone(), Some(place));
        }
        Ok(place)
    }
}
