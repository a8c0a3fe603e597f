//! A whole machine under QEMU, started from an image as from a card, with a simulated radio: its pages on a port of this machine, and a
//! shell of root's behind a socket.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::container::{KilledOnDrop, until_within};
use crate::{built, output};

/// Against hanging, not a measure: every instruction is translated.
const GUARD: Duration = Duration::from_secs(20 * 60);
/// Of the card: larger than the image, so that its last partition can grow.
const CARD_BYTES: u64 = 3 << 30;
/// Where the boot partition begins, as mtools has it.
const BOOT: &str = "4M";
/// Radios that the kernel simulates, the second for a phone.
const RADIOS: &str = "modules-load=mac80211_hwsim";

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Board {
    /// Its kernel and system, on QEMU's own machine: no machine of QEMU's has the firmware of a Raspberry Pi.
    Pi,
    /// From its UEFI on.
    Pc,
}

impl Board {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pi => "pi",
            Self::Pc => "pc",
        }
    }

    /// The image, as `make image` makes it.
    pub(crate) fn image(self) -> Result<PathBuf> {
        let path = built("image").join(format!("meshstream-{}-{}.img", env!("CARGO_PKG_VERSION"), self.name()));
        ensure!(path.exists(), "{} is missing: 'make image BOARD={}' makes it", path.display(), self.name());
        Ok(path)
    }
}

/// A machine that runs. It is cut off from power when dropped.
#[derive(Debug)]
pub(crate) struct Emulated {
    folder: TempDir,
    shell: UnixStream,
    /// What is said on its line. It is taken at once, whether anybody waits for it or not: firmware writes there too, and stops where
    /// nothing is taken.
    said: Receiver<Vec<u8>>,
    web: u16,
    ssh: u16,
    _qemu: KilledOnDrop,
}

impl Emulated {
    /// Writes the image to a card, and puts the machine under power.
    pub(crate) fn start(board: Board) -> Result<Self> {
        Self::start_with(board, None)
    }

    /// The same, with what a volunteer wrote into `first-boot.toml` on the card before.
    pub(crate) fn start_with(board: Board, wishes: Option<&str>) -> Result<Self> {
        std::fs::create_dir_all(built("deploy"))?;
        let folder = tempfile::tempdir_in(built("deploy"))?;
        let card = folder.path().join("card.img");
        output(Command::new("cp").arg("--sparse=always").arg(board.image()?).arg(&card))?;
        OpenOptions::new().write(true).open(&card)?.set_len(CARD_BYTES)?;
        if let Some(wishes) = wishes {
            let file = folder.path().join("first-boot.toml");
            std::fs::write(&file, wishes)?;
            let on_card = format!("{}@@{BOOT}", card.display());
            output(Command::new("mcopy").args(["-i", &on_card]).arg(&file).arg("::/first-boot.toml"))?;
        }
        let (web, ssh) = (free_port()?, free_port()?);
        let mut qemu = match board {
            Board::Pc => pc(folder.path(), &card)?,
            Board::Pi => pi(folder.path(), &card)?,
        };
        let socket = folder.path().join("shell");
        qemu.args(["-m", "1024", "-smp", "2", "-display", "none", "-monitor", "none"]);
        qemu.arg("-drive").arg(format!("file={},format=raw,if=virtio", card.display()));
        qemu.arg("-netdev").arg(format!("user,id=net,hostfwd=tcp:127.0.0.1:{web}-:80,hostfwd=tcp:127.0.0.1:{ssh}-:22"));
        qemu.args(["-device", "virtio-net-pci,netdev=net"]);
        qemu.arg("-serial").arg(format!("file:{}", folder.path().join("console").display()));
        qemu.arg("-chardev").arg(format!("socket,id=shell,path={},server=on,wait=off", socket.display()));
        // A serial line that the kernel has from the first: the shell on it starts early.
        match board {
            Board::Pc => qemu.args(["-serial", "chardev:shell"]),
            Board::Pi => qemu.args(["-device", "pci-serial,chardev=shell"]),
        };
        let qemu = KilledOnDrop(qemu.stdin(Stdio::null()).spawn().context("cannot run QEMU")?);
        let shell = until_within(GUARD, "QEMU's socket", || Ok(UnixStream::connect(&socket).ok()))?;
        let said = heard(shell.try_clone()?);
        Ok(Self { folder, shell, said, web, ssh, _qemu: qemu })
    }

