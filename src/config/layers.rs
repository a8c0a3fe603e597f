//! Where the configuration comes from: defaults, the TOML file, the settings of the owner, the environment and the arguments, each
//! going before those named earlier.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, bail};
use stream_model::SettingSource;
use toml::{Table, Value};

use super::Config;
use crate::data_dir::settings_file;

/// Where a configuration is looked for when none is named.
pub(crate) const SYSTEM_FILE: &str = "/etc/meshstream/meshstream.toml";

const ENV_PREFIX: &str = "MESHSTREAM_";

/// All that was set, and by what.
#[derive(Debug, Clone)]
pub(crate) struct Layers {
    file: Table,
    settings: Table,
    environment: Table,
    /// The variables of the environment by the keys that they set.
    variables: BTreeMap<String, String>,
    arguments: Table,
    config: Config,
    unusable: Option<String>,
}

impl Layers {
    /// Reads the file, the environment and the arguments, and the settings in the data directory that they name.
    ///
    /// # Errors
    /// Where the file cannot be read or a key or value is wrong; the error names it. Settings that cannot be used are left out:
    /// [`Layers::unusable_settings`] says why.
    pub(crate) fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        data_dir: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let file = read_file(file)?;
        let (environment, variables) = read_environment(environment)?;
        let mut arguments = Table::new();
        if let Some(dir) = data_dir {
            let dir = dir.to_str().context("--data-dir is not valid UTF-8")?;
            section(&mut arguments, "node")?.insert("data_dir".to_owned(), Value::String(dir.to_owned()));
        }
        let settings = Table::new();
        let mut layers =
            Self { file, settings, environment, variables, arguments, config: Config::default(), unusable: None };
        layers.config = layers.config_with(&Table::new())?;
        let with_settings = read_settings(&settings_file(&layers.config.node.data_dir))
            .and_then(|settings| Ok((layers.config_with(&settings)?, settings)));
        match with_settings {
            Ok((config, settings)) => (layers.config, layers.settings) = (config, settings),
            Err(reason) => layers.unusable = Some(format!("{reason:#}")),
        }
        Ok(layers)
    }

    /// Nothing but a configuration that the program has made itself.
    pub(crate) fn fixed(config: Config) -> Self {
        let empty = Table::new;
        Self {
            file: empty(),
            settings: empty(),
            environment: empty(),
            variables: BTreeMap::new(),
            arguments: empty(),
            config,
            unusable: None,
        }
    }

    /// All layers together.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The settings of the owner.
    pub(crate) fn settings(&self) -> &Table {
        &self.settings
    }

    /// Why the settings of the owner are not used.
    pub(crate) fn unusable_settings(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    /// All layers together with other settings of the owner.
    ///
    /// # Errors
    /// Where a key or value is wrong; the error names it.
    pub(crate) fn config_with(&self, settings: &Table) -> anyhow::Result<Config> {
        let mut merged = Table::new();
        for layer in [&self.file, settings, &self.environment, &self.arguments] {
            merge(&mut merged, layer)?;
        }
        Config::from_table(merged)
    }

    /// What sets a key, where the settings of the owner are these.
    pub(crate) fn source(&self, settings: &Table, section: &str, key: &str) -> SettingSource {
        let sets = |layer: &Table| layer.get(section).and_then(|section| section.get(key)).is_some();
        if sets(&self.environment) {
            SettingSource::Environment
        } else if sets(settings) {
            SettingSource::Settings
        } else if sets(&self.file) {
            SettingSource::File
        } else {
            SettingSource::Default
        }
    }

    /// The variable of the environment that sets a key such as `storage.quota`.
    pub(crate) fn variable(&self, key: &str) -> Option<&str> {
        self.variables.get(key).map(String::as_str)
    }
}

fn read_file(file: Option<&Path>) -> anyhow::Result<Table> {
    let (path, required) = match file {
        Some(path) => (path, true),
        None => (Path::new(SYSTEM_FILE), false),
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if !required && error.kind() == ErrorKind::NotFound => return Ok(Table::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read the configuration {}", path.display())),
    };
    text.parse().with_context(|| format!("the configuration {} is not valid TOML", path.display()))
}

fn read_settings(path: &Path) -> anyhow::Result<Table> {
    match fs::read_to_string(path) {
        Ok(text) => text.parse().context("not valid TOML"),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Table::new()),
        Err(error) => Err(error.into()),
    }
}

