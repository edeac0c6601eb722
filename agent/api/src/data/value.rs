//! Values of keys, values, headers and offsets.
//!
//! [`Value`] is at most 40 bytes and cheap to clone for text, bytes and structs, which are shared. Equality
//! is that of Java's `equals`: numbers of different types differ, NaN equals NaN.

use std::fmt;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use hashbrown::HashTable;

use crate::data::struct_::Struct;
use sluice_jvm_text::Decimal;
use sluice_jvm_text::text;

/// Any value that a schema can describe.
#[derive(Clone, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// `Byte`.
    Int8(i8),
    /// `Short`.
    Int16(i16),
    /// `Integer`.
    Int32(i32),
    /// `Long`.
    Int64(i64),
    /// `Float`.
    Float32(f32),
    /// `Double`.
    Float64(f64),
    /// `Boolean`.
    Boolean(bool),
    /// `String`.
    String(ByteString),
    /// `byte[]` or `ByteBuffer`.
    Bytes(Bytes),
    /// `List`.
    Array(Vec<Value>),
    /// `Map`.
    Map(MapValue),
    /// `Struct`.
    Struct(Arc<Struct>),
    /// `BigDecimal`.
    Decimal(Arc<Decimal>),
    /// `java.util.Date` of the logical types Date, Time and Timestamp: milliseconds since the epoch, UTC.
    Date(i64),
}

impl Value {
    /// Whether this is [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Text without copying if it is static.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self::String(ByteString::from_static(text))
    }

    /// Text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Any integer, widened.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int8(v) => Some((*v).into()),
            Self::Int16(v) => Some((*v).into()),
            Self::Int32(v) => Some((*v).into()),
            Self::Int64(v) => Some(*v),
            _ => None,
        }
    }

    /// Any number, as a double.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float32(v) => Some((*v).into()),
            Self::Float64(v) => Some(*v),
            #[expect(clippy::cast_precision_loss, reason = "as Java's Number.doubleValue")]
            other => other.as_i64().map(|v| v as f64),
        }
    }

    /// Boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(v) => Some(*v),
            _ => None,
        }
    }

    /// Struct.
    #[must_use]
    pub fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Struct(v) => Some(v),
            _ => None,
        }
    }

    /// Map.
    #[must_use]
    pub fn as_map(&self) -> Option<&MapValue> {
        match self {
            Self::Map(v) => Some(v),
            _ => None,
        }
    }

    /// Name of the Java class of this value, as error texts show it.
    #[must_use]
    pub fn java_class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Int8(_) => "java.lang.Byte",
            Self::Int16(_) => "java.lang.Short",
            Self::Int32(_) => "java.lang.Integer",
            Self::Int64(_) => "java.lang.Long",
            Self::Float32(_) => "java.lang.Float",
            Self::Float64(_) => "java.lang.Double",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::String(_) => "java.lang.String",
            Self::Bytes(_) => "[B",
            Self::Array(_) => "java.util.ArrayList",
            Self::Map(_) => "java.util.HashMap",
            Self::Struct(_) => "org.apache.kafka.connect.data.Struct",
            Self::Decimal(_) => "java.math.BigDecimal",
            Self::Date(_) => "java.util.Date",
        }
    }

    /// Whether source offsets and partitions may hold it: null or a primitive.
    #[must_use]
    pub fn is_offset_primitive(&self) -> bool {
        !matches!(
            self,
            Self::Array(_) | Self::Map(_) | Self::Struct(_) | Self::Decimal(_) | Self::Date(_)
        )
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Int8(a), Self::Int8(b)) => a == b,
            (Self::Int16(a), Self::Int16(b)) => a == b,
            (Self::Int32(a), Self::Int32(b)) => a == b,
            (Self::Int64(a), Self::Int64(b)) | (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Float32(a), Self::Float32(b)) => {
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
            (Self::Float64(a), Self::Float64(b)) => {
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Struct(a), Self::Struct(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Int8(v) => v.hash(state),
            Self::Int16(v) => v.hash(state),
            Self::Int32(v) => v.hash(state),
            Self::Int64(v) | Self::Date(v) => v.hash(state),
            Self::Float32(v) => (if v.is_nan() { f32::NAN } else { *v })
                .to_bits()
                .hash(state),
            Self::Float64(v) => (if v.is_nan() { f64::NAN } else { *v })
                .to_bits()
                .hash(state),
            Self::Boolean(v) => v.hash(state),
            Self::String(v) => v.hash(state),
            Self::Bytes(v) => v.hash(state),
            Self::Array(v) => v.hash(state),
            Self::Map(v) => whatever_order(v.iter()).hash(state),
            Self::Struct(v) => whatever_order(v.values().iter()).hash(state),
            Self::Decimal(v) => v.hash(state),
        }
    }
}

