//! `meshstream settings`: keys of the configuration that the node keeps itself, through the running node or, where none runs, in its
//! files; and `meshstream logs`.

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use stream_model::{LogLine, Setting, SettingEffect, SettingSource, Settings as _};

use super::Output;
use super::show::{print_json, when};
use crate::config::Layers;
use crate::control::{Client, Connection};
use crate::data_dir::DataDir;
use crate::output::print;
use crate::settings::SettingsFile;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what can be set
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Set a key; the configuration file stays as it is, and comes after this
    Set {
        /// The key, such as storage.quota
        key: String,
        /// The value, such as 20GiB
        value: String,
        #[command(flatten)]
        output: Output,
    },
    /// Forget what was set for a key: the configuration file counts again
    Unset {
        /// The key
        key: String,
        #[command(flatten)]
        output: Output,
    },
}

/// The running node, or the files of one that does not run.
enum Settings {
    Node(Client),
    Files(Box<SettingsFile>, #[expect(dead_code, reason = "holds the lock")] DataDir),
}

impl Settings {
    async fn open(layers: Layers) -> anyhow::Result<Self> {
        let path = layers.config().node.data_dir.clone();
        match Client::connect(&path).await? {
            Connection::Running(client) => Ok(Self::Node(client)),
            Connection::NotRunning => {
                let data_dir = DataDir::lock(&path)?;
                Ok(Self::Files(Box::new(SettingsFile::open(layers)), data_dir))
            }
        }
    }

    async fn list(&self) -> anyhow::Result<Vec<Setting>> {
        match self {
            Self::Node(client) => client.get("/control/settings").await,
            Self::Files(file, _) => Ok(file.list().await?),
        }
    }

    async fn set(&self, key: &str, value: &str) -> anyhow::Result<Setting> {
        match self {
            Self::Node(client) => client.put_for(&path(key), &serde_json::json!({ "value": value })).await,
            Self::Files(file, _) => Ok(file.set(key, value).await?),
        }
    }

    async fn unset(&self, key: &str) -> anyhow::Result<Setting> {
        match self {
            Self::Node(client) => client.delete_for(&path(key)).await,
            Self::Files(file, _) => Ok(file.unset(key).await?),
        }
    }

    /// Whether a change waits for a running node.
    fn runs(&self) -> bool {
        matches!(self, Self::Node(_))
    }
}

/// A key that is none is refused by the node, whatever is in it.
fn path(key: &str) -> String {
    let key: String = key.chars().filter(|char| char.is_ascii_alphanumeric() || "._-".contains(*char)).collect();
    format!("/control/settings/{key}")
}

pub(crate) async fn run(layers: Layers, command: Command) -> anyhow::Result<()> {
    let settings = Settings::open(layers).await?;
    match command {
        Command::List { output } => {
            let all = settings.list().await?;
            if output.json { print_json(&all) } else { print(|out| write_list(out, &all)) }
        }
        Command::Set { key, value, output } => told(&settings.set(&key, &value).await?, settings.runs(), output),
        Command::Unset { key, output } => told(&settings.unset(&key).await?, settings.runs(), output),
    }
}

fn told(setting: &Setting, runs: bool, output: Output) -> anyhow::Result<()> {
    if output.json {
        return print_json(setting);
    }
    print(|out| {
        write_one(out, setting)?;
        match setting.effect {
            _ if !runs => {}
            _ if setting.waits() => {
                let value = or_none(setting.value.as_deref());
                writeln!(out, "The node runs with {value} until it is started again: systemctl restart meshstream")?;
            }
            SettingEffect::AtOnce => writeln!(out, "It is in effect now.")?,
            SettingEffect::AfterRestart => {}
        }
        Ok(())
    })
}

fn or_none(value: Option<&str>) -> &str {
    value.filter(|value| !value.is_empty()).unwrap_or("nothing")
}

fn write_list(out: &mut dyn Write, all: &[Setting]) -> io::Result<()> {
    all.iter().try_for_each(|setting| write_one(out, setting))?;
    if all.iter().any(Setting::waits) {
        writeln!(out, "What waits takes effect when the node is started again.")?;
    }
    Ok(())
}

fn write_one(out: &mut dyn Write, setting: &Setting) -> io::Result<()> {
    let source = match setting.source {
        SettingSource::Default => "default",
        SettingSource::File => "configuration file",
        SettingSource::Settings => "set here",
        SettingSource::Environment => "environment",
    };
    let waits = if setting.waits() { ", waits" } else { "" };
    writeln!(out, "{:<28}{}  ({source}{waits})", setting.key, or_none(setting.next.as_deref()))
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Lines of this level and above
    #[arg(long, value_enum, default_value = "info")]
    level: Level,
    /// How many, the newest
    #[arg(long, default_value_t = 100)]
    lines: u64,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

pub(crate) async fn logs(layers: &Layers, logs: Logs) -> anyhow::Result<()> {
    let client = Client::require(&layers.config().node.data_dir).await?;
    let level = format!("{:?}", logs.level).to_lowercase();
    let lines: Vec<LogLine> = client.get(&format!("/control/logs?level={level}&limit={}", logs.lines)).await?;
    if logs.output.json {
        return print_json(&lines);
    }
    print(|out| {
        lines.iter().try_for_each(|line| {
            let level = format!("{:?}", line.level).to_uppercase();
            writeln!(out, "{} {level:>5} {}: {}", when(line.time), line.target, line.text)
        })
    })
}
