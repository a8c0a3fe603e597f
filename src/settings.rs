//! What the owner can set without a text editor: keys of the configuration, in a file of their own in the data directory.

use std::path::PathBuf;

use async_trait::async_trait;
use player_web::GatewayReach;
use stream_model::{Location, Setting, SettingEffect, SettingForm, SettingSource, Settings, SettingsError};
use streamer::playback::Mirror;
use tokio::sync::Mutex;
use toml::{Table, Value};
use tracing::warn;

use crate::config::{Config, Layers, Rate, in_units, layers};
use crate::data_dir::settings_file;
use crate::durable;
use crate::in_effect::InEffect;

/// Most characters of a value: a name of 100 characters, or an address.
const MAX_VALUE_CHARS: usize = 500;

const HEADER: &str = "# Written by meshstream, from the owner's pages and 'meshstream settings'.\n\n";

/// A key that can be set.
struct Key {
    section: &'static str,
    name: &'static str,
    form: fn() -> SettingForm,
    read: fn(&Config) -> Option<String>,
    /// Hands it to the part of a running node that goes by it; without this it is read when the node starts.
    apply: Option<fn(&InEffect, &Config)>,
}

/// Those that an owner sets without knowing where files and sockets are, and that cannot lock anybody out.
static KEYS: [Key; 16] = [
    key("node", "name", text, |config| Some(config.node.name.clone())),
    key("node", "location", || SettingForm::Location, |config| config.node.location.map(place))
        .at_once(|node, config| node.stand_at(config.node.location)),
    key(
        "ingest",
        "grace",
        || SettingForm::Duration,
        |config| Some(humantime::format_duration(config.ingest.grace).to_string()),
    )
    .at_once(|node, config| node.wait_for_publishers(config.ingest.grace)),
    key("archive", "keep", switch, |config| Some(config.archive.keep.to_string()))
        .at_once(|node, config| node.keep_archives(config.archive.keep)),
    key("archive", "honour_withdrawals", switch, |config| Some(config.archive.honour_withdrawals.to_string()))
        .at_once(|node, config| node.honour_withdrawals(config.archive.honour_withdrawals)),
    key("storage", "quota", size, |config| Some(in_units(config.storage.quota)))
        .at_once(|node, config| node.quota(config.storage.quota.as_u64())),
    key("storage", "max_files", number, |config| Some(config.storage.max_files.to_string()))
        .at_once(|node, config| node.max_files(config.storage.max_files)),
    key("storage", "reserve", size, |config| Some(in_units(config.storage.reserve)))
        .at_once(|node, config| node.reserve(config.storage.reserve.as_u64())),
    key("ssb", "hops", number, |config| Some(config.ssb.hops.to_string()))
        .at_once(|node, config| node.reach_for(config.ssb.hops)),
    key("ssb", "announce_post", switch, |config| Some(config.ssb.announce_post.to_string()))
        .at_once(|node, config| node.start_posts(|posts| posts.told = config.ssb.announce_post)),
    key("web", "public_url", text, |config| Some(config.web.public_url.clone()))
        .at_once(|node, config| node.start_posts(|posts| posts.public_url.clone_from(&config.web.public_url))),
    key(
        "web",
        "gateway",
        || choice(&["known", "open"]),
        |config| {
            Some(match config.web.gateway {
                GatewayReach::Known => "known".to_owned(),
                GatewayReach::Open => "open".to_owned(),
            })
        },
    )
    .at_once(|node, config| node.open_gateway(config.web.gateway)),
    key(
        "mesh",
        "mirror",
        || choice(&["none", "watched", "followed", "all"]),
        |config| {
            Some(match config.mesh.mirror {
                Mirror::None => "none".to_owned(),
                Mirror::Watched => "watched".to_owned(),
                Mirror::Followed => "followed".to_owned(),
                Mirror::All => "all".to_owned(),
            })
        },
    )
    .at_once(|node, config| node.mirror(config.mesh.mirror)),
    key("mesh", "tell_links", switch, |config| Some(config.mesh.tell_links.to_string()))
        .at_once(|node, config| node.tell_links(config.mesh.tell_links)),
    key("mesh", "max_upload", || SettingForm::Rate, |config| config.mesh.max_upload.map(|rate| rate.to_string()))
        .at_once(|node, config| {
            node.upload(|upload| upload.total = config.mesh.max_upload.map(Rate::bytes_per_second));
        }),
    key(
        "mesh",
        "max_upload_per_peer",
        || SettingForm::Rate,
        |config| config.mesh.max_upload_per_peer.map(|rate| rate.to_string()),
    )
    .at_once(|node, config| {
        node.upload(|upload| upload.per_peer = config.mesh.max_upload_per_peer.map(Rate::bytes_per_second));
    }),
];

