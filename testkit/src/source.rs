//! What cameras take: real servers of each kind, and a sound card without hardware.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::child::{JsonChild, repository};

/// A guard against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(30);

/// A port that was free a moment ago, for servers that cannot be told to choose one.
///
/// # Errors
/// Where there is none.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A network camera: GStreamer's RTSP server with a picture and a sound. Killed when dropped.
#[derive(Debug)]
pub struct RtspServer {
    child: JsonChild,
    url: String,
}

impl RtspServer {
    /// Starts one on a port of the system's choice.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start() -> Result<Self> {
        Self::start_at(0).await
    }

    async fn start_at(port: u16) -> Result<Self> {
        let script = repository().join("tests/rtsp/rtsp_server.py");
        // Debian's, which has the bindings.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(&script).arg(port.to_string());
        let mut child = JsonChild::spawn("the RTSP server", command, &script)?;
        let url = child.until("its address", |line| line["url"].as_str().map(str::to_owned)).await?;
        Ok(Self { child, url })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `kill -9`, as a camera that loses its power. The function starts it again at the same place.
    ///
    /// # Errors
    /// Where it has ended before.
    pub async fn kill(self) -> Result<impl AsyncFnOnce() -> Result<Self>> {
        let port = self.url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
        let port = port.context("an address without a port")?;
        self.child.kill().await?;
        Ok(async move || Self::start_at(port).await)
    }
}

/// A server of RTMP and of files, for what is pulled from one: nginx as Debian packs it. Killed when dropped.
#[derive(Debug)]
pub struct MediaServer {
    _child: Child,
    rtmp: u16,
    http: u16,
    folder: TempDir,
}

impl MediaServer {
    /// Starts one.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (rtmp, http, path) = (free_port()?, free_port()?, folder.path().display());
        // In one process, as the user of the tests, who has the folder.
        let config = format!(
            "load_module modules/ngx_rtmp_module.so;\ndaemon off; master_process off; pid {path}/pid; error_log stderr;\nevents {{}}\n\
             rtmp {{ server {{ listen 127.0.0.1:{rtmp}; application live {{ live on; }} }} }}\n\
             http {{ access_log off; client_body_temp_path {path}/tmp; proxy_temp_path {path}/tmp; fastcgi_temp_path {path}/tmp;\n\
             uwsgi_temp_path {path}/tmp; scgi_temp_path {path}/tmp;\n\
             types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}\n\
             server {{ listen 127.0.0.1:{http}; root {path}; }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config)?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg("/usr/share/nginx")
            .arg("-c")
            .arg(&file)
            .args(["-e", "stderr"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run nginx: run 'make test-deps' first")?;
        let listens = async {
            while TcpStream::connect(("127.0.0.1", rtmp)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(GUARD, listens).await.context("nginx does not listen: has it 'libnginx-mod-rtmp'?")?;
        Ok(Self { _child: child, rtmp, http, folder })
    }

    /// Where a stream of RTMP is published and pulled.
    pub fn rtmp(&self, name: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{name}", self.rtmp)
    }

    /// Where a file is that it serves, and its address.
    pub fn file(&self, name: &str) -> (PathBuf, String) {
        (self.folder.path().join(name), format!("http://127.0.0.1:{}/{name}", self.http))
    }
}

/// A sound card without hardware: a PulseAudio of the test's own with a sink that nobody hears, whose monitor is a microphone. Killed
/// when dropped.
#[derive(Debug)]
pub struct SoundCard {
    child: Child,
    home: TempDir,
}

impl SoundCard {
    /// Starts one.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start() -> Result<Self> {
        let home = tempfile::tempdir()?;
        let socket = home.path().join("native");
        // ALSA's way to it: its plugin for PulseAudio.
        let alsa = format!(
            "</usr/share/alsa/alsa.conf>\npcm.hall {{ type pulse device \"hall.monitor\" server \"unix:{}\" }}\n",
            socket.display()
        );
        std::fs::write(home.path().join("asound.conf"), alsa)?;
        let card = Self { child: Self::daemon(home.path())?, home };
        card.ready().await?;
        Ok(card)
    }

    fn daemon(home: &Path) -> Result<Child> {
        let socket = home.join("native");
        Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no"])
            .arg("--load=module-null-sink sink_name=hall")
            .arg(format!("--load=module-native-protocol-unix socket={} auth-anonymous=1", socket.display()))
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run pulseaudio: run 'make test-deps' first")
    }

    async fn ready(&self) -> Result<()> {
        let listens = async {
            while tokio::net::UnixStream::connect(self.socket()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(GUARD, listens).await.context("pulseaudio does not listen")
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("native")
    }

    /// The environment in which a program finds it.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let alsa = self.home.path().join("asound.conf").display().to_string();
        [("PULSE_SERVER", format!("unix:{}", self.socket().display())), ("ALSA_CONFIG_PATH", alsa)]
    }

    /// Unplugs it.
    ///
    /// # Errors
    /// Where it is gone already.
    pub async fn unplug(&mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(std::fs::remove_file(self.socket())?)
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn plug_in(&mut self) -> Result<()> {
        self.child = Self::daemon(self.home.path())?;
        self.ready().await
    }
}

/// What tracks ffprobe finds at an address or in a file, such as `["video", "audio"]`.
///
/// # Errors
/// Where it finds nothing that it can read.
pub async fn tracks_of(address: &str) -> Result<Vec<String>> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", address])
        .output()
        .await
        .context("cannot run ffprobe: run 'make test-deps' first")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "ffprobe of {address}: {said}");
    let mut tracks: Vec<String> =
        String::from_utf8(output.stdout)?.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
    // There is a line for the programme, too, which has no type.
    tracks.retain(|track| !track.is_empty());
    tracks.sort();
    tracks.dedup();
    Ok(tracks)
}

/// The last picture of some media as grey bytes, a byte a pixel, scaled to this size.
///
/// # Errors
/// Where ffmpeg finds none.
pub async fn last_picture(media: &Path, width: u32, height: u32) -> Result<Vec<u8>> {
    let size = format!("{width}x{height}");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(media)
        .args(["-an", "-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-"])
        .output()
        .await
        .context("cannot run ffmpeg: run 'make test-deps' first")?;
    let picture = (width * height) as usize;
    let start = output.stdout.len().checked_sub(picture).context("no picture")?;
    Ok(output.stdout[start..].to_vec())
}
