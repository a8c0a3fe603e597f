//! The token with which the owner acts over the network: a file, made with a random one where there is none.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use player_web::AdminToken;

use crate::durable;

/// A token is a line; whatever is longer is another file.
const MAX_BYTES: u64 = 4_096;

/// Bytes of randomness in a token made here.
const RANDOM_BYTES: usize = 32;

/// Reads the token, or makes one.
///
/// # Errors
/// Where the file cannot be read or made, can be read by others, or holds no token.
pub(crate) fn load_or_create(path: &Path) -> anyhow::Result<AdminToken> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return create(path),
        Err(error) => return Err(error).with_context(|| format!("cannot read the admin token {}", path.display())),
    };
    let mode = file.metadata().with_context(|| format!("cannot look at {}", path.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("others can read the admin token {0}: run 'chmod 600 {0}'", path.display());
    }
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .with_context(|| format!("the admin token {} is not text", path.display()))?;
    AdminToken::new(text.trim()).with_context(|| format!("web.admin_token_file {}", path.display()))
}

fn create(path: &Path) -> anyhow::Result<AdminToken> {
    let mut random = [0; RANDOM_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .context("cannot get randomness for the admin token")?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    durable::create(path, format!("{text}\n").as_bytes())
        .with_context(|| format!("cannot write the admin token {}", path.display()))?;
    AdminToken::new(&text).context("a token made here is long enough")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin-token");
        load_or_create(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), 2 * RANDOM_BYTES);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        load_or_create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin-token");
        fs::write(&path, "short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(format!("{:#}", load_or_create(&path).unwrap_err()).contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(format!("{:#}", load_or_create(&path).unwrap_err()).contains("characters"));
    }
}
