//! Values for serde, with the place of what does not fit.

use std::fmt;

use aikit_core::TextRange;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::Value;

use crate::{Entry, Node, NodeKind};

/// Below it every whole float is an integer, without loss.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A value of type `T` from a node, or what does not fit and where. Whole numbers are integers however they are written
/// (`1.0`, `1e3`), as JSON Schema counts them.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Server { host: String, port: u16 }
/// let text = "host: localhost\nport: many\n";
/// let parsed = aikit_yaml::parse(text);
/// let error = aikit_yaml::from_node::<Server>(&parsed.documents[0].root).err().unwrap();
/// assert_eq!(error.range.slice(text), "many");
/// ```
pub fn from_node<'de, T: de::Deserialize<'de>>(node: &'de Node) -> Result<T, DecodeError> {
    T::deserialize(node).map_err(|error| error.at(node.range))
}

/// A node does not fit the type that it is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// What does not fit.
    pub message: String,
    /// The innermost node that serde was reading. Types that serde buffers (`untagged`, internally tagged, `flatten`)
    /// are one node.
    pub range: TextRange,
    placed: bool,
}

impl DecodeError {
    /// Gives the place, unless a node further inside gave its own.
    fn at(self, range: TextRange) -> Self {
        if self.placed { self } else { Self { range, placed: true, ..self } }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), range: TextRange::empty(0), placed: false }
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let read = match &self.kind {
            NodeKind::Null => visitor.visit_unit(),
            NodeKind::Scalar(scalar) => match &scalar.value {
                Value::String(text) => visitor.visit_borrowed_str(text),
                Value::Bool(truth) => visitor.visit_bool(*truth),
                Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                    (Some(number), ..) => visitor.visit_u64(number),
                    (_, Some(number), _) => visitor.visit_i64(number),
                    (.., Some(number)) if number.fract() == 0.0 && number.abs() < WHOLE => {
                        visitor.visit_i64(number as i64)
                    }
                    (.., number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
                },
                _ => visitor.visit_unit(),
            },
            NodeKind::Sequence(items) => visitor.visit_seq(Items(items.iter())),
            NodeKind::Mapping(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
        };
        read.map_err(|error| error.at(self.range))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self).map_err(|error| error.at(self.range))
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self).map_err(|error| error.at(self.range))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let read = match &self.kind {
            NodeKind::Mapping(entries) if entries.len() == 1 => {
                visitor.visit_enum(Variant { name: &entries[0].key, value: Some(&entries[0].value) })
            }
            NodeKind::Mapping(_) => Err(de::Error::custom("one key is expected here")),
            _ => visitor.visit_enum(Variant { name: self, value: None }),
        };
        read.map_err(|error| error.at(self.range))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(item) = self.0.next() else { return Ok(None) };
        seed.deserialize(item).map(Some).map_err(|error| error.at(item.range))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, Entry>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(&entry.value);
        let name: de::value::BorrowedStrDeserializer<'de, DecodeError> =
            de::value::BorrowedStrDeserializer::new(entry.name());
        seed.deserialize(name).map(Some).map_err(|error| error.at(entry.key.range))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let Some(value) = self.value.take() else { return Err(de::Error::custom("a value was read before its key")) };
        seed.deserialize(value).map_err(|error| error.at(value.range))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Variant<'de> {
    name: &'de Node,
    value: Option<&'de Node>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let text = self.name.scalar().map_or("", |scalar| scalar.text.as_str());
        let name: de::value::StrDeserializer<'de, DecodeError> = text.into_deserializer();
        let variant = seed.deserialize(name).map_err(|error| error.at(self.name.range))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.value {
            Some(value) if !value.is_null() => Err(de::Error::custom("nothing is expected below this key")),
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        match self.value {
            Some(value) => seed.deserialize(value).map_err(|error| error.at(value.range)),
            None => Err(de::Error::custom("a value is expected below this key")),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Some(value) => value.deserialize_any(visitor),
            None => Err(de::Error::custom("a list is expected below this key")),
        }
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Some(value) => value.deserialize_any(visitor),
            None => Err(de::Error::custom("a mapping is expected below this key")),
        }
    }
}
