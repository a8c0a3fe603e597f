//! A real node: the built program as a process with a data directory of its own.

mod running;

use std::fmt::{Debug, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio_tungstenite::WebSocketStream;

use crate::netns::Namespace;
use crate::skip::in_ci;

/// A guard against hanging, not a measure: a node starts in a fraction of this.
const START_GUARD: Duration = Duration::from_secs(60);

/// What differs from the defaults of a test node. Test nodes listen on loopback, on ports chosen by the system, and look
/// for no others; those in a namespace of their own have the program's defaults for both.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `node.name`.
    pub name: String,
    /// `node.image`.
    pub image: Option<PathBuf>,
    /// `segment.target_duration`, `2s` where `None`.
    pub target_duration: Option<String>,
    /// `segment.thumbnails`.
    pub thumbnails: bool,
    /// `segment.transcode`, the default where `None`.
    pub transcode: Option<&'static str>,
    /// `ingest.grace`, the default where `None`.
    pub grace: Option<String>,
    /// Where its data directory is made; beside its configuration where `None`.
    pub volume: Option<PathBuf>,
    /// `storage.reserve`, `1MiB` where `None`.
    pub reserve: Option<String>,
    /// `ingest.allow`.
    pub allow: Vec<String>,
    /// `mesh.peers`.
    pub peers: Vec<String>,
    /// `ssb.peers`.
    pub ssb_peers: Vec<String>,
    /// The invite to the private community that it joins before its first start.
    pub community: Option<String>,
    /// `mesh.mirror = "all"`.
    pub mirror_all: bool,
    /// `ssb.devices`, `ipfs.devices` and `web.devices`, of a node in a namespace of its own.
    pub devices: Vec<String>,
    /// `web.names`.
    pub names: Vec<String>,
    /// `web.tls`.
    pub tls: Option<Tls>,
    /// Where it runs; among the tests themselves where `None`.
    pub namespace: Option<Namespace>,
    /// `mesh.yggdrasil_admin`. It is the only way to find others then: nothing is looked for on the LAN.
    pub yggdrasil_admin: Option<String>,
    /// `mesh.cjdns_admin`; likewise.
    pub cjdns_admin: Option<String>,
    /// Tables of its configuration that stand for themselves, such as `[[rendition]]`.
    pub tables: String,
    /// Variables of its environment.
    pub environment: Vec<(&'static str, String)>,
}

/// A certificate and its key, as files of PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// `web.tls.certificate`.
    pub certificate: PathBuf,
    /// `web.tls.key`.
    pub key: PathBuf,
}

/// A running node. Killed when dropped; where a test panics, and in CI, the end of its log is printed then: of what tests
/// print, only that of failed ones is shown.
#[derive(Debug)]
pub struct Node {
    binary: PathBuf,
    settings: Settings,
    ports: Ports,
    home: TempDir,
    child: Option<Child>,
    status: Value,
}

/// Kept over restarts, so that others find the node again. 0 lets the system choose.
#[derive(Debug, Clone, Copy, Default)]
struct Ports {
    rtmp: u16,
    web: u16,
    ssb: u16,
    ipfs: u16,
}

