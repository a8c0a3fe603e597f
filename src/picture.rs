//! The picture of a node, from the file that its owner names.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use ssb_announcer::blobs::MAX_BLOB;

/// Reads the file that `node.image` names.
///
/// # Errors
/// Where it cannot be read, is larger than a picture may be, or is neither PNG nor JPEG, which all SSB programs show.
pub(crate) fn load(path: &Path) -> anyhow::Result<Bytes> {
    let name = || format!("configuration key node.image: {}", path.display());
    let mut bytes = Vec::new();
    // One byte more tells that there is more.
    let read = File::open(path).and_then(|file| file.take(MAX_BLOB as u64 + 1).read_to_end(&mut bytes));
    read.with_context(name)?;
    if bytes.len() > MAX_BLOB {
        bail!("{}: the picture has more than {} KiB: make it smaller", name(), MAX_BLOB / 1024);
    }
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") && !bytes.starts_with(b"\xff\xd8\xff") {
        bail!("{}: not a PNG or JPEG picture", name());
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(bytes: &[u8]) -> Result<usize, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture");
        std::fs::write(&path, bytes).unwrap();
        load(&path).map(|bytes| bytes.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn pictures_of_a_fitting_size_are_taken_and_the_error_names_the_key() {
        let picture = |size| [b"\x89PNG\r\n\x1a\n".to_vec(), vec![0; size - 8]].concat();
        assert_eq!(loaded(&picture(MAX_BLOB)), Ok(MAX_BLOB));
        assert_eq!(loaded(b"\xff\xd8\xff\xe0"), Ok(4));
        for (refused, why) in [(picture(MAX_BLOB + 1), "1024 KiB"), (b"<svg>".to_vec(), "PNG or JPEG"), (vec![], "PNG")]
        {
            let error = loaded(&refused).unwrap_err();
            assert!(error.contains("node.image") && error.contains(why), "{error}");
        }
        assert!(load(Path::new("/nowhere/picture")).unwrap_err().to_string().contains("node.image"));
    }
}
