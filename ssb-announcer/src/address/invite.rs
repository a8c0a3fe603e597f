//! Invite codes of pubs: a peer's address and a seed, with which its owner lets somebody in.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{AddressError, MAX_TEXT, NetAddress, PeerAddresses, parse_multi, split};

/// An invite of a pub (`ssb-invite`): `HOST:PORT:@KEY.ed25519~SEED`, or `net:HOST:PORT~shs:KEY:SEED`.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    address: NetAddress,
    seed: [u8; 32],
}

impl Invite {
    /// Where the pub is, and who.
    pub fn address(&self) -> &NetAddress {
        &self.address
    }

    /// The seed of the guest's key pair, which whoever holds the invite may use: a secret.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The code, with its secret.
    pub fn expose(&self) -> String {
        format!("{}:{}", self.address, STANDARD.encode(self.seed))
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite").field("address", &self.address).field("seed", &"redacted").finish()
    }
}

impl FromStr for Invite {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_TEXT {
            return Err(AddressError::TooLong);
        }
        // A place to go on to after the invite was used, for browsers.
        let text = text.split_once('#').map_or(text, |(invite, _)| invite);
        let (address, seed) = match text.rsplit_once('~') {
            Some((address, seed)) if !seed.contains(':') => (address.parse()?, parse_seed(seed)?),
            _ => (text.parse()?, seed_of(text)?),
        };
        let PeerAddresses(addresses) = address;
        // An invite is for one address.
        match <[NetAddress; 1]>::try_from(addresses) {
            Ok([address]) => Ok(Self { address, seed }),
            Err(_) => Err(AddressError::Malformed),
        }
    }
}

/// The seed behind the key, in the form of a multiserver address.
fn seed_of(text: &str) -> Result<[u8; 32], AddressError> {
    let first = split(text, ';').first().copied().unwrap_or_default();
    let address = parse_multi(first)?;
    let shs = address.first().and_then(|protocols| protocols.get(1));
    let seed = shs.and_then(|shs| shs.data.last().filter(|_| shs.data.len() >= 2));
    parse_seed(seed.ok_or(AddressError::Malformed)?)
}

fn parse_seed(text: &str) -> Result<[u8; 32], AddressError> {
    let bytes = STANDARD.decode(text).map_err(|_| AddressError::Malformed)?;
    bytes.try_into().map_err(|_| AddressError::Malformed)
}
