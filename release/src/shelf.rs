//! Which statements a node keeps.

use crate::key::PublicKey;
use crate::statement::{Statement, StatementError};
use crate::trust::{NotTrusted, Trust};
use crate::version::Version;

/// Statements that are kept at most: the newest of each signer, what is installed, and what this node publishes itself.
const MAX_KEPT: usize = 24;

/// A statement that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What is stated.
    pub statement: Statement,
    /// Trusted keys that have signed it; none where the node publishes what it does not trust itself.
    pub signers: Vec<PublicKey>,
    /// Whether this node has published it.
    pub published_here: bool,
}

/// Why a statement is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It cannot be read.
    #[error("{0}")]
    Malformed(#[from] StatementError),
    /// Too few trusted signatures.
    #[error("{0}")]
    NotTrusted(#[from] NotTrusted),
    /// Signed by nobody at all, and to be published here.
    #[error("nobody has signed it: 'meshstream upgrade sign' does")]
    Unsigned,
    /// A downgrade.
    #[error("version {version} is older than {installed}, which is installed")]
    OlderThanInstalled {
        /// What is stated.
        version: Version,
        /// What is installed.
        installed: Version,
    },
    /// The signer has stated something at least as new, which is another one.
    #[error("version {version} is not newer than {known}, which the same key has signed")]
    NotNewer {
        /// What is stated.
        version: Version,
        /// What is known.
        known: Version,
    },
}

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is kept, and these are not any more.
    Kept(Vec<Statement>),
    /// It was there already, perhaps with fewer signatures.
    Known,
}

/// The statements that a node keeps. Each that is offered is judged anew by the keys that are trusted now.
#[derive(Debug, Clone)]
pub struct Shelf {
    trust: Trust,
    installed: Option<Version>,
    kept: Vec<Kept>,
}

impl Shelf {
    /// An empty shelf of a node with so much trust, on which a version of the package is installed, or none.
    pub fn new(trust: Trust, installed: Option<Version>) -> Self {
        Self { trust, installed, kept: Vec::new() }
    }

    /// Whose signatures count.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// What is installed.
    pub fn installed(&self) -> Option<&Version> {
        self.installed.as_ref()
    }

    /// What is kept, the newest first.
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Judges what another node has announced.
    ///
    /// # Errors
    /// [`Refused`]; nothing has changed then.
    pub fn offer(&mut self, text: &str) -> Result<Change, Refused> {
        let statement = Statement::parse(text)?;
        let signers = self.trust.signers(&statement)?;
        self.take(Kept { statement, signers, published_here: false })
    }

    /// Takes what the owner publishes from this node, whether or not the node trusts it itself.
    ///
    /// # Errors
    /// [`Refused`]; nothing has changed then.
    pub fn publish(&mut self, text: &str) -> Result<Change, Refused> {
        let statement = Statement::parse(text)?;
        if statement.signers().is_empty() {
            return Err(Refused::Unsigned);
        }
        let signers = match self.trust.signers(&statement) {
            Ok(signers) => signers,
            Err(forged @ NotTrusted::Forged(_)) => return Err(forged.into()),
            Err(_) => Vec::new(),
        };
        self.take(Kept { statement, signers, published_here: true })
    }

    fn take(&mut self, new: Kept) -> Result<Change, Refused> {
        if let Some(known) = self.kept.iter_mut().find(|kept| kept.statement.is_same_release(&new.statement)) {
            known.statement.take_signatures(&new.statement);
            known.published_here |= new.published_here;
            known.signers = self.trust.signers(&known.statement).unwrap_or_default();
            return Ok(Change::Known);
        }
        let version = new.statement.version();
        if let Some(installed) = self.installed.as_ref().filter(|installed| version < installed) {
            return Err(Refused::OlderThanInstalled { version: version.clone(), installed: installed.clone() });
        }
        if let Some(known) =
            self.kept.iter().find(|kept| kept.statement.version() >= version && share_signer(kept, &new))
        {
            return Err(Refused::NotNewer { version: version.clone(), known: known.statement.version().clone() });
        }
        self.kept.push(new);
        self.kept.sort_by(|a, b| b.statement.version().cmp(a.statement.version()));
        // What is installed stays: others may need it still, and it is what one goes back to.
        let mut seen: Vec<PublicKey> = Vec::new();
        let installed = self.installed.as_ref();
        let mut gone: Vec<Statement> = Vec::new();
        self.kept.retain(|kept| {
            let (signers, before) = (counted(kept), seen.len());
            seen.extend(signers.into_iter().filter(|key| !seen.contains(key)).collect::<Vec<_>>());
            let stays = seen.len() > before || Some(kept.statement.version()) == installed;
            if !stays {
                gone.push(kept.statement.clone());
            }
            stays
        });
        gone.extend(self.kept.drain(MAX_KEPT.min(self.kept.len())..).map(|kept| kept.statement));
        Ok(Change::Kept(gone))
    }
}

/// The keys by which statements are told apart: the trusted ones, or, of what is only published, all.
fn counted(kept: &Kept) -> Vec<PublicKey> {
    if kept.signers.is_empty() { kept.statement.signers() } else { kept.signers.clone() }
}