/// A hash of elements that is the same in any order, since maps and structs are equal whatever the order of
/// their entries. Their size alone would send all maps of one size, as keys of a map, into one place.
fn whatever_order<T: Hash>(elements: impl Iterator<Item = T>) -> u64 {
    elements.fold(0, |sum: u64, element| {
        let mut hasher = DefaultHasher::new();
        element.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

/// The text of Java's `toString`: `null`, `1.0E10`, `[a, b]`, `{k=v}`, `Struct{a=1}`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Int8(v) => v.fmt(f),
            Self::Int16(v) => v.fmt(f),
            Self::Int32(v) => v.fmt(f),
            Self::Int64(v) => v.fmt(f),
            Self::Float32(v) => f.write_str(text::FloatText::from_f32(*v).as_str()),
            Self::Float64(v) => f.write_str(text::FloatText::from_f64(*v).as_str()),
            Self::Boolean(v) => v.fmt(f),
            Self::String(v) => f.write_str(v),
            // Java shows an identity hash here; the length is at least stable.
            Self::Bytes(v) => write!(f, "[B@{:x}", v.len()),
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Map(map) => {
                f.write_str("{")?;
                for (index, (key, value)) in map.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{key}={value}")?;
                }
                f.write_str("}")
            }
            Self::Struct(v) => v.fmt(f),
            Self::Decimal(v) => v.fmt(f),
            Self::Date(v) => f.write_str(&text::java_date(*v)),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::String(v) => write!(f, "String({:?})", &**v),
            Self::Bytes(v) => write!(f, "Bytes({v:?})"),
            Self::Array(v) => f.debug_tuple("Array").field(v).finish(),
            Self::Map(v) => f.debug_tuple("Map").field(&v.entries).finish(),
            Self::Int8(v) => write!(f, "Int8({v})"),
            Self::Int16(v) => write!(f, "Int16({v})"),
            Self::Int32(v) => write!(f, "Int32({v})"),
            Self::Int64(v) => write!(f, "Int64({v})"),
            Self::Float32(v) => write!(f, "Float32({v:?})"),
            Self::Float64(v) => write!(f, "Float64({v:?})"),
            Self::Boolean(v) => write!(f, "Boolean({v})"),
            Self::Struct(v) => write!(f, "{v}"),
            Self::Decimal(v) => write!(f, "Decimal({v})"),
            Self::Date(v) => write!(f, "Date({v})"),
        }
    }
}

macro_rules! from {
    ($($from:ty => |$value:ident| $into:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })*
    };
}

from! {
    i8 => |v| Self::Int8(v);
    i16 => |v| Self::Int16(v);
    i32 => |v| Self::Int32(v);
    i64 => |v| Self::Int64(v);
    f32 => |v| Self::Float32(v);
    f64 => |v| Self::Float64(v);
    bool => |v| Self::Boolean(v);
    &str => |v| Self::String(v.into());
    String => |v| Self::String(v.into());
    ByteString => |v| Self::String(v);
    Bytes => |v| Self::Bytes(v);
    Vec<Value> => |v| Self::Array(v);
    MapValue => |v| Self::Map(v);
    Struct => |v| Self::Struct(Arc::new(v));
    Decimal => |v| Self::Decimal(Arc::new(v));
}

/// Maps up to this size are searched from end to end, which is faster than hashing; larger ones have an
/// index.
const FEW: usize = 16;

/// A map in the order in which its entries were first put.
#[derive(Clone, Default)]
pub struct MapValue {
    entries: Vec<(Value, Value)>,
    /// Where each key stands, once there are more than [`FEW`]: maps come from records, and a header of 700
    /// KB can have 90,000 entries.
    index: Option<Box<Index>>,
}

#[derive(Clone, Default)]
struct Index {
    hasher: RandomState,
    places: HashTable<usize>,
}

impl Index {
    fn of(entries: &[(Value, Value)]) -> Box<Self> {
        let mut index = Box::<Self>::default();
        for place in 0..entries.len() {
            index.add(entries, place);
        }
        index
    }

    /// Adds the entry at `place`, whose key is not there yet.
    fn add(&mut self, entries: &[(Value, Value)], place: usize) {
        let hash = |place: &usize| {
            entries
                .get(*place)
                .map_or(0, |(key, _)| self.hasher.hash_one(key))
        };
        self.places.insert_unique(hash(&place), place, hash);
    }
}

impl MapValue {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where a key stands.
    fn place(&self, key: &Value) -> Option<usize> {
        let is_key = |place: &usize| self.entries.get(*place).is_some_and(|(of, _)| of == key);
        match &self.index {
            Some(index) => {
                let hash = index.hasher.hash_one(key);
                index.places.find(hash, is_key).copied()
            }
            None => (0..self.entries.len()).find(is_key),
        }
    }

    /// Sets a value; an existing key keeps its place.
    pub fn insert(&mut self, key: Value, value: Value) -> Option<Value> {
        let place = self.place(&key);
        if let Some((_, slot)) = place.and_then(|place| self.entries.get_mut(place)) {
            return Some(std::mem::replace(slot, value));
        }
        self.entries.push((key, value));
        if let Some(index) = &mut self.index {
            index.add(&self.entries, self.entries.len() - 1);
        } else if self.entries.len() > FEW {
            self.index = Some(Index::of(&self.entries));
        }
        None
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &Value) -> Option<&Value> {
        let place = self.place(key)?;
        self.entries.get(place).map(|(_, value)| value)
    }

