//! The secret file as JavaScript's `ssb-keys` writes it: JSON with the fields `curve`, `public`, `private` and `id`
//! between lines of comment that start with `#`. `private` is the 64 bytes of seed and public key in base64, with
//! the suffix `.ed25519`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use serde::Deserialize;
use stream_model::FeedId;
use tracing::warn;

use super::Identity;

/// Far above what `ssb-keys` writes (about 750 bytes); keeps a wrong path from being read into memory.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What anybody but the owner may do to the file: nothing.
const OTHERS: u32 = 0o077;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another identity is there already.
    #[error("the node in this data directory is {0} already; choose another with --data-dir, or move this one away")]
    Occupied(FeedId),
    /// There is no such file.
    #[error("there is no identity at {0}")]
    Missing(PathBuf),
    /// The file is there and is not a secret that can be used.
    #[error("{path} is not an SSB secret: {problem}; restore it from a backup or move it away to get a new identity")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, without any of its content.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
struct SecretFile {
    curve: String,
    private: String,
    id: Option<String>,
}

pub(super) fn load_or_create(path: &Path) -> Result<Identity, IdentityError> {
    let io_error = |action: &'static str| move |source| IdentityError::Io { action, path: path.to_owned(), source };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        make_private_directory(directory).map_err(io_error("make the directory of"))?;
    }
    if let Some(identity) = load(path)? {
        return Ok(identity);
    }
    let identity = Identity::generate();
    write_durably(path, render(&identity).as_bytes()).map_err(io_error("write"))?;
    Ok(identity)
}

/// `None` where there is no such file.
pub(super) fn load(path: &Path) -> Result<Option<Identity>, IdentityError> {
    let io_error = |action: &'static str| move |source| IdentityError::Io { action, path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open")(error)),
    };
    hide_from_others(path, &file).map_err(io_error("restrict the mode of"))?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(io_error("read"))?;
    let identity = parse(&text).map_err(|problem| IdentityError::Malformed { path: path.to_owned(), problem })?;
    Ok(Some(identity))
}

/// Writes the identity to a file that is not there yet.
pub(super) fn write_new(path: &Path, identity: &Identity) -> Result<(), IdentityError> {
    let io_error = |source| IdentityError::Io { action: "write", path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io_error)?;
    file.write_all(render(identity).as_bytes()).and_then(|()| file.sync_all()).map_err(io_error)
}

/// Puts the identity where a node looks for it. The place is to be marked before.
pub(super) fn install(path: &Path, identity: &Identity) -> Result<(), IdentityError> {
    let io_error = |source| IdentityError::Io { action: "write", path: path.to_owned(), source };
    write_durably(path, render(identity).as_bytes()).map_err(io_error)
}

pub(super) fn make_private_directory(directory: &Path) -> io::Result<()> {
    if !directory.exists() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    Ok(())
}

fn hide_from_others(path: &Path, file: &File) -> io::Result<()> {
    if file.metadata()?.permissions().mode() & OTHERS != 0 {
        warn!(path = %path.display(), "secret file was open to other users; restricting it to its owner");
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Writes to a temporary file, syncs, renames, and syncs the directory: after a crash there is the whole file or
/// none.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn render(identity: &Identity) -> String {
    let public = STANDARD.encode(identity.id().0);
    let private = STANDARD.encode(identity.signing_key().to_keypair_bytes());
    let id = identity.id();
    format!(
        "# WARNING: never show this to anyone.\n\
         # WARNING: never edit it or use it on several nodes at once: that forks the feed for good.\n\
         #\n\
         # This is the Secure Scuttlebutt identity of a Meshstream node. Whoever has it can speak as the node.\n\
         {{\n  \"curve\": \"ed25519\",\n  \"public\": \"{public}.ed25519\",\n  \"private\": \"{private}.ed25519\",\n  \
         \"id\": \"{id}\"\n}}\n\
         #\n\
         # What may be shared is the id: {id}\n"
    )
}

fn parse(text: &str) -> Result<Identity, &'static str> {
    let json: String =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    let file: SecretFile = serde_json::from_str(&json).map_err(|_| "expected JSON with curve, public, private, id")?;
    if file.curve != "ed25519" {
        return Err("its curve is not ed25519");
    }
    let private = file.private.strip_suffix(".ed25519").ok_or("its private key lacks the suffix .ed25519")?;
    let bytes = STANDARD.decode(private).map_err(|_| "its private key is not base64")?;
    let bytes: [u8; 64] = bytes.try_into().map_err(|_| "its private key is not 64 bytes")?;
    let key =
        SigningKey::from_keypair_bytes(&bytes).map_err(|_| "its private and public key do not belong together")?;
    let identity = Identity { key };
    match file.id.as_deref().map(str::parse::<FeedId>) {
        Some(Ok(id)) if id != identity.id() => Err("its id is not that of its key"),
        Some(Err(_)) => Err("its id is not a feed id"),
        _ => Ok(identity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by npm `ssb-keys` 8.5.0 (`loadOrCreateSync`) for this test; nobody uses it.
    const JS_SECRET: &str = include_str!("../../tests/fixtures/js-secret");
    const JS_ID: &str = include_str!("../../tests/fixtures/js-secret.id");

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn an_identity_is_created_once_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity/secret");
        let created = Identity::load_or_create(&path).unwrap();
        let loaded = Identity::load_or_create(&path).unwrap();
        assert_eq!(created.id(), loaded.id());
        assert_eq!(created.sign(b"x"), loaded.sign(b"x"));
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_secret_of_javascript_is_read_and_hidden_from_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, JS_SECRET).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let identity = Identity::load_or_create(&path).unwrap();
        assert_eq!(identity.id().to_string(), JS_ID.trim());
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_left_over_temporary_file_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(path.with_extension("tmp"), "half").unwrap();
        let created = Identity::load_or_create(&path).unwrap();
        assert_eq!(Identity::load_or_create(&path).unwrap().id(), created.id());
    }

    #[test]
    fn a_damaged_secret_is_an_error_and_stays_as_it_is() {
        let good = render(&Identity::from_seed(&[1; 32]));
        let other = render(&Identity::from_seed(&[2; 32]));
        let id_line = |text: &str| text.lines().find(|line| line.contains("\"id\"")).unwrap().to_owned();
        let damaged = [
            String::new(),
            "{}".into(),
            good.replace("\"curve\": \"ed25519\"", "\"curve\": \"k256\""),
            good.replace("\"private\": \"", "\"private\": \"AAAA"),
            good.replace("\"private\": \"", "\"private\": \"!"),
            good.replace(&id_line(&good), &id_line(&other)),
            good.chars().take(good.len() / 2).collect(),
        ];
        for text in damaged {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("secret");
            fs::write(&path, &text).unwrap();
            assert!(matches!(Identity::load_or_create(&path), Err(IdentityError::Malformed { .. })), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