/// Whether one key has signed both.
fn share_signer(a: &Kept, b: &Kept) -> bool {
    let ours = counted(a);
    counted(b).iter().any(|key| ours.contains(key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statement::tests::{package, secret, signed};

    fn shelf(trusted: &[u8], installed: &str) -> Shelf {
        let keys = trusted.iter().map(|seed| secret(*seed).public()).collect();
        Shelf::new(Trust::new(keys, 1).unwrap(), installed.parse().ok())
    }

    fn versions(shelf: &Shelf) -> Vec<String> {
        shelf.kept().iter().map(|kept| kept.statement.version().to_string()).collect()
    }

    #[test]
    fn the_newest_of_a_signer_is_kept_and_what_is_installed() {
        let mut shelf = shelf(&[1], "0.1");
        assert_eq!(shelf.offer(&signed("0.1", &[1]).to_text()), Ok(Change::Kept(Vec::new())));
        assert_eq!(shelf.offer(&signed("0.2", &[1]).to_text()), Ok(Change::Kept(Vec::new())));
        assert_eq!(shelf.offer(&signed("0.3", &[1]).to_text()), Ok(Change::Kept(vec![signed("0.2", &[1])])));
        assert_eq!(versions(&shelf), ["0.3", "0.1"]);
        assert_eq!(shelf.offer(&signed("0.3", &[1]).to_text()), Ok(Change::Known));
    }

    #[test]
    fn downgrades_are_refused() {
        let mut shelf = shelf(&[1, 2], "0.2");
        let offer = |shelf: &mut Shelf, version: &str, key| shelf.offer(&signed(version, &[key]).to_text());
        assert!(matches!(offer(&mut shelf, "0.1", 1), Err(Refused::OlderThanInstalled { .. })));
        offer(&mut shelf, "0.4", 1).unwrap();
        assert!(matches!(offer(&mut shelf, "0.3", 1), Err(Refused::NotNewer { .. })));
        // Another release by the same number.
        let other = |key| {
            let mut other = Statement::new("0.4".parse().unwrap(), vec![package("amd64", 9)]).unwrap();
            other.sign(&secret(key)).unwrap();
            other.to_text()
        };
        assert!(matches!(shelf.offer(&other(1)), Err(Refused::NotNewer { .. })));
        // Another signer counts by itself.
        offer(&mut shelf, "0.3", 2).unwrap();
        assert_eq!(versions(&shelf), ["0.4", "0.3"]);
    }

    #[test]
    fn strangers_fill_nothing() {
        let mut shelf = shelf(&[1], "");
        assert_eq!(shelf.offer(&signed("9", &[2]).to_text()), Err(Refused::NotTrusted(NotTrusted::Stranger)));
        assert!(matches!(shelf.offer("meshstream release v1\n"), Err(Refused::Malformed(_))));
        let forged = signed("0.2", &[1]).to_text().replace("0.2", "0.9");
        assert!(matches!(shelf.offer(&forged), Err(Refused::NotTrusted(NotTrusted::Forged(_)))));
        assert!(shelf.kept().is_empty());
    }

    #[test]
    fn a_second_signature_is_added_to_what_is_kept() {
        let keys = vec![secret(1).public(), secret(2).public()];
        let mut shelf = Shelf::new(Trust::new(keys, 1).unwrap(), None);
        shelf.offer(&signed("0.2", &[1]).to_text()).unwrap();
        assert_eq!(shelf.offer(&signed("0.2", &[2]).to_text()), Ok(Change::Known));
        assert_eq!(shelf.kept()[0].signers.len(), 2);
    }

    #[test]
    fn a_node_publishes_what_it_does_not_trust_but_nothing_unsigned_or_forged() {
        let mut shelf = shelf(&[1], "");
        shelf.publish(&signed("0.2", &[5]).to_text()).unwrap();
        assert!(shelf.kept()[0].signers.is_empty() && shelf.kept()[0].published_here);
        assert_eq!(shelf.publish(&signed("0.3", &[]).to_text()), Err(Refused::Unsigned));
        let forged = signed("0.2", &[1, 5]).to_text().replace("0.2", "0.9");
        assert!(shelf.publish(&forged).is_err());
        // What it publishes for others does not stand in the way of what it trusts.
        shelf.offer(&signed("0.1", &[1]).to_text()).unwrap();
        assert_eq!(versions(&shelf), ["0.2", "0.1"]);
    }

    proptest! {
        #[test]
        fn the_newest_of_each_key_never_goes_back(offers in prop::collection::vec((0_u8..30, 0_u8..4), 0..40)) {
            let mut shelf = shelf(&[0, 1, 2], "5");
            let newest = |shelf: &Shelf, key: u8| {
                let by = |kept: &&Kept| kept.signers.contains(&secret(key).public());
                shelf.kept().iter().filter(by).map(|kept| kept.statement.version().clone()).max()
            };
            for (version, key) in offers {
                let before: Vec<_> = (0..4).map(|key| newest(&shelf, key)).collect();
                let taken = shelf.offer(&signed(&version.to_string(), &[key]).to_text());
                prop_assert!(taken.is_err() || (key < 3 && version >= 5));
                for key in 0..4 {
                    prop_assert!(newest(&shelf, key) >= before[usize::from(key)]);
                }
                prop_assert!(shelf.kept().len() <= 4);
            }
        }
    }
}
