//! How values are written: what is read from text and written as it again, and what a schema says of it.

use std::borrow::Cow;
use std::time::Duration;

use bytesize::ByteSize;
use listener::{Device, MAX_DEVICES};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use stream_model::Location;

use super::Rate;

/// A form of text, by what people call it.
macro_rules! form {
    ($form:ty, $name:literal) => {
        impl JsonSchema for $form {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "title": $name })
            }
        }
    };
}

/// What [`duration`] reads.
pub(crate) struct Span;
form!(Span, "a duration");

/// What [`byte_size`] reads.
pub(crate) struct Size;
form!(Size, "a size");

form!(Rate, "a rate");

/// Where is listened.
pub(crate) struct Listen;
form!(Listen, "an address and port");

/// A file or directory.
pub(crate) struct FilePath;
form!(FilePath, "a path");

/// A place on Earth, as [`location`] reads it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// Decimal degrees, north positive.
    #[schemars(range(min = -90.0, max = 90.0))]
    latitude: f64,
    /// Decimal degrees, east positive.
    #[schemars(range(min = -180.0, max = 180.0))]
    longitude: f64,
    /// Whole metres; may be left out.
    #[schemars(with = "i32")]
    #[serde(default)]
    altitude_m: Option<i32>,
}

/// A place to show how one is written.
pub(super) fn toronto() -> serde_json::Value {
    serde_json::json!({ "latitude": 43.65, "longitude": -79.38, "altitude_m": 76 })
}

/// Unlike what other nodes tell of themselves, a key that is not known is an error.
pub(super) fn location<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Location>, D::Error> {
    let Place { latitude, longitude, altitude_m } = Place::deserialize(deserializer)?;
    Location::new(latitude, longitude, altitude_m).map(Some).map_err(de::Error::custom)
}

pub(super) fn byte_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    ByteSize::deserialize(deserializer)
        .map_err(|_| de::Error::custom("not a size: write for example \"10GiB\" or \"500MB\""))
}

pub(super) fn write_byte_size<S: Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&in_units(*size))
}

/// A size as it is read again: in the largest unit of which it is a whole number.
pub(crate) fn in_units(size: ByteSize) -> String {
    let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
    let bytes = size.as_u64();
    let (unit, factor) = units.into_iter().find(|(_, factor)| bytes.is_multiple_of(*factor)).unwrap_or(("B", 1));
    format!("{}{unit}", bytes / factor)
}

pub(super) fn devices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Device>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.len() > MAX_DEVICES {
        return Err(de::Error::custom(format!("{} devices: at most {MAX_DEVICES} are listened on", names.len())));
    }
    let mut devices =
        names.iter().map(|name| name.parse()).collect::<Result<Vec<Device>, _>>().map_err(de::Error::custom)?;
    devices.sort();
    devices.dedup();
    Ok(devices)
}

pub(super) fn write_devices<S: Serializer>(devices: &[Device], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(devices.iter().map(Device::as_str))
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|_| de::Error::custom(format!("'{text}' is not a duration: write for example \"15s\" or \"1m 30s\"")))
}

/// A duration as it is read again.
pub(super) fn write_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Whole seconds as people write them: "60s", not "1m".
    if duration.subsec_nanos() == 0 {
        return serializer.collect_str(&format_args!("{}s", duration.as_secs()));
    }
    serializer.collect_str(&humantime::format_duration(*duration))
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
