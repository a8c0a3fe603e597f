//! What the owner can set without a text editor, and the port to do so (implemented by the program).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Where the value of a setting comes from. What is further down in this list goes before what is further up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingSource {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File,
    /// The owner, with [`Settings::set`].
    Settings,
    /// The environment of the node's process.
    Environment,
}

/// When a change of a setting takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingEffect {
    /// As soon as it is set.
    AtOnce,
    /// With the node's next start.
    AfterRestart,
}

/// What a value looks like, for who asks for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum SettingForm {
    /// A line of text.
    Text,
    /// A size such as `10GiB`.
    Size,
    /// A rate such as `8 Mbit/s`.
    Rate,
    /// A duration such as `60s`.
    Duration,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Choice {
        /// The words.
        of: Vec<String>,
    },
    /// A place such as `{ latitude = 43.65, longitude = -79.38 }`.
    Location,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its key in the configuration: `storage.quota`.
    pub key: String,
    /// The value with which the node runs, as a text that [`Settings::set`] takes; `None` where the key has no value.
    pub value: Option<String>,
    /// The value with which it would start now: another than `value` where a change waits for a restart.
    pub next: Option<String>,
    /// Where `next` comes from.
    pub source: SettingSource,
    /// When a change takes effect.
    pub effect: SettingEffect,
    /// What values look like.
    #[serde(flatten)]
    pub form: SettingForm,
}

impl Setting {
    /// Whether a change waits for a restart.
    pub fn waits(&self) -> bool {
        self.value != self.next
    }
}

/// Why a setting was not set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The key is none, or one that only the configuration file sets.
    #[error(
        "{0} is no key that can be set here: 'meshstream settings list' shows those, others are set in the configuration file"
    )]
    UnknownKey(String),
    /// The value is none for the key. Names the key.
    #[error("{0}")]
    Invalid(String),
    /// The environment says otherwise, and goes before.
    #[error("{key} is set by the environment variable {variable}, which goes before: change it there")]
    Overridden {
        /// The key.
        key: String,
        /// The variable.
        variable: String,
    },
    /// The file could not be written or read.
    #[error("cannot use the settings file: {0}")]
    Storage(String),
}

/// Keeps what the owner sets: after the defaults and the configuration file, before the environment and the arguments. Values are
/// checked as those of the configuration are. Outlives restarts.
#[async_trait]
pub trait Settings: Send + Sync {
    /// All that can be set here, in the order of the configuration.
    async fn list(&self) -> Result<Vec<Setting>, SettingsError>;

    /// Sets a key, and tells how it stands then.
    async fn set(&self, key: &str, value: &str) -> Result<Setting, SettingsError>;

    /// Forgets what was set for a key here, and tells how it stands then.
    async fn unset(&self, key: &str) -> Result<Setting, SettingsError>;
}
