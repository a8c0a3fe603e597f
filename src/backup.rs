//! A backup: who a node is and what its owner has set, in one tar archive (POSIX.1-2017 pax). Not what it stores, which other nodes
//! have, nor its feed, which they give back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use stream_model::{FeedId, StreamName};
use streamer::keys::KeyRecord;

use crate::durable;

/// The only format that there is.
const FORMAT: u32 = 1;

/// What tells that an archive is a backup; comes first.
const ABOUT: &str = "meshstream-backup.json";

/// The stream keys' hashes.
const KEYS: &str = "stream-keys.json";

/// The configuration of the machine; put back by who may.
const CONFIGURATION: &str = "meshstream.toml";

/// The secret of the identity: what is put back with care.
pub(crate) const SECRET: &str = "identity/secret";

/// Files of the data directory, as they are named there.
const FILES: [&str; 8] = [
    SECRET,
    "identity/libp2p.key",
    "identity/community",
    "identity/record-sequence",
    "admin-token",
    "settings.toml",
    "hidden.json",
    "cameras.toml",
];

/// The keys with which cameras of the node publish: `cameras/NAME.key`.
const CAMERAS: &str = "cameras";

/// Bytes of one file: all are small.
const MAX_FILE: u64 = 4 << 20;

/// Files in one archive.
const MAX_FILES: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    format: u32,
    /// The version that made it.
    program: String,
    feed: FeedId,
}

/// What a backup carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backup {
    /// Whose it is.
    pub(crate) feed: FeedId,
    /// By their paths in the data directory.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) keys: Vec<KeyRecord>,
    pub(crate) configuration: Option<Vec<u8>>,
}

impl Backup {
    /// Gathers what there is in a data directory, and the configuration of the machine where it has one.
    ///
    /// # Errors
    /// Where a file is there and cannot be read.
    pub(crate) fn gather(
        data_dir: &Path,
        feed: FeedId,
        keys: Vec<KeyRecord>,
        configuration: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let cameras = fs::read_dir(data_dir.join(CAMERAS)).into_iter().flatten().flatten();
        let cameras = cameras.filter_map(|entry| Some(format!("{CAMERAS}/{}", entry.file_name().to_str()?)));
        let mut files = BTreeMap::new();
        for name in FILES.iter().map(|name| (*name).to_owned()).chain(cameras.filter(|name| is_known(name))) {
            if let Some(bytes) = read(&data_dir.join(&name))? {
                files.insert(name, bytes);
            }
        }
        let configuration = configuration.map(read).transpose()?.flatten();
        Ok(Self { feed, files, keys, configuration })
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn write_to(&self, out: impl Write) -> anyhow::Result<()> {
        let mut archive = tar::Builder::new(out);
        let about = About { format: FORMAT, program: env!("CARGO_PKG_VERSION").to_owned(), feed: self.feed };
        append(&mut archive, ABOUT, &serde_json::to_vec_pretty(&about)?)?;
        for (name, bytes) in &self.files {
            append(&mut archive, name, bytes)?;
        }
        append(&mut archive, KEYS, &serde_json::to_vec_pretty(&self.keys)?)?;
        if let Some(configuration) = &self.configuration {
            append(&mut archive, CONFIGURATION, configuration)?;
        }
        archive.into_inner()?.flush()?;
        Ok(())
    }

    /// Reads an archive whole, so that what is damaged changes nothing.
    ///
    /// # Errors
    /// Where it is none, is damaged, or holds what no backup does.
    pub(crate) fn read_from(input: impl Read) -> anyhow::Result<Self> {
        let mut archive = tar::Archive::new(input);
        let mut about: Option<About> = None;
        let (mut files, mut keys, mut configuration) = (BTreeMap::new(), Vec::new(), None);
        for (count, entry) in archive.entries().context("not a tar archive")?.enumerate() {
            ensure!(count < MAX_FILES, "it holds more than {MAX_FILES} files");
            // What the reader of archives says of it would quote the file, which may be a secret.
            let mut entry = entry.map_err(|_| anyhow!("it is damaged, or no backup of a node"))?;
            let name = String::from_utf8(entry.path_bytes().into_owned()).context("the name of a file is not text")?;
            ensure!(entry.header().entry_type().is_file(), "{name} is no file");
            let mut bytes = Vec::new();
            entry.by_ref().take(MAX_FILE + 1).read_to_end(&mut bytes).with_context(|| format!("{name} is damaged"))?;
            ensure!(bytes.len() as u64 <= MAX_FILE, "{name} is larger than any file of a backup");
            ensure!(bytes.len() as u64 == entry.size(), "it ends within {name}: copy it again");
            match name.as_str() {
                ABOUT => about = Some(serde_json::from_slice(&bytes).with_context(|| format!("{ABOUT} is damaged"))?),
                _ if about.is_none() => bail!("it is no backup of a node: those begin with {ABOUT}"),
                KEYS => keys = serde_json::from_slice(&bytes).with_context(|| format!("{KEYS} is damaged"))?,
                CONFIGURATION => configuration = Some(bytes),
                known if is_known(known) => {
                    files.insert(name, bytes);
                }
                other => bail!("it holds {other}, which no backup does"),
            }
        }
        let about = about.context("it is empty")?;
        ensure!(
            about.format == FORMAT,
            "it was made by meshstream {}, in a format that this version does not know: take that version",
            about.program
        );
        Ok(Self { feed: about.feed, files, keys, configuration })
    }

    /// Puts back the files that are not there, but for the identity's secret. Returns those that were there and other ones, and stay.
    ///
    /// # Errors
    /// Where the disk fails; what was put back stays.
    pub(crate) fn put_back(&self, data_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut stay = Vec::new();
        for (name, bytes) in self.files.iter().filter(|(name, _)| *name != SECRET) {
            let path = data_dir.join(name);
            make_private(path.parent().unwrap_or(data_dir))?;
            match durable::create(&path, bytes) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if read(&path)?.as_ref() != Some(bytes) {
                        stay.push(path);
                    }
                }
                written => written.with_context(|| format!("cannot write {}", path.display()))?,
            }
        }
        Ok(stay)
    }
}

