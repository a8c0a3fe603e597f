//! A link of the emulated network: two TAP devices, and between them what a radio does to frames.
//!
//! The devices are made in the namespace that the process is in, and go on working when they are moved to others. Each
//! direction has a thread that reads frames and asks the model what becomes of them, and one that writes them when they
//! are due. Nothing outlives a [`Link`]: its devices are gone with it, or with the process.

mod model;

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tun_rs::{DeviceBuilder, InterruptEvent, Layer, SyncDevice};

use model::{Arrival, Direction, Fate};
pub use model::{Counters, Settings};

/// Frames on their way in one direction: a second of full frames at 100 Mbit/s. What is more is dropped, so that a link
/// without a rate takes bounded memory.
const MAX_FRAMES: usize = 8_192;

/// Ethernet header and the MTU that TAP devices have.
const MAX_FRAME: usize = 14 + 1_500;

/// How soon a thread that waits for a frame's time notices that the link is cut or gone.
const LOOK: Duration = Duration::from_millis(50);

/// A running link. Its ends are 0 and 1.
pub(crate) struct Link {
    names: [String; 2],
    /// What goes from end 0 to end 1, and back.
    directions: [Arc<Mutex<Direction>>; 2],
    stop: Vec<Arc<InterruptEvent>>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("names", &self.names).field("directions", &self.directions).finish_non_exhaustive()
    }
}

impl Link {
    /// Makes two devices, which are down, and forwards between them.
    ///
    /// # Errors
    /// Where the process may not make TAP devices.
    pub(crate) fn new(settings: Settings, seed: u64) -> Result<Self> {
        let devices = [Arc::new(tap()?), Arc::new(tap()?)];
        let names = [devices[0].name()?, devices[1].name()?];
        let directions = [0, 1].map(|end| Arc::new(Mutex::new(Direction::new(settings, seed.wrapping_mul(2) + end))));
        let mut link = Self { names, directions, stop: Vec::new(), threads: Vec::new() };
        for end in 0..2 {
            let (near, far) = (devices[end].clone(), devices[1 - end].clone());
            let direction = &link.directions[end];
            let stop = Arc::new(InterruptEvent::new()?);
            let (sender, receiver) = sync_channel(MAX_FRAMES);
            link.stop.push(stop.clone());
            let reading = direction.clone();
            link.threads.push(std::thread::spawn(move || read_frames(&near, &stop, &reading, &sender)));
            let writing = direction.clone();
            link.threads.push(std::thread::spawn(move || write_frames(&far, &writing, &receiver)));
        }
        Ok(link)
    }

    /// The name of an end's device.
    pub(crate) fn name(&self, end: usize) -> &str {
        &self.names[end]
    }

    /// Loses everything, also what is on its way, without a word: the devices stay up.
    pub(crate) fn cut(&self) {
        self.each(Direction::cut);
    }

    pub(crate) fn heal(&self) {
        self.each(Direction::heal);
    }

    pub(crate) fn set(&self, settings: Settings) {
        self.each(|direction| direction.set(settings));
    }

    /// What was offered at an end.
    pub(crate) fn counters(&self, end: usize) -> Counters {
        locked(&self.directions[end]).counters()
    }

    fn each(&self, change: impl Fn(&mut Direction)) {
        self.directions.iter().for_each(|direction| change(&mut locked(direction)));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
        for stop in &self.stop {
            // Where it fails, the threads end with the process.
            let _ = stop.trigger();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A TAP device with a name that the kernel chooses. The segmentation that the kernel leaves to network cards is not
/// asked for, so that what is read are frames as they would be on a wire.
fn tap() -> Result<SyncDevice> {
    let device =
        DeviceBuilder::new().layer(Layer::L2).enable(false).build_sync().context("cannot make a TAP device")?;
    device.set_nonblocking(true)?;
    Ok(device)
}

fn locked(direction: &Mutex<Direction>) -> MutexGuard<'_, Direction> {
    direction.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A frame and when it is due.
type Flight = (Arrival, Box<[u8]>);

fn read_frames(near: &SyncDevice, stop: &InterruptEvent, direction: &Mutex<Direction>, to_writer: &SyncSender<Flight>) {
    let mut buffer = vec![0; MAX_FRAME];
    loop {
        let length = match near.recv_intr(&mut buffer, stop) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            // This thread has handled a signal, such as that a child of the process has ended.
            Err(error) if error.kind() == io::ErrorKind::Interrupted && !stop.is_trigger() => continue,
            // The link is dropped, or the device deleted.
            Err(_) => return,
        };
        let Fate::Arrives(arrival) = locked(direction).offer(length, Instant::now()) else { continue };
        match to_writer.try_send((arrival, buffer[..length].into())) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => locked(direction).count_no_room(length),
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
}

fn write_frames(far: &SyncDevice, direction: &Mutex<Direction>, from_reader: &Receiver<Flight>) {
    while let Ok((arrival, frame)) = from_reader.recv() {
        if wait_until_due(arrival, direction) {
            // A device that is down, or was deleted, takes nothing, as a card that is switched off.
            let _ = far.send(&frame);
        }
    }
}

/// Whether the frame arrives: not where the link was cut meanwhile.
fn wait_until_due(arrival: Arrival, direction: &Mutex<Direction>) -> bool {
    loop {
        if !locked(direction).arrives(arrival) {
            return false;
        }
        let left = arrival.at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::thread::JoinHandleExt as _;

    use nix::sys::pthread::pthread_kill;
    use nix::sys::signal::Signal;
    use tokio::signal::unix::{SignalKind, signal};

    use super::*;
    use crate::netns::Network;

    /// Against hanging, not a measure.
    const GUARD: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_link_goes_on_when_its_threads_have_handled_a_signal() -> Result<()> {
        // It says so where devices are not permitted.
        let Some(_permitted) = Network::new().await? else { return Ok(()) };
        let link = Link::new(Settings::default(), 1)?;
        let mut handled = signal(SignalKind::child())?;
        for thread in &link.threads {
            pthread_kill(thread.as_pthread_t(), Signal::SIGCHLD)?;
            tokio::time::timeout(GUARD, handled.recv()).await?;
        }
        // The kernel speaks first on a device that comes up (MLD, RFC 3810).
        for name in &link.names {
            let up = tokio::process::Command::new("ip").args(["link", "set", "dev", name, "up"]).status().await?;
            anyhow::ensure!(up.success());
        }
        tokio::time::timeout(GUARD, async {
            while (0..2).any(|end| link.counters(end).frames == 0) {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await
        .context("a direction has ended")
    }
}
