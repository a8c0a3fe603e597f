//! The community that this node is in: the open one, or a private one whose secret is in the data directory.

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use node_router::community::{self, Secret};
use ssb_announcer::handshake::NetworkKey;
use stream_model::CommunityMembership;

use crate::data_dir::community_file;
use crate::durable;

/// What nodes without a secret say of themselves.
pub(crate) const OPEN: &str = "open";

/// The file is one invite; whatever is longer is another file.
const MAX_BYTES: u64 = 4_096;

/// A community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Community {
    Open,
    Private(Secret),
}

impl Community {
    /// The one of the node that uses a data directory.
    ///
    /// # Errors
    /// Where the secret cannot be read, can be read by others, or is none: such a node would speak in the open.
    pub(crate) fn load(data_dir: &Path) -> anyhow::Result<Self> {
        let path = community_file(data_dir);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Open),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("cannot read the community's secret {}: it is to belong to the node's user", path.display())
                });
            }
        };
        let mode = file.metadata().with_context(|| format!("cannot look at {}", path.display()))?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("others can read the community's secret {0}: run 'chmod 600 {0}'", path.display());
        }
        let mut text = String::new();
        file.take(MAX_BYTES)
            .read_to_string(&mut text)
            .with_context(|| format!("the community's secret {} is not text", path.display()))?;
        let secret = text.parse().with_context(|| {
            format!(
                "the community's secret {} is damaged: 'meshstream community join INVITE --replace' repairs it",
                path.display()
            )
        })?;
        Ok(Self::Private(secret))
    }

    /// The key of its SSB network.
    pub(crate) fn network_key(&self) -> NetworkKey {
        match self {
            Self::Open => NetworkKey::MAIN,
            Self::Private(secret) => NetworkKey::new(community::network_key(secret)),
        }
    }

    /// The key of its IPFS network; `None` where everybody takes part.
    pub(crate) fn swarm_key(&self) -> Option<[u8; 32]> {
        match self {
            Self::Open => None,
            Self::Private(secret) => Some(community::swarm_key(secret)),
        }
    }

    /// What its owner is shown of it.
    pub(crate) fn membership(&self) -> CommunityMembership {
        let invite = match self {
            Self::Open => None,
            Self::Private(secret) => Some(secret.invite()),
        };
        CommunityMembership { name: self.name(), invite }
    }

    /// What names it in public.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Open => OPEN.to_owned(),
            Self::Private(secret) => community::name(secret),
        }
    }
}

/// Puts the node into a private community, from its next start on.
///
/// # Errors
/// Where it is in another private one and that is not to be replaced, or the file cannot be written.
pub(crate) fn store(data_dir: &Path, secret: &Secret, replace: bool) -> anyhow::Result<()> {
    let path = community_file(data_dir);
    let directory = path.parent().unwrap_or(data_dir);
    let write = if replace { durable::replace } else { durable::create };
    let line = format!("{}\n", secret.invite());
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    match made.and_then(|()| write(&path, line.as_bytes())) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && !replace => {
            bail!(
                "this node is in a private community already: 'meshstream community show --invite' prints its secret, which \
                 --replace forgets"
            )
        }
        written => written.with_context(|| format!("cannot write the community's secret {}", path.display())),
    }
}

/// Puts the node into the open community, from its next start on. Whether it was in a private one.
///
/// # Errors
/// Where the file cannot be removed.
pub(crate) fn remove(data_dir: &Path) -> anyhow::Result<bool> {
    let path = community_file(data_dir);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot remove the community's secret {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_community_is_kept_for_its_owner_alone_and_replaced_only_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        assert_eq!(Community::load(&data_dir).unwrap(), Community::Open);
        let (first, second) = (Secret([1; 32]), Secret([2; 32]));
        store(&data_dir, &first, false).unwrap();
        assert_eq!(mode(&community_file(&data_dir)), 0o600);
        assert_eq!(mode(&data_dir.join("identity")), 0o700);
        let refused = store(&data_dir, &second, false).unwrap_err().to_string();
        assert!(refused.contains("--replace"), "{refused}");
        assert_eq!(Community::load(&data_dir).unwrap(), Community::Private(first));
        store(&data_dir, &second, true).unwrap();
        assert_eq!(Community::load(&data_dir).unwrap(), Community::Private(second));
        assert_eq!(mode(&community_file(&data_dir)), 0o600);
        assert_eq!(fs::read_dir(data_dir.join("identity")).unwrap().count(), 1, "no temporary file stays");
        assert!(remove(&data_dir).unwrap());
        assert!(!remove(&data_dir).unwrap());
        assert_eq!(Community::load(&data_dir).unwrap(), Community::Open);
    }

    #[test]
    fn a_damaged_secret_is_an_error_and_never_the_open_community() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path(), &Secret([1; 32]), false).unwrap();
        let path = community_file(dir.path());
        let good = fs::read_to_string(&path).unwrap();
        for text in ["", &good[..good.len() / 2], &good.replacen('A', "B", 1)] {
            fs::write(&path, text).unwrap();
            let error = Community::load(dir.path()).unwrap_err();
            assert!(format!("{error:#}").contains("community join"), "{error:#}");
        }
        fs::write(&path, &good).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Community::load(dir.path()).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn keys_and_names_are_those_of_the_community() {
        let private = Community::Private(Secret([1; 32]));
        assert_eq!((Community::Open.network_key(), Community::Open.swarm_key()), (NetworkKey::MAIN, None));
        assert_eq!(Community::Open.name(), "open");
        assert_ne!(private.network_key(), NetworkKey::MAIN);
        assert!(private.swarm_key().is_some());
        assert_eq!(private.name().len(), 64);
    }
}