    fn place_of_text(&self, key: &str) -> Option<usize> {
        if self.index.is_some() {
            return self.place(&Value::from(key));
        }
        self.entries
            .iter()
            .position(|(existing, _)| existing.as_str() == Some(key))
    }

    /// The value of a text key.
    #[must_use]
    pub fn get_str(&self, key: &str) -> Option<&Value> {
        let place = self.place_of_text(key)?;
        self.entries.get(place).map(|(_, value)| value)
    }

    /// Removes a key, in time proportional to the map.
    pub fn remove_str(&mut self, key: &str) -> Option<Value> {
        let (_, value) = self.entries.remove(self.place_of_text(key)?);
        self.index = (self.entries.len() > FEW).then(|| Index::of(&self.entries));
        Some(value)
    }

    /// Entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Value, Value)> {
        self.entries.iter()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Debug for MapValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(key, value)| (key, value)))
            .finish()
    }
}

impl PartialEq for MapValue {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && (self.entries == other.entries
                || self
                    .iter()
                    .all(|(key, value)| other.get(key) == Some(value)))
    }
}

impl Eq for MapValue {}

/// Later entries replace earlier ones of the same key.
impl FromIterator<(Value, Value)> for MapValue {
    fn from_iter<T: IntoIterator<Item = (Value, Value)>>(entries: T) -> Self {
        let mut map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl IntoIterator for MapValue {
    type Item = (Value, Value);
    type IntoIter = std::vec::IntoIter<(Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a> IntoIterator for &'a MapValue {
    type Item = &'a (Value, Value);
    type IntoIter = std::slice::Iter<'a, (Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_maps_behave_as_small_ones() {
        let entries =
            |range: std::ops::Range<i32>| range.map(|i| (Value::from(i), Value::from(-i)));
        for count in [FEW as i32, FEW as i32 + 1, 5_000] {
            let mut map: MapValue = entries(0..count).collect();
            map.insert(Value::from("text"), Value::from(true));
            assert_eq!(map.len(), count as usize + 1);
            assert_eq!(
                map.get(&Value::from(count - 1)),
                Some(&Value::from(1 - count))
            );
            assert_eq!(map.get(&Value::from(count)), None);
            assert_eq!(map.get_str("text"), Some(&Value::from(true)));
            // A key that is there keeps its place.
            assert_eq!(
                map.insert(Value::from(1), Value::Null),
                Some(Value::from(-1))
            );
            assert_eq!(map.iter().nth(1), Some(&(Value::from(1), Value::Null)));
            assert_eq!(map.remove_str("text"), Some(Value::from(true)));
            assert_eq!(map.get_str("text"), None);
            map.insert(Value::from(1), Value::from(-1));
            assert_eq!(map, entries(0..count).rev().collect::<MapValue>());
        }
    }

    /// A header of 700 KB with 90,000 entries once took minutes, and a map of maps hashed all its keys to one
    /// place.
    #[test]
    fn a_map_of_60_000_keys_of_any_type_is_no_loop_over_all_pairs() {
        let one = |key: i32| Value::Map([(Value::from(key), Value::Null)].into_iter().collect());
        let list = |key: i32| Value::Array(vec![Value::from(key)]);
        let kinds: [&dyn Fn(i32) -> Value; 4] = [&Value::from, &one, &list, &|key| {
            Value::from(key.to_string())
        }];
        for kind in kinds {
            let map: MapValue = (0..60_000).map(|i| (kind(i), Value::Null)).collect();
            let reversed: MapValue = (0..60_000).rev().map(|i| (kind(i), Value::Null)).collect();
            assert_eq!(map, reversed);
        }
    }

    #[test]
    fn values_stay_small() {
        assert!(size_of::<Value>() <= 40, "{}", size_of::<Value>());
    }

    #[test]
    fn text_is_that_of_java() {
        let map: MapValue = [(Value::from("b"), Value::from(1_i32))]
            .into_iter()
            .collect();
        assert_eq!(Value::Map(map).to_string(), "{b=1}");
        assert_eq!(
            Value::Array(vec![Value::Null, Value::from(1.0_f64)]).to_string(),
            "[null, 1.0]"
        );
        assert_eq!(
            Value::Date(1_763_832_000_000).to_string(),
            "Sat Nov 22 17:20:00 UTC 2025"
        );
    }

    #[test]
    fn equality_is_that_of_java() {
        assert_eq!(Value::Float64(f64::NAN), Value::Float64(f64::NAN));
        assert_ne!(Value::Float64(0.0), Value::Float64(-0.0));
        assert_ne!(Value::Int32(1), Value::Int64(1));
        let a: MapValue = [
            (Value::from("a"), Value::Null),
            (Value::from("b"), Value::Null),
        ]
        .into_iter()
        .collect();
        let b: MapValue = [
            (Value::from("b"), Value::Null),
            (Value::from("a"), Value::Null),
        ]
        .into_iter()
        .collect();
        assert_eq!(a, b);
    }
}
