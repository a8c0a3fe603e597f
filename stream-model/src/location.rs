//! Where a node stands, as its owner says.

use serde::{Deserialize, Serialize};

/// Degrees are kept to a millionth, which is 11 cm at most.
const PARTS: f64 = 1e6;
/// Metres of altitude that can be: the deepest sea, and the edge of space.
const ALTITUDES: std::ops::RangeInclusive<i32> = -11_000..=100_000;

/// A place on Earth (WGS 84). As JSON `latitude` and `longitude` in decimal degrees, and `altitude_m`, whole metres, where it is
/// known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Place", into = "Place")]
pub struct Location {
    latitude: i32,
    longitude: i32,
    altitude_m: Option<i32>,
}

#[derive(Serialize, Deserialize)]
struct Place {
    latitude: f64,
    longitude: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    altitude_m: Option<i32>,
}

/// Why there is no such place.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LocationError {
    /// North is positive.
    #[error("latitude {0}: must be -90 to 90 decimal degrees, south is negative")]
    Latitude(f64),
    /// East is positive.
    #[error("longitude {0}: must be -180 to 180 decimal degrees, west is negative")]
    Longitude(f64),
    /// Above the ellipsoid.
    #[error("altitude_m {0}: must be {low} to {high} metres", low = ALTITUDES.start(), high = ALTITUDES.end())]
    Altitude(i32),
}

impl Location {
    /// Decimal degrees, north and east positive, and metres.
    ///
    /// # Errors
    /// Where there is no such place.
    pub fn new(latitude: f64, longitude: f64, altitude_m: Option<i32>) -> Result<Self, LocationError> {
        let parts = |degrees: f64, most: f64| (degrees.abs() <= most).then(|| (degrees * PARTS).round() as i32);
        if let Some(altitude) = altitude_m.filter(|altitude| !ALTITUDES.contains(altitude)) {
            return Err(LocationError::Altitude(altitude));
        }
        Ok(Self {
            latitude: parts(latitude, 90.0).ok_or(LocationError::Latitude(latitude))?,
            longitude: parts(longitude, 180.0).ok_or(LocationError::Longitude(longitude))?,
            altitude_m,
        })
    }
}

impl Location {
    /// Decimal degrees, north positive.
    pub fn latitude(&self) -> f64 {
        f64::from(self.latitude) / PARTS
    }

    /// Decimal degrees, east positive.
    pub fn longitude(&self) -> f64 {
        f64::from(self.longitude) / PARTS
    }

    /// Metres, where it is known.
    pub fn altitude_m(&self) -> Option<i32> {
        self.altitude_m
    }
}

impl TryFrom<Place> for Location {
    type Error = LocationError;

    fn try_from(place: Place) -> Result<Self, Self::Error> {
        Self::new(place.latitude, place.longitude, place.altitude_m)
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { latitude: location.latitude(), longitude: location.longitude(), altitude_m: location.altitude_m }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_is_written_as_it_was_given() {
        let json = r#"{"latitude":43.65,"longitude":-79.38,"altitude_m":76}"#;
        let location: Location = serde_json::from_str(json).unwrap();
        assert_eq!(Ok(location), Location::new(43.65, -79.38, Some(76)));
        assert_eq!(serde_json::to_string(&location).unwrap(), json);
        let json = r#"{"latitude":-90.0,"longitude":180.0}"#;
        assert_eq!(serde_json::to_string(&serde_json::from_str::<Location>(json).unwrap()).unwrap(), json);
    }

    #[test]
    fn what_is_nowhere_is_refused() {
        for (latitude, longitude, altitude, why) in [
            (90.1, 0.0, None, "latitude 90.1"),
            (f64::NAN, 0.0, None, "latitude NaN"),
            (0.0, -180.1, None, "longitude -180.1"),
            (0.0, f64::INFINITY, None, "longitude inf"),
            (0.0, 0.0, Some(100_001), "altitude_m 100001: must be -11000 to 100000 metres"),
        ] {
            let error = Location::new(latitude, longitude, altitude).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_place_is_read_as_it_was_written(latitude in -90.0..=90.0, longitude in -180.0..=180.0, altitude in any::<Option<i16>>()) {
            let altitude = altitude.map(|altitude| i32::from(altitude).max(-11_000));
            let location = Location::new(latitude, longitude, altitude).unwrap();
            let json = serde_json::to_string(&location).unwrap();
            prop_assert_eq!(serde_json::from_str::<Location>(&json).unwrap(), location);
        }
    }
}
