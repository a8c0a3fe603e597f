//! Rates of transfer, such as `"10 Mbit/s"`: in bits, as links and encoders are, and decimal.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use anyhow::{anyhow, bail};
use serde::{Deserialize, Deserializer, de};

/// Below this a block of a segment takes longer than peers wait for it.
const LOWEST_BITS: f64 = 64e3;
/// More than any link has: what is larger is a mistake.
const HIGHEST_BITS: f64 = 1e12;

/// A rate of transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(NonZeroU64);

impl Rate {
    pub(crate) fn bytes_per_second(self) -> NonZeroU64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let malformed = || anyhow!("'{text}' is not a rate: write for example \"10 Mbit/s\" or \"500 kbit/s\"");
        let units = [("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9)];
        let found = units.iter().find_map(|(unit, bits)| Some((text.strip_suffix(unit)?, bits)));
        let (number, unit) = found.ok_or_else(malformed)?;
        let number = number.strip_suffix(' ').unwrap_or(number);
        // Digits with at most one point, and not what else a float may be written as.
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if [whole, fraction].iter().any(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(malformed());
        }
        let bits = number.parse::<f64>().map_err(|_| malformed())? * unit;
        if !(LOWEST_BITS..=HIGHEST_BITS).contains(&bits) {
            bail!("'{text}' is out of range: must be 64 kbit/s to 1000 Gbit/s; leave the key out for no limit");
        }
        NonZeroU64::new((bits / 8.0) as u64).map(Self).ok_or_else(malformed)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from(self.0.get()) * 8;
        match bits {
            bits if bits.is_multiple_of(1_000_000) => write!(f, "{} Mbit/s", bits / 1_000_000),
            bits => write!(f, "{}.{:03} kbit/s", bits / 1_000, bits % 1_000),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Rate>().unwrap_err().to_string()
    }

    #[test]
    fn rates_are_in_bits_and_decimal() {
        for (text, bytes) in [
            ("10 Mbit/s", 1_250_000),
            ("10Mbit/s", 1_250_000),
            ("1.5 Mbit/s", 187_500),
            ("64 kbit/s", 8_000),
            ("1 Gbit/s", 125_000_000),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().bytes_per_second().get(), bytes, "{text}");
        }
    }

    #[test]
    fn a_rate_is_written_as_it_is_read() {
        for (text, written) in
            [("10 Mbit/s", "10 Mbit/s"), ("1.5 Mbit/s", "1500.000 kbit/s"), ("64 kbit/s", "64.000 kbit/s")]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), written);
            assert_eq!(written.parse::<Rate>().unwrap(), rate);
        }
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for text in [
            "",
            "10",
            "10 MB/s",
            "10 mbit/s",
            "10 Mbit",
            "10 Mbps",
            "-1 Mbit/s",
            "+1 Mbit/s",
            "1e3 kbit/s",
            "1,5 Mbit/s",
            ".5 Mbit/s",
            "1. Mbit/s",
            "1.2.3 Mbit/s",
            "inf Gbit/s",
            "NaN Mbit/s",
            " 1 Mbit/s",
            "1  Mbit/s",
            "Mbit/s",
            "1 Mbit/s ",
        ] {
            assert!(error(text).contains("is not a rate"), "{text}");
        }
        for text in ["0 Mbit/s", "63 kbit/s", "1001 Gbit/s", "99999999999999999999999 Gbit/s"] {
            assert!(error(text).contains("is out of range"), "{text}");
        }
    }
}
