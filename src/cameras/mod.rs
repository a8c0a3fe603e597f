//! The cameras that a node keeps going: those of its configuration and those that its owner set on the pages.
//!
//! Comes in: what the owner wants, from the configuration, a file in the data directory and the pages. Goes out: an encoder's process
//! for each ([`streamer::camera`]), which publishes to this node as any encoder does, and how each of them is. No camera keeps the
//! node from anything.

mod kept;
pub(crate) mod key;
mod plugged_in;
mod telling;
pub(crate) mod wanted;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use stream_model::{
    CameraDevice, CameraOrigin, CameraReport, CameraSettings, CameraState, CameraTrouble, Cameras, CamerasError,
    KeyError, StreamKeys, StreamName,
};
use streamer::camera::{Event, Job, PublishUrl, Supervisor, WorkerCommand};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::kept::Kept;
pub(crate) use self::plugged_in::plugged_in;
pub(crate) use self::telling::Telling;
use self::wanted::{MAX_CAMERAS, wanted};

/// How an encoder's process is asked for: this program, with this word.
pub(crate) const WORKER: &str = "camera-worker";

/// Where the cameras of a node publish, and with what.
pub(crate) struct Publishing {
    /// This node's own listener.
    pub(crate) rtmp: SocketAddr,
    pub(crate) keys: Arc<dyn StreamKeys>,
    pub(crate) data_dir: PathBuf,
    pub(crate) target_duration: Duration,
}

/// The cameras of a node. To be ended with [`NodeCameras::stop`].
pub(crate) struct NodeCameras {
    publishing: Arc<Publishing>,
    worker: WorkerCommand,
    file: PathBuf,
    /// Held while something is changed, so that one change is over before the next begins.
    kept: tokio::sync::Mutex<Kept>,
    slots: Mutex<BTreeMap<StreamName, Slot>>,
}

struct Slot {
    settings: CameraSettings,
    origin: CameraOrigin,
    state: watch::Sender<CameraState>,
    run: Option<Run>,
}

/// A camera that is switched on.
struct Run {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Where a listener of this machine is reached from it.
pub(crate) fn on_this_machine(mut listener: SocketAddr) -> SocketAddr {
    if listener.ip().is_unspecified() {
        listener.set_ip([127, 0, 0, 1].into());
    }
    listener
}

impl NodeCameras {
    /// Starts those that are switched on. What is in the configuration goes before what has its name on the pages.
    pub(crate) fn start(configured: &[CameraSettings], publishing: Publishing, worker: WorkerCommand) -> Self {
        let file = publishing.data_dir.join("cameras.toml");
        let kept = Kept::open(&file);
        let of_pages = kept.camera.iter().map(|settings| (settings, CameraOrigin::Pages));
        let of_file = configured.iter().map(|settings| (settings, CameraOrigin::Configuration));
        let slots: BTreeMap<_, _> = of_pages
            .chain(of_file)
            .map(|(settings, origin)| (settings.name.clone(), Slot::new(settings.clone(), origin)))
            .collect();
        let on: Vec<StreamName> = slots.keys().filter(|name| !kept.off.contains(*name)).cloned().collect();
        let cameras = Self {
            publishing: Arc::new(publishing),
            worker,
            file,
            kept: tokio::sync::Mutex::new(kept),
            slots: Mutex::new(slots),
        };
        on.iter().for_each(|name| cameras.switch_on(name));
        cameras
    }

    /// Stops all, and waits for their last pictures.
    pub(crate) async fn stop(&self) {
        let runs: Vec<Run> = lock(&self.slots).values_mut().filter_map(|slot| slot.run.take()).collect();
        join_all(runs.into_iter().map(Run::end)).await;
    }

    fn switch_on(&self, name: &StreamName) {
        let mut slots = lock(&self.slots);
        let Some(slot) = slots.get_mut(name).filter(|slot| slot.run.is_none()) else { return };
        let stop = CancellationToken::new();
        slot.state.send_replace(CameraState::Starting);
        let (publishing, worker) = (self.publishing.clone(), self.worker.clone());
        let (settings, state, stopped) = (slot.settings.clone(), slot.state.clone(), stop.clone());
        let span = tracing::info_span!("camera", %name);
        let run = async move { publishing.run(worker, &settings, &state, &stopped).await };
        slot.run = Some(Run { stop, task: tokio::spawn(run.instrument(span)) });
    }

    async fn switch_off(&self, name: &StreamName) {
        let run = lock(&self.slots).get_mut(name).and_then(|slot| slot.run.take());
        if let Some(run) = run {
            run.end().await;
        }
        if let Some(slot) = lock(&self.slots).get(name) {
            slot.state.send_replace(CameraState::Off);
        }
    }

    fn origin(&self, name: &StreamName) -> Option<CameraOrigin> {
        lock(&self.slots).get(name).map(|slot| slot.origin)
    }

    /// Writes down what is kept from now on.
    async fn write(&self, kept: &mut Kept, next: Kept) -> Result<(), CamerasError> {
        let (file, text) = (self.file.clone(), next.clone());
        let written = tokio::task::spawn_blocking(move || text.write(&file)).await;
        let failed = |error: &dyn std::fmt::Display| CamerasError::Storage(error.to_string());
        written.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        *kept = next;
        Ok(())
    }
}

#[async_trait]
impl Cameras for NodeCameras {
    fn list(&self) -> Vec<CameraReport> {
        let slots = lock(&self.slots);
        let report = |slot: &Slot| CameraReport {
            settings: slot.settings.clone(),
            origin: slot.origin,
            state: slot.state.borrow().clone(),
        };
        slots.values().map(report).collect()
    }

