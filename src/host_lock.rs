//! One process on this host for each identity, whichever data directory it is in: two would fork its feed.
//!
//! A name in the kernel's abstract socket namespace is taken while the process lives and leaves nothing behind
//! (unix(7)). It is seen by all processes with the same network namespace.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use anyhow::{Context as _, bail};
use ssb_announcer::identity::{Identity, IdentityError};
use stream_model::FeedId;

/// Held as long as the value lives.
#[derive(Debug)]
pub(crate) struct HostLock {
    _name: UnixListener,
}

impl HostLock {
    /// Takes the lock of an identity.
    ///
    /// # Errors
    /// Where another process has it.
    pub(crate) fn take(identity: FeedId) -> anyhow::Result<Self> {
        let address = SocketAddr::from_abstract_name(format!("meshstream {identity}"))
            .context("cannot name the lock of this node's identity")?;
        match UnixListener::bind_addr(&address) {
            Ok(name) => Ok(Self { _name: name }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
                "another meshstream on this machine runs with the same identity, {identity}: its data directory is a copy \
                 of this one; stop it, or move identity/ away here to get a new identity"
            ),
            Err(error) => Err(error).context("cannot lock this node's identity"),
        }
    }

    /// Takes the lock of the identity in a secret file; `None` where there is no such file.
    ///
    /// # Errors
    /// Where another process has it, or the file cannot be read.
    pub(crate) fn of_secret(secret: &Path) -> anyhow::Result<Option<Self>> {
        match Identity::load(secret) {
            Ok(identity) => Self::take(identity.id()).map(Some),
            Err(IdentityError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_an_identity_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (first, copy) = (dir.path().join("secret"), dir.path().join("copy"));
        assert!(HostLock::of_secret(&first).unwrap().is_none());
        Identity::load_or_create(&first).unwrap().export(&copy).unwrap();
        let lock = HostLock::of_secret(&first).unwrap().unwrap();
        let refused = HostLock::of_secret(&copy).unwrap_err().to_string();
        assert!(refused.contains("same identity"), "{refused}");
        drop(lock);
        HostLock::of_secret(&copy).unwrap().unwrap();
    }
}
