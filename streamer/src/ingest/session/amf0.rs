//! Action Message Format, version 0 (Adobe AMF0 specification): the values of commands and metadata.

use bytes::Buf;

use super::limits;

/// Type markers (AMF0 §2.1).
mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0a;
    pub(super) const DATE: u8 = 0x0b;
    pub(super) const LONG_STRING: u8 = 0x0c;
    pub(super) const UNSUPPORTED: u8 = 0x0d;
    pub(super) const XML_DOCUMENT: u8 = 0x0f;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
}

/// A value. Types that mean nothing in a publisher's commands (dates, references, XML) are read as
/// [`Value::Undefined`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Boolean(bool),
    String(String),
    /// Objects, typed objects and ECMA arrays, in the order sent.
    Object(Vec<(String, Value)>),
    Array(Vec<Value>),
    Null,
    Undefined,
}

impl Value {
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A property of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(properties) => properties.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Why bytes are not AMF0 values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmfError {
    /// They end inside a value.
    #[error("the AMF0 values end early")]
    Truncated,
    /// A type that cannot be skipped.
    #[error("AMF0 type {0:#04x} is not supported")]
    Marker(u8),
    /// Objects within objects within objects.
    #[error("AMF0 values nest deeper than {}", limits::AMF_DEPTH)]
    TooDeep,
    /// Too many values.
    #[error("more than {} AMF0 values in a message", limits::AMF_VALUES)]
    TooMany,
}

/// Reads values until the bytes end.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut reader = Reader { rest: bytes, values_left: limits::AMF_VALUES };
    let mut values = Vec::new();
    while !reader.rest.is_empty() {
        values.push(reader.value(limits::AMF_DEPTH)?);
    }
    Ok(values)
}

struct Reader<'a> {
    rest: &'a [u8],
    values_left: usize,
}

impl Reader<'_> {
    /// One value; recursion ends at `depth_left`.
    fn value(&mut self, depth_left: usize) -> Result<Value, AmfError> {
        self.values_left = self.values_left.checked_sub(1).ok_or(AmfError::TooMany)?;
        let depth_left = depth_left.checked_sub(1).ok_or(AmfError::TooDeep)?;
        let value = match self.rest.try_get_u8().map_err(truncated)? {
            marker::NUMBER => Value::Number(self.rest.try_get_f64().map_err(truncated)?),
            marker::BOOLEAN => Value::Boolean(self.rest.try_get_u8().map_err(truncated)? != 0),
            marker::STRING => Value::String(self.short_string()?),
            marker::LONG_STRING => Value::String(self.long_string()?),
            marker::OBJECT => self.properties(depth_left)?,
            marker::TYPED_OBJECT => {
                self.short_string()?;
                self.properties(depth_left)?
            }
            marker::ECMA_ARRAY => {
                // The count is a hint only (AMF0 §2.10): the end marker decides.
                self.rest.try_get_u32().map_err(truncated)?;
                self.properties(depth_left)?
            }
            marker::STRICT_ARRAY => {
                let count = self.rest.try_get_u32().map_err(truncated)?;
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(depth_left)?);
                }
                Value::Array(values)
            }
            marker::NULL => Value::Null,
            marker::UNDEFINED | marker::UNSUPPORTED => Value::Undefined,
            marker::REFERENCE => {
                self.skip(2)?;
                Value::Undefined
            }
            marker::DATE => {
                // Milliseconds and a time zone that is reserved (AMF0 §2.13).
                self.skip(8 + 2)?;
                Value::Undefined
            }
            marker::XML_DOCUMENT => {
                self.long_string()?;
                Value::Undefined
            }
            other => return Err(AmfError::Marker(other)),
        };
        Ok(value)
    }

    fn properties(&mut self, depth_left: usize) -> Result<Value, AmfError> {
        let mut properties = Vec::new();
        loop {
            let name = self.short_string()?;
            if name.is_empty() && self.rest.first() == Some(&marker::OBJECT_END) {
                self.skip(1)?;
                return Ok(Value::Object(properties));
            }
            properties.push((name, self.value(depth_left)?));
        }
    }

    fn short_string(&mut self) -> Result<String, AmfError> {
        let length = self.rest.try_get_u16().map_err(truncated)?;
        self.string(usize::from(length))
    }

    fn long_string(&mut self) -> Result<String, AmfError> {
        let length = self.rest.try_get_u32().map_err(truncated)?;
        self.string(usize::try_from(length).map_err(|_| AmfError::Truncated)?)
    }

    fn string(&mut self, length: usize) -> Result<String, AmfError> {
        let (text, rest) = self.rest.split_at_checked(length).ok_or(AmfError::Truncated)?;
        self.rest = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn skip(&mut self, length: usize) -> Result<(), AmfError> {
        self.rest = self.rest.get(length..).ok_or(AmfError::Truncated)?;
        Ok(())
    }
}