fn read_environment(
    environment: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<(Table, BTreeMap<String, String>)> {
    let (mut table, mut variables) = (Table::new(), BTreeMap::new());
    for (variable, value) in environment {
        let Some(path) = variable.strip_prefix(ENV_PREFIX) else { continue };
        let Some((section, key)) = path.split_once("__") else {
            bail!("environment variable {variable} names no key: write MESHSTREAM_SECTION__KEY, with two underscores");
        };
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        set(&mut table, &section, &key, &value).with_context(|| format!("environment variable {variable}"))?;
        variables.insert(format!("{section}.{key}"), variable);
    }
    Ok((table, variables))
}

/// Lays the keys of a layer over those of the ones before.
fn merge(merged: &mut Table, layer: &Table) -> anyhow::Result<()> {
    for (name, value) in layer {
        match value {
            Value::Table(keys) => section(merged, name)?.extend(keys.clone()),
            // No section: an error that names it comes of it.
            other => {
                merged.insert(name.clone(), other.clone());
            }
        }
    }
    Ok(())
}

/// Sets a key from a text: as TOML where it is that, else as a string, so that `10GiB` needs no quotes.
pub(crate) fn set(table: &mut Table, section_name: &str, key: &str, text: &str) -> anyhow::Result<()> {
    let parsed: Result<BTreeMap<String, Value>, _> = toml::from_str(&format!("value = {text}"));
    let value = match parsed {
        Ok(mut map) if map.len() == 1 => map.remove("value").unwrap_or_else(|| Value::String(text.to_owned())),
        _ => Value::String(text.to_owned()),
    };
    section(table, section_name)?.insert(key.to_owned(), value);
    Ok(())
}

/// A section of a table, made where it is missing.
pub(crate) fn section<'a>(table: &'a mut Table, name: &str) -> anyhow::Result<&'a mut Table> {
    match table.entry(name).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(section) => Ok(section),
        _ => bail!("configuration key {name} must be a section, written [{name}]"),
    }
}

#[cfg(test)]
mod tests {
    use bytesize::ByteSize;

    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
    }

    impl Fixture {
        fn new(file: &str, settings: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("meshstream.toml"), file).unwrap();
            fs::write(settings_file(dir.path()), settings).unwrap();
            Self { dir }
        }

        fn read(&self, environment: &[(&str, &str)]) -> anyhow::Result<Layers> {
            let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            Layers::read(Some(&self.dir.path().join("meshstream.toml")), environment, Some(self.dir.path()))
        }
    }

    #[test]
    fn settings_go_before_the_file_and_after_the_environment() {
        let file = "[storage]\nquota = \"2GiB\"\nreserve = \"1MiB\"\n[node]\nname = \"file\"";
        let fixture = Fixture::new(file, "[storage]\nquota = \"3GiB\"\n[node]\nname = \"settings\"");
        let layers = fixture.read(&[("MESHSTREAM_NODE__NAME", "environment")]).unwrap();
        let config = layers.config();
        assert_eq!((config.storage.quota, config.storage.reserve), (ByteSize::gib(3), ByteSize::mib(1)));
        assert_eq!(config.node.name, "environment");
        let source = |section, key| layers.source(layers.settings(), section, key);
        assert_eq!(source("node", "name"), SettingSource::Environment);
        assert_eq!(source("storage", "quota"), SettingSource::Settings);
        assert_eq!(source("storage", "reserve"), SettingSource::File);
        assert_eq!(source("storage", "max_files"), SettingSource::Default);
        assert_eq!(layers.variable("node.name"), Some("MESHSTREAM_NODE__NAME"));
        assert_eq!(layers.unusable_settings(), None);
    }

    #[test]
    fn the_data_directory_of_the_environment_is_where_settings_are() {
        let fixture = Fixture::new("", "[node]\nname = \"settings\"");
        let data_dir = fixture.dir.path().to_str().unwrap().to_owned();
        let environment = [("MESHSTREAM_NODE__DATA_DIR".to_owned(), data_dir)];
        let layers = Layers::read(Some(Path::new("/dev/null")), environment, None).unwrap();
        assert_eq!(layers.config().node.name, "settings");
    }

    #[test]
    fn settings_that_cannot_be_used_are_left_out_and_told_of() {
        for (settings, why) in [
            ("[storage", "not valid TOML"),
            ("[storage]\nquota = \"much\"", "storage.quota: not a size"),
            ("[storage]\nquoda = 1", "quoda"),
            ("storage = 1", "storage"),
            ("[node]\nname = \"\"", "node.name"),
        ] {
            let layers = Fixture::new("[node]\nname = \"file\"", settings).read(&[]).unwrap();
            assert_eq!(layers.config().node.name, "file", "{settings}");
            assert!(layers.unusable_settings().is_some_and(|reason| reason.contains(why)), "{layers:?}");
            assert!(layers.settings().is_empty());
        }
    }

    #[test]
    fn what_is_wrong_elsewhere_is_an_error_whatever_the_settings_are() {
        let fixture = Fixture::new("[node]\nname = \"\"", "[node]\nname = \"settings\"");
        assert!(fixture.read(&[]).unwrap_err().to_string().contains("node.name"));
    }
}