    async fn devices(&self) -> Result<Vec<CameraDevice>, CamerasError> {
        plugged_in(&self.worker).await
    }

    async fn set(&self, settings: CameraSettings) -> Result<(), CamerasError> {
        wanted(&settings, self.publishing.target_duration)?;
        let mut kept = self.kept.lock().await;
        let name = settings.name.clone();
        match self.origin(&name) {
            Some(CameraOrigin::Configuration) => return Err(CamerasError::Configured(name)),
            None if lock(&self.slots).len() >= MAX_CAMERAS => return Err(CamerasError::TooMany(MAX_CAMERAS)),
            _ => {}
        }
        let mut next = kept.clone();
        next.off.remove(&name);
        next.camera.retain(|camera| camera.name != name);
        next.camera.push(settings.clone());
        self.write(&mut kept, next).await?;
        self.switch_off(&name).await;
        lock(&self.slots).insert(name.clone(), Slot::new(settings, CameraOrigin::Pages));
        self.switch_on(&name);
        Ok(())
    }

    async fn switch(&self, name: &StreamName, on: bool) -> Result<(), CamerasError> {
        let mut kept = self.kept.lock().await;
        self.origin(name).ok_or_else(|| CamerasError::Unknown(name.clone()))?;
        let mut next = kept.clone();
        if on {
            next.off.remove(name)
        } else {
            next.off.insert(name.clone())
        };
        self.write(&mut kept, next).await?;
        self.switch_off(name).await;
        if on {
            self.switch_on(name);
        }
        Ok(())
    }

    async fn remove(&self, name: &StreamName) -> Result<(), CamerasError> {
        let mut kept = self.kept.lock().await;
        match self.origin(name) {
            None => return Err(CamerasError::Unknown(name.clone())),
            Some(CameraOrigin::Configuration) => return Err(CamerasError::Configured(name.clone())),
            Some(CameraOrigin::Pages) => {}
        }
        let mut next = kept.clone();
        next.off.remove(name);
        next.camera.retain(|camera| camera.name != *name);
        self.write(&mut kept, next).await?;
        self.switch_off(name).await;
        lock(&self.slots).remove(name);
        Ok(())
    }
}

impl Slot {
    fn new(settings: CameraSettings, origin: CameraOrigin) -> Self {
        Self { settings, origin, state: watch::Sender::default(), run: None }
    }
}

impl Run {
    async fn end(self) {
        self.stop.cancel();
        // A task that panicked has ended, too.
        let _ = self.task.await;
    }
}

impl Publishing {
    /// Keeps a camera going until it is stopped, its source ends, or somebody has to do something.
    async fn run(
        &self,
        worker: WorkerCommand,
        settings: &CameraSettings,
        state: &watch::Sender<CameraState>,
        stop: &CancellationToken,
    ) {
        let ended = match self.job(settings).await {
            Ok(job) => {
                let (mut telling, mut course) = (Telling::default(), Course::default());
                let tell = |event: Event| {
                    telling.handle(&event);
                    state.send_replace(course.after(event));
                };
                Supervisor::new(worker, job).run(stop, tell).await
            }
            Err(trouble) => Err(trouble),
        };
        state.send_replace(match ended {
            Ok(()) => CameraState::Ended,
            Err(trouble) => {
                tracing::warn!(%trouble, "the camera is off until somebody mends this");
                CameraState::Failed(trouble)
            }
        });
    }

    async fn job(&self, settings: &CameraSettings) -> Result<Job, CameraTrouble> {
        let wanted = wanted(settings, self.target_duration);
        let wanted = wanted.map_err(|error| CameraTrouble::Job { reason: error.to_string() })?;
        let (rtmp, name, key) = (self.rtmp, &settings.name, self.key(&settings.name).await?);
        let publish = PublishUrl(format!("rtmp://{rtmp}/live/{name}?key={key}"));
        Ok(wanted.job(publish))
    }

    /// The camera's key, made where it has none or where its own was revoked.
    async fn key(&self, name: &StreamName) -> Result<String, CameraTrouble> {
        let failed = |error: &dyn std::fmt::Display| CameraTrouble::Job {
            reason: format!("the camera's key cannot be used: {error}"),
        };
        let file = key::key_file(&self.data_dir, name);
        let counts = self.keys.list().await.map_err(|error| failed(&error))?.iter().any(|entry| entry.name == *name);
        if let Some(key) = key::read(&file).map_err(|error| failed(&error))?.filter(|_| counts) {
            return Ok(key);
        }
        let made = self.keys.add(name.clone()).await.map_err(|error| match error {
            KeyError::Exists(name) => CameraTrouble::Key { name: name.to_string() },
            error => failed(&error),
        })?;
        key::keep(&file, &made.key).map_err(|error| failed(&error))?;
        Ok(made.key.expose().to_owned())
    }
}

/// What is known of a camera between its reports.
#[derive(Debug, Default)]
struct Course {
    encoder: Option<String>,
}

impl Course {
    fn after(&mut self, event: Event) -> CameraState {
        match event {
            Event::Started { encoder } => {
                self.encoder = encoder;
                CameraState::Starting
            }
            Event::Progress { pictures, dropped, .. } => {
                CameraState::Publishing { encoder: self.encoder.clone(), pictures, dropped }
            }
            Event::Again { trouble, wait } => CameraState::Waiting { trouble, wait },
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
