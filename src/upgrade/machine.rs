//! The machine that is upgraded: packages, the service, and whether the node serves.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use release::Version;
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::package::{self, Fields};
use super::record::Schemas;
use super::schemas;
use crate::control::{Client, Connection};

/// The service that runs the node.
const SERVICE: &str = "meshstream.service";

/// A start migrates databases and checks what is stored after a power failure; a node that needs longer is taken for broken.
const PATIENCE: Duration = Duration::from_secs(300);
/// A program that ends again and again is up for a moment each time: it has to stay up for longer than systemd waits before a start.
const STEADY: Duration = Duration::from_secs(12);
/// Ends of the program after which it is taken for broken without waiting on.
const MANY_ENDS: u64 = 5;
/// How often it is asked.
const LOOK: Duration = Duration::from_secs(1);

/// Which way a package is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Back,
}

/// What an upgrade does to a machine, and asks it.
#[async_trait]
pub(crate) trait Machine: Send + Sync {
    /// The version of the package that is installed.
    fn installed(&self) -> anyhow::Result<Version>;

    /// What a package file is.
    fn fields(&self, file: &Path) -> anyhow::Result<Fields>;

    /// How packages for this machine are called.
    fn architecture(&self) -> anyhow::Result<String>;

    /// Installs a package file and has the service run it.
    async fn install(&self, file: &Path, direction: Direction) -> anyhow::Result<()>;

    /// Brings to its end what dpkg had begun when the power failed.
    async fn repair(&self) -> anyhow::Result<()>;

    /// Stops the service, so that its databases are closed.
    async fn stop(&self) -> anyhow::Result<()>;

    /// Starts the service.
    async fn start(&self) -> anyhow::Result<()>;

    /// The schemas of the node's databases.
    fn schemas(&self) -> anyhow::Result<Schemas>;

    /// Waits until the node serves and goes on to; fails with what is wrong where it does not in time.
    async fn serves(&self) -> anyhow::Result<()>;
}

/// A machine with Debian, or what is made of it.
#[derive(Debug, Clone)]
pub(crate) struct Debian {
    pub(crate) data_dir: PathBuf,
}

#[async_trait]
impl Machine for Debian {
    fn installed(&self) -> anyhow::Result<Version> {
        package::installed().context(
            "the package meshstream is not installed here: upgrades replace a package (see /usr/share/doc/meshstream/install.md)",
        )
    }

    fn fields(&self, file: &Path) -> anyhow::Result<Fields> {
        Fields::of(file)
    }

    fn architecture(&self) -> anyhow::Result<String> {
        package::architecture().context("dpkg does not say which architecture this machine has")
    }

    async fn install(&self, file: &Path, direction: Direction) -> anyhow::Result<()> {
        let mut apt = command("apt-get");
        apt.args(["install", "--yes", "--quiet", "--no-install-recommends", "--no-remove"]);
        // What the owner has written stays, and nobody is asked. Another apt may be at work.
        apt.args(["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]);
        apt.args(["-o", "DPkg::Lock::Timeout=120", "-o", "APT::Sandbox::User=root"]);
        if direction == Direction::Back {
            apt.args(["--allow-downgrades", "--allow-change-held-packages", "--fix-broken"]);
        }
        run(apt.arg(file)).await.map(drop)
    }

    async fn repair(&self) -> anyhow::Result<()> {
        let mut dpkg = command("dpkg");
        dpkg.args(["--force-confdef", "--force-confold", "--configure", "--pending"]);
        if let Err(error) = run(&mut dpkg).await {
            // A package that cannot be configured is what is gone back from.
            tracing::warn!(%error, "dpkg cannot bring to its end what it had begun");
        }
        Ok(())
    }

    async fn stop(&self) -> anyhow::Result<()> {
        run(command("systemctl").args(["stop", SERVICE])).await.map(drop)
    }

    async fn start(&self) -> anyhow::Result<()> {
        // Whether it comes up is seen afterwards; a start that fails is repeated by systemd.
        run(command("systemctl").args(["start", "--no-block", SERVICE])).await.map(drop)
    }

    fn schemas(&self) -> anyhow::Result<Schemas> {
        schemas::read_as_owner(&self.data_dir)
    }

    async fn serves(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let before = self.restarts().await?;
        // The process that has served since then.
        let mut steady: Option<(String, Instant)> = None;
        loop {
            if self.restarts().await? >= before + MANY_ENDS {
                bail!("the program ends again and again");
            }
            let trouble = match self.look().await {
                Ok(process) => {
                    let since = match steady.take() {
                        Some((before, since)) if before == process => since,
                        _ => Instant::now(),
                    };
                    if since.elapsed() >= STEADY {
                        return Ok(());
                    }
                    steady = Some((process, since));
                    None
                }
                Err(error) => {
                    steady = None;
                    Some(error)
                }
            };
            if begun.elapsed() >= PATIENCE {
                let trouble =
                    trouble.map_or_else(|| "it is started anew again and again".to_owned(), |why| format!("{why:#}"));
                bail!("the node did not serve within {} minutes: {trouble}", PATIENCE.as_secs() / 60);
            }
            sleep(LOOK).await;
        }
    }
}

impl Debian {
    /// How often systemd has started the program anew by itself, since somebody has told it to.
    async fn restarts(&self) -> anyhow::Result<u64> {
        let shown = run(command("systemctl").args(["show", SERVICE, "--property=NRestarts", "--value"])).await?;
        shown.trim().parse().context("systemd does not say how often the service was started")
    }

    /// The process that serves now.
    async fn look(&self) -> anyhow::Result<String> {
        let shown = run(command("systemctl").args(["show", SERVICE, "--property=ActiveState,MainPID"])).await?;
        if !shown.lines().any(|line| line == "ActiveState=active") {
            let state = shown.lines().find_map(|line| line.strip_prefix("ActiveState=")).unwrap_or("unknown");
            bail!("the service is {state}: 'journalctl --unit meshstream' says why");
        }
        let process = shown.lines().find_map(|line| line.strip_prefix("MainPID=")).filter(|pid| *pid != "0");
        let process = process.context("the service has no process")?.to_owned();
        let Connection::Running(client) = Client::connect(&self.data_dir).await? else {
            bail!("nothing listens at the node's control socket");
        };
        let report: Value = client.get("/api/v1/node").await.context("the node does not say how it is")?;
        if !report["node"]["version"].is_string() {
            bail!("the node does not say who it is");
        }
        client.open("/healthz").await.context("the node says that it does not serve")?;
        Ok(process)
    }
}

/// A program of the system, found and asked as if nobody had set anything.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.envs([("LC_ALL", "C.UTF-8"), ("DEBIAN_FRONTEND", "noninteractive"), ("NEEDRESTART_SUSPEND", "1")]);
    command.stdin(Stdio::null()).current_dir("/");
    command
}

async fn run(command: &mut Command) -> anyhow::Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let answer = command.output().await.with_context(|| format!("cannot run {program}"))?;
    if !answer.status.success() {
        let said = [answer.stdout, answer.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        // The last lines say what went wrong.
        let last: Vec<&str> = said.lines().rev().take(12).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("{program} failed ({}):\n{}", answer.status, last.join("\n"));
    }
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

/// Whether a node publishes, by what it says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Publishing {
    publishing: Vec<Value>,
}

impl Publishing {
    pub(crate) fn is_live(&self) -> bool {
        !self.publishing.is_empty()
    }
}