fn truncated(_: bytes::TryGetError) -> AmfError {
    AmfError::Truncated
}

/// Writes a value. Names and texts above 65,535 bytes are cut: ours are short.
pub(super) fn write(output: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => {
            output.push(marker::NUMBER);
            output.extend_from_slice(&number.to_be_bytes());
        }
        Value::Boolean(truth) => output.extend_from_slice(&[marker::BOOLEAN, u8::from(*truth)]),
        Value::String(text) => {
            output.push(marker::STRING);
            write_string(output, text);
        }
        Value::Object(properties) => {
            output.push(marker::OBJECT);
            for (name, value) in properties {
                write_string(output, name);
                write(output, value);
            }
            output.extend_from_slice(&[0, 0, marker::OBJECT_END]);
        }
        Value::Array(values) => {
            output.push(marker::STRICT_ARRAY);
            output.extend_from_slice(&u32::try_from(values.len()).unwrap_or(u32::MAX).to_be_bytes());
            values.iter().for_each(|value| write(output, value));
        }
        Value::Null => output.push(marker::NULL),
        Value::Undefined => output.push(marker::UNDEFINED),
    }
}

fn write_string(output: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    output.extend_from_slice(&length.to_be_bytes());
    output.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            // Not a number is not equal to itself.
            any::<f64>().prop_filter("comparable", |number| !number.is_nan()).prop_map(Value::Number),
            any::<bool>().prop_map(Value::Boolean),
            "[a-zä]{0,20}".prop_map(Value::String),
            Just(Value::Null),
            Just(Value::Undefined),
        ];
        leaf.prop_recursive(6, 100, 6, |inner| {
            prop_oneof![
                prop::collection::vec(("[a-zä]{0,8}", inner.clone()), 0..6).prop_map(Value::Object),
                prop::collection::vec(inner, 0..6).prop_map(Value::Array),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_read_back_as_written(values in prop::collection::vec(any_value(), 0..5)) {
            let mut bytes = Vec::new();
            values.iter().for_each(|value| write(&mut bytes, value));
            prop_assert_eq!(parse(&bytes), Ok(values));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = parse(&bytes);
        }

        /// As random bytes seldom begin like AMF0, these are made of markers mostly.
        #[test]
        fn any_markers_are_read_or_refused(bytes in prop::collection::vec(0_u8..0x12, 0..2000)) {
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn values_nested_without_end_are_refused() {
        let objects: Vec<u8> = [marker::OBJECT, 0, 1, b'a'].repeat(200_000);
        assert_eq!(parse(&objects), Err(AmfError::TooDeep));
        let arrays: Vec<u8> = [marker::STRICT_ARRAY, 0, 0, 0, 1].repeat(200_000);
        assert_eq!(parse(&arrays), Err(AmfError::TooDeep));
        let ecma_arrays: Vec<u8> = [marker::ECMA_ARRAY, 0, 0, 0, 1, 0, 1, b'a'].repeat(200_000);
        assert_eq!(parse(&ecma_arrays), Err(AmfError::TooDeep));
    }

    #[test]
    fn values_without_number_are_refused() {
        assert_eq!(parse(&[marker::NULL; 9_000_000]), Err(AmfError::TooMany));
        assert_eq!(parse(&[marker::STRICT_ARRAY, 0xff, 0xff, 0xff, 0xff]), Err(AmfError::Truncated));
        assert_eq!(parse(&[marker::LONG_STRING, 0xff, 0xff, 0xff, 0xff]), Err(AmfError::Truncated));
    }

    #[test]
    fn types_without_meaning_here_are_skipped() {
        let mut bytes = vec![marker::DATE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, marker::REFERENCE, 0, 1];
        bytes.extend([marker::XML_DOCUMENT, 0, 0, 0, 1, b'x', marker::UNSUPPORTED]);
        bytes.extend([marker::TYPED_OBJECT, 0, 1, b'T', 0, 1, b'k', marker::NULL, 0, 0, marker::OBJECT_END]);
        let object = Value::Object(vec![("k".to_owned(), Value::Null)]);
        let skipped = [Value::Undefined, Value::Undefined, Value::Undefined, Value::Undefined, object];
        assert_eq!(parse(&bytes), Ok(skipped.to_vec()));
        assert_eq!(parse(&[0x11]), Err(AmfError::Marker(0x11)));
    }
}