    /// The address of its pages.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.web)
    }

    /// Where its SSH server is reached.
    pub(crate) fn ssh(&self) -> u16 {
        self.ssh
    }

    /// A program that asks its pages; fails where they are not to be had.
    pub(crate) fn ask(&self, path: &str, options: &[&str]) -> Result<String> {
        let mut curl = Command::new("curl");
        output(curl.args(["--silent", "--max-time", "30", "--fail"]).args(options).arg(self.url(path)))
    }

    /// Waits until its node serves.
    pub(crate) fn serves(&self) -> Result<()> {
        let console = || std::fs::read_to_string(self.folder.path().join("console")).unwrap_or_default();
        until_within(GUARD, "a node that serves", || Ok(self.ask("/healthz", &[]).ok().map(drop)))
            .with_context(|| format!("its console ends with:\n{}", last_lines(&console())))
    }

    /// Waits until a command succeeds in there; returns what it prints.
    pub(crate) fn until(&mut self, what: &str, script: &str) -> Result<String> {
        let mut last = String::new();
        until_within(GUARD, what, || match self.run(script) {
            Ok(said) => Ok(Some(said)),
            Err(error) => {
                last = format!("{error:#}");
                Ok(None)
            }
        })
        .with_context(|| last)
    }

    /// Runs what a shell is told, as root in there, and returns what it prints.
    pub(crate) fn run(&mut self, script: &str) -> Result<String> {
        self.shell_is_there()?;
        // The terminal repeats what is typed; the marks are written so that the repetition is none.
        self.shell.write_all(format!("echo '=''begin='; ( {script} ) 2>&1; echo '=''end='$?'='\n").as_bytes())?;
        let said = self.read_until("=end=", GUARD)?;
        let (before, status) = said.rsplit_once("=end=").context("no end")?;
        let status = status.split('=').next().unwrap_or_default().trim().to_owned();
        let printed = before.rsplit_once("=begin=").map_or(before, |(_, printed)| printed).replace('\r', "");
        if status != "0" {
            bail!("'{script}' ended with {status}:\n{}", printed.trim());
        }
        Ok(printed.trim().to_owned())
    }

    /// Starts it anew, as its owner would, and waits until it serves.
    pub(crate) fn reboot(&mut self) -> Result<()> {
        let boot_id = "cat /proc/sys/kernel/random/boot_id";
        let before = self.run(boot_id)?;
        self.run("sync; systemctl reboot --no-block")?;
        // What is written to its line while it starts may be lost: its pages tell when it is back.
        until_within(GUARD, "a machine that goes down", || Ok(self.ask("/healthz", &[]).is_err().then_some(())))?;
        self.serves()?;
        ensure!(self.run(boot_id)? != before, "its node started anew, and not the machine");
        // Nothing waits for it where there is no wish of an owner on it.
        self.until("the boot partition", "findmnt /boot/firmware").map(drop)
    }

    /// Waits until the shell answers: it starts early, and anew with each boot.
    fn shell_is_there(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            self.shell.write_all(b"\nstty cols 500; echo '=''ready='\n")?;
            if self.read_until("=ready=", Duration::from_secs(5)).is_ok() {
                return Ok(());
            }
            if start.elapsed() > GUARD {
                bail!("no shell answers in the machine");
            }
        }
    }

    /// Reads until a line ends in which the mark is.
    fn read_until(&mut self, mark: &str, guard: Duration) -> Result<String> {
        let start = Instant::now();
        let mut said = Vec::new();
        loop {
            match self.said.recv_timeout(Duration::from_secs(1)) {
                Ok(piece) => said.extend(piece),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("QEMU has ended"),
            }
            let text = String::from_utf8_lossy(&said);
            if text.rsplit_once(mark).is_some_and(|(_, rest)| rest.contains('\n')) {
                return Ok(text.into_owned());
            }
            if start.elapsed() > guard {
                bail!("the machine's shell did not answer");
            }
        }
    }
}

/// A PC that starts from its disk by UEFI.
fn pc(folder: &Path, card: &Path) -> Result<Command> {
    let entry = "::/loader/entries/meshstream.conf";
    let on_card = format!("{}@@{BOOT}", card.display());
    let text = output(Command::new("mtype").args(["-i", &on_card, entry]))?;
    let changed = folder.join("entry.conf");
    std::fs::write(&changed, format!("{} {RADIOS} systemd.debug_shell=ttyS1\n", text.trim_end()))?;
    output(Command::new("mcopy").args(["-o", "-i", &on_card]).arg(&changed).arg(entry))?;
    let variables = folder.join("variables.fd");
    std::fs::copy("/usr/share/OVMF/OVMF_VARS.fd", &variables).context("the package ovmf is missing")?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-machine", "q35", "-cpu", "max"]);
    qemu.args(["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE.fd", "-drive"]);
    qemu.arg(format!("if=pflash,format=raw,file={}", variables.display()));
    Ok(qemu)
}

/// QEMU's own machine for arm64, with what the boot partition has for the firmware of a Raspberry Pi.
fn pi(folder: &Path, card: &Path) -> Result<Command> {
    let on_card = format!("{}@@{BOOT}", card.display());
    for file in ["vmlinuz", "initrd.img"] {
        output(Command::new("mcopy").args(["-i", &on_card, &format!("::/{file}")]).arg(folder.join(file)))?;
    }
    let line = output(Command::new("mtype").args(["-i", &on_card, "::/cmdline.txt"]))?;
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args(["-machine", "virt", "-cpu", "cortex-a53", "-kernel"]).arg(folder.join("vmlinuz"));
    qemu.arg("-initrd").arg(folder.join("initrd.img"));
    qemu.arg("-append").arg(format!("{} console=ttyAMA0 {RADIOS} systemd.debug_shell=ttyS0", line.trim()));
    Ok(qemu)
}

/// Reads a line until it ends.
fn heard(mut line: UnixStream) -> Receiver<Vec<u8>> {
    let (pieces, said) = channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = line.read(&mut piece) {
            if pieces.send(piece[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    said
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(30).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
