//! What it costs to serve segments over HTTP: `/hls` and `/ipfs` of a node beside nginx, which serves the same files from the same
//! disk, each asked by `wrk` in turn, in one run.
//!
//! Prints a table: bytes and requests a second, and the server's CPU time for a gigabyte.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};
use testkit::process::{CpuOf, cpu_time};

const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");

/// How long each is asked.
const SECONDS: u32 = 8;

/// Connections of `wrk`: below the limit for one address.
const CONNECTIONS: u32 = 16;

/// The segment that is served: the first may be short.
const SEGMENT: u64 = 1;

#[tokio::main]
async fn main() -> Result<()> {
    let settings = Settings { name: "a".to_owned(), target_duration: Some("15s".to_owned()), ..Settings::default() };
    let node = Node::start(MESHSTREAM, settings).await?;
    let key = node.add_key("demo").await?;
    let picture = Picture { kbps: 3000, keyframe_interval: 2, ..Picture::default() };
    let publisher = Ffmpeg::publish(&node.rtmp("demo", &key), &picture)?;
    let mut events = Events::of(&node).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    events.segment(SEGMENT).await?;
    drop(publisher);

    let place: serde_json::Value = node.get_json(&format!("/api/v1/broadcasts/{slug}/segments/{SEGMENT}")).await?;
    let cid = place["segment"].as_str().context("no CID")?.to_owned();
    let (hls, init) = (format!("/hls/{slug}/{SEGMENT}.m4s"), format!("/hls/{slug}/init-0.mp4"));
    let www = tempfile::tempdir()?;
    let bytes = node.get_bytes(&hls).await?;
    std::fs::write(www.path().join("segment.m4s"), &bytes)?;
    std::fs::write(www.path().join("init.mp4"), node.get_bytes(&init).await?)?;
    let nginx = Nginx::start(www.path())?;
    nginx.ready().await?;

    row("what", &["MB/s", "requests/s", "CPU s/GB, or ms for each request"].map(str::to_owned));
    row("---", &["---", "---", "---"].map(str::to_owned));
    let segment = format!("a segment of {:.1} MB", bytes.len() as f64 / 1e6);
    let node_url = |path: &str| format!("http://{}{path}", node.web_address());
    let of_node = || node.cpu_time();
    measure(&format!("{segment}, nginx"), &nginx.url("segment.m4s"), || nginx.cpu_time())?;
    measure(&format!("{segment}, /hls"), &node_url(&hls), of_node)?;
    measure(&format!("{segment}, /ipfs"), &node_url(&format!("/ipfs/{cid}")), of_node)?;
    measure("an initialization section, nginx", &nginx.url("init.mp4"), || nginx.cpu_time())?;
    measure("an initialization section, /hls", &node_url(&init), of_node)?;
    measure("the live playlist, /hls", &node_url(&format!("/hls/{slug}/index.m3u8?player=mse")), of_node)
}

fn measure(what: &str, url: &str, cpu: impl Fn() -> Result<Duration>) -> Result<()> {
    let before = cpu()?;
    let wrk = Command::new("wrk")
        .args(["-t", "1", "-c", &CONNECTIONS.to_string(), "-d", &format!("{SECONDS}s"), "--timeout", "30s", url])
        .output()
        .context("cannot run wrk")?;
    ensure!(wrk.status.success(), "wrk failed: {}", String::from_utf8_lossy(&wrk.stderr));
    let used = cpu()? - before;
    let text = String::from_utf8_lossy(&wrk.stdout).into_owned();
    ensure!(!text.contains("Non-2xx"), "not all requests were answered: {text}");
    // `123 requests in 8.00s, 1.23GB read`
    let done = text.lines().find(|line| line.contains(" requests in ")).context("no summary of wrk")?;
    let mut words = done.split_whitespace();
    let requests: f64 = words.next().context("no number of requests")?.parse()?;
    let seconds: f64 = words.nth(2).and_then(|word| word.strip_suffix("s,")).context("no seconds")?.parse()?;
    let read = bytes(words.next().context("no bytes")?)?;
    let cost = if read / requests > 1e5 {
        format!("{:.2} s/GB", used.as_secs_f64() / (read / 1e9))
    } else {
        format!("{:.3} ms", used.as_secs_f64() * 1e3 / requests)
    };
    row(what, &[format!("{:.0}", read / seconds / 1e6), format!("{:.0}", requests / seconds), cost]);
    Ok(())
}

/// `wrk` counts in powers of 1024.
fn bytes(text: &str) -> Result<f64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "B" => 1.0,
        "KB" => 1024.0,
        "MB" => 1024.0 * 1024.0,
        "GB" => 1024.0 * 1024.0 * 1024.0,
        other => anyhow::bail!("wrk counts in {other}"),
    };
    Ok(number.parse::<f64>()? * unit)
}

/// nginx as Debian packs it, with as many workers as cores.
struct Nginx {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Nginx {
    fn start(www: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = |name: &str| -> PathBuf { folder.path().join(name) };
        let config = format!(
            "daemon off; worker_processes auto; pid {pid}; error_log {log};\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n\
               client_body_temp_path {tmp}; proxy_temp_path {tmp}; fastcgi_temp_path {tmp}; uwsgi_temp_path {tmp}; scgi_temp_path {tmp};\n\
               server {{ listen 127.0.0.1:{port}; root {www}; }} }}\n",
            pid = at("pid").display(),
            log = at("log").display(),
            tmp = at("tmp").display(),
            www = www.display(),
        );
        std::fs::write(at("nginx.conf"), config)?;
        // Its workers are another user, who has to reach the files.
        open_to_all(www)?;
        open_to_all(folder.path())?;
        let child = Command::new("nginx")
            .arg("-c")
            .arg(at("nginx.conf"))
            .args(["-e", "stderr"])
            .stdout(Stdio::null())
            .spawn()
            .context("cannot run nginx")?;
        Ok(Self { child, port, _folder: folder })
    }

    fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    async fn ready(&self) -> Result<()> {
        let answers = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answers).await.context("nginx does not listen")
    }

    /// Of its workers.
    fn cpu_time(&self) -> Result<Duration> {
        let pid = self.child.id();
        let workers = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        workers.split_whitespace().map(|worker| cpu_time(worker, CpuOf::Process)).sum()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGQUIT lets its workers end; killed alone it would leave them behind.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

fn open_to_all(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?)
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(what: &str, figures: &[String; 3]) {
    println!("| {what} | {} |", figures.join(" | "));
}