impl Node {
    /// Starts the program and waits until it serves.
    ///
    /// # Errors
    /// Where it does not start; its log is in the error.
    pub async fn start(binary: impl Into<PathBuf>, settings: Settings) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let mut node =
            Self { binary: binary.into(), settings, ports: Ports::default(), home, child: None, status: Value::Null };
        if let Some(invite) = node.settings.community.clone() {
            std::fs::write(node.config_path(), node.config()?)?;
            node.cli_with(&["community", "join", "-"], &invite).await?;
        }
        node.spawn().await?;
        Ok(node)
    }

    async fn spawn(&mut self) -> Result<()> {
        std::fs::write(self.config_path(), self.config()?)?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut child = self
            .command()
            .arg("run")
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned()))
            .envs(self.settings.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        self.child = Some(child);
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if line.trim() == "ready" {
                    return Ok(());
                }
            }
            bail!("the node ended before it was ready")
        };
        let failure = match tokio::time::timeout(START_GUARD, ready).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the node was not ready in time".to_owned()),
        };
        if let Some(failure) = failure {
            // It is killed, so that it can be started again.
            self.child = None;
            bail!("{failure}; its log ends with:\n{}", self.log_tail());
        }
        // Whoever writes to a closed pipe is killed, so the rest of its output is read and dropped.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.status = self.cli_json(&["status", "--json"]).await?;
        self.ports = Ports {
            rtmp: self.port("rtmp")?,
            web: self.port("web")?,
            ssb: self.port("ssb")?,
            // While its devices are missing it listens nowhere.
            ipfs: if self.settings.devices.is_empty() { self.multiaddr_port()? } else { 0 },
        };
        Ok(())
    }

    fn config(&self) -> Result<String> {
        let Settings {
            name,
            image,
            target_duration,
            thumbnails,
            transcode,
            grace,
            volume: _,
            reserve,
            allow,
            peers,
            ssb_peers,
            mirror_all,
            devices,
            names,
            tls,
            namespace,
            yggdrasil_admin,
            cjdns_admin,
            tables,
            environment: _,
            community: _,
        } = &self.settings;
        let Ports { rtmp, web, ssb, ipfs } = self.ports;
        let among_others = namespace.is_none();
        let mirror = if *mirror_all { "all" } else { "watched" };
        let mut text = String::new();
        writeln!(text, "[node]\nname = {name:?}\ndata_dir = {:?}", self.data_dir())?;
        if let Some(image) = image {
            writeln!(text, "image = {image:?}")?;
        }
        writeln!(text, "[segment]\ntarget_duration = {:?}", target_duration.as_deref().unwrap_or("2s"))?;
        writeln!(text, "thumbnails = {thumbnails}")?;
        if let Some(transcode) = transcode {
            writeln!(text, "transcode = {transcode:?}")?;
        }
        writeln!(text, "[storage]\nreserve = {:?}", reserve.as_deref().unwrap_or("1MiB"))?;
        // The daemons of the machine that the tests run on are not theirs.
        let daemon = |admin: &Option<String>| admin.clone().unwrap_or_default();
        let (cjdns, yggdrasil) = (daemon(cjdns_admin), daemon(yggdrasil_admin));
        writeln!(text, "[mesh]\ncjdns_admin = {cjdns:?}\nyggdrasil_admin = {yggdrasil:?}")?;
        writeln!(text, "peers = {peers:?}\nmirror = {mirror:?}")?;
        let lan_discovery = !among_others && yggdrasil.is_empty() && cjdns.is_empty();
        writeln!(text, "lan_discovery = {lan_discovery}")?;
        writeln!(text, "[ssb]\npeers = {ssb_peers:?}")?;
        if among_others {
            writeln!(text, "listen = \"127.0.0.1:{ssb}\"")?;
            writeln!(text, "[ipfs]\nlisten = [\"/ip4/127.0.0.1/tcp/{ipfs}\"]")?;
            writeln!(text, "[web]\nlisten = \"127.0.0.1:{web}\"")?;
        } else {
            writeln!(text, "devices = {devices:?}\n[ipfs]\ndevices = {devices:?}\n[web]\ndevices = {devices:?}")?;
        }
        writeln!(text, "names = {names:?}")?;
        if let Some(Tls { certificate, key }) = tls {
            writeln!(text, "[web.tls]\ncertificate = {certificate:?}\nkey = {key:?}")?;
        }
        writeln!(text, "[ingest]\nallow = {allow:?}")?;
        if among_others {
            writeln!(text, "listen = \"127.0.0.1:{rtmp}\"")?;
        }
        if let Some(grace) = grace {
            writeln!(text, "grace = {grace:?}")?;
        }
        text.push_str(tables);
        Ok(text)
    }

    /// The program with the settings of this node.
    pub(crate) fn command(&self) -> Command {
        let mut command = match &self.settings.namespace {
            Some(namespace) => namespace.command(&self.binary),
            None => Command::new(&self.binary),
        };
        command.arg("--config").arg(self.config_path());
        command
    }

    /// Runs a command of the program against this node and returns the JSON that it prints.
    ///
    /// # Errors
    /// Where the command fails; its standard error is in the error.
    pub async fn cli_json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.cli(arguments).await?;
        serde_json::from_str(&text).with_context(|| format!("{arguments:?} printed no JSON document"))
    }

    /// Runs a command of the program against this node and returns what it prints.
    ///
    /// # Errors
    /// Where the command fails; its standard error is in the error.
    pub async fn cli(&self, arguments: &[&str]) -> Result<String> {
        self.cli_with(arguments, "").await
    }

    /// The same, with a text on its standard input.
    async fn cli_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        // A command that reads nothing may have ended.
        let _unread = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Makes a stream key.
    ///
    /// # Errors
    /// Where the command fails.
    pub async fn add_key(&self, name: &str) -> Result<String> {
        let key = self.cli_json(&["key", "add", name, "--json"]).await?;
        Ok(key["key"].as_str().context("no key")?.to_owned())
    }

    /// What `status --json` said at the last start.
    pub fn status(&self) -> &Value {
        &self.status
    }

    /// Where its pages are: `http://127.0.0.1:PORT`.
    pub fn web(&self) -> String {
        format!("http://{}", self.web_address())
    }

    /// The same without the scheme, as `mesh.peers` wants it.
    pub fn web_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.web)
    }

    /// Where to publish.
    pub fn rtmp(&self, name: &str, key: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{name}?key={key}", self.ports.rtmp)
    }

    /// Its RTMP listener.
    pub fn rtmp_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.rtmp)
    }

    /// Its SSB listener.
    pub fn ssb_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.ssb)
    }

    /// Its IPFS listener with its identity, as other IPFS nodes dial it.
    pub fn ipfs_multiaddr(&self) -> String {
        let peer = self.status["node"]["peer"].as_str().unwrap_or_default();
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", self.ports.ipfs)
    }

    /// Fetches JSON from one of its pages.
    ///
    /// # Errors
    /// Where it does not answer with success and JSON.
    pub async fn get_json(&self, path: &str) -> Result<Value> {
        let response = self.get(path).await?;
        Ok(response.json().await?)
    }

    /// Fetches a text.
    ///
    /// # Errors
    /// Where it does not answer with success.
    pub async fn get_text(&self, path: &str) -> Result<String> {
        let response = self.get(path).await?;
        Ok(response.text().await?)
    }

    /// Fetches bytes.
    ///
    /// # Errors
    /// Where it does not answer with success.
    pub async fn get_bytes(&self, path: &str) -> Result<Vec<u8>> {
        let response = self.get(path).await?;
        Ok(response.bytes().await?.to_vec())
    }

    async fn get(&self, path: &str) -> Result<reqwest::Response> {
        let builder = reqwest::Client::builder();
        let builder = match self.control_socket() {
            Some(socket) => builder.unix_socket(socket),
            None => builder,
        };
        let response = builder.build()?.get(format!("{}{path}", self.web())).send().await?;
        Ok(response.error_for_status()?)
    }

    /// Opens its WebSocket.
    ///
    /// # Errors
    /// Where it does not answer or refuses.
    pub(crate) async fn web_socket(&self) -> Result<WebSocket> {
        let stream: Box<dyn ByteStream> = match self.control_socket() {
            Some(socket) => Box::new(UnixStream::connect(socket).await?),
            None => Box::new(TcpStream::connect(self.web_address()).await?),
        };
        let url = format!("ws://{}/ws", self.web_address());
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.context("cannot open the WebSocket")?;
        Ok(socket)
    }

    /// How a node in another namespace is reached from here: unix sockets are the same in all of them.
    fn control_socket(&self) -> Option<PathBuf> {
        self.settings.namespace.is_some().then(|| self.data_dir().join("control.sock"))
    }

    /// The namespace that it runs in.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.settings.namespace.as_ref()
    }

    /// Whom it asks from its next start on (`mesh.peers`).
    pub fn set_peers(&mut self, peers: Vec<String>) {
        self.settings.peers = peers;
    }

    /// Starts it again with the same data directory and ports.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the node still runs");
        self.spawn().await
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.settings.volume.as_deref().unwrap_or(self.home.path()).join("data")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Its configuration, for `--config`.
    pub fn config_path(&self) -> PathBuf {
        self.home.path().join("meshstream.toml")
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn port(&self, listener: &str) -> Result<u16> {
        let address = self.status["listen"][listener][0].as_str().with_context(|| format!("no {listener} listener"))?;
        Ok(address.rsplit(':').next().unwrap_or_default().parse()?)
    }

    fn multiaddr_port(&self) -> Result<u16> {
        let address = self.status["listen"]["ipfs"][0].as_str().context("no ipfs listener")?;
        let mut words = address.split('/').skip_while(|word| *word != "tcp");
        Ok(words.nth(1).context("no TCP port")?.parse()?)
    }
}

/// A node's WebSocket, over TCP or its control socket.
pub(crate) type WebSocket = WebSocketStream<Box<dyn ByteStream>>;

/// A connection of any kind.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> ByteStream for T {}

impl Drop for Node {
    #[expect(clippy::print_stderr, reason = "a failed test shows what its nodes said")]
    fn drop(&mut self) {
        if std::thread::panicking() || in_ci() {
            eprintln!("--- end of the log of node {}:\n{}", self.settings.name, self.log_tail());
        }
    }
}