const fn key(
    section: &'static str,
    name: &'static str,
    form: fn() -> SettingForm,
    read: fn(&Config) -> Option<String>,
) -> Key {
    Key { section, name, form, read, apply: None }
}

impl Key {
    const fn at_once(self, apply: fn(&InEffect, &Config)) -> Self {
        Self { apply: Some(apply), ..self }
    }
}

fn text() -> SettingForm {
    SettingForm::Text
}

fn switch() -> SettingForm {
    SettingForm::Switch
}

fn number() -> SettingForm {
    SettingForm::Number
}

fn size() -> SettingForm {
    SettingForm::Size
}

fn choice(of: &[&str]) -> SettingForm {
    SettingForm::Choice { of: of.iter().map(|word| (*word).to_owned()).collect() }
}

/// A place as the configuration has it.
fn place(location: Location) -> String {
    Value::try_from(location).map(|value| value.to_string()).unwrap_or_default()
}

/// When a change of a key takes effect while the node runs; `None` for those that are not set in the node.
pub(crate) fn effect(section: &str, name: &str) -> Option<SettingEffect> {
    let key = KEYS.iter().find(|key| (key.section, key.name) == (section, name))?;
    Some(if key.apply.is_some() { SettingEffect::AtOnce } else { SettingEffect::AfterRestart })
}

/// The settings of a node.
pub(crate) struct SettingsFile {
    path: PathBuf,
    layers: Layers,
    /// What runs by them, where the node runs.
    node: Option<InEffect>,
    /// What was set last; the layers have what was set when the node started.
    settings: Mutex<Table>,
}

impl SettingsFile {
    /// Takes the settings as they were read. A file that cannot be used is set aside: it must not keep the node from starting.
    pub(crate) fn open(layers: Layers) -> Self {
        let path = settings_file(&layers.config().node.data_dir);
        if let Some(reason) = layers.unusable_settings() {
            let aside = durable::set_aside(&path).map(|aside| aside.display().to_string());
            let aside = aside.unwrap_or_else(|error| format!("nowhere: {error}"));
            warn!(file = %path.display(), reason, %aside, "the settings cannot be used and are set aside: the node runs without them");
        }
        let settings = Mutex::new(layers.settings().clone());
        Self { path, layers, node: None, settings }
    }

    /// Has a node that runs go by what is set from now on, where it can.
    pub(crate) fn for_node(self, node: InEffect) -> Self {
        Self { node: Some(node), ..self }
    }

    fn setting(&self, key: &Key, settings: &Table, next: &Config) -> Setting {
        let source = self.layers.source(settings, key.section, key.name);
        let next = (key.read)(self.counts(key, settings, next));
        let (effect, value) = match (&self.node, key.apply) {
            (Some(_), Some(_)) => (SettingEffect::AtOnce, next.clone()),
            _ => (SettingEffect::AfterRestart, (key.read)(self.layers.config())),
        };
        Setting { key: format!("{}.{}", key.section, key.name), value, next, source, effect, form: (key.form)() }
    }

    /// The configuration in which a key has the value that counts. What nobody has set stays as it is, also where the program
    /// runs with a configuration that it has made itself.
    fn counts<'a>(&'a self, key: &Key, settings: &Table, next: &'a Config) -> &'a Config {
        let nobody = self.layers.source(settings, key.section, key.name) == SettingSource::Default;
        if nobody && !self.was_set(key) { self.layers.config() } else { next }
    }

    /// Whether the node started with a value that somebody had set.
    fn was_set(&self, key: &Key) -> bool {
        self.layers.source(self.layers.settings(), key.section, key.name) != SettingSource::Default
    }

