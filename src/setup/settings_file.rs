//! Reads the small files that setups are made from. A key that is not known is an error that names it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Far more than anybody writes into such a file.
const MAX_BYTES: usize = 64 * 1024;

/// Reads a file of settings. `example` says what to do where there is none.
///
/// # Errors
/// Where it is missing, is no TOML, or a key or value is wrong; the error names the file and the key.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, example: &str) -> anyhow::Result<T> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("there is no {}: {example}, or name another file with --file", path.display())
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if text.len() > MAX_BYTES {
        bail!("{} is too long for settings: it has more than {MAX_BYTES} bytes", path.display());
    }
    parse(&text).with_context(|| path.display().to_string())
}

/// Takes a text of TOML.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| anyhow!("{}", error.to_string().trim_end()))?;
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let path = error.path().to_string();
        let said = error.into_inner();
        // A key that is missing has no path.
        if path == "." { anyhow!("{}", said.message()) } else { anyhow!("key {path}: {}", said.message()) }
    })
}