/// Whether a name is of a file that backups have: never a way out of the data directory.
fn is_known(name: &str) -> bool {
    let camera = name.strip_prefix("cameras/").and_then(|name| name.strip_suffix(".key"));
    FILES.contains(&name) || camera.is_some_and(|name| name.parse::<StreamName>().is_ok())
}

fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn make_private(directory: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.with_context(|| format!("cannot create {}", directory.display()))
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    archive.append_data(&mut header, name, bytes).with_context(|| format!("cannot write {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> FeedId {
        FeedId([3; 32])
    }

    fn data_dir(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            // Names that no careful program would write.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn about() -> Vec<u8> {
        serde_json::to_vec(&About { format: FORMAT, program: "0".into(), feed: feed() }).unwrap()
    }

    #[test]
    fn what_is_gathered_is_put_back_and_nothing_that_is_there_is_replaced() {
        let files = [
            ("identity/secret", "secret"),
            ("settings.toml", "[node]"),
            ("cameras/hall.key", "key"),
            ("cameras/other", "x"),
            ("ssb.sqlite3", "large"),
        ];
        let old = data_dir(&files);
        let configuration = old.path().join("settings.toml");
        let backup = Backup::gather(old.path(), feed(), Vec::new(), Some(&configuration)).unwrap();
        assert_eq!(backup.files.keys().collect::<Vec<_>>(), ["cameras/hall.key", "identity/secret", "settings.toml"]);
        let mut bytes = Vec::new();
        backup.write_to(&mut bytes).unwrap();
        let read = Backup::read_from(bytes.as_slice()).unwrap();
        assert_eq!(read, backup);

        let new = data_dir(&[("settings.toml", "[web]")]);
        assert_eq!(read.put_back(new.path()).unwrap(), [new.path().join("settings.toml")]);
        assert_eq!(fs::read_to_string(new.path().join("settings.toml")).unwrap(), "[web]");
        assert_eq!(fs::read_to_string(new.path().join("cameras/hall.key")).unwrap(), "key");
        assert!(!new.path().join("identity/secret").exists(), "the identity is put back by its own rules");
        assert_eq!(read.put_back(new.path()).unwrap().len(), 1, "once more changes nothing");
    }

    #[test]
    fn an_archive_that_is_no_backup_is_refused_with_the_reason() {
        let about = about();
        let other = br#"{"format":2,"program":"9.0","feed":"@AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=.ed25519"}"#;
        for (files, why) in [
            (vec![], "empty"),
            (vec![("x", b"y".as_slice())], "no backup"),
            (vec![(ABOUT, b"{}")], "damaged"),
            (vec![(ABOUT, other)], "meshstream 9.0"),
            (vec![(ABOUT, &about), ("../../etc/passwd", b"root")], "../../etc/passwd"),
            (vec![(ABOUT, &about), ("/etc/passwd", b"root")], "/etc/passwd"),
            (vec![(ABOUT, &about), ("cameras/../x.key", b"k")], "cameras/../x.key"),
            (vec![(ABOUT, &about), (KEYS, b"[")], KEYS),
        ] {
            let error = format!("{:#}", Backup::read_from(archive(&files).as_slice()).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
        assert!(Backup::read_from(&[7; 3_000][..]).is_err());
    }

    #[test]
    fn an_archive_that_is_cut_off_anywhere_is_refused_or_whole() {
        let files = data_dir(&[("settings.toml", &"x".repeat(2_000))]);
        let backup = Backup::gather(files.path(), feed(), Vec::new(), None).unwrap();
        let mut bytes = Vec::new();
        backup.write_to(&mut bytes).unwrap();
        for length in 0..bytes.len() {
            if let Ok(read) = Backup::read_from(bytes.get(..length).unwrap_or_default()) {
                assert!(read.files == backup.files || read.files.is_empty(), "{length}");
            }
        }
    }
}
