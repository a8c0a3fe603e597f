//! Which release is installed.

use crate::key::PublicKey;
use crate::statement::{Package, Statement};
use crate::trust::{NotTrusted, Trust};
use crate::version::Version;

/// What is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who has signed it, of those who are trusted.
    pub signers: Vec<PublicKey>,
    /// The release.
    pub statement: Statement,
    /// Its package for this machine.
    pub package: Package,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Wish<'a> {
    /// The newest that did not fail here.
    Newest {
        /// Versions that were tried and gone back from.
        failed: &'a [Version],
    },
    /// This version, also where it has failed.
    Version(&'a Version),
}

/// Why nothing is installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoChoice {
    /// Nothing is trusted.
    #[error("no release key is trusted: name one in upgrade.trusted of the configuration file")]
    Off,
    /// No release that counts.
    #[error("no signed release is known here")]
    NoRelease,
    /// Releases are known, and none of them counts.
    #[error("none of the releases that are known here counts: the newest, {0}, is {1}")]
    NotTrusted(Version, NotTrusted),
    /// The one that was asked for is not there.
    #[error("no release of version {0} is known here that counts")]
    Unknown(Version),
    /// A downgrade, which only `rollback` does.
    #[error("version {version} is not newer than {installed}, which is installed")]
    NotNewer {
        /// The newest that counts.
        version: Version,
        /// What is installed.
        installed: Version,
    },
    /// The newest one has failed here.
    #[error("version {0} was tried here and failed: it is not tried again unless it is asked for by its number")]
    Failed(Version),
    /// Nothing for this machine.
    #[error("version {0} has no package for {1}")]
    Architecture(Version, String),
}

/// Chooses among statements, whoever brought them, what is to be installed on a machine of an architecture.
///
/// # Errors
/// [`NoChoice`].
pub fn choose(
    statements: Vec<Statement>,
    trust: &Trust,
    installed: &Version,
    architecture: &str,
    wish: Wish<'_>,
) -> Result<Candidate, NoChoice> {
    if trust.is_off() {
        return Err(NoChoice::Off);
    }
    let (mut counting, mut refused) = (Vec::new(), Vec::new());
    for statement in statements {
        match trust.signers(&statement) {
            Ok(signers) => counting.push((signers, statement)),
            Err(why) => refused.push((statement.version().clone(), why)),
        }
    }
    if let Wish::Version(version) = wish {
        counting.retain(|(_, statement)| statement.version() == version);
        if counting.is_empty() {
            return Err(NoChoice::Unknown(version.clone()));
        }
    }
    // Of two releases by one number, which two signers may have made, the one that more have signed.
    counting.sort_by(|(signers, a), (others, b)| {
        a.version().cmp(b.version()).then(signers.len().cmp(&others.len())).then_with(|| b.to_text().cmp(&a.to_text()))
    });
    let Some((signers, statement)) = counting.pop() else {
        let newest = refused.into_iter().max_by(|(a, _), (b, _)| a.cmp(b));
        return Err(newest.map_or(NoChoice::NoRelease, |(version, why)| NoChoice::NotTrusted(version, why)));
    };
    let version = statement.version().clone();
    if version <= *installed {
        return Err(NoChoice::NotNewer { version, installed: installed.clone() });
    }
    if let Wish::Newest { failed } = wish
        && failed.contains(&version)
    {
        return Err(NoChoice::Failed(version));
    }
    match statement.package(architecture).cloned() {
        Some(package) => Ok(Candidate { signers, statement, package }),
        None => Err(NoChoice::Architecture(version, architecture.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::tests::{secret, signed};

    fn trust(threshold: usize) -> Trust {
        Trust::new(vec![secret(1).public(), secret(2).public()], threshold).unwrap()
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn chosen(statements: Vec<Statement>, wish: Wish<'_>) -> Result<String, NoChoice> {
        choose(statements, &trust(1), &version("0.2"), "amd64", wish).map(|found| found.statement.version().to_string())
    }

    #[test]
    fn the_newest_that_counts_is_chosen_unless_it_has_failed() {
        let newest = Wish::Newest { failed: &[] };
        let all = || vec![signed("0.3", &[1]), signed("0.4", &[2]), signed("0.9", &[9])];
        assert_eq!(chosen(all(), newest).unwrap(), "0.4");
        let failed = [version("0.4")];
        assert_eq!(chosen(all(), Wish::Newest { failed: &failed }), Err(NoChoice::Failed(version("0.4"))));
        assert_eq!(chosen(all(), Wish::Version(&version("0.4"))).unwrap(), "0.4");
        assert_eq!(chosen(all(), Wish::Version(&version("0.3"))).unwrap(), "0.3");
        assert_eq!(chosen(all(), Wish::Version(&version("0.9"))), Err(NoChoice::Unknown(version("0.9"))));
    }

    #[test]
    fn nothing_older_or_equal_is_chosen_even_by_its_number() {
        for one in ["0.1", "0.2", "0.2-0"] {
            let statements = || vec![signed(one, &[1])];
            assert!(matches!(chosen(statements(), Wish::Newest { failed: &[] }), Err(NoChoice::NotNewer { .. })));
            assert!(matches!(chosen(statements(), Wish::Version(&version(one))), Err(NoChoice::NotNewer { .. })));
        }
    }

    #[test]
    fn what_does_not_count_is_said_to() {
        let newest = Wish::Newest { failed: &[] };
        let off = choose(vec![signed("0.3", &[1])], &Trust::default(), &version("0.2"), "amd64", newest);
        assert_eq!(off, Err(NoChoice::Off));
        assert_eq!(chosen(Vec::new(), newest), Err(NoChoice::NoRelease));
        assert!(matches!(chosen(vec![signed("0.3", &[9])], newest), Err(NoChoice::NotTrusted(..))));
        let one_of_two = choose(vec![signed("0.3", &[1])], &trust(2), &version("0.2"), "amd64", newest);
        assert!(matches!(one_of_two, Err(NoChoice::NotTrusted(_, NotTrusted::TooFew { .. }))));
        let other = choose(vec![signed("0.3", &[1])], &trust(1), &version("0.2"), "armhf", newest);
        assert!(matches!(other, Err(NoChoice::Architecture(..))));
    }
}
