//! Ranges of addresses, as `ingest.allow` lists them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Not an address or a range of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address such as 10.0.0.2 or a range such as fc00::/8")]
pub struct AddressRangeError(String);

/// One address, or all that begin with the same bits (CIDR notation, RFC 4632 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    prefix: u8,
}

impl AddressRange {
    /// Whether an address lies in the range. IPv4 addresses mapped into IPv6 count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                (range.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix);
                (range.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl AddressRange {
    /// The lowest address in the range.
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let shift = 32 - u32::from(self.prefix);
                IpAddr::from(std::net::Ipv4Addr::from_bits(
                    address.to_bits().checked_shr(shift).and_then(|bits| bits.checked_shl(shift)).unwrap_or(0),
                ))
            }
            IpAddr::V6(address) => {
                let shift = 128 - u32::from(self.prefix);
                IpAddr::from(std::net::Ipv6Addr::from_bits(
                    address.to_bits().checked_shr(shift).and_then(|bits| bits.checked_shl(shift)).unwrap_or(0),
                ))
            }
        }
    }

    /// How many bits its addresses have in common.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<Self, AddressRangeError> {
        let error = || AddressRangeError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(error)?,
            None => longest,
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl<'de> serde::Deserialize<'de> for AddressRange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_the_addresses_that_begin_as_it_does() {
        let check = |range: &str, address: &str, expected: bool| {
            let range: AddressRange = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), expected, "{address} in {range}");
        };
        check("10.0.0.2", "10.0.0.2", true);
        check("10.0.0.2", "10.0.0.3", false);
        check("10.0.0.2", "::ffff:10.0.0.2", true);
        check("10.0.0.0/8", "10.255.1.2", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.7/31", "10.0.0.6", true);
        check("0.0.0.0/0", "192.0.2.1", true);
        check("0.0.0.0/0", "fc00::1", false);
        check("fc00::/8", "fc12:3456::1", true);
        check("fc00::/8", "fd00::1", false);
        check("::/0", "200::1", true);
        check("::/0", "10.0.0.1", false);
        check("fe80::1", "fe80::1", true);
        check("fe80::1", "fe80::2", false);
    }

    #[test]
    fn what_is_no_range_is_refused_by_name() {
        for text in ["", "localhost", "10.0.0.0/33", "fc00::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "fc00/8"]
        {
            let error = text.parse::<AddressRange>().unwrap_err();
            assert!(error.to_string().contains(text));
        }
    }
}
