//! Opens the listener of the owner's programs.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::net::UnixListener;

/// Listens on the owner's unix socket, readable and writable by its owner alone, in place of whatever socket an
/// earlier run left there. The caller holds the lock of the directory, so nobody else uses that path. Must be
/// called within a tokio runtime.
///
/// # Errors
/// Where the directory cannot be written or the path is too long for a unix socket (107 bytes).
pub fn bind_control(path: &Path) -> io::Result<UnixListener> {
    // Made under another name, so that nobody can connect before the mode is set.
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn the_control_socket_is_the_owners_alone_and_replaces_a_stale_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        drop(bind_control(&path).unwrap());
        let listener = bind_control(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (connected, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
        connected.unwrap();
        accepted.unwrap();
    }
}
