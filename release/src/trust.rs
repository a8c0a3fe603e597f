//! Whose signatures count.

use std::collections::BTreeSet;

use crate::key::PublicKey;
use crate::statement::Statement;

/// Most keys that a node trusts; a community has a handful of maintainers.
pub const MAX_TRUSTED: usize = 16;

/// The keys that the node's owner trusts, and how many of them have to sign.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    keys: BTreeSet<PublicKey>,
    threshold: usize,
}

/// Why keys and their number do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// More than [`MAX_TRUSTED`].
    #[error("at most {MAX_TRUSTED} keys can be trusted")]
    TooMany,
    /// A key that is named twice would count once.
    #[error("{0} is named twice")]
    Twice(PublicKey),
    /// Nobody could sign enough.
    #[error("{threshold} keys have to sign, and {keys} are trusted: name more keys, or ask for fewer")]
    Threshold {
        /// How many have to sign.
        threshold: usize,
        /// How many there are.
        keys: usize,
    },
}

/// Why a statement does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotTrusted {
    /// No key is trusted: the feature is off.
    #[error("no release key is trusted here (upgrade.trusted)")]
    Off,
    /// Nobody of those who are trusted is said to have signed.
    #[error("signed by nobody whom this node trusts")]
    Stranger,
    /// Somebody is said to have signed, and has not.
    #[error("the signature of {0} does not hold: the statement was changed or damaged")]
    Forged(PublicKey),
    /// Fewer have signed than have to.
    #[error("signed by {signed} of the {threshold} trusted keys that have to")]
    TooFew {
        /// Signatures of trusted keys that hold.
        signed: usize,
        /// How many there have to be.
        threshold: usize,
    },
}

impl Trust {
    /// Trusts these keys, `threshold` of which have to sign. Without any nothing is trusted.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(keys: Vec<PublicKey>, threshold: usize) -> Result<Self, TrustError> {
        let mut trusted = BTreeSet::new();
        for key in keys {
            if !trusted.insert(key) {
                return Err(TrustError::Twice(key));
            }
        }
        let threshold = threshold.max(1);
        match trusted.len() {
            0 => {}
            MAX_TRUSTED.. if trusted.len() > MAX_TRUSTED => return Err(TrustError::TooMany),
            keys if keys < threshold => return Err(TrustError::Threshold { threshold, keys }),
            _ => {}
        }
        Ok(Self { keys: trusted, threshold })
    }

    /// Whether nothing is trusted.
    pub fn is_off(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys are trusted.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// How many of them have to sign.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The trusted keys whose signatures hold.
    ///
    /// # Errors
    /// [`NotTrusted`] where they are not enough.
    pub fn signers(&self, statement: &Statement) -> Result<Vec<PublicKey>, NotTrusted> {
        if self.is_off() {
            return Err(NotTrusted::Off);
        }
        let signers: Vec<PublicKey> = statement.signers().into_iter().filter(|key| self.keys.contains(key)).collect();
        if signers.len() >= self.threshold {
            return Ok(signers);
        }
        match statement.named_signers().find(|key| self.keys.contains(key) && !signers.contains(key)) {
            Some(forged) => Err(NotTrusted::Forged(forged)),
            None if signers.is_empty() => Err(NotTrusted::Stranger),
            None => Err(NotTrusted::TooFew { signed: signers.len(), threshold: self.threshold }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::tests::{secret, signed};

    fn trust(seeds: &[u8], threshold: usize) -> Trust {
        Trust::new(seeds.iter().map(|seed| secret(*seed).public()).collect(), threshold).unwrap()
    }

    #[test]
    fn nothing_is_trusted_without_a_key() {
        assert_eq!(Trust::default().signers(&signed("1", &[1])), Err(NotTrusted::Off));
        assert_eq!(trust(&[], 1).signers(&signed("1", &[1])), Err(NotTrusted::Off));
    }

    #[test]
    fn as_many_trusted_keys_sign_as_have_to() {
        assert_eq!(trust(&[1], 1).signers(&signed("1", &[1, 9])), Ok(vec![secret(1).public()]));
        assert_eq!(trust(&[1], 1).signers(&signed("1", &[2])), Err(NotTrusted::Stranger));
        assert_eq!(trust(&[1], 1).signers(&signed("1", &[])), Err(NotTrusted::Stranger));
        let two = trust(&[1, 2, 3], 2);
        assert_eq!(two.signers(&signed("1", &[1, 9])), Err(NotTrusted::TooFew { signed: 1, threshold: 2 }));
        assert_eq!(two.signers(&signed("1", &[1, 3])).unwrap().len(), 2);
    }

    #[test]
    fn a_changed_statement_is_told_from_one_of_a_stranger() {
        let changed = signed("0.2.0-1", &[1]).to_text().replace("0.2.0-1", "0.3.0-1");
        let statement = Statement::parse(&changed).unwrap();
        assert_eq!(trust(&[1], 1).signers(&statement), Err(NotTrusted::Forged(secret(1).public())));
    }

    #[test]
    fn keys_that_make_no_sense_are_refused() {
        let key = |seed| secret(seed).public();
        assert_eq!(Trust::new(vec![key(1), key(1)], 1), Err(TrustError::Twice(key(1))));
        assert_eq!(Trust::new(vec![key(1)], 2), Err(TrustError::Threshold { threshold: 2, keys: 1 }));
        assert_eq!(Trust::new((0..17).map(key).collect(), 1), Err(TrustError::TooMany));
    }
}