    /// Changes the settings, checks them as the configuration is, and writes them down.
    async fn change(
        &self,
        key: &'static Key,
        change: impl FnOnce(&mut Table) -> anyhow::Result<()> + Send,
    ) -> Result<Setting, SettingsError> {
        let mut settings = self.settings.lock().await;
        let mut changed = settings.clone();
        change(&mut changed).map_err(invalid)?;
        let next = self.layers.config_with(&changed).map_err(invalid)?;
        let text = toml::to_string(&changed).map_err(|error| SettingsError::Storage(error.to_string()))?;
        let path = self.path.clone();
        let written =
            tokio::task::spawn_blocking(move || durable::replace(&path, (HEADER.to_owned() + &text).as_bytes()));
        let written = written.await.map_err(|error| SettingsError::Storage(error.to_string()))?;
        written.map_err(|error| SettingsError::Storage(error.to_string()))?;
        *settings = changed;
        if let (Some(node), Some(apply)) = (&self.node, key.apply) {
            apply(node, self.counts(key, &settings, &next));
        }
        Ok(self.setting(key, &settings, &next))
    }

    fn find(&self, name: &str) -> Result<&'static Key, SettingsError> {
        let is_it = |key: &&Key| name.split_once('.') == Some((key.section, key.name));
        KEYS.iter().find(is_it).ok_or_else(|| SettingsError::UnknownKey(name.chars().take(MAX_VALUE_CHARS).collect()))
    }
}

fn invalid(error: anyhow::Error) -> SettingsError {
    SettingsError::Invalid(format!("{error:#}"))
}

#[async_trait]
impl Settings for SettingsFile {
    async fn list(&self) -> Result<Vec<Setting>, SettingsError> {
        let settings = self.settings.lock().await;
        let next = self.layers.config_with(&settings).map_err(invalid)?;
        Ok(KEYS.iter().map(|key| self.setting(key, &settings, &next)).collect())
    }

    async fn set(&self, name: &str, value: &str) -> Result<Setting, SettingsError> {
        let key = self.find(name)?;
        if let Some(variable) = self.layers.variable(name) {
            return Err(SettingsError::Overridden { key: name.to_owned(), variable: variable.to_owned() });
        }
        if value.chars().count() > MAX_VALUE_CHARS || value.chars().any(char::is_control) {
            return Err(SettingsError::Invalid(format!(
                "configuration key {name}: must be one line of at most {MAX_VALUE_CHARS} characters"
            )));
        }
        let set = |settings: &mut Table| match (key.form)() {
            // These are no strings in TOML.
            SettingForm::Number | SettingForm::Switch | SettingForm::Location => {
                layers::set(settings, key.section, key.name, value)
            }
            _ => {
                let value = Value::String(value.trim().to_owned());
                layers::section(settings, key.section)?.insert(key.name.to_owned(), value);
                Ok(())
            }
        };
        self.change(key, set).await
    }

    async fn unset(&self, name: &str) -> Result<Setting, SettingsError> {
        let key = self.find(name)?;
        let unset = |settings: &mut Table| {
            let section = layers::section(settings, key.section)?;
            section.remove(key.name);
            if section.is_empty() {
                settings.remove(key.section);
            }
            Ok(())
        };
        self.change(key, unset).await
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
    }

    impl Fixture {
        fn new(file: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("meshstream.toml"), file).unwrap();
            Self { dir }
        }

