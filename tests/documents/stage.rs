//! A machine for the commands of a page: directories that stand for those of a system, and a node that runs in them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::Node;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::table::{FILLED, Value};
use crate::words::{has_word, replace_words, within};
use crate::world::{World, broadcast_once, film};
use crate::{MESHSTREAM, ROOT};

/// Against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(180);

/// Directories that a page's paths begin with. They are made below the stage.
const SYSTEM: [&str; 6] = ["/boot/", "/etc/", "/media/", "/root/", "/srv/", "/usr/local/bin/"];
/// What is in them on a machine that has the packages that the pages name.
const THERE: [&str; 12] = [
    "bin",
    "boot/firmware",
    "etc/default",
    "etc/dnsmasq.d",
    "etc/meshstream",
    "etc/prometheus",
    "etc/systemd/system",
    "home",
    "media/stick",
    "media/usb",
    "srv",
    "usr/local/bin",
];

/// The commands' machine. Nodes on it end with it.
pub(crate) struct Stage<'a> {
    world: &'a World,
    page: String,
    root: TempDir,
    /// The directory that commands are typed in.
    place: PathBuf,
    node: Option<Node>,
    /// Whether it was stopped, for its identity to be used elsewhere.
    stopped: bool,
    /// What publishes to it, where a page asks for a broadcast that is live.
    publisher: Option<Ffmpeg>,
    live: Option<String>,
    over: Option<String>,
    /// What the commands printed.
    printed: String,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(page: &str, world: &'a World) -> Result<Self> {
        let root = tempfile::tempdir()?;
        for directory in THERE {
            fs::create_dir_all(root.path().join(directory))?;
        }
        let stage = Self {
            world,
            page: page.to_owned(),
            place: root.path().to_owned(),
            root,
            node: None,
            stopped: false,
            publisher: None,
            live: None,
            over: None,
            printed: String::new(),
        };
        stage.program(
            "sudo",
            "while case $1 in -*) ;; *) false ;; esac; do case $1 in -u | -g) shift ;; esac; shift; done\nexec \"$@\"",
        )?;
        stage.program("meshstream", &format!("exec '{MESHSTREAM}' --config \"$READER_CONFIG\" \"$@\""))?;
        Ok(stage)
    }

    fn program(&self, name: &str, script: &str) -> Result<()> {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Goes where a reader types the commands of the next block: into the repository, or beside the page of a folder to be deployed.
    pub(crate) fn enter_block(&mut self) -> Result<()> {
        let repository = self.path("repository");
        if !repository.exists() {
            // Copies: commands write into them.
            for folder in ["deploy", "hardware", "scripts"] {
                copy(&Path::new(ROOT).join(folder), &repository.join(folder))?;
            }
        }
        let beside = Path::new(&self.page).parent().filter(|folder| folder.starts_with("deploy"));
        self.place = beside.map_or(repository.clone(), |folder| repository.join(folder));
        Ok(())
    }

    /// The node, which runs from when it is needed first.
    async fn node(&mut self) -> Result<&Node> {
        if self.stopped {
            self.node.as_mut().context("no node")?.restart().await?;
            self.stopped = false;
        }
        if self.node.is_none() {
            let node = self.world.reader("reader").await?;
            // So that commands on others' broadcasts can be given at once.
            Events::of(&node).await?.archived(&node, &self.world.over).await?;
            self.node = Some(node);
        }
        self.node.as_ref().context("no node")
    }

    async fn stop_node(&mut self) -> Result<()> {
        self.node().await?;
        let node = self.node.as_mut().context("no node")?;
        ensure!(node.terminate().await?.success(), "the node did not end cleanly");
        self.stopped = true;
        Ok(())
    }

    /// Puts what a reader would into the command: addresses, paths, and the words of [`FILLED`].
    pub(crate) async fn fill(&mut self, page: &str, text: &str, used: &mut BTreeSet<String>) -> Result<String> {
        let mut filled = text.to_owned();
        for (at, beginning, word, value) in FILLED {
            if *at != page || !text.starts_with(beginning) || !has_word(&filled, word) {
                continue;
            }
            used.insert(format!("FILLED: {at}: {beginning}: {word}"));
            let value = self.value(*value).await?;
            filled = replace_words(&filled, word, &value);
        }
        if filled.contains("NODE:1935") {
            let address = self.node().await?.rtmp_address();
            filled = filled.replace("NODE:1935", &address);
        }
        if filled.contains("http://10.0.0.2:8080") {
            let address = self.node().await?.web();
            filled = filled.replace("http://10.0.0.2:8080", &address);
        }
        if filled.contains("/srv/talk.mp4") {
            film(&self.path("srv/talk.mp4")).await?;
        }
        if filled.contains("poster.png") {
            let (status, said) = Ffmpeg::draw(&self.place.join("poster.png"))?.ended().await?;
            ensure!(status.success(), "ffmpeg drew nothing: {said}");
        }
        Ok(self.on_stage(&filled))
    }

    /// Leads the paths of the system to the stage.
    fn on_stage(&self, text: &str) -> String {
        let text = text.replace("target/release/meshstream", "meshstream");
        SYSTEM.iter().fold(text, |text, directory| within(self.root.path(), &text, directory))
    }

    async fn value(&mut self, value: Value) -> Result<String> {
        Ok(match value {
            Value::Text(text) => text.to_owned(),
            Value::Others => {
                self.node().await?;
                self.world.over.clone()
            }
            Value::Feed => self.world.other.status()["node"]["feed"].as_str().context("no feed")?.to_owned(),
            Value::KeyOf(name) => self.key(name).await?,
            Value::Live => self.live().await?,
            Value::Over => match self.over.clone() {
                Some(over) => over,
                None => {
                    let over = broadcast_once(self.node().await?).await?;
                    self.over.insert(over).clone()
                }
            },
            Value::Post => {
                let post = self
                    .printed
                    .split_whitespace()
                    .rev()
                    .find(|word| word.starts_with('%') && word.contains(".sha256"));
                post.context("no post was printed before")?.trim_end_matches(['.', ',']).to_owned()
            }
        })
    }

    /// The key that the page made for a stream name, else a new one.
    async fn key(&mut self, name: &str) -> Result<String> {
        let marked = format!("{name}?key=");
        if let Some((_, key)) = self.printed.rsplit_once(&marked) {
            return Ok(key.chars().take_while(char::is_ascii_hexdigit).collect());
        }
        let key = self.node().await?.add_key(name).await?;
        self.printed.push_str(&format!("{marked}{key}\n"));
        Ok(key)
    }

    async fn live(&mut self) -> Result<String> {
        if let Some(live) = &self.live {
            return Ok(live.clone());
        }
        let node = self.node().await?;
        let key = node.add_key("live").await?;
        let mut events = Events::of(node).await?;
        let publisher = Ffmpeg::publish(&node.rtmp("live", &key), &Picture::default())?;
        let live = events.live_broadcast().await?;
        self.publisher = Some(publisher);
        Ok(self.live.insert(live).clone())
    }

    /// Runs a command to its end, which has to be a good one.
    pub(crate) async fn run(&mut self, text: &str) -> Result<()> {
        let config = match text.contains("meshstream") {
            true => self.node().await?.config_path(),
            false => PathBuf::new(),
        };
        self.run_with(text, &config, "").await
    }

    async fn run_with(&mut self, text: &str, config: &Path, input: &str) -> Result<()> {
        let mut child = self.shell(text, config).stdin(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        // A command that reads nothing may have ended.
        let _unread = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(GUARD, child.wait_with_output()).await.context("it does not end")??;
        let printed = String::from_utf8_lossy(&output.stdout);
        self.printed.push_str(&printed);
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: as '{text}' it said:\n{printed}{said}", output.status);
        let place = self.path("place");
        if let Ok(place) = fs::read_to_string(place) {
            self.place = PathBuf::from(place.trim_end());
        }
        Ok(())
    }

    /// A shell with the command, on this machine. It says where it ends up, for the next one to begin there.
    fn shell(&self, text: &str, config: &Path) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let own = [self.path("bin"), self.path("usr/local/bin")].map(|path| path.display().to_string()).join(":");
        let mut shell = Command::new("bash");
        shell
            .args(["-e", "-o", "pipefail", "-c", &format!("{text}\npwd > \"$READER_PLACE\"")])
            .current_dir(&self.place)
            .env("PATH", format!("{own}:{path}"))
            .env("HOME", self.path("home"))
            .env("READER_CONFIG", config)
            .env("READER_PLACE", self.path("place"))
            .env_remove("XDG_DATA_HOME")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        shell
    }

    /// Runs a command that publishes until the node has its broadcast.
    pub(crate) async fn publish(&mut self, text: &str) -> Result<()> {
        let node = self.node().await?;
        let (config, mut events) = (node.config_path(), Events::of(node).await?);
        let mut child = self.shell(text, &config).stdout(Stdio::null()).spawn()?;
        let said = tokio::spawn(all_of(child.stderr.take().context("no standard error")?));
        let ended = tokio::select! {
            live = events.live_broadcast() => { live?; None }
            ended = child.wait() => Some(ended?),
        };
        if let Some(ended) = ended {
            bail!("{ended} before anything was live; it said:\n{}", said.await?);
        }
        end(&mut child).await?;
        // The next one begins a broadcast of its own.
        let none_is_live = |event: &serde_json::Value| {
            let broadcasts = event["broadcasts"].as_array()?;
            broadcasts.iter().all(|broadcast| broadcast["state"] != "live").then_some(())
        };
        Events::of(self.node().await?).await?.until("the end of the broadcast", none_is_live).await
    }

    /// Runs a command where no node runs, neither with the identity of this page's.
    pub(crate) async fn run_elsewhere(&mut self, text: &str, input: &str) -> Result<()> {
        if !self.stopped {
            // What it has announced is asked for there, by name, since who only dials in is nobody's peer.
            if let Some(over) = self.over.clone() {
                let feed = self.node().await?.status()["node"]["feed"].as_str().context("no feed")?.to_owned();
                let other = &self.world.other;
                let mut events = Events::of(other).await?;
                other.cli(&["feed", "follow", &feed]).await?;
                events.listed(&over).await?;
            }
            self.stop_node().await?;
        }
        let config = self.elsewhere(text.contains(" import "))?;
        self.run_with(text, &config, input).await
    }

    /// Runs a command that joins a community, elsewhere.
    pub(crate) async fn join(&mut self, text: &str) -> Result<()> {
        let config = self.elsewhere(false)?;
        if !self.printed.contains("meshstream-community:") {
            let other = self.path("another.toml");
            fs::write(&other, format!("[node]\ndata_dir = {:?}\n", self.path("another")))?;
            self.run_with("meshstream community new", &other, "").await?;
        }
        let invite = self.printed.split_whitespace().find(|word| word.starts_with("meshstream-community:"));
        let invite = format!("{}\n", invite.context("no invite was printed")?);
        self.run_with(text, &config, &invite).await
    }

    /// Runs a node elsewhere until it serves, and ends it.
    pub(crate) async fn serve(&mut self, text: &str) -> Result<()> {
        let config = self.elsewhere(false)?;
        let mut child = self.shell(text, &config).stderr(Stdio::null()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if line.trim() == "ready" {
                    return Ok(());
                }
            }
            bail!("it ended before it served")
        };
        tokio::time::timeout(GUARD, ready).await.context("it does not serve")??;
        end(&mut child).await
    }

    /// The configuration of another machine of the reader; with an empty data directory, where that is asked for.
    fn elsewhere(&self, empty: bool) -> Result<PathBuf> {
        let (config, data) = (self.path("elsewhere.toml"), self.path("elsewhere"));
        if empty && data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let (data, peer) = (data.display(), self.world.other.web_address());
        fs::write(
            &config,
            format!(
                "[node]\ndata_dir = \"{data}\"\n[ingest]\nlisten = \"127.0.0.1:0\"\n[ssb]\nlisten = \"127.0.0.1:0\"\n\
                 [ipfs]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\n[web]\nlisten = \"127.0.0.1:0\"\n\
                 [mesh]\nlan_discovery = false\ncjdns_admin = \"\"\nyggdrasil_admin = \"\"\npeers = [\"{peer}\"]\n"
            ),
        )?;
        Ok(config)
    }

    /// Ends what still runs.
    pub(crate) async fn end(mut self) -> Result<()> {
        if let Some(publisher) = self.publisher.take() {
            publisher.kill().await?;
        }
        if let Some(mut node) = self.node.take().filter(|_| !self.stopped) {
            ensure!(node.terminate().await?.success(), "the node did not end cleanly");
        }
        Ok(())
    }
}

/// Ends a command as Ctrl-C does, and all that it started.
async fn end(child: &mut Child) -> Result<()> {
    let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).context("it has ended")?;
    kill_process_group(id, Signal::TERM)?;
    tokio::time::timeout(GUARD, child.wait()).await.context("it does not end after SIGTERM")??;
    Ok(())
}

async fn all_of(mut output: impl tokio::io::AsyncRead + Unpin) -> String {
    use tokio::io::AsyncReadExt as _;
    let mut text = Vec::new();
    let _until_it_broke = output.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