        fn start(&self, environment: &[(&str, &str)]) -> SettingsFile {
            let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let file = self.dir.path().join("meshstream.toml");
            SettingsFile::open(Layers::read(Some(&file), environment, Some(self.dir.path())).unwrap())
        }
    }

    async fn of(settings: &SettingsFile, key: &str) -> Setting {
        settings.list().await.unwrap().into_iter().find(|setting| setting.key == key).unwrap()
    }

    #[tokio::test]
    async fn what_is_set_waits_for_a_restart_and_outlives_it() {
        let fixture = Fixture::new("[storage]\nquota = \"2GiB\"");
        let settings = fixture.start(&[]);
        let before = of(&settings, "storage.quota").await;
        assert_eq!((before.value.as_deref(), before.source), (Some("2GiB"), SettingSource::File));
        assert!(!before.waits());
        let set = settings.set("storage.quota", "3 GiB").await.unwrap();
        assert_eq!((set.value.as_deref(), set.next.as_deref()), (Some("2GiB"), Some("3GiB")));
        assert_eq!(set.source, SettingSource::Settings);
        assert!(set.waits());

        let again = fixture.start(&[]);
        let after = of(&again, "storage.quota").await;
        assert_eq!((after.value.as_deref(), after.waits()), (Some("3GiB"), false));
        let unset = again.unset("storage.quota").await.unwrap();
        assert_eq!((unset.next.as_deref(), unset.source), (Some("2GiB"), SettingSource::File));
        assert_eq!(of(&fixture.start(&[]), "storage.quota").await.value.as_deref(), Some("2GiB"));
    }

    #[tokio::test]
    async fn every_value_that_is_shown_can_be_set() {
        let fixture = Fixture::new("[mesh]\nmax_upload = \"1.5 Mbit/s\"");
        let settings = fixture.start(&[]);
        settings.set("node.location", "{ latitude = 43.65, longitude = -79.38, altitude_m = 76 }").await.unwrap();
        settings.set("mesh.max_upload_per_peer", "8 Mbit/s").await.unwrap();
        settings.set("node.name", "12").await.unwrap();
        let before = fixture.start(&[]).list().await.unwrap();
        for setting in &before {
            let value = setting.value.as_deref().unwrap();
            settings.set(&setting.key, value).await.unwrap_or_else(|error| panic!("{}: {error}", setting.key));
        }
        let after = fixture.start(&[]).list().await.unwrap();
        for (before, after) in before.iter().zip(&after) {
            assert_eq!((&before.key, &before.value), (&after.key, &after.value));
            assert_eq!(after.source, SettingSource::Settings);
        }
        assert_eq!(after[0].value.as_deref(), Some("12"));
    }

    #[tokio::test]
    async fn what_is_no_value_or_no_key_is_refused_by_name_and_changes_nothing() {
        let fixture = Fixture::new("");
        let settings = fixture.start(&[]);
        for (key, value) in [
            ("storage.quota", "much"),
            ("storage.max_files", "-1"),
            ("mesh.mirror", "some"),
            ("mesh.max_upload", "10"),
            ("node.location", "home"),
            ("node.name", ""),
            ("node.name", "a\nb"),
            ("web.public_url", "ftp://x"),
            ("archive.keep", "perhaps"),
        ] {
            let error = settings.set(key, value).await.unwrap_err().to_string();
            assert!(error.contains(key), "{key} = {value}: {error}");
        }
        for key in ["node.data_dir", "web.listen", "storage", "", "storage.quota.x"] {
            assert!(matches!(settings.set(key, "1").await, Err(SettingsError::UnknownKey(_))), "{key}");
        }
        assert!(!settings_file(fixture.dir.path()).exists());
    }

    #[tokio::test]
    async fn what_the_environment_sets_is_not_set_here() {
        let fixture = Fixture::new("");
        let settings = fixture.start(&[("MESHSTREAM_STORAGE__QUOTA", "5GiB")]);
        let shown = of(&settings, "storage.quota").await;
        assert_eq!((shown.value.as_deref(), shown.source), (Some("5GiB"), SettingSource::Environment));
        let error = settings.set("storage.quota", "6GiB").await.unwrap_err().to_string();
        assert!(error.contains("MESHSTREAM_STORAGE__QUOTA"), "{error}");
    }

    #[tokio::test]
    async fn a_broken_file_is_set_aside_and_the_node_starts() {
        let fixture = Fixture::new("");
        let path = settings_file(fixture.dir.path());
        fs::write(&path, "[storage]\nquota = \"much\"").unwrap();
        let settings = fixture.start(&[]);
        assert_eq!(of(&settings, "storage.quota").await.source, SettingSource::Default);
        assert!(Path::new(&fixture.dir.path().join("settings.toml.broken")).exists());
        settings.set("storage.quota", "6GiB").await.unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("6GiB"));
    }

    #[tokio::test]
    async fn a_configuration_that_the_program_made_is_shown_as_it_is() {
        let fixture = Fixture::new("");
        let mut config = Config::default();
        config.node.name = "publisher".to_owned();
        config.node.data_dir = fixture.dir.path().to_owned();
        let settings = SettingsFile::open(Layers::fixed(config));
        let name = of(&settings, "node.name").await;
        assert_eq!((name.value.as_deref(), name.waits()), (Some("publisher"), false));
    }
}
